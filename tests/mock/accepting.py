"""A server that begins to accept when its clients have connected already."""

import contextlib
import socket
import threading
from collections.abc import Generator

from smarterproctoring_mock import MockApp
from smarterproctoring_mock.http_server import HttpServer


@contextlib.contextmanager
def accepting(listener: socket.socket, app: MockApp, idle: float) -> Generator[None]:
    """Serve for as long as the `with` block lasts. What clients have sent before is there when the idle time begins.

    Args:
        listener: A listening socket.
        app: What answers; closed at the end.
        idle: Seconds after which a connection is closed that waits for a request, or for the rest of one.
    """
    with contextlib.closing(app):
        server = HttpServer(app, app.spec.more_info, idle)
        started = threading.Event()
        thread = threading.Thread(target=server.run, args=(listener, started.set), daemon=True)
        thread.start()
        started.wait(60)
        try:
            yield
        finally:
            server.stop()
            thread.join()
