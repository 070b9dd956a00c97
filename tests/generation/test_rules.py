"""The rules that read the records, one by one: what they refuse, what they rewrite and what they leave alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from smarterproctoring import rules as rules_module
from smarterproctoring.json_values import matches, not_json, plain
from smarterproctoring.parameters import checked, query_text, simple_text
from smarterproctoring.problems import Problem, problem_from
from smarterproctoring.rules import Rules, field_problem, item_from_text, rules_of
from smarterproctoring.wire_times import times_to_wire
from smarterproctoring_generated.parsing import parse_or_none
from smarterproctoring_generated.records import NULL, Field, Hidden, Operation, Parameter


def said_of(problems: Iterable[Problem | None]) -> list[str]:
    return [str(problem) for problem in problems if problem]


def parameter_problem(parameter: Parameter, value: object) -> Problem | None:
    try:
        checked(parameter, value)
    except ValueError as error:
        return problem_from(parameter.keyword, error)
    return None


MOMENT = "2030-05-04T09:00:00+02:00"
WIRE = "2030-05-04T07:00:00.000Z"
DAY = date(2030, 5, 4)
NOON = datetime(2030, 5, 4, 12, tzinfo=UTC)
ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)


def rules(**changes: Any) -> Rules:
    """The rules of an operation with a parameter in each place, and a body."""
    given: dict[str, Any] = {
        "operation_id": "moveThing",
        "method": "POST",
        "path": "/v1/things/{thingSid}/parts/{partSid}",
        "route": "/v1/things/([^/]+)/parts/([^/]+)",
        "token_header": "token",
        "parameters": (
            Parameter(
                name="thingSid",
                keyword="thing_sid",
                location="path",
                description="",
                pattern="^TH[0-9]{2}$",
                required=True,
            ),
            Parameter(name="since", keyword="since", location="query", description="", format="date-time"),
            Parameter(name="page", keyword="page", location="query", description="", required=True),
            Parameter(name="partSid", keyword="part_sid", location="path", description="", required=True),
            Parameter(name="X-Trace", keyword="x_trace", location="header", description=""),
        ),
        "fields": (
            Field(
                name="startAt", keyword="start_at", description="", type="string", format="date-time", before="endAt"
            ),
            Field(name="endAt", keyword="end_at", description="", type="string", format="date-time"),
            Field(name="kind", keyword="kind", description="", type="string", allowed=("a", "b"), required=True),
            Field(name="count", keyword="count", description="", type="integer"),
            Field(name="freeSlots", keyword="free_slots", description="", type="array"),
        ),
        "date_times": (("startAt",), ("endAt",), ("freeSlots", "*", "at"), ("more", "at")),
    }
    return Rules(Operation(**{**given, **changes}))


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
    assert said_of(times_to_wire(node, place, "at")) == []
    assert node == expected


def test_every_bad_time_is_named_and_the_good_ones_are_rewritten() -> None:
    times = ["2030-05-04T09:00:00", MOMENT, "soon", "0001-01-01T00:00:00+14:00"]
    problems = list(times_to_wire(times, ("*",), "slot"))
    assert [problem.split(";")[0] for problem in said_of(problems)] == [
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
    assert said_of(
        [parameter_problem(Parameter(name="n", keyword="n", location="path", description="", **changes), value)]
    ) == ([f"n {problem}"] if problem else [])


@pytest.mark.parametrize(
    ("changes", "value", "problem"),
    [
        ({}, object(), None),
        ({}, True, None),
        ({"type": "string"}, "text", None),
        ({"type": "string"}, 7, "must be a str, not int"),
        ({"type": "string"}, True, "must be a str, not bool"),
        ({"type": "integer"}, 7, None),
        ({"type": "integer"}, 7.5, "must be an int, not float"),
        ({"type": "integer"}, True, "must be an int, not bool"),
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
    assert said_of([field_problem(Field(name="n", keyword="n", description="", **changes), value)]) == (
        [f"n {problem}"] if problem else []
    )


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
    assert rules().path_values(method, path) == expected


def test_a_path_is_encoded() -> None:
    assert rules().path_for(["TH01", "a/b ?"]) == "/v1/things/TH01/parts/a%2Fb%20%3F"


class Text(str):
    """What a caller may give in the place of text."""


PLAIN: dict[str, Any] = {"name": "sid", "keyword": "sid", "location": "path", "description": "", "pattern": "^[^a-z]+$"}


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, "AB"),
        ({}, "ab"),
        ({}, ""),
        ({}, ".."),
        ({}, "A B"),
        ({}, "A/B"),
        ({}, "\u00c4"),
        ({}, 7),
        ({}, Text("AB")),
        ({"pattern": None}, "AB"),
        ({"allowed": ("AC",)}, "AB"),
        ({"type": "integer"}, "AB"),
        ({"format": "date-time"}, "AB"),
    ],
)
def test_a_path_that_is_checked_quickly_is_what_the_checks_one_by_one_give(
    changes: Mapping[str, Any], value: Any
) -> None:
    parameter = Parameter(**{**PLAIN, **changes})
    one = rules(parameters=(parameter,), path="/v1/100%/{sid}/x", route="/v1/100%/([^/]*)/x")
    assert one.plain_path([value]) == ("/v1/100%/AB/x" if (changes, value, type(value)) == ({}, "AB", str) else "")
    if one.plain_path([value]):
        assert one.path_for([checked(parameter, value)]) == one.plain_path([value])
    assert one.plain_path([value, value]) == ""


def test_keywords_become_body_query_and_headers() -> None:
    since = datetime(2030, 5, 4, 7, tzinfo=UTC)
    given = rules().from_keywords({"since": since, "page": 2, "kind": "a", "count": None, "x_trace": "t"})
    assert (given.body, given.has_body, given.problems) == ({"kind": "a"}, True, [])
    assert (given.query, given.headers) == ({"since": since, "page": 2}, {"X-Trace": "t"})
    assert repr(given) == "<Given>"


def test_every_problem_with_keywords_is_named() -> None:
    given = rules().from_keywords({"since": "soon", "start_at": 7, "count": 3})
    assert (given.body, given.query) == ({"count": 3}, {"since": "soon"})
    said = "must be a datetime with a time zone, or ISO 8601 text that ends in Z"
    assert said_of(given.problems) == ["page is required", f"start_at {said}", "kind is required"]
    assert [problem.code for problem in given.problems] == ["required", "time", "required"]
    assert parameter_problem(
        Parameter(name="since", keyword="since", location="query", description="", format="date-time"), "soon"
    ) == Problem("since", "time", said)


@pytest.mark.parametrize("given", [{"thing_sid": "TH01"}, {"X-Trace": "t"}, {"Kind": "a"}])
def test_a_keyword_that_is_none_is_a_type_error(given: Mapping[str, Any]) -> None:
    known = "since, page, x_trace, start_at, end_at"
    with pytest.raises(TypeError, match=rf"unknown field {next(iter(given))}\. Known: {known}"):
        rules().from_keywords(given)


def test_an_operation_without_a_body_has_none() -> None:
    given = rules(fields=()).from_keywords({"page": 1})
    assert (given.body, given.has_body, given.query, given.headers, given.problems) == (
        None,
        False,
        {"page": 1},
        {},
        [],
    )


@pytest.mark.parametrize(
    ("changes", "given", "body", "has_body", "problems"),
    [
        ({"body_required": False}, {}, None, False, ["kind is required"]),
        ({}, {}, {}, True, ["kind is required"]),
        ({}, {"kind": NULL}, {}, True, ["kind cannot be null: the spec does not say `nullable`"]),
        (
            {"fields": (Field(name="a", keyword="a", description="", nullable=True),)},
            {"a": NULL},
            {"a": None},
            True,
            [],
        ),
        ({"fields": (Field(name="a", keyword="a", description="", nullable=True),)}, {"a": None}, {}, True, []),
        (
            {"fields": (Field(name="a", keyword="a", description="", nullable=True, required=True),)},
            {"a": None},
            {"a": None},
            True,
            [],
        ),
        (
            {"fields": (Field(name="a", keyword="a", description="", nullable=True, required=True),)},
            {},
            {},
            True,
            ["a is required; give NULL to send null"],
        ),
        ({"fields": (Field(name="a", keyword="a", description="", default=3, required=True),)}, {}, {"a": 3}, True, []),
        (
            {"fields": (Field(name="a", keyword="a", description="", type="array"),)},
            {"a": (1, 2)},
            {"a": [1, 2]},
            True,
            [],
        ),
        ({"fields": (Field(name="a", keyword="a", description="", default=3),)}, {}, {}, True, []),
        (
            {"fields": (), "body": Field(name="", keyword="body", description="", nullable=True)},
            {"body": NULL},
            None,
            True,
            [],
        ),
        ({"fields": (), "body": Field(name="", keyword="body", description="", nullable=True)}, {}, None, False, []),
        (
            {"fields": (), "body": Field(name="", keyword="body", description="", required=True)},
            {},
            None,
            False,
            ["body is required"],
        ),
        # A field that only the server sets is none of the operation's; a part of one is named.
        (
            {"fields": (Field(name="a", keyword="a", description=""),), "read_only": (("a",),)},
            {"a": 1},
            {"a": 1},
            True,
            [],
        ),
        (
            {"fields": (Field(name="a", keyword="a", description=""),), "read_only": (("a", "id"),)},
            {"a": {"id": 1}},
            {"a": {"id": 1}},
            True,
            ["a.id is read-only, set by the server: leave it out"],
        ),
        (
            {"fields": (), "body": Field(name="", keyword="body", description=""), "read_only": (("id",),)},
            {"body": {"id": 1}},
            {"id": 1},
            True,
            ["body.id is read-only, set by the server: leave it out"],
        ),
        (
            {"fields": (Field(name="d", keyword="d", description="", format="date"),)},
            {"d": DAY},
            {"d": "2030-05-04"},
            True,
            [],
        ),
        (
            {"fields": (Field(name="d", keyword="d", description="", format="date"),)},
            {"d": NOON},
            {},
            True,
            ["d must be a date, not a datetime"],
        ),
        ({"fields": (Field(name="d", keyword="d", description=""),)}, {"d": NOON}, {"d": NOON}, True, []),
        (
            {"fields": (Field(name="a", keyword="a", description=""), Field(name="b", keyword="b", description=""))},
            {"a": ENDLESS, "b": NULL},
            {},
            True,
            ["a holds itself, or is too deep for JSON", "b cannot be null: the spec does not say `nullable`"],
        ),
        (
            {"fields": (), "body": Field(name="", keyword="body", description=""), "read_only": (("*", "id"),)},
            {"body": [{"id": 1}]},
            [{"id": 1}],
            True,
            ["body.*.id is read-only, set by the server: leave it out"],
        ),
    ],
)
def test_bodies(
    changes: Mapping[str, Any], given: Mapping[str, Any], body: Any, *, has_body: bool, problems: list[str]
) -> None:
    found = rules(parameters=(), date_times=(), **changes).from_keywords(given)
    assert (found.body, found.has_body, said_of(found.problems)) == (body, has_body, problems)


def test_what_is_deprecated_is_told_once_with_the_line_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_module, "WARNED", set[str]())
    fields = tuple(
        Field(name=name, keyword=name, description="", deprecated=name.startswith("old"))
        for name in ("old", "older", "new")
    )
    gone = rules(fields=fields, call="move", deprecated=True).operation
    stays = rules(fields=fields, call="stay").operation

    def call(operation: Operation) -> None:
        given: Hidden[Mapping[str, Any]] = Hidden({"old": "x", "older": None, "new": "y"})
        rules_module.warn_deprecated(operation, given, stacklevel=2)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(gone)
        call(gone)
        call(stays)
    ends = "is deprecated by the API and may go with a later version"
    said = [str(warning.message) for warning in caught]
    assert said == [f"{what} {ends}" for what in ("`move`", "`old` of `move`", "`old` of `stay`")]
    first = test_what_is_deprecated_is_told_once_with_the_line_of_the_caller.__code__.co_firstlineno
    lines = [warning.lineno - first for warning in caught]
    assert lines == [15, 15, 17]
    assert {warning.filename for warning in caught} == {__file__}


def test_values_become_what_json_has_and_the_callers_stay_as_they_were() -> None:
    class Kind(Enum):
        ONE = "one"

    class Model:
        def to_dict(self) -> dict[str, Any]:
            return {"kind": Kind.ONE}

    day, moment, number = date(2030, 5, 4), datetime(2030, 5, 4, tzinfo=UTC), UUID(int=7)
    given = {"day": day, "at": moment, "ids": (number,), "of": MappingProxyType({"a": NULL}), "model": Model()}
    made = plain(given)
    assert made == {
        "day": "2030-05-04",
        "at": moment,
        "ids": [str(number)],
        "of": {"a": None},
        "model": {"kind": "one"},
    }
    assert given["ids"] == (number,)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            {"at": datetime(2030, 5, 4, tzinfo=UTC)},
            "x.at is a datetime, and the spec has no date-time there: give text",
        ),
        ([1, float("nan")], "x[1] is nan, which JSON cannot hold"),
        ({"a": {1, 2}}, "x.a is of type set, which JSON cannot hold"),
        ({1: 2}, "x has a key that is not a str"),
        ({"a": [None, True, 1.5, "t"]}, None),
    ],
)
def test_what_json_cannot_hold_is_named_with_its_place(value: Any, problem: str | None) -> None:
    assert said_of(not_json(value, "x")) == ([problem] if problem else [])


def test_parameters_come_with_their_values() -> None:
    query = {"page": [1, 2], "X-Trace": "in a header, so not from here"}
    values = [(item.name, value) for item, value in rules().parameter_values(["TH01", "p"], query, {"X-Trace": 1})]
    assert values == [("thingSid", "TH01"), ("partSid", "p"), ("page", [1, 2]), ("X-Trace", 1)]


@pytest.mark.parametrize("values", [["TH01"], ["TH01", "p", "q"]])
def test_each_path_parameter_needs_one_value(values: list[str]) -> None:
    with pytest.raises(ValueError, match="zip"):
        list(rules().parameter_values(values, {}, {}))


@pytest.mark.parametrize(
    ("changes", "value", "text"),
    [
        ({}, "a b&c", "q=a%20b%26c"),
        ({"name": "a[b]"}, "x", "a%5Bb%5D=x"),
        ({"reserved": True}, "a/b?c&d", "q=a/b?c%26d"),
        ({"type": "integer"}, 3, "q=3"),
        ({"type": "boolean"}, False, "q=false"),
        ({"type": "number"}, 1e16, "q=1e%2B16"),
        ({"type": "array"}, ["a", "b,c"], "q=a&q=b%2Cc"),
        ({"type": "array", "explode": False}, ["a", "b,c"], "q=a,b%2Cc"),
        ({"type": "array", "explode": False, "style": "pipeDelimited"}, ["a", "b"], "q=a%7Cb"),
        ({"type": "array", "explode": False, "style": "spaceDelimited"}, ["a", "b"], "q=a%20b"),
        ({"type": "array", "item_type": "boolean"}, (True, False), "q=true&q=false"),
        ({"type": "object"}, {"a": 1, "b": True}, "a=1&b=true"),
        ({"type": "object", "explode": False}, {"a": 1, "b": "x,y"}, "q=a,1,b,x%2Cy"),
        ({"type": "object", "style": "deepObject"}, {"a": 1, "b c": "&"}, "q%5Ba%5D=1&q%5Bb%20c%5D=%26"),
        ({"format": "date-time"}, datetime(2030, 5, 4, tzinfo=UTC), "q=2030-05-04T00%3A00%3A00.000Z"),
        ({"format": "date"}, date(2030, 5, 4), "q=2030-05-04"),
        ({"format": "uuid"}, UUID(int=7), "q=00000000-0000-0000-0000-000000000007"),
    ],
)
def test_how_a_query_is_written(changes: dict[str, Any], value: Any, text: str) -> None:
    given: dict[str, Any] = {"name": "q", "keyword": "q", "location": "query", "description": "", **changes}
    parameter = Parameter(**given)
    assert query_text(parameter, checked(parameter, value)) == text


@pytest.mark.parametrize(
    ("changes", "value", "problem"),
    [
        ({"type": "integer"}, "3", "must be an int, not str"),
        ({"type": "integer"}, True, "must be an int, not bool"),
        ({"type": "number"}, float("inf"), "must be a finite number"),
        ({"allowed": ("a", "b")}, "c", "must be one of a, b"),
        ({"type": "integer", "allowed": (1, 2)}, True, "must be an int, not bool"),
        ({"type": "array"}, [], "is an empty array, which cannot be sent: leave it out"),
        ({"type": "array"}, "ab", "must be a list, not str"),
        ({"type": "array", "allowed": ("a",)}, ["a", "b"], "must be one of a"),
        ({"type": "object"}, {"a": [1]}, "must be text or a number, not list"),
        ({"type": ""}, {"a": 1}, "must be text or a number, not dict"),
        ({"location": "path"}, "", "must not be empty, `.` or `..`: that is another path"),
        ({"location": "path"}, "..", "must not be empty, `.` or `..`: that is another path"),
        ({"location": "header"}, "a\nb", "must be one line of printable ASCII, without white space around it"),
        ({"location": "header"}, "é", "must be one line of printable ASCII, without white space around it"),
        (
            {"location": "header", "type": "array"},
            ["a,b"],
            "must not hold a comma, which separates the values of a header",
        ),
    ],
)
def test_what_a_parameter_refuses(changes: dict[str, Any], value: Any, problem: str) -> None:
    given: dict[str, Any] = {"name": "p", "keyword": "p", "location": "query", "description": "", **changes}
    assert said_of([parameter_problem(Parameter(**given), value)]) == [f"p {problem}"]


@pytest.mark.parametrize(
    ("changes", "value", "text"),
    [
        ({"type": "array", "explode": False}, ["a b", 1], "a%20b,1"),
        ({"type": "object", "explode": False}, {"a": 1}, "a,1"),
        ({"type": "object"}, {"a": 1, "b": 2}, "a=1,b=2"),
    ],
)
def test_how_a_path_and_a_header_are_written(changes: dict[str, Any], value: Any, text: str) -> None:
    for location in ("path", "header"):
        kind: dict[str, Any] = {
            "name": "p",
            "keyword": "p",
            "location": location,
            "description": "",
            "item_type": "",
            **changes,
        }
        parameter = Parameter(**kind)
        sent = text if location == "path" else text.replace("%20", " ")
        assert simple_text(parameter, checked(parameter, value), quoted=location == "path") == sent


def test_what_a_generated_function_hands_over() -> None:
    integer = Parameter(name="n", keyword="n", location="path", description="", type="integer")
    header = Parameter(name="X-On", keyword="x_on", location="header", description="", type="boolean")
    when = Parameter(name="when", keyword="when", location="query", description="", format="date-time")
    filters = Parameter(name="f", keyword="f", location="query", description="", type="object", style="deepObject")
    changes: dict[str, Any] = {
        "parameters": (integer, header, when, filters),
        "read_only": (("id",), ("parts", "*", "id")),
    }
    body = {"id": 1, "kind": "a", "parts": [{"id": 1, "x": 2}]}
    query = {"when": MOMENT, "colour": "red"}
    path: list[Any] = ["3"]
    found = rules(**changes).from_generated(path, body, query, {"X-On": "true", "Content-Type": "application/json"})
    assert path == [3]
    assert found.body == {"kind": "a", "parts": [{"x": 2}]}
    assert (found.query, found.headers) == ({"when": MOMENT, "f": {"colour": "red"}}, {"X-On": True})
    assert checked(when, MOMENT, offsets=True) == WIRE


def test_a_query_that_a_generated_function_cannot_write_is_refused() -> None:
    filters = [Parameter(name=name, keyword=name, location="query", description="", type="object") for name in "fg"]
    made = rules(parameters=(*filters,), call="move").from_generated([], None, {"colour": "red"}, {})
    assert said_of(made.problems) == ["colour cannot be sent by this function: call `move` of the client"]


def test_the_rest_of_a_query_belongs_to_the_one_object_that_is_not_there() -> None:
    filters = [Parameter(name=name, keyword=name, location="query", description="", type="object") for name in "fg"]
    query = {"f": {"size": "1"}, "colour": "red"}
    made = rules(parameters=(*filters,)).from_generated([], None, query, {})
    assert (made.query, made.problems) == ({"f": {"size": "1"}, "g": {"colour": "red"}}, [])


def test_text_is_read_as_a_value_of_a_parameter_or_a_field() -> None:
    assert item_from_text(
        Parameter(name="n", keyword="n", location="query", description="", type="array", item_type="integer"), "1,2"
    ) == [1, 2]
    assert item_from_text(Field(name="n", keyword="n", description="", type="array"), "[1, 2]") == [1, 2]


def test_the_rules_of_an_operation_are_made_once() -> None:
    operation = rules().operation
    assert rules_of(operation) is rules_of(operation)


def test_headers_are_written_as_they_are_and_a_path_takes_all_its_values() -> None:
    assert rules().headers_for({"X-Trace": "a b"}) == {"x-trace": "a b"}
    with pytest.raises(ValueError, match="zip"):
        rules().path_for(["TH01"])


def test_problems_of_a_whole_body() -> None:
    whole = rules(fields=(), date_times=(), body=Field(name="", keyword="body", description="", type="array"))
    assert said_of(whole.body_problems({"a": 1})) == ["body must be a list, not dict"]
    assert said_of(whole.body_problems(None)) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"count": {1}}, "count is of type set, which JSON cannot hold"),
        ([{1}], "the body[0] is of type set, which JSON cannot hold"),
        ({"count": 1}, "the body cannot be written as JSON: it holds text that is not valid Unicode, or itself"),
    ],
)
def test_what_keeps_a_body_from_being_written_is_named(body: Any, problem: str) -> None:
    assert said_of(rules().not_json(body)) == [problem]


def test_what_keeps_a_whole_body_from_being_written_is_named() -> None:
    whole = rules(fields=(), date_times=(), body=Field(name="", keyword="numbers", description=""))
    assert said_of(whole.not_json({"a": {1}})) == ["numbers.a is of type set, which JSON cannot hold"]


def test_problems_of_a_body() -> None:
    body: dict[str, Any] = {
        "startAt": MOMENT,
        "endAt": MOMENT,
        "kind": "c",
        "count": "3",
        "freeSlots": [{"at": "soon"}],
    }
    body = {"unknown": 1, **body, "more": {"at": "soon"}}
    assert said_of(rules().body_problems(body)) == [
        "free_slots.*.at is not ISO 8601, like 2030-05-04T13:00:00.000Z",
        "more.at is not ISO 8601, like 2030-05-04T13:00:00.000Z",
        "end_at must be after start_at",
        "kind must be one of a, b",
        "count must be an int, not str",
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
    assert said_of(rules().body_problems(body)) == []


def test_a_time_that_cannot_be_rewritten_is_named_once() -> None:
    assert said_of(rules().body_problems({"startAt": "soon"})) == [
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
