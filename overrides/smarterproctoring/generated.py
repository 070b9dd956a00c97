"""The client that generated functions are handed. A module of its own: attrs, which it needs, is imported with it."""

from typing import Any, NoReturn

from smarterproctoring_generated import AuthenticatedClient

from smarterproctoring.errors import ConfigurationError, NoCopy
from smarterproctoring.seam import AsyncSeam, SyncSeam


class GeneratedClient(NoCopy, AuthenticatedClient):
    """The client for generated functions: `sync_detailed(…, client=client.generated)`.

    It carries no token of its own and never opens a connection past the seam. What the generator's own `with_…` methods
    do is done by `with_options` of the public clients: theirs change the client that they are called on.
    """

    def __init__(self, seam: SyncSeam | AsyncSeam) -> None:
        super().__init__(base_url=seam.origin, token="")
        self.seam = seam

    def get_httpx_client(self) -> SyncSeam:
        """Return the synchronous seam."""
        if isinstance(self.seam, SyncSeam):
            return self.seam
        raise ConfigurationError("this client is asynchronous: call asyncio_detailed, or use SmarterProctoring")

    def get_async_httpx_client(self) -> AsyncSeam:
        """Return the asynchronous seam."""
        if isinstance(self.seam, AsyncSeam):
            return self.seam
        raise ConfigurationError("this client is synchronous: call sync_detailed, or use AsyncSmarterProctoring")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise ConfigurationError("refused, it would bypass the rules of this client: use with_options(…).generated")

    with_headers = with_timeout = with_cookies = set_httpx_client = set_async_httpx_client = _refuse
