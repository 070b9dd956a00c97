"""A small HTTP server on 127.0.0.1 that plays a script and keeps what it was sent. Standard library only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self, cast
from urllib.parse import parse_qs, urlsplit


class Seen(NamedTuple):
    """A request as it came over the wire; header names in lower case, each with all its values."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, list[str]]
    body: bytes
    peer: int


class Answer(NamedTuple):
    """What to send; `body` is sent as it is, or as JSON where it is not bytes."""

    status: int
    body: Any = b""
    headers: tuple[tuple[str, str], ...] = ()


Step = Answer | Callable[["Handler"], None]


def drop(handler: Handler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """Send a success whose body arrives a byte at a time, long after each other, until nobody listens."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n")
    handler.close_connection = True
    for pause in (1.4,) * 40:
        handler.wfile.write(b" ")
        time.sleep(pause)


class Handler(BaseHTTPRequestHandler):
    """Keeps the request, then does the next step of the script; the last step is repeated."""

    protocol_version = "HTTP/1.1"
    timeout = 20

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def _answer(self) -> None:
        server, parts = cast("Loopback", self.server), urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): self.headers.get_all(name, []) for name in self.headers}
        query, port = parse_qs(parts.query), self.client_address[1]
        server.seen.append(Seen(self.command, parts.path, query, headers, body, port))
        step = server.script.pop(0) if len(server.script) > 1 else server.script[0]
        if not isinstance(step, Answer):
            step(self)
            return
        content = step.body if isinstance(step.body, bytes) else json.dumps(step.body).encode()
        self.send_response(step.status)
        given = dict(step.headers)
        for name, value in {"content-type": "application/json", "content-length": str(len(content)), **given}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = _answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        pass


class Loopback(ThreadingHTTPServer):
    """The server; use it in a `with` block."""

    def __init__(self, *script: Step) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.seen = list(script), list[Seen]()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
