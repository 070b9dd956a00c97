"""Other processes of this machine that send for a run, so that it uses more than one processor.

A helper works on the run's embedded journal as a host works on a fleet's. It inherits the run's lock, so that nobody
else gets the journal before all of them have ended. It hears from the run alone, by its standard input: a job to work
on, then to finish; and the end of the input ends it at once, whatever it is doing.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Self

POSSIBLE = sys.platform != "win32"
"""Whether a lock can be inherited here."""
ENOUGH_ROWS = 5000
"""Rows from which a run without a limit gets a helper by itself: it costs a second of processor to start."""


def processes_for(rate: float | None, rows: int) -> int:
    """Choose how many processes send: two where one processor is the limit and there are more."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 2 if POSSIBLE and rate is None and rows >= ENOUGH_ROWS and processors > 1 else 1


class Helpers:
    """The helpers of a run. Use it in a `with` block: at its end they are ended.

    They load what they need as soon as they are started, and wait for the job.

    Args:
        number: How many; may be none.
        command: What starts one.
        lock: The descriptor of the run's lock.
    """

    def __init__(self, number: int = 0, command: Sequence[str] = (), lock: int | None = None) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        self._told = ""
        if not number:
            return
        # They inherit that these are blocked: Ctrl-C, or a stop of all processes, is for the run, which tells them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            for _ in range(number):
                process = subprocess.Popen(  # noqa: S603 - the command is this program's own
                    command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                    pass_fds=[] if lock is None else [lock],
                )  # fmt: skip
                self._processes.append(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __len__(self) -> int:
        return len(self._processes)

    def tell(self, text: str) -> None:
        """Let them work on a job, by its name, and later `stop`: finish what is under way, and hand on the rest."""
        if text != self._told:
            self._told = text
            for process in self._processes:
                with contextlib.suppress(BrokenPipeError):
                    print(text, file=process.stdin, flush=True)

    def working(self) -> bool:
        """Tell whether any is alive."""
        return any(process.poll() is None for process in self._processes)

    def lost(self) -> list[int]:
        """Return the exit codes of those that have failed, and forget them."""
        lost = [process for process in self._processes if process.poll()]
        self._processes = [process for process in self._processes if process not in lost]
        return [process.returncode for process in lost]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


def follow() -> queue.SimpleQueue[str]:
    """In a helper: return where what it is told will come, and end this process as soon as the run has ended."""
    told = queue.SimpleQueue[str]()

    def read() -> None:
        for line in sys.stdin:
            told.put(line.strip())
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return told
