"""Rule 2: one small tree of errors, the same fields everywhere, nothing of anybody else in it."""

from __future__ import annotations

import copy
import json
import pickle
import ssl
from typing import Any

import httpx
import pytest
import smarterproctoring
from smarterproctoring import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    DeadlineExceededError,
    HookError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    SmarterProctoringError,
    UnconfirmedError,
    UnexpectedRedirectError,
    UnprocessableEntityError,
    ValidationError,
)
from wire.driver import TOKEN, Driver
from wire.misbehave import Server, answer, drop_read, json_body, never, truncated

BY_STATUS: list[tuple[int, type[APIStatusError]]] = [
    (300, UnexpectedRedirectError),
    (304, UnexpectedRedirectError),
    (399, UnexpectedRedirectError),
    (400, BadRequestError),
    (401, AuthenticationError),
    (402, APIStatusError),
    (403, PermissionDeniedError),
    (404, NotFoundError),
    (405, APIStatusError),
    (408, APIStatusError),
    (409, ConflictError),
    (422, UnprocessableEntityError),
    (429, RateLimitError),
    (451, APIStatusError),
    (500, ServerError),
    (501, ServerError),
    (503, ServerError),
    (520, ServerError),
    (599, ServerError),
]


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
def test_class_by_status(driver: Driver, server: Server, status: int, kind: type[APIStatusError]) -> None:
    server.script(answer(status, b""))
    with driver.client(server, retries=0) as client:
        error = client.fails(kind)
    assert type(error) is kind
    assert error.status == status
    assert str(status) in str(error)
    assert isinstance(error, SmarterProctoringError)


def test_an_error_before_any_attempt_says_that_there_was_none() -> None:
    error = SmarterProctoringError("no call yet")
    assert (error.message, str(error), error.maybe_applied) == ("no call yet", "no call yet", False)
    assert (error.attempts, error.replays, error.elapsed) == (0, 0, 0.0)
    assert (error.status, error.code, error.api_message, error.body) == (None, None, None, None)
    assert (error.headers, error.request_id, error.retry_after) == ({}, None, None)


def test_the_tree() -> None:
    names = [name for name in dir(smarterproctoring) if name.endswith("Error")]
    assert len(names) == 19
    assert all(issubclass(getattr(smarterproctoring, name), SmarterProctoringError) for name in names)
    assert issubclass(ValidationError, ValueError)
    assert issubclass(DeadlineExceededError, APITimeoutError)
    assert issubclass(APITimeoutError, APIConnectionError)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (json_body(code="1203", message="no such session", status=404, more_info="url"), "1203", "no such session"),
        (json_body(code=1203, message="m"), "1203", "m"),
        (json_body(error={"code": "5003", "message": "not yours", "details": [1]}), "5003", "not yours"),
        (json_body(statusCode=404, error="Not Found", message="nope"), None, "nope"),
        (json_body(statusCode=404, error="Not Found"), None, "Not Found"),
        (json_body(code=True, message=["a", "b", "a"]), None, "a; b"),
        (json_body(code=None, message=None), None, None),
        (json_body(error="no such session"), None, "no such session"),
        (json_body(Error="no such session"), None, "no such session"),
        (json_body(error="invalid_grant", error_description="has expired"), "invalid_grant", "has expired"),
        (json_body(error={"errors": [{"code": "7", "message": "late"}]}), "7", "late"),
        (json_body(errors=[{"message": "one"}, {"message": "two"}]), None, "one; two"),
        (json_body(errors=["one", "two"]), None, "one; two"),
        (
            json_body(errors={"notes": ["too long", "no text"], "phone": "bad"}),
            None,
            "notes: too long; notes: no text; phone: bad",
        ),
        (
            json_body(message="invalid", errors=[{"field": "notes", "message": "too long"}]),
            None,
            "invalid; notes: too long",
        ),
        (
            json_body(errors=[{"code": "E1", "title": "Odd", "detail": "very", "source": {"pointer": "/a"}}]),
            "E1",
            "Odd: very",
        ),
        (json_body(errorCode=12, errorMessage="m"), "12", "m"),
        (json_body(detail="gone"), None, "gone"),
        (json_body(error_message="m"), None, "m"),
        (json_body(errorMessages=["a", "b"]), None, "a; b"),
        (json_body(fault={"faultstring": "m", "detail": {}}), None, "m"),
        (json_body(exception="boom"), None, "boom"),
        (json_body(details=[{"message": "a"}]), None, "a"),
        (json_body(installSid=["is wrong"], notes=["too long", "b"]), None, "installSid: is wrong; notes: too long"),
        (json_body(numbers=[1], other=[]), None, None),
        (b"\xef\xbb\xbfno such session", None, "no such session"),
        (json_body(detail=[{"loc": ["body", "notes"], "msg": "too long", "type": "x"}]), None, "body.notes: too long"),
        (json_body(detail={"code": "5", "message": "m"}), "5", "m"),
        (json_body(type="about:blank", title="Not Found", status=404), None, "Not Found"),
        (json_body(title="Not Found", detail="no session"), None, "Not Found: no session"),
        (json_body(title="Invalid", errors={"Notes": ["too long"]}), None, "Invalid; Notes: too long"),
        (b'[{"message": "one"}, {"message": "two"}]', None, "one; two"),
        (b'["one", "two"]', None, "one; two"),
        (b'"a JSON string"', None, "a JSON string"),
        (b" plain text\n", None, "plain text"),
        (b"a" * 501, None, None),
        (b'"<html>no</html>"', None, None),
        (b"7", None, None),
        (json_body(message=""), None, None),
        (json_body(message={"a": {"b": {"c": {"d": {"message": "deep"}}}}}), None, None),
        (json_body(errors=[{"message": str(number)} for number in range(99)]), None, "; ".join(map(str, range(20)))),
        (json_body(message="a\x1b[2Jb\nc\x9b1m\u202ed"), None, "a\\x1b[2Jb\\nc\\x9b1m\\u202ed"),
        (json_body(code="\x1b]0;x\x07", message="m"), "\\x1b]0;x\\x07", "m"),
        (b"plain \x1b[31m", None, "plain \\x1b[31m"),
        (b"<h1>404</h1>", None, None),
        (b"", None, None),
        (b"\xff\xfe", None, None),
        (b"[" * 60_000, None, None),
        (b'{"code": ' + b"9" * 5000 + b"}", None, None),
    ],
)
def test_code_and_message(driver: Driver, server: Server, body: bytes, code: str | None, message: str | None) -> None:
    server.script(answer(404, body))
    with driver.client(server) as client:
        error = client.fails(NotFoundError)
    assert (error.code, error.api_message) == (code, message)
    assert error.body == body.decode(errors="replace")
    assert message is None or message in str(error)
    assert code is None or code in str(error)


def test_every_field(any_driver: Driver, server: Server) -> None:
    headers = {"X-Request-Id": "req-9", "Retry-After": "61", "Set-Cookie": "session=1", "X-Two": "2"}
    server.script(answer(502), answer(429, json_body(code="7", message="slow down"), headers))
    with any_driver.client(server) as client:
        error = client.fails(RateLimitError)
    assert (error.status, error.code, error.api_message) == (429, "7", "slow down")
    assert json.loads(error.body or "") == {"code": "7", "message": "slow down"}
    assert (error.headers["x-two"], error.request_id, error.retry_after) == ("2", "req-9", 61.0)
    assert "set-cookie" not in error.headers
    assert (error.attempts, error.replays, error.maybe_applied) == (2, 1, True)
    assert 0 < error.elapsed < 30


def test_the_body_is_at_most_64_kib(driver: Driver, server: Server) -> None:
    server.script(answer(404, b"a" * (64 * 1024)), answer(404, b"b" * (2 * 1024 * 1024)), answer(404, b"c"))
    with driver.client(server) as client:
        assert client.fails(NotFoundError).body == "a" * 64 * 1024
        assert client.fails(NotFoundError).body == "b" * 64 * 1024
        assert client.fails(NotFoundError).body == "c"


def test_the_code_is_read_from_a_body_that_is_longer_than_what_an_error_keeps(driver: Driver, server: Server) -> None:
    long = json_body(detail="a" * 100 * 1024, code="7", message="no such session")
    server.script(answer(404, long))
    with driver.client(server) as client:
        error = client.fails(NotFoundError)
    assert (error.code, error.api_message) == ("7", "no such session")
    assert error.body == long[: 64 * 1024].decode()


@pytest.mark.parametrize("hooked", [False, True])
def test_the_body_of_a_2xx_in_an_error_is_at_most_64_kib(driver: Driver, server: Server, *, hooked: bool) -> None:
    """It is read up to 1 MiB, because a success gives it all."""

    def raising(_: object) -> None:
        raise OSError

    text = "a" * 100 * 1024
    server.script(answer(200 if hooked else 202, f'"{text}"'.encode()))
    hooks = {"response": [driver.hook(raising)]} if hooked else {}
    with driver.client(server, event_hooks=hooks) as client:
        error = client.fails(HookError if hooked else UnconfirmedError)
        assert error.body == f'"{text}'[: 64 * 1024]


