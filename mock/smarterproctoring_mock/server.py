"""Run the application on a socket: the command line, a context manager for tests, and the real connection.

uvicorn (httptools, uvloop) does HTTP's framing. The small protocol class here adds what a mock needs beyond
it: cutting a connection on purpose, an answer instead of silence when a client stops halfway, any method's
name, and errors in the vendor's form.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import re
import signal
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from smarterproctoring_mock import wire
from smarterproctoring_mock.admin import is_loopback
from smarterproctoring_mock.app import TARGET_LIMIT, Message, MockApp, Receive, Scope, Send
from smarterproctoring_mock.faults import ConnectionDropped
from smarterproctoring_mock.spec import phrase

CONNECTION: Final = "smarterproctoring_mock.connection"
"""The ASGI extension under which the transport of the connection can be found."""

IDLE = 75
"""Seconds after which a connection without a request is closed."""

_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_UPGRADE: Final = re.compile(rb"\r\nupgrade(?=:)", re.IGNORECASE)
_HIDDEN: Final = b"upgrad_"
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_HEAD_LIMIT: Final = 1024 * 1024
"""Octets after which a head without an end is answered; a whole one is held to the application's own limits."""
# uvicorn appends each field to the list at hand. Past the head those are trailer fields, which are no header
# fields (RFC 9110 6.5.1): a token among them is none.
_TRAILER: Final = cast("list[tuple[bytes, bytes]]", deque[tuple[bytes, bytes]](maxlen=0))


class _StopError(Exception):
    """Ends the parser's work from within: the protocol has noted why."""


@functools.lru_cache(maxsize=256)
def _head(status: int, *fields: tuple[bytes, bytes]) -> bytes | None:
    """Write an answer's head; None where it says more about the connection than the body's length."""
    names = [name.lower() for name, _ in fields]
    if b"content-length" not in names or b"connection" in names:
        return None
    lines = [b"%b: %b\r\n" % field for field in fields]
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, phrase(status).encode(), b"".join(lines))


class _Cycle(RequestResponseCycle):
    """uvicorn's answer to one request, which goes out in one piece where it comes in one.

    uvicorn puts every head together anew and writes head and body apart, in two system calls.
    """

    _start: Message | None = None

    async def send(self, message: Any) -> None:
        start = self._start
        if start is None and not self.response_started:
            self._start = message
            return
        if start is not None:
            self._start = None
            head = _head(start["status"], *self.default_headers, *start["headers"])
            whole = self.keep_alive and not self.disconnected and not message.get("more_body", False)
            if head is not None and whole and self.scope["method"] != "HEAD" and not self.flow.write_paused:
                self.response_started = self.response_complete = True
                self.transport.write(head + message["body"])
                self.message_event.set()
                self.on_response()
                return
            await super().send(cast("Any", start))
        await super().send(message)


