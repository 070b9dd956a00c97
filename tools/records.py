"""What the spec says and the generator drops, as records that check values by the spec's own rules.

`make generate` copies this module into the generated package as it stands, and fills the records of
`operations.py` beside it from the spec. It knows JSON Schema's words and nothing of any one API.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote, unquote

T = TypeVar("T")
_TYPES: Final[Mapping[str, Any]] = {"string": str, "integer": int, "number": int | float, "boolean": bool}

# datetime.fromisoformat takes any separator, a line break too.
_ISO_Z: Final = r"^[0-9W-]+T[0-9:.,]+Z$"
_WIRE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"


class Hidden(Generic[T]):
    """Holds a value that is not shown: it is in frames, and some tools show what those hold."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value; not to be kept in a variable of a function that raises."""
        return self._value

    def __repr__(self) -> str:
        return "<hidden>"


class Problem(NamedTuple):
    """One thing that is wrong, as data; `str()` makes a sentence of it.

    Attributes:
        field: The keyword (of an argument or a setting) that it is about; empty if it is about no single one.
        code: The kind of problem in one word: `required`, `type`, `enum`, `pattern`, `time`, `order`, `empty`, `json`;
            for settings `value`, `missing`, `unusable`, `plain-http`.
        text: What is wrong and how to fix it; it goes on where the field's name ends, and never holds the value.
        name: What the user calls the field where that is not its keyword, such as the variable a setting came from.
    """

    field: str
    code: str
    text: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name or self.field} {self.text}".lstrip()


def matches(pattern: str, value: str) -> bool:
    """Match a pattern of the spec, which is ECMA-262: its `$` never matches before a final newline, Python's does."""
    return _matcher(pattern)(value) is not None


@cache
def _matcher(pattern: str) -> Callable[[str], object]:
    compiled = re.compile(pattern, re.ASCII)
    return compiled.fullmatch if pattern.startswith("^") and pattern.endswith("$") else compiled.search


