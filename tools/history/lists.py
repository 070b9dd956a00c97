"""Lists as files, and as what is known of their rows."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from history.facts import Row, change_of
from history.plan import PlannedList, PlannedRow

INSTALL: Final = "AI" + "1f" * 16
EXAM: Final = "EX" + "2e" * 16
_COLUMNS: Final = (
    "installSid", "examSid", "sessionSid", "appointmentStartDateTime", "notes",
)  # fmt: skip
_DAY: Final = datetime.now(UTC).replace(hour=0, minute=0) + timedelta(days=90)
"""A day that lists may name without an option."""


def session_of(history: str, number: int) -> str:
    """Return the SID of a session; of a negative number a wrong one."""
    digest = hashlib.md5(f"{history} {number}".encode(), usedforsecurity=False)
    return "ES" + digest.hexdigest() if number >= 0 else "ESwrong"


def start_of(version: int) -> str:
    """Return the start that a version asks for: another for each."""
    return f"{_DAY + timedelta(minutes=version):%Y-%m-%dT%H:%M}:00.000Z"


def notes_of(version: int) -> str:
    """Return the notes that a version asks for."""
    return f"v{version}"


def write_list(path: Path, history: str, planned: PlannedList) -> None:
    """Write a list as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for row in planned.rows:
            cells = (start_of(row.version), notes_of(row.version))
            writer.writerow((INSTALL, EXAM, session_of(history, row.number), *cells))


def rows_of(history: str, rows: Sequence[PlannedRow]) -> list[Row]:
    """Return what is known of the rows of a list."""
    return [
        Row(
            line=line,
            session=session_of(history, row.number),
            change=change_of(notes_of(row.version), start_of(row.version)),
            kind=row.kind,
        )
        for line, row in enumerate(rows, 2)
    ]


def seed_of(history: str, lists: Sequence[PlannedList]) -> list[dict[str, object]]:
    """Return all sessions as they are before the history, as the mock server takes them."""
    numbers = {row.number for each in lists for row in each.rows if row.number >= 0}
    fields = {"notes": "as it was", "appointmentStartDateTime": start_of(0)}
    return [
        {
            "installSid": INSTALL,
            "examSid": EXAM,
            "sessionSid": session_of(history, number),
            "fields": fields,
        }
        for number in sorted(numbers)
    ]
