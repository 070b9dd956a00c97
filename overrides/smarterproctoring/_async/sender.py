"""Sends calls by the rules: attempts, limits, hooks, retries. Every operation goes through here."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from smarterproctoring_generated.records import Hidden, Operation
from smarterproctoring_generated.results import Check
from smarterproctoring_transport import AsyncShared, StillRunning, TransportOptions

from smarterproctoring._async.waits import (
    UNLIMITED,
    limited,
    raised_by,
    sleep,
    token_from,
)
from smarterproctoring.answers import Reply
from smarterproctoring.budget import RetryBudget
from smarterproctoring.call import TOO_LATE, Call
from smarterproctoring.credentials import Secret, TokenCallable
from smarterproctoring.errors import ConfigurationError, NoCopy, SmarterProctoringError
from smarterproctoring.policy import Failure, Loss
from smarterproctoring.prepare import Prepared
from smarterproctoring.reading import NO_TIME_LEFT, check_failed, check_of, read_of, why
from smarterproctoring.seam import (
    Hook,
    Hooks,
    OnlyRequests,
    Received,
    Request,
    Response,
    loss,
    prepared_from,
    requests_for,
    response_of,
    unusable,
)
from smarterproctoring.settings import Options

if TYPE_CHECKING:
    from smarterproctoring.options import CallOptions


class AsyncSender(NoCopy, OnlyRequests):
    """Sends the calls of a client and its views.

    Generated functions get it in the place of an httpx client: they call `request`, and nothing else is there.

    Args:
        source: The token, or a callable that returns it and is called before each attempt.
        base_url: The origin and the prefix of every path.
        options: Options of each call.
        transport: How bytes travel.

    Raises:
        ConfigurationError: An option of the transport that cannot work.
    """

    def __init__(
        self,
        source: Secret | TokenCallable,
        base_url: str,
        options: Options,
        transport: TransportOptions,
    ) -> None:
        self.shared = AsyncShared(base_url, transport, error=unusable)
        self.budget = RetryBudget()
        self.hooks = Hooks.of(transport.get("event_hooks", {}))
        self.source = source
        self.origin = base_url
        self.call_options = options
        self._requests = requests_for(base_url, options)

    def view(self, changes: Hidden[CallOptions]) -> Self:
        """Return a sender with other options on the same pool."""
        options = self.call_options.changed(changes)
        view = object.__new__(type(self))
        view.shared = self.shared
        view.budget = self.budget
        view.hooks = self.hooks
        view.source = self.source
        view.origin = self.origin
        view.call_options = options
        view._requests = requests_for(self.origin, options)
        return view

    def request_for(self, prepared: Prepared) -> Request:
        """Build the request, without the token."""
        content = prepared.content.reveal()
        return self._requests.make(
            prepared.operation.method, prepared.path, content, prepared.headers
        )

    async def request(self, method: str, url: object, **arguments: object) -> Response:
        """Send for a generated function; only a 2xx returns.

        Raises:
            ConfigurationError: Not an operation of the spec, or more than the spec's operations need.
            ValidationError: All problems with parameters and body.
        """
        call = await self.perform(prepared_from(method, url, arguments))
        return response_of(call.reply)

    async def check(self, asked: Prepared, reader: Operation) -> Check:
        """Read back, and compare with what a change would ask for.

        Raises:
            ConfigurationError: The token is not available or cannot be sent, or the client is closed.
        """
        try:
            call = await self.perform(read_of(asked, reader))
        except ConfigurationError:
            raise
        except SmarterProctoringError as error:
            problem = why(error)
        else:
            return check_of(asked, call.reply)
        return check_failed(asked, problem)

    async def aclose(self) -> None:
        """Close the connections of this sender and its views."""
        await self.shared.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def perform(self, prepared: Prepared) -> Call:
        """Repeat attempts until the call succeeds, and return it; raise its error when it has failed."""
        call = Call(
            prepared,
            self.call_options,
            can_renew=callable(self.source),
            budget=self.budget,
        )
        failure: SmarterProctoringError | None = None
        try:
            if self.call_options.on_call:
                call.begin_observing(self.origin)
            try:
                await self._attempts(self.request_for(prepared), call)
            except SmarterProctoringError as error:
                failure = call.completed(error)
            if failure is not None and await self._confirmed(call, before_replay=False):
                failure = None
        except BaseException as interrupt:
            if not isinstance(interrupt, Exception | GeneratorExit):
                call.interrupted(interrupt)
            if call.observation is not None:
                call.end(interrupt)
            raise
        if failure is not None:
            failure = call.with_check(failure)
        if call.observation is not None:
            call.end(failure)
        if failure is None:
            return call
        raise failure  # here, so that no other error is its context

    async def _attempts(self, request: Request, call: Call) -> None:
        header = call.operation.token_header
        while True:
            source = self.source
            secret = (
                source
                if isinstance(source, Secret)
                else await _token_from(source, call)
            )
            request.extensions = {
                "timeout": call.begin(secret),
                "deadline": call.deadline_at,
            }
            if header is not None:
                request.headers[header] = secret.reveal()
            wait = call.settle(await self._attempt(request, call))
            if wait is None:
                return
            call.check_wait(wait, await raised_by(call.hooked, call.remaining()))
            await sleep(wait)
            if await self._confirmed(call, before_replay=True):
                return

    async def _confirmed(self, call: Call, *, before_replay: bool) -> bool:
        """Read back what an unsure call changes; tell whether that confirms the change, and so ends the call.

        A read that fails, in whatever way, leaves the call as it is.
        """
        if not call.is_unsure():
            return False
        reading = call.reading(before_replay=before_replay)
        if reading is None:
            if not before_replay:  # else the end of the call has time of its own
                call.read_failed(NO_TIME_LEFT)
            return False
        try:
            await self._attempts(self.request_for(reading.prepared), reading)
        except Exception as error:  # noqa: BLE001 - whatever it is, it says nothing of the change
            call.read_failed(why(error))
            return False
        return call.take_read(reading.reply)

    async def _attempt(self, request: Request, call: Call) -> Reply | Loss:
        """Send once and read the answer."""
        channel = self.shared.channel()
        if self.hooks.request:
            raised = await _call_hooks(self.hooks.request, request, call)
            if raised:
                return Loss(Failure.HOOK, raised)
            if call.remaining() <= 0:
                return Loss(Failure.NOT_SENT, "the request hooks took until then")
        received = Received()
        limit = UNLIMITED if channel.keeps_deadline else limited(call.remaining())
        with limit:
            call.sending = True
            try:
                response = await channel.send(request)
            except Exception as error:  # noqa: BLE001 - no third-party exception may pass, whatever the transport is
                return loss(error)
            except BaseException as interrupt:  # noqa: BLE001 - raised again, without frames that hold the headers
                raise interrupt.with_traceback(None) from None
            received.begin(response)
            try:
                if self.hooks.response:
                    hooks = self.hooks.response
                    call.hook_failed = await _call_hooks(hooks, response, call)
                await _read(received, call)
            finally:
                if not received.came_whole:  # else the connection is back already
                    with suppress(Exception):
                        await response.aclose()
        return received.outcome()


async def _token_from(source: TokenCallable, call: Call) -> Secret:
    """Ask for the token; a failing source becomes a problem of the token."""
    try:
        return Secret(await token_from(source, call.remaining()))
    except StillRunning:
        return TOO_LATE
    except (
        ConfigurationError
    ) as error:  # an asynchronous source of a synchronous client
        return Secret("", f"cannot be read: {error.message}")
    except Exception as error:  # noqa: BLE001 - its text may hold the token, so only its name goes on
        return Secret(
            "", f"callable raised {type(error).__name__}; call it on its own to see why"
        )


async def _read(received: Received, call: Call) -> None:
    """Read the body, up to the limit; one that cannot be read or unpacked stays incomplete."""
    try:
        if not received.needs_reading():
            return
        async for chunk in received.async_stream():
            received.add(chunk)
            if received.is_too_long or call.remaining() <= 0:
                return
        received.end()
    except Exception:  # noqa: BLE001 - whatever it is, the status is known, which is enough
        return


async def _call_hooks(hooks: Iterable[Hook], shown: object, call: Call) -> str:
    """Call event hooks; return the name of what one raised (its text may hold headers), empty if none did.

    One that is awaited is cancelled at the call's deadline.
    """
    for hook in hooks:
        try:
            value = hook(shown)
        except Exception as error:  # noqa: BLE001 - the caller's own; what is known of the call must not be lost
            return type(error).__name__
        raised = await raised_by(value, call.remaining())
        if raised:
            return raised
    return ""
