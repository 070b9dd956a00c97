"""Helpers of the release tests: a repository to release from, and what was released."""

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loopback import Index, check

# -- the repository ---------------------------------------------------------------------------------------------


# The spec's comparison has tests of its own; in its place stands what a file says, so that publishing alone is tested.
SPEC_DIFF = """\
import pathlib, sys
verdict = pathlib.Path("verdict")
code, words = verdict.read_text().split(" ", 1) if verdict.exists() else (0, "fine")
print(f"{' '.join(sys.argv[1:])}: {words}")
sys.exit(int(code))
"""


def set_version(repository: Path, version: str) -> None:
    """Make the next release of a repository, as far as its version and its words go, and commit it."""
    edit(repository / "openapi" / "smarterproctoring.yaml", r"(?m)^  version: .*$", f"  version: {version}")
    operations = repository / "generated" / "smarterproctoring_generated" / "operations.py"
    edit(operations, r'(?m)^(VERSION.*)"[^"]*"$', rf'\1"{version}"')
    changelog = repository / "CHANGELOG.md"
    changelog.write_text(f"# Changelog\n\n## {version} (2030-01-01)\n\n- Something new.\n")
    commit(repository)


def edit(file: Path, pattern: str, new: str) -> None:
    """Replace text in a file; it has to be there once."""
    text, count = re.subn(pattern, new, file.read_text())
    assert count == 1, file
    file.write_text(text)


def commit(repository: Path) -> None:
    """Commit everything."""
    check(["git", "add", "--all"], repository)
    check(["git", "commit", "--quiet", "--allow-empty", "--message", "Change"], repository)


# -- releases ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Released:
    """A private index with one release, and how it came there."""

    index: Index
    output: str
    seen_commands: list[str]

    @property
    def version(self) -> str:
        """Which version was released."""
        (wheel,) = self.index.folder.glob("*.whl")
        return wheel.name.split("-")[1]


@contextmanager
def watched_processes() -> Generator[set[str]]:
    """Collect the command lines of all processes."""
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue  # ended meanwhile

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
