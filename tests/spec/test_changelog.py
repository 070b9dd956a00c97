"""The draft of a CHANGELOG entry: from both diffs, put in its place, and never over what people wrote."""

from __future__ import annotations

import changelog
import pytest
from spec.changes import CHANGES
from spec.conftest import Repository, needs_redocly

pytestmark = pytest.mark.tooling

OLD = "# Changelog\n\nWords.\n\n## [1.0.0] - 2030-01-01\n\n- First.\n"
FIELD = "    notes: str | None\n"


@pytest.fixture
def released(repository: Repository) -> Repository:
    repository.write("1.0.0")
    repository.copy_packages()
    (repository.root / "CHANGELOG.md").write_text(OLD)
    repository.commit("v1.0.0")
    return repository


@needs_redocly
def test_a_field_is_added(released: Repository) -> None:
    released.write("1.1.0", next(change.edits for change in CHANGES if change.name == "optional field added"))
    released.edit("generated/smarterproctoring_generated/operations.py", FIELD, f"    room: str | None\n{FIELD}")
    done = released.run("changelog")
    assert done.returncode == 0, done
    written = (released.root / "CHANGELOG.md").read_text()
    before, after = written.split("## [1.1.0] - unreleased\n")
    assert before == "# Changelog\n\nWords.\n\n"
    assert after.endswith(OLD[OLD.index("\n## [1.0.0]") :])
    assert (
        "- New: PUT /v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid} requestBody room: added.\n" in after
    )
    assert (
        "- New in Python: `smarterproctoring_generated.operations.RescheduleExamSessionFields.room`: added.\n" in after
    )
    # Put into words by a person, it stays as it is.
    words = written.replace("Draft from", "My words instead of a draft from")
    (released.root / "CHANGELOG.md").write_text(words)
    again = released.run("changelog")
    assert again.returncode == 0
    assert "was NOT written" in again.stdout
    assert "requestBody room: added" in again.stdout
    assert (released.root / "CHANGELOG.md").read_text() == words


@needs_redocly
def test_a_version_that_is_too_low_is_said(released: Repository) -> None:
    released.write("1.0.1", next(change.edits for change in CHANGES if change.name == "field removed"))
    done = released.run("changelog")
    assert done.returncode == 1
    assert "2.0.0 or higher after 1.0.0" in done.stderr
    assert "- Breaks: " in (released.root / "CHANGELOG.md").read_text()


def test_before_the_first_release_nothing_is_written(repository: Repository) -> None:
    repository.write("1.0.0")
    (repository.root / "CHANGELOG.md").write_text(OLD)
    repository.commit()
    assert "Write the entry of the first version yourself" in repository.run_command("changelog").stdout
    assert (repository.root / "CHANGELOG.md").read_text() == OLD


@pytest.mark.parametrize(
    ("version", "heading"), [("1.1.0", "[1.1.0]"), ("1.1.0", "[1.1.0] - unreleased"), ("1.1.0", "[1.1.0] - 2030-01-01")]
)
def test_a_section_is_known_by_its_version(version: str, heading: str) -> None:
    assert changelog.insert(f"# Changelog\n\n## {heading}\n", "new\n", version) is None


@pytest.mark.parametrize("heading", ["[1.1.01]", "[11.1.0]", "[1.1.0.1]", "[1.1]", "[1.1.0-rc1]", "[Unreleased]"])
def test_another_version_is_another(heading: str) -> None:
    assert changelog.insert(f"# C\n\n## {heading}\n", "new\n", "1.1.0") == f"# C\n\nnew\n\n## {heading}\n"
