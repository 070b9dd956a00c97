"""Rule 1: after a call you know what happened to the exam session."""

from __future__ import annotations

import asyncio
import pickle
import socket
import ssl
from typing import Any

import pytest
import trustme
from smarterproctoring import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ConfigurationError,
    NotFoundError,
    ServerError,
    SmarterProctoringError,
    UnexpectedRedirectError,
)
from wire.driver import PATH, TOKEN, Caller, Driver
from wire.limits import LONG, Clock, read_limit
from wire.misbehave import (
    Peer,
    Server,
    Step,
    answer,
    answer_unread,
    drip_body,
    drop_read,
    drop_unread,
    head,
    json_body,
    never,
    reset_read,
    response,
    say,
    truncated,
    zipped,
)

MIB = 1024 * 1024
TEXT = {"Content-Type": "text/plain"}
HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("step", "data"),
    [
        pytest.param(answer(200, b'"Successful"'), "Successful", id="the documented string"),
        pytest.param(answer(200, b'{"sid": "ES1", "n": [1]}'), {"sid": "ES1", "n": [1]}, id="object"),
        pytest.param(answer(201, b"[]"), [], id="array"),
        pytest.param(answer(200, b"null"), None, id="null"),
        pytest.param(answer(200, b"false"), False, id="false"),
        pytest.param(answer(200, b'{"a":1}', {"Content-Type": "application/vnd.x+json"}), {"a": 1}, id="+json"),
        pytest.param(answer(200, b"{broken"), "{broken", id="broken JSON"),
        pytest.param(answer(200, b"[" * 100_000), "[" * 100_000, id="JSON too deep"),
        pytest.param(answer(200, b"1" * 5000), "1" * 5000, id="JSON number too long"),
        pytest.param(answer(200, b"OK", TEXT), "OK", id="text"),
        pytest.param(answer(200, b"\xff\xfe\xfd", TEXT), "�" * 3, id="not UTF-8"),
        pytest.param(answer(200, b""), None, id="empty 200"),
        pytest.param(say(head(204, {})), None, id="empty 204"),
        pytest.param(say(head(200, {"Content-Length": "0"})), None, id="no content type"),
        pytest.param(say(head(200, {"Content-Length": "3"}) + b'"a"'), "a", id="JSON without a content type"),
        pytest.param(
            say(head(200, {"Content-Type": "text/plain"}) + b"until close", close=True), "until close", id="no length"
        ),
        pytest.param(zipped(b'"packed"'), "packed", id="gzip"),
        pytest.param(answer(200, b'"x"', {"Content-Encoding": "identity"}), "x", id="identity as encoding"),
        pytest.param(
            say(head(100, {}) + head(103, {"Link": "</x>"}) + response(200, b'"late"')), "late", id="1xx first"
        ),
        pytest.param(answer(200, b'"x"', {"X-Odd": "caf\xe9 \xff"}), "x", id="header bytes"),
        pytest.param(answer(200, b'"x"', {"Location": "http://127.0.0.1:1/"}), "x", id="200 with Location"),
    ],
)
def test_a_2xx_returns(any_driver: Driver, server: Server, step: Step, data: Any) -> None:
    server.script(step)
    with any_driver.client(server) as client:
        result = client.reschedule()
    assert (result.data, result.attempts, result.replays, result.incomplete) == (data, 1, 0, False)
    assert 200 <= result.status < 300
    assert result.elapsed > 0
    assert [(request.method, request.path) for request in server.requests] == [("PUT", PATH)]


@pytest.mark.parametrize(
    ("step", "data"),
    [
        pytest.param(truncated(), '"Succ', id="truncated"),
        pytest.param(truncated(201, b""), None, id="truncated to nothing"),
        pytest.param(answer(200, b"a" * (MIB + 1), TEXT), "a" * MIB, id="over 1 MiB"),
        pytest.param(
            say(head(200, {"Transfer-Encoding": "chunked"}) + b"5\r\nhello\r\nzz\r\n", close=True), "hello", id="chunks"
        ),
    ],
)
def test_a_2xx_whose_body_fails_returns_as_incomplete(driver: Driver, server: Server, step: Step, data: Any) -> None:
    server.script(step)
    with driver.client(server) as client:
        result = client.reschedule()
        assert (result.data, result.incomplete) == (data, True)
        server.script(answer())
        assert client.reschedule().data == "Successful"  # and the pool is in order
    assert len(server.requests) == 2


