"""Which files are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files of which `-m` leaves out every test: to import them takes longer than many tests."""
    expression = str(config.getoption("markexpr"))
    if not collection_path.name.startswith("test_") or not re.fullmatch(r"not \w+( and not \w+)*", expression):
        return None
    marked = re.search(r"(?m)^pytestmark = (.*)$", collection_path.read_text(encoding="utf-8"))
    marks = set(re.findall(r"pytest\.mark\.(\w+)", marked[1] if marked else ""))
    return True if marks & set(re.findall(r"not (\w+)", expression)) else None
