"""The deadline on the socket. httpx limits each wait alone, so that a dripping answer has no end."""

from __future__ import annotations

import math
import socket
import time
from contextlib import suppress
from typing import Any

import httpcore

from smarterproctoring_transport.failures import NotSent, ProxyFailure
from smarterproctoring_transport.framing import Answer


class Watch:
    """What a connection's network layer is told, and tells, about the request that has the connection.

    Args:
        secure: Whether the server is reached by TLS, so that nothing before it is the request.

    Attributes:
        deadline: The end of all waits on the monotonic clock, in seconds.
        connect_by: The end of all waits until the connection is open, on the same clock.
        tried: Whether a connection was begun; a tool that replaces connections begins none.
        open: Whether the server was reached.
        sent: Whether some of the request may have been written.
        answer: The answer; None before the first request.
    """

    __slots__ = ("answer", "connect_by", "deadline", "open", "secure", "sent", "tried")

    def __init__(self, *, secure: bool = False) -> None:
        self.secure = secure
        self.deadline = math.inf
        self.connect_by = math.inf
        self.tried = False
        self.open = False
        self.sent = False
        self.answer = Answer()

    def begin(self, deadline: float, *, to_head: bool) -> None:
        """Begin a request.

        Args:
            deadline: The end of all waits for it on the monotonic clock, in seconds.
            to_head: Whether it is a HEAD.
        """
        self.deadline = deadline
        self.sent = False
        self.answer = Answer(to_head=to_head)

    def clip(self, timeout: float | None, late: type[Exception], until: float | None = None) -> float | None:
        """Shorten a wait to the deadline; past it there is none, even if data is there: a flood has no end either."""
        left = (self.deadline if until is None else min(self.deadline, until)) - time.monotonic()
        if left <= 0:
            raise late("the time limit is reached")
        return timeout if left == math.inf else left if timeout is None else min(left, timeout)

    def explained(self, error: Exception) -> Exception:
        """Return the error that says that nothing was sent, if nothing was; else the same error."""
        if self.sent or not self.tried:
            return error
        late = isinstance(error, httpcore.TimeoutException)
        if self.open:
            return NotSent("the request was not begun in time") if late else error
        if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout | httpcore.ProxyError | ProxyFailure):
            return error
        return httpcore.ConnectTimeout(str(error)) if late else httpcore.ConnectError(type(error).__name__)


class Watched:
    """A synchronous network backend of httpcore, or a stream of it, whose every wait ends at the deadline.

    Args:
        inner: The backend or the stream.
        watch: What is known of the connection's request.
        final: Whether what is written is the request, and what is read its answer.
    """

    def __init__(self, inner: Any, watch: Watch, *, final: bool = False) -> None:
        self._inner = inner
        self._watch = watch
        self._final = final

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any) -> Any:
        """Open a connection; the limit holds until TLS is there, too."""
        watch = self._watch
        watch.tried = True
        watch.connect_by = math.inf if timeout is None else time.monotonic() + timeout
        limit = watch.clip(timeout, httpcore.ConnectTimeout)
        return self._watched(self._inner.connect_tcp(host, port, limit), final=not watch.secure)

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None) -> Any:
        """Begin TLS on it."""
        limit = self._watch.clip(timeout, httpcore.ConnectTimeout, self._watch.connect_by)
        return self._watched(self._inner.start_tls(ssl_context, server_hostname, limit), final=True)

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        """Read some of the answer, in the form that all readers know."""
        answer = self._answer()
        while True:
            if answer is not None and answer.problem is not None:
                raise httpcore.RemoteProtocolError(answer.problem)
            data = self._inner.read(max_bytes, self._limit(timeout, httpcore.ReadTimeout))
            if not data or answer is None:
                return data
            if seen := answer.take(data):
                return seen

    def write(self, buffer: bytes, timeout: float | None = None) -> Any:
        """Write, and note that the request may have been sent from now on."""
        limit = self._limit(timeout, httpcore.WriteTimeout)
        self._watch.sent |= self._final
        return self._inner.write(buffer, limit)

    def close(self) -> None:
        """Wake whoever waits on the socket (another thread's call), then close it."""
        with suppress(OSError, AttributeError):
            self._inner.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._inner.close()

    def _answer(self) -> Answer | None:
        return self._watch.answer if self._final else None

    def _limit(self, timeout: float | None, late: type[Exception]) -> float | None:
        return self._watch.clip(timeout, late, None if self._final else self._watch.connect_by)

    def _watched(self, opened: Any, *, final: bool) -> Any:
        self._watch.open = final
        return type(self)(opened, self._watch, final=final)

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks for by its own names."""
        return self._inner.get_extra_info(info)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class AsyncWatched(Watched):
    """The same for an asynchronous backend or stream."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        """Read some of the answer, in the form that all readers know."""
        answer = self._answer()
        while True:
            if answer is not None and answer.problem is not None:
                raise httpcore.RemoteProtocolError(answer.problem)
            data = await self._inner.read(max_bytes, self._limit(timeout, httpcore.ReadTimeout))
            if not data or answer is None:
                return data
            if seen := answer.take(data):
                return seen

    async def _watched(self, opened: Any, *, final: bool) -> Any:
        return super()._watched(await opened, final=final)
