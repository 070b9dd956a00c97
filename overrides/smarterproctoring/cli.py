"""The command line: `smarterproctoring reschedule`, `doctor`, and the commands of other distributions.

It uses the public client like any user, and finds the others by entry points (`smarterproctoring.commands` says how).
"""

from __future__ import annotations

import errno
import getpass
import http.client
import json
import sys
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, NotRequired, TypedDict, TypeVar, cast
from urllib.parse import urlsplit

try:
    import click

    from smarterproctoring import terminal
    from smarterproctoring.durations import read_duration
    from smarterproctoring.times import TimeError, limit_problem, read_time
    from smarterproctoring.zones import ZoneError, zone
except ImportError as missing:
    sys.exit(
        f"error: {missing.name} is missing; install the command line with: "
        "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[cli]'"
    )

from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION, SERVERS
from smarterproctoring_generated.operations import VERSION as API_VERSION
from smarterproctoring_generated.records import Field

from smarterproctoring import client as clients
from smarterproctoring import errors
from smarterproctoring._version import VERSION
from smarterproctoring.credentials import Secret
from smarterproctoring.problems import Problem
from smarterproctoring.rules import Item, item_from_text, keyword_items
from smarterproctoring.settings import (
    PLAIN_HTTP,
    PREFIX,
    base_url_problem,
    read_environment,
    variable,
)
from smarterproctoring.terminal import echo, echo_json
from smarterproctoring.token_file import TokenFile

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
    130: "interrupted; the change was not applied",
}
_BAD_INPUT = 2
_AUTH = 3
_NOT_FOUND = 4
_REFUSED = 5
_RATE_LIMIT = 6
_NOT_APPLIED = 7
_MAYBE_APPLIED = 8
_INTERRUPTED = 130
_KEYWORDS = keyword_items(RESCHEDULE_EXAM_SESSION)
_ALIASES = {"appointmentStartDateTime": "--start", "appointmentEndDateTime": "--end"}
_START = "appointment_start_date_time"
_END = "appointment_end_date_time"
_SETTINGS = ("base_url", "timeout", "deadline", "retries")
"""The settings other than the token that an option or an environment variable gives."""
_FIELDS_LIMIT = 1024 * 1024
"""Bytes of the file of `--fields` that are read."""
_GROUP = "smarterproctoring.commands"
_OUTSIDE = {
    "bulk": "Move many sessions from one list; every row gets one outcome. `bulk --help` lists its commands.",
    "mock": "Run the mock server until Ctrl-C; its URL is the first line. `mock --help` lists its options.",
}
"""Commands that come with extras, and what `--help` says of them."""
_NOTHING_SENT = "interrupted; nothing was sent"
_EPILOG = "\b\nExit codes:\n" + "\n".join(
    f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items()
)


class _Connecting(TypedDict):
    """The options of every command that needs the API, by the names that click gives them."""

    base_url: str | None
    allow_http: bool
    token_file: str | None
    timeout: float | None
    deadline: float | None
    retries: int | None
    as_json: bool
    no_replay: NotRequired[bool]


class _Options(_Connecting):
    """The options of `reschedule`, but for those of the fields."""

    duration: str | None
    fields_file: str | None
    zone_name: str | None
    day_first: bool | None
    allow_past: bool
    allow_far: bool
    dry_run: bool


CommandT = TypeVar("CommandT", bound=Callable[..., object])


def exit_code(error: Exception) -> int:
    """Name the exit code of an error."""
    if isinstance(error, errors.SmarterProctoringError) and error.maybe_applied:
        return _MAYBE_APPLIED
    for kinds, code in (
        ((errors.InterruptedCallError,), _INTERRUPTED),
        ((errors.ValidationError, errors.ConfigurationError), _BAD_INPUT),
        ((errors.AuthenticationError, errors.PermissionDeniedError), _AUTH),
        ((errors.NotFoundError,), _NOT_FOUND),
        ((errors.RateLimitError,), _RATE_LIMIT),
        ((errors.ServerError, errors.APIConnectionError), _NOT_APPLIED),
        ((errors.HookError,), _BAD_INPUT),
        ((errors.APIStatusError,), _REFUSED),
    ):
        if isinstance(error, kinds):
            return code
    return 1


