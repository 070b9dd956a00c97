"""The seam: an httpx client whose `build_request` checks and whose `send` obeys the policy. The only import of httpx.

The generated functions call whatever client they are handed, so every operation of the spec, present and future,
gets every rule from these two methods. `overrides/README.md` lists what is mended here and why.
"""

from __future__ import annotations

import inspect
import os
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from http import HTTPStatus
from platform import python_version
from typing import Any, Generic, NoReturn, Self, TypedDict, TypeVar, Unpack, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore
import httpx
from smarterproctoring_generated import AuthenticatedClient
from smarterproctoring_generated.operations import VERSION

from smarterproctoring.call import MAX_BODY, MAX_ERROR_BODY, Call, Reply, Result
from smarterproctoring.credentials import Credential
from smarterproctoring.errors import ConfigurationError
from smarterproctoring.policy import Failure
from smarterproctoring.prepare import Prepared, from_generated
from smarterproctoring.settings import CallOptions, Options, Timeouts, check_headers

T = TypeVar("T", httpx.BaseTransport, httpx.AsyncBaseTransport)
USER_AGENT = f"smarterproctoring-client/{VERSION} python/{python_version()} httpx/{httpx.__version__}"
_NO_COPY = "a client cannot be pickled or copied; make one in each process"
_GRACE = 0.05
"""Seconds by which the asynchronous scope outlasts the deadline: the transport's own limits say more, and end first."""


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
    verify: bool | str | ssl.SSLContext
    limits: httpx.Limits
    http2: bool
    trust_env: bool
    event_hooks: Mapping[str, list[Callable[..., Any]]]


# -- the deadline on a synchronous socket ------------------------------------------------------------------------------

_deadline_at: ContextVar[float] = ContextVar("smarterproctoring_deadline")


def _clip(timeout: float | None) -> float | None:
    left = max(_deadline_at.get(float("inf")) - time.monotonic(), 0.001)
    return timeout if left == float("inf") else min(left, left if timeout is None else timeout)


class _DeadlineStream(httpcore.NetworkStream):
    """A socket whose every wait ends at the deadline: httpx limits each wait, so a dripping answer has no end."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self.close, self.get_extra_info = stream.close, stream.get_extra_info  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _clip(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _clip(timeout))

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: Any = None) -> httpcore.NetworkStream:
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, _clip(timeout)))


class _DeadlineBackend(httpcore.NetworkBackend):
    """Opens `_DeadlineStream`s."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(self, host: str, port: int, timeout: Any = None, *rest: Any, **named: Any) -> _DeadlineStream:
        return _DeadlineStream(self._backend.connect_tcp(host, port, _clip(timeout), *rest, **named))


# -- transports --------------------------------------------------------------------------------------------------------


def _arguments(base_url: str, options: TransportOptions) -> dict[str, Any]:
    """Return the arguments of httpx's transports; the environment's proxy is looked up once, for the one origin."""
    parts = urlsplit(base_url)
    arguments: dict[str, Any] = {k: v for k, v in options.items() if k not in ("transport", "event_hooks")}
    if arguments.get("proxy") is None and options.get("trust_env", True) and not proxy_bypass(parts.hostname or ""):
        arguments["proxy"] = getproxies().get(parts.scheme) or getproxies().get("all")
    return arguments


def _sync_transport(arguments: dict[str, Any]) -> httpx.BaseTransport:
    transport = httpx.HTTPTransport(**arguments)
    # The one private attribute in use: httpcore takes a network backend, but httpx has no way to pass it on.
    pool = transport._pool
    pool._network_backend = _DeadlineBackend(pool._network_backend)
    return transport


