"""docs/reference/bulk.md and docs/reference/bulk-input.md show what their commands really print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from bulk.lists import write_may, write_moves
from bulk.runs import Bulk, session
from docs.quotes import LATENCY, PORT, RATE, Mask, Quote, quoted, same
from smarterproctoring_mock import MockApp

pytestmark = pytest.mark.slow
THEN = "2026-11-29T12:00:00+00:00"
"""When the documents were written: the times in their lists were not past then."""
JOURNAL = Mask(r"(?<=journal: )\S+", "JOURNAL")
JOB = Mask(r"(?<=\njob )[0-9a-f]{12}", "JOB")
LANES = Mask(r"(?<=\n)\d+ lanes", "LANES")


def run(bulk: Bulk, quote: Quote, *, code: int) -> str:
    """Run a command as a document shows it; return all that it printed."""
    program, group, *words = shlex.split(quote.command.replace("AI1f…1f", f"AI{'1f' * 16}"))
    assert (program, group) == ("smarterproctoring", "bulk")
    return bulk.run(*words, code=code, TESTS_NOW=THEN)


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
    same(real, printed, PORT, RATE, JOB, JOURNAL)
    assert re.findall(r"ES\w+", (bulk.folder / "report.csv").read_text()).count(session(1)) == 1
