"""Every request gets the answer that the spec, RFC 8259, 9110 or 9112 asks for; the vendor's form tells why."""

import gzip
import json
import re
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from mock.rawhttp import BODY, EXAM, INSTALL, JSON, PATH, SESSION, TOKEN, Client, Gone
from smarterproctoring_mock import MockApp
from smarterproctoring_mock.spec import load

HERE = Path(__file__).parent
GOOD = [("token", TOKEN), JSON]


# Right, but not the answer that the case calls best; mock/README.md gives the reason of each.
TOLERATED = {
    "line_two_spaces",
    "limit_endless_chunk_extension",
    "limit_endless_trailers",
    "depth_1M_unknown",
    "time_leap_second_mid_month",
    "te_tab_last",
    "chunk_extension_spaces",
}


@pytest.mark.slow
@pytest.mark.parametrize(("file", "number"), [("cases.json", 136), ("more_cases.json", 657)])
def test_the_cases_all_pass_exactly(client: Client, app: MockApp, tmp_path: Path, file: str, number: int) -> None:
    outcome = tmp_path / "outcome.json"
    runner, cases = HERE / "strictness" / "run_cases.py", HERE / "strictness" / file
    url = f"http://{client.host}"
    options = ["--cases", str(cases), "--json", str(outcome), "--quiet"]
    run = subprocess.run([sys.executable, runner, url, TOKEN, *options], capture_output=True, text=True, check=False)
    results = json.loads(outcome.read_text())
    assert len(results) == number
    assert not [r for r in results if r["verdict"] == "FAIL" or r["shape"] is False], run.stdout
    inexact = {r["name"] for r in results if r["verdict"] != "PASS" or r["exact"] is False}
    assert inexact == (TOLERATED if file == "more_cases.json" else set())
    for row in app.audit():
        if 400 <= row.status < 500 and row.status not in {413, 414, 431}:  # limits of this server
            assert re.search(r"\((#/|RFC )", row.reason), row.reason


def date(text: str) -> bytes:
    return json.dumps({"appointmentDateTime": text}).encode()


