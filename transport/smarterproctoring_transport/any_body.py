"""Lets an asynchronous transport of the caller's return a synchronous body, as `httpx.MockTransport` may."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx


class AnyBody(httpx.AsyncBaseTransport):
    """A transport whose answers an asynchronous httpx client can read.

    Args:
        inner: The transport.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        response = await self._inner.handle_async_request(request)
        if not isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Stream(response.stream)
        return response

    async def aclose(self) -> None:
        """Close the transport."""
        await self._inner.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.SyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._inner:
            yield chunk

    async def aclose(self) -> None:
        self._inner.close()
