"""The process: the command line, and the server in a thread of a test's process."""

import argparse
import contextlib
import socket
import sys
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from smarterproctoring_mock.admin import is_loopback
from smarterproctoring_mock.app import MockApp
from smarterproctoring_mock.asgi import Application
from smarterproctoring_mock.control import AllSettings
from smarterproctoring_mock.http_server import HttpServer
from smarterproctoring_mock.named_faults import ABOUT_FAULTS

IDLE = 75.0
"""Seconds after which a connection is closed that waits for a request, or for the rest of one."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises OSError where the address or the port is not free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def url_of(listener: socket.socket) -> str:
    """Return the URL at which a listening socket is reached, without a slash at the end."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def serving(
    application: Application, more_info: str, *, host: str = "127.0.0.1", port: int = 0
) -> Generator[str]:
    """Serve an application from a thread for as long as the `with` block lasts.

    Args:
        application: What answers the requests.
        more_info: The link that the vendor's errors hold.
        host: The address to listen on.
        port: The port; 0 takes a free one.

    Yields:
        The URL, once connections are accepted.

    Raises:
        OSError: The address or the port is not free.
    """
    server = HttpServer(application, more_info, IDLE)
    with running_in_thread(server, host, port) as url:
        yield url


@contextlib.contextmanager
def running_in_thread(server: HttpServer, host: str, port: int) -> Generator[str]:
    """Run a server in a thread for as long as the `with` block lasts.

    Yields:
        The URL, once connections are accepted.

    Raises:
        OSError: The address or the port is not free.
    """
    with listen(host, port) as listener:
        url = url_of(listener)
        started = threading.Event()
        thread = threading.Thread(
            target=server.run,
            args=(listener, started.set),
            name="smarterproctoring-mock",
            daemon=True,
        )
        thread.start()
        while not started.wait(0.1):
            if not thread.is_alive():
                raise RuntimeError("the mock server did not start")
        try:
            yield url
        finally:
            server.stop()
            thread.join()


class RunningServer:
    """A server that runs in a thread of this process.

    Attributes:
        url: Where it answers, without a slash at the end.
        app: The application behind it, to configure and query.
    """

    def __init__(self, url: str, app: MockApp) -> None:
        self.url = url
        self.app = app


@contextlib.contextmanager
def running_server(
    app: MockApp | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    **settings: Unpack[AllSettings],
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
        with serving(app, app.spec.more_info, host=host, port=port) as url:
            yield RunningServer(url, app)
    finally:
        if own:
            app.close()


@dataclass
class _Options:
    """The options of the command line."""

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    db: Path | None = None
    seed: Path | None = None
    strict_sessions: bool = False
    spec: Path | None = None
    scenario: str | None = None
    admin_host: list[str] = field(default_factory=list[str])
    admin_peer: list[str] = field(default_factory=list[str])


def _faults_in_words() -> str:
    """Return the table of the named faults."""
    width = max(map(len, ABOUT_FAULTS))
    lines = [f"  {name:<{width}}  {about}" for name, about in ABOUT_FAULTS.items()]
    return "\n".join(
        ["faults by name, for a --scenario file and for POST /_mock/faults:", *lines]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smarterproctoring-mock",
        description="A mock of the SmarterProctoring API. Prints its URL on the first line once it listens.",
        epilog=_faults_in_words(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (%(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on (0: a free one)"
    )
    parser.add_argument(
        "--token", help="the one token to accept (default: any that is not empty)"
    )
    parser.add_argument(
        "--db",
        type=Path,
        metavar="FILE",
        help="SQLite file for sessions and audit rows (default: memory)",
    )
    parser.add_argument(
        "--seed", type=Path, metavar="FILE", help="JSON file of sessions to start with"
    )
    parser.add_argument(
        "--strict-sessions",
        action="store_true",
        help="answer 404 to sessions that were not seeded",
    )
    parser.add_argument(
        "--spec", type=Path, metavar="FILE", help="another OpenAPI document to serve"
    )
    parser.add_argument(
        "--scenario",
        metavar="FILE",
        help="faults to start with: a JSON file or a shipped scenario's name",
    )
    parser.add_argument(
        "--admin-host", action="append", default=[], metavar="NAME",
        help="a host name, in addition to the loopback ones, under which /_mock/ may be called; can be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--admin-peer", action="append", default=[], metavar="ADDRESS",
        help="an address or network, in addition to loopback, from which /_mock/ may be called; can be repeated",
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
        options = _parser().parse_args(argv, namespace=_Options())
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 2
    if options.token is not None and not options.token.strip():
        return _complain("--token must not be empty")
    if not 0 <= options.port <= 65535:
        return _complain(f"--port: {options.port} is not within 0 and 65535")
    try:
        app = _application(options)
    except ValueError as error:
        return _complain(str(error))
    with contextlib.closing(app):
        return _run(app, options)


def _run(app: MockApp, options: _Options) -> int:
    """Serve an application until a signal comes; return the exit code."""
    host = options.host
    try:
        listener = listen(host, options.port)
    except OSError as error:
        reason = error.strerror or error
        return _complain(f"cannot listen on {host} port {options.port}: {reason}")
    address: str = listener.getsockname()[0]
    if not is_loopback(address):
        warning = _warning(address, has_token=options.token is not None)
        print(warning, file=sys.stderr, flush=True)
    url = url_of(listener)
    with listener:
        server = HttpServer(app, app.spec.more_info, IDLE)
        server.run(listener, lambda: print(url, flush=True))
    return 0


def _application(options: _Options) -> MockApp:
    token = options.token.strip() if options.token is not None else None
    return MockApp(
        spec=options.spec,
        token=token,
        db=options.db,
        seed=options.seed,
        strict_sessions=options.strict_sessions,
        scenario=options.scenario,
        admin_hosts=options.admin_host,
        admin_peers=options.admin_peer,
    )


def _warning(address: str, *, has_token: bool) -> str:
    whose = "with the token" if has_token else "with any token"
    return (
        f"smarterproctoring-mock: warning: listening on {address}, which other machines may reach: they can send "
        f"requests {whose}. What was recorded is shown to this machine only, and to addresses named by --admin-peer."
    )


def _complain(message: str) -> int:
    print(f"smarterproctoring-mock: {' '.join(message.split())}", file=sys.stderr)
    return 2
