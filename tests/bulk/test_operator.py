"""What an operator meets before and after a run: questions, trials, files that are safe, the rows that are left."""

from __future__ import annotations

import csv
import datetime as dt
import os
import pty
import re
import select
import stat
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import smarterproctoring_bulk
from bulk.process import Process
from bulk.runs import EXAM, INSTALL, START, TOKEN, Bulk, sent, session, stored, write_list
from bulk.workbooks import Cell, Error, Sheet, write_xlsx
from smarterproctoring_bulk.confirm import Move, question
from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.limited import plan_first
from smarterproctoring_bulk.local_times import Clock
from smarterproctoring_bulk.plan import Counts
from smarterproctoring_bulk.rest import write_rest
from smarterproctoring_bulk.rows import InputOptions
from smarterproctoring_mock import MockApp

SIDS = f"{INSTALL},{EXAM}"
HEADER = "installSid,examSid,sessionSid,appointmentStartDateTime,notes"


# -- files ------------------------------------------------------------------------------------------------------------


def linked(folder: Path, how: str) -> str:
    """Return another name for the list."""
    path = folder / "list.csv"
    if how == "relative":
        return "../" + folder.name + "/list.csv"
    if how == "case":
        return "LIST.csv"
    if how == "same":
        return str(path)
    link = folder / "link.csv"
    if how == "symlink":
        link.symlink_to(path)
    else:
        link.hardlink_to(path)
    return str(link)


@pytest.mark.parametrize("option", ["--report", "--problems", "--rest"])
@pytest.mark.parametrize("how", ["same", "relative", "symlink", "hardlink", "case"])
def test_the_list_is_never_overwritten(bulk: Bulk, app: MockApp, option: str, how: str) -> None:
    path = write_list(bulk.folder / "list.csv", 3)
    before = path.read_bytes()
    name = linked(bulk.folder, how)
    for arguments in (("--dry-run",), ()):
        refused = bulk.run("run", path, option, name, *arguments, code=2)
        assert f"{option} {name} is the list itself, which it would overwrite" in refused
    assert path.read_bytes() == before
    assert not app.requests()
    assert not Path(bulk.journal).exists()


def test_no_output_replaces_the_journal_the_token_or_another_output(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 1)
    token = bulk.folder / "token.csv"
    token.write_text(TOKEN)
    bulk.run("run", path)
    journal = Path(bulk.journal)
    link = bulk.folder / "j.csv"
    link.symlink_to(journal)
    before = journal.read_bytes()
    for end in ("", "-wal", "-shm", "-journal", ".lock"):
        name = f"{journal}{end}"
        what = "is a file of the journal" if end else "is the journal"
        assert what in bulk.run("run", path, "--problems", name, code=2)
    assert "is the journal" in bulk.run("run", path, "--report", link, code=2)
    assert "is the journal" in bulk.run("look", path, "-o", link, code=2)
    assert "is the journal" in bulk.run("verify", path, "-o", link, code=2)
    (job,) = re.findall(r"(?m)^(\w{12})  ", bulk.run("status"))
    assert "is the journal" in bulk.run("report", job, link, code=2)
    assert "is the journal" in bulk.run("resume", job, "--report", link, code=2)
    assert "the token file" in bulk.run("run", path, "--token-file", token, "--report", token, code=2)
    twice = bulk.run("run", path, "--report", "a.csv", "--rest", "../" + bulk.folder.name + "/A.csv", code=2)
    assert "is the file of --report, too" in twice
    assert "is the file of the report, too" in bulk.run("report", job, "a.csv", "./a.csv", code=2)
    assert journal.read_bytes() == before
    assert token.read_text() == TOKEN


@pytest.mark.parametrize("option", ["--report", "--problems", "--rest"])
def test_a_folder_that_is_not_there_is_found_before_the_work(bulk: Bulk, app: MockApp, option: str) -> None:
    path = write_list(bulk.folder / "list.csv", 1)
    refused = bulk.run("run", path, option, "nowhere/out.csv", code=2)
    assert f"{option} nowhere/out.csv cannot be written: there is no folder nowhere" in refused
    assert "is not a regular file" in bulk.run("run", path, option, _fifo(bulk.folder), code=2)
    assert not app.requests()


def _fifo(folder: Path) -> Path:
    path = folder / "pipe.csv"
    os.mkfifo(path)
    return path


# -- the question -----------------------------------------------------------------------------------------------------


