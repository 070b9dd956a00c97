"""A connection that parses answers with httptools. The parts without I/O are in `fast.py`."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator

import httpcore

from smarterproctoring_transport.fast import Connection

_MOST = 65536
"""Bytes that are read at once."""


class AsyncConnection(Connection):
    """One connection, opened by its first request.

    Args:
        origin: The server.
        context: For TLS.
        backend: Opens the connection.
        expiry: Seconds without a request after which it is not used again; None for no limit.
    """

    def __init__(
        self,
        origin: httpcore.Origin,
        context: ssl.SSLContext,
        backend: httpcore.AsyncNetworkBackend,
        expiry: float | None,
    ) -> None:
        super().__init__(expiry)
        self._origin = origin
        self._context = context
        self._backend = backend
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def handle_async_request(
        self, request: httpcore.Request
    ) -> httpcore.Response:
        """Send a request; return when the answer's header is there, with the body if all of it came along."""
        data = self.begin(request)
        stream = self._stream
        if stream is None:
            stream = await self._open()
            self._stream = stream
        try:  # noqa: SIM105 - a context manager is an object and two calls for each request
            await stream.write(data, self.timeouts.get("write"))
        except httpcore.WriteError:
            # A server may answer early and close; its answer is more useful than the error of the write.
            pass
        while not self.answer.headed:
            self.answer.feed(await stream.read(_MOST, self.timeouts.get("read")))
        if request.method == b"HEAD":
            self.answer.done = True
        if self.answer.done:
            return self.response(stream)
        return self.response(stream, AsyncBody(self, stream))

    async def _open(self) -> httpcore.AsyncNetworkStream:
        host = self._origin.host.decode("ascii")
        timeout = self.timeouts.get("connect")
        stream = await self._backend.connect_tcp(host, self._origin.port, timeout)
        if self._origin.scheme != b"https":
            return stream
        self._context.set_alpn_protocols(["http/1.1"])
        return await stream.start_tls(self._context, host, timeout)

    async def more(self, stream: httpcore.AsyncNetworkStream) -> bytes:
        """Return what comes next of the body, nothing at the end."""
        chunk = self.take()
        while not chunk and not self.answer.done:
            self.answer.feed(await stream.read(_MOST, self.timeouts.get("read")))
            chunk = self.take()
        return chunk

    def has_expired(self) -> bool:
        """Whether it was idle for too long, or data came since, usually the end of the connection."""
        return (
            time.monotonic() > self.usable_until
            or self._stream is None
            or bool(self._stream.get_extra_info("is_readable"))
        )

    async def aclose(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            await self._stream.aclose()


class AsyncBody:
    """The body of an answer, read as it comes."""

    def __init__(
        self, connection: AsyncConnection, stream: httpcore.AsyncNetworkStream
    ) -> None:
        self._connection = connection
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._connection.more(self._stream)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Do nothing: the pool looks at the connection."""
