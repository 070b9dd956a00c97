"""The parts of HTTP that an ASGI application reads for itself: media types, content codings, preferences.

Pure functions of octets. RFC 9110 (HTTP semantics), RFC 7240 (Prefer), RFC 3986 (percent-encoding).
"""

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from itertools import chain
from typing import Final, TypeVar
from urllib.parse import unquote_to_bytes

# No pattern here repeats a group or has two neighbours that could share a character, so that none can backtrack
# over what a client sends (tests/mock/test_hostile.py counts the steps). What repeats is read by `_Scanner`.
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_QUOTABLE: Final = re.compile(r"[\t !#-\[\]-~\x80-\xff]*")
_QUOTED_PAIR: Final = re.compile(r"\\([\t -~\x80-\xff])")
_SPACE: Final = re.compile(r"[ \t]*")
_BETWEEN_PREFERENCES: Final = re.compile(r"[ \t,]*")
_HOST_NAME: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%-]*")
_HOST_ADDRESS: Final = re.compile(rb"\[[0-9A-Fa-f:.]+\]")
_PORT: Final = re.compile(rb"(?::[0-9]*)?")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HTTP: Final = b"http://"

# Each member costs a copy of what follows it, so a body of nothing but empty members would be quadratic.
_MAX_MEMBERS: Final = 64

TARGET_LIMIT: Final = 16 * 1024
"""Octets of the path and the query of a target together."""

ACCEPTED_CODINGS: Final = "gzip, deflate, identity"


class CodingError(ValueError):
    """The content is not what its Content-Encoding says."""


class UnknownCodingError(CodingError):
    """The content coding is not one of `ACCEPTED_CODINGS`."""


class TooLargeError(ValueError):
    """The decoded content is larger than the limit."""


_SEPARATOR: Final = b"\0"  # no header field can hold it
LARGEST_CACHED: Final = 4096
"""Octets of a request above which its result is not cached, so that no cache can exceed a few MiB."""

_Verdict = TypeVar("_Verdict")


def remembered(function: Callable[[bytes], _Verdict]) -> Callable[[bytes], _Verdict]:
    """Cache the results for a field's values, except long ones."""
    cached = lru_cache(maxsize=256)(function)

    @wraps(function)
    def call(value: bytes) -> _Verdict:
        return cached(value) if len(value) <= 256 else function(value)

    return call


