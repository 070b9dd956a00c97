"""Calls every operation of a package made from one of the documents; run by test_documents.py."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

import smarterproctoring
from generation.additions_run import Recorder, call
from generation.documents import CALLS, Call
from smarterproctoring_generated.operations import OPERATIONS, SERVERS
from smarterproctoring_mock.testing import in_process


def check(given: Call, recorder: Recorder, *, asynchronous: bool) -> Iterator[str]:
    """Yield what is wrong with a call."""
    settings: dict[str, Any] = {"transport": recorder, "base_url": recorder.url, "retries": 0}
    before = len(recorder.seen)
    if asynchronous:
        answered = asyncio.run(
            call(smarterproctoring.AsyncSmarterProctoring(recorder.token, **settings), given.expression)
        )
    else:
        answered = call(smarterproctoring.SmarterProctoring(recorder.token, **settings), given.expression)
    if len(recorder.seen) != before + 1 or not 200 <= answered.status < 300:
        yield f"{given.expression}: {len(recorder.seen) - before} requests, answered {answered}"
    request, _ = recorder.seen[-1]
    sent = f"{request.method} {request.url.raw_path.decode()}", json.loads(request.content) if request.content else None
    if sent != (given.request, given.body):
        yield f"{given.expression}: sends {sent}, not {(given.request, given.body)}"


def main(name: str, spec: str) -> Iterator[str]:
    """Yield what is wrong with a document."""
    calls = CALLS[name]
    called = {given.expression.partition("(")[0] for given in calls}
    if called != {operation.call for operation in OPERATIONS}:
        yield f"the calls are not those of {sorted(operation.call for operation in OPERATIONS)}"
    if not SERVERS[0].startswith("https://"):
        yield f"the default base URL is {SERVERS[0]}"
    for asynchronous in (False, True):
        with in_process(spec=spec) as mock:
            recorder = Recorder(mock)
            for given in calls:
                try:
                    yield from check(given, recorder, asynchronous=asynchronous)
                except Exception as error:
                    yield f"{given.expression}: {type(error).__name__}: {error}"


if __name__ == "__main__":
    print(json.dumps([*main(*sys.argv[1:])]))
