"""Validate values against the schemas of the spec, and say which rule a value breaks."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias
from urllib.parse import quote

import jsonschema_rs

from smarterproctoring_mock.document import Node, SpecError, to_pointer, walk
from smarterproctoring_mock.strict_json import Json

Accepts: TypeAlias = Callable[[Json], bool]
"""Whether a schema accepts a value."""

_MAX_SHOWN: Final = 50
_LATER_FORMATS: Final = (
    "date",
    "duration",
    "iri",
    "json-pointer",
    "time",
    "uri-reference",
    "uri-template",
    "uuid",
)
"""Formats that draft 4 does not define, checked by a later draft's rules."""
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


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation of the spec. Holds nothing of the request but names that are in the spec."""

    field: str
    rule: str
    pointer: str

    def __str__(self) -> str:
        return f"{self.field} {self.rule} ({self.pointer})"


def describe(violations: Sequence[Violation]) -> str:
    """Put violations into one line for an error's message."""
    shown = "; ".join(map(str, violations[:_MAX_SHOWN]))
    more = len(violations) - _MAX_SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _later_format(name: str) -> Callable[[str], bool]:
    schema = {"type": "string", "format": name}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid


_FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "byte": _is_base64,
    **{name: _later_format(name) for name in _LATER_FORMATS},
}


def validator(schema: Node) -> jsonschema_rs.Draft4Validator:
    """Compile a schema.

    Patterns are matched by an engine whose time grows with the length of the text alone, whatever the pattern. It has
    no lookaround and no backreferences.

    Args:
        schema: JSON Schema draft 4.

    Raises:
        ValueError: It is not a valid schema.
    """
    return jsonschema_rs.Draft4Validator(
        schema,
        validate_formats=True,
        formats=_FORMATS,
        offline=True,
        pattern_options=jsonschema_rs.RegexOptions(),
    )


def check_pattern(pattern: str, pointer: str) -> None:
    """Raise SpecError where a pattern of the spec cannot be matched."""
    try:
        validator({"pattern": pattern})
    except ValueError:
        shown = json.dumps(pattern)
        raise SpecError(
            f"{pointer}: the pattern {shown} is not a regular expression, or one that cannot be matched "
            "without backtracking (lookaround, backreferences); write it without"
        ) from None


class Rules:
    """One schema of the spec, compiled. `is_valid` is fast; `violations` explains."""

    __slots__ = ("_document", "_known", "_validator", "is_valid")

    def __init__(self, document: Node, pointer: str, known: frozenset[str]) -> None:
        """Compile it.

        Args:
            document: The whole document in draft 4, so that an error's path is a place in the spec.
            pointer: The schema's place in it.
            known: The names of properties that a message may show.

        Raises:
            SpecError: It is not a valid schema.
        """
        self._document = document
        self._known = known
        try:
            reference = quote(pointer, safe="#/~%!$&'()*+,;=:@")
            self._validator = validator({**document, "$ref": reference})
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise SpecError(f"{pointer}: {error}") from None
        self.is_valid: Accepts = self._validator.is_valid

    def violations(self, value: Json, name: str) -> Iterator[Violation]:
        """Yield every rule that a value breaks.

        Args:
            value: What was received.
            name: Its name in messages, such as `body` or `path.examSid`.

        Yields:
            Violations in the schema's order.
        """
        for error in self._validator.iter_errors(value):
            yield self._explain(error, name)

    def first_violation(self, value: Json, name: str) -> list[Violation]:
        """Return the first rule that a value breaks, if it breaks one.

        Finding all violations takes seconds if every item of a large value breaks a rule.
        """
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [self._explain(error, name)]
        return []

    def _explain(self, error: jsonschema_rs.ValidationError, name: str) -> Violation:
        where = name + "".join(map(self._part, error.instance_path))
        path = list(error.schema_path)
        kind = error.kind
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
            return Violation(
                f"{where}.{kind.property}", "is required", to_pointer(path)
            )
        keyword = str(path[-1]) if path else kind.name
        stated = json.dumps(walk(self._document, path), ensure_ascii=False)
        rule = _RULES.get(keyword, f"must satisfy {keyword}").format(stated)
        return Violation(where, rule, to_pointer(path))

    def _part(self, part: str | int) -> str:
        if isinstance(part, int):
            return f"[{part}]"
        # A key that is not in the spec may be personal data.
        return f".{part}" if part in self._known else ".*"


RulesAt: TypeAlias = Callable[[str], Rules]
"""Compiles the schema at a pointer."""


def rules_of(document: Node, known: frozenset[str]) -> RulesAt:
    """Return what compiles the schemas of a document in draft 4; `known` as for `Rules`."""
    return partial(_rules_at, document, known)


def _rules_at(document: Node, known: frozenset[str], pointer: str) -> Rules:
    return Rules(document, pointer, known)
