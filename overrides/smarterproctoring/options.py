"""The options of clients and calls, as mappings with types. Only type checkers, and programs that use them, load it."""

from collections.abc import Mapping
from typing import TypedDict

from smarterproctoring_transport import TransportOptions

from smarterproctoring.observers import CallHooks
from smarterproctoring.settings import ReadBack, RetryHook, Timeouts


class CallOptions(TypedDict, total=False):
    """Keyword arguments of `with_options`, as a mapping; `SmarterProctoring` describes them."""

    timeout: float | Timeouts
    """Seconds for each attempt, or `Timeouts`. Default: 5 s to connect, 30 to read, 30 to write, 5 for the pool."""
    deadline: float
    """Seconds for the whole call, all attempts and waits included. Default: 60."""
    retries: int
    """How often a failed attempt is repeated at most, 0 to 10. Default: 2."""
    retry_ambiguous: bool
    """Whether to repeat an attempt that may have been applied. Default: True."""
    allow_empty: bool
    """Whether a change without any field may be sent. Default: False."""
    headers: Mapping[str, str]
    """Headers to add to each request."""
    on_retry: RetryHook | None
    """Called with the error and the seconds to wait before each retry."""
    on_call: CallHooks | None
    """Called with a `CallRecord` after each call."""
    read_back: ReadBack
    """When to read a session back: `"when_unsure"` (the default) or `"never"`."""


class Settings(CallOptions, TransportOptions, total=False):
    """Keyword arguments of `SmarterProctoring`, apart from the token, as a mapping; the class describes them."""

    base_url: str
    """Where the API is; production by default."""
    allow_http: bool
    """Whether plain http may go to another machine, which shows the token to the network. Default: False."""
    install_sid: str | None
    """The install of `for_install()` without an argument. Default: None."""
