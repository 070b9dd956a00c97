"""Writes what became of a list: a record for each row, a page with charts, and what is to be fixed."""

from __future__ import annotations

import csv
import heapq
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TextIO

from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_bulk.outputs import replaced
from smarterproctoring_bulk.page import Summary, Tally, page
from smarterproctoring_bulk.plan import Duplicate
from smarterproctoring_bulk.rows import Problem

__all__ = ["Summary", "write_html", "write_problems", "write_report"]

_COLUMNS = (
    "line",
    "state",
    "installSid",
    "examSid",
    "sessionSid",
    "status",
    "code",
    "message",
    "maybeApplied",
    "attempts",
    "replays",
    "perhaps",
    "seconds",
    "at",
    "job",
)
# Where a spreadsheet may take another delimiter than the comma, a cell begins after that one, too. The signs of full
# width are those of East Asian keyboards.
_SIGNS: Final = "=+-@\uff1d\uff0b\uff0d\uff20"
_INSIDE: Final = re.compile(rf"([;|\t\r\n] *)(?=[{re.escape(_SIGNS)}])")
_PROBLEM_COLUMNS = ("line", "column", "kind", "fix", "sessionSid")


def write_report(
    path: Path | str,
    outcomes: Iterable[Outcome],
    summary: Summary,
    format: Literal["csv", "jsonl"] = "csv",  # noqa: A002
    duplicates: Iterable[Duplicate] = (),
) -> None:
    """Write one record for each row of the list, in its order.

    A row that repeats an earlier one has the state `duplicate`, and names the line whose outcome is its own too.

    Args:
        path: Replaced whole, or not at all.
        outcomes: By line.
        summary: The job; each record names it.
        format: `csv` for spreadsheets, or `jsonl` for programs.
        duplicates: By line.

    Raises:
        OSError: The file cannot be written.
    """
    records = heapq.merge(
        map(_record, outcomes),
        map(_duplicate, duplicates),
        key=lambda record: record["line"],
    )
    records = (record | {"job": summary.job} for record in records)
    with replaced(Path(path), bom=format == "csv") as stream:
        if format == "jsonl":
            stream.writelines(
                json.dumps(record, ensure_ascii=False) + "\n" for record in records
            )
        else:
            _write_csv(stream, _COLUMNS, (record.values() for record in records))


def write_html(
    path: Path | str,
    outcomes: Iterable[Outcome],
    summary: Summary,
    report: str = "",
    failures: int = 200,
) -> None:
    """Write one HTML file with charts that needs no network.

    Args:
        path: Replaced whole, or not at all.
        outcomes: By line; only the first failures of many are listed.
        summary: The job.
        report: Path of the full report, relative to the page, to link to.
        failures: How many rows that are not `ok` are listed at most.

    Raises:
        OSError: The file cannot be written.
    """
    tally = Tally(failures)
    for outcome in outcomes:
        tally.add(outcome)
    with replaced(Path(path)) as stream:
        stream.write(page(tally, summary, report))


def write_problems(path: Path | str, problems: Iterable[Problem]) -> None:
    """Write what is wrong with a list as CSV: line, column, kind of what stands there, how to fix it, session SID.

    Raises:
        OSError: The file cannot be written.
    """
    with replaced(Path(path), bom=True) as stream:
        _write_csv(stream, _PROBLEM_COLUMNS, problems)


def _record(outcome: Outcome) -> dict[str, Any]:
    at = (
        datetime.fromtimestamp(outcome.at, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
    values = (
        outcome.line,
        outcome.state,
        *(sid or None for sid in outcome.sids),
        outcome.status,
        outcome.code,
        outcome.message,
        outcome.maybe_applied,
        outcome.attempts,
        outcome.replays,
        outcome.perhaps,
        round(outcome.elapsed, 3),
        at if outcome.at else None,
        None,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _duplicate(duplicate: Duplicate) -> dict[str, Any]:
    record = dict.fromkeys(_COLUMNS) | {"line": duplicate.line, "state": "duplicate"}
    return record | {
        "message": f"says what line {duplicate.first} says, whose outcome is its own"
    }


def _write_csv(
    stream: TextIO, columns: Iterable[str], records: Iterable[Iterable[Any]]
) -> None:
    writer = csv.writer(stream)
    writer.writerow(columns)
    writer.writerows([csv_cell(value) for value in record] for record in records)


def csv_cell(value: object) -> object:
    """Keep a spreadsheet from running a text that came from elsewhere as a formula."""
    if isinstance(value, str):
        text = value.lstrip()
        space = value[: len(value) - len(text)]
        mark = "'" if text.startswith(tuple(_SIGNS)) else ""
        return mark + space + _INSIDE.sub(r"\1'", text)
    return str(value).lower() if isinstance(value, bool) else value
