"""Send hostile requests to a mock server, and check that it still answers and that its memory is bounded.

tools/hostile.py                    100,000 requests of every kind, in turn
tools/hostile.py --requests 2000    fewer
tools/hostile.py --db FILE          the same with the server's state in a file

After every hundred of them an ordinary request is sent. Exit code 1 if a request gets no answer in time or a wrong one,
or if the server's memory is more than 200 MB above that of the start.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

TOKEN: Final = "hostile-run"  # noqa: S105  the mock server's own
LIMIT: Final = 200 * 1024 * 1024
"""Octets that the server's memory may grow by."""
PATIENCE: Final = 20.0
"""Seconds within which any request has to be answered: a server that hangs never does, on no machine."""
MIB: Final = 1024 * 1024
ORDINARY: Final = "an ordinary request"
BODY: Final = b'{"type":"proctoru","appointmentDateTime":"2030-01-01T10:00:00.000Z"}'
GOOD: Final = f"token: {TOKEN}\r\nContent-Type: application/json\r\n"


def path(number: int) -> str:
    """Return the path of a session of its own."""
    return f"/v1/installs/AI{0:032x}/exams/EX{0:032x}/sessions/ES{number:032x}"


def request(target: str, fields: str, body: bytes = b"", method: str = "PUT") -> bytes:
    """Put a request together."""
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


@dataclass(frozen=True)
class Kind:
    """One kind of hostile request.

    Attributes:
        name: What it is.
        make: Makes the octets of one; the number tells them apart.
        statuses: What may be answered.
        every: It is sent in one round of this many, because a large request costs as much as many small ones.
    """

    name: str
    make: Callable[[int], bytes]
    statuses: frozenset[int]
    every: int = 1


