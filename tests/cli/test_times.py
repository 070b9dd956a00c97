"""Times as people type them: read rightly, or refused with the reason and the fix, never guessed."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli import random_times
from smarterproctoring.time_forms import DATES, OFFSETS, TIMES, Form
from smarterproctoring.times import TimeError, length_problem, limit_problem, order_of, read_time
from smarterproctoring.zones import ABBREVIATIONS, ZoneError, zone

NEW_YORK = zone("America/New_York")
DOC = Path(__file__).resolve().parents[2] / "docs" / "reference" / "times.md"
NINE = "2030-05-04T09:00:00-04:00"
ORDERS = {"day first": True, "month first": False, "": None}


def read(text: str, order: str = "") -> datetime:
    return read_time(text, NEW_YORK, day_first=ORDERS[order])


def reason(text: str, order: str = "") -> str:
    with pytest.raises(TimeError) as caught:
        read(text, order)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("2030-05-04 09:00", "", NINE),
        ("2030-5-4 9:00", "", NINE),
        ("4 May 2030 9am", "", NINE),
        ("4 May 2030, 9 AM", "", NINE),
        ("4. May 2030 09:00", "", NINE),
        ("4th of May, 2030 9 a.m.", "", NINE),
        ("04-MAY-2030 09:00:00", "", NINE),
        ("May 4, 2030 at 9:00:00 AM", "", NINE),
        ("May 4th, 2030 9:30 pm", "", "2030-05-04T21:30:00-04:00"),
        ("2030 May 4 09:00", "", NINE),
        ("Sat 4 May 2030 14:00", "", "2030-05-04T14:00:00-04:00"),
        ("Saturday, May 4, 2030 9am", "", NINE),
        ("Sat, 04 May 2030 13:00:00 +0000", "", NINE),
        ("17 Sept. 2030 9:00", "", "2030-09-17T09:00:00-04:00"),
        ("9am 4 May 2030", "", NINE),
        ("9:00 on Saturday, 4 May 2030", "", NINE),
        ("13:00 UTC 4 May 2030", "", NINE),
        ("noon 4 May 2030", "", "2030-05-04T12:00:00-04:00"),
        ("4 May 2030 12 noon", "", "2030-05-04T12:00:00-04:00"),
        ("4 May 2030 12:00 noon", "", "2030-05-04T12:00:00-04:00"),
        ("12:00 noon on 4 May 2030", "", "2030-05-04T12:00:00-04:00"),
        ("2030-05-04 12:00-04:00", "", "2030-05-04T12:00:00-04:00"),
        ("2030-05-04 09:00-04:00", "", "2030-05-04T09:00:00-04:00"),
        ("2030-05-04 13:00-03:00", "", "2030-05-04T13:00:00-03:00"),
        ("2030-05-04 10:00-00:00", "", "2030-05-04T10:00:00+00:00"),
        ("9:00 4 May 2030 -04:00", "", NINE),
        ("4 May 2030 12am", "", "2030-05-04T00:00:00-04:00"),
        ("4 May 2030 12:30 am", "", "2030-05-04T00:30:00-04:00"),
        ("4 May 2030 12pm", "", "2030-05-04T12:00:00-04:00"),
        ("20300504T0900", "", NINE),
        ("20300504T130000Z", "", NINE),
        ("4 May 2030 0900", "", NINE),
        ("2030-01-15 09:00", "", "2030-01-15T09:00:00-05:00"),  # winter time
        ("2030-05-04T13:00:00Z", "", NINE),
        ("2030-05-04t13:00:00z", "", NINE),
        ("2030-05-04 09:00 UTC", "", "2030-05-04T09:00:00+00:00"),
        ("2030-05-04 09:00 GMT", "", "2030-05-04T09:00:00+00:00"),
        ("2030-05-04 09:00 -0700", "", "2030-05-04T09:00:00-07:00"),
        ("2030-05-04 09:00:00-04", "", NINE),
        ("2030-05-04 17:00-04:00", "", "2030-05-04T17:00:00-04:00"),
        ("2030-05-04 23:00:00-01:00", "", "2030-05-04T23:00:00-01:00"),
        ("2030-05-04T09:00-11:00", "", "2030-05-04T09:00:00-11:00"),
        ("4 May 2030 9am -04:00", "", NINE),
        ("2030-05-04T09:00:00.250+05:30", "", "2030-05-04T09:00:00.250+05:30"),
        ("2030-05-04T13:00:00.0000000Z", "", NINE),  # .NET writes seven digits
        ("2030-05-04T09:00:00+14:00", "", "2030-05-04T09:00:00+14:00"),
        ("2030-05-04T09:00:00-12:00", "", "2030-05-04T09:00:00-12:00"),
        # A dot before am or pm stands for a colon.
        ("4 May 2030 10.55 am", "", "2030-05-04T10:55:00-04:00"),
        ("4 May 2030 11.30pm", "", "2030-05-04T23:30:00-04:00"),
        ("2030-05-04 12.45 PM", "", "2030-05-04T12:45:00-04:00"),
        ("9.05 a.m. 4 May 2030", "", "2030-05-04T09:05:00-04:00"),
        # Numbers: an order, or only one reading.
        ("13/04/2030 10:00", "", "2030-04-13T10:00:00-04:00"),
        ("04.13.2030 10:00", "", "2030-04-13T10:00:00-04:00"),
        ("05-05-2030 10:00", "", "2030-05-05T10:00:00-04:00"),
        ("03/04/2030 10:00", "day first", "2030-04-03T10:00:00-04:00"),
        ("03/04/2030 10:00", "month first", "2030-03-04T10:00:00-05:00"),
        ("13/04/2030 10:00", "day first", "2030-04-13T10:00:00-04:00"),
        ("4/13/2030, 10:00:00 AM", "month first", "2030-04-13T10:00:00-04:00"),
        # Year first: no order is asked for.
        ("2030/04/05 09:00", "day first", "2030-04-05T09:00:00-04:00"),
        ("2030.04.05 09:00", "day first", "2030-04-05T09:00:00-04:00"),
        ("20300405 0900", "day first", "2030-04-05T09:00:00-04:00"),
        ("2030-04-05 0900", "month first", "2030-04-05T09:00:00-04:00"),
        ("2030/05/04 09:00", "", NINE),
        # What word processors and spreadsheets make of spaces and hyphens.
        ("2030\u201105\u201104 09:00", "", NINE),
        ("2030\u201005\u201004 09:00 \u221204:00", "", NINE),
        ("5/14/2030\u202f9:00\u202fAM", "", "2030-05-14T09:00:00-04:00"),
        ("\t4 May\u00a02030  9am\u2009", "", NINE),
    ],
)
def test_reads_what_people_write(text: str, order: str, expected: str) -> None:
    assert read(text, order) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("4 May 2030 9am-11am", "4 May 2030 9:00am-5pm", "9:00-11:00 4 May 2030", "4 May 2030 9am 10am",
          "4 May 2030 9am - 11am", "4 May 2030 9 to 11 am", "4 May 2030 9-11am", "4 May 2030 9:00/10:00",
          "4 May 2030 noon-3pm", "2030-05-04 09:00 - 10:30", "2030-05-04T09:00Z/2030-05-04T10:00Z"), "names two times"),
        (("2030-05-04 09:00-10:30", "2030-05-04 0900-1100", "2030-05-04 09:00 -1100", "4 May 2030 9am -11:00",
          "4 May 2030 9am-04:00", "4 May 2030 noon-04:00", "2030-05-04 01:00-04:00", "4 May 2030 7:30pm -07:45",
          "2030-05-04 23:00-01:00", "4 May 2030 22:00 -0400", "4 May 2030 11pm -02:00",
          "9:00 4 May 2030 -11:00", "9am 4 May 2030 -1000", "22:00, 4 May 2030 -02:00",
          "2030-05-04 10:00-01:00", "2030-05-04 11:30 -0230", "4 May 2030 12:30 -03:30", "10:00 4 May 2030 -01:00"),
         "may be a range"),
        (("4-5 May 2030 9am", "4/5 May 2030 9am", "22-23 February 9:00", "May 4-5, 2030 9am", "4th-5th May 2030 9am"),
         "names two days"),
        (("4 May 2030\u20135 May 2030 9am", "2030-05-04 09:00\u201310:30"), r"U\+2013 \(EN DASH\)"),
        (("30-05-04 9am", "04/05/30 9am", "17 Sept 23 9:00", "May 4, '30 9am", "4-May-30 09:00"), "two digits"),
        (("1530 4 May 2030", "1000 May 4 2030", "2000 May 4 2030"), "may be a time or a year"),
        (("03/04/2030 10:00", "4.5.2030 09:00", "12-11-2030 09:00"), "day/month or month/day"),
        (("2030-05-04T09:00:00Z-0400", "2030-05-04 09:00 UTC+04:00 Z", "2030-05-04T09:00:00-0400-0400",
          "2030-05-04 09:00 UTC Z", "2030-05-04 09:00 -04:00 UTC"), "two zones|either sign"),
        (("2030-05-04T09:00:00+0060", "2030-05-04T09:00:00-1500", "2030-05-04 09:00+24:00",
          "2030-05-04T09:00+14:15", "2030-05-04T09:00:00-12:15"), "an offset that no place has"),
        (("4 May 2030 09:30 A", "4 May 2030 09:30 P", "2030-05-04 09:00 E"), "single letter"),
        (("2030-05-04 09:00 GMT+3", "2030-05-04 09:00 UTC-4"), "either sign"),
        (("2030-05-04 09:00 +4", "2030-05-04 09:00 +1:00", "2030-05-04 09:00 +2"), "not written as"),
        (("10:00", "4 May 9:00", "May 2030 10:00", "Friday 9am", "May 4 9am"), "leaves out the date"),
        (("2030-05-04", "4 May 2030", "4 May 2030 9", "2030-05-04 09", "2030-05-04T"), "leaves out the time"),
        (("31 April 2030 9am", "2030-04-31 09:00", "31/04/2030 09:00"), "April has 30 days"),
        (("2030-02-30 10:00", "30 Feb 2030 10am"), "February 2030 has 28 days"),
        (("2028-02-30 10:00",), "February 2028 has 29 days"),
        (("0 May 2030 9am", "2030-01-00 09:00"), "does not exist"),
        (("2030-13-04 09:00", "2030/25/05 09:00", "20301304 0900", "31/31/2030 9am"), "no month from 1 to 12"),
        (("2030-05-04 25:00", "2030-05-04 09:60", "2030-05-04 09:00:60", "2030-05-04 0960"), "a time that does not"),
        (("2030-05-04 24:00", "2030-05-04T24:00:00Z"), "00:00 of the next day"),
        (("4 May 2030 13pm", "4 May 2030 0:30 am", "4 May 2030 14.30 pm"), "not from 1 to 12"),
        (("4nd May 2030 9am", "May 1th, 2030 9am", "11st May 2030 9am"), "wrong ending"),
        (("Fri 4 May 2030 2pm", "Mon, 04 May 2030 09:00:00 -0400", "9am on Sunday 2030-05-04"), "which is a Saturday"),
        (("4 May 2030 midnight", "midnight 4 May 2030", "4 May 2030 12 midnight"), "either end of the day"),
        (("2030-W18-6 09:00", "2030W186T0900"), "week date"),
        (("2030-124 09:00",), "number of the year"),
        (("tomorrow 9am", "next Friday 9am", "today 10:00"), "no date of its own"),
        (("2030-05-04 09:00 America/New_York", "2030-05-04T09:00-04:00[America/New_York]"), "--timezone instead"),
        (("4 Mai 2030 9:00", "soon", "4 Octobre 2030 9:00"), "not a month or a day"),
        (("4 M\u00e4rz 2030 9:00",), "other than A to Z"),
        (("\uff12030-05-04 09:00",), r"U\+FF12 \(FULLWIDTH DIGIT TWO\)"),
        (("2030-05-04 09:00\u200e",), r"U\+200E \(LEFT-TO-RIGHT MARK\)"),
        (("2030-05-04 09:00\x00",), r"U\+0000 \(a control character\)"),
        (("0001-01-01T00:00:00+14:00", "1899-12-30 09:00", "9999-12-31 09:00", "0000-05-04 09:00"), "out of range"),
        (("", "12345", "-", "2030", "9.30 4/5", "4 May 2030 5 May 2030 9am"), "accepted form"),
        (("14.05.2030 9 Uhr", "14.05.2030 9:00h", "14.05.2030 9h30", "14-05-2030 0900 hrs", "4 May 2030 9 o'clock"),
         "after the hour; write the time as 09:00"),
        (("14.05.2030 09.00", "4 May 2030 at 9.30", "4-May-2030 09.00.00 AM", "14.05.2030, 09.30", "9.30 14.05.2030"),
         "a time with dots; write colons"),
        (("14. 05. 2030 09:00", "2030. 5. 4. 09:00", "14 / 05 / 2030 09:00", "05 04 2030 09:00", "2030 05 04 09:00"),
         "spaces within its date"),
        (("Sat May 4 09:00:00 2030", "Sat May 4 13:00:00 UTC 2030"), "the year after the time"),
        (("4 May 2030 - 9am", "4 May 2030: 9am", "2030-05-04-09:00", "4/May/2030:09:00:00"), "between the date and"),
        (("2030-05-04T09-00-00",), "hyphens in its time"),
        (("4May2030 9am", "04MAY2030 09:00", "May4 2030 9am"), "no space next to its month"),
        (("May-04-2030 09:00", "May/04/2030 09:00"), "write May 4, 2030"),
        (("2030/05/14T09:00", "2030-05-04 T 09:00", "4 May 2030T09:00"), "the letter T in another place"),
        (("4 May 2030 9.30 a.m", "4 May 2030 9AM.", "4 May 2030 9 A M"), "write am, pm, a.m. or p.m."),
        (("2030-05-04 9:5", "2030-05-04 09 : 00", "2030-05-04 09: 00"), "not written as HH:MM"),
        (("20300504 090000",), "six digits"),
        (("2030-05-04 midday",), "write noon"),
        (("on 4 May 2030 at 9am",), "begins with a word"),
        (("2030-05-04_09:00", "4 May 2030 @ 9am", '"2030-05-04 09:00"', "2030-05-04 09:00 (UTC)", "2030-05-04;09:00",
          "4 May 2030 | 9am", "2030-05-04 09:00?"), "has the character"),
        (("2030-05-04 09:00.", "4 May 2030 9 am,"), "punctuation mark"),
        (("9" * 400,), "too long"),
    ],
)  # fmt: skip
def test_refuses_what_is_ambiguous_or_in_no_accepted_form(texts: tuple[str, ...], expected: str) -> None:
    for text in texts:
        assert re.search(expected, reason(text)), (text, reason(text))


@pytest.mark.parametrize("text", ["Maureen", "4 May 2031 9am Maureen", "Maureen/Smith 9am", "7391 4/5 Maureen"])
def test_a_reason_quotes_nothing_of_the_text(text: str) -> None:
    assert not set(re.findall(r"\w{3,}", text)) & set(re.findall(r"\w{3,}", reason(text))) - {"May"}


@pytest.mark.parametrize(
    ("text", "order"),
    [("05/25/2030 09:00", "day first"), ("13/04/2030 09:00", "month first"), ("31-1-2030 09:00", "month first")],
)
def test_an_option_that_contradicts_the_text_is_an_error(text: str, order: str) -> None:
    assert f"contradicts --{order.replace(' ', '-')}" in reason(text, order)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("EDT", "EDT is -04:00: write -04:00, or name the place: --timezone America/New_York"),
        ("EST", "EST is -05:00"),
        ("pdt", "PDT is -07:00: write -07:00"),
        ("CEST", r"CEST is \+02:00"),
        ("CST", r"CST is -06:00 in America/Chicago, and \+08:00 in Asia/Shanghai"),
        ("BST", r"BST is \+01:00 in Europe/London, and \+06:00"),
        ("ET", "--timezone America/New_York"),
        ("Eastern", "names a time zone, and not by an offset: leave it out"),
        ("MEZ", r"MEZ is \+01:00: write \+01:00, or name the place: --timezone Europe/Berlin"),
        ("MESZ", r"MESZ is \+02:00"),
    ],
)
def test_an_abbreviation_is_refused_with_what_it_means(word: str, hint: str) -> None:
    assert re.search(hint, reason(f"4 May 2030 9am {word}"))
    assert re.search(hint, reason(f"2030-05-04T09:00:00 {word}"))


@pytest.mark.parametrize("word", sorted(ABBREVIATIONS))
def test_the_offset_in_a_hint_is_one_that_the_place_has(word: str) -> None:
    offset, name = ABBREVIATIONS[word]
    where = zone(name)
    seen = {f"{datetime(2030, month, 15, tzinfo=where):%Z %z}" for month in (1, 7)}
    offsets = {shown.split()[1] for shown in seen}
    assert offset.replace(":", "") in offsets
    abbreviated = [shown for shown in seen if shown.split()[0] == word]
    assert not abbreviated or abbreviated == [f"{word} {offset.replace(':', '')}"]


def test_hours_that_the_clocks_skip_or_repeat_are_refused() -> None:
    assert "does not exist in America/New_York: the clocks skip it" in reason("2030-03-10 02:30")
    assert "does not exist" in reason("10 March 2030 2.30 am")
    repeated = reason("2030-11-03 01:30")
    assert "happens twice in America/New_York" in repeated
    assert "-04:00 for the first, -05:00 for the second" in repeated
    assert read("2030-11-03T01:30:00-05:00") == datetime(2030, 11, 3, 6, 30, tzinfo=UTC)
    assert "--timezone" in reason("2030-11-03 01:30 EST")


def test_a_time_without_a_zone_is_refused_with_the_fix() -> None:
    for text in ("2030-05-04 09:00", "4 May 2030 9am"):
        with pytest.raises(TimeError, match=r"no time zone.*--timezone"):
            read_time(text)


def test_the_machines_own_zone_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with pytest.raises(TimeError, match="no time zone"):
        read_time("2030-05-04 09:00")
    assert "JST" in reason("2030-05-04 09:00 JST")


# -- the table --------------------------------------------------------------------------------------------------------


def test_the_documentation_has_the_table_of_the_code() -> None:
    rows = re.findall(r"^\| (.+?) \| `(.+?)` \| (.*?) ?\|$", DOC.read_text(), re.MULTILINE)
    assert rows == [(form.form, form.example, form.note) for form in (*DATES, *TIMES, *OFFSETS)]


@pytest.mark.parametrize("date", DATES, ids=lambda form: form.form)
@pytest.mark.parametrize("time", TIMES, ids=lambda form: form.form)
def test_every_example_of_the_table_is_read(date: Form, time: Form) -> None:
    mark = "T" if time.where == "T" else " "
    example = "2030-05-04" if mark == "T" else date.example
    if date.form == "YYYY Month D" and time.where == "date":
        assert "may be a time or a year" in reason(f"{example} {time.example}")
        return
    moment = read(f"{example}{mark}{time.example}")
    assert moment.date().isoformat() in ("2030-05-04", "2030-05-31")
    assert moment.hour in (9, 12)


@pytest.mark.parametrize("offset", OFFSETS, ids=lambda form: form.form)
def test_every_example_of_an_offset_is_read(offset: Form) -> None:
    expected = "2030-05-04T09:00:00+00:00" if offset.form in ("Z", "UTC") else NINE
    assert read(f"2030-05-04T09:00{offset.example}") == datetime.fromisoformat(expected)


def test_the_short_way_for_common_texts_reads_what_the_table_reads() -> None:
    random_ = random.Random(1)
    kinds: set[str] = set()
    for _ in range(3000):
        moment = datetime(1900, 1, 1) + timedelta(seconds=random_.randrange(300 * 365 * 86_400))
        text = moment.isoformat(random_.choice("T "), random_.choice(["minutes", "seconds", "milliseconds"]))
        text += random_.choice(["", "Z"])
        if random_.random() < 0.2:
            text = text[:14] + random_.choice(["60", "59"]) + text[16:]
        results = [_result(text), _result(f"{text} ")]  # a space at the end is not for the short way
        assert results[0] == results[1]
        kinds.add(type(results[0]).__name__)
    assert kinds == {"datetime", "str"}


def _result(text: str) -> datetime | str:
    try:
        return read(text)
    except TimeError as error:
        return error.reason


# -- random texts -----------------------------------------------------------------------------------------------------


def test_the_random_texts_cover_the_table() -> None:
    for table, written in random_times.forms():
        assert table == written


@pytest.mark.slow
def test_every_form_reads_back_to_its_moment() -> None:
    counts = random_times.check_texts(4000, seed=1)
    assert counts["read"] > 3500
    assert counts["confirmed by a second parser"] > 3000


@pytest.mark.slow
def test_texts_with_slips_are_read_rightly_or_refused() -> None:
    counts = random_times.check_mutations(2500, seed=1)
    assert counts["read"] > 100
    assert counts["refused"] > 1500


# -- limits -----------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("4 May 2004 9am", "--allow-past"),
        ("2026-11-29T11:59:59Z", "--allow-past"),
        ("2026-11-29T12:00:00Z", None),
        ("4 May 2027 9am", None),
        ("2028-11-29T12:00:00Z", None),
        ("2028-11-29T12:00:01Z", "--allow-far"),
        ("4 May 2130 9am", "--allow-far"),
    ],
)
def test_the_past_and_the_far_future_are_named(text: str, problem: str | None) -> None:
    found = limit_problem(read(text), NOW, allow_past=False, allow_far=False)
    assert (found is None) == (problem is None)
    assert found is None or (problem and problem in found)
    assert limit_problem(read(text), NOW, allow_past=True, allow_far=True) is None


@pytest.mark.parametrize(
    ("hours", "problem"), [(2.0, None), (24.0, None), (24.01, "--allow-long"), (24 * 365.0, "--allow-long")]
)
def test_an_end_long_after_its_start_is_named(hours: float, problem: str | None) -> None:
    end = NOW + timedelta(hours=hours)
    found = length_problem(NOW, end, allow_long=False)
    assert (found is None) == (problem is None)
    assert found is None or (problem and problem in found)
    assert length_problem(NOW, end, allow_long=True) is None


@pytest.mark.parametrize(
    ("text", "day_first"),
    [
        ("31/05/2030 9:00", True),
        ("9am 31.5.2030", True),
        ("05/31/2030 9:00 AM", False),
        ("05/04/2030 9:00", None),
        ("2030-05-31 9:00", None),
        ("31 May 2030 9am", None),
        ("soon", None),
    ],
)
def test_the_order_that_numbers_can_only_have(text: str, day_first: bool | None) -> None:
    assert order_of(text) is day_first


def test_two_years_after_a_leap_day() -> None:
    leap = datetime(2028, 2, 29, tzinfo=UTC)
    assert limit_problem(datetime(2030, 2, 28, tzinfo=UTC), leap, allow_past=False, allow_far=False) is None
    assert limit_problem(datetime(2030, 3, 1, tzinfo=UTC), leap, allow_past=False, allow_far=False) is not None


# -- zones ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (("EST", "MST", "HST"), "all year, without daylight saving time; name the place"),
        (("CET", "EET", "MET", "WET", "EDT", "PST", "BST", "est"), "name the place, such as"),
        (("EST5EDT",), "write America/New_York"),
        (("PST8PDT",), "write America/Los_Angeles"),
        (("Etc/GMT+5", "Etc/GMT-3", "GMT+5", "UTC+3", "utc-4", "Etc/GMT+12", "GMT+05:30"), "either sign"),
        (("Etc/GMT0", "GMT0", "GMT+0", "GMT-0", "Etc/GMT-0"), "write UTC"),
        (("localtime", "local"), "whichever machine"),
        (("posixrules",), "rule file"),
        (("Factory",), "placeholder"),
        (("posix/America/New_York", "right/Europe/Berlin", "right/UTC"), "before the first slash"),
        (("+03:00", "-0400", "5"), "an offset is not a zone"),
        (("america/new_york", "America/New York", "New York", "new_york", "Eastern Standard Time", "Eastern", "ET",
          "Amerca/New_York", "America/NewYork"), r"did you mean America/New_York\?"),
        (("GMT Standard Time",), r"did you mean Europe/London\?"),
        (("America/EST",), r"did you mean America/New_York\?"),
        (("Asia/Bangalore", "America/"), "give an IANA name such as"),
        (("MEZ", "MESZ"), "such as Europe/Berlin"),
        (("berlin", "Europe/berlin"), r"did you mean Europe/Berlin\?"),
        (("Mars/Olympus", "", "../etc/passwd", "EST5EDT\0", "/etc/localtime", "x" * 500), "there is no such time zone"),
    ],
)  # fmt: skip
def test_zones_that_are_traps_or_unknown_are_refused_with_the_right_name(names: tuple[str, ...], hint: str) -> None:
    for name in names:
        with pytest.raises(ZoneError) as caught:
            zone(name)
        assert re.search(hint, caught.value.reason), (name, caught.value.reason)


@pytest.mark.parametrize("name", ["UTC", "GMT", "Etc/UTC", "America/New_York", "US/Eastern", "Asia/Kolkata"])
def test_names_of_places_are_taken(name: str) -> None:
    assert str(zone(name)) == name
