"""Read JSON exactly as RFC 8259 defines it, and say what is wrong in words that hold none of the data.

Rules the RFC leaves to the reader, and what this reader does:

* A key that occurs twice in one object is refused (section 4 calls the outcome unpredictable).
* A byte order mark is refused (section 8.1 lets a reader ignore it, but no sender may add one).
* An escaped surrogate without its other half is read as U+FFFD (section 8.2): no UTF-8 could carry it on.
* A number beyond the range of a double counts as the largest double (section 6).
* A document holds at most `MAX_VALUES` values (section 9), however they nest, so that none keeps the reader
  longer than a moment.
* What lies inside more than `KEPT_DEPTH` containers is checked to the last octet but read as empty: the validator and
  the encoder recurse, and a document must not be able to end them.
"""

import json
import math
import re
import sys
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final, NoReturn, TypeAlias, cast

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

MAX_VALUES: Final = 150_000
"""Values of a document, the containers and the scalars in them counted alike."""
KEPT_DEPTH: Final = 100

# Where no escaped backslash is left, so that none before a "u" is taken for the start of a surrogate.
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_LONE_HIGH: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_LONE_LOW: Final = re.compile(r"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_REPLACEMENT: Final = r"\\ufffd"
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{]}"))
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


def loads(document: bytes, most: int = MAX_VALUES) -> Json:
    """Read one JSON document.

    Args:
        document: The octets, UTF-8 without a byte order mark.
        most: How many values it may hold.

    Returns:
        The value; containers inside more than `KEPT_DEPTH` others are empty.

    Raises:
        NotJsonError: The octets are no JSON by RFC 8259, or hold too many values.
    """
    try:
        text = document.decode()
    except UnicodeDecodeError as error:
        raise NotJsonError(f"octet {error.start} is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise NotJsonError("a byte order mark stands before the document")
    if "\\u" in text and _SURROGATE.search(text):
        text = _replace_lone_surrogates(text)
    # Each value but the first follows a bracket or a comma. Few documents need the second, exact look.
    if len(text) > most and _openings(text) + text.count(",") >= most and _values(text) > most:
        raise NotJsonError(f"it holds more than {most:,} values")
    try:
        # More brackets than this may nest too deep for the recursive decoder; measure first, never recurse blindly.
        if len(text) > KEPT_DEPTH and _openings(text) > KEPT_DEPTH and _depth(text) > KEPT_DEPTH:
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


def _replace_lone_surrogates(text: str) -> str:
    if "\0" in text:  # no JSON, wherever it stands; the decoder says so
        return text
    text = text.replace("\\\\", "\0")
    text = _LONE_LOW.sub(_REPLACEMENT, _LONE_HIGH.sub(_REPLACEMENT, text))
    return text.replace("\0", "\\\\")


def _openings(text: str) -> int:
    return text.count("[") + text.count("{")


def _outline(text: str) -> bytes:
    """Return a document with a zero in place of each string, and without space, as far as it is JSON."""
    pieces = text.replace("\\\\", "").replace('\\"', "").split('"')
    return "0".join(pieces[::2]).encode().translate(None, b" \t\n\r")


def _values(text: str) -> int:
    """Count the values of a document, as far as it is JSON."""
    outline = _outline(text)
    openings = outline.count(b"[") + outline.count(b"{")
    return 1 + outline.count(b",") + openings - outline.count(b"[]") - outline.count(b"{}")


def _depth(text: str) -> int:
    """Return how deep a document nests at most, as far as it is JSON."""
    steps = _outline(text).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)


def loads_deep(text: str) -> Json:
    """Read a document of any depth without recursion: brackets here, scalars by the standard decoder.

    Args:
        text: The document.

    Returns:
        What `loads` returns.

    Raises:
        NotJsonError: A key stands twice, or a constant is none of JSON's.
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
