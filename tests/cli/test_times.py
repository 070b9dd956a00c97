"""Times as people type them: read rightly, or refused with the mend, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from smarterproctoring.times import read_time, zone

NEW_YORK = zone("America/New_York")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-05-04 09:00", "2030-05-04T13:00:00+00:00"),
        ("4 May 2030 9am", "2030-05-04T13:00:00+00:00"),
        ("May 4th, 2030 9:30 pm", "2030-05-05T01:30:00+00:00"),
        ("Sat 4 May 2030 14:00", "2030-05-04T18:00:00+00:00"),
        ("20300504T0900", "2030-05-04T13:00:00+00:00"),
        ("13/04/2030 10:00", "2030-04-13T14:00:00+00:00"),  # no 13th month, so only one reading
        ("2030-01-15 09:00", "2030-01-15T14:00:00+00:00"),  # winter time
        ("2030-05-04T13:00:00Z", "2030-05-04T13:00:00+00:00"),
        ("2030-05-04 09:00 UTC", "2030-05-04T09:00:00+00:00"),
        ("2030-05-04 09:00 GMT", "2030-05-04T09:00:00+00:00"),
        ("2030-05-04 09:00 -0700", "2030-05-04T16:00:00+00:00"),
        ("2030-05-04T09:00:00.250+05:30", "2030-05-04T03:30:00.250000+00:00"),
    ],
)
def test_reads_what_people_write(text: str, expected: str) -> None:
    assert read_time(text, NEW_YORK).astimezone(UTC) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("03/04/2030 10:00", "day/month or month/day"),
        ("4.5.2030 09:00", "day/month or month/day"),
        ("10:00", "leaves out the date or the time"),
        ("4 May 9:00", "leaves out the date or the time"),
        ("2030-05-04", "leaves out the date or the time"),
        ("May 2030 10:00", "leaves out the date or the time"),
        ("Friday 9am", "leaves out the date or the time"),
        ("2030-05-04 09:00 EST", "time zone EST"),
        ("2030-05-04 09:00 CET", "time zone CET"),
        ("2030-05-04 09:00 GMT+3", "can be read in two ways"),
        ("2030-03-10 02:30", "does not exist in America/New_York"),
        ("2030-11-03 01:30", "happens twice in America/New_York"),
        ("Fri 4 May 2030 2pm", "a Saturday"),
        ("2030-02-30 10:00", "not a date and time"),
        ("2030-05-04 25:00", "not a date and time"),
        ("tomorrow", "not a date and time"),
        ("", "not a date and time"),
        ("9" * 400, "not a date and time"),
    ],
)
def test_refuses_what_could_mean_two_moments(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_time(text, NEW_YORK)


def test_a_time_without_a_zone_is_refused_with_the_mend() -> None:
    with pytest.raises(ValueError, match=r"no time zone.*--timezone"):
        read_time("2030-05-04 09:00")


@pytest.mark.parametrize(("day_first", "month"), [(True, 4), (False, 3)])
def test_the_order_can_be_named(day_first: bool, month: int) -> None:
    assert read_time("03/04/2030 10:00 UTC", day_first=day_first).month == month


def test_iso_dates_have_one_order_whatever_is_named() -> None:
    assert read_time("2030-04-05 10:00 UTC", day_first=True) == datetime(2030, 4, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "EST5EDT\0"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        zone(name)


def test_the_machines_own_zone_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with pytest.raises(ValueError, match="no time zone"):
        read_time("2030-05-04 09:00")
