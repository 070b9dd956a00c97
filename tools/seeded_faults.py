"""The seeded faults of tools/prove.toml, and where each goes in the sources.

A fault is found by what it replaces: a short text, and the function or class that holds it. Neither the file nor the
line is part of it, so that code may be moved, and files may be renamed. A function may be renamed too, as long as the
text is nowhere else.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import make_sync
import unasync
from packages import FOLDERS

ROOT = Path(__file__).resolve().parent.parent
FAULTS = ROOT / "tools" / "prove.toml"
DERIVED = make_sync.TWIN
"""Folders of generated files, into which no fault is put."""
NEEDED = {"name", "old", "new", "tests"}
OPTIONAL = {"in", "file", "environment"}


class ProofError(Exception):
    """The list of faults is invalid, or the tests fail without a fault."""


@dataclass(frozen=True)
class Place:
    """Where a text is.

    Attributes:
        file: The file, seen from the top of the tree.
        offset: How many characters come before the text.
        line: The number of the line on which it begins.
    """

    file: str
    offset: int
    line: int


@dataclass(frozen=True)
class Definition:
    """A function or a class.

    Attributes:
        name: Its name, with those of the classes and functions around it.
        begin: How many characters of the file come before it.
        end: Where it ends.
    """

    name: str
    begin: int
    end: int

    def is_called(self, name: str) -> bool:
        """Tell whether a fault names this definition, by its whole name or by the last parts of it."""
        return f".{self.name}".endswith(f".{name}")


@dataclass(frozen=True)
class Source:
    """A file of the packages.

    Attributes:
        file: Its name, seen from the top of the tree.
        text: What it holds.
        definitions: Its functions and classes.
    """

    file: str
    text: str
    definitions: Sequence[Definition]

    def places(
        self, text: str, begin: int = 0, end: int | None = None
    ) -> Iterator[Place]:
        """Yield where a text is, in the whole file or between two of its characters."""
        stop = len(self.text) if end is None else end
        offset = self.text.find(text, begin, stop)
        while offset >= 0:
            yield Place(self.file, offset, self.text.count("\n", 0, offset) + 1)
            offset = self.text.find(text, offset + 1, stop)

    def places_in(self, function: str, text: str) -> Iterator[Place]:
        """Yield where a text is in a function or class of this name."""
        for found in self.definitions:
            if found.is_called(function):
                yield from self.places(text, found.begin, found.end)


@dataclass(frozen=True)
class Fault:
    """A possible mistake: `new` replaces `old`.

    Attributes:
        side: The part of the product.
        name: What the mistake does.
        old: The text that is replaced.
        new: Its replacement.
        tests: The arguments of pytest.
        function: The function or class that holds the text, such as `Rules.path_for`; empty for any.
        file: The file that holds it, or the end of its name; empty for any.
        environment: Variables for the tests.
    """

    side: str
    name: str
    old: str
    new: str
    tests: tuple[str, ...]
    function: str = ""
    file: str = ""
    environment: tuple[tuple[str, str], ...] = field(default=())

    def place(self, root: Path) -> Place:
        """Return where the fault goes: in its function, or else wherever the text is alone.

        Raises:
            ProofError: Its text is in neither place exactly once.
        """
        sources = sources_of(root)
        of_file = [source for source in sources if source.file.endswith(self.file)]
        found = list(dict.fromkeys(self._places(of_file)))
        if len(found) == 1:
            return found[0]
        anywhere = [place for source in sources for place in source.places(self.old)]
        if len(anywhere) == 1:
            return anywhere[0]
        raise ProofError(self._not_found(found, anywhere))

    def _places(self, sources: Sequence[Source]) -> Iterator[Place]:
        for source in sources:
            if self.function:
                yield from source.places_in(self.function, self.old)
            else:
                yield from source.places(self.old)

    def _not_found(self, found: Sequence[Place], anywhere: Sequence[Place]) -> str:
        where = " of ".join(filter(None, (self.function, self.file))) or "the packages"
        message = f"{self.name}: the text to replace is {len(found)} times in {where}, not once"
        if found or not anywhere:
            return message
        files = sorted({place.file for place in anywhere})
        return f"{message}; it is {len(anywhere)} times elsewhere: {', '.join(files)}"

    @contextmanager
    def inside(self, tree: Path) -> Generator[None]:
        """Put the fault into a tree, and into the twin of its file; take it out again.

        Raises:
            ProofError: There is no place for it.
        """
        place = self.place(tree)
        path = tree / place.file
        before = {path: path.read_text(encoding="utf-8")}
        text = before[path]
        changed = text[: place.offset] + self.new + text[place.offset + len(self.old) :]
        has_twin = Path(place.file) in make_sync.sources(tree)
        if has_twin:
            twin = tree / make_sync.twin_of(Path(place.file))
            before[twin] = twin.read_text(encoding="utf-8")
        try:
            path.write_text(changed, encoding="utf-8")
            if has_twin:
                unasync.unasync_files([str(path)], [make_sync.rule()])
            yield
        finally:
            for file, kept in before.items():
                file.write_text(kept, encoding="utf-8")


def read_faults(path: Path = FAULTS) -> list[Fault]:
    """Read the faults.

    Raises:
        ProofError: Two have the same name and side, or one lacks something.
    """
    faults: list[Fault] = []
    for side, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for entry in entries:
            name = entry.get("name", "a fault without a name")
            keys = entry.keys() - OPTIONAL
            if keys != NEEDED or not entry["tests"]:
                raise ProofError(
                    f"{name}: needs name, old, new and tests, and takes in, file and environment"
                )
            if any(fault.side == side and fault.name == name for fault in faults):
                raise ProofError(f"{name}: the name is there twice")
            fault = Fault(
                side=side,
                name=name,
                old=entry["old"],
                new=entry["new"],
                tests=tuple(entry["tests"]),
                function=entry.get("in", ""),
                file=entry.get("file", ""),
                environment=tuple(entry.get("environment", {}).items()),
            )
            faults.append(fault)
    return faults


@cache
def sources_of(root: Path) -> Sequence[Source]:
    """Read the files of the packages and the tools, once for each tree: a fault that is put in is taken out again."""
    folders = [*FOLDERS, "tools"]
    paths = [
        path for folder in folders for path in sorted((root / folder).rglob("*.py"))
    ]
    return [read_source(root, path) for path in paths if DERIVED not in path.parts]


def read_source(root: Path, path: Path) -> Source:
    """Read a file, and find its functions and classes."""
    text = path.read_text(encoding="utf-8")
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    definitions = list(definitions_of(ast.parse(text), offsets))
    return Source(path.relative_to(root).as_posix(), text, definitions)


def definitions_of(
    node: ast.AST, offsets: Sequence[int], around: str = ""
) -> Iterator[Definition]:
    """Yield the functions and classes in a part of a file.

    Args:
        node: The part.
        offsets: Where each line of the file begins.
        around: The name of what the part is in.
    """
    for child in ast.iter_child_nodes(node):
        name = around
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{around}.{child.name}".lstrip(".")
            first = min([child.lineno, *(line.lineno for line in child.decorator_list)])
            end = child.end_lineno or child.lineno
            yield Definition(name, offsets[first - 1], offsets[end])
        yield from definitions_of(child, offsets, name)
