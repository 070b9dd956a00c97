"""Shows what a run would do: the first requests, the times, the rows of each day, and how long it takes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import click
from smarterproctoring import AsyncSmarterProctoring

from smarterproctoring_bulk import exits
from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.local_times import Clock
from smarterproctoring_bulk.plan import Plan
from smarterproctoring_bulk.rows import TIMES, Row

SHOWN: Final = 3
"""Requests that are shown."""
_SHOWN_DAYS: Final = 20
_MOST: Final = 2000.0
"""Rows per second that one host was measured to send at most (docs/how-to/scaling.md)."""
_KEPT: Final = 0.98
"""The share of a rate at which attempts begin."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What the time of a run follows from.

    Attributes:
        latency: Seconds of an answer.
        measured: Whether the service was asked; else it is an assumption.
        rate: The limit, in requests per second; None for none.
        lanes: How many chunks are worked on concurrently.
        flying: Requests that are under way at the same time, at most.
    """

    latency: float
    measured: bool
    rate: float | None
    lanes: int
    flying: float

    @property
    def limit(self) -> float:
        """Return the requests per second that one host can send, without a rate."""
        return min(self.flying / self.latency, _MOST)

    @property
    def paced(self) -> bool:
        """Tell whether the rate decides, and not the service or the host."""
        return self.rate is not None and self.rate <= self.limit

    @property
    def flow(self) -> float:
        """Return the requests per second."""
        if self.rate is not None and self.paced:
            return self.rate * _KEPT
        return self.limit


def show_requests(
    client: AsyncSmarterProctoring, rows: Iterable[Row], clock: Clock
) -> None:
    """Print the requests of rows, with their times as people read them."""
    for row in rows:
        request = client.dry_run_reschedule(*row.sids, **row.fields)  # type: ignore[arg-type]
        click.echo(f"\nline {row.line}: {request.method} {request.url}")
        body = json.dumps(json.loads(request.content), indent=2, ensure_ascii=False)
        click.echo(exits.visible_lines(body))
        for moment in _times(row):
            click.echo(f"  {clock.both(moment)}")


def _times(row: Row) -> Iterator[datetime]:
    for keyword, value in row.fields.items():
        if keyword in TIMES:
            yield datetime.fromisoformat(value)


def show_days(planned: Plan, clock: Clock) -> None:
    """Print the first and the last time, and how many sessions start on each day."""
    if planned.earliest is None or planned.latest is None:
        return
    first = clock.both(datetime.fromisoformat(planned.earliest))
    last = clock.both(datetime.fromisoformat(planned.latest))
    click.echo(f"\ntimes from {first}\n        to {last}")
    days = _days(planned, clock)
    if not days:
        return
    shown = sorted(days)[:_SHOWN_DAYS]
    click.echo("sessions by the day on which they start:")
    for day in shown:
        click.echo(f"  {day:%a %d %b %Y}  {days[day]:>9,}")
    if len(days) > len(shown):
        rest = sum(days.values()) - sum(days[day] for day in shown)
        click.echo(
            f"  … and {rest:,} on {counted(len(days) - len(shown), 'later day')}"
        )


def _days(planned: Plan, clock: Clock) -> Counter[date]:
    days: Counter[date] = Counter()
    for start, count in planned.starts():
        days[clock.local(datetime.fromisoformat(start)).date()] += count
    return days


def show_estimate(requests: int, speed: Speed) -> None:
    """Print how long a run takes, and what that follows from."""
    if not requests:
        click.echo("\n0 requests: a run would send nothing")
        return
    known = (
        "measured" if speed.measured else "assumed, since the service does not answer"
    )
    click.echo(
        f"\n{counted(requests, 'request')}; an answer takes {speed.latency * 1000:.3g} ms ({known})"
    )
    seconds = _duration(requests / speed.flow)
    if speed.paced and speed.rate is not None:
        click.echo(
            f"{counted(speed.lanes, 'lane')}, {_flow(speed.rate)}: about {seconds}"
        )
        return
    why = (
        "no --rate" if speed.rate is None else f"{_flow(speed.rate)} cannot be reached"
    )
    click.echo(
        f"{counted(speed.lanes, 'lane')}, {why}: at least {seconds}, with at most "
        f"{_flow(speed.flow)} from one host; longer if the service takes its time or limits"
    )


def _flow(flow: float) -> str:
    if flow >= 100:
        return f"{flow:,.0f}/s"
    return f"{flow:.3g}/s" if flow >= 1 else f"{flow * 60:.3g}/min"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(1, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {rest} s"
    return f"{rest} s"
