"""The journal: what is in our tables, and the queues of DBOS that work on it.

A job's rows are cut into chunks. A chunk is worked on in parts, one after the other; each
part is a workflow in the job's own queue, whose concurrency is the number of lanes. A part
runs once: one that has to stop (its turn is over, the job was paused, the process was
interrupted) hands on what is left to the next part in its last transaction. A part whose
worker died is cancelled by its time limit, and any live worker makes the next part, with
every row in doubt that the dead one may have sent.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import event

from smarterproctoring_bulk import jobs
from smarterproctoring_bulk.compare import (
    SEND,
    Decision,
    Known,
    decide,
    may_be_sent,
    outcome_of,
)
from smarterproctoring_bulk.doubts import Applied, Doubt, confirmed, noted
from smarterproctoring_bulk.engine import database
from smarterproctoring_bulk.engine.durable import (
    DBOS,
    DBOSClient,
    EnqueueOptions,
    Serializer,
)
from smarterproctoring_bulk.engine.many import batches
from smarterproctoring_bulk.engine.reader import JournalReader, open_outcome
from smarterproctoring_bulk.engine.store import Chunk, JobChanges, Portion, Recorded
from smarterproctoring_bulk.engine.trouble import Trouble
from smarterproctoring_bulk.jobs import Again, Job, JobOptions, application, chunk_sizes
from smarterproctoring_bulk.journal import (
    JournalError,
    JournalFullError,
    JournalGoneError,
    Place,
    identity,
    make_private,
)
from smarterproctoring_bulk.outcomes import History, Outcome
from smarterproctoring_bulk.plan import Plan, digest
from smarterproctoring_bulk.rows import Row

_BEGUN = 1
_NEW = 2
"""Priorities: a chunk that was begun keeps its lane, however long it waits for its turn."""
_SUBMITTED = 5
"""Chunks of one transaction."""
_COMPARED = 500
"""Rows that are compared at a time."""


class OpenElsewhereError(JournalError):
    """Another job that is not finished names the same sessions.

    Attributes:
        jobs: By job, how many rows.
    """

    def __init__(self, message: str, jobs: dict[str, int]) -> None:
        super().__init__(message)
        self.jobs = jobs


class JsonSerializer(Serializer):
    """JSON in DBOS's tables; its default is pickle, which is never read."""

    def serialize(self, data: object) -> str:
        """Return JSON; of an exception only its name, for its text may hold a row."""
        if isinstance(data, BaseException):
            data = {"error": type(data).__name__}
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))

    def deserialize(self, serialized_data: str) -> object:
        """Return what JSON says."""
        return json.loads(serialized_data)

    def name(self) -> str:
        """Return the name that DBOS's tables have for it."""
        return "json"


def part_name(job_id: str, number: int, part: int) -> str:
    """Return DBOS's name of a part of a chunk: two workers that make it make one."""
    return f"{job_id}-{number:06d}.{part}"