BODIES: list[tuple[str, bytes, int]] = [
    ("empty object", b"{}", 200),
    ("space around", b" \t\r\n{} \n", 200),
    ("every escape", rb'{"notes":"\"\\\/\b\f\n\r\t\u00e9"}', 200),
    ("surrogate pair", rb'{"notes":"\ud83d\ude00"}', 200),
    ("lone low surrogate", rb'{"notes":"\udc00"}', 200),
    ("lone surrogate as a key", rb'{"\ud800":1}', 200),
    ("backslash before ud800", rb'{"notes":"\\ud800"}', 200),
    ("high surrogate before a plain letter", rb'{"notes":"\ud800x"}', 200),
    ("minus zero", b'{"x":-0}', 200),
    ("underflow", b'{"x":1e-9999}', 200),
    ("big negative", b'{"x":-' + b"9" * 9999 + b"}", 200),
    ("U+2028 unescaped", '{"notes":"\u2028"}'.encode(), 200),
    ("DEL unescaped", b'{"notes":"\x7f"}', 200),
    ("U+10FFFF", '{"notes":"\U0010ffff"}'.encode(), 200),
    ("byte order mark", b"\xef\xbb\xbf{}", 400),
    ("UTF-16 with mark", "{}".encode("utf-16"), 400),
    ("UTF-32", "{}".encode("utf-32-le"), 400),
    ("octets beyond U+10FFFF", b'{"notes":"\xf4\x90\x80\x80"}', 400),
    ("nothing", b"", 400),
    ("null", b"null", 400),
    ("number", b"1", 400),
    ("two documents", b"{}{}", 400),
    ("comment", b"{}/**/", 400),
    ("leading zero", b'{"x":01}', 400),
    ("plus sign", b'{"x":+1}', 400),
    ("dot first", b'{"x":.5}', 400),
    ("dot last", b'{"x":5.}', 400),
    ("exponent without digits", b'{"x":1e}', 400),
    ("Arabic digit", '{"x":\u0661}'.encode(), 400),
    ("-Infinity", b'{"x":-Infinity}', 400),
    ("NaN deep inside", b'{"x":[[{"y":NaN}]]}', 400),
    ("upper-case true", b'{"x":True}', 400),
    ("undefined", b'{"x":undefined}', 400),
    ("form feed as space", b"\x0c{}", 400),
    ("vertical tab as space", b"{}\x0b", 400),
    ("missing colon", b'{"x" 1}', 400),
    ("missing comma", b'{"x":1 "y":2}', 400),
    ("comma only", b"{,}", 400),
    ("number as a key", b"{1:1}", 400),
    ("unterminated string", b'{"notes":"', 400),
    ("raw newline in a string", b'{"notes":"\n"}', 400),
    ("escape of eight digits", rb'{"notes":"\U0001f600"}', 400),
    ("u-escape with a sign", rb'{"notes":"\u+123"}', 400),
    ("equal keys, equal values", b'{"notes":"a","notes":"a"}', 400),
    ("equal keys, nested", b'{"x":[{"a":1,"a":2}]}', 400),
    ("equal keys, one escaped", rb'{"notes":"a","n\u006ftes":"b"}', 400),
    ("equal keys below the recursive decoder", b'{"x":' + b"[" * 500 + b'{"a":1,"a":2}' + b"]" * 500 + b"}", 400),
    ("comma at the bottom", b'{"x":' + b"[" * 500 + b"1," + b"]" * 500 + b"}", 400),
    ("brackets that cross", b'{"x":' + b"[" * 500 + b"}" + b"]" * 500 + b"}", 400),
    ("NaN at the bottom", b'{"x":' + b"[" * 500 + b"NaN" + b"]" * 500 + b"}", 400),
    ("deeper than the limit", b'{"x":' + b"[" * 150_001 + b"]" * 150_001 + b"}", 400),
    ("as deep as the limit", b'{"x":' + b"[" * 149_999 + b"]" * 149_999 + b"}", 200),
    ("many brackets, flat", b'{"x":[' + b",".join([b"{}"] * 5000) + b"]}", 200),
    ("deep value of a declared field", b'{"type":' + b"[" * 300 + b"]" * 300 + b"}", 400),
    ("8 MiB and an octet", b'{"notes":"' + b"a" * (8 * 1024 * 1024 - 11) + b'"}', 413),
    ("8 MiB", b'{"notes":"' + b"a" * (8 * 1024 * 1024 - 12) + b'"}', 200),
    ("20 MiB", b"a" * (20 * 1024 * 1024), 413),
    ("lower-case t", date("2030-01-01t10:00:00Z"), 200),
    ("lower-case z", date("2030-01-01T10:00:00z"), 400),
    ("space for T", date("2030-01-01 10:00:00Z"), 400),
    ("many fraction digits", date("2030-01-01T10:00:00.123456789012345678Z"), 200),
    ("no fraction digits", date("2030-01-01T10:00:00.Z"), 400),
    ("comma fraction", date("2030-01-01T10:00:00,5Z"), 400),
    ("leap second", date("2016-12-31T23:59:60Z"), 200),
    ("leap second at noon", date("2016-12-31T12:00:60Z"), 400),
    ("second 61", date("2016-12-31T23:59:61Z"), 400),
    ("24:00", date("2030-01-01T24:00:00Z"), 400),
    ("year 0000", date("0000-01-01T00:00:00Z"), 200),
    ("year of five digits", date("12030-01-01T00:00:00Z"), 400),
    ("month 13", date("2030-13-01T00:00:00Z"), 400),
    ("day 0", date("2030-01-00T00:00:00Z"), 400),
    ("29 February of a common year", date("2023-02-29T00:00:00Z"), 400),
    ("29 February of 1900", date("1900-02-29T00:00:00Z"), 400),
    ("29 February of 2000", date("2000-02-29T00:00:00Z"), 200),
    ("no seconds", date("2030-01-01T10:00Z"), 400),
    ("offset and Z", date("2030-01-01T10:00:00+00:00Z"), 400),
    ("week date", date("2030-W01-1T10:00:00Z"), 400),
    ("newline at the end", date("2030-01-01T10:00:00Z\n"), 400),
    ("space at the end", date("2030-01-01T10:00:00Z "), 400),
    ("Arabic digits in a date", date("\u0662\u0660\u0663\u0660-01-01T10:00:00Z"), 400),
    ("minus in UTF-8", date("2030\u221201\u221201T10:00:00Z"), 400),
    ("negative year", date("-2030-01-01T10:00:00Z"), 400),
    ("empty date", date(""), 400),
    ("a field in another case is unknown", b'{"Type":1}', 200),
]


