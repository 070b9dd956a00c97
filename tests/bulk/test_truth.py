"""What a report says is so: after crashes, with rows that always fail, over corrected lists, at low rates."""

from __future__ import annotations

import csv
import fcntl
import os
import signal
import socket
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bulk.holding import Holding
from bulk.inside import interrupted_at_move, read_notes, with_quick_retries, with_short_turns_and_notes
from bulk.runs import NO_LEASE_ENDS, UNANSWERED, Bulk, sent, session, stall_after, stored, wait_for, write_list
from smarterproctoring_bulk import engine
from smarterproctoring_bulk.compare import Known, decide
from smarterproctoring_bulk.engine.reader import UNDER_WAY, in_doubt
from smarterproctoring_bulk.engine.store import Chunk
from smarterproctoring_bulk.jobs import service_key
from smarterproctoring_bulk.journal import BusyError, Lock, find, lock_holder, process_name
from smarterproctoring_bulk.outcomes import History, Outcome
from smarterproctoring_bulk.rows import Row
from smarterproctoring_mock import MockApp

pytestmark = [pytest.mark.timeout(600)]
slow = pytest.mark.slow


def outcomes_of(bulk: Bulk, job_id: str) -> dict[int, Outcome]:
    with engine.Journal(find(bulk.journal)) as journal:
        return {outcome.line: outcome for outcome in journal.outcomes(journal.job(job_id))}


def jobs_of(bulk: Bulk) -> list[str]:
    with engine.Journal(find(bulk.journal)) as journal:
        return [job.id for job in journal.jobs()]


# -- after a crash -----------------------------------------------------------------------------------------------------


def test_what_a_dead_worker_may_have_sent() -> None:
    rows = [Row(line, ("AI", "EX", f"ES{line}"), {}) for line in range(2, 102)]
    waiting = History(sendings=1, attempts=1)
    chunk = Chunk(0, 0, 3, begun=40, slot=None, histories={5: waiting, 41: History()}, rows=rows)
    settled = set(range(2, 42)) - {5, 41} | {50}
    found = in_doubt(chunk, settled, window=25)
    assert set(found) == {5, 41, *range(42, 67)} - {50}, "those with a history, and one window"
    assert all(history.maybe_applied for history in found.values())
    assert (found[5].attempts, found[5].perhaps, found[5].sendings) == (1, 1, 2)
    assert (found[60].attempts, found[60].perhaps) == (0, 1)


@slow
@pytest.mark.parametrize("where", ["bulk", "fleet"])
def test_a_row_that_was_sent_before_a_crash_is_not_said_to_be_not_applied(
    where: str, app: MockApp, request: pytest.FixtureRequest
) -> None:
    """The service stores the change, the process is killed, and on the second sending the service refuses."""
    bulk: Bulk = request.getfixturevalue(where)
    path, unrecorded = killed(bulk, app)
    before = stored(app)
    assert unrecorded <= set(before)
    bulk.let_leases_end()
    app.add_faults(*[{"status": 409, "session": sid, "times": None} for sid in before])
    said = bulk.run("run", path, code=8)
    assert "MAY HAVE BEEN APPLIED" in said
    for outcome in bulk.outcomes().values():
        if outcome.sids[2] in before:
            assert outcome.state == "ok" or outcome.maybe_applied, outcome
        if outcome.state == "rejected":
            assert outcome.perhaps >= 1
            assert outcome.attempts >= 1


def killed(bulk: Bulk, app: MockApp) -> tuple[Path, set[str]]:
    """Kill a run of 200 rows; return the list, and the sessions that were moved and whose rows have no outcome."""
    path = write_list(bulk.folder / "list.csv", 200)
    stalled = stall_after(app, 60)
    bulk.kill(bulk.start("run", path, "--rate", "2000/s", "--lanes", "2", *NO_LEASE_ENDS), stalled)
    recorded = {outcome.sids[2] for outcome in bulk.outcomes().values() if outcome.state == "ok"}
    unrecorded = {*stored(app)} - recorded
    assert len(unrecorded) >= UNANSWERED
    return path, unrecorded


