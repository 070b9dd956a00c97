"""An HTTP/1.1 connection whose answers httptools reads: a third of the work of h11, with the same rules.

It sends a request once and never again. What fails before the first byte is written was not sent; what fails later may
have been. The pool lends it like httpcore's own connections; it takes no proxy.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import httpcore

try:
    import httptools
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "httptools is missing; install it with: "
        "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[fast]'",
        name="httptools",
    ) from None

from smarterproctoring_transport.steps import finish, settled


class Parsed:
    """What httptools reads of one answer, whose bytes `framing.py` has checked: no interim answer, nothing after it."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []
        self.status = 0
        self.headed = False
        self.done = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the status."""
        self.status = self._parser.get_status_code()
        self.headed = True

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        self.chunks.append(data)

    def on_message_complete(self) -> None:
        """Note the end."""
        self.done = True
        del self._parser  # each holds the other, and garbage of that kind is collected slowly

    def feed(self, data: bytes) -> None:
        """Read on; no bytes at all mean that the peer has closed.

        Raises:
            httpcore.RemoteProtocolError: It broke off, or is not HTTP.
        """
        if not data:
            framed = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
            if framed or not self.headed:
                raise httpcore.RemoteProtocolError("the server closed the connection before its answer was complete")
            self.done = True
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise httpcore.RemoteProtocolError(type(error).__name__) from None


class Connection:
    """One connection, opened by its first request; synchronous or asynchronous as its network backend is."""

    def __init__(self, origin: httpcore.Origin, context: ssl.SSLContext, backend: Any, expiry: float | None) -> None:
        self._origin, self._context, self._backend, self._expiry = origin, context, backend, expiry
        self._stream: Any = None
        self._answer = Parsed()
        self._timeouts: dict[str, float] = {}
        self._used_at = 0.0

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request; return when the answer's header is there, with the body if all of it came along."""
        self._timeouts = timeouts = request.extensions.get("timeout", {})
        data = _on_the_wire(request)
        self._answer = answer = Parsed()
        if self._stream is None:
            self._stream = await self._open()
        with suppress(httpcore.WriteError):  # a server may answer early and close: then its answer says more
            await settled(self._stream.write(data, timeouts.get("write")))
        while not answer.headed:
            await self.read_on()
        if request.method == b"HEAD":
            answer.done = True
        content: Any = self.take() if answer.done else Body(self)
        extensions = {"http_version": b"HTTP/1.1", "network_stream": self._stream}
        extensions |= {"body": content} if answer.done else {}
        response = httpcore.Response(answer.status, content=content, extensions=extensions)
        response.headers = answer.headers  # bytes already: httpcore would look at each again
        return response

    handle_request = handle_async_request

    async def _open(self) -> Any:
        host, timeout = self._origin.host.decode("ascii"), self._timeouts.get("connect")
        stream = await settled(self._backend.connect_tcp(host, self._origin.port, timeout))
        if self._origin.scheme == b"https":
            self._context.set_alpn_protocols(["http/1.1"])
            stream = await settled(stream.start_tls(self._context, host, timeout))
        return stream

    async def read_on(self) -> None:
        """Wait for more of the answer."""
        self._answer.feed(await settled(self._stream.read(65536, self._timeouts.get("read"))))

    def take(self) -> bytes:
        """Return what has come of the body since the last time."""
        chunks, self._answer.chunks = self._answer.chunks, []
        return b"".join(chunks)

    @property
    def done(self) -> bool:
        """Whether the whole answer has come."""
        return self._answer.done

    def is_idle(self) -> bool:
        """Whether the whole answer has come; whether another may follow is decided in `framing.py`."""
        self._used_at = time.monotonic()
        return self._answer.done

    def has_expired(self) -> bool:
        """Whether it was unused for too long, or the peer has said something since: most often, that it closes."""
        expired = self._expiry is not None and time.monotonic() > self._used_at + self._expiry
        return expired or bool(self._stream.get_extra_info("is_readable"))

    def close(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            self._stream.close()

    async def aclose(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            await self._stream.aclose()


class Body:
    """The body of an answer, read as it comes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _more(self) -> bytes:
        """Return what comes next, nothing at the end."""
        while not (chunk := self._connection.take()) and not self._connection.done:
            await self._connection.read_on()
        return chunk

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: finish(self._more()), b"")

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if chunk := await self._more():
            return chunk
        raise StopAsyncIteration

    def close(self) -> None:
        """Do nothing: the pool looks at the connection."""

    async def aclose(self) -> None:
        """Do nothing: the pool looks at the connection."""


def _on_the_wire(request: httpcore.Request) -> bytes:
    """Write a request; a line break in a header would be another header, or another request.

    Raises:
        httpcore.LocalProtocolError: A header holds a line break or a NUL.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method, request.url.target)]
    lines += [b"%b: %b" % header for header in request.headers]
    head = b"\r\n".join(lines)
    if not head.count(b"\n") == head.count(b"\r") == len(lines) - 1 or b"\0" in head:
        raise httpcore.LocalProtocolError("a header holds a line break or a NUL")
    body: Any = request.stream
    return b"%b\r\n\r\n%b" % (head, b"".join(body))
