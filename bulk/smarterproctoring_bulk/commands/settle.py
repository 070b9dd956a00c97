"""`bulk settle`: reads back the rows that may have been applied."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click
from smarterproctoring import AsyncSmarterProctoring

from smarterproctoring_bulk import exits
from smarterproctoring_bulk.commands.sessions import read_sessions, show_lines
from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.doubts import NOT_SO, Doubt
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.jobs import Job
from smarterproctoring_bulk.opening import (
    check_job,
    check_service,
    find_journal,
    lock_journal,
    open_client,
    open_journal,
)
from smarterproctoring_bulk.options import (
    ReportArguments,
    WorkArguments,
    client_options,
    journal_option,
    read_rate_of,
    report_option,
)
from smarterproctoring_bulk.outputs import Output, check_outputs, journal_files
from smarterproctoring_bulk.reading import Seen, check_of, described, why_unknown
from smarterproctoring_bulk.work import RESUME, SETTLE, write_reports

if TYPE_CHECKING:
    from smarterproctoring_bulk.engine import Journal

_TOGETHER: Final = 50
"""Rows that are recorded in one transaction."""


class SettleArguments(WorkArguments, ReportArguments):
    """The options of `bulk settle`."""

    rate: str | None
    reopen: bool


@click.command(epilog=exits.EPILOG)
@click.argument("job")
@client_options
@journal_option
@report_option
@click.option(
    "--rate",
    metavar="RATE",
    help="Limit of the reads: 20/s, 100/min, none.  [default: the job's]",
)
@click.option(
    "--reopen",
    is_flag=True,
    help="Let the next run or resume send the rows that are not so once more.",
)
def settle(job: str, **arguments: Unpack[SettleArguments]) -> None:
    """Read back every row of a job that may have been applied.

    A row whose session is as it asks is ok from then on. Of the others the report says
    what is known. No session is changed. The same command continues.
    """
    place = find_journal(arguments["journal"])
    check_job(place, job)
    reports = [Output("--report", Path(path)) for path in arguments["reports"]]
    check_outputs(reports, journal_files(place.path))
    client = open_client(arguments)
    with lock_journal(place, f"bulk settle {job}"), open_journal(place) as journal:
        found = journal.job(job).check()
        check_service(found, client)
        if arguments["reopen"] and not journal.done(found):
            raise Stop(
                f"job {found.id} is not finished, and --reopen is for jobs that are: "
                f"{RESUME} {found.id}",
                exits.BAD_INPUT,
            )
        journal.begin(found)
        rate = read_rate_of(arguments["rate"], found.rate)
        settling = Settling(journal, found, list(journal.doubts(found)))
        try:
            settling.run(client, rate)
        finally:
            settling.record()
        settling.show()
        if arguments["reopen"]:
            count = journal.reopen(found, settling.different)
            rows = counted(count, "row is", "rows are")
            more = f"; send with: {RESUME} {found.id}" if count else ""
            click.echo(f"{rows} open again{more}", err=True)
        write_reports(journal, found, arguments["reports"])
        tally = journal.tally(found)
        left = tally.maybe_applied + tally.in_doubt
        rows = counted(left, "row")
        click.echo(f"{rows} of job {found.id} may still have been applied")
        if left and not arguments["reopen"]:
            for line in _how_to_go_on(journal, found, settling):
                click.echo(line, err=True)
        at_work = journal.live_chunks(found)
        if at_work:
            chunks = counted(at_work, "chunk of it is", "chunks of it are")
            click.secho(
                f"{chunks} with a worker, and rows that it may have sent are not among "
                f"these. If it has died, its lease is over within {found.lease:g} s, and "
                "the same command settles them then",
                fg="yellow",
                err=True,
            )
    sys.exit(exits.MAYBE_APPLIED if left or at_work else 0)


def _how_to_go_on(journal: Journal, job: Job, settling: Settling) -> Iterator[str]:
    """Say what can be done about rows that may still have been applied."""
    if not journal.done(job):
        yield (
            "the job is not finished, and reads each of them back before it is sent; go on "
            f"with: {RESUME} {job.id}"
        )
    elif settling.different:
        yield (
            "look again in a while, or let those that are not so be sent again: "
            f"{SETTLE} {job.id} --reopen"
        )
    elif settling.lines:
        yield f"read them again with: {SETTLE} {job.id}"
    superseded = journal.store.superseded_in_doubt(job.id)
    if superseded:
        rows = counted(superseded, "row was", "rows were")
        yield (
            f"{rows} taken over by another job, so a read does not show what this job "
            "did; compare the list of that job: smarterproctoring bulk verify"
        )


@dataclass
class Settling:
    """Reads back the rows of one job.

    Attributes:
        journal: Where the job is.
        job: The job.
        doubts: The rows.
        different: Rows whose session is not as they ask.
        lines: What is to be said of rows that are not confirmed.
        confirmed: How many are.
    """

    journal: Journal
    job: Job
    doubts: list[Doubt]
    different: list[Doubt] = field(default_factory=list[Doubt])
    lines: dict[int, str] = field(default_factory=dict[int, str])
    confirmed: int = 0
    _found: list[Doubt] = field(default_factory=list[Doubt])
    _not_so: list[Doubt] = field(default_factory=list[Doubt])

    def run(self, client: AsyncSmarterProctoring, rate: float | None) -> None:
        """Read all sessions.

        Raises:
            Stop: The token is refused, or the service does not answer.
        """
        asyncio.run(self._read(client, rate))

    async def _read(self, client: AsyncSmarterProctoring, rate: float | None) -> None:
        by_line = {doubt.row.line: doubt for doubt in self.doubts}

        def take(seen: Seen) -> None:
            self._take(by_line[seen.line], seen)

        rows = [doubt.row for doubt in self.doubts]
        await read_sessions(client, rate, rows, len(rows), take)

    def _take(self, doubt: Doubt, seen: Seen) -> None:
        check = check_of(doubt.row, seen)
        if check.verdict == "as_asked":
            self._found.append(doubt)
        elif check.verdict == "different":
            said = "; ".join(map(described, check.differences))
            self.lines[seen.line] = f"{NOT_SO}: {said}"
            self.different.append(doubt)
            self._not_so.append(doubt)
        else:
            self.lines[seen.line] = f"unknown: {why_unknown(seen)}"
        if len(self._found) + len(self._not_so) >= _TOGETHER:
            self.record()

    def record(self) -> None:
        """Record what was found since the last time."""
        found = self._found
        not_so = self._not_so
        self._found = []
        self._not_so = []
        if not_so:
            self.journal.note(self.job, not_so)
        if found:
            lines = self.journal.confirm(self.job, found)
            self.confirmed += len(lines)
            for doubt in found:
                if doubt.row.line not in lines:
                    self.lines[doubt.row.line] = (
                        "as asked, and not recorded: another job or a running worker "
                        "has this session"
                    )

    def show(self) -> None:
        """Say what was found."""
        lines = sorted(self.lines.items())
        show_lines([f"line {line}: {text}" for line, text in lines])
        rest = len(self.lines) - len(self.different)
        click.echo(
            f"{counted(len(self.doubts), 'row')} may have been applied: "
            f"{self.confirmed:,} ok, {len(self.different):,} not so when looked, {rest:,} unknown"
        )
