"""What a maintainer's tools are told in the repository: hooks, documents for contributors, recorded sizes."""

from __future__ import annotations

import re

import pytest
import yaml
from redocly import ROOT

pytestmark = pytest.mark.tooling


def targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z][a-z0-9-]*):(?!=)", (ROOT / "Makefile").read_text()))


def test_the_hooks_fetch_nothing_and_run_make_targets() -> None:
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in settings["repos"] for hook in repository["hooks"]]
    assert [repository["repo"] for repository in settings["repos"]] == ["local"]
    assert {hook["entry"] for hook in hooks} == {"make lint", "make spell", "make check-generated"}
    assert {hook["language"] for hook in hooks} == {"system"}
    assert {hook["entry"].removeprefix("make ") for hook in hooks} <= targets()
