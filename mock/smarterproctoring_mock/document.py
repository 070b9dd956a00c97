"""The OpenAPI document: read from its file, with the references inside it resolved."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias, cast
from urllib.parse import unquote

import yaml

Node: TypeAlias = dict[str, Any]
"""An object of the document, as the OpenAPI specification defines it."""
Place: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead to a node."""

_INTEGER_FORMATS: Final = {"int32": 2**31, "int64": 2**63}
_MOST_REFERENCES: Final = 100
_EXAMPLE_KEYS: Final = frozenset({"example", "examples", "default", "enum"})


class SpecError(ValueError):
    """The document cannot be served."""


# --- the file ---------------------------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2's JSON schema, as OpenAPI demands: `NO` and `2030-01-01` are strings, not a bool and a date."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_NULL: Final = re.compile(r"^(?:null|~|)$")
_BOOLEAN: Final = re.compile(r"^(?:true|false)$")
_INTEGER: Final = re.compile(r"^(?:-?(?:0|[1-9][0-9]*))$")
_NUMBER: Final = re.compile(
    r"^(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$"
)
_DIGITS: Final = list("-0123456789")
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOLEAN, ["t", "f"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", _NULL, ["n", "~", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, _DIGITS)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, _DIGITS)


def parse_document(content: bytes) -> Node:
    """Read YAML or JSON.

    Args:
        content: The text of the document.

    Returns:
        What it holds. Every key is a string.

    Raises:
        SpecError: It is neither YAML nor JSON.
    """
    try:
        document = yaml.load(content, _Loader)  # noqa: S506  a safe loader with fewer types
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(" ".join(str(error).split())) from None
    return cast("Node", _with_string_keys(document))


def _with_string_keys(node: object) -> object:
    # YAML reads the response key 200 as a number; JSON, JSON pointers and this package want a string.
    if isinstance(node, dict):
        members = cast("dict[object, object]", node)
        return {str(key): _with_string_keys(value) for key, value in members.items()}
    if isinstance(node, list):
        return [_with_string_keys(item) for item in cast("list[object]", node)]
    return node


# --- places in the document -------------------------------------------------------------------------------


def to_pointer(path: Iterable[str | int]) -> str:
    """Write a path as a JSON pointer (RFC 6901) in a URI fragment's form, braces left readable."""
    return "#" + "".join("/" + escape(str(part)) for part in path)


def escape(part: str) -> str:
    """Write one part of a JSON pointer."""
    return part.replace("~", "~0").replace("/", "~1")


def from_pointer(pointer: str) -> list[str]:
    """Read a JSON pointer in a URI fragment's form."""
    parts = pointer.split("/")[1:]
    return [unquote(part).replace("~1", "/").replace("~0", "~") for part in parts]


def walk(node: object, path: Iterable[str | int]) -> object:
    """Return the value at a path below a node. Raises KeyError, IndexError, ValueError or TypeError for nothing."""
    for part in path:
        if isinstance(node, list):
            node = cast("list[object]", node)[int(part)]
        else:
            node = cast("dict[str, object]", node)[str(part)]
    return node


def nodes(node: object, path: Place = ()) -> Iterator[tuple[Place, Node]]:
    """Yield every object of the document with its place. Examples and extensions are data, not part of it."""
    if isinstance(node, dict):
        members = cast("Node", node)
        yield path, members
        for key, value in members.items():
            # An extension may hold anything.
            is_data = key in _EXAMPLE_KEYS or key.startswith("x-")
            if not is_data or (path and path[-1] == "properties"):
                yield from nodes(value, (*path, key))
    elif isinstance(node, list):
        for index, item in enumerate(cast("list[object]", node)):
            yield from nodes(item, (*path, index))


class Document:
    """A document of OpenAPI 3.0."""

    def __init__(self, root: Node) -> None:
        """Check what the rest of the package relies on.

        Args:
            root: The document.

        Raises:
            SpecError: It is not OpenAPI 3.0, lacks `info` or `paths`, or holds a reference that leads nowhere.
        """
        self.root = root
        if not str(root.get("openapi", "")).startswith("3.0."):
            version = root.get("openapi", root.get("swagger", "none"))
            raise SpecError(
                f"openapi: {version}: not an OpenAPI 3.0 document, and this server reads no other version"
            )
        if not isinstance(root.get("paths"), dict) or not isinstance(
            root.get("info"), dict
        ):
            raise SpecError("`info` or `paths` is missing")
        for path, node in nodes(root):
            if isinstance(node.get("$ref"), str):
                self.resolve(node, to_pointer(path))

    def resolve(self, node: Node, pointer: str) -> tuple[Node, str]:
        """Follow references until the node is not a reference.

        Args:
            node: A node, which may be a reference.
            pointer: Its place in the document.

        Returns:
            The node at the end, and its place.

        Raises:
            SpecError: A reference leads out of the document, nowhere, or back to itself.
        """
        for _ in range(_MOST_REFERENCES):
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node, pointer
            if not reference.startswith("#/"):
                raise SpecError(
                    f"{pointer}: only references inside the document are understood"
                )
            try:
                node = cast("Node", walk(self.root, from_pointer(reference)))
            except (KeyError, IndexError, ValueError, TypeError):
                raise SpecError(f"{pointer}: {reference} does not exist") from None
            pointer = reference
        raise SpecError(f"{pointer}: a reference leads back to itself")

    def resolved(self, node: Node, pointer: str = "#") -> Node:
        """Resolve a node: return it, or the node to which its references lead."""
        return self.resolve(node, pointer)[0]

    def at(self, pointer: str) -> Node:
        """Return the value at a pointer, with references followed. Raises KeyError if there is none."""
        return self.resolved(self.unresolved_at(pointer), pointer)

    def unresolved_at(self, pointer: str) -> Node:
        """Return the value at a pointer. Raises KeyError if there is none."""
        return cast("Node", walk(self.root, from_pointer(pointer)))

    def property_names(self) -> Iterator[str]:
        """Yield the name of every property that a schema of the document declares."""
        for _, node in nodes(self.root):
            properties = node.get("properties")
            if isinstance(properties, dict):
                yield from cast("Node", properties)

    def draft_4(self, node: object, absent: str) -> object:
        """Translate OpenAPI 3.0's schema dialect into JSON Schema draft 4. Places stay as they are.

        Args:
            node: The document, or a part of it.
            absent: Properties with this mark are not required: `readOnly` ones of a request, `writeOnly` ones of a
                response.

        Returns:
            A translated copy.
        """
        if isinstance(node, list):
            return [self.draft_4(item, absent) for item in cast("list[object]", node)]
        if not isinstance(node, dict):
            return node
        members = cast("Node", node)
        result: Node = {
            key: self.draft_4(value, absent) for key, value in members.items()
        }
        if result.get("nullable") is True and isinstance(result.get("type"), str):
            result["type"] = [result["type"], "null"]
        bound = _INTEGER_FORMATS.get(str(result.get("format")))
        if result.get("type") == "integer" and bound is not None:
            result.setdefault("minimum", -bound)
            result.setdefault("maximum", bound - 1)
        self._drop_absent(result, absent)
        return result

    def _drop_absent(self, schema: Node, absent: str) -> None:
        required = schema.get("required")
        properties = schema.get("properties")
        if not isinstance(required, list) or not isinstance(properties, dict):
            return
        declared = cast("dict[str, Node]", properties)
        left = [
            name
            for name in cast("list[str]", required)
            if not self.resolved(declared.get(name, {})).get(absent)
        ]
        schema["required"] = left
        if not left:  # draft 4 wants one name at least
            del schema["required"]
