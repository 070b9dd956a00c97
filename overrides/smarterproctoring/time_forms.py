"""The accepted forms of times that people type: the one table. docs/reference/times.md shows the same."""

from __future__ import annotations

import re
from calendar import day_name, month_name
from typing import Final, NamedTuple

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199


class Form(NamedTuple):
    """One accepted form of a date, a time or an offset.

    Attributes:
        form: As the documentation shows it.
        example: A text of this form.
        note: What else is accepted, or where.
        pattern: What it matches; the text is in lower case.
        where: `T`: only after the letter T. `date`: only after a date. `seconds`: only after T or after seconds.
            Empty: everywhere.
    """

    form: str
    example: str
    note: str
    pattern: re.Pattern[str]
    where: str = ""


def _names(names: list[str]) -> dict[str, int]:
    """Number names, in full and by their first three letters, in lower case."""
    return {
        name[:size].lower(): number
        for number, name in enumerate(names)
        if name
        for size in (3, len(name))
    }


def any_of(words: dict[str, int]) -> str:
    """Return a pattern that matches any of these words, the longest first."""
    return "|".join(sorted(words, key=len, reverse=True))


MONTHS: Final = {**_names(list(month_name)), "sept": 9}
WEEKDAYS: Final = {
    **_names(list(day_name)),
    "tues": 1,
    "weds": 2,
    "thur": 3,
    "thurs": 3,
}
"""Days of the week; Monday is 0."""

_YEAR: Final = "(?P<year>[0-9]{4})"
_MONTH: Final = "(?P<month>[0-9]{1,2})"
_DAY: Final = "(?P<day>[0-9]{1,2})"
_ORDINAL: Final = f"{_DAY}(?P<ordinal>st|nd|rd|th)?"
_NAME: Final = rf"(?P<name>{any_of(MONTHS)})"
_HOUR: Final = "(?P<hour>[0-9]{1,2})"
_HOUR_2: Final = "(?P<hour>[0-9]{2})"
_MINUTE: Final = "(?P<minute>[0-9]{2})"
_SECOND: Final = "(?P<second>[0-9]{2})"
_FRACTION: Final = "[.,](?P<fraction>[0-9]{1,9})"
_HALF: Final = r" ?(?:(?P<half>[ap])m|(?P<half_dotted>[ap])\. ?m\.)"
_OFFSET: Final = "(?P<sign>[+-])(?P<offset_hours>[0-9]{2})"
_OFFSET_MINUTES: Final = "(?P<offset_minutes>[0-9]{2})"


def _date(form: str, example: str, note: str, pattern: str) -> Form:
    return Form(form, example, note, re.compile(f"{pattern}(?![0-9a-su-z])"))


def _time(form: str, example: str, note: str, pattern: str, where: str = "") -> Form:
    return Form(
        form, example, note, re.compile(f"{pattern}(?=[^0-9a-z]|z|utc|gmt|$)"), where
    )


def _offset(form: str, example: str, note: str, pattern: str, where: str = "") -> Form:
    return Form(form, example, note, re.compile(f" ?{pattern}$"), where)


DATES: Final = (
    _date("YYYY-MM-DD", "2030-05-04", "", f"{_YEAR}-{_MONTH}-{_DAY}"),
    _date("YYYY/MM/DD", "2030/05/04", "or with dots", f"{_YEAR}(?P<mark>[/.]){_MONTH}(?P=mark){_DAY}"),
    _date("YYYYMMDD", "20300504", "", f"{_YEAR}(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})"),
    _date("D Month YYYY", "4 May 2030", "4th, 4., `4th of`, and a comma before the year, are accepted",
          rf"{_DAY}(?:(?P<ordinal>st|nd|rd|th)(?: of)?|\.)? {_NAME}\.?,? {_YEAR}"),
    _date("D-Month-YYYY", "04-May-2030", "or with slashes", f"{_DAY}(?P<mark>[-/]){_NAME}(?P=mark){_YEAR}"),
    _date("Month D, YYYY", "May 4, 2030", "4th is accepted, and no comma", rf"{_NAME}\.? {_ORDINAL},? {_YEAR}"),
    _date("YYYY Month D", "2030 May 4", "or with hyphens", f"{_YEAR}(?P<mark>[- ]){_NAME}(?P=mark){_DAY}"),
    _date("D/M/YYYY", "31/05/2030", "or with hyphens or dots; if both can be a month, only with `--day-first`",
          f"(?P<first>[0-9]{{1,2}})(?P<mark>[-/.])(?P<next>[0-9]{{1,2}})(?P=mark){_YEAR}"),
    # The pattern before this one matches both orders.
    _date("M/D/YYYY", "05/31/2030", "the same, only with `--month-first`", "(?!)"),
)  # fmt: skip
TIMES: Final = (
    _time("HH:MM", "09:00", "", f"{_HOUR}:{_MINUTE}"),
    _time("HH:MM:SS", "09:00:30", "", f"{_HOUR}:{_MINUTE}:{_SECOND}"),
    _time("HH:MM:SS.f", "09:00:30.250", "1 to 9 digits, or with a comma; below a microsecond is cut off",
          f"{_HOUR}:{_MINUTE}:{_SECOND}{_FRACTION}"),
    _time("HHMM", "0900", "only after a date", f"{_HOUR_2}{_MINUTE}", "date"),
    _time("HHMMSS", "090030", "only after a date and T", f"{_HOUR_2}{_MINUTE}{_SECOND}", "T"),
    _time("H am", "9 am", "or pm; also `9am`, `9 a.m.`", f"{_HOUR}{_HALF}"),
    _time("H:MM am", "9:30 am", "or pm", f"{_HOUR}:{_MINUTE}{_HALF}"),
    _time("H.MM am", "9.30 am", "or pm; the dot stands for a colon", rf"{_HOUR}\.{_MINUTE}{_HALF}"),
    _time("H:MM:SS am", "9:30:15 am", "or pm", f"{_HOUR}:{_MINUTE}:{_SECOND}{_HALF}"),
    _time("noon", "noon", "or `12 noon`, `12:00 noon`; `midnight` is refused: it can be either end of the day",
          "(?P<noon>(?:12(?::00)? )?noon)"),
)  # fmt: skip
OFFSETS: Final = (
    _offset("Z", "Z", "", "(?P<utc>z)"),
    _offset("UTC", "UTC", "or GMT", "(?P<utc>utc|gmt)"),
    _offset(
        "+HH:MM", "-04:00", "from -12:00 to +14:00", f"{_OFFSET}:{_OFFSET_MINUTES}"
    ),
    _offset("+HHMM", "-0400", "", f"{_OFFSET}{_OFFSET_MINUTES}"),
    _offset(
        "+HH", "-04", "only after seconds, or after a date and T", _OFFSET, "seconds"
    ),
)
"""An offset is at the end of the text; a space before it is accepted."""

WEEKDAY: Final = re.compile(rf"({any_of(WEEKDAYS)})(?:\.?, ?|\.? )")
"""A day of the week before a date, and what joins the two."""
AFTER_DATE: Final = re.compile("(?:, ?| )(?:at )?")
"""What joins a date and the time after it."""
AFTER_TIME: Final = re.compile("(?: ?(?P<utc>z|utc|gmt))?(?:, | )(?:on )?")
"""What joins a time and the date after it; it may hold the offset. A comma needs a space: it may begin a fraction."""
BEFORE_T: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}")
"""The dates that the letter T may follow."""
HYPHENS: Final = {0x2010: "-", 0x2011: "-", 0x2212: "-"}
"""What word processors make of a hyphen. Dashes (U+2013, U+2014) are refused: people write ranges with them."""
