"""Works on jobs in this process: until one is done, or until the process is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn, cast

import click
from smarterproctoring import AsyncSmarterProctoring
from smarterproctoring.commands import visible

from smarterproctoring_bulk import exits, pacing
from smarterproctoring_bulk import journal as journals
from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.opening import service_of
from smarterproctoring_bulk.outcomes import GOOD, STATES
from smarterproctoring_bulk.progress import Progress, progress
from smarterproctoring_bulk.report import Summary, write_html, write_report

if TYPE_CHECKING:
    from smarterproctoring_bulk.engine import Journal, JournalReader, Tally, Worker
    from smarterproctoring_bulk.jobs import Job

RESUME = "smarterproctoring bulk resume"
SETTLE = "smarterproctoring bulk settle"


class _Pause(NamedTuple):
    text: str
    code: int


_PAUSES = {
    "auth": _Pause("paused, the token was refused", exits.AUTH),
    "api": _Pause("paused, every request fails", exits.API_DOWN),
    "settings": _Pause("paused, a setting does not work", exits.BAD_INPUT),
    "cancelled": _Pause("cancelled by another command", exits.NOT_OK),
    "superseded": _Pause("another job took over some of its sessions", exits.NOT_OK),
}


class _Stopped(NamedTuple):
    """Why a worker ended: empty if there was nothing left to do."""

    reason: str
    detail: str


def work(
    journal: Journal,
    job_id: str,
    client: AsyncSmarterProctoring,
    patience: float,
    reports: tuple[str, ...],
    finish: Callable[[Job], object] = lambda _: None,
) -> NoReturn:
    """Work on one job until it is done or has to stop; end the process with the code for it.

    Args:
        journal: Where the job is.
        job_id: Its name.
        client: Sends its rows.
        patience: Seconds to wait for a service that is down.
        reports: Files to write at the end.
        finish: Called at the end, whatever became of the job.
    """
    job = journal.job(job_id)
    tally = journal.tally(job)
    stopped = _Stopped("", "")
    if not journal.done(job):
        try:
            journals.check_disk(journal.place)
        except journals.JournalError as error:
            raise exits.Stop(str(error), exits.JOURNAL) from None
        journal.begin(job)
        exits.say_when_interrupted(_interrupted(job))
        try:
            with progress(job.total, tally.settled) as bar:
                stopped = asyncio.run(
                    _serve(journal, client, job, tally, bar, patience)
                )
        except journals.JournalError as error:
            exits.end_now(str(error), exits.JOURNAL)
    tally = journal.tally(job)
    write_reports(journal, job, reports)
    finish(job)
    _show_tally(tally, job)
    if stopped.reason == "disk":
        exits.end(
            f"stopped: {visible(stopped.detail)}. Free some space; "
            "the same command continues",
            exits.JOURNAL,
        )
    if stopped.reason == "interrupt":
        exits.end(_interrupted(job), exits.INTERRUPTED)
    job = journal.job(job_id)
    pause = _PAUSES.get(job.paused)
    # What was under way when it was paused may have been all that was left.
    if pause is not None and tally.settled < job.total:
        why = f"{pause.text}: {visible(job.detail)}".rstrip(": ")
        code = pause.code
        if tally.in_doubt:
            code = exits.MAYBE_APPLIED
        exits.end(f"{why}\ngo on with: {RESUME} {job.id}", code)
    sys.exit(_finished(tally))


def _interrupted(job: Job) -> str:
    return f"interrupted; the same command continues, or: {RESUME} {job.id}"


def _finished(tally: Tally) -> int:
    if tally.maybe_applied or tally.in_doubt:
        return exits.MAYBE_APPLIED
    failed = any(count for state, count in tally.counts.items() if state not in GOOD)
    return exits.NOT_OK if failed else 0


def _make_worker(
    journal: Journal,
    client: AsyncSmarterProctoring,
    patience: float,
    job: Job | None = None,
    settled: Callable[[Mapping[str, int]], object] = lambda _: None,
) -> Worker:
    """Make this process a worker, of one job or of all.

    Its loop is to wait little for others in this process. By default the journal's threads
    may keep the interpreter for 5 ms, in which the loop could send ten rows, and the
    collector looks through all that was imported, which takes as long as a hundred.
    """
    from smarterproctoring_bulk import engine, send  # noqa: PLC0415 - loads DBOS, a second's work

    sys.setswitchinterval(0.0005)
    gc.freeze()
    gate = send.Gate(client, breaker=pacing.Breaker(patience=patience))
    only = None if job is None else job.id
    return engine.Worker(journal, gate, service_of(client), only, settled)


async def _serve(
    journal: Journal,
    client: AsyncSmarterProctoring,
    job: Job,
    tally: Tally,
    bar: Progress,
    patience: float,
) -> _Stopped:
    """Send until the job is done or has to stop."""
    shared = journal.place.path is None
    counts = dict(tally.counts)
    retries = 0
    looked = 0.0

    def settled(more: Mapping[str, int]) -> None:
        for state, count in more.items():
            counts[state] = counts.get(state, 0) + count
        with contextlib.suppress(OSError):  # the terminal may be gone
            bar.update(counts, max(gate.retries, retries))

    def look() -> None:
        nonlocal counts, retries, looked
        looked = time.monotonic()
        now = journal.tally(job)
        counts = dict(now.counts)
        retries = now.retries - tally.retries

    worker = _make_worker(journal, client, patience, job, settled)
    gate = worker.gate

    async def ended() -> bool:
        if shared and time.monotonic() - looked > 5:
            await asyncio.to_thread(look)
            settled({})
        return await _over(journal, worker, job.id)

    async with client:
        with _interruptible(worker, bar.say):
            await worker.run(ended)
            if gate.stopped in _PAUSES:
                journal.pause(job, gate.stopped, gate.detail)
    if shared:
        look()
        settled({})
    return _Stopped(gate.stopped, gate.detail)


async def _over(journal: Journal, worker: Worker, job_id: str) -> bool:
    """Tell whether there is nothing to do for a worker of one job: it is done, or paused."""
    job = worker.jobs[job_id]
    if worker.lanes:
        return False
    return bool(job.paused) or await asyncio.to_thread(journal.done, job)


@contextlib.contextmanager
def _interruptible(worker: Worker, say: Callable[[str], object]) -> Generator[None]:
    """Make the first Ctrl-C finish what is under way, and the second stop now.

    SIGTERM is like Ctrl-C, and so is SIGHUP: the terminal was closed.
    """
    pressed = False

    def interrupted(number: int, _: object) -> None:
        nonlocal pressed
        if signal.Signals(number).name == "SIGHUP":
            exits.leave_terminal()
        if pressed:
            exits.end_now(
                "stopped at once; what was under way may have been applied. The same "
                "command continues: it reads that back, and what is not so is sent again",
                exits.INTERRUPTED,
            )
        pressed = True
        loop.call_soon_threadsafe(stop)

    def stop() -> None:
        """Stop, and say so.

        The event loop calls this: a signal handler may interrupt a write to the same stream,
        and Python then refuses another one. The message is late while the loop is blocked.
        """
        worker.gate.stop("interrupt")
        with contextlib.suppress(OSError):  # the terminal may be gone
            say(
                "stopping: finishing what is under way; press Ctrl-C again to stop at once"
            )

    loop = asyncio.get_running_loop()
    before = {
        number: signal.signal(number, interrupted)
        for number in exits.ENDING
        if signal.getsignal(number) is not signal.SIG_IGN  # as under nohup
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def serve_all(
    journal: Journal, client: AsyncSmarterProctoring, patience: float
) -> None:
    """Work on all jobs of the journal for the client's service, until the process is interrupted."""
    worker = _make_worker(journal, client, patience)
    click.echo(
        f"worker for {worker.base_url}; journal: {journal.place.shown}", err=True
    )

    async def ended() -> bool:
        return False

    async def pause(reason: str, detail: str) -> None:
        for job in worker.jobs.values():
            if not job.paused and not await asyncio.to_thread(journal.done, job):
                await asyncio.to_thread(journal.pause, job, reason, detail)
                click.echo(
                    visible(f"job {job.id} paused ({reason}): {detail}"), err=True
                )

    worker.refresh()
    for job in worker.jobs.values():
        journal.begin(job)
    exits.say_when_interrupted("interrupted; what is left waits in the journal")
    async with client:
        with _interruptible(worker, lambda text: click.echo(text, err=True)):
            await worker.run(ended, pause)


