"""The client to pass to generated functions. It is a separate module so that attrs is imported only when it is used."""

from typing import NoReturn, cast

from smarterproctoring_generated import AuthenticatedClient

from smarterproctoring._async.sender import AsyncSender
from smarterproctoring._sync.sender import SyncSender
from smarterproctoring.errors import ConfigurationError, NoCopy
from smarterproctoring.seam import AsyncClient, Client


class GeneratedClient(NoCopy, AuthenticatedClient):
    """The client for generated functions: `sync_detailed(…, client=client.generated)`.

    It holds no token, and every request goes through the client's rules. Use `with_options` of the public clients
    instead of the generator's own `with_…` methods, which change the client on which they are called.
    """

    def __init__(self, sender: SyncSender | AsyncSender) -> None:
        super().__init__(base_url=sender.origin, token="")
        self.sender = sender

    def get_httpx_client(self) -> Client:
        """Return the object whose `request` method generated functions call."""
        if isinstance(self.sender, SyncSender):
            return cast("Client", self.sender)
        raise ConfigurationError(
            "this client is asynchronous: call asyncio_detailed, or use SmarterProctoring"
        )

    def get_async_httpx_client(self) -> AsyncClient:
        """Return the object whose `request` method asynchronous generated functions call."""
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
