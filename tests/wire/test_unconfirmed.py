"""A 2xx returns only if it is an answer that the API can give to a change that was made."""

from __future__ import annotations

import gzip
import pickle
from typing import Any

import pytest
from smarterproctoring import SmarterProctoringError, UnconfirmedError
from wire.driver import Driver
from wire.misbehave import Server, Step, answer, head, json_body, say, truncated

HTML = {"Content-Type": "text/html; charset=utf-8"}
TEXT = {"Content-Type": "text/plain"}
PAGE = b"<!DOCTYPE html>\n<html><body>Request blocked</body></html>"


def kind(name: str) -> dict[str, str]:
    return {"Content-Type": name}


@pytest.mark.parametrize(
    ("step", "said"),
    [
        pytest.param(answer(200, PAGE, HTML), "answered 200 with an HTML page", id="HTML"),
        pytest.param(answer(200, b"Blocked by policy", HTML), "an HTML page", id="text/html without a tag"),
        pytest.param(answer(200, PAGE, kind("TEXT/HTML")), "an HTML page", id="TEXT/HTML"),
        pytest.param(answer(200, PAGE, kind("application/xhtml+xml")), "an HTML page", id="XHTML"),
        pytest.param(answer(200, b'<?xml version="1.0"?><html/>', kind("text/xml")), "HTML page", id="XHTML as XML"),
        pytest.param(answer(200, PAGE), "an HTML page", id="HTML that is called JSON"),
        pytest.param(answer(200, b"\xef\xbb\xbf \r\n" + PAGE, TEXT), "an HTML page", id="HTML after a byte order mark"),
        pytest.param(answer(200, PAGE.decode().encode("utf-16"), TEXT), "an HTML page", id="HTML in UTF-16"),
        pytest.param(answer(200, b"<!-- a -->" + PAGE, TEXT), "an HTML page", id="HTML after a comment"),
        pytest.param(answer(200, b"<h1>Denied</h1>", TEXT), "an HTML page", id="a piece of HTML"),
        pytest.param(answer(200, b"Error\n" + PAGE, TEXT), "an HTML page", id="HTML after text"),
        pytest.param(
            say(head(200, {"Content-Length": str(len(PAGE))}) + PAGE), "an HTML page", id="HTML without a type"
        ),
        pytest.param(answer(200, b'"<html><body>no</body></html>"'), "an HTML page", id="HTML in a JSON string"),
        pytest.param(
            say(head(200, {**HTML, "Content-Length": "500"}), close=True), "an HTML page", id="HTML that broke off"
        ),
        pytest.param(
            answer(200, gzip.compress(PAGE), {**HTML, "Content-Encoding": "gzip"}), "an HTML page", id="packed HTML"
        ),
        pytest.param(answer(200, b"<?xml version='1.0'?><fault/>", kind("application/xml")), "XML", id="XML"),
        pytest.param(answer(200, b"GIF89a\x01", kind("image/gif")), "image/gif", id="an image"),
        pytest.param(answer(200, b"%PDF-1.7", kind("application/pdf")), "application/pdf", id="PDF"),
        pytest.param(answer(200, json_body(error="no such session")), "error object: no such session", id="error"),
        pytest.param(answer(200, json_body(error={"code": "5003", "message": "no"})), "(code 5003): no", id="nested"),
        pytest.param(answer(200, json_body(error=True)), "an error object", id="error is true"),
        pytest.param(answer(200, json_body(Error="x")), "an error object", id="Error"),
        pytest.param(answer(200, json_body(errors=[{"message": "late"}])), "error object: late", id="errors"),
        pytest.param(answer(200, json_body(data=None, errors=[{"message": "x"}])), "an error object", id="GraphQL"),
        pytest.param(answer(201, json_body(errors={"notes": ["too long"]})), "notes: too long", id="errors by field"),
        pytest.param(answer(200, json_body(errorMessage="x", errorType="y")), "an error object", id="errorMessage"),
        pytest.param(
            answer(200, json_body(statusCode=500, error="Internal Server Error", message="oops")), ": oops", id="hapi"
        ),
        pytest.param(answer(200, json_body(statusCode=403)), "an error object", id="statusCode alone"),
        pytest.param(answer(200, json_body(statusCode="403", message="x")), "an error object", id="statusCode as text"),
        pytest.param(
            answer(200, json_body(code="1203", message="gone", status=404)), "(code 1203): gone", id="the vendor's"
        ),
        pytest.param(answer(200, json_body(code="1203", message="gone")), "(code 1203)", id="without a status"),
        pytest.param(answer(203, json_body(code=500, message="x", status="500")), "an error object", id="as text"),
        pytest.param(answer(200, json_body(success=False, message="x")), "an error object", id="success is false"),
        pytest.param(answer(200, json_body(status="error", message="x")), "an error object", id="JSend"),
        pytest.param(answer(200, json_body(status="FAILED", message="x")), "an error object", id="FAILED"),
        pytest.param(answer(200, json_body(status="error")), "an error object", id="status alone"),
        pytest.param(answer(200, json_body(code=404)), "an error object", id="code alone"),
        pytest.param(answer(200, json_body(code="AUTHENTICATIONFAILED", message="no")), ": no", id="a code in words"),
        pytest.param(answer(200, json_body(code="SESSION_NOT_FOUND", message="no")), ": no", id="another one"),
        pytest.param(answer(200, json_body(success="false")), "an error object", id="success is 'false'"),
        pytest.param(answer(200, json_body(ok=0)), "an error object", id="ok is 0"),
        pytest.param(answer(200, json_body(isError=True)), "an error object", id="isError"),
        pytest.param(answer(200, b'"{\\"error\\": \\"x\\"}"'), "an error object", id="JSON within JSON"),
        pytest.param(answer(200, b'{"error": "x"} x'), "an error object", id="broken JSON"),
        pytest.param(truncated(200, b'{"error": {"co'), "an error object", id="an error that broke off"),
        pytest.param(truncated(200, b'{"statusCode": 50'), "an error object", id="a status that broke off"),
        pytest.param(answer(200, b'[{"error": "x"}]'), "an error object", id="a list of errors"),
        pytest.param(
            answer(200, json_body(title="Not found", status=404), kind("application/problem+json")),
            "error object: Not found",
            id="problem+json",
        ),
        pytest.param(
            answer(200, json_body(title="Odd"), kind("application/problem+json")), "Odd", id="a problem without status"
        ),
        pytest.param(answer(202), "answered 202 Accepted: the change was accepted and is not made yet", id="202"),
        pytest.param(answer(206), "answered 206", id="206"),
        pytest.param(answer(207, b"[]"), "answered 207", id="207"),
        pytest.param(answer(208), "answered 208", id="208"),
        pytest.param(answer(226), "answered 226", id="226"),
        pytest.param(answer(299), "answered 299", id="299"),
        pytest.param(truncated(202, b""), "answered 202", id="202 that broke off"),
    ],
)
def test_a_2xx_that_does_not_confirm(driver: Driver, server: Server, step: Step, said: str) -> None:
    server.script(step, answer())
    with driver.client(server) as client:
        error = client.fails(UnconfirmedError)
        assert said in error.message
        assert (error.maybe_applied, error.attempts, error.replays) == (True, 1, 0)
        assert 200 <= (error.status or 0) < 300
        assert client.reschedule().attempts == 1
    assert len(server.requests) == 2  # it was not repeated, and the client is in order
    assert pickle.loads(pickle.dumps(error)).body == error.body


