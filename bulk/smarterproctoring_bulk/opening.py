"""Opens what a command works with: the client, the journal, its lock."""

from __future__ import annotations

import contextlib
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TypedDict

from smarterproctoring import AsyncSmarterProctoring, ConfigurationError
from smarterproctoring.commands import TokenFile, read_environment

from smarterproctoring_bulk import exits
from smarterproctoring_bulk import journal as journals
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.jobs import IncompatibleError, UnknownJobError
from smarterproctoring_bulk.options import ClientArguments

if TYPE_CHECKING:
    from smarterproctoring_bulk.engine import Journal

_SIDS = (f"AI{'0' * 32}", f"EX{'0' * 32}", f"ES{'0' * 32}")


class _Settings(TypedDict, total=False):
    fast: bool
    base_url: str
    timeout: float
    allow_http: bool
    token: TokenFile | str


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
    token_file: TokenFile | None = None
    if token and arguments["token_file"]:
        token_file = TokenFile(arguments["token_file"], "--token-file")
    try:
        if token:
            _check_token_file(token_file)
        return _client(arguments, token_file if token else "not-needed-for-a-dry-run")
    except ConfigurationError as error:
        raise Stop(error.message, exits.BAD_INPUT) from None


def _client(
    arguments: ClientArguments, token: TokenFile | str | None
) -> AsyncSmarterProctoring:
    settings: _Settings = {"fast": True}
    if arguments["base_url"] is not None:
        settings["base_url"] = arguments["base_url"]
    if arguments["timeout"] is not None:
        settings["timeout"] = arguments["timeout"]
    if arguments["allow_http"]:
        settings["allow_http"] = True
    if token is not None:
        settings["token"] = token
    # The signature leaves the token to the environment; an argument wins over it.
    from_env: Callable[..., AsyncSmarterProctoring] = AsyncSmarterProctoring.from_env
    return from_env(**settings)


def _check_token_file(token_file: TokenFile | None) -> None:
    """Read the token file once, before anything is submitted.

    Raises:
        ConfigurationError: It cannot be read, or holds no token.
    """
    source = token_file or read_environment().values["token"]
    if isinstance(source, TokenFile):
        source()


def service_of(client: AsyncSmarterProctoring) -> str:
    """Return the base URL in effect, wherever it was set."""
    url = client.with_options(allow_empty=True).dry_run_reschedule(*_SIDS).url
    return url.partition("/v1/installs/")[0]


def measure(base_url: str) -> float | None:
    """Measure the seconds of an answer, without a token and without changing anything.

    Returns:
        Seconds; None if there is no answer.
    """
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
    """Open the journal.

    Raises:
        Stop: It cannot be opened, or what is asked of it cannot be done.
    """
    try:
        from smarterproctoring_bulk import engine  # noqa: PLC0415 - loads DBOS, a second's work
    except ImportError as error:
        raise Stop(
            f"{error.name} is missing; install bulk with: "
            "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[bulk]'",
            exits.BAD_INPUT,
        ) from None
    try:
        with engine.Journal(place) as journal:
            yield journal
    except IncompatibleError as error:
        raise Stop(str(error), exits.VERSION) from None
    except (UnknownJobError, engine.ForeignValuesError) as error:
        raise Stop(str(error), exits.BAD_INPUT) from None
    except journals.JournalError as error:
        raise Stop(str(error), exits.JOURNAL) from None
    except engine.DatabaseError as error:
        reason = engine.reason_of(error)
        raise Stop(
            f"the journal {place.shown} cannot be read or written: {reason}. "
            "The same command continues once it can",
            exits.JOURNAL,
        ) from None


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