@pytest.mark.parametrize("step", [zipped(b'"packed"', broken=True), zipped(b"0" * 50 * MIB)], ids=["broken", "bomb"])
def test_a_2xx_with_a_bad_gzip_body_returns_as_incomplete(driver: Driver, server: Server, step: Step) -> None:
    server.script(step)
    with driver.client(server) as client:
        result = client.reschedule()
    assert result.incomplete
    assert len(result.data or "") <= MIB


def test_a_body_of_exactly_1_mib_is_whole(driver: Driver, server: Server) -> None:
    server.script(answer(200, b"a" * MIB, TEXT))
    with driver.client(server) as client:
        result = client.reschedule()
    assert (len(result.data), result.incomplete) == (MIB, False)


def test_the_result_is_frozen_and_picklable(driver: Driver, server: Server) -> None:
    server.script(answer(500), answer(200, b'"x"', {"X-Request-Id": "req-7"}))
    with driver.client(server) as client:
        result = client.reschedule()
    assert (result.request_id, result.attempts, result.replays) == ("req-7", 2, 1)
    assert pickle.loads(pickle.dumps(result)) == result
    with pytest.raises(AttributeError):
        result.status = 500  # type: ignore[misc]


@pytest.mark.parametrize(
    ("status", "maybe_applied"),
    [(300, False), (301, False), (302, False), (303, True), (304, False), (307, False), (308, False), (400, False)]
    + [(401, False), (403, False), (404, False), (408, False), (409, False), (410, False), (412, False), (418, False)]
    + [(421, False), (422, False), (425, False), (428, False), (429, False), (498, False), (499, True), (501, False)]
    + [(503, True), (500, True), (502, True), (504, True), (505, True), (520, True), (599, True), (600, True)]
    + [(999, True)],
)
def test_maybe_applied_by_status(driver: Driver, server: Server, status: int, *, maybe_applied: bool) -> None:
    server.script(answer(status, b"<h1>no</h1>", HTML))
    with driver.client(server, retries=0) as client:
        error = client.fails(APIStatusError)
    assert (error.status, error.maybe_applied) == (status, maybe_applied)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("step", "kind", "reached"),
    [
        pytest.param(drop_read, APIConnectionError, 1, id="dropped after reading"),
        pytest.param(drop_unread, APIConnectionError, 0, id="dropped before reading"),
        pytest.param(reset_read, APIConnectionError, 1, id="reset"),
        pytest.param(never, APITimeoutError, 1, id="no answer"),
        pytest.param(say(b"HTTP/1.1 200", close=True), APIConnectionError, 1, id="half a status line"),
        pytest.param(say(b"hello, this is not HTTP\r\n\r\n", close=True), APIConnectionError, 1, id="garbage"),
        pytest.param(say(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"), APIConnectionError, 1, id="bad header"),
        pytest.param(say(b"HTTP/1.1 200 OK\r\nA\x00b: c\r\n\r\n"), APIConnectionError, 1, id="NUL in a header"),
        pytest.param(say(head(200, {"X-Huge": "a" * 300_000})), APIConnectionError, 1, id="huge headers"),
        pytest.param(say(head("abc", {})), APIConnectionError, 1, id="no number for a status"),
        pytest.param(say(head(100, {}), close=True), APIConnectionError, 1, id="only a 100"),
        pytest.param(answer(200, b"x", {"Content-Length": "-1"}), APIConnectionError, 1, id="negative length"),
    ],
)
def test_a_lost_answer_leaves_it_open(
    driver: Driver, server: Server, step: Step, kind: type[SmarterProctoringError], reached: int
) -> None:
    server.script(step)
    with driver.client(server, retries=0, timeout=read_limit(0.3)) as client:
        error = client.fails(kind)
    assert (error.maybe_applied, error.status, error.attempts) == (True, None, 1)
    assert len(server.arrived(reached)) == reached


def test_what_was_never_sent_was_not_applied(any_driver: Driver) -> None:
    with socket.socket() as bound:  # which does not listen, and keeps others from the port
        bound.bind(("127.0.0.1", 0))
        with any_driver.client(f"http://127.0.0.1:{bound.getsockname()[1]}") as client:
            error = client.fails(APIConnectionError)
    assert (error.maybe_applied, error.attempts, error.replays) == (False, 3, 0)
    assert "was not applied" in str(error)


def test_an_untrusted_certificate_is_never_retried(any_driver: Driver) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Server(answer(), tls=context) as server, any_driver.client(server) as client:
        error = client.fails(APIConnectionError)
        assert (error.maybe_applied, error.attempts) == (False, 1)
        assert "TLS" in str(error)
        assert (server.requests, server.connections) == ([], 1)


def cut_a_handshake(peer: Peer) -> None:
    peer.socket.recv(65536)
    peer.close()


def reset_a_handshake(peer: Peer) -> None:
    peer.socket.recv(65536)
    peer.reset()


@pytest.mark.parametrize("step", [drop_unread, cut_a_handshake, reset_a_handshake])
def test_a_connection_that_ends_during_the_handshake_is_no_fault_of_the_certificate(
    any_driver: Driver, step: Step
) -> None:
    with Server(step) as server, any_driver.client(f"https://127.0.0.1:{server.port}", retries=1) as client:
        error = client.fails(APIConnectionError)
    assert (type(error), error.maybe_applied, error.attempts) == (APIConnectionError, False, 2)
    assert "TLS" not in error.message


def test_a_certificate_for_another_host_is_refused(driver: Driver) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("else.example").configure_cert(context)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusting)
    with Server(answer(), tls=context) as server, driver.client(server, verify=trusting) as client:
        error = client.fails(APIConnectionError)
        assert (error.maybe_applied, error.attempts, server.requests) == (False, 1, [])


