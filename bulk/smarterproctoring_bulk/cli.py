"""The command line of bulk: `smarterproctoring bulk …`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import statistics
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click
from smarterproctoring import AsyncSmarterProctoring, ConfigurationError
from smarterproctoring.commands import TokenFile, colors, read_environment, visible

from smarterproctoring_bulk import journal as journals
from smarterproctoring_bulk import pacing
from smarterproctoring_bulk.outcomes import STATES
from smarterproctoring_bulk.plan import Plan, fingerprint, plan
from smarterproctoring_bulk.progress import Progress, progress
from smarterproctoring_bulk.report import Summary, write_html, write_problems, write_report
from smarterproctoring_bulk.rows import InputError, InputOptions

EXIT_CODES = {
    0: "done: every row is ok",
    1: "unexpected failure of this program",
    2: "bad input or settings; nothing was sent",
    5: "finished, and some rows are not ok: see the report",
    7: "paused: the service does not answer; resume later",
    8: "finished, and some rows that are not ok MAY HAVE BEEN APPLIED: see the report",
    9: "paused: the token is wrong or has expired; resume with a new one",
    10: "another process works on this journal",
    11: "the journal cannot be written (disk full?); the same command continues once it can",
    12: "the job was begun by an incompatible version of this package",
    130: "interrupted; the same command continues",
}
_BAD_INPUT, _NOT_OK, _API_DOWN, _MAYBE_APPLIED, _AUTH, _BUSY, _JOURNAL, _VERSION = 2, 5, 7, 8, 9, 10, 11, 12
_INTERRUPTED = 130
_WHY_PAUSED = {
    "auth": ("paused, the token was refused", _AUTH),
    "api": ("paused, the service does not answer", _API_DOWN),
    "settings": ("paused, a setting does not work", _BAD_INPUT),
    "cancelled": ("cancelled by another command", _NOT_OK),
}
_SHOWN = 20
"""Problems that are printed; all of them are in the file that --problems names."""
_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())
_RESUME = "smarterproctoring bulk resume"
_SIDS = (f"AI{'0' * 32}", f"EX{'0' * 32}", f"ES{'0' * 32}")


class _Stop(click.ClickException):
    """Ends the command with a code of the table."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(_visible_lines(message))
        vars(self)["exit_code"] = code


def _visible_lines(text: str) -> str:
    """Make control characters visible in text of several lines: it may hold what a server or a list says."""
    return "\n".join(visible(line) for line in text.split("\n"))


class _Commands(click.Group):
    """Ends with the code of the table wherever it is interrupted."""

    def invoke(self, ctx: click.Context) -> Any:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            raise _Stop("interrupted; the same command continues", _INTERRUPTED) from None


