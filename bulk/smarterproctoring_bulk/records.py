"""What a list is, whatever its format: records with the line of each, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

Format: TypeAlias = Literal["csv", "jsonl", "parquet", "xlsx", "ods"]
MAX_CELL: Final = 1024 * 1024
"""Characters of one cell, and of one line, at most."""
MAX_SHOWN: Final = 80
"""Characters of a name that a message shows at most."""
HEADER_DEPTH: Final = 20
"""Rows among which a header is looked for, if the first row is none."""

Known: TypeAlias = Callable[[str], bool]
"""Tells whether the name of a column is known."""


class InputError(ValueError):
    """The list as a whole, or an option of it, cannot be used; the message says how to fix it."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A cell whose value cannot be used.

    Attributes:
        kind: What it is, for instance `part of a merged cell`; never the value.
        fix: What to do about it: a sentence whose subject is the cell.
    """

    kind: str
    fix: str


class Record(NamedTuple):
    """One row as it is in the list.

    Attributes:
        line: Where it begins; 1 is the first line (of Parquet: the first row).
        cells: The values by column. Text, or what the other formats have beside it.
        broken: What is there and how to fix it, if it cannot be read.
    """

    line: int
    cells: dict[str, object]
    broken: tuple[str, str] | None = None


class Table(NamedTuple):
    """A list that is open.

    Attributes:
        columns: Their names; None if every record names its own.
        records: The rows that are not blank.
        header: The line of their names.
    """

    columns: tuple[str, ...] | None
    records: Iterator[Record]
    header: int = 1


@dataclass(frozen=True, slots=True)
class ListOptions:
    """How to read a list.

    Attributes:
        format: By default what the content says.
        encoding: Of text; by default what the byte order mark says, else UTF-8.
        delimiter: Of CSV; by default the one with which the most columns are known.
        sheet: Of a workbook; by default the only one that is visible and not empty.
        ignore_nameless: Whether cells of columns without a name are ignored.
    """

    format: Format | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    ignore_nameless: bool = False


NAMELESS: Final = (
    "a cell in a column without a name",
    "name its column in the header, or ignore such columns with --map =",
)
TOO_LONG: Final = Unusable(
    "a very long text",
    f"it has more than {MAX_CELL:,} characters, which is not a value for a session",
)


def header_names(cells: Iterable[object]) -> list[str]:
    """Return the cells of a header as names of columns, without white space around them."""
    return ["" if cell is None else str(cell).strip() for cell in cells]


def check_header(
    where: int, header: list[str], later: Iterable[tuple[int, list[str]]], known: Known
) -> None:
    """Refuse a first row that is not a header although a later one is.

    The message repeats no cell of the list.

    Args:
        where: The row's line.
        header: Its cells.
        later: The next rows, each with its line.
        known: Whether a name is that of a column.

    Raises:
        InputError: A later row is the header.
    """
    found = sum(map(known, header))
    if found >= 2:
        return
    for line, cells in later:
        if sum(map(known, cells)) >= 2:
            above = line - 1
            lines = "the line" if above == 1 else f"the {above} lines"
            raise InputError(
                f"line {where} is not a header, and line {line} looks like one: "
                f"delete {lines} above it"
            )


def refuse_twins(columns: Iterable[str]) -> None:
    """Refuse two columns of one name.

    Raises:
        InputError: There are two.
    """
    seen: set[str] = set()
    for name in columns:
        if name in seen:
            raise InputError(f"two columns are named {name[:MAX_SHOWN]!r}; rename one")
        seen.add(name)
