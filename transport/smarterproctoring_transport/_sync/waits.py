"""How threads wait for a place in the pool. Written by hand, as is `_async/waits.py`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from queue import Empty, SimpleQueue

import httpcore


class Slots:
    """Places that threads take one of, and give back.

    Args:
        count: How many there are; None for no limit.
    """

    def __init__(self, count: int | None) -> None:
        # A queue of free places: threading's semaphore is written in Python, and takes ten times as long.
        self._free: SimpleQueue[None] = SimpleQueue()
        self._limited = count is not None
        for _ in range(count or 0):
            self._free.put(None)

    def taken(self) -> bool:
        """Take a place if one is free; tell whether one was."""
        if not self._limited:
            return True
        try:
            self._free.get_nowait()
        except Empty:
            return False
        return True

    def wait(self, seconds: float | None) -> None:
        """Wait for a place, and take it.

        Args:
            seconds: How long to wait for one; None for no limit.

        Raises:
            httpcore.PoolTimeout: None became free in time.
        """
        try:
            self._free.get(timeout=seconds)
        except Empty:
            raise httpcore.PoolTimeout("no free connection") from None

    def give_back(self) -> None:
        """Give a place back."""
        if self._limited:
            self._free.put(None)


_OPEN = nullcontext()


def shielded() -> AbstractContextManager[object]:
    """Return a scope that does nothing: nobody cancels a thread."""
    return _OPEN
