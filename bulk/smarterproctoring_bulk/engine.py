"""The journal's contents and the worker: every call of DBOS Transact is in this module.

A job is one list for one service. Its rows are cut into chunks; a chunk is a durable workflow in the job's own queue,
whose concurrency is the number of lanes; a portion of settled rows is a step, one commit. A chunk that has to stop
(its turn is over, the job was paused, the process was interrupted) ends well and leaves what is not settled to the next
*part* of itself, whose name follows from its own: two workers that do so at once make one part, not two. A chunk whose
worker died is cancelled by its time limit, the lease, and any live worker makes the next part of it from its steps.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import json
import logging
import os
import re
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self, cast

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, EnqueueOptions, Serializer, WorkflowStatus
from smarterproctoring import __version__
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from smarterproctoring_bulk.journal import JournalError, Place, disk_full, make_private
from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_bulk.pacing import window_for
from smarterproctoring_bulk.plan import Counts, Duplicate, Plan
from smarterproctoring_bulk.rows import Row
from smarterproctoring_bulk.send import Collected, Gate, History, Lane

FORMAT = 1
"""What the journal's contents mean. Raise it with any change that a worker of the version before would misread."""
CHUNK = 4000
"""Rows of a chunk at most."""
_PARKED = "parked"
"""A queue that nobody listens to: what is in it is a record, not work."""
_UNSENT, _DUPLICATES = "+", "="
_OPEN = ["ENQUEUED", "PENDING", "DELAYED"]
_FINAL = ("interrupt", "disk")
"""Why a worker ends, rather than a job is paused."""
_FULL = re.compile("disk is full|disk I/O error|DiskFull|No space left", re.IGNORECASE)


class UnknownJobError(JournalError):
    """No such job."""


class IncompatibleError(JournalError):
    """The job was begun by a version of this package that writes the journal in another way."""


@dataclass(frozen=True)
class Job:
    """One list for one service.

    Attributes:
        id: 12 hexadecimal digits; the same list for the same service gives the same job.
        source: The list's name.
        base_url: Where its requests go. A worker for another service leaves the job alone.
        counts: Rows of the list by kind, as planned.
        rate: Requests per second over the whole fleet; None for no limit.
        lanes: How many chunks run at once over the whole fleet.
        lease: Seconds within which the work of a host that died is taken over.
        chunk: Rows of a chunk at most.
        replay: Whether an attempt that may have been applied is repeated.
        submitted: Whether all rows are in the journal.
        paused: Why no chunk of it is begun: `auth`, `api`, `settings`, `cancelled`; empty while they are.
        detail: More about that.
        created: When its list was checked, just before it was submitted, in seconds since 1970.
        format: The journal format it was begun with.
        client: The version of this package that began it.
    """

    id: str
    source: str
    base_url: str
    counts: Counts
    rate: float | None
    lanes: int
    lease: float
    chunk: int
    replay: bool = True
    submitted: bool = False
    paused: str = ""
    detail: str = ""
    created: float = 0.0
    format: int = FORMAT
    client: str = __version__

    @property
    def total(self) -> int:
        """Return how many rows have an outcome in the end."""
        return sum(self.counts[1:]) - self.counts.duplicate

    @property
    def queue(self) -> str:
        """Return the name of its queue."""
        return f"bulk-{self.id}"

    def check(self) -> Self:
        """Return the job if this version can work on it.

        Raises:
            IncompatibleError: It cannot; the message says what to do.
        """
        if self.format != FORMAT:
            raise IncompatibleError(
                f"job {self.id} was begun by smarterproctoring-client {self.client}, whose journal this version "
                f"({__version__}) does not continue. Finish it with that version, or write its report with it, purge "
                "the job and submit the rows that are not ok again"
            )
        return self


def _application(base_url: str) -> str:
    """Name the DBOS application of a service: its workers take up that service's chunks and no others.

    It serves as the application's version too. DBOS's default for that is a hash of the source, so that a mended typo
    would orphan every job.
    """
    return f"bulk-{FORMAT}-{hashlib.sha256(base_url.encode()).hexdigest()[:12]}"


def job_id(fingerprint: str, base_url: str) -> str:
    """Name the job of a list for a service: what was moved on a test server is not moved on the real one."""
    return hashlib.sha256(f"{fingerprint} {base_url}".encode()).hexdigest()[:12]


