"""`bulk settle`: rows that may have been applied are read back, and a row that is so is ok."""

from __future__ import annotations

from pathlib import Path

import pytest
from bulk.runs import NO_LEASE_ENDS, START, Bulk, sent, session, stall_after, stored, write_list
from bulk.test_look import LATER, reads, show
from bulk.test_truth import jobs_of, outcomes_of, rewritten
from smarterproctoring_bulk.doubts import CONFIRMED, NOT_SO
from smarterproctoring_generated.operations import GET_EXAM_SESSION
from smarterproctoring_mock import MockApp

pytestmark = [pytest.mark.timeout(600)]
READ = GET_EXAM_SESSION.operation_id


def doubtful(bulk: Bulk, app: MockApp, rows: int = 6) -> Path:
    """Run a list of which line 3 was applied, line 4 was not, and nobody knows of either."""
    path = write_list(bulk.folder / "list.csv", rows)
    app.add_faults(
        {"drop": "after-store", "session": session(1), "times": None},
        {"drop": "before-store", "session": session(2), "times": None},
    )
    bulk.run("run", path, "--no-replay", code=8)
    app.clear_faults()
    return path


def test_a_row_that_was_applied_is_ok_and_the_other_is_not(bulk: Bulk, app: MockApp) -> None:
    doubtful(bulk, app)
    show(app, LATER, 2)
    (job,) = jobs_of(bulk)
    before = len(app.audit())
    said = bulk.run("settle", job, "--report", "report.csv", code=8)
    assert "2 rows may have been applied: 1 ok, 1 not so when looked, 0 unknown" in said
    assert f"line 4: {NOT_SO}: " in said
    assert f"appointmentStartDateTime is {LATER}.000Z, not {START}.000Z" in said
    assert "555-" not in said
    assert f"1 row of job {job} may still have been applied" in said
    assert f"bulk settle {job} --reopen" in said
    assert len(app.audit()) == before, "nothing is sent"
    found = bulk.outcomes()
    assert (found[3].state, found[3].maybe_applied, found[3].message) == ("ok", False, CONFIRMED)
    assert (found[4].state, found[4].maybe_applied) == ("gave_up", True)
    report = (bulk.folder / "report.csv").read_text()
    assert report.count(CONFIRMED) == 1
    by_then = reads(app)
    bulk.run("settle", job, code=8)
    assert reads(app) == by_then + 1, "what is settled is not read again"
    assert str(bulk.outcomes()[4].message).count(NOT_SO) == 1


def test_a_row_that_is_not_so_is_sent_again_only_if_asked(bulk: Bulk, app: MockApp) -> None:
    path = doubtful(bulk, app)
    show(app, LATER, 2)
    (job,) = jobs_of(bulk)
    bulk.run("settle", job, code=8)
    before = sent(app)
    bulk.run("run", path, code=8)
    assert sent(app) == before
    said = bulk.run("settle", job, "--reopen", code=8)
    assert "1 row is open again" in said
    assert "is not finished, and --reopen is for jobs that are" in bulk.run("settle", job, "--reopen", code=2)
    app.clear_faults()
    bulk.run("run", path)
    assert sent(app) - before == {session(2): 1}
    assert bulk.states() == {"ok": 6}
    assert "0 rows may have been applied" in bulk.run("settle", job)


def test_what_cannot_be_compared_is_listed_with_the_reason(bulk: Bulk, app: MockApp) -> None:
    doubtful(bulk, app)
    (job,) = jobs_of(bulk)
    app.add_faults(
        {"operation": READ, "status": 404, "session": session(1)},
        {"operation": READ, "status": 200, "json": {"notes": "x"}, "session": session(2)},
    )
    before = bulk.outcomes()
    said = bulk.run("settle", job, "--rate", "none", code=8)
    assert "line 3: unknown: status 404" in said
    assert f"bulk settle {job}" in said
    assert "line 4: " in said
    assert bulk.outcomes()[3] == before[3]
    app.clear_faults()
    app.add_faults({"operation": READ, "status": 401, "times": None})
    assert "the token was refused" in bulk.run("settle", job, code=9)


def test_the_row_of_an_older_list_is_never_ok_after_a_newer_one(bulk: Bulk, app: MockApp) -> None:
    path = doubtful(bulk, app)
    (old,) = jobs_of(bulk)
    newer = rewritten(path, "newer.csv", {1: "by the newer list"})
    bulk.run("run", newer, code=0)
    show(app, START, 1, notes="phone 555-0199 1")
    said = bulk.run("settle", old, code=8)
    assert "line 3: as asked, and not recorded: another job" in said
    assert outcomes_of(bulk, old)[3].state == "gave_up"


def killed(bulk: Bulk, app: MockApp) -> tuple[Path, str]:
    """Kill a run of 200 rows; return the list and the job."""
    path = write_list(bulk.folder / "list.csv", 200)
    stalled = stall_after(app, 60)
    bulk.kill(bulk.start("run", path, "--rate", "2000/s", *NO_LEASE_ENDS), stalled)
    (job,) = jobs_of(bulk)
    return path, job


@pytest.mark.slow
def test_rows_in_doubt_after_a_crash_are_settled_without_a_run(bulk: Bulk, app: MockApp) -> None:
    path, job = killed(bulk, app)
    by_then = sent(app)
    was_stored = set(stored(app))
    assert f"go on with: smarterproctoring bulk resume {job}" in bulk.run("settle", job, "--rate", "none", code=8)
    assert sent(app) == by_then
    found = bulk.outcomes().values()
    assert any(outcome.message == CONFIRMED for outcome in found)
    assert {outcome.sids[2] for outcome in found if outcome.state == "ok"} == was_stored
    bulk.run("run", path)
    assert bulk.states() == {"ok": 200}
    assert all(sent(app)[sid] == by_then[sid] for sid in was_stored)


@pytest.mark.slow
def test_what_a_worker_of_another_host_has_is_never_said_to_be_settled(fleet: Bulk, app: MockApp) -> None:
    """It is dead, which nobody knows until its part has run out of time."""
    _, job = killed(fleet, app)
    said = fleet.run("settle", job, "--rate", "none", code=8)
    assert "with a worker, and rows that it may have sent are not among these" in said
    assert "the same command settles them then" in said


@pytest.mark.slow
def test_what_a_worker_of_another_host_had_is_settled_when_its_lease_is_over(fleet: Bulk, app: MockApp) -> None:
    _, job = killed(fleet, app)
    was_stored = set(stored(app))
    fleet.let_leases_end()
    said = fleet.run("settle", job, "--rate", "none", code=8)
    assert "with a worker" not in said
    found = outcomes_of(fleet, job).values()
    assert {outcome.sids[2] for outcome in found if outcome.state == "ok"} == was_stored
    assert any(outcome.message == CONFIRMED for outcome in found)
