"""Time zones by their IANA names. Names that look right and give a wrong time are refused, with the right name."""

from __future__ import annotations

import difflib
import re
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

_EXAMPLE = "give an IANA name such as America/New_York, or UTC"
_EASTERN = "America/New_York"
_CENTRAL = "America/Chicago"
_MOUNTAIN = "America/Denver"
_PACIFIC = "America/Los_Angeles"

ABBREVIATIONS: dict[str, tuple[str, str]] = {
    "ACDT": ("+10:30", "Australia/Adelaide"),
    "ACST": ("+09:30", "Australia/Darwin"),
    "ADT": ("-03:00", "America/Halifax"),
    "AEDT": ("+11:00", "Australia/Sydney"),
    "AEST": ("+10:00", "Australia/Sydney"),
    "AKDT": ("-08:00", "America/Anchorage"),
    "AKST": ("-09:00", "America/Anchorage"),
    "AST": ("-04:00", "America/Halifax"),
    "AWST": ("+08:00", "Australia/Perth"),
    "BST": ("+01:00", "Europe/London"),
    "CDT": ("-05:00", _CENTRAL),
    "CEST": ("+02:00", "Europe/Berlin"),
    "CET": ("+01:00", "Europe/Berlin"),
    "CST": ("-06:00", _CENTRAL),
    "EAT": ("+03:00", "Africa/Nairobi"),
    "EDT": ("-04:00", _EASTERN),
    "EEST": ("+03:00", "Europe/Athens"),
    "EET": ("+02:00", "Europe/Athens"),
    "EST": ("-05:00", _EASTERN),
    "HKT": ("+08:00", "Asia/Hong_Kong"),
    "HST": ("-10:00", "Pacific/Honolulu"),
    "IST": ("+05:30", "Asia/Kolkata"),
    "JST": ("+09:00", "Asia/Tokyo"),
    "KST": ("+09:00", "Asia/Seoul"),
    "MDT": ("-06:00", _MOUNTAIN),
    "MEST": ("+02:00", "Europe/Berlin"),
    "MESZ": ("+02:00", "Europe/Berlin"),
    "MET": ("+01:00", "Europe/Berlin"),
    "MEZ": ("+01:00", "Europe/Berlin"),
    "MSK": ("+03:00", "Europe/Moscow"),
    "MST": ("-07:00", _MOUNTAIN),
    "NDT": ("-02:30", "America/St_Johns"),
    "NST": ("-03:30", "America/St_Johns"),
    "NZDT": ("+13:00", "Pacific/Auckland"),
    "NZST": ("+12:00", "Pacific/Auckland"),
    "PDT": ("-07:00", _PACIFIC),
    "PKT": ("+05:00", "Asia/Karachi"),
    "PST": ("-08:00", _PACIFIC),
    "SAST": ("+02:00", "Africa/Johannesburg"),
    "SGT": ("+08:00", "Asia/Singapore"),
    "WAT": ("+01:00", "Africa/Lagos"),
    "WEST": ("+01:00", "Europe/Lisbon"),
    "WET": ("+00:00", "Europe/Lisbon"),
}
"""Abbreviations of zones that people write: the offset that most of them mean, and a place that has it."""

_ELSEWHERE = {
    "AST": ("+03:00", "Asia/Riyadh"),
    "BST": ("+06:00", "Asia/Dhaka"),
    "CDT": ("-04:00", "America/Havana"),
    "CST": ("+08:00", "Asia/Shanghai"),
    "IST": ("+02:00", "Asia/Jerusalem"),
    "MST": ("-07:00 all year", "America/Phoenix"),
    "PST": ("+08:00", "Asia/Manila"),
    "WAT": ("+02:00", "Africa/Windhoek"),
}
_ALL_YEAR = {"EST": "-05:00", "MST": "-07:00", "HST": "-10:00"}
_POSIX = {
    "EST5EDT": _EASTERN,
    "CST6CDT": _CENTRAL,
    "MST7MDT": _MOUNTAIN,
    "PST8PDT": _PACIFIC,
}
_SPOKEN = {
    "et": _EASTERN, "ct": _CENTRAL, "mt": _MOUNTAIN, "pt": _PACIFIC,
    "eastern": _EASTERN, "central": _CENTRAL, "mountain": _MOUNTAIN, "pacific": _PACIFIC,
    "alaskan": "America/Anchorage", "hawaiian": "Pacific/Honolulu", "atlantic": "America/Halifax",
    "gmt standard time": "Europe/London", "british": "Europe/London", "china": "Asia/Shanghai",
    "india": "Asia/Kolkata", "tokyo": "Asia/Tokyo", "central europe": "Europe/Budapest",
    "w. europe": "Europe/Berlin", "central european": "Europe/Warsaw", "romance": "Europe/Paris",
}  # fmt: skip
"""What people and Windows call zones, in lower case, without `time` and `standard time` at the end."""
_NOT_PLACES = {
    "localtime": "this is the zone of whichever machine reads it",
    "posixrules": "this is a rule file of the system, not a place",
    "factory": "this is a placeholder for a zone that was never set",
    "local": "this is the zone of whichever machine reads it",
}


