"""The one transport that many threads, tasks and views share: what it is made of, forks, and its end."""

from __future__ import annotations

import importlib
import ipaddress
import os
import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypedDict
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from smarterproctoring_transport.asyncio_backend import Backend
from smarterproctoring_transport.deadline import Watch, Watched
from smarterproctoring_transport.pool import AsyncTransport, Transport


class TransportOptions(TypedDict, total=False):
    """Keyword arguments that say how bytes travel; the types are httpx's own.

    Attributes:
        transport: Replaces the transport: an instance, or a callable that makes one (which a forked child needs).
        proxy: URL of a proxy. Without it HTTPS_PROXY and its kin are read, unless `trust_env` is false.
        verify: Certificates to trust: True, False (never in production), or an `ssl.SSLContext`.
        limits: Connections in the pool; 100 by default, all of which may stay open for 5 s without a request.
        http2: Whether to offer HTTP/2 (needs the package h2).
        fast: Whether httptools reads the answers (the extra `fast`); by default wherever it is installed. A proxy and
            HTTP/2 are not for it: there httpcore reads.
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
                given if callable(given) else (lambda: given) if given else _maker(base_url, options, asynchronous)
            )
            self._process, self._transport = os.getpid(), self._make()
            getattr(self._transport, "handle_async_request" if asynchronous else "handle_request")
        except (ImportError, ValueError, TypeError, AttributeError, OSError, httpx.InvalidURL) as failure:
            problem = type(failure).__name__
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


def _maker(base_url: str, options: TransportOptions, asynchronous: bool) -> Callable[[], Any]:
    fast = _fast(options)
    parts, trust_env = urlsplit(base_url), options.get("trust_env", True)
    context = httpx.create_ssl_context(options.get("verify", True), trust_env=trust_env)
    limits = options.get("limits", httpx.Limits(max_connections=100, max_keepalive_connections=100))
    origin = httpcore.URL(base_url).origin
    backend: Any = Backend() if asynchronous else httpcore.SyncBackend()
    kind: Any = httpcore.AsyncConnectionPool if asynchronous else httpcore.ConnectionPool
    settings = {
        "ssl_context": context,
        "proxy": _proxy(parts, options.get("proxy"), trust_env),
        "keepalive_expiry": limits.keepalive_expiry,
        "http2": options.get("http2", False),
    }

    def connect(watch: Watch) -> Any:
        if fast and settings["proxy"] is None:
            return fast(origin, context, Watched(backend, watch), limits.keepalive_expiry)
        return kind(**settings, network_backend=Watched(backend, watch)).create_connection(origin)

    connect(Watch())  # what is wrong with the proxy shows here
    return lambda: (AsyncTransport if asynchronous else Transport)(connect, limits)


def _fast(options: TransportOptions) -> Any:
    """Return the kind of connection that httptools reads, if it is wanted and there."""
    if options.get("http2"):
        importlib.import_module("h2")
        return None
    if options.get("fast") is False:
        return None
    try:
        return importlib.import_module("smarterproctoring_transport.fast").Connection
    except ImportError:
        if options.get("fast"):
            raise
        return None


def _proxy(parts: SplitResult, given: str | httpx.Proxy | None, trust_env: bool) -> httpcore.Proxy | None:
    """Return the proxy for the one origin; that of the environment is looked up once."""
    # What stays on this machine never takes the environment's proxy: it may be plain http, and hold a token.
    if given is None and trust_env and not (_is_loopback(parts.hostname or "") or proxy_bypass(parts.hostname or "")):
        given = getproxies().get(parts.scheme) or getproxies().get("all")
    if given is None:
        return None
    proxy = given if isinstance(given, httpx.Proxy) else httpx.Proxy(given)
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    return httpcore.Proxy(url, auth=proxy.raw_auth, headers=proxy.headers.raw, ssl_context=proxy.ssl_context)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
