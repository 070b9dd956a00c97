"""Moves proctored exam sessions. After a call you know what happened to the session.

    from smarterproctoring import SmarterProctoring

    with SmarterProctoring.from_env() as client:
        result = client.reschedule(install_sid, exam_sid, session_sid, appointment_start_date_time=start)

`SmarterProctoring` and `AsyncSmarterProctoring` are the clients; `SmarterProctoringError` is the base of all errors.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from smarterproctoring._version import VERSION as _VERSION

if TYPE_CHECKING:
    from smarterproctoring_generated.operations import VERSION as _API_VERSION
    from smarterproctoring_generated.operations import (
        RescheduleExamSessionFields as RescheduleExamSessionFields,
    )
    from smarterproctoring_generated.operations import (
        RescheduleExamSessionInstallItem as RescheduleExamSessionInstallItem,
    )
    from smarterproctoring_generated.operations import (
        RescheduleExamSessionItem as RescheduleExamSessionItem,
    )
    from smarterproctoring_generated.records import NULL as NULL
    from smarterproctoring_generated.results import Check as Check
    from smarterproctoring_generated.results import Difference as Difference
    from smarterproctoring_generated.results import Result as Result
    from smarterproctoring_generated.results import Verdict as Verdict

    from smarterproctoring.async_client import AsyncInstallClient as AsyncInstallClient
    from smarterproctoring.async_client import (
        AsyncSmarterProctoring as AsyncSmarterProctoring,
    )
    from smarterproctoring.client import SmarterProctoring as SmarterProctoring
    from smarterproctoring.credentials import AsyncTokenSource as AsyncTokenSource
    from smarterproctoring.credentials import TokenSource as TokenSource
    from smarterproctoring.dry_run import DryRun as DryRun
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
    from smarterproctoring.errors import (
        SmarterProctoringError as SmarterProctoringError,
    )
    from smarterproctoring.errors import UnconfirmedError as UnconfirmedError
    from smarterproctoring.errors import (
        UnexpectedRedirectError as UnexpectedRedirectError,
    )
    from smarterproctoring.errors import (
        UnprocessableEntityError as UnprocessableEntityError,
    )
    from smarterproctoring.errors import ValidationError as ValidationError
    from smarterproctoring.errors import what_is_known as what_is_known
    from smarterproctoring.install import InstallClient as InstallClient
    from smarterproctoring.many import Outcome as Outcome
    from smarterproctoring.observers import AttemptRecord as AttemptRecord
    from smarterproctoring.observers import CallHook as CallHook
    from smarterproctoring.observers import CallHooks as CallHooks
    from smarterproctoring.observers import CallObserver as CallObserver
    from smarterproctoring.observers import CallRecord as CallRecord
    from smarterproctoring.observers import CallStart as CallStart
    from smarterproctoring.options import CallOptions as CallOptions
    from smarterproctoring.options import Settings as Settings
    from smarterproctoring.problems import Problem as Problem
    from smarterproctoring.settings import ReadBack as ReadBack
    from smarterproctoring.settings import RetryHook as RetryHook
    from smarterproctoring.settings import Timeouts as Timeouts

    __api_version__ = _API_VERSION
    """`info.version` of the OpenAPI document from which the package was generated."""

__version__ = _VERSION

_NAMES = {
    "smarterproctoring_generated.operations": (
        "RescheduleExamSessionFields",
        "RescheduleExamSessionInstallItem",
        "RescheduleExamSessionItem",
    ),
    "smarterproctoring_generated.records": ("NULL",),
    "smarterproctoring_generated.results": ("Check", "Difference", "Result", "Verdict"),
    "smarterproctoring.async_client": ("AsyncInstallClient", "AsyncSmarterProctoring"),
    "smarterproctoring.client": ("SmarterProctoring",),
    "smarterproctoring.credentials": ("AsyncTokenSource", "TokenSource"),
    "smarterproctoring.dry_run": ("DryRun",),
    "smarterproctoring.errors": (
        "APIConnectionError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadRequestError",
        "ConfigurationError",
        "ConflictError",
        "DeadlineExceededError",
        "HookError",
        "InterruptedCallError",
        "NotFoundError",
        "PermissionDeniedError",
        "RateLimitError",
        "ServerError",
        "SmarterProctoringError",
        "UnconfirmedError",
        "UnexpectedRedirectError",
        "UnprocessableEntityError",
        "ValidationError",
        "what_is_known",
    ),
    "smarterproctoring.install": ("InstallClient",),
    "smarterproctoring.many": ("Outcome",),
    "smarterproctoring.observers": (
        "AttemptRecord",
        "CallHook",
        "CallHooks",
        "CallObserver",
        "CallRecord",
        "CallStart",
    ),
    "smarterproctoring.options": ("CallOptions", "Settings"),
    "smarterproctoring.problems": ("Problem",),
    "smarterproctoring.settings": ("ReadBack", "RetryHook", "Timeouts"),
}
"""The public names by the module that has them. It is imported when one of them is first used.

The command line uses the package as well, and most of its commands do not need httpx, which takes as long to import
as everything else.
"""
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def _public_names() -> list[str]:
    """Return what `import *` gives: a spec without the reschedule operation has no names for its fields."""
    operations = import_module("smarterproctoring_generated.operations")
    here = "smarterproctoring_generated.operations"
    return [
        name
        for name, module in _MODULES.items()
        if module != here or hasattr(operations, name)
    ]


if not TYPE_CHECKING:  # a type checker that sees __getattr__ accepts every name

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        if name == "__all__":
            return _public_names()
        if name == "__api_version__":
            value = import_module("smarterproctoring_generated.operations").VERSION
        elif name in _MODULES:
            module = import_module(_MODULES[name])
            try:
                value = getattr(module, name)
            except AttributeError:
                raise AttributeError(
                    f"module {__name__!r} has no attribute {name!r}"
                ) from None
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_public_names(), "__api_version__"})
