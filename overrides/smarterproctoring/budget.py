"""The retry budget of a client: in an outage, a process with many threads must not multiply the load."""

import os
import threading

# Tokens, as in the AWS SDKs' standard mode.
SIZE = 500
"""What there are."""
RETRY = 5
"""What a retry costs."""
TIMED_OUT_RETRY = 10
"""What a retry after a time limit costs."""
SUCCESS = 1
"""What a success without a retry gives back; one with a retry gives back what its last retry cost."""


class RetryBudget:
    """A bucket of tokens that all calls of a client and its views share; safe over threads and forks."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._left = SIZE
        self._process = os.getpid()
        self._lock = threading.Lock()

    def take(self, cost: int) -> bool:
        """Take tokens for a retry; False, and nothing is taken, if there are too few."""
        # A forked child: the lock may be held by a thread that it does not have.
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            if self._left < cost:
                return False
            self._left -= cost
            return True

    def give(self, amount: int) -> None:
        """Give tokens back after a success."""
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            self._left = min(SIZE, self._left + amount)
