"""What a connection may do to a call: stale answers, closing under a call, threads and tasks, forks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from smarterproctoring import (
    AsyncSmarterProctoring,
    ConfigurationError,
    NotFoundError,
    SmarterProctoring,
    SmarterProctoringError,
)
from wire.driver import AI, CERTIFICATES, ES, EX, TOKEN, Driver, failure
from wire.misbehave import Peer, Server, answer, never, response


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def slowly(peer: Peer) -> None:
    """Answer late enough for calls to overlap."""
    peer.read()
    pause(0.02)
    peer.send(response(200, b'"Successful"'))


# -- what is left on a connection --------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", ["reschedule", "generated"])
def test_what_comes_after_an_answer_is_never_the_next_answer(driver: Driver, server: Server, over: str) -> None:
    """A stale success would tell the caller of a change that the server has refused."""

    def twice(peer: Peer) -> None:
        peer.read()
        peer.send(response(200, b'"first"') + response(200, b'"stale"'))

    server.script(twice, answer(404, b'{"message": "gone"}'))
    with driver.client(server) as client:
        assert client.reschedule().data == "first"
        assert failure(NotFoundError, getattr(client, over)).api_message == "gone"


@pytest.mark.parametrize(
    "more", [b"rubbish", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n"], ids=["bytes", "lines", "half a head"]
)
def test_rubbish_after_an_answer_does_no_harm(driver: Driver, server: Server, more: bytes) -> None:
    def too_much(peer: Peer) -> None:
        peer.read()
        peer.send(response(200, b'"first"') + more)

    server.script(too_much, answer(404))
    with driver.client(server) as client:
        assert client.reschedule().data == "first"
        client.fails(NotFoundError)


def test_an_answer_that_comes_while_the_connection_is_idle_is_no_answer(driver: Driver, server: Server) -> None:
    def later(peer: Peer) -> None:
        peer.read()
        peer.send(response(200, b'"first"'))
        idle.wait(60)
        peer.send(response(200, b'"stale"'))
        said.set()

    idle = threading.Event()
    said = threading.Event()
    server.script(later, answer(404))
    with driver.client(server) as client:
        assert client.reschedule().data == "first"
        idle.set()
        assert said.wait(60)
        client.fails(NotFoundError)
    assert server.connections == 2


def test_a_connection_that_the_server_closed_meanwhile_costs_no_attempt(any_driver: Driver, server: Server) -> None:
    server.script(answer(200, close=True))
    with any_driver.client(server, retries=0) as client:
        for number in range(3):
            assert client.reschedule().attempts == 1
            server.wait_until_ended(number + 1)
    assert server.connections == 3


def test_connections_are_kept(any_driver: Driver, server: Server) -> None:
    with any_driver.client(server) as client:
        for _ in range(3):
            client.reschedule()
        client.view(retries=0).reschedule()
        client.generated()
    assert (server.connections, len(server.requests)) == (1, 5)


def test_a_body_that_is_not_read_to_its_end_ends_the_connection(driver: Driver, server: Server) -> None:
    server.script(answer(200, b"a" * 3_000_000), answer(404))
    with driver.client(server) as client:
        assert client.reschedule().incomplete
        client.fails(NotFoundError)
    assert server.connections == 2


def test_cookies_are_not_kept(driver: Driver, server: Server) -> None:
    server.script(answer(200, headers={"Set-Cookie": "session=1"}))
    with driver.client(server) as client:
        for call in (client.reschedule, client.generated, client.reschedule):
            call()
    assert [request.header("cookie") for request in server.requests] == [[], [], []]


# -- threads and tasks -------------------------------------------------------------------------------------------------


def test_each_thread_gets_its_own_answer() -> None:
    def echo(peer: Peer) -> None:
        peer.send(response(200, peer.read().body))

    with Server(echo) as server, SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES) as client:

        def work(number: int) -> bool:
            view = client if number % 2 else client.with_options(deadline=30)
            return bool(view.reschedule(AI, EX, ES, notes=f"n{number}").data == {"notes": f"n{number}"})

        with ThreadPoolExecutor(16) as threads:
            assert all(threads.map(work, range(200)))
        assert server.connections <= 16


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_tasks_share_one_pool(backend: str) -> None:
    done: list[int] = []

    async def main() -> None:
        async with AsyncSmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES) as client:

            async def one() -> None:
                done.append((await client.reschedule(AI, EX, ES, notes="x")).status)

            for _ in range(2):
                async with anyio.create_task_group() as group:
                    for _ in range(32):
                        group.start_soon(one)

    with Server(slowly) as server:
        anyio.run(main, backend=backend)
        connections = server.connections
    assert done == [200] * 64
    assert connections <= 32


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_call_leaves_the_client_usable(server: Server, backend: str) -> None:
    async def main() -> None:
        async with AsyncSmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES) as client:
            scope = anyio.CancelScope()

            async def cancel_when_it_has_arrived() -> None:
                while not server.requests:
                    await anyio.sleep(0.005)
                scope.cancel()

            async with anyio.create_task_group() as group:
                group.start_soon(cancel_when_it_has_arrived)
                with scope:
                    await client.reschedule(AI, EX, ES, notes="x")
            assert scope.cancelled_caught
            assert (await client.reschedule(AI, EX, ES, notes="x")).status == 200

    server.script(never, answer())
    anyio.run(main, backend=backend)


# -- closing -----------------------------------------------------------------------------------------------------------


def test_close_ends_the_calls_that_run() -> None:
    with Server(never) as server:
        client = SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, timeout=20)
        ended: list[SmarterProctoringError] = []

        def work() -> None:
            try:
                client.reschedule(AI, EX, ES, notes="x")
            except SmarterProctoringError as error:
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        server.arrived(1)
        client.close()
        thread.join(10)
        assert not thread.is_alive()
    assert ended[0].maybe_applied


def test_close_among_calls_leaves_no_other_exception() -> None:
    def at_first(peer: Peer) -> None:
        if len(server.requests) < 24:
            slowly(peer)
        else:  # so that some calls are left when the client is closed
            peer.read()
            closed.wait(60)
            peer.close()

    closed = threading.Event()
    with Server(at_first) as server:
        client = SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, retries=0)

        def work(_: int) -> str:
            try:
                return str(client.reschedule(AI, EX, ES, notes="x").status)
            except SmarterProctoringError as error:
                return type(error).__name__

        with ThreadPoolExecutor(8) as threads:
            outcomes = threads.map(work, range(64))
            server.arrived(12)
            client.close()
            closed.set()
            seen = set(outcomes)
    assert seen <= {"200", "ConfigurationError", "APIConnectionError"}
    assert {"200", "ConfigurationError"} <= seen


def test_the_context_manager_closes(server: Server) -> None:
    with SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES) as client:
        pass
    with pytest.raises(ConfigurationError):
        client.reschedule(AI, EX, ES, notes="x")

    async def main() -> None:
        async with AsyncSmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES) as other:
            pass
        with pytest.raises(ConfigurationError):
            await other.reschedule(AI, EX, ES, notes="x")

    anyio.run(main)
    assert server.connections == 0


def test_a_generated_client_as_a_context_closes(driver: Driver, server: Server) -> None:
    """Users of generated clients write `with client:`; leaving the block closes the client."""

    def use() -> None:
        with client.raw.generated:
            pass

    async def use_async() -> None:
        async with client.raw.generated:
            pass

    with driver.client(server) as client:
        client.run(use if driver.kind == "sync" else use_async)
        failure(ConfigurationError, client.reschedule)


FORK = """
import os, sys, httpx
from smarterproctoring import SmarterProctoring

