"""How connections to the origin are made: proxy, TLS and limits."""

from __future__ import annotations

import functools
import importlib
import os
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from smarterproctoring_transport.hosts import is_host, is_loopback
from smarterproctoring_transport.setup_error import SetupError


@dataclass(frozen=True)
class Route:
    """How connections to one origin are made.

    Attributes:
        origin: The server.
        proxy: The proxy; None for a direct connection.
        context: For TLS with the server; never used where the server is plain http.
        limits: How many connections there may be, and for how long without a request.
        fast: Whether httptools reads the answers.
    """

    origin: httpcore.Origin
    proxy: httpcore.Proxy | None
    context: ssl.SSLContext
    limits: httpx.Limits
    fast: bool

    @property
    def is_secure(self) -> bool:
        """Whether the server is reached by TLS."""
        return self.origin.scheme == b"https"

    @property
    def is_tunnelled(self) -> bool:
        """Whether the proxy is asked to open the connection (CONNECT)."""
        return (
            self.proxy is not None
            and self.is_secure
            and self.proxy.url.scheme in (b"http", b"https")
        )


def route(
    base_url: str,
    *,
    proxy: str | httpx.Proxy | None,
    verify: bool | ssl.SSLContext,
    limits: httpx.Limits,
    fast: bool,
    trust_env: bool,
) -> Route:
    """Decide how connections are made; see `TransportOptions` for the arguments.

    Raises:
        SetupError: An option that cannot work, a package that it needs and that is missing, or a variable of the
            environment, by its name.
    """
    origin = httpcore.URL(base_url).origin
    via = _proxy(urlsplit(base_url), proxy, trust_env)
    if origin.scheme == b"http" and verify is True:
        # Nothing is encrypted: to load certificates would take 30 to 60 ms, in each process that calls a mock server.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = _context(verify, trust_env)
    if fast:
        _require_fast()
    return Route(origin, via, context, limits, fast)


def _require_fast() -> None:
    """Refuse the fast reader where its package is missing."""
    try:
        importlib.import_module("smarterproctoring_transport.fast")
    except ImportError as error:
        raise SetupError(
            "fast", f"needs the extra 'fast': the package {error.name} is missing"
        ) from None


def _context(verify: bool | ssl.SSLContext, trust_env: bool) -> ssl.SSLContext:
    name = next(
        (
            name
            for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
            if trust_env and os.environ.get(name)
        ),
        None,
    )
    try:
        if verify is True and name is None:
            return _bundled_certificates()
        return httpx.create_ssl_context(verify, trust_env=trust_env)
    except OSError as error:  # ssl.SSLError is one
        if name is None:
            raise SetupError(
                "verify",
                f"cannot load the certificates to trust ({type(error).__name__})",
            ) from None
        what = f"needs the certificates that the variable {name} names: they cannot be read ({type(error).__name__})"
        raise SetupError("verify", what) from None


@functools.cache
def _bundled_certificates() -> ssl.SSLContext:
    """Return a context that trusts certifi's certificates. Loading takes 30 ms, so the process shares one."""
    return httpx.create_ssl_context(trust_env=False)


def _proxy(
    parts: SplitResult, given: str | httpx.Proxy | None, trust_env: bool
) -> httpcore.Proxy | None:
    """Return the proxy for the one origin; that of the environment is looked up once."""
    source = ""
    # Requests to loopback never use the environment's proxy: they may be plain http with a token.
    if (
        given is None
        and trust_env
        and not (is_loopback(parts.hostname) or proxy_bypass(parts.hostname or ""))
    ):
        given, source = _proxy_of_the_environment(parts.scheme)
    if given is None:
        return None
    url = str(given.url if isinstance(given, httpx.Proxy) else given)
    problem = _proxy_problem(url)
    if problem is None:
        try:
            return _as_httpcore(
                given if isinstance(given, httpx.Proxy) else httpx.Proxy(given)
            )
        except (ValueError, TypeError, httpx.InvalidURL):
            problem = "is not the URL of a proxy"
    raise SetupError("proxy", f"{source}{problem}")


def _proxy_of_the_environment(scheme: str) -> tuple[str | None, str]:
    """Return the proxy's URL and the name of its source. Without a scheme it is http, as in curl."""
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
        host = parts.hostname
        port = parts.port
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
        scheme=proxy.url.raw_scheme,
        host=proxy.url.raw_host,
        port=proxy.url.port,
        target=proxy.url.raw_path,
    )
    context = proxy.ssl_context
    if context is None and proxy.url.scheme == "https":
        # Once: it takes a tenth of a second and more.
        context = httpcore.default_ssl_context()
    return httpcore.Proxy(
        url, auth=proxy.raw_auth, headers=proxy.headers.raw, ssl_context=context
    )
