"""Calls generated functions that the checkout does not have. Run by test_second_operation.py in a process of its own.

There, PYTHONPATH puts a scratch `generated/` before the installed one. The client is the one in overrides/, as it is:
every rule has to hold for operations that nobody wrote a line for.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from generation.loopback import Answer, Loopback, drip, drop

GENERATED = "smarterproctoring_generated"
client: Any = importlib.import_module("smarterproctoring")
models: Any = importlib.import_module(f"{GENERATED}.models")
get: Any = importlib.import_module(f"{GENERATED}.api.exam_sessions.view_exam_session")
post: Any = importlib.import_module(f"{GENERATED}.api.default.create_exam_session")
find: Any = importlib.import_module(f"{GENERATED}.api.default.find_exams")
status: Any = importlib.import_module(f"{GENERATED}.api.default.get_status")

TOKEN = "raw.token.value"
INSTALL, EXAM, SESSION, ENROLLMENT = (kind + "0123456789abcdef" * 2 for kind in ("AI", "EX", "ES", "EN"))
NOON = datetime(2030, 5, 4, 12, 0, tzinfo=UTC)
VIEW = Answer(200, {"sid": SESSION, "startsAt": "2030-05-04T13:00:00.000Z"})
ERROR = {"code": "1203", "message": "no such session", "status": 404}
Call = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Calls a generated function with the patched client, synchronously or not: `call(module, url, *arguments)`."""

    def sync(module: Any, url: str, *arguments: Any, options: dict[str, Any] | None = None, **named: Any) -> Any:
        with client.SmarterProctoring(TOKEN, base_url=url, **(options or {})) as patched:
            return module.sync_detailed(*arguments, client=patched.generated, **named)

    def asynchronous(
        module: Any, url: str, *arguments: Any, options: dict[str, Any] | None = None, **named: Any
    ) -> Any:
        async def run() -> Any:
            async with client.AsyncSmarterProctoring(TOKEN, base_url=url, **(options or {})) as patched:
                return await module.asyncio_detailed(*arguments, client=patched.generated, **named)

        return asyncio.run(run())

    return sync if request.param == "sync" else asynchronous


def fetch(call: Call, server: Loopback, *sids: str, **named: Any) -> Any:
    sids = sids or (INSTALL, EXAM, SESSION)
    return call(get, server.url, *sids, **{"enrollment_sid": ENROLLMENT, **named})


def test_the_scratch_package_shadows_the_installed_one() -> None:
    package = importlib.import_module(GENERATED)
    assert Path(str(package.__file__)).is_relative_to(os.environ["SCRATCH_GENERATED"])
    assert len(importlib.import_module(f"{GENERATED}.operations").OPERATIONS) == 6
    assert Path(str(client.__file__)).is_relative_to(os.environ["OVERRIDES"])


def test_token_is_sent_raw_and_times_in_z(call: Call) -> None:
    new_york = timezone(timedelta(hours=-4))
    with Loopback(VIEW) as server:
        answer = fetch(call, server, since=datetime(2030, 5, 4, 8, 0, 0, 123_456, tzinfo=new_york))
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("GET", f"/v1/installs/{INSTALL}/exams/{EXAM}/sessions/{SESSION}/view")
    assert seen.headers["token"] == [TOKEN]
    assert "authorization" not in seen.headers
    assert seen.query == {"enrollmentSid": [ENROLLMENT], "since": ["2030-05-04T12:00:00.123Z"]}
    assert answer.status_code == 200
    assert answer.parsed.sid == SESSION
    assert answer.parsed.starts_at == datetime(2030, 5, 4, 13, tzinfo=UTC)
    assert answer.parsed.starts_at.utcoffset() == timedelta(0)


def test_operation_without_security_gets_no_token(call: Call) -> None:
    with Loopback(Answer(204)) as server:
        assert call(status, server.url, x_trace="trace-1").status_code == 204
    (seen,) = server.seen
    assert not {"token", "authorization"} & set(seen.headers)
    assert seen.headers["x-trace"] == ["trace-1"]


@pytest.mark.parametrize(
    ("sids", "enrollment", "names"),
    [
        ((EXAM, EXAM, SESSION), ENROLLMENT, ["install_sid"]),
        ((INSTALL, EXAM, SESSION.upper()), ENROLLMENT, ["session_sid"]),
        ((INSTALL, EXAM, SESSION), "EN123", ["enrollment_sid"]),
        ((INSTALL, EXAM, SESSION), ENROLLMENT + "\n", ["enrollment_sid"]),
        ((INSTALL, f"{EXAM}/../{EXAM}", SESSION), SESSION, ["exam_sid", "enrollment_sid"]),
    ],
)
def test_wrong_sid_stops_before_the_wire(call: Call, sids: tuple[str, ...], enrollment: str, names: list[str]) -> None:
    with Loopback(VIEW) as server, pytest.raises(client.ValidationError) as refused:
        fetch(call, server, *sids, enrollment_sid=enrollment)
    assert server.seen == []
    assert [problem.field for problem in refused.value.problems] == names


