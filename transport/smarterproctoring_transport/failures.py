"""Failures that say more than httpx's own: whether anything of the request was sent, and what a proxy said."""

import httpx


class NotSent(httpx.TimeoutException):
    """The time limit was reached before the first byte of the request was written."""


class ProxyFailure(httpx.ProxyError):
    """A proxy did not open the connection, so nothing of the request was sent; the text holds nothing secret."""