def now() -> datetime:
    """Return the current time, against which times are checked."""
    return datetime.now(UTC)


class _CommandLine(click.Group):
    """The whole command line: whatever happens, the output is safe to print and the exit code is one of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, also those of distributions that may not be installed."""
        return sorted(
            {*super().list_commands(ctx), *_OUTSIDE, *entry_points(group=_GROUP).names}
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or (
            cmd_name not in _OUTSIDE
            and cmd_name not in entry_points(group=_GROUP).names
        ):
            return own
        return _outside(cmd_name)

    def main(self, *arguments: Any, **extra: Any) -> Any:
        """Run a command and end the process."""
        terminal.prepare()
        given = extra.pop("args", arguments[0] if arguments else None)
        words = list(sys.argv[1:] if given is None else given)
        as_json = words[:1] in (["reschedule"], ["doctor"]) and "--json" in words
        try:
            returned = super().main(
                words, *arguments[1:], **{**extra, "standalone_mode": False}
            )
            code = returned if isinstance(returned, int) else 0
        except click.ClickException as error:
            code = error.exit_code
            _show_early(
                error, error.format_message(), code
            ) if as_json else error.show()
        except (KeyboardInterrupt, click.Abort):
            code = _INTERRUPTED
            if as_json:
                _show_early(
                    errors.InterruptedCallError(_NOTHING_SENT), _NOTHING_SENT, code
                )
            else:
                echo(_NOTHING_SENT, err=True)
        except Exception as error:
            if (
                isinstance(error, OSError)
                and error.errno == errno.ENOSPC
                and not as_json
            ):
                sys.exit(f"error: cannot write: {error.strerror}")
            if not as_json:
                raise
            code = 1
            _show_early(error, f"unexpected failure: {type(error).__name__}", code)
            traceback.print_exc()
        sys.exit(code)


def _show_early(error: Exception, message: str, code: int) -> None:
    """Print what ended a command that had not come to its own output, as JSON."""
    kind = type(error).__name__
    echo_json(
        {
            "outcome": "not moved",
            "error": kind,
            "message": message,
            "maybe_applied": False,
            "exit_code": code,
        }
    )


@click.group(
    cls=_CommandLine,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(
    VERSION,
    prog_name="smarterproctoring",
    message=f"%(prog)s, version %(version)s (API {API_VERSION})",
)
@click.pass_context
def main(context: click.Context) -> None:
    """Move proctored exam sessions.

    The token comes from SMARTERPROCTORING_TOKEN, from the file that SMARTERPROCTORING_TOKEN_FILE or --token-file
    names, or from a prompt; never from an argument, which every user of the machine could see.
    """
    context.color = terminal.colors()


def _connection_options(command: CommandT) -> CommandT:
    for option in (
        click.option(
            "--base-url",
            help=f"Where the API is.  [default: ${PREFIX}BASE_URL, or {SERVERS[0]}]",
        ),
        click.option(
            "--allow-http",
            is_flag=True,
            help="Allow plain http to another machine; it shows the token.",
        ),
        click.option("--token-file", help="File that holds the token."),
        click.option(
            "--timeout", type=float, help="Seconds for each phase of an attempt."
        ),
        click.option(
            "--deadline",
            type=float,
            help="Seconds for all attempts together.  [default: 60]",
        ),
        click.option(
            "--retries",
            type=int,
            help="How often a failed attempt is repeated.  [default: 2]",
        ),
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="Print one JSON object, also for errors.",
        ),
    ):
        command = option(command)
    return command


def _option(item: Item) -> str:
    """Name the option of a keyword; one that the command has already gets `field-` in front."""
    name = item.keyword.replace("_", "-")
    return f"--field-{name}" if name in _OWN_OPTIONS else f"--{name}"


_OWN_OPTIONS = {
    "start",
    "end",
    "duration",
    "fields",
    "allow-past",
    "allow-far",
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


def _field_options(command: CommandT) -> CommandT:
    """Add an option for every keyword of the method, so that a field added to the spec is an option by itself."""
    for item in reversed(_KEYWORDS):
        names = [_option(item), f"field_{item.keyword}"]
        if item.name in _ALIASES:
            names.insert(0, _ALIASES[item.name])
        kind = (
            click.Choice([str(value) for value in item.allowed])
            if item.allowed
            else click.STRING
        )
        command = click.option(
            *names, type=kind, metavar=_metavar(item), help=item.description
        )(command)
    return command


def _metavar(item: Item) -> str | None:
    """Return what is written for an option's value."""
    if item.format == "date-time":
        return "TIME"
    return None if item.allowed else _METAVARS.get(item.type or "")


_METAVARS = {
    "integer": "INTEGER",
    "number": "NUMBER",
    "boolean": "true|false",
    "array": "JSON",
    "object": "JSON",
}
"""Convert text to the type of a value that is not text. The spec's rules refuse text that is not of that type."""


def _option_of(item: Item) -> str:
    return _ALIASES.get(item.name, _option(item))


_USER_NAMES = {
    **{item.keyword: _option_of(item) for item in _KEYWORDS},
    **{
        item.keyword: item.keyword.upper()
        for item in RESCHEDULE_EXAM_SESSION.parameters
    },
}
"""What the user of the command line calls the arguments of the Python method."""


def _named(problem: Problem) -> Problem:
    """Call what a problem is about by the user's name."""
    if problem.code == "order" and problem.field == _END:
        problem = problem._replace(text=f"must be after {_USER_NAMES[_START]}")
    return problem._replace(name=_USER_NAMES.get(problem.field, problem.name))


@main.command(epilog=_EPILOG)
@click.argument("install_sid")
@click.argument("exam_sid")
@click.argument("session_sid")
@_field_options
@click.option(
    "--duration",
    metavar="LENGTH",
    help="In place of --end: the length after --start, such as 2h or 1h30m.",
)
@click.option(
    "--fields",
    "fields_file",
    metavar="FILE|-",
    help="Read more fields from a JSON object; - is stdin.",
)
@click.option(
    "--timezone",
    "zone_name",
    help="IANA zone of times that name none, for instance America/New_York.",
)
@click.option(
    "--day-first/--month-first",
    default=None,
    help="How to read 03/04/2030; without it, it is refused.",
)
@click.option("--allow-past", is_flag=True, help="Accept times in the past.")
@click.option(
    "--allow-far", is_flag=True, help="Accept times more than two years ahead."
)
@click.option(
    "--no-replay",
    is_flag=True,
    help="Never repeat an attempt that may have been applied.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check everything and show the request; send nothing.",
)
@_connection_options
def reschedule(install_sid: str, exam_sid: str, session_sid: str, **given: Any) -> None:
    """Move one exam session.

    \b
    TIME is what people write, for instance "2027-05-04 09:00" (with --timezone),
    "4 May 2027 9am -04:00" or 2027-05-04T13:00:00Z. docs/reference/times.md lists every form.

    With --start alone the end stays as it is on the service, so the session gets longer or shorter: give --end or
    --duration, too.

    Names, notes and other personal data can be seen by other users of the machine if they are arguments;
    --fields keeps them out of the list of processes and of the shell's history.
    """  # noqa: D301 - click's mark for "do not rewrap" is a real backspace
    options = cast("_Options", given)
    texts = {item.keyword: given[f"field_{item.keyword}"] for item in _KEYWORDS}
    calling = False
    sids = {
        "install_sid": install_sid,
        "exam_sid": exam_sid,
        "session_sid": session_sid,
    }
    try:
        change = _read_change(
            options, {name: text for name, text in texts.items() if text is not None}
        )
        with _client(options, dry_run=options["dry_run"]) as client:
            request = _checked(client, sids, change)
            if not options["as_json"]:
                _note_what_stays(change.fields)
            if options["dry_run"]:
                _show_dry_run(request, as_json=options["as_json"])
                return
            calling = True
            result = client.reschedule(*sids.values(), **change.fields)
    except (errors.SmarterProctoringError, ValueError) as error:
        _fail(error, sids, as_json=options["as_json"])
    except KeyboardInterrupt as interrupt:
        _fail(
            errors.what_is_known(interrupt) or _interrupted(calling=calling),
            sids,
            as_json=options["as_json"],
        )
    if options["as_json"]:
        facts = {**result._asdict(), "elapsed": round(result.elapsed, 3)}
        echo_json({"outcome": "moved", **sids, **facts, "exit_code": 0})
        return
    echo(f"moved {session_sid}", color="green", bold=True)
    body: dict[str, object] = json.loads(request.content)
    rows = [
        (item.keyword.replace("_", " "), _shown(item, body, change.zone))
        for item in _sent(body)
    ]
    rows.append(("server said", _as_text(result.data)))
    rows.append(
        (
            "attempts",
            f"{result.attempts} in {result.elapsed:.2f} s" + _replayed(result.replays),
        )
    )
    if result.request_id:
        rows.append(("request id", result.request_id))
    _table(rows)


def _interrupted(*, calling: bool) -> errors.InterruptedCallError:
    """Build the error for a Ctrl-C before the call began or just after its answer came."""
    if not calling:
        return errors.InterruptedCallError(_NOTHING_SENT)
    text = f"interrupted. {errors.what_became_of_the_change(maybe_applied=True)}"
    return errors.InterruptedCallError(text, maybe_applied=True)


def _as_text(data: object) -> str:
    return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)


def _replayed(replays: int) -> str:
    return (
        f", {replays} of them after one that may have been applied" if replays else ""
    )


# -- what is to be changed --------------------------------------------------------------------------------------------


@dataclass
class _Change:
    """The change that the user requested, as far as it could be read.

    Attributes:
        fields: The fields by keyword, times as datetimes.
        zone: The zone of `--timezone`.
        problems: What could not be read.
    """

    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    zone: tzinfo | None = None
    problems: list[Problem] = field(default_factory=list[Problem])

    def add(self, option: str, text: str) -> None:
        """Note what is wrong with an option."""
        self.problems.append(Problem("", "value", text, f"{option}:"))


def _read_change(options: _Options, texts: dict[str, str]) -> _Change:
    """Read all fields; collect what is wrong with them.

    Args:
        options: The options of the command.
        texts: What is given of the fields, by keyword; those of a file are added.
    """
    change = _Change()
    if options["zone_name"] is not None:
        try:
            change.zone = zone(options["zone_name"])
        except ZoneError as error:
            change.add("--timezone", error.reason)
    if options["fields_file"] is not None:
        _add_fields(options["fields_file"], texts, change)
    for item in _KEYWORDS:
        if item.keyword in texts and item.format == "date-time":
            _read_moment(item, texts[item.keyword], options, change)
        elif item.keyword in texts:
            change.fields[item.keyword] = item_from_text(item, texts[item.keyword])
    if options["duration"] is not None:
        _add_duration(options["duration"], texts, options, change)
    if not change.fields and not change.problems:
        change.problems.append(
            Problem(
                "",
                "empty",
                "nothing to change: give at least one field, such as --start",
            )
        )
    return change


def _read_moment(item: Item, text: str, options: _Options, change: _Change) -> None:
    # After a wrong zone, the check goes on in UTC to find other problems.
    default_zone = (
        UTC if change.zone is None and options["zone_name"] is not None else change.zone
    )
    try:
        moment = read_time(text, default_zone, day_first=options["day_first"])
    except TimeError as error:
        change.add(_option_of(item), str(error))
        return
    change.fields[item.keyword] = moment
    _check_limits(_option_of(item), repr(text), moment, options, change)


def _check_limits(
    option: str, what: str, moment: datetime, options: _Options, change: _Change
) -> None:
    problem = limit_problem(
        moment, now(), allow_past=options["allow_past"], allow_far=options["allow_far"]
    )
    if problem is not None:
        change.add(option, f"{what} {problem}")


def _add_duration(
    text: str, texts: dict[str, str], options: _Options, change: _Change
) -> None:
    """Compute the end from the start."""
    if _END in texts:
        change.add("--duration", "contradicts --end; give one of them")
        return
    if _START not in texts:
        change.add("--duration", "needs --start, after which it begins")
        return
    try:
        length = read_duration(text)
    except ValueError as error:
        change.add("--duration", str(error))
        return
    start = change.fields.get(_START)
    if isinstance(start, datetime):
        # In UTC: hours are exact, whatever the clocks do in between.
        change.fields[_END] = start.astimezone(UTC) + length
        _check_limits(
            "--duration",
            f"the end, {text!r} after the start,",
            change.fields[_END],
            options,
            change,
        )


def _add_fields(name: str, texts: dict[str, str], change: _Change) -> None:
    """Add the fields of a file, or of standard input."""
    keywords = {item.name: item.keyword for item in RESCHEDULE_EXAM_SESSION.fields}
    try:
        pairs = _read_fields_file(name)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        change.add(f"--fields {name}", str(reason))
        return
    for key, value in pairs.items():
        keyword = keywords.get(key, key)
        if keyword not in keywords.values():
            change.add(
                f"--fields {name}",
                f"there is no field {key[:80]!r}; `reschedule --help` lists the names",
            )
        elif not isinstance(value, str):
            change.add(f"--fields {name}", f"{key} has to be text, in quotes")
        elif keyword in texts:
            change.add(f"--fields {name}", f"{key} is given twice; drop one")
        else:
            texts[keyword] = value


class _TwiceError(ValueError):
    """An object has a name twice."""


def _pairs_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of JSON; the last of two values must not win silently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


def _read_fields_file(name: str) -> dict[str, object]:
    """Return the JSON object of a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a JSON object; the message says so, and quotes nothing of it.
    """
    if name == "-":
        content = sys.stdin.buffer.read(_FIELDS_LIMIT + 1)
    else:
        with Path(name).open("rb") as stream:
            content = stream.read(_FIELDS_LIMIT + 1)
    if len(content) > _FIELDS_LIMIT:
        raise ValueError("more than 1 MiB; give one JSON object with the fields")
    try:
        value: object = json.loads(content, object_pairs_hook=_pairs_once)
    except _TwiceError:
        raise ValueError("a name is there twice; drop one") from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError(
            """not a JSON object; write for instance {"notes": "Moved by request"}"""
        )
    return value


def _note_what_stays(fields: Collection[str]) -> None:
    """Print a note that the other end of the session stays as it is on the service."""
    if (_START in fields) == (_END in fields):
        return
    moved = "start" if _START in fields else "end"
    stays = "end" if _START in fields else "start"
    options = "--end or --duration" if _START in fields else "--start"
    echo(
        f"note: only the {moved} is changed; the {stays} stays as it is on the service, so the session gets longer or "
        f"shorter. To change both, add {options}",
        err=True,
    )


def _checked(
    client: clients.SmarterProctoring, sids: dict[str, str], change: _Change
) -> clients.DryRun:
    """Return the request; raise one error of all problems, those of reading the fields included."""
    request = None
    found = list(change.problems)
    try:
        request = client.with_options(allow_empty=True).dry_run_reschedule(
            *sids.values(), **change.fields
        )
    except errors.ValidationError as error:
        found += [_named(problem) for problem in error.problems]
    if request is not None and not found:
        return request
    raise errors.ValidationError(
        f"{'; '.join(map(str, found))}. Nothing was sent.", problems=tuple(found)
    )


# -- settings ---------------------------------------------------------------------------------------------------------


def _settings(options: _Connecting) -> dict[str, Any]:
    """Return the settings that the options give, by keyword."""
    given = {
        "base_url": options["base_url"],
        "timeout": options["timeout"],
        "deadline": options["deadline"],
        "retries": options["retries"],
        "allow_http": options["allow_http"] or None,
        "retry_ambiguous": False if options.get("no_replay") else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _user_problems(
    error: errors.ConfigurationError, options: _Connecting
) -> list[Problem]:
    """Return what is wrong with the settings, each by its option if that was given, else by its variable."""
    return [_user_problem(problem, options) for problem in error.problems]


def _user_problem(problem: Problem, options: _Connecting) -> Problem:
    if problem.field in _settings(options):
        problem = problem._replace(name=f"--{problem.field.replace('_', '-')}")
    if problem.code == PLAIN_HTTP:
        problem = problem._replace(
            text="is plain http, which shows the token: use https, or add --allow-http"
        )
    return problem


def _client(options: _Connecting, *, dry_run: bool) -> clients.SmarterProctoring:
    settings: dict[str, Any] = {**_token(options, dry_run), **_settings(options)}
    try:
        return clients.SmarterProctoring.from_env(**settings)
    except errors.ConfigurationError as error:
        problems = _user_problems(error, options)
    raise errors.wrong_settings(problems)


def _token(options: _Connecting, dry_run: bool) -> dict[str, Any]:
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
        return ""  # the client says that it is missing


# -- what happened ----------------------------------------------------------------------------------------------------


def _fail(error: Exception, sids: dict[str, str], *, as_json: bool) -> NoReturn:
    """Print what happened and exit with its code."""
    known = (
        error
        if isinstance(error, errors.SmarterProctoringError)
        else errors.ValidationError(str(error))
    )
    code = exit_code(known)
    problems = [str(problem) for problem in _problems(known)] or [str(error)]
    if as_json:
        facts = {
            "outcome": "unknown" if known.maybe_applied else "not moved",
            "error": type(error).__name__,
            "message": str(error),
            "problems": problems,
            "maybe_applied": known.maybe_applied,
            **sids,
            "status": known.status,
            "code": known.code,
            "api_message": known.api_message,
            "request_id": known.request_id,
            "retry_after": known.retry_after,
            "attempts": known.attempts,
            "replays": known.replays,
        }
        echo_json({**facts, "exit_code": code})
    else:
        color = "yellow" if known.maybe_applied else "red"
        for problem in problems:
            echo(f"error: {problem}", color=color, err=True)
        if known.request_id:
            echo(f"request id: {known.request_id}", err=True)
        echo(f"({EXIT_CODES[code]}; exit code {code})", err=True)
    sys.exit(code)


def _problems(error: errors.SmarterProctoringError) -> tuple[Problem, ...]:
    """Return all problems with the input; an empty list if something else failed."""
    if isinstance(error, errors.ValidationError | errors.ConfigurationError):
        return error.problems
    return ()


def _show_dry_run(request: clients.DryRun, *, as_json: bool) -> None:
    body = json.loads(request.content)
    if as_json:
        echo_json(
            {
                "outcome": "dry run",
                **request._asdict(),
                "content": None,
                "body": body,
                "exit_code": 0,
            }
        )
        return
    echo("dry run: nothing was sent", color="yellow", bold=True)
    echo(f"{request.method} {request.url}")
    for name, value in request.headers.items():
        echo(f"{name}: {value}")
    echo()
    for line in json.dumps(body, indent=2, ensure_ascii=False).split("\n"):
        echo(line)


def _sent(body: Mapping[str, object]) -> list[Field]:
    return [item for item in RESCHEDULE_EXAM_SESSION.fields if item.name in body]


def _shown(item: Field, body: Mapping[str, object], default_zone: tzinfo | None) -> str:
    if item.format != "date-time":
        return str(body[item.name])
    moment = datetime.fromisoformat(str(body[item.name]))
    local = (
        f" ({moment.astimezone(default_zone):%a %d %b %Y %H:%M %Z})"
        if default_zone
        else ""
    )
    return f"{moment.astimezone(UTC):%a %d %b %Y %H:%M} UTC{local}"


def _table(rows: Iterable[tuple[str, object]]) -> None:
    pairs = list(rows)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        echo(f"  {name:<{width}}  {value}")


# -- doctor -----------------------------------------------------------------------------------------------------------


class _Check(NamedTuple):
    """The result of one check; `code` is 0 if all is well."""

    name: str
    code: int
    text: str


@main.command(epilog=_EPILOG)
@_connection_options
def doctor(**given: Any) -> None:
    """Check settings, the token's shape and expiry, and reachability; changes nothing and sends no token."""
    options = cast("_Connecting", given)
    checks = [
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


def _check_settings(options: _Connecting) -> _Check:
    """Check all settings but the token, which is the next check's."""
    settings: dict[str, Any] = {**_settings(options), "token": "checked-later"}
    try:
        with clients.SmarterProctoring.from_env(**settings) as client:
            return _Check("settings", 0, repr(client).strip("<>"))
    except errors.ConfigurationError as error:
        return _Check(
            "settings", _BAD_INPUT, "; ".join(map(str, _user_problems(error, options)))
        )


def _check_token(options: _Connecting) -> _Check:
    try:
        given = (
            _token(options, dry_run=False).get("token")
            or read_environment(_SETTINGS).values["token"]
        )
        secret = Secret(given() if callable(given) else given)
    except errors.ConfigurationError as error:
        return _Check("token", _AUTH, error.message)
    if secret.problem:
        return _Check("token", _AUTH, f"the token {secret.problem}")
    expires = secret.expires_at()
    if expires is None:
        return _Check(
            "token",
            0,
            "well-formed; it is not a JWT with an expiry, so when it ends is not known",
        )
    expired = expires <= now()
    state = "expired" if expired else "well-formed JWT, expires"
    return _Check(
        "token",
        _AUTH if expired else 0,
        f"{state} at {expires:%Y-%m-%d %H:%M} UTC (unverified)",
    )


def _proxies() -> urllib.request.ProxyHandler:
    """Return the proxies of the environment; urllib does not look at ALL_PROXY by itself, the client does."""
    proxies = urllib.request.getproxies()
    everywhere = proxies.get("all")
    if everywhere:
        proxies = {"http": everywhere, "https": everywhere, **proxies}
    return urllib.request.ProxyHandler(proxies)


def _check_reachable(options: _Connecting) -> _Check:
    base_url = options["base_url"] or variable("BASE_URL") or SERVERS[0]
    if base_url_problem(base_url, allow_http=options["allow_http"]) is not None:
        return _Check("network", _BAD_INPUT, "not checked: the base URL is not valid")
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
            _BAD_INPUT,
            "not checked: the proxy of the environment is not valid",
        )
    except http.client.HTTPException as error:
        return _Check(
            "network",
            _NOT_APPLIED,
            f"{host} answers, but not in HTTP ({type(error).__name__})",
        )
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return _Check("network", _NOT_APPLIED, f"{host} cannot be reached: {reason}")
    return _Check("network", 0, f"{host} answers (HTTP {status} without a token)")


# -- commands of other distributions -----------------------------------------------------------------------------------


def _outside(name: str) -> click.Command:
    """Make the command of another distribution; it gets its arguments as they stand."""

    @click.command(
        name,
        help=_OUTSIDE.get(name, f"See `{name} --help`."),
        context_settings={
            "ignore_unknown_options": True,
            "allow_extra_args": True,
            "help_option_names": [],
        },
        add_help_option=False,
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        sys.exit(_load(name)(list(arguments)))

    return command


def _load(name: str) -> Callable[[list[str]], int]:
    """Import the function of a command.

    Raises:
        click.ClickException: Nothing that is installed provides it, or something that it needs is missing.
    """
    how = f"pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[{name}]'"
    found = [*entry_points(group=_GROUP, name=name)]
    if not found:
        raise click.ClickException(
            f"the command {name} is not installed; install it with: {how}"
        )
    try:
        loaded: Callable[[list[str]], int] = found[0].load()
    except ImportError as error:
        raise click.ClickException(
            f"{error.name} is missing; install {name} with: {how}"
        ) from None
    return loaded


if __name__ == "__main__":
    main()
