#!/usr/bin/env python3
"""Compare the sizes of the hand-written packages and of the wheels with those in tools/sizes.toml.

    tools/check_sizes.py [--write]

A size above the recorded one fails, and so does one far below it, so that every change of size is reviewed.
`--write` records the sizes of today, rounded up, so that a small change needs no new record.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from build import build
from packages import DISTRIBUTIONS, PACKAGES
from redocly import ROOT, ToolError

RECORD = "tools/sizes.toml"
DERIVED = "_sync"
"""Modules in folders of this name are generated, and do not count."""
TOOL_OUTPUT = "generated"
HEAD = f"""\
# The largest sizes that CI accepts; `make check-sizes` compares. To raise them in the same
# change, so that a review sees it: make check-sizes ARGS=--write
#
# lines: of the hand-written modules of a package ({DERIVED}/ is generated from _async/, and does not count)
# bytes: of a wheel
"""


@dataclass(frozen=True)
class Unit:
    """What sizes are counted in.

    Attributes:
        name: The section of the record.
        step: What `--write` rounds up to.
    """

    name: str
    step: int

    def rounded(self, size: int) -> int:
        """Return a size, rounded up to whole steps."""
        return -(-size // self.step) * self.step


LINES = Unit("lines", 50)
BYTES = Unit("bytes", 5_000)
UNITS = (LINES, BYTES)
Sizes = Mapping[str, Mapping[str, int]]
"""Name of a unit -> name of a package or distribution -> its size."""


def lines_of(package: Path) -> int:
    """Count the lines of the modules of a package that people write."""
    modules = [file for file in package.rglob("*.py") if DERIVED not in file.parts]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in modules)


def measured() -> Sizes:
    """Measure the packages and the wheels of this tree.

    Raises:
        ToolError: A wheel cannot be built.
    """
    written = [package for package in PACKAGES if package.folder != TOOL_OUTPUT]
    lines = {
        package.name: lines_of(ROOT / package.folder / package.name)
        for package in written
    }
    wheels: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for distribution in DISTRIBUTIONS:
            out = Path(folder) / distribution.name
            build(ROOT / distribution.folder, out, "--wheel")
            (wheel,) = out.glob("*.whl")
            wheels[distribution.name] = wheel.stat().st_size
    return {LINES.name: lines, BYTES.name: wheels}


def recorded(text: str) -> Sizes:
    """Read the record.

    Raises:
        ToolError: It is not valid.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ToolError(f"{RECORD}: {error}") from None
    for unit, sizes in content.items():
        if not isinstance(sizes, dict) or not all(
            isinstance(size, int) for size in sizes.values()
        ):
            raise ToolError(f"{RECORD}: [{unit}] must be a table of whole numbers")
    return content


def problems(now: Sizes, limits: Sizes) -> Iterator[str]:
    """Return the sizes that the record does not allow."""
    for unit in UNITS:
        allowed = limits.get(unit.name, {})
        found = now[unit.name]
        for name in sorted(found.keys() | allowed.keys()):
            if name not in found:
                yield f"{name} is recorded, but no longer exists"
            elif name not in allowed:
                yield f"{name} is not recorded: {found[name]} {unit.name}"
            elif found[name] > allowed[name]:
                yield f"{name} has {found[name]} {unit.name}; the limit is {allowed[name]}"
            elif found[name] < allowed[name] - 2 * unit.step:
                yield f"{name} has {found[name]} {unit.name} only; lower the limit of {allowed[name]}"


def record(now: Sizes) -> str:
    """Return the text of a record of some sizes."""
    text = HEAD
    for unit in UNITS:
        entries = [
            f"{name} = {unit.rounded(size)}\n" for name, size in now[unit.name].items()
        ]
        text += f"\n[{unit.name}]\n{''.join(entries)}"
    return text


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--write", action="store_true", help="record the sizes of today"
    )
    arguments = parser.parse_args()
    file = ROOT / RECORD
    try:
        now = measured()
        if arguments.write:
            file.write_text(record(now), encoding="utf-8")
        found = list(problems(now, recorded(file.read_text(encoding="utf-8"))))
    except (ToolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    if found:
        print(
            f"To change {RECORD}: make check-sizes ARGS=--write; say why in the review.",
            file=sys.stderr,
        )
        return 1
    sizes = [
        f"{name} {size:,} {unit.name}"
        for unit in UNITS
        for name, size in now[unit.name].items()
    ]
    print("sizes are within tools/sizes.toml: " + ", ".join(sizes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
