"""The seam: an httpx client whose `request` checks, and obeys the policy. The only import of httpx.

The generated functions call whatever client they are handed, so every operation of the spec, present and future,
gets every rule from this one method. `overrides/README.md` lists what is mended here and why.
"""

from __future__ import annotations

import importlib
import inspect
import math
import os
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from contextvars import ContextVar
from http import HTTPStatus
from platform import python_version
from typing import Any, NoReturn, Self, TypedDict, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore
import httpx
from smarterproctoring_generated import AuthenticatedClient
from smarterproctoring_generated.operations import VERSION

from smarterproctoring.call import MAX_BODY, TOO_LATE, Call, Reply, Result
from smarterproctoring.credentials import Secret, fetch
from smarterproctoring.errors import ConfigurationError, NoCopy
from smarterproctoring.policy import Failure
from smarterproctoring.prepare import Prepared, from_generated
from smarterproctoring.settings import CallOptions, Options, check_headers, is_loopback

R = TypeVar("R")
USER_AGENT = f"smarterproctoring-client/{VERSION} python/{python_version()} httpx/{httpx.__version__}"
_REGISTERED = {known.value for known in HTTPStatus}
_GRACE = 0.05
"""Seconds by which the asynchronous scope, there for other transports, outlasts what ends on the socket."""


class TransportOptions(TypedDict, total=False):
    """Keyword arguments of the clients that say how bytes travel; the types are httpx's own.

    Attributes:
        transport: Replaces the transport: an instance, or a callable that makes one (which a forked child needs).
        proxy: URL of a proxy. Without it HTTPS_PROXY and its kin are read, unless `trust_env` is false.
        verify: Certificates to trust: True, False (never in production), or an `ssl.SSLContext`.
        limits: Connections in the pool.
        http2: Whether to offer HTTP/2 (needs the package h2).
        trust_env: Whether proxy and certificate variables of the environment count.
        event_hooks: httpx's event hooks, called for every attempt; what they raise is not caught.
    """

    transport: Any
    proxy: str | httpx.Proxy | None
    verify: bool | ssl.SSLContext
    limits: httpx.Limits
    http2: bool
    trust_env: bool
    event_hooks: Mapping[str, list[Callable[..., Any]]]


# -- the deadline on the socket ---------------------------------------------------------------------------------------

_deadline_at: ContextVar[float] = ContextVar("smarterproctoring_deadline")


def _clip(timeout: float | None, late: type[Exception]) -> float:
    """Shorten a wait to the deadline; past it there is none, even if data is there: a flood has no end either."""
    left = _deadline_at.get(math.inf) - time.monotonic()
    if left <= 0:
        raise late("deadline")
    return min(left, 1e6 if timeout is None else timeout)


