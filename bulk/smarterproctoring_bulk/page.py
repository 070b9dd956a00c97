"""The page with charts: counts that do not grow with the list, and HTML that needs nothing from elsewhere."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import quote

from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.outcomes import STATES, Outcome, State

_WIDTHS: Final = (1, 2, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 86400)
"""Seconds of a bin; each divides the next."""
_MAX_BINS: Final = 160
_MAX_ATTEMPTS: Final = 6
_MAX_REASONS: Final = 1000
_SHOWN_REASONS: Final = 12
_MAX_MESSAGE: Final = 400
_PER_DECADE: Final = 60
"""Steps of one decade of seconds: each is 4 % longer than the one before."""
_LOWEST: Final = -3
"""The decade of the first step: a millisecond."""
_HIGHEST: Final = 539
"""The last step."""
_BAR_STEPS: Final = 6
"""Steps of one bar."""
_AS_LISTED: Final = ("ok", "done")
"""What is said of rows whose sessions were moved, by this job or by an earlier one."""
_MEANINGS: Final[dict[State, str]] = {
    "ok": "the session was moved",
    "done": "not sent: an earlier job applied the same change",
    "rejected": "the API refused it; see the reasons",
    "conflict": "not sent: the list says two things about the session",
    "invalid": "not sent: the row is wrong",
    "superseded": "not sent, or no more: another job changed the session",
    "gave_up": "no answer that settles it",
    "open": "not settled yet: the job is not finished",
}


@dataclass(frozen=True, slots=True)
class Summary:
    """What a report says about the job as a whole.

    Attributes:
        job: Name of the job.
        source: Name of the list.
        rows: Rows of the list that are not blank; None if not known.
        duplicates: How many of those repeat an earlier one.
        started: When the first run began, in seconds since 1970; None if it has not.
        finished: When the last row was settled; None if the job is still open.
        rate: The limit, in requests per second; None for none.
        facts: More for the head of the page, as name and text.
    """

    job: str
    source: str = ""
    rows: int | None = None
    duplicates: int = 0
    started: float | None = None
    finished: float | None = None
    rate: float | None = None
    facts: tuple[tuple[str, str], ...] = field(default=())


class Tally:
    """What the page shows of any number of outcomes, in a size that does not grow with it.

    Args:
        failures: How many rows that are not `ok` are kept.
    """

    def __init__(self, failures: int) -> None:
        self.states: Counter[State] = Counter()
        self.attempts: Counter[int] = Counter()
        self.reasons: Counter[tuple[State, int | None, str]] = Counter()
        self.maybe_applied = self.replays = self.retries = 0
        self.slowest = 0.0
        self.first = self.last = 0
        """The seconds since 1970 in which the first and the last sent row were settled."""
        self.width = _WIDTHS[0]
        """Seconds of one bin of `times`."""
        self.times: Counter[tuple[int, bool]] = Counter()
        """Sent rows by bin since 1970, and by whether they are `ok`."""
        self.steps: Counter[int] = Counter()
        """Sent rows by the logarithm of their seconds."""
        self._limit = failures
        self._unsure: list[Outcome] = []
        self._failures: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.states[outcome.state] += 1
        if outcome.state not in _AS_LISTED:
            reason = (outcome.state, outcome.status, outcome.code or "")
            if len(self.reasons) >= _MAX_REASONS:
                reason = (outcome.state, None, "others")
            self.reasons[reason] += 1
            kept = self._unsure if outcome.maybe_applied else self._failures
            if len(kept) < self._limit:
                kept.append(outcome)
            self.maybe_applied += outcome.maybe_applied
        if outcome.attempts:
            self._add_sent(outcome)

    def _add_sent(self, outcome: Outcome) -> None:
        self.retries += outcome.attempts - 1
        self.replays += outcome.replays
        self.attempts[min(outcome.attempts, _MAX_ATTEMPTS)] += 1
        self.slowest = max(self.slowest, outcome.elapsed)
        step = math.floor(
            (math.log10(max(outcome.elapsed, 1e-9)) - _LOWEST) * _PER_DECADE
        )
        self.steps[min(max(step, 0), _HIGHEST)] += 1
        second = int(outcome.at)
        self.first = min(self.first or second, second)
        self.last = max(self.last, second)
        while self.last // self.width - self.first // self.width >= _MAX_BINS:
            wider = next(
                (width for width in _WIDTHS if width > self.width), self.width * 2
            )
            merged: Counter[tuple[int, bool]] = Counter()
            for (place, is_ok), count in self.times.items():
                merged[place * self.width // wider, is_ok] += count
            self.width = wider
            self.times = merged
        self.times[second // self.width, outcome.state == "ok"] += 1

    @property
    def total(self) -> int:
        """Return how many outcomes there are."""
        return sum(self.states.values())

    @property
    def failures(self) -> list[Outcome]:
        """Return the rows that are listed: first those that may have been applied."""
        return (self._unsure + self._failures)[: self._limit]

    def percentile(self, share: float) -> float:
        """Return the seconds within which this share of the sent rows was settled, to 2 %."""
        wanted = share * sum(self.steps.values())
        for step in sorted(self.steps):
            wanted -= self.steps[step]
            if wanted <= 0:
                return float(
                    min(10 ** ((step + 0.5) / _PER_DECADE + _LOWEST), self.slowest)
                )
        return self.slowest


def page(tally: Tally, summary: Summary, report: str = "") -> str:
    """Return the page.

    Args:
        tally: What to show.
        summary: The job.
        report: Path of the full report, relative to the page, to link to.
    """
    moved = tally.states["ok"]
    title = f"{moved:,} of {counted(tally.total, 'session')} moved"
    sections = [
        _head(summary, title),
        _notices(tally, summary, report),
        _outcomes(tally),
    ]
    if tally.attempts:
        sections += [_throughput(tally, summary), _latency(tally), _retries(tally)]
    if tally.reasons:
        sections += [_reasons(tally), _failures(tally, report)]
    return _PAGE.format(title=escape(title), style=_STYLE, body="\n".join(sections))


def _head(summary: Summary, title: str) -> str:
    facts = [("Job", summary.job), ("List", summary.source)]
    if summary.rows is not None:
        repeated = (
            f", {summary.duplicates:,} of them repeated" if summary.duplicates else ""
        )
        facts.append(("Rows", f"{summary.rows:,}{repeated}"))
    if summary.started is not None:
        facts.append(("Started", _when(summary.started)))
        end = "still open" if summary.finished is None else _when(summary.finished)
        facts.append(("Finished", end))
        if summary.finished is not None:
            facts.append(("Took", _duration(summary.finished - summary.started)))
    if summary.rate is not None:
        facts.append(("Limit", f"{summary.rate:g} requests/s"))
    shown = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"
        for name, text in (*facts, *summary.facts)
        if text
    )
    return f"<header><h1>{escape(title)}</h1><dl>{shown}</dl></header>"


def _notices(tally: Tally, summary: Summary, report: str) -> str:
    said: list[str] = []
    unsure = tally.maybe_applied
    if unsure:
        said.append(
            f"<p class='notice'><b>{counted(unsure, 'session')} may have been moved without a "
            "confirmation.</b> Look there first; the list below begins with it.</p>"
        )
    gave_up = tally.states["gave_up"]
    if gave_up:
        said.append(
            f"<p class='notice'>{counted(gave_up, 'row')} could not be settled. "
            "The same command tries them again.</p>"
        )
    rest = 0
    if summary.rows is not None and summary.finished is None:
        rest = summary.rows - summary.duplicates - tally.total
    if rest > 0:
        said.append(f"<p class='notice'>{counted(rest, 'row')} not settled yet.</p>")
    if report:
        said.append(f"<p>An outcome for every row: {_link(report)}</p>")
    return "".join(said)


def _outcomes(tally: Tally) -> str:
    total = max(1, tally.total)
    states: list[State] = [state for state in STATES if tally.states[state]]
    parts = "".join(
        f"<i class='{state}' style='flex:{tally.states[state]}' title='{tally.states[state]:,} {_name(state)}'></i>"
        for state in states
    )
    lines = "".join(
        f"<tr><td><i class='key {state}'></i>{_name(state)}</td><td class='n'>{tally.states[state]:,}</td>"
        f"<td class='n'>{_share(tally.states[state] / total)}</td><td class='wide'>{_MEANINGS[state]}</td></tr>"
        for state in states
    )
    return (
        f"<section><h2>Outcomes</h2><div class='stack'>{parts}</div>"
        f"<table class='outcomes'>{lines}</table></section>"
    )


def _throughput(tally: Tally, summary: Summary) -> str:
    first = tally.first // tally.width
    last = tally.last // tally.width
    bins = [
        (tally.times[place, True], tally.times[place, False])
        for place in range(first, last + 1)
    ]
    top = max(good + bad for good, bad in bins) / tally.width
    limit = (
        summary.rate if summary.rate is not None and top / 4 < summary.rate else None
    )
    scale = _nice(max(top, limit or 0.0))
    shapes: list[str] = []
    for place, (good, bad) in enumerate(bins):
        tall, short = (100 * count / tally.width / scale for count in (good, bad))
        tip = f"{_when((first + place) * tally.width)}: {(good + bad) / tally.width:,.1f} rows/s"
        shapes.append(
            f"<g><title>{tip}</title>"
            f"<rect class='ok' x='{place}.05' y='{100 - tall:.2f}' width='.9' height='{tall:.2f}'/>"
            f"<rect class='other' x='{place}.05' y='{100 - tall - short:.2f}' width='.9' height='{short:.2f}'/></g>"
        )
    note = ""
    if limit is not None:
        height = 100 - 100 * limit / scale
        shapes.append(
            f"<line class='limit' x1='0' x2='{len(bins)}' y1='{height:.2f}' y2='{height:.2f}'/>"
        )
        note = f"<span class='legend'><i class='key limit'></i>limit of {limit:g} requests/s</span>"
    seconds = max(1, tally.last - tally.first + 1)
    sent = sum(tally.attempts.values())
    ends = _spread([_clock(first * tally.width), _clock((last + 1) * tally.width)])
    label = f"Rows settled per second, from {_when(tally.first)} to {_when(tally.last)}"
    per_bar = _duration(tally.width)
    return (
        f"<section><h2>Throughput</h2><p>{sent / seconds:,.1f} rows/s on average; "
        f"each bar is {per_bar}, times are in UTC.</p>"
        f"{_chart(shapes, len(bins), scale, label)}{ends}"
        f"<p><span class='legend'><i class='key ok'></i>moved</span>"
        f"<span class='legend'><i class='key other'></i>not moved</span>{note}</p></section>"
    )


def _latency(tally: Tally) -> str:
    per_decade = _PER_DECADE // _BAR_STEPS
    lowest = min(tally.steps) // _BAR_STEPS
    highest = max(tally.steps) // _BAR_STEPS
    low = lowest // per_decade * per_decade
    high = (highest // per_decade + 1) * per_decade
    bars = [
        sum(
            tally.steps[step]
            for step in range(place * _BAR_STEPS, (place + 1) * _BAR_STEPS)
        )
        for place in range(low, high)
    ]
    scale = _nice(max(bars))
    shapes: list[str] = []
    for place, count in enumerate(bars):
        start, end = (
            10 ** ((low + edge) / per_decade + _LOWEST) for edge in (place, place + 1)
        )
        height = 100 * count / scale
        shapes.append(
            f"<g><title>{_seconds(start)} to {_seconds(end)}: {counted(count, 'row')}</title>"
            f"<rect class='bar' x='{place}.05' y='{100 - height:.2f}' width='.9' height='{height:.2f}'/></g>"
        )
    decades = range(low // per_decade, high // per_decade + 1)
    shares = {"half within": 0.5, "90 % within": 0.9, "99 % within": 0.99}
    said = [
        f"{name} {_seconds(tally.percentile(share))}" for name, share in shares.items()
    ]
    said.append(f"slowest {_seconds(tally.slowest)}")
    return (
        f"<section><h2>Time per row</h2><p>Retries and waits included: {', '.join(said)}."
        f"</p>{_chart(shapes, len(bars), scale, 'Rows by the time that each took')}"
        f"{_spread([_seconds(10.0 ** (decade + _LOWEST)) for decade in decades])}</section>"
    )


def _retries(tally: Tally) -> str:
    most = max(tally.attempts.values())
    lines = "".join(
        f"<tr><td>{attempts}{' or more' if attempts == _MAX_ATTEMPTS else ''}</td>"
        f"<td class='n'>{tally.attempts[attempts]:,}</td>"
        f"<td class='wide'>{_strip(tally.attempts[attempts] / most)}</td></tr>"
        for attempts in range(1, max(tally.attempts) + 1)
    )
    replays = (
        f", {tally.replays:,} of them after an attempt that may have been applied"
        if tally.replays
        else ""
    )
    return (
        f"<section><h2>Retries</h2><p>{counted(tally.retries, 'retry', 'retries')}{replays}.</p>"
        f"<table class='strips'><tr><th>Attempts</th><th class='n'>Rows</th><th></th></tr>{lines}</table></section>"
    )


def _reasons(tally: Tally) -> str:
    found = tally.reasons.most_common(_SHOWN_REASONS)
    lines = "".join(
        f"<tr><td><i class='key {state}'></i>{_name(state)}</td><td>{'' if status is None else status}</td>"
        f"<td>{escape(code)}</td><td class='n'>{count:,}</td></tr>"
        for (state, status, code), count in found
    )
    rest = len(tally.reasons) - len(found)
    more = f"<p>… and {counted(rest, 'rarer one')}.</p>" if rest > 0 else ""
    return (
        "<section><h2>Reasons</h2><table><tr><th>Outcome</th><th>Status</th><th>Code</th><th class='n'>Rows</th></tr>"
        f"{lines}</table>{more}</section>"
    )


def _failures(tally: Tally, report: str) -> str:
    lines: list[str] = []
    for outcome in tally.failures:
        what = _name(outcome.state) + (
            ", may be applied" if outcome.maybe_applied else ""
        )
        answer = " ".join(str(part) for part in (outcome.status, outcome.code) if part)
        cells = {
            "Line": f"{outcome.line:,}",
            "Session": outcome.sids[2],
            "Outcome": what,
            "Answer": answer,
            "Message": (outcome.message or "")[:_MAX_MESSAGE],
        }
        lines.append(
            "<tr>"
            + "".join(
                f"<td data-name='{name}'>{escape(text)}</td>"
                for name, text in cells.items()
                if text or name
            )
            + "</tr>"
        )
    total = tally.total - sum(tally.states[state] for state in _AS_LISTED)
    where = f"{_link(report)}" if report else "the full report"
    more = (
        f"<p>{len(lines):,} of {total:,} are shown; all are in {where}.</p>"
        if total > len(lines)
        else ""
    )
    return (
        f"<section><h2>Rows that were not moved</h2>{more}<table class='rows'><thead><tr><th>Line</th><th>Session</th>"
        f"<th>Outcome</th><th>Answer</th><th>Message</th></tr></thead><tbody>{''.join(lines)}</tbody></table></section>"
    )


def _link(path: str) -> str:
    return f"<a href='{quote(path)}'>{escape(path)}</a>"


def _strip(share: float) -> str:
    return f"<i class='strip' style='width:{100 * share:.2f}%'></i>" if share else ""


def _chart(shapes: Iterable[str], width: int, scale: float, label: str) -> str:
    """Draw shapes on a field of `width` by 100, with a scale beside it; text stays outside, where it keeps its size."""
    grid = "".join(
        f"<line class='grid' x1='0' x2='{width}' y1='{y}' y2='{y}'/>"
        for y in (0, 50, 100)
    )
    return (
        f"<div class='chart'><div class='scale'><span>{scale:,g}</span><span>{scale / 2:,g}</span><span>0</span></div>"
        f"<svg viewBox='0 0 {width} 100' preserveAspectRatio='none' role='img' aria-label='{escape(label)}'>"
        f"{grid}{''.join(shapes)}</svg></div>"
    )


def _spread(labels: list[str]) -> str:
    """Write labels below a chart, the first at its left edge and the last at its right one."""
    places = (100 * place / max(1, len(labels) - 1) for place in range(len(labels)))
    spans = "".join(
        f"<span style='left:{left:.4g}%'>{label}</span>"
        for left, label in zip(places, labels, strict=True)
    )
    return f"<div class='axis'>{spans}</div>"


def _nice(value: float) -> float:
    """Round up to a few digits that read well."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(
        step * power
        for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
        if step * power >= value * 0.999999
    )


