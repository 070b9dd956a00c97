"""What a hook of the caller's raises, Ctrl-C and a cancellation never hide what is known of the call."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from typing import Any

import httpx
import pytest
from smarterproctoring import (
    AsyncSmarterProctoring,
    ConfigurationError,
    HookError,
    InterruptedCallError,
    NotFoundError,
    RateLimitError,
    Result,
    ServerError,
    SmarterProctoring,
    SmarterProctoringError,
    many,
    what_is_known,
)
from smarterproctoring._sync import sender
from wire.driver import AI, CERTIFICATES, ES, EX, TOKEN, Driver
from wire.misbehave import Peer, Server, answer, drop_read, never, response, truncated


class OddError(Exception):
    """Of the caller's hook."""


def raising(*_: Any) -> None:
    raise OddError(TOKEN)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("step", "kind", "maybe_applied"),
    [(answer(503), ServerError, True), (answer(429), RateLimitError, False)],
    ids=["503", "429"],
)
def test_a_retry_hook_that_raises_leaves_the_calls_own_error(
    driver: Driver,
    server: Server,
    step: Any,
    kind: type[SmarterProctoringError],
    *,
    maybe_applied: bool,
    asynchronous: bool,
) -> None:
    server.script(step)
    hook = driver.hook(raising) if asynchronous else raising
    with driver.client(server, on_retry=hook) as client:
        error = client.fails(kind)
    assert type(error) is kind
    assert (error.maybe_applied, error.attempts) == (maybe_applied, 1)
    assert "on_retry raised OddError, so the call was not repeated" in error.message
    assert len(server.requests) == 1


def test_a_request_hook_that_raises_means_not_sent(driver: Driver, server: Server) -> None:
    hooks = {"request": [driver.hook(raising)]}
    with driver.client(server, event_hooks=hooks) as client:
        error = client.fails(HookError)
    assert (error.maybe_applied, error.attempts, server.requests) == (False, 1, [])
    assert "OddError" in error.message


def test_a_request_hook_that_raises_later_keeps_what_is_known(driver: Driver, server: Server) -> None:
    calls: list[int] = []

    def second(_: httpx.Request) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OddError

    server.script(drop_read)
    with driver.client(server, event_hooks={"request": [driver.hook(second)]}) as client:
        error = client.fails(HookError)
    assert (error.maybe_applied, error.attempts) == (True, 2)


def test_a_response_hook_that_raises_on_a_success_says_that_it_was_one(driver: Driver, server: Server) -> None:
    with driver.client(server, event_hooks={"response": [driver.hook(raising)]}) as client:
        error = client.fails(HookError)
    assert (error.maybe_applied, error.status, error.attempts) == (True, 200, 1)
    assert "after the answer 200 OK" in error.message


def test_a_response_hook_that_raises_on_an_error_leaves_that_error(driver: Driver, server: Server) -> None:
    """As `response.raise_for_status` does, which many hooks call."""
    server.script(answer(404))

    def raise_for_status(response: httpx.Response) -> None:
        response.raise_for_status()

    with driver.client(server, event_hooks={"response": [driver.hook(raise_for_status)]}) as client:
        error = client.fails(NotFoundError)
        assert (error.maybe_applied, error.status) == (False, 404)
        server.script(answer(503))
        failed = client.fails(ServerError)
    assert (failed.maybe_applied, failed.attempts) == (True, 1)
    assert "an event hook raised HTTPStatusError, so the call was not repeated" in failed.message


@pytest.mark.parametrize("answered", [200, 404, 503])
def test_a_hook_that_raises_an_error_of_this_package_hides_nothing(
    driver: Driver, server: Server, answered: int
) -> None:
    """As one does that makes a call of its own."""
    server.script(answer(answered))

    def misled(*_: Any) -> None:
        raise ConfigurationError("of another client", attempts=1)

    kinds = {200: HookError, 404: NotFoundError, 503: ServerError}
    for hooks in ({"event_hooks": {"response": [misled]}}, {"on_retry": misled}):
        if answered == 503 or "event_hooks" in hooks:
            with driver.client(server, **hooks) as client:
                error = client.fails(kinds[answered])
            assert (error.maybe_applied, error.attempts, error.status) == (answered != 404, 1, answered)
            assert "ConfigurationError" in error.message


