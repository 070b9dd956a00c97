"""What the contract tests draw from the spec, and how much: few cases in every run and always the same, or many.

`CONTRACT_EXAMPLES=N` draws N random ones for each test; `make fuzz` sets it. hypothesis prints how to repeat a failure.
"""

from __future__ import annotations

import os
import re
import string
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

SPEC = Path(__file__).resolve().parents[2] / "openapi" / "smarterproctoring.yaml"
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "0"))
DOCUMENT: dict[str, Any] = yaml.load(SPEC.read_text(), Loader=yaml.CSafeLoader)
(TEMPLATE,) = DOCUMENT["paths"]
METHOD = "PUT"
CHANGE: dict[str, Any] = DOCUMENT["components"]["schemas"]["SessionChange"]
FIELDS: dict[str, dict[str, Any]] = {
    name: DOCUMENT["components"]["schemas"]["SystemType"] if "$ref" in schema else schema
    for name, schema in CHANGE["properties"].items()
}
PARAMETERS: dict[str, dict[str, Any]] = DOCUMENT["components"]["parameters"]
PATTERNS: dict[str, str] = {one["name"]: one["schema"]["pattern"] for one in PARAMETERS.values()}
TIMES = [name for name, schema in FIELDS.items() if schema.get("format") == "date-time"]
SHOWN = {name: schema["x-reads-back-as"] for name, schema in FIELDS.items() if "x-reads-back-as" in schema}
"""What a read calls the fields."""
BEFORE = {name: schema["x-before"] for name, schema in FIELDS.items() if "x-before" in schema}


def drawn(few: int) -> settings:
    """Say how many examples a test draws: `few`, the same every time, unless many are asked for."""
    return settings(
        max_examples=EXAMPLES or few, derandomize=not EXAMPLES, database=None, deadline=None, print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip


def keyword(name: str) -> str:
    """Return a field's or parameter's name as Python writes it."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


@dataclass(frozen=True)
class Change:
    """One call: the three SIDs in the path's order, and the fields by their names on the wire."""

    sids: tuple[Any, ...]
    fields: dict[str, Any]

    def keywords(self) -> dict[str, Any]:
        """Return the fields by their Python names."""
        return {keyword(name): value for name, value in self.fields.items()}


# --- valid ------------------------------------------------------------------------------------------------


def _operation() -> Any:
    # A typed client cannot send fields that the spec does not name, nor, unless it is told to, none at all.
    document = deepcopy(DOCUMENT)
    document["components"]["schemas"]["SessionChange"] |= {"additionalProperties": False, "minProperties": 1}
    return schemathesis.openapi.from_dict(document)[TEMPLATE][METHOD]


def _change(case: Case[Any]) -> Change:
    assert isinstance(case.body, dict)
    return Change(tuple(case.path_parameters[name] for name in PATTERNS), dict(case.body))


@st.composite
def _aware(draw: st.DrawFn, text: str) -> str | datetime:
    """Draw another way to say the same moment: as text, or as a datetime of some zone."""
    if draw(st.booleans()):
        return text
    wire = wire_time(text)
    if wire is None:
        return text
    moment = datetime.strptime(wire, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    zone = timezone(timedelta(minutes=draw(st.integers(-14 * 60, 14 * 60))))
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Draw a call that the spec allows."""
    change = draw(CHANGES)
    for name in change.fields.keys() & set(TIMES):
        change.fields[name] = draw(_aware(change.fields[name]))
    return change


CHANGES: st.SearchStrategy[Change] = st.deferred(
    lambda: _operation().as_strategy(generation_mode=GenerationMode.POSITIVE).map(_change)
)
"""Calls as schemathesis draws them: every field is text that the schema allows."""

# --- invalid ----------------------------------------------------------------------------------------------

VALID = Change(tuple(prefix + "0123456789abcdef" * 2 for prefix in ("AI", "EX", "ES")), {"notes": "moved"})


def _damaged_sid(sid: str) -> st.SearchStrategy[Any]:
    """Draw what a SID becomes by a slip; some are still valid, and filtered out later."""
    place = st.integers(0, len(sid) - 1)
    odd = st.sampled_from([*string.ascii_uppercase, *"ghz/\\%?#.;:@ \t\r\n\0", "é", "\uff10", "\u0661", "\ud800"])
    return st.one_of(
        st.builds(lambda at, new: sid[:at] + new + sid[at + 1 :], place, odd),
        st.builds(lambda at, new: sid[:at] + new + sid[at:], place, odd),
        st.builds(lambda at: sid[:at] + sid[at + 1 :], place),
        st.builds(lambda at: sid[:at] + sid[at].upper() + sid[at + 1 :], place),
        st.sampled_from([sid.upper(), sid.lower(), sid + "\n", " " + sid, sid + " ", sid + sid]),
        st.sampled_from([sid[2:], sid[:2], "", "..", "."]),
        st.builds(lambda other: other + sid[2:], st.sampled_from(["AI", "EX", "ES", "EN", "AC", "II"])),
        st.text(max_size=40),
        st.sampled_from([None, 5, sid.encode(), [sid], {"sid": sid}, True]),
    )


def _breaks(pattern: str) -> Callable[[Any], bool]:
    """Return whether a value breaks a pattern of the spec; ECMA-262's `$` is the very end."""
    rule = re.compile(pattern.removeprefix("^").removesuffix("$"), re.ASCII)
    return lambda sid: not (isinstance(sid, str) and rule.fullmatch(sid))


@st.composite
def wrong_sids(draw: st.DrawFn) -> Change:
    """Draw a call with one SID or more that the patterns do not allow."""
    sids = list(VALID.sids)
    for index in draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True)):
        sids[index] = draw(_damaged_sid(sids[index]).filter(_breaks(list(PATTERNS.values())[index])))
    return Change(tuple(sids), dict(VALID.fields))


