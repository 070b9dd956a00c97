"""How fast requests may begin: lanes, the throttle that 429 sets, the breaker, concurrency.

All of it is pure: the clock is handed in.

The rate R of a job is shared by construction. At most K chunks run concurrently over all
workers, each is a lane, and each lane begins at most R/K attempts per second, less a margin.
No lane needs to know of another, so nothing is asked or counted between hosts, and a host
that dies leaves its share unused rather than used twice.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

AT_RISK = 100
"""Rows that may be begun and not yet in the journal, over all lanes of a job with a rate."""
AT_RISK_UNLIMITED = 1200
"""The same without a rate."""
LEAST_WINDOW = 25
"""The same, of one lane, at least."""
LATENCY = 0.25
"""Seconds that an answer is taken to need until it was measured."""
MAX_FLYING = 90
"""Requests under way in one process; the client's pool has 100 connections."""
MARGIN = 0.98
"""Share of the rate that is used: what begins evenly arrives less evenly."""
MAX_LANES = 64
NO_LIMIT = math.inf
"""The rate `none`."""
_RATE = re.compile(
    r"\s*(?P<number>[0-9]+(\.[0-9]+)?)\s*(/|per)?\s*"
    r"(?P<unit>s|sec|second|m|min|minute|h|hour)?\s*",
    re.IGNORECASE,
)
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def read_rate(text: str) -> float:
    """Read a rate as people write it: `20`, `20/s`, `100/min`, `100 per minute`, `none`.

    Returns:
        Requests per second; infinity for `none`.

    Raises:
        ValueError: It is not a valid rate; the message says how to write one.
    """
    if text.strip().lower() == "none":
        return NO_LIMIT
    match = _RATE.fullmatch(text)
    number = float(match["number"]) if match else 0.0
    if match is None or not 0 < number < 1e6:
        raise ValueError(
            f"{text!r} is not a valid rate: write it like 20/s or 100/min, "
            "or none for no limit"
        )
    return number / _SECONDS[(match["unit"] or "s")[0].lower()]


def described_rate(rate: float | None) -> str:
    """Return a rate for people, as `read_rate` reads it."""
    if rate is None:
        return "no limit"
    if rate >= 1:
        return f"{rate:g}/s"
    if rate * 60 >= 1:
        return f"{rate * 60:g}/min"
    return f"{rate * 3600:g}/h"


