"""One client for many: threads, views, forked children; and what is refused."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import os
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from smarterproctoring import (
    AsyncInstallClient,
    AsyncSmarterProctoring,
    ConfigurationError,
    InstallClient,
    Result,
    SmarterProctoring,
)
from wire.driver import CERTIFICATES, TOKEN, Driver
from wire.misbehave import Server, answer, drop_read

SIDS = ("AI" + "a1" * 16, "EX" + "b2" * 16, "ES" + "c3" * 16)


def test_threads_share_one_pool(server: Server) -> None:
    start = threading.Barrier(32)
    results: list[Result] = []
    lock = threading.Lock()

    def work() -> None:
        start.wait()
        mine = [client.reschedule(*SIDS, notes=f"{number}") for number in range(5)]
        with lock:
            results.extend(mine)

    with SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES) as client:
        threads = [threading.Thread(target=work) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 160
    assert len(server.requests) == 160
    assert server.connections <= 32


def test_threads_of_generated_functions_share_it_too(server: Server) -> None:
    with SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES) as client:
        seams = [client.generated.get_httpx_client() for _ in range(8)]
    assert len({id(seam) for seam in seams}) == 1


def test_a_view_shares_the_pool_and_leaves_the_original_alone(driver: Driver, server: Server) -> None:
    with driver.client(server, retries=1, headers={"X-Campus": "north"}) as client:
        view = client.view(retries=0, headers={"X-Room": "7"})
        view.reschedule()
        client.reschedule()
        assert "retries=1" in repr(client.raw)
        assert "retries=0" in repr(view.raw)
    assert server.connections == 1
    first, second = server.requests
    assert (first.header("x-campus"), first.header("x-room")) == (["north"], ["7"])
    assert (second.header("x-campus"), second.header("x-room")) == (["north"], [])


def test_a_view_of_the_generated_client_leaves_the_original_alone(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        client.generated(client=client.raw.with_options(headers={"X-Room": "7"}, timeout=3).generated)
        client.generated()
    assert [request.header("x-room") for request in server.requests] == [["7"], []]


def test_the_generated_client_refuses_what_would_bypass_the_rules(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        generated = client.raw.generated
        refusals: list[Callable[[], object]] = [
            lambda: generated.with_cookies({"a": "b"}),
            lambda: generated.set_httpx_client(httpx.Client(verify=CERTIFICATES)),
            lambda: generated.set_async_httpx_client(httpx.AsyncClient(verify=CERTIFICATES)),
            lambda: generated.with_headers({"X-Room": "7"}),
            lambda: generated.with_timeout(httpx.Timeout(3)),
        ]
        for refused in refusals:
            with pytest.raises(ConfigurationError, match="with_options"):
                refused()
        wrong = generated.get_async_httpx_client if driver.kind == "sync" else generated.get_httpx_client
        with pytest.raises(ConfigurationError, match=r"Async|synchronous"):
            wrong()


def test_use_after_close_is_a_clear_error(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        view = client.view(retries=0)
        client.reschedule()
        client.close()
        client.close()
        for closed in (client, view):
            assert "closed" in closed.fails(ConfigurationError).message
        with pytest.raises(ConfigurationError, match="closed"):
            client.generated()
    assert len(server.requests) == 1


@pytest.mark.parametrize("action", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_a_client_is_not_copied(driver: Driver, server: Server, action: Any) -> None:
    with driver.client(server) as client:
        seam = getattr(client.raw.generated, f"get_{'' if driver.kind == 'sync' else 'async_'}httpx_client")()
        for thing in (client.raw, client.raw.generated, seam):
            with pytest.raises(ConfigurationError, match="in each process"):
                action(thing)


def test_nothing_happens_at_collection() -> None:
    for kind in (SmarterProctoring, AsyncSmarterProctoring):
        assert not hasattr(kind, "__del__")


FORK = """
import os, sys
from smarterproctoring import ConfigurationError, SmarterProctoring
import httpx
url, sids = sys.argv[1], sys.argv[2:]
def call(client, who):
    return client.reschedule(*sids, notes=who).status
