"""The options of a client, as a mapping with types. Only type checkers, and programs that use it, load it."""

from smarterproctoring_transport import TransportOptions

from smarterproctoring.settings import CallOptions


class Settings(CallOptions, TransportOptions, total=False):
    """Keyword arguments of `SmarterProctoring`, apart from the token, as a mapping; the class describes them."""

    base_url: str
    """Where the API is; production by default."""
    allow_http: bool
    """Whether plain http may go to another machine, which shows the token to the network. Default: False."""
    install_sid: str | None
    """The install of `for_install()` without an argument. Default: None."""
