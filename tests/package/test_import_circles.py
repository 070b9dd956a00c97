"""The modules of each package import each other in one direction: no circle, not even one within functions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("generated", "overrides", "transport", "mock", "bulk")


def modules(folder: Path) -> dict[str, Path]:
    """Return the modules below a folder by their full names; a package is its `__init__`."""
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = file
    return found


def imported(name: str, file: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Yield the modules of `known` that a module imports anywhere, but for those that only types need."""
    package = name if file.stem == "__init__" else name.rpartition(".")[0]
    for node in executed(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                if whole in known:
                    yield whole
                elif base in known:
                    yield base


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree but for what stands under `if TYPE_CHECKING`."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from executed(child)


def circles(graph: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """Return the sets of modules that lead back to themselves."""
    reach = {name: reachable(name, graph) for name in graph}
    groups = {frozenset(other for other in reach[name] if name in reach.get(other, set())) for name in graph}
    return {group for group in groups if group}


def reachable(name: str, graph: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = [name]
    while todo:
        for other in graph.get(todo.pop(), set()) - found:
            found.add(other)
            todo.append(other)
    return found


def graph_of(folder: Path) -> dict[str, set[str]]:
    known = modules(folder)
    return {name: set(imported(name, file, known)) - {name} for name, file in known.items()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_module_leads_back_to_itself(folder: str) -> None:
    graph = graph_of(ROOT / folder)
    assert sum(map(len, graph.values())) > 3
    assert circles(graph) == set()


def listed(readme: Path) -> list[str]:
    """Return the modules that the list of a README names at the beginning of its points, in its order."""
    text = re.split(r"(?m)^## ", readme.read_text(encoding="utf-8"))[0]
    points = re.findall(r"(?m)^- (.*(?:\n  .*)*)", text)
    return [name.replace("/", ".") for point in points for name in re.findall(r"`([\w/]+)\.py`", point)]


def test_the_list_of_bulks_modules_is_complete_and_each_imports_from_above() -> None:
    package = "smarterproctoring_bulk"
    graph = graph_of(ROOT / "bulk")
    files = modules(ROOT / "bulk")
    own = {name for name in graph if files[name].name != "__init__.py"}
    order = [f"{package}.{name}" for name in listed(ROOT / "bulk" / "README.md")]
    assert sorted(order) == sorted(own)
    for place, name in enumerate(order):
        assert graph[name] & own <= {*order[:place]}, f"{name} imports from below"


@pytest.mark.parametrize("folder", ["overrides", "transport", "mock"])
def test_the_readme_of_a_package_names_each_of_its_modules(folder: str) -> None:
    text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    (package,) = (file.parent for file in (ROOT / folder).glob("*/__init__.py"))
    files = [file for file in package.rglob("*.py") if file.parent.name != "_sync"]
    names = {file.name for file in files if not file.name.startswith("__")}
    assert {name for name in names if not re.search(rf"`(?:\w+/)*{name}`", text)} == set()


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        ({"a": "import p.b", "b": "import p.c", "c": "from p import a"}, {"p.a", "p.b", "p.c"}),
        ({"a": "from p.b import x", "b": "def late():\n    from p.a import y"}, {"p.a", "p.b"}),
        ({"a": "from . import b", "b": "from .a import x"}, {"p.a", "p.b"}),
        ({"a": "import p.b", "b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.a"}, set[str]()),
        ({"a": "import p.b\nimport p.c", "b": "import p.c", "c": "import re"}, set[str]()),
    ],
)
def test_a_circle_is_found(tmp_path: Path, files: dict[str, str], circle: set[str]) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "__init__.py").touch()
    for name, text in files.items():
        (tmp_path / "p" / f"{name}.py").write_text(text)
    assert circles(graph_of(tmp_path)) == ({frozenset(circle)} if circle else set())
