"""How much of the spec a contract run has reached, counted from the HAR files that it wrote.

tools/contract_coverage.py FILE.json…    print the table; exit code 1 unless it reached all responses, their keywords
                                         and all links

A response is reached when an answer has its status. A keyword of a response is reached when an answer of that response
holds the value to which it applies. A keyword of a request is reached when one request satisfied it, and another one
broke it. (The type of a path parameter cannot be broken, since every path is text, and is not counted.) A link is
reached when the operation to which it leads succeeded for the path of an earlier success of its own operation.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

import yaml
from openapi_schema_validator import OAS30Validator, oas30_format_checker

ROOT: Final = Path(__file__).resolve().parent.parent
SPEC: Final = ROOT / "openapi" / "smarterproctoring.yaml"
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
KEYWORDS: Final = frozenset(
    {
        "type", "enum", "pattern", "format", "required", "minLength", "maxLength", "minimum", "maximum", "multipleOf",
        "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "additionalProperties", "items",
        "allOf", "oneOf", "anyOf", "not",
    }
)  # fmt: skip
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Node: TypeAlias = dict[str, Any]
MISSING: Final = object()


@dataclass
class Reach:
    """What was reached of one operation.

    Attributes:
        responses: For each documented response, whether an answer was of it.
        answer_keywords: For each keyword of the responses' schemas, whether an answer held its value.
        satisfied: For each keyword of the request's schemas, whether a request satisfied it.
        broken: The same, whether a request broke it.
        statuses: The statuses seen, with how often.
        links: For each link of the responses, how often it was followed.
    """

    responses: dict[str, bool] = field(default_factory=dict[str, bool])
    answer_keywords: dict[str, bool] = field(default_factory=dict[str, bool])
    satisfied: dict[str, bool] = field(default_factory=dict[str, bool])
    broken: dict[str, bool] = field(default_factory=dict[str, bool])
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    links: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def missing(self) -> list[str]:
        """The responses, their keywords and their links that were not reached."""
        return [
            name
            for found in (self.responses, self.answer_keywords, self.links)
            for name, reached in found.items()
            if not reached
        ]

    @property
    def missing_of_requests(self) -> list[str]:
        """The keywords of requests that no request satisfied, or none broke."""
        never = [
            f"{name} (never satisfied)"
            for name, reached in self.satisfied.items()
            if not reached
        ]
        return never + [
            f"{name} (never broken)"
            for name, reached in self.broken.items()
            if not reached
        ]


class Operation:
    """One operation of the document."""

    def __init__(self, document: Node, template: str, method: str, item: Node) -> None:
        self._document = document
        self.method = method.upper()
        self.template = template
        node: Node = item[method]
        self._route = re.compile(
            re.sub(r"\\\{[^}]+\\\}", "([^/]+)", re.escape(template))
        )
        self._names = re.findall(r"\{([^}]+)\}", template)
        entries = [
            self._resolve(entry)
            for entry in [*item.get("parameters", []), *node.get("parameters", [])]
        ]
        self._parameters: dict[str, Node] = {
            entry["name"]: entry["schema"] for entry in entries if entry["in"] == "path"
        }
        self._always = {
            f"{name}/type"
            for name, schema in self._parameters.items()
            if schema.get("type") == "string"
        }
        self.id = str(node.get("operationId", ""))
        self._changed: set[str] = set()
        self._body = self._schema(self._resolve(node.get("requestBody", {})))
        self._answers = {
            key: self._schema(self._resolve(answer))
            for key, answer in node["responses"].items()
        }
        self.reach = Reach(dict.fromkeys(self._answers, False))
        self._links: dict[str, str] = {
            f"link {name}": self._resolve(link).get("operationId", "")
            for answer in node["responses"].values()
            for name, link in self._resolve(answer).get("links", {}).items()
        }
        self.reach.links = dict.fromkeys(self._links, 0)
        for key, schema in self._answers.items():
            self.reach.answer_keywords |= {
                f"{key}: {place}": False for place, _, _ in self._keywords(schema, "")
            }
        for place, schema in self._requested():
            found = {
                f"{place}{more}": False for more, _, _ in self._keywords(schema, "")
            }
            self.reach.satisfied |= found
            self.reach.broken |= {
                name: False for name in found if name not in self._always
            }

    def takes(self, method: str, url: str) -> bool:
        """Count one exchange's address: whether it is this operation's."""
        return (
            method == self.method
            and self._route.fullmatch(urlsplit(url).path) is not None
        )

    def count(
        self, url: str, sent: Json | object, status: int, answered: Json | object
    ) -> None:
        """Count one exchange.

        Args:
            url: Where it went.
            sent: The request's body, read as JSON; `MISSING` where it is none.
            status: The answer's status.
            answered: The answer's body in the same way.
        """
        reach = self.reach
        reach.statuses[status] = reach.statuses.get(status, 0) + 1
        names = (str(status), f"{status // 100}XX", "default")
        key = next((name for name in names if name in self._answers), None)
        if key is not None:
            reach.responses[key] = True
            for place, _, _ in self._held(self._answers[key], answered, ""):
                reach.answer_keywords[f"{key}: {place}"] = True
        match = self._route.fullmatch(urlsplit(url).path)
        values: dict[str, Json | object] = {"body": sent}
        if match:
            parts = map(unquote, match.groups())
            values.update(zip(self._names, parts, strict=True))
        for name, schema in self._requested():
            if name not in values:
                continue
            for place, keyword, (part, value) in self._held(schema, values[name], ""):
                fulfils = self._fulfils(part, keyword, value)
                target = reach.satisfied if fulfils else reach.broken
                target[f"{name}{place}"] = True

    def begin_run(self) -> None:
        """Forget the paths of the run before: another run had another server."""
        self._changed.clear()

    def succeeded(self, url: str) -> None:
        """Remember the path of a success, from which links lead."""
        self._changed.add(urlsplit(url).path)

    def follow(self, operation: Operation, url: str) -> None:
        """Count a success of an operation that links lead to.

        Args:
            operation: That operation.
            url: Where its request went.
        """
        if urlsplit(url).path in self._changed:
            for name, target in self._links.items():
                if target == operation.id:
                    self.reach.links[name] += 1

    # --- the document ----------------------------------------------------------------------------------------

    def _requested(self) -> Iterator[tuple[str, Node]]:
        yield from self._parameters.items()
        if self._body is not None:
            yield "body", self._body

    def _resolve(self, node: Node) -> Node:
        while "$ref" in node:
            found: Any = self._document
            for name in node["$ref"].removeprefix("#/").split("/"):
                found = found[name.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def _schema(self, holder: Node) -> Node | None:
        content: Mapping[str, Node] = holder.get("content", {})
        media = content.get("application/json")
        return media["schema"] if media else None

    def _keywords(
        self, schema: Node | None, place: str
    ) -> Iterator[tuple[str, str, Node]]:
        """Yield every keyword of a schema with its place, through references; a schema inside itself only once."""
        seen: set[int] = set()

        def walk(node: Node, place: str) -> Iterator[tuple[str, str, Node]]:
            node = self._resolve(node)
            if id(node) in seen:
                return
            seen.add(id(node))
            for keyword in sorted(KEYWORDS & node.keys()):
                yield f"{place}/{keyword}", keyword, node
            for name, part in node.get("properties", {}).items():
                yield from walk(part, f"{place}/properties/{name}")
            if isinstance(node.get("items"), dict):
                yield from walk(node["items"], f"{place}/items")
            for keyword in ("allOf", "oneOf", "anyOf"):
                for index, part in enumerate(node.get(keyword, [])):
                    yield from walk(part, f"{place}/{keyword}/{index}")

        if schema is not None:
            yield from walk(schema, place)

    def _held(
        self, schema: Node | None, value: Json | object, place: str, depth: int = 0
    ) -> Iterator[tuple[str, str, tuple[Node, Json]]]:
        """Yield the keywords that speak of a value or of what is in it, with the part that they speak of."""
        if schema is None or value is MISSING or depth > 20:
            return
        node = self._resolve(schema)
        for keyword in KEYWORDS & node.keys():
            yield f"{place}/{keyword}", keyword, (node, value)  # type: ignore[misc]
        if isinstance(value, dict):
            for name, part in node.get("properties", {}).items():
                if name in value:
                    yield from self._held(
                        part, value[name], f"{place}/properties/{name}", depth + 1
                    )
        if isinstance(value, list) and isinstance(node.get("items"), dict):
            for item in value:
                yield from self._held(node["items"], item, f"{place}/items", depth + 1)
        for keyword in ("allOf", "oneOf", "anyOf"):
            for index, part in enumerate(node.get(keyword, [])):
                yield from self._held(
                    part, value, f"{place}/{keyword}/{index}", depth + 1
                )

    def _fulfils(self, node: Node, keyword: str, value: Json) -> bool:
        alone = {keyword: node[keyword], "components": self._document["components"]}
        if keyword == "type" and node.get("nullable"):
            alone["nullable"] = True
        return bool(
            OAS30Validator(alone, format_checker=oas30_format_checker).is_valid(value)
        )


def operations_of(document: Node) -> list[Operation]:
    """Return every operation of a document."""
    return [
        Operation(document, template, method, item)
        for template, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


def measure(files: Iterable[Path], document: Node) -> list[Operation]:
    """Count what the exchanges of HAR files have reached.

    Args:
        files: The HAR files.
        document: The OpenAPI document.

    Returns:
        The operations, each with its `reach`.
    """
    operations = operations_of(document)
    for file in files:
        for operation in operations:
            operation.begin_run()
        for entry in json.loads(file.read_text(encoding="utf-8"))["log"]["entries"]:
            request = entry["request"]
            response = entry["response"]
            for operation in operations:
                if operation.takes(request["method"], request["url"]):
                    sent = _json(request.get("postData"))
                    operation.count(
                        request["url"],
                        sent,
                        response["status"],
                        _json(response.get("content")),
                    )
                    if 200 <= response["status"] < 300:
                        for other in operations:
                            other.follow(operation, request["url"])
                        operation.succeeded(request["url"])
    return operations


def _json(content: Node | None) -> Json | object:
    text = None if content is None else content.get("text")
    if text is None or (content or {}).get("encoding") == "base64":
        return MISSING
    try:
        value: Json = json.loads(text)
    except ValueError:
        return MISSING
    return value


def report(operations: Sequence[Operation]) -> str:
    """Say in lines what was reached, and what was not."""
    lines: list[str] = []
    for operation in operations:
        reach = operation.reach
        seen = ", ".join(
            f"{status} ({count:,})" for status, count in sorted(reach.statuses.items())
        )
        lines += [
            f"{operation.method} {operation.template}",
            f"  responses             {_share(reach.responses)}: {', '.join(reach.responses)}",
            f"  keywords of responses {_share(reach.answer_keywords)}",
            f"  keywords of requests  {_share(reach.satisfied)} satisfied, {_share(reach.broken)} broken",
            f"  statuses              {seen}",
            *(
                f"  {name:<22}followed {count:,} times"
                for name, count in reach.links.items()
            ),
            *(
                f"  not reached: {name}"
                for name in [*reach.missing, *reach.missing_of_requests]
            ),
        ]
    return "\n".join(lines)


def _share(found: Mapping[str, bool]) -> str:
    return f"{sum(found.values())} of {len(found)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 where a response, a keyword of one or a link was not reached."""
    files = [
        Path(argument)
        for argument in (sys.argv[1:] if arguments is None else arguments)
    ]
    if not files:
        print(
            "error: name the HAR files of a run (make contract writes them)",
            file=sys.stderr,
        )
        return 2
    operations = measure(files, yaml.safe_load(SPEC.read_text(encoding="utf-8")))
    print(report(operations))
    return int(any(operation.reach.missing for operation in operations))


if __name__ == "__main__":
    sys.exit(main())
