"""The Python types that a caller may pass for values of a schema."""

from __future__ import annotations

from spec_model import Node, Spec

SIMPLE = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "object": "Mapping[str, Any]",
}
FORMATS = {
    "date-time": "datetime.datetime | str",
    "date": "datetime.date | str",
    "uuid": "UUID | str",
}


def type_hint(spec: Spec, schema: Node) -> str:
    """Return the Python type that a caller may pass for a value of a schema."""
    kind = schema.get("type", "")
    values = [value for value in schema.get("enum", ()) if value is not None]
    if values and all(isinstance(value, str | int) for value in values):
        return f"Literal[{', '.join(map(repr, values))}]"
    choices = schema.get("oneOf") or schema.get("anyOf") or []
    if choices and not kind:
        hints = [type_hint(spec, spec.flat(part)) for part in choices]
        return "Any" if "Any" in hints else " | ".join(dict.fromkeys(hints))
    if kind == "array":
        return f"Sequence[{type_hint(spec, spec.flat(schema.get('items')))}]"
    if kind == "string" and schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    if not kind and schema.get("properties"):
        kind = "object"
    return SIMPLE.get(kind, "Any")
