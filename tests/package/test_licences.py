"""The page of licences has a row for every package that an installation brings, and says what its metadata say."""

from __future__ import annotations

import importlib.metadata
import re

import pytest
from packages import CLIENT, DISTRIBUTIONS, extras_of
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from redocly import ROOT

pytestmark = pytest.mark.tooling
PAGE = ROOT / "docs" / "reference" / "licences.md"
OWN = {each.name for each in DISTRIBUTIONS}
PLATFORMS = (
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
)
NOT_HERE = {"colorama": "BSD-3-Clause", "pywin32-ctypes": "BSD-3-Clause"}
"""Of packages that this platform does not install: their licence, as their metadata say it."""
CLASSIFIED = {"MIT License": "MIT", "Apache Software License": "Apache-2.0"}


def needed(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Tell whether a package with some extras needs another, on any platform and any supported Python."""
    if requirement.marker is None:
        return True
    environments = [
        {**platform, "extra": extra, "python_version": version, "python_full_version": f"{version}.0"}
        for platform in PLATFORMS
        for extra in extras | {""}
        for version in ("3.11", "3.14")
    ]
    return any(requirement.marker.evaluate(environment) for environment in environments)


def brought(name: str, extras: frozenset[str], found: set[tuple[str, frozenset[str]]]) -> None:
    """Add a package with some extras, and everything that it brings."""
    name = canonicalize_name(name)
    if (name, extras) in found:
        return
    found.add((name, extras))
    if name in NOT_HERE:
        return
    for text in importlib.metadata.requires(name) or ():
        requirement = Requirement(text)
        if needed(requirement, extras):
            brought(requirement.name, frozenset(requirement.extras), found)


def installed_by(extra: str) -> set[str]:
    """Return the packages of others that the client with an extra brings; the empty extra is the client alone."""
    found: set[tuple[str, frozenset[str]]] = set()
    brought(CLIENT.name, frozenset({extra}) - {""}, found)
    return {name for name, _ in found} - OWN


def licence(name: str) -> str:
    """Return the licence of an installed package, as its metadata say it."""
    if name in NOT_HERE:
        return NOT_HERE[name]
    metadata = importlib.metadata.metadata(name)
    stated = next((metadata[key] for key in ("License-Expression", "License") if key in metadata), "")
    if not stated:
        classified = (each for each in metadata.get_all("Classifier") or () if each.startswith("License :: OSI"))
        stated = next(classified, "").rpartition(" :: ")[2]
    return CLASSIFIED.get(stated, stated)


def rows() -> dict[str, tuple[str, str]]:
    """Return the licence, and what brings it, of each package on the page."""
    found = re.findall(r"(?m)^\| ([a-z0-9-]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text())
    return {name: (stated, extras) for name, stated, extras in found if name != "package"}


def expected() -> dict[str, tuple[str, str]]:
    alone = installed_by("")
    brings = {extra: installed_by(extra) - alone for extra in sorted(extras_of(ROOT, CLIENT))}
    wanted = dict.fromkeys(alone, "the client")
    for name in sorted(set[str]().union(*brings.values())):
        wanted[name] = ", ".join(f"`[{extra}]`" for extra, names in brings.items() if name in names)
    return {name: (licence(name), extras) for name, extras in sorted(wanted.items())}


def test_each_dependency_has_its_row() -> None:
    table = "".join(f"| {name} | {stated} | {extras} |\n" for name, (stated, extras) in expected().items())
    assert rows() == expected(), f"the table of {PAGE.name} has to be:\n{table}"


def test_the_rows_are_sorted() -> None:
    assert list(rows()) == sorted(rows())


def test_a_dependency_of_a_dependency_is_found() -> None:
    assert "croniter" in installed_by("bulk"), "dbos brings it"
    assert {"psycopg", "psycopg-binary"} <= installed_by("bulk") - installed_by("")
    assert "psycopg" not in installed_by("mock")


def test_each_licence_with_duties_is_explained() -> None:
    _, _, explained = PAGE.read_text().partition("## Licences with duties")
    named = {name for name, (stated, _) in expected().items() if re.search("GPL|MPL|EPL|CDDL", stated)}
    assert set(re.findall(r"\*\*([a-z0-9-]+)\*\*", explained)) == named
