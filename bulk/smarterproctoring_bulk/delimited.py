"""Reads CSV and JSON Lines as records, with the line of each."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

from smarterproctoring_bulk.records import (
    HEADER_DEPTH,
    MAX_CELL,
    NAMELESS,
    InputError,
    Known,
    Record,
    Table,
    check_header,
    header_names,
    refuse_twins,
)

DELIMITERS: Final = ",;\t|"
BLOCK: Final = 64 * 1024
"""Bytes that are read of a list to find out how it is written."""
_BOMS: Final = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR: Final = re.compile(r'"?sep=(?P<delimiter>[^\r\n])"?[,;\t|]*(?:\r\n|\r|\n)')
"""Excel's own way to name the delimiter; saved again, it gets quotes or more delimiters."""
_BROKEN_QUOTES: Final = (
    "broken quoting",
    "close the quote, and write a quote inside a cell twice",
)
_CUT_OFF: Final = "the list ends in the middle of this row; write or copy it again"


class _Rows(Protocol):
    """What `csv.reader` returns."""

    @property
    def line_num(self) -> int: ...
    def __next__(self) -> list[str]: ...


def encoding_of(head: bytes, requested: str | None) -> str:
    """Return the encoding of a list, from its first bytes or from the option.

    Raises:
        InputError: There is no such encoding, or the bytes are not text.
    """
    marked = next((name for mark, name in _BOMS if head.startswith(mark)), None)
    if requested is None:
        if marked is None and b"\0" in head:
            order = "be" if head[:1] == b"\0" else "le"
            raise InputError(
                "the list has NUL bytes; if it is UTF-16, say so with "
                f"--encoding utf-16-{order}"
            )
        return marked or "utf-8"
    try:
        name = codecs.lookup(requested).name
        "".encode(name)  # refuses codecs that are not of text, such as base64
    except LookupError:
        raise InputError(
            f"there is no encoding {requested!r}; try utf-8, utf-16, cp1252 or latin-1"
        ) from None
    return "utf-8-sig" if name == "utf-8" else name


def decoded(head: bytes, encoding: str) -> str:
    """Return the text of the first bytes, without a byte order mark."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    return decoder.decode(head).removeprefix("\ufeff")


def text_lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines with their ends as they are, so that an editor counts the same ones.

    Raises:
        InputError: A line is not in this encoding, or too long.
    """
    number = 0
    try:
        with path.open(encoding=encoding, newline="") as stream:
            while line := stream.readline(MAX_CELL):
                number += 1
                if len(line) == MAX_CELL:
                    raise InputError(
                        f"line {number} has more than {MAX_CELL:,} characters; "
                        "is this a list?"
                    )
                yield line.removeprefix("\ufeff") if number == 1 else line
            return
    except UnicodeError:
        pass  # raised below, where no exception with bytes of the list hangs on it
    number = _undecodable(path, encoding)
    likely = "cp1252 (Windows) or latin-1" if encoding.startswith("utf-8") else "utf-8"
    raise InputError(
        f"line {number} is not {encoding}; save the list as UTF-8, "
        f"or say its --encoding; try {likely}"
    )


def _undecodable(path: Path, encoding: str) -> int:
    """Find the first line that cannot be decoded."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    last = ""
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(BLOCK):
                state = decoder.getstate()
                try:
                    text = decoder.decode(chunk)
                except UnicodeError:
                    decoder.setstate(state)
                    for position in range(len(chunk)):
                        text = decoder.decode(chunk[position : position + 1])
                        line += _ends(last + text) - _ends(last)
                        last = text[-1:] or last
                else:
                    line += _ends(last + text) - _ends(last)
                    last = text[-1:] or last
    except UnicodeError:
        pass
    return line


def _ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


# -- CSV --------------------------------------------------------------------------------------------------------------


def read_csv(
    lines: Iterator[str],
    head: str,
    delimiter: str | None,
    known: Known,
    *,
    ignore_nameless: bool,
) -> Table:
    """Read CSV.

    Args:
        lines: All lines.
        head: The first of them as one text.
        delimiter: By default the one with which the most columns are known.
        known: Whether a name is that of a column.
        ignore_nameless: Whether cells of columns without a name are ignored.

    Raises:
        InputError: It cannot be read; the records may raise it, too.
    """
    # Not for this list alone, but a lower limit takes a long cell for broken quoting.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))
    skipped = 0
    separator = _SEPARATOR.match(head)
    if separator is not None:
        next(lines)
        skipped = 1
        delimiter = delimiter or separator["delimiter"]
        head = head[separator.end() :]
    delimiter = delimiter or _best_delimiter(head, known)
    watched = _Watched(lines)
    try:
        reader = csv.reader(watched, delimiter=delimiter, strict=True)
    except (TypeError, ValueError):
        raise InputError(
            "the delimiter must be one character, and no quote or line end"
        ) from None
    header = _header(reader)
    line = reader.line_num + skipped
    later = _rows_below(head, delimiter, skipped, reader.line_num)
    check_header(line, header, later, known)
    names = [name for name in header if name]
    refuse_twins(names)
    records = _csv_records(reader, watched, header, skipped, ignore_nameless)
    return Table(tuple(names), records, line)


def _header(reader: _Rows) -> list[str]:
    header: list[str] = []
    try:
        while not "".join(header):
            header = header_names(next(reader))
    except StopIteration:
        raise InputError("the list has no line with the names of its columns") from None
    except csv.Error as error:
        raise InputError(
            f"the line with the names of the columns cannot be read: {error}"
        ) from None
    return header


def _rows_below(
    head: str, delimiter: str, skipped: int, line: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows below the first one, as far as they are in the head."""
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    while reader.line_num < line + HEADER_DEPTH:
        begin = reader.line_num + 1
        try:
            row = next(reader)
        except (StopIteration, csv.Error):
            return
        if begin > line:
            yield begin + skipped, header_names(row)


