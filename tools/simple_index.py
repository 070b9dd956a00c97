"""Read a simple index (PEP 503, 691 and 700): which of our files it lists, and their bytes.

An answer that is not one of a simple index is refused with its URL and the problem. It never ends in a traceback, and
never counts as an empty index.
"""

from __future__ import annotations

import json
import re
import ssl
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from typing import Self
from urllib.parse import parse_qs, unquote, urldefrag, urljoin, urlsplit

import httpx
from packages import CLIENT, DISTRIBUTIONS
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version
from release_record import RefusedError, sha256

PACKAGE = CLIENT.name
NAMES = tuple(distribution.name for distribution in DISTRIBUTIONS)
JSON = "application/vnd.pypi.simple.v1+json"
_JSON_TYPES = (JSON, "application/json")
_HTML_TYPES = (
    "text/html",
    "application/vnd.pypi.simple.v1+html",
    "application/xhtml+xml",
)
_FILES = (
    ".whl",
    ".tar.gz",
    ".zip",
    ".egg",
    ".tar.bz2",
    ".tar.xz",
    ".tar.Z",
    ".tgz",
    ".exe",
    ".msi",
    ".rpm",
)
_BESIDE = (
    ".metadata",
    ".asc",
    ".sig",
    ".provenance",
)  # what may be linked next to a file
_REDIRECTS = 10
_LIMIT = 256 * 2**20  # bytes of one answer


@dataclass(frozen=True)
class Credentials:
    """A name and a password; its repr shows neither."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(…)"


@dataclass(frozen=True)
class Listed:
    """A file that an index lists: its name, where it is, and its SHA-256 if the index says it."""

    name: str
    url: str
    sha256: str | None = None


@dataclass(frozen=True)
class Listing:
    """What an index lists of our distributions."""

    files: tuple[Listed, ...] = ()
    versions: frozenset[Version] = frozenset()
    """All versions: those of the files, and those that the index names without a file."""

    def of(self, version: Version) -> list[Listed]:
        """Return the files of a version, whatever their build tag, platform and format."""
        return [file for file in self.files if version_of(file.name) == version]


@dataclass(frozen=True)
class _Answer:
    """An answer, read whole."""

    url: str
    status: int
    media_type: str
    content: bytes
    redirect: str | None


class _Page(HTMLParser):
    """Collects what tells a simple index's page from another one."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags = set[str]()
        self.ended = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [
            value for name, value in attrs if tag == "a" and name == "href" and value
        ]

    def handle_endtag(self, tag: str) -> None:
        self.ended = self.ended or tag == "html"


def version_of(name: str) -> Version | None:
    """Return the version of a file of ours by the file's name; None if the name does not tell."""
    try:
        if name.endswith(".whl"):
            return parse_wheel_filename(name)[1]
        if name.endswith((".tar.gz", ".zip")):
            return parse_sdist_filename(name)[1]
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        pass
    package = "|".join(re.sub(r"[-_.]+", "[-_.]+", name) for name in NAMES)
    found = re.match(
        rf"(?i)(?:{package})-(?P<version>[0-9][0-9a-z.!+]*?)(?=-|\.(?:tar|zip|egg|exe|msi|rpm|tgz|whl))",
        name,
    )
    try:
        return Version(found["version"]) if found else None
    except InvalidVersion:
        return None


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of a URL.

    Raises:
        RefusedError: It is not a URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        raise RefusedError(f"{url} is not a URL: {error}") from None
    return parts.scheme, parts.hostname, port


@cache
def authorities() -> ssl.SSLContext:
    """Return the TLS settings with the certificate authorities, which take longer to read than most answers."""
    return httpx.create_ssl_context(trust_env=False)


