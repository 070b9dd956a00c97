"""Finds what a workbook says of rows and cells beside their values: hidden rows, errors, formulas without a value.

It reads a sheet before python-calamine does. That is written in Rust, where no `except` helps: it may never end on
what is not XML, and ends the process where there is no memory for all cells up to one that is far away. Sheets that
python-calamine does not read are not looked at: it reads all of an .ods workbook, and of .xlsx what it is asked for.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias
from xml.etree import ElementTree
from xml.parsers import expat

from smarterproctoring_bulk.records import Unusable

_Attributes: TypeAlias = dict[str, str]
ERROR: Final = Unusable(
    "an error of the spreadsheet", "fix the cell there, and save the workbook again"
)
UNCOMPUTED: Final = Unusable(
    "a formula without a value",
    "open the workbook in the spreadsheet program, and save it: it computes the formula",
)
MERGED: Final = Unusable(
    "a part of a merged cell", "unmerge the cells, and fill in each of them"
)
DAMAGE: Final = (
    ValueError,  # not as the format says
    LookupError,  # a part that is missing, or an encoding that nobody knows
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,  # of bzip2
    RuntimeError,  # a part with a password, or one that is packed in another way
)
"""What reading the parts of a damaged workbook raises."""
_PACKED: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""How the parts of a workbook are packed; python-calamine reads no others."""
_PLACE: Final = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")
_BLOCK: Final = 1024 * 1024
_MAX_ROWS: Final = 1024 * 1024
"""Rows of a sheet at most, in every spreadsheet program."""
_MAX_COLUMNS: Final = 16 * 1024
"""Columns of a sheet at most."""


@dataclass(slots=True)
class Marks:
    """What a sheet says of its rows and cells.

    Attributes:
        hidden: The numbers of the rows that are hidden, by a person or by a filter.
        cells: The cells that cannot be used: by the number of the row, then by that of the column, from 0.
        last_row: The number of the last row that has a value, be it an empty text; 0 if there is none.
        last_column: The number of the last column that has a value, from 1; 0 if there is none.
    """

    hidden: set[int] = field(default_factory=set[int])
    cells: dict[int, dict[int, Unusable]] = field(
        default_factory=dict[int, dict[int, Unusable]]
    )
    last_row: int = 0
    last_column: int = 0

    def add(self, row: int, column: int, what: Unusable) -> None:
        """Mark a cell."""
        self.cells.setdefault(row, {})[column] = what

    def fill(self, row: int, column: int) -> None:
        """Note that a cell has a value; the column counts from 0."""
        self.last_row = max(self.last_row, row)
        self.last_column = max(self.last_column, column + 1)


def xlsx_marks(path: Path, names: Iterable[str]) -> dict[str, Marks]:
    """Read the marks of sheets of an .xlsx workbook.

    Args:
        path: The workbook.
        names: The sheets.

    Returns:
        The marks by the names of the sheets.

    Raises:
        Exception: One of `DAMAGE`: it cannot be read.
    """
    found: dict[str, Marks] = {}
    with zipfile.ZipFile(path) as archive:
        parts = _parts(archive)
        for name in names:
            scan = _XlsxScan()
            _parse(archive, parts[name], scan.begin, scan.end, scan.text)
            found[name] = scan.marks
    return found


def ods_marks(path: Path) -> dict[str, Marks]:
    """Read the marks of the sheets of an .ods workbook, by their names.

    Raises:
        Exception: One of `DAMAGE`: it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        scan = _OdsScan()
        _parse(archive, "content.xml", scan.begin, scan.end, None)
    return scan.sheets


def _parse(
    archive: zipfile.ZipFile,
    part: str,
    begin: Callable[[str, _Attributes], None],
    end: Callable[[str], None],
    text: Callable[[str], None] | None,
) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        with archive.open(_packed(archive, part)) as stream:
            while block := stream.read(_BLOCK):
                parser.Parse(block, False)
        parser.Parse(b"", True)
    except expat.ExpatError:
        raise ValueError("not XML") from None


def _packed(archive: zipfile.ZipFile, part: str) -> zipfile.ZipInfo:
    """Return a part of a workbook if it is packed as the parts of workbooks are."""
    found = archive.getinfo(part)
    if found.compress_type not in _PACKED:
        raise ValueError("packed in another way")
    return found


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return which part of an .xlsx workbook holds each sheet; a sheet may have none."""
    targets = {
        element.get("Id"): element.get("Target", "")
        for element in _elements(archive, "xl/_rels/workbook.xml.rels", "Relationship")
    }
    # Relative to the workbook, or from the root.
    return {
        element.get("name", ""): posixpath.normpath(
            posixpath.join("/xl", targets.get(_attribute(element, "id"), ""))
        ).lstrip("/")
        for element in _elements(archive, "xl/workbook.xml", "sheet")
    }


