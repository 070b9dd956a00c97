"""Connections to an https server through a proxy (CONNECT), opened like any other connection.

httpcore sends the CONNECT request like the caller's request, so a proxy that fails looks as if the caller's request
could have arrived. Here a tunnel is a network backend, so every failure in it is a failure to connect.
"""

from __future__ import annotations

from contextlib import suppress

import httpcore

from smarterproctoring_transport._async.watched import AsyncOpener
from smarterproctoring_transport.countdown import Countdown
from smarterproctoring_transport.tunnel import (
    MAX_HEAD,
    ProxyAnswer,
    connect_request,
    explained,
)


class AsyncTunnel:
    """Reaches every host through a proxy.

    Args:
        inner: The network backend that connects to the proxy.
        proxy: The proxy.
    """

    def __init__(self, inner: AsyncOpener, proxy: httpcore.Proxy) -> None:
        self._inner = inner
        self._proxy = proxy

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Return a stream to a host.

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
        stream = await self._inner.connect_tcp(name, url.origin.port, countdown.left())
        try:
            if url.scheme == b"https" and self._proxy.ssl_context is not None:
                stream = await stream.start_tls(
                    self._proxy.ssl_context, name, countdown.left()
                )
            await stream.write(
                connect_request(self._proxy, host, port), countdown.left()
            )
            await _agree(stream, countdown)
        except BaseException as error:
            with suppress(Exception):
                await stream.aclose()
            failure = explained(error)
            if failure is not None:
                raise failure from None
            raise
        return stream


async def _agree(stream: httpcore.AsyncNetworkStream, countdown: Countdown) -> None:
    """Read the proxy's answer to CONNECT.

    Raises:
        ProxyFailure: The proxy refuses, or its answer is unexpected.
    """
    answer = ProxyAnswer()
    while not answer.agreed:
        answer.take(await stream.read(MAX_HEAD, countdown.left()))
