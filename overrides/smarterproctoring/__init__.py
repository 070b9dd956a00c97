"""Moves proctored exam sessions. After a call you know what happened to the session.

    from smarterproctoring import SmarterProctoring

    with SmarterProctoring.from_env() as client:
        result = client.reschedule(install_sid, exam_sid, session_sid, appointment_start_date_time=start)

`SmarterProctoring` and `AsyncSmarterProctoring` are the clients; `SmarterProctoringError` is the base of all errors.
"""

from smarterproctoring_generated.operations import VERSION

from smarterproctoring.call import Result
from smarterproctoring.client import AsyncSmarterProctoring, DryRun, SmarterProctoring
from smarterproctoring.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    DeadlineExceededError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    SmarterProctoringError,
    UnexpectedRedirectError,
    UnprocessableEntityError,
    ValidationError,
)
from smarterproctoring.settings import RetryEvent, Timeouts

__version__ = VERSION

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncSmarterProctoring",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "DeadlineExceededError",
    "DryRun",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "Result",
    "RetryEvent",
    "ServerError",
    "SmarterProctoring",
    "SmarterProctoringError",
    "Timeouts",
    "UnexpectedRedirectError",
    "UnprocessableEntityError",
    "ValidationError",
    "__version__",
]
