"""ASGI 3: its types, and how responses are sent."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypeAlias

from smarterproctoring_mock.responses import Response

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class Application(Protocol):
    """An ASGI 3 application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, request or lifespan."""
        ...


def response_start(response: Response) -> Message:
    """Return the message that begins a response."""
    fields = response.fields()
    headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in fields
    ]
    return {
        "type": "http.response.start",
        "status": response.status,
        "headers": headers,
    }


async def send_body(send: Send, body: bytes, *, more: bool = False) -> None:
    """Send a part of a response's body.

    Args:
        send: ASGI's.
        body: The part.
        more: Whether another part follows.
    """
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def send_response(send: Send, response: Response, *, head: bool) -> None:
    """Send a response whole.

    Args:
        send: ASGI's.
        response: The response.
        head: Whether the request was HEAD, which gets no body.
    """
    await send(response_start(response))
    await send_body(send, b"" if head else response.body)


async def decline(kind: str, receive: Receive, send: Send) -> None:
    """Serve ASGI's other scopes: take part in the lifespan, decline the rest."""
    if kind == "websocket":
        await receive()
        await send({"type": "websocket.close"})
    elif kind == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
