"""The names of facts in log records, spans and metrics: OpenTelemetry's own, where it has one.

Each has a dot, so that none is an attribute of a `LogRecord`.
"""

from typing import Final

OPERATION: Final = "smarterproctoring.operation"
OUTCOME: Final = "smarterproctoring.outcome"
MAYBE_APPLIED: Final = "smarterproctoring.maybe_applied"
CONFIRMED_BY: Final = "smarterproctoring.confirmed_by"
ATTEMPT: Final = "smarterproctoring.attempt"
ATTEMPTS: Final = "smarterproctoring.attempts"
REPLAYS: Final = "smarterproctoring.replays"
DURATION: Final = "smarterproctoring.duration"
WAIT: Final = "smarterproctoring.wait"
READ_BACK: Final = "smarterproctoring.read_back"
REQUEST_ID: Final = "smarterproctoring.request_id"
METHOD: Final = "http.request.method"
TEMPLATE: Final = "url.template"
STATUS: Final = "http.response.status_code"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
