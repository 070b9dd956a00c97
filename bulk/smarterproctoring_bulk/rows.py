"""From the records of a list to checked rows: columns, times, shifts, and the client's own rules."""

from __future__ import annotations

import difflib
import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from smarterproctoring import Problem as CallProblem
from smarterproctoring.commands import (
    Item,
    TimeError,
    ZoneError,
    item_from_text,
    keyword_items,
    keyword_problems,
    length_problem,
    limit_problem,
    order_of,
    path_parameters,
    path_problem,
    place,
    read_time,
    zone,
)
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION as OPERATION
from smarterproctoring_generated.records import Hidden, Parameter

from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.tables import (
    Format,
    InputError,
    ListOptions,
    Record,
    Table,
    Unusable,
    open_table,
)

__all__ = [
    "INSTALL",
    "START",
    "TIMES",
    "InputError",
    "InputOptions",
    "Problem",
    "Reader",
    "Row",
    "Shift",
    "keyword_of",
    "kind_of",
    "read_moment",
    "read_rows",
]

_SID_ITEMS: Final = path_parameters(OPERATION)
_KEYWORDS: Final = keyword_items(OPERATION)
_SIDS: Final = tuple(item.keyword for item in _SID_ITEMS)
_FIELDS: Final = tuple(item.keyword for item in _KEYWORDS)
TIMES: Final = frozenset(
    item.keyword for item in _KEYWORDS if item.format == "date-time"
)
"""The fields that are times, by keyword."""
_TIMES: Final = tuple(keyword for keyword in _FIELDS if keyword in TIMES)
_ZONE: Final = "time zone"
_CHOICES: Final = frozenset(item.keyword for item in _KEYWORDS if item.allowed)
_TYPED: Final = {
    item.keyword: item for item in _KEYWORDS if item.type not in ("string", "", None)
}
"""The fields that are not text, such as numbers; a list gives them as text."""
_FREE: Final = frozenset(
    item.keyword
    for item in _KEYWORDS
    if item.type == "string" and not (item.allowed or item.pattern or item.format)
)
"""The fields that may be any text."""
_TRIMMED: Final = {*_SIDS, *TIMES, *_CHOICES, _ZONE}
_ALL: Final[tuple[Item, ...]] = (*_SID_ITEMS, *_KEYWORDS)
_NAMES: Final = {item.keyword: item.name for item in _ALL}
_DESCRIPTIONS: Final = {item.keyword: item.description.rstrip(".") for item in _ALL}
_EXACT: Final = {name: keyword for keyword, name in _NAMES.items()} | {
    keyword: keyword for keyword in _NAMES
}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


# A SID or a time is what it says in any spelling; the short names are the command line's. The proctor's own data are
# not: a column "First Name" may well be the student's. Those need their exact name, or a mapping.
_LOOSE: Final = {
    _plain(name): keyword
    for keyword in (*_SIDS, *sorted(TIMES))
    for name in (
        keyword,
        keyword.removesuffix("_sid"),
        keyword.removesuffix("_sid") + "_id",
    )
} | {"start": "appointment_start_date_time", "end": "appointment_end_date_time"}
_SIMILAR: Final = {_plain(keyword): keyword for keyword in _NAMES} | _LOOSE
_HINTS: Final = {"(start|begin)(s|ing)?": "start", "(end|finish)(s|es|ing)?": "end"}

_MAX_COLUMNS: Final = 1000
_MAX_SHOWN: Final = 80
"""Characters of a column's name in a message."""
_SERIAL = re.compile(r"\d{1,6}([.,]\d+)?")
_UNIX = re.compile(r"\d{9,11}([.,]\d+)?|\d{13}")
_SHEET_ERROR = re.compile(
    r"#(REF!|N/A|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!)|#{3,}"
)
_SCIENTIFIC = re.compile(r"\d(?:[.,](?P<decimals>\d+))?E\+(?P<exponent>\d+)")
_SOUND = re.compile(
    "[A-Z]{2}[0-9a-f]{32}"
    "|[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?([+-][0-9]{2}:[0-9]{2}|Z)?"
)
"""A SID or a time, of which nothing has become something else."""
INSTALL: Final = "install_sid"
"""The keyword of the install, which a list may leave to an option, the environment or a profile."""
START: Final = "appointment_start_date_time"
"""The field that says when a session starts, by keyword."""
_END: Final = "appointment_end_date_time"
_NUMERIC_DATE: Final = re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{4}")
_APOSTROPHES: Final = "'\u2018\u2019`"
_PLACEHOLDERS: Final = frozenset(
    {"NULL", "null", "(null)", "\\N", "nan", "NaN", "NAN", "NaT", "<NA>", "None"}
)
"""How databases and data frames write a cell that is empty. `Null` is a name of people."""
_CELL_FORMAT = (
    "give its column the format yyyy-mm-dd hh:mm in the spreadsheet, and export again"
)


