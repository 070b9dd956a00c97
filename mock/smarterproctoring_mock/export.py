"""Write recorded exchanges in other tools' forms: HTTP Archive 1.2, and curl commands."""

import base64
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from smarterproctoring_mock.recorded_exchange import RecordedExchange
from smarterproctoring_mock.redaction import REDACTED, Redactor
from smarterproctoring_mock.responses import phrase
from smarterproctoring_mock.store import iso
from smarterproctoring_mock.strict_json import Json

TOKEN_VARIABLE: Final = "$SMARTERPROCTORING_TOKEN"  # noqa: S105  a name, not a token
_CURL_ADDS: Final = frozenset(
    {"host", "content-length", "connection", "transfer-encoding", "expect"}
)


def har(exchanges: Sequence[RecordedExchange], redactor: Redactor) -> dict[str, Json]:
    """Return exchanges as an HTTP Archive 1.2, without secrets.

    Args:
        exchanges: What was recorded.
        redactor: Leaves the secrets out.
    """
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "smarterproctoring_mock", "version": "1"},
            "entries": [_har_entry(exchange, redactor) for exchange in exchanges],
        }
    }


def curl(exchanges: Sequence[RecordedExchange], redactor: Redactor) -> list[str]:
    """Return requests as shell commands; the token is `$SMARTERPROCTORING_TOKEN`.

    Args:
        exchanges: What was recorded.
        redactor: Leaves the secrets out.
    """
    return [_curl_line(exchange, redactor) for exchange in exchanges]


def _har_entry(exchange: RecordedExchange, redactor: Redactor) -> dict[str, Json]:
    return {
        "startedDateTime": iso(exchange.time),
        "time": 0,
        "request": _har_request(exchange, redactor),
        "response": _har_response(exchange, redactor),
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "comment": exchange.reason,
    }


def _har_request(exchange: RecordedExchange, redactor: Redactor) -> dict[str, Json]:
    headers = redactor.headers(exchange)
    query = parse_qsl(exchange.query.decode("latin-1"), keep_blank_values=True)
    request: dict[str, Json] = {
        "method": exchange.method,
        "url": _url(exchange, redactor),
        "httpVersion": f"HTTP/{exchange.http_version}",
        "cookies": [],
        "headers": _named(headers),
        "queryString": _named(
            (name, redactor.value(name, value)) for name, value in query
        ),
        "headersSize": -1,
        "bodySize": len(exchange.body),
    }
    if exchange.body:
        # HAR 1.2 knows an encoding of answers only; names of one's own begin with an underscore.
        content = _content(exchange.body, encoding_name="_encoding")
        request["postData"] = {
            "mimeType": dict(headers).get("content-type", ""),
            **content,
        }
    return request


def _har_response(exchange: RecordedExchange, redactor: Redactor) -> dict[str, Json]:
    answer = exchange.answer
    headers = redactor.response_headers(answer) if answer is not None else []
    body = redactor.response_body(exchange)
    media_type = answer.content_type if answer is not None and body else ""
    content: dict[str, Json] = {"size": len(body), "mimeType": media_type}
    return {
        "status": answer.status if answer is not None else 0,
        "statusText": phrase(answer.status) if answer is not None else "",
        "httpVersion": f"HTTP/{exchange.http_version}",
        "cookies": [],
        "headers": _named(headers),
        "content": {**content, **_content(body, encoding_name="encoding")},
        "redirectURL": dict(headers).get("location", ""),
        "headersSize": -1,
        "bodySize": len(body),
    }


def _named(pairs: Iterable[tuple[str, str]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in pairs]


def _content(body: bytes, *, encoding_name: str) -> Mapping[str, Json]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode(), encoding_name: "base64"}


def _url(exchange: RecordedExchange, redactor: Redactor) -> str:
    host = dict(redactor.headers(exchange)).get("host", "localhost")
    return f"{exchange.scheme}://{host}{redactor.target(exchange)}"


def _curl_line(exchange: RecordedExchange, redactor: Redactor) -> str:
    words = ["curl", "--globoff", "--path-as-is"]
    words += (
        ["--head"]
        if exchange.method == "HEAD"
        else ["-X", shlex.quote(exchange.method)]
    )
    words.append(shlex.quote(_url(exchange, redactor)))
    for name, value in redactor.headers(exchange):
        if redactor.is_secret(name) and value == REDACTED:
            words += ["-H", f'"{name}: {TOKEN_VARIABLE}"']
        elif name not in _CURL_ADDS:
            # curl leaves a field without a value out, unless a semicolon ends its name
            words += ["-H", shlex.quote(f"{name}: {value}" if value else f"{name};")]
    command = " ".join(words)
    if not exchange.body:
        return command
    text = _shell_text(exchange.body)
    if text is None:
        octets = base64.b64encode(exchange.body).decode()
        return f"echo {octets} | base64 -d | {command} --data-binary @-"
    return f"{command} --data-raw {shlex.quote(text)}"


def _shell_text(body: bytes) -> str | None:
    """Return a body as a text that can be an argument, or None."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
