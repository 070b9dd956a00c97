"""One call's bookkeeping, without I/O: what the driver asks and obeys, and what the caller is told at the end."""

import json
import logging
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from smarterproctoring import errors
from smarterproctoring.answers import Reply, harmless
from smarterproctoring.budget import RETRY, SUCCESS, TIMED_OUT_RETRY, RetryBudget
from smarterproctoring.credentials import Secret
from smarterproctoring.masking import mask, mask_token
from smarterproctoring.policy import TIMEOUTS, Failure, Outcome, decide, is_over
from smarterproctoring.prepare import Prepared
from smarterproctoring.settings import Options, logger

MAX_BODY, MAX_ERROR_BODY = 1024 * 1024, 64 * 1024
"""Bytes of an answer that are read: of a success, of anything else."""
_NONE_YET = Secret("")
TOO_LATE = Secret("")
"""In the place of a token that did not come before the deadline."""
_MAX_ESCAPED = 12
"""Characters at most that one character of a token becomes by escapes."""
ErrorT = TypeVar("ErrorT", bound=errors.SmarterProctoringError)


class Result(NamedTuple):
    """What happened to the session: it was changed.

    Attributes:
        data: The answer: the value if it was JSON, the text if it was other text, None if it was empty.
        status: HTTP status, 200 to 299.
        request_id: The server's id of the request, if it sent one.
        attempts: How often the request was begun.
        replays: How many of those followed an attempt that may have been applied already.
        elapsed: Seconds from the start of the call.
        incomplete: Whether the answer's body broke off or was longer than 1 MiB; the change was made anyway.
    """

    data: Any
    status: int
    request_id: str | None
    attempts: int
    replays: int
    elapsed: float
    incomplete: bool = False


