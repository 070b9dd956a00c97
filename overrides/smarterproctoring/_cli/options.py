"""The options of the commands. Those of the fields come from the record of the operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NotRequired, TypedDict, TypeVar

import click
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION, SERVERS

from smarterproctoring.problems import Problem
from smarterproctoring.profiles import Profile
from smarterproctoring.rules import Item, keyword_items, path_parameters
from smarterproctoring.settings import PREFIX

START: Final = "appointment_start_date_time"
END: Final = "appointment_end_date_time"
INSTALL: Final = "install_sid"
KEYWORDS: Final = keyword_items(RESCHEDULE_EXAM_SESSION)
"""What `reschedule` and `check` take besides the SIDs."""
CommandT = TypeVar("CommandT", bound=Callable[..., object])
Option = Callable[[CommandT], CommandT]


class Connecting(TypedDict):
    """The options of every command that needs the API, by the names that click gives them."""

    profile: str | None
    base_url: str | None
    allow_http: bool
    token_file: str | None
    timeout: float | None
    deadline: float | None
    retries: int | None
    as_json: bool
    chosen: NotRequired[Profile]
    install_sid: NotRequired[str | None]
    zone_name: NotRequired[str | None]
    no_replay: NotRequired[bool]
    no_read_back: NotRequired[bool]


class Asking(Connecting):
    """The options of `reschedule` and `check`, except those of the fields."""

    duration: str | None
    fields_file: str | None
    day_first: bool | None


class Rescheduling(Asking):
    """The options of `reschedule`, except those of the fields."""

    allow_past: bool
    allow_far: bool
    allow_long: bool
    before: bool
    keep_duration: bool
    dry_run: bool


class Checking(Asking):
    """The options of `check`, except those of the fields."""

    show_all: bool


class Showing(Connecting):
    """The options of `show`."""

    show_all: bool


OWN_OPTIONS: Final = {
    "start",
    "end",
    "duration",
    "keep-duration",
    "fields",
    "allow-past",
    "allow-far",
    "allow-long",
    "timezone",
    "day-first",
    "month-first",
    "no-replay",
    "no-read-back",
    "before",
    "dry-run",
    "all",
    "profile",
    "install-sid",
    "base-url",
    "allow-http",
    "token-file",
    "timeout",
    "deadline",
    "retries",
    "json",
    "help",
}
"""The options that do not come from the spec; a field of such a name gets `field-` in front."""
_ALIASES: Final = {
    "appointmentStartDateTime": "--start",
    "appointmentEndDateTime": "--end",
}
_METAVARS: Final = {
    "integer": "INTEGER",
    "number": "NUMBER",
    "boolean": "true|false",
    "array": "JSON",
    "object": "JSON",
}
"""How a help text names the value of an option, by the type of the field, if that is not text."""


# -- the arguments and the fields -------------------------------------------------------------------------------------


SID_NAMES: Final = [item.keyword for item in path_parameters(RESCHEDULE_EXAM_SESSION)]


def sid_arguments(command: CommandT) -> CommandT:
    """Add the SIDs of the path; the install may be given in other ways."""
    shown = " ".join(
        f"[{name.upper()}]" if name == INSTALL else name.upper() for name in SID_NAMES
    )
    command = click.option(
        "--install-sid",
        help=f"The install, in place of the first argument.  [default: ${PREFIX}INSTALL_SID, or the profile's]",
    )(command)
    return click.argument("texts", nargs=-1, metavar=shown)(command)


def field_options(command: CommandT) -> CommandT:
    """Add an option for each keyword of the method, so that a field that is added to the spec gets its option."""
    for item in reversed(KEYWORDS):
        names = [_option(item), f"field_{item.keyword}"]
        if item.name in _ALIASES:
            names.insert(0, _ALIASES[item.name])
        kind = (
            click.Choice([str(value) for value in item.allowed])
            if item.allowed
            else click.STRING
        )
        option = click.option(
            *names, type=kind, metavar=_metavar(item), help=item.description
        )
        command = option(command)
    return command


def field_texts(given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the text of each field whose option was given, by keyword."""
    texts = {item.keyword: given[f"field_{item.keyword}"] for item in KEYWORDS}
    return {keyword: text for keyword, text in texts.items() if text is not None}


def _option(item: Item) -> str:
    """Return the option of a keyword; one whose name is taken gets `field-` in front."""
    name = item.keyword.replace("_", "-")
    return f"--field-{name}" if name in OWN_OPTIONS else f"--{name}"


def _metavar(item: Item) -> str | None:
    """Return what is shown for an option's value."""
    if item.format == "date-time":
        return "TIME"
    return None if item.allowed else _METAVARS.get(item.type or "")


def option_of(item: Item) -> str:
    """Return the option that a field is best known by."""
    return _ALIASES.get(item.name, _option(item))


USER_NAMES: Final = {
    **{item.keyword: option_of(item) for item in KEYWORDS},
    **{
        item.keyword: item.keyword.upper()
        for item in RESCHEDULE_EXAM_SESSION.parameters
    },
}
"""What the user of the command line calls the arguments of the Python method."""


def named(problem: Problem) -> Problem:
    """Return a problem with the user's name for what it is about."""
    if problem.code == "order" and problem.field == END:
        problem = problem._replace(text=f"must be after {USER_NAMES[START]}")
    return problem._replace(name=USER_NAMES.get(problem.field, problem.name))


# -- the other options ------------------------------------------------------------------------------------------------


def _all_of(options: Iterable[Option[CommandT]], command: CommandT) -> CommandT:
    for option in options:
        command = option(command)
    return command


def connection_options(command: CommandT) -> CommandT:
    """Add the options of every command that needs the API."""
    options: list[Option[CommandT]] = [
        click.option(
            "--profile",
            metavar="NAME",
            help=f"The profile of the settings' file.  [default: ${PREFIX}PROFILE, or default]",
        ),
        click.option(
            "--base-url",
            help=f"Where the API is.  [default: ${PREFIX}BASE_URL, the profile's, or {SERVERS[0]}]",
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
    ]
    return _all_of(options, command)


def time_options(command: CommandT) -> CommandT:
    """Add the options that say how times and fields are given."""
    options: list[Option[CommandT]] = [
        click.option(
            "--day-first/--month-first",
            default=None,
            help="How to read 03/04/2030; without it, it is refused.",
        ),
        click.option(
            "--timezone",
            "zone_name",
            help="IANA zone of times that name none, for instance America/New_York; times are shown in it, too.",
        ),
        click.option(
            "--fields",
            "fields_file",
            metavar="FILE|-",
            help="Read more fields from a JSON object; - is stdin.",
        ),
        click.option(
            "--duration",
            metavar="LENGTH",
            help="In place of --end: the length after --start, such as 2h or 1h30m.",
        ),
    ]
    return _all_of(options, command)


def all_option(command: CommandT) -> CommandT:
    """Add the option that shows what is secret or personal."""
    option = click.option(
        "--all", "show_all", is_flag=True, help="Show personal and secret values, too."
    )
    return option(command)
