"""A mock server that keeps requests waiting for as long as a test needs."""

from __future__ import annotations

import asyncio
from typing import Any

from smarterproctoring_mock import MockApp
from smarterproctoring_mock.fault import ConnectionDropped


class Holding(MockApp):
    """Lets requests wait until `release`: what a command has under way then is certain, however long a test takes.

    Attributes:
        waiting: How many wait.
    """

    waiting = 0
    _passing: int | None = None
    """How many may still pass; None for all."""
    _resets = 0

    def hold(self, after: int = 0) -> None:
        """Let requests wait from now on.

        Args:
            after: How many pass before.
        """
        self._passing = after

    def release(self) -> None:
        """Let those that wait pass, and all others."""
        self._passing = None

    def reset(self) -> None:
        """Reset everything; a request that waits is dropped, since it belongs to an earlier test."""
        self._resets += 1
        self.waiting = 0
        self.release()
        super().reset()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._passing is not None and scope["type"] == "http" and not scope["path"].startswith("/_mock"):
            await self._pass()
        await super().__call__(scope, receive, send)

    async def _pass(self) -> None:
        """Wait for the turn of a request."""
        if self._passing:
            self._passing -= 1
            return
        resets = self._resets
        self.waiting += 1
        try:
            while self._passing is not None and self._resets == resets:
                await asyncio.sleep(0.01)
        finally:
            if self._resets == resets:
                self.waiting -= 1
        if self._resets > resets:
            raise ConnectionDropped("before-read", reset=False)
