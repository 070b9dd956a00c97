"""Listen on a socket, and serve an ASGI application on every connection until told to stop."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Final

from smarterproctoring_mock.asgi import Application
from smarterproctoring_mock.connection import Connection, Service

_PATIENCE: Final = 1.0
"""Seconds for which answers that were begun are waited for at the end: a fault may sleep for minutes."""


class HttpServer:
    """A server of one application. `run` serves in the calling thread; `stop` ends it from any thread."""

    def __init__(self, application: Application, more_info: str, idle: float) -> None:
        """Prepare.

        Args:
            application: What answers the requests.
            more_info: For errors in the vendor's form that the server itself writes.
            idle: Seconds after which a connection is closed that waits for a request, or for the rest of one.
        """
        self._service = Service(application, more_info, idle)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    def run(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        """Serve until `stop` is called or, in the main thread, SIGINT or SIGTERM comes.

        Args:
            listener: A listening socket; closed at the end.
            ready: Called once connections are accepted.
        """
        with asyncio.Runner(loop_factory=_new_event_loop) as runner:
            runner.run(self._serve(listener, ready))

    def stop(self) -> None:
        """Accept no more connections, answer what was begun, and let `run` return."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stopped.set)

    def begin_what_was_sent(self) -> None:
        """Return once every request has begun of which something had come; from any other thread."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(_look_around(), self._loop).result()

    async def _serve(self, listener: socket.socket, ready: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        with self._signals():
            server = await self._loop.create_server(
                partial(Connection, self._service), sock=listener
            )
            ready()
            await self._stopped.wait()
            server.close()
            await self._shut_down()

    async def _shut_down(self) -> None:
        for connection in list(self._service.connections):
            connection.shut_down()
        if self._service.tasks:
            await asyncio.wait(self._service.tasks, timeout=_PATIENCE)
        for connection in list(self._service.connections):
            connection.abort()
        unfinished = list(self._service.tasks)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    @contextlib.contextmanager
    def _signals(self) -> Generator[None]:
        """Let SIGINT and SIGTERM stop the server for as long as the `with` block lasts."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            self._handle(number)
        try:
            yield
        finally:
            for number, handler in before.items():
                with contextlib.suppress(NotImplementedError, AttributeError):
                    asyncio.get_running_loop().remove_signal_handler(number)
                signal.signal(number, handler)

    def _handle(self, number: signal.Signals) -> None:
        try:
            asyncio.get_running_loop().add_signal_handler(number, self._stopped.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda _number, _frame: self.stop())


async def _look_around() -> None:
    """Let the loop look at its sockets often enough to accept a connection, to read from it and to begin a request."""
    for _ in range(10):
        await asyncio.sleep(0)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415  not for Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
