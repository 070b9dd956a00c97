"""One request in the application."""

import time
from typing import Final
from urllib.parse import quote

from smarterproctoring_mock import wire
from smarterproctoring_mock.asgi import Scope
from smarterproctoring_mock.recorded_exchange import RecordedExchange
from smarterproctoring_mock.responses import HeaderPairs, vendor_code
from smarterproctoring_mock.store import Key

HEADER_LIMIT: Final = 64 * 1024
"""Octets of all header fields together, with an octet between each name and value."""
_NO_KEY: Final[Key] = ((), ())


class Refused(Exception):  # noqa: N818  an answer, not a failure of the server
    """A 4xx answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: HeaderPairs = (),
    ) -> None:
        """Refuse a request.

        Args:
            status: The status.
            message: What is wrong with the request; holds nothing of it.
            code: The vendor's code; None for the usual one of the status.
            headers: Further header fields of the answer.
        """
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or vendor_code(status)
        self.headers = headers


class ClientGone(Exception):  # noqa: N818  nothing failed here
    """The client went away before its request was complete."""


class Request(RecordedExchange):
    """A request; the recorder keeps it afterwards."""

    __slots__ = ("epoch", "head")

    head: wire.Head
    """Known once `read_head` was called."""

    def __init__(self, scope: Scope, epoch: int = 0) -> None:
        """Take a request's ASGI scope.

        Args:
            scope: ASGI's.
            epoch: How often the application had been reset when the request came.
        """
        self.epoch = epoch
        self.time = time.time()
        self.method = scope["method"]
        self.http_version = scope.get("http_version", "1.1")
        self.scheme = scope.get("scheme", "http")
        raw_path: bytes | None = scope.get("raw_path")
        if raw_path is not None:
            self.raw_path = raw_path.decode("latin-1")
        else:
            self.raw_path = quote(scope["path"])
        self.query = scope.get("query_string", b"")
        self.fields = wire.pack(scope["headers"])
        self.body = b""
        self.operation_id = ""
        self.key = _NO_KEY

    def read_head(self) -> None:
        """Read the header fields.

        Raises:
            Refused: They break HTTP's own rules or this server's limits.
        """
        if len(self.fields) > HEADER_LIMIT:
            # Too large: not parsed.
            self.head = wire.read_head(b"", self.http_version, self.method)
            raise Refused(
                431,
                f"the header fields are larger than {HEADER_LIMIT:,} octets together",
            )
        self.head = wire.read_head(self.fields, self.http_version, self.method)
        if self.head.problem is not None:
            raise Refused(400, self.head.problem)

    def all(self, name: bytes) -> list[bytes]:
        """Return the values of a header field, one per line it was sent on."""
        return self.head.all(name)
