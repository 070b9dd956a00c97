"""The spec decides: operations, parameters, schemes and answers that are added to it are served without new code."""

import json
import random
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mock.documents import read_document, write_document
from mock.rawhttp import JSON, PATH, SESSION, TOKEN, Client
from smarterproctoring_mock import MockApp, SpecError, running_server, strict_json
from smarterproctoring_mock.spec import default_path, load
from smarterproctoring_mock.strict_json import KEPT_DEPTH, NotJsonError, loads, loads_deep

TEMPLATE = "/v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid}"
ENROLLMENT = "EN" + "a" * 32
Change = Callable[[dict[str, Any]], None]
Serve = Callable[[Change], AbstractContextManager[Client]]

DETAILS: dict[str, Any] = {
    "operationId": "getExamSession",
    "security": [{"token": []}],
    "parameters": [
        {
            "name": "enrollmentSid",
            "in": "query",
            "required": True,
            "schema": {"type": "string", "pattern": "^EN[a-f0-9]{32}$"},
        },
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 9}},
        {"name": "status", "in": "query", "schema": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}},
        {"name": "X-Flag", "in": "header", "schema": {"type": "boolean"}},
        {"name": "seen", "in": "cookie", "schema": {"type": "number"}},
    ],
    "responses": {
        "200": {
            "description": "Details",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Details"}}},
        },
        "404": {"$ref": "#/components/responses/Missing"},
    },
}


