"""Moves proctored exam sessions. After a call you know what happened to the session.

    from smarterproctoring import SmarterProctoring

    with SmarterProctoring.from_env() as client:
        result = client.reschedule(install_sid, exam_sid, session_sid, appointment_start_date_time=start)

`SmarterProctoring` and `AsyncSmarterProctoring` are the clients; `SmarterProctoringError` is the base of all errors.
"""

from smarterproctoring_generated.operations import VERSION as _API_VERSION
from smarterproctoring_generated.records import NULL as NULL
from smarterproctoring_generated.results import Check as Check
from smarterproctoring_generated.results import Difference as Difference
from smarterproctoring_generated.results import Result as Result
from smarterproctoring_generated.results import Verdict as Verdict

from smarterproctoring._version import VERSION as _VERSION
from smarterproctoring.client import AsyncSmarterProctoring as AsyncSmarterProctoring
from smarterproctoring.client import DryRun as DryRun
from smarterproctoring.client import Settings as Settings
from smarterproctoring.client import SmarterProctoring as SmarterProctoring
from smarterproctoring.credentials import AsyncTokenSource as AsyncTokenSource
from smarterproctoring.credentials import TokenSource as TokenSource
from smarterproctoring.errors import APIConnectionError as APIConnectionError
from smarterproctoring.errors import APIStatusError as APIStatusError
from smarterproctoring.errors import APITimeoutError as APITimeoutError
from smarterproctoring.errors import AuthenticationError as AuthenticationError
from smarterproctoring.errors import BadRequestError as BadRequestError
from smarterproctoring.errors import ConfigurationError as ConfigurationError
from smarterproctoring.errors import ConflictError as ConflictError
from smarterproctoring.errors import DeadlineExceededError as DeadlineExceededError
from smarterproctoring.errors import HookError as HookError
from smarterproctoring.errors import InterruptedCallError as InterruptedCallError
from smarterproctoring.errors import NotFoundError as NotFoundError
from smarterproctoring.errors import PermissionDeniedError as PermissionDeniedError
from smarterproctoring.errors import RateLimitError as RateLimitError
from smarterproctoring.errors import ServerError as ServerError
from smarterproctoring.errors import SmarterProctoringError as SmarterProctoringError
from smarterproctoring.errors import UnconfirmedError as UnconfirmedError
from smarterproctoring.errors import UnexpectedRedirectError as UnexpectedRedirectError
from smarterproctoring.errors import (
    UnprocessableEntityError as UnprocessableEntityError,
)
from smarterproctoring.errors import ValidationError as ValidationError
from smarterproctoring.errors import what_is_known as what_is_known
from smarterproctoring.many import Outcome as Outcome
from smarterproctoring.observers import AttemptRecord as AttemptRecord
from smarterproctoring.observers import CallHook as CallHook
from smarterproctoring.observers import CallHooks as CallHooks
from smarterproctoring.observers import CallObserver as CallObserver
from smarterproctoring.observers import CallRecord as CallRecord
from smarterproctoring.observers import CallStart as CallStart
from smarterproctoring.problems import Problem as Problem
from smarterproctoring.settings import CallOptions as CallOptions
from smarterproctoring.settings import ReadBack as ReadBack
from smarterproctoring.settings import RetryHook as RetryHook
from smarterproctoring.settings import Timeouts as Timeouts

try:
    from smarterproctoring_generated.operations import (
        RescheduleExamSessionFields as RescheduleExamSessionFields,
    )
    from smarterproctoring_generated.operations import (
        RescheduleExamSessionItem as RescheduleExamSessionItem,
    )
except (
    ImportError
):  # a spec without the reschedule operation, as in the tests of other descriptions
    pass

__version__ = _VERSION
__api_version__ = _API_VERSION
"""`info.version` of the OpenAPI document from which the package was generated."""
