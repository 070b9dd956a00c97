"""Threads have no event loop: all of a process share one transport. Written by hand, as is `_async/loops.py`."""

from __future__ import annotations

from collections.abc import Hashable

import httpx


def current_loop() -> Hashable:
    """Return None."""
    return None


def adapted(transport: httpx.BaseTransport) -> httpx.BaseTransport:
    """Return it as it is."""
    return transport


def is_gone(loop: Hashable) -> bool:  # noqa: ARG001
    """Return False."""
    return False


def close_elsewhere(loop: Hashable, transport: httpx.BaseTransport) -> None:
    """Do nothing: there is no other loop."""
