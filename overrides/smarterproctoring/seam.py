"""Requests, answers, event hooks and failures of httpx. The only module of this package that imports httpx.

Generated functions call the client that is passed to them, so every operation of the spec is sent by
`_async/sender.py` or its twin. `overrides/README.md` lists what is fixed there and why.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

import httpx
from smarterproctoring_transport import NotSent, ProxyFailure, Requests, Unpacker

from smarterproctoring.answers import MAX_BODY, Reply
from smarterproctoring.errors import ConfigurationError, wrong_settings
from smarterproctoring.headers import common_headers
from smarterproctoring.policy import Failure, Loss
from smarterproctoring.prepare import Prepared, from_generated
from smarterproctoring.problems import Problem
from smarterproctoring.settings import Options

Client = httpx.Client
AsyncClient = httpx.AsyncClient
Request = httpx.Request
Response = httpx.Response


# -- requests ----------------------------------------------------------------------------------------------------------


def requests_for(base_url: str, options: Options) -> Requests:
    """Return what makes the requests of a client with these options."""
    return Requests(base_url, common_headers(options))


def prepared_from(method: str, url: object, arguments: Mapping[str, Any]) -> Prepared:
    """Check the arguments with which a generated function calls an httpx client.

    Raises:
        ConfigurationError: Not an operation of the spec, or more than the spec's operations need.
        ValidationError: All problems with parameters and body.
    """
    known = {"params", "json", "headers"}
    other = [
        name
        for name, value in arguments.items()
        if name not in known and _is_given(value)
    ]
    if other:
        raise ConfigurationError(
            f"this client sends JSON bodies and takes no {', '.join(other)} here"
        )
    query = arguments.get("params") or {}
    headers = arguments.get("headers") or {}
    return from_generated(method, str(url), arguments.get("json"), query, headers)


def _is_given(value: object) -> bool:
    return value is not None and value is not httpx.USE_CLIENT_DEFAULT


class OnlyRequests:
    """Refuses httpx's other ways of sending, which generated functions do not use."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise ConfigurationError(
            "only the spec's operations are sent: use reschedule, or a generated function"
        )

    send = stream = build_request = get = put = post = patch = delete = head = (
        options
    ) = _refuse


# -- event hooks -------------------------------------------------------------------------------------------------------

Hook = Callable[[Any], object]


class Hooks:
    """The caller's event hooks.

    Attributes:
        request: Called with each request, before it is sent.
        response: Called with each answer, before its body is read.
    """

    def __init__(
        self, request: tuple[Hook, ...] = (), response: tuple[Hook, ...] = ()
    ) -> None:
        self.request = request
        self.response = response

    @classmethod
    def of(cls, given: Mapping[str, Iterable[Hook]]) -> Hooks:
        """Check the hooks before anything is sent.

        Raises:
            ConfigurationError: They are not what httpx takes.
        """
        if not _is_mapping(given):
            raise _wrong_hooks()
        try:
            hooks = {name: tuple(given[name]) for name in given}
            found = cls(**hooks)
        except (TypeError, LookupError):
            raise _wrong_hooks() from None
        if not all(map(callable, (*found.request, *found.response))):
            raise _wrong_hooks()
        return found


def _is_mapping(value: object) -> bool:
    """Tell whether a caller gave a mapping, whatever types say."""
    return isinstance(value, Mapping)


def _wrong_hooks() -> ConfigurationError:
    text = "must be a mapping of 'request' and 'response' to lists of callables"
    return wrong_settings([Problem("event_hooks", "value", text)])


# -- answers -----------------------------------------------------------------------------------------------------------


