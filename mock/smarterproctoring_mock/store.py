"""The stored state: the sessions, and an audit row for every request.

A session's key is the values of its path parameters. In memory by default, where the oldest are dropped above a limit.
With a file, every request is written to it before it is answered (SQLite, WAL), so that ending the process, even
by `kill -9`, loses no row, and sessions that were dropped from memory are read from there.
"""

import asyncio
import json
import math
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from sys import getsizeof
from typing import Final, NamedTuple, TypeAlias

from smarterproctoring_mock.strict_json import Json

Key: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""Names and values of the path parameters."""

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

# Octets of a row, a session and a field other than their texts, roughly.
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
    """The file is not a store of this server, or a seed breaks the spec."""


@dataclass(frozen=True, slots=True)
class Session:
    """One stored session: its path parameters, and the fields sent so far."""

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
    """The answer's status; 0 if the connection ended without an answer."""
    reason: str
    digest: str
    """BLAKE2b-128 of the body in hex: equal digests are equal bodies."""
    stored: bool
    replay: bool
    """Whether the session's last stored change was this very body: a repetition that changed nothing."""


class _Row(NamedTuple):
    """An audit row as it is kept, in the order of the file's columns."""

    number: int
    time: float
    operation: str
    key: Key
    status: int
    reason: str
    digest: bytes
    stored: bool
    replay: bool

    @property
    def weight(self) -> int:
        """Octets of memory, roughly."""
        return _ROW_BYTES + len(self.reason) + sum(map(len, self.key[1]))

    def shown(self) -> AuditRow:
        """Return the row as an auditor sees it."""
        return AuditRow(
            number=self.number,
            time=iso(self.time),
            operation=self.operation,
            params=params_of(self.key),
            status=self.status,
            reason=self.reason,
            digest=self.digest.hex(),
            stored=self.stored,
            replay=self.replay,
        )

    def columns(self) -> Sequence[object]:
        """Return what the file holds of the row."""
        return (
            self.number,
            self.time,
            self.operation,
            _key_to_text(self.key),
            self.status,
            self.reason,
            self.digest.hex(),
            self.stored,
            self.replay,
        )


