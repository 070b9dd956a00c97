"""Leave the secrets out of what is shown."""

from typing import Final

from smarterproctoring_mock.recorded_exchange import RecordedExchange
from smarterproctoring_mock.responses import Response

REDACTED: Final = "[redacted]"

_SHORTEST_SECRET: Final = 8
_ALWAYS_SECRET: Final = frozenset(
    {"authorization", "cookie", "proxy-authorization", "x-api-key"}
)


class Redactor:
    """What is secret in one server's exchanges."""

    def __init__(self, secret_names: frozenset[str], token: str | None) -> None:
        """Note what is secret.

        Args:
            secret_names: Names of header fields and query parameters whose values are never shown.
            token: A secret that is masked anywhere in a target or header field.
        """
        self._secret_names = secret_names | _ALWAYS_SECRET
        # Masking a short token, such as a test's "T", would garble every text; real tokens are long.
        self._token = (
            token if token is not None and len(token) >= _SHORTEST_SECRET else None
        )

    def is_secret(self, name: str) -> bool:
        """Whether the values of a header field or query parameter are never shown."""
        return name.lower() in self._secret_names

    def hide(self, text: str) -> str:
        """Return a text without the accepted token."""
        return text.replace(self._token, REDACTED) if self._token else text

    def value(self, name: str, value: str) -> str:
        """Return the value of a header field or query parameter as it is shown."""
        return REDACTED if self.is_secret(name) else self.hide(value)

    def headers(self, exchange: RecordedExchange) -> list[tuple[str, str]]:
        """Return a request's header fields as they are shown; names in lower case."""
        shown: list[tuple[str, str]] = []
        for raw_name, raw_value in exchange.headers:
            name = raw_name.decode("latin-1").lower()
            shown.append((name, self.value(name, raw_value.decode("latin-1"))))
        return shown

    def target(self, exchange: RecordedExchange) -> str:
        """Return a request's path and query as they are shown."""
        if not exchange.query:
            return self.hide(exchange.raw_path)
        parts = exchange.query.decode("latin-1").split("&")
        return self.hide(
            f"{exchange.raw_path}?{'&'.join(map(self._query_part, parts))}"
        )

    def response_headers(self, response: Response) -> list[tuple[str, str]]:
        """Return an answer's header fields as they are shown."""
        return [
            (name, REDACTED if name == "set-cookie" else self.value(name, value))
            for name, value in response.fields()
        ]

    def response_body(self, exchange: RecordedExchange) -> bytes:
        """Return the body of an exchange's answer as it is shown; empty where it was not sent."""
        if exchange.answer is None or exchange.method == "HEAD":
            return b""
        body = exchange.answer.body
        if self._token:
            body = body.replace(self._token.encode(), REDACTED.encode())
        return body

    def _query_part(self, part: str) -> str:
        name, equals, _ = part.partition("=")
        return f"{name}={REDACTED}" if equals and self.is_secret(name) else part
