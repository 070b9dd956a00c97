"""What the pool lends: connections to one origin, through a proxy or not, that httptools or httpcore reads."""

from __future__ import annotations

import functools
import importlib
import os
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
from smarterproctoring_transport.shared import SetupError, is_host, is_loopback
from smarterproctoring_transport.tunnel import AsyncTunnel, SyncTunnel


def maker(
    base_url: str,
    *,
    asynchronous: bool,
    proxy: str | httpx.Proxy | None,
    verify: bool | ssl.SSLContext,
    limits: httpx.Limits,
    fast: bool,
    trust_env: bool,
) -> Callable[[], Any]:
    """Return what makes the transport; see `TransportOptions` for the arguments.

    Raises:
        SetupError: An option that cannot work, a package that it needs and that is missing, or a variable of the
            environment, by its name.
    """
    origin, via = httpcore.URL(base_url).origin, _proxy(urlsplit(base_url), proxy, trust_env)
    context = _context(verify, trust_env)
    connection = _fast() if fast else None
    secure = origin.scheme == b"https"
    backend: Any = asyncio_backend.Backend() if asynchronous else sync_backend.Backend()
    watching = AsyncWatched if asynchronous else Watched
    if via and secure and via.url.scheme in (b"http", b"https"):
        backend = (AsyncTunnel if asynchronous else SyncTunnel)(backend, via)
        via = None
    quick = None if via else connection
    kind: Any = httpcore.AsyncConnectionPool if asynchronous else httpcore.ConnectionPool

    def connect() -> Lease:
        watch = Watch(secure=secure)
        watched = watching(backend, watch)
        expiry = limits.keepalive_expiry
        if quick and not is_patched(asynchronous=asynchronous):
            return Lease(quick(origin, context, watched, expiry), watch, own=True)
        # A pool of httpcore knows which kind of connection it takes to get to the origin.
        pool = kind(ssl_context=context, proxy=via, keepalive_expiry=expiry, network_backend=watched)
        return Lease(pool.create_connection(origin), watch)

    try:
        connect()  # what is wrong with the proxy shows here
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold the proxy's password
        reason = f"needs a package that is missing: {error}" if isinstance(error, ImportError) else "cannot be used"
        raise SetupError("proxy", reason) from None
    return lambda: (AsyncTransport if asynchronous else Transport)(connect, limits)


def _fast() -> Any:
    """Return the kind of connection that httptools reads."""
    try:
        return importlib.import_module("smarterproctoring_transport.fast").Connection
    except ImportError as error:
        raise SetupError("fast", f"needs the extra 'fast': the package {error.name} is missing") from None


def _context(verify: bool | ssl.SSLContext, trust_env: bool) -> ssl.SSLContext:
    name = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if trust_env and os.environ.get(name)), None)
    try:
        if verify is True and name is None:
            return _bundled_certificates()
        return httpx.create_ssl_context(verify, trust_env=trust_env)
    except OSError as error:  # ssl.SSLError is one
        if name is None:
            raise SetupError("verify", f"cannot load the certificates to trust ({type(error).__name__})") from None
        what = f"needs the certificates that the variable {name} names: they cannot be read ({type(error).__name__})"
        raise SetupError("verify", what) from None


@functools.cache
def _bundled_certificates() -> ssl.SSLContext:
    """Return what trusts certifi's certificates; to load them takes 30 ms, so one serves all clients of the process."""
    return httpx.create_ssl_context(trust_env=False)


def _proxy(parts: SplitResult, given: str | httpx.Proxy | None, trust_env: bool) -> httpcore.Proxy | None:
    """Return the proxy for the one origin; that of the environment is looked up once."""
    source = ""
    # What stays on this machine never takes the environment's proxy: it may be plain http, and hold a token.
    if given is None and trust_env and not (is_loopback(parts.hostname) or proxy_bypass(parts.hostname or "")):
        given, source = _proxy_of_the_environment(parts.scheme)
    if given is None:
        return None
    url = str(given.url if isinstance(given, httpx.Proxy) else given)
    problem = _proxy_problem(url)
    if problem is None:
        try:
            return _as_httpcore(given if isinstance(given, httpx.Proxy) else httpx.Proxy(given))
        except (ValueError, TypeError, httpx.InvalidURL):
            problem = "is not the URL of a proxy"
    raise SetupError("proxy", f"{source}{problem}")


def _proxy_of_the_environment(scheme: str) -> tuple[str | None, str]:
    """Return the proxy's URL and how to call where it came from; without a scheme it is http, as curl has it."""
    for kind in (scheme, "all"):
        url = getproxies().get(kind)
        if url:
            names = (f"{kind}_proxy", f"{kind}_proxy".upper())
            name = next((name for name in names if os.environ.get(name)), None)
            source = f"of the variable {name} " if name else "of the system's settings "
            return url if "://" in url else f"http://{url}", source
    return None, ""


def _proxy_problem(url: str) -> str | None:
    """Return what is wrong with the URL of a proxy, which is not shown: it may hold a password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "has a host or a port that cannot be used"
    if parts.scheme not in _PROXY_SCHEMES:
        return f"must begin with one of {', '.join(f'{scheme}://' for scheme in _PROXY_SCHEMES)}"
    if not host or not is_host(host) or port == 0:
        return "has a host or a port that cannot be used"
    return None


_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def _as_httpcore(proxy: httpx.Proxy) -> httpcore.Proxy:
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    context = proxy.ssl_context
    if context is None and proxy.url.scheme == "https":
        context = httpcore.default_ssl_context()  # once: it takes a tenth of a second and more
    return httpcore.Proxy(url, auth=proxy.raw_auth, headers=proxy.headers.raw, ssl_context=context)