class Row(NamedTuple):
    """One session to change.

    Attributes:
        line: Where the row begins in the list; 1 is the first line (of Parquet: the first row).
        sids: Install, exam and session.
        fields: What to change, by keyword of `reschedule`; times as `YYYY-MM-DDTHH:MM:SS.mmmZ`.
    """

    line: int
    sids: tuple[str, str, str]
    fields: dict[str, str]


class Problem(NamedTuple):
    """One thing wrong with one row.

    Attributes:
        line: Where the row begins, as in `Row`.
        column: The column as the list names it; empty if it is not about one.
        kind: What stands there, for instance `text of 12 characters`; never the value itself.
        fix: What is wrong, and how to fix it.
        session: The row's session SID, if that much is right.
    """

    line: int
    column: str
    kind: str
    fix: str
    session: str | None = None


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How to read a list. Columns are named by the API's or by the Python names.

    Attributes:
        map: The list's own column names, and what they mean; an empty meaning says: ignore this column.
        timezone: IANA name of the zone of all times that name none.
        timezone_column: The column that holds each row's zone.
        day_first: Whether 03/04/2030 is the 3rd of April (True) or the 4th of March (False); None refuses it.
        shift: What to add to every time of a row: `+2d`, `-90m`, `+1d12h`; days keep the hour on the clock.
        sets: Columns that get this value in every row, whatever the list says; `end` may be `start+2h`.
        common: Columns that the list leaves out or empty; a row that says another value is a problem.
        delimiter: One character; by default the one that finds the most known columns.
        encoding: A Python codec name; by default what the byte order mark says, else UTF-8.
        format: By default what the content says.
        unknown: Whether an unknown column refuses the list or is ignored.
        allow_past: Whether a time in the past is accepted.
        allow_far: Whether a time more than two years ahead is accepted.
        allow_long: Whether an end more than 24 hours after its start is accepted.
        sheet: The name of the sheet of a workbook; by default the only one that is visible and not empty.
        empty: Texts that stand for an empty cell, such as NULL.
    """

    map: Mapping[str, str] = field(default_factory=dict[str, str])
    timezone: str | None = None
    timezone_column: str | None = None
    day_first: bool | None = None
    shift: str | None = None
    sets: Mapping[str, str] = field(default_factory=dict[str, str])
    common: Mapping[str, str] = field(default_factory=dict[str, str])
    delimiter: str | None = None
    encoding: str | None = None
    format: Format | None = None
    unknown: Literal["refuse", "ignore"] = "refuse"
    allow_past: bool = False
    allow_far: bool = False
    allow_long: bool = False
    sheet: str | None = None
    empty: tuple[str, ...] = ()

    @property
    def list_options(self) -> ListOptions:
        """Return the options that open the file."""
        return ListOptions(
            format=self.format,
            encoding=self.encoding,
            delimiter=self.delimiter,
            sheet=self.sheet,
            ignore_nameless=self.unknown == "ignore" or "" in self.map,
        )


def read_rows(
    path: Path | str, options: InputOptions, now: datetime | None = None
) -> Iterator[Row | Problem]:
    """Read a list, row by row, in the order of the list; memory does not grow with it.

    Args:
        path: CSV, JSON Lines, Parquet, .xlsx or .ods.
        options: How to read it.
        now: The moment that the past ends at, aware; by default the present.

    Returns:
        For each row that is not blank: the checked row, or all that is wrong with it.

    Raises:
        InputError: The list as a whole cannot be used; iterating may raise it too.
    """
    return Reader(options, now).read(path)


class Reader:
    """Reads lists by one set of options.

    Attributes:
        columns: The names of the list's columns that were seen so far, each with the API's name for what it means:
            empty for one that is ignored.

    Raises:
        InputError: An option that cannot work.
    """

    def __init__(self, options: InputOptions, now: datetime | None = None) -> None:
        self.columns: dict[str, str] = {}
        self._options = options
        self._now = now or datetime.now(UTC)
        self._meanings: dict[str, tuple[str, str]] = {}
        self._orders: dict[str, tuple[bool, int]] = {}
        """Whether the day is first in a column of dates, and in which line that shows."""
        if options.map.get(""):
            raise InputError(
                "--map: a column without a name can only be ignored (--map =); "
                "name it in the header"
            )
        self._map = {
            column: meaning and _option(meaning, "--map")
            for column, meaning in options.map.items()
        }
        self._common = {
            _option(name, "a column for all rows"): value
            for name, value in options.common.items()
        }
        sets = {_option(name, "--set"): value for name, value in options.sets.items()}
        values = self._common | sets
        blank = [
            _NAMES[keyword] for keyword, value in values.items() if not value.strip()
        ]
        if blank:
            raise InputError(
                f"{blank[0]} is given no value; leave it out if it is not to be changed"
            )
        both = self._common.keys() & sets.keys()
        if both:
            raise InputError(
                f"{_NAMES[both.pop()]} is given twice: for all rows, and by --set"
            )
        self._relative = {}
        self._sets = {}
        for keyword, value in sets.items():
            relative = _relative(keyword, value)
            if relative is None:
                self._sets[keyword] = value
            else:
                self._relative[keyword] = relative
        problem = _zone_problem(options.timezone)
        if problem:
            raise InputError(f"--timezone: {problem}")
        self._shift = None if options.shift is None else Shift.parse(options.shift)
        shifts = [self._shift, *(shift for _, shift in self._relative.values())]
        has_zone = options.timezone is not None or options.timezone_column is not None
        if not has_zone and any(shift is not None and shift.days for shift in shifts):
            raise InputError(
                "a day keeps the hour on the clock, so say whose clock with --timezone America/New_York; "
                "or shift by hours, as in +48h"
            )

    def read(self, path: Path | str, *, check: bool = True) -> Iterator[Row | Problem]:
        """Read a list as `read_rows` does.

        Args:
            path: CSV, JSON Lines, Parquet, .xlsx or .ods.
            check: Whether to apply the client's own rules; rows that passed them once need them no more.
        """
        table = self.open(Path(path))
        return self._rows(table.records, check)

    def open(self, path: Path) -> Table:
        """Open a list, and check the names of its columns.

        Raises:
            InputError: The list as a whole cannot be used.
        """
        table = open_table(path, self._options.list_options, self._is_known)
        if table.columns is not None:
            self._check_columns(table.columns, table.header)
        return table

    def names_install(self, path: Path) -> bool:
        """Tell whether a list has a column for the install; of JSON Lines the first row counts.

        Raises:
            InputError: The list cannot be opened.
        """
        table = open_table(path, self._options.list_options, self._is_known)
        columns: Iterable[str] | None = table.columns
        if columns is None:
            first = next(iter(table.records), None)
            columns = [] if first is None else first.cells
        return any(
            self._map.get(column, _meaning(column)) == INSTALL for column in columns
        )

    # -- columns ------------------------------------------------------------------------------------------------------

    def _is_known(self, column: str) -> bool:
        return (
            column in self._map
            or column == self._options.timezone_column
            or _meaning(column) is not None
        )

    def _learn(self, column: str) -> tuple[str, str]:
        """Return what a column means, or else what is wrong with it, and remember it."""
        keyword = _meaning(column)
        wrong = ""
        if column == self._options.timezone_column:
            keyword = _ZONE
        elif column in self._map:
            keyword = self._map[column]
        elif keyword is None:
            wrong = self._unknown(column)
        if len(self._meanings) >= _MAX_COLUMNS:
            raise InputError(
                f"more than {_MAX_COLUMNS:,} different columns; is this a list of sessions?"
            )
        self.columns[column] = (
            _ZONE if keyword == _ZONE else _NAMES.get(keyword or "", "")
        )
        self._meanings[column] = keyword or "", wrong
        return self._meanings[column]

    def _unknown(self, column: str) -> str:
        """Say how to name an unknown column, or to ignore it; empty if it is ignored."""
        ignores = self._options.unknown == "ignore"
        near = _near(column, cutoff=0.85 if ignores else 0.7)
        if ignores and not near:
            return ""
        wrong = f"unknown column {column!r}"
        if near:
            name = _NAMES[near]
            wrong += f"; it may be {name} ({_DESCRIPTIONS[near]})"
            wrong += f": --map {_quoted(column, name)}"
        return f"{wrong}; ignore it with --map {_quoted(column, '')}"

    def _check_columns(self, columns: tuple[str, ...], line: int) -> None:
        """Find what is wrong with a header, once instead of in each row."""
        if not any(map(self._is_known, columns)):
            # Perhaps it is a row, so no cell of it is repeated.
            count = len(columns)
            cells = "its only cell is not"
            if count > 1:
                cells = f"none of its {count} cells is"
            raise InputError(
                f"line {line} is not a header: {cells} the name of a known column. "
                "Write the names of the columns above the rows. Known are "
                f"{', '.join(_NAMES.values())}; for others: "
                f"--map {_quoted('Their column', 'sessionSid')}"
            )
        requested = [column for column in self._map if column]
        if self._options.timezone_column:
            requested.append(self._options.timezone_column)
        absent = [column for column in requested if column not in columns]
        if absent:
            raise InputError(
                f"the list has no column {absent[0]!r}; it has: {_shown(columns)}"
            )
        given: dict[str, str] = {}
        problems: list[str] = []
        for column in columns:
            keyword, wrong = self._learn(column)
            if wrong:
                problems.append(wrong)
            elif keyword in given:
                problems.append(
                    f"the columns {given[keyword]!r} and {column!r} mean the same; drop one"
                )
            elif keyword:
                given[keyword] = column
        if problems:
            if len(problems) > 1 and self._options.unknown == "refuse":
                problems.append("all unknown columns are ignored with --ignore-unknown")
            raise InputError("\n".join(problems))
        known = {*given, *self._common, *self._sets, *self._relative}
        missing = [_NAMES[keyword] for keyword in _SIDS if keyword not in known]
        if missing:
            raise InputError(
                f"the list has no column {' and no column '.join(missing)}; it has: {_shown(columns)}. Name the column "
                f"with --map {_quoted('Their column', missing[0])}, or give one value for all rows{_for_all(missing)}"
            )
        if not known & set(_FIELDS):
            fields = ", ".join(_NAMES[keyword] for keyword in _FIELDS)
            raise InputError(
                f"nothing to change: the list has none of the columns {fields}"
            )

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _rows(self, records: Iterable[Record], check: bool) -> Iterator[Row | Problem]:
        for record in records:
            if record.broken:
                yield Problem(record.line, "", *record.broken)
                continue
            result = self._row(record, check)
            if isinstance(result, Row):
                yield result
            else:
                yield from result

    def _row(self, record: Record, check: bool) -> Row | list[Problem]:
        draft = _Draft(record.line)
        self._collect(draft, record.cells)
        where = draft.take_zone(self._options.timezone)
        self._complete(draft, where)
        moments = self._settle_times(draft, where)
        sids = tuple(draft.given.pop(keyword, None) for keyword in _SIDS)
        if check:
            self._check_limits(draft, moments)
            draft.check(sids, self._ways() if None in sids else "")
        fields = _typed(draft.given)
        if draft.problems:
            session = sids[-1] if _SIDS[-1] not in draft.wrong else None
            return [problem._replace(session=session) for problem in draft.problems]
        return Row(record.line, (str(sids[0]), str(sids[1]), str(sids[2])), fields)

    def _ways(self) -> str:
        """Return the ways to give the install of a row that names none.

        For a list that names its installs the environment and the profile do not count.
        """
        if _NAMES[INSTALL] in self.columns.values():
            return ", or one for all such rows with --install-sid"
        return _for_all([_NAMES[INSTALL]])

    def _collect(self, draft: _Draft, cells: Mapping[str, object]) -> None:
        """Take the cells that say something, by what their columns mean."""
        for column, value in cells.items():
            keyword, wrong = self._meanings.get(column) or self._learn(column)
            if wrong:
                draft.problems.append(
                    Problem(draft.line, column[:_MAX_SHOWN], kind_of(value), wrong)
                )
            if not keyword or value is None or value == "":
                continue
            first = draft.columns.get(keyword)
            draft.columns[keyword] = column
            draft.raw[keyword] = value
            if first is not None:
                draft.problem(keyword, f"the column {first!r} means the same; drop one")
            elif isinstance(value, Unusable):
                draft.problem(keyword, value.fix)
            elif isinstance(value, str):
                self._take_text(draft, keyword, value)
            elif isinstance(value, datetime) and keyword in TIMES:
                draft.moments[keyword] = value
            else:
                kind = kind_of(value)
                fix = _TYPE_FIXES.get(kind, "write it as text")
                if keyword in TIMES and kind == "a number":
                    fix = "write a date and a time, like 2030-05-04 09:00"
                draft.problem(keyword, fix)

    def _take_text(self, draft: _Draft, keyword: str, value: str) -> None:
        """Take the text of a cell, unless it stands for an empty one; find what spreadsheets make of it."""
        empty = self._options.empty
        # As most cells of a list are, so that they need no closer look.
        if _SOUND.fullmatch(value) and value not in empty:
            draft.given[keyword] = value
            return
        text = " ".join(value.split()) if keyword in _TRIMMED else value
        if not text or text.isspace() or text.strip() in empty:
            return
        fix = _text_fix(keyword, text)
        if fix:
            draft.problem(keyword, fix)
        else:
            draft.given[keyword] = text

    def _complete(self, draft: _Draft, where: str | None) -> None:
        """Add what is given once for all rows."""
        for keyword, value in self._common.items():
            own: str | datetime = draft.moments.get(keyword) or draft.given.setdefault(
                keyword, value
            )
            if own == value or keyword in draft.wrong:
                continue
            if keyword not in TIMES or self._moment(own, where) != self._moment(
                value, where
            ):
                draft.problem(
                    keyword,
                    "the row and the value for all rows say different things; drop one of the two",
                )
        for keyword, value in self._sets.items():
            draft.columns.pop(keyword, None)
            draft.moments.pop(keyword, None)
            draft.given[keyword] = draft.raw[keyword] = value

    def _settle_times(self, draft: _Draft, where: str | None) -> dict[str, datetime]:
        """Read, shift and compute the row's times, and put them into the wire form; return them."""
        found = self._read_times(draft, where)
        if self._shift is not None:
            moved = found.keys() - self._sets.keys()
            if not moved and not draft.problems:
                draft.problem("", "the row has no time to shift")
            for keyword in moved:
                found[keyword] = self._shift.apply(found[keyword], where)
        for keyword, (base, shift) in self._relative.items():
            if base in found:
                found[keyword] = shift.apply(found[base], where)
            elif base not in draft.wrong:
                draft.problem(
                    keyword,
                    f"it is computed from {_NAMES[base]}, which the row does not give",
                )
        moments: dict[str, datetime] = {}
        for keyword in _TIMES:
            moment = found.get(keyword)
            if isinstance(moment, datetime):
                try:
                    draft.given[keyword] = _wire(moment)
                except OverflowError:
                    draft.problem(keyword, "the time is out of range")
                else:
                    moments[keyword] = moment
            elif moment is not None:
                draft.problem(keyword, moment)
        return moments

    def _read_times(
        self, draft: _Draft, where: str | None
    ) -> dict[str, datetime | str]:
        """Return the moment of each time that the row gives, or else how to fix it."""
        found: dict[str, datetime | str] = {}
        for keyword in _TIMES:
            text = draft.given.pop(keyword, None)
            if text is not None:
                found[keyword] = self._moment(text, where)
                self._check_order(draft, keyword, text)
            elif keyword in draft.moments:
                found[keyword] = self._moment(draft.moments[keyword], where)
        return found

    def _check_limits(self, draft: _Draft, moments: Mapping[str, datetime]) -> None:
        """Find times that are probably slips: in the past, or years ahead."""
        options = self._options
        for keyword, moment in moments.items():
            problem = limit_problem(
                moment, self._now, allow_past=options.allow_past, allow_far=options.allow_far
            )  # fmt: skip
            if problem is not None:
                draft.problem(keyword, f"the time {problem}")
        start = moments.get(START)
        end = moments.get(_END)
        if start is not None and end is not None and _END not in draft.wrong:
            problem = length_problem(start, end, allow_long=options.allow_long)
            if problem is not None:
                draft.problem(_END, f"the time {problem}")

    def _check_order(self, draft: _Draft, keyword: str, text: str) -> None:
        """Find a date whose order of day and month is not that of its column."""
        column = draft.columns.get(keyword)
        if column is None or self._options.day_first is not None:
            return
        day_first = _order(text) if _NUMERIC_DATE.search(text) else None
        if day_first is None:
            return
        before, line = self._orders.setdefault(column, (day_first, draft.line))
        if before != day_first:
            here, there = ("day", "month") if day_first else ("month", "day")
            draft.problem(
                keyword,
                f"it has the {here} first, and line {line} of this column has the {there} "
                "first; correct one of them, or write 2030-05-04",
            )

    def _moment(self, value: str | datetime, where: str | None) -> datetime | str:
        """Return the moment that is meant, or else how to fix it."""
        if isinstance(value, str):
            return read_moment(value, where, self._options.day_first)
        if value.tzinfo is not None:
            return value
        return (
            _place(value, where)
            if where
            else "the time has no zone; say which with --timezone America/New_York, or timezone in a profile"
        )


