"""One call's bookkeeping, without I/O: what both drivers share, and what the caller is told at the end."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from smarterproctoring.credentials import Secret
from smarterproctoring.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    SmarterProctoringError,
    error_class,
)
from smarterproctoring.policy import TIMEOUTS, Failure, Outcome, decide
from smarterproctoring.prepare import Prepared
from smarterproctoring.settings import Options, RetryEvent, logger

MAX_BODY, MAX_ERROR_BODY = 1024 * 1024, 64 * 1024
"""Bytes of an answer that are read: of a success, of anything else."""
_REQUEST_IDS = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray")
_MASK = "[redacted]"


@dataclass(frozen=True, slots=True)
class Result:
    """What happened to the session: it was changed.

    Attributes:
        data: The answer: the value if it was JSON, the text if it was other text, None if it was empty.
        status: HTTP status, 200 to 299.
        request_id: The server's id of the request, if it sent one.
        attempts: How often the request was begun.
        replays: How many of those followed an attempt that may have been applied already.
        elapsed: Seconds from the start of the call.
        incomplete: Whether the answer's body broke off or was longer than 1 MiB; the change is made all the same.
    """

    data: Any
    status: int
    request_id: str | None
    attempts: int
    replays: int
    elapsed: float
    incomplete: bool = False


class Reply(NamedTuple):
    """A server's answer, read as far as it goes; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    incomplete: bool = False

    def text(self) -> str:
        """Decode the body as UTF-8; never fails."""
        return self.body.decode("utf-8", "replace")

    def data(self) -> Any:
        """Return the JSON value, else the text, else None."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("", "application/json") or kind.endswith("+json"):
            try:
                return json.loads(self.body)
            except (ValueError, RecursionError):
                pass
        return self.text() or None

    def request_id(self) -> str | None:
        """Return the first of the common request-id headers; the vendor documents none."""
        return next((self.headers[name] for name in _REQUEST_IDS if self.headers.get(name)), None)

    def error(self) -> tuple[str | None, str | None]:
        """Return code and message from any of the three forms of error body that were seen (evidence: V, S)."""
        try:
            source = json.loads(self.body)
        except (ValueError, RecursionError):
            return None, None
        if isinstance(source, dict) and isinstance(source.get("error"), dict):
            source = source["error"]
        code, message = (source.get("code"), source.get("message")) if isinstance(source, dict) else (None, None)
        return str(code) if type(code) in (str, int) else None, message if isinstance(message, str) else None

    def retry_after(self) -> float | None:
        """Return the seconds of Retry-After, given as seconds or as a date; None if there is none to understand."""
        text, now = self.headers.get("retry-after", "").strip(), time.time()
        if re.fullmatch("[0-9]+", text):
            return float(text[:10])
        at = _http_date(text)
        # By the server's clock too where it tells the time, so that a fast local clock does not retry early.
        return None if at is None else max(0.0, at - now, at - (_http_date(self.headers.get("date", "")) or now))


def _http_date(text: str) -> float | None:
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class Call:
    """The state of one call over its attempts. Drivers ask it for limits, report outcomes, and obey.

    Attributes:
        token_header: The header that carries the token, None for an operation without one.
        deadline_at: The end of the deadline on the monotonic clock, in seconds.
        hooked: What the retry hook returned, for the asynchronous driver to await.
    """

    def __init__(self, prepared: Prepared, options: Options, *, can_renew: bool) -> None:
        self._prepared, self._options, self._can_renew = prepared, options, can_renew
        self.token_header = prepared.operation.token_header
        self._started = self._attempt_began = time.monotonic()
        self.deadline_at = self._started + options.deadline
        self._secret = Secret("")
        self._refusal: SmarterProctoringError | None = None
        self._attempts = self._replays = self._renewals = 0
        self._maybe_applied = False
        self.hooked: object = None

    def remaining(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline_at - time.monotonic()

    def begin(self, secret: Secret | None) -> dict[str, float]:
        """Begin an attempt with this token; return its time limits in seconds, none of them past the deadline.

        Raises:
            ConfigurationError: The token cannot be had or sent.
            AuthenticationError: The token was refused and asking again brought the same one.
            DeadlineExceededError: There is no time left for an attempt.
        """
        remaining = self.remaining()
        if remaining <= 0 or secret is None:
            raise self._error(DeadlineExceededError, self._deadline_text())
        if secret.problem and self.token_header:
            raise self._error(ConfigurationError, secret.problem)
        if self._refusal is not None and secret.reveal() == self._secret.reveal():
            raise self._refusal
        self._refusal, self._secret, self.hooked = None, secret, None
        self._attempts += 1
        self._replays += self._maybe_applied
        self._attempt_began = time.monotonic()
        limits = self._options.timeout
        return {name: min(getattr(limits, name), remaining) for name in ("connect", "read", "write", "pool")}

    def answered(self, reply: Reply) -> float | None:
        """Take an answer: None if the call is done, else the seconds to wait before the next attempt.

        Raises:
            APIStatusError: The call has failed.
        """
        self._log(str(reply.status), reply.request_id())
        if 200 <= reply.status < 300:
            return None
        reply = self._without_token(reply)
        code, message = reply.error()
        outcome = Outcome(status=reply.status, code=code, retry_after=reply.retry_after())
        self._maybe_applied |= outcome.maybe_applied
        return self._settle(outcome, f"status {reply.status}", self._status_error(reply, outcome, message))

    def failed(self, failure: Failure, cause: str) -> float:
        """Take a failure to get an answer: the seconds to wait before the next attempt.

        Raises:
            APIConnectionError: The call has failed.
        """
        self._log(f"{failure.name.lower()} ({cause})", None)
        outcome = Outcome(failure=failure)
        self._maybe_applied |= outcome.maybe_applied
        kind, text = APITimeoutError if failure in TIMEOUTS else APIConnectionError, f"{failure.value} ({cause})"
        if failure in TIMEOUTS and self.remaining() <= 0:
            kind, text = DeadlineExceededError, f"{text}; {self._deadline_text()}"
        return self._settle(outcome, failure.value, self._error(kind, text))

    def result(self, reply: Reply) -> Result:
        """Tell the caller of a success."""
        if self._secret.reveal().encode() in reply.body:
            reply = self._without_token(reply)
        elapsed = time.monotonic() - self._started
        counts = (self._attempts, self._replays, elapsed)
        return Result(reply.data(), reply.status, reply.request_id(), *counts, incomplete=reply.incomplete)

    def _settle(self, outcome: Outcome, reason: str, error: SmarterProctoringError) -> float:
        decision = decide(
            outcome,
            retried=self._attempts - 1 - self._renewals,
            retries=self._options.retries,
            retry_ambiguous=self._options.retry_ambiguous,
            can_renew=self._can_renew and not self._renewals,
            remaining=self.remaining(),
            random=random.random,
        )
        if decision.action == "raise":
            raise error
        if decision.action == "renew":
            self._renewals, self._refusal = 1, error
            return 0.0
        name = self._prepared.operation.operation_id
        logger.info("%s: %s, retry in %.2f s", name, reason, decision.wait)
        if self._options.on_retry is not None:
            event = RetryEvent(name, self._attempts, reason, decision.wait, self._maybe_applied)
            self.hooked = self._options.on_retry(event)
        return decision.wait

    def _status_error(self, reply: Reply, outcome: Outcome, message: str | None) -> SmarterProctoringError:
        known = {status.value: status.phrase for status in HTTPStatus}
        text = f"{reply.status} {known.get(reply.status, 'unknown status')}"
        code, message = self._masked(outcome.code), self._masked(message)
        text += f" (code {code})" if code else ""
        text += f": {message}" if message else ""
        kind = error_class(reply.status, outcome.code)
        expires = self._secret.expires_at()
        if kind is AuthenticationError and expires is not None and expires <= datetime.now(UTC):
            text += f"; the token expired at {expires:%Y-%m-%dT%H:%M:%SZ}"
        return self._error(
            kind,
            text,
            status=reply.status,
            code=outcome.code,
            api_message=message,
            body=reply.text(),
            headers=reply.headers,
            request_id=reply.request_id(),
            retry_after=outcome.retry_after,
        )

    def _error(self, kind: type[SmarterProctoringError], text: str, **fields: Any) -> SmarterProctoringError:
        tail = "The change was not applied."
        if self._maybe_applied:
            tail = "The change may have been applied: look at the session before you send it again."
        return kind(
            f"{text.rstrip('.')}{f' after {self._attempts} attempts' if self._attempts > 1 else ''}. {tail}",
            attempts=self._attempts,
            replays=self._replays,
            elapsed=time.monotonic() - self._started,
            maybe_applied=self._maybe_applied,
            **fields,
        )

    def _deadline_text(self) -> str:
        return f"the deadline of {self._options.deadline:g} s has passed"

    def _without_token(self, reply: Reply) -> Reply:
        """Mask the token where the server, or a proxy's error page, echoes it, and leave cookies out."""
        token = self._secret.reveal()
        if not token:
            return reply
        headers = {name: value.replace(token, _MASK) for name, value in reply.headers.items() if name != "set-cookie"}
        return reply._replace(headers=headers, body=reply.body.replace(token.encode(), _MASK.encode()))

    def _masked(self, text: str | None) -> str | None:
        """Mask what the request's body said: a server may quote it, and it is personal data."""
        body = json.loads(self._prepared.content or b"null")
        if text is None or not isinstance(body, dict):
            return text
        harmless = {item.name for item in self._prepared.operation.fields if item.allowed or item.format}
        for value in sorted({*_texts([v for k, v in body.items() if k not in harmless])}, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", _MASK, text)
        return text

    def _log(self, what: str, request_id: str | None) -> None:
        operation, milliseconds = self._prepared.operation, (time.monotonic() - self._attempt_began) * 1000
        facts = (operation.method, operation.path, what, self._attempts, milliseconds, request_id)
        logger.debug("%s %s -> %s, attempt %d, %.0f ms, request id %s", *facts)


def _texts(node: object) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(node, str) and node:
        yield node
    elif isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from _texts(value)
