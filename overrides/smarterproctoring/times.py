"""Reads times that people type, by an explicit grammar. Ambiguous text is refused, with the reason and the fix.

`time_forms.py` lists every accepted form. A text is one date and one time, in either order, and at most one offset and
one day of the week. Every character belongs to exactly one of them, or to what joins them. Nothing else is accepted.
"""

from __future__ import annotations

import re
from calendar import day_name, month_name, monthrange
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from smarterproctoring.time_forms import (
    AFTER_DATE,
    AFTER_TIME,
    BEFORE_T,
    DATES,
    FIRST_YEAR,
    HYPHENS,
    LAST_YEAR,
    MONTHS,
    OFFSETS,
    TIMES,
    WEEKDAY,
    WEEKDAYS,
    Form,
)
from smarterproctoring.time_reasons import EXAMPLE, about_character, explain
from smarterproctoring.zones import place

MAX_LENGTH: Final = 80
"""Characters of a text; every accepted form is shorter."""
YEARS_AHEAD: Final = 2
"""How far ahead a moment may be unless that is allowed."""
HOURS_LONG: Final = 24
"""How long after its start a session may end unless that is allowed."""
_LONGEST_NIGHT: Final = 6 * 60
"""Minutes of a range over midnight, such as 22:00-02:00, that people may mean."""
_LONGEST_NOON: Final = 3 * 60
"""Minutes of a range over noon on a clock of twelve hours, such as 10:00-01:00, that people may mean."""
_COMMON: Final = re.compile(
    r"(?:19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?Z?"
)
_Groups = dict[str, str | None]


class TimeError(ValueError):
    """A text that is not accepted as a time.

    Attributes:
        reason: What is wrong and how to fix it: a sentence whose subject is the text. It quotes nothing of the text.
    """

    def __init__(self, text: str, reason: str) -> None:
        shown = text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"
        super().__init__(f"{shown!r} {reason}")
        self.reason = reason


def read_time(
    text: str, default_zone: tzinfo | None = None, *, day_first: bool | None = None
) -> datetime:
    """Read a date and time that a person typed.

    Args:
        text: For instance `2030-05-04 09:00`, `4 May 2030 9am`, `2030-05-04T13:00:00Z`.
        default_zone: The zone of a time that names none.
        day_first: Whether 03/04/2030 is the 3rd of April (True) or the 4th of March (False); None refuses it.

    Returns:
        An aware datetime.

    Raises:
        TimeError: Not a date and time in an accepted form, or an ambiguous one.
    """
    simple = _simple(text, default_zone)
    if simple is not None:
        return simple
    try:
        parts = _divide(_plain(text))
        return _aware(_moment(parts, day_first), parts, default_zone)
    except _RefusedError as refused:
        reason = str(refused)
    raise TimeError(text, reason)


def limit_problem(
    moment: datetime, now: datetime, *, allow_past: bool, allow_far: bool
) -> str | None:
    """Say why a moment is probably a slip; None if it is not.

    Args:
        moment: An aware datetime.
        now: The present, aware.
        allow_past: Whether a moment before `now` is accepted.
        allow_far: Whether one more than two years after `now` is accepted.

    Returns:
        A sentence whose subject is the moment. It names the option that allows it.
    """
    if moment < now and not allow_past:
        return "is in the past; check the year, or allow it with --allow-past"
    if moment > _years_later(now) and not allow_far:
        return f"is more than {YEARS_AHEAD} years ahead; check the year, or allow it with --allow-far"
    return None


def length_problem(start: datetime, end: datetime, *, allow_long: bool) -> str | None:
    """Say why the end of a session is probably a slip; None if it is not.

    Args:
        start: When the session starts, aware.
        end: When it ends, aware.
        allow_long: Whether more than 24 hours are accepted.

    Returns:
        A sentence whose subject is the end. It names the option that allows it.
    """
    if end - start <= timedelta(hours=HOURS_LONG) or allow_long:
        return None
    return (
        f"is more than {HOURS_LONG} hours after the start; check both dates, "
        "or allow it with --allow-long"
    )


