"""httpx's transports over a pool that lends each connection to one request at a time, the last used first.

httpcore's own pool asks every connection for its state whenever a request comes or goes, with a system call for each
idle one: with 64 calls at once that is most of the work, and with 256 nearly all of it. This one asks one connection.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Self

import anyio
import httpcore
import httpx

from smarterproctoring_transport.deadline import Watch
from smarterproctoring_transport.patched import is_patched
from smarterproctoring_transport.steps import finish, settled


class Lease:
    """A connection and what goes with it.

    Args:
        connection: The connection, of httpcore's interface.
        watch: What is known of its request.
        own: Whether it is of our own kind, which a tool that patches httpcore does not see.
    """

    __slots__ = ("connection", "idle_since", "own", "watch")

    def __init__(self, connection: Any, watch: Watch, *, own: bool = False) -> None:
        self.connection = connection
        self.watch = watch
        self.own = own
        self.idle_since = 0.0

    def can_go_on(self) -> bool:
        """Tell whether another request can follow: exactly one answer came, and nothing after it."""
        return bool(self.connection.is_idle()) and self.watch.answer.keep


class Pool:
    """Lends connections. It stands where httpx's transports have httpcore's pool; the subclasses say how to wait."""

    asynchronous: bool
    send: str
    close_connection: str
    _leave: Callable[[], object]

    def __init__(self, connect: Callable[[], Lease], limits: httpx.Limits) -> None:
        self._connect, self._expiry = connect, limits.keepalive_expiry
        most = limits.max_connections
        self._size = 2**31 if most is None else most
        self._keep = self._size if limits.max_keepalive_connections is None else limits.max_keepalive_connections
        self._idle: deque[Lease] = deque()
        self._busy: set[Lease] = set()
        self._closed = False

    async def exchange(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request on a connection of its own.

        The connection comes back when the answer's stream is closed; or at once, if all of the answer is there, which
        it says by holding its `body` in an extension of that name.
        """
        deadline = request.extensions.get("deadline", math.inf)
        await settled(self._enter(request.extensions.get("timeout", {}).get("pool"), deadline))
        lease = None
        try:
            lease = await self._take()
            lease.watch.begin(deadline, to_head=request.method == b"HEAD")
            response: httpcore.Response = await settled(getattr(lease.connection, self.send)(request))
        except BaseException as error:
            await self._give_back(lease, whole=False)
            if lease is not None and isinstance(error, Exception):
                explained = lease.watch.explained(error)
                if explained is not error:
                    raise explained from error
            raise
        if "body" in response.extensions:
            await self._give_back(lease)
        else:
            response.stream = Lent(response.stream, self, lease)
        return response

    async def _take(self) -> Lease:
        while True:
            try:
                lease = self._idle.pop()
            except IndexError:
                lease = self._connect()
                break
            if self._usable(lease):
                break
            await self._end(lease)
        self._busy.add(lease)
        return lease

    def _usable(self, lease: Lease) -> bool:
        if lease.own and is_patched(asynchronous=self.asynchronous):
            return False
        return not lease.connection.has_expired()

    async def _give_back(self, lease: Lease | None, *, whole: bool = True) -> None:
        try:
            if lease is not None:
                self._busy.discard(lease)
                lease.idle_since = time.monotonic()
                if whole and not self._closed and len(self._idle) < self._keep and lease.can_go_on():
                    self._idle.append(lease)
                else:
                    await self._end(lease)
            while (unused := self._unused()) is not None:
                await self._end(unused)
        finally:
            self._leave()

    def _unused(self) -> Lease | None:
        """Take out a connection that was idle for too long, if there is one: those at the bottom are, if any."""
        with suppress(IndexError):  # nothing is idle, or another thread was faster
            if self._expiry is not None and self._idle[0].idle_since < time.monotonic() - self._expiry:
                return self._idle.popleft()
        return None

    async def _end(self, lease: Lease) -> None:
        with suppress(Exception):  # a call is not to fail for a connection that it does not need
            await settled(getattr(lease.connection, self.close_connection)())

    async def end(self) -> None:
        """Close all connections; calls that run are cut short."""
        self._closed = True
        for lease in [*self._idle, *self._busy]:
            await self._end(lease)
        self._idle.clear()

    def _enter(self, seconds: float | None, deadline: float) -> Any:
        raise NotImplementedError


