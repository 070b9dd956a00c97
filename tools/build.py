#!/usr/bin/env python3
"""Build each distribution's wheel and sdist, and the bill of materials of their dependencies.

    tools/build.py [--out dist]

The same tree gives the same bytes, in any folder, with any umask, at any time. The folder then holds these files
and nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from baseline import version_of
from packages import CLIENT, extras_of, listed_in, outside_requirements
from packaging.utils import canonicalize_name
from redocly import ROOT, ToolError

BIN = Path(sys.executable).parent
NAME = CLIENT.name
ARCHIVES = (".whl", ".tar.gz")
# Times in the archives come from hatchling's own constant, and none is written into the bill of materials.
# A missing Python is not downloaded.
ENVIRONMENT = {
    key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"
}
ENVIRONMENT["UV_PYTHON_DOWNLOADS"] = "never"


def run(*command: str | Path, **environment: str) -> str:
    """Run a program, and return what it prints.

    Raises:
        ToolError: It failed; the text is its output.
    """
    done = subprocess.run(
        command,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
        cwd=tempfile.gettempdir(),
    )
    if done.returncode:
        raise ToolError(
            f"{Path(command[0]).name} {command[1]} failed:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def extras(root: Path) -> list[str]:
    """Name the extras of the client."""
    return sorted(extras_of(root, listed_in(root)[0]))


def build(source: Path, out: Path, *kinds: str) -> None:
    """Build from a tree, or a wheel from an sdist, with the backend that is locked in this environment.

    Args:
        source: The tree, or the sdist.
        out: The output folder.
        *kinds: `--wheel`, `--sdist` or both; with both the wheel is made from the sdist.
    """
    run(
        BIN / "uv",
        "build",
        *kinds,
        "--no-build-isolation",
        "--python",
        sys.executable,
        "--out-dir",
        out,
        source,
    )
    (out / ".gitignore").unlink(missing_ok=True)  # uv's; dist/ is ignored by our own


def bill_of_materials(root: Path, out: Path) -> Path:
    """Write the CycloneDX bill of materials: what all distributions need in all extras, at the versions of the lock.

    It has the hashes of our own files (of the wheels and the sdists in `out`, and of each file in a wheel), and of
    every component those that the lock accepts for its version: one for each of its published files.

    Which packages those are depends on the platform (uvloop is not for Windows), so it is that of the build machine.
    tools/check_package.py validates the finished document against its standard.
    """
    version = version_of(root)
    file = out / f"{NAME.replace('-', '_')}-{version}.cdx.json"
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        run(BIN / "uv", "venv", "--quiet", "--python", sys.executable, venv)
        lock = root / "requirements" / "dev.txt"
        needed = Path(folder) / "needed.txt"
        needed.write_text("\n".join(outside_requirements(root)), encoding="utf-8")
        run(BIN / "uv", "pip", "install", "--quiet", "--python", venv, "--constraint", lock,
            "--requirement", needed)  # fmt: skip
        made = run(BIN / "cyclonedx-py", "environment", venv, "--pyproject", root / "pyproject.toml", "--no-validate",
                   "--mc-type", "library", "--output-reproducible", "--spec-version", "1.6")  # fmt: skip
    document: dict[str, Any] = json.loads(made)
    document["metadata"]["component"] |= {
        "version": version,
        "purl": f"pkg:pypi/{NAME}@{version}",
        "components": [
            described(archive)
            for archive in sorted(out.iterdir())
            if archive.name.endswith(ARCHIVES)
        ],
    }
    add_hashes(document, lock.read_text(encoding="utf-8"))
    file.write_text(
        json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    return file


def described(archive: Path) -> dict[str, Any]:
    """Describe a built file with its hash; a wheel with the files in it."""
    component = file_component(archive.name, archive.read_bytes())
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            names = sorted(name for name in wheel.namelist() if not name.endswith("/"))
            component["components"] = [
                file_component(name, wheel.read(name)) for name in names
            ]
    return component


def file_component(name: str, content: bytes) -> dict[str, Any]:
    """Describe one file for the bill of materials."""
    return {
        "type": "file",
        "name": name,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}],
    }


def locked_hashes(lock: str) -> dict[tuple[str, str], list[str]]:
    """Read a lock: the SHA-256 of each file that it accepts, by the package's normalized name and version."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in re.finditer(
        r"(?m)^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?P<rest>.*(?:\n[ ].*)*)", lock
    ):
        digests = re.findall(r"--hash=sha256:([0-9a-f]{64})", entry["rest"])
        found[canonicalize_name(entry["name"]), entry["version"]] = sorted(digests)
    return found


def add_hashes(document: dict[str, Any], lock: str) -> None:
    """Give every component of a bill the hashes that the lock accepts for it.

    Raises:
        ToolError: A component is not in the lock.
    """
    known = locked_hashes(lock)
    for component in document["components"]:
        digests = known.get(
            (canonicalize_name(component["name"]), component["version"])
        )
        if not digests:
            raise ToolError(
                f"{component['name']} {component['version']} is needed and is not in requirements/dev.txt with hashes, "
                "so the bill of materials cannot have them; run: make lock"
            )
        component["hashes"] = [
            {"alg": "SHA-256", "content": digest} for digest in digests
        ]


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to build")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "dist", help="replaced whole"
    )
    arguments = parser.parse_args()
    out: Path = arguments.out.resolve()
    try:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "dist"
            root: Path = arguments.root.resolve()
            for distribution in listed_in(root):
                build(root / distribution.folder, made, "--wheel", "--sdist")
            bill_of_materials(root, made)
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(made, out)
    except (ToolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for file in sorted(out.iterdir()):
        print(f"{file.stat().st_size:>8}  {file.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
