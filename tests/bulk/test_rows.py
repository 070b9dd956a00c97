"""Lists as people have them: read rightly, or refused with line, column and fix, and never with the value."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from smarterproctoring import SmarterProctoring, ValidationError
from smarterproctoring_bulk.records import MAX_CELL
from smarterproctoring_bulk.rows import InputError, InputOptions, Problem, Reader, Row, Shift, read_rows
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION

AI, EX = f"AI{'1f' * 16}", f"EX{'2e' * 16}"
NEW_YORK = "America/New_York"
HEADER = "installSid,examSid,sessionSid,appointmentStartDateTime,appointmentEndDateTime"
NOW = dt.datetime(2029, 6, 1, tzinfo=dt.UTC)
START, END = "2030-05-04T13:00:00.000Z", "2030-05-04T15:00:00.000Z"

Read = Callable[..., list[Row | Problem]]


def es(number: int) -> str:
    return f"ES{number:032x}"


def line(number: int = 1, start: str = START, end: str = END) -> str:
    return f"{AI},{EX},{es(number)},{start},{end}"


@pytest.fixture(name="read")
def a_read(tmp_path: Path) -> Read:
    def read(content: str | bytes, **options: Any) -> list[Row | Problem]:
        path = tmp_path / "list"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_rows(path, InputOptions(**options), NOW))

    return read


def one(items: list[Row | Problem]) -> Row:
    (row,) = items
    assert isinstance(row, Row), row
    return row


def wrong(items: list[Row | Problem]) -> Problem:
    (problem,) = items
    assert isinstance(problem, Problem), problem
    return problem


def moments(row: Row) -> tuple[str | None, str | None]:
    return row.fields.get("appointment_start_date_time"), row.fields.get("appointment_end_date_time")


# -- CSV ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        "install_sid,exam_sid,session_sid,appointment_start_date_time,appointment_end_date_time",
        "install,exam,session,start,end",
        '"Install SID","Exam ID"," Session Sid ","Appointment start date-time",END',
    ],
)
def test_columns_go_by_the_names_of_the_api_of_python_and_of_the_command_line(read: Read, header: str) -> None:
    row = one(read(f"{header}\n{line()}\n"))
    assert row == (2, (AI, EX, es(1)), {"appointment_start_date_time": START, "appointment_end_date_time": END})


def test_every_field_of_the_api_can_be_a_column(read: Read) -> None:
    values = {item.name: item.allowed[0] if item.allowed else f"x{number}" for number, item in enumerate(_fields())}
    values |= {"appointmentStartDateTime": START, "appointmentEndDateTime": END, "appointmentDateTime": START}
    content = f"sessionSid,{','.join(values)}\n{es(1)},{','.join(values.values())}\n"
    row = one(read(content, common={"install": AI, "exam": EX}))
    assert row.fields == {item.keyword: values[item.name] for item in _fields()}


def _fields() -> Any:
    return RESCHEDULE_EXAM_SESSION.fields


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])  # the last two with a byte order mark
def test_finds_delimiter_line_ends_and_marked_encoding(read: Read, delimiter: str, end: str, encoding: str) -> None:
    text = f"{HEADER},notes\n{line(1)},größer\n{line(2)},naïve 🎓\n".replace(",", delimiter).replace("\n", end)
    found = read(text.encode(encoding))
    assert [(row.line, row.fields["notes"]) for row in found if isinstance(row, Row)] == [
        (2, "größer"),
        (3, "naïve 🎓"),
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16-be"])
def test_reads_an_encoding_that_is_named(read: Read, encoding: str) -> None:
    row = one(read(f"{HEADER},notes\n{line()},größer\n".encode(encoding), encoding=encoding))
    assert row.fields["notes"] == "größer"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("before", [1, 5000])  # in the first block, and far behind it
def test_bytes_that_are_not_text_are_named_by_their_line(read: Read, before: int, end: str) -> None:
    text = end.join([f"{HEADER},notes", *(f"{line(n)},x" for n in range(before)), f"{line(0)},Gr\xf6\xdfe", ""])
    with pytest.raises(InputError, match=rf"^line {before + 2} is not utf-8; save .* --encoding; try cp1252") as caught:
        read(text.encode("latin-1"))
    assert caught.value.__context__ is None  # a decoding error holds the bytes


def test_utf_16_that_is_cut_off_or_without_a_mark_is_refused(read: Read) -> None:
    text = f"{HEADER}\n{line()}\n"
    with pytest.raises(InputError, match="--encoding utf-16-le"):
        read(text.encode("utf-16-le"))
    with pytest.raises(InputError, match="--encoding utf-16-be"):
        read(text.encode("utf-16-be"))
    with pytest.raises(InputError, match="line 3 is not utf-16"):
        read(text.encode("utf-16") + b"x")
    with pytest.raises(InputError, match="no encoding 'klingon'"):
        read(text, encoding="klingon")
    with pytest.raises(InputError, match="no encoding 'base64'"):
        read(text, encoding="base64")


def test_line_numbers_are_those_of_an_editor(read: Read) -> None:
    text = (
        f'{HEADER},notes\r\n{line(1)},"two\nlines"\n\n{line(2)},"three\r\n\rlines"\r{line(3)},\n,,,,,\n{line(4)},"x""y"'
    )
    found = read(text)
    assert [row.line for row in found] == [2, 5, 8, 10]
    assert [row.fields.get("notes") for row in found if isinstance(row, Row)] == [
        "two\nlines", "three\r\n\rlines", None, 'x"y',
    ]  # fmt: skip


def test_excels_own_line_names_the_delimiter(read: Read) -> None:
    text = f"sep=;\r\n{HEADER}\r\n{line()}\r\n".replace(",", ";")
    assert one(read(text)).line == 3
    assert one(read(f"sep=_\n{HEADER}\n{line()}\n".replace(",", "_"))).line == 3
    for saved_again in ('"sep=;"', "sep=;;;;;", '"sep=;";;'):
        assert one(read(f"{saved_again}\r\n" + f"{HEADER}\r\n{line()}\r\n".replace(",", ";"))).line == 3


def test_rows_without_their_last_empty_cells_are_read(read: Read) -> None:
    # Excel leaves out the delimiters of cells at the end that are empty in many rows.
    found = read(f"{HEADER},notes,email\n{line(1)}\n{line(2)},x\n{line(3)},,,,\n{AI},{EX}\n")
    assert [item.line for item in found] == [2, 3, 4, 5]
    assert [row.fields.get("notes") for row in found[:3] if isinstance(row, Row)] == [None, "x", None]
    assert wrong(found[3:]).column == "sessionSid"


def test_a_row_with_more_cells_than_the_header_is_a_problem_of_its_line(read: Read) -> None:
    found = read(f"{HEADER}\n{line(1)},x\n{line(2)}\n")
    assert wrong(found[:1]).kind == "a row of 6 cells"
    assert one(found[1:]).line == 3


def test_a_list_that_ends_in_the_middle_of_a_row_is_not_taken_for_one_without_its_last_cells(read: Read) -> None:
    cut = line(2).rsplit(",", 1)[0]
    found = read(f"{HEADER}\n{line(1)}\n{cut}")
    assert "ends in the middle of this row" in wrong(found[1:]).fix
    assert one(read(f"{HEADER}\n{line(1)}")).line == 2


def test_cells_under_no_name_are_refused_unless_they_are_empty_or_ignored(read: Read) -> None:
    text = f"{HEADER},,\n{line(1)},,\n{line(2)},,x\n"
    found = read(text)
    assert isinstance(found[0], Row)
    assert wrong(found[1:]).kind == "a cell in a column without a name"
    assert "--map =" in wrong(found[1:]).fix
    index = f",{HEADER}\n0,{line(1)}\n1,{line(2)}\n"  # as pandas writes it
    for options in ({"map": {"": ""}}, {"unknown": "ignore"}):
        assert [row.line for row in read(text, **options) if isinstance(row, Row)] == [2, 3]
        assert [row.line for row in read(index, **options) if isinstance(row, Row)] == [2, 3]
    with pytest.raises(InputError, match="a column without a name can only be ignored"):
        read(index, map={"": "notes"})


def test_broken_quoting_on_one_line_is_a_problem_and_the_rest_is_read(read: Read) -> None:
    found = read(f'{HEADER},notes\n{line(1)},"a"b\n{line(2)},c\n')
    assert isinstance(found[0], Problem)
    assert found[0].kind == "broken quoting"
    assert one(found[1:]).fields["notes"] == "c"


@pytest.mark.parametrize("end", ["", "\n"])
def test_broken_quoting_on_the_last_line_is_a_problem_of_that_line(read: Read, end: str) -> None:
    found = read(f'{HEADER},notes\n{line(1)},c\n{line(2)},"a"b{end}')
    assert wrong(found[1:]).kind == "broken quoting"
    with pytest.raises(InputError, match="begins in the row at line 3 is not closed"):
        read(f'{HEADER},notes\n{line(1)},c\n{line(2)},"a{end}')


@pytest.mark.parametrize("rows", [2, 5000])  # to the end of the list, and past the longest cell
def test_a_quote_that_is_never_closed_stops_the_reading_and_names_its_row(read: Read, rows: int) -> None:
    text = f'{HEADER},notes\n{line(0)},x\n{line(1)},"open\n' + "".join(f"{line(n)},x\n" for n in range(2, rows))
    with pytest.raises(InputError, match="begins in the row at line 3 is not closed"):
        read(text)


def test_nul_characters_are_problems(read: Read) -> None:
    found = read(f"{HEADER},notes\n{line(1)},a\0b\n{line(2)},c\n", encoding="utf-8")
    assert isinstance(found[0], Problem)
    assert (found[0].line, found[0].column, found[0].kind) == (2, "notes", "text of 3 characters")
    assert isinstance(found[1], Row)
    with pytest.raises(InputError, match="NUL bytes"):
        read(f"{HEADER}\n{line()}\n\0\0\0\n")


def test_long_cells_and_long_lines(read: Read) -> None:
    for length in (100_000, 140_000):  # the second is over the default limit of Python's csv
        assert len(one(read(f"{HEADER},notes\n{line()},{'é' * length}\n")).fields["notes"]) == length
    with pytest.raises(InputError, match="line 2 has more than 1,048,576 characters"):
        read(f"{HEADER},notes\n{line()},{'x' * 2_000_000}")


TITLES = "Exams in May\nada@example.org,555-0199\n\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"{TITLES}{HEADER}\n{line()}\n",
            "line 1 is not a header, and line 4 looks like one: delete the 3 lines above",
        ),
        (
            f"Exams;\n{HEADER.replace(',', ';')}\n",
            "line 1 is not a header, and line 2 looks like one: delete the line above",
        ),
        (f"{line(1)},Ada,ada@example.org\n{line(2)},Bob,\n", "line 1 is not a header: none of its 7 cells is"),
        ("\n\nada@example.org\n", "line 3 is not a header: its only cell is not"),
        (f"exam\n,\n{HEADER}\n", "line 1 is not a header, and line 3 looks like one"),
    ],
)
def test_a_list_without_a_header_or_with_lines_above_it_repeats_no_cell(read: Read, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read(text, map={"Their": "notes"})
    for cell in ("Ada", "ada@", "555", AI, es(1), "May", "Exams"):
        assert cell not in str(caught.value)


@pytest.mark.parametrize("text", ["NULL", "null", "nan", "NaN", "\\N", "None", "<NA>", "(null)", "NaT"])
def test_what_databases_write_for_an_empty_cell_is_not_a_value(read: Read, text: str) -> None:
    content = f"{HEADER},firstName\n{line(1)},{text}\n{line(2)},Null\n"
    found = read(content)
    assert "how databases write an empty cell" in wrong(found[:1]).fix
    assert one(found[1:]).fields["first_name"] == "Null"  # people have this name
    emptied = read(content, empty=(text,))
    assert [row.fields.get("first_name") for row in emptied if isinstance(row, Row)] == [None, "Null"]


@pytest.mark.parametrize(
    ("sid", "said"),
    [
        (f"{es(1)}\u200b", "U+200B (ZERO WIDTH SPACE)"),
        (f"\ufeff{es(1)}", "U+FEFF (ZERO WIDTH NO-BREAK SPACE)"),
        (f"ES\u2060{es(1)[2:]}", "U+2060 (WORD JOINER)"),
        (f"'{es(1)}", "begins with an apostrophe"),
        (f"\u2019{es(1)}", "begins with an apostrophe"),
    ],
)
def test_characters_that_nobody_sees_in_a_sid_are_named(read: Read, sid: str, said: str) -> None:
    problem = wrong(read(f"installSid,examSid,sessionSid,start\n{AI},{EX},{sid},{START}\n"))
    assert said in problem.fix
    assert es(1) not in repr(problem)


def test_a_number_in_scientific_notation_is_called_rounded_only_if_it_is(read: Read) -> None:
    found = read(f"{HEADER},locationLongitude,phone\n{line()},5.1E+01,1.2E+10\n")
    exact, rounded = found
    assert isinstance(exact, Problem)
    assert isinstance(rounded, Problem)
    assert (exact.column, rounded.column) == ("locationLongitude", "phone")
    assert "a number in scientific notation" in exact.fix
    assert "rounded" not in exact.fix
    assert "has rounded a long number" in rounded.fix


@pytest.mark.parametrize("content", ["", " \n\n", "\ufeff", "\r\n"])
def test_an_empty_list_is_refused(read: Read, content: str) -> None:
    with pytest.raises(InputError, match="is empty"):
        read(content)


def test_a_header_alone_is_a_list_without_rows(read: Read) -> None:
    assert read(HEADER) == []
    assert read(f"{HEADER}\n,,,,\n\n") == []


@pytest.mark.parametrize(
    ("magic", "fix"),
    [
        (b"PK\x03\x04....", "damaged workbook; open it in the spreadsheet program"),
        (b"\xd0\xcf\x11\xe0....", "old Excel workbook, or one with a password; save it as .xlsx"),
        (b"%PDF-1.7", "a PDF document"),
        (b"<html><table><tr><td>x", r"a page \(HTML or XML\), whatever its name says"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Workbook", "a page"),
        (b"\x1f\x8b....", "unpack it first"),
        (b"[{}]", "one object on each line"),
        (b"PAR1", "not a whole Parquet file"),
        (b"PAR1....PAR1", "not a whole Parquet file"),
    ],
)
def test_other_files_are_named_for_what_they_are(read: Read, magic: bytes, fix: str) -> None:
    with pytest.raises(InputError, match=fix):
        read(magic)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read: No such file"):
        read_rows(tmp_path / "nowhere.csv", InputOptions())
    with pytest.raises(InputError, match="not a regular file"):
        read_rows(tmp_path, InputOptions())


# -- columns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (f"{HEADER},installSid", "two columns are named 'installSid'"),
        (f"{HEADER},install_sid", "'installSid' and 'install_sid' mean the same"),
        (f"{HEADER},Emial", "unknown column 'Emial'; it may be email .*--map Emial=email"),
        (f"{HEADER},First Name", r"may be firstName \(First name of the proctor\): --map 'First Name=firstName'"),
        (f"{HEADER},Start (local)", "may be appointmentStartDateTime"),
        (f"{HEADER},Exam ends at", "may be appointmentEndDateTime"),
        (f"{HEADER},Colour", "unknown column 'Colour'; ignore it with --map Colour="),
        ("a,b", "line 1 is not a header: none of its 2 cells is .* known column.*Known are installSid.*--map 'Their"),
        ("examSid,sessionSid,start", "no column installSid; it has.*--map 'Their column=installSid'"),
        ("installSid,examSid,sessionSid", "nothing to change"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_with_the_fix(read: Read, header: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(f"{header}\n")


def test_a_mapping_names_ignores_and_has_to_fit(read: Read) -> None:
    text = f"Auftrag,{HEADER},Student Email\n{es(7)},{line()},a@b.example\n".replace(",sessionSid", ",Old")
    row = one(read(text, map={"Auftrag": "sessionSid", "Old": "", "Student Email": ""}))
    assert row.sids[2] == es(7)
    assert "email" not in row.fields
    with pytest.raises(InputError, match="the list has no column 'Auftag'; it has: 'Auftrag'"):
        read(text, map={"Auftag": "sessionSid"})
    with pytest.raises(InputError, match="--map: there is no column 'sesionSid'; did you mean sessionSid"):
        read(text, map={"Auftrag": "sesionSid"})


def test_unknown_columns_can_be_ignored_but_not_those_that_look_misspelt(read: Read) -> None:
    text = f"{HEADER},Colour\n{line()},red\n"
    assert one(read(text, unknown="ignore")).fields.keys() == {
        "appointment_start_date_time",
        "appointment_end_date_time",
    }
    with pytest.raises(InputError, match="may be appointmentEndDateTime"):
        read(text.replace("appointmentEndDateTime", "apointmentEndDateTime"), unknown="ignore")


def test_common_values_fill_in_and_contradictions_are_problems(read: Read) -> None:
    text = f"sessionSid,examSid,start\n{es(1)},,{START}\n{es(2)},{EX},{START}\n{es(3)},EX{'0' * 32},{START}\n"
    found = read(text, common={"install": AI, "examSid": EX})
    assert [row.sids for row in found[:2] if isinstance(row, Row)] == [(AI, EX, es(1)), (AI, EX, es(2))]
    assert (wrong(found[2:]).line, wrong(found[2:]).column) == (4, "examSid")
    same_moment = read(f"{HEADER}\n{line()}\n", common={"start": "2030-05-04 09:00"}, timezone=NEW_YORK)
    assert moments(one(same_moment)) == (START, END)


def test_set_wins_over_the_list(read: Read) -> None:
    row = one(read(f"{HEADER}\n{line()}\n", sets={"start": "4 May 2030 10am", "notes": "x"}, timezone=NEW_YORK))
    assert moments(row) == ("2030-05-04T14:00:00.000Z", END)
    assert row.fields["notes"] == "x"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"timezone": "Mars/Olympus"}, "--timezone: there is no such time zone"),
        ({"timezone": "EST"}, "--timezone: EST is -05:00 all year.*America/New_York"),
        ({"timezone": "Etc/GMT+5"}, "--timezone: such names are read with either sign"),
        ({"timezone": "localtime"}, "--timezone: this is the zone of whichever machine"),
        ({"timezone": "posix/America/New_York"}, "--timezone: leave out"),
        ({"shift": "2d"}, "a shift is a sign and"),
        ({"shift": "+2 months"}, "a shift is a sign and"),
        ({"shift": "+2d"}, "whose clock"),
        ({"sets": {"end": "start+1d"}}, "whose clock"),
        ({"sets": {"colour": "red"}}, "--set: there is no column 'colour'"),
        ({"sets": {"notes": " "}}, "notes is given no value"),
        ({"sets": {"notes": "a"}, "common": {"notes": "b"}}, "notes is given twice"),
        ({"delimiter": ";;"}, "the delimiter must be one character"),
        ({"timezone_column": "Zone"}, "the list has no column 'Zone'"),
    ],
)
def test_options_that_cannot_work_are_refused(read: Read, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(f"{HEADER}\n{line()}\n", **options)


# -- times -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-05-04 09:00", START),
        ("2030-05-04T09:00:00.0009", START),
        ("2030-05-04T18:30+05:30", START),
        ("05/04/2030 9:00 AM", START),
        ("5/4/2030\u202f9:00\u202fAM", START),  # the no-break space of newer spreadsheets
        ("  4 May 2030 9am\u00a0", START),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
        ("2100-12-31 23:59", "2101-01-01T04:59:00.000Z"),
        ("2030-01-15 09:00", "2030-01-15T14:00:00.000Z"),
    ],
)
def test_times_are_read_as_people_write_them(read: Read, text: str, expected: str) -> None:
    row = one(read(f"install,exam,session,start\n{AI},{EX},{es(1)},{text}\n",
                   timezone=NEW_YORK, day_first=False, allow_past=True, allow_far=True))  # fmt: skip
    assert moments(row)[0] == expected


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("45000.5", "such as spreadsheets keep times in; give its column the format yyyy-mm-dd hh:mm"),
        ("45000", "such as spreadsheets keep times in"),
        ("1904129400", "seconds since 1970"),
        ("1904129400000", "seconds since 1970"),
        ("03/04/2030 10:00", "--day-first or --month-first"),
        ("2030-03-10 02:30", "does not exist in America/New_York"),
        ("10 March 2030 2:30", "does not exist in America/New_York"),
        ("2030-11-03 01:30", "happens twice in America/New_York"),
        ("3 Nov 2030 1:30am", "happens twice in America/New_York"),
        ("2030-05-04 09:00 EDT", "EDT is -04:00"),
        ("2030-05-04 09:00 Maureen", "a word that is not a month"),
        ("2030-05-04 25:00", "a time that does not exist"),
        ("0001-01-01T00:00:00+14:00", "out of range"),
        ("2031-06-07", "leaves out the time"),
        ("2030-05-04 09:00-10:30", "may be a range"),
        ("4 May 2030 9am-11am", "names two times"),
        ("31 April 2030 9am", "April has 30 days"),
        ("4 May 2029 9am", "the time is in the past; check the year, or allow it with --allow-past"),
        ("4 May 2130 9am", "the time is more than 2 years ahead; check the year, or allow it with --allow-far"),
        ("#REF!", "an error of the spreadsheet"),
        ("########", "an error of the spreadsheet"),
        ("1.90413E+09", "has rounded a long number"),
        ("soon " * 100, "is not a date and time"),
        ("🎓", "U+1F393 (GRADUATION CAP)"),
    ],
)
def test_times_that_could_mean_two_moments_are_refused_without_being_shown(read: Read, text: str, fix: str) -> None:
    found = read(f"install,exam,session,When\n{AI},{EX},{es(1)},{text}\n", timezone=NEW_YORK, map={"When": "start"})
    problem = wrong(found)
    assert fix in problem.fix
    assert (problem.line, problem.column, problem.session) == (2, "When", es(1))
    assert problem.kind.startswith("text of ")
    assert text.strip() not in repr(problem)


def test_both_orders_of_day_and_month_in_one_column_are_a_problem(read: Read) -> None:
    header = "installSid,examSid,sessionSid,start,appointmentDateTime\n"
    starts = ["25/05/2030 9:00", "05/26/2030 9:00", "27/05/2030 9:00"]
    text = header + "".join(f"{AI},{EX},{es(n)},{start},05/28/2030 9:00\n" for n, start in enumerate(starts))
    found = read(text, timezone=NEW_YORK)
    assert [type(item).__name__ for item in found] == ["Row", "Problem", "Row"]
    problem = wrong(found[1:2])
    assert (problem.line, problem.column) == (3, "start")
    assert "has the month first, and line 2 of this column has the day first" in problem.fix
    assert "26" not in problem.fix
    contradicted = read(text, timezone=NEW_YORK, day_first=True)
    assert any("contradicts --day-first" in item.fix for item in contradicted if isinstance(item, Problem))


def test_an_end_long_after_its_start_needs_an_option(read: Read) -> None:
    text = f"{HEADER}\n{line(1, START, '2030-05-05T13:00:00Z')}\n{line(2, START, '2031-05-04T15:00:00Z')}\n"
    found = read(text)
    assert isinstance(found[0], Row)
    assert (wrong(found[1:]).line, wrong(found[1:]).column) == (3, "appointmentEndDateTime")
    assert "--allow-long" in wrong(found[1:]).fix
    assert all(isinstance(item, Row) for item in read(text, allow_long=True))


def test_a_time_without_a_zone_is_refused(read: Read) -> None:
    assert "--timezone" in wrong(read(f"{HEADER}\n{line(start='2030-05-04 09:00')}\n")).fix


def test_each_row_can_name_its_zone(read: Read) -> None:
    text = "install,exam,session,start,Campus zone\n"
    for number, name in enumerate(["America/New_York", " Europe/Berlin ", "", "EST", "Narnia"]):
        text += f"{AI},{EX},{es(number)},2030-05-04 09:00,{name}\n"
    found = read(text, timezone="Asia/Tokyo", timezone_column="Campus zone")
    assert [moments(row)[0] for row in found[:3] if isinstance(row, Row)] == [
        START, "2030-05-04T07:00:00.000Z", "2030-05-04T00:00:00.000Z",
    ]  # fmt: skip
    for problem in found[3:]:
        assert isinstance(problem, Problem)
        assert (problem.column, problem.kind.split()[0]) == ("Campus zone", "text")
        assert {"EST": "America/New_York", "Narnia": "IANA"}[["EST", "Narnia"][problem.line - 5]] in problem.fix
    assert len(found) == 5


@pytest.mark.parametrize(("day", "problem"), [("+1d", None), ("-1d", "--allow-past"), ("+2000d", "--allow-far")])
@pytest.mark.parametrize("where", ["shift", "computed"])
def test_the_limits_hold_for_times_that_are_computed(read: Read, day: str, problem: str | None, where: str) -> None:
    row = f"{HEADER}\n{AI},{EX},{es(1)},2029-06-01T13:00:00Z,\n"
    options: dict[str, Any] = {"shift": day} if where == "shift" else {"sets": {"end": f"start{day}"}}
    found = read(row, timezone=NEW_YORK, allow_long=True, **options)
    if problem is None:
        assert one(found)
        return
    assert any(problem in item.fix for item in found if isinstance(item, Problem))
    allowed = read(row, timezone=NEW_YORK, allow_past=True, allow_far=True, allow_long=True, **options)
    assert not any("--allow" in item.fix for item in allowed if isinstance(item, Problem))


# -- shift and computed times ------------------------------------------------------------------------------------------


def test_a_day_keeps_the_hour_on_the_clock_and_hours_are_exact(read: Read) -> None:
    before_change = f"{HEADER}\n{line(1, '2030-03-09 09:00', '2030-03-09T16:00:00Z')}\n"  # 9:00 and 11:00 in New York
    days = one(read(before_change, timezone=NEW_YORK, shift="+2d"))
    assert moments(days) == ("2030-03-11T13:00:00.000Z", "2030-03-11T15:00:00.000Z")
    hours = one(read(before_change, timezone=NEW_YORK, shift="+48h"))
    assert moments(hours) == ("2030-03-11T14:00:00.000Z", "2030-03-11T16:00:00.000Z")


@pytest.mark.parametrize(
    ("text", "days", "seconds"),
    [("+2d", 2, 0), ("-90m", 0, -5400), ("+1w2d", 9, 0), ("-1d12h30m5s", -1, -45005), ("+ 1h", 0, 3600)],
)
def test_shifts_are_read(text: str, days: int, seconds: int) -> None:
    assert Shift.parse(text) == (days, dt.timedelta(seconds=seconds))


def test_a_shift_moves_all_times_of_the_list_and_no_others(read: Read) -> None:
    text = f"{HEADER},appointmentDateTime\n{line()},{START}\n"
    row = one(read(text, shift="-90m", sets={"end": "2030-05-04T14:00:00Z"}))
    assert moments(row) == ("2030-05-04T11:30:00.000Z", "2030-05-04T14:00:00.000Z")
    assert row.fields["appointment_date_time"] == "2030-05-04T11:30:00.000Z"


def test_a_shift_into_a_gap_out_of_range_or_of_nothing_is_a_problem(read: Read) -> None:
    gap = wrong(read(f"{HEADER},notes\n{line(1, '2030-03-09 02:30', '')},x\n", timezone=NEW_YORK, shift="+1d"))
    assert gap.column == "appointmentStartDateTime"
    assert "after the shift, the time does not exist" in gap.fix
    far = read(f"{HEADER}\n{line()}\n", shift="+999999w", timezone="UTC")
    assert {item.fix for item in far if isinstance(item, Problem)} == {"after the shift, the time is out of range"}
    nothing = wrong(read(f"{HEADER},notes\n{AI},{EX},{es(1)},,,x\n", shift="+1h"))
    assert nothing.fix == "the row has no time to shift"


def test_one_time_can_be_computed_from_another(read: Read) -> None:
    row = one(read(f"{HEADER}\n{line()}\n", shift="+24h", sets={"end": "start+90m"}))
    assert moments(row) == ("2030-05-05T13:00:00.000Z", "2030-05-05T14:30:00.000Z")
    alone = wrong(read(f"{HEADER}\n{line(start='')}\n", sets={"start": "appointmentDateTime - 1h"}))
    assert "computed from appointmentDateTime, which the row does not give" in alone.fix


# -- the client's rules ------------------------------------------------------------------------------------------------


def test_all_that_is_wrong_with_a_row_is_said_at_once(read: Read) -> None:
    text = f"{HEADER},type,phone,notes\n{AI.upper()},{EX},,{END},{START},proctor-u,1.2E+10,x\n"
    found = read(text)
    assert [(item.column, item.session) for item in found if isinstance(item, Problem)] == [
        ("phone", None), ("sessionSid", None), ("installSid", None), ("type", None), ("appointmentEndDateTime", None),
    ]  # fmt: skip
    shown = repr(found)
    assert "case-sensitive" in shown
    assert "must be one of b-virtual" in shown
    assert "must be after the start'" in shown, "no keyword, which no list has"
    assert "1.2E+10" not in shown
    assert AI.upper() not in shown


def test_a_row_that_changes_nothing_is_a_problem(read: Read) -> None:
    assert "nothing to change" in wrong(read(f"{HEADER}\n{AI},{EX},{es(1)},,\n")).fix


TIMES = ("", START, END, "2030-05-04 10:00", "x")
CELLS = {
    "sessionSid": (es(3), es(4), f"ES{'A' * 32}", AI, " "),
    "start": TIMES,
    "end": TIMES,
    "type": ("", "proctoru", "Proctoru"),
    "notes": ("", "é", "\ud800"),
}


def test_what_passes_is_what_the_client_takes(tmp_path: Path) -> None:
    path, options = tmp_path / "list.jsonl", InputOptions(common={"install": AI, "exam": EX}, timezone=NEW_YORK)
    seen = {True: 0, False: 0}
    with SmarterProctoring("dummy") as client:

        @given(cells=st.fixed_dictionaries({name: st.sampled_from(texts) for name, texts in CELLS.items()}))
        @settings(max_examples=200, deadline=None, derandomize=True)
        def compare(cells: dict[str, str]) -> None:
            path.write_text(json.dumps(cells))
            checked = list(read_rows(path, options, NOW))
            for row in Reader(options, NOW).read(path, check=False):
                if isinstance(row, Row):
                    fields: Any = row.fields
                    try:
                        client.dry_run_reschedule(*row.sids, **fields)
                    except ValidationError:
                        assert not any(isinstance(item, Row) for item in checked)
                    else:
                        assert checked == [row]
                    seen[row in checked] += 1

        compare()
    assert all(seen.values())


# -- JSON Lines --------------------------------------------------------------------------------------------------------


def record(**more: object) -> str:
    return json.dumps({"installSid": AI, "examSid": EX, "sessionSid": es(1), "start": START} | more)


def test_json_lines_are_read_with_their_lines(read: Read) -> None:
    found = read(f"\ufeff{record()}\n\n{record(notes='a b', email=None, type='')}\r\n")
    assert [(row.line, sorted(row.fields)) for row in found if isinstance(row, Row)] == [
        (1, ["appointment_start_date_time"]), (3, ["appointment_start_date_time", "notes"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (record(phone=15551234), "a number", "write it as text"),
        (record(notes=True), "true or false", "write it as text"),
        (record(notes=["x"]), "a list", "write it as text"),
        (record(start=45000), "a number", "write a date and a time"),
        (record(emial="a@b.example"), "text of 11 characters", "may be email"),
        (record(appointmentStartDateTime=START), "text of 24 characters", "the column 'start' means the same"),
        ('{"installSid": "' + AI + '", "installSid": "x"}', "a column named twice", "name each column once"),
        ("{'single': 1}", "not JSON", "one JSON object"),
        ("{" * 100_000, "not JSON", "one JSON object"),
        ("[1]", "JSON, but not an object", "one JSON object"),
        ("NaN", "JSON, but not an object", "one JSON object"),
    ],
    ids=lambda value: value[:40],
)
def test_json_that_does_not_fit_is_a_problem_of_its_line(read: Read, text: str, kind: str, said: str) -> None:
    found = read(f"{record()}\n{text}\n{record()}\n", format="jsonl")
    assert isinstance(found[0], Row)
    assert isinstance(found[-1], Row)
    problem = wrong(found[1:-1])
    assert (problem.line, problem.kind) == (2, kind)
    assert said in problem.fix
    assert "example" not in repr(problem)


def test_json_lines_with_ever_new_names_are_no_list(read: Read) -> None:
    with pytest.raises(InputError, match="more than 1,000 different columns"):
        read("".join(f'{{"x{number}": 1}}\n' for number in range(1100)))


# -- Parquet -----------------------------------------------------------------------------------------------------------


@pytest.fixture(name="parquet")
def a_parquet(tmp_path: Path) -> Callable[[dict[str, tuple[list[Any], Any]]], Path]:
    core, io = pytest.importorskip("arro3.core"), pytest.importorskip("arro3.io")

    def write(columns: dict[str, tuple[list[Any], Any]]) -> Path:
        path = tmp_path / "list.parquet"
        arrays = {}
        for name, (values, kind) in columns.items():
            stored = core.DataType.utf8() if isinstance(values[0], str) else core.DataType.int64()
            arrays[name] = core.Array(values, type=stored).cast(kind)
        io.write_parquet(core.Table.from_pydict(arrays), path)
        return path

    return write


def test_parquet_is_read_with_its_types(parquet: Callable[..., Path]) -> None:
    core = pytest.importorskip("arro3.core")
    text, stamp = core.DataType.utf8(), core.DataType.timestamp
    there = int(dt.datetime(2030, 5, 4, 13, tzinfo=dt.UTC).timestamp())
    naive = int(dt.datetime(2030, 5, 4, 11, tzinfo=dt.UTC).timestamp())
    gap = int(dt.datetime(2030, 3, 10, 2, 30, tzinfo=dt.UTC).timestamp())
    path = parquet({
        "installSid": ([AI] * 3, text), "examSid": ([EX] * 3, text), "sessionSid": ([es(1), None, es(3)], text),
        "start": ([there * 10**6, None, there * 10**6], stamp("us", tz="UTC")),
        "end": ([naive * 1000, None, gap * 1000], stamp("ms")),
    })  # fmt: skip
    found = list(read_rows(path, InputOptions(timezone=NEW_YORK), NOW))
    assert found[0] == (1, (AI, EX, es(1)), {"appointment_start_date_time": START, "appointment_end_date_time": END})
    assert [(item.line, item.column) for item in found[1:-1] if isinstance(item, Problem)] == [(2, "sessionSid")]
    last = wrong(found[-1:])
    assert (last.line, last.column, last.kind) == (3, "end", "a time")
    assert "does not exist" in last.fix
    assert "--timezone" in wrong(list(read_rows(path, InputOptions(), NOW))[:1]).fix


def test_parquet_numbers_and_dates_are_refused(parquet: Callable[..., Path]) -> None:
    core = pytest.importorskip("arro3.core")
    text = core.DataType.utf8()
    path = parquet({
        "installSid": ([AI], text), "examSid": ([EX], text), "sessionSid": ([es(1)], text),
        "start": ([22038 * 86_400_000], core.DataType.date64()), "postalCode": ([7030], core.DataType.int64()),
    })  # fmt: skip
    found = list(read_rows(path, InputOptions(), NOW))
    assert [(item.column, item.kind) for item in found if isinstance(item, Problem)] == [
        ("start", "a date without a time"), ("postalCode", "a number"),
    ]  # fmt: skip


def test_a_parquet_cell_over_the_limit_is_not_read(parquet: Callable[..., Path], tmp_path: Path) -> None:
    core, io = pytest.importorskip("arro3.core"), pytest.importorskip("arro3.io")
    text = core.DataType.utf8()
    columns = {"installSid": ([AI], text), "examSid": ([EX], text), "sessionSid": ([es(1)], text)}
    path = parquet(columns | {"notes": (["x" * (MAX_CELL + 1)], text)})
    problem = wrong(list(read_rows(path, InputOptions(), NOW)))
    assert (problem.column, problem.kind) == ("notes", "a very long text")
    huge = core.Table.from_pydict({"notes": core.Array(["x" * (65 * MAX_CELL)], type=text)})
    io.write_parquet(huge, path, compression="zstd(1)")
    assert path.stat().st_size < 1024 * 1024
    tracemalloc.start()
    with pytest.raises(InputError, match="unpacks to 65 MiB, more than a cell may have"):
        read_rows(path, InputOptions(common={"install": AI, "exam": EX, "session": es(1)}), NOW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MAX_CELL


@pytest.mark.slow
# Each lets the reader's Rust code panic where that aborts the whole process.
@example(place=829 - 14, value=0)
@example(place=829 - 377, value=4)
@example(place=829 - 381, value=5)
@settings(max_examples=20, deadline=None)
@given(place=st.integers(4, 3000), value=st.integers(0, 255))
def test_a_damaged_byte_of_parquet_is_an_error_of_the_list(
    place: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    core, io = pytest.importorskip("arro3.core"), pytest.importorskip("arro3.io")
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    notes = core.Array([f"x{number}" for number in range(50)], type=core.DataType.utf8())
    io.write_parquet(core.Table.from_pydict({"notes": notes}), path)
    content = bytearray(path.read_bytes())
    content[-min(place, len(content) - 4)] = value
    path.write_bytes(content)
    options = InputOptions(common={"install": AI, "exam": EX, "session": es(1)}, unknown="ignore")
    with suppress(InputError):
        list(read_rows(path, options, NOW))


_READ = """
import sys
from smarterproctoring_bulk.rows import InputError, InputOptions, read_rows
try:
    list(read_rows(sys.argv[1], InputOptions(unknown="ignore")))
