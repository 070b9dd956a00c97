"""What was answered is recorded beside the request, without secrets."""

import contextlib
import json

from mock.rawhttp import TOKEN, Client, Gone
from smarterproctoring_mock import MockApp, RecordedAnswer


def test_answers_are_recorded_without_secrets(client: Client, app: MockApp) -> None:
    fault = {"status": 429, "message": f"slow down, {TOKEN}", "headers": {"Set-Cookie": "a=b", "X-Said": TOKEN}}
    app.add_faults(fault, {"text": "\xff", "content_type": "text/plain; charset=latin-1"}, "drop-after-store")
    sent = [client.put(), client.put()]
    with contextlib.suppress(Gone):
        client.put()
    sent.append(client.put({"company": 1}))
    limited, odd, dropped, refused = (request.answer for request in app.requests())
    assert limited is not None
    assert limited.status == 429
    assert json.loads(limited.body)["message"] == "slow down, [redacted]"
    headers = dict(limited.headers)
    assert (headers["set-cookie"], headers["x-said"]) == ("[redacted]", "[redacted]")
    assert headers["content-length"] == sent[0].headers["content-length"]
    assert odd == RecordedAnswer(
        200, (("content-type", "text/plain; charset=latin-1"), ("content-length", "2")), sent[1].body
    )
    assert dropped is None
    assert refused is not None
    assert (refused.status, refused.body) == (400, sent[2].body)


def test_answers_are_in_the_admin_interface_and_in_har(client: Client, app: MockApp) -> None:
    app.add_faults({"status": 500, "message": TOKEN}, "drop-before-store")
    client.put()
    with contextlib.suppress(Gone):
        client.put()
    first, second = client.admin("GET", "requests")["requests"]
    assert first["answer"]["status"] == 500
    assert ["content-type", "application/json"] in first["answer"]["headers"]
    assert json.loads(first["answer"]["body"])["message"] == "[redacted]"
    assert second["answer"] is None
    har = app.har()
    assert TOKEN not in json.dumps([har, client.admin("GET", "requests")])
    shown = har["log"]["entries"][0]["response"]  # type: ignore[index,call-overload]
    assert shown["status"] == 500  # type: ignore[index,call-overload]
