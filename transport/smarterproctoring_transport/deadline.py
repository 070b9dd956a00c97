"""The deadline on the socket. httpx limits each wait alone, so that a dripping answer has no end."""

from __future__ import annotations

import inspect
import math
import socket
import time
from contextlib import suppress
from typing import Any

import httpcore


class Watch:
    """What a connection's network layer is told, and tells, about the request that has the connection.

    Attributes:
        deadline: The end of all waits on the monotonic clock, in seconds.
        answering: Whether anything was read since the last time that something was written.
        handshakes: TLS handshakes that have to follow before a request can be written: of a tunnel through a proxy.
    """

    __slots__ = ("answering", "deadline", "handshakes")

    def __init__(self) -> None:
        self.deadline, self.answering, self.handshakes = math.inf, True, 0

    def clip(self, timeout: float | None, late: type[Exception]) -> float | None:
        """Shorten a wait to the deadline; past it there is none, even if data is there: a flood has no end either."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise late("deadline")
        return timeout if left == math.inf else left if timeout is None else min(left, timeout)


class Watched:
    """A network backend of httpcore, or a stream of it, whose every wait ends at the deadline.

    It serves synchronous and asynchronous backends: what is to be awaited is handed on as it is.
    """

    def __init__(self, inner: Any, watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *rest: Any, **named: Any) -> Any:
        """Open a connection."""
        limit = self._watch.clip(timeout, httpcore.ConnectTimeout)
        return self._watched(self._inner.connect_tcp(host, port, limit, *rest, **named))

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None) -> Any:
        """Begin TLS on it."""
        limit = self._watch.clip(timeout, httpcore.ConnectTimeout)
        return self._watched(self._inner.start_tls(ssl_context, server_hostname, limit), handshakes=1)

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        """Read, and note that something came."""
        self._watch.answering = True
        return self._inner.read(max_bytes, self._watch.clip(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> Any:
        """Write, and note that nothing was read since."""
        self._watch.answering = False
        return self._inner.write(buffer, self._watch.clip(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Wake whoever waits on the socket (another thread's call), then close it."""
        with suppress(OSError, AttributeError):
            self._inner.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._inner.close()

    def _watched(self, opened: Any, handshakes: int = 0) -> Any:
        async def later() -> Watched:
            stream = await opened
            self._watch.handshakes -= handshakes
            return Watched(stream, self._watch)

        if inspect.isawaitable(opened):
            return later()
        self._watch.handshakes -= handshakes
        return Watched(opened, self._watch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
