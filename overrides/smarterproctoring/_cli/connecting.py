"""Makes the client of a command from its options, the environment, or what the user types."""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click
from smarterproctoring_generated.facade import Operations
from smarterproctoring_generated.operations import SERVERS
from smarterproctoring_generated.records import Hidden

from smarterproctoring import errors
from smarterproctoring._cli.options import INSTALL, SID_NAMES, Connecting
from smarterproctoring.dry_run import DryClient, DryRun
from smarterproctoring.prepare import install_problem
from smarterproctoring.problems import Problem
from smarterproctoring.profiles import read_profile
from smarterproctoring.settings import (
    PLAIN_HTTP,
    PREFIX,
    Options,
    base_url_problem,
    read_environment,
    variable,
)
from smarterproctoring.token_file import TokenFile

if TYPE_CHECKING:
    from smarterproctoring.client import SmarterProctoring
    from smarterproctoring.options import CallOptions

SETTINGS = ("base_url", "timeout", "deadline", "retries")
"""The settings besides the token that an option or an environment variable gives."""


ConnectingT = TypeVar("ConnectingT", bound=Connecting)
_PLAIN_URL: Final = r"https://[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]+(/[A-Za-z0-9_~-]+)*/?"
"""A base URL that httpx writes as it is: lower case, no port, no dots in the path."""
_CHECKED_LATER: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", f"{PREFIX}LOG")


def with_profile(options: ConnectingT) -> ConnectingT:
    """Return the options with the profile that they, or the environment, choose, and with its time zone.

    Raises:
        ConfigurationError: The profile cannot be used.
    """
    profile = read_profile(options["profile"])
    found = options.copy()
    found["chosen"] = profile
    if found.get("zone_name") is None and profile.timezone is not None:
        found["zone_name"] = profile.timezone
        profile.check_zone()
    return found


def sids_of(texts: Sequence[str], options: Connecting) -> dict[str, str]:
    """Return the SIDs by keyword; the install is the default one if it is not among the arguments.

    Raises:
        UsageError: There are too few or too many.
        ConfigurationError: The default install is not one.
    """
    given = [*texts]
    if len(given) == len(SID_NAMES) - 1 and SID_NAMES[0] == INSTALL:
        given.insert(0, _install_sid(options))
    elif len(given) == len(SID_NAMES) and options.get(INSTALL) not in (None, given[0]):
        raise click.UsageError(
            f"--install-sid contradicts the argument {INSTALL.upper()}; give one of them"
        )
    if len(given) < len(SID_NAMES):
        raise click.UsageError(f"Missing argument '{SID_NAMES[len(given)].upper()}'.")
    if len(given) > len(SID_NAMES):
        raise click.UsageError(
            f"Got {len(given) - len(SID_NAMES)} arguments more than the {len(SID_NAMES)} SIDs."
        )
    return dict(zip(SID_NAMES, given, strict=True))


def _install_sid(options: Connecting) -> str:
    """Return the install of a call that names none."""
    found = default_install(options)
    if found is None:
        raise click.UsageError(
            f"Missing argument '{INSTALL.upper()}': give it before the others, or set --install-sid, "
            f"{PREFIX}INSTALL_SID or install_sid in a profile."
        )
    return found


def default_install(options: Connecting) -> str | None:
    """Return the install of calls that name none: of the option, the environment, or the profile.

    Raises:
        ConfigurationError: It cannot be one; the message says where it comes from.
    """
    option = options.get(INSTALL)
    profile = options.get("chosen")
    of_profile = None if profile is None else profile.install_sid
    sources = (
        ("--install-sid", option),
        (f"{PREFIX}INSTALL_SID", variable("INSTALL_SID")),
        ("" if profile is None else profile.where(INSTALL), of_profile),
    )
    for name, value in sources:
        if value is not None:
            _check_install(name, value)
            return value
    return None


def _check_install(name: str, value: str) -> None:
    """Refuse a default install that cannot be one.

    Raises:
        ConfigurationError: It cannot; the message says where it comes from.
    """
    problem = install_problem(value)
    if problem is not None:
        raise errors.wrong_settings([problem._replace(name=name)])


def settings_of(options: Connecting) -> dict[str, Any]:
    """Return the settings that the options give, by keyword."""
    given = {**of_profile(options), **_of_options(options)}
    return {name: value for name, value in given.items() if value is not None}


def of_profile(options: Connecting) -> dict[str, Any]:
    """Return the settings besides the token that only the profile gives, by keyword."""
    profile = options.get("chosen")
    if profile is None or variable("BASE_URL"):
        return {}
    return {"base_url": profile.base_url}