def at_terminal(bulk: Bulk, answer: str, *arguments: str | Path) -> tuple[int, str]:
    """Run a command whose input and output are a terminal; return its exit code and all that was shown."""
    ours, theirs = pty.openpty()
    environment = bulk.environment(TOKEN, {"TERM": "dumb", "TZ": "America/New_York"})
    with Connection(theirs) as terminal:
        process = Process(["bulk", *map(str, arguments)], environment, bulk.folder, terminal=terminal)
    bulk.started.append(process)
    shown = b""
    asked = False
    while True:
        ready, _, _ = select.select([ours], [], [], 120)
        assert ready, shown.decode()
        try:
            block = os.read(ours, 4096)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not block:
            break
        shown += block
        if b"Move them? [y/N]" in shown and not asked:
            asked = True
            os.write(ours, answer.encode())
    os.close(ours)
    process.wait()
    code = process.poll()
    assert code is not None
    return code, shown.decode().replace("\r\n", "\n")


@pytest.mark.slow
def test_at_a_terminal_a_run_asks_before_it_moves_anything(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 3)
    for answer in ("n\n", "\n", "\x04"):
        code, shown = at_terminal(bulk, answer, "run", path, "--timezone", "America/New_York")
        assert code in (2, 130), shown
        host = bulk.url.removeprefix("http://")
        assert f"3 sessions on {host}; new times from " in shown
        assert re.search(r"from \w{3} \d\d \w{3} \d{4} 0[89]:00 E[SD]T to ", shown)
        assert not app.requests()
    code, shown = at_terminal(bulk, "y\n", "run", path)
    assert code == 0, shown
    assert len(stored(app)) == 3


@pytest.mark.slow
def test_at_a_terminal_yes_asks_nothing(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 2)
    code, shown = at_terminal(bulk, "n\n", "run", path, "--yes")
    assert code == 0, shown
    assert "Move them?" not in shown


@pytest.mark.parametrize("command", ["run", "submit"])
def test_without_a_terminal_and_without_yes_nothing_is_done(bulk: Bulk, app: MockApp, command: str) -> None:
    path = write_list(bulk.folder / "list.csv", 2)
    process = Process(["bulk", command, str(path)], bulk.environment(TOKEN, {}), bulk.folder)
    assert "this is not a terminal: add --yes" in bulk.end(process, code=2)
    assert not Path(bulk.journal).exists()
    assert not app.requests()


# -- a trial ----------------------------------------------------------------------------------------------------------


def test_a_limit_moves_the_first_sessions_and_stops(bulk: Bulk, app: MockApp) -> None:
    wrong = [[INSTALL, EXAM, "ES12", f"{START}Z", ""]]
    path = write_list(bulk.folder / "list.csv", 20, extra=wrong)
    shown = bulk.run("run", path, "--limit", "5")
    assert "--limit: the first 5 of 20 sessions of 21 rows" in shown
    assert {*sent(app)} == {session(number) for number in range(5)}
    assert "5 rows: 5 ok" in shown
    again = bulk.run("run", path, "--limit", "5")
    assert sum(sent(app).values()) == 5, again


