"""Faults, each over a real socket and in process: what the client sees, and what was stored meanwhile."""

import asyncio
import json
import socket
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from mock.rawhttp import BODY, JSON, PATH, SESSION, TOKEN, Client, Gone, path_of
from smarterproctoring_mock import (
    FAULTS,
    ConnectionDropped,
    Fault,
    FaultError,
    MockApp,
    parse_fault,
    running_server,
    scenario_names,
)
from smarterproctoring_mock.asgi import Message
from smarterproctoring_mock.waiting import sleep


def notes(app: MockApp) -> object:
    """What the session's notes are now; None where there is no session."""
    return app.sessions()[0].fields.get("notes") if app.sessions() else None


# name -> (status, stored)
ANSWERS = {
    "expired-token": (401, False),
    "refused-token": (403, False),
    "forbidden": (403, False),
    "not-found": (404, False),
    "rate-limited": (429, False),
    "rate-limited-until": (429, False),
    "server-error": (500, False),
    "stored-server-error": (500, True),
    "unavailable": (503, False),
    "unknown-520": (520, False),
    "proxy-html": (502, False),
    "hapi-error": (400, False),
    "nested-error": (400, False),
    "malformed-json": (200, True),
    "empty": (204, True),
    "empty-200": (200, True),
    "text": (200, True),
    "object": (200, True),
    "redirect": (302, False),
    "slow": (200, True),
    "drip": (200, True),
}
CUTS = {
    "truncated": True,
    "drop-before-read": False,
    "drop-before-store": False,
    "drop-after-store": True,
    "reset-after-store": True,
}


def test_every_named_fault_is_tested_here() -> None:
    # Those that strike reads alone: tests/mock/test_reads.py.
    assert ANSWERS.keys() | CUTS.keys() == {name for name, fault in FAULTS.items() if fault.method is None}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_fault_answers_once_and_is_gone(client: Client, app: MockApp, name: str) -> None:
    status, stored = ANSWERS[name]
    app.add_faults(name if name != "slow" else {"fault": "slow", "delay": 0.01})
    answer = client.put({"notes": name})
    assert answer.status == status
    assert notes(app) == (name if stored else None)
    row = app.audit()[0]
    assert (row.status, row.stored) == (status, stored)
    assert row.reason == f"fault: {name}"
    again = client.put({"notes": "again"})
    assert (again.status, again.json) == (200, "Session rescheduled")


@pytest.mark.parametrize("name", CUTS)
def test_a_cut_connection(client: Client, app: MockApp, name: str) -> None:
    app.add_faults(name)
    if name == "truncated":
        answer = client.put({"notes": name})
        assert (answer.status, answer.complete, answer.body) == (200, False, b'"Sess')
    else:
        with pytest.raises(Gone) as gone:
            client.put({"notes": name})
        if name != "drop-before-read":  # unread octets make the kernel choose
            assert gone.value.reset is (name == "reset-after-store")
        assert app.audit()[0].status == 0
    assert notes(app) == (name if CUTS[name] else None)
    assert client.put().status == 200


def test_the_details_of_the_named_faults(client: Client, app: MockApp) -> None:
    def answer(name: str) -> Any:
        app.add_faults(name)
        return client.put()

    assert answer("expired-token").json["code"] == "AUTHENTICATIONFAILED"
    assert answer("forbidden").json["code"] == "5003"
    assert answer("not-found").json["code"] == "1203"
    assert answer("rate-limited").headers["retry-after"] == "1"
    before = time.time()
    until = parsedate_to_datetime(answer("rate-limited-until").headers["retry-after"]).timestamp()
    assert before - 1 < until < time.time() + 3
    proxy = answer("proxy-html")
    assert proxy.headers["content-type"] == "text/html"
    assert proxy.body.startswith(b"<html>")
    with pytest.raises(json.JSONDecodeError):
        assert answer("malformed-json").json
    assert answer("empty-200").body == b""
    assert "content-type" not in answer("empty").headers
    assert "content-length" not in answer("empty").headers
    assert answer("text").headers["content-type"] == "text/plain"
    assert isinstance(answer("object").json, dict)
    assert answer("redirect").headers["location"].startswith("https://")
    assert answer("hapi-error").json["statusCode"] == 400
    assert answer("nested-error").json["error"]["code"] == "1"


@pytest.mark.parametrize("status", [200, 201, 204, 304, 400, 401, 403, 404, 418, 429, 500, 502, 503, 520, 599])
def test_prefer_code_answers_one_request_as_the_spec_says(client: Client, app: MockApp, status: int) -> None:
    answer = client.put({"notes": "x"}, headers=[("token", TOKEN), JSON, ("Prefer", f"code={status}")])
    assert answer.status == status
    assert notes(app) == ("x" if status < 300 else None)
    if status in {204, 304}:
        assert answer.body == b""
    elif status >= 400:
        assert answer.json["status"] == status
        assert isinstance(answer.json["code"], str)
    if status == 401:
        assert answer.json["code"] == "AUTHENTICATIONFAILED"
    assert client.put().status == 200


