"""Where the journal is, who works on it, and whether the disk holds. Knows nothing of what is in it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import stat
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import quote, urlencode, urlsplit

VARIABLE: Final = "SMARTERPROCTORING_BULK_JOURNAL"
"""The environment variable that names the journal: a path, or a Postgres URL."""
RESERVE: Final = 4 * 1024 * 1024
"""Bytes that must be free on the journal's disk.

Below, a run stops while it can still write down what it did.
"""
_LOCK_TRIES: Final = 5
_LOCK_PAUSE: Final = 0.05
_SCHEMES: Final = ("postgresql", "postgres", "postgresql+psycopg")
_LIBPQ: Final = re.compile(
    r"\s*(host|hostaddr|port|dbname|user|password|service|sslmode|options"
    r"|application_name|connect_timeout|target_session_attrs)\s*="
)
_ENCODE: Final = (
    "the journal's URL cannot be read. Percent-encode the characters of the user and the "
    "password that mean something in a URL: # is %23, / is %2F, ? is %3F, @ is %40, "
    "% is %25"
)


class JournalError(Exception):
    """The journal cannot be used; the message says how to fix it."""


class BusyError(JournalError):
    """Another process works on this journal."""


class JournalFullError(JournalError):
    """The journal's disk is full."""

    def __init__(self, place: Place) -> None:
        super().__init__(
            f"the journal {place.shown} cannot be written: its disk is full. "
            "Free some space; the same command continues"
        )


class JournalGoneError(JournalError):
    """The journal's file was deleted or replaced while it was open."""

    def __init__(self, place: Place) -> None:
        super().__init__(
            f"the journal {place.shown} was deleted or replaced while it was in use, "
            "and with it what was recorded. Nothing more was sent. Restore it from a "
            "backup, or run a list of the rows that `bulk verify` names: without the "
            "journal, the same command sends every row again"
        )


class Place(NamedTuple):
    """Where a journal is.

    Attributes:
        url: A database URL; may hold a password, so show `shown` instead.
        path: The file of an embedded journal, None for Postgres.
    """

    url: str
    path: Path | None

    def __repr__(self) -> str:
        return f"Place({self.shown!r})"

    @property
    def shown(self) -> str:
        """Return the place for people, without a password."""
        if self.path is not None:
            return str(self.path)
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        user = f"{parts.username}@" if parts.username else ""
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{user}{host}{port}{parts.path}"


def default_path() -> Path:
    """Return where the embedded journal is unless it is told: the user's state directory."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        base = Path(local) if local else Path.home() / "AppData" / "Local"
    else:
        state = os.environ.get("XDG_STATE_HOME")
        base = Path(state) if state else Path.home() / ".local" / "state"
    return base / "smarterproctoring" / "bulk.sqlite"


def find(text: str | None) -> Place:
    """Read where the journal is, from an option, else the environment, else the default.

    Args:
        text: A path, a Postgres URL, or a connection string such as `host=db dbname=jobs`.

    Raises:
        JournalError: It is a URL of another kind, or cannot be read; no part of it is in
            the message.
    """
    text = text or os.environ.get(VARIABLE) or str(default_path())
    if "://" in text:
        return Place(_checked_url(text), None)
    if _LIBPQ.match(text):
        return Place(_url_of(text), None)
    path = Path(text).expanduser().absolute()
    # Quoted, since a question mark would end the name, and the rows would go elsewhere.
    return Place(f"sqlite:///{quote(str(path))}", path)


def _checked_url(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme not in _SCHEMES:
        raise JournalError(
            "the journal must be a file, or a Postgres URL like "
            "postgresql://user@host/database"
        )
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    path = rest.removeprefix(authority).partition("?")[0]
    # An @ after the authority, or two in it, are part of a password.
    if authority.count("@") > 1 or "@" in path or "#" in rest:
        raise JournalError(_ENCODE)
    if "@" not in authority and "@" in rest.partition("?")[2]:
        raise JournalError(_ENCODE)
    url = f"postgresql://{rest}"
    try:
        urlsplit(url).port  # noqa: B018 - reading it checks it
    except ValueError:
        raise JournalError(_ENCODE) from None
    return url


def _url_of(text: str) -> str:
    """Return the URL of a connection string in the form of libpq."""
    try:
        from psycopg import Error, conninfo  # noqa: PLC0415 - only a Postgres journal needs it
    except ImportError:
        raise JournalError(
            "a Postgres journal needs psycopg; install it with: pip install "
            "--index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[bulk]'"
        ) from None
    try:
        found = conninfo.conninfo_to_dict(text)
    except Error:
        raise JournalError(
            "the journal's connection string cannot be read; write it like "
            "host=HOST dbname=DATABASE user=USER, with values that contain a space in "
            "single quotes"
        ) from None
    values = {name: str(value) for name, value in found.items() if value is not None}
    user = quote(values.pop("user", ""), safe="")
    password = quote(values.pop("password", ""), safe="")
    host = values.pop("host", "")
    port = values.pop("port", "")
    database = quote(values.pop("dbname", ""), safe="")
    login = f"{user}:{password}" if password else user
    if host.startswith("/"):  # a folder of Unix sockets
        values["host"] = host
        host = ""
    where = f"{login}@{host}" if login else host
    if port:
        where += f":{port}"
    query = f"?{urlencode(values)}" if values else ""
    return f"postgresql://{where}/{database}{query}"


def make_private(path: Path) -> None:
    """Create the journal's file, readable by its owner alone: its rows hold personal data.

    Raises:
        JournalError: It cannot be created, or its disk is full.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its side files the mode of the file itself.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be written: {error.strerror}; make it writable, or "
            "name another with --journal"
        ) from None


