"""`bulk status`, `cancel`, `resume`, `report` and `purge`: what is done with a job that is there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click
from smarterproctoring.commands import visible

from smarterproctoring_bulk import exits
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.jobs import Again, Job
from smarterproctoring_bulk.opening import (
    check_service,
    find_journal,
    lock_journal,
    open_client,
    open_journal,
)
from smarterproctoring_bulk.options import (
    ResumeArguments,
    check_reports,
    client_options,
    journal_option,
    report_option,
)
from smarterproctoring_bulk.outcomes import STATES
from smarterproctoring_bulk.outputs import Output, check_outputs, journal_files
from smarterproctoring_bulk.pacing import described_rate
from smarterproctoring_bulk.work import work, write_reports

if TYPE_CHECKING:
    from smarterproctoring_bulk.engine import Journal


class Facts(TypedDict):
    """What `status --json` prints of a job."""

    job: str
    state: str
    reason: str
    source: str
    service: str
    version: str
    submitted: str
    rate: str
    lanes: int
    rows: dict[str, int]
    maybe_applied: int
    under_way: int
    attempts: int


@click.command()
@click.argument("job", required=False)
@journal_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(job: str | None, journal: str | None, as_json: bool) -> None:
    """Show all jobs of the journal, or one."""
    with open_journal(find_journal(journal)) as opened:
        jobs = [opened.job(job)] if job else opened.jobs()
        facts = [facts_of(opened, each) for each in jobs]
        if as_json:
            click.echo(json.dumps(facts))
            return
        click.echo(f"journal: {opened.place.shown}")
        for fact in facts:
            _show(fact)
        if not facts:
            click.echo("no jobs")


def _show(fact: Facts) -> None:
    click.echo()
    click.echo(
        visible(
            f"{fact['job']}  {fact['state']}  {fact['source']}  for {fact['service']}"
        )
    )
    click.echo(
        f"  submitted {fact['submitted']} by version {fact['version']}, "
        f"{fact['rate']}, {fact['lanes']} lanes"
    )
    for state, count in fact["rows"].items():
        click.echo(f"  {count:>10,} {state}")
    if fact["maybe_applied"]:
        click.secho(
            f"  {fact['maybe_applied']:>10,} of them may have been applied", fg="yellow"
        )
    if fact["under_way"]:
        click.echo(
            f"  {fact['under_way']:>10,} of them at most are being sent now by a process "
            "that runs"
        )


def facts_of(journal: Journal, job: Job) -> Facts:
    """Return what `status` shows of a job."""
    tally = journal.tally(job)
    rows: dict[str, int] = {
        state: tally.counts[state] for state in STATES if tally.counts.get(state)
    }
    left = job.total - tally.settled
    if left:
        rows["not settled yet"] = left
    state = "done" if journal.done(job) else "open"
    if job.paused and left:
        state = f"paused ({job.paused})"
    if not job.submitted:
        state = "not submitted whole: run the same command again"
    return {
        "job": job.id,
        "state": state,
        "reason": job.detail,
        "source": job.source,
        "service": job.base_url,
        "version": job.client,
        "submitted": f"{datetime.fromtimestamp(job.created, UTC):%Y-%m-%d %H:%M} UTC",
        "rate": described_rate(job.rate),
        "lanes": job.lanes,
        "rows": rows,
        "maybe_applied": tally.maybe_applied + tally.in_doubt,
        "under_way": tally.under_way,
        "attempts": tally.attempts,
    }


@click.command()
@click.argument("job")
@journal_option
def cancel(job: str, journal: str | None) -> None:
    """Begin no more rows of a job. What is under way is finished; `resume` goes on."""
    with open_journal(find_journal(journal)) as opened:
        found = opened.job(job)
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
    again: frozenset[Again] = frozenset({"gave-up"} if arguments["again"] else ())
    if no_wait:
        with open_journal(place) as journal:
            found = journal.job(job)
            journal.unpause(found)
            count = journal.try_again(found, again)
            click.echo(
                f"job {found.id} goes on; {count} rows that gave up earlier", err=True
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
    with open_journal(place) as opened:
        write_reports(opened, opened.job(job), files)


@click.command()
@click.argument("job")
@journal_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(job: str, journal: str | None, yes: bool) -> None:
    """Delete all that the journal knows of a job: its rows hold personal data."""
    place = find_journal(journal)
    with lock_journal(place, f"bulk purge {job}"), open_journal(place) as opened:
        found = opened.job(job)
        left = found.total - opened.tally(found).settled
        if not yes:
            question = f"delete job {found.id} ({found.source}), {left:,} rows of it not settled?"
            if not click.confirm(visible(question)):
                click.echo("nothing was deleted", err=True)
                return
        opened.purge(found)
        click.echo(f"job {found.id} is deleted", err=True)
        if place.path is None:
            click.echo(
                "its rows stay in the pages of Postgres's tables until a vacuum reuses "
                "them, and in its write-ahead log and backups as long as you keep those",
                err=True,
            )
