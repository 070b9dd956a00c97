"""The workflows hold no logic: each step is a make target or a pinned action, and each job may do little."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from loopback import check, run
from redocly import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Those that change the repository's content may write, and only what they need to.
WRITERS = {("regenerate", "regenerate"), ("weekly", "dependencies")}
pytestmark = pytest.mark.tooling


def jobs() -> list[Any]:
    """Every job of every workflow: the file's name, the job's name, the job."""
    found: list[Any] = []
    for file in WORKFLOWS:
        content = yaml.safe_load(file.read_text())
        assert content["permissions"] == {}, f"{file.name}: nothing is permitted unless a job says so"
        found += [pytest.param(file.stem, name, job, id=f"{file.stem}-{name}") for name, job in content["jobs"].items()]
    return found


def targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text()))


def test_there_is_a_workflow_for_each_occasion() -> None:
    triggers = {file.stem: yaml.safe_load(file.read_text())[True] for file in WORKFLOWS}  # YAML 1.1 reads `on` as true
    assert triggers["gates"]["push"] == {"branches": ["**"]}
    assert "openapi/**" in triggers["regenerate"]["push"]["paths"]
    assert triggers["release"] == {"push": {"tags": ["v*"]}}
    assert triggers["weekly"]["schedule"]


@pytest.mark.parametrize(("workflow", "name", "job"), jobs())
def test_each_step_is_a_make_target_or_a_pinned_action(workflow: str, name: str, job: dict[str, Any]) -> None:
    for step in job["steps"]:
        if "run" in step:
            command = re.fullmatch(r"make ([a-z-]+)", step["run"])
            assert command, step["run"]
            assert command[1] in targets()
        else:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
    assert any("run" in step for step in job["steps"])


@pytest.mark.parametrize(("workflow", "name", "job"), jobs())
def test_each_job_may_do_little(workflow: str, name: str, job: dict[str, Any]) -> None:
    writes = {"contents": "write", "pull-requests": "write"}
    assert job["permissions"] == (writes if (workflow, name) in WRITERS else {"contents": "read"})
    for step in job["steps"]:
        secrets = [value for value in step.get("env", {}).values() if "secrets." in value or "github.token" in value]
        assert not secrets or step["run"] in {"make publish", "make propose-generated", "make propose-dependencies"}
    assert "timeout-minutes" in job


# -- proposals --------------------------------------------------------------------------------------------------------

GH = """#!/bin/sh
echo "$@" >> "$GH_LOG"
[ "$1 $2" = "pr view" ] && [ -e "$GH_LOG.open" ] && echo OPEN
[ "$1 $2" != "pr view" ] || [ -e "$GH_LOG.open" ]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone with the script, of a bare repository on this machine."""
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    check(["git", "init", "--quiet", "--bare", "--initial-branch", "main", str(origin)])
    check(["git", "clone", "--quiet", str(origin), str(clone)])
    check(["git", "switch", "--quiet", "--create", "main"], clone)
    (clone / "tools").mkdir()
    (clone / "tools" / "propose.sh").write_text((ROOT / "tools" / "propose.sh").read_text())
    (clone / "generated").mkdir()
    (clone / "generated" / "one").write_text("1\n")
    check(["git", "add", "--all"], clone)
    check(["git", "-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "Start"], clone)
    check(["git", "push", "--quiet", "origin", "main"], clone)
    return clone


def propose(clone: Path, *, gh: bool = True) -> tuple[int, str, list[str]]:
    log, tools = clone.parent / "gh.log", clone.parent / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "gh").write_text(GH)
    (tools / "gh").chmod(0o755)
    path = f"{tools}:/usr/bin:/bin" if gh else "/usr/bin:/bin"
    command = ["bash", "tools/propose.sh", "generated", "Regenerate from the spec", "generated"]
    done = run(command, clone, PATH=path, GH_LOG=str(log), GH_TOKEN="none")
    return done.code, done.output, log.read_text().splitlines() if log.exists() else []


def test_nothing_is_proposed_where_nothing_changed(checkout: Path) -> None:
    (checkout / "elsewhere").write_text("not of this proposal")
    code, output, asked = propose(checkout)
    assert (code, asked) == (0, [])
    assert "nothing to propose" in output


def test_a_change_becomes_a_pull_request_and_then_its_update(checkout: Path) -> None:
    output, asked = "", list[str]()
    for content in ("2\n", "3\n"):
        (checkout / "generated" / "two").write_text(content)
        code, output, asked = propose(checkout)
        assert code == 0, output
        pushed = check(["git", "--git-dir", "../origin.git", "show", "proposal/generated-main:generated/two"], checkout)
        assert pushed == content
        assert check(["git", "branch", "--show-current"], checkout).strip() == "main"
        (checkout.parent / "gh.log.open").touch()
    created = [line for line in asked if line.startswith("pr create")]
    assert len(created) == 1
    assert "--base main --head proposal/generated-main --title Regenerate from the spec" in created[0]
    assert "brought up to date" in output
    files = check(["git", "--git-dir", "../origin.git", "show", "main:", "--"], checkout)
    assert "two" not in files, "nothing reaches main unread"


def test_without_gh_nothing_is_pushed(checkout: Path) -> None:
    if subprocess.run(["/usr/bin/env", "PATH=/usr/bin:/bin", "sh", "-c", "command -v gh"], check=False).returncode == 0:
        pytest.skip("gh is installed here")
    (checkout / "generated" / "two").write_text("2\n")
    code, output, _ = propose(checkout, gh=False)
    assert code == 1
    assert "this step needs gh" in output
    assert check(["git", "--git-dir", "../origin.git", "branch"], checkout).split() == ["*", "main"]
