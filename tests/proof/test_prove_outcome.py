"""The proof that no call says anything false: that it sees what is unsound, and that a small sample of it is sound."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import datetime

import outcome_reads
import prove_outcome
import pytest
from outcome_reads import ALWAYS_AS_ASKED, ASKED, FORMER, SILENT, WORKS, readings
from prove_outcome import (
    ANSWERS,
    BEGIN,
    DOCUMENT,
    END,
    Bench,
    Cut,
    Point,
    Runner,
    Said,
    Seen,
    Setup,
    column,
    sample,
    table,
)
from smarterproctoring import Check, Difference, policy
from smarterproctoring.call import Call
from smarterproctoring_mock.named_faults import READ_FAULTS

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


def whole(name: str, setup: Setup = PLAIN, reading: str = WORKS) -> Point:
    (answer,) = [answer for answer in ANSWERS if answer.name == name]
    return Point(setup, answer, None, once=False, reading=reading)


def ended(seen: Seen) -> tuple[str, int, int]:
    """In which column a run is counted, how often the change was applied, and how often in vain."""
    return column(seen), seen.applied, seen.replays


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "asyncio"])
@pytest.mark.parametrize("fast", [False, True], ids=["h11", "httptools"])
@pytest.mark.parametrize("wire", prove_outcome.WIRES)
def test_every_way_of_calling_reaches_the_service(
    runner: Runner, asynchronous: bool, fast: bool, wire: prove_outcome.Wire
) -> None:
    setup = Setup(asynchronous, fast, wire, 0)
    assert runner.run(whole(MOVED.name, setup)) == Seen(Said("answer"), 1)
    sizes = runner.sizes(setup, MOVED)
    end_of_tls = 0 if wire == "plain" else 32  # what a client says as it closes, after its request
    last = runner.run(Point(setup, MOVED, Cut("request", sizes["request"] - 1 - end_of_tls, "FIN"), once=False))
    assert (last.said.confirmed_by, last.applied) == (None, 0), "the last byte of the request is missing"
    first = runner.run(Point(setup, MOVED, Cut("request", 0, "RST"), once=False))
    assert (first.said.confirmed_by, first.applied) == (None, 0)
    seen = runner.run(Point(setup, MOVED, Cut("answer", sizes["answer"] - 20, "FIN"), once=True))
    assert ended(seen) in (("returned: answer", 1, 0), ("returned: read back", 1, 0))


def test_an_attempt_after_the_first_is_left_alone(runner: Runner) -> None:
    setup = PLAIN._replace(retries=2)
    cut = Cut("answer", 0, "RST")
    once = runner.run(Point(setup, MOVED, cut, once=True, reading="read-forbidden"))
    assert ended(once) == ("returned: answer", 2, 1)
    each = runner.run(Point(setup, MOVED, cut, once=False))
    assert ended(each) == ("may be applied: applied", 3, 2)
    assert not each.read_works


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "asyncio"])
def test_a_change_whose_answer_is_cut_is_read_back(runner: Runner, asynchronous: bool) -> None:
    setup = PLAIN._replace(asynchronous=asynchronous, retries=2)
    seen = runner.run(Point(setup, MOVED, Cut("answer", 0, "RST"), once=True))
    assert ended(seen) == ("returned: read back", 1, 0)
    assert seen.moments == (prove_outcome.AS_ASKED,)
    assert seen.read_works
    assert not seen.open


EXPECTED = {
    "works": ("returned: read back", 1, 0),
    "lies": ("may be applied: applied", 3, 2),
    "fails": ("may be applied: applied", 3, 2),
}


@pytest.mark.parametrize("name", [WORKS, *[fault.name for fault in READ_FAULTS], ALWAYS_AS_ASKED])
def test_each_way_of_answering_reads(runner: Runner, name: str) -> None:
    reading = outcome_reads.reading(name)
    seen = runner.run(whole("503 after the change", PLAIN._replace(retries=2), reading.name))
    kind = "works" if reading.name == ALWAYS_AS_ASKED else reading.kind
    assert ended(seen) == EXPECTED[kind]
    assert not seen.unsound
    assert seen.said.check is not None
    verdicts = {"works": "as_asked", "lies": "different", "fails": "unknown"}
    assert seen.said.check.verdict == verdicts[kind]


def test_each_of_the_mocks_faults_of_reads_is_one_of_the_ways() -> None:
    names = [reading.name for reading in readings()]
    assert names == [WORKS, *[fault.name for fault in READ_FAULTS], ALWAYS_AS_ASKED, SILENT]
    assert {reading.kind for reading in readings()} == {"works", "lies", "fails"}


def test_a_service_that_lies_as_asked_is_counted_apart(runner: Runner) -> None:
    seen = runner.run(whole("503, not applied", reading=ALWAYS_AS_ASKED))
    assert ended(seen) == ("deceived", 0, 0)
    assert not seen.unsound
    assert seen._replace(read_lies=False).unsound


def test_what_is_unsound_is_seen(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule for a status, the run that needs it is unsound."""
    point = whole("502 after the change", reading="read-forbidden")
    assert column(runner.run(point)) == "may be applied: applied"
    monkeypatch.setattr(policy.AttemptOutcome, "maybe_applied", False)
    assert runner.run(point).unsound