def test_a_limited_plan_ends_with_its_last_row_and_knows_the_whole_list(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    rows = [
        f"{SIDS},{session(1)},2027-05-04T13:00:00Z,",
        f"{SIDS},ES12,2027-05-04T13:00:00Z,",
        f"{SIDS},{session(1)},2027-05-04T13:00:00Z,",
        f"{SIDS},{session(2)},2027-05-06T13:00:00Z,",
        f"{SIDS},{session(3)},2027-05-05T13:00:00Z,",
        f"{SIDS},{session(4)},2027-05-09T13:00:00Z,",
        f"{SIDS},{session(2)},2027-05-07T13:00:00Z,",
        f"{SIDS},ES13,2027-05-04T13:00:00Z,",
    ]
    path.write_text("\n".join([HEADER, *rows, ""]))
    options = InputOptions(allow_past=True)
    with plan_first(path, options, 2) as first, plan_first(path, options, None) as whole:
        assert [row.line for row in first.rows()] == [2, 6]  # line 5 is a conflict with line 8
        assert first.counts == Counts(rows=5, sendable=2, duplicate=1, conflict=1, invalid=1)
        assert [outcome.line for outcome in first.not_sent()] == [3, 5]
        assert (first.earliest, first.latest) == ("2027-05-04T13:00:00.000Z", "2027-05-05T13:00:00.000Z")
        assert whole.counts.sendable == 3
        assert first.fingerprint != whole.fingerprint
        with plan_first(path, options, 3) as other:
            assert other.fingerprint not in (first.fingerprint, whole.fingerprint)


# -- the rows that are left -------------------------------------------------------------------------------------------


def test_the_rows_that_are_not_done_can_be_corrected_and_run(bulk: Bulk, app: MockApp) -> None:
    wrong = [[INSTALL, EXAM, "ES12", f"{START}Z", 'größer; "x"\ny'], [INSTALL, EXAM, session(0), f"{START}Z", "other"]]
    path = write_list(bulk.folder / "list.csv", 6, extra=wrong)
    app.add_faults({"status": 409, "session": session(2)})
    shown = bulk.run("run", path, "--rest", "rest.csv", code=5)
    assert "4 rows that are not done: rest.csv" in shown
    rest = bulk.folder / "rest.csv"
    assert stat.S_IMODE(rest.stat().st_mode) == 0o600
    with rest.open(newline="") as stream:
        left = list(csv.DictReader(stream))
    assert [row["sessionSid"] for row in left] == [session(0), session(2), "ES12", session(0)]
    assert left[2]["notes"] == 'größer; "x"\ny'
    app.reset()
    corrected = rest.read_text().replace("ES12", session(9))
    corrected = corrected.replace(f"{session(0)},{START}Z,other", f"{session(8)},{START}Z,other")
    rest.write_text(corrected)
    bulk.run("run", rest, "--allow-past")
    assert {*stored(app)} == {session(number) for number in (0, 2, 8, 9)}


def test_a_dry_run_writes_the_rows_that_would_not_be_sent(bulk: Bulk, app: MockApp) -> None:
    wrong = [[INSTALL, EXAM, "ES12", f"{START}Z", "x"], [INSTALL, EXAM, session(1), f"{START}Z", "phone 555-0199 1"]]
    path = write_list(bulk.folder / "list.csv", 3, extra=wrong)
    bulk.run("run", path, "--rest", "rest.csv", "--dry-run", code=5)
    with (bulk.folder / "rest.csv").open(newline="") as stream:
        assert [row["sessionSid"] for row in csv.DictReader(stream)] == ["ES12"]
    assert not sent(app)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_rest_of_a_text_list_has_every_character_of_its_rows(tmp_path: Path, encoding: str, end: str) -> None:
    path, out = tmp_path / "list.csv", tmp_path / "rest.csv"
    top = f"sep=;{end}{end}{HEADER.replace(',', ';')}{end}"
    rows = [f'{number};"grö{end}ß""er";x{end}' for number in range(4)]
    rows[2] = f'2;"broken"q;x{end}'
    path.write_text(top + rows[0] + end + "".join(rows[1:]) + "last;;", encoding=encoding, newline="")
    options = InputOptions(encoding=encoding, map={})
    lines = [4, 7]  # the first row, and the second after an empty line
    assert write_rest(out, path, options, lines) == 3
    assert out.read_text(encoding=encoding) == (top + rows[2] + rows[3] + "last;;").replace("\r\n", "\n")


def test_the_rest_of_json_lines_is_json_lines(tmp_path: Path) -> None:
    path, out = tmp_path / "list.jsonl", tmp_path / "rest.jsonl"
    path.write_text('{"a": 1}\n\n{"b" : 2}\nnot json\n{"c": 3}')
    assert write_rest(out, path, InputOptions(), [1, 5]) == 2
    assert out.read_text() == '{"b" : 2}\nnot json\n'


def test_the_rest_of_a_workbook_is_a_csv_that_is_read_or_refused_like_it(tmp_path: Path) -> None:

    nine = dt.datetime(2030, 5, 4, 9, 0)
    header: list[Cell] = ["Install", "Exam", "Session", "Start", "phone", "Student"]
    rows: list[list[Cell]] = [
        [INSTALL, EXAM, session(1), nine, "=1", 17],
        [INSTALL, EXAM, session(2), nine, None, None],
        [INSTALL, EXAM, session(3), nine.date(), 7030, Error()],
        [INSTALL, EXAM, session(4), nine, "hidden", 5],
    ]
    path = write_xlsx(tmp_path / "list.xlsx", Sheet("Moves", [header, *rows], hidden_rows=frozenset({5})))
    options = InputOptions(map={"Student": ""}, timezone="America/New_York")
    out = tmp_path / "rest.csv"
    assert write_rest(out, path, options, [3]) == 2
    with out.open(encoding="utf-8-sig", newline="") as stream:
        assert list(csv.reader(stream)) == [
            header,
            [INSTALL, EXAM, session(1), "2030-05-04 09:00:00", "=1", "17.0"],
            [INSTALL, EXAM, session(3), "#VALUE!", "#VALUE!", "#VALUE!"],
        ]


# -- the dry run ------------------------------------------------------------------------------------------------------


@pytest.fixture(name="days")
def a_list_of_days(bulk: Bulk) -> Path:
    path = bulk.folder / "days.csv"
    starts = ["2027-05-04 22:00", "2027-05-04 09:00", "2027-05-05 09:00", ""]
    rows = [f"{SIDS},{session(number)},{start},x" for number, start in enumerate(starts)]
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def test_a_dry_run_shows_local_time_beside_utc_and_the_rows_of_each_day(bulk: Bulk, days: Path) -> None:
    shown = bulk.run("run", days, "--dry-run", "--timezone", "America/New_York")
    assert "  Tue 04 May 2027 22:00 EDT (2027-05-05 02:00 UTC)\n" in shown
    assert "times from Tue 04 May 2027 09:00 EDT (2027-05-04 13:00 UTC)\n" in shown
    assert "        to Wed 05 May 2027 09:00 EDT (2027-05-05 13:00 UTC)\n" in shown
    assert re.search(r"Tue 04 May 2027 +2\n  Wed 05 May 2027 +1\n", shown)


def test_a_dry_run_of_a_list_with_wrong_rows_ends_with_their_code(bulk: Bulk, days: Path) -> None:
    days.write_text(days.read_text() + f"{SIDS},ES12,2027-05-04T09:00Z,\n")
    assert "1 invalid" in bulk.run("run", days, "--dry-run", "--timezone", "America/New_York", code=5)


def test_a_dry_run_and_the_question_say_what_is_done_already(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 8)
    bulk.run("run", path, "--limit", "3")
    shown = bulk.run("run", path, "--dry-run")
    assert re.search(r"3 already done \(job \w{12}\)", shown)
    assert "\n5 requests;" in shown
    bulk.run("run", path)
    assert "\n0 requests: a run would send nothing" in bulk.run("run", path, "--dry-run")
    assert sum(stored(app).values()) == 8


def test_a_dry_run_makes_no_journal(bulk: Bulk) -> None:
    bulk.run("run", write_list(bulk.folder / "list.csv", 1), "--dry-run")
    assert not Path(bulk.journal).exists()


def test_the_question_names_host_count_dates_and_what_is_done() -> None:
    clock = Clock("America/New_York")
    move = Move("https://api.example.com/x", 1200, 402, "2027-05-02T13:00:00.000Z", "2027-12-28T22:30:00.000Z")
    assert question(move, clock) == (
        "1,200 sessions on api.example.com; new times from Sun 02 May 2027 09:00 EDT to Tue 28 Dec 2027 17:30 EST; "
        "402 more are already done"
    )
    assert question(Move("https://h", 1, 0, None, None), clock) == "1 session on h"


def test_an_estimate_says_what_it_follows_from(bulk: Bulk) -> None:
    path = write_list(bulk.folder / "list.csv", 600)
    paced = bulk.run("run", path, "--dry-run", "--rate", "10/s")
    assert "10/s: about 1 min 1 s" in paced  # attempts begin at 98 % of the rate
    slow = bulk.run("run", path, "--dry-run", "--rate", "6/min")
    assert "6/min: about 1 h 42 min" in slow
    free = bulk.run("run", path, "--dry-run")
    assert "no --rate: at least" in free
    assert "longer if the service takes its time or limits" in free


def test_a_dry_run_shows_requests_that_would_be_sent(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 6)
    bulk.run("run", path, "--limit", "4")
    said = bulk.run("run", path, "--dry-run")
    assert "4 already done" in said
    assert "\n2 requests; an answer takes" in said
    assert re.findall(r"(?m)^line (\d+): PUT", said) == ["6", "7"]
    bulk.run("run", path)
    assert "0 requests: a run would send nothing" in bulk.run("run", path, "--dry-run")
    again = bulk.run("run", path, "--dry-run", "--again", "done")
    assert re.findall(r"(?m)^line (\d+): PUT", again) == ["2", "3", "4"]


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1200, "1,200 rows")])
def test_a_number_fits_what_it_counts(number: int, text: str) -> None:
    assert counted(number, "row") == text
    assert counted(number, "row is", "rows are") == text + (" is" if number == 1 else " are")


FIXED_PLURAL = re.compile(r"\{[^{}]*(?::,|count|lanes)\} (?:rows|sessions|jobs|requests|lanes|chunks|values|retries)\b")


def test_no_message_counts_with_a_fixed_plural() -> None:
    package = Path(smarterproctoring_bulk.__file__).parent
    found = {
        f"{path.name}: {match[0]}"
        for path in package.rglob("*.py")
        for match in FIXED_PLURAL.finditer(path.read_text(encoding="utf-8"))
    }
    assert not found
