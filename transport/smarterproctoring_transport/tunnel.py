"""Connections to an https server through a proxy (CONNECT), opened like any other connection.

httpcore's own tunnels send the CONNECT request like the caller's, so that a proxy which dies or stays silent looks as
if the caller's request could have arrived. Here a tunnel is a network backend: whatever fails in it failed while
connecting.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httpcore

from smarterproctoring_transport.countdown import Countdown
from smarterproctoring_transport.failures import ProxyFailure
from smarterproctoring_transport.framing import head_end, read_head
from smarterproctoring_transport.steps import finish, settled

_MAX_HEAD = 16 * 1024
"""Bytes of a proxy's answer that are read."""


class Tunnel:
    """A network backend that reaches every host through a proxy.

    Args:
        inner: The network backend that reaches the proxy, synchronous or asynchronous.
        proxy: The proxy.
    """

    def __init__(self, inner: Any, proxy: httpcore.Proxy) -> None:
        self._inner = inner
        self._proxy = proxy

    async def open(self, host: str, port: int, timeout: float | None) -> Any:
        """Return a stream that ends at a host.

        Args:
            host: The host to reach.
            port: Its port.
            timeout: Seconds until the proxy has agreed.

        Raises:
            httpcore.ConnectError: The proxy cannot be reached.
            httpcore.ConnectTimeout: It did not agree in time.
            ProxyFailure: It refuses, or its answer is not HTTP.
        """
        countdown = Countdown(timeout, httpcore.ConnectTimeout)
        url = self._proxy.url
        name = url.host.decode("ascii")
        stream = await settled(self._inner.connect_tcp(name, url.origin.port, countdown.left()))
        try:
            if url.scheme == b"https":
                stream = await settled(stream.start_tls(self._proxy.ssl_context, name, countdown.left()))
            await settled(stream.write(self._request(host, port), countdown.left()))
            await _agreed(stream, countdown)
        except BaseException as error:
            await _close(stream)
            if isinstance(error, httpcore.ReadTimeout | httpcore.WriteTimeout):
                raise httpcore.ConnectTimeout("the proxy did not answer in time") from None
            if isinstance(error, httpcore.ReadError | httpcore.WriteError):
                raise ProxyFailure("the proxy closed the connection") from None
            if isinstance(error, httpcore.RemoteProtocolError):
                raise ProxyFailure("the proxy's answer is not HTTP") from None
            raise
        return stream

    def _request(self, host: str, port: int) -> bytes:
        """Write the CONNECT request; it may hold the proxy's password."""
        target = b"%b:%d" % (_bracketed(host), port)
        lines = [b"CONNECT %b HTTP/1.1" % target, b"Host: %b" % target, b"Accept: */*"]
        lines += [b"%b: %b" % header for header in self._proxy.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n"


class SyncTunnel(Tunnel):
    """A tunnel over a synchronous backend."""

    def connect_tcp(self, host: str, port: int, timeout: float | None = None) -> Any:
        """Open a connection to a host; see `open`."""
        return finish(self.open(host, port, timeout))


class AsyncTunnel(Tunnel):
    """A tunnel over an asynchronous backend."""

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None) -> Any:
        """Open a connection to a host; see `open`."""
        return await self.open(host, port, timeout)


async def _agreed(stream: Any, countdown: Countdown) -> None:
    """Read the proxy's answer to CONNECT.

    Raises:
        ProxyFailure: It refuses, or says something else.
    """
    data = b""
    room = _MAX_HEAD
    while True:
        while not (end := head_end(data) if data else 0):
            more = await settled(stream.read(_MAX_HEAD, countdown.left()))
            if not more:
                raise ProxyFailure("the proxy closed the connection")
            data += more
            room -= len(more)
            if room < 0:
                raise ProxyFailure("the proxy's answer is too long")
        status = read_head(data[:end]).status
        data = data[end:]
        if status >= 200:
            break
    if status >= 300:
        raise ProxyFailure(f"the proxy answered {status}")
    if data:
        raise ProxyFailure("the proxy sent more than an answer")


async def _close(stream: Any) -> None:
    with suppress(Exception):
        await settled(stream.aclose() if hasattr(stream, "aclose") else stream.close())


def _bracketed(host: str) -> bytes:
    """Write a host as it stands in an authority: an IPv6 address in brackets (RFC 3986 3.2.2)."""
    return f"[{host}]".encode("ascii") if ":" in host else host.encode("ascii")
