"""What was asked for, compared with what a read shows: times as moments, other text after trimming, nothing guessed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smarterproctoring.comparison import compare, unknown
from smarterproctoring.wire_times import wire_time
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.records import Hidden
from smarterproctoring_generated.results import Check, Difference

START = "2030-05-04T13:00:00.000Z"
END = "2030-05-04T15:00:00.000Z"
SEEN_AT = datetime(2030, 1, 1, tzinfo=UTC)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For a busy machine: what hypothesis says of time there is about the machine."""
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def checked(asked: Mapping[str, object], answer: object) -> Check:
    return compare(RESCHEDULE_EXAM_SESSION, Hidden(asked), Hidden(answer), SEEN_AT)


def start_as(seen: object) -> Check:
    return checked({"appointmentStartDateTime": START}, {"appointmentDate": seen})


@pytest.mark.parametrize(
    "seen",
    [
        START,
        "2030-05-04T13:00:00Z",
        "2030-05-04T13:00Z",
        "2030-05-04 13:00:00+00:00",
        "2030-05-04T09:00:00-04:00",
        "2030-05-04T18:30:00.000000+05:30",
        "20300504T130000Z",
        "2030-W18-6T13:00:00Z",
        " 2030-05-04T13:00:00Z\n",
        "2030-05-04t13:00:00.000z",
        "2030-05-04 09:00:00 -0400",
        "2030-05-04T13:00:00,0Z",
        "2030-05-04T13:00:00.000000000+00",
    ],
)
def test_a_time_is_compared_as_a_moment(seen: str) -> None:
    assert start_as(seen) == Check("as_asked", seen_at=SEEN_AT)


@pytest.mark.parametrize(
    "seen",
    [
        None,
        "",
        "2030-05-04T13:00:00",
        "2030-05-04",
        "2030-05-04T13:00:00 America/New_York",
        "Sat, 04 May 2030 13:00:00 GMT",
        "04/05/2030 13:00Z",
        "2030-05-04T25:00:00Z",
        "2030-02-30T13:00:00Z",
        "2030-05-03T24:00:00Z",
        "2030-05-04T13:00:60Z",
        "20300504013000Z",  # half past one, which Python reads as thirteen
        "2030-05-04T13.0Z",  # a fraction of the hour, which Python reads as one of a second
        "2030-05-04T13:00.0Z",
        "2030-05-04T13:00:00.000000abcZ",
        "2030-05-04X13:00:00Z",
        "soon",
        "\ud800",
        1904129600,
        1904129600.0,
        True,
        [START],
        {"date": START},
    ],
)
def test_what_is_not_a_moment_cannot_be_compared(seen: object) -> None:
    check = start_as(seen)
    assert (check.verdict, check.differences) == ("unknown", ())
    assert check.not_compared == ("appointmentStartDateTime",)
    assert "no time" in check.reason
    assert check.seen_at == SEEN_AT


def test_a_missing_property_cannot_be_compared() -> None:
    assert checked({"appointmentStartDateTime": START}, {}).verdict == "unknown"


@pytest.mark.parametrize("answer", [None, [], [{"appointmentDate": START}], START, 1, True])
def test_an_answer_that_is_not_an_object_shows_nothing(answer: object) -> None:
    check = checked({"appointmentStartDateTime": START, "notes": "x"}, answer)
    assert check.verdict == "unknown"
    assert check.not_compared == ("appointmentStartDateTime", "notes")
    assert "not a JSON object" in check.reason


def test_a_difference_says_which_field_and_both_values() -> None:
    check = checked(
        {"appointmentStartDateTime": START, "appointmentEndDateTime": END},
        {"appointmentDate": "2030-05-04T08:00:00-04:00", "appointmentEndDate": END},
    )
    assert check.verdict == "different"
    assert check.differences == (Difference("appointmentStartDateTime", START, "2030-05-04T12:00:00.000Z"),)
    assert (check.not_compared, check.reason, check.seen_at) == ((), "", SEEN_AT)


def test_a_difference_below_a_millisecond_is_shown() -> None:
    check = start_as("2030-05-04T13:00:00.0004Z")
    assert check.differences == (Difference("appointmentStartDateTime", START, "2030-05-04T13:00:00.000400Z"),)


def test_one_difference_outweighs_what_agrees() -> None:
    asked = {"appointmentStartDateTime": START, "notes": "moved"}
    check = checked(asked, {"appointmentDate": START, "notes": "as before"})
    assert check.verdict == "different"
    assert check.differences == (Difference("notes", "moved", "as before"),)


def test_other_text_is_compared_after_trimming() -> None:
    asked = {"appointmentStartDateTime": START, "notes": " moved\n"}
    assert checked(asked, {"appointmentDate": START, "notes": "moved "}).verdict == "as_asked"
    assert checked(asked, {"appointmentDate": START, "notes": "Moved"}).verdict == "different"


@pytest.mark.parametrize("seen", [None, 5, ["moved"], {"text": "moved"}])
def test_text_that_is_not_shown_as_text_is_named(seen: object) -> None:
    asked = {"appointmentStartDateTime": START, "notes": "moved", "type": "proctoru", "more": 1}
    check = checked(asked, {"appointmentDate": START, "notes": seen})
    assert (check.verdict, check.not_compared) == ("as_asked", ("notes", "type", "more"))


