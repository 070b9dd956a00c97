"""Draws how the cost of a call grows: lines over the calls at once, and over the size of the body."""

from __future__ import annotations

import math
from html import escape
from typing import NamedTuple

from report import FAST, OURS, Load, Report, Row, body_size

_WIDTH = 760
_PLOT_WIDTH = 520
_PLOT_HEIGHT = 220
_LEFT = 60
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px } .axis { stroke: #8c959f } .line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .axis { stroke: #6e7681 } }
"""
_COLORS = {OURS: "#2da44e", FAST: "#1f883d", "httpx": "#8250df", "aiohttp": "#bf8700"}
_OTHER_COLOR = "#768390"
_TITLES = {"sync": "Synchronous", "async": "Asynchronous"}


class _Point(NamedTuple):
    """Where a line goes: the load in numbers, and microseconds."""

    load: float
    cost: float


class _Panel(NamedTuple):
    """One diagram: a line of points for each client, both axes logarithmic."""

    title: str
    unit: str
    lines: dict[str, list[_Point]]


def growth_chart(found: Report) -> str:
    """Return an SVG with a diagram for each kind of client and each kind of growth."""
    panels = [panel for kind in found.growth for panel in _panels(_TITLES[kind], found.growth[kind])]
    body: list[str] = []
    top = 10
    for panel in panels:
        body += _drawn(panel, top)
        top += _PLOT_HEIGHT + 70
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" role="img"'
    head += ' aria-label="How the cost of a call grows">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *body, "</svg>", ""])


def _panels(title: str, rows: dict[Load, list[Row]]) -> list[_Panel]:
    at_once = {load: float(load.at_once) for load in rows if not load.notes}
    sizes = {load: body_size(load) / 1000 for load in rows if load.notes}
    panels = [
        _Panel(f"{title}: CPU microseconds per call, by calls at once", "", _lines(rows, at_once)),
        _Panel(f"{title}, 16 at once: CPU microseconds per call, by the body's size", " kB", _lines(rows, sizes)),
    ]
    return [panel for panel in panels if any(len(points) > 1 for points in panel.lines.values())]


def _lines(rows: dict[Load, list[Row]], loads: dict[Load, float]) -> dict[str, list[_Point]]:
    lines: dict[str, list[_Point]] = {}
    for load, number in loads.items():
        for row in rows[load]:
            if row.cell is not None:
                lines.setdefault(row.label, []).append(_Point(number, row.cell.cpu))
    return lines


def _drawn(panel: _Panel, top: int) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    loads = sorted({point.load for point in points})
    least = math.floor(math.log10(min(point.cost for point in points)))
    most = math.ceil(math.log10(max(point.cost for point in points)))
    base = top + 24 + _PLOT_HEIGHT

    def across(load: float) -> float:
        share = math.log(load / loads[0]) / math.log(loads[-1] / loads[0])
        return _LEFT + share * _PLOT_WIDTH

    def up(cost: float) -> float:
        return base - (math.log10(cost) - least) / max(1, most - least) * _PLOT_HEIGHT

    drawn = [f'<text class="title" x="0" y="{top + 14}">{escape(panel.title)}</text>']
    for power in range(least, most + 1):
        y = up(10.0**power)
        drawn.append(f'<line class="axis" x1="{_LEFT}" x2="{_LEFT + _PLOT_WIDTH}" y1="{y:.0f}" y2="{y:.0f}"/>')
        drawn.append(f'<text x="{_LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{10**power:,}</text>')
    for load in loads:
        text = f"{load:,.3g}{panel.unit}" if load < 1000 else f"{load:,.0f}{panel.unit}"
        drawn.append(f'<text x="{across(load):.0f}" y="{base + 18}" text-anchor="middle">{text}</text>')
    ends = {label: up(line[-1].cost) for label, line in panel.lines.items()}
    labels = _apart(ends)
    for label, line in panel.lines.items():
        color = _COLORS.get(label, _OTHER_COLOR)
        path = " ".join(f"{across(point.load):.1f},{up(point.cost):.1f}" for point in line)
        dashes = ' stroke-dasharray="6 3"' if label == OURS else ""
        drawn.append(f'<polyline class="line" stroke="{color}"{dashes} points="{path}"/>')
        x = across(line[-1].load) + 8
        drawn.append(f'<text x="{x:.0f}" y="{labels[label] + 4:.0f}">{escape(label)}</text>')
    return drawn


def _apart(ends: dict[str, float]) -> dict[str, float]:
    """Move labels down where they would lie on each other."""
    placed: dict[str, float] = {}
    lowest = -math.inf
    for label, y in sorted(ends.items(), key=lambda end: end[1]):
        lowest = max(y, lowest + 15)
        placed[label] = lowest
    return placed
