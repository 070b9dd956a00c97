"""How fast requests may begin: lanes, the brake that 429 pulls, the breaker. Pure: the clock is handed in.

The rate R of a job is shared by construction. At most K chunks run at once over the whole fleet, each is a lane, and
each lane begins at most R/K attempts per second. No lane needs to know of another, so nothing is asked or counted
between hosts, and a host that dies leaves its share unused rather than used twice.
"""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass, field

WINDOW = 25
"""Rows that a lane may have under way, or answered and not yet in the journal: what a crash can repeat."""
LATENCY = 0.25
"""Seconds that an answer is taken to need until it was measured."""
MAX_FLYING = 90
"""Requests under way at once in one process; the client's pool has 100 connections."""
MAX_LANES = 64
_RATE = re.compile(
    r"\s*(?P<number>[0-9]+(\.[0-9]+)?)\s*(/|per)?\s*(?P<unit>s|sec|second|m|min|minute|h|hour)?\s*", re.IGNORECASE
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


def lanes_for(rate: float | None, latency: float = LATENCY) -> int:
    """Choose how many lanes a rate needs.

    By Little's law rate times latency requests are under way. A lane keeps at most `WINDOW` rows open, and about half
    of them may be answered and waiting for their commit, so a lane is counted as ten requests. Low rates get few
    lanes, because each lane's share must still fill a window in a reasonable time.

    Args:
        rate: Requests per second over all lanes; None for no limit.
        latency: Seconds from a request to its answer.
    """
    if rate is None:
        return 4
    return max(1, min(MAX_LANES, max(math.ceil(rate * latency / 10), min(4, math.ceil(rate / 10)))))


class Pace:
    """When one lane may begin its next attempt.

    A slot that was missed is not made up for: in any span of t seconds at most share times t + 1 attempts begin. A new
    lane waits one interval before its first, so that a chunk that follows another on the same lane keeps the distance.

    Args:
        now: The clock's reading, seconds.
        interval: Seconds between attempts at the start.
    """

    def __init__(self, now: float, interval: float) -> None:
        self._next = now + interval

    def due(self, now: float) -> float:
        """Return the clock's reading at which the next attempt may begin."""
        return max(self._next, now)

    def begin(self, now: float, interval: float) -> None:
        """Note that an attempt begins; the next may follow after `interval` seconds."""
        # Late by less than one interval (a timer's resolution) does not shift the slots behind it.
        self._next = max(self._next + interval, now)


@dataclass
class Brake:
    """What 429 does to all lanes of one worker: wait as long as the server says, go on slower, recover.

    The cut and the recovery are those of TCP CUBIC (RFC 9438) on the factor that multiplies each lane's share: back
    quickly to just under the rate that was refused, stay near it, then probe beyond it ever faster. Plain additive
    recovery either hits the limit too often, and each hit costs a Retry-After, or takes minutes to come back.

    Attributes:
        factor_at_cut: The factor right after the last cut.
        ceiling: The factor that the server refused; 1 before any 429.
        until: No attempt may begin before this reading of the clock.
        cuts: How often the factor was cut.
    """

    factor_at_cut: float = 1.0
    ceiling: float = 1.0
    until: float = -math.inf
    cuts: int = 0
    _cut_at: float = -math.inf
    _base: float | None = None
    _begun: deque[float] = field(default_factory=lambda: deque[float](maxlen=200))

    CUT = 0.8
    GROWTH = 3e-5
    """CUBIC's constant, per cubed second: a cut of 20 % at half the rate is made good in 15 s, a total stop in 32 s."""
    FLOOR = 0.01
    DEFAULT_WAIT = 1.0
    """Seconds to wait after a 429 that does not say."""

    def factor(self, now: float) -> float:
        """Return what to multiply each lane's share with, over 0 and at most 1."""
        if self._cut_at == -math.inf:
            return 1.0
        since = max(0.0, now - self.until)
        plateau = ((self.ceiling - self.factor_at_cut) / self.GROWTH) ** (1 / 3)
        return float(max(self.FLOOR, min(1.0, self.ceiling + self.GROWTH * (since - plateau) ** 3)))

    def interval(self, now: float, rate: float | None, lanes: int) -> float:
        """Return the seconds between two attempts of one lane.

        Args:
            now: The clock's reading.
            rate: Attempts per second over all lanes; None for no limit, until a 429 shows that there is one.
            lanes: How many lanes share it.
        """
        rate = self._base if rate is None else rate
        return 0.0 if rate is None else lanes / (rate * self.factor(now))

    def begun(self, now: float) -> None:
        """Note that an attempt begins, so that a run without a limit knows how fast it was."""
        self._begun.append(now)

    def limited(self, now: float, began: float, retry_after: float | None) -> None:
        """Note a 429.

        Args:
            now: The clock's reading.
            began: When the attempt began. One that began before the last cut says nothing about the rate since.
            retry_after: Seconds that the server asks for.
        """
        if began > self._cut_at and began >= self.until:
            if self._base is None:
                span = now - self._begun[0] if self._begun else 0.0
                self._base = max(1.0, len(self._begun) / span) if span > 0 else 1.0
            self.ceiling = self.factor(now)
            self.factor_at_cut = max(self.FLOOR, self.ceiling * self.CUT)
            self._cut_at = now
            self.cuts += 1
        wait = self.DEFAULT_WAIT if retry_after is None else retry_after
        self.until = max(self.until, now + wait)


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

    SHORT, LONG = 2.0, 4.0
    """Requests in line, below and above which the limit is moved."""

    def allowed(self, rate: float | None) -> int:
        """Return how many may be under way: never fewer than the rate needs by Little's law, never over the pool."""
        needed = 0.0 if rate is None else rate * self.latency * 1.5 + 2
        return min(MAX_FLYING, int(max(self.limit, needed)))

    def answered(self, seconds: float, flying: int) -> None:
        """Note an answer, and how many requests were under way."""
        # The lowest latency is forgotten slowly, since a service may be slower in the afternoon.
        self._lowest = min(seconds, self._lowest * 1.001)
        self.latency += (seconds - self.latency) * (1.0 if self.latency == LATENCY else 0.1)
        line = flying * (1 - min(1.0, self._lowest / max(self.latency, 1e-9)))
        if line < self.SHORT and flying * 2 > self.limit:
            self.limit = min(float(MAX_FLYING), self.limit + 1 / self.limit)
        elif line > self.LONG:
            self.limit = max(4.0, self.limit - 1 / self.limit)


@dataclass
class Breaker:
    """Stops sending when the service is down, and finds out when it is back.

    After `threshold` failures in a row it opens: one probe at a time, at growing distances. A row that failed while it
    is open has used up none of its attempts. After `patience` seconds without a success the job is to be paused.

    Attributes:
        threshold: Failures in a row (no answer, or 5xx) that open it.
        patience: Seconds from the first failure of the row of failures to giving up.
    """

    threshold: int = 20
    patience: float = 300.0
    _failures: int = 0
    _since: float = 0.0
    _probe_at: float = 0.0
    _probing: bool = False

    MAX_DISTANCE = 30.0

    @property
    def open(self) -> bool:
        """Whether sending is stopped but for probes."""
        return self._failures >= self.threshold

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
        self._failures, self._probing = 0, False

    def failed(self, now: float) -> bool:
        """Note a failure.

        Returns:
            Whether it counts against the row: not if the service is down as a whole.
        """
        if not self._failures:
            self._since = now
        self._failures += 1
        self._probing = False
        if self.open:
            extra = min(self._failures - self.threshold, 10)
            self._probe_at = now + min(0.5 * 2.0**extra, self.MAX_DISTANCE)
        return not self.open

    def reset(self) -> None:
        """Forget all failures."""
        self._failures, self._probing = 0, False

    def exhausted(self, now: float) -> bool:
        """Tell whether patience is at an end."""
        return self.open and now - self._since >= self.patience
