"""What a contract run has reached of the spec: the count, and that a run's credentials are really tried."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import contract_coverage
import fuzz
import httpx
import pytest
import schemathesis
from contract.drawing import DOCUMENT, PATTERNS, SPEC, TEMPLATE
from schemathesis.engine import Status, events, from_schema
from smarterproctoring_mock import MockApp
from smarterproctoring_mock.in_process import InProcessTransport

pytestmark = pytest.mark.tooling
ROOT = SPEC.parents[1]
TOKEN = "contract-token"
_SIDS = {name: prefix + "0" * 32 for name, prefix in zip(PATTERNS, ("AI", "EX", "ES"), strict=True)}
URL = "http://127.0.0.1:1" + TEMPLATE.format(**_SIDS)
ERROR = {"code": "1", "message": "m", "status": 404, "more_info": "https://example.org"}


def exchange(status: int, answered: Any, sent: Any = None, url: str = URL, method: str = "PUT") -> dict[str, Any]:
    request = {
        "method": method,
        "url": url,
        "postData": {"mimeType": "application/json", "text": json.dumps(sent or {})},
    }
    content = {"mimeType": "application/json", "text": answered if isinstance(answered, str) else json.dumps(answered)}
    return {"request": request, "response": {"status": status, "content": content}}


ALL = [exchange(200, '"Session rescheduled"'), exchange(404, ERROR), exchange(503, ERROR)]
PROPERTIES: dict[str, Any] = DOCUMENT["components"]["schemas"]["ExamSession"]["properties"]
READ = [
    exchange(200, {name: schema["example"] for name, schema in PROPERTIES.items()}, method="GET"),
    exchange(404, ERROR, method="GET"),
    exchange(503, ERROR, method="GET"),
]


def measured(tmp_path: Path, entries: list[dict[str, Any]]) -> contract_coverage.Reach:
    file = tmp_path / "run-har.json"
    file.write_text(json.dumps({"log": {"entries": [*entries, *READ]}}))
    read, change = contract_coverage.measure([file], DOCUMENT)
    assert (read.method, change.method) == ("GET", "PUT")
    assert read.reach.missing == []
    assert contract_coverage.main([str(file)]) == bool(change.reach.missing)
    return change.reach


def test_a_run_that_reached_everything(tmp_path: Path) -> None:
    reach = measured(tmp_path, ALL)
    assert reach.missing == []
    assert list(reach.responses) == ["default", "4XX", "5XX"]
    assert len(reach.answer_keywords) == 13
    assert reach.statuses == {200: 1, 404: 1, 503: 1}


@pytest.mark.parametrize(
    ("entries", "missing"),
    [
        (ALL[1:], {"default", "default: /type"}),
        (ALL[:2], {"5XX", "5XX: /properties/status/type"}),
        ([ALL[0], ALL[2], exchange(404, ERROR, url=URL + "/more")], {"4XX", "4XX: /required"}),
        ([ALL[0], ALL[2], exchange(404, ERROR, method="POST")], {"4XX"}),
        ([*ALL[:2], exchange(503, "<html>")], {"5XX: /type"}),
        ([*ALL[:2], exchange(503, {"message": "m"})], {"5XX: /properties/code/type"}),
    ],
    ids=["no success", "no 5XX", "another path", "another method", "no JSON", "a part of it"],
)
def test_what_a_run_left_out_is_named(tmp_path: Path, entries: list[dict[str, Any]], missing: set[str]) -> None:
    assert missing <= set(measured(tmp_path, entries).missing)


def test_a_link_is_reached_by_a_read_after_a_change_in_one_run(tmp_path: Path) -> None:
    assert measured(tmp_path, ALL).links == {"link read": 1}
    read, change = READ[0], ALL[0]
    elsewhere = exchange(200, {}, url=URL[:-1] + "1", method="GET")
    refused = exchange(404, ERROR, method="GET")
    runs = {
        "before": [[read, change]],
        "another session": [[change, elsewhere]],
        "refused": [[change, refused]],
        "another run": [[change], [read]],
        "after": [[change, read]],
    }
    for name, entries in runs.items():
        files: list[Path] = []
        for number, run in enumerate(entries):
            files.append(tmp_path / f"{name}-{number}.json")
            files[-1].write_text(json.dumps({"log": {"entries": run}}))
        _, operation = contract_coverage.measure(files, DOCUMENT)
        assert operation.reach.links == {"link read": int(name == "after")}, name
        assert ("link read" in operation.reach.missing) is (name != "after")


def test_keywords_of_requests_are_satisfied_and_broken(tmp_path: Path) -> None:
    place = "body/properties/appointmentDateTime"
    wrong = URL.replace("ES0", "xx0")
    entries = [
        exchange(200, '""', {"appointmentDateTime": "2030-01-01T00:00:00Z", "type": "ad-hoc"}),
        exchange(400, ERROR, {"appointmentDateTime": "later", "type": "else", "notes": 5}, wrong),
    ]
    reach = measured(tmp_path, entries)
    assert all(reach.satisfied[f"{place}/{keyword}"] for keyword in ("type", "pattern", "format"))
    assert [reach.broken[f"{place}/{keyword}"] for keyword in ("type", "pattern", "format")] == [False, True, True]
    assert reach.broken["body/properties/type/enum"]
    assert reach.broken["body/properties/notes/type"]
    assert not reach.satisfied["body/properties/notes/type"]
    assert reach.broken["sessionSid/pattern"]
    assert "sessionSid/type" not in reach.broken
    assert "examSid/pattern (never broken)" in reach.missing_of_requests


def test_without_a_file_the_command_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert contract_coverage.main([]) == 2
    assert "HAR" in capsys.readouterr().err


def drawn_failures(app: MockApp, checks: str | None = None, examples: int = 10) -> list[str]:
    """Draw a few cases with the project's settings and all checks, or these; return the names of those that fail."""
    settings = tomllib.loads((ROOT / "schemathesis.toml").read_text())
    settings["generation"] |= {"deterministic": True, "max-examples": examples, "database": "none"}
    settings["phases"] = {name: {"enabled": name == "fuzzing"} for name in settings["phases"]}
    if checks is not None:
        settings["checks"] = {"enabled": False, **{name: {"enabled": True} for name in checks.split(",")}}
    schema = schemathesis.openapi.from_path(SPEC, config=schemathesis.Config.from_dict(settings))
    schema.app = app
    return [
        node.name
        for event in from_schema(schema).execute()
        if isinstance(event, events.ScenarioFinished)
        for nodes in event.recorder.checks.values()
        for node in nodes
        if node.status != Status.SUCCESS
    ]


