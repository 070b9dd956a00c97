"""The rules of an operation, read from its record: turns keywords into body, query and headers, and checks them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

from smarterproctoring_generated.records import (
    NULL,
    Field,
    Hidden,
    Operation,
    Parameter,
)

from smarterproctoring import json_values
from smarterproctoring.comparison import is_time
from smarterproctoring.json_values import (
    matcher,
    matches,
    plain,
    type_problem,
    value_from_text,
)
from smarterproctoring.parameters import (
    parameter_from_text,
    query_text,
    quoted_text,
    simple_text,
)
from smarterproctoring.problems import Problem, RuleError, problem_from
from smarterproctoring.wire_times import (
    Place,
    found_at,
    time_text,
    time_to_wire,
    times_to_wire,
)

Item = Parameter | Field
"""What can be given by keyword."""


class Given:
    """The arguments of a call and their problems; without `has_body` there is no body, not even JSON's null."""

    __slots__ = ("body", "has_body", "headers", "problems", "query")

    def __init__(
        self,
        body: object,
        query: dict[str, object],
        headers: dict[str, object],
        problems: list[Problem],
        *,
        has_body: bool,
    ) -> None:
        self.body = body
        self.query = query
        self.headers = headers
        self.problems = problems
        self.has_body = has_body

    def __repr__(self) -> str:  # it is in frames, and says things of a person
        return "<Given>"


def keyword_items(operation: Operation) -> list[Item]:
    """Return what can be given by keyword besides the path's parameters, in the spec's order."""
    others: list[Item] = [
        item for item in operation.parameters if item.location != "path"
    ]
    body = [operation.body] if operation.body else []
    return [*others, *operation.fields, *body]


def path_parameters(operation: Operation) -> list[Parameter]:
    """Return the parameters of the path, in its order."""
    return [item for item in operation.parameters if item.location == "path"]


def item_from_text(item: Item, text: str) -> object:
    """Read text as a value of the spec's type, where it is one."""
    if isinstance(item, Parameter):
        return parameter_from_text(item, text)
    return value_from_text(item.type, text)


def field_problem(field: Field, value: object) -> Problem | None:
    """Return what is wrong with a value of a field, None if nothing is. The value is not repeated."""
    if field.allowed and value not in field.allowed:
        return Problem(
            field.keyword,
            "enum",
            f"must be one of {', '.join(map(str, field.allowed))}",
        )
    if problem := type_problem(field.type, value):
        return Problem(field.keyword, "type", problem)
    if field.pattern and isinstance(value, str) and not matches(field.pattern, value):
        return Problem(field.keyword, "pattern", f"must match {field.pattern}")
    return None


@cache
def rules_of(operation: Operation) -> Rules:
    """Return the rules of an operation, made at its first call."""
    return Rules(operation)


