"""Tokens from a command, such as a password manager's, and from the system's keyring."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

from smarterproctoring.errors import ConfigurationError
from smarterproctoring.token_file import MAX_BYTES, decoded, token_problem

SECONDS: Final = 30.0
"""The time limit of a token command; a person may have to unlock something."""
KEPT: Final = 60.0
"""Seconds for which a token is kept: a list of many sessions asks for it at each attempt."""


class _Kept:
    """Keeps the token for a minute, and asks once where many ask at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def __call__(self) -> str:
        """Return the token.

        Raises:
            ConfigurationError: It is not available; the message says where it was looked for, and shows no output.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                self._token = self._ask()
                self._until = time.monotonic() + KEPT
            return self._token

    def _ask(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class TokenCommand(_Kept):
    """Runs a program, without a shell; the token is what it prints.

    Args:
        command: The program and its arguments.
        given_as: Where the user wrote it.
    """

    def __init__(self, command: Sequence[str], given_as: str) -> None:
        super().__init__()
        self._command = [*command]
        self._given_as = given_as

    def _ask(self) -> str:
        output, problem = self._run()
        token = ""
        if problem is None:
            token, problem = _token_in(output)
        if problem is None:
            return token
        raise ConfigurationError(f"{self._given_as}: {problem}")

    def _run(self) -> tuple[bytes, str | None]:
        """Return what the program printed, or what went wrong. Nothing is raised: a traceback shows variables."""
        try:
            # What it says of an error may quote the token, so nobody reads it.
            process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except FileNotFoundError:
            return b"", "there is no such program; give its full path"
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            return b"", f"the program cannot be started: {reason}"
        with process:
            try:
                output, _ = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                _end(process)
                return (
                    b"",
                    f"it did not end within {SECONDS:g} seconds; run it once on its own to see why",
                )
            except BaseException:
                _end(process)
                raise
        if process.returncode:
            return (
                b"",
                f"it ended with exit code {process.returncode}; run it once on its own to see why",
            )
        return output, None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with all that it has started."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _token_in(output: bytes) -> tuple[str, str | None]:
    """Return the token in an output, or what is wrong with it."""
    if len(output) > MAX_BYTES:
        return (
            "",
            f"it printed more than {MAX_BYTES // 1024} KiB; is this the command for a token?",
        )
    try:
        token = decoded(output).strip()
    except ValueError as error:
        return "", f"of what it printed: {error}"
    problem = token_problem(token)
    return token, f"of what it printed: {problem}" if problem else None


class Keyring(_Kept):
    """Reads the token from the system's keyring (the extra `keyring`).

    Args:
        service: The name of the service, as `keyring set SERVICE USER` was given it.
        user: The user name.
        given_as: Where the user wrote it.
    """

    def __init__(self, service: str, user: str, given_as: str) -> None:
        super().__init__()
        self._service = service
        self._user = user
        self._given_as = given_as

    def _ask(self) -> str:
        token, problem = self._look_up()
        problem = problem or token_problem(token.strip())
        if problem is None:
            return token.strip()
        raise ConfigurationError(f"{self._given_as}: {problem}")

    def _look_up(self) -> tuple[str, str | None]:
        try:
            import keyring  # noqa: PLC0415 - an extra, for those who use it
        except ImportError:
            return "", (
                "keyring is missing; install it with: pip install --index-url "
                "https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[keyring]'"
            )
        try:
            token = keyring.get_password(self._service, self._user)
        except Exception as error:  # noqa: BLE001 - each backend has its own; its text may hold anything
            return (
                "",
                f"the keyring cannot be read ({type(error).__name__}); is it unlocked?",
            )
        if not token:
            return (
                "",
                "the keyring has no such entry; add it with: keyring set SERVICE USER",
            )
        return token, None
