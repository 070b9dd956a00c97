"""One call's bookkeeping by itself, by a clock that stands still until it is told."""

from __future__ import annotations

import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from types import FrameType
from typing import Any

import pytest
from smarterproctoring import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    RateLimitError,
    Result,
    ServerError,
    SmarterProctoringError,
    UnexpectedRedirectError,
    what_is_known,
)
from smarterproctoring.answers import MAX_BODY, MAX_ERROR_BODY, Reply
from smarterproctoring.budget import RetryBudget
from smarterproctoring.call import TOO_LATE, Call
from smarterproctoring.credentials import Secret
from smarterproctoring.policy import Failure, Loss
from smarterproctoring.prepare import Prepared, from_keywords
from smarterproctoring.settings import Options, Timeouts
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.records import Hidden, Operation
from wire.driver import AI, ES, EX

GOOD = Reply(200, {"x-request-id": "req-1"}, b'"moved"')
BUSY = Reply(429, {}, b"")
PREPARED = from_keywords(RESCHEDULE_EXAM_SESSION, (AI, EX, ES), Hidden({"notes": "moved"}), allow_empty=False)
START = {"appointment_start_date_time": "2030-05-04T13:00:00.000Z"}
TIMED = from_keywords(RESCHEDULE_EXAM_SESSION, (AI, EX, ES), Hidden(START), allow_empty=False)
"""A change that can be read back."""
FIRST, SECOND = Secret("first-token"), Secret("second-token")


class Clock:
    now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def begun(prepared: Prepared) -> Prepared:
    """A copy that begins now."""
    again = copy(prepared)
    again.began = time.monotonic()
    return again


def call(*, can_renew: bool = False, **options: Any) -> Call:
    return Call(begun(PREPARED), Options(**options), can_renew=can_renew, budget=RetryBudget())


def refused(kind: type[SmarterProctoringError], action: Any, *arguments: Any) -> SmarterProctoringError:
    with pytest.raises(kind) as caught:
        action(*arguments)
    assert type(caught.value) is kind
    return caught.value


def test_no_limit_of_an_attempt_is_past_the_deadline(clock: Clock) -> None:
    one = call(timeout=Timeouts(connect=1.0, read=20.0, write=30.0, pool=2.0), deadline=25.0)
    assert (one.remaining(), one.deadline_at) == (25.0, 5025.0)
    clock.now += 10
    assert one.remaining() == 15.0
    assert one.begin(FIRST) == {"connect": 1.0, "read": 15.0, "write": 15.0, "pool": 2.0}
    clock.now += 14.5
    assert one.begin(FIRST) == {"connect": 0.5, "read": 0.5, "write": 0.5, "pool": 0.5}


@pytest.mark.parametrize(("passed", "secret"), [(25.0, FIRST), (25.5, FIRST), (1.0, TOO_LATE)])
def test_no_attempt_begins_after_the_deadline(clock: Clock, passed: float, secret: Secret) -> None:
    one = call(deadline=25.0)
    clock.now += passed
    error = refused(DeadlineExceededError, one.begin, secret)
    assert (error.attempts, error.elapsed, error.maybe_applied) == (0, passed, False)
    assert error.message == "the deadline of 25 s has passed. The change was not applied."


def test_a_success_tells_what_it_took(clock: Clock) -> None:
    one = call()
    one.begin(FIRST)
    clock.now += 1
    assert one.settle(Loss(Failure.LOST, "ReadError")) is not None
    one.begin(FIRST)
    clock.now += 2
    assert one.settle(Reply(200, GOOD.headers, GOOD.body, incomplete=True)) is None
    result: Result[Any] = one.result(lambda _: None)
    assert (result.data, result.status, result.request_id) == ("moved", 200, "req-1")
    assert (result.attempts, result.replays, result.elapsed, result.incomplete) == (2, 1, 3.0, True)


def test_a_failure_tells_what_it_took(clock: Clock) -> None:
    one = call(retries=1)
    one.begin(FIRST)
    clock.now += 1
    one.settle(BUSY)
    assert one.error.message == "429 Too Many Requests. The change was not applied."
    one.begin(FIRST)
    clock.now += 2
    error = refused(RateLimitError, one.settle, BUSY)
    assert error.message == "429 Too Many Requests after 2 attempts. The change was not applied."
    assert (error.attempts, error.replays, error.elapsed) == (2, 0, 3.0)


