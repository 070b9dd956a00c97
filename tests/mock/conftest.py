"""A running server for the tests of the mock, reset before each of them."""

import threading
from collections.abc import Iterator

import pytest
from mock.rawhttp import TOKEN, Client
from smarterproctoring_mock import MockApp, RunningServer, running_server
from smarterproctoring_mock import app as app_module
from smarterproctoring_mock.waiting import sleep


@pytest.fixture(scope="session")
def _server() -> Iterator[RunningServer]:
    with running_server(token=TOKEN) as server:
        yield server


@pytest.fixture
def app(_server: RunningServer) -> MockApp:
    _server.app.reset()
    return _server.app


@pytest.fixture
def delays_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let a fault's delay last until the test sets this event, however long the test takes to get there."""
    event = threading.Event()

    async def wait(_: float) -> None:
        while not event.is_set():
            await sleep(0.005)

    monkeypatch.setattr(app_module, "sleep", wait)
    yield event
    event.set()


@pytest.fixture
def client(_server: RunningServer, app: MockApp) -> Client:
    return Client(_server.url)
