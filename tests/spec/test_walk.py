"""The pages for maintainers show what the tools really print when a field is added to the spec."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import generate
import publish
import pytest
import release_record
import spec_lint
import yaml
from docs.quotes import Mask, Quote, blocks, quoted, same
from generator import swapping
from simple_index import Listing
from spec.conftest import ROOT, Repository, needs_redocly

pytestmark = pytest.mark.tooling

DOCUMENT = (ROOT / "docs" / "maintaining" / "spec-changes.md").read_text()
SPEC = "openapi/smarterproctoring.yaml"
RAISED = ("\n  version: 1.0.0\n", "\n  version: 1.1.0\n")
COUNTS = Mask(r"(?<=\| )[\d +-]+|\d+ (?=insertion|deletion)", "COUNT ")
PADDING = Mask(r" +\|", " |")
PLACES = Mask(r"@@ -\d+(,\d+)? \+\d+(,\d+)? @@", "@@ PLACE @@")


@pytest.fixture
def signals() -> Iterator[None]:
    """Put back the handlers of signals that generating in this process sets."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def released(repository: Repository) -> Repository:
    """A clone whose last release is 1.0.0, of what is in this checkout."""
    shutil.copy(ROOT / SPEC, repository.spec)
    shutil.copy(ROOT / "pyproject.toml", repository.root)
    repository.copy_packages()
    here = re.findall(r"(?m)^  version: (\S+)$", repository.spec.read_text())[0]
    operations = "generated/smarterproctoring_generated/operations.py"
    repository.edit(SPEC, f"\n  version: {here}\n", RAISED[0])
    repository.edit(operations, f'VERSION: Final = "{here}"', 'VERSION: Final = "1.0.0"')
    repository.edit("generated/PROVENANCE.json", f'"version": "{here}"', '"version": "1.0.0"')
    raise_the_version(repository, "1.0.0")
    (repository.root / "CHANGELOG.md").write_text("# Changelog\n\n## [1.0.0]\n\nFirst.\n")
    repository.commit("v1.0.0")
    return repository


def raise_the_version(repository: Repository, version: str) -> None:
    """Make it the version of the package."""
    project = repository.root / "pyproject.toml"
    project.write_text(re.sub(r'(?m)^version = "[^"]*"', f'version = "{version}"', project.read_text()))


class EmptyIndex:
    """An index that holds nothing yet."""

    def listing(self) -> Listing:
        """Return no files."""
        return Listing()


def apply_the_edit(repository: Repository) -> None:
    """Add the field to the spec, as the document does."""
    (edit,) = [block.text for block in blocks("docs/maintaining/spec-changes.md") if block.language == "diff"]
    subprocess.run(["git", "apply", "-"], input=edit, text=True, cwd=repository.root, check=True)


def generated(repository: Repository, spec: Path) -> str:
    """Run `make generate` on a repository, but for the strict typing of its output; return all that it printed."""
    arguments = ["--spec", spec, "--output", repository.root / "generated"]
    with pytest.MonkeyPatch.context() as now:
        now.setattr(sys, "argv", ["generate.py", *map(str, arguments)])
        now.setattr(swapping, "check", lambda *_: None)  # its own tests are in tests/generation
        try:
            generate.main()
        except SystemExit as error:
            return str(error.code)
    return ""


def shell(quote: Quote, repository: Repository) -> str:
    """Run a quoted command that needs a shell, with what the repository has generated."""
    environment = {**os.environ, "PYTHONPATH": str(repository.root / "generated"), "COLUMNS": "80"}
    command = quote.command.replace(
        ".venv/bin/smarterproctoring", f"{shlex.quote(sys.executable)} -m smarterproctoring.cli"
    )
    return subprocess.run(
        ["bash", "-euc", command], cwd=repository.root, env=environment, capture_output=True, text=True, check=True
    ).stdout


