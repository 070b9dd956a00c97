"""The asynchronous public client, and its view for one install: the surface of the synchronous ones.

It is a module of its own so that a synchronous program does not load it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from smarterproctoring_generated import operations
from smarterproctoring_generated.facade import (
    AsyncInstallOperations,
    AsyncOperations,
    Parse,
    ParsedT,
)
from smarterproctoring_generated.records import Hidden, Operation
from smarterproctoring_generated.results import Check, Result

from smarterproctoring._async.sender import AsyncSender
from smarterproctoring._async.waits import Calling, concurrently, sleep
from smarterproctoring.client import BaseClient
from smarterproctoring.credentials import AsyncTokenSource
from smarterproctoring.install import checked_install
from smarterproctoring.methods import Methods

if TYPE_CHECKING:
    from smarterproctoring_generated.operations import (
        RescheduleExamSessionInstallItem,
        RescheduleExamSessionItem,
    )

    from smarterproctoring.dry_run import DryRun  # noqa: F401 - in a base class, as text
    from smarterproctoring.many import Outcome


class AsyncMethods(Methods[AsyncSender]):
    """Calls that the caller awaits."""

    async def _call(
        self,
        operation: Operation,
        sids: Sequence[object],
        given: Hidden[Mapping[str, object]],
        parse: Parse[ParsedT],
    ) -> Result[ParsedT]:
        call = await self._sender.perform(self._prepare(operation, sids, given))
        return call.result(parse)

    async def _check(
        self,
        operation: Operation,
        read_operation: Operation,
        sids: Sequence[object],
        given: Hidden[Mapping[str, object]],
    ) -> Check:
        asked = self._prepare_check(operation, sids, given)
        return await self._sender.check(asked, read_operation)

    async def _many(
        self,
        items: Hidden[Iterable[Mapping[str, Any]]],
        dry_run: Callable[..., object],
        call: Calling[Result[None]],
        concurrency: int,
        rate: float | None,
    ) -> list[Outcome]:
        from smarterproctoring._async.many import work  # noqa: PLC0415 - few programs use it
        from smarterproctoring.many import Many  # noqa: PLC0415

        operation = operations.RESCHEDULE_EXAM_SESSION
        many = Many(operation, items, dry_run, concurrency, rate)
        try:
            await concurrently(partial(work, many, call, sleep), many.workers)
        except BaseException as interrupt:
            many.interrupted(interrupt)
            raise
        return many.outcomes


class AsyncInstallClient(AsyncMethods, AsyncInstallOperations["DryRun"]):
    """As `InstallClient`, asynchronous. `AsyncSmarterProctoring.for_install` makes it."""

    def __init__(self, sender: AsyncSender, install_sid: str) -> None:
        self._sender = sender
        self._install_sid = install_sid

    def _with_sender(self, sender: AsyncSender) -> Self:
        return type(self)(sender, self._install_sid)

    async def reschedule_many(
        self,
        items: Iterable[RescheduleExamSessionInstallItem],
        *,
        concurrency: int = 16,
        rate: float | None = None,
    ) -> list[Outcome]:
        """Move many exam sessions; arguments, outcomes and errors as for `InstallClient.reschedule_many`."""
        given: Hidden[Iterable[Mapping[str, object]]] = Hidden(items)
        # A traceback with local variables must not show what they say of persons.
        del items
        return await self._many(
            given, self.dry_run_reschedule, self.reschedule, concurrency, rate
        )


class AsyncSmarterProctoring(
    BaseClient[AsyncSender, AsyncTokenSource], AsyncMethods, AsyncOperations["DryRun"]
):
    """Moves exam sessions, on asyncio or trio. Share one over tasks; close it, or use it in an `async with` block."""

    _kind = AsyncSender

    def for_install(self, install_sid: str | None = None) -> AsyncInstallClient:
        """Return a view for one install; arguments and errors as for `SmarterProctoring.for_install`."""
        install = checked_install(install_sid, self._install_sid)
        return AsyncInstallClient(self._sender, install)

    async def reschedule_many(
        self,
        items: Iterable[RescheduleExamSessionItem],
        *,
        concurrency: int = 16,
        rate: float | None = None,
    ) -> list[Outcome]:
        """Move many exam sessions; arguments, outcomes and errors as for `SmarterProctoring.reschedule_many`.

        A cancellation cuts the calls under way, and carries the outcomes as Ctrl-C does there.
        """
        given: Hidden[Iterable[Mapping[str, object]]] = Hidden(items)
        # A traceback with local variables must not show what they say of persons.
        del items
        return await self._many(
            given, self.dry_run_reschedule, self.reschedule, concurrency, rate
        )

    async def aclose(self) -> None:
        """Close the connections of this client and of all made from it by `with_options` and `for_install`."""
        await self._sender.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
