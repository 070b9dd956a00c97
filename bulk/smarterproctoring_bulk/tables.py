"""Reads CSV, JSON Lines and Parquet as records, with the line of each; knows nothing of what columns mean."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

Format: TypeAlias = Literal["csv", "jsonl", "parquet"]
DELIMITERS = ",;\t|"
MAX_LINE = 1024 * 1024
"""Characters of one line; more is no list, and would not fit in a flat memory."""
_HEAD = 64 * 1024
_BATCH = 2048
_BOMS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_LISTS = (
    (b"PK\x03\x04", "an Excel or OpenDocument workbook; save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save the sheet as CSV UTF-8"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"(\xb5/\xfd", "compressed with zstd; unpack it first"),
)


class InputError(ValueError):
    """The list as a whole, or an option of it, cannot be used; the message says how to mend it."""


class Record(NamedTuple):
    """One row as it stands in the list.

    Attributes:
        line: Where it begins; 1 is the first line (of Parquet: the first row).
        cells: The values by column. Text, or what JSON and Parquet have beside it.
        broken: What stands there and how to mend it, if it cannot be read.
    """

    line: int
    cells: dict[str, object]
    broken: tuple[str, str] | None = None


class Table(NamedTuple):
    """A list that is open.

    Attributes:
        columns: Their names; None if every record names its own.
        records: The rows that are not blank.
    """

    columns: tuple[str, ...] | None
    records: Iterator[Record]


def open_table(
    path: Path,
    kind: Format | None,
    encoding: str | None,
    delimiter: str | None,
    known: Callable[[str], bool],
) -> Table:
    """Open a list.

    Args:
        path: A regular file; it is read twice or more.
        kind: By default what the content says.
        encoding: By default what the byte order mark says, else UTF-8.
        delimiter: Of CSV; by default the one with which the most columns are `known`.
        known: Whether a column's name means something.

    Raises:
        InputError: It is no such list; the records may raise it too, where the list cannot be read any further.
    """
    if path.exists() and not path.is_file():
        raise InputError(
            f"{path.name} is not a regular file, and a list is read more than once; write it to a file"
        )
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}") from None
    if kind == "parquet" or (kind is None and head.startswith(b"PAR1")):
        return _parquet(path)
    for magic, what in _NO_LISTS:
        if head.startswith(magic):
            raise InputError(f"{path.name} is {what}")
    encoding = _encoding(head, encoding)
    text = (
        codecs.getincrementaldecoder(encoding)("replace")
        .decode(head)
        .removeprefix("\ufeff")
    )
    if not text.strip():
        raise InputError(f"{path.name} is empty")
    if kind is None and text.lstrip().startswith("["):
        raise InputError(
            f"{path.name} looks like a JSON array; write JSON Lines: one object on each line"
        )
    if kind == "jsonl" or (kind is None and text.lstrip().startswith("{")):
        return Table(None, _json_lines(_lines(path, encoding)))
    return _csv(_lines(path, encoding), text, delimiter, known)


def _encoding(head: bytes, asked: str | None) -> str:
    marked = next((name for mark, name in _BOMS if head.startswith(mark)), None)
    if asked is None:
        if marked is None and b"\0" in head:
            order = "be" if head[:1] == b"\0" else "le"
            raise InputError(
                f"the list has NUL bytes; if it is UTF-16, say so with --encoding utf-16-{order}"
            )
        return marked or "utf-8"
    try:
        name = codecs.lookup(asked).name
        "".encode(name)  # refuses codecs that are not of text, such as base64
    except LookupError:
        raise InputError(
            f"there is no encoding {asked!r}; try utf-8, utf-16, cp1252 or latin-1"
        ) from None
    return "utf-8-sig" if name == "utf-8" else name


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines with their ends as they are, so that an editor counts the same ones."""
    number = 0
    try:
        with path.open(encoding=encoding, newline="") as stream:
            while line := stream.readline(MAX_LINE):
                number += 1
                if len(line) == MAX_LINE:
                    raise InputError(
                        f"line {number} has more than {MAX_LINE:,} characters; is this a list?"
                    )
                yield line.removeprefix("\ufeff") if number == 1 else line
            return
    except UnicodeError:
        pass  # raised below, where no exception with bytes of the list hangs on it
    number = _undecodable(path, encoding)
    likely = "cp1252 (Windows) or latin-1" if encoding.startswith("utf-8") else "utf-8"
    raise InputError(
        f"line {number} is not {encoding}; save the list as UTF-8, or say its --encoding; try {likely}"
    )


