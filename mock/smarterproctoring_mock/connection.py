"""One HTTP/1.1 connection: reads requests and has the application answer them in order.

The protocol itself answers invalid HTTP/1.1 requests. The application answers all others.
"""

import asyncio
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Final, cast

from smarterproctoring_mock import eager
from smarterproctoring_mock.asgi import Application
from smarterproctoring_mock.exchange import Exchange, Stream
from smarterproctoring_mock.fault import ConnectionDropped
from smarterproctoring_mock.http_parser import (
    BadRequestError,
    RequestHead,
    RequestParser,
)
from smarterproctoring_mock.responses import error_response, phrase

# Lingering for zero seconds makes the kernel send RST in place of FIN (socket(7)).
_NO_LINGERING: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Service:
    """The state that all connections of a server share."""

    application: Application
    more_info: str
    """For errors in the vendor's form that the server itself writes."""
    idle: float
    """Seconds after which a connection is closed that waits for a request, or for the rest of one."""
    connections: "set[Connection]" = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    """The tasks that answer requests; one may outlive its connection while the application is busy."""


class Connection(asyncio.Protocol):
    """asyncio's protocol for one connection."""

    _stream: Stream

    def __init__(self, service: Service) -> None:
        """Prepare for a connection.

        Args:
            service: What it shares with the others.
        """
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._parser = RequestParser(self)
        self._waiting: deque[Exchange] = deque()  # those that were not begun
        self._latest: Exchange | None = None  # whose body is read
        self._current: Exchange | None = None  # that is answered now
        self._is_answering = False
        self._reads_requests = True
        self._refusal = b""  # goes out after the answers to what came before it
        self._idle_since = 0.0

    # --- asyncio's callbacks -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Of a TCP connection it is one; uvloop's is not a subclass.
        self._stream = Stream(cast("asyncio.Transport", transport))
        self._service.connections.add(self)
        self._idle_since = self._loop.time()
        self._timer = self._loop.call_later(self._service.idle, self._check_idle)

    def data_received(self, data: bytes) -> None:
        """Read requests."""
        if not self._reads_requests:
            return
        try:
            self._parser.feed(data)
        except BadRequestError as error:
            self._refuse(error)
        # The body of a request may still be on its way.
        self._begin_to_answer()

    def eof_received(self) -> bool:
        """Answer what the client has sent before it closed its side, then close the connection."""
        if self._reads_requests and self._parser.in_request:
            self._refuse(self._parser.early_end())
        self._stop_reading()
        return True  # stays open for the answers

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's interface
        """Let the application know, and end."""
        self._timer.cancel()
        self._service.connections.discard(self)
        self._stop_reading()
        self._stream.set_full(full=False)
        if self._current is not None:
            self._current.break_off()
        for exchange in self._waiting:
            if not exchange.is_complete:
                exchange.break_off()

    def pause_writing(self) -> None:
        """Pause writing until the client reads."""
        self._stream.set_full(full=True)

    def resume_writing(self) -> None:
        """Resume writing."""
        self._stream.set_full(full=False)

    # --- the parser's callbacks ----------------------------------------------------------------------------

    def request_received(self, head: RequestHead) -> None:
        """Queue a request, unless the connection ends with the one before it."""
        if self._stream.is_closed:
            self._latest = None
            return
        exchange = Exchange(self._stream, head, self._service.idle)
        if self._current is not None or self._waiting:
            self._stream.pause_reading()
        self._latest = exchange
        self._waiting.append(exchange)

    def body_received(self, data: bytes) -> None:
        """Pass on a part of the latest request's body."""
        if self._latest is not None:
            self._idle_since = self._loop.time()
            self._latest.feed(data)

    def request_ended(self) -> None:
        """Pass on that the latest request is complete."""
        if self._latest is not None:
            self._latest.complete()
            self._begin_to_answer()

    # --- answering -----------------------------------------------------------------------------------------

    def _begin_to_answer(self) -> None:
        """Start to answer the waiting requests, unless a task already does."""
        if self._waiting and not self._is_answering:
            self._is_answering = True
            task = eager.start(self._answer_waiting())
            if task is not None:
                self._service.tasks.add(task)
                task.add_done_callback(self._service.tasks.discard)

    async def _answer_waiting(self) -> None:
        """Answer one request after the other, until none is left."""
        while self._waiting:
            exchange = self._waiting.popleft()
            self._current = exchange
            await self._answer(exchange)
            self._current = None
            if not exchange.keep_alive:
                self._reads_requests = False
                break
        self._is_answering = False
        if self._reads_requests:
            self._idle_since = self._loop.time()
            self._stream.resume_reading()
        else:
            self._end()

    async def _answer(self, exchange: Exchange) -> None:
        """Have the application answer; close the connection if it says so or fails."""
        try:
            await self._service.application(
                exchange.scope, exchange.receive, exchange.send
            )
        except ConnectionDropped as dropped:
            exchange.keep_alive = False
            if dropped.reset:
                connected = self._stream.transport.get_extra_info("socket")
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
                self._stream.transport.abort()
            return
        except Exception as error:  # noqa: BLE001  the connection must not hang, and the loop reports it
            context = {"message": "the application failed", "exception": error}
            self._loop.call_exception_handler(context)
        if exchange.is_answered or exchange.is_gone:
            return
        exchange.keep_alive = False
        if not exchange.is_started:
            self._refusal = self._error(500, "the server failed")

    # --- ending --------------------------------------------------------------------------------------------

    def shut_down(self) -> None:
        """Finish the current answer, then close."""
        self._waiting.clear()
        self._stop_reading()
        if self._current is not None:
            self._current.keep_alive = False

    def abort(self) -> None:
        """Close at once."""
        self._stream.transport.abort()

    def _refuse(self, error: BadRequestError) -> None:
        """Queue the answer to an invalid request."""
        self._refusal = self._error(error.status, f"{error.message} (RFC 9112)")
        latest = self._latest
        if latest is not None and not latest.is_complete:
            # It will never be complete.
            latest.break_off()
            latest.keep_alive = False
        self._stop_reading()

    def _stop_reading(self) -> None:
        """Read no more requests; close once those that were read are answered."""
        self._reads_requests = False
        if not self._is_answering and not self._waiting:
            self._end()

    def _end(self) -> None:
        """Write the answer to an invalid request, and close."""
        if self._refusal:
            self._stream.write(self._refusal)
            self._refusal = b""
        self._waiting.clear()
        self._stream.transport.close()

    def _error(self, status: int, message: str) -> bytes:
        """Write a whole answer in the vendor's form that ends the connection."""
        code = str(status)
        headers = (("connection", "close"),)
        response = error_response(
            self._service.more_info, status, code, message, headers
        )
        fields = "".join(f"{name}: {value}\r\n" for name, value in response.fields())
        head = f"HTTP/1.1 {status} {phrase(status)}\r\n{fields}\r\n"
        return head.encode("latin-1") + response.body

    def _check_idle(self) -> None:
        """Close the connection if nothing has come for a while; look again later."""
        now = self._loop.time()
        if self._current is not None and self._current.is_complete:
            self._idle_since = now
        left = self._idle_since + self._service.idle - now
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_idle)
        elif self._parser.in_request and self._reads_requests:
            self._refuse(BadRequestError(408, "the request did not arrive in time"))
        else:
            self._stream.transport.close()
