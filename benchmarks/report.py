"""Writes what was measured: a page of tables, and a chart that can be read on light and on dark paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from statistics import median
from typing import NamedTuple

REFERENCE, OURS, FAST = "httpx", "this client", "this client, [fast]"
PLAIN, URLLIB3, AIOHTTP = "openapi-python-client", "OpenAPI Generator, urllib3", "OpenAPI Generator, aiohttp"
_TIMES_BYTES = 108
"""Of a body with two times and nothing else."""
_WIDTH, _LABEL, _BAR, _GAP = 760, 210, 20, 6


class Cell(NamedTuple):
    """Microseconds per call: on the wall, and on the processor of the client's process."""

    wall: float
    cpu: float


class Import(NamedTuple):
    """What an import took: milliseconds on the wall and on the processor, megabytes."""

    wall: float
    cpu: float
    memory: float


class Row(NamedTuple):
    """A client's turns, one for each round, or why there are none."""

    label: str
    turns: tuple[Cell, ...] = ()
    failed: str = ""

    def figures(self, part: str) -> list[float]:
        """Return "wall" or "cpu" of each turn."""
        return [getattr(turn, part) for turn in self.turns]

    @property
    def cell(self) -> Cell | None:
        """The medians."""
        return Cell(*map(median, zip(*self.turns, strict=True))) if self.turns else None


def ratio(some: Iterable[float], others: Iterable[float]) -> float:
    """Return the median of the rounds' own ratios: a slow minute of the machine is in both figures of a round."""
    return median(one / other for one, other in zip(some, others, strict=True))


class Load(NamedTuple):
    """What a client has to do.

    Attributes:
        at_once: Calls at the same time.
        notes: Characters of notes in each body, besides two times.
    """

    at_once: int
    notes: int = 0


class Report(NamedTuple):
    """All that was measured.

    Attributes:
        machine: Lines that say what it was measured on.
        rounds: Rounds behind each median.
        calls: By kind ("sync", "async") and load, of every client.
        growth: The same of a few clients, at more loads.
        imports: What each import took, by name.
        wheel: Bytes of the wheel.
        generate: Seconds of a generation with all its checks.
        notes: What was skipped, and why.
        quick: Whether this is only a rough picture.
    """

    machine: list[str]
    rounds: int
    calls: dict[str, dict[Load, list[Row]]]
    growth: dict[str, dict[Load, list[Row]]]
    imports: dict[str, list[Import]]
    wheel: int | None
    generate: float | None
    notes: list[str]
    quick: bool


