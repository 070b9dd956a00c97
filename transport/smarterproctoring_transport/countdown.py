"""The time that is left of a limit, over several waits."""

from __future__ import annotations

import math
import time


class Countdown:
    """The time that is left of a limit.

    Args:
        seconds: The limit; None for none.
        late: The exception that says that it is reached.
    """

    def __init__(self, seconds: float | None, late: type[Exception]) -> None:
        self._until = math.inf if seconds is None else time.monotonic() + seconds
        self._late = late

    def left(self) -> float | None:
        """Return the seconds that are left, more than none; None where there is no limit.

        Raises:
            Exception: The limit is reached; the class that was given.
        """
        if self._until == math.inf:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            raise self._late("the time limit is reached")
        return left
