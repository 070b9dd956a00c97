"""Package indexes on loopback, for tests and rehearsals: a private one, and one with the locked dependencies.

Commands that use them ignore this machine's configuration, so that only these indexes are used.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from packages import CLIENT, DISTRIBUTIONS
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from redocly import ROOT, ToolError

BIN = Path(sys.executable).parent
UV = str(BIN / "uv")
PACKAGE = CLIENT.name
# Of indexes that live as long as a test or a rehearsal.
USERNAME = "release-bot"
PASSWORD = "s3cret-of-the-index"  # noqa: S105 - made up here
LOGIN = {"UV_PUBLISH_USERNAME": USERNAME, "UV_PUBLISH_PASSWORD": PASSWORD}
OUTSIDE = (
    "fastapi",
    "httpx2",
    "opentelemetry-sdk",
    "uvicorn",
    "pytest",
)  # what the downstream service needs beside this package


class Index(NamedTuple):
    """A running index."""

    url: str
    folder: Path

    @property
    def files(self) -> set[str]:
        """Names of the files that it keeps."""
        return {path.name for path in self.folder.iterdir()}


class Done(NamedTuple):
    """How a command ended."""

    code: int
    output: str


def environment(**more: str) -> dict[str, str]:
    """Return an environment free of any configuration of pip, uv or make, of this machine or of the test run."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PIP_", "UV_", "MAKE", "MFLAGS", "VIRTUAL_ENV"))
    }
    fixed = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COMPILE": "1",
        "PIP_NO_CACHE_DIR": "1",
    }
    return {
        **kept,
        **fixed,
        "UV_NO_CONFIG": "1",
        "UV_NO_CACHE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "PYTHONPATH": "",
        **more,
    }


def run(command: list[str], cwd: Path | None = None, /, **variables: str) -> Done:
    """Run a command to its end; it cannot wait for a password to be typed."""
    done = subprocess.run(
        command, cwd=cwd, env=environment(**variables), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout)


def check(command: list[str], cwd: Path | None = None, /, **variables: str) -> str:
    """Run a command that has to succeed; return its output.

    Raises:
        ToolError: It failed.
    """
    done = run(command, cwd, **variables)
    if done.code:
        raise ToolError(done.output)
    return done.output


def make(repository: Path, *arguments: str, **variables: str) -> Done:
    """Run make in a repository, with this run's environment of tools."""
    ready = ["-o", str(BIN.parent / ".ready"), "-o", "node_modules/.ready"]
    return run(
        ["make", *ready, f"VENV={BIN.parent}", *arguments], repository, **variables
    )


# -- indexes ----------------------------------------------------------------------------------------------------


@contextmanager
def running_index(folder: Path, *options: str) -> Generator[Index]:
    """Run an index in a process of its own."""
    command = [
        sys.executable,
        str(ROOT / "tools" / "index_server.py"),
        str(folder),
        *options,
    ]
    variables = environment(INDEX_USERNAME=USERNAME, INDEX_PASSWORD=PASSWORD)
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield Index(server.stdout.readline().strip(), folder)
        finally:
            server.terminate()


def wheels() -> Path:
    """Download the locked dependencies once; the folder's name says for which lock and which Python."""
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    pinned = "\n".join(pins(lock))
    key = hashlib.sha256(f"{pinned}{sys.version}".encode()).hexdigest()[:16]
    folder = ROOT / "build" / f"wheels-{key}"
    folder.parent.mkdir(exist_ok=True)
    with (ROOT / "build" / "wheels.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # tests run in several processes
        if not folder.exists():
            aside = folder.with_suffix(".new")
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            (aside / "pins").write_text(pinned)
            options = [
                "--quiet",
                "--no-deps",
                "--require-hashes",
                "--only-binary",
                ":all:",
            ]
            options += ["--requirement", str(aside / "pins"), "--dest", str(aside)]
            check([sys.executable, "-m", "pip", "download", *options])
            (aside / "pins").unlink()
            aside.rename(folder)
    return folder


def pins(lock: str) -> Iterator[str]:
    """Yield the lock's entries, with hashes, for what we ship and the downstream service need, in all extras."""
    entries = {
        canonicalize_name(match[1]): match[0]
        for match in re.finditer(r"(?m)^([\w.-]+)==.*(?:\n +(?!#).*)*", lock)
    }
    todo = [(canonicalize_name(name), frozenset[str]()) for name in OUTSIDE]
    for distribution in DISTRIBUTIONS:
        extras = importlib.metadata.metadata(distribution.name).get_all(
            "Provides-Extra"
        )
        todo.append((canonicalize_name(distribution.name), frozenset(extras or ())))
    seen = set[tuple[NormalizedName, frozenset[str]]]()
    while todo:
        name, chosen = todo.pop()
        if (name, chosen) in seen:
            continue
        seen.add((name, chosen))
        for text in importlib.metadata.requires(name) or ():
            requirement = Requirement(text)
            wanted = [{"extra": extra} for extra in ("", *chosen)]
            marker = requirement.marker
            if marker is None or any(marker.evaluate(extra) for extra in wanted):
                needed = canonicalize_name(requirement.name)
                todo.append((needed, frozenset(requirement.extras)))
    names = {name for name, _ in seen}
    yield from (entries[name] for name in sorted(names & entries.keys()))
