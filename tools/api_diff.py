#!/usr/bin/env python3
"""Compare the public Python API of every shipped package with the last release (griffe reads it without importing).

    tools/api_diff.py                   with the last release's tag
    tools/api_diff.py --base v1.2.0     with this tag (or any revision)
    tools/api_diff.py --json            the same as one JSON object

tools/packages.toml says which modules users import from; their names are what is compared. A name that is removed or no
longer public, and a parameter that moved or is newly required, are breaking changes, which need a major bump. A new
name or keyword needs a minor one. Types and values are not judged here: for what the spec decides, tools/spec_diff.py
judges them, and the package's version has to go up as far as the spec's did.

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
from collections.abc import Iterator, Sequence
from pathlib import Path

import griffe
from baseline import (
    PACKAGE_VERSION,
    PROJECT,
    SPEC,
    SPEC_VERSION,
    Change,
    Report,
    git,
    judge,
    last_release,
    package_version,
    show,
    spec_version,
    step,
    version_of,
)
from packages import ITSELF, LIST, PACKAGES, Package, listed_in, packages_of, read
from redocly import ROOT, ToolError

SPEC_STEP = f"{SPEC_VERSION} of the spec"


def load(root: Path, shipped: Sequence[Package] = PACKAGES) -> dict[str, griffe.Module]:
    """Read the packages of a tree and mark each module and name as public or not.

    Args:
        root: The tree.
        shipped: The packages in it. One without a public module is read, because others may export its names, but
            not returned.

    Returns:
        The packages by name.

    Raises:
        ToolError: A package is missing, is not valid Python, or exports a name that it does not define.
    """
    loader = griffe.GriffeLoader(
        search_paths=[root / each.folder for each in shipped], allow_inspection=False
    )
    packages: dict[str, griffe.Module] = {}
    try:
        for each in shipped:
            package = loader.load(each.name, try_relative_path=False)
            assert isinstance(package, griffe.Module)
            packages[each.name] = package
        loader.resolve_aliases(implicit=True, external=False)
        ours = {each.name for each in shipped}
        for each in shipped:
            mark_public(packages[each.name], each, ours)
        for package in packages.values():
            mark_keywords(package, loader)
    except (ImportError, SyntaxError, griffe.GriffeError) as error:
        names = ", ".join(each.name for each in shipped)
        raise ToolError(f"{root}: cannot read {names}: {error}") from None
    return {each.name: packages[each.name] for each in shipped if each.public}


def mark_public(package: griffe.Module, listed: Package, ours: set[str]) -> None:
    """Mark the public modules of a package, and what users import from the package itself.

    Args:
        package: The package.
        listed: What is said of it in the list of packages.
        ours: The names of all shipped packages.
    """
    _mark_modules(package, listed)
    if listed.is_public(ITSELF) and not package.exports:
        # What a package imports of ours without an `__all__`, users import from it.
        for name, member in package.members.items():
            if isinstance(member, griffe.Alias):
                is_ours = member.target_path.partition(".")[0] in ours
                member.public = is_ours and not name.startswith("_")


def mark_keywords(package: griffe.Module, loader: griffe.GriffeLoader) -> None:
    """Mark the keywords of a package's public functions, in every package that may define them.

    `**settings: Unpack[Settings]` makes every key of Settings a keyword, wherever Settings is.
    """
    for keywords in sorted(
        set(unpacked(package, loader)), key=lambda found: found.path
    ):
        if keywords.name not in package.members and not _shown(keywords):
            package.set_member(keywords.name, griffe.Alias(keywords.name, keywords))
            package.members[keywords.name].public = True


def _mark_modules(module: griffe.Module, listed: Package) -> bool:
    """Mark a module and those below it; return whether any of them is public."""
    name = module.path.partition(".")[2] or ITSELF
    own = listed.is_public(name)
    inner = [
        member
        for member in module.members.values()
        if isinstance(member, griffe.Module)
    ]
    below = [_mark_modules(each, listed) for each in inner]
    module.public = own or any(below)
    if not own:  # only the way to a public module leads through it
        for member in module.members.values():
            if member.is_alias or not member.is_module:
                member.public = False
    return module.public


def _shown(member: griffe.Object) -> bool:
    """Tell whether the module of a name is public, so that the name is compared where it is."""
    module: griffe.Object | None = member.module
    while module is not None:
        if not module.public:
            return False
        module = module.parent
    return True


def unpacked(
    package: griffe.Module, loader: griffe.GriffeLoader
) -> Iterator[griffe.Class]:
    """Yield the TypedDicts of our packages whose keys are keywords of a package's public functions."""
    notes = (
        parameter.annotation
        for _, member in surface(package)
        for parameter in parameters(member)
    )
    for note in notes:
        if isinstance(note, griffe.ExprSubscript) and note.canonical_path.endswith(
            ".Unpack"
        ):
            path = (
                note.slice.canonical_path
                if isinstance(note.slice, griffe.Expr)
                else note.slice
            )
            if path.split(".")[0] in loader.modules_collection:
                found = loader.modules_collection[path]
                yield found.final_target if found.is_alias else found


def parameters(member: griffe.Object | griffe.Alias) -> list[griffe.Parameter]:
    """Return the parameters of a function; an empty list for anything else."""
    found = member.final_target if isinstance(member, griffe.Alias) else member
    return (
        [p for p in found.parameters if p.name not in {"self", "cls"}]
        if isinstance(found, griffe.Function)
        else []
    )


