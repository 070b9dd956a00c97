"""From arguments to the exact request. Everything wrong is said at once, before the wire."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from smarterproctoring_generated.operations import OPERATIONS, SID_KINDS
from smarterproctoring_generated.records import Hidden, Operation, Parameter, Problem, matches

from smarterproctoring.errors import ConfigurationError, ValidationError

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
"""As httpx writes JSON: compact, UTF-8 as it is, and no NaN."""


class Prepared(NamedTuple):
    """A request that passed every check: the operation it belongs to, and what is sent."""

    operation: Operation
    path: str
    query: Mapping[str, Any]
    content: Hidden[bytes]

    def __repr__(self) -> str:  # it is in frames, and says things of a person
        return f"<Prepared {self.operation.operation_id}>"


def from_keywords(
    operation: Operation, sids: Sequence[Any], given: Hidden[Mapping[str, Any]], *, allow_empty: bool
) -> Prepared:
    """Prepare a call of the public clients.

    Raises:
        TypeError: A keyword that the operation does not have.
        ValidationError: All problems with the arguments.
    """
    operation.check_keywords(list(given.reveal()))
    return _or_raise(_from_keywords(operation, sids, given.reveal(), allow_empty=allow_empty))


def _from_keywords(
    operation: Operation, sids: Sequence[Any], given: Mapping[str, Any], *, allow_empty: bool
) -> "Prepared | list[Problem]":
    body, query, problems = operation.from_keywords(given)
    if body == {} and not problems and not allow_empty:
        text = "nothing to change: give at least one field, or allow it with allow_empty=True"
        problems.append(Problem("", "empty", text))
    return _prepare(operation, sids, body, query, problems)


def from_generated(method: str, path: str, body: Any, query: dict[str, Any]) -> Prepared:
    """Prepare what a generated function hands over; times in `body` and `query` are rewritten in place.

    Raises:
        ConfigurationError: No operation of the spec has this method and path.
        ValidationError: All problems with the parameters and the body.
    """
    for operation in OPERATIONS:
        if (sids := operation.path_values(method.upper(), path)) is not None:
            return _or_raise(_prepare(operation, sids, body, query, []))
    raise ConfigurationError("the spec has no operation with this method and path; nothing else is sent")


def _or_raise(prepared: "Prepared | list[Problem]") -> Prepared:
    """Raise what is wrong: here, where no local variable holds what the call says of a person."""
    if isinstance(prepared, Prepared):
        return prepared
    raise ValidationError(f"{'; '.join(map(str, prepared))}. Nothing was sent.", problems=tuple(prepared))


def _prepare(
    operation: Operation, sids: Sequence[Any], body: Any, query: dict[str, Any], found: list[Problem]
) -> "Prepared | list[Problem]":
    found += [*operation.times_in_query(query), *operation.body_problems(body)]
    problems = [
        problem._replace(text=problem.text + _hint(parameter, value))
        for parameter, value in operation.parameter_values([*sids], query)
        if (problem := parameter.problem(value))
    ] + found
    content = b""
    if body is not None:
        try:
            content = _JSON.encode(body).encode()
        except (ValueError, TypeError, RecursionError):
            text = "the body cannot be written as JSON: a value is NaN, not valid Unicode, or of no JSON type"
            problems.append(Problem("", "json", text))
    return problems or Prepared(operation, operation.path_for([*sids]), query, Hidden(content))


def _hint(parameter: Parameter, value: object) -> str:
    """Say what a wrong path or query parameter may come from, if that shows."""
    pattern = parameter.pattern or ""
    if not isinstance(value, str):
        return ""
    if matches(pattern, value.strip()):
        return " (it has white space around it)"
    if matches(pattern, value[:2].upper() + value[2:].lower()):
        return " (SIDs are case-sensitive)"
    kind = SID_KINDS.get(value[:2])
    return f" (this is an SID of kind {kind} with {len(value)} characters)" if kind else ""
