"""Turns httpx's requests, and httpcore's errors, into the other's, as httpx's transports do.

httpx's transports let httpcore check each header again, name by name and value by value, which takes a tenth of a call.
"""

from __future__ import annotations

from typing import Any

import httpcore
import httpx

_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.TimeoutException: httpx.TimeoutException,
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.NetworkError: httpx.NetworkError,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.ProxyError: httpx.ProxyError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
    httpcore.ProtocolError: httpx.ProtocolError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
}
HTTPCORE_ERRORS = tuple(_ERRORS)
"""The errors that `translated` takes."""


def request_for(request: httpx.Request) -> httpcore.Request:
    """Return a request as httpcore has it."""
    url = request.url
    target = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
    stream: Any = (
        request.stream
    )  # the annotation of httpcore wants an iterator; an iterable is sent as well
    made = httpcore.Request(
        request.method, target, content=stream, extensions=request.extensions
    )
    # Bytes already: httpcore would look at each again.
    made.headers = request.headers.raw
    return made


def translated(error: Exception) -> httpx.TransportError:
    """Return an error of httpcore as httpx's; of a class that is not known, as its next known parent."""
    kind = next(_ERRORS[known] for known in type(error).__mro__ if known in _ERRORS)
    return kind(str(error))
