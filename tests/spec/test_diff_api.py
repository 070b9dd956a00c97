"""What callers can name in Python: what goes, moves or comes is found, in both packages, and judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import api_diff
import pytest
from redocly import ToolError
from spec.conftest import ROOT, Repository

pytestmark = pytest.mark.tooling

OVERRIDES = "overrides/smarterproctoring/"
GENERATED = "generated/smarterproctoring_generated/"
ENDPOINT = f"{GENERATED}api/exam_sessions/reschedule_exam_session.py"
REMOVED = "Public object was removed"
OPERATIONS = "smarterproctoring_generated.operations"

NOTHING = set[tuple[str, str, str]]()

# file, old text, new text -> the changes that have to be among those found
EDITS = {
    "a name of the package gone": (
        f"{OVERRIDES}__init__.py", "from smarterproctoring.settings import Timeouts as Timeouts\n", "",
        {("major", "smarterproctoring.Timeouts", REMOVED)},
    ),
    "a keyword of the client renamed": (
        f"{OVERRIDES}settings.py", "retry_ambiguous", "repeat_ambiguous",
        {("major", "smarterproctoring.CallOptions.retry_ambiguous", REMOVED),
         ("minor", "smarterproctoring.CallOptions.repeat_ambiguous", "added")},
    ),
    "a parameter renamed": (
        f"{GENERATED}facade.py", "        install_sid: str", "        install: str",
        {("major", "smarterproctoring.SmarterProctoring.reschedule(install_sid)", "Parameter was removed"),
         ("major", "smarterproctoring.AsyncSmarterProctoring.reschedule(install_sid)", "Parameter was removed")},
    ),
    "a parameter moved": (
        f"{GENERATED}facade.py",
        "        install_sid: str,\n        exam_sid: str,", "        exam_sid: str,\n        install_sid: str,",
        {("major", "smarterproctoring.SmarterProctoring.reschedule(install_sid)",
          "Positional parameter was moved (position: from 1 to 2 (+1))")},
    ),
    "an inherited method renamed": (
        f"{OVERRIDES}client.py", "def with_options", "def having_options",
        {("major", "smarterproctoring.AsyncSmarterProctoring.with_options", REMOVED)},
    ),
    "an attribute of all errors renamed: said once": (
        f"{OVERRIDES}errors.py", "    replays", "    repeats",
        {("major", "smarterproctoring.SmarterProctoringError.replays", REMOVED)},
    ),
    "a new method": (
        f"{OVERRIDES}client.py",
        "    def with_options(",
        "    def news(self) -> None:\n        return\n\n    def with_options(",
        {("minor", "smarterproctoring.AsyncSmarterProctoring.news", "added")},
    ),
    "a field of a model gone": (
        f"{GENERATED}models/error.py", "more_info", "more",
        {("major", "smarterproctoring_generated.models.error.Error.more_info", REMOVED)},
    ),
    "a field of the request gone": (
        f"{GENERATED}operations.py", "    notes: str", "    remarks: str",
        {("major", f"{OPERATIONS}.RescheduleExamSessionFields.notes", REMOVED),
         ("minor", f"{OPERATIONS}.RescheduleExamSessionFields.remarks", "added")},
    ),
    "a path parameter renamed": (
        ENDPOINT, "session_sid: str,", "sitting_sid: str,",
        {("major", "smarterproctoring_generated.api.exam_sessions.reschedule_exam_session.sync(session_sid)",
          "Parameter was removed")},
    ),
    "an inner module may change": (f"{OVERRIDES}prepare.py", "def from_keywords", "def from_words", NOTHING),
    "a private name may change": (f"{OVERRIDES}client.py", "_prepare", "_make_ready", NOTHING),
    "a value follows the spec": (f"{GENERATED}operations.py", '"Free text', '"Any text', NOTHING),
}  # fmt: skip


@pytest.fixture
def released(repository: Repository) -> Repository:
    repository.write("1.0.0")
    repository.copy_packages()
    repository.commit("v1.0.0")
    return repository


@pytest.fixture
def packages(tmp_path: Path, _checkout: None) -> Repository:
    """The packages as they are here, in no repository."""
    repository = Repository(tmp_path, git=False)
    repository.copy_packages()
    return repository


@pytest.fixture(scope="module")
def _checkout() -> Iterator[None]:
    """Read this checkout's packages once, for all tests that compare with them."""
    load, ours = api_diff.load, api_diff.load(ROOT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api_diff, "load", lambda root: ours if root == ROOT else load(root))
        yield


@pytest.mark.parametrize("name", EDITS)
def test_found(name: str, packages: Repository) -> None:
    file, old, new, expected = EDITS[name]
    packages.edit(file, old, new)
    found = {(change.bump, change.place, change.what) for change in api_diff.compare(ROOT, packages.root)}
    assert expected <= found if expected else not found
    assert len(found) <= 24  # what is inherited is not said again for every class


def test_the_module_of_a_tag_that_was_renamed_is_gone(packages: Repository) -> None:
    api = packages.root / GENERATED / "api"
    (api / "exam_sessions").rename(api / "sessions")
    found = {(change.bump, change.place) for change in api_diff.compare(ROOT, packages.root)}
    assert ("major", "smarterproctoring_generated.api.exam_sessions") in found
    assert ("minor", "smarterproctoring_generated.api.sessions") in found
    assert not any(place.startswith("smarterproctoring_generated.api.sessions.") for _, place in found)


@pytest.mark.parametrize(
    ("edit", "version", "code"),
    [
        ("a name of the package gone", "1.9.0", 1), ("a name of the package gone", "2.0.0", 0),
        ("a new method", "1.0.1", 1), ("an inner module may change", "1.0.0", 0),
    ],
)  # fmt: skip
def test_exit_code(edit: str, version: str, code: int, released: Repository) -> None:
    file, old, new, expected = EDITS[edit]
    released.edit(file, old, new)
    released.write(version)
    done = released.run("api_diff")
    assert done.returncode == code, done
    for bump, place, what in expected:
        assert f"  {bump}  {place}: {what}\n" in done.stdout
    assert ("error: info.version is" in done.stderr) == bool(code)
    report = json.loads(released.run("api_diff", "--json").stdout)
    assert (report["base"], report["enough"]) == ("v1.0.0", not code)


def test_before_the_first_release_it_says_so_and_passes(repository: Repository) -> None:
    repository.write("1.0.0")
    repository.commit()
    done = repository.run_command("api_diff")
    assert done.returncode == 0
    assert done.stdout.startswith("no earlier release")


def test_a_package_that_cannot_be_read_is_an_error(released: Repository) -> None:
    released.edit(f"{OVERRIDES}errors.py", "class RateLimitError(", "class Renamed(")
    done = released.run("api_diff")
    assert done.returncode == 2
    assert "RateLimitError" in done.stderr
    with pytest.raises(ToolError, match="cannot read"):
        api_diff.load(Path("/nowhere"))
