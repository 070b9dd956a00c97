"""Read the OpenAPI document and compile it: paths, parameters, security, bodies and answers.

The server knows the API only through this module. An operation added to the document is served without a line
of code. Understood: OpenAPI 3.0 with references inside the document. Schemas follow that version's dialect
(JSON Schema draft 4 plus `nullable`, `readOnly` and the integer formats).
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeAlias, cast
from urllib.parse import quote, unquote

import jsonschema_rs
import yaml

from smarterproctoring_mock.examples import Examples, NoExampleError
from smarterproctoring_mock.responses import Response, phrase, vendor_code
from smarterproctoring_mock.strict_json import Json

Node: TypeAlias = dict[str, Any]

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PACKAGED: Final = Path(__file__).with_name("openapi.yaml")
_CHECKOUT: Final = Path(__file__).parents[2] / "openapi" / "smarterproctoring.yaml"
_INTEGER_FORMATS: Final = {"int32": 2**31, "int64": 2**63}
_MAX_SHOWN: Final = 50


class SpecError(ValueError):
    """The document cannot be served as it stands."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One way in which a request breaks the spec. Holds nothing of the request but names the spec knows."""

    field: str
    rule: str
    pointer: str

    def __str__(self) -> str:
        return f"{self.field} {self.rule} ({self.pointer})"


def describe(problems: Sequence[Problem]) -> str:
    """Put problems into one line for an error's message."""
    shown = "; ".join(map(str, problems[:_MAX_SHOWN]))
    more = len(problems) - _MAX_SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


# --- reading ----------------------------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2's JSON schema, as OpenAPI demands: `NO` and `2030-01-01` are strings, not a bool and a date."""

    yaml_implicit_resolvers: Final[dict[str, Any]] = {}


_add_resolver: Callable[[str, re.Pattern[str], list[str]], None] = cast("Any", _Loader).add_implicit_resolver
for _tag, _pattern, _first in (
    ("bool", "true|false", "tf"),
    ("null", "null|~|", ["n", "~", ""]),
    ("int", "-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", "-0123456789"),
):
    _add_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def default_path() -> Path:
    """Return the spec shipped beside the code, or the checkout's while working in one."""
    return _PACKAGED if _PACKAGED.exists() else _CHECKOUT


def _string_keys(node: Any) -> Any:
    # YAML reads the response key 200 as a number; JSON, JSON pointers and this module want a string.
    if isinstance(node, dict):
        return {str(key): _string_keys(value) for key, value in cast("Node", node).items()}
    return [_string_keys(item) for item in node] if isinstance(node, list) else node


def load(path: str | Path | None = None) -> "Spec":
    """Read and compile a spec.

    Args:
        path: The YAML or JSON file; None for the one that belongs to this version of the package.

    Returns:
        The compiled spec.

    Raises:
        SpecError: The file cannot be read, or says something that cannot be served.
    """
    path = Path(path) if path is not None else default_path()
    try:
        document = yaml.load(path.read_bytes(), _Loader)  # noqa: S506  a safe loader with fewer types
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: {' '.join(str(error).split())}") from None
    try:
        return Spec(_string_keys(document))
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError) as error:
        raise SpecError(f"{path}: not a usable OpenAPI document ({type(error).__name__}: {error})") from None


# --- rules ------------------------------------------------------------------------------------------------

_RULES: Final = {
    "type": "must be of type {}",
    "enum": "must be one of {}",
    "pattern": "must match the pattern {}",
    "format": "must be a valid {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minimum": "must not be less than {}",
    "maximum": "must not be greater than {}",
    "multipleOf": "must be a multiple of {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "uniqueItems": "must not hold an item twice",
    "additionalProperties": "must not hold undeclared properties",
}


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


_FORMATS: Final[dict[str, Callable[[Any], bool]]] = {
    "byte": _is_base64,
    # Draft 4 knows few formats; a later draft's rules serve for the rest.
    **{
        name: jsonschema_rs.Draft202012Validator({"type": "string", "format": name}, validate_formats=True).is_valid
        for name in ("date", "duration", "iri", "json-pointer", "time", "uri-reference", "uri-template", "uuid")
    },
}


