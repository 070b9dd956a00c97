"""Checks the built pages: each link leads to a file of the site, and to a place in it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ADDRESSES = {"a": "href", "img": "src", "link": "href", "script": "src"}
"""The attribute that holds an address, by element."""


class _Found(HTMLParser):
    """The places of a page, and its addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.addresses: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places.update(
            value for name in ("id", "name") if (value := given.get(name))
        )
        address = given.get(ADDRESSES.get(tag, ""))
        if address:
            self.addresses.append((tag, address))


class Site:
    """A built site.

    Args:
        folder: Where its pages are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages: dict[Path, _Found] = {}
        for path in sorted(folder.rglob("*.html")):
            found = _Found()
            found.feed(path.read_text(encoding="utf-8"))
            self.pages[path] = found

    def link_count(self) -> int:
        """Return how many links the pages have that stay within the site."""
        return sum(
            not _is_elsewhere(address)
            for found in self.pages.values()
            for _, address in found.addresses
        )

    def problems(self) -> Iterator[str]:
        """Yield each link that leads nowhere, and whatever a page loads from elsewhere."""
        for path, found in self.pages.items():
            for tag, address in found.addresses:
                problem = self._problem(path, tag, address)
                if problem:
                    yield f"{path.relative_to(self.folder)}: {address}: {problem}"

    def _problem(self, page: Path, tag: str, address: str) -> str:
        if _is_elsewhere(address):
            return (
                ""
                if tag == "a"
                else "loaded from elsewhere; the site must work without network"
            )
        parts = urlsplit(address)
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.is_file():
            return "no such file"
        if (
            parts.fragment
            and target in self.pages
            and unquote(parts.fragment) not in self.pages[target].places
        ):
            return "no such place in the page"
        return ""


def _is_elsewhere(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.scheme or parts.netloc)
