"""Writes the file of `--rest`: the rows that a run or a dry run leaves, as a list."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.outcomes import GOOD
from smarterproctoring_bulk.plan import Plan
from smarterproctoring_bulk.rest import write_rest
from smarterproctoring_bulk.rows import InputError, InputOptions
from smarterproctoring_bulk.tables import signature

if TYPE_CHECKING:
    from smarterproctoring_bulk.engine import Journal
    from smarterproctoring_bulk.jobs import Job


class LeftRows:
    """The rows of a list that are left.

    Args:
        path: Where to write them; None writes nothing.
        source: The list.
        options: How to read it.
    """

    def __init__(self, path: str | None, source: Path, options: InputOptions) -> None:
        self._path = path
        self._source = source
        self._options = options
        self._before = signature(source)

    def write_unsendable(self, planned: Plan) -> None:
        """Write the rows of a plan that would not be sent."""
        sendable = (row.line for row in planned.rows())
        duplicates = (duplicate.line for duplicate in planned.duplicates())
        self._write(heapq.merge(sendable, duplicates))

    def write(self, journal: Journal, job: Job) -> None:
        """Write the rows whose session is not as the list says, as far as the journal knows."""
        outcomes = journal.outcomes(job)
        good = (outcome.line for outcome in outcomes if outcome.state in GOOD)
        duplicates = (duplicate.line for duplicate in journal.duplicates(job))
        self._write(heapq.merge(good, duplicates))

    def _write(self, done: Iterator[int]) -> None:
        if self._path is None:
            return
        reason: str | None = (
            f"{self._source} was changed during the run; the report has every row, and a run "
            "of the changed list knows which of its rows are done"
        )
        try:
            if signature(self._source) == self._before:
                path = Path(self._path)
                count = write_rest(path, self._source, self._options, done)
                rows = counted(count, "row that is", "rows that are")
                click.echo(f"{rows} not done: {path}", err=True)
                return
        except OSError as error:
            reason = error.strerror
        except InputError as error:
            reason = str(error)
        click.secho(f"--rest was not written: {reason}", fg="red", err=True)