@pytest.mark.parametrize(
    ("passed", "failure", "kind"),
    [
        (24.5, Failure.READ_TIMEOUT, APITimeoutError),
        (25.0, Failure.READ_TIMEOUT, DeadlineExceededError),
        (26.0, Failure.WRITE_TIMEOUT, DeadlineExceededError),
        (26.0, Failure.LOST, APIConnectionError),
    ],
)
def test_a_time_limit_is_the_deadline_once_that_has_passed(
    clock: Clock, passed: float, failure: Failure, kind: type[SmarterProctoringError]
) -> None:
    one = call(deadline=25.0, retries=0)
    one.begin(FIRST)
    clock.now += passed
    error = refused(kind, one.settle, Loss(failure, "cause"))
    assert error.message.startswith(f"{failure.value} (cause)")
    assert ("the deadline of 25 s has passed" in error.message) is (kind is DeadlineExceededError)


def test_a_renewal_leaves_all_retries(clock: Clock) -> None:
    one = call(can_renew=True, retries=1)
    one.begin(FIRST)
    assert one.settle(Reply(401, {}, b"")) == 0.0
    one.begin(SECOND)
    assert one.settle(BUSY) == 0.0
    one.begin(SECOND)
    assert refused(RateLimitError, one.settle, BUSY).attempts == 3


def test_a_renewal_is_made_once_and_needs_another_token(clock: Clock) -> None:
    one = call(can_renew=True)
    one.begin(FIRST)
    one.settle(Reply(401, {}, b""))
    assert refused(AuthenticationError, one.begin, FIRST).attempts == 1
    one.begin(SECOND)
    assert refused(AuthenticationError, one.settle, Reply(401, {}, b"")).attempts == 2


def test_the_same_token_may_follow_where_none_was_refused(clock: Clock) -> None:
    one = call(can_renew=True)
    one.begin(FIRST)
    one.settle(Reply(401, {}, b""))
    one.begin(SECOND)
    one.settle(BUSY)
    one.begin(SECOND)


def test_a_token_that_cannot_be_sent_ends_the_call(clock: Clock) -> None:
    error = refused(ConfigurationError, call().begin, Secret("Bearer x"))
    assert "without the prefix" in error.message


def test_an_operation_without_security_needs_no_token(clock: Clock) -> None:
    facts: dict[str, Any] = {**vars(RESCHEDULE_EXAM_SESSION), "token_header": None}
    operation = Operation(**facts)
    prepared = begun(PREPARED)
    prepared.operation = operation
    one = Call(prepared, Options(), can_renew=False, budget=RetryBudget())
    assert one.begin(Secret("")) == Timeouts()._asdict()


@pytest.mark.parametrize("status", [200, 205])
def test_a_success_may_be_longer_than_an_error(clock: Clock, status: int) -> None:
    one = call()
    one.begin(FIRST)
    one.settle(Reply(status, {}, b"a" * (MAX_BODY + 1)))
    assert len(one.reply.body) == MAX_BODY == 1024 * 1024


@pytest.mark.parametrize(("status", "kind"), [(199, ServerError), (300, UnexpectedRedirectError), (500, ServerError)])
def test_the_body_of_an_error_is_cut(clock: Clock, status: int, kind: type[SmarterProctoringError]) -> None:
    one = call(retries=0)
    one.begin(FIRST)
    error = refused(kind, one.settle, Reply(status, {}, b"a" * MAX_BODY))
    assert len(error.body or "") == MAX_ERROR_BODY == 64 * 1024


@pytest.mark.parametrize("read_back", [False, True])
def test_an_interrupt_after_the_change_was_made_does_not_say_that_it_was_not(*, read_back: bool) -> None:
    one = Call(begun(TIMED), Options(), can_renew=False, budget=RetryBudget())
    one.begin(FIRST)
    if read_back:
        read = Reply(200, {}, b'{"appointmentDate": "2030-05-04T13:00:00.000Z"}')
        assert one.take_read(read)
    else:
        assert one.settle(GOOD) is None
    interrupt = KeyboardInterrupt()
    one.interrupted(interrupt)
    known = what_is_known(interrupt)
    assert known is not None
    assert known.maybe_applied


class Interrupting:
    """Raises Ctrl-C at the nth line of the project that runs."""

    def __init__(self, number: int) -> None:
        self._left = number

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if "smarterproctoring" not in frame.f_code.co_filename:
            return None
        if event == "line":
            self._left -= 1
            if not self._left:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self.trace


