"""`bulk run` and `bulk submit`: from a list to a job."""

from __future__ import annotations

import contextlib
import heapq
import sys
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click
from smarterproctoring import AsyncSmarterProctoring
from smarterproctoring.commands import visible

from smarterproctoring_bulk import exits, pacing, preview
from smarterproctoring_bulk.confirm import Move, confirm, require_answer
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.journal import Place
from smarterproctoring_bulk.limited import LimitedPlan, fingerprint_of, plan_first
from smarterproctoring_bulk.local_times import Clock
from smarterproctoring_bulk.opening import (
    find_journal,
    lock_journal,
    measure,
    open_client,
    open_journal,
    service_of,
)
from smarterproctoring_bulk.options import (
    RunArguments,
    SubmitArguments,
    client_options,
    input_of,
    input_options,
    job_options,
    journal_option,
    rate_of,
    report_option,
)
from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_bulk.outputs import Output, check_outputs, journal_files
from smarterproctoring_bulk.plan import Plan
from smarterproctoring_bulk.report import write_problems
from smarterproctoring_bulk.rest import write_rest
from smarterproctoring_bulk.rows import InputError
from smarterproctoring_bulk.tables import signature
from smarterproctoring_bulk.work import RESUME, work

if TYPE_CHECKING:
    from smarterproctoring_bulk.engine import Job, Journal

_SHOWN = 20
"""Problems that are printed; all of them are in the file that --problems names."""


@click.command(epilog=exits.EPILOG)
@click.argument("file", type=click.Path(dir_okay=False, exists=True))
@input_options
@job_options
@client_options
@journal_option
@report_option
@click.option(
    "--rest",
    "rest_file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the rows that are not done at the end, as a list to correct and run.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check the whole list, show the first requests, the days and the estimate.",
)
def run(file: str, **arguments: Unpack[RunArguments]) -> None:
    """Move the sessions of a list: check it, submit it, work on it to the end.

    The same command continues a run that was interrupted, and retries the rows that gave
    up. With a Postgres journal, run the same command on a second host to go faster.
    """
    place = find_journal(arguments["journal"])
    outputs = [
        *(Output("--report", Path(path)) for path in arguments["reports"]),
        *_output("--problems", arguments["problems_file"]),
        *_output("--rest", arguments["rest_file"]),
    ]
    check_outputs(outputs, _kept(file, place, arguments))
    if not arguments["dry_run"]:
        require_answer(yes=arguments["yes"])
    client = open_client(arguments, token=not arguments["dry_run"])
    if arguments["dry_run"]:
        with _planned(file, arguments) as planned:
            _show_dry_run(client, planned, file, arguments)
            wrong = planned.counts.invalid + planned.counts.conflict
        sys.exit(exits.NOT_OK if wrong else 0)
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock_journal(place, f"bulk run {Path(file).name}"))
        journal = stack.enter_context(open_journal(place))
        begun = _begun(journal, file, client, arguments)
        with _planned(file, arguments, begun) as planned:
            job = _submit(journal, planned, file, client, arguments)
        if job.paused == "cancelled":
            raise Stop(
                f"job {job.id} was cancelled; go on with: {RESUME} {job.id}",
                exits.BAD_INPUT,
            )
        if job.paused:
            journal.unpause(job)
        again = journal.try_again(job)
        if again:
            click.echo(f"trying {again} rows again that gave up", err=True)
        finish = _rest_writer(journal, file, arguments)
        work(
            journal, job.id, client, arguments["patience"], arguments["reports"], finish
        )


@click.command(epilog=exits.EPILOG)
@click.argument("file", type=click.Path(dir_okay=False, exists=True))
@input_options
@job_options
@client_options
@journal_option
def submit(file: str, **arguments: Unpack[SubmitArguments]) -> None:
    """Check a list and put it into the journal; `bulk worker` sends it."""
    place = find_journal(arguments["journal"])
    outputs = _output("--problems", arguments["problems_file"])
    check_outputs(outputs, _kept(file, place, arguments))
    require_answer(yes=arguments["yes"])
    client = open_client(arguments, token=False)
    with open_journal(place) as journal:
        begun = _begun(journal, file, client, arguments)
        with _planned(file, arguments, begun) as planned:
            job = _submit(journal, planned, file, client, arguments)
        again = journal.try_again(job)
        click.echo(job.id)
        retried = f"; {again} rows again that gave up" if again else ""
        click.echo(f"submitted{retried}", err=True)


