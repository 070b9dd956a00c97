"""Calls every operation of a scratch package through both public clients against the mock server, in process.

Run by test_additions.py in a process of its own, where PYTHONPATH puts the scratch `generated/` first. The argument is
the spec; prints a JSON object of what is wrong with each of `WORKS`, by name.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import smarterproctoring
from generation.additions import INSTALL, OTHERS, WORKS, Works
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
        self.url, self.token = mock.url, mock.token
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


SIDS = tuple(kind + "0123456789abcdef" * 2 for kind in ("AI", "EX", "ES"))
OPTIONS = {
    "--minutes": ("30", "minutes", 30),
    "--fee": ("1.5", "fee", 1.5),
    "--paid": ("true", "paid", True),
    "--codes": ("[1, 2]", "codes", [1, 2]),
    "--level": ("2", "level", 2),
    "--field-timezone": ("Here", "timezone", "Here"),
    "--old": ("o", "old", "o"),
}
WRONG = {"--minutes": "x", "--fee": "x", "--paid": "yes", "--codes": "1,2", "--level": "3"}


def command_line() -> Iterator[str]:
    """Yield what is wrong with the options for fields that are not text."""
    from click.testing import CliRunner
    from smarterproctoring.cli import main as command

    arguments = [part for option, (text, _, _) in OPTIONS.items() for part in (option, text)]
    arguments = ["reschedule", *SIDS, *arguments, "--x-actor", "me", "--timezone", "UTC", "--dry-run", "--json"]
    done = CliRunner().invoke(command, arguments)
    shown = json.loads(done.stdout) if done.exit_code == 0 else {}
    if shown.get("body") != {name: value for _, name, value in OPTIONS.values()}:
        yield f"it prints {done.output}"
    elif shown["headers"].get("x-actor") != "me":
        yield f"the headers are {shown['headers']}"
    for option, text in WRONG.items():
        done = CliRunner().invoke(command, ["reschedule", *SIDS, option, text, "--dry-run", "--json"])
        if done.exit_code != 2:
            yield f"{option} {text} ends with {done.exit_code}: {done.output}"
    if "Deprecated. Old notes." not in CliRunner().invoke(command, ["reschedule", "--help"]).output:
        yield "the help does not say what is deprecated"


def bulk() -> Iterator[str]:
    """Yield what is wrong with columns for fields that are not text."""
    from smarterproctoring_bulk.rows import InputOptions, Row, read_rows

    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "list.csv")
        table.write_text("installSid,examSid,sessionSid,minutes,paid\n" + ",".join(SIDS) + ",30,true\n")
        rows = [*read_rows(table, InputOptions())]
        wrong = ",".join(SIDS) + ",x,true\n"
        table.write_text("installSid,examSid,sessionSid,minutes,paid\n" + wrong)
        problems = [*read_rows(table, InputOptions())]
    (row,) = rows
    if not isinstance(row, Row) or dict[str, object](row.fields) != {"minutes": 30, "paid": True}:
        yield f"the row is {row}"
    if any(isinstance(problem, Row) for problem in problems):
        yield f"a wrong number is let through: {problems}"


def deprecation(client: Any) -> Iterator[str]:
    """Yield what is wrong with the warnings."""
    from smarterproctoring import rules

    rules.WARNED.clear()  # the table has called it already
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            client.operation_deprecated()
            client.dry_run_reschedule(*SIDS, old="o")
            client.dry_run_reschedule(*SIDS, notes="n")
    said = [str(warning.message) for warning in caught if warning.category is DeprecationWarning]
    expected = ["`operation_deprecated` is deprecated", "`old` of `reschedule` is deprecated"]
    if len(said) != 2 or not all(text.startswith(start) for text, start in zip(said, expected, strict=True)):
        yield f"the warnings are {said}"
    if any(warning.filename != __file__ for warning in caught):
        yield f"they point at {[warning.filename for warning in caught]}"
    if "Deprecated." not in str(client.operation_deprecated.__doc__):
        yield "the docstring does not say it"


def views_for_one_install(client: Any, recorder: Recorder) -> Iterator[str]:
    """Yield what is wrong with the methods of a view: those whose path begins with the install, with the same rules."""
    from smarterproctoring import rules

    view = client.for_install(INSTALL)
    has = [name for name in dir(view) if hasattr(type(client), f"dry_run_{name}")]
    if has != ["get_session", "path_of_an_install", "reschedule"]:
        yield f"it has {has}"
    results = [view.path_of_an_install(3), client.path_of_an_install(INSTALL, 3)]
    sent = [request.url.raw_path.decode() for request, _ in recorder.seen[-2:]]
    if sent != [f"/v1/path-of-an-install/{INSTALL}/3"] * 2 or {result.status for result in results} != {200}:
        yield f"it sends {sent}"
    dry = view.dry_run_path_of_an_install(p=3, old="o")
    if not dry.url.endswith(f"{INSTALL}/3?old=o"):
        yield f"the dry run is {dry.url}"
    rules.WARNED.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        view.path_of_an_install(3, old="o")
    if [(str(one.message)[:5], one.filename) for one in caught] != [("`old`", __file__)]:
        yield f"the warnings are {[(str(one.message), one.filename) for one in caught]}"


def generated_functions(client: Any, recorder: Recorder) -> Iterator[str]:
    """Yield what is wrong with what the generated functions send, which know less of the spec."""
    models: Any = importlib.import_module("smarterproctoring_generated.models")
    noon = datetime(2030, 5, 4, 12, tzinfo=UTC)
    filters = models.QueryDeepobjectQ(a="x y", b=2)
    other = models.FieldWithADefaultBody(other="o")
    cases: list[tuple[str, dict[str, Any], str, bytes, dict[str, str]]] = [
        ("path_integer", {"p": 3}, "/v1/path-integer/3", b"", {}),
        ("path_time", {"p": noon}, "/v1/path-time/2030-05-04T12%3A00%3A00.000Z", b"", {}),
        ("query_array_in_one", {"q": [1, 2]}, "/v1/query-array-in-one?q=1,2", b"", {}),
        ("query_deepobject", {"q": filters}, "/v1/query-deepObject?q%5Ba%5D=x%20y&q%5Bb%5D=2", b"", {}),
        ("query_with_a_default", {}, "/v1/query-with-a-default", b"", {}),
        ("query_boolean", {"q": True}, "/v1/query-boolean?q=true", b"", {}),
        ("header_integer", {"x_mode": 3}, "/v1/header-integer", b"", {"x-mode": "3"}),
        ("header_time", {"x_mode": noon.isoformat()}, "/v1/header-time", b"", {"x-mode": "2030-05-04T12:00:00.000Z"}),
        ("body_array", {"body": [1, 2]}, "/v1/body-array", b"[1,2]", {"content-type": "application/json"}),
        ("field_with_a_default", {"body": other}, "/v1/field-with-a-default", b'{"other":"o"}', {}),
    ]
    for name, given, target, body, headers in cases:
        module = importlib.import_module(f"smarterproctoring_generated.api.additions.{name}")
        positional = [given.pop("p")] if "p" in given else []
        module.sync_detailed(*positional, client=client.generated, **given)
        request, answer = recorder.seen[-1]
        sent = (request.url.raw_path.decode(), request.content, {key: request.headers.get(key) for key in headers})
        if sent != (target, body, headers) or answer.status_code != 200:
            yield f"{name} sends {sent}, and the mock answers {answer.status_code} {answer.text}"
    for name, values in (("path_enum", ["c"]), ("query_enum_of_integers", list[str]())):
        module = importlib.import_module(f"smarterproctoring_generated.api.additions.{name}")
        before = len(recorder.seen)
        try:
            module.sync_detailed(*values, client=client.generated, **({} if values else {"q": 7}))
            yield f"{name} lets another value through"
        except smarterproctoring.ValidationError:
            if len(recorder.seen) != before:
                yield f"{name} sends it anyway"


def errors_of_any_body(client: Any, mock: Mock) -> Iterator[str]:
    """Yield what is wrong with an error answer to a request whose body is no object; what it quotes is masked."""
    for method, body in (
        ("body_array", [4711]),
        ("body_text", "secretword"),
        ("body_nullable", smarterproctoring.NULL),
    ):
        mock.app.add_faults({"status": 400, "message": "4711 secretword is wrong", "times": 1})
        try:
            getattr(client, method)(body=body)
            yield f"{method}: no error"
        except smarterproctoring.BadRequestError as error:
            if (str(body) in str(error)) if body is not smarterproctoring.NULL else "4711" not in str(error):
                yield f"{method}: {error}"


def what_may_be_repeated(spec: str) -> Iterator[str]:
    """Yield what is wrong with the number of requests where answers are lost."""
    for method, given, expected in (
        ("body_array", {"body": [1]}, 1),
        ("body_free_map", {"body": {}}, 3),
        ("header", {}, 3),
    ):
        with in_process(spec=spec) as mock:
            client = smarterproctoring.SmarterProctoring(mock.token, base_url=mock.url, transport=mock.transport)
            mock.app.add_faults({"drop": "after-store", "times": 5})
            try:
                getattr(client, method)(**given)
            except smarterproctoring.SmarterProctoringError as error:
                if error.attempts != expected:
                    yield f"{method} was sent {error.attempts} times, not {expected}"


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
            if not asynchronous:
                others: list[Callable[[], Iterator[str]]] = [
                    command_line,
                    bulk,
                    partial(deprecation, client),
                    partial(generated_functions, client, recorder),
                    partial(errors_of_any_body, client, mock),
                    partial(what_may_be_repeated, spec),
                    partial(views_for_one_install, client, recorder),
                ]
                for name, other in zip(OTHERS, others, strict=True):
                    problems = found.setdefault(name, [])
                    try:
                        problems += other()
                    except Exception as error:
                        problems.append(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(main(sys.argv[1])))
