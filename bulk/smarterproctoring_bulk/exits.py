"""How a command of bulk ends: its exit codes, and what it prints before."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
from typing import Final, NoReturn

import click
from smarterproctoring.commands import visible

BAD_INPUT: Final = 2
NOT_OK: Final = 5
API_DOWN: Final = 7
MAYBE_APPLIED: Final = 8
AUTH: Final = 9
BUSY: Final = 10
JOURNAL: Final = 11
VERSION: Final = 12
INTERRUPTED: Final = 130

ENDING: Final = frozenset(
    number
    for number in signal.Signals
    if number.name in ("SIGINT", "SIGTERM", "SIGHUP")
)
"""The signals after which a command finishes what is under way and ends."""

EXIT_CODES: Final = {
    0: "done: every row is ok",
    1: "unexpected failure of this program",
    BAD_INPUT: "bad input or settings; nothing was sent",
    NOT_OK: "finished, and some rows are not ok: see the report",
    API_DOWN: "paused: the service does not answer; resume later",
    MAYBE_APPLIED: "some rows that are not ok MAY HAVE BEEN APPLIED: see the report",
    AUTH: "paused: the token is wrong or has expired; resume with a new one",
    BUSY: "another process works on this journal",
    JOURNAL: "the journal cannot be written (disk full?); the same command continues once it can",
    VERSION: "the job was begun by an incompatible version of this package",
    INTERRUPTED: "interrupted; the same command continues",
}
NO_CHANGE_SENT: Final = "interrupted; no change was sent; the same command continues"
EPILOG: Final = "\b\nExit codes:\n" + "\n".join(
    f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items()
)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what is to be said of it."""


def say_when_interrupted(text: str) -> None:
    """From now on, let Ctrl-C and the signals that are like it end the command with a text."""

    def interrupted(_number: int, _frame: object) -> None:
        raise Interrupted(text)

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, interrupted)


class Stop(Exception):  # noqa: N818 - it says how a command ends, not what failed
    """Ends the command with an exit code of the table.

    Args:
        message: What is wrong and how to fix it.
        code: The exit code.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def show(self) -> None:
        """Print the message."""
        click.echo(f"Error: {visible_lines(self.message)}", err=True)


def visible_lines(text: str) -> str:
    """Make control characters visible in text of several lines: a server or a list may be its source."""
    return "\n".join(visible(line) for line in text.split("\n"))


def leave_terminal() -> None:
    """Write nowhere from now on, because the terminal was closed: each write would fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        # A terminal that was closed does not say that it is one.
        if stat.S_ISCHR(os.fstat(stream).st_mode):
            os.dup2(nowhere, stream)
    os.close(nowhere)


def end(text: str, code: int) -> NoReturn:
    """Print why the command ends, and end it."""
    click.secho(visible_lines(text), fg="yellow", err=True)
    sys.exit(code)


def end_now(text: str, code: int) -> NoReturn:
    """End at once: a thread of DBOS that cannot write would hold the process for ever."""
    message = visible_lines(text)
    with contextlib.suppress(OSError):  # the terminal may be gone
        try:
            click.secho(message, fg="red", err=True)
            sys.stderr.flush()
        except RuntimeError:
            # A signal handler calls this, perhaps within a write to the same stream, and
            # Python then refuses another one.
            os.write(2, f"\n{message}\n".encode())
    os._exit(code)