@pytest.mark.slow
@pytest.mark.parametrize("token", [TOKEN, None], ids=["the token", "any token"])
def test_whether_the_token_is_looked_at_is_found_by_schemathesis_own_check(token: str | None) -> None:
    assert ("ignored_auth" in drawn_failures(MockApp(token=token))) is (token is None)


@pytest.mark.slow
def test_the_faults_of_the_second_pass_reach_every_documented_status() -> None:
    app = MockApp(token=TOKEN, scenario=fuzz.FAULTS)
    assert drawn_failures(app, fuzz.CHECKS_WITH_FAULTS, examples=20) == []
    transport = InProcessTransport(app, URL.removesuffix(httpx.URL(URL).path))
    with httpx.Client(transport=transport, headers={"token": TOKEN}) as client:
        for _ in range(30):  # what so few cases have not met
            client.put(URL, json={"notes": "x"})
            client.put(URL, json={"notes": 1})
            client.get(URL)
    for method in ("PUT", "GET"):
        seen = {request.status for request in app.requests(method=method)}
        assert {200, 401, 403, 404, 429, 500, 502, 503} <= seen, method
    assert app.requests(method="PUT", status=400)
    app.close()


@pytest.mark.parametrize(("entries", "code"), [(ALL, 0), (ALL[:2], 1)], ids=["all", "no 5XX"])
def test_the_command_fails_unless_every_response_was_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], entries: Any, code: int
) -> None:
    ran: list[str] = []

    def write(_arguments: object, one: fuzz.Pass) -> int:
        ran.append(one.name)
        one.har.write_text(json.dumps({"log": {"entries": [*entries, *READ]}}))
        return 0

    monkeypatch.setattr(fuzz, "REPORTS", tmp_path)
    monkeypatch.setattr(fuzz, "fuzz", write)
    monkeypatch.setattr(sys, "argv", ["fuzz.py"])
    assert fuzz.main() == code
    assert ran == ["memory", "file", "faults"]
    out = capsys.readouterr().out
    assert "responses             3 of 3: 200, 4XX, 5XX" in out
    assert f"responses             {2 + (code == 0)} of 3: default, 4XX, 5XX" in out
    assert ("not reached: 5XX\n" in out) is (code == 1)
