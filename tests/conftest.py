"""Which files are read, and how quickly."""

from __future__ import annotations

import gc
import re
from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the garbage collector, and leave what was collected out of what it looks through later.

    It would look through the modules and tests again and again, in each of the processes, a third of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary() -> None:
    """Undo it: hypothesis, which only its plugin's summary may load, asks the collector who holds an object."""
    gc.unfreeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files of which `-m` leaves out every test: to import them takes longer than many tests."""
    expression = str(config.getoption("markexpr"))
    if not collection_path.name.startswith("test_") or not re.fullmatch(r"not \w+( and not \w+)*", expression):
        return None
    marked = re.search(r"(?m)^pytestmark = (.*)$", collection_path.read_text(encoding="utf-8"))
    marks = set(re.findall(r"pytest\.mark\.(\w+)", marked[1] if marked else ""))
    return True if marks & set(re.findall(r"not (\w+)", expression)) else None
