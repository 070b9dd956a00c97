"""What a hostile client sends: no pattern backtracks, no body holds the server, and memory stays bounded.

Nothing here is measured in seconds. Steps are counted, octets are added up, and a server that hangs fails by the
client's timeout.
"""

import ast
import contextlib
import gzip
import json
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import smarterproctoring_mock
from mock.documents import read_document, write_document
from mock.rawhttp import BODY, JSON, PATH, TOKEN, Client, path_of
from mock.regex_steps import grows_evenly
from smarterproctoring_mock import MockApp, SpecError, running_server, wire
from smarterproctoring_mock import record as record_module
from smarterproctoring_mock import request_body as body_module
from smarterproctoring_mock import store as store_module
from smarterproctoring_mock.spec import load
from smarterproctoring_mock.store import Store
from smarterproctoring_mock.strict_json import MAX_VALUES, NotJsonError, loads

GOOD = [("token", TOKEN), JSON]
PACKAGE = Path(smarterproctoring_mock.__file__).parent
MIB = 1024 * 1024

# --- regular expressions ------------------------------------------------------------------------------------

STARTS = ["", "a/b", '"', "http://", "\\ud800"]
OF_THE_SPEC = {r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|[^()|*+?{}]"}
"""Takes a pattern of the spec apart to write a text that matches; no request reaches it."""
DYNAMIC = {"examples.py": 1}
"""Patterns put together at run time: the atoms of a pattern of the spec."""
OLD = {
    "the media type of version 1.0.0": r'a/b(?:[ \t]*;[ \t]*(?:[a-z]+=(?:[a-z]+|"(?:[^"\\]|\\.)*"))?)*[ \t]*',
    "the target of version 1.0.0": r"http://([^/?#]+)[^#]*",
    "nested": "(a+)+$",
    "neighbours": "a*a*$",
}


def python_patterns() -> Iterator[tuple[str, str]]:
    """Find the pattern of every call of `re` in the package."""
    functions = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
    for file in sorted(PACKAGE.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            module = node.func.value
            if isinstance(module, ast.Name) and module.id == "re" and node.func.attr in functions:
                pattern = node.args[0]
                text = pattern.value if isinstance(pattern, ast.Constant) else None
                yield file.name, text.decode("latin-1") if isinstance(text, bytes) else str(text or "")


def script_patterns() -> Iterator[tuple[str, str]]:
    """Find the regular expressions of the page's scripts."""
    literal = re.compile(r"(?:split|replace|replaceAll|match|matchAll|search)\(/(.+?)/[a-z]*[,)]|/(\^.+?)/[a-z]*\.")
    for file in sorted((PACKAGE / "page").glob("*.js")):
        for match in literal.finditer(file.read_text(encoding="utf-8")):
            yield file.name, match[1] or match[2]


def test_no_pattern_backtracks() -> None:
    found = [*python_patterns(), *script_patterns()]
    dynamic = [file for file, pattern in found if not pattern]
    assert {file: dynamic.count(file) for file in dynamic} == DYNAMIC
    patterns = {(file, pattern) for file, pattern in found if pattern} - {("examples.py", p) for p in OF_THE_SPEC}
    assert len(patterns) > 20
    assert {"wire.py", "strict_json.py", "fault.py", "http_parser.py", "requests.js"} <= {file for file, _ in patterns}
    assert sorted(one for one in patterns if not grows_evenly(one[1], STARTS)) == []


@pytest.mark.parametrize("pattern", OLD.values(), ids=OLD)
def test_a_pattern_that_backtracks_is_found(pattern: str) -> None:
    assert not grows_evenly(pattern, STARTS)


def with_notes(tmp_path: Path, **rules: Any) -> Path:
    """Write a spec whose notes have further rules."""
    document = read_document()
    document["components"]["schemas"]["SessionChange"]["properties"]["notes"] |= rules
    file = tmp_path / "spec.yaml"
    write_document(file, document)
    return file


@pytest.mark.parametrize("pattern", [r"^(a+)+\1$", "^(?!x)(a|a)+$", "^(?=a)(a+)+$", "(?<=a)b"])
def test_a_pattern_of_the_spec_that_needs_backtracking_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(SpecError, match=r"SessionChange/properties/notes/pattern: the pattern .* without"):
        load(with_notes(tmp_path, pattern=pattern))


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "^(.*a){12}$", r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-z0-9]+))*$"]
)
def test_nested_repetition_in_a_pattern_of_the_spec_does_not_backtrack(tmp_path: Path, pattern: str) -> None:
    app = MockApp(spec=with_notes(tmp_path, pattern=pattern), token=TOKEN)
    (rules,) = app.spec.operations["rescheduleExamSession"].bodies.values()
    assert not rules.is_valid({"notes": "a" * 100_000 + "!"})


