"""The tables of bulk, and every statement on them.

DBOS keeps the queues and which part of which chunk runs where. What is known of jobs, rows,
outcomes and sessions is here, and each portion of outcomes is one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypedDict, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from smarterproctoring_bulk.compare import Known
from smarterproctoring_bulk.engine.many import (
    AmongMany,
    Given,
    Kinds,
    ManyRows,
    Value,
    batches,
)
from smarterproctoring_bulk.engine.summary import unpack_histories
from smarterproctoring_bulk.jobs import Job
from smarterproctoring_bulk.outcomes import History, Outcome, State
from smarterproctoring_bulk.plan import Duplicate, digest
from smarterproctoring_bulk.rows import Row

_BATCH = 500
"""Keys or rows of one statement."""
_PAGE = 5000
"""Outcomes that are read at a time."""
_LOCK = 727_003
"""The Postgres advisory lock under which the tables are created."""
_WAITING = ("ENQUEUED", "DELAYED")
"""DBOS's states of a part that will run."""
_OPEN = (*_WAITING, "PENDING")
"""DBOS's states of a part that will run or runs."""


class JobChanges(TypedDict, total=False):
    """What can change of a job."""

    rate: float | None
    lanes: int
    lease: float
    replay: bool
    record_before: bool
    submitted: bool
    paused: str
    detail: str


class RowRecord(TypedDict):
    """A row as the journal holds it."""

    line: int
    sids: list[str]
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk as far as it is.

    Attributes:
        number: Its number within the job.
        part: Which of its parts is at work, or is to be.
        portion: How many portions of it were recorded.
        begun: How many of its rows, from the first, were begun or are settled.
        slot: When its lane may begin the next attempt, in seconds since 1970.
        histories: By line, what is known of begun rows that are not settled.
        rows: All its rows.
    """

    number: int
    part: int
    portion: int
    begun: int
    slot: float | None
    histories: Mapping[int, History]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Portion:
    """What a part records in one transaction.

    Attributes:
        chunk: The chunk as it was before.
        workflow: DBOS's name of the part.
        outcomes: Rows that are settled now.
        sendings: By line, how often each of those was sent.
        begun: As in `Chunk`.
        histories: As in `Chunk`.
        slot: As in `Chunk`.
        next_part: DBOS's name of the next part, where this one hands on what is left;
            None if it goes on or if nothing is left.
        ended: Whether this is the last portion of the part.
    """

    chunk: Chunk
    workflow: str
    outcomes: Sequence[Outcome]
    sendings: Mapping[int, int]
    begun: int
    histories: Mapping[int, History]
    slot: float | None
    next_part: str | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The present part of a chunk that is not done, as DBOS knows it.

    Attributes:
        chunk: The number of the chunk.
        workflow: DBOS's name of it.
        status: DBOS's state of it; None if it is not there.
        executor: Which process works on it.
        deadline: When its worker counts as dead, in seconds since 1970; None if it was
            not begun.
    """

    chunk: int
    workflow: str
    status: str | None
    executor: str
    deadline: float | None


Recorded = Literal["recorded", "superseded", "lost"]
"""What came of recording a portion: `superseded` if another job has taken sessions over,
`lost` if another worker has taken the chunk over, and nothing was recorded."""