class _Draft:
    """One row in the making."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.columns: dict[str, str] = {}
        """The column that each value came from, by keyword, as the two below."""
        self.raw: dict[str, object] = {}
        self.given: dict[str, str] = {}
        self.moments: dict[str, datetime] = {}
        """Times that the list holds as such, not as text."""
        self.problems: list[Problem] = []
        self.wrong: set[str] = set()

    def problem(self, keyword: str, fix: str) -> None:
        column = self.columns.get(keyword) or _NAMES.get(keyword, "")
        kind = kind_of(self.raw.get(keyword)) if keyword else ""
        self.problems.append(Problem(self.line, column[:_MAX_SHOWN], kind, fix))
        self.wrong.add(keyword)

    def take_zone(self, default: str | None) -> str | None:
        """Return the name of the row's zone."""
        where = self.given.pop(_ZONE, default)
        problem = _zone_problem(where)
        if problem is not None and _ZONE not in self.wrong:
            self.problem(_ZONE, problem)
        return (
            "UTC" if _ZONE in self.wrong else where
        )  # UTC only to check the row's times anyway

    def check(self, sids: tuple[str | None, ...], ways: str) -> None:
        """Apply the client's own rules.

        Args:
            sids: Install, exam and session.
            ways: The ways to give an install that is missing.
        """
        given = list(zip(_SID_ITEMS, sids, strict=True))
        for item, sid in given:
            if sid is None and item.keyword not in self.wrong:
                fix = f"give the {_DESCRIPTIONS[item.keyword]}"
                self.problem(
                    item.keyword, fix + ways if item.keyword == INSTALL else fix
                )
        for item, sid in given:
            if sid is None or item.keyword in self.wrong:
                continue
            problem = _sid_problem(item, sid)
            if problem is not None:
                self.problem(item.keyword, problem.text)
        # What is wrong already was left out, so that there may seem to be nothing to change.
        allow_empty = bool(self.problems)
        # Rows that differ in such texts alone are checked once.
        given_fields = tuple(
            (keyword, "x" if keyword in _FREE and value.isprintable() else value)
            for keyword, value in self.given.items()
        )
        for found in _field_problems(given_fields, allow_empty):
            if found.field not in self.wrong:
                self._found(found)

    def _found(self, found: CallProblem) -> None:
        """Note a problem that the client's rules have found."""
        if found.code == "order":
            # The client names the other field by its keyword, which no list has.
            self.problem(found.field, "must be after the start")
        elif found.field in _NAMES:
            self.problem(found.field, found.text)
        else:
            self.problem("", str(found))


