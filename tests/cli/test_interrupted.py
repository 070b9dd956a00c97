"""Ctrl-C at any moment of any command ends with its documented exit code, and with words that are true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from bulk.process import Process
from cli.commands import SIDS, TOKEN
from cli.interrupted_at import interrupt_at
from smarterproctoring_mock import RunningServer

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "interrupted_at.py"
MOVE = ("reschedule", *SIDS, "--start", "2030-05-04T13:00Z", "--allow-far", "--end", "2030-05-04T15:00Z")
LIST = "installSid,examSid,sessionSid,appointmentStartDateTime\n" + ",".join([*SIDS, "2030-05-04T13:00:00Z"]) + "\n"
RUN = ("bulk", "run", "list.csv", "--allow-far", "--yes")
SETTLE = ("bulk", "settle", "0123")
PLACES = (0.02, 0.3, 0.6, 0.8, 0.9, 0.97, 1.0)
"""Shares of all calls of a command."""
CALLS: dict[tuple[str, ...], int] = {}
"""How many functions of the project a command calls."""


def environment(server: RunningServer, folder: Path) -> dict[str, str]:
    (folder / "list.csv").write_text(LIST)
    own = {
        "SMARTERPROCTORING_BASE_URL": server.url,
        "SMARTERPROCTORING_TOKEN": TOKEN,
        "SMARTERPROCTORING_BULK_JOURNAL": str(folder / "journal.sqlite"),
    }
    return {**os.environ, **own}


def interrupted(
    server: RunningServer, folder: Path, moment: str, *words: str, calls: Path | None = None
) -> tuple[int | None, str]:
    """Interrupt a command at a call; return its exit code and all that it printed."""
    prepare = partial(interrupt_at, moment, calls)
    process = Process([*words], environment(server, folder), folder, prepare=prepare)
    printed = process.wait()
    return process.poll(), printed


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("click", MOVE),
        ("smarterproctoring.terminal", MOVE),
        ("smarterproctoring.errors", MOVE),
        ("smarterproctoring._cli.reschedule", MOVE),
        ("httpx", MOVE),
        ("smarterproctoring._cli.show", ("show", *SIDS)),
        ("smarterproctoring._cli.doctor", ("doctor",)),
        ("smarterproctoring_bulk.cli", RUN),
        ("smarterproctoring_bulk.commands.run", RUN),
        ("dbos", RUN),
        ("smarterproctoring_bulk.commands.settle", SETTLE),
        ("smarterproctoring_bulk.commands.status", ("bulk", "status")),
        ("smarterproctoring_bulk.commands.jobs", ("bulk", "purge", "0123")),
        ("smarterproctoring_mock.server", ("mock", "--port", "0")),
    ],
)
def test_ctrl_c_while_a_command_is_loaded(
    server: RunningServer, tmp_path: Path, module: str, words: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), module, *words],
        env=environment(server, tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 130, done.stdout + done.stderr
    assert "nothing was sent" in done.stderr or "no change was sent" in done.stderr
    assert "Traceback" not in done.stderr
    assert not server.app.audit()


def calls_of(server: RunningServer, folder: Path, words: tuple[str, ...]) -> int:
    """Count the calls of a command that is not interrupted; once for all tests."""
    if words not in CALLS:
        counted = folder / "counted"
        counted.mkdir()
        code, printed = interrupted(server, counted, "0", *words, calls=counted / "calls")
        assert code == 0, printed
        CALLS[words] = int((counted / "calls").read_text())
        server.app.reset()
    return CALLS[words]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("words", [MOVE, (*MOVE, "--json"), RUN], ids=["reschedule", "json", "bulk run"])
def test_ctrl_c_at_any_moment_says_what_was_sent(
    server: RunningServer, tmp_path: Path, words: tuple[str, ...], place: float
) -> None:
    moment = max(1, int(calls_of(server, tmp_path, words) * place))
    code, printed = interrupted(server, tmp_path, str(moment), *words)
    stored = any(row.stored for row in server.app.audit())
    in_doubt = words is not RUN and (stored or "may have been applied" in printed)
    assert code in ({0, 8} if in_doubt else {0, 130}), printed
    assert not (stored and ("nothing was sent" in printed or "no change was sent" in printed)), printed
    assert code == 0 or "interrupted" in printed, printed
    assert "Traceback" not in printed


def test_ctrl_c_after_rows_were_sent_says_how_to_go_on(server: RunningServer, tmp_path: Path) -> None:
    code, printed = interrupted(server, tmp_path, "write_reports()", *RUN, "--report", "report.csv")
    assert code == 130, printed
    assert any(row.stored for row in server.app.audit())
    assert "interrupted; the same command continues, or: smarterproctoring bulk resume" in printed
    assert "was sent" not in printed
    code, printed = interrupted(server, tmp_path, "0", *RUN, "--report", "report.csv")
    assert code == 0, printed
    assert "1 row: 1 ok" in printed
    assert len(server.app.audit()) == 1


def test_ctrl_c_leaves_no_job_half_deleted(server: RunningServer, tmp_path: Path) -> None:
    code, printed = interrupted(server, tmp_path, "0", *RUN)
    assert code == 0, printed
    (job,) = re.findall(r"(?m)^job (\w{12}) for", printed)
    code, printed = interrupted(server, tmp_path, "rewrite()", "bulk", "purge", job, "--yes")
    assert code == 0, printed
    assert f"job {job} is deleted" in printed