class Call:
    """The state of one call over its attempts. The driver asks it for limits, reports what came, and obeys.

    Attributes:
        operation: The operation that is called.
        deadline_at: The end of the deadline on the monotonic clock, in seconds.
        error: What the last attempt ended with, to be raised where no other follows.
        hooked: What the retry hook returned, for the driver to await where it has to be.
        reply: The answer, once the call is done.
        sending: Whether a request is under way, which may be carried out whatever happens now.
        hook_failed: The name of what an event hook raised when it was shown the answer.
    """

    error: errors.SmarterProctoringError
    reply: Reply

    def __init__(
        self, prepared: Prepared, options: Options, *, can_renew: bool, budget: RetryBudget | None = None
    ) -> None:
        self.operation, self._content = prepared.operation, prepared.content
        self._options, self._can_renew = options, can_renew
        self._started = self._began = prepared.began
        self.deadline_at = self._started + options.deadline
        self._secret, self._refused = _NONE_YET, False
        self._attempts = self._replays = self._renewals = 0
        self._maybe_applied = False
        self.hooked: object = None
        self.sending, self.hook_failed = False, ""
        self._budget, self._gain = budget or RetryBudget(), SUCCESS

    def remaining(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline_at - time.monotonic()

    def begin(self, secret: Secret) -> dict[str, float]:
        """Begin an attempt with this token; return its time limits in seconds, none of them past the deadline.

        Raises:
            ConfigurationError: The token is not available or cannot be sent.
            AuthenticationError: The token was refused and asking again brought the same one.
            DeadlineExceededError: There is no time left for an attempt.
        """
        remaining = self.remaining()
        if remaining <= 0 or secret is TOO_LATE:
            raise self.failure(errors.DeadlineExceededError, self._too_late())
        if secret.problem and self.operation.token_header:
            problems = tuple(secret.problems())
            text = f"the token {secret.problem}"
            self.error = self.failure(errors.ConfigurationError, text, setting="token", problems=problems)
            raise self.error
        if self._refused and secret.reveal() == self._secret.reveal():
            raise self.error
        self._refused, self._secret, self.hooked = False, secret, None
        self._attempts += 1
        self._replays += self._maybe_applied
        self._began = time.monotonic()
        connect, read, write, pool = [min(seconds, remaining) for seconds in self._options.timeout]
        return {"connect": connect, "read": read, "write": write, "pool": pool}

    def settle(self, answer: Reply | tuple[Failure, str]) -> float | None:
        """Take what an attempt brought: None if the call is done, else the seconds to wait before the next attempt.

        Raises:
            APIStatusError: The call has failed with this answer.
            APIConnectionError: It has failed without one.
        """
        self.sending = False
        if isinstance(answer, Reply):
            answer = self._without_token(answer)
            self._log(str(answer.status), answer)
            doubt = answer.doubt() if 200 <= answer.status < 300 else None
            if 200 <= answer.status < 300 and doubt is None:
                if self.hook_failed:
                    raise self._failed_after(answer)
                self._budget.give(self._gain)
                self.reply = answer
                return None
            what = f"status {answer.status}"
            code = answer.error()[0]
            outcome = Outcome(answer.status, None, code, answer.retry_after(), confirmed=doubt is None)
        else:
            self._log(f"{answer[0].name.lower()} ({answer[1]})", None)
            outcome, what, doubt = Outcome(failure=answer[0]), answer[0].value, None
        self._maybe_applied |= outcome.maybe_applied
        if isinstance(answer, Reply):
            self.error = self._refusal(answer, outcome, doubt)
        else:
            self.error = self._loss(*answer)
        retried, can_renew = self._attempts - 1 - self._renewals, self._can_renew and not self._renewals
        left, draw = self.remaining(), random.random()  # noqa: S311 - spreads retries, keeps no secret
        decision = decide(
            outcome,
            self._options,
            retried=retried,
            can_renew=can_renew,
            left=left,
            draw=draw,
            idempotent=self.operation.idempotent,
        )
        if self.hook_failed:
            raise self.after_hook("an event hook", self.hook_failed)
        if decision.action == "raise":
            raise self.error
        if decision.action == "renew":
            self._renewals, self._refused = 1, True
        else:
            self._pay(TIMED_OUT_RETRY if outcome.failure in TIMEOUTS else RETRY)
            logger.info("%s: %s, retry in %.2f s", self.operation.operation_id, what, decision.wait)
            self._tell(decision.wait)
        return decision.wait

    def _pay(self, cost: int) -> None:
        if not self._budget.take(cost):
            text = "The retry budget of this client is used up, so the call was not repeated."
            raise self._with_more(text, retry_budget_spent=True)
        self._gain = cost

    def _tell(self, wait: float) -> None:
        """Call the retry hook."""
        raised = ""
        try:
            self.hooked = self._options.on_retry and self._options.on_retry(self.error, wait)
        except Exception as error:  # noqa: BLE001 - the caller's own; what is known of the call must not be lost with it
            raised = type(error).__name__
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
        if wait and is_over(self.remaining(), wait):
            raise self.error

    def after_hook(self, hook: str, raised: str) -> errors.SmarterProctoringError:
        """Return the call's own error where a hook of the caller's has raised, and so ended the call."""
        return self._with_more(f"{hook} raised {raised}, so the call was not repeated.")

    def _with_more(self, text: str, **fields: Any) -> errors.SmarterProctoringError:
        known = {name: value for name, value in vars(self.error).items() if name != "message"}
        return type(self.error)(f"{self.error.message} {text}", **{**known, **fields})

    def _failed_after(self, reply: Reply) -> errors.HookError:
        self._maybe_applied = True
        text = f"an event hook raised {self.hook_failed} after the answer {reply.phrase()}"
        facts = {"status": reply.status, "headers": reply.headers, "request_id": reply.request_id()}
        return self.failure(errors.HookError, text, body=reply.text(), **facts)

    def complete(self, error: errors.ConfigurationError) -> None:
        """Let an error that ended the call, and is not of its own making, hold what is known of the call."""
        if error is vars(self).get("error"):
            return
        self._maybe_applied |= self.sending
        own = {"setting": error.setting, "problems": error.problems}
        told = self.failure(errors.ConfigurationError, error.message, **own)
        vars(error).update(vars(told))
        error.args = told.args

    def interrupted(self, interrupt: BaseException) -> None:
        """Attach what is known of the call to what ends it: Ctrl-C, or a cancellation."""
        self._maybe_applied |= self.sending
        errors.attach_what_is_known(interrupt, self.failure(errors.InterruptedCallError, "interrupted"))

    def failure(self, kind: type[ErrorT], text: str, **fields: Any) -> ErrorT:
        """Make an error that holds what is known of the call."""
        tries = f" after {self._attempts} attempts" if self._attempts > 1 else ""
        counts = {"attempts": self._attempts, "replays": self._replays, "elapsed": time.monotonic() - self._started}
        end = errors.what_became_of_the_change(maybe_applied=self._maybe_applied)
        message = f"{text.rstrip('.')}{tries}. {end}"
        return kind(message, maybe_applied=self._maybe_applied, **counts, **fields)

    def result(self) -> Result:
        """Tell the caller of a success."""
        status, _, _, incomplete = self.reply
        elapsed, data, request_id = time.monotonic() - self._started, self.reply.data(), self.reply.request_id()
        return Result(data, status, request_id, self._attempts, self._replays, elapsed, incomplete=incomplete)

    def _refusal(self, reply: Reply, outcome: Outcome, doubt: str | None) -> errors.SmarterProctoringError:
        """Make the error of an answer; what it quotes is read here, so that no frame of a traceback shows it."""
        kind: type[errors.SmarterProctoringError] = errors.error_class(reply.status, outcome.code)
        if doubt is not None:
            kind = errors.UnconfirmedError
        code, reason = [self._masked(text) for text in reply.error()]
        text = doubt or reply.phrase()
        text += (f" (code {code})" if code else "") + (f": {reason}" if reason else "")
        expires = self._secret.expires_at() if kind is errors.AuthenticationError else None
        if expires is not None and expires <= datetime.now(UTC):
            text += f"; the token expired at {expires:%Y-%m-%dT%H:%M:%SZ}"
        fields = {
            "code": code,
            "api_message": reason,
            "retry_after": outcome.retry_after,
            "request_id": reply.request_id(),
        }
        return self.failure(kind, text, status=reply.status, headers=reply.headers, body=reply.text(), **fields)

    def _loss(self, failure: Failure, cause: str) -> errors.SmarterProctoringError:
        text = f"{failure.value} ({cause})"
        if failure is Failure.HOOK:
            return self.failure(errors.HookError, text)
        if failure not in TIMEOUTS:
            return self.failure(errors.APIConnectionError, text)
        if is_over(self.remaining()):
            return self.failure(errors.DeadlineExceededError, f"{text}; {self._too_late()}")
        return self.failure(errors.APITimeoutError, text)

    def _too_late(self) -> str:
        return f"the deadline of {self._options.deadline:g} s has passed"

    def _without_token(self, reply: Reply) -> Reply:
        """Mask the token where the server, or a proxy's error page, echoes it, and leave cookies out."""
        token = self._secret.reveal()
        headers = {name: mask_token(value, token) for name, value in reply.headers.items() if name != "set-cookie"}
        limit = MAX_BODY if 200 <= reply.status < 300 else MAX_ERROR_BODY
        # A token at the limit is seen whole, and not cut into view; latin-1 keeps every byte.
        body = mask_token(reply.body[: limit + _MAX_ESCAPED * len(token)].decode("latin-1"), token)
        return Reply(reply.status, headers, body.encode("latin-1")[:limit], reply.incomplete)

    def _masked(self, text: str | None) -> str | None:
        """Mask what the request's body said: a server may quote it, and it is personal data."""
        return mask(mask_token(text, self._secret.reveal()), self._personal()) if text else None

    def _personal(self) -> list[str]:
        """Return the values of the request that may say something of a person, as a server would quote them."""
        body = json.loads(self._content.reveal() or b"{}")
        plain = {item.name for item in self.operation.fields if item.allowed or item.format}
        if isinstance(body, dict):
            body = [value for name, value in body.items() if name not in plain]
        values = [text.strip() for text in _texts(body)]
        return [*values, *[harmless(value) for value in values]]

    def _log(self, what: str, reply: Reply | None) -> None:
        if not logger.isEnabledFor(logging.DEBUG):
            return
        request_id = reply and reply.request_id()
        facts = (self.operation.method, self.operation.path, what, self._attempts)
        milliseconds = (time.monotonic() - self._began) * 1000
        logger.debug("%s %s -> %s, attempt %d, %.0f ms, request id %s", *facts, milliseconds, request_id)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text and number in a JSON value, as a server would quote it."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
