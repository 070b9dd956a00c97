"""The retry budget: in an outage, a client with many threads does not multiply the load."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from smarterproctoring import APITimeoutError, ServerError
from smarterproctoring.budget import RETRY, SIZE, TIMED_OUT_RETRY, RetryBudget
from wire.driver import Driver
from wire.limits import read_limit
from wire.misbehave import Server, answer, never


def left(budget: RetryBudget) -> int:
    taken = 0
    while budget.take(1):
        taken += 1
    budget.give(taken)
    return taken


def test_an_outage_ends_the_retries_and_the_error_says_so(driver: Driver, server: Server) -> None:
    server.script(answer(503))
    calls = 70
    with driver.client(server) as client:
        errors = [client.fails(ServerError) for _ in range(calls)]
        view = client.view(retries=3).fails(ServerError)
    assert len(server.requests) == calls + 1 + SIZE // RETRY
    assert [error.attempts for error in errors] == [3] * 50 + [1] * 20
    assert not any(error.retry_budget_spent for error in errors[:50])
    for error in [*errors[50:], view]:
        assert error.retry_budget_spent
        assert (error.attempts, error.maybe_applied) == (1, True)
        assert "retry budget" in error.message


def test_successes_fill_it_again(driver: Driver, server: Server) -> None:
    server.script(answer(503), answer(503), answer(503), answer(503), answer(200))
    with driver.client(server) as client:
        budget: RetryBudget = client.raw.generated.sender.budget
        client.fails(ServerError)
        assert left(budget) == SIZE - 2 * RETRY
        assert client.reschedule().attempts == 2
        assert left(budget) == SIZE - 2 * RETRY, "what the retry cost came back"
        for number in range(2 * RETRY + 3):
            client.reschedule()
            assert left(budget) == min(SIZE, SIZE - 2 * RETRY + number + 1)


def test_a_time_limit_costs_more(driver: Driver, server: Server) -> None:
    server.script(never)
    with driver.client(server, timeout=read_limit(0.05), retries=1) as client:
        client.fails(APITimeoutError)
        assert left(client.raw.generated.sender.budget) == SIZE - TIMED_OUT_RETRY


def test_it_is_safe_over_threads() -> None:
    budget = RetryBudget()
    taken: list[int] = []

    def take(*_: Any) -> None:
        taken.extend(1 for _ in range(200) if budget.take(RETRY))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == SIZE // RETRY
    assert not budget.take(1)


def test_a_forked_child_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    budget = RetryBudget()
    assert budget.take(SIZE)
    budget._lock.acquire()  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert budget.take(SIZE)
