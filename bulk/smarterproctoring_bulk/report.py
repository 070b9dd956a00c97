"""What became of a list, for people and for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_bulk.plan import Duplicate
from smarterproctoring_bulk.rows import Problem


@dataclass(frozen=True, slots=True)
class Summary:
    """What a report says about the job as a whole.

    Attributes:
        job: Name of the job.
        source: Name of the list.
        rows: Rows of the list that are not blank.
        started: When the first run began, in seconds since 1970; None if it has not.
        finished: When the last row was settled; None if the job is still open.
        rate: The limit, in requests per second; None for none.
        facts: More for the head of the report, as (name, text), shown as they are.
    """

    job: str
    source: str = ""
    rows: int = 0
    started: float | None = None
    finished: float | None = None
    rate: float | None = None
    facts: tuple[tuple[str, str], ...] = field(default=())


def write_report(
    path: Path | str,
    outcomes: Iterable[Outcome],
    summary: Summary,
    format: Literal["csv", "jsonl"] = "csv",
    duplicates: Iterable[Duplicate] = (),
) -> None:
    """Write one record for each row of the list, in its order.

    Args:
        path: Replaced whole, or not at all.
        outcomes: In any order that is by line.
        summary: The job.
        format: `csv` or `jsonl`.
        duplicates: Rows that repeat an earlier one, by line; they are reported with that row's outcome.
    """
    raise NotImplementedError


def write_html(
    path: Path | str, outcomes: Iterable[Outcome], summary: Summary, report: str = "", failures: int = 200
) -> None:
    """Write one self-contained HTML file with charts.

    Args:
        path: Replaced whole, or not at all.
        outcomes: In any order.
        summary: The job.
        report: Where the full report is, to link to.
        failures: At most so many rows that are not `ok` are listed.
    """
    raise NotImplementedError


def write_problems(path: Path | str, problems: Iterable[Problem]) -> None:
    """Write what is wrong with a list as CSV: line, column, what stands there, how to mend it."""
    raise NotImplementedError
