"""From arguments to the exact request: SIDs, dates, body. Everything wrong is said at once, before the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from smarterproctoring_generated.operations import OPERATIONS, Field, Operation, Parameter

from smarterproctoring.errors import ConfigurationError, ValidationError

SID_KINDS: Mapping[str, str] = {
    (parameter.pattern or "")[1:3]: parameter.keyword.removesuffix("_sid").replace("_", " ")
    for operation in OPERATIONS
    for parameter in operation.parameters
    if parameter.keyword.endswith("_sid")
} | {"EN": "enrollment", "II": "integration"}
"""What a SID's first two letters say: from the spec, and two that the vendor documents elsewhere (evidence: V)."""

_JSON_TYPES: Mapping[str | None, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that passed every check: the operation it belongs to, and what is sent."""

    operation: Operation
    path: str
    content: bytes


def matches(pattern: str, value: str) -> bool:
    """Match a pattern of the spec, which is ECMA-262: its `$` never matches before a final newline, Python's does."""
    anchored = pattern.startswith("^") and pattern.endswith("$")
    return (re.fullmatch if anchored else re.search)(pattern, value, re.ASCII) is not None


def parameter_problem(parameter: Parameter, value: object) -> str | None:
    """Say what is wrong with a path or query parameter, None if nothing. The value is never echoed."""
    pattern, name = parameter.pattern, parameter.keyword
    if not isinstance(value, str):
        return f"{name} must be a str, not {type(value).__name__}"
    if pattern is None or matches(pattern, value):
        return None
    hint = f"it must match {pattern}"
    if matches(pattern, value.strip()):
        hint = "it has white space around it"
    elif matches(pattern, value[:2].upper() + value[2:].lower()):
        hint = f"SIDs are case-sensitive, {hint}"
    elif value[:2] in SID_KINDS:
        kind = SID_KINDS[value[:2]]
        hint = f"this is an SID of kind {kind} with {len(value)} characters, {hint}"
    return f"{name} is wrong: {hint}"


def wire_time(value: object) -> str:
    """Return a time as the API wants it, `YYYY-MM-DDTHH:MM:SS.mmmZ`: from an aware datetime, or ISO 8601 text in Z.

    Raises:
        ValueError: Anything else; the message says how to mend it and does not hold the value.
    """
    if isinstance(value, str):
        if not value.endswith("Z"):
            raise ValueError("must end in Z (UTC); pass an aware datetime to have it converted")
        value = _iso(value)
    if not isinstance(value, datetime):
        raise ValueError(f"must be a datetime with a time zone, or text, not a {type(value).__name__}")
    if value.utcoffset() is None:
        example = "datetime(2030, 5, 4, 9, 0, tzinfo=ZoneInfo('America/New_York'))"
        raise ValueError(f"has no time zone; give it one, for instance {example}")
    try:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    except OverflowError:
        raise ValueError("is out of range in UTC") from None


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not ISO 8601, like 2030-05-04T13:00:00.000Z") from None


def from_fields(
    operation: Operation, path_values: Iterable[object], given: Mapping[str, object], *, allow_empty: bool
) -> Prepared:
    """Prepare a request from keyword arguments.

    Raises:
        TypeError: A keyword that the operation does not have.
        ValidationError: All problems with the arguments.
    """
    known = {item.keyword: item for item in operation.fields}
    if unknown := sorted(set(given) - set(known)):
        known_text = ", ".join(known)
        raise TypeError(f"unknown field {', '.join(unknown)}: the API would drop it silently. Known: {known_text}")
    problems: list[str] = []
    body: dict[str, object] = {}
    for keyword, item in known.items():
        value = given.get(keyword)
        try:
            if value is not None:
                body[item.name] = _field_value(item, value)
            elif item.required:
                problems.append(f"{keyword} is required")
        except ValueError as error:
            problems.append(f"{keyword} {error}")
    if not body and not problems and not allow_empty:
        problems.append("nothing to change: give at least one field, or allow it with allow_empty=True")
    return _prepare(operation, path_values, body, problems)


def _field_value(item: Field, value: object) -> object:
    if item.format == "date-time":
        return wire_time(value)
    if item.allowed and value not in item.allowed:
        raise ValueError(f"must be one of {', '.join(item.allowed)}")
    types = _JSON_TYPES.get(item.type, (object,))
    if not isinstance(value, types) or (isinstance(value, bool) and not {bool, object} & set(types)):
        raise ValueError(f"must be {' or '.join(kind.__name__ for kind in types)}, not {type(value).__name__}")
    if item.pattern and isinstance(value, str) and not matches(item.pattern, value):
        raise ValueError(f"must match {item.pattern}")
    return value


def from_generated(method: str, url: str, body: object, query: dict[str, Any]) -> Prepared:
    """Prepare what a generated function hands over; times in `body` and `query` are rewritten in place.

    Raises:
        ConfigurationError: No operation of the spec has this method and path.
        ValidationError: All problems with the parameters and the body.
    """
    for operation in OPERATIONS:
        match = re.fullmatch(operation.route, url)
        if match and operation.method == method.upper():
            break
    else:
        raise ConfigurationError(
            "the spec has no operation with this method and path, and only its operations are sent"
        )
    problems: list[str] = []
    for place in operation.date_times:
        _rewrite(body, place, problems)
    for parameter in operation.parameters:
        if parameter.location == "query" and query.get(parameter.name) is not None:
            if parameter.format == "date-time":
                _rewrite(query, (parameter.name,), problems)
            values = query[parameter.name]
            found = (parameter_problem(parameter, str(v)) for v in (values if isinstance(values, list) else [values]))
            problems += filter(None, found)
    path_values = [unquote(match[p.name]) for p in operation.parameters if p.location == "path"]
    return _prepare(operation, path_values, body, problems)


def _rewrite(node: Any, place: tuple[str, ...], problems: list[str]) -> None:
    """Put times, which generated code writes with `isoformat()`, into the wire form, in place."""
    name, rest = place[0], place[1:]
    keys: Iterable[Any] = (name,) if isinstance(node, dict) and name in node else ()
    if name == "*":
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        if rest:
            _rewrite(node[key], rest, problems)
        elif isinstance(node[key], str):
            try:
                node[key] = wire_time(_iso(node[key]))
            except ValueError as error:
                problems.append(f"{key} {error}")


def _prepare(operation: Operation, path_values: Iterable[object], body: object, problems: list[str]) -> Prepared:
    parameters = [parameter for parameter in operation.parameters if parameter.location == "path"]
    pairs = list(zip(parameters, path_values, strict=True))
    problems = [*filter(None, (parameter_problem(*pair) for pair in pairs)), *problems, *_order(operation, body)]
    content = b""
    if body is not None:
        try:
            # As httpx writes JSON: compact, UTF-8 as it is, and no NaN.
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except (ValueError, TypeError, RecursionError):
            problems.append("the body cannot be written as JSON: a value is NaN, not valid Unicode, or of no JSON type")
    if problems:
        error = ValidationError(f"{'; '.join(problems)}. Nothing was sent.")
        error.problems = tuple(problems)
        raise error
    path = operation.path
    for parameter, value in pairs:
        path = path.replace(f"{{{parameter.name}}}", quote(str(value), safe=""), 1)
    return Prepared(operation, path, content)


def _order(operation: Operation, body: object) -> Iterator[str]:
    """Both times are in the wire form by now, which sorts as text."""
    keywords = {item.name: item.keyword for item in operation.fields}
    values: Mapping[Any, object] = body if isinstance(body, dict) else {}
    for item in operation.fields:
        first, second = values.get(item.name), values.get(item.before)
        if item.before and isinstance(first, str) and isinstance(second, str) and second <= first:
            yield f"{keywords[item.before]} must be after {item.keyword}"