def order_of(text: str) -> bool | None:
    """Tell which order of day and month the numbers of a text can only have.

    Args:
        text: A date and time in an accepted form.

    Returns:
        True if the day is first, as in 31/05/2030; False if the month is; None if it does not show.
    """
    try:
        date = _divide(_plain(text)).date
    except _RefusedError:
        return None
    first = _number(date, "first")
    if max(first, _number(date, "next")) <= 12:
        return None
    return first > 12


@lru_cache(maxsize=1)  # a list is checked against one moment
def _years_later(now: datetime) -> datetime:
    day = 28 if (now.month, now.day) == (2, 29) else now.day
    return now.replace(year=now.year + YEARS_AHEAD, day=day)


# -- from text to parts -----------------------------------------------------------------------------------------------


class _RefusedError(Exception):
    """Raised inside the parser with a reason; `read_time` turns it into a `TimeError`."""


class _Parts(NamedTuple):
    """One way to divide a text into its parts."""

    weekday: str | None
    date: _Groups
    time: _Groups
    offset: _Groups
    after_t: bool
    """Whether the letter T is between date and time."""
    spaced: bool
    """Whether a space is before the offset."""
    time_first: bool


def _simple(text: str, default_zone: tzinfo | None) -> datetime | None:
    """Read the most common forms quickly, which matters for long lists.

    Returns:
        The same as the table gives; None if the table has to be used.
    """
    if _COMMON.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment
        return None if default_zone is None else place(moment, default_zone)
    except ValueError:
        return None


def _plain(text: str) -> str:
    """Return the text in lower case, with plain hyphens and single spaces; refuse other characters."""
    if len(text) > MAX_LENGTH:
        raise _RefusedError(f"is too long for a date and time; write it like {EXAMPLE}")
    plain = " ".join(text.split()).translate(HYPHENS)
    for character in plain:
        if not " " <= character <= "~":
            raise _RefusedError(about_character(character))
    return plain.lower()


def _divide(text: str) -> _Parts:
    """Divide a text into its parts; refuse it if there is no way or more than one."""
    ways = [*_date_first(text), *_time_first(text)]
    if not ways:
        raise _RefusedError(explain(text))
    if len(ways) > 1:
        raise _RefusedError(f"can be read in {len(ways)} ways; write it like {EXAMPLE}")
    return ways[0]


def _date_first(text: str) -> Iterator[_Parts]:
    weekday, start = _weekday_at(text, 0)
    for date in _matches(DATES, text, start):
        after_t = (
            text.startswith("t", date.end()) and BEFORE_T.fullmatch(date[0]) is not None
        )
        gap = AFTER_DATE.match(text, date.end())
        if not after_t and gap is None:
            continue
        time_start = date.end() + 1 if gap is None else gap.end()
        for form in TIMES:
            time = form.pattern.match(text, time_start)
            if time is None or not _may_follow(form, date.groupdict(), after_t=after_t):
                continue
            exact = after_t or time.groupdict().get("second") is not None
            spaced = text.startswith(" ", time.end())
            for offset in _offsets_at(text, time.end(), exact=exact):
                yield _Parts(
                    weekday,
                    date.groupdict(),
                    time.groupdict(),
                    offset,
                    after_t,
                    spaced,
                    time_first=False,
                )


def _may_follow(form: Form, date: _Groups, *, after_t: bool) -> bool:
    """Tell whether a form of a time may follow this date."""
    if form.where == "T":
        return after_t
    # 2000 May 4 2030 may be read from either end.
    starts_with_year = "name" in date and next(iter(date)) == "year"
    return form.where != "date" or not starts_with_year


