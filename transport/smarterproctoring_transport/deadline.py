"""The deadline on the socket. httpx limits each wait separately, so a slow stream of bytes never times out."""

from __future__ import annotations

import math
import time

import httpcore

from smarterproctoring_transport.failures import NotSent, ProxyFailure
from smarterproctoring_transport.framing import Framing


class Watch:
    """The state of the request on a connection, shared by the pool and the network layer.

    Args:
        secure: Whether the server uses TLS, so that bytes before the handshake are not the request.

    Attributes:
        deadline: The end of all waits on the monotonic clock, in seconds.
        connect_by: The end of all waits until the connection is open, on the same clock.
        tried: Whether a connection was attempted; a tool that replaces connections attempts none.
        open: Whether the server was reached.
        sent: Whether some of the request may have been written.
        framing: Checks the answer that is expected, or that came last.
        holds: Whether the next write is kept for the one after it: httpcore writes the header and the body one by one,
            and one packet instead of two spares the system the work of the second.
        held: What is kept.
    """

    __slots__ = (
        "connect_by",
        "deadline",
        "framing",
        "held",
        "holds",
        "open",
        "secure",
        "sent",
        "tried",
    )

    def __init__(self, *, secure: bool = False) -> None:
        self.secure = secure
        self.deadline = math.inf
        self.connect_by = math.inf
        self.tried = False
        self.open = False
        self.sent = False
        self.framing = Framing()
        self.holds = False
        self.held = b""

    def begin(self, deadline: float, *, to_head: bool, in_parts: bool) -> None:
        """Begin a request.

        Args:
            deadline: The end of all waits for it on the monotonic clock, in seconds.
            to_head: Whether it is a HEAD.
            in_parts: Whether its header is written first, and then its body.
        """
        self.deadline = deadline
        self.sent = False
        self.holds = in_parts
        self.held = b""
        self.framing = Framing(to_head=to_head)

    def clip(
        self, timeout: float | None, late: type[Exception], until: float | None = None
    ) -> float | None:
        """Shorten a wait to the deadline. After it, no more data is read, even if some is there."""
        end = self.deadline if until is None else min(self.deadline, until)
        left = end - time.monotonic()
        if left <= 0:
            raise late("the time limit is reached")
        if left == math.inf:
            return timeout
        return left if timeout is None else min(left, timeout)

    def explained(self, error: Exception) -> Exception:
        """Return an error that says so if nothing was sent; else the same error."""
        if self.sent or not self.tried:
            return error
        late = isinstance(error, httpcore.TimeoutException)
        if self.open:
            return NotSent("the request was not begun in time") if late else error
        if isinstance(
            error,
            httpcore.ConnectError
            | httpcore.ConnectTimeout
            | httpcore.ProxyError
            | ProxyFailure,
        ):
            return error
        return (
            httpcore.ConnectTimeout(str(error))
            if late
            else httpcore.ConnectError(type(error).__name__)
        )


def patience(seconds: float | None, deadline: float) -> float | None:
    """Return how long to wait for something: no longer than the deadline allows.

    Args:
        seconds: The limit of this wait; None for none.
        deadline: The end of all waits on the monotonic clock, in seconds.
    """
    left = max(deadline - time.monotonic(), 0.0)
    if left == math.inf:
        return seconds
    return left if seconds is None else min(seconds, left)
