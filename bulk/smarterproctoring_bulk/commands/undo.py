"""`bulk undo`: moves back what a job has moved."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast

import click
from smarterproctoring import AsyncSmarterProctoring

from smarterproctoring_bulk import exits
from smarterproctoring_bulk.commands.run import move
from smarterproctoring_bulk.commands.sessions import read_sessions, show_lines
from smarterproctoring_bulk.confirm import require_answer
from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.doubts import Applied
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
    JobArguments,
    ReportArguments,
    RunArguments,
    WorkArguments,
    client_options,
    job_options,
    journal_option,
    read_rate_of,
    report_option,
)
from smarterproctoring_bulk.outputs import Output, check_outputs, journal_files
from smarterproctoring_bulk.reading import (
    MOVED,
    NAMES,
    SIDS,
    Seen,
    check_of,
    described,
    why_unknown,
)
from smarterproctoring_bulk.work import SETTLE

if TYPE_CHECKING:
    from smarterproctoring_bulk.engine import Journal


class UndoArguments(JobArguments, WorkArguments, ReportArguments):
    """The options of `bulk undo`."""

    dry_run: bool


@click.command(epilog=exits.EPILOG)
@click.argument("job")
@job_options
@client_options
@journal_option
@report_option
@click.option("--dry-run", is_flag=True, help="Show what would be moved back.")
def undo(job: str, **arguments: Unpack[UndoArguments]) -> None:
    """Move the sessions that a job has moved back to the times that they had before.

    The job needs `--record-before`. The sessions are read first: one that somebody moved
    since is left alone, and named. The start and the end that the job changed are moved
    back, and no other field. It is a job of its own, which can be undone, too.
    """
    place = find_journal(arguments["journal"])
    check_job(place, job)
    if not arguments["dry_run"]:
        require_answer(yes=arguments["yes"])
    reports = [Output("--report", Path(path)) for path in arguments["reports"]]
    check_outputs(reports, journal_files(place.path))
    client = open_client(arguments)
    with lock_journal(place, f"bulk undo {job}"), open_journal(place) as journal:
        found = journal.job(job).check()
        check_service(found, client)
        rate = read_rate_of(arguments["rate"], found.rate)
        undoing = Undoing(journal, found)
        asyncio.run(undoing.look(client, rate))
        tally = journal.tally(found)
    undoing.show()
    doubtful = tally.maybe_applied + tally.in_doubt
    if doubtful:
        click.secho(
            f"{counted(doubtful, 'row')} of job {found.id} may have been applied: not among "
            f"these, so read back first: {SETTLE} {found.id}",
            fg="yellow",
            err=True,
        )
    if not undoing.back:
        raise Stop(f"job {found.id} has nothing to move back", exits.BAD_INPUT)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"undo-{found.id}.csv"
        undoing.write(path)
        try:
            move(str(path), _run_arguments(arguments))
        except SystemExit as ended:
            code = ended.code or 0
            sys.exit(exits.NOT_OK if undoing.skipped and code == 0 else code)


@dataclass
class Undoing:
    """Finds out which sessions of a job can be moved back.

    Attributes:
        journal: Where the job is.
        job: The job.
        back: By line, a row that can be moved back, with its former times.
        skipped: By line, why a row is left alone.
    """

    journal: Journal
    job: Job
    back: dict[int, Applied] = field(default_factory=dict[int, Applied])
    skipped: dict[int, str] = field(default_factory=dict[int, str])

    async def look(self, client: AsyncSmarterProctoring, rate: float | None) -> None:
        """Read the sessions of all rows whose former times are known.

        Raises:
            Stop: The token is refused, or the service does not answer.
        """
        candidates = self._candidates()

        def take(seen: Seen) -> None:
            self._take(candidates[seen.line], seen)

        rows = [applied.row for applied in candidates.values()]
        await read_sessions(client, rate, rows, len(rows), take)

    def _candidates(self) -> dict[int, Applied]:
        """Return the rows whose former times are known, and that no job has changed since."""
        applied = list(self.journal.applied(self.job))
        later = self.journal.later_job(self.job, [each.row for each in applied])
        found: dict[int, Applied] = {}
        for each in applied:
            line = each.row.line
            name = later.get(each.row.sids[2])
            if name is not None:
                self.skipped[line] = f"job {name} has this session since"
            elif not former_times(each):
                self.skipped[line] = "its former times are not known"
            else:
                found[line] = each
        return found

    def _take(self, applied: Applied, seen: Seen) -> None:
        check = check_of(applied.row, seen)
        if check.verdict == "as_asked":
            self.back[seen.line] = applied
        elif check.verdict == "different":
            said = "; ".join(map(described, check.differences))
            self.skipped[seen.line] = f"changed since: {said}"
        else:
            self.skipped[seen.line] = f"unknown: {why_unknown(seen)}"

    def show(self) -> None:
        """Say which rows are left alone, and why."""
        lines = sorted(self.skipped.items())
        show_lines([f"line {line}: left alone: {text}" for line, text in lines])
        click.echo(
            f"{counted(len(self.back), 'session')} can be moved back, "
            f"{len(self.skipped):,} left alone",
            err=True,
        )

    def write(self, path: Path) -> None:
        """Write the list that moves the sessions back."""
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow([*SIDS, *(NAMES[keyword] for keyword in MOVED)])
            for _, applied in sorted(self.back.items()):
                former = former_times(applied)
                times = [former.get(keyword, "") for keyword in MOVED]
                writer.writerow([*applied.row.sids, *times])


def former_times(applied: Applied) -> dict[str, str]:
    """Return what the times that a row changed were before, by keyword.

    Returns:
        All of them; empty if one is not known, or if the row changed none.
    """
    before = cast("dict[str, str]", json.loads(applied.before or "{}"))
    changed = [keyword for keyword in MOVED if keyword in applied.row.fields]
    if not before.keys() >= {*changed}:
        return {}
    return {keyword: before[keyword] for keyword in changed}


def _run_arguments(arguments: UndoArguments) -> RunArguments:
    """Return the arguments with which `bulk run` moves the sessions back."""
    return {
        **arguments,
        "again": tuple({*arguments["again"], "changed"}),
        "record_before": arguments["record_before"] is not False,
        "rest_file": None,
        "mapped": (),
        "timezone": None,
        "timezone_column": None,
        "install_sid": None,
        "day_first": None,
        "allow_past": True,
        "allow_far": True,
        "allow_long": True,
        "shift": None,
        "sets": (),
        "common": (),
        "delimiter": None,
        "encoding": None,
        "file_format": "csv",
        "sheet": None,
        "empty": (),
        "ignore_unknown": False,
    }
