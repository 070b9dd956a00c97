"""What a list asks for, once and without contradictions, and the identity of the job."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple, Self

from smarterproctoring_bulk.outcomes import Outcome, State
from smarterproctoring_bulk.rows import START, TIMES, InputOptions, Problem, Reader, Row
from smarterproctoring_bulk.tables import InputError, signature

_CACHE_KIB = 32 * 1024
_EVERY: Final = 1000
"""Rows between two calls of the hook."""
_NONE: Final = (0,)
_SCHEMA: Final = """
    CREATE TABLE session (sid TEXT PRIMARY KEY, digest TEXT, line INTEGER, start TEXT) WITHOUT ROWID;
    CREATE TABLE again (line INTEGER PRIMARY KEY, sid TEXT, same INTEGER);
    CREATE TABLE problem (id INTEGER PRIMARY KEY, line INTEGER, "column" TEXT, kind TEXT, fix TEXT, sid TEXT);
    CREATE TABLE duplicate (line INTEGER PRIMARY KEY, first INTEGER);
    CREATE TABLE conflict (line INTEGER PRIMARY KEY, sid TEXT, other INTEGER);
"""
# A session whose row is wrong in one place and right in another is a contradiction too: nobody knows which is meant.
_SETTLE: Final = """
    CREATE TEMP TABLE torn (sid TEXT PRIMARY KEY, line INTEGER, other INTEGER) WITHOUT ROWID;
    INSERT INTO torn
        SELECT sid, session.line, min(against.line) FROM session JOIN (
            SELECT sid, line FROM again WHERE NOT same UNION ALL SELECT sid, line FROM problem
        ) AS against USING (sid) GROUP BY sid;
    INSERT INTO conflict SELECT line, sid, other FROM torn;
    INSERT INTO conflict
        SELECT again.line, sid, CASE WHEN same THEN torn.other ELSE torn.line END FROM again JOIN torn USING (sid);
    INSERT INTO duplicate
        SELECT again.line, session.line FROM again JOIN session USING (sid) WHERE sid NOT IN (SELECT sid FROM torn);
