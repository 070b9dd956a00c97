"""The records of the operations: the facts of the spec that the client's rules need."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spec_model import OWN_HEADERS, Body, GenerationError, Node, Place, Spec, mapping

from generator.naming import keyword_name
from generator.reading import Described, not_openapi, one_line, read_operations
from generator.reading_back import answer_fields, reads_back, sensitive

Record = Mapping[str, object]
"""The arguments of a record's class, by name; defaults are left out."""

IDEMPOTENT = {"GET", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"}
STYLES = {"query": ("form", "spaceDelimited", "pipeDelimited", "deepObject")}


@dataclass(frozen=True)
class OperationRecord:
    """What the record of an operation holds.

    Attributes:
        operation: The operation.
        facts: What is simple.
        parameters: One record each.
        fields: One for each property of the body.
        answer: One for each property of the answer's model.
        body: The record of a body that is given whole.
    """

    operation: Described
    facts: Record
    parameters: list[Record]
    fields: list[Record]
    answer: Sequence[Record]
    body: Record | None


def describe(spec: Spec) -> list[OperationRecord]:
    """Read every operation, and refuse what cannot be carried out as the spec says.

    Raises:
        GenerationError: With the operation, the place, the reason and a way out.
    """
    return [_describe(spec, operation) for operation in read_operations(spec)]


def _describe(spec: Spec, operation: Described) -> OperationRecord:
    try:
        return operation_record(spec, operation)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise not_openapi(operation.path, operation.method, error) from None


def given(**facts: object) -> Record:
    """Return a record without the facts that the spec does not state."""
    return {name: value for name, value in facts.items() if value is not None}


# -- an operation --------------------------------------------------------------------------------


def operation_record(spec: Spec, operation: Described) -> OperationRecord:
    """Return the record of an operation."""
    name = operation.name
    body = operation.body
    token_header = spec.token_header(operation.node)
    own_headers = OWN_HEADERS | {str(token_header).lower()}
    facts: dict[str, object] = {
        "operation_id": name,
        "method": operation.method.upper(),
        "path": operation.path,
        "route": route(operation.path),
        "token_header": token_header,
        "date_times": spec.date_times(name, body) if body else (),
        "call": operation.call,
        "idempotent": is_idempotent(operation),
        **(_body_facts(body, spec.read_only(body)) if body else {}),
    }
    if operation.node.get("deprecated"):
        facts["deprecated"] = True
    if operation.reader:
        facts["read_by"] = operation.reader.name
        facts["check"] = operation.check
    fields = (
        [field_record(spec, name, body, field) for field in body.fields] if body else []
    )
    return OperationRecord(
        operation,
        facts,
        [
            parameter_record(spec, name, node, own_headers)
            for node in operation.node["parameters"]
        ],
        fields,
        answer_fields(spec, name, operation.model) if operation.model else [],
        whole_body_record(operation, body) if body and not body.fields else None,
    )


def _body_facts(body: Body, read_only: tuple[Place, ...]) -> Record:
    return given(
        body_required=None if body.required else False,
        content_type=None
        if body.content_type == "application/json"
        else body.content_type,
        read_only=read_only or None,
    )


def is_idempotent(operation: Described) -> bool:
    """Tell whether an operation leaves the same state however often it is carried out (RFC 9110, 9.2.2).

    Raises:
        GenerationError: `x-idempotent` is not true or false.
    """
    stated = operation.node.get("x-idempotent", operation.method.upper() in IDEMPOTENT)
    if not isinstance(stated, bool):
        raise GenerationError(f"{operation.name}: x-idempotent must be true or false")
    return stated


def route(path: str) -> str:
    """Write a path template as a regular expression with a group of one segment for each parameter."""
    parts = re.split(r"\{([^{}]+)\}", path)
    return "".join(
        "([^/]*)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )


def sid_kinds(spec: Spec, operations: list[Described]) -> dict[str, str]:
    """Return the meaning of the first two letters of a SID, from the patterns of the parameters and `x-sid-kinds`."""
    kinds = {
        str(name): str(kind)
        for name, kind in mapping(spec.document["info"].get("x-sid-kinds")).items()
    }
    for operation in operations:
        for parameter in operation.node["parameters"]:
            pattern = spec.flat(parameter.get("schema")).get("pattern", "")
            if pattern and parameter["name"].endswith("Sid"):
                kind = keyword_name(parameter["name"], parameter).removesuffix("_sid")
                kinds[pattern[1:3]] = kind.replace("_", " ")
    return kinds


# -- a parameter ---------------------------------------------------------------------------------


def parameter_record(
    spec: Spec, operation_id: str, parameter: Node, own_headers: set[str]
) -> Record:
    """Return the record of a parameter; refuse what the overrides do not check or write.

    Raises:
        GenerationError: It cannot be sent as the spec says.
    """
    name = parameter["name"]
    location = parameter["in"]
    schema = spec.flat(parameter.get("schema"))
    items = spec.flat(schema.get("items"))
    if problem := parameter_problem(spec, parameter, schema, items, own_headers):
        raise GenerationError(
            f"{operation_id}: parameter {name!r} in {location}: {problem}"
        )
    kind = schema.get("type", "")
    inner = items if kind == "array" else schema
    required = bool(parameter.get("required"))
    style = style_of(parameter)
    return given(
        name=name,
        keyword=keyword_name(name, parameter),
        location=location,
        description=one_line(parameter),
        type=kind if kind != "string" else None,
        item_type=item_type(items) if kind == "array" else None,
        allowed=allowed_values(inner),
        pattern=checked_pattern(operation_id, name, inner),
        format=inner.get("format"),
        required=(location != "path" and required) or None,  # a path has them all
        default=schema.get("default") if required else None,
        style=style if location == "query" and style != "form" else None,
        explode=None
        if kind not in ("array", "object") or explodes(parameter, style)
        else False,
        reserved=parameter.get("allowReserved") or None,
        deprecated=parameter.get("deprecated") or None,
    )


def style_of(parameter: Node) -> str:
    """Return the style of a parameter, or the one that OpenAPI gives it."""
    return str(
        parameter.get("style", "form" if parameter["in"] == "query" else "simple")
    )


def explodes(parameter: Node, style: str) -> bool:
    """Tell whether each value of a list or an object is written on its own."""
    return bool(parameter.get("explode", style == "form")) or style == "deepObject"


def item_type(items: Node) -> str | None:
    """Return the type of a list's items where it is not text, which is the default."""
    kind = str(items.get("type", ""))
    return None if kind == "string" else kind


def parameter_problem(
    spec: Spec, parameter: Node, schema: Node, items: Node, own_headers: set[str]
) -> str | None:
    """Return why a parameter cannot be sent as the spec says, and the way out; None if it can."""
    location = parameter["in"]
    if location == "cookie":
        return (
            "the overrides cannot send cookies: leave it out if the API works without it, "
            "else leave out the operation"
        )
    if location not in ("path", "query", "header"):
        return "a parameter is in path, query, header or cookie: fix `in`"
    if "schema" not in parameter:
        return "the overrides send parameters with a schema, and none described by `content`: describe it as text"
    if location == "header" and parameter["name"].lower() in own_headers:
        return "the client sets this header itself: take the parameter out (OpenAPI 3.0 says to ignore some of these)"
    if has_nested_values(spec, schema, items):
        return (
            "a list or object within a parameter cannot be written in a URL: describe it as text, "
            "or put it into the body"
        )
    return style_problem(location, style_of(parameter), schema.get("type"))


def has_nested_values(spec: Spec, schema: Node, items: Node) -> bool:
    """Tell whether a list or an object can be inside the value of a parameter."""
    composed = [
        spec.flat(part) for key in ("anyOf", "oneOf") for part in schema.get(key, [])
    ]
    return any(
        part.get("type") in ("array", "object") or part.get("properties")
        for part in (items, *composed)
    )


def style_problem(location: str, style: str, kind: object) -> str | None:
    """Return why a style cannot be written, None if it can."""
    allowed = STYLES.get(location, ("simple",))
    if style not in allowed:
        return f"the overrides cannot write the style {style}: there is {' or '.join(allowed)}"
    if style == "deepObject" and kind != "object":
        return "the style deepObject is for `type: object`: name another, or the type"
    if style in ("spaceDelimited", "pipeDelimited") and kind != "array":
        return f"the style {style} is for `type: array`: name another, or the type"
    return None


# -- a body --------------------------------------------------------------------------------------


def whole_body_record(operation: Described, body: Body) -> Record:
    """Return the record of a body that is given whole.

    Raises:
        GenerationError: It has a default.
    """
    if body.flat.get("default") is not None:
        raise GenerationError(
            f"{operation.name}: a default of the whole body is not understood: take it out"
        )
    argument = operation.keywords[-1]
    return given(
        name="",
        keyword=body.keyword,
        description=argument.description,
        type=body.flat.get("type"),
        allowed=allowed_values(body.flat),
        pattern=checked_pattern(operation.name, body.keyword, body.flat),
        required=body.required or None,
        nullable=argument.nullable or None,
    )


def field_record(spec: Spec, operation_id: str, body: Body, name: str) -> Record:
    """Return the record of a property of the body.

    Raises:
        GenerationError: Its `x-before`, its default or its pattern cannot be carried out.
    """
    prop = body.fields[name]
    required = name in body.flat["required"]
    before = prop.get("x-before")
    if before and body.fields.get(before, {}).get("format") != "date-time":
        raise GenerationError(
            f"{operation_id}: x-before of {name!r} names {before!r}, which is not a date-time next to it: "
            "name one, or take x-before out"
        )
    default = prop.get("default") if required else None
    if isinstance(default, dict | list):
        raise GenerationError(
            f"{operation_id}: {name!r} is required and has a default that is not text, a number or a boolean: "
            "take `required` or the default out"
        )
    shown, letter = reads_back(operation_id, name, prop)
    return given(
        name=name,
        keyword=keyword_name(name, prop),
        description=one_line(prop),
        type=prop.get("type"),
        allowed=allowed_values(prop),
        pattern=checked_pattern(operation_id, name, prop),
        format=prop.get("format"),
        before=before,
        required=required or None,
        nullable=spec.takes_null(body.flat["properties"][name]) or None,
        default=default,
        deprecated=prop.get("deprecated") or None,
        sensitive=sensitive(operation_id, name, prop) or None,
        reads_back_as=shown or None,
        reads_back_evidence=letter or None,
    )


def allowed_values(schema: Node) -> tuple[object, ...] | None:
    """Return the values of an enum that a message can list and a caller can give; null has a rule of its own."""
    values = [value for value in schema.get("enum", ()) if value is not None]
    simple = all(isinstance(value, str | int | float) for value in values)
    return tuple(values) if values and simple else None


def checked_pattern(operation_id: str, name: str, schema: Node) -> str | None:
    """Return the pattern, which is ECMA-262, if Python can read it too.

    Raises:
        GenerationError: It cannot.
    """
    pattern: str | None = schema.get("pattern")
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise GenerationError(
            f"{operation_id}: Python cannot read the pattern of {name!r}: {error}. Write it without what only "
            "ECMA-262 has, such as `\\p{L}`, or take it out: the server checks it"
        ) from None
    return pattern
