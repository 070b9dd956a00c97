"""Settings: what a call may be told, how it is checked, and how the environment gives it."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypedDict
from urllib.parse import urlsplit

from smarterproctoring.errors import ConfigurationError

logger = logging.getLogger("smarterproctoring")
"""The package's one logger; off unless SMARTERPROCTORING_LOG (or the application) turns it on."""
logger.addHandler(logging.NullHandler())

PREFIX = "SMARTERPROCTORING_"
"""How the names of this package's environment variables begin."""
_OWN_HEADERS = {"token", "authorization", "host", "content-length", "transfer-encoding", "connection"}
_HEADER_NAME, _HEADER_VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\x20-\x7e\t]*")
_LOOPBACK = re.compile(r"localhost|::1|127(\.\d{1,3}){3}")
_MOST_RETRIES = 10


def _require_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigurationError(f"{name} must be a number of seconds above 0")


@dataclass(frozen=True, slots=True)
class Timeouts:
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

    def __post_init__(self) -> None:
        for item in fields(self):
            _require_seconds(f"timeout ({item.name})", getattr(self, item.name))


@dataclass(frozen=True, slots=True)
class RetryEvent:
    """What a retry hook is told before the wait.

    Attributes:
        operation_id: The operation that is being repeated.
        attempt: The number of the attempt that failed, from 1.
        reason: The status, or what went wrong, in words.
        wait: Seconds until the next attempt.
        maybe_applied: Whether the change may have been carried out already, so that the next attempt is a replay.
    """

    operation_id: str
    attempt: int
    reason: str
    wait: float
    maybe_applied: bool


class CallOptions(TypedDict, total=False):
    """Keyword arguments of the clients and of `with_options`; see `Options` for what they mean."""

    timeout: float | Timeouts
    deadline: float
    retries: int
    retry_ambiguous: bool
    allow_empty: bool
    headers: Mapping[str, str]
    on_retry: Callable[[RetryEvent], object] | None


@dataclass(frozen=True, slots=True)
class Options:
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

    timeout: Timeouts = field(default_factory=Timeouts)
    deadline: float = 60.0
    retries: int = 2
    retry_ambiguous: bool = True
    allow_empty: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    on_retry: Callable[[RetryEvent], object] | None = None

    def changed(self, changes: CallOptions) -> Options:
        """Return checked options with these changes; headers are added to those that are there.

        Raises:
            ConfigurationError: An option that cannot work.
            TypeError: An unknown option.
        """
        checked: dict[str, Any] = {**changes}
        if "timeout" in checked and not isinstance(checked["timeout"], Timeouts):
            checked["timeout"] = Timeouts(*[checked["timeout"]] * 4)
        if "headers" in checked:
            checked["headers"] = {**self.headers, **check_headers(checked["headers"])}
        new = replace(self, **checked)
        _require_seconds("deadline", new.deadline)
        if type(new.retries) is not int or not 0 <= new.retries <= _MOST_RETRIES:
            raise ConfigurationError(f"retries must be a whole number from 0 to {_MOST_RETRIES}")
        return new


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with names in lower case; refuse what would break or bypass the client.

    Raises:
        ConfigurationError: A name or value that may not be sent. The value is not shown.
    """
    checked = {str(name).lower(): str(value) for name, value in headers.items()}
    for name, value in checked.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError("headers: a name may hold only letters, digits and !#$%&'*+-.^_`|~")
        if name in _OWN_HEADERS:
            raise ConfigurationError(f"headers: {name!r} is set by the client itself and cannot be given")
        if not _HEADER_VALUE.fullmatch(value):
            raise ConfigurationError(f"headers: the value of {name!r} must be printable ASCII text on one line")
    return checked


def check_base_url(url: str, *, allow_http: bool) -> str:
    """Return the base URL without a final slash.

    Raises:
        ConfigurationError: Not an absolute URL, plain http to another machine (the vendor demands TLS,
            evidence: V), or with userinfo, query or fragment, which could leak or be lost.
    """
    try:
        parts = urlsplit(url)
        host, scheme, _ = parts.hostname or "", parts.scheme, parts.port
    except (ValueError, AttributeError, TypeError):
        host = scheme = ""
    problem = None
    if scheme not in ("http", "https") or not host or not re.fullmatch(r"[!-~]+", url):
        problem = "must be an absolute URL that begins with https://"
    elif "@" in url or "?" in url or "#" in url:
        problem = "must not hold a user name, password, query or fragment"
    elif scheme == "http" and not allow_http and not _LOOPBACK.fullmatch(host):
        problem = "uses plain http, which shows the token to the network: use https, or pass allow_http=True"
    if problem:
        raise ConfigurationError(f"base_url {problem}")
    return url.rstrip("/")


def variable(name: str, pattern: str = ".*", expected: str = "") -> str | None:
    """Return an environment variable of this package, read now; None if it is unset or empty.

    Raises:
        ConfigurationError: It does not match the pattern; the message names the variable, never the value.
    """
    text = os.environ.get(PREFIX + name) or None
    if text is not None and not re.fullmatch(pattern, text, re.DOTALL):
        raise ConfigurationError(f"{PREFIX}{name} must be {expected}")
    return text


def options_from_env() -> CallOptions:
    """Read timeout, deadline and retries from the environment.

    Raises:
        ConfigurationError: A bad value; the message names the variable.
    """
    found: CallOptions = {}
    seconds = r"(?=.*[1-9])[0-9]{1,9}(\.[0-9]{1,9})?", "a number of seconds above 0"
    if timeout := variable("TIMEOUT", *seconds):
        found["timeout"] = float(timeout)
    if deadline := variable("DEADLINE", *seconds):
        found["deadline"] = float(deadline)
    if retries := variable("RETRIES", "[0-9]|10", f"a whole number from 0 to {_MOST_RETRIES}"):
        found["retries"] = int(retries)
    return found


def turn_on_logging() -> None:
    """Write the package's log to standard error if SMARTERPROCTORING_LOG names a level.

    Raises:
        ConfigurationError: No such level.
    """
    level = variable("LOG", "(?i)debug|info|warning", "debug, info or warning")
    if level and logger.level == logging.NOTSET:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(level.upper())
