"""HTTP/1.1 connections whose answers httptools reads: a third of the work of h11, with the same rules.

They never repeat a request. A failure before the first byte is written means that nothing was sent; after a later one
it may have been. The pool uses them like httpcore's own connections. They do not support proxies.
"""

from __future__ import annotations

import math
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
        chunks: list[bytes] = []
        self.on_body = chunks.append  # which the parser calls with each piece
        self._parser = httptools.HttpResponseParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks = chunks
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
        usable_until: When it will have been unused for too long, in seconds of the monotonic clock.
    """

    def __init__(self, expiry: float | None) -> None:
        self._lifetime = math.inf if expiry is None else expiry
        self.usable_until = 0.0
        self.answer = Parsed()
        self.timeouts: Mapping[str, float | None] = {}

    def begin(self, request: httpcore.Request) -> bytes:
        """Begin a request; return its bytes.

        Raises:
            httpcore.LocalProtocolError: A header holds a line break or a NUL.
        """
        self.timeouts = request.extensions.get("timeout", {})
        lines = [b"%b %b HTTP/1.1" % (request.method, request.url.target)]
        for name, value in request.headers:
            lines.append(name + b": " + value)
        head = b"\r\n".join(lines)
        # A line break in a header would be another header, or another request.
        breaks = len(lines) - 1
        if not head.count(b"\n") == head.count(b"\r") == breaks or b"\0" in head:
            raise httpcore.LocalProtocolError("a header holds a line break or a NUL")
        body: Any = request.stream
        self.answer = Parsed()
        return b"%b\r\n\r\n%b" % (head, b"".join(body))

    def response(self, stream: object, rest: Any = None) -> httpcore.Response:
        """Return an answer whose header is there.

        Args:
            stream: The connection's stream.
            rest: What reads the body; None if all of it has come.
        """
        extensions = {"http_version": b"HTTP/1.1", "network_stream": stream}
        content = rest
        if content is None:
            body = b"".join(self.answer.chunks)
            content = httpx.ByteStream(body)
            extensions["body"] = body
        response = httpcore.Response(
            self.answer.status, content=content, extensions=extensions
        )
        # Bytes already: httpcore would look at each again.
        response.headers = self.answer.headers
        return response

    def take(self) -> bytes:
        """Return what has come of the body since the last time."""
        chunks = self.answer.chunks
        data = b"".join(chunks)
        chunks.clear()
        return data

    def is_idle(self) -> bool:
        """Whether the whole answer has come. `framing.py` decides whether the connection can be used again."""
        self.usable_until = time.monotonic() + self._lifetime
        return self.answer.done
