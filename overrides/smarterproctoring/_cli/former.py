"""The times of a session before it is moved: for `--before`, and for the end that `--keep-duration` computes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from smarterproctoring_generated.operations import (
    GET_EXAM_SESSION,
    RESCHEDULE_EXAM_SESSION,
)
from smarterproctoring_generated.records import Field, Hidden

from smarterproctoring import errors
from smarterproctoring._cli.changes import Change
from smarterproctoring._cli.moments import in_utc, moment_from, seen_text, value_text
from smarterproctoring._cli.options import END, START
from smarterproctoring.comparison import is_time, of_another

if TYPE_CHECKING:
    from smarterproctoring.client import SmarterProctoring

_TIMES = {
    item.keyword: item for item in RESCHEDULE_EXAM_SESSION.fields if is_time(item)
}
"""The times that a read shows, by keyword."""
_STOPS = (errors.AuthenticationError, errors.NotFoundError, errors.ConfigurationError)
"""After these the change would fail, too, or move what does not exist."""
_NO_SESSION = "the answer to the read shows no session"


class Former(NamedTuple):
    """What was read before the change.

    Attributes:
        values: What the answer holds; None if it could not be read.
        reason: Why it could not be read; empty otherwise.
        error: The error of the read; None if there was an answer.
    """

    values: Mapping[str, Any] | None
    reason: str = ""
    error: errors.SmarterProctoringError | None = None

    def __repr__(self) -> str:  # the values may be about a person
        return f"<Former reason={self.reason!r}>"

    def shown(self, field: Field, zone: tzinfo | None) -> str | None:
        """Return a time of the session as it was; None for a field of which nothing was read."""
        if self.values is None or not is_time(field):
            return None
        if field.reads_back_as not in self.values:
            return "cannot tell: not in the answer"
        return seen_text(self.values[field.reads_back_as], zone)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON has it: times in UTC, None for one that cannot be told."""
        values = self.values or {}
        times = {
            item.name: in_utc(values.get(item.reads_back_as))
            for item in _TIMES.values()
        }
        return {"times": times, "reason": self.reason}


def read_former(client: SmarterProctoring, sids: Mapping[str, str]) -> Former:
    """Read a session before it is moved.

    Raises:
        SmarterProctoringError: The token was refused, or there is no such session; the change was not sent.
    """
    try:
        result = client.get_session(*sids.values())
    except errors.SmarterProctoringError as error:
        failure = error
    else:
        return _former_of(result.data, sids)
    if isinstance(failure, _STOPS):
        raise with_nothing_sent(failure)
    return Former(None, failure.message, failure)


def _former_of(data: object, sids: Mapping[str, str]) -> Former:
    if not isinstance(data, dict):
        return Former(None, _NO_SESSION)
    reason = of_another_session(data, sids)
    return Former(None, reason) if reason else Former(data)


def of_another_session(data: object, sids: Mapping[str, str]) -> str:
    """Return why an answer is about another session; empty if it does not say so."""
    names = [parameter.name for parameter in GET_EXAM_SESSION.parameters]
    named = dict(zip(names, sids.values(), strict=True))
    return of_another(named, Hidden(data))


def with_nothing_sent(
    error: errors.SmarterProctoringError,
) -> errors.SmarterProctoringError:
    """Return the error of a read that ends the command before the change is sent."""
    return error.with_more(
        "The change was not sent, because the read before it failed."
    )


def keep_duration(former: Former, change: Change) -> None:
    """Compute the end from the start, and from how long the session was; note it if that cannot be told."""
    begins = _time_of(former, START)
    ends = _time_of(former, END)
    start = change.fields[START]
    if former.values is None:
        _refuse(change, former.reason)
    elif begins is None or ends is None:
        seen = "; ".join(_seen(former, keyword) for keyword in (START, END))
        _refuse(change, f"the service shows {seen}")
    elif begins >= ends:
        _refuse(change, "the service shows an end that is not after the start")
    else:
        _add_end(change, start.astimezone(UTC), ends - begins)


def _add_end(change: Change, start: datetime, length: timedelta) -> None:
    try:
        end = start + length
    except OverflowError:
        _refuse(change, "the service shows one that would end after the year 9999")
        return
    change.fields[END] = end
    change.check_limits("--keep-duration", "the end", end)


def _refuse(change: Change, why: str) -> None:
    text = f"the length of the session cannot be told, because {why}; give --duration or --end"
    change.add("--keep-duration", text)


def _time_of(former: Former, keyword: str) -> datetime | None:
    return moment_from((former.values or {}).get(_TIMES[keyword].reads_back_as))


def _seen(former: Former, keyword: str) -> str:
    name = _TIMES[keyword].reads_back_as
    values = former.values or {}
    return f"{name} as {value_text(values[name])}" if name in values else f"no {name}"