class _KeptSession:
    """A session in memory."""

    __slots__ = (
        "_rest",
        "_sizes",
        "changed",
        "digest",
        "fields",
        "history",
        "seeded",
        "weight",
    )

    def __init__(
        self,
        key: Key,
        fields: dict[str, Json],
        digest: bytes,
        *,
        seeded: dict[str, Json] | None = None,
        changed: float = -math.inf,
    ) -> None:
        self.fields = fields
        self.digest = digest
        self.changed = changed
        """When it was last changed, in seconds since 1970; -inf where that is not known."""
        self.history: tuple[dict[str, Json], ...] = ()
        self.seeded = seeded
        """The fields to restore when its changes are dropped; None if the session is dropped."""
        size = _size(fields)
        self._rest = _SESSION_BYTES + sum(map(len, key[1]))
        self._sizes: tuple[int, ...] = (
            size,
        )  # of the history, and of the fields at its end
        self.weight = self._rest + size
        """Octets of memory, roughly."""

    def change(self, change: Mapping[str, Json], digest: bytes, changed: float) -> None:
        """Merge a change into the fields, and keep what they were before as history.

        What was sent last stands last: where two fields say the same thing, it counts.
        """
        # A new dict, so that a reader in another thread sees the session before or after, whole.
        rest = {name: self.fields[name] for name in self.fields if name not in change}
        fields = {**rest, **change}
        history = (*self.history[1 - HISTORY_LIMIT :], self.fields)
        sizes = (*self._sizes[-len(history) :], _size(fields))
        total = sum(sizes)
        while history and total - sizes[-1] > HISTORY_BYTES:
            total -= sizes[0]
            history = history[1:]
            sizes = sizes[1:]
        self.history = history
        self.fields = fields
        self.digest = digest
        self.changed = changed
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
        self._sessions: dict[Key, _KeptSession] = {}
        self._weight = 0  # of the sessions
        self._seeded_weight = 0
        self._elsewhere = False  # whether the file holds sessions that memory does not
        self._audit: deque[_Row] = deque()
        self._audit_weight = 0
        self._number = 0
        self._dirty: dict[Key, _KeptSession] = {}
        self._unwritten: list[_Row] = []
        self._file: sqlite3.Connection | None = None
        if path is not None:
            self._file = self._open(Path(path))

    def _open(self, path: Path) -> sqlite3.Connection:
        # For its owner alone: sessions have personal data. SQLite says what is wrong where this fails.
        with suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        try:
            file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from None
        try:
            file.execute("PRAGMA journal_mode=WAL")
            # In WAL mode a commit needs no fsync to outlive the process, only to outlive the machine.
            file.execute("PRAGMA synchronous=NORMAL")
            file.executescript(_SCHEMA)
            for key, fields, digest in file.execute(
                "SELECT key, fields, digest FROM sessions"
            ):
                if self._weight > SESSIONS_BYTES:
                    self._elsewhere = True
                    break
                known = _key_from_text(key)
                self._keep(
                    known,
                    _KeptSession(known, json.loads(fields), bytes.fromhex(digest)),
                )
            (self._number,) = file.execute(
                "SELECT coalesce(max(number), 0) FROM audit"
            ).fetchone()
        except (sqlite3.Error, ValueError) as error:
            file.close()
            raise StoreError(f"{path}: {error}") from None
        return file

    # --- the hot path --------------------------------------------------------------------------------------

    def knows(self, key: Key) -> bool:
        """Whether a session has been stored under this key."""
        return key in self._sessions or (
            self._elsewhere and self._find(key) is not None
        )

    def fields(self, key: Key) -> Mapping[str, Json]:
        """Return what is stored of a session; nothing where it is not known."""
        kept = self._find(key)
        return kept.fields if kept is not None else {}

    def former_fields(self, key: Key) -> Mapping[str, Json]:
        """Return what was stored of a session before its last change; nothing where that is not known."""
        kept = self._find(key)
        return kept.history[-1] if kept is not None and kept.history else {}

    def since_change(self, key: Key) -> float:
        """Return the seconds since a session was last changed; infinite where it was not since the start."""
        kept = self._find(key)
        return time.time() - kept.changed if kept is not None else math.inf

    def record(
        self,
        moment: float,
        operation: str,
        key: Key,
        status: int,
        reason: str,
        digest: bytes,
        change: Mapping[str, Json] | None,
    ) -> None:
        """Add an audit row and, where a change is given, merge it into the session.

        Args:
            moment: Seconds since 1970.
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
            stored = change is not None
            row = _Row(
                self._number,
                moment,
                operation,
                key,
                status,
                reason,
                digest,
                stored,
                replay,
            )
            if self._file is not None:
                self._unwritten.append(row)
                return
            self._audit.append(row)
            self._audit_weight += row.weight
            while len(self._audit) > AUDIT_LIMIT or self._audit_weight > AUDIT_BYTES:
                self._audit_weight -= self._audit.popleft().weight

    def _change(self, key: Key, change: Mapping[str, Json], digest: bytes) -> bool:
        """Merge a change into a session; return whether it is a replay."""
        kept = self._sessions.get(key) or self._find(key)
        replay = False
        if kept is None:
            kept = _KeptSession(key, dict(change), digest, changed=time.time())
            self._keep(key, kept)
        elif kept.digest == digest:
            replay = True
        else:
            before = kept.weight
            kept.change(change, digest, time.time())
            self._weight += kept.weight - before
        if self._file is not None:
            self._dirty[key] = kept
        if self._weight > SESSIONS_BYTES + self._seeded_weight:
            self._make_room()
        return replay

    # --- the limit of memory -------------------------------------------------------------------------------

    def _find(self, key: Key) -> _KeptSession | None:
        """Return a session from memory, or from the file if only that has it."""
        kept = self._sessions.get(key)
        if kept is None and self._elsewhere and self._file is not None:
            with self._lock:
                if self._weight > SESSIONS_BYTES + self._seeded_weight:
                    self._make_room()
                rows = self._file.execute(
                    "SELECT fields, digest FROM sessions WHERE key = ?",
                    [_key_to_text(key)],
                )
                for fields, digest in rows:
                    kept = _KeptSession(key, json.loads(fields), bytes.fromhex(digest))
                    self._keep(key, kept)
        return kept

    def _keep(self, key: Key, kept: _KeptSession) -> None:
        before = self._sessions.get(key)
        self._weight += kept.weight - (before.weight if before is not None else 0)
        self._sessions[key] = kept

    def _make_room(self) -> None:
        """Drop the oldest sessions, until an eighth of the memory limit is free again.

        A seeded session is not dropped but set back to its seed. With a file, all sessions stay in the file.
        """
        self.flush()
        wanted = SESSIONS_BYTES * 7 // 8 + self._seeded_weight
        for key in list(self._sessions):
            if self._weight <= wanted:
                break
            kept = self._sessions[key]
            if self._file is not None or kept.seeded is None:
                del self._sessions[key]
                self._weight -= kept.weight
            elif kept.fields is not kept.seeded:
                self._keep(key, _KeptSession(key, kept.seeded, b"", seeded=kept.seeded))
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
            dirty = self._dirty
            rows = self._unwritten
            self._dirty = {}
            self._unwritten = []
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany(
                "INSERT INTO sessions VALUES (?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET fields = excluded.fields, digest = excluded.digest",
                [
                    (_key_to_text(key), json.dumps(kept.fields), kept.digest.hex())
                    for key, kept in dirty.items()
                ],
            )
            self._file.executemany(
                "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [row.columns() for row in rows],
            )
            self._file.execute("COMMIT")

    # --- reading and setting up ----------------------------------------------------------------------------

    def put(self, sessions: Iterable[tuple[Key, Mapping[str, Json]]]) -> None:
        """Replace the fields of sessions."""
        with self._lock:
            for key, fields in sessions:
                seeded = dict(fields)
                before = self._sessions.get(key)
                if before is not None and before.seeded is not None:
                    self._seeded_weight -= _KeptSession(key, before.seeded, b"").weight
                kept = _KeptSession(key, seeded, b"", seeded=seeded)
                self._keep(key, kept)
                self._seeded_weight += kept.weight
                if self._file is not None:
                    self._dirty[key] = kept
            self.flush()

    def sessions(self) -> list[Session]:
        """Return every known session, in the order in which they became known; first those only in the file."""
        with self._lock:
            found: list[Session] = []
            if self._elsewhere and self._file is not None:
                self.flush()
                for text, fields in self._file.execute(
                    "SELECT key, fields FROM sessions"
                ):
                    key = _key_from_text(text)
                    if key not in self._sessions:
                        found.append(Session(params_of(key), json.loads(fields)))
            for key, kept in self._sessions.items():
                history = tuple(map(dict, kept.history))
                found.append(Session(params_of(key), dict(kept.fields), history))
            return found

    def audit(
        self, *, session: str | None = None, limit: int | None = None
    ) -> list[AuditRow]:
        """Return audit rows, the oldest first.

        Args:
            session: Only rows of which a path parameter has this value.
            limit: Only this many, the newest.

        Returns:
            The rows, of the newest `AUDIT_LIMIT` at least.
        """
        with self._lock:
            self.flush()
            if self._file is None:
                rows = [
                    row
                    for row in self._audit
                    if session is None or session in row.key[1]
                ]
                rows = rows if limit is None else rows[max(0, len(rows) - limit) :]
            else:
                rows = self._read_rows(self._file, session, limit)
        return [row.shown() for row in rows]

    def _read_rows(
        self, file: sqlite3.Connection, session: str | None, limit: int | None
    ) -> list[_Row]:
        wanted = {
            "session": session and json.dumps(session),
            "limit": -1 if limit is None else limit,
        }
        found: list[_StoredRow] = file.execute(
            "SELECT * FROM audit WHERE :session IS NULL OR instr(key, :session) "
            "ORDER BY number DESC LIMIT :limit",
            wanted,
        ).fetchall()
        return [_row_from_file(columns) for columns in reversed(found)]

    def clear(self) -> None:
        """Forget every session and audit row, in the file too."""
        with self._lock:
            self._sessions.clear()
            self._weight = 0
            self._seeded_weight = 0
            self._elsewhere = False
            self._audit.clear()
            self._audit_weight = 0
            self._dirty = {}
            self._unwritten = []
            self._number = 0
            if self._file is not None:
                self._file.executescript(
                    "BEGIN; DELETE FROM sessions; DELETE FROM audit; COMMIT;"
                )

    def close(self) -> None:
        """Write the rest and close the file. The store must not be used afterwards."""
        with self._lock:
            self.flush()
            if self._file is not None:
                self._file.close()
                self._file = None


def params_of(key: Key) -> dict[str, str]:
    """Return the path parameters of a key: their values by their names."""
    names, values = key
    return dict(zip(names, values, strict=True))


def iso(seconds: float) -> str:
    """Write a moment, in seconds since 1970, in UTC with milliseconds and a Z."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _row_from_file(columns: "_StoredRow") -> _Row:
    number, time, operation, key, status, reason, digest, stored, replay = columns
    return _Row(
        number=number,
        time=time,
        operation=operation,
        key=_key_from_text(key),
        status=status,
        reason=reason,
        digest=bytes.fromhex(digest),
        stored=bool(stored),
        replay=bool(replay),
    )


_StoredRow: TypeAlias = tuple[int, float, str, str, int, str, str, int, int]
"""The columns of an audit row, as SQLite returns them."""


def _key_to_text(key: Key) -> str:
    # Long keys are not real SIDs, and 4,096 of them would exceed the memory limit of the sessions.
    return _short_key_to_text(key) if sum(map(len, key[1])) < 512 else json.dumps(key)


@lru_cache(maxsize=4096)
def _short_key_to_text(key: Key) -> str:
    return json.dumps(key)


def _key_from_text(text: str) -> Key:
    names, values = json.loads(text)
    return tuple(names), tuple(values)