class _Remainder:
    """What is left of a coroutine that was started by hand and stopped at its first wait, as an awaitable."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = self._awaited
        while True:
            try:
                received = yield awaited
            except BaseException as error:  # noqa: BLE001  a cancellation, for instance: the coroutine's to handle
                step = functools.partial(self._coroutine.throw, error)
            else:
                step = functools.partial(self._coroutine.send, received)
            try:
                awaited = step()
            except StopIteration:
                return


async def _finish(remainder: _Remainder) -> None:
    await remainder


class _Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with the connection in reach of the application.

    Two kinds of requests are read a second time, in other words that llhttp understands: those with a method that
    it does not know (its list is fixed), and those that offer an upgrade, as Java's client does with its first
    one. The offer may be ignored (RFC 9110 7.8), the body may not, and llhttp skips it.
    """

    more_info = ""
    _first: bytes | None = None  # what came of a message's head, if it can be read again
    _held = b""  # the start of a method that llhttp does not know
    _method = ""
    _offered = False
    _objection = ""
    _in_head = False
    _head_size = 0
    _unstarted: RequestResponseCycle | None = None

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.app: Any = self.app  # uvicorn names every wrapper it may put around an application; here is none
        self.parser = self._new_parser()

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # A higher minor version is to be served (RFC 9110 2.5); the application refuses other major ones.
        parser.set_dangerous_leniencies(lenient_data_after_close=True, lenient_version=True)
        return parser

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._extensions: dict[str, dict[object, object]] = {CONNECTION: {"transport": transport}}
        self._resting_since = self.loop.time()
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self._in_head:
            if self._first is not None:
                self._first += data
        elif cycle is None or not cycle.more_body:
            if self._held:
                data, self._held = self._held + data, b""
            self._first = data
        super().data_received(data)
        if self._unstarted is not None:  # the rest of its body is still to come
            unstarted, self._unstarted = self._unstarted, None
            self._start(unstarted.run_asgi(self.app))
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > _HEAD_LIMIT and not self.transport.is_closing():
                self._refuse(431, "The request's head is too large")

    def _read_again(self, data: bytes) -> None:
        self.parser = self._new_parser()
        self._in_head = False
        self._first = data
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._in_head = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Do as uvicorn's own does, but wait for the request to be whole before the application is started."""
        parser = self.parser
        if self._offered:
            self.headers[:] = [(b"upgrade" if name == _HIDDEN else name, value) for name, value in self.headers]
            self._offered = False
        elif parser.should_upgrade() and self._first is not None and b"upgrade" in dict(self.headers):
            self._offered = True
            raise _StopError
        version = parser.get_http_version()
        path, _, query = self._path_and_query().partition(b"?")
        text = path.decode("ascii")
        scope: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": self._method or parser.get_method().decode("ascii"),
            "scheme": "http",
            "server": self.server,
            "client": self.client,
            "root_path": "",
            "path": unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
            "headers": self.headers,
            "extensions": self._extensions,
        }
        before = cast("RequestResponseCycle | None", self.cycle)
        self.cycle = _Cycle(
            scope=cast("Any", scope),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue and version != "1.0",  # RFC 9110 10.1.1
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._unstarted = self.cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        self.headers = _TRAILER
        self._first, self._method, self._in_head, self._head_size = None, "", False, 0

    def _path_and_query(self) -> bytes:
        """Return the target without its scheme and host; the host then stands for the Host field (RFC 9112 3.2.2)."""
        if self.url.startswith(b"/") and b"#" not in self.url:
            return self.url
        authority = wire.http_authority(self.url)
        if authority is None:
            self._objection = "the target must be a path, or an http URI, without a fragment"
            raise _StopError
        self.headers[:] = [(name, authority if name == b"host" else value) for name, value in self.headers]
        rest = self.url[len(b"http://") + len(authority) :]
        return rest if rest.startswith(b"/") else b"/" + rest

    def on_message_complete(self) -> None:
        """Run the application at once for a request that is whole: most need no wait, and so no task."""
        super().on_message_complete()
        if self._unstarted is None:
            return
        coroutine = self._unstarted.run_asgi(self.app)
        self._unstarted = None
        try:
            awaited = coroutine.send(None)
        except StopIteration:
            return
        self._start(_finish(_Remainder(coroutine, awaited)))

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run the application for a request in a task that the server waits for when it ends."""
        task = self.loop.create_task(coroutine)
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        # uvicorn's own, but for its timer: one a connection costs less than one a request.
        self._resting_since = self.loop.time()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start(cycle.run_asgi(app))

    def _rest(self) -> None:
        """Close the connection if no request has come for a while; look again later."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        now = self.loop.time()
        if cycle is not None and not cycle.response_complete:
            self._resting_since = now
        left = self._resting_since + self.timeout_keep_alive - now
        if left <= 0:
            self.transport.close()
        elif not self.transport.is_closing():
            self._rest_timer = self.loop.call_later(left, self._rest)

    def send_400_response(self, msg: str) -> None:
        """Answer what llhttp refuses, unless it can be read in other words."""
        error = sys.exception()
        first = self._first
        match = _METHOD.match(first) if first and isinstance(error, httptools.HttpParserInvalidMethodError) else None
        if first and self._offered:
            head, end, rest = first.partition(b"\r\n\r\n")
            self._read_again(_UPGRADE.sub(b"\r\n" + _HIDDEN, head) + end + rest)
            return
        if first and match and match.end() == len(first):  # the rest of the method's name is still to come
            self.parser, self._in_head, self._held = self._new_parser(), False, first
            return
        if first and match and first.startswith(b" ", match.end()):
            self._method = match[0].decode("ascii")
            self._read_again(b"POST" + first[match.end() :])
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            # Octets after a whole request: that one is answered first, and then there is nothing to go on with.
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if isinstance(error, httptools.HttpParserError):
            # The library's reasons are fixed texts, such as "Invalid character in Content-Length".
            msg = f"no HTTP/1.1 request: {self._objection or error}"
        self._refuse(400, msg)

    def _refuse(self, status: int, msg: str) -> None:
        """Answer in the vendor's form, ahead of the application, and end the connection."""
        if self._in_head and len(self.url) > TARGET_LIMIT:
            status = 414
        error = {
            "code": str(status),
            "message": f"{msg.rstrip('.')} (RFC 9112)",
            "status": status,
            "more_info": self.more_info,
        }
        body = json.dumps(error).encode()
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (status, phrase(status).encode(), len(body), body)
        )
        self.transport.close()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Answer a client that has sent its last octet: what it asked for, or 400 where its request stops early."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        unanswered = cycle is not None and not cycle.response_complete
        if cycle is not None and unanswered and not cycle.more_body:
            cycle.keep_alive = False
            return True  # stays open for the answer
        if self._in_head or self._held or unanswered:
            self.send_400_response("The request stops early")
        self.transport.close()  # sends what is still held
        return None


