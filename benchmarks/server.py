"""A server that costs next to nothing: it counts the bytes of each request and says that the session was moved.

Prints its port on the first line, and ends when its standard input does.
"""

import asyncio
import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from asyncio import run
else:
    try:
        from uvloop import run
    except ImportError:  # Windows, or another Python than CPython
        from asyncio import run

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"Successful"'


class Canned(asyncio.Protocol):
    """One connection; reads requests with a Content-Length, one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go to."""
        self.transport, self.buffer = cast("asyncio.Transport", transport), b""  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            self.transport.write(ANSWER)


async def serve() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Canned, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    run(serve())
