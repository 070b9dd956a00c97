"""`bulk run --record-before` and `bulk undo`: what a job moved is moved back, unless somebody moved it since."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from bulk.inside import read_notes, with_short_turns_and_notes
from bulk.runs import EXAM, INSTALL, MOVE, NO_LEASE_ENDS, START, Bulk, sent, session, stall_after, write_list
from bulk.test_look import LATER, READ, moved, reads, show
from bulk.test_truth import jobs_of, outcomes_of
from smarterproctoring_bulk.commands.undo import former_times
from smarterproctoring_bulk.doubts import Applied
from smarterproctoring_bulk.rows import Row
from smarterproctoring_mock import MockApp

pytestmark = [pytest.mark.timeout(600)]
ROWS = 6
START_TIME = "appointment_start_date_time"
END_TIME = "appointment_end_date_time"


def recorded(bulk: Bulk, app: MockApp) -> tuple[Path, str]:
    """Move sessions twice, the second time with the former times kept; return that list and its job."""
    later = moved(bulk, ROWS)
    (first,) = jobs_of(bulk)
    app.add_faults({"operation": READ, "status": 404, "session": session(2), "times": 1})
    bulk.run("run", later, "--record-before")
    (second,) = set(jobs_of(bulk)) - {first}
    return later, second


def starts(app: MockApp) -> list[str]:
    return [str(app.session(session(number)).fields["appointmentStartDateTime"]) for number in range(ROWS)]


def test_what_a_job_moved_is_moved_back(bulk: Bulk, app: MockApp) -> None:
    later, job = recorded(bulk, app)
    assert reads(app) == ROWS
    before = outcomes_of(bulk, job)
    assert before[4].found is None, "a read that fails does not stop the row"
    assert json.loads(before[2].found or "")["appointment_start_date_time"] == f"{START}.000Z"
    assert starts(app) == [f"{LATER}.000Z"] * ROWS
    said = bulk.run("undo", job, "--dry-run", code=5)
    assert "line 4: left alone: its former times are not known" in said
    assert "5 sessions can be moved back, 1 left alone" in said
    assert starts(app) == [f"{LATER}.000Z"] * ROWS
    bulk.run("undo", job, code=5)
    assert starts(app) == [f"{LATER if number == 2 else START}.000Z" for number in range(ROWS)]
    by_then = sent(app)
    (back,) = set(jobs_of(bulk)) - {job} - {jobs_of(bulk)[0]}
    said = bulk.run("undo", job, code=2)
    assert f"line 2: left alone: job {back} has this session since" in said
    assert "has nothing to move back" in said
    same = bulk.run("run", later, "--record-before")
    assert f"5 applied before, and changed by job {back} since; not sent, unless --again changed" in same
    assert sent(app) == by_then
    bulk.run("undo", back)
    assert starts(app) == [f"{LATER}.000Z"] * ROWS
    assert later.exists()


def test_a_session_that_somebody_moved_since_is_left_alone(bulk: Bulk, app: MockApp) -> None:
    _, job = recorded(bulk, app)
    show(app, START.replace("T13:", "T17:"), 0, notes="phone 555-0199 0")
    app.add_faults({"operation": READ, "status": 404, "session": session(1), "times": None})
    by_then = sent(app)
    said = bulk.run("undo", job, code=5)
    assert "line 2: left alone: changed since: appointmentStartDateTime is" in said
    assert "line 3: left alone: unknown: status 404" in said
    assert "555-" not in said
    assert sent(app) - by_then == {session(number): 1 for number in (3, 4, 5)}


@pytest.mark.parametrize(
    ("fields", "before", "former"),
    [
        ({START_TIME: "new"}, {START_TIME: "old", END_TIME: "kept"}, {START_TIME: "old"}),
        ({START_TIME: "new", END_TIME: "new"}, {START_TIME: "old"}, {}),
        ({"notes": "x"}, {START_TIME: "old"}, {}),
        ({START_TIME: "new"}, None, {}),
    ],
)
def test_only_times_that_the_job_changed_are_moved_back(
    fields: dict[str, str], before: dict[str, str] | None, former: dict[str, str]
) -> None:
    row = Row(2, (INSTALL, EXAM, session(1)), fields)
    assert former_times(Applied(row, None if before is None else json.dumps(before))) == former


def test_a_job_without_a_record_has_nothing_to_move_back(bulk: Bulk, app: MockApp) -> None:
    bulk.run("run", write_list(bulk.folder / "list.csv", 2))
    (job,) = jobs_of(bulk)
    assert reads(app) == 0, "nothing is read unless asked"
    assert "2 left alone" in bulk.run("undo", job, code=2)


@pytest.mark.slow
def test_what_a_run_that_was_killed_moved_can_be_moved_back(bulk: Bulk, app: MockApp) -> None:
    """The times before are in the journal before a session is moved, so that a crash loses none."""
    rows = 120
    later = moved(bulk, rows)
    (first,) = jobs_of(bulk)
    stalled = stall_after(app, 40)
    bulk.kill(bulk.start("run", later, "--record-before", "--rate", "2000/s", *NO_LEASE_ENDS), stalled)
    bulk.run("run", later)
    (second,) = set(jobs_of(bulk)) - {first}
    found = outcomes_of(bulk, second).values()
    assert {outcome.state for outcome in found} == {"ok"}
    assert any(outcome.perhaps for outcome in found)
    assert all(f"{START}.000Z" in str(outcome.found) for outcome in found)
    bulk.run("undo", second, "--rate", "none")
    assert {str(app.session(session(number)).fields["appointmentStartDateTime"]) for number in range(rows)} == {
        f"{START}.000Z"
    }


@pytest.mark.slow
def test_reads_before_a_move_count_against_the_rate(bulk: Bulk, app: MockApp) -> None:
    """Also at a rate that gives a part of a chunk one request in its turn."""
    later = moved(bulk, 3)
    (first,) = jobs_of(bulk)
    before = len(app.requests(operation=MOVE))
    notes = bulk.folder / "notes"
    arguments = ("run", later, "--record-before", "--rate", "100/min")
    bulk.run(*arguments, prepare=partial(with_short_turns_and_notes, notes))
    requests = app.requests(operation=MOVE)[before:] + app.requests(operation=READ)
    assert len(requests) == 6
    times = read_notes(notes)
    assert len(times) == 6
    # Slots are 0.6 s apart, and the first attempt may be late by less than that.
    assert times[-1] - times[0] > 4 * 0.6
    (second,) = set(jobs_of(bulk)) - {first}
    assert all(outcome.found for outcome in outcomes_of(bulk, second).values())
    assert not any(outcome.perhaps for outcome in outcomes_of(bulk, second).values())


@pytest.mark.slow
@pytest.mark.parametrize("where", ["bulk", "fleet"])
def test_a_trial_is_moved_back_and_so_is_a_part_of_it(where: str, app: MockApp, request: pytest.FixtureRequest) -> None:
    """Whatever database the journal is in."""
    bulk: Bulk = request.getfixturevalue(where)
    later = moved(bulk, ROWS)
    (first,) = jobs_of(bulk)
    bulk.run("run", later, "--record-before", "--limit", "4")
    (trial,) = set(jobs_of(bulk)) - {first}
    assert starts(app) == [f"{LATER}.000Z"] * 4 + [f"{START}.000Z"] * 2
    assert "4 sessions can be moved back" in bulk.run("undo", trial, "--limit", "3")
    assert starts(app) == [f"{START}.000Z"] * 3 + [f"{LATER}.000Z"] + [f"{START}.000Z"] * 2
    bulk.run("undo", trial, code=5)
    assert starts(app) == [f"{START}.000Z"] * ROWS
