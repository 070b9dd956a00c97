"""Turns httpx's requests, and httpcore's errors, into the other's, as httpx's transports do.

httpx's transports let httpcore check each header again, name by name and value by value, which takes a tenth of a call.
"""

from __future__ import annotations

from typing import Any

import httpcore
import httpx

from smarterproctoring_transport.request import Target

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


class _URL(httpcore.URL):
    """A URL whose parts are bytes already: httpcore would look at each again."""

    def __init__(self, url: httpx.URL) -> None:
        if isinstance(url, Target):  # each property of a URL is a call
            self.scheme = url.base.raw_scheme
            self.host = url.base.raw_host
            self.port = url.base.port
            self.target = url.base.raw_path + url.rest.encode("ascii")
            return
        self.scheme = url.raw_scheme
        self.host = url.raw_host
        self.port = url.port
        self.target = url.raw_path


class PlainRequest(httpcore.Request):
    """A request of httpx as httpcore has it; its parts are bytes already."""

    def __init__(self, request: httpx.Request) -> None:
        # The annotation of httpcore wants an iterator; an iterable is sent as well.
        stream: Any = request.stream
        self.method = request.method.encode("ascii")
        self.url = _URL(request.url)
        self.headers = request.headers.raw
        self.stream = stream
        self.extensions = request.extensions
        if "target" in self.extensions:  # it takes the place of the path
            self.url.target = httpcore.URL(target=self.extensions["target"]).target


def translated(error: Exception) -> httpx.TransportError:
    """Return an error of httpcore as httpx's; of a class that is not known, as its next known parent."""
    kind = next(_ERRORS[known] for known in type(error).__mro__ if known in _ERRORS)
    return kind(str(error))
