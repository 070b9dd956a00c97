"""The options that the commands of bulk share, and the types of their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, TypeVar, get_args

import click

from smarterproctoring_bulk import journal as journals
from smarterproctoring_bulk import pacing
from smarterproctoring_bulk.jobs import Again, JobOptions
from smarterproctoring_bulk.rows import INSTALL, InputOptions
from smarterproctoring_bulk.tables import Format

Command = TypeVar("Command", bound=Callable[..., object])


LEASE = 60.0
"""Seconds of a lease unless `--lease` says."""


class InputArguments(TypedDict):
    """How to read a list."""

    mapped: tuple[str, ...]
    timezone: str | None
    timezone_column: str | None
    install_sid: str | None
    day_first: bool | None
    allow_past: bool
    allow_far: bool
    allow_long: bool
    shift: str | None
    sets: tuple[str, ...]
    common: tuple[str, ...]
    delimiter: str | None
    encoding: str | None
    file_format: Format | None
    sheet: str | None
    empty: tuple[str, ...]
    ignore_unknown: bool


class JobArguments(TypedDict):
    """How the rows of a list are to be sent."""

    rate: str | None
    lanes: int | None
    lease: float | None
    replay: bool | None
    record_before: bool | None
    again: tuple[Again, ...]
    supersede: bool
    strict: bool
    problems_file: str | None
    limit: int | None
    yes: bool


class ClientArguments(TypedDict):
    """Where the service is, and how to reach it."""

    profile: str | None
    base_url: str | None
    allow_http: bool
    token_file: str | None
    timeout: float | None
    patience: float


class ListArguments(InputArguments, ClientArguments):
    """How to read a list, and the profile and environment that say the rest."""


class JournalArguments(TypedDict):
    """Where the journal is."""

    journal: str | None


class ReportArguments(TypedDict):
    """Which reports to write."""

    reports: tuple[str, ...]


class WorkArguments(ClientArguments, JournalArguments):
    """What a command needs that sends rows."""


class SubmitArguments(InputArguments, JobArguments, ClientArguments, JournalArguments):
    """The options of `bulk submit`."""


class RunArguments(SubmitArguments, ReportArguments):
    """The options of `bulk run`."""

    dry_run: bool
    rest_file: str | None


class ResumeArguments(WorkArguments, ReportArguments):
    """The options of `bulk resume`."""

    again: bool


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Make one decorator of several options, in the order of the help text."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def check_reports(
    _context: click.Context, _option: click.Parameter, paths: tuple[str, ...]
) -> tuple[str, ...]:
    """Refuse a report of an unknown kind, before hours of work."""
    for path in map(Path, paths):
        if path.suffix.lower() not in (".csv", ".jsonl", ".html"):
            raise click.BadParameter(f"{path}: a report ends in .csv, .jsonl or .html")
    return paths


def journal_option(command: Command) -> Command:
    """Add `--journal`."""
    return click.option(
        "--journal",
        metavar="FILE|URL",
        help="The journal: a file, or postgresql://…  "
        f"[default: ${journals.VARIABLE}, or {journals.default_path()}]",
    )(command)


def input_options(command: Command) -> Command:
    """Add the options of `InputArguments`."""
    return _together(
        click.option(
            "--map", "mapped", multiple=True, metavar="COLUMN=NAME",
            help="What a column of the list means.",
        ),
        click.option(
            "--timezone",
            help="IANA zone of times that name none, for instance America/New_York.  "
            "[default: the profile's]",
        ),
        click.option("--timezone-column", help="The column that holds each row's zone."),
        click.option(
            "--install-sid",
            help="The install where the list names none, as --common install_sid=….  "
            "[default: $SMARTERPROCTORING_INSTALL_SID, or the profile's]",
        ),
        click.option(
            "--day-first/--month-first", default=None,
            help="How to read 03/04/2030; without it, it is refused.",
        ),
        click.option("--allow-past", is_flag=True, help="Accept times in the past."),
        click.option(
            "--allow-far", is_flag=True,
            help="Accept times more than two years ahead.",
        ),
        click.option(
            "--allow-long", is_flag=True,
            help="Accept an end more than 24 hours after its start.",
        ),
        click.option("--shift", help="Move every time of a row: +2d, -90m, +1d12h."),
        click.option(
            "--set", "sets", multiple=True, metavar="NAME=VALUE",
            help="Give a column this value in every row.",
        ),
        click.option(
            "--common", multiple=True, metavar="NAME=VALUE",
            help="The value where the list has none.",
        ),
        click.option(
            "--delimiter",
            help="What separates the columns.  [default: found by itself]",
        ),
        click.option(
            "--encoding", help="[default: what the byte order mark says, else UTF-8]"
        ),
        click.option(
            "--format", "file_format", type=click.Choice(get_args(Format)),
            help="[default: what the content says]",
        ),
        click.option(
            "--sheet",
            help="The sheet of a workbook.  [default: the only one that is visible and not empty]",
        ),
        click.option(
            "--empty", multiple=True, metavar="TEXT",
            help="A text that stands for an empty cell, such as NULL.",
        ),
        click.option(
            "--ignore-unknown", is_flag=True,
            help="Ignore unknown columns.",
        ),
    )(command)  # fmt: skip


def job_options(command: Command) -> Command:
    """Add the options of `JobArguments`."""
    return _together(
        click.option(
            "--rate", metavar="RATE",
            help="Limit over all workers: 20/s, 100/min, none.  [default: none]",
        ),
        click.option(
            "--lanes", type=click.IntRange(1, 1000),
            help="Chunks at the same time over all workers.  [default: from the rate]",
        ),
        click.option(
            "--lease", type=click.FloatRange(5, 3600),
            help="Seconds within which a dead host's work is taken over.  "
            f"[default: {LEASE:g}]",
        ),
        click.option(
            "--replay/--no-replay", default=None,
            help="Whether to repeat an attempt that may have been applied.  "
            "[default: --replay]",
        ),
        click.option(
            "--record-before/--no-record-before", default=None,
            help="Whether to read each session's times before it is moved, and to keep "
            "them for `bulk undo`: a second request a row.  [default: --no-record-before]",
        ),
        click.option(
            "--again", multiple=True, type=click.Choice(["done", "changed", "gave-up"]),
            help="Send rows that an earlier job has done, whose sessions another job "
            "changed since, or that gave up for good; can be repeated.",
        ),
        click.option(
            "--supersede", is_flag=True,
            help="Take over sessions that an unfinished job names; it leaves them alone.",
        ),
        click.option("--strict", is_flag=True, help="Send nothing if any row is wrong."),
        click.option(
            "--problems", "problems_file", type=click.Path(dir_okay=False),
            metavar="FILE", help="Write what is wrong with the list as CSV.",
        ),
        click.option(
            "--limit", type=click.IntRange(1), metavar="N",
            help="Move the first N sessions of the list, and stop: a trial.",
        ),
        click.option(
            "--yes", is_flag=True,
            help="Do not ask before sessions are moved; needed where there is no terminal.",
        ),
    )(command)  # fmt: skip


def client_options(command: Command) -> Command:
    """Add the options of `ClientArguments`."""
    return _together(
        click.option(
            "--profile", metavar="NAME",
            help="The profile of the settings' file: base URL and token; of a list also "
            "install and time zone.  "
            "[default: $SMARTERPROCTORING_PROFILE, or default]",
        ),
        click.option(
            "--base-url",
            help="Where the API is.  "
            "[default: $SMARTERPROCTORING_BASE_URL, the profile's, or production]",
        ),
        click.option(
            "--allow-http", is_flag=True,
            help="Allow plain http to another machine; it shows the token.",
        ),
        click.option(
            "--token-file", help="File of the token; read again for each attempt."
        ),
        click.option(
            "--timeout", type=float, help="Seconds for each phase of an attempt."
        ),
        click.option(
            "--patience", type=click.FloatRange(0), default=300.0, show_default=True,
            help="Seconds to wait for a service that is down before the job is paused.",
        ),
    )(command)  # fmt: skip


def report_option(command: Command) -> Command:
    """Add `--report`."""
    return click.option(
        "--report", "reports", multiple=True, type=click.Path(dir_okay=False),
        metavar="FILE", callback=check_reports,
        help="Write a report: .csv, .jsonl or .html; can be repeated.",
    )(command)  # fmt: skip


def _pairs(items: tuple[str, ...], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in items:
        name, mark, value = item.partition("=")
        if not mark:
            raise click.UsageError(f"{option} needs NAME=VALUE")
        pairs[name.strip()] = value
    return pairs


def input_of(arguments: InputArguments) -> InputOptions:
    """Return how a list is to be read.

    Raises:
        click.UsageError: An option is not of the form NAME=VALUE.
    """
    common = _pairs(arguments["common"], "--common")
    if arguments["install_sid"] is not None:
        common[INSTALL] = arguments["install_sid"]
    return InputOptions(
        map=_pairs(arguments["mapped"], "--map"),
        timezone=arguments["timezone"],
        timezone_column=arguments["timezone_column"],
        day_first=arguments["day_first"],
        shift=arguments["shift"],
        sets=_pairs(arguments["sets"], "--set"),
        common=common,
        delimiter=arguments["delimiter"],
        encoding=arguments["encoding"],
        format=arguments["file_format"],
        unknown="ignore" if arguments["ignore_unknown"] else "refuse",
        allow_past=arguments["allow_past"],
        allow_far=arguments["allow_far"],
        allow_long=arguments["allow_long"],
        sheet=arguments["sheet"],
        empty=arguments["empty"],
    )


def job_options_of(arguments: JobArguments) -> JobOptions:
    """Return the options of the job that were given.

    Raises:
        click.UsageError: The rate is not valid.
    """
    return JobOptions(
        rate=_given_rate(arguments["rate"]),
        lanes=arguments["lanes"],
        lease=arguments["lease"],
        replay=arguments["replay"],
        record_before=arguments["record_before"],
    )


def rate_of(options: JobOptions) -> float | None:
    """Return the requests per second of a new job; None for no limit."""
    return None if options.rate == pacing.NO_LIMIT else options.rate


def read_rate_of(text: str | None, default: float | None) -> float | None:
    """Return the reads per second; None for no limit.

    Args:
        text: What was given; None for nothing.
        default: What holds then.

    Raises:
        click.UsageError: It is not a rate.
    """
    rate = _given_rate(text)
    if rate is None:
        return default
    return None if rate == pacing.NO_LIMIT else rate


def _given_rate(text: str | None) -> float | None:
    """Return requests per second, infinity for `none`; None if it was not given.

    Raises:
        click.UsageError: It is not a rate.
    """
    if text is None:
        return None
    try:
        return pacing.read_rate(text)
    except ValueError as error:
        raise click.UsageError(f"--rate: {error}") from None
