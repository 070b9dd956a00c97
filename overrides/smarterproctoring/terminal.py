"""Writes to the terminal so that neither its encoding nor the text of a server can do harm."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Generator

import click

from smarterproctoring.harmless import harmless


def visible(text: str) -> str:
    """Return text of one line in which control characters and invisible ones are written as escapes.

    An answer of a server could otherwise move the cursor, fake lines, or turn the direction of the text.
    """
    return harmless(text)


def prepare() -> None:
    """Make the standard streams write any text: characters that their encoding lacks become escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def colors() -> bool | None:
    """Return whether to write colors: False if NO_COLOR is set, else None, which leaves it to the terminal."""
    return False if os.environ.get("NO_COLOR") else None


def echo(
    line: str = "", *, err: bool = False, color: str | None = None, bold: bool = False
) -> None:
    """Write one line.

    Args:
        line: Control characters in it, line ends included, are made visible.
        err: Whether to write to standard error.
        color: The name of a color; used on terminals only, and not where NO_COLOR is set.
        bold: Whether to write it bold, likewise.
    """
    _write(
        click.style(visible(line), fg=color, bold=bold)
        if color or bold
        else visible(line),
        err=err,
    )


def echo_json(value: object) -> None:
    """Write one JSON value in ASCII, on one line."""
    _write(json.dumps(value).replace("\x7f", "\\u007f"), err=False)


def _write(text: str, *, err: bool) -> None:
    stream = sys.stderr if err else sys.stdout
    try:
        click.echo(text, file=stream, color=colors())
    except OSError as error:
        _drop(stream)
        # A closed pipe, as of `head`, is not an error. Anything else is reported.
        if error.errno != errno.EPIPE and not err:
            echo(f"the output cannot be written: {error.strerror}", err=True)


def _drop(stream: object) -> None:
    """Discard what is left for a stream that cannot be written, so that the exit code stays the command's own."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        descriptor = stream.fileno()  # type: ignore[attr-defined]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


@contextlib.contextmanager
def uninterrupted() -> Generator[None]:
    """Ignore Ctrl-C for as long as the `with` block lasts: what a first one did is being printed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
