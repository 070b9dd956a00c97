"""A lane on the wire: what it keeps open, what it hands on, and that it never raises for a row."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest
from bulk.runs import EXAM, INSTALL, TOKEN, Bulk, sent, session
from smarterproctoring import AsyncSmarterProctoring
from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_bulk.pacing import Brake, window_for
from smarterproctoring_bulk.rows import Row
from smarterproctoring_bulk.send import Gate, History, Lane
from smarterproctoring_mock import MockApp

ROWS = [Row(number, (INSTALL, EXAM, session(number)), {"notes": "moved"}) for number in range(90)]


def run_lane(
    url: str,
    app: MockApp,
    *,
    seconds: float = 60.0,
    rows: list[Row] = ROWS,
    lanes: int = 24,
    replay: bool = True,
    **gate: Any,
) -> tuple[list[Outcome], dict[int, History], Gate]:
    """Run one lane to its end, holding it to its window at every portion."""

    async def main() -> tuple[list[Outcome], dict[int, History], Gate]:
        given: list[tuple[Row, History | None]] = [(row, None) for row in rows]
        async with AsyncSmarterProctoring(TOKEN, base_url=url, retries=0) as client:
            shared = Gate(client, **gate)
            until = time.monotonic() + seconds
            lane = Lane(shared, client, given, rate=lambda: None, lanes=lanes, until=until, replay=replay)
            outcomes = list[Outcome]()
            while True:
                collected = await lane.collect()
                # By row: a row that is tried again is in the audit before it is counted as a retry.
                assert len(sent(app)) <= len(outcomes) + window_for(lanes, None)
                await asyncio.sleep(0.01)  # the commit
                outcomes += collected.outcomes
                if collected.rest is not None:
                    return outcomes, collected.rest, shared

    return asyncio.run(main())


@pytest.mark.parametrize("lanes", [8, 24])
def test_no_more_than_a_window_is_ever_open(bulk: Bulk, app: MockApp, lanes: int) -> None:
    outcomes, rest, _ = run_lane(bulk.url, app, lanes=lanes)
    assert rest == {}
    assert sorted(outcome.line for outcome in outcomes) == [row.line for row in ROWS]
    assert {(outcome.state, outcome.status, outcome.attempts) for outcome in outcomes} == {("ok", 200, 1)}


def test_without_a_rate_the_brake_is_told_of_this_workers_lanes_alone(bulk: Bulk, app: MockApp) -> None:
    """It takes the rate that was refused from this worker's attempts, so their other lanes have no share in it."""
    told: set[tuple[float | None, int]] = set()

    class Told(Brake):
        def interval(self, now: float, rate: float | None, lanes: int) -> float:
            told.add((rate, lanes))
            return super().interval(now, rate, lanes)

    run_lane(bulk.url, app, lanes=24, brake=Told())
    assert told == {(None, 1)}


def test_what_does_not_fit_into_its_turn_is_handed_on_with_its_history(bulk: Bulk, app: MockApp) -> None:
    app.add_faults(
        {"fault": "stored-server-error", "session": session(0), "times": None}, {"delay": 0.1, "times": None}
    )
    outcomes, rest, gate = run_lane(bulk.url, app, seconds=0.6)
    assert not {outcome.line for outcome in outcomes} & set(rest)
    assert len(outcomes) + len(rest) == len(ROWS)
    tries, attempts, replays, maybe_applied, elapsed = rest[0]
    assert tries == attempts == replays + 1
    assert maybe_applied
    assert elapsed > 0
    assert rest[89] == (0, 0, 0, False, 0.0)
    assert not gate.stopped


@pytest.mark.parametrize(
    ("fault", "state", "maybe_applied"),
    [
        ({"status": 409, "code": "77", "message": "taken"}, "rejected", False),
        ({"status": 302, "headers": {"location": "/elsewhere"}}, "gave_up", False),
        ({"status": 501}, "gave_up", False),
        ({"status": 412}, "rejected", False),
        ({"status": 499}, "gave_up", True),
        ({"status": 503}, "gave_up", True),
        ({"status": 303}, "gave_up", True),
        ({"status": 505}, "gave_up", True),
        ({"drop": "after-store"}, "gave_up", True),
    ],
)
def test_how_rows_end_without_replays(
    bulk: Bulk, app: MockApp, fault: dict[str, Any], state: str, maybe_applied: bool
) -> None:
    app.add_faults({**fault, "times": None})
    (outcome,), rest, _ = run_lane(bulk.url, app, rows=ROWS[:1], replay=False)
    assert (outcome.state, outcome.maybe_applied, outcome.attempts) == (state, maybe_applied, 1)
    assert not rest
    assert len(app.audit()) == 1


@pytest.mark.parametrize(
    "fault", [{"status": 202}, {"text": "<html>blocked</html>", "content_type": "text/html"}], ids=["202", "HTML"]
)
def test_an_answer_that_does_not_confirm_ends_the_row_at_once(bulk: Bulk, app: MockApp, fault: dict[str, Any]) -> None:
    app.add_faults({**fault, "times": None})
    (outcome,), rest, _ = run_lane(bulk.url, app, rows=ROWS[:1])
    assert (outcome.state, outcome.maybe_applied, outcome.attempts) == ("gave_up", True, 1)
    assert not rest


@pytest.mark.slow
@pytest.mark.parametrize("module", ["dbos", "tqdm"])
def test_a_missing_extra_is_named(module: str) -> None:
    start = "from smarterproctoring.cli import main; main(['bulk', 'status'])"
    code = f"import sys; sys.modules[{module!r}] = None; {start}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"{module} is missing; install" in done.stderr
    assert "smarterproctoring-client[bulk]" in done.stderr
    assert "Traceback" not in done.stderr
