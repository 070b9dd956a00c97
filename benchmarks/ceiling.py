"""The ceiling: an ASGI application that reads the request and always gives the same answer, on plain uvicorn."""

import socket
import sys
from typing import Any

import uvicorn

BODY = b'"Session rescheduled"'
FIELDS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": FIELDS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    config = uvicorn.Config(
        application,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=2048) as listener:
        uvicorn.Server(config).run([listener])
