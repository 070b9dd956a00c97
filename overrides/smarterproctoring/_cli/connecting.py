"""Makes the client of a command from its options, the environment, or what the user types."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from smarterproctoring import client as clients
from smarterproctoring import errors
from smarterproctoring._cli.options import Connecting
from smarterproctoring.problems import Problem
from smarterproctoring.settings import PLAIN_HTTP, PREFIX, variable
from smarterproctoring.token_file import TokenFile

SETTINGS = ("base_url", "timeout", "deadline", "retries")
"""The settings besides the token that an option or an environment variable gives."""


def settings_of(options: Connecting) -> dict[str, Any]:
    """Return the settings that the options give, by keyword."""
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
    if problem.field in settings_of(options):
        problem = problem._replace(name=f"--{problem.field.replace('_', '-')}")
    if problem.code == PLAIN_HTTP:
        problem = problem._replace(
            text="is plain http, which shows the token: use https, or add --allow-http"
        )
    return problem


def client_of(
    options: Connecting, *, dry_run: bool = False
) -> clients.SmarterProctoring:
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
    }
    try:
        return clients.SmarterProctoring.from_env(**settings)
    except errors.ConfigurationError as error:
        problems = user_problems(error, options)
    raise errors.wrong_settings(problems)


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
    if sys.stdin is not None and sys.stdin.isatty():
        return {"token": _ask_for_token()}
    raise errors.ConfigurationError(
        f"no token: set {PREFIX}TOKEN or {PREFIX}TOKEN_FILE, pass --token-file, or run in a terminal to be asked"
    )


def _ask_for_token() -> str:
    try:
        return getpass.getpass("Token: ")
    except EOFError:
        return ""  # the client reports that it is missing
