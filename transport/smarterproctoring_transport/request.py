"""Requests to one origin: what is the same in all of them is worked out once, what nobody looks at not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class Base:
    """What the URLs of all requests begin with, in the parts that a transport asks for; no final slash."""

    def __init__(self, url: httpx.URL) -> None:
        self.raw_scheme, self.raw_host, self.port = url.raw_scheme, url.raw_host, url.port
        self.raw_path, self.text = url.raw_path.rstrip(b"/"), str(url).rstrip("/")


class Target(httpx.URL):
    """A URL of which a transport needs no more than its origin and its path, so that only others have it parsed.

    httpx reads every URL character by character, which takes a tenth of a call.

    Args:
        base: The origin, and what the path begins with.
        path: The rest of the path, percent-encoded, and the query.
    """

    def __init__(self, base: Base, path: str) -> None:
        self._base, self._text = base, path

    def __getattr__(self, name: str) -> Any:
        """Parse for whoever asks for anything else: httpx keeps what all of that comes from in one attribute."""
        if name != "_uri_reference":
            raise AttributeError(name)
        parsed = httpx.URL(self._base.text + self._text)
        self._uri_reference = parsed._uri_reference
        return self._uri_reference

    @property
    def raw_scheme(self) -> bytes:
        """The scheme."""
        return self._base.raw_scheme

    @property
    def raw_host(self) -> bytes:
        """The host."""
        return self._base.raw_host

    @property
    def port(self) -> int | None:
        """The port, None for the scheme's own."""
        return self._base.port

    @property
    def raw_path(self) -> bytes:
        """The whole path."""
        return self._base.raw_path + self._text.encode("ascii")


class Request(httpx.Request):
    """A request whose body is collected for those who ask for it: a hook, or who looks before it is sent."""

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
        self._bare = httpx.Headers({"host": self._url.netloc.decode("ascii"), **headers})
        self._json = httpx.Headers({**self._bare, "content-type": "application/json"})

    def make(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Request:
        """Make a request with a JSON body, or with none.

        Args:
            method: In capitals.
            path: Percent-encoded, with the query.
            content: The body; empty for none.
            headers: What this request has besides, lower-case names.
        """
        # With a stream httpx adds no headers of its own, so all are here.
        fixed, stream = self._json if content else self._bare, httpx.ByteStream(content)
        request = Request(method, self._url, headers=fixed, stream=stream)
        request.url = Target(self._base, path)
        if content or method in {"POST", "PUT", "PATCH"}:
            request.headers["content-length"] = str(len(content))
        if headers:
            request.headers.update(headers)
        return request
