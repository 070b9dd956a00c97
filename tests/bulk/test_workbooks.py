"""Workbooks are read as people see them: what is hidden, merged, broken or not computed is a problem."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bulk.workbooks import Cell, Error, Formula, Sheet, write_ods, write_xlsx
from smarterproctoring_bulk import workbooks
from smarterproctoring_bulk.records import MAX_CELL
from smarterproctoring_bulk.rows import InputError, InputOptions, Problem, Row, read_rows

AI, EX = f"AI{'1f' * 16}", f"EX{'2e' * 16}"
NEW_YORK = "America/New_York"
HEADER: tuple[Cell, ...] = ("Install", "Exam", "Session", "Start", "End", "notes")
NOW = dt.datetime(2029, 6, 1, tzinfo=dt.UTC)
NINE, TEN = dt.datetime(2030, 5, 4, 9), dt.datetime(2030, 5, 4, 10, 20)
START, END = "2030-05-04T13:00:00.000Z", "2030-05-04T14:20:00.000Z"

Write = Callable[..., Path]


def es(number: int) -> str:
    return f"ES{number:032x}"


def row(number: int, start: Cell = NINE, end: Cell = TEN, notes: Cell = None, exam: Cell = EX) -> list[Cell]:
    return [AI, exam, es(number), start, end, notes]


@pytest.fixture(name="write", params=[write_xlsx, write_ods], ids=["xlsx", "ods"])
def a_writer(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    def write(*sheets: Sheet) -> Path:
        path: Path = request.param(tmp_path / "list", *sheets)  # the content says what it is, not the name
        return path

    return write


def read(path: Path, **options: Any) -> list[Row | Problem]:
    merged: dict[str, Any] = {"timezone": NEW_YORK, **options}
    return list(read_rows(path, InputOptions(**merged), NOW))


def told(items: list[Row | Problem]) -> list[tuple[int, str, str]]:
    return [(item.line, item.column, item.kind) for item in items if isinstance(item, Problem)]


def test_typed_times_are_read_without_guessing(write: Write) -> None:
    path = write(Sheet("Moves", [HEADER, row(1), [], row(2, "5/4/2030 9:00 AM", None, "größer & <b>")]))
    first, second = read(path, day_first=False)
    assert first == (2, (AI, EX, es(1)), {"appointment_start_date_time": START, "appointment_end_date_time": END})
    assert isinstance(second, Row)
    assert (second.line, second.fields["notes"]) == (4, "größer & <b>")
    assert second.fields["appointment_start_date_time"] == START


def test_typed_times_have_no_zone_so_one_is_needed(write: Write) -> None:
    path = write(Sheet("Moves", [(*HEADER, "Zone"), [*row(1), "Europe/Berlin"], [*row(2), None]]))
    found = read(path, timezone=None, timezone_column="Zone")
    assert isinstance(found[0], Row)
    assert found[0].fields["appointment_start_date_time"] == "2030-05-04T07:00:00.000Z"
    assert all("--timezone" in item.fix for item in found[1:] if isinstance(item, Problem))
    assert told(found) == [(3, "Start", "a time"), (3, "End", "a time")]
    gap = write(Sheet("Moves", [HEADER, row(1, dt.datetime(2030, 3, 10, 2, 30), None)]))
    assert "does not exist in America/New_York" in next(i.fix for i in read(gap) if isinstance(i, Problem))


def test_what_is_not_a_moment_or_not_text_is_named(write: Write) -> None:
    rows = [
        row(1, NINE.date(), None),
        row(2, NINE.time(), None),
        row(3, 47607.375, None),
        row(4, NINE, None, 7030),
        row(5, NINE, None, True),
    ]
    assert told(read(write(Sheet("Moves", [HEADER, *rows])))) == [
        (2, "Start", "a date without a time"),
        (3, "Start", "a time without a date"),
        (4, "Start", "a number"),
        (5, "notes", "a number"),
        (6, "notes", "true or false"),
    ]


def test_a_number_where_a_time_belongs(write: Write) -> None:
    """Such as a date in a cell that has no date format."""
    found = read(write(Sheet("Moves", [HEADER, row(1, 46146.375)])))
    assert [item.fix for item in found if isinstance(item, Problem)] == [
        "write a date and a time, like 2030-05-04 09:00"
    ]


def test_a_length_of_time_is_not_a_moment(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1, dt.timedelta(hours=30), None)]))
    assert told(read(path)) == [(2, "Start", "a length of time")]


def test_errors_and_formulas_that_were_never_computed_are_not_empty_cells(write: Write) -> None:
    rows: list[list[Cell]] = [
        row(1, NINE, Error()),
        row(2, NINE, Formula(None)),
        row(3, NINE, None, Formula("computed")),
        row(4, NINE, None, Formula("")),
        [None, None, None, Error("#N/A"), None, None],
    ]
    found = read(write(Sheet("Moves", [HEADER, *rows])))
    assert told(found)[:3] == [
        (2, "End", "an error of the spreadsheet"),
        (3, "End", "a formula without a value"),
        (6, "Start", "an error of the spreadsheet"),
    ]
    computed = [item for item in found if isinstance(item, Row)]
    assert [(item.line, item.fields.get("notes")) for item in computed] == [(4, "computed"), (5, None)]


def test_cells_that_matter_to_nobody_may_be_as_they_are(write: Write) -> None:
    header = (*HEADER, "Check")
    rows = [[*row(1), Error()], [*row(2), Formula(None)], [*row(3), 7]]
    assert told(read(write(Sheet("Moves", [header, *rows])), map={"Check": ""})) == []


def test_a_part_of_a_merged_cell_is_not_an_empty_cell(write: Write) -> None:
    rows: list[list[Cell]] = [row(1), row(2, exam=None), row(3, None, None, "x"), [None] * 6, row(4, None, None, "x")]
    found = read(write(Sheet("Moves", [HEADER, *rows], merged=("B2:B3", "D4:D5"))))
    assert told(found) == [(3, "Exam", "a part of a merged cell")]
    assert [item.line for item in found if isinstance(item, Row)] == [2, 4, 6]


def test_a_row_that_a_filter_hides_is_not_moved_and_not_passed_over(write: Write) -> None:
    rows = [row(1), row(2), row(3)]
    found = read(write(Sheet("Moves", [HEADER, *rows], hidden_rows=frozenset({3}))))
    assert told(found) == [(3, "", "a hidden row")]
    assert [item.line for item in found if isinstance(item, Row)] == [2, 4]


def test_the_only_sheet_with_rows_is_taken_and_else_one_is_named(write: Write) -> None:
    moves, other = Sheet("Mai 2030", [HEADER, row(1)]), Sheet("Old", [HEADER, row(2), row(3)])
    hidden, empty = Sheet("Hidden", [HEADER, row(4)], visible=False), Sheet("Sheet3", [])
    assert [item.line for item in read(write(empty, moves, hidden))] == [2]
    path = write(moves, other, hidden)
    with pytest.raises(InputError, match="has several sheets: 'Mai 2030', 'Old', 'Hidden'; say which one with --sheet"):
        read(path)
    assert [item.line for item in read(path, sheet="Old")] == [2, 3]
    assert [item.line for item in read(path, sheet="Hidden")] == [2]
    with pytest.raises(InputError, match="--sheet: list has no sheet 'old'; it has: 'Mai 2030', 'Old'"):
        read(path, sheet="old")
    with pytest.raises(InputError, match="no visible sheet that is not empty"):
        read(write(hidden, empty))


def test_a_sheet_that_begins_further_down_and_to_the_right(write: Write) -> None:
    rows: list[list[Cell]] = [[], [], [None, *HEADER], [None, *row(1)]]
    assert [item.line for item in read(write(Sheet("Moves", rows)))] == [4]
    titles: list[list[Cell]] = [["Ada Lovelace"], [], [*HEADER], row(1)]
    with pytest.raises(InputError, match="line 1 is not a header, and line 3 looks like one: delete the 2 lines") as it:
        read(write(Sheet("Moves", titles)))
    assert "Ada" not in str(it.value)


def test_columns_without_a_name(write: Write) -> None:
    path = write(Sheet("Moves", [(*HEADER, None), [*row(1), "x"], [*row(2), None]]))
    assert told(read(path)) == [(2, "", "a cell in a column without a name")]
    assert told(read(path, map={"": ""})) == []


def test_a_cell_over_the_limit(write: Write) -> None:
    path = write(Sheet("Moves", [HEADER, row(1, notes="x" * (MAX_CELL + 1))]))
    assert told(read(path)) == [(2, "notes", "a very long text")]


def test_a_workbook_that_unpacks_to_too_much_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(Sheet("Moves", [HEADER, row(1)]))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big", bytes(3 * 1024 * 1024))
    assert len(read(path)) == 1
    monkeypatch.setattr(workbooks, "MAX_UNPACKED", 2 * 1024 * 1024)
    with pytest.raises(InputError, match=r"unpacks to 3 MiB; at most 2 are read: save the sheet as CSV"):
        read(path)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_damaged_workbook_is_refused(write: Write, cut: float) -> None:
    path = write(Sheet("Moves", [HEADER, row(1)]))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    with pytest.raises(InputError, match="damaged workbook"):
        read(path)


def edit(path: Path, old: str, new: str) -> Path:
    """Replace a text of the sheet, which has to be there once."""
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if archive.read(name).count(old.encode()) == 1)
    return edit_part(path, name, lambda text: text.replace(old.encode(), new.encode()))


def edit_part(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """Change a part of the workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    assert change(parts[name]) != parts[name]
    parts[name] = change(parts[name])
    with zipfile.ZipFile(path, "w") as archive:
        for part, text in parts.items():
            archive.writestr(part, text)
    return path


