"""Builds requests to one origin. Common parts are computed once; parts that are rarely needed, on demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class Base:
    """The common prefix of all URLs, in the parts that a transport needs; without a final slash."""

    def __init__(self, url: httpx.URL) -> None:
        self.raw_scheme = url.raw_scheme
        self.raw_host = url.raw_host
        self.port = url.port
        self.raw_path = url.raw_path.rstrip(b"/")
        self.text = str(url).rstrip("/")


class Target(httpx.URL):
    """A URL that is parsed on demand; its text and the parts for a transport are ready.

    httpx parses every URL character by character, which takes a tenth of a call. So `httpx.URL.__init__` is called
    only when an attribute that it sets is first used.

    Args:
        base: The origin, and what the path begins with.
        path: The rest of the path, percent-encoded, and the query.

    Attributes:
        base: As given.
        rest: The path as given.
    """

    _is_parsed = True  # until __init__ says otherwise

    def __init__(self, base: Base, path: str) -> None:
        self.base = base
        self.rest = path
        self._is_parsed = False

    def __getattr__(self, name: str) -> Any:
        """Let httpx parse the text and set its attributes, then return the attribute."""
        if self._is_parsed:
            raise AttributeError(name)
        self._is_parsed = True
        super().__init__(str(self))
        return object.__getattribute__(self, name)

    @property
    def raw_scheme(self) -> bytes:
        """The scheme."""
        return self.base.raw_scheme

    @property
    def raw_host(self) -> bytes:
        """The host."""
        return self.base.raw_host

    @property
    def port(self) -> int | None:
        """The port, None for the scheme's own."""
        return self.base.port

    @property
    def raw_path(self) -> bytes:
        """The whole path."""
        return self.base.raw_path + self.rest.encode("ascii")

    def __str__(self) -> str:
        return self.base.text + self.rest

    def __reduce__(self) -> tuple[type[httpx.URL], tuple[str]]:
        return httpx.URL, (str(self),)

    def origin(self) -> str:
        """Return the text without the path, for logs."""
        return self.base.text


class Request(httpx.Request):
    """A request whose `content` is available before it is sent, for hooks."""

    @property
    def content(self) -> bytes:
        """The body."""
        return self.read()


class Requests:
    """Makes requests.

    Args:
        base_url: The origin, and what every path begins with.
        headers: What every request has, lower-case names.
    """

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self._url = httpx.URL(base_url)
        self._base = Base(self._url)
        self._bare = httpx.Headers(
            {"host": self._url.netloc.decode("ascii"), **headers}
        )
        self._json = httpx.Headers({**self._bare, "content-type": "application/json"})

    def make(
        self, method: str, path: str, content: bytes, headers: Mapping[str, str]
    ) -> httpx.Request:
        """Make a request with a JSON body, or with none.

        Args:
            method: In capitals.
            path: Percent-encoded, with the query.
            content: The body; empty for none.
            headers: What this request has besides, lower-case names.
        """
        # With a stream httpx adds no headers of its own, so all are here.
        fixed = self._json if content else self._bare
        request = Request(
            method, self._url, headers=fixed, stream=httpx.ByteStream(content)
        )
        request.url = Target(self._base, path)
        if content or method in {"POST", "PUT", "PATCH"}:
            request.headers["content-length"] = str(len(content))
        if headers:
            request.headers.update(headers)
        return request