@pytest.mark.parametrize(
    "data",
    [
        {"status": "scheduled"},
        {"status": 200, "message": "ok"},
        {"statusCode": 200, "message": "Successful"},
        {"code": "OK", "message": "done"},
        {"code": 0, "message": "ok"},
        {"code": 200, "message": "ok"},
        {"code": "1203", "message": "ok", "status": 200},
        {"code": "AB-1", "sid": "ES1"},
        {"error": None},
        {"error": False},
        {"error": "", "errors": [], "status": "scheduled"},
        {"errors": {}, "errorMessage": None},
        {"success": True, "message": "moved"},
        {"message": "Session rescheduled"},
        {"title": "Exam", "status": "failed"},
        {"notes": {"error": "a value of the user's own"}},
        {"status": True},
        {"status": "failed", "sid": "ES1"},
        {"code": "Success", "message": "moved"},
        {"code": "", "message": "moved"},
        {"success": 1, "ok": "true"},
        {"failed": 0, "isError": False},
        '{"sid": "ES1"}',
        "{moved}",
        [{"sid": "ES1"}, {"error": "one of them"}],
        [],
        {},
        0,
        1.5,
        True,
        False,
        "error: moved",
        "a < b",
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [200, 201])
def test_a_value_that_is_no_error_confirms(driver: Driver, server: Server, status: int, data: Any) -> None:
    import json

    server.script(answer(status, json.dumps(data).encode()))
    with driver.client(server) as client:
        result = client.reschedule()
    assert (result.status, result.data) == (status, data)


@pytest.mark.parametrize(
    ("step", "data"),
    [
        pytest.param(answer(203), "Successful", id="203"),
        pytest.param(say(head(205, {"Content-Length": "0"})), None, id="205"),
        pytest.param(say(head(200, {**HTML, "Content-Length": "0"})), None, id="an empty body, whatever its type"),
        pytest.param(answer(200, b"moved", kind("application/octet-stream")), "moved", id="bytes that are text"),
        pytest.param(answer(200, b"a < b is true", TEXT), "a < b is true", id="text with a <"),
    ],
)
def test_other_answers_that_confirm(driver: Driver, server: Server, step: Step, data: Any) -> None:
    server.script(step)
    with driver.client(server) as client:
        assert client.reschedule().data == data


def test_an_unconfirmed_answer_is_told_to_generated_functions_too(driver: Driver, server: Server) -> None:
    server.script(answer(200, PAGE, HTML))
    with driver.client(server) as client, pytest.raises(SmarterProctoringError) as caught:
        client.generated()
    assert type(caught.value) is UnconfirmedError
    assert caught.value.maybe_applied


def test_an_unconfirmed_answer_after_others_tells_all_attempts(driver: Driver, server: Server) -> None:
    server.script(answer(500), answer(202))
    with driver.client(server) as client:
        error = client.fails(UnconfirmedError)
    assert (error.attempts, error.replays) == (2, 1)
    assert "after 2 attempts" in error.message
