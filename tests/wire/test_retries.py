"""What is tried again, how often and how soon: first the pure decision, then on the wire."""

from __future__ import annotations

import random
import time
from email.utils import formatdate
from itertools import product
from typing import Any

import pytest
from smarterproctoring import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    DeadlineExceededError,
    RateLimitError,
    ServerError,
    SmarterProctoringError,
)
from smarterproctoring.budget import RetryBudget
from smarterproctoring.call import Call
from smarterproctoring.credentials import Secret
from smarterproctoring.policy import BACKOFF_MAX, AttemptOutcome, Decision, Failure, Loss, decide
from smarterproctoring.prepare import Prepared
from smarterproctoring.settings import Options
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.records import Hidden
from wire.driver import Driver
from wire.misbehave import Server, answer, drop_read, drop_unread, json_body

SAFE = {408, 425, 429, Failure.CONNECT, Failure.CONNECT_TIMEOUT, Failure.POOL_TIMEOUT, Failure.NOT_SENT}
LOST = {Failure.READ_TIMEOUT, Failure.WRITE_TIMEOUT, Failure.LOST, Failure.NOT_WHOLE}
AMBIGUOUS = {500, 502, 503, 504, *LOST}


def decided(outcome: AttemptOutcome, **changes: Any) -> Decision:
    options = Options(retries=changes.pop("retries", 2), retry_ambiguous=changes.pop("retry_ambiguous", True))
    given: dict[str, Any] = {"retried": 0, "can_renew": False, "left": 60.0, "draw": 0.5, **changes}
    return decide(outcome, options, **given)


@pytest.mark.parametrize("ambiguous", [True, False])
def test_every_outcome_is_decided_as_the_rules_say(*, ambiguous: bool) -> None:
    for met in [*range(100, 1000), *Failure]:
        outcome = AttemptOutcome(status=met) if isinstance(met, int) else AttemptOutcome(failure=met)
        expected = "raise"
        if met in SAFE or (met in AMBIGUOUS and ambiguous):
            expected = "retry"
        assert decided(outcome, retry_ambiguous=ambiguous).action == expected, met
        if expected == "retry":
            assert decided(outcome, retried=2).action == "raise", met
            assert decided(outcome, retries=0).action == "raise", met
            assert decided(outcome, left=0.1).action == "raise", met


def test_every_outcome_says_whether_it_may_have_been_applied() -> None:
    for status in range(100, 1000):
        assert AttemptOutcome(status=status).maybe_applied is not (
            status not in {303, 499} and (status == 501 or 300 <= status < 500)
        ), status
    unsent = {Failure.CONNECT, Failure.CONNECT_TIMEOUT, Failure.POOL_TIMEOUT, Failure.NOT_SENT}
    never = {*unsent, Failure.TLS, Failure.HOOK}
    for failure in Failure:
        assert AttemptOutcome(failure=failure).maybe_applied is (failure not in never), failure


@pytest.mark.parametrize(("retried", "draw"), list(product(range(10), [0.0, 0.3, 0.999])))
def test_the_jitter_is_full_and_bounded(retried: int, draw: float) -> None:
    wait = decided(AttemptOutcome(status=503), retried=retried, retries=10, draw=draw).wait
    assert wait == draw * min(0.5 * 2**retried, 8.0)
    assert 0 <= wait <= BACKOFF_MAX == 8


@pytest.mark.parametrize(
    ("asked", "left", "expected"),
    [
        (2.0, 60.0, Decision("retry", 2.0)),  # never earlier than Retry-After
        (0.1, 60.0, Decision("retry", 0.25)),  # and no more than that
        (60.0, 61.0, Decision("retry", 60.0)),
        (60.0, 60.0, Decision("raise")),  # would end at the deadline
        (60.1, 3600.0, Decision("raise")),  # too long to wait inside a call
        (49 * 86400.0, 1e9, Decision("raise")),
    ],
)
def test_retry_after_is_a_floor(asked: float, left: float, expected: Decision) -> None:
    assert vars(decided(AttemptOutcome(status=429, retry_after=asked), left=left)) == vars(expected)


@pytest.mark.parametrize("left", [-0.1, 0.0, 0.0004, 0.001, 0.0099])
def test_a_rest_of_the_deadline_is_no_time_for_another_attempt(left: float) -> None:
    """Timers end up to a millisecond early, so that an attempt that the deadline has ended seems to leave some time."""
    for met in [*range(300, 1000), *Failure]:
        outcome = AttemptOutcome(status=met) if isinstance(met, int) else AttemptOutcome(failure=met)
        assert decided(outcome, left=left, draw=0.0, can_renew=True).action == "raise", met
    waited = AttemptOutcome(status=429, retry_after=2.0)
    assert decided(waited, left=2.0 + left).action == "raise"
    assert vars(decided(waited, left=2.02)) == vars(Decision("retry", 2.0))


