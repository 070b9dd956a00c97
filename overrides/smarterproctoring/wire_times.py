"""Times in the form that the API requires: `YYYY-MM-DDTHH:MM:SS.mmmZ`, in UTC."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from smarterproctoring_generated.parsing import moment_of

from smarterproctoring.json_values import matches
from smarterproctoring.problems import Problem

Place = tuple[str, ...]
"""Where something is in a body: the names of properties, `*` standing for any item or property."""

# datetime.fromisoformat takes any separator, a line break too.
_ISO_Z: Final = r"^[0-9W-]+T[0-9:.,]+Z$"
_WIRE: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
)

_NOT_ISO: Final = "is not ISO 8601, like 2030-05-04T13:00:00.000Z"


def wire_time(text: str) -> str:
    """Return ISO 8601 text with an offset in the form that the API requires: `YYYY-MM-DDTHH:MM:SS.mmmZ`, in UTC.

    Raises:
        ValueError: Anything else; the message says how to fix it and does not hold the value.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(_NOT_ISO) from None
    if matches(_WIRE, text):  # as programs write it: nothing to do
        return text
    if moment.utcoffset() is None:
        example = "datetime(2030, 5, 4, 9, 0, tzinfo=ZoneInfo('America/New_York'))"
        raise ValueError(f"has no time zone; give it one, for instance {example}")
    if moment_of(text) is None:  # a fraction of an hour, for instance
        raise ValueError(_NOT_ISO)
    try:
        in_utc = moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise ValueError("is out of range in UTC") from None
    return in_utc.isoformat(timespec="milliseconds") + "Z"


def time_text(value: object) -> str:
    """Return the ISO 8601 text of a time as callers may give it.

    Raises:
        ValueError: It is neither a datetime nor text that ends in Z.
    """
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and matches(_ISO_Z, value):
        return value
    raise ValueError(
        "must be a datetime with a time zone, or ISO 8601 text that ends in Z"
    )


def found_at(node: object, place: Place) -> Iterator[tuple[Any, Any]]:
    """Yield each mapping or list that holds something at a place, with the key or index that it is at."""
    name = place[0]
    keys: list[Any] = []
    if isinstance(node, list):
        keys = list(range(len(node))) if name == "*" else []
    elif isinstance(node, dict):
        keys = list(node) if name == "*" else [key for key in (name,) if key in node]
    holder: Any = node
    for key in keys:
        if place[1:]:
            yield from found_at(holder[key], place[1:])
        else:
            yield holder, key


def times_to_wire(node: object, place: Place, label: str) -> list[Problem]:
    """Put times, given as datetimes or as models write them, into the wire form, in place; return what is wrong."""
    problems: list[Problem] = []
    for holder, key in found_at(node, place):
        value = holder[key]
        if isinstance(value, datetime):
            value = value.isoformat()
            holder[key] = value
        if isinstance(value, str):
            try:
                holder[key] = wire_time(value)
            except ValueError as error:
                problems.append(Problem(label, "time", str(error)))
    return problems
