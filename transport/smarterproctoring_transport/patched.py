"""Whether a tool for tests has put something of its own in the place of httpcore's connections, as respx does."""

from __future__ import annotations

import httpcore


def is_patched(*, asynchronous: bool) -> bool:
    """Tell whether requests on httpcore's connections go elsewhere now; then a connection of our own must not be used.

    Args:
        asynchronous: Which of httpcore's two kinds of connection to look at.
    """
    if asynchronous:
        module = httpcore.AsyncHTTPConnection.handle_async_request.__module__
    else:
        module = httpcore.HTTPConnection.handle_request.__module__
    return not module.startswith("httpcore.")
