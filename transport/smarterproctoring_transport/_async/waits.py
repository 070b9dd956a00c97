"""How tasks wait for a place in the pool, on asyncio or trio. Written by hand, as is `_sync/waits.py`."""

from __future__ import annotations

from contextlib import AbstractContextManager

import anyio
import httpcore


class Slots:
    """A semaphore with a timeout.

    Args:
        count: How many there are; None for no limit.
    """

    def __init__(self, count: int | None) -> None:
        self._free = anyio.Semaphore(
            2**31 if count is None else count, fast_acquire=True
        )

    def taken(self) -> bool:
        """Take a place if one is free; tell whether one was."""
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            return False
        return True

    async def wait(self, seconds: float | None) -> None:
        """Wait for a place, and take it.

        Args:
            seconds: How long to wait for one; None for no limit.

        Raises:
            httpcore.PoolTimeout: None became free in time.
        """
        with anyio.move_on_after(seconds) as scope:
            await self._free.acquire()
        if scope.cancelled_caught:
            raise httpcore.PoolTimeout("no free connection")

    def give_back(self) -> None:
        """Give a place back."""
        self._free.release()


def shielded() -> AbstractContextManager[object]:
    """Return a scope that is shielded from cancellation."""
    return anyio.CancelScope(shield=True)
