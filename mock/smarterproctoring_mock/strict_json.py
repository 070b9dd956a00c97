"""Read JSON exactly as RFC 8259 defines it; error messages hold none of the data.

Choices that the RFC leaves to the parser, and what this one does:

* A key that occurs twice in one object is refused (section 4 calls the outcome unpredictable).
* A byte order mark is refused (section 8.1 lets a reader ignore it, but no sender may add one).
* An escaped surrogate without its other half is read as U+FFFD (section 8.2): no UTF-8 could carry it on.
* A number beyond the range of a double counts as the largest double (section 6).
* A document holds at most `MAX_VALUES` values (section 9), however they nest, so that none keeps the parser
  busy for long.
* What lies inside more than `KEPT_DEPTH` containers is checked to the last octet but read as empty: the validator and
  the encoder recurse, and a document must not be able to end them.
"""

import json
import math
import re
import sys
from itertools import accumulate
from typing import Final, NoReturn, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_Container: TypeAlias = "list[Json] | dict[str, Json]"

MAX_VALUES: Final = 150_000
"""Values of a document, the containers and the scalars in them counted alike."""
KEPT_DEPTH: Final = 100

# Where no escaped backslash is left, so that none before a "u" is taken for the start of a surrogate.
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_LONE_HIGH: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_LONE_LOW: Final = re.compile(
    r"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_REPLACEMENT: Final = r"\\ufffd"
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{]}"))
_SPACES: Final = frozenset(" \t\n\r")
_SPACE: Final = re.compile(r"[ \t\n\r]*")


class NotJsonError(ValueError):
    """The octets are not a JSON document by the rules above. The message holds none of them."""


def _refuse_constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is not a JSON value")


def _object(pairs: "list[tuple[str, Json]]") -> "dict[str, Json]":
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJsonError("an object holds the same key twice")
    return members


def _float(digits: str) -> float:
    number = float(digits)
    return (
        number if math.isfinite(number) else math.copysign(sys.float_info.max, number)
    )


def _int(digits: str) -> int:
    try:
        return int(digits)
    except (
        ValueError
    ):  # CPython converts 4,300 digits at most (sys.set_int_max_str_digits)
        largest = int(sys.float_info.max)
        return -largest if digits.startswith("-") else largest


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_refuse_constant,
    parse_float=_float,
    parse_int=_int,
)


def loads(document: bytes, most: int = MAX_VALUES) -> Json:
    """Read one JSON document.

    Args:
        document: The octets, UTF-8 without a byte order mark.
        most: How many values it may hold.

    Returns:
        The value; containers inside more than `KEPT_DEPTH` others are empty.

    Raises:
        NotJsonError: The octets are not JSON by RFC 8259, or hold too many values.
    """
    try:
        text = document.decode()
    except UnicodeDecodeError as error:
        raise NotJsonError(f"octet {error.start} is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise NotJsonError("a byte order mark precedes the document")
    if "\\u" in text and _SURROGATE.search(text):
        text = _replace_lone_surrogates(text)
    # Each value but the first follows a bracket or a comma. Few documents need the exact count.
    may_hold_many = len(text) > most and _openings(text) + text.count(",") >= most
    if may_hold_many and _values(text) > most:
        raise NotJsonError(f"it holds more than {most:,} values")
    try:
        # More brackets than this may nest too deep for the recursive decoder; measure first, never recurse blindly.
        may_be_deep = len(text) > KEPT_DEPTH and _openings(text) > KEPT_DEPTH
        if may_be_deep and _depth(text) > KEPT_DEPTH:
            return loads_deep(text)
        start = 0 if text[:1] == "{" else _skip(text, 0)
        value, end = _read(text, start)
    except json.JSONDecodeError as error:
        raise NotJsonError(f"{error.msg} at character {error.pos}") from None
    if end != len(text) and _skip(text, end) != len(text):
        raise NotJsonError(f"Extra data at character {end}")
    return value


def _read(text: str, start: int) -> tuple[Json, int]:
    """Read the value that starts at a character; return it, and where it ends."""
    value: Json
    value, end = _DECODER.raw_decode(text, start)
    return value, end


def _replace_lone_surrogates(text: str) -> str:
    if "\0" in text:  # not JSON; the decoder raises
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
    return (
        1 + outline.count(b",") + openings - outline.count(b"[]") - outline.count(b"{}")
    )


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
        NotJsonError: A key is there twice, or a constant is not one of JSON's.
        json.JSONDecodeError: Everything else that is not valid JSON.
    """
    return _DeepReader(text).read()


class _DeepReader:
    """Reads one document, value by value."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = _skip(text, 0)
        self._root: list[Json] = []
        self._open: list[_Container] = [self._root]  # from the outside to the inside
        self._ends: list[str] = [""]  # what closes each of them
        self._keys: list[str] = [""]  # of the member being read in each of them

    def read(self) -> Json:
        """Read the document."""
        is_complete = False
        while not is_complete:
            if self._read_value():
                is_complete = self._close()
        return self._root[0]

    def _read_value(self) -> bool:
        """Read a scalar or the start of a container; return whether a value has ended."""
        mark = self._mark()
        if mark not in {"[", "{"}:
            value, self._position = _read(self._text, self._position)
            self._attach(value)
            return True
        container: _Container = [] if mark == "[" else {}
        # Beyond the depth that is kept, an empty container replaces this one.
        is_kept = len(self._open) <= KEPT_DEPTH
        self._attach(container if is_kept else type(container)())
        self._skip_mark()
        end = "]" if mark == "[" else "}"
        if self._mark() == end:
            self._position += 1
            return True
        self._open.append(container)
        self._ends.append(end)
        self._keys.append("")
        self._read_key()
        return False

    def _close(self) -> bool:
        """Close the containers that end here; return whether the document is complete."""
        while True:
            self._position = _skip(self._text, self._position)
            if len(self._open) == 1:
                if self._position != len(self._text):
                    raise self._error("Extra data")
                return True
            mark = self._mark()
            if mark == self._ends[-1]:
                self._open.pop()
                self._ends.pop()
                self._keys.pop()
                self._position += 1
            elif mark == ",":
                self._skip_mark()
                self._read_key()
                return False
            else:
                raise self._error("Expecting ',' delimiter")

    def _read_key(self) -> None:
        """Read `"key":` and the space around it, where the innermost container is an object."""
        members = self._open[-1]
        if isinstance(members, list):
            return
        if self._mark() != '"':
            raise self._error("Expecting property name enclosed in double quotes")
        key: str  # it starts with a quotation mark
        key, self._position = _DECODER.raw_decode(self._text, self._position)
        if key in members:
            raise NotJsonError("an object holds the same key twice")
        self._position = _skip(self._text, self._position)
        if self._mark() != ":":
            raise self._error("Expecting ':' delimiter")
        self._skip_mark()
        self._keys[-1] = key

    def _attach(self, value: Json) -> None:
        parent = self._open[-1]
        if isinstance(parent, list):
            parent.append(value)
        else:
            parent[self._keys[-1]] = value

    def _mark(self) -> str:
        return self._text[self._position : self._position + 1]

    def _skip_mark(self) -> None:
        self._position = _skip(self._text, self._position + 1)

    def _error(self, message: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(message, self._text, self._position)


def _skip(text: str, position: int) -> int:
    """Return the place of the next character that is not space."""
    if text[position : position + 1] not in _SPACES:
        return position
    match = _SPACE.match(text, position)
    return match.end() if match else position
