"""Wait on the event loop that runs the application."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final, TypeAlias

Pause: TypeAlias = Callable[[float], Awaitable[None]]

PAUSE: Final[ContextVar[Pause | None]] = ContextVar(
    "smarterproctoring_mock", default=None
)
"""How to wait, where a driver of its own runs the application (`in_process.py`)."""


async def sleep(seconds: float) -> None:
    """Wait on the running event loop: asyncio's, trio's, or none, if a coroutine is driven by hand.

    Args:
        seconds: How long.
    """
    pause = PAUSE.get()
    if pause is not None:
        await pause(seconds)
        return
    if _is_on_asyncio():
        await asyncio.sleep(seconds)
    elif "trio" in sys.modules and await _slept_on_trio(seconds):
        return
    else:
        time.sleep(seconds)  # noqa: ASYNC251  there is no loop to hold up


def _is_on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _slept_on_trio(seconds: float) -> bool:
    """Wait if trio runs this; return whether it does."""
    import trio  # noqa: PLC0415  only for those who use it

    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return False
    await trio.sleep(seconds)
    return True
