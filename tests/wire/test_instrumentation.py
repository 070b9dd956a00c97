"""Tools around httpx, and what sees each attempt; docs/how-to/instrumentation.md says it for both ways."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from smarterproctoring import NotFoundError, UnexpectedRedirectError
from wire.driver import AI, ES, EX, PATH, TOKEN, Driver
from wire.misbehave import Server, answer

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "instrumentation.md"


@pytest.fixture(params=[False, True], ids=["default", "fast"])
def fast(request: pytest.FixtureRequest) -> bool:
    """Whether requests go straight to the transport."""
    return bool(request.param)


def documented(tool: str, *, fast: bool) -> bool:
    """What docs/how-to/instrumentation.md says: whether a tool sees each attempt."""
    rows = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {tool} |")]
    (row,) = rows
    cell = row.split("|")[3 if fast else 2].strip()
    assert cell in ("yes", "no")
    return cell == "yes"


# -- mocks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
def test_respx(driver: Driver, server: Server, using: str, *, fast: bool) -> None:
    respx: Any = pytest.importorskip("respx")
    router = respx.MockRouter(base_url=server.url, using=using, assert_all_called=False)
    tool = 'respx, `using="httpx"`' if using == "httpx" else "respx"
    with router, driver.client(server, fast=fast) as client:
        route = router.put(PATH).mock(side_effect=[httpx.Response(503), httpx.Response(200, json="mocked")])
        result = client.reschedule()
    seen = documented(tool, fast=fast)
    assert (result.data, result.attempts) == (("mocked", 2) if seen else ("Successful", 1))
    assert route.call_count == (2 if seen else 0)
    assert len(server.requests) == (0 if seen else 1)
    if seen:
        sent = route.calls.last.request
        assert (sent.headers["token"], sent.content) == (TOKEN, b'{"notes":"moved"}')


def test_respx_answers_generated_functions_under_the_rules(driver: Driver, server: Server) -> None:
    respx: Any = pytest.importorskip("respx")
    with respx.MockRouter(base_url=server.url, using="httpx") as router, driver.client(server, fast=False) as client:
        route = router.put(PATH).mock(side_effect=[httpx.Response(503), httpx.Response(200, json="mocked")])
        assert client.generated().parsed == "mocked"
    assert [call.request.headers["token"] for call in route.calls] == [TOKEN, TOKEN]


@pytest.fixture
def pytest_httpx(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip("pytest_httpx")
    return request.getfixturevalue("httpx_mock")


def test_pytest_httpx(driver: Driver, server: Server, pytest_httpx: Any, *, fast: bool) -> None:
    pytest_httpx.add_response(url=server.url + PATH, method="PUT", status_code=503)
    pytest_httpx.add_response(url=server.url + PATH, method="PUT", json="mocked", match_headers={"token": TOKEN})
    with driver.client(server, fast=fast) as client:
        result = client.reschedule()
    assert documented("pytest-httpx", fast=fast)
    assert (result.data, result.attempts) == ("mocked", 2)
    assert [json.loads(request.content) for request in pytest_httpx.get_requests()] == [{"notes": "moved"}] * 2
    assert server.connections == 0


def test_vcrpy(driver: Driver, server: Server, tmp_path: Path, *, fast: bool) -> None:
    vcr: Any = pytest.importorskip("vcr")
    cassette = tmp_path / "calls.yaml"
    server.script(answer(503), answer(200))
    recorder = vcr.VCR(filter_headers=["token"], record_mode="once")
    for _ in range(2):  # recorded, then played
        with recorder.use_cassette(str(cassette)) as tape, driver.client(server, fast=fast) as client:
            result = client.reschedule()
        assert (result.data, result.attempts) == ("Successful", 2)
        assert len(tape) == 2
    assert documented("vcrpy", fast=fast)
    assert len(server.requests) == 2
    assert [request.header("token") for request in server.requests] == [[TOKEN], [TOKEN]]
    assert TOKEN not in cassette.read_text(encoding="utf-8")
    assert 'filter_headers=["token"]' in DOCUMENT.read_text(encoding="utf-8")


def test_mock_transport(driver: Driver, *, fast: bool) -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(503) if len(seen) == 1 else httpx.Response(404, json={"message": "mocked"})

    with driver.client("https://api.example.com", transport=httpx.MockTransport(reply), fast=fast) as client:
        error = client.fails(NotFoundError)
    assert documented("httpx.MockTransport", fast=fast)
    assert (error.api_message, error.attempts) == ("mocked", 2)
    assert [str(request.url) for request in seen] == [f"https://api.example.com{PATH}"] * 2


# -- traces ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def spans() -> Iterator[Any]:
    """What OpenTelemetry's instrumentation of httpx records."""
    instrumentation: Any = pytest.importorskip("opentelemetry.instrumentation.httpx")
    trace: Any = pytest.importorskip("opentelemetry.sdk.trace")
    export: Any = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory: Any = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    instrumentor = instrumentation.HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()
    provider.shutdown()


