"""The retry budget of a client: in an outage, a process with many threads must not multiply the load."""

import os
import threading

# Tokens, as in the AWS SDKs' standard mode.
SIZE = 500
"""Tokens in a full bucket."""
RETRY = 5
"""Tokens that a retry costs."""
TIMED_OUT_RETRY = 10
"""Tokens that a retry after a timeout costs."""
SUCCESS = 1
"""Tokens that a success without a retry gives back. A success after a retry gives back what its last retry cost."""


class RetryBudget:
    """A bucket of tokens that all calls of a client and its views share; safe over threads and forks."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._left = SIZE
        self._process = os.getpid()
        self._lock = threading.Lock()

    def take(self, cost: int) -> bool:
        """Take tokens for a retry; return False and take none if there are too few."""
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
