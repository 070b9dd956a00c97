"""`bulk run` and `bulk submit`: from a list to a job."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Unpack

import click
from smarterproctoring import AsyncSmarterProctoring
from smarterproctoring.commands import visible

from smarterproctoring_bulk import exits, pacing, preview
from smarterproctoring_bulk.compare import Comparison
from smarterproctoring_bulk.confirm import Move, confirm, require_answer
from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.jobs import Job, JobOptions, largest_chunk, next_id
from smarterproctoring_bulk.journal import Place
from smarterproctoring_bulk.left import LeftRows
from smarterproctoring_bulk.limited import fingerprint_of, plan_first, show_limit
from smarterproctoring_bulk.local_times import Clock
from smarterproctoring_bulk.opening import (
    find_journal,
    lock_journal,
    measure,
    open_client,
    open_journal,
    read_journal,
    service_of,
    with_defaults,
)
from smarterproctoring_bulk.options import (
    LEASE,
    RunArguments,
    SubmitArguments,
    client_options,
    input_of,
    input_options,
    job_options,
    job_options_of,
    journal_option,
    rate_of,
    report_option,
)
from smarterproctoring_bulk.outcomes import GOOD
from smarterproctoring_bulk.outputs import Output, check_outputs, journal_files
from smarterproctoring_bulk.plan import Plan
from smarterproctoring_bulk.report import write_problems
from smarterproctoring_bulk.rows import InputError, Row
from smarterproctoring_bulk.work import RESUME, work

if TYPE_CHECKING:
    from smarterproctoring_bulk.engine import Journal, JournalReader

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

    The same command continues a run that was interrupted, and sends rows that gave up
    again. With a Postgres journal, run the same command on a second host to go faster.
    """
    move(file, with_defaults(file, arguments))


def move(file: str, arguments: RunArguments) -> None:
    """Do what `bulk run` does with a list, and end the process with its exit code."""
    place = find_journal(arguments["journal"])
    outputs = [Output("--report", Path(path)) for path in arguments["reports"]]
    outputs += _output("--problems", arguments["problems_file"])
    outputs += _output("--rest", arguments["rest_file"])
    check_outputs(outputs, _kept(file, place, arguments))
    if not arguments["dry_run"]:
        require_answer(yes=arguments["yes"])
    client = open_client(arguments, token=not arguments["dry_run"])
    left = LeftRows(arguments["rest_file"], Path(file), input_of(arguments))
    if arguments["dry_run"]:
        with _planned(file, arguments) as planned:
            left.write_unsendable(planned)
            _show_dry_run(client, planned, place, arguments)
            wrong = planned.counts.invalid + planned.counts.conflict
        sys.exit(exits.NOT_OK if wrong else 0)
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock_journal(place, f"bulk run {Path(file).name}"))
        journal = stack.enter_context(open_journal(place))
        job = _submit(journal, file, client, arguments)
        if job.paused == "cancelled":
            raise Stop(
                f"job {job.id} was cancelled; go on with: {RESUME} {job.id}",
                exits.BAD_INPUT,
            )
        if job.paused:
            journal.unpause(job)
        _retry(journal, job, arguments)
        work(
            journal,
            job.id,
            client,
            arguments["patience"],
            arguments["reports"],
            lambda job: left.write(journal, job),
        )


@click.command(epilog=exits.EPILOG)
@click.argument("file", type=click.Path(dir_okay=False, exists=True))
@input_options
@job_options
@client_options
@journal_option
def submit(file: str, **arguments: Unpack[SubmitArguments]) -> None:
    """Check a list and put it into the journal; `bulk worker` sends it."""
    arguments = with_defaults(file, arguments)
    place = find_journal(arguments["journal"])
    outputs = _output("--problems", arguments["problems_file"])
    check_outputs(outputs, _kept(file, place, arguments))
    require_answer(yes=arguments["yes"])
    client = open_client(arguments, token=False)
    with open_journal(place) as journal:
        job = _submit(journal, file, client, arguments)
        _retry(journal, job, arguments)
        click.echo(job.id)
        click.echo("submitted", err=True)


def _output(option: str, path: str | None) -> list[Output]:
    return [] if path is None else [Output(option, Path(path))]


def _kept(file: str, place: Place, arguments: SubmitArguments) -> dict[str, Path]:
    """Return the files that no output may replace."""
    kept = {"the list itself": Path(file), **journal_files(place.path)}
    if arguments["token_file"]:
        kept["the token file"] = Path(arguments["token_file"])
    return kept


def _retry(journal: Journal, job: Job, arguments: SubmitArguments) -> None:
    """Put rows back into the queue that gave up earlier."""
    again = journal.try_again(job, frozenset(arguments["again"]))
    if again:
        click.echo(f"retrying {counted(again, 'row')} that gave up earlier", err=True)


