"""The errors of this package: one class hierarchy with the same fields in each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Self

from smarterproctoring_generated.results import Check

from smarterproctoring.problems import Problem


class SmarterProctoringError(Exception):
    """Base of all errors of this package.

    Attributes:
        message: What happened and how to fix it; never holds the token or a value of the request's body.
        maybe_applied: Whether the change may have been carried out. False only if every attempt
            was never sent, or was answered with 3xx (but 303), 4xx (but 499) or 501.
        status: HTTP status of the last answer; None if there was none.
        code: The API's own error code (a string), for instance "1203".
        api_message: The API's own words, with values of the request's body masked.
        body: The answer's body as text, at most its first 64 KiB.
        headers: The answer's headers, names in lower case, without cookies.
        request_id: The server's id of the request, if it sent one.
        retry_after: Seconds that the server asked to wait.
        attempts: How often the request was begun.
        replays: How many of those followed an attempt that may have been applied.
        elapsed: Seconds from the start of the call.
        retry_budget_spent: Whether the call was not repeated because the client's retry budget is used up.
        check: What was read back after the last attempt; None if that was not open, or could not be read back.
    """

    maybe_applied: bool = False
    status: int | None = None
    code: str | None = None
    api_message: str | None = None
    body: str | None = None
    headers: Mapping[str, str] = {}
    request_id: str | None = None
    retry_after: float | None = None
    attempts: int = 0
    replays: int = 0
    elapsed: float = 0.0
    retry_budget_spent: bool = False
    check: Check | None = None

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.__dict__.update(fields)

    def with_more(self, text: str, **fields: Any) -> Self:
        """Return the same error with one more sentence, and with these fields."""
        known = {
            name: value for name, value in self.__dict__.items() if name != "message"
        }
        return type(self)(f"{self.message} {text}".rstrip(), **{**known, **fields})


class ConfigurationError(SmarterProctoringError):
    """The client cannot work as it is set up: settings, token, or use after close.

    Attributes:
        setting: The keyword of the (first) setting that is wrong; None if it is not about a setting.
        problems: Every setting that is wrong, not only the first.
    """

    setting: str | None = None
    problems: tuple[Problem, ...] = ()


def wrong_settings(
    problems: Sequence[Problem], names: Mapping[str, str] | None = None
) -> ConfigurationError:
    """Build one error from all problems with the settings.

    Args:
        problems: At least one.
        names: What a setting is called where that is not its keyword, such as the environment variable it came from.
    """
    named = [
        problem._replace(name=(names or {}).get(problem.field, problem.name))
        for problem in problems
    ]
    text = "; ".join(map(str, named))
    return ConfigurationError(
        text, setting=problems[0].field or None, problems=tuple(named)
    )


class NoCopy:
    """Base of classes that hold a token or a connection, which must not leave the process."""

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError(
            "a client and its token cannot be pickled or copied; make a client in each process"
        )


class ValidationError(SmarterProctoringError, ValueError):
    """The call was refused before anything was sent.

    Attributes:
        problems: Every problem found, not only the first; `problem.field` is the keyword.
    """

    problems: tuple[Problem, ...] = ()


class APIConnectionError(SmarterProctoringError):
    """No answer: the connection could not be made, or was lost."""


class APITimeoutError(APIConnectionError):
    """No answer in time: one attempt's time limit."""


class DeadlineExceededError(APITimeoutError):
    """The deadline over all attempts and waits has passed."""


class UnconfirmedError(SmarterProctoringError):
    """The server answered with 2xx, but not in the way in which the API confirms a change.

    It is an HTML page, an error object, or a status such as 202 or 206. The change may have been carried out, so
    `maybe_applied` is true; the call is not repeated, because the same answer would follow. It is not raised where
    reading back shows that the change was made.
    """

    maybe_applied = True


class HookError(SmarterProctoringError):
    """An event hook of the caller's raised: before the request was sent, or after an answer that is a success.

    After any other answer the call's own error is raised, and not this one.
    """


class InterruptedCallError(SmarterProctoringError):
    """What is known of a call that Ctrl-C or cancellation ended. Not raised: `what_is_known` returns it.

    Attributes:
        outcomes: Of `reschedule_many`: what became of each item, in their order.
    """

    outcomes: tuple[Any, ...] = ()


def what_became_of_the_change(*, maybe_applied: bool) -> str:
    """Return the sentence that ends the message of a call that did not succeed."""
    if maybe_applied:
        return "The change may have been applied: look at the session before you send it again."
    return "The change was not applied."


_KNOWN = "smarterproctoring"


def attach_what_is_known(interrupt: BaseException, known: InterruptedCallError) -> None:
    """Attach what is known of a call to the interrupt that ends it."""
    if _KNOWN not in interrupt.__dict__:
        interrupt.add_note(known.message)
    interrupt.__dict__[_KNOWN] = known


def what_is_known(interrupt: BaseException) -> InterruptedCallError | None:
    """Return what is known of the call that an interrupt ended.

    Args:
        interrupt: The KeyboardInterrupt or cancellation, or an exception that followed it.

    Returns:
        An error (not raised) with `maybe_applied`, `attempts` and the rest; None if no call was under way.
    """
    link: BaseException | None = interrupt
    while link is not None:
        known = link.__dict__.get(_KNOWN)
        if isinstance(known, InterruptedCallError):
            return known
        link = link.__cause__ or link.__context__
    return None


_BY_STATUS: dict[int, type[APIStatusError]] = {}


class APIStatusError(SmarterProctoringError):
    """The server answered, and not with 2xx. Subclasses name the common statuses."""

    def __init_subclass__(cls, for_status: int | None = None) -> None:
        if for_status is not None:
            _BY_STATUS[for_status] = cls


class UnexpectedRedirectError(APIStatusError):
    """3xx: a redirect, never followed, because a followed one can turn the PUT into a GET."""


class BadRequestError(APIStatusError, for_status=400):
    """400: the request is not acceptable."""


class AuthenticationError(APIStatusError, for_status=401):
    """401, or 403 with code AUTHENTICATIONFAILED: the token is wrong or has expired."""


class PermissionDeniedError(APIStatusError, for_status=403):
    """403: the token is good, but may not do this."""


class NotFoundError(APIStatusError, for_status=404):
    """404: no such install, exam or session."""


class ConflictError(APIStatusError, for_status=409):
    """409: the session's state does not allow the change."""


class UnprocessableEntityError(APIStatusError, for_status=422):
    """422: well-formed, but refused."""


class RateLimitError(APIStatusError, for_status=429):
    """429: too many requests; `retry_after` says how long to wait, if the server did."""


class ServerError(APIStatusError):
    """5xx: the server failed. So is a status that HTTP does not have as an answer, such as 600 or 999."""


def token_refused(status: int | None, code: str | None) -> bool:
    """Tell whether an answer means a bad or expired token; the vendor documents both."""
    return status == 401 or (status == 403 and code == "AUTHENTICATIONFAILED")


def error_class(status: int, code: str | None) -> type[APIStatusError]:
    """Name the error for an answer that is not 2xx.

    What is not 3xx or 4xx is a `ServerError`: 5xx, and 1xx or 600 and more, which no server should end an answer with.
    """
    if token_refused(status, code):
        return AuthenticationError
    by_class = {3: UnexpectedRedirectError, 4: APIStatusError}.get(
        status // 100, ServerError
    )
    return _BY_STATUS.get(status, by_class)
