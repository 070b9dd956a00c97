"""A mock server in a thread, and a journal: a file, or a database of a Postgres server that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bulk.holding import Holding
from bulk.runs import Bulk
from postgres import postgres_tools, running_postgres
from smarterproctoring_mock import RunningServer, running_server


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs commands: each starts processes."""
    for item in items:
        if {"bulk", "fleet"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def _server() -> Iterator[RunningServer]:
    with running_server(Holding()) as server:
        yield server


@pytest.fixture
def app(_server: RunningServer) -> Holding:
    assert isinstance(_server.app, Holding)
    _server.app.reset()
    return _server.app


@pytest.fixture
def bulk(_server: RunningServer, app: Holding, tmp_path: Path) -> Iterator[Bulk]:
    """The command line with an embedded journal."""
    bulk = Bulk(_server.url, str(tmp_path / "state" / "journal.sqlite"), tmp_path, app)
    yield bulk
    bulk.close()


@pytest.fixture(scope="session")
def _postgres() -> Iterator[str]:
    tools = postgres_tools()
    if tools is None:
        pytest.skip("Postgres is not installed (Debian: apt-get install postgresql)")
    with running_postgres(tools) as server:
        yield server.url()


@pytest.fixture
def fleet(_server: RunningServer, app: Holding, _postgres: str, tmp_path: Path) -> Iterator[Bulk]:
    """The command line with a Postgres journal, empty."""
    psycopg, sql = pytest.importorskip("psycopg"), pytest.importorskip("psycopg.sql")

    with psycopg.connect(_postgres, autocommit=True) as connection:
        name = f"journal{abs(hash(tmp_path)) % 10**9}"
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    bulk = Bulk(_server.url, _postgres.rpartition("/")[0] + f"/{name}", tmp_path, app)
    yield bulk
    bulk.close()
