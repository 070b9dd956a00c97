"""Rule 10: what the log holds, what the environment says, and what can be passed in."""

from __future__ import annotations

import ast
import gzip
import logging
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
import smarterproctoring
import trustme
from smarterproctoring import (
    APIConnectionError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    SmarterProctoring,
    Timeouts,
)
from smarterproctoring.options import CallOptions, Settings
from wire.driver import AI, CERTIFICATES, PATH, TOKEN, Driver, failure, shown
from wire.limits import LONG
from wire.misbehave import Peer, Server, answer, drop_read, drop_unread, json_body, never, reset_read, wait_for

TEMPLATE = "/v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid}"
PROGRAM = """
import sys
from smarterproctoring import SmarterProctoring

with SmarterProctoring.from_env() as client:
    client.reschedule("AI" + "a" * 32, "EX" + "b" * 32, "ES" + "c" * 32, email="ada@example.org")
"""


def run(url: str, **environment: str) -> str:
    """Run a program that makes one call; return what it wrote."""
    settings = {"SMARTERPROCTORING_TOKEN": TOKEN, "SMARTERPROCTORING_BASE_URL": url, **environment}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout + done.stderr


# -- the log -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_log_is_off_by_default_and_one_variable_turns_it_on(server: Server) -> None:
    server.script(answer(503), answer(200, headers={"X-Request-Id": "req-1"}))
    assert run(server.url) == ""
    server.script(answer(503), answer(200, headers={"X-Request-Id": "req-1"}))
    lines = run(server.url, SMARTERPROCTORING_LOG="debug").splitlines()
    assert len(lines) == 3
    assert re.search(rf"PUT {re.escape(TEMPLATE)} -> 503, attempt 1, \d+ ms, request id None$", lines[0])
    assert re.search(r"rescheduleExamSession: status 503, retry in \d\.\d\d s$", lines[1])
    assert re.search(rf"PUT {re.escape(TEMPLATE)} -> 200, attempt 2, \d+ ms, request id req-1$", lines[2])
    assert run(server.url, SMARTERPROCTORING_LOG="INFO") == ""


def test_the_log_of_a_failure(driver: Driver, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1, "smarterproctoring")
    server.script(drop_read, answer(404, json_body(message="ada@example.org is unknown")))
    with driver.client(server) as client:
        client.fails(NotFoundError, email="ada@example.org")
    lines = [record.getMessage() for record in caplog.records if record.name == "smarterproctoring"]
    assert len(lines) == 3
    assert "lost (" in lines[0]
    assert "-> 404, attempt 2" in lines[2]
    assert not any("ada@" in line or AI in line or TOKEN in line for line in lines)


def test_two_clients_log_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTERPROCTORING_LOG", "debug")
    logger = logging.getLogger("smarterproctoring")
    before = len(logger.handlers)
    for _ in range(3):
        SmarterProctoring(TOKEN, base_url=server.url).close()
    assert len(logger.handlers) == before + 1


# -- the environment ---------------------------------------------------------------------------------------------------