sids = "AI" + "a" * 32, "EX" + "b" * 32, "ES" + "c" * 32
with SmarterProctoring("secret", base_url=sys.argv[1], transport=httpx.HTTPTransport) as client:
    client.reschedule(*sids, notes="parent before")
    child = os.fork()
    if not child:
        status = client.reschedule(*sids, notes="child").status
        client.close()
        os._exit(0 if status == 200 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client.reschedule(*sids, notes="parent after")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_that_closes_does_not_close_for_its_parent(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, server.url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [(request.json()["notes"], request.connection) for request in server.requests] == [
        ("parent before", 1),
        ("child", 2),
        ("parent after", 1),
    ]


# -- headers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["", "a", "a b\tc", "!~", *(pytest.param(value) for value in (" padded ", "\tpadded", "padded\t", " "))]
)
def test_a_header_is_sent_or_refused(driver: Driver, server: Server, value: str) -> None:
    with driver.client(server) as client:
        try:
            view = client.view(headers={"X-Extra": value})
        except ConfigurationError:
            assert value != value.strip()  # only this may be refused
            return
        assert view.reschedule().attempts == 1
    assert server.requests[0].header("x-extra") == [value.strip()]


def test_a_header_of_a_str_subclass_cannot_smuggle(driver: Driver, server: Server) -> None:
    class Friendly(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "good\r\nEvil: 1"

    with driver.client(server) as client, pytest.raises(ConfigurationError):
        client.view(headers={"X-A": Friendly("good")})
