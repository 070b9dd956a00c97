"""Sends the rows of one chunk through the public client.

It knows pacing and outcomes, and neither the journal nor its engine.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypedDict, cast

from smarterproctoring import (
    AsyncSmarterProctoring,
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    SmarterProctoringError,
    UnconfirmedError,
    ValidationError,
)

from smarterproctoring_bulk.doubts import CONFIRMED
from smarterproctoring_bulk.jobs import MAX_SENDINGS, Kind
from smarterproctoring_bulk.outcomes import READS, History, Outcome, State
from smarterproctoring_bulk.pacing import Breaker, Concurrency, Pace, Throttle
from smarterproctoring_bulk.reading import MOVED, check_of, is_moment, seen_of
from smarterproctoring_bulk.rows import Row

COMMIT_AFTER = 2.0
"""Seconds that an outcome waits for others before it is recorded."""
FAILURE_AFTER = 0.25
"""Seconds that a failure waits: its row is sent again only after it is recorded."""
MOST_WAITING = 500
"""Rows that wait to be sent again, above which no more are begun."""
SENT_ENOUGH: Final = "not sent again: it may have been sent as often as allowed"
"""The message of a row whose last attempt was under way when its process died."""
BACKOFF_BASE = 0.5
BACKOFF_MAX = 8.0
"""Seconds: full jitter over `min(base * 2**n, max)` before a row's next attempt."""
RETRYABLE: Final = frozenset({408, 425, 500, 502, 503, 504})
"""Statuses after which a row may be sent again: as in the client, but for 429."""
NO_ANSWER: Final = frozenset({502, 503, 504})
"""Statuses that a proxy gives for a service that does not answer."""


