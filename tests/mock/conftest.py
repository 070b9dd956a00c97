"""A running server for the tests of the mock, reset before each of them."""

from collections.abc import Iterator

import pytest
from mock.rawhttp import TOKEN, Client
from smarterproctoring_mock import MockApp, RunningServer, running_server


@pytest.fixture(scope="session")
def _server() -> Iterator[RunningServer]:
    with running_server(token=TOKEN) as server:
        yield server


@pytest.fixture
def app(_server: RunningServer) -> MockApp:
    _server.app.reset()
    return _server.app


@pytest.fixture
def client(_server: RunningServer, app: MockApp) -> Client:
    return Client(_server.url)