# --- heads --------------------------------------------------------------------------------------------------

HEADS: dict[str, tuple[str, list[tuple[str, str]], set[int]]] = {
    "semicolons, 60 octets": (PATH, [("Content-Type", "text/plain" + " ;" * 24 + ",")], {415}),
    "semicolons, 101 octets": (PATH, [("Content-Type", "text/plain" + " ; " * 30 + ",")], {415}),
    "semicolons and tabs": (PATH, [("Content-Type", "text/plain" + "\t; \t" * 8000 + ",")], {415}),
    "parameters": (PATH, [("Content-Type", "text/plain" + ";a=a" * 8000 + ",")], {415}),
    "quotes": (PATH, [("Content-Type", 'text/plain;a="' + '\\"' * 8000)], {415}),
    "a long type": (PATH, [("Content-Type", "a" * 60_000)], {415}),
    "preferences": (PATH, [JSON, ("Prefer", "a" + " ; " * 20_000 + "=")], {200}),
    "commas of preferences": (PATH, [JSON, ("Prefer", ", " * 30_000 + "=")], {200}),
    "quotes of preferences": (PATH, [JSON, ("Prefer", 'a="' + "\\\\" * 30_000)], {200}),
    "a host": (PATH, [JSON, ("Accept", "*/*"), ("X", "%41" * 20_000)], {200}),
    "codings": (PATH, [JSON, ("Content-Encoding", "," * 60_000)], {200}),
    "many codings": (PATH, [JSON, ("Content-Encoding", "gzip," * 10_000)], {415}),
    "cookies": (PATH, [JSON, ("Cookie", "a=;" * 20_000)], {200}),
    "a fragment after a long host": ("http://" + "a" * 15_000 + "#", [JSON], {400}),
    "a host of percent signs": ("http://" + "%" * 15_000 + "/", [JSON], {400}),
    "an accept": ("/", [JSON, ("Accept", "," * 60_000)], {404}),
    "a larger accept": ("/", [JSON, ("Accept", "," * 900_000)], {404, 431}),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_hostile_head_is_answered(client: Client, app: MockApp, name: str) -> None:
    path, headers, statuses = HEADS[name]
    assert client.call("PUT", path, BODY, [("token", TOKEN), *headers]).status in statuses
    assert client.call("GET", path, None, headers).status in {400, 401, 404, 405, 431}
    assert client.put().status == 200


def test_a_host_of_any_kind_is_judged() -> None:
    for value in (b"%41" * 300_000 + b"#", b"a" * 1_000_000 + b"/", b"[" + b":" * 1_000_000, b":" * 1_000_000):
        assert not wire.valid_host(value)
    assert wire.valid_host(b"%41" * 300_000 + b":80")


@pytest.mark.parametrize("template", ["/x/{a}-{b}-{c}", "/x/{a}.{b}.{c}.json"])
def test_a_segment_of_several_parameters_is_split_in_one_pass(tmp_path: Path, template: str) -> None:
    document = read_document()
    parameters = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in "abc"]
    document["paths"][template] = {"get": {"parameters": parameters, "responses": {"204": {"description": "x"}}}}
    file = tmp_path / "spec.yaml"
    write_document(file, document)
    spec = load(file)
    mark = "-" if "-" in template else "."
    end = "" if mark == "-" else ".json"
    found = spec.match(["x", f"1{mark}2{mark}3{end}"])
    assert found is not None
    assert found[1] == ("1", "2", "3")
    assert spec.match(["x", f"{mark * 4_000_000}{end}x" if end else "1" * 4_000_000]) is None
    assert spec.match(["x", f"{mark}{mark}{end}"]) is None


# --- bodies -------------------------------------------------------------------------------------------------


def filled(unit: bytes, before: bytes, after: bytes, size: int = 2 * MIB) -> bytes:
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


