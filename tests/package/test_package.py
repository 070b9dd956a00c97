"""The built package: the version that everything tells, and that each check of it can fail."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import build
import check_package
import copies
import pytest
import release_record
from baseline import PROJECT, version_of
from check_package import Environment, Files
from loopback import check
from once import once
from packages import CLIENT, DISTRIBUTIONS, LIST
from packaging.requirements import Requirement
from redocly import ROOT, ToolError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # which only ends a hang: they build and install
VERSION = version_of(ROOT)
Edits = dict[str, list[tuple[bytes, bytes]]]
"""Of each file of a wheel the texts to replace, and by what."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Build wheel and sdist; the bill of materials is a stand-in, which only its own test needs."""

    def built(folder: Path) -> None:
        for distribution in DISTRIBUTIONS:
            build.build(ROOT / distribution.folder, folder, "--wheel", "--sdist")
        (folder / f"smarterproctoring_client-{VERSION}.cdx.json").write_text("{}")

    return check_package.built_files(once(tmp_path_factory, "built", built), VERSION)


def rewritten(wheel: Path, to: Path, edits: Edits, without: Collection[str] = ()) -> Path:
    """Copy a wheel with some files left out, or with texts in them replaced."""
    to.mkdir(parents=True, exist_ok=True)
    contents = check_package.content(wheel)
    assert contents.keys() >= {*edits, *without}
    with zipfile.ZipFile(to / wheel.name, "w") as target:
        for name, data in contents.items():
            changed = data
            for old, new in edits.get(name, []):
                assert old in changed, name
                changed = changed.replace(old, new)
            if name not in without:
                target.writestr(name, changed)
    return to / wheel.name


def with_client(files: Files, wheel: Path) -> Files:
    """Return the files with another wheel of the client."""
    client, *others = files.built
    return replace(files, built=(replace(client, wheel=wheel), *others))


def together(wheels: Sequence[Path], folder: Path) -> str:
    """Put wheels into one folder, install them as the gate does, and return all that is wrong with them."""
    folder.mkdir()
    wheels = [Path(shutil.copy(wheel, folder)) for wheel in wheels]
    return "\n".join(check_package.installed_problems(wheels, sys.executable, VERSION, ROOT, bounds=False))


# -- the version: one source ----------------------------------------------------------------------------------------


def test_pyproject_alone_says_the_version_of_all_that_is_installed(tmp_path: Path) -> None:
    """It is raised there, copied as `make generate` does, and every distribution and every place has it."""
    tree = tmp_path / "tree"
    check_package.copy_tree(ROOT, tree)
    project = tree / PROJECT
    project.write_text(project.read_text().replace(f'\nversion = "{VERSION}"', '\nversion = "7.8.9"'))
    outdated = copies.outdated(tree)
    assert {copy.name for copy in outdated} == {PROJECT, *(each.project for each in DISTRIBUTIONS), copies.MODULE}
    for copy in outdated:
        (tree / copy.name).write_text(copy.text)
    assert copies.outdated(tree) == []
    for distribution in DISTRIBUTIONS:
        build.build(tree / distribution.folder, tmp_path / "dist", "--wheel")
    wheels = [tmp_path / "dist" / f"{each.stem}-7.8.9-py3-none-any.whl" for each in DISTRIBUTIONS]
    assert [*check_package.installed_problems(wheels, sys.executable, "7.8.9", ROOT, bounds=False)] == []


def test_a_project_without_a_version_gives_no_package(tmp_path: Path) -> None:
    check_package.copy_tree(ROOT, tmp_path / "tree")
    project = tmp_path / "tree" / PROJECT
    text, count = re.subn(rf'(?m)^version = "{re.escape(VERSION)}".*\n', "", project.read_text())
    assert count == 1
    project.write_text(text)
    with pytest.raises(ToolError, match="version"):
        build.build(tmp_path / "tree", tmp_path / "dist", "--wheel")
    with pytest.raises(ToolError, match=r'pyproject\.toml has no line `version = "X\.Y\.Z"` under \[project\]'):
        copies.outdated(tmp_path / "tree")