@pytest.mark.parametrize(("hook", "maybe_applied"), [("request", False), ("response", True), ("on_retry", True)])
def test_a_hook_that_the_synchronous_client_cannot_await(server: Server, hook: str, *, maybe_applied: bool) -> None:
    async def waiting(*_: Any) -> None:
        await asyncio.sleep(0)

    server.script(answer(503 if hook == "on_retry" else 200))
    hooks: dict[str, Any] = {"on_retry": waiting} if hook == "on_retry" else {"event_hooks": {hook: [waiting]}}
    with Driver("sync").client(server, **hooks) as client:
        error = client.fails(ConfigurationError)
    assert "takes AsyncSmarterProctoring" in error.message
    assert error.message.count("The change") == 1
    assert (error.maybe_applied, error.attempts, len(server.requests)) == (maybe_applied, 1, int(maybe_applied))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("event_hooks", 3),
        ("event_hooks", {"requests": []}),
        ("event_hooks", {"response": 3}),
        ("event_hooks", {"response": [3]}),
        ("event_hooks", {"request": None}),
        ("event_hooks", ["request"]),
        ("on_retry", 3),
        ("headers", [("a", "b")]),
    ],
)
def test_what_is_no_hook_is_refused_before_anything_is_sent(driver: Driver, setting: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        driver.type(TOKEN, **{setting: value})
    assert [problem.field for problem in caught.value.problems] == [setting]


def test_hooks_from_a_generator_are_called_for_every_attempt(driver: Driver, server: Server) -> None:
    seen: list[int] = []

    def note(response: httpx.Response) -> None:
        seen.append(response.status_code)

    server.script(answer(503), answer())
    with driver.client(server, event_hooks={"response": (hook for hook in [driver.hook(note)])}) as client:
        assert client.reschedule().attempts == 2
    assert seen == [503, 200]


# -- Ctrl-C and cancellation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "maybe_applied"), [(answer(429), False), (answer(500), True)], ids=["429", "500"])
def test_ctrl_c_while_waiting_tells_attempts_and_outcome(
    server: Server, monkeypatch: pytest.MonkeyPatch, step: Any, *, maybe_applied: bool
) -> None:
    def interrupting(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sender, "sleep", interrupting)
    server.script(step)
    with SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES) as client:
        with pytest.raises(KeyboardInterrupt) as caught:
            client.reschedule(AI, EX, ES, notes="x")
    known = what_is_known(caught.value)
    assert isinstance(known, InterruptedCallError)
    assert (known.attempts, known.maybe_applied) == (1, maybe_applied)
    assert ("may have been applied" in known.message) is maybe_applied
    assert known.message in "".join(traceback.format_exception(caught.value))


def test_ctrl_c_before_anything_is_sent(server: Server) -> None:
    def source() -> str:
        raise KeyboardInterrupt

    with SmarterProctoring(source, base_url=server.url, verify=CERTIFICATES) as client:
        with pytest.raises(KeyboardInterrupt) as caught:
            client.reschedule(AI, EX, ES, notes="x")
    known = what_is_known(caught.value)
    assert known is not None
    assert (known.attempts, known.maybe_applied) == (0, False)


@pytest.mark.parametrize("fast", [False, True])
def test_a_cancellation_while_the_answer_is_awaited(server: Server, *, fast: bool) -> None:
    async def main() -> None:
        async with AsyncSmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, fast=fast) as client:
            task = asyncio.create_task(client.reschedule(AI, EX, ES, notes="x"))
            while not server.requests:
                await asyncio.sleep(0.002)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            known = what_is_known(caught.value)
            assert known is not None
            assert (known.attempts, known.maybe_applied) == (1, True)

    server.script(never)
    asyncio.run(main())


def test_nothing_is_known_of_what_was_no_call() -> None:
    assert what_is_known(KeyboardInterrupt()) is None


# -- reschedule_many ---------------------------------------------------------------------------------------------------