def test_opentelemetry(driver: Driver, server: Server, spans: Any, *, fast: bool) -> None:
    server.script(answer(503), answer(200))
    with driver.client(server, fast=fast) as client:
        assert client.reschedule().attempts == 2
    assert documented("OpenTelemetry", fast=fast)
    finished = spans.get_finished_spans()
    assert [span.attributes["http.status_code"] for span in finished] == [503, 200]
    assert TOKEN not in "".join(span.to_json() for span in finished)
    assert all(request.header("traceparent") for request in server.requests)


SENTRY = """
import asyncio, json, sys
import sentry_sdk
from sentry_sdk.integrations.httpx import HttpxIntegration
from smarterproctoring import AsyncSmarterProctoring, SmarterProctoring

url, sids = sys.argv[1], sys.argv[2:5]
sent = []
class Keep(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        sent.extend(item.payload.json for item in envelope.items if item.type == "transaction")

sentry_sdk.init(
    dsn="http://key@127.0.0.1:9/1", transport=Keep, traces_sample_rate=1.0,
    default_integrations=False, auto_enabling_integrations=False, integrations=[HttpxIntegration()],
)
async def asynchronous(fast):
    async with AsyncSmarterProctoring("secret-token", base_url=url, fast=fast) as client:
        await client.reschedule(*sids, notes="x")

def synchronous(fast):
    with SmarterProctoring("secret-token", base_url=url, fast=fast) as client:
        client.reschedule(*sids, notes="x")

found = {}
for fast in (False, True):
    for name, call in (("sync", synchronous), ("async", lambda fast: asyncio.run(asynchronous(fast)))):
        sent.clear()
        with sentry_sdk.start_transaction(name="test"):
            call(fast)
        spans = [span for one in sent for span in one["spans"] if span["op"] == "http.client"]
        found[f"{name} {fast}"] = [span["data"]["http.response.status_code"] for span in spans]
        assert "secret-token" not in json.dumps(sent)
print(json.dumps(found))
"""


@pytest.mark.slow
def test_sentry(server: Server) -> None:
    """In a process of its own, because Sentry leaves what it has patched."""
    pytest.importorskip("sentry_sdk")
    server.script(*[answer(503), answer(200)] * 4)
    command = [sys.executable, "-c", SENTRY, server.url, AI, EX, ES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    expected = {fast: [503, 200] if documented("Sentry", fast=fast) else [] for fast in (False, True)}
    found = json.loads(done.stdout)
    assert found == {f"{kind} {fast}": expected[fast] for fast in (False, True) for kind in ("sync", "async")}
    assert expected[False]


# -- what httpx's client is kept from ----------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["//[::1", "https://elsewhere.example/", "https://a:b/"])
def test_nobody_looks_where_a_redirect_leads(driver: Driver, server: Server, location: str, *, fast: bool) -> None:
    """httpx makes the next request even if it is not to be sent, and fails where the URL is not valid."""
    seen: list[str] = []

    def look(response: httpx.Response) -> None:
        seen.append(response.headers["location"])

    server.script(answer(302, b"", {"Location": location}))
    with driver.client(server, fast=fast, event_hooks={"response": [driver.hook(look)]}) as client:
        error = client.fails(UnexpectedRedirectError)
    assert (error.status, error.maybe_applied, error.headers["location"]) == (302, False, location)
    assert seen == [location]
    assert len(server.requests) == 1


def test_no_cookie_is_kept(driver: Driver, server: Server, *, fast: bool) -> None:
    server.script(answer(503, b"", {"Set-Cookie": "session=1; Path=/"}), answer(200))
    with driver.client(server, fast=fast) as client:
        assert client.reschedule().attempts == 2
    assert [request.header("cookie") for request in server.requests] == [[], []]


# -- httpx's own log ---------------------------------------------------------------------------------------------------


def test_no_sid_is_in_the_log_of_httpx(driver: Driver, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """httpx's client writes the URL of each request, which holds three SIDs, at level INFO."""
    caplog.set_level(logging.DEBUG)
    server.script(answer(503), answer(200))
    with driver.client(server, fast=False) as client:
        client.reschedule()
        client.generated()
    lines = [record.getMessage() for record in caplog.records if record.name == httpx.__name__]
    assert lines == [
        f'HTTP Request: PUT {server.url}/… "HTTP/1.1 503 Whatever"',
        f'HTTP Request: PUT {server.url}/… "HTTP/1.1 200 Whatever"',
        f'HTTP Request: PUT {server.url}/… "HTTP/1.1 200 Whatever"',
    ]
    for sid in (AI, EX, ES):
        assert sid not in caplog.text


def test_the_log_of_other_httpx_clients_is_left_alone(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with httpx.Client() as other:
        other.get(f"{server.url}/path")
    assert f"{server.url}/path" in caplog.text
