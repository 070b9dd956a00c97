#!/usr/bin/env python3
"""Copy values that several files repeat: the version, and the licence.

    tools/copies.py            write the copies
    tools/copies.py --check    say which copies are missing or differ; exit code 1 if any does

The version is in pyproject.toml. It is repeated in the pyproject.toml of every other distribution, wherever one of
our distributions requires another, and in the module that the client reads at run time.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from baseline import PROJECT, version_of
from packages import Distribution, listed_in
from redocly import ROOT, ToolError

MODULE = "overrides/smarterproctoring/_version.py"
LICENSE = "LICENSE"


@dataclass(frozen=True)
class Copy:
    """A file, and its required content."""

    name: str
    text: str


def copies(root: Path) -> Iterator[Copy]:
    """Yield every file of a tree that repeats a value, with its required content.

    Raises:
        ToolError: A file has no place for the version.
    """
    version = version_of(root)
    distributions = listed_in(root)
    for distribution in distributions:
        text = read(root, distribution.project)
        if distribution.project != PROJECT:
            text = replaced(
                text, r'(?m)^version = "(.*?)"', version, distribution.project
            )
        yield Copy(distribution.project, with_pins(text, distributions, version))
        if distribution.folder != ".":
            yield Copy(f"{distribution.folder}/{LICENSE}", read(root, LICENSE))
    yield Copy(
        MODULE,
        replaced(
            read(root, MODULE), r'(?m)^VERSION: Final = "(.*?)"$', version, MODULE
        ),
    )


def read(root: Path, name: str) -> str:
    """Read a file of a tree."""
    return (root / name).read_text(encoding="utf-8")


def replaced(text: str, pattern: str, new: str, name: str) -> str:
    """Replace the group of a pattern, which has to match exactly once.

    Raises:
        ToolError: It is not.
    """
    found = list(re.finditer(pattern, text))
    if len(found) != 1:
        raise ToolError(
            f"{name}: {pattern!r} must match once, and matches {len(found)} times"
        )
    start, end = found[0].span(1)
    return text[:start] + new + text[end:]


def with_pins(text: str, distributions: Sequence[Distribution], version: str) -> str:
    """Make every requirement of one of our distributions one of this version."""
    names = "|".join(re.escape(each.name) for each in distributions)
    return re.sub(
        rf'(?m)(?<=")((?:{names})(?:\[[\w,-]+\])?)==[^";]*', rf"\g<1>=={version}", text
    )


def outdated(root: Path) -> list[Copy]:
    """Return the copies that are missing or differ from their source.

    Raises:
        ToolError: A file has no place for the version.
    """

    def differs(copy: Copy) -> bool:
        file = root / copy.name
        return not file.is_file() or file.read_text(encoding="utf-8") != copy.text

    return [copy for copy in copies(root) if differs(copy)]


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree")
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    try:
        found = outdated(arguments.root)
        for copy in found:
            if arguments.check:
                print(
                    f"error: {copy.name} does not repeat {PROJECT} or {LICENSE}; run: make generate",
                    file=sys.stderr,
                )
            else:
                (arguments.root / copy.name).write_text(copy.text, encoding="utf-8")
    except (ToolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return int(arguments.check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
