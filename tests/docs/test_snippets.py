"""Every block of code in the documents runs: Python against the mock server, the rest through its own parser."""

from __future__ import annotations

import ast
import asyncio
import configparser
import csv
import json
import logging
import re
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from inspect import CO_COROUTINE
from pathlib import Path
from types import FunctionType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from docs.quotes import ROOT, Block, blocks, documents
from smarterproctoring import SmarterProctoring
from smarterproctoring_mock.testing import Mock, network
from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser

SIDS = ("AI" + "0" * 32, "EX" + "1" * 32, "ES" + "2" * 32)
FILES = {
    "docs/how-to/observe.md": ["trace_call.py"],
    "docs/how-to/testing.md": ["moving.py", "test_moving.py", "test_moving_unittest.py"],
    "docs/tutorial/first-session.md": ["move.py", "mistake.py"],
}
"""Files that documents show: test_tutorial.py, test_observe.py and tests/downstream/test_docs.py run them, as a reader
would."""
BLOCKS = [block for document in documents() for block in blocks(document)]
LEAST = 20
"""Blocks of Python; there are more, but fewer would mean that the test has lost sight of them."""


def evaluate(example: Example) -> None:
    """Run a block, with `await` at the top as in a notebook, unless it is a file."""
    text = str(example.parsed)
    if not _is_file(text):
        _run(text, f"{example.path}:{example.line}", example.namespace)


def _is_file(text: str) -> bool:
    return re.match(r"# \S+\.py\n", text) is not None


def _run(text: str, name: str, namespace: dict[str, Any]) -> None:
    code = compile(text, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    found = FunctionType(code, namespace)()
    if code.co_flags & CO_COROUTINE:
        asyncio.run(found)


SYBIL = Sybil(parsers=[CodeBlockParser(language="python", evaluator=evaluate)], path=str(ROOT), name="documents")


def snippets(path: Path) -> list[Example]:
    """Return the blocks of Python of a document; they share a namespace, as they do for a reader."""
    return list(SYBIL.parse(path).examples())


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mock]:
    """The mock server in the place of production, and the environment that leads to it."""
    monkeypatch.chdir(tmp_path)
    with network() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        # Both inherit it.
        defaults = SmarterProctoring.__init__.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "base_url", running.url)
        yield running


@pytest.fixture
def names(mock: Mock, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What a reader has before the first block: a client, the SIDs of a session, a time, a list."""
    soon = datetime.now(UTC) + timedelta(days=30)
    columns = ["exam", "session", "Starts (local)"]
    rows = [SIDS[1], SIDS[2], f"{soon:%Y-%m-%d} 09:00"], [SIDS[1], "ES0", f"{soon:%Y-%m-%d} 09:00"]
    with (tmp_path / "may.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    level = logging.getLogger("smarterproctoring").level

    def code_under_test(url: str) -> None:
        with SmarterProctoring("T", base_url=url, read_back="never") as client:
            client.reschedule(*SIDS, type="proctoru", notes="moved")
            client.get_session(*SIDS)

    with SmarterProctoring(**mock.settings()) as client:
        yield {
            "client": client,
            "token": mock.token,
            "install_sid": SIDS[0],
            "exam_sid": SIDS[1],
            "session_sid": SIDS[2],
            "start": datetime(2030, 5, 4, 9, tzinfo=ZoneInfo("America/New_York")),
            "code_under_test": code_under_test,
        }
    logging.getLogger("smarterproctoring").setLevel(level)


WITH_PYTHON = sorted({block.document for block in BLOCKS if block.language == "python"})


@pytest.mark.parametrize("document", WITH_PYTHON)
def test_python_of_a_document_runs(document: str, names: dict[str, Any]) -> None:
    found = snippets(ROOT / document)
    expected = [block for block in BLOCKS if block.document == document and block.language == "python"]
    assert len(found) == len(expected), "sybil and the other tests see the same blocks"
    for example in found:
        example.namespace.update(names)
        example.evaluate()


def test_files_in_documents_are_those_that_other_tests_run() -> None:
    shown: dict[str, list[str]] = {}
    python = [block for block in BLOCKS if block.language == "python"]
    for block in python:
        if _is_file(block.text):
            shown.setdefault(block.document, []).append(block.text.split()[1])
    assert shown == FILES
    assert len(python) - sum(map(len, FILES.values())) >= LEAST


@pytest.mark.parametrize("text", ["client.reschedule(install_sid, exam_sid, session_sid, note='x')", "await nothing"])
def test_a_snippet_that_fails_is_found(text: str, names: dict[str, Any], tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"# Page\n\n```python\n{text}\n```\n")
    (example,) = snippets(document)
    example.namespace.update(names)
    with pytest.raises((TypeError, NameError)):
        example.evaluate()


PARSERS = {"csv", "ini", "json", "sh", "toml", "yaml"}


def parse(language: str, text: str) -> None:
    """Read a block as the program would that it is for."""
    match language:
        case "csv":
            assert len({len(row) for row in csv.reader(text.splitlines())}) == 1
        case "ini":
            configparser.ConfigParser(strict=False).read_string(text)  # systemd repeats options
        case "json":
            json.loads(text)
        case "sh":
            subprocess.run(["bash", "-n"], input=text, text=True, check=True, capture_output=True)
        case "toml":
            tomllib.loads(text)
        case _:
            yaml.safe_load(text)


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.language in PARSERS],
    ids=lambda block: f"{block.document}:{block.line}",
)
def test_a_block_of_another_language_can_be_read(block: Block) -> None:
    parse(block.language, block.text)


@pytest.mark.parametrize(
    ("language", "text"),
    [("csv", "a,b\n1"), ("ini", "a"), ("json", "{"), ("sh", "if"), ("toml", "="), ("yaml", "a: b: c")],
)
def test_a_block_that_cannot_be_read_is_found(language: str, text: str) -> None:
    with pytest.raises((AssertionError, ValueError, configparser.Error, subprocess.CalledProcessError, yaml.YAMLError)):
        parse(language, text)
