"""The mock server as an httpx transport without a socket: the same answers and failures as over the network.

The application's coroutine is driven by hand. Where it would wait, the caller waits, no longer than the request's
read timeout allows; what it has left to do then (a late change, say) goes on in a thread, as a server would go on.
"""

import threading
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextvars import copy_context
from email.utils import formatdate
from typing import Final, cast
from urllib.parse import unquote

import anyio
import h11
import httpx

from smarterproctoring_mock.asgi import Application, Message, Scope
from smarterproctoring_mock.fault import ConnectionDropped
from smarterproctoring_mock.waiting import PAUSE

URL: Final = "https://smarterproctoring-mock.invalid"
"""The origin of a mock in process. By RFC 6761 the name never resolves, so no call can leave the process."""


class InProcessTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for `httpx.Client` and `httpx.AsyncClient`, on asyncio and trio; safe to share over threads."""

    def __init__(self, app: Application, url: str = URL) -> None:
        """Put an application behind httpx.

        Args:
            app: The mock server.
            url: The one origin that can be reached; a request to any other is a `ConnectError`.
        """
        self._app = app
        self._origin = _origin(httpx.URL(url))
        self._turn = threading.Lock()
        self._ended = threading.Event()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Serve a request of `httpx.Client`."""
        self._check(request)
        call = self._begin(request, list(cast("httpx.SyncByteStream", request.stream)))
        return call.response(cast("Message", call.read()))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Serve a request of `httpx.AsyncClient`."""
        self._check(request)
        stream = cast("httpx.AsyncByteStream", request.stream)
        call = self._begin(request, [part async for part in stream])
        return call.response(cast("Message", await call.aread()))

    def shut_down(self) -> None:
        """Stop the work for which no caller waits any more. Closing a client does not do this, as with a server."""
        self._ended.set()

    def _check(self, request: httpx.Request) -> None:
        if _origin(request.url) != self._origin:
            scheme, host, port = self._origin
            where = f"{scheme}://{host}" + (f":{port}" if port not in {80, 443} else "")
            raise httpx.ConnectError(f"only {where} can be reached in process")

    def _begin(self, request: httpx.Request, parts: Sequence[bytes]) -> "_Call":
        target: bytes = request.extensions.get("target", request.url.raw_path)
        headers = _written(request, target, parts)
        path, _, query = target.partition(b"?")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": request.url.scheme,
            "server": (request.url.host, request.url.port),
            "client": ("127.0.0.1", 0),
            "root_path": "",
            "method": request.method,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "headers": headers,
            "extensions": {},
        }
        timeout: float | None = request.extensions.get("timeout", {}).get("read")
        return _Call(
            self._app, scope, b"".join(parts), timeout, self._turn, self._ended
        )


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"https": 443}.get(url.scheme, 80)


def _written(
    request: httpx.Request, target: bytes, parts: Sequence[bytes]
) -> list[tuple[bytes, bytes]]:
    """Serialize the request with h11 as httpx's transport does, to fail in the same cases; return the fields."""
    connection = h11.Connection(h11.CLIENT)
    try:
        head = h11.Request(
            method=request.method, target=target, headers=request.headers.raw
        )
        connection.send(head)
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error
    # A body that is not as long as it was said to be is h11's own error in httpx too.
    for part in parts:
        connection.send(h11.Data(data=part))
    connection.send(h11.EndOfMessage())
    return list(head.headers)


class _Out:
    """What the application's coroutine yields: a message, or the seconds of a pause."""

    __slots__ = ("item",)

    def __init__(self, item: Message | float) -> None:
        self.item = item

    def __await__(self) -> Generator[Message | float, None, None]:
        yield self.item


async def _pause(seconds: float) -> None:
    await _Out(float(seconds))


