"""Prove that calls report the truth: cut the connection at every byte, and compare the report with what the server did.

tools/prove_outcome.py                     every fault point: about 25 minutes on two cores
tools/prove_outcome.py --runs 20000        a sample of that size, spread over all kinds of fault point
tools/prove_outcome.py --write             put the table into docs/explanation/proof.md too

A relay is between the client and a service that knows whether it has applied the change. The relay passes on an
exact number of bytes of the request or of the answer and then ends both connections, with FIN or with RST. The client
reads the session back where it is unsure; the service answers reads in each of the mock's ways (outcome_reads.py).

A run is *unsound* if the client said something that is false:
  - the call returned, confirmed by the answer, and nothing was applied;
  - it returned, confirmed by reading back, and no read after the last request showed what was asked for;
  - its error says that nothing was applied, and something was;
  - its error shows a start that no read after the last request showed, or that is the one that was asked for.
A run is *deceived* if the call returned because the service showed what was asked for, and the service had not applied
it. No client can notice that; it is counted apart, and is unsound unless the service's reads are set up to lie.
A run is *open* if the read works and the call nevertheless ended without knowing: the change was applied and the call
failed, or the change may have been applied and the error does not say what was seen; or if the change was sent again
though it was applied. The exit code is 1 if there is an unsound or an open run, or if an exception other than the
package's own came out.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import re
import socket
import ssl
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import httpx
import trustme
from outcome_reads import (
    ASKED,
    EXAM,
    INSTALL,
    SESSION,
    WORKS,
    ReadAnswer,
    reading,
    readings,
)
from smarterproctoring import (
    AsyncSmarterProctoring,
    Check,
    Result,
    SmarterProctoring,
    SmarterProctoringError,
    policy,
)
from smarterproctoring_generated.operations import RescheduleExamSessionFields

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "explanation" / "proof.md"
BEGIN = "<!-- the table of `make prove-outcome` begins -->\n"
END = "<!-- the table of `make prove-outcome` ends -->\n"
TOKEN = "prove-outcome-token"  # noqa: S105 - the service's own, made up here
CHANGE: RescheduleExamSessionFields = {"appointment_start_date_time": ASKED}
AS_ASKED = datetime.fromisoformat(ASKED)
SILENT = b"(silent)"
"""A missing answer."""
PATIENCE = 0.25
"""Seconds that an attempt waits for an answer in the runs where none comes."""
Wire = Literal["plain", "TLS", "CONNECT"]
Direction = Literal["request", "answer"]
Ending = Literal["FIN", "RST"]
ValueT = TypeVar("ValueT")


# -- what is tried -----------------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """What the service does with a whole request.

    Attributes:
        name: What happens, in words.
        applied: Whether it applies the change before it answers.
        head: Status line and headers, without the blank line.
        body: The bytes after the blank line.
    """

    name: str
    applied: bool
    head: str
    body: bytes = b""

    def encoded(self) -> bytes:
        """Return the bytes on the wire."""
        return (
            self.head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + self.body
            if self.head
            else SILENT
        )


def _sized(
    status: str, body: bytes, content_type: str = "application/json"
) -> tuple[str, bytes]:
    return (
        f"HTTP/1.1 {status}\nContent-Type: {content_type}\nContent-Length: {len(body)}",
        body,
    )


_MOVED = b'{"status":"moved"}'
_PAGE = b"<!DOCTYPE html><html><body>Blocked by policy</body></html>"
_ERROR = b'{"code":"1203","message":"no"}'
ANSWERS = (
    Answer("200, JSON", True, *_sized("200 OK", _MOVED)),
    Answer(
        "200, chunked",
        True,
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked",
        b"12\r\n" + _MOVED + b"\r\n0\r\n\r\n",
    ),
    Answer(
        "200, until the connection ends",
        True,
        "HTTP/1.1 200 OK\nConnection: close",
        _MOVED,
    ),
    Answer("200, plain text", True, *_sized("200 OK", b"moved", "text/plain")),
    Answer(
        "200 after 103",
        True,
        "HTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP/1.1 200 OK\nContent-Length: 0",
    ),
    Answer("204", True, "HTTP/1.1 204 No Content"),
    Answer("200, an HTML page, applied", True, *_sized("200 OK", _PAGE, "text/html")),
    Answer(
        "200, an HTML page, not applied", False, *_sized("200 OK", _PAGE, "text/html")
    ),
    Answer(
        "200, an error object", False, *_sized("200 OK", b'{"error":{"message":"no"}}')
    ),
    Answer("202, not applied yet", False, *_sized("202 Accepted", b"{}")),
    Answer("400", False, *_sized("400 Bad Request", _ERROR)),
    Answer("404", False, *_sized("404 Not Found", _ERROR)),
    Answer("409", False, *_sized("409 Conflict", _ERROR)),
    Answer("429", False, *_sized("429 Too Many Requests", _ERROR)),
    Answer("499 after the change", True, *_sized("499 Client Closed Request", b"")),
    Answer(
        "303 after the change",
        True,
        "HTTP/1.1 303 See Other\nLocation: /done\nContent-Length: 0",
    ),
    Answer(
        "307",
        False,
        "HTTP/1.1 307 Temporary Redirect\nLocation: /elsewhere\nContent-Length: 0",
    ),
    Answer("500 after the change", True, *_sized("500 Internal Server Error", _ERROR)),
    Answer("501", False, *_sized("501 Not Implemented", _ERROR)),
    Answer(
        "502 after the change", True, *_sized("502 Bad Gateway", _PAGE, "text/html")
    ),
    Answer("503 after the change", True, *_sized("503 Service Unavailable", _ERROR)),
    Answer("503, not applied", False, *_sized("503 Service Unavailable", _ERROR)),
    Answer(
        "504 after the change", True, *_sized("504 Gateway Timeout", _PAGE, "text/html")
    ),
    Answer("no HTTP, applied", True, "220 smtp.example.org ESMTP"),
    Answer("no answer in time, applied", True, ""),
)
NEAR = 64
"""Bytes: this much further than the answer is long is cut at every byte. The rest is the answer to a read."""
STEP = 37
"""Bytes between two cuts of that."""
CUT_ANSWERS = ("200, JSON", "200, chunked", "200, until the connection ends", "200 after 103", "204", "400",
               "503 after the change", "200, an HTML page, not applied")  # fmt: skip
"""The kinds of answer that are also cut at every byte; the others come whole."""


class Cut(NamedTuple):
    """Where the relay ends the connection: after this many bytes of one direction have passed."""

    direction: Direction
    at: int
    ending: Ending


class Setup(NamedTuple):
    """How the client is set up for a run."""

    asynchronous: bool
    fast: bool
    wire: Wire
    retries: int


class Point(NamedTuple):
    """One run.

    Attributes:
        setup: How the client is set up.
        answer: What the service does.
        cut: Where the connection ends; None where it is left alone.
        once: Whether only the first connection is cut and only the first request gets this answer; a later one is
            answered with 200.
        reading: How the service answers reads, by its name.
    """

    setup: Setup
    answer: Answer
    cut: Cut | None
    once: bool
    reading: str = WORKS

    def cuts_all(self) -> bool:
        """Tell whether each connection is cut, those of reads included."""
        return self.cut is not None and not self.once

    def kind(self) -> str:
        """Name the line of the table that it belongs to."""
        if self.cut is None:
            return "an answer that comes whole"
        return f"the {self.cut.direction} is cut"


WIRES: tuple[Wire, ...] = ("plain", "TLS", "CONNECT")
SETUPS = tuple(
    Setup(asynchronous, fast, wire, retries)
    for asynchronous, fast, wire, retries in itertools.product(
        (False, True), (False, True), WIRES, (0, 2)
    )
)


# -- the service and the relay -----------------------------------------------------------------------------------------


class Script:
    """What happens to the attempts of the run that is under way, and what was applied.

    Attributes:
        point: The run.
        reading: How it answers reads.
        applied: How often the change was applied.
        replays: How often it came again after it was applied.
        changes: How many requests to change the session came whole.
        moments: The starts that were shown to reads since the last of these.
        attempts: How many connections the relay has taken in this run.
        passed: The most bytes that passed in each direction on a connection of this run.
    """

    def __init__(self) -> None:
        self.point: Point | None = None
        self.reading = reading(WORKS)
        self.applied = 0
        self.replays = 0
        self.changes = 0
        self.moments: list[datetime] = []
        self.attempts = 0
        self.passed: dict[Direction, int] = {"request": 0, "answer": 0}
        self.open = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def begin(self, point: Point) -> None:
        """Begin a run."""
        self.point = point
        self.reading = reading(point.reading)
        self.applied = 0
        self.replays = 0
        self.changes = 0
        self.moments = []
        self.attempts = 0
        self.passed = {"request": 0, "answer": 0}

    def change(self) -> Answer:
        """Carry out a whole request to change the session; return what the service answers."""
        assert self.point is not None
        is_first = self.attempts <= 1 and not self.changes
        answer = self.point.answer if is_first or not self.point.once else ANSWERS[0]
        self.replays += bool(self.applied)
        self.changes += 1
        self.applied += answer.applied
        self.moments = []
        return answer

    def read(self) -> ReadAnswer:
        """Return what the service answers to a read now."""
        answer = self.reading.answer(self.applied)
        if answer.moment is not None:
            self.moments.append(answer.moment)
        return answer

    def cut(self) -> Cut | None:
        """Return where the relay ends the connection that it takes now."""
        assert self.point is not None
        return None if self.point.once and self.attempts > 1 else self.point.cut

    def opened(self) -> None:
        """Count a connection of the service."""
        self.open += 1
        self.idle.clear()

    def closed(self) -> None:
        """Count its end."""
        self.open -= 1
        if not self.open:
            self.idle.set()


class Service(asyncio.Protocol):
    """One connection of the service: it applies the change when the whole request is there, and not before."""

    transport: asyncio.Transport

    def __init__(self, script: Script) -> None:
        self._script = script
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._script.opened()

    def data_received(self, data: bytes) -> None:
        """Read on; act once the request is whole."""
        self._received += data
        head, mark, body = bytes(self._received).partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
        if not mark or len(body) < (int(length[1]) if length else 0):
            return
        self._received.clear()
        if head.startswith(b"GET "):
            self._show(self._script.read())
            return
        encoded = self._script.change().encoded()
        if encoded == SILENT:
            return
        self.transport.write(encoded)
        if b"Connection: close" in encoded or not encoded.startswith(b"HTTP/"):
            self.transport.close()

    def _show(self, answer: ReadAnswer) -> None:
        self.transport.write(answer.encoded)
        if answer.ends == "FIN":
            self.transport.close()
        elif answer.ends == "RST":
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        """Count the end."""
        self._script.closed()


class Half(asyncio.Protocol):
    """The relay's connection to the service."""

    transport: asyncio.Transport

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass a piece of the answer on."""
        self._relay.answered(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        """End the client's connection too."""
        if not self._relay.transport.is_closing():
            self._relay.transport.close()