def _validator(schema: Node) -> jsonschema_rs.Draft4Validator:
    """Compile a schema.

    Patterns are matched by an engine whose time grows with the length of the text alone, whatever the pattern. It has
    no lookaround and no backreferences.
    """
    return jsonschema_rs.Draft4Validator(
        schema, validate_formats=True, formats=_FORMATS, offline=True, pattern_options=jsonschema_rs.RegexOptions()
    )


class Rules:
    """One schema of the spec, compiled. `is_valid` is fast; `problems` explains."""

    __slots__ = ("_document", "_known", "_validator", "is_valid")

    def __init__(self, document: Node, pointer: str, known: frozenset[str]) -> None:
        self._document = document
        self._known = known
        try:
            # The whole document is the schema, so that an error's path is a place in the spec.
            reference = quote(pointer, safe="#/~%!$&'()*+,;=:@")
            self._validator = _validator({**document, "$ref": reference})
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise SpecError(f"{pointer}: {error}") from None
        self.is_valid: Callable[[Any], bool] = self._validator.is_valid

    def problems(self, value: Json, name: str, *, only_first: bool = False) -> Iterator[Problem]:
        """Yield every rule that a value breaks.

        Args:
            value: What was received.
            name: What to call it, such as `body` or `path.examSid`.
            only_first: Stop at the first. To find all in a large value takes seconds where each item breaks a rule.

        Yields:
            Problems in the schema's order.
        """
        for error in self._first(value) if only_first else self._validator.iter_errors(value):
            where = name + "".join(self._part(part) for part in error.instance_path)
            path = list(error.schema_path)
            keyword = str(path[-1]) if path else error.kind.name
            if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
                yield Problem(f"{where}.{error.kind.property}", "is required", to_pointer(path))
                continue
            stated = json.dumps(_walk(self._document, path), ensure_ascii=False)
            rule = _RULES.get(keyword, f"must satisfy {keyword}").format(stated)
            yield Problem(where, rule, to_pointer(path))

    def _first(self, value: Json) -> list[jsonschema_rs.ValidationError]:
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [error]
        return []

    def _part(self, part: str | int) -> str:
        # A key that the spec does not name may be anybody's data.
        return f"[{part}]" if isinstance(part, int) else f".{part}" if part in self._known else ".*"


def _check_pattern(pattern: str, pointer: str) -> None:
    try:
        _validator({"pattern": pattern})
    except ValueError:
        raise SpecError(
            f"{pointer}: the pattern {json.dumps(pattern)} is not a regular expression, or one that cannot be matched "
            "without backtracking (lookaround, backreferences); write it without"
        ) from None


