from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from wire.driver import Driver
from wire.misbehave import Server, answer
from wire.on_httpx2 import mark_not_applicable


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect the failure of what cannot be tested on httpx2, in the run that tests it."""
    mark_not_applicable(items)


SYNC = pytest.param("sync", marks=pytest.mark.flavour)


@pytest.fixture(params=[SYNC, "asyncio"])
def driver(request: pytest.FixtureRequest) -> Driver:
    """The synchronous client, and the asynchronous one on asyncio."""
    return Driver(request.param)


UVLOOP = pytest.param(
    "uvloop",
    marks=[pytest.mark.flavour, pytest.mark.skipif(not find_spec("uvloop"), reason="uvloop is not for Windows")],
)
TRIO = pytest.param("trio", marks=pytest.mark.flavour)


@pytest.fixture(params=[SYNC, "asyncio", UVLOOP, TRIO])
def any_driver(request: pytest.FixtureRequest) -> Driver:
    """As `driver`, and the asynchronous client on uvloop, which many servers run on, and on trio."""
    return Driver(request.param)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that says yes until it is given a script."""
    with Server(answer()) as running:
        yield running


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings, proxy or certificates from outside, no jitter, and the logger as it was."""
    for name in list(os.environ):
        if name.startswith(("SMARTERPROCTORING_", "SSL_CERT_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(random, "random", lambda: 0.0)
    logger = logging.getLogger("smarterproctoring")
    before = logger.level, list(logger.handlers), logger.propagate
    yield
    logger.setLevel(before[0])
    logger.handlers[:] = before[1]
    logger.propagate = before[2]
