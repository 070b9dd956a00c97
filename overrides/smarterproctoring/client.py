"""The public clients: `SmarterProctoring` and `AsyncSmarterProctoring`, the same surface twice."""

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, Self, TypeVar, Unpack, cast

from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION, SERVERS, RescheduleExamSessionFields

from smarterproctoring.call import Result
from smarterproctoring.credentials import AsyncTokenSource, Credential, TokenSource
from smarterproctoring.errors import ConfigurationError, NoCopy
from smarterproctoring.prepare import Prepared, from_fields
from smarterproctoring.settings import PREFIX, CallOptions, Options, check_base_url, settings_from_env, turn_on_logging
from smarterproctoring.transport import AsyncSeam, GeneratedClient, SyncSeam, TransportOptions

SeamT = TypeVar("SeamT", SyncSeam, AsyncSeam)
TokenT = TypeVar("TokenT", TokenSource, AsyncTokenSource)


class Settings(CallOptions, TransportOptions, total=False):
    """Keyword arguments of both clients; `Options` and `TransportOptions` say what the inherited ones mean.

    Attributes:
        base_url: Where the API is; production by default.
        allow_http: Whether plain http may go to another machine, which shows the token to the network.
    """

    base_url: str
    allow_http: bool


class DryRun(NamedTuple):
    """The exact request that a call would send; the token is replaced by `<token>`.

    Attributes:
        method: The HTTP method.
        url: The whole URL.
        headers: The headers.
        content: The body's bytes.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes


class _Client(NoCopy, Generic[SeamT, TokenT]):
    """What both clients do without I/O."""

    _kind: type[SeamT]

    def __init__(self, token: TokenT, **settings: Unpack[Settings]) -> None:
        credential = Credential(token)
        del token  # a traceback with locals must not show it
        self._seam: SeamT = self._kind(credential, *_configure(credential, settings))

    @classmethod
    def from_env(cls, **settings: Unpack[Settings]) -> Self:
        """Make a client from the environment, read now; arguments win over it.

        SMARTERPROCTORING_TOKEN, or _TOKEN_FILE (read anew for each attempt), _BASE_URL, _TIMEOUT, _DEADLINE, _RETRIES.

        Raises:
            ConfigurationError: A variable that is missing or wrong, by its name.
        """
        problem = ""
        try:
            # No local variable: a traceback must not show the token.
            return cls(**cast("Any", {**settings_from_env(), **settings}))
        except ConfigurationError as error:
            problem = error.message
        names = {"base_url": "BASE_URL", "the token must": "TOKEN"}
        named = next((f"{PREFIX}{name}: " for start, name in names.items() if problem.startswith(start)), "")
        raise ConfigurationError(named + problem)

    def with_options(self, **options: Unpack[CallOptions]) -> Self:
        """Return a client with other options on the same connections; headers are added to those that are set.

        Raises:
            ConfigurationError: An option that cannot work.
            TypeError: An unknown option.
        """
        view = object.__new__(type(self))
        view._seam = self._seam.view(options)
        return view

    @property
    def generated(self) -> GeneratedClient:
        """Return the client for the generated endpoint functions; it follows every rule that this one does."""
        return GeneratedClient(self._seam)

    def dry_run_reschedule(
        self, install_sid: str, exam_sid: str, session_sid: str, **fields: Unpack[RescheduleExamSessionFields]
    ) -> DryRun:
        """Return the request that `reschedule` would send, without sending it.

        Raises:
            ValidationError: As `reschedule` would.
            TypeError: An unknown field.
        """
        request = self._seam.request_for(self._prepare((install_sid, exam_sid, session_sid), fields))
        headers = {**request.headers, str(RESCHEDULE_EXAM_SESSION.token_header): "<token>"}
        return DryRun(request.method, str(request.url), headers, request.content)

    def _prepare(self, sids: tuple[str, str, str], fields: RescheduleExamSessionFields) -> Prepared:
        return from_fields(RESCHEDULE_EXAM_SESSION, sids, fields, self._seam.call_options.allow_empty)

    def __repr__(self) -> str:
        seam = vars(self).get("_seam")  # none yet where __init__ has failed
        options = seam.call_options if seam else Options()
        return (
            f"<{type(self).__name__} {seam and seam.origin} retries={options.retries} deadline={options.deadline:g}s>"
        )


class SmarterProctoring(_Client[SyncSeam, TokenSource]):
    """Moves exam sessions. Share one over threads; close it, or use it in a `with` block.

    Args:
        token: The API token, or a callable that is asked for it before each attempt.
        settings: `base_url` (production by default), `allow_http`, and what `Options` and `TransportOptions` list.

    Raises:
        ConfigurationError: A setting that cannot work; the message never holds the token.
    """

    _kind = SyncSeam

    def reschedule(
        self, install_sid: str, exam_sid: str, session_sid: str, **fields: Unpack[RescheduleExamSessionFields]
    ) -> Result:
        """Move an exam session.

        Args:
            install_sid: SID of the install, `AI` and 32 hexadecimal digits.
            exam_sid: SID of the exam, `EX…`.
            session_sid: SID of the session, `ES…`.
            fields: What to change. Times are aware datetimes, or ISO 8601 text that ends in Z. `None` is not sent.

        Returns:
            What the server said, and how it went. Returning at all means that the change is made.

        Raises:
            ValidationError: Refused before anything was sent; lists all problems.
            TypeError: An unknown field.
            APIStatusError: The server did not accept; see its subclasses.
            APIConnectionError: No answer; see `maybe_applied`.
            ConfigurationError: The token cannot be had or sent, or the client is closed.
        """
        return self._seam.call(self._prepare((install_sid, exam_sid, session_sid), fields))

    def close(self) -> None:
        """Close the connections of this client and of all made from it by `with_options`."""
        self._seam.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncSmarterProctoring(_Client[AsyncSeam, AsyncTokenSource]):
    """Moves exam sessions, on asyncio or trio. Share one over tasks; close it, or use it in an `async with` block.

    Args:
        token: The API token, or a callable (asynchronous or not) that is asked for it before each attempt.
        settings: `base_url` (production by default), `allow_http`, and what `Options` and `TransportOptions` list.

    Raises:
        ConfigurationError: A setting that cannot work; the message never holds the token.
    """

    _kind = AsyncSeam

    async def reschedule(
        self, install_sid: str, exam_sid: str, session_sid: str, **fields: Unpack[RescheduleExamSessionFields]
    ) -> Result:
        """Move an exam session; arguments, result and errors as for `SmarterProctoring.reschedule`."""
        return await self._seam.call(self._prepare((install_sid, exam_sid, session_sid), fields))

    async def aclose(self) -> None:
        """Close the connections of this client and of all made from it by `with_options`."""
        await self._seam.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _configure(credential: Credential, settings: Settings) -> tuple[str, Options, TransportOptions]:
    """Check all settings, and sort them into those of a call and those of the transport."""
    turn_on_logging()
    credential.check()
    base_url = check_base_url(settings.get("base_url", SERVERS[0]), allow_http=settings.get("allow_http", False))
    names = {*TransportOptions.__annotations__, "base_url", "allow_http"}
    options: Any = {name: value for name, value in settings.items() if name not in names}
    transport: Any = {name: value for name, value in settings.items() if name in names}
    return base_url, Options().changed(options), transport
