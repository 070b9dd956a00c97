"""What a maintainer's tools are told in the repository: hooks, documents for contributors, recorded sizes."""

from __future__ import annotations

import re

import pytest
import yaml
from check_sizes import Sizes, problems, record, recorded
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


def test_the_forms_for_issues_have_what_the_site_asks_for() -> None:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    for name in ("bug", "spec-change"):
        form = yaml.safe_load((folder / f"{name}.yml").read_text())
        assert form["name"]
        assert form["description"]
        fields = [item for item in form["body"] if item["type"] != "markdown"]
        names = [item["id"] for item in fields]
        assert len(names) == len(set(names)) > 0
        assert all(item["attributes"]["label"] for item in fields)


def test_the_page_for_agents_is_short_and_names_what_there_is() -> None:
    text = (ROOT / "AGENTS.md").read_text()
    assert len(text.splitlines()) <= 45
    assert set(re.findall(r"(?m)^make ([a-z0-9-]+)", text)) <= targets()
    paths = re.findall(r"`([a-z][a-z_]*/[\w./-]*)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert "AGENTS.md" in (ROOT / "CONTRIBUTING.md").read_text()


def test_each_decision_record_has_its_four_parts_and_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(file.name for file in folder.glob("*.md") if file.name != "README.md")
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text())
    assert sorted(listed) == records
    for name in records:
        parts = re.findall(r"(?m)^## (.*)$", (folder / name).read_text())
        assert parts == ["Status", "Context", "Decision", "Consequences"], name


# -- sizes -------------------------------------------------------------------------------------------------------------

NOW: Sizes = {"lines": {"a": 1_001}, "bytes": {"a-b": 20_001}}


def test_a_record_of_todays_sizes_allows_them_and_a_little_growth() -> None:
    text = record(NOW)
    assert recorded(text) == {"lines": {"a": 1_050}, "bytes": {"a-b": 25_000}}
    assert list(problems(NOW, recorded(text))) == []


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({"lines": {"a": 1_051}, "bytes": {"a-b": 20_001}}, "a has 1051 lines; the limit is 1050"),
        ({"lines": {"a": 949}, "bytes": {"a-b": 20_001}}, "a has 949 lines only; lower the limit of 1050"),
        ({"lines": {"a": 1_001}, "bytes": {"a-b": 25_001}}, "a-b has 25001 bytes; the limit is 25000"),
        ({"lines": {"a": 1_001, "c": 9}, "bytes": {"a-b": 20_001}}, "c is not recorded: 9 lines"),
        ({"lines": {}, "bytes": {"a-b": 20_001}}, "a is recorded, but no longer exists"),
    ],
    ids=["grown", "shrunk", "wheel", "new", "gone"],
)
def test_another_size_needs_another_record(now: Sizes, expected: str) -> None:
    assert list(problems(now, recorded(record(NOW)))) == [expected]
