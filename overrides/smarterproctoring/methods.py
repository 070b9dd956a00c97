"""What the clients and their views for one install share: how a method of an operation becomes a call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack

from smarterproctoring_generated import operations
from smarterproctoring_generated.facade import Parse, ParsedT
from smarterproctoring_generated.records import Hidden, Operation
from smarterproctoring_generated.results import Check, Result

from smarterproctoring._sync.sender import SyncSender
from smarterproctoring.errors import NoCopy
from smarterproctoring.prepare import Prepared, from_keywords, to_compare
from smarterproctoring.rules import rules_of, warn_deprecated

if TYPE_CHECKING:
    from smarterproctoring._async.sender import AsyncSender
    from smarterproctoring._sync.waits import Calling
    from smarterproctoring.dry_run import DryRun
    from smarterproctoring.many import Outcome
    from smarterproctoring.options import CallOptions

SenderT = TypeVar("SenderT", "SyncSender", "AsyncSender")


class Methods(NoCopy, Generic[SenderT]):
    """What needs no I/O."""

    _sender: SenderT

    def with_options(self, **options: Unpack[CallOptions]) -> Self:
        """Return the same with other options, on the same connections.

        Args:
            options: `timeout`, `deadline`, `retries`, `retry_ambiguous`, `read_back`, `allow_empty`, `headers`,
                `on_retry` and `on_call`, as for the client. What is not given stays as it is; headers are added to
                those that are set.

        Raises:
            ConfigurationError: All options that cannot work.
            TypeError: An unknown option.
        """
        given: Hidden[CallOptions] = Hidden(options)
        # A traceback with local variables must not show the headers.
        del options
        return self._with_sender(self._sender.view(given))

    @abstractmethod
    def _with_sender(self, sender: SenderT) -> Self:
        """Return the same with another sender."""

    def _prepare(
        self,
        operation: Operation,
        sids: Sequence[object],
        given: Hidden[Mapping[str, object]],
    ) -> Prepared:
        if rules_of(operation).is_deprecated:
            # Above this: `_call` or `_dry_run`, the method of the operation, and its caller.
            warn_deprecated(operation, given, stacklevel=4)
        return from_keywords(
            operation, sids, given, allow_empty=self._sender.call_options.allow_empty
        )

    def _prepare_check(
        self,
        operation: Operation,
        sids: Sequence[object],
        given: Hidden[Mapping[str, object]],
    ) -> Prepared:
        if rules_of(operation).is_deprecated:
            # Above this: `_check`, the method of the operation, and its caller.
            warn_deprecated(operation, given, stacklevel=4)
        return to_compare(operation, sids, given)

    def _dry_run(
        self,
        operation: Operation,
        sids: Sequence[object],
        given: Hidden[Mapping[str, object]],
    ) -> DryRun:
        from smarterproctoring.dry_run import DryRun, with_token  # noqa: PLC0415 - few programs use it

        request = self._sender.request_for(self._prepare(operation, sids, given))
        return DryRun(
            request.method,
            str(request.url),
            with_token(operation, request.headers),
            request.content,
            operation.path,
        )

    def __repr__(self) -> str:
        if not hasattr(self, "_sender"):  # __init__ has failed
            return f"<{type(self).__name__}>"
        sender = self._sender
        options = sender.call_options
        return f"<{type(self).__name__} {sender.origin} retries={options.retries} deadline={options.deadline:g}s>"


class SyncMethods(Methods[SyncSender]):
    """Calls that the caller waits for."""

    def _call(
        self,
        operation: Operation,
        sids: Sequence[object],
        given: Hidden[Mapping[str, object]],
        parse: Parse[ParsedT],
    ) -> Result[ParsedT]:
        call = self._sender.perform(self._prepare(operation, sids, given))
        return call.result(parse)

    def _check(
        self,
        operation: Operation,
        read_operation: Operation,
        sids: Sequence[object],
        given: Hidden[Mapping[str, object]],
    ) -> Check:
        asked = self._prepare_check(operation, sids, given)
        return self._sender.check(asked, read_operation)

    def _many(
        self,
        items: Hidden[Iterable[Mapping[str, Any]]],
        dry_run: Callable[..., object],
        call: Calling[Result[None]],
        concurrency: int,
        rate: float | None,
    ) -> list[Outcome]:
        from smarterproctoring._sync.many import work  # noqa: PLC0415 - few programs use it
        from smarterproctoring.many import Many  # noqa: PLC0415

        operation = operations.RESCHEDULE_EXAM_SESSION
        many = Many(operation, items, dry_run, concurrency, rate)
        many.in_threads(partial(work, many, call, many.pause))
        return many.outcomes
