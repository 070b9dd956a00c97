"""What was received is shown without secrets, compared with what was expected, and exported."""

import json
import os
import subprocess
import sys
from typing import Any

import jsonschema_rs
import pytest
from mock.rawhttp import BODY, JSON, PATH, SESSION, TOKEN, Client, Gone, path_of
from smarterproctoring_mock import MockApp, running_server
from smarterproctoring_mock import record as record_module


def test_a_recorded_request_is_what_was_sent(client: Client, app: MockApp) -> None:
    client.put(path=PATH + "?a=%20b", headers=[("token", TOKEN), JSON, ("X-Two", "1"), ("X-Two", "2")])
    (request,) = app.requests()
    assert request.number == 1
    assert request.method == "PUT"
    assert request.path == PATH + "?a=%20b"
    assert request.body == BODY
    assert request.json == json.loads(BODY)
    assert ("x-two", "1") in request.headers
    assert ("x-two", "2") in request.headers
    assert ("token", "[redacted]") in request.headers
    assert request.status == 200
    assert request.params["sessionSid"] == SESSION


def test_requests_can_be_narrowed_down(client: Client, app: MockApp) -> None:
    client.put()
    client.put({"type": 1}, path_of(9))
    client.call("GET", "/x", None, [])
    assert [r.number for r in app.requests(method="PUT")] == [1, 2]
    assert [r.number for r in app.requests(status=400)] == [2]
    assert [r.number for r in app.requests(path="/x")] == [3]
    assert [r.number for r in app.requests(session=SESSION)] == [1]
    assert [r.number for r in app.requests(operation="rescheduleExamSession", limit=1)] == [2]
    assert app.requests(limit=0) == []
    assert app.total == 3


def test_the_token_is_shown_nowhere(client: Client, app: MockApp) -> None:
    secrets = [
        ("token", TOKEN),
        JSON,
        ("Authorization", f"Bearer {TOKEN}"),
        ("Cookie", f"a={TOKEN}"),
        ("X-Copy", TOKEN),
    ]
    client.put(path=f"{PATH}?token={TOKEN}&Token=another-secret&x={TOKEN}", headers=secrets)
    client.put(path="/" + TOKEN)
    client.put(headers=[("token", "another-secret"), JSON])
    shown = json.dumps(
        [
            [request.to_json() for request in app.requests()],
            app.har(),
            app.curl(),
            [str(row) for row in app.audit()],
            client.admin("GET", "requests"),
            client.admin("GET", "audit"),
            app.verify(headers={"token": "another-secret"}, times=9).message,
        ]
    )
    assert TOKEN not in shown
    assert "another-secret" not in shown


def test_the_number_and_the_octets_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "RECORDED_BYTES", 10_000)
    with running_server(token=TOKEN, recorded=5) as server:
        client = Client(server.url)
        for _ in range(8):
            client.put({"notes": "x"})
        assert [request.number for request in server.app.requests()] == [4, 5, 6, 7, 8]
        client.put({"notes": "x" * 5000})
        assert [request.number for request in server.app.requests()] == [7, 8, 9]
        client.put({"notes": "x" * 10_000})
        assert server.app.requests() == []
        assert server.app.total == 10


# --- verification -----------------------------------------------------------------------------------------


def test_what_came_is_verified(client: Client, app: MockApp) -> None:
    client.put({"type": "proctoru", "notes": "n"})
    client.put(BODY)
    expectations: list[dict[str, Any]] = [
        {"operation": "rescheduleExamSession"},
        {"method": "PUT", "path": PATH},
        {"session": SESSION, "status": 200},
        {"params": {"sessionSid": SESSION}},
        {"fields": {"type": "proctoru"}},
        {"json": {"type": "proctoru", "notes": "n"}},
        {"body": BODY},
        {"headers": {"Content-Type": "application/json", "Token": TOKEN}},
    ]
    for expected in expectations:
        app.assert_called(**expected)
    app.assert_called(fields={"type": "proctoru"}, times=2)
    app.assert_called(fields={"type": "zoom"}, times=0)


@pytest.mark.parametrize(
    "expected",
    [
        {"operation": "another"},
        {"method": "POST"},
        {"path": "/"},
        {"session": "ES"},
        {"status": 400},
        {"params": {"sessionSid": "ES"}},
        {"params": {"other": "x"}},
        {"fields": {"type": "zoom"}},
        {"fields": {"company": "x"}},
        {"json": {"type": "proctoru"}},
        {"body": b"{}"},
        {"headers": {"content-type": "text/plain"}},
        {"headers": {"token": "wrong"}},
        {"headers": {"x-absent": "1"}},
        {"times": 2},
        {"times": 0},
    ],
)
def test_what_did_not_come_is_an_assertion_error(client: Client, app: MockApp, expected: dict[str, Any]) -> None:
    client.put()
    with pytest.raises(AssertionError, match="expected"):
        app.assert_called(**expected)


def test_the_difference_to_the_nearest_call_is_shown(client: Client, app: MockApp) -> None:
    client.put({"notes": "far off"}, path_of(9))
    client.put({"type": "proctoru", "notes": "near"})
    client.call("GET", "/", None, [])
    with pytest.raises(AssertionError) as caught:
        app.assert_called(session=SESSION, method="PUT", fields={"type": "examity", "notes": "near"})
    lines = str(caught.value).splitlines()
    assert "at least one request" in lines[0]
    assert "0 of 3" in lines[0]
    assert any("number 2" in line for line in lines)
    assert '-    "type": "examity"' in lines
    assert '+    "type": "proctoru"' in lines
    assert '     "notes": "near",' in lines


