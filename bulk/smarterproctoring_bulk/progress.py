"""How far a run is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self, TextIO


class Progress(Protocol):
    """Shows how far a run is; use it in a `with` block."""

    def update(self, counts: Mapping[str, int], retries: int = 0) -> None:
        """Show where the run stands.

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
    raise NotImplementedError
