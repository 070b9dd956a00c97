"""Turns off parts of httpx's client: cookies, redirects, and URLs in its log."""

from __future__ import annotations

import logging

import httpx

from smarterproctoring_transport.request import Target

NO_AUTH = httpx.Auth()
"""Passed with each request, so that httpx does not look for a user name in its URL."""
_ASIDE = "location"
"""The extension of an answer that keeps its header `Location`."""


class NoCookies(httpx.Cookies):
    """Stores no cookies. Looking for them in every answer would take a tenth of a call."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Do nothing."""


NO_COOKIES = NoCookies()


def set_location_aside(response: httpx.Response) -> None:
    """Take the header `Location` out of an answer, as an event hook of httpx's client.

    httpx makes the next request of every redirect, even if it is not to be sent, and fails where its URL is not valid.
    """
    if "location" in response.headers:
        response.extensions[_ASIDE] = response.headers.pop("location")


def with_location(response: httpx.Response) -> httpx.Response:
    """Put the header back."""
    location = response.extensions.pop(_ASIDE, None)
    if location is not None:
        response.headers["location"] = location
    return response


class HiddenPaths(logging.Filter):
    """Leaves the path and the query of our requests out of httpx's log: they name persons and sessions."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record that names a URL of ours; keep all records."""
        if isinstance(record.args, tuple):
            record.args = tuple(_without_path(value) for value in record.args)
        return True


def _without_path(value: object) -> object:
    return f"{value.origin()}/…" if isinstance(value, Target) else value


logging.getLogger(httpx.__name__).addFilter(HiddenPaths())
