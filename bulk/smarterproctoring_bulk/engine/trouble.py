"""What the errors of the database drivers mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

_FULL: Final = re.compile(
    "disk is full|disk I/O error|DiskFull|No space left", re.IGNORECASE
)
_GONE: Final = re.compile(
    "no such table|readonly database|disk image is malformed|unable to open database"
)

Trouble: TypeAlias = Literal["", "full", "gone"]
"""Why a journal cannot be written any more: its disk is full, or its file is gone."""
REASONS: Final[Mapping[Trouble, str]] = {
    "full": "its disk is full",
    "gone": "its file was deleted or replaced",
}


def trouble_in(cause: BaseException) -> Trouble:
    """Return why trying again cannot help; empty if it can.

    Args:
        cause: The driver's own error.
    """
    text = f"{type(cause).__name__} {cause}"
    if _FULL.search(text):
        return "full"
    if _GONE.search(text):
        return "gone"
    return ""


def reason_in(cause: BaseException) -> str:
    """Return why a database call failed, without a value or a password.

    Args:
        cause: The driver's own error.
    """
    trouble = trouble_in(cause)
    if trouble:
        return REASONS[trouble]
    first, _, _ = str(cause).partition("\n")
    return first or type(cause).__name__