class ZoneError(ValueError):
    """A name that is not accepted as a time zone.

    Attributes:
        reason: What is wrong and how to fix it, without the name itself.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"time zone {name[:80]!r}: {reason}")
        self.reason = reason


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo:
    """Return the time zone with an IANA name.

    Args:
        name: For instance `America/New_York`, or `UTC`. Spelled exactly as IANA does.

    Raises:
        ZoneError: There is no such zone, or the name is one that is easily misread: an abbreviation
            (`EST`, `CET`), a reversed sign (`Etc/GMT+5`), or the zone of the machine (`localtime`).
    """
    reason = _trap(name)
    if reason is None and name not in _names():
        reason = _unknown(name)
    if reason is None:
        return ZoneInfo(name)
    raise ZoneError(name, reason)


def place(moment: datetime, where: tzinfo) -> datetime:
    """Return the moment at which the clocks of a zone show this.

    Args:
        moment: A naive datetime: what the clocks show.
        where: The zone.

    Raises:
        ValueError: There is no such moment, or there are two.
            The message is a sentence without a subject, such as `does not exist in …`.
    """
    first = moment.replace(tzinfo=where, fold=0)
    second = moment.replace(tzinfo=where, fold=1)
    before = first.utcoffset()
    after = second.utcoffset()
    if before is None or after is None:
        raise ValueError(f"cannot be placed: {where} does not know its offset")
    if before == after:
        return first
    if before < after:
        raise ValueError(
            f"does not exist in {where}: the clocks skip it; give another time"
        )
    raise ValueError(
        f"happens twice in {where}: the clocks go back; write the date, T, the time with seconds and the offset, "
        "as in 2030-05-04T09:00:00-04:00; it is "
        f"{offset_text(before)} for the first, {offset_text(after)} for the second"
    )


def offset_text(offset: timedelta) -> str:
    """Write an offset from UTC as people do, such as `-04:00`."""
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def abbreviation_hint(word: str) -> str | None:
    """Say what to write instead of the abbreviation of a zone; None if the word is not a known one."""
    name = word.upper()
    if word.lower() in _SPOKEN:
        return f"leave it out, and name the place: --timezone {_SPOKEN[word.lower()]}"
    if name not in ABBREVIATIONS:
        return None
    offset, where = ABBREVIATIONS[name]
    meaning = f"{name} is {offset}"
    if name in _ELSEWHERE:
        other, other_place = _ELSEWHERE[name]
        meaning += f" in {where}, and {other} in {other_place}"
        return (
            f"{meaning}; write the offset itself, or name the place: --timezone {where}"
        )
    return f"{meaning}: write {offset}, or name the place: --timezone {where}"


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def _trap(name: str) -> str | None:
    """Say what is wrong with a name that the system may know, and that people misread."""
    upper = name.upper()
    if upper in ABBREVIATIONS:
        return _about_abbreviation(upper)
    if upper in _POSIX:
        return f"{upper} is a rule, not a place; write {_POSIX[upper]}"
    if name.lower() in _NOT_PLACES:
        return f"{_NOT_PLACES[name.lower()]}; {_EXAMPLE}"
    if re.match(r"(posix|right)/", name, re.IGNORECASE):
        return f"leave out what is before the first slash; {_EXAMPLE}"
    return _about_offset(name)


def _about_abbreviation(word: str) -> str:
    where = ABBREVIATIONS[word][1]
    known = f"{word} is the abbreviation of an offset"
    if word in _ALL_YEAR:
        known = f"{word} is {_ALL_YEAR[word]} all year, without daylight saving time"
    others = f" or {_ELSEWHERE[word][1]}" if word in _ELSEWHERE else ""
    return f"{known}; name the place, such as {where}{others}"


def _about_offset(name: str) -> str | None:
    """Say what is wrong with an offset that is given as a zone; None if the name is none."""
    match = re.fullmatch(
        r"(?:etc/)?(gmt|utc?)([+-]?)([0-9]{1,2})(?::?[0-9]{2})?", name, re.IGNORECASE
    )
    if match is not None and not int(match[3]):
        return "write UTC"
    if match is not None:
        return "such names are read with either sign (Etc/GMT+5 is five hours behind UTC); name the place"
    if re.fullmatch(r"[+-]?[0-9]{1,2}(:?[0-9]{2})?", name):
        return "an offset is not a zone: write it after the time, as in 2030-05-04 09:00-04:00, or name the place"
    return None


def _unknown(name: str) -> str:
    near = _near(name)
    hint = f"did you mean {' or '.join(near)}?" if near else _EXAMPLE
    return f"there is no such time zone; {hint}"


def _near(name: str) -> list[str]:
    """Find names that may be meant; at most three."""
    plain = re.sub(r"[\s_-]+", "_", name.strip()[:80]).lower()
    spoken = re.sub(r"(_standard|_daylight)?(_time)?$", "", plain).replace("_", " ")
    for words in (plain.replace("_", " "), spoken):
        if words in _SPOKEN:
            return [_SPOKEN[words]]
    by_name = {known.lower(): known for known in _names() if _trap(known) is None}
    if plain in by_name:
        return [by_name[plain]]
    by_city: dict[str, list[str]] = {}
    for lower, known in sorted(by_name.items()):
        by_city.setdefault(lower.rpartition("/")[2], []).append(known)
    city = plain.rpartition("/")[2]
    if city in by_city:
        return by_city[city][:3]
    if city.upper() in ABBREVIATIONS:
        return [ABBREVIATIONS[city.upper()][1]]
    close = difflib.get_close_matches(city, by_city, n=1, cutoff=0.8)
    return by_city[close[0]][:3] if close else []
