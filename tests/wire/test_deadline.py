"""Rule 6: the deadline holds over everything, and the failure says whether the request was sent.

The bounds are generous: without the deadline each case would last for at least a minute, or for ever.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Literal

import anyio
import httpcore
import httpx
import pytest
import trustme
from smarterproctoring import (
    APIConnectionError,
    APITimeoutError,
    AsyncSmarterProctoring,
    DeadlineExceededError,
    SmarterProctoringError,
    Timeouts,
)
from smarterproctoring_transport._async.watched import AsyncWatchedStream
from smarterproctoring_transport._sync.watched import SyncWatchedStream
from smarterproctoring_transport.deadline import Watch
from smarterproctoring_transport.sync_backend import Stream
from wire.driver import AI, CERTIFICATES, ES, EX, TOKEN, Driver, shown
from wire.limits import LONG, Clock, with_enough_time
from wire.misbehave import Peer, Server, Step, answer, head

DEADLINE = 0.6
LARGE = "n" * 10_000_000
Targets = list[tuple[str, int]]


@contextmanager
def cut(most: float = 30.0) -> Generator[None]:
    """What happens within must end long before it would by itself, the end of its event loop included."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < most


# -- names and addresses -----------------------------------------------------------------------------------------------


class Names:
    """Replaces the system's name look-up: one name, whose addresses and whose slowness the test decides."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.asked = 0
        self.slow = False
        self.released = threading.Event()
        self._system = socket.getaddrinfo

    def forget(self) -> None:
        self.asked = 0

    def look_up(self, host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        if host not in ("api.test", b"api.test"):
            return self._system(host, port, *rest, **named)
        if named.get("flags", 0) & socket.AI_NUMERICHOST or (len(rest) > 3 and rest[3] & socket.AI_NUMERICHOST):
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        self.asked += 1
        if self.slow:
            self.released.wait(LONG)
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown name")
        kind = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
        return [(*kind, (address, port)) for address in self.addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    yield names
    names.released.set()


def fill_queue(address: tuple[str, int]) -> list[socket.socket]:
    """Connect until the queue of a listener that accepts nothing is full: the first connection fills it."""
    waiting = [socket.socket() for _ in range(4)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(address)
    select.select([], waiting, [], LONG)
    return waiting


@contextmanager
def dead(port: int, *addresses: str) -> Generator[None]:
    """Addresses on which connecting hangs: their queues are full and nobody accepts."""
    listeners: list[socket.socket] = []
    waiting: list[socket.socket] = []
    try:
        for address in addresses:
            listener = socket.create_server((address, port), backlog=0)
            listeners.append(listener)
            waiting += fill_queue((address, port))
        yield
    finally:
        for one in [*listeners, *waiting]:
            one.close()


needs_loopback_net = pytest.mark.skipif(sys.platform == "darwin", reason="only 127.0.0.1 is there")


@pytest.mark.slow
def test_a_slow_name_look_up(any_driver: Driver, names: Names) -> None:
    def attempt(limit: float) -> bool:
        names.forget()
        with (
            cut(limit + 30),
            any_driver.client("http://api.test", allow_http=True, deadline=limit, retries=0) as client,
        ):
            error = client.fails(DeadlineExceededError)
        assert not error.maybe_applied
        return names.asked == 1

    names.slow = True
    with_enough_time(attempt)


def test_a_slow_name_look_up_is_limited_by_the_connect_timeout(any_driver: Driver, names: Names) -> None:
    names.slow = True
    limits = Timeouts(connect=0.2, read=LONG, write=LONG, pool=LONG)
    with cut(), any_driver.client("http://api.test", allow_http=True, timeout=limits, retries=0) as client:
        error = client.fails(APITimeoutError)
    assert (type(error), error.maybe_applied) == (APITimeoutError, False)


def test_a_name_that_is_unknown(any_driver: Driver, names: Names) -> None:
    with cut(), any_driver.client("http://api.test", allow_http=True, retries=1) as client:
        error = client.fails(APIConnectionError)
    assert (error.maybe_applied, error.attempts, names.asked) == (False, 2, 2)


@pytest.mark.slow
@needs_loopback_net
def test_addresses_that_do_not_answer(any_driver: Driver, names: Names, server: Server) -> None:
    names.addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]
    url = f"http://api.test:{server.port}"
    with dead(server.port, *names.addresses), cut():
        with any_driver.client(url, allow_http=True, deadline=DEADLINE) as client:
            error = client.fails(DeadlineExceededError)
    assert not error.maybe_applied


@pytest.mark.slow
@needs_loopback_net
def test_a_good_address_after_some_that_do_not_answer(any_driver: Driver, names: Names, server: Server) -> None:
    names.addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"]
    url = f"http://api.test:{server.port}"
    limits = Timeouts(connect=LONG, read=LONG, write=LONG, pool=LONG)
    with dead(server.port, *names.addresses[:3]), cut():  # one alone would take the whole limit
        with any_driver.client(url, allow_http=True, timeout=limits, retries=0) as client:
            assert client.reschedule().attempts == 1
    assert server.connections == 1


@needs_loopback_net
def test_an_address_that_refuses_costs_no_attempt(any_driver: Driver, names: Names, server: Server) -> None:
    names.addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.1"]
    with any_driver.client(f"http://api.test:{server.port}", allow_http=True, retries=0) as client:
        assert client.reschedule().attempts == 1


@needs_loopback_net
@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks(names: Names, server: Server) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - not in 3.11
        url = f"http://api.test:{server.port}"
        async with AsyncSmarterProctoring(lambda: TOKEN, base_url=url, allow_http=True, verify=CERTIFICATES) as client:
            calls = [asyncio.create_task(client.reschedule(AI, EX, ES, notes="x")) for _ in range(8)]
            assert [(await call).attempts for call in calls] == [1] * 8

    names.addresses = ["127.0.0.2", "127.0.0.1"]
    asyncio.run(main())


# -- sending and reading -----------------------------------------------------------------------------------------------


def until_released(released: threading.Event, step: Callable[[Peer], None]) -> Step:
    """Repeat a step until the test is over or the peer has gone."""

    def repeated(peer: Peer) -> None:
        until = time.monotonic() + LONG
        while not released.wait(0.02) and time.monotonic() < until:
            step(peer)
        peer.close()

    return repeated


def read_slowly(peer: Peer) -> None:
    if not peer.socket.recv(20_000):
        raise ConnectionError


def drip_without_reading(peer: Peer) -> None:
    peer.send(b"a" if peer.number in begun else b"HTTP/1.1 200 OK\r\nX-Slow: ")
    begun.add(peer.number)


begun: set[int] = set()
"""The connections on which an answer was begun, of the server that listens."""


@pytest.mark.slow
@pytest.mark.parametrize("step", [read_slowly, drip_without_reading])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_server_that_does_not_take_the_request(any_driver: Driver, step: Any, *, secure: bool) -> None:
    context, trusting = certificates()

    def attempt(limit: float) -> bool:
        released = threading.Event()
        received = threading.Event()
        begun.clear()

        def received_some(peer: Peer) -> None:
            received.set()
            step(peer)

        with Server(until_released(released, received_some), tls=context if secure else None) as server:
            try:
                with any_driver.client(server, deadline=limit, verify=trusting) as client, cut(limit + 30):
                    error = client.fails(DeadlineExceededError, notes=LARGE)
                has_received = received.is_set()
            finally:
                released.set()
        assert error.maybe_applied or not has_received
        return has_received

    with_enough_time(attempt)


def test_the_pieces_that_a_slow_reader_takes_have_one_limit() -> None:
    def read() -> None:
        while not released.wait(0.02) and there.recv(4096):
            pass

    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    released = threading.Event()
    reader = threading.Thread(target=read)
    reader.start()
    try:
        with cut(), pytest.raises(httpcore.WriteTimeout):
            Stream(here).write(b"n" * 10_000_000, 0.3)
    finally:  # else the process never ends where this fails
        released.set()
        here.close()
        reader.join()
        there.close()


@cache
def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and a client's that trusts it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusting)
    return context, trusting


def test_a_peer_that_is_gone_before_the_handshake_leaves_no_socket_open() -> None:
    """Python 3.11 and 3.12 leave it to the collector, which warns: any warning fails a test here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = socket.create_connection(listener.getsockname())
        there, _ = listener.accept()
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        there.close()  # a reset
        select.select([here], [], [], 10)
    with pytest.raises(httpcore.ConnectError):
        Stream(here).start_tls(CERTIFICATES, "127.0.0.1", 1)
    gc.collect()


