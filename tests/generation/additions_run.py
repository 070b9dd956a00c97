"""Calls every operation of a scratch package through both public clients against the mock server, in process.

Run by test_additions.py in a process of its own, where PYTHONPATH puts the scratch `generated/` first. The argument is
the spec; prints a JSON object of what is wrong with each of `WORKS`, by name.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
import warnings
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import httpx
import smarterproctoring
from generation.additions import WORKS, Works
from smarterproctoring_mock.testing import Mock, in_process


class Model:
    """Stands for a generated model."""

    def __init__(self, value: dict[str, Any]) -> None:
        self._value = value

    def to_dict(self) -> dict[str, Any]:
        return self._value


NAMES: dict[str, Any] = {
    "NULL": getattr(smarterproctoring, "NULL", None),
    "Model": Model,
    "UUID": UUID,
    "date": date,
    "datetime": datetime,
    "timedelta": timedelta,
    "timezone": timezone,
}


class Recorder(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The mock's transport, which also keeps what was sent and how it was answered."""

    def __init__(self, mock: Mock) -> None:
        assert mock.transport is not None
        self._inner = mock.transport
        self.seen: list[tuple[httpx.Request, httpx.Response]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        answer.read()
        self.seen.append((request, answer))
        return answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        await answer.aread()
        self.seen.append((request, answer))
        return answer


def method_of(addition: Works) -> str:
    from smarterproctoring_generated.operations import OPERATIONS

    return next(item.call for item in OPERATIONS if item.operation_id == addition.operation_id)


def call(client: Any, expression: str) -> Any:
    return eval(f"client.{expression}", {**NAMES, "client": client})  # noqa: S307 - the table's own text


def differences(addition: Works, request: Any, path: str) -> Iterator[str]:
    """Yield how a request, or the dry run of one, is not what it has to be."""
    method, _, content, headers = request
    expected = addition.path.partition("/{")[0] if addition.start.partition(" ")[2] else addition.path
    if method != addition.start.partition(" ")[0].upper():
        yield f"the method is {method}"
    if path != expected + addition.request:
        yield f"the target is {path}, not {expected + addition.request}"
    body = b"" if addition.body is None else json.dumps(None if addition.body == "null" else addition.body).encode()
    if bool(content) != bool(body) or (content and json.loads(content) != json.loads(body)):
        yield f"the body is {content!r}, not {body!r}"
    kind = addition.headers.get("content-type", "application/json" if body else None)
    for name, value in {"content-type": kind, **addition.headers}.items():
        if value != "<token>" and headers.get(name) != value:
            yield f"the header {name} is {headers.get(name)!r}, not {value!r}"
    if ("token" in headers) is (addition.name == "operation without security"):
        yield f"the token: {headers.get('token')}"


def check(addition: Works, client: Any, recorder: Recorder, *, asynchronous: bool) -> Iterator[str]:
    """Yield what is wrong with an addition."""

    def run(expression: str) -> Any:
        result = call(client, expression)
        return asyncio.run(result) if asynchronous else result

    method = method_of(addition)
    before = len(recorder.seen)
    result = run(method + (addition.call or "()"))
    dry = call(client, f"dry_run_{method}{addition.call or '()'}")
    if len(recorder.seen) != before + 1:
        yield f"{len(recorder.seen) - before} requests were sent"
        return
    request, answer = recorder.seen[-1]
    target = request.url.raw_path.decode()
    yield from differences(addition, (request.method, target, request.content, request.headers), target)
    target = dry.url.removeprefix("https://smarterproctoring-mock.invalid")
    for text in differences(addition, (dry.method, target, dry.content, httpx.Headers(dry.headers)), target):
        yield f"dry run: {text}"
    if not 200 <= answer.status_code < 300:
        yield f"the mock answers {answer.status_code}: {answer.text}"
    if result.status != answer.status_code:
        yield f"the result says {result.status}"
    for expression, words in addition.refused:
        try:
            run(method + expression)
            yield f"{expression} is not refused"
        except (smarterproctoring.ValidationError, TypeError) as error:
            if words not in str(error):
                yield f"{expression} is refused with {error}"
        if len(recorder.seen) != before + 1:
            yield f"{expression} was sent"
            return


def main(spec: str) -> dict[str, list[str]]:
    """Check every addition with both clients."""
    found: dict[str, list[str]] = {}
    for asynchronous in (False, True):
        with in_process(spec=spec) as mock:
            recorder = Recorder(mock)
            kind = smarterproctoring.AsyncSmarterProctoring if asynchronous else smarterproctoring.SmarterProctoring
            client = kind(mock.token, base_url=mock.url, transport=recorder, retries=0)
            for addition in WORKS:
                problems = found.setdefault(addition.name, [])
                try:
                    problems += check(addition, client, recorder, asynchronous=asynchronous)
                except Exception as error:
                    problems.append(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(main(sys.argv[1])))