class Answer(Protocol):
    """What the service answered to an action; the client's results are such answers."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def attempts(self) -> int:
        """How many requests the action made."""
        ...

    @property
    def replays(self) -> int:
        """How many of those followed one that may have been applied."""
        ...


Action = Callable[[AsyncSmarterProctoring, Row], Awaitable[Answer]]
"""What is done with a row of one kind of job; it raises as the client does."""


def move(client: AsyncSmarterProctoring, row: Row) -> Awaitable[Answer]:
    """Send the change of a row."""
    fields = cast("_Fields", row.fields)
    return client.reschedule(*row.sids, **fields)


ACTIONS: Final[Mapping[Kind, Action]] = {"move": move}
"""What is done with each row of a job, by its kind."""


class _Fields(TypedDict, total=False):
    """Fields of `reschedule`; the list's reader has checked them by the client's rules."""


@dataclass(frozen=True, slots=True)
class Found:
    """What reading a session found.

    Attributes:
        as_asked: Whether the session is as its row asks.
        times: Its start and end, as in `Outcome.found`.
        attempts: How many requests that took.
    """

    as_asked: bool = False
    times: str | None = None
    attempts: int = 1


ReadSession = Callable[[AsyncSmarterProctoring, Row], Awaitable[Found]]
"""Reads the session of a row; it raises as the client does."""


async def read_session(client: AsyncSmarterProctoring, row: Row) -> Found:
    """Read a session, and compare it with its row."""
    result = await client.get_session(*row.sids)
    seen = seen_of(row, result.data)
    shown = seen.fields
    times = {name: shown[name] for name in MOVED if is_moment(shown.get(name, ""))}
    return Found(
        as_asked=check_of(row, seen).verdict == "as_asked",
        times=json.dumps(times) if times else None,
        attempts=result.attempts,
    )


@dataclass(eq=False, slots=True)
class Entry:
    """A row on its way.

    Attributes:
        row: The row.
        history: What was known when it was handed to this lane.
        sendings: Attempts that count towards the limit.
        attempts: Attempts that were certainly begun.
        replays: How many of those followed one that may have been applied.
        perhaps: Attempts that a process that died may have made besides.
        maybe_applied: Whether the change may have been made.
        reads_left: As in `History`.
        found: The session's times before the first attempt, as in `Outcome.found`.
        began: The clock's reading at the first attempt.
        ready: The clock's reading before which it is not sent again.
        attempt_began: The clock's reading at the last attempt.
        is_probe: Whether that finds out for the breaker whether the service is back.
    """

    row: Row
    sendings: int = 0
    attempts: int = 0
    replays: int = 0
    perhaps: int = 0
    maybe_applied: bool = False
    reads_left: int = READS
    found: str | None = None
    began: float | None = None
    ready: float = 0.0
    attempt_began: float = 0.0
    is_probe: bool = False

    @classmethod
    def continued(cls, row: Row, history: History, now: float) -> Entry:
        """Return the entry of a row that another lane began."""
        return cls(
            row,
            sendings=history.sendings,
            attempts=history.attempts,
            replays=history.replays,
            perhaps=history.perhaps,
            maybe_applied=history.maybe_applied,
            reads_left=history.reads_left,
            found=history.found,
            began=now - history.elapsed if history.attempts else None,
        )

    def history(self, now: float) -> History:
        """Return what the next lane must know of it."""
        return History(
            sendings=self.sendings,
            attempts=self.attempts,
            replays=self.replays,
            perhaps=self.perhaps,
            maybe_applied=self.maybe_applied,
            elapsed=0.0 if self.began is None else now - self.began,
            reads_left=self.reads_left,
            found=self.found,
        )


class Collected(NamedTuple):
    """What a lane has to record.

    Attributes:
        outcomes: Rows that are settled.
        sendings: By line, how often each of those was sent.
        begun: How many rows of the chunk, from the first, were begun or are settled.
        histories: By line, what is known of begun rows that are not settled.
        slot: When the next attempt may begin, in seconds since 1970; None for no rate.
        ended: Whether the lane has ended.
        left: Whether rows are left for another part.
    """

    outcomes: list[Outcome]
    sendings: dict[int, int]
    begun: int
    histories: dict[int, History]
    slot: float | None
    ended: bool
    left: bool


@dataclass(frozen=True, slots=True)
class Work:
    """What a lane is to do.

    Attributes:
        rows: All rows of the chunk.
        begun: How many of them, from the first, need no sending, but for those with a
            history.
        histories: By line, what is known of rows that another lane began.
        superseded: Sessions whose rows are not to be sent, because another job has them.
        slot: When the lane may begin, in seconds since 1970; None if no part left it.
    """

    rows: Sequence[Row]
    begun: int = 0
    histories: Mapping[int, History] = field(default_factory=dict[int, History])
    superseded: frozenset[str] = frozenset()
    slot: float | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How a lane is to do it.

    Attributes:
        rate: Tells the attempts per second over all lanes; None for no limit.
        lanes: Tells how many lanes share the rate.
        window: Rows that may be begun and not yet recorded.
        seconds: After which it hands on what is left.
        kind: What is done with each row.
        replay: Whether an attempt that may have been applied is repeated.
        halted: Tells whether the job is to stop for now.
        read: Reads a session before a change in doubt is sent again; None if that is not
            done.
        record_before: Whether each session is read before its first change, too, and its
            times are kept.
    """

    rate: Callable[[], float | None]
    lanes: Callable[[], int]
    window: int
    seconds: float
    kind: Kind = "move"
    replay: bool = True
    halted: Callable[[], bool] = lambda: False
    read: ReadSession | None = None
    record_before: bool = False


@dataclass
class Gate:
    """What all lanes of one worker share.

    Attributes:
        client: The public client.
        throttle: What 429 does.
        breaker: What an outage does.
        concurrency: How many requests may be under way.
        clock: Seconds, never going back.
        wall: Seconds since 1970; it goes on while the machine sleeps.
        stopped: Why no lane may begin an attempt any more: `auth`, `settings`, `api`,
            `disk`, `interrupt`, `stop`; empty while they may.
        detail: More about that, for people.
        retries: Attempts beyond each row's first.
        waits: Answers that asked all lanes to wait: 429, and to a read, any with
            `Retry-After`.
        flying: Requests under way.
        lanes: Lanes that are not done.
        hungry: Lanes that found no room for one more.
    """

    client: AsyncSmarterProctoring
    throttle: Throttle = field(default_factory=Throttle)
    breaker: Breaker = field(default_factory=Breaker)
    concurrency: Concurrency = field(default_factory=Concurrency)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    stopped: str = ""
    detail: str = ""
    retries: int = 0
    waits: int = 0
    flying: int = 0
    lanes: int = 0
    hungry: dict[Lane, None] = field(default_factory=dict["Lane", None])
    _wakers: set[Callable[[], None]] = field(default_factory=set[Callable[[], None]])

    def stop(self, reason: str, detail: str = "") -> None:
        """Let every lane finish what is under way and hand on the rest."""
        if not self.stopped:
            self.stopped = reason
            self.detail = detail
        self.wake()

    def restart(self) -> None:
        """Let lanes begin attempts again."""
        self.stopped = ""
        self.detail = ""
        self.breaker.reset()

    def wake(self) -> None:
        """Let every lane look again."""
        for waker in list(self._wakers):
            waker()

    def attach(self, waker: Callable[[], None]) -> None:
        """Call this whenever something changes for all lanes."""
        self._wakers.add(waker)

    def detach(self, waker: Callable[[], None]) -> None:
        """Call it no more."""
        self._wakers.discard(waker)


