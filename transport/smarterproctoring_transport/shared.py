"""The one transport that many threads, tasks and views share: what it is made of, forks, and its end."""

import ipaddress
import os
import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypedDict
from urllib.parse import urlsplit

import httpx


class TransportOptions(TypedDict, total=False):
    """Keyword arguments that say how bytes travel; the types are httpx's own.

    Attributes:
        transport: Replaces the transport: an instance, or a callable that makes one (which a forked child needs).
        proxy: URL of a proxy. Without it HTTPS_PROXY and its kin are read, unless `trust_env` is false.
        verify: Certificates to trust: True, False (never in production), or an `ssl.SSLContext`.
        limits: Connections in the pool; 100 by default, all of which may stay open for 5 s without a request.
        http2: Whether to offer HTTP/2 (needs the package h2).
        fast: Whether httptools reads the answers (the extra `fast`); by default wherever it is installed. httpcore
            reads HTTP/2, and what comes through a SOCKS proxy or as plain http through a proxy.
        trust_env: Whether proxy and certificate variables of the environment count.
        event_hooks: httpx's event hooks, called for every attempt; what they raise is not caught.
    """

    transport: Any
    proxy: str | httpx.Proxy | None
    verify: bool | ssl.SSLContext
    limits: httpx.Limits
    http2: bool
    fast: bool | None
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


class Shared:
    """The transport for one origin; a forked child makes its own.

    Without a lock on purpose: a lock that another thread holds during a fork stays locked in the child.

    Args:
        base_url: The origin, and what the path begins with.
        options: How bytes travel.
        asynchronous: Whether it is for `handle_async_request`.
        error: The class of the error where it cannot be set up, or not be used any more.
    """

    def __init__(
        self,
        base_url: str,
        options: TransportOptions,
        *,
        asynchronous: bool = False,
        error: type[Exception] = RuntimeError,
    ) -> None:
        given, self._asynchronous, self._error = options.get("transport"), asynchronous, error
        self._make: Callable[[], Any]
        self._forkable, self._closed, problem = given is None or callable(given), False, ""
        if not isinstance(options.get("verify", True), bool | ssl.SSLContext):
            raise self._error("verify must be True, False, or an ssl.SSLContext")
        try:
            _ = httpx.URL(base_url), urlsplit(base_url).port  # refused here rather than at the first call
            self._make = (
                given if callable(given) else (lambda: given) if given else _default(base_url, options, asynchronous)
            )
            self._process, self._transport = os.getpid(), self._make()
            getattr(self._transport, "handle_async_request" if asynchronous else "handle_request")
        except (ImportError, ValueError, TypeError, AttributeError, OSError, httpx.InvalidURL) as failure:
            problem = str(failure) if isinstance(failure, ImportError) else type(failure).__name__
        if problem:  # raised here, because the cause may hold a proxy's password
            raise self._error(f"the transport cannot be set up ({problem}): check base_url, transport, proxy, verify")

    def get(self) -> Any:
        """Return the transport of this process.

        Raises:
            RuntimeError: It is closed, or belongs to the parent process.
        """
        if self._closed:
            raise self._error("the client is closed; make a new one, or close it later")
        if self._process != os.getpid():
            if not self._forkable:
                raise self._error("a forked process cannot use its parent's transport: pass a callable instead")
            self._transport, self._process = self._make(), os.getpid()
        return self._transport

    def close(self) -> Any:
        """Close it for all; what the transport's own `close` or `aclose` gives is to be awaited if it can be."""
        if not self._closed:
            transport, self._closed = self.get(), True
            return transport.aclose() if self._asynchronous else transport.close()
        return None


def _default(base_url: str, options: TransportOptions, asynchronous: bool) -> Callable[[], Any]:
    # Imported late: httpcore, below it, takes as long to import as httpx, which imports it late as well.
    from smarterproctoring_transport import connections  # noqa: PLC0415

    return connections.maker(
        base_url,
        asynchronous=asynchronous,
        proxy=options.get("proxy"),
        verify=options.get("verify", True),
        limits=options.get("limits", httpx.Limits(max_connections=100, max_keepalive_connections=100)),
        http2=options.get("http2", False),
        fast=options.get("fast"),
        trust_env=options.get("trust_env", True),
    )
