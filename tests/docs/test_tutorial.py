"""The tutorial's commands, on the tutorial's files: what it shows is what a reader sees."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.quotes import PORT, Quote, blocks, quoted, same
from smarterproctoring_mock.testing import Mock, network

PAGE = "docs/tutorial/first-session.md"
FAULTS = "-d '["
pytestmark = pytest.mark.slow


@pytest.fixture
def mock() -> Iterator[Mock]:
    with network() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a reader has saved."""
    for block in blocks(PAGE):
        if block.language == "python":
            (tmp_path / block.text.split()[1]).write_text(block.text)
    return tmp_path


def printed(quote: Quote, mock: Mock, folder: Path) -> str:
    """Run a command of the tutorial, and return what it prints."""
    _, name = quote.command.split()
    environment = {**os.environ, **mock.environment()}
    command = [sys.executable, name]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_scripts_print_what_the_tutorial_says(mock: Mock, folder: Path) -> None:
    first, after_a_lost_answer = quoted("docs/tutorial/first-session.md", "python move.py")
    same(first, printed(first, mock, folder))
    (mistake,) = quoted("docs/tutorial/first-session.md", "python mistake.py")
    same(mistake, printed(mistake, mock, folder))
    (sends,) = [block.text for block in blocks(PAGE) if FAULTS in block.text]
    environment = {**os.environ, **mock.environment()}
    subprocess.run(["bash", "-ec", sends.replace("curl", "curl -sf")], env=environment, check=True, capture_output=True)
    same(after_a_lost_answer, printed(after_a_lost_answer, mock, folder))


def test_the_mock_server_prints_its_url() -> None:
    (quote,) = quoted("docs/tutorial/first-session.md", "smarterproctoring mock")
    command = [sys.executable, "-m", "smarterproctoring_mock"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        server.terminate()
        server.communicate()
    same(quote, line, PORT)