@pytest.mark.parametrize(("body", "status"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES])
def test_bodies(client: Client, body: bytes, status: int) -> None:
    answer = client.put(body)
    assert answer.status == status, answer.body
    if status == 200:
        assert answer.json == "Session rescheduled"
        assert answer.headers["content-type"] == "application/json"
    else:
        assert set(answer.json) == {"code", "message", "status", "more_info"}
        assert answer.json["status"] == status


TYPES: list[tuple[str, int]] = [
    ("application/json;", 200),
    ("application/json ; ; charset=utf-8", 200),
    ('application/json;a="b;c=\\"d"', 200),
    ("APPLICATION/json;CHARSET=UTF-8", 200),
    ("application/json;charset=", 415),
    ("application/json; charset", 415),
    ("application/json; charset =utf-8", 415),
    ('application/json; charset="utf-8', 415),
    ("application/json, application/json", 415),
    ("application/json charset=utf-8", 415),
    ("application /json", 415),
    ("application/", 415),
    ("application/json/", 415),
    ("text/json", 415),
    ("application/json+x", 415),
    ("application/*", 415),
    ("\xe9/json", 415),
]


@pytest.mark.parametrize(("value", "status"), TYPES)
def test_content_types(client: Client, value: str, status: int) -> None:
    assert client.put(headers=[("token", TOKEN), ("Content-Type", value)]).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param([("token", TOKEN)], 415, id="no content type"),
        pytest.param([("token", TOKEN), JSON, JSON], 415, id="content type twice"),
        pytest.param([("token", TOKEN), ("token", TOKEN), JSON], 401, id="token twice"),
        pytest.param([("token", TOKEN), ("token", ""), JSON], 401, id="token and an empty one"),
        pytest.param([("token", " \t "), JSON], 401, id="token of spaces"),
        pytest.param([("token", TOKEN + "x"), JSON], 401, id="token too long"),
        pytest.param([("token", TOKEN.upper()), JSON], 401, id="token in another case"),
        pytest.param([("token", f"Bearer {TOKEN}"), JSON], 401, id="token with a scheme"),
        pytest.param([("token", "\xff"), JSON], 401, id="token of another alphabet"),
        pytest.param([("TOKEN", f"\t{TOKEN}  "), JSON], 200, id="field name in capitals, spaces around"),
        pytest.param([*GOOD, ("Content-Encoding", "identity")], 200, id="identity"),
        pytest.param([*GOOD, ("Content-Encoding", "")], 200, id="empty coding"),
        pytest.param([*GOOD, ("Content-Encoding", "br")], 415, id="brotli"),
        pytest.param([*GOOD, ("Content-Encoding", "gzip;q=1")], 415, id="coding with a parameter"),
        pytest.param([*GOOD, ("Content-Encoding", "deflate")], 400, id="plain body said to be deflated"),
        pytest.param([*GOOD, ("Content-Encoding", ", ".join(["identity"] * 9))], 415, id="nine codings"),
        pytest.param([*GOOD, ("Accept", "text/html")], 200, id="accepts other types only"),
        pytest.param([*GOOD, ("Prefer", "code=abc")], 400, id="no status in Prefer"),
        pytest.param([*GOOD, ("Prefer", "code=199")], 400, id="interim status in Prefer"),
        pytest.param([*GOOD, ("Prefer", "respond-async, wait=10")], 200, id="other preferences"),
        pytest.param([*GOOD, ("X-Long", "a" * 65536)], 431, id="fields of 64 KiB"),
    ],
)
def test_header_fields(client: Client, headers: list[tuple[str, str]], status: int) -> None:
    answer = client.put(headers=headers)
    assert answer.status == status, answer.body
    if status == 401:
        assert answer.json["code"] == "AUTHENTICATIONFAILED"
        assert "www-authenticate" in answer.headers
        twice = len([name for name, _ in headers if name == "token"]) > 1
        assert ("sent 2 times" in answer.json["message"]) is twice