class Index:
    """A simple index, read with the publisher's credentials."""

    def __init__(self, url: str, login: Credentials | None) -> None:
        self.url = url
        self._origin = origin(url)
        auth = (login.username, login.password) if login else None
        # trust_env stays off, so that no netrc file replaces the publisher's credentials.
        self._client = httpx.Client(
            auth=auth, timeout=60, trust_env=False, verify=authorities()
        )
        # For other hosts: no password goes there.
        self._stranger = httpx.Client(timeout=60, trust_env=False, verify=authorities())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._stranger.close()

    def listing(self) -> Listing:
        """Return what the index itself has of our distributions.

        Raises:
            RefusedError: The index does not answer as one.
        """
        found = [self._listing(name) for name in NAMES]
        files = tuple(file for each in found for file in each.files)
        versions = frozenset[Version]().union(*(each.versions for each in found))
        return Listing(files, versions)

    def _listing(self, package: str) -> Listing:
        """Return what the index itself has of one distribution.

        An index may redirect to a public one for packages that it does not have. A redirect to another origin
        therefore counts as an empty list.

        Raises:
            RefusedError: The index does not answer as one.
        """
        url = f"{self.url}{package}/"
        for _ in range(_REDIRECTS):
            answer = self._get(url)
            if answer.redirect is None:
                break
            url = answer.redirect
            if origin(url) != self._origin:
                return Listing()
        else:
            raise RefusedError(
                f"{self.url}{package}/ redirects more than {_REDIRECTS} times. Check INDEX_URL"
            )
        if answer.status == 404:
            return Listing()
        if answer.status != 200:
            raise RefusedError(_unexpected(answer))
        if answer.media_type in _JSON_TYPES:
            return _json_listing(answer, package)
        if answer.media_type in _HTML_TYPES:
            return _html_listing(answer, package)
        raise RefusedError(
            f"{answer.url} answered {answer.media_type or 'without a content type'}, {_NOT_AN_INDEX}"
        )

    def digest(self, file: Listed) -> str:
        """Download a file and return its SHA-256.

        Raises:
            RefusedError: The index does not give it, or gives other bytes than it says itself.
        """
        url = file.url
        for _ in range(_REDIRECTS):
            answer = self._get(url)
            if answer.redirect is None:
                break
            url = answer.redirect
        else:
            raise RefusedError(
                f"{file.url} redirects more than {_REDIRECTS} times. Ask who runs the index"
            )
        if answer.status != 200:
            raise RefusedError(
                f"{answer.url} answered {answer.status}. The index lists a file that it does not give"
            )
        digest = sha256(answer.content)
        if file.sha256 is not None and file.sha256 != digest:
            raise RefusedError(
                f"the index contradicts itself: it lists {file.name} with sha256 {file.sha256}, and gives bytes with "
                f"sha256 {digest}. Ask who runs the index"
            )
        return digest

    def _get(self, url: str) -> _Answer:
        # Files may be on another host; the credentials are not sent there.
        client = self._client if origin(url) == self._origin else self._stranger
        headers = {"Accept": f"{JSON}, text/html;q=0.5"}
        try:
            with client.stream("GET", url, headers=headers) as response:
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > _LIMIT:
                        raise RefusedError(
                            f"{url} answers with more than {_LIMIT:,} bytes. Check INDEX_URL"
                        )
                following = response.next_request
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise RefusedError(
                f"{url} cannot be read: {error}. Check INDEX_URL and the network"
            ) from None
        answer = _Answer(
            url,
            response.status_code,
            response.headers.get("content-type", "").partition(";")[0].strip().lower(),
            bytes(content),
            str(following.url) if following is not None else None,
        )
        if answer.status in (401, 403):
            raise RefusedError(
                f"{url} answered {answer.status}: the index does not know this name and password. "
                "Check UV_PUBLISH_USERNAME and UV_PUBLISH_PASSWORD, or what the keyring holds"
            )
        return answer


_NOT_AN_INDEX = "which is not an answer of a simple index. Check INDEX_URL"


def _unexpected(answer: _Answer) -> str:
    if answer.status >= 500:
        return f"{answer.url} answered {answer.status}: the index is out of order. Try again later"
    if answer.status == 429:
        return f"{answer.url} answered 429: too many requests. Try again later"
    return f"{answer.url} answered {answer.status}. Is INDEX_URL a simple index?"


