"""The lists that docs/reference/bulk.md and bulk-input.md begin with, as a spreadsheet would export them."""

from __future__ import annotations

from pathlib import Path

from bulk.runs import EXAM, INSTALL, session

MOVES = 1200


def write_moves(path: Path) -> None:
    """Write 1,200 moves: a byte order mark, line breaks in cells, an empty line, a row twice, and three wrong ones."""
    lines = ["Customer;Exam;Session ID ;New start;New end;Remark"]
    for number in range(1, MOVES):
        lines.append(_move(number))
        if number == 500:
            lines.append("")
    lines.append(_move(1))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


def _move(number: int) -> str:
    sid = {6: " ES12\t ", 55: session(12)}.get(number, session(number))
    date, hour = f"5/{1 + number % 28}/2027", 8 + number % 9
    start = f"{date} {hour % 12 or 12}:00 {'AM' if hour < 12 else 'PM'}"
    end = f"{date} {hour - 1 if number == 55 else hour + 2}:30"
    remark = '"moved;\ncampus closed"' if 7 <= number <= 11 else "moved"
    return f"{INSTALL};{EXAM};{sid};{start};{end};{remark}"


def write_may(path: Path) -> None:
    """Write ten rows, most of them wrong in some way."""
    day, nine, eleven = "05/04/2027", "05/04/2027 9:00 AM", "05/04/2027 11:00 AM"
    rows = [
        (1, nine, eleven, "America/New_York", "ada@example.org", '"Moved;\ncampus closed"'),
        (2, nine, eleven, "America/Chicago", "bob@example.org", ""),
        (3, "46146.375", "46146.4583", "America/Chicago", "eve@example.org", ""),
        (4, "3/14/2027 2:30AM", "3/14/2027 5:30AM", "America/New_York", "joe@example.org", ""),
        (1, eleven, f"{day} 1:00 PM", "America/New_York", "ada@example.org", ""),
        (5, nine, eleven, "EST", "sue@example.org", ""),
        (6, nine, eleven, "America/New_York", "kim@example.org", ""),
        (2, f"{day} 9am", eleven, "America/Chicago", "bob@example.org", ""),
        (7, f"{day} 9am-11am", "", "America/New_York", "lee@example.org", '"Two\ntimes"'),
        (8, nine, eleven, "America/New_York", "max@example.org", ""),
    ]
    lines = ["Session ID;Exam SID;Starts (local);Ends (local);Campus zone;Student Email;Notes;"]
    for number, *cells in rows:
        sid = f"ES{number:032x}"
        lines.append(";".join([sid[:-1] if number == 8 else sid, EXAM, *cells, ""]))
    path.write_text("\n".join(lines) + "\n")
