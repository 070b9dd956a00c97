"""The spec as the generator's steps read it: references, bodies, parameters, servers, and unsupported parts.

Parts that the client cannot support are refused here, with the operation, the place, the reason and a way out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

Node = dict[str, Any]
Place = tuple[str, ...]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
WITHOUT_BODY = ("get", "head", "trace")
JSON_TYPE = r"application/([\w.-]+\+)?json *(;.*)?"
TEXT_TYPE = r"text/[\w.+-]+ *(;.*)?"
DATA = {"example", "examples", "default", "enum"}
"""Keys whose values are data, and no part of the description."""
OWN_HEADERS = {
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
}
"""Headers that the client sets itself."""


class GenerationError(Exception):
    """The spec, the configuration or the output is not usable; the text says what to fix."""


class Body(NamedTuple):
    """The JSON body of an operation.

    Attributes:
        node: Its schema as in the spec.
        flat: The same, resolved and with the parts of `allOf` merged.
        content_type: What to send it as.
        required: Whether a request has to have it.
        fields: Its properties by name, each resolved; empty where it is given whole, by one keyword.
        keyword: The name of that one keyword.
    """

    node: Node
    flat: Node
    content_type: str
    required: bool
    fields: dict[str, Node]
    keyword: str


def mapping(node: object) -> Node:
    """Return a mapping as it is, and anything else as an empty one."""
    return cast("Node", node) if isinstance(node, dict) else {}


def sequence(node: object) -> list[Any]:
    """Return a list as it is, and anything else as an empty one."""
    return node if isinstance(node, list) else []


def read_yaml(path: Path) -> tuple[bytes, Node]:
    """Read a file as the generator does (YAML 1.2, no key twice), and its bytes."""
    content = path.read_bytes()
    try:
        document: object = YAML(typ="safe").load(content)
    except (YAMLError, UnicodeDecodeError) as error:
        raise GenerationError(f"{path} is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise GenerationError(f"{path} is not a YAML mapping")
    return content, mapping(cast("object", document))


def check_version(document: Node) -> None:
    """Refuse any other version of OpenAPI than 3.0.

    Raises:
        GenerationError: Says how to write what 3.1 writes otherwise.
    """
    version = str(document.get("openapi") or document.get("swagger") or "none")
    if not re.fullmatch(r"3\.0\.\d+", version):
        raise GenerationError(
            f"openapi: {version}: this project reads OpenAPI 3.0, on which the generator, the mock server and the "
            "contract tools agree. Write `openapi: 3.0.3`, and what 3.1 writes otherwise as 3.0 does: "
            "`type: [string, 'null']` as `type: string` with `nullable: true`, `const` as an `enum` of one value, "
            "`examples` of a schema as `example`; leave out `webhooks`. openapi/README.md says more"
        )


class Spec:
    """The spec as a document with its local references resolved on request."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.bytes, self.document = read_yaml(path)
        check_version(self.document)
        for name in ("title", "version"):
            if not isinstance(mapping(self.document.get("info")).get(name), str):
                raise GenerationError(f"info.{name} is missing, or not text")
        if not isinstance(self.document.get("paths"), dict):
            raise GenerationError("paths is missing: the spec describes no operation")
        self._check_references(self.document)

    def _check_references(self, node: object, key: str = "") -> None:
        if isinstance(mapping(node).get("$ref"), str):
            self.resolve(node)
        for item in sequence(node):
            self._check_references(item)
        for name, value in mapping(node).items():
            # Examples are data, and an extension may hold anything; a property may have such a name.
            if key == "properties" or not (name in DATA or str(name).startswith("x-")):
                self._check_references(value, "" if key == "properties" else str(name))

    def resolve(self, node: object) -> Node:
        """Follow `$ref` until the node is not a reference."""
        found = mapping(node)
        seen = set[str]()
        while isinstance(pointer := found.get("$ref"), str):
            target: Any = self.document
            try:
                for part in pointer.removeprefix("#/").split("/"):
                    target = target[part.replace("~1", "/").replace("~0", "~")]
            except (KeyError, TypeError):
                target = None
            if not isinstance(target, dict) or pointer in seen:
                raise GenerationError(
                    f"$ref {pointer!r} points at nothing in the spec; it has to be #/… and to exist"
                )
            seen.add(pointer)
            found = mapping(cast("object", target))
        return found

    def flat(self, schema: object) -> Node:
        """Resolve a schema, and merge the parts of its `allOf` into it."""
        own = self.resolve(schema)
        merged: Node = {}
        for part in (
            *map(self.flat, own.get("allOf", [])),
            {k: v for k, v in own.items() if k != "allOf"},
        ):
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", []), *part.get("required", [])]
            merged = {**merged, **part, "properties": properties, "required": required}
        return merged

    def takes_null(self, schema: object) -> bool:
        """Tell whether JSON's null satisfies a schema: OpenAPI 3.0.3 requires `nullable` next to `type`."""
        own = self.resolve(schema)
        for key in ("anyOf", "oneOf"):
            if key in own and not any(self.takes_null(part) for part in own[key]):
                return False
        if not all(self.takes_null(part) for part in own.get("allOf", [])):
            return False
        if "enum" in own and None not in own["enum"]:
            return False
        return own.get("nullable") is True or "type" not in own

    def is_sensitive(self, schema: object) -> bool:
        """Tell whether the spec calls a property personal or secret."""
        return "x-sensitive" in self.flat(schema)

    # -- operations -------------------------------------------------------------------------------------------------

    def operations(self) -> Iterator[tuple[str, str, Node]]:
        """Yield path, method and operation, path-level parameters merged in, path parameters in the path's order."""
        for path, node in self.document["paths"].items():
            if str(path).startswith("x-"):
                continue
            if not isinstance(node, dict) or not str(path).startswith("/"):
                raise GenerationError(
                    f"paths {path}: it has to begin with a slash, and to hold operations"
                )
            item = self.resolve(node)
            for method in METHODS:
                if method in item:
                    yield path, method, self._operation(path, method, item)

    def _operation(self, path: str, method: str, item: Node) -> Node:
        operation = item[method]
        where = f"{method.upper()} {path}"
        if not isinstance(operation, dict) or not operation:
            raise GenerationError(
                f"{where} is empty: describe it, or take the line `{method}:` out"
            )
        name = operation.get("operationId")
        if name is None:
            raise GenerationError(
                f"{where} has no operationId; its name comes from there"
            )
        if not isinstance(name, str):
            raise GenerationError(
                f"{where}: the operationId {name!r} is not text: put it in quotes, or name it in words"
            )
        if not mapping(operation.get("responses")):
            raise GenerationError(
                f"{name}: there are no responses: describe at least one"
            )
        if "servers" in item or "servers" in operation:
            raise GenerationError(
                f"{name}: servers of its own would be ignored, because a client has one base URL: "
                "list them at the top, and give `base_url` to the client that calls this operation"
            )
        given = [item.get("parameters", []), operation.get("parameters", [])]
        if not all(isinstance(parameters, list) for parameters in given):
            raise GenerationError(
                f"{name}: parameters is not a list: begin each with a dash"
            )
        return {
            **operation,
            "parameters": self._parameters(path, name, [*given[0], *given[1]]),
        }

    def _parameters(self, path: str, operation_id: str, nodes: list[Any]) -> list[Node]:
        found: dict[tuple[str, str], Node] = {}
        for node in map(self.resolve, nodes):
            identity = (node.get("name"), node.get("in"))
            if not all(isinstance(part, str) for part in identity):
                raise GenerationError(
                    f"{operation_id}: a parameter lacks `name` or `in`"
                )
            found[node["name"], node["in"]] = node

        def position(parameter: Node) -> int:
            """Return where a parameter is in the path; the others come after those."""
            if parameter["in"] != "path":
                return len(path)
            return path.find(f"{{{parameter['name']}}}")

        parameters = sorted(found.values(), key=position)
        declared = [p["name"] for p in parameters if p["in"] == "path"]
        in_path = re.findall(r"\{([^{}]+)\}", path)
        for name in declared:
            if name not in in_path:
                raise GenerationError(
                    f"{operation_id}: the path parameter {name!r} is not in {path}"
                )
        for name in in_path:
            reason = ""
            if name not in declared:
                reason = "is not described"
            elif in_path.count(name) > 1:
                reason = "is twice in the path"
            if reason:
                raise GenerationError(
                    f"{operation_id}: {{{name}}} of {path} {reason}: it needs one parameter"
                )
        return parameters

    def token_header(self, operation: Node) -> str | None:
        """Name the header that carries the token, or None for an operation without security."""
        security = sequence(operation.get("security", self.document.get("security")))
        schemes = mapping(
            mapping(self.document.get("components")).get("securitySchemes")
        )
        for requirement in filter(None, security):
            scheme = self.resolve(schemes.get(next(iter(requirement))))
            in_header = scheme.get("type") == "apiKey" and scheme.get("in") == "header"
            if len(requirement) == 1 and in_header:
                return str(scheme["name"])
        named = [" and ".join(requirement) for requirement in security if requirement]
        if named:
            raise GenerationError(
                f"{operation['operationId']}: security {' or '.join(named)} is not one apiKey in a "
                "header, and the overrides send nothing else: describe how the API takes its "
                "token, with `type: apiKey`, `in: header`"
            )
        return None

    def body(self, method: str, operation: Node) -> Body | None:
        """Return the JSON body of an operation, or None where it has none."""
        name = operation["operationId"]
        request = self.resolve(operation.get("requestBody"))
        if not request:
            return None
        if method in WITHOUT_BODY:
            raise GenerationError(
                f"{name}: {method.upper()} with a body: HTTP does not define it (RFC 9110 9.3), "
                "and OpenAPI 3.0 says to ignore it: describe parameters instead"
            )
        content = mapping(request.get("content"))
        kind = next((kind for kind in content if re.fullmatch(JSON_TYPE, kind)), None)
        if kind is None:
            raise GenerationError(
                f"{name}: the body is not JSON ({', '.join(content) or 'no content at all'}), and the overrides send "
                "nothing else: describe it as application/json if the API takes that too, else leave the operation out"
            )
        node = mapping(content[kind]).get("schema")
        if not isinstance(node, dict):
            raise GenerationError(
                f"{name}: the body ({kind}) has no schema: describe it, `schema: {{}}` for any JSON"
            )
        flat = self.flat(node)
        fields = {} if self._is_whole(node, flat) else self._fields(flat)
        required, keyword = (
            bool(request.get("required")),
            str(request.get("x-keyword", "body")),
        )
        return Body(
            node, flat, kind.partition(";")[0].strip(), required, fields, keyword
        )

    def _is_whole(self, node: object, flat: Node) -> bool:
        """Tell whether a body cannot be given field by field."""
        more = flat.get("additionalProperties")
        if (
            flat.get("type", "object") != "object"
            or more is True
            or isinstance(more, dict)
        ):
            return True
        own = self.resolve(node)
        choices = any(key in own for key in ("oneOf", "anyOf", "not", "discriminator"))
        return choices or any(
            self._is_whole(part, self.flat(part)) for part in own.get("allOf", [])
        )

    def _fields(self, flat: Node) -> dict[str, Node]:
        found = {name: self.flat(prop) for name, prop in flat["properties"].items()}
        return {name: prop for name, prop in found.items() if not prop.get("readOnly")}

    def check_answers(self, operation: Node) -> None:
        """Refuse an operation whose success is neither JSON nor text, which a result cannot hold."""
        for status, node in operation["responses"].items():
            content = mapping(self.resolve(node).get("content"))
            readable = [
                kind
                for kind in content
                if re.fullmatch(f"{JSON_TYPE}|{TEXT_TYPE}|\\*/\\*", kind)
            ]
            if content and not readable and str(status)[0] in "2d":
                raise GenerationError(
                    f"{operation['operationId']}: response {status} is {', '.join(content)}, and the client reads JSON "
                    "and text alone: describe the answer as one of these if the API gives it, else leave the "
                    "operation out"
                )

    # -- the rest ---------------------------------------------------------------------------------------------------

    def servers(self) -> tuple[str, ...]:
        """Return the base URLs, variables replaced by their defaults; the first is the client's default."""
        found = [
            self._server(index, mapping(node))
            for index, node in enumerate(sequence(self.document.get("servers")))
        ]
        if not found:
            raise GenerationError(
                "servers: there are none, and the first one is the client's default base URL: add "
                "`servers: [{url: 'https://…'}]`"
            )
        if not found[0].lower().startswith("https://"):
            raise GenerationError(
                f"servers/0: {found[0]} is the client's default base URL, and plain http shows the "
                "token to the network: put an https server first"
            )
        return tuple(found)

    def _server(self, index: int, node: Node) -> str:
        url = str(node.get("url", ""))
        variables = mapping(node.get("variables"))
        for name in re.findall(r"\{([^{}]+)\}", url):
            default = mapping(variables.get(name)).get("default")
            if default is None:
                raise GenerationError(
                    f"servers/{index}: the variable {{{name}}} of {url} has no default: add it"
                )
            url = url.replace(f"{{{name}}}", str(default))
        if not re.fullmatch(r"(?i:https?)://[^/?#@\s{}]+(/[^?#@\s{}]*)?", url):
            raise GenerationError(
                f"servers/{index}: {url or 'nothing'} is not a whole URL, such as "
                "https://api.example.com/v1, without user name, query or fragment: write it out"
            )
        return url.rstrip("/")

    def date_times(self, operation_id: str, body: Body) -> tuple[Place, ...]:
        """Return the places of date-times in a body: property names, `*` for every item or every property."""
        times = list[Place]()
        texts = set[Place]()
        recursive = False

        def walk(node: object, at: Place, above: tuple[int, ...]) -> None:
            nonlocal recursive
            schema = self.resolve(node)
            if id(schema) in above:
                recursive = True
                return
            above = (*above, id(schema))
            if schema.get("format") == "date-time":
                times.append(at)
            elif schema.get("type") == "string":
                texts.add(at)
            for name, inner in mapping(schema.get("properties")).items():
                walk(inner, (*at, name), above)
            for key in ("items", "additionalProperties"):
                if key in schema:
                    walk(schema[key], (*at, "*"), above)
            for key in ("allOf", "anyOf", "oneOf"):
                for inner in schema.get(key, []):
                    walk(inner, at, above)

        walk(body.node, (), ())
        if times and (recursive or () in times):
            raise GenerationError(
                f"{operation_id}: the overrides cannot rewrite the date-times of a body that is "
                "recursive, or that is itself a date-time: describe those times as `type: string` "
                "without the format, so that they are sent as they are given"
            )
        for place in times:
            if any(_meet(place, text) for text in texts):
                raise GenerationError(
                    f"{operation_id}: {'.'.join(place)} of the body can be a date-time or other "
                    "text, and the overrides cannot tell which: describe it as `type: string` "
                    "without the format, so that it is sent as it is given"
                )
        return tuple(dict.fromkeys(times))

    def places_with(self, body: Body, name: str) -> tuple[Place, ...]:
        """Return where a key is in the schemas of a body: property names, `*` for every item or every property."""
        places: list[Place] = []

        def walk(node: object, at: Place, above: tuple[int, ...]) -> None:
            schema = self.resolve(node)
            if id(schema) in above:
                return
            above = (*above, id(schema))
            if name in schema:
                places.append(at)
            for inner_name, inner in mapping(schema.get("properties")).items():
                walk(inner, (*at, inner_name), above)
            for key in ("items", "additionalProperties"):
                if key in schema:
                    walk(schema[key], (*at, "*"), above)
            for key in ("allOf", "anyOf", "oneOf"):
                for inner in sequence(schema.get(key)):
                    walk(inner, at, above)

        walk(body.node, (), ())
        return tuple(dict.fromkeys(places))

    def read_only(self, body: Body) -> tuple[Place, ...]:
        """Return the places of read-only values in a body; places in one of several alternatives do not count."""
        places: list[Place] = []

        def walk(node: object, at: Place, above: tuple[int, ...]) -> None:
            schema = self.resolve(node)
            if id(schema) in above:
                return
            above = (*above, id(schema))
            if at and self.flat(schema).get("readOnly"):
                places.append(at)
                return
            for name, inner in mapping(schema.get("properties")).items():
                walk(inner, (*at, name), above)
            if "items" in schema:
                walk(schema["items"], (*at, "*"), above)
            for inner in schema.get("allOf", []):
                walk(inner, at, above)

        walk(body.node, (), ())
        return tuple(dict.fromkeys(places))


def _meet(place: Place, other: Place) -> bool:
    """Tell whether two places can be the same one; `*` is any."""
    return len(place) == len(other) and all(
        a == b or "*" in (a, b) for a, b in zip(place, other, strict=True)
    )
