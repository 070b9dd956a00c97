#!/usr/bin/env python3
"""Compare what callers can name in Python with the last release: both packages, read by griffe, nothing imported.

    tools/api_diff.py                   with the last release's tag
    tools/api_diff.py --base v1.2.0     with this tag (or any revision)
    tools/api_diff.py --json            the same as one JSON object

A name that is gone, a parameter that moved or is newly required: a breaking change, allowed with a major bump only. A
new name or keyword is a minor one. Types and values are not judged here: for what the spec decides, tools/spec_diff.py
judges them.

Exit code 0: the version is high enough, or nothing was released yet. 1: it is too low. 2: it could not be judged.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import griffe
from baseline import SPEC, Change, Report, git, judge, last_release, show
from redocly import ROOT, ToolError

FOLDERS = {"smarterproctoring": "overrides", "smarterproctoring_generated": "generated"}

# Modules that users are told to import from. All else of the hand-written package is reached through the package
# itself; its other modules may change as they like.
PUBLIC_MODULES = {"testing", "bulk"}


def load(root: Path) -> dict[str, griffe.Module]:
    """Read both packages of a tree, each module and name marked as public or not.

    Raises:
        ToolError: A package is not there, is not Python, or names what it does not have.
    """
    loader = griffe.GriffeLoader(search_paths=[root / name for name in FOLDERS.values()], allow_inspection=False)
    packages: dict[str, griffe.Module] = {}
    try:
        for name in FOLDERS:
            package = loader.load(name, try_relative_path=False)
            assert isinstance(package, griffe.Module)
            packages[name] = package
        loader.resolve_aliases(implicit=True, external=False)
        mark_public(packages["smarterproctoring"], loader)
    except (ImportError, SyntaxError, griffe.GriffeError) as error:
        raise ToolError(f"{root}: cannot read {' and '.join(FOLDERS)}: {error}") from None
    return packages


def mark_public(package: griffe.Module, loader: griffe.GriffeLoader) -> None:
    """Mark what the hand-written package gives away, the keywords of its functions included."""
    for name, member in package.members.items():
        if member.is_alias:  # `from … import X as X`
            member.public = not name.startswith("_")
        elif member.is_module:
            member.public = name in PUBLIC_MODULES
    # `**settings: Unpack[Settings]` makes every key of Settings a keyword.
    for keywords in sorted(set(unpacked(package, loader)), key=lambda found: found.path):
        if keywords.name not in package.members:
            package.set_member(keywords.name, griffe.Alias(keywords.name, keywords))
            package.members[keywords.name].public = True


def unpacked(package: griffe.Module, loader: griffe.GriffeLoader) -> Iterator[griffe.Class]:
    """Yield the TypedDicts of a package whose keys are keywords of its public functions."""
    notes = (parameter.annotation for _, member in surface(package) for parameter in parameters(member))
    for note in notes:
        if isinstance(note, griffe.ExprSubscript) and note.canonical_path.endswith(".Unpack"):
            path = note.slice.canonical_path if isinstance(note.slice, griffe.Expr) else note.slice
            if path.split(".")[0] == package.name:  # the other package is compared as it is
                found = loader.modules_collection[path]
                yield found.final_target if found.is_alias else found


def parameters(member: griffe.Object | griffe.Alias) -> list[griffe.Parameter]:
    """Return what a caller passes to a function; nothing for anything else."""
    found = member.final_target if isinstance(member, griffe.Alias) else member
    return [p for p in found.parameters if p.name not in {"self", "cls"}] if isinstance(found, griffe.Function) else []


def surface(module: griffe.Object | griffe.Alias) -> Iterator[tuple[str, griffe.Object | griffe.Alias]]:
    """Yield every public name below a module or class, with what it names."""
    for name, member in sorted(module.all_members.items()):
        if member.is_public:
            yield f"{module.path}.{name}", member
            if member.is_module or member.is_class:
                yield from surface(member)


def names(package: griffe.Module) -> dict[str, str]:
    """Return every public name and keyword: where it is defined -> what its users call it.

    A name that many classes inherit counts once, as that of the class that defines it.
    """
    found: dict[str, str] = {}
    for path, member in surface(package):
        for keyword in ("", *(f"({each.name})" for each in parameters(member))):
            if f"{member.canonical_path}{keyword}" not in found or not member.inherited:
                found[f"{member.canonical_path}{keyword}"] = f"{path}{keyword}"
    return found


def compare(base: Path, revision: Path) -> list[Change]:
    """List what changed between the packages of two trees.

    Raises:
        ToolError: A package cannot be read.
    """
    before, now = load(base), load(revision)
    changes: list[Change] = []
    for name in FOLDERS:
        old, new = names(before[name]), names(now[name])
        for breakage in griffe.find_breaking_changes(before[name], now[name]):
            # Values follow the spec, and the spec's diff judges them.
            if breakage.kind is not griffe.BreakageKind.ATTRIBUTE_CHANGED_VALUE:
                parameter = breakage.new_value if breakage.old_value is None else breakage.old_value
                keyword = f"({parameter.name})" if isinstance(parameter, griffe.Parameter) else ""
                where = breakage.obj.canonical_path
                details = f" ({breakage.details})" if breakage.details else ""
                called = old.get(where) or new.get(where) or where
                changes.append(Change("major", called + keyword, f"{breakage.kind.value}{details}"))
        added = {new[where] for where in new.keys() - old.keys()}
        # What a new class or module brings along goes without saying.
        changes += [Change("minor", path, "added") for path in added if not {*parents(path)} & added]
    return list(dict.fromkeys(changes))


def parents(path: str) -> Iterator[str]:
    """Yield what a name stands in: `a.b.c(d)` stands in `a.b.c`, `a.b` and `a`."""
    yield from (path[: found.start()] for found in re.finditer(r"[.(]", path))


def since_release(root: Path, base: str | None) -> Report | None:
    """Compare a checkout with a release, by default the last one; None if there is none yet.

    Raises:
        ToolError: There is no such revision, or a package cannot be read.
    """
    base = base or last_release(root)
    if base is None:
        return None
    spec = git(root, "show", f"{base}:{SPEC}")
    archive = subprocess.run(["git", "-C", root, "archive", base, *FOLDERS.values()], capture_output=True, check=False)
    if archive.returncode:
        raise ToolError(f"git archive {base}: {archive.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
        return judge(compare(Path(folder), root), base, spec, (root / SPEC).read_text(encoding="utf-8"))


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", metavar="TAG", help="compare with this instead of the last release")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        report = since_release(arguments.root, arguments.base)
    except (ToolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return show("Python API", report, arguments.root, as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
