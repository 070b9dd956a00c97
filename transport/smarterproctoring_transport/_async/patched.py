"""Tells whether a test tool such as respx has replaced httpcore's connections."""

from __future__ import annotations

import httpcore


def is_patched() -> bool:
    """Tell whether httpcore's connections are replaced; then ours must not be used."""
    module = httpcore.AsyncHTTPConnection.handle_async_request.__module__
    return not module.startswith(f"{httpcore.__name__}.")
