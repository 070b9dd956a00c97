"""Sends the rows of one chunk through the public client. Knows pacing and outcomes, not the journal's engine."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from smarterproctoring import (
    AsyncSmarterProctoring,
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    SmarterProctoringError,
    UnconfirmedError,
    ValidationError,
)

from smarterproctoring_bulk.outcomes import Outcome, State
from smarterproctoring_bulk.pacing import Brake, Breaker, Concurrency, Pace, window_for
from smarterproctoring_bulk.rows import Row

MAX_TRIES = 5
"""Failed attempts after which a row has given up; waits that 429 asks for are none."""
COMMIT_AFTER = 2.0
"""Seconds that an outcome waits for company before it is written down."""
BACKOFF_BASE, BACKOFF_MAX = 0.5, 8.0
"""Seconds: full jitter over `min(base * 2**n, max)` before a row's next try."""
RETRYABLE = {408, 425, 500, 502, 503, 504}
"""Statuses after which a row may be sent again: as the client's own retries, but for 429, which the brake handles."""

History = tuple[int, int, int, bool, float]
"""What a row that is handed on takes with it: tries, attempts, replays, maybe applied, seconds so far."""


@dataclass(eq=False)
class Entry:
    """A row on its way."""

    row: Row
    tries: int = 0
    attempts: int = 0
    replays: int = 0
    maybe_applied: bool = False
    began: float | None = None
    ready: float = 0.0
    elapsed: float = 0.0
    attempt_began: float = 0.0

    def history(self, now: float) -> History:
        """Return what the next lane must know of it."""
        elapsed = self.elapsed if self.began is None else now - self.began
        return (
            self.tries,
            self.attempts,
            self.replays,
            self.maybe_applied,
            round(elapsed, 3),
        )


class Collected(NamedTuple):
    """What a lane has to write down: settled rows, and what it hands on because it has to stop.

    Attributes:
        outcomes: Rows that are settled.
        rest: By line, the history of rows that are not; None while the lane goes on.
    """

    outcomes: list[Outcome]
    rest: dict[int, History] | None