def _elements(
    archive: zipfile.ZipFile, part: str, name: str
) -> list[ElementTree.Element]:
    """Return the elements of a name, whatever their namespace: Excel writes two."""
    try:
        root = ElementTree.fromstring(archive.read(_packed(archive, part)))  # noqa: S314 - no longer open to expansions since expat 2.4.1
    except ElementTree.ParseError:
        raise ValueError("not XML") from None
    return [
        element for element in root.iter() if element.tag.rpartition("}")[2] == name
    ]


def _attribute(element: ElementTree.Element, name: str) -> str:
    """Return an attribute, whatever its namespace."""
    found = [
        value
        for key, value in element.attrib.items()
        if key.startswith("{") and key.endswith("}" + name)
    ]
    return found[0] if found else ""


class _XlsxScan:
    """Handlers for the XML of an .xlsx sheet."""

    def __init__(self) -> None:
        self.marks = Marks()
        self._in_data = False
        """Whether it is in the rows; what follows them has elements of the same names."""
        self._row = 0
        self._column = -1
        self._kind = ""
        self._formula = False
        self._value = False
        self._has_value = False
        """Whether there is an element for the value, be it empty: as a text that is a value."""
        self._in_value = False

    def begin(self, name: str, attributes: _Attributes) -> None:
        tag = _local(name)
        if tag == "sheetData":
            self._in_data = True
        elif not self._in_data:
            return
        elif tag == "c":
            self._begin_cell(attributes)
        elif tag == "v":
            self._has_value = True
            self._in_value = True
        elif tag == "is":
            self._value = True
        elif tag == "f":
            self._formula = True
        elif tag == "row":
            self._row = int(attributes.get("r", self._row + 1))
            self._column = -1
            if attributes.get("hidden") in ("1", "true"):
                self.marks.hidden.add(self._row)

    def _begin_cell(self, attributes: _Attributes) -> None:
        self._column += 1
        if "r" in attributes:
            place = _PLACE.fullmatch(attributes["r"])
            if place is None:
                raise ValueError("no place of a cell")
            self._column = _column_number(place[1])
            self._row = int(place[2])
        self._kind = attributes.get("t", "n")
        self._formula = False
        self._value = False
        self._has_value = False

    def text(self, _: str) -> None:
        if self._in_value:
            self._value = True

    def end(self, name: str) -> None:
        tag = _local(name)
        if tag == "sheetData":
            self._in_data = False
        elif not self._in_data:
            return
        elif tag == "v":
            self._in_value = False
        elif tag == "c":
            if self._value or (self._kind == "str" and self._has_value):
                self.marks.fill(self._row, self._column)
            if self._kind == "e":
                self.marks.add(self._row, self._column, ERROR)
            elif self._formula and not self._value and self._kind != "str":
                # A formula whose result is an empty text has the kind "str".
                self.marks.add(self._row, self._column, UNCOMPUTED)


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


class _OdsScan:
    """Handlers for the XML of an .ods workbook."""

    def __init__(self) -> None:
        self.sheets: dict[str, Marks] = {}
        self._marks = Marks()
        self._tables = 0
        self._row = 1
        self._rows = 1
        self._column = 0

    def begin(self, name: str, attributes: _Attributes) -> None:
        tag = _local(name)
        if tag == "table":
            self._begin_table(attributes)
        elif self._tables != 1:
            return
        elif tag == "table-row":
            self._rows = int(attributes.get("table:number-rows-repeated", 1))
            self._column = 0
            if attributes.get("table:visibility", "visible") != "visible":
                last = min(self._row + self._rows, _MAX_ROWS)
                self._marks.hidden.update(range(self._row, last))
        elif tag in ("table-cell", "covered-table-cell"):
            self._cell(tag, attributes)

    def _begin_table(self, attributes: _Attributes) -> None:
        self._tables += 1
        if self._tables == 1:  # a table in a cell is not a sheet
            self._marks = Marks()
            self._row = 1
            self.sheets[attributes.get("table:name", "")] = self._marks

    def _cell(self, tag: str, attributes: _Attributes) -> None:
        count = int(attributes.get("table:number-columns-repeated", 1))
        what: Unusable | None = None
        if tag == "covered-table-cell":
            what = MERGED
        elif attributes.get("calcext:value-type") == "error":
            what = ERROR
        elif "table:formula" in attributes and "office:value-type" not in attributes:
            what = UNCOMPUTED
        if what is not None and self._rows == 1:
            last = min(self._column + count, _MAX_COLUMNS)
            for column in range(self._column, last):
                self._marks.add(self._row, column, what)
        if "office:value-type" in attributes:
            self._marks.fill(self._row + self._rows - 1, self._column + count - 1)
        self._column += count

    def end(self, name: str) -> None:
        tag = _local(name)
        if tag == "table-row" and self._tables == 1:
            self._row += self._rows
        elif tag == "table":
            self._tables -= 1