def _known(
    journal: Journal, file: str, base_url: str, arguments: SubmitArguments
) -> Job | None:
    """Return the job of this list that is to be continued; None for a new one.

    With `--again done` a list that is done is a new job.
    """
    try:
        options = input_of(arguments)
        said = fingerprint_of(Path(file), options, arguments["limit"])
        found = journal.find(said, base_url)
    except OSError:
        return None  # the check of the list says why it cannot be read
    if found is None:
        return None
    sends_again = {"done", "changed"} & set(arguments["again"])
    return None if sends_again and journal.done(found) else found


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
        text = f"{where}: {problem.fix}{kind}"
        click.secho(visible(text), fg="yellow", err=True)
    if problems_file:
        write_problems(problems_file, planned.problems())
        click.echo(f"all problems: {problems_file}", err=True)
    counts = planned.counts
    show_limit(planned)
    parts = [f"{counts.sendable:,} to send"]
    for number, name in (
        (counts.duplicate, "duplicate"),
        (counts.conflict, "conflict"),
        (counts.invalid, "invalid"),
    ):
        if number:
            parts.append(f"{number:,} {name}")
    click.echo(f"{counted(counts.rows, 'row')}: {', '.join(parts)}", err=True)


def _lanes(place: Place, rate: float | None, latency: float, lanes: int | None) -> int:
    """Choose how many chunks run at once."""
    return lanes or pacing.lanes_for(rate, latency, hosts=place.path is None)


def _submit(
    journal: Journal,
    file: str,
    client: AsyncSmarterProctoring,
    arguments: SubmitArguments,
) -> Job:
    """Submit a list, or find the job that it is already."""
    base_url = service_of(client)
    options = job_options_of(arguments)
    taken = {job.id for job in journal.jobs()}
    known = _known(journal, file, base_url, arguments)
    # A list that is continued is checked against the moment it was begun at: a time that
    # has passed since then is not an error of the list.
    begun = None if known is None else datetime.fromtimestamp(known.created, UTC)
    with _planned(file, arguments, begun) as planned:
        if known is None:
            name = next_id(planned.fingerprint, base_url, taken)
            job = _new_job(
                name, journal.place, planned, Path(file).name, base_url, options
            )
        else:
            if known.submitted:
                _show_changed(journal, planned, base_url, known)
                _ask_again(journal, known, planned, arguments)
            job = _continued(journal, known, options)
        if not job.submitted:
            comparison = _show_comparison(journal, planned, job, arguments)
            done = comparison.done.total()
            _ask(planned, job.base_url, comparison.send, done, arguments)
            job = _put_in(journal, planned, job, arguments)
        click.echo(
            f"job {job.id} for {job.base_url}; journal: {journal.place.shown}", err=True
        )
    return job


def _new_job(
    name: str,
    place: Place,
    planned: Plan,
    source: str,
    base_url: str,
    options: JobOptions,
) -> Job:
    rate = rate_of(options)
    latency = (rate and measure(base_url)) or pacing.LATENCY
    lanes = _lanes(place, rate, latency, options.lanes)
    lease = options.lease or LEASE
    return Job(
        id=name,
        fingerprint=planned.fingerprint,
        source=source,
        base_url=base_url,
        counts=planned.counts,
        rate=rate,
        lanes=lanes,
        lease=lease,
        chunk=largest_chunk(rate, lanes, lease),
        window=pacing.window_for(lanes, rate),
        replay=options.replay is not False,
        record_before=options.record_before is True,
        created=planned.checked_at.timestamp(),
    )


def _continued(journal: Journal, known: Job, options: JobOptions) -> Job:
    """Apply the options that were given, and say which ones are kept."""
    job = journal.change(known, options)
    was = pacing.described_rate(known.rate)
    rate = pacing.described_rate(job.rate)
    if options.rate is None:
        rate_said = f"at {rate}; give --rate to change it"
    elif rate != was:
        rate_said = f"at {rate} from now on (it was {was})"
    else:
        rate_said = f"at {rate}"
    click.echo(f"continuing job {job.id} {rate_said}", err=True)
    if job.replay != known.replay or not job.replay:
        kept = " (as it was begun)" if options.replay is None else ""
        replayed = "repeated" if job.replay else "not repeated"
        click.echo(
            f"attempts that may have been applied are {replayed}{kept}", err=True
        )
    return job


def _show_comparison(
    journal: Journal, planned: Plan, job: Job, arguments: SubmitArguments
) -> Comparison:
    """Say which rows are not sent, and why; refuse a list that another job is busy with."""
    comparison = journal.compare(
        planned,
        job.base_url,
        job.id,
        frozenset(arguments["again"]),
        replay=job.replay,
        supersede=arguments["supersede"],
    )
    for line in comparison.lines():
        click.echo(line, err=True)
    if comparison.open:
        raise Stop(_open_elsewhere(journal, dict(comparison.open)), exits.BAD_INPUT)
    return comparison


