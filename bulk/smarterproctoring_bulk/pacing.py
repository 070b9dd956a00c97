"""How fast requests may begin: lanes, the brake that 429 pulls, the breaker. Pure: the clock is handed in.

The rate R of a job is shared by construction. At most K chunks run at once over the whole fleet, each is a lane, and
each lane begins at most R/K attempts per second, less a margin. No lane needs to know of another, so nothing is asked
or counted between hosts, and a host that dies leaves its share unused rather than used twice.
"""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass, field

AT_RISK, AT_RISK_UNLIMITED, LEAST_WINDOW = 100, 1200, 25
"""Rows that may be under way, or answered and not yet in the journal: over all lanes, the same without a rate, and of
each lane at least."""
LATENCY = 0.25
"""Seconds that an answer is taken to need until it was measured."""
MAX_FLYING = 90
"""Requests under way at once in one process; the client's pool has 100 connections."""
MARGIN = 0.98
"""Share of the rate that is used: what begins evenly arrives less evenly."""
MAX_LANES = 64
_RATE = re.compile(
    r"\s*(?P<number>[0-9]+(\.[0-9]+)?)\s*(/|per)?\s*(?P<unit>s|sec|second|m|min|minute|h|hour)?\s*",
    re.IGNORECASE,
)
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def read_rate(text: str) -> float:
    """Read a rate as people write it: `20`, `20/s`, `100/min`, `100 per minute`.

    Returns:
        Requests per second.

    Raises:
        ValueError: It is no rate; the message says how to write one.
    """
    match = _RATE.fullmatch(text)
    number = float(match["number"]) if match else 0.0
    if match is None or not 0 < number < 1e6:
        raise ValueError(f"{text!r} is no rate: write it like 20/s or 100/min")
    return number / _SECONDS[(match["unit"] or "s")[0].lower()]


