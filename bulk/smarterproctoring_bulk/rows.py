"""From the records of a list to checked rows: columns, times, shifts, and the client's own rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple


class InputError(ValueError):
    """The list as a whole, or an option of it, cannot be used; the message says how to mend it."""


class Row(NamedTuple):
    """One session to change.

    Attributes:
        line: Where the row begins in the list; 1 is the first line (of Parquet: the first row).
        sids: Install, exam and session.
        fields: What to change, by keyword of `reschedule`; times as `YYYY-MM-DDTHH:MM:SS.mmmZ`.
    """

    line: int
    sids: tuple[str, str, str]
    fields: dict[str, str]


class Problem(NamedTuple):
    """One thing wrong with one row.

    Attributes:
        line: Where the row begins, as in `Row`.
        column: The column as the list names it; empty if it is not about one.
        kind: What stands there, for instance `text of 12 characters`; never the value itself.
        mend: What is wrong, and how to mend it.
        session: The row's session SID, if that much is right.
    """

    line: int
    column: str
    kind: str
    mend: str
    session: str | None = None


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How to read a list. Columns are named by the API's or by the Python names.

    Attributes:
        map: The list's own column names, and what they mean; an empty meaning says: ignore this column.
        timezone: IANA name of the zone of all times that name none.
        timezone_column: The column that holds each row's zone.
        day_first: Whether 03/04/2030 is the 3rd of April (True) or the 4th of March (False); None refuses it.
        shift: What to add to every time of a row: `+2d`, `-90m`, `+1d12h`; days keep the hour on the clock.
        sets: Columns that get this value in every row, whatever the list says; `end` may be `start+2h`.
        common: Columns that the list leaves out or empty; a row that says another value is a problem.
        delimiter: One character; by default the one that finds the most known columns.
        encoding: A Python codec name; by default what the byte order mark says, else UTF-8.
        format: By default what the content says.
        unknown: Whether a column that means nothing here refuses the list or is ignored.
    """

    map: Mapping[str, str] = field(default_factory=dict[str, str])
    timezone: str | None = None
    timezone_column: str | None = None
    day_first: bool | None = None
    shift: str | None = None
    sets: Mapping[str, str] = field(default_factory=dict[str, str])
    common: Mapping[str, str] = field(default_factory=dict[str, str])
    delimiter: str | None = None
    encoding: str | None = None
    format: Literal["csv", "jsonl", "parquet"] | None = None
    unknown: Literal["refuse", "ignore"] = "refuse"


def read_rows(path: Path | str, options: InputOptions) -> Iterator[Row | Problem]:
    """Read a list, row by row, in the order of the list; memory does not grow with it.

    Args:
        path: CSV, JSON Lines or Parquet.
        options: How to read it.

    Yields:
        For each row that is not blank: the checked row, or all that is wrong with it.

    Raises:
        InputError: The list as a whole cannot be used.
    """
    raise NotImplementedError
    yield
