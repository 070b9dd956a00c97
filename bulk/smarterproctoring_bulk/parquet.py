"""Reads Parquet as records, without unpacking more than fits in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

from smarterproctoring_bulk.parquet_pages import MAGIC, largest_page
from smarterproctoring_bulk.parquet_trial import survives
from smarterproctoring_bulk.records import (
    MAX_CELL,
    TOO_LONG,
    InputError,
    Record,
    Table,
    refuse_twins,
)

__all__ = ["MAGIC", "read"]

_BATCH: Final = 2048
_MAX_PAGE: Final = 64 * MAX_CELL
"""Bytes of a page at most; writers make pages of about 1 MiB."""
_MAX_BATCH: Final = 4 * _MAX_PAGE
"""Bytes of the cells of one column in a batch at most, if each is as large as a page."""
_DAMAGED: Final = "the Parquet file is damaged or of an unknown kind; write it again"


class _Column(Protocol):
    def to_pylist(self) -> list[object]: ...


class _Batch(Protocol):
    def column(self, i: int, /) -> _Column: ...


def read(path: Path) -> Table:
    """Read a Parquet file.

    Raises:
        InputError: It cannot be read, or would unpack to more than is sensible; the records may raise it, too.
    """
    try:
        from arro3.io import read_parquet  # noqa: PLC0415 - 30 MB that only Parquet needs
    except ImportError:
        raise InputError(
            "Parquet needs a reader; install it with: "
            "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[bulk]'"
        ) from None
    largest = _largest_page(path)
    rows = max(1, min(_BATCH, _MAX_BATCH // max(1, largest)))
    if not survives(path, rows):
        raise InputError(_DAMAGED)
    try:
        batches = read_parquet(path, batch_size=rows)
        columns = tuple(batches.schema.names)
    except BaseException as error:  # noqa: BLE001 - raised again
        raise _error(error) from None
    refuse_twins(columns)
    return Table(columns, _records(batches, columns))


def _largest_page(path: Path) -> int:
    """Return the bytes of the largest page; also finds a file on which the reader would panic."""
    try:
        largest = largest_page(path)
    except (ValueError, RecursionError):
        raise InputError(
            f"{path.name} is not a whole Parquet file; write or copy it again"
        ) from None
    if largest > _MAX_PAGE:
        raise InputError(
            f"{path.name} has a part that unpacks to {largest // MAX_CELL:,} MiB, more "
            f"than a cell may have ({MAX_CELL // 1024**2} MiB); write it again without "
            "very long cells, or with pages of 1 MiB"
        )
    return largest


def _records(batches: Iterable[_Batch], columns: tuple[str, ...]) -> Iterator[Record]:
    line = 0
    iterator = iter(batches)
    while True:
        try:
            batch = next(iterator, None)
            if batch is None:
                return
            values = [batch.column(index).to_pylist() for index in range(len(columns))]
        except BaseException as error:  # noqa: BLE001 - raised again
            raise _error(error) from None
        for row in zip(*values, strict=True):
            line += 1
            if any(value is not None and value != "" for value in row):
                cells = map(_cell, row)
                yield Record(line, dict(zip(columns, cells, strict=True)))


def _cell(value: object) -> object:
    if isinstance(value, str) and len(value) > MAX_CELL:
        return TOO_LONG
    return value


def _error(error: BaseException) -> BaseException:
    # A panic of the reader's Rust code is no Exception.
    if isinstance(error, Exception) or type(error).__name__ == "PanicException":
        return InputError(_DAMAGED)
    return error