def _raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        pytest.param("gzip", gzip.compress(BODY), 200, id="gzip"),
        pytest.param("X-GZIP", gzip.compress(BODY), 200, id="its old name"),
        pytest.param("gzip", gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]), 200, id="gzip of two members"),
        pytest.param("deflate", zlib.compress(BODY), 200, id="deflate"),
        pytest.param("deflate", _raw_deflate(BODY), 200, id="deflate without zlib's header"),
        pytest.param("deflate, gzip", gzip.compress(zlib.compress(BODY)), 200, id="both, in order"),
        pytest.param("gzip, deflate", gzip.compress(zlib.compress(BODY)), 400, id="both, in the wrong order"),
        pytest.param("gzip", gzip.compress(BODY)[:-1], 400, id="gzip without its last octet"),
        pytest.param("gzip", gzip.compress(BODY) + b"x", 400, id="gzip and an octet"),
        pytest.param("deflate", zlib.compress(BODY) + b"x", 400, id="deflate and an octet"),
        pytest.param("gzip", gzip.compress(BODY)[:-8] + b"\0" * 8, 400, id="gzip with a wrong sum"),
        pytest.param("gzip", gzip.compress(b"") * 1000, 400, id="a thousand empty members"),
        pytest.param("gzip", b"", 400, id="nothing"),
    ],
)
def test_content_codings(client: Client, coding: str, body: bytes, status: int) -> None:
    answer = client.put(body, headers=[*GOOD, ("Content-Encoding", coding)])
    assert answer.status == status, answer.body


@pytest.mark.slow
def test_a_bomb_is_not_unpacked(client: Client) -> None:
    bomb = gzip.compress(b" " * 10**8, compresslevel=1)
    for coding, body in (("gzip", bomb), ("gzip, gzip", gzip.compress(bomb))):
        answer = client.put(body, headers=[*GOOD, ("Content-Encoding", coding)])
        assert answer.status == 413, answer.body


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param(PATH.replace("AI0", "%41I0"), 200, id="encoded letter in a SID"),
        pytest.param("".join(f"%{ord(c):02x}" if c != "/" else c for c in PATH), 200, id="every letter encoded"),
        pytest.param(PATH.replace("AI0", "%2541I0"), 400, id="encoded twice"),
        pytest.param(PATH.replace("/v1", "/V1"), 404, id="literal in another case"),
        pytest.param(PATH.replace("AI", "ai"), 400, id="prefix in another case"),
        pytest.param(PATH[:-1] + "A", 400, id="upper-case hex digit"),
        pytest.param(PATH + "2", 400, id="33 digits"),
        pytest.param(PATH[:-2] + "%ZZ", 404, id="percent sign that starts no octet"),
        pytest.param(PATH[:-2] + "%2", 404, id="percent sign at the end"),
        pytest.param(PATH[:-2] + "%FF", 404, id="no UTF-8"),
        pytest.param(PATH + "%00", 400, id="encoded NUL"),
        pytest.param(PATH + "%E2%80%A8", 400, id="encoded line separator"),
        pytest.param(PATH + "/", 404, id="slash at the end"),
        pytest.param(PATH + ";", 400, id="semicolon"),
        pytest.param(PATH.replace("/exams/", "/./exams/"), 404, id="dot segment"),
        pytest.param(PATH.replace("/exams/", "/x/../exams/"), 404, id="dot-dot segments"),
        pytest.param(PATH.replace("/exams/", "%2fexams/"), 404, id="encoded slash as a separator"),
        pytest.param(PATH.replace("/exams/", "\\exams/"), 404, id="backslash as a separator"),
        pytest.param(PATH.replace(INSTALL, ""), 400, id="empty segment"),
        pytest.param(PATH + "?x=%ZZ&y=%FF", 200, id="odd undeclared query"),
        pytest.param(PATH + "?" + "a" * 20_000, 414, id="query of 20,000 octets"),
        pytest.param("/" + "a" * 70_000, 414, id="path of 70,000 octets"),
        pytest.param("/_mockx", 404, id="beside the admin interface"),
        pytest.param("/", 404, id="root"),
    ],
)
def test_paths(client: Client, path: str, status: int) -> None:
    answer = client.put(path=path)
    assert answer.status == status, answer.body
    if status != 200:
        assert answer.json["status"] == status


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "pUT", "X"])
def test_other_methods_are_405_with_allow(client: Client, app: MockApp, method: str) -> None:
    answer = client.call(method, body=None, headers=[])
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, PUT"
    assert answer.json["status"] == 405
    assert app.requests()[0].method == method


