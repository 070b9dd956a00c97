"""Runs of the real command line against the mock server, and Postgres where it is installed."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bulk.process import Process
from smarterproctoring_bulk import engine
from smarterproctoring_bulk.commands.status import Facts, facts_of
from smarterproctoring_bulk.journal import find
from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_mock import MockApp

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDAwMDAwMDB9.c2VjcmV0LXNpZ25hdHVyZQ"
INSTALL, EXAM = "AI" + "1f" * 16, "EX" + "2e" * 16
WINDOW = 25
MOVE = RESCHEDULE_EXAM_SESSION.operation_id
UNANSWERED = 3
"""Changes that are stored without an answer; fewer than a worker has under way at the least."""
NO_LEASE_ENDS = ("--lease", "3600")
"""An attempt may then take longer than the time after which a test counts as hanging, and so may a worker's turn."""
SECRET = "phone 555-0199"
START = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}T13:00:00"
"""A time that lists may hold without an option: neither past nor years ahead; in UTC."""


def session(number: int, salt: str = "") -> str:
    return "ES" + hashlib.md5(f"{salt}{number}".encode(), usedforsecurity=False).hexdigest()


def write_list(path: Path, rows: int, salt: str = "", extra: list[list[str]] | None = None) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["installSid", "examSid", "sessionSid", "appointmentStartDateTime", "notes"])
        for number in range(rows):
            writer.writerow([INSTALL, EXAM, session(number, salt), f"{START}Z", f"{SECRET} {number}"])
        writer.writerows(extra or [])
    return path


def wait_for(condition: Callable[[], Any], seconds: float = 200.0, every: float = 0.02) -> Any:
    """Wait until something is so; the limit is only there to end a test that fails.

    A condition that opens the journal takes some 50 ms of processor: it is not looked at `every` 0.02 seconds.
    """
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(every)
    return found


def _confirmed(command: str | Path, arguments: tuple[str | Path, ...]) -> list[str]:
    """Return the arguments, with the confirmation that a command needs where there is no terminal."""
    words = [*map(str, arguments)]
    if command in ("run", "submit", "undo") and not {"--dry-run", "--help"} & {*words}:
        words.append("--yes")
    return words


class Bulk:
    """The command line with one journal and one server."""

    def __init__(self, url: str, journal: str, folder: Path, app: MockApp) -> None:
        self.url, self.journal, self.folder, self.app = url, journal, folder, app
        self.started: list[Process] = []

    def environment(self, token: str, more: dict[str, str]) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SMARTERPROCTORING")}
        own = {
            "SMARTERPROCTORING_TOKEN": token,
            "SMARTERPROCTORING_BASE_URL": self.url,
            "SMARTERPROCTORING_BULK_JOURNAL": self.journal,
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        return {**clean, **own, **more}

    def start(
        self,
        command: str | Path,
        *arguments: str | Path,
        token: str = TOKEN,
        prepare: Callable[[], object] | None = None,
        **environment: str,
    ) -> Process:
        words = ["bulk", str(command), *_confirmed(command, arguments)]
        process = Process(words, self.environment(token, environment), self.folder, prepare=prepare)
        self.started.append(process)
        return process

    def run_anew(self, command: str | Path, *arguments: str | Path, code: int = 0, **environment: str) -> str:
        """Run to the end in an interpreter of its own, which obeys the variables that Python itself reads."""
        words = ["bulk", str(command), *_confirmed(command, arguments)]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "smarterproctoring.cli", *words],
            env=self.environment(TOKEN, environment), cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=300,
        )  # fmt: skip
        printed = done.stdout + done.stderr
        assert done.returncode == code, f"exit code {done.returncode}, not {code}:\n{printed}"
        return printed

    def run(
        self,
        command: str | Path,
        *arguments: str | Path,
        code: int = 0,
        prepare: Callable[[], object] | None = None,
        **environment: str,
    ) -> str:
        """Run to the end; return all that it printed."""
        return self.end(self.start(command, *arguments, prepare=prepare, **environment), code)

    def end(self, process: Process, code: int = 0) -> str:
        printed = process.wait()
        assert process.poll() == code, f"exit code {process.poll()}, not {code}:\n{printed}"
        assert TOKEN not in printed
        return printed

    def status(self) -> Facts:
        """Return what `bulk status --json` would show of the one job."""
        with engine.Journal(find(self.journal)) as journal:
            (job,) = journal.jobs()
            return facts_of(journal, job)

    def outcomes(self) -> dict[int, Outcome]:
        """Return the outcome of every row, by line."""
        with engine.Journal(find(self.journal)) as journal:
            (job,) = journal.jobs()
            found = list(journal.outcomes(job))
        by_line = {outcome.line: outcome for outcome in found}
        assert len(by_line) == len(found), "a row has two outcomes"
        return by_line

    def states(self) -> Counter[str]:
        return Counter(outcome.state for outcome in self.outcomes().values())

    def kill(self, process: Process, stalled: Callable[[], bool]) -> None:
        """Kill a process when the service has stalled (`stall_after`), and let the service answer again."""
        wait_for(stalled)
        kill(process)
        self.let_arrive()
        self.app.clear_faults()

    def let_arrive(self) -> None:
        """Wait until the server has read all that was sent to it by now.

        It looks at all its connections in turn: once it has answered on a new one, twice, it has seen each other.
        """
        for _ in range(2):
            with urllib.request.urlopen(f"{self.url}/_mock/faults", timeout=300) as response:
                response.read()

    def let_leases_end(self) -> None:
        """Let the time limit of every part be over, as if as much time had passed.

        Of an embedded journal the lock says that a process is dead.
        """
        if find(self.journal).path is not None:
            return
        with engine.Journal(find(self.journal)) as journal, journal.store.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE dbos.workflow_status SET workflow_deadline_epoch_ms = 1 WHERE status = 'PENDING'"
            )

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                kill(process)


def stall_after(app: MockApp, answered: int) -> Callable[[], bool]:
    """Let the service answer some changes, store the next ones without an answer, and do nothing with the rest.

    However long a process is left alone then, it cannot end, and changes are stored that it does not know of. What is
    under way when it is killed is not stored afterwards.

    Returns:
        Tells whether the service has come to that point.
    """
    app.add_faults(
        {"operation": MOVE, "delay": 0.03, "times": answered},
        {"operation": MOVE, "drip": 600, "times": UNANSWERED},
        {"operation": MOVE, "delay": 600, "times": None},
    )
    target = sent(app).total() + answered + UNANSWERED
    return lambda: sent(app).total() >= target


def sent(app: MockApp) -> Counter[str]:
    """Count what was really sent, by session."""
    moves = (row for row in app.audit() if row.params and row.operation == "rescheduleExamSession")
    return Counter(row.params["sessionSid"] for row in moves)


def stored(app: MockApp) -> Counter[str]:
    return Counter(row.params["sessionSid"] for row in app.audit() if row.stored)


def kill(process: Process) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def pid_in(text: str) -> int:
    found = re.search(r"process (\d+)", text)
    assert found, text
    return int(found[1])
