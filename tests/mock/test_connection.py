"""A connection's life: what stalls, what fails, what is not read, and how the server ends."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Generator

import pytest
from mock.accepting import accepting
from mock.rawhttp import BODY, PATH, TOKEN, Client, path_of
from smarterproctoring_mock import MockApp, running_server
from smarterproctoring_mock import app as app_module
from smarterproctoring_mock import server as server_module
from smarterproctoring_mock.asgi import Application, Receive, Scope, Send
from smarterproctoring_mock.http_server import HttpServer
from smarterproctoring_mock.server import listen, serving, url_of

START = {"type": "http.response.start", "status": 200, "headers": []}


def read_to_end(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


@contextlib.contextmanager
def client_of(application: Application) -> Generator[Client]:
    with serving(application, "https://example.org/errors") as url:
        yield Client(url)


# --- requests that stall ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [20, -len(BODY), -1], ids=["in the head", "before the body", "in the body"])
def test_a_request_that_stalls_is_answered_with_408(cut: int) -> None:
    with listen("127.0.0.1", 0) as listener:
        client = Client(url_of(listener))
        with socket.create_connection(client.address, 30) as connection:
            connection.sendall(client.request(close=False)[:cut])
            app = MockApp(token=TOKEN)
            with accepting(listener, app, idle=0.2):
                answer = read_to_end(connection)
                assert app.sessions() == []
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"connection: close" in answer
    assert b"did not arrive in time" in answer


@pytest.mark.slow
def test_a_request_whose_body_keeps_coming_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "IDLE", 5.0)
    with running_server(token=TOKEN) as server:
        client = Client(server.url)
        data = client.request()
        with socket.create_connection(client.address, 30) as connection:
            connection.sendall(data[:-12])
            for octet in data[-12:]:  # longer in all than the limit, and each much sooner
                time.sleep(0.5)
                connection.sendall(bytes([octet]))
            assert read_to_end(connection).startswith(b"HTTP/1.1 200 OK\r\n")


# --- applications that fail ---------------------------------------------------------------------------------


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("a mistake")


async def says_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def stops_halfway(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise LookupError("a mistake")


async def has_no_length(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"as long as it is"})


@pytest.mark.parametrize("application", [fails, says_nothing])
def test_an_application_that_fails_is_500_in_the_vendors_form(
    application: Application, caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(application) as client:
        answer = client.exchange(client.request(close=False))[0]
    assert answer.status == 500
    assert answer.headers["connection"] == "close"
    assert answer.json == {
        "code": "500",
        "message": "the server failed",
        "status": 500,
        "more_info": "https://example.org/errors",
    }
    assert ("a mistake" in caplog.text) is (application is fails)


def test_an_application_that_fails_within_an_answer_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    with client_of(stops_halfway) as client, socket.create_connection(client.address, 30) as connection:
        connection.sendall(client.request(close=False) * 2)
        answer = read_to_end(connection)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"half")
    assert "a mistake" in caplog.text


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    with client_of(has_no_length) as client, socket.create_connection(client.address, 30) as connection:
        connection.sendall(client.request(close=False))
        answer = read_to_end(connection)
    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"as long as it is")


# --- flow control -------------------------------------------------------------------------------------------


def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "IDLE", 0.2)
    done = threading.Event()
    pieces = 200
    piece = b"x" * 1024 * 1024

    async def floods(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for _ in range(pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        done.set()

    with client_of(floods) as client, socket.create_connection(client.address, 30) as connection:
        connection.sendall(client.request())
        assert done.wait(30)
        size = 0
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(1024 * 1024):
                size += len(data)
    assert size < pieces * len(piece) // 2


def test_a_body_is_not_read_ahead_of_the_application() -> None:
    go_on = threading.Event()

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(go_on.wait)
        size = 0
        more = True
        while more:
            message = await receive()
            size += len(message["body"])
            more = message["more_body"]
        await send({**START, "headers": [(b"content-length", b"8")]})
        await send({"type": "http.response.body", "body": b"%8d" % size})

    size = 16 * 1024 * 1024  # more than the kernel holds for the two sockets
    with client_of(waits) as client, socket.create_connection(client.address, 30) as connection:
        rest = memoryview(client.request(body=b"x" * size))
        connection.settimeout(0.5)
        try:
            with pytest.raises(TimeoutError):
                while rest:
                    rest = rest[connection.send(rest) :]
        finally:
            go_on.set()
        connection.settimeout(30)
        connection.sendall(rest)
        assert read_to_end(connection).endswith(b"%8d" % size)


# --- the server's end ---------------------------------------------------------------------------------------


def test_an_answer_that_was_begun_is_finished_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = HttpServer.stop
    stopped = threading.Event()

    def stop_and_tell(server: HttpServer) -> None:
        stop(server)
        stopped.set()

    async def until_the_end(_: float) -> None:
        while not stopped.is_set():
            await asyncio.sleep(0.005)
        for _ in range(10):  # turns of the loop, in which the server begins to end
            await asyncio.sleep(0)

    monkeypatch.setattr(HttpServer, "stop", stop_and_tell)
    monkeypatch.setattr(app_module, "sleep", until_the_end)
    with running_server(token=TOKEN) as server:
        client = Client(server.url)
        server.app.add_faults({"delay": 0.3})
        connection = socket.create_connection(client.address, 30)
        connection.sendall(client.request(close=False))
        while server.app.faults():
            time.sleep(0.001)
    with connection:
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in answer


def test_an_answer_that_takes_too_long_is_not_waited_for() -> None:
    with running_server(token=TOKEN) as server:
        client = Client(server.url)
        server.app.add_faults({"delay": 600})
        connection = socket.create_connection(client.address, 30)
        connection.sendall(client.request())
        while server.app.faults():
            time.sleep(0.001)
    with connection, contextlib.suppress(ConnectionResetError):
        assert read_to_end(connection) == b""


def test_requests_that_were_sent_before_the_client_closed_are_all_acted_upon() -> None:
    with running_server(token=TOKEN) as server:
        client = Client(server.url)
        requests = [client.request(path=path_of(number), close=False) for number in range(3)]
        server.app.add_faults({"delay": 0.05})
        client.exchange(b"".join(requests), answers=3, shut=True)
        assert len(server.app.sessions()) == 3


def test_http_1_0_gets_one_answer_and_the_end() -> None:
    with running_server(token=TOKEN) as server:
        client = Client(server.url)
        request = client.request(close=False).replace(b"HTTP/1.1", b"HTTP/1.0")
        with socket.create_connection(client.address, 30) as connection:
            connection.sendall(request + request)
            answer = read_to_end(connection)
    assert answer.count(b" 200 OK\r\n") == 1
    assert b"connection: close\r\n" in answer


def test_connect_is_answered_and_nothing_after_it_is_read() -> None:
    with running_server(token=TOKEN) as server:
        client = Client(server.url)
        data = f"CONNECT http://{client.host}{PATH} HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode()
        with socket.create_connection(client.address, 30) as connection:
            connection.sendall(data + client.request())
            answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.count(b"HTTP/1.1 ") == 1
