"""Three checks beside schemathesis's own; schemathesis.toml names this module as its hooks.

`stored_as_sent`: after every exchange the sessions that the mock holds are those that its accepted requests add up
to. `read_as_changed`: a read shows what the accepted changes of its session say, under the names that the spec gives
(`x-reads-back-as`), and the SIDs of its path. `credentials_accepted`: no valid case is answered 401, for then a run
would prove nothing.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import requests
import schemathesis
from schemathesis import Case, CheckContext, GenerationMode
from schemathesis.core.transport import Response
from smarterproctoring_mock import MockApp

Sessions = dict[tuple[str, ...], dict[str, Any]]
MANY = 200
"""Sessions from which on the mock is reset: every check compares all of them."""

_expected: dict[object, Sessions] = {}
_shown: dict[object, Sessions] = {}


def template_values(template: str, path: str) -> tuple[str, ...] | None:
    """Return the values of the path parameters of a template."""
    route = re.sub(r"\\\{[^}]+\\\}", "([^/]+)", re.escape(template))
    match = re.fullmatch(route, path)
    return tuple(unquote(value) for value in match.groups()) if match else None


def as_stored(text: str) -> str:
    """Replace surrogates without their other half, as RFC 8259 lets a reader do."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Target:
    """The mock behind a case: in this process, or at an address."""

    def __init__(self, case: Case[Any], url: str) -> None:
        parts = urlsplit(url)
        self._url = f"{parts.scheme}://{parts.netloc}/_mock/"
        self._app: MockApp | None = case.operation.app
        self.key: object = self._url if self._app is None else id(self._app)

    def sessions(self) -> Sessions:
        """Return what is stored."""
        if self._app is not None:
            return {tuple(session.params.values()): dict(session.fields) for session in self._app.sessions()}
        sessions = requests.get(self._url + "sessions", timeout=60).json()["sessions"]
        return {
            tuple(value for name, value in one.items() if name not in ("fields", "history")): one["fields"]
            for one in sessions
        }

    def reset(self) -> None:
        """Empty the mock."""
        if self._app is not None:
            self._app.reset()
        else:
            requests.post(self._url + "reset", json=None, headers={"Content-Type": "application/json"}, timeout=60)


@schemathesis.check
def stored_as_sent(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Hold what is stored against the merge of all that was accepted."""
    request = response.request
    target = Target(case, str(request.url))
    expected = _expected.setdefault(target.key, {})
    shown = _shown.setdefault(target.key, {})
    body = case.operation.definition.raw.get("requestBody")  # a read has none, and stores nothing
    if body is not None and 200 <= response.status_code < 300:
        key = template_values(case.operation.path, urlsplit(str(request.url)).path)
        sent = json.loads(cast("bytes", request.body or b"{}"))
        declared = body["content"]["application/json"]["schema"]
        properties = resolved(case, declared)["properties"]
        assert key is not None, "accepted, but the path is not the operation's"
        merged = {name: as_stored(value) for name, value in sent.items() if name in properties}
        expected[key] = {**expected.get(key, {}), **merged}
        read = {properties[name].get("x-reads-back-as"): value for name, value in merged.items()}
        shown[key] = {**shown.get(key, {}), **read}
    stored = target.sessions()
    if stored != expected:
        wrong = sorted(key for key in stored.keys() | expected.keys() if stored.get(key) != expected.get(key))
        message = f"stored {stored.get(wrong[0])!r}, accepted requests add up to {expected.get(wrong[0])!r}"
        expected.clear()
        shown.clear()
        target.reset()  # so that one fault is not reported for every case after it
        raise AssertionError(message)
    if len(expected) > MANY:
        expected.clear()
        shown.clear()
        target.reset()


@schemathesis.check
def read_as_changed(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Hold what a read shows against what was accepted for its session."""
    if case.method != "GET" or response.status_code != 200:
        return
    request = response.request
    key = template_values(case.operation.path, urlsplit(str(request.url)).path)
    assert key is not None, "accepted, but the path is not the operation's"
    changed = _shown.get(Target(case, str(request.url)).key, {}).get(key, {})
    names = re.findall(r"\{([^}]+)\}", case.operation.path)
    expected = {**changed, **dict(zip(names[:-1], key[:-1], strict=True)), "sid": key[-1]}
    expected.pop(None, None)  # the fields that no read shows
    answer = json.loads(response.content)
    came = {name: answer.get(name, "no such member") for name in expected}
    assert came == expected, f"read {came!r}, accepted changes say {expected!r}"


@schemathesis.check
def credentials_accepted(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Fail where the run's own token is refused."""
    valid = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    assert not (valid and response.status_code == 401), "the token of this run is refused: the run proves nothing"


def resolved(case: Case[Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow one reference within the document."""
    found: Any = schema
    if "$ref" in schema:
        found = case.operation.schema.raw_schema
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
    return dict(found)