def markdown(found: Report) -> str:
    """Return the page."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Report) -> Iterator[str]:
    yield from ("# The client beside its peers", "")
    yield f"Written by `make bench{' ARGS=--quick' if found.quick else ''}`; the method is described in"
    yield from ("[benchmarks/README.md](../../benchmarks/README.md). Compare figures of one run only.", "")
    yield from ("![CPU per call and calls per second](client.svg)", "")
    yield from (*(f"- {line}" for line in found.machine), f"- medians of {found.rounds} interleaved rounds")
    yield from (f"- {note}" for note in found.notes)
    titles = {"sync": "Synchronous, threads at once", "async": "Asynchronous, tasks at once"}
    for kind, tables in found.calls.items():
        yield from ("", f"## {titles[kind]}", "")
        yield "Calls per second; in brackets the microseconds of processor time per call, and their ratio to httpx's."
        heads = [str(load.at_once) for load in tables]
        yield from ("", f"| client | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|")
        for label in (row.label for row in next(iter(tables.values()))):
            yield f"| {label} | " + " | ".join(_entry(label, rows) for rows in tables.values()) + " |"
        failures = {row.failed for rows in tables.values() for row in rows if row.failed}
        yield from (f"\nFailed: {failure}" for failure in sorted(failures))
    yield from _growth_lines(found)
    yield from ("", "## Import", "", "In fresh processes; memory is what the process grew by.", "")
    yield from ("| | CPU ms | ÷ httpx | wall ms | MB |", "|---|---|---|---|---|")
    for name, turns in found.imports.items():
        wall, cpu, memory = map(median, zip(*turns, strict=True))
        times = ratio((turn.cpu for turn in turns), (turn.cpu for turn in found.imports[REFERENCE]))
        yield f"| {name} | {cpu:.0f} | {times:.2f} | {wall:.0f} | {memory:.1f} |"
    yield from ("", "## What is wanted", "", "Medians of the ratios within each round.", "")
    yield from ("| | measured | wanted |", "|---|---|---|")
    yield from (f"| {what} | {times:.2f} | {limit} |" for what, times, limit in _wanted(found))
    yield from ("", "## Size and generation", "")
    if found.wheel is not None:
        yield f"- wheel: {found.wheel / 1024:.0f} KiB"
    if found.generate is not None:
        yield f"- `make check-generated` (generates again, checks and compares): {found.generate:.1f} s"


def _growth_lines(found: Report) -> Iterator[str]:
    yield from ("", "## How the cost grows", "")
    yield "Microseconds of processor time per call: with the calls at once (bodies of 0.1 kB), and with the size of"
    yield "the body (16 calls at once)."
    yield from ("", "![CPU per call over the calls at once, and over the size of the body](growth.svg)", "")
    for kind, rows in found.growth.items():
        at_once = [load for load in rows if not load.notes]
        sizes = [load for load in rows if load.notes]
        heads = [f"{load.at_once:,} at once" for load in at_once]
        heads += [f"{body_size(load) / 1000:.3g} kB" for load in sizes]
        yield f"| {kind} | {' | '.join(heads)} |"
        yield "|---" * (len(heads) + 1) + "|"
        for label in [row.label for row in rows[at_once[0]]]:
            cells = [_microseconds(label, rows[load]) for load in (*at_once, *sizes)]
            yield f"| {label} | {' | '.join(cells)} |"
        yield ""


def _microseconds(label: str, rows: list[Row]) -> str:
    cell = next(row.cell for row in rows if row.label == label)
    return "failed" if cell is None else f"{cell.cpu:,.0f}"


def body_size(load: Load) -> int:
    """Return the bytes of a body."""
    return _TIMES_BYTES + (load.notes + len(',"notes":""') if load.notes else 0)


def _entry(label: str, rows: list[Row]) -> str:
    found = {row.label: row for row in rows}
    cell, reference = found[label].cell, found[REFERENCE]
    if cell is None:
        return "failed"
    times = f", {ratio(found[label].figures('cpu'), reference.figures('cpu')):.2f}×" if reference.turns else ""
    return f"{1e6 / cell.wall:,.0f} ({cell.cpu:,.0f}{times})"


def _wanted(found: Report) -> Iterator[tuple[str, float, str]]:
    """Yield what this client is to hold beside its peers, as far as it was measured: what, its ratio, the limit."""

    def turns(kind: str, at_once: int, label: str, part: str) -> list[float]:
        rows = {row.label: row for row in found.calls[kind].get(Load(at_once), [])}
        return rows[label].figures(part) if label in rows else []

    for label, other, most in ((FAST, URLLIB3, 0.45), (OURS, REFERENCE, 1.0)):
        for part, words in (("cpu", "CPU per call"), ("wall", "time per call")):
            pair = turns("sync", 1, label, part), turns("sync", 1, other, part)
            yield from _if_measured(f"synchronous, one connection: {words} of {label} to {other}", *pair, f"≤ {most}")
    for label, other, most in ((FAST, "aiohttp", 1.0), (OURS, REFERENCE, 0.25)):
        pair = turns("async", 64, label, "cpu"), turns("async", 64, other, "cpu")
        yield from _if_measured(f"asynchronous, 64 at once: CPU per call of {label} to {other}", *pair, f"≤ {most}")
    for label, other, least in ((FAST, AIOHTTP, 1.5), (FAST, PLAIN, 10), (OURS, PLAIN, 5)):
        pair = turns("async", 64, other, "wall"), turns("async", 64, label, "wall")
        yield from _if_measured(
            f"asynchronous, 64 at once: calls per second of {label} to {other}", *pair, f"≥ {least}"
        )
    for label in (OURS, FAST):
        pair = turns("async", 64, label, "wall"), turns("async", 256, label, "wall")
        yield from _if_measured(f"calls per second of {label}, 256 at once to 64", *pair, "≥ 0.8")
    pair = [turn.cpu for turn in found.imports[OURS]], [turn.cpu for turn in found.imports[REFERENCE]]
    yield from _if_measured(f"import of {OURS} to {REFERENCE}", *pair, "≤ 1.1")


def _if_measured(what: str, some: list[float], others: list[float], limit: str) -> Iterator[tuple[str, float, str]]:
    if some and others:
        yield what, ratio(some, others), limit


# -- the chart ---------------------------------------------------------------------------------------------------------

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px } .bar { fill: #8c959f } .ours { fill: #1a7f37 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .bar { fill: #6e7681 } .ours { fill: #3fb950 } }
"""


def chart(found: Report) -> str:
    """Return an SVG of bars: CPU per synchronous call, and asynchronous calls per second with 64 at once."""
    panels: list[tuple[str, list[tuple[str, float]]]] = []
    for kind, concurrency, title, by_cpu in (
        ("sync", 1, "Synchronous, one connection: CPU microseconds per call (shorter is better)", True),
        ("async", 64, "Asynchronous, 64 at once: calls per second (longer is better)", False),
        ("async", 256, "Asynchronous, 256 at once: calls per second (longer is better)", False),
    ):
        rows = [row for row in found.calls[kind].get(Load(concurrency), []) if row.cell and row.label != "raw socket"]
        bars = [(row.label, row.cell.cpu if by_cpu else 1e6 / row.cell.wall) for row in rows if row.cell]
        if bars:
            panels.append((title, sorted(bars, key=lambda bar: bar[1], reverse=not by_cpu)))
    body, y = list[str](), 10
    for title, bars in panels:
        body.append(f'<text class="title" x="0" y="{y + 14}">{escape(title)}</text>')
        body += _bars(bars, y + 26)
        y += 26 + len(bars) * (_BAR + _GAP) + 18
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img"'
    return f'{head} aria-label="Clients compared">\n<style>{_STYLE}</style>\n' + "\n".join(body) + "\n</svg>\n"


def _bars(bars: Iterable[tuple[str, float]], top: int) -> Iterator[str]:
    bars = list(bars)
    most = max(value for _, value in bars)
    for index, (label, value) in enumerate(bars):
        y, width = top + index * (_BAR + _GAP), value / most * (_WIDTH - _LABEL - 70)
        style = "bar ours" if label.startswith("this client") else "bar"
        yield f'<text x="{_LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(label)}</text>'
        yield f'<rect class="{style}" x="{_LABEL}" y="{y}" width="{width:.0f}" height="{_BAR}" rx="2"/>'
        yield f'<text x="{_LABEL + width + 6:.0f}" y="{y + 15}">{value:,.0f}</text>'
