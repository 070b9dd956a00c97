"""Hides what a server quotes: the token, and what the request says of a person. In time linear in the text."""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache

MASK = "[redacted]"
WHOLE_WORD_BELOW = 8
"""Characters: a shorter secret is masked only as a whole word, else a token "T" would mark every T."""
_ESCAPES = (
    r"(?:\\u00|\\x|\\U000000|%(?:u00)?)(?P<code>[0-7][0-9A-Fa-f])|\\u\{0{0,4}(?P<braces>[0-7][0-9A-Fa-f])\}"
    r"|\\(?P<slash>[/\"\\])|&#0{0,5}(?P<decimal>[0-9]{2,3});|&#[xX]0{0,4}(?P<hex>[0-9A-Fa-f]{2});|&(?P<name>[A-Za-z]{2,6});"
)
"""An escape of JSON, Python, a URL or HTML. Compiled when it is first used: hardly any answer holds one."""
_NO_CHARACTER = "\ufffd"
"""Replaces an escape that stands for no character or for several; no token contains it."""
_SAFE = str.maketrans("+/", "-_")
"""Translates base64 to its URL-safe form."""
_LEVELS = 3
"""How often an escape may be escaped again: a percent-encoded text in a JSON string in an HTML page."""


def mask(text: str, secrets: Iterable[str]) -> str:
    """Replace secrets, in whatever case; where they touch or overlap, the whole becomes one mask."""
    lowered = _lower(text)
    wanted = {
        _lower(secret) for secret in secrets if secret and len(secret) <= len(text)
    }
    return _replace(
        text, [span for secret in wanted for span in _spans(lowered, secret)]
    )


def mask_token(text: str, token: str) -> str:
    """Replace a token, also in base64 and UTF-16, and with escapes of JSON, URLs and HTML of any of its characters."""
    if not token or len(text) < len(token):  # no form is shorter
        return text
    # Nearly always there is none, and `in` tells so at once.
    forms = [form for form in _forms(token, text) if form in text]
    if forms:
        text = _replace(text, [span for form in forms for span in _spans(text, form)])
    # Every escape contains one of these.
    if not ("\\" in text or "%" in text or "&" in text):
        return text
    spans: list[tuple[int, int]] = []
    level = text
    origins: list[_Origins] = []
    for _ in range(_LEVELS):
        decoded, origin = _decoded(level)
        if origin is None:
            break
        origins.append(origin)
        spans += [_before(span, origins) for span in _spans(decoded, token)]
        level = decoded
    return _replace(text, spans)


def _forms(token: str, text: str) -> list[str]:
    """Return the forms in which a token may appear in a text, other than escapes."""
    forms = [token]
    if "\0" in text:  # UTF-16 and UTF-32, seen byte by byte
        forms += ["\0".join(token), "\0\0\0".join(token)]
    if len(token) >= WHOLE_WORD_BELOW:
        forms += _base64_forms(token)
    return forms


@lru_cache(maxsize=4)  # every answer is looked through, and a process has few tokens
def _base64_forms(token: str) -> list[str]:
    """Return what a token looks like within base64, and within its URL-safe form."""
    forms: list[str] = []
    # Three bytes become four characters, so it matters how many come before.
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + token.encode()).decode()
        # The characters at both ends also depend on the bytes next to the token.
        padding = encoded.count("=")
        cut = encoded[before and before + 1 : len(encoded) - (padding and padding + 1)]
        forms += [cut, cut.translate(_SAFE)]
    return forms


class _Origins:
    """Where the characters of a decoded text come from: after each escape, how far it has moved."""

    def __init__(self) -> None:
        self.starts: list[int] = [0]
        self.shifts: list[int] = [0]

    def of(self, at: int) -> int:
        """Return the place, in the text before it was decoded, of the character at a place."""
        return at + self.shifts[bisect_right(self.starts, at) - 1]


def _decoded(text: str) -> tuple[str, _Origins | None]:
    """Return a text with its escapes read, and where its characters come from; None if there are no escapes."""
    pieces: list[str] = []
    origins = _Origins()
    at = 0
    length = 0
    for match in re.finditer(_ESCAPES, text):
        pieces += [text[at : match.start()], _character(match)]
        length += match.start() - at + 1
        at = match.end()
        origins.starts.append(length)
        origins.shifts.append(at - length)
    if not pieces:
        return text, None
    return "".join([*pieces, text[at:]]), origins


def _character(match: re.Match[str]) -> str:
    """Return the one character that an escape stands for."""
    kind = match.lastgroup
    value = match[kind or 0]
    if kind == "slash":
        return value
    if kind == "name":
        from html.entities import html5  # noqa: PLC0415 - large, and rarely needed

        named = html5.get(f"{value};", "")
        return named if len(named) == 1 else _NO_CHARACTER
    return chr(int(value, 10 if kind == "decimal" else 16))


def _before(span: tuple[int, int], origins: list[_Origins]) -> tuple[int, int]:
    start, end = span
    for origin in reversed(origins):
        start = origin.of(start)
        end = origin.of(end)
    return start, end


def _lower(text: str) -> str:
    """Return the text in lower case, of the same length."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(
        [
            character.lower() if len(character.lower()) == 1 else character
            for character in text
        ]
    )


def _spans(text: str, secret: str) -> list[tuple[int, int]]:
    """Return where a secret is, from left to right and without overlaps."""
    found: list[tuple[int, int]] = []
    length = len(secret)
    at = text.find(secret)
    while at >= 0:
        end = at + length
        if length >= WHOLE_WORD_BELOW or _is_word(text, at, end):
            found.append((at, end))
            at = text.find(secret, end)
        else:
            at = text.find(secret, at + 1)
    return found


def _is_word(text: str, start: int, end: int) -> bool:
    """Tell whether both ends are at a word boundary."""
    begins = start == 0 or not (_in_word(text[start - 1]) and _in_word(text[start]))
    ends = end == len(text) or not (_in_word(text[end]) and _in_word(text[end - 1]))
    return begins and ends


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _replace(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Replace spans; those that touch or overlap become one mask."""
    pieces: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if start > at or not pieces:
            pieces += [text[at:start], MASK]
        at = max(at, end)
    return "".join([*pieces, text[at:]]) if pieces else text
