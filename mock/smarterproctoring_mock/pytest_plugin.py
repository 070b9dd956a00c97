"""Fixtures for tests of code that calls the API. pytest loads this module by itself.

The fixtures import everything but pytest, so that the plugin costs nothing if it is not used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from smarterproctoring_mock.testing import Listener, Mock


@pytest.fixture
def smarterproctoring_mock_options() -> dict[str, Any]:
    """Settings of the mock, none by default: override this fixture to change them for a module, class or project.

    `token`, and those of `MockApp`: `seed`, `strict_sessions`, `scenario`, `db`, `spec`, ….
    """
    return {}


@pytest.fixture
def smarterproctoring_mock(
    smarterproctoring_mock_options: dict[str, Any],
) -> Iterator[Mock]:
    """A mock of the SmarterProctoring API in this process, new for each test: `Client(**mock.settings())`."""
    with _explaining_what_is_missing():
        from smarterproctoring_mock.testing import in_process  # noqa: PLC0415
    with in_process(**smarterproctoring_mock_options) as mock:
        yield mock


@pytest.fixture(scope="session")
def _smarterproctoring_listener() -> Iterator[Listener]:
    with _explaining_what_is_missing():
        from smarterproctoring_mock.testing import Listener  # noqa: PLC0415
    with Listener.listening() as listener:
        yield listener


@pytest.fixture
def smarterproctoring_server(
    _smarterproctoring_listener: Listener,
    smarterproctoring_mock_options: dict[str, Any],
) -> Iterator[Mock]:
    """A mock of the SmarterProctoring API on a free port of 127.0.0.1, empty for each test."""
    with _smarterproctoring_listener.serving(**smarterproctoring_mock_options) as mock:
        yield mock


@contextlib.contextmanager
def _explaining_what_is_missing() -> Generator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        pytest.fail(
            f"{error.name} is missing; install the mock's needs with: "
            "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[testing]'",
            pytrace=False,
        )