class _Tables:
    """The tables, in the schemas that a database has for them."""

    def __init__(self, own: str | None, dbos: str | None) -> None:
        self.metadata = sa.MetaData(schema=own)
        self.jobs = sa.Table(
            "jobs",
            self.metadata,
            sa.Column("id", sa.Text, primary_key=True),
            sa.Column("fingerprint", sa.Text, nullable=False),
            sa.Column("source", sa.Text, nullable=False),
            sa.Column("base_url", sa.Text, nullable=False),
            sa.Column("kind", sa.Text, nullable=False),
            sa.Column("rows", sa.Integer, nullable=False),
            sa.Column("sendable", sa.Integer, nullable=False),
            sa.Column("duplicate", sa.Integer, nullable=False),
            sa.Column("conflict", sa.Integer, nullable=False),
            sa.Column("invalid", sa.Integer, nullable=False),
            sa.Column("rate", sa.Double),
            sa.Column("lanes", sa.Integer, nullable=False),
            sa.Column("lease", sa.Double, nullable=False),
            sa.Column("chunk", sa.Integer, nullable=False),
            sa.Column("window", sa.Integer, nullable=False),
            sa.Column("replay", sa.Boolean, nullable=False),
            sa.Column("record_before", sa.Boolean, nullable=False),
            sa.Column("submitted", sa.Boolean, nullable=False),
            sa.Column("paused", sa.Text, nullable=False),
            sa.Column("detail", sa.Text, nullable=False),
            sa.Column("created", sa.Double, nullable=False),
            sa.Column("format", sa.Integer, nullable=False),
            sa.Column("client", sa.Text, nullable=False),
        )
        self.chunk_rows = sa.Table(
            "chunk_rows",
            self.metadata,
            sa.Column("job", sa.Text, primary_key=True),
            sa.Column("number", sa.Integer, primary_key=True),
            sa.Column("rows", sa.Text, nullable=False),
        )
        self.chunks = sa.Table(
            "chunks",
            self.metadata,
            sa.Column("job", sa.Text, primary_key=True),
            sa.Column("number", sa.Integer, primary_key=True),
            sa.Column("workflow", sa.Text, nullable=False),
            sa.Column("part", sa.Integer, nullable=False),
            sa.Column("portion", sa.Integer, nullable=False),
            sa.Column("done", sa.Boolean, nullable=False),
            sa.Column("begun", sa.Integer, nullable=False),
            sa.Column("slot", sa.Double),
            sa.Column("histories", sa.Text, nullable=False),
        )
        self.outcomes = sa.Table(
            "outcomes",
            self.metadata,
            sa.Column("job", sa.Text, primary_key=True),
            sa.Column("line", sa.Integer, primary_key=True),
            sa.Column("session", sa.Text),
            sa.Column("state", sa.Text, nullable=False),
            sa.Column("status", sa.Integer),
            sa.Column("code", sa.Text),
            sa.Column("message", sa.Text),
            sa.Column("maybe_applied", sa.Boolean, nullable=False),
            sa.Column("attempts", sa.Integer, nullable=False),
            sa.Column("replays", sa.Integer, nullable=False),
            sa.Column("perhaps", sa.Integer, nullable=False),
            sa.Column("sendings", sa.Integer, nullable=False),
            sa.Column("elapsed", sa.Double, nullable=False),
            sa.Column("at", sa.Double, nullable=False),
            sa.Column("found", sa.Text),
            sqlite_with_rowid=False,
        )
        self.duplicates = sa.Table(
            "duplicates",
            self.metadata,
            sa.Column("job", sa.Text, primary_key=True),
            sa.Column("line", sa.Integer, primary_key=True),
            sa.Column("first", sa.Integer, nullable=False),
            sqlite_with_rowid=False,
        )
        # No index on the holder: with one, both planners choose it, and settling a
        # portion takes ten times as long.
        self.sessions = sa.Table(
            "sessions",
            self.metadata,
            sa.Column("service", sa.Text, primary_key=True),
            sa.Column("session", sa.Text, primary_key=True),
            sa.Column("holder", sa.Text),
            sa.Column("claim", sa.Text),
            sa.Column("digest", sa.Text),
            sa.Column("state", sa.Text),
            sa.Column("job", sa.Text),
            sa.Column("at", sa.Double),
            sa.Column("maybe_applied", sa.Boolean, nullable=False),
            sa.Column("sendings", sa.Integer, nullable=False),
            sa.Column("earlier", sa.Text, nullable=False),
            sqlite_with_rowid=False,
        )
        self.status = sa.table(
            "workflow_status",
            sa.column("workflow_uuid", sa.Text),
            sa.column("status", sa.Text),
            sa.column("name", sa.Text),
            sa.column("queue_name", sa.Text),
            sa.column("serialization", sa.Text),
            sa.column("executor_id", sa.Text),
            sa.column("workflow_deadline_epoch_ms", sa.BigInteger),
            schema=dbos,
        )
        self.steps = sa.table(
            "operation_outputs",
            sa.column("workflow_uuid", sa.Text),
            sa.column("serialization", sa.Text),
            schema=dbos,
        )