def test_what_is_left_open_is_seen(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without reading back, a call ends without knowing, or repeats in vain what was applied."""
    point = whole("502 after the change")
    again = Point(PLAIN._replace(retries=1), point.answer, None, once=True)
    assert not runner.run(point).open
    assert not runner.run(again).open
    monkeypatch.setattr(Call, "is_unsure", lambda _: False)
    assert runner.run(point).open
    assert runner.run(again).open


SHOWN = prove_outcome.AS_ASKED
OTHER = datetime.fromisoformat(FORMER)


def different(seen: str | None) -> Check:
    return Check("different", (Difference("appointmentStartDateTime", ASKED, seen),))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Seen(Said("answer"), 1), "returned: answer"),
        (Seen(Said("answer"), 0), "unsound"),
        (Seen(Said("read back"), 1, 0, (SHOWN,)), "returned: read back"),
        (Seen(Said("read back"), 1, 0, (OTHER,)), "unsound"),
        (Seen(Said("read back"), 1), "unsound"),
        (Seen(Said("read back"), 0, 0, (SHOWN,)), "unsound"),
        (Seen(Said("read back"), 0, 0, (SHOWN,), read_works=False, read_lies=True), "deceived"),
        (Seen(Said(None, False), 1), "unsound"),
        (Seen(Said(None, False), 0), "not applied"),
        (Seen(Said(None, True), 0), "may be applied: not applied"),
        (Seen(Said(None, True), 2), "may be applied: applied"),
        (Seen(Said(None, True, different(FORMER)), 0, 0, (OTHER,)), "may be applied: not applied, seen"),
        (Seen(Said(None, True, different(FORMER)), 0), "unsound"),
        (Seen(Said(None, True, different(ASKED)), 0, 0, (SHOWN,)), "unsound"),
        (Seen(Said(None, True, different(None)), 0, 0, (OTHER,)), "unsound"),
        (Seen(Said(None, True, Check("as_asked")), 1, 0, (SHOWN,)), "unsound"),
        (Seen(Said(None, True, Check("unknown", reason="404")), 1), "may be applied: applied"),
    ],
)
def test_each_run_is_counted_once(seen: Seen, expected: str) -> None:
    assert column(seen) == expected
    assert table([(whole(MOVED.name), seen)]).count("| 1 | ") >= 3


@pytest.mark.parametrize(
    ("seen", "is_open"),
    [
        (Seen(Said("answer"), 1), False),
        (Seen(Said("answer"), 2, 1), True),
        (Seen(Said(None, True), 1), True),
        (Seen(Said(None, True), 1, read_works=False), False),
        (Seen(Said(None, True, Check("unknown")), 0), True),
        (Seen(Said(None, True, different(FORMER)), 0, 0, (OTHER,)), False),
        (Seen(Said(None, True, different(FORMER)), 1, 0, (OTHER,)), True),
        (Seen(Said(None, False), 0), False),
    ],
)
def test_a_call_that_ends_without_knowing_is_open(seen: Seen, is_open: bool) -> None:
    assert seen.open is is_open
    assert ("| 1 |\n" in table([(whole(MOVED.name), seen)])) is is_open


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
    assert "0 unsound, 0 open" in capsys.readouterr().out


def test_the_document_shows_a_whole_proof() -> None:
    shown = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    (total,) = [line for line in shown.splitlines() if line.startswith("| **all** |")]
    counts = [int(cell.strip().replace(",", "")) for cell in total.split("|")[2:-1]]
    assert counts[0] >= 20_000
    assert counts[0] == sum(counts[1:-1])
    assert counts[-2:] == [0, 0]
