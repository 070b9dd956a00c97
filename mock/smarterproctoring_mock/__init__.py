"""A mock of the SmarterProctoring API, driven by its OpenAPI document.

It does not import the client package, so that a mistake in one is not repeated in the other.

    from smarterproctoring_mock import running_server

    with running_server() as server:
        ...                                  # call server.url with any client
        server.app.assert_called(operation="rescheduleExamSession", fields={"type": "proctoru"})

For tests of code that calls the API, see `smarterproctoring_mock.testing` and the pytest fixtures.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smarterproctoring_mock.app import MockApp
    from smarterproctoring_mock.document import SpecError
    from smarterproctoring_mock.fault import ConnectionDropped, Fault, FaultError
    from smarterproctoring_mock.faults import parse_fault, scenario_names
    from smarterproctoring_mock.named_faults import FAULTS
    from smarterproctoring_mock.record import RecordedAnswer, RecordedRequest
    from smarterproctoring_mock.server import RunningServer, main, running_server
    from smarterproctoring_mock.store import AuditRow, Session, StoreError
    from smarterproctoring_mock.verification import Verification

__all__ = [
    "FAULTS",
    "AuditRow",
    "ConnectionDropped",
    "Fault",
    "FaultError",
    "MockApp",
    "RecordedAnswer",
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

_HOMES = {
    "app": ("MockApp",),
    "fault": ("ConnectionDropped", "Fault", "FaultError"),
    "faults": ("parse_fault", "scenario_names"),
    "named_faults": ("FAULTS",),
    "document": ("SpecError",),
    "record": ("RecordedAnswer", "RecordedRequest"),
    "server": ("RunningServer", "main", "running_server"),
    "store": ("AuditRow", "Session", "StoreError"),
    "verification": ("Verification",),
}


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for.

    pytest imports this package at the start of every run because of the plugin, also in projects that do not use it.
    """
    for module, names in _HOMES.items():
        if name in names:
            try:
                return getattr(import_module(f"{__name__}.{module}"), name)
            except ModuleNotFoundError as missing:
                raise ModuleNotFoundError(
                    f"{missing.name} is missing; install the mock server with: "
                    "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[mock]'",
                    name=missing.name,
                ) from None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