class Store:
    """What is known of jobs, rows, outcomes and sessions.

    Args:
        engine: The connections to the journal's database, which DBOS's tables are in too.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        if self._is_sqlite:
            self._tables = _Tables(None, None)
        else:
            self._tables = _Tables("bulk", "dbos")
        self._statements = _Statements(self._tables, is_sqlite=self._is_sqlite)

    def create(self) -> None:
        """Create the tables that are not there."""
        with self._engine.begin() as connection:
            # Another process may create them in the same moment.
            if self._is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                connection.execute(sa.schema.CreateSchema("bulk", if_not_exists=True))
            self._tables.metadata.create_all(connection)

    def begin(self) -> AbstractContextManager[sa.Connection]:
        """Return a transaction as a context manager."""
        return self._engine.begin()

    # -- jobs --

    def insert_job(self, job: Job) -> None:
        """Record a new job; one that is there stays as it is."""
        insert = self._statements.insert_job
        with self._engine.begin() as connection:
            connection.execute(insert, _job_values(job))

    def update(self, job_id: str, changes: JobChanges) -> None:
        """Change a job."""
        table = self._tables.jobs
        if changes:
            with self._engine.begin() as connection:
                connection.execute(
                    sa.update(table).where(table.c.id == job_id).values(**changes)
                )

    # -- submitting --

    def numbers(self, job_id: str) -> set[int]:
        """Return the numbers of the chunks that a job has."""
        table = self._tables.chunks
        query = sa.select(table.c.number).where(table.c.job == job_id)
        with self._engine.connect() as connection:
            return set(connection.execute(query).scalars())

    def lock_numbers(self, connection: sa.Connection, job_id: str) -> set[int]:
        """Return the numbers of the chunks that a job has, in the caller's transaction.

        Until its end, no other host adds any.
        """
        jobs = self._tables.jobs
        if not self._is_sqlite:
            lock = sa.select(jobs.c.id).where(jobs.c.id == job_id)
            connection.execute(lock.with_for_update())
        table = self._tables.chunks
        query = sa.select(table.c.number).where(table.c.job == job_id)
        return set(connection.execute(query).scalars())

    def add_chunk(
        self, connection: sa.Connection, job: Job, chunk: Chunk, workflow: str
    ) -> None:
        """Add a chunk in the caller's transaction."""
        records: list[RowRecord] = [
            {"line": row.line, "sids": list(row.sids), "fields": row.fields}
            for row in chunk.rows
        ]
        connection.execute(
            sa.insert(self._tables.chunk_rows),
            {"job": job.id, "number": chunk.number, "rows": _json(records)},
        )
        connection.execute(
            sa.insert(self._tables.chunks),
            {
                "job": job.id,
                "number": chunk.number,
                "workflow": workflow,
                "part": chunk.part,
                "portion": chunk.portion,
                "done": False,
                "begun": chunk.begun,
                "slot": chunk.slot,
                "histories": _pack_histories(chunk.histories),
            },
        )

    def claim(
        self, connection: sa.Connection, job: Job, rows: Sequence[Row], *, take: bool
    ) -> int:
        """Let a job hold the sessions of rows.

        Args:
            connection: The caller's transaction.
            job: The job.
            rows: The rows.
            take: Whether to take them from jobs that hold them.

        Returns:
            How many it holds now.
        """
        statement = self._statements.take if take else self._statements.claim
        service = job.service
        values = [
            _ClaimValues(service, row.sids[2], job.id, digest(row))
            for row in sorted(rows, key=_session_of)
        ]
        if not values:
            return 0
        held = statement.execute(connection, values)
        if held < 0:  # the driver for Postgres does not count what it inserts
            held = len(self._held(connection, job, [row.sids[2] for row in rows]))
        return held

    def knows(self, service: str) -> bool:
        """Tell whether anything is known of any session of a service."""
        table = self._tables.sessions
        query = sa.select(table.c.session).where(table.c.service == service).limit(1)
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def look_up(self, service: str, sessions: Iterable[str]) -> dict[str, Known]:
        """Return what is known of sessions."""
        table = self._tables.sessions
        found: dict[str, Known] = {}
        with self._engine.connect() as connection:
            for batch in batches(sessions, _BATCH):
                query = (
                    sa.select(table)
                    .where(table.c.service == service)
                    .where(table.c.session.in_(batch))
                )
                for row in connection.execute(query):
                    found[row.session] = Known(
                        holder=row.holder,
                        digest=row.digest,
                        state=row.state,
                        job=row.job,
                        maybe_applied=row.maybe_applied,
                        sendings=row.sendings,
                        earlier=frozenset(row.earlier.split()),
                    )
        return found

    def add_outcomes(
        self, connection: sa.Connection, job_id: str, outcomes: Iterable[Outcome]
    ) -> None:
        """Record outcomes of rows that are not sent."""
        for batch in batches(outcomes, _BATCH):
            values = [
                # They are in no chunk, which would know their SIDs.
                _outcome_values(job_id, outcome)._replace(session=outcome.sids[2])
                for outcome in batch
            ]
            self._statements.settle.execute(connection, values)

    def add_duplicates(self, job_id: str, duplicates: Iterable[Duplicate]) -> None:
        """Record the rows that repeat an earlier one."""
        with self._engine.begin() as connection:
            for batch in batches(duplicates, _BATCH):
                values = [
                    {"job": job_id, "line": each.line, "first": each.first}
                    for each in batch
                ]
                connection.execute(self._statements.insert_duplicate, values)

    # -- working --

    def chunk(self, job_id: str, number: int, connection: sa.Connection) -> Chunk:
        """Return a chunk with its rows."""
        table = self._tables.chunks
        rows = self._tables.chunk_rows
        query = (
            sa.select(table, rows.c.rows)
            .join(
                rows,
                sa.and_(rows.c.job == table.c.job, rows.c.number == table.c.number),
            )
            .where(table.c.job == job_id, table.c.number == number)
        )
        return _chunk(connection.execute(query).mappings().one())

    def chunk_of_part(self, job_id: str, number: int, part: int) -> Chunk | None:
        """Return the chunk that a part works on; None if another part has followed."""
        with self._engine.connect() as connection:
            found = self.chunk(job_id, number, connection)
        return found if found.part == part else None

    def held(self, job: Job, rows: Sequence[Row]) -> set[str]:
        """Return the sessions among those of the rows that the job holds."""
        with self._engine.connect() as connection:
            return self._held(connection, job, [row.sids[2] for row in rows])

    def _held(
        self, connection: sa.Connection, job: Job, sessions: Sequence[str]
    ) -> set[str]:
        given = {"for_service": job.service, "for_holder": job.id}
        found: set[str] = set()
        for batch in batches(sessions, _BATCH):
            found.update(self._statements.held.execute(connection, given, batch))
        return found

    def settled_lines(self, job_id: str, first: int, last: int) -> set[int]:
        """Return the lines of a range that have an outcome."""
        table = self._tables.outcomes
        query = sa.select(table.c.line).where(
            table.c.job == job_id, table.c.line.between(first, last)
        )
        with self._engine.connect() as connection:
            return set(connection.execute(query).scalars())

    def record(self, connection: sa.Connection, job: Job, portion: Portion) -> Recorded:
        """Record a portion in the caller's transaction.

        The part's row in DBOS's table is locked first, and must say that the part runs:
        so nothing is recorded by a worker whose chunk was taken over.
        """
        status = self._tables.status
        fence = sa.select(status.c.status).where(
            status.c.workflow_uuid == portion.workflow
        )
        if not self._is_sqlite:
            fence = fence.with_for_update()
        running = connection.execute(fence).scalar() == "PENDING"
        moved = self._move_on(connection, job, portion)
        if moved == "again":
            return "recorded"
        if not running or moved == "lost":
            return "lost"
        outcomes = portion.outcomes
        values = [
            _outcome_values(job.id, outcome, portion.sendings.get(outcome.line, 0))
            for outcome in outcomes
        ]
        if values:
            self._statements.settle.execute(connection, values)
        return self._release(connection, job, portion)

    def _move_on(
        self, connection: sa.Connection, job: Job, portion: Portion
    ) -> Literal["moved", "again", "lost"]:
        """Move the chunk on; tell whether that was done before, or by another worker."""
        chunk = portion.chunk
        table = self._tables.chunks
        mine = sa.and_(table.c.job == job.id, table.c.number == chunk.number)
        next_part = portion.next_part
        done = portion.ended and next_part is None
        changed = connection.execute(
            sa.update(table)
            .where(mine, table.c.part == chunk.part, table.c.portion == chunk.portion)
            .values(
                portion=chunk.portion + 1,
                begun=portion.begun,
                histories=_pack_histories(portion.histories),
                slot=portion.slot,
                part=chunk.part + (1 if next_part else 0),
                workflow=next_part or portion.workflow,
                done=done,
            )
        ).rowcount
        if changed:
            return "moved"
        found = connection.execute(
            sa.select(table.c.portion, table.c.workflow).where(mine)
        ).one()
        expected = next_part or portion.workflow
        # The connection broke after the commit, and the same portion is recorded again.
        if found.portion == chunk.portion + 1 and found.workflow == expected:
            return "again"
        return "lost"

    def _release(
        self, connection: sa.Connection, job: Job, portion: Portion
    ) -> Recorded:
        """Note in the sessions what became of them, and hold them no more."""
        applied: list[_AppliedValues] = []
        unchanged: list[_HeldValues] = []
        service = job.service
        for outcome in sorted(portion.outcomes, key=_session_of):
            if outcome.state == "ok" or outcome.maybe_applied:
                sendings = portion.sendings.get(outcome.line, 0)
                applied.append(_applied_values(job.id, service, outcome, sendings))
            elif outcome.state != "superseded":
                unchanged.append(_HeldValues(service, outcome.sids[2], job.id))
        hits = 0
        if applied:
            hits += self._statements.apply.execute(connection, applied)
        if unchanged:
            hits += self._statements.release.execute(connection, unchanged)
        if hits < len(applied) + len(unchanged):
            return "superseded"
        return "recorded"

    # -- reading back --

    def doubtful(self, job_id: str) -> dict[int, Outcome]:
        """Return the settled rows that are not `ok` and may have been applied, by line.

        Of rows that another job has superseded, a read says nothing.
        """
        table = self._tables.outcomes
        query = sa.select(table).where(
            table.c.job == job_id,
            table.c.maybe_applied,
            table.c.state.not_in(("ok", "superseded")),
        )
        with self._engine.connect() as connection:
            found = connection.execute(query).mappings().all()
        return {row["line"]: _outcome(row) for row in found}

    def superseded_in_doubt(self, job_id: str) -> int:
        """Count the rows that may have been applied, and that another job has superseded."""
        table = self._tables.outcomes
        query = (
            sa.select(sa.func.count())
            .select_from(table)
            .where(table.c.job == job_id, table.c.maybe_applied)
            .where(table.c.state == "superseded")
        )
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def confirm(self, connection: sa.Connection, job: Job, outcome: Outcome) -> bool:
        """Record in the caller's transaction that a settled row was found applied.

        Returns:
            Whether it was recorded; False if another job holds or changed the session.
        """
        sessions = self._tables.sessions
        mine = connection.execute(
            sa.update(sessions)
            .where(
                sessions.c.service == job.service,
                sessions.c.session == outcome.sids[2],
                sessions.c.job == job.id,
                sessions.c.holder.is_(None),
            )
            .values(state=outcome.state, maybe_applied=False, at=outcome.at)
        ).rowcount
        if mine != 1:
            return False
        return self.note(connection, job.id, outcome)

    def note(self, connection: sa.Connection, job_id: str, outcome: Outcome) -> bool:
        """Change the outcome of a row that may have been applied; tell whether it is there."""
        table = self._tables.outcomes
        changed = connection.execute(
            sa.update(table)
            .where(
                table.c.job == job_id,
                table.c.line == outcome.line,
                table.c.maybe_applied,
            )
            .values(
                state=outcome.state,
                status=outcome.status,
                code=outcome.code,
                message=outcome.message,
                maybe_applied=outcome.maybe_applied,
                at=outcome.at,
            )
        ).rowcount
        return changed == 1

    def confirm_open(
        self,
        connection: sa.Connection,
        job: Job,
        number: int,
        outcomes: Sequence[Outcome],
    ) -> set[int]:
        """Record in the caller's transaction that unsettled rows of a chunk were found applied.

        Nothing is recorded while a part of the chunk runs: it reads back itself.

        Returns:
            The lines that are settled now; not those whose session another job has.
        """
        table = self._tables.chunks
        mine = sa.and_(table.c.job == job.id, table.c.number == number)
        workflow = connection.execute(sa.select(table.c.workflow).where(mine)).scalar()
        status = self._tables.status
        fence = sa.select(status.c.status).where(status.c.workflow_uuid == workflow)
        if not self._is_sqlite:
            fence = fence.with_for_update()
        if connection.execute(fence).scalar() == "PENDING":
            return set()
        # A take-over that has read the chunk before sees by the portion that it changed.
        moved = connection.execute(
            sa.update(table)
            .where(mine, table.c.workflow == workflow, table.c.done.is_(False))
            .values(portion=table.c.portion + 1)
        ).rowcount
        if moved != 1:
            return set()
        chunk = self.chunk(job.id, number, connection)
        left = dict(chunk.histories)
        settled: set[int] = set()
        for outcome in outcomes:
            history = left.get(outcome.line)
            if history is None or not self._apply(connection, job, outcome, history):
                continue
            values = _outcome_values(job.id, outcome, history.sendings)
            self._statements.settle.execute(connection, [values])
            settled.add(outcome.line)
            del left[outcome.line]
        done = not left and chunk.begun >= len(chunk.rows)
        connection.execute(
            sa.update(table)
            .where(mine)
            .values(histories=_pack_histories(left), done=done)
        )
        return settled

    def _apply(
        self, connection: sa.Connection, job: Job, outcome: Outcome, history: History
    ) -> bool:
        """Note in a session that a row was applied; False if another job holds it."""
        values = _applied_values(job.id, job.service, outcome, history.sendings)
        return self._statements.apply.execute(connection, [values]) == 1

    def waiting_parts(self, job: Job) -> list[str]:
        """Return DBOS's names of the job's parts that run now."""
        table = self._tables.status
        query = (
            sa.select(table.c.workflow_uuid)
            .where(table.c.queue_name == job.queue)
            .where(table.c.status == "PENDING")
        )
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def parts(self, job: Job) -> list[Part]:
        """Return the present parts of the chunks that are not done."""
        table = self._tables.chunks
        status = self._tables.status
        query = (
            sa.select(
                table.c.number,
                table.c.workflow,
                status.c.status,
                status.c.executor_id,
                status.c.workflow_deadline_epoch_ms.label("deadline"),
            )
            .outerjoin(status, status.c.workflow_uuid == table.c.workflow)
            .where(table.c.job == job.id, table.c.done.is_(False))
        )
        found: list[Part] = []
        with self._engine.connect() as connection:
            for row in connection.execute(query):
                deadline = None if row.deadline is None else row.deadline / 1000
                found.append(
                    Part(
                        chunk=row.number,
                        workflow=row.workflow,
                        status=row.status,
                        executor=row.executor_id or "",
                        deadline=deadline,
                    )
                )
        return found

    def dead_chunks(self, job: Job) -> list[int]:
        """Return the numbers of chunks that are not done and that no part works on."""
        table = self._tables.chunks
        status = self._tables.status
        query = (
            sa.select(table.c.number)
            .outerjoin(status, status.c.workflow_uuid == table.c.workflow)
            .where(table.c.job == job.id, table.c.done.is_(False))
            .where(sa.or_(status.c.status.is_(None), status.c.status.not_in(_OPEN)))
            .order_by(table.c.number)
        )
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def restart(
        self,
        connection: sa.Connection,
        job: Job,
        chunk: Chunk,
        workflow: str,
        histories: Mapping[int, History],
        *,
        begun: int,
    ) -> bool:
        """Let another part follow on the present one of a chunk, in the caller's transaction.

        Returns:
            Whether it does; False if somebody else was faster.
        """
        table = self._tables.chunks
        changed = connection.execute(
            sa.update(table)
            .where(table.c.job == job.id, table.c.number == chunk.number)
            .where(table.c.part == chunk.part, table.c.portion == chunk.portion)
            .values(
                part=chunk.part + 1,
                workflow=workflow,
                done=False,
                begun=begun,
                histories=_pack_histories(histories),
            )
        ).rowcount
        return changed == 1

    def forget_outcomes(
        self, connection: sa.Connection, job_id: str, lines: Iterable[int]
    ) -> None:
        """Delete the outcomes of rows that are to be sent again."""
        table = self._tables.outcomes
        for batch in batches(lines, _BATCH):
            connection.execute(
                sa.delete(table).where(table.c.job == job_id, table.c.line.in_(batch))
            )

    # -- looking --

    def chunks(self, job_id: str) -> Iterator[Chunk]:
        """Yield the chunks of a job in the order of the list."""
        for number in sorted(self.numbers(job_id)):
            with self._engine.connect() as connection:
                yield self.chunk(job_id, number, connection)

    def outcomes(self, job_id: str) -> Iterator[Outcome]:
        """Yield the recorded outcomes by line; of the SIDs, only a session is known."""
        table = self._tables.outcomes
        last = 0
        while True:
            query = (
                sa.select(table)
                .where(table.c.job == job_id, table.c.line > last)
                .order_by(table.c.line)
                .limit(_PAGE)
            )
            with self._engine.connect() as connection:
                page = connection.execute(query).mappings().all()
            for row in page:
                yield _outcome(row)
            if len(page) < _PAGE:
                return
            last = page[-1]["line"]

    def gave_up(self, job_id: str) -> dict[int, tuple[Outcome, int]]:
        """Return the rows that gave up, by line, each with how often it was sent."""
        table = self._tables.outcomes
        query = sa.select(table).where(
            table.c.job == job_id, table.c.state == "gave_up"
        )
        with self._engine.connect() as connection:
            found = connection.execute(query).mappings().all()
        return {row["line"]: (_outcome(row), row["sendings"]) for row in found}

    def duplicates(self, job_id: str) -> Iterator[Duplicate]:
        """Yield the rows that repeat an earlier one, by line."""
        table = self._tables.duplicates
        last = 0
        while True:
            query = (
                sa.select(table.c.line, table.c.first)
                .where(table.c.job == job_id, table.c.line > last)
                .order_by(table.c.line)
                .limit(_PAGE)
            )
            with self._engine.connect() as connection:
                page = connection.execute(query).all()
            for row in page:
                yield Duplicate(row.line, row.first)
            if len(page) < _PAGE:
                return
            last = page[-1].line

    # -- purging --

    def purge(self, job: Job) -> None:
        """Delete all that is known of a job."""
        tables = self._tables
        sessions = tables.sessions
        with self._engine.begin() as connection:
            for table in (
                tables.chunk_rows,
                tables.chunks,
                tables.outcomes,
                tables.duplicates,
            ):
                connection.execute(sa.delete(table).where(table.c.job == job.id))
            connection.execute(
                sa.update(sessions)
                .where(sessions.c.holder == job.id)
                .values(holder=None, claim=None)
            )
            connection.execute(
                sa.delete(sessions).where(
                    sessions.c.holder.is_(None),
                    sa.or_(sessions.c.job.is_(None), sessions.c.job == job.id),
                )
            )
            connection.execute(sa.delete(tables.jobs).where(tables.jobs.c.id == job.id))

    def rewrite(self) -> None:
        """Rewrite a SQLite file: what was deleted stays in it, and in its log, until then."""
        if not self._is_sqlite:
            return
        with self._engine.connect() as connection:
            plain = connection.execution_options(isolation_level="AUTOCOMMIT")
            plain.exec_driver_sql("VACUUM")
            plain.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


