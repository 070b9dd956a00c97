"""The remaining time of a limit that covers several waits."""

from __future__ import annotations

import math
import time


class Countdown:
    """The remaining time of a limit.

    Args:
        seconds: The limit; None for none.
        late: The exception to raise when the limit is reached.
    """

    def __init__(self, seconds: float | None, late: type[Exception]) -> None:
        self._until = math.inf if seconds is None else time.monotonic() + seconds
        self._late = late

    def left(self) -> float | None:
        """Return the remaining seconds, above 0; None if there is no limit.

        Raises:
            Exception: The limit is reached; the class that was given.
        """
        if self._until == math.inf:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            raise self._late("the time limit is reached")
        return left