class Lent:
    """The stream of an answer; closing it gives the connection back."""

    def __init__(self, stream: Any, pool: Pool, lease: Lease) -> None:
        self._stream, self._pool, self._lease = stream, pool, lease
        self._returned = False

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def _return(self, close: str) -> None:
        if not self._returned:
            self._returned = True
            try:
                await settled(getattr(self._stream, close)())
            finally:
                await self._pool._give_back(self._lease)  # pyright: ignore[reportPrivateUsage]

    def close(self) -> None:
        """Give the connection back."""
        finish(self._return("close"))

    async def aclose(self) -> None:
        """Give the connection back."""
        await self._return("aclose")


def _patience(seconds: float | None, deadline: float) -> float | None:
    """Return how long to wait for a place in the pool: no longer than the deadline allows."""
    left = max(deadline - time.monotonic(), 0.0)
    if left == math.inf:
        return seconds
    return left if seconds is None else min(seconds, left)


class SyncPool(Pool):
    """The pool of threads."""

    asynchronous = False
    send, close_connection = "handle_request", "close"

    def __init__(self, connect: Callable[[], Lease], limits: httpx.Limits) -> None:
        super().__init__(connect, limits)
        # A queue of free places: threading's semaphore is written in Python, and takes ten times as long.
        self._slots: SimpleQueue[None] = SimpleQueue()
        self._limited = limits.max_connections is not None
        for _ in range(limits.max_connections or 0):
            self._slots.put(None)

    def _enter(self, seconds: float | None, deadline: float) -> None:
        if not self._limited:
            return
        with suppress(Empty):
            self._slots.get_nowait()
            return
        try:
            self._slots.get(timeout=_patience(seconds, deadline))
        except Empty:
            raise httpcore.PoolTimeout("no free connection") from None

    def _leave(self) -> None:
        if self._limited:
            self._slots.put(None)

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request."""
        return finish(self.exchange(request))

    def close(self) -> None:
        """Close all connections."""
        finish(self.end())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncPool(Pool):
    """The pool of tasks, on asyncio or trio."""

    asynchronous = True
    send, close_connection = "handle_async_request", "aclose"

    def __init__(self, connect: Callable[[], Lease], limits: httpx.Limits) -> None:
        super().__init__(connect, limits)
        self._slots = anyio.Semaphore(self._size, fast_acquire=True)
        self._leave = self._slots.release

    async def _enter(self, seconds: float | None, deadline: float) -> None:
        try:
            self._slots.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(_patience(seconds, deadline)) as scope:
                await self._slots.acquire()
            if scope.cancelled_caught:
                raise httpcore.PoolTimeout("no free connection") from None

    async def _end(self, lease: Lease) -> None:
        with anyio.CancelScope(shield=True):
            await super()._end(lease)

    handle_async_request = Pool.exchange

    async def aclose(self) -> None:
        """Close all connections."""
        await self.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Transport(httpx.HTTPTransport):
    """httpx's transport, over the lending pool; what wraps httpx's own, as instrumentation does, wraps it too."""

    keeps_deadline = True

    def __init__(self, connect: Callable[[], Lease], limits: httpx.Limits) -> None:
        # The one private attribute in use: httpx has no way to take a pool.
        self._pool: Any = SyncPool(connect, limits)


class AsyncTransport(httpx.AsyncHTTPTransport):
    """The same for the asynchronous side."""

    keeps_deadline = True

    def __init__(self, connect: Callable[[], Lease], limits: httpx.Limits) -> None:
        self._pool: Any = AsyncPool(connect, limits)
