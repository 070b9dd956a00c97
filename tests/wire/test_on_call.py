"""The hook for finished calls: one record for each, whatever became of it, and no way for a hook to change that."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest
from smarterproctoring import (
    APIConnectionError,
    AsyncSmarterProctoring,
    CallHook,
    CallObserver,
    CallRecord,
    CallStart,
    ConfigurationError,
    HookError,
    NotFoundError,
    RateLimitError,
    ServerError,
    SmarterProctoring,
    SmarterProctoringError,
    UnconfirmedError,
    ValidationError,
    what_is_known,
)
from smarterproctoring._sync import sender
from smarterproctoring_generated.operations import GET_EXAM_SESSION, RESCHEDULE_EXAM_SESSION
from wire.driver import AI, CERTIFICATES, ES, EX, TOKEN, Driver
from wire.misbehave import Server, Step, answer, by_method, drop_read, json_body, never

START = "2030-05-04T13:00:00.000Z"
SEEN = answer(200, json_body(sid=ES, examSid=EX, installSid=AI, appointmentDate=START))
TEMPLATE = RESCHEDULE_EXAM_SESSION.path


class OddError(Exception):
    """Of the caller's hook."""


def raising(*_: Any) -> None:
    raise OddError(TOKEN)


class Observer(CallObserver):
    """Keeps what it is told, in order."""

    def __init__(self, name: str = "", seen: list[object] | None = None) -> None:
        self.name = name
        self.seen: list[object] = [] if seen is None else seen

    def begin(self, call: CallStart) -> CallHook:
        self.seen.append(call)
        return self._end

    def _end(self, record: CallRecord) -> None:
        self.seen.append((self.name, record) if self.name else record)


# -- what the record says ----------------------------------------------------------------------------------------------


def test_the_record_of_a_success(driver: Driver, server: Server) -> None:
    records: list[CallRecord] = []
    server.script(answer(503), drop_read, answer(200, b'"Successful"', {"X-Request-Id": "req-7"}))
    with driver.client(server, on_call=records.append) as client:
        result = client.reschedule()
    (record,) = records
    expected = CallRecord(
        operation="rescheduleExamSession",
        method="PUT",
        path=TEMPLATE,
        outcome="success",
        maybe_applied=False,
        confirmed_by="answer",
        status=200,
        error_type=None,
        request_id="req-7",
        attempts=3,
        replays=2,
    )
    assert record._replace(elapsed=0.0, history=()) == expected
    assert 0 < record.elapsed <= result.elapsed
    assert [(each.kind, each.status, each.failure) for each in record.history] == [
        ("attempt", 503, None),
        ("attempt", None, "lost"),
        ("attempt", 200, None),
    ]
    moments = [moment for each in record.history for moment in (each.began, each.ended)]
    assert moments == sorted(moments)
    assert 0 <= moments[0] <= moments[-1] <= record.elapsed


@pytest.mark.parametrize(
    ("step", "kind", "maybe_applied", "status"),
    [
        (answer(404), NotFoundError, False, 404),
        (answer(429), RateLimitError, False, 429),
        (answer(500), ServerError, True, 500),
        (answer(202), UnconfirmedError, True, 202),
        (drop_read, APIConnectionError, True, None),
    ],
    ids=["404", "429", "500", "202", "lost"],
)
def test_the_record_of_an_error(
    driver: Driver,
    server: Server,
    step: Step,
    kind: type[SmarterProctoringError],
    status: int | None,
    *,
    maybe_applied: bool,
) -> None:
    records: list[CallRecord] = []
    server.script(step)
    with driver.client(server, on_call=records.append, retries=0) as client:
        error = client.fails(kind)
    (record,) = records
    assert (record.outcome, record.maybe_applied, record.confirmed_by) == ("error", maybe_applied, None)
    assert (record.status, record.error_type, record.attempts) == (status, kind.__name__, 1)
    assert (error.maybe_applied, error.attempts, error.replays) == (maybe_applied, record.attempts, record.replays)


def test_the_record_of_a_call_that_a_read_confirms(driver: Driver, server: Server) -> None:
    records: list[CallRecord] = []
    server.script(by_method(drop_read, SEEN))
    with driver.client(server, on_call=records.append) as client:
        result = client.reschedule(appointment_start_date_time=START)
    (record,) = records
    assert (record.outcome, record.confirmed_by, record.attempts) == ("success", "read back", 1)
    assert (record.confirmed_by, record.status) == (result.confirmed_by, result.status)
    assert [(each.kind, each.status) for each in record.history] == [("attempt", None), ("read", 200)]


