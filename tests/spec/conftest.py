"""What the tests of the spec's tools share: a scratch repository that releases a spec."""

from __future__ import annotations

import hashlib
import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import api_diff
import griffe
import pytest
from packages import FOLDERS, LIST, PACKAGES, Package
from spec.changes import SPEC, apply

ROOT = Path(__file__).resolve().parents[2]

needs_redocly = pytest.mark.skipif(
    not (ROOT / "node_modules" / ".bin" / "redocly").exists(),
    reason="redocly is not installed; `make node_modules/.ready` installs it (npm is needed)",
)


class Repository:
    """A git repository that holds a spec and, if asked for, the packages."""

    def __init__(self, root: Path, *, git: bool = True) -> None:
        self.root, self.spec = root, root / "openapi" / "smarterproctoring.yaml"
        self.spec.parent.mkdir(parents=True)
        if git:
            self.git("init", "--quiet", "--template=", "--initial-branch=main")

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=A Maintainer", "-c", "user.email=maintainer@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)

    def write(self, version: str, edits: list[tuple[str, str]] | None = None) -> None:
        """Write base.yaml as another version, with some texts replaced; the package has the same version."""
        self.release_as(version)
        self.spec.write_text(
            apply(SPEC.read_text(), [("  version: 1.0.0\n", f"  version: {version}\n"), *(edits or [])])
        )

    def release_as(self, version: str) -> None:
        """Make it the version of the package."""
        (self.root / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')

    def copy_packages(self, folders: Sequence[str] = FOLDERS) -> None:
        """Copy the packages in some folders, and of their list the distributions that have one of those."""
        for folder in folders:
            shutil.copytree(ROOT / folder, self.root / folder, ignore=shutil.ignore_patterns("__pycache__"))
        head, *distributions = (ROOT / LIST).read_text().split("\n[[distribution]]\n")
        shipped = [each for each in distributions if any(f'\nfolder = "{folder}"\n' in each for folder in folders)]
        (self.root / LIST).parent.mkdir(exist_ok=True)
        (self.root / LIST).write_text("\n[[distribution]]\n".join([head, *shipped]))

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        assert old in path.read_text(), (file, old)
        path.write_text(path.read_text().replace(old, new))

    def commit(self, tag: str | None = None) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "A change")
        if tag:
            self.git("tag", tag)

    def run(self, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of tools/ on this repository, in this process."""
        command = [f"{tool}.py", "--root", str(self.root), *arguments]
        with pytest.MonkeyPatch.context() as now, StringIO() as said, StringIO() as complained:
            now.setattr(sys, "argv", command)
            now.chdir(self.root)
            with redirect_stdout(said), redirect_stderr(complained):
                code: int = importlib.import_module(tool).main()
            return subprocess.CompletedProcess(command, code, said.getvalue(), complained.getvalue())

    def run_command(self, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of tools/ on this repository, as make does."""
        command = [sys.executable, str(ROOT / "tools" / f"{tool}.py"), "--root", str(self.root), *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)


def _content(root: Path, shipped: Sequence[Package]) -> bytes:
    """Return a digest of all modules of the packages of a tree."""
    digest = hashlib.sha256()
    for package in shipped:
        for file in sorted((root / package.folder / package.name).rglob("*.py")):
            digest.update(f"{file.relative_to(root)}\n{file.stat().st_size}\n".encode() + file.read_bytes())
    return digest.digest()


@pytest.fixture(scope="session", autouse=True)
def _read_once() -> Iterator[None]:
    """Read packages of the same content once for all tests of a process: those of this checkout, above all."""
    load = api_diff.load
    known: dict[tuple[tuple[Package, ...], bytes], dict[str, griffe.Module]] = {}

    def load_once(root: Path, shipped: Sequence[Package] = PACKAGES) -> dict[str, griffe.Module]:
        key = (tuple(shipped), _content(root, shipped))
        if key not in known:
            known[key] = load(root, shipped)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api_diff, "load", load_once)
        yield


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)
