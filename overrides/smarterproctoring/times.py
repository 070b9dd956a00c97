"""Times as people type them, read without guessing: what could mean two moments is refused, with the mend."""

from __future__ import annotations

import re
import warnings
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import parser, tz

_UTC_NAMES = ("UTC", "GMT", "Z")
# Two days that differ in every part of a date, and neither of them today: what the text does not say differs too.
_FILL_INS = (datetime(2001, 1, 1, 0), datetime(2004, 2, 2, 1))


def zone(name: str) -> tzinfo:
    """Return the time zone of this IANA name.

    Raises:
        ValueError: No such zone.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    raise ValueError(f"there is no time zone {name!r}; give an IANA name such as America/New_York, or UTC")


def read_time(text: str, default_zone: tzinfo | None = None, *, day_first: bool | None = None) -> datetime:
    """Read a date and time that a person typed.

    Args:
        text: For instance `2030-05-04 09:00`, `4 May 2030 9am`, `2030-05-04T13:00:00Z`.
        default_zone: The zone of a time that names none.
        day_first: Whether 03/04/2030 is the 3rd of April (True) or the 4th of March (False); None refuses it.

    Returns:
        An aware datetime.

    Raises:
        ValueError: Not a date and time, or one that can be read in two ways; the message says how to mend it.
    """
    if re.search(r"(UTC|GMT)\s*[+-]\s*\d", text, re.IGNORECASE):
        # POSIX and everyone else disagree on the sign.
        raise ValueError(f"{text!r}: an offset from UTC or GMT can be read in two ways; write it alone, as in +03:00")
    moments = {_parse(text, fill_in, order) for order in _orders(day_first) for fill_in in _FILL_INS}
    if len({_parse(text, _FILL_INS[0], order) for order in _orders(day_first)}) > 1:
        raise ValueError(f"{text!r} may be day/month or month/day; write 2030-05-04, or name the order")
    if len(moments) > 1:
        raise ValueError(f"{text!r} leaves out the date or the time; give both, for instance 2030-05-04 09:00")
    (moment,) = moments
    weekdays = {parser.parserinfo().weekday(word) for word in re.findall("[A-Za-z]+", text)} - {None}
    if weekdays - {moment.weekday()}:
        raise ValueError(f"{text!r} names another day of the week than its date, a {moment:%A}; which is right?")
    if moment.tzinfo is not None:
        return moment
    if default_zone is None:
        raise ValueError(
            f"{text!r} has no time zone, so it could be many moments; add one (2030-05-04 09:00-04:00, or … UTC), "
            "or say which with --timezone America/New_York"
        )
    if not tz.datetime_exists(moment, default_zone):
        raise ValueError(f"{text!r} does not exist in {default_zone}: the clocks skip it; give another time")
    if tz.datetime_ambiguous(moment, default_zone):
        raise ValueError(f"{text!r} happens twice in {default_zone}: the clocks go back; add the offset, as in -04:00")
    return moment.replace(tzinfo=default_zone)


def _orders(day_first: bool | None) -> tuple[bool, ...]:
    return (True, False) if day_first is None else (day_first,)


def _parse(text: str, fill_in: datetime, day_first: bool) -> datetime:
    problem = None
    # ISO 8601 knows no order of day and month to be asked for.
    is_iso = re.match(r"\d{4}-\d\d-\d\d|\d{8}T", text) is not None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", parser.UnknownTimezoneWarning)
            moment = parser.parse(text, default=fill_in, dayfirst=day_first and not is_iso, tzinfos=_offset)
    except parser.UnknownTimezoneWarning:
        problem = "names a time zone by an abbreviation that has several meanings; write its offset, as in -05:00"
    except (ValueError, OverflowError, TypeError) as error:
        problem = str(error) if isinstance(error, _ZoneError) else "is not a date and time, like 2030-05-04 09:00"
    else:
        return moment
    raise ValueError(f"{text!r} {problem}")


class _ZoneError(ValueError):
    """A zone in the text that cannot be taken at its word."""


def _offset(name: str | None, offset: int | None) -> Any:
    """Accept a numeric offset and UTC; without this, dateutil takes the machine's own abbreviations too."""
    if name is None or (name in _UTC_NAMES and not offset):
        return tz.tzoffset(None, offset) if offset is not None else tz.UTC if name else None
    raise _ZoneError(f"names the time zone {name}, which can be read in several ways; write an offset, as in -05:00")
