"""The transports that threads, tasks and views share: one for each process and event loop, until all are closed."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable

import httpx

from smarterproctoring_transport._async.channel import AsyncChannel
from smarterproctoring_transport._async.loops import (
    adapted,
    close_elsewhere,
    current_loop,
    is_gone,
)
from smarterproctoring_transport.setup_error import SetupError
from smarterproctoring_transport.shared import (
    Setup,
    TransportOptions,
    given_transport,
    plain_error,
)


class AsyncShared:
    """The transports for one origin.

    Connections belong to the loop that opened them, and to the process: a forked child and another loop get their own.
    Without a lock on purpose: a lock that another thread holds during a fork stays locked in the child.

    Args:
        base_url: The origin, and what the path begins with.
        options: Options of the transport.
        error: Makes the error where it cannot be set up (from the setting and what is wrong with it), or not be used
            any more (from an empty text and the reason).
    """

    def __init__(
        self,
        base_url: str,
        options: TransportOptions,
        *,
        error: Callable[[str, str], Exception] = plain_error,
    ) -> None:
        self._error = error
        self._closed = False
        self._channels: dict[tuple[int, Hashable], AsyncChannel] = {}
        self._process = os.getpid()
        self._given = options.get("transport")
        self._direct = options.get("fast", False)
        problem: SetupError | None = None
        try:
            self._make = _maker(Setup(base_url, options))
            self._unused: AsyncChannel | None = self._channel()
        except SetupError as failure:
            problem = SetupError(failure.setting, failure.text)
        # Raised outside the `except` block, because the cause may hold a proxy's password.
        if problem is not None:
            raise error(problem.setting, problem.text)

    def get(self) -> httpx.AsyncBaseTransport:
        """Return the transport of this process and event loop.

        Raises:
            Exception: As `error` makes it: this is closed, or the transport belongs to another process or loop.
        """
        return self.channel().transport

    def channel(self) -> AsyncChannel:
        """Return what sends requests for this process and event loop.

        Raises:
            Exception: As `error` makes it: this is closed, or the transport belongs to another process or loop.
        """
        if self._closed:
            raise self._error(
                "", "the client is closed; make a new one, or close it later"
            )
        key = (os.getpid(), current_loop())
        channel = self._channels.get(key)
        return self._add(key) if channel is None else channel

    def _channel(self) -> AsyncChannel:
        return AsyncChannel(
            self._make(), direct=self._direct, keeps_deadline=self._given is None
        )

    def _add(self, key: tuple[int, Hashable]) -> AsyncChannel:
        """Create the channel for this process and loop; drop those that can no longer be used."""
        for process, loop in list(self._channels):
            if process != key[0] or is_gone(loop):
                self._channels.pop((process, loop), None)
        self._check_shareable(key[0])
        unused = self._unused
        self._unused = None
        if unused is None or key[0] != self._process:
            unused = self._channel()
        # Another thread may have been faster; only the channel that is kept opens connections.
        return self._channels.setdefault(key, unused)

    def _check_shareable(self, process: int) -> None:
        """Refuse a transport of the caller's that holds connections of another process or loop."""
        if not isinstance(self._given, httpx.AsyncBaseTransport):
            return
        if process != self._process:
            raise self._error(
                "",
                "a forked process cannot use its parent's transport: pass a callable instead",
            )
        if self._channels and isinstance(self._given, httpx.AsyncHTTPTransport):
            raise self._error(
                "",
                "another event loop cannot use this transport: pass a callable instead",
            )

    async def aclose(self) -> None:
        """Close the transports of this process, those of other loops in their loops. Nothing is opened for that.

        Those of loops that have ended cannot be closed any more, only let go: their connections end with them.
        """
        if self._closed:
            return
        self._closed = True
        here = (os.getpid(), current_loop())
        own = self._to_close(here)
        for (process, loop), other in list(self._channels.items()):
            if process != here[0] or other is own:
                continue
            if is_gone(loop):
                self._channels.pop((process, loop), None)
            else:
                close_elsewhere(loop, other.transport)
        # httpx's client stays open: closing it would make a new call fail as if something had been sent.
        if own is not None:
            await own.transport.aclose()

    def _to_close(self, key: tuple[int, Hashable]) -> AsyncChannel | None:
        """Return the channel to close in this process and loop; None if none was opened."""
        own = self._channels.get(key)
        if own is not None or key[0] != self._process:
            return own
        if self._unused is not None:
            return self._unused
        given = self._given
        if isinstance(given, httpx.AsyncHTTPTransport):
            return None
        # One of the caller's own kind belongs to no loop: it is the same in all of them.
        if isinstance(given, httpx.AsyncBaseTransport):
            return next(iter(self._channels.values()), None)
        return None


def _maker(setup: Setup) -> Callable[[], httpx.AsyncBaseTransport]:
    """Return a function that makes the transport.

    Raises:
        SetupError: An option that cannot work.
    """
    setup.check()
    given = setup.options.get("transport")
    if given is not None:
        return lambda: adapted(given_transport(given, httpx.AsyncBaseTransport))
    route = setup.route()
    from smarterproctoring_transport._async.connect import transports  # noqa: PLC0415 - httpcore is imported late

    return transports(route)
