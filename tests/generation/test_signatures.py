"""The methods of the public clients show their parameters: to inspect, to help(), to mypy and to pyright."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import smarterproctoring
from smarterproctoring_generated.facade import AsyncInstallOperations, AsyncOperations, InstallOperations, Operations
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION

ROOT = Path(__file__).resolve().parents[2]
PYRIGHT = ROOT / "node_modules" / ".bin" / "pyright"
CLIENTS = (smarterproctoring.SmarterProctoring, smarterproctoring.AsyncSmarterProctoring)
VIEWS = (smarterproctoring.InstallClient, smarterproctoring.AsyncInstallClient)
METHODS = [getattr(client, name) for client in CLIENTS for name in ("reschedule", "dry_run_reschedule", "check")]

needs_pyright = pytest.mark.skipif(
    not PYRIGHT.exists(), reason="pyright is not installed; `make node_modules/.ready` installs it (npm is needed)"
)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__qualname__)
def test_each_field_is_a_keyword_only_parameter_with_a_type_and_a_default(method: Any) -> None:
    parameters = inspect.signature(method).parameters
    sids = [item.keyword for item in RESCHEDULE_EXAM_SESSION.parameters]
    fields = [item.keyword for item in RESCHEDULE_EXAM_SESSION.fields]
    assert list(parameters) == ["self", *sids, *fields]
    assert len(fields) == 18
    for name in fields:
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].default is None
        assert str(parameters[name].annotation).endswith("| None")
    start = parameters["appointment_start_date_time"].annotation
    assert start == "datetime.datetime | str | None"


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_the_documentation_of_a_method_describes_each_parameter(client: Any) -> None:
    shown = " ".join((inspect.getdoc(client.reschedule) or "").split())
    described = {item.keyword: item.description for item in RESCHEDULE_EXAM_SESSION.parameters}
    described |= {item.keyword: item.description for item in RESCHEDULE_EXAM_SESSION.fields}
    assert all(described.values())
    for keyword, description in described.items():
        assert f"{keyword}: {description}" in shown


@pytest.mark.parametrize(("client", "view"), list(zip(CLIENTS, VIEWS, strict=True)), ids=["sync", "async"])
def test_a_view_for_one_install_has_each_method_that_takes_its_sid(client: Any, view: Any) -> None:
    """Without that parameter, and with the same documentation of all others."""
    taken = [name for name in public(client) if "install_sid" in inspect.signature(getattr(client, name)).parameters]
    assert {"reschedule", "dry_run_reschedule", "check", "get_session", "dry_run_get_session"} < {*taken}
    assert {*taken} - {"for_install", "from_env"} | {"reschedule_many", "with_options"} == {*public(view)}
    for name in {*taken} - {"for_install", "from_env"}:
        whole = inspect.signature(getattr(client, name))
        left = [parameter for parameter in whole.parameters.values() if parameter.name != "install_sid"]
        method = getattr(view, name)
        assert inspect.signature(method) == whole.replace(parameters=left)
        lines = (inspect.getdoc(getattr(client, name)) or "").splitlines()
        assert (inspect.getdoc(method) or "").splitlines() == [line for line in lines if "install_sid:" not in line]
        assert (method.__name__, inspect.iscoroutinefunction(method)) == (
            name,
            inspect.iscoroutinefunction(getattr(client, name)),
        )


def public(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")]


BASES = (Operations, AsyncOperations, InstallOperations, AsyncInstallOperations)


@pytest.mark.parametrize(("base", "client"), list(zip(BASES, (*CLIENTS, *VIEWS), strict=True)))
def test_each_client_implements_what_the_generated_methods_call(base: Any, client: Any) -> None:
    """The generated base class only names these; a template that calls one more needs it in both clients."""
    functions = {name: value for name, value in vars(base).items() if inspect.isfunction(value)}
    needed = {name: value for name, value in functions.items() if re.fullmatch("_[a-z].*", name)}
    called = {
        name for value in functions.values() for name in value.__code__.co_names if re.fullmatch("_[a-z].*", name)
    }
    assert {"_call", "_dry_run", "_check"} <= needed.keys()
    assert called & needed.keys() == needed.keys()
    for name, declared in needed.items():
        own = getattr(client, name)
        assert own is not declared, f"{client.__name__} does not implement {name}"
        assert inspect.iscoroutinefunction(own) is inspect.iscoroutinefunction(declared)
        assert list(inspect.signature(own).parameters) == list(inspect.signature(declared).parameters)


SNIPPET = """\
from datetime import datetime

from smarterproctoring import AsyncSmarterProctoring, SmarterProctoring
from smarterproctoring import AsyncInstallClient, Check, DryRun, InstallClient, RescheduleExamSessionFields, Result
from smarterproctoring_generated.models import ExamSession
from typing_extensions import assert_type