@pytest.mark.parametrize("status", [600, 699, 999])
def test_a_status_that_no_class_has_is_a_server_error(driver: Driver, server: Server, status: int) -> None:
    server.script(answer(status))
    with driver.client(server) as client:
        error = client.fails(ServerError)
    assert (type(error), error.status, error.maybe_applied) == (ServerError, status, True)


@pytest.mark.parametrize("status", [408, 410, 425, 451])
def test_another_refusal_has_no_class_of_its_own(driver: Driver, server: Server, status: int) -> None:
    server.script(answer(status))
    with driver.client(server, retries=0) as client:
        error = client.fails(APIStatusError)
    assert (type(error), error.status, error.maybe_applied) == (APIStatusError, status, False)


def test_a_short_token_masked_often_does_not_make_the_body_longer(driver: Driver, server: Server) -> None:
    server.script(answer(404, b"q" * 64 * 1024))
    with driver.client(server, "q") as client:
        error = client.fails(NotFoundError)
    assert len(error.body or "") <= 64 * 1024


def test_a_truncated_error_body_is_still_that_error(driver: Driver, server: Server) -> None:
    server.script(truncated(404, b'{"code": "1203"'))
    with driver.client(server) as client:
        error = client.fails(NotFoundError)
    assert (error.body, error.code) == ('{"code": "1203"', None)


def test_pickling_keeps_every_field(driver: Driver, server: Server) -> None:
    server.script(
        answer(404, json_body(code="1", message="m"), {"X-Request-Id": "r", "Retry-After": "3"}), drop_read, never
    )
    with driver.client(server, retries=0) as client:
        errors: list[SmarterProctoringError] = [
            client.fails(NotFoundError),
            client.fails(APIConnectionError),
            client.view(timeout=0.5).fails(APITimeoutError),
            client.fails(ValidationError, "a", "b", "c"),
        ]
    for error in errors:
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(again) is type(error)
            assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
    assert vars(errors[0])["api_message"] == "m"
    assert isinstance(errors[3], ValidationError)
    assert len(errors[3].problems) == 3


class OddError(Exception):
    """Not of httpx."""

    def __str__(self) -> str:
        raise RuntimeError(TOKEN)


def tls_cause() -> Exception:
    error = httpx.ConnectError("handshake")
    error.__cause__ = ssl.SSLError("odd")
    return error


def odd(kind: str, error: BaseException) -> Any:
    """A transport that raises; with a context, as real ones do."""

    def raise_it() -> None:
        try:
            raise KeyError(TOKEN)
        except KeyError:
            raise error  # noqa: B904

    class Sync(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise_it()
            raise AssertionError

    class Async(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise_it()
            raise AssertionError

    return Sync() if kind == "sync" else Async()


@pytest.mark.parametrize(
    ("error", "kind", "maybe_applied"),
    [
        (OddError(), APIConnectionError, True),
        (ValueError("x"), APIConnectionError, True),
        (StopAsyncIteration("x"), APIConnectionError, True),
        (RecursionError("x"), APIConnectionError, True),
        (ExceptionGroup("several", [OSError("a"), OSError("b")]), APIConnectionError, True),
        (httpx.ReadTimeout("x"), APITimeoutError, True),
        (httpx.WriteTimeout("x"), APITimeoutError, True),
        (httpx.PoolTimeout("x"), APITimeoutError, False),
        (httpx.ConnectTimeout("x"), APITimeoutError, False),
        (httpx.ConnectError("x"), APIConnectionError, False),
        (httpx.ProxyError("x"), APIConnectionError, False),
        pytest.param(tls_cause(), APIConnectionError, False),
        (httpx.ReadError("x"), APIConnectionError, True),
        (httpx.WriteError("x"), APIConnectionError, True),
        (httpx.CloseError("x"), APIConnectionError, True),
        (httpx.RemoteProtocolError("x"), APIConnectionError, True),
        (httpx.DecodingError("x"), APIConnectionError, True),
        (httpx.TooManyRedirects("x"), APIConnectionError, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_no_exception_of_a_transport_passes(
    driver: Driver, error: Exception, kind: type[APIConnectionError], *, maybe_applied: bool
) -> None:
    with driver.client("http://127.0.0.1:9", transport=odd(driver.kind, error), retries=0) as client:
        raised = client.fails(kind)
    assert type(raised) is kind
    assert raised.maybe_applied is maybe_applied
    assert type(error).__name__ in str(raised) or "TLS" in str(raised)


def test_configuration_errors_have_no_cause_either(driver: Driver) -> None:
    for settings in ({"proxy": "nonsense"}, {"verify": 7}, {"timeout": 0}, {"base_url": "x"}):
        with pytest.raises(ConfigurationError) as caught:
            driver.type(TOKEN, **settings)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert (caught.value.attempts, caught.value.maybe_applied) == (0, False)
