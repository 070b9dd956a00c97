"""Many calls in memory: every item has an outcome in its place, and no item raises."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from smarterproctoring import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    Result,
    ServerError,
    ValidationError,
)
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.records import Hidden
from wire.driver import AI, ES, EX, Driver
from wire.misbehave import Peer, Server, answer, response


def items(*notes: str) -> list[dict[str, Any]]:
    return [{"install_sid": AI, "exam_sid": EX, "session_sid": ES, "notes": note} for note in notes]


def test_outcomes_are_in_the_order_of_the_items(any_driver: Driver, server: Server) -> None:
    statuses = {"gone": 404, "broken": 500, "n3": 200}
    overtaken = threading.Event()

    def by_note(peer: Peer) -> None:
        note = peer.read().json()["notes"]
        if note == "n0":
            overtaken.wait(60)
        else:
            overtaken.set()
        peer.send(response(statuses.get(note, 200), b'"' + note.encode() + b'"'))

    server.script(by_note)
    notes = ["n0", "gone", "n1", "broken", *[f"n{number}" for number in range(2, 40)]]
    with any_driver.client(server, retries=0) as client:
        outcomes = client.run(client.raw.reschedule_many, items(*notes), concurrency=8)
    assert [type(outcome) for outcome in outcomes] == [
        NotFoundError if note == "gone" else ServerError if note == "broken" else Result for note in notes
    ]
    assert [one.data for one in outcomes if isinstance(one, Result)] == [n for n in notes if n.startswith("n")]
    assert outcomes[3].maybe_applied
    assert 2 <= server.connections <= 8


def test_what_cannot_be_sent_is_known_before_anything_is(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        wrong = [*items("a"), {**items("b")[0], "exam_sid": AI}, *items("c")]
        outcomes = client.run(client.raw.reschedule_many, wrong)
        assert [type(outcome) for outcome in outcomes] == [Result, ValidationError, Result]
        server.requests.clear()
        misspelt = {**items("b")[0], "notse": "x"}  # codespell:ignore notse
        with pytest.raises(TypeError, match="notse"):  # codespell:ignore notse
            client.run(client.raw.reschedule_many, [*items("a"), misspelt])
        with pytest.raises(TypeError, match="session_sid"):
            client.run(client.raw.reschedule_many, [{"install_sid": AI, "exam_sid": EX, "notes": "x"}])
        assert client.run(client.raw.reschedule_many, []) == []
    assert server.requests == []


NOT_NUMBERS: list[Any] = [0, -1, True, "4", b"4", [4], {}, object(), float("nan")]


def test_a_wrong_concurrency_or_rate_is_a_problem_by_its_name(driver: Driver, server: Server) -> None:
    wrong = {"concurrency": [*NOT_NUMBERS, None, 1.5, 4.0, float("inf")], "rate": [*NOT_NUMBERS, -1.0, 1e-320]}
    with driver.client(server) as client:
        for name, values in wrong.items():
            for value in values:
                with pytest.raises(ConfigurationError) as caught:
                    client.run(client.raw.reschedule_many, items("a"), **{name: value})
                assert [problem.field for problem in caught.value.problems] == [name]
    assert server.requests == []


def test_a_refused_token_stops_the_rest(any_driver: Driver, server: Server) -> None:
    server.script(answer(), answer(401))
    with any_driver.client(server) as client:
        outcomes = client.run(client.raw.reschedule_many, items(*"abcdef"), concurrency=1)
    assert [type(outcome) for outcome in outcomes] == [Result, AuthenticationError, *[ConfigurationError] * 4]
    assert "not sent" in str(outcomes[-1])
    assert not outcomes[-1].maybe_applied
    assert len(server.requests) == 2


def test_the_rate_is_kept_over_all_workers(driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call waits for its turn: the turns are looked at, not the clock of this machine."""
    from smarterproctoring import many
    from smarterproctoring._sync.many import work as worker

    waits: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: 5000.0)
    work = many.Many(RESCHEDULE_EXAM_SESSION, Hidden(items(*"abcdefghij")), lambda **_: None, 4, 10.0)

    def done(**_: Any) -> Any:
        return "done"

    worker(work, done, waits.append)
    monkeypatch.undo()
    assert [str(outcome) for outcome in work.outcomes] == ["done"] * 10
    assert waits == pytest.approx([number / 10 for number in range(1, 10)])  # nobody really waits here
    with driver.client(server) as client:
        assert len(client.run(client.raw.reschedule_many, items(*"abc"), rate=500.0)) == 3
