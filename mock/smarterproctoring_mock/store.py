"""What the server remembers of the API's objects: the sessions, and an audit row for every request.

A session is known by the values of its path parameters. In memory by default, where the oldest go once there is too
much of them; with a file, every answered request is in the file first (SQLite, WAL), so that ending the process, even
by `kill -9`, loses no row, and what memory has no room for is read from there.
"""

import asyncio
import json
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from sys import getsizeof
from typing import Final, TypeAlias

from smarterproctoring_mock.strict_json import Json

Key: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""Names and values of the path parameters."""

_AuditTuple: TypeAlias = tuple[int, float, str, Key, int, str, bytes, bool, bool]

AUDIT_LIMIT: Final = 100_000
"""Audit rows kept in memory; a file keeps all."""
AUDIT_BYTES: Final = 48 * 1024 * 1024
"""Octets of memory for them, roughly: fewer rows are kept where their reasons or SIDs are long."""
HISTORY_LIMIT: Final = 8
"""Earlier states kept of a session, in memory only."""
HISTORY_BYTES: Final = 64 * 1024
"""Octets of memory for them, roughly: fewer states are kept where they are large."""
SESSIONS_BYTES: Final = 48 * 1024 * 1024
"""Octets of memory for sessions beyond those that were seeded, roughly: 45,000 small ones."""

# What a row, a session and a field take beside their texts, roughly.
_ROW_BYTES: Final = 350
_SESSION_BYTES: Final = 850
_FIELD_BYTES: Final = 40

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sessions (key TEXT PRIMARY KEY, fields TEXT NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit (
    number INTEGER PRIMARY KEY, time REAL NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL,
    status INTEGER NOT NULL, reason TEXT NOT NULL, digest TEXT NOT NULL,
    stored INTEGER NOT NULL, replay INTEGER NOT NULL
);
"""


class StoreError(ValueError):
    """The file is no store of this server, or a seed does not fit the spec."""


@dataclass(frozen=True, slots=True)
class Session:
    """One stored session: the path parameters that name it, and the fields sent so far."""

    params: dict[str, str]
    fields: dict[str, Json]
    history: tuple[dict[str, Json], ...] = field(default=(), compare=False)
    """The fields as they were before each change since the start, the oldest first, `HISTORY_LIMIT` at most."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One request, as an auditor would see it."""

    number: int
    time: str
    operation: str
    params: dict[str, str]
    status: int
    """What was answered; 0 where the connection ended without an answer."""
    reason: str
    digest: str
    """BLAKE2b-128 of the body in hex: equal digests are equal bodies."""
    stored: bool
    replay: bool
    """Whether the session's last stored change was this very body: a repetition that changed nothing."""


class _Entry:
    """A session in memory."""

    __slots__ = ("_rest", "_sizes", "digest", "fields", "history", "seeded", "weight")

    def __init__(
        self, key: Key, fields: dict[str, Json], digest: bytes, *, seeded: dict[str, Json] | None = None
    ) -> None:
        self.fields = fields
        self.digest = digest
        self.history: tuple[dict[str, Json], ...] = ()
        self.seeded = seeded
        """The fields that it goes back to when its changes are forgotten; None where it goes altogether."""
        size = _size(fields)
        self._rest = _SESSION_BYTES + sum(map(len, key[1]))
        self._sizes: tuple[int, ...] = (size,)  # of the history, and of the fields at its end
        self.weight = self._rest + size
        """Octets of memory, roughly."""

    def change(self, fields: dict[str, Json], digest: bytes) -> None:
        """Set the fields, and keep those before them as history."""
        history = (*self.history[1 - HISTORY_LIMIT :], self.fields)
        sizes = (*self._sizes[-len(history) :], _size(fields))
        total = sum(sizes)
        while history and total - sizes[-1] > HISTORY_BYTES:
            total -= sizes[0]
            history, sizes = history[1:], sizes[1:]
        self.history = history
        self.fields = fields
        self.digest = digest
        self._sizes = sizes
        self.weight = self._rest + total


def _size(fields: dict[str, Json]) -> int:
    """Return how many octets of memory fields take, roughly. The reader of JSON has limited their depth."""
    size = _FIELD_BYTES * (1 + len(fields))
    for value in fields.values():
        size += getsizeof(value) if isinstance(value, str) else _nested_size(value)
    return size


def _nested_size(value: Json) -> int:
    if isinstance(value, str):
        return getsizeof(value)
    if isinstance(value, dict):
        return _FIELD_BYTES * (1 + len(value)) + sum(map(_nested_size, value.values()))
    if isinstance(value, list):
        return _FIELD_BYTES * (1 + len(value)) + sum(map(_nested_size, value))
    return 0