def test_head_is_405_without_a_body_and_the_connection_goes_on(client: Client) -> None:
    first = client.request("HEAD", body=None, headers=[], close=False)
    answers = client.exchange(first, head=True)
    assert answers[0].status == 405
    assert int(answers[0].headers["content-length"]) > 0
    assert client.exchange(first + client.request(), head=True, answers=2)[1].status == 200


def test_an_unknown_method_on_an_unknown_path_is_404(client: Client) -> None:
    assert client.call("FOO", "/nowhere").status == 404


def test_connect_is_refused(client: Client) -> None:
    data = f"CONNECT {client.host} HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode()
    assert 400 <= client.exchange(data)[0].status < 500


def test_options_asterisk_is_refused_and_not_an_error(client: Client) -> None:
    data = f"OPTIONS * HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode()
    assert 400 <= client.exchange(data)[0].status < 500


def _framed(client: Client, fields: str, content: bytes) -> bytes:
    head = f"PUT {PATH} HTTP/1.1\r\nHost: {client.host}\r\ntoken: {TOKEN}\r\nContent-Type: application/json\r\n"
    return f"{head}{fields}\r\n".encode("latin-1") + content


def settle(client: Client) -> None:
    """Return once the application has seen everything so far: the protocol answers broken framing ahead of it."""
    assert client.call("GET", "/nowhere", None, []).status == 404


CHUNKED = b"%x\r\n%b\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize(
    ("fields", "content", "status"),
    [
        pytest.param("Transfer-Encoding: chunked\r\n", CHUNKED + b"0\r\nX-Sum: 1\r\n\r\n", 200, id="trailer field"),
        pytest.param("Transfer-Encoding: Chunked\r\n", CHUNKED + b"0\r\n\r\n", 200, id="coding in another case"),
        pytest.param("Transfer-Encoding: gzip, chunked\r\n", CHUNKED + b"0\r\n\r\n", 400, id="two codings"),
        pytest.param("Transfer-Encoding: chunked, gzip\r\n", CHUNKED + b"0\r\n\r\n", 400, id="chunked not last"),
        pytest.param(
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", CHUNKED + b"0\r\n\r\n", 400, id="both framings"
        ),
        pytest.param("Content-Length: 0\r\n", b"", 400, id="empty body"),
        pytest.param(f"Content-Length: {len(BODY)}, {len(BODY)}\r\n", BODY, 400, id="length listed twice"),
        pytest.param("Content-Length: 0x10\r\n", BODY, 400, id="length in hex"),
        pytest.param("Content-Length: 99999999999999999999\r\n", BODY, 400, id="length beyond 64 bits"),
        pytest.param(f"X-Fold: a\r\n b\r\nContent-Length: {len(BODY)}\r\n", BODY, (200, 400), id="folded field"),
        pytest.param(f"X : a\r\nContent-Length: {len(BODY)}\r\n", BODY, 400, id="space before the colon"),
        pytest.param(f"X: a\0b\r\nContent-Length: {len(BODY)}\r\n", BODY, 400, id="NUL in a field"),
        pytest.param(
            f"Host: a b\r\nContent-Length: {len(BODY)}\r\n", BODY, 400, id="a second Host, and no host at that"
        ),
    ],
)
def test_framing(client: Client, fields: str, content: bytes, status: int | tuple[int, ...]) -> None:
    answer = client.exchange(_framed(client, fields, content))[0]
    assert answer.status in (status if isinstance(status, tuple) else (status,)), answer.body
    if answer.status == 400:
        assert set(answer.json) == {"code", "message", "status", "more_info"}