def add_details(document: dict[str, Any]) -> None:
    document["paths"][TEMPLATE]["get"] = json.loads(json.dumps(DETAILS))
    item = document["paths"][TEMPLATE]
    item["get"]["parameters"] += item["put"]["parameters"]
    document["components"]["responses"] = {
        "Missing": {
            "description": "x",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    }
    document["components"]["schemas"]["Details"] = {
        "type": "object",
        "required": ["sid"],
        "properties": {
            "sid": {"type": "string", "pattern": "^ES[a-f0-9]{32}$"},
            "startsAt": {"type": "string", "format": "date-time"},
            "attempts": {"type": "integer", "minimum": 2},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}},
            "change": {"$ref": "#/components/schemas/SessionChange"},
            "parent": {"$ref": "#/components/schemas/Details"},
            "secret": {"type": "string", "writeOnly": True},
        },
    }


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Serve a scratch copy of the spec with a change made to it."""

    @contextmanager
    def run(change: Change) -> Generator[Client]:
        document = read_document()
        change(document)
        file = tmp_path / "spec.yaml"
        write_document(file, document)
        with running_server(spec=file, token=TOKEN) as server:
            yield Client(server.url)

    return run


def test_a_second_operation_needs_no_code(serve: Serve) -> None:
    good = f"{PATH}?enrollmentSid={ENROLLMENT}"
    token = [("token", TOKEN)]
    with serve(add_details) as client:
        answer = client.call("GET", good, None, token)
        assert answer.status == 200
        assert answer.json["sid"].startswith("ES")
        assert len(answer.json["sid"]) == 34
        assert answer.json["startsAt"].endswith("Z")
        assert answer.json["attempts"] == 2
        assert answer.json["tags"] == ["x"]
        assert answer.json["change"]["type"] == "b-virtual"
        assert "secret" not in answer.json
        assert client.call("DELETE", good, None, token).headers["allow"] == "GET, PUT"
        assert client.call("GET", good, None, []).status == 401
        assert client.put().status == 200
        fine = ["&limit=9", "&status=a&status=b", "&other=1", "&limit=3&status=b"]
        assert [client.call("GET", good + more, None, token).status for more in fine] == [200] * 4
        for path, problem in [
            (PATH, "query.enrollmentSid is required"),
            (f"{PATH}?enrollmentSid={ENROLLMENT}%0A", "query.enrollmentSid must match"),
            (f"{good}&enrollmentSid={ENROLLMENT}", "query.enrollmentSid was sent 2 times"),
            (f"{good}&limit=0", "query.limit must not be less than 1"),
            (f"{good}&limit=10", "query.limit must not be greater than 9"),
            (f"{good}&limit=1.0", "query.limit must be of type"),
            (f"{good}&limit=%D9%A1", "query.limit must be of type"),
            (f"{good}&limit=", "query.limit must be of type"),
            (f"{good}&status=c", r"query.status[0] must be one of"),
            (f"{good}&limit=%FF", "query.limit must be UTF-8"),
            (good.replace(SESSION, "ES"), "path.sessionSid must match"),
        ]:
            refused = client.call("GET", path, None, token)
            assert refused.status == 400, path
            assert problem in refused.json["message"]
        assert client.call("GET", good, None, [*token, ("X-Flag", "true"), ("Cookie", "a=b; seen=1.5")]).status == 200
        assert "header.X-Flag" in client.call("GET", good, None, [*token, ("x-flag", "yes")]).json["message"]
        assert "cookie.seen" in client.call("GET", good, None, [*token, ("Cookie", "seen=x")]).json["message"]
        missing = client.call("GET", good, None, [*token, ("Prefer", "code=404")])
        assert (missing.status, missing.json["code"]) == (404, "1203")


def test_a_key_that_the_spec_does_not_name_is_not_repeated(serve: Serve) -> None:
    def add_scores(document: dict[str, Any]) -> None:
        scores = {"type": "object", "additionalProperties": {"type": "integer"}}
        document["components"]["schemas"]["SessionChange"]["properties"]["scores"] = scores

    with serve(add_scores) as client:
        assert client.put({"scores": {"ada@secret.example": 1}}).status == 200
        refused = client.put({"scores": {"ada@secret.example": "one"}})
    assert refused.status == 400
    assert "body.scores.* must be of type" in refused.json["message"]
    assert b"secret" not in refused.body


def test_an_example_goes_before_what_the_schema_would_give(serve: Serve) -> None:
    def change(document: dict[str, Any]) -> None:
        add_details(document)
        content = document["paths"][TEMPLATE]["get"]["responses"]["200"]["content"]["application/json"]
        content["examples"] = {"one": {"value": {"sid": SESSION, "tags": ["from the example"]}}}

    with serve(change) as client:
        answer = client.call("GET", f"{PATH}?enrollmentSid={ENROLLMENT}", None, [("token", TOKEN)])
        assert answer.json == {"sid": SESSION, "tags": ["from the example"]}


def test_a_concrete_path_goes_before_a_template(serve: Serve) -> None:
    def change(document: dict[str, Any]) -> None:
        text = {"description": "x", "content": {"text/plain": {"example": "concrete"}}}
        other = {"description": "x", "content": {"text/plain": {"example": "template"}}}
        name = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
        document["paths"]["/t/{id}"] = {"parameters": [name], "get": {"security": [], "responses": {"200": other}}}
        document["paths"]["/t/one"] = {"get": {"security": [], "responses": {"201": text, "404": other}}}
        document["paths"]["/f/{id}.json"] = {"parameters": [name], "get": {"security": [], "responses": {"204": other}}}

    with serve(change) as client:
        first = client.call("GET", "/t/one", None, [])
        assert (first.status, first.body, first.headers["content-type"]) == (201, b"concrete", "text/plain")
        assert client.call("GET", "/t/2", None, []).body == b"template"
        assert client.call("GET", "/t/two", None, []).status == 400
        assert client.call("GET", "/f/7.json", None, []).status == 204
        assert client.call("GET", "/f/7.yaml", None, []).status == 404


@pytest.mark.parametrize(
    ("scheme", "good", "bad"),
    [
        ({"type": "http", "scheme": "bearer"}, ("Authorization", f"bearer {TOKEN}"), ("Authorization", TOKEN)),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, ("x-key", TOKEN), ("token", TOKEN)),
        ({"type": "apiKey", "in": "cookie", "name": "sid"}, ("Cookie", f"a=b; sid={TOKEN}"), ("Cookie", "sid=")),
    ],
)
def test_the_scheme_is_read_from_the_spec(
    serve: Serve, scheme: dict[str, str], good: tuple[str, str], bad: tuple[str, str]
) -> None:
    with serve(lambda document: document["components"]["securitySchemes"].update(token=scheme)) as client:
        assert client.put(headers=[good, JSON]).status == 200
        assert client.put(headers=[bad, JSON]).status == 401


def test_alternatives_and_none_of_security(serve: Serve) -> None:
    def change(document: dict[str, Any]) -> None:
        document["components"]["securitySchemes"]["other"] = {"type": "apiKey", "in": "query", "name": "key"}
        document["paths"][TEMPLATE]["put"]["security"] = [{"token": []}, {"other": []}]

    with serve(change) as client:
        assert client.put(path=f"{PATH}?key={TOKEN}", headers=[JSON]).status == 200
        refused = client.put(headers=[JSON])
        assert refused.status == 401
        assert "header.token" in refused.json["message"]
        assert "query.key" in refused.json["message"]
    with serve(lambda document: document["paths"][TEMPLATE]["put"].update(security=[])) as client:
        assert client.put(headers=[JSON]).status == 200


def test_the_dialect_of_openapi_3_0(serve: Serve) -> None:
    def change(document: dict[str, Any]) -> None:
        document["components"]["schemas"]["SessionChange"]["properties"] |= {
            "nullable": {"type": "string", "nullable": True},
            "small": {"type": "integer", "format": "int32"},
            "below": {"type": "number", "maximum": 5, "exclusiveMaximum": True},
            "octets": {"type": "string", "format": "byte"},
            "id": {"type": "string", "readOnly": True},
            "closed": {"type": "object", "additionalProperties": False},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
            "open": {"type": "object"},
        }
        document["components"]["schemas"]["SessionChange"]["required"] = ["id"]

    with serve(change) as client:
        fine = [{"nullable": None}, {"small": -(2**31)}, {"below": 4.99}, {"octets": "AA=="}, {"closed": {}}, {}]
        assert [client.put(body).status for body in fine] == [200] * len(fine)
        wrong = [
            {"notes": None},
            {"small": 2**31},
            {"small": 1.5},
            {"below": 5},
            {"octets": "A"},
            {"closed": {"ada@x": 1}},
            {"map": {"ada@x": 1}},
        ]
        for body in wrong:
            refused = client.put(body)
            assert refused.status == 400, body
            assert "ada" not in refused.json["message"]
        deep: Any = {"x": float("1e308")}
        for _ in range(300):
            deep = {"x": deep}
        assert client.put(json.dumps({"open": deep}).encode()).status == 200
        assert client.put(b'{"open":{"a":1e999,"b":' + b"9" * 5000 + rb',"c":"\ud800"}}').status == 200
        assert client.admin("GET", "sessions")["sessions"][0]["fields"]["open"]["c"] == "\ufffd"


def test_yaml_is_read_as_openapi_asks(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    text = (
        default_path()
        .read_text(encoding="utf-8")
        .replace("- b-virtual\n", "- NO\n        - 2030-01-01\n        - 010\n")
    )
    file.write_text(text)
    with running_server(spec=file, token=TOKEN) as server:
        client = Client(server.url)
        assert [client.put({"type": kind}).status for kind in ("NO", "2030-01-01", "010", "b-virtual")] == [
            200,
            200,
            200,
            400,
        ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("openapi: 3.0.3", "openapi: 3.1.0", "3.0"),
        ("#/components/schemas/SystemType", "#/components/schemas/Nothing", "Nothing"),
        ("#/components/schemas/SystemType", "other.yaml#/x", "inside the document"),
        ("#/components/parameters/ExamSid", "#/components/parameters/InstallSid", "examSid"),
        ("pattern: .*Z", "pattern: (", "DateTime/pattern: the pattern"),
        ("- token: []", "- nothing: []", "nothing"),
        ("paths:", "tracks:", "paths"),
        ("openapi:", "openapi: {", "mapping|flow"),
    ],
)
def test_a_spec_that_cannot_be_served_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "spec.yaml"
    text = default_path().read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(SpecError, match=said) as caught:
        load(file)
    assert str(file) in str(caught.value)


def test_a_document_that_a_caller_changes_is_no_other_mock_s(tmp_path: Path) -> None:
    """Mocks of one document share what was compiled of it."""
    first = MockApp()
    first.spec.document["paths"].clear()
    first.spec.document["info"]["title"] = "changed"
    assert len(MockApp().spec.document["paths"]) == 1
    assert first.spec.document == MockApp().spec.document == load().document
    file = tmp_path / "spec.yaml"
    file.write_bytes(default_path().read_bytes())
    before = MockApp(spec=file)
    file.write_text(file.read_text().replace("title: ", "title: New ", 1))
    assert MockApp(spec=file).spec.title == f"New {before.spec.title}"


def test_a_reference_that_leads_back_to_itself_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    text = default_path().read_text(encoding="utf-8")
    loop = text.replace(
        "    SystemType:\n", "    SystemType:\n      $ref: '#/components/schemas/SystemType'\n    Old:\n"
    )
    file.write_text(loop)
    with pytest.raises(SpecError, match="itself"):
        load(file)


# --- strict JSON ------------------------------------------------------------------------------------------


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(8 if depth else 6)
    if kind == 6:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 7:
        return {chance.choice("abcdefgh") + str(i): _value(chance, depth - 1) for i in range(chance.randrange(4))}
    return [None, True, -1.5e3, 7, 'q"\\\u00e9\n', ""][kind]


def test_the_two_readers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader without recursion reads and refuses exactly what the standard decoder does."""
    monkeypatch.setattr(strict_json, "KEPT_DEPTH", 10**9)  # so `loads` always takes the standard decoder
    chance = random.Random(5)
    outcomes: set[bool] = set()
    for round_ in range(3000):
        text = json.dumps(_value(chance, 5), indent=chance.choice([None, 1]), ensure_ascii=chance.random() < 0.5)
        if round_ % 2:  # break it somewhere
            place = chance.randrange(len(text))
            junk = chance.choice(["", ",", "]", "}", ":", '"', " ", "0", "\t", "\\", "x"])
            text = text[:place] + junk + text[place + 1 :]
        standard, deep = _outcome(loads, text.encode()), _outcome(loads_deep, text)
        assert standard == deep, text
        outcomes.add(standard is NotJsonError)
    assert outcomes == {True, False}


def _outcome(read: Callable[[Any], Any], document: str | bytes) -> Any:
    try:
        return read(document)
    except (NotJsonError, json.JSONDecodeError):
        return NotJsonError


def test_what_is_kept_ends_at_a_depth() -> None:
    value: Any = loads(b"[" * 300 + b"]" * 300)
    depth = 1
    while value:
        value = value[0]
        depth += 1
    assert depth == KEPT_DEPTH + 1


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b"1e400", 1.7976931348623157e308),
        (b"-1e400", -1.7976931348623157e308),
        (b"9" * 5000, int(1.7976931348623157e308)),
        (rb'"\ud800\udc00"', "\U00010000"),
        (rb'"\ud800\ud800\udc00"', "\ufffd\U00010000"),
        (rb'"\\ud800"', "\\ud800"),
        (rb'"\\\ud800"', "\\\ufffd"),
    ],
)
def test_values_at_the_edge(document: bytes, value: Any) -> None:
    assert loads(document) == value