def test_a_read_of_the_callers_own_is_a_call(driver: Driver, server: Server) -> None:
    records: list[CallRecord] = []
    server.script(SEEN)
    with driver.client(server, on_call=records.append) as client:
        client.run(client.raw.get_session, AI, EX, ES)
        client.run(partial(client.raw.check, AI, EX, ES, appointment_start_date_time=START))
    assert [(each.operation, each.outcome) for each in records] == [(GET_EXAM_SESSION.operation_id, "success")] * 2
    assert {each.kind for record in records for each in record.history} == {"attempt"}


def test_a_call_of_a_generated_function_is_one(driver: Driver, server: Server) -> None:
    records: list[CallRecord] = []
    with driver.client(server, on_call=records.append) as client:
        client.generated()
    assert [record.outcome for record in records] == ["success"]


def test_a_call_without_a_token_has_a_record(driver: Driver, server: Server) -> None:
    records: list[CallRecord] = []

    def source() -> str:
        raise OddError

    with driver.client(server, source, on_call=records.append) as client:
        client.fails(ConfigurationError)
    (record,) = records
    assert (record.outcome, record.error_type, record.attempts) == ("error", "ConfigurationError", 0)
    assert (record.maybe_applied, record.history) == (False, ())


def test_what_was_refused_before_it_became_a_call_has_none(driver: Driver, server: Server) -> None:
    records: list[CallRecord] = []
    with driver.client(server, on_call=records.append) as client:
        client.fails(ValidationError, "wrong", EX, ES)
    assert records == []


def test_an_event_hook_that_ends_a_call_is_in_the_record(driver: Driver, server: Server) -> None:
    records: list[CallRecord] = []
    hooks = {"response": [driver.hook(raising)]}
    with driver.client(server, on_call=records.append, event_hooks=hooks) as client:
        client.fails(HookError)
    (record,) = records
    assert (record.error_type, record.status, record.maybe_applied) == ("HookError", 200, True)


def test_a_record_holds_no_secret_and_nothing_about_a_person(driver: Driver, server: Server) -> None:
    """Whatever the server quotes: the token, the SIDs, and what the call says of a person."""
    records: list[object] = []
    quoting = json_body(message=f"ada@example.org {TOKEN} {AI} {EX} {ES}")
    server.script(answer(404, quoting, {"X-Request-Id": f"of {TOKEN}", "Set-Cookie": "session=s3cr3t"}))
    with driver.client(server, on_call=Observer(seen=records)) as client:
        client.fails(NotFoundError, email="ada@example.org")
    shown = repr(records) + json.dumps(records)
    assert len(records) == 2
    for secret in (TOKEN, AI, EX, ES, "ada@", "s3cr3t"):
        assert secret not in shown


def test_a_record_cannot_be_changed_and_can_be_pickled(driver: Driver, server: Server) -> None:
    records: list[Any] = []
    with driver.client(server, on_call=records.append) as client:
        client.reschedule()
    with pytest.raises(AttributeError):
        records[0].outcome = "error"
    assert pickle.loads(pickle.dumps(records[0])) == records[0]


# -- start and end -----------------------------------------------------------------------------------------------------


def test_an_observer_is_told_of_the_start(driver: Driver, server: Server) -> None:
    observer = Observer()
    with driver.client(server, on_call=observer) as client:
        client.reschedule()
    start, record = observer.seen
    assert start == CallStart("rescheduleExamSession", "PUT", TEMPLATE, server.url)
    assert isinstance(record, CallRecord)


def test_hooks_end_in_the_opposite_order(driver: Driver, server: Server) -> None:
    seen: list[object] = []
    hooks = [Observer("first", seen), Observer("second", seen)]
    with driver.client(server, on_call=hooks) as client:
        client.reschedule()
    assert [each[0] for each in seen[2:] if isinstance(each, tuple)] == ["second", "first"]


HERE: ContextVar[str] = ContextVar("HERE", default="outside")


class Entering(CallObserver):
    """Enters a context, as a tracer does, and leaves it."""

    def __init__(self) -> None:
        self.places: list[str] = []

    def begin(self, call: CallStart) -> CallHook:
        entered = HERE.set("inside")
        return lambda _: HERE.reset(entered)

    def look(self, *_: Any) -> None:
        self.places.append(HERE.get())