@pytest.mark.parametrize(("left", "kind"), [(0.0004, DeadlineExceededError), (0.02, APITimeoutError)])
def test_an_attempt_that_ends_with_the_deadline_has_exceeded_it(
    left: float, kind: type[APITimeoutError], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = Prepared(RESCHEDULE_EXAM_SESSION, "/", {}, Hidden(b"{}"), time.monotonic())
    call = Call(prepared, Options(), can_renew=False, budget=RetryBudget())
    call.begin(Secret("token"))
    monkeypatch.setattr(call, "remaining", lambda: left)
    with pytest.raises(APITimeoutError) as caught:
        call.settle(Loss(Failure.READ_TIMEOUT, "deadline"))
        call.check_wait(0.01)
    assert type(caught.value) is kind
    assert ("the deadline of 60 s has passed" in caught.value.message) is (kind is DeadlineExceededError)


@pytest.mark.parametrize(("status", "code"), [(401, None), (401, "5003"), (403, "AUTHENTICATIONFAILED")])
def test_a_refused_token_is_renewed_where_that_can_be(status: int, code: str | None) -> None:
    renewed = decided(AttemptOutcome(status=status, code=code), can_renew=True, retries=0)
    assert vars(renewed) == vars(Decision("renew", wait=0.0))
    assert decided(AttemptOutcome(status=status, code=code), can_renew=True, left=0.1).action == "renew"
    assert decided(AttemptOutcome(status=status, code=code), can_renew=False).action == "raise"
    assert decided(AttemptOutcome(status=status, code=code), can_renew=True, left=0.0).action == "raise"


@pytest.mark.parametrize("code", [None, "5003", "5006"])
def test_a_missing_permission_is_no_reason_to_renew(code: str | None) -> None:
    assert decided(AttemptOutcome(status=403, code=code), can_renew=True).action == "raise"


@pytest.mark.parametrize("ambiguous", [True, False])
def test_what_is_not_idempotent_is_repeated_only_where_it_was_not_taken(*, ambiguous: bool) -> None:
    taken = {425, 429, Failure.CONNECT, Failure.CONNECT_TIMEOUT, Failure.POOL_TIMEOUT, Failure.NOT_SENT}
    for met in [*range(300, 1000), *Failure]:
        outcome = AttemptOutcome(status=met) if isinstance(met, int) else AttemptOutcome(failure=met)
        action = decided(outcome, retry_ambiguous=ambiguous, idempotent=False).action
        assert action == ("retry" if met in taken else "raise"), met
    assert decided(AttemptOutcome(status=401), can_renew=True, idempotent=False).action == "renew"


# -- on the wire --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [answer(503), answer(500), answer(425), answer(429), drop_read, drop_unread])
def test_the_same_bytes_are_sent_again(any_driver: Driver, failing: Any) -> None:
    with Server(failing, answer()) as server, any_driver.client(server) as client:
        result = client.reschedule(notes="twice é the same", type="proctoru")
    assert result.attempts == 2
    sent = {request.body for request in server.requests}
    assert sent == {'{"type":"proctoru","notes":"twice é the same"}'.encode()}


@pytest.mark.parametrize(
    ("failing", "replays"), [(answer(425), 0), (answer(429), 0), (answer(503), 2), (answer(500), 2), (drop_read, 2)]
)
def test_replays_are_counted(driver: Driver, failing: Any, replays: int) -> None:
    with Server(failing, failing, answer()) as server, driver.client(server) as client:
        result = client.reschedule()
    assert (result.attempts, result.replays) == (3, replays)


@pytest.mark.parametrize("failing", [answer(500), answer(502), answer(503), answer(504), drop_read])
def test_replays_can_be_turned_off(driver: Driver, failing: Any) -> None:
    with Server(failing, answer()) as server, driver.client(server, retry_ambiguous=False) as client:
        error = client.fails(SmarterProctoringError)
    assert error.maybe_applied
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 412, 421, 422, 428, 499, 501, 302, 303])
def test_what_is_final_is_not_repeated(driver: Driver, status: int) -> None:
    with Server(answer(status), answer()) as server, driver.client(server) as client:
        assert client.fails(APIStatusError).attempts == 1
    assert len(server.requests) == 1


