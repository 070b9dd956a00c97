"""Random times in every accepted form, and what random slips of the hand make of them.

Run alone, it tries as many as it is told: `python tests/cli/random_times.py 100000`.
"""

from __future__ import annotations

import itertools
import random
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dateutil import parser as other_parser
from smarterproctoring.time_forms import DATES, OFFSETS, TIMES
from smarterproctoring.times import TimeError, read_time

ZONES = [
    ZoneInfo(name)
    for name in (
        "America/New_York", "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo", "Europe/London",
        "Europe/Berlin", "Africa/Cairo", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo", "Australia/Lord_Howe",
        "Australia/Sydney", "Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati", "UTC",
    )
]  # fmt: skip
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]  # fmt: skip
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
SHORT_WEEKDAYS = {1: ["Tue", "Tues"], 2: ["Wed", "Weds"], 3: ["Thu", "Thur", "Thurs"]}
OFFSET_CHOICES = [timedelta(minutes=minutes) for minutes in range(-12 * 60, 14 * 60 + 1, 15)]
ALPHABET = "01234567890123456789 :-/.,+TZampst"


def month_names(number: int) -> list[str]:
    full = MONTHS[number - 1]
    return list(dict.fromkeys([full, full[:3], *(["Sept"] if number == 9 else [])]))


