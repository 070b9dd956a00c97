"""What a job is: its options, its name, and how its rows are cut into chunks."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias
from urllib.parse import urlsplit

from smarterproctoring import __version__

from smarterproctoring_bulk.journal import JournalError
from smarterproctoring_bulk.plan import Counts

FORMAT = 2
"""What the journal's contents mean.

Raise it with any change that a worker of the version before would misread.
"""
CHUNK = 4000
"""Rows of a chunk at most."""
MAX_SENDINGS = 5
"""Attempts after which a row has given up; those answered with 429 do not count."""

Kind: TypeAlias = Literal["move"]
"""What a job does with each row. Each kind has an action in `send.ACTIONS`."""
Again: TypeAlias = Literal["done", "changed", "gave-up"]
"""Rows that are sent only if somebody asks for them again."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}


class UnknownJobError(JournalError):
    """No such job."""


class IncompatibleError(JournalError):
    """The job was begun by a version of this package that writes the journal differently."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """The options of a job that somebody gave; None for one that was not given.

    Attributes:
        rate: Requests per second over all workers; infinity for no limit.
        lanes: How many chunks run concurrently over all workers.
        lease: Seconds within which the work of a host that died is taken over.
        replay: Whether an attempt that may have been applied is repeated.
        record_before: Whether each session's times are read and kept before it is moved.
    """

    rate: float | None = None
    lanes: int | None = None
    lease: float | None = None
    replay: bool | None = None
    record_before: bool | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One list for one service.

    Attributes:
        id: 12 hexadecimal digits.
        fingerprint: What the list and the options that read it hash to.
        source: The list's name.
        base_url: Where its requests go. A worker for another service leaves it alone.
        counts: Rows of the list by kind, as planned.
        rate: Requests per second over all workers; None for no limit.
        lanes: How many chunks run concurrently over all workers.
        lease: Seconds within which the work of a host that died is taken over.
        chunk: Rows of a chunk at most.
        window: Rows of one lane that may be begun and not yet recorded. It never changes,
            because a take-over counts with it.
        kind: What is done with each row.
        replay: Whether an attempt that may have been applied is repeated.
        record_before: Whether each session's times are read and kept before it is moved.
        submitted: Whether all rows are in the journal.
        paused: Why no chunk of it is begun: `auth`, `api`, `settings`, `cancelled`,
            `superseded`; empty while they are.
        detail: More about that.
        created: When its list was checked, in seconds since 1970.
        format: The journal format it was begun with.
        client: The version of this package that began it.
    """

    id: str
    fingerprint: str
    source: str
    base_url: str
    counts: Counts
    rate: float | None
    lanes: int
    lease: float
    chunk: int
    window: int
    kind: Kind = "move"
    replay: bool = True
    record_before: bool = False
    submitted: bool = False
    paused: str = ""
    detail: str = ""
    created: float = 0.0
    format: int = FORMAT
    client: str = __version__

    @property
    def total(self) -> int:
        """Return how many rows have an outcome in the end."""
        counts = self.counts
        return counts.sendable + counts.conflict + counts.invalid

    @property
    def queue(self) -> str:
        """Return the name of its queue."""
        return f"bulk-{self.id}"

    @property
    def service(self) -> str:
        """Return the name of its service, the same however the URL is spelt."""
        return service_key(self.base_url)

    def check(self) -> Self:
        """Return the job if this version can work on it.

        Raises:
            IncompatibleError: It cannot; the message says what to do.
        """
        if self.format != FORMAT:
            raise IncompatibleError(
                f"job {self.id} was begun by smarterproctoring-client {self.client}, "
                f"whose journal this version ({__version__}) does not continue. Finish "
                "it with that version, or write its report with it, purge the job and "
                "submit the rows that are not ok again"
            )
        return self


def service_key(base_url: str) -> str:
    """Return the same text for every spelling of a service's URL.

    Case, a trailing slash and the default port do not count, and `localhost`, `127.0.0.1`
    and `::1` are one host.
    """
    parts = urlsplit(base_url)
    scheme = parts.scheme.lower()
    host = (parts.hostname or "").rstrip(".")
    if host in _LOOPBACK:
        host = "localhost"
    port = parts.port or _PORTS.get(scheme, 0)
    return f"{scheme}://{host}:{port}{parts.path.rstrip('/')}"


def application(base_url: str) -> str:
    """Return the name of a service's DBOS application.

    Its workers take up that service's chunks and no others. It is the application's
    version too: DBOS's default for that is a hash of the source, so that a corrected typo
    would orphan every job.
    """
    digest = hashlib.sha256(service_key(base_url).encode()).hexdigest()
    return f"bulk-{FORMAT}-{digest[:12]}"


def job_id(fingerprint: str, base_url: str, turn: int = 0) -> str:
    """Return the name of the job of a list for a service.

    Args:
        fingerprint: The list's.
        base_url: The service: what was moved on a test server is not moved elsewhere.
        turn: How many jobs of this list there were before.
    """
    said = f"{fingerprint} {service_key(base_url)}"
    if turn:
        said += f" {turn}"
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def next_id(fingerprint: str, base_url: str, taken: Collection[str]) -> str:
    """Return the name of the next job of a list for a service.

    Args:
        fingerprint: The list's.
        base_url: The service.
        taken: The jobs that were there when the list was looked for. Two hosts that start
            at the same moment find none, and give their job the same name.
    """
    for turn in itertools.count():
        name = job_id(fingerprint, base_url, turn)
        if name not in taken:
            return name
    raise AssertionError("counting does not end")


def largest_chunk(rate: float | None, lanes: int, lease: float) -> int:
    """Return the rows of a chunk at most, or of a window if that is more.

    A lane sends one in its turn, which is well below the lease.
    """
    if rate is None:
        return CHUNK
    return min(CHUNK, int(rate / lanes * turn(lease) * 0.8))


def chunk_sizes(
    rows: int, largest: int, lanes: int, least: int, *, alone: bool = False
) -> Iterator[int]:
    """Yield the rows of one chunk after the other.

    A chunk is half of a lane's share of what is left: large ones cost little, and with
    small ones at the end no lane has much to do when others have nothing any more. The
    first ones of a long list differ, so that no two lanes end at the same time.

    Args:
        rows: Rows of all chunks.
        largest: Rows of a chunk at most.
        lanes: How many chunks run concurrently.
        least: Rows of a chunk at least.
        alone: Whether one process has all lanes, and no rate is shared among them. Then
            its last lane is as fast as all, and no chunk need be small.
    """
    number = 0
    while rows > 0:
        number += 1
        first = largest * min(number, lanes) // lanes
        share = rows if alone else rows // (lanes * 2)
        size = min(rows, max(least, min(first, share)))
        yield size
        rows -= size


def time_limit(lease: float) -> float:
    """Return the seconds after which a part's worker counts as dead.

    The rest of the lease is for noticing it.
    """
    return lease * 0.8


def turn(lease: float) -> float:
    """Return the seconds after which a live worker hands on what is left of a chunk."""
    return lease * 0.4


def attempt_limit(lease: float) -> float:
    """Return the seconds of one attempt, so that it ends before the part's time limit."""
    return lease * 0.3
