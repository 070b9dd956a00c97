"""Builds the exact request from arguments. All problems are reported in one error before anything is sent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from smarterproctoring_generated.operations import OPERATIONS, SID_KINDS
from smarterproctoring_generated.records import Hidden, Operation, Parameter

from smarterproctoring.errors import ConfigurationError, ValidationError
from smarterproctoring.json_values import matches
from smarterproctoring.parameters import checked
from smarterproctoring.problems import Problem, problem_from
from smarterproctoring.rules import Given, Rules, path_parameters, rules_of
from smarterproctoring.settings import check_headers

INSTALL: Final = "install_sid"
"""The keyword of the install."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
"""As httpx writes JSON: compact, UTF-8 as it is, and no NaN."""


class Prepared:
    """A request that passed every check.

    Attributes:
        operation: The operation that it belongs to.
        path: The path with the query.
        headers: Headers of this request alone.
        content: The body; empty for none.
        began: When the call began, in seconds of the monotonic clock: writing a large body takes time of the deadline.
        can_read_back: Whether a read can show that what the body asks for is so.
        needs_whole: Whether an answer that broke off is of no use: half of a session cannot be compared.
    """

    def __init__(
        self,
        operation: Operation,
        path: str,
        headers: Mapping[str, str],
        content: Hidden[bytes],
        began: float,
        *,
        can_read_back: bool = False,
        needs_whole: bool = False,
    ) -> None:
        self.operation = operation
        self.path = path
        self.headers = headers
        self.content = content
        self.began = began
        self.can_read_back = can_read_back
        self.needs_whole = needs_whole

    def __repr__(self) -> str:  # it is in frames, and says things of a person
        return f"<Prepared {self.operation.operation_id}>"


def from_keywords(
    operation: Operation,
    sids: Sequence[object],
    given: Hidden[Mapping[str, object]],
    *,
    allow_empty: bool,
) -> Prepared:
    """Prepare a call of the public clients.

    Raises:
        TypeError: A keyword that the operation does not have.
        ValidationError: All problems with the arguments.
    """
    began = time.monotonic()
    rules = rules_of(operation)
    prepared = _from_keywords(
        rules, sids, given.reveal(), began, allow_empty=allow_empty
    )
    if isinstance(prepared, Prepared):
        return prepared
    raise _invalid(prepared)


def path_problem(parameter: Parameter, value: object) -> Problem | None:
    """Return what is wrong with a value of a path parameter; None if nothing is."""
    try:
        checked(parameter, value)
    except ValueError as error:
        return _parameter_problem(parameter, value, error)
    return None


def _install() -> Parameter | None:
    """Return the parameter of the install's SID; None for a spec whose paths do not begin with one."""
    firsts = [path_parameters(operation)[:1] for operation in OPERATIONS]
    found = [item for first in firsts for item in first if item.keyword == INSTALL]
    return found[0] if found else None


def install_problem(value: object) -> Problem | None:
    """Return what is wrong with the setting `install_sid`; None if nothing is, or if it is not set."""
    parameter = _install()
    if value is None or parameter is None:
        return None
    problem = path_problem(parameter, value)
    return None if problem is None else Problem(INSTALL, "value", problem.text)


def check_install(value: object) -> None:
    """Refuse what is not the SID of an install, in the words of a call that has it.

    Raises:
        ValidationError: It cannot be sent.
    """
    parameter = _install()
    problem = None if parameter is None else path_problem(parameter, value)
    if problem is not None:
        raise _invalid([problem])


def keyword_problems(
    operation: Operation, given: Hidden[Mapping[str, object]], *, allow_empty: bool
) -> list[Problem]:
    """Return what is wrong with the keywords of a call, whatever its path is.

    Raises:
        TypeError: A keyword that the operation does not have.
    """
    rules = rules_of(operation)
    found = _given(rules, given.reveal(), allow_empty=allow_empty)
    problems: list[Problem] = []
    beside = rules.beside_path(found.query, found.headers)
    _check_parameters(beside, problems, offsets=False)
    _check_body(rules, found, problems)
    return problems


def to_compare(
    operation: Operation, sids: Sequence[object], given: Hidden[Mapping[str, object]]
) -> Prepared:
    """Prepare the change that a read is compared with; what is only sent with it, beside the body, may be missing.

    Raises:
        TypeError: A keyword that the operation does not have.
        ValidationError: All problems with the arguments.
    """
    began = time.monotonic()
    return _or_raise(_to_compare(rules_of(operation), sids, given.reveal(), began))


def _to_compare(
    rules: Rules, sids: Sequence[object], given: Mapping[str, object], began: float
) -> Prepared | list[Problem]:
    found = rules.from_keywords(given)
    beside = {
        item.keyword
        for item in rules.operation.parameters
        if item.location != "path" and item.keyword not in given
    }
    problems = [one for one in found.problems if one.field not in beside]
    if not found.body and not problems:
        text = "nothing to compare: give at least one field"
        problems.append(Problem("", "empty", text))
    found.problems = problems
    return _prepare(rules, [*sids], found, began, offsets=False)


