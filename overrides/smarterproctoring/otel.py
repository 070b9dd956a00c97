"""OpenTelemetry: a span for each call, with an event for each attempt, and metrics. The extra `otel` installs its API.

    from smarterproctoring import SmarterProctoring
    from smarterproctoring.otel import OpenTelemetry

    client = SmarterProctoring.from_env(on_call=OpenTelemetry())

Spans and metrics go where the application's OpenTelemetry sends them. None of them holds a SID, the token, or anything
about a person.
"""

import time
from collections.abc import Mapping
from contextvars import Token
from functools import cache, partial
from typing import Final
from urllib.parse import urlsplit

from smarterproctoring import fields
from smarterproctoring._version import VERSION
from smarterproctoring.call import READS
from smarterproctoring.errors import what_became_of_the_change
from smarterproctoring.observers import (
    AttemptRecord,
    CallHook,
    CallObserver,
    CallRecord,
    CallStart,
)

try:
    from opentelemetry import context, metrics, trace
except ImportError as missing:
    raise ImportError(
        f"{missing.name} is missing; install it with: "
        "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[otel]'",
        name=missing.name,
    ) from None

__all__ = ["OpenTelemetry"]

SCOPE: Final = "smarterproctoring"
"""The instrumentation scope of spans and metrics."""
SCHEMA: Final = "https://opentelemetry.io/schemas/1.30.0"
"""The semantic conventions whose names are used."""
BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0),
)
"""Seconds: the boundaries that OpenTelemetry advises for HTTP clients, and up to the default deadline."""
Attributes = Mapping[str, str | bool | int | float]


class OpenTelemetry(CallObserver):
    """For `on_call`: records a span for each call, and metrics.

    The span is the current one during the call, so that those of `opentelemetry-instrumentation-httpx`, one for each
    request, are below it.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        """Nothing is recorded yet.

        Args:
            tracer_provider: Where spans go; the application's global provider by default.
            meter_provider: Where metrics go; the application's global provider by default.
        """
        self._tracer = trace.get_tracer(SCOPE, VERSION, tracer_provider, SCHEMA)
        meter = metrics.get_meter(SCOPE, VERSION, meter_provider, SCHEMA)
        self._duration = meter.create_histogram(
            "smarterproctoring.call.duration",
            unit="s",
            description="How long calls took, all attempts and waits included.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self._calls = meter.create_counter(
            "smarterproctoring.calls",
            unit="{call}",
            description="Finished calls, by their outcome.",
        )
        self._attempts = meter.create_counter(
            "smarterproctoring.attempts",
            unit="{attempt}",
            description="Attempts of finished calls; reads of an unsure call do not count.",
        )

    def begin(self, call: CallStart) -> CallHook:
        """Begin the span of a call, and make it the current one."""
        address, port = _server(call.base_url)
        span = self._tracer.start_span(
            call.operation,
            kind=trace.SpanKind.CLIENT,
            attributes={
                fields.OPERATION: call.operation,
                fields.METHOD: call.method,
                fields.TEMPLATE: call.path,
                fields.SERVER_ADDRESS: address,
                fields.SERVER_PORT: port,
            },
        )
        entered = context.attach(trace.set_span_in_context(span))
        return partial(self._end, span, entered)

    def _end(
        self, span: trace.Span, entered: "Token[context.Context]", record: CallRecord
    ) -> None:
        try:
            # While the span is the current one, so that exemplars point at it.
            self._measure(record)
            if span.is_recording():
                _describe(span, record)
        finally:
            context.detach(entered)
            span.end()

    def _measure(self, record: CallRecord) -> None:
        operation = {fields.OPERATION: record.operation}
        outcome: dict[str, str | bool] = {
            **operation,
            fields.OUTCOME: record.outcome,
            fields.MAYBE_APPLIED: record.maybe_applied,
            **_error_type(record),
        }
        self._duration.record(record.elapsed, outcome)
        self._calls.add(1, outcome)
        self._attempts.add(record.attempts, operation)


@cache
def _server(base_url: str) -> tuple[str, int]:
    """Return host and port of a checked base URL."""
    parts = urlsplit(base_url)
    default = 443 if parts.scheme == "https" else 80
    return parts.hostname or "", parts.port or default


def _error_type(record: CallRecord) -> dict[str, str]:
    """Return `error.type` as OpenTelemetry has it for HTTP: the status where that is the error, else the class."""
    if record.error_type is None:
        return {}
    status = record.status
    if status is None or 200 <= status < 300:
        return {fields.ERROR_TYPE: record.error_type}
    return {fields.ERROR_TYPE: str(status)}


def _describe(span: trace.Span, record: CallRecord) -> None:
    began_at = time.time_ns() - round(record.elapsed * 1e9)
    facts: dict[str, str | int | None] = {
        fields.OUTCOME: record.outcome,
        fields.MAYBE_APPLIED: record.maybe_applied,
        fields.CONFIRMED_BY: record.confirmed_by,
        fields.ATTEMPTS: record.attempts,
        fields.REPLAYS: record.replays,
        fields.STATUS: record.status,
        fields.REQUEST_ID: record.request_id,
        **_error_type(record),
    }
    known = {name: value for name, value in facts.items() if value is not None}
    span.set_attributes(known)
    for attempt in record.history:
        at = began_at + round(attempt.ended * 1e9)
        span.add_event(attempt.kind, _facts_of(attempt), at)
    if record.error_type is not None:
        span.set_status(trace.StatusCode.ERROR, _what_happened(record))


def _facts_of(attempt: AttemptRecord) -> Attributes:
    facts: dict[str, str | int | float] = {
        fields.DURATION: attempt.ended - attempt.began
    }
    if attempt.status is not None:
        facts[fields.STATUS] = attempt.status
    if attempt.failure is not None:
        facts[fields.ERROR_TYPE] = attempt.failure
    return facts


def _what_happened(record: CallRecord) -> str:
    """Return the description of an error: not its message, which may hold the server's own words."""
    if record.method in READS:
        return str(record.error_type)
    end = what_became_of_the_change(maybe_applied=record.maybe_applied)
    return f"{record.error_type}. {end}"