class _OutcomeValues(NamedTuple):
    """The values of an outcome, each by the name of its column."""

    job: str
    line: int
    session: str | None
    state: str
    status: int | None
    code: str | None
    message: str | None
    maybe_applied: bool
    attempts: int
    replays: int
    perhaps: int
    sendings: int
    elapsed: float
    at: float
    found: str | None


class _ClaimValues(NamedTuple):
    """The values of a session that a job is to hold, each by the name of its column."""

    service: str
    session: str
    holder: str
    claim: str
    maybe_applied: bool = False
    sendings: int = 0
    earlier: str = ""


class _HeldValues(NamedTuple):
    """Values that name a session and its job.

    With a service that is not a value of each row, SQLite would look at every session of it
    for every row.
    """

    for_service: str
    for_session: str
    for_holder: str


class _AppliedValues(NamedTuple):
    """Values that say what became of it, too."""

    for_service: str
    for_session: str
    for_holder: str
    new_state: str
    new_job: str
    new_at: float
    new_maybe: bool
    new_sendings: int


_KINDS: Final[Kinds] = {
    "for_service": sa.Text(),
    "for_session": sa.Text(),
    "for_holder": sa.Text(),
    "new_state": sa.Text(),
    "new_job": sa.Text(),
    "new_at": sa.Double(),
    "new_maybe": sa.Boolean(),
    "new_sendings": sa.Integer(),
}
"""The types of the values of `_HeldValues` and `_AppliedValues`."""


