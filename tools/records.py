"""What the spec says and the generator drops, as records that check values by the spec's own rules.

`make generate` copies this module into the generated package as it stands, and fills the records of
`operations.py` beside it from the spec. It knows JSON Schema's words and nothing of any one API.
"""

import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache, cached_property
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote, unquote

T = TypeVar("T")
Allowed = tuple[str | int | float | bool, ...]


class Null(Enum):
    """The type of `NULL`."""

    NULL = "null"

    def __repr__(self) -> str:
        return self.name


NULL: Final = Null.NULL
"""Sends JSON's null for a field that the spec calls nullable; `None` means that nothing is sent."""

_TYPES: Final[Mapping[str, Any]] = {
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "array": list,
    "object": dict,
}
_NAMES: Final[Mapping[str, str]] = {
    "string": "a str",
    "integer": "an int",
    "number": "a number",
    "boolean": "a bool",
    "array": "a list",
    "object": "a mapping",
}

# datetime.fromisoformat takes any separator, a line break too.
_ISO_Z: Final = r"^[0-9W-]+T[0-9:.,]+Z$"
_WIRE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
_HEADER_TEXT: Final = r"^[!-~]([ -~]*[!-~])?$"
_INTEGER: Final = r"^-?(0|[1-9][0-9]*)$"
_NUMBER: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


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
        code: The kind of problem in one word: `required`, `type`, `enum`, `pattern`, `time`, `order`, `empty`, `json`,
            `read_only`; for settings `value`, `missing`, `unusable`, `plain-http`.
        text: What is wrong and how to fix it; it goes on where the field's name ends, and never holds the value.
        name: What the user calls the field where that is not its keyword, such as the variable a setting came from.
    """

    field: str
    code: str
    text: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name or self.field} {self.text}".lstrip()


class RuleError(ValueError):
    """A value that breaks the spec; its text and `code` are those of the problem that it becomes."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def _problem(field: str, error: Exception) -> Problem:
    return Problem(field, error.code if isinstance(error, RuleError) else "time", str(error))


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


