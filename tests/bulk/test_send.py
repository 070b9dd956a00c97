"""A lane on the wire: what it keeps open, what it hands on, and that it never raises for a row."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bulk.runs import EXAM, INSTALL, START, TOKEN, Bulk, sent, session, write_list
from smarterproctoring import AsyncSmarterProctoring
from smarterproctoring_bulk.outcomes import READS, History, Outcome
from smarterproctoring_bulk.pacing import Breaker, Throttle, window_for
from smarterproctoring_bulk.rows import Row
from smarterproctoring_bulk.send import Collected, Found, Gate, Lane, ReadSession, Rules, Work, read_session
from smarterproctoring_generated.operations import GET_EXAM_SESSION
from smarterproctoring_mock import MockApp

ROWS = [Row(number, (INSTALL, EXAM, session(number)), {"notes": "moved"}) for number in range(90)]

READ = GET_EXAM_SESSION.operation_id


class Ran(NamedTuple):
    outcomes: list[Outcome]
    histories: dict[int, History]
    """Of the rows that were handed on."""
    gate: Gate
    portions: list[Collected]


def run_lane(
    url: str,
    app: MockApp,
    *,
    seconds: float = 60.0,
    work: Work | None = None,
    rows: list[Row] = ROWS,
    lanes: int = 24,
    replay: bool = True,
    read: ReadSession | None = None,
    record_before: bool = False,
    **gate: Any,
) -> Ran:
    """Run one lane to its end, holding it to its window at every portion."""

    async def main() -> Ran:
        async with AsyncSmarterProctoring(TOKEN, base_url=url, retries=0) as client:
            shared = Gate(client, **gate)
            window = window_for(lanes, None)
            rules = Rules(
                rate=lambda: None, lanes=lambda: lanes, window=window, seconds=seconds, replay=replay,
                read=read, record_before=record_before,
            )  # fmt: skip
            lane = Lane(shared, client, work or Work(rows), rules)
            outcomes = list[Outcome]()
            portions = list[Collected]()
            while True:
                collected = await lane.collect()
                # By row: a row that is tried again is in the audit before it is counted as a retry.
                assert len(sent(app)) <= len(outcomes) + window + len(collected.histories)
                await asyncio.sleep(0.01)  # the commit
                lane.recorded(collected)
                outcomes += collected.outcomes
                portions.append(collected)
                if collected.ended:
                    return Ran(outcomes, collected.histories, shared, portions)

    return asyncio.run(main())


@pytest.mark.parametrize("lanes", [8, 24])
def test_no_more_than_a_window_is_ever_open(bulk: Bulk, app: MockApp, lanes: int) -> None:
    outcomes, rest, _, portions = run_lane(bulk.url, app, lanes=lanes)
    assert rest == {}
    assert not portions[-1].left
    before = 0
    for portion in portions:
        assert portion.begun <= before + window_for(lanes, None)
        before = portion.begun
    assert before == len(ROWS)
    assert sorted(outcome.line for outcome in outcomes) == [row.line for row in ROWS]
    assert {(outcome.state, outcome.status, outcome.attempts) for outcome in outcomes} == {("ok", 200, 1)}


def test_without_a_rate_the_throttle_is_told_of_this_workers_lanes_alone(bulk: Bulk, app: MockApp) -> None:
    """It takes the rate that was refused from this worker's attempts, so their other lanes have no share in it."""
    asked: set[tuple[float | None, int]] = set()

    class Watched(Throttle):
        def interval(self, now: float, share: float | None, lanes: int) -> float:
            asked.add((share, lanes))
            return super().interval(now, share, lanes)

    run_lane(bulk.url, app, lanes=24, throttle=Watched())
    assert asked == {(None, 1)}


def test_what_does_not_fit_into_its_turn_is_handed_on_with_its_history(bulk: Bulk, app: MockApp) -> None:
    app.add_faults(
        {"fault": "stored-server-error", "session": session(0), "times": None}, {"delay": 0.1, "times": None}
    )

    def clock() -> float:
        return time.monotonic() + (1000.0 if len(app.audit()) >= 20 else 0.0)

    outcomes, histories, gate, portions = run_lane(bulk.url, app, clock=clock)
    last = portions[-1]
    assert last.left
    assert not {outcome.line for outcome in outcomes} & set(histories)
    settled = {outcome.line for outcome in outcomes}
    assert set(range(last.begun)) <= settled | set(histories), "what was begun is settled, or has a history"
    assert not {line for line in settled | set(histories) if line >= last.begun}
    history = histories[0]
    assert history.sendings == history.attempts == history.replays + 1
    assert history.maybe_applied
    assert history.elapsed > 0
    assert not gate.stopped


