#!/usr/bin/env python3
"""Check the built package: the files in dist/, the same files built anew, and the wheel as it is when installed.

    tools/check_package.py [--python PATH …]      the Pythons to install into; the one that runs this if none is named

Every check runs, each failure says what is wrong, and any failure ends it with exit code 1. When all have passed, the
files' digests are recorded in dist/judged.json: `make publish` takes no other bytes.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import release_record
from baseline import SPEC, spec_version
from build import BIN, NAME, bill_of_materials, build, extras, run
from redocly import ROOT, ToolError

PYTHONS = ("3.11", "3.12", "3.13")
STEM = NAME.replace("-", "_")
# Only what the index and the wheel say counts, not what the machine's installers happen to be configured for.
CLEAN = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "UV_FIND_LINKS": "", "UV_NO_CONFIG": "1"}
HINT = "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ "  # the name is free on the public index
SIDS = (f"AI{'0' * 32}", f"EX{'1' * 32}", f"ES{'2' * 32}")
# What a tree holds besides what is in git.
NOT_SOURCE = shutil.ignore_patterns(
    ".git",
    ".venv",
    ".cache",
    "build",
    "dist",
    "node_modules",
    "__pycache__",
    ".hypothesis",
    ".*_cache",
    ".schemathesis",
)


# -- the files ------------------------------------------------------------------------------------------------------


def built_files(dist: Path, version: str) -> tuple[Path, Path, Path]:
    """Name the wheel, the sdist and the bill of materials.

    Raises:
        ToolError: dist/ holds anything else, or not all of them.
    """
    files = (
        dist / f"{STEM}-{version}-py3-none-any.whl",
        dist / f"{STEM}-{version}.tar.gz",
        dist / f"{STEM}-{version}.cdx.json",
    )
    found = {file.name for file in dist.glob("*") if not release_record.is_companion(file.name)}
    expected = {file.name for file in files}
    if found != expected:
        raise ToolError(
            f"{dist} is not what `make build` makes: {', '.join(sorted(found - expected)) or 'nothing'} too many, "
            f"{', '.join(sorted(expected - found)) or 'nothing'} missing"
        )
    return files


def content(archive: Path) -> dict[str, bytes]:
    """Read a wheel or an sdist: name of each file -> its bytes; an sdist's own folder is left out of the names."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(archive) as sdist:
        files = [(member.name, sdist.extractfile(member)) for member in sdist.getmembers()]
        return {name.partition("/")[2]: file.read() for name, file in files if file is not None}


def manifest_problems(names: set[str], patterns: list[str]) -> Iterator[str]:
    """Say which files are not in the manifest, and which lines of it match none."""

    def matches(name: str, pattern: str) -> bool:
        parts, globs = name.split("/"), pattern.split("/")
        return len(parts) == len(globs) and all(map(fnmatch.fnmatchcase, parts, globs))

    for name in sorted(names):
        if not any(matches(name, pattern) for pattern in patterns):
            yield f"{name} is not in the manifest"
    for pattern in patterns:
        if not any(matches(name, pattern) for name in names):
            yield f"{pattern} is in the manifest, and no such file is there"


def source_of(name: str, root: Path) -> Path | None:
    """Name the file of the tree that a file of the wheel was made from; None for what the build makes up."""
    package = name.split("/", maxsplit=1)[0]
    if name == "smarterproctoring_mock/openapi.yaml":
        return root / SPEC
    if name.endswith(".dist-info/licenses/LICENSE"):
        return root / "LICENSE"
    folder = {
        "smarterproctoring": "overrides",
        "smarterproctoring_bulk": "bulk",
        "smarterproctoring_generated": "generated",
        "smarterproctoring_mock": "mock",
        "smarterproctoring_transport": "transport",
    }
    return root / folder[package] / name if package in folder else None


