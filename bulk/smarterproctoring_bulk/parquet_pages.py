"""Finds the largest page of a Parquet file, so that nothing has to be unpacked to learn how much it is.

A page of a few bytes can unpack to gigabytes. Its header says to how many, and the metadata at the end of the file say
where the headers are: github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift. Both are in the
compact protocol of Apache Thrift: github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

MAGIC: Final = b"PAR1"
_Value: TypeAlias = "bool | int | float | bytes | list[_Value] | dict[int, _Value]"
_HEADER: Final = 64 * 1024
"""Bytes of a page's header at most: it may hold the smallest and the largest value."""
# Ids of fields in parquet.thrift.
_ROW_GROUPS: Final = 4
_COLUMNS: Final = 1
_META_DATA: Final = 3
_COMPRESSED: Final = 7
_DATA_OFFSET: Final = 9
_DICTIONARY_OFFSET: Final = 11
_PAGE_UNCOMPRESSED: Final = 2
_PAGE_COMPRESSED: Final = 3


def largest_page(path: Path) -> int:
    """Return the bytes of the largest page of a Parquet file, unpacked.

    Raises:
        ValueError: The file is damaged or cut off.
        OSError: It cannot be read.
    """
    largest = 0
    with path.open("rb") as stream:
        for chunk in _chunks(_footer(stream)):
            for size in _page_sizes(stream, chunk):
                largest = max(largest, size)
    return largest


def _footer(stream: BinaryIO) -> bytes:
    size = stream.seek(0, 2)
    if size < 12:
        raise ValueError("cut off")
    stream.seek(size - 8)
    length = int.from_bytes(stream.read(4), "little")
    if stream.read(4) != MAGIC or length > size - 12:
        raise ValueError("cut off")
    stream.seek(size - 8 - length)
    return stream.read(length)


def _chunks(footer: bytes) -> Iterator[dict[int, _Value]]:
    """Yield the metadata of each column of each group of rows."""
    for group in _list(_Reader(footer).structure(), _ROW_GROUPS):
        for column in _list(group, _COLUMNS):
            meta = column.get(_META_DATA)
            if isinstance(meta, dict):
                yield meta


def _page_sizes(stream: BinaryIO, chunk: dict[int, _Value]) -> Iterator[int]:
    """Yield the unpacked size of each page of a column."""
    data = _number(chunk, _DATA_OFFSET)
    # Some writers give 0 where there is no dictionary.
    begin = _number(chunk, _DICTIONARY_OFFSET) or data
    place = min(begin, data)
    end = place + _number(chunk, _COMPRESSED)
    while place < end:
        stream.seek(place)
        reader = _Reader(stream.read(_HEADER))
        header = reader.structure()
        yield _number(header, _PAGE_UNCOMPRESSED)
        place += reader.place + _number(header, _PAGE_COMPRESSED)


def _list(structure: dict[int, _Value], field: int) -> Iterator[dict[int, _Value]]:
    found = structure.get(field, [])
    if not isinstance(found, list):
        raise ValueError("damaged")
    for item in found:
        if not isinstance(item, dict):
            raise ValueError("damaged")
        yield item


def _number(structure: dict[int, _Value], field: int) -> int:
    found = structure.get(field, 0)
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise ValueError("damaged")
    return found


class _Reader:
    """Reads Thrift's compact protocol.

    Attributes:
        place: How many bytes were read.
    """

    _TRUE = 1
    _FALSE = 2
    _BYTE = 3
    _INTEGERS = (4, 5, 6)
    _DOUBLE = 7
    _BINARY = 8
    _LISTS = (9, 10)
    _STRUCT = 12

    def __init__(self, content: bytes) -> None:
        self.place = 0
        self._content = content

    def structure(self) -> dict[int, _Value]:
        """Read a struct: its fields by their ids.

        Raises:
            ValueError: It is damaged.
        """
        found: dict[int, _Value] = {}
        field = 0
        while head := self._byte():
            kind = head & 15
            field = field + (head >> 4) if head >> 4 else self._integer()
            if kind in (self._TRUE, self._FALSE):
                found[field] = kind == self._TRUE
            else:
                found[field] = self._value(kind)
        return found

    def _value(self, kind: int) -> _Value:
        if kind in (self._TRUE, self._FALSE, self._BYTE):
            return self._byte()
        if kind in self._INTEGERS:
            return self._integer()
        if kind == self._DOUBLE:
            (number,) = struct.unpack("<d", self._bytes(8))
            return float(number)
        if kind == self._BINARY:
            return self._bytes(self._varint())
        if kind in self._LISTS:
            return self._items()
        if kind == self._STRUCT:
            return self.structure()
        raise ValueError("damaged")  # also a map: parquet.thrift has none

    def _items(self) -> list[_Value]:
        head = self._byte()
        count = head >> 4
        if count == 15:
            count = self._varint()
        return [self._value(head & 15) for _ in range(count)]

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise ValueError("damaged")

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        end = self.place + count
        if end > len(self._content):
            raise ValueError("cut off")
        found = self._content[self.place : end]
        self.place = end
        return found
