"""`bulk status`: shows the jobs of a journal. Loads neither DBOS nor the client: people wait for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

import click
from smarterproctoring.commands import visible

from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.jobs import Job
from smarterproctoring_bulk.journal import Place
from smarterproctoring_bulk.opening import find_journal, read_journal, summarize_journal
from smarterproctoring_bulk.options import journal_option
from smarterproctoring_bulk.outcomes import STATES
from smarterproctoring_bulk.pacing import described_rate

if TYPE_CHECKING:
    from smarterproctoring_bulk.engine import JournalSummary


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
    place = find_journal(journal)
    facts = _facts(place, job)
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo(f"journal: {place.shown}")
    for fact in facts:
        _show(fact)
    if not facts:
        click.echo("no jobs")


def _facts(place: Place, name: str | None) -> list[Facts]:
    """Return what is shown of one job, or of all."""
    with summarize_journal(place) as summary:
        jobs = [summary.job(name)] if name else summary.jobs()
        if not any(summary.at_work(each) for each in jobs):
            return [facts_of(summary, each) for each in jobs]
    # What a process may have sent since it last recorded something is in its chunks.
    with read_journal(place) as reader:
        jobs = [reader.job(name)] if name else reader.jobs()
        return [facts_of(reader, each) for each in jobs]


def _show(fact: Facts) -> None:
    click.echo()
    click.echo(
        visible(
            f"{fact['job']}  {fact['state']}  {fact['source']}  for {fact['service']}"
        )
    )
    click.echo(
        f"  submitted {fact['submitted']} by version {fact['version']}, "
        f"{fact['rate']}, {counted(fact['lanes'], 'lane')}"
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


def facts_of(journal: JournalSummary, job: Job) -> Facts:
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