def pack(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Put header fields into one string of octets.

    Keeping and freeing ten thousand exchanges of a dozen small objects each would be slower than validating them.
    """
    return _SEPARATOR.join(chain.from_iterable(fields))


def unpack(packed: bytes) -> list[tuple[bytes, bytes]]:
    """Return the header fields that `pack` put together, in the order received."""
    parts = packed.split(_SEPARATOR) if packed else []
    return list(zip(parts[::2], parts[1::2], strict=True))


class Head:
    """A request's header fields, checked by HTTP's own rules.

    Attributes:
        problem: The violation of HTTP, with its section in the RFC; None if there is none.
        media_type: Of the content, in lower case; None where Content-Type was not sent once, or is none.
        size: Octets of the fields, with one between each name and value.
        waits: Whether the client waits for 100 (Continue) before it sends the body.
    """

    __slots__ = (
        "_fields",
        "_repeated",
        "_values",
        "media_type",
        "problem",
        "size",
        "waits",
    )

    def __init__(self, packed: bytes, version: str, method: str) -> None:
        self._fields = unpack(packed)
        self.size = len(packed)
        self._values = dict(self._fields)
        self._repeated: frozenset[bytes] = frozenset()
        if len(self._values) != len(self._fields):
            counts = Counter(name for name, _ in self._fields)
            self._repeated = frozenset(
                name for name, count in counts.items() if count > 1
            )
        types = self.all(b"content-type")
        self.media_type = media_type(types[0]) if len(types) == 1 else None
        self.waits = version == "1.1" and self.get(b"expect").lower() == b"100-continue"
        self.problem = self._problem(version, method)

    def __contains__(self, name: bytes) -> bool:
        return name in self._values

    def get(self, name: bytes, default: bytes = b"") -> bytes:
        """Return the value of the last line on which a field was sent."""
        return self._values.get(name, default)

    def all(self, name: bytes) -> list[bytes]:
        """Return the values of a field, one per line it was sent on."""
        if name in self._repeated:
            return [value for key, value in self._fields if key == name]
        return [self._values[name]] if name in self._values else []

    def _problem(self, version: str, method: str) -> str | None:
        if not version.startswith("1.") and version not in {"2", "3"}:
            return "the version must be HTTP/1.1 or HTTP/1.0 (RFC 9112 2.3)"
        hosts = self.all(b"host")
        if not hosts and version != "1.0":
            return "header.Host is required by HTTP/1.1 (RFC 9112 3.2)"
        if hosts and not (len(hosts) == 1 and valid_host(hosts[0])):
            return "header.Host must be one valid host (RFC 9112 3.2)"
        codings = self.all(b"transfer-encoding")
        if codings and (
            version == "1.0" or b",".join(codings).strip(b" \t,").lower() != b"chunked"
        ):
            return "header.Transfer-Encoding must be chunked, once, in HTTP/1.1 (RFC 9112 6.1)"
        if method == "PUT" and b"content-range" in self:
            return "header.Content-Range must not be sent: no partial PUT here (RFC 9110 14.5)"
        return None


_cached_head = lru_cache(maxsize=1024)(
    Head
)  # a client's requests differ little in their heads


def read_head(packed: bytes, version: str, method: str) -> Head:
    """Read the header fields that `pack` put together.

    Args:
        packed: The fields.
        version: Of HTTP, as ASGI has it.
        method: The request's.
    """
    return (_cached_head if len(packed) <= LARGEST_CACHED else Head)(
        packed, version, method
    )


class _Scanner:
    """Reads a field's value from left to right; no octet is looked at more than a few times."""

    __slots__ = ("_position", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    @property
    def done(self) -> bool:
        """Whether all was read."""
        return self._position == len(self._text)

    def take(self, pattern: re.Pattern[str]) -> str:
        """Read what a pattern matches here; empty where it matches nothing."""
        match = pattern.match(self._text, self._position)
        if match is None:
            return ""
        self._position = match.end()
        return match[0]

    def take_mark(self, mark: str) -> bool:
        """Read one character, if it stands here."""
        if not self._text.startswith(mark, self._position):
            return False
        self._position += 1
        return True

    def take_spaced_mark(self, mark: str) -> bool:
        """Read one character and the space around it, if it stands here."""
        start = self._position
        self.take(_SPACE)
        if self.take_mark(mark):
            self.take(_SPACE)
            return True
        self._position = start
        return False

    def take_value(self) -> str | None:
        """Read a name or a quoted string (RFC 9110 5.6.4); None where neither stands here."""
        start = self._position
        if not self.take_mark('"'):
            return self.take(_NAME) or None
        text = ""
        parts: list[str] = []
        while not self.take_mark('"'):
            text = self.take(_QUOTABLE) or self.take(_QUOTED_PAIR)[1:]
            if not text:
                self._position = start
                return None
            parts.append(text)
        return "".join(parts)

    def take_assigned(self) -> str:
        """Read `= value`, with space around the mark; empty where it does not stand here whole."""
        start = self._position
        value = self.take_value() if self.take_spaced_mark("=") else None
        if value is None:
            self._position = start
            return ""
        return value


@remembered
def media_type(value: bytes) -> str | None:
    """Return `type/subtype` in lower case, or None if the field is not a media type (RFC 9110 8.3.1).

    There is no space around the "=" of a parameter, and a semicolon may be without one (5.6.6).
    """
    scanner = _Scanner(value.decode("latin-1"))
    kind = scanner.take(_NAME)
    if not kind or not scanner.take_mark("/"):
        return None
    subtype = scanner.take(_NAME)
    if not subtype:
        return None
    while scanner.take_spaced_mark(";"):
        if scanner.take(_NAME) and not (
            scanner.take_mark("=") and scanner.take_value() is not None
        ):
            return None
    scanner.take(_SPACE)
    return f"{kind}/{subtype}".lower() if scanner.done else None


@remembered
def valid_host(value: bytes) -> bool:
    """Whether a Host field is `uri-host [":" port]` (RFC 9110 7.2)."""
    match = _HOST_ADDRESS.match(value) or _HOST_NAME.match(value)
    if match is None or _PORT.fullmatch(value, match.end()) is None:
        return False
    return (
        value.startswith(b"[") or _BAD_PERCENT.search(match[0].decode("ascii")) is None
    )


def http_authority(target: bytes) -> bytes | None:
    """Return the authority of a target in absolute-form, or None if it is not an http URI (RFC 9110 4.2.1).

    A URI with user information or a fragment is not accepted, nor is an https URI: it MUST be rejected on a
    connection that is not secured (RFC 9110 7.4).
    """
    if target[: len(_HTTP)].lower() != _HTTP or b"#" in target:
        return None
    authority = target[len(_HTTP) :].partition(b"/")[0].partition(b"?")[0]
    if not authority or authority.startswith(b":") or not valid_host(authority):
        return None
    return authority


def segments(raw_path: str) -> list[str] | None:
    """Split a path at its slashes, then decode each segment once.

    An encoded slash so stays inside its segment, and `%2541` becomes `%41`.

    Args:
        raw_path: The path as it was sent.

    Returns:
        The segments without the leading empty one; None if a percent sign does not start an octet, or the octets
        are not UTF-8.
    """
    parts = raw_path.split("/")[1:]
    if "%" not in raw_path:
        return parts if raw_path.isascii() else None
    if _BAD_PERCENT.search(raw_path):
        return None
    try:
        return [
            unquote_to_bytes(part).decode() if "%" in part else part for part in parts
        ]
    except UnicodeDecodeError:
        return None


def preferences(value: str) -> dict[str, str]:
    """Read a Prefer field (RFC 7240): names in lower case, the first of equal names counts."""
    found: dict[str, str] = {}
    scanner = _Scanner(value)
    while True:
        scanner.take(_BETWEEN_PREFERENCES)
        name = scanner.take(_NAME)
        if not name:
            return found
        found.setdefault(name.lower(), scanner.take_assigned())
        while scanner.take_spaced_mark(";"):
            if scanner.take(_NAME):
                scanner.take_assigned()


def decode_content(content: bytes, codings: str, limit: int) -> bytes:
    """Undo the content codings, the last one first (RFC 9110 8.4).

    Args:
        content: The octets as received.
        codings: The Content-Encoding field, such as `gzip` or `deflate, gzip`.
        limit: The largest result in octets.

    Returns:
        The octets without codings.

    Raises:
        UnknownCodingError: A coding other than gzip, x-gzip, deflate or identity, or more than three.
        CodingError: The octets are not of that coding, or stop early, or go on after its end.
        TooLargeError: The result is larger than the limit; no more than that was ever decoded.
    """
    names = [name.strip().lower() for name in codings.split(",") if name.strip()]
    if len(names) > 3:
        raise UnknownCodingError("more than three content codings")
    for name in reversed(names):
        if name in {"gzip", "x-gzip"}:
            content = _inflate(content, zlib.MAX_WBITS | 16, limit)
        elif name == "deflate":
            # The coding is zlib's format. Some senders leave its header out, and the RFC's note warns of them;
            # a first octet that is no zlib header (method 8, check bits) tells the two apart.
            zlib_header = (
                len(content) > 1
                and content[0] & 15 == 8
                and (content[0] << 8 | content[1]) % 31 == 0
            )
            content = _inflate(
                content, zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS, limit
            )
        elif name != "identity":
            raise UnknownCodingError("a content coding other than " + ACCEPTED_CODINGS)
    return content


def _inflate(content: bytes, window_bits: int, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    for _ in range(_MAX_MEMBERS):
        stream = zlib.decompressobj(window_bits)
        try:
            part = stream.decompress(content, limit - size + 1)
        except zlib.error:
            raise CodingError(
                "the content is not of the coding that Content-Encoding names"
            ) from None
        size += len(part)
        if size > limit:
            raise TooLargeError
        if not stream.eof:
            raise CodingError("the compressed content is incomplete")
        parts.append(part)
        content = stream.unused_data
        if not content:
            return b"".join(parts)
        if (
            window_bits <= zlib.MAX_WBITS
        ):  # only gzip may go on with another member (RFC 1952 2.2)
            raise CodingError("octets follow the end of the compressed content")
    raise CodingError(f"more than {_MAX_MEMBERS} gzip members")
