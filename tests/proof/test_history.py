"""The history check itself: for each rule a hand-made wrong history that it finds, and right ones beside it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import check_history
import httpx
import prove_history
import pytest
from history.facts import (
    CONFIRMED,
    UNDER_WAY,
    Command,
    History,
    Job,
    Pause,
    Report,
    Request,
    Row,
    Statement,
    is_as_asked,
)
from history.gather import job_in, read_report
from history.judge import RULES, judge
from history.lists import EXAM, INSTALL, notes_of, rows_of, seed_of, session_of, start_of, write_list
from history.plan import FAULT_KINDS, THEMES, ActKind, DisruptionKind, PlannedList, PlannedRow, plan_of
from history.service import answer_of, requests_of
from history.shown import shown_plan, shown_violation
from seeded_faults import ROOT, Fault, ProofError, read_faults
from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_bulk.plan import Duplicate
from smarterproctoring_bulk.report import Summary, write_report
from smarterproctoring_mock import running_server

pytestmark = pytest.mark.tooling

A, B = "ES" + "a" * 32, "ES" + "b" * 32
OLD, NEW = "v1@2030-05-04T13:01", "v2@2030-05-04T13:02"
STORED = Request(10.0, A, OLD, stored=True)
LOST = Request(10.0, A, OLD, status=0, answer="open")
OK = Statement(2, A, "ok", attempts=1)
GAVE_UP = Statement(2, A, "gave_up", maybe_applied=True, attempts=1)
REJECTED = Statement(2, A, "rejected", attempts=1)


def job(*statements: Statement, code: int | None = None, name: str = "a", **changes: object) -> Job:
    """Return a job of a list with one row, and one report of it."""
    made = Job(id=name, source=f"{name}.csv", rows=[Row(2, A, OLD)], began=1.0)
    made.reports = [Report(100.0, statements or [OK], code)]
    for field, value in changes.items():
        setattr(made, field, value)
    return made


def history(requests: list[Request], *jobs: Job, commands: tuple[Command, ...] = ()) -> History:
    return History("by hand", requests, jobs, commands)


def newer(*statements: Statement, began: float = 20.0, name: str = "b") -> Job:
    """Return a job that asks for another change of the same session."""
    return job(*statements, name=name, began=began, rows=[Row(2, A, NEW)])


def command(**changes: object) -> Command:
    made = Command(["run", "a.csv"], 0.0, 20.0, 0, "", frozenset({0}), {"a.csv": 20.0})
    return replace(made, **changes)  # type: ignore[arg-type]


def burst(count: int, seconds: float, start: float = 2.0) -> list[Request]:
    """Return requests that arrive evenly."""
    return [Request(start + number * seconds / count, B, OLD) for number in range(count)]


SHOWN = Request(12.0, A, shown=OLD)
BY_READ = replace(OK, message=CONFIRMED, attempts=0, perhaps=1)
SENT_NOW = Statement(2, A, "open", maybe_applied=True, perhaps=1, message=UNDER_WAY)
AGAIN = Request(30.0, A, OLD, stored=True)
OVERWRITTEN = [STORED, Request(25.0, A, NEW, stored=True), AGAIN]


def reported(statement: Statement, *, alone: bool) -> Job:
    """Return a job with a report that was written while nothing else, or something else, worked on it."""
    return job(reports=[Report(100.0, [statement], alone=alone)], may_be_unfinished=True)


def stopped(pause: Pause, *again: Request) -> History:
    """Return a history whose older job was stopped, and sends a row again that a newer job has moved."""
    requests = [*OVERWRITTEN[:2], *(again or (AGAIN,))]
    older = job(replace(OK, attempts=len(requests) - 1), pauses=[pause])
    return history(requests, older, newer())


WRONG: list[tuple[str, History]] = [
    ("one state per row", history([STORED], job(OK, OK))),
    ("one state per row", history([STORED], job(reports=[Report(50.0, []), Report(100.0, [OK])]))),
    ("one state per row", history([STORED], job(OK, rows=[Row(2, A, OLD), Row(3, B, OLD)]))),
    ("one state per row", history([STORED], job(OK, Statement(3, B, "superseded")))),
    ("one state per row", history([STORED], job(replace(OK, state="moved")))),
    ("one state per row", history([STORED], job(OK, rows=[Row(2, A, OLD, "conflict")]))),
    ("nothing lost", history([], job(Statement(2, A, "open")))),
    ("nothing lost", history([STORED], job(OK, state="paused (api)"))),
    ("ok is stored", history([], job(replace(OK, attempts=0)))),
    ("ok is stored", history([replace(STORED, stored=False)], job(OK))),
    ("ok is stored", history([replace(STORED, answer="open", status=500)], job(OK))),
    ("ok is stored", history([replace(STORED, time=0.5)], job(OK))),
    ("ok is stored", history([STORED, Request(12.0, A, shown=NEW)], job(BY_READ))),
    ("ok is stored", history([STORED], job(BY_READ))),
    ("ok is stored", history([], job(replace(OK, state="done", attempts=0)))),
    ("not applied is not stored", history([STORED], job(REJECTED))),
    ("not applied is not stored", history([replace(LOST, stored=True)], job(replace(GAVE_UP, maybe_applied=False)))),
    ("not applied is not stored", history([STORED], job(Statement(2, A, "open"), may_be_unfinished=True))),
    ("not applied is not stored", history([STORED], job(Statement(2, A, "superseded")), newer())),
    ("doubt has a reason", history([replace(STORED, status=409, answer="no", stored=False)], job(GAVE_UP))),
    ("doubt has a reason", history([STORED], job(replace(OK, maybe_applied=True)))),
    ("doubt has a reason", history([STORED], reported(SENT_NOW, alone=True))),
    ("attempts are counted", history([STORED, AGAIN], job(OK))),
    ("attempts are counted", history([STORED], job(replace(OK, attempts=2)))),
    ("only what is listed is sent", history([STORED, Request(11.0, A, NEW)], job(OK))),
    ("sendings are bounded", history([LOST] * 6, job(replace(GAVE_UP, attempts=6)))),
    ("rate is kept", history(burst(80, 1.0), commands=(command(),))),
    ("rate is kept", history(burst(150, 5.0), commands=(command(),))),
    ("newer is not overwritten", history(OVERWRITTEN, job(replace(OK, attempts=2)), newer())),
    # It was stopped for another time, for too short a time, or sent the row twice when it went on.
    ("newer is not overwritten", stopped(Pause(15.0, 24.0))),
    ("newer is not overwritten", stopped(Pause(26.0, 29.0))),
    ("newer is not overwritten", stopped(Pause(15.0, 31.0))),
    ("newer is not overwritten", stopped(Pause(15.0, 29.0), AGAIN, replace(AGAIN, time=31.0))),
    ("exit code fits", history([STORED], job(code=5))),
    ("exit code fits", history([STORED], job(code=8))),
    ("exit code fits", history([STORED], job(reports=[Report(100.0, [OK], 0, left_alone=1)]))),
    ("exit code fits", history([STORED], job(code=7))),
    ("exit code fits", history([], job(replace(REJECTED, attempts=0), code=0))),
    ("exit code fits", history([LOST], job(GAVE_UP, code=5))),
    ("exit code fits", history([LOST], job(GAVE_UP, code=9))),
    ("paused only if down", history([LOST] * 30, commands=(command(output="paused, every request fails"),))),
    ("commands end well", history([], commands=(command(code=1),))),
    ("commands end well", history([], commands=(command(output="Traceback (most recent call last):"),))),
]
RIGHT: list[History] = [
    history([STORED], job(code=0)),
    history([STORED], job(reports=[Report(100.0, [OK], 5, left_alone=1)])),
    history([STORED], job(reports=[Report(50.0, [], is_whole=False), Report(100.0, [OK])])),
    history([LOST], job(GAVE_UP, code=8)),
    history([replace(LOST, stored=True)], job(GAVE_UP, code=8)),
    history([replace(LOST, stored=True), SHOWN], job(BY_READ)),
    history([STORED], job(OK), job(replace(OK, state="done", attempts=0), name="b", began=20.0)),
    history([replace(LOST, time=10.0 * n) for n in range(1, 11)], job(replace(GAVE_UP, attempts=10), renewals=1)),
    history([STORED], job(replace(GAVE_UP, attempts=0, perhaps=1), interruptions=1)),
    history(burst(20, 1.0), commands=(command(),)),
    history(burst(80, 1.0), commands=(command(rates={"a.csv": None}),)),
    history(burst(80, 1.0), commands=(command(), command(rates={"b.csv": 60.0}))),
    history([STORED, Request(25.0, A, NEW, stored=True)], job(), newer()),
    stopped(Pause(15.0, 29.0)),
    history([STORED], reported(SENT_NOW, alone=False)),
    # The newer change was not stored, so nothing was overwritten.
    history(
        [STORED, Request(25.0, A, NEW, status=409, answer="no"), AGAIN], job(replace(OK, attempts=2)), newer(REJECTED)
    ),
]


@pytest.mark.parametrize(("rule", "wrong"), WRONG, ids=[rule for rule, _ in WRONG])
def test_a_wrong_history_is_found(rule: str, wrong: History) -> None:
    found = [violation for violation in judge(wrong) if violation.rule == rule]
    assert found
    assert found[0].message in shown_violation(wrong, found[0])


@pytest.mark.parametrize("right", RIGHT)
def test_a_right_history_is_left_alone(right: History) -> None:
    named = {"only what is listed is sent"} if not right.jobs else set[str]()
    assert {violation.rule for violation in judge(right)} <= named


def test_every_rule_has_a_wrong_history() -> None:
    assert {rule for rule, _ in WRONG} == {rule.__name__.replace("_", " ") for rule in RULES}


def test_more_doubt_than_a_crash_explains_is_found() -> None:
    rows = [Row(line, f"ES{line:032x}", OLD) for line in range(2, 110)]
    doubts = [Statement(row.line, row.session, "open", maybe_applied=True, perhaps=1) for row in rows]
    crashed = job(*doubts, rows=rows, interruptions=1, rate=20.0, lanes=2, may_be_unfinished=True)
    assert {violation.rule for violation in judge(history([], crashed))} == {"doubt has a reason"}
    crashed.rate = None
    assert not judge(history([], crashed))


def test_a_violation_shows_its_evidence() -> None:
    wrong = history([STORED], job(REJECTED))
    (violation,) = judge(wrong)
    shown = shown_violation(wrong, violation)
    for part in (A, OLD, "00:00:10.000", "stored", "line 2 rejected", "job a (a.csv)"):
        assert part in shown


def test_a_change_is_known_again_in_a_read() -> None:
    assert is_as_asked("v1@2030-05-04T13:01", OLD)
    assert not is_as_asked("v2@2030-05-04T13:01", OLD)
    assert is_as_asked("v2@2030-05-04T13:01", "@2030-05-04T13:01")


@pytest.mark.parametrize(
    ("status", "reason", "answer"),
    [
        (200, "accepted", "yes"),
        (200, "fault: slow", "yes"),
        (200, "fault: page", "open"),
        (409, "fault: 409", "no"),
        (429, "fault: rate-limited", "no"),
        (499, "fault: x", "open"),
        (503, "fault: 503", "open"),
        (0, "fault: lost", "open"),
    ],
)
def test_what_an_answer_says(status: int, reason: str, answer: str) -> None:
    assert answer_of(status, reason) == answer


# -- plans and what is gathered --


@pytest.mark.parametrize("theme", THEMES)
def test_a_seed_gives_the_same_plan_and_another_gives_another(theme: str) -> None:
    plans = [plan_of(seed, 3, postgres=True, theme=theme) for seed in ("a", "a", "b")]
    assert plans[0] == plans[1] != plans[2]
    assert plan_of("a", 4, postgres=True, theme=theme) != plans[0]
    assert not plan_of("a", 3, postgres=False, theme=theme).shared
    assert theme in shown_plan(plans[0])


def test_plans_hold_everything_that_can_happen() -> None:
    plans = [plan_of("many", number, postgres=True) for number in range(400)]
    acts = [act for plan in plans for act in plan.acts]
    assert {plan.theme for plan in plans} == {*THEMES}
    assert {act.kind for act in acts} == {*get_args(ActKind)}
    assert {each.kind for act in acts for each in act.disruptions} == {*get_args(DisruptionKind)}
    assert {kind for plan in plans for kind in plan.faults} == {*FAULT_KINDS}
    assert {plan.shared for plan in plans} == {True, False}
    kinds = {row.kind for plan in plans for planned in plan.lists for row in planned.rows}
    assert kinds == {"send", "duplicate", "conflict", "invalid"}
    assert all(act.of < len(plan.lists) for plan in plans for act in plan.acts)


def test_what_the_service_got_is_read_from_the_mock_server(tmp_path: Path) -> None:
    number = 7
    row = PlannedRow(number, 1)
    planned = PlannedList("list.csv", [row], None, 1)
    sid = session_of("h", number)
    with running_server() as server:
        server.app.seed(seed_of("h", [planned]))
        url = f"{server.url}/v1/installs/{INSTALL}/exams/{EXAM}/sessions/{sid}"
        body = {"notes": notes_of(1), "appointmentStartDateTime": start_of(1)}
        with httpx.Client(headers={"token": "a-token"}) as client:
            client.put(url, json=body)
            server.app.add_faults({"status": 503, "store": False})
            client.put(url, json=body)
            client.get(url)
        got = requests_of(server.app)
    (asked,) = [each.change for each in rows_of("h", [row])]
    assert [(each.change, each.status, each.stored, each.answer) for each in got[:2]] == [
        (asked, 200, True, "yes"),
        (asked, 503, False, "open"),
    ]
    assert (got[2].change, got[2].shown) == ("", asked)
    assert {each.session for each in got} == {sid}


def test_the_rows_of_a_list_are_those_of_its_file(tmp_path: Path) -> None:
    planned = PlannedList("list.csv", [PlannedRow(1, 1), PlannedRow(-1, 1, "invalid")], None, 1)
    write_list(tmp_path / "list.csv", "h", planned)
    lines = (tmp_path / "list.csv").read_text().splitlines()
    assert [row.line for row in rows_of("h", planned.rows)] == [2, 3]
    assert session_of("h", 1) in lines[1]
    assert "ESwrong" in lines[2]


def test_a_report_is_read_as_bulk_writes_it(tmp_path: Path) -> None:
    outcomes = [Outcome(2, (INSTALL, EXAM, A), "gave_up", maybe_applied=True, attempts=2, perhaps=1, message="no")]
    summary = Summary("0123456789ab", "list.csv", 2, 1, 0.0, None, None, ())
    path = tmp_path / "report.jsonl"
    write_report(path, outcomes, summary, "jsonl", [Duplicate(3, 2)])
    first, second = read_report(path)
    assert first == Statement(2, A, "gave_up", maybe_applied=True, attempts=2, perhaps=1, message="no")
    assert (second.line, second.state, second.maybe_applied) == (3, "duplicate", False)


def test_the_job_that_a_command_names() -> None:
    assert job_in("3 rows: 3 to send\njob 0123456789ab for http://x; journal: y\n") == "0123456789ab"
    assert not job_in("continuing job 0123456789ab at 20/s")


# -- the seeded faults --

HISTORY_FAULTS = read_faults(prove_history.FAULTS)


def test_there_are_ten_seeded_faults() -> None:
    assert len(HISTORY_FAULTS) >= 10


def test_each_seeded_fault_of_the_engine_can_be_put_in() -> None:
    for fault in HISTORY_FAULTS:
        assert fault.place(ROOT).line > 0, fault.name
        assert fault.place(ROOT).file.startswith("bulk/"), fault.name
        assert fault.old != fault.new, fault.name
        for arguments in fault.tests:
            assert check_history.parser().parse_args(arguments.split()).theme in THEMES, fault.name


def test_a_check_that_finds_nothing_is_told_from_one_that_finds_something(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = replace(HISTORY_FAULTS[0], tests=("--seed 1",))
    ends = {0: "", 1: "VIOLATION of: nothing lost: job a", 2: "usage"}

    def ended(code: int) -> Callable[..., subprocess.CompletedProcess[str]]:
        return lambda *_: subprocess.CompletedProcess([], code, ends[code], "")

    monkeypatch.setattr(Fault, "inside", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(prove_history, "check", ended(0))
    assert prove_history.try_fault(fault, ROOT) == ""
    monkeypatch.setattr(prove_history, "check", ended(1))
    assert prove_history.try_fault(fault, ROOT) == "nothing lost: job a"
    monkeypatch.setattr(prove_history, "check", ended(2))
    with pytest.raises(ProofError, match="no verdict: usage"):
        prove_history.try_fault(fault, ROOT)
