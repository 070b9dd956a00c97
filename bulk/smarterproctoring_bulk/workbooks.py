"""Reads a sheet of an .xlsx or .ods workbook as records.

python-calamine gives the values. What it gives as an empty cell although it is not (an error, a formula that was never
computed, a part of a merged cell), and rows that nobody sees, are found by `sheet_marks`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final, Literal, TypeAlias

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
    load_workbook,
)

from smarterproctoring_bulk.records import (
    HEADER_DEPTH,
    MAX_CELL,
    MAX_SHOWN,
    NAMELESS,
    TOO_LONG,
    InputError,
    Known,
    Record,
    Table,
    Unusable,
    check_header,
    header_names,
    refuse_twins,
)
from smarterproctoring_bulk.sheet_marks import MERGED, Marks, ods_marks, xlsx_marks

MAGIC: Final = b"PK\x03\x04"
_Kind: TypeAlias = Literal["xlsx", "ods"]
MAX_UNPACKED: Final = 1024**3
"""Bytes of a workbook's parts at most; a million rows of six columns are about a third."""
MAX_CELLS: Final = 32 * 1024**2
"""Cells of a sheet at most, the empty ones up to the last row and column included: they take a GiB of memory."""
_HIDDEN: Final = (
    "a hidden row",
    "show it (a filter may hide it) to move its session, or delete it",
)


def read(
    path: Path, sheet: str | None, known: Known, *, ignore_nameless: bool
) -> Table:
    """Read a sheet.

    Args:
        path: The workbook.
        sheet: Its name; by default the only one that is visible and not empty.
        known: Whether a name is that of a column.
        ignore_nameless: Whether cells of columns without a name are ignored.

    Raises:
        InputError: It cannot be read; the message says how to fix it.
    """
    sheets = _marks(path)
    try:
        with load_workbook(path) as book:
            found = _chosen(path, book, sheet)
    except (CalamineError, OSError):
        raise _damaged(path) from None
    marks = sheets.get(found.name)
    if marks is None:
        raise _damaged(path)
    rows = _rows(found)
    line, header = next(
        (
            (number, header_names(cells))
            for number, cells in rows
            if any(map(_filled, cells))
        ),
        (0, []),
    )
    if not header:
        raise InputError(f"the sheet {_shown(found.name)} is empty")
    later = (
        (number, header_names(cells))
        for number, cells in _rows(found)
        if line < number <= line + HEADER_DEPTH
    )
    check_header(line, header, later, known)
    names = [name for name in header if name]
    refuse_twins(names)
    merged = _merged(found)
    records = _records(rows, header, marks, merged, ignore_nameless)
    return Table(tuple(names), records, line)


def _damaged(path: Path) -> InputError:
    return InputError(
        f"{path.name} is a damaged workbook; open it in the spreadsheet program, and "
        "save it again"
    )


