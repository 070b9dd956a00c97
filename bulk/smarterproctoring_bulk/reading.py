"""Reads the sessions of a list as they are now: at a rate, and so that an interrupted reading continues.

It knows neither the journal nor its engine: a read changes nothing, so nothing has to be remembered of it but what it
found. That is in a file beside the output, until the output is whole.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from smarterproctoring import (
    APIConnectionError,
    AsyncSmarterProctoring,
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    ServerError,
    SmarterProctoringError,
)
from smarterproctoring.commands import compare, moment_of, of_another, utc_text
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.records import Hidden
from smarterproctoring_generated.results import Check, Difference

from smarterproctoring_bulk import exits
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.rows import TIMES, Row

TRIES: Final = 5
"""How often a session is read at most."""
FLYING: Final = 16
"""Reads that are under way at the same time."""
_KEPT: Final = 0.98
"""The share of a rate at which reads begin, as for changes."""
_SILENT: Final = 20
"""Sessions in a row without an answer, after which the service does not answer."""
_BACKOFF: Final = 0.5
_COMMIT: Final = 1.0
"""Seconds after which what was read is in the file."""
SHOWN_AS: Final = {
    field.keyword: field.reads_back_as
    for field in RESCHEDULE_EXAM_SESSION.fields
    if field.reads_back_as
}
"""The property of the answer that shows a field, by keyword."""
NAMES: Final = {item.keyword: item.name for item in RESCHEDULE_EXAM_SESSION.fields}
"""The API's names of the fields, by keyword."""
SIDS: Final = tuple(
    parameter.name
    for parameter in RESCHEDULE_EXAM_SESSION.parameters
    if parameter.location == "path"
)
"""The API's names of install, exam and session."""
KEYWORDS: Final = {name: keyword for keyword, name in NAMES.items()}
"""The fields' keywords, by the API's names."""
MOVED: Final = ("appointment_start_date_time", "appointment_end_date_time")
"""The times that a move changes, by keyword."""
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS about (what TEXT PRIMARY KEY, text TEXT);
    CREATE TABLE IF NOT EXISTS seen (
        line INTEGER PRIMARY KEY, install TEXT, exam TEXT, session TEXT, fields TEXT, problem TEXT
    );
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a session was when it was read.

    Attributes:
        line: The line of its row.
        sids: Install, exam and session.
        fields: What the answer shows of the fields of a change, by keyword; times as
            `YYYY-MM-DDTHH:MM:SS.mmmZ`, or as they are if they are in another form.
        problem: Why it was not read; empty if it was.
    """

    line: int
    sids: tuple[str, str, str]
    fields: dict[str, str]
    problem: str = ""


def _cannot_write(path: Path | None, error: Exception) -> Stop:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Stop(f"{path} cannot be written: {reason}", exits.JOURNAL)


class Findings:
    """What was read so far, in a file that only its owner can read.

    Args:
        path: The file; one of another list or service is emptied. None keeps it in memory.
        about: What tells the list and the service.

    Raises:
        Stop: The file cannot be written.
    """

    def __init__(self, path: Path | None, about: str) -> None:
        self._path = path
        self._committed = time.monotonic()
        try:
            if path is not None:
                flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
                os.close(os.open(path, flags, 0o600))
            self._db = sqlite3.connect(path or ":memory:")
        except (OSError, sqlite3.Error) as error:
            raise _cannot_write(path, error) from None
        try:
            self._begin(about)
        except sqlite3.Error as error:
            self._db.close()
            raise _cannot_write(path, error) from None

    def _begin(self, about: str) -> None:
        """Keep what is there of the same list and service, but for what was not read."""
        self._db.executescript(_SCHEMA)
        known = self._db.execute("SELECT text FROM about").fetchone()
        if known != (about,):
            self._db.execute("DELETE FROM seen")
            self._db.execute(
                "INSERT OR REPLACE INTO about VALUES ('list', ?)", (about,)
            )
        # A session that was not read is read again.
        self._db.execute("DELETE FROM seen WHERE problem <> ''")
        self._db.commit()

    def count(self) -> int:
        """Return how many sessions were read."""
        (count,) = self._db.execute("SELECT count(*) FROM seen").fetchone()
        return int(count)

    def has(self, line: int) -> bool:
        """Tell whether the session of a row was read."""
        found = self._db.execute("SELECT 1 FROM seen WHERE line = ?", (line,))
        return found.fetchone() is not None

    def add(self, seen: Seen) -> None:
        """Take in what was read."""
        values = (seen.line, *seen.sids, json.dumps(seen.fields), seen.problem)
        self._db.execute(
            "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?)", values
        )
        if time.monotonic() - self._committed > _COMMIT:
            self._db.commit()
            self._committed = time.monotonic()

    def __iter__(self) -> Iterator[Seen]:
        query = "SELECT line, install, exam, session, fields, problem FROM seen ORDER BY line"
        for line, install, exam, session, fields, problem in self._db.execute(query):
            yield Seen(line, (install, exam, session), json.loads(fields), problem)

    def drop(self) -> None:
        """Delete the file: the output is whole."""
        self._db.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._db.commit()
        except sqlite3.ProgrammingError:
            return  # dropped
        self._db.close()


class Reading:
    """Reads sessions.

    Args:
        client: The public client.
        rate: Reads per second, retries included; None for no limit.
        take: Called with each session.
    """

    def __init__(
        self,
        client: AsyncSmarterProctoring,
        rate: float | None,
        take: Callable[[Seen], object],
    ) -> None:
        # Its own retries are off, because each attempt has to keep the rate.
        self._client = client.with_options(retries=0)
        self._interval = 0.0 if rate is None else 1 / (rate * _KEPT)
        self._take = take
        self._next = 0.0
        self._silent = 0
        self._stop: Stop | None = None

    async def read(self, rows: Iterable[Row]) -> None:
        """Read the sessions of all rows.

        Raises:
            Stop: The token is refused, or the service does not answer.
        """
        room = asyncio.Semaphore(FLYING)
        tasks: set[asyncio.Task[None]] = set()
        for row in rows:
            await room.acquire()
            if self._stop is not None:
                break
            task = asyncio.create_task(self._row(row))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda _: room.release())
        await asyncio.gather(*tasks)
        if self._stop is not None:
            raise self._stop

    async def _row(self, row: Row) -> None:
        problem = ""
        for number in range(TRIES):
            await self._turn()
            if self._stop is not None:
                return
            try:
                result = await self._client.get_session(*row.sids)
            except SmarterProctoringError as error:
                problem = _reason(error)
                self._judge(error)
                if not _may_be_repeated(error):
                    break
                await self._wait(error, number)
            else:
                self._silent = 0
                self._take(seen_of(row, result.data))
                return
        if self._stop is None:
            self._take(Seen(row.line, row.sids, {}, problem))

    async def _turn(self) -> None:
        now = time.monotonic()
        begin = max(self._next, now)
        self._next = begin + self._interval
        await asyncio.sleep(begin - now)

    async def _wait(self, error: SmarterProctoringError, number: int) -> None:
        pause = error.retry_after
        if pause is None and isinstance(error, RateLimitError):
            pause = 1.0
        if pause is not None:
            self._next = max(self._next, time.monotonic() + pause)
            return
        most = _BACKOFF * 2**number
        await asyncio.sleep(random.uniform(0, most))  # noqa: S311 - no secret

    def _judge(self, error: SmarterProctoringError) -> None:
        """Stop where no other session will be read either."""
        if isinstance(error, AuthenticationError):
            self._stop = Stop(
                "the token was refused; the same command continues", exits.AUTH
            )
        elif isinstance(error, ConfigurationError):
            self._stop = Stop(error.message, exits.BAD_INPUT)
        if not isinstance(error, APIConnectionError):
            self._silent = 0
            return
        self._silent += 1
        if self._silent >= _SILENT * 2:
            self._stop = Stop(
                "the service does not answer; the same command continues",
                exits.API_DOWN,
            )


def _may_be_repeated(error: SmarterProctoringError) -> bool:
    repeated = (APIConnectionError, ServerError, RateLimitError)
    return isinstance(error, repeated)


def _reason(error: SmarterProctoringError) -> str:
    """Say why a session was not read; no value of it."""
    if error.status is None:
        return "no answer"
    code = f", code {error.code}" if error.code else ""
    return f"status {error.status}{code}"


def seen_of(row: Row, answer: object) -> Seen:
    """Return what an answer shows of the session of a row; nothing if it is about another one."""
    named = dict(zip(SIDS, row.sids, strict=True))
    problem = of_another(named, Hidden(answer))
    fields = {} if problem else shown_fields(answer)
    return Seen(row.line, row.sids, fields, problem)


def shown_fields(answer: object) -> dict[str, str]:
    """Return what an answer shows of the fields of a change, by keyword."""
    if not isinstance(answer, dict):
        return {}
    found: dict[str, str] = {}
    for keyword, name in SHOWN_AS.items():
        value: object = answer.get(name)
        if isinstance(value, str):
            found[keyword] = _wire(value) if keyword in TIMES else value
    return found


def _wire(text: str) -> str:
    """Return a time in the wire form, or as it is if it is not a moment."""
    moment = moment_of(text)
    return text if moment is None else utc_text(moment)


def is_moment(text: str) -> bool:
    """Tell whether a time that was read is one."""
    return moment_of(text) is not None


def check_of(row: Row, seen: Seen) -> Check:
    """Compare a session with its row, by the rules of the client's `check`.

    The differences may hold personal values.
    """
    asked = {NAMES[keyword]: value for keyword, value in row.fields.items()}
    answer: dict[str, object] = {
        SHOWN_AS[keyword]: value for keyword, value in seen.fields.items()
    }
    now = datetime.now(UTC)
    return compare(RESCHEDULE_EXAM_SESSION, Hidden(asked), Hidden(answer), now)


def why_unknown(seen: Seen) -> str:
    """Say why a session that was read cannot be compared."""
    return seen.problem or "the answer shows no time"


def described(difference: Difference) -> str:
    """Say how a field differs; of a field that is not a time, no value."""
    if KEYWORDS[difference.field] in TIMES:
        return f"{difference.field} is {difference.seen}, not {difference.asked}"
    return f"{difference.field} differs"