class _Pool(Generic[T]):
    """The transport that all views share, one per process: a forked child makes its own.

    Without a lock on purpose: a lock that another thread holds during a fork stays locked in the child.
    """

    def __init__(self, make: Callable[[dict[str, Any]], T], base_url: str, options: TransportOptions) -> None:
        given = options.get("transport")
        self._instance = given if hasattr(given, "handle_request") or hasattr(given, "handle_async_request") else None
        if self._instance is None and not (given is None or callable(given)):
            raise ConfigurationError("transport must be an httpx transport, or a callable that makes one")
        arguments = _arguments(base_url, options)
        self._make: Callable[[], T] = given if callable(given) else lambda: make(arguments)
        try:
            first = cast("T", self._instance) if self._instance is not None else self._make()
        except (ImportError, ValueError, TypeError, OSError) as error:
            problem = type(error).__name__
        else:
            self._by_process: dict[int, T] = {os.getpid(): first}
            self.closed = False
            return
        raise ConfigurationError(
            f"the transport's settings do not work ({problem}): check proxy, verify, limits, http2"
        )

    def get(self) -> T:
        if self.closed:
            raise ConfigurationError("the client is closed; make a new one, or close it later")
        process = os.getpid()
        if process not in self._by_process:
            if self._instance is not None:
                raise ConfigurationError("a forked process cannot use its parent's transport: pass a callable instead")
            self._by_process.setdefault(process, self._make())
            for other in [key for key in self._by_process if key != process]:
                self._by_process.pop(other, None)
        return self._by_process[process]


# -- failures ----------------------------------------------------------------------------------------------------------

_FAILURES: tuple[tuple[type[Exception], Failure], ...] = (
    (httpx.ConnectTimeout, Failure.CONNECT_TIMEOUT),
    (httpx.PoolTimeout, Failure.POOL_TIMEOUT),
    (httpx.WriteTimeout, Failure.WRITE_TIMEOUT),
    (httpx.TimeoutException, Failure.READ_TIMEOUT),
    (httpx.ConnectError, Failure.CONNECT),
    (httpx.ProxyError, Failure.CONNECT),
    (httpx.NetworkError, Failure.LOST),
    (httpx.RemoteProtocolError, Failure.LOST),
    (Exception, Failure.OTHER),
)


def _failure(error: BaseException) -> tuple[Failure, str]:
    """Name a failure and its cause; the exception's own text may hold headers, so it goes no further."""
    kind = next(failure for known, failure in _FAILURES if isinstance(error, known))
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ssl.SSLError) and kind is Failure.CONNECT:
            return Failure.TLS, str(getattr(link, "verify_message", "") or link.reason or "TLS")
        link = link.__cause__ or link.__context__
    return kind, type(error).__name__


# -- the seam ----------------------------------------------------------------------------------------------------------


class _Seam(Generic[T]):
    """What the synchronous and the asynchronous client share: building requests, and refusing what bypasses it."""

    pool: _Pool[T]

    def __init__(self, pool: _Pool[T], base_url: str, credential: Credential, options: Options, hooks: Any) -> None:
        super().__init__(transport=pool.get(), trust_env=False, event_hooks=hooks)  # type: ignore[call-arg]
        self.pool, self.origin, self.credential, self.call_options, self._hooks = (
            pool,
            base_url,
            credential,
            options,
            hooks,
        )

    def view(self, changes: CallOptions) -> Self:
        """Return a client with other options on the same pool."""
        return type(self)(self.pool, self.origin, self.credential, self.call_options.changed(changes), self._hooks)

    def request_for(
        self, prepared: Prepared, headers: Mapping[str, str] | None = None, query: Any = None
    ) -> httpx.Request:
        """Make the request, complete but for the token."""
        every = {
            "accept": "application/json",
            "accept-encoding": "identity",  # answers are tiny, and a compressed one could be a bomb
            "user-agent": USER_AGENT,
            **({"content-type": "application/json"} if prepared.content else {}),
            **self.call_options.headers,
            **check_headers(headers or {}),
        }
        url, content = self.origin + prepared.path, prepared.content or None
        extensions = {"smarterproctoring": prepared}
        method = prepared.operation.method
        return httpx.Request(method, url, headers=every, params=query, content=content, extensions=extensions)

    def build_request(self, method: str, url: Any, **arguments: Any) -> httpx.Request:
        """Check what a generated function sends, and make the request.

        Raises:
            ConfigurationError: Not an operation of the spec, or more than the spec's operations need.
            ValidationError: All problems with parameters and body.
        """
        query, body, headers = (arguments.pop(name, None) for name in ("params", "json", "headers"))
        other = [name for name, value in arguments.items() if value not in (None, httpx.USE_CLIENT_DEFAULT)]
        if other:
            raise ConfigurationError(f"this client sends JSON bodies and takes no {', '.join(other)} here")
        query = dict(query or {})
        return self.request_for(from_generated(method, str(url), body, query), headers, query or None)

    def begin(self, request: httpx.Request) -> Call:
        """Begin the bookkeeping of a call."""
        prepared = request.extensions.get("smarterproctoring")
        if not isinstance(prepared, Prepared):
            raise ConfigurationError("only requests that this client has built can be sent with it")
        return Call(prepared, self.call_options, can_renew=self.credential.can_renew)

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError(_NO_COPY)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.origin}>"