def _json_listing(answer: _Answer, package: str) -> Listing:
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError) as error:
        raise RefusedError(
            f"{answer.url} says that it is JSON, and is not: {error}. Check INDEX_URL"
        ) from None
    match found:
        case {"files": list(entries)}:
            pass
        case _:
            raise RefusedError(
                f"{answer.url} answered JSON without a list of files, {_NOT_AN_INDEX}"
            )
    match found:
        case {"meta": {"api-version": str(api)}} if not api.startswith("1."):
            raise RefusedError(
                f"{answer.url} answered in version {api} of the simple API; version 1 is read here"
            )
        case _:
            pass
    files = tuple(_json_file(answer, entry) for entry in entries)
    named = found.get("versions", [])
    if not isinstance(named, list) or not all(isinstance(text, str) for text in named):
        raise RefusedError(
            f"{answer.url} answered with versions that are not texts, {_NOT_AN_INDEX}"
        )
    try:
        extra = [Version(text) for text in named]
    except InvalidVersion as error:
        raise RefusedError(
            f"{answer.url} lists an invalid version: {error}. Ask who runs the index"
        ) from None
    return _listing(answer, package, files, extra)


def _json_file(answer: _Answer, entry: object) -> Listed:
    match entry:
        case {"filename": str(name), "url": str(link)}:
            pass
        case _:
            raise RefusedError(
                f"{answer.url} lists a file without a name or a URL, {_NOT_AN_INDEX}"
            )
    match entry:
        case {"hashes": {"sha256": str(digest)}}:
            return Listed(name, _joined(answer.url, link), digest.lower())
        case {"hashes": dict(hashes)} if "sha256" not in hashes:
            return Listed(name, _joined(answer.url, link))
        case {"hashes": _}:
            raise RefusedError(
                f"{answer.url} lists {name} with hashes that are not texts, {_NOT_AN_INDEX}"
            )
        case _:
            return Listed(name, _joined(answer.url, link))


def _html_listing(answer: _Answer, package: str) -> Listing:
    page = _Page()
    try:
        page.feed(answer.content.decode("utf-8"))
        page.close()
    except ValueError as error:
        raise RefusedError(
            f"{answer.url} says that it is HTML, and is not: {error}. Check INDEX_URL"
        ) from None
    if not page.tags:
        raise RefusedError(
            f"{answer.url} says that it is HTML, and holds none, {_NOT_AN_INDEX}"
        )
    if "html" in page.tags and not page.ended:
        raise RefusedError(
            f"{answer.url} answered a page that breaks off. Try again, or ask who runs the index"
        )
    files: list[Listed] = []
    for link in page.links:
        url = _joined(answer.url, link)
        plain, fragment = urldefrag(url)
        path = unquote(urlsplit(plain).path)
        name = path.rpartition("/")[2]
        if name.endswith(_FILES):
            hashes = parse_qs(fragment).get("sha256", [])
            files.append(Listed(name, plain, hashes[0].lower() if hashes else None))
        elif name and not name.endswith(
            _BESIDE
        ):  # a folder, such as the one above, has no name
            raise RefusedError(f"{answer.url} links to {plain}, {_NOT_AN_INDEX}")
    if not files and page.tags & {"form", "input", "script"}:
        raise RefusedError(
            f"{answer.url} answered a page with a form or a script and no files, {_NOT_AN_INDEX}"
        )
    return _listing(answer, package, tuple(files), [])


def _listing(
    answer: _Answer, package: str, files: tuple[Listed, ...], named: list[Version]
) -> Listing:
    versions = set(named)
    for file in files:
        if file.name.endswith(_BESIDE):
            continue
        version = version_of(file.name)
        ours = canonicalize_name(file.name).startswith(f"{package}-")
        if version is None or not ours:
            raise RefusedError(
                f"{answer.url} lists {file.name}, which is not the name of a file of {package}. Ask who runs the index"
            )
        versions.add(version)
    return Listing(files, frozenset(versions))


def _joined(base: str, link: str) -> str:
    try:
        url = urljoin(base, link)
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise RefusedError(
            f"{base} links to {link!r}, which is not a URL: {error}. Ask who runs the index"
        ) from None
    if urlsplit(url).scheme not in ("http", "https"):
        raise RefusedError(
            f"{base} links to {link!r}, which is neither http nor https. Ask who runs the index"
        )
    return url
