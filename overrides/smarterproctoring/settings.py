"""Settings: the options of clients and calls, their checks, and the environment variables."""

import logging
import os
import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from smarterproctoring_generated.operations import OPERATIONS, SERVERS
from smarterproctoring_generated.records import Hidden
from smarterproctoring_transport import is_host, is_loopback

from smarterproctoring.errors import SmarterProctoringError, wrong_settings
from smarterproctoring.problems import Problem

if TYPE_CHECKING:
    from smarterproctoring.observers import CallHook, CallObserver

logger = logging.getLogger("smarterproctoring")
"""The package's one logger; off unless SMARTERPROCTORING_LOG (or the application) turns it on."""
logger.addHandler(logging.NullHandler())

PREFIX = "SMARTERPROCTORING_"
"""How the names of this package's environment variables begin."""
# Patterns are compiled when they are first used: importing the package should cost little.
_HEADER = r"[!#$%&'*+.^_`|~0-9a-z-]+: [\x20-\x7e\t]*"
_OWN_HEADERS = {
    "token",
    "authorization",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
}
_BASE_URL = r"(?a:(?P<scheme>(?i:https?))://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]+))?(/[^?#@\s]*)?)"
PLAIN_HTTP = "plain-http"
"""The code of the problem that a base URL is plain http to another machine."""
_SECONDS = "must be a number of seconds above 0, at most 1e6"
_RETRIES = "must be a whole number from 0 to 10"
_BOOLEAN = "must be True or False"
_READ_BACK = "must be 'when_unsure' or 'never'"


class Timeouts(NamedTuple):
    """Time limits of one attempt, each in seconds; `Options.deadline` limits all attempts together.

    Attributes:
        connect: For name look-up, all addresses, a proxy's answer and the TLS handshake together.
        read: For each wait for bytes of the answer.
        write: For sending the whole request.
        pool: For a free connection.
    """

    connect: float = 5.0
    read: float = 30.0
    write: float = 30.0
    pool: float = 5.0


RetryHook = Callable[[SmarterProctoringError, float], object]
"""Called before the wait for each retry, with the error that would have been raised and the seconds to wait.

If reading back then confirms the change, no retry follows.
"""


ReadBack = Literal["when_unsure", "never"]
"""When a session is read back after a call that changes it."""


