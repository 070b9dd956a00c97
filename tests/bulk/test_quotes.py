"""The guide, docs/reference/bulk.md and docs/reference/bulk-input.md show what their commands really print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from bulk.exam_window import correct, write_exams
from bulk.inside import with_quick_retries
from bulk.lists import write_may, write_moves
from bulk.runs import Bulk, session
from bulk.test_truth import jobs_of
from docs.quotes import LATENCY, PORT, PROGRESS, RATE, ROOT, Mask, Quote, quoted, same
from smarterproctoring_bulk.confirm import Move, question
from smarterproctoring_bulk.local_times import Clock
from smarterproctoring_generated.operations import GET_EXAM_SESSION, RESCHEDULE_EXAM_SESSION
from smarterproctoring_mock import MockApp

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
THEN = "2026-11-29T12:00:00+00:00"
"""When the documents were written: the times in their lists were not past then."""
JOURNAL = Mask(r"(?<=journal: )\S+", "JOURNAL")
JOB = Mask(r"(?<=\njob )[0-9a-f]{12}", "JOB")
NAMES = Mask(r"\b[0-9a-f]{12}\b", "JOB")
LANES = Mask(r"(?<=\n)\d+ lanes", "LANES")


def run(bulk: Bulk, quote: Quote, *, code: int) -> str:
    """Run a command as a document shows it; return all that it printed."""
    program, group, *words = shlex.split(quote.command.replace("AI1f…1f", f"AI{'1f' * 16}"))
    assert (program, group) == ("smarterproctoring", "bulk")
    return bulk.run(*words, code=code, prepare=with_quick_retries, TESTS_NOW=THEN)


def head(quote: Quote, folder: Path) -> None:
    """Expect the first lines of a file as `head` shows them."""
    _, count, name = quote.command.split()
    lines = (folder / name).read_text(encoding="utf-8-sig").split("\n")
    same(quote, "\n".join(lines[: -int(count)]))


def test_a_messy_list_step_by_step(bulk: Bulk) -> None:
    write_may(bulk.folder / "may.csv")
    (first_lines,) = quoted("docs/reference/bulk-input.md", "head")
    head(first_lines, bulk.folder)
    unnamed, named = quoted("docs/reference/bulk-input.md", "smarterproctoring bulk run")
    same(unnamed, run(bulk, unnamed, code=2))
    same(named, run(bulk, named, code=5), LATENCY)
    assert (bulk.folder / "bad.csv").read_text(encoding="utf-8-sig").count("\n") >= 7


def test_many_sessions_at_once(bulk: Bulk, app: MockApp) -> None:
    write_moves(bulk.folder / "moves.csv")
    (first_lines,) = quoted("docs/reference/bulk.md", "head")
    head(first_lines, bulk.folder)
    unnamed, unread, real = quoted("docs/reference/bulk.md", "smarterproctoring bulk run")
    same(unnamed, run(bulk, unnamed, code=2))
    same(unread, run(bulk, unread, code=2))
    (more,) = quoted("docs/reference/bulk.md", "!!")
    options = more.command.removeprefix("!!")
    read = Quote(more.document, unread.command + options, more.printed)
    same(read, run(bulk, read, code=5), PORT, LATENCY, LANES)
    assert app.sessions() == []

    # The same without --dry-run, as it says; faster, since the rate is not among what is quoted.
    assert "moves.csv … --rate 100/s" in real.command
    whole = read.command.replace(" --dry-run", "").replace("100/s", "2000/s")
    command = real.command.replace("bulk run moves.csv … --rate 100/s", whole.removeprefix("smarterproctoring "))
    refused = [{"status": 409, "session": session(number)} for number in (300, 301, 302)]
    passing = [{"status": 500, "store": True, "session": session(number)} for number in range(600, 605)]
    app.add_faults(*refused, *passing)
    (code,) = quoted("docs/reference/bulk.md", "echo $?")
    printed = run(bulk, Quote(real.document, command, real.printed), code=int(code.printed))
    same(real, printed, PORT, PROGRESS, RATE, JOB, JOURNAL)
    assert re.findall(r"ES\w+", (bulk.folder / "report.csv").read_text()).count(session(1)) == 1


def test_the_guide_shows_what_is_asked() -> None:
    move = Move("https://api.example.com", 5, 0, "2027-05-05T14:00:00.000Z", "2027-05-09T20:00:00.000Z")
    text = (ROOT / "docs/how-to/exam-window.md").read_text(encoding="utf-8")
    assert f"`{question(move, Clock('America/New_York'))}`" in text


class Guide:
    """Follows docs/how-to/exam-window.md: each command is typed, and its output compared with what is shown."""

    def __init__(self, bulk: Bulk) -> None:
        self.bulk = bulk

    def step(self, quote: Quote, *, code: int, job: str = "") -> None:
        """Type a command, and expect what is shown.

        Args:
            quote: What is shown.
            code: The exit code.
            job: The real name of the job that the command names.
        """
        command = quote.command.replace("--rate 20/s", "--rate 2000/s")
        if job:
            command = NAMES.over(command).replace(NAMES.name, job)
        printed = run(self.bulk, Quote(quote.document, command, quote.printed), code=code)
        same(quote, printed, PORT, LATENCY, PROGRESS, RATE, JOURNAL, NAMES)


def test_an_exam_window(bulk: Bulk, app: MockApp) -> None:
    """One person moves 1,200 rows, in the order of the guide, in one folder."""
    write_exams(bulk.folder / "exams.xlsx")
    guide = Guide(bulk)
    sheet, column, check, trial, rest = quoted("docs/how-to/exam-window.md", "smarterproctoring bulk run exams.xlsx")
    guide.step(sheet, code=2)
    guide.step(column, code=2)
    guide.step(check, code=5)
    assert app.sessions() == []
    kinds = (bulk.folder / "problems.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len({line.split(",", 3)[3] for line in kinds[1:]}) >= 15
    guide.step(trial, code=0)
    (first,) = jobs_of(bulk)

    move = RESCHEDULE_EXAM_SESSION.operation_id
    read = GET_EXAM_SESSION.operation_id
    app.add_faults(
        {"status": 409, "code": "77", "message": "the session has begun", "session": session(300), "times": None},
        {"drop": "after-store", "operation": move, "session": session(310), "times": None},
        {"status": 503, "operation": read, "session": session(310), "times": None},
        {"status": 500, "operation": move, "session": session(320), "times": None},
    )
    guide.step(rest, code=8)
    app.clear_faults()
    (second,) = {*jobs_of(bulk)} - {first}
    settle, reopen = quoted("docs/how-to/exam-window.md", "smarterproctoring bulk settle")
    guide.step(settle, code=8, job=second)
    guide.step(reopen, code=8, job=second)
    (resume,) = quoted("docs/how-to/exam-window.md", "smarterproctoring bulk resume")
    guide.step(resume, code=5, job=second)
    whole, corrected = quoted("docs/how-to/exam-window.md", "smarterproctoring bulk verify")
    guide.step(whole, code=5)

    correct(bulk.folder / "rest.csv", bulk.folder / "corrected.csv")
    (again,) = quoted("docs/how-to/exam-window.md", "smarterproctoring bulk run corrected.csv")
    guide.step(again, code=0)
    guide.step(corrected, code=0)
    shown, undo = quoted("docs/how-to/exam-window.md", "smarterproctoring bulk undo")
    guide.step(shown, code=0, job=first)
    before = {row.params["sessionSid"]: row.fields for row in app.sessions()}
    guide.step(undo, code=0, job=first)
    after = {row.params["sessionSid"]: row.fields for row in app.sessions()}
    assert {sid for sid, fields in after.items() if fields != before[sid]} == {
        session(number) for number in range(2, 7)
    }
