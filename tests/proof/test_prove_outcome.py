"""The proof that no call says anything false: that it sees what is unsound, and that a small sample of it is sound."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import prove_outcome
import pytest
from prove_outcome import ANSWERS, BEGIN, DOCUMENT, END, Bench, Cut, Point, Runner, Seen, Setup, column, sample, table
from smarterproctoring import policy

pytestmark = [pytest.mark.tooling, pytest.mark.slow]
PLAIN = Setup(asynchronous=False, fast=False, wire="plain", retries=0)
MOVED = ANSWERS[0]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with prove_outcome.running() as bench:
        yield bench


@pytest.fixture
def runner(bench: Bench) -> Iterator[Runner]:
    with prove_outcome.short_waits(), asyncio.Runner() as loop:
        yield Runner(bench, loop)


def whole(name: str, setup: Setup = PLAIN) -> Point:
    (answer,) = [answer for answer in ANSWERS if answer.name == name]
    return Point(setup, answer, None, once=False)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "asyncio"])
@pytest.mark.parametrize("fast", [False, True], ids=["h11", "httptools"])
@pytest.mark.parametrize("wire", prove_outcome.WIRES)
def test_every_way_of_calling_reaches_the_service(
    runner: Runner, asynchronous: bool, fast: bool, wire: prove_outcome.Wire
) -> None:
    setup = Setup(asynchronous, fast, wire, 0)
    assert runner.run(whole(MOVED.name, setup)) == Seen(True, None, 1, "")
    sizes = runner.sizes(setup, MOVED)
    end_of_tls = 0 if wire == "plain" else 32  # what a client says as it closes, after its request
    last = runner.run(Point(setup, MOVED, Cut("request", sizes["request"] - 1 - end_of_tls, "FIN"), once=False))
    assert (last.returned, last.applied) == (False, 0), "the last byte of the request is missing"
    first = runner.run(Point(setup, MOVED, Cut("request", 0, "RST"), once=False))
    assert (first.returned, first.applied) == (False, 0)


def test_an_attempt_after_the_first_is_left_alone(runner: Runner) -> None:
    setup = PLAIN._replace(retries=2)
    seen = runner.run(Point(setup, MOVED, Cut("answer", 0, "RST"), once=True))
    assert (seen.returned, seen.applied) == (True, 2)
    assert runner.run(Point(setup, MOVED, Cut("answer", 0, "RST"), once=False)).applied == 3


def test_what_is_unsound_is_seen(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule for a status, the run that needs it is unsound."""
    point = whole("502 after the change")
    assert column(runner.run(point)) == "error, may be applied: applied"
    monkeypatch.setattr(policy.AttemptOutcome, "maybe_applied", False)
    assert runner.run(point).unsound


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Seen(True, None, 1, ""), "returned, applied"),
        (Seen(True, None, 0, ""), "unsound"),
        (Seen(False, False, 1, ""), "unsound"),
        (Seen(False, False, 0, ""), "error, not applied"),
        (Seen(False, True, 0, ""), "error, may be applied: not applied"),
        (Seen(False, True, 2, ""), "error, may be applied: applied"),
    ],
)
def test_each_run_is_counted_once(seen: Seen, expected: str) -> None:
    assert column(seen) == expected
    assert table([(whole(MOVED.name), seen)]).count("| 1 | ") >= 3


def test_a_sample_has_every_whole_answer_and_an_even_spread_of_cuts() -> None:
    cuts = [Point(PLAIN, MOVED, Cut("request", at, "FIN"), once=False) for at in range(1000)]
    wholes = [Point(PLAIN, answer, None, once=False) for answer in ANSWERS]
    chosen = sample([*cuts, *wholes], 100 + len(wholes), seed=3)
    offsets = [point.cut.at for point in chosen if point.cut]
    assert [point for point in chosen if point.cut is None] == wholes
    assert len(offsets) == 100
    assert {after - before for before, after in itertools.pairwise(offsets)} == {10}
    assert sample(cuts, 5000, seed=1) == cuts


def test_a_small_sample_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert prove_outcome.main(["--runs", "300", "--seed", "7"]) == 0
    assert "0 unsound" in capsys.readouterr().out


def test_the_document_shows_a_whole_proof() -> None:
    shown = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    (total,) = [line for line in shown.splitlines() if line.startswith("| **all** |")]
    counts = [int(cell.strip().replace(",", "")) for cell in total.split("|")[2:-1]]
    assert counts[0] >= 20_000
    assert counts[0] == sum(counts[1:])
    assert counts[-1] == 0
