"""In process as over the network: one suite for both, and a comparison of all that can be seen of each."""

import importlib.util
import json
import re
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import h11
import httpx
import pytest
from mock.rawhttp import PATH, SESSION, path_of
from smarterproctoring_mock import FAULTS
from smarterproctoring_mock.asgi import Receive, Scope, Send
from smarterproctoring_mock.testing import (
    FaultCase,
    Listener,
    Mock,
    fault_case,
    fault_cases,
    in_process,
    network,
    read_fault_cases,
)

HERE = Path(__file__).parent
KINDS = ("sync", "asyncio", "trio")
BODY = {"notes": "moved", "appointmentDateTime": "2030-01-01T10:00:00.000Z"}
Limit = float | httpx.Timeout


def read_limit(seconds: float) -> httpx.Timeout:
    """Limit the wait for the answer alone: that begins when the request was sent, however long that took."""
    return httpx.Timeout(60, read=seconds)


@dataclass
class Seen:
    """What a client saw of one exchange."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    failure: str = ""
    said: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """Sends one request by httpx's client of any kind."""

    def __init__(self, mock: Mock, kind: str = "sync") -> None:
        self.mock, self.app, self.kind = mock, mock.app, kind

    def put(self, fields: Any = BODY, *, path: str = PATH, timeout: Limit = 30, **headers: Any) -> Seen:
        given = {"token": self.mock.token, "content-type": "application/json", **headers}
        return self.send("PUT", path, list(given.items()), json.dumps(fields).encode(), timeout)

    def send(self, method: str, target: str, headers: list[tuple[str, str]], content: Any, timeout: Limit = 30) -> Seen:
        # The target goes as an extension, because httpx would tidy it up.
        extensions = {"target": target.encode("latin-1"), "timeout": httpx.Timeout(timeout).as_dict()}
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        request = httpx.Request(method, self.mock.url, headers=fields, content=content, extensions=extensions)
        seen = Seen()
        try:
            if self.kind == "sync":
                self._send(request, seen)
            else:
                anyio.run(self._asend, request, seen, backend=self.kind)
        except httpx.HTTPError as error:
            seen.failure = type(error).__name__
            seen.said = "" if isinstance(error, httpx.ReadError) else str(error)  # the system's words, or none
        return seen

    def _send(self, request: httpx.Request, seen: Seen) -> None:
        with httpx.Client(transport=self.mock.transport, trust_env=False, verify=False) as client:  # noqa: S501
            response = client.send(request, stream=True)
            seen.status, seen.headers = response.status_code, dict(response.headers)
            try:
                for piece in response.iter_raw():
                    seen.body += piece
            finally:
                response.close()

    async def _asend(self, request: httpx.Request, seen: Seen) -> None:
        transport = self.mock.transport
        async with httpx.AsyncClient(transport=transport, trust_env=False, verify=False) as client:  # noqa: S501
            response = await client.send(request, stream=True)
            seen.status, seen.headers = response.status_code, dict(response.headers)
            try:
                async for piece in response.aiter_raw():
                    seen.body += piece
            finally:
                await response.aclose()


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with Listener.listening() as listener:
        yield listener


def served(way: str, listener: Listener, **settings: Any) -> AbstractContextManager[Mock]:
    return in_process(**settings) if way == "in process" else listener.serving(**settings)