class _Statements:
    """Statements that run often, built once."""

    def __init__(self, tables: _Tables, *, is_sqlite: bool) -> None:
        insert = sqlite.insert if is_sqlite else postgresql.insert
        self.insert_job = insert(tables.jobs).on_conflict_do_nothing()
        self.insert_duplicate = insert(tables.duplicates).on_conflict_do_nothing()
        self.settle = _settle(tables.outcomes, is_sqlite=is_sqlite)
        self.claim = _claim(tables.sessions, is_sqlite=is_sqlite)
        self.take = _claim(tables.sessions, is_sqlite=is_sqlite, take=True)
        self.apply = _apply(tables.sessions, is_sqlite=is_sqlite)
        self.release = _release(tables.sessions, is_sqlite=is_sqlite)
        self.held = _held_sessions(tables.sessions, is_sqlite=is_sqlite)


def _settle(outcomes: sa.Table, *, is_sqlite: bool) -> ManyRows:
    """Return the statement that records outcomes, in place of those that are there."""
    kinds = {name: outcomes.c[name].type for name in _OutcomeValues._fields}
    given = Given(kinds, is_sqlite=is_sqlite)
    insert = given.insert(outcomes)
    statement = insert.on_conflict_do_update(
        index_elements=["job", "line"],
        set_={
            column.name: insert.excluded[column.name]
            for column in outcomes.columns
            if not column.primary_key
        },
    )
    return ManyRows(given, statement)


