"""`smarterproctoring doctor`: checks the settings, the token and the way to the API."""

from __future__ import annotations

import http.client
import sys
import urllib.error
import urllib.request
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import click
from smarterproctoring_generated.operations import SERVERS

from smarterproctoring import errors
from smarterproctoring._cli import moments
from smarterproctoring._cli.connecting import (
    SETTINGS,
    default_install,
    settings_of,
    token_of,
    user_problems,
    with_profile,
)
from smarterproctoring._cli.exit_codes import AUTH, BAD_INPUT, EPILOG, NOT_APPLIED
from smarterproctoring._cli.options import INSTALL, Connecting, connection_options
from smarterproctoring.credentials import Secret
from smarterproctoring.profiles import Profile, read_profile
from smarterproctoring.settings import (
    PREFIX,
    base_url_problem,
    read_environment,
    variable,
)
from smarterproctoring.terminal import echo, echo_json


class _Check(NamedTuple):
    """The result of one check; `code` is 0 if all is well."""

    name: str
    code: int
    text: str


@click.command(epilog=EPILOG)
@connection_options
def doctor(**given: Any) -> None:
    """Check settings, the token's shape and expiry, and whether the host answers; changes nothing and sends no token.

    The host is asked by Python's own HTTP client, within 5 s, through the proxy of the environment: an answer does not
    prove that the client can connect, which has its own certificates and limits.
    """
    options = cast("Connecting", given)
    profile = _check_profile(options)
    if not profile.code:
        options = with_profile(options)
    checks = [
        profile,
        _check_settings(options),
        _check_token(options),
        _check_reachable(options),
    ]
    code = next((check.code for check in checks if check.code), 0)
    if options["as_json"]:
        results = [
            {"check": check.name, "ok": not check.code, "text": check.text}
            for check in checks
        ]
        echo_json({"ok": not code, "checks": results, "exit_code": code})
        sys.exit(code)
    for check in checks:
        state = "FAIL" if check.code else "ok"
        echo(
            f"{state:<5}{check.name:<11}{check.text}",
            color="red" if check.code else "green",
        )
    sys.exit(code)


def _check_profile(options: Connecting) -> _Check:
    """Check the profile, and say from where each setting comes."""
    try:
        chosen = with_profile(options)
        profile = read_profile(options["profile"])
        default_install(chosen)
    except errors.ConfigurationError as error:
        return _Check("profile", BAD_INPUT, error.message)
    name = f"{profile.name} of {profile.path}" if profile.name else "none"
    sources = [
        f"base URL: {_base_url_from(chosen, profile)}",
        f"install: {_install_from(chosen, profile)}",
        f"time zone: {'the profile' if profile.timezone else 'none'}",
        f"token: {_token_from(chosen, profile)}",
    ]
    return _Check("profile", 0, f"{name}; {', '.join(sources)}")


def _base_url_from(options: Connecting, profile: Profile) -> str:
    if options["base_url"] is not None:
        return "--base-url"
    if variable("BASE_URL"):
        return f"{PREFIX}BASE_URL"
    return "the profile" if profile.base_url else "the default"


def _install_from(options: Connecting, profile: Profile) -> str:
    if options.get("install_sid") is not None:
        return "--install-sid"
    if variable("INSTALL_SID"):
        return f"{PREFIX}INSTALL_SID"
    return "the profile" if profile.install_sid else "none"


def _token_from(options: Connecting, profile: Profile) -> str:
    if options["token_file"]:
        return "--token-file"
    for name in ("TOKEN", "TOKEN_FILE"):
        if variable(name):
            return f"{PREFIX}{name}"
    return "the profile" if profile.token else "none"


def _check_settings(options: Connecting) -> _Check:
    """Check all settings but the token, which is the next check's."""
    from smarterproctoring.client import SmarterProctoring  # noqa: PLC0415 - loads httpx

    settings: dict[str, Any] = {
        **settings_of(options),
        "token": "checked-later",
        INSTALL: None,
    }
    try:
        with SmarterProctoring.from_env(**settings) as client:
            return _Check("settings", 0, repr(client).strip("<>"))
    except errors.ConfigurationError as error:
        return _Check(
            "settings", BAD_INPUT, "; ".join(map(str, user_problems(error, options)))
        )


def _check_token(options: Connecting) -> _Check:
    try:
        given = (
            token_of(options, dry_run=False).get("token")
            or read_environment([*SETTINGS, INSTALL]).values["token"]
        )
        secret = Secret(given() if callable(given) else given)
    except errors.ConfigurationError as error:
        return _Check("token", AUTH, error.message)
    if secret.problem:
        return _Check("token", AUTH, f"the token {secret.problem}")
    expires = secret.expires_at()
    if expires is None:
        return _Check(
            "token",
            0,
            "well-formed; it is not a JWT with an expiry, so when it ends is not known",
        )
    expired = expires <= moments.now()
    state = "expired" if expired else "well-formed JWT, expires"
    return _Check(
        "token",
        AUTH if expired else 0,
        f"{state} at {expires:%Y-%m-%d %H:%M} UTC (unverified)",
    )


def _proxies() -> urllib.request.ProxyHandler:
    """Return the proxies of the environment; urllib does not look at ALL_PROXY by itself, the client does."""
    proxies = urllib.request.getproxies()
    everywhere = proxies.get("all")
    if everywhere:
        proxies = {"http": everywhere, "https": everywhere, **proxies}
    return urllib.request.ProxyHandler(proxies)


def _check_reachable(options: Connecting) -> _Check:
    base_url = (
        settings_of(options).get("base_url") or variable("BASE_URL") or SERVERS[0]
    )
    if base_url_problem(base_url, allow_http=options["allow_http"]) is not None:
        return _Check("network", BAD_INPUT, "not checked: the base URL is not valid")
    host = urlsplit(base_url).hostname
    try:
        request = urllib.request.Request(base_url, method="HEAD")  # noqa: S310 - the scheme is checked above
        with urllib.request.build_opener(_proxies()).open(request, timeout=5) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    except http.client.InvalidURL:
        return _Check(
            "network",
            BAD_INPUT,
            "not checked: the proxy of the environment is not valid",
        )
    except http.client.HTTPException as error:
        return _Check(
            "network",
            NOT_APPLIED,
            f"{host} answers, but not in HTTP ({type(error).__name__})",
        )
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return _Check("network", NOT_APPLIED, f"{host} cannot be reached: {reason}")
    return _Check("network", 0, f"{host} answers (HTTP {status} without a token)")
