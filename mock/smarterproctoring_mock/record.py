"""What was received: kept raw and bounded, shown redacted, compared with what a test expected, exported.

The hot path only appends a tuple; everything readable is made when somebody looks.
"""

import base64
import difflib
import json
import shlex
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from smarterproctoring_mock import wire
from smarterproctoring_mock.responses import Response, phrase
from smarterproctoring_mock.store import Key
from smarterproctoring_mock.strict_json import Json

REDACTED: Final = "[redacted]"
TOKEN_VARIABLE: Final = "$SMARTERPROCTORING_TOKEN"  # noqa: S105  a name, not a token
RECORDED_BYTES: Final = 32 * 1024 * 1024
"""Octets kept at most, heads and answers included: ten thousand large ones would be many gigabytes."""
_ENTRY_BYTES: Final = 1024
"""What an exchange takes beside its texts, roughly."""

_SHORTEST_SECRET: Final = 8
_ALWAYS_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
_CURL_ADDS: Final = frozenset({"host", "content-length", "connection", "transfer-encoding", "expect"})


class Entry:
    """One exchange, as it was: the request while it is being judged, and the answer to it once that is known."""

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
    """What is answered; 0 where the connection ended without an answer."""
    reason: str
    answer: Response | None
    weight: int
    """Octets of memory, roughly."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The header fields, in the order received; names in lower case."""
        return wire.unpack(self.fields)


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """What a request was answered with, without secrets; whether a fault cut it short, the request's reason says."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case; the server adds the date."""
    body: bytes

    def to_json(self) -> dict[str, Json]:
        """Return the answer as JSON; a body that is no UTF-8 comes as `body_base64`."""
        return {"status": self.status, "headers": [list(pair) for pair in self.headers], **_body(self.body)}


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
    """What was answered; 0 where the connection ended without an answer."""
    reason: str
    answer: RecordedAnswer | None = None
    """None where the connection ended without one."""

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(self.body)

    def to_json(self) -> dict[str, Json]:
        """Return the request and its answer as JSON; a body that is no UTF-8 comes as `body_base64`."""
        result: dict[str, Json] = asdict(self)
        del result["body"]
        result["answer"] = None if self.answer is None else self.answer.to_json()
        return {**result, **_body(self.body)}


