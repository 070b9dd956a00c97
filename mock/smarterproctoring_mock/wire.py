"""The parts of HTTP that an ASGI application reads for itself: media types, content codings, preferences.

Pure functions of octets. RFC 9110 (HTTP semantics), RFC 7240 (Prefer), RFC 3986 (percent-encoding).
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Final
from urllib.parse import unquote_to_bytes

_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
# RFC 9110 8.3.1: no space around "=", and 5.6.6: a semicolon may stand without a parameter.
_MEDIA_TYPE: Final = re.compile(rf"({_NAME})/({_NAME})(?:[ \t]*;[ \t]*(?:{_NAME}=(?:{_NAME}|{_QUOTED}))?)*[ \t]*")
_PARAMETER: Final = rf"{_NAME}(?:[ \t]*=[ \t]*(?:{_NAME}|{_QUOTED}))?"
_PREFERENCE: Final = re.compile(
    rf"[ \t,]*({_NAME})(?:[ \t]*=[ \t]*({_NAME}|{_QUOTED}))?(?:[ \t]*;[ \t]*(?:{_PARAMETER})?)*"
)
_HOST: Final = re.compile(rb"(?:(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_ABSOLUTE: Final = re.compile(rb"http://([^/?#]+)[^#]*", re.IGNORECASE)
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

# Each member costs a copy of what follows it, so a body of nothing but empty members would be quadratic.
_MAX_MEMBERS: Final = 64

ACCEPTED_CODINGS: Final = "gzip, deflate, identity"


class CodingError(ValueError):
    """The content is not what its Content-Encoding says."""


class UnknownCodingError(CodingError):
    """The content coding is not one of `ACCEPTED_CODINGS`."""


class TooLargeError(ValueError):
    """The decoded content is larger than the limit."""


_SEPARATOR: Final = b"\0"  # no header field can hold it
_LARGEST_CACHED: Final = 4096


def pack(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Put header fields into one string of octets.

    Ten thousand exchanges of a dozen small objects each would be slower to keep and to drop than to judge.
    """
    return _SEPARATOR.join(chain.from_iterable(fields))


def unpack(packed: bytes) -> list[tuple[bytes, bytes]]:
    """Return the header fields that `pack` put together, in the order received."""
    parts = packed.split(_SEPARATOR) if packed else []
    return list(zip(parts[::2], parts[1::2], strict=True))


class Head:
    """A request's header fields, held against HTTP's own rules.

    Attributes:
        problem: What breaks a rule of HTTP, with its place in the RFC; None where nothing does.
        media_type: Of the content, in lower case; None where Content-Type was not sent once, or is none.
        waits: Whether the client waits for 100 (Continue) before it sends the body.
    """

    __slots__ = ("_fields", "_repeated", "_values", "media_type", "problem", "waits")

    def __init__(self, packed: bytes, version: str, method: str) -> None:
        self._fields = unpack(packed)
        self._values = dict(self._fields)
        self._repeated: frozenset[bytes] = frozenset()
        if len(self._values) != len(self._fields):
            counts = Counter(name for name, _ in self._fields)
            self._repeated = frozenset(name for name, count in counts.items() if count > 1)
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
        if codings and (version == "1.0" or b",".join(codings).strip(b" \t,").lower() != b"chunked"):
            return "header.Transfer-Encoding must be chunked, once, in HTTP/1.1 (RFC 9112 6.1)"
        if method == "PUT" and b"content-range" in self:
            return "header.Content-Range must not be sent: no partial PUT here (RFC 9110 14.5)"
        return None


_cached_head = lru_cache(maxsize=1024)(Head)  # a client's requests differ little in their heads


def read_head(packed: bytes, version: str, method: str) -> Head:
    """Read the header fields that `pack` put together.

    Args:
        packed: The fields.
        version: Of HTTP, as ASGI has it.
        method: The request's.
    """
    return (_cached_head if len(packed) <= _LARGEST_CACHED else Head)(packed, version, method)


@lru_cache(maxsize=256)
def media_type(value: bytes) -> str | None:
    """Return `type/subtype` in lower case, or None where the field is no media type (RFC 9110 8.3.1)."""
    match = _MEDIA_TYPE.fullmatch(value.decode("latin-1"))
    return f"{match[1]}/{match[2]}".lower() if match else None


@lru_cache(maxsize=256)
def valid_host(value: bytes) -> bool:
    """Whether a Host field is `uri-host [":" port]` (RFC 9110 7.2)."""
    return _HOST.fullmatch(value) is not None


def http_authority(target: bytes) -> bytes | None:
    """Return the authority of a target in absolute-form, or None where it is no http URI (RFC 9110 4.2.1).

    A URI with user information or a fragment is none here, nor is an https URI: it MUST be rejected on a
    connection that is not secured (RFC 9110 7.4).
    """
    match = _ABSOLUTE.fullmatch(target)
    if match is None or match[1].startswith(b":") or not valid_host(match[1]):
        return None
    return match[1]


def segments(raw_path: str) -> list[str] | None:
    """Split a path at its slashes, then decode each segment once.

    An encoded slash so stays inside its segment, and `%2541` becomes `%41`.

    Args:
        raw_path: The path as it was sent.

    Returns:
        The segments without the leading empty one; None where a percent sign starts no octet or the octets
        are no UTF-8.
    """
    parts = raw_path.split("/")[1:]
    if "%" not in raw_path:
        return parts if raw_path.isascii() else None
    if _BAD_PERCENT.search(raw_path):
        return None
    try:
        return [unquote_to_bytes(part).decode() if "%" in part else part for part in parts]
    except UnicodeDecodeError:
        return None


def preferences(value: str) -> dict[str, str]:
    """Read a Prefer field (RFC 7240): names in lower case, the first of equal names counts."""
    found: dict[str, str] = {}
    position = 0
    while match := _PREFERENCE.match(value, position):
        text = match[2] or ""
        if text.startswith('"'):
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        found.setdefault(match[1].lower(), text)
        position = match.end()
    return found


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
            zlib_header = len(content) > 1 and content[0] & 15 == 8 and (content[0] << 8 | content[1]) % 31 == 0
            content = _inflate(content, zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS, limit)
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
            raise CodingError("the content is not of the coding that Content-Encoding names") from None
        size += len(part)
        if size > limit:
            raise TooLargeError
        if not stream.eof:
            raise CodingError("the compressed content stops early")
        parts.append(part)
        content = stream.unused_data
        if not content:
            return b"".join(parts)
        if window_bits <= zlib.MAX_WBITS:  # only gzip may go on with another member (RFC 1952 2.2)
            raise CodingError("octets follow the end of the compressed content")
    raise CodingError(f"more than {_MAX_MEMBERS} gzip members")