def drip_a_handshake(peer: Peer) -> None:
    """Begin a TLS record that takes for ever."""
    peer.socket.recv(65536)
    peer.send(b"\x16\x03\x03\x40\x00")
    for _ in range(1000):
        peer.send(b"\x02")
        time.sleep(0.02)


@pytest.mark.slow
def test_a_dripping_handshake(any_driver: Driver) -> None:
    with Server(drip_a_handshake) as server, cut():
        with any_driver.client(f"https://127.0.0.1:{server.port}", deadline=DEADLINE) as client:
            error = client.fails(DeadlineExceededError)
    assert not error.maybe_applied


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
def test_a_deadline_that_passes_before_the_first_byte(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    def late(_: object) -> None:
        if slow:
            clock.put_forward(LONG)

    clock = Clock(monkeypatch)
    slow: list[int] = []
    with driver.client(server, deadline=LONG, event_hooks={"request": [driver.hook(late)]}) as client:
        if kept:
            client.reschedule()
        slow.append(1)
        error = client.fails(DeadlineExceededError)
    assert (error.maybe_applied, error.attempts, len(server.requests)) == (False, 1, int(kept))


def test_a_process_that_stands_still_until_the_deadline_before_the_first_byte(
    any_driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a SIGSTOP or a closed lid: the server is reached, and nothing has been written."""
    clip = Watch.clip

    def late(watch: Watch, timeout: float | None, late: type[Exception], until: float | None = None) -> float | None:
        if late is httpcore.WriteTimeout:
            watch.deadline = time.monotonic() - 1
        return clip(watch, timeout, late, until)

    monkeypatch.setattr(Watch, "clip", late)
    with any_driver.client(server, retries=0) as client:
        error = client.fails(APITimeoutError)
    assert (error.maybe_applied, error.attempts, server.requests) == (False, 1, [])
    assert "no time left to send" in error.message


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("hook", "maybe_applied", "sent"), [("request", False, 0), ("response", True, 1), ("on_retry", True, 1)]
)
def test_an_asynchronous_hook_is_cut(
    kind: Literal["asyncio", "trio"], hook: str, *, maybe_applied: bool, sent: int
) -> None:
    def attempt(limit: float) -> bool:
        called: list[int] = []

        async def waiting(*_: object) -> None:
            called.append(1)
            await anyio.sleep(LONG)

        hooks: dict[str, Any] = {"on_retry": waiting} if hook == "on_retry" else {"event_hooks": {hook: [waiting]}}
        with Server(answer(503)) as server:
            with Driver(kind).client(server, deadline=limit, **hooks) as client, cut(limit + 15):
                error = client.fails(SmarterProctoringError)
            if not called:
                return False
            assert (error.maybe_applied, error.attempts, len(server.requests)) == (maybe_applied, 1, sent)
        assert isinstance(error, DeadlineExceededError) is (hook == "request")
        return True

    with_enough_time(attempt)


@pytest.mark.slow
def test_a_success_whose_hook_is_cut_is_a_success(server: Server) -> None:
    def attempt(limit: float) -> bool:
        called: list[int] = []

        async def waiting(*_: object) -> None:
            called.append(1)
            await anyio.sleep(LONG)

        hooks = {"response": [waiting]}
        with Driver("asyncio").client(server, deadline=limit, event_hooks=hooks) as client, cut(limit + 15):
            try:
                assert client.reschedule().status == 200
            except SmarterProctoringError:
                assert not called
        return bool(called)

    with_enough_time(attempt)


@pytest.mark.slow
def test_nothing_is_given_to_a_transport_of_the_callers_after_the_deadline(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_: object) -> None:
        clock.put_forward(LONG)

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    clock = Clock(monkeypatch)
    seen: list[httpx.Request] = []
    options = {"transport": httpx.MockTransport(reply), "event_hooks": {"request": [driver.hook(late)]}}
    with driver.client("https://a.example", deadline=LONG, **options) as client:
        error = client.fails(DeadlineExceededError)
    assert (error.maybe_applied, error.attempts, seen) == (False, 1, [])


@pytest.mark.slow
def test_a_place_in_the_pool_is_not_waited_for_past_the_deadline(driver: Driver, server: Server) -> None:
    def hold(peer: Peer) -> None:
        peer.read()
        released.wait(LONG)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def late(_: object) -> None:
        if held:
            time.sleep(0.3)

    released = threading.Event()
    held: list[int] = []
    server.script(hold)
    hooks = {"request": [driver.hook(late)]}
    with driver.client(server, event_hooks=hooks, limits=httpx.Limits(max_connections=1)) as client, cut():
        thread = threading.Thread(target=client.reschedule)
        thread.start()
        server.arrived(1)
        held.append(1)
        error = client.view(deadline=0.5, timeout=Timeouts(pool=LONG)).fails(DeadlineExceededError)
        released.set()
        thread.join()
    assert not error.maybe_applied


# -- proxies -----------------------------------------------------------------------------------------------------------

PASSWORD = "the-proxy-password"
CREDENTIALS = base64.b64encode(f"user:{PASSWORD}".encode()).decode()


def die(peer: Peer) -> None:
    peer.read()
    peer.close()


def reset(peer: Peer) -> None:
    peer.read()
    peer.reset()


def silent(peer: Peer) -> None:
    peer.hang()


def say_and_stay(data: bytes) -> Step:
    def step(peer: Peer) -> None:
        peer.read()
        peer.send(data)
        peer.hang()

    return step


def flood(peer: Peer) -> None:
    peer.read()
    with suppress(OSError):
        while True:
            peer.send(head(100, {}) * 50)


def drip_agreement(peer: Peer) -> None:
    peer.read()
    peer.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    peer.drip(b"a" * 10_000, 0.02)


def through(driver: Driver, proxy: Server, **options: Any) -> Any:
    url = proxy.url.replace("://", f"://user:{PASSWORD}@")
    return driver.client("https://api.example.com", proxy=url, **options)


def check_that_nothing_was_sent(error: SmarterProctoringError, proxy: Server) -> None:
    assert not error.maybe_applied
    assert PASSWORD not in shown(error)
    assert CREDENTIALS not in shown(error)
    assert all(request.header("token") == [] for request in proxy.requests)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        pytest.param(die, "closed the connection", id="dies"),
        pytest.param(reset, "closed the connection", id="resets"),
        pytest.param(say_and_stay(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "not HTTP", id="garbage"),
        pytest.param(say_and_stay(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), "not HTTP", id="broken header"),
        pytest.param(say_and_stay(head(200, {}) + b"more"), "more than an answer", id="says too much"),
        pytest.param(say_and_stay(head(200, {"X": "a" * 20_000})), "too long", id="long header"),
        pytest.param(flood, "too long", id="interim answers for ever"),
        pytest.param(answer(403), "answered 403", id="403"),
        pytest.param(answer(407), "answered 407", id="407"),
        pytest.param(answer(502), "answered 502", id="502"),
        pytest.param(say_and_stay(head(302, {"Location": "https://login.test"})), "answered 302", id="302"),
    ],
)
def test_a_proxy_that_fails_means_not_sent(any_driver: Driver, step: Step, words: str) -> None:
    with Server(step) as proxy, through(any_driver, proxy, timeout=LONG) as client, cut():
        error = client.fails(APIConnectionError)
    check_that_nothing_was_sent(error, proxy)
    assert error.attempts == 3
    assert words in error.message


@pytest.mark.slow
@pytest.mark.parametrize("step", [silent, drip_agreement, say_and_stay(b"HTTP/1.1 200"), say_and_stay(head(200, {}))])
def test_a_proxy_that_takes_too_long_means_not_sent(any_driver: Driver, step: Step) -> None:
    with Server(step) as proxy, through(any_driver, proxy, deadline=DEADLINE) as client, cut():
        error = client.fails(DeadlineExceededError)
    check_that_nothing_was_sent(error, proxy)


def test_a_silent_proxy_is_limited_by_the_connect_timeout(driver: Driver) -> None:
    limits = Timeouts(connect=0.2, read=LONG, write=LONG, pool=LONG)
    with Server(silent) as proxy, through(driver, proxy, timeout=limits, retries=0) as client, cut():
        error = client.fails(APITimeoutError)
    check_that_nothing_was_sent(error, proxy)


def tunnel(to: int, released: threading.Event) -> Step:
    """Agree to CONNECT, and carry bytes to one port."""

    def step(peer: Peer) -> None:
        peer.read()
        peer.send(head(100, {}) + head(200, {}))
        with socket.create_connection(("127.0.0.1", to)) as inner:
            back = threading.Thread(target=carry, args=(inner.recv, peer.send), daemon=True)
            back.start()
            carry(peer.socket.recv, inner.sendall)
            with suppress(OSError):
                inner.shutdown(socket.SHUT_RDWR)
            back.join(5)
        peer.close()

    def carry(receive: Callable[[int], bytes], send: Callable[[bytes], object]) -> None:
        with suppress(OSError):
            while not released.is_set() and (data := receive(65536)):
                send(data)

    return step


@pytest.mark.parametrize("secure", [False, True], ids=["http proxy", "https proxy"])
def test_a_tunnel_works_and_is_kept(any_driver: Driver, *, secure: bool) -> None:
    context, trusting = certificates()
    large = b'"' + b"a" * 300_000 + b'"'
    released = threading.Event()
    with Server(answer(200, large), tls=context) as inner:
        with Server(tunnel(inner.port, released), tls=context if secure else None) as proxy:
            url = proxy.url.replace("://", f"://user:{PASSWORD}@")
            via = httpx.Proxy(url, ssl_context=trusting if secure else None)
            with any_driver.client(inner, proxy=via, verify=trusting) as client:
                for _ in range(3):
                    assert client.reschedule(notes="n" * 300_000).data == "a" * 300_000
            released.set()
    assert [request.header("proxy-authorization") for request in proxy.requests] == [[f"Basic {CREDENTIALS}"]]
    assert (proxy.connections, inner.connections, len(inner.requests)) == (1, 1, 3)
    assert all(request.header("proxy-authorization") == [] for request in inner.requests)


def hang_after_reading(peer: Peer) -> None:
    peer.read()
    peer.hang()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "maybe"),
    [
        pytest.param(hang_after_reading, True, id="no answer"),
        pytest.param(None, False, id="no handshake"),
        pytest.param(drip_a_handshake, False, id="dripping handshake"),
    ],
)
@pytest.mark.parametrize("secure", [False, True], ids=["http proxy", "https proxy"])
def test_the_deadline_holds_in_a_tunnel(any_driver: Driver, step: Step | None, *, maybe: bool, secure: bool) -> None:
    context, trusting = certificates()

    def attempt(limit: float) -> bool:
        released = threading.Event()
        with Server(step or silent, tls=context if maybe else None) as inner:
            with Server(tunnel(inner.port, released), tls=context if secure else None) as proxy:
                via = httpx.Proxy(proxy.url, ssl_context=trusting if secure else None)
                url = f"https://127.0.0.1:{inner.port}"
                with any_driver.client(url, proxy=via, verify=trusting, deadline=limit) as client, cut(limit + 30):
                    error = client.fails(DeadlineExceededError)
                reached = bool(inner.requests if maybe else inner.connections)
                released.set()
        assert error.maybe_applied is maybe or not reached
        return reached

    with_enough_time(attempt)


def test_a_certificate_that_is_not_trusted_in_a_tunnel_is_a_tls_failure(any_driver: Driver) -> None:
    context, trusting = certificates()
    other, _ = certificates.__wrapped__()
    released = threading.Event()
    with Server(answer(), tls=other) as inner:
        with Server(tunnel(inner.port, released), tls=context) as proxy:
            via = httpx.Proxy(proxy.url, ssl_context=trusting)
            with any_driver.client(inner, proxy=via, verify=trusting) as client:
                error = client.fails(APIConnectionError)
            released.set()
    assert (error.maybe_applied, error.attempts) == (False, 1)
    assert "certificate" in error.message


# -- the token ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_token_callable_that_hangs(any_driver: Driver, server: Server) -> None:
    def hang() -> str:
        released.wait(LONG)
        return TOKEN

    released = threading.Event()
    with cut(), any_driver.client(server, hang, deadline=DEADLINE) as client:
        error = client.fails(DeadlineExceededError)
    released.set()
    assert (error.attempts, error.maybe_applied, server.connections) == (0, False, 0)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_slow_token_callable_does_not_hold_up_the_event_loop(server: Server, backend: str) -> None:
    async def main() -> None:
        async def release() -> None:
            await anyio.sleep(0.05)
            released.set()

        async with AsyncSmarterProctoring(slow, base_url=server.url, verify=CERTIFICATES) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(release)
                assert (await client.reschedule(AI, EX, ES, notes="x")).status == 200

    def slow() -> str:
        assert released.wait(LONG / 2)  # the event loop has to go on for it to be set
        return TOKEN

    released = threading.Event()
    anyio.run(main, backend=backend)


def test_a_token_callable_may_raise_a_timeout_of_its_own(driver: Driver, server: Server) -> None:
    def fail() -> str:
        raise TimeoutError(TOKEN)

    with driver.client(server, fail) as client:
        assert "raised TimeoutError" in client.fails(SmarterProctoringError).message


# -- the header and the body of a request ------------------------------------------------------------------------------


class Written(httpcore.NetworkStream):
    """A connection that keeps what is written, and answers nothing."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.pieces.append(buffer)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b""


class AsyncOf(httpcore.AsyncNetworkStream):
    """The same for asynchronous code."""

    def __init__(self, inner: Written) -> None:
        self.inner = inner

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as in httpcore
        self.inner.write(buffer)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return b""


def step(asynchronous: bool, stream: Any, name: str, *arguments: Any) -> None:
    done = getattr(stream, name)(*arguments)
    if asynchronous:
        with suppress(StopIteration):
            done.send(None)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_header_goes_with_the_body_and_counts_as_sent_only_then(*, asynchronous: bool) -> None:
    inner = Written()
    watch = Watch()
    of: Any = AsyncWatchedStream(AsyncOf(inner), watch, final=True) if asynchronous else None
    stream = of or SyncWatchedStream(inner, watch, final=True)
    for _ in range(2):  # on a kept connection as on a new one
        inner.pieces.clear()
        watch.begin(time.monotonic() + LONG, to_head=False, in_parts=True)
        step(asynchronous, stream, "write", b"header, ", 1.0)
        assert (inner.pieces, watch.sent) == ([], False)
        step(asynchronous, stream, "write", b"body", 1.0)
        assert (inner.pieces, watch.sent) == ([b"header, body"], True)
        step(asynchronous, stream, "write", b"", 1.0)
        assert inner.pieces == [b"header, body"]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_header_without_a_body_is_sent_before_the_answer_is_read(*, asynchronous: bool) -> None:
    inner = Written()
    watch = Watch()
    of: Any = AsyncWatchedStream(AsyncOf(inner), watch, final=True) if asynchronous else None
    stream = of or SyncWatchedStream(inner, watch, final=True)
    watch.begin(time.monotonic() + LONG, to_head=False, in_parts=True)
    step(asynchronous, stream, "write", b"header", 1.0)
    step(asynchronous, stream, "read", 9, 1.0)
    assert (inner.pieces, watch.sent) == ([b"header"], True)