def test_naive_times_stop_before_the_wire(call: Call) -> None:
    naive = NOON.replace(tzinfo=None)
    plan = models.SessionPlan(window=models.Window(opens_at=naive, breaks=[models.WindowBreaksItem(at=naive)]))
    with Loopback(VIEW) as server:
        with pytest.raises(client.ValidationError, match="since has no time zone"):
            fetch(call, server, since=naive)
        with pytest.raises(client.ValidationError) as refused:
            call(post, server.url, INSTALL, EXAM, body=plan)
    assert server.seen == []
    assert len(refused.value.problems) == 2


def test_nested_times_of_a_body(call: Call) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    window = models.Window(opens_at=east, breaks=[models.WindowBreaksItem(at=NOON), models.WindowBreaksItem()])
    plan = models.SessionPlan(window=window, class_="Prüfung", attempts=2, type_="ad-hoc")
    with Loopback(Answer(201, VIEW.body)) as server:
        answer = call(post, server.url, INSTALL, EXAM, body=plan)
    (seen,) = server.seen
    assert (seen.method, seen.headers["token"], seen.headers["content-type"]) == ("POST", [TOKEN], ["application/json"])
    assert json.loads(seen.body) == {
        "window": {"opensAt": "2030-05-04T12:00:00.000Z", "breaks": [{"at": "2030-05-04T12:00:00.000Z"}, {}]},
        "class": "Prüfung",
        "attempts": 2,
        "type": "ad-hoc",
    }
    assert (answer.status_code, answer.parsed.sid) == (201, SESSION)


@pytest.mark.parametrize("fault", [Answer(503, ERROR), drop], ids=["503", "dropped"])
def test_retries(call: Call, fault: Any) -> None:
    with Loopback(fault, VIEW) as server:
        assert fetch(call, server).parsed.sid == SESSION
    assert len(server.seen) == 2
    assert server.seen[0][:3] == server.seen[1][:3]
    assert all(seen.headers["token"] == [TOKEN] for seen in server.seen)


@pytest.mark.parametrize(
    ("fault", "repeated"),
    [(Answer(429, ERROR), True), (Answer(425, ERROR), True), (Answer(503, ERROR), False), (Answer(500, ERROR), False)]
    + [(Answer(408, ERROR), False), (drop, False)],
    ids=["429", "425", "503", "500", "408", "dropped"],
)
@pytest.mark.parametrize("idempotent", [True, False])
def test_what_may_be_repeated_depends_on_the_method(
    call: Call, fault: Any, *, repeated: bool, idempotent: bool
) -> None:
    """A POST is repeated only where the server has not begun with it; one with `x-idempotent: true` like a PUT."""
    window = models.Window(opens_at=NOON)

    def sent(url: str) -> Any:
        if idempotent:
            return call(find, url, INSTALL, body=window)
        return call(post, url, INSTALL, EXAM, body=models.SessionPlan(window=window))

    with Loopback(fault, VIEW) as server:
        if repeated or idempotent:
            sent(server.url)
            assert len(server.seen) == 2
        else:
            with pytest.raises(client.SmarterProctoringError) as caught:
                sent(server.url)
            assert (caught.value.attempts, len(server.seen)) == (1, 1)


@pytest.mark.parametrize("name", ["404 NotFoundError", "401 AuthenticationError", "520 ServerError"])
def test_typed_errors(call: Call, name: str) -> None:
    number, _, kind = name.partition(" ")
    with Loopback(Answer(int(number), ERROR)) as server, pytest.raises(getattr(client, kind)) as failed:
        fetch(call, server)
    error = failed.value
    assert type(error).__name__ == kind
    assert (error.status, error.code, error.api_message) == (int(number), "1203", "no such session")
    assert len(server.seen) == error.attempts == 1


def test_redirect_is_not_followed(call: Call) -> None:
    with Loopback(VIEW) as elsewhere:
        with Loopback(Answer(302, headers=(("location", f"{elsewhere.url}/stolen"),))) as server:
            with pytest.raises(client.UnexpectedRedirectError):
                fetch(call, server)
            assert len(server.seen) == 1
        assert elsewhere.seen == []