def test_a_lane_that_follows_another_goes_on_where_it_was(bulk: Bulk, app: MockApp) -> None:
    histories = {2: History(sendings=4, attempts=4, replays=3, maybe_applied=True), 7: History().in_doubt()}
    work = Work(ROWS, begun=60, histories=histories, superseded=frozenset({session(70)}))
    app.add_faults({"status": 500, "session": session(2), "times": None}, {"status": 409, "session": session(7)})
    outcomes, _, _, _ = run_lane(bulk.url, app, work=work)
    found = {outcome.line: outcome for outcome in outcomes}
    assert set(found) == {2, 7, *range(60, 90)}
    last = found[2]
    assert (last.state, last.status, last.attempts, last.maybe_applied) == ("gave_up", 500, 5, True)
    doubt = found[7]
    assert (doubt.state, doubt.maybe_applied, doubt.attempts, doubt.perhaps) == ("rejected", True, 1, 1)
    assert found[70].state == "superseded"
    assert session(70) not in sent(app)
    assert sent(app)[session(2)] == 1


def test_a_row_that_failed_is_sent_again_only_after_its_failure_is_recorded(bulk: Bulk, app: MockApp) -> None:
    app.add_faults({"status": 503, "session": session(0), "times": 3})
    _, _, _, portions = run_lane(bulk.url, app, rows=ROWS[:1])
    recorded = [portion.histories[0].attempts for portion in portions if 0 in portion.histories]
    assert recorded == sorted(recorded)
    assert {1, 2, 3} <= set(recorded)


def test_a_row_in_doubt_is_read_back_once_before_it_is_sent_again(bulk: Bulk, app: MockApp) -> None:
    reads: list[int] = []

    async def read(client: AsyncSmarterProctoring, row: Row) -> Found:
        reads.append(row.line)
        return Found(as_asked=row.line % 2 == 0)

    doubts = {line: History().in_doubt() for line in range(10)} | {10: History(attempts=1, sendings=1)}
    app.add_faults({"status": 503, "session": session(3)})
    outcomes, _, _, _ = run_lane(bulk.url, app, work=Work(ROWS, 90, doubts), read=read)
    found = {outcome.line: outcome for outcome in outcomes}
    assert {outcome.state for outcome in outcomes} == {"ok"}
    assert sorted(reads) == list(range(10)), "not the row that was certainly not applied, and none twice"
    confirmed = [line for line, outcome in found.items() if outcome.message == "confirmed by reading back"]
    assert sorted(confirmed) == [0, 2, 4, 6, 8]
    assert set(sent(app)) == {session(line) for line in (1, 3, 5, 7, 9, 10)}


@pytest.mark.parametrize("reads_back", [True, False])
def test_no_row_is_sent_a_sixth_time_because_a_process_died(bulk: Bulk, app: MockApp, reads_back: bool) -> None:
    """The fifth attempt was under way then, and the row is read back, but not sent."""

    async def is_not_so(client: AsyncSmarterProctoring, row: Row) -> Found:
        return Found()

    doubts = {1: History(sendings=4, attempts=4).in_doubt(), 2: History(sendings=3, attempts=3).in_doubt()}
    read = is_not_so if reads_back else None
    outcomes, _, _, _ = run_lane(bulk.url, app, work=Work(ROWS, 90, doubts), read=read)
    states = {outcome.line: (outcome.state, outcome.maybe_applied, outcome.attempts) for outcome in outcomes}
    assert states == {1: ("gave_up", True, 4), 2: ("ok", False, 4)}
    assert sent(app) == {session(2): 1}


@pytest.mark.parametrize("as_asked", [True, False])
def test_a_probe_that_is_only_read_back_does_not_hold_the_breaker(bulk: Bulk, app: MockApp, as_asked: bool) -> None:
    """It is settled, or put back because its lane's turn is over, without having been sent."""
    late = [0.0]

    async def read(client: AsyncSmarterProctoring, row: Row) -> Found:
        late[0] += 0.0 if as_asked else 100.0
        return Found(as_asked)

    breaker = Breaker(threshold=1)
    breaker.failed(0.0, "another", answered=False)
    work = Work(ROWS, 90, {line: History().in_doubt() for line in range(3)})
    outcomes, left, gate, _ = run_lane(
        bulk.url, app, work=work, seconds=20.0, read=read, breaker=breaker,
        clock=lambda: time.monotonic() + late[0],
    )  # fmt: skip
    assert len(outcomes) == (3 if as_asked else 0)
    assert len(left) == 3 - len(outcomes)
    assert gate.breaker.due(0.0) < float("inf"), "no other lane would ever begin an attempt"


def test_what_a_read_says_of_a_row(bulk: Bulk, app: MockApp) -> None:
    """A session that is not as asked, or cannot be read, leads to the sending of its row."""
    row = Row(4, ROWS[4].sids, {"appointment_start_date_time": f"{START}.000Z"})
    work = Work([row], 1, {4: History().in_doubt()})
    messages: list[str | None] = []
    for attempts in (1, 0):
        (outcome,), _, _, _ = run_lane(bulk.url, app, work=work, read=read_session)
        assert (outcome.state, outcome.attempts, outcome.perhaps) == ("ok", attempts, 1)
        messages.append(outcome.message)
    assert messages[-1] == "confirmed by reading back"
    assert sent(app) == {session(4): 1}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("in_doubt", [True, False], ids=["before a repetition", "before the first sending"])
