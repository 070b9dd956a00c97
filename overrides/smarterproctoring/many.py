"""Many calls in memory: several concurrently, at a given rate, with an outcome for every item in the items' order."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from types import UnionType
from typing import Any, NamedTuple

from smarterproctoring_generated.records import Hidden, Operation
from smarterproctoring_generated.results import Result

from smarterproctoring.errors import (
    AuthenticationError,
    ConfigurationError,
    InterruptedCallError,
    SmarterProctoringError,
    attach_what_is_known,
    what_became_of_the_change,
    what_is_known,
    wrong_settings,
)
from smarterproctoring.problems import Problem
from smarterproctoring.rules import rules_of

Outcome = Result[None] | SmarterProctoringError
"""What became of one item: the call's result, or the error that it would have raised."""
_STOPPED = "not sent: the token was refused for an earlier item; fix it, and send the rest again"
_GRACE = 1.0
"""Seconds that calls under way have to end after Ctrl-C."""


_SLOWEST = 1e-6
"""Calls per second: a wait of more than 12 days between two is a slip."""


class Turn(NamedTuple):
    """An item and the time to wait before it is sent.

    Attributes:
        place: Its index in the list.
        item: Its arguments.
        wait: Seconds to wait first.
    """

    place: int
    item: Hidden[Mapping[str, Any]]
    wait: float


class Many:
    """The work of one `reschedule_many`, shared by its workers.

    Args:
        operation: The operation that each item calls.
        items: Each the arguments of `reschedule` by keyword, the three SIDs included.
        check: The dry run, so that what cannot be sent is known before anything is.
        concurrency: How many calls run concurrently, 1 or more.
        rate: Calls per second at most; None for no limit.

    Attributes:
        outcomes: One for each item, in their order.
        workers: How many workers there is work for.

    Raises:
        ConfigurationError: `concurrency` is not a whole number from 1, or `rate` is not a number above 0.
        TypeError: A keyword that does not exist, a SID that is missing, or an item that is not a mapping.
    """

    def __init__(
        self,
        operation: Operation,
        items: Hidden[Iterable[Mapping[str, Any]]],
        check: Callable[..., object],
        concurrency: int,
        rate: float | None,
    ) -> None:
        problems: list[Problem] = []
        if not _is_number(concurrency, int) or concurrency < 1:
            text = "must be a whole number, 1 or more"
            problems.append(Problem("concurrency", "value", text))
        if rate is not None and not (
            _is_number(rate, int | float) and rate >= _SLOWEST
        ):
            text = (
                f"must be a number of calls per second, at least {_SLOWEST:g}, or None"
            )
            problems.append(Problem("rate", "value", text))
        if problems:
            raise wrong_settings(problems)
        self.outcomes: list[Outcome] = []
        todo: list[tuple[int, Hidden[Mapping[str, Any]]]] = []
        for index, item in enumerate(map(Hidden, items.reveal())):
            self.outcomes.append(ConfigurationError(_STOPPED))
            error = _problem(index, item, operation, check)
            if error is None:
                todo.append((index, item))
            elif isinstance(error, SmarterProctoringError):
                self.outcomes[index] = error
            else:
                raise error
        self._todo = iter(todo)
        self._flying: set[int] = set()
        self._stopped = threading.Event()
        self._crash: BaseException | None = None
        self._unsent = {index for index, _ in todo}
        self.workers = min(concurrency, len(todo))
        self._gap = 1 / rate if rate else 0.0
        self._next_at = time.monotonic()
        self._lock = threading.Lock()

    def next_turn(self) -> Turn | None:
        """Return the next item with its wait; None if none is left."""
        with self._lock:
            taken = next(self._todo, None)
            if taken is None:
                return None
            now = time.monotonic()
            at = max(now, self._next_at)
            self._next_at = at + self._gap
            index, item = taken
            return Turn(index, item, at - now)

    def begin(self, index: int) -> bool:
        """Note that an item is being sent; return False if nothing more is to be sent."""
        if self._stopped.is_set():
            return False
        self._unsent.discard(index)
        self._flying.add(index)
        return True

    def end(self, index: int, outcome: Outcome) -> None:
        """Note what became of an item."""
        self.outcomes[index] = outcome
        if isinstance(outcome, AuthenticationError):
            self._stopped.set()
        self._flying.discard(index)

    def cut_short(self, index: int, interrupt: BaseException) -> None:
        """Note what is known of an item whose call was interrupted."""
        known = what_is_known(interrupt)
        if known is not None:
            self.outcomes[index] = known
            self._flying.discard(index)

    def pause(self, seconds: float) -> None:
        """Wait, unless nothing more is to be sent."""
        self._stopped.wait(seconds)

    def in_threads(self, work: Callable[[], None]) -> None:
        """Run each worker in its own thread, with the context of the caller: a trace goes on in it.

        They are daemons: after Ctrl-C the program may end although a call is still under way.
        """

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                self._crash = error
                self._stopped.set()

        threads = [
            threading.Thread(target=copy_context().run, args=(run,), daemon=True)
            for _ in range(self.workers)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    # On Windows, Ctrl-C does not end a wait without a limit.
                    thread.join(0.5)
        except BaseException as interrupt:
            self._stopped.set()
            until = time.monotonic() + _GRACE
            try:
                for thread in threads:
                    thread.join(max(0.0, until - time.monotonic()))
            finally:
                self.interrupted(interrupt)
            raise
        if self._crash is not None:
            raise self._crash

    def interrupted(self, interrupt: BaseException) -> None:
        """Attach to an interrupt what became of each item."""
        outcomes = list(self.outcomes)
        for index in list(self._unsent):
            text = f"not sent: interrupted. {what_became_of_the_change(maybe_applied=False)}"
            outcomes[index] = InterruptedCallError(text)
        for index in list(self._flying):
            text = f"interrupted. {what_became_of_the_change(maybe_applied=True)}"
            outcomes[index] = InterruptedCallError(text, maybe_applied=True)
        maybe = sum(
            isinstance(one, SmarterProctoringError) and one.maybe_applied
            for one in outcomes
        )
        moved = sum(isinstance(one, Result) for one in outcomes)
        text = (
            f"interrupted: {moved} of {len(outcomes)} moved, {maybe} more may have been"
        )
        facts = {"maybe_applied": maybe > 0, "outcomes": tuple(outcomes)}
        attach_what_is_known(interrupt, InterruptedCallError(text, **facts))


def _is_number(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _problem(
    index: int, item: Hidden[Any], operation: Operation, check: Callable[..., object]
) -> SmarterProctoringError | TypeError | None:
    """Return what keeps an item from being sent; an item of the wrong shape is named by its index."""
    if not isinstance(item.reveal(), Mapping):
        return TypeError(
            f"items[{index}] must be a mapping of keyword arguments, not {type(item.reveal()).__name__}"
        )
    rules = rules_of(operation)
    sids = {parameter.keyword for parameter in rules.path_parameters}
    try:
        rules.check_keywords(
            [keyword for keyword in item.reveal() if keyword not in sids]
        )
        check(**item.reveal())
    except SmarterProctoringError as error:
        return error
    except TypeError as error:
        return TypeError(f"items[{index}]: {error}")
    return None