def content_problems(archive: Path, kind: str, root: Path) -> Iterator[str]:
    """Compare an archive with the manifest and with the tree."""
    manifest = tomllib.loads((ROOT / "tools" / "package-manifest.toml").read_text(encoding="utf-8"))
    files = content(archive)
    yield from manifest_problems(set(files), manifest[kind])
    for name, data in sorted(files.items()):
        source = source_of(name, root) if kind == "wheel" else root / name
        if source and name != "PKG-INFO" and (not source.is_file() or source.read_bytes() != data):
            yield f"{name} is not what stands in {source.relative_to(root)}"
        if str(root).encode() in data:
            yield f"{name} names this machine's folder {root}"


def digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def copy_tree(root: Path, to: Path) -> None:
    """Copy the tree as another machine would have it: closed to others, other times, and with a cache lying about."""
    before = os.umask(0o077)
    try:
        shutil.copytree(root, to, ignore=NOT_SOURCE, copy_function=shutil.copyfile)
        cache = to / "overrides" / "smarterproctoring" / "__pycache__"
        cache.mkdir()
        (cache / "client.cpython-311.pyc").write_bytes(b"junk")
    finally:
        os.umask(before)


def rebuild_problems(root: Path, files: tuple[Path, Path, Path]) -> Iterator[str]:
    """Build in another folder and compare the bytes; so too for a wheel that is made from the sdist."""
    wheel, sdist, bill = files
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_tree(root, folder / "another" / "tree")
        build(folder / "another" / "tree", folder / "again", "--wheel", "--sdist")
        build(sdist, folder / "from-sdist", "--wheel")
        again = [(folder / "again" / wheel.name, wheel), (folder / "again" / sdist.name, sdist)]
        again += [(folder / "from-sdist" / wheel.name, wheel), (bill_of_materials(root, folder / "again"), bill)]
        for made, file in again:
            if digest(made) != digest(file):
                yield f"{file.name}: {made.parent.name} gives other bytes ({difference(made, file)})"


def difference(one: Path, other: Path) -> str:
    """Say in which files two archives differ."""
    if one.suffix == ".json":
        return "other packages, or another order"
    first, second = content(one), content(other)
    names = [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]
    return ", ".join(names) or "the same files, packed in another way"


def tool_problems(root: Path, files: tuple[Path, Path, Path]) -> Iterator[str]:
    """Let the tools that were made for it look at the metadata and the wheel."""
    wheel, sdist, _ = files
    commands: list[tuple[str | Path, ...]] = [
        (BIN / "twine", "check", "--strict", wheel, sdist),
        (BIN / "check-wheel-contents", "--config", root / "pyproject.toml", wheel),
        (BIN / "validate-pyproject", root / "pyproject.toml"),
    ]
    for command in commands:
        try:
            run(*command, VALIDATE_PYPROJECT_NO_NETWORK="1", NO_COLOR="1")
        except ToolError as error:
            yield str(error)


