"""A wall clock that jumps, for processes of a history: imported before anything that keeps `time.time`.

The offset is in a file that the executor writes; all of a process reads it from then on. What the
kernel, a database or another host says of the time is not changed, as with a host whose clock was set.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from unittest.mock import patch

_OFFSET = struct.Struct("d")
_real = time.time


class _Clock:
    """The clock of this process; it follows no file until it is told of one."""

    def __init__(self) -> None:
        self._offset: mmap.mmap | None = None

    def follow(self, path: Path) -> None:
        """Add the offset in a file from now on."""
        with path.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), _OFFSET.size)

    def time(self) -> float:
        """Return the seconds since 1970, as this process sees them."""
        if self._offset is None:
            return _real()
        offset: float = _OFFSET.unpack(self._offset[: _OFFSET.size])[0]
        return _real() + offset


CLOCK = _Clock()


def install() -> None:
    """Let every module of this process that is imported from now on see the clock."""
    patch.object(time, "time", CLOCK.time).start()


def set_offset(path: Path, seconds: float) -> None:
    """Let the processes that follow a file see another time."""
    mode = "r+b" if path.exists() else "w+b"
    with path.open(mode) as file:
        file.write(_OFFSET.pack(seconds))
