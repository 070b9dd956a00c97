"""One request on a connection and its answer, in ASGI's terms."""

import asyncio
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from smarterproctoring_mock.asgi import Message, Scope
from smarterproctoring_mock.http_parser import RequestHead
from smarterproctoring_mock.responses import phrase

_Fields = tuple[tuple[bytes, bytes], ...]
Address = tuple[str, int]

_BUFFERED: Final = 64 * 1024
"""Octets of a body that may wait for the application; above them, reading is paused."""
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_WITHOUT_BODY: Final = frozenset({204, 304})


class Stream:
    """The octets of one connection in both directions, with their flow control."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Wrap the transport of a connection."""
        self.transport = transport
        self.server = _address(transport, "sockname")
        self.client = _address(transport, "peername")
        self.is_full = False
        """Whether the client has to read before more is written."""
        self._is_reading = True
        self._changed: asyncio.Future[None] | None = None

    def write(self, data: bytes) -> None:
        """Write octets; nothing happens where the connection is closed."""
        self.transport.write(data)

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self.transport.is_closing()

    def pause_reading(self) -> None:
        """Pause reading."""
        if self._is_reading and not self.transport.is_closing():
            self._is_reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._is_reading and not self.transport.is_closing():
            self._is_reading = True
            self.transport.resume_reading()

    def set_full(self, *, full: bool) -> None:
        """Note whether the transport's buffer is full."""
        self.is_full = full
        if not full:
            wake(self._changed)

    async def drain(self, seconds: float) -> None:
        """Wait until more can be written. If the client does not read in time, the connection is closed."""
        loop = asyncio.get_running_loop()
        self._changed = loop.create_future()
        timer = loop.call_later(seconds, self.transport.abort)
        try:
            await self._changed
        finally:
            timer.cancel()


def wake(waiter: "asyncio.Future[None] | None") -> None:
    """Resume the waiting coroutine, if there is one."""
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _address(transport: asyncio.Transport, name: str) -> Address | None:
    address: object = transport.get_extra_info(name)
    match address:
        case (str(host), int(port), *_):
            return host, port
        case _:
            return None


class _EncodedHead(NamedTuple):
    octets: bytes
    closes: bool
    """Whether the connection has to be closed after the answer."""


class Exchange:
    """One request and its answer. `receive` and `send` are ASGI's."""

    __slots__ = (
        "_body",
        "_changed",
        "_delivered",
        "_expects_continue",
        "_is_gone",
        "_patience",
        "_start",
        "_stream",
        "is_answered",
        "is_complete",
        "is_started",
        "keep_alive",
        "scope",
    )

    def __init__(self, stream: Stream, head: RequestHead, patience: float) -> None:
        """Begin with the head of a request.

        Args:
            stream: The connection.
            head: The head.
            patience: Seconds to wait for a client that does not read its answer.
        """
        path = head.path.decode("ascii")
        self.scope: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": head.version,
            "method": head.method,
            "scheme": "http",
            "server": stream.server,
            "client": stream.client,
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": head.path,
            "query_string": head.query,
            "headers": head.fields,
            "extensions": {},
        }
        self.keep_alive = head.keep_alive
        """Whether the connection stays open after the answer."""
        self.is_complete = False
        """Whether the request has arrived to its last octet."""
        self.is_started = False
        """Whether something of the answer was written."""
        self.is_answered = False
        """Whether the answer was written to its last octet."""
        self._stream = stream
        self._patience = patience
        self._expects_continue = head.expects_continue
        self._body = b""  # what the application has not yet received
        self._delivered = (
            False  # whether the application has received the end of the body
        )
        self._is_gone = False
        self._start: Message | None = None
        self._changed: asyncio.Future[None] | None = None

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._is_gone

    # --- the connection's side -----------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Take a part of the request's body."""
        if self.is_answered:
            return
        self._body += data
        if len(self._body) > _BUFFERED:
            self._stream.pause_reading()
        wake(self._changed)

    def complete(self) -> None:
        """Note that the request has arrived to its last octet."""
        self.is_complete = True
        wake(self._changed)

    def break_off(self) -> None:
        """Tell the application that the client is gone, or will send no more that can be read."""
        self._is_gone = True
        wake(self._changed)

    # --- the application's side ----------------------------------------------------------------------------

    async def receive(self) -> Message:
        """Return the next part of the body, or that the client is gone."""
        if self._expects_continue:
            self._expects_continue = False
            if not self.is_complete:
                self._stream.write(_CONTINUE)
        while not self._is_gone:
            if self._body or (self.is_complete and not self._delivered):
                return self._take_body()
            self._stream.resume_reading()
            self._changed = asyncio.get_running_loop().create_future()
            await self._changed
        return {"type": "http.disconnect"}

    def _take_body(self) -> Message:
        body = self._body
        self._body = b""
        self._delivered = self.is_complete
        return {"type": "http.request", "body": body, "more_body": not self.is_complete}

    async def send(self, message: Message) -> None:
        """Write a part of the answer. The head goes out with the first part of the body, in one system call."""
        if self._is_gone or self._stream.is_closed:
            self.is_answered = not message.get("more_body", False)
            return
        if message["type"] == "http.response.start":
            self._start = message
            return
        data: bytes = (
            message.get("body", b"") if self.scope["method"] != "HEAD" else b""
        )
        start = self._start
        if start is not None:
            self._start = None
            self.is_started = True
            now = int(time.time())
            head = _encode_head(
                start["status"], tuple(start["headers"]), now, not self.keep_alive
            )
            if head.closes:
                self.keep_alive = False
            data = head.octets + data
        self._stream.write(data)
        if not message.get("more_body", False):
            self.is_answered = True
        if self._stream.is_full:
            await self._stream.drain(self._patience)


@lru_cache(maxsize=256)
def _encode_head(status: int, fields: _Fields, now: int, closes: bool) -> _EncodedHead:
    """Write the head of an answer.

    Args:
        status: The status.
        fields: The header fields.
        now: Seconds since 1970, for the Date field.
        closes: Whether the connection is going to be closed.
    """
    values = {name.lower(): value for name, value in fields}
    if values.get(b"connection", b"").lower() == b"close":
        closes = True
    elif b"content-length" not in values and status not in _WITHOUT_BODY:
        closes = (
            True  # the end of the connection is then the end of the body (RFC 9112 6.3)
        )
    lines = [b"date: %b\r\n" % formatdate(now, usegmt=True).encode()]
    lines += [b"%b: %b\r\n" % field for field in fields]
    if closes and b"connection" not in values:
        lines.append(b"connection: close\r\n")
    octets = b"HTTP/1.1 %d %b\r\n%b\r\n" % (
        status,
        phrase(status).encode(),
        b"".join(lines),
    )
    return _EncodedHead(octets, closes)
