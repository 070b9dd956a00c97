"""How asynchronous code waits, on asyncio or trio. Written by hand, as is `_sync/waits.py`.

anyio is imported where it is used, because most programs that import this package never wait here.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from smarterproctoring_transport import StillRunning

R = TypeVar("R")
Sleep = Callable[[float], Awaitable[object]]
"""A function that sleeps for a number of seconds."""
Calling = Callable[..., Awaitable[R]]
"""A function that makes a call."""
Work = Callable[[], Coroutine[Any, Any, None]]
"""The work of one worker."""
UNLIMITED = nullcontext()
"""A scope without a limit."""


async def sleep(seconds: float) -> None:
    """Wait."""
    import anyio  # noqa: PLC0415

    await anyio.sleep(seconds)


async def raised_by(value: object, seconds: float) -> str:
    """Await what a hook returned, if it has to be; return the name of what was raised, empty if nothing was.

    Args:
        value: What the hook returned.
        seconds: How long to wait; then the hook is cancelled, as if it had returned.
    """
    if not inspect.isawaitable(value):
        return ""
    import anyio  # noqa: PLC0415

    with anyio.move_on_after(seconds):
        try:
            await value
        except Exception as error:  # noqa: BLE001 - the caller's own; what is known of the call must not be lost
            return type(error).__name__
    return ""


async def _value_of(value: object) -> object:
    return await value if inspect.isawaitable(value) else value


async def token_from(source: Callable[[], object], seconds: float) -> object:
    """Return what a token callable gives, asynchronous or not.

    One that is not asynchronous runs in a thread of its own, so that it cannot hold up the event loop.

    Args:
        source: The callable.
        seconds: How long to wait.

    Raises:
        StillRunning: It did not return in time.
    """
    import anyio  # noqa: PLC0415
    from smarterproctoring_transport import call_aside  # noqa: PLC0415 - most tokens are text

    with anyio.move_on_after(seconds):
        if inspect.iscoroutinefunction(source) or inspect.iscoroutinefunction(
            type(source).__call__
        ):
            return await _value_of(source())
        return await _value_of(await call_aside(source))
    raise StillRunning("the call did not return in time")


def limited(seconds: float) -> AbstractContextManager[object]:
    """Return a scope that is cancelled after a number of seconds."""
    import anyio  # noqa: PLC0415

    return anyio.move_on_after(seconds)


async def concurrently(work: Work, workers: int) -> None:
    """Run several workers concurrently."""
    import anyio  # noqa: PLC0415

    async with anyio.create_task_group() as tasks:
        for _ in range(workers):
            tasks.start_soon(work)