@pytest.mark.parametrize("step", [answer(), answer(404)], ids=["success", "error"])
def test_start_and_end_have_the_calls_context(any_driver: Driver, server: Server, step: Step) -> None:
    observer = Entering()
    server.script(step)
    hooks = {"request": [any_driver.hook(observer.look)]}

    with any_driver.client(server, on_call=observer, event_hooks=hooks) as client:
        look: Any = _look_after if any_driver.kind == "sync" else _look_after_async
        looked = client.run(look, client.raw)
    assert (observer.places, looked) == (["inside"], "outside")


def _look_after(client: SmarterProctoring) -> str:
    with suppress(NotFoundError):
        client.reschedule(AI, EX, ES, notes="x")
    return HERE.get()


async def _look_after_async(client: AsyncSmarterProctoring) -> str:
    with suppress(NotFoundError):
        await client.reschedule(AI, EX, ES, notes="x")
    return HERE.get()


def test_the_calls_of_many_have_the_callers_context(driver: Driver, server: Server) -> None:
    """So the spans of many calls are below the caller's own."""
    places: list[str] = []
    item: Any = {"install_sid": AI, "exam_sid": EX, "session_sid": ES, "notes": "x"}

    def many_inside(client: Any) -> Any:
        HERE.set("inside")
        return client.reschedule_many([item] * 3)

    with driver.client(server, on_call=lambda _: places.append(HERE.get())) as client:
        asyncio_or_thread = client.run if driver.kind != "sync" else _in_a_thread
        asyncio_or_thread(many_inside, client.raw)
    assert places == ["inside"] * 3


def _in_a_thread(function: Callable[..., Any], argument: object) -> None:
    thread = threading.Thread(target=function, args=(argument,))
    thread.start()
    thread.join()


# -- hooks that fail ---------------------------------------------------------------------------------------------------


class BadStart(CallObserver):
    def begin(self, call: CallStart) -> CallHook:
        raise OddError(TOKEN)


class BadEnd(CallObserver):
    def begin(self, call: CallStart) -> CallHook:
        return raising


@pytest.mark.parametrize("bad", [raising, BadStart(), BadEnd()], ids=["function", "start", "end"])
@pytest.mark.parametrize("status", [200, 404, 503])
def test_a_hook_that_raises_changes_nothing(
    driver: Driver, server: Server, caplog: pytest.LogCaptureFixture, bad: Any, status: int
) -> None:
    """Neither a success nor an error; and the other hooks are called."""
    records: list[CallRecord] = []
    server.script(answer(status))
    with driver.client(server, on_call=[records.append, bad, records.append], retries=0) as client:
        if status == 200:
            assert client.reschedule().status == 200
        else:
            error = client.fails(NotFoundError if status == 404 else ServerError)
            assert (error.status, error.maybe_applied) == (status, status == 503)
            assert "OddError" not in error.message
    assert [record.status for record in records] == [status] * 2
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == ["rescheduleExamSession: on_call raised OddError, which changes nothing about the call"]
    assert TOKEN not in caplog.text


def interrupting(*_: Any) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_in_a_hook_says_that_the_change_may_be_made(server: Server) -> None:
    """It was: the answer said so. No other hook is left out."""
    records: list[CallRecord] = []
    with SmarterProctoring(
        TOKEN, base_url=server.url, verify=CERTIFICATES, on_call=[records.append, interrupting]
    ) as client:
        with pytest.raises(KeyboardInterrupt) as caught:
            client.reschedule(AI, EX, ES, notes="x")
    known = what_is_known(caught.value)
    assert known is not None
    assert (known.maybe_applied, known.attempts) == (True, 1)
    assert [record.outcome for record in records] == ["success"]


# -- interrupted -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "maybe_applied"), [(answer(429), False), (answer(500), True)], ids=["429", "500"])
def test_ctrl_c_has_a_record(
    server: Server, monkeypatch: pytest.MonkeyPatch, step: Step, *, maybe_applied: bool
) -> None:
    records: list[CallRecord] = []
    monkeypatch.setattr(sender, "sleep", interrupting)
    server.script(step)
    with SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, on_call=records.append) as client:
        with pytest.raises(KeyboardInterrupt):
            client.reschedule(AI, EX, ES, notes="x")
    (record,) = records
    assert (record.outcome, record.error_type, record.maybe_applied) == (
        "interrupted",
        "KeyboardInterrupt",
        maybe_applied,
    )


