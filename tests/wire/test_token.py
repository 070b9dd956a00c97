"""Rule 3: the token is sent raw, read again for each attempt, kept to one origin, and never shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import anyio
import httpx
import pytest
from smarterproctoring import (
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    PermissionDeniedError,
    ServerError,
    SmarterProctoring,
    UnexpectedRedirectError,
    ValidationError,
)
from smarterproctoring.credentials import Secret
from wire.driver import PATH, TOKEN, Driver, shown
from wire.limits import LONG, with_enough_time
from wire.misbehave import Server, answer, json_body

FAILED = json_body(code="AUTHENTICATIONFAILED", message="bad token")


def tokens(driver: Driver, *values: str) -> tuple[Callable[[], Any], list[str]]:
    """A callable that gives these tokens in turn, then the last one again; and what was given."""
    left, given = list(values), list[str]()

    def take() -> str:
        given.append(left.pop(0) if len(left) > 1 else left[0])
        return given[-1]

    return driver.hook(take), given


def test_the_header_is_raw(any_driver: Driver, server: Server) -> None:
    with any_driver.client(server) as client:
        client.reschedule()
    assert server.requests[0].header("token") == [TOKEN]
    assert server.requests[0].header("authorization") == []


def test_a_token_is_stripped(driver: Driver, server: Server) -> None:
    for given in (f" {TOKEN}\r\n", f"\t{TOKEN}\n"):
        with driver.client(server, given) as client:
            client.reschedule()
        with driver.client(server, driver.hook(lambda given=given: given)) as client:
            client.reschedule()
    assert [request.header("token") for request in server.requests] == [[TOKEN]] * 4


def test_a_callable_is_asked_before_each_attempt(any_driver: Driver, server: Server) -> None:
    source, given = tokens(any_driver, "one", "two", "three", "four")
    server.script(answer(500), answer(503), answer())
    with any_driver.client(server, source) as client:
        assert given == []
        client.reschedule()
        client.reschedule()
    assert [request.header("token") for request in server.requests] == [["one"], ["two"], ["three"], ["four"]]
    assert given == ["one", "two", "three", "four"]


def test_the_asynchronous_client_takes_a_plain_callable_too(server: Server) -> None:
    with Driver("asyncio").client(server, lambda: "plain") as client:
        client.reschedule()
    assert server.requests[0].header("token") == ["plain"]


def test_an_asynchronous_callable_may_really_wait(server: Server) -> None:
    async def source() -> str:
        await anyio.sleep(0.01)
        return "waited"

    for kind in ("asyncio", "trio"):
        with Driver(kind).client(server, source) as client:
            client.reschedule()
    assert [request.header("token") for request in server.requests] == [["waited"]] * 2


def test_the_synchronous_client_refuses_a_callable_that_waits(server: Server) -> None:
    async def source() -> str:
        await anyio.sleep(0.01)
        return TOKEN

    with Driver("sync").client(server, source) as client:
        error = client.fails(ConfigurationError)
    assert not error.maybe_applied
    assert server.connections == 0


BAD: list[Any] = [
    "",
    "  ",
    "Bearer " + TOKEN,
    "bearer " + TOKEN,
    "BEARER\t" + TOKEN,
    "Bearer",
    f"{TOKEN} {TOKEN}",
    f"{TOKEN}\r\nx: y",
    f"{TOKEN}\x00",
    f"{TOKEN}é",
    f"{TOKEN}\x7f",
    TOKEN.encode(),
    None,
    7,
    [TOKEN],
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_bad_token_is_refused_and_not_shown(driver: Driver, server: Server, bad: Any) -> None:
    holder = Hidden(bad)
    del bad  # pytest's own frames are not in the traceback, this one is
    with pytest.raises(ConfigurationError) as caught:
        driver.type(holder.reveal(), base_url=server.url)
    texts = [shown(caught.value)]
    with driver.client(server, driver.hook(holder.reveal)) as client:
        texts.append(shown(client.fails(ConfigurationError)))
    for text in texts:
        assert "eyJ" not in text
        assert "the token" in text
    assert server.connections == 0


class Hidden:
    """Keeps a value out of the frames of a test."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def reveal(self) -> Any:
        return self._value


def test_a_callable_that_fails_is_named_and_its_text_is_not_shown(driver: Driver, server: Server) -> None:
    def broken() -> str:
        raise LookupError(f"no {TOKEN}")

    with driver.client(server, driver.hook(broken)) as client:
        error = client.fails(ConfigurationError)
    assert "LookupError" in str(error)
    assert (error.attempts, server.connections) == (0, 0)


