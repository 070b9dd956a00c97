"""What cannot be tested while httpx2 is in the place of httpx (`make test-httpx2`), and why."""

from __future__ import annotations

from collections.abc import Iterable

import httpx
import pytest

NOT_APPLICABLE = {
    "test_vcrpy": "vcrpy patches httpx and httpx2 each; here they are the same classes, which it then patches twice"
}
"""Name of a test function -> the reason. Each is expected to fail: one that passes again fails the run."""


def mark_not_applicable(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that cannot apply, if httpx2 is in the place of httpx."""
    if httpx.__name__ != "httpx2":
        return
    for item in items:
        name = item.name.partition("[")[0]
        if name in NOT_APPLICABLE:
            item.add_marker(pytest.mark.xfail(reason=NOT_APPLICABLE[name], strict=True))
