"""Receive the body of a request within this server's limits."""

from typing import Final

from smarterproctoring_mock.asgi import Message, Receive
from smarterproctoring_mock.request import ClientGone, Refused, Request

BODY_LIMIT: Final = 8 * 1024 * 1024
"""Octets of a body, before and after its content coding is undone."""
RECEIVED_LIMIT: Final = 64 * 1024 * 1024
"""Octets of all incomplete bodies."""
TOO_LARGE: Final = f"the body is larger than {BODY_LIMIT:,} octets"

_TOO_MUCH: Final = (
    f"the incomplete bodies are larger than {RECEIVED_LIMIT:,} octets together"
)
_READ_ON: Final = 4 * BODY_LIMIT
_CLOSE: Final = (("connection", "close"),)


class BodyMemory:
    """The memory for incomplete bodies, limited so that many slow clients together cannot exhaust it."""

    def __init__(self) -> None:
        """Start with nothing used."""
        self.used = 0

    def take(self, size: int) -> bool:
        """Reserve memory for more octets; return False if the limit is reached."""
        if self.used + size > RECEIVED_LIMIT:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """Release memory."""
        self.used -= size


async def read_body(request: Request, receive: Receive, memory: BodyMemory) -> None:
    """Read the body, whole.

    Args:
        request: Its `body` is set.
        receive: ASGI's.
        memory: For a body that does not come in one piece.

    Raises:
        Refused: It is larger than `BODY_LIMIT`, or all incomplete bodies together than `RECEIVED_LIMIT`.
        ClientGone: The client went away before its end.
    """
    if request.head.waits and _announced(request) > BODY_LIMIT:
        raise Refused(413, TOO_LARGE, headers=_CLOSE)
    message = await _next(receive)
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        body = await _read_on(request, body, receive, memory)
    request.body = body
    if len(body) > BODY_LIMIT:
        raise Refused(413, TOO_LARGE)


def _announced(request: Request) -> int:
    """Return how many octets the client has announced; 0 where it has not."""
    length = request.head.get(b"content-length")
    return int(length) if length.isdigit() and len(length) < 20 else 0


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


async def _read_on(
    request: Request, first: bytes, receive: Receive, memory: BodyMemory
) -> bytes:
    """Read the rest of a body that does not come in one piece."""
    parts: list[bytes] = []
    body = first
    size = 0
    more = True
    try:
        while True:
            size += len(body)
            if size <= BODY_LIMIT:
                if not memory.take(len(body)):
                    raise Refused(413, _TOO_MUCH, headers=_CLOSE)
                parts.append(body)
            if size > _READ_ON or not more:
                break
            message = await _next(receive)
            body = message.get("body", b"")
            more = message.get("more_body", False)
    finally:
        memory.give_back(sum(map(len, parts)))
    whole = b"".join(parts)
    if size > BODY_LIMIT:
        request.body = whole
        # A client may read the answer only after it has sent the body, so some more is read.
        raise Refused(413, TOO_LARGE, headers=_CLOSE if size > _READ_ON else ())
    return whole
