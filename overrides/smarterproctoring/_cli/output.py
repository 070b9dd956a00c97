"""What the commands print in the end: tables, JSON, and what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NoReturn

from smarterproctoring_generated.operations import OPERATIONS, RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.records import Field
from smarterproctoring_generated.results import Check, Difference

from smarterproctoring import errors
from smarterproctoring._cli.early import NOT_DONE, NOTHING_SENT
from smarterproctoring._cli.exit_codes import exit_code, meaning
from smarterproctoring.problems import Problem
from smarterproctoring.terminal import echo, echo_json

NEW = "->"
"""In the place of a label: the value that follows the one of the row above."""
_FIELDS = {item.name: item for item in RESCHEDULE_EXAM_SESSION.fields}


# -- tables -----------------------------------------------------------------------------------------------------------


def table(rows: Iterable[tuple[str, object]]) -> None:
    """Print rows of a label and a value."""
    pairs = list(rows)
    width = max(len(label) for label, _ in pairs)
    for label, value in pairs:
        aligned = f"{label:>{width}}" if label == NEW else f"{label:<{width}}"
        echo(f"  {aligned}  {value}")


def words(name: str) -> str:
    """Return the name of a keyword or an attribute as words."""
    return name.replace("_", " ")


def utc_time(moment: datetime) -> str:
    """Return when something was read."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


# -- what was read back -----------------------------------------------------------------------------------------------


def is_personal(field: Field) -> bool:
    """Tell whether the spec calls a field, or the one that it reads back as, personal or secret."""
    answers = [
        item
        for operation in OPERATIONS
        if operation.operation_id == RESCHEDULE_EXAM_SESSION.read_by
        for item in operation.answer
        if item.name == field.reads_back_as
    ]
    return bool(field.sensitive) or any(item.sensitive for item in answers)


def is_hidden(difference: Difference, *, show_all: bool) -> bool:
    """Tell whether the values of a difference are left out: they may be about a person."""
    field = _FIELDS.get(difference.field)
    return not show_all and (field is None or is_personal(field))


def check_json(
    check: Check | None, *, show_all: bool = False
) -> dict[str, object] | None:
    """Return a check as JSON has it."""
    if check is None:
        return None
    return {
        "verdict": check.verdict,
        "differences": [
            _difference_json(
                difference, hidden=is_hidden(difference, show_all=show_all)
            )
            for difference in check.differences
        ],
        "not_compared": list(check.not_compared),
        "reason": check.reason,
        "seen_at": check.seen_at and _iso(check.seen_at),
    }


def _difference_json(difference: Difference, *, hidden: bool) -> dict[str, object]:
    return {
        "field": difference.field,
        "asked": None if hidden else difference.asked,
        "seen": None if hidden else difference.seen,
        "hidden": hidden,
    }


def _iso(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


# -- errors -----------------------------------------------------------------------------------------------------------


def fail(
    error: Exception,
    command: str,
    sids: Mapping[str, str],
    *,
    as_json: bool,
    more: Mapping[str, object] | None = None,
) -> NoReturn:
    """Print what happened and exit with its code.

    Args:
        error: What ended the command.
        command: The name of the command.
        sids: The SIDs that the user gave, by keyword.
        as_json: Whether to print JSON.
        more: What else the JSON object holds.
    """
    known = (
        error
        if isinstance(error, errors.SmarterProctoringError)
        else errors.ValidationError(str(error))
    )
    of_read = command in NOT_DONE
    code = exit_code(known, of_read=of_read)
    problems = [str(problem) for problem in _problems(known)] or [str(error)]
    if as_json:
        not_done = NOT_DONE.get(command, "not moved")
        facts = {
            "outcome": "unknown" if known.maybe_applied else not_done,
            "error": type(error).__name__,
            "message": str(error),
            "problems": problems,
            "maybe_applied": known.maybe_applied,
            **sids,
            "status": known.status,
            "code": known.code,
            "api_message": known.api_message,
            "request_id": known.request_id,
            "retry_after": known.retry_after,
            "attempts": known.attempts,
            "replays": known.replays,
            "confirmed_by": None,
            "check": check_json(known.check),
            **(more or {}),
        }
        echo_json({**facts, "exit_code": code})
    else:
        color = "yellow" if known.maybe_applied else "red"
        for problem in problems:
            echo(f"error: {problem}", color=color, err=True)
        if known.check is not None and known.check.verdict == "unknown":
            echo(f"could not look: {known.check.reason}", err=True)
        if known.request_id:
            echo(f"request id: {known.request_id}", err=True)
        end(code, of_read=of_read)
    sys.exit(code)


def end(code: int, *, of_read: bool) -> None:
    """Print what the exit code means."""
    echo(f"({meaning(code, of_read=of_read)}; exit code {code})", err=True)


def _problems(error: errors.SmarterProctoringError) -> tuple[Problem, ...]:
    """Return all problems with the input; an empty list if something else failed."""
    if isinstance(error, errors.ValidationError | errors.ConfigurationError):
        return error.problems
    return ()


def interrupted(*, calling: bool) -> errors.InterruptedCallError:
    """Build the error for a Ctrl-C before a change was sent or just after its answer came."""
    if not calling:
        return errors.InterruptedCallError(NOTHING_SENT)
    text = f"interrupted. {errors.what_became_of_the_change(maybe_applied=True)}"
    return errors.InterruptedCallError(text, maybe_applied=True)
