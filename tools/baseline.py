"""The last release, with which the gates compare, and the judgement of version numbers.

There are two versions. The package's, which all distributions share, is in pyproject.toml and names the release tags.
The OpenAPI document's is in the document.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from packages import listed_in, shipped_paths
from redocly import ToolError

SPEC = "openapi/smarterproctoring.yaml"
PROJECT = "pyproject.toml"
SPEC_VERSION = "info.version"
PACKAGE_VERSION = f"the version in {PROJECT}"
BUMPS = ("none", "patch", "minor", "major")  # in rising order


class Change(NamedTuple):
    """One change: the bump that it needs, its place, a description, and why redocly's rating is not enough."""

    bump: str
    place: str
    what: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f" ({self.why})" if self.why else "")


class Report(NamedTuple):
    """The changes since a release, and whether the version was raised enough."""

    base: str
    base_version: str
    version: str
    bump: str
    enough: bool
    verdict: str
    changes: list[Change]


class Version(NamedTuple):
    """A version of the package or of the spec."""

    major: int
    minor: int
    patch: int

    @classmethod
    def read(cls, text: str) -> Version:
        """Read MAJOR.MINOR.PATCH.

        Raises:
            ToolError: The text is something else.
        """
        found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", text)
        if not found:
            raise ToolError(
                f"version {text!r} is not MAJOR.MINOR.PATCH, so no bump can be judged"
            )
        return cls(*map(int, found.groups()))

    def after(self, bump: str) -> Version:
        """Return the lowest version that a bump allows."""
        return {
            "none": self,
            "patch": Version(self.major, self.minor, self.patch + 1),
            "minor": Version(self.major, self.minor + 1, 0),
            "major": Version(self.major + 1, 0, 0),
        }[bump]

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def spec_version(text: str) -> str:
    """Read `info.version` of a spec.

    Raises:
        ToolError: It has none.
    """
    found = re.search(r"(?m)^  version: (?P<version>\S+)$", text)
    if not found:
        raise ToolError("the spec has no line `  version: X.Y.Z` under info")
    return found["version"]


def package_version(text: str) -> str:
    """Read the version of the package out of a pyproject.toml.

    Raises:
        ToolError: It has none.
    """
    try:
        project: dict[str, Any] = tomllib.loads(text).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise ToolError(f"{PROJECT}: {error}") from None
    version = project.get("version")
    if not isinstance(version, str):
        raise ToolError(f'{PROJECT} has no line `version = "X.Y.Z"` under [project]')
    return version


def version_of(root: Path) -> str:
    """Read the version of the package that a tree holds.

    Raises:
        ToolError: It names none.
    """
    return package_version((root / PROJECT).read_text(encoding="utf-8"))


def higher(*bumps: str) -> str:
    """Return the highest of some bumps."""
    return max(("none", *bumps), key=BUMPS.index)


def git(root: Path, *arguments: str) -> str:
    """Run git in a folder and return what it prints.

    Raises:
        ToolError: git failed; the text is its message.
    """
    done = subprocess.run(
        ["git", "-C", root, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ToolError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def is_checkout(root: Path) -> bool:
    """Tell whether a folder is the top of a git checkout, and not an unpacked archive inside another project."""
    try:
        return Path(git(root, "rev-parse", "--show-toplevel").strip()) == root.resolve()
    except (ToolError, FileNotFoundError):
        return False


def last_release(root: Path) -> str | None:
    """Return the tag of the release to compare with: the newest one below HEAD that differs from this checkout.

    The tag of this very checkout is skipped, so that a release is compared with the one before it.

    Returns:
        The tag, such as `v1.0.0`; None if nothing was released yet, or the folder is not a git checkout.

    Raises:
        ToolError: The clone is shallow, so that its tags cannot be trusted to be all there are; or the list of packages
            cannot be read.
    """
    if not is_checkout(root):
        return None
    tags = git(root, "tag", "--merged", "HEAD", "--list", "v*").split()
    released = {
        tag: Version.read(tag[1:])
        for tag in tags
        if re.fullmatch(r"v\d+\.\d+\.\d+", tag)
    }
    shipped = shipped_paths(listed_in(root))
    present = [name for name in shipped if (root / name).exists()]
    for tag in sorted(released, key=lambda name: released[name], reverse=True):
        untracked = git(
            root, "ls-files", "--others", "--exclude-standard", "--", *present
        )
        if untracked or git(root, "diff", "--name-only", tag, "--", *shipped):
            return tag
    if git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise ToolError(
            "this clone is shallow, so the last release may be missing; run: git fetch --unshallow --tags"
        )
    return None


def no_release(root: Path) -> str:
    """Return why there is nothing to compare with."""
    if not is_checkout(root):
        return f"{root} is not a git checkout, so no release is known: nothing to compare with"
    return "no earlier release (no tag vX.Y.Z below HEAD that differs): nothing to compare with"


def step(before: str, now: str) -> str:
    """Name the part of a version that was raised: a bump, or none.

    Raises:
        ToolError: A version is not MAJOR.MINOR.PATCH.
    """
    old = Version.read(before)
    new = Version.read(now)
    raised = [bump for bump in BUMPS if bump != "none" and new >= old.after(bump)]
    return higher(*raised)


def judge(
    changes: list[Change], base_name: str, before: str, now: str, what: str
) -> Report:
    """Judge a version by the changes since another one.

    Args:
        changes: All changes, in any order.
        base_name: What the older state is called, such as a tag.
        before: The older version.
        now: The newer version.
        what: What people call the version, such as `info.version`.

    Raises:
        ToolError: A version is not MAJOR.MINOR.PATCH.
    """
    bump = higher(*(change.bump for change in changes))
    least = Version.read(before).after(bump)
    enough = Version.read(now) >= least
    verdict = f"{what} is {now}, which is high enough: {bump} after {before}"
    if not enough:
        verdict = f"{what} is {now}, but these changes need a {bump} bump: {least} or higher after {before}"
    ordered = sorted(
        changes, key=lambda change: (-BUMPS.index(change.bump), change.place)
    )
    return Report(base_name, before, now, bump, enough, verdict, ordered)


def show(subject: str, report: Report | None, root: Path, *, as_json: bool) -> int:
    """Print a report, or that there is none because nothing was released; return the exit code."""
    if as_json:
        nothing: dict[str, Any] = {
            "base": None,
            "bump": "none",
            "enough": True,
            "verdict": no_release(root),
            "changes": [],
        }
        changes = [change._asdict() for change in report.changes] if report else []
        print(
            json.dumps(
                {**report._asdict(), "changes": changes} if report else nothing,
                indent=2,
            )
        )
    elif report is None:
        print(no_release(root))
    else:
        print(
            f"{subject} since {report.base}: {len(report.changes) or 'no'} change{'s'[: len(report.changes) != 1]}"
        )
        for change in report.changes:
            print(f"  {change.bump:<5}  {change}")
        sys.stdout.flush()
        print(
            *([] if report.enough else ["error:"]),
            report.verdict,
            file=sys.stdout if report.enough else sys.stderr,
        )
    return 0 if report is None or report.enough else 1
