"""Runs bulk's lanes on a virtual clock: 1, 10 and 100 workers, up to a million rows, in seconds.

`make simulate-bulk` prints the table of docs/how-to/scaling.md. The pacing is the real one
(smarterproctoring_bulk.pacing);
the service, the journal and the workers' processors are modelled by four numbers, which `bench_bulk.py` measures.
"""

from __future__ import annotations

import heapq
import random
import sys
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from smarterproctoring_bulk.jobs import chunk_sizes, largest_chunk
from smarterproctoring_bulk.pacing import MARGIN, MAX_FLYING, Pace, lanes_for, window_for

POLL, POLL_UNLIMITED = 0.1, 0.15
"""Seconds, on average, until a lane that has done its chunk is given the next one: with a rate, and without."""
LEASE = 60.0
"""Seconds of a job's lease, bulk's default."""


@dataclass(frozen=True)
class Model:
    """What a run is made of.

    Attributes:
        rows: Rows of the list.
        workers: Processes that send.
        rate: Requests per second over all; None for no limit.
        latency: Seconds of an answer, in the middle; drawn from half of it to one and a half.
        lanes: Chunks at once; None chooses as `bulk` does.
        processor: Seconds of a worker's processor for each row.
        commit: Seconds from a portion's hand-over to its commit.
        journal: Seconds that the journal is busy with a commit, one after the other.
    """

    rows: int
    workers: int = 1
    rate: float | None = None
    latency: float = 0.25
    lanes: int | None = None
    processor: float = 0.0004
    commit: float = 0.006
    journal: float = 0.003


class Result(NamedTuple):
    """What came of it: lanes, rows per second, the most begun in any second, seconds, commits per second."""

    lanes: int
    speed: float
    most: int
    seconds: float
    commits: float


class _Lane:
    def __init__(self, worker: int, pace: Pace, rows: int) -> None:
        self.worker, self.pace, self.left = worker, pace, rows
        self.flying = self.settled = self.handed = 0
        self.waiting = False


def simulate(model: Model, seed: int = 1) -> Result:  # noqa: PLR0915 - one loop over events reads best whole
    """Run a list to its end."""
    draw = random.Random(seed)  # noqa: S311 - a simulation
    lanes = model.lanes or lanes_for(model.rate, model.latency, hosts=model.workers > 1)
    window = window_for(lanes, model.rate)
    interval = 0.0 if model.rate is None else lanes / (model.rate * MARGIN)
    poll = POLL_UNLIMITED if model.rate is None else POLL
    largest = largest_chunk(model.rate, lanes, LEASE)
    alone = model.workers == 1 and model.rate is None
    chunks = chunk_sizes(model.rows, largest, lanes, window, alone=alone)
    busy, flying, journal = [0.0] * model.workers, [0] * model.workers, 0.0
    begun, most, commits, last = deque[float](), 0, 0, 0.0
    events: list[tuple[float, int, str, _Lane]] = []
    count = 0

    def plan(when: float, what: str, lane: _Lane) -> None:
        nonlocal count
        count += 1
        heapq.heappush(events, (when, count, what, lane))

    for number in range(lanes):
        lane = _Lane(number % model.workers, Pace(0.0, interval, draw.random()), next(chunks, 0))
        plan(0.0, "go", lane)
    while events:
        now, _, what, lane = heapq.heappop(events)
        if what == "go":
            lane.waiting = False
        elif what == "answer":
            lane.flying -= 1
            flying[lane.worker] -= 1
            lane.settled += 1
            last = now
        else:  # committed
            lane.handed = 0
            if not (lane.left or lane.flying or lane.settled):
                lane.left = next(chunks, 0)
                if lane.left:
                    lane.pace = Pace(now + poll, interval, draw.random())
                    plan(now + poll, "go", lane)
                continue
        while lane.left and lane.flying + lane.settled + lane.handed < window and flying[lane.worker] < MAX_FLYING:
            due = lane.pace.due(now)
            if due > now:
                if not lane.waiting:
                    lane.waiting = True
                    plan(due, "go", lane)
                break
            lane.pace.begin(now, interval)
            lane.left -= 1
            lane.flying += 1
            flying[lane.worker] += 1
            start = max(now, busy[lane.worker])
            busy[lane.worker] = start + model.processor
            begun.append(start)
            while start - begun[0] >= 1.0:
                begun.popleft()
            most = max(most, len(begun))
            plan(start + model.processor + model.latency * (0.5 + draw.random()), "answer", lane)
        full = lane.flying + lane.settled >= window and lane.settled * 2 > window
        full = full or lane.settled * 4 >= window * 3
        if lane.settled and not lane.handed and (full or not (lane.left or lane.flying)):
            lane.handed, lane.settled = lane.settled, 0
            commits += 1
            journal = max(journal, now) + model.journal
            plan(max(now + model.commit, journal), "committed", lane)
    return Result(lanes, model.rows / last, most, last, commits / last)


CASES = [
    ("laptop, 100/min", Model(5_000, rate=100 / 60)),
    ("laptop, 20/s", Model(20_000, rate=20)),
    ("laptop, 200/s", Model(100_000, rate=200)),
    ("laptop, no limit, fast service", Model(100_000, latency=0.005, lanes=2)),
    ("laptop, no limit, answers in 250 ms", Model(100_000, lanes=2)),
    ("10 workers, 200/s", Model(200_000, workers=10, rate=200)),
    ("10 workers, 2,000/s", Model(1_000_000, workers=10, rate=2000)),
    ("10 workers, no limit", Model(1_000_000, workers=10, lanes=40)),
    ("100 workers, 2,000/s", Model(1_000_000, workers=100, rate=2000)),
    ("100 workers, 10,000/s", Model(1_000_000, workers=100, rate=10_000, lanes=250)),
    ("100 workers, no limit, journal 3 ms a commit", Model(1_000_000, workers=100, lanes=400)),
]


def main() -> int:
    """Print the table."""
    print("| case | rows | workers | lanes | rows/s | of the rate | most in a second | time | commits/s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, model in CASES:
        found = simulate(model)
        minutes = f"{found.seconds / 60:.0f} min" if found.seconds < 5400 else f"{found.seconds / 3600:.1f} h"
        share = "" if model.rate is None else f"{found.speed / model.rate:.2f}"
        speed = f"{found.speed:,.0f}" if found.speed >= 100 else f"{found.speed:.3g}"
        cells = [name, f"{model.rows:,}", model.workers, found.lanes, speed, share, f"{found.most:,}"]
        print("| " + " | ".join(map(str, [*cells, minutes, f"{found.commits:.3g}"])) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
