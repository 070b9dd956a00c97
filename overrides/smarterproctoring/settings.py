"""Settings: what a call may be told, how it is checked, and how the environment gives it."""

import logging
import os
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypedDict

from smarterproctoring_transport import is_loopback

from smarterproctoring.errors import ConfigurationError, SmarterProctoringError

logger = logging.getLogger("smarterproctoring")
"""The package's one logger; off unless SMARTERPROCTORING_LOG (or the application) turns it on."""
logger.addHandler(logging.NullHandler())

PREFIX = "SMARTERPROCTORING_"
"""How the names of this package's environment variables begin."""
FROM_ENV = {"token", "base_url", "timeout", "deadline", "retries"}
"""The settings that the environment can give, by variables of their names in capitals."""
# Patterns are compiled when they are first used: importing the package should cost little.
_HEADER = r"[!#$%&'*+.^_`|~0-9a-z-]+: [\x20-\x7e\t]*"
_OWN_HEADERS = {"token", "authorization", "host", "content-length", "transfer-encoding", "connection"}
_BASE_URL = r"(?a:(?P<scheme>(?i:https?))://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[^?#@\s]*)?)"


class Timeouts(NamedTuple):
    """Time limits of one attempt, each in seconds; the deadline over all attempts stands in the options.

    Attributes:
        connect: For the connection and its TLS handshake.
        read: For each wait for bytes of the answer.
        write: For each wait while sending.
        pool: For a free connection.
    """

    connect: float = 5.0
    read: float = 30.0
    write: float = 30.0
    pool: float = 5.0


RetryHook = Callable[[SmarterProctoringError, float], object]
"""Told of every retry before the wait: the error that would have been raised, and the seconds to the next attempt."""


class CallOptions(TypedDict, total=False):
    """Keyword arguments of the clients and of `with_options`; see `Options` for what they mean."""

    timeout: float | Timeouts
    deadline: float
    retries: int
    retry_ambiguous: bool
    allow_empty: bool
    headers: Mapping[str, str]
    on_retry: RetryHook | None


class Options(NamedTuple):
    """Options of a call.

    Attributes:
        timeout: Time limits of an attempt; a number of seconds stands for all four.
        deadline: Seconds over attempts, waits, the token callable and the answer's body.
        retries: How often a failed attempt is repeated, 0 to 10.
        retry_ambiguous: Whether an attempt that may have been applied is repeated. The final state is the same,
            but each replay may leave an audit record of its own (evidence: V).
        allow_empty: Whether a change without any field may be sent.
        headers: Headers to add to each request.
        on_retry: Called before each retry; may be asynchronous for the asynchronous client.
    """

    timeout: Timeouts = Timeouts()
    deadline: float = 60.0
    retries: int = 2
    retry_ambiguous: bool = True
    allow_empty: bool = False
    headers: Mapping[str, str] = MappingProxyType({})
    on_retry: RetryHook | None = None

    def changed(self, changes: CallOptions) -> "Options":
        """Return checked options with these changes; headers are added to those that are there.

        Raises:
            ConfigurationError: An option that cannot work.
            TypeError: An unknown option.
        """
        checked: dict[str, Any] = {**changes, "headers": {**self.headers, **check_headers(changes.get("headers", {}))}}
        if not isinstance(timeout := checked.get("timeout", self.timeout), Timeouts):
            checked["timeout"] = Timeouts(*[timeout] * 4)
        new = Options(**{**self._asdict(), **checked})
        for name, seconds in [
            ("deadline", new.deadline),
            *((f"timeout ({name})", s) for name, s in new.timeout._asdict().items()),
        ]:
            if type(seconds) not in (int, float) or not 0 < seconds <= 1e6:
                raise ConfigurationError(f"{name} must be a number of seconds above 0, at most 1e6")
        if type(new.retries) is not int or not 0 <= new.retries <= 10:
            raise ConfigurationError("retries must be a whole number from 0 to 10")
        return new


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with names in lower case; refuse what would break or bypass the client.

    Raises:
        ConfigurationError: A name or value that may not be sent. The value is not shown.
    """
    checked = {str(name).lower(): str(value).strip(" \t") for name, value in headers.items()}
    for name, value in checked.items():
        if not re.fullmatch(_HEADER, f"{name}: {value}"):
            raise ConfigurationError("headers: names must be letters, digits and -, values one line of printable ASCII")
        if name in _OWN_HEADERS:
            raise ConfigurationError(f"headers: {name!r} is set by the client itself and cannot be given")
    return checked


def check_base_url(url: str, *, allow_http: bool) -> str:
    """Return the base URL without a final slash.

    Raises:
        ConfigurationError: Not an absolute URL, plain http to another machine (the vendor demands TLS,
            evidence: V), or with userinfo, query or fragment, which could leak or be lost.
    """
    match = re.fullmatch(_BASE_URL, str(url))
    if match is None:
        raise ConfigurationError("base_url must begin with https:// and hold no user name, password, query or fragment")
    if match["scheme"].lower() == "http" and not allow_http and not is_loopback(match["host"].strip("[]").lower()):
        raise ConfigurationError("base_url is plain http, which shows the token: use https, or pass allow_http=True")
    return url.rstrip("/")


def variable(name: str, pattern: str = ".*", expected: str = "") -> str | None:
    """Return an environment variable of this package, read now; None if it is unset or empty.

    Raises:
        ConfigurationError: It does not match the pattern; the message names the variable, never the value.
    """
    if not re.fullmatch(f"({pattern})?", os.environ.get(PREFIX + name, ""), re.DOTALL):
        raise ConfigurationError(f"{PREFIX}{name} must be {expected}")
    return os.environ.get(PREFIX + name) or None


def settings_from_env() -> dict[str, Any]:
    """Read token, base URL, timeout, deadline and retries from the environment; what is not set is left out.

    Raises:
        ConfigurationError: A bad value; the message names the variable.
    """
    number, file = (r"[0-9]{1,9}(\.[0-9]{1,9})?", "a number of seconds"), variable("TOKEN_FILE")
    found: dict[str, Any] = {
        "base_url": variable("BASE_URL"),
        "timeout": (text := variable("TIMEOUT", *number)) and float(text),
        "deadline": (text := variable("DEADLINE", *number)) and float(text),
        "retries": (text := variable("RETRIES", "[0-9]{1,3}", "a whole number from 0 to 10")) and int(text),
        "token": variable("TOKEN") or (_token_file(file) if file else ""),
    }
    return {name: value for name, value in found.items() if value is not None}


def _token_file(path: str) -> Callable[[], str]:
    from smarterproctoring.token_file import TokenFile  # noqa: PLC0415 - most callers have no such file

    return TokenFile(path, f"{PREFIX}TOKEN_FILE")


def turn_on_logging() -> None:
    """Write the package's log to standard error if SMARTERPROCTORING_LOG names a level.

    Raises:
        ConfigurationError: No such level.
    """
    level = variable("LOG", "(?i:debug|info|warning)", "debug, info or warning")
    if level and logger.level == logging.NOTSET:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(level.upper())