def _found(node: Any, place: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """Yield each mapping or list that holds something at a place, with the key or index that it is at."""
    name, rest = place[0], place[1:]
    keys: list[Any] = []
    if isinstance(node, dict):
        keys = list(node) if name == "*" else [name] if name in node else []
    elif isinstance(node, list) and name == "*":
        keys = list(range(len(node)))
    for key in keys:
        if rest:
            yield from _found(node[key], rest)
        else:
            yield node, key


def times_to_wire(node: Any, place: tuple[str, ...], label: str) -> list[Problem]:
    """Put times, given as datetimes or as models write them, into the wire form, in place; return what is wrong."""
    problems: list[Problem] = []
    for holder, key in _found(node, place):
        value = holder[key]
        if isinstance(value, datetime):
            value = holder[key] = value.isoformat()
        if isinstance(value, str):
            try:
                holder[key] = wire_time(value)
            except ValueError as error:
                problems.append(Problem(label, "time", str(error)))
    return problems


def plain(value: Any) -> Any:
    """Return a value as JSON has it, in a copy: mappings, tuples, models, UUIDs, dates and enums; times stay times."""
    if isinstance(value, Enum):
        return None if value is NULL else plain(value.value)
    if isinstance(value, str | int | float | datetime):
        return value
    if isinstance(value, date):
        return str(value)  # its ISO form
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if hasattr(value, "to_dict"):  # a model of this package
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    return str(value) if _is_uuid(value) else value


def _is_uuid(value: object) -> bool:
    from uuid import UUID  # noqa: PLC0415 - most callers have none, and it loads more than they need

    return isinstance(value, UUID)


def not_json(value: Any, label: str) -> Iterator[Problem]:
    """Yield what cannot be written as JSON in a plain value, each with its place."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(name, str):
                yield from not_json(inner, f"{label}.{name}")
            else:
                yield Problem(label, "json", "has a key that is not a str")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from not_json(inner, f"{label}[{index}]")
    elif isinstance(value, datetime):
        yield Problem(label, "json", "is a datetime, and the spec has no date-time there: give text")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(label, "json", f"is {value}, which JSON cannot hold")
    elif value is not None and not isinstance(value, str | int | float):
        yield Problem(label, "json", f"is of type {type(value).__name__}, which JSON cannot hold")


def _type_problem(kind: str | None, value: object) -> str | None:
    """Return what is wrong with the type of a value; any type is right where the spec names none."""
    expected = _TYPES.get(kind or "", object)
    if not isinstance(value, expected) or (isinstance(value, bool) and expected not in (bool, object)):
        return f"must be {_NAMES[kind or '']}, not {type(value).__name__}"
    return None


def _from_text(kind: str | None, text: str) -> Any:
    """Read text as a value of the spec's type; text that is not one stays text, to be refused later."""
    if kind == "integer" and matches(_INTEGER, text):
        return int(text)
    if kind == "number" and matches(_NUMBER, text):
        return float(text) if set(text) & set(".eE") else int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind in ("object", "array"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str.__str__(value) if isinstance(value, str) else str(value)  # a subclass may show itself otherwise


class Parameter(NamedTuple):
    """A path, query or header parameter: `location` says which.

    `type` is the spec's, and empty where it names none. `allowed`, `pattern` and `format` are about the value or, where
    that is an array, about its items, which are of `item_type`. `default` is sent for a required one that is not given.
    """

    name: str
    keyword: str
    location: str
    description: str
    type: str = "string"
    item_type: str = "string"
    allowed: Allowed | None = None
    pattern: str | None = None
    format: str | None = None
    required: bool = False
    default: Any = None
    style: str = "form"
    explode: bool = True
    reserved: bool = False
    deprecated: bool = False
    nullable: bool = False

    def problem(self, value: object) -> Problem | None:
        """Return what is wrong with a value, None if nothing is. The value is not repeated."""
        try:
            self.checked(value)
        except ValueError as error:
            return self.as_problem(error)
        return None

    def as_problem(self, error: ValueError) -> Problem:
        """Return the problem that `checked` raised."""
        return _problem(self.keyword, error)

    def checked(self, value: Any, *, offsets: bool = False) -> Any:
        """Return a value as it is sent: text and numbers, or a list or dict of them; times in the wire form.

        Args:
            value: What was given.
            offsets: Whether times may be text with any offset, as generated functions write them.

        Raises:
            ValueError: The value breaks the spec; the message does not hold it.
        """
        if type(value) is not str:
            value = plain(value)
        if self.type not in ("array", "object"):
            return self._scalar(self.type, value, offsets=offsets)
        if problem := _type_problem(self.type, value):
            raise RuleError("type", problem)
        if not value:
            raise RuleError("empty", f"is an empty {self.type}, which cannot be sent: leave it out")
        if isinstance(value, list):
            return [self._scalar(self.item_type, item, offsets=offsets) for item in value]
        entries: Mapping[Any, Any] = value if isinstance(value, Mapping) else {}
        return {str(name): self._scalar("", item, offsets=offsets) for name, item in entries.items()}

    def _scalar(self, kind: str, value: Any, *, offsets: bool) -> Any:
        if self.format == "date-time":
            value = wire_time(value if offsets and isinstance(value, str) else _time_text(value))
        if self.allowed and value not in self.allowed:
            raise RuleError("enum", f"must be one of {', '.join(map(str, self.allowed))}")
        if problem := _type_problem(kind, value):
            raise RuleError("type", problem)
        if isinstance(value, list | dict | datetime) or value is None:
            raise RuleError("type", f"must be text or a number, not {type(value).__name__}")
        if isinstance(value, float) and not math.isfinite(value):
            raise RuleError("type", "must be a finite number")
        text = _as_text(value)
        if self.pattern and isinstance(value, str) and not matches(self.pattern, value):
            raise RuleError("pattern", f"must match {self.pattern}")
        if self.location == "path" and text in ("", ".", ".."):
            raise RuleError("pattern", "must not be empty, `.` or `..`: that is another path")
        if self.location == "header" and not matches(_HEADER_TEXT, text):
            raise RuleError("pattern", "must be one line of printable ASCII, without white space around it")
        if self.location == "header" and self.type != "string" and "," in text:
            raise RuleError("pattern", "must not hold a comma, which separates the values of a header")
        return value

    def from_text(self, text: str) -> Any:
        """Read the text of one value as a value of the spec's type, where it is one."""
        if self.type == "array":
            return [_from_text(self.item_type, part) for part in text.split(",")]
        return _from_text(self.type, text)

    def text(self, value: Any, *, quoted: bool = True) -> str:
        """Write a checked value of a path or header parameter in the style `simple`."""
        write = _quoted if quoted else _as_text
        if isinstance(value, dict):
            between = "=" if self.explode else ","
            return ",".join(f"{write(name)}{between}{write(item)}" for name, item in value.items())
        if isinstance(value, list):
            return ",".join(map(write, value))
        return write(value)

    def query(self, value: Any) -> str:
        """Write a checked value of a query parameter in its style."""
        name = _quoted(self.name)

        def write(item: object) -> str:
            return quote(_as_text(item), safe=":/?@!$'()*,;" if self.reserved else "")

        if isinstance(value, dict):
            items = value.items()
            if self.style == "deepObject":
                return "&".join(f"{name}%5B{_quoted(key)}%5D={write(item)}" for key, item in items)
            if self.explode:
                return "&".join(f"{_quoted(key)}={write(item)}" for key, item in items)
            return f"{name}=" + ",".join(f"{_quoted(key)},{write(item)}" for key, item in items)
        if isinstance(value, list):
            if self.explode:
                return "&".join(f"{name}={write(item)}" for item in value)
            separator = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}.get(self.style, ",")
            return f"{name}=" + separator.join(map(write, value))
        return f"{name}={write(value)}"


class Field(NamedTuple):
    """A property of the JSON body, or the body itself. `before` names the property that must hold a later time.

    `default` is sent for a required one that is not given.
    """

    name: str
    keyword: str
    description: str
    type: str | None = None
    allowed: Allowed | None = None
    pattern: str | None = None
    format: str | None = None
    before: str | None = None
    required: bool = False
    nullable: bool = False
    default: Any = None
    deprecated: bool = False

    def problem(self, value: object) -> Problem | None:
        """Return what is wrong with a value, None if nothing is. The value is not repeated."""
        if self.allowed and value not in self.allowed:
            return Problem(self.keyword, "enum", f"must be one of {', '.join(map(str, self.allowed))}")
        if problem := _type_problem(self.type, value):
            return Problem(self.keyword, "type", problem)
        if self.pattern and isinstance(value, str) and not matches(self.pattern, value):
            return Problem(self.keyword, "pattern", f"must match {self.pattern}")
        return None

    def from_text(self, text: str) -> Any:
        """Read text as a value of the spec's type, where it is one."""
        return _from_text(self.type, text)


Item = Parameter | Field


class Given(NamedTuple):
    """What a call gave, and what is wrong with it; without `has_body` there is no body, not even JSON's null."""

    body: Any
    has_body: bool
    query: dict[str, Any]
    headers: dict[str, Any]
    problems: list[Problem]

    def __repr__(self) -> str:  # it is in frames, and says things of a person
        return "<Given>"


class _Operation(NamedTuple):
    operation_id: str
    method: str
    path: str
    route: str
    token_header: str | None
    parameters: tuple[Parameter, ...]
    fields: tuple[Field, ...]
    date_times: tuple[tuple[str, ...], ...]
    body: Field | None = None
    body_required: bool = True
    content_type: str = "application/json"
    read_only: tuple[tuple[str, ...], ...] = ()
    call: str = ""
    deprecated: bool = False
    idempotent: bool = False


class Operation(_Operation):
    """One operation. What calls need of it again and again is worked out at the first one.

    `route` is the path as a regular expression with a group for each path parameter, in their order. `date_times` are
    the places of date-times in the body, `*` standing for any item; `read_only` are those of what only the server sets.
    `body` is the keyword for a body without fields. `call` names the method of the public clients. `idempotent` says
    whether the state is the same however often it is carried out.
    """

    @cached_property
    def path_parameters(self) -> list[Parameter]:
        """The parameters of the path, in its order."""
        return [item for item in self.parameters if item.location == "path"]

    @cached_property
    def keywords(self) -> list[Item]:
        """What can be given by keyword besides the path's parameters, in the spec's order."""
        others: list[Item] = [item for item in self.parameters if item.location != "path"]
        return [*others, *self.fields, *([self.body] if self.body else [])]

    @cached_property
    def _in_query(self) -> list[Parameter]:
        return [item for item in self.parameters if item.location == "query"]

    @cached_property
    def _in_headers(self) -> list[Parameter]:
        return [item for item in self.parameters if item.location == "header"]

    @cached_property
    def _around(self) -> list[str]:
        """What stands around the parameters in the path."""
        return re.split(r"\{[^{}]+\}", self.path)

    @cached_property
    def _known(self) -> dict[str, Item]:
        """What can be given by keyword."""
        return {item.keyword: item for item in self.keywords}

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        """The body's fields by their names."""
        return {item.name: item for item in self.fields}

    @cached_property
    def _times(self) -> list[tuple[tuple[str, ...], str]]:
        """Where the body has times, and what each is called."""
        return [(place, self._label(place)) for place in self.date_times]

    def _label(self, place: tuple[str, ...]) -> str:
        if self.body:
            return ".".join((self.body.keyword, *place))
        known = self._by_name
        first = known[place[0]].keyword if place[0] in known else place[0]
        return ".".join((first, *place[1:]))

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
            raise TypeError(f"unknown field {names}. Known: {there or 'none'}")

    def from_keywords(self, given: Mapping[str, Any]) -> Given:
        """Return body, query, headers and problems of a call by keyword; `None` is not sent.

        Raises:
            TypeError: A keyword that the operation does not have.
        """
        self.check_keywords(given)
        known = self._known
        # Literals: dict[str, Any]() would make the type anew each time.
        body: dict[str, Any] = {}
        query: dict[str, Any] = {}
        headers: dict[str, Any] = {}
        whole: Any = None
        problems: list[Problem] = []
        has_body = bool(self.fields) and self.body_required
        for keyword, item in known.items():
            if (value := given.get(keyword)) is None:
                if not item.required:
                    continue
                # A required field that may be null has nothing else that None could mean.
                value = NULL if keyword in given and item.nullable else item.default
                if value is None:
                    hint = "; give NULL to send null" if item.nullable else ""
                    problems.append(Problem(keyword, "required", f"is required{hint}"))
                    continue
            if isinstance(item, Parameter):
                (query if item.location == "query" else headers)[item.name] = value
                continue
            try:
                value = self._body_value(item, value)
            except RecursionError:
                problems.append(Problem(keyword, "json", "holds itself, or is too deep for JSON"))
                continue
            except ValueError as error:
                problems.append(_problem(keyword, error))
                continue
            has_body = True
            if item is self.body:
                whole = value
            else:
                body[item.name] = value
        places = [place for place in self.read_only if whole is not None or len(place) > 1]
        read_only = {self._label(place) for place in places for _ in _found(whole or body, place)}
        text = "is set by the server alone: leave it out"
        problems += [Problem(label, "read_only", text) for label in sorted(read_only)]
        return Given((whole if self.body else body) if has_body else None, has_body, query, headers, problems)

    def _body_value(self, item: Field, value: Any) -> Any:
        if value is NULL:
            if not item.nullable:
                raise RuleError("type", "cannot be null: the spec does not say `nullable`")
            return None
        if item.format == "date-time":
            return _time_text(value)
        if item.format == "date" and isinstance(value, datetime):
            raise RuleError("type", "must be a date, not a datetime")
        return value if type(value) is str else plain(value)

    def parameter_values(
        self, path_values: list[Any], query: dict[str, Any], headers: dict[str, Any]
    ) -> Iterator[tuple[Parameter, Any]]:
        """Yield the parameters with the values that were given for them."""
        yield from zip(self.path_parameters, path_values, strict=True)
        for items, values in ((self._in_query, query), (self._in_headers, headers)):
            for item in items if values else ():
                if item.name in values:
                    yield item, values[item.name]

    def body_problems(self, body: Any) -> list[Problem]:
        """Put the date-times of a body into the wire form, in place; return everything in it that breaks the spec."""
        known = self._by_name
        problems = [problem for place, label in self._times for problem in times_to_wire(body, place, label)]
        if self.body and body is not None and (problem := self.body.problem(body)):
            problems.append(problem)
        fields: dict[str, Any] = body if isinstance(body, dict) else {}
        for name, value in fields.items():
            if value is None or (item := known.get(name)) is None:
                continue
            # A time that could not be rewritten is named already.
            if item.format != "date-time" and (problem := item.problem(value)):
                problems.append(problem)
            # Both times are in the wire form by now, which sorts as text.
            if item.before and str(fields.get(item.before) or "~") <= str(value):
                problems.append(Problem(known[item.before].keyword, "order", f"must be after {item.keyword}"))
        return problems

    def not_json(self, body: Any) -> list[Problem]:
        """Return what cannot be written as JSON in a body, each with its place."""
        problems: list[Problem] = []
        if self.body or not isinstance(body, dict):
            problems += not_json(body, self.body.keyword if self.body else "the body")
        else:
            for name, value in body.items():
                problems += not_json(value, self._label((name,)))
        text = "the body cannot be written as JSON: it holds text that is not valid Unicode, or itself"
        return problems or [Problem("", "json", text)]

    def path_for(self, values: list[Any]) -> str:
        """Return the path with these checked values of its parameters, encoded."""
        first, *rest = self._around
        items = zip(self.path_parameters, values, rest, strict=True)
        return first + "".join([item.text(value) + piece for item, value, piece in items])

    def query_for(self, values: Mapping[str, Any]) -> str:
        """Return the query with these checked values, encoded; empty where there are none."""
        return "&".join([item.query(values[item.name]) for item in self._in_query if item.name in values])

    def headers_for(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the headers with these checked values; names in lower case."""
        given = [item for item in self._in_headers if item.name in values]
        return {item.name.lower(): item.text(values[item.name], quoted=False) for item in given}

    def from_generated(self, path: list[Any], body: Any, query: Mapping[str, Any], headers: Mapping[str, Any]) -> Given:
        """Return what a generated function hands over, as the same values given by keyword would be.

        What only the server sets is taken out of the body: a generated model has to hold it.
        """
        problems: list[Problem] = []
        queries = self._nested_query(dict(query), problems)
        for place in self.read_only:
            for holder, key in list(_found(body, place)):
                if isinstance(holder, dict):
                    del holder[key]
        for position, item in enumerate(self.path_parameters):
            path[position] = item.from_text(path[position])
        given = {item: headers[item.name] for item in self._in_headers if item.name in headers}
        own = {item.name: item.from_text(value) if isinstance(value, str) else value for item, value in given.items()}
        return Given(body, body is not None, queries, own, problems)

    def _nested_query(self, query: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
        """Put the properties of an object, which generated functions send as parameters of their own, back into it."""
        known = {item.name for item in self._in_query}
        loose = {name: query.pop(name) for name in list(query) if name not in known}
        if loose:
            objects = [item for item in self._in_query if item.type == "object" and item.name not in query]
            if len(objects) == 1:
                query[objects[0].name] = loose
            else:
                text = f"cannot be sent by this function: call `{self.call}` of the client"
                problems += [Problem(name, "unusable", text) for name in loose]
        return query


def _quoted(value: object) -> str:
    text = _as_text(value)
    # An SID needs no quoting, and finding that out takes quote longer than all else in a path.
    return text if text.isascii() and text.isidentifier() else quote(text, safe="")


WARNED: Final[set[str]] = set()
"""What `warn_deprecated` has warned of in this process."""


def warn_deprecated(operation: Operation, given: Mapping[str, Any]) -> None:
    """Warn of a deprecated operation, and of deprecated keywords that are given, once for each in a process."""
    found = [f"`{operation.call}`"] if operation.deprecated else []
    known = [item for item in operation.keywords if item.deprecated and given.get(item.keyword) is not None]
    found += [f"`{item.keyword}` of `{operation.call}`" for item in known]
    for what in found:
        if what not in WARNED:
            WARNED.add(what)
            message = f"{what} is deprecated by the API and may go with a later version"
            warnings.warn(message, DeprecationWarning, stacklevel=3)


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
