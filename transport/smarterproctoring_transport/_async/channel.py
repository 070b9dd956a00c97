"""Sends a request to its transport: through an httpx client, which tools wrap, or directly."""

from __future__ import annotations

import httpx

from smarterproctoring_transport.plain_client import (
    NO_AUTH,
    NO_COOKIES,
    set_location_aside,
    with_location,
)


class AsyncCookieless(httpx.AsyncClient):
    """An httpx client without cookies."""

    @property
    def cookies(self) -> httpx.Cookies:
        """Return an empty jar."""
        return NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        """Keep none."""


async def _keep_location(response: httpx.Response) -> None:
    set_location_aside(response)


class AsyncChannel:
    """Sends requests over one transport.

    Args:
        transport: The transport.
        direct: Whether requests go to it directly. Otherwise each goes through `httpx.AsyncClient.send`.
        keeps_deadline: Whether the transport ends every wait at a request's deadline.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, *, direct: bool, keeps_deadline: bool
    ) -> None:
        self.transport = transport
        self.keeps_deadline = keeps_deadline
        self._client: httpx.AsyncClient | None = None
        if not direct:
            hooks = {"response": [_keep_location]}
            self._client = AsyncCookieless(
                transport=transport, trust_env=False, event_hooks=hooks
            )

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request once; return when the answer's header is there. Redirects are not followed."""
        if self._client is None:
            response = await self.transport.handle_async_request(request)
            response.request = request
            return response
        response = await self._client.send(
            request, stream=True, auth=NO_AUTH, follow_redirects=False
        )
        return with_location(response)