def test_the_number_of_retries_is_kept(driver: Driver) -> None:
    with Server(answer(503)) as server, driver.client(server, retries=4) as client:
        assert client.fails(ServerError).attempts == 5
        assert client.view(retries=0).fails(ServerError).attempts == 1
    assert len(server.requests) == 6


def test_a_refused_connection_is_tried_again(driver: Driver) -> None:
    with driver.client("http://127.0.0.1:9") as client:
        error = client.fails(APIConnectionError)
    assert (error.attempts, error.replays, error.maybe_applied) == (3, 0, False)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(driver: Driver, form: str) -> None:
    until = int(time.time()) + 3  # a date has whole seconds
    asked = "2" if form == "seconds" else formatdate(until, usegmt=True)
    with Server(answer(429, headers={"Retry-After": asked}), answer()) as server, driver.client(server) as client:
        result = client.reschedule()
    assert result.attempts == 2
    if form == "seconds":
        assert result.elapsed >= 1.95
    else:
        assert time.time() >= until - 0.05


@pytest.mark.parametrize("ahead", [-3600, 3600], ids=["a slow clock", "a fast clock"])
def test_a_date_is_read_by_both_clocks_and_the_longer_wait_counts(driver: Driver, ahead: float) -> None:
    theirs = time.time() - ahead
    headers = {"Date": formatdate(theirs, usegmt=True), "Retry-After": formatdate(theirs + 30, usegmt=True)}
    with Server(answer(503, headers=headers)) as server, driver.client(server, retries=0) as client:
        asked = client.fails(ServerError).retry_after
    # A fast clock of one's own must not make the wait shorter; a slow one makes it longer, which does no harm.
    assert asked == 30 if ahead > 0 else asked is not None and asked > 3600


@pytest.mark.parametrize(
    "asked",
    [str(49 * 86400), "9" * 400, formatdate(time.time() + 49 * 86400, usegmt=True), "61"],
    ids=["49 days", "huge", "date in 49 days", "61"],
)
def test_a_long_retry_after_raises_at_once(driver: Driver, asked: str) -> None:
    with Server(answer(429, headers={"Retry-After": asked}), answer()) as server, driver.client(server) as client:
        error = client.fails(RateLimitError)
    assert error.attempts == 1
    assert error.retry_after is not None
    assert error.retry_after > 60


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["", "soon", "-5", "1.5", "٣", "0x10", "Thu, 99 Foo 2099 99:99:99 GMT", "0"])
def test_a_retry_after_that_says_nothing_is_no_obstacle(driver: Driver, asked: str) -> None:
    headers = {"Retry-After": asked.encode("utf-8").decode("latin-1")}
    with Server(answer(503, headers=headers), answer()) as server, driver.client(server) as client:
        assert client.reschedule().attempts == 2


def test_a_past_date_is_no_wait(driver: Driver) -> None:
    headers = {"Retry-After": formatdate(0, usegmt=True)}
    with Server(answer(503, headers=headers), answer()) as server, driver.client(server) as client:
        assert client.reschedule().attempts == 2


def test_the_hook_sees_every_retry(driver: Driver) -> None:
    seen: list[tuple[str, int, bool, float]] = []

    def hook(error: SmarterProctoringError, wait: float) -> None:
        seen.append((type(error).__name__, error.attempts, error.maybe_applied, wait))

    with Server(answer(429), drop_read, answer()) as server, driver.client(server, on_retry=hook) as client:
        client.reschedule()
    assert seen == [("RateLimitError", 1, False, 0.0), ("APIConnectionError", 2, True, 0.0)]


def test_an_asynchronous_hook_is_awaited() -> None:
    seen: list[str] = []

    async def hook(error: SmarterProctoringError, _: float) -> None:
        seen.append(type(error).__name__)

    with Server(answer(503), answer()) as server, Driver("asyncio").client(server, on_retry=hook) as client:
        client.reschedule()
    assert seen == ["ServerError"]


def test_the_jitter_is_drawn_anew(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([0.02, 0.03])
    monkeypatch.setattr(random, "random", lambda: next(draws))
    waits: list[float] = []
    with (
        Server(answer(503), answer(503), answer()) as server,
        driver.client(server, on_retry=lambda _, wait: waits.append(wait)) as client,
    ):
        client.reschedule()
    assert waits == [0.02 * 0.5, 0.03 * 1.0]


def test_an_error_body_does_not_hide_the_retry_after(driver: Driver) -> None:
    body = json_body(code="429", message="slow down", status=429)
    with Server(answer(429, body, {"Retry-After": "3600"})) as server, driver.client(server) as client:
        error = client.fails(RateLimitError)
    assert (error.retry_after, error.api_message) == (3600.0, "slow down")
