"""For tests of code that calls the API: the mock over the network or in process, and the faults with their results.

    from smarterproctoring_mock.testing import in_process, network

    with in_process() as mock:
        client = SmarterProctoring(**mock.settings())     # or any other client: base_url, token, transport
        ...
        mock.app.assert_called(fields={"type": "proctoru"})

pytest has the fixtures `smarterproctoring_mock` and `smarterproctoring_server` for the same (`pytest_plugin.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, Unpack, cast

from smarterproctoring_mock.app import MockApp
from smarterproctoring_mock.asgi import Receive, Scope, Send
from smarterproctoring_mock.control import MockSettings
from smarterproctoring_mock.fault import Fault
from smarterproctoring_mock.faults import Rule, parse_fault
from smarterproctoring_mock.http_server import HttpServer
from smarterproctoring_mock.in_process import URL, InProcessTransport
from smarterproctoring_mock.named_faults import FAULTS, READ_FAULTS
from smarterproctoring_mock.server import IDLE, running_in_thread, running_server

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

TOKEN: Final = "smarterproctoring-mock-token"  # noqa: S105  the mock server's own
"""The token that the mock accepts unless a test names another."""


@dataclass(frozen=True)
class Mock:
    """A running mock server.

    Attributes:
        app: The server itself, to configure and query: `add_faults`, `assert_called`, `sessions`, `audit`, ….
        url: The base URL for a client.
        token: The one token that it accepts.
        transport: For httpx, where the mock is in process; None over the network.
    """

    app: MockApp
    url: str
    token: str = field(repr=False)
    transport: InProcessTransport | None = None

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return keyword arguments for a client: `token`, `base_url`, in process `transport`, and what you add."""
        way = {} if self.transport is None else {"transport": self.transport}
        return {"token": self.token, "base_url": self.url, **way, **more}

    def environment(self) -> dict[str, str]:
        """Return the variables by which another process, or `from_env()`, finds a server on the network.

        Raises:
            TypeError: The mock is in process, where no variable leads to.
        """
        if self.transport is not None:
            raise TypeError(
                "in process the mock is reached by its transport alone; take one on the network"
            )
        return {
            "SMARTERPROCTORING_TOKEN": self.token,
            "SMARTERPROCTORING_BASE_URL": self.url,
        }


@contextlib.contextmanager
def in_process(
    *, token: str = TOKEN, **settings: Unpack[MockSettings]
) -> Generator[Mock]:
    """Make a mock without a socket for as long as the `with` block lasts.

    Args:
        token: The token to accept.
        **settings: For `MockApp`: `seed`, `strict_sessions`, `scenario`, `db`, ….

    Yields:
        The mock; its transport serves synchronous and asynchronous clients.

    Raises:
        ValueError: A setting is not usable.
    """
    host = URL.partition("://")[2]
    settings["admin_hosts"] = (*settings.get("admin_hosts", ()), host)
    with contextlib.closing(MockApp(token=token, **settings)) as app:
        transport = InProcessTransport(app)
        try:
            yield Mock(app, URL, token, transport)
        finally:
            transport.shut_down()


@contextlib.contextmanager
def network(
    *,
    token: str = TOKEN,
    host: str = "127.0.0.1",
    port: int = 0,
    **settings: Unpack[MockSettings],
) -> Generator[Mock]:
    """Run a mock on a socket, in a thread, for as long as the `with` block lasts.

    Args:
        token: The token to accept.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        **settings: For `MockApp`, as for `in_process`.

    Yields:
        The mock, once it accepts connections.

    Raises:
        OSError: The address or the port is not free.
        ValueError: A setting is not usable.
    """
    with running_server(host=host, port=port, token=token, **settings) as server:
        yield Mock(server.app, server.url, token)


