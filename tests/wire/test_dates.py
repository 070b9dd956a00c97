"""Rule 4: every time goes out as `YYYY-MM-DDTHH:MM:SS.mmmZ`, or not at all."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from smarterproctoring import ValidationError
from smarterproctoring_generated.models.session_change import SessionChange
from wire.driver import Driver, failure
from wire.misbehave import Server

NEW_YORK, KATHMANDU, APIA = ZoneInfo("America/New_York"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("Pacific/Apia")


class Odd(tzinfo):
    """A zone with seconds and microseconds in its offset."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(hours=5, minutes=30, seconds=7, microseconds=500)

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> str:
        return "odd"


class Nowhere(Odd):
    """A zone that does not know its offset: such a datetime is naive in all but name."""

    def utcoffset(self, _: datetime | None) -> None:  # type: ignore[override]
        return None


class Stamp(datetime):
    """A datetime of another kind, as pendulum and freezegun have them."""

    def __str__(self) -> str:
        return "stamp"


WIRE: list[tuple[datetime, str]] = [
    (datetime(2030, 5, 4, 13, 0, tzinfo=UTC), "2030-05-04T13:00:00.000Z"),
    (datetime(2030, 5, 4, 9, 0, tzinfo=NEW_YORK), "2030-05-04T13:00:00.000Z"),
    (datetime(2030, 1, 4, 9, 0, tzinfo=NEW_YORK), "2030-01-04T14:00:00.000Z"),
    (datetime(2030, 5, 4, 0, 15, tzinfo=KATHMANDU), "2030-05-03T18:30:00.000Z"),
    (datetime(2030, 12, 31, 23, 0, tzinfo=timezone(timedelta(hours=-12))), "2031-01-01T11:00:00.000Z"),
    (datetime(2030, 1, 1, 0, 0, tzinfo=APIA), "2029-12-31T11:00:00.000Z"),
    (datetime(2030, 5, 4, 13, 0, 0, 999, tzinfo=UTC), "2030-05-04T13:00:00.000Z"),
    (datetime(2030, 5, 4, 13, 0, 0, 123456, tzinfo=UTC), "2030-05-04T13:00:00.123Z"),
    (datetime(2030, 5, 4, 13, 0, 0, 999999, tzinfo=UTC), "2030-05-04T13:00:00.999Z"),
    (datetime(2030, 11, 3, 1, 30, tzinfo=NEW_YORK), "2030-11-03T05:30:00.000Z"),
    (datetime(2030, 11, 3, 1, 30, fold=1, tzinfo=NEW_YORK), "2030-11-03T06:30:00.000Z"),
    (datetime(2030, 3, 10, 2, 30, tzinfo=NEW_YORK), "2030-03-10T07:30:00.000Z"),
    (datetime(2030, 5, 4, 18, 30, 7, 500, tzinfo=Odd()), "2030-05-04T13:00:00.000Z"),
    (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    (datetime(999, 12, 31, 23, 59, 59, tzinfo=UTC), "0999-12-31T23:59:59.000Z"),
    (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "9999-12-31T23:59:59.999Z"),
    (datetime(2000, 2, 29, tzinfo=UTC), "2000-02-29T00:00:00.000Z"),
    (Stamp(2030, 5, 4, 9, 0, tzinfo=NEW_YORK), "2030-05-04T13:00:00.000Z"),
]
NAMES = {
    "appointment_start_date_time": "appointmentStartDateTime",
    "appointment_end_date_time": "appointmentEndDateTime",
    "appointment_date_time": "appointmentDateTime",
}


@pytest.mark.parametrize(("given", "wire"), WIRE)
def test_the_bytes_of_an_aware_datetime(driver: Driver, server: Server, given: datetime, wire: str) -> None:
    with driver.client(server) as client:
        for keyword, name in NAMES.items():
            client.reschedule(**{keyword: given})
            client.generated(body=SessionChange(**{keyword: given}))  # type: ignore[arg-type]
            assert {request.body for request in server.requests} == {f'{{"{name}":"{wire}"}}'.encode()}
            server.requests.clear()


STRINGS = [
    ("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z"),
    ("2030-05-04T13:00:00Z", "2030-05-04T13:00:00.000Z"),
    ("2030-05-04T13:00Z", "2030-05-04T13:00:00.000Z"),
    ("2030-05-04T13:00:00.123456Z", "2030-05-04T13:00:00.123Z"),
    ("20300504T130000Z", "2030-05-04T13:00:00.000Z"),
]


@pytest.mark.parametrize(("given", "wire"), STRINGS)
def test_a_string_in_z(driver: Driver, server: Server, given: str, wire: str) -> None:
    with driver.client(server) as client:
        client.reschedule(appointment_date_time=given)
    assert server.requests[0].json() == {"appointmentDateTime": wire}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Z",
        "tomorrowZ",
        "2030-05-04T13:00:00",
        "2030-05-04T13:00:00+00:00",
        "2030-05-04T13:00:00z",
        "2030-05-04T13:00:00Z ",
        " 2030-05-04T13:00:00Z",
        "2030-05-04T13:00:00Z\n",
        "2030-05-04T13:00:00+05:00Z",
        "2030-05-04T13:00:00ZZ",
        "2030-02-30T13:00:00Z",
        "2030-05-04T25:00:00Z",
        "2030-05-04T13:60:00Z",
        "2030-05-04T13.5Z",
        "2030-05-04T13:30.5Z",
        "2030-05-04",
        "2030-05-04Z",
        "04/05/2030 13:00Z",
        "1899999999Z",
        "２０３０-05-04T13:00:00Z",
        "2030-05-04T13:00:00\x00Z",
        date(2030, 5, 4),
        1899999999,
        1.5,
        b"2030-05-04T13:00:00Z",
        True,
        [],
    ],
)
def test_anything_else_is_refused(driver: Driver, server: Server, given: Any) -> None:
    with driver.client(server) as client:
        error = client.fails(ValidationError, appointment_date_time=given)
    assert error.problems[0].field == "appointment_date_time"
    assert server.connections == 0


