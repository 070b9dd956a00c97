"""The state of one call, without I/O: its limits, what follows each attempt, and its result or error."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from smarterproctoring_generated.results import Check, Result

from smarterproctoring import errors, fields
from smarterproctoring.answers import Reply
from smarterproctoring.budget import RETRY, SUCCESS, TIMED_OUT_RETRY, RetryBudget
from smarterproctoring.credentials import Secret
from smarterproctoring.masking import mask_token
from smarterproctoring.policy import (
    TIMEOUTS,
    AttemptOutcome,
    Failure,
    Loss,
    decide,
    is_over,
)
from smarterproctoring.prepare import Prepared
from smarterproctoring.quoting import masked, without_token
from smarterproctoring.reading import (
    check_failed,
    check_of,
    read_of,
    read_options,
    reader_of,
    seconds_for,
    seconds_kept,
    what_was_seen,
)
from smarterproctoring.settings import Options, logger

if TYPE_CHECKING:
    from smarterproctoring.observation import Observation
    from smarterproctoring.observers import AttemptRecord, CallRecord

_NONE_YET = Secret("")
READS = ("GET", "HEAD", "OPTIONS")
"""The methods that change nothing."""
TOO_LATE = Secret("")
"""In the place of a token that did not come before the deadline."""
ErrorT = TypeVar("ErrorT", bound=errors.SmarterProctoringError)
ParsedT = TypeVar("ParsedT")


class Call:
    """The state of one call over its attempts. The sender asks it for limits and reports the outcome of each attempt.

    Attributes:
        prepared: The request.
        operation: The operation that is called.
        deadline_at: The end of the time for attempts on the monotonic clock, in seconds: the deadline, less what is
            kept for reading back.
        hooked: What the retry hook returned; the sender awaits it if it is awaitable.
        reply: The answer, once the call is done.
        sending: Whether a request is under way and may be carried out.
        hook_failed: The name of what an event hook raised when it was shown the answer.
        observation: What the hooks for finished calls see; None if there are none.
    """

    reply: Reply

    def __init__(
        self,
        prepared: Prepared,
        options: Options,
        *,
        can_renew: bool,
        budget: RetryBudget,
        observation: Observation | None = None,
    ) -> None:
        self.operation = prepared.operation
        self.prepared = prepared
        self._changes = prepared.operation.method not in READS
        # What changes nothing can be repeated freely.
        self._options = (
            options if self._changes else options.with_(retry_ambiguous=True)
        )
        self._can_renew = can_renew
        self._budget = budget
        self._gain = SUCCESS
        self._called_at = prepared.began
        self._attempt_at = prepared.began
        self._ends_at = prepared.began + options.deadline
        self._kept = seconds_kept(prepared, options)
        self.deadline_at = self._ends_at - self._kept
        self._secret = _NONE_YET
        self._refused = False
        self._attempts = 0
        self._replays = 0
        self._renewals = 0
        self._maybe_applied = False
        self._is_confirmed = False
        self._is_done = False
        self._check: Check | None = None
        self._error: errors.SmarterProctoringError | None = None
        self.hooked: object = None
        self.sending = False
        self.hook_failed = ""
        self.observation = observation

    def remaining(self) -> float:
        """Return the seconds that are left for attempts."""
        return self.deadline_at - time.monotonic()

    def begin(self, secret: Secret) -> dict[str, float]:
        """Begin an attempt with this token; return its time limits in seconds, none of them past the deadline.

        Raises:
            ConfigurationError: The token is not available or cannot be sent.
            AuthenticationError: The token was refused and asking again brought the same one.
            DeadlineExceededError: There is no time left for an attempt.
        """
        now = time.monotonic()
        remaining = self.deadline_at - now
        if remaining <= 0 or secret is TOO_LATE:
            raise self.make_error(errors.DeadlineExceededError, self._too_late())
        if secret.problem and self.operation.token_header:
            problems = tuple(secret.problems())
            text = f"the token {secret.problem}"
            self._error = self.make_error(
                errors.ConfigurationError, text, setting="token", problems=problems
            )
            raise self._error
        if self._refused and secret.reveal() == self._secret.reveal():
            raise self.error
        self._refused = False
        self._secret = secret
        self.hooked = None
        self._attempts += 1
        self._replays += self._maybe_applied
        self._check = None
        self._attempt_at = now
        timeout = self._options.timeout
        return {
            "connect": min(timeout.connect, remaining),
            "read": min(timeout.read, remaining),
            "write": min(timeout.write, remaining),
            "pool": min(timeout.pool, remaining),
        }

    def settle(self, answer: Reply | Loss) -> float | None:
        """Record an attempt. Return None if the call is done, else the seconds to wait before the next attempt.

        Raises:
            APIStatusError: The call has failed with this answer.
            APIConnectionError: It has failed without one.
        """
        if isinstance(answer, Loss):
            return self._after_loss(answer.failure, answer.cause)
        reply = without_token(answer, self._secret)
        self._note_attempt(reply.status, str(reply.status), reply)
        doubt: str | None = None
        if 200 <= reply.status < 300:
            doubt = reply.doubt(changes=self._changes)
        if 200 <= reply.status < 300 and doubt is None:
            if self.hook_failed:
                raise self._failed_after(reply)
            if reply.incomplete and self.prepared.needs_whole:
                return self._after_loss(Failure.NOT_WHOLE, reply.phrase())
            self._budget.give(self._gain)
            self.reply = reply
            self._is_done = True
            self.sending = False
            return None
        return self._after_refusal(reply, doubt)

    def _after_loss(self, failure: Failure, cause: str) -> float:
        name = failure.name.lower()
        self._note_attempt(name, f"{name} ({cause})", None)
        outcome = AttemptOutcome(failure=failure)
        self._note(outcome)
        error = self._loss(failure, cause)
        return self._after(outcome, error, failure.value, failure.name.lower())

    def _after_refusal(self, reply: Reply, doubt: str | None) -> float:
        code = reply.error()[0]
        outcome = AttemptOutcome(reply.status, None, code, reply.retry_after())
        self._note(outcome)
        error = self._refusal(reply, outcome, doubt)
        return self._after(outcome, error, f"status {reply.status}", reply.status)

    def _note(self, outcome: AttemptOutcome) -> None:
        """Remember that the change may have been carried out, whatever follows.

        Until then the request counts as under way: Ctrl-C may come at any moment.
        """
        self._maybe_applied |= outcome.maybe_applied and self._changes
        self.sending = False

    def _after(
        self,
        outcome: AttemptOutcome,
        error: errors.SmarterProctoringError,
        what: str,
        found: int | str,
    ) -> float:
        """Return the seconds to wait before the next attempt, or raise the error if there is none.

        Args:
            outcome: The outcome of the attempt.
            error: What is raised if no other attempt follows.
            what: The status or the failure, in words.
            found: The status, or the name of the failure.
        """
        self._error = error
        decision = decide(
            outcome,
            self._options,
            retried=self._attempts - 1 - self._renewals,
            can_renew=self._can_renew and not self._renewals,
            left=self.remaining(),
            draw=random.random(),  # noqa: S311 - spreads retries, keeps no secret
            idempotent=self.operation.idempotent,
        )
        if self.hook_failed:
            raise self.after_hook("an event hook", self.hook_failed)
        if decision.action == "raise":
            raise error
        if decision.action == "renew":
            self._renewals = 1
            self._refused = True
        else:
            self._pay(TIMED_OUT_RETRY if outcome.failure in TIMEOUTS else RETRY)
            logger.info(
                "%s: %s, retry in %.2f s",
                self.operation.operation_id,
                what,
                decision.wait,
                extra={**self._log_fields(found), fields.WAIT: decision.wait},
            )
            self._tell(error, decision.wait)
        return decision.wait

    def _pay(self, cost: int) -> None:
        if not self._budget.take(cost):
            text = "The retry budget of this client is used up, so the call was not repeated."
            raise self._with_more(text, retry_budget_spent=True)
        self._gain = cost

    def _tell(self, error: errors.SmarterProctoringError, wait: float) -> None:
        """Call the retry hook."""
        hook = self._options.on_retry
        if hook is None:
            return
        raised = ""
        try:
            self.hooked = hook(error, wait)
        except Exception as problem:  # noqa: BLE001 - the caller's own; what is known of the call must not be lost
            raised = type(problem).__name__
        if raised:
            raise self.after_hook("on_retry", raised)

    def check_wait(self, wait: float, raised: str = "") -> None:
        """Raise the call's own error if the retry hook raised, or was so slow that the wait would pass the deadline.

        Args:
            wait: Seconds until the next attempt.
            raised: The name of what the retry hook raised when it was awaited; empty if it raised nothing.
        """
        if raised:
            raise self.after_hook("on_retry", raised)
        if is_over(self.remaining(), wait):
            raise self.error

    def after_hook(self, hook: str, raised: str) -> errors.SmarterProctoringError:
        """Return the call's own error where a hook of the caller's has raised, and so ended the call."""
        return self._with_more(f"{hook} raised {raised}, so the call was not repeated.")

    def _with_more(
        self, text: str, *, retry_budget_spent: bool = False
    ) -> errors.SmarterProctoringError:
        """Return the last attempt's error with one more sentence."""
        return self.error.with_more(text, retry_budget_spent=retry_budget_spent)

    @property
    def error(self) -> errors.SmarterProctoringError:
        """The error of the last attempt, raised if no other attempt follows."""
        return self._error or self.make_error(
            errors.SmarterProctoringError, "nothing was attempted"
        )

    def _failed_after(self, reply: Reply) -> errors.HookError:
        self._maybe_applied = self._changes
        self.sending = False
        self._is_confirmed = True
        text = (
            f"an event hook raised {self.hook_failed} after the answer {reply.phrase()}"
        )
        facts = {
            "status": reply.status,
            "headers": reply.headers,
            "request_id": reply.request_id(),
        }
        return self.make_error(errors.HookError, text, body=reply.error_text(), **facts)

    def completed(
        self, error: errors.SmarterProctoringError
    ) -> errors.SmarterProctoringError:
        """Return the error if it ended the call; one from outside the call becomes one that holds what is known."""
        if error is self._error or not isinstance(error, errors.ConfigurationError):
            return error
        self._maybe_applied |= self.sending and self._changes
        own = {"setting": error.setting, "problems": error.problems}
        return self.make_error(errors.ConfigurationError, error.message, **own)

    def interrupted(self, interrupt: BaseException) -> None:
        """Attach what is known of the call to what ends it: Ctrl-C, or a cancellation."""
        self._note_begun()
        errors.attach_what_is_known(
            interrupt, self.make_error(errors.InterruptedCallError, "interrupted")
        )

    # -- hooks for finished calls ------------------------------------------------------------------------

    def begin_observing(self, base_url: str) -> None:
        """Tell the observers among the hooks that the call begins."""
        from smarterproctoring.observation import Observation  # noqa: PLC0415 - for those who have hooks

        self.observation = Observation(self.operation, self._called_at)
        self.observation.begin(self._options.on_call, base_url)

    def end(self, error: BaseException | None) -> None:
        """Tell the hooks for finished calls, if there are any, how the call ended.

        Args:
            error: What ended it; None if it succeeded.
        """
        observation = self.observation
        if observation is None:
            return
        history = tuple(observation.history)
        record = (
            self._success(history) if error is None else self._failure(history, error)
        )
        try:
            observation.end(record)
        except BaseException as interrupt:  # an Exception does not get here
            self.interrupted(interrupt)
            raise

    def _success(self, history: tuple[AttemptRecord, ...]) -> CallRecord:
        return self._record(history)._replace(
            confirmed_by="answer" if self._check is None else "read back",
            status=self.reply.status,
            request_id=self.reply.request_id(),
        )

    def _failure(
        self, history: tuple[AttemptRecord, ...], error: BaseException
    ) -> CallRecord:
        known = self._known_from(error)
        return self._record(history)._replace(
            outcome="error" if isinstance(error, Exception) else "interrupted",
            maybe_applied=known.maybe_applied,
            status=known.status,
            error_type=type(error).__name__,
            request_id=known.request_id,
        )

    def _record(self, history: tuple[AttemptRecord, ...]) -> CallRecord:
        from smarterproctoring.observers import CallRecord  # noqa: PLC0415 - loaded when the call began

        return CallRecord(
            self.operation.operation_id,
            self.operation.method,
            self.operation.path,
            attempts=self._attempts,
            replays=self._replays,
            elapsed=time.monotonic() - self._called_at,
            history=history,
        )

    def _known_from(self, error: BaseException) -> errors.SmarterProctoringError:
        if isinstance(error, errors.SmarterProctoringError):
            return error
        known = errors.what_is_known(error)
        if known is not None:
            return known
        self._note_begun()
        return self.make_error(errors.InterruptedCallError, "interrupted")

    def _note_begun(self) -> None:
        """Remember that a change that was sent may have been carried out."""
        begun = self.sending or self._is_done
        self._maybe_applied |= begun and self._changes

    # -- reading back ------------------------------------------------------------------------------------

    def is_unsure(self) -> bool:
        """Tell whether the change may have been made, and can be read back, and was not since the last attempt."""
        return (
            self._maybe_applied
            and self._kept > 0
            and self._check is None
            and not self._is_confirmed
        )

    def reading(self, *, before_replay: bool) -> Call | None:
        """Return the call that reads back what this one changes; None if there is no time for it."""
        left = self._ends_at - time.monotonic()
        left_for_attempts = self.remaining() if before_replay else None
        seconds = seconds_for(self._kept, left, left_for_attempts)
        if not seconds:
            return None
        return Call(
            read_of(self.prepared, reader_of(self.operation)),
            read_options(self._options, seconds),
            can_renew=self._can_renew,
            budget=self._budget,
            observation=self.observation,
        )

    def take_read(self, reply: Reply) -> bool:
        """Compare what a read shows with what was asked for; True if that confirms the change, and so ends the call."""
        check = check_of(self.prepared, reply)
        self._note_check(check)
        if check.verdict != "as_asked":
            return False
        self._budget.give(self._gain)
        # Not the body: it answers another request, and holds more than a caller may show.
        self.reply = Reply(reply.status, reply.headers, b"")
        self._is_done = True
        return True

    def read_failed(self, problem: str) -> None:
        """Note why a read brought no answer; the call goes on as if it had not been made."""
        problem = mask_token(problem, self._secret.reveal())
        self._note_check(check_failed(self.prepared, problem))

    def _note_check(self, check: Check) -> None:
        self._check = check
        operation = self.operation.operation_id
        facts = {fields.OPERATION: operation, fields.READ_BACK: check.verdict}
        logger.info("%s: read back, %s", operation, check.verdict, extra=facts)

    def with_check(
        self, error: errors.SmarterProctoringError
    ) -> errors.SmarterProctoringError:
        """Return the error that ended the call, with what was read back; the change may be applied later anyway."""
        check = self._check
        if check is None:
            return error
        seen = ""
        if check.verdict == "different":
            seen = what_was_seen(self.operation, check)
        elapsed = time.monotonic() - self._called_at
        return error.with_more(seen, check=check, elapsed=elapsed)

    # -- what the caller is told -------------------------------------------------------------------------

    def make_error(self, kind: type[ErrorT], text: str, **fields: Any) -> ErrorT:
        """Make an error that holds what is known of the call."""
        tries = f" after {self._attempts} attempts" if self._attempts > 1 else ""
        elapsed = time.monotonic() - self._called_at
        message = f"{text.rstrip('.')}{tries}."
        if self._changes:
            end = errors.what_became_of_the_change(maybe_applied=self._maybe_applied)
            message += f" {end}"
        return kind(
            message,
            maybe_applied=self._maybe_applied,
            check=self._check,
            attempts=self._attempts,
            replays=self._replays,
            elapsed=elapsed,
            **fields,
        )

    def result(self, parse: Callable[[object], ParsedT | None]) -> Result[ParsedT]:
        """Build the result of a success.

        Args:
            parse: Makes the operation's model of the answer's data.
        """
        reply = self.reply
        data = reply.data()
        return Result(
            data,
            reply.status,
            reply.request_id(),
            self._attempts,
            self._replays,
            time.monotonic() - self._called_at,
            incomplete=reply.incomplete,
            parsed=parse(data),
            confirmed_by="answer" if self._check is None else "read back",
            check=self._check,
            headers=reply.headers,
        )

    def _refusal(
        self, reply: Reply, outcome: AttemptOutcome, doubt: str | None
    ) -> errors.SmarterProctoringError:
        """Make the error of an answer; what it quotes is read here, so that no frame of a traceback shows it."""
        kind: type[errors.SmarterProctoringError] = errors.error_class(
            reply.status, outcome.code
        )
        if doubt is not None:
            kind = errors.UnconfirmedError
        code, reason = [text and self._masked(text) for text in reply.error()]
        text = doubt or reply.phrase()
        if code:
            text += f" (code {code})"
        if reason:
            text += f": {reason}"
        expires = (
            self._secret.expires_at() if kind is errors.AuthenticationError else None
        )
        if expires is not None and expires <= datetime.now(UTC):
            text += f"; the token expired at {expires:%Y-%m-%dT%H:%M:%SZ}"
        fields = {
            "code": code,
            "api_message": reason,
            "retry_after": outcome.retry_after,
            "request_id": reply.request_id(),
        }
        return self.make_error(
            kind,
            text,
            status=reply.status,
            headers=reply.headers,
            body=reply.error_text(),
            **fields,
        )

    def _loss(self, failure: Failure, cause: str) -> errors.SmarterProctoringError:
        text = f"{failure.value} ({cause})"
        if failure is Failure.HOOK:
            return self.make_error(errors.HookError, text)
        if failure not in TIMEOUTS:
            return self.make_error(errors.APIConnectionError, text)
        if is_over(self.remaining()):
            return self.make_error(
                errors.DeadlineExceededError, f"{text}; {self._too_late()}"
            )
        return self.make_error(errors.APITimeoutError, text)

    def _too_late(self) -> str:
        text = f"the deadline of {self._options.deadline:g} s has passed"
        if self._kept:
            text += f", but for {self._kept:g} s that are kept for reading back"
        return text

    def _masked(self, text: str) -> str:
        return masked(text, self._secret, self.prepared)

    def _note_attempt(self, found: int | str, what: str, reply: Reply | None) -> None:
        """Log an attempt, and keep it for the hooks.

        Args:
            found: Its status, or the name of its failure.
            what: The same in words.
            reply: The answer; None if there was none.
        """
        if self.observation is not None:
            self.observation.add(self.operation, self._attempt_at, found)
        if not logger.isEnabledFor(logging.DEBUG):
            return
        request_id = reply and reply.request_id()
        facts = (self.operation.method, self.operation.path, what, self._attempts)
        seconds = time.monotonic() - self._attempt_at
        logger.debug(
            "%s %s -> %s, attempt %d, %.0f ms, request id %s",
            *facts,
            seconds * 1000,
            request_id,
            extra={
                **self._log_fields(found),
                fields.DURATION: seconds,
                fields.REQUEST_ID: request_id,
            },
        )

    def _log_fields(self, found: int | str) -> dict[str, object]:
        """Return the fields of a log record about an attempt."""
        return {
            fields.OPERATION: self.operation.operation_id,
            fields.METHOD: self.operation.method,
            fields.TEMPLATE: self.operation.path,
            fields.ATTEMPT: self._attempts,
            fields.STATUS if isinstance(found, int) else fields.ERROR_TYPE: found,
        }
