"""The failure table of docs/reference/bulk.md, row by row: each failure is provoked, and what was sent is counted."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bulk.holding import Holding
from bulk.inside import (
    at_chunk,
    interrupted_at_move,
    interrupted_while_it_writes,
    note_calls,
    read_notes,
    send_to_itself,
    with_quick_retries,
)
from bulk.runs import (
    EXAM,
    INSTALL,
    NO_LEASE_ENDS,
    START,
    TOKEN,
    WINDOW,
    Bulk,
    kill,
    pid_in,
    sent,
    session,
    stall_after,
    stored,
    wait_for,
    write_list,
)
from bulk.small_disk import small_disk
from smarterproctoring_bulk import engine
from smarterproctoring_bulk.jobs import Job, job_id
from smarterproctoring_bulk.journal import find
from smarterproctoring_bulk.plan import plan
from smarterproctoring_bulk.rows import InputOptions
from smarterproctoring_mock import MockApp, running_server

# The time limit is only there to end a test that hangs: a busy machine is slow.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
__all__ = ["small_disk"]
LANES = 4
MANY_CHUNKS = ("--rate", "100/min")
"""At this rate a list is cut into chunks of 100 rows, so that submitting it takes many commits."""
SLOW = {"delay": 0.03, "times": None}


def nothing_lost(bulk: Bulk, app: MockApp, rows: int, crashes: int = 1, lanes: int = LANES) -> None:
    """Every row was sent and is settled, and no more were sent again than the promise allows."""
    counts = sent(app)
    assert set(counts) == {session(number) for number in range(rows)}
    assert sum(counts.values()) - rows <= crashes * lanes * WINDOW
    assert bulk.states() == {"ok": rows}


# -- crash, kill -9 ---------------------------------------------------------------------------------------------------


def test_kill_9_loses_nothing_and_repeats_little(bulk: Bulk, app: MockApp) -> None:
    rows = 600
    path = write_list(bulk.folder / "list.csv", rows)
    kills = (3, 170, 190)  # at odd points: in the first window, between chunks, late
    for answered in kills:
        stalled = stall_after(app, answered)
        bulk.kill(bulk.start("run", path, "--rate", "2000/s", "--lanes", str(LANES), *NO_LEASE_ENDS), stalled)
    bulk.run("run", path)
    nothing_lost(bulk, app, rows, len(kills))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_before_anything_is_sent(bulk: Bulk, app: MockApp, number: signal.Signals) -> None:
    path = write_list(bulk.folder / "list.csv", 2_000)
    process = bulk.start("run", path, *MANY_CHUNKS, prepare=partial(at_chunk, 12, send_to_itself(number)))
    assert "the same command continues" in bulk.end(process, code=130)
    assert "not submitted whole" in bulk.status()["state"]
    assert not sent(app)
    said = bulk.run("report", bulk.status()["job"], "now.csv", "now.html", code=2)
    assert "is not in the journal whole, and the rest of its rows are not in the report" in said
    assert len((bulk.folder / "now.csv").read_text().splitlines()) < 2_001
    assert "some are missing" in (bulk.folder / "now.html").read_text()
    bulk.run("run", path, "--rate", "none")
    assert "not in the journal whole" not in bulk.run("report", bulk.status()["job"], "now.csv", "now.html")
    assert len((bulk.folder / "now.csv").read_text().splitlines()) == 2_001
    assert "some are missing" not in (bulk.folder / "now.html").read_text()


def test_a_journal_may_have_any_name(bulk: Bulk, app: MockApp) -> None:
    place = bulk.folder / "odd"
    bulk.journal = str(place / "a?b %20#&.sqlite")
    bulk.run("run", write_list(bulk.folder / "list.csv", 3))
    assert {file.name.partition(".sqlite")[0] for file in place.iterdir()} == {"a?b %20#&"}
    assert all(oct(file.stat().st_mode & 0o777) == "0o600" for file in place.iterdir())
    assert bulk.states() == {"ok": 3}


def test_kill_9_on_postgres(fleet: Bulk, app: MockApp) -> None:
    rows = 300
    path = write_list(fleet.folder / "list.csv", rows)
    stalled = stall_after(app, 120)
    fleet.kill(fleet.start("run", path, "--rate", "2000/s", "--lanes", str(LANES), *NO_LEASE_ENDS), stalled)
    fleet.let_leases_end()
    fleet.run("run", path)
    nothing_lost(fleet, app, rows)


def test_killed_while_it_submits(bulk: Bulk, app: MockApp) -> None:
    """Whatever was in the journal by then, the same command submits the rest, and no row twice."""
    path = write_list(bulk.folder / "list.csv", 2_000)
    process = bulk.start("run", path, *MANY_CHUNKS, prepare=partial(at_chunk, 12, send_to_itself(signal.SIGKILL)))
    bulk.end(process, code=-signal.SIGKILL)
    found = bulk.status()
    assert "not submitted whole" in found["state"]
    assert "not in the journal whole" in bulk.run("resume", found["job"], code=2)
    bulk.run("cancel", found["job"])
    assert "resume" in bulk.run("run", path, code=2)
    found = bulk.status()
    assert found["state"] == "paused (cancelled)"
    assert found["rows"] == {"not settled yet": 2_000}


# -- hosts ------------------------------------------------------------------------------------------------------------


def test_a_dead_hosts_work_is_taken_over(fleet: Bulk, app: MockApp) -> None:
    rows, lease = 400, 6.0
    path = write_list(fleet.folder / "list.csv", rows)
    app.add_faults({"delay": 0.2, "times": None})
    first, second = fleet.start("worker"), fleet.start("worker")
    fleet.run("submit", path, "--rate", "2000/s", "--lanes", str(LANES), "--lease", str(lease))
    wait_for(lambda: len(app.audit()) >= 60)
    kill(first)
    app.clear_faults()
    wait_for(lambda: len(stored(app)) == rows)  # were its lanes held for ever, this would never end
    wait_for(lambda: fleet.status()["state"] == "done", every=0.3)
    second.send_signal(signal.SIGTERM)
    fleet.end(second)
    nothing_lost(fleet, app, rows)


def test_the_same_list_twice_at_once_helps_on_postgres(fleet: Bulk, app: MockApp) -> None:
    rows = 300
    path = write_list(fleet.folder / "list.csv", rows)
    app.add_faults(SLOW)
    first = fleet.start("run", path, "--lanes", "2", "--rate", "100/s")
    wait_for(lambda: len(app.audit()) >= 10)
    second = fleet.start("run", path, "--lanes", "2", "--rate", "100/s")
    fleet.end(first)
    assert f"{rows} ok" in fleet.end(second)
    assert sent(app) == {session(number): 1 for number in range(rows)}


def test_the_same_list_twice_at_once_is_refused_when_embedded(bulk: Bulk, app: Holding) -> None:
    path = write_list(bulk.folder / "list.csv", 200)
    app.hold()
    first = bulk.start("run", path, *NO_LEASE_ENDS)
    wait_for(lambda: app.waiting)
    refused = bulk.run("run", path, code=10)
    assert pid_in(refused) == first.pid
    assert "bulk run list.csv" in refused
    app.release()
    bulk.end(first)
    assert sent(app) == {session(number): 1 for number in range(200)}


# -- the service ------------------------------------------------------------------------------------------------------


def test_a_429_storm_is_waited_out(bulk: Bulk, app: MockApp) -> None:
    """More 429 in a row than a row has tries; the waits are kept by all lanes, and no row gives up for them."""
    rows = 60
    path = write_list(bulk.folder / "list.csv", rows)
    app.add_faults({"fault": "rate-limited", "retry_after": 1, "session": session(7), "times": 6})
    notes = bulk.folder / "notes"
    bulk.run("run", path, "--lanes", "2", prepare=partial(note_calls, notes))
    found = bulk.outcomes()
    assert Counter(outcome.state for outcome in found.values()) == {"ok": rows}
    assert found[9].attempts == 7
    assert len(read_notes(notes, "limited")) == 6
    for limited in read_notes(notes, "limited"):
        assert not [begun for begun in read_notes(notes) if limited < begun < limited + 1]


def test_an_expired_fixed_token_pauses_the_job(bulk: Bulk, app: MockApp) -> None:
    rows = 300
    path = write_list(bulk.folder / "list.csv", rows)
    app.add_faults({**SLOW, "times": 60}, {"fault": "expired-token", "times": None})
    said = bulk.run("run", path, code=9)
    found = bulk.status()
    assert found["state"] == "paused (auth)"
    assert f"resume {found['job']}" in said
    assert set(found["rows"]) == {"ok", "not settled yet"}, "a refused token is no row's outcome"
    app.clear_faults()
    bulk.run("resume", found["job"], SMARTERPROCTORING_TOKEN="a-new-token")
    assert bulk.states() == {"ok": rows}
    assert stored(app) == {session(number): 1 for number in range(rows)}


class Gatekeeper(MockApp):
    """Accepts one token, and another one after 60 requests, which is in the file from then on."""

    accepted = TOKEN
    requests_left = 60

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests_left -= 1
        if self.requests_left == 0:
            self.accepted = "renewed-token"
            next_file = self.file.with_name("next")
            next_file.write_text(self.accepted)
            next_file.replace(self.file)
        if scope["type"] == "http" and dict(scope["headers"]).get(b"token", b"").decode() != self.accepted:
            body = b'{"code": "AUTHENTICATIONFAILED", "message": "expired", "status": 401}'
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        await super().__call__(scope, receive, send)


def test_a_renewed_token_is_picked_up(tmp_path: Path) -> None:
    rows, token = 300, tmp_path / "token"
    app = Gatekeeper(token)
    path = write_list(tmp_path / "list.csv", rows)
    token.write_text(TOKEN)
    app.add_faults(SLOW)
    with running_server(app) as server:
        bulk = Bulk(server.url, str(tmp_path / "journal.sqlite"), tmp_path, app)
        try:
            bulk.run("run", path, "--token-file", token, token="")
            assert bulk.states() == {"ok": rows}
        finally:
            bulk.close()
    assert stored(app) == {session(number): 1 for number in range(rows)}


def test_an_outage_stops_the_job_and_costs_no_row(bulk: Bulk, app: MockApp) -> None:
    rows = 300
    path = write_list(bulk.folder / "list.csv", rows)
    app.add_faults({**SLOW, "times": 60}, {"fault": "unavailable", "retry_after": None, "times": None})
    assert "MAY HAVE BEEN APPLIED" in bulk.run("run", path, "--patience", "1", code=8)
    found = bulk.status()
    assert found["state"] == "paused (api)"
    assert set(found["rows"]) == {"ok", "not settled yet"}
    assert found["maybe_applied"] > 0, "what a 503 may have applied is said"
    failed = [row for row in app.audit() if row.status == 503]
    assert len(failed) < 100, "the breaker lets probes through, not the list"
    app.clear_faults()
    bulk.run("run", path)
    assert bulk.states() == {"ok": rows}


def test_a_short_outage_is_waited_out(bulk: Bulk, app: MockApp) -> None:
    rows = 200
    path = write_list(bulk.folder / "list.csv", rows)
    app.add_faults({"drop": "before-store", "times": 24})
    bulk.run("run", path)
    assert bulk.states() == {"ok": rows}
    assert stored(app) == {session(number): 1 for number in range(rows)}


def test_rows_that_gave_up_are_tried_again(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 40)
    app.add_faults(
        {"fault": "not-found", "session": session(3), "times": None},
        {"fault": "server-error", "session": session(5), "times": 5, "operation": "rescheduleExamSession"},
        {"status": 501, "session": session(6), "times": 1},
    )
    said = bulk.run("run", path, code=8, prepare=with_quick_retries)
    assert "MAY HAVE BEEN APPLIED" in said
    found = bulk.outcomes()
    assert Counter(outcome.state for outcome in found.values()) == {"ok": 37, "rejected": 1, "gave_up": 2}
    assert (found[5].state, found[5].status, found[5].code) == ("rejected", 404, "1203")
    assert (found[7].state, found[7].maybe_applied, found[7].attempts) == ("gave_up", True, 5)
    assert (found[8].state, found[8].maybe_applied, found[8].attempts) == ("gave_up", False, 1)
    before = sent(app)
    assert "retrying 1 row that" in bulk.run("run", path, code=8)
    after = sent(app)
    after.subtract(before)
    assert +after == {session(6): 1}, "only what gave up is sent again, and nothing more often than five times"
    assert "retrying 1 row that" in bulk.run("run", path, "--again", "gave-up", code=5)
    assert sent(app)[session(5)] == before[session(5)] + 1
    found = bulk.outcomes()
    assert Counter(outcome.state for outcome in found.values()) == {"ok": 39, "rejected": 1}
    assert (found[7].attempts, found[7].replays) == (6, 5)
    assert bulk.status()["rows"] == {"ok": 39, "rejected": 1}
    assert bulk.status()["attempts"] == sum(sent(app).values())


def test_a_worker_keeps_each_jobs_word_on_replays(bulk: Bulk, app: MockApp) -> None:
    app.add_faults({"drop": "after-store", "times": 2})
    careful = write_list(bulk.folder / "careful.csv", 1)
    bulk.run("submit", careful, "--no-replay")
    worker = bulk.start("worker")
    wait_for(lambda: bulk.status()["state"] == "done", every=0.3)
    assert [(found.state, found.attempts, found.maybe_applied) for found in bulk.outcomes().values()] == [
        ("gave_up", 1, True)
    ]
    worker.send_signal(signal.SIGTERM)
    bulk.end(worker)
    assert len(app.audit()) == 1


# -- the list ---------------------------------------------------------------------------------------------------------


def test_contradictions_and_wrong_rows_are_reported_and_not_sent(bulk: Bulk, app: MockApp) -> None:
    extra = [
        [INSTALL, EXAM, session(1), f"{START[:10]}T10:00:00Z", "another value"],
        [INSTALL, EXAM, session(2), f"{START}Z", "phone 555-0199 2"],
        [INSTALL, EXAM, "ESnonsense", f"{START}Z", ""],
    ]
    path = write_list(bulk.folder / "list.csv", 10, extra=extra)
    strict = bulk.run("run", path, "--strict", "--problems", bulk.folder / "problems.csv", code=2)
    assert "line 14" in strict
    assert not app.audit()
    assert (bulk.folder / "problems.csv").read_text().count("\n") >= 3
    said = bulk.run("run", path, code=5)
    assert "nonsense" not in said
    assert sent(app) == {session(number): 1 for number in range(10) if number != 1}
    assert bulk.status()["rows"] == {"ok": 9, "conflict": 2, "invalid": 1}
    report = bulk.folder / "report.jsonl"
    bulk.run("report", bulk.status()["job"], report)
    lines = [json.loads(line)["line"] for line in report.read_text().splitlines()]
    assert lines == list(range(2, 15)), "one record for each row, duplicates included"
    (bulk.folder / "pages").mkdir()
    page = bulk.folder / "pages" / "report.html"
    bulk.run("report", bulk.status()["job"], page, report)
    assert "href='../report.jsonl'" in page.read_text()
    assert "1 of them repeated" in page.read_text()


@pytest.mark.parametrize("report", ["report.txt", "nowhere/report.csv"])
def test_a_report_that_cannot_be_written_is_refused_before_the_work(bulk: Bulk, app: MockApp, report: str) -> None:
    path = write_list(bulk.folder / "list.csv", 3)
    assert report in bulk.run("run", path, "--report", report, code=2)
    assert not app.audit()


def test_a_dry_run_shows_the_range_of_times_and_refuses_a_list_without_rows(bulk: Bulk, app: MockApp) -> None:
    said = bulk.run("run", write_list(bulk.folder / "list.csv", 3), "--dry-run")
    moment = f"{datetime.fromisoformat(START):%a %d %b %Y %H:%M} UTC"
    assert re.search(rf"times from .*{moment}.*\n\s+to .*{moment}", said)
    assert "nothing to send" in bulk.run("run", write_list(bulk.folder / "empty.csv", 0), "--dry-run", code=2)
    assert not sent(app)


def test_a_list_that_is_continued_is_not_checked_against_a_later_present(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 3)
    later = f"{datetime.now(UTC) + timedelta(days=365)}"
    bulk.run("run", path, "--strict")
    assert "3 to send" in bulk.run("run", path, "--strict", TESTS_NOW=later)
    assert sent(app) == {session(number): 1 for number in range(3)}
    fresh = write_list(bulk.folder / "fresh.csv", 3, salt="fresh")
    assert "--allow-past" in bulk.run("run", fresh, "--strict", code=2, TESTS_NOW=later)
    assert "3 to send" in bulk.run("run", fresh, "--allow-past", TESTS_NOW=later)


def test_the_terminal_is_safe_from_its_encoding_and_from_what_others_say(bulk: Bulk, app: MockApp) -> None:
    header = "installSid,examSid,sessionSid,appointmentStartDateTime,\x1b[2JŁłź\n"
    (bulk.folder / "bad.csv").write_text(header)
    for encoding in ("cp1252", "ascii"):
        refused = bulk.run("run", bulk.folder / "bad.csv", code=2, PYTHONIOENCODING=f"{encoding}:strict")
        assert "unknown column" in refused
        assert "\x1b" not in refused
        assert "Traceback" not in refused
    app.add_faults({"status": 401, "message": "\x1b[2Jno\nfaked line", "times": None})
    paused = bulk.run("run", write_list(bulk.folder / "list.csv", 1), code=9)
    assert "\x1b" not in paused
    assert "\nfaked" not in paused


def test_a_token_file_that_cannot_be_read_is_refused_before_anything_is_submitted(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 1)
    said = bulk.run("run", path, "--token-file", "/nope", code=2)
    assert "--token-file /nope: no such file" in said
    from_variable = bulk.run("run", path, code=2, SMARTERPROCTORING_TOKEN="", SMARTERPROCTORING_TOKEN_FILE="/nope")
    assert "SMARTERPROCTORING_TOKEN_FILE /nope: no such file" in from_variable
    for output in (said, from_variable):
        assert "paused" not in output
        assert "not applied" not in output
    assert "no jobs" in bulk.run("status")
    assert "--token-file /nope" in bulk.run("worker", "--token-file", "/nope", code=2)
    assert not app.audit()


def test_a_check_of_a_list_needs_no_token_file(bulk: Bulk) -> None:
    path = write_list(bulk.folder / "list.csv", 1)
    assert "nothing was sent" in bulk.run("run", path, "--dry-run", "--token-file", "/nope")


# -- the user ---------------------------------------------------------------------------------------------------------


def test_ctrl_c_once_finishes_what_is_under_way(bulk: Bulk, app: MockApp) -> None:
    rows = 300
    path = write_list(bulk.folder / "list.csv", rows)
    app.add_faults(SLOW)
    said = bulk.run("run", path, prepare=interrupted_at_move(60), code=130)
    assert "the same command continues" in said
    left = bulk.status()["rows"]
    assert left["ok"] == len(sent(app)) < rows
    app.clear_faults()
    bulk.run("run", path)
    assert sent(app) == {session(number): 1 for number in range(rows)}, "no row twice"


def test_ctrl_c_within_a_write_is_like_any_other(bulk: Bulk, app: MockApp) -> None:
    """Python refuses to write to a stream from within a write to it; the run went on, and sent rows again."""
    rows = 300
    path = write_list(bulk.folder / "list.csv", rows)
    process = bulk.start("run", path, "--rate", "100/s", prepare=interrupted_while_it_writes, TERM="xterm")
    said = bulk.end(process, code=130)
    assert "stopping: finishing what is under way" in said
    assert "the same command continues" in said
    assert bulk.status()["rows"]["ok"] == sent(app).total() < rows
    assert {*sent(app).values()} == {1}


def test_ctrl_c_twice_within_a_write_stops_at_once(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 300)
    twice = partial(interrupted_while_it_writes, 2)
    said = bulk.end(bulk.start("run", path, "--rate", "100/s", prepare=twice, TERM="xterm"), code=130)
    assert "stopped at once; what was under way may have been applied" in said
    assert "Traceback" not in said


def test_cancel_and_resume(bulk: Bulk, app: Holding) -> None:
    rows = 400
    path = write_list(bulk.folder / "list.csv", rows)
    # The process looks at the journal every second of its own, and needs several for the list.
    app.add_faults({"delay": 0.5, "times": None})
    app.hold(after=10)
    process = bulk.start("run", path, *NO_LEASE_ENDS)
    wait_for(lambda: app.waiting)
    job = bulk.status()["job"]
    bulk.run("cancel", job)
    app.release()
    assert "cancelled" in bulk.end(process, code=5)
    app.clear_faults()
    assert f"resume {job}" in bulk.run("run", path, code=2)
    bulk.run("resume", job)
    assert sent(app) == {session(number): 1 for number in range(rows)}
    assert f"job {job} is done; there is nothing to cancel" in bulk.run("cancel", job)
    assert "cancelled" not in bulk.run("run", path)


def test_purge_deletes_the_rows_for_good(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 30)
    bulk.run("run", path, "--report", bulk.folder / "report.csv", "--report", bulk.folder / "report.html")
    files = [Path(bulk.journal), Path(bulk.journal + "-wal")]
    content = b"".join(file.read_bytes() for file in files if file.exists())
    assert SECRET_BYTES in content
    assert TOKEN.encode() not in content
    assert all(oct(file.stat().st_mode & 0o777) == "0o600" for file in Path(bulk.journal).parent.iterdir())
    assert "this is not a terminal: add --yes" in bulk.run("purge", bulk.status()["job"], code=2)
    bulk.run("purge", bulk.status()["job"], "--yes")
    content = b"".join(file.read_bytes() for file in files if file.exists())
    assert SECRET_BYTES not in content
    assert session(3).encode() not in content
    assert "no jobs" in bulk.run("status")


def test_purge_on_postgres_says_what_remains(fleet: Bulk, app: MockApp) -> None:
    fleet.run("run", write_list(fleet.folder / "list.csv", 3))
    said = fleet.run("purge", fleet.status()["job"], "--yes")
    assert "until a vacuum" in said
    assert "backups" in said
    assert "no jobs" in fleet.run("status")


SECRET_BYTES = b"phone 555-0199"


# -- the machine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [1_000_000, 0], ids=["nearly full", "full"])
def test_a_full_disk_stops_the_run_and_loses_nothing(small_disk: Path, bulk: Bulk, app: MockApp, left: int) -> None:
    rows = 600
    bulk.journal = str(small_disk / "journal.sqlite")
    path = write_list(bulk.folder / "list.csv", rows)
    stalled = stall_after(app, 60)
    # What is under way then ends after a third of the lease, and is not waited for any longer.
    process = bulk.start("run", path, "--rate", "2000/s", "--lanes", str(LANES), "--lease", "10")
    wait_for(stalled)
    ballast = small_disk / "ballast"
    facts = os.statvfs(small_disk)
    with ballast.open("wb") as file:
        try:
            file.write(bytes(facts.f_bavail * facts.f_frsize - left))
        except OSError:
            assert not left
    said = bulk.end(process, code=11)
    assert "same command continues" in said
    ballast.unlink()
    app.clear_faults()
    bulk.run("run", path)
    nothing_lost(bulk, app, rows)


def test_a_job_of_an_incompatible_version_is_refused(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 20)
    with plan(path, InputOptions()) as planned, engine.Journal(find(bulk.journal)) as journal:
        job = Job(
            job_id(planned.fingerprint, bulk.url), planned.fingerprint, "list.csv", bulk.url, planned.counts,
            rate=None, lanes=1, lease=60, chunk=500, window=25,
        )  # fmt: skip
        journal.submit(planned, job)
        journal.store.insert_job(replace(job, id="f" * 12, format=99, client="9.9.9"))
        journal.purge(job)
    for command in (["run", path], ["resume", "f" * 12]):
        said = bulk.run(*command, code=12)
        assert "9.9.9" in said
        assert "with that version" in said
    assert not app.audit()
