"""Read JSON exactly as RFC 8259 defines it, and say what is wrong in words that hold none of the data.

Rules the RFC leaves to the reader, and what this reader does:

* A key that occurs twice in one object is refused (section 4 calls the outcome unpredictable).
* A byte order mark is refused (section 8.1 lets a reader ignore it, but no sender may add one).
* An escaped surrogate without its other half is read as U+FFFD (section 8.2): no UTF-8 could carry it on.
* A number beyond the range of a double counts as the largest double (section 6).
* Containers nest at most `MAX_DEPTH` deep (section 9). Below `KEPT_DEPTH` they are checked to the last octet
  but read as empty: the validator and the encoder recurse, and a document must not be able to end them.
"""

import json
import math
import re
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias, cast

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

MAX_DEPTH: Final = 200_000
KEPT_DEPTH: Final = 100

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
# One escape at a time, so that an escaped backslash before a "u" is not taken for a surrogate.
_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_SPACE: Final = re.compile(r"[ \t\n\r]*")


class NotJsonError(ValueError):
    """The octets are no JSON document by the rules above. The message holds none of them."""


def _refuse_constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is not a JSON value")


def _object(pairs: "list[tuple[str, Json]]") -> "dict[str, Json]":
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJsonError("an object holds the same key twice")
    return members


def _float(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else math.copysign(sys.float_info.max, number)


def _int(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # CPython converts 4,300 digits at most (sys.set_int_max_str_digits)
        largest = int(sys.float_info.max)
        return -largest if digits.startswith("-") else largest


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_float, parse_int=_int
)
# raw_decode() without its wrapper; typeshed does not know it.
_scan: Final[Callable[[str, int], tuple[Json, int]]] = cast("Any", _DECODER).scan_once


def _replace_lone(match: re.Match[str]) -> str:
    return "\\ufffd" if match["lone"] else match[0]


def loads(document: bytes) -> Json:
    """Read one JSON document.

    Args:
        document: The octets, UTF-8 without a byte order mark.

    Returns:
        The value; containers inside more than `KEPT_DEPTH` others are empty.

    Raises:
        NotJsonError: The octets are no JSON by RFC 8259, or nest deeper than `MAX_DEPTH`.
    """
    try:
        text = document.decode()
    except UnicodeDecodeError as error:
        raise NotJsonError(f"octet {error.start} is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise NotJsonError("a byte order mark stands before the document")
    if "\\u" in text and _SURROGATE.search(text):
        text = _ESCAPE.sub(_replace_lone, text)
    try:
        # More brackets than this may nest too deep for the recursive decoder; count first, never recurse blindly.
        if len(text) > KEPT_DEPTH and text.count("[") + text.count("{") > KEPT_DEPTH:
            return loads_deep(text)
        start = 0 if text[:1] == "{" else _skip(text, 0)
        value, end = _scan(text, start)
    except json.JSONDecodeError as error:
        raise NotJsonError(f"{error.msg} at character {error.pos}") from None
    except StopIteration as error:
        raise NotJsonError(f"Expecting value at character {error.value}") from None
    if end != len(text) and _skip(text, end) != len(text):
        raise NotJsonError(f"Extra data at character {end}")
    result: Json = value
    return result


def loads_deep(text: str) -> Json:
    """Read a document of any depth without recursion: brackets here, scalars by the standard decoder.

    Args:
        text: The document.

    Returns:
        What `loads` returns.

    Raises:
        NotJsonError: A key stands twice, a constant is none of JSON's, or `MAX_DEPTH` is passed.
        json.JSONDecodeError: Everything else that is no JSON.
    """
    root: list[Json] = []
    stack: list[list[Json] | dict[str, Json]] = [root]
    keys: list[str] = [""]  # of the member being read, one per level
    position, length = _skip(text, 0), len(text)
    value: Json
    while True:
        # A value is expected here.
        mark = text[position : position + 1]
        if mark in {"[", "{"}:
            if len(stack) > MAX_DEPTH:
                raise NotJsonError(f"containers nest more than {MAX_DEPTH:,} deep")
            value = [] if mark == "[" else {}
            kept: Json = value if len(stack) <= KEPT_DEPTH else type(value)()
            _attach(stack[-1], keys[-1], kept)
            position = _skip(text, position + 1)
            if text[position : position + 1] != ("]" if mark == "[" else "}"):
                stack.append(value)
                keys.append("")
                if mark == "{":
                    position, keys[-1] = _key(text, position, value)
                continue
            position += 1
        else:
            value, position = _DECODER.raw_decode(text, position)
            _attach(stack[-1], keys[-1], value)
        # A value has ended: close what it completes, until a comma asks for the next one.
        while True:
            position = _skip(text, position)
            if len(stack) == 1:
                if position != length:
                    raise json.JSONDecodeError("Extra data", text, position)
                return root[0]
            top, mark = stack[-1], text[position : position + 1]
            if mark == ("]" if isinstance(top, list) else "}"):
                stack.pop()
                keys.pop()
                position += 1
                continue
            if mark != ",":
                raise json.JSONDecodeError("Expecting ',' delimiter", text, position)
            position = _skip(text, position + 1)
            if isinstance(top, dict):
                position, keys[-1] = _key(text, position, top)
            break


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _attach(parent: "list[Json] | dict[str, Json]", key: str, value: Json) -> None:
    if isinstance(parent, list):
        parent.append(value)
    else:
        parent[key] = value


def _key(text: str, position: int, members: "list[Json] | dict[str, Json]") -> tuple[int, str]:
    """Read `"key":` and the space around it; return where its value starts, and the key."""
    if text[position : position + 1] != '"':
        raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, position)
    key, position = _DECODER.raw_decode(text, position)
    if key in members:
        raise NotJsonError("an object holds the same key twice")
    position = _skip(text, position)
    if text[position : position + 1] != ":":
        raise json.JSONDecodeError("Expecting ':' delimiter", text, position)
    return _skip(text, position + 1), key