def _claim(sessions: sa.Table, *, is_sqlite: bool, take: bool = False) -> ManyRows:
    """Return the statement that lets a job hold sessions, with `take` those of others too."""
    kinds = {name: sessions.c[name].type for name in _ClaimValues._fields}
    given = Given(kinds, is_sqlite=is_sqlite)
    insert = given.insert(sessions)
    holder = insert.excluded.holder
    free = sa.or_(sessions.c.holder.is_(None), sessions.c.holder == holder)
    statement = insert.on_conflict_do_update(
        index_elements=["service", "session"],
        set_={"holder": holder, "claim": insert.excluded.claim},
        where=None if take else free,
    )
    return ManyRows(given, statement)


def _kinds(values: type[_HeldValues | _AppliedValues]) -> Kinds:
    return {name: _KINDS[name] for name in values._fields}


def _held(given: Given, sessions: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a session is that of a row, and held by its job."""
    return sa.and_(
        sessions.c.service == given["for_service"],
        sessions.c.session == given["for_session"],
        sessions.c.holder == given["for_holder"],
    )


def _apply(sessions: sa.Table, *, is_sqlite: bool) -> ManyRows:
    """Return the statement that notes what became of sessions, and holds them no more."""
    given = Given(_kinds(_AppliedValues), is_sqlite=is_sqlite)
    another = sa.and_(
        sessions.c.digest.is_not(None), sessions.c.digest != sessions.c.claim
    )
    statement = (
        sa.update(sessions)
        .where(_held(given, sessions))
        .values(
            holder=None,
            claim=None,
            digest=sessions.c.claim,
            state=given["new_state"],
            job=given["new_job"],
            at=given["new_at"],
            maybe_applied=given["new_maybe"],
            sendings=given["new_sendings"],
            earlier=sa.case(
                (another, sessions.c.earlier + " " + sessions.c.digest),
                else_=sessions.c.earlier,
            ),
        )
    )
    return ManyRows(given, statement)


def _release(sessions: sa.Table, *, is_sqlite: bool) -> ManyRows:
    """Return the statement that holds sessions no more."""
    given = Given(_kinds(_HeldValues), is_sqlite=is_sqlite)
    held = _held(given, sessions)
    statement = sa.update(sessions).where(held).values(holder=None, claim=None)
    return ManyRows(given, statement)


def _held_sessions(sessions: sa.Table, *, is_sqlite: bool) -> AmongMany:
    """Return the query of those sessions among many that a job holds."""
    query = (
        sa.select(sessions.c.session)
        .where(sessions.c.service == sa.bindparam("for_service"))
        .where(sessions.c.holder == sa.bindparam("for_holder"))
    )
    return AmongMany(query, sessions.c.session, is_sqlite=is_sqlite)


def _session_of(row: Row | Outcome) -> str:
    return row.sids[2]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pack_histories(histories: Mapping[int, History]) -> str:
    return _json({line: history.to_record() for line, history in histories.items()})


def _chunk(values: sa.RowMapping) -> Chunk:
    records = cast("list[RowRecord]", json.loads(values["rows"]))
    rows = []
    for record in records:
        install, exam, session = record["sids"]
        rows.append(Row(record["line"], (install, exam, session), record["fields"]))
    return Chunk(
        number=values["number"],
        part=values["part"],
        portion=values["portion"],
        begun=values["begun"],
        slot=values["slot"],
        histories=unpack_histories(values["histories"]),
        rows=rows,
    )


def _applied_values(
    job_id: str, service: str, outcome: Outcome, sendings: int
) -> _AppliedValues:
    # By position, because this runs for each row, and keywords take twice as long.
    return _AppliedValues(
        service,
        outcome.sids[2],
        job_id,
        outcome.state,
        job_id,
        outcome.at,
        outcome.maybe_applied,
        sendings,
    )


def _outcome_values(job_id: str, outcome: Outcome, sendings: int = 0) -> _OutcomeValues:
    sent = outcome.attempts > 0 or outcome.sids[0] != ""
    # By position, as above.
    return _OutcomeValues(
        job_id,
        outcome.line,
        # The SIDs of a row that can be sent are in its chunk.
        None if sent else outcome.sids[2],
        outcome.state,
        outcome.status,
        outcome.code,
        outcome.message,
        outcome.maybe_applied,
        outcome.attempts,
        outcome.replays,
        outcome.perhaps,
        sendings,
        round(outcome.elapsed, 4),
        round(outcome.at, 3),
        outcome.found,
    )


def _outcome(values: sa.RowMapping) -> Outcome:
    return Outcome(
        line=values["line"],
        sids=("", "", values["session"] or ""),
        state=cast("State", values["state"]),
        status=values["status"],
        code=values["code"],
        message=values["message"],
        maybe_applied=values["maybe_applied"],
        attempts=values["attempts"],
        replays=values["replays"],
        perhaps=values["perhaps"],
        elapsed=values["elapsed"],
        at=values["at"],
        found=values["found"],
    )


def _job_values(job: Job) -> dict[str, Value]:
    counts = job.counts
    return {
        "id": job.id,
        "fingerprint": job.fingerprint,
        "source": job.source,
        "base_url": job.base_url,
        "kind": job.kind,
        "rows": counts.rows,
        "sendable": counts.sendable,
        "duplicate": counts.duplicate,
        "conflict": counts.conflict,
        "invalid": counts.invalid,
        "rate": job.rate,
        "lanes": job.lanes,
        "lease": job.lease,
        "chunk": job.chunk,
        "window": job.window,
        "replay": job.replay,
        "record_before": job.record_before,
        "submitted": job.submitted,
        "paused": job.paused,
        "detail": job.detail,
        "created": job.created,
        "format": job.format,
        "client": job.client,
    }
