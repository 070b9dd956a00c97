"""JSON Schema's checks of single values: types, patterns, and what JSON can represent."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, Final

from smarterproctoring_generated.records import NULL

from smarterproctoring.problems import Problem

_TYPES: Final[Mapping[str, Any]] = {
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "array": list,
    "object": dict,
}
_NAMES: Final[Mapping[str, str]] = {
    "string": "a str",
    "integer": "an int",
    "number": "a number",
    "boolean": "a bool",
    "array": "a list",
    "object": "a mapping",
}
_LEFT_AS_IT_IS: Final = (str, int, float, datetime)
_INTEGER: Final = r"^-?(0|[1-9][0-9]*)$"
_NUMBER: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


def matches(pattern: str, value: str) -> bool:
    """Match a pattern of the spec, which is ECMA-262: its `$` never matches before a final newline, Python's does."""
    return matcher(pattern)(value) is not None


@cache
def matcher(pattern: str) -> Callable[[str], object]:
    """Return what matches text with a pattern of the spec; it gives None for other text."""
    compiled = re.compile(pattern, re.ASCII)
    whole = pattern.startswith("^") and pattern.endswith("$")
    return compiled.fullmatch if whole else compiled.search


def type_problem(kind: str | None, value: object) -> str | None:
    """Return what is wrong with the type of a value; any type is valid if the spec names none."""
    expected = _TYPES.get(kind or "", object)
    if type(value) is expected:  # nearly always, and quicker than what follows
        return None
    is_wrong_bool = isinstance(value, bool) and expected not in (bool, object)
    if is_wrong_bool or not isinstance(value, expected):
        return f"must be {_NAMES[kind or '']}, not {type(value).__name__}"
    return None


def value_from_text(kind: str | None, text: str) -> Any:
    """Read text as a value of the spec's type; text that does not fit stays text and is refused later."""
    if kind == "integer" and matches(_INTEGER, text):
        return int(text)
    if kind == "number" and matches(_NUMBER, text):
        return float(text) if set(text) & set(".eE") else int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind in ("object", "array"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def as_text(value: object) -> str:
    """Write a simple value as text."""
    if isinstance(value, str):
        return str.__str__(value)  # a subclass may have a __str__ of its own
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def plain(value: Any) -> Any:
    """Return a value as JSON has it, in a copy: mappings, tuples, models, UUIDs, dates and enums; times stay times."""
    if isinstance(value, Enum):
        return None if value is NULL else plain(value.value)
    if isinstance(value, _LEFT_AS_IT_IS):
        return value
    if isinstance(value, date):
        return str(value)  # its ISO form
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if hasattr(value, "to_dict"):  # a generated model
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    return str(value) if _is_uuid(value) else value


def _is_uuid(value: object) -> bool:
    from uuid import UUID  # noqa: PLC0415 - most callers have none, and it loads more than they need

    return isinstance(value, UUID)


def not_json(value: object, label: str) -> Iterator[Problem]:
    """Yield what cannot be written as JSON in a plain value, each with its place."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(name, str):
                yield from not_json(inner, f"{label}.{name}")
            else:
                yield Problem(label, "json", "has a key that is not a str")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from not_json(inner, f"{label}[{index}]")
    elif isinstance(value, datetime):
        yield Problem(
            label,
            "json",
            "is a datetime, and the spec has no date-time there: give text",
        )
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(label, "json", f"is {value}, which JSON cannot hold")
    elif value is not None and not isinstance(value, str | int | float):
        yield Problem(
            label, "json", f"is of type {type(value).__name__}, which JSON cannot hold"
        )
