# ruff: noqa: E501 - a table, and a row reads best on one line
"""The kinds of addition to the spec, and what must happen with each: right bytes on the wire, or a refusal in words.

`WORKS` are added to one copy of the spec, each as an operation of its own, and called through both public clients against
the mock server (`additions_run.py`). `REFUSED` are added one at a time, and refused before the generator runs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

Node = dict[str, Any]
PATH = "/v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid}"
NEW_YORK = "timezone(timedelta(hours=-4))"


class Works(NamedTuple):
    """An operation that works.

    Attributes:
        name: What is new; the operationId and the path are made from it.
        start: The method, and the rest of the path if there is more.
        addition: The operation, or what of it matters, as YAML.
        call: What follows the method's name in Python; further calls give the same request.
        request: Target after the path, as it has to go out.
        body: The JSON body; None for none, "null" for JSON's null.
        headers: Headers that have to be among those sent.
        refused: Calls that the client refuses, each with words of the message.
        also: Parts of the spec that it needs besides, as YAML.
    """

    name: str
    start: str
    addition: str
    call: str
    request: str = ""
    body: Any = None
    headers: Mapping[str, str] = MappingProxyType({})
    refused: tuple[tuple[str, str], ...] = ()
    also: str = ""

    @property
    def slug(self) -> str:
        return "".join(c if c.isalnum() else "-" for c in self.name)

    @property
    def operation_id(self) -> str:
        words = [word for word in self.slug.split("-") if word]
        return words[0].lower() + "".join(word.capitalize() for word in words[1:])

    @property
    def path(self) -> str:
        return f"/v1/{self.slug}{self.start.partition(' ')[2]}"


def json_body(schema: str, required: str = "true", kind: str = "application/json") -> str:
    return f"requestBody: {{required: {required}, content: {{{kind}: {{schema: {schema}}}}}}}"


def query(schema: str, more: str = "") -> str:
    return f"parameters: [{{name: q, in: query, {more} schema: {schema}}}]"


def header(schema: str, more: str = "") -> str:
    return f"parameters: [{{name: X-Mode, in: header, {more} schema: {schema}}}]"


def in_path(schema: str) -> str:
    return f"parameters: [{{name: p, in: path, required: true, schema: {schema}}}]"


INSTALL = "AI" + "0123456789abcdef" * 2
OF_INSTALL = """
parameters:
- {name: installSid, in: path, required: true, schema: {type: string, pattern: '^AI[a-f0-9]{32}$'}}
- {name: p, in: path, required: true, schema: {type: integer}}
- {name: old, in: query, deprecated: true, schema: {type: string}}
"""


def field(schema: str, required: str = "") -> str:
    return json_body(
        f"{{type: object, required: [other{required}], properties: {{other: {{type: string}}, f: {schema}}}}}"
    )


CAT_OR_DOG = """
{oneOf: [{$ref: '#/components/schemas/Cat'}, {$ref: '#/components/schemas/Dog'}], discriminator: {propertyName: kind}}
"""
PETS = """
components:
  schemas:
    Cat: {type: object, required: [kind], properties: {kind: {type: string, enum: [Cat]}, lives: {type: integer}}}
    Dog: {type: object, required: [kind], properties: {kind: {type: string, enum: [Dog]}, tricks: {type: integer}}}
