"""Asks a person before sessions are moved."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import click
from smarterproctoring.commands import visible

from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.exits import BAD_INPUT, Stop
from smarterproctoring_bulk.local_times import Clock


@dataclass(frozen=True, slots=True)
class Move:
    """What a person is asked about.

    Attributes:
        base_url: The service.
        sessions: How many sessions are to be moved.
        done: How many of the list are done already.
        earliest: The earliest time of the list in the wire form; None if it has none.
        latest: The latest.
    """

    base_url: str
    sessions: int
    done: int
    earliest: str | None
    latest: str | None


def require_answer(*, yes: bool, what: str = "sessions are moved") -> None:
    """Refuse to go on where nobody can be asked, before anything is done.

    Args:
        yes: Whether `--yes` was given.
        what: What is done after the answer.

    Raises:
        Stop: There is no terminal, and `--yes` was not given.
    """
    if yes or _at_terminal():
        return
    raise Stop(
        f"{what} only after a confirmation, and this is not a terminal: add --yes",
        BAD_INPUT,
    )


def _at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def confirm(move: Move, clock: Clock, *, yes: bool) -> None:
    """Ask whether to move the sessions.

    Args:
        move: What is to be done.
        clock: By which times are shown.
        yes: Whether `--yes` was given; then nobody is asked.

    Raises:
        Stop: The answer is no.
    """
    if yes or not move.sessions:
        return
    click.echo(visible(question(move, clock)), err=True)
    if not click.confirm("Move them?", err=True):
        raise Stop("nothing was sent", BAD_INPUT)


def question(move: Move, clock: Clock) -> str:
    """Say what is to be done: where, how many, when, and what is done already."""
    host = urlsplit(move.base_url).netloc
    text = f"{counted(move.sessions, 'session')} on {host}"
    if move.earliest is not None and move.latest is not None:
        first = clock.shown(datetime.fromisoformat(move.earliest))
        last = clock.shown(datetime.fromisoformat(move.latest))
        text += f"; new times from {first} to {last}"
    if move.done:
        text += f"; {counted(move.done, 'more is', 'more are')} already done"
    return text