def suffix(day: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return "th" if 10 < day < 20 else ends.get(day % 10, "th")


def padded(number: int) -> list[str]:
    return list(dict.fromkeys([str(number), f"{number:02}"]))


def joined(*parts: list[str]) -> list[str]:
    """Return every concatenation of one of each."""
    return ["".join(chosen) for chosen in itertools.product(*parts)]


# -- every way to write a moment, by the names of the forms ------------------------------------------------------------

Writer = Callable[[datetime], list[str]]


def _year_first(mark: str) -> Writer:
    return lambda at: joined([f"{at:%Y}{mark}"], padded(at.month), [mark], padded(at.day))


def _words(at: datetime) -> list[str]:
    end = suffix(at.day)
    days = joined(padded(at.day), ["", ".", end, f"{end} of"])
    return joined(days, [" "], month_names(at.month), [" ", ", ", ". ", "., "], [f"{at:%Y}"])


def _hyphened(at: datetime) -> list[str]:
    return [text for mark in "-/" for text in joined(padded(at.day), [mark], month_names(at.month), [f"{mark}{at:%Y}"])]


def _american(at: datetime) -> list[str]:
    days = joined(padded(at.day), ["", suffix(at.day)])
    return joined(month_names(at.month), [" ", ". "], days, [" ", ", "], [f"{at:%Y}"])


def _year_words(at: datetime) -> list[str]:
    return [text for mark in "- " for text in joined([f"{at:%Y}{mark}"], month_names(at.month), [mark], padded(at.day))]


def _numbers(at: datetime, first: int, second: int) -> list[str]:
    return [text for mark in "-/." for text in joined(padded(first), [mark], padded(second), [f"{mark}{at:%Y}"])]


def _half(dot: str, seconds: str) -> Writer:
    def write(at: datetime) -> list[str]:
        hours = padded(at.hour % 12 or 12)
        half = "am" if at.hour < 12 else "pm"
        clock = f"{dot}{at:%M}{seconds and at.strftime(seconds)}" if dot else ""
        return joined(hours, [clock], ["", " "], [half, half.upper(), f"{half[0]}.m.", f"{half[0]}. m."])

    return write


def _clock(rest: str) -> Writer:
    return lambda at: joined(padded(at.hour), [at.strftime(rest)])


def _fractions(at: datetime) -> list[str]:
    digits = f"{at.microsecond:06}"
    short = [digits[:size] for size in range(1, 7) if not digits[size:].strip("0")]
    return joined(padded(at.hour), [at.strftime(":%M:%S")], [".", ","], [*short, f"{digits}0", f"{digits}123"])


DATE_WRITERS: dict[str, Writer] = {
    "YYYY-MM-DD": _year_first("-"),
    "YYYY/MM/DD": lambda at: _year_first("/")(at) + _year_first(".")(at),
    "YYYYMMDD": lambda at: [f"{at:%Y%m%d}"],
    "D Month YYYY": _words,
    "D-Month-YYYY": _hyphened,
    "Month D, YYYY": _american,
    "YYYY Month D": _year_words,
    "D/M/YYYY": lambda at: _numbers(at, at.day, at.month),
    "M/D/YYYY": lambda at: _numbers(at, at.month, at.day),
}
TIME_WRITERS: dict[str, tuple[timedelta, Writer]] = {
    "HH:MM": (timedelta(minutes=1), _clock(":%M")),
    "HH:MM:SS": (timedelta(seconds=1), _clock(":%M:%S")),
    "HH:MM:SS.f": (timedelta(microseconds=1), _fractions),
    "HHMM": (timedelta(minutes=1), lambda at: [f"{at:%H%M}"]),
    "HHMMSS": (timedelta(seconds=1), lambda at: [f"{at:%H%M%S}"]),
    "H am": (timedelta(hours=1), _half("", "")),
    "H:MM am": (timedelta(minutes=1), _half(":", "")),
    "H.MM am": (timedelta(minutes=1), _half(".", "")),
    "H:MM:SS am": (timedelta(seconds=1), _half(":", ":%S")),
    "noon": (timedelta(days=1), lambda _: ["noon", "12 noon", "Noon", "12:00 noon"]),
}
"""For each form: what it cannot say, and how it is written."""


def _sign(at: datetime) -> str:
    offset = at.utcoffset() or timedelta()
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{'-' if offset < timedelta() else '+'}{minutes // 60:02}{minutes % 60:02}"


def _signs(at: datetime) -> list[str]:
    """Return the offset as ±HHMM; no offset has either sign."""
    return ["+0000", "-0000"] if not at.utcoffset() else [_sign(at)]


OFFSET_WRITERS: dict[str, Writer] = {
    "Z": lambda at: ["Z"] if not at.utcoffset() else [],
    "UTC": lambda at: ["UTC", "GMT"] if not at.utcoffset() else [],
    "+HH:MM": lambda at: [f"{sign[:3]}:{sign[3:]}" for sign in _signs(at)],
    "+HHMM": _signs,
    "+HH": lambda at: [sign[:3] for sign in _signs(at) if sign.endswith("00")],
}


def weekday_names(at: datetime) -> list[str]:
    full = WEEKDAYS[at.weekday()]
    return [full, *SHORT_WEEKDAYS.get(at.weekday(), [full[:3]])]


# -- drawing ----------------------------------------------------------------------------------------------------------


class Drawn(NamedTuple):
    """A text, and what it has to be read as."""

    text: str
    zone: ZoneInfo
    day_first: bool | None
    moment: datetime
    form: str
    range_like: bool
    """Whether it has to be refused, because its negative offset may be the end of a range."""


def unambiguous(at: datetime, where: tzinfo) -> bool:
    placed = at.replace(tzinfo=where, fold=0)
    return placed.utcoffset() == at.replace(tzinfo=where, fold=1).utcoffset()


def draw(random_: random.Random) -> Drawn:
    """Draw a moment, a zone, and one way to write them."""
    zone = random_.choice(ZONES)
    at = datetime(1971, 1, 1) + timedelta(microseconds=random_.randrange(128 * 365 * 86_400 * 10**6))
    date_form, time_form = random_.choice(list(DATE_WRITERS)), random_.choice(list(TIME_WRITERS))
    unsaid, write_time = TIME_WRITERS[time_form]
    at -= (at - datetime(1971, 1, 1)) % unsaid
    if time_form == "noon":
        at = at.replace(hour=12)
    with_t = date_form in ("YYYY-MM-DD", "YYYYMMDD") and (time_form == "HHMMSS" or random_.random() < 0.5)
    if time_form == "HHMMSS" and not with_t:
        date_form, with_t = "YYYY-MM-DD", True
    if time_form == "HHMM" and date_form == "YYYY Month D":
        date_form = "D Month YYYY"
    time_first = not with_t and time_form != "HHMM" and random_.random() < 0.3
    has_offset = not unambiguous(at, zone) or random_.random() < 0.6
    offset = random_.choice(OFFSET_CHOICES) if random_.random() < 0.8 else timedelta()
    moment = at.replace(tzinfo=timezone(offset) if has_offset else zone)
    exact = with_t or "SS" in time_form
    offset_text = ""
    if has_offset:
        ways = [way for form in OFFSET_WRITERS if form != "+HH" or (exact and not time_first)
                for way in OFFSET_WRITERS[form](moment)]  # fmt: skip
        offset_text = random_.choice(ways)
    date = random_.choice(
        [text for text in DATE_WRITERS[date_form](at) if not with_t or re.fullmatch(r"\d{8}|\d{4}-\d\d-\d\d", text)]
    )
    time = random_.choice(write_time(at))
    weekday = f"{random_.choice(weekday_names(at))}{random_.choice([' ', ', ', '. ', '., '])}"
    weekday = weekday if random_.random() < 0.25 else ""
    space = random_.choice(["", " "])
    if time_first:
        gap = random_.choice([" ", ", ", " on "])
        word = offset_text in ("Z", "UTC", "GMT") and random_.random() < 0.5
        text = f"{time}{space}{offset_text}{gap}{weekday}{date}" if word else (
            f"{time}{gap}{weekday}{date}" + (f" {offset_text}" if offset_text else ""))  # fmt: skip
    else:
        gap = "T" if with_t else random_.choice([" ", ", ", " at ", ",", ", at "])
        text = f"{weekday}{date}{gap}{time}{space if offset_text else ''}{offset_text}"
    order = {"D/M/YYYY": True, "M/D/YYYY": False}.get(date_form)
    if order is None or (at.day > 12 and random_.random() < 0.5):
        order = random_.choice([True, False, None]) if order is None else None
    half = "m" in time_form.lower().replace("mm", "") or time_form == "noon"
    end = _sign(moment)[1:] if offset_text.startswith("-") else "0000"
    starts = [at, at.replace(hour=at.hour % 12 or 12)] if half else [at]
    end_minutes = int(end[:2]) * 60 + int(end[2:])
    start_minutes = [start.hour * 60 + start.minute for start in starts]
    follows = any(may_follow(start, end_minutes) for start in start_minutes)
    glued = half and not space and not time_first
    range_like = offset_text.startswith("-") and not exact and (follows or glued)
    return Drawn(_disguised(text, random_), zone, order, moment, f"{date_form} {time_form}", range_like)


def may_follow(start: int, end: int) -> bool:
    """Tell whether two times in minutes may be a start and an end, over midnight or over noon too."""
    span = end - start
    over_noon = start < 780 and end >= 60 and -720 < span <= -540
    return span > 0 or -1440 < span <= -1080 or over_noon


def _disguised(text: str, random_: random.Random) -> str:
    """Write it in another case, with other spaces or hyphens, as people and their programs do."""
    text = random_.choice([text, text, text.upper(), text.lower()])
    text = text.replace(" ", random_.choice([" ", " ", "  ", "\u00a0", "\u202f", "\t"]))
    text = text.replace("-", random_.choice(["-", "-", "-", "\u2011", "\u2010", "\u2212"]))
    return random_.choice(["", "", " "]) + text + random_.choice(["", "", " ", "\u00a0"])


def mutated(text: str, random_: random.Random) -> str:
    """Delete, insert, swap, repeat or replace one to three characters."""
    characters = list(text)
    for _ in range(random_.choice([1, 1, 1, 2, 3])):
        place = random_.randrange(len(characters)) if characters else 0
        what = random_.randrange(5)
        if what == 0:
            del characters[place : place + random_.choice([1, 1, 2])]
        elif what == 1:
            characters.insert(place, random_.choice(ALPHABET))
        elif what == 2 and place + 1 < len(characters):
            characters[place], characters[place + 1] = characters[place + 1], characters[place]
        elif what == 3 and characters:
            characters[place:place] = characters[place : place + random_.choice([1, 2, 5])]
        elif characters:
            characters[place] = random_.choice(ALPHABET)
    return "".join(characters)


# -- whether a reading is right, found without the grammar -------------------------------------------------------------


def plain(text: str) -> str:
    text = " ".join(text.split()).lower()
    return re.sub("[\u2010\u2011\u2212]", "-", text)


def says(text: str, moment: datetime, zone: ZoneInfo, day_first: bool | None) -> bool:
    """Tell whether this text is one of the ways to write this moment, by writing it in all of them."""
    whole = plain(text)
    cut = re.sub(r"(:\d\d:\d\d[.,]\d{6})\d{1,3}(?!\d)", r"\1", whole)  # below a microsecond
    return any(_says(way, moment, zone, day_first) for way in {whole, cut})


def _says(text: str, moment: datetime, zone: ZoneInfo, day_first: bool | None) -> bool:
    at = moment.replace(tzinfo=None)
    dates = {
        way.lower() for form, write in DATE_WRITERS.items() for way in write(at)
        if _order_fits(form, at, day_first)
    }  # fmt: skip
    times = {way.lower() for _, write in TIME_WRITERS.values() for way in write(at) if _time_fits(way, at)}
    offsets = {""}
    if moment.tzinfo is not zone:
        offsets = {way.lower() for write in OFFSET_WRITERS.values() for way in write(moment)}
    weekdays = {"", *(name.lower() + end for name in weekday_names(at) for end in (" ", ", ", ". ", "., ", ",", ".,"))}
    for date in dates:
        for found in re.finditer(re.escape(date), text):
            before, after = text[: found.start()], text[found.end() :]
            if before in weekdays and _time_then_offset(after, times, offsets):
                return True
            if _time_then_gap(before, after, times, offsets, weekdays):
                return True
    return False


def _order_fits(form: str, at: datetime, day_first: bool | None) -> bool:
    """Tell whether a date of numbers may be written in this order: it must not be readable in the other one too."""
    if form not in ("D/M/YYYY", "M/D/YYYY"):
        return True
    same_or_only = at.day > 12 or at.day == at.month
    return (day_first is None and same_or_only) or day_first == (form == "D/M/YYYY") or at.day == at.month


def _time_fits(way: str, at: datetime) -> bool:
    """Tell whether a way to write the time says all of it."""
    if "noon" in way.lower():
        return (at.hour, at.minute, at.second, at.microsecond) == (12, 0, 0, 0)
    numbers = re.findall(r"\d+", way)
    if re.fullmatch(r"\d{4}|\d{6}", numbers[0]):
        numbers = re.findall(r"\d\d", way)
    said = [int(number) for number in numbers[1:3]]
    rest = [at.minute, at.second][len(said) :]
    return not any(rest) and (len(numbers) > 3 or not at.microsecond)


def _time_then_offset(after: str, times: set[str], offsets: set[str]) -> bool:
    gap = re.match("t|(?:, ?| )(?:at )?", after)
    if gap is None:
        return False
    rest = after[gap.end() :]
    return any(
        rest.startswith(time) and (end := rest[len(time) :]).removeprefix(" ") in offsets and (end != " ")
        for time in times
    )


def _time_then_gap(before: str, after: str, times: set[str], offsets: set[str], weekdays: set[str]) -> bool:
    words = offsets & {"z", "utc", "gmt"}
    for time in times:
        if not before.startswith(time):
            continue
        rest = before[len(time) :]
        match = re.match("(?: ?(z|utc|gmt))?(?:, | )(?:on )?", rest)
        if match is None or rest[match.end() :] not in weekdays:
            continue
        if match[1]:
            return match[1] in words and not after
        return after.removeprefix(" ") in offsets and (not after or after.startswith(" "))
    return False


def looks_like_range(text: str) -> bool:
    """Tell whether the text has two clock times with a hyphen between them, the later one second."""
    match = re.search(r"(?<![\d:t.])(\d{1,2}):(\d\d) ?- ?(\d\d):?(\d\d)(?![\d:])", plain(text))
    if match is None or re.match(r"\d{4}-\d\d-\d\d", plain(text)[match.start(3) - 5 :]):
        return False
    return may_follow(int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4]))


