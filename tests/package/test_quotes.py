"""The pages for maintainers show what checking, publishing, rehearsing and upgrading really print."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import check_package
import pytest
import rehearse
from baseline import version_of
from docs.quotes import BYTES, DIGEST, DURATIONS, PORT, SECONDS, Mask, Quote, quoted, same
from loopback import PASSWORD, USERNAME, UV, Index, check
from package.releases import Released
from packages import DISTRIBUTIONS
from redocly import ROOT
from rehearse import Rehearsal, Step

pytestmark = [pytest.mark.slow, pytest.mark.tooling]
PYTHON = Mask(r"\S*/python[\d.]*(?= \()", "PYTHON")


def test_the_checks_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checks have tests of their own; which ones there are, and their names, are quoted."""
    version = version_of(ROOT)
    for each in DISTRIBUTIONS:
        (tmp_path / f"{each.stem}-{version}-py3-none-any.whl").touch()
        (tmp_path / f"{each.stem}-{version}.tar.gz").touch()
    (tmp_path / f"{DISTRIBUTIONS[0].stem}-{version}.cdx.json").touch()
    for name in vars(check_package).copy():
        if name.endswith("_problems"):
            monkeypatch.setattr(check_package, name, lambda *_, **__: iter(()))
    monkeypatch.setattr(sys, "argv", ["check_package.py", "--dist", str(tmp_path)])
    assert check_package.main() == 0
    (checks,) = quoted("docs/maintaining/spec-changes.md", "make check-package")
    same(checks, capsys.readouterr().out, SECONDS, PYTHON)


def test_publishing(released: Released, two_versions: Released) -> None:
    """1.1.0 was published with RESUME=1, which uploads less than a release at one go, as 1.0.0 was."""
    whole, part = (re.findall(r"(?m)^uploaded .*$", each.output) for each in (released, two_versions))
    if not whole:
        pytest.skip("a rehearsal publishes by itself")
    printed = two_versions.output.replace(part[0], whole[0].replace("1.0.0", "1.1.0"))
    _, publishing = quoted("docs/maintaining/releasing.md", "make publish INDEX_URL=")
    same(publishing, printed, PORT, DIGEST, BYTES)


# -- the rehearsal ----------------------------------------------------------------------------------------------------


def test_the_table_of_a_rehearsal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rehearsal takes minutes, so that its steps are only named here: each of them is in the table."""

    def taken(rehearsal: Rehearsal, name: str, _action: Callable[[], str]) -> None:
        rehearsal.steps.append(Step(name, 0.0, True, "words"))

    @contextmanager
    def index(*_: object) -> Generator[Index]:
        yield Index("http://127.0.0.1:9/simple/", tmp_path)

    monkeypatch.setattr(Rehearsal, "take", taken)
    monkeypatch.setattr(rehearse, "running_index", index)
    monkeypatch.setattr(rehearse, "wheels", lambda: tmp_path)
    assert rehearse.main() == 0
    steps = Mask(r"(?m)^(ok .*?\S) +0\.0 s  words$", r"\1 …")
    printed = steps.over(capsys.readouterr().out.strip("\n")).split("\n")
    (table,) = quoted("docs/maintaining/releasing.md", "make release-rehearsal")
    _, *shown = re.sub(r"(?m)^(ok .*?\S) +…$", r"\1 …", table.printed).split("\n")
    # Steps that are taken together end in any order.
    assert sorted(shown[1:-1]) == sorted(printed[1:-1])
    for place in (0, -1):
        same(Quote(table.document, table.command, shown[place]), printed[place])


# -- downstream -------------------------------------------------------------------------------------------------------

SERVICE = """\
[project]
name = "service"
version = "1"
requires-python = ">=3.11"
dependencies = ["smarterproctoring-client>=1.0,<2"]
[tool.uv]
package = false
environments = ["python_full_version == '{python}' and sys_platform == '{platform}'"]
[tool.uv.sources]
smarterproctoring-client = {{ index = "company" }}
[[tool.uv.index]]
name = "company"
url = "{url}"
explicit = true
"""


def test_upgrading_downstream_and_back(two_versions: Released, outside: Index, tmp_path: Path) -> None:
    here = ".".join(map(str, sys.version_info[:3]))
    project = SERVICE.format(url=two_versions.index.url, python=here, platform=sys.platform)
    (tmp_path / "pyproject.toml").write_text(project)
    login = {"UV_INDEX_COMPANY_USERNAME": USERNAME, "UV_INDEX_COMPANY_PASSWORD": PASSWORD}
    own = {"UV_NO_CONFIG": "0", "XDG_CONFIG_HOME": str(tmp_path / "none"), "XDG_CONFIG_DIRS": str(tmp_path / "none")}

    def run(command: str) -> str:
        program, *words = command.split()
        assert program == "uv"
        variables = {**own, **login, "UV_DEFAULT_INDEX": outside.url, "UV_PYTHON": sys.executable}
        return check([UV, *words], tmp_path, **variables)

    ups, backs = quoted("docs/maintaining/releasing.md", "uv lock")
    run(backs.command)
    run("uv sync")
    up, back = quoted("docs/maintaining/releasing.md", "uv sync")
    for quote in (ups, up, backs, back):
        same(quote, run(quote.command), SECONDS, DURATIONS)
