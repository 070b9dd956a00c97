"""httpcore's network backend on plain sockets: every method ends within its time limit, whatever the peer does.

httpcore's own backend does not: a name look-up has no limit there, and the limit applies to each address and to each
partial write separately.
"""

from __future__ import annotations

import errno
import math
import os
import select
import selectors
import socket
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Self, TypeVar

import httpcore

from smarterproctoring_transport.addresses import STAGGER, Address, find
from smarterproctoring_transport.countdown import Countdown

R = TypeVar("R")
_UNDER_WAY = {0, errno.EINPROGRESS, errno.EWOULDBLOCK}
"""What a non-blocking connect returns unless it failed; the latter on Windows."""
_RECORD = 16 * 1024
"""Bytes of the longest TLS record (RFC 8449)."""


class Backend(httpcore.NetworkBackend):
    """Opens connections with plain sockets."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - our pools set neither this nor the next
        socket_options: Any = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Open a connection to the first of the host's addresses that answers (RFC 8305).

        Args:
            host: A name, or an address as text.
            port: The port.
            timeout: Seconds for the name look-up and all addresses.
            local_address: Not in use.
            socket_options: Not in use.
        """
        countdown = Countdown(timeout, httpcore.ConnectTimeout)
        addresses = find(host, port, countdown.left())
        with Race(addresses, countdown) as race:
            connection = race.run()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Stream(connection)


class Race:
    """Connects to several addresses, one more every quarter of a second, until one has answered."""

    def __init__(self, addresses: list[Address], countdown: Countdown) -> None:
        self._waiting = deque(addresses)
        self._countdown = countdown
        self._selector = selectors.DefaultSelector()
        self._connecting: set[socket.socket] = set()
        self._next_at = -math.inf
        self._problem: OSError = OSError("the host has no address")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for connection in self._connecting:
            connection.close()

    def run(self) -> socket.socket:
        """Return the first socket that is connected.

        Raises:
            httpcore.ConnectTimeout: None was within the time.
            httpcore.ConnectError: No address answers.
        """
        while self._waiting or self._connecting:
            if self._waiting and time.monotonic() >= self._next_at:
                self._begin(self._waiting.popleft())
            if winner := self._winner():
                return winner
        raise httpcore.ConnectError(str(self._problem)) from self._problem

    def _begin(self, address: Address) -> None:
        self._next_at = time.monotonic() + STAGGER
        try:
            connection = socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as problem:  # a family that the system does not have
            self._fail(problem)
            return
        self._connecting.add(connection)
        connection.setblocking(False)
        code = connection.connect_ex(address.target)
        if code in _UNDER_WAY:
            self._selector.register(connection, selectors.EVENT_WRITE)
        else:
            self._lose(connection, code)

    def _winner(self) -> socket.socket | None:
        """Wait until a socket is connected or has failed, or it is time for the next address."""
        for key, _ in self._selector.select(self._patience()):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)  # noqa: S101 - nothing else was registered
            self._selector.unregister(connection)
            code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                self._connecting.discard(connection)
                return connection
            self._lose(connection, code)
        return None

    def _lose(self, connection: socket.socket, code: int) -> None:
        self._connecting.discard(connection)
        connection.close()
        self._fail(OSError(code, os.strerror(code)))

    def _patience(self) -> float | None:
        left = self._countdown.left()
        if not self._waiting:
            return left
        pause = max(self._next_at - time.monotonic(), 0.0)
        return pause if left is None else min(pause, left)

    def _fail(self, problem: OSError) -> None:
        self._problem = problem
        self._next_at = -math.inf  # the next address need not wait


class Stream(httpcore.NetworkStream):
    """A connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return some bytes, none at the end."""
        try:
            self._socket.settimeout(timeout)
            return self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes; returns once the system has taken all of them."""
        began = time.monotonic()
        try:
            self._socket.settimeout(timeout)
            sent = self._socket.send(buffer) if buffer else 0
            if sent < len(buffer):
                left = None if timeout is None else timeout - (time.monotonic() - began)
                self._write_rest(memoryview(buffer)[sent:], left)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def _write_rest(self, rest: memoryview, timeout: float | None) -> None:
        countdown = Countdown(timeout, httpcore.WriteTimeout)
        while rest:
            self._socket.settimeout(countdown.left())
            rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        """Wake a call of another thread that waits on the socket, then close it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Begin TLS on the connection, inside the TLS connection to a proxy if there is one."""
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                return InnerTLS(self, ssl_context, server_hostname, timeout)
            # Python 3.11 and 3.12 forget to close the socket of a peer that is gone already.
            self._socket.getpeername()
            self._socket.settimeout(timeout)  # for the whole handshake
            return Stream(
                ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
            )
        except TimeoutError as error:
            self.close()
            raise httpcore.ConnectTimeout(str(error)) from error
        except (
            OSError,
            ValueError,
        ) as error:  # ssl.SSLError is an OSError; a host name can be a wrong value
            self.close()
            raise httpcore.ConnectError(str(error)) from error

    def get_extra_info(self, info: str) -> Any:
        """Return the values that httpcore requests by name."""
        if info == "is_readable":
            return _is_readable(self._socket)
        if info == "socket":
            return self._socket
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        if info == "client_addr":
            return self._socket.getsockname()
        return self._socket.getpeername() if info == "server_addr" else None


class InnerTLS(httpcore.NetworkStream):
    """TLS to the server inside TLS to a proxy, which `SSLContext.wrap_socket` does not support."""

    def __init__(
        self,
        outer: Stream,
        context: ssl.SSLContext,
        server_hostname: str | None,
        timeout: float | None,
    ) -> None:
        self._outer = outer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_hostname
        )
        countdown = Countdown(timeout, TimeoutError)
        try:
            self._until_done(self._tls.do_handshake, countdown)
        except (httpcore.ReadTimeout, httpcore.WriteTimeout) as error:
            raise TimeoutError(str(error)) from error
        except (httpcore.ReadError, httpcore.WriteError) as error:
            raise OSError(str(error)) from error

    def _until_done(self, step: Callable[[], R], countdown: Countdown) -> R:
        """Repeat a step of TLS, exchanging its bytes with the peer, until it is done."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush(countdown)
                self._fill(countdown)
            else:
                self._flush(countdown)
                return result

    def _flush(self, countdown: Countdown) -> None:
        if self._outgoing.pending:
            self._outer.write(self._outgoing.read(), countdown.left())

    def _fill(self, countdown: Countdown) -> None:
        if data := self._outer.read(_RECORD, countdown.left()):
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return some bytes, none at the end."""
        try:
            return self._until_done(
                partial(self._tls.read, max_bytes),
                Countdown(timeout, httpcore.ReadTimeout),
            )
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes; returns once the system has taken all of them."""
        countdown = Countdown(timeout, httpcore.WriteTimeout)
        rest = memoryview(buffer)
        try:
            while rest:
                step = partial(self._tls.write, rest[:_RECORD])
                rest = rest[self._until_done(step, countdown) :]
        except ssl.SSLError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._outer.close()

    def get_extra_info(self, info: str) -> Any:
        """Return the values that httpcore requests by name."""
        return self._tls if info == "ssl_object" else self._outer.get_extra_info(info)


def _is_readable(connection: socket.socket) -> bool:
    """Tell whether a read would return at once; a closed socket counts, as its end is there to be read."""
    number = connection.fileno()
    if number < 0:
        return True
    if sys.platform == "win32":  # it has no poll, and its select takes any socket
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
