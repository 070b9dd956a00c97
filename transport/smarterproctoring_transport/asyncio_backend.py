"""httpcore's network backend on bare asyncio: one future for each wait, where anyio makes a scope and two checkpoints.

On trio, anyio's backend, which httpcore has for all loops, takes over.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections import deque
from collections.abc import Iterable
from typing import Any, cast

import httpcore

from smarterproctoring_transport.addresses import STAGGER, Address, find_async

_FULL = 256 * 1024
"""Bytes that may wait to be read before the peer is told to wait."""
_BUFFER = 16 * 1024
"""Bytes that are taken from the system in one go."""


class Backend(httpcore.AsyncNetworkBackend):
    """Opens connections on whatever loop runs."""

    def __init__(self) -> None:
        self._other: Any = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - our pools set neither this nor the next
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection to the first of the host's addresses that answers (RFC 8305).

        Args:
            host: A name, or an address as text.
            port: The port.
            timeout: Seconds for the name look-up and all addresses.
            local_address: Not in use.
            socket_options: Not in use.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # trio's
            return cast(
                "httpcore.AsyncNetworkStream",
                await self._other.connect_tcp(host, port, timeout),
            )
        try:
            async with asyncio.timeout(timeout):
                connection = await _race(loop, await find_async(host, port))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _, stream = await loop.create_connection(
                    lambda: Stream(loop), sock=connection
                )
        except TimeoutError:
            raise httpcore.ConnectTimeout("connecting took too long") from None
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return stream


async def _race(
    loop: asyncio.AbstractEventLoop, addresses: list[Address]
) -> socket.socket:
    """Connect to several addresses, one more every quarter of a second, until one has answered.

    asyncio's own race fails where tasks begin eagerly, and uvloop has none.

    Raises:
        OSError: No address answers.
    """
    waiting = deque(addresses)
    connecting: set[asyncio.Task[socket.socket]] = set()
    problem: BaseException = OSError("the host has no address")
    try:
        while waiting or connecting:
            if waiting:
                connecting.add(loop.create_task(_connect(loop, waiting.popleft())))
            patience = STAGGER if waiting else None
            ended, connecting = await asyncio.wait(
                connecting, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            winners = [task for task in ended if task.exception() is None]
            if winners:
                connecting.update(winners[1:])
                return winners[0].result()
            for task in ended:
                problem = task.exception() or problem
    finally:
        for task in connecting:
            task.cancel()
            task.add_done_callback(_drop)
    raise problem


async def _connect(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    connection = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await loop.sock_connect(connection, address.target)
    except BaseException:
        connection.close()
        raise
    return connection


def _drop(task: asyncio.Task[socket.socket]) -> None:
    """Close the connection that an abandoned task has opened."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


class Stream(asyncio.BufferedProtocol, httpcore.AsyncNetworkStream):
    """A connection of asyncio as httpcore's network stream."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport = asyncio.Transport()
        # Without it asyncio makes a buffer of 256 KiB for each read, which the system maps and unmaps each time.
        self._buffer = memoryview(bytearray(_BUFFER))
        self._received = bytearray()
        self._ended = False
        self._paused = False
        self._writing_paused = False
        self._secure = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._until = math.inf
        self._late: type[Exception] = Exception

    # -- asyncio's callbacks ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Return the buffer for the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Keep the bytes; pause the peer if nobody reads them."""
        self._received += self._buffer[:nbytes]
        if len(self._received) > _FULL and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Note that nothing more comes; the reader closes the connection."""
        self._ended = True
        self._wake()
        return not self._secure  # TLS knows no half-closed connection

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self._ended = True
        self._error = exc
        self._writing_paused = False
        self._stop_timer()
        self._wake()

    def pause_writing(self) -> None:
        """Note that the peer is slow to read."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Note that it has caught up."""
        self._writing_paused = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, until: float, late: type[Exception]) -> None:
        """Wait for the next event, until a time on the loop's clock."""
        self._waiter = waiter = self._loop.create_future()
        self._until = until
        self._late = late
        # A timer that ends too early is set again then. A new timer for each wait would nearly always be cancelled.
        if self._timer is None or self._timer.when() > self._until:
            self._set_timer()
        try:
            await waiter
        finally:
            self._waiter = None

    def _set_timer(self) -> None:
        self._stop_timer()
        if self._until < math.inf:
            self._timer = self._loop.call_at(self._until, self._expire)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._until:
            self._set_timer()
        else:
            self._waiter.set_exception(self._late("the time limit is reached"))

    def _end(self, timeout: float | None) -> float:
        return math.inf if timeout is None else self._loop.time() + timeout

    # -- httpcore's interface -----------------------------------------------------------------------------------------

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return some bytes, none at the end."""
        until: float | None = None
        while not self._received:
            if self._error is not None:
                raise httpcore.ReadError(str(self._error))
            if self._ended:
                return b""
            until = self._end(timeout) if until is None else until
            await self._wait(until, httpcore.ReadTimeout)
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if self._paused and not self._received:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes; return when they are in the transport's or the system's buffers."""
        if self._error is not None or self._transport.is_closing():
            raise httpcore.WriteError(str(self._error or "the connection is closed"))
        self._transport.write(buffer)
        until: float | None = (
            None  # one limit for all waits: data from the peer does not prolong it
        )
        while self._writing_paused:
            until = self._end(timeout) if until is None else until
            await self._wait(until, httpcore.WriteTimeout)
        if self._error is not None:
            raise httpcore.WriteError(str(self._error))

    async def aclose(self) -> None:
        """Close; what is not sent within a turn of the loop is dropped."""
        self._transport.close()
        try:
            await asyncio.sleep(0)  # the turn in which asyncio closes the socket
        finally:
            self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Begin TLS on the connection."""
        try:
            async with asyncio.timeout(timeout):
                transport = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError:
            self._transport.abort()
            raise httpcore.ConnectTimeout("the TLS handshake took too long") from None
        except OSError as error:  # ssl.SSLError is one
            self._transport.abort()
            raise httpcore.ConnectError(str(error)) from error
        if transport is None:
            raise httpcore.ConnectError(
                "the connection was lost during the TLS handshake"
            )
        self._transport = transport
        self._secure = True
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return the values that httpcore requests by name."""
        if info == "is_readable":
            return self._ended or bool(self._received)
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))