class _Served:
    """The application, with dropped connections made real."""

    def __init__(self, app: MockApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except ConnectionDropped as dropped:
            transport: asyncio.Transport = scope["extensions"][CONNECTION]["transport"]
            if dropped.reset:
                # Lingering for zero seconds makes the kernel send RST in place of FIN (socket(7)).
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            else:
                transport.close()  # sends first what an interrupted answer has already written
            # uvicorn would answer 500 to a call that ends without an answer, unless it knows of the end.
            while (await receive())["type"] != "http.disconnect":
                pass


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it accepts, and which a signal ends without an error."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # uvicorn raises the signal anew after its shutdown, which would make the exit code -15.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _server(app: MockApp, ready: Callable[[], None]) -> _Server:
    protocol = type("Protocol", (_Protocol,), {"more_info": app.spec.more_info})
    config = uvicorn.Config(
        cast("Any", _Served(app)),
        http=protocol,
        ws="none",
        loop="auto",  # uvloop where it is installed
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=1,  # a fault may be sleeping for minutes
    )
    return _Server(config, ready)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class RunningServer:
    """A server that runs in a thread of this process.

    Attributes:
        url: Where it answers, without a slash at the end.
        app: The application behind it, to ask and to steer.
    """

    def __init__(self, url: str, app: MockApp) -> None:
        self.url = url
        self.app = app


@contextlib.contextmanager
def running_server(
    app: MockApp | None = None, *, host: str = "127.0.0.1", port: int = 0, **settings: Any
) -> Generator[RunningServer]:
    """Run a server in a thread for as long as the `with` block lasts.

    Args:
        app: The application; None makes one, and closes it at the end.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        **settings: For `MockApp`, where none is given.

    Yields:
        The server, once it accepts connections.

    Raises:
        OSError: The address or the port is not free.
        ValueError: A setting is not usable.
    """
    own = app is None
    app = MockApp(**settings) if app is None else app
    try:
        with _listen(host, port) as listener:
            started = threading.Event()
            server = _server(app, started.set)
            thread = threading.Thread(target=server.run, args=([listener],), name="smarterproctoring-mock", daemon=True)
            thread.start()
            while not started.wait(0.1):
                if not thread.is_alive():
                    raise RuntimeError("the mock server did not start")
            try:
                yield RunningServer(_url(listener), app)
            finally:
                server.should_exit = True
                thread.join()
    finally:
        if own:
            app.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smarterproctoring-mock",
        description="A mock of the SmarterProctoring API. Prints its URL on the first line once it accepts.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (0: a free one)")
    parser.add_argument("--token", help="the one token to accept (default: any that is not empty)")
    parser.add_argument(
        "--db", type=Path, metavar="FILE", help="SQLite file for sessions and audit rows (default: memory)"
    )
    parser.add_argument("--seed", type=Path, metavar="FILE", help="JSON file of sessions to start with")
    parser.add_argument("--strict-sessions", action="store_true", help="answer 404 to sessions that were not seeded")
    parser.add_argument("--spec", type=Path, metavar="FILE", help="another OpenAPI document to serve")
    parser.add_argument(
        "--scenario", metavar="FILE", help="faults to start with: a JSON file or a shipped scenario's name"
    )
    parser.add_argument(
        "--admin-host", action="append", default=[], metavar="NAME",
        help="a host name, beside the loopback ones, under which /_mock/ may be called; can be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--admin-peer", action="append", default=[], metavar="ADDRESS",
        help="an address or network, beside loopback, from which /_mock/ may be called; can be repeated",
    )  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until SIGINT or SIGTERM.

    Args:
        argv: The arguments; None for the process's.

    Returns:
        The exit code: 0 after a signal, 2 where it could not start.
    """
    try:
        options = _parser().parse_args(argv)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 2
    if options.token is not None and not options.token.strip():
        return _complain("--token must not be empty")
    if not 0 <= options.port <= 65535:
        return _complain(f"--port: {options.port} is not within 0 and 65535")
    try:
        app = MockApp(
            spec=options.spec,
            token=options.token and options.token.strip(),
            db=options.db,
            seed=options.seed,
            strict_sessions=options.strict_sessions,
            scenario=options.scenario,
            admin_hosts=options.admin_host,
            admin_peers=options.admin_peer,
        )
    except ValueError as error:
        return _complain(str(error))
    try:
        listener = _listen(options.host, options.port)
    except OSError as error:
        app.close()
        return _complain(f"cannot listen on {options.host} port {options.port}: {error.strerror or error}")
    address: str = listener.getsockname()[0]
    if not is_loopback(address):
        print(_warning(address, has_token=options.token is not None), file=sys.stderr, flush=True)
    with listener, contextlib.closing(app):
        _server(app, lambda: print(_url(listener), flush=True)).run([listener])
    return 0


def _warning(address: str, *, has_token: bool) -> str:
    whose = "with the token" if has_token else "with any token"
    return (
        f"smarterproctoring-mock: warning: listening on {address}, which other machines may reach: they can send "
        f"requests {whose}. What was recorded is shown to this machine only, and to addresses named by --admin-peer."
    )


def _complain(message: str) -> int:
    print(f"smarterproctoring-mock: {' '.join(message.split())}", file=sys.stderr)
    return 2
