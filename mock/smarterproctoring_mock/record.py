"""What was received: kept raw and bounded, shown without secrets.

The hot path only appends an exchange; readable forms are made on request.
"""

import base64
import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar

from smarterproctoring_mock.recorded_exchange import RecordedExchange
from smarterproctoring_mock.redaction import Redactor
from smarterproctoring_mock.store import iso
from smarterproctoring_mock.strict_json import Json

_Item = TypeVar("_Item")

RECORDED_BYTES: Final = 32 * 1024 * 1024
"""Octets kept at most, heads and answers included: ten thousand large ones would be many gigabytes."""
_EXCHANGE_BYTES: Final = 1024
"""Octets of an exchange other than its texts, roughly."""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """The answer to a request, without secrets. The request's reason says whether a fault cut it short."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case; the server adds the date."""
    body: bytes

    def to_json(self) -> dict[str, Json]:
        """Return the answer as JSON; a body that is not UTF-8 comes as `body_base64`."""
        return {
            "status": self.status,
            "headers": [list(pair) for pair in self.headers],
            **_body(self.body),
        }


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request that was received, without its secrets."""

    number: int
    """Counts from 1 since the last reset."""
    time: str
    method: str
    path: str
    """As sent, still percent-encoded, with the query."""
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, in the order received; the token's value is `[redacted]`."""
    body: bytes
    """As sent, content coding included."""
    operation: str
    params: dict[str, str]
    status: int
    """The answer's status; 0 if the connection ended without an answer."""
    reason: str
    answer: RecordedAnswer | None = None
    """None where the connection ended without one."""

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(self.body)

    def to_json(self) -> dict[str, Json]:
        """Return the request and its answer as JSON; a body that is not UTF-8 comes as `body_base64`."""
        result: dict[str, Json] = asdict(self)
        del result["body"]
        result["answer"] = None if self.answer is None else self.answer.to_json()
        return {**result, **_body(self.body)}


def _body(body: bytes) -> dict[str, Json]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


class Recorder:
    """The newest exchanges. Methods may be called from any thread."""

    def __init__(self, limit: int, redactor: Redactor) -> None:
        """Start empty.

        Args:
            limit: How many exchanges to keep.
            redactor: Leaves the secrets out of what is shown.
        """
        self._limit = limit
        self._redactor = redactor
        self._lock = threading.Lock()
        self._kept: deque[RecordedExchange] = deque()
        self._bytes = 0
        self._number = 0

    def add(self, exchange: RecordedExchange) -> None:
        """Number an exchange and keep it; drop the oldest beyond the limits."""
        kept = self._kept
        exchange.weight = _weight(exchange)
        with self._lock:
            self._number += 1
            exchange.number = self._number
            kept.append(exchange)
            self._bytes += exchange.weight
            while len(kept) > self._limit or self._bytes > RECORDED_BYTES:
                self._bytes -= kept.popleft().weight

    def clear(self) -> None:
        """Forget all, and count from 1 again."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
            self._number = 0

    @property
    def total(self) -> int:
        """How many exchanges there were since the last reset, kept or not."""
        return self._number

    def exchanges(self) -> list[RecordedExchange]:
        """Return what is kept, the oldest first, with its secrets."""
        with self._lock:
            return list(self._kept)

    def requests(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        operation: str | None = None,
        session: str | None = None,
        status: int | None = None,
        since: int | None = None,
        limit: int | None = None,
    ) -> list[RecordedRequest]:
        """Return what was received, the oldest first.

        Args:
            method: Only this method.
            path: Only this path, as sent, without the query.
            operation: Only this operation id.
            session: Only where a path parameter has this value.
            status: Only what was answered with this status.
            since: Only what came after the request of this number.
            limit: Only this many, the newest.

        Returns:
            The requests, without secrets.
        """
        found = [
            exchange
            for exchange in self.exchanges()
            if (method is None or exchange.method == method)
            and (path is None or exchange.raw_path == path)
            and (operation is None or exchange.operation_id == operation)
            and (session is None or session in exchange.key[1])
            and (status is None or exchange.status == status)
            and (since is None or exchange.number > since)
        ]
        return [self._show(exchange) for exchange in newest(found, limit)]

    def _show(self, exchange: RecordedExchange) -> RecordedRequest:
        return RecordedRequest(
            number=exchange.number,
            time=iso(exchange.time),
            method=exchange.method,
            path=self._redactor.target(exchange),
            headers=tuple(self._redactor.headers(exchange)),
            body=exchange.body,
            operation=exchange.operation_id,
            params=exchange.params,
            status=exchange.status,
            reason=exchange.reason,
            answer=self._show_answer(exchange),
        )

    def _show_answer(self, exchange: RecordedExchange) -> RecordedAnswer | None:
        answer = exchange.answer
        if answer is None:
            return None
        headers = tuple(self._redactor.response_headers(answer))
        return RecordedAnswer(
            answer.status, headers, self._redactor.response_body(exchange)
        )


def newest(items: Sequence[_Item], limit: int | None) -> Sequence[_Item]:
    """Return at most this many of the last items; None for all."""
    return items if limit is None else items[max(0, len(items) - limit) :]


def _weight(exchange: RecordedExchange) -> int:
    head = len(exchange.raw_path) + len(exchange.query) + len(exchange.fields)
    answer = len(exchange.answer.body) if exchange.answer is not None else 0
    received = head + len(exchange.body)
    return _EXCHANGE_BYTES + received + len(exchange.reason) + answer
