"""Path, query and header parameters: the values that they accept, and how these are serialized."""

from __future__ import annotations

import math
from typing import Final
from urllib.parse import quote

from smarterproctoring_generated.records import Parameter

from smarterproctoring.json_values import (
    as_text,
    matches,
    plain,
    type_problem,
    value_from_text,
)
from smarterproctoring.problems import RuleError
from smarterproctoring.wire_times import time_text, wire_time

_HEADER_TEXT: Final = r"^[!-~]([ -~]*[!-~])?$"
_NUMBERS: Final = (int, float)
_SEPARATORS: Final = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}
_RESERVED: Final = ":/?@!$'()*,;"
"""The reserved characters that may be in a query as they are."""


def checked(parameter: Parameter, value: object, *, offsets: bool = False) -> object:
    """Return a value as it is sent: text and numbers, or a list or dict of them; times in the wire form.

    Args:
        parameter: The parameter that it is given for.
        value: What was given.
        offsets: Whether times may be text with any offset, as generated functions write them.

    Raises:
        ValueError: The value breaks the spec; the message does not hold it.
    """
    if type(value) is not str:
        value = plain(value)
    kind = parameter.type
    if kind not in ("array", "object"):
        return _checked_scalar(parameter, kind, value, offsets=offsets)
    if problem := type_problem(kind, value):
        raise RuleError("type", problem)
    if not value:
        raise RuleError(
            "empty", f"is an empty {kind}, which cannot be sent: leave it out"
        )
    if isinstance(value, list):
        item_type = parameter.item_type
        return [
            _checked_scalar(parameter, item_type, item, offsets=offsets)
            for item in value
        ]
    entries = value if isinstance(value, dict) else {}
    return {
        str(name): _checked_scalar(parameter, "", item, offsets=offsets)
        for name, item in entries.items()
    }


def _checked_scalar(
    parameter: Parameter, kind: str, value: object, *, offsets: bool
) -> object:
    if parameter.format == "date-time":
        text = value if offsets and isinstance(value, str) else time_text(value)
        value = wire_time(text)
    if parameter.allowed and value not in parameter.allowed:
        raise RuleError(
            "enum", f"must be one of {', '.join(map(str, parameter.allowed))}"
        )
    if problem := type_problem(kind, value):
        raise RuleError("type", problem)
    if isinstance(value, str):
        if parameter.pattern and not matches(parameter.pattern, value):
            raise RuleError("pattern", f"must match {parameter.pattern}")
    elif not isinstance(value, _NUMBERS):
        raise RuleError("type", f"must be text or a number, not {type(value).__name__}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise RuleError("type", "must be a finite number")
    if parameter.location == "path" and value in ("", ".", ".."):
        raise RuleError(
            "pattern", "must not be empty, `.` or `..`: that is another path"
        )
    if parameter.location == "header":
        _check_header(parameter, as_text(value))
    return value


def _check_header(parameter: Parameter, text: str) -> None:
    """Refuse text that is not allowed in a header."""
    if not matches(_HEADER_TEXT, text):
        raise RuleError(
            "pattern",
            "must be one line of printable ASCII, without white space around it",
        )
    if parameter.type != "string" and "," in text:
        raise RuleError(
            "pattern", "must not hold a comma, which separates the values of a header"
        )


def parameter_from_text(parameter: Parameter, text: str) -> object:
    """Read the text of one value as a value of the spec's type, where it is one."""
    if parameter.type == "array":
        return [value_from_text(parameter.item_type, part) for part in text.split(",")]
    return value_from_text(parameter.type, text)


def simple_text(parameter: Parameter, value: object, *, quoted: bool = True) -> str:
    """Write a checked value of a path or header parameter in the style `simple`."""
    write = quoted_text if quoted else as_text
    if isinstance(value, str):
        return write(value)
    if isinstance(value, dict):
        between = "=" if parameter.explode else ","
        return ",".join(
            f"{write(name)}{between}{write(item)}" for name, item in value.items()
        )
    if isinstance(value, list):
        return ",".join(map(write, value))
    return write(value)


def query_text(parameter: Parameter, value: object) -> str:
    """Write a checked value of a query parameter in its style."""
    name = quoted_text(parameter.name)

    def write(item: object) -> str:
        return quote(as_text(item), safe=_RESERVED if parameter.reserved else "")

    if isinstance(value, dict):
        items = value.items()
        if parameter.style == "deepObject":
            return "&".join(
                f"{name}%5B{quoted_text(key)}%5D={write(item)}" for key, item in items
            )
        if parameter.explode:
            return "&".join(f"{quoted_text(key)}={write(item)}" for key, item in items)
        return f"{name}=" + ",".join(
            f"{quoted_text(key)},{write(item)}" for key, item in items
        )
    if isinstance(value, list):
        if parameter.explode:
            return "&".join(f"{name}={write(item)}" for item in value)
        separator = _SEPARATORS.get(parameter.style, ",")
        return f"{name}=" + separator.join(map(write, value))
    return f"{name}={write(value)}"


def quoted_text(value: object) -> str:
    """Write a simple value as it is in a path or as a name in a query."""
    text = value if type(value) is str else as_text(value)
    # A SID needs no quoting, and `quote` would take longer than the rest of the path together.
    return text if text.isascii() and text.isidentifier() else quote(text, safe="")
