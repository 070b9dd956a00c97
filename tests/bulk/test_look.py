"""Reading the sessions of a list: what is shown of them, what differs, and that a reading goes on where it stopped."""

from __future__ import annotations

import csv
import gc
import os
import signal
import stat
from pathlib import Path

import pytest
from bulk.runs import EXAM, INSTALL, START, Bulk, session, stored, wait_for, write_list
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.reading import Findings, Seen, check_of, is_moment, seen_of, shown_fields
from smarterproctoring_bulk.rows import Row
from smarterproctoring_generated.operations import GET_EXAM_SESSION
from smarterproctoring_generated.results import Difference
from smarterproctoring_mock import MockApp

LATER = START.replace("T13:", "T15:")
READ = GET_EXAM_SESSION.operation_id
SIDS = (INSTALL, EXAM, session(1))


def reads(app: MockApp) -> int:
    """Count the reads that the mock server got."""
    return sum(request.method == "GET" and "/sessions/" in request.path for request in app.requests())


def moved(bulk: Bulk, rows: int) -> Path:
    """Move the sessions of a list, and return another list of them with later times."""
    bulk.run("run", write_list(bulk.folder / "first.csv", rows))
    later = bulk.folder / "later.csv"
    later.write_text((bulk.folder / "first.csv").read_text().replace(START, LATER))
    return later


def show(app: MockApp, start: str, *numbers: int, notes: str = "x") -> None:
    """Let reads of sessions show this start."""
    for number in numbers:
        answer = {"sid": session(number), "appointmentDate": f"{start}Z", "notes": notes, "status": "Scheduled"}
        app.add_faults({"operation": READ, "session": session(number), "status": 200, "json": answer, "times": None})


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_look_before_a_run_is_the_way_back(bulk: Bulk, app: MockApp) -> None:
    later = moved(bulk, 5)
    show(app, START, *range(5))
    bulk.run("look", later, "-o", "now.csv")
    now = bulk.folder / "now.csv"
    assert stat.S_IMODE(now.stat().st_mode) == 0o600
    assert [record["sessionSid"] for record in records(now)] == [session(number) for number in range(5)]
    assert {record["appointmentStartDateTime"] for record in records(now)} == {f"{START}.000Z"}
    assert not list(bulk.folder.glob("*.partial*"))
    bulk.run("run", later)
    bulk.run("run", now)
    starts = [row.fields["appointmentStartDateTime"] for row in app.sessions()]
    assert starts == [f"{START}.000Z"] * 5
    assert sum(stored(app).values()) == 15


def test_verify_says_which_sessions_are_as_the_list_says(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 4)
    show(app, START, 0, notes="phone 555-0199 0")
    show(app, LATER, 1, notes="phone 555-0199 1")
    show(app, START, 2, notes="other")
    app.add_faults({"operation": READ, "status": 404, "session": session(3)})
    shown = bulk.run("verify", path, "-o", "compared.csv", code=5)
    assert f"line 3: appointmentStartDateTime is {LATER}.000Z, not {START}.000Z" in shown
    assert "line 4: notes differs" in shown
    assert "line 5: unknown: status 404" in shown
    assert "1 as the list says, 2 different, 1 unknown" in shown
    assert "555-" not in shown
    found = records(bulk.folder / "compared.csv")
    assert [record["result"] for record in found] == ["as listed", "different", "different", "unknown"]
    assert (found[2]["field"], found[2]["found"]) == ("notes", "other")
    app.clear_faults()
    show(app, START, *range(4))
    path.write_text("\n".join(line.rpartition(",")[0] for line in path.read_text().splitlines()))
    assert "4 as the list says, 0 different, 0 unknown" in bulk.run("verify", path)
    assert not any(request.method == "PUT" for request in app.requests())


def test_a_limit_reads_the_first_sessions_only(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 4)
    show(app, START, *range(4))
    said = bulk.run("look", path, "-o", "now.csv", "--limit", "3")
    assert "--limit: the first 3 of 4 sessions of 4 rows" in said
    assert [record["sessionSid"] for record in records(bulk.folder / "now.csv")] == [session(n) for n in range(3)]
    said = bulk.run("verify", path, "--limit", "2", code=5)
    assert "0 as the list says, 2 different, 0 unknown" in said
    assert reads(app) == 5


def test_sessions_that_cannot_be_read_are_named_and_left_out(bulk: Bulk, app: MockApp) -> None:
    later = moved(bulk, 3)
    later.write_text(later.read_text() + f"{INSTALL},{EXAM},ES12,{START}Z,\n")
    app.add_faults({"status": 404, "session": session(1)})
    shown = bulk.run("look", later, "-o", "now.csv", code=5)
    assert "line 3: status 404" in shown
    assert "1 row is wrong" in shown
    assert [record["sessionSid"] for record in records(bulk.folder / "now.csv")] == [session(0), session(2)]


