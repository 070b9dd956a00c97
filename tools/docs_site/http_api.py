"""The reference of the HTTP API as Markdown, from the spec: operations, parameters, bodies, answers, evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

Json = Mapping[str, Any]
METHODS = ("get", "put", "post", "patch", "delete", "head", "options")
DOCUMENTED = "D"
"""The evidence of a statement that names none: documented for this operation."""


def http_api(spec: str) -> str:
    """Return the reference of an OpenAPI document.

    Args:
        spec: The text of the document, YAML.
    """
    document: Json = yaml.safe_load(spec)
    return "\n".join(_lines(document))


def _lines(document: Json) -> Iterator[str]:
    yield from _servers(document)
    yield from _security(document)
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield from _operation(
                    document,
                    f"{method.upper()} {path}",
                    item[method],
                    item.get("parameters", []),
                )
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(document, name, schema)


def _servers(document: Json) -> Iterator[str]:
    yield "## Servers"
    yield ""
    yield "| URL | description | evidence |"
    yield "|---|---|---|"
    for server in document["servers"]:
        yield f"| `{server['url']}` | {_cell(server)} | {evidence(server)} |"
    yield ""


def _security(document: Json) -> Iterator[str]:
    yield "## Authentication"
    yield ""
    yield "| scheme | where | description | evidence |"
    yield "|---|---|---|---|"
    for scheme in document["components"]["securitySchemes"].values():
        where = f"{scheme['in']} `{scheme['name']}`"
        yield f"| {scheme['type']} | {where} | {_cell(scheme)} | {evidence(scheme)} |"
    yield ""


def _operation(
    document: Json, heading: str, operation: Json, shared: list[Json]
) -> Iterator[str]:
    yield f"## {operation['summary']}"
    yield ""
    yield "```http"
    yield heading
    yield "```"
    yield ""
    yield f"{_text(operation)} (evidence: {evidence(operation)})"
    yield ""
    yield from _parameters(document, [*shared, *operation.get("parameters", [])])
    body = _resolved(document, operation.get("requestBody", {}))
    for media, content in body.get("content", {}).items():
        yield f"**Body** ({media}): {_link(content['schema'])}. {_text(body)}"
        yield ""
    yield "| status | description | body | evidence |"
    yield "|---|---|---|---|"
    for status, reference in operation["responses"].items():
        response = _resolved(document, reference)
        bodies = [
            _link(content["schema"])
            for content in response.get("content", {}).values()
            if "schema" in content
        ]
        yield f"| {status} | {_cell(response)} | {', '.join(bodies)} | {evidence(response)} |"
    yield ""


def _parameters(document: Json, references: list[Json]) -> Iterator[str]:
    yield "| parameter | in | form | description | evidence |"
    yield "|---|---|---|---|---|"
    for reference in references:
        parameter = _resolved(document, reference)
        form = _form(_resolved(document, parameter["schema"]))
        yield f"| `{parameter['name']}` | {parameter['in']} | {form} | {_cell(parameter)} | {evidence(parameter)} |"
    yield ""


def _schema(document: Json, name: str, schema: Json) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield _text(schema)
    yield ""
    yield "| property | form | description | shown by | evidence |"
    yield "|---|---|---|---|---|"
    for key, reference in schema.get("properties", {}).items():
        property_ = _resolved(document, reference)
        required = ", required" if key in schema.get("required", []) else ""
        shown = property_.get("x-reads-back-as")
        by = (
            f"`{shown}` ({property_.get('x-reads-back-evidence', DOCUMENTED)})"
            if shown
            else ""
        )
        proof = evidence(
            {**schema, **property_} if "x-evidence" in schema else property_
        )
        yield f"| `{key}` | {_form(property_)}{required} | {_cell(property_)} | {by} | {proof} |"
    yield ""


def evidence(item: Json) -> str:
    """Return the letter for how well a statement is known."""
    return str(item.get("x-evidence", DOCUMENTED))


def _resolved(document: Json, item: Json) -> Json:
    reference = item.get("$ref")
    if not isinstance(reference, str):
        return item
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return _resolved(document, found)


def _link(schema: Json) -> str:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return _form(schema)
    name = reference.rpartition("/")[2]
    return f"[{name}](#{name.lower()})"


def _form(schema: Json) -> str:
    """Return type, format, pattern and values in one cell."""
    parts = [str(schema.get("type", "any"))]
    if "format" in schema:
        parts.append(str(schema["format"]))
    if schema.get("nullable"):
        parts.append("or null")
    if "pattern" in schema:
        parts.append(f"`{_escaped(schema['pattern'])}`")
    if "enum" in schema:
        parts.append("one of " + ", ".join(f"`{value}`" for value in schema["enum"]))
    if schema.get("x-sensitive"):
        parts.append(str(schema["x-sensitive"]))
    return ", ".join(parts)


def _text(item: Json) -> str:
    return " ".join(str(item.get("description", "")).split())


def _cell(item: Json) -> str:
    return _escaped(_text(item))


def _escaped(text: str) -> str:
    return re.sub(r"\|", r"\\|", text)
