#!/usr/bin/env python3
"""The distributions and import packages of this repository, as listed in tools/packages.toml.

tools/packages.py folders        print the folders of the packages, for tools that take folders
tools/packages.py editable       print the options by which uv installs every distribution for development
tools/packages.py requirements   print what the distributions require of others, in all extras, one a line
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from redocly import ROOT, ToolError

LIST = "tools/packages.toml"
ITSELF = "."
ALL = "*"


@dataclass(frozen=True)
class Package:
    """An import package.

    Attributes:
        name: What is imported.
        folder: The folder that holds it, seen from the top of the repository.
        public: The modules that users import from, as the list writes them.
        files: Patterns of its files, below the package.
    """

    name: str
    folder: str
    public: tuple[str, ...]
    files: tuple[str, ...]

    def is_public(self, module: str) -> bool:
        """Tell whether users may import from a module.

        Args:
            module: Its name below the package, such as `api.exam_sessions`; "." for the package itself.
        """
        if ALL not in self.public:
            return module in self.public
        return module == ITSELF or not any(
            part.startswith("_") for part in module.split(".")
        )


@dataclass(frozen=True)
class Distribution:
    """A distribution: what is built, published and installed together.

    Attributes:
        name: The name by which it is installed.
        folder: The folder of its pyproject.toml, seen from the top of the repository; "." for the top.
        also: Folders, apart from those of its packages, from which its files are made.
        copied: Files of wheel and sdist that are made of a file elsewhere: name in both -> name in the repository.
        sdist: Patterns of the files of the sdist that are in none of its packages, below the folder.
        packages: The import packages in it.
    """

    name: str
    folder: str
    also: tuple[str, ...]
    copied: Mapping[str, str]
    sdist: tuple[str, ...]
    packages: tuple[Package, ...]

    @property
    def stem(self) -> str:
        """How the names of its files begin."""
        return self.name.replace("-", "_")

    @property
    def project(self) -> str:
        """The name of its pyproject.toml, seen from the top of the repository."""
        return str(PurePosixPath(self.folder, "pyproject.toml"))

    def wheel_files(self) -> list[str]:
        """Return the patterns of all files of the wheel."""
        modules = [
            f"{package.name}/{pattern}"
            for package in self.packages
            for pattern in package.files
        ]
        described = (
            "METADATA",
            "RECORD",
            "WHEEL",
            "entry_points.txt",
            "licenses/LICENSE",
        )
        return [
            *modules,
            *self.copied,
            *(f"{self.stem}-*.dist-info/{name}" for name in described),
        ]

    def sdist_files(self) -> list[str]:
        """Return the patterns of all files of the sdist, below its own folder."""
        places = [
            (PurePosixPath(package.folder).relative_to(self.folder), package)
            for package in self.packages
        ]
        modules = (
            str(place / each.name / pattern)
            for place, each in places
            for pattern in each.files
        )
        return [*self.sdist, *self.copied, *modules]


def _texts(entry: Mapping[str, object], key: str, place: str) -> tuple[str, ...]:
    """Return a list of texts out of an entry.

    Raises:
        ToolError: It is something else.
    """
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ToolError(f"{place}: `{key}` must be a list of texts")
    return tuple(value)


def _text(entry: Mapping[str, object], key: str, place: str) -> str:
    """Return a text out of an entry.

    Raises:
        ToolError: It is missing, or something else.
    """
    value = entry.get(key)
    if not isinstance(value, str):
        raise ToolError(f"{place}: `{key}` must be a text")
    return value


def _entries(
    entry: Mapping[str, object], key: str, place: str
) -> Iterable[tuple[Mapping[str, object], str]]:
    """Yield the tables of a list of them, each with how an error names it.

    Raises:
        ToolError: The list is missing, empty, or something else.
    """
    found = entry.get(key)
    if not isinstance(found, list) or not found:
        raise ToolError(f"{place}: there must be a [[{key}]]")
    for number, item in enumerate(found, start=1):
        if not isinstance(item, dict):
            raise ToolError(f"{place}: [[{key}]] must be a table")
        yield item, f"{place}: {key} {item.get('name', number)}"


def _known(entry: Mapping[str, object], keys: set[str], place: str) -> None:
    """Refuse an unknown key.

    Raises:
        ToolError: There is one.
    """
    if unknown := sorted(entry.keys() - keys):
        raise ToolError(
            f"{place}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(keys))}"
        )


def _read_package(entry: Mapping[str, object], place: str) -> Package:
    _known(entry, {"name", "folder", "public", "files"}, place)
    return Package(
        name=_text(entry, "name", place),
        folder=_text(entry, "folder", place),
        public=_texts(entry, "public", place),
        files=_texts(entry, "files", place),
    )


def _read_distribution(entry: Mapping[str, object], place: str) -> Distribution:
    _known(entry, {"name", "folder", "also", "copied", "sdist", "package"}, place)
    copied = entry.get("copied", {})
    if not isinstance(copied, dict) or not all(
        isinstance(source, str) for source in copied.values()
    ):
        raise ToolError(f"{place}: `copied` must be a table of texts")
    return Distribution(
        name=_text(entry, "name", place),
        folder=_text(entry, "folder", place),
        also=_texts(entry, "also", place),
        copied=copied,
        sdist=_texts(entry, "sdist", place),
        packages=tuple(
            _read_package(*each) for each in _entries(entry, "package", place)
        ),
    )


def read(text: str, place: str = LIST) -> tuple[Distribution, ...]:
    """Read a list of packages.

    Args:
        text: The content of the file.
        place: How errors name the file.

    Raises:
        ToolError: The text is not such a list.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ToolError(f"{place}: {error}") from None
    _known(content, {"distribution"}, place)
    return tuple(
        _read_distribution(*each) for each in _entries(content, "distribution", place)
    )


