"""The view for one install: the same requests, connections, options and errors as those of the client."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from smarterproctoring import AuthenticationError, BadRequestError, Check, ConfigurationError, Result, ValidationError
from wire.driver import AI, CERTIFICATES, ES, EX, PATH, TOKEN, Driver, failure, shown
from wire.misbehave import Server, answer, json_body
from wire.test_secrecy import PERSON, frames_are_clean

OTHER = "AI" + "d4" * 16
START = datetime(2030, 5, 4, 13, tzinfo=UTC)
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("reschedule", {"appointment_start_date_time": START, "notes": "moved"}),
    ("get_session", {}),
    ("check", {"appointment_start_date_time": START}),
    ("dry_run_reschedule", {"notes": "moved"}),
    ("dry_run_get_session", {}),
]


@pytest.mark.parametrize(("name", "given"), CALLS, ids=[name for name, _ in CALLS])
def test_a_view_sends_what_the_client_sends(
    any_driver: Driver, server: Server, name: str, given: dict[str, Any]
) -> None:
    found: list[Any] = []
    with any_driver.client(server) as client:
        view = client.for_install(AI)
        found.append(client.run(getattr(client.raw, name), AI, EX, ES, **given))
        found.append(view.run(getattr(view.raw, name), EX, ES, **given))
        found.append(view.run(getattr(view.raw, name), exam_sid=EX, session_sid=ES, **given))
    sent = [(one.method, one.path, one.body, sorted(one.headers)) for one in server.requests]
    assert len(sent) == (0 if name.startswith("dry_run") else 3)
    assert all(one == sent[0] for one in sent)
    assert all(one[1] == PATH for one in sent)
    results = [without_times(one) for one in found]
    assert results[0] == results[1] == results[2]


def without_times(found: Any) -> Any:
    """Leave out when something was seen, and how long it took."""
    if isinstance(found, Result):
        return found._replace(elapsed=0.0)
    return found._replace(seen_at=None) if isinstance(found, Check) else found


@pytest.mark.parametrize("sid", ["", "AI", AI.upper(), f" {AI}", EX, f"{AI}\n", 7, b"AI"])
def test_a_wrong_install_is_refused_when_the_view_is_made_in_the_words_of_a_call(
    driver: Driver, server: Server, sid: Any
) -> None:
    with driver.client(server) as client:
        of_call = client.fails(ValidationError, sid, EX, ES)
        of_view = failure(ValidationError, lambda: client.raw.for_install(sid))
    assert of_view.message == of_call.message
    assert of_view.problems == of_call.problems
    assert isinstance(of_view, ValueError)
    assert server.requests == []


def test_a_call_of_a_view_checks_the_other_sids(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        error = client.for_install(AI).fails(ValidationError, AI, ES, notes="moved")
    assert [problem.field for problem in error.problems] == ["exam_sid"]
    assert server.requests == []


def test_options_hold_whether_they_come_before_or_after_the_install(driver: Driver, server: Server) -> None:
    with driver.client(server, retries=1, headers={"X-Campus": "north"}) as client:
        before = client.view(retries=0, headers={"X-Room": "7"}).for_install(AI)
        after = client.for_install(AI).view(retries=0, headers={"X-Room": "7"})
        plain = client.for_install(AI)
        for view in (before, after, plain):
            view.reschedule(EX, ES, notes="moved")
        assert [type(view.raw) for view in (before, after)] == [type(plain.raw)] * 2
        assert ["retries=0" in repr(view.raw) for view in (before, after, plain)] == [True, True, False]
    assert [one.path for one in server.requests] == [PATH] * 3
    assert [one.header("x-campus") for one in server.requests] == [["north"]] * 3
    assert [one.header("x-room") for one in server.requests] == [["7"], ["7"], []]
    assert server.connections == 1


def test_a_view_has_the_retry_budget_and_the_hooks_of_its_client(driver: Driver, server: Server) -> None:
    seen: list[str] = []
    server.script(answer(503), answer())
    with driver.client(server, on_call=lambda record: seen.append(record.operation)) as client:
        assert client.for_install(AI).reschedule(EX, ES, notes="moved").attempts == 2
    assert seen == ["rescheduleExamSession"]


def test_a_view_ends_with_its_client(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        view = client.for_install(AI)
        view.reschedule(EX, ES, notes="moved")
        client.close()
        assert "closed" in view.fails(ConfigurationError, EX, ES, notes="moved").message
    assert len(server.requests) == 1


def test_many_take_items_without_the_install(any_driver: Driver, server: Server) -> None:
    items = [{"exam_sid": EX, "session_sid": ES, "notes": note} for note in ("a", "b")]
    with any_driver.client(server) as client:
        view = client.for_install(AI)
        outcomes = view.run(view.raw.reschedule_many, items, concurrency=2)
        assert [type(outcome) for outcome in outcomes] == [Result, Result]
        assert [one.path for one in server.requests] == [PATH] * 2
        wrong = [*items, {**items[0], "install_sid": OTHER}]
        with pytest.raises(TypeError, match=r"items\[2\].*install_sid"):
            view.run(view.raw.reschedule_many, wrong)
        server.script(answer(401))
        refused = view.run(view.raw.reschedule_many, items, concurrency=1)
        assert [type(outcome) for outcome in refused] == [AuthenticationError, ConfigurationError]
    assert len(server.requests) == 3


# -- the install of the settings ---------------------------------------------------------------------------------------


def test_the_install_of_the_settings_is_the_default(driver: Driver, server: Server) -> None:
    with driver.client(server, install_sid=AI) as client:
        for view in (client.for_install(), client.view(retries=0).for_install(), client.for_install(OTHER)):
            view.reschedule(EX, ES, notes="moved")
        client.reschedule(OTHER, EX, ES, notes="moved")
    installs = [one.path.split("/")[3] for one in server.requests]
    assert installs == [AI, AI, OTHER, OTHER]


def test_the_install_of_the_environment_is_the_default(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
    monkeypatch.setenv("SMARTERPROCTORING_INSTALL_SID", AI)
    make = partial(driver.type.from_env, base_url=server.url, verify=CERTIFICATES)
    with driver.made(make) as client:
        client.for_install().reschedule(EX, ES, notes="moved")
    with driver.made(partial(make, install_sid=OTHER)) as client:
        client.for_install().reschedule(EX, ES, notes="moved")
    with driver.made(partial(make, install_sid=None)) as client:
        failure(ConfigurationError, client.raw.for_install)
    assert [one.path.split("/")[3] for one in server.requests] == [AI, OTHER]


def test_without_any_install_the_error_names_each_way_to_give_it(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        error = failure(ConfigurationError, client.raw.for_install)
    assert [problem[:2] for problem in error.problems] == [("install_sid", "missing")]
    for way in ("for_install", "to the client", "SMARTERPROCTORING_INSTALL_SID"):
        assert way in error.message


def test_a_wrong_install_of_the_settings_is_among_all_that_is_wrong(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = failure(ConfigurationError, lambda: driver.type(TOKEN, install_sid=EX, retries=99))
    assert {problem.field for problem in error.problems} == {"install_sid", "retries"}
    assert "^AI[a-f0-9]{32}$ (this is an SID of kind exam with 34 characters)" in error.message
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
    monkeypatch.setenv("SMARTERPROCTORING_INSTALL_SID", EX)
    error = failure(ConfigurationError, driver.type.from_env)
    assert error.message.startswith("SMARTERPROCTORING_INSTALL_SID must match ^AI")
    assert EX not in error.message


# -- what is not shown -------------------------------------------------------------------------------------------------


def test_no_repr_shows_the_install(driver: Driver, server: Server) -> None:
    with driver.client(server, install_sid=AI) as client:
        view = client.for_install()
        for thing in (client.raw, view.raw, view.raw.with_options(retries=0)):
            assert AI not in repr(thing)
            assert server.url in repr(thing)


@pytest.mark.parametrize("action", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_a_view_is_not_copied(driver: Driver, server: Server, action: Any) -> None:
    with driver.client(server) as client, pytest.raises(ConfigurationError, match="in each process"):
        action(client.raw.for_install(AI))


def test_no_frame_of_a_view_shows_what_the_call_says_of_a_person(driver: Driver, server: Server) -> None:
    server.script(answer(400, json_body(code="1", message="wrong")))
    change: dict[str, Any] = {**PERSON}
    with driver.client(server, retries=0) as client:
        view = client.for_install(AI)
        frames_are_clean(lambda: view.reschedule(EX, ES, **change))
        frames_are_clean(lambda: view.reschedule(EX, "wrong", **change))
        error = view.fails(BadRequestError, EX, ES, **change)
    assert TOKEN not in shown(error)
