"""The operations that are served, and the paths that lead to them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from smarterproctoring_mock.parameters import Parameter, coerce
from smarterproctoring_mock.responses import Response
from smarterproctoring_mock.rules import Accepts, Rules
from smarterproctoring_mock.strict_json import Json

_PARAMETER: Final = re.compile(r"\{([^{}]+)\}")

RespondWith: TypeAlias = Callable[[int], Response]
"""Makes the spec's response with a status."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """Where one security scheme expects its secret."""

    location: str
    name: str
    prefix: bytes
    """The prefix of the secret, in lower case; empty for an API key."""
    pointer: str


@dataclass(frozen=True, slots=True, eq=False)
class ShownSession:
    """A response that is an object, and its properties that show the stored session."""

    template: Mapping[str, Json]
    accepts: Mapping[str, Accepts]
    """Whether a property can have a value, by the property's name."""

    def body(self, known: Mapping[str, Json]) -> bytes:
        """Write the response.

        Args:
            known: Values by their names; those that the response has no property for are left out.
        """
        shown = {
            name: value
            for name, value in known.items()
            if name in self.accepts and self.accepts[name](value)
        }
        return json.dumps({**self.template, **shown}, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True, eq=False)
class ServedOperation:
    """One operation, compiled."""

    id: str
    method: str
    template: str
    pointer: str
    path_parameters: tuple[Parameter, ...]
    parameters: tuple[Parameter, ...]
    """Those that are not in the path."""
    security: tuple[tuple[Scheme, ...], ...]
    bodies: Mapping[str, Rules]
    body_required: bool
    body_pointer: str
    body_fields: frozenset[str] | None
    success: Response
    shown: ShownSession | None
    """How the success shows the stored session; None where it does not."""
    writes: bool
    """Whether an accepted request changes what is stored."""
    respond_with: RespondWith = field(repr=False)
    """Makes the response with a status from the spec: by its own name, its range or the default."""

    def rules_for(self, media_type: str) -> Rules | None:
        """Return the rules of the most precise media type that the spec declares for the body."""
        rules = self.bodies.get(media_type)
        if rules is None:
            whole_type = media_type.partition("/")[0] + "/*"
            rules = self.bodies.get(whole_type) or self.bodies.get("*/*")
        return rules

    def current(self, values: Sequence[str], fields: Mapping[str, Json]) -> Response:
        """Return the success with what is stored put in by name: the path's parameters, then the fields.

        In the vendor's answers `sid` is the object's own, which the path names last.

        Args:
            values: Of the path's parameters.
            fields: The session's.
        """
        if self.shown is None:
            return self.success
        pairs = zip(self.path_parameters, values, strict=True)
        known = {
            parameter.name: coerce(text, parameter.type) for parameter, text in pairs
        }
        if known:
            known["sid"] = list(known.values())[-1]
        return replace(self.success, body=self.shown.body({**known, **fields}))


@dataclass(frozen=True, slots=True)
class _Segment:
    """One segment of a path template: a literal text, or texts around parameters."""

    index: int
    texts: tuple[str, ...]
    """A single one where the segment holds no parameter."""


class PathTemplate:
    """A path template, taken apart."""

    def __init__(self, template: str) -> None:
        """Take it apart.

        Args:
            template: The template, such as `/v1/exams/{examSid}`.
        """
        self.template = template
        self._literals: list[_Segment] = []
        self._variable: list[_Segment] = []
        names: list[str] = []
        for index, part in enumerate(template.split("/")[1:]):
            pieces = _PARAMETER.split(part)
            segment = _Segment(index, tuple(pieces[::2]))
            if len(pieces) == 1:
                self._literals.append(segment)
            else:
                self._variable.append(segment)
                names += pieces[1::2]
        self.names = tuple(names)
        whole = all(segment.texts == ("", "") for segment in self._variable)
        self._indexes = [segment.index for segment in self._variable] if whole else None

    @property
    def segments(self) -> int:
        """How many segments it has."""
        return self.template.count("/")

    def match(self, parts: Sequence[str]) -> tuple[str, ...] | None:
        """Return the parameters' values, or None where these segments are of another path."""
        for literal in self._literals:
            if parts[literal.index] != literal.texts[0]:
                return None
        if self._indexes is not None:
            return tuple([parts[index] for index in self._indexes])
        found: list[str] = []
        for segment in self._variable:
            values = _values_between(segment.texts, parts[segment.index])
            if values is None:
                return None
            found += values
        return tuple(found)


@dataclass(frozen=True, slots=True)
class PathItem:
    """One path and its operations, by method."""

    path: PathTemplate
    operations: Mapping[str, ServedOperation]
    allow: str

    @property
    def template(self) -> str:
        """The path's template."""
        return self.path.template

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the path's parameters."""
        return self.path.names


def _values_between(texts: Sequence[str], segment: str) -> list[str] | None:
    """Find the values of the parameters in a segment, each as short as can be, in one pass.

    Args:
        texts: The literals before, between and after the parameters; may be empty.
        segment: The segment.

    Returns:
        The values, none of them empty; None where the segment is of another form.
    """
    first, *middle, last = texts
    if not segment.startswith(first):
        return None
    values: list[str] = []
    start = len(first)
    for text in middle:
        end = segment.find(text, start + 1)
        if end < 0:
            return None
        values.append(segment[start:end])
        start = end + len(text)
    end = len(segment) - len(last)
    if end <= start or not segment.endswith(last):
        return None
    return [*values, segment[start:end]]