def _of_options(options: Connecting) -> dict[str, Any]:
    given = {
        "base_url": options["base_url"],
        "timeout": options["timeout"],
        "deadline": options["deadline"],
        "retries": options["retries"],
        "allow_http": options["allow_http"] or None,
        "retry_ambiguous": False if options.get("no_replay") else None,
        "read_back": "never" if options.get("no_read_back") else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def user_problems(
    error: errors.ConfigurationError, options: Connecting
) -> list[Problem]:
    """Return what is wrong with the settings, each by its option if that was given, else by its variable."""
    return [_user_problem(problem, options) for problem in error.problems]


def _user_problem(problem: Problem, options: Connecting) -> Problem:
    profile = options.get("chosen")
    if problem.field in _of_options(options):
        problem = problem._replace(name=f"--{problem.field.replace('_', '-')}")
    elif profile is not None and problem.field in of_profile(options):
        problem = problem._replace(name=profile.where(problem.field))
    if problem.code == PLAIN_HTTP:
        problem = problem._replace(
            text="is plain http, which shows the token: use https, or add --allow-http"
        )
    return problem


def client_of(options: Connecting, *, dry_run: bool = False) -> SmarterProctoring:
    """Make the client.

    Args:
        options: The options of the command.
        dry_run: Whether nothing will be sent, so that no token is needed.

    Raises:
        ConfigurationError: All settings that are missing or wrong, by the user's names for them.
    """
    settings: dict[str, Any] = {
        **token_of(options, dry_run=dry_run),
        **settings_of(options),
        INSTALL: None,  # `sids_of` reads its variable where the arguments name no install
    }
    from smarterproctoring.client import SmarterProctoring  # noqa: PLC0415 - loads httpx

    try:
        return SmarterProctoring.from_env(**settings)
    except errors.ConfigurationError as error:
        problems = user_problems(error, options)
    raise errors.wrong_settings(problems)


@contextmanager
def dry_client(options: Connecting) -> Generator[Operations[DryRun]]:
    """Yield what makes the requests of a dry run.

    Where nothing but the defaults matters, that needs no httpx, which takes as long to import as everything else.

    Raises:
        ConfigurationError: All settings that are missing or wrong, by the user's names for them.
    """
    plain = _plain_client(options)
    if plain is not None:
        yield plain
        return
    with client_of(options, dry_run=True) as client:
        yield client.with_options(allow_empty=True)


def _plain_client(options: Connecting) -> DryClient | None:
    """Return a dry client; None where something is wrong, or only httpx can tell what the request would be."""
    given = settings_of(options)
    found = read_environment(without=["token", INSTALL, *given])
    settings = {**found.values, **given}
    base_url = settings.pop("base_url", SERVERS[0])
    allow_http = settings.pop("allow_http", False)
    settings["allow_empty"] = True
    call_options, problems = Options().with_problems(
        Hidden(cast("CallOptions", settings))
    )
    if problems or found.problems or _has_transport_variables():
        return None
    if not re.fullmatch(_PLAIN_URL, base_url):
        return None
    if base_url_problem(base_url, allow_http=allow_http) is not None:
        return None
    return DryClient(base_url, call_options)


def _has_transport_variables() -> bool:
    """Tell whether the environment has variables that only the transport can check."""
    return any(
        name.lower().endswith("_proxy") or name in _CHECKED_LATER for name in os.environ
    )


def token_of(options: Connecting, *, dry_run: bool) -> dict[str, Any]:
    """Return the setting of the token; an empty one if the environment gives it.

    Raises:
        ConfigurationError: There is none, and no terminal to ask for it.
    """
    if dry_run:
        return {"token": "not-needed-for-a-dry-run"}
    if options["token_file"]:
        return {"token": TokenFile(options["token_file"], "--token-file")}
    if variable("TOKEN") or variable("TOKEN_FILE"):
        return {}
    profile = options.get("chosen")
    if profile is not None and profile.token is not None:
        return {"token": profile.token}
    if sys.stdin is not None and sys.stdin.isatty():
        return {"token": _ask_for_token()}
    raise errors.ConfigurationError(
        f"no token: set {PREFIX}TOKEN or {PREFIX}TOKEN_FILE, pass --token-file, name a source in a profile, "
        "or run in a terminal to be asked"
    )


def _ask_for_token() -> str:
    try:
        return getpass.getpass("Token: ")
    except EOFError:
        return ""  # the client reports that it is missing