def packages_of(distributions: Iterable[Distribution]) -> tuple[Package, ...]:
    """Return the packages of some distributions."""
    return tuple(
        package for distribution in distributions for package in distribution.packages
    )


def listed_in(tree: Path) -> tuple[Distribution, ...]:
    """Return the distributions of a tree; those of this one if the tree has no list.

    Raises:
        ToolError: The tree's list cannot be read.
    """
    file = tree / LIST
    return read(file.read_text(encoding="utf-8")) if file.exists() else DISTRIBUTIONS


def shipped_paths(distributions: Iterable[Distribution]) -> tuple[str, ...]:
    """Return the files and folders from which distributions are made, seen from the top of the repository.

    The list itself is one of them: it says which modules are public.
    """
    paths = [LIST]
    for distribution in distributions:
        paths += [distribution.project, *distribution.also]
        paths += [package.folder for package in distribution.packages]
    return tuple(dict.fromkeys(paths))


def extras_of(root: Path, distribution: Distribution) -> dict[str, list[str]]:
    """Return what the extras of a distribution require."""
    project = tomllib.loads((root / distribution.project).read_text(encoding="utf-8"))[
        "project"
    ]
    found: dict[str, list[str]] = project.get("optional-dependencies", {})
    return found


def outside_requirements(root: Path) -> list[str]:
    """Return what the distributions of a tree require of others than themselves, in all extras."""
    distributions = listed_in(root)
    own = "|".join(re.escape(each.name) for each in distributions)
    found: list[str] = []
    for each in distributions:
        project = tomllib.loads((root / each.project).read_text(encoding="utf-8"))[
            "project"
        ]
        found += project["dependencies"]
        for required in extras_of(root, each).values():
            found += required
    return [
        text
        for text in dict.fromkeys(found)
        if not re.match(rf"(?:{own})(?![\w-])", text)
    ]


DISTRIBUTIONS = read((ROOT / LIST).read_text(encoding="utf-8"))
CLIENT = DISTRIBUTIONS[0]
"""The distribution that users install; the others are its extras."""
PACKAGES = packages_of(DISTRIBUTIONS)
FOLDERS = tuple(dict.fromkeys(package.folder for package in PACKAGES))
"""Where the packages are: before all others on the path of modules of a copy."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["folders", "editable", "requirements"])
    arguments = parser.parse_args()
    if arguments.what == "requirements":
        print("\n".join(outside_requirements(ROOT)))
    elif arguments.what == "editable":
        print(*(f"--editable {distribution.folder}" for distribution in DISTRIBUTIONS))
    else:
        print(*FOLDERS)


if __name__ == "__main__":
    main()