def window_for(lanes: int, rate: float | None) -> int:
    """Return how many rows of one lane may be begun and not yet in the journal.

    It is what a crash of the lane can repeat. Few lanes get large windows, since every
    portion costs a commit: some milliseconds, in which a run without a limit could send ten
    rows.
    """
    at_risk = AT_RISK_UNLIMITED if rate is None else AT_RISK
    return max(LEAST_WINDOW, at_risk // lanes)


def lanes_for(
    rate: float | None, latency: float = LATENCY, *, hosts: bool = True
) -> int:
    """Choose how many lanes a rate needs.

    By Little's law rate times latency requests are under way. About half of a lane's window
    may be answered and waiting for its commit, so a lane of a fleet is counted as ten
    requests. Low rates get few lanes, because each lane's share must still fill a window in
    a reasonable time.

    Args:
        rate: Requests per second over all lanes; None for no limit.
        latency: Seconds from a request to its answer.
        hosts: Whether lanes are to be shared by many hosts. One host needs two: the other
            works while one commits, or waits for its next chunk.
    """
    if not hosts:
        return 2 if rate is None or rate >= 10 else 1
    if rate is None:
        return 4
    flying = math.ceil(rate * latency / 10)
    return max(1, min(MAX_LANES, max(flying, min(4, math.ceil(rate / 10)))))


class Pace:
    """When one lane may begin its next attempt.

    Slots are one interval apart. A timer that is late by less than that does not shift the
    slots after it; a slot that was missed is not made up for. So in any second at most
    share + 1 attempts begin, where the share is whole. A new lane waits one interval before
    its first, so that a chunk that follows another on the same lane keeps the distance; a
    part that follows another of its chunk goes on with its slots.

    Args:
        now: The clock's reading, seconds.
        interval: Seconds between attempts at the start.
        phase: From 0 to 1, another for each lane: where it begins within an interval, so
            that lanes that were let go together do not send in bursts.
        slot: The clock's reading of the next slot, if a part before left one.
    """

    def __init__(
        self, now: float, interval: float, phase: float = 0.0, slot: float | None = None
    ) -> None:
        self._interval = interval
        self._phase = phase
        latest = now + interval * (1 + phase)
        # A clock that was set back must not make it wait longer than a new lane would.
        self._next = latest if slot is None else min(slot, latest)

    @property
    def slot(self) -> float:
        """Return the clock's reading of the next slot."""
        return self._next

    def due(self, now: float, not_before: float = -math.inf) -> float:
        """Return when the next attempt may begin; none before `not_before`."""
        if not_before > self._next:
            self._next = not_before + self._interval * self._phase
        return max(self._next, now)

    def begin(self, now: float, interval: float) -> None:
        """Note that an attempt begins; the next may follow after `interval` seconds."""
        slot = self._next if now - self._next < interval else now
        self._interval = interval
        self._next = slot + interval


@dataclass
class Throttle:
    """What 429 does to all lanes of one worker: additive increase, multiplicative decrease.

    A 429 makes all of them wait as long as the server says. Then they go on at a tenth less
    than was accepted, and get faster by a fixed step per second until they are at the rate
    that was refused. From there on they double it again and again: a service that answered
    429 for another reason than this rate must not keep it low. A 429 before anything was
    accepted since the last one says that the wait was too short, not that the rate was too
    high: it makes the wait longer and changes nothing else.

    Attributes:
        until: No attempt may begin before this reading of the clock.
        cuts: How often the rate was cut.
    """

    until: float = -math.inf
    cuts: int = 0
    _limit: float = math.inf
    _cut_at: float = -math.inf
    _wait: float = 1.0
    _accepted: deque[float] = field(default_factory=deque[float])

    DECREASE = 0.9
    INCREASE = 0.005
    """Of the rate that was refused, per second: a cut is made good in 20 s."""
    DOUBLING = 10.0
    """Seconds in which the rate doubles after that."""
    MAX_DOUBLINGS = 50
    """From the least rate to one that limits nothing."""
    LEAST = 0.02
    """Requests per second below which it never cuts."""
    SPAN = 1.0
    """Seconds over which it counts what was accepted."""
    WAIT = 1.0
    MAX_WAIT = 30.0
    """Seconds to wait after a 429 that does not say; doubled while nothing is accepted."""

    def limit(self, now: float) -> float:
        """Return the attempts per second that all lanes of this worker may begin together."""
        if math.isinf(self._limit):
            return math.inf
        refused = self._limit / self.DECREASE
        since = max(0.0, now - self.until)
        made_good = (1 - self.DECREASE) / self.INCREASE
        if since <= made_good:
            return self._limit + refused * self.INCREASE * since
        doublings = (since - made_good) / self.DOUBLING
        return refused * math.pow(2, min(doublings, self.MAX_DOUBLINGS))

    def interval(self, now: float, share: float | None, lanes: int) -> float:
        """Return the seconds between two attempts of one lane.

        Args:
            now: The clock's reading.
            share: Attempts per second of this lane by the job's rate; None for no limit.
            lanes: How many lanes of this worker share what 429 has left.
        """
        if share is None and math.isinf(self._limit):
            return 0.0  # called for each row; usually there is no limit
        limit = self.limit(now) / max(1, lanes)
        if share is not None:
            limit = min(limit, share * MARGIN)
        return 1 / limit

    def accepted(self, began: float) -> None:
        """Note an answer that is not 429, and when its attempt began."""
        accepted = self._accepted
        accepted.append(began)
        while began - accepted[0] > self.SPAN:
            accepted.popleft()
        if began > self._cut_at:
            self._wait = self.WAIT

    def limited(
        self, now: float, began: float, retry_after: float | None, pace: float
    ) -> None:
        """Note a 429.

        Args:
            now: The clock's reading.
            began: When the attempt began. One that began before the last 429 says nothing
                about the rate since.
            retry_after: Seconds that the server asks for.
            pace: Attempts per second of all lanes of this worker at present; infinity if
                there is no limit.
        """
        if began > self._cut_at:
            recent = [moment for moment in self._accepted if moment > began - self.SPAN]
            since = any(moment > self._cut_at for moment in self._accepted)
            # Without a rate, and with nothing accepted, nobody knows what is too fast.
            known = bool(recent) or not math.isinf(pace)
            if known and (since or not self.cuts):
                self._cut(len(recent) / self.SPAN, pace)
            elif retry_after is None and not math.isinf(self._cut_at):
                self._wait = min(self._wait * 2, self.MAX_WAIT)
            self._cut_at = now
        wait = self._wait if retry_after is None else retry_after
        self.until = max(self.until, now + wait)

    def _cut(self, accepted: float, pace: float) -> None:
        # Half at least: after a wait, a second has not seen much yet.
        refused = accepted
        if not math.isinf(pace):
            refused = max(pace / 2, min(pace, accepted))
        self._limit = max(self.LEAST, refused * self.DECREASE)
        self.cuts += 1


@dataclass
class Concurrency:
    """How many requests one worker keeps under way: additive increase, multiplicative decrease.

    More requests than the service (or this machine) works on concurrently only wait in
    line, and the answers take longer. So the limit grows by one while answers take about as
    long as the fastest ones, and shrinks when they take twice as long.

    Attributes:
        latency: Seconds of an answer, smoothed; what was assumed until one came.
    """

    LEAST = 8
    """With fewer, this process waits for answers, and handles them one at a time."""

    latency: float = LATENCY
    _limit: float = float(LEAST)
    _fastest: float = math.inf
    _answers: int = 0
    _round: int = 0

    LONGER = 1.5
    TOO_LONG = 2.5
    """Shares of the fastest answer's time: grow below the first, shrink above the second."""
    DECREASE = 0.75
    FORGET = 20_000
    """Answers after which the fastest is measured again, since a service may change."""

    def allowed(self, rate: float | None) -> int:
        """Return how many may be under way: never fewer than the rate needs, by Little's law."""
        if rate is None:
            return int(self._limit)
        needed = rate * self.latency * 1.5 + 2
        return min(MAX_FLYING, int(max(self._limit, needed)))

    def answered(self, seconds: float, flying: int) -> None:
        """Note an answer, and how many requests were under way."""
        self._answers += 1
        share = 0.1 if self._answers > 1 else 1.0
        self.latency += (seconds - self.latency) * share
        if self._answers % self.FORGET == 0:
            self._fastest = self.latency
        # Of single answers some are lucky, so the smoothed time counts.
        self._fastest = min(self._fastest, self.latency)
        self._round += 1
        if self._round < 2 * self._limit:
            return
        self._round = 0
        if self.latency > self.TOO_LONG * self._fastest:
            self._limit = max(self.LEAST, self._limit * self.DECREASE)
        elif self.latency < self.LONGER * self._fastest and flying + 1 >= self._limit:
            self._limit = min(float(MAX_FLYING), self._limit + 1)


@dataclass
class Breaker:
    """Stops sending when the service is down, and finds out when it is back.

    It opens when so many different rows have failed and none has succeeded: a row that
    fails again says nothing about the service. Then one probe at a time goes out, at
    growing distances.

    Attributes:
        threshold: Different rows (no answer, or a 5xx) that open it.
        patience: Seconds from the first of those failures to giving up.
        answers: Whether the service answers: the last failure was an answer, and not one
            that a proxy gives for a service that is down.
    """

    threshold: int = 20
    patience: float = 300.0
    answers: bool = False
    _failed: set[Hashable] = field(default_factory=set[Hashable])
    _probes: int = 0
    _since: float = 0.0
    _probe_at: float = 0.0
    _probing: bool = False

    DISTANCE = 0.5
    GROWTH = 1.5
    MAX_DISTANCE = 10.0
    MAX_DISTANCE_ANSWERED = 1.0
    """Seconds between two probes: at first, and at most; and at most if it answers."""

    @property
    def failing(self) -> bool:
        """Whether anything has failed since the last success."""
        return bool(self._failed)

    @property
    def open(self) -> bool:
        """Whether sending is stopped but for probes."""
        return len(self._failed) >= self.threshold

    def due(self, now: float) -> float:
        """Return when an attempt may begin; infinity while a probe is under way."""
        if not self.open:
            return now
        return math.inf if self._probing else max(now, self._probe_at)

    def begin(self) -> None:
        """Note that an attempt begins."""
        self._probing = self.open

    def ended(self) -> None:
        """Note that a probe is no longer under way, even if it found out nothing."""
        self._probing = False

    def succeeded(self) -> None:
        """Note an answer that is neither a 5xx nor missing."""
        self._failed.clear()
        self._probes = 0
        self._probing = False

    def failed(self, now: float, row: Hashable, *, answered: bool) -> None:
        """Note a failure.

        Args:
            now: The clock's reading.
            row: Which row it was.
            answered: Whether the service itself answered.
        """
        if not self._failed:
            self._since = now
        self._failed.add(row)
        self.answers = answered
        self._probing = False
        if self.open:
            most = self.MAX_DISTANCE_ANSWERED if answered else self.MAX_DISTANCE
            growth = self.GROWTH ** min(self._probes, 20)
            self._probe_at = now + min(self.DISTANCE * growth, most)
            self._probes += 1

    def reset(self) -> None:
        """Forget all failures."""
        self.succeeded()

    def exhausted(self, now: float) -> bool:
        """Tell whether patience is at an end."""
        return self.open and now - self._since >= self.patience