class Relay(asyncio.Protocol):
    """One connection of the client, passed on to the service until it is cut.

    Args:
        script: What happens in this run.
        port: The service's port.
        tunnel: Whether the client asks for a tunnel first, as of a proxy.
        pairs: Where the connections of this run are kept, so that none outlives it.
    """

    transport: asyncio.Transport

    def __init__(
        self, script: Script, port: int, *, tunnel: bool, pairs: set[Relay]
    ) -> None:
        self._script, self._port, self._pairs = script, port, pairs
        self._tunnel = tunnel
        self._head = bytearray()
        self._early = bytearray()
        self._half: Half | None = None
        self._passed: dict[Direction, int] = {"request": 0, "answer": 0}
        self._cut: Cut | None = None
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, and connect to the service."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._pairs.add(self)
        self._script.attempts += 1
        self._cut = self._script.cut()
        if self._is_due("request"):
            self.end()
        elif not self._tunnel:
            self._connect()

    def data_received(self, data: bytes) -> None:
        """Pass a piece of the request on, as far as it may go."""
        data = self._allowed("request", data)
        if self._tunnel:
            self._head += data
            head, mark, rest = bytes(self._head).partition(b"\r\n\r\n")
            if mark:
                assert head.startswith(b"CONNECT ")
                self._tunnel = False
                self._early += rest
                self._connect()
                self._pass_answer(b"HTTP/1.1 200 Connection established\r\n\r\n")
        elif self._half is None:
            self._early += data
        elif data:
            self._half.transport.write(data)
        if self._is_due("request"):
            self.end()

    def answered(self, data: bytes) -> None:
        """Take a piece of the service's answer."""
        self._pass_answer(data)

    def _pass_answer(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        data = self._allowed("answer", data)
        if data:
            self.transport.write(data)
        if self._is_due("answer"):
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        """End the service's connection too."""
        self._pairs.discard(self)
        if self._half is not None and not self._half.transport.is_closing():
            self._half.transport.close()

    def _connect(self) -> None:
        async def connect() -> None:
            loop = asyncio.get_running_loop()
            _, half = await loop.create_connection(
                lambda: Half(self), "127.0.0.1", self._port
            )
            self._half = half
            if self._early:
                half.transport.write(bytes(self._early))
            if self.transport.is_closing():
                half.transport.close()

        self._script.opened()  # until the service has the connection, so that the run waits for it
        self._connecting = asyncio.create_task(connect())
        self._connecting.add_done_callback(lambda _: self._script.closed())

    def _allowed(self, direction: Direction, data: bytes) -> bytes:
        """Return as much as may pass, and count it."""
        if self._cut is not None and self._cut.direction == direction:
            data = data[: max(0, self._cut.at - self._passed[direction])]
        self._passed[direction] += len(data)
        self._script.passed[direction] = max(
            self._script.passed[direction], self._passed[direction]
        )
        return data

    def _is_due(self, direction: Direction) -> bool:
        cut = self._cut
        return (
            cut is not None
            and cut.direction == direction
            and self._passed[direction] >= cut.at
        )

    def end(self) -> None:
        """End both connections, as the cut says."""
        reset = self._cut is not None and self._cut.ending == "RST"
        transports = (
            [self.transport]
            if self._half is None
            else [self.transport, self._half.transport]
        )
        for transport in transports:
            if transport.is_closing():
                continue
            if reset:
                raw = transport.get_extra_info("socket")
                raw.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                transport.abort()
            else:
                transport.close()


@dataclass
class Bench:
    """The service and the relays, in a thread with a loop of its own.

    Attributes:
        script: What happens, and what was applied.
        ports: The relay's port for each wire.
        context: What the client trusts.
    """

    script: Script
    loop: asyncio.AbstractEventLoop
    ports: dict[Wire, int]
    context: ssl.SSLContext
    _pairs: set[Relay] = field(default_factory=set["Relay"])

    def begin(self, point: Point) -> None:
        """Begin a run."""
        self._in_loop(self._begin(point))

    async def _begin(self, point: Point) -> None:
        self.script.begin(point)

    def end(self) -> Script:
        """End a run: close what is open, wait until the service has seen it; return what it did."""
        return self._in_loop(self._end())

    async def _end(self) -> Script:
        while self._pairs or self.script.open:
            for pair in list(self._pairs):
                pair.end()
            await asyncio.sleep(0)
            if not self._pairs:
                await asyncio.wait_for(self.script.idle.wait(), 10)
        return self.script

    def _in_loop(self, coroutine: Coroutine[Any, Any, ValueT]) -> ValueT:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)


