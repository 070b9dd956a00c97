"""Start coroutines eagerly: up to their first wait within the call, and in a task only from there on.

Most requests are answered without a wait. A task for each would take more of the processor's time.
Python 3.12 has eager tasks; the replacement for 3.11 can be removed together with 3.11.
"""

import asyncio
import sys
from collections.abc import Coroutine, Generator
from typing import TypeAlias

_Awaited: TypeAlias = "asyncio.Future[object] | None"
"""What a coroutine of asyncio yields: the future that it waits for, or None to let others go first."""
_Coroutine: TypeAlias = Coroutine[_Awaited, None, None]

if sys.version_info >= (3, 12):

    def start(coroutine: _Coroutine) -> asyncio.Task[None] | None:
        """Run a coroutine up to its first wait.

        Args:
            coroutine: It must not need to know its task before its first wait.

        Returns:
            The task that goes on with it; None where it has ended.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.Task(coroutine, loop=loop, eager_start=True)
        return None if task.done() else task

else:

    def start(coroutine: _Coroutine) -> asyncio.Task[None] | None:
        """Run a coroutine up to its first wait.

        Args:
            coroutine: It must not need to know its task before its first wait.

        Returns:
            The task that goes on with it; None where it has ended.
        """
        try:
            awaited = coroutine.send(None)
        except StopIteration:
            return None
        return asyncio.get_running_loop().create_task(_finish(coroutine, awaited))

    async def _finish(coroutine: _Coroutine, awaited: _Awaited) -> None:
        await _Rest(coroutine, awaited)

    class _Rest:
        """What is left of a coroutine that waits, as an awaitable."""

        def __init__(self, coroutine: _Coroutine, awaited: _Awaited) -> None:
            self._coroutine = coroutine
            self._awaited = awaited

        def __await__(self) -> Generator[_Awaited, None, None]:
            awaited = self._awaited
            try:
                while True:
                    try:
                        yield awaited
                    except asyncio.CancelledError as error:
                        awaited = self._coroutine.throw(error)
                    else:
                        awaited = self._coroutine.send(None)
            except StopIteration:
                return