class Journal(JournalReader):
    """What is known of all jobs. Close it, or use it in a `with` block.

    Args:
        place: Where it is.

    Attributes:
        place: Where it is.
        engine: The connections to its database.
        store: Its tables.
        trouble: Why nothing can be written any more; empty while it can.

    Raises:
        JournalError: It cannot be opened.
        ForeignValuesError: It contains values that are not JSON.
        IncompatibleError: It contains jobs of an older format.
    """

    def __init__(self, place: Place) -> None:
        self.trouble: Trouble = ""
        # Their warnings may quote rows, or show a traceback beside the message of Ctrl-C.
        for name in ("dbos", "sqlalchemy.pool"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if place.path is not None:
            make_private(place.path)
        self._identity = identity(place)
        super().__init__(place)

    def _open(self) -> bool:
        event.listen(self.engine, "handle_error", self._note_error)
        latest = time.monotonic() + database.BUSY_SECONDS
        while not self._made():
            if time.monotonic() > latest:
                raise self.cannot_open("another process keeps it locked")
            time.sleep(0.02)
        self._check_contents()
        return True

    def _made(self) -> bool:
        """Make what is missing in the database; False if another process made some of it at this moment.

        SQLite then refuses at once, whatever its patience: what was read before is no
        longer so.
        """
        try:
            DBOS.migrate(self.place.url)
            self.store.create()
            self._client = DBOSClient(
                system_database_engine=self.engine, serializer=JsonSerializer()
            )
        except Exception as error:  # noqa: BLE001 - the drivers have no common error
            if database.is_busy(error):
                return False
            raise self.cannot_open(database.reason_of(error)) from None
        return True

    def close(self) -> None:
        """Close the connections."""
        if hasattr(self, "_client"):  # else opening it has failed
            self._client.destroy()
        super().close()

    def _note_error(self, context: sa.ExceptionContext) -> None:
        trouble = database.trouble_of(context.original_exception)
        if trouble:
            self.trouble = trouble

    def check_place(self) -> None:
        """Find out whether the journal can still be written.

        Raises:
            JournalFullError: Its disk is full.
            JournalGoneError: Its file is not the one that was opened.
        """
        if not self.is_there():
            self.trouble = "gone"
        if self.trouble == "full":
            raise JournalFullError(self.place)
        if self.trouble == "gone":
            raise JournalGoneError(self.place)

    def is_there(self) -> bool:
        """Tell whether the journal's file is still the one that was opened."""
        return identity(self.place) == self._identity

    # -- jobs --

    def change(self, job: Job, options: JobOptions) -> Job:
        """Apply and record the options that were given for a known job.

        Returns:
            The job as it is now.

        Raises:
            IncompatibleError: The job was begun by an incompatible version.
        """
        job.check()
        changes: JobChanges = {}
        if options.rate is not None:
            changes["rate"] = None if options.rate == float("inf") else options.rate
        if options.lanes is not None:
            changes["lanes"] = options.lanes
        if options.lease is not None:
            changes["lease"] = options.lease
        if options.replay is not None:
            changes["replay"] = options.replay
        if options.record_before is not None:
            changes["record_before"] = options.record_before
        self.store.update(job.id, changes)
        changed = replace(job, **changes)
        if changed.lanes != job.lanes and not changed.paused:
            self._set_lanes(changed, changed.lanes)
        return changed

    # -- submitting --

    def submit(
        self,
        plan: Plan,
        job: Job,
        again: frozenset[Again] = frozenset(),
        *,
        supersede: bool = False,
        progress: Callable[[int], object] = lambda _: None,
    ) -> Job:
        """Put all rows of a list into the journal; what is there already stays as it is.

        Args:
            plan: The list.
            job: What the job is to be; a job that was submitted in part is taken as it
                was begun.
            again: Rows that are sent again though they were sent before.
            supersede: Whether sessions are taken from jobs that hold them.
            progress: Called with the number of rows that were put in.

        Returns:
            The job as it is in the journal.

        Raises:
            IncompatibleError: The job was begun by an incompatible version.
            OpenElsewhereError: Another job holds some of the sessions.
        """
        comparison = self.compare(
            plan, job.base_url, job.id, again, replay=job.replay, supersede=supersede
        )
        if comparison.open:
            raise OpenElsewhereError(
                "a job that is not finished names the same sessions",
                dict(comparison.open),
            )
        self.store.insert_job(job)
        job = self.job(job.id).check()
        if supersede:
            self._make_way(plan, job)
        self._client.register_queue(
            job.queue,
            global_concurrency=0 if job.paused else job.lanes,
            # A look costs 3 ms of processor, which a run without a limit needs itself.
            polling_interval_sec=0.25 if job.rate is None else 0.1,
            application_name=application(job.base_url),
        )
        with self.store.begin() as connection:
            self.store.add_outcomes(connection, job.id, plan.not_sent())
        self.store.add_duplicates(job.id, plan.duplicates())
        self._submit_rows(plan, job, comparison.send, again, progress, take=supersede)
        self.store.update(job.id, {"submitted": True})
        return replace(job, submitted=True)

    def _submit_rows(
        self,
        plan: Plan,
        job: Job,
        sendable: int,
        again: frozenset[Again],
        progress: Callable[[int], object],
        *,
        take: bool,
    ) -> None:
        known = self.store.knows(job.service)
        # What is there of a list that was submitted in part stays as it is: other options
        # than it was begun with would cut other chunks.
        begun = len(self.store.numbers(job.id))
        last = self._chunk(job, begun - 1).rows[-1].line if begun else 0
        left = (row for row in plan.rows() if row.line > last)
        decided = self._decided(left, job, again, known=known, supersede=take)
        alone = self.place.path is not None and job.rate is None
        sizes = itertools.chain(
            chunk_sizes(sendable, job.chunk, job.lanes, job.window, alone=alone),
            itertools.repeat(jobs.CHUNK),
        )
        cuts = sizes_of(decided, itertools.islice(sizes, begun, None))
        rows = 0
        for batch in batches(enumerate(cuts, begun), _SUBMITTED):
            with self.store.begin() as connection:
                there = self.store.lock_numbers(connection, job.id)
                for number, cut in batch:
                    rows += len(cut)
                    if number not in there:
                        self._add_chunk(connection, job, number, cut, take=take)
                    else:
                        self._check_chunk(connection, job, number, cut)
            progress(rows)

    def _check_chunk(
        self,
        connection: sa.Connection,
        job: Job,
        number: int,
        cut: Sequence[tuple[Row, History | None]],
    ) -> None:
        """Check that another host that submits the same list cuts it as this one does.

        Raises:
            OpenElsewhereError: It does not.
        """
        there = self.store.chunk(job.id, number, connection).rows
        if [row.line for row in there] != [row.line for row, _ in cut]:
            raise OpenElsewhereError(
                "another process submits this list at this moment, with other options; "
                "start again when it has ended",
                {},
            )

    def _decided(
        self,
        rows: Iterator[Row],
        job: Job,
        again: frozenset[Again],
        *,
        known: bool,
        supersede: bool,
    ) -> Iterator[tuple[Row, History | None]]:
        """Yield the rows to send; record the outcome of the others."""
        for batch in batches(rows, _COMPARED):
            found: dict[str, Known] = {}
            if known:
                sessions = (row.sids[2] for row in batch)
                found = self.store.look_up(job.service, sessions)
            if not found:
                for row in batch:
                    yield row, None
                continue
            now = time.time()
            outcomes: list[Outcome] = []
            send: list[tuple[Row, History | None]] = []
            for row in batch:
                decision = self._decide(
                    found.get(row.sids[2]), row, job, again, supersede=supersede
                )
                if decision.verdict == "send":
                    send.append((row, decision.history))
                else:
                    outcomes.append(outcome_of(decision, row.line, row.sids, now))
            if outcomes:
                with self.store.begin() as connection:
                    self.store.add_outcomes(connection, job.id, outcomes)
            yield from send

    def _decide(
        self,
        known: Known | None,
        row: Row,
        job: Job,
        again: frozenset[Again],
        *,
        supersede: bool,
    ) -> Decision:
        if known is None:
            return SEND
        return decide(
            known, digest(row), job.id, again, replay=job.replay, supersede=supersede
        )

    def _add_chunk(
        self,
        connection: sa.Connection,
        job: Job,
        number: int,
        cut: Sequence[tuple[Row, History | None]],
        *,
        take: bool,
    ) -> None:
        rows = [row for row, _ in cut]
        held = self.store.claim(connection, job, rows, take=take)
        if held < len(rows):
            raise OpenElsewhereError(
                "another job took up some of the sessions at this moment; "
                "start again to see which",
                {},
            )
        histories = {row.line: history for row, history in cut if history is not None}
        chunk = Chunk(number, 0, 0, 0, None, histories, rows)
        self.store.add_chunk(connection, job, chunk, part_name(job.id, number, 0))
        self._enqueue(connection, job, number, 0, _NEW)

    def _make_way(self, plan: Plan, job: Job) -> None:
        """Pause the jobs that hold sessions of a list, and wait until no live process works on them."""
        held = self.compare(plan, job.base_url, job.id).open
        for name in held:
            other = self.job(name)
            self.pause(
                other,
                "superseded",
                f"job {job.id} ({job.source}) took over some of its sessions",
            )
            end = time.monotonic() + other.lease
            while any(self._at_work(other).values()) and time.monotonic() < end:
                time.sleep(0.2)
            self._cancel_running(other)

    def _enqueue(
        self, connection: sa.Connection, job: Job, number: int, part: int, priority: int
    ) -> None:
        options: EnqueueOptions = {
            "workflow_name": "part",
            "queue_name": job.queue,
            "workflow_id": part_name(job.id, number, part),
            "app_version": application(job.base_url),
            "application_name": application(job.base_url),
            "workflow_timeout": jobs.time_limit(job.lease),
            "priority": priority,
        }
        self._client.enqueue_in_transaction(connection, options, job.id, number, part)

    # -- pausing --

    def pause(self, job: Job, reason: str, detail: str = "") -> None:
        """Begin no more parts of a job, on no host; running ones hand on what is left."""
        self.store.update(job.id, {"paused": reason, "detail": detail[:500]})
        self._set_lanes(job, 0)

    def unpause(self, job: Job) -> None:
        """Go on with a job.

        Raises:
            IncompatibleError: The job was begun by an incompatible version.
        """
        self.store.update(job.check().id, {"paused": "", "detail": ""})
        self._set_lanes(job, job.lanes)

    def _set_lanes(self, job: Job, lanes: int) -> None:
        queue = self._client.retrieve_queue(job.queue)
        if queue is not None:
            queue.set_global_concurrency(lanes)

    def purge(self, job: Job) -> None:
        """Delete all that is known of a job, its rows first of all."""
        self.store.purge(job)
        queue = self._client.retrieve_queue(job.queue)
        if queue is not None:
            self._client.delete_queue(job.queue)
        while found := self._client.list_workflows(
            workflow_id_prefix=f"{job.id}-",
            limit=200,
            load_input=False,
            load_output=False,
        ):
            self._client.delete_workflows([status.workflow_id for status in found])
        self.store.rewrite()

    # -- what became of the rows --

    # -- what is to be done again --

    def try_again(self, job: Job, again: frozenset[Again] = frozenset()) -> int:
        """Put rows that gave up back into the queue.

        Args:
            job: A job of which every row is settled.
            again: With `gave-up`, rows that were sent as often as allowed, or may have
                been applied, too.

        Returns:
            How many rows.
        """
        if not self.done(job):
            return 0
        rows = self._to_retry(job, again)
        if not rows:
            return 0
        count = 0
        for chunk in self.store.chunks(job.id):
            mine = [row for row in chunk.rows if row.line in rows]
            if mine:
                count += self._retry(job, chunk, mine, rows)
        return count

    def _to_retry(self, job: Job, again: frozenset[Again]) -> dict[int, History]:
        found: dict[int, History] = {}
        for line, (outcome, sendings) in self.store.gave_up(job.id).items():
            history = History(
                sendings=sendings,
                attempts=outcome.attempts,
                replays=outcome.replays,
                perhaps=outcome.perhaps,
                maybe_applied=outcome.maybe_applied,
                found=outcome.found,
            )
            if "gave-up" in again:
                found[line] = replace(history, sendings=0)
            elif outcome.attempts and may_be_sent(history, replay=job.replay):
                found[line] = history
        return found

    def _retry(
        self, job: Job, chunk: Chunk, rows: list[Row], histories: dict[int, History]
    ) -> int:
        """Put rows of a chunk back, but for those whose session another job has changed."""
        known = self.store.look_up(job.service, (row.sids[2] for row in rows))
        mine: list[Row] = []
        for row in rows:
            session = known.get(row.sids[2])
            free = session is None or session.holder is None
            last = session is None or session.job in (None, job.id)
            if free and last:
                mine.append(row)
        if not mine:
            return 0
        with self.store.begin() as connection:
            held = self.store.claim(connection, job, mine, take=False)
            part = part_name(job.id, chunk.number, chunk.part + 1)
            left = {row.line: histories[row.line] for row in mine}
            moved = self.store.restart(
                connection, job, chunk, part, left, begun=len(chunk.rows)
            )
            if held < len(mine) or not moved:
                connection.rollback()
                return 0
            self.store.forget_outcomes(connection, job.id, left)
            self._enqueue(connection, job, chunk.number, chunk.part + 1, _NEW)
        return len(mine)

    # -- reading back --

    def doubts(self, job: Job) -> Iterator[Doubt]:
        """Yield the rows that may have been applied and are not `ok`, by line."""
        settled = self.store.doubtful(job.id)
        for chunk in self.store.chunks(job.id):
            for row in chunk.rows:
                outcome = settled.get(row.line)
                history = chunk.histories.get(row.line)
                if outcome is not None:
                    known = outcome._replace(sids=row.sids)
                    yield Doubt(row, known, chunk.number)
                elif history is not None and history.maybe_applied:
                    yield Doubt(row, open_outcome(row, history), chunk.number)

    def confirm(self, job: Job, doubts: Sequence[Doubt]) -> set[int]:
        """Record in one transaction that rows were found applied by reading back.

        Returns:
            The lines that are `ok` now. The others stay as they are: another job holds or
            changed their session, or a worker has them.
        """
        now = time.time()
        lines: set[int] = set()
        open_rows: dict[int, list[Outcome]] = {}
        with self.store.begin() as connection:
            for doubt in doubts:
                outcome = confirmed(doubt.outcome, now)
                if doubt.outcome.state == "open":
                    open_rows.setdefault(doubt.chunk, []).append(outcome)
                elif self.store.confirm(connection, job, outcome):
                    lines.add(outcome.line)
            for number, outcomes in open_rows.items():
                lines |= self.store.confirm_open(connection, job, number, outcomes)
        return lines

    def applied(self, job: Job) -> Iterator[Applied]:
        """Yield the rows that a job has applied, by line."""
        chunks = self.store.chunks(job.id)
        rows = {row.line: row for chunk in chunks for row in chunk.rows}
        for outcome in self.store.outcomes(job.id):
            row = rows.get(outcome.line)
            if outcome.state == "ok" and row is not None:
                yield Applied(row, outcome.found)

    def later_job(self, job: Job, rows: Sequence[Row]) -> dict[str, str]:
        """Return the job that changed a session after `job`, or holds it, by session."""
        known = self.store.look_up(job.service, (row.sids[2] for row in rows))
        later = {sid: each.holder or each.job or "" for sid, each in known.items()}
        return {sid: name for sid, name in later.items() if name not in ("", job.id)}

    def note(self, job: Job, doubts: Sequence[Doubt]) -> None:
        """Record that sessions were not as their rows ask when they were read."""
        with self.store.begin() as connection:
            for doubt in doubts:
                if doubt.outcome.state != "open":
                    self.store.note(connection, job.id, noted(doubt.outcome))

    def reopen(self, job: Job, doubts: Sequence[Doubt]) -> int:
        """Put settled rows back into the queue, to be sent again.

        Args:
            job: A job of which every row is settled.
            doubts: The rows.

        Returns:
            How many; not those whose session another job holds or changed.
        """
        count = 0
        for chunk in self.store.chunks(job.id):
            mine = [doubt for doubt in doubts if doubt.chunk == chunk.number]
            histories = {doubt.row.line: _reopened(doubt.outcome) for doubt in mine}
            rows = [doubt.row for doubt in mine]
            count += self._retry(job, chunk, rows, histories)
        return count

    def take_over(self, job: Job) -> int:
        """Make the next part of every chunk whose worker died.

        Every live worker does so, and they may do so concurrently: one of them succeeds.

        Returns:
            How many chunks there were.
        """
        count = 0
        for number in self.store.dead_chunks(job):
            with self.store.begin() as connection:
                chunk = self.store.chunk(job.id, number, connection)
                histories = self._perhaps_sent(job, chunk)
                part = part_name(job.id, number, chunk.part + 1)
                begun = min(chunk.begun + job.window, len(chunk.rows))
                if self.store.restart(
                    connection, job, chunk, part, histories, begun=begun
                ):
                    self._enqueue(connection, job, number, chunk.part + 1, _BEGUN)
                    count += 1
        return count

    def begin(self, job: Job) -> None:
        """Take over what a dead process was working on.

        Of an embedded journal this process holds the lock, so that nobody else works on
        it. On Postgres a process is dead when the time limit of its part is over.
        """
        if self.place.path is not None:
            self._cancel_running(job)
        else:
            self._cancel_expired(job)
        self.take_over(job)

    def _cancel_running(self, job: Job) -> None:
        running = self.store.waiting_parts(job)
        if running:
            self._client.cancel_workflows(running)

    def _cancel_expired(self, job: Job) -> None:
        """Cancel the parts whose worker died: what it may still record is refused then."""
        alive = self._at_work(job)
        expired = [
            part.workflow
            for part in self.store.parts(job)
            if part.status == "PENDING" and alive.get(part.chunk) is False
        ]
        if expired:
            self._client.cancel_workflows(expired)

    # -- what a part needs --

    def begin_part(self, job: Job, number: int, part: int) -> Chunk | None:
        """Return the chunk that a part is to work on; None if it is not its turn."""
        return self.store.chunk_of_part(job.id, number, part)

    def record(self, job: Job, portion: Portion) -> Recorded:
        """Record a portion in one transaction, with the next part if there is one."""
        self.check_place()
        with self.store.begin() as connection:
            recorded = self.store.record(connection, job, portion)
            if recorded == "lost":
                connection.rollback()
            elif portion.next_part is not None:
                chunk = portion.chunk
                self._enqueue(connection, job, chunk.number, chunk.part + 1, _BEGUN)
        return recorded


def sizes_of(
    items: Iterator[tuple[Row, History | None]], sizes: Iterator[int]
) -> Iterator[list[tuple[Row, History | None]]]:
    """Cut rows into chunks of the given sizes."""
    for size in sizes:
        cut = list(itertools.islice(items, size))
        if not cut:
            return
        yield cut


def _reopened(outcome: Outcome) -> History:
    """Return what is known of a row that is to be sent again because somebody asks for it."""
    return History(
        attempts=outcome.attempts,
        replays=outcome.replays,
        perhaps=outcome.perhaps,
        maybe_applied=True,
        found=outcome.found,
    )
