"""The operations that are served, and the paths that lead to them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from smarterproctoring_mock.parameters import Parameter, coerce
from smarterproctoring_mock.responses import Response
from smarterproctoring_mock.rules import Accepts, Rules
from smarterproctoring_mock.shown_dates import MISSING, amiss, in_form
from smarterproctoring_mock.strict_json import Json

_PARAMETER: Final = re.compile(r"\{([^{}]+)\}")
_NEVER: Final = "never sent by anybody"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

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
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    """The properties that show fields of a change, by the fields' names (`x-reads-back-as`); others keep their name."""
    dates: frozenset[str] = frozenset()
    """The properties that are dates."""
    pointer: str = ""
    """Where the response's content stands."""

    def members(self, known: Mapping[str, Json]) -> dict[str, Json]:
        """Return what the response holds.

        Args:
            known: Values by their names. Of two that one property shows, the last counts; those that the response has
                no property for are left out.
        """
        shown = dict(self.template)
        for name, value in known.items():
            shown_as = self.names.get(name, name)
            if shown_as in self.accepts and self.accepts[shown_as](value):
                shown[shown_as] = value
        return shown

    def in_other_form(self, members: Mapping[str, Json], form: str) -> dict[str, Json]:
        """Return the members of a response with its dates in one of `DATE_FORMS`."""
        if form == MISSING:
            return {
                name: value for name, value in members.items() if name not in self.dates
            }
        return {
            name: in_form(value, form) if name in self.dates else value
            for name, value in members.items()
        }

    def invented(self, members: Mapping[str, Json]) -> dict[str, Json]:
        """Return the members of a response with what shows a change replaced by what was never asked for."""
        replaced = dict(members)
        for name in self.names.values():
            replaced[name] = amiss(members.get(name)) if name in self.dates else _NEVER
        return replaced


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

    @property
    def is_read(self) -> bool:
        """Whether it only shows something (a safe method, RFC 9110 9.2.1)."""
        return self.method in _SAFE_METHODS

    def current(self, values: Sequence[str], fields: Mapping[str, Json]) -> Response:
        """Return the success with what is stored put in: the path's parameters, then the fields.

        Args:
            values: Of the path's parameters.
            fields: The session's.
        """
        if self.shown is None:
            return self.success
        return self.showing(self.members(self.shown, values, fields))

    def showing(self, members: Mapping[str, Json]) -> Response:
        """Return the success with other members."""
        body = json.dumps(members, ensure_ascii=False).encode()
        return replace(self.success, body=body)

    def members(
        self, shown: ShownSession, values: Sequence[str], fields: Mapping[str, Json]
    ) -> dict[str, Json]:
        """Return the members of the success; arguments as for `current`.

        In the vendor's answers `sid` is the object's own, which the path names last.
        """
        pairs = zip(self.path_parameters, values, strict=True)
        known = {
            parameter.name: coerce(text, parameter.type) for parameter, text in pairs
        }
        if known:
            known["sid"] = list(known.values())[-1]
        return shown.members({**known, **fields})


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
