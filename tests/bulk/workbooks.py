"""Workbooks as spreadsheet programs save them: the parts of the formats that matter for a list."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

EPOCH = dt.datetime(1899, 12, 30)
_STYLES = """<?xml version="1.0"?><styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm"/>
<numFmt numFmtId="165" formatCode="[h]:mm"/></numFmts>
<fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>
<cellStyleXfs count="1"><xf/></cellStyleXfs>
<cellXfs count="5"><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="14"/><xf numFmtId="20"/><xf numFmtId="165"/>
</cellXfs>
</styleSheet>"""
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@dataclass(frozen=True)
class Error:
    """A cell with an error, such as #REF!."""

    text: str = "#REF!"


@dataclass(frozen=True)
class Formula:
    """A cell with a formula.

    Attributes:
        result: The text that the program computed; None if no program has opened the workbook yet.
    """

    result: str | None


Cell = str | float | bool | dt.datetime | dt.date | dt.time | dt.timedelta | Error | Formula | None


@dataclass(frozen=True)
class Sheet:
    """One sheet.

    Attributes:
        name: Its name.
        rows: Its cells, from A1 on.
        hidden_rows: The numbers of the rows that a filter hides.
        merged: Ranges of cells that are one, such as `A2:A3`.
        visible: Whether people see it.
    """

    name: str
    rows: Sequence[Sequence[Cell]]
    hidden_rows: frozenset[int] = field(default=frozenset())
    merged: tuple[str, ...] = ()
    visible: bool = True


def write_xlsx(path: Path, *sheets: Sheet) -> Path:
    """Write an .xlsx workbook."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{kind}.worksheet+xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    entries = "".join(
        f"<sheet name={quoteattr(sheet.name)} sheetId='{number}' r:id='rId{number}'"
        f"{'' if sheet.visible else ' state=' + quoteattr('hidden')}/>"
        for number, sheet in enumerate(sheets, 1)
    )
    targets = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>{overrides}</Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" Type="{_OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{entries}</sheets></workbook>'
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{_RELATIONS}">{targets}<Relationship Id="rId99" Type="{_OFFICE}/styles" '
            'Target="styles.xml"/></Relationships>',
        )
        archive.writestr("xl/styles.xml", _STYLES)
        for number, sheet in enumerate(sheets, 1):
            archive.writestr(f"xl/worksheets/sheet{number}.xml", _xlsx_sheet(sheet))
    return path


def _xlsx_sheet(sheet: Sheet) -> str:
    rows = []
    for number, cells in enumerate(sheet.rows, 1):
        hidden = ' hidden="1"' if number in sheet.hidden_rows else ""
        inner = "".join(_xlsx_cell(f"{chr(65 + column)}{number}", cell) for column, cell in enumerate(cells))
        rows.append(f'<row r="{number}"{hidden}>{inner}</row>')
    merged = "".join(f'<mergeCell ref="{place}"/>' for place in sheet.merged)
    merged = merged and f"<mergeCells>{merged}</mergeCells>"
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(rows)}</sheetData>{merged}</worksheet>'


def _xlsx_cell(place: str, cell: Cell) -> str:  # noqa: PLR0911 - one for each kind of cell
    match cell:
        case None:
            return ""
        case Error(text):
            return f'<c r="{place}" t="e"><v>{text}</v></c>'
        case Formula(None):
            return f'<c r="{place}"><f>A1</f><v></v></c>'
        case Formula(result):
            return f'<c r="{place}" t="str"><f>A1</f><v>{escape(str(result))}</v></c>'
        case bool():
            return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
        case str():
            return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
        case dt.datetime():
            return f'<c r="{place}" s="1"><v>{(cell - EPOCH) / dt.timedelta(days=1)!r}</v></c>'
        case dt.date():
            return f'<c r="{place}" s="2"><v>{(cell - EPOCH.date()).days}</v></c>'
        case dt.time():
            return f'<c r="{place}" s="3"><v>{(cell.hour * 60 + cell.minute) / 1440!r}</v></c>'
        case dt.timedelta():
            return f'<c r="{place}" s="4"><v>{cell / dt.timedelta(days=1)!r}</v></c>'
        case float() | int():
            return f'<c r="{place}"><v>{cell}</v></c>'


def write_ods(path: Path, *sheets: Sheet) -> Path:
    """Write an .ods workbook; a merged range is one column wide."""
    names = ("office", "table", "text", "style")
    spaces = "".join(f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in names)
    spaces += ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    tables = "".join(map(_ods_table, sheets))
    mimetype = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", mimetype)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{mimetype}"/></manifest:manifest>',
        )
        archive.writestr(
            "content.xml",
            f'<office:document-content{spaces} office:version="1.2"><office:automatic-styles>'
            '<style:style style:name="off" style:family="table"><style:table-properties table:display="false"/>'
            "</style:style></office:automatic-styles><office:body><office:spreadsheet>"
            f"{tables}</office:spreadsheet></office:body></office:document-content>",
        )
    return path


def _ods_table(sheet: Sheet) -> str:
    covered = {place for merged in sheet.merged for place in _below_the_first(merged)}
    rows = []
    for number, cells in enumerate(sheet.rows, 1):
        seen = ' table:visibility="filter"' if number in sheet.hidden_rows else ""
        inner = "".join(
            "<table:covered-table-cell/>" if f"{chr(65 + column)}{number}" in covered else _ods_cell(cell)
            for column, cell in enumerate(cells)
        )
        rows.append(f"<table:table-row{seen}>{inner}</table:table-row>")
    # LibreOffice ends each table with the empty rows up to the last that it can have.
    rows.append('<table:table-row table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>')
    style = "" if sheet.visible else ' table:style-name="off"'
    return f"<table:table table:name={quoteattr(sheet.name)}{style}>{''.join(rows)}</table:table>"


def _below_the_first(merged: str) -> list[str]:
    first, _, last = merged.partition(":")
    return [f"{first[0]}{row}" for row in range(int(first[1:]) + 1, int(last[1:]) + 1)]


def _ods_cell(cell: Cell) -> str:  # noqa: PLR0911 - one for each kind of cell
    match cell:
        case None:
            return "<table:table-cell/>"
        case Error(text):
            return (
                '<table:table-cell table:formula="of:=1/0" office:value-type="string" office:string-value="" '
                f'calcext:value-type="error"><text:p>{text}</text:p></table:table-cell>'
            )
        case Formula(None):
            return '<table:table-cell table:formula="of:=[.A1]"/>'
        case Formula(result):
            text = escape(str(result))
            return (
                '<table:table-cell table:formula="of:=[.A1]" office:value-type="string">'
                f"<text:p>{text}</text:p></table:table-cell>"
            )
        case bool():
            value = str(cell).lower()
            return f'<table:table-cell office:value-type="boolean" office:boolean-value="{value}"/>'
        case str():
            return f'<table:table-cell office:value-type="string"><text:p>{escape(cell)}</text:p></table:table-cell>'
        case dt.datetime() | dt.date():
            return f'<table:table-cell office:value-type="date" office:date-value="{cell.isoformat()}"/>'
        case dt.time():
            return f'<table:table-cell office:value-type="time" office:time-value="{cell:PT%HH%MM%SS}"/>'
        case dt.timedelta():
            hours = int(cell / dt.timedelta(hours=1))
            return f'<table:table-cell office:value-type="time" office:time-value="PT{hours}H00M00S"/>'
        case float() | int():
            return f'<table:table-cell office:value-type="float" office:value="{cell}"/>'
