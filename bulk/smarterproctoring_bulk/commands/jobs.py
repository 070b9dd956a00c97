"""`bulk cancel`, `resume`, `report` and `purge`: what is done with a job that is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Unpack

import click
from smarterproctoring.commands import uninterrupted, visible

from smarterproctoring_bulk import exits
from smarterproctoring_bulk.confirm import require_answer
from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.jobs import Again
from smarterproctoring_bulk.opening import (
    check_job,
    check_service,
    find_journal,
    lock_journal,
    open_client,
    open_journal,
    read_journal,
)
from smarterproctoring_bulk.options import (
    ResumeArguments,
    check_reports,
    client_options,
    journal_option,
    report_option,
)
from smarterproctoring_bulk.outputs import Output, check_outputs, journal_files
from smarterproctoring_bulk.work import work, write_reports


@click.command()
@click.argument("job")
@journal_option
def cancel(job: str, journal: str | None) -> None:
    """Begin no more rows of a job. What is under way is finished; `resume` goes on."""
    place = find_journal(journal)
    check_job(place, job)
    with open_journal(place) as opened:
        found = opened.job(job)
        if opened.done(found):
            click.echo(f"job {found.id} is done; there is nothing to cancel", err=True)
            return
        opened.pause(found, "cancelled")
        click.echo(f"job {found.id} is cancelled", err=True)


@click.command(epilog=exits.EPILOG)
@click.argument("job")
@client_options
@journal_option
@report_option
@click.option(
    "--again",
    is_flag=True,
    help="Send rows that gave up for good, or may have been applied, once more.",
)
@click.option("--no-wait", is_flag=True, help="Leave the work to running workers.")
def resume(job: str, no_wait: bool, **arguments: Unpack[ResumeArguments]) -> None:
    """Go on with a job that was paused, cancelled or interrupted, and retry rows that gave up."""
    place = find_journal(arguments["journal"])
    check_job(place, job)
    again: frozenset[Again] = frozenset({"gave-up"} if arguments["again"] else ())
    if no_wait:
        with open_journal(place) as journal:
            found = journal.job(job)
            journal.unpause(found)
            count = journal.try_again(found, again)
            click.echo(
                f"job {found.id} goes on; {counted(count, 'row')} that gave up earlier",
                err=True,
            )
        return
    reports = [Output("--report", Path(path)) for path in arguments["reports"]]
    check_outputs(reports, journal_files(place.path))
    client = open_client(arguments)
    with lock_journal(place, f"bulk resume {job}"), open_journal(place) as journal:
        found = journal.job(job).check()
        if not found.submitted:
            raise Stop(
                f"the list of job {found.id} is not in the journal whole: "
                "run `bulk run` with it again",
                exits.BAD_INPUT,
            )
        check_service(found, client)
        journal.unpause(found)
        journal.try_again(found, again)
        work(journal, found.id, client, arguments["patience"], arguments["reports"])


@click.command()
@click.argument("job")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(dir_okay=False),
    callback=check_reports,
)
@journal_option
def report(job: str, files: tuple[str, ...], journal: str | None) -> None:
    """Write reports of a job as far as it is: .csv, .jsonl or .html."""
    place = find_journal(journal)
    reports = [Output("the report", Path(path)) for path in files]
    check_outputs(reports, journal_files(place.path))
    with read_journal(place) as opened:
        found = opened.job(job)
        write_reports(opened, found, files)
    if not found.submitted:
        sys.exit(exits.BAD_INPUT)


@click.command()
@click.argument("job")
@journal_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(job: str, journal: str | None, yes: bool) -> None:
    """Delete all that the journal knows of a job: its rows hold personal data."""
    place = find_journal(journal)
    check_job(place, job)
    require_answer(yes=yes, what="a job is deleted")
    with lock_journal(place, f"bulk purge {job}"), open_journal(place) as opened:
        found = opened.job(job)
        left = found.total - opened.tally(found).settled
        if not yes:
            question = f"delete job {found.id} ({found.source}), {counted(left, 'row')} of it not settled?"
            if not click.confirm(visible(question)):
                click.echo("nothing was deleted", err=True)
                return
        # Half of it deleted, the same command would no longer find the job.
        with uninterrupted():
            opened.purge(found)
        click.echo(f"job {found.id} is deleted", err=True)
        if place.path is None:
            click.echo(
                "its rows stay in the pages of Postgres's tables until a vacuum reuses "
                "them, and in its write-ahead log and backups as long as you keep those",
                err=True,
            )