def test_a_read_that_is_told_to_wait_slows_all_lanes(bulk: Bulk, app: MockApp, status: int, in_doubt: bool) -> None:
    row = Row(4, ROWS[4].sids, {"appointment_start_date_time": f"{START}.000Z"})
    run_lane(bulk.url, app, rows=[row])
    history = History().in_doubt() if in_doubt else History()
    app.add_faults({"operation": READ, "status": status, "retry_after": 1, "times": 1})
    work = Work([row], 1, {4: history})
    (outcome,), _, gate, _ = run_lane(bulk.url, app, work=work, read=read_session, record_before=True)
    assert outcome.state == "ok"
    first, second = app.requests(operation=READ)
    assert (first.status, second.status) == (status, 200), "it is read again"
    wait = datetime.fromisoformat(second.time) - datetime.fromisoformat(first.time)
    assert wait >= timedelta(seconds=0.9), "after the wait"
    assert gate.waits == 1
    assert gate.throttle.until > -math.inf
    assert sent(app)[session(4)] == (1 if in_doubt else 2)
    assert (outcome.found is None) == in_doubt


def test_reads_that_are_always_told_to_wait_do_not_keep_a_row(bulk: Bulk, app: MockApp) -> None:
    """Not over the parts of its chunk, either."""
    app.add_faults({"operation": READ, "status": 503, "retry_after": 0, "times": None})
    history = History().in_doubt()
    assert History.from_record(replace(history, reads_left=1).to_record()).reads_left == 1
    (outcome,), _, gate, _ = run_lane(bulk.url, app, work=Work(ROWS[:1], 1, {0: history}), read=read_session)
    assert (outcome.state, outcome.attempts, gate.waits) == ("ok", 1, READS)


def test_the_times_before_are_recorded_before_the_row_is_sent(bulk: Bulk, app: MockApp) -> None:
    row = Row(4, ROWS[4].sids, {"appointment_start_date_time": f"{START}.000Z"})
    run_lane(bulk.url, app, rows=[row])
    by_then = sent(app)[session(4)]
    later = row._replace(fields={"appointment_start_date_time": START.replace("T13", "T14") + ".000Z"})
    (outcome,), _, _, portions = run_lane(bulk.url, app, rows=[later], read=read_session, record_before=True)
    found = portions[0].histories[4].found
    assert found is not None
    assert json.loads(found)["appointment_start_date_time"] == f"{START}.000Z"
    assert outcome.found == found
    assert sent(app)[session(4)] == by_then + 1


def test_a_lane_whose_machine_slept_begins_nothing_more(bulk: Bulk, app: MockApp) -> None:
    """The clock of the process stands still meanwhile; the lease does not."""
    woken = iter([0.0, *[1000.0] * 10_000])
    outcomes, _, _, portions = run_lane(bulk.url, app, wall=lambda: next(woken))
    assert outcomes == []
    assert portions[-1].left
    assert not app.audit()


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
    (outcome,), rest, _, _ = run_lane(bulk.url, app, rows=ROWS[:1], replay=False)
    assert (outcome.state, outcome.maybe_applied, outcome.attempts) == (state, maybe_applied, 1)
    assert not rest
    assert len(app.audit()) == 1


@pytest.mark.parametrize(
    "fault", [{"status": 202}, {"text": "<html>blocked</html>", "content_type": "text/html"}], ids=["202", "HTML"]
)
def test_an_answer_that_does_not_confirm_ends_the_row_at_once(bulk: Bulk, app: MockApp, fault: dict[str, Any]) -> None:
    app.add_faults({**fault, "times": None})
    (outcome,), rest, _, _ = run_lane(bulk.url, app, rows=ROWS[:1])
    assert (outcome.state, outcome.maybe_applied, outcome.attempts) == ("gave_up", True, 1)
    assert not rest


@pytest.mark.slow
@pytest.mark.parametrize("module", ["dbos", "tqdm"])
def test_a_missing_extra_is_named(module: str, tmp_path: Path) -> None:
    words = ["bulk", "submit", str(write_list(tmp_path / "list.csv", 1)), "--yes"]
    words += ["--journal", str(tmp_path / "journal.sqlite")]
    start = f"from smarterproctoring.cli import main; main({words!r})"
    code = f"import sys; sys.modules[{module!r}] = None; {start}"
    environment = {
        **os.environ,
        "SMARTERPROCTORING_TOKEN": "secret",
        "SMARTERPROCTORING_BASE_URL": "http://127.0.0.1:9",
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode != 0
    assert f"{module} is missing; install" in done.stderr
    assert "smarterproctoring-client[bulk]" in done.stderr
    assert "Traceback" not in done.stderr