@pytest.fixture(params=["network", "in process"])
def way(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.fixture
def mock(way: str, listener: Listener) -> Iterator[Mock]:
    with served(way, listener) as mock:
        yield mock


@pytest.fixture(params=KINDS)
def caller(request: pytest.FixtureRequest, mock: Mock) -> Caller:
    return Caller(mock, request.param)


def notes(mock: Mock) -> object:
    return mock.app.sessions()[0].fields.get("notes") if mock.app.sessions() else None


def wait_for(condition: Any) -> None:
    """Wait for what another thread does; a minute is no speed limit."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


# --- the same suite over both -----------------------------------------------------------------------------


def test_state_and_record(caller: Caller) -> None:
    assert caller.put().json == "Session rescheduled"
    assert caller.put({"type": "proctoru"}).status == 200
    assert caller.put({"type": "zoom"}).status == 400
    assert caller.put({"notes": "other"}, path=path_of(9)).status == 200
    assert caller.app.session(SESSION).fields == {**BODY, "type": "proctoru"}
    caller.app.assert_called(times=2, session=SESSION, status=200, headers={"token": caller.mock.token})
    caller.app.assert_called(times=1, json=BODY)
    assert [row.status for row in caller.app.audit()] == [200, 200, 400, 200]
    with pytest.raises(AssertionError, match="expected 1 request"):
        caller.app.assert_called(times=1, fields={"type": "examity"})


# Beside `retry`, which tests/mock/test_faults.py does not know: what the client may conclude, name by name.
MAY_BE_STORED = {
    "server-error", "stored-server-error", "unknown-520", "proxy-html", "malformed-json", "empty", "empty-200", "text",
    "object", "slow", "drip", "truncated", "drop-before-read", "drop-before-store", "drop-after-store",
    "reset-after-store", "unavailable",
}  # fmt: skip
MAY_BE_REPEATED = {
    "rate-limited", "rate-limited-until", "server-error", "stored-server-error", "unavailable", "unknown-520",
    "proxy-html", "drop-before-read", "drop-before-store", "drop-after-store", "reset-after-store",
}  # fmt: skip


@pytest.mark.parametrize("case", fault_cases(), ids=lambda case: case.name)
def test_every_fault_and_what_is_known_of_it(caller: Caller, case: FaultCase) -> None:
    caller.app.add_faults(case.fault)
    seen = caller.put({"notes": "struck"})
    assert seen.status == case.status
    assert notes(caller.mock) == ("struck" if case.stored else None)
    assert case.maybe_stored is (case.name in MAY_BE_STORED)
    assert case.retry is (case.name in MAY_BE_REPEATED)
    assert case.success is (case.stored and case.status is not None and case.status < 300)
    if case.name == "drop-before-read":  # unread octets make the kernel choose between an end and a reset
        assert seen.failure in {"RemoteProtocolError", "ReadError"}
    elif case.name == "reset-after-store":
        assert seen.failure == "ReadError"
    else:
        assert seen.failure == ("RemoteProtocolError" if case.status is None or case.name == "truncated" else "")
    assert caller.put().status == 200


def test_a_late_answer_is_a_read_timeout_and_the_change_is_made_all_the_same(
    caller: Caller, delays_end: threading.Event
) -> None:
    caller.app.add_faults({"delay": 1.0})
    seen = caller.put({"notes": "late"}, timeout=read_limit(0.05))
    assert (seen.status, seen.failure, notes(caller.mock)) == (None, "ReadTimeout", None)
    delays_end.set()
    wait_for(lambda: notes(caller.mock) == "late")
    assert [row.reason for row in caller.app.audit()] == ["fault: delay 1.0"]


def test_a_delay_within_the_limit_is_waited_for(caller: Caller) -> None:
    caller.app.add_faults({"delay": 0.05})
    started = time.monotonic()
    assert caller.put(timeout=30).status == 200
    assert time.monotonic() - started >= 0.025


def test_the_read_timeout_counts_anew_for_each_piece(caller: Caller) -> None:
    caller.app.add_faults({"text": "abcdef", "drip": 0.02}, {"text": "abcdef", "drip": 600, "times": None})
    assert caller.put(timeout=20).body == b"abcdef"
    seen = Seen()
    for limit in (0.5, 5, 25):  # a busy machine may not send the first piece within the shorter ones
        if seen.status is None:
            seen = caller.put(timeout=limit)
    assert (seen.status, seen.body, seen.failure) == (200, b"a", "ReadTimeout")


def test_a_delay_holds_no_other_call_up(caller: Caller) -> None:
    caller.app.add_faults({"delay": 600, "session": SESSION})
    waiting = threading.Thread(target=lambda: caller.put(timeout=read_limit(0.3)), daemon=True)
    waiting.start()
    wait_for(lambda: not caller.app.faults())
    assert caller.put(path=path_of(9)).status == 200
    waiting.join()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_call_goes_on_in_the_server(mock: Mock, backend: str, delays_end: threading.Event) -> None:
    mock.app.add_faults({"delay": 1.0})

    async def main() -> None:
        headers = {"token": mock.token}
        scope = anyio.CancelScope()

        async def cancel_when_it_has_arrived() -> None:
            while mock.app.faults():  # the request takes the fault
                await anyio.sleep(0.005)
            scope.cancel()

        async with httpx.AsyncClient(transport=mock.transport, trust_env=False, base_url=mock.url) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(cancel_when_it_has_arrived)
                with scope:
                    await client.put(PATH, headers=headers, json={"notes": "cancelled"})
        assert scope.cancelled_caught

    while notes(mock) is None:
        delays_end.clear()
        anyio.run(main, backend=backend)
        delays_end.set()
        # A request whose body had not arrived when its caller went gives the fault back: then once more.
        wait_for(lambda: notes(mock) is not None or mock.app.faults())
    assert notes(mock) == "cancelled"


@pytest.mark.slow
def test_many_at_once(mock: Mock) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(transport=mock.transport, trust_env=False, base_url=mock.url) as client:

            async def one(number: int) -> None:
                answer = await client.put(path_of(number), headers={"token": mock.token}, json={"notes": str(number)})
                assert answer.status_code == 200

            async with anyio.create_task_group() as group:
                for number in range(100):
                    group.start_soon(one, number)

    anyio.run(main)
    assert sorted(int(str(session.fields["notes"])) for session in mock.app.sessions()) == list(range(100))


def test_many_threads_at_once(mock: Mock) -> None:
    with httpx.Client(transport=mock.transport, trust_env=False, base_url=mock.url) as client:

        def run(first: int) -> None:
            for number in range(first, first + 20):
                client.put(path_of(number), headers={"token": mock.token}, json={"notes": str(number)})

        threads = [threading.Thread(target=run, args=(first * 20,)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(int(str(session.fields["notes"])) for session in mock.app.sessions()) == list(range(160))
    assert len(mock.app.audit()) == 160


def test_what_http_forbids_fails_before_it_is_sent(caller: Caller) -> None:
    assert caller.put(token="a\r\nb: c").failure == "LocalProtocolError"
    assert caller.app.total == 0
    for length in ("1", "3"):
        with pytest.raises(h11.LocalProtocolError, match="declared Content-Length"):
            caller.send("PUT", PATH, [("token", caller.mock.token), ("content-length", length)], b"{}")


def test_the_admin_interface_answers(caller: Caller) -> None:
    caller.put()
    answer = caller.send("GET", "/_mock/sessions", [], None)
    assert [session["fields"] for session in answer.json["sessions"]] == [BODY]


def test_a_db(way: str, listener: Listener, tmp_path: Path) -> None:
    for _ in range(2):
        with served(way, listener, db=tmp_path / "mock.db") as mock:
            for kind in KINDS:
                assert Caller(mock, kind).put().status == 200
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in tmp_path.glob("mock.db*"))
    with in_process(db=tmp_path / "mock.db") as mock:
        assert [row.replay for row in mock.app.audit()] == [False] + [True] * 5


def test_settings_lead_to_the_mock(mock: Mock) -> None:
    settings = mock.settings(retries=0)
    assert settings.pop("retries") == 0
    assert settings.pop("token") == mock.token
    assert settings.pop("base_url") == mock.url
    assert settings == ({} if mock.transport is None else {"transport": mock.transport})
    assert mock.token not in repr(mock)


# --- compared ---------------------------------------------------------------------------------------------


def traces(mock: Mock) -> list[Any]:
    """All that the server kept, without times and addresses."""
    rows = [{**asdict(row), "time": ""} for row in mock.app.audit()]
    requests = [replace(request, time="") for request in mock.app.requests()]
    host = mock.url.partition("://")[2]
    hidden = json.loads(json.dumps([request.to_json() for request in requests]).replace(host, "host"))
    return [rows, hidden, mock.app.sessions()]


def both(listener: Listener, run: Any, kind: str = "sync", **settings: Any) -> list[Any]:
    """Do the same over the network and in process; return what was seen, once it has proved to be the same."""
    found: list[Any] = []
    for way in ("network", "in process"):
        with served(way, listener, **settings) as mock:
            seen: list[Seen] = run(Caller(mock, kind))
            for one in seen:
                assert (one.status is None) or one.headers.pop("date").endswith("GMT")
            found.append((seen, traces(mock)))
    for over_network, in_here in zip(found[0][0], found[1][0], strict=True):
        assert over_network == in_here
    assert found[0][1] == found[1][1]
    return found[0][0]  # type: ignore[no-any-return]


NOT_ALIKE = {
    "method_lowercase_put": "httpx writes methods in capitals",
    "uri_64k": "on the network, the server's HTTP library stops before the application is asked",
}


def strictness_cases() -> list[Any]:
    """The shared cases that httpx can send; the others are octets that no HTTP library writes."""
    cases = json.loads((HERE / "strictness" / "cases.json").read_text())["cases"]
    cases = [case for case in cases if case["framing"] != "raw" and case["name"] not in NOT_ALIKE]
    return [pytest.param(case, id=case["name"]) for case in cases]


def test_the_sample_is_most_of_the_cases() -> None:
    assert len(strictness_cases()) == 118


@cache
def run_cases() -> ModuleType:
    """Import the script that sends the cases over the network."""
    spec = importlib.util.spec_from_file_location("run_cases", HERE / "strictness" / "run_cases.py")
    assert spec is not None
    assert spec.loader is not None
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    return runner


@pytest.mark.parametrize("case", strictness_cases())
def test_the_strictness_cases(listener: Listener, case: dict[str, Any]) -> None:
    body = run_cases().body_bytes(case)

    def run(caller: Caller) -> list[Seen]:
        def filled(text: str) -> str:
            text = text.replace("{{token}}", caller.mock.token)
            return re.sub(r"\{\{a\*(\d+)\}\}", lambda match: "a" * int(match[1]), text)

        headers = [(name, filled(value)) for name, value in case["headers"]]
        content = iter([body]) if case["framing"].startswith("chunked") else body
        return [caller.send(case["method"], filled(case["path"]), headers, content)]

    (seen,) = both(listener, run)
    assert seen.status is not None
    assert f"{seen.status // 100}xx" == case["expected_class"]
    assert seen.status in case.get("best_status", [200])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_looks_the_same(listener: Listener, kind: str) -> None:
    def run(caller: Caller) -> list[Seen]:
        seen: list[Seen] = []
        for case in fault_cases():
            if case.name not in {"drop-before-read", "rate-limited-until"}:
                caller.app.add_faults(case.fault)
                seen += [caller.put({"notes": case.name}), caller.put()]
        return seen

    both(listener, run, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_reads_and_their_faults_look_the_same(listener: Listener, kind: str) -> None:
    def run(caller: Caller) -> list[Seen]:
        token = [("token", caller.mock.token)]
        seen = [caller.send("GET", PATH, token, b""), caller.put(), caller.send("GET", PATH, [], b"")]
        for case in read_fault_cases():
            caller.app.add_faults(replace(case.fault, within=case.fault.within and 3600.0))  # and not some seconds
            seen += [caller.put({"notes": case.name}), caller.send("GET", PATH, token, b"")]
        return seen

    both(listener, run, kind)


def test_other_faults_look_the_same(listener: Listener) -> None:
    def run(caller: Caller) -> list[Seen]:
        caller.app.add_faults(
            {"status": 207, "json": {"a": [1]}, "headers": {"X-Request-Id": "r-1", "Set-Cookie": "a=b"}},
            {"text": "abc", "truncate": 99},
            {"text": "", "truncate": 0},
            {"text": "abcdef", "drip": 0.001, "drip_bytes": 4},
            {"status": 304},
            {"drop": "before-store", "reset": True},
            {"status": 500, "probability": 0.5, "times": None},
        )
        seen = [caller.put() for _ in range(20)]
        return [*seen, *(caller.put(prefer=f"code={status}") for status in (200, 299, 404, 520, 999))]

    both(listener, run, token="a-token-of-its-own", strict_sessions=False)


def test_seeds_strict_sessions_and_closing_look_the_same(listener: Listener) -> None:
    sids = dict(zip(("installSid", "examSid", "sessionSid"), PATH.split("/")[3::2], strict=True))

    def run(caller: Caller) -> list[Seen]:
        return [caller.put(), caller.put(path=path_of(9)), caller.put(connection="close"), caller.put(token="wrong")]

    seen = both(listener, run, seed=[sids], strict_sessions=True)
    assert [one.status for one in seen] == [200, 404, 200, 401]
    assert seen[2].headers["connection"] == "close"


# --- in process alone -------------------------------------------------------------------------------------


def test_nothing_else_can_be_reached() -> None:
    with in_process() as mock, httpx.Client(transport=mock.transport) as client:
        for url in ("https://example.org", mock.url.replace("https", "http"), mock.url + ":444"):
            with pytest.raises(httpx.ConnectError, match=r"only https://smarterproctoring-mock\.invalid"):
                client.put(url + PATH)
        mock.app.add_faults("redirect")
        with pytest.raises(httpx.ConnectError):
            client.put(mock.url + PATH, headers={"token": mock.token}, json=BODY, follow_redirects=True)


def test_after_the_end_nothing_goes_on() -> None:
    with in_process() as mock:
        mock.app.add_faults({"delay": 600})
        assert Caller(mock).put(timeout=read_limit(0.01)).failure == "ReadTimeout"
        assert [thread.name for thread in threading.enumerate()].count("smarterproctoring-mock-call") == 1
    wait_for(lambda: "smarterproctoring-mock-call" not in [thread.name for thread in threading.enumerate()])
    assert mock.app.audit() == []


def test_a_body_that_is_not_read_leaves_nothing_behind() -> None:
    with in_process() as mock, httpx.Client(transport=mock.transport) as client:
        mock.app.add_faults({"drip": 600})
        with client.stream("PUT", mock.url + PATH, headers={"token": mock.token}, json=BODY) as response:
            assert response.status_code == 200
        assert mock.app.session(SESSION).fields == BODY


def test_a_request_that_an_earlier_test_left_behind_reaches_no_later_one(
    listener: Listener, delays_end: threading.Event
) -> None:
    with listener.serving() as first:
        first.app.add_faults({"delay": 0.2})
        assert Caller(first).put(timeout=read_limit(0.05)).failure == "ReadTimeout"
        with listener.serving() as second:
            delays_end.set()
            wait_for(first.app.audit)
            assert second.app.audit() == []


class BusyListener(Listener):
    """Does nothing else for a while when it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_busy = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/busy":
            self.is_busy.set()
            time.sleep(0.3)  # noqa: ASYNC251 - the whole event loop has to stand still
        await super().__call__(scope, receive, send)


def test_a_request_that_the_server_has_not_looked_at_yet_reaches_no_later_test() -> None:
    head = f"PUT {PATH} HTTP/1.1\r\nHost: mock\r\nContent-Length: 9\r\nContent-Type: application/json\r\n"
    with BusyListener.listening() as listener:
        address = ("127.0.0.1", int(listener.url.rpartition(":")[2]))
        with listener.serving() as first, socket.create_connection(address) as other:
            other.sendall(b"GET /busy HTTP/1.1\r\nHost: mock\r\n\r\n")
            assert listener.is_busy.wait(60)
            with socket.create_connection(address) as client:
                client.sendall(f"{head}token: {first.token}\r\n\r\n{{".encode())
        with listener.serving() as second:
            wait_for(lambda: 0 in [row.status for row in first.app.audit()])
            assert second.app.audit() == []


def test_variables_for_another_process() -> None:
    with network(token="of-my-own") as mock:
        assert mock.environment() == {"SMARTERPROCTORING_TOKEN": "of-my-own", "SMARTERPROCTORING_BASE_URL": mock.url}
    with in_process() as mock, pytest.raises(TypeError, match="network"):
        mock.environment()


def test_faults_of_ones_own_are_judged_by_the_same_rules() -> None:
    assert fault_case({"status": 501}).maybe_stored is False
    assert fault_case({"status": 501}).retry is False
    assert fault_case({"status": 408}).retry is True
    assert fault_case({"status": 201, "store": False}).stored is False
    assert [case.fault.times for case in fault_cases(["slow", "drip"], times=None)] == [None, None]
    assert [case.fault.delay for case in fault_cases(["slow"], pace=None)] == [FAULTS["slow"].delay]