"""
INTEGERS = "{type: array, items: {type: integer}}"
UNKNOWN = "unexpected keyword argument"
MISSING = "missing 1 required keyword-only argument"

WORKS = [
    # -- bodies of any shape
    Works("body object", "post", field("{type: string}"), "(other='o', f='v')", body={"other": "o", "f": "v"}),
    Works("body array", "post", json_body(INTEGERS), "(body=[1, 2])", body=[1, 2], refused=(
        ("()", MISSING), ("(body=None)", "body is required"), ("(body={})", "body must be a list, not dict"), ("(bodi=[])", UNKNOWN),
    )),
    Works("body array empty", "post", json_body(INTEGERS), "(body=[])", body=[]),
    Works("body oneOf", "post", json_body("{oneOf: [{type: string}, {type: integer}]}"), "(body=7)", body=7),
    Works("body anyOf", "put", json_body("{anyOf: [{type: string}, {type: array, items: {type: string}}]}"),
        "(body=['a'])", body=["a"]),
    Works("body discriminator", "post", json_body(CAT_OR_DOG), "(body={'kind': 'Dog', 'tricks': 2})",
        body={"kind": "Dog", "tricks": 2}, also=PETS),
    Works("body allOf with a choice", "post", json_body(
        "{allOf: [{type: object, properties: {a: {type: string}}}, {oneOf: [{required: [a]}]}]}"),
        "(body={'a': 'b'})", body={"a": "b"}),
    Works("body free map", "put", json_body("{type: object}"), "(body={'any': [1, None]})", body={"any": [1, None]}),
    Works("body map of integers", "post", json_body("{type: object, additionalProperties: {type: integer}}"),
        "(body={'a': 1})", body={"a": 1}),
    Works("body with fields and more", "post", json_body(
        "{type: object, properties: {a: {type: string}}, additionalProperties: true}"),
        "(body={'a': 'b', 'c': 1})", body={"a": "b", "c": 1}),
    Works("body text", "post", json_body("{type: string, pattern: '^[a-z]+$'}"), "(body='abc')", body="abc",
        refused=(("(body='ABC')", "body must match ^[a-z]+$"),)),
    Works("body number", "post", json_body("{type: number}"), "(body=1.5)", body=1.5),
    Works("body boolean", "put", json_body("{type: boolean}"), "(body=False)", body=False),
    Works("body enum", "put", json_body("{type: string, enum: [open, shut]}"), "(body='open')", body="open",
        refused=(("(body='opn')", "body must be one of open, shut"),)),
    Works("body of any type", "put", json_body("{}"), "(body=[{}])", body=[{}]),
    Works("body nullable", "put", json_body("{type: object, nullable: true}"), "(body=NULL)", body="null"),
    Works("body optional", "post", json_body(INTEGERS, "false"), "()"),
    Works("body with optional fields", "post", json_body("{type: object, properties: {a: {type: string}}}", "false"), "()"),
    Works("body in delete", "delete", json_body("{type: object, properties: {why: {type: string}}}"), "(why='old')",
        body={"why": "old"}),
    Works("body merge patch", "patch", json_body("{type: object, properties: {a: {type: string}}}",
        kind="application/merge-patch+json"), "(a='b')", body={"a": "b"},
        headers={"content-type": "application/merge-patch+json"}),
    Works("body with a charset", "post", json_body(INTEGERS, kind="'application/json; charset=utf-8'"), "(body=[1])",
        body=[1], headers={"content-type": "application/json"}),
    Works("body in several types", "post", """
        requestBody: {required: true, content: {
          application/xml: {schema: {type: object, properties: {a: {type: string}}}},
          application/json: {schema: {type: object, properties: {a: {type: string}}}},
          application/x-www-form-urlencoded: {schema: {type: object, properties: {a: {type: string}}}}}}
        """, "(a='b')", body={"a": "b"}),
    Works("body of another name", "post", "requestBody: {required: true, x-keyword: numbers, content: "
        "{application/json: {schema: {type: array, items: {type: integer}}}}}", "(numbers=[1])", body=[1]),
    Works("body given as a model", "post", json_body("{type: object, nullable: true}"),
        "(body=Model({'at': UUID(int=7), 'of': ('a', 'b')}))",
        body={"at": "00000000-0000-0000-0000-000000000007", "of": ["a", "b"]}),
    # -- header parameters
    Works("header", "get", header("{type: string}"), "(x_mode='fast')", headers={"x-mode": "fast"}, refused=(
        ("(x_mode='a\\nb')", "x_mode must be one line of printable ASCII"), ("(x_mood='fast')", UNKNOWN),
    )),
    Works("header required", "put", header("{type: string, pattern: '^[a-z]+$'}", "required: true,"), "(x_mode='fast')",
        headers={"x-mode": "fast"}, refused=(("()", MISSING), ("(x_mode=None)", "x_mode is required"), ("(x_mode='FAST')", "x_mode must match"))),
    Works("header integer", "get", header("{type: integer}"), "(x_mode=3)", headers={"x-mode": "3"},
        refused=(("(x_mode='3')", "x_mode must be an int, not str"),)),
    Works("header boolean", "get", header("{type: boolean}"), "(x_mode=True)", headers={"x-mode": "true"}),
    Works("header list", "get", header("{type: array, items: {type: string}}"), "(x_mode=['a', 'b'])",
        headers={"x-mode": "a,b"}),
    Works("header time", "get", header("{type: string, format: date-time}"),
        f"(x_mode=datetime(2030, 5, 4, 8, tzinfo={NEW_YORK}))", headers={"x-mode": "2030-05-04T12:00:00.000Z"},
        refused=(("(x_mode=datetime(2030, 5, 4))", "x_mode has no time zone"),)),
    # -- query parameters
    Works("query integer", "get", query("{type: integer}"), "(q=3)", "?q=3",
        refused=(("(q='3')", "q must be an int, not str"), ("(q=True)", "q must be an int, not bool"))),
    Works("query number", "get", query("{type: number}"), "(q=1.5)", "?q=1.5"),
    Works("query boolean", "get", query("{type: boolean}"), "(q=True)", "?q=true",
        refused=(("(q='true')", "q must be a bool, not str"),)),
    Works("query enum", "get", query("{type: string, enum: [red, blue]}"), "(q='red')", "?q=red",
        refused=(("(q='green')", "q must be one of red, blue"),)),
    Works("query enum nullable", "get", query("{type: string, nullable: true, enum: [red, null]}"), "(q='red')", "?q=red",
        refused=(("(q='green')", "q must be one of red"), ("(q=NULL)", "q must be"))),
    Works("query enum of integers", "get", query("{type: integer, enum: [1, 2]}"), "(q=2)", "?q=2",
        refused=(("(q=3)", "q must be one of 1, 2"), ("(q=True)", "q must be"))),
    Works("query array", "get", query("{type: array, items: {type: string, enum: [a, b]}}"), "(q=['a', 'b'])", "?q=a&q=b",
        refused=(("(q=[])", "q is an empty array, which cannot be sent: leave it out"), ("(q=['c'])", "q must be one of"),
                 ("(q='a')", "q must be a list, not str"))),
    Works("query array in one", "get", query(INTEGERS, "explode: false,"), "(q=[1, 2])", "?q=1,2"),
    Works("query array with commas", "get", query("{type: array, items: {type: string}, maxItems: 2}", "explode: false,"),
        "(q=['a,b', 'c d'])", "?q=a%2Cb,c%20d"),
    Works("query array with pipes", "get", query("{type: array, items: {type: string}}", "style: pipeDelimited,"),
        "(q=['a', 'b'])", "?q=a%7Cb"),
    Works("query array with spaces", "get", query("{type: array, items: {type: string}}", "style: spaceDelimited,"),
        "(q=['a', 'b'])", "?q=a%20b"),
    Works("query deepObject", "get", query("{type: object, properties: {a: {type: string}, b: {type: integer}}}",
        "style: deepObject,"), "(q={'a': 'x y', 'b': 2})", "?q%5Ba%5D=x%20y&q%5Bb%5D=2",
        refused=(("(q={})", "q is an empty object"), ("(q={'a': [1]})", "q must be text or a number, not list"))),
    Works("query object", "get", query("{type: object, properties: {a: {type: string}, b: {type: integer}}}"),
        "(q={'a': 'x', 'b': 2})", "?a=x&b=2"),
    Works("query object in one", "get", query("{type: object, properties: {a: {type: string}, b: {type: integer}}}",
        "explode: false,"), "(q={'a': 'x', 'b': 2})", "?q=a,x,b,2"),
    Works("query date", "get", query("{type: string, format: date}"), "(q=date(2030, 5, 4))", "?q=2030-05-04",
        refused=(("(q=datetime(2030, 5, 4))", "q must be"),)),
    Works("query uuid", "get", query("{type: string, format: uuid}"), "(q=UUID(int=7))",
        "?q=00000000-0000-0000-0000-000000000007"),
    Works("query times", "get", query("{type: array, items: {type: string, format: date-time}}"),
        f"(q=[datetime(2030, 5, 4, 8, tzinfo={NEW_YORK})])", "?q=2030-05-04T12%3A00%3A00.000Z",
        refused=(("(q=[datetime(2030, 5, 4)])", "q has no time zone"),)),
    Works("query of several types", "get", query("{oneOf: [{type: integer}, {type: boolean}]}"), "(q=3)", "?q=3"),
    Works("query with a default", "get", query("{type: integer, default: 10}"), "()"),
    Works("query required with a default", "get", query("{type: integer, default: 10}", "required: true,"), "()", "?q=10"),
    Works("query with reserved characters", "get", query("{type: string}", "allowReserved: true,"), "(q='a/b?c&d')",
        "?q=a/b?c%26d"),
    Works("query names", "get", "parameters: [{name: 'page[size]', in: query, schema: {type: integer}}, "
        "{name: $filter, in: query, schema: {type: string}}, {name: from, in: query, schema: {type: string}}]",
        "(pagesize=1, filter='f', from_='x')", "?page%5Bsize%5D=1&%24filter=f&from=x"),
    # -- path parameters
    Works("path of an install", "get /{installSid}/{p}", OF_INSTALL, f"('{INSTALL}', 3)", f"/{INSTALL}/3"),
    Works("path with an install later", "get /{p}/{installSid}", OF_INSTALL, f"(3, '{INSTALL}')", f"/3/{INSTALL}"),
    Works("path integer", "get /{p}", in_path("{type: integer}"), "(3)", "/3", refused=(("('x')", "p must be an int, not str"),)),
    Works("path text", "get /{p}", in_path("{type: string}"), "('a/b é')", "/a%2Fb%20%C3%A9",
        refused=(("('')", "p must not be empty"), ("('..')", "p must not be empty, `.` or `..`"))),
    Works("path enum", "get /{p}", in_path("{type: string, enum: [a, b]}"), "('b')", "/b", refused=(("('c')", "p must be one of"),)),
    Works("path uuid", "get /{p}", in_path("{type: string, format: uuid}"), "(UUID(int=7))",
        "/00000000-0000-0000-0000-000000000007"),
    Works("path date", "get /{p}", in_path("{type: string, format: date}"), "(date(2030, 5, 4))", "/2030-05-04"),
    Works("path time", "get /{p}", in_path("{type: string, format: date-time}"),
        f"(datetime(2030, 5, 4, 8, tzinfo={NEW_YORK}))", "/2030-05-04T12%3A00%3A00.000Z"),
    Works("path list", "get /{p}", in_path(INTEGERS), "([1, 2])", "/1,2"),
    Works("path parts", "get /{a}-{b}.csv", "parameters: [{name: a, in: path, required: true, schema: {type: string}}, "
        "{name: b, in: path, required: true, schema: {type: integer}}]", "('x', 3)", "/x-3.csv"),
    Works("path names", "get /{fields}/{operations}", "parameters: [{name: fields, in: path, required: true, schema: "
        "{type: string}}, {name: operations, in: path, required: true, schema: {type: string}}, "
        "{name: fields, in: query, schema: {type: string}}]", "('x', 'y', fields='z')", "/x/y?fields=z"),
    # -- fields of the body
    Works("field integer", "post", field("{type: integer}"), "(other='o', f=3)", body={"other": "o", "f": 3},
        refused=(("(other='o', f='3')", "f must be an int, not str"),)),
    Works("field boolean", "post", field("{type: boolean}"), "(other='o', f=False)", body={"other": "o", "f": False}),
    Works("field list", "post", field(INTEGERS), "(other='o', f=(1, 2))", body={"other": "o", "f": [1, 2]},
        refused=(("(other='o', f='12')", "f must be a list, not str"),)),
    Works("field float enum", "post", field("{type: number, enum: [0.5, 1.5]}"), "(other='o', f=1.5)",
        body={"other": "o", "f": 1.5}, refused=(("(other='o', f=2.5)", "f must be one of 0.5, 1.5"),)),
    Works("field mixed enum", "post", field("{enum: [1, a]}"), "(other='o', f=1)", body={"other": "o", "f": 1},
        refused=(("(other='o', f='b')", "f must be one of 1, a"),)),
    Works("field nullable", "patch", field("{type: string, nullable: true}"), "(other='o', f=NULL)",
        body={"other": "o", "f": None}, refused=(("(other=NULL)", "other cannot be null"),)),
    Works("field nullable not sent", "patch", field("{type: string, nullable: true}"), "(other='o', f=None)",
        body={"other": "o"}),
    Works("field nullable and required", "put", field("{type: string, nullable: true}", ", f"), "(other='o', f=None)",
        body={"other": "o", "f": None}, refused=(("(other='o')", MISSING),)),
    Works("field readOnly and required", "post", field("{type: string, readOnly: true}", ", f"), "(other='o')",
        body={"other": "o"}, refused=(("(other='o', f='x')", UNKNOWN),)),
    Works("field with a readOnly part", "post", field(
        "{type: array, items: {type: object, required: [id], properties: {id: {type: integer, readOnly: true}, "
        "n: {type: string}}}}"), "(other='o', f=[{'n': 'x'}])", body={"other": "o", "f": [{"n": "x"}]},
        refused=(("(other='o', f=[{'id': 1}])", "f.*.id is read-only, set by the server: leave it out"),)),
    Works("field writeOnly", "post", field("{type: string, writeOnly: true}"), "(other='o', f='x')",
        body={"other": "o", "f": "x"}),
    Works("field with a default", "put", field("{type: string, default: d}"), "(other='o')", body={"other": "o"}),
    Works("field required with a default", "post", field("{type: string, default: d}", ", f"), "(other='o')",
        body={"other": "o", "f": "d"}),
    Works("field with nested times", "post", field(
        "{type: object, properties: {at: {type: string, format: date-time}, "
        "slots: {type: array, items: {type: object, properties: {at: {type: string, format: date-time}}}}}}"),
        f"(other='o', f={{'at': datetime(2030, 5, 4, 8, tzinfo={NEW_YORK}), "
        "'slots': [{'at': '2030-05-04T12:00:00.000Z'}]})",
        body={"other": "o", "f": {"at": "2030-05-04T12:00:00.000Z", "slots": [{"at": "2030-05-04T12:00:00.000Z"}]}},
        refused=(("(other='o', f={'at': datetime(2030, 5, 4)})", "f.at has no time zone"),)),
    Works("field with times in a list", "post", field("{type: array, items: {type: string, format: date-time}}"),
        f"(other='o', f=[datetime(2030, 5, 4, 8, tzinfo={NEW_YORK})])",
        body={"other": "o", "f": ["2030-05-04T12:00:00.000Z"]}),
    Works("field with dates and UUIDs", "post", field(
        "{type: object, properties: {day: {type: string, format: date}, id: {type: string, format: uuid}}}"),
        "(other='o', f={'day': date(2030, 5, 4), 'id': UUID(int=7)})",
        body={"other": "o", "f": {"day": "2030-05-04", "id": "00000000-0000-0000-0000-000000000007"}},
        refused=(("(other='o', f={'day': datetime(2030, 5, 4)})", "f.day is a datetime"),
                 ("(other='o', f={'id': {1}})", "f.id is of type set, which JSON cannot hold"))),
    Works("field date", "post", field("{type: string, format: date}"), "(other='o', f=date(2030, 5, 4))",
        body={"other": "o", "f": "2030-05-04"}, refused=(("(other='o', f=datetime(2030, 5, 4))", "f must be a date"),)),
    Works("field names", "post", json_body(
        "{type: object, properties: {cls: {type: string}, del: {type: string}, class: {type: integer}, d: {type: string}, "
        "self: {type: string}, src_dict: {type: string}, to_dict: {type: string}, fields: {type: string}, "
        "str: {type: string}, datetime: {type: string, format: date-time}, 'x-y': {type: string}, "
        "additional_properties: {type: string}, uuid: {type: string, format: uuid}, list: {type: array, items: {type: string}}}}"),
        "(cls='a', del_='b', class_=1, d='d', self_='s', src_dict='e', to_dict='f', fields='g', str_='h', x_y='i', "
        "additional_properties='j', uuid=UUID(int=7), list=['k'], datetime_=datetime(2030, 5, 4, tzinfo=timezone.utc))",
        body={"cls": "a", "del": "b", "class": 1, "d": "d", "self": "s", "src_dict": "e", "to_dict": "f", "fields": "g",
              "str": "h", "x-y": "i", "additional_properties": "j", "uuid": "00000000-0000-0000-0000-000000000007",
              "list": ["k"], "datetime": "2030-05-04T00:00:00.000Z"}),
    Works("field of another name", "put /{username}", "parameters: [{name: username, in: path, required: true, "
        "x-keyword: current_name, schema: {type: string}}]\n" + json_body("{type: object, properties: {username: {type: string}}}"),
        "(current_name='old', username='new')", "/old", body={"username": "new"}),
    Works("field recursive", "post", json_body("{$ref: '#/components/schemas/Tree'}"), "(name='a', children=[{'name': 'b'}])",
        body={"name": "a", "children": [{"name": "b"}]}, also="""
        components: {schemas: {Tree: {type: object, properties: {name: {type: string},
          children: {type: array, items: {$ref: '#/components/schemas/Tree'}}}}}}
        """),
    Works("field one of several", "post", field("{oneOf: [{type: string}, {type: integer}]}"), "(other='o', f=3)",
        body={"other": "o", "f": 3}),
    # -- operations
    Works("operation without security", "get", "security: []", "()", headers={}),
    Works("operation with optional security", "get", "security: [{token: []}, {}]", "()", headers={"token": "<token>"}),
    Works("operation of another name", "get", "x-method-name: lookUp", "", ""),
    Works("operation deprecated", "get", "deprecated: true", "()"),
    Works("operation with a reference in an extension", "get", "x-evidence: {$ref: '#/nowhere'}", "()"),
    Works("operation with words", "get", "description: 'Quotes \"\"\" and \\ and {braces} and `code`.'", "()"),
    Works("operation head", "head", "", "()"),
    Works("operation options", "options", "", "()"),
    Works("answer of text", "get", "responses: {'200': {description: Text., content: {text/plain: {schema: {type: string}}}}}", "()"),
    Works("answer of a list", "get", "responses: {'200': {description: A list., content: {application/json: "
        "{schema: {type: array, items: {type: integer}}}}}}", "()"),
    Works("answer in several types", "get", "responses: {'200': {description: Either., content: {application/xml: "
        "{schema: {type: string}}, application/json: {schema: {type: string}}}}}", "()"),
    Works("answer of problem json", "get", "responses: {'200': {description: Done.}, '404': {description: Not there., "
        "content: {application/problem+json: {schema: {type: object, properties: {title: {type: string}}}}}}}", "()"),
    Works("answer without content", "delete", "responses: {'204': {description: Gone.}}", "()"),
]  # fmt: skip


# New fields of the body of the reschedule operation, and a header: for the command line, and for bulk.
FIELDS = """
minutes: {type: integer, description: Minutes more.}
fee: {type: number, description: What it costs.}
paid: {type: boolean, description: Whether it is paid.}
codes: {type: array, items: {type: integer}, description: Codes of the room.}
level: {type: integer, enum: [1, 2], description: The level.}
timezone: {type: string, description: Where the proctor is.}
old: {type: string, deprecated: true, description: Old notes.}
"""
HEADER = "{name: X-Actor, in: header, description: Who asks., schema: {type: string}}"
OTHERS = (
    *("command line", "bulk", "deprecation", "generated functions", "errors of any body", "what may be repeated"),
    "views for one install",
)
"""What else `additions_run.py` checks with the scratch package."""


def spec_with(base: Node, additions: list[Works]) -> Node:
    """Return a copy of the spec with these operations."""
    spec = copy.deepcopy(base)
    spec["components"]["schemas"]["SessionChange"]["properties"].update(yaml.safe_load(FIELDS))
    spec["paths"][PATH]["put"]["parameters"].append(yaml.safe_load(HEADER))
    for addition in additions:
        add(spec, addition)
    return spec


def add(spec: Node, addition: Works) -> Node:
    """Add an operation to the spec; return it."""
    default: Node = {
        "operationId": addition.operation_id,
        "tags": ["additions"],
        "summary": addition.name,
        "security": [{"token": []}],
        "responses": {"200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "string"}}}}},
    }
    operation = {**default, **(yaml.safe_load(addition.addition) or {})}
    spec["paths"].setdefault(addition.path, {})[addition.start.partition(" ")[0]] = operation
    for name, schema in (yaml.safe_load(addition.also) or {}).get("components", {}).get("schemas", {}).items():
        spec["components"]["schemas"][name] = schema
    return operation


class Refused(NamedTuple):
    """An addition that is refused.

    Attributes:
        name: What is new.
        addition: An operation as in `Works`, or a place, its parts after bars (`+` appends to a list), and the YAML of what to put there.
        words: What the message must say: the operation or place, the reason, the way out.
    """

    name: str
    addition: Works | tuple[str, str]
    words: tuple[str, ...]


def operation(name: str, start: str, addition: str) -> Works:
    return Works(name, start, addition, "")


def at(place: str, value: str) -> tuple[str, str]:
    return place, value


RESCHEDULE = f"paths|{PATH}|put"
SESSION = "components|schemas|SessionChange|properties"

REFUSED = [
    # -- bodies
    Refused("form body", operation("form", "post", json_body("{type: object}", kind="application/x-www-form-urlencoded")),
        ("form: the body is not JSON (application/x-www-form-urlencoded)", "describe it as application/json")),
    Refused("upload", operation("upload", "post", json_body("{type: string, format: binary}", kind="image/png")),
        ("upload: the body is not JSON (image/png)", "leave the operation out")),
    Refused("body in get", operation("search", "get", json_body("{type: object}")), ("search: GET with a body", "parameters")),
    Refused("times in a recursive body", operation("tree", "post", json_body("{$ref: '#/components/schemas/Error'}"))._replace(
        also="components: {schemas: {Error: {type: object, properties: {at: {type: string, format: date-time}, "
        "next: {$ref: '#/components/schemas/Error'}}}}}"), ("tree: ", "a body that is recursive", "without the format")),
    Refused("body that is a time", operation("when", "post", json_body("{type: string, format: date-time}")),
        ("when: ", "itself a date-time", "without the format")),
    Refused("time or text", operation("soon", "post", field("{anyOf: [{type: string, format: date-time}, {type: string, enum: [now]}]}")),
        ("soon: f of the body can be a date-time or other text", "without the format")),
    Refused("times beside named fields", operation("mixed", "post", field("{type: object, properties: {n: {type: string}}, "
        "additionalProperties: {type: string, format: date-time}}")), ("mixed: f.* of the body can be a date-time or other text",)),
    # -- parameters
    Refused("cookie", operation("cookies", "get", "parameters: [{name: c, in: cookie, schema: {type: string}}]"),
        ("cookies: parameter 'c' in cookie", "cannot send cookies", "leave it out")),
    Refused("header of the client", operation("own", "get", "parameters: [{name: Accept, in: header, schema: {type: string}}]"),
        ("own: parameter 'Accept' in header", "sets this header itself", "take the parameter out")),
    Refused("header of the token", operation("own", "get", "parameters: [{name: Token, in: header, schema: {type: string}}]"),
        ("own: parameter 'Token' in header", "sets this header itself")),
    Refused("parameter with content", operation("filters", "get", "parameters: [{name: f, in: query, content: "
        "{application/json: {schema: {type: object}}}}]"), ("filters: parameter 'f' in query", "described by `content`")),
    Refused("label style", operation("label", "get /{p}", "parameters: [{name: p, in: path, required: true, style: label, "
        "schema: {type: string}}]"), ("label: parameter 'p' in path", "cannot write the style label", "there is simple")),
    Refused("deepObject of text", operation("deep", "get", query("{type: string}", "style: deepObject,")),
        ("deep: parameter 'q' in query", "deepObject is for `type: object`")),
    Refused("pipes in text", operation("pipes", "get", query("{type: string}", "style: pipeDelimited,")),
        ("pipes: parameter 'q' in query", "pipeDelimited is for `type: array`")),
    Refused("lists in a list", operation("lists", "get", query(f"{{type: array, items: {INTEGERS}}}")),
        ("lists: parameter 'q' in query", "a list or object within a parameter", "put it into the body")),
    Refused("parameter of nowhere", operation("lost", "get", "parameters: [{name: q, in: body, schema: {type: string}}]"),
        ("lost: parameter 'q' in body", "fix `in`")),
    Refused("path parameter that is not there", operation("lost", "get", "parameters: [{name: p, in: path, required: true, "
        "schema: {type: string}}]"), ("lost: the path parameter 'p' is not in /v1/lost",)),
    Refused("path without its parameter", operation("lost", "get /{p}", ""), ("lost: {p} of /v1/lost/{p} is not described",)),
    Refused("pattern of ECMA-262", operation("letters", "get", query("{type: string, pattern: '\\p{L}+'}")),
        ("letters: Python cannot read the pattern of 'q'", "take it out")),
    # -- names
    Refused("field with the name of the path", operation("rename", "put /{username}", "parameters: [{name: username, "
        "in: path, required: true, schema: {type: string}}]\n" + json_body("{type: object, properties: {username: {type: string}}}")),
        ("rename: 'username' (path) and 'username' (body)", "x-keyword")),
    Refused("two fields of one name", at(f"{SESSION}|first_name", "{type: string}"),
        ("rescheduleExamSession: 'firstName' (body) and 'first_name' (body)", "keyword 'first_name'", "x-keyword")),
    Refused("query with the name of the body", operation("twice", "post", "parameters: [{name: body, in: query, schema: "
        "{type: string}}]\n" + json_body(INTEGERS)), ("twice: 'body' (query) and the body would both be", "x-keyword")),
    Refused("name without letters", operation("dollars", "get", "parameters: [{name: '9', in: query, x-keyword: '9', schema: {type: string}}]"),
        ("dollars: '9' (query) would be the keyword '9'", "x-keyword")),
    Refused("keyword of Python", operation("words", "get", "parameters: [{name: q, in: query, x-keyword: class, schema: {type: string}}]"),
        ("words: 'q' (query) would be the keyword 'class'", "x-keyword")),
    *[
        Refused(f"method {name}", operation("shadow", "get", f"operationId: {name}"), (f"{name}: the method", "x-method-name"))
        for name in ("close", "aclose", "generated", "fromEnv", "withOptions", "rescheduleMany", "dryRunReschedule")
    ],
    *[
        Refused(f"method name {name}", operation("shadow", "get", f"x-method-name: {name}"), ("shadow: ", "x-method-name"))
        for name in ("close", "import", "_call", "with-dash", "5", "reschedule", "dry_run_reschedule")
    ],
    Refused("operationId that is a number", operation("five", "get", "operationId: 5"), ("GET /v1/five: the operationId 5 is not text",)),
    Refused("operationId that is a digit", operation("five", "get", "operationId: '5'"), ("operationId '5' gives the name 5", "choose another")),
    Refused("no operationId", operation("nameless", "get", "operationId: null"), ("GET /v1/nameless has no operationId",)),
    Refused("two operations of one name", operation("again", "put", "operationId: reschedule_exam_session"),
        ("'reschedule_exam_session' gives the name RESCHEDULE_EXAM_SESSION, which is taken",)),
    Refused("another method name for reschedule", at(f"{RESCHEDULE}|x-method-name", "move"),
        ("rescheduleExamSession: the command line, `reschedule_many` and bulk", "keep `x-method-name: reschedule`")),
    Refused("no method name for reschedule", at(f"{RESCHEDULE}|x-method-name", "rescheduleExamSession"),
        ("rescheduleExamSession: the command line", "keep `x-method-name: reschedule`")),
    # -- security, answers, servers
    Refused("two secrets", operation("both", "get", "security: [{token: [], other: []}]"),
        ("both: security token and other is not one apiKey in a header",)),
    Refused("bearer", at("components|securitySchemes|token", "{type: http, scheme: bearer}"),
        ("getExamSession: security token is not one apiKey in a header", "in: header")),
    Refused("an image", operation("image", "get", "responses: {'200': {description: A picture., content: {image/png: {schema: "
        "{type: string, format: binary}}}}}"), ("image: response 200 is image/png", "leave the operation out")),
    Refused("no responses", operation("silent", "get", "responses: {}"), ("silent: there are no responses",)),
    Refused("http server first", at("servers", "[{url: 'http://api.example.com'}, {url: 'https://api.example.com'}]"),
        ("servers/0: http://api.example.com", "put an https server first")),
    Refused("relative server", at("servers", "[{url: /v1}]"), ("servers/0: /v1 is not a whole URL", "write it out")),
    Refused("no servers", at("servers", "[]"), ("servers: there are none", "add")),
    Refused("server with a variable without default", at("servers", "[{url: 'https://{region}.example.com'}]"),
        ("servers/0: the variable {region}", "has no default: add it")),
    Refused("servers of an operation", operation("else", "get", "servers: [{url: 'https://other.example.com'}]"),
        ("else: servers of its own would be ignored", "base_url")),
    Refused("OpenAPI 3.1", at("openapi", "3.1.0"), ("openapi: 3.1.0: this project reads OpenAPI 3.0", "nullable: true")),
    Refused("Swagger 2", at("openapi", "null"), ("openapi: none: this project reads OpenAPI 3.0",)),
    Refused("get without content", at("paths|/v1/empty", "{get: }"), ("GET /v1/empty is empty", "take the line `get:` out")),
    Refused("path without content", at("paths|/v1/empty", ""), ("paths /v1/empty: ",)),
    Refused("no paths", at("paths", "{}"), ("paths: the spec describes no operation",)),
    Refused("a type that is none", operation("odd", "get", "parameters: 7"), ("odd: parameters is not a list",)),
    Refused("schema that is a list", operation("odd", "post", json_body("[1]")), ("odd: the body (application/json) has no schema",)),
    Refused("properties that are a list", operation("odd", "post", json_body("{type: object, properties: [a]}")),
        ("POST /v1/odd: something here is not OpenAPI 3.0", "make lint-spec")),
    Refused("read back by nothing", operation("plan", "post", field("{type: string, x-reads-back-as: f, x-reads-back-evidence: I}")),
        ("plan: x-reads-back-as of 'f': there is no GET on /v1/plan to read it with", "or take x-reads-back-as out")),
    Refused("read back as what is not there", at(f"{SESSION}|notes|x-reads-back-as", "note"),
        ("rescheduleExamSession: x-reads-back-as of 'notes' names 'note'", "ExamSession, the answer of getExamSession", "name one of")),
    Refused("read back as no name", at(f"{SESSION}|notes|x-reads-back-as", "[notes]"),
        ("rescheduleExamSession: x-reads-back-as of 'notes' is ['notes']", "name a property")),
    Refused("read back without a letter", at(f"{SESSION}|notes|x-reads-back-evidence", "perhaps"),
        ("rescheduleExamSession: x-reads-back-as of 'notes' does not say how well it is known", "`x-reads-back-evidence:`")),
    Refused("a letter of nothing", at(f"{SESSION}|company|x-reads-back-evidence", "I"),
        ("rescheduleExamSession: 'company' has x-reads-back-evidence without x-reads-back-as", "add it")),
    Refused("read back from an answer without a name", at(f"paths|{PATH}|get|responses|200", "{description: Any., content: "
        "{application/json: {schema: {type: object}}}}"),
        ("rescheduleExamSession: x-reads-back-as of 'notes': getExamSession answers with no object that has a name", "components/schemas")),
    Refused("read back with what nobody gives", at(f"paths|{PATH}|get|parameters|+", "{name: q, in: query, required: true, schema: "
        "{type: string}}"), ("rescheduleExamSession: x-reads-back-as of 'notes': getExamSession needs 'q' (query)", "make it optional")),
    Refused("read back within a field", operation("deeper", "post", field(
        "{type: object, properties: {g: {type: string, x-reads-back-as: notes, x-reads-back-evidence: I}}}")),
        ("deeper: x-reads-back-as of f.g: only fields of the body", "take it out")),
    Refused("read back of a whole body", operation("whole", "put", json_body(
        "{type: string, x-reads-back-as: notes, x-reads-back-evidence: I}")),
        ("whole: x-reads-back-as of the body: only fields of the body", "take it out")),
    Refused("read back of a parameter", operation("asked", "get", query("{type: string, x-reads-back-as: notes}")),
        ("asked: x-reads-back-as of the parameter 'q'", "take it out")),
    Refused("a check of nothing", operation("plan", "post", "x-check-method-name: look"),
        ("plan: x-check-method-name, and no field of the body has x-reads-back-as", "take the name out")),
    Refused("a check whose name is taken", at(f"{RESCHEDULE}|x-check-method-name", "close"),
        ("rescheduleExamSession: the method 'close'", "x-check-method-name")),
    Refused("sensitive in another way", at(f"{SESSION}|notes|x-sensitive", "very"),
        ("rescheduleExamSession: x-sensitive of 'notes' is 'very'", "`personal` or `secret`")),
    Refused("an answer that is sensitive in another way", at("components|schemas|ExamSession|properties|notes|x-sensitive", "true"),
        ("getExamSession: x-sensitive of 'notes' is True", "`personal` or `secret`")),
    Refused("x-before of nothing", at(f"{SESSION}|appointmentStartDateTime|x-before", "appointmentEnd"),
        ("rescheduleExamSession: x-before of 'appointmentStartDateTime' names 'appointmentEnd'", "take x-before out")),
    Refused("a reference to nothing", operation("lost", "get", "parameters: [{$ref: '#/components/parameters/Nobody'}]"),
        ("$ref '#/components/parameters/Nobody' points at nothing",)),
    Refused("a schema that is not there", at(f"{SESSION}|type", "{$ref: '#/components/schemas/Nothing'}"),
        ("$ref '#/components/schemas/Nothing' points at nothing",)),
    Refused("a reference to another file", at("components|schemas|Unused", "{type: array, items: {$ref: 'other.yaml#/Thing'}}"),
        ("$ref 'other.yaml#/Thing' points at nothing in the spec",)),
    Refused("a circle of references", at("components|schemas", "{A: {$ref: '#/components/schemas/B'}, B: {$ref: '#/components/schemas/A'}}"),
        ("points at nothing",)),
    Refused("a name that no model can have", operation("cls", "post", json_body(
        "{type: object, additionalProperties: false, properties: {cls: {type: string}}}")),
        ("the generator cannot write a model with the property 'cls'", "additionalProperties: false")),
]  # fmt: skip


def spoil(spec: Node, addition: Works | tuple[str, str]) -> None:
    """Add what is to be refused."""
    if isinstance(addition, Works):
        add(spec, addition)
        return
    *places, last = addition[0].split("|")
    node: Any = spec
    for place in places:
        node = node[place]
    value = yaml.safe_load(addition[1])
    if last == "+":
        node.append(value)
    else:
        node[last] = value
