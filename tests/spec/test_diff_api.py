"""What callers can name in Python: what goes, moves or comes is found, in every shipped package, and judged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import api_diff
import pytest
from baseline import Change
from packages import ALL, ITSELF, LIST, PACKAGES, Package
from redocly import ToolError
from spec.conftest import ROOT, Repository

pytestmark = pytest.mark.tooling

OVERRIDES = "overrides/smarterproctoring/"
GENERATED = "generated/smarterproctoring_generated/"
TRANSPORT = "transport/smarterproctoring_transport/"
MOCK = "mock/smarterproctoring_mock/"
BULK = "bulk/smarterproctoring_bulk/"
ENDPOINT = f"{GENERATED}api/exam_sessions/reschedule_exam_session.py"
REMOVED = "Public object was removed"
NOT_PUBLIC = "is not public any more"
OPERATIONS = "smarterproctoring_generated.operations"

NOTHING = set[tuple[str, str, str]]()
MOVED = "a parameter moved"

# file, old text, new text -> the changes that have to be among those found
EDITS = {
    "a name of the package gone": (
        f"{OVERRIDES}__init__.py", "from smarterproctoring.settings import Timeouts as Timeouts\n", "",
        {("major", "smarterproctoring.Timeouts", REMOVED)},
    ),
    "a keyword of the client renamed": (
        f"{OVERRIDES}options.py", "retry_ambiguous", "repeat_ambiguous",
        {("major", "smarterproctoring.CallOptions.retry_ambiguous", REMOVED),
         ("minor", "smarterproctoring.CallOptions.repeat_ambiguous", "added")},
    ),
    "a parameter renamed": (
        f"{GENERATED}facade.py",
        "def reschedule(\n        self,\n        install_sid: str",
        "def reschedule(\n        self,\n        install: str",
        {("major", "smarterproctoring.SmarterProctoring.reschedule(install_sid)", "Parameter was removed"),
         ("major", "smarterproctoring.AsyncSmarterProctoring.reschedule(install_sid)", "Parameter was removed")},
    ),
    MOVED: (
        f"{GENERATED}facade.py",
        "def reschedule(\n        self,\n        install_sid: str,\n        exam_sid: str,",
        "def reschedule(\n        self,\n        exam_sid: str,\n        install_sid: str,",
        {("major", "smarterproctoring.SmarterProctoring.reschedule(install_sid)",
          "Positional parameter was moved (position: from 1 to 2 (+1))")},
    ),
    "a new method": (
        f"{OVERRIDES}methods.py",
        "    def with_options(",
        "    def news(self) -> None:\n        return\n\n    def with_options(",
        {("minor", "smarterproctoring.AsyncInstallClient.news", "added")},
    ),
    "an inherited method renamed": (
        f"{OVERRIDES}methods.py", "def with_options", "def having_options",
        {("major", "smarterproctoring.AsyncInstallClient.with_options", REMOVED)},
    ),
    "an attribute of all errors renamed: said once": (
        f"{OVERRIDES}errors.py", "    replays", "    repeats",
        {("major", "smarterproctoring.SmarterProctoringError.replays", REMOVED)},
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
    "an option that the transport takes gone": (
        f"{TRANSPORT}shared.py", "    proxy: str | Proxy | None\n", "",
        {("major", "smarterproctoring.Settings.proxy", REMOVED)},
    ),
    "a name of the mock server gone": (
        f"{MOCK}__init__.py", '    "parse_fault",\n', "",
        {("major", "smarterproctoring_mock.parse_fault", NOT_PUBLIC)},
    ),
    "a method of the mock server renamed": (
        f"{MOCK}control.py", "def assert_called(", "def assert_seen(",
        {("major", "smarterproctoring_mock.MockApp.assert_called", REMOVED),
         ("minor", "smarterproctoring_mock.MockApp.assert_seen", "added")},
    ),
    "a function for tests renamed": (
        f"{MOCK}testing.py", "def fault_params(", "def fault_parameters(",
        {("major", "smarterproctoring_mock.testing.fault_params", REMOVED),
         ("minor", "smarterproctoring_mock.testing.fault_parameters", "added")},
    ),
    "a fixture renamed": (
        f"{MOCK}pytest_plugin.py", "def smarterproctoring_server(", "def smarterproctoring_network(",
        {("major", "smarterproctoring_mock.pytest_plugin.smarterproctoring_server", REMOVED),
         ("minor", "smarterproctoring_mock.pytest_plugin.smarterproctoring_network", "added")},
    ),
    "a function of bulk renamed": (
        f"{BULK}plan.py", "def plan(", "def planned(",
        {("major", "smarterproctoring_bulk.plan.plan", REMOVED),
         ("minor", "smarterproctoring_bulk.plan.planned", "added")},
    ),
    "an option of bulk's lists gone": (
        f"{BULK}rows.py", "    allow_past: bool = False\n", "",
        {("major", "smarterproctoring_bulk.rows.InputOptions.allow_past", REMOVED)},
    ),
    "an inner module of the transport may change": (f"{TRANSPORT}unpack.py", "class Unpacker", "class Reader", NOTHING),
    "an inner module of the mock server may change": (f"{MOCK}strict_json.py", "class ", "class New", NOTHING),
    "an inner module of bulk may change": (f"{BULK}pacing.py", "class ", "class New", NOTHING),
    "an inner module may change": (f"{OVERRIDES}budget.py", "def give", "def give_back", NOTHING),
    "a private name may change": (f"{OVERRIDES}methods.py", "_prepare", "_make_ready", NOTHING),
    "a value follows the spec": (f"{GENERATED}operations.py", '"Free text', '"Any text', NOTHING),
}  # fmt: skip


@pytest.fixture
def released(repository: Repository) -> Repository:
    repository.write("1.0.0")
    repository.copy_packages()
    repository.commit("v1.0.0")
    return repository


@pytest.fixture
def released_part(repository: Repository) -> Repository:
    """A release of the mock server and of bulk alone, for what is the same for every package."""
    repository.write("1.0.0")
    repository.copy_packages(["mock", "bulk"])
    repository.commit("v1.0.0")
    return repository


@pytest.fixture
def packages(tmp_path: Path) -> Repository:
    """The packages as they are here, in no repository."""
    repository = Repository(tmp_path, git=False)
    repository.copy_packages()
    return repository


def beside(file: str) -> list[Package]:
    """Return the packages that a change of a file may concern: those of the client for one of its files."""
    alone = [
        package for package in PACKAGES if file.startswith(f"{package.folder}/") and file.startswith(("mock/", "bulk/"))
    ]
    return alone or [package for package in PACKAGES if package.folder in {"generated", "overrides", "transport"}]


def changes_by(names: Iterable[str], packages: Repository) -> set[tuple[str, str, str]]:
    """Return what several edits together change; to read the packages takes long, so they are read once."""
    for name in names:
        file, old, new, _ = EDITS[name]
        packages.edit(file, old, new)
    return {(change.bump, change.place, change.what) for change in api_diff.compare(ROOT, packages.root)}


def test_found(packages: Repository) -> None:
    names = [name for name, edit in EDITS.items() if edit[-1] and name != MOVED]
    found = changes_by(names, packages)
    for name in names:
        assert EDITS[name][-1] <= found, name
    assert len(found) <= 60, "what is inherited is said again for every class"


def test_a_parameter_that_moved_is_found(packages: Repository) -> None:
    found = changes_by([MOVED], packages)
    assert EDITS[MOVED][-1] <= found
    assert {place.rpartition(".")[2] for _, place, _ in found} <= {"reschedule(install_sid)", "reschedule(exam_sid)"}


def test_what_is_not_public_may_change(packages: Repository) -> None:
    assert changes_by((name for name, edit in EDITS.items() if not edit[-1]), packages) == set()


def test_the_module_of_a_tag_that_was_renamed_is_gone(packages: Repository) -> None:
    api = packages.root / GENERATED / "api"
    (api / "exam_sessions").rename(api / "sessions")
    shipped = beside(GENERATED)
    found = {(change.bump, change.place) for change in api_diff.compare(ROOT, packages.root, shipped, shipped)}
    assert ("major", "smarterproctoring_generated.api.exam_sessions") in found
    assert ("minor", "smarterproctoring_generated.api.sessions") in found
    assert not any(place.startswith("smarterproctoring_generated.api.sessions.") for _, place in found)


def test_a_public_module_that_is_gone_is_found(packages: Repository) -> None:
    modules = [(package, module) for package in PACKAGES for module in package.public if module not in {ITSELF, ALL}]
    for package, module in modules:
        (packages.root / package.folder / package.name / f"{module}.py").unlink()
    found = {(change.bump, change.place) for change in api_diff.compare(ROOT, packages.root)}
    assert {("major", f"{package.name}.{module}") for package, module in modules} <= found


@pytest.mark.parametrize(
    ("public", "expected"),
    [
        (("rows", ITSELF), {("major", "smarterproctoring_bulk.plan", NOT_PUBLIC)}),
        ((), {("major", "smarterproctoring_bulk", "is not shipped any more, or has no public module")}),
        (("plan", "rows", "report", ITSELF), {("minor", "smarterproctoring_bulk.report", "added")}),
    ],
)
def test_a_change_of_the_list_is_a_change_of_the_api(
    public: tuple[str, ...], expected: set[tuple[str, str, str]], packages: Repository
) -> None:
    before = beside(BULK)
    now = [replace(package, public=public) for package in before]
    found = {(change.bump, change.place, change.what) for change in api_diff.compare(ROOT, packages.root, before, now)}
    assert found == expected


def test_each_side_is_read_by_its_own_list(released_part: Repository) -> None:
    released_part.edit(LIST, 'public = [".", "plan", "rows"]', 'public = ["rows"]')
    done = released_part.run("api_diff")
    assert done.returncode == 1
    assert f"  major  smarterproctoring_bulk.plan: {NOT_PUBLIC}\n" in done.stdout
    released_part.commit("v1.0.1")
    released_part.edit(f"{BULK}plan.py", "def plan(", "def planned(")
    assert released_part.run("api_diff", "--base", "v1.0.1").stdout.startswith("Python API since v1.0.1: no changes\n")


def test_a_release_without_a_list_is_read_by_todays(released_part: Repository) -> None:
    (released_part.root / LIST).unlink()
    shutil.rmtree(released_part.root / "mock")
    released_part.commit("v1.0.1")
    released_part.git("checkout", "--quiet", "v1.0.0", "--", ".")
    released_part.edit(f"{BULK}plan.py", "def plan(", "def planned(")
    found = released_part.run("api_diff", "--base", "v1.0.1").stdout
    assert "  major  smarterproctoring_bulk.plan.plan: Public object was removed\n" in found
    assert "  minor  smarterproctoring_mock: added\n" in found


def test_what_is_found_decides_the_exit_code(released_part: Repository) -> None:
    file, old, new, expected = EDITS["a function of bulk renamed"]
    released_part.edit(file, old, new)
    released_part.write("1.9.0")
    done = released_part.run("api_diff")
    assert done.returncode == 1, done
    for bump, place, what in expected:
        assert f"  {bump}  {place}: {what}\n" in done.stdout
    assert "error: the version in pyproject.toml is" in done.stderr


@pytest.mark.parametrize(
    ("edit", "version", "code"),
    [
        ("a name of the package gone", "1.9.0", 1), ("a name of the package gone", "2.0.0", 0),
        ("a new method", "1.0.1", 1),
    ],
)  # fmt: skip
def test_exit_code(
    edit: str, version: str, code: int, released_part: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each edit is found to change, `test_found` shows; here it is given, since to find it takes seconds."""
    changes = [Change(*each) for each in EDITS[edit][3]]
    monkeypatch.setattr(api_diff, "compare", lambda *_: changes)
    released_part.write(version)
    done = released_part.run("api_diff")
    assert done.returncode == code, done
    for change in changes:
        assert f"  {change.bump}  {change.place}: {change.what}\n" in done.stdout
    assert ("error: the version in pyproject.toml is" in done.stderr) == bool(code)
    report = json.loads(released_part.run("api_diff", "--json").stdout)
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


@pytest.mark.parametrize(
    ("spec", "package", "code"),
    [("1.0.0", "1.0.0", 0), ("1.0.1", "1.0.1", 0), ("1.1.0", "1.0.1", 1), ("1.1.0", "1.1.0", 0), ("2.0.0", "1.9.0", 1)],
)
def test_the_version_goes_up_as_far_as_the_specs(
    spec: str, package: str, code: int, released_part: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A default or an enum may have changed, which no name shows; the spec's own version says how far it goes."""
    monkeypatch.setattr(api_diff, "compare", lambda *_: [])
    released_part.write(spec)
    released_part.release_as(package)
    done = released_part.run("api_diff", "--base", "v1.0.0")
    assert done.returncode == code, done
    assert ("info.version of the spec: 1.0.0 is now" in done.stdout) == (spec != "1.0.0")


def test_a_mended_bug_raises_the_version_alone(released_part: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_diff, "compare", lambda *_: [])
    released_part.release_as("1.0.1")
    assert released_part.run("api_diff", "--base", "v1.0.0").returncode == 0
