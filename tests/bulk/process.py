"""The command line in a process of its own, forked from one that has imported everything already."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection
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


def _command_line(
    arguments: list[str],
    environment: dict[str, str],
    folder: Path,
    written: Connection,
    terminal: bool,
    prepare: Callable[[], object] | None,
) -> None:
    """Be the command line: the target of a forked process."""
    # A script that starts the tests in its background lets them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.dup2(written.fileno(), 1)
    os.dup2(written.fileno(), 2)
    if terminal:
        _sit_at_terminal(written.fileno())
    encoding, _, errors = environment.get("PYTHONIOENCODING", "utf-8").partition(":")
    buffered = 1 if terminal else -1
    sys.stdout = open(1, "w", buffered, encoding, errors or None, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding, "backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = ["smarterproctoring", *arguments]
    if prepare is not None:
        prepare()
    if "TESTS_NOW" not in environment:
        cli.main()
        return
    moment = datetime.fromisoformat(environment["TESTS_NOW"])
    with patch.object(run_command, "plan_first", partial(_planned_at, moment)):
        cli.main()


def _sit_at_terminal(descriptor: int) -> None:
    """Begin a session, as a terminal's window does: to close the window is to hang up on it."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup lets the tests ignore
    os.dup2(descriptor, 0)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - multiprocessing gives /dev/null


def _planned_at(
    moment: datetime, path: Path, options: InputOptions, limit: int | None, now: datetime | None = None
) -> Plan:
    """Check a list as if it were another moment."""
    return plan_first(path, options, limit, now or moment)


class Process:
    """The command line in a process of its own, with the interface of `subprocess.Popen` as far as it is needed.

    Args:
        arguments: What follows the program's name.
        environment: All its variables.
        folder: Where it runs.
        terminal: One to read from and to write to; without it, `wait` returns what was written.
        prepare: Called in the process before the command is.
    """

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        folder: Path,
        *,
        terminal: Connection | None = None,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        descriptor, name = tempfile.mkstemp(prefix="output-", dir=folder)
        self._output = Path(name)
        with Connection(descriptor) as output:
            written = terminal or output
            given = (arguments, environment, folder, written, terminal is not None, prepare)
            self._process = _CONTEXT.Process(target=_command_line, args=given)
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

    def printed(self) -> str:
        """Return what was printed by now; nothing if there is a terminal."""
        return self._output.read_text()

    def wait(self) -> str:
        """Wait for the end; return all that was printed. The limit is only there to end a test that hangs."""
        self._process.join(300)
        assert self.poll() is not None, f"still running:\n{self.printed()}"
        return self.printed()