@pytest.mark.parametrize("host", ["a b", "a/b", "[::1", "a@b", "h:80x", "\xe9"])
def test_host_fields_that_are_no_host(client: Client, host: str) -> None:
    data = client.request().replace(f"Host: {client.host}".encode(), f"Host: {host}".encode("latin-1"))
    assert client.exchange(data)[0].status == 400


@pytest.mark.parametrize("host", ["", "example.org", "[::1]:80", "a.b:", "A%41"])
def test_host_fields_that_are_one(client: Client, host: str) -> None:
    data = client.request().replace(f"Host: {client.host}".encode(), f"Host: {host}".encode())
    assert client.exchange(data)[0].status == 200


def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    good, bad = client.request(close=False), client.request(body=b"[]", close=False)
    answers = client.exchange(good + bad + good + client.request("FOO"), answers=3)
    assert [answer.status for answer in answers] == [200, 400, 200]


def test_octets_after_a_whole_request_do_not_spoil_its_answer(client: Client, app: MockApp) -> None:
    answers = client.exchange(client.request(close=False) + b"\x00garbage\r\n\r\n", answers=2)
    assert [answer.status for answer in answers] == [200, 400]
    assert answers[1].headers["connection"] == "close"
    assert len(app.requests(status=200)) == 1


def test_a_broken_chunk_is_never_acted_upon(client: Client, app: MockApp) -> None:
    data = _framed(client, "Transfer-Encoding: chunked\r\n", CHUNKED + b"zz\r\n")
    assert client.exchange(data)[0].status == 400
    settle(client)
    assert app.sessions() == []


def test_a_client_that_shuts_its_side_still_gets_the_answer(client: Client, app: MockApp) -> None:
    assert client.exchange(client.request(close=False), shut=True)[0].status == 200
    app.add_faults({"delay": 0.1})  # the answer is not yet there when the end of the request is seen
    assert client.exchange(client.request(close=False), shut=True)[0].status == 200


@pytest.mark.parametrize("cut", [10, 60, -len(BODY), -1])
def test_a_request_that_stops_early_is_400_and_changes_nothing(client: Client, app: MockApp, cut: int) -> None:
    data = client.request()
    answer = client.exchange(data[:cut], shut=True)[0]
    assert answer.status == 400
    assert answer.json["status"] == 400
    settle(client)
    assert app.sessions() == []


def test_a_body_that_is_whole_too_early_is_not_acted_upon(client: Client, app: MockApp) -> None:
    data = client.request(body=b'{"notes":"x"}   ')
    assert client.exchange(data[:-2], shut=True)[0].status == 400
    settle(client)
    assert app.sessions() == []
    assert app.audit()[0].status == 0


def test_a_byte_order_mark_is_called_by_its_name(client: Client) -> None:
    assert "byte order mark" in client.put(b"\xef\xbb\xbf{}").json["message"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("Content-Length: 1x\r\n", "Content-Length"),
        ("Transfer-Encoding: gzip\r\n", "Transfer-Encoding"),
        ("X : y\r\n", "header"),
        ("X: a\0b\r\n", "header value"),
    ],
)
def test_broken_framing_is_called_by_its_name(client: Client, fields: str, said: str) -> None:
    answer = client.exchange(_framed(client, fields, BODY))[0]
    assert answer.status == 400
    assert said in answer.json["message"]
    assert "RFC 9112" in answer.json["message"]


