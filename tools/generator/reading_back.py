"""Which operation shows what another one has changed, and what an operation answers with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from openapi_python_client.strings import ClassName, PythonIdentifier
from spec_model import JSON_TYPE, Body, GenerationError, Node, Spec, mapping, sequence

EVIDENCE = ("D", "V", "S", "I")
SENSITIVE = ("personal", "secret")


@dataclass(frozen=True)
class Model:
    """The model of an operation's answer.

    Attributes:
        name: The name of its class.
        module: The name of its module.
        properties: Its properties by name, each resolved.
    """

    name: str
    module: str
    properties: Mapping[str, Node]


def answer_model(spec: Spec, operation: Node) -> Model | None:
    """Return the model of what a success answers with; None where the spec gives none, or several.

    It has to be a schema of its own under `components/schemas`, an object with properties, and the same one for every
    success.
    """
    responses = operation["responses"]
    good = [status for status in responses if str(status).startswith("2")]
    schemas = [
        schema
        for status in good or ["default"]
        for schema in _json_schemas(spec, responses.get(status))
    ]
    references = {str(mapping(schema).get("$ref")) for schema in schemas}
    pointer = references.pop() if len(references) == 1 else ""
    if not pointer.startswith("#/components/schemas/"):
        return None
    flat = spec.flat(schemas[0])
    choices = any(key in flat for key in ("oneOf", "anyOf"))
    if choices or flat.get("type", "object") != "object" or not flat["properties"]:
        return None
    name = ClassName(str(flat.get("title") or pointer.rpartition("/")[2]), "field_")
    properties = {name: spec.flat(prop) for name, prop in flat["properties"].items()}
    return Model(str(name), str(PythonIdentifier(name, "field_")), properties)


def _json_schemas(spec: Spec, response: object) -> Iterator[object]:
    for kind, media in mapping(spec.resolve(response).get("content")).items():
        if re.fullmatch(JSON_TYPE, kind):
            yield mapping(media).get("schema")


def answer_fields(spec: Spec, operation_id: str, model: Model) -> list[dict[str, str]]:
    """Return what the records of an answer's properties hold.

    Raises:
        GenerationError: `x-sensitive` is neither personal nor secret.
    """
    found: list[dict[str, str]] = []
    for name, prop in model.properties.items():
        parts = [prop, *_alternatives(spec, prop)]
        types = {str(part["type"]) for part in parts if "type" in part}
        formats = [str(part["format"]) for part in parts if "format" in part]
        record = {
            "name": name,
            "attribute": str(PythonIdentifier(name, "field_")),
            "description": " ".join(str(prop.get("description", "")).split()),
            "type": types.pop() if len(types) == 1 else "",
            "format": formats[0] if formats else "",
            "sensitive": sensitive(operation_id, name, prop),
        }
        needed = ("name", "attribute", "description")
        found.append(
            {key: said for key, said in record.items() if said or key in needed}
        )
    return found


def _alternatives(spec: Spec, prop: Node) -> list[Node]:
    return [
        spec.flat(part)
        for key in ("anyOf", "oneOf")
        for part in sequence(prop.get(key))
    ]


def sensitive(operation_id: str, name: str, prop: Node) -> str:
    """Return what `x-sensitive` says of a property; empty where it is not there.

    Raises:
        GenerationError: It is neither personal nor secret.
    """
    said = prop.get("x-sensitive", "")
    if "x-sensitive" in prop and said not in SENSITIVE:
        raise GenerationError(
            f"{operation_id}: x-sensitive of {name!r} is {said!r}: write `personal` or `secret`, or take it out"
        )
    return str(said)


def reads_back(operation_id: str, name: str, prop: Node) -> tuple[str, str]:
    """Return which property of the answer shows a property of the body, and its evidence letter; empty for none.

    Raises:
        GenerationError: The one without the other, or something else than text.
    """
    shown = prop.get("x-reads-back-as", "")
    letter = prop.get("x-reads-back-evidence", "")
    if "x-reads-back-as" not in prop:
        if "x-reads-back-evidence" in prop:
            raise GenerationError(
                f"{operation_id}: {name!r} has x-reads-back-evidence without x-reads-back-as: add it, or take the "
                "letter out"
            )
        return "", ""
    if not isinstance(shown, str) or not shown:
        raise GenerationError(
            f"{operation_id}: x-reads-back-as of {name!r} is {shown!r}: name a property of the answer of the GET"
        )
    if letter not in EVIDENCE:
        raise GenerationError(
            f"{operation_id}: x-reads-back-as of {name!r} does not say how well it is known: add "
            "`x-reads-back-evidence:` with D, V, S or I"
        )
    return shown, str(letter)


def check_places(spec: Spec, operation: Node, body: Body | None) -> None:
    """Refuse `x-reads-back-as` where nothing would come of it: within a property, or in a body that is given whole.

    Raises:
        GenerationError: It is there.
    """
    name = operation["operationId"]
    for parameter in operation["parameters"]:
        if "x-reads-back-as" in {**parameter, **mapping(parameter.get("schema"))}:
            raise GenerationError(
                f"{name}: x-reads-back-as of the parameter {parameter['name']!r}: only fields of the body are "
                "compared: take it out"
            )
    if body is None:
        return
    for place in spec.places_with(body, "x-reads-back-as"):
        if len(place) != 1 or place[0] not in body.fields:
            raise GenerationError(
                f"{name}: x-reads-back-as of {'.'.join(place) or 'the body'}: only fields of the body that are "
                "given one by one are compared: take it out"
            )
