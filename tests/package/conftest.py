"""Fixtures of the release tests: indexes, a repository to release from, a release, and empty environments."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback import LOGIN, PASSWORD, USERNAME, UV, Index, check, make, running_index, wheels
from package.releases import SPEC_DIFF, Released, set_version, watched_processes
from redocly import ROOT


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Index]:
    """An empty private index that asks for a password for everything."""
    with running_index(tmp_path / "private") as index:
        yield index


@pytest.fixture(scope="session")
def outside() -> Iterator[Index]:
    """The outside world, as far as the tests need it: the wheels of the lock, on an index without passwords."""
    with running_index(wheels(), "--open") as index:
        yield index


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this one's files, ready to release 1.0.0."""
    target = tmp_path_factory.mktemp("template") / "repository"
    listed = check(["git", "ls-files", "--cached", "--others", "--exclude-standard"], ROOT).split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    (target / "tools" / "spec_diff.py").write_text(SPEC_DIFF)
    check(["git", "init", "--quiet", "--initial-branch", "main"], target)
    check(["git", "config", "user.name", "Test"], target)
    check(["git", "config", "user.email", "test@example.com"], target)
    set_version(target, "1.0.0")
    return target


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Path:
    """A repository of the test's own."""
    target = tmp_path / "repository"
    shutil.copytree(template, target)
    return target


@pytest.fixture(scope="session")
def released(template: Path, tmp_path_factory: pytest.TempPathFactory, outside: Index) -> Iterator[Released]:
    """1.0.0 on a private index, by `make publish`, while somebody looks at the process list.

    In a rehearsal (tools/rehearse.py) it is the release that was rehearsed, in the folder that RELEASED names.
    """
    if rehearsed := os.environ.get("RELEASED"):
        with running_index(Path(rehearsed)) as index:
            yield Released(index, "", [])
        return
    with running_index(tmp_path_factory.mktemp("released") / "index") as index, watched_processes() as seen:
        done = make(template, "publish", INDEX_URL=index.url, DEPENDENCIES_URL=outside.url, **LOGIN)
        assert done.code == 0, done.output
        yield Released(index, done.output, list(seen))


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[str], Path]:
    """Makes an empty environment; returns its Python."""

    def make_environment(name: str) -> Path:
        check([UV, "venv", "--quiet", "--python", sys.executable, str(tmp_path / name)])
        return tmp_path / name / "bin" / "python"

    return make_environment


@pytest.fixture
def netrc(tmp_path: Path) -> str:
    """A netrc file by which pip and uv log in to anything on loopback."""
    file = tmp_path / "netrc"
    file.touch(mode=0o600)
    file.write_text(f"machine 127.0.0.1 login {USERNAME} password {PASSWORD}\n")
    return str(file)
