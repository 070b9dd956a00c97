"""The command line in a process of its own, forked from one that has imported everything already."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from datetime import datetime
from functools import partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from unittest.mock import patch

from smarterproctoring import cli
from smarterproctoring_bulk.cli import COMMANDS
from smarterproctoring_bulk.commands import run as run_command
from smarterproctoring_bulk.limited import plan_first
from smarterproctoring_bulk.plan import Plan
from smarterproctoring_bulk.rows import InputOptions

_PRELOADED = (
    "anyio._backends._asyncio",
    "anyio._core._synchronization",
    "dbos._sys_db_sqlite",
    "encodings.idna",
    "smarterproctoring.cli",
    "smarterproctoring.profiles",
    "smarterproctoring_bulk.engine.worker",
    "smarterproctoring_transport._async.connect",
    "smarterproctoring_transport._async.fast",
    "unittest.mock",
)
"""What most commands import, some of it late: DBOS takes a second of processor, and the connections a quarter."""


def _preloaded() -> ForkServerContext:
    """Return what forks processes that have imported bulk already."""
    context = multiprocessing.get_context("forkserver")
    commands = [f"smarterproctoring_bulk.commands.{name}" for name in sorted({*COMMANDS.values()})]
    context.set_forkserver_preload([*_PRELOADED, *commands])
    return context


_CONTEXT = _preloaded()


def _command_line(arguments: list[str], environment: dict[str, str], folder: str, output: str) -> None:
    """Be the command line: the target of a forked process."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(written, 1)
    os.dup2(written, 2)
    sys.argv = ["smarterproctoring", *arguments]
    if "TESTS_NOW" not in environment:
        cli.main()
        return
    moment = datetime.fromisoformat(environment["TESTS_NOW"])
    with patch.object(run_command, "plan_first", partial(_planned_at, moment)):
        cli.main()


def _planned_at(
    moment: datetime, path: Path, options: InputOptions, limit: int | None, now: datetime | None = None
) -> Plan:
    """Check a list as if it were another moment."""
    return plan_first(path, options, limit, now or moment)


class Process:
    """The command line in a process of its own, with the interface of `subprocess.Popen` as far as it is needed."""

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
        descriptor, name = tempfile.mkstemp(prefix="output-", dir=folder)
        os.close(descriptor)
        self._output = Path(name)
        self._process = _CONTEXT.Process(target=_command_line, args=(arguments, environment, str(folder), name))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> str:
        """Wait for the end; return all that was printed. The limit is only there to end a test that hangs."""
        self._process.join(300)
        assert self.poll() is not None, f"still running:\n{self._output.read_text()}"
        return self._output.read_text()
