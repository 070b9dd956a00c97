"""Rule 6: nothing lasts longer than it may.

The bounds are generous: a hang would last for minutes, and nothing here is about speed.
"""

from __future__ import annotations

import random
import select
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest
from smarterproctoring import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ConfigurationError,
    DeadlineExceededError,
    RateLimitError,
    SmarterProctoring,
    SmarterProctoringError,
    Timeouts,
)
from wire.driver import TOKEN, Caller, Driver
from wire.limits import LONG, Clock, read_limit, with_enough_time
from wire.misbehave import Peer, Server, Step, answer, drip_body, drip_headers, head, never, response


@contextmanager
def cut(most: float = 30.0) -> Generator[None]:
    """What happens within must end long before it would by itself."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < most


@contextmanager
def full_backlog() -> Generator[str]:
    """A port on which connecting hangs: its queue is full and nobody accepts."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        select.select([], waiting, [], LONG)  # the first connection fills the queue
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for one in waiting:
                one.close()


def test_the_defaults() -> None:
    assert Timeouts() == (5.0, 30.0, 30.0, 5.0)
    with SmarterProctoring(TOKEN) as client:
        assert "deadline=60s" in repr(client)
        assert "retries=2" in repr(client)


def test_a_connect_limit(any_driver: Driver) -> None:
    limits = Timeouts(connect=0.2, read=LONG, write=LONG, pool=LONG)
    with full_backlog() as url, any_driver.client(url, timeout=limits, retries=0) as client, cut():
        error = client.fails(APITimeoutError)
    assert (type(error), error.maybe_applied) == (APITimeoutError, False)


def test_a_read_limit(any_driver: Driver, server: Server) -> None:
    server.script(never)
    with any_driver.client(server, timeout=read_limit(0.2), retries=0) as client, cut():
        error = client.fails(APITimeoutError)
    assert (type(error), error.maybe_applied, len(server.arrived(1))) == (APITimeoutError, True, 1)


@pytest.mark.slow
def test_a_write_limit(driver: Driver) -> None:
    def deaf(peer: Peer) -> None:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        until.append(1)
        while len(until) < 2:
            time.sleep(0.01)
        peer.close()

    until: list[int] = []
    limits = Timeouts(connect=LONG, read=LONG, write=0.2, pool=LONG)
    with Server(deaf) as server, driver.client(server, timeout=limits, retries=0) as client, cut():
        error = client.fails(APITimeoutError, notes="n" * 8_000_000)
        until.append(2)
    assert (type(error), error.maybe_applied) == (APITimeoutError, True)
    assert "send" in str(error)


@pytest.mark.slow
def test_a_pool_limit(driver: Driver, server: Server) -> None:
    def hold(peer: Peer) -> None:
        peer.read()
        released.wait(LONG)
        peer.close()

    released = threading.Event()
    server.script(hold)
    limits = httpx.Limits(max_connections=1)
    with driver.client(server, timeout=LONG, retries=0, limits=limits) as client, holding(client.view()), cut():
        server.arrived(1)
        error = client.view(timeout=0.2).fails(APITimeoutError)
        released.set()
    assert (type(error), error.maybe_applied) == (APITimeoutError, False)
    assert "pool" in str(error)


@contextmanager
def holding(client: Any) -> Generator[None]:
    """Let a call that fails hold its connection meanwhile."""
    thread = threading.Thread(target=client.fails, args=(SmarterProctoringError,))
    thread.start()
    yield
    thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "returns"),
    [
        pytest.param(never, False, id="no answer"),
        pytest.param(drip_headers(), False, id="dripping headers"),
        pytest.param(drip_body(), True, id="dripping body"),
        pytest.param(drip_body(500), False, id="dripping body of a 500"),
    ],
)
def test_the_deadline_cuts_an_attempt(any_driver: Driver, step: Step, *, returns: bool) -> None:
    def check_result(client: Caller, server: Server) -> bool:
        try:
            result = client.reschedule()
        except DeadlineExceededError:
            return False  # before the first byte of the body
        assert (result.status, result.incomplete) == (200, True)
        assert set(result.data or "a") == {"a"}
        assert len(server.requests) == 1
        return bool(result.data)

    def check_error(client: Caller, server: Server, limit: float) -> bool:
        error = client.fails(SmarterProctoringError)
        assert isinstance(error, APIStatusError if error.status else DeadlineExceededError)
        assert error.status or f"deadline of {limit:g} s" in str(error)
        if len(server.requests) == 0:
            return False
        assert (error.maybe_applied, error.attempts, len(server.requests)) == (True, 1, 1)
        return True

    def attempt(limit: float) -> bool:
        with Server(step) as server, any_driver.client(server, deadline=limit) as client, cut(limit + 30):
            return check_result(client, server) if returns else check_error(client, server, limit)

    with_enough_time(attempt)