def why_unusable(path: Path) -> str:
    """Return why a journal's file cannot be opened, and what to do; empty if it can be."""
    if path.is_dir():
        return "it is a folder; name a file with --journal"
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return (
            "it or its folder cannot be written, which SQLite needs to read it, too; make "
            "both writable, or copy it, with its -wal file if there is one, and name the "
            "copy with --journal"
        )
    return ""


def disk_full(path: Path) -> bool:
    """Tell whether less than `RESERVE` is free on the journal's disk."""
    return shutil.disk_usage(path.parent).free < RESERVE


def check_disk(place: Place) -> None:
    """Refuse to begin on a disk that is nearly full.

    Raises:
        JournalError: It is.
    """
    if place.path is None:
        return
    try:
        full = disk_full(place.path)
    except OSError:
        return  # opening the journal says what is wrong
    if full:
        raise JournalError(
            f"the disk of the journal {place.path} is nearly full "
            f"({RESERVE // 1024 // 1024} MB must be free). Free some space; "
            "the same command continues"
        )


class Identity(NamedTuple):
    """Which file a path names."""

    device: int
    number: int


def identity(place: Place) -> Identity | None:
    """Return which file a journal is; None if there is none, or for Postgres."""
    if place.path is None:
        return None
    try:
        found = place.path.stat()
    except OSError:
        return None
    return Identity(found.st_dev, found.st_ino)


def process_name(host: str, pid: int) -> str:
    """Return the name of a process, as it begins the names of DBOS's executors."""
    return f"{host}-{pid}-"


def lock_holder(path: Path) -> str | None:
    """Return the name of the process that works on an embedded journal.

    Returns:
        The name as in `process_name`; empty if it cannot be told; None if there is none.
    """
    try:
        with Path(f"{path}.lock").open("rb") as file:
            try:
                _lock_shared(file.fileno())
            except OSError:
                return _process_of(file.read())
    except OSError:
        pass  # nobody has ever worked on it
    return None


def _process_of(facts: bytes) -> str:
    try:
        found = json.loads(facts)
        return process_name(str(found["host"]), int(found["pid"]))
    except (ValueError, KeyError, TypeError):
        return ""


class Lock:
    """Lets one process at a time work on an embedded journal; the system releases it even after kill -9.

    Args:
        path: The journal's file.
        what: What this process does, for whoever is refused.

    Raises:
        BusyError: Another process has it; the message says which.
        JournalError: It cannot be created, or its name is a link.
    """

    def __init__(self, path: Path, what: str) -> None:
        name = Path(f"{path}.lock")
        self._file = os.fdopen(_open_lock(name), "r+b", buffering=0)
        try:
            _lock_patiently(self._file.fileno())
        except OSError:
            holder = self._file.read().decode("utf-8", "replace")
            self._file.close()
            raise BusyError(
                f"another process works on the journal {path}: {_who(holder)}"
            ) from None
        facts = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.time(),
            "what": what,
        }
        try:
            self._file.truncate(0)
            self._file.write(json.dumps(facts).encode())
        except OSError as error:
            self._file.close()
            raise JournalError(
                f"{name} cannot be written: {error.strerror}. Free some space; "
                "the same command continues"
            ) from None

    def close(self) -> None:
        """Let others in."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lock_patiently(descriptor: int) -> None:
    """Lock a file; `lock_holder` of another process may have it for a moment."""
    for _ in range(_LOCK_TRIES):
        with contextlib.suppress(OSError):
            _lock(descriptor)
            return
        time.sleep(_LOCK_PAUSE)
    _lock(descriptor)


def _open_lock(name: Path) -> int:
    """Open the lock's file, and follow no link to another: that would be overwritten."""
    flags = os.O_RDWR | os.O_CREAT
    if sys.platform != "win32":
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, 0o600)
    except OSError as error:
        if name.is_symlink():
            raise _not_ours(name) from None
        raise JournalError(
            f"{name} cannot be opened: {error.strerror}; "
            "name another journal with --journal"
        ) from None
    facts = os.fstat(descriptor)
    foreign = sys.platform != "win32" and facts.st_uid != os.geteuid()
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1 or foreign:
        os.close(descriptor)
        raise _not_ours(name)
    if sys.platform != "win32":
        os.fchmod(descriptor, 0o600)
    return descriptor


def _not_ours(name: Path) -> JournalError:
    return JournalError(
        f"{name} is a link, or belongs to somebody else; remove it, or keep the journal "
        "in a folder that only you can write in (--journal)"
    )


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

    _lock_shared = _lock
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _lock_shared(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