def test_a_connection_without_a_request_is_just_closed(client: Client) -> None:
    with pytest.raises(Gone):
        client.exchange(b"", shut=True)


def test_a_client_that_waits_is_told_to_go_on(client: Client) -> None:
    assert client.put(headers=[*GOOD, ("Expect", "100-continue")]).status == 200


def test_a_client_that_waits_is_not_told_to_go_on_in_vain(client: Client) -> None:
    head = client.request(headers=[JSON, ("Expect", "100-continue")], close=False)[: -len(BODY)]
    answer = client.exchange(head)[0]
    assert answer.status == 401
    assert answer.headers["connection"] == "close"
    with socket.create_connection(client.address, 30) as connection:
        connection.sendall(head)
        assert b"".join(iter(lambda: connection.recv(65536), b"")).startswith(b"HTTP/1.1 401 "), "closed by the server"
    length = f"Content-Length: {10**9}\r\n"
    head = _framed(client, length + "Expect: 100-continue\r\n", b"")
    assert client.exchange(head)[0].status == 413


def test_an_upgrade_that_is_offered_is_ignored(client: Client, app: MockApp) -> None:
    # Java's HTTP client offers h2c with its first request on each connection.
    offer = [
        *GOOD,
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
    ]
    assert client.exchange(client.request(headers=offer, close=False))[0].status == 200
    (request,) = app.requests()
    assert ("upgrade", "h2c") in request.headers
    assert request.body == BODY


def _send_in_two(client: Client, data: bytes, cut: int) -> bytes:
    with socket.create_connection(client.address, 30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(data[:cut])
        time.sleep(0.002)  # so that the parts most likely arrive apart
        connection.sendall(data[cut:])
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_where_a_request_is_split_makes_no_difference(client: Client, app: MockApp) -> None:
    offer = client.request(headers=[*GOOD, ("Connection", "Upgrade"), ("Upgrade", "h2c")], close=False)
    offer += client.request("POST", body=None)
    start = offer.index(b"Connection")
    for cut in range(start, offer.index(b"h2c") + 20):
        answer = _send_in_two(client, offer, cut)
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"405"], (cut, answer)
    both = client.request("FOO", headers=[*GOOD, ("Connection", "Upgrade"), ("UPGRADE", "h2c")])
    assert _send_in_two(client, both, 2).startswith(b"HTTP/1.1 405 ")
    assert ("upgrade", "h2c") in app.requests(method="FOO")[0].headers
    unknown = client.request("PUTS")
    for cut in range(1, 10):
        assert _send_in_two(client, unknown, cut).startswith(b"HTTP/1.1 405 "), cut


def test_a_request_that_waits_behind_another_starts_whatever_else_has_come(client: Client, app: MockApp) -> None:
    app.add_faults({"delay": 0.3})
    one, last = client.request(close=False), client.request()
    with socket.create_connection(client.address, 30) as connection:
        connection.sendall(one + one + last[:40])
        answers = connection.makefile("rb")
        count = 0
        while count < 2:  # the two whole ones, before the third goes on
            count += b"HTTP/1.1 200 " in answers.readline()
        connection.sendall(last[40:])
        assert b"HTTP/1.1 200 " in answers.read()


def test_trailer_fields_are_no_header_fields(client: Client, app: MockApp) -> None:
    fields = "Transfer-Encoding: chunked\r\n"
    data = _framed(client, fields, CHUNKED + b"0\r\ntoken: another\r\nX-Sum: 1\r\n\r\n")
    answers = client.exchange(data + client.request(), answers=2)
    assert [answer.status for answer in answers] == [200, 200]
    first, second = app.requests()
    assert [name for name, _ in first.headers] == ["host", "token", "content-type", "transfer-encoding"]
    assert "x-sum" not in dict(second.headers)


