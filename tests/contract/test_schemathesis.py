"""The mock server, fuzzed from the spec in process (over the network: tools/fuzz.py), and proof that it bites."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from contract import checks
from contract.drawing import EXAMPLES, SPEC
from schemathesis.engine import Status, events, from_schema
from smarterproctoring_mock import MockApp
from smarterproctoring_mock.store import Store
from smarterproctoring_mock.testing import network

ROOT = SPEC.parents[1]
TOKEN = "contract-token"
PHASES = frozenset({"examples", "coverage", "fuzzing", "stateful"})
STATEFUL = frozenset({"stateful"})
FUZZING = frozenset({"fuzzing"})
COVERAGE = frozenset({"coverage", "fuzzing"})
"""Each field and each way to break it; then what is drawn, which depends on the modules that happen to be imported."""
pytestmark = pytest.mark.slow


def fuzz(
    app: MockApp,
    *,
    examples: int,
    token: str | None = TOKEN,
    phases: frozenset[str] = PHASES,
    until: Callable[[list[str]], bool] = lambda _: False,
) -> list[str]:
    """Run phases and every check on an application in this process; return what failed, `until` it is enough."""
    settings = tomllib.loads((ROOT / "schemathesis.toml").read_text())
    settings["auth"] = {} if token is None else {"openapi": {"token": {"api_key": token}}}
    settings["generation"] |= {"deterministic": not EXAMPLES, "max-examples": examples, "database": "none"}
    settings["phases"] = {name: {"enabled": name in phases} for name in PHASES}
    schema = schemathesis.openapi.from_path(SPEC, config=schemathesis.Config.from_dict(settings))
    schema.app = app
    failures: list[str] = []
    seen: set[str] = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            seen.add(event.phase.name.lower().removesuffix("_testing"))
            for nodes in event.recorder.checks.values():
                failures += [
                    f"{node.name}: {node.failure_info.failure.message}"
                    for node in nodes
                    if node.status != Status.SUCCESS and node.failure_info is not None
                ]
            if until(failures):
                return failures
        elif isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(repr(event))
    assert seen == phases
    return failures


def finds(app: MockApp, check: str, said: str, *, phases: frozenset[str]) -> bool:
    """Tell whether a check finds something."""

    def enough(failures: list[str]) -> bool:
        return found(failures, check, said)

    return enough(fuzz(app, examples=20, phases=phases, until=enough))


def found(failures: list[str], check: str, said: str = "") -> bool:
    return any(failure.startswith(f"{check}: ") and said in failure for failure in failures)


def test_no_check_fails_in_process() -> None:
    app = MockApp(token=TOKEN)
    assert fuzz(app, examples=EXAMPLES or 5) == []  # `make contract` draws more, over the network
    assert app.total > 20
    app.close()


def test_no_check_fails_with_the_state_in_a_file(tmp_path: Path) -> None:
    app = MockApp(token=TOKEN, db=tmp_path / "mock.db")
    assert fuzz(app, examples=EXAMPLES or 20, phases=FUZZING) == []  # `make contract` runs every phase
    assert app.total > 20
    app.close()


# --- proof that it bites: credentials -----------------------------------------------------------------------


@pytest.mark.parametrize("token", ["another-token", None], ids=["wrong", "missing"])
def test_a_run_without_the_right_token_fails(token: str | None) -> None:
    failures = fuzz(MockApp(token=TOKEN), examples=1, token=token, phases=FUZZING)
    assert found(failures, "credentials_accepted")


def test_a_wrong_token_is_the_exit_code_of_the_command(tmp_path: Path) -> None:
    """That it passes with the right one, `make contract` shows."""
    command: list[str | Path] = [
        sys.executable,
        ROOT / "tools" / "fuzz.py",
        "--max-examples",
        "1",
        "--db",
        tmp_path / "mock.db",
    ]
    more = ["--phases", "fuzzing", "-H", "token:another"]
    ran = subprocess.run([*command, "--", *more], capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stdout
    assert "the token of this run is refused" in ran.stdout


def test_the_settings_alone_fail_a_run_without_the_right_token() -> None:
    # For manual runs of schemathesis, without this project's own checks.
    command: list[str | Path] = [Path(sys.executable).with_name("schemathesis"), "run", SPEC, "--max-examples", "1"]
    with network(token=TOKEN) as mock:
        command += ["--url", mock.url, "-H", "token:another", "--phases", "fuzzing"]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stdout
    assert "credentials_accepted" not in ran.stdout
    assert "Warnings fail the run" in ran.stdout, ran.stdout


def test_a_file_that_exists_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "mock.db").touch()
    command: list[str | Path] = [sys.executable, ROOT / "tools" / "fuzz.py", "--db", tmp_path / "mock.db"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "exists" in ran.stderr


# --- proof that it bites: state -----------------------------------------------------------------------------

WRONG_STORES: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "a field is lost": lambda change: {name: value for name, value in change.items() if name != "notes"},
    "a value is cut": lambda change: {name: value[:10] for name, value in change.items()},
    "times are rewritten": lambda change: {name: value.replace("Z", "+00:00") for name, value in change.items()},
    "nothing is stored": lambda _: None,
}


@pytest.mark.parametrize("fault", WRONG_STORES)
def test_a_store_that_keeps_something_else_is_found(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    record: Any = Store.record

    def wrong(self: Store, *arguments: Any) -> None:
        *head, change = arguments
        record(self, *head, change and WRONG_STORES[fault](change))

    monkeypatch.setattr(Store, "record", wrong)
    assert finds(MockApp(token=TOKEN), "stored_as_sent", "add up to", phases=COVERAGE)


def test_a_store_that_replaces_instead_of_merging_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    record: Any = Store.record

    def wrong(self: Store, *arguments: Any) -> None:
        if arguments[6] is not None:
            self._sessions.pop(arguments[2], None)  # pyright: ignore[reportPrivateUsage]
        record(self, *arguments)

    monkeypatch.setattr(Store, "record", wrong)
    assert finds(MockApp(token=TOKEN), "stored_as_sent", "add up to", phases=COVERAGE)


# --- proof that it bites: reads, by the phase that follows links --------------------------------------------


def test_the_stateful_phase_reads_what_it_changed() -> None:
    app = MockApp(token=TOKEN)
    assert fuzz(app, examples=EXAMPLES or 10, phases=STATEFUL) == []
    changed: set[str] = set()
    compared = 0
    for request in app.requests(status=200):
        if request.method == "PUT":
            changed.add(request.path)
        else:
            compared += request.path in changed
    assert compared > 5, compared
    app.close()


def _without_the_last_change(self: MockApp, request: Any, operation: Any, fields: Any) -> Any:
    former = self._store.former_fields(request.key)  # pyright: ignore[reportPrivateUsage]
    return operation.current(request.key[1], former)


def _of_another_session(self: MockApp, request: Any, operation: Any, fields: Any) -> Any:
    values = (*request.key[1][:-1], "ES" + "f" * 32)
    return operation.current(values, self._store.fields(request.key))  # pyright: ignore[reportPrivateUsage]


def _with_the_start_as_the_end(self: MockApp, request: Any, operation: Any, fields: Any) -> Any:
    stored = dict(self._store.fields(request.key))  # pyright: ignore[reportPrivateUsage]
    if "appointmentStartDateTime" in stored:
        stored["appointmentEndDateTime"] = stored["appointmentStartDateTime"]
    return operation.current(request.key[1], stored)


@pytest.mark.parametrize(
    "wrong",
    [_without_the_last_change, _of_another_session, _with_the_start_as_the_end],
    ids=["ignores the last change", "another session", "the end is the start"],
)
def test_a_read_that_shows_something_else_is_found(monkeypatch: pytest.MonkeyPatch, wrong: Any) -> None:
    monkeypatch.setattr(MockApp, "_current", wrong)
    assert finds(MockApp(token=TOKEN), "read_as_changed", "accepted changes say", phases=STATEFUL)


def test_a_refused_request_that_changes_something_is_found() -> None:
    class Careless(MockApp):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await super().__call__(scope, receive, send)
            if scope["type"] == "http" and self.audit(limit=1)[0].status == 400:
                sids = {"installSid": "AI" + "9" * 32, "examSid": "EX" + "9" * 32, "sessionSid": "ES" + "9" * 32}
                self.seed([{**sids, "fields": {"notes": str(self.total)}}])

    assert finds(Careless(token=TOKEN), "stored_as_sent", "add up to None", phases=COVERAGE)


def test_surrogates_without_their_other_half_count_as_the_mock_stores_them() -> None:
    assert checks.as_stored("a\ud800b\U0001f600") == "a\ufffdb\U0001f600"


def test_values_of_a_path() -> None:
    assert checks.template_values("/a/{b}/c/{d}", "/a/1%20/c/2") == ("1 ", "2")
    assert checks.template_values("/a/{b}/c/{d}", "/a/1/c/2/") is None