@pytest.mark.parametrize("value", ["code=429", 'code="429"', "wait=1, code=429; x=y", "Code = 429"])
def test_forms_of_prefer(client: Client, value: str) -> None:
    assert client.put(headers=[("token", TOKEN), JSON, ("Prefer", value)]).status == 429


def test_a_broken_request_is_refused_whatever_was_asked_for(client: Client, app: MockApp) -> None:
    app.add_faults("server-error")
    assert client.put({"type": "zoom"}).status == 400
    assert client.put({"type": "zoom"}, headers=[("token", TOKEN), JSON, ("Prefer", "code=500")]).status == 400
    assert client.put().status == 500, "the turn was not used up"
    assert client.put().status == 200


def test_a_script_runs_in_order(client: Client, app: MockApp) -> None:
    app.add_faults({"status": 503, "times": 2}, {"fault": "rate-limited", "retry_after": 0}, {"status": 500})
    assert [client.put().status for _ in range(5)] == [503, 503, 429, 500, 200]


def test_a_fault_for_one_session_leaves_the_others_alone(client: Client, app: MockApp) -> None:
    app.add_faults({"status": 500, "session": SESSION, "times": None})
    assert [client.put(path=path).status for path in (path_of(9), PATH, path_of(9), PATH)] == [200, 500, 200, 500]
    app.clear_faults()
    assert client.put().status == 200


def test_a_fault_for_another_operation_never_strikes(client: Client, app: MockApp) -> None:
    app.add_faults({"status": 500, "operation": "another"})
    assert client.put().status == 200
    assert len(app.faults()) == 1


def test_probability_is_drawn_from_the_seed(client: Client, app: MockApp) -> None:
    def run(seed: int) -> list[int]:
        app.clear_faults()
        app.add_faults({"status": 500, "probability": 0.3, "times": None}, seed=seed)
        return [client.put().status for _ in range(60)]

    first = run(7)
    assert first == run(7)
    assert first != run(8)
    assert 5 <= first.count(500) <= 35


def test_own_answers(client: Client, app: MockApp) -> None:
    app.add_faults(
        {"status": 207, "json": {"a": [1]}, "headers": {"X-Request-Id": "r-1"}},
        Fault(status=400, text="\u00e9", content_type="text/plain; charset=utf-8"),
        {"status": 418, "code": "77", "message": "short"},
        {"status": 299, "store": False},
    )
    first = client.put({"notes": "207"})
    assert (first.status, first.json, first.headers["x-request-id"]) == (207, {"a": [1]}, "r-1")
    assert notes(app) == "207"
    assert client.put().body.decode() == "\u00e9"
    third = client.put().json
    assert third == {"code": "77", "message": "short", "status": 418, "more_info": third["more_info"]}
    assert client.put({"notes": "299"}).status == 299
    assert notes(app) == "207"


def test_a_delay_and_a_drip_take_their_time(client: Client, app: MockApp) -> None:
    # Lower bounds only: they cannot fail because a machine is slow. Half, because libuv counts a delay from the
    # start of the loop's turn, which on a busy machine is a while ago.
    app.add_faults({"delay": 0.2}, {"text": "abcdef", "drip": 0.05, "drip_bytes": 2})
    started = time.monotonic()
    assert client.put().status == 200
    assert time.monotonic() - started >= 0.1
    started = time.monotonic()
    answer = client.put()
    assert (answer.body, answer.complete) == (b"abcdef", True)
    assert time.monotonic() - started >= 0.05


@pytest.mark.slow
def test_a_delay_holds_nobody_else_up_and_not_the_end_either() -> None:
    with running_server(token=TOKEN) as server:  # its own, because the delayed request outlives the test
        client = Client(server.url)
        server.app.add_faults({"delay": 600, "session": SESSION})
        with socket.create_connection(client.address, 30) as waiting:
            waiting.sendall(client.request())
            while server.app.faults():
                assert client.put(path=path_of(9)).status == 200
            assert client.put(path=path_of(9)).status == 200
        assert {row.status for row in server.app.audit()} == {200}


def test_a_truncated_answer_of_own_text(client: Client, app: MockApp) -> None:
    app.add_faults({"text": "abc", "truncate": 99}, {"text": "", "truncate": 0})
    answer = client.put()
    assert (answer.body, answer.complete, answer.headers["content-length"]) == (b"ab", False, "3")


# --- scripts and scenarios --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("no-such-fault", "none of"),
        ({"fault": ["slow"]}, "none of"),
        ({"stauts": 500}, "stauts"),  # codespell:ignore stauts
        ({"status": "500"}, "status"),
        ({"status": 99}, "status"),
        ({"status": 600}, "status"),
        ({"status": True}, "status"),
        ({"drop": "sometimes"}, "drop"),
        ({"probability": 2}, "probability"),
        ({"probability": None}, "probability"),
        ({"times": -1}, "times"),
        ({"delay": -1}, "delay"),
        ({"drip": 1, "drip_bytes": 0}, "drip_bytes"),
        ({"text": "a", "json": 1}, "only one"),
        ({"headers": {"a": 1}}, "headers"),
        ({"headers": {"a": "b\r\nc: d"}}, "headers"),
        ({"headers": {"a b": "c"}}, "headers"),
        ({"headers": {"Content-Length": "1"}}, "headers"),
        ({"content_type": "\u20ac"}, "content_type"),
        ({"retry_after_date": 1e300}, "retry_after_date"),
        (7, "object"),
    ],
)
def test_a_rule_that_is_none_is_refused(app: MockApp, rule: Any, said: str) -> None:
    with pytest.raises(FaultError, match=said):
        parse_fault(rule)
    with pytest.raises(FaultError, match=said):
        app.add_faults(rule)
    assert app.faults() == []