def _time_first(text: str) -> Iterator[_Parts]:
    for form in TIMES:
        time = None if form.where else form.pattern.match(text)
        gap = None if time is None else AFTER_TIME.match(text, time.end())
        if time is None or gap is None:
            continue
        weekday, start = _weekday_at(text, gap.end())
        for date in _matches(DATES, text, start):
            for offset in _offsets_after_date(text, date.end(), gap["utc"]):
                yield _Parts(
                    weekday,
                    date.groupdict(),
                    time.groupdict(),
                    offset,
                    False,
                    True,
                    time_first=True,
                )


def _weekday_at(text: str, start: int) -> tuple[str | None, int]:
    """Return the day of the week that begins here, if any, and where it ends."""
    match = WEEKDAY.match(text, start)
    return (match[1], match.end()) if match else (None, start)


def _matches(forms: tuple[Form, ...], text: str, start: int) -> Iterator[re.Match[str]]:
    for form in forms:
        match = form.pattern.match(text, start)
        if match is not None:
            yield match


def _offsets_at(text: str, start: int, *, exact: bool) -> Iterator[_Groups]:
    """Yield the offset that is the rest of the text; an empty one if there is no rest."""
    if start == len(text):
        yield {}
        return
    for form in OFFSETS:
        match = form.pattern.match(text, start)
        if match is not None and (exact or not form.where):
            yield match.groupdict()


def _offsets_after_date(text: str, start: int, utc: str | None) -> Iterator[_Groups]:
    """Yield the offset of a text that ends in its date, or in the offset after it."""
    if utc is not None and start == len(text):
        yield {"utc": utc}
    elif utc is None and (start == len(text) or text.startswith(" ", start)):
        yield from _offsets_at(text, start, exact=False)


# -- what the parts mean ----------------------------------------------------------------------------------------------


def _moment(parts: _Parts, day_first: bool | None) -> datetime:
    """Return what the clocks show, naive."""
    year, month, day = _date_of(parts.date, day_first)
    hour, minute, second, microsecond = _time_of(parts.time)
    moment = datetime(year, month, day, hour, minute, second, microsecond)
    if parts.weekday is not None and WEEKDAYS[parts.weekday] != moment.weekday():
        actual = day_name[moment.weekday()]
        raise _RefusedError(
            f"names another day of the week than its date, which is a {actual}; which is right?"
        )
    return moment


def _number(groups: _Groups, name: str) -> int:
    return int(groups.get(name) or 0)


def _date_of(date: _Groups, day_first: bool | None) -> tuple[int, int, int]:
    year = _number(date, "year")
    month, day = _month_and_day(date, day_first)
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise _RefusedError(
            f"is out of range: years are from {FIRST_YEAR} to {LAST_YEAR}"
        )
    if not 1 <= month <= 12:
        raise _RefusedError(
            f"has no month from 1 to 12 where it is expected; write it like {EXAMPLE}"
        )
    days = monthrange(year, month)[1]
    if not 1 <= day <= days:
        which = f"February {year}" if month == 2 else month_name[month]
        raise _RefusedError(f"has a day that does not exist: {which} has {days} days")
    if date.get("ordinal") not in (None, _ordinal(day)):
        raise _RefusedError(
            f"has a day with a wrong ending; write {day}{_ordinal(day)}, or {day}"
        )
    return year, month, day


def _month_and_day(date: _Groups, day_first: bool | None) -> tuple[int, int]:
    if "first" in date:
        return _in_order(_number(date, "first"), _number(date, "next"), day_first)
    name = date.get("name")
    month = MONTHS[name] if name else _number(date, "month")
    return month, _number(date, "day")