def _kind(path: Path) -> _Kind:
    """Tell which kind of workbook a zip file is.

    Raises:
        InputError: It is none that can be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = frozenset(archive.namelist())
            unpacked = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError):
        raise _damaged(path) from None
    if unpacked > MAX_UNPACKED:
        raise InputError(
            f"{path.name} unpacks to {unpacked // MAX_CELL:,} MiB; "
            f"at most {MAX_UNPACKED // MAX_CELL:,} are read: save the sheet as CSV UTF-8"
        )
    if "xl/workbook.xml" in names:
        return "xlsx"
    if "content.xml" in names:
        return "ods"
    if "xl/workbook.bin" in names:
        raise InputError(f"{path.name} is a binary Excel workbook; save it as .xlsx")
    raise InputError(
        f"{path.name} is a zip file without a workbook; unpack it, or save the sheet "
        "as .xlsx or CSV UTF-8"
    )


def _marks(path: Path) -> dict[str, Marks]:
    """Read what the sheets say beside their values, and see that their values can be read.

    Raises:
        InputError: The workbook is damaged, or a sheet is too large.
    """
    kind = _kind(path)
    try:
        sheets = xlsx_marks(path) if kind == "xlsx" else ods_marks(path)
    except (ValueError, KeyError, zipfile.BadZipFile):
        raise _damaged(path) from None
    for name, marks in sheets.items():
        if marks.last_row * marks.last_column > MAX_CELLS:
            raise InputError(
                f"the sheet {_shown(name)} of {path.name} reaches to row "
                f"{marks.last_row:,} and column {marks.last_column:,}, which are more "
                f"than {MAX_CELLS:,} cells; delete what is far away from the list, and "
                "save the workbook again"
            )
    return sheets


def _chosen(path: Path, book: CalamineWorkbook, name: str | None) -> CalamineSheet:
    """Return the sheet that is meant.

    Raises:
        InputError: There is no such sheet, or more than one may be meant.
    """
    shown = ", ".join(map(_shown, book.sheet_names[:20]))
    if name is not None:
        if name not in book.sheet_names:
            raise InputError(
                f"--sheet: {path.name} has no sheet {name!r}; it has: {shown}"
            )
        return book.get_sheet_by_name(name)
    visible = [
        book.get_sheet_by_name(sheet.name)
        for sheet in book.sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet
        and sheet.visible == SheetVisibleEnum.Visible
    ]
    full = [sheet for sheet in visible if sheet.start is not None]
    if len(full) > 1:
        raise InputError(
            f"{path.name} has several sheets: {shown}; say which one with --sheet"
        )
    if not full:
        raise InputError(f"{path.name} has no visible sheet that is not empty")
    return full[0]


def _shown(name: str) -> str:
    return repr(name[:MAX_SHOWN])


def _rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[object]]]:
    """Yield each row from the first column on, with its number in the spreadsheet.

    Raises:
        InputError: A row has a value that Python has no type for.
    """
    start = sheet.start
    if start is None:
        return
    before: list[object] = [""] * start[1]
    rows = sheet.iter_rows()
    for number in count(1):
        try:
            row = next(rows, None)
        except OverflowError:
            raise InputError(
                f"row {number} of the sheet {_shown(sheet.name)} has a date or a "
                "duration that is too large; correct the cell, and save the workbook again"
            ) from None
        if row is None:
            return
        yield number, [*before, *row]


def _merged(sheet: CalamineSheet) -> dict[int, list[range]]:
    """Return the columns that a merged cell covers, by row; its own place is not among them."""
    end = sheet.end
    found: dict[int, list[range]] = {}
    if end is None:
        return found
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        for row in range(top, min(bottom, end[0]) + 1):
            first = left + 1 if row == top else left
            found.setdefault(row + 1, []).append(range(first, right + 1))
    return found


def _records(
    rows: Iterator[tuple[int, list[object]]],
    header: list[str],
    marks: Marks,
    merged: dict[int, list[range]],
    ignore_nameless: bool,
) -> Iterator[Record]:
    nobody: dict[int, Unusable] = {}
    for line, cells in rows:
        bad = marks.cells.get(line, nobody)
        blank = not any(_filled(cell) for cell in cells)
        if blank and all(unusable is MERGED for unusable in bad.values()):
            continue
        if line in marks.hidden:
            yield Record(line, {}, _HIDDEN)
            continue
        for column in (column for part in merged.get(line, ()) for column in part):
            if column < len(cells):
                cells[column] = MERGED
        for column, unusable in bad.items():
            if column < len(cells):
                cells[column] = unusable
        yield _record(line, cells, header, ignore_nameless)


def _record(
    line: int, cells: list[object], header: list[str], ignore_nameless: bool
) -> Record:
    found: dict[str, object] = {}
    nameless = False
    for column, cell in enumerate(cells):
        name = header[column] if column < len(header) else ""
        if name:
            found[name] = TOO_LONG if _too_long(cell) else cell
        elif _filled(cell) and cell is not MERGED and not ignore_nameless:
            nameless = True
    return Record(line, found, NAMELESS if nameless else None)


def _too_long(cell: object) -> bool:
    return isinstance(cell, str) and len(cell) > MAX_CELL


def _filled(cell: object) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None