def bill_problems(bill: Path) -> Iterator[str]:
    """Hold the bill of materials to its standard."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - takes seconds, and is needed here only
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill.read_text(encoding="utf-8"))
    if problem is not None:
        yield f"{bill.name} is no valid CycloneDX 1.6: {str(problem).splitlines()[0]}"


# -- installed --------------------------------------------------------------------------------------------------------


def resolve_problems(root: Path) -> Iterator[str]:
    """Resolve all extras together, and so each of them, with the newest of everything, for each supported Python."""
    for version in PYTHONS:
        try:
            run(BIN / "uv", "pip", "compile", "--quiet", "--python-version", version, "--all-extras",
                root / "pyproject.toml", **CLEAN)  # fmt: skip
        except ToolError as error:
            yield f"Python {version}: {error}"


def said(*command: str | Path) -> tuple[int, str]:
    """Run a program in an empty environment, away from the tree; return its exit code and all that it said."""
    keep = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR", "SYSTEMROOT") if key in os.environ}
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(command, env=keep, cwd=elsewhere, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, (done.stdout + done.stderr).strip()


def installed_problems(wheel: Path, python: str, version: str, root: Path) -> Iterator[str]:
    """Install the wheel into an empty environment: bare, then with `[cli]`, then with every extra; try each.

    Args:
        wheel: The built wheel.
        python: The interpreter of the environment.
        version: What everything has to say about its version.
        root: The tree, for the lock that holds the dependencies to known versions and for the extras.
    """
    probe = ROOT / "tools" / "probe_installed.py"
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        run(BIN / "uv", "venv", "--quiet", "--python", python, venv, **CLEAN)
        inner = venv / "bin" / "python"
        command = str(venv / "bin" / "smarterproctoring")

        def install(*chosen: str) -> None:
            wanted = f"{NAME}[{','.join(chosen)}] @ {wheel.resolve().as_uri()}"
            run(BIN / "uv", "pip", "install", "--quiet", "--python", inner, "--constraint",
                root / "requirements" / "dev.txt", wanted, **CLEAN)  # fmt: skip

        def expect(code: int, words: str, *arguments: str | Path) -> Iterator[str]:
            got, text = said(*arguments)
            if got != code or words not in text or "Traceback" in text:
                shown = " ".join(Path(part).name for part in arguments[:3])
                yield f"{shown}: exit code {got} instead of {code}, or not {words!r}:\n{text}"

        install()
        yield from expect(0, "", inner, "-I", probe, version)
        yield from expect(1, f"{HINT}'smarterproctoring-client[cli]'", command, "--version")
        code, text = said(inner, "-I", "-m", "smarterproctoring_mock")
        if not code or f"{HINT}'smarterproctoring-client[mock]'" not in text.splitlines()[-1]:
            yield f"the mock server without its extra: exit code {code}:\n{text}"
        install("cli")
        yield from expect(0, f"smarterproctoring, version {version}", command, "--version")
        yield from expect(0, '"notes": "Moved"', command, "reschedule", *SIDS, "--notes", "Moved", "--dry-run")
        yield from expect(1, f"{HINT}'smarterproctoring-client[mock]'", command, "mock")
        install(*extras(root))
        yield from expect(0, "", inner, "-I", probe, version, "--call")


# -- all of it --------------------------------------------------------------------------------------------------------


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree it was built from")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="the built files")
    parser.add_argument("--python", action="append", help="a Python to install into; can be repeated")
    arguments = parser.parse_args()
    root: Path = arguments.root.resolve()
    pythons: list[str] = arguments.python or [sys.executable]
    version = spec_version((root / SPEC).read_text(encoding="utf-8"))
    try:
        files = built_files(arguments.dist.resolve(), version)
    except ToolError as error:
        print(f"error: {error}; run: make build", file=sys.stderr)
        return 1
    checks: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("wheel: files and bytes", lambda: content_problems(files[0], "wheel", root)),
        ("sdist: files and bytes", lambda: content_problems(files[1], "sdist", root)),
        ("built anew elsewhere, and from the sdist: the same bytes", lambda: rebuild_problems(root, files)),
        ("metadata: twine, check-wheel-contents, validate-pyproject", lambda: tool_problems(root, files)),
        ("bill of materials: CycloneDX 1.6", lambda: bill_problems(files[2])),
        (f"extras {', '.join(extras(root))} resolve on {', '.join(PYTHONS)}", lambda: resolve_problems(root)),
    ]
    installs = [partial(installed_problems, files[0], python, version, root) for python in pythons]
    checks += [(f"installed: {python}", install) for python, install in zip(pythons, installs, strict=True)]
    failed = False
    for name, check in checks:
        started = time.monotonic()
        try:
            problems = [*check()]
        except ToolError as error:
            problems = [str(error)]
        failed = failed or bool(problems)
        print(f"{'FAILED' if problems else 'ok':<6}  {name} ({time.monotonic() - started:.1f} s)", flush=True)
        for problem in problems:
            print(f"        {problem}", file=sys.stderr, flush=True)
    for file in files:
        print(f"{digest(file)}  {file.name}")
    (files[0].parent / release_record.RECORD).unlink(missing_ok=True)
    if not failed:
        release_record.write(files[0].parent, root, version)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