def test_from_env_reads_at_call_time(driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        monkeypatch.setenv("SMARTERPROCTORING_TOKEN", f"token-{number}\n")
        monkeypatch.setenv("SMARTERPROCTORING_BASE_URL", f"{server.url}/{number}")
        monkeypatch.setenv("SMARTERPROCTORING_RETRIES", f"{number}")
        monkeypatch.setenv("SMARTERPROCTORING_DEADLINE", f"{number + 30}.5")
        monkeypatch.setenv("SMARTERPROCTORING_TIMEOUT", "7")
        with driver.made(partial(driver.type.from_env, verify=CERTIFICATES)) as client:
            assert f"retries={number} deadline={number + 30}.5s" in repr(client.raw)
            client.reschedule()
    assert [(request.path, request.header("token")) for request in server.requests] == [
        (f"/0{PATH}", ["token-0"]),
        (f"/1{PATH}", ["token-1"]),
    ]


def test_arguments_win_over_the_environment(driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
    monkeypatch.setenv("SMARTERPROCTORING_BASE_URL", "https://else.example")
    monkeypatch.setenv("SMARTERPROCTORING_RETRIES", "9")
    with driver.made(partial(driver.type.from_env, base_url=server.url, retries=1, verify=CERTIFICATES)) as client:
        assert "retries=1" in repr(client.raw)
        client.reschedule()
    assert len(server.requests) == 1


def test_the_token_file_is_read_for_each_attempt(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN_FILE", str(path))
    with driver.made(partial(driver.type.from_env, base_url=server.url, verify=CERTIFICATES)) as client:
        client.reschedule()
        path.write_text("second\n")
        client.reschedule()
        path.unlink()
        error = client.fails(ConfigurationError)
    assert [request.header("token") for request in server.requests] == [["first"], ["second"]]
    assert "SMARTERPROCTORING_TOKEN_FILE" in str(error) or "FileNotFoundError" in str(error)


BAD = [
    ("TIMEOUT", "0"),
    ("TIMEOUT", "-1"),
    ("TIMEOUT", "inf"),
    ("TIMEOUT", "nan"),
    ("TIMEOUT", "5s"),
    ("TIMEOUT", "1e3"),
    ("TIMEOUT", "٣"),
    ("TIMEOUT", "5\n"),
    ("DEADLINE", "never"),
    ("DEADLINE", "0.0"),
    ("DEADLINE", "999999999999"),
    ("RETRIES", "-1"),
    ("RETRIES", "11"),
    ("RETRIES", "2.0"),
    ("RETRIES", "two"),
    ("LOG", "verbose"),
    ("LOG", "debug "),
    ("TOKEN", " "),
    *(
        pytest.param(name, value)
        for name, value in (
            ("BASE_URL", "http://secret-host.example"),
            ("BASE_URL", "https://secret:pass@host.example"),
            ("BASE_URL", "secret-words"),
            ("TOKEN", "Bearer secret-token"),
            ("TOKEN", "secret token"),
        )
    ),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_names_the_variable_and_is_not_shown(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
    monkeypatch.setenv(f"SMARTERPROCTORING_{name}", value)
    error = failure(ConfigurationError, driver.type.from_env)
    assert f"SMARTERPROCTORING_{name}" in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(("base_url", "loads"), [("http://127.0.0.1:9", 0), ("https://127.0.0.1:9", 1)])
def test_certificates_are_loaded_for_https_only(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, base_url: str, loads: int
) -> None:
    loaded: list[bool] = []

    def load(verify: object = True, *, trust_env: bool = True) -> ssl.SSLContext:
        loaded.append(trust_env)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    monkeypatch.setenv("SSL_CERT_FILE", "of-the-company.pem")  # never shared between clients
    monkeypatch.setattr(httpx, "create_ssl_context", load)
    with driver.made(partial(driver.type, TOKEN, base_url=base_url)):
        pass
    assert len(loaded) == loads


def test_no_token_names_both_variables(driver: Driver) -> None:
    error = failure(ConfigurationError, driver.type.from_env)
    assert "SMARTERPROCTORING_TOKEN" in str(error)
    assert "SMARTERPROCTORING_TOKEN_FILE" in str(error)


# -- options of the wrong type -----------------------------------------------------------------------------------------

ANYTHING: list[Any] = [
    *[
        None,
        True,
        False,
        0,
        1,
        4,
        -1,
        10**30,
        0.5,
        2.0,
        -1.5,
        float("nan"),
        float("inf"),
        "",
        "4",
        "never",
        "https://a.example",
    ],
    *[b"4", [], [4], (1, 2), {}, {"x": 1}, {"x": None}, {"x": "y"}, {3: "y"}, {"x": b"y"}, {"request": [3]}, object()],
    *[httpx.URL("https://a.example"), httpx.Limits(), httpx.Limits(max_connections=4), httpx.Timeout(4)],
    *[httpx.Limits(max_connections=-1), httpx.Limits(keepalive_expiry=True)],
    *[Timeouts(), Timeouts(read=0), timedelta(seconds=4), Path("x"), print],
]
ANYTHING += [httpx.Limits(**{name: "4"}) for name in ("max_connections", "max_keepalive_connections")]  # type: ignore[arg-type]
FINE: dict[str, list[type]] = {
    "base_url": [str],
    "install_sid": [type(None)],
    "timeout": [int, float, Timeouts],
    "deadline": [int, float],
    "retries": [int],
    "headers": [dict],
    "verify": [bool],
    "limits": [httpx.Limits, type(None)],
    "proxy": [type(None), str, httpx.URL],
    "transport": [type(None)],
    "on_retry": [type(None), type(print)],
    "on_call": [type(None), type(print), list],
    "event_hooks": [dict],
    "read_back": [str],
    **{name: [bool] for name in ("allow_http", "retry_ambiguous", "allow_empty", "fast", "trust_env")},
}
"""The types of the values above that an option may have, if their content is right, too."""


@pytest.mark.parametrize("name", [*Settings.__annotations__])
def test_an_option_of_any_type_is_used_or_a_problem_by_its_name(driver: Driver, name: str) -> None:
    # Reading the certificates takes longer than all the rest.
    make = partial(driver.type, TOKEN, verify=CERTIFICATES)
    makes: list[Callable[..., Any]] = [make]
    if name in CallOptions.__annotations__:
        makes.append(make().with_options)
    for make, value in product(makes, ANYTHING):
        error = refusal(partial(make, **{name: value}))
        if error is None:
            assert type(value) in FINE[name], value
        else:
            assert ({problem.field for problem in error.problems}, error.setting) == ({name}, name)


def refusal(make: Callable[[], object]) -> ConfigurationError | None:
    try:
        make()
    except ConfigurationError as error:
        return error
    return None


# -- what can be passed in ---------------------------------------------------------------------------------------------


def test_a_transport_of_the_callers_own(driver: Driver) -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json="mocked")

    for given in (httpx.MockTransport(reply), lambda: httpx.MockTransport(reply)):
        with driver.client("https://api.example.com", transport=given) as client:
            assert client.reschedule().data == "mocked"
            assert client.generated().parsed == "mocked"
    assert {str(request.url) for request in seen} == {f"https://api.example.com{PATH}"}
    assert len(seen) == 4


def test_a_transport_of_the_callers_own_may_give_a_synchronous_body(driver: Driver) -> None:
    def reply(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=iter([b'"moc', b'ked"']))

    with driver.client("https://api.example.com", transport=httpx.MockTransport(reply)) as client:
        result = client.reschedule()
    assert (result.data, result.incomplete) == ("mocked", False)


def test_a_transport_of_the_other_kind_is_refused(driver: Driver) -> None:
    kinds: list[Any] = [httpx.AsyncHTTPTransport, httpx.HTTPTransport]
    other = kinds[driver.kind != "sync"](verify=CERTIFICATES)
    with pytest.raises(ConfigurationError):
        driver.type(TOKEN, transport=other)


def forward(peer: Peer) -> None:
    """A plain forward proxy that answers by itself."""
    request = peer.read()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + b'"proxy"')
    assert request.path.startswith("http://")


def tunnel(to: int) -> Any:
    """A CONNECT proxy to one port."""

    def step(peer: Peer) -> None:
        peer.read()
        with socket.create_connection(("127.0.0.1", to)) as inner:
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

            def back() -> None:
                with suppress(OSError):
                    while data := inner.recv(65536):
                        peer.send(data)
                    peer.socket.shutdown(socket.SHUT_WR)  # the end, too, is passed on

            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            while data := peer.socket.recv(65536):
                inner.sendall(data)
            inner.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    return step


def test_a_forward_proxy(driver: Driver, server: Server) -> None:
    server.script(forward)
    with driver.client("http://api.example.com", allow_http=True, proxy=server.url) as client:
        assert client.reschedule().data == "proxy"
    assert server.requests[0].path == f"http://api.example.com{PATH}"


def test_a_tunnel_never_shows_the_token_to_the_proxy(driver: Driver) -> None:
    authority, context, trusting = (
        trustme.CA(),
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trusting)
    with Server(answer(200, b'"inside"'), tls=context) as inner, Server(tunnel(inner.port)) as proxy:
        with driver.client(inner, proxy=proxy.url, verify=trusting) as client:
            assert client.reschedule().data == "inside"
        assert [(request.method, request.header("token")) for request in proxy.requests] == [("CONNECT", [])]
        assert [request.header("token") for request in inner.requests] == [[TOKEN]]


def test_a_proxy_that_refuses_means_not_sent(driver: Driver, server: Server) -> None:
    server.script(answer(403, b"no"))
    with driver.client("https://api.example.com", proxy=server.url, retries=0) as client:
        error = client.fails(APIConnectionError)
    assert not error.maybe_applied
    assert server.requests[0].header("token") == []


def test_the_proxy_of_the_environment(driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.script(forward)
    with driver.client("http://api.example.com", allow_http=True) as client:
        assert client.reschedule().data == "proxy"
    monkeypatch.setenv("no_proxy", "example.com")
    for settings in ({}, {"trust_env": False}):
        with driver.client("http://api.example.com:1", allow_http=True, deadline=2, retries=0, **settings) as client:
            client.fails(APIConnectionError)
        monkeypatch.delenv("no_proxy", raising=False)
    assert len(server.requests) == 1


@pytest.mark.parametrize("form", ["context", "off"])
def test_certificates_to_trust(driver: Driver, tmp_path: Path, form: str) -> None:
    authority, context, trusting = (
        trustme.CA(),
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trusting)
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    with Server(answer(), tls=context) as server:
        verify = {"context": trusting, "off": False, "path": str(path)}[form]
        with driver.client(server, verify=verify) as client:
            assert client.reschedule().status == 200


def test_connections_may_be_without_a_limit(driver: Driver, server: Server) -> None:
    with driver.client(server, limits=httpx.Limits()) as client:
        client.reschedule()
        client.reschedule()
    assert (server.connections, len(server.requests)) == (1, 2)


def test_limits_are_passed_on(driver: Driver, server: Server) -> None:
    with driver.client(server, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        for _ in range(3):
            client.reschedule()
    assert server.connections == 3


def test_there_is_no_option_for_http2(driver: Driver) -> None:
    with pytest.raises(TypeError, match="http2"):
        driver.type(TOKEN, http2=True)


def test_event_hooks_are_called_for_each_attempt(driver: Driver, server: Server) -> None:
    seen: list[str] = []
    hooks = {
        "request": [driver.hook(lambda request: seen.append(f"{request.method} {request.headers['token'][:3]}"))],
        "response": [driver.hook(lambda response: seen.append(str(response.status_code)))],
    }
    server.script(answer(503), answer(500), answer(200))
    with driver.client(server, event_hooks=hooks) as client:
        client.reschedule()
        client.view(retries=0).generated()
    assert seen == ["PUT eyJ", "503", "PUT eyJ", "500", "PUT eyJ", "200", "PUT eyJ", "200"]


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_a_hook_may_read_the_answer(driver: Driver, server: Server, headers: dict[str, str]) -> None:
    """It is read once: what the hook has seen is what the call is told from."""
    whole, failed = b'"moved"', b'{"code": "X1"}'
    packed: Callable[[bytes], bytes] = gzip.compress if headers else bytes
    seen: list[bytes] = []

    async def read_later(response: httpx.Response) -> None:
        seen.append(await response.aread())

    def read_now(response: httpx.Response) -> None:
        seen.append(response.read())

    read = read_now if driver.kind == "sync" else read_later
    server.script(answer(200, packed(whole), headers), answer(400, packed(failed), headers))
    with driver.client(server, event_hooks={"response": [read]}) as client:
        result = client.reschedule()
        assert (result.data, result.incomplete) == ("moved", False)
        assert client.fails(BadRequestError).code == "X1"
    assert seen == [whole, failed]


def test_instrumentation_of_httpx_sees_each_attempt(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry wraps these two methods of httpx's transports, and adds a header to the request."""
    seen: list[str] = []
    sync_original, async_original = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request

    def wrapped(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        request.headers["traceparent"] = "00-1-1-01"
        seen.append(request.method)
        return sync_original(self, request)

    async def async_wrapped(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        request.headers["traceparent"] = "00-1-1-01"
        seen.append(request.method)
        return await async_original(self, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", wrapped)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", async_wrapped)
    server.script(answer(503), answer(200))
    with driver.client(server) as client:
        client.reschedule()
    assert seen == ["PUT", "PUT"]
    assert [request.header("traceparent") for request in server.requests] == [["00-1-1-01"]] * 2


def test_httpx_is_imported_in_one_module() -> None:
    importing: set[str] = set()
    for path in Path(str(smarterproctoring.__file__)).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] in ("httpx", "httpcore", "h11") for name in names):
                importing.add(path.name)
    assert importing == {"seam.py"}


def test_settings_errors_do_not_show_the_token(driver: Driver) -> None:
    for settings in ({"proxy": "nonsense"}, {"retries": 99}, {"base_url": "x"}, {"headers": {"token": "x"}}):
        with pytest.raises(ConfigurationError) as caught:
            driver.type(TOKEN, **settings)
        assert TOKEN not in shown(caught.value)


# -- proxies and certificates of the environment -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_needs_no_scheme(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, f"127.0.0.1:{server.port}")
    server.script(forward)
    with driver.client("http://api.example.com", allow_http=True) as client:
        assert client.reschedule().data == "proxy"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:1080", "must begin with one of http://, https://, socks5://"),
        ("HTTPS_PROXY", "ftp://user:secret@127.0.0.1", "must begin with one of http://"),
        ("https_proxy", "http://a..b:3128", "has a host or a port that cannot be used"),
        ("HTTPS_PROXY", "127.0.0.1:99999", "has a host or a port that cannot be used"),
        ("SSL_CERT_FILE", "/no/such/file.pem", "FileNotFoundError"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    error = failure(ConfigurationError, lambda: driver.type(TOKEN, base_url="https://api.example.com"))
    assert f"the variable {name}" in error.message
    assert said in error.message
    assert "secret" not in shown(error)
    assert error.setting == ("verify" if name.startswith("SSL") else "proxy")
    with driver.client("https://api.example.com", trust_env=False):  # and nobody has to use it
        pass


def hang_up(peer: Peer) -> None:
    peer.read()
    peer.close()


def garbage(peer: Peer) -> None:
    peer.read()
    peer.send(b"hello\r\n\r\n")
    peer.close()


def half(peer: Peer) -> None:
    peer.read()
    peer.send(b"HTTP/1.1 200")
    peer.close()


def no_tls(peer: Peer) -> None:
    peer.read()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    peer.close()


@pytest.mark.slow
@pytest.mark.parametrize("step", [hang_up, garbage, half, never, drop_unread, reset_read, answer(407), answer(502)])
def test_a_proxy_that_gives_no_tunnel_means_not_sent(driver: Driver, server: Server, step: Any) -> None:
    server.script(step)
    limit = 0.3 if step is never else LONG
    with driver.client("https://api.example.com", proxy=server.url, timeout=limit) as client:
        error = client.fails(APIConnectionError)
    assert (error.maybe_applied, error.attempts, error.replays) == (False, 3, 0)
    wait_for(lambda: server.connections == 3)
    assert server.connections == 3


def test_a_tunnel_that_ends_before_tls_means_not_sent(driver: Driver, server: Server) -> None:
    server.script(no_tls)
    with driver.client("https://api.example.com", proxy=server.url) as client:
        error = client.fails(APIConnectionError)
    assert not error.maybe_applied


def test_what_is_lost_inside_a_tunnel_may_have_been_applied(driver: Driver) -> None:
    authority, context, trusting = (
        trustme.CA(),
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trusting)
    with Server(drop_read, tls=context) as inner, Server(tunnel(inner.port)) as proxy:
        with driver.client(inner, proxy=proxy.url, verify=trusting, retries=0) as client:
            error = client.fails(APIConnectionError)
    assert error.maybe_applied


# -- the fast reader ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fast", [False, True])
def test_httptools_reads_only_where_it_is_asked_to(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch, *, fast: bool
) -> None:
    reader = pytest.importorskip("smarterproctoring_transport.fast")
    made: list[object] = []
    original = reader.Connection.__init__

    def counting(self: Any, *arguments: Any) -> None:
        made.append(self)
        original(self, *arguments)

    monkeypatch.setattr(reader.Connection, "__init__", counting)
    url = server.url
    with driver.made(
        lambda: driver.type(TOKEN, base_url=url, verify=CERTIFICATES, **({"fast": True} if fast else {}))
    ) as client:
        client.reschedule()
    assert bool(made) is fast


def test_fast_without_its_package_is_a_clear_error(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httptools", None)
    monkeypatch.delitem(sys.modules, "smarterproctoring_transport.fast", raising=False)
    error = failure(ConfigurationError, lambda: driver.type(TOKEN, fast=True))
    assert error.setting == "fast"
    assert "extra 'fast'" in error.message
    assert "httptools" in error.message
