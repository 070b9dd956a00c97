"""A mock of the SmarterProctoring API, driven by its OpenAPI document.

It knows nothing of the client package, so that a mistake cannot hide by being on both sides.

    from smarterproctoring_mock import running_server

    with running_server() as server:
        ...                                  # call server.url with any client
        server.app.assert_called(operation="rescheduleExamSession", fields={"type": "proctoru"})
"""

try:
    from smarterproctoring_mock.app import MockApp
    from smarterproctoring_mock.faults import FAULTS, ConnectionDropped, Fault, FaultError, parse_fault, scenario_names
    from smarterproctoring_mock.record import RecordedRequest, Verification
    from smarterproctoring_mock.server import RunningServer, main, running_server
    from smarterproctoring_mock.spec import SpecError
    from smarterproctoring_mock.store import AuditRow, Session, StoreError
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{missing.name} is missing; install the mock server with: pip install 'smarterproctoring-client[mock]'",
        name=missing.name,
    ) from None

__all__ = [
    "FAULTS",
    "AuditRow",
    "ConnectionDropped",
    "Fault",
    "FaultError",
    "MockApp",
    "RecordedRequest",
    "RunningServer",
    "Session",
    "SpecError",
    "StoreError",
    "Verification",
    "main",
    "parse_fault",
    "running_server",
    "scenario_names",
]
