"""What happens in a command's process at a known point of its work: the `prepare` of a process."""

from __future__ import annotations

import io
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from unittest.mock import patch

from smarterproctoring import AsyncSmarterProctoring, RateLimitError
from smarterproctoring_bulk import jobs, send
from smarterproctoring_bulk.engine import worker
from smarterproctoring_bulk.engine.store import Store
from smarterproctoring_bulk.rows import Row

Action = Callable[[], object]


def at_move(number: int, action: Action) -> None:
    """Do something when the command begins to send its nth change."""
    moves = itertools.count(1)
    move = send.move

    async def counted(client: AsyncSmarterProctoring, row: Row) -> send.Answer:
        if next(moves) == number:
            action()
        return await move(client, row)

    patch.dict(send.ACTIONS, move=counted).start()


def at_chunk(number: int, action: Action) -> None:
    """Do something when the command puts the nth chunk of a list into the journal."""
    chunks = itertools.count(1)
    add = Store.add_chunk

    def counted(store: Store, *arguments: Any) -> None:
        if next(chunks) == number:
            action()
        add(store, *arguments)

    patch.object(Store, "add_chunk", counted).start()


def with_short_turns_and_notes(file: Path) -> None:
    """Let a lane's turn be 0.4 s long, and no attempt and no worker be late; and write down the calls."""
    note_calls(file)
    patch.object(worker, "turn", lambda _: 0.4).start()
    patch.object(worker, "attempt_limit", lambda _: 600.0).start()
    patch.object(worker, "time_limit", lambda _: 600.0).start()
    patch.object(jobs, "time_limit", lambda _: 600.0).start()


def with_quick_retries() -> None:
    """Let rows that failed be sent again after hundredths of a second instead of seconds."""
    patch.object(send, "BACKOFF_BASE", 0.01).start()


def note_calls(file: Path) -> None:
    """Write down when the command begins a call, and when it is told to wait.

    That is by its own clock: the server may be late.
    """
    written = file.open("w", buffering=1)
    for name in ("reschedule", "get_session"):
        patch.object(AsyncSmarterProctoring, name, _with_notes(getattr(AsyncSmarterProctoring, name), written)).start()


def _with_notes(call: Callable[..., Any], written: TextIO) -> Callable[..., Any]:
    async def noted(*arguments: Any, **fields: Any) -> Any:
        written.write(f"begun {time.monotonic()!r}\n")
        try:
            return await call(*arguments, **fields)
        except RateLimitError:
            written.write(f"limited {time.monotonic()!r}\n")
            raise

    return noted


def read_notes(file: Path, what: str = "begun") -> list[float]:
    """Return the moments that `note_calls` wrote down, in seconds of no particular beginning."""
    lines = [line.split() for line in file.read_text().splitlines()]
    return [float(moment) for kind, moment in lines if kind == what]


def interrupted_while_it_writes(times: int = 1) -> None:
    """Press Ctrl-C within a write to the terminal, as when the terminal takes nothing more at that moment."""
    raw = _Interrupting(times)
    at_move(5, raw.arm)
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True)


class _Interrupting(io.RawIOBase):
    """Standard error, as if it were a terminal; a write is interrupted once it is armed."""

    armed = False

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def arm(self) -> None:
        self.armed = True

    def isatty(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.armed:
            self.armed = False
            for _ in range(self._times):
                signal.raise_signal(signal.SIGINT)
        return os.write(2, data)


def send_to_itself(number: signal.Signals) -> Action:
    """Let the process get a signal, as from somebody else."""
    return partial(_send_to_itself, number)


def _send_to_itself(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def interrupted_at_move(number: int) -> Action:
    """Press Ctrl-C when the command begins to send its nth change."""
    return partial(at_move, number, send_to_itself(signal.SIGINT))