def _response(reply: Reply, request: httpx.Request) -> httpx.Response:
    """Give a success to a generated function, which knows only registered statuses (RFC 9110 15: else take 200)."""
    framing = ("content-encoding", "content-length", "transfer-encoding")
    headers = {name: value for name, value in reply.headers.items() if name not in framing}
    status = reply.status if reply.status in {known.value for known in HTTPStatus} else 200
    return httpx.Response(status, headers=headers, content=reply.body, request=request)


def _reply(response: httpx.Response, body: bytearray, *, whole: bool) -> Reply:
    limit = MAX_BODY if response.is_success else MAX_ERROR_BODY
    return Reply(response.status_code, dict(response.headers), bytes(body[:limit]), not whole or len(body) > limit)


class SyncSeam(_Seam[httpx.BaseTransport], httpx.Client):
    """The synchronous HTTP client that the generated functions are handed."""

    @classmethod
    def make(cls, base_url: str, credential: Credential, options: Options, settings: TransportOptions) -> Self:
        """Make the client and its pool."""
        pool = _Pool(_sync_transport, base_url, settings)
        return cls(pool, base_url, credential, options, settings.get("event_hooks"))

    def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Send for a generated function; only a 2xx returns."""
        return _response(self._drive(request, self.begin(request)), request)

    def call(self, prepared: Prepared) -> Result:
        """Send, and say what happened."""
        request = self.request_for(prepared)
        call = self.begin(request)
        return call.result(self._drive(request, call))

    def _drive(self, request: httpx.Request, call: Call) -> Reply:
        mark = _deadline_at.set(call.deadline_at)
        try:
            while True:
                secret = self.credential.fetch()
                request.extensions = {**request.extensions, "timeout": call.begin(secret)}
                if call.token_header is not None:
                    request.headers[call.token_header] = secret.reveal()
                answer = self._attempt(request, call)
                wait = call.answered(answer) if isinstance(answer, Reply) else call.failed(*answer)
                if wait is None:
                    return cast("Reply", answer)
                time.sleep(wait)
        finally:
            _deadline_at.reset(mark)

    def _attempt(self, request: httpx.Request, call: Call) -> Reply | tuple[Failure, str]:
        transport = self.pool.get()
        for hook in self.event_hooks["request"]:
            hook(request)
        try:
            response = transport.handle_request(request)
        except BaseException as error:  # noqa: BLE001 - no third-party exception may pass, whatever the transport is
            if isinstance(error, Exception):
                return _failure(error)
            raise error.with_traceback(None) from None  # Ctrl-C: the frames below hold the headers
        response.request, body, whole = request, bytearray(), False
        try:
            for hook in self.event_hooks["response"]:
                hook(response)
            with suppress(Exception):  # the status is known, and that is what counts
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BODY or call.remaining() <= 0:
                        break
                else:
                    whole = True
        finally:
            with suppress(Exception):
                response.close()
        return _reply(response, body, whole=whole)

    def close(self) -> None:
        """Close the pool, for all views."""
        if not self.pool.closed:
            transport, self.pool.closed = self.pool.get(), True
            transport.close()


class AsyncSeam(_Seam[httpx.AsyncBaseTransport], httpx.AsyncClient):
    """The asynchronous HTTP client that the generated functions are handed."""

    @classmethod
    def make(cls, base_url: str, credential: Credential, options: Options, settings: TransportOptions) -> Self:
        """Make the client and its pool."""
        pool = _Pool(lambda arguments: httpx.AsyncHTTPTransport(**arguments), base_url, settings)
        return cls(pool, base_url, credential, options, settings.get("event_hooks"))

    async def send(self, request: httpx.Request, **_: Any) -> httpx.Response:
        """Send for a generated function; only a 2xx returns."""
        return _response(await self._drive(request, self.begin(request)), request)

    async def call(self, prepared: Prepared) -> Result:
        """Send, and say what happened."""
        request = self.request_for(prepared)
        call = self.begin(request)
        return call.result(await self._drive(request, call))

    async def _drive(self, request: httpx.Request, call: Call) -> Reply:
        while True:
            secret = None
            with anyio.move_on_after(call.remaining()):
                secret = await self.credential.fetch_async()
            request.extensions = {**request.extensions, "timeout": call.begin(secret)}
            if call.token_header is not None and secret is not None:
                request.headers[call.token_header] = secret.reveal()
            answer = await self._attempt(request, call)
            wait = call.answered(answer) if isinstance(answer, Reply) else call.failed(*answer)
            if inspect.isawaitable(call.hooked):
                await call.hooked
            if wait is None:
                return cast("Reply", answer)
            await anyio.sleep(wait)

    async def _attempt(self, request: httpx.Request, call: Call) -> Reply | tuple[Failure, str]:
        transport = self.pool.get()
        for hook in self.event_hooks["request"]:
            await hook(request)
        response, body, whole = None, bytearray(), False
        with anyio.move_on_after(call.remaining() + _GRACE):
            try:
                response = await transport.handle_async_request(request)
            except BaseException as error:  # noqa: BLE001 - no third-party exception may pass, whatever the transport is
                if isinstance(error, Exception):
                    return _failure(error)
                raise error.with_traceback(None) from None  # cancelled: the frames below hold the headers
            response.request = request
            try:
                for hook in self.event_hooks["response"]:
                    await hook(response)
                with suppress(Exception):  # the status is known, and that is what counts
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > MAX_BODY or call.remaining() <= 0:
                            break
                    else:
                        whole = True
            finally:
                with suppress(Exception):
                    await response.aclose()
        return (Failure.READ_TIMEOUT, "deadline") if response is None else _reply(response, body, whole=whole)

    async def aclose(self) -> None:
        """Close the pool, for all views."""
        if not self.pool.closed:
            transport, self.pool.closed = self.pool.get(), True
            await transport.aclose()


# -- what generated functions are handed -------------------------------------------------------------------------------


class GeneratedClient(AuthenticatedClient):
    """The client for generated functions: `sync_detailed(…, client=client.generated)`.

    It carries no token of its own and never opens a connection past the seam. The `with_…` methods return another
    client, as their names say; the generator's own also change the one that they are called on.
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

    def with_options(self, **changes: Unpack[CallOptions]) -> GeneratedClient:
        """Return a client with other options on the same connections."""
        return GeneratedClient(self.seam.view(changes))

    def with_headers(self, headers: dict[str, str]) -> GeneratedClient:
        """Return a client that sends these headers too."""
        return self.with_options(headers=headers)

    def with_timeout(self, timeout: httpx.Timeout) -> GeneratedClient:
        """Return a client with other time limits for each attempt; none may be unlimited."""
        return self.with_options(timeout=Timeouts(**cast("dict[str, float]", timeout.as_dict())))

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise ConfigurationError("refused, it would bypass the rules of this client; pass transport=… when making it")

    with_cookies = set_httpx_client = set_async_httpx_client = _refuse

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError(_NO_COPY)

    def __repr__(self) -> str:
        return f"<GeneratedClient {self.seam.origin}>"
