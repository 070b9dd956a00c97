"""Says why a text is in none of the accepted forms of times. It decides nothing: the text is refused anyway.

A reason is a sentence whose subject is the text. It quotes nothing of the text, which may be personal data.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from smarterproctoring.time_forms import MONTHS, WEEKDAYS, any_of
from smarterproctoring.zones import abbreviation_hint

EXAMPLE: Final = "2030-05-04 09:00"
_TWO_TIMES: Final = "names two times; give the start and the end separately"
_TWO_ZONES: Final = (
    "names two zones; keep one, as in 2030-05-04T13:00:00Z or 2030-05-04T09:00:00-04:00"
)
_TWO_DAYS: Final = "names two days; give one date, such as 4 May 2030"
_SHORT_YEAR: Final = "has a year of two digits; write all four, as in 2030"
_HALF: Final = r"[ap]\.? ?m\b"
_MONTH: Final = rf"(?:{any_of(MONTHS)})\b"
_DAY: Final = "[0-9]{1,2}(?:st|nd|rd|th)?"
_OFFSET: Final = "[+-][0-9]{2}:?[0-9]{2}"
_UTC: Final = "(?:z|utc|gmt)"
_TWO_DIGITS: Final = rf"'?[0-9]{{2}}(?![0-9:.]| ?{_HALF})"
_TIME: Final = re.compile(
    rf"(?<![0-9:+])[0-9]{{1,2}}(?:(?::[0-9]{{2}}){{1,2}}(?:[.,][0-9]+)?(?: ?{_HALF})?|(?:\.[0-9]{{2}})? ?{_HALF})"
    r"|\bnoon\b"
)
_DATE: Final = re.compile(
    r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![0-9])|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}"
    rf"|[0-9].*{_MONTH}.*[0-9]{{4}}(?![0-9:])|{_MONTH}.*[0-9].*[0-9]{{4}}(?![0-9:])|[0-9]{{4}}.*{_MONTH}.*[0-9]"
    r"|(?<![0-9])[0-9]{8}(?![0-9])"
)
_NAMES: Final = any_of(MONTHS)
_SPACE_IN_DATE: Final = (
    r"(?<![0-9:])(?=[0-9]{1,2} |[0-9]{1,2} ?[-/.] |[0-9]{1,2}[-/.][0-9]{1,2} |[0-9]{1,2}[-/.][0-9]{1,2}[-/.] )"
    r"[0-9]{1,2}(?: ?[-/.] ?| )[0-9]{1,2}(?: ?[-/.] ?| )[0-9]{4}(?![0-9:])"
    r"|^(?=[0-9]{4} |[0-9]{4}[-/.] |[0-9]{4}[-/.][0-9]{1,2} |[0-9]{4}[-/.][0-9]{1,2}[-/.] )"
    r"[0-9]{4}(?: ?[-/.] ?| )[0-9]{1,2}(?: ?[-/.] ?| )[0-9]{1,2}(?![-0-9:/])"
)
_COMPLAINTS: Final = (
    (rf"{_MONTH} {_DAY} [0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}})?(?: [a-z]+)? (?:19|20|21)[0-9]{{2}}$",
     "has the year after the time; write the date in one piece, as in May 4, 2030 09:00"),
    (rf"{_MONTH}[-/. ,]*(?:{_DAY},? )?[0-9]{{4}} ?[-:/] ?[0-9]{{1,2}}(?::[0-9]{{2}}){{0,2}}(?: ?{_HALF})?$"
     r"|^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}[-:][0-9]",
     "has a mark between the date and the time; write a space, as in 4 May 2030 09:00"),
    (r"[0-9] ?(?:h|hrs?|hours?|uhr|o'clock)\b|[0-9]h[0-9]",
     "has a word or a letter after the hour; write the time as 09:00"),
    (_SPACE_IN_DATE, "has spaces within its date; write 2030-05-14, or 14.5.2030"),
    (r"\b(?:utc|gmt) ?[+-] ?[0-9]",
     "has an offset from UTC or GMT, which is read with either sign; write the offset alone, as in +03:00"),
    (rf"{_UTC} ?(?:[+-]? ?[0-9]{{2}}:?[0-9]{{2}}|{_UTC})$|{_OFFSET} ?(?:{_UTC}|{_OFFSET})$", _TWO_ZONES),
    (r"[a-z_]{2,}/[a-z_]{2,}", "names a zone in the text; name it with --timezone instead"),
    (r"^[0-9]{4}-?w[0-9]", "is a week date, which is not accepted; write 2030-05-04"),
    (r"^[0-9]{4}-?[0-9]{3}(?![0-9])", "has the day as a number of the year, which is not accepted; write 2030-05-04"),
    (r"\bmidnight\b", "says midnight, which can be either end of the day; write 00:00 of the day that begins"),
    (r"\b(?:today|tomorrow|yesterday|tonight|now|next|this|last|in)\b", f"has no date of its own; write {EXAMPLE}"),
    (r"\b(?:to|until|till|and|or|through)\b|[&~]|\.\.", _TWO_TIMES),
    (rf"[0-9] ?- ?[0-9]{{1,2}}(?:[:.][0-9]{{2}})? ?{_HALF}", _TWO_TIMES),
    (r"[0-9]{4}(?:[-/.][0-9]{1,2}[-/.][0-9]{1,2})?,? (?:at )?"
     r"[0-9]{1,2}\.[0-9]{2}(?:\.[0-9]{2}(?:\.[0-9]+)?)?(?![0-9.]| ?-| ?[ap]\b)"
     rf"|^[0-9]{{1,2}}\.[0-9]{{2}} (?!{_HALF}).*[0-9]{{4}}",
     "has a time with dots; write colons, as in 09:30"),
    (r"[0-9]{4}-[0-9]{2}-[0-9]{2}t[0-9]{2}-", "has hyphens in its time; write colons, as in 2030-05-04T09:30"),
    (rf"{_DAY} ?[-/] ?{_DAY}\.? {_MONTH}|{_MONTH}\.? {_DAY} ?[-/] ?{_DAY}(?![0-9:])", _TWO_DAYS),
    (r"(?<![0-9])[0-9]{1,2}([-/.])[0-9]{1,2}\1'?[0-9]{2}(?![0-9:])", _SHORT_YEAR),
    (rf"{_DAY}[-/. ]+{_MONTH}[-/.,]* ?{_TWO_DIGITS}|{_MONTH}\.? {_DAY},? {_TWO_DIGITS}", _SHORT_YEAR),
    (r"\bmidday\b", "says midday; write noon, or 12:00"),
    (rf"[0-9](?:{_NAMES})|(?<![a-z])(?:{_NAMES})[0-9]", "has no space next to its month; write 4 May 2030"),
    (rf"(?<![-/a-z]){_MONTH}[-/][0-9]", "has marks between month and day; write May 4, 2030"),
    (r"[0-9] t ?[0-9]|^(?![0-9]{4}-[0-9]{2}-[0-9]{2}t|[0-9]{8}t).*[0-9]t[0-9]",
     f"has the letter T in another place than right after YYYY-MM-DD; write a space, as in {EXAMPLE}"),
    (r"[0-9] ?(?:[ap] m|[ap]\. ?m|[ap]m\.)$",
     "has am or pm in a form that is not accepted; write am, pm, a.m. or p.m."),
    (r"[0-9] :|: [0-9]|[0-9]:[0-9](?![0-9])",
     "has a time that is not written as HH:MM; write it as 09:05, without spaces"),
    (r"(?<=[0-9a-z] )[0-9]{6}$", f"has a time of six digits, which is read only after T; write it like {EXAMPLE}"),
    (r"^(?:on|at)\b", f"begins with a word that joins; begin with the date, as in {EXAMPLE}"),
    (r"^[0-9]{4} .*[0-9]",
     "begins with four digits that may be a time or a year; write the time with a colon, as in 15:30, "
     "or after the date"),
)  # fmt: skip
_KNOWN_WORDS: Final = {
    *MONTHS,
    *WEEKDAYS,
    "at",
    "on",
    "of",
    "noon",
    "am",
    "pm",
    "utc",
    "gmt",
    "z",
    "t",
}


def explain(text: str) -> str:
    """Say why a text, in lower case and with single spaces, has none of the accepted forms."""
    for pattern, reason in _COMPLAINTS:
        if re.search(pattern, text):
            return reason
    times = len(_TIME.findall(re.sub(" ?[+-][0-9]{2}:[0-9]{2}$", "", text)))
    has_date = _DATE.search(text) is not None
    ends_in_range = re.search("[0-9m] ?- ?[0-9]{1,2}(?::[0-9]{2})?$", text) is not None
    if times > 1 or (times and has_date and ends_in_range):
        return _TWO_TIMES
    return (
        _about_words(text)
        or _about_marks(text)
        or _what_is_missing(text, has_time=times > 0, has_date=has_date)
    )


def _what_is_missing(text: str, *, has_time: bool, has_date: bool) -> str:
    if has_time and not has_date:
        return f"leaves out the date, or a part of it; write it like {EXAMPLE}"
    if has_date and not has_time:
        return f"leaves out the time of day, or has it in a form that is not accepted; write it like {EXAMPLE}"
    if has_time and re.search("[+-] ?[0-9]{1,2}(?::?[0-9]{2})?$", text):
        return f"has an offset that is not written as +HH:MM; write it like {EXAMPLE}-04:00"
    return f"is not a date and time in an accepted form; write it like {EXAMPLE}, or 4 May 2030 9am"


def _about_words(text: str) -> str | None:
    """Explain the first word that cannot be part of a date and time."""
    bare = re.sub(rf"\b{_HALF}\.?", " ", text)
    bare = re.sub(r"(?<=[0-9])(?:st|nd|rd|th|t|z|am|pm)\b", " ", bare)
    for word in re.findall("[a-z]+", bare):
        hint = abbreviation_hint(word)
        if word in _KNOWN_WORDS:
            continue
        if hint is not None:
            return f"names a time zone, and not by an offset: {hint}"
        if len(word) == 1:
            return f"has a single letter where an offset, am or pm is expected; write it like {EXAMPLE}-04:00"
        return f"has a word that is not a month or a day of the week in English; write it like {EXAMPLE}"
    return None


def _about_marks(text: str) -> str | None:
    """Explain the first mark that cannot be part of a date and time."""
    mark = re.search(r"[^0-9a-z :+./,-]", text)
    if mark is not None:
        return f"has the character {mark[0]}, which has no place in a date and time; write it like {EXAMPLE}"
    if re.search(r"[0-9a-z](?:(?<!m)\.|[,;])$", text):
        return f"ends in a punctuation mark; delete it, as in {EXAMPLE}"
    return None


def about_character(character: str) -> str:
    """Say why a character that is not printable ASCII is not accepted in a time."""
    if character.isalpha():
        return f"has letters other than A to Z; months and days are read in English, as in 4 May 2030 9am or {EXAMPLE}"
    name = unicodedata.name(character, "a control character")
    known = f"has the character U+{ord(character):04X} ({name})"
    if unicodedata.category(character) == "Pd":
        return f"{known}; write a hyphen (-) in a date, and the end of a range as a time of its own"
    return f"{known}; delete it, or type the text again, like {EXAMPLE}"
