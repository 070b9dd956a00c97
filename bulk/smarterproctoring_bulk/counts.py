"""How many of something there are, in words."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with what it counts: `1 row`, `1,200 rows`.

    Args:
        number: How many there are.
        one: What follows 1.
        many: What follows any other number; `one` with an s if it is empty.
    """
    if number == 1:
        return f"1 {one}"
    return f"{number:,} {many or f'{one}s'}"
