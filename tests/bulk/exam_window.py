"""The lists of docs/how-to/exam-window.md: a workbook of 1,200 rows with every trouble that people bring, and a CSV."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

from bulk.runs import EXAM, INSTALL, session
from bulk.workbooks import Cell, Error, Formula, Sheet, write_xlsx

ROWS = 1200
HEADER: tuple[Cell, ...] = ("Student", "Install SID", "Exam SID", "Session SID", "Start", "End")
NOTES = ("Please do not delete this sheet", None, None, None, None, None)
HOURS = dt.timedelta(hours=2)
MERGED = 340
HIDDEN = 620


def write_exams(path: Path) -> None:
    """Write the workbook: `Notes`, which is not a list, and `Window`, of which these rows are wrong.

    Rows count as the spreadsheet shows them; 1 is the header.
    """
    rows = [_row(number) for number in range(2, ROWS + 2)]
    for number, cells in _troubles().items():
        for column, cell in cells.items():
            rows[number - 2][HEADER.index(column)] = cell
    merged = (f"E{MERGED}:E{MERGED + 1}",)
    window = Sheet("Window", [HEADER, *rows], frozenset({HIDDEN}), merged)
    write_xlsx(path, Sheet("Notes", [NOTES, NOTES]), window)


def _start(number: int) -> dt.datetime:
    return dt.datetime(2027, 5, 3 + number % 12, 8 + number % 9)


def _row(number: int) -> list[Cell]:
    start = _start(number)
    return [f"Student {number}", INSTALL, EXAM, session(number), start, start + HOURS]


def _troubles() -> dict[int, dict[str, Cell]]:
    """Return the cells that are wrong, by row and column."""
    return {
        40: {"Session SID": session(40)[:-1]},  # a character is missing
        77: {"Session SID": EXAM},  # the SID of an exam
        103: {"Session SID": f"\u200b{session(103)}"},  # a character that nobody sees
        151: {"Session SID": None},
        204: {"Start": "05/04/2027 9:00 AM", "End": "05/04/2027 11:00 AM"},  # 4 May, or 5 April
        255: {"Start": dt.datetime(2027, 3, 14, 2, 30), "End": dt.datetime(2027, 3, 14, 5)},  # the clocks skip it
        256: {"Start": dt.datetime(2027, 11, 7, 1, 30), "End": dt.datetime(2027, 11, 7, 5)},  # the clocks repeat it
        MERGED + 1: {"Start": None},
        410: {"Start": dt.date(2027, 5, 6)},  # no time of day
        455: {"Start": dt.datetime(2026, 5, 6, 9), "End": dt.datetime(2026, 5, 6, 11)},  # last year
        500: {"Start": dt.datetime(2027, 5, 6, 13), "End": dt.datetime(2027, 5, 6, 11)},
        501: {"End": _start(501) + dt.timedelta(days=31, hours=2)},  # the wrong month
        560: {"Start": Formula(None)},
        561: {"End": Error("#REF!")},
        700: {"Session SID": session(699), "Start": _start(699), "End": _start(699) + HOURS},  # row 699 again
        801: {"Session SID": session(800)},  # row 800 with another time
        902: {"Start": "9am-11am"},
        903: {"Start": "4 May 2027 9am", "End": "4 May 2027 11am"},  # text, and clear
        1001: {"Start": 46146.375},  # a number, not a date
    }


def correct(rest: Path, corrected: Path) -> None:
    """Correct what `--rest` has written, as a person does: most rows as they should be, and one not."""
    with rest.open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream)
    sids = HEADER.index("Session SID")
    with corrected.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for cells in rows:
            number = int(cells[0].removeprefix("Student "))
            start = _start(number)
            cells[sids] = session(number)
            cells[sids + 1] = f"{start:%Y-%m-%d %H:%M}"
            cells[sids + 2] = f"{start + HOURS:%Y-%m-%d %H:%M}"
            writer.writerow(cells)