@pytest.mark.parametrize(
    ("place", "reaches"),
    [("XFD1048576", "row 1,048,576 and column 16,384"), ("XFD3000", "row 3,000 and column 16,384")],
)
def test_a_cell_that_is_far_away_is_refused(tmp_path: Path, place: str, reaches: str) -> None:
    """Memory for all the cells before it is more than there is, and python-calamine would end the process."""
    path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1, notes="x")]))
    edit(path, '"F2"', f'"{place}"')
    with pytest.raises(InputError, match=f"the sheet 'Moves' of list reaches to {reaches}, .* delete what is far away"):
        read(path)


def test_the_limit_of_cells_counts_the_empty_ones(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(Sheet("Moves", [HEADER, row(1), *[[]] * 20, row(2)]))
    assert [item.line for item in read(path)] == [2, 23]
    monkeypatch.setattr(workbooks, "MAX_CELLS", 100)
    with pytest.raises(InputError, match="reaches to row 23 and column 6, which are more than 100 cells"):
        read(path)


def test_cells_that_are_repeated_without_end_are_refused(tmp_path: Path) -> None:
    path = write_ods(tmp_path / "list", Sheet("Moves", [HEADER, row(1, notes=0.5)]))
    edit(path, 'office:value="0.5"', 'office:value="0.5" table:number-columns-repeated="40000000"')
    with pytest.raises(InputError, match="reaches to row 2 and column 40,000,005"):
        read(path)


@pytest.mark.parametrize("kind", ["str", "inlineStr"])
def test_an_empty_text_that_is_far_away_is_refused(tmp_path: Path, kind: str) -> None:
    """An empty text is a value: python-calamine makes all the cells before it."""
    path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1)]))
    inner = "<v></v>" if kind == "str" else "<is/>"
    edit(path, "</sheetData>", f'<row><c r="XFD1048576" t="{kind}">{inner}</c></row></sheetData>')
    with pytest.raises(InputError, match="reaches to row 1,048,576 and column 16,384"):
        read(path)


