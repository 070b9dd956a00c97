"""The part of `MockApp` that tests configure and query."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, TypeAlias, TypedDict, Unpack

from smarterproctoring_mock import export
from smarterproctoring_mock.fault import Fault
from smarterproctoring_mock.faults import Faults, Rule, load_scenario, parse_script
from smarterproctoring_mock.record import RecordedRequest, Recorder
from smarterproctoring_mock.redaction import Redactor
from smarterproctoring_mock.request_body import BodyMemory
from smarterproctoring_mock.seeds import Seed, read_seed
from smarterproctoring_mock.spec import load
from smarterproctoring_mock.store import AuditRow, Session, Store
from smarterproctoring_mock.strict_json import Json
from smarterproctoring_mock.verification import ExpectedRequest, Verification, Verifier

Network: TypeAlias = IPv4Network | IPv6Network

RECORDED: Final = 10_000


class MockSettings(TypedDict, total=False):
    """The settings of `MockApp` but for the token."""

    spec: str | Path | None
    db: str | Path | None
    seed: Seed | None
    strict_sessions: bool
    scenario: str | Path | None
    recorded: int
    admin_hosts: Iterable[str]
    admin_peers: Iterable[str]


class AllSettings(MockSettings, total=False):
    """The settings of `MockApp`."""

    token: str | None


class MockControl:
    """A mock's state. Methods may be called from any thread while the mock serves."""

    def __init__(
        self,
        *,
        spec: str | Path | None = None,
        token: str | None = None,
        db: str | Path | None = None,
        seed: Seed | None = None,
        strict_sessions: bool = False,
        scenario: str | Path | None = None,
        recorded: int = RECORDED,
        admin_hosts: Iterable[str] = (),
        admin_peers: Iterable[str] = (),
    ) -> None:
        """Set the mock up.

        Args:
            spec: The OpenAPI document; None for the one that ships with this version.
            token: The token to accept; None accepts any that is not empty.
            db: A SQLite file for sessions and audit rows; None keeps them in memory.
            seed: Sessions to start with: a JSON file's path, or what it would hold.
            strict_sessions: Refuse unknown sessions with 404 instead of learning them.
            scenario: Faults to start with: a shipped scenario's name or a JSON file's path.
            recorded: How many requests to keep for `requests` and `assert_called`.
            admin_hosts: Host names, in addition to the loopback ones, under which `/_mock/` may be called.
            admin_peers: Addresses and networks (`172.17.0.0/16`) other than loopback from which it may be called.

        Raises:
            ValueError: A file is not usable, or an address is not valid; the message names it and says why.
        """
        self.spec = load(spec)
        self.strict_sessions = strict_sessions
        self.admin_hosts = frozenset(host.lower() for host in admin_hosts)
        self.admin_peers = tuple(map(_network, admin_peers))
        self.body_memory = BodyMemory()
        self._token = token
        self._seed = read_seed(self.spec, seed)
        self._faults = Faults()
        self._scenario = load_scenario(scenario) if scenario is not None else None
        self._redactor = Redactor(self.spec.secret_names, token)
        self._recorder = Recorder(recorded, self._redactor)
        self._verifier = Verifier(self._redactor)
        self._epoch = 0
        self._store = Store(db)
        # Sessions in the file are newer than those of the seed.
        self._store.put(
            session for session in self._seed if not self._store.knows(session.key)
        )
        self._add_scenario()

    # --- sessions and audit --------------------------------------------------------------------------------

    def sessions(self) -> list[Session]:
        """Return the sessions the server knows, with the fields they were sent or seeded with."""
        return self._store.sessions()

    def session(self, sid: str) -> Session:
        """Return the one session of which a path parameter has this value. Raises KeyError for none or many."""
        found = [
            session for session in self.sessions() if sid in session.params.values()
        ]
        if len(found) != 1:
            raise KeyError(f"{len(found)} sessions of {sid}")
        return found[0]

    def seed(self, sessions: Seed) -> None:
        """Add sessions, in the form of a seed file. Raises StoreError where they break the spec."""
        self._store.put(read_seed(self.spec, sessions))

    def audit(
        self, *, session: str | None = None, limit: int | None = None
    ) -> list[AuditRow]:
        """Return the audit rows, one per request, the oldest first."""
        return self._store.audit(session=session, limit=limit)

    # --- what was received ---------------------------------------------------------------------------------

    def requests(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        operation: str | None = None,
        session: str | None = None,
        status: int | None = None,
        since: int | None = None,
        limit: int | None = None,
    ) -> list[RecordedRequest]:
        """Return what was received, the oldest first, without secrets; every argument is a filter."""
        return self._recorder.requests(
            method=method,
            path=path,
            operation=operation,
            session=session,
            status=status,
            since=since,
            limit=limit,
        )

    def verify(
        self, *, times: int | None = None, **expected: Unpack[ExpectedRequest]
    ) -> Verification:
        """Count the requests that are as expected.

        Args:
            times: How many there must be; None for at least one.
            **expected: What they must have.

        Raises:
            TypeError: Something that is expected is not known.
        """
        return self._verifier.verify(self._recorder.exchanges(), expected, times)

    def assert_called(
        self, *, times: int | None = None, **expected: Unpack[ExpectedRequest]
    ) -> None:
        """Raise an AssertionError with a diff unless the expected requests came.

        Args:
            times: How many; None for at least one.
            **expected: `operation`, `method`, `path`, `session`, `status`, `params`, `headers`, `json`,
                `fields`, `body`, `answer`.
        """
        verification = self.verify(times=times, **expected)
        if not verification.ok:
            raise AssertionError(verification.message)

    def reads(self, session: str | None = None) -> list[RecordedRequest]:
        """Return the GET requests that were received, the oldest first; `session` narrows it down."""
        return self.requests(method="GET", session=session)

    def assert_read(
        self,
        session: str,
        *,
        answer: Mapping[str, object] | None = None,
        status: int | None = None,
        times: int | None = None,
    ) -> None:
        """Raise an AssertionError with a diff unless a session was read.

        Args:
            session: The value of a path parameter.
            answer: What the reader was shown, such as `{"notes": "…"}`: these members and more.
            status: What was answered.
            times: How often; None for at least once, 0 for never.
        """
        expected: ExpectedRequest = {"method": "GET", "session": session}
        if answer is not None:
            expected["answer"] = answer
        if status is not None:
            expected["status"] = status
        self.assert_called(times=times, **expected)

    def har(self) -> dict[str, Json]:
        """Return the recorded exchanges as an HTTP Archive 1.2, without secrets."""
        return export.har(self._recorder.exchanges(), self._redactor)

    def curl(self) -> list[str]:
        """Return the recorded requests as curl commands; the token is `$SMARTERPROCTORING_TOKEN`."""
        return export.curl(self._recorder.exchanges(), self._redactor)

    @property
    def total(self) -> int:
        """How many requests there were since the start or the last reset, kept or not."""
        return self._recorder.total

    # --- faults --------------------------------------------------------------------------------------------

    def add_faults(self, *faults: Fault | Rule, seed: int | None = None) -> None:
        """Add faults after the active ones.

        Args:
            *faults: `Fault` objects, names from `FAULTS`, or rules in JSON form.
            seed: Start the draws for `probability` again from here.
        """
        for fault in faults:
            if isinstance(fault, Fault):
                self._faults.add([fault], seed)
            else:
                script = parse_script(fault)
                own_seed = script.seed
                self._faults.add(
                    script.faults, own_seed if own_seed is not None else seed
                )

    def load_scenario(self, scenario: str | Path) -> None:
        """Add a scenario's faults after the active ones: a shipped scenario's name, or a JSON file's path."""
        script = load_scenario(scenario)
        self._faults.add(script.faults, script.seed)

    def faults(self) -> list[Fault]:
        """Return the active faults, with the number of requests that each still applies to."""
        return self._faults.pending()

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def _add_scenario(self) -> None:
        if self._scenario is not None:
            self._faults.add(self._scenario.faults, self._scenario.seed)

    # --- the whole -----------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Reset everything: the seeded sessions, the scenario's faults, no audit rows, no requests.

        A request that is still under way then, in a delay for instance, is answered but neither stored nor recorded.
        """
        self._epoch += 1
        self._store.clear()
        self._store.put(self._seed)
        self._recorder.clear()
        self._faults.clear()
        self._add_scenario()

    def close(self) -> None:
        """Write and close the file of `db`. The application must not be called afterwards."""
        self._store.close()


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"admin peer {text!r}: not an address or network such as 172.17.0.0/16 ({error})"
        ) from None
