"""Checks one answer from the wire and rewrites it in a form that every parser reads in the same way.

h11 and httptools differ on what they refuse: two equal lengths, folded headers, lines that end in LF, what follows an
interim answer or a body. So each connection's bytes pass through a `Framing` first, which
decides by RFC 9112 what the answer is and where it ends. What it refuses is an error with both parsers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import httpcore

MAX_HEAD = 100 * 1024
"""Bytes that may come before the end of the header, interim answers included, and in a chunked body's trailer."""
_MAX_CHUNK_LINE = 4096
"""Bytes that the line before a chunk may have; few servers write more than ten."""

_VALUE = rb"[\t\x20-\x7e\x80-\xff]*+\r\n"
_FIELD = (
    rb"(?:(?![CcTt](?i:ontent-length|ransfer-encoding|onnection):)[!#$%&'*+.^_`|~0-9A-Za-z-]++:"
    + _VALUE
    + rb"|(?i:connection: keep-alive)\r\n)*+"
)
_USUAL = re.compile(
    rb"HTTP/1\.1 (?!204|304)[2-9][0-9][0-9] "
    + _VALUE
    + _FIELD
    + rb"(?i:content-length):[ \t]*+(?P<length>[0-9]{1,18})\r\n"
    + _FIELD
    + rb"\r\n"
)
"""A whole header of the common kind: the body has one length, and the connection stays open."""
_STATUS_LINE = re.compile(
    rb"HTTP/1\.(?P<minor>[0-9]) (?P<status>[1-9][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*+)?"
)
_HEADER_LINE = re.compile(
    rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]++):(?P<value>[\t\x20-\x7e\x80-\xff]*+)"
)
_HEAD_END = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_LINE = re.compile(
    rb"(?P<size>[0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*+)?"
)
_START = b"HTTP/1."


