"""Many calls in memory: so many at once, at a given rate, with an outcome for every item in the items' order."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from smarterproctoring_transport import settled

from smarterproctoring.call import Result
from smarterproctoring.errors import AuthenticationError, ConfigurationError, SmarterProctoringError

Outcome = Result | SmarterProctoringError
"""What became of one item: the call's result, or the error that it would have raised."""
_STOPPED = "not sent: the token was refused for an earlier item; mend it, and send the rest again"


class Many:
    """The work of one `reschedule_many`, shared by its workers.

    Args:
        items: Each the arguments of `reschedule` by keyword, the three SIDs included.
        check: The dry run, so that what cannot be sent is known before anything is.
        concurrency: How many calls run at once.
        rate: Calls per second at most; None for no limit.

    Attributes:
        outcomes: One for each item, in their order.

    Raises:
        ConfigurationError: A concurrency or rate that is none.
        TypeError: A keyword that does not exist, or a SID that is missing.
    """

    def __init__(
        self, items: Iterable[Mapping[str, Any]], check: Callable[..., object], concurrency: int, rate: float | None
    ) -> None:
        if not concurrency >= 1 or (rate is not None and not rate > 0):
            raise ConfigurationError("concurrency must be 1 or more, rate a number of calls per second above 0")
        self.outcomes: list[Outcome] = []
        todo: list[tuple[int, Mapping[str, Any]]] = []
        for index, item in enumerate(items):
            self.outcomes.append(ConfigurationError(_STOPPED))
            try:
                check(**item)
                todo.append((index, item))
            except SmarterProctoringError as error:
                self.outcomes[index] = error
        self._todo, self._stopped, self.workers = iter(todo), False, min(concurrency, len(todo))
        self._gap, self._next_at, self._lock = 1 / rate if rate else 0.0, time.monotonic(), threading.Lock()

    async def work(self, call: Callable[..., Any], sleep: Callable[[float], Any]) -> None:
        """Take items until there are none, or a token is refused, which it would be for each of the rest as well."""
        for index, item in self._todo:
            with self._lock:
                now = time.monotonic()
                turn = max(now, self._next_at)
                self._next_at = turn + self._gap
            if turn > now:
                await settled(sleep(turn - now))
            if self._stopped:
                return
            try:
                self.outcomes[index] = await settled(call(**item))
            except SmarterProctoringError as error:
                self.outcomes[index] = error
                self._stopped |= isinstance(error, AuthenticationError)