_NOT_TEXT = st.one_of(st.integers(), st.floats(), st.booleans(), st.binary(), st.lists(st.text()), st.just({"a": 1}))
_NAIVE = st.datetimes()
_NO_TIMES = st.one_of(
    st.text(max_size=30).filter(lambda text: not text.endswith("Z")),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: moment.isoformat() + "+00:00"),
    st.datetimes().map(lambda moment: moment.isoformat() + "z"),
    st.datetimes().map(lambda moment: moment.isoformat(sep=" ") + "Z"),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z\n"),
    st.dates().map(lambda day: day.isoformat() + "Z"),
    st.sampled_from(["2030-02-30T10:00:00Z", "2030-13-01T10:00:00Z", "2030-01-01T25:00:00Z"]),
    st.sampled_from(["Z", "nonsenseZ", "12:00Z", ""]),
)


@st.composite
def wrong_fields(draw: st.DrawFn) -> Change:
    """Draw a call with a value, beside good ones, that its field does not take: the generated body takes it as well."""
    good = draw(CHANGES).fields
    name = draw(st.sampled_from(sorted(FIELDS)))
    wrong: st.SearchStrategy[Any]
    if name in TIMES:
        wrong = st.one_of(_NAIVE, _NO_TIMES, _NOT_TEXT)
    elif "enum" in FIELDS[name]:
        wrong = st.one_of(
            st.sampled_from([value.upper() for value in FIELDS[name]["enum"]]),
            st.text().filter(lambda text: text not in FIELDS[name]["enum"]),
            _NOT_TEXT,
        )
    else:
        wrong = st.one_of(_NOT_TEXT, st.text().map(lambda text: text + "\udc00"))
    return Change(VALID.sids, {**good, name: draw(wrong)})


@st.composite
def wrong_order(draw: st.DrawFn) -> Change:
    """Draw a session that ends no later than it starts."""
    (earlier, later), *_ = BEFORE.items()
    start = draw(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC)))
    end = start - timedelta(milliseconds=draw(st.integers(0, 10**8)))
    zone = timezone(timedelta(hours=draw(st.integers(-14, 14))))
    return Change(VALID.sids, {earlier: start, later: end.astimezone(zone)})


@st.composite
def unknown_fields(draw: st.DrawFn) -> Change:
    """Draw a call with a field that the spec does not name, among them the names on the wire."""
    on_the_wire = st.sampled_from([name for name in FIELDS if keyword(name) != name])
    names = st.one_of(on_the_wire, st.from_regex(r"[a-z_]{1,12}", fullmatch=True))
    name = draw(names.filter(lambda name: name not in {keyword(known) for known in FIELDS}))
    return Change(VALID.sids, {"notes": "moved", name: draw(st.text())})


# --- what the spec says of a moment, worked out here without the client's code --------------------------------

_RFC_3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?Z", re.ASCII)


def wire_time(value: str | datetime) -> str | None:
    """Return a moment as `YYYY-MM-DDTHH:MM:SS.mmmZ`, None where the client has no way to express it.

    Python has no year 0 and no leap seconds; a small `t` is RFC 3339's, but not ISO 8601's.
    """
    if isinstance(value, datetime):
        offset = value.utcoffset()
        assert offset is not None
        moment = value.replace(tzinfo=None) - offset
        return f"{moment:%Y}".rjust(4, "0") + f"-{moment:%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
    match = _RFC_3339.fullmatch(value)
    if match is None or match[1] == "0000" or int(match[6]) > 59:
        return None
    return f"{match[1]}-{match[2]}-{match[3]}T{match[4]}:{match[5]}:{match[6]}.{(match[7] or '').ljust(3, '0')[:3]}Z"