def _undecodable(path: Path, encoding: str) -> int:
    """Find the first line that cannot be decoded."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, last = 1, ""
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_HEAD):
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


def _csv(
    lines: Iterator[str], head: str, delimiter: str | None, known: Callable[[str], bool]
) -> Table:
    skipped = 0
    if head.startswith("sep=") and head[5:6] in (
        "\r",
        "\n",
    ):  # Excel's own way to name the delimiter
        next(lines)
        delimiter, skipped = delimiter or head[4], 1
        head = head.split("\n", 1)[-1]
    delimiter = delimiter or _sniff(head, known)
    watched = _Watched(lines)
    try:
        reader = csv.reader(watched, delimiter=delimiter, strict=True)
    except (TypeError, ValueError):
        raise InputError(
            "the delimiter must be one character, and no quote or line end"
        ) from None
    header: list[str] = []
    try:
        while not "".join(header).strip():
            header = [name.strip() for name in next(reader)]
    except StopIteration:
        raise InputError("the list has no line with the names of its columns") from None
    except csv.Error as error:
        raise InputError(
            f"the line with the names of the columns cannot be read: {error}"
        ) from None
    _refuse_twins(name for name in header if name)
    return Table(
        tuple(name for name in header if name),
        _csv_records(reader, watched, header, skipped),
    )


def _sniff(head: str, known: Callable[[str], bool]) -> str:
    """Choose the delimiter that gives the most known columns, and of those the one that gives the most columns."""

    def merit(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
        try:
            header = next((row for row in reader if "".join(row).strip()), [])
        except csv.Error:
            return 0, 0
        return sum(known(name.strip()) for name in header), len(header)

    return max(DELIMITERS, key=merit)


class _Watched:
    """Lines of a list.

    Attributes:
        ended: Whether the last line was read.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self.ended = False
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        yield from self._lines
        self.ended = True


def _csv_records(
    reader: Any, lines: _Watched, header: list[str], skipped: int
) -> Iterator[Record]:
    width, named = len(header), all(header)
    while True:
        line = reader.line_num + skipped + 1
        try:
            row: list[str] = next(reader)
        except StopIteration:
            return
        except csv.Error:
            last = reader.line_num + skipped
            # Nobody can say where a quote that spans lines should have ended, so nobody can say what the rows are.
            if last > line or lines.ended:
                raise InputError(
                    f"a quoted cell that begins in the row at line {line} is not closed before line {last}; "
                    "close the quote, and write a quote inside a cell twice"
                ) from None
            yield Record(
                line,
                {},
                (
                    "broken quoting",
                    "close the quote, and write a quote inside a cell twice",
                ),
            )
            continue
        if not "".join(row).strip():
            continue
        if len(row) != width and (len(row) < width or "".join(row[width:]).strip()):
            mend = f"the header has {width} columns; quote cells that hold the delimiter, and write empty cells too"
            yield Record(line, {}, (f"a row of {len(row)} cells", mend))
            continue
        if not named and any(
            cell.strip() for name, cell in zip(header, row, strict=False) if not name
        ):
            yield Record(
                line,
                {},
                ("a cell under no name", "give its column a name, or empty it"),
            )
            continue
        cells: dict[str, object] = dict(zip(header, row, strict=False))
        cells.pop("", None)
        yield Record(line, cells)


def _json_lines(lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value: object = json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            twin = isinstance(error, InputError)
            mend = (
                "name each column once"
                if twin
                else "write one JSON object on each line"
            )
            yield Record(
                number, {}, ("a column named twice" if twin else "no JSON", mend)
            )
            continue
        if isinstance(value, dict):
            yield Record(number, value)
        else:
            yield Record(
                number,
                {},
                ("JSON, but no object", "write one JSON object on each line"),
            )


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError("a name stands twice")
    return found


def _parquet(path: Path) -> Table:
    try:
        from arro3.io import read_parquet  # noqa: PLC0415 - 30 MB that only Parquet needs
    except ImportError:
        raise InputError(
            "Parquet needs a reader; install it with: "
            "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[bulk]'"
        ) from None
    _check_footer(path)
    try:
        batches = read_parquet(path, batch_size=_BATCH)
        columns = tuple(batches.schema.names)
    except BaseException as error:  # noqa: BLE001 - raised again
        raise _parquet_error(error) from None
    _refuse_twins(columns)
    return Table(columns, _parquet_records(batches, columns))


def _parquet_records(
    batches: Iterable[Any], columns: tuple[str, ...]
) -> Iterator[Record]:
    line = 0
    iterator = iter(batches)
    while True:
        try:
            batch = next(iterator, None)
            values = (
                [batch.column(index).to_pylist() for index in range(len(columns))]
                if batch is not None
                else []
            )
        except BaseException as error:  # noqa: BLE001 - raised again
            raise _parquet_error(error) from None
        if batch is None:
            return
        for row in zip(*values, strict=True):
            line += 1
            if any(value is not None and value != "" for value in row):
                yield Record(line, dict(zip(columns, row, strict=True)))


def _check_footer(path: Path) -> None:
    """Find a file that was cut off; the reader would panic on it."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(max(0, size - 8))
        tail = stream.read()
    if (
        size < 12
        or tail[4:] != b"PAR1"
        or int.from_bytes(tail[:4], "little") > size - 12
    ):
        raise InputError(
            f"{path.name} is no whole Parquet file; write or copy it again"
        )


def _parquet_error(error: BaseException) -> BaseException:
    # A panic of the reader's Rust code is no Exception.
    if isinstance(error, Exception) or type(error).__name__ == "PanicException":
        return InputError(
            "the Parquet file is damaged or of an unknown kind; write it again"
        )
    return error


def _refuse_twins(columns: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in columns:
        if name in seen:
            raise InputError(f"two columns are named {name!r}; rename one")
        seen.add(name)


def signature(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is written or replaced."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino
