"""Interprets a server's answer: whether it confirms the change, the reason for a refusal, how long to wait. No I/O."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

from smarterproctoring.harmless import harmless

MAX_BODY = 1024 * 1024
"""Bytes of an answer that are read."""
MAX_ERROR_BODY = 64 * 1024
"""Bytes of it that are kept where it is not a success."""
CONFIRMING = {200, 201, 203, 204, 205}
"""The 2xx statuses that confirm the change; any other leaves it uncertain."""
_OF_A_CHANGE = {
    0: "this does not confirm the change",
    202: "the change was accepted and is not made yet",
    206: "a part of an answer",
}
"""What a status that does not confirm says of a change; 0 stands for any other."""
_OF_A_READ = {0: "this is not the answer to a read", 206: "a part of an answer"}
"""What it says of a read."""
_REQUEST_IDS = (
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "x-amzn-requestid",
    "cf-ray",
)
_PAGES = ("text/html", "application/xhtml+xml")
_PROBLEM = "application/problem+json"
_MAX_SECONDS = 1e9
"""Seconds: a longer Retry-After counts as this one."""
_MAX_PLAIN_REASON = 500
"""Characters: longer plain text is a page and not a reason."""
_MAX_ITEMS = 20
"""How many problems of a list of errors are reported."""
_MAX_DEPTH = 5
"""How deep they may be nested."""

_MESSAGES = (
    *(
        "message",
        "msg",
        "error_description",
        "errormessage",
        "error_message",
        "reason",
        "description",
    ),
    *("messages", "errormessages", "faultstring"),
)
_WITHIN = ("error", "fault", "exception", "details")
"""Keys that may hold the reason if there is no message."""
_CODES = ("code", "errorcode", "error_code")
_STATUSES = (
    "statuscode",
    "status_code",
    "httpstatus",
    "http_status",
    "httpstatuscode",
    "status",
)
_ERRORS = (
    "error",
    "errors",
    "errormessage",
    "errorcode",
    "error_code",
    "fault",
    "exception",
)
_PROMISES = ("success", "ok")
_DENIALS = ("iserror", "haserror", "failed")
_TELLING = frozenset((*_ERRORS, *_PROMISES, *_DENIALS))
"""The names by which an object may say that something failed."""
_PLACES = ("field", "loc", "param", "parameter", "path", "property")
_BESIDE = {
    *_MESSAGES,
    *_CODES,
    *_STATUSES,
    *_ERRORS,
    *_PLACES,
    "type",
    "title",
    "detail",
    "details",
}
_FAILED = {"error", "fail", "failed", "failure"}
"""Texts that are a status and not a reason."""
_GOOD_CODES = {
    "ok",
    "success",
    "successful",
    "succeeded",
    "done",
    "created",
    "updated",
    "rescheduled",
    "none",
}
"""Codes next to a message that do not mean an error. Any other does: it is the form that the vendor documents."""
_BEGUN_ERROR = (
    r'\s*\{\s*"(?i:error|errors|fault|exception|statuscode)"\s*:\s*'
    r'(?!null|false|"")(?!(?i:\[\s*\]|\{\s*\}|[123][0-9]{2}\b))'
)
"""How an error object begins that is not whole. Compiled when it is first used: most processes never need it."""
NOT_JSON: Final = object()
"""In the place of a JSON value where the body is not JSON."""
_NO_ERROR: tuple[object, ...] = (None, False, 0, "", [], {})


class Reply:
    """A server's answer, read up to the limit.

    Attributes:
        status: The status.
        headers: The headers, names in lower case.
        body: The body, unpacked.
        incomplete: Whether the body broke off, or was longer than the limit.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        *,
        incomplete: bool = False,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.incomplete = incomplete

    def __repr__(self) -> str:  # it is in frames, and a server may echo the token
        return f"<Reply {self.status}>"

    def text(self) -> str:
        """Decode the body as UTF-8; never fails."""
        return self.body.decode("utf-8", "replace")

    def error_text(self) -> str:
        """Return as much of the text as an error keeps."""
        return self.body[:MAX_ERROR_BODY].decode("utf-8", "replace")

    @cached_property
    def value(self) -> object:
        """The JSON value of the body; `NOT_JSON` if it has none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return NOT_JSON

    def data(self) -> Any:
        """Return the JSON value, else the text, else None."""
        return (self.text() or None) if self.value is NOT_JSON else self.value

    def request_id(self) -> str | None:
        """Return the first of the common request-id headers; the vendor documents none."""
        found = next(filter(None, map(self.headers.get, _REQUEST_IDS)), None)
        return found and harmless(found)

    def phrase(self) -> str:
        """Return the status with its name."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"{self.status} unknown status"

    def media_type(self) -> str:
        """Return the type of the body in lower case, without parameters; empty if the server does not say."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def doubt(self, *, changes: bool = True) -> str | None:
        """Return why a 2xx is not the API's answer to a request that was carried out; None if it is.

        Args:
            changes: Whether the request changes anything.
        """
        if self.status not in CONFIRMING:
            meanings = _OF_A_CHANGE if changes else _OF_A_READ
            meaning = meanings.get(self.status, meanings[0])
            return f"answered {self.phrase()}: {meaning}"
        if not self.body.strip() and not (self.incomplete and self._is_page()):
            return None
        what = self._stranger()
        return what and f"answered {self.status} with {what}"

    def _stranger(self) -> str | None:
        """Describe the body if it is not the API's answer to a successful change; else return None."""
        kind = self.media_type()
        is_page = kind in _PAGES
        if is_page or _is_markup(self.body):
            what = "XML" if _is_xml(self.body) and not is_page else "an HTML page"
            return f"{what}; this is not the API's answer"
        value = self.value
        if value is NOT_JSON:
            return (
                "an error object"
                if re.match(_BEGUN_ERROR, self.text())
                else self._unknown_type()
            )
        # Written as JSON twice.
        if isinstance(value, str) and value.lstrip()[:1] == "{":
            value = _read_again(value)
        if (
            isinstance(value, str)
            and "<" in value
            and _is_html(value.encode("utf-8", "replace"))
        ):
            return "an HTML page; this is not the API's answer"
        # Called a problem (RFC 9457), and says nothing of success.
        is_problem = kind == _PROBLEM and not _says_success(value)
        return "an error object" if is_problem or is_error(value) else None

    def _is_page(self) -> bool:
        return self.media_type() in _PAGES

    def _unknown_type(self) -> str | None:
        """Text counts as the API's answer unless the server calls it something else, such as an image."""
        kind = self.media_type()
        if (
            kind in ("", "text/plain", "text/json", "application/octet-stream")
            or "json" in kind
        ):
            return None
        return f"{harmless(kind)}; this is not the API's answer"

    def error(self) -> tuple[str | None, str | None]:
        """Return the code and the reason that the server gives, from any of the common forms of error body.

        The vendor documents `{code, message}` and `{error: {code, message}}`; hapi, a server framework, answers
        `{statusCode, error, message}`. Control characters are escaped.
        """
        value = self._plain_reason() if self.value is NOT_JSON else self.value
        code = _code(value)
        reason = "; ".join(_reasons(value))
        return code and harmless(code), harmless(reason) or None

    def _plain_reason(self) -> str | None:
        try:
            text = self.body.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            return None
        if (
            len(text) > _MAX_PLAIN_REASON
            or self._is_page()
            or text[:1] in tuple('{["')
            or _is_markup(self.body)
        ):
            return None
        return text

    def retry_after(self) -> float | None:
        """Return the seconds of Retry-After, given as seconds or as a date; None if it is missing or invalid."""
        text = self.headers.get("retry-after", "").strip()
        now = time.time()
        if re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text):
            return min(float(text), _MAX_SECONDS)
        at = _http_date(text)
        if at is None:
            return None
        # By the server's clock too where it tells the time, so that a fast local clock does not retry early.
        server_now = _http_date(self.headers.get("date", "")) or now
        return max(0.0, at - now, at - server_now)


def _http_date(text: str) -> float | None:
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


# -- what is not the API's answer --------------------------------------------------------------------------------------


_TAG = rb"<!doctype html|<html|<head|<body"
"""Compiled when it is first used."""
_JSON = (b"{", b"[", b'"')
"""How objects, arrays and strings of JSON begin, which may hold tags."""


def _start(body: bytes) -> bytes:
    """Return the body's first bytes in lower case, without byte order marks, zeros of UTF-16, and white space."""
    return (
        body[:2048]
        .replace(b"\0", b"")
        .lstrip(b"\xef\xbb\xbf\xfe\xff \t\r\n\f\v")
        .lower()
    )


def _is_markup(body: bytes) -> bool:
    if body.startswith(_JSON):  # nearly always
        return False
    start = _start(body)
    if start.startswith(_JSON):
        return False
    return re.match(rb"<[!?/a-z]", start) is not None or _has_tags(start)


def _is_html(body: bytes) -> bool:
    start = _start(body)
    return not start.startswith(_JSON) and _has_tags(start)


def _has_tags(start: bytes) -> bool:
    return re.search(_TAG, start) is not None


def _is_xml(body: bytes) -> bool:
    return _start(body).startswith(b"<?xml") and not _is_html(body)


def _read_again(text: str) -> object:
    """Return the JSON value in a JSON string, else the string."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def is_error(value: object, depth: int = 0) -> bool:
    """Tell whether a JSON value is an error object, or a list of nothing else."""
    if isinstance(value, list):
        return (
            value != []
            and depth < _MAX_DEPTH
            and all(is_error(item, depth + 1) for item in value)
        )
    if not isinstance(value, dict):
        return False
    fields = _lowered(value)
    # Most answers hold none of these names.
    if not _TELLING.isdisjoint(fields) and _says_that_it_failed(fields):
        return True
    return _has_error_status(fields)


def _says_that_it_failed(fields: Mapping[str, object]) -> bool:
    """Tell whether a field is there that only an error object has."""
    return (
        any(fields.get(name) not in _NO_ERROR for name in _ERRORS)
        or any(fields.get(name) in (False, "false", "False") for name in _PROMISES)
        or any(fields.get(name) is True for name in _DENIALS)
    )


def _has_error_status(fields: Mapping[str, object]) -> bool:
    numbers = [_number(fields[name]) for name in _STATUSES if name in fields]
    stated = [number for number in numbers if number is not None]
    if any(400 <= status < 600 for status in stated):
        return True
    alone = len(fields) == 1
    if ("message" in fields or alone) and str(fields.get("status")).lower() in _FAILED:
        return True
    return (
        not stated
        and (alone or isinstance(fields.get("message"), str))
        and _is_error_code(fields.get("code"))
    )


def _is_error_code(code: object) -> bool:
    """Tell whether a code is an error's: a number from 400 on, such as 1203, or a word such as SESSION_NOT_FOUND."""
    number = _number(code)
    if number is not None:
        return number >= 400
    return (
        isinstance(code, str) and code != "" and code.strip().lower() not in _GOOD_CODES
    )