class Received:
    """An answer, possibly incomplete.

    Attributes:
        came_whole: Whether the body came with the header, so that the connection is free already.
        is_too_long: Whether more of the body came than is read.
    """

    def __init__(self) -> None:
        self._response: httpx.Response | None = None
        self._body = bytearray()
        self._headers: dict[str, str] | None = None
        self._unpacker: Unpacker | None = None
        self._is_whole = False
        self.came_whole = False
        self.is_too_long = False

    def begin(self, response: httpx.Response) -> None:
        """Take the header."""
        self._response = response
        self.came_whole = "body" in response.extensions

    def needs_reading(self) -> bool:
        """Take the body if it has already been read; return whether it still has to be read.

        Raises:
            CannotUnpack: It is packed in another way than gzip.
        """
        response = self._response
        if response is None:
            return False
        if response.is_stream_consumed:  # a hook has read it, and so unpacked it
            self.add(response.content)
            self._is_whole = True
            return False
        self._headers = _headers_of(response)
        if "content-encoding" in self._headers:
            self._unpacker = _unpacker(self._headers["content-encoding"])
        if not self.came_whole:
            return True
        self.add(response.extensions["body"])
        self._is_whole = self._unpacker is None or self._unpacker.whole
        return False

    def async_stream(self) -> AsyncIterable[bytes]:
        """Return the pieces of the body as they come."""
        stream = self._response.stream if self._response is not None else None
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("the stream is not asynchronous")
        return stream

    def sync_stream(self) -> Iterable[bytes]:
        """Return the pieces of the body as they come."""
        stream = self._response.stream if self._response is not None else None
        if not isinstance(stream, httpx.SyncByteStream):
            raise TypeError("the stream is not synchronous")
        return stream

    def add(self, chunk: bytes) -> None:
        """Take a piece of the body.

        Raises:
            CannotUnpack: It is broken or too large.
        """
        self._body += self._unpacker.feed(chunk) if self._unpacker else chunk
        self.is_too_long = len(self._body) > MAX_BODY

    def end(self) -> None:
        """Note that the body came to its end."""
        self._is_whole = self._unpacker is None or self._unpacker.whole

    def outcome(self) -> Reply | Loss:
        """Return the outcome of an attempt: an answer, possibly incomplete, or a timeout."""
        response = self._response
        if response is None:
            return Loss(Failure.READ_TIMEOUT, "deadline")
        incomplete = self.is_too_long or not self._is_whole
        headers = self._headers
        if (
            headers is None
        ):  # a hook has read the body, or the deadline came before that
            headers = _headers_of(response)
        return Reply(
            response.status_code, headers, bytes(self._body), incomplete=incomplete
        )


def _headers_of(response: httpx.Response) -> dict[str, str]:
    """Return the headers, names in lower case; as httpx does, which looks for an encoding at each of them."""
    headers: dict[str, str] = {}
    try:
        for raw_name, raw_value in response.headers.raw:
            name = raw_name.decode("ascii").lower()
            value = raw_value.decode("ascii")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    except UnicodeDecodeError:
        return dict(response.headers.items())
    return headers


def _unpacker(header: str) -> Unpacker | None:
    """Return what unpacks the body where the server has packed it, though it was asked not to.

    Raises:
        CannotUnpack: It is packed in another way than gzip.
    """
    coding = header.strip().lower()
    return None if coding in ("", "identity") else Unpacker(coding, MAX_BODY)


def response_of(reply: Reply) -> httpx.Response:
    """Give a success to a generated function; its body is unpacked and whole."""
    framing = ("content-encoding", "content-length", "transfer-encoding")
    headers = {
        name: value for name, value in reply.headers.items() if name not in framing
    }
    return httpx.Response(reply.status, headers=headers, content=reply.body)


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
_CUT = (
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ssl.SSLSyscallError,
    ssl.SSLWantReadError,
    ssl.SSLWantWriteError,
)
"""TLS errors that mean a lost connection or a timeout, not a problem with the certificate."""


def loss(error: Exception) -> Loss:
    """Return a failure and its cause. The exception's text may hold headers and is not used."""
    kind = next(_FAILURES[known] for known in type(error).__mro__ if known in _FAILURES)
    if kind is Failure.CONNECT:
        problem = _tls_problem(error)
        if problem is not None:
            return Loss(Failure.TLS, problem)
    return Loss(
        kind, str(error) if isinstance(error, ProxyFailure) else type(error).__name__
    )


def _tls_problem(error: BaseException) -> str | None:
    """Return what TLS found wrong, None if it found nothing."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ssl.SSLError) and not isinstance(link, _CUT):
            return _tls_reason(link)
        link = link.__cause__ or link.__context__
    return None


def _tls_reason(error: ssl.SSLError) -> str:
    """Return what went wrong; an error that OpenSSL has not made lacks both attributes."""
    with suppress(AttributeError):
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
    with suppress(AttributeError):
        return error.reason or "TLS"
    return "TLS"


def unusable(setting: str, text: str) -> ConfigurationError:
    """Make the error of a transport that cannot be set up, or not be used any more."""
    if not setting:
        return ConfigurationError(text)
    return wrong_settings([Problem(setting, "unusable", text)])