@pytest.mark.parametrize(
    "answer",
    [GOOD, Reply(500, {}, b""), Reply(200, {}, b"<html>"), Loss(Failure.LOST, "ReadError")],
    ids=["2xx", "500", "not confirmed", "lost"],
)
def test_ctrl_c_at_any_line_of_taking_an_answer_does_not_say_that_nothing_was_changed(answer: Any) -> None:
    # Raised between two steps of the interpreter's own bookkeeping, it leaves an exception behind that later errors of
    # the same thread would have as their context.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(interrupt_at_each_line, answer).result()


def interrupt_at_each_line(answer: Any) -> None:
    for number in range(1, 2000):
        one = call(retries=0)
        one.begin(FIRST)
        one.sending = True
        traced = sys.gettrace()
        sys.settrace(Interrupting(number).trace)
        try:
            one.settle(answer)
        except KeyboardInterrupt as interrupt:
            sys.settrace(traced)
            one.interrupted(interrupt)
            known = what_is_known(interrupt)
            assert known is not None
            assert known.maybe_applied, f"line {number}"
            continue
        except SmarterProctoringError:
            pass
        finally:
            sys.settrace(traced)
        assert number > 20
        return
    pytest.fail("it did not end")


def test_the_log_of_an_attempt(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    one = call(on_retry=lambda *_: "awaited by the driver")
    with caplog.at_level(logging.DEBUG, logger="smarterproctoring"):
        clock.now += 3
        one.begin(FIRST)
        clock.now += 2.5
        one.settle(BUSY)
        one.begin(FIRST)
        one.settle(Loss(Failure.CONNECT, "ConnectError"))
        one.begin(FIRST)
        one.settle(GOOD)
    assert [record.getMessage() for record in caplog.records] == [
        f"PUT {RESCHEDULE_EXAM_SESSION.path} -> 429, attempt 1, 2500 ms, request id None",
        "rescheduleExamSession: status 429, retry in 0.00 s",
        f"PUT {RESCHEDULE_EXAM_SESSION.path} -> connect (ConnectError), attempt 2, 0 ms, request id None",
        "rescheduleExamSession: could not connect, retry in 0.00 s",
        f"PUT {RESCHEDULE_EXAM_SESSION.path} -> 200, attempt 3, 0 ms, request id req-1",
    ]


def test_what_the_hook_returned_is_kept_until_the_next_attempt(clock: Clock) -> None:
    one = call(on_retry=lambda *_: "to be awaited")
    one.begin(FIRST)
    one.settle(BUSY)
    assert one.hooked == "to be awaited"
    one.begin(FIRST)
    assert one.hooked is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("12345678901234567890", 1e9),  # long enough for anything, and never infinite
        ("9" * 400, 1e9),
        ("000000000000120", 120.0),
        ("1.5", 1.5),
        ("0.000", 0.0),
        (".5", 0.5),
        ("Fri, 01 Jan 2038 01:00:00 +0100", 100.0),
        ("Fri, 01 Jan 2038 00:00:00 GMT", 100.0),
        ("Fri, 01 Jan 2038 00:00:00", 100.0),
        ("Thu, 31 Dec 2037 23:58:20 GMT", 0.0),
        ("Thu, 31 Dec 2037 00:00:00 GMT", 0.0),
        ("7.5", 7.5),
        ("1.5.2", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("+7", None),
        ("0x10", None),
        ("٣", None),
        ("-7", None),
        ("7s", None),
        ("", None),
    ],
)
def test_retry_after(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None) -> None:
    monkeypatch.setattr(time, "time", lambda: 2145916700.0)  # 100 s before 2038
    assert Reply(503, {"retry-after": text}, b"").retry_after() == seconds


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"x-request-id": ""}, None),
        ({"cf-ray": "ray", "request-id": "id"}, "id"),
        ({"x-request-id": "", "cf-ray": "ray"}, "ray"),
    ],
)
def test_the_request_id(headers: dict[str, str], expected: str | None) -> None:
    assert Reply(200, headers, b"").request_id() == expected


def test_what_says_nothing_of_a_person_is_kept_in_a_message(clock: Clock) -> None:
    change = {"type": "proctoru", "notes": "Ada", "appointment_start_date_time": "2030-05-04T13:00:00.000Z"}
    one = Call(
        from_keywords(RESCHEDULE_EXAM_SESSION, (AI, EX, ES), Hidden(change), allow_empty=False),
        Options(retries=0),
        can_renew=False,
        budget=RetryBudget(),
    )
    one.begin(FIRST)
    said = b'{"message": "proctoru cannot take ada at 2030-05-04T13:00:00.000Z"}'
    error = refused(ServerError, one.settle, Reply(500, {}, said))
    assert error.api_message == "proctoru cannot take [redacted] at 2030-05-04T13:00:00.000Z"


