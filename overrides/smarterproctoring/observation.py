"""Tells the hooks of `on_call` of one call."""

import time
from collections.abc import Sequence

from smarterproctoring_generated.records import Operation

from smarterproctoring import fields
from smarterproctoring.observers import (
    AttemptRecord,
    CallHook,
    CallObserver,
    CallRecord,
    CallStart,
)
from smarterproctoring.settings import logger


class Observation:
    """One call that hooks observe. What they raise is logged, and changes nothing else.

    Attributes:
        history: The attempts and reads that have ended.
    """

    def __init__(self, operation: Operation, began: float) -> None:
        self._operation = operation
        self._began = began
        self._ends: list[CallHook] = []
        self.history: list[AttemptRecord] = []

    def begin(self, hooks: Sequence[CallHook | CallObserver], base_url: str) -> None:
        """Tell the observers that the call begins."""
        operation = self._operation
        start = CallStart(
            operation.operation_id, operation.method, operation.path, base_url
        )
        for hook in hooks:
            if not isinstance(hook, CallObserver):
                self._ends.append(hook)
                continue
            try:
                self._ends.append(hook.begin(start))
            except Exception as problem:  # noqa: BLE001 - the caller's own; the call goes on without it
                self._warn(problem)

    def add(self, operation: Operation, began: float, found: int | str) -> None:
        """Note an attempt that has ended now.

        Args:
            operation: What was attempted: the call's own operation, or the one that reads back.
            began: When, on the monotonic clock.
            found: The status of the answer, or the name of the failure.
        """
        record = AttemptRecord(
            "attempt" if operation is self._operation else "read",
            began - self._began,
            time.monotonic() - self._began,
            status=found if isinstance(found, int) else None,
            failure=found if isinstance(found, str) else None,
        )
        self.history.append(record)

    def end(self, record: CallRecord) -> None:
        """Call the hooks, the last one first: contexts are left in the opposite order.

        Each is called once, also if Ctrl-C ends another.
        """
        if not self._ends:
            return
        end = self._ends.pop()
        try:
            end(record)
        except Exception as problem:  # noqa: BLE001 - the caller's own; what is known of the call must not be lost
            self._warn(problem)
        finally:
            self.end(record)

    def _warn(self, problem: Exception) -> None:
        operation = self._operation.operation_id
        name = type(problem).__name__  # its text is the caller's own
        logger.warning(
            "%s: on_call raised %s, which changes nothing about the call",
            operation,
            name,
            extra={fields.OPERATION: operation, fields.ERROR_TYPE: name},
        )