@needs_redocly
@pytest.mark.usefixtures("signals")
def test_a_field_is_added(released: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    refused, passed = quoted("docs/maintaining/spec-changes.md", "make diff-spec")
    apply_the_edit(released)
    done = released.run("spec_diff")
    assert done.returncode == 1
    same(refused, done.stdout + done.stderr)
    released.edit(SPEC, *RAISED)
    raise_the_version(released, "1.1.0")
    done = released.run("spec_diff")
    assert done.returncode == 0
    same(passed, done.stdout)

    replaced, _ = quoted("docs/maintaining/spec-changes.md", "make generate")
    assert generated(released, released.spec) == ""
    same(replaced, capsys.readouterr().out)
    (stat,) = quoted("docs/maintaining/spec-changes.md", "git add -A generated && git diff --cached --stat")
    same(stat, shell(stat, released), COUNTS, PADDING)
    (lines,) = quoted("docs/maintaining/spec-changes.md", "git diff --cached -U0")
    same(lines, shell(lines, released), PLACES)
    (option,) = quoted("docs/maintaining/spec-changes.md", ".venv/bin/smarterproctoring reschedule --help")
    same(option, shell(option, released))

    done = released.run("api_diff")
    assert done.stderr == ""
    (names,) = quoted("docs/maintaining/spec-changes.md", "make diff-api")
    same(names, done.stdout)
    (draft,) = quoted("docs/maintaining/spec-changes.md", "make changelog")
    same(draft, released.run("changelog").stdout)
    refuse_too_small_a_step(released, capsys)


def refuse_too_small_a_step(released: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """Go on with docs/maintaining/releasing.md: the change is to be published as 1.0.1."""
    released.edit(SPEC, RAISED[1], RAISED[0])
    raise_the_version(released, "1.0.1")
    (released.root / "CHANGELOG.md").write_text("# Changelog\n\n## [1.0.1] - 2030-01-01\n\n- Rooms.\n")
    shutil.copytree(ROOT / "tools", released.root / "tools", dirs_exist_ok=True)
    shutil.copy(ROOT / "openapi" / "redocly.yaml", released.spec.parent)
    (released.root / "node_modules").symlink_to(ROOT / "node_modules")
    (released.root / ".gitignore").write_text("__pycache__\nnode_modules\ndist\n")
    released.commit("v1.0.1")
    dist = released.root / "dist"
    dist.mkdir()
    (dist / "smarterproctoring_client-1.0.1-py3-none-any.whl").touch()
    release_record.write(dist, released.root, "1.0.1")
    refused, _ = quoted("docs/maintaining/releasing.md", "make publish INDEX_URL=")
    with pytest.MonkeyPatch.context() as now:
        now.setattr(publish, "ROOT", released.root)
        now.setattr(publish, "Index", lambda *_: nullcontext(EmptyIndex()))
        now.setattr(sys, "argv", ["publish.py"])
        now.setenv("INDEX_URL", "http://127.0.0.1:9/simple/")
        assert publish.main() == 1
    printed = capsys.readouterr()
    same(refused, printed.out + printed.err)


def test_an_operation_is_refused(released: Repository) -> None:
    _, refused = quoted("docs/maintaining/spec-changes.md", "make generate")
    document = yaml.safe_load(released.spec.read_text())
    text = {"type": "string"}
    user = {"type": "object", "properties": {"username": text}}
    document["paths"]["/v1/users/{username}"] = {
        "put": {
            "operationId": "updateUser",
            "security": [{"token": []}],
            "parameters": [{"name": "username", "in": "path", "required": True, "schema": text}],
            "requestBody": {"content": {"application/json": {"schema": user}}},
            "responses": {"204": {"description": "Renamed."}},
        }
    }
    released.spec.write_text(yaml.safe_dump(document))
    same(refused, generated(released, released.spec))


@needs_redocly
def test_the_linter(repository: Repository) -> None:
    refused, passed = quoted("docs/maintaining/spec-changes.md", "make lint-spec")
    shutil.copy(ROOT / SPEC, repository.spec)
    repository.commit()
    apply_the_edit(repository)
    assert passed.printed == "openapi/smarterproctoring.yaml: no mistakes"
    assert spec_lint.lint([repository.spec]) == {repository.spec: []}
    repository.edit(SPEC, "          description: Room of an ad-hoc proctor.\n", "")
    (mistakes,) = spec_lint.lint([repository.spec]).values()
    same(refused, "\n".join(re.sub("^.*/openapi/", "openapi/", mistake) for mistake in mistakes))


def test_every_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    lines = re.findall(r"(?:\$ |`)make ([a-z -]+)", DOCUMENT)
    named = {target for line in lines for target in line.split()}
    assert named >= {"lint-spec", "diff-spec", "generate", "diff-api", "check-package", "changelog"}
    assert not [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)]
