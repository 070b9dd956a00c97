"""Lanes, brake, breaker and concurrency, with a clock of the test's own."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from bulk.simulated import Limiter, admitted
from smarterproctoring_bulk.pacing import (
    LATENCY,
    MARGIN,
    MAX_FLYING,
    Breaker,
    Concurrency,
    Pace,
    Throttle,
    lanes_for,
    read_rate,
    window_for,
)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20", 20),
        ("20/s", 20),
        ("100/min", 100 / 60),
        ("100 per minute", 100 / 60),
        ("3600/h", 1),
        ("0.5/sec", 0.5),
        ("None", math.inf),
    ],
)
def test_rates_as_people_write_them(text: str, rate: float) -> None:
    assert read_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "0", "-1/s", "fast", "10/day", "1e3", "1000000/s"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        read_rate(text)


def test_lanes_follow_rate_times_latency() -> None:
    assert lanes_for(None) == 4
    assert lanes_for(None, hosts=False) == 2
    assert lanes_for(100 / 60, hosts=False) == 1
    assert lanes_for(100 / 60) == 1
    assert lanes_for(200, 0.05) == 4
    assert lanes_for(200, 1.0) == 20
    assert lanes_for(1e5, 1.0) == 64


def test_few_lanes_get_large_windows() -> None:
    assert [window_for(lanes, 1.0) for lanes in (1, 2, 4, 5, 64)] == [100, 50, 25, 25, 25]
    assert [window_for(lanes, None) for lanes in (1, 3, 24, 64)] == [1200, 400, 50, 25]


def test_no_second_holds_more_than_the_share_and_one() -> None:
    """With timers that are late, and chunks that follow each other on the lane."""
    draw = random.Random(1)
    now, times = 0.0, []
    for _ in range(20):
        pace = Pace(now, 0.1)
        for _ in range(30):
            now = pace.due(now) + draw.choice([0.0, 0.001, 0.05, 0.099, 0.7])
            pace.begin(now, 0.1)
            times.append(now)
    for index, first in enumerate(times):
        assert sum(first <= moment < first + 1.0 for moment in times[index : index + 20]) <= 11


def test_a_late_timer_costs_no_throughput() -> None:
    pace, now = Pace(0.0, 0.1), 0.0
    for _ in range(1000):
        now = pace.due(now) + 0.02
        pace.begin(now, 0.1)
    assert now == pytest.approx(100, abs=0.2)


def throttled(rate: float, until: float) -> Throttle:
    """Return a throttle that has seen this rate accepted until then."""
    throttle = Throttle()
    for number in range(int(until * rate)):
        throttle.accepted(number / rate)
    return throttle


def test_the_throttle_waits_cuts_once_and_recovers() -> None:
    throttle = throttled(50.0, until=10.0)
    assert throttle.interval(9.0, 12.5, 4) == pytest.approx(0.08 / MARGIN)
    throttle.limited(10.0, began=9.99, retry_after=5, pace=50.0)
    assert throttle.until == 15.0
    assert throttle.limit(15.0) == pytest.approx(45, rel=0.05)
    throttle.limited(10.1, began=9.995, retry_after=None, pace=45.0)
    assert (throttle.cuts, throttle.until) == (1, 15.0), "what was under way at the cut says nothing about the rate"
    assert throttle.limit(35.0) == pytest.approx(50, rel=0.05), "in equal steps"
    assert throttle.limit(25.0) == pytest.approx(47.5, rel=0.05)
    throttle.limited(36.0, began=35.9, retry_after=0, pace=50.0)
    assert throttle.cuts == 1, "nothing was accepted since: the wait was too short, not the rate too high"
    throttle.accepted(36.5)
    throttle.limited(37.0, began=36.9, retry_after=0, pace=50.0)
    assert throttle.cuts == 2


def test_the_throttle_never_exceeds_the_rate_of_the_job() -> None:
    throttle = throttled(50.0, until=10.0)
    throttle.limited(10.0, began=9.99, retry_after=1, pace=50.0)
    assert throttle.interval(10_000.0, 12.5, 4) == pytest.approx(0.08 / MARGIN)


def test_a_storm_cannot_stop_it_for_ever() -> None:
    throttle = throttled(50.0, until=1.0)
    now = 1.0
    for _ in range(200):
        now = max(now, throttle.until) + 0.01
        throttle.limited(now + 0.01, began=now, retry_after=1, pace=throttle.limit(now))
        throttle.accepted(now)
    assert throttle.limit(now) >= throttle.LEAST
    assert throttle.limit(now + 4_000) > throttle.limit(now) * 10


def test_refusals_that_say_nothing_of_the_rate_are_made_good_in_minutes() -> None:
    """Twelve answers of 429 in a row for another reason cut 80 requests a second to less than one."""
    throttle = throttled(80.0, until=1.0)
    now = 1.0
    for _ in range(12):
        throttle.limited(now, began=now, retry_after=1, pace=min(80.0, throttle.limit(now)))
        now = throttle.until + 0.01
        throttle.accepted(now)
        now += 0.01
    assert throttle.limit(now) < 1
    assert throttle.limit(now + 150) >= 80
    assert throttle.limit(now + 1e9) < float("inf")


def test_waits_that_the_server_does_not_name_grow() -> None:
    throttle, now, waits = Throttle(), 0.0, list[float]()
    for _ in range(7):
        throttle.limited(now, began=now - 0.01, retry_after=None, pace=math.inf)
        waits.append(throttle.until - now)
        now = throttle.until + 0.1
    assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30])
    throttle.accepted(now)
    throttle.limited(now + 1, began=now + 0.9, retry_after=None, pace=math.inf)
    assert throttle.until == pytest.approx(now + 2)


def test_without_a_rate_the_throttle_starts_from_what_was_accepted() -> None:
    throttle = throttled(100.0, until=2.0)
    assert throttle.interval(2.0, None, 4) == 0.0
    throttle.limited(2.0, began=1.99, retry_after=1, pace=math.inf)
    assert throttle.interval(3.0, None, 1) == pytest.approx(1 / 90, rel=0.07)


def test_a_first_answer_of_429_without_a_rate_only_waits() -> None:
    """It says nothing about the rate: another program may have used it up."""
    throttle = Throttle()
    throttle.limited(2.0, began=1.9, retry_after=5, pace=math.inf)
    assert (throttle.until, throttle.cuts) == (7.0, 0)
    assert math.isinf(throttle.limit(7.0))
    throttle.accepted(7.5)
    throttle.limited(20.0, began=19.9, retry_after=5, pace=math.inf)
    assert math.isinf(throttle.limit(25.0)), "what was accepted is long ago"


@pytest.mark.parametrize(("asked", "admissible"), [(200, 100), (50, 40), (20, 15), (400, 50)])
def test_against_a_limiter_most_of_the_admissible_rate_is_used(asked: float, admissible: float) -> None:
    """Ten minutes of virtual time: a service that admits fewer than are asked, and says Retry-After: 1."""
    done, most = admitted(Limiter(admissible, retry_after=1.0), rate=asked, lanes=4, seconds=600)
    assert done >= 0.85 * admissible * 600
    assert most <= asked + 4


def test_the_breaker_lets_one_probe_through_at_a_time() -> None:
    breaker = Breaker(threshold=3, patience=100)
    for row in range(3):
        assert not breaker.open
        breaker.failed(float(row), row, answered=False)
    assert breaker.open
    assert breaker.due(2.0) == 2.5
    breaker.begin()
    assert breaker.due(3.0) == math.inf
    breaker.failed(3.0, 3, answered=False)
    assert breaker.due(3.0) == 3.75
    assert not breaker.exhausted(99.0)
    assert breaker.exhausted(100.0)
    breaker.begin()
    breaker.succeeded()
    assert not breaker.open
    assert breaker.due(101.0) == 101.0


def test_the_breaker_counts_rows_and_not_attempts() -> None:
    """One row that fails again and again says nothing about the service."""
    breaker = Breaker(threshold=3)
    for now in range(50):
        breaker.failed(float(now), now % 2, answered=True)
    assert not breaker.open
    breaker.failed(50.0, "a third row", answered=True)
    assert breaker.open


def test_probes_of_a_service_that_answers_are_closer_together() -> None:
    breaker = Breaker(threshold=1)
    for _ in range(20):
        breaker.failed(0.0, "a row", answered=True)
    assert breaker.due(0.0) == breaker.MAX_DISTANCE_ANSWERED
    breaker.failed(0.0, "a row", answered=False)
    assert breaker.due(0.0) == breaker.MAX_DISTANCE


def test_a_lane_keeps_its_slot_over_its_parts() -> None:
    """At one request a minute a turn is shorter than the wait for the slot."""
    interval = 60.0
    pace, now, slot = Pace(0.0, interval), 0.0, 0.0
    begun: list[float] = []
    while len(begun) < 5:
        slot = pace.slot
        now += 24.0  # the turn
        if pace.due(now) <= now:
            pace.begin(now, interval)
            begun.append(now)
            slot = pace.slot
        pace = Pace(now, interval, 0.7, slot)
    gaps = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert all(interval - 24 <= gap <= interval + 24 for gap in gaps)
    assert (begun[-1] - begun[0]) / 4 == pytest.approx(interval, rel=0.11)


def test_a_clock_that_was_set_back_does_not_stop_a_lane() -> None:
    assert Pace(100.0, 10.0, 0.5, slot=1e9).due(100.0) == 115.0


def test_concurrency_grows_where_it_helps() -> None:
    concurrency = Concurrency()
    for _ in range(10_000):
        concurrency.answered(0.2, flying=concurrency.allowed(None))
    assert concurrency.allowed(None) > MAX_FLYING / 2


def test_concurrency_stays_low_where_more_only_waits_in_line() -> None:
    """A service that works on two at a time: the latency grows with what is under way."""
    concurrency = Concurrency()
    for _ in range(5_000):
        flying = concurrency.allowed(None)
        concurrency.answered(0.01 * max(1.0, flying / 2), flying)
    assert concurrency.allowed(None) < 2 * Concurrency.LEAST


def test_concurrency_stays_high_enough_where_answers_take_irregularly_long() -> None:
    """As they do while a portion is recorded: with few requests under way, the process then waits for each answer."""
    concurrency = Concurrency()
    for number in range(5_000):
        seconds = 0.05 if number // 100 % 2 else 0.001
        concurrency.answered(seconds, flying=concurrency.allowed(None))
        assert concurrency.allowed(None) >= Concurrency.LEAST
    assert Concurrency.LEAST == 8, "as docs/reference/bulk.md says"


def test_concurrency_is_never_below_what_the_rate_needs() -> None:
    concurrency = Concurrency()
    assert concurrency.allowed(100.0) >= 100.0 * LATENCY
