"""The extra `otel`: a span for each call, with what httpx's instrumentation records below it, and metrics."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from smarterproctoring import NotFoundError, SmarterProctoring, SmarterProctoringError, UnconfirmedError, fields
from smarterproctoring._sync import sender
from smarterproctoring.otel import OpenTelemetry
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from wire.driver import AI, CERTIFICATES, ES, EX, TOKEN, Driver
from wire.misbehave import Server, Step, answer, by_method, drop_read, json_body
from wire.test_on_call import SEEN, START, interrupting

TEMPLATE = RESCHEDULE_EXAM_SESSION.path
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "observe.md"


class Telemetry:
    """An application's OpenTelemetry, in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.hook = OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in the order of their ends."""
        return list(self.exporter.get_finished_spans())

    def call(self) -> ReadableSpan:
        """The span of the one call."""
        (span,) = [span for span in self.spans() if span.name == RESCHEDULE_EXAM_SESSION.operation_id]
        return span

    def points(self) -> dict[str, list[Any]]:
        """The points of each metric by its name."""
        data = self.reader.get_metrics_data()
        assert data is not None
        metrics = [metric for each in data.resource_metrics for scope in each.scope_metrics for metric in scope.metrics]
        return {metric.name: list(metric.data.data_points) for metric in metrics}

    def close(self) -> None:
        self.tracers.shutdown()
        self.meters.shutdown()


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    running = Telemetry()
    yield running
    running.close()


@pytest.fixture
def httpx_instrumented(telemetry: Telemetry) -> Iterator[None]:
    """Each request has a span, too."""
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=telemetry.tracers)
    yield
    instrumentor.uninstrument()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    assert span.attributes is not None
    return dict(span.attributes)


# -- the span ----------------------------------------------------------------------------------------------------------


def test_the_span_of_a_call_with_a_retry(any_driver: Driver, server: Server, telemetry: Telemetry) -> None:
    server.script(answer(503), drop_read, answer(200, b'"Successful"', {"X-Request-Id": "req-7"}))
    with any_driver.client(server, on_call=telemetry.hook) as client:
        client.reschedule()
    (span,) = telemetry.spans()
    assert (span.name, span.kind, span.parent) == ("rescheduleExamSession", SpanKind.CLIENT, None)
    assert span.status.status_code is StatusCode.UNSET
    assert attributes(span) == {
        "smarterproctoring.operation": "rescheduleExamSession",
        "smarterproctoring.outcome": "success",
        "smarterproctoring.maybe_applied": False,
        "smarterproctoring.confirmed_by": "answer",
        "smarterproctoring.attempts": 3,
        "smarterproctoring.replays": 2,
        "smarterproctoring.request_id": "req-7",
        "http.request.method": "PUT",
        "url.template": TEMPLATE,
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": int(server.url.rpartition(":")[2]),
    }
    events = [(event.name, dict(event.attributes or {})) for event in span.events]
    for _, facts in events:
        duration = facts.pop("smarterproctoring.duration")
        assert isinstance(duration, float)
        assert 0 < duration < 60
    assert events == [
        ("attempt", {"http.response.status_code": 503}),
        ("attempt", {"error.type": "lost"}),
        ("attempt", {"http.response.status_code": 200}),
    ]
    assert span.start_time is not None
    assert span.end_time is not None
    moments = [event.timestamp for event in span.events]
    assert [span.start_time, *moments, span.end_time] == sorted([span.start_time, *moments, span.end_time])


@pytest.mark.parametrize(
    ("step", "error_type", "description"),
    [
        (answer(404), "404", "NotFoundError. The change was not applied."),
        (answer(503), "503", "ServerError. The change may have been applied: look at the session before"),
        (answer(202), "UnconfirmedError", "UnconfirmedError. The change may have been applied"),
        (drop_read, "APIConnectionError", "APIConnectionError. The change may have been applied"),
    ],
    ids=["404", "503", "202", "lost"],
)
def test_the_span_of_an_error(
    driver: Driver, server: Server, telemetry: Telemetry, step: Step, error_type: str, description: str
) -> None:
    server.script(step)
    with driver.client(server, on_call=telemetry.hook, retries=0) as client:
        error = client.fails(SmarterProctoringError)
    span = telemetry.call()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.status.description or "").startswith(description)
    found = attributes(span)
    assert (found["error.type"], found["smarterproctoring.outcome"]) == (error_type, "error")
    assert found["smarterproctoring.maybe_applied"] is error.maybe_applied
    assert found.get("http.response.status_code") == error.status
    assert "smarterproctoring.confirmed_by" not in found