def test_a_copy_that_differs_is_found_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = tmp_path / "tree"
    check_package.copy_tree(ROOT, tree)
    bulk = tree / "bulk" / "pyproject.toml"
    bulk.write_text(bulk.read_text().replace(f"[cli,fast]=={VERSION}", "[cli,fast]==0.1"))
    (tree / "mock" / "LICENSE").write_text("Another\n")
    for options, code, words in (
        (["--check"], 1, "error: bulk/pyproject.toml does not repeat"),
        ([], 0, ""),
        (["--check"], 0, ""),
    ):
        monkeypatch.setattr(sys, "argv", ["copies.py", "--root", str(tree), *options])
        assert copies.main() == code
        said = capsys.readouterr()
        assert words in said.out + said.err
    assert bulk.read_text() == (ROOT / "bulk" / "pyproject.toml").read_text()


# -- what is installed ------------------------------------------------------------------------------------------------


@pytest.mark.tooling
def test_what_does_not_end_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_package, "LIMIT", 0.2)
    with pytest.raises(ToolError, match=r"^python\S* -c import threading.*: still running after 0\.2 s; it was ended$"):
        check_package.said(sys.executable, "-c", "import threading; threading.Event().wait()")


@pytest.mark.tooling
def test_what_only_shows_when_it_is_installed_is_found(files: Files, tmp_path: Path) -> None:
    """A module that needs what is no dependency, a file that is not there, and each place that tells a version."""
    edits: Edits = {
        "smarterproctoring/__init__.py": [
            (b"__version__ = _VERSION", b'__version__ = "0.2"'),
            (b'value = import_module("smarterproctoring_generated.operations").VERSION', b'value = "0.5"'),
        ],
        "smarterproctoring/cli.py": [
            (b"    VERSION,\n    prog_name", b'    "0.3",\n    prog_name'),
            (b"pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[cli]'", b"sorry"),
        ],
        "smarterproctoring/generated.py": [(b"\nfrom ", b"\nimport pytest\nfrom ")],
        "smarterproctoring/headers.py": [
            (b"smarterproctoring-client/{VERSION} ", b"smarterproctoring-client/0.1 "),
            (b"openapi/{API_VERSION} ", b"openapi/0.4 "),
        ],
    }
    bulk_edits: Edits = {"smarterproctoring_bulk/report.py": [(b"\nimport csv", b"\nimport griffe\nimport csv")]}
    client, mock, bulk = files.wheels
    wheel = rewritten(client, tmp_path, edits, without={"smarterproctoring_generated/py.typed"})
    spoilt = rewritten(bulk, tmp_path, bulk_edits)
    problems = together([wheel, mock, spoilt], tmp_path / "dist")
    assert "import smarterproctoring.generated: ModuleNotFoundError(\"No module named 'pytest'\")" in problems
    assert "import smarterproctoring_bulk.report: ModuleNotFoundError(\"No module named 'griffe'\")" in problems
    assert "bulk moved 0 of 10 sessions" in problems
    assert "smarterproctoring_generated has no py.typed" in problems
    assert f"not \"{check_package.HINT}'smarterproctoring-client[cli]'\"" in problems
    assert f"the User-Agent says 0.1, pyproject.toml {VERSION}" in problems
    assert f"smarterproctoring.__version__ says 0.2, pyproject.toml {VERSION}" in problems
    assert "the User-Agent says 0.4 of the API, the generated package " in problems
    assert "smarterproctoring.__api_version__ says 0.5 of the API, the generated package " in problems
    assert "smarterproctoring, version 0.3" in problems
    assert "the mock server saw ['smarterproctoring-client/0.1 " in problems
    assert "metadata" not in problems


