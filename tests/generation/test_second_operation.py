"""Operations added to a scratch copy of the spec get every rule of the client with no hand-written line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CASES = Path(__file__).with_name("second_operation_cases.py")
Scratch = tuple[Path, dict[str, Any]]
pytestmark = pytest.mark.tooling  # the generator and its template; the client's rules have tests on the wire


@pytest.fixture(scope="session")
def environment(second_operation: Scratch) -> dict[str, str]:
    generated, overrides = second_operation[0], ROOT / "overrides"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "PYTHONPATH": f"{generated}{os.pathsep}{overrides}",
        "MYPYPATH": f"{generated}{os.pathsep}{overrides}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "SCRATCH_GENERATED": str(generated),
        "OVERRIDES": str(overrides),
    }


def test_the_patched_client_keeps_its_rules(environment: dict[str, str]) -> None:
    """The cases are listed in second_operation_cases.py; what fails there is shown as pytest shows it."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "-o", "addopts=--import-mode=importlib"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(CASES)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^(\d+) passed in", done.stdout, re.MULTILINE)
    assert passed is not None, done.stdout
    assert int(passed[1]) > 40


SNIPPET = """
from smarterproctoring import AsyncSmarterProctoring, SmarterProctoring


async def move(client: SmarterProctoring, other: AsyncSmarterProctoring) -> None:
    client.reschedule("a", "b", "c", accommodation_minutes=30)
    await other.reschedule("a", "b", "c", accommodation_minutes=30)
    client.reschedule("a", "b", "c", accomodation_minutes=30)
    client.reschedule("a", "b", "c", accommodation_minutes="30")
"""


def test_new_field_is_a_typed_keyword(environment: dict[str, str], tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    cache = ROOT / ".cache" / "mypy-second-operation"
    options = ["--strict", "--no-error-summary", "--config-file", os.devnull, "--cache-dir", str(cache)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(snippet)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line.partition("snippet.py:")[2] for line in done.stdout.splitlines() if ": error: " in line]
    assert len(errors) == 2, done.stdout + done.stderr
    assert errors[0].startswith('8: error: Unexpected keyword argument "accomodation_minutes"')
    assert errors[1].startswith('9: error: Argument "accommodation_minutes"')