def _best_delimiter(head: str, known: Known) -> str:
    """Choose the delimiter by the columns that it gives.

    The most known columns in the first row count, then those in a row below it, then all
    columns of the first row.
    """

    def merit(delimiter: str) -> tuple[int, int, int]:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
        rows: list[list[str]] = []
        with contextlib.suppress(csv.Error):
            rows.extend(itertools.islice(filter("".join, reader), HEADER_DEPTH))
        if not rows:
            return (0, 0, 0)
        counts = [sum(map(known, header_names(row))) for row in rows]
        return (counts[0], max(counts), len(rows[0]))

    return max(DELIMITERS, key=merit)


class _Watched:
    """Lines of a list.

    Attributes:
        ended: Whether the last line was read.
        whole: Whether the line that was read last has an end.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self.ended = False
        self.whole = True
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.whole = line.endswith(("\n", "\r"))
            yield line
        self.ended = True


def _csv_records(
    reader: _Rows,
    lines: _Watched,
    header: list[str],
    skipped: int,
    ignore_nameless: bool,
) -> Iterator[Record]:
    while True:
        line = reader.line_num + skipped + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            last = reader.line_num + skipped
            # Nobody can say where a quote that spans lines should have ended, so nobody
            # can say what the rows are.
            if last > line or lines.ended:
                raise InputError(
                    f"a quoted cell that begins in the row at line {line} is not closed "
                    f"before line {last}; "
                    "close the quote, and write a quote inside a cell twice"
                ) from None
            yield Record(line, {}, _BROKEN_QUOTES)
            continue
        if "".join(row).strip():
            yield _csv_record(line, row, header, lines.whole, ignore_nameless)


def _csv_record(
    line: int, row: list[str], header: list[str], whole: bool, ignore_nameless: bool
) -> Record:
    width = len(header)
    if len(row) > width and "".join(row[width:]).strip():
        fix = f"the header has {width} columns; quote cells that hold the delimiter"
        return Record(line, {}, (f"a row of {len(row)} cells", fix))
    if len(row) < width and not whole:
        return Record(line, {}, (f"a row of {len(row)} cells", _CUT_OFF))
    # Excel leaves out the delimiters of empty cells at the end of a row.
    cells: dict[str, object] = dict(zip(header, row, strict=False))
    if "" in cells:
        nameless = [cell for name, cell in zip(header, row, strict=False) if not name]
        if "".join(nameless).strip() and not ignore_nameless:
            return Record(line, {}, NAMELESS)
        del cells[""]
    return Record(line, cells)


# -- JSON Lines -------------------------------------------------------------------------------------------------------


class _TwiceError(ValueError):
    """A name is twice in one object."""


def read_json_lines(lines: Iterable[str]) -> Iterator[Record]:
    """Read one JSON object of each line."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _json_record(number, line)


def _json_record(number: int, line: str) -> Record:
    each = "write one JSON object on each line"
    try:
        value: object = json.loads(line, object_pairs_hook=_once)
    except _TwiceError:
        return Record(number, {}, ("a column named twice", "name each column once"))
    except (ValueError, RecursionError):
        return Record(number, {}, ("not JSON", each))
    if isinstance(value, dict):
        if not all(map(_is_text, value)):
            fix = "write its name again: it has one half of a character (a lone surrogate)"
            return Record(number, {}, ("the name of a column that is not text", fix))
        return Record(number, value)
    return Record(number, {}, ("JSON, but not an object", each))


def _is_text(name: str) -> bool:
    """Tell whether a name can be written as UTF-8: JSON can hold one half of a character."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found
