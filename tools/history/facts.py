"""What is known of a history when it is over: what the service got, and what bulk said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

RowKind: TypeAlias = Literal["send", "duplicate", "conflict", "invalid"]
"""What a list makes of a row: only the first kind is ever sent."""
Answer: TypeAlias = Literal["yes", "no", "open"]
"""What an answer says of a change: it was made, it was not, or neither."""

CONFIRMED = "confirmed by reading back"
"""The message of a row that is ok because a read showed it."""
UNDER_WAY = "not settled yet: a process that runs may be sending it now"
"""The message of a row that another process may be sending while the report is written."""
ANY_UNDO = "@"
"""The change of a row of `bulk undo`: whatever its list says."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that the service got.

    Attributes:
        time: When it arrived, in seconds since 1970.
        session: The session's SID.
        change: What it asks for, as `change_of` writes it; empty for a read.
        status: The answer's status; 0 for none.
        answer: What the answer says of the change.
        stored: Whether the change was made, whatever the answer.
        shown: What a read showed, as `change_of` writes it; empty for a change.
        reason: Why it was answered so.
    """

    time: float
    session: str
    change: str = ""
    status: int = 200
    answer: Answer = "yes"
    stored: bool = False
    shown: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a list.

    Attributes:
        line: Its line.
        session: Its session's SID.
        change: What it asks for, as `change_of` writes it.
        kind: What the list makes of it.
    """

    line: int
    session: str
    change: str
    kind: RowKind = "send"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a report says of a row."""

    line: int
    session: str
    state: str
    maybe_applied: bool = False
    attempts: int = 0
    perhaps: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says of all rows of a job.

    Attributes:
        moment: When it was written, in seconds since 1970.
        statements: By line.
        code: The exit code of the command that wrote it; None if it says nothing of the job.
        alone: Whether no other command worked on the journal until then.
        left_alone: How many sessions `bulk undo` said that it left alone, which are in no row.
        is_whole: Whether it did not say that rows of the list are missing.
    """

    moment: float
    statements: Sequence[Statement]
    code: int | None = None
    alone: bool = True
    left_alone: int = 0
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """A time for which a process was stopped, in seconds since 1970."""

    began: float
    ended: float


@dataclass(slots=True)
class Job:
    """A job, and all that was done to it.

    Attributes:
        id: Its name.
        source: Its list's name.
        rows: Its list's rows; empty for `bulk undo`, whose list is made by the command.
        began: When the first command began that names it, in seconds since 1970.
        is_undo: Whether `bulk undo` made it.
        rate: Requests per second; None for no limit.
        lanes: How many chunks run concurrently.
        state: What `bulk status` says at the end.
        may_be_unfinished: Whether nothing obliges it to be done at the end.
        renewals: How often somebody asked for five more sendings of its rows.
        interruptions: How often a process that may have worked on it was killed, was stopped, or
            could not write its journal.
        pauses: The times for which such a process was stopped before it went on.
        reports: What was said of it, the oldest first.
    """

    id: str
    source: str
    rows: Sequence[Row]
    began: float
    is_undo: bool = False
    rate: float | None = None
    lanes: int = 1
    state: str = "done"
    may_be_unfinished: bool = False
    renewals: int = 0
    interruptions: int = 0
    pauses: list[Pause] = field(default_factory=list[Pause])
    reports: list[Report] = field(default_factory=list[Report])

    @property
    def stops(self) -> int:
        """How often a process that may have worked on it was stopped, and went on."""
        return len(self.pauses)

    def change_for(self, session: str) -> str:
        """Return what the job asks for of a session; empty for nothing."""
        if self.is_undo:
            return ANY_UNDO
        for row in self.rows:
            if row.session == session and row.kind == "send":
                return row.change
        return ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that ran.

    Attributes:
        words: Its arguments.
        began: When it began, in seconds since 1970.
        ended: When it ended.
        code: Its exit code, negative for a signal.
        output: What it printed.
        expected: The exit codes that fit what was done to it.
        rates: By what they are for (jobs, or the command itself), requests per second; None for
            no limit.
    """

    words: Sequence[str]
    began: float
    ended: float
    code: int
    output: str
    expected: frozenset[int]
    rates: dict[str, float | None] = field(default_factory=dict[str, float | None])


@dataclass(frozen=True, slots=True)
class History:
    """All of it.

    Attributes:
        name: What repeats it.
        requests: What the service got, by time.
        jobs: The oldest first.
        commands: By their beginning.
        lateness: The most seconds by which this machine was late while it ran.
    """

    name: str
    requests: Sequence[Request]
    jobs: Sequence[Job]
    commands: Sequence[Command] = ()
    lateness: float = 0.0


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be.

    Attributes:
        rule: The rule's name.
        message: What is wrong.
        session: The session; empty if it is not about one.
    """

    rule: str
    message: str
    session: str = ""


def change_of(notes: str, start: str) -> str:
    """Write what a request asks for, or what a read shows: notes and start."""
    return f"{notes}@{start[:16]}"


def is_as_asked(shown: str, change: str) -> bool:
    """Tell whether a read shows a change, or a request asks for it."""
    if change == ANY_UNDO:
        return shown.startswith("@")
    if change.startswith("@"):
        return shown.endswith(change)
    return shown == change


def at_risk(rate: float | None, lanes: int) -> int:
    """Return the rows that a crash may leave in doubt, as docs/reference/bulk.md promises."""
    return max(1200 if rate is None else 100, 25 * lanes)
