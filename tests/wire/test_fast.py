"""The fast connection on its own, over a stream that does what a real socket does only now and then."""

from __future__ import annotations

import ssl
from typing import Any

import httpcore
import httpx
import pytest
from smarterproctoring_transport._sync.pool import SyncLease, SyncPool
from smarterproctoring_transport.deadline import Watch
from wire.misbehave import response

fast = pytest.importorskip("smarterproctoring_transport._sync.fast")


class Stream:
    """A stream, and the backend that opens it: reads give these pieces, then the end."""

    def __init__(self, *pieces: bytes, breaks: bool = False) -> None:
        self.pieces, self.breaks, self.written = list(pieces), breaks, list[bytes]()

    def connect_tcp(self, *_: Any) -> Stream:
        return self

    def write(self, data: bytes, _: float | None) -> None:
        self.written.append(data)
        if self.breaks:
            raise httpcore.WriteError("the peer has closed")

    def read(self, _: int, __: float | None) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def connected(stream: Stream) -> Any:
    return fast.SyncConnection(
        httpcore.URL("http://127.0.0.1:1").origin, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), stream, None
    )


def sent(connection: Any, headers: Any = None) -> httpcore.Response:
    request = httpcore.Request("PUT", "http://127.0.0.1:1/", headers=headers, content=b"{}")
    answer: httpcore.Response = connection.handle_request(request)
    return answer


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nEvil: 1", "a\rEvil: 1", "a\0"])
def test_a_header_cannot_become_another(value: str) -> None:
    stream = Stream(response(200))
    with pytest.raises(httpcore.LocalProtocolError):
        sent(connected(stream), {"X-A": value})
    assert stream.written == []


def test_an_answer_counts_though_the_request_could_not_be_written_to_its_end() -> None:
    answer = sent(connected(Stream(response(413, b"large"), breaks=True)))
    assert (answer.status, answer.read()) == (413, b"large")


def test_no_answer_to_what_could_not_be_written_to_its_end_may_have_been_sent() -> None:
    with pytest.raises(httpcore.RemoteProtocolError):
        sent(connected(Stream(breaks=True)))


class Breaking(Stream):
    """A stream that cannot even be closed, as a socket whose peer has reset it may be."""

    def close(self) -> None:
        raise OSError("reset")


def test_an_answer_that_is_there_counts_though_its_connection_cannot_be_closed() -> None:
    stream = Breaking(response(200, b"moved", {"Connection": "close"}))
    pool = SyncPool(
        lambda: SyncLease(connected(stream), Watch()), httpx.Limits(max_connections=1, max_keepalive_connections=0)
    )
    for _ in range(2):  # the place in the pool is free again
        answer = pool.handle_request(httpcore.Request("PUT", "http://127.0.0.1:1/", content=b"{}"))
        assert (answer.status, answer.extensions["body"]) == (200, b"moved")
        stream.pieces.append(response(200, b"moved", {"Connection": "close"}))
