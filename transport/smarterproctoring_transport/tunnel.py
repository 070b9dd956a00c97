"""Writes the CONNECT request to a proxy and reads its answer. No I/O."""

from __future__ import annotations

import httpcore

from smarterproctoring_transport.failures import ProxyFailure
from smarterproctoring_transport.framing import head_end, read_head

MAX_HEAD = 16 * 1024
"""Bytes of a proxy's answer that are read."""


def connect_request(proxy: httpcore.Proxy, host: str, port: int) -> bytes:
    """Write the CONNECT request; it may hold the proxy's password."""
    target = b"%b:%d" % (_bracketed(host), port)
    lines = [b"CONNECT %b HTTP/1.1" % target, b"Host: %b" % target, b"Accept: */*"]
    lines += [b"%b: %b" % header for header in proxy.headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class ProxyAnswer:
    """A proxy's answer to CONNECT, as it comes.

    Attributes:
        agreed: Whether the proxy has opened the connection.
    """

    def __init__(self) -> None:
        self.agreed = False
        self._data = b""
        self._room = MAX_HEAD

    def take(self, data: bytes) -> None:
        """Take bytes; empty bytes mean that the proxy has closed.

        Raises:
            ProxyFailure: The proxy refuses, or its answer is unexpected.
            httpcore.RemoteProtocolError: This is not HTTP.
        """
        if not data:
            raise ProxyFailure("the proxy closed the connection")
        self._data += data
        self._room -= len(data)
        if self._room < 0:
            raise ProxyFailure("the proxy's answer is too long")
        while self._data and not self.agreed:
            end = head_end(self._data)
            if not end:
                return
            status = read_head(self._data[:end]).status
            self._data = self._data[end:]
            if status >= 200:
                self._decide(status)

    def _decide(self, status: int) -> None:
        if status >= 300:
            raise ProxyFailure(f"the proxy answered {status}")
        if self._data:
            raise ProxyFailure("the proxy sent more than an answer")
        self.agreed = True


def explained(error: BaseException) -> Exception | None:
    """Return the error for a failure of the proxy; None if the error itself says what happened."""
    if isinstance(error, httpcore.ReadTimeout | httpcore.WriteTimeout):
        return httpcore.ConnectTimeout("the proxy did not answer in time")
    if isinstance(error, httpcore.ReadError | httpcore.WriteError):
        return ProxyFailure("the proxy closed the connection")
    if isinstance(error, httpcore.RemoteProtocolError):
        return ProxyFailure("the proxy's answer is not HTTP")
    return None


def _bracketed(host: str) -> bytes:
    """Write a host as in an authority: an IPv6 address in brackets (RFC 3986 3.2.2)."""
    return f"[{host}]".encode("ascii") if ":" in host else host.encode("ascii")
