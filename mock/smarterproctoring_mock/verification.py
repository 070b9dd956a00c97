"""Compare the received requests with those that a test expects."""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, TypedDict, cast

from smarterproctoring_mock.recorded_exchange import RecordedExchange
from smarterproctoring_mock.redaction import REDACTED, Redactor

_Side: TypeAlias = dict[str, object]
"""What was expected, or what was received in its place; by the names of `ExpectedRequest`."""


class ExpectedRequest(TypedDict, total=False):
    """What a request must have; what is left out may be anything."""

    operation: str
    method: str
    path: str
    """As sent; without the query, unless it holds a question mark."""
    session: str
    """The value of a path parameter."""
    status: int
    params: Mapping[str, str]
    """These and more."""
    headers: Mapping[str, str]
    """These and more."""
    json: object
    """The body, exactly."""
    fields: Mapping[str, object]
    """These members of the body and more."""
    body: str | bytes
    answer: Mapping[str, object]
    """These members of the answer's body and more."""


EXPECTABLE: Final = frozenset(ExpectedRequest.__annotations__)


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the expected calls came; `message` shows the difference where they did not."""

    ok: bool
    count: int
    message: str


class _Comparison(NamedTuple):
    number: int
    wanted: _Side
    came: _Side

    @property
    def is_equal(self) -> bool:
        return self.wanted == self.came


class Verifier:
    """Compares requests with the expected ones, without showing secrets."""

    def __init__(self, redactor: Redactor) -> None:
        """Prepare.

        Args:
            redactor: Leaves the secrets out.
        """
        self._redactor = redactor

    def verify(
        self,
        exchanges: Sequence[RecordedExchange],
        expected: ExpectedRequest,
        times: int | None = None,
    ) -> Verification:
        """Count the requests that are as expected.

        Args:
            exchanges: What was received.
            expected: What a request must have.
            times: How many there must be; None for at least one.

        Returns:
            The result. Its message shows the nearest request where too few came.

        Raises:
            TypeError: Something that is expected is not known.
        """
        unknown = sorted(set(expected) - EXPECTABLE)
        if unknown:
            known = ", ".join(sorted(EXPECTABLE))
            raise TypeError(f"{', '.join(unknown)}: not known; there are {known}")
        wanted = self._blank(expected)
        compared = [
            _Comparison(exchange.number, wanted, self._came(exchange, expected))
            for exchange in exchanges
        ]
        count = sum(comparison.is_equal for comparison in compared)
        if count == times or (times is None and count):
            return Verification(True, count, "")
        wish = "at least one request" if times is None else _requests(times)
        lines = [
            f"expected {wish} of this kind, {count} of {len(exchanges)} recorded came:",
            *_pretty(wanted),
        ]
        others = [comparison for comparison in compared if not comparison.is_equal]
        if others and (times is None or count < times):
            lines += _difference(max(others, key=_nearness))
        return Verification(False, count, "\n".join(lines))

    def _came(self, exchange: RecordedExchange, expected: ExpectedRequest) -> _Side:
        """Return what was received, in the form of what is expected and without secrets."""
        came: _Side = {
            name: _ATTRIBUTES[name](exchange)
            for name in expected
            if name in _ATTRIBUTES
        }
        if "params" in expected:
            params = exchange.params
            came["params"] = {
                name: params[name] for name in expected["params"] if name in params
            }
        if "headers" in expected:
            came["headers"] = self._headers(exchange, expected["headers"])
        if "session" in expected:
            values = exchange.params.values()
            is_one = expected["session"] in values
            came["session"] = expected["session"] if is_one else ", ".join(values)
        if "path" in expected and "?" in expected["path"]:
            came["path"] = self._redactor.target(exchange)
        if "fields" in expected:
            came["fields"] = _members(_parsed(exchange.body), expected["fields"])
        if "answer" in expected:
            answer = self._redactor.response_body(exchange)
            came["answer"] = _members(_parsed(answer), expected["answer"])
        return came

    def _headers(
        self, exchange: RecordedExchange, expected: Mapping[str, str]
    ) -> dict[str, str]:
        received = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in exchange.headers
        }
        lowered = {name.lower(): value for name, value in expected.items()}
        return {
            name: self._header(name, received[name], wanted)
            for name, wanted in lowered.items()
            if name in received
        }

    def _header(self, name: str, value: str, wanted: str) -> str:
        if not self._redactor.is_secret(name):
            return value
        return REDACTED if value == wanted else "[another value]"

    def _blank(self, expected: ExpectedRequest) -> _Side:
        """Return what is expected, without secrets."""
        wanted: _Side = dict(expected)
        if "headers" in expected:
            wanted["headers"] = {
                name.lower(): REDACTED if self._redactor.is_secret(name) else value
                for name, value in expected["headers"].items()
            }
        if "body" in expected:
            body = expected["body"]
            wanted["body"] = _octets(body if isinstance(body, bytes) else body.encode())
        return wanted


def _requests(times: int) -> str:
    return f"{times} request{'' if times == 1 else 's'}"


def _parsed(body: bytes) -> object:
    try:
        return cast("object", json.loads(body))
    except (ValueError, RecursionError):
        return f"[not JSON: {len(body)} octets]"


def _members(value: object, names: Mapping[str, object]) -> object:
    """Return the members of an object that have these names; anything else as it is."""
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, object]", value)
    return {name: members[name] for name in names if name in members}


def _octets(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")


def _difference(comparison: _Comparison) -> list[str]:
    lines = difflib.unified_diff(
        _pretty(comparison.wanted),
        _pretty(comparison.came),
        "expected",
        "received",
        lineterm="",
        n=99,
    )
    return [f"the nearest other one is number {comparison.number}:", *lines]


def _pretty(value: object) -> list[str]:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    return text.splitlines()


def _nearness(comparison: _Comparison) -> tuple[float, int]:
    """Return how near a request is to what is expected, and of equally near ones the newest."""
    score = 0.0
    for name, value in comparison.wanted.items():
        other = comparison.came.get(name)
        if value == other:
            score += 1
        elif isinstance(value, dict) and isinstance(other, dict):
            score += _share(cast("_Side", value), cast("_Side", other))
    return score, comparison.number


def _share(members: _Side, others: _Side) -> float:
    equal = sum(others.get(name) == value for name, value in members.items())
    return equal / (len(members) + 1)


_ATTRIBUTES: Final[Mapping[str, Callable[[RecordedExchange], object]]] = {
    "operation": lambda exchange: exchange.operation_id,
    "method": lambda exchange: exchange.method,
    "path": lambda exchange: exchange.raw_path,
    "status": lambda exchange: exchange.status,
    "json": lambda exchange: _parsed(exchange.body),
    "body": lambda exchange: _octets(exchange.body),
}
"""What an exchange has of the names of `ExpectedRequest` as such."""