def test_retry_after_is_written_in_full(client: Client, app: MockApp) -> None:
    app.add_faults({"status": 429, "retry_after": 4233600}, {"status": 429, "retry_after": 1.5})
    assert client.put().headers["retry-after"] == "4233600"
    assert client.put().headers["retry-after"] == "1.5"


@pytest.mark.parametrize("name", scenario_names())
def test_the_shipped_scenarios_load(app: MockApp, name: str) -> None:
    app.load_scenario(name)
    assert app.faults()


def test_the_shipped_scenarios_are_these() -> None:
    assert set(scenario_names()) >= {"rate-limited", "expired-token", "lost-answers", "flaky", "proxy-trouble", "slow"}


def test_a_scenario_of_ones_own(client: Client, app: MockApp, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"description": "x", "seed": 3, "faults": ["server-error", {"status": 503}]}')
    app.load_scenario(file)
    assert [client.put().status for _ in range(3)] == [500, 503, 200]
    file.write_text('{"faults": ["nothing"]}')
    with pytest.raises(FaultError, match=r"mine\.json.*nothing"):
        app.load_scenario(file)
    with pytest.raises(FaultError, match="shipped scenarios"):
        app.load_scenario("no-such-scenario")


# --- in process -------------------------------------------------------------------------------------------

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "PUT",
    "path": PATH,
    "raw_path": PATH.encode(),
    "query_string": b"",
    "headers": [(b"host", b"mock"), (b"token", TOKEN.encode()), (b"content-type", b"application/json")],
}


async def in_process(app: MockApp, **changes: Any) -> tuple[list[Message], BaseException | None]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await app({**SCOPE, **changes}, receive, send)
    except ConnectionDropped as dropped:
        return sent, dropped
    return sent, None


def by_hand(app: MockApp) -> tuple[list[Message], BaseException | None]:
    """Drive the application without any event loop."""
    coroutine = in_process(app)
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    result: tuple[list[Message], BaseException | None] = end.value.value
    return result


@pytest.mark.parametrize("path", [PATH, "/nowhere", "/_mock/"])
def test_head_has_no_body_in_process_either(path: str) -> None:
    """Over the network, the server would leave it out by itself."""
    sent, _ = asyncio.run(in_process(MockApp(token=TOKEN), method="HEAD", path=path, raw_path=path.encode()))
    assert int(dict(sent[0]["headers"])[b"content-length"]) > 0
    assert sent[1]["body"] == b""


@pytest.mark.parametrize("drive", [by_hand, lambda app: asyncio.run(in_process(app))], ids=["by hand", "asyncio"])
def test_in_process(drive: Any, tmp_path: Path) -> None:
    app = MockApp(token=TOKEN, db=tmp_path / "mock.db")
    sent, dropped = drive(app)
    assert dropped is None
    assert (sent[0]["status"], sent[1]["body"]) == (200, b'"Session rescheduled"')
    app.add_faults({"delay": 0.01, "drip": 0.001})
    assert b"".join(message.get("body", b"") for message in drive(app)[0]) == b'"Session rescheduled"'
    for name, point, messages in [
        ("drop-before-read", "before-read", 0),
        ("drop-before-store", "before-store", 0),
        ("drop-after-store", "after-store", 0),
        ("truncated", "in-answer", 2),
    ]:
        app.add_faults(name)
        sent, dropped = drive(app)
        assert isinstance(dropped, ConnectionDropped)
        assert (dropped.point, len(sent)) == (point, messages)
    assert len(app.audit()) == 6
    app.close()


def test_in_process_on_trio() -> None:
    trio = pytest.importorskip("trio")
    app = MockApp(token=TOKEN)
    app.add_faults({"delay": 0.01})
    sent, dropped = trio.run(in_process, app)
    assert dropped is None
    assert sent[0]["status"] == 200


def test_sleeping_without_a_loop_really_waits() -> None:
    started = time.monotonic()
    with pytest.raises(StopIteration):
        sleep(0.05).send(None)
    assert time.monotonic() - started >= 0.05


def test_lifespan_and_websocket_are_answered() -> None:
    async def run(kind: str, incoming: list[str]) -> list[str]:
        sent: list[str] = []

        async def receive() -> Message:
            return {"type": incoming.pop(0)}

        async def send(message: Message) -> None:
            sent.append(message["type"])

        await MockApp()({"type": kind}, receive, send)
        return sent

    assert asyncio.run(run("lifespan", ["lifespan.startup", "lifespan.shutdown"])) == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert asyncio.run(run("websocket", ["websocket.connect"])) == ["websocket.close"]
