"""The workflows hold no logic: each step is a make target or a pinned action, and each job may do little."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from loopback import check, run
from redocly import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Those that change the repository's content may write, and only what they need to.
PROPOSAL = {"contents": "write", "pull-requests": "write"}
WRITERS = {
    ("regenerate", "regenerate"): PROPOSAL,
    ("weekly", "dependencies"): PROPOSAL,
    ("release", "assets"): {"contents": "write"},
}
pytestmark = pytest.mark.tooling


@cache
def content_of(workflow: Path) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.load(workflow.read_text(), Loader=yaml.CSafeLoader)
    return content


@cache
def jobs() -> list[Any]:
    """Every job of every workflow: the file's name, the job's name, the job."""
    found: list[Any] = []
    for file in WORKFLOWS:
        content = content_of(file)
        assert content["permissions"] == {}, f"{file.name}: nothing is permitted unless a job says so"
        found += [pytest.param(file.stem, name, job, id=f"{file.stem}-{name}") for name, job in content["jobs"].items()]
    return found


def targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z][a-z0-9-]*):(?!=)", (ROOT / "Makefile").read_text()))


def test_there_is_a_workflow_for_each_occasion() -> None:
    triggers = {file.stem: content_of(file)[True] for file in WORKFLOWS}  # YAML 1.1 reads `on` as true
    assert triggers["gates"]["push"] == {"branches": ["**"]}
    assert "openapi/**" in triggers["regenerate"]["push"]["paths"]
    assert triggers["release"] == {"push": {"tags": ["v*"]}}
    assert triggers["weekly"]["schedule"]


@pytest.mark.parametrize(("workflow", "name", "job"), jobs())
def test_each_step_is_a_make_target_or_a_pinned_action(workflow: str, name: str, job: dict[str, Any]) -> None:
    for step in job["steps"]:
        if "run" in step:
            command = re.fullmatch(r"make ([a-z0-9-]+)", step["run"])
            assert command, step["run"]
            assert command[1] in targets()
        else:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
    assert any("run" in step for step in job["steps"])


@pytest.mark.parametrize(("workflow", "name", "job"), jobs())
def test_each_job_may_do_little(workflow: str, name: str, job: dict[str, Any]) -> None:
    assert job["permissions"] == WRITERS.get((workflow, name), {"contents": "read"})
    for step in job["steps"]:
        secrets = [value for value in step.get("env", {}).values() if "secrets." in value or "github.token" in value]
        assert not secrets or step["run"] in {
            "make publish-built",
            "make prove-release",
            "make release-assets",
            "make propose-generated",
            "make propose-dependencies",
        }
    assert "timeout-minutes" in job


def release_jobs() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    found: dict[str, Any] = content["jobs"]
    return found


def test_only_the_job_that_uploads_holds_the_secrets_of_the_release() -> None:
    holders = {name for name, job in release_jobs().items() if "secrets.UV_PUBLISH" in str(job)}
    assert holders == {"publish"}
    assert {name for name, job in release_jobs().items() if "secrets.RELEASE_SIGNING_KEY" in str(job)} == {"publish"}
    assert {name for name, job in release_jobs().items() if "secrets." in str(job)} == {"publish", "prove"}
    assert {name: job.get("environment") for name, job in release_jobs().items() if "environment" in job} == {
        "publish": "release",
        "prove": "release-read",
    }


def test_what_is_published_was_judged_by_the_gates_and_comes_by_digest() -> None:
    jobs = release_jobs()
    assert set(jobs["publish"]["needs"]) == {"build", "gates"}
    (upload,) = [step for step in jobs["publish"]["steps"] if step.get("run") == "make publish-built"]
    assert upload["env"]["JUDGED_SHA256"] == "${{ needs.gates.outputs.judged }}"
    (taken,) = [step for step in jobs["publish"]["steps"] if "download-artifact" in step.get("uses", "")]
    assert taken["with"]["artifact-ids"] == "${{ needs.build.outputs.artifact }}"
    assert [step["run"] for step in jobs["gates"]["steps"] if "run" in step] == ["make ci", "make release-digest"]


def test_the_job_that_uploads_installs_what_uploading_needs_and_nothing_of_the_projects() -> None:
    """By the Makefile: neither .venv nor npm, and an environment from a lock of its own."""
    plan = check(["make", "--dry-run", "--always-make", "publish-built"], ROOT)
    assert "requirements/publish.txt" in plan
    assert "requirements/dev.txt" not in plan
    assert "npm" not in plan
    locked = {
        name: set(re.findall(r"(?m)^([a-z][\w.-]*)==(\S+)", (ROOT / "requirements" / name).read_text()))
        for name in ("publish.txt", "dev.txt")
    }
    assert {name for name, _ in locked["publish.txt"]} >= {"cryptography", "httpx", "packaging", "uv"}
    assert len(locked["publish.txt"]) < 15
    assert locked["publish.txt"] <= locked["dev.txt"], "both have the same versions"


def test_the_releases_files_become_its_assets(tmp_path: Path) -> None:
    gh, log = tmp_path / "bin" / "gh", tmp_path / "log"
    gh.parent.mkdir()
    gh.write_text(f'#!/bin/sh\necho "$@" > {log}\n')
    gh.chmod(0o755)
    (tmp_path / "dist").mkdir()
    for name in ("a.whl", "judged.json", "a.cdx.json", "a.intoto.jsonl"):
        (tmp_path / "dist" / name).touch()
    site = tmp_path / "build" / "documentation" / "docs.tar.gz"
    site.parent.mkdir(parents=True)
    site.touch()
    path = f"{gh.parent}:/usr/bin:/bin"
    check(["make", "-f", str(ROOT / "Makefile"), "release-assets"], tmp_path, VERSION="v1.2.3", PATH=path)
    command = "release create v1.2.3 --verify-tag --title 1.2.3 --notes-file CHANGELOG.md "
    files = "dist/a.cdx.json dist/a.intoto.jsonl dist/a.whl dist/judged.json"
    assert log.read_text().strip() == f"{command}{files} build/documentation/docs.tar.gz"


def test_the_documentation_is_built_of_the_tag_and_becomes_an_asset() -> None:
    jobs = release_jobs()
    assert "make docs-archive" in [step.get("run") for step in jobs["documentation"]["steps"]]
    assert "documentation" in jobs["assets"]["needs"]
    taken = [step["with"] for step in jobs["assets"]["steps"] if "download-artifact" in step.get("uses", "")]
    assert {step["artifact-ids"] for step in taken} == {
        "${{ needs.publish.outputs.artifact }}",
        "${{ needs.documentation.outputs.artifact }}",
    }


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