class Options:
    """Options of a call.

    Attributes:
        timeout: Time limits of an attempt; a number of seconds stands for all four.
        deadline: Seconds for the whole call: attempts, waits, the token callable, asynchronous hooks, name look-up,
            TLS, sending and the answer. Nothing can cut a synchronous hook; a synchronous transport of the caller's
            is left only between two pieces of the answer.
        retries: How often a failed attempt is repeated at most, 0 to 10; the client's retry budget may end it sooner.
        retry_ambiguous: Whether an attempt that may have been applied is repeated. The final state is the same,
            but each replay may leave an audit record of its own: the vendor documents that changes are audited.
        allow_empty: Whether a change without any field may be sent.
        headers: Headers to add to each request.
        on_retry: Called before each retry; may be asynchronous for the asynchronous client.
        on_call: Called after each call, and told of its start where they are observers.
        read_back: `when_unsure`: where an attempt may have been applied, the session is read back before a replay and
            at the end of the call. Of the deadline, up to 5 s, and at most a quarter, are kept for that. Only for a
            change with at least one time, because that alone shows whether it was made. `never`: it is not.
    """

    def __init__(
        self,
        *,
        timeout: Timeouts = Timeouts(),
        deadline: float = 60.0,
        retries: int = 2,
        retry_ambiguous: bool = True,
        allow_empty: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
        on_retry: RetryHook | None = None,
        on_call: "tuple[CallHook | CallObserver, ...]" = (),
        read_back: ReadBack = "when_unsure",
    ) -> None:
        self.timeout = timeout
        self.deadline = deadline
        self.retries = retries
        self.retry_ambiguous = retry_ambiguous
        self.allow_empty = allow_empty
        self.headers = headers
        self.on_retry = on_retry
        self.on_call = on_call
        self.read_back: ReadBack = read_back

    # It is in frames, and the caller's headers may hold a key.
    def __repr__(self) -> str:
        shown = vars(self) | {"headers": sorted(self.headers)}
        return f"Options({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def with_(self, **changes: Any) -> "Options":
        """Return options with these changes, which are not checked."""
        return Options(**{**vars(self), **changes})

    def changed(self, changes: Hidden[Mapping[str, object]]) -> "Options":
        """Return checked options with these changes; headers are added to those that are there.

        Raises:
            ConfigurationError: All options that cannot work.
            TypeError: An unknown option.
        """
        new, problems = self.with_problems(changes)
        if problems:
            raise wrong_settings(problems)
        return new

    def with_problems(
        self, changes: Hidden[Mapping[str, object]]
    ) -> tuple["Options", list[Problem]]:
        """Return options with these changes, and all that is wrong with them.

        Raises:
            TypeError: An unknown option.
        """
        # First: what raises has no local variable with a header's value.
        _refuse_unknown(changes)
        given: object = changes.reveal().get("headers", {})
        headers, problems = read_headers(given if isinstance(given, Mapping) else {})
        if not isinstance(given, Mapping):
            problems.append(
                Problem("headers", "value", "must be a mapping of names to values")
            )
        changed: dict[str, Any] = {
            **changes.reveal(),
            "headers": {**self.headers, **headers},
        }
        timeout = changed.get("timeout", self.timeout)
        if not isinstance(timeout, Timeouts):
            changed["timeout"] = Timeouts(*[timeout] * 4)
        if "on_call" in changed:
            changed["on_call"], hooks_problem = _read_hooks(changed["on_call"])
            problems += [hooks_problem] if hooks_problem else []
        new = self.with_(**changed)
        wrong = [
            name
            for name, seconds in new.timeout._asdict().items()
            if not _is_seconds(seconds)
        ]
        if wrong:
            which = (
                ""
                if len(wrong) == len(new.timeout)
                else f" (not so: {', '.join(wrong)})"
            )
            problems.append(Problem("timeout", "value", _SECONDS + which))
        if not _is_seconds(new.deadline):
            problems.append(Problem("deadline", "value", _SECONDS))
        if type(new.retries) is not int or not 0 <= new.retries <= 10:
            problems.append(Problem("retries", "value", _RETRIES))
        if new.on_retry is not None and not callable(new.on_retry):
            problems.append(
                Problem(
                    "on_retry",
                    "value",
                    "must be a callable that takes an error and seconds, or None",
                )
            )
        if new.read_back not in get_args(ReadBack):
            problems.append(Problem("read_back", "value", _READ_BACK))
        for name in ("retry_ambiguous", "allow_empty"):
            wrong_switch = switch_problem(name, changed.get(name, False))
            problems += [wrong_switch] if wrong_switch else []
        return new, problems


def _read_hooks(
    given: object,
) -> "tuple[tuple[CallHook | CallObserver, ...], Problem | None]":
    """Return the hooks for finished calls one by one, and what is wrong with them."""
    if given is None or (isinstance(given, list | tuple) and not given):
        return (), None
    from smarterproctoring.observers import hooks_of, on_call_problem  # noqa: PLC0415 - for those who have hooks

    return hooks_of(given), on_call_problem(given)


def _refuse_unknown(changes: Hidden[Mapping[str, object]]) -> None:
    options = vars(Options())
    unknown = changes.reveal().keys() - options.keys()
    if unknown:
        names = ", ".join(sorted(unknown))
        known = ", ".join(options)
        raise TypeError(f"unknown option {names}. Known: {known}")


def switch_problem(name: str, value: object) -> Problem | None:
    """Return what is wrong with an option that is either on or off, None if nothing is."""
    return None if isinstance(value, bool) else Problem(name, "value", _BOOLEAN)


def _is_seconds(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 < value <= 1e6
    )


def _is_text(value: object) -> bool:
    """Tell whether a caller gave text, whatever types say."""
    return isinstance(value, str)


