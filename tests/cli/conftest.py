"""A mock server for the tests of a file, and an environment that leads the command line to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.commands import NOW, TOKEN
from smarterproctoring._cli import moments
from smarterproctoring_mock import RunningServer, running_server


@pytest.fixture(autouse=True)
def _no_profiles_of_the_developer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-settings"))


@pytest.fixture(scope="module")
def _running() -> Iterator[RunningServer]:
    with running_server(token=TOKEN) as server:
        yield server


@pytest.fixture(name="server")
def a_server(_running: RunningServer, monkeypatch: pytest.MonkeyPatch) -> RunningServer:
    _running.app.reset()
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
    monkeypatch.setenv("SMARTERPROCTORING_BASE_URL", _running.url)
    # A machine's own certificates are many, and each client would load them.
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setattr(moments, "now", lambda: NOW)
    return _running