@pytest.mark.parametrize("bad", ["two words", ""])
def test_the_message_of_a_bad_token_says_once_what_it_means_for_the_change(driver: Driver, bad: str) -> None:
    with Server() as server, driver.client(server, tokens(driver, bad)[0]) as client:
        with pytest.raises(ConfigurationError) as caught:
            client.reschedule()
        for text in (caught.value.message, str(caught.value)):
            assert text.count("The change was not applied.") == 1
    assert not server.requests


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_renewed_once(any_driver: Driver, server: Server, status: int) -> None:
    source, given = tokens(any_driver, "old", "new")
    server.script(answer(status, FAILED), answer())
    with any_driver.client(server, source, retries=0) as client:
        result = client.reschedule()
    assert [request.header("token") for request in server.requests] == [["old"], ["new"]]
    assert server.requests[0].body == server.requests[1].body
    assert (result.attempts, result.replays, given) == (2, 0, ["old", "new"])


def test_a_renewal_is_made_only_once(driver: Driver, server: Server) -> None:
    source, given = tokens(driver, "one", "two", "three")
    server.script(answer(401))
    with driver.client(server, source) as client:
        error = client.fails(AuthenticationError)
    assert (error.attempts, given, len(server.requests)) == (2, ["one", "two"], 2)


def test_a_renewal_needs_another_value(driver: Driver, server: Server) -> None:
    source, given = tokens(driver, "same", " same ")
    server.script(answer(401, FAILED))
    with driver.client(server, source) as client:
        error = client.fails(AuthenticationError)
    assert (error.attempts, error.code, error.status) == (1, "AUTHENTICATIONFAILED", 401)
    assert (given, len(server.requests)) == (["same", " same "], 1)


def test_a_renewal_does_not_use_up_a_retry(driver: Driver, server: Server) -> None:
    source, _ = tokens(driver, "one", "two", "two", "two")
    server.script(answer(401), answer(503), answer(503), answer())
    with driver.client(server, source) as client:
        assert client.reschedule().attempts == 4


def test_a_fixed_token_is_not_renewed(driver: Driver, server: Server) -> None:
    server.script(answer(401, FAILED))
    with driver.client(server) as client:
        assert client.fails(AuthenticationError).attempts == 1
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body", [json_body(code="5003"), json_body(code="5006"), b"", json_body(code="authenticationfailed")]
)
def test_a_missing_permission_is_not_renewed(driver: Driver, server: Server, body: bytes) -> None:
    source, given = tokens(driver, "old", "new")
    server.script(answer(403, body))
    with driver.client(server, source) as client:
        error = client.fails(PermissionDeniedError)
    assert (error.attempts, given) == (1, ["old"])


def jwt(**claims: Any) -> str:
    parts = ({"alg": "none"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


def test_an_expired_token_is_named(driver: Driver, server: Server) -> None:
    server.script(answer(401))
    with driver.client(server, jwt(exp=1_000_000_000)) as client:
        error = client.fails(AuthenticationError)
    assert "the token expired at 2001-09-09T01:46:40Z" in str(error)


def test_the_time_is_read_whatever_the_length_of_the_claims() -> None:
    for length in range(20):
        expires = Secret(jwt(sub="s" * length, exp=1_000_000_000)).expires_at()
        assert expires == datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC), length


@pytest.mark.parametrize("exp", [4_000_000_000, "soon", None, 1e300, -1e300, True, [1], {}])
def test_exp_says_nothing_unless_it_is_past(driver: Driver, server: Server, exp: Any) -> None:
    server.script(answer(401))
    with driver.client(server, jwt(exp=exp)) as client:
        error = client.fails(AuthenticationError)
    assert "expired" not in str(error) or exp is True


@pytest.mark.parametrize("token", ["a.b.c", "..", "a.%%%.c", "x", "a.e30.c", "a.bnVsbA.c", "a.WzFd.c"])
def test_a_token_that_is_no_jwt_is_fine(driver: Driver, server: Server, token: str) -> None:
    server.script(answer(401))
    with driver.client(server, token) as client:
        assert "expired" not in str(client.fails(AuthenticationError))


def test_exp_never_stops_a_call(driver: Driver, server: Server) -> None:
    with driver.client(server, jwt(exp=1)) as client:
        assert client.reschedule().status == 200


def test_expiry_is_not_named_for_other_errors(driver: Driver, server: Server) -> None:
    server.script(answer(403, json_body(code="5003")))
    with driver.client(server, jwt(exp=1)) as client:
        assert "expired" not in str(client.fails(PermissionDeniedError))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://example.com:80/127.0.0.1",
        "http://[::2]",
        "http://0.0.0.0",
        "http://127.0.0.01",  # whom the environment's proxy would be asked for, as for any name
        "HTTP://EXAMPLE.COM",
        "https://user@api.example.com",
        "https://user:pass@api.example.com",
        "http://127.0.0.1@example.com",
        "http://example.com\\@127.0.0.1",
        "https://api.example.com?x=1",
        "https://api.example.com/?",
        "https://api.example.com#x",
        "https://api.example.com/#",
        "ftp://api.example.com",
        "api.example.com",
        "//api.example.com",
        "https://",
        "https:///v1",
        "https://a b.example.com",
        "https://api.example.com\n",
        "https://api.example.com:abc",
        "https://[::1",
        "",
        None,
        7,
        b"https://api.example.com",
    ],
)
def test_a_base_url_that_could_leak_is_refused(driver: Driver, url: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        driver.type(TOKEN, base_url=url)
    assert "base_url" in str(caught.value)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://api.example.com:8443/base/",
        "http://localhost:1",
        "http://127.0.0.1",
        "http://127.8.8.8:1/x",
        "http://[::1]:1",
        "HTTPS://API.EXAMPLE.COM",
    ],
)
def test_a_good_base_url(driver: Driver, url: str) -> None:
    with driver.client(url) as client:
        expected = url.rstrip("/").lower() + PATH.lower()
        assert (
            client.raw.dry_run_reschedule("AI" + "a1" * 16, "EX" + "b2" * 16, "ES" + "c3" * 16, notes="x").url.lower()
            == expected
        )


