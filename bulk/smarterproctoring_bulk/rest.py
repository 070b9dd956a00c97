"""Writes the rows of a list that are not done yet as a list, to be corrected and run."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TextIO

from smarterproctoring_bulk import delimited
from smarterproctoring_bulk.outputs import replaced
from smarterproctoring_bulk.records import Record, Unusable
from smarterproctoring_bulk.rows import InputOptions, Reader
from smarterproctoring_bulk.tables import format_of, head_of

_REFUSED: Final = "#VALUE!"
"""What is written for a cell that cannot be used: the list that is written refuses it, too."""


class _Lines:
    """Tells for one line after the other whether it is among those of a sorted sequence."""

    def __init__(self, lines: Iterable[int]) -> None:
        self._lines = iter(lines)
        self._next = next(self._lines, 0)

    def have(self, line: int) -> bool:
        while 0 < self._next < line:
            self._next = next(self._lines, 0)
        return self._next == line


def write_rest(
    path: Path, source: Path, options: InputOptions, done: Iterable[int]
) -> int:
    """Write the rows of a list that are not done.

    A list of text keeps its format, its encoding and every character of its rows. Of a workbook or a Parquet file the
    rows are written as CSV; rows that are hidden in a sheet are left out.

    Args:
        path: Replaced whole, or not at all.
        source: The list.
        options: How to read it.
        done: The lines of the rows that are done, sorted.

    Returns:
        How many rows were written.

    Raises:
        OSError: The file cannot be written.
        InputError: The list cannot be read any more.
    """
    reader = Reader(options)
    table = reader.open(source)
    done_lines = _Lines(done)
    head = head_of(source)
    if format_of(source, head, options.list_options) in ("csv", "jsonl"):
        encoding = delimited.encoding_of(head, options.encoding)
        lines = delimited.text_lines(source, encoding)
        marked = head.startswith(codecs.BOM_UTF8)
        written = "utf-8" if encoding == "utf-8-sig" and not marked else encoding
        with replaced(path, encoding=written) as stream:
            return _copy_lines(stream, lines, table.records, done_lines)
    left = (record for record in table.records if not done_lines.have(record.line))
    columns = table.columns or ()
    with replaced(path, bom=True) as stream:
        return _write_csv(stream, columns, reader.columns, left)


def _copy_lines(
    stream: TextIO, lines: Iterator[str], records: Iterator[Record], done: _Lines
) -> int:
    """Copy what is above the rows, and the lines of each row that is not done."""
    count = 0
    kept = True
    record = next(records, None)
    for number, line in enumerate(lines, 1):
        if record is not None and record.line == number:
            kept = not done.have(number)
            count += kept
            record = next(records, None)
        if kept:
            stream.write(line)
    return count


def _write_csv(
    stream: TextIO,
    columns: tuple[str, ...],
    meanings: Mapping[str, str],
    records: Iterable[Record],
) -> int:
    count = 0
    writer = csv.writer(stream)
    writer.writerow(columns)
    for record in records:
        if record.cells:
            cells = record.cells
            writer.writerow(
                [_text(cells.get(name), bool(meanings.get(name))) for name in columns]
            )
            count += 1
    return count


def _text(value: object, used: bool) -> str:
    """Return what the reader takes for the same value, or refuses as it refused this one.

    Args:
        value: The value of a cell.
        used: Whether its column means something.
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    if isinstance(value, Unusable) or used:
        return _REFUSED
    return str(value)