def _output(option: str, path: str | None) -> list[Output]:
    return [] if path is None else [Output(option, Path(path))]


def _kept(file: str, place: Place, arguments: SubmitArguments) -> dict[str, Path]:
    """Return the files that no output may replace."""
    kept = {"the list itself": Path(file), **journal_files(place.path)}
    if arguments["token_file"]:
        kept["the token file"] = Path(arguments["token_file"])
    return kept


def _rest_writer(
    journal: Journal, file: str, arguments: RunArguments
) -> Callable[[Job], None]:
    """Return what writes the rows that are not done, once the run has ended."""
    before = signature(Path(file))

    def write(job: Job) -> None:
        if arguments["rest_file"] is None:
            return
        done = heapq.merge(
            (outcome.line for outcome in journal.outcomes(job) if _is_done(outcome)),
            (duplicate.line for duplicate in journal.duplicates(job)),
        )
        reason: str | None = f"{file} was changed during the run"
        try:
            if signature(Path(file)) == before:
                _write_rest(arguments["rest_file"], file, arguments, done)
                return
        except OSError as error:
            reason = error.strerror
        except InputError as error:
            reason = str(error)
        click.secho(f"--rest was not written: {reason}", fg="red", err=True)

    return write


def _is_done(outcome: Outcome) -> bool:
    return outcome.state == "ok"


def _write_rest(
    path: str, file: str, arguments: SubmitArguments, done: Iterator[int]
) -> None:
    count = write_rest(Path(path), Path(file), input_of(arguments), done)
    click.echo(f"{count:,} rows that are not done: {path}", err=True)


def _begun(
    journal: Journal,
    file: str,
    client: AsyncSmarterProctoring,
    arguments: SubmitArguments,
) -> datetime | None:
    """Return when the job of this list was begun; None if it is new.

    A list that is continued is checked against that moment: a time that has passed since
    then is not an error of the list, and the journal holds its rows as they were cut then.
    """
    from smarterproctoring_bulk import engine  # noqa: PLC0415 - loads DBOS, a second's work

    try:
        known = journal.find(
            engine.job_id(
                fingerprint_of(Path(file), input_of(arguments), arguments["limit"]),
                service_of(client),
            )
        )
    except OSError:
        return None  # the check of the list says why it cannot be read
    return None if known is None else datetime.fromtimestamp(known.created, UTC)


@contextlib.contextmanager
def _planned(
    file: str, arguments: SubmitArguments, now: datetime | None = None
) -> Generator[Plan]:
    """Check a list; report all that is wrong with it before anything is sent."""
    try:
        options = input_of(arguments)
        with plan_first(Path(file), options, arguments["limit"], now) as planned:
            _show_plan(planned, arguments["problems_file"])
            if arguments["strict"] and planned.counts.invalid + planned.counts.conflict:
                raise Stop(
                    "--strict: nothing was sent, because rows are wrong",
                    exits.BAD_INPUT,
                )
            yield planned
    except InputError as error:
        raise Stop(str(error), exits.BAD_INPUT) from None