def _says_success(value: object) -> bool:
    """Tell whether the status in a problem+json means success."""
    status = _number(value.get("status")) if isinstance(value, dict) else None
    return status is not None and status < 400


def _number(value: object) -> int | None:
    """Return a whole number that is given as such or as text."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _lowered(value: Mapping[str, object]) -> dict[str, object]:
    return {name.lower(): item for name, item in value.items()}


# -- the server's reason -----------------------------------------------------------------------------------------------


def _code(value: object, depth: int = 0) -> str | None:
    """Return the first error code in an error body."""
    if depth >= _MAX_DEPTH:
        return None
    if isinstance(value, list):
        return next(
            (code for item in value[:_MAX_ITEMS] if (code := _code(item, depth + 1))),
            None,
        )
    if not isinstance(value, dict):
        return None
    fields = _lowered(value)
    for name in _CODES:
        found = fields.get(name)
        if isinstance(found, str | int) and not isinstance(found, bool) and str(found):
            return str(found)
    error = fields.get("error")
    if isinstance(error, str) and "error_description" in fields:
        return error or None  # OAuth 2.0 calls its code so
    return next(
        (
            code
            for name in ("error", "errors", "detail")
            if (code := _code(fields.get(name), depth + 1))
        ),
        None,
    )


def _reasons(value: object, depth: int = 0) -> list[str]:
    """Return the sentences that an error body gives as its reason."""
    if depth >= _MAX_DEPTH:
        return []
    if isinstance(value, str):
        text = value.strip()
        return (
            [text]
            if text and not (depth == 0 and _is_html(text.encode("utf-8", "replace")))
            else []
        )
    if isinstance(value, list):
        return _unique(
            [
                reason
                for item in value[:_MAX_ITEMS]
                for reason in _reasons(item, depth + 1)
            ]
        )
    return (
        _reasons_of_object(_lowered(value), depth) or _by_field(value)
        if isinstance(value, dict)
        else []
    )


def _reasons_of_object(fields: dict[str, object], depth: int) -> list[str]:
    own = next(
        (
            found
            for name in _MESSAGES
            if (found := _reasons(fields.get(name), depth + 1))
        ),
        [],
    )
    if not own:
        own = next(
            (
                found
                for name in _WITHIN
                if (found := _reasons(fields.get(name), depth + 1))
            ),
            [],
        )
    if not own:
        title = _reasons(fields.get("title"), depth + 1)
        detail = _reasons(fields.get("detail"), depth + 1)
        own = (
            [f"{title[0]}: {'; '.join(detail)}"]
            if title and detail
            else title or detail
        )
    place = _place(fields)
    found = [f"{place}: {reason}" for reason in own] if place else own
    errors = fields.get("errors")
    if isinstance(errors, dict) and not _BESIDE & {name.lower() for name in errors}:
        for name, item in list(errors.items())[:_MAX_ITEMS]:
            found = found + [
                f"{name}: {reason}" for reason in _reasons(item, depth + 1)
            ]
    else:
        found = found + _reasons(errors, depth + 1)
    return _unique(found)


def _by_field(fields: Mapping[str, object]) -> list[str]:
    """Return the reasons of an object that holds nothing but a list of them for each field, as Django's have it."""
    found: list[str] = []
    for name, item in fields.items():
        if not (isinstance(item, list) and item and isinstance(item[0], str)):
            return []
        found.append(f"{name}: {item[0]}")
    return found[:_MAX_ITEMS]


def _place(fields: dict[str, object]) -> str:
    """Return which field of the request one of several problems is about."""
    place = next((fields[name] for name in _PLACES if name in fields), None)
    if isinstance(place, list):
        return ".".join([str(part) for part in place if isinstance(part, str | int)])
    return place if isinstance(place, str) and "/" not in place else ""


def _unique(reasons: list[str]) -> list[str]:
    return list(dict.fromkeys(reasons))
