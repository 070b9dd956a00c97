"""One coroutine for the synchronous and the asynchronous side: without a loop, it runs from start to end at once."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar, cast

R = TypeVar("R")


def finish(work: Coroutine[Any, Any, R], error: Exception | None = None) -> R:
    """Run a coroutine whose every step is synchronous.

    Args:
        work: The coroutine.
        error: Raised where a step has to be waited for, at that step.

    Raises:
        RuntimeError: A step has to be waited for, and no other error was given.
    """
    error = error or RuntimeError("a step has to be waited for, which synchronous code cannot do")
    try:
        work.send(None)
        work.throw(error)
    except StopIteration as done:
        return cast("R", done.value)
    work.close()
    raise error


async def settled(value: Any) -> Any:
    """Return a value, awaiting it where it has to be awaited."""
    return await value if hasattr(value, "__await__") else value
