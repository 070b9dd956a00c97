"""A socket server that does what it is told, however wrong that is, and keeps what it was sent.

    with Server(answer(503), answer(200, b'"moved"')) as server:
        ...  # call server.url; server.requests holds the raw requests, server.connections counts connections

A script is a list of steps, one per request; the last one repeats. A step is called as soon as the peer's first
bytes are there, and decides by itself whether it reads them.
"""

from __future__ import annotations

import gzip
import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any, NamedTuple, Self


class Request(NamedTuple):
    """A request as it came over the wire."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    """One connection, as a step sees it."""

    def __init__(self, server: Server, connection: socket.socket, number: int) -> None:
        self.server, self.socket, self.number, self.open = server, connection, number, True
        self._buffer = b""

    def wait(self) -> bool:
        """Wait for the peer's first bytes; False if it went away instead."""
        if self._buffer:
            return True
        if isinstance(self.socket, ssl.SSLSocket):
            self._buffer = self.socket.recv(1)
            return self._buffer != b""
        return self.socket.recv(1, socket.MSG_PEEK) != b""

    def method(self) -> str:
        """Return the method of the request that is coming, and leave the request to be read."""
        while b" " not in self._buffer:
            self._more()
        return self._buffer.partition(b" ")[0].decode()

    def read(self) -> Request:
        """Read one request and keep it."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        method, path, _ = first.split(" ")
        request = Request(method, path, headers, body, self.number)
        self.server.requests.append(request)
        return request

    def _more(self) -> None:
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError
        self._buffer += chunk

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def drip(self, data: bytes, every: float) -> None:
        """Send byte by byte, until the peer has enough."""
        for at in range(len(data)):
            self.send(data[at : at + 1])
            readable, _, _ = select.select([self.socket], [], [], every)
            if readable and not self.socket.recv(1, socket.MSG_PEEK):
                return

    def hang(self) -> None:
        """Say nothing until the peer goes away."""
        while self.socket.recv(65536):
            pass

    def close(self) -> None:
        self.open = False

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.open = False


Step = Callable[[Peer], None]


class Server:
    """Listens on a free loopback port and follows its script; `tls` makes it an https server."""

    def __init__(self, *steps: Step, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.ended = 0
        self._steps, self._tls, self._lock = list(steps), tls, threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def script(self, *steps: Step) -> None:
        """Replace the script."""
        with self._lock:
            self._steps = list(steps)

    def arrived(self, number: int) -> list[Request]:
        """Return the requests once this many have come: an early answer outruns the reading of its request."""
        wait_for(lambda: len(self.requests) >= number)
        return self.requests

    def wait_until_ended(self, number: int) -> None:
        """Return once the server has closed this many connections."""
        wait_for(lambda: self.ended >= number)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with self._lock:
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError):  # the peer, or `close`, ended it
            if self._tls:
                inner = connection
                inner.getpeername()  # of a peer that is gone, Python 3.11 and 3.12 forget to close the socket
                connection = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._open.discard(inner)
                    self._open.add(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(self, connection, number)
            while peer.open and peer.wait():
                with self._lock:
                    step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
                step(peer)
        with self._lock:
            self._open.discard(connection)
        connection.close()
        with self._lock:
            self.ended += 1

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does, for up to a minute, whatever a test does to the monotonic clock."""
    until = perf_counter() + 60
    while not condition() and perf_counter() < until:
        time.sleep(0.002)


# -- what can be said --------------------------------------------------------------------------------------------------


def head(status: int | str, headers: Mapping[str, str]) -> bytes:
    """The first line and the headers, whatever they hold."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode("latin-1")


def response(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """A whole response with a right length."""
    every = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    return head(status, every) + body


def json_body(**value: Any) -> bytes:
    return json.dumps(value).encode()


# -- steps -------------------------------------------------------------------------------------------------------------


def answer(
    status: int = 200, body: bytes = b'"Successful"', headers: Mapping[str, str] | None = None, *, close: bool = False
) -> Step:
    """Read the request and answer it; `close` hangs up afterwards without having said so."""
    return say(response(status, body, headers), close=close)


def by_method(change: Step, read: Step) -> Step:
    """Answer reads in one way and changes in another, in whatever order they come."""

    def step(peer: Peer) -> None:
        (read if peer.method() == "GET" else change)(peer)

    return step


def say(data: bytes, *, close: bool = False) -> Step:
    """Read the request and send these bytes."""

    def step(peer: Peer) -> None:
        peer.read()
        peer.send(data)
        if close:
            peer.close()

    return step


def answer_unread(data: bytes) -> Step:
    """Answer before the request is read, then read it."""

    def step(peer: Peer) -> None:
        peer.send(data)
        peer.read()

    return step


def drop_unread(peer: Peer) -> None:
    """Hang up before reading."""
    peer.close()


def drop_read(peer: Peer) -> None:
    """Hang up after reading the whole request."""
    peer.read()
    peer.close()


def reset_read(peer: Peer) -> None:
    """Reset the connection after reading the whole request."""
    peer.read()
    peer.reset()


def never(peer: Peer) -> None:
    """Read the request and never answer."""
    peer.read()
    peer.hang()


def drip_headers(every: float = 0.02) -> Step:
    """Answer with headers that never end, byte by byte."""

    def step(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        peer.drip(b"a" * 10_000, every)

    return step


def drip_body(status: int = 200, every: float = 0.02) -> Step:
    """Answer with a body that takes far too long, byte by byte."""

    def step(peer: Peer) -> None:
        peer.read()
        peer.send(head(status, {"Content-Type": "text/plain", "Content-Length": "10000"}))
        peer.drip(b"a" * 10_000, every)

    return step


def truncated(status: int = 200, body: bytes = b'"Succ') -> Step:
    """Promise more body than comes."""
    return say(head(status, {"Content-Type": "application/json", "Content-Length": "1000"}) + body, close=True)


def zipped(body: bytes, *, broken: bool = False) -> Step:
    """Answer compressed, though nobody asked for it."""

    def step(peer: Peer) -> None:
        packed = gzip.compress(body, compresslevel=1)
        packed = packed[:10] + b"\x07" + packed[11:] if broken else packed
        answer(200, packed, {"Content-Encoding": "gzip"})(peer)

    return step
