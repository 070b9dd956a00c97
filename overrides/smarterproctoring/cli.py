"""The command line: `smarterproctoring reschedule`, `doctor` and `mock`. It uses the public client like any user."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

try:
    import click

    from smarterproctoring.times import read_time, zone
except ImportError as missing:
    sys.exit(
        f"error: {missing.name} is missing; install the command line with: pip install 'smarterproctoring-client[cli]'"
    )

from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION, SERVERS, VERSION
from smarterproctoring_generated.records import Field, Parameter, Problem

from smarterproctoring import client as clients
from smarterproctoring import errors
from smarterproctoring.credentials import Secret
from smarterproctoring.settings import PREFIX, check_base_url, settings_from_env, variable

EXIT_CODES = {
    0: "done",
    1: "unexpected failure of this program",
    2: "bad input or settings; nothing was sent",
    3: "the token is wrong, expired, or may not do this",
    4: "no such install, exam or session",
    5: "refused by the API for another reason",
    6: "rate limit; try again later",
    7: "not applied: no connection, or the server answered 501; try again later",
    8: "MAY HAVE BEEN APPLIED: look at the session before you try again",
}
_BAD_INPUT, _AUTH, _NOT_FOUND, _REFUSED, _RATE_LIMIT, _NOT_APPLIED, _MAYBE_APPLIED = range(2, 9)
_ALIASES = {"appointmentStartDateTime": "--start", "appointmentEndDateTime": "--end"}
_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code}  {meaning}" for code, meaning in EXIT_CODES.items())


def exit_code(error: Exception) -> int:
    """Name the exit code of an error."""
    if isinstance(error, errors.SmarterProctoringError) and error.maybe_applied:
        return _MAYBE_APPLIED
    for kinds, code in (
        ((errors.ValidationError, errors.ConfigurationError), _BAD_INPUT),
        ((errors.AuthenticationError, errors.PermissionDeniedError), _AUTH),
        ((errors.NotFoundError,), _NOT_FOUND),
        ((errors.RateLimitError,), _RATE_LIMIT),
        ((errors.ServerError, errors.APIConnectionError, errors.InterruptedCallError), _NOT_APPLIED),
        ((errors.HookError,), _BAD_INPUT),
        ((errors.APIStatusError,), _REFUSED),
    ):
        if isinstance(error, kinds):
            return code
    return 1


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="smarterproctoring")
def main() -> None:
    """Move proctored exam sessions.

    The token comes from SMARTERPROCTORING_TOKEN, from the file that SMARTERPROCTORING_TOKEN_FILE or --token-file
    names, or from a prompt; never from an argument, which every user of the machine could see.
    """


def _connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--base-url", help=f"Where the API is.  [default: ${PREFIX}BASE_URL, or {SERVERS[0]}]"),
        click.option("--allow-http", is_flag=True, help="Allow plain http to another machine; it shows the token."),
        click.option("--token-file", type=click.Path(dir_okay=False), help="File that holds the token."),
        click.option("--timeout", type=float, help="Seconds for each phase of an attempt."),
        click.option("--deadline", type=float, help="Seconds for all attempts together.  [default: 60]"),
        click.option("--retries", type=int, help="How often a failed attempt is repeated.  [default: 2]"),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    ):
        command = option(command)
    return command


def _option(item: Field | Parameter) -> str:
    """Name the option of a keyword; one that the command has already gets `field-` in front."""
    name = item.keyword.replace("_", "-")
    return f"--field-{name}" if name in _OWN_OPTIONS else f"--{name}"


_OWN_OPTIONS = {
    "start",
    "end",
    "timezone",
    "day-first",
    "month-first",
    "no-replay",
    "dry-run",
    "base-url",
    "allow-http",
    "token-file",
    "timeout",
    "deadline",
    "retries",
    "json",
    "help",
}


def _field_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for every keyword of the method, so that a field added to the spec is an option by itself."""
    for item in reversed(RESCHEDULE_EXAM_SESSION.keywords):
        names = [_option(item), f"field_{item.keyword}"]
        if item.name in _ALIASES:
            names.insert(0, _ALIASES[item.name])
        metavar = "TIME" if item.format == "date-time" else None if item.allowed else _METAVARS.get(item.type or "")
        kind = click.Choice([str(value) for value in item.allowed]) if item.allowed else click.STRING
        command = click.option(*names, type=kind, metavar=metavar, help=item.description)(command)
    return command


