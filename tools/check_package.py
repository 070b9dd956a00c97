#!/usr/bin/env python3
"""Check the built files: their content, that a second build gives the same bytes, and that the installed wheels work.

    tools/check_package.py [--python PATH …]      the Pythons to install into; the one that runs this if none is named
    tools/check_package.py --only-install         installed with the locked dependencies, and nothing else: for systems
                                                  on which no release is built

They are installed three times: with the locked dependencies on every Python; and on the oldest one with the newest and
with the lowest that the metadata allow. Each time every shipped module is imported, the mock server serves, the client
moves a session, and bulk moves ten.

All checks run; every failure is reported, and the exit code is then 1. When all have passed, the
files' digests are recorded in dist/judged.json: `make publish` accepts only these bytes.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from functools import partial
from pathlib import Path
from typing import TypeAlias

import release_record
from baseline import version_of
from build import BIN, NAME, bill_of_materials, build, extras, run
from packages import (
    DISTRIBUTIONS,
    Distribution,
    listed_in,
    outside_requirements,
    packages_of,
)
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version
from redocly import ROOT, ToolError

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("linux", "macos", "windows")
# The configuration of the machine's installers must not matter.
CLEAN = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "",
    "UV_FIND_LINKS": "",
    "UV_NO_CONFIG": "1",
}
LIMIT = 600.0  # seconds; ends a hanging command; each normally takes a few
HINT = "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ "  # the name is free on the public index
SIDS = (f"AI{'0' * 32}", f"EX{'1' * 32}", f"ES{'2' * 32}")
Check: TypeAlias = tuple[str, Callable[[], Iterator[str]]]
"""The name of a check, and what finds its problems."""
# Folders of a tree that are not in git.
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


@dataclass(frozen=True)
class Built:
    """The files of a distribution."""

    distribution: Distribution
    wheel: Path
    sdist: Path


@dataclass(frozen=True)
class Files:
    """All that was built.

    Attributes:
        built: The files of each distribution, in the order of the list; the client's come first.
        bill: The bill of materials.
    """

    built: tuple[Built, ...]
    bill: Path

    @property
    def wheels(self) -> list[Path]:
        """The wheels."""
        return [each.wheel for each in self.built]

    def all(self) -> list[Path]:
        """Return every file."""
        return [
            *(file for each in self.built for file in (each.wheel, each.sdist)),
            self.bill,
        ]


def built_files(dist: Path, version: str, root: Path = ROOT) -> Files:
    """Name the wheels, the sdists and the bill of materials.

    Raises:
        ToolError: A file is missing from dist/, or does not belong there.
    """
    built = tuple(
        Built(
            each,
            dist / f"{each.stem}-{version}-py3-none-any.whl",
            dist / f"{each.stem}-{version}.tar.gz",
        )
        for each in listed_in(root)
    )
    files = Files(built, dist / f"{built[0].distribution.stem}-{version}.cdx.json")
    found = {
        file.name
        for file in dist.glob("*")
        if not release_record.is_companion(file.name)
    }
    expected = {file.name for file in files.all()}
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
        files = [
            (member.name, sdist.extractfile(member)) for member in sdist.getmembers()
        ]
        return {
            name.partition("/")[2]: file.read()
            for name, file in files
            if file is not None
        }


def manifest_problems(names: set[str], patterns: list[str]) -> Iterator[str]:
    """Return the files that are not in the manifest, and its lines that match no file."""

    def matches(name: str, pattern: str) -> bool:
        parts, globs = name.split("/"), pattern.split("/")
        return len(parts) == len(globs) and all(map(fnmatch.fnmatchcase, parts, globs))

    for name in sorted(names):
        if not any(matches(name, pattern) for pattern in patterns):
            yield f"{name} is not in the manifest"
    for pattern in patterns:
        if not any(matches(name, pattern) for name in names):
            yield f"{pattern} is in the manifest, but there is no such file"


def source_of(name: str, distribution: Distribution, root: Path) -> Path | None:
    """Name the source of a file of a wheel; None for files that the build generates."""
    if name in distribution.copied:
        return root / distribution.copied[name]
    if name.endswith(".dist-info/licenses/LICENSE"):
        return root / distribution.folder / "LICENSE"
    folders = {package.name: package.folder for package in distribution.packages}
    top = name.split("/", maxsplit=1)[0]
    return root / folders[top] / name if top in folders else None


def sdist_source_of(name: str, distribution: Distribution, root: Path) -> Path | None:
    """Name the source of a file of an sdist; None for files that the build generates."""
    if name == "PKG-INFO":
        return None
    if name == ".gitignore":  # the backend takes the one that counts for the folder
        return root / name
    return root / distribution.copied.get(name, f"{distribution.folder}/{name}")


def content_problems(
    archive: Path, distribution: Distribution, root: Path
) -> Iterator[str]:
    """Compare a wheel or an sdist with the list of the packages and with the tree."""
    is_wheel = archive.suffix == ".whl"
    find_source = source_of if is_wheel else sdist_source_of
    files = content(archive)
    yield from manifest_problems(
        set(files),
        distribution.wheel_files() if is_wheel else distribution.sdist_files(),
    )
    for name, data in sorted(files.items()):
        source = find_source(name, distribution, root)
        if source and (not source.is_file() or source.read_bytes() != data):
            yield f"{name} differs from {source.relative_to(root)}"
        if str(root).encode() in data:
            yield f"{name} names this machine's folder {root}"


def digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return release_record.sha256(file.read_bytes())


def copy_tree(root: Path, to: Path) -> None:
    """Copy the tree with other permissions and times, and with a stale cache, as on another machine."""
    before = os.umask(0o077)
    try:
        shutil.copytree(root, to, ignore=NOT_SOURCE, copy_function=shutil.copyfile)
        cache = to / "overrides" / "smarterproctoring" / "__pycache__"
        cache.mkdir()
        (cache / "client.cpython-311.pyc").write_bytes(b"junk")
    finally:
        os.umask(before)


def rebuild_problems(root: Path, files: Files) -> Iterator[str]:
    """Build in another folder and compare the bytes; so too for the wheels that are made from the sdists."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = folder / "another" / "tree"
        copy_tree(root, tree)
        pairs: list[tuple[Path, Path]] = []
        for each in files.built:
            build(
                tree / each.distribution.folder, folder / "again", "--wheel", "--sdist"
            )
            build(each.sdist, folder / "from-sdist", "--wheel")
            pairs += [
                (folder / "again" / file.name, file)
                for file in (each.wheel, each.sdist)
            ]
            pairs.append((folder / "from-sdist" / each.wheel.name, each.wheel))
        pairs.append((bill_of_materials(root, folder / "again"), files.bill))
        for made, file in pairs:
            if digest(made) != digest(file):
                yield f"{file.name}: {made.parent.name} gives other bytes ({difference(made, file)})"


