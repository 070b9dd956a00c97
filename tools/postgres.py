"""A Postgres server for tests and tools: on a free port of the loopback, in a folder that goes away."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql

_PATIENCE = 300
"""Seconds after which a step counts as hanging: some take 20 on a busy machine."""


def postgres_tools() -> Path | None:
    """Return the folder of initdb and pg_ctl; None where Postgres is not installed."""
    found = shutil.which("initdb")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found:
        places = [Path(found).parent]
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    return None


@dataclass(frozen=True)
class PostgresServer:
    """A server that runs, or was stopped.

    Attributes:
        tools: The folder of initdb and pg_ctl.
        folder: Its folder.
        port: Its port on the loopback; 0 until it has one.
        user: The command that runs another as the server's user.
    """

    tools: Path
    folder: Path
    port: int
    user: Sequence[str]

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://bulk@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Make the server's files."""
        data = str(self.folder / "db")
        self._call(
            "initdb", "-D", data, "-U", "bulk", "-A", "trust", "-E", "UTF8", "--no-sync"
        )

    def create_database(self) -> str:
        """Create an empty database; return its URL."""
        name = f"journal_{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            connection.execute(statement)
        return self.url(name)

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 "
            "-c unix_socket_directories='' -c fsync=off"
        )
        log = str(self.folder / "log")
        self._control("-l", log, "-o", options, "-w", "-t", str(_PATIENCE), "start")

    def stop(self) -> None:
        """Stop it as a crash would: connections are cut, and a start recovers."""
        self._control("-m", "immediate", "-w", "stop")

    def _control(self, *arguments: str) -> None:
        self._call("pg_ctl", "-D", str(self.folder / "db"), *arguments)

    def _call(self, tool: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self.user, str(self.tools / tool), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{tool}: {done.stdout}{done.stderr}")


@contextmanager
def running_postgres(tools: Path) -> Generator[PostgresServer]:
    """Run a server for as long as the `with` block lasts. It refuses to be root: nobody runs it."""
    with tempfile.TemporaryDirectory(prefix="bulk-postgres-") as name:
        folder = Path(name)
        user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
            user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        files = PostgresServer(tools, folder, 0, user)
        files.create()
        # Not before: making the files takes seconds, in which others could take the port.
        server = replace(files, port=free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """Return a port of the loopback that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