_METAVARS = {"integer": "INTEGER", "number": "NUMBER", "boolean": "true|false", "array": "JSON", "object": "JSON"}
"""What is written for a value that is not text; the spec's rules then refuse what is not of its type."""


@main.command(epilog=_EPILOG)
@click.argument("install_sid")
@click.argument("exam_sid")
@click.argument("session_sid")
@_field_options
@click.option("--timezone", "zone_name", help="IANA zone of times that name none, for instance America/New_York.")
@click.option("--day-first/--month-first", default=None, help="How to read 03/04/2030; without it, it is refused.")
@click.option("--no-replay", is_flag=True, help="Never repeat an attempt that may have been applied.")
@click.option("--dry-run", is_flag=True, help="Check everything and show the request; send nothing.")
@_connection_options
def reschedule(
    install_sid: str, exam_sid: str, session_sid: str, zone_name: str | None, day_first: bool | None, **options: Any
) -> None:
    """Move one exam session.

    \b
    TIME is what people write, for instance "2030-05-04 09:00" (with --timezone),
    "4 May 2030 9am -04:00" or 2030-05-04T13:00:00Z.
    """  # noqa: D301 - click's mark for "do not rewrap" is a real backspace
    default_zone: tzinfo | None = None
    calling = False
    sids = {"install_sid": install_sid, "exam_sid": exam_sid, "session_sid": session_sid}
    try:
        default_zone = zone(zone_name) if zone_name else None
        fields, problems = _read_fields(options, default_zone, day_first)
        with _client(options, dry_run=options["dry_run"]) as client:
            request = _checked(client.with_options(allow_empty=bool(problems)), sids, fields, problems)
            if options["dry_run"]:
                _show_dry_run(request, as_json=options["as_json"])
                return
            calling = True
            result = client.reschedule(*sids.values(), **fields)
    except (errors.SmarterProctoringError, ValueError) as error:
        _fail(error, sids, as_json=options["as_json"])
    except KeyboardInterrupt as interrupt:
        _fail(errors.what_is_known(interrupt) or _interrupted(calling=calling), sids, as_json=options["as_json"])
    if options["as_json"]:
        facts = {name: getattr(result, name) for name in ("status", "data", "request_id", "attempts", "replays")}
        elapsed = {"elapsed": round(result.elapsed, 3), "incomplete": result.incomplete}
        click.echo(json.dumps({"outcome": "moved", **sids, **facts, **elapsed}))
        return
    click.secho(f"moved {session_sid}", fg="green", bold=True)
    body: dict[str, Any] = json.loads(request.content)
    rows = [(item.keyword.replace("_", " "), _shown(item, body, default_zone)) for item in _sent(body)]
    rows += [("server said", json.dumps(result.data) if not isinstance(result.data, str) else result.data)]
    rows += [("attempts", f"{result.attempts} in {result.elapsed:.2f} s" + _replayed(result.replays))]
    rows += [("request id", result.request_id)] if result.request_id else []
    _table(rows)


def _interrupted(*, calling: bool) -> errors.InterruptedCallError:
    """Make the error of a Ctrl-C that carries nothing: it came before the call, or in the moment after its answer."""
    if not calling:
        return errors.InterruptedCallError("interrupted. The change was not applied.")
    text = "interrupted. The change may have been applied: look at the session before you send it again."
    return errors.InterruptedCallError(text, maybe_applied=True)


def _replayed(replays: int) -> str:
    return f", {replays} of them after one that may have been applied" if replays else ""


