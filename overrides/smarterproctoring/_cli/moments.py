"""Times as the commands show them: in UTC, and in the zone of `--timezone`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, tzinfo

from smarterproctoring_generated.parsing import moment_of

from smarterproctoring.comparison import utc_text

MAX_TEXT = 200
"""Characters of a value that are shown; `--json` has all of them."""
CANNOT_TELL = "cannot tell"
"""What is shown in the place of a time that is not one, with what the service sent."""


def now() -> datetime:
    """Return the current time, against which times are checked."""
    return datetime.now(UTC)


def moment_text(moment: datetime, zone: tzinfo | None) -> str:
    """Return a moment as people read it: in UTC, and in brackets in a zone."""
    in_utc = f"{_clock(moment.astimezone(UTC))} UTC"
    if zone is None:
        return in_utc
    local = moment.astimezone(zone)
    return f"{in_utc} ({_clock(local)} {local:%Z})"


def _clock(moment: datetime) -> str:
    seconds = f":{moment:%S}" if moment.second else ""
    return f"{moment:%a %d %b %Y %H:%M}{seconds}"


def moment_from(value: object) -> datetime | None:
    """Return the moment that a value of an answer says; None if it says none, because it has no offset for instance."""
    moment = moment_of(value) if isinstance(value, str) else None
    # At the ends of the calendar another zone may have no such date.
    if moment is None or not datetime.min.year < moment.year < datetime.max.year:
        return None
    return moment


def seen_text(value: object, zone: tzinfo | None) -> str:
    """Return a time of an answer as people read it, or what is there in its place."""
    if moment_from(value) is None:
        return f"{CANNOT_TELL}: {value_text(value)}"
    return time_text(value, zone)


def time_text(value: object, zone: tzinfo | None) -> str:
    """Return a time of an answer as people read it, or the value if it is not a moment."""
    moment = moment_from(value)
    return value_text(value) if moment is None else moment_text(moment, zone)


def value_text(value: object) -> str:
    """Return a value of an answer in one line, at most `MAX_TEXT` characters of it; text in quotes if it is empty."""
    text = value if isinstance(value, str) and value.strip() else _json_text(value)
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}... ({len(text)} characters; --json prints all of them)"


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def in_utc(value: object) -> str | None:
    """Return a time of an answer as the API writes it in UTC; None if it cannot be told."""
    moment = moment_from(value)
    return None if moment is None else utc_text(moment)


def in_zone(value: object, zone: tzinfo | None) -> str | None:
    """Return a time of an answer as ISO 8601 text in a zone; None without a zone, or if it cannot be told."""
    moment = moment_from(value)
    if moment is None or zone is None:
        return None
    return moment.astimezone(zone).isoformat(timespec="milliseconds")