def second_opinion(text: str, day_first: bool | None) -> datetime | None:
    """Return what another parser makes of it, as far as that can be relied on; naive or aware.

    dateutil drops what follows a dot before am or pm, knows no noon, takes the order of numbers as a wish, and reads
    year-first dates with slashes day first, so those are written in another way, or left out, first.
    """
    text = plain(text)
    try:
        return datetime.fromisoformat(text.replace("t", "T").replace("z", "Z"))
    except ValueError:
        pass
    text = re.sub(r"(?<!\d)(?<!\d[:/.-])(\d{1,2})\.(\d\d)(?= ?[ap]\.? ?m)", r"\1:\2", text)
    text = re.sub(r"([ap])\. ?m\.", r"\1m", text)
    text = re.sub(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3", text)
    if "12 noon" in text:  # or noon of the 12th
        return None
    text = text.replace("12:00 noon", "12:00").replace("noon", "12:00")
    text = re.sub(r"(:\d\d:\d\d),(?=\d)", r"\1.", text)
    text = re.sub(r"\b(?:sept)\b", "sep", text)
    text = re.sub(r",(?! )", ", ", text)
    if match := re.search(r"(?<!\d)(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", text):
        first, second = int(match[1]), int(match[2])
        day_first = day_first if day_first is not None else first > 12
        day, month = (first, second) if day_first else (second, first)
        text = text.replace(match[0], f"{match[3]}-{month:02}-{day:02}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            moment = other_parser.parse(text, default=datetime(1, 1, 1))
    except (ValueError, OverflowError, Warning):
        return None
    return None if moment.year == 1 else moment  # it took the date for a fraction of a second


# -- the two checks ---------------------------------------------------------------------------------------------------


def check_texts(number: int, seed: int) -> Counter[str]:
    """Read random texts in every form; each has to give its moment."""
    random_ = random.Random(seed)
    counts: Counter[str] = Counter()
    for _ in range(number):
        drawn = draw(random_)
        moment = _read(drawn.text, drawn)
        if isinstance(moment, str):
            assert drawn.range_like, f"{drawn.text!r} {moment} (a text in {drawn.form}, {drawn.day_first=})"
            assert "range" in moment
            counts["refused: may be a range"] += 1
            continue
        assert not drawn.range_like, f"{drawn.text!r} may be a range, and was read"
        assert moment == drawn.moment, f"{drawn.text!r}: {moment}, not {drawn.moment}"
        assert moment.utcoffset() == drawn.moment.utcoffset()
        _compare(drawn.text, moment, drawn.day_first, counts)
        counts["read"] += 1
        counts[drawn.form] += 1
    return counts


def _read(text: str, drawn: Drawn) -> datetime | str:
    """Return the moment that is read, or else why there is none."""
    try:
        return read_time(text, drawn.zone, day_first=drawn.day_first)
    except TimeError as error:
        return error.reason


def check_mutations(number: int, seed: int) -> Counter[str]:
    """Read random texts with slips; each is refused, or is itself a way to write the moment."""
    random_ = random.Random(seed)
    counts: Counter[str] = Counter()
    for _ in range(number):
        drawn = draw(random_)
        text = mutated(drawn.text, random_)
        moment = _read(text, drawn)
        if isinstance(moment, str):
            assert "ways; write" not in moment, f"{text!r} {moment}"
            counts["refused"] += 1
            continue
        assert says(text, moment, drawn.zone, drawn.day_first), f"{text!r} was read as {moment} ({drawn.day_first=})"
        assert not looks_like_range(text), f"{text!r} was read as {moment}"
        _compare(text, moment, drawn.day_first, counts)
        counts["read"] += 1
    return counts


def _compare(text: str, moment: datetime, day_first: bool | None, counts: Counter[str]) -> None:
    other = second_opinion(text, day_first)
    if other is None:
        counts["without a second opinion"] += 1
        return
    expected = moment if other.tzinfo is not None else moment.replace(tzinfo=None)
    assert other == expected, f"{text!r}: {moment}, and another parser says {other}"
    counts["confirmed by a second parser"] += 1


def forms() -> Iterator[tuple[set[str], set[str]]]:
    """Yield the forms of the table and those that are written here, of dates, times and offsets."""
    yield {form.form for form in DATES}, set(DATE_WRITERS)
    yield {form.form for form in TIMES}, set(TIME_WRITERS)
    yield {form.form for form in OFFSETS}, set(OFFSET_WRITERS)


def main(number: int, seed: int) -> None:
    """Print what was tried."""
    for name, check in (("texts", check_texts), ("texts with slips", check_mutations)):
        counts = check(number, seed)
        shown = {key: count for key, count in counts.items() if key[0].islower()}
        pairs = sum(1 for key in counts if not key[0].islower())
        print(f"{number:,} {name} (seed {seed}): " + ", ".join(f"{count:,} {key}" for key, count in shown.items())
              + (f"; {pairs} pairs of forms" if pairs else ""))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(10**6))
