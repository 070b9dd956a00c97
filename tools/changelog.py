#!/usr/bin/env python3
"""Draft the CHANGELOG entry of this version from what changed since the last release, in the spec and in Python.

    tools/changelog.py [--base TAG]

The draft goes into CHANGELOG.md as a section of its own, for a person to rewrite in words that users understand. If the
version has a section already, the draft is printed and the file is not changed.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import api_diff
import spec_diff
from baseline import SPEC, Report, no_release, version_of
from redocly import ROOT, ToolError

TITLES = {"major": "Breaks", "minor": "New", "patch": "Words"}


def draft(version: str, base: str, spec: Report, api: Report) -> str:
    """Write a section: breaking changes first, changes of the spec before those of Python names."""
    lines = [
        f"## [{version}] - unreleased",
        "",
        f"Draft from what changed since {base}; to be rewritten.",
        "",
    ]
    names = [change for change in api.changes if change.place != api_diff.SPEC_STEP]
    for bump, title in TITLES.items():
        lines += [
            f"- {title}: {change}." for change in spec.changes if change.bump == bump
        ]
        lines += [
            f"- {title} in Python: `{change.place}`: {change.what}."
            for change in names
            if change.bump == bump
        ]
    return (
        "\n".join(
            lines
            if spec.changes or api.changes
            else [*lines, "- No change that callers can see."]
        )
        + "\n"
    )


def insert(changelog: str, section: str, version: str) -> str | None:
    """Put a section above the newest one; None if the version has one already."""
    if re.search(rf"(?m)^## \[{re.escape(version)}\]", changelog):
        return None
    newest = re.search(r"(?m)^## ", changelog)
    at = newest.start() if newest else len(changelog)
    return f"{changelog[:at]}{section}\n{changelog[at:]}"


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--base", metavar="TAG", help="compare with this instead of the last release"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    arguments = parser.parse_args()
    root: Path = arguments.root
    file = root / "CHANGELOG.md"
    try:
        spec = spec_diff.since_release(root, root / SPEC, arguments.base)
        api = api_diff.since_release(root, arguments.base)
        version = version_of(root)
        if spec is None or api is None:
            print(f"{no_release(root)}. Write the entry of the first version yourself.")
            return 0
        section = draft(version, spec.base, spec, api)
        changed = insert(file.read_text(encoding="utf-8"), section, version)
        if changed:
            file.write_text(changed, encoding="utf-8")
    except (ToolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    written = (
        "was written into"
        if changed
        else f"was NOT written: {version} already has an entry in"
    )
    print(f"{section}\nThis draft {written} {file.name}.")
    for report in (spec, api):
        if not report.enough:
            print(f"error: {report.verdict}", file=sys.stderr)
    return 0 if spec.enough and api.enough else 1


if __name__ == "__main__":
    sys.exit(main())
