"""docs/spec-changes.md prints what the tools really print."""

from __future__ import annotations

import re
import subprocess

import pytest
import spec_lint
from spec.conftest import ROOT, Repository, needs_redocly

pytestmark = pytest.mark.tooling

DOCUMENT = (ROOT / "docs" / "spec-changes.md").read_text()


def printed(command: str) -> list[str]:
    """Return what the document shows for a command, once for each time that it shows it."""
    return re.findall(rf"```console\n\$ {command}\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture
def changed(repository: Repository) -> Repository:
    """Release 1.0.0, then make the document's edit and the change that generating makes of it."""
    repository.write("1.0.0")
    repository.copy_packages()
    (repository.root / "CHANGELOG.md").write_text("# Changelog\n\n## 1.0.0\n\nFirst.\n")
    repository.commit("v1.0.0")
    (edit,) = re.findall(r"```diff\n(.*?)```", DOCUMENT, re.DOTALL)
    subprocess.run(["git", "apply", "-"], input=edit, text=True, cwd=repository.root, check=True)
    model, operations, facade = (
        f"generated/smarterproctoring_generated/{n}.py" for n in ("models/session_change", "operations", "facade")
    )
    repository.edit(model, "    notes: str | Unset", "    room: str | Unset = UNSET\n    notes: str | Unset")
    repository.edit(operations, "    notes: str | None\n", "    room: str | None\n    notes: str | None\n")
    keyword = "        notes: str | None = None,\n"
    repository.edit(facade, keyword, keyword + keyword.replace("notes", "room"))
    return repository


@needs_redocly
def test_the_diffs_and_the_draft(changed: Repository) -> None:
    refused, passed = printed("make diff-spec")
    done = changed.run("spec_diff")
    assert (done.returncode, done.stdout + done.stderr) == (1, refused)
    changed.edit("openapi/smarterproctoring.yaml", "\n  version: 1.0.0\n", "\n  version: 1.1.0\n")
    done = changed.run("spec_diff")
    assert (done.returncode, done.stdout) == (0, passed)
    done = changed.run("api_diff")
    assert done.stderr == ""
    assert [done.stdout] == printed("make diff-api")
    assert [changed.run("changelog").stdout] == printed("make changelog")


@needs_redocly
def test_the_linter(changed: Repository) -> None:
    refused, passed = printed("make lint-spec")
    assert passed == "openapi/smarterproctoring.yaml: no mistakes\n"
    assert spec_lint.lint([changed.spec]) == {changed.spec: []}
    changed.edit("openapi/smarterproctoring.yaml", "          description: Room of an ad-hoc proctor.\n", "")
    (mistakes,) = spec_lint.lint([changed.spec]).values()
    assert [f"{re.sub('^.*/openapi/', 'openapi/', mistake)}\n" for mistake in mistakes] == [refused]


def test_every_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    lines = re.findall(r"(?:\$ |`)make ([a-z -]+)", DOCUMENT)
    named = {target for line in lines for target in line.split()}
    assert named >= {"lint-spec", "diff-spec", "generate", "diff-api", "check-package", "changelog"}
    assert not [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)]