def python_calls(function: Callable[[], object]) -> int:
    """Count the calls, of Python's own functions too, that a function makes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls


MANY: dict[str, Callable[[], bytes]] = {
    "lists": lambda: filled(b"[],", b"[", b"0]"),
    "objects": lambda: filled(b"{},", b"[", b"0]"),
    "small objects": lambda: filled(b'{"":0},', b"[", b"0]"),
    "lists in deep ones": lambda: filled(b"[],", b"[" * 150, b"0" + b"]" * 150),
    "members": lambda: b"{" + b",".join(b'"%d":0' % number for number in range(200_000)) + b"}",
    "numbers": lambda: filled(b"0,", b"[", b"0]"),
    "strings": lambda: filled(b'"",', b"[", b"0]"),
    "a deep document": lambda: b"[" * 200_000 + b"]" * 200_000,
    "an unclosed one": lambda: b"[" * MIB,
    "space": lambda: filled(b"[ ], \n", b"[", b"0]"),
}


@pytest.mark.parametrize("name", MANY)
def test_a_document_of_too_many_values_is_refused_before_it_is_read(name: str) -> None:
    document = MANY[name]()

    def read() -> None:
        with pytest.raises(NotJsonError, match="more than 150,000 values"):
            loads(document)

    assert python_calls(read) < 500


def test_what_stands_in_strings_is_not_counted() -> None:
    for text in ("[],{}," * 100_000, '\\"[,' * 100_000, "\\\\" * 300_000, ",\\\\" * 200_000):
        assert loads(b'{"notes": "' + text.encode() + b'"}') == {"notes": json.loads(f'"{text}"')}
    with pytest.raises(NotJsonError, match="values"):
        loads(b'["\\\\",' + b"[]," * 200_000 + b'"\\""]')


def test_the_limit_is_exact() -> None:
    def of(values: int) -> bytes:
        return json.dumps({"a": [[], {}, "", *[0] * (values - 5)]}).encode()

    assert isinstance(loads(of(MAX_VALUES)), dict)
    with pytest.raises(NotJsonError):
        loads(of(MAX_VALUES + 1))


@pytest.mark.parametrize(
    "document",
    [
        b"[" * 2500 + b"]" * 2500,
        b'{"":' * 2500 + b"0" + b"}" * 2500,
        b"[" * 101 + b"[]," * 2500 + b"0" + b"]" * 101,
        b"[" * 101 + b'"' + b"[{" * MIB + b'"' + b"]" * 101,
    ],
    ids=["lists", "objects", "many in a deep one", "a long string in a deep one"],
)
def test_a_deep_document_takes_few_steps_for_each_value(document: bytes) -> None:
    assert python_calls(lambda: loads(document)) < 25 * 2600


def test_lone_surrogates_take_no_step_each() -> None:
    document = filled(b"\\ud800", b'["', b'"]', MIB)
    assert python_calls(lambda: loads(document)) < 200
    assert loads(b'["\\ud83d\\ude00 \\ude00\\ud83d \\\\ud800 \\\\\\ud800 \\ud800\\ud800\\udc00\\udc00"]') == [
        "\U0001f600 \ufffd\ufffd \\ud800 \\\ufffd \ufffd\U00010000\ufffd"
    ]


def test_a_large_body_is_explained_by_its_first_problem(tmp_path: Path) -> None:
    rules = {"type": "array", "items": {"type": "string", "maxLength": 1, "pattern": "^b"}}
    app = MockApp(spec=with_notes(tmp_path, **rules), token=TOKEN)
    with running_server(app) as server:
        client = Client(server.url)
        large = client.put({"notes": list(range(100_000))})
        assert large.status == 400
        assert large.json["message"].count("must be of type") == 1
        small = client.put({"notes": list(range(100))})
        assert small.json["message"].endswith("and 50 more")
    app.close()


HOSTILE_BODIES: dict[str, Callable[[], bytes]] = {
    "lists": MANY["lists"],
    "numbers": MANY["numbers"],
    "a bomb": lambda: gzip.compress(b"[" * 16 * MIB, 1),
    "members of gzip": lambda: gzip.compress(b"") * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE_BODIES)
def test_a_hostile_body_is_answered(client: Client, app: MockApp, name: str) -> None:
    body = HOSTILE_BODIES[name]()
    headers = [*GOOD, ("Content-Encoding", "gzip")] if body.startswith(b"\x1f\x8b") else GOOD
    assert client.put(body, headers=headers).status in {400, 413}
    assert client.put().status == 200


# --- memory -------------------------------------------------------------------------------------------------


def kept(recorder: Any) -> int:
    """Add up the octets of everything recorded."""
    entries = recorder.exchanges()
    return sum(len(e.raw_path) + len(e.query) + len(e.fields) + len(e.body) + len(e.reason) for e in entries)


def test_heads_and_targets_count_among_what_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "RECORDED_BYTES", 2 * MIB)
    with running_server(token=TOKEN) as server:
        client = Client(server.url)
        large = "a" * 900_000
        for path, headers in [(PATH, [("X", large)]), ("/" + large, []), (f"{PATH}?{large}", [])]:
            for _ in range(4):
                assert client.put(path=path, headers=headers).status in {414, 431}
            assert kept(server.app._recorder) <= 2 * MIB  # pyright: ignore[reportPrivateUsage]
        assert server.app.total == 12


def test_audit_rows_with_long_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "AUDIT_BYTES", MIB)
    store = Store()
    for number in range(3000):
        store.record(0.0, "op", (("a",), (f"{number:02000}",)), 400, "r" * 500, b"", None)
    rows = store.audit()
    assert sum(len(row.params["a"]) + len(row.reason) for row in rows) <= MIB
    assert rows[-1].number == 3000
    assert len(rows) > 300


def key(number: int) -> store_module.Key:
    return (("sessionSid",), (f"ES{number:032x}",))


def test_learned_sessions_are_bounded_and_the_newest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SESSIONS_BYTES", MIB)
    store = Store()
    store.put([(key(0), {"notes": "seeded"})])
    for number in range(1, 3000):
        store.record(0.0, "op", key(number), 200, "", b"%d" % number, {"notes": "x" * 100})
    sessions = store.sessions()
    assert 500 < len(sessions) < 1100
    assert sessions[0].fields == {"notes": "seeded"}
    assert store.knows(key(2999))
    assert not store.knows(key(1))


def test_one_session_that_grows_and_its_history_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SESSIONS_BYTES", MIB)
    store = Store()
    store.put([(key(0), {"notes": "seeded"})])
    for number in range(40):
        store.record(0.0, "op", key(0), 200, "", b"%d" % number, {f"field{number}": "x" * 60_000})
    (session,) = store.sessions()
    assert sum(map(len, session.fields.values() if session.fields else [])) < MIB  # type: ignore[arg-type]
    assert sum(len(str(past)) for past in session.history) <= store_module.HISTORY_BYTES
    assert session.fields["notes"] == "seeded"


def test_sessions_that_a_file_holds_are_found_there_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SESSIONS_BYTES", MIB // 4)
    store = Store(tmp_path / "mock.db")
    for number in range(700):
        store.record(0.0, "op", key(number), 200, "", b"%d" % number, {"notes": "x" * 100})
    assert len(store._sessions) < 300  # pyright: ignore[reportPrivateUsage]
    assert len(store.sessions()) == 700
    assert store.knows(key(0))
    store.record(0.0, "op", key(1), 200, "", b"more", {"type": "proctoru"})
    store.record(0.0, "op", key(2), 200, "", b"2", {"notes": "x" * 100})
    assert [row.replay for row in store.audit(limit=2)] == [False, True]
    store.close()
    again = Store(tmp_path / "mock.db")
    assert len(again._sessions) < 300  # pyright: ignore[reportPrivateUsage]
    found = {session.params["sessionSid"]: session.fields for session in again.sessions()}
    assert found[key(1)[1][0]] == {"notes": "x" * 100, "type": "proctoru"}
    again.close()


def test_no_cache_keeps_what_is_long(app: MockApp, client: Client) -> None:
    before = app._router.remembered.cache_info().currsize  # pyright: ignore[reportPrivateUsage]
    secrets = app._authenticator.remembered.cache_info().currsize  # pyright: ignore[reportPrivateUsage]
    for number in range(20):
        client.put(path=f"{path_of(number)}{'0' * 10_000}")
        client.put(headers=[*GOOD, ("X", f"{number}" * 10_000)])
        client.put(path=f"{PATH}?{number}{'a' * 10_000}")
    assert app._router.remembered.cache_info().currsize <= before + 1  # pyright: ignore[reportPrivateUsage]
    assert app._authenticator.remembered.cache_info().currsize <= secrets + 1  # pyright: ignore[reportPrivateUsage]


def test_incomplete_bodies_share_a_memory_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "RECEIVED_LIMIT", 3 * MIB)
    with running_server(token=TOKEN) as server, contextlib.ExitStack() as stack:
        client = Client(server.url)
        body = b'{"notes": "' + b"n" * 2 * MIB + b'"}'
        data = client.request(body=body)
        slow = stack.enter_context(socket.create_connection(client.address, 30))
        slow.sendall(data[:-10])
        while server.app.body_memory.used < MIB:  # until most of it has come
            time.sleep(0.001)
        refused = client.put(body)
        assert refused.status == 413
        assert "incomplete bodies" in refused.json["message"]
        assert client.put().status == 200
        slow.sendall(data[-10:])
        assert slow.recv(12) == b"HTTP/1.1 200"
        assert server.app.body_memory.used == 0
        assert client.put(body).status == 200
