"""Calls that nothing can interrupt, run in a daemon thread, so that the caller can stop waiting for them.

A name look-up and a user's callable know no time limit. A daemon thread is left behind when the limit is reached: it
ends by itself, and neither the interpreter's exit nor `asyncio.run` waits for it, as they do for a pool of threads.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from smarterproctoring_transport.failures import StillRunning

R = TypeVar("R")


class _Pending(Generic[R]):
    """What a call returned or raised; it is kept until the caller looks."""

    def __init__(self, function: Callable[[], R], done: Callable[[], object]) -> None:
        self._function = function
        self._done = done
        self._values: list[R] = []
        self._error: BaseException | None = None

    def start(self) -> None:
        """Run the call in a thread of its own, with the caller's context variables."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), daemon=True).start()

    def _run(self) -> None:
        try:
            self._values.append(self._function())
        except BaseException as error:  # noqa: BLE001 - it is raised where the caller waits
            self._error = error
        with suppress(RuntimeError):  # the event loop is closed: nobody waits any more
            self._done()

    def take(self) -> R:
        """Return the value, or raise what the call raised."""
        if self._error is not None:
            error = self._error
            self._error = None  # the error's traceback and this object would form a reference cycle
            raise error
        return self._values[0]


def call_within(function: Callable[[], R], seconds: float | None) -> R:
    """Call a function and wait for it for a limited time.

    Args:
        function: What to call.
        seconds: How long to wait; None for no limit.

    Raises:
        StillRunning: It has not returned yet. It goes on in its thread.
    """
    from queue import Empty, SimpleQueue  # noqa: PLC0415 - not for those who never need it

    ended: SimpleQueue[None] = SimpleQueue()
    pending = _Pending(function, lambda: ended.put(None))
    pending.start()
    try:
        ended.get(timeout=None if seconds is None else max(seconds, 0.0))
    except Empty:
        raise StillRunning("the call did not return in time") from None
    return pending.take()


async def call_aside(function: Callable[[], R]) -> R:
    """Call a function without holding up the event loop, asyncio's or trio's; the caller limits the wait.

    Cancelling the wait leaves the function running in its thread.
    """
    import anyio  # noqa: PLC0415 - not for those who never need it

    ended = anyio.Event()
    pending = _Pending(function, _waker(ended.set))
    pending.start()
    await ended.wait()
    return pending.take()


def _waker(wake: Callable[[], object]) -> Callable[[], object]:
    """Return a thread-safe function that calls `wake` in the running event loop."""
    import asyncio  # noqa: PLC0415 - not for those who never need it

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _trio_waker(wake)
    return lambda: loop.call_soon_threadsafe(wake)


def _trio_waker(wake: Callable[[], object]) -> Callable[[], object]:
    import trio  # noqa: PLC0415 - there is no other loop, so it is running already

    token: Any = trio.lowlevel.current_trio_token()
    return lambda: token.run_sync_soon(wake)