def to_pointer(path: Iterable[str | int]) -> str:
    """Write a path as a JSON pointer (RFC 6901) in a URI fragment's form, braces left readable."""
    return "#" + "".join("/" + _escape(str(part)) for part in path)


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _from_pointer(pointer: str) -> list[str]:
    return [unquote(part).replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _walk(node: Any, path: Iterable[str | int]) -> Any:
    for part in path:
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


# --- operations -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """An answer that is an object, and which of its properties can show something of the stored session."""

    template: Mapping[str, Json]
    accepts: Mapping[str, Callable[[Any], bool]]
    """Whether a property can have a value, by the property's name."""

    def body(self, known: Mapping[str, Json]) -> bytes:
        """Write the answer.

        Args:
            known: Values by their names; those that the answer has no property for are left out.
        """
        shown = {name: value for name, value in known.items() if name in self.accepts and self.accepts[name](value)}
        return json.dumps({**self.template, **shown}, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation, with how its text becomes a value."""

    name: str
    location: str
    required: bool
    pointer: str
    rules: Rules
    type: str | None
    item_type: str | None
    explode: bool
    style: str
    properties: Mapping[str, str | None]
    """The types of an object's properties, by name."""
    open: bool
    """Whether an object may have other properties too."""

    def problems(self, texts: Sequence[str]) -> Iterator[Problem]:
        """Yield what is wrong with a parameter that was received so often with these texts."""
        if not texts:
            yield from self._judge([])
            return
        if len(texts) > 1 and not (self.type == "array" and self.explode):
            yield Problem(f"{self.location}.{self.name}", f"was sent {len(texts)} times", self.pointer)
        if self.type == "array":
            items = texts if self.explode and self.location == "query" else texts[0].split(",")
            yield from self._judge([[_coerce(item, kind) for item in items] for kind in _kinds(self.item_type)])
        elif self.type == "object":
            yield from self._judge([self._object(_pairs(texts[0].split(","), explode=self.explode))])
        else:
            yield from self._judge([_coerce(texts[0], kind) for kind in _kinds(self.type)])

    @property
    def is_structured(self) -> bool:
        """Whether a query has to be read by this parameter's style: an object, or an array in one piece."""
        return self.location == "query" and (self.type == "object" or (self.type == "array" and not self.explode))

    def query_problems(self, query: bytes, others: frozenset[str]) -> Iterator[Problem]:
        """Yield what is wrong with a structured parameter in a query, as it was received.

        Raises:
            UnicodeDecodeError: The query is not UTF-8.
        """
        pieces = [piece.partition("=") for piece in query.decode("ascii", "strict").split("&") if piece]
        pairs = [(_decoded(name), value) for name, _, value in pieces]
        own = [value for name, value in pairs if name == self.name]
        if self.type == "array":
            if len(own) > 1:
                yield Problem(f"query.{self.name}", f"was sent {len(own)} times", self.pointer)
            separator = _SEPARATORS.get(self.style, _COMMA)
            texts = [_decoded(text) for text in separator.split(own[0])] if own else []
            yield from self._judge([[_coerce(text, kind) for text in texts] for kind in _kinds(self.item_type) if own])
            return
        if self.style == "deepObject":
            start = f"{self.name}["
            found = [
                (name[len(start) : -1], value) for name, value in pairs if name.startswith(start) and name.endswith("]")
            ]
        elif self.explode:
            found = [
                (name, value) for name, value in pairs if name in self.properties or (self.open and name not in others)
            ]
        else:
            found = _pairs(own[0].split(","), explode=False) if own else []
        yield from self._judge([self._object([(name, _decoded(value)) for name, value in found])] if found else [])

    def _object(self, pairs: Sequence[tuple[str, str]]) -> Json:
        return {name: _coerce(text, self.properties.get(name, "string")) for name, text in pairs}

    def _judge(self, readings: Sequence[Json]) -> Iterator[Problem]:
        """Yield what is wrong with a value that can be read in these ways; none of them where it was not sent."""
        name = f"{self.location}.{self.name}"
        if not readings and self.required:
            yield Problem(name, "is required", self.pointer)
        if readings and not any(map(self.rules.is_valid, readings)):
            yield from self.rules.problems(readings[0], name)


_COMMA: Final = re.compile(",")
_SEPARATORS: Final = {"spaceDelimited": re.compile(r"%20|\+"), "pipeDelimited": re.compile(r"\||%7[Cc]")}


def _decoded(text: str) -> str:
    return unquote(text.replace("+", " "), errors="strict")


def _pairs(pieces: Sequence[str], *, explode: bool) -> list[tuple[str, str]]:
    """Read the pieces of an object in one text: `a=1`, `b=2` with explode, else `a`, `1`, `b`, `2`."""
    if explode:
        return [(name, value) for name, _, value in (piece.partition("=") for piece in pieces)]
    return list(zip(pieces[::2], pieces[1::2], strict=False))


def _kinds(kind: str | None) -> Sequence[str]:
    """Return the types that a text may be read as: the spec's, or any where it names none."""
    return (kind,) if kind is not None else ("string", "integer", "number", "boolean")


def _coerce(text: str, kind: str | None) -> Json:
    """Read a parameter's text as the declared type; text that is none stays text, and the rules refuse it."""
    if kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    if kind == "integer" and re.fullmatch(r"-?(?:0|[1-9][0-9]{0,999})", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", text):
        return float(text)
    return text


@dataclass(frozen=True, slots=True)
class Scheme:
    """Where one security scheme expects its secret."""

    location: str
    name: str
    prefix: bytes
    """What stands before the secret, in lower case; empty for an API key."""
    pointer: str


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation, compiled."""

    id: str
    method: str
    template: str
    pointer: str
    path_parameters: tuple[Parameter, ...]
    parameters: tuple[Parameter, ...]
    security: tuple[tuple[Scheme, ...], ...]
    bodies: Mapping[str, Rules]
    body_required: bool
    body_pointer: str
    body_fields: frozenset[str] | None
    success: Response
    shown: Shown | None
    """How the success shows the stored session; None where it does not."""
    writes: bool
    """Whether an accepted request changes what is stored."""
    _spec: "Spec" = field(repr=False)

    def rules_for(self, media_type: str) -> Rules | None:
        """Return the rules of the most precise media type that the spec declares for the body."""
        bodies = self.bodies
        return bodies.get(media_type) or bodies.get(media_type.partition("/")[0] + "/*") or bodies.get("*/*")

    def current(self, values: Sequence[str], fields: Mapping[str, Json]) -> Response:
        """Return the success with what is stored put in by name: the path's parameters, then the fields.

        In the vendor's answers `sid` is the object's own, which the path names last.

        Args:
            values: Of the path's parameters.
            fields: The session's.
        """
        if self.shown is None:
            return self.success
        pairs = zip(self.path_parameters, values, strict=True)
        known = {parameter.name: _coerce(text, parameter.type) for parameter, text in pairs}
        if known:
            known["sid"] = list(known.values())[-1]
        return replace(self.success, body=self.shown.body({**known, **fields}))

    def answer(self, status: int) -> Response:
        """Draw the answer with this status from the spec: by its own name, its range or the default."""
        return self._spec.answer(self.pointer, status)


@dataclass(frozen=True, slots=True)
class PathItem:
    """One path template and its operations, by method."""

    template: str
    parameter_names: tuple[str, ...]
    operations: Mapping[str, Operation]
    allow: str
    _literals: tuple[tuple[int, str], ...]
    _pick: Callable[[list[str]], tuple[str, ...]]
    _mixed: tuple[tuple[int, tuple[str, ...]], ...]
    """Where a segment holds more than one parameter and nothing else: its place, and the texts around them."""

    def match(self, parts: list[str]) -> tuple[str, ...] | None:
        """Return the path parameters' values, or None where these segments are of another path."""
        for index, text in self._literals:
            if parts[index] != text:
                return None
        if not self._mixed:
            return self._pick(parts)
        found: list[str] = []
        for index, texts in self._mixed:
            values = _values_between(texts, parts[index])
            if values is None:
                return None
            found += values
        return tuple(found)


def _values_between(texts: Sequence[str], segment: str) -> list[str] | None:
    """Find the values of the parameters in a segment, each as short as can be, in one pass.

    Args:
        texts: What stands before, between and after the parameters; may be empty.
        segment: The segment.

    Returns:
        The values, none of them empty; None where the segment is of another form.
    """
    first, *middle, last = texts
    if not segment.startswith(first):
        return None
    values: list[str] = []
    start = len(first)
    for text in middle:
        end = segment.find(text, start + 1)
        if end < 0:
            return None
        values.append(segment[start:end])
        start = end + len(text)
    end = len(segment) - len(last)
    if end <= start or not segment.endswith(last):
        return None
    return [*values, segment[start:end]]


class Spec:
    """The compiled document."""

    def __init__(self, document: Node) -> None:
        self.document = document
        self._check()
        self.title = str(document["info"]["title"])
        self.version = str(document["info"]["version"])
        self.more_info = str(document["info"].get("contact", {}).get("url", ""))
        self._requests = cast("Node", self._dialect(document, "readOnly"))
        self._answers = cast("Node", self._dialect(document, "writeOnly"))
        self._examples = Examples(
            lambda node: self._resolve(node, "#")[0], lambda schema, value: self._inline(schema).is_valid(value)
        )
        self._known = frozenset(self._names(document))
        self.secret_names = frozenset(
            scheme.name.lower()
            for scheme in map(self._scheme, document.get("components", {}).get("securitySchemes", {}))
        )
        self.items = tuple(self._item(template, cast("Node", item)) for template, item in document["paths"].items())
        self.operations = {op.id: op for item in self.items for op in item.operations.values()}
        self._by_length: dict[int, list[PathItem]] = {}
        # A concrete path is matched before a templated one (OpenAPI 3.0.3, Paths Object).
        for item in sorted(self.items, key=lambda item: len(item.parameter_names)):
            self._by_length.setdefault(item.template.count("/"), []).append(item)

    def match(self, parts: list[str]) -> tuple[PathItem, tuple[str, ...]] | None:
        """Find the path of these decoded segments, and the values of its parameters."""
        for item in self._by_length.get(len(parts), ()):
            values = item.match(parts)
            if values is not None:
                return item, values
        return None

    # --- the document --------------------------------------------------------------------------------------

    def _check(self) -> None:
        if not str(self.document.get("openapi", "")).startswith("3.0."):
            version = self.document.get("openapi", self.document.get("swagger", "none"))
            raise SpecError(f"openapi: {version}: not an OpenAPI 3.0 document, and this server reads no other version")
        if not isinstance(self.document.get("paths"), dict) or not isinstance(self.document.get("info"), dict):
            raise SpecError("`info` or `paths` is missing")
        for path, node in _nodes(self.document, ()):
            if isinstance(node.get("$ref"), str):
                self._resolve(node, to_pointer(path))
            if isinstance(node.get("pattern"), str):
                _check_pattern(node["pattern"], to_pointer([*path, "pattern"]))

    def _resolve(self, node: Node, pointer: str) -> tuple[Node, str]:
        """Follow references until something else stands there."""
        for _ in range(100):
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node, pointer
            if not reference.startswith("#/"):
                raise SpecError(f"{pointer}: only references inside the document are understood")
            try:
                node, pointer = _walk(self.document, _from_pointer(reference)), reference
            except (KeyError, IndexError, ValueError, TypeError):
                raise SpecError(f"{pointer}: nothing stands at {reference}") from None
        raise SpecError(f"{pointer}: a reference leads back to itself")

    def _at(self, pointer: str) -> Node:
        return self._resolve(_walk(self.document, _from_pointer(pointer)), pointer)[0]

    def _dialect(self, node: Any, absent: str) -> Any:
        """Translate OpenAPI 3.0's schema dialect into draft 4. Places stay as they are.

        Args:
            node: The document, or a part of it.
            absent: Properties with this mark are not required: `readOnly` ones of a request, `writeOnly` ones of an
                answer.
        """
        if isinstance(node, list):
            return [self._dialect(item, absent) for item in node]
        if not isinstance(node, dict):
            return node
        result: Node = {key: self._dialect(value, absent) for key, value in cast("Node", node).items()}
        if result.get("nullable") is True and isinstance(result.get("type"), str):
            result["type"] = [result["type"], "null"]
        if result.get("type") == "integer" and (bound := _INTEGER_FORMATS.get(str(result.get("format")))):
            result.setdefault("minimum", -bound)
            result.setdefault("maximum", bound - 1)
        required, properties = result.get("required"), result.get("properties")
        if isinstance(required, list) and isinstance(properties, dict):
            left = [
                name
                for name in cast("list[str]", required)
                if not self._resolve(cast("Node", properties).get(name, {}), "#")[0].get(absent)
            ]
            result["required"] = left
            if not left:  # draft 4 wants one name at least
                del result["required"]
        return result

    def _names(self, document: Node) -> Iterator[str]:
        for _, node in _nodes(document, ()):
            properties = node.get("properties")
            if isinstance(properties, dict):
                yield from cast("Node", properties)

    # --- paths ---------------------------------------------------------------------------------------------

    def _item(self, template: str, node: Node) -> PathItem:
        path = ["paths", template]
        node, base = self._resolve(node, to_pointer(path))
        literals: list[tuple[int, str]] = []
        around: list[tuple[int, tuple[str, ...]]] = []
        indexes: list[int] = []
        names: list[str] = []
        mixed = False
        for index, part in enumerate(template.split("/")[1:]):
            pieces = re.split(r"\{([^{}]+)\}", part)
            if len(pieces) == 1:
                literals.append((index, part))
                continue
            names += pieces[1::2]
            indexes.append(index)
            mixed = mixed or pieces[0] != "" or len(pieces) > 3 or pieces[2] != ""
            around.append((index, tuple(pieces[::2])))
        if len(set(names)) != len(names):
            raise SpecError(f"{base}: a parameter stands twice in the path")
        operations = {
            method.upper(): self._operation(template, method, node, base, tuple(names))
            for method in METHODS
            if method in node
        }
        return PathItem(
            template=template,
            parameter_names=tuple(names),
            operations=operations,
            allow=", ".join(sorted(operations)),
            _literals=tuple(literals),
            _pick=_picker(indexes),
            _mixed=tuple(around) if mixed else (),
        )

    def _operation(self, template: str, method: str, item: Node, base: str, names: tuple[str, ...]) -> Operation:
        pointer = f"{base}/{method}"
        node = cast("Node", item[method])
        parameters: dict[tuple[str, str], Parameter] = {}
        for owner, where in ((item, base), (node, pointer)):
            for index, entry in enumerate(owner.get("parameters", ())):
                parameter = self._parameter(*self._resolve(entry, f"{where}/parameters/{index}"))
                parameters[parameter.location, parameter.name] = parameter
        missing = [name for name in names if ("path", name) not in parameters]
        if missing:
            raise SpecError(f"{pointer}: no parameter describes {', '.join(missing)}")
        body, body_pointer = self._resolve(node.get("requestBody", {}), f"{pointer}/requestBody")
        bodies: dict[str, Rules] = {}
        fields: set[str] = set()
        for name in body.get("content", {}):
            schema = f"{body_pointer}/content/{_escape(name)}/schema"
            bodies[name.partition(";")[0].strip().lower()] = Rules(self._requests, schema, self._known)
            fields |= self._fields(schema)
        success = self._success(pointer)
        for code in node.get("responses", {}):  # what cannot be answered is refused now, not when it is asked for
            self.answer(pointer, int(code) if code.isdigit() else int(code[0] + "00") if code[0].isdigit() else 599)
        return Operation(
            id=str(node.get("operationId", f"{method} {template}")),
            method=method.upper(),
            template=template,
            pointer=pointer,
            path_parameters=tuple(parameters["path", name] for name in names),
            parameters=tuple(p for p in parameters.values() if p.location != "path"),
            security=tuple(
                tuple(self._scheme(name) for name in alternative)
                for alternative in node.get("security", self.document.get("security")) or ()
            ),
            bodies=bodies,
            body_required=bool(body.get("required", False)),
            body_pointer=body_pointer,
            body_fields=frozenset(fields) or None,
            success=success,
            shown=self._shown(pointer, success.status) if success.body else None,
            writes=bool(bodies) and method in {"put", "post", "patch"},
            _spec=self,
        )

    def _parameter(self, node: Node, pointer: str) -> Parameter:
        if "schema" not in node:
            raise SpecError(f"{pointer}: only parameters with a schema are understood")
        schema = self._at(f"{pointer}/schema")
        style = str(node.get("style", "form" if node["in"] in {"query", "cookie"} else "simple"))
        return Parameter(
            name=node["name"],
            location=node["in"],
            required=bool(node.get("required", False)),
            pointer=pointer,
            rules=Rules(self._requests, f"{pointer}/schema", self._known),
            type=schema.get("type"),
            item_type=self._resolve(schema.get("items", {}), pointer)[0].get("type"),
            explode=bool(node.get("explode", style == "form")),
            style=style,
            properties={
                name: self._resolve(value, pointer)[0].get("type")
                for name, value in schema.get("properties", {}).items()
            },
            open=schema.get("additionalProperties", True) is not False,
        )

    def _scheme(self, name: str) -> Scheme:
        pointer = f"#/components/securitySchemes/{name}"
        try:
            node = self._at(pointer)
        except KeyError:
            raise SpecError(f"{pointer}: this security scheme is not described") from None
        if node["type"] == "apiKey":
            return Scheme(node["in"], node["name"], b"", pointer)
        return Scheme("header", "authorization", str(node.get("scheme", "bearer")).lower().encode(), pointer)

    def _fields(self, pointer: str) -> set[str]:
        """Collect the property names that a schema declares, through references and `allOf` and its like."""
        found: set[str] = set()
        seen: set[str] = set()
        todo = [pointer]
        while todo:
            schema, where = self._resolve(_walk(self.document, _from_pointer(todo[-1])), todo.pop())
            if where in seen:
                continue
            seen.add(where)
            found |= set(schema.get("properties", ()))
            todo += [
                f"{where}/{key}/{i}" for key in ("allOf", "anyOf", "oneOf") for i in range(len(schema.get(key, ())))
            ]
        return found

    # --- answers -------------------------------------------------------------------------------------------

    def _success(self, pointer: str) -> Response:
        responses = cast("Node", _walk(self.document, _from_pointer(pointer)).get("responses", {}))
        codes = sorted(code for code in responses if re.fullmatch("2[0-9]{2}", code))
        return self.answer(pointer, int(codes[0]) if codes else 200)

    def _response(self, pointer: str, status: int) -> tuple[Node, str] | None:
        """Find what the spec says of a status: by its own name, its range or the default."""
        responses = cast("Node", _walk(self.document, _from_pointer(pointer)).get("responses", {}))
        for key in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
            if key in responses:
                return self._resolve(responses[key], f"{pointer}/responses/{key}")
        return None

    def answer(self, pointer: str, status: int) -> Response:
        """Draw an operation's answer with this status from the spec.

        Args:
            pointer: Where the operation stands.
            status: Any final status, 200 to 599.

        Returns:
            The example of the response of that name, its range (`4XX`) or `default`, in this order; an error
            of the vendor's form has its status set. Without content where HTTP allows none.
        """
        found = self._response(pointer, status)
        if found is None:
            return Response(status)
        response, where = found
        headers = tuple(
            (name.lower(), _field_text(self._example(f"{where}/headers/{_escape(name)}")))
            for name, header in response.get("headers", {}).items()
            if name.lower() != "content-type" and self._resolve(header, where)[0].get("required")
        )
        content = cast("Node", response.get("content", {}))
        if not content or status in {204, 205, 304}:
            return Response(status, headers=headers)
        name = next((name for name in content if is_json(name)), next(iter(content)))
        example = self._example(f"{where}/content/{_escape(name)}")
        if isinstance(example, dict) and {"message", "status"} <= example.keys() and example["status"] != status:
            example |= {"status": status, "code": vendor_code(status), "message": phrase(status)}
        body = json.dumps(example, ensure_ascii=False) if is_json(name) else _text(example)
        return Response(status, body.encode(), name, headers)

    def _example(self, pointer: str) -> Json:
        """Return the example of a media type, a header or a schema, or make one up from the schema."""
        node = self._at(pointer)
        if "example" in node:
            return cast("Json", node["example"])
        for name in cast("Node", node.get("examples") or {}):
            entry = self._at(f"{pointer}/examples/{_escape(name)}")
            if "value" in entry:
                return cast("Json", entry["value"])
        return self._made_up(pointer, cast("Node", node.get("schema", node)))

    def _made_up(self, pointer: str, schema: Node) -> Json:
        try:
            value = self._examples.make(schema)
        except NoExampleError as error:
            raise SpecError(f"{pointer}: no answer can be made up ({error}); give it an example") from None
        problems = next(self._inline(schema).iter_errors(value), None)
        if problems is not None:
            what = json.dumps(value, ensure_ascii=False)
            raise SpecError(f"{pointer}: no answer can be made up (the schema refuses {what}); give it an example")
        return value

    def _inline(self, schema: Node) -> jsonschema_rs.Draft4Validator:
        """Compile a schema for what answers hold, wherever in the document it stands."""
        return _validator({**self._answers, "allOf": [self._dialect(schema, "writeOnly")]})

    def _shown(self, pointer: str, status: int) -> "Shown | None":
        """Tell what an operation's success shows of the stored session; None where it is no object."""
        found = self._response(pointer, status)
        if found is None:
            return None
        response, where = found
        content = cast("Node", response.get("content", {}))
        name = next((name for name in content if is_json(name)), None)
        if name is None or "schema" not in content[name]:
            return None
        template = self._example(f"{where}/content/{_escape(name)}")
        if not isinstance(template, dict):
            return None
        properties = cast("Node", self._examples.merged(content[name]["schema"]).get("properties", {}))
        return Shown(template, {name: self._inline(schema).is_valid for name, schema in properties.items()})


def _picker(indexes: list[int]) -> Callable[[list[str]], tuple[str, ...]]:
    if len(indexes) > 1:
        return cast("Callable[[list[str]], tuple[str, ...]]", itemgetter(*indexes))
    return lambda parts: tuple(parts[index] for index in indexes)


def _nodes(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Yield every object of the document with its place. Examples and extensions are data, not part of it."""
    if isinstance(node, dict):
        yield path, cast("Node", node)
        for key, value in cast("Node", node).items():
            # An extension may hold anything.
            data = key in {"example", "examples", "default", "enum"} or str(key).startswith("x-")
            if not data or (path and path[-1] == "properties"):
                yield from _nodes(value, (*path, key))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _nodes(item, (*path, index))


@lru_cache(maxsize=256)
def is_json(media_type: str) -> bool:
    """Whether a media type is JSON's or is built on it (RFC 6839)."""
    base = media_type.partition(";")[0].strip().lower()
    return base == "application/json" or base.endswith("+json")


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _field_text(value: Json) -> str:
    """Write a header field's value in the style `simple`."""
    return ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
