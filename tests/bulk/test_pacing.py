"""Lanes, brake, breaker and concurrency, with a clock of the test's own."""

from __future__ import annotations

import math
import random

import pytest
from bulk.simulated import Limiter, admitted
from smarterproctoring_bulk.pacing import (
    LATENCY,
    MARGIN,
    MAX_FLYING,
    Brake,
    Breaker,
    Concurrency,
    Pace,
    lanes_for,
    read_rate,
    window_for,
)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("20", 20), ("20/s", 20), ("100/min", 100 / 60), ("100 per minute", 100 / 60), ("3600/h", 1), ("0.5/sec", 0.5)],
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


def test_the_brake_waits_cuts_once_and_recovers() -> None:
    brake = Brake()
    assert brake.interval(0.0, 50.0, 4) == pytest.approx(0.08 / MARGIN)
    brake.limited(10.0, began=9.9, retry_after=5)
    assert brake.until == 15.0
    assert brake.factor(15.0) == pytest.approx(0.9)
    brake.limited(10.1, began=9.95, retry_after=None)
    assert (brake.cuts, brake.until) == (1, 15.0), "what was under way at the cut says nothing about the rate since"
    assert 0.95 < brake.factor(35.0) <= 1.0
    brake.limited(36.0, began=35.9, retry_after=0)
    assert brake.cuts == 1, "nothing was accepted since: the wait was too short, not the rate too high"
    brake.accepted(36.5)
    brake.limited(37.0, began=36.9, retry_after=0)
    assert brake.cuts == 2


def test_a_storm_cannot_stop_it_for_ever() -> None:
    brake, now = Brake(), 0.0
    for _ in range(60):
        now = max(now, brake.until) + 0.01
        brake.limited(now + 0.01, began=now, retry_after=1)
        brake.accepted(now)
    assert brake.factor(now) >= brake.FLOOR
    assert brake.factor(now + 400) == 1.0


def test_waits_that_the_server_does_not_name_grow() -> None:
    brake, now, waits = Brake(), 0.0, list[float]()
    for _ in range(7):
        brake.limited(now, began=now - 0.01, retry_after=None)
        waits.append(brake.until - now)
        now = brake.until + 0.1
    assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30])
    brake.accepted(now)
    brake.limited(now + 1, began=now + 0.9, retry_after=None)
    assert brake.until == pytest.approx(now + 2)


def test_without_a_rate_the_brake_starts_from_the_rate_that_was_refused() -> None:
    brake = Brake()
    for number in range(200):
        brake.begun(number / 100)
    assert brake.interval(2.0, None, 4) == 0.0
    brake.limited(2.0, began=1.99, retry_after=1)
    assert brake.interval(3.0, None, 1) == pytest.approx(1 / 90, rel=0.07)


@pytest.mark.parametrize(("asked", "admissible"), [(200, 100), (50, 40), (20, 15), (400, 50)])
def test_against_a_limiter_most_of_the_admissible_rate_is_used(asked: float, admissible: float) -> None:
    """Ten minutes of virtual time: a service that admits fewer than are asked, and says Retry-After: 1."""
    done, most = admitted(Limiter(admissible, retry_after=1.0), rate=asked, lanes=4, seconds=600)
    assert done >= 0.85 * admissible * 600
    assert most <= asked + 4


def test_the_breaker_lets_one_probe_through_at_a_time() -> None:
    breaker = Breaker(threshold=3, patience=100)
    assert [breaker.failed(now) for now in (0.0, 1.0, 2.0)] == [True, True, False]
    assert breaker.open
    assert breaker.due(2.0) == 2.5
    breaker.begin()
    assert breaker.due(3.0) == math.inf
    assert not breaker.failed(3.0), "a probe's failure is not the row's"
    assert breaker.due(3.0) == 3.75
    assert not breaker.exhausted(99.0)
    assert breaker.exhausted(100.0)
    breaker.begin()
    breaker.succeeded()
    assert not breaker.open
    assert breaker.due(101.0) == 101.0


def test_concurrency_grows_where_it_helps() -> None:
    concurrency = Concurrency()
    for _ in range(10_000):
        concurrency.answered(0.2, flying=int(concurrency.limit))
    assert concurrency.allowed(None) > MAX_FLYING / 2


def test_concurrency_stays_low_where_more_only_waits_in_line() -> None:
    """A service that works on two at a time: the latency grows with what is under way."""
    concurrency = Concurrency()
    for _ in range(5_000):
        flying = concurrency.allowed(None)
        concurrency.answered(0.01 * max(1.0, flying / 2), flying)
    assert concurrency.allowed(None) <= 10


def test_concurrency_is_never_below_what_the_rate_needs() -> None:
    concurrency = Concurrency()
    assert concurrency.allowed(100.0) >= 100.0 * LATENCY
