"""A private package index on loopback, with a password on upload, list and download: for tests and rehearsals.

    tools/index_server.py FOLDER                            prints its simple index's URL once it listens
    tools/index_server.py FOLDER --open                     without passwords
    tools/index_server.py FOLDER --fallback URL             sends readers there for packages that it does not have

The name and the password come from INDEX_USERNAME and INDEX_PASSWORD. It serves until SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from hmac import compare_digest
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pypiserver  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parameter's name upstream
        """Stay quiet."""


def main() -> int:
    """Serve until a signal; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the packages are kept")
    parser.add_argument("--open", action="store_true", help="ask for no password")
    parser.add_argument(
        "--fallback",
        help="the simple index for packages that are not here; 404 by default",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on (0: a free one)"
    )
    options = parser.parse_args()
    user, secret = (
        os.environ.get("INDEX_USERNAME", ""),
        os.environ.get("INDEX_PASSWORD", ""),
    )
    if not options.open and not (user and secret):
        print(
            "error: set INDEX_USERNAME and INDEX_PASSWORD, or pass --open",
            file=sys.stderr,
        )
        return 2

    def knows(name: str, password: str) -> bool:
        return compare_digest(
            f"{name}:{password}".encode(), f"{user}:{secret}".encode()
        )

    options.folder.mkdir(parents=True, exist_ok=True)
    application: Any = pypiserver.app(
        roots=[options.folder],
        authenticate=[] if options.open else ["update", "list", "download"],
        auther=(lambda _name, _password: True) if options.open else knows,
        disable_fallback=options.fallback is None,
        fallback_url=options.fallback or "",
        backend_arg="simple-dir",  # a cache would learn of new files from another thread, and so too late for some
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with make_server(
        "127.0.0.1", options.port, application, _Server, _Handler
    ) as server:
        print(f"http://127.0.0.1:{server.server_port}/simple/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
