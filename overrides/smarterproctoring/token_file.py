"""Reads a token from a file, within a time limit and a size limit. Every problem names the file."""

import codecs
import os
import re
import select
import stat
import time
from pathlib import Path

from smarterproctoring.errors import ConfigurationError

MAX_BYTES = 64 * 1024
"""The size limit of a token file."""
SECONDS = 5.0
"""The time limit for a pipe or a device."""
_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class TokenFile:
    """A token source that reads a file again each time it is asked, so that a renewed token is picked up.

    Attributes:
        path: The file: UTF-8, or UTF-16 or UTF-32 with a byte order mark; at most 64 KiB. A pipe is read for 5 seconds.
        given_as: What the user gave the path in, for instance `--token-file`.
    """

    def __init__(self, path: str | Path, given_as: str) -> None:
        self.path = Path(path)
        self.given_as = given_as

    def __call__(self) -> str:
        """Return the token, without white space around it.

        Raises:
            ConfigurationError: The file cannot be read or holds no token.
                The message names the file, never its content.
        """
        token, problem = _take(self.path)
        if problem is None:
            return token
        raise ConfigurationError(f"{self.given_as} {self.path}: {problem}")


def _take(path: Path) -> tuple[str, str | None]:
    """Return the token, or else the problem. Nothing is raised here: a traceback must not show the content."""
    try:
        token = decoded(_read(path)).strip()
    except OSError as error:
        return "", _reason(error)
    except _FileError as error:
        return "", str(error)
    except ValueError:
        return "", "it is not a valid path"
    problem = token_problem(token)
    return ("", problem) if problem else (token, None)


class _FileError(ValueError):
    """A problem with the file's content; the message quotes nothing of it."""


def _reason(error: OSError) -> str:
    for kind, reason in (
        (FileNotFoundError, "no such file"),
        (PermissionError, "no permission to read it"),
        (IsADirectoryError, "it is a directory, not a file"),
    ):
        if isinstance(error, kind):
            return reason
    return f"it cannot be read: {error.strerror or type(error).__name__}"


def _read(path: Path) -> bytes:
    """Return the bytes of a file or a pipe.

    Raises:
        OSError: It cannot be read.
        ValueError: It is too large, or gives nothing within the time limit.
    """
    # Without O_NONBLOCK, opening a pipe waits until somebody writes.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return _read_all(descriptor, None if is_file else time.monotonic() + SECONDS)
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, deadline: float | None) -> bytes:
    content = b""
    while len(content) <= MAX_BYTES:
        if deadline is not None:
            _wait(descriptor, deadline)
        try:
            block = os.read(descriptor, MAX_BYTES + 1 - len(content))
        except BlockingIOError:
            continue
        if not block:
            return content
        content += block
    raise _FileError(
        f"it has more than {MAX_BYTES // 1024} KiB; is this the file of a token?"
    )


def _wait(descriptor: int, deadline: float) -> None:
    """Wait until a pipe or device has something to read, or has ended."""
    seconds = deadline - time.monotonic()
    ready: object = False
    if seconds > 0 and hasattr(select, "poll"):
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        ready = waiting.poll(seconds * 1000)
    if not ready:
        raise _FileError(
            f"it is a pipe or a device that gave no whole token within {SECONDS:g} seconds"
        )


def decoded(content: bytes) -> str:
    """Return the text of a token.

    Raises:
        ValueError: It is not text; the message quotes nothing of it.
    """
    encoding = next(
        (name for mark, name in _MARKS if content.startswith(mark)), "utf-8"
    )
    if encoding == "utf-8" and b"\0" in content:
        raise _FileError(
            "it holds NUL bytes, as UTF-16 without a byte order mark does; save it as UTF-8"
        )
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        pass
    raise _FileError(
        "it is not text in UTF-8, nor in UTF-16 with a byte order mark; save it as UTF-8"
    )


def token_problem(text: str) -> str | None:
    """Return what is wrong with what should be a token, None if nothing is."""
    if not text:
        return "it is empty"
    if re.match(r"bearer(\s|$)", text, re.IGNORECASE):
        return "it has to hold the token without the prefix 'Bearer '"
    if len(text.split()) > 1:
        return "it holds more than one word or line; only the token may be in it"
    if not re.fullmatch("[!-~]+", text):
        return "it holds characters that a token cannot have: only printable ASCII can be sent"
    return None
