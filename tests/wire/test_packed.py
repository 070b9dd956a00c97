"""Rule 6: an answer that is packed is unpacked up to 1 MiB, in time and in memory, or not at all."""

from __future__ import annotations

import functools
import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from smarterproctoring import APIStatusError
from wire.driver import Driver
from wire.misbehave import Server, Step, answer

MIB = 1024 * 1024
PACKED = gzip.compress(b'"moved"')


def zeros(size: int) -> bytes:
    """Zeros, packed; nothing of that size is ever in memory."""
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(bytes(MIB)) for _ in range(size // MIB)]
    return b"".join(pieces) + packer.flush()


@functools.cache
def once() -> bytes:
    """512 MiB of zeros, packed once."""
    return zeros(512 * MIB)


@functools.cache
def twice() -> bytes:
    return gzip.compress(once())


def packed(body: bytes, coding: str, status: int = 200) -> Step:
    return answer(status, body, {"Content-Encoding": coding})


@pytest.mark.parametrize("coding", ["gzip", "GZip", "x-gzip", " gzip "])
def test_gzip_is_read(driver: Driver, server: Server, coding: str) -> None:
    server.script(packed(PACKED, coding))
    with driver.client(server) as client:
        result = client.reschedule()
    assert (result.data, result.incomplete) == ("moved", False)


@pytest.mark.parametrize("coding", ["identity", "Identity ", ""])
def test_no_coding_is_no_coding(driver: Driver, server: Server, coding: str) -> None:
    server.script(packed(b'"moved"', coding))
    with driver.client(server) as client:
        result = client.reschedule()
    assert (result.data, result.incomplete) == ("moved", False)


def test_a_body_of_just_the_limit_is_whole(driver: Driver, server: Server) -> None:
    server.script(packed(gzip.compress(b'"' + b"a" * (MIB - 2) + b'"'), "gzip"))
    with driver.client(server) as client:
        result = client.reschedule()
    assert (len(result.data), result.incomplete) == (MIB - 2, False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "coding"),
    [
        pytest.param(once, "gzip", id="gzip"),
        pytest.param(twice, "gzip, gzip", id="gzip twice"),
        pytest.param(twice, "gzip,gzip,identity", id="gzip twice, and identity"),
        pytest.param(lambda: gzip.compress(twice()), "gzip, gzip, gzip", id="gzip three times"),
        pytest.param(lambda: PACKED, "br", id="br"),
        pytest.param(lambda: PACKED, "zstd", id="zstd"),
        pytest.param(lambda: PACKED, "deflate", id="deflate"),
        pytest.param(lambda: PACKED, "compress", id="compress"),
        pytest.param(lambda: PACKED, "klingon", id="unknown"),
        pytest.param(lambda: PACKED[:-9], "gzip", id="broken off"),
        pytest.param(lambda: b'"moved"', "gzip", id="not packed"),
    ],
)
def test_what_is_not_read_whole_is_marked_and_costs_no_memory(
    driver: Driver, server: Server, body: Callable[[], bytes], coding: str
) -> None:
    server.script(packed(body(), coding))
    tracemalloc.start()
    try:
        with driver.client(server, deadline=20) as client:
            result = client.reschedule()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (result.status, result.incomplete) == (200, True)
    assert peak < 24 * MIB


@pytest.mark.slow
def test_the_status_of_an_error_is_known_though_its_body_is_not(driver: Driver, server: Server) -> None:
    server.script(packed(twice(), "gzip, gzip", 409))
    with driver.client(server) as client:
        error = client.fails(APIStatusError)
    assert (error.status, error.maybe_applied) == (409, False)