def difference(one: Path, other: Path) -> str:
    """Return in which files two archives differ."""
    if one.suffix == ".json":
        return "other packages, or another order"
    first, second = content(one), content(other)
    names = [
        name
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    ]
    return ", ".join(names) or "the same files, packed in another way"


def tool_problems(root: Path, files: Files) -> Iterator[str]:
    """Check the metadata and the wheels with twine, check-wheel-contents and validate-pyproject."""
    commands: list[tuple[str | Path, ...]] = []
    for each in files.built:
        project = root / each.distribution.project
        commands.append((BIN / "twine", "check", "--strict", each.wheel, each.sdist))
        commands.append((BIN / "check-wheel-contents", "--config", project, each.wheel))
        commands.append((BIN / "validate-pyproject", project))
    for command in commands:
        try:
            run(*command, VALIDATE_PYPROJECT_NO_NETWORK="1", NO_COLOR="1")
        except ToolError as error:
            yield str(error)


def bill_problems(bill: Path) -> Iterator[str]:
    """Validate the bill of materials."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - takes seconds, and is needed here only
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(
        bill.read_text(encoding="utf-8")
    )
    if problem is not None:
        yield f"{bill.name} is not valid CycloneDX 1.6: {str(problem).splitlines()[0]}"


# -- installed --------------------------------------------------------------------------------------------------------


def resolve_problems(root: Path) -> Iterator[str]:
    """Resolve all extras together, and so each of them, with the newest of everything, for each Python.

    On the other platforms for the newest Python. Wheels alone count: users of Windows have no compiler.
    """
    with tempfile.TemporaryDirectory() as folder:
        needed = Path(folder) / "needed.in"
        needed.write_text("\n".join(outside_requirements(root)), encoding="utf-8")
        elsewhere = [(PYTHONS[-1], platform) for platform in PLATFORMS[1:]]
        for version, platform in [
            *((each, PLATFORMS[0]) for each in PYTHONS),
            *elsewhere,
        ]:
            try:
                run(
                    BIN / "uv",
                    "pip",
                    "compile",
                    "--quiet",
                    "--only-binary=:all:",
                    "--python-version",
                    version,
                    "--python-platform",
                    platform,
                    needed,
                    **CLEAN,
                )
            except ToolError as error:
                yield f"Python {version} on {platform}: {error}"


def said(*command: str | Path) -> tuple[int, str]:
    """Run a program in an empty environment, outside the tree; return its exit code and output.

    Raises:
        ToolError: It does not end.
    """
    keep = {
        key: os.environ[key]
        for key in ("PATH", "HOME", "TMPDIR", "SYSTEMROOT")
        if key in os.environ
    }
    with tempfile.TemporaryDirectory() as elsewhere:
        try:
            done = subprocess.run(
                command,
                env=keep,
                cwd=elsewhere,
                capture_output=True,
                text=True,
                check=False,
                timeout=LIMIT,
            )
        except subprocess.TimeoutExpired:
            raise ToolError(
                f"{shown(command)}: still running after {LIMIT:g} s; it was ended"
            ) from None
    return done.returncode, (done.stdout + done.stderr).strip()


def shown(command: Sequence[str | Path]) -> str:
    """Return the beginning of a command, without the folders."""
    return " ".join(Path(part).name for part in command[:3])


@dataclass(frozen=True)
class Environment:
    """An environment into which the wheels are installed."""

    folder: Path
    wheels: Sequence[Path]
    version: str

    @property
    def programs(self) -> Path:
        """The folder of its programs."""
        return self.folder / ("Scripts" if sys.platform == "win32" else "bin")

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.programs / "python"

    @property
    def command(self) -> Path:
        """The command line that is installed in it."""
        return self.programs / "smarterproctoring"

    def install(self, chosen: Sequence[str], constraints: Path) -> None:
        """Install the client with some extras; our distributions among them come from the built wheels.

        Raises:
            ToolError: It cannot be installed.
        """
        client = self.wheels[0].resolve()
        # A wheel of the same name may be in the cache, from an earlier build.
        names = [parse_wheel_filename(wheel.name)[0] for wheel in self.wheels]
        fresh = [option for name in names for option in ("--refresh-package", name)]
        folders = dict.fromkeys(wheel.resolve().parent for wheel in self.wheels)
        links = [option for folder in folders for option in ("--find-links", folder)]
        run(BIN / "uv", "pip", "install", "--quiet", "--python", self.python, "--constraint", constraints,
            *fresh, *links, f"{NAME}[{','.join(chosen)}] @ {client.as_uri()}", **CLEAN)  # fmt: skip

    def replace(self, pinned: Path) -> None:
        """Make it hold these dependencies, the wheels, and nothing else.

        Raises:
            ToolError: They cannot be installed.
        """
        with pinned.open("a", encoding="utf-8") as file:
            file.writelines(f"{wheel.resolve().as_uri()}\n" for wheel in self.wheels)
        run(
            BIN / "uv",
            "pip",
            "sync",
            "--quiet",
            "--python",
            self.python,
            pinned,
            **CLEAN,
        )

    def probe(self, distributions: Iterable[Distribution], *more: str) -> Iterator[str]:
        """Run tools/probe_installed.py in the environment."""
        names = [package.name for package in packages_of(distributions)]
        yield from self.expect(
            0,
            "",
            self.python,
            "-I",
            ROOT / "tools" / "probe_installed.py",
            self.version,
            *names,
            *more,
        )

    def expect(self, code: int, words: str, *arguments: str | Path) -> Iterator[str]:
        """Run a program; yield the problems with its exit code and output."""
        got, text = said(*arguments)
        if got != code or words not in text or "Traceback" in text:
            yield f"{shown(arguments)}: exit code {got} instead of {code}, or not {words!r}:\n{text}"


def installed_problems(
    wheels: Sequence[Path], python: str, version: str, root: Path, bounds: bool
) -> Iterator[str]:
    """Install the wheels into an empty environment: bare, then with `[cli]`, then with every extra; try each.

    Args:
        wheels: The built wheels, the client's first.
        python: The interpreter of the environment.
        version: The version that everything has to report.
        root: The tree, for the lock that holds the dependencies to known versions and for the extras.
        bounds: Whether to try the newest and the lowest dependencies afterwards.
    """
    lock = root / "requirements" / "dev.txt"
    with tempfile.TemporaryDirectory() as folder:
        inner = Environment(Path(folder) / "venv", wheels, version)
        run(BIN / "uv", "venv", "--quiet", "--python", python, inner.folder, **CLEAN)
        inner.install([], lock)
        yield from inner.probe(DISTRIBUTIONS[:1])
        yield from inner.expect(
            1, f"{HINT}'smarterproctoring-client[cli]'", inner.command, "--version"
        )
        inner.install(["cli"], lock)
        yield from inner.expect(
            0, f"smarterproctoring, version {version}", inner.command, "--version"
        )
        moved = (inner.command, "reschedule", *SIDS, "--notes", "Moved", "--dry-run")
        yield from inner.expect(0, '"notes": "Moved"', *moved)
        yield from inner.expect(
            1, f"{HINT}'smarterproctoring-client[mock]'", inner.command, "mock"
        )
        yield from inner.expect(
            1, f"{HINT}'smarterproctoring-client[bulk]'", inner.command, "bulk", "run"
        )
        inner.install(extras(root), lock)
        yield from inner.probe(DISTRIBUTIONS, "--call")
        if bounds:
            for resolution in ("highest", "lowest-direct"):
                yield from bounds_problems(inner, resolution)


def requirements(wheels: Iterable[Path]) -> list[Requirement]:
    """Return what some wheels require of others, whatever the extra.

    Raises:
        ToolError: A requirement depends on an extra in a way that is not known here.
    """
    metadata = [
        BytesHeaderParser().parsebytes(data)
        for wheel in wheels
        for name, data in content(wheel).items()
        if name.endswith(".dist-info/METADATA")
    ]
    own = {canonicalize_name(each["Name"]) for each in metadata}
    required = [
        Requirement(text)
        for each in metadata
        for text in each.get_all("Requires-Dist", [])
    ]
    found: dict[str, Requirement] = {}
    for requirement in required:
        if canonicalize_name(requirement.name) in own:
            continue
        if (
            requirement.marker is not None
        ):  # without the extra, but with what is said of the platform
            requirement.marker = _without_extra(str(requirement.marker))
        found[str(requirement)] = requirement
    return list(found.values())


def _without_extra(marker: str) -> Marker | None:
    left = re.sub(r"(^| and )extra == \"[^\"]*\"$", "", marker)
    if "extra" in left:
        raise ToolError(f"cannot tell the extra from the rest of {marker}")
    return Marker(left) if left else None


def bounds_problems(inner: Environment, resolution: str) -> Iterator[str]:
    """Install the newest or the lowest dependencies that the metadata allow, and test the packages.

    Args:
        inner: The environment; what it holds is replaced.
        resolution: `highest` or `lowest-direct`, as uv calls them. With the lowest, each lower bound has to be the
            version that is tried: one that other requirements rule out is a promise that nobody can test.
    """
    asked = inner.folder / f"{resolution}.in"
    pinned = inner.folder / f"{resolution}.txt"
    try:
        wanted = requirements(inner.wheels)
        asked.write_text(
            "".join(f"{requirement}\n" for requirement in wanted), encoding="utf-8"
        )
        run(BIN / "uv", "pip", "compile", "--quiet", "--resolution", resolution, "--python", inner.python, asked,
            "--output-file", pinned, **CLEAN)  # fmt: skip
        inner.replace(pinned)
    except ToolError as error:
        yield f"{resolution}: {error}"
        return
    if resolution == "lowest-direct":
        yield from untried_bounds(wanted, pinned.read_text(encoding="utf-8"))
    for problem in inner.probe(DISTRIBUTIONS, "--call"):
        yield f"with the {resolution} dependencies: {problem}"


def untried_bounds(wanted: Iterable[Requirement], pinned: str) -> Iterator[str]:
    """Return the lower bounds that differ from the chosen lowest versions."""
    chosen = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", pinned))
    for requirement in wanted:
        lowest = chosen.get(canonicalize_name(requirement.name))
        bounds = [
            bound.version
            for bound in requirement.specifier
            if bound.operator in {">=", "==", "~="}
        ]
        if lowest is not None and not any(
            Version(bound) == Version(lowest) for bound in bounds
        ):
            yield f"{requirement}: {lowest} is the lowest that goes with the others; make that its lower bound"


def release_of(python: str) -> tuple[int, ...]:
    """Return the version of an interpreter, such as (3, 11).

    Raises:
        ToolError: It does not run.
    """
    version = run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    return tuple(int(part) for part in version.split("."))


# -- all of it --------------------------------------------------------------------------------------------------------


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="the tree it was built from"
    )
    parser.add_argument(
        "--dist", type=Path, default=ROOT / "dist", help="the built files"
    )
    parser.add_argument(
        "--python", action="append", help="a Python to install into; can be repeated"
    )
    parser.add_argument(
        "--only-install", action="store_true", help="install and try the wheels only"
    )
    arguments = parser.parse_args()
    root: Path = arguments.root.resolve()
    pythons: list[str] = arguments.python or [sys.executable]
    version = version_of(root)
    try:
        files = built_files(arguments.dist.resolve(), version, root)
    except ToolError as error:
        print(f"error: {error}; run: make build", file=sys.stderr)
        return 1
    install = partial(installed_problems, files.wheels, root=root, version=version)
    if arguments.only_install:
        return int(
            failed(
                [
                    (f"installed: {python}", partial(install, python, bounds=False))
                    for python in pythons
                ]
            )
        )
    checks: list[Check] = []
    for each in files.built:
        for kind, archive in (("wheel", each.wheel), ("sdist", each.sdist)):
            compared = partial(content_problems, archive, each.distribution, root)
            checks.append(
                (f"{kind} of {each.distribution.name}: files and bytes", compared)
            )
    checks += [
        (
            "built again elsewhere, and from the sdist: the same bytes",
            lambda: rebuild_problems(root, files),
        ),
        (
            "metadata: twine, check-wheel-contents, validate-pyproject",
            lambda: tool_problems(root, files),
        ),
        ("bill of materials: CycloneDX 1.6", lambda: bill_problems(files.bill)),
        (
            f"extras {', '.join(extras(root))} resolve on {', '.join(PYTHONS)}, and on {', '.join(PLATFORMS[1:])}",
            lambda: resolve_problems(root),
        ),
    ]
    oldest = min(pythons, key=release_of)
    for python in pythons:
        bounds = python == oldest
        also = ", the newest and the lowest" if bounds else ""
        checks.append(
            (
                f"installed with the locked{also} dependencies: {python}",
                partial(install, python, bounds=bounds),
            )
        )
    wrong = failed(checks)
    for file in files.all():
        print(f"{digest(file)}  {file.name}")
    (files.bill.parent / release_record.RECORD).unlink(missing_ok=True)
    if not wrong:
        release_record.write(files.bill.parent, root, version)
    return int(wrong)


def failed(checks: Iterable[Check]) -> bool:
    """Run all checks, print what each found, and tell whether any failed."""
    wrong = False
    for name, check in checks:
        started = time.monotonic()
        try:
            problems = [*check()]
        except ToolError as error:
            problems = [str(error)]
        wrong = wrong or bool(problems)
        print(
            f"{'FAILED' if problems else 'ok':<6}  {name} ({time.monotonic() - started:.1f} s)",
            flush=True,
        )
        for problem in problems:
            print(f"        {problem}", file=sys.stderr, flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