class _Deadlined:
    """A network backend of httpcore, or a stream of it, whose every wait ends at the deadline.

    httpx limits each wait alone, so a dripping answer has no end. What is to be awaited is handed on as it is.
    """

    def __init__(self, inner: Any) -> None:
        self._inner, self.answering = inner, True

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *rest: Any, **named: Any) -> Any:
        return _deadlined(self._inner.connect_tcp(host, port, _clip(timeout, httpcore.ConnectTimeout), *rest, **named))

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None) -> Any:
        return _deadlined(self._inner.start_tls(ssl_context, server_hostname, _clip(timeout, httpcore.ConnectTimeout)))

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        self.answering = True
        return self._inner.read(max_bytes, _clip(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> Any:
        self.answering = False
        return self._inner.write(buffer, _clip(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Wake whoever waits on the socket (another thread's call), then close it."""
        with suppress(OSError, AttributeError):
            self._inner.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _deadlined(opened: Any) -> Any:
    async def later() -> _Deadlined:
        return _Deadlined(await opened)

    return later() if inspect.isawaitable(opened) else _Deadlined(opened)


# -- transports --------------------------------------------------------------------------------------------------------


def _arguments(base_url: str, options: TransportOptions) -> dict[str, Any]:
    """Return the arguments of httpx's transports; the environment's proxy is looked up once, for the one origin."""
    parts = urlsplit(base_url)
    names = ("proxy", "verify", "limits", "http2", "trust_env")
    arguments: dict[str, Any] = {name: value for name, value in options.items() if name in names}
    # What stays on this machine never takes the environment's proxy: it may be plain http, and hold the token.
    direct = is_loopback(base_url) or proxy_bypass(parts.hostname or "")
    if arguments.get("proxy") is None and options.get("trust_env", True) and not direct:
        arguments["proxy"] = getproxies().get(parts.scheme) or getproxies().get("all")
    # httpcore counts busy connections as idle ones: above the default of 20 it closes each after one request.
    return {"limits": httpx.Limits(max_connections=100, max_keepalive_connections=100), **arguments}


def _with_deadline(transport: httpx.HTTPTransport | httpx.AsyncHTTPTransport) -> Any:
    # The one private attribute in use: httpcore takes a network backend, but httpx has no way to pass it on.
    pool: Any = transport._pool  # pyright: ignore[reportPrivateUsage]
    pool._network_backend = _Deadlined(pool._network_backend)
    return transport


class _Pool(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The transport that all views share; a forked child makes its own.

    Without a lock on purpose: a lock that another thread holds during a fork stays locked in the child. It is a
    transport itself so that httpx closes it; requests go past it, and what comes its own way is refused.
    """

    def __init__(self, build: Callable[..., Any], method: str, base_url: str, options: TransportOptions) -> None:
        given, arguments = options.get("transport"), _arguments(base_url, options)
        self._make: Callable[[], Any] = (
            given if callable(given) else lambda: given or _with_deadline(build(**arguments))
        )
        if not isinstance(options.get("verify", True), bool | ssl.SSLContext):
            raise ConfigurationError("verify must be True, False, or an ssl.SSLContext")
        self._forkable, self._closed, problem = given is None or callable(given), False, ""
        try:
            importlib.import_module("h2" if options.get("http2") else "httpcore")
            _ = httpx.URL(base_url), urlsplit(base_url).port  # refused here rather than at the first call
            self._process, self._transport = os.getpid(), self._make()
            getattr(self._transport, method)
        except (ImportError, ValueError, TypeError, AttributeError, OSError, httpx.InvalidURL) as error:
            problem = type(error).__name__
        if problem:
            raise ConfigurationError(
                f"the transport cannot be set up ({problem}): check base_url, transport, proxy, verify"
            )

    def get(self) -> Any:
        """Return the transport of this process."""
        if self._closed:
            raise ConfigurationError("the client is closed; make a new one, or close it later")
        if self._process != os.getpid():
            if not self._forkable:
                raise ConfigurationError("a forked process cannot use its parent's transport: pass a callable instead")
            self._transport, self._process = self._make(), os.getpid()
        return self._transport

    def close(self) -> None:
        """Close it for all views."""
        if not self._closed:
            self.get().close()
            self._closed = True

    async def aclose(self) -> None:
        """Close it for all views."""
        if not self._closed:
            await self.get().aclose()
            self._closed = True

    def handle_request(self, request: httpx.Request) -> NoReturn:  # noqa: ARG002
        """Refuse what did not come through the seam."""
        raise ConfigurationError("only the spec's operations are sent: use reschedule, or a generated function")

    handle_async_request = handle_request


# -- failures ----------------------------------------------------------------------------------------------------------

_FAILURES: dict[type[Exception], Failure] = {
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


def _failure(error: BaseException) -> tuple[Failure, str]:
    """Name a failure and its cause; the exception's own text may hold headers, so it goes no further."""
    kind = next(_FAILURES[known] for known in type(error).__mro__ if known in _FAILURES)
    link: BaseException | None = error
    while link is not None and kind is Failure.CONNECT:
        if isinstance(link, ssl.SSLError):
            return Failure.TLS, str(getattr(link, "verify_message", "") or getattr(link, "reason", "") or "TLS")
        link = link.__cause__ or link.__context__
    return kind, type(error).__name__


# -- the seam ----------------------------------------------------------------------------------------------------------


class _Seam(NoCopy):
    """What the synchronous and the asynchronous client share: one call, from its request to its end."""

    asynchronous: bool
    method: str
    sleep: Callable[[float], Any]

    def __init__(self, source: Any, base_url: str, options: Options, transport: TransportOptions) -> None:
        build = httpx.AsyncHTTPTransport if self.asynchronous else httpx.HTTPTransport
        self.pool = _Pool(build, self.method, base_url, transport)
        self.source, self.origin, self.call_options = source, base_url, options
        self.hooks = transport.get("event_hooks", {})
        super().__init__(transport=self.pool, trust_env=False)  # type: ignore[call-arg]

    def view(self, changes: CallOptions) -> Self:
        """Return a client with other options on the same pool."""
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__, call_options=self.call_options.changed(changes))
        return view

    def request_for(self, prepared: Prepared, headers: Any = None) -> httpx.Request:
        """Make the request, complete but for the token."""
        every = {"accept": "application/json", "user-agent": USER_AGENT, **self.call_options.headers}
        every["accept-encoding"] = "identity"  # answers are tiny, and a compressed one could be a bomb
        if prepared.content:
            every["content-type"] = "application/json"
        every |= check_headers(headers or {})
        query, content = prepared.query or None, prepared.content or None
        url = self.origin + prepared.path
        return httpx.Request(prepared.operation.method, url, headers=every, params=query, content=content)

    async def generated(self, method: str, url: Any, **arguments: Any) -> httpx.Response:
        """Check what a generated function sends, and make the call.

        Raises:
            ConfigurationError: Not an operation of the spec, or more than the spec's operations need.
            ValidationError: All problems with parameters and body.
        """
        query, body, headers = (arguments.pop(name, None) for name in ("params", "json", "headers"))
        if other := [name for name, value in arguments.items() if value not in (None, httpx.USE_CLIENT_DEFAULT)]:
            raise ConfigurationError(f"this client sends JSON bodies and takes no {', '.join(other)} here")
        prepared = from_generated(method, str(url), body, dict(query or {}))
        return _response((await self.drive(prepared, headers)).reply)

    async def drive(self, prepared: Prepared, headers: Any = None) -> Call:
        """Attempt until the bookkeeping says that the call is done; it raises when the call has failed."""
        request = self.request_for(prepared, headers)
        call = Call(prepared, self.call_options, can_renew=callable(self.source))
        try:
            while True:
                secret = Secret("", TOO_LATE)
                with self._limit(call.remaining()):
                    secret = await fetch(self.source)
                request.extensions = {"timeout": call.begin(secret)}
                if call.operation.token_header is not None:
                    request.headers[call.operation.token_header] = secret.reveal()
                wait = call.settle(await self._attempt(request, call))
                if wait is None:
                    return call
                await self._value(call.hooked)
                if wait and wait >= call.remaining():
                    raise call.error
                await self._value(self.sleep(wait))
        except ConfigurationError as error:
            if not error.attempts:  # it knows nothing of the call yet that it ended
                vars(error).update(vars(told := call.failure(ConfigurationError, error.message)), args=told.args)
            raise

    async def _attempt(self, request: httpx.Request, call: Call) -> Reply | tuple[Failure, str]:
        """Send once, and read the answer as far as it goes."""
        exchange, response = getattr(self.pool.get(), self.method), None
        body, whole = bytearray(), False
        for hook in self.hooks.get("request", ()):
            await self._value(hook(request))
        with self._limit(call.remaining() + _GRACE):
            _deadline_at.set(call.deadline_at)
            try:
                response = await self._value(exchange(request))
            except BaseException as error:  # noqa: BLE001 - no third-party exception may pass, whatever the transport is
                if isinstance(error, Exception):
                    return _failure(error)
                raise error.with_traceback(None) from None  # Ctrl-C, cancelled: the frames below hold the headers
            response.request = request
            stream = response.extensions.get("network_stream")
            # Nothing was read since the request was written: these are left-over bytes, the answer to no request.
            stale = isinstance(stream, _Deadlined) and not stream.answering and response.http_version == "HTTP/1.1"
            try:
                if stale:
                    return Failure.LOST, "stale answer"
                for hook in self.hooks.get("response", ()):
                    await self._value(hook(response))
                _deadline_at.set(call.deadline_at)  # a hook may have made a call of its own
                with suppress(Exception):  # the status is known, and that is what counts
                    async with aclosing(response.aiter_bytes() if self.asynchronous else _chunks(response)) as chunks:
                        async for chunk in chunks:
                            body += chunk
                            if len(body) > MAX_BODY or call.remaining() <= 0:
                                break
                        else:
                            whole = True
            finally:
                with suppress(Exception):
                    await self._value(response.aclose() if self.asynchronous else response.close())
        if response is None:
            return Failure.READ_TIMEOUT, "deadline"
        whole = whole and len(body) <= MAX_BODY
        return Reply(response.status_code, dict(response.headers), bytes(body[:MAX_BODY]), incomplete=not whole)

    async def _value(self, given: Any) -> Any:
        """Return a value, awaiting it where it has to be awaited."""
        if inspect.iscoroutine(given) and not self.asynchronous:
            given.close()
            raise ConfigurationError("an asynchronous hook takes AsyncSmarterProctoring")
        return await given if inspect.isawaitable(given) else given

    def _limit(self, seconds: float) -> AbstractContextManager[object]:
        return anyio.move_on_after(seconds) if self.asynchronous else nullcontext()


def _finish(work: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine whose every step is synchronous: the synchronous client has the same logic, without a loop."""
    try:
        work.send(None)
    except StopIteration as done:
        return cast("R", done.value)
    work.close()
    raise ConfigurationError("an asynchronous token callable takes AsyncSmarterProctoring")


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    for chunk in response.iter_bytes():
        yield chunk


def _response(reply: Reply) -> httpx.Response:
    """Give a success to a generated function, which knows only registered statuses (RFC 9110 15: else take 200)."""
    framing = ("content-encoding", "content-length", "transfer-encoding")
    headers = {name: value for name, value in reply.headers.items() if name not in framing}
    return httpx.Response(reply.status if reply.status in _REGISTERED else 200, headers=headers, content=reply.body)


class SyncSeam(_Seam, httpx.Client):
    """The synchronous HTTP client that the generated functions are handed."""

    asynchronous, method, sleep = False, "handle_request", staticmethod(time.sleep)

    def request(self, method: str, url: Any, **arguments: Any) -> httpx.Response:
        """Send for a generated function; only a 2xx returns."""
        return _finish(self.generated(method, url, **arguments))

    def call(self, prepared: Prepared) -> Result:
        """Send, and say what happened."""
        return _finish(self.drive(prepared)).result()

    def __enter__(self) -> Self:
        return self


class AsyncSeam(_Seam, httpx.AsyncClient):
    """The asynchronous HTTP client that the generated functions are handed."""

    asynchronous, method, sleep = True, "handle_async_request", staticmethod(anyio.sleep)

    async def request(self, method: str, url: Any, **arguments: Any) -> httpx.Response:
        """Send for a generated function; only a 2xx returns."""
        return await self.generated(method, url, **arguments)

    async def call(self, prepared: Prepared) -> Result:
        """Send, and say what happened."""
        return (await self.drive(prepared)).result()

    async def __aenter__(self) -> Self:
        return self


# -- what generated functions are handed -------------------------------------------------------------------------------


class GeneratedClient(NoCopy, AuthenticatedClient):
    """The client for generated functions: `sync_detailed(…, client=client.generated)`.

    It carries no token of its own and never opens a connection past the seam. What the generator's own `with_…` methods
    do is done by `with_options` of the public clients: theirs change the client that they are called on.
    """

    def __init__(self, seam: SyncSeam | AsyncSeam) -> None:
        super().__init__(base_url=seam.origin, token="")
        self.seam = seam

    def get_httpx_client(self) -> httpx.Client:
        """Return the synchronous seam."""
        if isinstance(self.seam, SyncSeam):
            return self.seam
        raise ConfigurationError("this client is asynchronous: call asyncio_detailed, or use SmarterProctoring")

    def get_async_httpx_client(self) -> httpx.AsyncClient:
        """Return the asynchronous seam."""
        if isinstance(self.seam, AsyncSeam):
            return self.seam
        raise ConfigurationError("this client is synchronous: call sync_detailed, or use AsyncSmarterProctoring")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise ConfigurationError("refused, it would bypass the rules of this client: use with_options(…).generated")

    with_headers = with_timeout = with_cookies = set_httpx_client = set_async_httpx_client = _refuse
