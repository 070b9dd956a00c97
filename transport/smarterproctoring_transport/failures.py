"""Errors with more detail than httpx's: whether any of the request was sent, and what a proxy answered."""

import httpx


class NotSent(httpx.TimeoutException):
    """The time limit was reached before the first byte of the request was written."""


class ProxyFailure(httpx.ProxyError):
    """A proxy did not open the connection, so nothing of the request was sent; the text holds nothing secret."""