@contextmanager
def running() -> Generator[Bench]:
    """Run the service and the relays on free ports of the loopback."""
    readings()  # recorded before the service runs, because that takes a while
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    ready: list[Bench] = []
    started = threading.Event()
    stopped = asyncio.Event()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        script = Script()
        pairs = set[Relay]()
        servers: list[asyncio.Server] = []

        async def listen(make: Any, **more: Any) -> int:
            server = await loop.create_server(make, "127.0.0.1", 0, backlog=512, **more)
            servers.append(server)
            port: int = server.sockets[0].getsockname()[1]
            return port

        plain = await listen(lambda: Service(script))
        tls = await listen(lambda: Service(script), ssl=server_context)
        ports: dict[Wire, int] = {
            "plain": await listen(
                lambda: Relay(script, plain, tunnel=False, pairs=pairs)
            ),
            "TLS": await listen(lambda: Relay(script, tls, tunnel=False, pairs=pairs)),
            "CONNECT": await listen(
                lambda: Relay(script, tls, tunnel=True, pairs=pairs)
            ),
        }
        loop.set_exception_handler(
            lambda *_: None
        )  # a handshake that was cut is what is tried here
        ready.append(Bench(script, loop, ports, client_context, pairs))
        started.set()
        await stopped.wait()
        for server in servers:
            server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    if not started.wait(30):
        raise SystemExit("the service did not start")
    try:
        yield ready[0]
    finally:
        ready[0].loop.call_soon_threadsafe(stopped.set)
        thread.join(30)


