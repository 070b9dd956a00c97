"""The option `on_call`: hooks that see calls begin and end, and the records that they get."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from smarterproctoring.problems import Problem

CallOutcome = Literal["success", "error", "interrupted"]
"""How a call ended: it returned, it raised, or Ctrl-C or a cancellation ended it."""


class CallStart(NamedTuple):
    """What is known when a call begins. It holds no SID, no token, and nothing about a person.

    Attributes:
        operation: The operation's id in the spec, such as `rescheduleExamSession`.
        method: The HTTP method.
        path: The path as the spec has it, with names in the place of SIDs.
        base_url: Where the API is.
    """

    operation: str
    method: str
    path: str
    base_url: str


class AttemptRecord(NamedTuple):
    """One attempt of a call, or one read of the session because the call was unsure.

    Attributes:
        kind: `attempt`, or `read` for a read of the session.
        began: Seconds from the start of the call.
        ended: Likewise.
        status: HTTP status; None if there was no answer.
        failure: Why there was no answer, such as `read_timeout`; None if there was one.
    """

    kind: Literal["attempt", "read"]
    began: float
    ended: float
    status: int | None
    failure: str | None


class CallRecord(NamedTuple):
    """What is known of a finished call. It holds no SID, no token, no body, and nothing about a person.

    Attributes:
        operation: The operation's id in the spec, such as `rescheduleExamSession`.
        method: The HTTP method.
        path: The path as the spec has it, with names in the place of SIDs.
        outcome: `success`, `error`, or `interrupted` by Ctrl-C or a cancellation.
        maybe_applied: Whether a call that did not succeed may have been applied anyway.
        confirmed_by: What says that the call was carried out: the `answer`, or that it was `read back`. None if it
            did not succeed.
        status: HTTP status of the last answer; None if there was none.
        error_type: The class of the error, such as `ServerError`; None if the call succeeded.
        request_id: The server's id of the request, if it sent one.
        attempts: How often the request was begun.
        replays: How many of those followed an attempt that may have been applied.
        elapsed: Seconds from the start of the call.
        history: Every attempt that ended, and every read of the session, in their order.
    """

    operation: str
    method: str
    path: str
    outcome: CallOutcome = "success"
    maybe_applied: bool = False
    confirmed_by: Literal["answer", "read back"] | None = None
    status: int | None = None
    error_type: str | None = None
    request_id: str | None = None
    attempts: int = 0
    replays: int = 0
    elapsed: float = 0.0
    history: tuple[AttemptRecord, ...] = ()


CallHook = Callable[[CallRecord], object]
"""Called once for each finished call, in its thread or task. It is never awaited, and should return quickly."""


class CallObserver(ABC):
    """A hook for `on_call` that is told of the start of a call, too."""

    @abstractmethod
    def begin(self, call: CallStart) -> CallHook:
        """Return what is to be called at the end of this call, in the same thread or task.

        Args:
            call: The call that begins.
        """


CallHooks = CallHook | CallObserver | Sequence[CallHook | CallObserver]
"""What `on_call` takes: a function, a `CallObserver`, or several of both."""
_NO_HOOKS: Final = "must be a function that takes a CallRecord, a CallObserver, or a list of them, or None"
_NOT_AWAITED: Final = (
    "must not be asynchronous: a cancelled call cannot wait, so nothing awaits it"
)


def hooks_of(value: object) -> tuple[CallHook | CallObserver, ...]:
    """Return the hooks that a caller gave, one by one.

    Args:
        value: What `on_call_problem` found nothing wrong with.
    """
    return tuple(
        [
            hook
            for hook in _listed(value)
            if isinstance(hook, CallObserver) or callable(hook)
        ]
    )


def on_call_problem(value: object) -> Problem | None:
    """Return what is wrong with the option `on_call`, None if nothing is."""
    for hook in _listed(value):
        if isinstance(hook, CallObserver):
            continue
        if not callable(hook) or isinstance(hook, type):
            return Problem("on_call", "value", _NO_HOOKS)
        call = type(hook).__call__
        if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(call):
            return Problem("on_call", "value", _NOT_AWAITED)
    return None


def _listed(value: object) -> Sequence[object]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)
