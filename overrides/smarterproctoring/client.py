"""The synchronous public client, and how both clients are made; the asynchronous one is in `async_client.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ssl import SSLContext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack, cast

from smarterproctoring_generated.facade import Operations
from smarterproctoring_generated.operations import SERVERS
from smarterproctoring_generated.records import Hidden

from smarterproctoring._sync.sender import SyncSender
from smarterproctoring.credentials import AsyncTokenSource, Secret, TokenSource
from smarterproctoring.errors import ConfigurationError, wrong_settings
from smarterproctoring.methods import Methods, SenderT, SyncMethods
from smarterproctoring.prepare import install_problem
from smarterproctoring.settings import (
    Options,
    ReadBack,
    RetryHook,
    Timeouts,
    base_url_problem,
    read_environment,
    switch_problem,
    turn_on_logging,
)

if TYPE_CHECKING:
    from smarterproctoring_generated.operations import RescheduleExamSessionItem
    from smarterproctoring_transport import Limits, Proxy, TransportOptions

    from smarterproctoring.dry_run import DryRun  # noqa: F401 - in a base class, as text
    from smarterproctoring.generated import GeneratedClient
    from smarterproctoring.install import InstallClient
    from smarterproctoring.many import Outcome
    from smarterproctoring.observers import CallHooks
    from smarterproctoring.options import CallOptions, Settings

PRODUCTION = SERVERS[0]
"""The base URL of the API: the first server of the spec."""
TokenT = TypeVar("TokenT", TokenSource, AsyncTokenSource)


class BaseClient(Methods[SenderT], Generic[SenderT, TokenT]):
    """How both clients are made."""

    _kind: type[SenderT]
    _install_sid: str | None

    def __init__(
        self,
        token: TokenT,
        *,
        base_url: str = PRODUCTION,
        allow_http: bool = False,
        install_sid: str | None = None,
        timeout: float | Timeouts = Timeouts(),
        deadline: float = 60.0,
        retries: int = 2,
        retry_ambiguous: bool = True,
        read_back: ReadBack = "when_unsure",
        allow_empty: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
        on_retry: RetryHook | None = None,
        on_call: CallHooks | None = (),
        transport: Any = None,
        proxy: str | Proxy | None = None,
        verify: bool | SSLContext = True,
        limits: Limits | None = None,
        fast: bool = False,
        trust_env: bool = True,
        event_hooks: Mapping[str, list[Callable[..., Any]]] = MappingProxyType({}),
    ) -> None:
        """Make a client, whose methods read and move exam sessions. Nothing is sent yet.

        Args:
            token: The API token, or a callable that returns it and is called before each attempt (for
                `AsyncSmarterProctoring` it may be asynchronous).
            base_url: Where the API is, production by default: https, without the `/v1` with which the paths begin.
            allow_http: Whether plain http may go to another machine than this one. It shows the token to the
                network.
            install_sid: The install of `for_install()` without an argument. Other methods do not look at it.
            timeout: Seconds for each attempt, or `Timeouts` with one limit for each of its steps. The default is 5
                s to connect, 30 s to read, 30 s to write and 5 s for a free connection.
            deadline: Seconds for the whole call: attempts, reads, waits, the token callable, asynchronous hooks, name
                look-up, TLS, sending and the answer. Synchronous hooks cannot be cut, and a synchronous `transport`
                of yours is left only between pieces of the answer.
            retries: How often a failed attempt is repeated at most, 0 to 10: after 408, 425, 429, 500, 502, 503,
                504 and failures of the connection, with exponential backoff and full jitter. It waits at least
                `Retry-After`; above 60 s it raises immediately. The client's retry budget may end the retries
                sooner.
            retry_ambiguous: Whether to repeat an attempt that may have been applied. The session ends in the same
                state, but each repetition may leave an audit record of its own.
            read_back: `"when_unsure"`: where an attempt may have been applied, read the session back before a
                repetition and at the end of the call; up to 5 s of the deadline, and at most a quarter, are kept
                for it. Only for a change with a time. `"never"`: do not.
            allow_empty: Whether a change without any field may be sent.
            headers: Headers to add to each request.
            on_retry: Called with the error and the seconds to wait before each retry (for `AsyncSmarterProctoring`
                it may be asynchronous).
            on_call: Called with a `CallRecord` after each call, whether it returned, raised or was interrupted: a
                function (not an asynchronous one), a `CallObserver` such as `smarterproctoring.otel.OpenTelemetry()`,
                or a list of them. What it raises is logged, and changes nothing about the call.
            transport: An httpx transport to use instead of this package's own, or a callable that returns one (a
                forked process and another event loop need the callable).
            proxy: URL of a proxy. Without it HTTPS_PROXY and similar variables are read, unless `trust_env` is
                False.
            verify: Certificates to trust: True, False (never in production), or an `ssl.SSLContext`.
            limits: Connections in the pool. The default is 100, all of which may stay open for 5 s without a
                request.
            fast: Whether requests skip the httpx client, and httptools parses the answers (the extra `fast`). It
                halves the CPU time; tools that wrap httpx's clients do not see such requests.
            trust_env: Whether the proxy and certificate variables of the environment count.
            event_hooks: httpx's event hooks, `request` and `response`, called for each attempt and each read.

        Raises:
            ConfigurationError: A setting that cannot work; the message never holds the token.
        """
        call_options: Hidden[CallOptions] = Hidden(
            {
                "timeout": timeout,
                "deadline": deadline,
                "retries": retries,
                "retry_ambiguous": retry_ambiguous,
                "allow_empty": allow_empty,
                "headers": headers,
                "on_retry": on_retry,
                "on_call": on_call,
                "read_back": read_back,
            }
        )
        transport_options: Hidden[TransportOptions] = Hidden(
            {
                "transport": transport,
                "proxy": proxy,
                "verify": verify,
                "limits": limits,
                "fast": fast,
                "trust_env": trust_env,
                "event_hooks": event_hooks,
            }
        )
        source = token if callable(token) else Secret(token)
        given_url: Hidden[str] = Hidden(base_url)
        # A traceback with local variables must not show the token, a header, or the password of a proxy.
        del token, base_url, headers, proxy
        log = turn_on_logging()
        problems = [log] if log else []
        problems += source.problems() if isinstance(source, Secret) else []
        wrong_switch = switch_problem("allow_http", allow_http)
        problems += [wrong_switch] if wrong_switch else []
        unusable = base_url_problem(given_url.reveal(), allow_http=bool(allow_http))
        problems += [unusable] if unusable else []
        wrong_install = install_problem(install_sid)
        problems += [wrong_install] if wrong_install else []
        options, found = Options().with_problems(call_options)
        problems += found
        sender: SenderT | None = None
        try:
            # With a base URL or an option that cannot be used, the rest is checked anyway.
            url = PRODUCTION if unusable else given_url.reveal().rstrip("/")
            sender = self._kind(
                source, url, Options() if found else options, transport_options.reveal()
            )
        except ConfigurationError as error:
            problems += error.problems
        if sender is None or problems:
            raise wrong_settings(problems)
        self._sender: SenderT = sender
        self._install_sid = install_sid

    @classmethod
    def from_env(cls, **settings: Unpack[Settings]) -> Self:
        """Make a client from the environment, read now; arguments win over it.

        SMARTERPROCTORING_TOKEN, or _TOKEN_FILE (read again for each attempt), _BASE_URL, _TIMEOUT, _DEADLINE, _RETRIES,
        _INSTALL_SID.

        Args:
            settings: The keyword arguments of the class.

        Raises:
            ConfigurationError: All settings that are missing or wrong, each by the name of its variable or argument.
        """
        given: Hidden[Any] = Hidden(settings)
        found = read_environment(without=list(settings))
        del settings  # as the token, the password of a proxy must not be in a traceback with local variables
        client: Self | None = None
        try:
            client = cls(**cast("Any", {**found.values, **given.reveal()}))
        except ConfigurationError as error:
            found.problems += error.problems
        if client is None or found.problems:
            raise wrong_settings(found.problems, found.names)
        return client

    @property
    def generated(self) -> GeneratedClient:
        """Return the client for the generated endpoint functions; it follows every rule that this one does."""
        from smarterproctoring.generated import GeneratedClient  # noqa: PLC0415 - attrs only for those who use it

        return GeneratedClient(self._sender)

    def _with_sender(self, sender: SenderT) -> Self:
        client = object.__new__(type(self))
        client._sender = sender
        client._install_sid = self._install_sid
        return client


class SmarterProctoring(
    BaseClient[SyncSender, TokenSource], SyncMethods, Operations["DryRun"]
):
    """Moves exam sessions. Share one over threads; close it, or use it in a `with` block."""

    _kind = SyncSender

    def for_install(self, install_sid: str | None = None) -> InstallClient:
        """Return a view for one install: the same methods, without `install_sid`.

        It has the connections, options and retry budget of this client, and ends when the client is closed.

        Args:
            install_sid: SID of the install. Without it that of the client's settings is used.

        Raises:
            ValidationError: It is not the SID of an install.
            ConfigurationError: It is not given, and the client's settings have none.
        """
        from smarterproctoring.install import InstallClient, checked_install  # noqa: PLC0415 - few programs use it

        install = checked_install(install_sid, self._install_sid)
        return InstallClient(self._sender, install)

    def reschedule_many(
        self,
        items: Iterable[RescheduleExamSessionItem],
        *,
        concurrency: int = 16,
        rate: float | None = None,
    ) -> list[Outcome]:
        """Move many exam sessions, several concurrently, each with this client's options.

        Args:
            items: Each the arguments of `reschedule` by keyword, the three SIDs included.
            concurrency: How many calls run concurrently, 1 or more.
            rate: Calls per second at most; None for no limit. Retries within a call, and reads of a
                session whose call is unsure, come on top.

        Returns:
            For each item, in their order, its result or the error that its call would have raised. After a refused
            token nothing more is sent, and the rest have a `ConfigurationError` that says so.

        Raises:
            ConfigurationError: `concurrency` is not a whole number from 1, or `rate` is not a number above 0; nothing
                was sent.
            TypeError: A keyword that does not exist, a SID that is missing, or an item that is not a mapping; it names
                the item by its index, and nothing was sent.
            KeyboardInterrupt: Ctrl-C. What was not begun is not sent, and calls under way have a second to end;
                `what_is_known(interrupt).outcomes` says what became of each item.
        """
        given: Hidden[Iterable[Mapping[str, object]]] = Hidden(items)
        # A traceback with local variables must not show what they say of persons.
        del items
        return self._many(
            given, self.dry_run_reschedule, self.reschedule, concurrency, rate
        )

    def close(self) -> None:
        """Close the connections of this client and of all made from it by `with_options` and `for_install`."""
        self._sender.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
