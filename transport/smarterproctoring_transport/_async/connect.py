"""Creates the pool's connections and the transport on top of it."""

from __future__ import annotations

from collections.abc import Callable

import httpcore

from smarterproctoring_transport._async.patched import is_patched
from smarterproctoring_transport._async.pool import AsyncLease, AsyncTransport
from smarterproctoring_transport._async.tunnel import AsyncTunnel
from smarterproctoring_transport._async.watched import AsyncOpener, AsyncWatchedBackend
from smarterproctoring_transport.asyncio_backend import Backend
from smarterproctoring_transport.connections import Route
from smarterproctoring_transport.deadline import Watch
from smarterproctoring_transport.setup_error import SetupError


def transports(route: Route) -> Callable[[], AsyncTransport]:
    """Return a function that makes transports.

    Raises:
        SetupError: The proxy cannot be used, or a package that it needs is missing.
    """
    opener: AsyncOpener = Backend()
    proxy = route.proxy
    if proxy is not None and route.is_tunnelled:
        opener = AsyncTunnel(opener, proxy)
        proxy = None
    expiry = route.limits.keepalive_expiry

    def connect() -> AsyncLease:
        watch = Watch(secure=route.is_secure)
        backend = AsyncWatchedBackend(opener, watch)
        if route.fast and proxy is None and not is_patched():
            from smarterproctoring_transport._async.fast import AsyncConnection  # noqa: PLC0415 - needs an extra

            return AsyncLease(
                AsyncConnection(route.origin, route.context, backend, expiry),
                watch,
                own=True,
            )
        # httpcore's pool chooses the kind of connection to the origin.
        pool = httpcore.AsyncConnectionPool(
            ssl_context=route.context,
            proxy=proxy,
            keepalive_expiry=expiry,
            network_backend=backend,
        )
        return AsyncLease(pool.create_connection(route.origin), watch)

    try:
        connect()  # an invalid proxy raises here
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold the proxy's password
        reason = (
            f"needs a package that is missing: {error}"
            if isinstance(error, ImportError)
            else "cannot be used"
        )
        raise SetupError("proxy", reason) from None
    return lambda: AsyncTransport(connect, route.limits)
