"""How far a run is: a bar on a terminal, plain lines elsewhere.

tqdm draws the bar: it is one package that needs no other, knows rate and time left, and fits narrow terminals. Click's
bar has no rate, and wraps; rich brings three packages more.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, Protocol, Self, TextIO

from tqdm import tqdm

from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.outcomes import STATES

_EVERY: Final = 5.0
"""Seconds between two plain lines."""
_READ: Final = ("read", "not_read")
"""What becomes of a session that is only read."""
_WINDOW: Final = 30.0
"""Seconds over which their rate is taken."""
_BAR: Final = (
    "{percentage:3.0f}%|{bar}| {n:,}/{total:,} {rate_noinv_fmt}, {remaining} left"
)


class Progress(Protocol):
    """Shows how far a run is; use it in a `with` block."""

    def update(self, counts: Mapping[str, int], retries: int = 0) -> None:
        """Show where the run stands; call it as often as you like.

        Args:
            counts: Rows so far by outcome, over the whole job.
            retries: Attempts so far beyond each row's first.
        """

    def say(self, text: str) -> None:
        """Write a line of text without disturbing the display."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


def progress(total: int, done: int = 0, stream: TextIO | None = None) -> Progress:
    """Make the display that suits the stream.

    Args:
        total: Rows of the whole job.
        done: Rows that were settled before this run began; they do not count in its rate.
        stream: Where to; standard error by default.
    """
    shown: TextIO = sys.stderr if stream is None else stream
    if shown.isatty() and os.environ.get("TERM") != "dumb":
        return Bar(total, done, shown)
    return Lines(total, done, shown)


def described(counts: Mapping[str, int], retries: int = 0) -> str:
    """Say how many rows came to what: `187 ok, 3 rejected; 12 retries`."""
    parts = [
        f"{counts[state]:,} {state.replace('_', ' ')}"
        for state in (*STATES, *_READ)
        if counts.get(state)
    ]
    return "; ".join(
        [
            ", ".join(parts) or "none yet",
            *([counted(retries, "retry", "retries")] if retries else []),
        ]
    )


class Bar:
    """A bar on a terminal, and the counts below it."""

    def __init__(self, total: int, done: int, stream: TextIO) -> None:
        self._stream = stream
        self._bar = tqdm(
            total=total,
            initial=done,
            file=stream,
            unit=" rows",
            bar_format=_BAR,
            dynamic_ncols=True,
            smoothing=0.1,
        )
        self._below = tqdm(
            total=0,
            position=1,
            file=stream,
            bar_format="     {desc}",
            dynamic_ncols=True,
        )

    def update(self, counts: Mapping[str, int], retries: int = 0) -> None:
        """Show where the run stands."""
        if self._bar.update(sum(counts.values()) - self._bar.n):
            self._below.set_description_str(described(counts, retries))
        else:  # too soon to draw again, or nothing new
            self._below.set_description_str(described(counts, retries), refresh=False)

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        self._bar.write(text, file=self._stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for line in (self._bar, self._below):
            line.refresh()
        for line in (
            self._bar,
            self._below,
        ):  # each is left standing where the cursor is
            line.close()


class Lines:
    """A line of text every few seconds."""

    def __init__(
        self,
        total: int,
        done: int,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        every: float = _EVERY,
    ) -> None:
        self._total = total
        self._stream = stream
        self._clock = clock
        self._every = every
        self._counts: Mapping[str, int] = {}
        self._retries = 0
        self._seen = deque([(clock(), done)])
        self._written = clock()

    def update(self, counts: Mapping[str, int], retries: int = 0) -> None:
        """Remember where the run stands, and write it if it is time."""
        self._counts = dict(counts)
        self._retries = retries
        if self._clock() - self._written >= self._every:
            self._write()

    def _write(self) -> None:
        now = self._clock()
        done = sum(self._counts.values())
        self._written = now
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        since, before = self._seen[0]
        rate = (done - before) / (now - since) if now > since else 0.0
        share = f"{done / self._total:.0%}" if self._total else "100%"
        text = f"{done:,} of {counted(self._total, 'row')} ({share}), {rate:.1f} rows/s"
        if rate > 0 and done < self._total:
            text += f", {timedelta(seconds=round((self._total - done) / rate))} left"
        self.say(f"{text}: {described(self._counts, self._retries)}")

    def say(self, text: str) -> None:
        """Write a line."""
        print(text, file=self._stream, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._counts:
            self._write()
