"""HTTP/1.1 connections whose answers httptools reads: a third of the work of h11, with the same rules.

They never repeat a request. A failure before the first byte is written means that nothing was sent; after a later one
it may have been. The pool uses them like httpcore's own connections. They do not support proxies.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpcore
import httpx

try:
    import httptools
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "httptools is missing; install it with: "
        "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[fast]'",
        name="httptools",
    ) from None


class Parsed:
    """Collects one answer that httptools parses. `framing.py` has removed interim answers and any data after it."""

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
        # They form a reference cycle, which the garbage collector frees late.
        del self._parser

    def feed(self, data: bytes) -> None:
        """Parse more bytes; empty bytes mean that the peer has closed.

        Raises:
            httpcore.RemoteProtocolError: It broke off, or is not HTTP.
        """
        if not data:
            framed = any(
                name.lower() in (b"content-length", b"transfer-encoding")
                for name, _ in self.headers
            )
            if framed or not self.headed:
                raise httpcore.RemoteProtocolError(
                    "the server closed the connection before its answer was complete"
                )
            self.done = True
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise httpcore.RemoteProtocolError(type(error).__name__) from None


class Connection:
    """The state of one connection's request and answer. The I/O is in `_async/fast.py` and its twin.

    Args:
        expiry: Seconds without a request after which it is not used again; None for no limit.

    Attributes:
        answer: What was read of the answer.
        timeouts: The request's time limits, in seconds.
    """

    def __init__(self, expiry: float | None) -> None:
        self._expiry = expiry
        self._used_at = 0.0
        self.answer = Parsed()
        self.timeouts: Mapping[str, float | None] = {}

    def begin(self, request: httpcore.Request) -> bytes:
        """Begin a request; return its bytes.

        Raises:
            httpcore.LocalProtocolError: A header holds a line break or a NUL.
        """
        self.timeouts = request.extensions.get("timeout", {})
        data = _on_the_wire(request)
        self.answer = Parsed()
        return data

    def is_whole(self, request: httpcore.Request) -> bool:
        """Tell whether the whole answer has come, its header being there."""
        if request.method == b"HEAD":
            self.answer.done = True
        return self.answer.done

    def whole_response(self, stream: object) -> httpcore.Response:
        """Return an answer all of which has come."""
        body = self.take()
        return self.response(stream, httpx.ByteStream(body), {"body": body})

    def response(
        self, stream: object, content: Any, more: Mapping[str, object]
    ) -> httpcore.Response:
        """Return an answer.

        Args:
            stream: The connection's stream.
            content: The body.
            more: Extensions.
        """
        extensions = {"http_version": b"HTTP/1.1", "network_stream": stream, **more}
        response = httpcore.Response(
            self.answer.status, content=content, extensions=extensions
        )
        # Bytes already: httpcore would look at each again.
        response.headers = self.answer.headers
        return response

    def take(self) -> bytes:
        """Return what has come of the body since the last time."""
        chunks = self.answer.chunks
        self.answer.chunks = []
        return b"".join(chunks)

    def is_idle(self) -> bool:
        """Whether the whole answer has come. `framing.py` decides whether the connection can be used again."""
        self._used_at = time.monotonic()
        return self.answer.done

    def is_stale(self) -> bool:
        """Tell whether it was unused for too long."""
        return (
            self._expiry is not None and time.monotonic() > self._used_at + self._expiry
        )


def _on_the_wire(request: httpcore.Request) -> bytes:
    """Write a request; a line break in a header would be another header, or another request.

    Raises:
        httpcore.LocalProtocolError: A header holds a line break or a NUL.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method, request.url.target)]
    lines += [name + b": " + value for name, value in request.headers]
    head = b"\r\n".join(lines)
    if not head.count(b"\n") == head.count(b"\r") == len(lines) - 1 or b"\0" in head:
        raise httpcore.LocalProtocolError("a header holds a line break or a NUL")
    body: Any = request.stream
    return b"%b\r\n\r\n%b" % (head, b"".join(body))
