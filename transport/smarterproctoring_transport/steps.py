"""One coroutine for the synchronous and the asynchronous side: without a loop, it runs from start to end at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar, cast

R = TypeVar("R")


_UNABLE = partial(RuntimeError, "a step has to be waited for, which synchronous code cannot do")


def finish(work: Coroutine[Any, Any, R], unable: Callable[[], Exception] = _UNABLE) -> R:
    """Run a coroutine whose every step is synchronous.

    Args:
        work: The coroutine.
        unable: Makes the error that is raised where a step has to be waited for, at that step.

    Raises:
        RuntimeError: A step has to be waited for, and no other error was given.
    """
    error = None
    try:
        work.send(None)
        error = unable()
        work.throw(error)
    except StopIteration as done:
        return cast("R", done.value)
    work.close()
    raise error


def settled(value: Any) -> Awaitable[Any]:
    """Return what can be awaited for a value, whether or not the value itself has to be."""
    return value if hasattr(value, "__await__") else _at_once(value)


async def _at_once(value: Any) -> Any:
    return value


_UNLIMITED = nullcontext()


def limit(seconds: float, *, needed: bool) -> AbstractContextManager[object]:
    """Return a scope that asynchronous work is moved on from after so many seconds, or one without a limit."""
    if not needed:
        return _UNLIMITED
    import anyio  # noqa: PLC0415 - not for those who never need it

    return anyio.move_on_after(seconds)


async def sleep(seconds: float) -> None:
    """Wait, on asyncio or trio."""
    import anyio  # noqa: PLC0415 - not for those who never need it

    await anyio.sleep(seconds)


async def together(work: Callable[..., Coroutine[Any, Any, object]], count: int, *arguments: Any) -> None:
    """Run so many of the same coroutine function at once, on asyncio or trio."""
    import anyio  # noqa: PLC0415 - not for those who never need it

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(work, *arguments)
