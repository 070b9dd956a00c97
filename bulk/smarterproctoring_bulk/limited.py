"""The first rows of a list, as a plan of their own: for a trial before the whole list."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice, takewhile
from pathlib import Path

import click

from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_bulk.plan import (
    Counts,
    Duplicate,
    Plan,
    SessionDigest,
    digest,
    fingerprint,
    plan,
)
from smarterproctoring_bulk.rows import START, TIMES, InputOptions, Row


def fingerprint_of(path: Path, options: InputOptions, limit: int | None) -> str:
    """Return 32 hexadecimal digits of the bytes of a list, of the options, and of the limit."""
    return _limited(fingerprint(path, options), limit)


def _limited(whole: str, limit: int | None) -> str:
    if limit is None:
        return whole
    said = f"{whole} the first {limit}"
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def plan_first(
    path: Path, options: InputOptions, limit: int | None, now: datetime | None = None
) -> Plan:
    """Read and check a whole list, and plan to send its first rows only.

    Args:
        path: The list.
        options: How to read it.
        limit: How many sessions to send at most; None for all.
        now: The moment that the past ends at; by default the present.

    Raises:
        InputError: The list as a whole cannot be used.
    """
    if limit is None:
        return plan(path, options, now=now)
    return LimitedPlan(path, options, limit, now)


def show_limit(planned: Plan) -> None:
    """Say how much of a list is left out, if not all of it is planned."""
    if isinstance(planned, LimitedPlan):
        click.echo(
            f"--limit: the first {planned.counts.sendable:,} of "
            f"{counted(planned.whole.sendable, 'session')} of "
            f"{counted(planned.whole.rows, 'row')}",
            err=True,
        )


class LimitedPlan(Plan):
    """A list that was read and checked whole, of which the first rows are sent.

    What comes after the last of them is not part of it: neither sent nor reported.
    """

    def __init__(
        self, path: Path, options: InputOptions, limit: int, now: datetime | None
    ) -> None:
        super().__init__(path, options, None, now)
        self.whole = self.counts
        """How many rows of the whole list are what."""
        self.fingerprint = _limited(self.fingerprint, limit)
        self._limit = limit
        self._last = 0
        """The line of the last row that is sent."""
        self._narrow()

    def _narrow(self) -> None:
        sendable = 0
        moments: list[str] = []
        for row in self.rows():
            sendable += 1
            self._last = row.line
            moments += [row.fields[name] for name in TIMES & row.fields.keys()]
            moments = [min(moments), max(moments)] if moments else []
        self.earliest = min(moments, default=None)
        self.latest = max(moments, default=None)
        duplicate = sum(1 for _ in self.duplicates())
        states = [outcome.state for outcome in self.not_sent()]
        conflict = states.count("conflict")
        invalid = states.count("invalid")
        rows = sendable + duplicate + conflict + invalid
        self.counts = Counts(rows, sendable, duplicate, conflict, invalid)

    def rows(self) -> Iterator[Row]:
        """Read the list again, and yield the first rows that can be sent."""
        return islice(super().rows(), self._limit)

    def starts(self) -> Iterator[tuple[str, int]]:
        """Yield each time at which one of the first sessions starts, with their number."""
        starts: Counter[str] = Counter()
        for row in self.rows():
            if START in row.fields:
                starts[row.fields[START]] += 1
        yield from starts.items()

    def digests(self) -> Iterator[SessionDigest]:
        """Yield each of the first sessions, with the digest of its row."""
        for row in self.rows():
            yield SessionDigest(row.sids[2], digest(row))

    def duplicates(self) -> Iterator[Duplicate]:
        """Yield the rows up to the last one that is sent that say what an earlier one says."""
        found = super().duplicates()
        return takewhile(lambda duplicate: duplicate.line <= self._last, found)

    def not_sent(self) -> Iterator[Outcome]:
        """Yield an outcome for each wrong row up to the last one that is sent."""
        found = super().not_sent()
        return takewhile(lambda outcome: outcome.line <= self._last, found)
