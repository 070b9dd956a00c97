"""Every kind of addition to the spec works, or is refused in words (`additions.py`); nothing is silently wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import spec_model
from generation.additions import OTHERS, REFUSED, WORKS, Refused, spec_with, spoil
from generator.emitting import emit_modules
from generator.spec_copy import for_generator
from generator.swapping import build
from spec_model import GenerationError

ROOT = Path(__file__).resolve().parents[2]
RUN = Path(__file__).with_name("additions_run.py")
Spec = dict[str, Any]
pytestmark = pytest.mark.tooling


def written(folder: Path, spec: Spec) -> Path:
    path = folder / "spec.yaml"
    path.write_text(json.dumps(spec, ensure_ascii=False))  # JSON is YAML, and quick to write
    return path


@pytest.fixture(scope="session")
def additions(committed_spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A spec with all of `WORKS`, and the environment of a process that uses the package made from it."""
    folder = tmp_path_factory.mktemp("additions")
    spec = written(folder, spec_with(committed_spec, WORKS))
    build(spec, ROOT / "generator-config.yml", folder)
    paths = [folder / "generated", *(ROOT / name for name in ("overrides", "mock", "bulk", "transport", "tests"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    return spec, environment


@pytest.fixture(scope="session")
def outcome(additions: tuple[Path, dict[str, str]]) -> dict[str, list[str]]:
    """What is wrong with each addition, by its name."""
    spec, environment = additions
    done = subprocess.run(
        [sys.executable, str(RUN), str(spec)], env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", [*(addition.name for addition in WORKS), *OTHERS])
def test_works(outcome: dict[str, list[str]], name: str) -> None:
    assert outcome[name] == []


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.name)
def test_refused(document: Spec, tmp_path: Path, refused: Refused) -> None:
    spoil(document, refused.addition)
    with pytest.raises(GenerationError) as caught:
        spec = spec_model.Spec(written(tmp_path, document))
        emit_modules(spec)
        for_generator(spec)
    for words in refused.words:
        assert words in str(caught.value)