def write_reports(journal: JournalReader, job: Job, paths: tuple[str, ...]) -> None:
    """Write reports, each of the kind that its name ends in; a page links to the first that has every row."""
    if not paths:
        return
    kinds = {path: Path(path).suffix.lower() for path in paths}
    finished: float | None = None
    if journal.done(job):
        moments = (outcome.at for outcome in journal.outcomes(job))
        finished = max(moments, default=0.0)
    summary = Summary(
        job=job.id,
        source=job.source,
        rows=job.counts.rows,
        duplicates=job.counts.duplicate,
        started=job.created,
        finished=finished,
        rate=job.rate,
        facts=(
            ("Service", job.base_url),
            ("Lanes", str(job.lanes)),
            ("Version", job.client),
            *(
                []
                if job.submitted
                else [("Rows", "some are missing: not submitted whole")]
            ),
        ),
    )
    whole = next((path for path, kind in kinds.items() if kind != ".html"), "")
    for path, kind in kinds.items():
        try:
            if kind == ".html":
                beside = ""
                if whole:
                    beside = Path(os.path.relpath(whole, Path(path).parent)).as_posix()
                write_html(path, journal.outcomes(job), summary, beside)
            else:
                form = cast("Literal['csv', 'jsonl']", kind[1:])
                duplicates = journal.duplicates(job)
                write_report(path, journal.outcomes(job), summary, form, duplicates)
            click.echo(f"report: {path}", err=True)
        except OSError as error:
            # The rows' outcomes are safe in the journal, and the exit code is about them.
            again = f"smarterproctoring bulk report {job.id} {path}"
            click.secho(
                f"{path} cannot be written: {error.strerror}; try again: {again}",
                fg="red",
                err=True,
            )
    if not job.submitted:
        click.secho(
            f"the list of job {job.id} is not in the journal whole, and the rest of its "
            "rows are not in the report: run `bulk run` with it again",
            fg="yellow",
            err=True,
        )


def _show_tally(tally: Tally, job: Job) -> None:
    total = job.total
    counts = [
        f"{tally.counts[state]:,} {state}"
        for state in STATES
        if tally.counts.get(state)
    ]
    left = total - tally.settled
    if left:
        counts.append(f"{left:,} not settled yet")
    click.echo(
        f"{counted(total, 'row')}: {', '.join(counts)}; "
        f"{counted(tally.attempts, 'attempt')}",
        err=True,
    )
    if tally.maybe_applied:
        click.secho(
            f"{counted(tally.maybe_applied, 'that is', 'that are')} not ok "
            f"MAY HAVE BEEN APPLIED; read back with: {SETTLE} {job.id}",
            fg="yellow",
            err=True,
        )
    if tally.in_doubt:
        click.secho(
            f"{tally.in_doubt:,} of those that are not settled yet "
            "MAY HAVE BEEN APPLIED",
            fg="yellow",
            err=True,
        )