@pytest.mark.parametrize("body", [{"sid": SESSION}, {"sid": 1, "startsAt": "soon"}, [], b"", b"done", b"{"])
def test_success_that_is_not_what_the_spec_says_raises_nothing(call: Call, body: Any) -> None:
    with Loopback(Answer(200, body)) as server:
        answer = fetch(call, server)
    assert (answer.status_code, answer.parsed) == (200, None)
    assert answer.content == (body if isinstance(body, bytes) else json.dumps(body).encode())
    assert len(server.seen) == 1


def test_deadline_cuts_a_dripping_answer(call: Call) -> None:
    def cut(deadline: float) -> bool:
        with Loopback(drip) as server:
            began = time.monotonic()
            try:
                answer = fetch(call, server, options={"deadline": deadline})
            except client.DeadlineExceededError:
                return False  # before the head of the answer
            took = time.monotonic() - began
        # Each byte restarts the seconds of httpx: its own limits would not end it for 56 s.
        assert deadline - 0.2 < took < deadline + 20
        assert (answer.status_code, answer.parsed) == (200, None)
        assert len(server.seen) == 1
        return True

    assert cut(2.0) or cut(20.0)  # the machine may stand still for the shorter one


def test_new_field_is_a_keyword() -> None:
    with Loopback(Answer(200, "ok")) as server, client.SmarterProctoring(TOKEN, base_url=server.url) as patched:
        patched.reschedule(INSTALL, EXAM, SESSION, accommodation_minutes=30)
        assert json.loads(server.seen[0].body) == {"accommodationMinutes": 30}
        with pytest.raises(TypeError, match="accomodation_minutes"):
            patched.reschedule(INSTALL, EXAM, SESSION, accomodation_minutes=30)
    assert len(server.seen) == 1


@pytest.mark.parametrize("kind", ["SmarterProctoring", "AsyncSmarterProctoring"])
def test_new_operations_are_methods_of_the_public_clients(kind: str) -> None:
    def ask(method: str, *arguments: Any, **named: Any) -> Any:
        if kind == "SmarterProctoring":
            with client.SmarterProctoring(TOKEN, base_url=server.url) as patched:
                return getattr(patched, method)(*arguments, **named)

        async def run() -> Any:
            async with client.AsyncSmarterProctoring(TOKEN, base_url=server.url) as patched:
                answer = getattr(patched, method)(*arguments, **named)
                return await answer if hasattr(answer, "__await__") else answer

        return asyncio.run(run())

    sids, since = (INSTALL, EXAM, SESSION), datetime(2030, 5, 4, 8, tzinfo=timezone(timedelta(hours=-4)))
    with Loopback(VIEW) as server:
        assert ask("view_exam_session", *sids, enrollment_sid=ENROLLMENT, since=since).data == VIEW.body
        assert (
            ask("create_exam_session", INSTALL, EXAM, window={"opensAt": "2030-05-04T12:00:00Z"}, class_="A").status
            == 200
        )
        assert ask("get_status").status == 200
        assert ask("dry_run_view_exam_session", *sids, enrollment_sid=ENROLLMENT).headers["token"] == "<token>"
        refused: list[Any] = [
            ("view_exam_session", *sids, {"enrollment_sid": None}),
            ("view_exam_session", INSTALL, EXAM, EXAM, {"enrollment_sid": "EN1", "since": since.replace(tzinfo=None)}),
            ("create_exam_session", INSTALL, EXAM, {"attempts": "many", "window": None}),
        ]
        found: list[list[str]] = []
        for method, *given in refused:
            named = given.pop() if isinstance(given[-1], dict) else {}
            with pytest.raises(client.ValidationError) as caught:
                ask(method, *given, **named)
            found.append(sorted(problem.field for problem in caught.value.problems))
        with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'enrollment_sid'"):
            ask("view_exam_session", *sids)
        with pytest.raises(TypeError, match="enrolment_sid"):
            ask("view_exam_session", *sids, enrolment_sid=ENROLLMENT)
    assert found == [["enrollment_sid"], ["enrollment_sid", "session_sid", "since"], ["attempts", "window"]]
    get_seen, post_seen, status_seen = server.seen
    assert get_seen.query == {"enrollmentSid": [ENROLLMENT], "since": ["2030-05-04T12:00:00.000Z"]}
    assert (get_seen.method, get_seen.headers["token"]) == ("GET", [TOKEN])
    assert json.loads(post_seen.body) == {"window": {"opensAt": "2030-05-04T12:00:00.000Z"}, "class": "A"}
    assert "token" not in status_seen.headers