except InputError as error:
    print(error)
"""


@pytest.mark.slow
def test_damage_that_aborts_the_reader_is_an_error_of_the_list(parquet: Callable[..., Path]) -> None:
    """Read in a process of its own, so that its death would be a failure of this test, and not its end."""
    text = pytest.importorskip("arro3.core").DataType.utf8()
    path = parquet({"notes": ([f"x{number}" for number in range(50)], text)})
    content = bytearray(path.read_bytes())
    content[14] = 0
    path.write_bytes(content)
    done = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.partition(";")[0]) == (0, "the Parquet file is damaged or of an unknown kind")


_WITH_ITS_OWN_PATH = """
import json, os, sys
sys.path[:] = json.loads(os.environ["PLACES"])
from smarterproctoring_bulk.rows import InputOptions, read_rows
print(len(list(read_rows(sys.argv[1], InputOptions(common=json.loads(sys.argv[2]))))))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there the program of an environment is no link to the real one")
def test_parquet_is_read_where_only_this_process_finds_the_packages(parquet: Callable[..., Path]) -> None:
    """A program may set `sys.path` itself; the process that reads first does not have that."""
    text = pytest.importorskip("arro3.core").DataType.utf8()
    path = parquet({"sessionSid": ([es(1), es(2)], text)})
    common = json.dumps({"install": AI, "exam": EX, "notes": "x"})
    outside_of_the_environment = os.path.realpath(sys.executable)
    done = subprocess.run(
        [outside_of_the_environment, "-c", _WITH_ITS_OWN_PATH, str(path), common],
        env={"PLACES": json.dumps(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "2\n", done.stderr


def test_damaged_parquet_is_refused(parquet: Callable[..., Path]) -> None:
    text = pytest.importorskip("arro3.core").DataType.utf8()
    path = parquet({"installSid": ([AI] * 5000, text), "sessionSid": ([es(n) for n in range(5000)], text)})
    whole = path.read_bytes()
    options = InputOptions(common={"exam": EX, "notes": "x"})
    assert len(list(read_rows(path, options, NOW))) == 5000
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole[: len(whole) // 2] + whole[len(whole) // 2 + 40 :]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"not a whole Parquet file|damaged"):
            list(read_rows(path, options, NOW))