class Rules:
    """The rules of one operation, and values that every call of it needs.

    Attributes:
        operation: Its record.
        path_parameters: The parameters of the path, in its order.
        deprecated: The keywords that are deprecated.
        is_deprecated: Whether the operation is, or one of its keywords.
    """

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.path_parameters = path_parameters(operation)
        self._known: dict[str, Item] = {
            item.keyword: item for item in keyword_items(operation)
        }
        self.deprecated = [
            item.keyword for item in self._known.values() if item.deprecated
        ]
        self.is_deprecated = operation.deprecated or bool(self.deprecated)
        self._required = {
            item.keyword for item in self._known.values() if item.required
        }
        self._in_query = [
            item for item in operation.parameters if item.location == "query"
        ]
        self._in_headers = [
            item for item in operation.parameters if item.location == "header"
        ]
        self._by_name = {item.name: item for item in operation.fields}
        self._around_parameters = re.split(r"\{[^{}]+\}", operation.path)
        self._plain_path = _plain_path(self._around_parameters)
        self._plain_values = _plain_values(self.path_parameters)
        times = [(place, self._label(place)) for place in operation.date_times]
        self._times = [(place[0], label) for place, label in times if _is_field(place)]
        self._nested_times = [
            (place, label) for place, label in times if not _is_field(place)
        ]
        self._comparable = {field.name for field in operation.fields if is_time(field)}
        self._is_read = bool(operation.read_by)

    def _label(self, place: Place) -> str:
        """Return what a message calls a place in the body."""
        if self.operation.body:
            return ".".join((self.operation.body.keyword, *place))
        field = self._by_name.get(place[0])
        return ".".join((field.keyword if field else place[0], *place[1:]))

    # -- from a call by keyword ----------------------------------------------------------------------

    def check_keywords(self, given: Iterable[str]) -> None:
        """Refuse a keyword that does not exist.

        Raises:
            TypeError: A keyword that the operation does not have.
        """
        if unknown := [keyword for keyword in given if keyword not in self._known]:
            names = ", ".join(sorted(unknown))
            known = ", ".join(self._known)
            raise TypeError(f"unknown field {names}. Known: {known or 'none'}")

    def from_keywords(self, given: Mapping[str, object]) -> Given:
        """Return body, query, headers and problems of a call by keyword; `None` is not sent.

        Raises:
            TypeError: A keyword that the operation does not have.
        """
        if not given.keys() <= self._known.keys():
            self.check_keywords(given)
        # Literals: dict[str, object]() would build the type again each time.
        body: dict[str, object] = {}
        query: dict[str, object] = {}
        headers: dict[str, object] = {}
        whole: object = None
        problems: list[Problem] = []
        operation = self.operation
        has_body = bool(operation.fields) and operation.body_required
        for keyword, item in self._known.items():
            value = given.get(keyword)
            if value is None:
                if keyword not in self._required:
                    continue
                value = _instead_of_none(item, is_given=keyword in given)
                if value is None:
                    problems.append(_missing(item))
                    continue
            if isinstance(item, Parameter):
                values = query if item.location == "query" else headers
                values[item.name] = value
                continue
            # A time becomes text with all others, once it is in the body.
            is_moment = type(value) is datetime and item.format == "date-time"
            try:
                value = value if is_moment else _body_value(item, value)
            except RecursionError:
                problems.append(
                    Problem(keyword, "json", "holds itself, or is too deep for JSON")
                )
                continue
            except ValueError as error:
                problems.append(problem_from(keyword, error))
                continue
            has_body = True
            if item is operation.body:
                whole = value
            else:
                body[item.name] = value
        if operation.read_only:
            problems += self._read_only_problems(whole, body)
        sent = whole if operation.body else body
        return Given(
            sent if has_body else None, query, headers, problems, has_body=has_body
        )

    def _read_only_problems(
        self, whole: object, fields: dict[str, object]
    ) -> list[Problem]:
        """Return where a body holds nested read-only values; a read-only field is not a keyword at all."""
        places = [
            place
            for place in self.operation.read_only
            if whole is not None or len(place) > 1
        ]
        labels = {
            self._label(place)
            for place in places
            for _ in found_at(whole or fields, place)
        }
        text = "is read-only, set by the server: leave it out"
        return [Problem(label, "read_only", text) for label in sorted(labels)]

    # -- from a generated function -------------------------------------------------------------------

    def path_values(self, method: str, path: str) -> list[str] | None:
        """Return the decoded values of the path parameters, None if this request belongs to another operation."""
        if method != self.operation.method:
            return None
        match = re.fullmatch(self.operation.route, path)
        return match and [unquote(value) for value in match.groups()]

    def from_generated(
        self,
        path: list[Any],
        body: object,
        query: Mapping[str, object],
        headers: Mapping[str, object],
    ) -> Given:
        """Return what a generated function hands over, as the same values given by keyword would be.

        What only the server sets is taken out of the body: a generated model has to hold it.
        """
        problems: list[Problem] = []
        queries = self._nested_query(dict(query), problems)
        for place in self.operation.read_only:
            for holder, key in found_at(body, place):
                if isinstance(holder, dict):
                    del holder[key]
        for position, item in enumerate(self.path_parameters):
            path[position] = parameter_from_text(item, path[position])
        own: dict[str, object] = {}
        for item in self._in_headers:
            if item.name in headers:
                value = headers[item.name]
                own[item.name] = (
                    parameter_from_text(item, value)
                    if isinstance(value, str)
                    else value
                )
        return Given(body, queries, own, problems, has_body=body is not None)

    def _nested_query(
        self, query: dict[str, object], problems: list[Problem]
    ) -> dict[str, object]:
        """Rebuild an object parameter; generated functions send its properties as separate parameters."""
        known = {item.name for item in self._in_query}
        loose = {name: query.pop(name) for name in list(query) if name not in known}
        if loose:
            objects = [
                item
                for item in self._in_query
                if item.type == "object" and item.name not in query
            ]
            if len(objects) == 1:
                query[objects[0].name] = loose
            else:
                text = f"cannot be sent by this function: call `{self.operation.call}` of the client"
                problems += [Problem(name, "unusable", text) for name in loose]
        return query

    # -- to a request --------------------------------------------------------------------------------

    def parameter_values(
        self,
        path_values: Sequence[object],
        query: Mapping[str, object],
        headers: Mapping[str, object],
    ) -> list[tuple[Parameter, object]]:
        """Return the parameters with the values that were given for them."""
        given = list(zip(self.path_parameters, path_values, strict=True))
        if query or headers:
            given += self.beside_path(query, headers)
        return given

    def beside_path(
        self, query: Mapping[str, object], headers: Mapping[str, object]
    ) -> Iterator[tuple[Parameter, object]]:
        """Yield the parameters of query and headers with the values that were given for them."""
        for items, values in ((self._in_query, query), (self._in_headers, headers)):
            for item in items:
                if item.name in values:
                    yield item, values[item.name]

    def body_problems(self, body: object) -> list[Problem]:
        """Put the date-times of a body into the wire form, in place; return everything in it that breaks the spec."""
        problems: list[Problem] = []
        fields: dict[str, object] = body if isinstance(body, dict) else {}
        for name, label in self._times:
            if name in fields and (problem := time_to_wire(fields, name, label)):
                problems.append(problem)
        for place, label in self._nested_times:
            problems += times_to_wire(body, place, label)
        whole = self.operation.body
        if whole and body is not None and (problem := field_problem(whole, body)):
            problems.append(problem)
        for name, value in fields.items():
            item = self._by_name.get(name)
            if value is None or item is None:
                continue
            # A time that could not be rewritten is named already.
            if item.format != "date-time" and (problem := field_problem(item, value)):
                problems.append(problem)
            # Both times are in the wire form by now, which sorts as text.
            if item.before and str(fields.get(item.before) or "~") <= str(value):
                later = self._by_name[item.before].keyword
                problems.append(
                    Problem(later, "order", f"must be after {item.keyword}")
                )
        return problems

    def can_read_back(self, body: object) -> bool:
        """Tell whether a read can show that what a body asks for is so: it holds a time that can be compared."""
        if not self._is_read or not isinstance(body, dict):
            return False
        return not self._comparable.isdisjoint(body)

    def not_json(self, body: object) -> list[Problem]:
        """Return what cannot be written as JSON in a body, each with its place."""
        problems: list[Problem] = []
        whole = self.operation.body
        if whole or not isinstance(body, dict):
            problems += json_values.not_json(
                body, whole.keyword if whole else "the body"
            )
        else:
            for name, value in body.items():
                problems += json_values.not_json(value, self._label((name,)))
        text = "the body cannot be written as JSON: it holds text that is not valid Unicode, or itself"
        return problems or [Problem("", "json", text)]

    def plain_path(self, values: Sequence[object]) -> str:
        """Return the path if each value is text that matches its pattern and needs no encoding; else empty text.

        Nearly all SIDs are such text. Other values go through the checks one by one, which say what is wrong.
        """
        if len(values) != len(self._plain_values):
            return ""
        for match, value in zip(self._plain_values, values, strict=True):
            if type(value) is not str or match(value) is None:
                return ""
            if not (value.isascii() and value.isidentifier()):
                return ""
        return self._plain_path % tuple(values)

    def target_for(self, path: list[object], query: Mapping[str, object]) -> str:
        """Return the path and the query with these checked values of their parameters, encoded."""
        text = self.query_for(query)
        return self.path_for(path) + (f"?{text}" if text else "")

    def path_for(self, values: list[object]) -> str:
        """Return the path with these checked values of its parameters, encoded."""
        first, *rest = self._around_parameters
        items = zip(self.path_parameters, values, rest, strict=True)
        return first + "".join(
            [
                (
                    quoted_text(value)
                    if isinstance(value, str)
                    else simple_text(item, value)
                )
                + piece
                for item, value, piece in items
            ]
        )

    def query_for(self, values: Mapping[str, object]) -> str:
        """Return the query with these checked values, encoded; empty where there are none."""
        if not values:
            return ""
        return "&".join(
            [
                query_text(item, values[item.name])
                for item in self._in_query
                if item.name in values
            ]
        )

    def headers_for(self, values: Mapping[str, object]) -> dict[str, str]:
        """Return the headers with these checked values; names in lower case."""
        if not values:
            return {}
        given = [item for item in self._in_headers if item.name in values]
        return {
            item.name.lower(): simple_text(item, values[item.name], quoted=False)
            for item in given
        }


