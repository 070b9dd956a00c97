"""Arguments in, exact bytes out: the 18 fields, the dry run, and the generated functions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from smarterproctoring import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    ServerError,
    UnexpectedRedirectError,
    ValidationError,
)
from smarterproctoring_generated.models.session_change import SessionChange
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from wire.driver import AI, ES, EX, PATH, TOKEN, Driver
from wire.misbehave import Server, answer, json_body

EVERY: dict[str, Any] = {
    item.keyword: (item.allowed[0] if item.allowed else "2030-05-04T13:00:00.000Z" if item.format else f"Ü {item.name}")
    for item in RESCHEDULE_EXAM_SESSION.fields
    if item.keyword != "appointment_end_date_time"
} | {"appointment_end_date_time": "2030-05-04T14:00:00.000Z"}
NAMES = {item.keyword: item.name for item in RESCHEDULE_EXAM_SESSION.fields}


def test_all_18_fields_go_out_as_the_spec_says(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        client.reschedule(**EVERY)
    (request,) = server.requests
    assert (request.method, request.path) == ("PUT", PATH)
    assert len(EVERY) == 18
    expected = {item.name: EVERY[item.keyword] for item in RESCHEDULE_EXAM_SESSION.fields}
    assert request.body == json.dumps(expected, ensure_ascii=False, separators=(",", ":")).encode()
    assert request.header("content-type") == ["application/json"]
    assert request.header("token") == [TOKEN]
    assert request.header("accept-encoding") == ["identity"]
    assert request.header("authorization") == []
    assert request.header("cookie") == []


def test_none_is_not_sent(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        client.reschedule(**{**dict.fromkeys(EVERY), "notes": "only this"})
    assert server.requests[0].body == b'{"notes":"only this"}'


def test_an_empty_change_is_refused_unless_allowed(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        for nothing in ({"notes": None}, {"type": None, "phone": None}):
            assert "allow_empty" in client.fails(ValidationError, **nothing).message
        assert server.requests == []
        client.view(allow_empty=True).reschedule(notes=None)
    assert server.requests[0].body == b"{}"


@pytest.mark.parametrize("name", ["frist_name", "firstName", "token", "timeout", "Type"])
def test_an_unknown_keyword_is_a_type_error(driver: Driver, server: Server, name: str) -> None:
    with driver.client(server) as client, pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        client.reschedule(**{name: "x"})
    assert server.requests == []


@pytest.mark.parametrize("value", ["zoom", "B-VIRTUAL", "", 7, ["ad-hoc"], {"a": 1}])
def test_an_unknown_type_lists_the_allowed_values(driver: Driver, server: Server, value: Any) -> None:
    with driver.client(server) as client:
        message = client.fails(ValidationError, type=value).message
    for allowed in ("b-virtual", "ad-hoc", "register-blast", "proctoru", "examity", "smarter-scheduling"):
        assert allowed in message


@pytest.mark.parametrize("value", [7, True, 1.5, b"x", ["x"], {"x": 1}, object()])
def test_a_value_of_another_type_is_refused(driver: Driver, server: Server, value: Any) -> None:
    with driver.client(server) as client:
        assert "phone must be a str" in client.fails(ValidationError, phone=value).message


def test_text_that_is_no_unicode_is_refused(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        assert "Unicode" in client.fails(ValidationError, notes="\ud800").message
        client.reschedule(notes="\x00 \u2028 \U0001f600")
    assert json.loads(server.requests[0].body) == {"notes": "\x00 \u2028 \U0001f600"}


def test_all_problems_come_in_one_error(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        error = client.fails(
            ValidationError, EX, AI, ES + "\n", type="zoom", phone=7, appointment_date_time=datetime(2030, 5, 4)
        )
    assert len(error.problems) == 6
    assert isinstance(error, ValueError)
    assert error.attempts == 0
    assert server.connections == 0


@pytest.mark.parametrize(
    "headers",
    [{"token": "x"}, {"Token": "x"}, {"authorization": "x"}, {"Host": "x"}, {"Content-Length": "1"}]
    + [{"X-A": "a\r\nb: c"}, {"X A": "x"}, {"": "x"}, {"X-É": "x"}, {"X-A": "é"}, {"Transfer-Encoding": "chunked"}],
)
def test_headers_that_would_break_or_bypass_are_refused(driver: Driver, server: Server, headers: Any) -> None:
    with driver.client(server) as client:
        with pytest.raises(ConfigurationError):
            client.view(headers=headers)
        with pytest.raises(ConfigurationError):
            driver.type(TOKEN, headers=headers)


def test_a_dry_run_is_what_is_sent(driver: Driver, server: Server) -> None:
    with driver.client(server, headers={"X-Campus": "north"}) as client:
        dry = client.raw.dry_run_reschedule(AI, EX, ES, **EVERY)
        assert server.connections == 0
        client.reschedule(**EVERY)
    (request,) = server.requests
    assert (dry.method, dry.url, dry.content) == (request.method, server.url + request.path, request.body)
    assert dry.headers["token"] == "<token>"
    sent = {name.lower(): value for name, value in request.headers}
    assert {**sent, "token": "<token>"} == dict(dry.headers)
    assert TOKEN not in repr(dry)


# -- the generated functions --------------------------------------------------------------------------------------


def test_generated_functions_obey_the_rules(driver: Driver) -> None:
    moment = datetime(2030, 5, 4, 9, 0, 0, 123456, tzinfo=timezone(timedelta(hours=-4)))
    with Server(answer(503), answer(200, b'"moved"')) as server, driver.client(server, read_back="never") as client:
        answered = client.generated(body=SessionChange(appointment_start_date_time=moment, type_="examity"))
    assert answered.parsed == "moved"
    assert len(server.requests) == 2
    for request in server.requests:
        assert request.path == PATH
        assert request.header("token") == [TOKEN]
        assert request.header("authorization") == []
        assert json.loads(request.body) == {"type": "examity", "appointmentStartDateTime": "2030-05-04T13:00:00.123Z"}


def test_generated_functions_refuse_before_the_wire(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        for sids, change in (
            ((EX, AI, ES), SessionChange(notes="x")),
            ((AI, EX, f"{ES}\n"), SessionChange(notes="x")),
            ((AI, EX, f"{ES}/../x"), SessionChange(notes="x")),
            ((AI, "..", ES), SessionChange(notes="x")),
            ((AI, EX, ES), SessionChange(appointment_date_time=datetime(2030, 5, 4))),
            (
                (AI, EX, ES),
                SessionChange(
                    appointment_start_date_time=datetime(2030, 5, 4, tzinfo=UTC),
                    appointment_end_date_time=datetime(2030, 5, 4, tzinfo=UTC),
                ),
            ),
        ):
            with pytest.raises(ValidationError):
                client.generated(*sids, body=change)
    assert server.connections == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (404, NotFoundError), (500, ServerError), (302, UnexpectedRedirectError)],
)
def test_generated_functions_raise_the_typed_errors(driver: Driver, status: int, kind: type[Exception]) -> None:
    body = json_body(code="1203", message="The session was not found", status=status)
    with Server(answer(status, body)) as server, driver.client(server, retries=0) as client:
        with pytest.raises(kind) as caught:
            client.generated()
    assert caught.value.__context__ is None
    assert getattr(caught.value, "code", None) == "1203"


@pytest.mark.parametrize(
    ("step", "status", "parsed"),
    [
        (answer(200, b"{"), 200, None),
        (answer(204), 204, None),
        (answer(200, b""), 200, None),
        (answer(203, b'"odd"'), 203, "odd"),
        (answer(200, b'{"sid": "x"}'), 200, {"sid": "x"}),
    ],
    ids=["no JSON", "204", "empty", "203", "object"],
)
def test_a_success_never_raises_from_a_generated_function(driver: Driver, step: Any, status: int, parsed: Any) -> None:
    with Server(step) as server, driver.client(server) as client:
        answered = client.generated()
    assert (int(answered.status_code), answered.parsed) == (status, parsed)