async def move(client: SmarterProctoring, other: AsyncSmarterProctoring, start: datetime) -> Result:
    given: RescheduleExamSessionFields = {"notes": "moved", "appointment_start_date_time": start}
    client.dry_run_reschedule("a", "b", "c", type="examity", notes=None)
    client.reschedule("a", "b", "c", **given)
    client.reschedule("a", "b", "c", frist_name="Ada")
    client.reschedule("a", "b", "c", notes=7)
    client.reschedule("a", "b", "c", type="zoom")
    client.reschedule("a", "b", "c", "notes")
    await other.reschedule("a", "b", "c", frist_name="Ada")
    other.dry_run_reschedule("a", "b", "c", appointment_start_date_time=7)
    given["frist_name"] = "Ada"
    client.get_session("a", "b", "c", notes="x")
    client.check("a", "b", "c", frist_name="Ada")
    await other.check("a", "b", "c", notes=7)
    assert_type(client.get_session("a", "b", "c"), Result[ExamSession])
    assert_type(await other.get_session("a", "b", "c"), Result[ExamSession])
    assert_type(client.get_session("a", "b", "c").parsed, ExamSession | None)
    assert_type(client.reschedule("a", "b", "c", notes="x"), Result[None])
    assert_type(client.reschedule("a", "b", "c", notes="x").parsed, None)
    assert_type(client.check("a", "b", "c", notes="x"), Check)
    assert_type(await other.check("a", "b", "c", **given), Check)
    assert_type(client.dry_run_get_session("a", "b", "c"), DryRun)
    assert_type(other.dry_run_get_session("a", "b", "c"), DryRun)
    view = client.for_install("a")
    views = other.with_options(retries=0).for_install().with_options(deadline=5)
    view.reschedule("b", "c", **given)
    view.reschedule(exam_sid="b", session_sid="c", type="examity", notes=None)
    view.reschedule("b", "c", frist_name="Ada")
    view.reschedule("b", "c", notes=7)
    view.reschedule("a", "b", "c", notes="x")  # three SIDs
    view.reschedule("b", notes="x")  # one SID
    view.get_session(install_sid="a", exam_sid="b", session_sid="c")  # a name too many
    client.for_install(7)
    view.reschedule_many([{"notes": "x", "exam_sid": "b", "session_sid": "c"}])
    view.reschedule_many([{"exam_sid": "b", "notes": "x"}])  # one SID
    await views.check("b", "c", frist_name="Ada")
    assert_type(view, InstallClient)
    assert_type(views, AsyncInstallClient)
    assert_type(view.get_session("b", "c"), Result[ExamSession])
    assert_type(await views.get_session("b", "c"), Result[ExamSession])
    assert_type(view.reschedule("b", "c", notes="x"), Result[None])
    assert_type(view.check("b", "c", notes="x"), Check)
    assert_type(await views.check("b", "c", **given), Check)
    assert_type(view.dry_run_reschedule("b", "c", notes="x"), DryRun)
    assert_type(views.dry_run_get_session("b", "c"), DryRun)
    return await other.reschedule("a", "b", "c", **given)
"""
MISTAKES = (
    *("frist_name", "notes=7", "zoom", '"c", "notes"', "time=7", 'get_session("a", "b", "c", notes'),
    *("  # three SIDs", "  # one SID", "  # a name too many", "for_install(7)"),
)
WRONG = [number for number, line in enumerate(SNIPPET.splitlines(), 1) if any(mistake in line for mistake in MISTAKES)]
"""The lines that a type checker has to refuse."""


@pytest.fixture
def snippet(tmp_path: Path) -> Path:
    path = tmp_path / "snippet.py"
    path.write_text(SNIPPET)
    return path


@pytest.mark.tooling
def test_mypy_refuses_a_misspelt_keyword_and_a_wrong_type(snippet: Path) -> None:
    assert len(WRONG) == 18
    options = ["--strict", "--no-error-summary", "--config-file", os.devnull]
    options += ["--cache-dir", str(ROOT / ".cache" / "mypy-signatures")]
    paths = os.pathsep.join(str(ROOT / name) for name in ("generated", "overrides", "transport"))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(snippet)],
        env={**os.environ, "MYPYPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line.partition("snippet.py:")[2] for line in done.stdout.splitlines() if ": error: " in line]
    lines = [int(error.partition(":")[0]) for error in errors]
    assert list(dict.fromkeys(lines)) == WRONG, done.stdout + done.stderr
    assert 'Unexpected keyword argument "frist_name" for "reschedule"' in errors[0]
    assert 'Argument "notes" to "reschedule" of "Operations" has incompatible type "int"' in errors[1]


@pytest.mark.tooling
@needs_pyright
def test_pyright_refuses_a_misspelt_keyword_and_a_wrong_type(snippet: Path) -> None:
    folders = [str(ROOT / name) for name in ("generated", "overrides", "transport")]
    settings = {"typeCheckingMode": "strict", "extraPaths": folders, "pythonVersion": "3.11"}
    (snippet.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [str(PYRIGHT), "--outputjson", "--pythonpath", sys.executable, "--project", str(snippet.parent)],
        cwd=snippet.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = list(lines_with_errors(json.loads(done.stdout)))
    assert list(dict.fromkeys(line for line, _ in errors)) == WRONG, errors
    assert errors[0][1] == 'No parameter named "frist_name"'
    assert 'to parameter "notes" of type "str | None"' in errors[1][1]


def lines_with_errors(report: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the line of each error that pyright reports, and what it says."""
    for found in report["generalDiagnostics"]:
        if found["severity"] == "error":
            yield found["range"]["start"]["line"] + 1, found["message"]
