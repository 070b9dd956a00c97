"""Where it is open what became of a change, the session is read back, and nothing is said that was not seen."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from smarterproctoring import (
    APIConnectionError,
    AsyncSmarterProctoring,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    RateLimitError,
    Result,
    ServerError,
    SmarterProctoringError,
    UnconfirmedError,
    ValidationError,
    what_is_known,
)
from smarterproctoring._sync import sender
from smarterproctoring.budget import RETRY, SIZE, RetryBudget
from smarterproctoring_generated.models.session_change import SessionChange
from wire.driver import AI, CERTIFICATES, ES, EX, FAST, PATH, TOKEN, Caller, Driver, failure, shown
from wire.limits import LONG, Clock, with_enough_time
from wire.misbehave import (
    Peer,
    Server,
    Step,
    answer,
    by_method,
    drip_body,
    drop_read,
    drop_unread,
    json_body,
    never,
    reset_read,
    response,
    truncated,
)

START = "2030-05-04T13:00:00.000Z"
BEFORE = "2030-05-03T08:00:00.000Z"
HTML = {"Content-Type": "text/html"}
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


def session(start: object = START, **more: object) -> Step:
    """Answer a read with a session that starts then."""
    return answer(200, json_body(sid=ES, appointmentDate=start, accessKey="key-of-the-session", **more))


AS_ASKED = session()
NOT_SO = session(BEFORE)
LOST: dict[str, Step] = {
    "dropped": drop_read,
    "reset": reset_read,
    "500": answer(500),
    "502": answer(502, PAGE, HTML),
    "503": answer(503),
    "504": answer(504),
}
"""What a call may repeat, though the change may have been made."""
UNCONFIRMED: dict[str, Step] = {
    "HTML": answer(200, PAGE, HTML),
    "an error object": answer(200, json_body(error="busy")),
    "202": answer(202),
    "303": answer(303),
    "499": answer(499),
    "520": answer(520),
}
"""What it never repeats."""
BROKEN: dict[str, tuple[Step, str]] = {
    "404": (answer(404, json_body(code="1203", message="no such session")), "404 Not Found (code 1203)"),
    "403": (answer(403, json_body(code="5003", message="may not read")), "403 Forbidden (code 5003): may not read"),
    "401": (answer(401), "401 Unauthorized"),
    "500": (answer(500, json_body(message="oops")), "500 Internal Server Error: oops after 2 attempts"),
    "429": (answer(429, headers={"Retry-After": "3600"}), "429 Too Many Requests"),
    "302": (answer(302, headers={"Location": "/login"}), "302 Found"),
    "HTML": (answer(200, PAGE, HTML), "an HTML page"),
    "an error object": (answer(200, json_body(error="busy")), "an error object: busy"),
    "202": (answer(202), "202 Accepted: this is not the answer to a read"),
    "206": (answer(206, json_body(appointmentDate=START)), "206 Partial Content: a part of an answer"),
    "half of it": (
        truncated(200, b'{"appointmentDate": "2030-05-04T13:00'),
        "the answer did not come whole (200 OK) after 2 attempts",
    ),
    "nothing": (answer(200, b""), "not a JSON object"),
    "a list": (answer(200, b"[]"), "not a JSON object"),
    "text": (answer(200, START.encode()), "not a JSON object"),
    "null": (session(None), "no time"),
    "a naive time": (session("2030-05-04T13:00:00"), "no time"),
    "a number": (session(1904129600), "no time"),
    "no time": (answer(200, json_body(sid=ES, notes="moved")), "no time"),
    "another session": (answer(200, json_body(sid=f"ES{'0' * 32}", appointmentDate=START)), "its sid is not"),
    "another exam": (session(examSid=f"EX{'0' * 32}"), "its examSid is not"),
    "another install": (session(installSid=f"AI{'0' * 32}"), "its installSid is not"),
    "dropped": (drop_read, "the connection was lost"),
    "unread": (drop_unread, "the connection was lost"),
    "reset": (reset_read, "the connection was lost"),
}
"""Reads that show nothing, and what is said of each."""


def pick(steps: dict[str, Step]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in steps.items()])


def moved(client: Caller, **fields: Any) -> Result[Any]:
    return client.reschedule(**({"appointment_start_date_time": START} | fields))


def fails(client: Caller, kind: type[SmarterProctoringError], **fields: Any) -> SmarterProctoringError:
    return client.fails(kind, **({"appointment_start_date_time": START} | fields))


def methods(server: Server) -> list[str]:
    return [request.method for request in server.requests]


# -- as asked ------------------------------------------------------------------------------------------------------


@pick(LOST | UNCONFIRMED)
@pytest.mark.parametrize("retries", [2, 0])
def test_a_change_that_was_made_and_is_seen_is_a_success(
    driver: Driver, server: Server, step: Step, retries: int
) -> None:
    server.script(step, session(notes="for Ada"))
    with driver.client(server, retries=retries) as client:
        result = moved(client)
    assert methods(server) == ["PUT", "GET"]
    assert server.requests[1].path == PATH
    assert server.requests[1].body == b""
    assert server.requests[1].header("token") == [TOKEN]
    assert server.requests[1].header("cache-control") == ["no-cache"]
    assert (result.confirmed_by, result.attempts, result.replays) == ("read back", 1, 0)
    assert result.check is not None
    assert (result.check.verdict, result.check.not_compared) == ("as_asked", ())
    assert (result.status, result.data, result.parsed, result.incomplete) == (200, None, None, False)
    again = pickle.loads(pickle.dumps(result))
    assert (again, again.check) == (result, result.check)
    for secret in ("Ada", "key-of-the-session", TOKEN):
        assert secret not in repr(result)


@pytest.mark.parametrize("retries", [1, 0])
def test_a_change_that_no_answer_came_to_in_time(any_driver: Driver, server: Server, retries: int) -> None:
    def give_up_soon(request: Any) -> None:
        if request.method == "PUT":
            request.extensions["timeout"]["read"] = 0.3

    def after_the_change(peer: Peer) -> None:
        server.arrived(1)  # on another connection
        AS_ASKED(peer)

    server.script(by_method(never, after_the_change))
    hooks = {"request": [any_driver.hook(give_up_soon)]}
    with any_driver.client(server, retries=retries, timeout=LONG, event_hooks=hooks) as client:
        result = moved(client)
    assert methods(server) == ["PUT", "GET"]
    assert (result.confirmed_by, result.attempts) == ("read back", 1)


def test_replays_that_are_turned_off_leave_the_read(driver: Driver, server: Server) -> None:
    server.script(answer(503), AS_ASKED)
    with driver.client(server, retry_ambiguous=False) as client:
        assert moved(client).confirmed_by == "read back"


def test_a_long_retry_after_leaves_the_read(driver: Driver, server: Server) -> None:
    server.script(answer(503, headers={"Retry-After": "3600"}), AS_ASKED)
    with driver.client(server) as client:
        assert moved(client).confirmed_by == "read back"


def test_an_empty_retry_budget_leaves_the_read(driver: Driver, server: Server) -> None:
    server.script(answer(503), AS_ASKED)
    with driver.client(server) as client:
        budget: RetryBudget = client.raw.generated.sender.budget
        assert budget.take(SIZE)
        assert moved(client).confirmed_by == "read back"
    assert methods(server) == ["PUT", "GET"]


@pytest.mark.parametrize("refusal", [404, 403, 409, 429, 400])
def test_a_refusal_after_an_open_attempt_is_looked_at(driver: Driver, server: Server, refusal: int) -> None:
    server.script(drop_read, NOT_SO, answer(refusal, headers={"Retry-After": "3600"}), AS_ASKED)
    with driver.client(server) as client:
        result = moved(client)
    assert methods(server) == ["PUT", "GET", "PUT", "GET"]
    assert (result.confirmed_by, result.attempts, result.replays) == ("read back", 2, 1)


def test_a_generated_function_gets_a_success(driver: Driver, server: Server) -> None:
    server.script(drop_read, AS_ASKED)
    with driver.client(server) as client:
        change = SessionChange(appointment_start_date_time=datetime.fromisoformat(START))
        answered = client.generated(body=change)
    assert methods(server) == ["PUT", "GET"]
    assert (answered.status_code, answered.content, answered.parsed) == (200, b"", None)


def test_a_read_that_breaks_off_is_made_again(driver: Driver, server: Server) -> None:
    half = truncated(200, b'{"appointmentDate": "2030-05-04T13:00')
    server.script(answer(503), half, AS_ASKED)
    with driver.client(server) as client:
        result = moved(client)
    assert methods(server) == ["PUT", "GET", "GET"]
    assert (result.confirmed_by, result.attempts) == ("read back", 1)
    server.script(half, AS_ASKED)
    with driver.client(server) as client:
        found = client.run(partial(client.raw.check, AI, EX, ES, appointment_start_date_time=START))
    assert found.verdict == "as_asked"


# -- different -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [drop_unread, drop_read, answer(503)], ids=["unread", "read", "503"])
def test_a_change_that_was_not_made_is_sent_again(any_driver: Driver, server: Server, lost: Step) -> None:
    server.script(lost, NOT_SO, answer())
    with any_driver.client(server) as client:
        result = moved(client)
    assert [method for method in methods(server) if method == "GET"] == ["GET"]
    assert methods(server)[-1] == "PUT"
    assert (result.confirmed_by, result.check) == ("answer", None)
    assert (result.attempts, result.replays, result.data) == (2, 1, "Successful")


def test_without_a_replay_left_the_error_says_what_was_seen(driver: Driver, server: Server) -> None:
    server.script(answer(503), session(BEFORE, notes="for Ada"))
    with driver.client(server, retries=0) as client:
        error = fails(client, ServerError, notes="for Grace")
    assert methods(server) == ["PUT", "GET"]
    assert (error.maybe_applied, error.attempts, error.replays) == (True, 1, 0)
    check = error.check
    assert check is not None
    assert check.seen_at is not None
    assert check.verdict == "different"
    assert [one.field for one in check.differences] == ["notes", "appointmentStartDateTime"]
    said = f"Read back at {check.seen_at:%Y-%m-%dT%H:%M:%SZ}, the session was not as asked: notes differs; "
    assert error.message.endswith(f"{said}appointmentStartDateTime was {BEFORE}, not {START}.")
    for text in (str(error), repr(error), repr(check)):
        assert "Ada" not in text
        assert "Grace" not in text
    assert "key-of-the-session" not in shown(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.check, again.message) == (check, error.message)


def test_each_replay_is_preceded_by_a_read(driver: Driver, server: Server) -> None:
    server.script(by_method(answer(503), NOT_SO))
    with driver.client(server) as client:
        error = fails(client, ServerError)
    assert methods(server) == ["PUT", "GET", "PUT", "GET", "PUT", "GET"]
    assert (error.attempts, error.replays, error.maybe_applied) == (3, 2, True)
    assert error.check is not None
    assert error.check.verdict == "different"
    assert "after 3 attempts" in error.message


def test_what_was_seen_before_the_last_attempt_is_not_said(driver: Driver, server: Server) -> None:
    server.script(answer(503), NOT_SO, answer(503), answer(404))
    with driver.client(server, retries=1) as client:
        error = fails(client, ServerError)
    assert error.check is not None
    assert error.check.verdict == "unknown"
    assert BEFORE not in error.message


def test_a_read_made_after_the_last_attempt_is_not_made_again(driver: Driver, server: Server) -> None:
    tokens = iter([TOKEN, TOKEN])
    server.script(by_method(answer(503), NOT_SO))
    with driver.client(server, driver.hook(lambda: next(tokens))) as client:
        error = fails(client, ConfigurationError)
    assert methods(server) == ["PUT", "GET"]
    assert error.check is not None
    assert (error.check.verdict, error.maybe_applied, error.attempts) == ("different", True, 1)


# -- reads that show nothing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "reason"), [pytest.param(*pair, id=name) for name, pair in BROKEN.items()])
@pytest.mark.parametrize("retries", [1, 0])
def test_a_read_that_shows_nothing_leaves_the_call_as_it_is(
    driver: Driver, server: Server, step: Step, reason: str, retries: int
) -> None:
    server.script(by_method(answer(503, json_body(message="try later")), step))
    with driver.client(server, retries=retries) as client:
        error = fails(client, ServerError)
        plain = fails(client.view(read_back="never"), ServerError)
    assert type(error) is type(plain)
    assert (error.maybe_applied, error.attempts, error.replays) == (True, retries + 1, retries)
    assert error.message == plain.message
    assert error.check is not None
    assert error.check.verdict == "unknown"
    assert reason in error.check.reason
    assert error.check.not_compared == ("appointmentStartDateTime",)
    assert "change" not in error.check.reason
    assert plain.check is None
    assert methods(server).count("PUT") == 2 * (retries + 1)


def test_a_read_that_never_answers_leaves_the_call_as_it_is(driver: Driver) -> None:
    def attempt(limit: float) -> bool:
        with Server(by_method(answer(503), never)) as server:
            with driver.client(server, retries=1, deadline=2 * limit) as client:
                error = fails(client, SmarterProctoringError)
            assert error.elapsed < 2 * limit + 15
            if methods(server) != ["PUT", "GET", "PUT", "GET"]:
                return False
        assert (type(error), error.attempts, error.maybe_applied) == (ServerError, 2, True)
        assert error.check is not None
        assert "no answer in time" in error.check.reason
        return True

    with_enough_time(attempt)


def test_without_time_nothing_is_read(driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        clock.put_forward(LONG)

    clock = Clock(monkeypatch)
    server.script(answer(503))
    with driver.client(server, deadline=LONG, on_retry=driver.hook(slow)) as client:
        error = fails(client, ServerError)
    assert methods(server) == ["PUT"]
    assert error.check is not None
    assert error.check.reason == "no time of the deadline was left to read the session back"


def test_the_deadline_holds_over_attempts_and_reads(driver: Driver) -> None:
    def attempt(limit: float) -> bool:
        with Server(by_method(never, drip_body())) as server:
            with driver.client(server, deadline=2 * limit) as client:
                error = fails(client, SmarterProctoringError)
            assert error.elapsed < 2 * limit + 15
            if methods(server) != ["PUT", "GET"]:
                return False
        assert error.maybe_applied
        assert error.check is not None
        assert error.check.verdict == "unknown"
        return True

    with_enough_time(attempt)


def test_a_token_that_fails_at_the_read_leaves_the_call_as_it_is(driver: Driver, server: Server) -> None:
    tokens = iter([TOKEN])
    server.script(answer(503))
    with driver.client(server, driver.hook(lambda: next(tokens)), retries=0) as client:
        error = fails(client, ServerError)
    assert methods(server) == ["PUT"]
    assert error.check is not None
    assert "StopIteration" in error.check.reason or "RuntimeError" in error.check.reason


@pytest.mark.parametrize("event", ["request", "response"])
def test_a_hook_that_raises_at_the_read_leaves_the_call_as_it_is(driver: Driver, server: Server, event: str) -> None:
    def hook(shown: Any) -> None:
        if getattr(shown, "request", shown).method == "GET":
            raise OSError(TOKEN)

    server.script(by_method(answer(503), AS_ASKED))
    hooks = {event: [driver.hook(hook)]}
    with driver.client(server, retries=0, event_hooks=hooks) as client:
        error = fails(client, ServerError)
    assert error.check is not None
    assert (error.check.verdict, "OSError" in error.check.reason) == ("unknown", True)
    assert TOKEN not in shown(error)


@pytest.mark.parametrize("retries", [1, 0])
def test_ctrl_c_during_the_read_keeps_what_is_known(server: Server, retries: int) -> None:
    def hook(request: Any) -> None:
        if request.method == "GET":
            raise KeyboardInterrupt

    server.script(by_method(drop_read, AS_ASKED))
    hooks = {"request": [hook]}
    with Driver("sync").client(server, retries=retries, event_hooks=hooks) as client:
        with pytest.raises(KeyboardInterrupt) as caught:
            moved(client)
    assert methods(server) == ["PUT"]
    check_known(caught.value)


@pytest.mark.parametrize("retries", [1, 0])
def test_a_cancellation_during_the_read_keeps_what_is_known(server: Server, retries: int) -> None:
    async def main() -> None:
        settings: Any = {"base_url": server.url, "verify": CERTIFICATES, "retries": retries, "fast": FAST}
        async with AsyncSmarterProctoring(TOKEN, **settings) as client:
            task = asyncio.create_task(client.reschedule(AI, EX, ES, appointment_start_date_time=START))
            while len(server.requests) < 2:
                await asyncio.sleep(0.002)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            check_known(caught.value)

    server.script(by_method(answer(503), never))
    asyncio.run(main())
    assert methods(server) == ["PUT", "GET"]


def check_known(interrupt: BaseException) -> None:
    known = what_is_known(interrupt)
    assert known is not None
    assert (known.maybe_applied, known.attempts, known.check) == (True, 1, None)
    assert "may have been applied" in known.message


def test_a_client_that_is_closed_before_the_read(server: Server) -> None:
    opened: list[Caller] = []
    server.script(drop_read)
    with Driver("sync").client(server, on_retry=lambda *_: opened[0].close()) as client:
        opened.append(client)
        error = fails(client, ConfigurationError)
    assert error.maybe_applied
    assert error.check is not None
    assert "closed" in error.check.reason


# -- no read -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [ES.upper(), f" {ES}", "", None, 7, [ES]])
def test_a_sid_that_says_nothing_else_is_that_of_the_session(driver: Driver, server: Server, seen: object) -> None:
    shown_as = json_body(sid=seen, examSid=EX, installSid=AI, sessionSid=ES, appointmentDate=START)
    server.script(drop_read, answer(200, shown_as))
    with driver.client(server) as client:
        assert moved(client).confirmed_by == "read back"


def test_a_wait_that_ends_too_late_leaves_the_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep_too_long(wait: float) -> None:
        clock.put_forward(wait + 1)

    clock = Clock(monkeypatch)
    monkeypatch.setattr(sender, "sleep", sleep_too_long)
    server.script(answer(503, headers={"Retry-After": "34"}), AS_ASKED)
    with Driver("sync").client(server, deadline=40) as client:
        result = moved(client)
    assert methods(server) == ["PUT", "GET"]
    assert (result.confirmed_by, result.attempts) == ("read back", 1)


@pytest.mark.parametrize(
    ("step", "kind"),
    [(answer(400), BadRequestError), (answer(404), NotFoundError), (answer(409), ConflictError)],
    ids=["400", "404", "409"],
)
def test_a_change_that_was_certainly_not_made_is_not_looked_at(
    driver: Driver, server: Server, step: Step, kind: type[SmarterProctoringError]
) -> None:
    server.script(step, AS_ASKED)
    with driver.client(server) as client:
        error = fails(client, kind)
    assert methods(server) == ["PUT"]
    assert (error.maybe_applied, error.check) == (False, None)


def test_a_request_that_was_never_sent_is_not_looked_at(driver: Driver) -> None:
    with driver.client("http://127.0.0.1:9", retries=0) as client:
        error = fails(client, APIConnectionError)
    assert (error.maybe_applied, error.check) == (False, None)


def test_a_safe_retry_is_not_preceded_by_a_read(driver: Driver, server: Server) -> None:
    server.script(answer(429), answer(425), answer())
    with driver.client(server) as client:
        assert moved(client).check is None
    assert methods(server) == ["PUT", "PUT", "PUT"]


def test_a_success_is_not_looked_at(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        result = moved(client)
    assert methods(server) == ["PUT"]
    assert (result.confirmed_by, result.check) == ("answer", None)


def test_a_hook_that_raises_after_a_success_is_told_without_a_read(driver: Driver, server: Server) -> None:
    def hook(_: object) -> None:
        raise OSError

    with driver.client(server, event_hooks={"response": [driver.hook(hook)]}) as client:
        error = fails(client, SmarterProctoringError)
    assert methods(server) == ["PUT"]
    assert (type(error).__name__, error.maybe_applied, error.check) == ("HookError", True, None)


def test_a_change_without_a_time_is_not_looked_at(driver: Driver, server: Server) -> None:
    server.script(answer(503))
    with driver.client(server, retries=0) as client:
        error = client.fails(ServerError, notes="moved")
    assert methods(server) == ["PUT"]
    assert error.check is None


def test_it_can_be_turned_off(driver: Driver, server: Server) -> None:
    server.script(answer(503))
    with driver.client(server, retries=1, read_back="never") as client:
        assert fails(client, ServerError).check is None
        assert methods(server) == ["PUT", "PUT"]
        assert fails(client.view(read_back="when_unsure"), ServerError).check is not None


@pytest.mark.parametrize("value", ["always", "", None, True, []])
def test_another_value_of_the_option_is_refused(driver: Driver, value: Any) -> None:
    error = failure(ConfigurationError, lambda: driver.type(TOKEN, read_back=value))
    assert [problem.field for problem in error.problems] == ["read_back"]
    assert "'when_unsure' or 'never'" in error.message


# -- what else sees a read -----------------------------------------------------------------------------------------


def test_the_retry_hook_is_not_called_for_reads(driver: Driver, server: Server) -> None:
    seen: list[tuple[str, int]] = []

    def hook(error: SmarterProctoringError, _: float) -> None:
        seen.append((type(error).__name__, error.attempts))

    server.script(by_method(answer(503), answer(500)))
    with driver.client(server, on_retry=driver.hook(hook)) as client:
        fails(client, ServerError)
    assert seen == [("ServerError", 1), ("ServerError", 2)]
    assert methods(server) == ["PUT", "GET", "GET", "PUT", "GET", "GET", "PUT", "GET", "GET"]


def test_a_read_has_its_own_number_of_attempts(driver: Driver, server: Server) -> None:
    for retries in (0, 5):
        server.requests.clear()
        server.script(by_method(answer(409) if retries else answer(303), answer(500)))
        with driver.client(server, retries=retries) as client:
            fails(client, SmarterProctoringError)
        assert methods(server).count("GET") == (0 if retries else 2)


def test_a_retry_of_a_read_pays_the_retry_budget(driver: Driver, server: Server) -> None:
    server.script(by_method(answer(303), answer(500)))
    with driver.client(server) as client:
        budget: RetryBudget = client.raw.generated.sender.budget
        fails(client, SmarterProctoringError)
        assert methods(server) == ["PUT", "GET", "GET"]
        assert budget.take(SIZE - RETRY)
        assert not budget.take(1)
        fails(client, SmarterProctoringError)
    assert methods(server)[3:] == ["PUT", "GET"]


def test_a_retry_that_the_read_made_needless_is_paid_back(driver: Driver, server: Server) -> None:
    server.script(answer(503), AS_ASKED)
    with driver.client(server) as client:
        budget: RetryBudget = client.raw.generated.sender.budget
        moved(client)
        assert budget.take(SIZE)


def test_reads_are_logged_as_their_own_operation(
    driver: Driver, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="smarterproctoring")
    server.script(drop_read, session(notes="for Ada"))
    with driver.client(server) as client:
        moved(client)
    said = [record.getMessage() for record in caplog.records if record.name == "smarterproctoring"]
    assert [line.split(" ->")[0] for line in said if "->" in line] == [
        "PUT /v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid}",
        "GET /v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid}",
    ]
    assert said[-1] == "rescheduleExamSession: read back, as_asked"
    for secret in (TOKEN, ES, "Ada", "key-of-the-session"):
        assert secret not in caplog.text


def test_event_hooks_see_reads(driver: Driver, server: Server) -> None:
    seen: list[str] = []
    hooks = {
        "request": [driver.hook(lambda request: seen.append(request.method))],
        "response": [driver.hook(lambda response: seen.append(response.status_code))],
    }
    server.script(answer(503), AS_ASKED)
    with driver.client(server, event_hooks=hooks) as client:
        moved(client)
    assert seen == ["PUT", 503, "GET", 200]


def test_a_token_callable_is_asked_for_each_read(driver: Driver, server: Server) -> None:
    tokens = iter(["first-token", "second-token"])
    server.script(answer(503), AS_ASKED)
    with driver.client(server, driver.hook(lambda: next(tokens))) as client:
        moved(client)
    assert [request.header("token") for request in server.requests] == [["first-token"], ["second-token"]]


def test_a_token_that_is_refused_at_the_read_is_asked_for_again(driver: Driver, server: Server) -> None:
    tokens = iter(["first-token", "second-token", "third-token"])
    server.script(answer(503), answer(401), AS_ASKED)
    with driver.client(server, driver.hook(lambda: next(tokens))) as client:
        assert moved(client).confirmed_by == "read back"
    assert methods(server) == ["PUT", "GET", "GET"]


def test_many_calls_are_read_back_each(any_driver: Driver, server: Server) -> None:
    server.script(by_method(answer(503), AS_ASKED))
    starts = [START, BEFORE, START]
    sids = {"install_sid": AI, "exam_sid": EX, "session_sid": ES}
    items = [{**sids, "appointment_start_date_time": start} for start in starts]
    with any_driver.client(server, retries=0) as client:
        outcomes = client.run(client.raw.reschedule_many, items, concurrency=2)
    assert [type(outcome) for outcome in outcomes] == [Result, ServerError, Result]
    assert [outcome.check.verdict for outcome in outcomes] == ["as_asked", "different", "as_asked"]
    assert sorted(methods(server)) == ["GET"] * 3 + ["PUT"] * 3


# -- check and reads of the caller's own ---------------------------------------------------------------------------


def check(client: Caller, **fields: Any) -> Any:
    return client.run(lambda: client.raw.check(AI, EX, ES, **fields))


def test_check_compares_without_changing(any_driver: Driver, server: Server) -> None:
    server.script(session(notes="moved"))
    with any_driver.client(server) as client:
        same = check(client, appointment_start_date_time=START, notes="moved", type="proctoru")
        other = check(client, appointment_start_date_time=BEFORE)
        open_ = check(client, notes="moved")
    assert methods(server) == ["GET"] * 3
    assert (same.verdict, same.not_compared) == ("as_asked", ("type",))
    assert (other.verdict, [one.seen for one in other.differences]) == ("different", [START])
    assert (open_.verdict, "no time" in open_.reason) == ("unknown", True)


@pytest.mark.parametrize(("step", "reason"), [pytest.param(*pair, id=name) for name, pair in BROKEN.items()])
def test_check_says_why_it_cannot_tell(driver: Driver, server: Server, step: Step, reason: str) -> None:
    server.script(step)
    with driver.client(server, retries=1) as client:
        found = check(client, appointment_start_date_time=START)
    assert (found.verdict, reason in found.reason) == ("unknown", True), found.reason


def test_check_does_not_quote_what_it_was_given(driver: Driver, server: Server) -> None:
    server.script(answer(400, json_body(message="no notes such as for Ada"), {"X-Note": TOKEN}))
    with driver.client(server) as client:
        found = check(client, appointment_start_date_time=START, notes="for Ada")
    assert found.reason == "400 Bad Request: no notes such as [redacted]."


def test_check_refuses_what_could_not_be_asked_for(driver: Driver, server: Server) -> None:
    naive = datetime(2030, 5, 4, 13)
    with driver.client(server) as client:
        error = failure(ValidationError, partial(check, client, appointment_start_date_time=naive))
        assert [problem.field for problem in error.problems] == ["appointment_start_date_time"]
        error = failure(ValidationError, partial(check, client))
        assert "give at least one field" in error.message
        with pytest.raises(TypeError):
            check(client, start=START)
    with driver.client(server, driver.hook(lambda: "")) as client:
        failure(ConfigurationError, partial(check, client, appointment_start_date_time=START))
    assert server.requests == []


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (answer(500), ServerError),
        (drop_read, APIConnectionError),
        (answer(200, PAGE, HTML), UnconfirmedError),
        (answer(429, headers={"Retry-After": "3600"}), RateLimitError),
    ],
    ids=["500", "dropped", "HTML", "429"],
)
def test_a_read_of_the_callers_own_changes_nothing(
    driver: Driver, server: Server, step: Step, kind: type[SmarterProctoringError]
) -> None:
    server.script(step)
    with driver.client(server, retry_ambiguous=False) as client:
        error = failure(kind, partial(client.run, client.raw.get_session, AI, EX, ES))
        assert (error.maybe_applied, error.replays, error.check) == (False, 0, None)
        assert "change" not in error.message
        assert len(server.requests) == (3 if kind in (ServerError, APIConnectionError) else 1)


def test_an_interrupted_read_of_the_callers_own_changed_nothing(server: Server) -> None:
    def hook(_: object) -> None:
        raise KeyboardInterrupt

    with Driver("sync").client(server, event_hooks={"response": [hook]}) as client:
        with pytest.raises(KeyboardInterrupt) as caught:
            client.run(client.raw.get_session, AI, EX, ES)
        known = what_is_known(caught.value)
    assert known is not None
    assert not known.maybe_applied


def test_threads_that_share_a_client_read_back_each_for_itself(server: Server) -> None:
    starts: dict[str, str] = {}

    def change(peer: Peer) -> None:
        request = peer.read()
        starts[request.path] = request.json()["appointmentStartDateTime"]
        peer.close()

    def read(peer: Peer) -> None:
        path = peer.read().path
        peer.send(response(200, json_body(appointmentDate=starts[path])))

    server.script(by_method(change, read))
    results: list[Result[Any]] = []

    def move(client: Caller, number: int) -> None:
        start = f"2030-05-04T13:0{number}:00.000Z"
        results.append(client.reschedule(AI, EX, f"ES{number:032x}", appointment_start_date_time=start))

    with Driver("sync").client(server) as client:
        threads = [threading.Thread(target=move, args=(client, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [(result.confirmed_by, result.attempts) for result in results] == [("read back", 1)] * 8
    assert sorted(methods(server)) == ["GET"] * 8 + ["PUT"] * 8
