"""What became of one row of the list, and what is known of it until then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, TypedDict, get_args

State: TypeAlias = Literal[
    "ok", "done", "rejected", "conflict", "invalid", "superseded", "gave_up", "open"
]
STATES: tuple[State, ...] = get_args(State)
"""Every state of a row, from best to worst to read."""
GOOD: frozenset[str] = frozenset({"ok", "done"})
"""The states of rows whose session is as the list says."""


class Outcome(NamedTuple):
    """What became of one row; every distinct session of a list has exactly one.

    Attributes:
        line: The row's line in the list; 1 is the first.
        sids: Install, exam and session. Empty text where they are not known.
        state: `ok`: moved. `done`: not sent, an earlier job applied the same change.
            `rejected`: the API refused it (4xx). `conflict`: not sent, the list contains
            two different changes of this session. `invalid`: not sent, the row is wrong.
            `superseded`: not sent, or sent no more, because another job changed the
            session. `gave_up`: no answer that settles it. `open`: not settled yet.
        status: The last HTTP status, if there was an answer.
        code: The API's error code.
        message: The API's error message, or what is wrong with the row. Never a value of
            the row.
        maybe_applied: Whether the change may have been made although the state is not
            `ok`.
        attempts: How often a request was certainly begun.
        replays: How many of those followed an attempt that may have been applied.
        perhaps: How many more attempts may have been made by a process that died before
            it could record them.
        elapsed: Seconds from the first attempt to the last answer, waits included.
        at: When it was recorded, in seconds since 1970 (UTC).
        found: The session's start and end before the first attempt, as a JSON object by
            keyword; None if they are not known.
    """

    line: int
    sids: tuple[str, str, str]
    state: State
    status: int | None = None
    code: str | None = None
    message: str | None = None
    maybe_applied: bool = False
    attempts: int = 0
    replays: int = 0
    perhaps: int = 0
    elapsed: float = 0.0
    at: float = 0.0
    found: str | None = None


READS: Final = 3
"""How often a session is read, before its row is sent, as long as the service asks to wait."""


class HistoryRecord(TypedDict, total=False):
    """A `History` as JSON; what is left out has its default."""

    sendings: int
    attempts: int
    replays: int
    perhaps: int
    maybe_applied: bool
    elapsed: float
    reads_left: int
    found: str


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a row that was begun and is not settled.

    Attributes:
        sendings: Attempts that count towards the limit: all but those answered with 429.
        attempts: Attempts that were certainly begun.
        replays: How many of those followed one that may have been applied.
        perhaps: Attempts that a process that died may have made besides.
        maybe_applied: Whether the change may have been made.
        elapsed: Seconds since the first attempt.
        reads_left: How often its session may still be read before it is sent.
        found: The session's times before the first attempt, as in `Outcome`.
    """

    sendings: int = 0
    attempts: int = 0
    replays: int = 0
    perhaps: int = 0
    maybe_applied: bool = False
    elapsed: float = 0.0
    reads_left: int = READS
    found: str | None = None

    def in_doubt(self) -> History:
        """Return what is known after the process that may have sent the row died."""
        return History(
            sendings=self.sendings + 1,
            attempts=self.attempts,
            replays=self.replays,
            perhaps=self.perhaps + 1,
            maybe_applied=True,
            elapsed=self.elapsed,
            found=self.found,
        )

    def to_record(self) -> HistoryRecord:
        """Return what differs from the defaults."""
        record: HistoryRecord = {}
        if self.sendings:
            record["sendings"] = self.sendings
        if self.attempts:
            record["attempts"] = self.attempts
        if self.replays:
            record["replays"] = self.replays
        if self.perhaps:
            record["perhaps"] = self.perhaps
        if self.maybe_applied:
            record["maybe_applied"] = True
        if self.elapsed:
            record["elapsed"] = round(self.elapsed, 3)
        if self.reads_left != READS:
            record["reads_left"] = self.reads_left
        if self.found is not None:
            record["found"] = self.found
        return record

    @classmethod
    def from_record(cls, record: HistoryRecord) -> History:
        """Return the history that `to_record` wrote."""
        return cls(**record)
