"""A copy of the spec for openapi-python-client, without the parts that it cannot read or generates wrongly.

The public clients do not need these parts: they use the records in `operations.py`, which are made
from the whole spec.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from spec_model import (
    DATA,
    JSON_TYPE,
    TEXT_TYPE,
    GenerationError,
    Node,
    Spec,
    mapping,
    sequence,
)

TEMPLATE_NAMES = frozenset(
    (
        "cls",
        "d",
        "src_dict",
        "field_dict",
        "prop_name",
        "prop",
        "prop_dict",
        "additional_properties",
        "additional_keys",
        "to_dict",
        "from_dict",
    )
)
"""Names that the generator's template for models uses itself; a property of such a name breaks the model."""
SIMPLE = ("string", "integer", "number", "boolean")


def for_generator(spec: Spec) -> bytes:
    """Return the spec for the generator; the same bytes if nothing has to be left out.

    Raises:
        GenerationError: A property that a model cannot have, in a schema without additional properties.
    """
    document = copy.deepcopy(spec.document)
    for where, node in schemas(document):
        _schema(where, node)
        _mark_sensitive(spec, node)
    for path, method, operation in spec.operations():
        _operation(spec, document["paths"][path], method, operation)
    if document == spec.document:
        return spec.bytes
    return json.dumps(
        document, ensure_ascii=False, default=str
    ).encode()  # JSON is YAML, and keeps the order


def schemas(node: object, at: tuple[str, ...] = ()) -> Iterator[tuple[str, Node]]:
    """Yield everything in the document that can be a schema, with its place."""
    for index, item in enumerate(sequence(node)):
        yield from schemas(item, (*at, str(index)))
    if not isinstance(node, dict):
        return
    yield "/".join(at), mapping(node)
    for name, value in list(mapping(node).items()):
        if (at and at[-1] == "properties") or not (
            name in DATA or str(name).startswith("x-")
        ):
            yield from schemas(value, (*at, str(name)))


def _schema(where: str, node: Node) -> None:
    properties = mapping(node.get("properties"))
    required = sequence(node.get("required"))
    for name, prop in list(properties.items()):
        if not isinstance(prop, dict):
            continue
        if name not in required:
            prop.pop(
                "default", None
            )  # a model would send it although the caller did not
        if prop.get("deprecated"):
            prop["description"] = f"Deprecated. {prop.get('description', '')}".rstrip()
        if name in TEMPLATE_NAMES:
            if node.get("additionalProperties") is False:
                raise GenerationError(
                    f"{where}: the generator cannot write a model with the property {name!r}, because its "
                    "code uses that "
                    "name: take `additionalProperties: false` out, and the property is kept among the others"
                )
            del properties[name]
            if name in required:
                required.remove(name)
    if not required and "required" in node and isinstance(node["required"], list):
        del node["required"]
    values = node.get("enum")
    # It knows enums of text and of whole numbers; others stay what their type says.
    if isinstance(values, list) and not _is_enum(
        [value for value in values if value is not None]
    ):
        del node["enum"]


def _mark_sensitive(spec: Spec, node: Node) -> None:
    """Say beside the properties of a schema which of them the model's repr leaves out; TEMPLATE_FIXES reads it."""
    if not isinstance(node.get("properties"), dict) and "allOf" not in node:
        return
    properties = mapping(spec.flat(node).get("properties"))
    names = [
        name
        for name, prop in properties.items()
        if spec.is_sensitive(prop) or _may_hold_anything(spec, prop)
    ]
    if names:
        node["x-not-in-repr"] = names


def _may_hold_anything(spec: Spec, prop: object) -> bool:
    """Tell whether a property may be an object of which the spec says nothing, and so may be about a person."""
    flat = spec.flat(prop)
    describing = {"type", "enum", "items", "anyOf", "oneOf"}
    return describing.isdisjoint(flat) and not flat["properties"]


def _is_enum(values: list[Any]) -> bool:
    kinds = {type(value) for value in values}
    return kinds in ({str}, {int})


def _operation(spec: Spec, item: Node, method: str, operation: Node) -> None:
    """Leave out media types other than JSON, and defaults that would be sent although the caller did not set them."""
    node = mapping(item.get(method))
    if operation.get("deprecated"):
        node["description"] = f"Deprecated. {operation.get('description', '')}".rstrip()
    for owner in (item, node):
        for index, given in enumerate(owner.get("parameters", [])):
            parameter = spec.resolve(given)
            if (changed := _parameter(copy.deepcopy(parameter))) != parameter:
                owner["parameters"][index] = changed
    request = copy.deepcopy(spec.resolve(node.get("requestBody")))
    content = mapping(request.get("content"))
    kinds = [kind for kind in content if re.fullmatch(JSON_TYPE, kind)]
    if kinds and (len(content) > 1 or kinds[0] != "application/json"):
        request["content"] = {"application/json": content[kinds[0]]}
        node["requestBody"] = request
    for status, answer in mapping(node.get("responses")).items():
        response = copy.deepcopy(spec.resolve(answer))
        content = mapping(response.get("content"))
        kinds = [
            kind for kind in content if re.fullmatch(f"{JSON_TYPE}|{TEXT_TYPE}", kind)
        ]
        if content and len(content) != len(kinds):
            response["content"] = {kind: content[kind] for kind in kinds}
            node["responses"][status] = response


def _parameter(parameter: Node) -> Node:
    schema = mapping(parameter.get("schema"))
    if not parameter.get("required"):
        schema.pop("default", None)
    if parameter.get("in") == "header" and (
        schema.get("type") not in SIMPLE or "format" in schema
    ):
        parameter["schema"] = {"type": "string"}  # it writes nothing else into a header
    if parameter.get("deprecated"):
        parameter["description"] = (
            f"Deprecated. {parameter.get('description', '')}".rstrip()
        )
    return parameter