@click.group(
    cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
def main() -> None:
    """Move many exam sessions from one list, so that none is lost.

    Every row ends in exactly one outcome: ok, rejected (by the API), conflict or invalid (not sent), or gave_up (a
    re-run tries it again). What was done is in a journal: the same command continues where it stopped.
    """


# -- options ----------------------------------------------------------------------------------------------------------


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_journal_option = click.option(
    "--journal", metavar="FILE|URL",
    help=f"The journal: a file, or postgresql://…  [default: ${journals.VARIABLE}, or {journals.default_path()}]",
)  # fmt: skip
_input_options = _options(
    click.option("--map", "mapped", multiple=True, metavar="COLUMN=NAME", help="What a column of the list means."),
    click.option("--timezone", help="IANA zone of times that name none, for instance America/New_York."),
    click.option("--timezone-column", help="The column that holds each row's zone."),
    click.option("--day-first/--month-first", default=None, help="How to read 03/04/2030; without it, it is refused."),
    click.option("--allow-past", is_flag=True, help="Accept times in the past."),
    click.option("--allow-far", is_flag=True, help="Accept times more than two years ahead."),
    click.option("--shift", help="Move every time of a row: +2d, -90m, +1d12h."),
    click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Give a column this value in every row."),
    click.option("--common", multiple=True, metavar="NAME=VALUE", help="The value where the list has none."),
    click.option("--delimiter", help="What separates the columns.  [default: found by itself]"),
    click.option("--encoding", help="[default: what the byte order mark says, else UTF-8]"),
    click.option("--format", "file_format", type=click.Choice(["csv", "jsonl", "parquet"])),
    click.option("--ignore-unknown", is_flag=True, help="Ignore columns that mean nothing here."),
)
_job_options = _options(
    click.option("--rate", metavar="RATE", help="Limit over the whole fleet: 20/s, 100/min.  [default: none]"),
    click.option("--lanes", type=click.IntRange(1, 1000), help="Chunks at once over the fleet.  [default: from it]"),
    click.option("--lease", type=click.FloatRange(5, 3600), default=60.0, show_default=True,
                 help="Seconds within which a dead host's work is taken over."),
    click.option("--no-replay", is_flag=True, help="Never repeat an attempt that may have been applied."),
    click.option("--strict", is_flag=True, help="Send nothing if any row is wrong."),
    click.option("--problems", "problems_file", type=click.Path(dir_okay=False), metavar="FILE",
                 help="Write what is wrong with the list as CSV."),
)  # fmt: skip
_client_options = _options(
    click.option("--base-url", help="Where the API is.  [default: $SMARTERPROCTORING_BASE_URL, or production]"),
    click.option("--allow-http", is_flag=True, help="Allow plain http to another machine; it shows the token."),
    click.option("--token-file", help="File of the token; read again for each attempt."),
    click.option("--timeout", type=float, help="Seconds for each phase of an attempt."),
    click.option("--patience", type=click.FloatRange(0), default=300.0, show_default=True,
                 help="Seconds to wait for a service that is down before the job is paused."),
)  # fmt: skip


def _report_paths(_context: click.Context, _option: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a report that could not be written, before hours of work rather than after them."""
    for path in map(Path, paths):
        if path.suffix.lower() not in (".csv", ".jsonl", ".html"):
            raise click.BadParameter(f"{path}: a report ends in .csv, .jsonl or .html")
        if not os.access(path.parent, os.W_OK):
            raise click.BadParameter(f"{path}: the folder {path.parent} is not there, or not for you to write in")
    return paths


_report_option = click.option(
    "--report", "reports", multiple=True, type=click.Path(dir_okay=False), metavar="FILE", callback=_report_paths,
    help="Write a report: .csv, .jsonl or .html; can be repeated.",
)  # fmt: skip


def _pairs(items: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in items]
    if any(not mark for _, mark, _ in pairs):
        raise click.UsageError(f"{option} needs NAME=VALUE")
    return {name.strip(): value for name, _, value in pairs}


def _input(options: dict[str, Any]) -> InputOptions:
    return InputOptions(
        map=_pairs(options["mapped"], "--map"),
        timezone=options["timezone"],
        timezone_column=options["timezone_column"],
        day_first=options["day_first"],
        shift=options["shift"],
        sets=_pairs(options["sets"], "--set"),
        common=_pairs(options["common"], "--common"),
        delimiter=options["delimiter"],
        encoding=options["encoding"],
        format=options["file_format"],
        unknown="ignore" if options["ignore_unknown"] else "refuse",
        allow_past=options["allow_past"],
        allow_far=options["allow_far"],
    )


def _rate(text: str | None) -> float | None:
    try:
        return None if text is None else pacing.read_rate(text)
    except ValueError as error:
        raise click.UsageError(f"--rate: {error}") from None


def _client(options: dict[str, Any], *, dry_run: bool = False) -> AsyncSmarterProctoring:
    settings: dict[str, Any] = {
        name: options[name] for name in ("base_url", "timeout") if options.get(name) is not None
    }
    settings |= {"allow_http": True} if options["allow_http"] else {}
    settings["fast"] = True
    if dry_run:
        settings["token"] = "not-needed-for-a-dry-run"  # noqa: S105 - says what it is
    elif options["token_file"]:
        settings["token"] = TokenFile(options["token_file"], "--token-file")
    try:
        if not dry_run:
            _check_token_file(settings)
        return AsyncSmarterProctoring.from_env(**settings)
    except ConfigurationError as error:
        raise _Stop(error.message, _BAD_INPUT) from None


def _check_token_file(settings: dict[str, Any]) -> None:
    """Read the token file once, so that one that cannot be read is refused before anything is submitted.

    Raises:
        ConfigurationError: It cannot be read, or holds no token.
    """
    source = settings.get("token") or read_environment().values["token"]
    if isinstance(source, TokenFile):
        source()


def _service(client: AsyncSmarterProctoring) -> str:
    """Return the base URL in effect, wherever it was set."""
    url = client.with_options(allow_empty=True).dry_run_reschedule(*_SIDS).url
    return url.partition("/v1/installs/")[0]


def _measure(base_url: str) -> float | None:
    """Measure the seconds of an answer, without a token and without changing anything; None if there is none."""
    seconds: list[float] = []
    for _ in range(3):
        began = time.monotonic()
        request = urllib.request.Request(base_url, method="HEAD")  # noqa: S310 - the client has checked the scheme
        try:
            urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()
        except (OSError, ValueError):
            return None
        seconds.append(time.monotonic() - began)
    # A new connection each time, so about what a write takes on an open one.
    return statistics.median(seconds)


# -- run and submit ---------------------------------------------------------------------------------------------------


@main.command(epilog=_EPILOG)
@click.argument("file", type=click.Path(dir_okay=False, exists=True))
@_input_options
@_job_options
@_client_options
@_journal_option
@_report_option
@click.option("--dry-run", is_flag=True, help="Check the whole list, show the first requests and the estimate.")
def run(file: str, **options: Any) -> None:
    """Move the sessions of a list: check it, submit it, work on it to the end.

    The same command continues a run that was interrupted, and retries the rows that gave up. With a Postgres journal,
    run the same command on a second host to go faster.
    """
    place, client = _place(options), _client(options, dry_run=options["dry_run"])
    if options["dry_run"]:
        with _planned(file, options) as planned:
            _show_dry_run(client, planned, options)
        return
    with _lock(place, f"bulk run {Path(file).name}"), contextlib.ExitStack() as stack:
        journal = stack.enter_context(_journal(place))
        with _planned(file, options, _begun(journal, file, client, options)) as planned:
            job = _submit(journal, planned, file, client, options)
        if job.paused == "cancelled":
            raise _Stop(f"job {job.id} was cancelled; go on with: {_RESUME} {job.id}", _BAD_INPUT)
        if job.paused:
            journal.unpause(job)
        again = journal.try_again(job)
        if again:
            click.echo(f"trying {again} rows again that gave up", err=True)
        _work(journal, job.id, client, options)


@main.command(epilog=_EPILOG)
@click.argument("file", type=click.Path(dir_okay=False, exists=True))
@_input_options
@_job_options
@_client_options
@_journal_option
def submit(file: str, **options: Any) -> None:
    """Check a list and put it into the journal; `bulk worker` sends it."""
    client = _client(options, dry_run=True)
    with (
        _journal(_place(options)) as journal,
        _planned(file, options, _begun(journal, file, client, options)) as planned,
    ):
        job = _submit(journal, planned, file, client, options)
        again = journal.try_again(job)
        click.echo(job.id)
        click.echo(f"submitted; {again} rows again that gave up" if again else "submitted", err=True)


def _begun(journal: Any, file: str, client: AsyncSmarterProctoring, options: dict[str, Any]) -> datetime | None:
    """Return when the job of this list was begun; None if it is new.

    A list that is continued is checked against that moment: a time that has passed since then is not an error of the
    list, and the journal holds its rows as they were cut then.
    """
    from smarterproctoring_bulk import engine  # noqa: PLC0415 - loads DBOS, a second's work

    try:
        known = journal.find(engine.job_id(fingerprint(Path(file), _input(options)), _service(client)))
    except OSError:
        return None  # the check of the list says why it cannot be read
    return None if known is None else datetime.fromtimestamp(known.created, UTC)


@contextlib.contextmanager
def _planned(file: str, options: dict[str, Any], now: datetime | None = None) -> Generator[Plan]:
    """Check a list; report all that is wrong with it before anything is sent."""
    try:
        with plan(file, _input(options), now=now) as planned:
            _show_plan(planned, options)
            if options["strict"] and planned.counts.invalid + planned.counts.conflict:
                raise _Stop("--strict: nothing was sent, because rows are wrong", _BAD_INPUT)
            yield planned
    except InputError as error:
        raise _Stop(str(error), _BAD_INPUT) from None


def _show_plan(planned: Plan, options: dict[str, Any]) -> None:
    counts = planned.counts
    for shown, problem in enumerate(planned.problems()):
        if shown == _SHOWN:
            click.echo("… and more; --problems FILE writes all of them", err=True)
            break
        where = f"line {problem.line}" + (f", {problem.column}" if problem.column else "")
        text = f"{where}: {problem.mend} ({problem.kind})" if problem.kind else f"{where}: {problem.mend}"
        click.secho(visible(text), fg="yellow", err=True)
    if options["problems_file"]:
        write_problems(options["problems_file"], planned.problems())
        click.echo(f"all problems: {options['problems_file']}", err=True)
    parts = [f"{counts.sendable:,} to send"]
    parts += [f"{number:,} {name}" for name, number in list(counts._asdict().items())[2:] if number]
    click.echo(f"{counts.rows:,} rows: {', '.join(parts)}", err=True)


def _lanes(place: journals.Place, rate: float | None, latency: float, options: dict[str, Any]) -> int:
    """Choose how many chunks run at once."""
    asked: int | None = options["lanes"]
    return asked or pacing.lanes_for(rate, latency, hosts=place.path is None)


def _submit(journal: Any, planned: Plan, file: str, client: AsyncSmarterProctoring, options: dict[str, Any]) -> Any:
    from smarterproctoring_bulk import engine  # noqa: PLC0415 - loads DBOS, a second's work

    base_url, rate = _service(client), _rate(options["rate"])
    latency = (rate and _measure(base_url)) or pacing.LATENCY
    lanes = _lanes(journal.place, rate, latency, options)
    job = engine.Job(
        id=engine.job_id(planned.fingerprint, base_url),
        source=Path(file).name,
        base_url=base_url,
        counts=planned.counts,
        rate=rate,
        lanes=lanes,
        lease=options["lease"],
        chunk=engine.largest_chunk(rate, lanes, options["lease"]),
        replay=not options["no_replay"],
        created=planned.checked_at.timestamp(),  # what a continued list is checked against
    )
    job = journal.submit(planned, job)
    click.echo(f"job {job.id} for {base_url}; journal: {journal.place.shown}", err=True)
    return job


def _show_dry_run(client: AsyncSmarterProctoring, planned: Plan, options: dict[str, Any]) -> None:
    if not planned.counts.sendable:
        raise _Stop("the list has nothing to send", _BAD_INPUT)
    click.secho("dry run: nothing was sent", fg="yellow", bold=True)
    for row, _ in zip(planned.rows(), range(3), strict=False):
        fields: Any = row.fields
        request = client.dry_run_reschedule(*row.sids, **fields)
        click.echo(f"\nline {row.line}: {request.method} {request.url}")
        click.echo(_visible_lines(json.dumps(json.loads(request.content), indent=2, ensure_ascii=False)))
    if planned.earliest:
        click.echo(f"\ntimes from {planned.earliest} to {planned.latest}")
    rate, measured = _rate(options["rate"]), _measure(_service(client))
    latency = measured or pacing.LATENCY
    lanes = _lanes(_place(options), rate, latency, options)
    most = min(lanes * pacing.window_for(lanes, rate) / 2, pacing.MAX_FLYING) / latency
    flow = min(most, rate or most)
    known = "measured" if measured else "assumed, since the service does not answer"
    click.echo(f"\n{planned.counts.sendable:,} requests; an answer takes {latency * 1000:.3g} ms ({known})")
    shown = f"{flow:,.0f}/s" if flow >= 100 else f"{flow:.3g}/s"
    bound = shown if flow == rate else f"{shown} at most (one host)"
    click.echo(f"{lanes} lanes, {bound}: about {_duration(planned.counts.sendable / flow)}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


# -- working ----------------------------------------------------------------------------------------------------------


def _work(journal: Any, job_id: str, client: AsyncSmarterProctoring, options: dict[str, Any]) -> NoReturn:
    """Work on one job until it is done or has to stop; end the process with the code for it."""
    job = journal.job(job_id)
    tally = journal.tally(job)
    reason = detail = ""
    if not journal.done(job):
        journal.begin(job)
        try:
            with progress(job.total, tally.settled) as bar:
                reason, detail = asyncio.run(_serve(journal, client, job, tally, bar, options))
        except journals.JournalError as error:
            _die(f"{error}. Free some space; the same command continues", _JOURNAL)
    tally = journal.tally(job)
    _write_reports(journal, job, options.get("reports", ()))
    _show_tally(tally, job.total)
    if reason == "disk":
        _end(f"stopped: {visible(detail)}. Free some space; the same command continues", _JOURNAL)
    if reason == "interrupt":
        _end(f"interrupted; the same command continues, or: {_RESUME} {job.id}", _INTERRUPTED)
    job = journal.job(job_id)
    if job.paused in _WHY_PAUSED:
        why, code = _WHY_PAUSED[job.paused]
        _end(f"{why}: {visible(job.detail)}".rstrip(": ") + f"\ngo on with: {_RESUME} {job.id}", code)
    sys.exit(_finished(tally))


def _finished(tally: Any) -> int:
    if tally.maybe_applied:
        return _MAYBE_APPLIED
    return _NOT_OK if any(count for state, count in tally.counts.items() if state != "ok") else 0


def _end(text: str, code: int) -> NoReturn:
    click.secho(_visible_lines(text), fg="yellow", err=True)
    sys.exit(code)


def _die(text: str, code: int) -> NoReturn:
    """End at once: a thread of DBOS that cannot write would hold the process for ever."""
    click.secho(_visible_lines(text), fg="red", err=True)
    sys.stderr.flush()
    os._exit(code)


def _worker(
    journal: Any,
    client: AsyncSmarterProctoring,
    options: dict[str, Any],
    job: Any = None,
    settled: Callable[[dict[str, int]], object] = lambda _: None,
) -> Any:
    """Make this process a worker, of one job or of all.

    Its loop is to wait little for others in this process. By default the journal's threads may keep the interpreter for
    5 ms, in which the loop could send ten rows, and the collector looks through all that was imported, which takes as
    long as a hundred.
    """
    from smarterproctoring_bulk import engine, send  # noqa: PLC0415 - as above

    sys.setswitchinterval(0.0005)
    gc.freeze()
    gate = send.Gate(client, breaker=pacing.Breaker(patience=options["patience"]))
    return engine.Worker(journal, gate, _service(client), job and job.id, settled)


async def _serve(
    journal: Any, client: AsyncSmarterProctoring, job: Any, tally: Any, bar: Progress, options: dict[str, Any]
) -> tuple[str, str]:
    """Send until the job is done or has to stop; return why it stopped, and more about that."""
    shared = journal.place.path is None
    counts, retries, looked = dict(tally.counts), 0, 0.0

    def settled(more: dict[str, int]) -> None:
        for state, count in more.items():
            counts[state] = counts.get(state, 0) + count
        bar.update(counts, max(gate.retries, retries))

    def look() -> None:
        nonlocal counts, retries, looked
        looked, now = time.monotonic(), journal.tally(job)
        counts, retries = dict(now.counts), now.retries - tally.retries

    worker = _worker(journal, client, options, job, settled)
    gate = worker.gate

    async def ended() -> bool:
        if shared and time.monotonic() - looked > 5:
            await asyncio.to_thread(look)
            settled({})
        return await _over(journal, worker)

    async with client:
        with _interruptible(gate, bar.say):
            await worker.run(ended)
            if gate.stopped in _WHY_PAUSED:
                journal.pause(job, gate.stopped, gate.detail)
    if shared:
        look()
        settled({})
    return gate.stopped, gate.detail


async def _over(journal: Any, worker: Any) -> bool:
    """Tell whether there is nothing to do for a worker of one job: it is done, or paused."""
    job = worker.jobs[worker.only]
    return not worker.lanes and (bool(job.paused) or await asyncio.to_thread(journal.done, job))


@contextlib.contextmanager
def _interruptible(gate: Any, say: Callable[[str], object]) -> Generator[None]:
    """Make the first Ctrl-C (or SIGTERM) finish what is under way, and the second stop now."""
    pressed = False

    def interrupted(*_: object) -> None:
        nonlocal pressed
        if pressed:
            _die("stopped at once; what was under way will be sent again. The same command continues", _INTERRUPTED)
        pressed = True
        say("stopping: finishing what is under way; press Ctrl-C again to stop at once")
        loop.call_soon_threadsafe(gate.stop, "interrupt", "")

    loop = asyncio.get_running_loop()
    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@main.command(epilog=_EPILOG)
@_client_options
@_journal_option
def worker(**options: Any) -> None:
    """Work on all jobs of a journal for this service until Ctrl-C or SIGTERM.

    A job whose token is refused, or whose service does not answer, is paused; the worker goes on with the others.
    """
    client, place = _client(options), _place(options)
    with _lock(place, "bulk worker"), _journal(place) as journal:
        try:
            asyncio.run(_serve_all(journal, client, options))
        except journals.JournalError as error:
            _die(str(error), _JOURNAL)
    click.echo("stopped; what is left waits in the journal", err=True)


async def _serve_all(journal: Any, client: AsyncSmarterProctoring, options: dict[str, Any]) -> None:
    worker = _worker(journal, client, options)
    click.echo(f"worker for {worker.base_url}; journal: {journal.place.shown}", err=True)

    async def ended() -> bool:
        return False

    async def pause(reason: str, detail: str) -> None:
        for job in worker.jobs.values():
            if not job.paused and not await asyncio.to_thread(journal.done, job):
                await asyncio.to_thread(journal.pause, job, reason, detail)
                click.echo(visible(f"job {job.id} paused ({reason}): {detail}"), err=True)

    worker.refresh()
    for job in worker.jobs.values():
        journal.begin(job)
    async with client:
        with _interruptible(worker.gate, lambda text: click.echo(text, err=True)):
            await worker.run(ended, pause)


# -- looking and steering ---------------------------------------------------------------------------------------------


@main.command()
@click.argument("job", required=False)
@_journal_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(job: str | None, journal: str | None, as_json: bool) -> None:
    """Show all jobs of the journal, or one."""
    with _journal(_place({"journal": journal})) as opened:
        jobs = [opened.job(job)] if job else opened.jobs()
        facts = [facts_of(opened, each) for each in jobs]
        if as_json:
            click.echo(json.dumps(facts))
            return
        click.echo(f"journal: {opened.place.shown}")
        for fact in facts or []:
            click.echo()
            click.echo(visible(f"{fact['job']}  {fact['state']}  {fact['source']}  for {fact['service']}"))
            click.echo(
                f"  submitted {fact['submitted']} by version {fact['version']}, {fact['rate']}, {fact['lanes']} lanes"
            )
            for state, count in fact["rows"].items():
                click.echo(f"  {count:>10,} {state}")
            if fact["maybe_applied"]:
                click.secho(f"  {fact['maybe_applied']:>10,} of them may have been applied", fg="yellow")
        if not facts:
            click.echo("no jobs")


def facts_of(journal: Any, job: Any) -> dict[str, Any]:
    """Return what `status` shows of a job."""
    tally = journal.tally(job)
    rows: dict[str, int] = {state: tally.counts[state] for state in STATES if tally.counts.get(state)}
    left = job.total - tally.settled
    if left:
        rows["not settled yet"] = left
    state = f"paused ({job.paused})" if job.paused and left else "done" if journal.done(job) else "open"
    return {
        "job": job.id,
        "state": state if job.submitted else "not submitted whole: run the same command again",
        "reason": job.detail,
        "source": job.source,
        "service": job.base_url,
        "version": job.client,
        "submitted": f"{datetime.fromtimestamp(job.created, UTC):%Y-%m-%d %H:%M} UTC",
        "rate": "no limit" if job.rate is None else f"{job.rate:g}/s",
        "lanes": job.lanes,
        "rows": rows,
        "maybe_applied": tally.maybe_applied,
        "attempts": tally.attempts,
    }


@main.command()
@click.argument("job")
@_journal_option
def cancel(job: str, journal: str | None) -> None:
    """Begin no more rows of a job. What is under way is finished; `resume` goes on."""
    with _journal(_place({"journal": journal})) as opened:
        found = opened.job(job)
        opened.pause(found, "cancelled")
        click.echo(f"job {found.id} is cancelled", err=True)


@main.command(epilog=_EPILOG)
@click.argument("job")
@_client_options
@_journal_option
@_report_option
@click.option("--no-wait", is_flag=True, help="Leave the work to running workers.")
def resume(job: str, no_wait: bool, **options: Any) -> None:
    """Go on with a job that was paused, cancelled or interrupted, and try rows again that gave up."""
    place = _place(options)
    if no_wait:
        with _journal(place) as journal:
            found = journal.job(job)
            journal.unpause(found)
            click.echo(f"job {found.id} goes on; {journal.try_again(found)} rows again that gave up", err=True)
        return
    client = _client(options)
    with _lock(place, f"bulk resume {job}"), _journal(place) as journal:
        found = journal.job(job)
        if not found.submitted:
            raise _Stop(
                f"the list of job {found.id} is not in the journal whole: run `bulk run` with it again", _BAD_INPUT
            )
        if found.base_url != _service(client):
            raise _Stop(f"job {found.id} is for {found.base_url}: set --base-url", _BAD_INPUT)
        journal.unpause(found)
        journal.try_again(found)
        _work(journal, found.id, client, options)


@main.command()
@click.argument("job")
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False), callback=_report_paths)
@_journal_option
def report(job: str, files: tuple[str, ...], journal: str | None) -> None:
    """Write reports of a job as far as it is: .csv, .jsonl or .html."""
    with _journal(_place({"journal": journal})) as opened:
        _write_reports(opened, opened.job(job), files)


def _write_reports(journal: Any, job: Any, paths: tuple[str, ...]) -> None:
    """Write reports, each of the kind that its name ends in; a page links to the first that has every row."""
    kinds = {path: Path(path).suffix.lower() for path in paths}
    done = journal.done(job)
    summary = Summary(
        job=job.id,
        source=job.source,
        rows=job.counts.rows,
        duplicates=job.counts.duplicate,
        started=job.created,
        finished=max((outcome.at for outcome in journal.outcomes(job)), default=0.0) if paths and done else None,
        rate=job.rate,
        facts=(("Service", job.base_url), ("Lanes", str(job.lanes)), ("Version", job.client)),
    )
    whole = next((path for path, kind in kinds.items() if kind != ".html"), "")
    for path, kind in kinds.items():
        try:
            if kind == ".html":
                beside = Path(os.path.relpath(whole, Path(path).parent)).as_posix() if whole else ""
                write_html(path, journal.outcomes(job), summary, beside)
            else:
                form: Any = kind[1:]
                write_report(path, journal.outcomes(job), summary, form, journal.duplicates(job))
            click.echo(f"report: {path}", err=True)
        except OSError as error:
            # The rows' outcomes are safe in the journal, and the exit code is about them.
            again = f"smarterproctoring bulk report {job.id} {path}"
            click.secho(f"{path} cannot be written: {error.strerror}; try again: {again}", fg="red", err=True)


@main.command()
@click.argument("job")
@_journal_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(job: str, journal: str | None, yes: bool) -> None:
    """Delete all that the journal knows of a job: its rows hold personal data."""
    place = _place({"journal": journal})
    with _lock(place, f"bulk purge {job}"), _journal(place) as opened:
        found = opened.job(job)
        left = found.total - opened.tally(found).settled
        if not yes:
            question = visible(f"delete job {found.id} ({found.source}), {left:,} rows of it not settled?")
            if not click.confirm(question):
                click.echo("nothing was deleted", err=True)
                return
        opened.purge(found)
        click.echo(f"job {found.id} is deleted", err=True)


def _show_tally(tally: Any, total: int) -> None:
    counts = [f"{tally.counts[state]:,} {state}" for state in STATES if tally.counts.get(state)]
    left = total - tally.settled
    counts += [f"{left:,} not settled yet"] if left else []
    click.echo(f"{total:,} rows: {', '.join(counts)}; {tally.attempts:,} attempts", err=True)
    if tally.maybe_applied:
        click.secho(
            f"{tally.maybe_applied:,} that are not ok MAY HAVE BEEN APPLIED: look at them", fg="yellow", err=True
        )


def _place(options: dict[str, Any]) -> journals.Place:
    try:
        return journals.find(options["journal"])
    except journals.JournalError as error:
        raise _Stop(str(error), _BAD_INPUT) from None


@contextlib.contextmanager
def _journal(place: journals.Place) -> Generator[Any]:
    try:
        from smarterproctoring_bulk import engine  # noqa: PLC0415 - as above
    except ImportError as error:
        raise _Stop(
            f"{error.name} is missing; install bulk with: "
            "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[bulk]'",
            _BAD_INPUT,
        ) from None
    try:
        with engine.Journal(place) as journal:
            yield journal
    except engine.IncompatibleError as error:
        raise _Stop(str(error), _VERSION) from None
    except engine.UnknownJobError as error:
        raise _Stop(str(error), _BAD_INPUT) from None
    except journals.JournalError as error:
        raise _Stop(str(error), _JOURNAL) from None


@contextlib.contextmanager
def _lock(place: journals.Place, what: str) -> Generator[None]:
    """Hold an embedded journal; Postgres lets many work at once."""
    if place.path is None:
        yield
        return
    try:
        journals.make_private(place.path)
        lock = journals.Lock(place.path, what)
    except journals.BusyError as error:
        raise _Stop(str(error), _BUSY) from None
    except journals.JournalError as error:
        raise _Stop(str(error), _JOURNAL) from None
    with lock:
        yield


def command(arguments: list[str]) -> NoReturn:
    """Run `smarterproctoring bulk` with its arguments, and end the process."""
    main(arguments, prog_name="smarterproctoring bulk", color=colors())
    raise AssertionError("click ends the process")
