"""The admin interface over HTTP, and whom it does not answer."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mock.rawhttp import EXAM, INSTALL, JSON, SESSION, TOKEN, Client
from smarterproctoring_mock import MockApp, running_server

SEEDED = {"installSid": INSTALL, "examSid": EXAM, "sessionSid": SESSION, "fields": {"notes": "seeded"}}


def test_the_overview_lists_what_there_is(client: Client) -> None:
    client.put()
    found = client.admin("GET", "")
    assert found["title"] == "SmarterProctoring"
    assert found["requests"] == 1
    assert found["sessions"] == 1
    assert "POST /_mock/reset" in found["admin"]
    assert client.call("GET", "/_mock", None, []).json == found


def test_sessions_audit_and_requests(client: Client) -> None:
    assert client.admin("POST", "sessions", {"sessions": [SEEDED]}) == {"sessions": [SEEDED]}
    client.put({"company": "c"})
    client.put({"company": 1})
    (session,) = client.admin("GET", "sessions")["sessions"]
    assert session["fields"] == {"notes": "seeded", "company": "c"}
    assert [row["status"] for row in client.admin("GET", "audit")["audit"]] == [200, 400]
    assert len(client.admin("GET", "audit?limit=1")["audit"]) == 1
    assert client.admin("GET", "audit?session=ES")["audit"] == []
    found = client.admin("GET", "requests?status=400")
    assert found["total"] == 2
    assert [request["body"] for request in found["requests"]] == ['{"company": 1}']


def test_binary_bodies_come_as_base64(client: Client) -> None:
    client.put(b"\xff")
    assert client.admin("GET", "requests")["requests"][0]["body_base64"] == "/w=="


def test_faults(client: Client) -> None:
    assert "rate-limited" in client.admin("GET", "faults")["names"]
    added = client.admin("POST", "faults", [{"fault": "server-error", "times": 2}, "forbidden"])
    assert [fault["name"] for fault in added["faults"]] == ["server-error", "forbidden"]
    assert client.put().status == 500
    assert [fault["times"] for fault in client.admin("GET", "faults")["faults"]] == [1, 1]
    assert client.admin("DELETE", "faults")["faults"] == []
    assert client.put().status == 200
    client.admin("POST", "faults", {"scenario": "outage"})
    assert client.put().status == 503
    client.admin("POST", "faults", {"faults": [{"status": 500, "times": None}], "seed": 1})
    client.admin("POST", "reset")
    assert client.put().status == 200


def test_verify(client: Client) -> None:
    client.put({"type": "proctoru"})
    assert client.admin("POST", "verify", {"fields": {"type": "proctoru"}, "times": 1})["ok"] is True
    found = client.admin("POST", "verify", {"fields": {"type": "zoom"}})
    assert (found["ok"], found["count"]) == (False, 0)
    assert '+    "type": "proctoru"' in found["message"]


def test_reset(client: Client) -> None:
    client.put()
    found = client.admin("POST", "reset")
    assert (found["requests"], found["sessions"]) == (0, 0)


def test_a_request_from_before_a_reset_leaves_no_trace_after_it(
    client: Client, app: MockApp, delays_end: threading.Event
) -> None:
    """A killed client's delayed request would otherwise turn up in the test after."""
    app.add_faults({"delay": 0.3, "times": 1})
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.put)
        while app.faults():  # until the request has taken the fault's only turn
            assert not answer.done()
            time.sleep(0.001)
        app.reset()
        delays_end.set()
        assert answer.result().status == 200
    assert (app.audit(), app.requests(), app.sessions(), app.total) == ([], [], [], 0)
    client.put()
    assert (len(app.audit()), app.total) == (1, 1)


def test_exports(client: Client) -> None:
    client.put()
    assert len(client.admin("GET", "requests.har")["log"]["entries"]) == 1
    answer = client.call("GET", "/_mock/requests.curl", None, [])
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.body.startswith(b"curl ")
    assert answer.headers["cache-control"] == "no-store"


