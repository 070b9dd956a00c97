"""A service and lanes on a virtual clock."""

from __future__ import annotations

import heapq
from collections import deque

from smarterproctoring_bulk.pacing import Pace, Throttle


class Limiter:
    """Admits so many requests in any second, and answers 429 otherwise."""

    def __init__(self, rate: float, retry_after: float) -> None:
        self.rate, self.retry_after = rate, retry_after
        self._admitted: deque[float] = deque()

    def admits(self, now: float) -> bool:
        while self._admitted and now - self._admitted[0] >= 1.0:
            self._admitted.popleft()
        if len(self._admitted) >= self.rate:
            return False
        self._admitted.append(now)
        return True


def admitted(limiter: Limiter, *, rate: float, lanes: int, seconds: float, latency: float = 0.05) -> tuple[int, int]:
    """Run lanes that share a throttle against a limiter.

    Returns:
        How many requests were admitted, and the most that began in any second.
    """
    throttle = Throttle()
    share = rate / lanes
    paces = [Pace(0.0, throttle.interval(0.0, share, lanes), lane / lanes) for lane in range(lanes)]
    # (when, what, lane, began): a lane begins, or an answer comes.
    events = [(paces[lane].due(0.0), 0, lane, 0.0) for lane in range(lanes)]
    heapq.heapify(events)
    done, begun, most = 0, deque[float](), 0
    while events:
        now, what, lane, began = heapq.heappop(events)
        if now > seconds:
            break
        if what == 1:
            pace = lanes / throttle.interval(now, share, lanes)
            throttle.limited(now, began, limiter.retry_after, pace)
            continue
        if what == 2:
            throttle.accepted(began)
            continue
        due = paces[lane].due(now, throttle.until)
        if due <= now:
            paces[lane].begin(now, throttle.interval(now, share, lanes))
            begun.append(now)
            while now - begun[0] >= 1.0:
                begun.popleft()
            most = max(most, len(begun))
            if limiter.admits(now + latency / 2):
                done += 1
                heapq.heappush(events, (now + latency, 2, lane, now))
            else:
                heapq.heappush(events, (now + latency, 1, lane, now))
            due = paces[lane].due(now)
        heapq.heappush(events, (due, 0, lane, 0.0))
    return done, most
