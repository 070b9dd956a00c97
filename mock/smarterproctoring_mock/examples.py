"""Make up values that a schema of the spec accepts, for answers of which the spec gives no example."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

from smarterproctoring_mock.document import Node
from smarterproctoring_mock.strict_json import Json

_MOST_NESTED: Final = 50
_LARGER: Final = frozenset({"minLength", "minItems", "minProperties", "minimum"})
_SMALLER: Final = frozenset({"maxLength", "maxItems", "maxProperties", "maximum"})
_SCHEMAS: Final = frozenset({"items", "additionalProperties"})
_ALTERNATIVES: Final = frozenset({"oneOf", "anyOf"})
_SAMPLES: Final = {
    "byte": "AA==",
    "date": "1970-01-01",
    "date-time": "1970-01-01T00:00:00.000Z",
    "duration": "PT1H",
    "email": "ada@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "iri": "https://example.org",
    "time": "00:00:00Z",
    "uri": "https://example.org",
    "uri-reference": "/example",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_ATOM: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|[^()|*+?{}]")
_QUANTIFIER: Final = re.compile(r"([*+?])|\{(\d+)(,?)(\d*)\}")
_LETTERS: Final = "".join(map(chr, [*range(48, 58), *range(97, 123), *range(32, 127)]))


class NoExampleError(ValueError):
    """No example can be made for a schema: it is endlessly recursive, or uses unsupported keywords."""


class Examples:
    """Values for the schemas of one document."""

    def __init__(
        self, resolve: Callable[[Node], Node], accepts: Callable[[Node, Json], bool]
    ) -> None:
        """Prepare.

        Args:
            resolve: Follows the references of a node.
            accepts: Whether a schema accepts a value; asked only where alternatives may overlap.
        """
        self._resolve = resolve
        self._accepts = accepts

    def make(self, schema: Node) -> Json:
        """Make up a value.

        Args:
            schema: A schema of the document.

        Returns:
            A value; the shortest one if a schema is recursive.

        Raises:
            NoExampleError: There is no such value, or it cannot be found.
        """
        return self._value(schema, ())

    def merged(self, schema: Node, depth: int = 0) -> Node:
        """Return a schema with its references followed and the parts of its `allOf` put together."""
        if depth > _MOST_NESTED:
            raise NoExampleError("a schema contains itself in its allOf")
        node = self._resolve(schema)
        if "allOf" not in node:
            return node
        result = {key: value for key, value in node.items() if key != "allOf"}
        for part in cast("list[Node]", node["allOf"]):
            result = _both(result, self.merged(part, depth + 1))
        return result

    def _value(self, schema: Node, above: tuple[int, ...]) -> Json:
        own = self._resolve(schema)
        if id(own) in above or len(above) > _MOST_NESTED:
            if own.get("nullable"):
                return None
            raise NoExampleError("a schema is endlessly recursive")
        above = (*above, id(own))
        node = self.merged(schema)
        for key in ("example", "default"):
            if key in node:
                return cast("Json", node[key])
        if node.get("enum"):
            return cast("Json", node["enum"][0])
        for key in ("oneOf", "anyOf"):
            if key in node:
                return self._alternative(node, key, above)
        try:
            return self._of_type(node, above)
        except NoExampleError:
            if node.get("nullable"):
                return None
            raise

    def _alternative(self, node: Node, key: str, above: tuple[int, ...]) -> Json:
        """Take the first alternative that gives a value which the whole schema accepts."""
        rest = {
            name: value
            for name, value in node.items()
            if name not in {key, "discriminator"}
        }
        candidates: list[Json] = []
        for part in cast("list[Node]", node[key]):
            chosen: Node = {"allOf": [rest, part, *_discriminated(node, part)]}
            try:
                candidates.append(self._value(chosen, above))
            except NoExampleError:
                continue
            if self._accepts(node, candidates[-1]):
                return candidates[-1]
        if not candidates:
            raise NoExampleError(f"no alternative of {key} has an end")
        return candidates[0]

    def _of_type(self, node: Node, above: tuple[int, ...]) -> Json:
        match node.get("type") or _kind(node):
            case "array":
                return self._array(node, above)
            case "integer" | "number" as kind:
                return _number(node, whole=kind == "integer")
            case "boolean":
                return True
            case "string":
                return _text(node)
            case _:
                return self._object(node, above)

    def _array(self, node: Node, above: tuple[int, ...]) -> Json:
        least = node.get("minItems", 0)
        count = min(max(1, least), node.get("maxItems", math.inf))
        try:
            return [
                self._value(node.get("items", {}), above) for _ in range(int(count))
            ]
        except NoExampleError:
            if least:
                raise
            return []

    def _object(self, node: Node, above: tuple[int, ...]) -> Json:
        properties: Node = node.get("properties", {})
        required: list[str] = node.get("required", [])
        result: dict[str, Json] = {}
        for name, schema in properties.items():
            if self._resolve(schema).get("writeOnly"):
                continue
            try:
                result[name] = self._value(schema, above)
            except NoExampleError:
                if name in required:
                    raise
        others = node.get("additionalProperties", {})
        other: Node = others if isinstance(others, dict) else {"type": "string"}
        for name in required:
            if name not in properties:
                result[name] = self._value(other, above)
        for number in range(node.get("minProperties", 0) - len(result)):
            result[f"property{number + 1}"] = self._value(other, above)
        return result


def _both(one: Node, other: Node) -> Node:
    """Put two schemas together into one that asks for what both ask for."""
    result = dict(one)
    for key, value in other.items():
        if key not in result:
            result[key] = value
        elif key == "properties":
            result[key] = _both_properties(result[key], value)
        elif key in _SCHEMAS:
            if isinstance(value, dict) and isinstance(result[key], dict):
                result[key] = {"allOf": [result[key], value]}
        elif key == "required":
            result[key] = list(dict.fromkeys([*result[key], *value]))
        elif key == "enum":
            result[key] = [item for item in result[key] if item in value] or value
        elif key in _LARGER:
            result[key] = max(result[key], value)
        elif key in _SMALLER:
            result[key] = min(result[key], value)
        elif key in _ALTERNATIVES and result[key] != value:
            result["allOf"] = [*result.get("allOf", []), {key: value}]
    return result


def _both_properties(one: Node, other: Node) -> Node:
    """Put the properties of two schemas together; what both declare has to fulfil both."""
    names = one.keys() & other.keys()
    shared = {name: {"allOf": [one[name], other[name]]} for name in names}
    return {**one, **other, **shared}


def _discriminated(node: Node, part: Node) -> list[Node]:
    """Return the property that a discriminator adds to an alternative."""
    discriminator: Node = node.get("discriminator", {})
    reference = part.get("$ref")
    if not discriminator or not isinstance(reference, str):
        return []
    mapping: Mapping[str, str] = discriminator.get("mapping", {})
    last = reference.rpartition("/")[2]
    name = next(
        (name for name, target in mapping.items() if target in {reference, last}), last
    )
    return [{"properties": {discriminator["propertyName"]: {"enum": [name]}}}]


def _kind(node: Node) -> str:
    """Guess the type of a schema that states none."""
    if node.keys() & {"items", "minItems", "maxItems"}:
        return "array"
    if node.keys() & {"pattern", "minLength", "maxLength", "format"}:
        return "string"
    return "number" if node.keys() & {"minimum", "maximum", "multipleOf"} else "object"


# --- numbers ------------------------------------------------------------------------------------------------


def _number(node: Node, *, whole: bool) -> Json:
    low = node.get("minimum", -math.inf)
    high = node.get("maximum", math.inf)
    step = node.get("multipleOf") or (1 if whole else None)
    above_low = bool(node.get("exclusiveMinimum"))
    below_high = bool(node.get("exclusiveMaximum"))

    def fits(number: float) -> bool:
        return (low < number or (low == number and not above_low)) and (
            number < high or (number == high and not below_high)
        )

    for number in _numbers(low, high, step):
        if fits(number):
            return int(number) if whole or float(number).is_integer() else number
    raise NoExampleError("no number is found within the limits")


def _numbers(low: float, high: float, step: float | None) -> Iterable[float]:
    yield 0
    for end, sign in ((low, 1), (high, -1)):
        if not math.isfinite(end):
            continue
        if step is None:
            yield from (end, end + sign, (low + high) / 2)
        else:
            first = math.ceil(end / step) if sign > 0 else math.floor(end / step)
            yield from (first * step, (first + sign) * step)


# --- texts --------------------------------------------------------------------------------------------------


def _text(node: Node) -> str:
    least: int = node.get("minLength", 0)
    if node.get("format") in _SAMPLES:
        return _SAMPLES[node["format"]]
    if "pattern" in node:
        text = _Pattern(node["pattern"], 0).text
        missing = least - len(text)
        return text if missing <= 0 else _Pattern(node["pattern"], missing).text
    return "string".ljust(least, "x")[: node.get("maxLength")]


class _Pattern:
    """Writes a short text that matches a pattern."""

    def __init__(self, pattern: str, more: int) -> None:
        """Write it.

        Args:
            pattern: The pattern: characters, classes, groups, alternatives and counts.
            more: How often to repeat the first thing that may be repeated, beyond what it has to be.
        """
        self._pattern = pattern
        self._more = more
        self._at = 0
        self.text = self._alternatives()
        if self._at != len(pattern):
            raise NoExampleError(f"no text is found for the pattern {pattern}")

    def _alternatives(self) -> str:
        first = self._sequence()
        while self._pattern.startswith("|", self._at):
            self._at += 1
            self._sequence()
        return first

    def _sequence(self) -> str:
        text = ""
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            piece = self._piece()
            text += piece * self._count()
        return text

    def _piece(self) -> str:
        if self._pattern.startswith("(", self._at):
            return self._group()
        match = _ATOM.match(self._pattern, self._at)
        if match is None:
            raise NoExampleError(f"no text is found for the pattern {self._pattern}")
        self._at = match.end()
        if match[0] in {"^", "$", r"\b"}:
            return ""
        probe = re.compile(match[0], re.ASCII)
        letter = next((letter for letter in _LETTERS if probe.fullmatch(letter)), None)
        if letter is None:
            raise NoExampleError(f"no text is found for the pattern {self._pattern}")
        return letter

    def _group(self) -> str:
        self._at += 1
        if self._pattern.startswith("?:", self._at):
            self._at += 2
        text = self._alternatives()
        if not self._pattern.startswith(")", self._at):
            raise NoExampleError(f"no text is found for the pattern {self._pattern}")
        self._at += 1
        return text

    def _count(self) -> int:
        match = _QUANTIFIER.match(self._pattern, self._at)
        if match is None:
            return 1
        self._at = match.end()
        if self._pattern.startswith("?", self._at):  # lazy
            self._at += 1
        low, high = _counts(match)
        more = int(min(self._more, high - low))
        self._more -= more
        return low + more


def _counts(match: re.Match[str]) -> tuple[int, float]:
    """Return how often a quantifier lets a thing be repeated: at least, and at most."""
    mark, least, comma, most = match.groups()
    if mark is not None:
        low = 1 if mark == "+" else 0
        return low, 1 if mark == "?" else math.inf
    low = int(least)
    if most:
        return low, int(most)
    return low, math.inf if comma else low
