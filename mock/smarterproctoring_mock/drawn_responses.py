"""Draw responses from the spec: its examples, or values made up from its schemas."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, cast

import jsonschema_rs

from smarterproctoring_mock.document import Document, Node, SpecError, escape
from smarterproctoring_mock.examples import Examples, NoExampleError
from smarterproctoring_mock.operations import ShownSession
from smarterproctoring_mock.responses import HeaderPairs, Response, phrase, vendor_code
from smarterproctoring_mock.rules import validator
from smarterproctoring_mock.strict_json import Json

_SUCCESS: Final = re.compile("2[0-9]{2}")
_WITHOUT_CONTENT: Final = frozenset({204, 205, 304})


class _Described(NamedTuple):
    """A response that the spec describes, and where."""

    node: Node
    pointer: str


@dataclass(frozen=True)
class ReadBack:
    """Which properties of a session show the fields of a change, as `x-reads-back-as` says.

    Attributes:
        names: The properties by the fields' names.
        dates: Those of the properties that show a date.
    """

    names: Mapping[str, str]
    dates: frozenset[str]


class DrawnResponses:
    """The responses of one document's operations."""

    def __init__(self, document: Document) -> None:
        """Prepare.

        Args:
            document: The document.
        """
        self._document = document
        self._schemas = cast("Node", document.draft_4(document.root, "writeOnly"))
        self._examples = Examples(document.resolved, self._accepts)

    def success(self, pointer: str) -> Response:
        """Draw an operation's first success.

        Args:
            pointer: The operation's place in the document.
        """
        codes = sorted(
            code for code in self._codes(pointer) if _SUCCESS.fullmatch(code)
        )
        return self.response(pointer, int(codes[0]) if codes else 200)

    def check(self, pointer: str) -> None:
        """Raise SpecError where a response of an operation cannot be drawn, before somebody asks for it."""
        for code in self._codes(pointer):
            self.response(pointer, _status_of(code))

    def response(self, pointer: str, status: int) -> Response:
        """Draw an operation's response with this status from the spec.

        Args:
            pointer: The operation's place in the document.
            status: Any final status, 200 to 599.

        Returns:
            The example of the response of that name, its range (`4XX`) or `default`, in this order; an error
            of the vendor's form has its status set. Without content where HTTP allows none.

        Raises:
            SpecError: No response can be made up.
        """
        described = self._described(pointer, status)
        if described is None:
            return Response(status)
        headers = self._headers(described)
        content = cast("Node", described.node.get("content", {}))
        if not content or status in _WITHOUT_CONTENT:
            return Response(status, headers=headers)
        name = _preferred_type(content)
        example = self._example(f"{described.pointer}/content/{escape(name)}")
        if is_json(name):
            body = json.dumps(_with_status(example, status), ensure_ascii=False)
        else:
            body = _text(_with_status(example, status))
        return Response(status, body.encode(), name, headers)

    def shown_session(
        self, pointer: str, status: int, read_back: ReadBack
    ) -> ShownSession | None:
        """Tell what an operation's success shows of the stored session; None where it is not an object.

        Args:
            pointer: The operation's place in the document.
            status: Of the success.
            read_back: Which properties show the fields of a change.
        """
        described = self._described(pointer, status)
        if described is None:
            return None
        content = cast("Node", described.node.get("content", {}))
        name = next((name for name in content if is_json(name)), None)
        if name is None or "schema" not in content[name]:
            return None
        where = f"{described.pointer}/content/{escape(name)}"
        template = self._example(where)
        if not isinstance(template, dict):
            return None
        whole = self._examples.merged(content[name]["schema"])
        properties = cast("dict[str, Node]", whole.get("properties", {}))
        accepts = {
            name: self._inline(schema).is_valid for name, schema in properties.items()
        }
        dates = {name for name, schema in properties.items() if self._is_date(schema)}
        return ShownSession(
            template=template,
            accepts=accepts,
            names=read_back.names,
            dates=(frozenset(dates) | read_back.dates) & properties.keys(),
            pointer=where,
        )

    def _is_date(self, schema: Node) -> bool:
        """Whether a schema, or an alternative of it, is a date and time."""
        node = self._examples.merged(schema)
        alternatives = [*node.get("oneOf", ()), *node.get("anyOf", ())]
        return node.get("format") == "date-time" or any(
            self._document.resolved(part).get("format") == "date-time"
            for part in alternatives
        )

    # --- the document --------------------------------------------------------------------------------------

    def _codes(self, pointer: str) -> Node:
        """Return an operation's responses by their codes."""
        return cast("Node", self._document.unresolved_at(pointer).get("responses", {}))

    def _described(self, pointer: str, status: int) -> _Described | None:
        """Find what the spec says of a status: by its own name, its range or the default."""
        responses = self._codes(pointer)
        family = status // 100
        for key in (str(status), f"{family}XX", f"{family}xx", "default"):
            if key in responses:
                where = f"{pointer}/responses/{key}"
                return _Described(*self._document.resolve(responses[key], where))
        return None

    def _headers(self, described: _Described) -> HeaderPairs:
        headers = cast("dict[str, Node]", described.node.get("headers", {}))
        return tuple(
            (name.lower(), self._header_value(described, name))
            for name, header in headers.items()
            if name.lower() != "content-type"
            and self._document.resolved(header).get("required")
        )

    def _header_value(self, described: _Described, name: str) -> str:
        """Write a header field's value in the style `simple`."""
        value = self._example(f"{described.pointer}/headers/{escape(name)}")
        return ",".join(map(_text, value)) if isinstance(value, list) else _text(value)

    # --- examples ------------------------------------------------------------------------------------------

    def _example(self, pointer: str) -> Json:
        """Return the example of a media type, a header or a schema, or make one up from the schema."""
        node = self._document.at(pointer)
        if "example" in node:
            return cast("Json", node["example"])
        for name in cast("Node", node.get("examples") or {}):
            entry = self._document.at(f"{pointer}/examples/{escape(name)}")
            if "value" in entry:
                return cast("Json", entry["value"])
        return self._made_up(pointer, cast("Node", node.get("schema", node)))

    def _made_up(self, pointer: str, schema: Node) -> Json:
        try:
            value = self._examples.make(schema)
        except NoExampleError as error:
            raise SpecError(
                f"{pointer}: no answer can be made ({error}); give it an example"
            ) from None
        if not self._inline(schema).is_valid(value):
            shown = json.dumps(value, ensure_ascii=False)
            raise SpecError(
                f"{pointer}: no answer can be made (the schema refuses {shown}); give it an example"
            )
        return value

    def _accepts(self, schema: Node, value: Json) -> bool:
        return self._inline(schema).is_valid(value)

    def _inline(self, schema: Node) -> jsonschema_rs.Draft4Validator:
        """Compile the schema of a response at any place in the document."""
        part = self._document.draft_4(schema, "writeOnly")
        return validator({**self._schemas, "allOf": [part]})


def _status_of(code: str) -> int:
    """Return a status for the code of a response: `404`, `4XX` or `default`."""
    if code.isdigit():
        return int(code)
    return int(code[0]) * 100 if code[0].isdigit() else 599


def _preferred_type(content: Node) -> str:
    return next((name for name in content if is_json(name)), next(iter(content)))


def _with_status(example: Json, status: int) -> Json:
    """Set the status of an error in the vendor's form."""
    if not isinstance(example, dict) or not {"message", "status"} <= example.keys():
        return example
    if example["status"] == status:
        return example
    return example | {
        "status": status,
        "code": vendor_code(status),
        "message": phrase(status),
    }


@lru_cache(maxsize=256)
def is_json(media_type: str) -> bool:
    """Whether a media type is JSON's or is built on it (RFC 6839)."""
    base = media_type.partition(";")[0].strip().lower()
    return base == "application/json" or base.endswith("+json")


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