@lru_cache(maxsize=2**10)  # a list has few different installs and exams
def _sid_problem(item: Parameter, sid: str) -> CallProblem | None:
    """Return what the client says of a SID; None if it is right."""
    return path_problem(item, sid)


@lru_cache(maxsize=2**12)  # many rows of a list ask for the same times
def _field_problems(
    given: tuple[tuple[str, str], ...], allow_empty: bool
) -> tuple[CallProblem, ...]:
    """Return what the client says of the fields, given as text."""
    fields: Hidden[Mapping[str, object]] = Hidden(_typed(dict(given)))
    return tuple(keyword_problems(OPERATION, fields, allow_empty=allow_empty))


def _typed(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields with those that are not text, such as numbers, as what they are."""
    fields: dict[str, Any] = dict(given)
    for keyword in _TYPED.keys() & fields.keys():
        fields[keyword] = item_from_text(_TYPED[keyword], fields[keyword])
    return fields


class Shift(NamedTuple):
    """How far to move a time.

    Attributes:
        days: Calendar days: the hour on the clock stays, whatever summer time does.
        rest: Hours and less, which are exact.
    """

    days: int
    rest: timedelta

    @classmethod
    def parse(cls, text: str) -> Shift:
        """Read `+2d`, `-90m`, `+1w2d` or `+1d12h30m`.

        Raises:
            InputError: It is something else.
        """
        match = re.fullmatch(
            r"([+-])((?:\d{1,6}[wdhms])+)", re.sub(r"\s", "", text), re.ASCII
        )
        if match is None:
            raise InputError(
                "a shift is a sign and numbers of w, d, h, m (minutes) or s, as in +2d, -90m or +1d12h"
            )
        sign = -1 if match[1] == "-" else 1
        amounts = dict.fromkeys("wdhms", 0)
        for amount, unit in re.findall(r"(\d+)([wdhms])", match[2]):
            amounts[unit] += sign * int(amount)
        rest = timedelta(hours=amounts["h"], minutes=amounts["m"], seconds=amounts["s"])
        return cls(amounts["w"] * 7 + amounts["d"], rest)

    def apply(self, moment: datetime | str, where: str | None) -> datetime | str:
        """Return the moment after the shift, or else how to fix it; a fix stays as it is."""
        if isinstance(moment, str):
            return moment
        try:
            if self.days:
                if where is None:
                    return "a day keeps the hour on the clock, so the row has to name its time zone"
                on_the_clock = moment.astimezone(zone(where)).replace(
                    tzinfo=None, fold=0
                ) + timedelta(days=self.days)
                placed = _place(on_the_clock, where)
                if isinstance(placed, str):
                    return f"after the shift, {placed}"
                moment = placed
            return moment.astimezone(UTC) + self.rest
        except OverflowError:
            return "after the shift, the time is out of range"


def kind_of(value: object) -> str:
    """Say what kind of value this is, and nothing of the value."""
    if isinstance(value, str):
        return f"text of {counted(len(value), 'character')}" if value else "empty"
    if isinstance(value, Unusable):
        return value.kind
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (type(None), "empty"),
        (bool, "true or false"),
        ((int, float, Decimal), "a number"),
        (datetime, "a time"),
        (date, "a date without a time"),
        (time, "a time without a date"),
        (timedelta, "a length of time"),
        (bytes, "bytes"),
        (list, "a list"),
        (dict, "an object"),
    )
    return next(
        (name for kind, name in kinds if isinstance(value, kind)), "something else"
    )


_TYPE_FIXES: Final = {
    "a number": "write it as text (in JSON: in quotes); a number may have lost digits, such as zeros at its front",
    "a date without a time": "give the time of the day too",
    "a time without a date": "give the date too",
    "a length of time": "give the date and the time of the day",
}


def _text_fix(keyword: str, text: str) -> str | None:
    """Find what spreadsheets and broken exports make of a cell; None if it looks sound."""
    fix = None
    if "\0" in text:
        fix = "it has a NUL character; export the list again, or say its --encoding"
    elif text[0] == "#" and _SHEET_ERROR.fullmatch(text):
        fix = "it is an error of the spreadsheet; fix the cell there, and export again"
    elif text[-1].isdigit() and (number := _SCIENTIFIC.fullmatch(text)):
        fix = _scientific_fix(number)
    elif text.strip() in _PLACEHOLDERS:
        shown = shlex.quote(text.strip())
        fix = (
            "it is how databases write an empty cell; empty it, "
            f"or say that it is one with --empty {shown}"
        )
    elif keyword in _TRIMMED and (found := _invisible(text)):
        fix = f"it has the invisible character {found}; delete it"
    elif keyword in _TRIMMED and text[0] in _APOSTROPHES:
        fix = "it begins with an apostrophe, by which spreadsheets mark text; delete it"
    elif keyword in TIMES:
        if _SERIAL.fullmatch(text):
            fix = f"it is a bare number, such as spreadsheets keep times in; {_CELL_FORMAT}"
        elif _UNIX.fullmatch(text):
            fix = "it is a bare number, perhaps seconds since 1970; write it as 2030-05-04T13:00:00Z"
        elif len(text) > _MAX_SHOWN:
            fix = "it is not a date and time, like 2030-05-04 09:00"
    return fix


def _scientific_fix(number: re.Match[str]) -> str:
    """Say how to fix a number that a spreadsheet shows in scientific notation."""
    if int(number["exponent"]) > len(number["decimals"] or ""):
        return (
            "the spreadsheet has rounded a long number; make its column text, enter it "
            "again, and export again"
        )
    return (
        "it is a number in scientific notation; give its column the format 0.00 in the "
        "spreadsheet, and export again"
    )


def _invisible(text: str) -> str:
    """Name the first character that nobody sees; empty if there is none."""
    if text.isascii():
        return ""
    for character in text:
        if unicodedata.category(character) == "Cf":
            name = unicodedata.name(character, "without a name")
            return f"U+{ord(character):04X} ({name})"
    return ""


def _zone_problem(name: str | None) -> str | None:
    """Say how to fix the name of a zone; None if it is one, or if there is none."""
    try:
        if name is not None:
            zone(name)
    except ZoneError as error:
        return error.reason
    return None


@lru_cache(maxsize=2**15)  # a list has few different times
def read_moment(text: str, where: str | None, day_first: bool | None) -> datetime | str:
    """Read a time as people write it; return the moment in UTC, or else how to fix it."""
    try:
        moment = read_time(
            text, None if where is None else zone(where), day_first=day_first
        )
        return moment.astimezone(UTC)
    except TimeError as error:
        return f"it {error.reason}"
    except OverflowError:
        return "the time is out of range"


@lru_cache(maxsize=2**12)
def _order(text: str) -> bool | None:
    return order_of(text)


def _place(moment: datetime, where: str) -> datetime | str:
    """Find the moment at which clocks show this; return how to fix it if there is none, or two."""
    try:
        return place(moment, zone(where))
    except ValueError as error:
        return f"the time {error}"


@lru_cache(maxsize=2**12)
def _wire(moment: datetime) -> str:
    return (
        moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
        + "Z"
    )


def _for_all(missing: Iterable[str]) -> str:
    """Return the ways to give one install for all rows, if that is missing."""
    if _NAMES[INSTALL] not in missing:
        return ""
    return (
        f" (of {_NAMES[INSTALL]}: --install-sid, SMARTERPROCTORING_INSTALL_SID, "
        "or install_sid in a profile)"
    )


def keyword_of(name: str) -> str | None:
    """Return the keyword of a column that an option names; None if there is no such column."""
    return _meaning(name)


def _meaning(column: str) -> str | None:
    return _EXACT.get(column) or _LOOSE.get(_plain(column))


def _near(column: str, cutoff: float) -> str | None:
    """Find the keyword that a column's name may stand for."""
    plain = _plain(column)[:_MAX_SHOWN]
    found = difflib.get_close_matches(plain, _SIMILAR, n=1, cutoff=cutoff)
    if found:
        return _SIMILAR[found[0]]
    words = re.findall("[a-z]+", column.lower()) if cutoff < 0.8 else ()
    return next(
        (
            _LOOSE[name]
            for hint, name in _HINTS.items()
            if any(re.fullmatch(hint, word) for word in words)
        ),
        None,
    )


def _option(name: str, where: str) -> str:
    """Return the keyword of a column that an option names."""
    keyword = _meaning(name)
    if keyword is None:
        near = _near(name, 0.7)
        hint = (
            f"did you mean {_NAMES[near]}?"
            if near
            else f"known are {', '.join(_NAMES.values())}"
        )
        raise InputError(f"{where}: there is no column {name!r}; {hint}")
    return keyword


def _relative(keyword: str, value: str) -> tuple[str, Shift] | None:
    """Read `start+2h`; None if it is no such thing."""
    match = re.fullmatch(r"\s*([A-Za-z_]+)\s*([+-].*)", value)
    if match is None or keyword not in TIMES:
        return None
    base = _meaning(match[1])
    return (base, Shift.parse(match[2])) if base is not None and base in TIMES else None


def _quoted(column: str, meaning: str) -> str:
    return shlex.quote(f"{column}={meaning}")


def _shown(columns: Iterable[str]) -> str:
    shown = [repr(column[:_MAX_SHOWN]) for column in columns]
    return ", ".join(shown[:20]) + (
        f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    )
