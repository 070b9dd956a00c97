"""Parameters of an operation: how their text becomes values, by OpenAPI's styles."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote

from smarterproctoring_mock.document import Document, Node, SpecError
from smarterproctoring_mock.rules import Rules, RulesAt, Violation
from smarterproctoring_mock.strict_json import Json

_Pairs: TypeAlias = list[tuple[str, str]]

_COMMA: Final = re.compile(",")
_SEPARATORS: Final = {
    "spaceDelimited": re.compile(r"%20|\+"),
    "pipeDelimited": re.compile(r"\||%7[Cc]"),
}
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,999})")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ANY_KIND: Final = ("string", "integer", "number", "boolean")


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

    @property
    def label(self) -> str:
        """Its name in an error."""
        return f"{self.location}.{self.name}"

    @property
    def is_structured(self) -> bool:
        """Whether a query has to be read by this parameter's style: an object, or an array in one piece."""
        if self.location != "query":
            return False
        return self.type == "object" or (self.type == "array" and not self.explode)

    def violations(self, texts: Sequence[str]) -> Iterator[Violation]:
        """Yield what is wrong with a parameter that was received with these texts, one for each time it was sent."""
        if not texts:
            yield from self._judge([])
            return
        if len(texts) > 1 and not (self.type == "array" and self.explode):
            yield self._sent_often(len(texts))
        if self.type == "array":
            is_repeated = self.explode and self.location == "query"
            items = texts if is_repeated else texts[0].split(",")
            yield from self._judge(self._arrays(items))
        elif self.type == "object":
            pairs = _pairs(texts[0].split(","), explode=self.explode)
            yield from self._judge([self._object(pairs)])
        else:
            yield from self._judge(
                [coerce(texts[0], kind) for kind in _kinds(self.type)]
            )

    def query_violations(
        self, query: bytes, others: frozenset[str]
    ) -> Iterator[Violation]:
        """Yield what is wrong with a structured parameter in a query, as it was received.

        Args:
            query: The query.
            others: The names of the operation's parameters.

        Raises:
            UnicodeDecodeError: The query is not UTF-8.
        """
        pairs = _query_pairs(query)
        own = [value for name, value in pairs if name == self.name]
        if self.type == "array":
            yield from self._array_violations(own)
            return
        found = self._members(pairs, own, others)
        readings = [self._object([(name, _decoded(value)) for name, value in found])]
        yield from self._judge(readings if found else [])

    def _array_violations(self, own: Sequence[str]) -> Iterator[Violation]:
        if len(own) > 1:
            yield self._sent_often(len(own))
        if not own:
            yield from self._judge([])
            return
        separator = _SEPARATORS.get(self.style, _COMMA)
        items = [_decoded(text) for text in separator.split(own[0])]
        yield from self._judge(self._arrays(items))

    def _members(
        self, pairs: _Pairs, own: Sequence[str], others: frozenset[str]
    ) -> _Pairs:
        """Return the members of an object, still percent-encoded."""
        if self.style == "deepObject":
            start = f"{self.name}["
            return [
                (name[len(start) : -1], value)
                for name, value in pairs
                if name.startswith(start) and name.endswith("]")
            ]
        if self.explode:
            return [
                (name, value)
                for name, value in pairs
                if name in self.properties or (self.open and name not in others)
            ]
        return _pairs(own[0].split(","), explode=False) if own else []

    def _arrays(self, items: Sequence[str]) -> list[Json]:
        """Read an array in every way that its items may be read."""
        return [
            [coerce(item, kind) for item in items] for kind in _kinds(self.item_type)
        ]

    def _object(self, pairs: Sequence[tuple[str, str]]) -> Json:
        return {
            name: coerce(text, self.properties.get(name, "string"))
            for name, text in pairs
        }

    def _judge(self, readings: Sequence[Json]) -> Iterator[Violation]:
        """Yield the problems of a value that can be read in these ways; no way means that it was not sent."""
        if not readings:
            if self.required:
                yield Violation(self.label, "is required", self.pointer)
        elif not any(map(self.rules.is_valid, readings)):
            yield from self.rules.violations(readings[0], self.label)

    def _sent_often(self, times: int) -> Violation:
        return Violation(self.label, f"was sent {times} times", self.pointer)


def compile_parameter(
    document: Document, rules_at: RulesAt, node: Node, pointer: str
) -> Parameter:
    """Compile a parameter of the document.

    Args:
        document: The document.
        rules_at: Compiles its schemas.
        node: The parameter, with references followed.
        pointer: Its place in the document.

    Raises:
        SpecError: It has no schema, or not a valid one.
    """
    if "schema" not in node:
        raise SpecError(f"{pointer}: only parameters with a schema are understood")
    schema = document.at(f"{pointer}/schema")
    location: str = node["in"]
    default_style = "form" if location in {"query", "cookie"} else "simple"
    style = str(node.get("style", default_style))
    properties: Node = schema.get("properties", {})
    return Parameter(
        name=node["name"],
        location=location,
        required=bool(node.get("required", False)),
        pointer=pointer,
        rules=rules_at(f"{pointer}/schema"),
        type=schema.get("type"),
        item_type=document.resolved(schema.get("items", {}), pointer).get("type"),
        explode=bool(node.get("explode", style == "form")),
        style=style,
        properties={
            name: document.resolved(value, pointer).get("type")
            for name, value in properties.items()
        },
        open=schema.get("additionalProperties", True) is not False,
    )


def coerce(text: str, kind: str | None) -> Json:
    """Read a parameter's text as the declared type; other text stays text, and the rules refuse it."""
    if kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text):
        return float(text)
    return text


def _query_pairs(query: bytes) -> _Pairs:
    """Split a query; names are decoded, values are not."""
    pieces = [piece for piece in query.decode("ascii", "strict").split("&") if piece]
    parts = [piece.partition("=") for piece in pieces]
    return [(_decoded(name), value) for name, _, value in parts]


def _decoded(text: str) -> str:
    return unquote(text.replace("+", " "), errors="strict")


def _pairs(pieces: Sequence[str], *, explode: bool) -> _Pairs:
    """Read the pieces of an object in one text: `a=1`, `b=2` with explode, else `a`, `1`, `b`, `2`."""
    if explode:
        parts = [piece.partition("=") for piece in pieces]
        return [(name, value) for name, _, value in parts]
    return list(zip(pieces[::2], pieces[1::2], strict=False))


def _kinds(kind: str | None) -> Sequence[str]:
    """Return the types that a text may be read as: the spec's, or any where it names none."""
    return (kind,) if kind is not None else _ANY_KIND