@dataclass
class Gate:
    """What all lanes of one worker share.

    Attributes:
        client: The public client.
        brake: What 429 does.
        breaker: What an outage does.
        concurrency: How many requests may be under way.
        clock: Seconds, never going back.
        stopped: Why no lane may begin an attempt any more: `auth`, `settings`, `api`, `disk`, `interrupt`, `stop`;
            empty while they may.
        detail: More about that, for people.
        retries: Attempts beyond each row's first.
        waits: Answers of 429.
        flying: Requests under way.
        lanes: Lanes that are not done.
        hungry: Lanes that found no room for one more.
    """

    client: AsyncSmarterProctoring
    brake: Brake = field(default_factory=Brake)
    breaker: Breaker = field(default_factory=Breaker)
    concurrency: Concurrency = field(default_factory=Concurrency)
    clock: Callable[[], float] = time.monotonic
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
            self.stopped, self.detail = reason, detail
        self.wake()

    def restart(self) -> None:
        """Let lanes begin attempts again."""
        self.stopped = self.detail = ""
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

    Args:
        gate: What it shares with the other lanes.
        client: The public client; its own retries are off, because each attempt has to keep the pace.
        rows: What to send, with the history of rows that another lane began.
        rate: Tells the attempts per second over all lanes; None for no limit.
        lanes: How many lanes share the rate.
        until: The clock's reading at which to hand on what is left.
        replay: Whether an attempt that may have been applied is repeated.
        halted: Tells whether the job is to stop for now.
    """

    def __init__(
        self,
        gate: Gate,
        client: AsyncSmarterProctoring,
        rows: list[tuple[Row, History | None]],
        *,
        rate: Callable[[], float | None],
        lanes: int,
        until: float,
        replay: bool = True,
        halted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._gate, self._client = gate, client
        self._rate, self._lanes, self._until, self._halted = rate, lanes, until, halted
        self._replay = replay
        gate.lanes += 1
        self._closed = False
        self._waiting: deque[Entry] = deque()
        now = gate.clock()
        for row, history in rows:
            tries, attempts, replays, maybe_applied, elapsed = history or (
                0,
                0,
                0,
                False,
                0.0,
            )
            began = now - elapsed if history and attempts else None
            self._waiting.append(
                Entry(
                    row, tries, attempts, replays, maybe_applied, began, elapsed=elapsed
                )
            )
        self._again: list[Entry] = []
        self._flying = self._handed = 0
        self._window = window_for(lanes, rate())
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled: list[Outcome] = []
        self._settled_at = now
        self._pace = Pace(now, self._interval(now), random.random())  # noqa: S311 - no secret
        self._event = asyncio.Event()
        self._wake = self._event.set

    async def collect(self) -> Collected:
        """Send until there is a good portion of outcomes to write down; never raises for a row.

        At most a window of rows is begun and not yet written down. The portion is handed over once three quarters of
        it are settled, or half if it is full, so that the rest keep the line busy during the commit; or after
        `COMMIT_AFTER`.
        To be called again only when the portion before is in the journal.
        """
        gate, self._handed = self._gate, 0
        gate.attach(self._wake)
        try:
            while True:
                self._event.clear()
                due = self._begin_what_is_due()
                now = gate.clock()
                if self._finished(now):
                    self.close()
                    rest = [*self._again, *self._waiting]
                    return self._hand_over(
                        {entry.row.line: entry.history(now) for entry in rest}
                    )
                if self._portion_is_ready(now):
                    return self._hand_over(None)
                # At most so long, so that a lane with nothing to do notices a job that was paused elsewhere.
                timer = asyncio.get_running_loop().call_later(
                    min(max(0.0, due - now), 0.25), self._wake
                )
                await self._event.wait()
                timer.cancel()
        finally:
            gate.detach(self._wake)

    def close(self) -> None:
        """Leave the other lanes their share; done where it ends, and by whoever gives it up before."""
        if not self._closed:
            self._closed = True
            self._gate.lanes -= 1
            self._gate.hungry.pop(self, None)

    def _stopping(self, now: float) -> bool:
        return bool(self._gate.stopped) or now >= self._until or self._halted()

    def _finished(self, now: float) -> bool:
        return not self._flying and (
            not (self._waiting or self._again) or self._stopping(now)
        )

    def _portion_is_ready(self, now: float) -> bool:
        settled = len(self._settled)
        full = self._flying + settled >= self._window
        late = settled and now - self._settled_at >= COMMIT_AFTER
        ready = (
            settled * 4 >= self._window * 3
            or (full and settled * 2 > self._window)
            or late
        )
        return bool(ready) and not self._stopping(now)

    def _interval(self, now: float) -> float:
        rate = self._rate()
        # What the brake takes for the rate where there is none, it has measured over the lanes of this worker.
        return self._gate.brake.interval(
            now, rate, self._gate.lanes if rate is None else self._lanes
        )

    def _hand_over(self, rest: dict[int, History] | None) -> Collected:
        outcomes, self._settled, self._handed = self._settled, [], len(self._settled)
        return Collected(outcomes, rest)

    def _begin_what_is_due(self) -> float:
        """Begin attempts; return the clock's reading at which the next may be due."""
        while isinstance(claimed := self._claim(), Entry):
            task = asyncio.create_task(self._fly(claimed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return claimed

    def _claim(self) -> Entry | float:
        """Take the next row for an attempt that begins now; else return when one may be due."""
        gate, now = self._gate, self._gate.clock()
        if self._flying + len(self._settled) + self._handed >= self._window or not (
            self._waiting or self._again
        ):
            return self._until
        if self._stopping(now):
            return self._until
        due = self._pace.due(now, gate.brake.until)
        if gate.breaker.failures:
            due = max(due, gate.breaker.due(now))
        if not self._waiting:
            due = max(due, min(entry.ready for entry in self._again))
        if due > now:
            return due
        if not self._has_room():
            gate.hungry.setdefault(self)
            return self._until
        if gate.breaker.failures:
            gate.breaker.begin()
        gate.brake.begun(now)
        gate.flying += 1
        self._flying += 1
        self._pace.begin(now, self._interval(now))
        entry = self._take(now)
        entry.attempt_began = now
        return entry

    def _take(self, now: float) -> Entry:
        """Take the row whose turn it is: one whose wait is over, else the next one."""
        ready = self._again and [entry for entry in self._again if entry.ready <= now]
        if not ready:
            return self._waiting.popleft()
        entry = min(ready, key=lambda entry: entry.ready)
        self._again.remove(entry)
        return entry

    async def _fly(self, entry: Entry) -> None:
        """Make attempts as long as there is one to make, in this lane or another: that keeps a connection busy."""
        lane, claimed = self, entry
        while True:
            try:
                await lane._attempt(claimed, claimed.attempt_began)
            finally:
                lane._flying -= 1
                lane._gate.flying -= 1
            now = lane._gate.clock()
            if lane._portion_is_ready(now) or lane._finished(now):
                lane._wake()
            following = lane._claim()
            if isinstance(following, Entry):
                claimed = following
                continue
            # What comes next in this lane is for its `collect`: a portion, the end, or a timer.
            lane._wake()
            for other in list(lane._gate.hungry):
                following = other._claim()
                if isinstance(following, Entry):
                    lane, claimed = other, following
                    break
                if other._has_room():
                    lane._gate.hungry.pop(other, None)
                    other._wake()
            else:
                return

    def _has_room(self) -> bool:
        return self._gate.flying < self._gate.concurrency.allowed(self._rate())

    # -- one attempt --------------------------------------------------------------------------------------------------

    async def _attempt(self, entry: Entry, began: float) -> None:
        """Make one attempt, and settle the row or put it back."""
        gate = self._gate
        entry.began = began if entry.began is None else entry.began
        fields: Any = entry.row.fields
        try:
            result = await self._client.reschedule(*entry.row.sids, **fields)
        except ValidationError as error:
            # The list was checked by the same rules, so only another version of the client comes here.
            self._settle(entry, "invalid", error)
        except ConfigurationError as error:
            self._put_back(entry, began)
            gate.stop("settings", error.message)
        except SmarterProctoringError as error:
            self._failed(entry, error, began)
        except Exception as error:  # noqa: BLE001 - a step must not raise; its name is all that may be shown
            self._put_back(entry, began)
            gate.stop(
                "settings",
                f"the client raised {type(error).__name__}, which it never should",
            )
        else:
            if gate.breaker.failures:
                gate.breaker.succeeded()
            gate.brake.accepted(began)
            gate.concurrency.answered(gate.clock() - began, gate.flying)
            self._count(entry, result.attempts, result.replays, maybe_applied=False)
            self._settle(entry, "ok", None, result.status)

    def _count(
        self, entry: Entry, attempts: int, replays: int, *, maybe_applied: bool
    ) -> None:
        self._gate.retries += attempts - (0 if entry.attempts else 1)
        for _ in range(attempts - 1):
            # The client's own renewal of the token is a second attempt within the call, and takes a slot too.
            now = self._gate.clock()
            self._pace.begin(now, self._interval(now))
        entry.replays += replays + (1 if entry.maybe_applied and attempts else 0)
        entry.attempts += attempts
        entry.maybe_applied = entry.maybe_applied or maybe_applied

    def _failed(
        self, entry: Entry, error: SmarterProctoringError, began: float
    ) -> None:
        gate, now = self._gate, self._gate.clock()
        self._count(
            entry, error.attempts, error.replays, maybe_applied=error.maybe_applied
        )
        if isinstance(error, AuthenticationError):
            gate.stop("auth", error.message)
            self._put_back(entry, now)
        elif isinstance(error, RateLimitError):
            gate.breaker.succeeded()
            interval = self._interval(now)
            gate.brake.limited(
                now,
                began,
                error.retry_after,
                gate.lanes / interval if interval else 0.0,
            )
            gate.waits += 1
            self._put_back(entry, now)
            gate.wake()
        elif _is_refusal(error):
            gate.breaker.succeeded()
            gate.brake.accepted(began)
            self._settle(entry, "rejected", error)
        else:
            counts = gate.breaker.failed(now)
            entry.tries += counts
            retryable = error.status is None or error.status in RETRYABLE
            # An answer that does not confirm would come again, and each replay may be one change more.
            unconfirmed = isinstance(error, UnconfirmedError)
            ambiguous = unconfirmed or (error.maybe_applied and not self._replay)
            if gate.breaker.exhausted(now):
                gate.stop("api", error.message)
            if (counts and (not retryable or entry.tries >= MAX_TRIES)) or ambiguous:
                self._settle(entry, "gave_up", error)
            else:
                longest = min(BACKOFF_BASE * 2.0**entry.tries, BACKOFF_MAX)
                wait = random.random() * longest  # noqa: S311 - jitter
                self._put_back(entry, now + max(wait, error.retry_after or 0.0))
            gate.wake()

    def _put_back(self, entry: Entry, ready: float) -> None:
        entry.ready = ready
        self._again.append(entry)

    def _settle(
        self,
        entry: Entry,
        state: State,
        error: SmarterProctoringError | None,
        status: int | None = None,
    ) -> None:
        now = self._gate.clock()
        if not self._settled:
            self._settled_at = now
        code, message = (
            (None, None)
            if error is None
            else (error.code, error.api_message or error.message)
        )
        # By position: a keyword for each of eleven takes as long as all else in here.
        self._settled.append(
            Outcome(
                entry.row.line, entry.row.sids, state, status if error is None else error.status, code, message,
                state != "ok" and entry.maybe_applied, entry.attempts, entry.replays,
                0.0 if entry.began is None else now - entry.began, time.time(),
            )
        )  # fmt: skip


def _is_refusal(error: SmarterProctoringError) -> bool:
    """Tell whether the API has refused the row for good: a 4xx, but not one after which it may be sent again.

    A 499 is none: it says that the client went away, and the change may have been made.
    """
    status = error.status
    return (
        status is not None
        and 400 <= status < 500
        and status != 499
        and status not in RETRYABLE
    )
