"""Requests to one origin: what a transport sees of them without parsing is what httpx would have parsed."""

import pickle

import httpx
import pytest
from smarterproctoring_transport import Requests

BASES = [
    "https://api.example.com",
    "http://127.0.0.1:8080",
    "https://[::1]:8443/prefix",
    "https://bücher.example/a%2Fb",
]
PATHS = ["/v1/installs/AI0/exams/EX1", "/a%20b/%E2%82%AC", "/"]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", [{}, {"from": "2030-05-04T13:00:00.000Z", "tags": ["a b", "c"]}])
def test_the_url_is_the_one_that_httpx_parses(base: str, path: str, query: dict[str, object]) -> None:
    def parts(url: httpx.URL) -> list[object]:
        return [
            url.raw_path,
            url.raw_scheme,
            url.raw_host,
            url.port,
            url.host,
            url.netloc,
            url.path,
            url.query,
            str(url),
        ]

    parsed = httpx.URL(base + path, params=query) if query else httpx.URL(base + path)
    for first in (str, lambda url: url.raw_path, lambda url: url.host):  # whichever is asked for first
        target = f"{path}?{parsed.query.decode()}" if query else path
        url = Requests(base, {}).make("GET", target, b"", {}).url
        first(url)
        assert parts(url) == parts(parsed)
        assert url == parsed
        assert pickle.loads(pickle.dumps(url)) == parsed


@pytest.mark.parametrize(("method", "content"), [("PUT", b'{"a":1}'), ("PUT", b""), ("GET", b""), ("POST", b"")])
def test_the_headers_and_the_body_are_those_of_httpx(method: str, content: bytes) -> None:
    fixed, own = {"accept": "application/json", "user-agent": "test"}, {"x-trace": "7"}
    made = Requests("https://api.example.com:8443", fixed).make(method, "/v1", content, own)
    kind = {"content-type": "application/json"} if content else {}
    usual = httpx.Request(
        method, "https://api.example.com:8443/v1", headers={**fixed, **kind, **own}, content=content or None
    )
    assert sorted(made.headers.raw, key=lambda pair: pair[0].lower()) == sorted(
        ((name.lower(), value) for name, value in usual.headers.raw), key=lambda pair: pair[0]
    )
    assert made.headers.raw[0][0] == b"host", "servers may look at it first"
    assert (made.method, made.content, made.read()) == (method, content, content)