def read_headers(headers: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """Return headers with names in lower case, and what is wrong with them; a value is not shown."""
    checked: dict[str, str] = {}
    problems: list[Problem] = []
    for name, value in headers.items():
        if _is_text(name) and _is_text(value):
            checked[str(name).lower()] = str(value).strip(" \t")
        else:
            text = "must have names and values that are text"
            problems.append(Problem("headers", "value", text))
    for name, value in checked.items():
        if not re.fullmatch(_HEADER, f"{name}: {value}"):
            text = "must have names of letters, digits and -, and values of one line of printable ASCII"
            problems.append(Problem("headers", "value", text))
        elif name in _OWN_HEADERS:
            problems.append(
                Problem(
                    "headers",
                    "value",
                    f"must not hold {name!r}, which the client itself sets",
                )
            )
    return checked, problems


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with names in lower case; refuse what would break or bypass the client.

    Raises:
        ConfigurationError: A name or value that may not be sent. The value is not shown.
    """
    checked, problems = read_headers(headers)
    if problems:
        raise wrong_settings(problems)
    return checked


def base_url_problem(url: object, *, allow_http: bool) -> Problem | None:
    """Return what is wrong with a base URL, None if nothing is; the URL is not shown."""
    if not isinstance(url, str):
        what = f"must be text, such as {SERVERS[0]}, not {type(url).__name__}"
        return Problem("base_url", "value", what)
    text = str(url)
    code = "value"
    match = re.fullmatch(_BASE_URL, text)
    if match is None:
        what = "must begin with https:// and hold no user name, password, query or fragment"
    elif not is_host(match["host"]):
        what = "has a host that cannot be looked up: each part between dots must have 1 to 63 characters"
    elif not 1 <= int(match["port"] or 443) <= 65535:
        what = "has a port that is not one from 1 to 65535"
    elif (
        match["scheme"].lower() == "http"
        and not allow_http
        and not is_loopback(match["host"].strip("[]").lower())
    ):
        code = PLAIN_HTTP
        what = (
            "is plain http, which shows the token: use https, or pass allow_http=True"
        )
    elif (root := _common_root()) and f"{urlsplit(text).path.rstrip('/')}/".endswith(
        f"/{root}/"
    ):
        what = f"must not end in /{root}, with which the paths of the spec begin"
    else:
        return None
    return Problem("base_url", code, what)


def _common_root() -> str | None:
    """Return the first part of the paths in the spec, if it is the same in all."""
    roots = {operation.path.split("/")[1] for operation in OPERATIONS}
    return roots.pop() if len(roots) == 1 else None


class Environment:
    """The settings that environment variables give. A class whose repr shows nothing: the token is one of them.

    Attributes:
        values: By keyword; what is not set is left out.
        names: The variable that each setting came from, by keyword.
        problems: What is wrong with the variables.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.names: dict[str, str] = {}
        self.problems: list[Problem] = []


_SETTINGS = {
    "base_url": ("BASE_URL", ".*", ""),
    "install_sid": ("INSTALL_SID", ".*", ""),
    "timeout": ("TIMEOUT", r"[0-9]{1,9}(\.[0-9]{1,9})?", _SECONDS),
    "deadline": ("DEADLINE", r"[0-9]{1,9}(\.[0-9]{1,9})?", _SECONDS),
    "retries": ("RETRIES", "[0-9]{1,3}", _RETRIES),
}
"""By keyword: the variable without its prefix, the pattern of its text, and the message for other text."""
_TEXTS = ("base_url", "install_sid")
"""Those of them that are not numbers."""


def variable(name: str) -> str | None:
    """Return an environment variable of this package, read now; None if it is unset or empty."""
    return os.environ.get(PREFIX + name) or None


def read_environment(without: Collection[str] = ()) -> Environment:
    """Read token, base URL, install, timeout, deadline and retries from the environment.

    Args:
        without: Settings that are given in another way; their variables are not looked at.
    """
    found = Environment()
    for setting, (name, pattern, expected) in _SETTINGS.items():
        text = variable(name)
        if setting in without or text is None:
            continue
        found.names[setting] = PREFIX + name
        if not re.fullmatch(pattern, text, re.DOTALL):
            found.problems.append(Problem(setting, "value", expected))
        else:
            found.values[setting] = text if setting in _TEXTS else float(text)
    if "retries" in found.values:
        found.values["retries"] = int(found.values["retries"])
    if "token" not in without:
        _read_token(found)
    return found


def _read_token(found: Environment) -> None:
    if variable("TOKEN"):
        found.names["token"] = f"{PREFIX}TOKEN"
        found.values["token"] = variable("TOKEN")
    elif path := variable("TOKEN_FILE"):
        found.names["token"] = f"{PREFIX}TOKEN_FILE"
        found.values["token"] = _token_file(path)
    else:
        found.values["token"] = ""


def _token_file(path: str) -> Callable[[], str]:
    from smarterproctoring.token_file import TokenFile  # noqa: PLC0415 - most callers have no such file

    return TokenFile(path, f"{PREFIX}TOKEN_FILE")


def turn_on_logging() -> Problem | None:
    """Write the package's log to standard error if SMARTERPROCTORING_LOG names a level; return what is wrong."""
    level = variable("LOG")
    if level is not None and level.lower() not in ("debug", "info", "warning"):
        return Problem("log", "value", "must be debug, info or warning", f"{PREFIX}LOG")
    if level and logger.level == logging.NOTSET:
        handler = logging.StreamHandler()
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s")
        )
        logger.addHandler(handler)
        logger.setLevel(level.upper())
    return None
