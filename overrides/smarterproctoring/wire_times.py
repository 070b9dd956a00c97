"""Times in the form that the API requires: `YYYY-MM-DDTHH:MM:SS.mmmZ`, in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
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
    # A fraction of an hour, for instance.
    if moment.utcoffset() is not None and moment_of(text) is None:
        raise ValueError(_NOT_ISO)
    return wire_moment(moment)


def wire_moment(moment: datetime) -> str:
    """Return a moment in the form that the API requires.

    Raises:
        ValueError: It has no time zone, or is out of range in UTC.
    """
    if moment.utcoffset() is None:
        example = "datetime(2030, 5, 4, 9, 0, tzinfo=ZoneInfo('America/New_York'))"
        raise ValueError(f"has no time zone; give it one, for instance {example}")
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range in UTC") from None
    return in_utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


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


def found_at(node: Any, place: Place) -> list[tuple[Any, Any]]:
    """Return each mapping or list that holds something at a place, with the key or index that it is at."""
    holder = node
    name = place[0]
    rest = place[1:]
    keys: Iterable[Any] = ()
    if isinstance(node, dict):
        if name == "*":
            keys = list(node)
        elif name in node:
            keys = (name,)
    elif isinstance(node, list) and name == "*":
        keys = range(len(node))
    found: list[tuple[Any, Any]] = []
    for key in keys:
        if rest:
            found += found_at(holder[key], rest)
        else:
            found.append((holder, key))
    return found


def times_to_wire(node: object, place: Place, label: str) -> list[Problem]:
    """Put times, given as datetimes or as models write them, into the wire form, in place; return what is wrong."""
    problems: list[Problem] = []
    for holder, key in found_at(node, place):
        problem = time_to_wire(holder, key, label)
        if problem is not None:
            problems.append(problem)
    return problems


def time_to_wire(holder: Any, key: Any, label: str) -> Problem | None:
    """Put the time at a key or an index into the wire form; return what is wrong with it, None if nothing is."""
    value = holder[key]
    try:
        if type(value) is datetime:
            holder[key] = wire_moment(value)
        elif isinstance(value, datetime):  # a subclass, such as pandas', by its text
            holder[key] = wire_time(value.isoformat())
        elif isinstance(value, str):
            holder[key] = wire_time(value)
    except ValueError as error:
        # It stays as text, so that only this problem is named.
        with suppress(ValueError):
            holder[key] = value.isoformat() if isinstance(value, datetime) else value
        return Problem(label, "time", str(error))
    return None
