"""httpx's transport over a pool that gives each connection to one request at a time, the last used first.

httpcore's own pool checks every connection whenever a request begins or ends, with a system call for each idle one.
With 64 concurrent calls that is most of the work, with 256 nearly all of it. This pool checks one connection.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Protocol, Self

import httpcore
import httpx

from smarterproctoring_transport._async.patched import is_patched, is_wrapped
from smarterproctoring_transport._async.waits import Slots, shielded
from smarterproctoring_transport.deadline import Watch, patience
from smarterproctoring_transport.exchange import (
    HTTPCORE_ERRORS,
    PlainRequest,
    translated,
)


class AsyncLendable(Protocol):
    """httpcore's interface of a connection."""

    async def handle_async_request(
        self, request: httpcore.Request
    ) -> httpcore.Response:
        """Send a request."""
        ...

    async def aclose(self) -> None:
        """Close it."""
        ...

    def is_idle(self) -> bool:
        """Tell whether the whole answer has come."""
        ...

    def has_expired(self) -> bool:
        """Tell whether it was unused for too long, or the peer has closed it."""
        ...


class AsyncLease:
    """A connection and its state in the pool.

    Args:
        connection: The connection.
        watch: The state of its request.
        own: Whether it is one of our classes, which a tool that patches httpcore does not see.
    """

    __slots__ = ("connection", "idle_since", "own", "watch")

    def __init__(
        self, connection: AsyncLendable, watch: Watch, *, own: bool = False
    ) -> None:
        self.connection = connection
        self.watch = watch
        self.own = own
        self.idle_since = 0.0


class AsyncPool:
    """A connection pool that takes the place of httpcore's pool in httpx's transport.

    Args:
        connect: Makes a connection, which its first request opens.
        limits: How many connections there may be, and for how long without a request.
    """

    def __init__(self, connect: Callable[[], AsyncLease], limits: httpx.Limits) -> None:
        self._connect = connect
        self._expiry = limits.keepalive_expiry
        self._slots = Slots(limits.max_connections)
        self._keep = (
            math.inf
            if limits.max_keepalive_connections is None
            else limits.max_keepalive_connections
        )
        self._idle: deque[AsyncLease] = deque()
        self._busy: set[AsyncLease] = set()
        self._closed = False

    async def handle_async_request(
        self, request: httpcore.Request
    ) -> httpcore.Response:
        """Send a request on a connection of its own.

        The connection returns to the pool when the answer's stream is closed, or immediately if the whole answer has
        come; then the extension `body` holds its body.
        """
        deadline: float = request.extensions.get("deadline", math.inf)
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        if not self._slots.taken():
            await self._slots.wait(patience(timeouts.get("pool"), deadline))
        lease: AsyncLease | None = None
        try:
            lease = await self._take()
            lease.watch.begin(
                deadline, to_head=request.method == b"HEAD", in_parts=not lease.own
            )
            response = await lease.connection.handle_async_request(request)
        except BaseException as error:
            await self.give_back(lease, whole=False)
            if lease is not None and isinstance(error, Exception):
                explained = lease.watch.explained(error)
                if explained is not error:
                    raise explained from error
            raise
        if "body" in response.extensions:
            await self.give_back(lease)
        else:
            response.stream = AsyncLent(response.stream, self, lease)
        return response

    async def _take(self) -> AsyncLease:
        while True:
            try:
                lease = self._idle.pop()
            except IndexError:
                lease = self._connect()
                break
            is_hidden = lease.own and is_patched()
            if not is_hidden and not lease.connection.has_expired():
                break
            await self._end(lease)
        self._busy.add(lease)
        return lease

    async def give_back(self, lease: AsyncLease | None, *, whole: bool = True) -> None:
        """Return a connection to the pool, and give its place to the next waiting caller.

        Args:
            lease: The connection; None if none could be made.
            whole: Whether the exchange went well, so that the connection may be used again.
        """
        try:
            if lease is not None:
                self._busy.discard(lease)
                lease.idle_since = time.monotonic()
                has_room = not self._closed and len(self._idle) < self._keep
                # Another request can follow if exactly one answer came, and nothing after it.
                came_whole = whole and lease.connection.is_idle()
                if came_whole and has_room and lease.watch.framing.keep:
                    self._idle.append(lease)
                else:
                    await self._end(lease)
            # The one that was used last is the last in the list, and not unused for long.
            while len(self._idle) > 1 and (unused := self._unused()) is not None:
                await self._end(unused)
        finally:
            self._slots.give_back()

    def _unused(self) -> AsyncLease | None:
        """Remove one connection that was idle for too long, if there is one. The oldest are first in the list."""
        if self._expiry is None:
            return None
        try:
            if self._idle[0].idle_since < time.monotonic() - self._expiry:
                return self._idle.popleft()
        except IndexError:  # nothing is idle, or another thread was faster
            return None
        return None

    async def _end(self, lease: AsyncLease) -> None:
        # A call must not fail because of a connection that it does not need.
        with shielded(), suppress(Exception):
            await lease.connection.aclose()

    async def aclose(self) -> None:
        """Close all connections; calls that run are cut short."""
        self._closed = True
        for lease in [*self._idle, *self._busy]:
            await self._end(lease)
        self._idle.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncLent(httpx.AsyncByteStream):
    """The stream of an answer; closing it gives the connection back."""

    def __init__(self, stream: Any, pool: AsyncPool, lease: AsyncLease) -> None:
        self._stream: AsyncIterable[bytes] = stream
        self._close = stream.aclose
        self._pool = pool
        self._lease = lease
        self._returned = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                yield piece
        except HTTPCORE_ERRORS as error:
            raise translated(error) from error

    async def aclose(self) -> None:
        """Give the connection back."""
        if self._returned:
            return
        self._returned = True
        try:
            await self._close()
        finally:
            await self._pool.give_back(self._lease)


class AsyncTransport(httpx.AsyncHTTPTransport):
    """httpx's transport, over the lending pool; what wraps httpx's own, as instrumentation does, sees its requests."""

    def __init__(self, connect: Callable[[], AsyncLease], limits: httpx.Limits) -> None:
        # The one private attribute in use: httpx has no way to take a pool.
        self._pool: Any = AsyncPool(connect, limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return when the answer's header is there."""
        if is_wrapped():
            return await super().handle_async_request(request)
        try:
            response = await self._pool.handle_async_request(PlainRequest(request))
        except HTTPCORE_ERRORS as error:
            raise translated(error) from error
        stream: Any = response.stream
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=stream,  # of httpx's class already: one that is whole, or that the pool lends
            extensions=response.extensions,
        )
