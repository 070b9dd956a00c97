"""The options and factories of a client's transports."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar
from urllib.parse import urlsplit

import httpx

from smarterproctoring_transport.setup_error import SetupError

if TYPE_CHECKING:
    from smarterproctoring_transport.connections import Route

T = TypeVar("T")


Limits = httpx.Limits
Proxy = httpx.Proxy


class TransportOptions(TypedDict, total=False):
    """Keyword arguments of the transport; the types are httpx's own."""

    transport: Any
    """Replaces the transport: an instance, or a callable that makes one (for a forked child or another event loop)."""
    proxy: str | Proxy | None
    """URL of a proxy. Without it HTTPS_PROXY and similar variables are read, unless `trust_env` is False."""
    verify: bool | ssl.SSLContext
    """Certificates to trust: True (the default), False (never in production), or an `ssl.SSLContext`."""
    limits: Limits | None
    """Connections in the pool. Default: 100, all of which may stay open for 5 s without a request."""
    fast: bool
    """Whether requests go directly to the transport, and httptools parses the answers (the extra `fast`).

    By default (False) they go through an httpx client, and httpcore reads; it also reads what comes through a SOCKS
    proxy, and plain http through a proxy. Tools that wrap httpx's clients do not see fast requests.
    """
    trust_env: bool
    """Whether proxy and certificate variables of the environment count. Default: True."""
    event_hooks: Mapping[str, list[Callable[..., Any]]]
    """httpx's event hooks, called for every attempt."""


def plain_error(setting: str, text: str) -> Exception:
    """Make the error for callers that use the transport on its own."""
    return RuntimeError(f"{setting} {text}" if setting else text)


class Setup:
    """The arguments of `AsyncShared` and `SyncShared`.

    Attributes:
        base_url: The origin, and what the path begins with.
        options: Options of the transport.
    """

    def __init__(self, base_url: str, options: TransportOptions) -> None:
        self.base_url = base_url
        self.options = options

    def check(self) -> None:
        """Refuse options with which no transport can be made.

        Raises:
            SetupError: An option that cannot work.
        """
        if not isinstance(self.options.get("verify", True), bool | ssl.SSLContext):
            raise SetupError("verify", "must be True, False, or an ssl.SSLContext")
        for name in ("fast", "trust_env"):
            if not isinstance(self.options.get(name, False), bool):
                raise SetupError(name, "must be True or False")
        limits = self.options.get("limits")
        if limits is not None and not _are_limits(limits):
            raise SetupError("limits", "must be an httpx.Limits of numbers or None")
        try:
            # Refused here rather than at the first call.
            _ = (httpx.URL(self.base_url), urlsplit(self.base_url).port)
        except (ValueError, httpx.InvalidURL):
            raise SetupError("base_url", "is not a URL that can be used") from None

    def route(self) -> Route:
        """Decide how connections are made.

        Raises:
            SetupError: An option that cannot work.
        """
        # Imported late: httpcore, below it, takes as long to import as httpx, which imports it late as well.
        from smarterproctoring_transport import connections  # noqa: PLC0415

        options = self.options
        return connections.route(
            self.base_url,
            proxy=options.get("proxy"),
            verify=options.get("verify", True),
            limits=options.get("limits")
            or Limits(max_connections=100, max_keepalive_connections=100),
            fast=options.get("fast", False),
            trust_env=options.get("trust_env", True),
        )


def _are_limits(limits: object) -> bool:
    """Tell whether a value is httpx's limits, and holds numbers that can be used."""
    if not isinstance(limits, httpx.Limits):
        return False
    counts = (limits.max_connections, limits.max_keepalive_connections)
    if any(count is not None and not _is_count(count) for count in counts):
        return False
    return limits.keepalive_expiry is None or _is_number(limits.keepalive_expiry)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def given_transport(given: object, kind: type[T]) -> T:
    """Return the caller's transport, or the one that the caller's callable makes.

    Raises:
        SetupError: It is not one.
    """
    made: object = given
    if not isinstance(given, kind) and callable(given):
        try:
            made = given()
        except Exception as failure:  # noqa: BLE001 - it is the caller's own, and its text may hold anything
            made = failure
    if isinstance(made, Exception):
        raise SetupError(
            "transport", f"is a callable that raised {type(made).__name__}"
        )
    if not isinstance(made, kind):
        what = f"must be an httpx.{kind.__name__} or a callable that makes one, not {type(made).__name__}"
        raise SetupError("transport", what)
    return made
