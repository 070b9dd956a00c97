"""What the pool lends: connections to one origin, through a proxy or not, that httptools or httpcore reads."""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from smarterproctoring_transport import asyncio_backend, sync_backend
from smarterproctoring_transport.deadline import AsyncWatched, Watch, Watched
from smarterproctoring_transport.patched import is_patched
from smarterproctoring_transport.pool import AsyncTransport, Lease, Transport
from smarterproctoring_transport.shared import is_loopback
from smarterproctoring_transport.tunnel import AsyncTunnel, SyncTunnel


def maker(
    base_url: str,
    *,
    asynchronous: bool,
    proxy: str | httpx.Proxy | None,
    verify: bool | ssl.SSLContext,
    limits: httpx.Limits,
    http2: bool,
    fast: bool | None,
    trust_env: bool,
) -> Callable[[], Any]:
    """Return what makes the transport; see `TransportOptions` for the arguments.

    Raises:
        ImportError: A package that an option needs is missing.
        ValueError: A URL that cannot be used.
    """
    origin, via = httpcore.URL(base_url).origin, _proxy(urlsplit(base_url), proxy, trust_env)
    context = httpx.create_ssl_context(verify, trust_env=trust_env)
    secure = origin.scheme == b"https"
    backend: Any = asyncio_backend.Backend() if asynchronous else sync_backend.Backend()
    watching = AsyncWatched if asynchronous else Watched
    if via and secure and via.url.scheme in (b"http", b"https"):
        backend = (AsyncTunnel if asynchronous else SyncTunnel)(backend, via)
        via = None
    quick = None if http2 or via else _fast(fast)
    if http2:
        importlib.import_module("h2")
    kind: Any = httpcore.AsyncConnectionPool if asynchronous else httpcore.ConnectionPool

    def connect() -> Lease:
        watch = Watch(secure=secure, checked=not http2)
        watched = watching(backend, watch)
        expiry = limits.keepalive_expiry
        if quick and not is_patched(asynchronous=asynchronous):
            return Lease(quick(origin, context, watched, expiry), watch, own=True)
        # A pool of httpcore knows which kind of connection it takes to get to the origin.
        pool = kind(ssl_context=context, proxy=via, keepalive_expiry=expiry, http2=http2, network_backend=watched)
        return Lease(pool.create_connection(origin), watch)

    connect()  # what is wrong with the proxy shows here
    return lambda: (AsyncTransport if asynchronous else Transport)(connect, limits)


def _fast(wanted: bool | None) -> Any:
    """Return the kind of connection that httptools reads, if it is wanted and there."""
    try:
        return None if wanted is False else importlib.import_module("smarterproctoring_transport.fast").Connection
    except ImportError:
        if wanted:
            raise
        return None


def _proxy(parts: SplitResult, given: str | httpx.Proxy | None, trust_env: bool) -> httpcore.Proxy | None:
    """Return the proxy for the one origin; that of the environment is looked up once."""
    # What stays on this machine never takes the environment's proxy: it may be plain http, and hold a token.
    if given is None and trust_env and not (is_loopback(parts.hostname) or proxy_bypass(parts.hostname or "")):
        given = getproxies().get(parts.scheme) or getproxies().get("all")
    if given is None:
        return None
    proxy = given if isinstance(given, httpx.Proxy) else httpx.Proxy(given)
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    return httpcore.Proxy(url, auth=proxy.raw_auth, headers=proxy.headers.raw, ssl_context=proxy.ssl_context)
