"""Each fault that overrides/README.md lists is still there in the plain generated client, or in plain httpx.

Once a new release of either has fixed a fault, its test fails and names the row, the override and the test to delete.
"""

from __future__ import annotations

import copy
import functools
import gzip
import importlib
import inspect
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec

import httpcore
import httpx
import pytest
import yaml
from generation.loopback import Answer, Handler, Loopback, drop
from once import once

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "overrides" / "README.md"
TOKEN = "raw.token.value"
SIDS = tuple(kind + "0123456789abcdef" * 2 for kind in ("AI", "EX", "ES"))
OK = Answer(200, "Session rescheduled")
P = ParamSpec("P")
TESTS: dict[str, str] = {}
pytestmark = pytest.mark.tooling


def row(name: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Say which row of the table a test belongs to; a failure then says what to delete."""

    def mark(test: Callable[P, None]) -> Callable[P, None]:
        assert name not in TESTS
        TESTS[name] = test.__name__

        @functools.wraps(test)
        def run(*arguments: P.args, **named: P.kwargs) -> None:
            try:
                test(*arguments, **named)
            except (Exception, pytest.fail.Exception) as gone:
                pytest.fail(
                    f"the fault `{name}` is no longer seen. If it is fixed upstream, delete its row in "
                    f"overrides/README.md, the override that the row names, and {test.__name__}.\n{gone!r}"
                )

        return run

    return mark


class Plain:
    """The client as the generator writes it with its own templates and this project's configuration."""

    def __init__(self, package: str) -> None:
        self.package: Any = importlib.import_module(package)
        self.client: Any = importlib.import_module(f"{package}.client")
        self.change: Any = importlib.import_module(f"{package}.models").SessionChange
        self.session: Any = importlib.import_module(f"{package}.models").ExamSession
        self.unset: Any = importlib.import_module(f"{package}.types").UNSET
        self.endpoint: Any = importlib.import_module(f"{package}.api.exam_sessions.reschedule_exam_session")

    def connect(self, url: str, **options: Any) -> Any:
        return self.package.AuthenticatedClient(base_url=url, token=TOKEN, **options)

    def call(self, client: Any, *sids: str, **fields: Any) -> Any:
        body = self.change(**(fields or {"notes": "moved"}))
        return self.endpoint.sync_detailed(*(sids or SIDS), client=client, body=body)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:
    folder = once(tmp_path_factory, "plain", generate_plain)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield Plain("plain_generated_client")
        for name in [name for name in sys.modules if name.startswith("plain_generated_client")]:
            patch.delitem(sys.modules, name)


def generate_plain(folder: Path) -> None:
    """Write that client as the package `plain_generated_client` into a folder."""
    config = yaml.safe_load((ROOT / "generator-config.yml").read_text())
    config |= {"package_name_override": "plain_generated_client", "post_hooks": []}
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    options = ["--path", str(ROOT / "openapi/smarterproctoring.yaml"), "--config", str(folder / "config.yml")]
    options += ["--meta", "none", "--fail-on-warning", "--output-path", str(folder / "plain_generated_client")]
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# -- the generated client -------------------------------------------------------------------------------------------


@row("bearer")
def test_bearer(plain: Plain) -> None:
    with Loopback(OK) as server, plain.connect(server.url) as client:
        plain.call(client)
    assert server.seen[0].headers["authorization"] == [f"Bearer {TOKEN}"]
    assert "token" not in server.seen[0].headers


@row("no-time-limit")
def test_no_time_limit(plain: Plain) -> None:
    with plain.connect("http://127.0.0.1:1") as client:
        assert client.get_httpx_client().timeout == httpx.Timeout(None)


@row("errors-returned")
def test_errors_returned(plain: Plain) -> None:
    for status in (302, 401, 500):
        server = Loopback(Answer(status, {"message": "refused"}))
        with server, plain.connect(server.url, raise_on_unexpected_status=True) as client:
            assert plain.call(client).status_code == status


@row("unregistered-status")
def test_unregistered_status(plain: Plain) -> None:
    for status in (299, 520):
        with Loopback(Answer(status, {"message": ""})) as server, plain.connect(server.url) as client:
            with pytest.raises(ValueError, match=f"{status} is not a valid HTTPStatus"):
                plain.call(client)
            assert len(server.seen) == 1


@row("unreadable-success")
def test_unreadable_success(plain: Plain) -> None:
    for body in (b"", b"Session rescheduled"):
        with Loopback(Answer(200, body)) as server, plain.connect(server.url) as client:
            with pytest.raises(json.JSONDecodeError):
                plain.call(client)
            assert len(server.seen) == 1, "the change was made, and the caller sees an error"


@row("shown-models")
def test_shown_models(plain: Plain) -> None:
    assert "Ada" in repr(plain.change(first_name="Ada"))
    session = plain.session.from_dict({"accessKey": "key-1", "other": "key-2"})
    assert "key-1" in repr(session)
    assert "key-2" in repr(session)


@row("naive-answers")
def test_naive_answers(plain: Plain) -> None:
    session = plain.session.from_dict({"appointmentDate": "2030-05-04T13:00:00"})
    assert session.appointment_date == datetime(2030, 5, 4, 13)


@row("copied-unset")
def test_copied_unset(plain: Plain) -> None:
    copied = copy.deepcopy(plain.change(notes="moved"))
    assert copied.email is not plain.unset
    assert len(copied.to_dict()) > 1


@row("unreadable-error")
def test_unreadable_error(plain: Plain) -> None:
    server = Loopback(Answer(502, b"<h1>Bad Gateway</h1>"))
    with server, plain.connect(server.url) as client, pytest.raises(json.JSONDecodeError):
        plain.call(client)


@row("patterns")
def test_patterns(plain: Plain) -> None:
    with Loopback(OK) as server, plain.connect(server.url) as client:
        plain.call(client, SIDS[1], SIDS[0], "nonsense")
    assert server.seen[0].path.endswith("/sessions/nonsense")


@row("offset-times")
def test_offset_times(plain: Plain) -> None:
    with Loopback(OK) as server, plain.connect(server.url) as client:
        plain.call(client, appointment_date_time=datetime(2030, 5, 4, 12, tzinfo=UTC))
    assert json.loads(server.seen[0].body) == {"appointmentDateTime": "2030-05-04T12:00:00+00:00"}


@row("naive-times")
def test_naive_times(plain: Plain) -> None:
    with Loopback(OK) as server, plain.connect(server.url) as client:
        plain.call(client, appointment_date_time=datetime(2030, 5, 4, 12))
    assert json.loads(server.seen[0].body) == {"appointmentDateTime": "2030-05-04T12:00:00"}


@row("token-in-repr")
def test_token_in_repr(plain: Plain) -> None:
    assert TOKEN in repr(plain.connect("http://127.0.0.1:1"))


@row("token-frozen")
def test_token_frozen(plain: Plain) -> None:
    with Loopback(OK) as server, plain.connect(server.url) as client:
        plain.call(client)
        client.token = "renewed"
        plain.call(client)
    assert server.seen[1].headers["authorization"] == [f"Bearer {TOKEN}"]


@row("with-headers")
def test_with_headers(plain: Plain) -> None:
    with Loopback(OK) as server, plain.connect(server.url) as client:
        client.with_headers({"x-trace": "other"})
        client.with_cookies({"tracker": "other"})
        client.with_timeout(httpx.Timeout(7))
        plain.call(client)
        assert client.get_httpx_client().timeout == httpx.Timeout(7)
    assert server.seen[0].headers["x-trace"] == ["other"]
    assert server.seen[0].headers["cookie"] == ["tracker=other"]


@row("client-per-thread")
def test_client_per_thread(plain: Plain, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[httpx.Client] = []
    begun: list[int] = []

    class Slow(httpx.Client):
        def __init__(self, **options: Any) -> None:
            begun.append(1)
            until = time.monotonic() + 20
            while len(begun) < 2 and time.monotonic() < until:  # for another thread that makes one as well
                time.sleep(0.005)
            super().__init__(**options, transport=httpx.MockTransport(lambda _: httpx.Response(200)))
            made.append(self)

    monkeypatch.setattr(plain.client.httpx, "Client", Slow)
    client = plain.connect("http://127.0.0.1:1")
    threads = [threading.Thread(target=client.get_httpx_client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in made:
        each.close()
    assert len(made) > 1


@row("no-retries")
def test_no_retries(plain: Plain) -> None:
    with Loopback(Answer(503, {"message": "later"}), OK) as server, plain.connect(server.url) as client:
        assert plain.call(client).status_code == 503
        assert len(server.seen) == 1
    with Loopback(drop, OK) as server, plain.connect(server.url) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            plain.call(client)
        assert len(server.seen) == 1


@row("foreign-errors")
def test_foreign_errors(plain: Plain) -> None:
    with socket.socket() as bound:  # which does not listen, and keeps others from the port
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with plain.connect(f"http://127.0.0.1:{port}") as client, pytest.raises(httpx.ConnectError) as failed:
            plain.call(client)
    assert TOKEN in failed.value.request.headers["authorization"]


# -- httpx -------------------------------------------------------------------------------------------------------------


@row("redirect-token")
def test_redirect_token() -> None:
    with Loopback(OK) as elsewhere:
        server = Loopback(Answer(307, headers=(("location", f"{elsewhere.url}/stolen"),)))
        with server, httpx.Client(headers={"token": TOKEN}, follow_redirects=True) as client:
            client.put(server.url)
        assert elsewhere.seen[0].headers["token"] == [TOKEN]


def dripping(limit: float) -> Callable[[Handler], None]:
    """Send a body in ten pieces, in a little more time than this."""

    def drip(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
        for _ in range(10):
            time.sleep(limit / 8)
            handler.wfile.write(b" ")

    return drip


def outlasts(limit: float) -> bool:
    """Tell whether an answer that takes longer than httpx's limit is read to its end."""
    with Loopback(dripping(limit)) as server, httpx.Client(timeout=limit) as client:
        began = time.monotonic()
        try:
            assert client.get(server.url).content == b" " * 10
        except httpx.ReadTimeout:  # one piece alone took that long
            return False
        return time.monotonic() - began > limit


@row("dripping-body")
def test_dripping_body() -> None:
    assert any(outlasts(limit) for limit in (0.8, 8))  # the machine may stand still for the shorter one


@row("own-pool")
def test_own_pool() -> None:
    options = inspect.signature(httpx.HTTPTransport).parameters
    assert not [name for name in options if "pool" in name], "there is a public way now"
    with httpx.HTTPTransport() as transport:
        assert callable(vars(transport)["_pool"].handle_request)
    asked: list[object] = []

    class Asked(httpcore.HTTPConnection):
        def has_expired(self) -> bool:
            asked.append(self)
            return super().has_expired()

    class Asking(httpcore.ConnectionPool):
        def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
            answers = [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 0\r\n", b"\r\n"]
            return Asked(origin, keepalive_expiry=60, network_backend=httpcore.MockBackend(answers * 2))

    with Asking(max_connections=9, max_keepalive_connections=9) as pool:
        streams = [pool.stream("GET", "http://api.example.com") for _ in range(8)]
        for stream in streams:
            stream.__enter__()
        asked.clear()
        pool.request("GET", "http://api.example.com")
        for stream in streams:
            stream.__exit__(None, None, None)
    assert len(set(asked)) >= 8, "one request looks at every connection"


@row("unlimited-body")
def test_unlimited_body() -> None:
    bomb = Answer(200, gzip.compress(bytes(8 * 1024 * 1024)), (("content-encoding", "gzip"),))
    with Loopback(bomb) as server, httpx.Client() as client:
        assert len(client.get(server.url).content) == 8 * 1024 * 1024
    assert "gzip" in server.seen[0].headers["accept-encoding"][0]


@row("endless-look-up")
def test_endless_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*arguments: Any, **named: Any) -> Any:
        time.sleep(0.6)
        return look_up(*arguments, **named)

    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with Loopback(OK) as server, httpx.Client(timeout=httpx.Timeout(10, connect=0.1)) as client:
        began = time.monotonic()
        assert client.get(server.url).status_code == 200
        assert time.monotonic() - began >= 0.6


@row("two-answers")
def test_two_answers() -> None:
    def both(handler: Handler) -> None:
        first = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst"
        handler.wfile.write(first + first.replace(b"first", b"stale"))

    with Loopback(both) as server, httpx.Client() as client:
        assert client.get(server.url).content == b"first"
        assert client.get(server.url).content == b"stale"


FORK = """
import os, sys, httpx
client = httpx.Client()
client.get(sys.argv[1])
child = os.fork()
if child:
    os.waitpid(child, 0)  # so that only one uses the socket at a time
client.get(sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@row("fork")
def test_fork() -> None:
    with Loopback(OK) as server:
        subprocess.run([sys.executable, "-c", FORK, server.url], check=True, timeout=30)
    assert len(server.seen) == 3
    assert len({seen.peer for seen in server.seen}) == 1, "child and parent write into one connection"


# -- the table -------------------------------------------------------------------------------------------------------


TRANSPORT = ROOT / "transport" / "smarterproctoring_transport"


def rows() -> dict[str, str]:
    lines = README.read_text(encoding="utf-8").splitlines()
    return {match[1]: line for line in lines if (match := re.match(r"\| `([a-z-]+)` \|", line))}


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    assert list(rows()) == list(TESTS)


@pytest.mark.parametrize("name", TESTS)
def test_row_names_code_that_is_there(name: str) -> None:
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", rows()[name])[1:-1]]
    assert len(cells) == 5
    places = re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", cells[3])
    assert places, "the fourth cell says where, as `file.py`: `name`, `name`"
    for file, names in places:
        folders = (ROOT,) if "/" in file else (ROOT / "overrides" / "smarterproctoring", TRANSPORT)
        (source,) = (path.read_text(encoding="utf-8") for folder in folders if (path := folder / file).exists())
        for dotted in re.findall(r"`([\w.]+)`", names):
            for part in dotted.split("."):
                defined = rf"(?m)^\s*(?:(?:async )?def|class) {part}\b|^\s*(?:self\.)?{part}\b[^=\n]*= "
                assert re.search(defined, source), f"{file} defines no {part}"


def test_imports_run_one_way() -> None:
    """Each module of the list imports only from modules above it."""
    text = README.read_text(encoding="utf-8").partition("The commands are in `_cli/`")[0]
    assert_one_way(ROOT / "overrides" / "smarterproctoring", "smarterproctoring", text, first="problems")


def test_imports_of_the_commands_run_one_way() -> None:
    text = README.read_text(encoding="utf-8").partition("The commands are in `_cli/`")[2]
    folder = ROOT / "overrides" / "smarterproctoring" / "_cli"
    assert_one_way(folder, "smarterproctoring._cli", text, first="exit_codes")


def assert_one_way(folder: Path, package: str, text: str, *, first: str) -> None:
    order = [name for line in re.findall(r"(?m)^- (`\w+\.py`.*?):", text) for name in re.findall(r"`(\w+)\.py`", line)]
    assert order[0] == first
    name_of = re.escape(package)
    imports = rf"(?m)^\s*from {name_of}\.(\w+) import|^\s*from {name_of} import (\w+)"
    for index, module in enumerate(order):
        source = (folder / f"{module}.py").read_text(encoding="utf-8")
        used = re.findall(imports, source)
        used_names = {name for pair in used for name in pair if name and name.islower()}
        own = {module}  # an example in its docstring
        assert used_names - own <= set(order[:index]), f"{module}.py imports from below"