with SmarterProctoring("t", base_url=url, retries=0) as client:
    assert call(client, "parent") == 200
    child = os.fork()
    if child == 0:
        codes = [call(client, "child"), call(client.with_options(retries=0), "child")]
        os._exit(0 if codes == [200, 200] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert call(client, "parent") == 200
with SmarterProctoring("t", base_url=url, transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
    child = os.fork()
    if child == 0:
        try:
            call(client, "child")
        except ConfigurationError as error:
            os._exit(0 if "callable" in error.message else 2)
        os._exit(3)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_opens_its_own_connection(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK, server.url, *SIDS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [b"parent" in request.body for request in server.requests] == [True, False, False, True]
    assert server.connections == 2  # the parent's, used before and after, and one of the child's


def test_a_stale_connection_is_replaced(driver: Driver) -> None:
    with Server(answer(200, headers={"Connection": "close"}), answer()) as server, driver.client(server) as client:
        assert client.reschedule().attempts == 1
        assert client.reschedule().attempts == 1
    with Server(answer(), drop_read, answer()) as server, driver.client(server) as client:
        client.reschedule()
        result = client.reschedule()
    assert (result.attempts, result.replays) == (2, 1)


unclosed = pytest.mark.filterwarnings(
    "ignore:unclosed transport:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
"""Connections of a loop that ended before its client was closed: asyncio warns of them."""


async def several(client: AsyncSmarterProctoring, number: int) -> list[int]:
    results = await asyncio.gather(*(client.reschedule(*SIDS, notes="moved") for _ in range(number)))
    return [result.attempts for result in results]


@pytest.mark.slow
@unclosed
@pytest.mark.parametrize("fast", [False, True])
def test_event_loops_one_after_the_other(server: Server, *, fast: bool) -> None:
    """As `asyncio.run` in each task of a worker: every run has a loop of its own."""
    client = AsyncSmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, retries=0, fast=fast)
    for _ in range(4):
        assert asyncio.run(several(client, 3)) == [1, 1, 1]
    asyncio.run(client.aclose())
    with pytest.raises(ConfigurationError, match="closed"):
        asyncio.run(several(client, 1))
    assert len(server.requests) == 12
    gc.collect()  # connections of loops that were closed before the client: asyncio warns, here


@pytest.mark.slow
@unclosed
def test_event_loops_at_once(server: Server) -> None:
    client = AsyncSmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, retries=0)
    found: list[list[int]] = []

    async def work() -> None:
        found.extend([await several(client, 4) for _ in range(5)])

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[1] * 4] * 15
    assert len(server.requests) == 60
    asyncio.run(client.aclose())
    gc.collect()


@pytest.mark.slow
@unclosed
def test_asyncio_and_trio_one_after_the_other(server: Server) -> None:
    import trio

    client = AsyncSmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, retries=0)

    async def one() -> int:
        return (await client.reschedule(*SIDS, notes="moved")).attempts

    assert [asyncio.run(one()), trio.run(one), asyncio.run(one()), trio.run(one)] == [1] * 4
    assert len(server.requests) == 4
    asyncio.run(client.aclose())
    gc.collect()


@unclosed
def test_closing_lets_go_of_the_connections_of_loops_that_ended(server: Server) -> None:
    """A closed client that is kept holds no sockets."""
    made: list[weakref.ref[httpx.AsyncHTTPTransport]] = []

    def make() -> httpx.AsyncHTTPTransport:
        transport = httpx.AsyncHTTPTransport(verify=CERTIFICATES)
        made.append(weakref.ref(transport))
        return transport

    client = AsyncSmarterProctoring(TOKEN, base_url=server.url, transport=make)
    for _ in range(2):
        assert asyncio.run(several(client, 1)) == [1]
    asyncio.run(client.aclose())
    gc.collect()
    assert [reference() for reference in made] == [None, None]


