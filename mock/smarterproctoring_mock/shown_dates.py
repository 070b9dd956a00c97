"""Forms in which services write dates, for answers that show them in another one than the API's."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from smarterproctoring_mock.strict_json import Json

MISSING: Final = "missing"
"""The form of dates that are left out."""

_EASTERN: Final = timezone(timedelta(hours=-4))
_AMISS: Final = timedelta(hours=3, minutes=7)
"""By how much an invented date differs: nobody moves a session by that much."""
_INVENTED: Final = datetime(2001, 1, 1, tzinfo=UTC)


def _with_offset(moment: datetime) -> Json:
    return moment.astimezone(_EASTERN).isoformat(timespec="milliseconds")


def _without_milliseconds(moment: datetime) -> Json:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _naive(moment: datetime) -> Json:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _epoch(moment: datetime) -> Json:
    return round(moment.timestamp() * 1000)


def _american(moment: datetime) -> Json:
    return moment.strftime("%m/%d/%Y %I:%M %p")


def _empty(_moment: datetime) -> Json:
    return ""


def _null(_moment: datetime) -> Json:
    return None


_FORMS: Final[Mapping[str, Callable[[datetime], Json]]] = {
    "offset": _with_offset,
    "no-milliseconds": _without_milliseconds,
    "naive": _naive,
    "epoch": _epoch,
    "us": _american,
    "empty": _empty,
    "null": _null,
}
DATE_FORMS: Final = (*_FORMS, MISSING)
"""What a fault's `dates` may be: `2030-05-04T09:00:00.000-04:00`, `2030-05-04T13:00:00Z`, `2030-05-04T13:00:00`,
`1904130000000`, `05/04/2030 01:00 PM`, an empty text, null, or no field at all."""


def in_form(value: Json, form: str) -> Json:
    """Write a date in another form.

    Args:
        value: RFC 3339; what cannot be read as such (a leap second, say) stays as it is unless the form needs no date.
        form: One of `DATE_FORMS`, but for `MISSING`.
    """
    write = _FORMS[form]
    moment = _moment(value)
    if moment is None:
        return write(_INVENTED) if form in {"empty", "null"} else value
    try:
        return write(moment)
    except (OverflowError, ValueError):  # the first or last day of the calendar
        return value


def amiss(value: Json) -> Json:
    """Return a moment at which nothing was ever to take place, in the API's form."""
    moment = _moment(value)
    try:
        other = moment + _AMISS if moment is not None else _INVENTED
    except OverflowError:
        other = _INVENTED
    text = other.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _moment(value: Json) -> datetime | None:
    """Read a moment; None where it is none or has no zone."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
