"""Whom the admin interface answers: the address at the other end of the connection decides, not what a request says."""

import asyncio
from typing import Any, Self

import pytest
from mock.rawhttp import PATH, TOKEN
from smarterproctoring_mock import MockApp, main
from smarterproctoring_mock import server as server_module
from smarterproctoring_mock.http_server import HttpServer


def ask(app: MockApp, peer: Any, path: str = "/_mock/requests", host: bytes = b"localhost") -> int:
    """Call the application as a server would for a client at this address; return the status."""
    sent: list[Any] = []
    headers = [(b"host", host), (b"accept", b"text/html")]
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": headers}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({**scope, **({} if peer == "unknown" else {"client": peer})}, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200),
        ("127.8.8.8", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("192.0.2.7", 403),
        ("::ffff:192.0.2.7", 403),
        ("2001:db8::1", 403),
        ("fe80::1%eth0", 403),
        ("", 403),
        ("localhost", 403),
    ],
)
@pytest.mark.parametrize("path", ["/_mock/requests", "/_mock/", "/_mock", "/", "/_mock/page/main.js"])
def test_the_address_of_the_other_end_decides(address: str, status: int, path: str) -> None:
    app = MockApp(token=TOKEN)
    assert ask(app, (address, 12345), path) == status
    app.close()


@pytest.mark.parametrize("peer", [None, "unknown"])
def test_an_unknown_address_is_not_answered(peer: Any) -> None:
    app = MockApp(token=TOKEN)
    assert ask(app, peer) == 403
    app.close()


def test_addresses_can_be_let_in() -> None:
    app = MockApp(token=TOKEN, admin_peers=["192.0.2.0/24", "2001:db8::1"])
    found = [
        ask(app, (address, 1)) for address in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "198.51.100.1", "::1")
    ]
    assert found == [200, 200, 200, 403, 200]
    # The name that a request gives is judged as well: a page must not get here by way of DNS.
    assert ask(app, ("192.0.2.7", 1), host=b"example.org") == 403
    app.close()


def test_the_api_itself_answers_everybody() -> None:
    app = MockApp(token=TOKEN)
    assert ask(app, ("192.0.2.7", 1), PATH) == 401  # a read without a token
    app.close()


@pytest.mark.parametrize("peer", ["nonsense", "192.0.2.7/24", ""])
def test_an_address_that_is_none_is_refused(peer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--admin-peer", peer]) == 2
    assert f"admin peer {peer!r}: not an address or network" in capsys.readouterr().err


class Listening:
    """Stands for a socket that listens at an address, so that no test has to."""

    def __init__(self, address: str) -> None:
        self._address = address

    def getsockname(self) -> tuple[str, int]:
        return self._address, 8080

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("options", [[], ["--token", TOKEN]])
@pytest.mark.parametrize(
    ("address", "warned"),
    [("127.0.0.1", False), ("127.0.0.2", False), ("::1", False), ("0.0.0.0", True), ("::", True), ("192.0.2.1", True)],
)
def test_an_address_that_others_may_reach_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, warned: bool, options: list[str]
) -> None:
    monkeypatch.setattr(server_module, "listen", lambda host, port: Listening(address))
    monkeypatch.setattr(HttpServer, "run", lambda server, listener, ready: ready())
    assert main(["--host", address, *options]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("http://")
    assert bool(err) is warned
    if warned:
        assert f"warning: listening on {address}, which other machines may reach" in err
        assert ("with the token" if options else "with any token") in err
        assert "--admin-peer" in err
        assert TOKEN not in err