class Listener:
    """A server that runs through many tests, each of which gets a new application.

    A request that an earlier test left behind (it was slow, say, and the client gave up) so never reaches a later
    test's record.
    """

    def __init__(self) -> None:
        self._app = MockApp()
        self.more_info = self._app.spec.more_info
        self._server = HttpServer(self, self.more_info, IDLE)
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as ASGI 3 defines it."""
        await self._app(scope, receive, send)

    @classmethod
    @contextlib.contextmanager
    def listening(cls) -> Generator[Self]:
        """Run the server."""
        listener = cls()
        with running_in_thread(listener._server, "127.0.0.1", 0) as url:
            listener.url = url
            yield listener

    @contextlib.contextmanager
    def serving(
        self, *, token: str = TOKEN, **settings: Unpack[MockSettings]
    ) -> Generator[Mock]:
        """Serve a new application; `token` and `settings` as for `network`."""
        with contextlib.closing(MockApp(token=token, **settings)) as app:
            self._app = app
            try:
                yield Mock(app, self.url, token)
            finally:
                self._server.begin_what_was_sent()


# --- faults, and what the client can know -----------------------------------------------------------------


_SUCCESSES: Final = frozenset({200, 201, 203, 204, 205})
_ERROR_KEYS: Final = frozenset({"error", "errors", "statusCode"})


@dataclass(frozen=True)
class FaultCase:
    """A fault, and what a caller can know after it.

    Attributes:
        name: Its name.
        fault: For `MockApp.add_faults`.
        status: The status that the client sees; None: the connection ends before one.
        stored: Whether the change is made, which only the server knows for sure.
        maybe_stored: What a careful caller must assume: False only where the answer proves that nothing was changed.
        retry: Whether the same request, sent again later, may succeed: the fault is one that passes. Where
            `maybe_stored` is true as well, the repetition can leave a second audit record.
    """

    name: str
    fault: Fault
    status: int | None
    stored: bool
    maybe_stored: bool
    retry: bool

    @property
    def success(self) -> bool:
        """Whether the client sees a success: a status that confirms the change, and no HTML page or error object.

        A body that breaks off is still a success.
        """
        value = self.fault.json
        is_error = isinstance(value, dict) and not _ERROR_KEYS.isdisjoint(
            cast("dict[str, object]", value)
        )
        is_html = (self.fault.content_type or "").startswith("text/html")
        return self.status in _SUCCESSES and not is_error and not is_html


def fault_case(fault: Fault | Rule) -> FaultCase:
    """Return what a caller can know after a fault: a name of `FAULTS`, a rule in JSON form, or a `Fault`.

    Raises:
        FaultError: It is not valid.
    """
    fault = fault if isinstance(fault, Fault) else parse_fault(fault)
    status = _seen_status(fault)
    # A server that answers 501 says that it has not tried; after another 5xx nobody knows. A 503 is no exception:
    # gateways answer it after they have passed the request on. So may a 303 and a 499 follow the change.
    refused = status is not None and (300 <= status < 500 or status == 501)
    proven = refused and status not in {303, 499}
    return FaultCase(
        name=fault.name,
        fault=fault,
        status=status,
        stored=fault.stores,
        maybe_stored=not proven,
        retry=_passes(status),
    )


def _seen_status(fault: Fault) -> int | None:
    """Return the status that a client sees; None where the connection ends before one."""
    if fault.drop is not None:
        return None
    return 200 if fault.status is None else fault.status


def _passes(status: int | None) -> bool:
    """Whether a request that failed with this status may succeed later."""
    if status is None or status in {408, 425, 429}:
        return True
    return status >= 500 and status != 501


def fault_cases(
    names: Sequence[str] | None = None,
    *,
    times: int | None = 1,
    pace: float | None = 0.005,
) -> list[FaultCase]:
    """Return the named faults, each with what a caller can know after it.

    Args:
        names: Only these; None for all but those of reads (`read_fault_cases`).
        times: How many requests each applies to; None: all. (A client that repeats a request meets it once by default.)
        pace: Seconds of every delay and between pieces of a dripping body, so that tests are fast, and no fault ends
            after a time; None: as named.

    Returns:
        The cases, in the order of the names.

    Raises:
        FaultError: There is no fault of a name.
    """
    others = [fault for fault in FAULTS.values() if fault not in READ_FAULTS]
    faults = others if names is None else list(map(parse_fault, names))
    return [fault_case(_paced(replace(fault, times=times), pace)) for fault in faults]


def _paced(fault: Fault, pace: float | None) -> Fault:
    """Return a fault without long waits, and without a time at which it ends by itself."""
    if pace is None:
        return fault
    drip = min(fault.drip, pace) if fault.drip is not None else None
    return replace(fault, delay=min(fault.delay, pace), drip=drip, within=None)


def fault_params(
    names: Sequence[str] | None = None,
    *,
    times: int | None = 1,
    pace: float | None = 0.005,
) -> list[ParameterSet]:
    """Return `fault_cases` for `pytest.mark.parametrize`, with the names as ids."""
    import pytest  # noqa: PLC0415  an extra; unittest does without

    return [
        pytest.param(case, id=case.name)
        for case in fault_cases(names, times=times, pace=pace)
    ]


# --- faults of reads ----------------------------------------------------------------------------------------


ReadShows: TypeAlias = Literal["state", "another state", "nothing"]


@dataclass(frozen=True)
class ReadFaultCase:
    """A fault of reads, and what a reader can learn of the session under it.

    Attributes:
        name: Its name.
        fault: For `MockApp.add_faults`; it does not apply to changes.
        status: The status that the client sees; None: the connection ends before one.
        shows: `state`: the session as it is, though perhaps late or written otherwise. `another state`: one that the
            session had before or never had, and the answer does not tell. `nothing`: no moment can be read from the
            answer (a date without a zone, or a number, names none), or there is no answer.
    """

    name: str
    fault: Fault
    status: int | None
    shows: ReadShows


_READABLE: Final = frozenset({None, "offset", "no-milliseconds"})
"""Forms of dates that name a moment by themselves."""


def read_fault_case(fault: Fault | Rule) -> ReadFaultCase:
    """Say what a reader can learn under a fault: a name of `FAULTS`, a rule in JSON form, or a `Fault`.

    Raises:
        FaultError: It is none.
    """
    fault = fault if isinstance(fault, Fault) else parse_fault(fault)
    return ReadFaultCase(fault.name, fault, _seen_status(fault), _shows(fault))


def _shows(fault: Fault) -> ReadShows:
    is_answer = fault.drop is None and fault.truncate is None
    is_session = fault.body is None and fault.status in {None, 200}
    if not (is_answer and is_session and fault.dates in _READABLE):
        return "nothing"
    return "state" if fault.show is None else "another state"


def read_fault_cases(
    names: Sequence[str] | None = None,
    *,
    times: int | None = 1,
    pace: float | None = 0.005,
) -> list[ReadFaultCase]:
    """Return the named faults of reads, each with what a reader can learn.

    Args:
        names: Only these; None for all that apply only to reads.
        times: How many reads each applies to; None: all.
        pace: As for `fault_cases`.

    Returns:
        The cases, in the order of the names.

    Raises:
        FaultError: There is no fault of a name.
    """
    faults = READ_FAULTS if names is None else list(map(parse_fault, names))
    return [
        read_fault_case(_paced(replace(fault, times=times), pace)) for fault in faults
    ]


def read_fault_params(
    names: Sequence[str] | None = None,
    *,
    times: int | None = 1,
    pace: float | None = 0.005,
) -> list[ParameterSet]:
    """Return `read_fault_cases` for `pytest.mark.parametrize`, with the names as ids."""
    import pytest  # noqa: PLC0415  an extra; unittest does without

    return [
        pytest.param(case, id=case.name)
        for case in read_fault_cases(names, times=times, pace=pace)
    ]