def test_the_host_of_an_absolute_target_counts(client: Client, app: MockApp) -> None:
    assert client.call(path=f"http://elsewhere.example:81{PATH}?a=1").status == 200
    (request,) = app.requests()
    assert dict(request.headers)["host"] == "elsewhere.example:81"
    assert request.path == PATH + "?a=1"


def test_a_client_of_http_1_0_is_not_told_to_go_on(client: Client) -> None:
    data = client.request(headers=[*GOOD, ("Expect", "100-continue")]).replace(b"HTTP/1.1", b"HTTP/1.0")
    with socket.create_connection(client.address, 30) as connection:
        connection.sendall(data)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(("start", "status"), [("PUT / HTTP/1.1\r\nX: ", 431), ("PUT /", 414)])
def test_a_head_without_an_end_is_answered(client: Client, start: str, status: int) -> None:
    answer = client.exchange(start.encode() + b"a" * (1024 * 1024 + 1))[0]
    assert answer.status == status
    assert answer.json["status"] == status


# --- what a refusal says ----------------------------------------------------------------------------------


def test_every_problem_is_named_with_its_field_rule_and_place(client: Client) -> None:
    body = b'{"type":"zoom","notes":1,"appointmentDateTime":"tomorrow"}'
    answer = client.put(body, PATH.replace(EXAM, "EXx"))
    message = answer.json["message"]
    assert answer.status == 400
    for field, rule, place in [
        ("path.examSid", "must match the pattern", "#/components/parameters/ExamSid/schema/pattern"),
        ("body.type", "must be one of", "#/components/schemas/SystemType/enum"),
        ("body.notes", "must be of type", "#/components/schemas/SessionChange/properties/notes/type"),
        (
            "body.appointmentDateTime",
            "pattern",
            "#/components/schemas/SessionChange/properties/appointmentDateTime/pattern",
        ),
        (
            "body.appointmentDateTime",
            "valid",
            "#/components/schemas/SessionChange/properties/appointmentDateTime/format",
        ),
    ]:
        assert re.search(f"{field} [^;]*{rule}[^;]*\\({re.escape(place)}\\)", message), (field, message)


def _lookup(pointer: str) -> object:
    node: object = load().document
    for part in pointer.removeprefix("#/").split("/"):
        assert isinstance(node, dict)
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


@pytest.mark.parametrize(
    "call",
    [
        ("PUT", PATH, b"[]", GOOD),
        ("PUT", PATH, b"{", GOOD),
        ("PUT", PATH, b"", GOOD),
        ("PUT", PATH, b"{}", [JSON]),
        ("PUT", PATH, b"{}", [("token", TOKEN)]),
        ("PUT", PATH + "x", b'{"type":1,"phone":2}', GOOD),
        ("GET", PATH, None, []),
        ("PUT", "/", b"{}", GOOD),
    ],
)
def test_the_places_named_are_places_of_the_spec(
    client: Client, call: tuple[str, str, bytes | None, list[tuple[str, str]]]
) -> None:
    message = client.call(*call).json["message"]
    places = re.findall(r"\((#[^ ()]*)\)", message)
    assert places, message
    for place in places:
        _lookup(place)


SECRETS = [
    b'{"email":["ada@secret.example"]}',
    b'{"type":"ada@secret.example"}',
    b'{"appointmentDateTime":"ada@secret.example"}',
    b'{"ada@secret.example":1,"ada@secret.example":2}',
    b'{"notes":"ada@secret.example',
    b'["ada@secret.example"]',
    b"ada@secret.example",
]


@pytest.mark.parametrize("body", SECRETS)
def test_a_refusal_repeats_nothing_of_the_request(client: Client, app: MockApp, body: bytes) -> None:
    answer = client.put(body, PATH + "ada@secret.example", [("token", TOKEN), JSON])
    assert answer.status == 400
    assert b"secret" not in answer.body
    assert SESSION.encode() not in answer.body
    wrong = client.put(body, headers=[("token", "a-secret-token"), JSON])
    assert wrong.status == 401
    assert b"secret" not in wrong.body
    assert not [row for row in app.audit() if "secret" in row.reason]