def test_the_admin_interface_leaves_no_trace(client: Client, app: MockApp) -> None:
    client.admin("GET", "requests")
    assert app.requests() == []
    assert app.audit() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("GET", "sessions/", None, 404),
        ("PUT", "sessions", b"{}", 405),
        ("HEAD", "sessions", None, 405),
        ("POST", "sessions", b"{", 400),
        ("POST", "sessions", b"[]", 400),
        ("POST", "sessions", b'{"sessions":[{}]}', 400),
        ("POST", "sessions", b'"/etc/passwd"', 400),
        ("POST", "faults", b'"no-such-fault"', 400),
        ("POST", "faults", b'{"scenario":"/etc/passwd"}', 404),
        ("POST", "faults", b'{"scenario":["outage"]}', 404),
        ("POST", "faults", b'{"status":1e999}', 400),
        ("POST", "verify", b"[]", 400),
        ("POST", "verify", b'{"times":true}', 400),
        ("POST", "verify", b'{"headers":[]}', 400),
        ("POST", "verify", b'{"path":1}', 400),
        ("POST", "verify", b'{"nothing":1}', 400),
        ("POST", "verify", b'{"headers":{"a":1}}', 200),
        ("GET", "audit?limit=-1", None, 400),
        ("GET", "audit?limit=\xb2", None, 400),
        ("GET", "requests?status=" + "9" * 5000, None, 400),
    ],
)
def test_mistakes_are_4xx(client: Client, method: str, path: str, body: bytes | None, status: int) -> None:
    answer = client.call(method, "/_mock/" + path, body, [JSON])
    assert answer.status == status, answer.body
    if status != 200 and method != "HEAD":
        assert answer.json["status"] == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param([], 200, id="nobody in particular"),
        pytest.param([("Origin", "http://{host}")], 200, id="its own page"),
        pytest.param([("Sec-Fetch-Site", "same-origin")], 200, id="its own page, as browsers say"),
        pytest.param([("Sec-Fetch-Site", "none")], 200, id="the address bar"),
        pytest.param([("Origin", "https://example.org")], 403, id="another page"),
        pytest.param([("Origin", "null")], 403, id="a sandboxed page"),
        pytest.param([("Origin", "http://127.0.0.1:1")], 403, id="another server of this machine"),
        pytest.param([("Origin", "https://{host}")], 403, id="another scheme"),
        pytest.param([("Sec-Fetch-Site", "cross-site")], 403, id="a link from elsewhere"),
        pytest.param([("Sec-Fetch-Site", "same-site")], 403, id="another port"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "sessions"), ("POST", "reset")])
def test_pages_of_other_origins_are_refused(
    client: Client, app: MockApp, fields: list[tuple[str, str]], status: int, method: str, path: str
) -> None:
    client.put()
    headers = [JSON, *((name, value.replace("{host}", client.host)) for name, value in fields)]
    answer = client.call(method, "/_mock/" + path, None if method == "GET" else b"", headers)
    assert answer.status == status
    assert "access-control-allow-origin" not in answer.headers
    assert bool(app.sessions()) is (status == 403 or method == "GET")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1", 200),
        ("127.1.2.3:80", 200),
        ("[::1]:80", 200),
        ("[::1]", 200),
        ("example.org", 403),
        ("localhost.example.org", 403),
        ("127.0.0.1.example.org", 403),
        ("10.0.0.1", 403),
        ("0.0.0.0", 403),
        ("", 403),
    ],
)
def test_hosts_that_are_not_loopback_are_refused(client: Client, host: str, status: int) -> None:
    data = client.request("GET", "/_mock/sessions", None, []).replace(client.host.encode(), host.encode(), 1)
    assert client.exchange(data)[0].status == status


def test_a_host_can_be_let_in() -> None:
    with running_server(token=TOKEN, admin_hosts=["Mock"]) as server:
        client = Client(server.url)
        for host, status in ((b"mock:80", 200), (b"mock", 200), (b"other", 403)):
            data = client.request("GET", "/_mock/", None, []).replace(client.host.encode(), host, 1)
            assert client.exchange(data)[0].status == status


@pytest.mark.parametrize(
    "kind", [[], [("Content-Type", "text/plain")], [("Content-Type", "application/x-www-form-urlencoded")]]
)
@pytest.mark.parametrize("call", [("POST", "reset"), ("POST", "faults"), ("DELETE", "faults"), ("POST", "sessions")])
def test_changes_need_the_json_content_type(client: Client, kind: Any, call: tuple[str, str]) -> None:
    assert client.call(call[0], "/_mock/" + call[1], b"{}", kind).status == 415


def test_a_preflight_is_not_answered_with_consent(client: Client) -> None:
    fields = [("Origin", "https://example.org"), ("Access-Control-Request-Method", "POST")]
    answer = client.call("OPTIONS", "/_mock/reset", None, fields)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]