class Store:
    """Sessions and audit rows. Methods may be called from any thread."""

    def __init__(self, path: str | Path | None = None) -> None:
        """Open the store.

        Args:
            path: The SQLite file, made where it is missing; None keeps everything in memory.

        Raises:
            StoreError: The file is not usable.
        """
        self._lock = threading.RLock()
        self._sessions: dict[Key, _Entry] = {}
        self._weight = 0  # of the sessions
        self._seeded_weight = 0
        self._elsewhere = False  # whether the file holds sessions that memory does not
        self._audit: deque[_AuditTuple] = deque()
        self._audit_weight = 0
        self._number = 0
        self._dirty: dict[Key, _Entry] = {}
        self._unwritten: list[_AuditTuple] = []
        self._file: sqlite3.Connection | None = None
        if path is not None:
            self._file = self._open(Path(path))

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from None
        try:
            file.execute("PRAGMA journal_mode=WAL")
            # In WAL mode a commit needs no fsync to outlive the process, only to outlive the machine.
            file.execute("PRAGMA synchronous=NORMAL")
            file.executescript(_SCHEMA)
            for key, fields, digest in file.execute("SELECT key, fields, digest FROM sessions"):
                if self._weight > SESSIONS_BYTES:
                    self._elsewhere = True
                    break
                known = _key_from_text(key)
                self._keep(known, _Entry(known, json.loads(fields), bytes.fromhex(digest)))
            (self._number,) = file.execute("SELECT coalesce(max(number), 0) FROM audit").fetchone()
        except (sqlite3.Error, ValueError) as error:
            file.close()
            raise StoreError(f"{path}: {error}") from None
        return file

    # --- the hot path --------------------------------------------------------------------------------------

    def knows(self, key: Key) -> bool:
        """Whether a session has been stored under this key."""
        return key in self._sessions or (self._elsewhere and self._find(key) is not None)

    def fields(self, key: Key) -> Mapping[str, Json]:
        """Return what is stored of a session; nothing where it is not known."""
        entry = self._find(key)
        return entry.fields if entry is not None else {}

    def record(
        self,
        time: float,
        operation: str,
        key: Key,
        status: int,
        reason: str,
        digest: bytes,
        change: Mapping[str, Json] | None,
    ) -> None:
        """Add an audit row and, where a change is given, merge it into the session.

        Args:
            time: Seconds since 1970.
            operation: The operation's id; empty where the request matched none.
            key: Names and values of the path parameters.
            status: The status that is going to be answered; 0 for none.
            reason: In words; holds nothing of the body.
            digest: The body's digest.
            change: The fields to store; None leaves the session as it is.
        """
        with self._lock:
            replay = False
            if change is not None:
                replay = self._change(key, change, digest)
            self._number += 1
            row = (self._number, time, operation, key, status, reason, digest, change is not None, replay)
            if self._file is not None:
                self._unwritten.append(row)
                return
            self._audit.append(row)
            self._audit_weight += _row_weight(row)
            while len(self._audit) > AUDIT_LIMIT or self._audit_weight > AUDIT_BYTES:
                self._audit_weight -= _row_weight(self._audit.popleft())

    def _change(self, key: Key, change: Mapping[str, Json], digest: bytes) -> bool:
        """Merge a change into a session; return whether it is a replay."""
        entry = self._sessions.get(key) or self._find(key)
        replay = False
        if entry is None:
            entry = _Entry(key, dict(change), digest)
            self._keep(key, entry)
        elif entry.digest == digest:
            replay = True
        else:
            before = entry.weight
            # A new dict, so that a reader in another thread sees the session before or after, whole.
            entry.change({**entry.fields, **change}, digest)
            self._weight += entry.weight - before
        if self._file is not None:
            self._dirty[key] = entry
        if self._weight > SESSIONS_BYTES + self._seeded_weight:
            self._make_room()
        return replay

    # --- what memory has room for --------------------------------------------------------------------------

    def _find(self, key: Key) -> _Entry | None:
        """Return a session from memory or, where it is only there, from the file."""
        entry = self._sessions.get(key)
        if entry is None and self._elsewhere and self._file is not None:
            with self._lock:
                if self._weight > SESSIONS_BYTES + self._seeded_weight:
                    self._make_room()
                rows = self._file.execute("SELECT fields, digest FROM sessions WHERE key = ?", [_key_to_text(key)])
                for fields, digest in rows:
                    entry = _Entry(key, json.loads(fields), bytes.fromhex(digest))
                    self._keep(key, entry)
        return entry

    def _keep(self, key: Key, entry: _Entry) -> None:
        before = self._sessions.get(key)
        self._weight += entry.weight - (before.weight if before is not None else 0)
        self._sessions[key] = entry

    def _make_room(self) -> None:
        """Forget the sessions that became known first, until an eighth of the room is free again.

        A seeded one is not forgotten, but goes back to what it was seeded with. Those of a file are all in it.
        """
        self.flush()
        wanted = SESSIONS_BYTES * 7 // 8 + self._seeded_weight
        for key in list(self._sessions):
            if self._weight <= wanted:
                break
            entry = self._sessions[key]
            if self._file is not None or entry.seeded is None:
                del self._sessions[key]
                self._weight -= entry.weight
            elif entry.fields is not entry.seeded:
                self._keep(key, _Entry(key, entry.seeded, b"", seeded=entry.seeded))
        self._elsewhere = self._file is not None

    @property
    def behind(self) -> bool:
        """Whether something recorded is not yet in the file."""
        return bool(self._unwritten)

    async def committed(self) -> None:
        """Return once everything recorded so far is in the file.

        Requests that arrive together share one transaction: each yields once to the event loop, and the
        first to go on writes for all.
        """
        if self._unwritten:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                pass  # another event loop than asyncio's, or none: write at once
            else:
                await asyncio.sleep(0)
            self.flush()

    def flush(self) -> None:
        """Write what is not yet in the file, in one transaction."""
        with self._lock:
            if self._file is None or not (self._unwritten or self._dirty):
                return
            dirty, rows = self._dirty, self._unwritten
            self._dirty, self._unwritten = {}, []
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany(
                "INSERT INTO sessions VALUES (?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET fields = excluded.fields, digest = excluded.digest",
                [(_key_to_text(key), json.dumps(e.fields), e.digest.hex()) for key, e in dirty.items()],
            )
            self._file.executemany(
                "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (number, time, operation, _key_to_text(key), status, reason, digest.hex(), stored, replay)
                    for number, time, operation, key, status, reason, digest, stored, replay in rows
                ],
            )
            self._file.execute("COMMIT")

    # --- reading and setting up ----------------------------------------------------------------------------

    def put(self, sessions: Iterable[tuple[Key, Mapping[str, Json]]]) -> None:
        """Set sessions to these fields, whole."""
        with self._lock:
            for key, fields in sessions:
                seeded = dict(fields)
                before = self._sessions.get(key)
                if before is not None and before.seeded is not None:
                    self._seeded_weight -= _Entry(key, before.seeded, b"").weight
                entry = _Entry(key, seeded, b"", seeded=seeded)
                self._keep(key, entry)
                self._seeded_weight += entry.weight
                if self._file is not None:
                    self._dirty[key] = entry
            self.flush()

    def sessions(self) -> list[Session]:
        """Return every known session, in the order in which they became known; first those only in the file."""
        with self._lock:
            found: list[Session] = []
            if self._elsewhere and self._file is not None:
                self.flush()
                for text, fields in self._file.execute("SELECT key, fields FROM sessions"):
                    key = _key_from_text(text)
                    if key not in self._sessions:
                        found.append(Session(dict(zip(*key, strict=True)), json.loads(fields)))
            for key, entry in self._sessions.items():
                found.append(Session(dict(zip(*key, strict=True)), dict(entry.fields), tuple(map(dict, entry.history))))
            return found

    def audit(self, *, session: str | None = None, limit: int | None = None) -> list[AuditRow]:
        """Return audit rows, the oldest first.

        Args:
            session: Only rows of which a path parameter has this value.
            limit: Only so many of the newest.

        Returns:
            The rows, of the newest `AUDIT_LIMIT` at least.
        """
        with self._lock:
            self.flush()
            if self._file is None:
                rows = [row for row in self._audit if session is None or session in row[3][1]]
                rows = rows if limit is None else rows[max(0, len(rows) - limit) :]
            else:
                found = self._file.execute(
                    "SELECT * FROM audit WHERE :session IS NULL OR instr(key, :session) "
                    "ORDER BY number DESC LIMIT :limit",
                    {"session": session and json.dumps(session), "limit": -1 if limit is None else limit},
                ).fetchall()
                rows = [
                    (n, t, op, _key_from_text(key), status, reason, bytes.fromhex(digest), bool(stored), bool(replay))
                    for n, t, op, key, status, reason, digest, stored, replay in reversed(found)
                ]
        return [
            AuditRow(
                number,
                datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                operation,
                dict(zip(*key, strict=True)),
                status,
                reason,
                digest.hex(),
                stored,
                replay,
            )
            for number, time, operation, key, status, reason, digest, stored, replay in rows
        ]

    def clear(self) -> None:
        """Forget every session and audit row, in the file too."""
        with self._lock:
            self._sessions.clear()
            self._weight = self._seeded_weight = 0
            self._elsewhere = False
            self._audit.clear()
            self._audit_weight = 0
            self._dirty, self._unwritten = {}, []
            self._number = 0
            if self._file is not None:
                self._file.executescript("BEGIN; DELETE FROM sessions; DELETE FROM audit; COMMIT;")

    def close(self) -> None:
        """Write what is left and close the file. The store must not be used afterwards."""
        with self._lock:
            self.flush()
            if self._file is not None:
                self._file.close()
                self._file = None


def _row_weight(row: _AuditTuple) -> int:
    weight = _ROW_BYTES + len(row[5])
    for value in row[3][1]:
        weight += len(value)
    return weight


def _key_to_text(key: Key) -> str:
    # Long keys are no vendor's SIDs, and 4,096 of them would take more memory than the sessions may.
    return _short_key_to_text(key) if sum(map(len, key[1])) < 512 else json.dumps(key)


@lru_cache(maxsize=4096)
def _short_key_to_text(key: Key) -> str:
    return json.dumps(key)


def _key_from_text(text: str) -> Key:
    names, values = json.loads(text)
    return tuple(names), tuple(values)