def test_the_span_of_a_call_that_a_read_confirms(driver: Driver, server: Server, telemetry: Telemetry) -> None:
    server.script(by_method(drop_read, SEEN))
    with driver.client(server, on_call=telemetry.hook) as client:
        client.reschedule(appointment_start_date_time=START)
    span = telemetry.call()
    assert attributes(span)["smarterproctoring.confirmed_by"] == "read back"
    assert [event.name for event in span.events] == ["attempt", "read"]
    assert span.status.status_code is StatusCode.UNSET


def test_the_span_of_a_failed_read_says_nothing_of_a_change(
    driver: Driver, server: Server, telemetry: Telemetry
) -> None:
    server.script(answer(404))
    with driver.client(server, on_call=telemetry.hook) as client:
        with pytest.raises(NotFoundError):
            client.run(client.raw.get_session, AI, EX, ES)
    (span,) = telemetry.spans()
    assert (span.name, span.status.description) == ("getExamSession", "NotFoundError")


def test_the_span_of_an_interrupted_call(server: Server, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "sleep", interrupting)
    server.script(answer(500))
    with SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, on_call=telemetry.hook) as client:
        with pytest.raises(KeyboardInterrupt):
            client.reschedule(AI, EX, ES, notes="x")
    span = telemetry.call()
    assert span.status.status_code is StatusCode.ERROR
    found = attributes(span)
    assert (found["smarterproctoring.outcome"], found["error.type"]) == ("interrupted", "KeyboardInterrupt")
    assert found["smarterproctoring.maybe_applied"] is True


def test_a_span_holds_no_secret_and_nothing_about_a_person(
    driver: Driver, server: Server, telemetry: Telemetry
) -> None:
    quoting = json_body(message=f"ada@example.org {TOKEN} {AI} {EX} {ES}")
    server.script(answer(404, quoting, {"X-Request-Id": f"of {TOKEN}", "Set-Cookie": "session=s3cr3t"}))
    with driver.client(server, on_call=telemetry.hook) as client:
        client.fails(NotFoundError, email="ada@example.org")
    recorded = telemetry.call().to_json() + repr(telemetry.points())
    assert "NotFoundError" in recorded
    for secret in (TOKEN, AI, EX, ES, "ada@", "s3cr3t"):
        assert secret not in recorded


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("https://api.example.com", "api.example.com", 443),
        ("https://api.example.com:8443/prefix", "api.example.com", 8443),
        ("http://127.0.0.1", "127.0.0.1", 80),
        ("https://[::1]:9", "::1", 9),
    ],
)
def test_the_server_of_a_span(driver: Driver, telemetry: Telemetry, url: str, address: str, port: int) -> None:
    httpx: Any = pytest.importorskip("httpx")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json="mocked"))
    with driver.client(url, transport=transport, on_call=telemetry.hook) as client:
        client.reschedule()
    found = attributes(telemetry.call())
    assert (found["server.address"], found["server.port"]) == (address, port)


# -- parents and children ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fast", [False, True], ids=["default", "fast"])
@pytest.mark.usefixtures("httpx_instrumented")
def test_the_spans_of_requests_are_below_that_of_the_call(
    any_driver: Driver, server: Server, telemetry: Telemetry, *, fast: bool
) -> None:
    server.script(by_method(answer(503), SEEN))
    with any_driver.client(server, on_call=telemetry.hook, fast=fast) as client:
        client.reschedule(appointment_start_date_time=START)
    *requests, call = telemetry.spans()
    assert call.name == "rescheduleExamSession"
    assert call.context is not None
    assert [span.parent and span.parent.span_id for span in requests] == [call.context.span_id] * 2
    assert [span.kind for span in requests] == [SpanKind.CLIENT] * 2
    identity = f"{call.context.trace_id:032x}"
    assert [identity in str(request.header("traceparent")) for request in server.requests] == [True] * 2


