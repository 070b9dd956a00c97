"""One exchange: a request, its validation, and the answer."""

from smarterproctoring_mock import wire
from smarterproctoring_mock.responses import Response
from smarterproctoring_mock.store import Key, params_of


class RecordedExchange:
    """One exchange: the request while it is being validated, and then the answer to it."""

    __slots__ = (
        "answer",
        "body",
        "fields",
        "http_version",
        "key",
        "method",
        "number",
        "operation_id",
        "query",
        "raw_path",
        "reason",
        "scheme",
        "status",
        "time",
        "weight",
    )

    time: float
    """When it came, in seconds since 1970."""
    method: str
    raw_path: str
    query: bytes
    scheme: str
    http_version: str
    fields: bytes
    """Names and values of the header fields, packed by `wire.pack`."""
    body: bytes
    operation_id: str
    key: Key
    number: int
    """Counts from 1 since the last reset."""
    status: int
    """The answer's status; 0 if the connection ended without an answer."""
    reason: str
    answer: Response | None
    """None where the connection ended without one."""
    weight: int
    """Octets of memory, roughly."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The header fields, in the order received; names in lower case."""
        return wire.unpack(self.fields)

    @property
    def params(self) -> dict[str, str]:
        """The values of the path's parameters by their names."""
        return params_of(self.key)
