"""The seam: an httpx client whose `request` checks, and obeys the policy. The only import of httpx.

The generated functions call whatever client they are handed, so every operation of the spec, present and future,
gets every rule from this one method. `overrides/README.md` lists what is fixed here and why.
"""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, Self

import httpx
from smarterproctoring_generated.operations import VERSION as API_VERSION
from smarterproctoring_transport import (
    NotSent,
    ProxyFailure,
    Requests,
    Shared,
    StillRunning,
    TransportOptions,
    Unpacker,
    finish,
    limit,
    settled,
    sleep,
)

from smarterproctoring._version import VERSION
from smarterproctoring.answers import Reply
from smarterproctoring.budget import RetryBudget
from smarterproctoring.call import MAX_BODY, TOO_LATE, Call, Result
from smarterproctoring.credentials import fetch
from smarterproctoring.errors import ConfigurationError, NoCopy, wrong_settings
from smarterproctoring.policy import Failure
from smarterproctoring.prepare import Prepared, from_generated
from smarterproctoring.problems import Problem
from smarterproctoring.settings import CallOptions, Options

USER_AGENT = (
    f"smarterproctoring-client/{VERSION} openapi/{API_VERSION} "
    f"python/{sys.version.split()[0]} httpx/{httpx.__version__}"
)
_UNABLE = partial(ConfigurationError, "what has to be awaited (a token callable, a hook) takes AsyncSmarterProctoring")


# -- failures ----------------------------------------------------------------------------------------------------------

_FAILURES: dict[type[Exception], Failure] = {
    NotSent: Failure.NOT_SENT,
    httpx.ConnectTimeout: Failure.CONNECT_TIMEOUT,
    httpx.PoolTimeout: Failure.POOL_TIMEOUT,
    httpx.WriteTimeout: Failure.WRITE_TIMEOUT,
    httpx.ReadTimeout: Failure.READ_TIMEOUT,
    httpx.ConnectError: Failure.CONNECT,
    httpx.ProxyError: Failure.CONNECT,
    httpx.NetworkError: Failure.LOST,
    httpx.RemoteProtocolError: Failure.LOST,
    Exception: Failure.OTHER,
}


_CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What TLS says where the connection ended, or was waited for: that is no fault of the certificate's."""


def _failure(error: BaseException) -> tuple[Failure, str]:
    """Name a failure and its cause; the exception's own text may hold headers, so it goes no further."""
    kind = next(_FAILURES[known] for known in type(error).__mro__ if known in _FAILURES)
    link: BaseException | None = error
    while link is not None and kind is Failure.CONNECT:
        if isinstance(link, ssl.SSLError) and not isinstance(link, _CUT):
            return Failure.TLS, str(getattr(link, "verify_message", "") or getattr(link, "reason", "") or "TLS")
        link = link.__cause__ or link.__context__
    return kind, str(error) if isinstance(error, ProxyFailure) else type(error).__name__


def _unusable(setting: str, text: str) -> ConfigurationError:
    """Make the error of a transport that cannot be set up, or not be used any more."""
    if not setting:
        return ConfigurationError(text)
    return wrong_settings([Problem(setting, "unusable", text)])


def _hooks(given: Any) -> dict[str, tuple[Callable[..., Any], ...]]:
    """Return the event hooks, in which nothing can fail after the request was sent but a hook.

    Raises:
        ConfigurationError: They are not what httpx takes.
    """
    try:
        hooks = {name: tuple(given[name]) for name in given}
    except (TypeError, LookupError):
        hooks = {"": ()}
    if not {*hooks} <= {"request", "response"} or not all(map(callable, sum(hooks.values(), ()))):
        text = "must be a mapping of 'request' and 'response' to lists of callables"
        raise wrong_settings([Problem("event_hooks", "value", text)])
    return hooks


# -- the seam ----------------------------------------------------------------------------------------------------------