@pytest.mark.parametrize("given", ["2030-05-04x13:00:00Z", "2030-05-04\n13:00:00Z", "2030-05-04\x0013:00:00Z"])
def test_another_separator_is_no_iso_8601(driver: Driver, server: Server, given: str) -> None:
    with driver.client(server) as client:
        client.fails(ValidationError, appointment_date_time=given)


@pytest.mark.parametrize(
    "given", [datetime(2030, 5, 4), datetime(2030, 5, 4, tzinfo=Nowhere())], ids=["naive", "no offset"]
)
def test_a_naive_datetime_is_refused_with_the_fix(driver: Driver, server: Server, given: datetime) -> None:
    with driver.client(server) as client:
        for call in (
            lambda: client.reschedule(appointment_start_date_time=given),
            lambda: client.generated(body=SessionChange(appointment_start_date_time=given)),
        ):
            error = failure(ValidationError, call)
            assert "appointment_start_date_time" in str(error)
            assert "no time zone" in str(error)
            assert "ZoneInfo(" in str(error)
    assert server.connections == 0


@pytest.mark.parametrize(
    "given",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
    ],
    ids=["before year 1", "after year 9999"],
)
def test_out_of_range_in_utc_is_refused(driver: Driver, server: Server, given: datetime) -> None:
    with driver.client(server) as client:
        assert "out of range" in str(client.fails(ValidationError, appointment_date_time=given))


def test_end_is_after_start(driver: Driver, server: Server) -> None:
    noon = datetime(2030, 5, 4, 12, tzinfo=UTC)
    with driver.client(server) as client:
        for end in (noon, noon - timedelta(seconds=1), noon.astimezone(KATHMANDU), "2030-05-04T11:59:59.999Z"):
            error = client.fails(ValidationError, appointment_start_date_time=noon, appointment_end_date_time=end)
            assert error.problems == (
                ("appointment_end_date_time", "order", "must be after appointment_start_date_time", ""),
            )
        body = SessionChange(appointment_start_date_time=noon, appointment_end_date_time=noon)
        failure(ValidationError, lambda: client.generated(body=body))
        assert server.connections == 0
        # 08:30 in New York is later than 12:00 in UTC, though not as text
        later = datetime(2030, 5, 4, 8, 30, tzinfo=NEW_YORK)
        client.reschedule(appointment_start_date_time=noon, appointment_end_date_time=later)
        client.reschedule(appointment_end_date_time=noon)
    assert json.loads(server.requests[0].body) == {
        "appointmentStartDateTime": "2030-05-04T12:00:00.000Z",
        "appointmentEndDateTime": "2030-05-04T12:30:00.000Z",
    }


def test_a_zone_that_fails_is_a_validation_error(driver: Driver, server: Server) -> None:
    class Broken(Odd):
        def utcoffset(self, _: datetime | None) -> timedelta:
            return timedelta(days=3)

    with driver.client(server) as client:
        client.fails(ValidationError, appointment_date_time=datetime(2030, 5, 4, tzinfo=Broken()))
