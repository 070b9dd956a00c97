"""The transports that many threads, tasks and views share: what they are made of, forks, event loops, their end."""

import asyncio
import ipaddress
import os
import ssl
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from typing import Any, TypedDict, cast
from urllib.parse import urlsplit

import httpx


class TransportOptions(TypedDict, total=False):
    """Keyword arguments that say how bytes travel; the types are httpx's own.

    Attributes:
        transport: Replaces the transport: an instance, or a callable that makes one (which a forked child needs, and
            another event loop).
        proxy: URL of a proxy. Without it HTTPS_PROXY and its kin are read, unless `trust_env` is false.
        verify: Certificates to trust: True, False (never in production), or an `ssl.SSLContext`.
        limits: Connections in the pool; 100 by default, all of which may stay open for 5 s without a request.
        fast: Whether httptools reads the answers (the extra `fast`); httpcore does by default, and through a proxy.
        trust_env: Whether proxy and certificate variables of the environment count.
        event_hooks: httpx's event hooks, called for every attempt.
    """

    transport: Any
    proxy: str | httpx.Proxy | None
    verify: bool | ssl.SSLContext
    limits: httpx.Limits
    fast: bool
    trust_env: bool
    event_hooks: Mapping[str, list[Callable[..., Any]]]


def is_loopback(host: str | None) -> bool:
    """Tell whether a host of a URL is this machine: `localhost`, 127.0.0.0/8 or ::1.

    Who lets plain http go there and who lets no proxy in between have to mean the same.
    """
    try:
        return host == "::1" or ipaddress.IPv4Address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def is_host(host: str) -> bool:
    """Tell whether a host of a URL can be looked up: the encoding of names that the system takes refuses any other."""
    if ":" in host:
        try:
            return bool(ipaddress.IPv6Address(host.strip("[]")))
        except ValueError:
            return False
    labels = host.removesuffix(".").split(".")
    return len(host) <= 253 and all(1 <= len(label) <= 63 for label in labels)


class SetupError(Exception):
    """A setting of the transport that cannot work.

    Attributes:
        setting: The keyword in `TransportOptions`.
        text: What is wrong; it goes on where the setting's name ends, and holds no value.
    """

    def __init__(self, setting: str, text: str) -> None:
        super().__init__(f"{setting} {text}")
        self.setting, self.text = setting, text


def _plain_error(setting: str, text: str) -> Exception:
    return RuntimeError(f"{setting} {text}" if setting else text)


