"""httpcore's network layer with a deadline: every wait of a connection ends in time."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterable
from typing import Any, Protocol

import httpcore

from smarterproctoring_transport.deadline import Watch
from smarterproctoring_transport.framing import Framing


class AsyncOpener(Protocol):
    """A network backend, or a tunnel through a proxy."""

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection."""
        ...


class AsyncWatchedBackend(httpcore.AsyncNetworkBackend):
    """A network backend whose connections keep a deadline.

    Args:
        inner: The network backend or tunnel that opens connections.
        watch: The state of the connection's request.
    """

    def __init__(self, inner: AsyncOpener, watch: Watch) -> None:
        self._inner = inner
        self._watch = watch

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - our pools set neither this nor the next
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection; the limit includes the TLS handshake."""
        watch = self._watch
        watch.tried = True
        watch.connect_by = math.inf if timeout is None else time.monotonic() + timeout
        limit = watch.clip(timeout, httpcore.ConnectTimeout)
        stream = await self._inner.connect_tcp(host, port, limit)
        watch.open = not watch.secure
        return AsyncWatchedStream(stream, watch, final=watch.open)


class AsyncWatchedStream(httpcore.AsyncNetworkStream):
    """A connection that keeps a deadline.

    Args:
        inner: The connection.
        watch: The state of the connection's request.
        final: Whether what is written is the request, and what is read its answer.
    """

    def __init__(
        self, inner: httpcore.AsyncNetworkStream, watch: Watch, *, final: bool
    ) -> None:
        self._inner = inner
        self._watch = watch
        self._final = final

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Begin TLS on it."""
        watch = self._watch
        limit = watch.clip(timeout, httpcore.ConnectTimeout, watch.connect_by)
        stream = await self._inner.start_tls(ssl_context, server_hostname, limit)
        watch.open = True
        return AsyncWatchedStream(stream, watch, final=True)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some of the answer, in the form that all readers know."""
        watch = self._watch
        if not self._final:
            return await self._inner.read(
                max_bytes, watch.clip(timeout, httpcore.ReadTimeout, watch.connect_by)
            )
        if watch.held:
            await self.write(b"", timeout)
        framing: Framing = watch.framing
        while True:
            if framing.problem is not None:
                raise httpcore.RemoteProtocolError(framing.problem)
            data = await self._inner.read(
                max_bytes, watch.clip(timeout, httpcore.ReadTimeout)
            )
            if not data:
                return data
            seen = framing.take(data)
            if seen:
                return seen

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write, and note that the request may have been sent from now on."""
        watch = self._watch
        if self._final:
            if watch.holds:
                watch.holds = False
                watch.held = buffer
                return
            if watch.held:
                buffer = watch.held + buffer
                watch.held = b""
            if not buffer:  # the end of a body, which has no bytes of its own
                return
            limit = watch.clip(timeout, httpcore.WriteTimeout)
            watch.sent = True
        else:
            limit = watch.clip(timeout, httpcore.WriteTimeout, watch.connect_by)
        await self._inner.write(buffer, limit)

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        """Return the values that httpcore requests by name."""
        return self._inner.get_extra_info(info)
