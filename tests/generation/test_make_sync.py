"""The synchronous modules are what the asynchronous ones give, and the gate says which file to edit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import make_sync
import pytest

pytestmark = pytest.mark.tooling

ROOT = Path(__file__).resolve().parents[2]
SENDER = "overrides/smarterproctoring/_async/sender.py"
TWIN = "overrides/smarterproctoring/_sync/sender.py"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of one package with both sides, for what is the same for each."""
    (folder,) = [folder for folder in make_sync.FOLDERS if SENDER.startswith(folder)]
    monkeypatch.setattr(make_sync, "FOLDERS", (folder,))
    for side in (make_sync.SOURCE, make_sync.TWIN):
        shutil.copytree(ROOT / folder / side, tmp_path / folder / side)
    return tmp_path


def test_the_twins_are_what_their_sources_give() -> None:
    assert list(make_sync.problems()) == []
    assert Path(SENDER) in make_sync.sources()


def test_a_twin_says_where_it_comes_from() -> None:
    for source in make_sync.sources():
        first = (ROOT / make_sync.twin_of(source)).read_text(encoding="utf-8").partition("\n")[0]
        assert "Generated" in first
        assert f"_async/{source.name}" in first


def test_nothing_in_a_twin_waits() -> None:
    for source in make_sync.sources():
        text = (ROOT / make_sync.twin_of(source)).read_text(encoding="utf-8")
        assert "await " not in text
        assert "async def" not in text
        assert "_async." not in text


@pytest.mark.parametrize("file", [SENDER, TWIN])
def test_a_change_of_one_side_is_refused_with_the_file_to_edit(tree: Path, file: str) -> None:
    path = tree / file
    path.write_text(path.read_text(encoding="utf-8") + "\nMORE = 1\n", encoding="utf-8")
    (problem,) = make_sync.problems(tree)
    assert f"edit {SENDER}" in problem
    assert "make generate" in problem


def test_a_missing_twin_is_written_and_then_nothing_is_to_do(tree: Path) -> None:
    (tree / TWIN).unlink()
    assert len(list(make_sync.problems(tree))) == 1
    assert make_sync.write(tree) == 1
    assert list(make_sync.problems(tree)) == []
    assert (tree / TWIN).read_bytes() == (ROOT / TWIN).read_bytes()
    assert make_sync.write(tree) == 0


def test_a_twin_without_a_source_is_refused(tree: Path) -> None:
    (tree / TWIN).with_name("left.py").write_text("", encoding="utf-8")
    (problem,) = make_sync.problems(tree)
    assert "left.py" in problem
    assert "delete it" in problem


def test_source_that_is_not_python_is_named(tree: Path) -> None:
    (tree / SENDER).write_text("def broken(:\n", encoding="utf-8")
    with pytest.raises(make_sync.TwinError, match=r"sender\.py is not Python"):
        list(make_sync.problems(tree))


def test_the_command_line_checks() -> None:
    command = [sys.executable, str(ROOT / "tools" / "make_sync.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