@pytest.mark.parametrize("cell", ['<c r="XFD1048576" s="1"/>', '<c r="XFD1048576"><v/></c>'])
def test_a_cell_without_a_value_may_be_far_away(tmp_path: Path, cell: str) -> None:
    path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1)]), Sheet("Empty", []))
    edit(path, "<sheetData></sheetData>", f"<sheetData><row>{cell}</row></sheetData>")
    assert [item.line for item in read(path)] == [2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"A1" t="inlineStr"', '"XFD1048576" t="inlineStr"'),
        ('"A1" t="inlineStr"', '"ZZZZZZ1" t="inlineStr"'),
        ("far</t>", "far</xt>"),
    ],
    ids=["far away", "no place", "no XML"],
)
def test_a_sheet_that_is_not_read_may_be_anything(tmp_path: Path, old: str, new: str) -> None:
    rows: list[list[Cell]] = [["far"]]
    for other, sheet in ((Sheet("Data", rows), "Moves"), (Sheet("Data", rows, visible=False), None)):
        path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1)]), other)
        edit_part(path, "xl/worksheets/sheet2.xml", lambda text: text.replace(old.encode(), new.encode()))
        assert [item.line for item in read(path, sheet=sheet)] == [2]
        with pytest.raises(InputError, match=r"far away from the list|damaged workbook"):
            read(path, sheet="Data")


def test_a_chart_without_its_part_is_passed_over(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1)]), Sheet("Chart", []))
    edit(path, 'worksheet" Target="worksheets/sheet2.xml', 'chartsheet" Target="chartsheets/sheet1.xml')
    assert [item.line for item in read(path)] == [2]