def items(number: int) -> list[Any]:
    return [{"install_sid": AI, "exam_sid": EX, "session_sid": ES, "notes": f"n{index}"} for index in range(number)]


def check_outcomes(interrupt: BaseException, server: Server, number: int) -> None:
    known = what_is_known(interrupt)
    assert known is not None
    assert len(known.outcomes) == number
    begun = {
        f"n{index}"
        for index, outcome in enumerate(known.outcomes)
        if isinstance(outcome, Result) or outcome.maybe_applied
    }
    assert len(begun) < number
    # What was written arrives, if late.
    assert {request.json()["notes"] for request in server.arrived(len(begun))} == begun
    assert known.maybe_applied


def test_ctrl_c_in_many_stops_at_once_and_keeps_the_outcomes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes to the thread that waits for the workers."""
    monkeypatch.setattr(many, "_GRACE", 0.05)
    begun = threading.Event()
    released = threading.Event()

    def slow(peer: Peer) -> None:
        note = peer.read().json()["notes"]
        if note not in ("n0", "n1"):
            begun.set()
            released.wait(60)
        peer.send(response(200))

    original = threading.Thread.join

    def interrupting(self: threading.Thread, timeout: float | None = None) -> None:
        if timeout == 0.5:
            begun.wait(60)
            raise KeyboardInterrupt
        original(self, timeout)

    server.script(slow)
    client = SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES)
    monkeypatch.setattr(threading.Thread, "join", interrupting)
    with pytest.raises(KeyboardInterrupt) as caught:
        client.reschedule_many(items(200), concurrency=4)
    monkeypatch.undo()
    check_outcomes(caught.value, server, 200)
    arrived = len(server.requests)
    assert arrived <= 2 + 4
    released.set()
    time.sleep(0.5)
    assert len(server.requests) == arrived, "nothing more is sent"
    client.close()


def test_a_cancellation_of_many_keeps_the_outcomes(server: Server) -> None:
    async def main() -> None:
        async with AsyncSmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES) as client:
            task = asyncio.create_task(client.reschedule_many(items(200), concurrency=4))
            while len(server.requests) < 6:
                await asyncio.sleep(0.002)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            check_outcomes(caught.value, server, 200)

    server.script(answer(), answer(), never)
    asyncio.run(main())


def test_a_bad_item_is_named_by_its_index(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        call = client.raw.reschedule_many
        for bad, said in (
            ([*items(2), {**items(1)[0], "notse": "x"}], r"items\[2\]: unknown field notse"),  # codespell:ignore notse
            ([*items(1), {"install_sid": AI}], r"items\[1\]: .*exam_sid"),
            ([*items(3), None], r"items\[3\] must be a mapping of keyword arguments, not NoneType"),
            ([["a"]], r"items\[0\] must be a mapping"),
        ):
            with pytest.raises(TypeError, match=said):
                client.run(call, bad)
        with pytest.raises(ConfigurationError) as caught:
            client.run(call, items(1), concurrency=0, rate=0)
        assert [problem.field for problem in caught.value.problems] == ["concurrency", "rate"]
    assert server.requests == []


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("fast", [False, True])
def test_a_hook_that_reads_a_body_which_breaks_off_gets_the_error_of_httpx(
    server: Server, *, fast: bool, asynchronous: bool
) -> None:
    raised: list[Exception] = []

    def read(response: httpx.Response) -> None:
        try:
            response.read()
        except Exception as error:
            raised.append(error)

    async def aread(response: httpx.Response) -> None:
        try:
            await response.aread()
        except Exception as error:
            raised.append(error)

    async def call() -> Result[Any]:
        hooks = {"response": [aread]}
        async with AsyncSmarterProctoring(TOKEN, base_url=server.url, fast=fast, event_hooks=hooks) as client:
            return await client.reschedule(AI, EX, ES, notes="moved")

    server.script(truncated())
    if asynchronous:
        result = asyncio.run(call())
    else:
        with SmarterProctoring(TOKEN, base_url=server.url, fast=fast, event_hooks={"response": [read]}) as client:
            result = client.reschedule(AI, EX, ES, notes="moved")
    assert [type(error) for error in raised] == [httpx.RemoteProtocolError]
    assert result.incomplete