def _in_order(first: int, second: int, day_first: bool | None) -> tuple[int, int]:
    """Return month and day of a date of numbers that ends in the year."""
    if day_first is None:
        if first <= 12 and second <= 12 and first != second:
            raise _RefusedError(
                "may be day/month or month/day; write 2030-05-04, or add --day-first or --month-first"
            )
        day_first = first > 12
    day, month = (first, second) if day_first else (second, first)
    if month > 12 >= day:
        option = "--day-first" if day_first else "--month-first"
        raise _RefusedError(
            f"contradicts {option}: it has no such month; correct the text or drop the option"
        )
    return month, day


def _ordinal(day: int) -> str:
    if day in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _half_day(time: _Groups) -> str | None:
    """Return `a` or `p` of a time with am or pm; None of any other."""
    return time.get("half") or time.get("half_dotted")


def _time_of(time: _Groups) -> tuple[int, int, int, int]:
    """Return hour, minute, second and microsecond."""
    if time.get("noon"):
        return 12, 0, 0, 0
    hour = _number(time, "hour")
    minute = _number(time, "minute")
    second = _number(time, "second")
    microsecond = int((time.get("fraction") or "0")[:6].ljust(6, "0"))
    half = _half_day(time)
    if half is not None:
        if not 1 <= hour <= 12:
            raise _RefusedError("has am or pm after an hour that is not from 1 to 12")
        hour = hour % 12 + (12 if half == "p" else 0)
    if (hour, minute) == (24, 0):
        raise _RefusedError("has the hour 24; write 00:00 of the next day")
    if hour > 23 or minute > 59 or second > 59:
        raise _RefusedError(
            "has a time that does not exist: hours end at 23, minutes and seconds at 59"
        )
    return hour, minute, second, microsecond


def _aware(moment: datetime, parts: _Parts, default_zone: tzinfo | None) -> datetime:
    """Add the offset that the text has, or else the zone."""
    if parts.offset.get("utc"):
        return moment.replace(tzinfo=UTC)
    if parts.offset:
        return moment.replace(tzinfo=_offset_of(parts))
    if default_zone is None:
        raise _RefusedError(
            f"has no time zone; add the offset ({EXAMPLE}-04:00, or UTC), "
            "or name the zone: --timezone America/New_York, or timezone in a profile"
        )
    try:
        return place(moment, default_zone)
    except ValueError as error:
        raise _RefusedError(str(error)) from None


def _offset_of(parts: _Parts) -> timezone:
    hours = _number(parts.offset, "offset_hours")
    minutes = _number(parts.offset, "offset_minutes")
    sign = -1 if parts.offset["sign"] == "-" else 1
    if sign < 0 and _may_be_range(parts, hours, minutes):
        raise _RefusedError(
            "may be a range of two times; give each time on its own, "
            "or write the offset after a T and seconds: 2030-05-04T09:00:00-11:00"
        )
    offset = sign * timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or not timedelta(hours=-12) <= offset <= timedelta(hours=14):
        raise _RefusedError(
            "has an offset that no place has: they are from -12:00 to +14:00, with minutes below 60"
        )
    return timezone(offset)


def _may_be_range(parts: _Parts, hours: int, minutes: int) -> bool:
    """Tell whether a time with a negative offset, such as 09:00-10:30, may be a start and an end."""
    time = parts.time
    if parts.after_t or time.get("second") is not None:
        return False
    has_half_day = time.get("noon") is not None or _half_day(time) is not None
    if has_half_day and not parts.spaced:
        return True
    hour, minute, _, _ = _time_of(time)
    written_hour = _number(time, "hour") if _half_day(time) else hour
    end = hours * 60 + minutes
    return any(_is_range(start * 60 + minute, end) for start in (hour, written_hour))


def _is_range(start: int, end: int) -> bool:
    """Tell whether two times of day, in minutes, may be a start and an end: on one day, in one night, or over noon."""
    over_midnight = 0 < end + 24 * 60 - start <= _LONGEST_NIGHT
    over_noon = (
        end >= 60 and start < 13 * 60 and 0 < end + 12 * 60 - start <= _LONGEST_NOON
    )
    return end > start or over_midnight or over_noon
