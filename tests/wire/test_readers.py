"""Both HTTP readers give the same result for the same bytes, synchronously and asynchronously.

The result is written out for each case, so that "the same" cannot become "equally wrong".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import anyio
import httpcore
import httpx
import pytest
from smarterproctoring_transport import AsyncShared, SyncShared
from smarterproctoring_transport.framing import Framing
from wire.driver import CERTIFICATES
from wire.misbehave import Peer, Server, answer

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"Content-Length: 5\r\n\r\nmoved"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MOVED = "200 moved"
LOST = "lost"


class Case(NamedTuple):
    """What a server sends, and what has to come of it.

    Attributes:
        sent: The bytes.
        result: The status and the body; ` …` behind it if the body broke off; or "lost".
        reused: Whether the next request goes over the same connection.
        closes: Whether the server closes after these bytes.
    """

    sent: bytes
    result: str
    reused: bool = False
    closes: bool = False


CASES = {
    # -- the usual
    "length": Case(OK + BODY, MOVED, reused=True),
    "no reason": Case(b"HTTP/1.1 200\r\n" + BODY, MOVED, reused=True),
    "no reason but a space": Case(b"HTTP/1.1 200 \r\n" + BODY, MOVED, reused=True),
    "empty body": Case(OK + b"Content-Length: 0\r\n\r\n", "200 ", reused=True),
    "names in capitals": Case(OK + b"CONTENT-LENGTH: 5\r\n\r\nmoved", MOVED, reused=True),
    "no space after the colon": Case(OK + b"Content-Length:5\r\n\r\nmoved", MOVED, reused=True),
    "spaces around a value": Case(OK + b"Content-Length: \t 5 \t\r\n\r\nmoved", MOVED, reused=True),
    "empty value": Case(OK + b"X-A:\r\n" + BODY, MOVED, reused=True),
    "obs-text in a value": Case(OK + b"X-A: caf\xe9\r\n" + BODY, MOVED, reused=True),
    "obs-text in the reason": Case(b"HTTP/1.1 200 D\xe9plac\xe9\r\n" + BODY, MOVED, reused=True),
    "a tab in the reason": Case(b"HTTP/1.1 200 all\tright\r\n" + BODY, MOVED, reused=True),
    "connection: close": Case(OK + b"Connection: close\r\n" + BODY, MOVED),
    "connection: Close among others": Case(OK + b"Connection: x, Close\r\n" + BODY, MOVED),
    "connection: keep-alive": Case(OK + b"Connection: keep-alive\r\n" + BODY, MOVED, reused=True),
    "until it closes": Case(OK + b"\r\nmoved", MOVED, closes=True),
    # -- lengths
    "two equal lengths": Case(OK + b"Content-Length: 5\r\n" + BODY, MOVED, reused=True),
    "two equal lengths in one": Case(OK + b"Content-Length: 5, 5\r\n\r\nmoved", MOVED, reused=True),
    "two different lengths": Case(OK + b"Content-Length: 4\r\n" + BODY, LOST),
    "two different lengths in one": Case(OK + b"Content-Length: 4, 5\r\n\r\nmoved", LOST),
    "a length with a sign": Case(OK + b"Content-Length: +5\r\n\r\nmoved", LOST),
    "a negative length": Case(OK + b"Content-Length: -5\r\n\r\nmoved", LOST),
    "an empty length": Case(OK + b"Content-Length: \r\n\r\nmoved", LOST),
    "a length in words": Case(OK + b"Content-Length: five\r\n\r\nmoved", LOST),
    "a hexadecimal length": Case(OK + b"Content-Length: 0x5\r\n\r\nmoved", LOST),
    "a length with an underscore": Case(OK + b"Content-Length: 0_5\r\n\r\nmoved", LOST),
    "a length beyond 64 bits": Case(OK + b"Content-Length: 18446744073709551621\r\n\r\nmoved", LOST),
    "leading zeros": Case(OK + b"Content-Length: 0005\r\n\r\nmoved", MOVED, reused=True),
    "a huge length": Case(OK + b"Content-Length: 999999999999999999\r\n\r\nmoved", "200 moved …", closes=True),
    "a body that breaks off": Case(OK + b"Content-Length: 9\r\n\r\nmoved", "200 moved …", closes=True),
    "a body that never starts": Case(OK + b"Content-Length: 9\r\n\r\n", "200  …", closes=True),
    # -- chunks
    "chunks": Case(CHUNKED + b"2\r\nmo\r\n3\r\nved\r\n0\r\n\r\n", MOVED, reused=True),
    "chunks in capitals": Case(OK + b"Transfer-Encoding: Chunked\r\n\r\n5\r\nmoved\r\n0\r\n\r\n", MOVED, reused=True),
    "no chunk": Case(CHUNKED + b"0\r\n\r\n", "200 ", reused=True),
    "chunk extensions": Case(CHUNKED + b'5;a=b;c="d e"\r\nmoved\r\n0;last\r\n\r\n', MOVED, reused=True),
    "a chunk size with zeros": Case(CHUNKED + b"005\r\nmoved\r\n000\r\n\r\n", MOVED, reused=True),
    "spaces after a chunk size": Case(CHUNKED + b"5  \r\nmoved\r\n0\r\n\r\n", MOVED, reused=True),
    "trailers": Case(CHUNKED + b"5\r\nmoved\r\n0\r\nX-A: b\r\nContent-Length: 9\r\n\r\n", MOVED, reused=True),
    "trailers for ever": Case(CHUNKED + b"5\r\nmoved\r\n0\r\n" + b"X-A: b\r\n" * 20_000, "200 moved …"),
    "a bad chunk size": Case(CHUNKED + b"5\r\nmoved\r\nzz\r\n\r\n", "200 moved …"),
    "a chunk size with a sign": Case(CHUNKED + b"+5\r\nmoved\r\n0\r\n\r\n", "200  …"),
    "a chunk size of a hundred digits": Case(CHUNKED + b"1" * 100 + b"\r\nmoved", "200  …"),
    "a chunk that is longer than its size": Case(CHUNKED + b"3\r\nmoved\r\n0\r\n\r\n", "200 mov …"),
    "chunks that end in LF": Case(CHUNKED + b"5\nmoved\n0\n\n", "200  …", closes=True),
    "an endless chunk line": Case(CHUNKED + b"5;" + b"a" * 5000, "200  …"),
    "no last chunk": Case(CHUNKED + b"5\r\nmoved\r\n", "200 moved …", closes=True),
    "half a chunk": Case(CHUNKED + b"9\r\nmoved", "200 moved …", closes=True),
    "no end of the trailer": Case(CHUNKED + b"5\r\nmoved\r\n0\r\nX-A: b\r\n", "200 moved …", closes=True),
    "chunks and a length": Case(
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmoved\r\n0\r\n\r\n", MOVED
    ),
    "chunks in HTTP/1.0": Case(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmoved\r\n0\r\n\r\n", MOVED),
    "an unknown transfer coding": Case(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", LOST),
    "identity as transfer coding": Case(OK + b"Transfer-Encoding: identity\r\n" + BODY, LOST),
    "chunked twice": Case(
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmoved\r\n0\r\n\r\n", LOST
    ),
    "a transfer coding with a vertical tab": Case(OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", LOST),
    # -- lines
    "LF only": Case(b"HTTP/1.1 200 OK\nContent-Length: 5\n\nmoved", MOVED, reused=True),
    "LF in one line": Case(OK + b"X-A: b\nContent-Length: 5\r\n\r\nmoved", MOVED, reused=True),
    "CR only": Case(b"HTTP/1.1 200 OK\rContent-Length: 5\r\rmoved", LOST, closes=True),
    "a CR within a value": Case(OK + b"X-A: a\rb\r\n" + BODY, LOST),
    "a folded header": Case(OK + b"X-A: one\r\n two\r\n\tthree\r\n" + BODY, MOVED, reused=True),
    "a folded length": Case(OK + b"Content-Length:\r\n 5\r\n\r\nmoved", MOVED, reused=True),
    "a fold before any header": Case(OK + b" X-A: b\r\n" + BODY, LOST),
    "a space before the colon": Case(OK + b"Content-Length : 5\r\n\r\nmoved", LOST),
    "a space within a name": Case(OK + b"X A: b\r\n" + BODY, LOST),
    "an empty name": Case(OK + b": b\r\n" + BODY, LOST),
    "no colon": Case(OK + b"nothing\r\n" + BODY, LOST),
    "a NUL in a value": Case(OK + b"X-A: a\x00b\r\n" + BODY, LOST),
    "a NUL in a name": Case(OK + b"X\x00: b\r\n" + BODY, LOST),
    "a control character in a value": Case(OK + b"X-A: a\x07b\r\n" + BODY, LOST),
    "obs-text in a name": Case(OK + b"X\xe9: b\r\n" + BODY, LOST),
    "a long header": Case(OK + b"X-A: " + b"a" * 50_000 + b"\r\n" + BODY, MOVED, reused=True),
    "a header that is too long": Case(OK + b"X-A: " + b"a" * 110_000 + b"\r\n" + BODY, LOST),
    "many headers": Case(OK + b"X-A: b\r\n" * 1000 + BODY, MOVED, reused=True),
    "too many headers": Case(OK + b"X-A: b\r\n" * 20_000 + BODY, LOST),
    "half a header": Case(OK + b"Content-Le", LOST, closes=True),
    "nothing": Case(b"", LOST, closes=True),
    # -- the status line
    "RTSP": Case(b"RTSP/1.0 200 OK\r\n" + BODY, LOST),
    "ICY": Case(b"ICY 200 OK\r\n" + BODY, LOST),
    "HTTP in small letters": Case(b"http/1.1 200 OK\r\n" + BODY, LOST),
    "HTTP/0.9": Case(b"moved", LOST, closes=True),
    "HTTP/1.0": Case(b"HTTP/1.0 200 OK\r\n" + BODY, MOVED),
    "HTTP/1.0 and keep-alive": Case(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + BODY, MOVED),
    "HTTP/1.2": Case(b"HTTP/1.2 200 OK\r\n" + BODY, MOVED, reused=True),
    "HTTP/2.0": Case(b"HTTP/2.0 200 OK\r\n" + BODY, LOST),
    "the preface of HTTP/2": Case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", LOST),
    "a frame of HTTP/2": Case(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", LOST, closes=True),
    "no version": Case(b"HTTP/ 200 OK\r\n" + BODY, LOST),
    "two spaces": Case(b"HTTP/1.1  200 OK\r\n" + BODY, LOST),
    "no status": Case(b"HTTP/1.1\r\n" + BODY, LOST),
    "status 099": Case(b"HTTP/1.1 099 OK\r\n" + BODY, LOST),
    "status 20": Case(b"HTTP/1.1 20 OK\r\n" + BODY, LOST),
    "status 2000": Case(b"HTTP/1.1 2000 OK\r\n" + BODY, LOST),
    "status +200": Case(b"HTTP/1.1 +200 OK\r\n" + BODY, LOST),
    "status 600": Case(b"HTTP/1.1 600 OK\r\n" + BODY, "600 moved", reused=True),
    "status 999": Case(b"HTTP/1.1 999 OK\r\n" + BODY, "999 moved", reused=True),
    "rubbish before it": Case(b"rubbish\r\n" + OK + BODY, LOST),
    "an empty line before it": Case(b"\r\n" + OK + BODY, LOST),
    "a space before it": Case(b" " + OK + BODY, LOST),
    # -- interim answers
    "100": Case(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + BODY, MOVED, reused=True),
    "102 and 103": Case(
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + BODY, MOVED, reused=True
    ),
    "1xx with connection: close": Case(
        b"HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n" + OK + BODY, MOVED, reused=True
    ),
    "1xx with a length": Case(b"HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n" + OK + BODY, MOVED, reused=True),
    "a hundred of 1xx": Case(b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + OK + BODY, MOVED, reused=True),
    "1xx for ever": Case(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000 + OK + BODY, LOST),
    "1xx with a bad header": Case(b"HTTP/1.1 100 Continue\r\nbad\r\n\r\n" + OK + BODY, LOST),
    "1xx and no more": Case(b"HTTP/1.1 100 Continue\r\n\r\n", LOST, closes=True),
    "101": Case(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + OK + BODY, LOST),
    "200 with upgrade": Case(OK + b"Upgrade: h2c\r\nConnection: Upgrade\r\n" + BODY, MOVED, reused=True),
    # -- answers without a body
    "204": Case(b"HTTP/1.1 204 No Content\r\n\r\n", "204 ", reused=True),
    "204 with a length": Case(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204 ", reused=True),
    "204 with a body": Case(b"HTTP/1.1 204 No Content\r\n" + BODY, "204 "),
    "204 with chunks": Case(
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmoved\r\n0\r\n\r\n", "204 "
    ),
    "204 with another answer": Case(b"HTTP/1.1 204 No Content\r\n\r\n" + OK + BODY, "204 "),
    "304": Case(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 ", reused=True),
    "304 with a body": Case(b"HTTP/1.1 304 Not Modified\r\n" + BODY, "304 "),
    "205 with a body": Case(b"HTTP/1.1 205 Reset Content\r\n" + BODY, "205 moved", reused=True),
    # -- what comes after
    "two answers": Case(OK + BODY + OK + BODY, MOVED),
    "two chunked answers": Case((CHUNKED + b"5\r\nmoved\r\n0\r\n\r\n") * 2, MOVED),
    "half an answer after it": Case(OK + BODY + b"HTTP/1.1 2", MOVED),
    "rubbish after it": Case(OK + BODY + b"rubbish", MOVED),
    "an empty line after it": Case(OK + BODY + b"\r\n", MOVED),
    "rubbish after chunks": Case(CHUNKED + b"5\r\nmoved\r\n0\r\n\r\nrubbish", MOVED),
}


@pytest.fixture(params=["h11", "httptools"])
def fast(request: pytest.FixtureRequest) -> bool:
    """Which reader reads."""
    if request.param == "httptools":
        pytest.importorskip("httptools")
    return bool(request.param == "httptools")


@pytest.fixture(params=["sync", "asyncio"])
def exchange(request: pytest.FixtureRequest, fast: bool) -> Callable[[Server], list[str]]:
    """Make requests to a server, one after the other with one transport, and say what came of each."""
    if request.param == "sync":
        return lambda server: ask(server, fast=fast)
    return lambda server: anyio.run(lambda: ask_async(server, fast=fast), backend=request.param)


def options(fast: bool) -> Any:
    return {"fast": fast, "verify": CERTIFICATES, "trust_env": False}


def ask(server: Server, *, fast: bool) -> list[str]:
    results: list[str] = []
    with httpx.Client(transport=SyncShared(server.url, options(fast)).get()) as client:
        for _ in range(2):
            body = b""
            status = ""
            end = " …"
            try:
                with client.stream("PUT", server.url, content=b"{}", extensions=until()) as response:
                    status = f"{response.status_code} "
                    for chunk in response.iter_raw():
                        body += chunk
                    end = ""
            except httpx.TransportError:
                pass
            results.append(f"{status}{body.decode()}{end}" if status else LOST)
    return results


async def ask_async(server: Server, *, fast: bool) -> list[str]:
    results: list[str] = []
    shared = AsyncShared(server.url, options(fast))
    async with httpx.AsyncClient(transport=shared.get()) as client:
        for _ in range(2):
            body = b""
            status = ""
            end = " …"
            try:
                async with client.stream("PUT", server.url, content=b"{}", extensions=until()) as response:
                    status = f"{response.status_code} "
                    async for chunk in response.aiter_raw():
                        body += chunk
                    end = ""
            except httpx.TransportError:
                pass
            results.append(f"{status}{body.decode()}{end}" if status else LOST)
    return results


def until() -> dict[str, float]:
    """A deadline for one exchange that no case should need."""
    return {"deadline": time.monotonic() + 20}


@pytest.mark.parametrize("name", CASES)
def test_the_result(exchange: Callable[[Server], list[str]], name: str) -> None:
    case = CASES[name]

    def step(peer: Peer) -> None:
        peer.read()
        peer.send(case.sent)
        if case.closes:
            peer.close()

    with Server(step, answer(200, b"next")) as server:
        assert exchange(server) == [case.result, "200 next"]
        assert server.connections == (1 if case.reused else 2)


@pytest.mark.parametrize("name", ["length", "chunks", "LF only", "a folded header", "102 and 103", "trailers"])
def test_the_result_byte_by_byte(exchange: Callable[[Server], list[str]], name: str) -> None:
    case = CASES[name]

    def step(peer: Peer) -> None:
        peer.read()
        peer.drip(case.sent, 0.001)

    with Server(step, answer(200, b"next")) as server:
        assert exchange(server) == [case.result, "200 next"]


def seen_in_pieces(data: bytes, size: int) -> tuple[int, bool] | str:
    """What the check gives out of an answer that comes in pieces of this size.

    Returns:
        The size of the body, and whether the connection can go on; or "lost".
    """
    check = Framing()
    seen = b""
    for at in range(0, len(data), size):
        try:
            seen += check.take(data[at : at + size])
        except httpcore.RemoteProtocolError:
            return LOST
    head, _, body = seen.partition(b"\r\n\r\n")
    if b"Transfer-Encoding: chunked" in head:
        body = b"".join(line for line in body.split(b"\r\n")[1::2] if line)
    return len(body), check.keep


@pytest.mark.parametrize("name", [name for name in CASES if len(CASES[name].sent) < 2000])
def test_it_does_not_matter_how_the_bytes_are_cut(name: str) -> None:
    whole = seen_in_pieces(CASES[name].sent, 2000)
    for size in (1, 2, 3, 7, 64):
        assert seen_in_pieces(CASES[name].sent, size) == whole