class Head(NamedTuple):
    """The header of an answer.

    Attributes:
        minor: The minor version: 0 for HTTP/1.0, 1 for all later ones.
        status: The status.
        fields: Names as they came, and values without the spaces around them.
    """

    minor: int
    status: int
    fields: list[tuple[bytes, bytes]]

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a header field, each part between commas on its own."""
        found = [value for key, value in self.fields if key.lower() == name]
        return [part.strip().lower() for value in found for part in value.split(b",")]


def head_end(data: bytes) -> int:
    """Return where the header ends that begins these bytes, 0 if its end is not there yet.

    Raises:
        httpcore.RemoteProtocolError: This is not HTTP, or the header is too long.
    """
    if data[: len(_START)] != _START[: len(data)]:
        raise httpcore.RemoteProtocolError("the answer is not HTTP/1.0 or HTTP/1.1")
    found = _HEAD_END.search(data)
    if (found.end() if found else len(data)) > MAX_HEAD:
        raise httpcore.RemoteProtocolError("the header is too long")
    return found.end() if found else 0


def read_head(data: bytes) -> Head:
    """Read a whole header.

    Raises:
        httpcore.RemoteProtocolError: It breaks the rules of RFC 9112.
    """
    first, *lines = data.replace(b"\r\n", b"\n").split(b"\n")[:-2]
    begin = _STATUS_LINE.fullmatch(first)
    if begin is None:
        raise httpcore.RemoteProtocolError("the status line is not valid")
    fields: list[tuple[bytes, bytes]] = []
    for line in _unfolded(lines):
        field = _HEADER_LINE.fullmatch(line)
        if field is None:
            raise httpcore.RemoteProtocolError("a header line is not valid")
        fields.append((field["name"], field["value"].strip(b" \t")))
    return Head(min(int(begin["minor"]), 1), int(begin["status"]), fields)


def _unfolded(lines: list[bytes]) -> list[bytes]:
    """Join lines that begin with a space to the line before, as RFC 9112 5.2 tells a client to do."""
    joined: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and joined:
            joined[-1] += b" " + line.strip(b" \t")
        else:
            joined.append(line)
    return joined


class Framing:
    """The framing of one answer: its bytes in canonical form, and whether the connection can be used again.

    Args:
        to_head: Whether the request was a HEAD, whose answer has no body.

    Attributes:
        keep: Whether the connection may be used again once a reader has read the whole answer.
        problem: What was wrong with the last bytes, None if nothing was; raised when more is read.
    """

    # Class attributes are cheaper than instance attributes; most answers change two of them.
    keep = True
    problem: str | None = None
    _headed = False
    _left: int | None = 0
    _waiting = b""
    _spent = 0
    _chunks: Chunks | None = None

    def __init__(self, *, to_head: bool = False) -> None:
        self._to_head = to_head

    def take(self, data: bytes) -> bytes:
        """Take bytes and return their canonical form; nothing if more bytes are needed first.

        Args:
            data: Bytes from the peer.

        Raises:
            httpcore.RemoteProtocolError: The answer's header breaks the rules.
        """
        if self._headed:
            return self._body(data)
        usual = None if self._waiting or self._to_head else _USUAL.match(data)
        if usual is None:
            self._waiting += data
            return self._take_heads()
        self._headed = True
        end = usual.end()
        length = int(usual["length"])
        if len(data) - end <= length:
            self._left = length - (len(data) - end)
            return data
        self._left = length
        return data[:end] + self._body(data[end:])

    def _take_heads(self) -> bytes:
        """Drop interim answers; at the end of the final header, return it and the bytes after it."""
        while self._waiting and (end := head_end(self._waiting)):
            head = read_head(self._waiting[:end])
            self._waiting = self._waiting[end:]
            self._spent += end
            if head.status >= 200:
                rest = self._waiting
                self._waiting = b""
                self._headed = True
                self._decide(head)
                return self._canonical(head) + self._body(rest)
            if head.status == 101:
                raise httpcore.RemoteProtocolError(
                    "the server changed the protocol without a request to do so"
                )
        if self._spent + len(self._waiting) > MAX_HEAD:
            raise httpcore.RemoteProtocolError("the header is too long")
        return b""

    def _decide(self, head: Head) -> None:
        """Decide where the body ends (RFC 9112 6.3), and whether the connection can be kept."""
        lengths = set(head.values(b"content-length"))
        codings = head.values(b"transfer-encoding")
        if self._to_head or head.status in (204, 304):
            self._left = 0
        elif codings:
            if codings != [b"chunked"]:
                raise httpcore.RemoteProtocolError("the transfer coding is not known")
            self._chunks = Chunks()
        elif lengths:
            length = lengths.pop()
            if lengths or not _LENGTH.fullmatch(length):
                raise httpcore.RemoteProtocolError("the length is not valid")
            self._left = int(length)
        else:
            self._left = None
        ambiguous = bool(codings and (lengths or head.minor == 0))
        self.keep = (
            not ambiguous
            and head.minor == 1
            and b"close" not in head.values(b"connection")
        )

    def _canonical(self, head: Head) -> bytes:
        """Write the header in canonical form, with one field that says where the body ends."""
        lines = [b"HTTP/1.%d %d " % (head.minor, head.status)]
        for name, value in head.fields:
            if name.lower() not in (b"content-length", b"transfer-encoding"):
                lines.append(b"%b: %b" % (name, value))
        if self._chunks is not None:
            lines.append(b"Transfer-Encoding: chunked")
        elif self._left is not None and (
            head.status not in (204, 304) and not self._to_head
        ):
            lines.append(b"Content-Length: %d" % self._left)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _body(self, data: bytes) -> bytes:
        if self._chunks is not None:
            return self._chunked(self._chunks, data)
        if self._left is None:
            self.keep = False
            return data
        if len(data) > self._left:
            self.keep = False
        seen = data[: self._left]
        self._left -= len(seen)
        return seen

    def _chunked(self, chunks: Chunks, data: bytes) -> bytes:
        seen = chunks.take(data)
        self.problem = chunks.problem
        if chunks.problem or chunks.surplus:
            self.keep = False
        return seen


class Chunks:
    """A chunked body (RFC 9112 7.1), written again without extensions and trailers.

    Attributes:
        problem: What was wrong with the last bytes, None if nothing was.
        surplus: Whether bytes came after its end.
    """

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._left = 0
        self._step: Callable[[], bytes | None] = self._size_line
        self._trailer_room = MAX_HEAD
        self.problem: str | None = None
        self.surplus = False

    def take(self, data: bytes) -> bytes:
        """Take what came; return whole chunks, or the parts of them that came."""
        self._waiting += data
        seen: list[bytes] = []
        while self.problem is None and (piece := self._step()) is not None:
            seen.append(piece)
        return b"".join(seen)

    def _line(self, most: int) -> bytes | None:
        """Take a line that ends in CRLF; None if its end is not there yet."""
        end = self._waiting.find(b"\r\n", 0, most + 2)
        if end < 0:
            if len(self._waiting) > most:
                self.problem = "a line of the chunked body is too long"
            return None
        line = bytes(self._waiting[:end])
        del self._waiting[: end + 2]
        return line

    def _size_line(self) -> bytes | None:
        line = self._line(_MAX_CHUNK_LINE)
        if line is None:
            return None
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            self.problem = "the size of a chunk is not valid"
            return None
        self._left = int(match["size"], 16)
        self._step = self._data if self._left else self._trailer
        return b""

    def _data(self) -> bytes | None:
        data = bytes(self._waiting[: self._left])
        if not data:
            return None
        del self._waiting[: len(data)]
        self._left -= len(data)
        if not self._left:
            self._step = self._data_end
        return b"%x\r\n%b\r\n" % (len(data), data)

    def _data_end(self) -> bytes | None:
        if len(self._waiting) < 2:
            return None
        if not self._waiting.startswith(b"\r\n"):
            self.problem = "a chunk is longer than its size"
            return None
        del self._waiting[:2]
        self._step = self._size_line
        return b""

    def _trailer(self) -> bytes | None:
        line = self._line(MAX_HEAD)
        if line is None:
            return None
        if line:
            self._trailer_room -= len(line) + 2
            if self._trailer_room < 0:
                self.problem = "the trailer is too long"
                return None
            return b""
        self._step = self._end
        return b"0\r\n\r\n"

    def _end(self) -> bytes | None:
        self.surplus |= bool(self._waiting)
        self._waiting.clear()
        return None