class Shared:
    """The transports for one origin: one for each process and, on the asynchronous side, for each event loop.

    Connections belong to the loop that opened them, and to the process: a forked child and another loop get their own.
    Without a lock on purpose: a lock that another thread holds during a fork stays locked in the child.

    Args:
        base_url: The origin, and what the path begins with.
        options: How bytes travel.
        asynchronous: Whether it is for `handle_async_request`.
        error: Makes the error where it cannot be set up (from the setting and what is wrong with it), or not be used
            any more (from an empty text and the reason).
    """

    def __init__(
        self,
        base_url: str,
        options: TransportOptions,
        *,
        asynchronous: bool = False,
        error: Callable[[str, str], Exception] = _plain_error,
    ) -> None:
        self._asynchronous, self._error, self._closed = asynchronous, error, False
        self._transports: dict[tuple[int, Hashable], Any] = {}
        self._process = os.getpid()
        self._given = options.get("transport")
        problem: SetupError | None = None
        try:
            self._make = _maker(base_url, options, asynchronous)
            self._unused: Any = self._make()
        except SetupError as failure:
            problem = SetupError(failure.setting, failure.text)
        if problem is not None:  # raised here, because the cause may hold a proxy's password
            raise self._error(problem.setting, problem.text)

    def get(self) -> Any:
        """Return the transport of this process and event loop.

        Raises:
            RuntimeError: It is closed, or belongs to another process or loop.
        """
        if self._closed:
            raise self._error("", "the client is closed; make a new one, or close it later")
        key = os.getpid(), self._loop()
        transport = self._transports.get(key)
        return self._add(key) if transport is None else transport

    def _loop(self) -> Hashable:
        if not self._asynchronous:
            return None
        try:
            return asyncio.get_running_loop()
        except RuntimeError:  # trio
            from anyio.lowlevel import current_token  # noqa: PLC0415 - not for those who never need it

            return cast("Hashable", current_token())

    def _add(self, key: tuple[int, Hashable]) -> Any:
        """Make the transport of another process or loop; forget those that cannot be used any more."""
        for process, loop in list(self._transports):
            if process != key[0] or (isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed()):
                self._transports.pop((process, loop), None)
        self._check_shareable(key)
        unused, self._unused = (self._unused, None) if key[0] == self._process else (None, None)
        transport = self._make() if unused is None else unused
        # Another thread may have been faster; of the two only the one that is kept has opened connections.
        return self._transports.setdefault(key, transport)

    def _check_shareable(self, key: tuple[int, Hashable]) -> None:
        """Refuse a transport of the caller's own where it holds connections of another process or loop."""
        if not isinstance(self._given, httpx.BaseTransport | httpx.AsyncBaseTransport):
            return
        if key[0] != self._process:
            raise self._error("", "a forked process cannot use its parent's transport: pass a callable instead")
        if self._transports and isinstance(self._given, httpx.AsyncHTTPTransport):
            raise self._error("", "another event loop cannot use this transport: pass a callable instead")

    def close(self) -> Any:
        """Close it for all; what the transport's own `close` or `aclose` gives is to be awaited if it can be."""
        if self._closed:
            return None
        transport, self._closed = self.get(), True
        for (process, loop), other in list(self._transports.items()):
            if process == os.getpid() and other is not transport and isinstance(loop, asyncio.AbstractEventLoop):
                with suppress(RuntimeError):  # that loop is closed already, and its connections with it
                    loop.call_soon_threadsafe(_close_soon, loop, other)
        return transport.aclose() if self._asynchronous else transport.close()


def _close_soon(loop: asyncio.AbstractEventLoop, transport: httpx.AsyncBaseTransport) -> None:
    task = loop.create_task(transport.aclose())
    _CLOSING.add(task)  # the loop itself keeps only a weak reference
    task.add_done_callback(_CLOSING.discard)


_CLOSING: set[asyncio.Task[None]] = set()


def _maker(base_url: str, options: TransportOptions, asynchronous: bool) -> Callable[[], Any]:
    """Return what makes the transport.

    Raises:
        SetupError: An option that cannot work.
    """
    if not isinstance(options.get("verify", True), bool | ssl.SSLContext):
        raise SetupError("verify", "must be True, False, or an ssl.SSLContext")
    try:
        _ = httpx.URL(base_url), urlsplit(base_url).port  # refused here rather than at the first call
    except (ValueError, httpx.InvalidURL):
        raise SetupError("base_url", "is not a URL that can be used") from None
    given = options.get("transport")
    if given is None:
        return _default(base_url, options, asynchronous)
    kind = httpx.AsyncBaseTransport if asynchronous else httpx.BaseTransport

    def make() -> Any:
        made = given
        if callable(given) and not isinstance(given, kind):
            try:
                made = given()
            except Exception as failure:  # noqa: BLE001 - it is the caller's own, and its text may hold anything
                made = failure
        if isinstance(made, Exception):
            raise SetupError("transport", f"is a callable that raised {type(made).__name__}")
        if not isinstance(made, kind):
            what = f"must be an httpx.{kind.__name__} or a callable that makes one, not {type(made).__name__}"
            raise SetupError("transport", what)
        return made

    return make


def _default(base_url: str, options: TransportOptions, asynchronous: bool) -> Callable[[], Any]:
    # Imported late: httpcore, below it, takes as long to import as httpx, which imports it late as well.
    from smarterproctoring_transport import connections  # noqa: PLC0415

    return connections.maker(
        base_url,
        asynchronous=asynchronous,
        proxy=options.get("proxy"),
        verify=options.get("verify", True),
        limits=options.get("limits", httpx.Limits(max_connections=100, max_keepalive_connections=100)),
        fast=options.get("fast", False),
        trust_env=options.get("trust_env", True),
    )
