"""Helpers of the release tests: a repository to release from, and what was released."""

import contextlib
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Self
from urllib.parse import urlsplit

import build
import copies
import release_record
from loopback import Index, check
from packages import DISTRIBUTIONS

WHEEL, SDIST = "smarterproctoring_client-1.0.0-py3-none-any.whl", "smarterproctoring_client-1.0.0.tar.gz"
"""Of the client."""


def files_of(version: str) -> set[str]:
    """Name all files of a version."""
    stems = [f"{distribution.stem}-{version}" for distribution in DISTRIBUTIONS]
    return {f"{stem}{end}" for stem in stems for end in ("-py3-none-any.whl", ".tar.gz")}


# -- the repository ---------------------------------------------------------------------------------------------


# The spec's comparison has tests of its own; in its place stands what a file says, so that publishing alone is tested.
JUDGE = """\
import pathlib, sys
verdict = pathlib.Path("verdict")
code, words = verdict.read_text().split(" ", 1) if verdict.exists() else (0, "fine")
print(f"{' '.join(sys.argv[1:])}: {words}")
sys.exit(int(code))
"""


def empty_repository(folder: Path) -> None:
    """Make a git repository."""
    folder.mkdir(parents=True, exist_ok=True)
    check(["git", "init", "--quiet", "--template=", "--initial-branch", "main"], folder)
    check(["git", "config", "user.name", "Test"], folder)
    check(["git", "config", "user.email", "test@example.com"], folder)


def set_version(repository: Path, version: str) -> None:
    """Make the next release of a repository, as far as its version, its words and its tag go, and commit it."""
    edit(repository / "pyproject.toml", r'(?m)^version = "[^"]*"', f'version = "{version}"')
    if (repository / copies.MODULE).exists():
        for copy in copies.outdated(repository):
            (repository / copy.name).write_text(copy.text)
    changelog = repository / "CHANGELOG.md"
    changelog.write_text(f"# Changelog\n\n## [{version}] - 2030-01-01\n\n- Something new.\n")
    commit(repository)
    check(["git", "tag", "--force", f"v{version}"], repository)


def build_and_record(repository: Path, version: str) -> Path:
    """Build in a repository, and record the files as the gates do when they have judged them; return the folder."""
    dist = repository / "dist"
    for distribution in DISTRIBUTIONS:
        build.build(repository / distribution.folder, dist, "--wheel", "--sdist")
    build.bill_of_materials(repository, dist)
    release_record.write(dist, repository, version)
    return dist


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
    """A private index with releases, and what the last `make publish` of them said."""

    index: Index
    output: str
    seen_commands: list[str]

    @property
    def version(self) -> str:
        """Which version was released; there has to be one only."""
        (wheel,) = self.index.folder.glob("smarterproctoring_client-*.whl")
        return wheel.name.split("-")[1]

    @property
    def distributions(self) -> list[Path]:
        """The released files."""
        return sorted(self.index.folder.iterdir())


class Watch:
    """Stands before an index, and collects the command lines of all processes when one of them asks it for anything."""

    def __init__(self, index_url: str) -> None:
        parts = urlsplit(index_url)
        index = str(parts.hostname), int(parts.port or 80)
        self.seen = set[str]()
        watch = self

        class Relay(BaseRequestHandler):
            def handle(self) -> None:
                watch.look()
                with socket.create_connection(index) as upstream:
                    Thread(target=pass_on, args=(upstream, self.request), daemon=True).start()
                    pass_on(self.request, upstream)

        self._server = ThreadingTCPServer(("127.0.0.1", 0), Relay)
        self.url = parts._replace(netloc=f"127.0.0.1:{self._server.server_address[1]}").geturl()
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def look(self) -> None:
        """Collect what runs now."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue  # ended meanwhile


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Send on what comes, to the end."""
    with contextlib.suppress(OSError):  # either side may break off
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
