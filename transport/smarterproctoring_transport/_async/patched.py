"""Tells whether a tool has replaced what sends a request in httpcore or httpx."""

from __future__ import annotations

from types import FunctionType

import httpcore
import httpx

_HTTPCORE = f"{httpcore.__name__}."
_HTTPX = f"{httpx.__name__}."


def is_patched() -> bool:
    """Tell whether httpcore's connections are replaced, as respx does; then ours must not be used."""
    module = httpcore.AsyncHTTPConnection.handle_async_request.__module__
    return not module.startswith(_HTTPCORE)


def is_wrapped() -> bool:
    """Tell whether httpx's transports are wrapped, as OpenTelemetry does; then the wrapper has to be called.

    A wrapper may copy the name and the module of what it wraps, but its code keeps its own globals.
    """
    method = httpx.AsyncHTTPTransport.handle_async_request
    if type(method) is not FunctionType:
        return True
    module: str = method.__globals__["__name__"]
    return not module.startswith(_HTTPX)
