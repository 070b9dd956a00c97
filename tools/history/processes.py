"""Processes of the command line, forked from one that has imported bulk already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

from history import jumping
from history.facts import Pause

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDAwMDAwMDB9.aGlzdG9yeS1jaGVjaw"  # noqa: S105 - the mock server's


@cache
def _nursery() -> ForkServerContext:
    """Return what forks the processes; it finds this package by PYTHONPATH alone."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["history.preloaded", "__main__"])
    return context


def _command_line(
    words: list[str], environment: dict[str, str], folder: str, output: str, clock: str
) -> None:
    """Be the command line: the target of a forked process."""
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(written, 1)
    os.dup2(written, 2)
    jumping.CLOCK.follow(Path(clock))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["smarterproctoring", *words]
    from smarterproctoring import cli  # noqa: PLC0415 - after the clock

    Path(f"{output}.ready").touch()
    cli.main()


@dataclass
class Host:
    """A machine: its clock, and where its processes send and keep their journal.

    Attributes:
        folder: Where its processes run.
        clock: The file of its clock's offset.
        url: The service.
        journal: The journal.
    """

    folder: Path
    clock: Path
    url: str
    journal: str

    def jump(self, seconds: float) -> None:
        """Set its clock so many seconds ahead of the time, or behind it."""
        jumping.set_offset(self.clock, seconds)

    def environment(self) -> dict[str, str]:
        """Return the variables of its processes."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SMARTERPROCTORING")
        }
        return {
            **kept,
            "SMARTERPROCTORING_TOKEN": TOKEN,
            "SMARTERPROCTORING_BASE_URL": self.url,
            "SMARTERPROCTORING_BULK_JOURNAL": self.journal,
        }


@dataclass
class Process:
    """A command that runs, or has run.

    Attributes:
        host: Where.
        words: Its arguments.
        rates: As in `Command`.
        began: When it began.
        interruptions: How often it was killed, stopped, or kept from its journal.
        pauses: The times for which it was stopped.
        signals: What it was sent.
    """

    host: Host
    words: Sequence[str]
    rates: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    began: float = 0.0
    interruptions: int = 0
    pauses: list[Pause] = field(default_factory=list[Pause])
    signals: list[signal.Signals] = field(default_factory=list[signal.Signals])

    def __post_init__(self) -> None:
        """Start it."""
        folder = self.host.folder
        descriptor, name = tempfile.mkstemp(prefix="output-", dir=folder)
        os.close(descriptor)
        self._output = Path(name)
        words = ["bulk", *self.words]
        arguments = (
            words,
            self.host.environment(),
            str(folder),
            name,
            str(self.host.clock),
        )
        self._process = _nursery().Process(target=_command_line, args=arguments)
        self.began = time.time()
        self._process.start()

    @property
    def code(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    @property
    def output(self) -> str:
        """Return what it has printed."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs; one that it handles, only once it is bulk."""
        ready = Path(f"{self._output}.ready")
        if number in (signal.SIGINT, signal.SIGTERM):
            while self.code is None and not ready.exists():
                time.sleep(0.02)
        if self.code is None and self._process.pid is not None:
            self.signals.append(number)
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.send(signal.SIGKILL)
        self.wait(60)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; tell whether it came."""
        self._process.join(seconds)
        return self.code is not None
