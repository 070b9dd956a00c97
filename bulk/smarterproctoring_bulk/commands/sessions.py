"""What the commands that read sessions have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import click
from smarterproctoring import AsyncSmarterProctoring
from smarterproctoring.commands import visible

from smarterproctoring_bulk.progress import progress
from smarterproctoring_bulk.reading import Reading, Seen
from smarterproctoring_bulk.rows import Row

_SHOWN: Final = 20
"""Lines that are printed; the others are counted."""


async def read_sessions(
    client: AsyncSmarterProctoring,
    rate: float | None,
    rows: Iterable[Row],
    total: int,
    take: Callable[[Seen], object],
    before: int = 0,
) -> None:
    """Read the sessions of rows, show how far it is, and close the client.

    Args:
        client: The public client.
        rate: Reads per second, retries included; None for no limit.
        rows: The rows.
        total: How many sessions there are, those that were read before included.
        take: Called with each session.
        before: How many were read before.

    Raises:
        Stop: The token is refused, or the service does not answer.
    """
    counts = Counter(read=before)
    with progress(total, before) as bar:

        def count(seen: Seen) -> None:
            take(seen)
            counts["not_read" if seen.problem else "read"] += 1
            bar.update(counts)

        async with client:
            await Reading(client, rate, count).read(rows)


def show_lines(lines: Sequence[str]) -> None:
    """Print the first lines of what is to be said of rows, and how many more there are."""
    for line in lines[:_SHOWN]:
        click.secho(visible(line), fg="yellow", err=True)
    if len(lines) > _SHOWN:
        click.echo(f"… and {len(lines) - _SHOWN:,} more", err=True)