def test_an_empty_sheet_that_is_asked_for_is_named(write: Write) -> None:
    path = write(Sheet("Moves", [HEADER, row(1)]), Sheet("Empty", []))
    with pytest.raises(InputError, match="the sheet 'Empty' is empty"):
        read(path, sheet="Empty")


def test_what_follows_the_rows_is_no_cell(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1)]))
    more = '<extLst><ext><x:row xmlns:x="urn:x" hidden="1" r="2"><x:c r="A1:B2" t="e"/></x:row></ext></extLst>'
    edit(path, "</sheetData>", f"</sheetData>{more}")
    assert told(read(path)) == []


def test_places_in_small_letters_are_places(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1, notes=Error())]))
    edit(path, '"F2"', '"f2"')
    assert told(read(path)) == [(2, "notes", "an error of the spreadsheet")]


@pytest.mark.parametrize("place", ["ZZZZZZ1", "F0x", ""])
def test_a_place_that_no_cell_has_is_damage(tmp_path: Path, place: str) -> None:
    path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1, notes="x")]))
    with pytest.raises(InputError, match="damaged workbook"):
        read(edit(path, '"F2"', f'"{place}"'))


PARTS = ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", ["garbled", "packed by bzip2", "a strange method", "a password", "an encoding"])
def test_each_damage_of_a_part_is_named(tmp_path: Path, part: str, kind: str) -> None:
    path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1)]))
    if kind == "an encoding":
        edit_part(path, part, lambda text: b"<?xml version='1.0' encoding='foo'?>" + text)
    else:
        damage(path, part, kind)
    with pytest.raises(InputError, match="damaged workbook"):
        read(path)


def damage(path: Path, part: str, kind: str) -> None:
    """Change the bytes of a packed part, or what the zip file says of it in both of its places."""
    with zipfile.ZipFile(path) as archive:
        found = archive.getinfo(part)
        central = archive.start_dir
    data = bytearray(path.read_bytes())
    begin = found.header_offset + 30 + len(part)
    entry = data.index(part.encode(), central) - 46
    if kind == "garbled":
        for place in range(begin + 2, begin + found.compress_size - 2):
            data[place] ^= 0x5A
    elif kind == "a password":
        data[found.header_offset + 6] |= 1
        data[entry + 8] |= 1
    else:
        method = zipfile.ZIP_BZIP2 if kind == "packed by bzip2" else 9
        data[found.header_offset + 8] = method
        data[entry + 10] = method
    path.write_bytes(data)


@pytest.mark.parametrize("old", ["</table:table>", "</office:spreadsheet>"])
def test_a_workbook_that_is_no_xml_is_refused(tmp_path: Path, old: str) -> None:
    """python-calamine would read it without end."""
    path = write_ods(tmp_path / "list", Sheet("Moves", [HEADER, row(1)]))
    with pytest.raises(InputError, match="damaged workbook"):
        read(edit(path, old, old.replace("</", "</x")))


def test_a_duration_that_python_has_no_type_for_is_named(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "list", Sheet("Moves", [HEADER, row(1, notes=dt.timedelta(days=1.5))]))
    with pytest.raises(InputError, match="row 2 of the sheet 'Moves' has a date or a duration that is too large"):
        read(edit(path, "<v>1.5</v>", "<v>99999999999</v>"))


def test_an_option_that_does_not_fit_the_file(write: Write, tmp_path: Path) -> None:
    path = write(Sheet("Moves", [HEADER, row(1)]))
    with pytest.raises(InputError, match="is a workbook or another zip file, not csv"):
        read(path, format="csv")
    text = tmp_path / "list.xlsx"
    text.write_text("installSid,examSid,sessionSid,notes\n" + f"{AI},{EX},{es(1)},x\n")
    assert isinstance(read(text)[0], Row)
    with pytest.raises(InputError, match=r"is not a workbook; leave out --format, or save it as \.xlsx"):
        read(text, format="xlsx")
    with pytest.raises(InputError, match=r"--sheet is for \.xlsx and \.ods workbooks, and list\.xlsx is not one"):
        read(text, sheet="Moves")


@pytest.mark.parametrize(
    ("part", "said"), [("xl/workbook.bin", "binary Excel workbook; save it as .xlsx"), ("x", "without a workbook")]
)
def test_zip_files_that_are_not_workbooks_are_named(tmp_path: Path, part: str, said: str) -> None:
    path = tmp_path / "list.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(part, "x")
    with pytest.raises(InputError, match=said):
        read(path)
