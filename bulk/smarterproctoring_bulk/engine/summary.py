"""What `bulk status` shows of a journal, in plain SQL: DBOS and SQLAlchemy take long to load, and are not needed."""

# ruff: noqa: S608 - what is put into a statement are names of tables, and the mark of a value
from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast

from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.engine.trouble import reason_in
from smarterproctoring_bulk.jobs import IncompatibleError, Job, UnknownJobError
from smarterproctoring_bulk.journal import JournalError, Place, why_unusable
from smarterproctoring_bulk.outcomes import History, HistoryRecord
from smarterproctoring_bulk.plan import Counts

if TYPE_CHECKING:
    from smarterproctoring_bulk.jobs import Kind

_WAIT: Final = 30.0
"""Seconds to wait for another process that writes into the file."""


class ForeignValuesError(JournalError):
    """The journal contains values that this package did not write."""


@dataclass(slots=True)
class Tally:
    """How far a job is.

    Attributes:
        counts: Settled rows by state.
        maybe_applied: Settled rows that are not `ok` and may have been applied.
        in_doubt: Rows that are not settled and may have been applied.
        under_way: Rows, besides, that a live process may be sending now.
        attempts: Attempts for settled rows.
        sent: Settled rows that were sent.
        open: Chunks that are not done.
    """

    counts: Counter[str] = field(default_factory=Counter[str])
    maybe_applied: int = 0
    in_doubt: int = 0
    under_way: int = 0
    attempts: int = 0
    sent: int = 0
    open: int = 0

    @property
    def settled(self) -> int:
        """Return how many rows are settled."""
        return sum(self.counts.values())

    @property
    def retries(self) -> int:
        """Return the attempts beyond each settled row's first."""
        return self.attempts - self.sent


class JournalSummary:
    """What is known of the jobs of a journal. Nothing is created or changed: without a journal, nothing is known.

    Args:
        place: Where it is.

    Attributes:
        place: Where it is.

    Raises:
        JournalError: It cannot be opened.
        ForeignValuesError: It contains values that are not JSON.
        IncompatibleError: It contains jobs of an older format.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._is_file = place.path is not None
        # As the tables of `store.py` have them.
        self._own = "" if self._is_file else "bulk."
        self._dbos = "" if self._is_file else "dbos."
        self._mark = "?" if self._is_file else "%s"
        try:
            self._is_there = self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> bool:
        """Find out whether there is a journal, and whether it can be read.

        Raises:
            JournalError: It cannot be opened.
            ForeignValuesError: It contains values that are not JSON.
            IncompatibleError: It contains jobs of an older format.
        """
        if self.place.path is not None and not self.place.path.exists():
            return False
        if not self._has_table(f"{self._dbos}workflow_status"):
            return False
        self._check_contents()
        # A journal of the first format has no such table.
        return self._has_table(f"{self._own}jobs")

    # -- the database --

    def _rows(self, sql: str, values: Sequence[str]) -> list[dict[str, Any]]:
        """Return what a query finds.

        Raises:
            JournalError: It cannot be read.
        """
        if self.place.path is not None:
            return self._rows_of_file(sql, values)
        return self._rows_of_postgres(sql, values)

    def _rows_of_file(self, sql: str, values: Sequence[str]) -> list[dict[str, Any]]:
        # Without a mode, a file that is not there would be made.
        uri = f"{Path(str(self.place.path)).as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT)) as connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(sql, values)]
        except sqlite3.Error as error:
            raise self.cannot_open(reason_in(error)) from None

    def _rows_of_postgres(
        self, sql: str, values: Sequence[str]
    ) -> list[dict[str, Any]]:
        import psycopg  # noqa: PLC0415 - not for a file
        from psycopg.rows import DictRow, dict_row  # noqa: PLC0415 - not for a file

        try:
            with psycopg.Connection[DictRow].connect(
                self.place.url, autocommit=True, row_factory=dict_row
            ) as connection:
                return connection.execute(sql.encode(), values).fetchall()
        except psycopg.Error as error:
            raise self.cannot_open(reason_in(error)) from None

    def _count(self, sql: str) -> int:
        return int(self._rows(f"SELECT count(*) AS found FROM {sql}", ())[0]["found"])

    def _has_table(self, name: str) -> bool:
        if self._is_file:
            query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        else:
            query = "SELECT 1 WHERE to_regclass(%s) IS NOT NULL"
        return bool(self._rows(query, (name,)))

    def cannot_open(self, reason: str) -> JournalError:
        """Make the error of a journal that cannot be opened."""
        path = self.place.path
        if path is not None and path.exists():
            reason = why_unusable(path) or f"{reason}; name another with --journal"
        return JournalError(
            f"the journal {self.place.shown} cannot be opened: {reason}"
        )

    def close(self) -> None:
        """Close the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_contents(self) -> None:
        foreign = self._foreign_values()
        if foreign:
            values = counted(foreign, "value that is", "values that are")
            raise ForeignValuesError(
                f"the journal {self.place.shown} contains {values} not JSON. This package "
                "writes JSON only, and reading others could run code, so nothing was "
                "read. Find out who wrote this, and use another journal (--journal)"
            )
        old = self._old_jobs()
        if old:
            raise IncompatibleError(
                f"the journal {self.place.shown} contains {counted(old, 'job')} of an "
                "older version (1.0), which this version does not continue. Finish, or "
                "report and purge, with that version; or name another journal with "
                "--journal"
            )

    def _foreign_values(self) -> int:
        """Count values of DBOS's tables that are not JSON."""
        foreign = (
            "serialization IS NOT NULL "
            "AND serialization NOT IN ('json', 'portable_json')"
        )
        tables = ("workflow_status", "operation_outputs")
        return sum(
            self._count(f"{self._dbos}{name} WHERE {foreign}") for name in tables
        )

    def _old_jobs(self) -> int:
        """Count jobs of format 1, which kept everything in DBOS's tables."""
        return self._count(f"{self._dbos}workflow_status WHERE name = 'job'")

    # -- jobs --

    def jobs(self) -> list[Job]:
        """Return all jobs, the oldest first."""
        if not self._is_there:
            return []
        rows = self._rows(f"SELECT * FROM {self._own}jobs ORDER BY created", ())
        return [_job(row) for row in rows]

    def job(self, name: str) -> Job:
        """Return a job by its name or by the beginning of it.

        Raises:
            UnknownJobError: There is none, or more than one.
        """
        found = [job for job in self.jobs() if job.id.startswith(name)]
        if len(found) != 1:
            some = "no job" if not found else f"{len(found)} jobs"
            raise UnknownJobError(
                f"the journal {self.place.shown} has {some} named {name}; "
                "see: bulk status"
            )
        return found[0]

    def tally(self, job: Job) -> Tally:
        """Count the rows of a job by what became of them."""
        of_job = f"WHERE job = {self._mark}"
        outcomes = self._rows(
            "SELECT state, count(*) AS rows_, sum(attempts) AS attempts, "
            "sum(CASE WHEN maybe_applied THEN 1 ELSE 0 END) AS maybe, "
            "sum(CASE WHEN attempts > 0 THEN 1 ELSE 0 END) AS sent "
            f"FROM {self._own}outcomes {of_job} GROUP BY state",
            (job.id,),
        )
        unfinished = self._rows(
            f"SELECT histories FROM {self._own}chunks {of_job} AND NOT done", (job.id,)
        )
        tally = Tally()
        for row in outcomes:
            tally.counts[row["state"]] = int(row["rows_"])
            tally.attempts += int(row["attempts"])
            tally.maybe_applied += int(row["maybe"])
            tally.sent += int(row["sent"])
        for chunk in unfinished:
            tally.open += 1
            histories = unpack_histories(chunk["histories"]).values()
            tally.in_doubt += sum(history.maybe_applied for history in histories)
        return tally

    def at_work(self, job: Job) -> bool:
        """Tell whether a process began a chunk that is not done: then `JournalReader` knows more."""
        query = (
            f"SELECT count(*) AS found FROM {self._own}chunks "
            f"LEFT JOIN {self._dbos}workflow_status ON workflow_uuid = workflow "
            f"WHERE job = {self._mark} AND NOT done "
            "AND (status IS NULL OR status NOT IN ('ENQUEUED', 'DELAYED'))"
        )
        return bool(self._rows(query, (job.id,))[0]["found"])

    def done(self, job: Job) -> bool:
        """Tell whether every row of a job is settled."""
        submitted = job.submitted or self.job(job.id).submitted
        return submitted and not self._open_chunks(job)

    def _open_chunks(self, job: Job) -> int:
        """Count the chunks of a job that are not done."""
        query = (
            f"SELECT count(*) AS found FROM {self._own}chunks "
            f"WHERE job = {self._mark} AND NOT done"
        )
        return int(self._rows(query, (job.id,))[0]["found"])


def unpack_histories(text: str) -> dict[int, History]:
    """Read what a chunk says of begun rows that are not settled, by line."""
    records = cast("dict[str, HistoryRecord]", json.loads(text))
    return {int(line): History.from_record(record) for line, record in records.items()}


def _job(values: Mapping[str, Any]) -> Job:
    counts = Counts(
        rows=values["rows"],
        sendable=values["sendable"],
        duplicate=values["duplicate"],
        conflict=values["conflict"],
        invalid=values["invalid"],
    )
    return Job(
        id=values["id"],
        fingerprint=values["fingerprint"],
        source=values["source"],
        base_url=values["base_url"],
        counts=counts,
        rate=values["rate"],
        lanes=values["lanes"],
        lease=values["lease"],
        chunk=values["chunk"],
        window=values["window"],
        kind=cast("Kind", values["kind"]),
        replay=bool(values["replay"]),
        record_before=bool(values["record_before"]),
        submitted=bool(values["submitted"]),
        paused=values["paused"],
        detail=values["detail"],
        created=values["created"],
        format=values["format"],
        client=values["client"],
    )