def test_status_and_report_say_what_a_live_process_is_sending(bulk: Bulk, app: MockApp) -> None:
    app.add_faults({"delay": 600, "times": None})
    path = write_list(bulk.folder / "list.csv", 200)
    bulk.start("run", path, "--rate", "100/s", "--lanes", "2", *NO_LEASE_ENDS)
    wait_for(lambda: jobs_of(bulk) and bulk.status()["under_way"] == 100)
    assert bulk.status()["maybe_applied"] == 0
    assert "100 of them at most are being sent now by a process" in bulk.run("status")
    found = [outcome for outcome in bulk.outcomes().values() if outcome.maybe_applied]
    assert {outcome.message for outcome in found} == {UNDER_WAY}
    assert len(found) == 100, "a window for each lane"


@slow
def test_after_a_kill_status_and_report_say_what_may_have_been_applied(bulk: Bulk, app: MockApp) -> None:
    """Before anybody takes the job over, and while another process has the journal for another job."""
    _, unrecorded = killed(bulk, app)
    doubtful = {found.sids[2] for found in bulk.outcomes().values() if found.maybe_applied}
    assert unrecorded <= doubtful
    facts = bulk.status()
    assert (facts["maybe_applied"], facts["under_way"]) == (len(doubtful), 0)
    assert f"{len(doubtful):,} of them may have been applied" in bulk.run("status")
    (job,) = jobs_of(bulk)
    bulk.run("report", job, "now.csv")
    assert (bulk.folder / "now.csv").read_text().count(",true,") == len(doubtful)
    with Lock(Path(bulk.journal), "another job"):
        assert bulk.status() == facts
    assert f"{len(doubtful):,} rows of job {job} may have been applied" in bulk.run("undo", job, "--dry-run", code=2)


@slow
def test_status_says_what_is_known_of_a_worker_of_another_host(fleet: Bulk, app: MockApp) -> None:
    """Until the time limit of its part nobody knows that it is dead."""
    _, unrecorded = killed(fleet, app)
    facts = fleet.status()
    assert facts["under_way"] >= len(unrecorded)
    assert facts["maybe_applied"] == 0
    fleet.let_leases_end()
    assert fleet.status()["maybe_applied"] == facts["under_way"]
    assert fleet.status()["under_way"] == 0
    doubtful = {found.sids[2] for found in fleet.outcomes().values() if found.maybe_applied}
    assert unrecorded <= doubtful


