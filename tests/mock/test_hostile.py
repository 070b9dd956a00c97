"""A smaller version of `make hostile`: every kind of hostile request against a server of its own."""

import gzip
from dataclasses import replace

import hostile
import pytest
from hostile import KINDS, LIMIT, Kind, Outcome


@pytest.mark.slow
def test_a_server_stands_hostile_requests_of_every_kind() -> None:
    outcome = hostile.run(900)
    assert outcome.wrong == []
    assert outcome.grown <= LIMIT
    assert len(outcome.sent) == len(KINDS), "every kind takes part in the first turn"


def test_large_kinds_take_part_less_often() -> None:
    sent = [kind.name for _, kind in hostile.turns(10 * len(KINDS))]
    assert sent.count("8 MB of lists") == 1
    assert sent.count("a new session") > 8
    assert [number for number, _ in hostile.turns(7)] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("outcome", "good"),
    [
        (Outcome(before=1, after=LIMIT + 1), True),
        (Outcome(before=1, after=LIMIT + 2), False),
        (Outcome(wrong=["a new path: answered with 500"]), False),
    ],
    ids=["within the limit", "too much memory", "a wrong answer"],
)
def test_what_fails_a_run(outcome: Outcome, good: bool) -> None:
    assert outcome.good is good
    assert (f"{(outcome.after - outcome.before) / 2**20:.0f} MB, 200 MB are allowed") in hostile.report(outcome)
    assert all(text in hostile.report(outcome) for text in outcome.wrong)


@pytest.mark.slow
def test_a_wrong_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = next(kind for kind in KINDS if kind.name == "a new session")
    monkeypatch.setattr(hostile, "KINDS", (replace(ordinary, statuses=frozenset({400})),))
    assert hostile.run(3).wrong == ["a new session: answered with 200"] * 3


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(_: int) -> bytes:
        monkeypatch.setattr(hostile, "PATIENCE", 0.5)  # for this request, which is never answered, and no other
        return b"PUT / HTTP/1.1\r\n"

    stuck = Kind("half a request", half, frozenset({400}))
    monkeypatch.setattr(hostile, "KINDS", (stuck,))
    assert hostile.run(1).wrong == ["half a request: no answer within 0.5 s"]


def test_the_kinds_are_what_they_say() -> None:
    made = {kind.name: kind.make(1) for kind in KINDS}
    assert len(made["8 MB of lists"]) > 8_000_000
    assert 59 <= len(made["Content-Type, 60 octets"].split(b"Content-Type: ")[1].split(b"\r\n")[0]) <= 101
    assert len(gzip.decompress(hostile.bomb())) == 2**26
    assert len({kind.name for kind in KINDS}) == len(KINDS)
