"""What to do after an attempt: return, raise, renew the token, or wait and try again. Pure: no clock, no I/O."""

from __future__ import annotations

import enum
from typing import Literal

from smarterproctoring.errors import token_refused
from smarterproctoring.settings import Options

MAX_RETRY_AFTER = 60.0
"""Seconds: after a longer Retry-After the call raises at once."""
# Seconds: the wait before another attempt is drawn from the whole of `min(base * 2**n, max)` (full jitter).
BACKOFF_BASE = 0.5
BACKOFF_MAX = 8.0
NO_TIME = 0.01
"""Seconds: no more than this left of a deadline is no time for another attempt. Timers may end early: an attempt that
the deadline ended can leave a millisecond."""


class Failure(enum.Enum):
    """Why an attempt got no answer; the value is the text for messages."""

    CONNECT = "could not connect"
    CONNECT_TIMEOUT = "could not connect in time"
    POOL_TIMEOUT = "no free connection in the pool in time"
    NOT_SENT = "there was no time left to send the request"
    TLS = "could not set up TLS (is the certificate trusted?)"
    WRITE_TIMEOUT = "could not send the request in time"
    READ_TIMEOUT = "no answer in time"
    LOST = "the connection was lost before an answer came"
    NOT_WHOLE = "the answer did not come whole"
    OTHER = "the transport failed"
    HOOK = "an event hook failed before the request was sent"


class Loss:
    """Why an attempt got no answer.

    Attributes:
        failure: The kind.
        cause: The name of what was raised, or what a proxy said.
    """

    __slots__ = ("cause", "failure")

    def __init__(self, failure: Failure, cause: str) -> None:
        self.failure = failure
        self.cause = cause


NEVER_SENT = {
    Failure.CONNECT,
    Failure.CONNECT_TIMEOUT,
    Failure.POOL_TIMEOUT,
    Failure.NOT_SENT,
    Failure.TLS,
    Failure.HOOK,
}
TIMEOUTS = {
    Failure.CONNECT_TIMEOUT,
    Failure.POOL_TIMEOUT,
    Failure.NOT_SENT,
    Failure.WRITE_TIMEOUT,
    Failure.READ_TIMEOUT,
}
NOT_TAKEN = {425, 429, *NEVER_SENT} - {Failure.TLS, Failure.HOOK}
"""Repeated for every method: the server has not begun to carry out the request."""
SAFE = {408, *NOT_TAKEN}
"""Always repeated for idempotent methods: nothing was done, or the request was never sent."""
AMBIGUOUS = {
    500,
    502,
    503,
    504,
    Failure.WRITE_TIMEOUT,
    Failure.READ_TIMEOUT,
    Failure.LOST,
    Failure.NOT_WHOLE,
}
"""Repeated unless `retry_ambiguous` is False: the change may have been carried out. A 503 belongs here: Envoy and
Heroku's router answer it after they have passed the request on."""
MAYBE_APPLIED = {303, 499}
"""Statuses below 500 that may follow the change: 303 points at its result, 499 says that the client went away."""


class AttemptOutcome:
    """The outcome of an attempt that did not succeed: a status, or why there is none.

    Attributes:
        status: The status; None if there was no answer.
        failure: Why there was none.
        code: The API's error code.
        retry_after: Seconds that the server asked to wait.
    """

    def __init__(
        self,
        status: int | None = None,
        failure: Failure | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.failure = failure
        self.code = code
        self.retry_after = retry_after

    @property
    def maybe_applied(self) -> bool:
        """Whether this attempt may have changed the session."""
        if self.status is None:
            return self.failure not in NEVER_SENT
        return self.status in MAYBE_APPLIED or not (
            300 <= self.status < 500 or self.status == 501
        )


class Decision:
    """What the sender does next; `wait` is the seconds to wait if it is "retry"."""

    def __init__(
        self, action: Literal["raise", "renew", "retry"], wait: float = 0.0
    ) -> None:
        self.action: Literal["raise", "renew", "retry"] = action
        self.wait = wait


def decide(
    outcome: AttemptOutcome,
    options: Options,
    *,
    retried: int,
    can_renew: bool,
    left: float,
    draw: float,
    idempotent: bool = True,
) -> Decision:
    """Decide what follows an attempt.

    Args:
        outcome: The outcome of the attempt.
        options: How many retries are allowed, and whether an attempt that may have been applied may be repeated.
        retried: How many retries were made before this attempt (renewing the token does not count).
        can_renew: Whether the token can be asked for again and was not yet during this call.
        left: Seconds until the deadline.
        draw: A random number from 0 to 1, for the jitter.
        idempotent: Whether the operation leaves the same state however often it is carried out.
    """
    status = outcome.status
    if status is not None and 200 <= status < 300:  # it does not confirm the change
        return Decision("raise")
    if token_refused(status, outcome.code) and can_renew and not is_over(left):
        return Decision("renew")
    met = outcome.failure if status is None else status
    if (
        not may_repeat(met, options, idempotent=idempotent)
        or retried >= options.retries
    ):
        return Decision("raise")
    asked = outcome.retry_after or 0.0
    wait = max(asked, draw * min(BACKOFF_BASE * 2.0**retried, BACKOFF_MAX))
    return (
        Decision("raise")
        if asked > MAX_RETRY_AFTER or is_over(left, wait)
        else Decision("retry", wait)
    )


def is_over(left: float, wait: float = 0.0) -> bool:
    """Tell whether too little time is left for an attempt after a wait; all in seconds."""
    return left - wait <= NO_TIME


def may_repeat(
    met: int | Failure | None, options: Options, *, idempotent: bool
) -> bool:
    """Tell whether a status or a failure is one after which an attempt may be repeated."""
    if not idempotent:
        return met in NOT_TAKEN
    return met in SAFE or (met in AMBIGUOUS and options.retry_ambiguous)