def wire_time(text: str) -> str:
    """Return ISO 8601 text with an offset as the API wants it: `YYYY-MM-DDTHH:MM:SS.mmmZ`, in UTC.

    Raises:
        ValueError: Anything else; the message says how to mend it and does not hold the value.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not ISO 8601, like 2030-05-04T13:00:00.000Z") from None
    if matches(_WIRE, text):  # as programs write it: nothing to do
        return text
    if moment.utcoffset() is None:
        example = "datetime(2030, 5, 4, 9, 0, tzinfo=ZoneInfo('America/New_York'))"
        raise ValueError(f"has no time zone; give it one, for instance {example}")
    try:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    except OverflowError:
        raise ValueError("is out of range in UTC") from None


def _time_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and matches(_ISO_Z, value):
        return value
    raise ValueError("must be a datetime with a time zone, or ISO 8601 text that ends in Z")


def times_to_wire(node: Any, place: tuple[str, ...], label: str) -> list[Problem]:
    """Put times, which models write with `isoformat()`, into the wire form, in place; return what is wrong."""
    name, rest = place[0], place[1:]
    keys: Any = ()
    problems: list[Problem] = []
    if isinstance(node, dict):
        keys = list(node) if name == "*" else (name,) if name in node else ()
    elif isinstance(node, list) and name == "*":
        keys = range(len(node))
    for key in keys:
        if rest:
            problems += times_to_wire(node[key], rest, label)
        elif isinstance(node[key], str):
            try:
                node[key] = wire_time(node[key])
            except ValueError as error:
                problems.append(Problem(label, "time", str(error)))
    return problems


class Parameter(NamedTuple):
    """A path, query or header parameter: `location` says which."""

    name: str
    keyword: str
    location: str
    description: str
    pattern: str | None = None
    format: str | None = None
    required: bool = False

    def problem(self, value: object) -> Problem | None:
        """Return what is wrong with a value, None if nothing is. The value is not repeated."""
        if not isinstance(value, str):
            return Problem(self.keyword, "type", f"must be a str, not {type(value).__name__}")
        if self.pattern and not matches(self.pattern, value):
            return Problem(self.keyword, "pattern", f"must match {self.pattern}")
        return None


class Field(NamedTuple):
    """A property of the JSON body. `before` names the property that must hold a later time."""

    name: str
    keyword: str
    description: str
    type: str | None = None
    allowed: tuple[str, ...] | None = None
    pattern: str | None = None
    format: str | None = None
    before: str | None = None
    required: bool = False

    def problem(self, value: object) -> Problem | None:
        """Return what is wrong with a value, None if nothing is. The value is not repeated."""
        if self.allowed and value not in self.allowed:
            return Problem(self.keyword, "enum", f"must be one of {', '.join(self.allowed)}")
        kind = _TYPES.get(self.type or "", object)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind not in (bool, object)):
            name = getattr(kind, "__name__", "number")
            return Problem(self.keyword, "type", f"must be a {name}, not {type(value).__name__}")
        if self.pattern and isinstance(value, str) and not matches(self.pattern, value):
            return Problem(self.keyword, "pattern", f"must match {self.pattern}")
        return None


class _Operation(NamedTuple):
    operation_id: str
    method: str
    path: str
    route: str
    token_header: str | None
    parameters: tuple[Parameter, ...]
    fields: tuple[Field, ...]
    date_times: tuple[tuple[str, ...], ...]
    idempotent: bool = False


class Operation(_Operation):
    """One operation. What calls need of it again and again is worked out at the first one.

    `route` is the path as a regular expression with a group for each path parameter, in their order; `date_times`
    are the places of date-times in the body, `*` standing for any item; `idempotent` says whether the state is the
    same however often it is carried out.
    """

    @cached_property
    def _in_path(self) -> list[Parameter]:
        return [item for item in self.parameters if item.location == "path"]

    @cached_property
    def _in_query(self) -> list[Parameter]:
        return [item for item in self.parameters if item.location == "query"]

    @cached_property
    def _around(self) -> list[str]:
        """What stands around the parameters in the path."""
        return re.split(r"\{[^{}]+\}", self.path)

    @cached_property
    def _known(self) -> dict[str, Parameter | Field]:
        """What can be given by keyword."""
        known: list[Parameter | Field] = [*self._in_query, *self.fields]
        return {item.keyword: item for item in known}

    @cached_property
    def _body(self) -> dict[str, Field]:
        """The body's fields by their names."""
        return {item.name: item for item in self.fields}

    @cached_property
    def _times(self) -> list[tuple[tuple[str, ...], str]]:
        """Where the body has times, and what each is called."""
        known = self._body
        return [(place, known[place[0]].keyword if place[0] in known else ".".join(place)) for place in self.date_times]

    def path_values(self, method: str, path: str) -> list[str] | None:
        """Return the decoded values of the path parameters, None if this request belongs to another operation."""
        match = re.fullmatch(self.route, path) if method == self.method else None
        return match and [unquote(value) for value in match.groups()]

    def check_keywords(self, given: Iterable[str]) -> None:
        """Refuse a keyword that does not exist.

        Raises:
            TypeError: A keyword that the operation does not have.
        """
        if unknown := [keyword for keyword in given if keyword not in self._known]:
            names, there = ", ".join(sorted(unknown)), ", ".join(self._known)
            raise TypeError(f"unknown field {names}: the API would drop it silently. Known: {there}")

    def from_keywords(self, given: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any], list[Problem]]:
        """Return body, query and problems of a call by keyword; `None` is not sent.

        Raises:
            TypeError: A keyword that the operation does not have.
        """
        self.check_keywords(given)
        known = self._known
        # Literals: dict[str, Any]() would make the type anew each time.
        body: dict[str, Any] = {}
        query: dict[str, Any] = {}
        problems: list[Problem] = []
        for keyword, item in known.items():
            if (value := given.get(keyword)) is None:
                if item.required:
                    problems.append(Problem(keyword, "required", "is required"))
                continue
            try:
                value = _time_text(value) if item.format == "date-time" else value
            except ValueError as error:
                problems.append(Problem(keyword, "time", str(error)))
                continue
            (body if isinstance(item, Field) else query)[item.name] = value
        return body if self.fields else None, query, problems

    def parameter_values(self, path_values: list[Any], query: dict[str, Any]) -> Iterator[tuple[Parameter, Any]]:
        """Yield the parameters of path and query with their values; those of a list one by one."""
        yield from zip(self._in_path, path_values, strict=True)
        for item in self._in_query:
            given = query.get(item.name)
            for value in given if isinstance(given, list) else () if given is None else (given,):
                yield item, str(value)

    def times_in_query(self, query: dict[str, Any]) -> list[Problem]:
        """Put the date-times of a query into the wire form, in place; return what is wrong with them."""
        times = [item for item in self._in_query if item.format == "date-time"]
        return [problem for item in times for problem in times_to_wire(query, (item.name,), item.keyword)]

    def body_problems(self, body: Any) -> list[Problem]:
        """Put the date-times of a body into the wire form, in place; return everything in it that breaks the spec."""
        known = self._body
        problems = [problem for place, label in self._times for problem in times_to_wire(body, place, label)]
        for name, value in body.items() if isinstance(body, dict) else ():
            if value is None or (item := known.get(name)) is None:
                continue
            # A time that could not be rewritten is named already.
            if item.format != "date-time" and (problem := item.problem(value)):
                problems.append(problem)
            # Both times are in the wire form by now, which sorts as text.
            if item.before and str(body.get(item.before) or "~") <= str(value):
                problems.append(Problem(known[item.before].keyword, "order", f"must be after {item.keyword}"))
        return problems

    def path_for(self, values: list[str]) -> str:
        """Return the path with these values of its parameters, encoded."""
        first, *rest = self._around
        return first + "".join([_quoted(value) + piece for value, piece in zip(values, rest, strict=True)])


def _quoted(value: str) -> str:
    # An SID needs no quoting, and finding that out takes quote longer than all else in a path.
    return value if value.isascii() and value.isidentifier() else quote(value, safe="")


def parse_or_none(parse: Callable[..., T], **context: Any) -> T | None:
    """Return what `parse` makes of a response, or None for a success whose body is not what the spec says.

    The server has carried out a call that it answered with 2xx, whatever the body looks like; the bytes are in
    the response's `content`. Any other status is parsed as the generator does it.
    """
    try:
        return parse(**context)
    except Exception:
        if context["response"].is_success:
            return None
        raise
