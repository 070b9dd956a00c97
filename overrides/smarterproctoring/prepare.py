"""From arguments to the exact request: SIDs, dates, body. Everything wrong is said at once, before the wire."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
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


_TYPES: Mapping[str, Any] = {"string": str, "integer": int, "number": int | float, "boolean": bool}
_ISO_Z = re.compile(r"[0-9W-]+T[0-9:.,]+Z")  # datetime.fromisoformat takes any separator, a line break too


class Prepared(NamedTuple):
    """A request that passed every check: the operation it belongs to, and what is sent."""

    operation: Operation
    path: str
    content: bytes


def matches(pattern: str, value: str) -> bool:
    """Match a pattern of the spec, which is ECMA-262: its `$` never matches before a final newline, Python's does."""
    anchored = pattern.startswith("^") and pattern.endswith("$")
    return (re.fullmatch if anchored else re.search)(pattern, value, re.ASCII) is not None


def parameter_problems(parameter: Parameter, value: object) -> Iterator[str]:
    """Yield what is wrong with a path or query parameter, if anything. The value is never echoed."""
    pattern, name = parameter.pattern, parameter.keyword
    if not isinstance(value, str):
        yield f"{name} must be a str, not {type(value).__name__}"
    elif pattern is not None and not matches(pattern, value):
        hint = ""
        if matches(pattern, value.strip()):
            hint = "it has white space around it; "
        elif matches(pattern, value[:2].upper() + value[2:].lower()):
            hint = "SIDs are case-sensitive; "
        elif value[:2] in SID_KINDS:
            hint = f"this is an SID of kind {SID_KINDS[value[:2]]} with {len(value)} characters; "
        yield f"{name} is wrong: {hint}it must match {pattern}"


def wire_time(text: str) -> str:
    """Return ISO 8601 text with an offset as the API wants it: `YYYY-MM-DDTHH:MM:SS.mmmZ`, in UTC.

    Raises:
        ValueError: Anything else; the message says how to mend it and does not hold the value.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not ISO 8601, like 2030-05-04T13:00:00.000Z") from None
    if moment.utcoffset() is None:
        example = "datetime(2030, 5, 4, 9, 0, tzinfo=ZoneInfo('America/New_York'))"
        raise ValueError(f"has no time zone; give it one, for instance {example}")
    try:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    except OverflowError:
        raise ValueError("is out of range in UTC") from None


def from_fields(operation: Operation, sids: Iterable[Any], given: Mapping[str, Any], allow_empty: bool) -> Prepared:
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
    return _prepare(operation, sids, body, problems)


def _field_value(item: Field, value: object) -> object:
    if item.format == "date-time" and isinstance(value, datetime):
        return value.isoformat()
    if item.format == "date-time" and not (isinstance(value, str) and _ISO_Z.fullmatch(value)):
        raise ValueError("must be a datetime with a time zone, or ISO 8601 text that ends in Z")
    if item.allowed and value not in item.allowed:
        raise ValueError(f"must be one of {', '.join(item.allowed)}")
    kind = _TYPES.get(item.type or "", object)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind in (int, int | float)):
        raise ValueError(f"must be a {getattr(kind, '__name__', 'number')}, not {type(value).__name__}")
    if item.pattern and isinstance(value, str) and not matches(item.pattern, value):
        raise ValueError(f"must match {item.pattern}")
    return value


def from_generated(method: str, url: str, body: Any, query: dict[str, Any]) -> Prepared:
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
            "the spec has no operation with this method and path; only operations of the spec are sent"
        )
    problems: list[str] = []
    for parameter in operation.parameters:
        if parameter.location == "query" and query.get(parameter.name) is not None:
            if parameter.format == "date-time":
                _rewrite(query, (parameter.name,), parameter.keyword, problems)
            values: Any = query[parameter.name]
            for value in values if isinstance(values, list) else [values]:
                problems += parameter_problems(parameter, str(value))
    path_values = [unquote(match[p.name]) for p in operation.parameters if p.location == "path"]
    return _prepare(operation, path_values, body, problems)


def _rewrite(node: Any, place: tuple[str, ...], label: str, problems: list[str]) -> None:
    """Put times, which models write with `isoformat()`, into the wire form, in place."""
    name, rest = place[0], place[1:]
    keys: Any = range(len(node)) if isinstance(node, list) else node if isinstance(node, dict) else ()
    for key in [key for key in keys if name in ("*", key)]:
        if rest:
            _rewrite(node[key], rest, label, problems)
        elif isinstance(node[key], str):
            try:
                node[key] = wire_time(node[key])
            except ValueError as error:
                problems.append(f"{label} {error}")


def _prepare(operation: Operation, path_values: Iterable[Any], body: Any, problems: list[str]) -> Prepared:
    parameters = [parameter for parameter in operation.parameters if parameter.location == "path"]
    pairs = list(zip(parameters, path_values, strict=True))
    problems = [*(problem for pair in pairs for problem in parameter_problems(*pair)), *problems]
    keywords = {item.name: item.keyword for item in operation.fields}
    for place in operation.date_times:
        _rewrite(body, place, keywords.get(place[0], ".".join(place)), problems)
    for item in operation.fields if isinstance(body, dict) else ():
        # Both times are in the wire form by now, which sorts as text.
        if item.before and {item.name, item.before} <= body.keys() and str(body[item.before]) <= str(body[item.name]):
            problems.append(f"{keywords[item.before]} must be after {item.keyword}")
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
        path = path.replace(f"{{{parameter.name}}}", quote(value, safe=""), 1)
    return Prepared(operation, path, content)
