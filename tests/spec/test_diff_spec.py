"""Each change of the spec demands the bump that semantic versioning says, by the real tool in a real repository."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import baseline
import pytest
import spec_diff
import yaml
from once import once
from packages import DISTRIBUTIONS, LIST, shipped_paths
from spec.changes import CHANGES, NOTES, SPEC, Change, apply
from spec.conftest import ROOT, Repository, needs_redocly
from spec.together import can_share, compared

pytestmark = pytest.mark.tooling

FIELD_ADDED = next(change for change in CHANGES if change.name == "optional field added")
FIELD_REMOVED = next(change for change in CHANGES if change.name == "field removed")


def texts(change: Change) -> tuple[str, str]:
    """Return the released spec, and the one with a change."""
    released = apply(SPEC.read_text(), change.base)
    return released, apply(released, change.edits)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Of each change that a document can hold beside others, what redocly reports of it: it is started once."""

    def compare(folder: Path) -> None:
        (folder / "reported.json").write_text(json.dumps(all_reported()))

    found: dict[str, list[dict[str, Any]]] = json.loads(
        (once(tmp_path_factory, "reported", compare) / "reported.json").read_text()
    )
    return found


def all_reported() -> dict[str, list[dict[str, Any]]]:
    """Compare all those changes at once."""
    read = cache(partial(yaml.load, Loader=yaml.CSafeLoader))
    documents = {change.name: [read(text) for text in texts(change)] for change in CHANGES}
    pairs = {name: (base, revision) for name, (base, revision) in documents.items() if can_share(base, revision)}
    return dict(zip(pairs, compared(list(pairs.values())), strict=True))


@needs_redocly
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_demands(change: Change, reported: dict[str, list[dict[str, Any]]]) -> None:
    base, revision = texts(change)
    if change.name in reported:
        changes = [spec_diff.describe(found) for found in reported[change.name]]
        report = baseline.judge(changes, "v1.0.0", "1.0.0", "1.0.0", "info.version")
    else:
        report = spec_diff.compare(base, "v1.0.0", revision)
    assert report.bump == change.bump, "\n".join(map(str, report.changes))
    assert report.enough == (change.bump == "none")
    least = {"none": "1.0.0", "patch": "1.0.1", "minor": "1.1.0", "major": "2.0.0"}[change.bump]
    assert report.enough or f": {least} or higher" in report.verdict


@needs_redocly
def test_a_change_beside_others_is_reported_as_if_it_were_alone(reported: dict[str, list[dict[str, Any]]]) -> None:
    for change in (FIELD_ADDED, FIELD_REMOVED):
        base, revision = texts(change)
        alone = spec_diff.compare(base, "v1.0.0", revision).changes
        assert sorted(map(spec_diff.describe, reported[change.name])) == sorted(alone)


def test_the_release_itself_is_not_compared(repository: Repository) -> None:
    repository.write("1.0.0")
    repository.commit("v1.0.0")
    assert spec_diff.since_release(repository.root, repository.spec, None) is None


@pytest.mark.parametrize(
    ("version", "enough"),
    [("1.0.0", False), ("1.0.1", False), ("0.9.0", False), ("1.1.0", True), ("1.2.0", True), ("2.0.0", True)],
)
def test_a_version_is_enough_from_the_demanded_one_on(version: str, enough: bool) -> None:
    change = baseline.Change("minor", "here", "added")
    report = baseline.judge([change], "v1.0.0", "1.0.0", version, "info.version")
    assert report.enough == enough
    assert ("need a minor bump: 1.1.0 or higher after 1.0.0" in report.verdict) != enough


def test_the_table_is_wide_enough() -> None:
    assert len({change.name for change in CHANGES}) == len(CHANGES) >= 25
    assert {change.bump for change in CHANGES} == set(baseline.BUMPS)


@needs_redocly
def test_a_version_that_is_too_low_is_refused_with_the_reason(repository: Repository) -> None:
    repository.write("1.0.0")
    repository.commit("v1.0.0")
    for version, code in (("1.0.1", 1), ("1.1.0", 0)):
        repository.write(version, FIELD_ADDED.edits)
        done = repository.run("spec_diff")
        assert done.returncode == code, (version, done)
        assert "  minor  PUT /v1/installs/" in done.stdout
        assert "requestBody room: added" in done.stdout
        assert ("need a minor bump: 1.1.0 or higher after 1.0.0" in done.stderr) == bool(code)


@needs_redocly
def test_why_it_demands_more_than_the_wire(repository: Repository) -> None:
    repository.write("1.0.0")
    repository.commit("v1.0.0")
    repository.write("2.0.0", FIELD_REMOVED.edits)
    done = repository.run("spec_diff")
    assert done.returncode == 0
    assert "notes: removed (a field or model is gone; code that names it fails)" in done.stdout


