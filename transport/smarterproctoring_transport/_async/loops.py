"""Which event loop runs, and how to close what belongs to another. Written by hand, as is `_sync/loops.py`."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeGuard

import httpx

if TYPE_CHECKING:
    import asyncio


def current_loop() -> Hashable:
    """Return the running event loop: asyncio's loop or trio's token."""
    import asyncio  # noqa: PLC0415 - not for those who never need it

    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # trio
        from anyio.lowlevel import current_token  # noqa: PLC0415 - not for those who never need it

        token: Hashable = current_token()
        return token


def adapted(transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
    """Adapt a transport of the caller's for an asynchronous httpx client."""
    if isinstance(transport, httpx.AsyncHTTPTransport):
        return transport
    from smarterproctoring_transport.any_body import AnyBody  # noqa: PLC0415 - not for those who never need it

    return AnyBody(transport)


def is_gone(loop: Hashable) -> bool:
    """Tell whether an event loop is closed."""
    return _is_asyncio(loop) and loop.is_closed()


def close_elsewhere(loop: Hashable, transport: httpx.AsyncBaseTransport) -> None:
    """Close a transport in the event loop to which it belongs."""
    if _is_asyncio(loop):
        # That loop is closed already, and its connections with it.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_close_soon, loop, transport)


def _is_asyncio(loop: object) -> TypeGuard[asyncio.AbstractEventLoop]:
    """Tell whether it is an asyncio loop. If asyncio was not imported, it is not."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(loop, asyncio.AbstractEventLoop)


def _close_soon(
    loop: asyncio.AbstractEventLoop, transport: httpx.AsyncBaseTransport
) -> None:
    task = loop.create_task(transport.aclose())
    _CLOSING.add(task)  # the loop itself keeps only a weak reference
    task.add_done_callback(_CLOSING.discard)


_CLOSING: set[asyncio.Task[None]] = set()
