"""Whether a tool for tests has put something of its own in the place of httpcore's connections, as respx does."""

from __future__ import annotations

import httpcore


def is_patched() -> bool:
    """Tell whether requests on httpcore's connections go elsewhere now; then ours must not be used."""
    module = httpcore.AsyncHTTPConnection.handle_async_request.__module__
    return not module.startswith(f"{httpcore.__name__}.")
