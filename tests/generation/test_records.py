"""The records' own rules, one by one: what they refuse, what they rewrite and what they leave alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from smarterproctoring_generated.records import Field, Operation, Parameter, matches, parse_or_none, times_to_wire

MOMENT = "2030-05-04T09:00:00+02:00"
WIRE = "2030-05-04T07:00:00.000Z"


def operation(**changes: Any) -> Operation:
    """An operation with a parameter in each place, and a body."""
    given: dict[str, Any] = {
        "operation_id": "moveThing",
        "method": "POST",
        "path": "/v1/things/{thingSid}/parts/{partSid}",
        "route": "/v1/things/([^/]+)/parts/([^/]+)",
        "token_header": "token",
        "parameters": (
            Parameter("thingSid", "thing_sid", "path", "", pattern="^TH[0-9]{2}$", required=True),
            Parameter("since", "since", "query", "", format="date-time"),
            Parameter("page", "page", "query", "", required=True),
            Parameter("partSid", "part_sid", "path", "", required=True),
            Parameter("X-Trace", "x_trace", "header", ""),
        ),
        "fields": (
            Field("startAt", "start_at", "", type="string", format="date-time", before="endAt"),
            Field("endAt", "end_at", "", type="string", format="date-time"),
            Field("kind", "kind", "", type="string", allowed=("a", "b"), required=True),
            Field("count", "count", "", type="integer"),
            Field("freeSlots", "free_slots", "", type="array"),
        ),
        "date_times": (("startAt",), ("endAt",), ("freeSlots", "*", "at"), ("more", "at")),
    }
    return Operation(**{**given, **changes})


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("^a+$", "aa", True),
        ("^a+$", "aa\n", False),
        ("^a+$", "baa", False),
        ("^a", "ab", True),  # anchored on one side, as it says
        ("a$", "ba", True),
        ("a", "bab", True),
        (r"^\d$", "\u0663", False),  # ECMA-262's digits are ASCII's
    ],
)
def test_patterns_mean_what_the_spec_means(pattern: str, value: str, *, expected: bool) -> None:
    assert matches(pattern, value) is expected


@pytest.mark.parametrize(
    ("place", "node", "expected"),
    [
        (("at",), {"at": MOMENT, "zone": MOMENT}, {"at": WIRE, "zone": MOMENT}),
        (("*",), [MOMENT, MOMENT], [WIRE, WIRE]),
        (("*",), {"x": MOMENT, "y": None}, {"x": WIRE, "y": None}),
        (("slots", "*", "at"), {"slots": [{"at": MOMENT}, {"by": MOMENT}]}, {"slots": [{"at": WIRE}, {"by": MOMENT}]}),
        (("at",), {"at": 7}, {"at": 7}),
        (("at", "deep"), {"at": MOMENT}, {"at": MOMENT}),
        (("at",), MOMENT, MOMENT),
        (("at",), None, None),
    ],
)
def test_times_are_rewritten_where_the_spec_has_them(place: tuple[str, ...], node: Any, expected: Any) -> None:
    assert list(times_to_wire(node, place, "at")) == []
    assert node == expected


def test_every_bad_time_is_named_and_the_good_ones_are_rewritten() -> None:
    times = ["2030-05-04T09:00:00", MOMENT, "soon", "0001-01-01T00:00:00+14:00"]
    problems = list(times_to_wire(times, ("*",), "slot"))
    assert [str(problem).split(";")[0] for problem in problems] == [
        "slot has no time zone",
        "slot is not ISO 8601, like 2030-05-04T13:00:00.000Z",
        "slot is out of range in UTC",
    ]
    assert times[1] == WIRE


@pytest.mark.parametrize(
    ("changes", "value", "problem"),
    [
        ({}, "text", None),
        ({}, 7, "must be a str, not int"),
        ({}, None, "must be a str, not NoneType"),
        ({"pattern": "^[a-f]+$"}, "abc", None),
        ({"pattern": "^[a-f]+$"}, "xyz", "must match ^[a-f]+$"),
    ],
)
def test_a_parameter(changes: Mapping[str, Any], value: object, problem: str | None) -> None:
    found = Parameter("n", "n", "path", "", **changes).problem(value)
    assert (found and found.text) == problem
    assert found is None or (found.field, found.code) == ("n", "type" if "str, not" in found.text else "pattern")


@pytest.mark.parametrize(
    ("changes", "value", "problem"),
    [
        ({}, object(), None),
        ({}, True, None),
        ({"type": "string"}, "text", None),
        ({"type": "string"}, 7, "must be a str, not int"),
        ({"type": "string"}, True, "must be a str, not bool"),
        ({"type": "integer"}, 7, None),
        ({"type": "integer"}, 7.5, "must be a int, not float"),
        ({"type": "integer"}, True, "must be a int, not bool"),
        ({"type": "number"}, 7, None),
        ({"type": "number"}, 7.5, None),
        ({"type": "number"}, "7", "must be a number, not str"),
        ({"type": "number"}, True, "must be a number, not bool"),
        ({"type": "boolean"}, False, None),
        ({"type": "boolean"}, 0, "must be a bool, not int"),
        ({"type": "array"}, [1], None),  # what the spec says of items is left to the server
        ({"allowed": ("a", "b")}, "b", None),
        ({"allowed": ("a", "b")}, "c", "must be one of a, b"),
        ({"type": "string", "pattern": "^[a-f]+$"}, "abc", None),
        ({"type": "string", "pattern": "^[a-f]+$"}, "xyz", "must match ^[a-f]+$"),
        ({"pattern": "^[a-f]+$"}, 7, None),
    ],
)
def test_a_field(changes: Mapping[str, Any], value: object, problem: str | None) -> None:
    found = Field("n", "n", "", **changes).problem(value)
    assert (found and found.text) == problem
    kind = "enum" if "allowed" in changes else "pattern" if value == "xyz" else "type"
    assert found is None or (found.field, found.code) == ("n", kind)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/things/TH01/parts/a%2Fb", ["TH01", "a/b"]),
        ("PUT", "/v1/things/TH01/parts/p", None),
        ("POST", "/v1/things/TH01/parts/p/more", None),
        ("POST", "/v2/v1/things/TH01/parts/p", None),
    ],
)
def test_path_values(method: str, path: str, expected: list[str] | None) -> None:
    assert operation().path_values(method, path) == expected


def test_a_path_is_encoded() -> None:
    assert operation().path_for(["TH01", "a/b ?"]) == "/v1/things/TH01/parts/a%2Fb%20%3F"


def test_keywords_become_body_and_query() -> None:
    since = datetime(2030, 5, 4, 7, tzinfo=UTC)
    body, query, problems = operation().from_keywords({"since": since, "page": 2, "kind": "a", "count": None})
    assert (body, query, problems) == ({"kind": "a"}, {"since": since.isoformat(), "page": 2}, [])


def test_every_problem_with_keywords_is_named() -> None:
    body, query, problems = operation().from_keywords({"since": "soon", "start_at": 7, "count": 3})
    assert (body, query) == ({"count": 3}, {})
    said = "must be a datetime with a time zone, or ISO 8601 text that ends in Z"
    assert [str(problem) for problem in problems] == [
        f"since {said}",
        "page is required",
        f"start_at {said}",
        "kind is required",
    ]


@pytest.mark.parametrize("given", [{"thing_sid": "TH01"}, {"x_trace": "t"}, {"Kind": "a"}])
def test_a_keyword_that_is_none_is_a_type_error(given: Mapping[str, Any]) -> None:
    with pytest.raises(TypeError, match=rf"unknown field {next(iter(given))}: .*Known: since, page, start_at, end_at"):
        operation().from_keywords(given)


def test_an_operation_without_a_body_has_none() -> None:
    assert operation(fields=()).from_keywords({"page": 1}) == (None, {"page": 1}, [])


def test_parameters_come_with_their_values() -> None:
    query = {"page": [1, 2], "X-Trace": "in a header, so not from here"}
    values = [(item.name, value) for item, value in operation().parameter_values(["TH01", "p"], query)]
    assert values == [("thingSid", "TH01"), ("partSid", "p"), ("page", "1"), ("page", "2")]
    since = [(item.name, value) for item, value in operation().parameter_values(["TH01", "p"], {"since": MOMENT})]
    assert since[2:] == [("since", MOMENT)]


@pytest.mark.parametrize("values", [["TH01"], ["TH01", "p", "q"]])
def test_each_path_parameter_needs_one_value(values: list[str]) -> None:
    with pytest.raises(ValueError, match="zip"):
        list(operation().parameter_values(values, {}))


def test_times_in_a_query() -> None:
    query = {"since": MOMENT, "page": MOMENT, "X-Trace": MOMENT}
    assert list(operation().times_in_query(query)) == []
    assert query == {"since": WIRE, "page": MOMENT, "X-Trace": MOMENT}
    assert [str(problem) for problem in operation().times_in_query({"since": "soon"})] == [
        "since is not ISO 8601, like 2030-05-04T13:00:00.000Z"
    ]


def test_problems_of_a_body() -> None:
    body: dict[str, Any] = {
        "startAt": MOMENT,
        "endAt": MOMENT,
        "kind": "c",
        "count": "3",
        "freeSlots": [{"at": "soon"}],
    }
    body["more"] = {"at": "soon"}
    assert [str(problem) for problem in operation().body_problems(body)] == [
        "free_slots is not ISO 8601, like 2030-05-04T13:00:00.000Z",
        "more.at is not ISO 8601, like 2030-05-04T13:00:00.000Z",
        "end_at must be after start_at",
        "kind must be one of a, b",
        "count must be a int, not str",
    ]
    assert body["startAt"] == WIRE


@pytest.mark.parametrize(
    "body",
    [
        {"startAt": MOMENT},
        {"endAt": MOMENT},
        {"startAt": MOMENT, "endAt": "2030-05-04T07:00:00.001Z"},
        {"startAt": None, "endAt": MOMENT, "kind": None},
        ["startAt"],
        "startAt",
        None,
    ],
)
def test_a_body_without_problems(body: Any) -> None:
    assert list(operation().body_problems(body)) == []


def test_a_time_that_cannot_be_rewritten_is_named_once() -> None:
    assert [str(problem) for problem in operation().body_problems({"startAt": "soon"})] == [
        "start_at is not ISO 8601, like 2030-05-04T13:00:00.000Z"
    ]


def test_an_unreadable_success_is_none_and_an_unreadable_error_raises() -> None:
    def parse(**context: Any) -> str:
        if context["response"].content != b"good":
            raise ValueError("no JSON")
        return "parsed"

    good, bad = SimpleNamespace(content=b"good", is_success=False), SimpleNamespace(content=b"", is_success=True)
    assert parse_or_none(parse, response=good) == "parsed"
    assert parse_or_none(parse, response=bad) is None
    bad.is_success = False
    with pytest.raises(ValueError, match="no JSON"):
        parse_or_none(parse, response=bad)
