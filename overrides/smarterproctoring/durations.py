"""Reads durations that people type, such as `2h` or `1h30m`."""

from __future__ import annotations

import re
from datetime import timedelta

_FORM = re.compile(
    r"(?:([0-9]{1,3}) ?(?:h|hrs?|hours?))?(?: ?([0-9]{1,4}) ?(?:m|mins?|minutes?))?"
)


def read_duration(text: str) -> timedelta:
    """Read a duration.

    Args:
        text: Hours, minutes or both: `2h`, `90m`, `1h30m`, `1 hour 30 minutes`.

    Raises:
        ValueError: It is something else, or zero.
    """
    plain = " ".join(text.split()).lower()
    match = _FORM.fullmatch(plain)
    if match is None or not plain:
        raise ValueError(
            f"{text[:40]!r} is not a duration; write hours and minutes, as in 2h, 90m or 1h30m"
        )
    duration = timedelta(hours=int(match[1] or 0), minutes=int(match[2] or 0))
    if not duration:
        raise ValueError(
            f"{text[:40]!r} has no length; write hours and minutes, as in 2h, 90m or 1h30m"
        )
    return duration