def _plain_path(pieces: Sequence[str]) -> str:
    """Return the path's template with `%s` in the place of each parameter."""
    return "%s".join([piece.replace("%", "%%") for piece in pieces])


def _plain_values(parameters: Sequence[Parameter]) -> list[Callable[[str], object]]:
    """Return what matches each parameter's text; for a parameter that has more rules than a pattern, nothing does."""
    return [
        matcher(item.pattern)
        if item.pattern
        and item.type == "string"
        and not item.allowed
        and item.format != "date-time"
        else _matches_nothing
        for item in parameters
    ]


def _matches_nothing(_: str) -> None:
    return None


def _is_field(place: Place) -> bool:
    """Tell whether a place is that of a field of the body, and not within one."""
    return len(place) == 1 and place[0] != "*"


def _instead_of_none(item: Item, *, is_given: bool) -> object:
    """Return what is sent for a required item that is None; None if a value is needed."""
    # A required field that may be null has nothing else that None could mean.
    return NULL if is_given and item.nullable else item.default


def _missing(item: Item) -> Problem:
    hint = "; give NULL to send null" if item.nullable else ""
    return Problem(item.keyword, "required", f"is required{hint}")


def _body_value(item: Field, value: object) -> object:
    if value is NULL:
        if not item.nullable:
            raise RuleError("type", "cannot be null: the spec does not say `nullable`")
        return None
    if item.format == "date-time":
        return value if isinstance(value, datetime) else time_text(value)
    if item.format == "date" and isinstance(value, datetime):
        raise RuleError("type", "must be a date, not a datetime")
    return value if type(value) is str else plain(value)


WARNED: Final[set[str]] = set()
"""What `warn_deprecated` has warned of in this process."""


def warn_deprecated(
    operation: Operation, given: Hidden[Mapping[str, object]], *, stacklevel: int
) -> None:
    """Warn of a deprecated operation, and of deprecated keywords that are given, once for each in a process.

    Args:
        operation: The operation that is called.
        given: The keyword arguments.
        stacklevel: Whose line the warning shows, as for `warnings.warn`: 1 is who calls this.
    """
    deprecated = rules_of(operation).deprecated
    found = [f"`{operation.call}`"] if operation.deprecated else []
    keywords = [name for name in deprecated if given.reveal().get(name) is not None]
    found += [f"`{keyword}` of `{operation.call}`" for keyword in keywords]
    for what in found:
        if what not in WARNED:
            WARNED.add(what)
            message = f"{what} is deprecated by the API and may go with a later version"
            warnings.warn(message, DeprecationWarning, stacklevel=stacklevel + 1)