def _show_changed(journal: Journal, planned: Plan, base_url: str, known: Job) -> None:
    """Say which sessions of a job that is continued another job has changed since."""
    others = [job for job in journal.jobs() if job.service == known.service]
    if len(others) == 1:
        return
    comparison = journal.compare(planned, base_url)
    for line in Comparison(changed=comparison.changed).lines():
        click.echo(line, err=True)


def _ask_again(
    journal: Journal, job: Job, planned: Plan, arguments: SubmitArguments
) -> None:
    """Ask before a job is continued."""
    tally = journal.tally(job)
    done = sum(tally.counts.get(state, 0) for state in GOOD)
    _ask(planned, job.base_url, job.total - tally.settled, done, arguments)


def _ask(
    planned: Plan, base_url: str, sessions: int, done: int, arguments: SubmitArguments
) -> None:
    """Ask before sessions are moved."""
    move = Move(base_url, sessions, done, planned.earliest, planned.latest)
    confirm(move, Clock(arguments["timezone"]), yes=arguments["yes"])


def _put_in(
    journal: Journal, planned: Plan, job: Job, arguments: SubmitArguments
) -> Job:
    from smarterproctoring_bulk.engine import OpenElsewhereError  # noqa: PLC0415 - loads DBOS, a second's work

    try:
        return journal.submit(
            planned,
            job,
            frozenset(arguments["again"]),
            supersede=arguments["supersede"],
        )
    except OpenElsewhereError as error:
        raise Stop(
            _open_elsewhere(journal, error.jobs) or str(error), exits.BAD_INPUT
        ) from None


def _open_elsewhere(journal: JournalReader, jobs: dict[str, int]) -> str:
    """Say which unfinished jobs name sessions of this list, and what can be done."""
    lines: list[str] = []
    for name, count in jobs.items():
        job = journal.job(name)
        lines.append(
            f"job {name} ({job.source}) is not finished and names {count:,} of these "
            f"sessions. Finish it ({RESUME} {name}), or let this list take them over "
            "(--supersede): that job then leaves them alone"
        )
    return "\n".join(lines)


def _show_dry_run(
    client: AsyncSmarterProctoring, planned: Plan, place: Place, arguments: RunArguments
) -> None:
    if not planned.counts.sendable:
        raise Stop("the list has nothing to send", exits.BAD_INPUT)
    clock = Clock(arguments["timezone"])
    click.secho("dry run: nothing was sent", fg="yellow", bold=True)
    known = _show_known(client, planned, place, arguments)
    requests = known.requests
    preview.show_requests(client, known.first, clock)
    preview.show_days(planned, clock)
    if arguments["record_before"]:
        requests *= 2
    preview.show_estimate(requests, _speed(client, place, arguments))


class _ToSend(NamedTuple):
    """What a run would send: how many requests, and the rows of the first ones."""

    requests: int
    first: list[Row]


def _show_known(
    client: AsyncSmarterProctoring, planned: Plan, place: Place, arguments: RunArguments
) -> _ToSend:
    """Say what the journal knows of the sessions; return what would be sent.

    A journal that is not there is not made.
    """
    if place.path is not None and not place.path.exists():
        first = list(islice(planned.rows(), preview.SHOWN))
        return _ToSend(planned.counts.sendable, first)
    again = frozenset(arguments["again"])
    replay = arguments["replay"] is not False
    supersede = arguments["supersede"]
    with read_journal(place) as journal:
        base_url = service_of(client)
        known = journal.find(planned.fingerprint, base_url)
        own_id = "" if known is None else known.id
        comparison = journal.compare(
            planned, base_url, "", again, replay=replay, supersede=supersede
        )
        for line in comparison.lines():
            click.echo(line)
        others = dict(comparison.open)
        own = others.pop(own_id, 0)
        if others:
            click.echo(f"a run would be refused: {_open_elsewhere(journal, others)}")
        to_send = journal.to_send(
            planned, base_url, own_id, again, replay=replay, supersede=supersede
        )
        first = list(islice(to_send, preview.SHOWN))
    return _ToSend(comparison.send + own, first)


def _speed(
    client: AsyncSmarterProctoring, place: Place, arguments: RunArguments
) -> preview.Speed:
    options = job_options_of(arguments)
    rate = rate_of(options)
    measured = measure(service_of(client))
    latency = measured or pacing.LATENCY
    lanes = _lanes(place, rate, latency, options.lanes)
    return preview.Speed(
        latency=latency,
        measured=measured is not None,
        rate=rate,
        lanes=lanes,
        flying=min(lanes * pacing.window_for(lanes, rate) / 2, pacing.MAX_FLYING),
    )
