"""The list of the packages: what repeats it says the same, and what it says is so."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import copies
import pytest
from baseline import version_of
from packages import (
    ALL,
    CLIENT,
    DISTRIBUTIONS,
    FOLDERS,
    ITSELF,
    LIST,
    PACKAGES,
    Distribution,
    Package,
    extras_of,
    outside_requirements,
    read,
)
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from redocly import ROOT, ToolError

pytestmark = pytest.mark.tooling

PROJECT = tomllib.loads((ROOT / CLIENT.project).read_text())
TOOLS = PROJECT["tool"]
ENTRY = """\
[[distribution]]
name = "a-b"
folder = "."
[[distribution.package]]
name = "a"
folder = "src"
"""


def project(distribution: Distribution) -> dict[str, Any]:
    return tomllib.loads((ROOT / distribution.project).read_text())


def named(distribution: Distribution) -> str:
    return distribution.name


# -- what cannot read the list says the same ---------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=named)
def test_the_build_takes_the_packages_of_the_list(distribution: Distribution) -> None:
    settings = project(distribution)["tool"]["hatch"]["build"]
    folder = Path(distribution.folder)
    folders = [str(Path(package.folder).relative_to(folder)) for package in distribution.packages]
    below = [str(Path(package.folder).relative_to(folder) / package.name) for package in distribution.packages]
    assert project(distribution)["project"]["name"] == distribution.name
    assert sorted(settings["targets"]["wheel"]["packages"]) == sorted(below)
    assert sorted(settings["dev-mode-dirs"]) == sorted(folders)


def test_what_is_copied_into_a_wheel_is_what_its_hook_copies() -> None:
    (mock,) = [distribution for distribution in DISTRIBUTIONS if distribution.copied]
    hook = (ROOT / mock.folder / "hatch_build.py").read_text()
    values = {match[1]: match[2] for match in re.finditer(r'(?m)^([A-Z]+) = "(.*)"$', hook)}
    assert mock.copied == {values["TARGET"]: values["SOURCE"].removeprefix("../")}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=named)
def test_the_wheel_may_hold_the_packages_of_the_list(distribution: Distribution) -> None:
    allowed = project(distribution)["tool"]["check-wheel-contents"]["toplevel"]
    assert sorted(allowed) == sorted(package.name for package in distribution.packages)


def test_the_sdist_of_the_client_has_its_folders() -> None:
    included = TOOLS["hatch"]["build"]["targets"]["sdist"]["include"]
    folders = {f"/{name}" for name in (*CLIENT.also, *(package.folder for package in CLIENT.packages))}
    assert {name for name in included if (ROOT / name[1:]).is_dir()} == folders


@pytest.mark.parametrize(
    "paths",
    [TOOLS["mypy"]["mypy_path"], TOOLS["pyright"]["include"], TOOLS["pyright"]["extraPaths"]],
    ids=["mypy_path", "pyright's include", "pyright's extraPaths"],
)
def test_the_type_checkers_find_the_packages_of_the_list(paths: list[str]) -> None:
    assert set(FOLDERS) <= set(paths)


@pytest.mark.parametrize("what", ["folders", "editable", "requirements"])
def test_make_reads_the_list(what: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "packages.py", what], capture_output=True, text=True, check=True
    )
    expected = {
        "folders": " ".join(FOLDERS),
        "editable": " ".join(f"--editable {distribution.folder}" for distribution in DISTRIBUTIONS),
        "requirements": "\n".join(outside_requirements(ROOT)),
    }
    assert done.stdout == f"{expected[what]}\n"
    assert f"tools/packages.py {what}" in (ROOT / "Makefile").read_text()


def test_the_extras_pull_the_other_distributions_at_the_same_version() -> None:
    version = version_of(ROOT)
    extras = extras_of(ROOT, CLIENT)
    assert {name: extras[name] for name in ("mock", "testing", "bulk")} == {
        "mock": [f"smarterproctoring-mock=={version}"],
        "testing": [f"smarterproctoring-mock[testing]=={version}"],
        "bulk": [f"smarterproctoring-bulk=={version}"],
    }
    assert {each.project: project(each)["project"]["version"] for each in DISTRIBUTIONS} == {
        each.project: version for each in DISTRIBUTIONS
    }
    assert copies.outdated(ROOT) == []


def test_the_lock_names_what_every_distribution_needs() -> None:
    """And none of ours, which no index of the public has."""
    locked = re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements" / "dev.txt").read_text())
    needed = {canonicalize_name(Requirement(text).name) for text in outside_requirements(ROOT)}
    assert {"httpx", "jsonschema-rs", "dbos", "click"} <= needed <= set(locked)
    assert not {distribution.name for distribution in DISTRIBUTIONS} & {*needed, *locked}


def test_no_tool_has_a_list_of_its_own() -> None:
    """A literal that holds several packages or their folders is a list that somebody will forget."""
    names = {name for package in PACKAGES for name in (package.name, package.folder)}
    found: list[str] = []
    for file in sorted((ROOT / "tools").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, (ast.Tuple, ast.List, ast.Set, ast.Dict)):
                texts = {each.value for each in ast.iter_child_nodes(node) if isinstance(each, ast.Constant)}
                if len(texts & names) > 1:
                    found.append(f"{file.name}:{node.lineno}")
    assert found == []


# -- what the list says is so ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_public_modules_are_there(package: Package) -> None:
    folder = ROOT / package.folder / package.name
    assert (folder / "py.typed").is_file()
    for module in package.public:
        if module not in {ITSELF, ALL}:
            assert (folder / f"{module.replace('.', '/')}.py").is_file() or (folder / module.replace(".", "/")).is_dir()


def test_every_package_of_the_repository_is_in_the_list() -> None:
    marked = {str(file.parent.relative_to(ROOT)) for folder in ROOT.iterdir() for file in folder.glob("*/py.typed")}
    assert marked == {f"{package.folder}/{package.name}" for package in PACKAGES}


def imported(code: str) -> set[str]:
    """Return the modules that a piece of code imports, or imports from."""
    tree = ast.parse(code)
    direct = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    return direct | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def shown_to_users() -> set[tuple[str, str]]:
    """Return what the documents and the examples import of our packages: where, and which module."""
    found: set[tuple[str, str]] = set()
    files = subprocess.run(
        ["git", "ls-files", "*.md", "examples/*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in files.stdout.split():
        text = (ROOT / name).read_text()
        pieces = [text] if name.endswith(".py") else re.findall(r"(?ms)^```python\n(.*?)^```", text)
        for piece in pieces:
            found |= {(name, module) for module in imported(re.sub(r"(?m)^async with .*", "if True:", piece))}
    ours = {package.name for package in PACKAGES}
    return {(name, module) for name, module in found if module.partition(".")[0] in ours}


def test_what_users_are_told_to_import_is_public() -> None:
    shown = shown_to_users()
    packages = {package.name: package for package in PACKAGES}
    assert len({module for _, module in shown}) > 4
    for name, module in shown:
        package, _, below = module.partition(".")
        assert packages[package].is_public(below or ITSELF), f"{name} imports {module}, which is not public in {LIST}"


# -- who imports whom --------------------------------------------------------------------------------------------------

MAY_IMPORT: dict[str, set[str]] = {
    "smarterproctoring": {"smarterproctoring_generated", "smarterproctoring_transport"},
    "smarterproctoring_generated": set(),
    "smarterproctoring_transport": set(),
    "smarterproctoring_mock": set(),
    "smarterproctoring_bulk": {"smarterproctoring", "smarterproctoring_generated"},
}
"""Of our packages. Between distributions only public modules are imported."""


def imports(package: Package) -> Iterator[tuple[str, str]]:
    """Yield what a package imports of ours, and where."""
    ours = {each.name for each in PACKAGES} - {package.name}
    for file in sorted((ROOT / package.folder / package.name).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                below = [f"{node.module}.{name.name}" for name in node.names]
                found = [node.module, *(name for name in below if is_module(name))]
            else:
                continue
            yield from ((str(file.relative_to(ROOT)), name) for name in found if name.partition(".")[0] in ours)


def is_module(name: str) -> bool:
    """Tell whether a dotted name is a module of ours."""
    folders = {package.name: package.folder for package in PACKAGES}
    top = name.partition(".")[0]
    return top in folders and (ROOT / folders[top] / f"{name.replace('.', '/')}.py").is_file()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_imports_run_one_way(package: Package) -> None:
    assert {name.partition(".")[0] for _, name in imports(package)} == MAY_IMPORT[package.name]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=named)
def test_a_distribution_imports_of_others_only_what_is_public(distribution: Distribution) -> None:
    own = {package.name for package in distribution.packages}
    packages = {package.name: package for package in PACKAGES}
    for package in distribution.packages:
        for file, name in imports(package):
            top, _, below = name.partition(".")
            assert top in own or packages[top].is_public(below or ITSELF), f"{file} imports {name}"


# -- reading it --------------------------------------------------------------------------------------------------------


def test_a_list_is_read() -> None:
    (distribution,) = read(ENTRY + 'public = ["*"]\nfiles = ["*.py"]\n')
    (package,) = distribution.packages
    assert distribution.sdist_files() == ["src/a/*.py"]
    assert distribution.wheel_files()[:2] == ["a/*.py", "a_b-*.dist-info/METADATA"]
    assert package.is_public(ITSELF)
    assert package.is_public("one.two")
    assert not package.is_public("one._two")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = ", "Invalid value"),
        ("", "there must be a [[distribution]]"),
        ("distribution = [1]", "[[distribution]] must be a table"),
        ("[[distribution]]\nname = 'a-b'\nfolder = '.'", "distribution a-b: there must be a [[package]]"),
        (f"{ENTRY}public = 'a'", "package a: `public` must be a list of texts"),
        (f"{ENTRY}publik = ['a']", "package a: unknown key publik; known are files, folder, name, public"),
        (ENTRY.replace('folder = "src"', ""), "package a: `folder` must be a text"),
        (ENTRY.replace('folder = "."', 'folder = "."\ncopied = 1'), "distribution a-b: `copied` must be a table"),
    ],
)
def test_a_list_that_is_wrong_is_refused(text: str, words: str) -> None:
    with pytest.raises(ToolError, match=re.escape(words)) as refused:
        read(text)
    assert str(refused.value).startswith(f"{LIST}: ")