def _read_fields(
    options: dict[str, Any], default_zone: tzinfo | None, day_first: bool | None
) -> tuple[dict[str, Any], list[str]]:
    """Return the given fields, times read, and what is wrong with them."""
    fields: dict[str, Any] = {}
    problems: list[str] = []
    for item in RESCHEDULE_EXAM_SESSION.keywords:
        text = options[f"field_{item.keyword}"]
        if text is None:
            continue
        try:
            is_time = item.format == "date-time"
            fields[item.keyword] = (
                read_time(text, default_zone, day_first=day_first) if is_time else item.from_text(text)
            )
        except ValueError as error:
            problems.append(f"{_ALIASES.get(item.name, _option(item))}: {error}")
    return fields, problems


def _checked(
    client: clients.SmarterProctoring, sids: dict[str, str], fields: dict[str, Any], problems: list[str]
) -> clients.DryRun:
    """Return the request; raise one error of all problems, those of reading the times included."""
    request, found = None, [Problem("", "time", problem) for problem in problems]
    try:
        request = client.dry_run_reschedule(*sids.values(), **fields)
    except errors.ValidationError as error:
        found += error.problems
    if request is not None and not found:
        return request
    raise errors.ValidationError(f"{'; '.join(map(str, found))}. Nothing was sent.", problems=tuple(found))


def _client(options: dict[str, Any], *, dry_run: bool = False) -> clients.SmarterProctoring:
    settings: dict[str, Any] = {
        name: options[name] for name in ("base_url", "timeout", "deadline", "retries") if options.get(name) is not None
    }
    settings |= {"allow_http": True} if options["allow_http"] else {}
    settings |= {"retry_ambiguous": False} if options.get("no_replay") else {}
    return clients.SmarterProctoring.from_env(**{**_token(options, dry_run), **settings})


def _token(options: dict[str, Any], dry_run: bool) -> dict[str, Any]:
    if options["token_file"]:
        return {"token": Path(options["token_file"]).read_text}
    if variable("TOKEN") or variable("TOKEN_FILE"):
        return {}
    if dry_run:
        return {"token": "not-needed-for-a-dry-run"}
    if sys.stdin.isatty():
        return {"token": click.prompt("Token", hide_input=True, err=True)}
    raise errors.ConfigurationError(
        f"no token: set {PREFIX}TOKEN or {PREFIX}TOKEN_FILE, pass --token-file, or run in a terminal to be asked"
    )


def _fail(error: Exception, sids: dict[str, str], *, as_json: bool) -> NoReturn:
    """Say what happened and end with the code for it."""
    code = exit_code(error) if isinstance(error, errors.SmarterProctoringError) else _BAD_INPUT
    maybe = getattr(error, "maybe_applied", False)
    if as_json:
        names = ("status", "code", "api_message", "request_id", "retry_after", "attempts", "replays")
        facts = {name: getattr(error, name, None) for name in names}
        outcome = {"outcome": "unknown" if maybe else "not moved", "error": type(error).__name__, "message": str(error)}
        click.echo(json.dumps({**outcome, "maybe_applied": maybe, **sids, **facts, "exit_code": code}))
    else:
        color = "yellow" if maybe else "red"
        problems: Iterable[object] = getattr(error, "problems", ()) or (error,)
        for problem in problems:
            click.secho(f"error: {problem}", fg=color, err=True)
        request_id = getattr(error, "request_id", None)
        if request_id:
            click.echo(f"request id: {request_id}", err=True)
        click.echo(f"({EXIT_CODES[code]}; exit code {code})", err=True)
    sys.exit(code)


def _show_dry_run(request: clients.DryRun, *, as_json: bool) -> None:
    body = json.loads(request.content)
    if as_json:
        click.echo(json.dumps({"outcome": "dry run", **request._asdict(), "content": None, "body": body}))
        return
    click.secho("dry run: nothing was sent", fg="yellow", bold=True)
    click.echo(f"{request.method} {request.url}")
    for name, value in request.headers.items():
        click.echo(f"{name}: {value}")
    click.echo("\n" + json.dumps(body, indent=2, ensure_ascii=False))


def _sent(body: dict[str, Any]) -> list[Field]:
    return [item for item in RESCHEDULE_EXAM_SESSION.fields if item.name in body]


