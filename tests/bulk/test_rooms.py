"""Who may import what."""

from __future__ import annotations

import ast
from pathlib import Path

import smarterproctoring_bulk

FILES = sorted(Path(smarterproctoring_bulk.__path__[0]).rglob("*.py"))


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_one_package_knows_the_engine() -> None:
    knowing = {file.parent.name for file in FILES if imports(file) & {"dbos", "sqlalchemy"}}
    assert knowing == {"engine"}


def test_few_modules_have_the_sql() -> None:
    words = ("sa.select(", "sa.update(", "sa.delete(", ".execute(")
    having = {file.name for file in FILES if any(word in file.read_text() for word in words)}
    own = {"plan.py", "reading.py"}  # they have temporary databases of their own
    # `many.py` runs the statements of `store.py`; `summary.py` reads without SQLAlchemy, for speed.
    assert having == {"store.py", "many.py", "database.py", "summary.py"} | own


def test_modules_that_know_the_driver() -> None:
    """`journal.py` reads a connection string with it, and opens nothing; `summary.py` reads without SQLAlchemy."""
    assert {file.name for file in FILES if imports(file) & {"psycopg"}} == {"journal.py", "summary.py"}


def test_bulk_uses_no_transport_and_no_mock_server() -> None:
    assert not [file.name for file in FILES if imports(file) & {"httpx", "httpcore", "smarterproctoring_mock"}]