def surface(
    module: griffe.Object | griffe.Alias,
) -> Iterator[tuple[str, griffe.Object | griffe.Alias]]:
    """Yield every public name below a module or class, with what it names."""
    for name, member in sorted(module.all_members.items()):
        if member.is_public:
            yield f"{module.path}.{name}", member
            if isinstance(member, griffe.Module) or member.is_class:
                yield from surface(member)


def names(package: griffe.Module) -> dict[str, str]:
    """Return every public name and keyword: where it is defined -> its public name.

    A name that many classes inherit counts once, as that of the class that defines it.
    """
    found: dict[str, str] = {}
    for path, member in surface(package):
        for keyword in ("", *(f"({each.name})" for each in parameters(member))):
            if f"{member.canonical_path}{keyword}" not in found or not member.inherited:
                found[f"{member.canonical_path}{keyword}"] = f"{path}{keyword}"
    return found


def compare(
    base: Path,
    revision: Path,
    shipped_before: Sequence[Package] = PACKAGES,
    shipped_now: Sequence[Package] = PACKAGES,
) -> list[Change]:
    """List what changed between the packages of two trees.

    Args:
        base: The older tree.
        revision: The newer one.
        shipped_before: The packages of the older tree.
        shipped_now: The packages of the newer one.

    Raises:
        ToolError: A package cannot be read.
    """
    before = load(base, shipped_before)
    now = load(revision, shipped_now)
    changes: list[Change] = []
    for name in dict.fromkeys([*before, *now]):
        if name not in now:
            changes.append(
                Change(
                    "major", name, "is not shipped any more, or has no public module"
                )
            )
        elif name not in before:
            changes.append(Change("minor", name, "added"))
        else:
            changes += changes_of(before[name], now[name])
    return list(dict.fromkeys(changes))


def changes_of(before: griffe.Module, now: griffe.Module) -> Iterator[Change]:
    """Yield what changed in a package."""
    old = names(before)
    new = names(now)
    gone: set[str] = set()
    for breakage in griffe.find_breaking_changes(before, now):
        # Values follow the spec, and the spec's diff judges them.
        if breakage.kind is not griffe.BreakageKind.ATTRIBUTE_CHANGED_VALUE:
            parameter = (
                breakage.new_value if breakage.old_value is None else breakage.old_value
            )
            keyword = (
                f"({parameter.name})" if isinstance(parameter, griffe.Parameter) else ""
            )
            where = breakage.obj.canonical_path
            details = f" ({breakage.details})" if breakage.details else ""
            called = old.get(where) or new.get(where) or where
            if breakage.kind is griffe.BreakageKind.OBJECT_REMOVED:
                gone.add(called)
            yield Change("major", called + keyword, f"{breakage.kind.value}{details}")
    # A name that is still there but no longer public counts as removed.
    left = {path for path, _ in surface(now)}
    hidden = {
        path for path in old.values() if "(" not in path and path not in left
    } - gone
    for path in hidden:
        if not {*parents(path)} & (hidden | gone):
            yield Change("major", path, "is not public any more")
    added = {new[where] for where in new.keys() - old.keys()}
    for path in added:
        # The members of a new class or module are not listed.
        if not {*parents(path)} & added:
            yield Change("minor", path, "added")


def parents(path: str) -> Iterator[str]:
    """Yield the parents of a name: for `a.b.c(d)` these are `a.b.c`, `a.b` and `a`."""
    yield from (path[: found.start()] for found in re.finditer(r"[.(]", path))


def since_release(root: Path, base: str | None) -> Report | None:
    """Compare a checkout with a release, by default the last one; None if there is none yet.

    Raises:
        ToolError: There is no such revision, or a package cannot be read.
    """
    base = base or last_release(root)
    if base is None:
        return None
    shipped_before = shipped_at(root, base)
    folders = dict.fromkeys(each.folder for each in shipped_before)
    archive = subprocess.run(
        ["git", "-C", root, "archive", base, *folders], capture_output=True, check=False
    )
    if archive.returncode:
        raise ToolError(f"git archive {base}: {archive.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
        changes = compare(
            Path(folder), root, shipped_before, packages_of(listed_in(root))
        )
    changes += spec_step(root, base)
    before = package_version(git(root, "show", f"{base}:{PROJECT}"))
    return judge(changes, base, before, version_of(root), PACKAGE_VERSION)


def spec_step(root: Path, base: str) -> Iterator[Change]:
    """Yield a change if the spec's version was raised, because the package follows the spec.

    Raises:
        ToolError: There is no such revision, or a spec has no version.
    """
    before = spec_version(git(root, "show", f"{base}:{SPEC}"))
    now = spec_version((root / SPEC).read_text(encoding="utf-8"))
    bump = step(before, now)
    if bump != "none":
        yield Change(bump, SPEC_STEP, f"{before} is now {now}")


def shipped_at(root: Path, base: str) -> list[Package]:
    """Return the packages that a revision shipped; if it has no list of them, those of today's that it has.

    Raises:
        ToolError: There is no such revision, or its list cannot be read.
    """
    if git(root, "ls-tree", "--name-only", base, "--", LIST):
        return [
            *packages_of(read(git(root, "show", f"{base}:{LIST}"), f"{base}:{LIST}"))
        ]
    today = packages_of(listed_in(root))
    return [
        each
        for each in today
        if git(root, "ls-tree", "--name-only", base, "--", f"{each.folder}/{each.name}")
    ]


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--base", metavar="TAG", help="compare with this instead of the last release"
    )
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
