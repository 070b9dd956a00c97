"""`get_session`: an operation like every other, whose answer is read into a model that takes whatever comes."""

from __future__ import annotations

import json
import pickle
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from smarterproctoring import (
    APIConnectionError,
    Check,
    ConfigurationError,
    DeadlineExceededError,
    Difference,
    NotFoundError,
    PermissionDeniedError,
    Result,
    ServerError,
    SmarterProctoring,
    SmarterProctoringError,
    ValidationError,
    what_is_known,
)
from smarterproctoring_generated.api.exam_sessions import get_exam_session
from smarterproctoring_generated.models.exam_session import ExamSession
from smarterproctoring_generated.models.session_change import SessionChange
from smarterproctoring_generated.operations import GET_EXAM_SESSION, RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.types import UNSET, Response
from wire.driver import AI, ES, EX, PATH, TOKEN, Caller, Driver, failure
from wire.misbehave import Server, answer, drop_read, drop_unread, json_body, never, reset_read, say

FULL: dict[str, Any] = {field.name: f"about {field.name}" for field in GET_EXAM_SESSION.answer}
HIDDEN = [field.name for field in GET_EXAM_SESSION.answer if field.sensitive]
ALL_STATUSES = [202, 206, 207, 226, *range(300, 600)]
NEW_YORK = timezone(timedelta(hours=-4))


def read(client: Caller, *sids: str) -> Result[ExamSession]:
    result = client.run(client.raw.get_session, *(sids or (AI, EX, ES)))
    assert isinstance(result, Result)
    return result


def test_the_request_and_the_model(driver: Driver) -> None:
    body = json_body(sid=ES, appointmentDate="2030-05-04T09:00:00-04:00", duration=120, news={"a": 1}, notes=None)
    cookies = {"Set-Cookie": "a=b", "X-Request-Id": "r-1", "X-Echo": f"you sent {TOKEN}"}
    with Server(answer(200, body, cookies)) as server, driver.client(server) as client:
        result = read(client)
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", PATH, b"")
    assert request.header("token") == [TOKEN]
    assert request.header("content-type") == []
    session = result.parsed
    assert isinstance(session, ExamSession)
    assert (session.sid, session.duration, session.notes, session.status) == (ES, 120, None, UNSET)
    assert session.appointment_date == datetime(2030, 5, 4, 13, tzinfo=UTC)
    assert session["news"] == {"a": 1}
    assert result.data == json.loads(body)
    assert (result.status, result.request_id, result.attempts, result.replays) == (200, "r-1", 1, 0)
    assert (result.confirmed_by, result.check, result.incomplete) == ("answer", None, False)
    assert "set-cookie" not in result.headers
    assert result.headers["x-echo"] == "you sent [redacted]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-05-04T13:00:00.000Z", datetime(2030, 5, 4, 13, tzinfo=UTC)),
        ("2030-05-04T09:00:00-04:00", datetime(2030, 5, 4, 9, tzinfo=NEW_YORK)),
        ("2030-05-04 13:00:00+00:00", datetime(2030, 5, 4, 13, tzinfo=UTC)),
        ("20300504T130000Z", datetime(2030, 5, 4, 13, tzinfo=UTC)),
        *[
            (kept, kept)
            for kept in (
                *(None, "", "tomorrow", 0, 1893456000, 1.5, True, [], ["2030-05-04T13:00:00Z"], {}, {"at": "now"}),
                *("2030-05-04T13:00:00", "2030-05-04", "05/04/2030 1:00 PM", "Sat, 04 May 2030 13:00:00 GMT"),
                *("2030-13-45T00:00:00Z", "2030-05-04T25:00:00Z", "0000-01-01T00:00:00Z", "2030-05-04T13:00:00Zoo"),
                *("20300504013000Z", "2030-05-04T13.5Z", "2030-05-04T13:00:00.000000abcZ"),
            )
        ],
    ],
)
def test_a_date_is_a_moment_or_what_came(text: Any, expected: Any) -> None:
    session = ExamSession.from_dict({"appointmentDate": text})
    assert session.appointment_date == expected
    assert type(session.appointment_date) is type(expected)
    assert session.appointment_end_date is UNSET
    assert json.dumps(session.to_dict())


@pytest.mark.parametrize("value", [None, "", "x", 7, 1.5, True, [], [None], {}, {"a": [1]}])
def test_whatever_the_fields_hold_there_is_a_model(driver: Driver, value: Any) -> None:
    body = json.dumps(dict.fromkeys(FULL, value)).encode()
    with Server(answer(200, body)) as server, driver.client(server) as client:
        result = read(client)
    assert isinstance(result.parsed, ExamSession)
    assert result.parsed.to_dict() == dict.fromkeys(FULL, value)


@pytest.mark.parametrize("body", [b"", b"moved", b'"text"', b"[]", b"null", b"7", b'{"sid": "ES'])
def test_what_is_not_an_object_has_no_model(driver: Driver, body: bytes) -> None:
    with Server(answer(200, body)) as server, driver.client(server) as client:
        result = read(client)
    assert result.parsed is None
    assert result.status == 200