def test_the_span_of_a_call_is_below_the_callers(any_driver: Driver, server: Server, telemetry: Telemetry) -> None:
    tracer = telemetry.tracers.get_tracer("application")
    item: Any = {"install_sid": AI, "exam_sid": EX, "session_sid": ES, "notes": "x"}
    with any_driver.client(server, on_call=telemetry.hook) as client:
        if any_driver.kind == "sync":
            with tracer.start_as_current_span("outer"):
                client.raw.reschedule_many([item] * 2)
            left = trace.get_current_span()
        else:
            left = client.run(_in_a_span, tracer, partial(client.raw.reschedule_many, [item] * 2))
    *calls, outer = telemetry.spans()
    assert outer.context is not None
    assert [span.parent and span.parent.span_id for span in calls] == [outer.context.span_id] * 2
    assert left is trace.INVALID_SPAN


async def _in_a_span(tracer: trace.Tracer, function: Any) -> trace.Span:
    with tracer.start_as_current_span("outer"):
        await function()
    return trace.get_current_span()


def test_the_callers_span_is_the_current_one_again_after_an_error(
    driver: Driver, server: Server, telemetry: Telemetry
) -> None:
    server.script(answer(404))

    def fails_and_looks(call: Any) -> trace.Span:
        with pytest.raises(NotFoundError):
            call()
        return trace.get_current_span()

    async def fails_and_looks_async(call: Any) -> trace.Span:
        with pytest.raises(NotFoundError):
            await call()
        return trace.get_current_span()

    with driver.client(server, on_call=telemetry.hook) as client:
        look: Any = fails_and_looks if driver.kind == "sync" else fails_and_looks_async
        assert client.run(look, partial(client.raw.reschedule, AI, EX, ES, notes="x")) is trace.INVALID_SPAN


def test_a_call_that_is_not_sampled_is_measured(driver: Driver, server: Server, telemetry: Telemetry) -> None:
    unsampled = TracerProvider(sampler=ALWAYS_OFF)
    hook = OpenTelemetry(tracer_provider=unsampled, meter_provider=telemetry.meters)
    with driver.client(server, on_call=hook) as client:
        client.reschedule()
    assert len(telemetry.points()["smarterproctoring.calls"]) == 1


# -- metrics -----------------------------------------------------------------------------------------------------------


def test_metrics(driver: Driver, server: Server, telemetry: Telemetry) -> None:
    server.script(answer(503), answer(200), answer(404), answer(202))
    with driver.client(server, on_call=telemetry.hook) as client:
        client.reschedule()
        client.fails(NotFoundError)
        client.fails(UnconfirmedError)
    points = telemetry.points()
    assert set(points) == {"smarterproctoring.call.duration", "smarterproctoring.calls", "smarterproctoring.attempts"}
    operation = {fields.OPERATION: "rescheduleExamSession"}
    success = operation | {fields.OUTCOME: "success", fields.MAYBE_APPLIED: False}
    not_found = operation | {fields.OUTCOME: "error", fields.MAYBE_APPLIED: False, fields.ERROR_TYPE: "404"}
    unsure = operation | {fields.OUTCOME: "error", fields.MAYBE_APPLIED: True, fields.ERROR_TYPE: "UnconfirmedError"}
    calls = [(dict(point.attributes), point.value) for point in points["smarterproctoring.calls"]]
    assert calls == [(success, 1), (not_found, 1), (unsure, 1)]
    (attempts,) = points["smarterproctoring.attempts"]
    assert (dict(attempts.attributes), attempts.value) == (operation, 4)
    durations = points["smarterproctoring.call.duration"]
    assert [dict(point.attributes) for point in durations] == [success, not_found, unsure]
    assert all(0 < point.sum < 60 for point in durations)
    assert durations[0].explicit_bounds[0] == 0.005
    assert durations[0].explicit_bounds[-1] == 60.0


# -- switched on and off -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_of_opentelemetry_is_loaded_without_it(server: Server) -> None:
    program = (
        "import json, sys\n"
        "from smarterproctoring import SmarterProctoring\n"
        f"with SmarterProctoring('T' * 9, base_url={server.url!r}) as client:\n"
        f"    client.reschedule({AI!r}, {EX!r}, {ES!r}, notes='x')\n"
        "print([name for name in sys.modules if 'opentelemetry' in name or name == 'smarterproctoring.otel'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_without_the_extra_the_error_names_it() -> None:
    program = "import sys; sys.modules['opentelemetry'] = None; import smarterproctoring.otel"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "'smarterproctoring-client[otel]'" in done.stderr.splitlines()[-1]
