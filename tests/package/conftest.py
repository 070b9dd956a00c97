"""Fixtures of the release tests: indexes, a repository to release from, releases, and empty environments."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback import LOGIN, PASSWORD, USERNAME, UV, Index, check, make, running_index, wheels
from once import once
from package.releases import JUDGE, SDIST, Released, Watch, build_and_record, empty_repository, files_of, set_version
from redocly import ROOT

# What `make publish` looks at itself, before it builds.
LOOKED_AT = ("pyproject.toml", "openapi/smarterproctoring.yaml")


@pytest.fixture(scope="session")
def _private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with running_index(tmp_path_factory.mktemp("private") / "index") as index:
        yield index


@pytest.fixture
def private(_private: Index) -> Index:
    """An empty private index that asks for a password for everything."""
    for file in _private.folder.iterdir():
        file.unlink()
    return _private


@pytest.fixture(scope="session")
def outside() -> Iterator[Index]:
    """The outside world, as far as the tests need it: the wheels of the lock, on an index without passwords."""
    with running_index(wheels(), "--open") as index:
        yield index


# -- repositories -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this one's files, ready to release 1.0.0."""

    def copied(target: Path) -> None:
        empty_repository(target)
        listed = check(["git", "ls-files", "--cached", "--others", "--exclude-standard"], ROOT).split("\n")
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target / name)
        (target / "tools" / "spec_diff.py").write_text(JUDGE)
        set_version(target, "1.0.0")

    return once(tmp_path_factory, "template", copied)


@pytest.fixture(scope="session")
def _small_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what is looked at before a build, ready to release 1.0.0."""
    target = tmp_path_factory.mktemp("small-template") / "repository"
    empty_repository(target)
    for name in LOOKED_AT:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    (target / "tools").mkdir()
    (target / "tools" / "spec_diff.py").write_text(JUDGE)
    (target / "tools" / "api_diff.py").write_text("print('fine')\n")
    (target / ".gitignore").write_text("dist/\n")
    set_version(target, "1.0.0")
    return target


@pytest.fixture
def repository(_small_template: Path, tmp_path: Path) -> Path:
    """A repository of the test's own; it cannot be built."""
    target = tmp_path / "repository"
    shutil.copytree(_small_template, target)
    return target


# -- releases ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def released(template: Path, tmp_path_factory: pytest.TempPathFactory, outside: Index) -> Iterator[Released]:
    """1.0.0 on a private index, by `make publish`, while somebody looks at the process list.

    In a rehearsal (tools/rehearse.py) it is the release that was rehearsed, in the folder that RELEASED names.
    """
    if rehearsed := os.environ.get("RELEASED"):
        with running_index(Path(rehearsed)) as index:
            yield Released(index, "", [])
        return

    def publish(folder: Path) -> None:
        build_and_record(template, "1.0.0")
        with running_index(folder / "index") as index, Watch(index.url) as watch:
            done = make(template, "publish", INDEX_URL=watch.url, DEPENDENCIES_URL=outside.url, **LOGIN)
        assert done.code == 0, done.output
        (folder / "output").write_text(done.output)
        (folder / "seen").write_text(json.dumps(sorted(watch.seen)))

    folder = once(tmp_path_factory, "released", publish)
    with running_index(folder / "index") as index:
        yield Released(index, (folder / "output").read_text(), json.loads((folder / "seen").read_text()))


@pytest.fixture(scope="session")
def two_versions(
    released: Released, template: Path, tmp_path_factory: pytest.TempPathFactory, outside: Index
) -> Iterator[Released]:
    """1.0.0 and 1.1.0 on an index that sends readers outside for all other packages.

    The upload of 1.1.0 had broken off before its last file, and `make publish RESUME=1` finished it.
    """

    def publish(folder: Path) -> None:
        repository = shutil.copytree(template, folder / "repository")
        shutil.rmtree(repository / "dist", ignore_errors=True)
        set_version(repository, "1.1.0")
        build_and_record(repository, "1.1.0")
        shutil.copytree(released.index.folder, folder / "index")
        for name in files_of("1.1.0") - {SDIST.replace("1.0.0", "1.1.0")}:
            shutil.copy(repository / "dist" / name, folder / "index")
        with running_index(folder / "index", "--fallback", outside.url) as index:
            variables = {"INDEX_URL": index.url, "DEPENDENCIES_URL": outside.url, **LOGIN}
            done = make(repository, "publish", "RESUME=1", **variables)
        assert done.code == 0, done.output
        (folder / "output").write_text(done.output)

    folder = once(tmp_path_factory, "two-versions", publish)
    with running_index(folder / "index", "--fallback", outside.url) as index:
        yield Released(index, (folder / "output").read_text(), [])


# -- readers of an index ----------------------------------------------------------------------------------------


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
