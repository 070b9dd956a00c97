"""Where the journal is, who works on it, and whether the disk holds. Knows nothing of what is in it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote, urlsplit, urlunsplit

VARIABLE = "SMARTERPROCTORING_BULK_JOURNAL"
"""The environment variable that names the journal: a path, or a Postgres URL."""
RESERVE = 4 * 1024 * 1024
"""Bytes that must be free on the journal's disk; below, a run stops while it can still write down what it did."""


class JournalError(Exception):
    """The journal cannot be used; the message says how to mend it."""


class BusyError(JournalError):
    """Another process works on this journal."""


class Place(NamedTuple):
    """Where a journal is.

    Attributes:
        url: A database URL; may hold a password, so show `shown` instead.
        path: The file of an embedded journal, None for Postgres.
    """

    url: str
    path: Path | None

    @property
    def shown(self) -> str:
        """Return the place for people, without a password."""
        if self.path is not None:
            return str(self.path)
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        user = f"{parts.username}@" if parts.username else ""
        port = f":{parts.port}" if parts.port else ""
        return urlunsplit((parts.scheme, f"{user}{host}{port}", parts.path, "", ""))


def default_path() -> Path:
    """Return where the embedded journal is unless it is told: the user's state directory."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(
            os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        )
    return base / "smarterproctoring" / "bulk.sqlite"


def find(text: str | None) -> Place:
    """Read where the journal is, from an option, else the environment, else the default.

    Raises:
        JournalError: It is a URL of another kind.
    """
    text = text or os.environ.get(VARIABLE) or str(default_path())
    if "://" not in text:
        path = Path(text).expanduser().absolute()
        # Quoted, since a question mark would end the name, and the rows would go into another file.
        return Place(f"sqlite:///{quote(str(path))}", path)
    scheme = text.partition("://")[0]
    if scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise JournalError(
            "the journal must be a file, or a Postgres URL like postgresql://user@host/database"
        )
    return Place("postgresql://" + text.partition("://")[2], None)


def make_private(path: Path) -> None:
    """Create the journal's file, readable by its owner alone, since its rows hold personal data.

    Raises:
        JournalError: It cannot be created.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its side files the mode of the file itself.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be written: {error.strerror}; name another with --journal"
        ) from None


def disk_full(path: Path) -> bool:
    """Tell whether less than `RESERVE` is free on the journal's disk."""
    return shutil.disk_usage(path.parent).free < RESERVE


class Lock:
    """Lets one process at a time work on an embedded journal; the system releases it even after kill -9.

    Args:
        path: The journal's file.
        what: What this process does, for whoever is refused.

    Raises:
        BusyError: Another process has it; the message says which.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._file = Path(f"{path}.lock").open("a+b")  # noqa: SIM115 - held until close()
        try:
            _lock(self._file.fileno())
        except OSError:
            self._file.seek(0)
            holder = self._file.read().decode("utf-8", "replace")
            self._file.close()
            raise BusyError(
                f"another process works on the journal {path}: {_who(holder)}"
            ) from None
        Path(self._file.name).chmod(0o600)
        self._file.truncate(0)
        facts = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.time(),
            "what": what,
        }
        self._file.write(json.dumps(facts).encode())
        self._file.flush()

    def close(self) -> None:
        """Let others in."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _who(holder: str) -> str:
    try:
        facts = json.loads(holder)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(facts["since"]))
        return f"process {facts['pid']} on {facts['host']} ({facts['what']}), since {since}"
    except (ValueError, KeyError, TypeError):
        return "it did not say which"


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # A byte far behind the text, which others must be able to read.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