def _body(body: bytes) -> dict[str, Json]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the expected calls came; `message` shows the difference where they did not."""

    ok: bool
    count: int
    message: str


class Recorder:
    """The newest exchanges. Methods may be called from any thread."""

    def __init__(self, limit: int, secret_names: frozenset[str], token: str | None) -> None:
        """Start empty.

        Args:
            limit: How many exchanges to keep.
            secret_names: Names of header fields and query parameters whose values are never shown.
            token: A secret that is not shown wherever else it stands in a target or header field.
        """
        self._limit = limit
        self._secret_names = secret_names | _ALWAYS_SECRET
        # A short token, such as a test's "T", would tear holes into every text; nobody's real one is short.
        self._token = token if token is not None and len(token) >= _SHORTEST_SECRET else None
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._number = 0

    def add(self, entry: Entry) -> None:
        """Number an exchange and keep it; drop the oldest beyond the limits."""
        entries = self._entries
        entry.weight = _weight(entry)
        with self._lock:
            entry.number = self._number = self._number + 1
            entries.append(entry)
            self._bytes += entry.weight
            while len(entries) > self._limit or self._bytes > RECORDED_BYTES:
                self._bytes -= entries.popleft().weight

    def clear(self) -> None:
        """Forget all, and count from 1 again."""
        with self._lock:
            self._entries.clear()
            self._bytes = self._number = 0

    @property
    def total(self) -> int:
        """How many exchanges there were since the last reset, kept or not."""
        return self._number

    # --- reading -------------------------------------------------------------------------------------------

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
            limit: Only so many of the newest.

        Returns:
            The requests, without secrets.
        """
        found = [
            entry
            for entry in self._snapshot()
            if (method is None or entry.method == method)
            and (path is None or entry.raw_path == path)
            and (operation is None or entry.operation_id == operation)
            and (session is None or session in entry.key[1])
            and (status is None or entry.status == status)
            and (since is None or entry.number > since)
        ]
        return [self._show(entry) for entry in (found if limit is None else found[max(0, len(found) - limit) :])]

    def verify(self, expected: Mapping[str, Any], times: int | None = None) -> Verification:
        """Count the requests that are as expected.

        Args:
            expected: What a request must have; any of `operation`, `method`, `path`, `session`, `status`,
                `params` and `headers` (these and more), `json` (exactly), `fields` (these members of the body
                and more), `body` (these octets).
            times: How many there must be; None for at least one.

        Returns:
            The outcome. Its message shows the nearest request where too few came.
        """
        unknown = sorted(set(expected) - _EXPECTABLE)
        if unknown:
            raise TypeError(f"{', '.join(unknown)}: not known; there are {', '.join(sorted(_EXPECTABLE))}")
        entries = self._snapshot()
        seen = [(entry.number, *self._compare(entry, expected)) for entry in entries]
        count = sum(wanted == came for _, wanted, came in seen)
        if count == times or (times is None and count):
            return Verification(True, count, "")
        wish = "at least one request" if times is None else f"{times} request{'' if times == 1 else 's'}"
        lines = [
            f"expected {wish} of this kind, {count} of {len(entries)} recorded came:",
            *_pretty(self._blank(expected)),
        ]
        others = [(number, wanted, came) for number, wanted, came in seen if wanted != came]
        if others and (times is None or count < times):
            number, wanted, came = max(others, key=lambda item: (_likeness(item[1], item[2]), item[0]))
            lines.append(f"the nearest other one is number {number}:")
            lines += difflib.unified_diff(_pretty(wanted), _pretty(came), "expected", "received", lineterm="", n=99)
        return Verification(False, count, "\n".join(lines))

    def har(self) -> dict[str, Json]:
        """Return everything kept as an HTTP Archive 1.2, without secrets."""
        return {
            "log": {
                "version": "1.2",
                "creator": {"name": "smarterproctoring_mock", "version": "1"},
                "entries": [self._har_entry(entry) for entry in self._snapshot()],
            }
        }

    def curl(self) -> list[str]:
        """Return everything kept as shell commands; the token is `$SMARTERPROCTORING_TOKEN`."""
        return [self._curl_line(entry) for entry in self._snapshot()]

    # --- details -------------------------------------------------------------------------------------------

    def _snapshot(self) -> list[Entry]:
        with self._lock:
            return list(self._entries)

    def _headers(self, entry: Entry, secret: str = REDACTED) -> list[tuple[str, str]]:
        shown: list[tuple[str, str]] = []
        for raw_name, raw_value in entry.headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            shown.append((name, secret if name in self._secret_names else self.hide(value)))
        return shown

    def hide(self, text: str) -> str:
        """Return a text without the accepted token."""
        return text.replace(self._token, REDACTED) if self._token else text

    def _target(self, entry: Entry) -> str:
        query = entry.query.decode("latin-1")
        parts = [
            name + "=" + REDACTED if equals and name.lower() in self._secret_names else part
            for part in query.split("&")
            for name, equals, _ in [part.partition("=")]
        ]
        return self.hide(entry.raw_path + ("?" + "&".join(parts) if query else ""))

    def _show(self, entry: Entry) -> RecordedRequest:
        return RecordedRequest(
            number=entry.number, time=_iso(entry.time), method=entry.method, path=self._target(entry),
            headers=tuple(self._headers(entry)), body=entry.body, operation=entry.operation_id,
            params=dict(zip(*entry.key, strict=True)), status=entry.status, reason=entry.reason,
            answer=self._show_answer(entry),
        )  # fmt: skip

    def _show_answer(self, entry: Entry) -> RecordedAnswer | None:
        answer = entry.answer
        if answer is None:
            return None
        body = answer.body if entry.method != "HEAD" else b""
        if self._token:
            body = body.replace(self._token.encode(), REDACTED.encode())
        return RecordedAnswer(answer.status, tuple(self._answer_headers(answer)), body)

    def _answer_headers(self, answer: Response) -> list[tuple[str, str]]:
        secret = self._secret_names | {"set-cookie"}
        return [(name, REDACTED if name in secret else self.hide(value)) for name, value in answer.fields()]

    def _compare(self, entry: Entry, expected: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the expected and the received side, alike in form and without secrets."""
        wanted = self._blank(expected)
        came: dict[str, Any] = {}
        params = dict(zip(*entry.key, strict=True))
        for name, value in expected.items():
            match name:
                case "params":
                    came[name] = {key: params[key] for key in value if key in params}
                case "headers":
                    came[name] = self._header_side(entry, value)
                case "session":
                    came[name] = value if value in params.values() else ", ".join(params.values())
                case "path":
                    came[name] = entry.raw_path if "?" not in value else self._target(entry)
                case "json" | "fields":
                    body = _parsed(entry.body)
                    came[name] = body
                    if name == "fields" and isinstance(body, dict):
                        came[name] = {key: body[key] for key in value if key in body}
                case "body":
                    came[name] = _octets(entry.body)
                case "operation":
                    came[name] = entry.operation_id
                case _:
                    came[name] = getattr(entry, name)
        return wanted, came

    def _header_side(self, entry: Entry, expected: Mapping[str, str]) -> dict[str, str]:
        received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in entry.headers}
        side: dict[str, str] = {}
        for name in map(str.lower, expected):
            if name in received:
                wanted = {key.lower(): value for key, value in expected.items()}[name]
                secret = name in self._secret_names
                other = "[another value]" if secret else received[name]
                side[name] = (REDACTED if secret else wanted) if received[name] == wanted else other
        return side

    def _blank(self, expected: Mapping[str, Any]) -> dict[str, Any]:
        wanted = dict(expected)
        if "headers" in wanted:
            lowered = {name.lower(): value for name, value in wanted["headers"].items()}
            wanted["headers"] = {n: REDACTED if n in self._secret_names else v for n, v in lowered.items()}
        if "body" in wanted:
            wanted["body"] = _octets(wanted["body"] if isinstance(wanted["body"], bytes) else wanted["body"].encode())
        return wanted

    def _har_entry(self, entry: Entry) -> dict[str, Json]:
        headers = self._headers(entry)
        request: dict[str, Json] = {
            "method": entry.method,
            "url": _origin(entry, headers) + self._target(entry),
            "httpVersion": f"HTTP/{entry.http_version}",
            "cookies": [],
            "headers": [{"name": name, "value": value} for name, value in headers],
            "queryString": [
                {"name": name, "value": REDACTED if name.lower() in self._secret_names else self.hide(value)}
                for name, value in parse_qsl(entry.query.decode("latin-1"), keep_blank_values=True)
            ],
            "headersSize": -1,
            "bodySize": len(entry.body),
        }
        if entry.body:
            # HAR 1.2 knows an encoding of answers only; names of one's own begin with an underscore.
            content = {"_encoding" if name == "encoding" else name: text for name, text in _content(entry.body).items()}
            request["postData"] = {"mimeType": dict(headers).get("content-type", ""), **content}
        answer = entry.answer or Response(0)
        fields = self._answer_headers(answer) if answer.status else []
        shown = self._show_answer(entry)
        sent = shown.body if shown is not None else b""
        return {
            "startedDateTime": _iso(entry.time),
            "time": 0,
            "request": request,
            "response": {
                "status": answer.status,
                "statusText": phrase(answer.status) if answer.status else "",
                "httpVersion": f"HTTP/{entry.http_version}",
                "cookies": [],
                "headers": [{"name": name, "value": value} for name, value in fields],
                "content": {"size": len(sent), "mimeType": answer.content_type if sent else "", **_content(sent)},
                "redirectURL": dict(fields).get("location", ""),
                "headersSize": -1,
                "bodySize": len(sent),
            },
            "cache": {},
            "timings": {"send": 0, "wait": 0, "receive": 0},
            "comment": entry.reason,
        }

    def _curl_line(self, entry: Entry) -> str:
        headers = self._headers(entry)
        words = ["curl", "--globoff", "--path-as-is"]
        words += ["--head"] if entry.method == "HEAD" else ["-X", shlex.quote(entry.method)]
        words.append(shlex.quote(_origin(entry, headers) + self._target(entry)))
        for name, value in headers:
            if name in self._secret_names and value == REDACTED:
                words += ["-H", f'"{name}: {TOKEN_VARIABLE}"']
            elif name not in _CURL_ADDS:
                # curl leaves a field without a value out, unless a semicolon ends its name
                words += ["-H", shlex.quote(f"{name}: {value}" if value else f"{name};")]
        if not entry.body:
            return " ".join(words)
        try:
            text = entry.body.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            octets = base64.b64encode(entry.body).decode()
            return f"echo {octets} | base64 -d | {' '.join(words)} --data-binary @-"
        return " ".join([*words, "--data-raw", shlex.quote(text)])


_EXPECTABLE: Final = frozenset(
    {"operation", "method", "path", "session", "status", "params", "headers", "json", "fields", "body"}
)


def _weight(entry: Entry) -> int:
    received = len(entry.raw_path) + len(entry.query) + len(entry.fields) + len(entry.body)
    answered = len(entry.reason) + (len(entry.answer.body) if entry.answer is not None else 0)
    return _ENTRY_BYTES + received + answered


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return f"[no JSON: {len(body)} octets]"


def _octets(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")


def _content(body: bytes) -> dict[str, Json]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def _origin(entry: Entry, headers: list[tuple[str, str]]) -> str:
    return f"{entry.scheme}://{dict(headers).get('host', 'localhost')}"


def _pretty(value: Any) -> list[str]:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str).splitlines()


def _likeness(wanted: Mapping[str, Any], came: Mapping[str, Any]) -> float:
    score = 0.0
    for name, value in wanted.items():
        other = came.get(name)
        if value == other:
            score += 1
        elif isinstance(value, dict) and isinstance(other, dict):
            members, others = cast("dict[str, Any]", value), cast("dict[str, Any]", other)
            score += sum(others.get(key) == item for key, item in members.items()) / (len(members) + 1)
    return score