def test_a_reading_that_was_interrupted_goes_on_where_it_stopped(bulk: Bulk, app: MockApp) -> None:
    later = moved(bulk, 30)
    app.add_faults({"operation": READ, "times": 15}, {"operation": READ, "delay": 600, "times": None})
    process = bulk.start("look", later, "-o", "now.csv")
    wait_for(lambda: reads(app) == 15)
    process.send_signal(signal.SIGINT)
    bulk.end(process, code=130)
    app.clear_faults()
    assert not (bulk.folder / "now.csv").exists()
    before = reads(app)
    shown = bulk.run("look", later, "-o", "now.csv")
    assert "sessions were read before" in shown
    assert reads(app) < before + 30
    assert len(records(bulk.folder / "now.csv")) == 30
    assert "read before" not in bulk.run("look", later, "-o", "now.csv")


def test_a_read_that_fails_is_repeated_and_a_refused_token_stops(bulk: Bulk, app: MockApp) -> None:
    later = moved(bulk, 3)
    app.add_faults({"status": 503, "session": session(1), "times": 2})
    bulk.run("look", later, "-o", "now.csv")
    app.add_faults({"status": 401})
    assert "the token was refused" in bulk.run("look", later, "-o", "now.csv", code=9)


@pytest.mark.parametrize("name", ["later.csv", "./later.csv"])
def test_a_look_never_replaces_its_list(bulk: Bulk, app: MockApp, name: str) -> None:
    later = write_list(bulk.folder / "later.csv", 1)
    before = later.read_bytes()
    assert "is the list itself" in bulk.run("look", later, "-o", name, code=2)
    os.link(later, bulk.folder / "now.csv.partial")
    assert "is the list itself" in bulk.run("verify", later, "-o", "now.csv", code=2)
    assert later.read_bytes() == before


def test_times_are_compared_as_moments_and_text_without_white_space() -> None:
    fields = {"appointment_start_date_time": "2030-05-04T13:00:00.000Z", "notes": " x "}
    row = Row(2, SIDS, fields)
    answer = {"appointmentDate": "2030-05-04T09:00:00-04:00", "notes": "x", "status": "Scheduled"}
    seen = Seen(2, SIDS, shown_fields(answer))
    assert check_of(row, seen).verdict == "as_asked"
    other = Seen(2, SIDS, shown_fields({**answer, "appointmentDate": "2030-05-04T14:00:00Z"}))
    assert check_of(row, other).differences == (
        Difference("appointmentStartDateTime", fields["appointment_start_date_time"], "2030-05-04T14:00:00.000Z"),
    )


def test_a_session_is_compared_as_the_client_does_it() -> None:
    """Two fields that read back as one property: which of them it shows is not known. Empty text is a value."""
    fields = {
        "appointment_start_date_time": "2030-05-04T13:00:00.000Z",
        "appointment_date_time": "2030-05-04T14:00:00.000Z",
        "appointment_end_date_time": "2030-05-04T15:00:00.000Z",
    }
    answer = {"appointmentDate": fields["appointment_start_date_time"], "appointmentEndDate": "x", "notes": ""}
    assert check_of(Row(2, SIDS, fields), Seen(2, SIDS, shown_fields(answer))).verdict != "different"
    noted = Row(2, SIDS, {**fields, "notes": "x"})
    check = check_of(noted, Seen(2, SIDS, shown_fields(answer)))
    assert [difference.field for difference in check.differences] == ["notes"]


@pytest.mark.parametrize(
    "answer", [{}, {"notes": "x"}, {"appointmentDate": "soon"}, {"appointmentDate": None}, [], "x"]
)
def test_without_a_time_that_can_be_compared_nothing_is_known(answer: object) -> None:
    row = Row(2, SIDS, {"appointment_start_date_time": "2030-05-04T13:00:00.000Z", "notes": "x"})
    assert check_of(row, Seen(2, SIDS, shown_fields(answer))).verdict == "unknown"


def test_a_file_that_holds_something_else_is_closed_and_refused(tmp_path: Path) -> None:
    """From Python 3.13 on, a database that is left open is a warning, and any warning fails a test here."""
    file = tmp_path / "now.csv.partial"
    file.write_bytes(b"no database at all, but long enough to be looked at\n" * 50)
    with pytest.raises(Stop, match="cannot be written"):
        Findings(file, "a list")
    gc.collect()


@pytest.mark.parametrize("text", ["20300504013000Z", "2030-05-04T13:00:00.123456abcZ", "2030-05-04T13:00:00"])
def test_what_the_client_does_not_read_as_a_moment_is_none_here(text: str) -> None:
    """Python reads the first as 13:00; as it is written it says 01:30."""
    shown = shown_fields({"appointmentDate": text})
    assert shown["appointment_start_date_time"] == text
    assert not is_moment(text)
    row = Row(2, SIDS, {"appointment_start_date_time": "2030-05-04T13:00:00.000Z"})
    assert check_of(row, Seen(2, SIDS, shown)).verdict == "unknown"


def test_an_answer_about_another_session_shows_nothing_of_this_one() -> None:
    row = Row(2, SIDS, {"appointment_start_date_time": "2030-05-04T13:00:00.000Z"})
    answer = {"sid": session(7), "appointmentDate": "2030-05-04T13:00:00.000Z"}
    seen = seen_of(row, answer)
    assert not seen.fields
    assert "another object" in seen.problem
    assert check_of(row, seen).verdict == "unknown"
    assert seen_of(row, {**answer, "sid": SIDS[2]}).fields
