"""Opens a list, whatever its format, as records with the line of each; knows nothing of what columns mean."""

from __future__ import annotations

from pathlib import Path

from smarterproctoring_bulk import delimited, parquet
from smarterproctoring_bulk.records import (
    Format,
    InputError,
    Known,
    ListOptions,
    Record,
    Table,
    Unusable,
)

__all__ = [
    "Format",
    "InputError",
    "ListOptions",
    "Record",
    "Table",
    "Unusable",
    "format_of",
    "head_of",
    "open_table",
    "signature",
]

_ZIP = b"PK\x03\x04"
_NOT_LISTS = (
    (
        b"\xd0\xcf\x11\xe0",
        "an old Excel workbook, or one with a password; save it as .xlsx without one",
    ),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"(\xb5/\xfd", "compressed with zstd; unpack it first"),
    (b"%PDF-", "a PDF document; export the list as .xlsx or CSV"),
)


def open_table(path: Path, options: ListOptions, known: Known) -> Table:
    """Open a list.

    Args:
        path: A regular file; it is read twice or more.
        options: How to read it.
        known: Whether a name is that of a column.

    Raises:
        InputError: It is not such a list; the records may raise it too, where the list cannot be read any further.
    """
    head = head_of(path)
    kind = format_of(path, head, options)
    if options.sheet is not None and kind not in ("xlsx", "ods"):
        raise InputError(
            f"--sheet is for .xlsx and .ods workbooks, and {path.name} is not one"
        )
    if kind == "parquet":
        return parquet.read(path)
    if kind in ("xlsx", "ods"):
        from smarterproctoring_bulk import workbooks  # noqa: PLC0415 - loads a library that other lists do not need

        return workbooks.read(
            path, options.sheet, known, ignore_nameless=options.ignore_nameless
        )
    encoding = delimited.encoding_of(head, options.encoding)
    lines = delimited.text_lines(path, encoding)
    if kind == "jsonl":
        return Table(None, delimited.read_json_lines(lines))
    return delimited.read_csv(
        lines,
        delimited.decoded(head, encoding),
        options.delimiter,
        known,
        ignore_nameless=options.ignore_nameless,
    )


def head_of(path: Path) -> bytes:
    """Return the first bytes of a list.

    Raises:
        InputError: It is not a regular file, or cannot be read.
    """
    if path.exists() and not path.is_file():
        raise InputError(
            f"{path.name} is not a regular file, and a list is read more than once; "
            "write it to a file"
        )
    try:
        with path.open("rb") as stream:
            return stream.read(delimited.BLOCK)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}") from None


def format_of(path: Path, head: bytes, options: ListOptions) -> Format:
    """Return the format of a list: what the option says, else what its first bytes say.

    Raises:
        InputError: It is empty, or in a format that is not read.
    """
    if options.format == "parquet" or (
        options.format is None and head.startswith(parquet.MAGIC)
    ):
        return "parquet"
    if head.startswith(_ZIP):
        if options.format in ("csv", "jsonl"):
            raise InputError(
                f"{path.name} is a workbook or another zip file, not {options.format}"
            )
        return options.format or "xlsx"
    if options.format in ("xlsx", "ods"):
        raise InputError(
            f"{path.name} is not a workbook; leave out --format, or save it as "
            f".{options.format}"
        )
    for magic, what in _NOT_LISTS:
        if head.startswith(magic):
            raise InputError(f"{path.name} is {what}")
    return _text_format(path, head, options)


def _text_format(path: Path, head: bytes, options: ListOptions) -> Format:
    encoding = delimited.encoding_of(head, options.encoding)
    text = delimited.decoded(head, encoding).lstrip()
    if not text:
        raise InputError(f"{path.name} is empty")
    if options.format is not None:
        return options.format
    if text[:100].lower().startswith(("<!doctype", "<html", "<table", "<?xml")):
        raise InputError(
            f"{path.name} is a page (HTML or XML), whatever its name says; open it in "
            "the spreadsheet program, and save it as .xlsx or CSV UTF-8"
        )
    if text.startswith("["):
        raise InputError(
            f"{path.name} looks like a JSON array; write JSON Lines: one object on "
            "each line"
        )
    return "jsonl" if text.startswith("{") else "csv"


def signature(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is written or replaced."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino
