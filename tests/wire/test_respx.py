"""respx around the client, as users' tests have it: every request goes to it, and none to the server."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from smarterproctoring import APIConnectionError, NotFoundError
from wire.driver import PATH, TOKEN, Driver
from wire.misbehave import Server

respx = pytest.importorskip("respx")


@pytest.fixture(params=["h11", "httptools"])
def fast(request: pytest.FixtureRequest) -> bool:
    """Which reader reads where nothing is mocked."""
    return bool(request.param == "httptools")


def mocked(server: Server, **options: Any) -> Any:
    return respx.mock(base_url=server.url, **options)


def test_it_answers_every_attempt(driver: Driver, server: Server, fast: bool) -> None:
    with mocked(server) as mock, driver.client(server, fast=fast) as client:
        route = mock.put(PATH).mock(side_effect=[httpx.Response(503), httpx.Response(200, json="mocked")])
        result = client.reschedule()
        sent = route.calls.last.request
    assert (result.data, result.attempts, route.call_count) == ("mocked", 2, 2)
    assert (sent.headers["token"], sent.content) == (TOKEN, b'{"notes":"moved"}')
    assert server.connections == 0


def test_it_answers_though_a_connection_is_open_already(driver: Driver, server: Server, fast: bool) -> None:
    with driver.client(server, fast=fast) as client:
        assert client.reschedule().data == "Successful"
        with mocked(server) as mock:
            mock.put(PATH).respond(404, json={"message": "mocked"})
            assert client.fails(NotFoundError).api_message == "mocked"
        assert client.reschedule().data == "Successful"
    assert len(server.requests) == 2


def test_what_it_raises_is_what_happened(driver: Driver, server: Server, fast: bool) -> None:
    with mocked(server) as mock, driver.client(server, fast=fast, retries=0) as client:
        mock.put(PATH).mock(side_effect=httpx.ReadTimeout)
        assert client.fails(APIConnectionError).maybe_applied
        mock.put(PATH).mock(side_effect=httpx.ConnectError)
        assert not client.fails(APIConnectionError).maybe_applied
    assert server.connections == 0


def test_a_tunnel_is_not_opened_under_it(driver: Driver, server: Server, fast: bool) -> None:
    with respx.mock(base_url="https://api.example.com") as mock:
        with driver.client("https://api.example.com", proxy=server.url, fast=fast) as client:
            mock.put(PATH).respond(200, json="mocked")
            assert client.reschedule().data == "mocked"
    assert server.connections == 0