class Counting(httpx.MockTransport):
    """A transport of the caller's own, for both clients."""

    def __init__(self) -> None:
        super().__init__(lambda _: httpx.Response(200))
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def test_closing_in_a_forked_child_ends_the_client_there(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Counting()
    with driver.client("https://a.example", transport=given) as client:
        client.reschedule()
        monkeypatch.setattr(os, "getpid", lambda: -1)
        client.close()
        client.close()
        assert "closed" in str(client.fails(ConfigurationError))
        assert given.closed == 0  # it is the parent's


def test_closing_opens_nothing(driver: Driver) -> None:
    made: list[Counting] = []

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    with driver.client("https://a.example", transport=make) as client:
        client.reschedule()
    assert [one.closed for one in made] == [1]
    with driver.client("https://a.example", transport=make):
        pass
    assert [one.closed for one in made] == [1, 1]


async def some_turns() -> None:
    """Let the running event loop do what was scheduled on it."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_closing_in_another_loop_opens_nothing() -> None:
    made: list[Counting] = []

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    for transport, count in ((make, 1), (Counting(), 0)):
        client = AsyncSmarterProctoring(TOKEN, base_url="https://a.example", transport=transport)
        with asyncio.Runner() as first, asyncio.Runner() as second:
            assert first.run(several(client, 1)) == [1]
            second.run(client.aclose())
            first.run(some_turns())  # its own transport is closed there
            with pytest.raises(ConfigurationError, match="closed"):
                first.run(several(client, 1))
        assert [one.closed for one in made] == [1]
        assert count == 1 or (isinstance(transport, Counting) and transport.closed == 1)


def test_a_transport_of_one_loop_does_not_keep_the_client_open_in_another(server: Server) -> None:
    given = httpx.AsyncHTTPTransport(verify=CERTIFICATES)
    client = AsyncSmarterProctoring(TOKEN, base_url=server.url, transport=given)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert first.run(several(client, 1)) == [1]
        second.run(client.aclose())
        first.run(some_turns())
        with pytest.raises(ConfigurationError, match="closed"):
            second.run(several(client, 1))


def test_a_transport_of_the_callers_own_is_not_taken_to_another_loop(server: Server) -> None:
    """It holds connections of the first; a callable makes one for each."""
    given = httpx.AsyncHTTPTransport(verify=CERTIFICATES)
    client = AsyncSmarterProctoring(TOKEN, base_url=server.url, transport=given)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        assert first.run(several(client, 1)) == [1]
        with pytest.raises(ConfigurationError, match="another event loop"):
            second.run(several(client, 1))
        assert len(server.requests) == 1
        first.run(client.aclose())
    client = AsyncSmarterProctoring(
        TOKEN, base_url=server.url, transport=lambda: httpx.AsyncHTTPTransport(verify=CERTIFICATES)
    )
    with asyncio.Runner() as first, asyncio.Runner() as second:
        for runner in (first, second):
            assert runner.run(several(client, 1)) == [1]
        second.run(client.aclose())
        first.run(some_turns())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
@pytest.mark.parametrize("fast", [False, True])
def test_eager_tasks(server: Server, *, fast: bool) -> None:
    async def main() -> list[int]:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        async with AsyncSmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, fast=fast) as client:
            return await several(client, 5)

    assert asyncio.run(main()) == [1] * 5


def test_both_clients_have_the_same_surface() -> None:
    def surface(kind: type) -> dict[str, object]:
        names = {name for name in dir(kind) if not name.startswith("_")} - {"close", "aclose"}
        found: dict[str, object] = {}
        for name in names:
            member = inspect.getattr_static(kind, name)
            function = getattr(member, "__func__", member)
            shown = str(inspect.signature(function)) if callable(function) else None
            found[name] = shown and shown.replace("AsyncInstallClient", "InstallClient")
        return found

    assert surface(SmarterProctoring) == surface(AsyncSmarterProctoring)
    assert surface(InstallClient) == surface(AsyncInstallClient)