class Lane:
    """Sends the rows of one chunk, at its share of the rate, and settles each.

    Rows that another lane began come first, and then the others in the order of the chunk,
    at most one window ahead of what is recorded.

    Args:
        gate: What it shares with the other lanes.
        client: The public client; its own retries are off, because each attempt has to
            keep the pace.
        work: What to send.
        rules: How.
    """

    def __init__(
        self, gate: Gate, client: AsyncSmarterProctoring, work: Work, rules: Rules
    ) -> None:
        self._gate = gate
        self._client = client
        self._rules = rules
        self._act = ACTIONS[rules.kind]
        self._rows = work.rows
        self._closed = False
        gate.lanes += 1
        now = gate.clock()
        self._until = now + rules.seconds
        self._until_wall = gate.wall() + rules.seconds
        self._settled: list[Outcome] = []
        self._sendings: dict[int, int] = {}
        self._settled_at = now
        self._handed = 0
        self._flying: dict[int, Entry] = {}
        self._again: list[Entry] = []
        self._failed: list[Entry] = []
        self._recording: list[Entry] = []
        self._handed_at = now
        self._fresh: deque[int] = deque()
        self._take_in(work, now)
        self._recorded_begun = work.begun
        self._tasks: set[asyncio.Task[None]] = set()
        interval = self._interval(now)
        slot = None if work.slot is None else now + (work.slot - gate.wall())
        self._pace = Pace(now, interval, random.random(), slot)  # noqa: S311 - no secret
        self._event = asyncio.Event()
        self._wake = self._event.set

    def _take_in(self, work: Work, now: float) -> None:
        """Sort the rows: not to be sent, begun by another lane, not begun."""
        for position, row in enumerate(work.rows):
            history = work.histories.get(row.line)
            if history is None and position < work.begun:
                continue
            if row.sids[2] in work.superseded:
                entry = Entry.continued(row, history or History(), now)
                self._supersede(entry)
            elif history is not None:
                self._again.append(Entry.continued(row, history, now))
            else:
                self._fresh.append(position)

    async def collect(self) -> Collected:
        """Send until there is a good portion of outcomes to record; never raises for a row.

        The portion is handed over once three quarters of a window are settled, or half if it
        is full, so that the rest keep the line busy during the commit; or after
        `COMMIT_AFTER`.
        To be called again only when the portion before is in the journal.
        """
        gate = self._gate
        self._handed = 0
        self._again.extend(self._recording)
        self._recording = []
        gate.attach(self._wake)
        try:
            while True:
                self._event.clear()
                due = self._begin_what_is_due()
                now = gate.clock()
                if self._finished(now):
                    collected = self._hand_over(now, ended=True)
                    self.close()
                    return collected
                if self._portion_is_ready(now):
                    return self._hand_over(now, ended=False)
                # At most so long, so that a lane with nothing to do notices a job that was
                # paused elsewhere.
                wait = min(max(0.0, due - now), 0.25)
                timer = asyncio.get_running_loop().call_later(wait, self._wake)
                await self._event.wait()
                timer.cancel()
        finally:
            gate.detach(self._wake)

    def recorded(self, collected: Collected) -> None:
        """Note that a portion is in the journal."""
        self._recorded_begun = collected.begun

    def close(self) -> None:
        """Leave the other lanes their share; done where it ends, and by whoever gives it up before."""
        if not self._closed:
            self._closed = True
            self._gate.lanes -= 1
            self._gate.hungry.pop(self, None)

    def stop(self) -> None:
        """Let this lane finish what is under way and hand on the rest."""
        self._until = self._gate.clock()
        self._wake()

    def _stopping(self, now: float) -> bool:
        if self._gate.stopped or now >= self._until or self._rules.halted():
            return True
        # The clock stands still while the machine sleeps, and the lease does not.
        return self._gate.wall() >= self._until_wall

    def _finished(self, now: float) -> bool:
        if self._flying:
            return False
        left = self._fresh or self._again or self._failed
        return not left or self._stopping(now)

    def _portion_is_ready(self, now: float) -> bool:
        # Usually no portion is ready, so that `_stopping` is rarely called.
        return self._is_portion(now) and not self._stopping(now)

    def _is_portion(self, now: float) -> bool:
        """Tell whether what is settled or has failed is enough, or has waited long enough."""
        settled = len(self._settled)
        window = self._rules.window
        unsettled = len(self._flying) + len(self._failed)
        full = unsettled + settled >= window
        if settled * 4 >= window * 3 or (full and settled * 2 > window):
            return True
        if settled and now - self._settled_at >= COMMIT_AFTER:
            return True
        return bool(self._failed) and now - self._handed_at >= FAILURE_AFTER

    def _interval(self, now: float) -> float:
        rate = self._rules.rate()
        share = None if rate is None else rate / self._rules.lanes()
        return self._gate.throttle.interval(now, share, self._gate.lanes)

    def _hand_over(self, now: float, *, ended: bool) -> Collected:
        outcomes = self._settled
        sendings = self._sendings
        self._settled = []
        self._sendings = {}
        self._handed = len(outcomes) + len(self._failed)
        self._handed_at = now
        waiting = [*self._flying.values(), *self._again, *self._failed]
        # Only what is recorded is sent again, so that a crash leaves at most one attempt
        # of each row that nobody knows of.
        self._recording = self._failed
        self._failed = []
        histories = {entry.row.line: entry.history(now) for entry in waiting}
        slot: float | None = None
        if self._interval(now):
            slot = self._gate.wall() + (self._pace.slot - now)
        begun = self._fresh[0] if self._fresh else len(self._rows)
        left = bool(self._fresh or histories)
        return Collected(outcomes, sendings, begun, histories, slot, ended, left)

    def _begin_what_is_due(self) -> float:
        """Begin attempts; return the clock's reading at which the next may be due."""
        while isinstance(claimed := self._claim(self._gate.clock()), Entry):
            task = asyncio.create_task(self._fly(claimed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return claimed

    def _may_begin_fresh(self) -> bool:
        """Tell whether a row that was not begun may be begun."""
        if not self._fresh or len(self._again) + len(self._failed) > MOST_WAITING:
            return False
        return self._fresh[0] < self._recorded_begun + self._rules.window

    def _claim(self, now: float) -> Entry | float:
        """Take the next row for an attempt that begins now; else return when one may be due."""
        gate = self._gate
        open_rows = len(self._flying) + len(self._failed) + len(self._settled)
        if open_rows + self._handed >= self._rules.window:
            return self._until
        if self._stopping(now):
            return self._until
        fresh = self._may_begin_fresh()
        if not fresh and not self._again:
            return self._until
        due = self._pace.due(now, gate.throttle.until)
        probing = gate.breaker.open and self._must_probe()
        if probing:
            due = max(due, gate.breaker.due(now))
        if not fresh:
            due = max(due, min(entry.ready for entry in self._again))
        if due > now:
            return due
        if not self._has_room():
            gate.hungry.setdefault(self)
            return self._until
        if probing:
            gate.breaker.begin()
        entry = self._take(now, fresh=fresh, fresh_first=probing)
        entry.is_probe = probing
        gate.flying += 1
        self._flying[entry.row.line] = entry
        self._pace.begin(now, self._interval(now))
        entry.attempt_began = now
        return entry

    def _must_probe(self) -> bool:
        """Tell whether the breaker, which is open, holds this lane.

        Where only rows are left that failed before, and the service answers, there is
        nothing to protect: each of them ends after its last attempt.
        """
        return bool(self._fresh) or not self._gate.breaker.answers

    def _take(self, now: float, *, fresh: bool, fresh_first: bool) -> Entry:
        """Take the row whose turn it is: one whose wait is over, else the next one.

        Args:
            now: The clock's reading.
            fresh: Whether a row that was not begun may be begun.
            fresh_first: Whether that goes before the others.
        """
        ready: list[Entry] = []
        if self._again:
            ready = [entry for entry in self._again if entry.ready <= now]
        # A probe with a row that failed before would say little about the service.
        if fresh and (fresh_first or not ready):
            return Entry(self._rows[self._fresh.popleft()])
        entry = min(ready, key=_readiness)
        self._again.remove(entry)
        return entry

    async def _fly(self, entry: Entry) -> None:
        """Make attempts as long as there is one to make, in this lane or another.

        That keeps a connection busy.
        """
        gate = self._gate
        lane = self
        claimed = entry
        while True:
            try:
                await lane._attempt(claimed)
            finally:
                lane._flying.pop(claimed.row.line, None)
                gate.flying -= 1
                if claimed.is_probe:
                    lane._end_probe(claimed)
            now = gate.clock()
            if lane._portion_is_ready(now) or lane._finished(now):
                lane._wake()
            following = lane._claim(now)
            if isinstance(following, Entry):
                claimed = following
                continue
            # What comes next in this lane is for its `collect`: a portion, the end, a timer.
            lane._wake()
            for other in list(gate.hungry):
                following = other._claim(now)
                if isinstance(following, Entry):
                    lane = other
                    claimed = following
                    break
                if other._has_room():
                    gate.hungry.pop(other, None)
                    other._wake()
            else:
                return

    def _end_probe(self, entry: Entry) -> None:
        """Let another probe out after this one, even if it was only read back."""
        entry.is_probe = False
        self._gate.breaker.ended()

    def _has_room(self) -> bool:
        return self._gate.flying < self._gate.concurrency.allowed(self._rules.rate())

    # -- one attempt --

    async def _attempt(self, entry: Entry) -> None:
        """Make one attempt, and settle the row or put it back."""
        gate = self._gate
        began = entry.attempt_began
        if entry.began is None:
            entry.began = began
        try:
            if self._rules.read is not None and self._must_read(entry):
                await self._read(self._rules.read, entry)
                return
            if entry.sendings >= MAX_SENDINGS:
                # The last one was under way when its process died.
                self._settle(entry, "gave_up", message=SENT_ENOUGH)
                return
            answer = await self._act(self._client, entry.row)
        except ValidationError as error:
            # The list was checked by the same rules: only another version comes here.
            self._settle(entry, "invalid", error=error)
        except ConfigurationError as error:
            self._put_back(entry, began)
            gate.stop("settings", error.message)
        except SmarterProctoringError as error:
            self._failed_with(entry, error)
        except Exception as error:  # noqa: BLE001 - a lane must not raise; its name is all that may be shown
            self._put_back(entry, began)
            name = type(error).__name__
            gate.stop("settings", f"the client raised {name}, which it never should")
        else:
            if gate.breaker.failing:
                gate.breaker.succeeded()
            gate.throttle.accepted(began)
            gate.concurrency.answered(gate.clock() - began, gate.flying)
            self._count(entry, answer.attempts, answer.replays, maybe_applied=False)
            self._settle(entry, "ok", status=answer.status)

    def _must_read(self, entry: Entry) -> bool:
        """Tell whether the session is read before the row is sent."""
        if not entry.reads_left:
            return False
        return entry.maybe_applied or (
            self._rules.record_before and entry.found is None
        )

    async def _read(self, read: ReadSession, entry: Entry) -> None:
        """Read the session of a row; settle the row, or put it back to be sent or read.

        A row in doubt is read once, and is settled if its session is as it asks. What is
        found is in the journal before the row is sent, like every failure.
        """
        began = entry.attempt_began
        try:
            found = await read(self._client, entry.row)
        except ConfigurationError:
            raise
        except AuthenticationError as error:
            self._gate.stop("auth", error.message)
        except RateLimitError as error:
            self._limited(entry, error, self._gate.clock())
            return
        except SmarterProctoringError as error:
            self._not_read(entry, error)
        else:
            self._gate.throttle.accepted(began)
            self._take_slots(found.attempts - 1)
            entry.reads_left = 0
            if found.as_asked and entry.maybe_applied:
                self._settle(entry, "ok", message=CONFIRMED)
                return
            if self._rules.record_before and entry.found is None:
                entry.found = found.times
        self._put_back(entry, self._gate.clock())

    def _not_read(self, entry: Entry, error: SmarterProctoringError) -> None:
        """Note a read that failed: the row is sent without, unless the service asks to wait."""
        self._take_slots(error.attempts - 1)
        if error.retry_after is None:
            entry.reads_left = 0
            return
        entry.reads_left -= 1
        self._slow_down(entry, error, self._gate.clock())

    def _take_slots(self, count: int) -> None:
        """Leave out slots of the pace for requests that a call made besides its first.

        The client's own renewal of the token is one.
        """
        for _ in range(count):
            now = self._gate.clock()
            self._pace.begin(now, self._interval(now))

    def _count(
        self, entry: Entry, attempts: int, replays: int, *, maybe_applied: bool
    ) -> None:
        self._gate.retries += attempts - (0 if entry.attempts else 1)
        if attempts > 1:
            self._take_slots(attempts - 1)
        entry.replays += replays + (1 if entry.maybe_applied and attempts else 0)
        entry.attempts += attempts
        entry.sendings += 1
        if maybe_applied and not entry.maybe_applied:
            entry.maybe_applied = True
            entry.reads_left = READS

    def _failed_with(self, entry: Entry, error: SmarterProctoringError) -> None:
        gate = self._gate
        now = gate.clock()
        self._count(
            entry, error.attempts, error.replays, maybe_applied=error.maybe_applied
        )
        if isinstance(error, AuthenticationError):
            entry.sendings -= 1
            gate.stop("auth", error.message)
            self._put_back(entry, now)
        elif isinstance(error, RateLimitError):
            entry.sendings -= 1
            self._limited(entry, error, now)
        elif is_refusal(error):
            gate.breaker.succeeded()
            gate.throttle.accepted(entry.attempt_began)
            self._settle(entry, "rejected", error=error)
        else:
            self._unanswered(entry, error, now)
            gate.wake()

    def _limited(self, entry: Entry, error: RateLimitError, now: float) -> None:
        self._gate.breaker.succeeded()
        self._slow_down(entry, error, now)
        self._put_back(entry, now)

    def _slow_down(
        self, entry: Entry, error: SmarterProctoringError, now: float
    ) -> None:
        """Let all lanes wait as long as the service asks, and go on more slowly."""
        gate = self._gate
        interval = self._interval(now)
        pace = gate.lanes / interval if interval else float("inf")
        gate.throttle.limited(now, entry.attempt_began, error.retry_after, pace)
        gate.waits += 1
        gate.wake()

    def _unanswered(
        self, entry: Entry, error: SmarterProctoringError, now: float
    ) -> None:
        """Note an attempt after which it is open whether the row is settled."""
        breaker = self._gate.breaker
        status = error.status
        answered = status is not None and status not in NO_ANSWER
        breaker.failed(now, entry.row.sids[2], answered=answered)
        if breaker.exhausted(now) and (not answered or self._fresh):
            self._gate.stop("api", error.message)
        retryable = status is None or status in RETRYABLE
        # An answer that does not confirm would come again, and each replay may be one
        # change more.
        final = isinstance(error, UnconfirmedError) or not retryable
        if entry.maybe_applied and not self._rules.replay:
            final = True
        if final or entry.sendings >= MAX_SENDINGS:
            self._settle(entry, "gave_up", error=error)
            return
        longest = min(BACKOFF_BASE * 2.0**entry.sendings, BACKOFF_MAX)
        wait = random.random() * longest  # noqa: S311 - jitter
        self._put_back(entry, now + max(wait, error.retry_after or 0.0))

    def _put_back(self, entry: Entry, ready: float) -> None:
        entry.ready = ready
        self._failed.append(entry)

    def _supersede(self, entry: Entry) -> None:
        self._settle(
            entry, "superseded", message="another job has changed this session"
        )

    def _settle(
        self,
        entry: Entry,
        state: State,
        *,
        status: int | None = None,
        message: str | None = None,
        error: SmarterProctoringError | None = None,
    ) -> None:
        now = self._gate.clock()
        if not self._settled:
            self._settled_at = now
        code: str | None = None
        if error is not None:
            status = error.status
            code = error.code
            message = error.api_message or error.message
        row = entry.row
        self._sendings[row.line] = entry.sendings
        # By position, because this runs for each row, and keywords take twice as long.
        outcome = Outcome(
            row.line,
            row.sids,
            state,
            status,
            code,
            message,
            state != "ok" and entry.maybe_applied,
            entry.attempts,
            entry.replays,
            entry.perhaps,
            0.0 if entry.began is None else now - entry.began,
            self._gate.wall(),
            entry.found,
        )
        self._settled.append(outcome)


def _readiness(entry: Entry) -> float:
    return entry.ready


def is_refusal(error: SmarterProctoringError) -> bool:
    """Tell whether the API has refused the row for good.

    That is a 4xx, but not one after which the row may be sent again. A 499 is not a
    refusal: it says that the client went away, and the change may have been made.
    """
    status = error.status
    if status is None or status == 499 or status in RETRYABLE:
        return False
    return 400 <= status < 500
