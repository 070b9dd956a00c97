"""Operations that somebody adds to the spec: their answers are right by the spec, and show what is stored."""

import json
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from mock.documents import read_document, write_document
from mock.rawhttp import EXAM, INSTALL, PATH, SESSION, TOKEN, Client, path_of
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from smarterproctoring_mock import MockApp, SpecError, running_server
from smarterproctoring_mock.testing import in_process

TEMPLATE = "/v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid}"
LIST = TEMPLATE.rpartition("/")[0]
AUTH = [("token", TOKEN)]
SECURITY: list[dict[str, list[str]]] = [{"token": []}]
Serve = Callable[[dict[str, Any], dict[str, Any]], AbstractContextManager[Client]]


def text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


def answering(schema: dict[str, Any], status: str = "200", **more: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"security": SECURITY, "responses": {status: {"description": "x", "content": content}}, **more}


def document_with(paths: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    document = read_document()
    shared = document["paths"][TEMPLATE]["put"]["parameters"]
    for template, operations in paths.items():
        item = document["paths"].setdefault(template, {})
        own = [p for p in shared if p["$ref"].rpartition("/")[2].lower() in template.lower().replace("{", "")]
        for method, operation in operations.items():
            parameters = [] if template.startswith("/x") else own
            item[method] = {**operation, "parameters": [*parameters, *operation.get("parameters", [])]}
    document["components"]["schemas"] |= schemas
    return document


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Serve the spec with paths and schemas added."""

    @contextmanager
    def run(paths: dict[str, Any], schemas: dict[str, Any]) -> Generator[Client]:
        file = tmp_path / "spec.yaml"
        write_document(file, document_with(paths, schemas))
        with running_server(spec=file, token=TOKEN) as server:
            yield Client(server.url)

    return run


DETAILS = {
    "type": "object",
    "properties": {
        "sid": text(pattern="^ES[a-f0-9]{32}$"),
        "installSid": text(),
        "examSid": text(),
        "notes": text(nullable=True),
        "type": {"$ref": "#/components/schemas/SystemType"},
        "email": text(maxLength=5),
        "duration": {"type": "number"},
        "reviewed": {"type": "boolean"},
    },
}


def test_a_session_is_read_back_as_it_is_stored(serve: Serve) -> None:
    with serve(
        {TEMPLATE: {"get": answering({"$ref": "#/components/schemas/Details"})}}, {"Details": DETAILS}
    ) as client:
        fresh = client.call("GET", PATH, None, AUTH).json
        assert (fresh["sid"], fresh["installSid"], fresh["examSid"]) == (SESSION, INSTALL, EXAM)
        client.put({"notes": "moved", "type": "proctoru", "email": "longer than five", "company": "not shown"})
        read = client.call("GET", PATH, None, AUTH).json
        assert (read["notes"], read["type"]) == ("moved", "proctoru")
        assert len(read["email"]) <= 5, "what the answer's schema refuses is not shown"
        assert "company" not in read
        other = client.call("GET", path_of(7), None, AUTH).json
        assert other["sid"] == path_of(7).rpartition("/")[2]
        assert other["notes"] != "moved"
        client.put({"notes": "moved again"})
        assert client.call("GET", PATH, None, AUTH).json["notes"] == "moved again"


def test_a_change_that_answers_with_the_session_shows_it_changed(serve: Serve) -> None:
    body = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/SessionChange"}}},
    }
    post = answering({"allOf": [{"$ref": "#/components/schemas/Details"}]}, "201", requestBody=body)
    with serve({TEMPLATE: {"post": post}}, {"Details": DETAILS}) as client:
        answer = client.call("POST", PATH, b'{"notes": "first"}', [*AUTH, ("Content-Type", "application/json")])
        assert (answer.status, answer.json["notes"], answer.json["sid"]) == (201, "first", SESSION)
        shown = json.loads(json.dumps(client.admin("GET", "requests")["requests"][0]["answer"]))
        assert json.loads(shown["body"]) == answer.json
        assert [shown["status"], dict(shown["headers"])["content-length"]] == [201, str(len(answer.body))]


def test_created_and_empty_answers(serve: Serve) -> None:
    location = {"required": True, "schema": text(format="uri", example="https://example.org/1")}
    tags = {"required": True, "schema": {"type": "array", "items": text(enum=["a"])}}
    created = answering({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}, "201")
    created["responses"]["201"]["headers"] = {"Location": location, "X-Tags": tags}
    empty = {"security": SECURITY, "responses": {"204": {"description": "Gone"}}}
    paths = {"/x": {"post": created, "delete": empty, "put": {"responses": {"202": {"description": "Later"}}}}}
    with serve(paths, {}) as client:
        answer = client.call("POST", "/x", None, AUTH)
        assert (answer.status, answer.json) == (201, {"id": 0})
        assert (answer.headers["location"], answer.headers["x-tags"]) == ("https://example.org/1", "a")
        gone = client.call("DELETE", "/x", None, AUTH)
        assert (gone.status, gone.body) == (204, b"")
        assert not {"content-length", "content-type"} & gone.headers.keys()
        later = client.call("PUT", "/x", b"", AUTH)
        assert (later.status, later.body, later.headers["content-length"]) == (202, b"", "0")
        assert client.call("POST", "/x", None, []).status == 401


def test_head_has_no_body_over_the_network_and_in_process(tmp_path: Path, serve: Serve) -> None:
    paths = {"/x": {"head": answering(text(example="as long as this"))}}
    with serve(paths, {}) as client:
        answer = client.call("HEAD", "/x", None, AUTH)
        assert (answer.status, answer.headers["content-length"]) == (200, "17")
    with in_process(spec=tmp_path / "spec.yaml", token=TOKEN) as mock:
        with httpx.Client(base_url=mock.url, transport=mock.transport) as inside:
            head = inside.head("/x", headers={"token": TOKEN})
        assert (head.status_code, head.headers["content-length"], head.content) == (200, "17", b"")
        (request,) = mock.app.requests()
        assert request.answer is not None
        assert request.answer.body == b""


REF = "#/components/schemas/"
SCHEMAS: dict[str, dict[str, Any]] = {
    "list of sessions": {"type": "array", "items": {"$ref": f"{REF}Details"}},
    "page of sessions": {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": {"$ref": f"{REF}Details"}, "minItems": 2, "maxItems": 3},
            "next": text(nullable=True, format="uri"),
            "total": {"type": "integer", "minimum": 1},
        },
    },
    "list of itself": {"$ref": f"{REF}Lists"},
    "tree": {"$ref": f"{REF}Tree"},
    "optional parent": {"$ref": f"{REF}Child"},
    "nullable parent": {"$ref": f"{REF}Nullable"},
    "mutual": {"$ref": f"{REF}Ping"},
    "recursive alternative": {"$ref": f"{REF}Expression"},
    "recursive in allOf": {"$ref": f"{REF}Named"},
    "discriminator": {
        "oneOf": [{"$ref": f"{REF}Cat"}, {"$ref": f"{REF}Dog"}],
        "discriminator": {"propertyName": "kind", "mapping": {"dog": f"{REF}Dog", "cat": f"{REF}Cat"}},
    },
    "overlapping alternatives": {
        "oneOf": [
            {"type": "object", "properties": {"a": text()}},
            {"type": "object", "required": ["b"], "properties": {"b": {"type": "integer"}, "a": {"type": "integer"}}},
        ]
    },
    "allOf with more": {
        "allOf": [{"$ref": f"{REF}Details"}],
        "required": ["extra"],
        "properties": {"extra": {"type": "integer", "minimum": 3}, "sid": text(minLength=34)},
    },
    "allOf of a text": {"allOf": [text(), {"maxLength": 3}]},
    "required, but not described": {"type": "object", "required": ["x"], "additionalProperties": {"type": "integer"}},
    "a map": {"type": "object", "minProperties": 2, "additionalProperties": {"type": "boolean"}},
    "uuid": text(format="uuid"),
    "uuids": {"type": "array", "items": text(format="uuid"), "minItems": 1},
    "date": text(format="date"),
    "time with a pattern": text(format="date-time", pattern=".*Z"),
    "short": text(maxLength=2),
    "long": text(minLength=20),
    "pattern with alternatives": text(pattern="^(?:AI|EX)-(a|b)+[0-9]{2,4}$"),
    "pattern of a length": text(pattern="^[a-z]+$", minLength=9),
    "number": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 0.5},
    "integer": {"type": "integer", "minimum": 7, "multipleOf": 5},
    "negative": {"type": "integer", "maximum": -3},
    "write-only": {"type": "object", "required": ["a", "b"], "properties": {"a": text(writeOnly=True), "b": text()}},
    "no type": {"properties": {"a": {"minLength": 8}}},
    "anything": {},
}
NAMED: dict[str, dict[str, Any]] = {
    "Details": DETAILS,
    "Lists": {"type": "array", "items": {"$ref": f"{REF}Lists"}},
    "Tree": {
        "type": "object",
        "required": ["children"],
        "properties": {"children": {"type": "array", "items": {"$ref": f"{REF}Tree"}}, "name": text()},
    },
    "Child": {"type": "object", "properties": {"name": text(), "parent": {"$ref": f"{REF}Child"}}},
    "Nullable": {
        "type": "object",
        "nullable": True,
        "required": ["parent"],
        "properties": {"parent": {"$ref": f"{REF}Nullable"}},
    },
    "Ping": {"type": "object", "properties": {"pong": {"$ref": f"{REF}Pong"}}},
    "Pong": {"type": "object", "required": ["ping"], "properties": {"ping": {"$ref": f"{REF}Ping"}}},
    "Expression": {
        "oneOf": [
            {"type": "object", "required": ["left"], "properties": {"left": {"$ref": f"{REF}Expression"}}},
            {"type": "integer"},
        ]
    },
    "Named": {"allOf": [{"type": "object", "properties": {"next": {"$ref": f"{REF}Named"}}}, {"required": ["id"]}]},
    "Pet": {"type": "object", "required": ["kind"], "properties": {"kind": text(), "friend": {"$ref": f"{REF}Pet"}}},
    "Cat": {"allOf": [{"$ref": f"{REF}Pet"}, {"properties": {"kind": text(enum=["cat"])}}]},
    "Dog": {"allOf": [{"$ref": f"{REF}Pet"}, {"properties": {"kind": text(enum=["dog"])}}]},
}


@cache
def answers() -> dict[str, Any]:
    """Return the answer of an operation for each schema, from one server."""
    paths = {f"/x{number}": {"get": answering(schema)} for number, schema in enumerate(SCHEMAS.values())}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "spec.yaml"
        write_document(file, document_with(paths, NAMED))
        with running_server(spec=file, token=TOKEN) as server:
            client = Client(server.url)
            return {name: client.call("GET", f"/x{number}", None, AUTH).json for number, name in enumerate(SCHEMAS)}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_made_up_answer_is_what_another_validator_accepts(name: str) -> None:
    answer = answers()[name]
    schema = {**SCHEMAS[name], "components": {"schemas": {**document_with({}, NAMED)["components"]["schemas"]}}}
    validator: Any = OAS30Validator(schema, format_checker=oas30_format_checker)
    problems = [error.message for error in validator.iter_errors(answer)]
    if name == "write-only":  # the other validator does not know that an answer has none
        assert answer == {"b": "string"}
        return
    assert problems == [], answer


def test_what_made_up_answers_look_like() -> None:
    made = answers()
    assert made["list of itself"] == []
    assert made["tree"] == {"children": [], "name": "string"}
    assert made["optional parent"] == {"name": "string"}
    assert made["nullable parent"] == {"parent": None}
    assert made["recursive alternative"] == 0
    assert made["discriminator"]["kind"] == "cat"
    assert len(made["page of sessions"]["items"]) == 2
    assert isinstance(made["list of sessions"][0]["sid"], str)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "required": ["self"], "properties": {"self": {"$ref": f"{REF}Endless"}}},
        {"type": "array", "minItems": 1, "items": {"$ref": f"{REF}Endless"}},
        text(pattern=r"^[^\x00-\x7f]$"),
        text(pattern="^a$", minLength=5),
        {"type": "integer", "minimum": 1, "maximum": 4, "multipleOf": 5},
        {"type": "array", "minItems": 2, "uniqueItems": True, "items": text()},
    ],
    ids=["holds itself", "lists of itself", "no letter", "a contradiction", "no number", "unique items"],
)
def test_a_spec_without_a_possible_answer_is_refused_at_the_start(tmp_path: Path, schema: dict[str, Any]) -> None:
    file = tmp_path / "spec.yaml"
    paths = {"/x": {"get": answering({"$ref": f"{REF}Endless"}, "404")}}
    document = document_with(paths, {"Endless": schema})
    write_document(file, document)
    with pytest.raises(
        SpecError, match=r"~1x/get/responses/404/content/.*: no answer can be made .* give it an example"
    ):
        MockApp(spec=file)
    document["paths"]["/x"]["get"]["responses"]["404"]["content"]["application/json"]["example"] = "given"
    write_document(file, document)
    MockApp(spec=file).close()


FORMATS = {
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "nope"),
    "date": ("2030-02-28", "2030-02-30"),
    "time": ("12:00:00Z", "25:00:00Z"),
    "duration": ("P1D", "one day"),
    "email": ("a@example.org", "a"),
    "ipv4": ("192.0.2.1", "192.0.2.256"),
    "ipv6": ("::1", ":::"),
    "uri": ("https://example.org/", "no uri"),
    "byte": ("AA==", "A"),
    "date-time": ("2030-01-01T00:00:00Z", "2030-01-01"),
}


def with_format(name: str) -> dict[str, Any]:
    """Return an operation with a parameter and a body of a format."""
    schema = {"type": "object", "properties": {"v": text(format=name)}}
    body = {"content": {"application/json": {"schema": schema}}}
    parameter = {"name": "v", "in": "query", "schema": text(format=name)}
    return answering({}, parameters=[parameter], requestBody=body)


def test_formats_of_parameters_and_bodies_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    write_document(file, document_with({f"/x-{name}": {"post": with_format(name)} for name in FORMATS}, {}))
    with (
        in_process(spec=file, token=TOKEN) as mock,
        httpx.Client(base_url=mock.url, transport=mock.transport) as client,
    ):
        for name, (good, bad) in FORMATS.items():
            for value, status in ((good, 200), (bad, 400)):
                path = f"/x-{name}"
                assert client.post(path, headers=dict(AUTH), json={"v": value}).status_code == status, name
                assert client.post(path, headers=dict(AUTH), params={"v": value}).status_code == status, name