def largest_chunk(rate: float | None, lanes: int, lease: float) -> int:
    """Choose the rows of a chunk at most, or a window: a lane does one in its turn, which is well under the lease."""
    return CHUNK if rate is None else min(CHUNK, int(rate / lanes * _turn(lease) * 0.8))


def chunk_sizes(rows: int, largest: int, lanes: int, least: int) -> Iterator[int]:
    """Yield the rows of one chunk after the other.

    A chunk is half of a lane's share of what is left: large ones cost little, and with small ones at the end no lane
    has much to do when others have nothing any more. The first ones of a long list differ, so that no two lanes end at
    once.
    """
    number = 0
    while rows > 0:
        number += 1
        size = min(rows, max(least, min(largest * min(number, lanes) // lanes, rows // (lanes * 2))))
        yield size
        rows -= size


def _time_limit(lease: float) -> float:
    """Return the seconds after which a chunk's worker counts as dead; the rest of the lease is for noticing it."""
    return lease * 0.8


def _turn(lease: float) -> float:
    """Return the seconds after which a live worker hands on what is left of a chunk, long before its time limit."""
    return lease * 0.4


def attempt_limit(lease: float) -> float:
    """Return the seconds that one attempt may take, so that it ends before the chunk's time limit."""
    return lease * 0.3


class Tally(NamedTuple):
    """How far a job is.

    Attributes:
        counts: Rows by state; those that are not settled are in none.
        maybe_applied: Rows that are not `ok` and may have been applied all the same.
        attempts: Attempts for settled rows.
        open: Chunks that are not done.
    """

    counts: dict[str, int]
    maybe_applied: int
    attempts: int
    open: int

    @property
    def settled(self) -> int:
        """Return how many rows are settled."""
        return sum(self.counts.values())

    @property
    def retries(self) -> int:
        """Return the attempts beyond each settled row's first."""
        return self.attempts - sum(self.counts.get(state, 0) for state in ("ok", "rejected", "gave_up"))


class _Json(Serializer):
    """JSON in the journal: DBOS's default is pickle, with which whoever can write the journal runs code in a worker."""

    def serialize(self, data: Any) -> str:
        if isinstance(data, BaseException):  # its text may hold a row
            data = {"error": type(data).__name__}
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "json"


# -- what is written --------------------------------------------------------------------------------------------------


def _pack_rows(rows: Iterable[Row]) -> list[list[Any]]:
    return [[row.line, list(row.sids), row.fields] for row in rows]


def _unpack_rows(packed: list[list[Any]]) -> list[Row]:
    return [Row(line, (sids[0], sids[1], sids[2]), fields) for line, sids, fields in packed]


def _pack(collected: Collected) -> dict[str, Any]:
    """Return what a step records; the SIDs are in the chunk's rows already."""
    return {"outcomes": [_pack_outcome(outcome) for outcome in collected.outcomes], "rest": collected.rest}


def _pack_outcome(outcome: Outcome) -> list[Any]:
    return [outcome.line, *outcome[2:-2], round(outcome.elapsed, 4), round(outcome.at, 3)]


class _Count:
    """Adds up packed outcomes."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.maybe_applied = self.attempts = 0

    def add(self, outcomes: list[list[Any]]) -> None:
        self.states.update(outcome[1] for outcome in outcomes)
        self.maybe_applied += sum(bool(outcome[5]) for outcome in outcomes)
        self.attempts += sum(outcome[6] for outcome in outcomes)

    def add_packed(self, packed: dict[str, Any]) -> None:
        self.states.update(packed["states"])
        self.maybe_applied += packed["maybe_applied"]
        self.attempts += packed["attempts"]

    def pack(self) -> dict[str, Any]:
        return {"states": dict(self.states), "maybe_applied": self.maybe_applied, "attempts": self.attempts}


def _part_id(job: str, number: int, part: int) -> str:
    return f"{job}-{number:06d}.{part}"


def _number_and_part(workflow_id: str) -> tuple[int, int]:
    number, part = workflow_id.partition("-")[2].split(".")
    return int(number), int(part)


def _part(job: Job, number: int, part: int, **more: Any) -> EnqueueOptions:
    """Return how a part of a chunk is enqueued; a part that is there already is left as it is."""
    options: EnqueueOptions = {
        "workflow_name": "chunk",
        "queue_name": job.queue,
        "workflow_id": _part_id(job.id, number, part),
        "app_version": _application(job.base_url),
        "application_name": _application(job.base_url),
        "workflow_timeout": _time_limit(job.lease),
        "attributes": more or None,  # type: ignore[typeddict-item]
    }
    return options


# -- the journal ------------------------------------------------------------------------------------------------------


class Journal:
    """What is known of all jobs. Close it, or use it in a `with` block.

    Args:
        place: Where it is.

    Raises:
        JournalError: It cannot be opened.

    Attributes:
        broken: Why nothing can be written any more; empty while it can.
    """

    def __init__(self, place: Place) -> None:
        self.place, self.broken = place, ""
        logging.getLogger("dbos").setLevel(logging.CRITICAL)  # its warnings may quote rows
        if place.path is not None:
            make_private(place.path)
        self.engine = _engine(place)
        event.listen(self.engine, "handle_error", self._note_error)
        try:
            DBOS.migrate(place.url)
            self._client = DBOSClient(system_database_engine=self.engine, serializer=_Json())
        except Exception as error:  # noqa: BLE001 - the drivers have no common error
            self.engine.dispose()
            # Its text may hold the URL with its password, so only the driver's own words go on.
            reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
            raise JournalError(f"the journal {place.shown} cannot be opened: {reason}") from None

    def _note_error(self, context: sa.ExceptionContext) -> None:
        text = f"{type(context.original_exception).__name__} {context.original_exception}"
        if _FULL.search(text):
            self.broken = "its disk is full"

    def close(self) -> None:
        """Close the connections."""
        self._client.destroy()
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- jobs --

    def jobs(self) -> list[Job]:
        """Return all jobs, the oldest first."""
        found = self._client.list_workflows(name="job", load_input=False, load_output=False)
        return [_job(status) for status in found]

    def job(self, name: str) -> Job:
        """Return a job by its name or by the beginning of it.

        Raises:
            UnknownJobError: There is none, or more than one.
        """
        found = [job for job in self.jobs() if job.id.startswith(name)]
        if len(found) != 1:
            some = "no job" if not found else f"{len(found)} jobs"
            raise UnknownJobError(f"the journal {self.place.shown} has {some} named {name}; see: bulk status")
        return found[0]

    def find(self, job_id: str) -> Job | None:
        """Return a job, or None."""
        found = self._client.list_workflows(workflow_ids=[job_id], load_input=False, load_output=False)
        return _job(found[0]) if found else None

    def submit(self, plan: Plan, job: Job, said: Callable[[int], object] = lambda _: None) -> Job:
        """Put all rows of a list into the journal; what is there already stays as it is.

        Args:
            plan: The list.
            job: What the job is to be.
            said: Told how many rows are in.

        Returns:
            The job as it is in the journal; of a known job, only the rate follows the argument.

        Raises:
            IncompatibleError: The job was begun by an incompatible version.
        """
        known, rate = self.find(job.id), job.rate
        if known is not None and known.check().submitted:
            self._update(known, rate=rate)
            return replace(known, rate=rate)
        if known is None:
            record: EnqueueOptions = {"workflow_name": "job", "queue_name": _PARKED, "workflow_id": job.id}
            self._client.enqueue({**record, "attributes": _attributes(job)})
        job = known or job  # a list that is in the journal in part has to be cut as it was begun
        self._client.register_queue(
            job.queue,
            global_concurrency=0 if job.paused else job.lanes,
            # A look costs 3 ms of processor, which a run without a limit has better use for.
            polling_interval_sec=0.25 if job.rate is None else 0.1,
            application_name=_application(job.base_url),
        )
        self._note(job, _UNSENT, (outcome.to_json() for outcome in plan.not_sent()))
        self._note(job, _DUPLICATES, (list(pair) for pair in plan.duplicates()))
        rows, left = 0, iter(plan.rows())
        sizes = chunk_sizes(plan.counts.sendable, job.chunk, job.lanes, window_for(job.lanes, job.rate))
        chunks = (list(itertools.islice(left, size)) for size in sizes)
        for batch in _batches(enumerate(chunks), 5):
            with self.engine.begin() as connection:
                for number, chunk in batch:
                    self._client.enqueue_in_transaction(
                        connection, _part(job, number, 0), job.id, number, 0, _pack_rows(chunk), {}
                    )
                    rows += len(chunk)
            said(rows)
        self._update(job, submitted=True, rate=rate)
        return replace(job, submitted=True, rate=rate)

    def _note(self, job: Job, kind: str, items: Iterable[Any]) -> None:
        """Keep what is said about a list and is no work."""
        for number, batch in enumerate(_batches(items, 500)):
            options: EnqueueOptions = {
                "workflow_name": "note",
                "queue_name": _PARKED,
                "workflow_id": f"{job.id}{kind}{number:06d}",
            }
            self._client.enqueue(options, batch)

    def _noted(self, job: Job, kind: str) -> Iterator[Any]:
        for number in itertools.count():
            found = self._client.list_workflows(workflow_ids=[f"{job.id}{kind}{number:06d}"])
            if not found or found[0].input is None:
                return
            yield from found[0].input["args"][0]

    def _update(self, job: Job, **changes: Any) -> None:
        self._client.update_workflow_attributes(job.id, changes, merge=True)

    def pause(self, job: Job, reason: str, detail: str = "") -> None:
        """Begin no more chunks of a job, on no host; those under way hand on what is left of them."""
        self._update(job, paused=reason, detail=detail[:500])
        self._set_lanes(job, 0)

    def unpause(self, job: Job) -> None:
        """Go on with a job."""
        self._update(job.check(), paused="", detail="")
        self._set_lanes(job, job.lanes)

    def _set_lanes(self, job: Job, lanes: int) -> None:
        queue = self._client.retrieve_queue(job.queue)
        if queue is not None:
            queue.set_global_concurrency(lanes)

    def purge(self, job: Job) -> None:
        """Delete all that is known of a job, its rows first of all."""
        queue = self._client.retrieve_queue(job.queue)
        if queue is not None:
            self._client.delete_queue(job.queue)
        for mark in ("-", _UNSENT, _DUPLICATES):
            while found := self._client.list_workflows(
                workflow_id_prefix=job.id + mark, limit=200, load_input=False, load_output=False
            ):
                self._client.delete_workflows([status.workflow_id for status in found])
        self._client.delete_workflows([job.id])
        if self.place.path is not None:
            # A deleted row stays in a SQLite file, and in its log, until it is rewritten.
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    # -- what became of the rows --

    def tally(self, job: Job) -> Tally:
        """Add up what is known of a job's rows."""
        total = _Count()
        total.states.update({"invalid": job.counts.invalid, "conflict": job.counts.conflict})
        found = self._parts(job, load_output=True)
        names = {status.workflow_id for status in found}
        left = 0
        for status in found:
            total.states["gave_up"] -= (status.attributes or {}).get("again", 0)
            total.maybe_applied -= (status.attributes or {}).get("maybe_applied", 0)
            total.attempts -= (status.attributes or {}).get("attempts", 0)
            if status.status == "SUCCESS":
                total.add_packed(cast("dict[str, Any]", status.output))
                continue
            if status.status in _OPEN or _next_part(status.workflow_id) not in names:
                left += 1
            for step in self._steps(status.workflow_id):
                total.add(step["outcomes"])
        counts = {state: count for state, count in total.states.items() if count}
        return Tally(counts, total.maybe_applied, total.attempts, left)

    def done(self, job: Job) -> bool:
        """Tell whether every row of a job is settled."""
        if not job.submitted or self._parts(job, status=_OPEN, limit=1):
            return False
        # One query for both: between two, another worker could take over a dead chunk, and its next part be in neither.
        parts = self._parts(job)
        names = {status.workflow_id for status in parts}
        return all(
            status.status == "SUCCESS" or _next_part(status.workflow_id) in names for status in parts
        ) and not any(status.status in _OPEN for status in parts)

    def _dead(self, job: Job) -> list[WorkflowStatus]:
        """Return the parts whose worker died and that have no next part yet."""
        dead = self._parts(job, status=["CANCELLED", "ERROR"])
        if not dead:
            return []
        following = [_next_part(status.workflow_id) for status in dead]
        found = self._client.list_workflows(workflow_ids=following, load_input=False, load_output=False)
        names = {status.workflow_id for status in found}
        return [status for status in dead if _next_part(status.workflow_id) not in names]

    def _parts(self, job: Job, *, load_output: bool = False, **filters: Any) -> list[WorkflowStatus]:
        return self._client.list_workflows(
            workflow_id_prefix=f"{job.id}-", load_input=False, load_output=load_output, **filters
        )

    def _steps(self, workflow_id: str) -> list[dict[str, Any]]:
        found = self._client.list_workflow_steps(workflow_id)
        return [step["output"] for step in found if step["function_name"] == "send" and step["output"]]

    def outcomes(self, job: Job) -> Iterator[Outcome]:
        """Yield the outcome of every row that is settled, by line; memory does not grow with the list."""
        yield from heapq.merge(
            self._sent(job), map(Outcome.from_json, self._noted(job, _UNSENT)), key=lambda outcome: outcome.line
        )

    def duplicates(self, job: Job) -> Iterator[Duplicate]:
        """Yield the rows that repeat an earlier one, by line."""
        return (Duplicate(*pair) for pair in self._noted(job, _DUPLICATES))

    def _sent(self, job: Job) -> Iterator[Outcome]:
        names = sorted(_number_and_part(status.workflow_id) for status in self._parts(job))
        for _, group in itertools.groupby(names, lambda name: name[0]):
            parts = list(group)
            sids = {row.line: row.sids for row in self._rows(_part_id(job.id, *parts[0]))}
            settled: dict[int, Outcome] = {}
            for number, part in parts:
                for step in self._steps(_part_id(job.id, number, part)):
                    # A row that gave up and was tried again has the outcome of the later part.
                    settled.update((line, Outcome(line, sids[line], *rest)) for line, *rest in step["outcomes"])
            yield from (settled[line] for line in sorted(settled))

    def _rows(self, workflow_id: str) -> list[Row]:
        (status,) = self._client.list_workflows(workflow_ids=[workflow_id], load_output=False)
        return _unpack_rows(cast("Any", status.input)["args"][3])

    # -- what is to be done again --

    def try_again(self, job: Job) -> int:
        """Put the rows that gave up back into the queue; return how many there were."""
        if not self.done(job) or not self.tally(job).counts.get("gave_up"):
            return 0
        total = 0
        names = sorted(_number_and_part(status.workflow_id) for status in self._parts(job))
        for number, group in itertools.groupby(names, lambda name: name[0]):
            last = max(part for _, part in group)
            settled: dict[int, list[Any]] = {}
            for part in range(last + 1):
                for step in self._steps(_part_id(job.id, number, part)):
                    settled.update((line, rest) for line, *rest in step["outcomes"])
            again = {line: rest for line, rest in settled.items() if rest[0] == "gave_up"}
            if not again:
                continue
            rows = [row for row in self._rows(_part_id(job.id, number, 0)) if row.line in again]
            histories: dict[int, History] = {
                line: (0, attempts, replays, maybe_applied, 0.0)
                for line, (_, _, _, _, maybe_applied, attempts, replays, *_) in again.items()
            }
            doubtful = sum(bool(rest[4]) for rest in again.values())
            attempts = sum(rest[5] for rest in again.values())
            options = _part(job, number, last + 1, again=len(again), maybe_applied=doubtful, attempts=attempts)
            self._client.enqueue(options, job.id, number, last + 1, _pack_rows(rows), histories)
            total += len(again)
        return total

    def take_over(self, job: Job) -> int:
        """Make the next part of every chunk whose worker died; return how many there were.

        Every live worker does so, and they may do so at once: the part's name decides.
        """
        dead = self._dead(job)
        for status in dead:
            number, part = _number_and_part(status.workflow_id)
            # Read after it was cancelled: DBOS lets its old worker record nothing more.
            steps = self._steps(status.workflow_id)
            settled = {line for step in steps for line, *_ in step["outcomes"]}
            (whole,) = self._client.list_workflows(workflow_ids=[status.workflow_id], load_output=False)
            rows, histories = cast("Any", whole.input)["args"][3:5]
            left = [row for row in rows if row[0] not in settled]
            self._client.enqueue(_part(job, number, part + 1), job.id, number, part + 1, left, histories)
        return len(dead)

    def begin(self, job: Job) -> None:
        """Free what a dead process of this machine was working on.

        For an embedded journal, whose lock this process holds, so that nobody else works on it.
        """
        if self.place.path is None:
            return
        pending = [status.workflow_id for status in self._parts(job, status="PENDING")]
        if pending:
            self._client.resume_workflows(pending, queue_name=job.queue)
        self.take_over(job)


def _engine(place: Place) -> sa.Engine:
    if place.path is None:
        url = sa.make_url(place.url).set(drivername="postgresql+psycopg")
        return sa.create_engine(url, pool_size=10, max_overflow=20, pool_pre_ping=True, hide_parameters=True)
    engine = sa.create_engine(place.url, pool_size=10, max_overflow=20, hide_parameters=True)

    def connected(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")  # the rows hold personal data
        if sqlite3.sqlite_version_info < (3, 42):
            # DBOS asks for unixepoch('subsec'), which older ones answer with NULL.
            connection.create_function("unixepoch", 1, lambda _: time.time())

    event.listen(engine, "connect", connected)
    return engine


_JOB_FIELDS = ("source", "base_url", "rate", "lanes", "lease", "chunk", "replay", "submitted", "paused", "detail")


def _attributes(job: Job) -> dict[str, Any]:
    facts = {name: getattr(job, name) for name in (*_JOB_FIELDS, "created", "format", "client")}
    return {**facts, "counts": list(job.counts)}


def _job(status: WorkflowStatus) -> Job:
    facts = dict(status.attributes or {})
    counts = facts.pop("counts", [0] * 5)
    known = {name: value for name, value in facts.items() if name in Job.__dataclass_fields__}
    return Job(id=status.workflow_id, counts=Counts(*counts), **known)


def _next_part(workflow_id: str) -> str:
    head, _, part = workflow_id.rpartition(".")
    return f"{head}.{int(part) + 1}"


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


# -- the worker -------------------------------------------------------------------------------------------------------


@dataclass
class Worker:
    """Works on the jobs of a journal in this process: DBOS allows one of it.

    Attributes:
        lanes: How many chunks are under way here.
        jobs: The jobs, as they were a second ago.
        journal: The journal.
        gate: What the lanes share.
        base_url: Where the gate's client sends; jobs for other services are left alone.
        only: The job to work on; None for all.
        settled: Told of outcomes, as soon as they are in the journal.
    """

    journal: Journal
    gate: Gate
    base_url: str
    only: str | None = None
    settled: Callable[[dict[str, int]], object] = lambda _: None
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    lanes: int = 0
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def lane(self, job_id: str, rows: list[tuple[Row, History | None]]) -> Lane:
        """Open a lane for a chunk."""
        job = self.jobs[job_id]
        until = self.gate.clock() + _turn(job.lease)
        view = self.gate.client.with_options(retries=0, deadline=attempt_limit(job.lease), read_back="never")
        return Lane(
            self.gate, view, rows, rate=lambda: self.jobs[job_id].rate, lanes=job.lanes, until=until,
            replay=job.replay, halted=lambda: bool(self.jobs[job_id].paused),
        )  # fmt: skip

    async def run(
        self, ended: Callable[[], Awaitable[bool]], pause: Callable[[str, str], Awaitable[None]] | None = None
    ) -> None:
        """Work until `ended` says so, or the gate is stopped; finish what is under way and hand on the rest.

        Args:
            ended: Asked again and again whether to end.
            pause: Called with reason and detail where a job cannot go on; then the work on others does. Without it,
                that is the end.

        Raises:
            JournalError: Nothing can be written any more. The process has to end, by `os._exit`: DBOS goes on trying.
        """
        global _worker  # noqa: PLW0603 - a workflow is a plain function, and DBOS is one to a process
        await asyncio.to_thread(self.refresh)
        _worker = self
        DBOS(
            config={
                "name": _application(self.base_url),
                "system_database_url": self.journal.place.url,
                "system_database_engine": self.journal.engine,
                "serializer": _Json(),
                "application_version": _application(self.base_url),
                "executor_id": f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}",
                "use_listen_notify": False,
                "scheduler_polling_interval_sec": 3600.0,
                "log_level": "CRITICAL",
            }
        )
        if self.only is not None:
            DBOS.listen_queues([self.jobs[self.only].queue])
        DBOS.launch()
        watch = asyncio.create_task(self._watch())

        async def over() -> bool:
            try:
                return await ended()
            except SQLAlchemyError:
                return False  # the watch finds out whether it stays so

        while not watch.done() and not await over():
            if self.gate.stopped and (pause is None or self.gate.stopped in _FINAL):
                break
            if self.gate.stopped and pause is not None:
                await pause(self.gate.stopped, self.gate.detail)
                await asyncio.to_thread(self.refresh)
                while self.lanes:  # noqa: ASYNC110 - once per pause
                    await asyncio.sleep(0.05)
                self.gate.restart()
            await asyncio.wait([watch], timeout=0.1)
        # Destroying DBOS ends the taking up of chunks at once, and waits for those that are under way: a job that was
        # cancelled elsewhere has some, and what they have sent has to get into the journal.
        patience = 3600 if self.gate.stopped or self.lanes else 0
        self.gate.stop("stop")
        leave = asyncio.create_task(asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=patience))
        await asyncio.wait([watch, leave], return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            watch.result()
        watch.cancel()
        await leave
        _worker = None

    async def _watch(self) -> None:
        """Follow the journal: what is paused elsewhere, whose worker died, whether the disk holds."""
        while True:
            # Threads of its own, because DBOS makes its pool the loop's, and closes it.
            look = asyncio.get_running_loop().run_in_executor(self._threads, self._look)
            while not look.done():
                # Where nothing can be written, the look does not come back.
                await asyncio.wait([look], timeout=0.5)
                if self.journal.broken:
                    place, why = self.journal.place.shown, self.journal.broken
                    raise JournalError(f"the journal {place} cannot be written: {why}")
            if not isinstance(look.exception(), (SQLAlchemyError, type(None))):
                look.result()
            await asyncio.sleep(1.0)

    def _look(self) -> None:
        path = self.journal.place.path
        if path is not None and disk_full(path):
            self.gate.stop("disk", f"the disk of the journal {path} is nearly full")
        if self.journal.broken:
            return
        self.refresh()
        if not self.gate.stopped:
            for job in self.jobs.values():
                if not job.paused:
                    self.journal.take_over(job)

    def refresh(self) -> None:
        """Read the jobs anew."""
        jobs = self.journal.jobs()
        mine = [job for job in jobs if job.base_url == self.base_url and job.format == FORMAT]
        self.jobs.update((job.id, job) for job in mine if self.only in (None, job.id))


_worker: Worker | None = None


@DBOS.workflow(name="chunk", max_recovery_attempts=1_000_000)
async def _chunk(  # pyright: ignore[reportUnusedFunction] - DBOS calls it by its name
    job_id: str, number: int, part: int, packed: list[list[Any]], histories: dict[str, History]
) -> dict[str, Any]:
    """Settle the rows of a chunk. DBOS runs it again from the start after a crash, with the steps that are recorded."""
    worker = _worker
    assert worker is not None  # noqa: S101 - DBOS is launched by a worker alone
    settled: set[int] = set()
    count = _Count()
    lane: Lane | None = None
    rest: dict[str, History] | None = None
    fresh = False

    async def send() -> dict[str, Any]:
        nonlocal lane, fresh
        fresh = True
        if lane is None:
            left = (row for row in _unpack_rows(packed) if row.line not in settled)
            lane = worker.lane(job_id, [(row, histories.get(str(row.line))) for row in left])
        return _pack(await lane.collect())

    worker.lanes += 1
    try:
        if job_id not in worker.jobs:  # submitted a moment ago
            await asyncio.to_thread(worker.refresh)
        while rest is None:
            fresh = False
            step = await DBOS.run_step_async({"name": "send"}, send)
            settled.update(line for line, *_ in step["outcomes"])
            before = Counter(count.states)
            count.add(step["outcomes"])
            if fresh:
                worker.settled(dict(count.states - before))
            rest = step["rest"]
        if rest:
            left = [row for row in packed if str(row[0]) in {str(line) for line in rest}]
            options = _part(worker.jobs[job_id], number, part + 1)
            known = {str(line): history for line, history in rest.items() if any(history)}
            await DBOS.enqueue_workflow_with_options_async(options, job_id, number, part + 1, left, known)
    finally:
        worker.lanes -= 1
        if lane is not None:
            lane.close()
    return count.pack()
