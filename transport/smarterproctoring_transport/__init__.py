"""httpx transports that keep a deadline and do not slow down with many concurrent calls.

It is independent of the API and of the client's rules. A request may carry `extensions["deadline"]`, a time
on the monotonic clock; no wait for the request, its answer or its body lasts longer.

    with httpx.Client(transport=SyncShared("https://api.example.com", {}).get()) as client: ...
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smarterproctoring_transport._async.shared import AsyncShared as AsyncShared
    from smarterproctoring_transport._sync.shared import SyncShared as SyncShared
    from smarterproctoring_transport.background import call_aside as call_aside
    from smarterproctoring_transport.background import call_within as call_within
    from smarterproctoring_transport.failures import NotSent as NotSent
    from smarterproctoring_transport.failures import ProxyFailure as ProxyFailure
    from smarterproctoring_transport.failures import StillRunning as StillRunning
    from smarterproctoring_transport.hosts import is_host as is_host
    from smarterproctoring_transport.hosts import is_loopback as is_loopback
    from smarterproctoring_transport.request import Requests as Requests
    from smarterproctoring_transport.shared import Limits as Limits
    from smarterproctoring_transport.shared import Proxy as Proxy
    from smarterproctoring_transport.shared import TransportOptions as TransportOptions
    from smarterproctoring_transport.unpack import Unpacker as Unpacker

_MODULES = {
    "AsyncShared": "smarterproctoring_transport._async.shared",
    "SyncShared": "smarterproctoring_transport._sync.shared",
    "call_aside": "smarterproctoring_transport.background",
    "call_within": "smarterproctoring_transport.background",
    "NotSent": "smarterproctoring_transport.failures",
    "ProxyFailure": "smarterproctoring_transport.failures",
    "StillRunning": "smarterproctoring_transport.failures",
    "is_host": "smarterproctoring_transport.hosts",
    "is_loopback": "smarterproctoring_transport.hosts",
    "Requests": "smarterproctoring_transport.request",
    "Limits": "smarterproctoring_transport.shared",
    "Proxy": "smarterproctoring_transport.shared",
    "TransportOptions": "smarterproctoring_transport.shared",
    "Unpacker": "smarterproctoring_transport.unpack",
}
"""The public names, each by the module that has it. It is imported when the name is first used.

A program that uses nothing but the rules for hosts does not load httpx.
"""


if not TYPE_CHECKING:  # a type checker that sees __getattr__ accepts every name

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        if name == "__all__":
            return list(_MODULES)
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES})
