"""A session is read as it was changed; and the ways in which a read can fail, mislead or say it otherwise."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from mock.documents import read_document, write_document
from mock.rawhttp import BODY, EXAM, INSTALL, JSON, PATH, SESSION, TOKEN, Answer, Client, Gone, path_of
from smarterproctoring_mock import FAULTS, Fault, FaultError, MockApp, StoreError, main, running_server
from smarterproctoring_mock.named_faults import ABOUT_FAULTS, READ_FAULTS
from smarterproctoring_mock.operations import ShownSession
from smarterproctoring_mock.shown_dates import DATE_FORMS, MISSING, amiss, in_form
from smarterproctoring_mock.testing import (
    ReadFaultCase,
    fault_cases,
    in_process,
    read_fault_case,
    read_fault_cases,
    read_fault_params,
)

AUTH = [("token", TOKEN)]
SIDS = {"installSid": INSTALL, "examSid": EXAM, "sessionSid": SESSION}
FORMER = {
    "appointmentStartDateTime": "2031-01-01T09:00:00.000Z",
    "appointmentEndDateTime": "2031-01-01T11:00:00.000Z",
    "notes": "as seeded",
}
MOVED = {
    "appointmentStartDateTime": "2032-02-02T13:00:00.000Z",
    "appointmentEndDateTime": "2032-02-02T15:30:00.000Z",
    "notes": "as moved",
}
SHOWN_FORMER = {
    "appointmentDate": "2031-01-01T09:00:00.000Z",
    "appointmentEndDate": "2031-01-01T11:00:00.000Z",
    "notes": "as seeded",
}
SHOWN_MOVED = {
    "appointmentDate": "2032-02-02T13:00:00.000Z",
    "appointmentEndDate": "2032-02-02T15:30:00.000Z",
    "notes": "as moved",
}
ROOT = Path(__file__).parents[2]


def read(client: Client, path: str = PATH) -> Answer:
    return client.call("GET", path, None, AUTH)


def parts(answer: Any) -> dict[str, Any]:
    """What an answer shows of a change."""
    return {name: answer[name] for name in SHOWN_MOVED if name in answer}


def test_a_fault_may_answer_with_half_of_a_surrogate_pair(client: Client, app: MockApp) -> None:
    app.add_faults({"method": "GET", "json": {"appointmentDate": "\ud800"}})
    assert read(client).body == b'{"appointmentDate": "\\ud800"}'


# --- what was moved is what is read -----------------------------------------------------------------------


def test_a_change_is_read_back_under_the_names_of_the_answer(client: Client) -> None:
    client.put(MOVED)
    answer = read(client)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert parts(answer.json) == SHOWN_MOVED
    assert {name: answer.json[name] for name in ("sid", "installSid", "examSid")} == {
        "sid": SESSION,
        "installSid": INSTALL,
        "examSid": EXAM,
    }
    assert not MOVED.keys() & answer.json.keys() - {"notes"}, "the request's names are not the answer's"


def test_either_start_is_read_as_the_appointment_and_the_last_one_counts(client: Client) -> None:
    for name, moment in [
        ("appointmentDateTime", "2030-01-01T01:00:00.000Z"),
        ("appointmentStartDateTime", "2030-01-01T02:00:00.000Z"),
        ("appointmentDateTime", "2030-01-01T03:00:00.000Z"),
        ("appointmentStartDateTime", "2030-01-01T04:00:00.000Z"),
    ]:
        client.put({name: moment})
        assert read(client).json["appointmentDate"] == moment
    client.put({"notes": "not a move"})
    assert read(client).json["appointmentDate"] == "2030-01-01T04:00:00.000Z"


def test_of_two_starts_in_one_request_the_later_member_counts(client: Client) -> None:
    one, other = "2030-01-01T01:00:00.000Z", "2030-01-01T02:00:00.000Z"
    client.put({"appointmentStartDateTime": one, "appointmentDateTime": other})
    assert read(client).json["appointmentDate"] == other
    client.put({"appointmentDateTime": other, "appointmentStartDateTime": one})
    assert read(client).json["appointmentDate"] == one


def test_what_was_never_sent_is_the_spec_s_example_each_time(client: Client, app: MockApp) -> None:
    schema = app.spec.document["components"]["schemas"]["ExamSession"]["properties"]
    first = read(client)
    assert read(client).body == first.body
    assert first.json.keys() == schema.keys()
    for name, value in first.json.items():
        if name not in {"sid", "installSid", "examSid"}:
            assert value == schema[name]["example"], name
    other = read(client, path_of(7)).json
    assert other == {**first.json, "sid": path_of(7)[-34:]}


def test_a_read_learns_no_session_and_changes_none(client: Client, app: MockApp) -> None:
    assert read(client).status == 200
    assert app.sessions() == []
    client.put(MOVED)
    before = app.sessions()
    answer = client.call("GET", PATH, json.dumps(FORMER).encode(), [*AUTH, JSON])
    assert (answer.status, parts(answer.json)) == (200, SHOWN_MOVED)
    assert app.sessions() == before
    assert app.requests()[-1].body == json.dumps(FORMER).encode()


def test_a_refused_change_is_not_read(client: Client) -> None:
    client.put(MOVED)
    assert client.put({**FORMER, "type": "zoom"}).status == 400
    assert parts(read(client).json) == SHOWN_MOVED


@pytest.mark.parametrize("way", ["network", "in process"])
def test_a_file_keeps_what_is_read(tmp_path: Path, way: str) -> None:
    file = tmp_path / "mock.db"
    with running_server(token=TOKEN, db=file) as server:
        client = Client(server.url)
        client.put({"appointmentDateTime": "2030-01-01T03:00:00.000Z"})
        client.put(MOVED)
        assert parts(read(client).json) == SHOWN_MOVED
    if way == "network":
        with running_server(token=TOKEN, db=file) as server:
            assert parts(read(Client(server.url)).json) == SHOWN_MOVED
    else:
        with in_process(token=TOKEN, db=file) as mock:
            import httpx

            with httpx.Client(base_url=mock.url, transport=mock.transport) as inside:
                assert parts(inside.get(PATH, headers=dict(AUTH)).json()) == SHOWN_MOVED


# --- who may read, and how --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (PATH, [], 401),
        (PATH, [("token", "another")], 401),
        (PATH, [("token", "")], 401),
        (PATH, [*AUTH, *AUTH], 401),
        (PATH, [("Authorization", f"Bearer {TOKEN}")], 401),
        (PATH + "/", AUTH, 404),
        (PATH.replace("/ES", "/EX"), AUTH, 400),
        (PATH.upper(), AUTH, 404),
        (PATH + "0", AUTH, 400),
        (PATH + "?a=b", AUTH, 200),
        (PATH, [*AUTH, ("Accept", "text/html")], 200),
        (PATH, [*AUTH, ("If-None-Match", "*")], 200),
        (PATH, [*AUTH, ("Range", "bytes=0-1")], 200),
        (PATH, [*AUTH, ("Prefer", "code=503")], 503),
        (PATH, [*AUTH, ("Prefer", "code=999")], 400),
    ],
)
def test_a_read_is_judged_as_a_change_is(client: Client, path: str, headers: Any, status: int) -> None:
    answer = client.call("GET", path, None, headers)
    assert answer.status == status, answer.body
    if status != 200:
        assert answer.json["status"] == status


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff" * 100, b'{"notes":1}', b"[" * 5000, BODY],
    ids=["JSON that ends", "octets", "a wrong field", "deep", "a change"],
)
def test_what_a_read_carries_is_read_and_means_nothing(client: Client, app: MockApp, body: bytes) -> None:
    first = client.request("GET", body=body, close=False)
    answers = client.exchange(first + client.request(body=json.dumps(MOVED).encode()), answers=2)
    assert [answer.status for answer in answers] == [200, 200]
    assert app.session(SESSION).fields == MOVED


def test_a_read_with_more_than_the_limit_is_413(client: Client) -> None:
    assert client.call("GET", PATH, b"a" * (8 * 1024 * 1024 + 1), AUTH).status == 413


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE", "PATCH", "OPTIONS", "get"])
def test_other_methods_of_the_path_are_405(client: Client, method: str) -> None:
    answer = client.call(method, PATH, None, AUTH)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, PUT")
    assert (answer.body == b"") is (method == "HEAD")


def test_strict_sessions_are_strict_with_reads() -> None:
    with running_server(token=TOKEN, strict_sessions=True, seed=[{**SIDS, "fields": FORMER}]) as server:
        client = Client(server.url)
        assert parts(read(client).json) == SHOWN_FORMER
        unknown = read(client, path_of(9))
        assert (unknown.status, unknown.json["code"]) == (404, "1203")
        client.put(MOVED)
        assert parts(read(client).json) == SHOWN_MOVED
        server.app.reset()
        assert parts(read(client).json) == SHOWN_FORMER


# --- seeds ------------------------------------------------------------------------------------------------


def test_a_seed_says_what_only_a_read_shows() -> None:
    seed = {**SIDS, "fields": {**FORMER, "status": "Closed", "duration": 90, "accessKey": None}}
    with running_server(token=TOKEN, seed=[seed]) as server:
        client = Client(server.url)
        client.put({"notes": "as moved"})
        answer = read(client).json
    assert (answer["status"], answer["duration"], answer["accessKey"]) == ("Closed", 90, None)
    assert parts(answer) == {**SHOWN_FORMER, "notes": "as moved"}


@pytest.mark.parametrize("fields", [{"duration": "long"}, {"reviewed": 1}, {"status": {}}])
def test_a_seed_that_no_read_can_show_is_refused(fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(StoreError, match=rf"session 1: fields\.{name} is not what a read may show.*#/paths/"):
        MockApp(seed=[{**SIDS, "fields": fields}])


# --- the record, and not the audit ------------------------------------------------------------------------


def test_reads_are_in_the_record_and_not_in_the_audit(client: Client, app: MockApp) -> None:
    client.put(MOVED)
    read(client)
    client.call("GET", PATH, None, [])
    app.add_faults("read-dropped")
    with pytest.raises(Gone):
        read(client)
    client.call("DELETE", PATH, None, AUTH)
    client.call("GET", "/nowhere", None, AUTH)
    assert [(row.operation, row.status) for row in app.audit()] == [
        ("rescheduleExamSession", 200),
        ("", 405),
        ("", 404),
    ]
    assert [(request.operation, request.status) for request in app.reads(SESSION)] == [
        ("getExamSession", 200),
        ("getExamSession", 401),
        ("getExamSession", 0),
    ]
    assert [row["status"] for row in client.admin("GET", "audit")["audit"]] == [200, 405, 404]
    assert [one["status"] for one in client.admin("GET", "requests?method=GET")["requests"]] == [200, 401, 0, 404]


def test_what_a_reader_was_shown_is_verified(client: Client, app: MockApp) -> None:
    app.assert_read(SESSION, times=0)
    read(client)
    client.put(MOVED)
    read(client)
    app.assert_read(SESSION)
    app.assert_read(SESSION, times=2, status=200)
    app.assert_read(SESSION, times=1, answer=SHOWN_MOVED)
    app.assert_called(operation="getExamSession", answer={"sid": SESSION}, times=2)
    with pytest.raises(AssertionError, match="as seeded"):
        app.assert_read(SESSION, answer={"notes": "as seeded"})
    with pytest.raises(AssertionError, match="expected 3 requests"):
        app.assert_read(SESSION, times=3)
    with pytest.raises(AssertionError):
        app.assert_read(path_of(9)[-34:])
    with pytest.raises(AssertionError):
        app.assert_read(SESSION, status=404)
    asked = {"method": "GET", "session": SESSION, "answer": SHOWN_MOVED, "times": 1}
    assert client.admin("POST", "verify", asked)["ok"] is True
    assert client.admin("POST", "verify", {**asked, "answer": SHOWN_FORMER})["ok"] is False


def test_the_accepted_token_is_not_in_what_is_compared(client: Client, app: MockApp) -> None:
    app.add_faults({"method": "GET", "json": {"notes": f"the token is {TOKEN}"}})
    read(client)
    with pytest.raises(AssertionError) as caught:
        app.assert_read(SESSION, answer={"notes": "another"})
    assert TOKEN not in str(caught.value)
    assert "[redacted]" in str(caught.value)


def test_reads_are_exported(client: Client, app: MockApp) -> None:
    client.put(MOVED)
    read(client)
    entry: Any = app.har()["log"]
    exchange = entry["entries"][1]
    assert (exchange["request"]["method"], "postData" in exchange["request"]) == ("GET", False)
    assert parts(json.loads(exchange["response"]["content"]["text"])) == SHOWN_MOVED
    assert app.curl()[1].startswith(f"curl --globoff --path-as-is -X GET http://{client.host}{PATH} ")


# --- faults -----------------------------------------------------------------------------------------------


@pytest.fixture
def moved(client: Client) -> Iterator[Client]:
    """A client of a session that was moved twice."""
    client.put(FORMER)
    client.put(MOVED)
    yield client
    # Whatever struck the reads: the change is there, and the next read tells.
    assert parts(read(client).json) == SHOWN_MOVED


def in_dates(first: Any, second: Any) -> dict[str, Any]:
    return {"appointmentDate": first, "appointmentEndDate": second, "notes": "as moved"}


SEEN: dict[str, Any] = {
    "read-stale": SHOWN_FORMER,
    "read-stale-seconds": SHOWN_FORMER,
    "read-invented": {
        "appointmentDate": "2032-02-02T16:07:00.000Z",
        "appointmentEndDate": "2032-02-02T18:37:00.000Z",
        "notes": "never sent by anybody",
    },
    "read-expired-token": 401,
    "read-forbidden": 403,
    "read-not-found": 404,
    "read-rate-limited": 429,
    "read-server-error": 500,
    "read-unavailable": 503,
    "read-dates-offset": in_dates("2032-02-02T09:00:00.000-04:00", "2032-02-02T11:30:00.000-04:00"),
    "read-dates-no-milliseconds": in_dates("2032-02-02T13:00:00Z", "2032-02-02T15:30:00Z"),
    "read-dates-naive": in_dates("2032-02-02T13:00:00", "2032-02-02T15:30:00"),
    "read-dates-epoch": in_dates(1959339600000, 1959348600000),
    "read-dates-us": in_dates("02/02/2032 01:00 PM", "02/02/2032 03:30 PM"),
    "read-dates-empty": in_dates("", ""),
    "read-dates-null": in_dates(None, None),
    "read-dates-missing": {"notes": "as moved"},
    "read-html": b"<html>",
    "read-error-object": b'{"error": {"code": "1"',
    "read-empty-object": b"{}",
    "read-empty": b"",
    "read-malformed-json": b'{"appointmentDate": "2030-05-0',
    "read-slow": SHOWN_MOVED,
    "read-drip": SHOWN_MOVED,
    "read-truncated": b'{"sid',
    "read-dropped": Gone,
    "read-reset": Gone,
}
"""What a read shows under each fault: members, a status, how the body begins, or no answer."""


def test_every_fault_of_reads_is_tested_here() -> None:
    assert list(SEEN) == [fault.name for fault in READ_FAULTS]
    assert {fault.dates for fault in READ_FAULTS} == {None, *DATE_FORMS}


def for_an_hour(fault: Fault) -> Fault:
    """Let what strikes for some seconds after a change strike for longer than a test takes."""
    return replace(fault, within=fault.within and 3600.0)


@pytest.mark.parametrize("case", read_fault_params())
def test_a_read_under_each_fault(moved: Client, app: MockApp, case: ReadFaultCase) -> None:
    app.add_faults(for_an_hour(case.fault))
    assert moved.put(MOVED).status == 200, "a change is not struck"
    expected = SEEN[case.name]
    if expected is Gone:
        with pytest.raises(Gone) as gone:
            read(moved)
        assert gone.value.reset or case.name == "read-dropped"
        assert case.status is None
        return
    answer = read(moved)
    assert answer.status == case.status == (expected if isinstance(expected, int) else 200)
    if isinstance(expected, int):
        assert answer.json["status"] == expected
    elif isinstance(expected, bytes):
        assert answer.body.startswith(expected)
        assert answer.complete is (case.name != "read-truncated")
    else:
        assert parts(answer.json) == expected
    assert app.reads()[-1].reason == f"fault: {case.name}"


def moment_of(answer: Answer | None) -> datetime | None:
    """Read the appointment as a careful reader does: a text that names a moment with its zone, or nothing."""
    if answer is None or answer.status != 200 or not answer.complete:
        return None
    try:
        moment = datetime.fromisoformat(answer.json["appointmentDate"])
    except (ValueError, KeyError, TypeError):
        return None
    return moment if moment.tzinfo is not None else None


@pytest.mark.parametrize("case", read_fault_params())
def test_what_a_case_says_can_be_learned_is_what_a_reader_learns(
    moved: Client, app: MockApp, case: ReadFaultCase
) -> None:
    app.add_faults(for_an_hour(case.fault))
    try:
        moment = moment_of(read(moved))
    except Gone:
        moment = None
    if case.shows == "nothing":
        assert moment is None
    else:
        is_state = moment == datetime.fromisoformat(SHOWN_MOVED["appointmentDate"])
        assert is_state is (case.shows == "state")
        assert moment is not None


def test_a_rule_of_ones_own_is_judged_as_well() -> None:
    assert read_fault_case("read-stale").shows == "another state"
    assert read_fault_case({"method": "GET", "status": 204}).shows == "nothing"
    assert read_fault_case({"method": "GET", "delay": 0.1, "dates": "offset"}).shows == "state"
    assert read_fault_case(Fault(drop="before-store")).status is None
    (case,) = read_fault_cases(["slow"], pace=None, times=None)
    assert (case.shows, case.fault.delay, case.fault.times) == ("state", FAULTS["slow"].delay, None)


def test_the_faults_of_changes_leave_out_those_of_reads() -> None:
    assert [case.name for case in fault_cases()] == [name for name in FAULTS if not name.startswith("read-")]


def test_changes_and_reads_have_different_faults_at_once(client: Client, app: MockApp) -> None:
    app.add_faults(
        {"fault": "drop-after-store", "method": "PUT"},
        {"fault": "unavailable", "operation": "getExamSession"},
        {"fault": "server-error", "operation": "rescheduleExamSession"},
    )
    assert read(client).status == 503
    with pytest.raises(Gone):
        client.put(MOVED)
    assert parts(read(client).json) == SHOWN_MOVED, "the answer was lost, the change was not, and reads work"
    assert client.put(FORMER).status == 500
    assert parts(read(client).json) == SHOWN_MOVED
    assert client.put(FORMER).status == 200
    assert parts(read(client).json) == SHOWN_FORMER


def test_an_older_state_then_the_new_one(client: Client, app: MockApp) -> None:
    client.put(FORMER)
    app.add_faults({"fault": "read-stale", "times": 2})
    client.put(MOVED)
    assert [parts(read(client).json) for _ in range(3)] == [SHOWN_FORMER, SHOWN_FORMER, SHOWN_MOVED]


def test_a_session_that_was_moved_once_is_shown_as_it_was_seeded_or_as_the_example() -> None:
    with running_server(token=TOKEN, seed=[{**SIDS, "fields": FORMER}]) as server:
        client = Client(server.url)
        untouched = parts(read(client, path_of(9)).json)
        for path in (PATH, path_of(9)):
            client.put(MOVED, path)
        server.app.add_faults({"fault": "read-stale", "times": None})
        assert parts(read(client).json) == SHOWN_FORMER
        assert parts(read(client, path_of(9)).json) == untouched


def test_a_replay_does_not_make_the_new_state_the_older_one(client: Client, app: MockApp) -> None:
    client.put(FORMER)
    app.add_faults({"fault": "drop-after-store", "method": "PUT"}, "read-stale")
    with pytest.raises(Gone):
        client.put(MOVED)
    client.put(MOVED)
    assert parts(read(client).json) == SHOWN_FORMER


@pytest.mark.parametrize(("within", "is_old"), [(3600, True), (0, False)])
def test_stale_for_some_seconds_after_a_change(client: Client, app: MockApp, within: float, is_old: bool) -> None:
    client.put(FORMER)
    client.put(MOVED)
    app.add_faults({"fault": "read-stale-seconds", "within": within})
    assert parts(read(client).json) == (SHOWN_FORMER if is_old else SHOWN_MOVED)
    (rule,) = app.faults()
    assert (rule.times, rule.within) == (None, within)


def test_a_session_that_was_never_changed_is_not_stale(client: Client, app: MockApp) -> None:
    app.add_faults("read-stale-seconds")
    read(client)
    assert app.reads()[-1].reason == "accepted"


def test_what_reshapes_a_session_waits_for_a_read(client: Client, app: MockApp) -> None:
    app.add_faults({"dates": "null"})
    assert client.put(MOVED).json == "Session rescheduled"
    assert read(client).json["appointmentDate"] is None
    assert app.faults() == []


def test_a_state_can_be_old_and_written_otherwise(moved: Client, app: MockApp) -> None:
    app.add_faults({"show": "former", "dates": "naive"})
    assert read(moved).json["appointmentDate"] == "2031-01-01T09:00:00"


@pytest.mark.parametrize(
    "rule",
    [
        {"method": "get"},
        {"method": 1},
        {"method": ""},
        {"show": "later"},
        {"dates": "roman"},
        {"within": -1},
        {"within": "2"},
    ],
)
def test_a_rule_for_reads_that_is_none_is_refused(app: MockApp, rule: dict[str, Any]) -> None:
    (name,) = rule
    with pytest.raises(FaultError, match=f"^{name}: "):
        app.add_faults(rule)


def test_the_admin_interface_takes_and_shows_the_rules(client: Client) -> None:
    rule = {"fault": "read-stale", "within": 60, "times": None}
    shown = client.admin("POST", "faults", rule)["faults"]
    assert shown == [{"method": "GET", "show": "former", "within": 60, "times": None, "name": "read-stale"}]
    catalogue = client.admin("GET", "faults/catalogue")
    assert catalogue["faults"]["read-dates-us"] == {"method": "GET", "dates": "us", "times": 1, "name": "read-dates-us"}
    assert catalogue["about"] == ABOUT_FAULTS


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("0001-01-01T00:00:00.000Z", "offset", "0001-01-01T00:00:00.000Z"),
        ("2016-12-31T23:59:60Z", "naive", "2016-12-31T23:59:60Z"),
        ("2016-12-31T23:59:60Z", "null", None),
        ("no date", "epoch", "no date"),
        (None, "us", None),
        (None, "empty", ""),
        ("2030-01-01t10:00:00.5Z", "no-milliseconds", "2030-01-01T10:00:00Z"),
    ],
)
def test_dates_that_cannot_be_written_otherwise_stay(value: Any, form: str, expected: Any) -> None:
    assert in_form(value, form) == expected


@pytest.mark.parametrize("value", ["9999-12-31T23:59:59.999Z", "no date", None, 5])
def test_an_invented_date_is_never_the_real_one(value: Any) -> None:
    assert amiss(value) == "2001-01-01T00:00:00.000Z"


def test_missing_dates_are_left_out_and_nothing_else() -> None:
    shown = ShownSession({}, {}, dates=frozenset({"a"}))
    assert shown.in_other_form({"a": "2030-01-01T00:00:00Z", "b": "2030-01-01T00:00:00Z"}, MISSING) == {
        "b": "2030-01-01T00:00:00Z"
    }


# --- other documents --------------------------------------------------------------------------------------


def changed(tmp_path: Path, name: str, shown_as: str | None) -> Path:
    """Write the spec with another answer to what a field is read as."""
    document = read_document()
    field = document["components"]["schemas"]["SessionChange"]["properties"][name]
    field.pop("x-reads-back-as", None)
    if shown_as is not None:
        field["x-reads-back-as"] = shown_as
    file = tmp_path / "spec.yaml"
    write_document(file, document)
    return file


def test_the_spec_alone_says_what_a_field_is_read_as(tmp_path: Path) -> None:
    with running_server(token=TOKEN, spec=changed(tmp_path, "company", "examLocale")) as server:
        client = Client(server.url)
        client.put({"company": "Example"})
        assert read(client).json["examLocale"] == "Example"
    with running_server(token=TOKEN, spec=changed(tmp_path, "appointmentEndDateTime", None)) as server:
        client = Client(server.url)
        client.put(MOVED)
        assert read(client).json["appointmentEndDate"] != MOVED["appointmentEndDateTime"]


# --- the table --------------------------------------------------------------------------------------------


def test_every_named_fault_is_in_the_table_of_the_help_and_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(ABOUT_FAULTS) == list(FAULTS)
    assert main(["--help"]) == 0
    helped = [line.split(maxsplit=1) for line in capsys.readouterr().out.partition("faults by name")[2].splitlines()]
    assert [tuple(words) for words in helped[1:]] == list(ABOUT_FAULTS.items())
    readme = (ROOT / "mock" / "README.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {about} |" for name, about in ABOUT_FAULTS.items()]
    assert "\n".join(rows) in readme