def test_a_lock_that_is_looked_at_can_be_had(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    assert lock_holder(journal) is None
    with Lock(journal, "a test"):
        assert lock_holder(journal) == process_name(socket.gethostname(), os.getpid())
        with pytest.raises(BusyError):
            Lock(journal, "another")
    assert lock_holder(journal) is None
    Path(f"{journal}.lock").write_text("no facts")
    with Path(f"{journal}.lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert lock_holder(journal) == ""


@slow
@pytest.mark.parametrize("where", ["bulk", "fleet"])
def test_what_a_dead_process_may_have_sent_is_said_before_anybody_goes_on(
    where: str, app: MockApp, request: pytest.FixtureRequest
) -> None:
    """A report of a crashed job says of no row that was stored that it was not applied."""
    bulk: Bulk = request.getfixturevalue(where)
    _, unrecorded = killed(bulk, app)
    found = bulk.outcomes().values()
    open_rows = {outcome.sids[2] for outcome in found if outcome.state == "open"}
    doubts = {outcome.sids[2] for outcome in found if outcome.maybe_applied}
    assert unrecorded <= doubts < open_rows
    status = bulk.status()
    # On Postgres a worker counts as alive until its lease is over.
    assert status["maybe_applied"] + status["under_way"] == len(doubts)


@slow
def test_ctrl_c_twice_leaves_rows_in_doubt(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 40)
    stalled = stall_after(app, 0)
    process = bulk.start("run", path, *NO_LEASE_ENDS)
    wait_for(stalled)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: "stopping: finishing what is under way" in process.printed())
    time.sleep(0.5)
    assert process.poll() is None, "the first waits for what is under way"
    process.send_signal(signal.SIGINT)
    assert "sent again" in bulk.end(process, code=130)
    app.clear_faults()
    app.add_faults({"status": 404, "times": None})
    bulk.run("run", path, code=8)
    assert all(outcome.maybe_applied for outcome in bulk.outcomes().values() if outcome.perhaps)
    assert any(outcome.perhaps for outcome in bulk.outcomes().values())


@slow
def test_rows_that_a_dead_process_moved_are_not_moved_again(bulk: Bulk, app: MockApp) -> None:
    """They are read back first, and a session that is as the row asks is confirmed."""
    path, unrecorded = killed(bulk, app)
    before = sent(app)
    was_stored = stored(app)
    bulk.run("run", path)
    assert bulk.states() == {"ok": 200}
    again = {sid for sid in before if sent(app)[sid] > before[sid]}
    assert not again & set(was_stored)
    confirmed = {found.sids[2] for found in bulk.outcomes().values() if found.message == "confirmed by reading back"}
    assert confirmed == unrecorded
    assert all(sent(app)[sid] == 1 for sid in confirmed)


# -- rows that always fail ---------------------------------------------------------------------------------------------


@slow
@pytest.mark.parametrize("bad", [range(30), range(0, 200, 8)], ids=["at the head", "spread"])
def test_bad_rows_do_not_block_good_ones(bulk: Bulk, app: MockApp, bad: range) -> None:
    rows = 200
    path = write_list(bulk.folder / "list.csv", rows)
    app.add_faults(*[{"status": 500, "store": True, "session": session(row), "times": None} for row in bad])
    said = bulk.run("run", path, code=8, prepare=with_quick_retries)
    assert "MAY HAVE BEEN APPLIED" in said
    assert bulk.states() == {"ok": rows - len(bad), "gave_up": len(bad)}
    counts = sent(app)
    assert {counts[session(row)] for row in bad} == {5}
    assert all(outcome.maybe_applied for outcome in bulk.outcomes().values() if outcome.state == "gave_up")
    for _ in range(2):
        bulk.run("run", path, code=8)
    assert sent(app) == counts, "no row is sent more than five times in its life"


@slow
def test_a_paused_job_says_what_may_have_been_applied(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 300)
    app.add_faults({"status": 503, "store": True, "times": None})
    report = bulk.folder / "report.csv"
    said = bulk.run("run", path, "--patience", "1", "--report", report, code=8)
    changed = set(stored(app))
    assert changed
    assert f"{len(changed)} of those that are not settled yet MAY HAVE BEEN APPLIED" in said
    assert bulk.status()["maybe_applied"] == len(changed)
    with report.open(encoding="utf-8-sig", newline="") as stream:
        records = list(csv.DictReader(stream))
    assert len(records) == 300
    assert {record["sessionSid"] for record in records if record["maybeApplied"] == "true"} == changed
    assert {record["state"] for record in records} == {"open"}


@slow
def test_a_job_that_is_cancelled_while_its_last_rows_are_under_way_is_done(bulk: Bulk, app: Holding) -> None:
    path = write_list(bulk.folder / "list.csv", 3)
    app.hold()
    process = bulk.start("run", path, *NO_LEASE_ENDS)
    wait_for(lambda: app.waiting == 3)
    bulk.run("cancel", jobs_of(bulk)[0])
    app.release()
    assert "resume" not in bulk.end(process, code=0)
    assert bulk.states() == {"ok": 3}


@slow
def test_a_500_is_an_answer(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 100)
    app.add_faults({"status": 500, "message": "the disk of the service is full", "times": None})
    said = bulk.run("run", path, "--patience", "1", code=8)
    assert "does not answer" not in said
    assert "the disk of the service is full" in said


# -- attempts that may have been applied -------------------------------------------------------------------------------


@slow
def test_what_may_have_been_applied_is_sent_again_only_if_asked(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 3)
    app.add_faults({"drop": "after-store", "session": session(1), "times": 1})
    bulk.run("run", path, "--no-replay", code=8)
    for _ in range(2):
        bulk.run("run", path, code=8)
    assert len(app.audit()) == 3
    bulk.run("run", path, "--again", "gave-up")
    assert bulk.outcomes()[3].message == "confirmed by reading back"
    assert sent(app) == {session(number): 1 for number in range(3)}


@slow
def test_an_option_that_is_given_to_a_known_job_is_applied_and_said(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 60)
    process = bulk.start("run", path, "--rate", "20/s", prepare=interrupted_at_move(5))
    bulk.end(process, code=130)
    left = 60 - sum(sent(app).values())
    app.add_faults({"drop": "after-store", "times": 1})
    began = time.monotonic()
    said = bulk.run("run", path, "--no-replay", code=8)
    took = time.monotonic() - began
    assert "continuing job" in said
    assert "20/s; give --rate to change it" in said
    assert "not repeated" in said
    assert bulk.status()["rate"] == "20/s"
    assert left > 50
    assert took > left / 20 / 2, "20/s stays"
    assert [outcome.attempts for outcome in bulk.outcomes().values() if outcome.state == "gave_up"] == [1]


# -- low rates ---------------------------------------------------------------------------------------------------------


@slow
@pytest.mark.parametrize(("rate", "gap"), [("150/min", 0.4), ("100/min", 0.6)])
def test_a_rate_that_is_slower_than_a_turn_is_kept(bulk: Bulk, app: MockApp, rate: str, gap: float) -> None:
    """A lane's turn is 0.4 s, no more than it waits for its slot; 1/min with the default lease is the same."""
    path = write_list(bulk.folder / "list.csv", 4)
    notes = bulk.folder / "notes"
    bulk.run("run", path, "--rate", rate, prepare=partial(with_short_turns_and_notes, notes))
    times = read_notes(notes)
    assert len(times) == sum(sent(app).values()) == 4
    # Slots are one gap apart, and the first attempt may be late by less than one.
    assert times[-1] - times[0] > 2 * gap


# -- one list after another --------------------------------------------------------------------------------------------


KNOWN = Known(None, "d1", "ok", "job-1", maybe_applied=False, sendings=1, earlier=frozenset({"d0"}))


@pytest.mark.parametrize(
    ("changes", "digest", "again", "verdict"),
    [
        ({}, "d1", (), "done"),
        ({}, "d1", ("done",), "send"),
        ({}, "d2", (), "send"),
        ({}, "d0", (), "changed"),
        ({}, "d0", ("changed",), "send"),
        ({"holder": "job-2"}, "d2", (), "open"),
        ({"holder": "me"}, "d2", (), "send"),
        ({"job": "me"}, "d1", (), "send"),
        ({"state": "gave_up", "sendings": 5, "maybe_applied": True}, "d1", (), "gave_up"),
        ({"state": "gave_up", "sendings": 5, "maybe_applied": True}, "d1", ("gave-up",), "send"),
        ({"state": "gave_up", "sendings": 2, "maybe_applied": True}, "d1", (), "send"),
        ({"state": "rejected", "sendings": 2, "maybe_applied": True}, "d1", (), "send"),
    ],
)
def test_how_a_row_is_compared(changes: dict[str, Any], digest: str, again: tuple[Any, ...], verdict: str) -> None:
    from dataclasses import replace

    known = replace(KNOWN, **changes)
    found = decide(known, digest, "me", frozenset(again), replay=True, supersede=False)
    assert found.verdict == verdict
    if known.maybe_applied and verdict == "send":
        assert found.history is not None
        assert found.history.maybe_applied, "a refusal then does not mean that it was not applied"


def rewritten(path: Path, name: str, changes: dict[int, str]) -> Path:
    """Write a corrected list: other notes in some rows."""
    lines = path.read_text().splitlines()
    for number, note in changes.items():
        cells = lines[number + 1].split(",")
        lines[number + 1] = ",".join([*cells[:-1], note])
    corrected = path.with_name(name)
    corrected.write_text("\n".join(lines) + "\n")
    return corrected


@slow
@pytest.mark.parametrize("how", ["corrected", "empty line", "option"])
def test_only_rows_whose_change_is_new_are_sent(bulk: Bulk, app: MockApp, how: str) -> None:
    path = write_list(bulk.folder / "list.csv", 50)
    bulk.run("run", path)
    (first,) = jobs_of(bulk)
    options: list[str] = []
    changed = {7: "another room"} if how == "corrected" else {}
    corrected = rewritten(path, "corrected.csv", changed)
    if how == "empty line":
        corrected.write_text(corrected.read_text() + "\n\n")
    if how == "option":
        corrected, options = path, ["--allow-far"]
    said = bulk.run("run", corrected, *options)
    assert f"{50 - len(changed)} already done (job {first})" in said
    assert sum(sent(app).values()) == 50 + len(changed)
    (second,) = set(jobs_of(bulk)) - {first}
    states = Counter(outcome.state for outcome in outcomes_of(bulk, second).values())
    assert states == Counter({"done": 50 - len(changed), "ok": len(changed)})
    shown = {outcome.sids[2] for outcome in outcomes_of(bulk, second).values()}
    assert shown == {session(number) for number in range(50)}, "a row that is not sent is named by its session, too"
    assert "already done" not in bulk.run("run", corrected, *options, "--again", "done")
    assert sum(sent(app).values()) == 100 + len(changed)


@slow
def test_a_stopped_list_never_overwrites_what_its_correction_settled(bulk: Bulk, app: MockApp) -> None:
    rows = 200
    path = write_list(bulk.folder / "a.csv", rows)
    bulk.run("run", path, prepare=interrupted_at_move(20), code=130)
    (old,) = jobs_of(bulk)
    corrected = rewritten(path, "b.csv", dict.fromkeys(range(100, 150), "by b"))
    said = bulk.run("run", corrected, code=2)
    assert f"job {old} (a.csv) is not finished and names" in said
    assert "--supersede" in said
    by_then = sum(sent(app).values())
    bulk.run("run", corrected, "--supersede")
    after = len(app.audit())
    (new,) = set(jobs_of(bulk)) - {old}
    assert Counter(outcome.state for outcome in outcomes_of(bulk, new).values())["ok"] == rows - by_then
    said = bulk.run("resume", old, code=5)
    assert len(app.audit()) == after, "the old list sends nothing any more"
    states = Counter(outcome.state for outcome in outcomes_of(bulk, old).values())
    assert states == Counter({"ok": by_then, "superseded": rows - by_then})
    assert all(app.session(session(n)).fields["notes"] == "by b" for n in range(100, 150))
    assert bulk.run("run", path, code=5)
    assert len(app.audit()) == after


@slow
def test_a_killed_process_is_not_waited_for_when_its_sessions_are_taken_over(bulk: Bulk, app: MockApp) -> None:
    rows = 100
    path = write_list(bulk.folder / "a.csv", rows)
    stalled = stall_after(app, 20)
    bulk.kill(bulk.start("run", path, "--rate", "50/s", *NO_LEASE_ENDS), stalled)
    (old,) = jobs_of(bulk)
    corrected = rewritten(path, "b.csv", dict.fromkeys(range(rows), "by b"))
    bulk.run("run", corrected, "--supersede")
    assert all(app.session(session(n)).fields["notes"] == "by b" for n in range(rows))
    assert "paused (superseded)" in bulk.run("status", old)
    bulk.run("resume", old, code=8)
    said = bulk.run("settle", old, code=8)
    assert "0 rows may have been applied" in said
    assert "taken over by another job, so a read does not show what this job did" in said


@slow
def test_the_row_of_an_older_list_is_not_sent_after_a_newer_one(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "a.csv", 10)
    bulk.run("run", path)
    newer = rewritten(path, "b.csv", {3: "by b"})
    bulk.run("run", newer)
    older = bulk.folder / "c.csv"
    older.write_text(path.read_text() + "\n")
    said = bulk.run("run", older, code=5)
    assert "1 applied before, and changed by job" in said
    assert sum(sent(app).values()) == 11
    bulk.run("run", older, "--again", "changed")
    assert sum(sent(app).values()) == 12


@pytest.mark.parametrize(
    "url", ["http://LOCALHOST:8080", "http://127.0.0.1:8080", "http://localhost:8080/", "http://[::1]:8080"]
)
def test_one_service_has_many_spellings(url: str) -> None:
    assert service_key(url) == service_key("http://localhost:8080")
    assert service_key(url) != service_key("http://localhost:8081")
    assert service_key("https://api.example.com:443/x/") == service_key("https://API.example.com/x")


@slow
def test_a_list_is_not_sent_again_to_another_spelling_of_the_service(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 5)
    bulk.run("run", path)
    other = bulk.url.replace("127.0.0.1", "localhost")
    bulk.run("run", path, "--base-url", other)
    corrected = rewritten(path, "b.csv", {3: "another room"})
    assert "4 already done" in bulk.run("run", corrected, "--base-url", other)
    assert sum(sent(app).values()) == 6