@cache
def lists() -> bytes:
    """Return 8 MiB of empty lists."""
    return b"[" + b"[]," * ((8 * MIB - 3) // 3) + b"0]"


@cache
def deep() -> bytes:
    """Return lists in lists."""
    return b"[" * 70_000 + b"]" * 70_000


@cache
def bomb() -> bytes:
    """Return compressed data that expands to 64 MiB."""
    return gzip.compress(b"[" * (64 * MIB), 1)


WRONG: Final = frozenset({400, 401, 404, 413, 414, 415, 431})
PACKED: Final = GOOD + "Content-Encoding: gzip\r\n"

KINDS: Final = (
    Kind("Content-Type, 60 octets", lambda _: _typed(" ;" * 24), frozenset({415})),
    Kind("Content-Type, 101 octets", lambda _: _typed(" ; " * 30), frozenset({415})),
    Kind(
        "Content-Type, long and new",
        lambda n: _typed(f";a={n}" + " ; " * 300),
        frozenset({415}),
    ),
    Kind(
        "Prefer",
        lambda n: request(path(n), GOOD + "Prefer: a" + " ; " * 300 + "=\r\n", BODY),
        frozenset({200}),
    ),
    Kind(
        "a fragment after a long host",
        lambda _: request("http://" + "a" * 3000 + "#", GOOD, BODY),
        frozenset({400}),
    ),
    Kind("a new session", lambda n: request(path(n), GOOD, BODY), frozenset({200})),
    Kind(
        "a new session with long notes",
        lambda n: request(path(n), GOOD, _notes(n, 4000)),
        frozenset({200}),
    ),
    Kind(
        "a session that grows",
        lambda n: request(path(0), GOOD, _notes(n, 9000)),
        frozenset({200}),
    ),
    Kind("a new path", lambda n: request(f"/{n}" + "a" * 3000, GOOD, BODY), WRONG),
    Kind(
        "a new invalid SID",
        lambda n: request(path(n) + "z" * 3000, GOOD, BODY),
        frozenset({400}),
    ),
    Kind(
        "a new token",
        lambda n: request(path(0), f"token: {n}{'t' * 3000}\r\n", BODY),
        frozenset({401}),
    ),
    Kind(
        "a new query",
        lambda n: request(f"{path(0)}?{n}" + "q" * 3000, GOOD, BODY),
        frozenset({200}),
    ),
    Kind(
        "many problems",
        lambda _: request(path(0), GOOD, _wrong_fields()),
        frozenset({400}),
    ),
    Kind(
        "a head of 0.9 MB",
        lambda n: request(path(0), f"X{n}: " + "a" * 900_000 + "\r\n"),
        frozenset({431}),
        10,
    ),
    Kind(
        "many header fields",
        lambda _: request(path(0), "a:\r\n" * 15_000),
        frozenset({400, 401, 431}),
        50,
    ),
    Kind(
        "a target of 0.9 MB",
        lambda n: request(f"/{n}" + "a" * 900_000, ""),
        frozenset({404, 414, 431}),
        10,
    ),
    Kind(
        "a type of 60 kB",
        lambda n: _typed(f";a={n}" + ";" * 60_000),
        frozenset({415}),
        20,
    ),
    Kind(
        "notes of 1 MB",
        lambda n: request(path(n), GOOD, _notes(n, MIB)),
        frozenset({200}),
        100,
    ),
    Kind(
        "8 MB of lists",
        lambda _: request(path(0), GOOD, lists()),
        frozenset({400}),
        500,
    ),
    Kind(
        "a deep document",
        lambda _: request(path(0), GOOD, deep()),
        frozenset({400}),
        500,
    ),
    Kind("a read", lambda _: _read(path(0)), frozenset({200})),
    Kind("a read of a new session", lambda n: _read(path(n)), frozenset({200})),
    Kind(
        "a read with a body",
        lambda n: request(path(0), GOOD, _notes(n, 9000), "GET"),
        frozenset({200}),
    ),
    Kind(
        "a read of a new path",
        lambda n: _read(f"{path(n)}/{n}" + "a" * 3000),
        frozenset({404}),
    ),
    Kind(
        "a method that is not described",
        lambda n: request(path(n), GOOD, BODY, ("POST", "DELETE", "PATCH")[n % 3]),
        frozenset({405}),
    ),
    Kind(
        "a read with 8 MB of lists",
        lambda _: request(path(0), GOOD, lists(), "GET"),
        frozenset({200}),
        500,
    ),
    Kind("a bomb", lambda _: request(path(0), PACKED, bomb()), frozenset({413}), 500),
)


def _typed(more: str) -> bytes:
    return request(
        path(0), f"token: {TOKEN}\r\nContent-Type: text/plain{more},\r\n", BODY
    )


def _read(target: str) -> bytes:
    return request(target, f"token: {TOKEN}\r\n", method="GET")


def _notes(number: int, length: int) -> bytes:
    return json.dumps({"notes": f"{number:010}".ljust(length, "n")}).encode()


def _wrong_fields() -> bytes:
    names = (
        "type",
        "notes",
        "company",
        "firstName",
        "lastName",
        "email",
        "phone",
        "address1",
        "address2",
        "place",
    )
    return json.dumps(dict.fromkeys(names, 5)).encode()


class HostileError(Exception):
    """The server does not behave."""


class Connection:
    """One connection to the server, opened again where the server ends it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, data: bytes) -> int:
        """Send a request and return the status of the answer.

        Raises:
            HostileError: No answer came in time.
        """
        for fresh in (False, True):
            try:
                return self._ask(data)
            except TimeoutError:
                raise HostileError(f"no answer within {PATIENCE:g} s") from None
            except ConnectionError as error:
                self.close()
                if fresh:
                    raise HostileError(f"no answer ({error})") from None
        raise AssertionError

    def _ask(self, data: bytes) -> int:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        self._socket.sendall(data)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        fields = dict(
            line.lower().split(b": ", 1)
            for line in head.split(b"\r\n")[1:]
            if b": " in line
        )
        missing = int(fields.get(b"content-length", b"0")) - len(body)
        while missing > 0:
            missing -= len(self._more())
        if fields.get(b"connection") == b"close":
            self.close()
        return int(head.split(b" ", 2)[1])

    def _more(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError("the connection was closed")
        return data

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass
class Outcome:
    """What the run has seen.

    Attributes:
        before: Octets of the server's memory at the start.
        after: The same at the end.
        peak: The most that it ever had.
        slowest: Seconds of the slowest answer to each kind of request.
        wrong: Requests that were not answered as they should be.
        sent: How many of each kind were sent.
    """

    before: int = 0
    after: int = 0
    peak: int = 0
    slowest: dict[str, float] = field(default_factory=dict[str, float])
    wrong: list[str] = field(default_factory=list[str])
    sent: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def grown(self) -> int:
        """Octets by which the memory has grown."""
        return self.after - self.before

    @property
    def good(self) -> bool:
        """Whether the server passed."""
        return not self.wrong and self.grown <= LIMIT


def turns(count: int) -> Iterator[tuple[int, Kind]]:
    """Yield this many requests: their numbers and kinds."""
    numbers = iter(range(1, count + 1))
    for turn in itertools.count():
        for kind in KINDS:
            if turn % kind.every == 0:
                number = next(numbers, None)
                if number is None:
                    return
                yield number, kind


def memory(process: int, name: str = "VmRSS") -> int:
    """Return how many octets of memory a process has; `VmHWM` for the most it has had."""
    for line in (
        Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    ):
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise HostileError("the server has ended")


def run(requests: int, settings: Sequence[str] = ()) -> Outcome:
    """Start a server, send it the requests, and check it."""
    command = [
        sys.executable,
        "-m",
        "smarterproctoring_mock",
        "--token",
        TOKEN,
        *settings,
    ]
    outcome = Outcome()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().rpartition(":")[2])
            hostile = Connection(port)
            ordinary = Connection(port)
            _timed(
                outcome,
                ordinary,
                request(path(0), GOOD, BODY),
                frozenset({200}),
                ORDINARY,
            )
            outcome.before = memory(server.pid)
            for number, kind in turns(requests):
                outcome.sent[kind.name] = outcome.sent.get(kind.name, 0) + 1
                _timed(outcome, hostile, kind.make(number), kind.statuses, kind.name)
                if number % 100 == 0:
                    fair = request(path(0), GOOD, BODY)
                    _timed(outcome, ordinary, fair, frozenset({200}), ORDINARY)
                if len(outcome.wrong) > 20:
                    break
            outcome.after = memory(server.pid)
            outcome.peak = memory(server.pid, "VmHWM")
            hostile.close()
            ordinary.close()
        except HostileError as error:
            outcome.wrong.append(str(error))
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                outcome.wrong.append("SIGTERM did not end the server")
                server.kill()
    return outcome


def _timed(
    outcome: Outcome,
    connection: Connection,
    data: bytes,
    statuses: frozenset[int],
    name: str,
) -> None:
    begin = time.perf_counter()
    try:
        status = connection.ask(data)
    except HostileError as error:
        raise HostileError(f"{name}: {error}") from None
    outcome.slowest[name] = max(
        outcome.slowest.get(name, 0.0), time.perf_counter() - begin
    )
    if status not in statuses:
        outcome.wrong.append(f"{name}: answered with {status}")


def report(outcome: Outcome) -> str:
    """Print the results."""
    lines = [
        f"  {count:>7,}  {outcome.slowest[name]:.2f} s  {name}"
        for name, count in outcome.sent.items()
    ]
    slowest = max(
        outcome.slowest, key=lambda name: outcome.slowest[name], default=ORDINARY
    )
    mib = [
        f"{value / MIB:.0f}" for value in (outcome.before, outcome.after, outcome.peak)
    ]
    lines += [
        f"{sum(outcome.sent.values()):,} hostile requests, {len(outcome.wrong)} answered wrongly",
        f"slowest answer: {outcome.slowest.get(ORDINARY, 0.0):.2f} s to an ordinary request, "
        f"{outcome.slowest.get(slowest, 0.0):.2f} s to a hostile one ({slowest})",
        f"memory of the server: {mib[0]} MB before, {mib[1]} MB after, {mib[2]} MB at most; "
        f"grown by {outcome.grown / MIB:.0f} MB, {LIMIT // MIB} MB are allowed",
        *(f"error: {text}" for text in outcome.wrong),
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--requests", type=int, default=100_000, help="how many to send (%(default)s)"
    )
    parser.add_argument("--db", help="keep the server's state in this file")
    options = parser.parse_args(arguments)
    if not Path(f"/proc/{os.getpid()}/status").exists():
        print(
            "error: needs Linux: the server's memory is read from /proc",
            file=sys.stderr,
        )
        return 2
    outcome = run(options.requests, ["--db", options.db] if options.db else [])
    print(report(outcome))
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())