# -- the runs ----------------------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """What a call said.

    Attributes:
        confirmed_by: Why it returned; None if it raised.
        maybe_applied: Whether its error says that the change may have been applied; None if it returned.
        check: What it says was read back.
        error: What it raised, for the message about an unsound run.
    """

    confirmed_by: Literal["answer", "read back"] | None = None
    maybe_applied: bool | None = None
    check: Check | None = None
    error: str = ""


class Seen(NamedTuple):
    """The result of a run.

    Attributes:
        said: What the call said.
        applied: How often the service applied the change.
        replays: How often the change came again after it was applied.
        moments: The starts that the service showed to reads after the last request.
        read_works: Whether reads showed the session as it was.
        read_lies: Whether they showed another.
    """

    said: Said
    applied: int
    replays: int = 0
    moments: tuple[datetime, ...] = ()
    read_works: bool = True
    read_lies: bool = False

    @property
    def unsound(self) -> bool:
        """Whether the client said something that is false."""
        said = self.said
        if said.confirmed_by == "answer":
            return not self.applied
        if said.confirmed_by == "read back":
            is_deceived = not self.applied and self.read_lies
            return AS_ASKED not in self.moments or not (self.applied or is_deceived)
        if self.applied and not said.maybe_applied:
            return True
        return said.check is not None and not self._was_seen(said.check)

    def _was_seen(self, check: Check) -> bool:
        """Tell whether an error shows what a read showed, and nothing that is as asked."""
        shown = [
            datetime.fromisoformat(one.seen) for one in check.differences if one.seen
        ]
        if check.verdict == "unknown":
            return not check.differences
        is_different = check.verdict == "different" and AS_ASKED not in shown
        return is_different and bool(shown) and set(shown) <= set(self.moments)

    @property
    def deceived(self) -> bool:
        """Whether it said so because the service itself did, and that was false."""
        return self.said.confirmed_by == "read back" and not self.applied

    @property
    def open(self) -> bool:
        """Whether the call ended without knowing, or the change was repeated in vain, though the read works."""
        if not self.read_works:
            return False
        if self.replays:
            return True
        verdict = self.said.check and self.said.check.verdict
        is_known = not self.applied and verdict == "different"
        return bool(self.said.maybe_applied) and not is_known


def _hooks_for_silence(point: Point) -> dict[str, list[Callable[[httpx.Request], Any]]]:
    """Return hooks that shorten the wait for an answer where none comes, and only there."""
    silent: set[str] = set()
    if point.answer.encoded() == SILENT:
        silent.add("PUT")
    if reading(point.reading).is_silent:
        silent.add("GET")

    def shorten(request: httpx.Request) -> None:
        if request.method in silent:
            request.extensions["timeout"]["read"] = PATIENCE

    async def shorten_async(request: httpx.Request) -> None:
        shorten(request)

    if not silent:
        return {}
    return {"request": [shorten_async if point.setup.asynchronous else shorten]}


class Runner:
    """Makes calls, each with a client of its own, since a cut connection must not decide about the next run."""

    def __init__(self, bench: Bench, loop: asyncio.Runner) -> None:
        self._bench, self._loop = bench, loop

    def run(self, point: Point) -> Seen:
        """Make one call and compare what it says with what the service did."""
        self._bench.begin(point)
        try:
            result = self._call(point)
            said = Said(result.confirmed_by, check=result.check)
        except SmarterProctoringError as failure:
            text = f"{type(failure).__name__}: {failure}"
            said = Said(None, failure.maybe_applied, failure.check, text)
        did = self._bench.end()
        return Seen(
            said,
            did.applied,
            did.replays,
            tuple(did.moments),
            read_works=did.reading.kind == "works" and not point.cuts_all(),
            read_lies=did.reading.kind == "lies",
        )

    def _call(self, point: Point) -> Result:
        setup = point.setup
        port = self._bench.ports[setup.wire]
        settings: dict[str, Any] = {
            "base_url": f"{'http' if setup.wire == 'plain' else 'https'}://127.0.0.1:{port}",
            "proxy": f"http://127.0.0.1:{port}" if setup.wire == "CONNECT" else None,
            "verify": self._bench.context,
            "retries": setup.retries,
            "timeout": 10.0,
            "deadline": 30.0,
            "event_hooks": _hooks_for_silence(point),
            "fast": setup.fast,
            "trust_env": False,
        }
        if setup.asynchronous:

            async def call() -> Result:
                async with AsyncSmarterProctoring(TOKEN, **settings) as client:
                    return await client.reschedule(INSTALL, EXAM, SESSION, **CHANGE)

            return self._loop.run(call())
        with SmarterProctoring(TOKEN, **settings) as client:
            return client.reschedule(INSTALL, EXAM, SESSION, **CHANGE)

    def sizes(self, setup: Setup, answer: Answer) -> dict[Direction, int]:
        """Make a call without a fault; return how many bytes passed in each direction."""
        self.run(Point(setup._replace(retries=0), answer, None, once=False))
        return dict(self._bench.script.passed)


def points(runner: Runner) -> list[Point]:
    """Return every fault point: each byte of the request and of the answers, both endings, and the whole answers.

    A whole answer comes with each kind of read over plain connections. Elsewhere every other run has a read that works,
    and the others take turns.
    """
    names = [one.name for one in readings()]
    turns = itertools.cycle([name for other in names[1:] for name in (WORKS, other)])
    found: list[Point] = []
    for setup in SETUPS:
        found += _whole(setup, names if setup.wire == "plain" else None, turns)
        handshake = 0
        for name in CUT_ANSWERS:
            answer = next(each for each in ANSWERS if each.name == name)
            sizes = runner.sizes(setup, answer)
            directions: list[tuple[Direction, int]] = [("answer", handshake)]
            near = handshake + len(answer.encoded()) + NEAR
            if not handshake:
                near = max(sizes.values())
                # What comes before the answer proper is the same for all of them.
                directions = [("request", 0), ("answer", 0)]
                handshake = max(1, sizes["answer"] - len(answer.encoded()) - 64)
            for direction, first in directions:
                offsets = _offsets(first, near, sizes[direction])
                endings: tuple[Ending, ...] = ("FIN", "RST")
                found += [
                    Point(setup, answer, Cut(direction, at, ending), once, next(turns))
                    for at, ending, once in itertools.product(
                        offsets, endings, (False, True)
                    )
                ]
    return found


def _offsets(first: int, near: int, last: int) -> list[int]:
    """Return where to cut: at every byte as far as `near`, and now and then within the answer to a read after that."""
    each = range(first, min(near, last) + 1)
    return [*each, *range(near + 1, last, STEP)]


def _whole(
    setup: Setup, names: Sequence[str] | None, turns: Iterator[str]
) -> list[Point]:
    repeated = (False, True) if setup.retries else (False,)
    return [
        Point(setup, answer, None, once, name)
        for answer, once in itertools.product(ANSWERS, repeated)
        for name in names or [next(turns)]
    ]


def sample(every: Sequence[Point], runs: int, seed: int) -> list[Point]:
    """Take this many runs: up to half of them whole answers, the others cuts, each kind evenly spread."""
    if runs >= len(every):
        return list(every)
    whole = [point for point in every if point.cut is None]
    cuts = [point for point in every if point.cut is not None]
    number = max(min(len(whole), runs // 2), runs - len(cuts))
    return [*_spread(whole, number, seed), *_spread(cuts, runs - number, seed)]


def _spread(points: Sequence[Point], number: int, seed: int) -> list[Point]:
    step = len(points) / max(1, number)
    start = random.Random(seed).random() * step  # noqa: S311 - no secret
    return [points[int(start + index * step)] for index in range(number)]


# -- what is printed ---------------------------------------------------------------------------------------------------

COLUMNS = ("returned: answer", "returned: read back", "deceived", "may be applied: applied",
           "may be applied: not applied, seen", "may be applied: not applied", "not applied", "unsound")  # fmt: skip


def column(seen: Seen) -> str:
    """Return the column that counts a run."""
    if seen.unsound:
        return "unsound"
    if seen.deceived:
        return "deceived"
    if seen.said.confirmed_by is not None:
        return f"returned: {seen.said.confirmed_by}"
    if not seen.said.maybe_applied:
        return "not applied"
    if seen.applied:
        return "may be applied: applied"
    check = seen.said.check
    is_seen = check is not None and check.verdict == "different"
    return f"may be applied: not applied{', seen' if is_seen else ''}"


def table(results: Iterable[tuple[Point, Seen]]) -> str:
    """Write the counts as Markdown.

    There is a line for each wire and kind of fault point, for each whole answer, and for each way of answering reads.
    """
    counts: dict[str, Counter[str]] = {}
    for point, seen in results:
        for name in _lines_of(point, seen):
            counts.setdefault(name, Counter())[column(seen)] += 1
            counts[name]["open"] += seen.open
    lines = [
        f"| runs of | runs | {' | '.join(COLUMNS)} | open |",
        f"|---|---|{'---|' * len(COLUMNS)}---|",
    ]
    for name in sorted(counts, key=_rank):
        cells = [f"{counts[name][each]:,}" for each in (*COLUMNS, "open")]
        runs = sum(counts[name][each] for each in COLUMNS)
        lines.append(f"| {name} | {runs:,} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _lines_of(point: Point, seen: Seen) -> list[str]:
    names = [f"{point.setup.wire}: {point.kind()}"]
    if point.cut is None:
        names.append(f"whole: {point.answer.name}")
    kind = reading(point.reading).kind
    is_cut = kind == "works" and not seen.read_works
    names.append(f"read {'works, but may be cut' if is_cut else kind}")
    names.append(f"read, {kind}: {point.reading}")
    return [*names, "**all**"]


def _rank(name: str) -> int:
    """Return where a line belongs; lines of one rank stay in the order in which they came up."""
    order = (
        "",
        "whole: ",
        "read ",
        "read, works",
        "read, lies",
        "read, fails",
        "**all**",
    )
    return max(place for place, begin in enumerate(order) if name.startswith(begin))


@contextmanager
def short_waits() -> Generator[None]:
    """Shorten the waits between attempts, which do not matter here."""
    before = policy.BACKOFF_BASE
    policy.BACKOFF_BASE = 0.001
    try:
        yield
    finally:
        policy.BACKOFF_BASE = before


def prove(runs: int | None, seed: int) -> list[tuple[Point, Seen]]:
    """Make the runs.

    Args:
        runs: How many; None for every fault point.
        seed: Where a sample begins.
    """
    results: list[tuple[Point, Seen]] = []
    with short_waits(), running() as bench, asyncio.Runner() as loop:
        runner = Runner(bench, loop)
        every = points(runner)
        chosen = every if runs is None else sample(every, runs, seed)
        print(
            f"{len(chosen):,} of {len(every):,} fault points, seed {seed}", flush=True
        )
        began = said = time.monotonic()
        for number, point in enumerate(chosen, 1):
            seen = runner.run(point)
            results.append((point, seen))
            if seen.unsound or seen.open:
                what = "UNSOUND" if seen.unsound else "OPEN"
                print(f"{what}: {point}: {seen}", file=sys.stderr, flush=True)
            if time.monotonic() - said > 30:
                said = time.monotonic()
                print(f"{number:,} runs in {said - began:.0f} s", flush=True)
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs", type=int, help="how many fault points to try  (default: all of them)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="where a sample begins (%(default)s)"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the table into docs/explanation/proof.md",
    )
    options = parser.parse_args(arguments)
    results = prove(options.runs, options.seed)
    text = table(results)
    print(f"\n{text}")
    unsound = sum(seen.unsound for _, seen in results)
    left_open = sum(seen.open for _, seen in results)
    print(f"{len(results):,} runs, {unsound} unsound, {left_open} open")
    if options.write:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(
            f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8"
        )
    return int(bool(unsound or left_open))


if __name__ == "__main__":
    sys.exit(main())