@pytest.mark.tooling
def test_a_mock_server_without_its_spec_is_found(files: Files, tmp_path: Path) -> None:
    """By the probe that runs in each environment; here the wheels lie in a folder, and what they need is this one's."""
    client, mock, bulk = files.wheels
    wheel = rewritten(mock, tmp_path, {}, without={"smarterproctoring_mock/openapi.yaml"})
    for archive in (client, wheel, bulk):
        with zipfile.ZipFile(archive) as contents:
            contents.extractall(tmp_path / "site")
    probe = [str(ROOT / "tools" / "probe_installed.py"), VERSION, "smarterproctoring_mock", "--call"]
    script = f"""
import runpy, sys
sys.path.insert(0, {str(tmp_path / "site")!r})
sys.argv = {probe!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    code, text = check_package.said(sys.executable, "-c", script)
    assert code == 1
    assert "SpecError" in text


@pytest.mark.tooling
def test_a_lower_bound_that_is_false_is_found(files: Files, tmp_path: Path) -> None:
    """One that other requirements rule out, and one with which the mock server does not work."""
    client, mock, bulk = files.wheels
    bulk_info = f"smarterproctoring_bulk-{VERSION}.dist-info/METADATA"
    mock_info = f"smarterproctoring_mock-{VERSION}.dist-info/METADATA"
    wheels = [
        client,
        rewritten(mock, tmp_path, {mock_info: [(b"jsonschema-rs<1,>=0.52", b"jsonschema-rs<1,>=0.30")]}),
        rewritten(bulk, tmp_path, {bulk_info: [(b"sqlalchemy>=2.0.43", b"sqlalchemy>=2.0")]}),
    ]
    inner = Environment(tmp_path / "venv", wheels, VERSION)
    build.run(build.BIN / "uv", "venv", "--quiet", "--python", sys.executable, inner.folder)
    problems = [*check_package.bounds_problems(inner, "lowest-direct")]
    # A bound that is false may lead the resolver to other versions of what has nothing to do with it.
    *bounds, tried = problems
    assert any(one.startswith("sqlalchemy>=2.0: 2.0.43 is the lowest that goes with the others") for one in bounds)
    assert tried.startswith("with the lowest-direct dependencies: ")
    assert "smarterproctoring_mock" in tried


def test_a_lower_bound_is_the_version_that_is_tried() -> None:
    wanted = [Requirement(text) for text in ("a>=1.0", "b<2,>=1.5; extra == 'x'", "c[binary]>=1", "left-out>=3")]
    problems = [*check_package.untried_bounds(wanted, "a==1\nb==1.5.1\nc==1.0.0\n    # via a\nd==7\n")]
    assert problems == [
        'b<2,>=1.5; extra == "x": 1.5.1 is the lowest that goes with the others; make that its lower bound'
    ]


def test_what_a_wheel_requires_is_taken_from_all_extras_and_its_own_kind_left_out(tmp_path: Path) -> None:
    for name, lines in {
        "one": ["two==1; extra == 'all'", "a>=1", "b>=2; extra == 'x'", "c; (os_name == 'nt') and extra == 'x'"],
        "two": ["a>=1", "d>=1; python_version > '3.8'"],
    }.items():
        with zipfile.ZipFile(tmp_path / f"{name}.whl", "w") as wheel:
            text = "".join(f"Requires-Dist: {line}\n" for line in lines)
            wheel.writestr(f"{name}-1.dist-info/METADATA", f"Name: {name}\n{text}\n")
    found = check_package.requirements([tmp_path / "one.whl", tmp_path / "two.whl"])
    assert [str(each) for each in found] == ["a>=1", "b>=2", 'c; os_name == "nt"', 'd>=1; python_version > "3.8"']


# -- what is in the files --------------------------------------------------------------------------------------------


def test_the_files_are_those_of_the_manifest_and_of_the_tree(files: Files) -> None:
    for each in files.built:
        assert [*check_package.content_problems(each.wheel, each.distribution, ROOT)] == []
        assert [*check_package.content_problems(each.sdist, each.distribution, ROOT)] == []


@pytest.mark.tooling
def test_a_file_too_many_too_few_or_changed_is_named(files: Files, tmp_path: Path) -> None:
    edits: Edits = {
        "smarterproctoring/errors.py": [(b"import", b"import ")],
        "smarterproctoring/times.py": [(b"\n", f"\n# {ROOT}\n".encode())],
    }
    wheel = rewritten(files.wheels[0], tmp_path, edits, without={"smarterproctoring_transport/py.typed"})
    with zipfile.ZipFile(wheel, "a") as target:
        target.writestr("smarterproctoring/__pycache__/client.cpython-311.pyc", b"")
        target.writestr("tests/test_client.py", b"")
    problems = [*check_package.content_problems(wheel, CLIENT, ROOT)]
    assert problems == [
        "smarterproctoring/__pycache__/client.cpython-311.pyc is not in the manifest",
        "tests/test_client.py is not in the manifest",
        "smarterproctoring_transport/py.typed is in the manifest, but there is no such file",
        "smarterproctoring/__pycache__/client.cpython-311.pyc differs from "
        "overrides/smarterproctoring/__pycache__/client.cpython-311.pyc",
        "smarterproctoring/errors.py differs from overrides/smarterproctoring/errors.py",
        "smarterproctoring/times.py differs from overrides/smarterproctoring/times.py",
        f"smarterproctoring/times.py names this machine's folder {ROOT}",
    ]


def test_a_star_stands_for_one_name() -> None:
    assert [*check_package.manifest_problems({"a/b/c.py"}, ["a/*.py", "a/b/*"])] == [
        "a/*.py is in the manifest, but there is no such file"
    ]


@pytest.mark.tooling
def test_dist_holds_exactly_what_is_built(files: Files, tmp_path: Path) -> None:
    shutil.copytree(files.bill.parent, tmp_path / "dist")
    (tmp_path / "dist" / "smarterproctoring_client-0.9.0.tar.gz").touch()
    with pytest.raises(ToolError, match=r"client-0\.9\.0\.tar\.gz too many, nothing missing"):
        check_package.built_files(tmp_path / "dist", VERSION)
    with pytest.raises(ToolError, match=r"client-9\.9\.9-py3-none-any\.whl"):
        check_package.built_files(files.bill.parent, "9.9.9")


@pytest.mark.tooling
def test_other_bytes_are_found_and_the_file_is_named(files: Files, tmp_path: Path) -> None:
    wheel = rewritten(files.wheels[0], tmp_path, {"smarterproctoring/errors.py": [(b"import", b"import ")]})
    problems = [*check_package.rebuild_problems(ROOT, with_client(files, wheel))]
    made = f"{wheel.name}: again gives other bytes (smarterproctoring/errors.py)"
    assert problems[:2] == [made, made.replace("again", "from-sdist")]
    assert problems[2].startswith(files.bill.name)
    assert len(problems) == 3  # the sdist is the same


@pytest.mark.tooling
def test_a_component_that_the_lock_does_not_hold_makes_no_bill_of_materials() -> None:
    bill: dict[str, Any] = {"components": [{"name": "Some.Thing", "version": "1.0"}]}
    build.add_hashes(bill, f"some-thing==1.0 ; python_version < '4' \\\n    --hash=sha256:{'a' * 64}\n    # via x\n")
    assert bill["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    for lock in ("", "some-thing==1.1", "some-thing==1.0\n"):
        with pytest.raises(
            ToolError, match=r"Some\.Thing 1\.0 is needed and is not in requirements/dev\.txt with hashes"
        ):
            build.add_hashes(bill, lock)


@pytest.mark.tooling
def test_the_bill_of_materials_is_valid_the_same_twice_and_names_what_is_needed(files: Files, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    for folder in (tmp_path, tmp_path / "again"):
        for archive in (files.built[0].wheel, files.built[0].sdist):
            shutil.copy(archive, folder)
    first, second = (build.bill_of_materials(ROOT, out) for out in (tmp_path, tmp_path / "again"))
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text()
    bill = json.loads(text)
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    for component in bill["components"]:
        digests = [entry["content"] for entry in component["hashes"] if entry["alg"] == "SHA-256"]
        name = re.sub(r"[-_.]+", "-", component["name"])
        (entry,) = re.findall(rf"(?mi)^{name}=={re.escape(component['version'])} .*(?:\n .*)*", lock)
        assert digests == sorted(re.findall(r"--hash=sha256:(\w+)", entry)), component["name"]
        assert digests
    sdist, wheel = sorted(bill["metadata"]["component"]["components"], key=lambda file: file["name"], reverse=True)
    for described, archive in ((wheel, files.built[0].wheel), (sdist, files.built[0].sdist)):
        assert described["name"] == archive.name
        assert described["hashes"] == [{"alg": "SHA-256", "content": check_package.digest(archive)}]
    inside = {file["name"]: file["hashes"][0]["content"] for file in wheel["components"]}
    assert inside == {
        name: hashlib.sha256(content).hexdigest() for name, content in check_package.content(files.wheels[0]).items()
    }
    assert all(f'"purl": "pkg:pypi/{name}@' in text for name in ("httpx", "attrs", "click", "httptools"))
    assert f'"purl": "pkg:pypi/smarterproctoring-client@{VERSION}"' in text
    assert '"schemathesis"' not in text
    assert str(ROOT) not in text
    assert '"timestamp"' not in text
    assert [*check_package.bill_problems(first)] == []
    first.write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "of no type"}]}')
    assert "is not valid CycloneDX 1.6" in "".join(check_package.bill_problems(first))


@pytest.mark.tooling
def test_files_are_recorded_when_every_check_has_passed_and_only_then(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dist = tmp_path / "dist"
    shutil.copytree(files.bill.parent, dist)
    verdicts: list[list[str]] = [[]]
    for name in ("content", "rebuild", "tool", "bill", "resolve", "installed"):
        monkeypatch.setattr(check_package, f"{name}_problems", lambda *_, **__: iter(verdicts[0]))
    monkeypatch.setattr(sys, "argv", ["check_package.py", "--dist", str(dist)])
    assert check_package.main() == 0
    record = release_record.read(dist)
    assert record.version == VERSION
    assert record.files == {file.name: check_package.digest(file) for file in files.all()}
    assert check_package.built_files(dist, VERSION).bill == dist / files.bill.name, "the record is not a file too many"
    verdicts[0] = ["something is wrong"]
    assert check_package.main() == 1
    assert not (dist / release_record.RECORD).exists()


@pytest.mark.tooling
def test_where_no_release_is_built_the_wheels_are_installed_and_nothing_else_is_checked(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dist = tmp_path / "dist"
    shutil.copytree(files.bill.parent, dist)
    ran: list[str] = []
    verdicts: list[list[str]] = [[]]

    def noted(name: str, *_: object, **__: object) -> Iterator[str]:
        ran.append(name)
        yield from verdicts[0]

    for name in ("content", "rebuild", "tool", "bill", "resolve", "installed"):
        monkeypatch.setattr(check_package, f"{name}_problems", partial(noted, name))
    monkeypatch.setattr(sys, "argv", ["check_package.py", "--dist", str(dist), "--only-install"])
    assert check_package.main() == 0
    assert ran == ["installed"]
    assert not (dist / release_record.RECORD).exists(), "a record lets them be published"
    verdicts[0] = ["something is wrong"]
    assert check_package.main() == 1


def test_a_record_names_the_commit_of_a_clean_tree_only(tmp_path: Path) -> None:
    assert release_record.clean_commit(tmp_path) is None
    check(["git", "init", "--quiet"], tmp_path)
    (tmp_path / "file").touch()
    check(["git", "add", "--all"], tmp_path)
    check(["git", "-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "Start"], tmp_path)
    assert release_record.clean_commit(tmp_path) == check(["git", "rev-parse", "HEAD"], tmp_path).strip()
    (tmp_path / "stray").touch()
    assert release_record.clean_commit(tmp_path) is None


def test_a_changed_byte_is_named(tmp_path: Path) -> None:
    for name in ("a.whl", "a.tar.gz"):
        (tmp_path / name).write_text(name)
    record = release_record.write(tmp_path, tmp_path, "1.0.0")
    assert [*release_record.changes(tmp_path, record)] == []
    (tmp_path / "a.whl").write_text("a.whm")
    (problem,) = release_record.changes(tmp_path, record)
    assert "a.whl has other bytes than the gates judged" in problem


# -- metadata and extras ----------------------------------------------------------------------------------------------


@pytest.mark.tooling
def test_wrong_metadata_is_found(files: Files, tmp_path: Path) -> None:
    info, first = f"smarterproctoring_client-{VERSION}.dist-info", b"smarterproctoring/__init__.py,"
    stray = b"tests/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
    edits: Edits = {
        f"{info}/METADATA": [(b"text/markdown", b"text/nonsense")],
        f"{info}/RECORD": [(first, stray + first)],
    }
    wheel = rewritten(files.wheels[0], tmp_path, edits)
    text = (ROOT / "pyproject.toml").read_text()
    for distribution in DISTRIBUTIONS:
        (tmp_path / distribution.project).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / distribution.project, tmp_path / distribution.project)
    (tmp_path / "pyproject.toml").write_text(text.replace("\nkeywords = ", "\nkeywords = 7  # "))
    with zipfile.ZipFile(wheel, "a") as target:
        target.writestr("tests/__init__.py", b"")
    problems = [*check_package.tool_problems(tmp_path, with_client(files, wheel))]
    assert len(problems) == 3, problems
    assert "twine" in problems[0]
    assert "tests" in problems[1]
    assert "keywords" in problems[2]


@pytest.mark.tooling
def test_an_extra_that_cannot_be_had_is_found(tmp_path: Path) -> None:
    (tmp_path / LIST).parent.mkdir()
    (tmp_path / LIST).write_text(
        "[[distribution]]\nname = 'x'\nfolder = '.'\n[[distribution.package]]\nname = 'x'\nfolder = '.'\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = []\n'
        "[project.optional-dependencies]\nfast = [\"click==0.0.99; python_version == '3.12'\"]\nslow = []\n"
    )
    problems = [*check_package.resolve_problems(tmp_path)]
    assert len(problems) == 1, problems
    assert problems[0].startswith("Python 3.12 on linux: ")
    assert "click" in problems[0]
