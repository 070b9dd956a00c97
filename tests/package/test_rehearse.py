"""The rehearsal of a release: what it would release, and that a step which fails fails it."""

import re
from pathlib import Path

import pytest
import rehearse
from baseline import version_of
from loopback import Done, check
from redocly import ROOT, ToolError

pytestmark = pytest.mark.tooling
REFUSED = "refused: the tree is dirty\nNothing was uploaded.\n"


def test_the_candidate_is_what_stands_in_the_checkout_committed_and_dated(tmp_path: Path) -> None:
    version = version_of(ROOT)
    rehearse.candidate(tmp_path / "tree", version)
    assert check(["git", "status", "--porcelain"], tmp_path / "tree") == ""
    assert re.search(
        rf"(?m)^## \[{re.escape(version)}\] - 20\d\d-\d\d-\d\d$", (tmp_path / "tree" / "CHANGELOG.md").read_text()
    )
    listed = check(["git", "ls-files", "--cached", "--others", "--exclude-standard"], ROOT).splitlines()
    here = {name: (ROOT / name).read_bytes() for name in listed if (ROOT / name).is_file()} | {"CHANGELOG.md": b""}
    there = check(["git", "ls-files"], tmp_path / "tree").splitlines()
    assert {name: (tmp_path / "tree" / name).read_bytes() for name in there} | {"CHANGELOG.md": b""} == here


def test_a_step_that_fails_fails_the_rehearsal(capsys: pytest.CaptureFixture[str]) -> None:
    rehearsal = rehearse.Rehearsal()

    def broken() -> str:
        raise ToolError("it does not build")

    rehearsal.take("lint", lambda: "all well")
    assert rehearsal.well
    rehearsal.take("built", broken)
    assert not rehearsal.well
    assert [line.split() for line in rehearsal.summary()] == [
        ["ok", "lint", "0.0", "s", "all", "well"],
        ["FAILED", "built", "0.0", "s"],
    ]
    assert "it does not build" in capsys.readouterr().err


def test_no_step_is_lost_in_a_thread() -> None:
    def missing() -> str:
        raise FileNotFoundError("no such program")

    with pytest.raises(FileNotFoundError):
        rehearse.Rehearsal().together(("lint", lambda: ""), ("built", missing), ("typecheck", lambda: ""))


@pytest.mark.parametrize(
    "done",
    [
        Done(0, "published smarterproctoring-client 1.0.0\n"),
        Done(2, "error: the index did not take the upload\n"),
        Done(2, REFUSED.replace("Nothing", "Something")),
        Done(2, "refused: CHANGELOG.md has no entry\n" + REFUSED),
        Done(2, REFUSED.replace("dirty", "clean")),
    ],
    ids=["published", "failed later", "uploaded", "for more than one reason", "for another reason"],
)
def test_a_refusal_counts_for_its_one_reason_only(done: Done) -> None:
    assert rehearse.refused(Done(2, REFUSED), "is dirty") == "the tree is dirty"
    with pytest.raises(ToolError, match="should have been refused"):
        rehearse.refused(done, "is dirty")


def test_ci_runs_every_gate_of_the_rehearsal() -> None:
    words = re.findall(r"[a-z-]+", (ROOT / ".ci" / "run").read_text())
    assert set(rehearse.GATES) <= {*words}