def test_text_alone_never_confirms() -> None:
    assert checked({"notes": "moved"}, {"notes": "moved", "appointmentDate": START}).verdict == "unknown"
    assert checked({"notes": "moved"}, {"notes": "other"}).verdict == "different"


@pytest.mark.parametrize(
    ("seen", "verdict", "not_compared"),
    [
        (START, "unknown", ("appointmentStartDateTime", "appointmentDateTime")),
        (END, "unknown", ("appointmentStartDateTime", "appointmentDateTime")),
        ("2030-05-04T14:00:00Z", "different", ()),
    ],
)
def test_two_fields_with_different_values_that_one_property_shows(
    seen: str, verdict: str, not_compared: tuple[str, ...]
) -> None:
    asked = {"appointmentStartDateTime": START, "appointmentDateTime": END}
    check = checked(asked, {"appointmentDate": seen})
    assert (check.verdict, check.not_compared) == (verdict, not_compared)


def test_two_fields_with_the_same_value_that_one_property_shows() -> None:
    asked = {"appointmentStartDateTime": START, "appointmentDateTime": START}
    assert checked(asked, {"appointmentDate": START}).verdict == "as_asked"
    assert len(checked(asked, {"appointmentDate": END}).differences) == 2


def test_a_disputed_property_does_not_hide_what_the_others_show() -> None:
    asked = {"appointmentStartDateTime": START, "appointmentDateTime": END, "appointmentEndDateTime": END}
    assert checked(asked, {"appointmentDate": START, "appointmentEndDate": END}).verdict == "as_asked"
    assert checked(asked, {"appointmentDate": START, "appointmentEndDate": START}).verdict == "different"


def test_a_moment_at_the_edge_of_the_calendar_is_shown_as_it_is() -> None:
    check = start_as("0001-01-01T00:00:00+14:00")
    assert [one.seen for one in check.differences] == ["0001-01-01T00:00:00+14:00"]


@BUSY
@given(MOMENTS, OFFSETS, st.sampled_from(["T", " ", "t"]), st.sampled_from(["", " ", "\n"]))
def test_any_moment_in_any_offset_is_as_asked(moment: datetime, offset: timezone, between: str, around: str) -> None:
    asked = {"appointmentStartDateTime": wire_time(moment.isoformat())}
    seen = around + moment.astimezone(offset).isoformat(sep=between) + around
    assert checked(asked, {"appointmentDate": seen}).verdict == "as_asked"


@BUSY
@given(MOMENTS, MOMENTS, OFFSETS)
def test_any_other_moment_is_different(moment: datetime, other: datetime, offset: timezone) -> None:
    asked = {"appointmentStartDateTime": wire_time(moment.isoformat())}
    check = checked(asked, {"appointmentDate": other.astimezone(offset).isoformat()})
    assert (check.verdict == "as_asked") is (moment == other)
    assert check.verdict != "unknown"


@BUSY
@given(MOMENTS, OFFSETS)
def test_a_moment_without_its_offset_never_counts(moment: datetime, offset: timezone) -> None:
    asked = {"appointmentStartDateTime": wire_time(moment.isoformat())}
    naive = moment.astimezone(offset).replace(tzinfo=None).isoformat()
    assert checked(asked, {"appointmentDate": naive}).verdict == "unknown"


@BUSY
@given(
    st.dictionaries(st.sampled_from([field.name for field in RESCHEDULE_EXAM_SESSION.fields] + ["more"]), JSON),
    st.dictionaries(st.sampled_from(["appointmentDate", "appointmentEndDate", "notes"]), JSON | st.just(START)) | JSON,
)
def test_no_answer_raises_and_each_field_has_one_finding(asked: dict[str, Any], answer: Any) -> None:
    check = checked(asked, answer)
    different = [one.field for one in check.differences]
    assert set(different).isdisjoint(check.not_compared)
    assert set(different) | set(check.not_compared) <= set(asked)
    assert (check.verdict == "different") is bool(different)
    assert (check.verdict == "unknown") is bool(check.reason)
    if check.verdict == "as_asked":
        assert set(asked) > set(check.not_compared)
    assert pickle.loads(pickle.dumps(check)) == check
    json.dumps(check, default=str)


def test_no_repr_shows_what_is_about_a_person() -> None:
    asked = {"appointmentStartDateTime": START, "notes": "for Ada"}
    check = checked(asked, {"appointmentDate": END, "notes": "for Grace"})
    assert "Ada" not in repr(check)
    assert "Grace" not in repr(check)
    assert START in repr(check)


@pytest.mark.parametrize("born", ["1980-05-04", "19800504", "1980-05-04T00:00:00"])
def test_a_date_in_other_text_is_not_shown(born: str) -> None:
    shown = {"appointmentDate": START, "notes": f" {born}0"}
    check = checked({"appointmentStartDateTime": START, "notes": born}, shown)
    assert check.verdict == "different"
    assert born not in repr(check)


def test_a_read_that_failed_names_every_field() -> None:
    check = unknown(Hidden({"appointmentStartDateTime": START, "notes": "x"}), "404 Not Found")
    assert check == Check("unknown", (), ("appointmentStartDateTime", "notes"), "404 Not Found")