class _Call:
    """One request, and the rest of the application's work for it."""

    def __init__(
        self, app: Application, scope: Scope, body: bytes, timeout: float | None, turn: threading.Lock,
        ended: threading.Event,
    ) -> None:  # fmt: skip
        incoming: list[Message] = [
            {"type": "http.request", "body": body, "more_body": False}
        ]

        async def receive() -> Message:
            return incoming.pop() if incoming else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            await _Out(message)

        self._closes = any(
            name == b"connection" and value.lower() == b"close"
            for name, value in scope["headers"]
        )
        self._coroutine = app(scope, receive, send)
        self._context = copy_context()
        self._context.run(PAUSE.set, _pause)
        self._timeout = timeout
        self._turn = turn
        self._ended = ended
        self._over = False
        self._left_alone = False
        self._due = 0.0  # the end of the pause that was begun, on the monotonic clock
        self._length = 0  # of the body, as announced
        self._received: int | None = None
        """Octets of the body; None before the answer's head."""

    # --- waiting: the same for both kinds of client, but for how they sleep -------------------------------------

    def read(self) -> Message | None:
        """Return the next message, None at the end. Raises httpx's errors where the connection breaks or is late."""
        waits = self._waits()
        try:
            while True:
                time.sleep(next(waits))
        except StopIteration as end:
            message: Message | None = end.value
            return message
        finally:
            waits.close()

    async def aread(self) -> Message | None:
        """Do the same as `read` for an asynchronous client."""
        waits = self._waits()
        try:
            while True:  # noqa: ASYNC110  these are the waits themselves, not a poll
                await anyio.sleep(next(waits))
        except StopIteration as end:
            message: Message | None = end.value
            return message
        finally:
            waits.close()

    def _waits(self) -> Generator[float, None, Message | None]:
        """Yield the seconds to wait, return the next message. Closed, or late, it leaves the rest to a thread."""
        left = self._timeout
        try:
            item = self._step()
            while isinstance(item, float | int):
                self._due = time.monotonic() + item
                if left is not None and item > left:
                    yield left
                    raise httpx.ReadTimeout("timed out")  # noqa: TRY301
                yield item
                if left is not None:
                    left -= item
                item = self._step()
        except (GeneratorExit, httpx.ReadTimeout):
            self._left_alone = True
            threading.Thread(
                target=self._go_on, name="smarterproctoring-mock-call", daemon=True
            ).start()
            raise
        except ConnectionDropped as dropped:
            self._over = True
            if (
                self._received == self._length
            ):  # the announced length has come, so the client reads no further
                return None
            raise self._broken(dropped) from None
        return item

    def _go_on(self) -> None:
        try:
            while not self._ended.wait(max(0.0, self._due - time.monotonic())):
                item = self._step()
                if item is None:
                    return
                if isinstance(item, float):
                    self._due = time.monotonic() + item
        except ConnectionDropped:
            return
        self._coroutine.close()

    def _step(self) -> Message | float | None:
        """Run the application until it waits or sends; one request at a time, as in a server's event loop."""
        item: Message | float | None = None
        with self._turn:
            try:
                while (
                    item is None
                ):  # a bare yield lets other tasks run; there are none here
                    item = self._context.run(self._coroutine.send, None)
            except StopIteration:
                self._over = True
        return item

    # --- the answer -----------------------------------------------------------------------------------------

    def response(self, start: Message) -> httpx.Response:
        """Make the answer of its head; the body follows as it is read."""
        headers: list[tuple[bytes, bytes]] = [
            (b"date", formatdate(usegmt=True).encode()),
            *start["headers"],
        ]
        if self._closes and (b"connection", b"close") not in headers:
            headers.append((b"connection", b"close"))
        self._received = 0
        self._length = int(dict(headers).get(b"content-length", 0))
        return httpx.Response(
            start["status"],
            headers=headers,
            stream=_Body(self),
            extensions={"http_version": b"HTTP/1.1"},
        )

    def piece(self, message: Message) -> bytes:
        """Take the octets of the body out of a message."""
        body: bytes = message.get("body", b"")
        self._received = (self._received or 0) + len(body)
        return body

    def close(self) -> None:
        """End it where the client does not read the body to its end; by then everything is stored."""
        if not (self._over or self._left_alone):
            self._over = True
            self._coroutine.close()

    def _broken(self, dropped: ConnectionDropped) -> httpx.TransportError:
        """Return the error that httpx gives when it reads from a connection that ended like this."""
        if dropped.reset:
            return httpx.ReadError("[Errno 104] Connection reset by peer")
        if self._received is None:
            return httpx.RemoteProtocolError(
                "Server disconnected without sending a response."
            )
        return httpx.RemoteProtocolError(
            "peer closed connection without sending complete message body "
            f"(received {self._received} bytes, expected {self._length})"
        )


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, call: _Call) -> None:
        self._call = call

    def __iter__(self) -> Generator[bytes, None, None]:
        message = self._call.read()
        while message is not None:
            yield self._call.piece(message)
            message = self._call.read()

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        message = await self._call.aread()
        while message is not None:
            yield self._call.piece(message)
            message = await self._call.aread()

    def close(self) -> None:
        self._call.close()

    async def aclose(self) -> None:
        self._call.close()