def test_a_cancelled_call_has_a_record(server: Server) -> None:
    records: list[CallRecord] = []

    async def main() -> None:
        async with AsyncSmarterProctoring(
            TOKEN, base_url=server.url, verify=CERTIFICATES, on_call=records.append
        ) as client:
            task = asyncio.create_task(client.reschedule(AI, EX, ES, notes="x"))
            while not server.requests:
                await asyncio.sleep(0.002)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    server.script(never)
    asyncio.run(main())
    (record,) = records
    assert (record.outcome, record.error_type) == ("interrupted", "CancelledError")
    assert (record.maybe_applied, record.attempts, record.history) == (True, 1, ())


# -- the option --------------------------------------------------------------------------------------------------------


def test_a_view_has_hooks_of_its_own(driver: Driver, server: Server) -> None:
    first: list[CallRecord] = []
    second: list[CallRecord] = []
    with driver.client(server, on_call=first.append) as client:
        client.view(retries=0).reschedule()
        client.view(on_call=second.append).reschedule()
        client.view(on_call=None).reschedule()
    assert (len(first), len(second)) == (1, 1)


async def asynchronous(_: CallRecord) -> None:
    """What nobody would await."""


class AsynchronousHook:
    async def __call__(self, _: CallRecord) -> None:
        """Likewise."""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (asynchronous, "must not be asynchronous"),
        (AsynchronousHook(), "must not be asynchronous"),
        ([print, asynchronous], "must not be asynchronous"),
        (Observer, "a list of them"),
        ([print, 3], "a list of them"),
    ],
)
def test_what_is_no_hook_is_refused(driver: Driver, value: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        driver.type(TOKEN, verify=CERTIFICATES, on_call=value)
    assert caught.value.setting == "on_call"


# -- fields of the log -------------------------------------------------------------------------------------------------


class Json(logging.Formatter):
    """Writes what JSON formatters write: the message, and all that `extra` added."""

    OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        added = {name: value for name, value in record.__dict__.items() if name not in self.OWN}
        return json.dumps({"message": record.getMessage(), **added})


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    records = [record for record in caplog.records if record.name == "smarterproctoring"]
    return [json.loads(Json().format(record)) for record in records]


def test_the_fields_of_log_records(driver: Driver, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "smarterproctoring")
    server.script(answer(503, headers={"X-Request-Id": "req-1"}), drop_read, SEEN)
    with driver.client(server, read_back="never") as client:
        client.reschedule()
    found = logged(caplog)
    for each in found:
        del each["message"]
    durations = [each.pop("smarterproctoring.duration") for each in found if "smarterproctoring.duration" in each]
    assert len(durations) == 3
    assert all(0 < seconds < 60 for seconds in durations)
    whole = {
        "smarterproctoring.operation": "rescheduleExamSession",
        "http.request.method": "PUT",
        "url.template": TEMPLATE,
    }
    wait = {"smarterproctoring.wait": 0.0}
    first = whole | {"smarterproctoring.attempt": 1, "http.response.status_code": 503}
    second = whole | {"smarterproctoring.attempt": 2, "error.type": "lost"}
    third = whole | {"smarterproctoring.attempt": 3, "http.response.status_code": 200}
    no_id = {"smarterproctoring.request_id": None}
    assert found == [
        first | {"smarterproctoring.request_id": "req-1"},
        first | wait,
        second | no_id,
        second | wait,
        third | no_id,
    ]


def test_the_fields_of_a_read(driver: Driver, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "smarterproctoring")
    server.script(by_method(answer(202), SEEN))
    with driver.client(server) as client:
        client.reschedule(appointment_start_date_time=START)
    assert logged(caplog) == [
        {
            "message": "rescheduleExamSession: read back, as_asked",
            "smarterproctoring.operation": "rescheduleExamSession",
            "smarterproctoring.read_back": "as_asked",
        }
    ]


def test_no_field_is_an_attribute_of_a_log_record() -> None:
    from smarterproctoring import fields

    names = [value for name, value in vars(fields).items() if name.isupper()]
    assert len(names) > 10
    assert all("." in name for name in names)
    assert not set(names) & Json.OWN