def test_plain_http_on_request(driver: Driver) -> None:
    with driver.client("http://api.example.com", allow_http=True) as client:
        assert "api.example.com" in repr(client.raw)


@pytest.mark.parametrize(
    "url",
    ["http://127.999.1.1", "http://[1:2]", "https://api.example.com:99999", "https://a.example/" + "a" * 70_000],
    ids=["IPv4", "IPv6", "port", "long"],
)
def test_a_base_url_that_only_httpx_refuses_is_a_configuration_error(driver: Driver, url: str) -> None:
    with pytest.raises(ConfigurationError):
        driver.type(TOKEN, base_url=url)


def test_the_base_path_is_kept(driver: Driver, server: Server) -> None:
    with driver.client(f"{server.url}/base/") as client:
        client.reschedule()
    assert server.requests[0].path == f"/base{PATH}"


def test_the_token_does_not_travel(any_driver: Driver, server: Server) -> None:
    with Server(answer()) as other:
        server.script(answer(302, b"", {"Location": f"{other.url}/steal", "Refresh": f"0; url={other.url}"}))
        with any_driver.client(server) as client:
            error = client.fails(UnexpectedRedirectError)
        assert other.connections == 0
    assert error.headers["location"].endswith("/steal")


def test_a_proxy_of_the_environment_does_not_get_what_goes_to_loopback(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(answer()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with driver.client(server) as client:
            client.reschedule()
        assert [request.header("token") for request in proxy.requests] == []
    assert len(server.requests) == 1


def test_a_request_of_another_client_is_not_sent(server: Server) -> None:
    with Server(answer()) as other, SmarterProctoring("theirs", base_url=other.url):
        with SmarterProctoring(TOKEN, base_url=server.url) as mine:
            change = {"notes": "x"}
            request = httpx.Request("PUT", other.url + PATH, json=change)
            with pytest.raises(ConfigurationError):
                mine.generated.get_httpx_client().send(request)
        assert other.requests == []


def test_only_requests_of_this_client_are_sent(server: Server) -> None:
    with SmarterProctoring(TOKEN, base_url=server.url) as client:
        seam = client.generated.get_httpx_client()
        with pytest.raises(ConfigurationError):
            seam.send(httpx.Request("PUT", server.url + PATH))
        for url in (f"{server.url}{PATH}", "https://example.com" + PATH, "/v1/other", PATH + "/x", PATH + "?a=b"):
            with pytest.raises((ConfigurationError, ValidationError)):
                seam.put(url, json={"notes": "x"})
        with pytest.raises(ConfigurationError):
            seam.get(PATH)
    assert server.connections == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_a_slow_renewal_ends_at_the_deadline(kind: Literal["asyncio", "trio"]) -> None:
    def attempt(limit: float) -> bool:
        given: list[str] = []
        waiting: list[int] = []

        async def source() -> str:
            if given:
                waiting.append(1)
                await anyio.sleep(LONG)
            given.append(TOKEN)
            return TOKEN

        with Server(answer(500)) as server, Driver(kind).client(server, source, deadline=limit) as client:
            error = client.fails(DeadlineExceededError)
        assert error.elapsed < limit + 15
        if not waiting:
            return False
        assert (type(error).__name__, error.attempts, error.maybe_applied) == ("DeadlineExceededError", 1, True)
        return True

    with_enough_time(attempt)


def test_a_server_error_is_no_reason_to_renew(driver: Driver, server: Server) -> None:
    source, given = tokens(driver, "one", "two")
    server.script(answer(500))
    with driver.client(server, source, retries=0) as client:
        client.fails(ServerError)
    assert given == ["one"]