def test_what_is_not_said_to_be_incomplete_is_whole() -> None:
    assert Reply(200, {}, b"").incomplete is False
    result = Result("moved", 200, None, 1, 0, 0.1)
    assert result.incomplete is False
    assert not hasattr(result, "__dict__")


# -- the time for reading back -------------------------------------------------------------------------------------


def timed(**options: Any) -> Call:
    return Call(begun(TIMED), Options(**options), can_renew=False, budget=RetryBudget())


def unsure(**options: Any) -> Call:
    """A call whose only attempt may have been applied."""
    one = timed(retries=0, **options)
    one.begin(FIRST)
    refused(ServerError, one.settle, Reply(503, {}, b""))
    return one


@pytest.mark.parametrize(("deadline", "kept"), [(60.0, 5.0), (20.0, 5.0), (8.0, 2.0), (1.0, 0.25)])
def test_a_part_of_the_deadline_is_kept_for_reading_back(clock: Clock, deadline: float, kept: float) -> None:
    one = timed(deadline=deadline)
    assert (one.deadline_at, one.remaining()) == (5000 + deadline - kept, deadline - kept)
    assert one.begin(FIRST)["read"] == min(30.0, deadline - kept)
    clock.now += deadline - kept
    error = refused(DeadlineExceededError, one.begin, FIRST)
    assert f"the deadline of {deadline:g} s has passed, but for {kept:g} s that are kept" in error.message


def test_nothing_is_kept_where_nothing_is_read_back(clock: Clock) -> None:
    assert timed(deadline=8.0, read_back="never").deadline_at == clock.now + 8.0
    assert call(deadline=8.0).deadline_at == clock.now + 8.0


@pytest.mark.parametrize(
    ("passed", "before_replay", "seconds"),
    [
        (0.0, False, 2.0),  # no longer than is kept
        (7.0, False, 1.0),  # never past the deadline
        (7.995, False, None),
        (8.5, False, None),
        (0.0, True, 2.0),
        (4.0, True, 1.0),  # half of what is left for the replay
        (5.985, True, None),
        (6.5, True, None),
    ],
)
def test_a_read_ends_in_time(clock: Clock, passed: float, *, before_replay: bool, seconds: float | None) -> None:
    one = unsure(deadline=8.0)
    clock.now += passed
    reading = one.reading(before_replay=before_replay)
    assert (reading and reading.deadline_at - clock.now) == seconds


def test_a_read_is_a_call_of_its_own(clock: Clock) -> None:
    reading = unsure(deadline=8.0, on_retry=lambda *_: pytest.fail("called for a read")).reading(before_replay=False)
    assert reading is not None
    assert reading.operation.method == "GET"
    reading.begin(SECOND)
    assert not reading.is_unsure()
    assert reading.settle(Reply(503, {}, b"")) == 0.0
    reading.begin(SECOND)
    error = refused(ServerError, reading.settle, Reply(503, {}, b""))
    assert (error.attempts, error.maybe_applied) == (2, False)
    assert clock.now == 5000


def test_what_is_read_is_not_what_the_caller_gets() -> None:
    one = unsure()
    shown = b'{"appointmentDate": "2030-05-04T13:00:00Z", "accessKey": "the key"}'
    assert one.take_read(Reply(200, {"x-request-id": "of the read"}, shown))
    result: Result[Any] = one.result(lambda _: None)
    assert (result.data, result.request_id, result.confirmed_by) == (None, "of the read", "read back")


def test_a_reason_holds_nothing_that_was_asked_for() -> None:
    notes = from_keywords(
        RESCHEDULE_EXAM_SESSION, (AI, EX, ES), Hidden({**START, "notes": "for Ada Example"}), allow_empty=False
    )
    one = Call(notes, Options(retries=0), can_renew=False, budget=RetryBudget())
    one.begin(FIRST)
    refused(ServerError, one.settle, Reply(503, {}, b""))
    one.read_failed("404: for Ada Example there is nothing, first-token")
    error = one.with_check(one.error)
    assert error.check is not None
    assert error.check.reason == "404: [redacted] there is nothing, [redacted]"
