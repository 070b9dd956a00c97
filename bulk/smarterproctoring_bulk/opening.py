"""Opens what a command works with: the client, the journal, its lock."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

import click
from smarterproctoring import ConfigurationError
from smarterproctoring.commands import (
    Profile,
    TokenFile,
    base_url_problem,
    install_problem,
    read_environment,
    read_profile,
)

from smarterproctoring_bulk import exits
from smarterproctoring_bulk import journal as journals
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.jobs import (
    IncompatibleError,
    Job,
    UnknownJobError,
    service_key,
)
from smarterproctoring_bulk.options import ClientArguments, ListArguments, input_of
from smarterproctoring_bulk.rows import INSTALL, InputError, Reader, keyword_of

if TYPE_CHECKING:
    from smarterproctoring import AsyncSmarterProctoring

    from smarterproctoring_bulk.engine import Journal, JournalReader, JournalSummary

_SIDS = (f"AI{'0' * 32}", f"EX{'0' * 32}", f"ES{'0' * 32}")


VARIABLE = "SMARTERPROCTORING_INSTALL_SID"
"""The environment variable of the install."""
ListT = TypeVar("ListT", bound=ListArguments)


class _Settings(TypedDict, total=False):
    fast: bool
    install_sid: None
    base_url: str
    timeout: float
    allow_http: bool
    token: Callable[[], str] | str


def open_client(
    arguments: ClientArguments, *, token: bool = True
) -> AsyncSmarterProctoring:
    """Return the client that the options and the environment describe.

    Args:
        arguments: The options.
        token: Whether a token is needed; a check of a list needs none.

    Raises:
        Stop: A setting does not work.
    """
    try:
        profile = read_profile(arguments["profile"])
        if not token:
            return _client(arguments, profile, "not-needed-for-a-dry-run")
        source = _token_source(arguments, profile)
        _try_source(source)
        return _client(arguments, profile, source)
    except ConfigurationError as error:
        raise Stop(error.message, exits.BAD_INPUT) from None


def with_defaults(file: str, arguments: ListT) -> ListT:
    """Return the arguments with the install and the time zone that the environment and the profile give.

    What is taken is an argument from then on, as if it had been typed: it is part of what names the job.

    Args:
        file: The list.
        arguments: The options; those that are given win.

    Raises:
        Stop: A value does not work; the message says where it comes from.
    """
    found = arguments.copy()
    try:
        profile = read_profile(arguments["profile"])
        if found["timezone"] is None and profile.timezone is not None:
            profile.check_zone()
            found["timezone"] = profile.timezone
            click.echo(
                f"times that name no zone are in {profile.timezone}: {profile.where('timezone')}",
                err=True,
            )
    except ConfigurationError as error:
        raise Stop(error.message, exits.BAD_INPUT) from None
    found["install_sid"] = _install(file, found, profile)
    return found


def _install(file: str, arguments: ListArguments, profile: Profile) -> str | None:
    """Return the install of the list's rows; None where the list itself, --common or --set names it.

    Raises:
        Stop: It is not the SID of an install.
        click.UsageError: It is given twice.
    """
    pairs = [*arguments["common"], *arguments["sets"]]
    names = {keyword_of(pair.partition("=")[0]) for pair in pairs}
    given = arguments["install_sid"]
    if given is not None:
        if INSTALL in names:
            raise click.UsageError(
                "--install-sid: --common or --set gives the install as well; keep one of them"
            )
        _check_install("--install-sid", given)
        return given
    in_environment = read_environment().values.get(INSTALL)
    name = VARIABLE if in_environment else profile.where(INSTALL)
    value = in_environment or profile.install_sid
    if value is None or INSTALL in names or _names_install(file, arguments):
        return None
    _check_install(name, value)
    click.echo(f"the install of the list is that of {name}", err=True)
    return value


def _names_install(file: str, arguments: ListArguments) -> bool:
    try:
        return Reader(input_of(arguments)).names_install(Path(file))
    except (InputError, OSError):
        return True  # the check of the list says why it cannot be read


def _check_install(name: str, value: str) -> None:
    """Refuse what is not the SID of an install.

    Raises:
        Stop: It is not one.
    """
    problem = install_problem(value)
    if problem is not None:
        raise Stop(f"{name} {problem.text}", exits.BAD_INPUT)


def _token_source(
    arguments: ClientArguments, profile: Profile
) -> Callable[[], str] | None:
    """Return where the token comes from; None for the environment."""
    if arguments["token_file"]:
        return TokenFile(arguments["token_file"], "--token-file")
    return None if read_environment().values["token"] else profile.token


def _client(
    arguments: ClientArguments, profile: Profile, token: Callable[[], str] | str | None
) -> AsyncSmarterProctoring:
    settings: _Settings = {"fast": True, "install_sid": None}
    if arguments["base_url"] is not None:
        settings["base_url"] = arguments["base_url"]
    elif profile.base_url is not None and "base_url" not in read_environment().names:
        _check_url(profile, allow_http=arguments["allow_http"])
        settings["base_url"] = profile.base_url
    if arguments["timeout"] is not None:
        settings["timeout"] = arguments["timeout"]
    if arguments["allow_http"]:
        settings["allow_http"] = True
    if token is not None:
        settings["token"] = token
    from smarterproctoring import AsyncSmarterProctoring  # noqa: PLC0415 - loads httpx

    # The signature leaves the token to the environment; an argument wins over it.
    from_env: Callable[..., AsyncSmarterProctoring] = AsyncSmarterProctoring.from_env
    return from_env(**settings)


def _check_url(profile: Profile, *, allow_http: bool) -> None:
    """Refuse a base URL of a profile by the name of its key.

    Raises:
        Stop: It does not work.
    """
    problem = base_url_problem(profile.base_url, allow_http=allow_http)
    if problem is not None:
        text = f"{profile.where('base_url')} {problem.text}"
        raise Stop(text, exits.BAD_INPUT)


def _try_source(source: Callable[[], str] | None) -> None:
    """Ask for the token once, before anything is submitted.

    Raises:
        ConfigurationError: It is not available.
    """
    asked = source or read_environment().values["token"]
    if callable(asked):
        asked()


def service_of(client: AsyncSmarterProctoring) -> str:
    """Return the base URL in effect, wherever it was set."""
    url = client.with_options(allow_empty=True).dry_run_reschedule(*_SIDS).url
    return url.partition("/v1/installs/")[0]


def check_service(job: Job, client: AsyncSmarterProctoring) -> None:
    """Refuse to work on a job for another service than the client's.

    Raises:
        Stop: It is for another one.
    """
    if job.service != service_key(service_of(client)):
        raise Stop(
            f"job {job.id} is for {job.base_url}: set --base-url", exits.BAD_INPUT
        )


def measure(base_url: str) -> float | None:
    """Measure the seconds of an answer, without a token and without changing anything.

    Returns:
        Seconds; None if there is no answer.
    """
    import urllib.error  # noqa: PLC0415 - not for commands that send nothing
    import urllib.request  # noqa: PLC0415

    seconds: list[float] = []
    for _ in range(3):
        began = time.monotonic()
        request = urllib.request.Request(base_url, method="HEAD")  # noqa: S310 - the client has checked the scheme
        try:
            urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()
        except (OSError, ValueError):
            return None
        seconds.append(time.monotonic() - began)
    # A new connection each time, so about what a write takes on an open one.
    return statistics.median(seconds)


def find_journal(place: str | None) -> journals.Place:
    """Return where the journal is.

    Raises:
        Stop: It cannot be one.
    """
    try:
        return journals.find(place)
    except journals.JournalError as error:
        raise Stop(str(error), exits.BAD_INPUT) from None


@contextlib.contextmanager
def open_journal(place: journals.Place) -> Generator[Journal]:
    """Open the journal to work with it; one that is not there is made.

    Raises:
        Stop: It cannot be opened, or what is asked of it cannot be done.
    """
    with _stopping(place):
        from smarterproctoring_bulk.engine import Journal  # noqa: PLC0415 - loads DBOS, a second's work

        with Journal(place) as journal:
            yield journal


@contextlib.contextmanager
def read_journal(place: journals.Place) -> Generator[JournalReader]:
    """Open the journal to read it; nothing is made or changed, and DBOS is not loaded.

    Raises:
        Stop: It cannot be opened, or what is asked of it cannot be done.
    """
    with _stopping(place):
        from smarterproctoring_bulk.engine import JournalReader  # noqa: PLC0415 - loads SQLAlchemy

        with JournalReader(place) as reader:
            yield reader


@contextlib.contextmanager
def summarize_journal(place: journals.Place) -> Generator[JournalSummary]:
    """Open the journal to show its jobs; nothing is made or changed, and neither DBOS nor SQLAlchemy is loaded.

    Raises:
        Stop: It cannot be opened, or what is asked of it cannot be done.
    """
    with _stopping_at_errors():
        from smarterproctoring_bulk.engine import JournalSummary  # noqa: PLC0415 - may need psycopg

        with JournalSummary(place) as summary:
            yield summary


def check_job(place: journals.Place, name: str) -> None:
    """Refuse a job that the journal does not know, before a journal that is not there is made.

    Raises:
        Stop: It is not known, or the journal cannot be read.
    """
    with summarize_journal(place) as summary:
        summary.job(name)


@contextlib.contextmanager
def _stopping(place: journals.Place) -> Generator[None]:
    """Turn what can go wrong with a journal and its connections into the end of the command.

    Raises:
        Stop: It has gone wrong.
    """
    with _stopping_at_errors():
        from smarterproctoring_bulk.engine import DatabaseError, reason_of  # noqa: PLC0415 - loads SQLAlchemy

        try:
            yield
        except DatabaseError as error:
            raise Stop(
                f"the journal {place.shown} cannot be read or written: {reason_of(error)}. "
                "The same command continues once it can",
                exits.JOURNAL,
            ) from None


@contextlib.contextmanager
def _stopping_at_errors() -> Generator[None]:
    """Turn what can be wrong with a journal into the end of the command.

    Raises:
        Stop: It is wrong, or something that it needs is not installed.
    """
    from smarterproctoring_bulk.engine import ForeignValuesError  # noqa: PLC0415 - not for all commands

    try:
        yield
    except ImportError as error:
        raise _missing(error) from None
    except IncompatibleError as error:
        raise Stop(str(error), exits.VERSION) from None
    except (UnknownJobError, ForeignValuesError) as error:
        raise Stop(str(error), exits.BAD_INPUT) from None
    except journals.JournalError as error:
        raise Stop(str(error), exits.JOURNAL) from None


def _missing(error: ImportError) -> Stop:
    """Make the end of a command for which something is not installed."""
    return Stop(
        f"{error.name} is missing; install bulk with: "
        "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[bulk]'",
        exits.BAD_INPUT,
    )


@contextlib.contextmanager
def lock_journal(place: journals.Place, what: str) -> Generator[None]:
    """Hold an embedded journal; Postgres lets many work at once.

    Raises:
        Stop: Another process has it, or it cannot be written.
    """
    if place.path is None:
        yield
        return
    try:
        journals.make_private(place.path)
        lock = journals.Lock(place.path, what)
    except journals.BusyError as error:
        raise Stop(str(error), exits.BUSY) from None
    except journals.JournalError as error:
        raise Stop(str(error), exits.JOURNAL) from None
    with lock:
        yield
