"""What a journal knows of lists and sessions, for commands that only read. It needs no DBOS."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from smarterproctoring_bulk import jobs
from smarterproctoring_bulk.compare import Comparison, Known, decide
from smarterproctoring_bulk.engine import database
from smarterproctoring_bulk.engine.many import batches
from smarterproctoring_bulk.engine.store import Chunk, Store
from smarterproctoring_bulk.engine.summary import JournalSummary, Tally
from smarterproctoring_bulk.jobs import Again, Job
from smarterproctoring_bulk.journal import Place, lock_holder
from smarterproctoring_bulk.outcomes import History, Outcome
from smarterproctoring_bulk.plan import Duplicate, Plan, digest
from smarterproctoring_bulk.rows import Row

UNSETTLED: Final = "not settled yet"
UNDER_WAY: Final = "not settled yet: a process that runs may be sending it now"
_COMPARED = 500
"""Rows that are compared at a time."""


class JournalReader(JournalSummary):
    """What a journal knows, sessions and outcomes included.

    Attributes:
        engine: The connections to its database.
        store: Its tables.
    """

    def __init__(self, place: Place) -> None:
        self.engine = database.connect(place)
        self.store = Store(self.engine)
        super().__init__(place)

    def _open(self) -> bool:
        try:
            return super()._open()
        except database.DatabaseError as error:
            raise self.cannot_open(database.reason_of(error)) from None

    def _rows(self, sql: str, values: Sequence[str]) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(sql, (*values,))
            return [dict(row) for row in found.mappings()]

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def find(self, fingerprint: str, base_url: str) -> Job | None:
        """Return the latest job of a list for a service, or None."""
        service = jobs.service_key(base_url)
        found = [
            job
            for job in self.jobs()
            if job.fingerprint == fingerprint and job.service == service
        ]
        return found[-1] if found else None

    def compare(
        self,
        plan: Plan,
        base_url: str,
        job_id: str = "",
        again: frozenset[Again] = frozenset(),
        *,
        replay: bool = True,
        supersede: bool = False,
    ) -> Comparison:
        """Compare a list with what is known of its sessions.

        Args:
            plan: The list.
            base_url: The service.
            job_id: The job that is to send it.
            again: Rows that are sent again though they were sent before.
            replay: Whether a change that may have been applied is sent again.
            supersede: Whether sessions are taken from jobs that hold them.
        """
        service = jobs.service_key(base_url)
        if not self._is_there or not self.store.knows(service):
            return Comparison(send=plan.counts.sendable)
        comparison = Comparison()
        for batch in batches(plan.digests(), _COMPARED):
            known = self.store.look_up(service, (each.session for each in batch))
            for each in batch:
                comparison.add(
                    decide(
                        known.get(each.session), each.digest, job_id, again,
                        replay=replay, supersede=supersede,
                    )
                )  # fmt: skip
        return comparison

    def to_send(
        self,
        plan: Plan,
        base_url: str,
        job_id: str,
        again: frozenset[Again],
        *,
        replay: bool,
        supersede: bool,
    ) -> Iterator[Row]:
        """Yield the rows of a list that a run would send; see `compare`."""
        service = jobs.service_key(base_url)
        for batch in batches(plan.rows(), _COMPARED):
            known: dict[str, Known] = {}
            if self._is_there:
                known = self.store.look_up(service, (row.sids[2] for row in batch))
            for row in batch:
                decision = decide(
                    known.get(row.sids[2]), digest(row), "", again,
                    replay=replay, supersede=supersede,
                )  # fmt: skip
                is_own = decision.verdict == "open" and decision.job == job_id
                if decision.verdict == "send" or is_own:
                    yield row

    def tally(self, job: Job) -> Tally:
        """Count the rows of a job by what became of them."""
        tally = super().tally(job)
        for number, alive in self._at_work(job).items():
            chunk = self._chunk(job, number)
            known = sum(each.maybe_applied for each in chunk.histories.values())
            perhaps_sent = self._perhaps_sent(job, chunk)
            if alive:
                tally.under_way += len(perhaps_sent) - known
            else:
                tally.in_doubt += len(perhaps_sent) - known
        return tally

    def _at_work(self, job: Job) -> dict[int, bool]:
        """Return the chunks that a process began to work on, and whether it lives.

        Of a process that works on Postgres, only its part's time limit tells.
        """
        found: dict[int, bool] = {}
        parts = self.store.parts(job)
        holder: str | None = None
        if self.place.path is not None and parts:
            holder = lock_holder(self.place.path)
        now = time.time()
        for part in parts:
            if part.status in ("ENQUEUED", "DELAYED"):
                continue
            alive = part.status == "PENDING"
            if alive and self.place.path is not None:
                alive = holder is not None and part.executor.startswith(holder)
            elif alive and part.deadline is not None:
                alive = now < part.deadline
            found[part.chunk] = alive
        return found

    def live_chunks(self, job: Job) -> int:
        """Count the chunks that a live process works on."""
        return sum(self._at_work(job).values())

    def _chunk(self, job: Job, number: int) -> Chunk:
        with self.engine.connect() as connection:
            return self.store.chunk(job.id, number, connection)

    def _settled_lines(self, job: Job, chunk: Chunk) -> set[int]:
        if not chunk.rows:
            return set()
        first = chunk.rows[0].line
        last = chunk.rows[-1].line
        return self.store.settled_lines(job.id, first, last)

    def _perhaps_sent(self, job: Job, chunk: Chunk) -> dict[int, History]:
        """Return the rows that the worker of a chunk may have sent, as if it were dead."""
        return in_doubt(chunk, self._settled_lines(job, chunk), job.window)

    def outcomes(self, job: Job) -> Iterator[Outcome]:
        """Yield an outcome for every row, by line; memory does not grow with the list.

        A row that is not settled has the state `open`. If a process may have sent it, or
        may be sending it now, it may have been applied.
        """
        at_work = self._at_work(job)
        recorded = self.store.outcomes(job.id)
        following = next(recorded, None)
        for chunk in self.store.chunks(job.id):
            perhaps_sent: dict[int, History] = {}
            if chunk.number in at_work:
                perhaps_sent = self._perhaps_sent(job, chunk)
            message = UNDER_WAY if at_work.get(chunk.number) else UNSETTLED
            for row in chunk.rows:
                while following is not None and following.line < row.line:
                    yield following
                    following = next(recorded, None)
                if following is not None and following.line == row.line:
                    yield following._replace(sids=row.sids)
                    following = next(recorded, None)
                elif row.line in perhaps_sent:
                    yield open_outcome(row, perhaps_sent[row.line], message)
                else:
                    yield open_outcome(row, chunk.histories.get(row.line, History()))
        if following is not None:
            yield following
        yield from recorded

    def duplicates(self, job: Job) -> Iterator[Duplicate]:
        """Yield the rows that repeat an earlier one, by line."""
        return self.store.duplicates(job.id)


def in_doubt(chunk: Chunk, settled: set[int], window: int) -> dict[int, History]:
    """Return what is known of the rows of a chunk whose worker died.

    In doubt is every row that is not settled and that the worker may have sent since its
    last portion: those with a history, and those within one window after the ones that
    were begun by then.
    """
    histories = dict(chunk.histories)
    for row in chunk.rows[chunk.begun : chunk.begun + window]:
        histories.setdefault(row.line, History())
    return {
        line: history.in_doubt()
        for line, history in sorted(histories.items())
        if line not in settled
    }


def open_outcome(row: Row, history: History, message: str = UNSETTLED) -> Outcome:
    """Return the outcome of a row that is not settled."""
    return Outcome(
        line=row.line,
        sids=row.sids,
        state="open",
        message=message,
        maybe_applied=history.maybe_applied,
        attempts=history.attempts,
        replays=history.replays,
        perhaps=history.perhaps,
        elapsed=history.elapsed,
        found=history.found,
    )
