"""docs/how-to/testing.md, run as its reader would run it, and the plugin as pytest loads it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

DOC = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "testing.md"
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SMARTERPROCTORING"))
}
pytestmark = pytest.mark.slow


def files() -> dict[str, str]:
    """The code blocks of the document that say in their first line which file they are."""
    blocks = re.findall(r"^```python\n(# (\S+\.py)\n.*?)^```$", DOC.read_text(), re.MULTILINE | re.DOTALL)
    return {name: text for text, name in blocks}


def run(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, **variables}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A downstream project that holds the document's files and nothing else."""
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return tmp_path


def test_the_document_shows_these_files() -> None:
    assert set(files()) == {"moving.py", "test_moving.py", "test_moving_unittest.py"}


def test_the_test_file_of_the_document_passes(project: Path) -> None:
    # The plugins of a plain environment: this one's entry point, found by pytest itself.
    ran = run(project, "pytest", "-q", "-rs", "test_moving.py", "-p", "no:schemathesis", "-p", "no:anyio")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^37 passed in", ran.stdout, re.MULTILINE), ran.stdout


def test_the_unittest_file_of_the_document_passes(project: Path) -> None:
    ran = run(project, "unittest", "-v", "test_moving_unittest", PYTHONWARNINGS="error")
    assert ran.returncode == 0, ran.stderr
    assert "Ran 3 tests" in ran.stderr


SENT = "appointment_start_date_time=start)\n    except"


@pytest.mark.parametrize(
    ("right", "wrong", "caught_by"),
    [
        ('"unsure" if error.maybe_applied else "unchanged"', '"unchanged"', "test_no_failure_is_misread"),
        (SENT, "notes='moved')\n    except", "test_an_exam_is_moved"),
        (SENT, "type='examity', " + SENT, "test_other_fields_stay"),
        ('return "moved"', 'return client.reschedule(*sids, notes="again") and "moved"', "test_an_exam_is_moved"),
    ],
    ids=["misread", "another field", "a field too many", "sent twice"],
)
def test_the_test_file_of_the_document_can_fail(project: Path, right: str, wrong: str, caught_by: str) -> None:
    service = project / "moving.py"
    text = service.read_text()
    assert right in text
    service.write_text(text.replace(right, wrong))
    ran = run(project, "pytest", "-q", "test_moving.py", "-k", caught_by, "-p", "no:schemathesis", "-p", "no:anyio")
    assert ran.returncode == 1
    assert re.search(rf"^FAILED .*{caught_by}", ran.stdout, re.MULTILINE), ran.stdout


# --- the plugin ------------------------------------------------------------------------------------------

ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
PLUGIN = ("-p", "smarterproctoring_mock.pytest_plugin")


def test_pytest_finds_the_plugin() -> None:
    (plugin,) = [point for point in entry_points(group="pytest11") if point.name == "smarterproctoring"]
    assert plugin.value == PLUGIN[1]


def test_a_run_that_does_not_use_the_plugin_imports_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "test_unrelated.py").write_text("def test():\n    import sys\n    print(*sorted(sys.modules))\n")
    modules: list[set[str]] = []
    for arguments in ((), PLUGIN):
        ran = run(tmp_path, "pytest", "-q", "-s", "test_unrelated.py", *arguments, **ALONE)
        assert ran.returncode == 0, ran.stdout
        modules.append(set(ran.stdout.partition("\n")[0].split()))
    assert modules[1] - modules[0] == {"smarterproctoring_mock", "smarterproctoring_mock.pytest_plugin"}


def test_the_mock_imports_neither_the_client_nor_the_generated_code(tmp_path: Path) -> None:
    (tmp_path / "test_modules.py").write_text(
        "import sys\n"
        "def test(smarterproctoring_mock, smarterproctoring_server):\n"
        "    assert not {'smarterproctoring', 'smarterproctoring_generated'} & set(sys.modules)\n"
    )
    ran = run(tmp_path, "pytest", "-q", "test_modules.py", *PLUGIN, **ALONE)
    assert ran.returncode == 0, ran.stdout


def test_without_the_extra_a_fixture_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "test_fixture.py").write_text("def test(smarterproctoring_mock):\n    pass\n")
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['jsonschema_rs'] = None\n")
    ran = run(tmp_path, "pytest", "-q", "test_fixture.py", *PLUGIN, **ALONE)
    assert ran.returncode == 1
    assert (
        "jsonschema_rs is missing; install the mock's needs with: "
        "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[testing]'" in ran.stdout
    )
    assert "Traceback" not in ran.stdout


def test_every_public_name_of_the_mock_can_be_imported() -> None:
    import smarterproctoring_mock

    for name in smarterproctoring_mock.__all__:
        assert getattr(smarterproctoring_mock, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = smarterproctoring_mock.nothing
