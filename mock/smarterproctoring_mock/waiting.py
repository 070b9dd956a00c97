"""Wait on whichever event loop runs the application."""

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
    """Wait on whichever event loop runs this: asyncio's, trio's, or none, when a coroutine is driven by hand.

    Args:
        seconds: How long.
    """
    pause = PAUSE.get()
    if pause is not None:
        await pause(seconds)
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_run():
            await trio.sleep(seconds)
        else:
            time.sleep(seconds)  # noqa: ASYNC251  there is no loop to hold up
    else:
        await asyncio.sleep(seconds)