class _End(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """What httpx's own ways of sending and closing end at."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def handle_request(self, request: httpx.Request) -> NoReturn:  # noqa: ARG002
        raise ConfigurationError("only the spec's operations are sent: use reschedule, or a generated function")

    handle_async_request = handle_request

    def close(self) -> None:
        self._shared.close()

    async def aclose(self) -> None:
        await settled(self._shared.close())


class _Seam(NoCopy):
    """What the synchronous and the asynchronous client share: one call, from its request to its end."""

    asynchronous: bool
    sleep: Callable[..., Any]

    def __init__(self, source: Any, base_url: str, options: Options, transport: TransportOptions) -> None:
        self.shared = Shared(base_url, transport, asynchronous=self.asynchronous, error=_unusable)
        self.budget = RetryBudget()
        self.source, self.origin, self.hooks = source, base_url, _hooks(transport.get("event_hooks", {}))
        self._obey(options)
        super().__init__(transport=_End(self.shared), trust_env=False)  # type: ignore[call-arg]

    def view(self, changes: CallOptions) -> Self:
        """Return a client with other options on the same pool."""
        view = object.__new__(type(self))
        vars(view).update(vars(self))
        view._obey(self.call_options.changed(changes))
        return view

    def _obey(self, options: Options) -> None:
        headers = {"accept": "application/json", "user-agent": USER_AGENT, **options.headers}
        headers["accept-encoding"] = "identity"  # answers are tiny, and a compressed one could be a bomb
        self.call_options, self._requests = options, Requests(self.origin, headers)

    def request_for(self, prepared: Prepared) -> httpx.Request:
        """Make the request, complete but for the token."""
        content = prepared.content.reveal()
        return self._requests.make(prepared.operation.method, prepared.path, content, prepared.headers)

    async def generated(self, method: str, url: Any, **arguments: Any) -> httpx.Response:
        """Check what a generated function sends, and make the call.

        Raises:
            ConfigurationError: Not an operation of the spec, or more than the spec's operations need.
            ValidationError: All problems with parameters and body.
        """
        query, body, headers = (arguments.pop(name, None) for name in ("params", "json", "headers"))
        if other := [name for name, value in arguments.items() if value not in (None, httpx.USE_CLIENT_DEFAULT)]:
            raise ConfigurationError(f"this client sends JSON bodies and takes no {', '.join(other)} here")
        prepared = from_generated(method, str(url), body, query or {}, headers or {})
        return _response((await self.drive(prepared)).reply)

    async def drive(self, prepared: Prepared) -> Call:
        """Attempt until the bookkeeping says that the call is done; it raises when the call has failed."""
        request = self.request_for(prepared)
        call = Call(prepared, self.call_options, can_renew=callable(self.source), budget=self.budget)
        try:
            while True:
                secret = TOO_LATE
                waiting = limit(call.remaining(), needed=self.asynchronous and callable(self.source))
                with waiting, suppress(StillRunning):
                    secret = await fetch(self.source, None if self.asynchronous else call.remaining())
                request.extensions = {"timeout": call.begin(secret), "deadline": call.deadline_at}
                if call.operation.token_header is not None:
                    request.headers[call.operation.token_header] = secret.reveal()
                if (wait := call.settle(await self._attempt(request, call))) is None:
                    return call
                call.check_wait(wait, await self._raised_later(call.hooked))
                await settled(self.sleep(wait))
        except ConfigurationError as error:
            call.complete(error)
            raise
        except BaseException as interrupt:
            if not isinstance(interrupt, Exception | GeneratorExit):
                call.interrupted(interrupt)
            raise

    async def _attempt(self, request: httpx.Request, call: Call) -> Reply | tuple[Failure, str]:
        """Send once, and read the answer as far as it goes."""
        transport, response, body, whole = self.shared.get(), None, bytearray(), False
        exchange = transport.handle_async_request if self.asynchronous else transport.handle_request
        if raised := await self._raised_by(self.hooks.get("request", ()), request):
            return Failure.HOOK, raised
        with limit(call.remaining(), needed=self.asynchronous and not getattr(transport, "keeps_deadline", False)):
            call.sending = True
            try:
                response = await settled(exchange(request))
            except BaseException as error:  # noqa: BLE001 - no third-party exception may pass, whatever the transport is
                if isinstance(error, Exception):
                    return _failure(error)
                raise error.with_traceback(None) from None  # Ctrl-C, cancelled: the frames below hold the headers
            response.request = request
            try:
                call.hook_failed = await self._raised_by(self.hooks.get("response", ()), response)
                with suppress(Exception):  # the status is known, and that is what counts
                    unpacker = _unpacker(response)
                    following = _chunks(response)
                    while (chunk := await settled(following())) is not None:
                        body += unpacker.feed(chunk) if unpacker else chunk
                        if len(body) > MAX_BODY or call.remaining() <= 0:
                            break
                    else:
                        whole = unpacker is None or unpacker.whole
            finally:
                if "body" not in response.extensions:  # else the connection is back already
                    with suppress(Exception):
                        await settled(response.aclose() if self.asynchronous else response.close())
        if response is None:
            return Failure.READ_TIMEOUT, "deadline"
        incomplete, headers = not whole or len(body) > MAX_BODY, dict(response.headers.items())
        return Reply(response.status_code, headers, bytes(body), incomplete)

    async def _raised_by(self, hooks: Iterable[Callable[..., Any]], shown: object) -> str:
        """Call event hooks; return the name of what one raised (its text may hold headers), empty if none did."""
        for hook in hooks:
            try:
                value = hook(shown)
            except Exception as error:  # noqa: BLE001 - the caller's own; what is known of the call must not be lost
                return type(error).__name__
            if raised := await self._raised_later(value):
                return raised
        return ""

    async def _raised_later(self, value: object) -> str:
        """Await what a hook returned, if that is needed; return the name of what was raised, empty if nothing was.

        Raises:
            ConfigurationError: It has to be awaited, which the synchronous client cannot do.
        """
        try:
            await settled(value)
        except Exception as error:
            if isinstance(error, ConfigurationError) and not self.asynchronous:
                raise
            return type(error).__name__
        return ""


def _unpacker(response: httpx.Response) -> Unpacker | None:
    """Return what unpacks the body where the server has packed it, though it was asked not to.

    Raises:
        CannotUnpack: It is packed in another way than gzip.
    """
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity") or response.is_stream_consumed:  # a hook that has read it has unpacked it
        return None
    return Unpacker(coding, MAX_BODY)


def _chunks(response: httpx.Response) -> Callable[[], Any]:
    """Return what gives the next piece of the body as it came, None at the end."""
    # A hook may have read it; or it came with the header.
    there = response.content if response.is_stream_consumed else response.extensions.get("body")
    if there is not None:
        return partial(next, iter([there]), None)
    stream = response.stream
    if isinstance(stream, httpx.SyncByteStream):
        return partial(next, iter(stream), None)
    return partial(anext, aiter(stream), None)


def _response(reply: Reply) -> httpx.Response:
    """Give a success to a generated function; its body is unpacked and whole."""
    framing = ("content-encoding", "content-length", "transfer-encoding")
    headers = {name: value for name, value in reply.headers.items() if name not in framing}
    return httpx.Response(reply.status, headers=headers, content=reply.body)


class SyncSeam(_Seam, httpx.Client):
    """The synchronous HTTP client that the generated functions are handed."""

    asynchronous, sleep = False, staticmethod(time.sleep)

    def request(self, method: str, url: Any, **arguments: Any) -> httpx.Response:
        """Send for a generated function; only a 2xx returns."""
        return finish(self.generated(method, url, **arguments), _UNABLE)

    def call(self, prepared: Prepared) -> Result:
        """Send, and say what happened."""
        return finish(self.drive(prepared), _UNABLE).result()

    def __enter__(self) -> Self:
        return self


class AsyncSeam(_Seam, httpx.AsyncClient):
    """The asynchronous HTTP client that the generated functions are handed."""

    asynchronous, sleep = True, staticmethod(sleep)

    async def request(self, method: str, url: Any, **arguments: Any) -> httpx.Response:
        """Send for a generated function; only a 2xx returns."""
        return await self.generated(method, url, **arguments)

    async def call(self, prepared: Prepared) -> Result:
        """Send, and say what happened."""
        return (await self.drive(prepared)).result()

    async def __aenter__(self) -> Self:
        return self