@pytest.mark.slow
def test_a_body_that_is_there_already_is_read_though_the_deadline_is_over(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    server.script(answer(409, b'{"code": "1203"}'))
    late = {"response": [driver.hook(lambda _: clock.put_forward(LONG))]}
    with driver.client(server, deadline=LONG, event_hooks=late) as client:
        error = client.fails(APIStatusError)
    assert (error.status, error.code) == (409, "1203")


def flood(peer: Peer) -> None:
    """Say 100 Continue for ever, as fast as it goes."""
    peer.read()
    while True:
        peer.send(head(100, {}) * 100)


@pytest.mark.parametrize("kind", ["sync", "asyncio", "trio"])
def test_the_deadline_cuts_a_flood(kind: Any) -> None:
    def bounded(peer: Peer) -> None:
        ending = time.monotonic() + LONG
        peer.read()
        while time.monotonic() < ending:
            peer.send(head(100, {}) * 20)

    def attempt(limit: float) -> bool:
        with Server(bounded) as server:
            with Driver(kind).client(server, deadline=limit, retries=0) as client, cut(limit + 30):
                error = client.fails(APIConnectionError)
            assert error.maybe_applied or not server.requests
            return bool(server.requests)

    with_enough_time(attempt)


@pytest.mark.slow
def test_the_deadline_cuts_a_connect(any_driver: Driver) -> None:
    with full_backlog() as url, any_driver.client(url, deadline=0.3) as client, cut():
        error = client.fails(DeadlineExceededError)
    assert not error.maybe_applied


@pytest.mark.slow
def test_the_deadline_cuts_a_tls_handshake(any_driver: Driver) -> None:
    def mute(peer: Peer) -> None:
        peer.hang()

    with Server(mute) as server, any_driver.client(f"https://127.0.0.1:{server.port}", deadline=0.3) as client, cut():
        error = client.fails(DeadlineExceededError)
    assert not error.maybe_applied


@pytest.mark.slow
def test_a_deadline_before_sending_leaves_nothing_open(any_driver: Driver) -> None:
    """The pool takes most of the deadline and the handshake the rest: still nothing was sent."""

    def mute(peer: Peer) -> None:
        if not seen:
            seen.append(1)
            time.sleep(0.35)
            peer.close()
        else:
            peer.hang()

    seen: list[int] = []
    with Server(mute) as server:
        url = f"https://127.0.0.1:{server.port}"
        with any_driver.client(url, deadline=LONG, retries=0, limits=httpx.Limits(max_connections=1)) as client:
            with holding(client.view()), cut():
                while not seen:
                    time.sleep(0.005)
                error = client.view(deadline=0.6).fails(DeadlineExceededError)
    assert not error.maybe_applied


@pytest.mark.slow
def test_the_deadline_holds_over_attempts(driver: Driver) -> None:
    def attempt(limit: float) -> bool:
        with Server(never) as server:
            limits = read_limit(0.6 * limit)
            with driver.client(server, timeout=limits, deadline=2 * limit, retries=10) as client, cut(2 * limit + 30):
                error = client.fails(DeadlineExceededError)
            assert error.attempts <= 4
            if len(server.requests) < 2:
                return False
        assert (error.maybe_applied, error.attempts >= 2) == (True, True)
        return True

    with_enough_time(attempt)


def test_a_slow_token_callable_counts(any_driver: Driver, server: Server) -> None:
    async def slow() -> str:
        await anyio.sleep(0.3 if any_driver.kind == "sync" else LONG)
        return TOKEN

    def slow_sync() -> str:
        time.sleep(0.3)
        return TOKEN

    source = slow_sync if any_driver.kind == "sync" else slow
    with any_driver.client(server, source, deadline=0.2) as client, cut():
        error = client.fails(DeadlineExceededError)
    assert (error.attempts, error.maybe_applied, server.connections) == (0, False, 0)


def test_no_wait_is_begun_that_would_end_past_the_deadline(any_driver: Driver, server: Server) -> None:
    server.script(answer(429, b"", {"Retry-After": "30"}))
    with any_driver.client(server, deadline=20) as client, cut():
        error = client.fails(RateLimitError)
    assert (error.retry_after, error.attempts) == (30.0, 1)


def test_no_backoff_is_begun_that_would_end_past_the_deadline(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_: object) -> None:
        clock.put_forward(LONG - 0.4)  # less than the longest first wait is left

    clock = Clock(monkeypatch)
    monkeypatch.setattr(random, "random", lambda: 0.999)
    server.script(answer(503))
    with driver.client(server, deadline=LONG, event_hooks={"response": [driver.hook(late)]}) as client:
        assert client.fails(APIStatusError).attempts == 1


@pytest.mark.slow
def test_no_wait_is_begun_after_a_slow_hook(driver: Driver, server: Server) -> None:
    server.script(answer(429, b"", {"Retry-After": "15"}))
    with driver.client(server, deadline=15.3, on_retry=driver.hook(lambda *_: time.sleep(0.4))) as client, cut(14):
        client.fails(SmarterProctoringError)


@pytest.mark.slow
def test_a_call_within_a_hook_does_not_change_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def inner(*_: object) -> None:
        assert client.view(deadline=20).reschedule().status == 200
        clock.put_forward(21)

    def slow(peer: Peer) -> None:
        peer.read()
        time.sleep(0.05)
        peer.send(response(200, b'"slow"'))

    clock = Clock(monkeypatch)
    with Server(answer(503), answer(200), slow) as server:
        with Driver("sync").client(server, on_retry=inner, retries=1, deadline=LONG) as client:
            assert client.reschedule().data == "slow"


@pytest.mark.parametrize("bad", [0, -1, float("inf"), float("nan"), None, "5", True, (1, 2)])
def test_no_time_limit_can_be_taken_away(driver: Driver, bad: Any) -> None:
    for settings in ({"timeout": bad}, {"deadline": bad}, {"timeout": Timeouts(read=bad)}):
        with pytest.raises(ConfigurationError):
            driver.type(TOKEN, **settings)
    with driver.client("http://127.0.0.1:9") as client, pytest.raises(ConfigurationError):
        client.view(deadline=bad)


def test_limits_too_large_for_the_platform_are_refused_or_work(driver: Driver, server: Server) -> None:
    try:
        with driver.client(server, timeout=1e12, deadline=1e12, retries=0) as client:
            assert client.reschedule().status == 200
    except ConfigurationError:
        pass