@needs_redocly
def test_the_base_is_the_last_release_that_differs(repository: Repository) -> None:
    repository.write("1.0.0")
    repository.commit("v1.0.0")
    repository.write("1.1.0", FIELD_ADDED.edits)
    repository.commit("v1.1.0")
    repository.git("tag", "v9.9.9-rc.1")  # no release
    repository.git("tag", "vacuum")
    # On its own tag, a release is compared with the one before.
    assert baseline.last_release(repository.root) == "v1.0.0"
    repository.write("1.1.1", FIELD_ADDED.edits)
    assert baseline.last_release(repository.root) == "v1.1.0"
    report = json.loads(repository.run("spec_diff", "--json").stdout)
    assert (report["base"], report["bump"], report["enough"], report["changes"]) == ("v1.1.0", "none", True, [])
    # A release of another branch is not below this one.
    repository.commit()
    repository.git("checkout", "--quiet", "-b", "other")
    repository.write("3.0.0")
    repository.commit("v3.0.0")
    repository.git("checkout", "--quiet", "main")
    assert baseline.last_release(repository.root) == "v1.1.0"


def test_a_new_file_that_git_does_not_know_makes_a_difference(repository: Repository) -> None:
    repository.write("1.0.0")
    repository.commit("v1.0.0")
    assert baseline.last_release(repository.root) is None
    (repository.root / "overrides").mkdir()
    (repository.root / "overrides" / "new.py").touch()
    assert baseline.last_release(repository.root) == "v1.0.0"


@pytest.mark.parametrize("path", shipped_paths(DISTRIBUTIONS))
def test_a_change_in_anything_that_is_shipped_makes_a_difference(path: str, repository: Repository) -> None:
    repository.write("1.0.0")
    changed = repository.root / path
    if not changed.suffix:  # a folder
        changed /= "module.py"
    changed.parent.mkdir(parents=True, exist_ok=True)
    content = (ROOT / LIST).read_text() if path == LIST else "one = 1\n"
    changed.write_text(content)
    repository.commit("v1.0.0")
    assert baseline.last_release(repository.root) is None
    with changed.open("a") as file:
        file.write("# more\n")
    assert baseline.last_release(repository.root) == "v1.0.0"


def test_versions_are_ordered_as_numbers(repository: Repository) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        repository.write(version)
        repository.commit(f"v{version}")
    repository.write("1.11.0")
    assert baseline.last_release(repository.root) == "v1.10.0"


def test_before_the_first_release_it_says_so_and_passes(repository: Repository) -> None:
    repository.write("1.0.0")
    repository.commit()
    done = repository.run("spec_diff")
    assert (done.returncode, done.stdout) == (
        0,
        "no earlier release (no tag vX.Y.Z below HEAD that differs): nothing to compare with\n",
    )
    assert json.loads(repository.run("spec_diff", "--json").stdout)["base"] is None


def test_outside_git_it_says_so_and_passes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, spec_diff.__file__, "--root", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "is not a git checkout" in done.stdout


def test_a_shallow_clone_without_tags_is_refused(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    repository.write("1.0.0")
    repository.commit("v1.0.0")
    repository.write("1.1.0", FIELD_ADDED.edits)
    repository.commit()
    clone = tmp_path_factory.mktemp("clones") / "shallow"
    repository.git("clone", "--quiet", "--depth", "1", "--no-tags", repository.root.as_uri(), str(clone))
    done = subprocess.run(
        [sys.executable, spec_diff.__file__, "--root", clone], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "git fetch --unshallow --tags" in done.stderr


@needs_redocly
def test_against_a_file(repository: Repository, tmp_path: Path) -> None:
    old = tmp_path / "old.yaml"
    old.write_text(SPEC.read_text())
    repository.write("1.1.0", FIELD_ADDED.edits)
    assert repository.run("spec_diff", "--base", str(old)).returncode == 0


@needs_redocly
@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda text: text.replace("  version: 1.0.0", "  version: one"), "MAJOR.MINOR.PATCH"),
        (lambda text: text.replace("openapi: 3.0.3", "openapi: [3.0.3"), "redocly diff ended with"),
        (lambda text: text.replace(NOTES, "        notes:\n          $ref: '#/nothing'\n"), "redocly diff ended with"),
    ],
    ids=["version", "not YAML", "$ref"],
)
def test_what_cannot_be_judged_is_an_error(repository: Repository, spoil: Callable[[str], str], word: str) -> None:
    repository.write("1.0.0")
    repository.commit("v1.0.0")
    repository.spec.write_text(spoil(repository.spec.read_text()))
    done = repository.run("spec_diff")
    assert done.returncode == 2, done
    assert word in done.stderr


def test_an_unknown_base_is_an_error(repository: Repository) -> None:
    repository.write("1.0.0")
    repository.commit()
    done = repository.run("spec_diff", "--base", "v7.7.7")
    assert done.returncode == 2
    assert "v7.7.7" in done.stderr


def test_places_are_written_as_people_say_them() -> None:
    pointer = "#/paths/~1v1~1a~1{b}/put/requestBody/content/application~1json/schema/properties/notes"
    assert spec_diff.place(pointer) == "PUT /v1/a/{b} requestBody notes"
    assert spec_diff.place("#/components/schemas/Error") == "schemas Error"
    assert spec_diff.place("#/servers/0") == "servers 0"


def test_a_list_says_what_went_and_what_came() -> None:
    change: dict[str, Any] = {
        "kind": "modified",
        "typeName": "Schema",
        "property": "enum",
        "impact": "major",
        "path": "#/components/schemas/A",
        "base": {"value": ["a", "b"]},
        "revision": {"value": ["b", "c"]},
    }
    assert str(spec_diff.describe(change)) == 'schemas A: enum: "c" added, "a" removed'