def _from_keywords(
    rules: Rules,
    sids: Sequence[object],
    given: Mapping[str, object],
    began: float,
    *,
    allow_empty: bool,
) -> Prepared | list[Problem]:
    found = _given(rules, given, allow_empty=allow_empty)
    return _prepare(rules, [*sids], found, began, offsets=False)


def _given(rules: Rules, given: Mapping[str, object], *, allow_empty: bool) -> Given:
    """Read the keywords; a body that would change nothing is a problem."""
    found = rules.from_keywords(given)
    has_fields = bool(rules.operation.fields)
    if found.body == {} and has_fields and not found.problems and not allow_empty:
        text = "nothing to change: give at least one field, or allow it with allow_empty=True"
        found.problems.append(Problem("", "empty", text))
    return found


def from_generated(
    method: str,
    path: str,
    body: object,
    query: Mapping[str, object],
    headers: Mapping[str, Any],
) -> Prepared:
    """Prepare the request of a generated function; times in `body` are rewritten in place.

    Raises:
        ConfigurationError: No operation of the spec has this method and path.
        ValidationError: All problems with the parameters and the body.
    """
    began = time.monotonic()
    for operation in OPERATIONS:
        rules = rules_of(operation)
        values = rules.path_values(method.upper(), path)
        if values is not None:
            found = rules.from_generated(values, body, query, headers)
            prepared = _or_raise(_prepare(rules, values, found, began, offsets=True))
            own = {
                item.name.lower()
                for item in operation.parameters
                if item.location == "header"
            }
            rest = {
                name: value
                for name, value in headers.items()
                if name.lower() not in own
            }
            prepared.headers = {**check_headers(rest), **prepared.headers}
            return prepared
    raise ConfigurationError(
        "the spec has no operation with this method and path; nothing else is sent"
    )


def _or_raise(prepared: Prepared | list[Problem]) -> Prepared:
    """Raise the problems. This function has no local variable with personal data, so a traceback shows none."""
    if isinstance(prepared, Prepared):
        return prepared
    raise _invalid(prepared)


def _invalid(problems: Sequence[Problem]) -> ValidationError:
    text = f"{'; '.join(map(str, problems))}. Nothing was sent."
    return ValidationError(text, problems=tuple(problems))


def _prepare(
    rules: Rules, sids: list[Any], given: Given, began: float, *, offsets: bool
) -> Prepared | list[Problem]:
    problems: list[Problem] = []
    parts: _Parts | None = None
    target = rules.plain_path(sids)
    if not target or given.query or given.headers:
        values = rules.parameter_values(sids, given.query, given.headers)
        parts = _check_parameters(values, problems, offsets=offsets)
    content = _check_body(rules, given, problems)
    if problems:
        return problems
    headers: dict[str, str] = {}
    if parts is not None:
        headers = rules.headers_for(parts.headers)
        target = rules.target_for(parts.path, parts.query)
    if content and rules.operation.content_type != "application/json":
        headers["content-type"] = rules.operation.content_type
    can_read_back = rules.can_read_back(given.body)
    return Prepared(
        rules.operation,
        target,
        headers,
        Hidden(content),
        began,
        can_read_back=can_read_back,
    )


class _Parts:
    """The checked values of parameters, by where they are sent."""

    def __init__(self) -> None:
        self.path: list[object] = []
        self.query: dict[str, object] = {}
        self.headers: dict[str, object] = {}


def _check_parameters(
    values: Iterable[tuple[Parameter, object]],
    problems: list[Problem],
    *,
    offsets: bool,
) -> _Parts:
    """Return the values as they are sent; add what is wrong with them to the problems."""
    parts = _Parts()
    for parameter, value in values:
        try:
            sent = checked(parameter, value, offsets=offsets)
        except ValueError as error:
            problems.append(_parameter_problem(parameter, value, error))
            continue
        if parameter.location == "path":
            parts.path.append(sent)
        elif parameter.location == "query":
            parts.query[parameter.name] = sent
        else:
            parts.headers[parameter.name] = sent
    return parts


def _check_body(rules: Rules, given: Given, problems: list[Problem]) -> bytes:
    """Return the body as it is sent; add what is wrong with it, and with its keywords, to the problems."""
    problems += given.problems
    problems += rules.body_problems(given.body)
    if not given.has_body:
        return b""
    try:
        return _JSON.encode(given.body).encode()
    except (ValueError, TypeError, RecursionError):
        problems += rules.not_json(given.body)
    return b""


def _parameter_problem(
    parameter: Parameter, value: object, error: ValueError
) -> Problem:
    problem = problem_from(parameter.keyword, error)
    return problem._replace(text=problem.text + _hint(parameter, value))


def _hint(parameter: Parameter, value: object) -> str:
    """Return a hint at the cause of an invalid path or query parameter, empty if there is none."""
    pattern = parameter.pattern
    if not isinstance(value, str) or not pattern:
        return ""
    if matches(pattern, value.strip()):
        return " (it has white space around it)"
    if matches(pattern, value[:2].upper() + value[2:].lower()):
        return " (SIDs are case-sensitive)"
    kind = SID_KINDS.get(value[:2])
    return (
        f" (this is an SID of kind {kind} with {len(value)} characters)" if kind else ""
    )