def window_for(lanes: int, rate: float | None) -> int:
    """Return how many rows one lane may have under way or not yet in the journal: what a crash of it can repeat.

    Few lanes get large windows, since every portion costs a commit: some milliseconds, in which a run without a limit
    could send ten rows.
    """
    return max(LEAST_WINDOW, (AT_RISK_UNLIMITED if rate is None else AT_RISK) // lanes)


def lanes_for(
    rate: float | None, latency: float = LATENCY, *, hosts: bool = True
) -> int:
    """Choose how many lanes a rate needs.

    By Little's law rate times latency requests are under way. About half of a lane's window may be answered and waiting
    for its commit, so a lane of a fleet is counted as ten requests. Low rates get few lanes, because each lane's share
    must still fill a window in a reasonable time.

    Args:
        rate: Requests per second over all lanes; None for no limit.
        latency: Seconds from a request to its answer.
        hosts: Whether lanes are to be shared by many hosts. One host needs two: the other works while one commits, or
            waits for its next chunk.
    """
    if not hosts:
        return 2 if rate is None or rate >= 10 else 1
    if rate is None:
        return 4
    return max(
        1,
        min(
            MAX_LANES, max(math.ceil(rate * latency / 10), min(4, math.ceil(rate / 10)))
        ),
    )


class Pace:
    """When one lane may begin its next attempt.

    Slots are one interval apart. A timer that is late by less than that does not shift the slots behind it; a slot that
    was missed is not made up for. So in any second at most share + 1 attempts begin, where the share is whole. A new
    lane waits one interval before its first, so that a chunk that follows another on the same lane keeps the distance.

    Args:
        now: The clock's reading, seconds.
        interval: Seconds between attempts at the start.
        phase: From 0 to 1, another for each lane: where it begins within an interval, so that lanes that were let go
            together do not send in bursts.
    """

    def __init__(self, now: float, interval: float, phase: float = 0.0) -> None:
        self._interval, self._phase = interval, phase
        self._next = now + interval * (1 + phase)

    def due(self, now: float, not_before: float = -math.inf) -> float:
        """Return the clock's reading at which the next attempt may begin; none before `not_before`."""
        if not_before > self._next:
            self._next = not_before + self._interval * self._phase
        return max(self._next, now)

    def begin(self, now: float, interval: float) -> None:
        """Note that an attempt begins; the next may follow after `interval` seconds."""
        slot = self._next if now - self._next < interval else now
        self._interval, self._next = interval, slot + interval


@dataclass
class Brake:
    """What 429 does to all lanes of one worker: wait as long as the server says, go on slower, recover.

    A 429 cuts the factor that multiplies each lane's share: to what was accepted in the second before, where that is
    less than the pace, and by a tenth. The recovery is that of TCP CUBIC (RFC 9438): back quickly to just under the
    rate that was refused, stay near it, then probe beyond it ever faster. Plain additive recovery either hits the limit
    too often, and each hit costs a Retry-After, or takes minutes to come back.

    A 429 before anything was accepted since the last one says that the wait was too short, not that the rate was too
    high: it makes the wait longer and cuts nothing.

    Attributes:
        ceiling: The factor that the server refused last; 1 before any 429.
        until: No attempt may begin before this reading of the clock.
        cuts: How often the factor was cut.
    """

    ceiling: float = 1.0
    until: float = -math.inf
    cuts: int = 0
    _cut_at: float = -math.inf
    _accepted: bool = True
    _wait: float = 1.0
    _base: float | None = None
    _begun: deque[float] = field(default_factory=lambda: deque[float](maxlen=200))
    _taken: deque[float] = field(default_factory=deque[float])

    CUT = 0.9
    GROWTH = 6e-6
    """CUBIC's constant, per cubed second, as a share of the ceiling: a tenth is made good in 25 s, twice in 80 s."""
    FLOOR = 0.02
    WAIT, MAX_WAIT = 1.0, 30.0
    """Seconds to wait after a 429 that does not say; doubled as long as nothing is accepted."""

    def factor(self, now: float) -> float:
        """Return what to multiply each lane's share with, over 0 and at most 1."""
        if not self.cuts:
            return 1.0
        plateau = ((1 - self.CUT) / self.GROWTH) ** (1 / 3)
        growth = self.GROWTH * (max(0.0, now - self.until) - plateau) ** 3
        return float(max(self.FLOOR, min(1.0, self.ceiling * (1 + growth))))

    def interval(self, now: float, rate: float | None, lanes: int) -> float:
        """Return the seconds between two attempts of one lane.

        Args:
            now: The clock's reading.
            rate: Attempts per second over all lanes; None for no limit, until a 429 shows that there is one.
            lanes: How many lanes share it.
        """
        rate = self._base if rate is None else rate
        return 0.0 if rate is None else lanes / (rate * MARGIN * self.factor(now))

    def begun(self, now: float) -> None:
        """Note that an attempt begins, so that a run without a limit knows how fast it was."""
        self._begun.append(now)

    def accepted(self, began: float) -> None:
        """Note an answer that is no 429, and when its attempt began."""
        self._taken.append(began)
        while began - self._taken[0] > 1.0:
            self._taken.popleft()
        if began > self._cut_at:
            self._accepted, self._wait = True, self.WAIT

    def limited(
        self, now: float, began: float, retry_after: float | None, pace: float = 0.0
    ) -> None:
        """Note a 429.

        Args:
            now: The clock's reading.
            began: When the attempt began. One that began before the last 429 says nothing about the rate since.
            retry_after: Seconds that the server asks for.
            pace: Attempts per second of all lanes of this worker, at present; 0 if there is no limit.
        """
        if began > self._cut_at:
            if self._accepted:
                if self._base is None:
                    span = now - self._begun[0] if self._begun else 0.0
                    self._base = max(1.0, len(self._begun) / span) if span > 0 else 1.0
                taken = sum(began - 1.0 < moment for moment in self._taken)
                # Half at least: after a wait, a second has not seen much yet.
                share = max(0.5, min(1.0, taken / pace)) if pace else 1.0
                self.ceiling = max(self.FLOOR, self.factor(now) * share)
                self.cuts += 1
            elif retry_after is None:
                self._wait = min(self._wait * 2, self.MAX_WAIT)
            self._accepted, self._cut_at = False, now
        self.until = max(
            self.until, now + (self._wait if retry_after is None else retry_after)
        )


@dataclass
class Concurrency:
    """How many requests one worker keeps under way: as many as help, by the rule of TCP Vegas.

    More requests at once than the service (or this machine) works on only wait in line. The line's length is the limit
    times the share of the latency that is over the lowest seen; the limit is moved until that is a few requests.

    Attributes:
        limit: Requests under way, before the rate has its say.
        latency: Seconds of an answer, smoothed; what was assumed until one came.
    """

    limit: float = 6.0
    latency: float = LATENCY
    _lowest: float = math.inf
    _before: float = math.inf
    _answers: int = 0
    _steady: int = 6
    _line: float = 4.5

    SHORT, LONG = 1.0, 8.0
    """Requests in line, below and above which the limit is moved."""
    EPOCH = 20_000
    """Answers after which the lowest latency is measured anew, with fewer requests, since a service may change."""

    def allowed(self, rate: float | None) -> int:
        """Return how many may be under way: never fewer than the rate needs by Little's law, never over the pool."""
        needed = 0.0 if rate is None else rate * self.latency * 1.5 + 2
        return min(MAX_FLYING, int(max(self._steady, needed)))

    def answered(self, seconds: float, flying: int) -> None:
        """Note an answer, and how many requests were under way."""
        self._answers += 1
        self.latency += (seconds - self.latency) * (0.1 if self._answers > 1 else 1.0)
        epoch = self._answers % self.EPOCH == 0
        if epoch:
            self._before, self._lowest = self._lowest, math.inf
        self._lowest = min(self._lowest, seconds)
        lowest = min(self._lowest, self._before)
        line = flying * (1 - lowest / self.latency) if lowest < self.latency else 0.0
        # Smoothed over some fifty answers, and begun in the middle, so that no single answer moves the limit.
        self._line += (line - self._line) * 0.02
        if epoch and self._line > self.SHORT:
            self.limit *= 0.75
        if self._line > self.LONG:
            self.limit = max(4.0, self.limit - 1 / self.limit)
        elif self._line < self.SHORT and flying * 2 > self.limit:
            self.limit = min(float(MAX_FLYING), self.limit + 1 / self.limit)
        # Down only by two or more, so that the limit does not flutter.
        if not self._steady - 2 < self.limit < self._steady + 1:
            self._steady = round(self.limit)


@dataclass
class Breaker:
    """Stops sending when the service is down, and finds out when it is back.

    After `threshold` failures in a row it opens: one probe at a time, at growing distances. A row that failed while it
    is open has used up none of its attempts. After `patience` seconds without a success the job is to be paused.

    Attributes:
        threshold: Failures in a row (no answer, or 5xx) that open it.
        patience: Seconds from the first failure of the row of failures to giving up.
        failures: Failures in a row so far. While there are none, there is nothing to ask or to tell it.
    """

    threshold: int = 20
    patience: float = 300.0
    failures: int = 0
    _since: float = 0.0
    _probe_at: float = 0.0
    _probing: bool = False

    MAX_DISTANCE = 10.0
    """Seconds between two probes at most."""

    @property
    def open(self) -> bool:
        """Whether sending is stopped but for probes."""
        return self.failures >= self.threshold

    def due(self, now: float) -> float:
        """Return the clock's reading at which an attempt may begin; infinity while a probe is under way."""
        if not self.open:
            return now
        return math.inf if self._probing else max(now, self._probe_at)

    def begin(self) -> None:
        """Note that an attempt begins."""
        self._probing = self.open

    def succeeded(self) -> None:
        """Note an answer that is neither 5xx nor missing."""
        self.failures, self._probing = 0, False

    def failed(self, now: float) -> bool:
        """Note a failure.

        Returns:
            Whether it counts against the row: not if the service is down as a whole.
        """
        if not self.failures:
            self._since = now
        self.failures += 1
        self._probing = False
        if self.open:
            extra = min(self.failures - self.threshold, 10)
            self._probe_at = now + min(0.5 * 1.5**extra, self.MAX_DISTANCE)
        return not self.open

    def reset(self) -> None:
        """Forget all failures."""
        self.succeeded()

    def exhausted(self, now: float) -> bool:
        """Tell whether patience is at an end."""
        return self.open and now - self._since >= self.patience
