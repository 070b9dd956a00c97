"""How synchronous code waits. Written by hand, as is `_async/waits.py`."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from smarterproctoring.errors import ConfigurationError

R = TypeVar("R")
Sleep = Callable[[float], object]
"""What waits for some seconds."""
Calling = Callable[..., R]
"""What makes a call."""
UNLIMITED = nullcontext()
"""A scope without a limit."""


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def raised_by(value: object, seconds: float) -> str:  # noqa: ARG001
    """Return an empty text: a hook that has returned has raised nothing.

    Args:
        value: What the hook returned.
        seconds: Not looked at: nothing ends a hook that runs in this thread.

    Raises:
        ConfigurationError: What it returned has to be awaited.
    """
    _value_of(value)
    return ""


def _value_of(value: object) -> object:
    if not inspect.isawaitable(value):
        return value
    if inspect.iscoroutine(value):
        value.close()  # else Python warns that it was never awaited
    raise ConfigurationError(
        "what has to be awaited (a token callable, a hook) takes AsyncSmarterProctoring"
    )


def token_from(source: Callable[[], object], seconds: float) -> object:
    """Return what a token callable gives.

    It runs in a thread of its own, because nothing else ends a wait for it.

    Args:
        source: The callable.
        seconds: How long to wait.

    Raises:
        ConfigurationError: Its value has to be awaited.
        StillRunning: It did not return in time.
    """
    from smarterproctoring_transport import call_within  # noqa: PLC0415 - most tokens are text

    return _value_of(call_within(source, seconds))


def limited(seconds: float) -> AbstractContextManager[object]:  # noqa: ARG001
    """Return a scope without a limit: nothing ends the work of a thread from outside."""
    return UNLIMITED
