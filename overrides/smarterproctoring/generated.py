"""The client that generated functions are handed. A module of its own: attrs, which it needs, is imported with it."""

from typing import NoReturn, cast

from smarterproctoring_generated import AuthenticatedClient

from smarterproctoring._async.sender import AsyncSender
from smarterproctoring._sync.sender import SyncSender
from smarterproctoring.errors import ConfigurationError, NoCopy
from smarterproctoring.seam import AsyncClient, Client


class GeneratedClient(NoCopy, AuthenticatedClient):
    """The client for generated functions: `sync_detailed(…, client=client.generated)`.

    It carries no token of its own and never opens a connection past the rules. What the generator's own `with_…`
    methods do is done by `with_options` of the public clients: theirs change the client that they are called on.
    """

    def __init__(self, sender: SyncSender | AsyncSender) -> None:
        super().__init__(base_url=sender.origin, token="")
        self.sender = sender

    def get_httpx_client(self) -> Client:
        """Return what generated functions call `request` of."""
        if isinstance(self.sender, SyncSender):
            return cast("Client", self.sender)
        raise ConfigurationError(
            "this client is asynchronous: call asyncio_detailed, or use SmarterProctoring"
        )

    def get_async_httpx_client(self) -> AsyncClient:
        """Return what asynchronous generated functions call `request` of."""
        if isinstance(self.sender, AsyncSender):
            return cast("AsyncClient", self.sender)
        raise ConfigurationError(
            "this client is synchronous: call sync_detailed, or use AsyncSmarterProctoring"
        )

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise ConfigurationError(
            "refused, it would bypass the rules of this client: use with_options(…).generated"
        )

    with_headers = with_timeout = with_cookies = set_httpx_client = (
        set_async_httpx_client
    ) = _refuse