def _show_plan(planned: Plan, problems_file: str | None) -> None:
    for shown, problem in enumerate(planned.problems()):
        if shown == _SHOWN:
            click.echo("… and more; --problems FILE writes all of them", err=True)
            break
        where = f"line {problem.line}" + (
            f", {problem.column}" if problem.column else ""
        )
        kind = f" ({problem.kind})" if problem.kind else ""
        text = f"{where}: {problem.mend}{kind}"
        click.secho(visible(text), fg="yellow", err=True)
    if problems_file:
        write_problems(problems_file, planned.problems())
        click.echo(f"all problems: {problems_file}", err=True)
    counts = planned.counts
    if isinstance(planned, LimitedPlan):
        click.echo(
            f"--limit: the first {counts.sendable:,} of {planned.whole.sendable:,} "
            f"sessions of {planned.whole.rows:,} rows",
            err=True,
        )
    parts = [f"{counts.sendable:,} to send"]
    for number, name in (
        (counts.duplicate, "duplicate"),
        (counts.conflict, "conflict"),
        (counts.invalid, "invalid"),
    ):
        if number:
            parts.append(f"{number:,} {name}")
    click.echo(f"{counts.rows:,} rows: {', '.join(parts)}", err=True)


def _lanes(place: Place, rate: float | None, latency: float, lanes: int | None) -> int:
    """Choose how many chunks run at once."""
    return lanes or pacing.lanes_for(rate, latency, hosts=place.path is None)


def _submit(
    journal: Journal,
    planned: Plan,
    file: str,
    client: AsyncSmarterProctoring,
    arguments: SubmitArguments,
) -> Job:
    from smarterproctoring_bulk import engine  # noqa: PLC0415 - loads DBOS, a second's work

    base_url = service_of(client)
    rate = rate_of(arguments)
    latency = (rate and measure(base_url)) or pacing.LATENCY
    lanes = _lanes(journal.place, rate, latency, arguments["lanes"])
    job = engine.Job(
        id=engine.job_id(planned.fingerprint, base_url),
        source=Path(file).name,
        base_url=base_url,
        counts=planned.counts,
        rate=rate,
        lanes=lanes,
        lease=arguments["lease"],
        chunk=engine.largest_chunk(rate, lanes, arguments["lease"]),
        replay=not arguments["no_replay"],
        # What a continued list is checked against.
        created=planned.checked_at.timestamp(),
    )
    _ask(journal, planned, job, arguments)
    job = journal.submit(planned, job)
    click.echo(f"job {job.id} for {base_url}; journal: {journal.place.shown}", err=True)
    return job


def _ask(journal: Journal, planned: Plan, job: Job, arguments: SubmitArguments) -> None:
    """Ask before sessions are moved."""
    done = _done(journal, job)
    move = Move(
        base_url=job.base_url,
        sessions=planned.counts.sendable - done,
        done=done,
        earliest=planned.earliest,
        latest=planned.latest,
    )
    confirm(move, Clock(arguments["timezone"]), yes=arguments["yes"])


def _done(journal: Journal, job: Job) -> int:
    """Return how many sessions of a job are moved already."""
    known = journal.find(job.id)
    return 0 if known is None else journal.tally(known).counts.get("ok", 0)


def _show_dry_run(
    client: AsyncSmarterProctoring, planned: Plan, file: str, arguments: RunArguments
) -> None:
    if arguments["rest_file"] is not None:
        sendable = (row.line for row in planned.rows())
        duplicates = (duplicate.line for duplicate in planned.duplicates())
        done = heapq.merge(sendable, duplicates)
        _write_rest(arguments["rest_file"], file, arguments, done)
    if not planned.counts.sendable:
        raise Stop("the list has nothing to send", exits.BAD_INPUT)
    clock = Clock(arguments["timezone"])
    click.secho("dry run: nothing was sent", fg="yellow", bold=True)
    preview.show_requests(client, planned, clock)
    preview.show_days(planned, clock)
    preview.show_estimate(planned.counts.sendable, _speed(client, arguments))


def _speed(client: AsyncSmarterProctoring, arguments: RunArguments) -> preview.Speed:
    rate = rate_of(arguments)
    measured = measure(service_of(client))
    latency = measured or pacing.LATENCY
    place = find_journal(arguments["journal"])
    lanes = _lanes(place, rate, latency, arguments["lanes"])
    return preview.Speed(
        latency=latency,
        measured=measured is not None,
        rate=rate,
        lanes=lanes,
        flying=min(lanes * pacing.window_for(lanes, rate) / 2, pacing.MAX_FLYING),
    )
