"""The files that a command writes: none may be one that it reads, and each is private and whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from smarterproctoring_bulk.exits import BAD_INPUT, Stop

_COMPANIONS: Final = ("-wal", "-shm", "-journal", ".lock")
"""What the names of the files end in that SQLite and the lock keep beside a journal."""


class Output(NamedTuple):
    """A file that a command is to write.

    Attributes:
        option: The option or argument that names it.
        path: Where it is.
    """

    option: str
    path: Path


def journal_files(path: Path | None) -> dict[str, Path]:
    """Return the files of a journal that must not be overwritten; none if it is not a file."""
    if path is None:
        return {}
    files = {f"the journal {path}": path}
    for end in _COMPANIONS:
        files[f"a file of the journal {path} ({end})"] = Path(f"{path}{end}")
    return files


def check_outputs(outputs: Sequence[Output], kept: Mapping[str, Path]) -> None:
    """Refuse files that cannot be written, or that would replace what is needed, before anything is done.

    Args:
        outputs: The files to write.
        kept: The files that must stay as they are, by what they are.

    Raises:
        Stop: A file cannot be written, or is the same as another.
    """
    for place, output in enumerate(outputs):
        _check_writable(output)
        for what, path in kept.items():
            if _same(output.path, path):
                raise _refused(output, f"is {what}, which it would overwrite")
        for other in outputs[:place]:
            if _same(output.path, other.path):
                raise _refused(output, f"is the file of {other.option}, too")


def _refused(output: Output, why: str) -> Stop:
    return Stop(
        f"{output.option} {output.path} {why}; name another file. Nothing was done",
        BAD_INPUT,
    )


def _check_writable(output: Output) -> None:
    folder = output.path.parent
    if not folder.is_dir():
        raise _refused(output, f"cannot be written: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise _refused(
            output, f"cannot be written: the folder {folder} is not yours to write in"
        )
    if output.path.exists() and not output.path.is_file():
        raise _refused(output, "is not a regular file")


def _same(one: Path, other: Path) -> bool:
    """Tell whether two paths may name one file: by links, or by names that differ in case only."""
    try:
        if one.samefile(other):
            return True
    except OSError:
        pass  # one of them is not there yet
    return _place(one).casefold() == _place(other).casefold()


def _place(path: Path) -> str:
    return os.path.realpath(path.expanduser())


@contextmanager
def replaced(
    path: Path, *, encoding: str = "utf-8", bom: bool = False
) -> Generator[TextIO]:
    """Open a file that takes the place of `path` when it is whole; only its owner can read it.

    Args:
        path: Replaced whole, or not at all.
        encoding: Of the text; what it lacks is written as a question mark.
        bom: Whether UTF-8 begins with the mark without which Excel does not take a CSV for UTF-8.

    Raises:
        OSError: The file cannot be written.
    """
    if bom and encoding == "utf-8":
        encoding = "utf-8-sig"
    # mkstemp follows no link, and makes files that only their owner can read.
    descriptor, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    part = Path(name)
    try:
        os.close(descriptor)
        with part.open("w", encoding=encoding, errors="replace", newline="") as stream:
            yield stream
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