"""


class Counts(NamedTuple):
    """How many rows of a list are what; `rows` is the sum of the others.

    Attributes:
        rows: All rows that are not blank.
        sendable: Distinct sessions that can be sent.
        duplicate: Rows that say exactly what an earlier one says; not sent again.
        conflict: Rows whose session the list gives different values; none of them is sent.
        invalid: Rows with a problem of their own.
    """

    rows: int
    sendable: int
    duplicate: int
    conflict: int
    invalid: int


class SessionDigest(NamedTuple):
    """What a list says of one session.

    Attributes:
        session: The session's SID.
        digest: The digest of its row.
    """

    session: str
    digest: str


class Duplicate(NamedTuple):
    """A row that says exactly what an earlier one says."""

    line: int
    first: int


class Plan:
    """A list that was read and checked whole. Close it, or use it in a `with` block.

    Attributes:
        counts: How many rows are what.
        fingerprint: 32 hexadecimal digits of the list's bytes and of the options; the same list gives the same job.
        columns: The list's columns, each with the API's name for what it means; empty for one that is ignored.
        earliest: The earliest time that would be sent, in the wire form; None if none would.
        latest: The latest.
        checked_at: The moment that the times were checked against.
    """

    def __init__(
        self,
        path: Path,
        options: InputOptions,
        hook: Callable[[int], object] | None,
        now: datetime | None,
    ) -> None:
        self._path = path
        self._options = options
        self.checked_at = now or datetime.now(UTC)
        reader = Reader(options, self.checked_at)
        items = reader.read(path)
        self._signature = signature(path)
        # A nameless database is kept in memory up to the cache's size, and then in a temporary file of its own.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._db.executescript(_SCHEMA)
            self._take_in(items, hook)
        except sqlite3.OperationalError as error:
            self._db.close()
            raise InputError(
                f"no room for temporary data ({error}); free some, or set SQLITE_TMPDIR"
            ) from None
        except BaseException:
            self._db.close()
            raise
        self.columns: Mapping[str, str] = reader.columns
        self.fingerprint = fingerprint(path, options)
        self._check_unchanged()

    def _take_in(
        self, items: Iterator[Row | Problem], hook: Callable[[int], object] | None
    ) -> None:
        """Take all rows and problems in; settle what repeats and what contradicts."""
        insert = "INSERT OR IGNORE INTO session VALUES (?, ?, ?, ?)"
        rows = 0
        last = 0
        earliest = ""
        latest = ""
        execute = self._db.execute
        execute("BEGIN")
        for item in items:
            if item.line != last:
                rows += 1
                last = item.line
                if hook is not None and rows % _EVERY == 0:
                    hook(rows)
            if isinstance(item, Problem):
                execute("INSERT INTO problem VALUES (NULL, ?, ?, ?, ?, ?)", item)
                continue
            said = digest(item)
            sid = item.sids[2]
            start = item.fields.get(START)
            if not execute(insert, (sid, said, item.line, start)).rowcount:
                (first,) = execute(
                    "SELECT digest FROM session WHERE sid = ?", (sid,)
                ).fetchone()
                execute(
                    "INSERT INTO again VALUES (?, ?, ?)",
                    (item.line, sid, first == said),
                )
            for keyword in TIMES & item.fields.keys():
                moment = item.fields[keyword]
                earliest = min(earliest or moment, moment)
                latest = max(latest, moment)
        execute("COMMIT")
        self._db.executescript(_SETTLE)
        duplicate = self._count("count(*) FROM duplicate")
        conflict = self._count("count(*) FROM conflict")
        invalid = self._count("count(DISTINCT line) FROM problem")
        self.counts = Counts(
            rows, rows - duplicate - conflict - invalid, duplicate, conflict, invalid
        )
        self.earliest = earliest or None
        self.latest = latest or None

    def _count(self, what: str) -> int:
        (count,) = self._db.execute(f"SELECT {what}").fetchone()
        return int(count)

    def rows(self) -> Iterator[Row]:
        """Read the list again, and yield what can be sent, in its order; the same each time.

        Raises:
            InputError: The list was changed since it was planned.
        """
        self._check_unchanged()
        # Not checked again, so what the rules refuse comes as a row here: its line says that it is to be skipped.
        skipped = self._db.execute(
            "SELECT line FROM duplicate UNION SELECT line FROM conflict UNION SELECT line FROM problem ORDER BY line"
        )
        skip = next(skipped, _NONE)[0]
        for item in Reader(self._options).read(self._path, check=False):
            while 0 < skip < item.line:
                skip = next(skipped, _NONE)[0]
            if item.line != skip and isinstance(item, Row):
                yield item
        self._check_unchanged()

    def starts(self) -> Iterator[tuple[str, int]]:
        """Yield each time at which sessions start that can be sent, in the wire form, with their number."""
        query = """
            SELECT start, count(*) FROM session
            WHERE start IS NOT NULL AND line NOT IN (SELECT line FROM conflict)
            GROUP BY start
        """
        for start, count in self._db.execute(query):
            yield str(start), int(count)

    def digests(self) -> Iterator[SessionDigest]:
        """Yield each session that can be sent, with the digest of its row; in any order."""
        query = """
            SELECT sid, digest FROM session
            WHERE line NOT IN (SELECT line FROM conflict)
        """
        for session, said in self._db.execute(query):
            yield SessionDigest(session, said)

    def problems(self) -> Iterator[Problem]:
        """Yield all that is wrong, conflicts included, by line."""
        return (problem for _, problem in self._told())

    def _told(self) -> Iterator[tuple[State, Problem]]:
        query = """
            SELECT line, "column", kind, fix, sid, NULL, id FROM problem
            UNION ALL SELECT line, '', '', '', sid, other, 0 FROM conflict
            ORDER BY line, id
        """
        for line, column, kind, fix, sid, other, _ in self._db.execute(query):
            if other is None:
                yield "invalid", Problem(line, column, kind, fix, sid)
            else:
                said = f"line {other} names this session too and says something else; none is sent, so keep one"
                yield "conflict", Problem(line, column, kind, said, sid)

    def duplicates(self) -> Iterator[Duplicate]:
        """Yield the rows that say what an earlier one says, by line."""
        for line, first in self._db.execute(
            "SELECT line, first FROM duplicate ORDER BY line"
        ):
            yield Duplicate(line, first)

    def not_sent(self) -> Iterator[Outcome]:
        """Yield an outcome, `invalid` or `conflict`, for each row that is wrong, by line.

        Of the SIDs only the session's is known, and not always that.
        """
        now = time.time()
        for line, group in groupby(self._told(), key=lambda told: told[1].line):
            told = list(group)
            state, first = told[0]
            said = (
                f"{problem.column}: {problem.fix}" if problem.column else problem.fix
                for _, problem in told
            )
            yield Outcome(
                line,
                ("", "", first.session or ""),
                state,
                message="; ".join(said),
                at=now,
            )

    def close(self) -> None:
        """Give the temporary storage back."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_unchanged(self) -> None:
        try:
            same = signature(self._path) == self._signature
        except OSError:
            same = False
        if not same:
            raise InputError(
                f"{self._path.name} was changed while it was read; start again"
            )


def plan(
    path: Path | str,
    options: InputOptions,
    hook: Callable[[int], object] | None = None,
    now: datetime | None = None,
) -> Plan:
    """Read and check a whole list; memory does not grow with it.

    Args:
        path: CSV, JSON Lines or Parquet.
        options: How to read it.
        hook: Called now and then with the number of rows that were read.
        now: The moment that the past ends at, aware; by default the present. A list that was checked before gives the
            same plan again only with the same moment.

    Raises:
        InputError: The list as a whole cannot be used.
    """
    return Plan(Path(path), options, hook, now)


def digest(row: Row) -> str:
    """Return 32 hexadecimal digits that are the same for rows that ask for the same."""
    said = repr(
        (row.sids, sorted(row.fields.items()))
    )  # quicker than JSON, and as exact
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def fingerprint(path: Path, options: InputOptions) -> str:
    """Return 32 hexadecimal digits of the bytes of a list and of the options."""
    said = json.dumps(asdict(options), sort_keys=True, separators=(",", ":"))
    digest = hashlib.blake2b(said.encode(), digest_size=16)
    with path.open("rb") as stream:
        while block := stream.read(1024 * 1024):
            digest.update(block)
    return digest.hexdigest()