def _name(state: State) -> str:
    return state.replace("_", " ")


def _share(share: float) -> str:
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{share * 100:.3g} %"


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d %b %H:%M:%S")


def _seconds(seconds: float) -> str:
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 600:
        return f"{seconds:.3g} s"
    return _duration(seconds)


def _duration(seconds: float) -> str:
    rest = round(seconds)
    if rest < 1:
        return f"{seconds:.1f} s"
    parts: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {name}")
    return " ".join(parts[:2])


_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b646e; --line: #d9dee3; --paper: #fff; --tile: #f4f6f8;
  --ok: #0a7f5a; --rejected: #c2410c; --conflict: #a21caf; --invalid: #b7791f; --gave_up: #475569;
  --done: #5b9a86; --superseded: #7c5cbf; --open: #a8b0b8; --bar: #2563a8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa4af; --line: #353c44; --paper: #15181b;
  --tile: #1f2429; --ok: #34b58a; --rejected: #f0793f; --conflict: #d774e2; --invalid: #e0b04a; --gave_up: #94a3b8;
  --done: #6fa896; --superseded: #a58ae0; --open: #5d666f;
  --bar: #6aa5e3; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
p { margin: .4rem 0; color: var(--soft); }
a { color: var(--bar); overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0 0 1rem; }
dl div { background: var(--tile); border-radius: .4rem; padding: .35rem .7rem; min-width: 0; }
dt { font-size: .8rem; color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.notice { background: var(--tile); border-left: .25rem solid var(--rejected); padding: .5rem .8rem; color: var(--ink); }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
th { text-align: left; font-weight: 600; font-size: .85rem; color: var(--soft); }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:first-child { white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.wide { width: 55%; color: var(--soft); }
.stack { display: flex; height: 1.6rem; border-radius: .3rem; overflow: hidden; margin: .6rem 0; }
.stack i { min-width: 3px; }
.key { display: inline-block; width: .75em; height: .75em; border-radius: .15em; margin-right: .5em; }
.legend { margin-right: 1.2em; white-space: nowrap; font-size: .9rem; }
i.ok { background: var(--ok); } i.rejected, i.other { background: var(--rejected); }
i.conflict { background: var(--conflict); } i.invalid { background: var(--invalid); }
i.gave_up { background: var(--gave_up); } i.done { background: var(--done); }
i.superseded { background: var(--superseded); } i.open { background: var(--open); }
i.limit { background: var(--ink); height: 2px; width: 1.2em; margin-bottom: .25em; }
.chart { display: flex; height: 10rem; gap: .4rem; margin-top: .6rem; }
.scale { display: flex; flex-direction: column; justify-content: space-between; text-align: right; width: 3.2rem;
  flex: none; font-size: .75rem; line-height: 1; color: var(--soft); margin: -.35rem 0; }
svg { flex: 1; min-width: 0; height: 100%; display: block; overflow: visible; }
svg .ok { fill: var(--ok); } svg .other { fill: var(--rejected); } svg .bar { fill: var(--bar); }
svg line { vector-effect: non-scaling-stroke; }
svg .grid { stroke: var(--line); } svg .limit { stroke: var(--ink); stroke-dasharray: 5 4; stroke-width: 1.5; }
.axis { position: relative; height: 1.2rem; margin: .3rem 0 .6rem 3.6rem; font-size: .75rem; color: var(--soft); }
.axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.axis span:first-child { transform: none; } .axis span:last-child { transform: translateX(-100%); }
.strips .wide { vertical-align: middle; }
.strip { display: block; height: .8rem; min-width: 2px; border-radius: .15rem; background: var(--bar); }
.rows td:nth-child(2) { font-family: ui-monospace, "Liberation Mono", monospace; font-size: .75rem; min-width: 18rem; }
.rows td { overflow-wrap: anywhere; } .rows td:nth-child(5) { min-width: 14rem; }
.rows td:nth-child(4) { min-width: 4rem; }
@media (max-width: 40rem) {
  h1 { font-size: 1.4rem; }
  .outcomes td.n + td.n, .rows thead { display: none; }
  .rows tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .rows td { display: flex; gap: .6rem; border: 0; padding: .1rem 0; min-width: 0 !important; }
  .rows td:empty { display: none; }
  .rows td::before { content: attr(data-name); flex: 0 0 4.8rem; color: var(--soft);
    font: .8rem/1.9 system-ui, sans-serif; }
}
@media print { section { break-inside: avoid; } }
"""

# The policy lets nothing in, so that the page is the same with and without a network, whatever a message holds.
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