def test_a_wrong_token_is_told_apart_without_being_shown(client: Client, app: MockApp) -> None:
    client.put(headers=[("token", "a-wrong-token"), JSON])
    outcome = app.verify(headers={"token": TOKEN})
    assert not outcome.ok
    assert "[another value]" in outcome.message
    assert "a-wrong-token" not in outcome.message
    assert TOKEN not in outcome.message


def test_nothing_came_at_all(app: MockApp) -> None:
    outcome = app.verify(method="PUT")
    assert (outcome.ok, outcome.count) == (False, 0)
    assert "0 of 0" in outcome.message


def test_a_misspelt_expectation_is_an_error(app: MockApp) -> None:
    with pytest.raises(TypeError, match="metod"):  # codespell:ignore metod
        app.verify(metod="PUT")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # codespell:ignore metod


# --- export -----------------------------------------------------------------------------------------------


def _fields(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object of HAR 1.2: names of one's own begin with an underscore."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional, "comment": TEXT},
        "patternProperties": {"^_": {}},
        "additionalProperties": False,
    }


TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
PAIRS = {"type": "array", "items": _fields({"name": TEXT, "value": TEXT})}
MESSAGE = {"httpVersion": TEXT, "cookies": PAIRS, "headers": PAIRS, "headersSize": NUMBER, "bodySize": NUMBER}
REQUEST = {"method": TEXT, "url": {"type": "string", "format": "uri"}, "queryString": PAIRS}
CONTENT = _fields({"size": NUMBER, "mimeType": TEXT}, compression=NUMBER, text=TEXT, encoding=TEXT)
RESPONSE = {"status": {"type": "integer"}, "statusText": TEXT, "content": CONTENT, "redirectURL": TEXT}
ENTRY = _fields(
    {
        "startedDateTime": {"type": "string", "format": "date-time"},
        "time": {"type": "number", "minimum": 0},
        "request": _fields({**MESSAGE, **REQUEST}, postData=_fields({"mimeType": TEXT, "text": TEXT})),
        "response": _fields({**MESSAGE, **RESPONSE}),
        "cache": {"type": "object"},
        "timings": _fields({"send": NUMBER, "wait": NUMBER, "receive": NUMBER}),
    }
)
LOG = {"version": {"enum": ["1.2"]}, "creator": _fields({"name": TEXT, "version": TEXT})}
HAR = jsonschema_rs.Draft7Validator(
    _fields({"log": _fields({**LOG, "entries": {"type": "array", "items": ENTRY}})}), validate_formats=True
)
"""HTTP Archive 1.2, as its description has it (Odvarka, 2012), for the parts that are written here."""


def test_har(client: Client, app: MockApp) -> None:
    client.put(path=PATH + "?a=1")
    client.put(b"\xff", headers=[("token", TOKEN), JSON])
    app.add_faults("drop-before-store", "redirect")
    with pytest.raises(Gone):
        client.put()
    client.put()
    log: Any = app.har()["log"]
    assert log["version"] == "1.2"
    first, second, dropped, moved = log["entries"]
    assert first["request"]["url"] == f"http://{client.host}{PATH}?a=1"
    assert first["request"]["queryString"] == [{"name": "a", "value": "1"}]
    assert first["request"]["postData"] == {"mimeType": "application/json", "text": BODY.decode()}
    assert first["response"]["status"] == 200
    assert first["response"]["content"]["text"] == '"Session rescheduled"'
    assert second["request"]["postData"]["_encoding"] == "base64"
    assert second["response"]["status"] == 400
    assert dropped["response"]["status"] == 0
    assert moved["response"]["redirectURL"].startswith("https://")
    errors = [f"{error.instance_path}: {error.message}" for error in HAR.iter_errors(app.har())]
    assert not errors


@pytest.mark.skipif(os.name == "nt", reason="curl lines are for POSIX shells")
def test_a_curl_line_repeats_the_request(client: Client, app: MockApp) -> None:
    bodies = [BODY, b'{"notes":"it\'s $HOME `x` \\\\ \\n \xc3\xa9"}', b"@/etc/passwd", b"\xff\x00", b'{\n"notes":"x"}']
    for body in bodies:
        client.put(body, path=PATH + "?a=[1]&b={2}", headers=[("token", TOKEN), JSON, ("X-Empty", "")])
    lines = app.curl()
    assert all('"token: $SMARTERPROCTORING_TOKEN"' in line for line in lines)
    before = app.requests()
    app.reset()
    for line in lines:
        environment = {**os.environ, "SMARTERPROCTORING_TOKEN": TOKEN, "no_proxy": "*"}
        subprocess.run(["sh", "-c", line], check=True, capture_output=True, env=environment, timeout=30)
    after = app.requests()
    assert [r.body for r in after] == [r.body for r in before]
    assert [r.path for r in after] == [r.path for r in before]
    assert [r.status for r in after] == [r.status for r in before]
    assert all(("x-empty", "") in r.headers for r in after)


@pytest.mark.slow
def test_the_mock_knows_nothing_of_the_client() -> None:
    code = (
        "import sys, smarterproctoring_mock, smarterproctoring_mock.server, smarterproctoring_mock.admin\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in "
        "('smarterproctoring', 'smarterproctoring_generated', 'httpx')]"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
