"""What tells more than httpx's errors: whether any of the request was sent, what a proxy answered, what still runs."""

import httpx


class NotSent(httpx.TimeoutException):
    """The time limit was reached before the first byte of the request was written."""


class ProxyFailure(httpx.ProxyError):
    """A proxy did not open the connection, so nothing of the request was sent; the text holds nothing secret."""


class StillRunning(Exception):  # noqa: N818 - it is not the call that failed
    """A call did not return in time; it goes on in its thread, and its result is dropped."""
