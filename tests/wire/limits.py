"""Time limits in tests that do not depend on how fast the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from smarterproctoring import Timeouts

LONG = 60.0
LIMITS = (0.5, 5.0, 25.0)


def read_limit(seconds: float) -> Timeouts:
    """Limit the wait for the answer alone: that begins when the request was sent, however long that took."""
    return Timeouts(connect=LONG, read=seconds, write=LONG, pool=LONG)


def with_enough_time(attempt: Callable[[float], bool]) -> None:
    """Call `attempt` with a time limit, and with longer ones until what it tests has happened.

    The first limit is enough by far where nothing stands still. Where the machine does, the call ends before the server
    has seen what the test is about, and nothing can be said of it.

    Args:
        attempt: Makes the call with a limit of this many seconds; returns whether the server has seen what it should.
    """
    assert any(attempt(limit) for limit in LIMITS), "the server has not seen what it should"


class Clock:
    """The monotonic clock, which a test puts forward in place of a wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = 0.0
        self._real = time.monotonic
        monkeypatch.setattr(time, "monotonic", self._now)

    def put_forward(self, seconds: float) -> None:
        self._ahead += seconds

    def _now(self) -> float:
        return self._real() + self._ahead