def _shown(item: Field, body: dict[str, Any], default_zone: tzinfo | None) -> str:
    if item.format != "date-time":
        return str(body[item.name])
    moment = datetime.fromisoformat(body[item.name])
    local = f" ({moment.astimezone(default_zone):%a %d %b %Y %H:%M %Z})" if default_zone else ""
    return f"{moment.astimezone(UTC):%a %d %b %Y %H:%M} UTC{local}"


def _table(rows: list[tuple[str, Any]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"  {name:<{width}}  {value}")


@main.command(epilog=_EPILOG)
@_connection_options
def doctor(**options: Any) -> None:
    """Check settings, the token's shape and expiry, and reachability; changes nothing and sends no token."""
    base_url = options["base_url"] or variable("BASE_URL") or SERVERS[0]
    checks = [_check_settings(options, base_url), _check_token(options), _check_reachable(base_url)]
    if options["as_json"]:
        click.echo(json.dumps([{"check": name, "ok": not code, "text": text} for name, code, text in checks]))
    else:
        for name, code, text in checks:
            click.secho(f"{'FAIL' if code else 'ok':<5}", fg="red" if code else "green", nl=False)
            click.echo(f"{name:<11}{text}")
    sys.exit(next((code for _, code, _ in checks if code), 0))


def _check_settings(options: dict[str, Any], base_url: str) -> tuple[str, int, str]:
    try:
        check_base_url(base_url, allow_http=options["allow_http"])
        settings = {**options, "token_file": None, "base_url": base_url}
        with _client(settings, dry_run=True) as client:
            return "settings", 0, repr(client).strip("<>")
    except errors.ConfigurationError as error:
        # The token has a check of its own.
        others = [problem for problem in error.problems if problem.field != "token"]
        return "settings", _BAD_INPUT if others else 0, "; ".join(map(str, others)) or base_url


def _check_token(options: dict[str, Any]) -> tuple[str, int, str]:
    try:
        given = _token(options, dry_run=False).get("token") or settings_from_env()["token"]
        secret = Secret(given() if callable(given) else given)
    except (errors.ConfigurationError, OSError, UnicodeDecodeError) as error:
        text = error.message if isinstance(error, errors.ConfigurationError) else "the token file cannot be read"
        return "token", _AUTH, text
    if secret.problem:
        return "token", _AUTH, secret.problem
    expires = secret.expires_at()
    if expires is None:
        return "token", 0, "well-formed; it is no JWT with an expiry, so when it ends is not known"
    state = "expired" if expires <= datetime.now(UTC) else "well-formed JWT, expires"
    return "token", _AUTH if state == "expired" else 0, f"{state} at {expires:%Y-%m-%d %H:%M} UTC (unverified)"


def _check_reachable(base_url: str) -> tuple[str, int, str]:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "network", _BAD_INPUT, "not checked: the base URL is no http or https URL"
    request = urllib.request.Request(base_url, method="HEAD")  # noqa: S310 - the scheme is checked above
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return "network", _NOT_APPLIED, f"{parts.hostname} cannot be reached: {reason}"
    return "network", 0, f"{parts.hostname} answers (HTTP {status} without a token)"


@main.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def mock(arguments: tuple[str, ...]) -> None:
    """Run the mock server until Ctrl-C; its URL is the first line. `mock --help` lists its options."""
    try:
        from smarterproctoring_mock import server  # noqa: PLC0415 - an extra, and the one door to the mock server
    except ImportError as error:
        raise click.ClickException(
            f"{error.name} is missing; install the mock server with: pip install 'smarterproctoring-client[mock]'"
        ) from None
    sys.exit(server.main(list(arguments)))


@main.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bulk(arguments: tuple[str, ...]) -> None:
    """Move many sessions from one list, so that none is lost. `bulk --help` lists its commands."""
    try:
        from smarterproctoring_bulk import cli as bulk_cli  # noqa: PLC0415 - an extra, and the one door to it
    except ImportError as error:
        raise click.ClickException(
            f"{error.name} is missing; install it with: pip install 'smarterproctoring-client[bulk]'"
        ) from None
    bulk_cli.main(list(arguments), prog_name="smarterproctoring bulk")


if __name__ == "__main__":
    main()
