"""Decompresses an answer's body, which the server compressed although it was not asked to, up to a limit."""

from __future__ import annotations

import zlib

_GZIP = zlib.MAX_WBITS | 16
"""For zlib: a window of any size, in gzip's format."""


class CannotUnpack(ValueError):  # noqa: N818 - it says what the problem is
    """The body has an unsupported coding, is corrupt, or is larger than the limit."""


class Unpacker:
    """Unpacks a body piece by piece: gzip, once, and nothing else.

    Compressed twice, 3 kB can expand to gigabytes; the decoders of other codings have no limit.

    Args:
        coding: The header `Content-Encoding`.
        most: Bytes that are unpacked at most, and that the packed body may have.

    Raises:
        CannotUnpack: Another coding than gzip.
    """

    def __init__(self, coding: str, most: int) -> None:
        if coding.strip().lower() not in ("gzip", "x-gzip"):
            raise CannotUnpack("the body has a content coding that was not requested")
        self._inner = zlib.decompressobj(_GZIP)
        # One byte more, so that a longer body can be told from one that just fits.
        self._room = most + 1
        self._packed_room = most

    def feed(self, data: bytes) -> bytes:
        """Unpack a piece; one byte more than the limit may come out in all.

        Raises:
            CannotUnpack: The body is broken or too large.
        """
        self._packed_room -= len(data)
        if self._packed_room < 0:
            raise CannotUnpack("the packed body is larger than the limit")
        if not self._room:
            return b""
        try:
            unpacked = self._inner.decompress(data, self._room)
        except zlib.error:
            raise CannotUnpack("the packed body is broken") from None
        self._room -= len(unpacked)
        return unpacked

    @property
    def whole(self) -> bool:
        """Whether all of the packed body has come."""
        return self._inner.eof