def test_plain_http_on_an_https_port_is_a_tls_failure(driver: Driver, server: Server) -> None:
    def talk(peer: Peer) -> None:
        peer.socket.recv(65536)
        peer.send(response(400))
        peer.close()

    server.script(talk)
    with driver.client(f"https://127.0.0.1:{server.port}") as client:
        error = client.fails(APIConnectionError)
    assert (error.maybe_applied, error.attempts) == (False, 1)


def test_maybe_applied_sticks(any_driver: Driver, server: Server) -> None:
    server.script(drop_read, answer(503), answer(404, json_body(message="gone")))
    with any_driver.client(server) as client:
        error = client.fails(NotFoundError)
    assert (error.status, error.maybe_applied, error.attempts, error.replays) == (404, True, 3, 2)
    assert "may have been applied" in str(error)


def test_maybe_applied_sticks_when_the_token_fails_later(driver: Driver, server: Server) -> None:
    tokens = iter([TOKEN])
    server.script(answer(500))
    with driver.client(server, driver.hook(lambda: next(tokens))) as client:
        error = client.fails(ConfigurationError)
    assert (error.maybe_applied, error.attempts) == (True, 1)


def test_maybe_applied_sticks_when_the_client_is_closed_between_attempts(server: Server) -> None:
    driver = Driver("sync")
    server.script(drop_read)
    opened: list[Caller] = []
    with driver.client(server, on_retry=lambda *_: opened[0].close()) as client:
        opened.append(client)
        error = client.fails(ConfigurationError)
    assert error.maybe_applied


def test_maybe_applied_sticks_when_a_hook_turns_out_to_be_asynchronous(server: Server) -> None:
    async def hook(*_: object) -> None:
        await asyncio.sleep(0)

    server.script(drop_read)
    with Driver("sync").client(server, on_retry=hook) as client:
        error = client.fails(ConfigurationError)
    assert error.maybe_applied


@pytest.mark.parametrize("size", [2, 3_000_000], ids=["small", "large"])
def test_an_answer_before_the_request_is_read_counts(driver: Driver, size: int) -> None:
    with Server(answer_unread(response(200, b'"early"'))) as server, driver.client(server) as client:
        result = client.reschedule(notes="n" * size)
        assert (result.data, result.attempts) == ("early", 1)
        assert [len(request.json()["notes"]) for request in server.arrived(1)] == [size]


def test_a_redirect_changes_nothing_and_is_not_followed(any_driver: Driver, server: Server) -> None:
    with Server(answer()) as other:
        for status in (301, 302, 303, 307, 308):
            server.script(answer(status, b"", {"Location": f"{other.url}{PATH}"}))
            with any_driver.client(server) as client:
                error = client.fails(UnexpectedRedirectError)
            assert (error.status, error.maybe_applied, error.attempts) == (status, status == 303, 1)
        assert (other.connections, other.requests) == (0, [])
    assert len(server.requests) == 5


def test_a_5xx_with_a_dripping_body_is_still_that_5xx(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    server.script(drip_body(520))
    ends = {"response": [driver.hook(lambda _: clock.put_forward(LONG))]}
    with driver.client(server, deadline=LONG, event_hooks=ends) as client:
        error = client.fails(ServerError)
    assert (error.status, error.maybe_applied) == (520, True)
    assert isinstance(error, APIStatusError)