def test_a_part_of_an_object_has_no_model(driver: Driver) -> None:
    part = say(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"sid": "ES1"', close=True)
    with Server(part) as server, driver.client(server) as client:
        result = read(client)
    assert (result.incomplete, result.parsed) == (True, None)


def test_a_change_has_no_model(driver: Driver) -> None:
    with Server(answer(200, json_body(sid=ES))) as server, driver.client(server) as client:
        result = client.reschedule()
    assert (result.data, result.parsed) == ({"sid": ES}, None)


def test_the_rules_hold(driver: Driver) -> None:
    with Server(answer(503), answer(200, json_body(sid=ES))) as server, driver.client(server) as client:
        result = read(client)
        assert result.attempts == 2
        wrong = failure(ValidationError, partial(read, client, EX, AI, "ES1"))
        assert [problem.field for problem in wrong.problems] == ["install_sid", "exam_sid", "session_sid"]
    assert len(server.requests) == 2


@pytest.mark.parametrize(("status", "kind"), [(403, PermissionDeniedError), (404, NotFoundError), (500, ServerError)])
def test_typed_errors(driver: Driver, status: int, kind: type[SmarterProctoringError]) -> None:
    body = json_body(code="1203", message="The session was not found")
    with Server(answer(status, body)) as server, driver.client(server, retries=0) as client:
        error = failure(kind, partial(read, client))
    assert (error.status, error.code) == (status, "1203")


NOTHING_CHANGED = {
    "HTML": answer(200, b"<html>login</html>", {"Content-Type": "text/html"}),
    "an error object": answer(200, json_body(error="no")),
    "lost after the request": drop_read,
    "lost before the request": drop_unread,
    "reset": reset_read,
    "no answer": never,
    "not HTTP": say(b"SSH-2.0-x\r\n\r\n", close=True),
}


@pytest.mark.slow
def test_no_status_of_a_read_says_anything_of_a_change(driver: Driver, server: Server) -> None:
    with driver.client(server, retries=0) as client:
        for status in ALL_STATUSES:
            server.script(answer(status, json_body(code="1", message="no")))
            error = failure(SmarterProctoringError, partial(read, client))
            assert error.status == status
            assert_is_of_a_read(error)


@pytest.mark.parametrize("name", NOTHING_CHANGED)
@pytest.mark.parametrize("generated_function", [False, True])
def test_a_failed_read_says_nothing_of_a_change(driver: Driver, name: str, *, generated_function: bool) -> None:
    with Server(NOTHING_CHANGED[name]) as server, driver.client(server, retries=1, timeout=0.3) as client:
        error = failure(SmarterProctoringError, partial(generated if generated_function else read, client))
    assert_is_of_a_read(error)
    assert error.replays == 0


def assert_is_of_a_read(error: SmarterProctoringError) -> None:
    assert not error.maybe_applied
    assert not re.search("appl(y|ied)|change|send it again", error.message), error.message


@pytest.mark.parametrize("place", ["request", "response", "on_retry"])
def test_a_read_that_a_hook_ended_says_nothing_of_a_change(driver: Driver, place: str) -> None:
    def raising(*_: object) -> None:
        raise OSError

    hook = driver.hook(raising)
    hooks: dict[str, Any] = {"on_retry": hook} if place == "on_retry" else {"event_hooks": {place: [hook]}}
    step = answer(503) if place == "on_retry" else answer()
    with Server(step) as server, driver.client(server, **hooks) as client:
        assert_is_of_a_read(failure(SmarterProctoringError, partial(read, client)))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
def test_a_read_without_a_connection_says_nothing_of_a_change(driver: Driver, url: str) -> None:
    with driver.client(url, allow_http=True, retries=0) as client:
        assert_is_of_a_read(failure(APIConnectionError, partial(read, client)))


def test_a_read_that_the_deadline_or_its_token_ended_says_nothing_of_a_change(driver: Driver) -> None:
    def broken() -> str:
        raise OSError

    with Server(never) as server, driver.client(server, deadline=0.2) as client:
        assert_is_of_a_read(failure(DeadlineExceededError, partial(read, client)))
    with Server(answer()) as server, driver.client(server, driver.hook(broken)) as client:
        assert_is_of_a_read(failure(ConfigurationError, partial(read, client)))


def test_a_read_that_is_interrupted_says_nothing_of_a_change(server: Server) -> None:
    def interrupting(*_: object) -> None:
        raise KeyboardInterrupt

    for place in ("request", "response"):
        with Driver("sync").client(server, event_hooks={place: [interrupting]}) as client:
            with pytest.raises(KeyboardInterrupt) as caught:
                read(client)
        known = what_is_known(caught.value)
        assert known is not None
        assert_is_of_a_read(known)


def test_a_dry_run(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        dry = client.raw.dry_run_get_session(AI, EX, ES)
    assert (dry.method, dry.content, dry.headers["token"]) == ("GET", b"", "<token>")
    assert dry.url.endswith(PATH)
    assert server.requests == []


# -- the generated function ------------------------------------------------------------------------------------------


def generated(client: Caller, *sids: str) -> Response[Any]:
    is_sync = isinstance(client.raw, SmarterProctoring)
    detailed: Any = get_exam_session.sync_detailed if is_sync else get_exam_session.asyncio_detailed
    response = client.run(detailed, *(sids or (AI, EX, ES)), client=client.raw.generated)
    assert isinstance(response, Response)
    return response


def test_the_generated_function_obeys_the_rules(driver: Driver) -> None:
    with Server(answer(503), answer(200, json_body(sid=ES, notes=None))) as server, driver.client(server) as client:
        parsed: Any = generated(client).parsed
        assert parsed.sid == ES
        with pytest.raises(ValidationError):
            generated(client, AI, EX, f"{ES}/../x")
    assert [request.method for request in server.requests] == ["GET", "GET"]
    for request in server.requests:
        assert request.header("token") == [TOKEN]
        assert request.header("authorization") == []


def test_the_generated_function_raises_the_typed_errors(driver: Driver) -> None:
    with Server(answer(404, json_body(message="gone"))) as server, driver.client(server) as client:
        with pytest.raises(NotFoundError, match="gone"):
            generated(client)


# -- what is shown ---------------------------------------------------------------------------------------------------


def test_what_is_personal_or_secret_is_named_in_the_record() -> None:
    said = {field.name: field.sensitive for field in GET_EXAM_SESSION.answer}
    assert said["accessKey"] == said["URL"] == "secret"
    assert said["notes"] == said["photos"] == said["userSid"] == said["reviewByUserSid"] == "personal"
    assert said["sid"] == said["appointmentDate"] == said["status"] == ""
    dates = [field.name for field in GET_EXAM_SESSION.answer if field.format == "date-time"]
    assert {"appointmentDate", "appointmentEndDate", "createdDate"} <= set(dates)


def test_no_repr_shows_what_is_personal_or_secret(driver: Driver) -> None:
    body = json.dumps({**FULL, "unknown": "about somebody"}).encode()
    with Server(answer(200, body, {"X-Note": "about a header"})) as server, driver.client(server) as client:
        result = read(client)
    for text in (repr(result), str(result), f"{result.parsed!r}"):
        assert "about sid" in text
        assert not [name for name in [*HIDDEN, "somebody", "a header"] if f"about {name}" in f"{text}'"]
    assert result.parsed is not None
    assert result.parsed.access_key == "about accessKey"


@pytest.mark.parametrize("name", [item.name for item in GET_EXAM_SESSION.answer if not item.type])
def test_no_repr_shows_what_is_within_an_object_that_the_spec_does_not_describe(name: str) -> None:
    shown = ExamSession.from_dict({"sid": ES, name: {"instructor": "Ada Example"}})
    assert "Ada" not in repr(shown)
    assert ES in repr(shown)


def test_the_repr_of_a_change_shows_no_person() -> None:
    plain = {"type", "appointmentStartDateTime", "appointmentEndDateTime", "appointmentDateTime"}
    personal = {field.name for field in RESCHEDULE_EXAM_SESSION.fields if field.sensitive}
    assert personal == {field.name for field in RESCHEDULE_EXAM_SESSION.fields} - plain
    change = SessionChange(first_name="Ada", email="ada@example.org", notes="late", type_="ad-hoc")
    assert "ad-hoc" in repr(change)
    assert not [text for text in ("Ada", "ada@", "late") if text in repr(change)]


def test_a_check_shows_moments_and_no_other_text() -> None:
    moved = Difference("appointmentStartDateTime", "2030-05-04T13:00:00.000Z", "2030-05-05T13:00:00.000Z")
    said = Difference("notes", "private words", "other words")
    check = Check("different", (moved, said, Difference("notes", "private words", None)), ("type",), "", None)
    assert "2030-05-04T13:00:00.000Z" in repr(check)
    assert "2030-05-05T13:00:00.000Z" in repr(check)
    assert "words" not in repr(check)
    assert "seen=None" in repr(check)
    assert pickle.loads(pickle.dumps(check)) == check


def test_a_result_goes_through_pickle(driver: Driver) -> None:
    with Server(answer(200, json_body(sid=ES))) as server, driver.client(server) as client:
        result = read(client)
    copy = pickle.loads(pickle.dumps(result))
    assert copy == result
    assert copy.parsed.status is UNSET
    assert copy.parsed.to_dict() == {"sid": ES}


# -- what is read back -------------------------------------------------------------------------------------------------


def test_the_records_say_what_shows_a_change() -> None:
    shown = {field.name: field.reads_back_as for field in RESCHEDULE_EXAM_SESSION.fields if field.reads_back_as}
    assert shown == {
        "notes": "notes",
        "appointmentStartDateTime": "appointmentDate",
        "appointmentEndDateTime": "appointmentEndDate",
        "appointmentDateTime": "appointmentDate",
    }
    assert {field.reads_back_evidence for field in RESCHEDULE_EXAM_SESSION.fields if field.reads_back_as} == {"I"}
    assert (RESCHEDULE_EXAM_SESSION.read_by, RESCHEDULE_EXAM_SESSION.check) == (GET_EXAM_SESSION.operation_id, "check")
