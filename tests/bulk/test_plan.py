"""A plan sends each session once, and none that the list contradicts itself about."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smarterproctoring_bulk.plan import Counts, Duplicate, Plan, fingerprint, plan
from smarterproctoring_bulk.rows import InputError, InputOptions

AI, EX, OTHER = f"AI{'1f' * 16}", f"EX{'2e' * 16}", f"EX{'2d' * 16}"
HEADER = "installSid,examSid,sessionSid,start,notes"
NOW = dt.datetime(2029, 6, 1, tzinfo=dt.UTC)
START, LATER = "2030-05-04T13:00:00.000Z", "2030-05-05T13:00:00.000Z"

Make = Callable[..., Plan]


def es(number: int) -> str:
    return f"ES{number:032x}"


def line(number: int, start: str = START, notes: str = "", exam: str = EX) -> str:
    return f"{AI},{exam},{es(number)},{start},{notes}"


@pytest.fixture(name="make")
def a_plan(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:

        def make(*lines: str, **options: Any) -> Plan:
            (tmp_path / "list.csv").write_text("\n".join([HEADER, *lines, ""]))
            return stack.enter_context(plan(tmp_path / "list.csv", InputOptions(**options), now=NOW))

        yield make


def sent(planned: Plan) -> list[int]:
    return [row.line for row in planned.rows()]


def test_rows_come_in_the_lists_order_and_again_the_same(make: Make) -> None:
    planned = make(*(line(number) for number in (5, 3, 9, 1)))
    assert planned.counts == Counts(rows=4, sendable=4, duplicate=0, conflict=0, invalid=0)
    assert sent(planned) == [2, 3, 4, 5]
    assert list(planned.rows()) == list(planned.rows())
    assert planned.columns["start"] == "appointmentStartDateTime"
    assert (planned.earliest, planned.latest) == (START, START)


def test_a_row_that_repeats_another_is_sent_once(make: Make) -> None:
    # The same moment in other words is the same.
    planned = make(line(1), line(2, LATER), line(1, "2030-05-04 09:00-04:00"), line(1))
    assert planned.counts == Counts(4, 2, 2, 0, 0)
    assert list(planned.duplicates()) == [Duplicate(4, 2), Duplicate(5, 2)]
    assert sent(planned) == [2, 3]
    assert list(planned.problems()) == []
    assert (planned.earliest, planned.latest) == (START, LATER)


@pytest.mark.parametrize(
    "other", [line(1, LATER), line(1, notes="x"), line(1, exam=OTHER)], ids=["time", "field", "another exam"]
)
def test_rows_that_contradict_each_other_are_not_sent_at_all(make: Make, other: str) -> None:
    planned = make(line(1), line(2), line(1), other)
    assert planned.counts == Counts(4, 1, 0, 3, 0)
    assert sent(planned) == [3]
    assert list(planned.duplicates()) == []
    assert [(problem.line, problem.session) for problem in planned.problems()] == [(n, es(1)) for n in (2, 4, 5)]
    assert [(outcome.line, outcome.state, outcome.sids[2]) for outcome in planned.not_sent()] == [
        (n, "conflict", es(1)) for n in (2, 4, 5)
    ]
    assert [problem.fix.partition(" names")[0] for problem in planned.problems()] == ["line 5", "line 5", "line 2"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_session_with_a_right_and_a_wrong_row_is_not_sent(make: Make, order: int) -> None:
    planned = make(*[line(1), line(2), line(1, "soon")][::order])
    assert planned.counts == Counts(3, 1, 0, 1, 1)
    assert sent(planned) == [3]
    assert sorted(outcome.state for outcome in planned.not_sent()) == ["conflict", "invalid"]


def test_invalid_rows_are_told_with_all_their_problems_and_no_value(make: Make) -> None:
    planned = make(line(1, "next Tuesday", notes="#REF!"), line(2), f"{AI},{EX},nobody,{START},")
    assert planned.counts == Counts(3, 1, 0, 0, 2)
    first, second = planned.not_sent()
    assert (first.line, first.state, first.sids) == (2, "invalid", ("", "", es(1)))
    assert "start: " in (first.message or "")
    assert "; notes: " in (first.message or "") or "notes: " in (first.message or "").split("; ")[0]
    assert (second.line, second.sids) == (4, ("", "", ""))
    assert not {"Tuesday", "nobody"} & set(f"{first} {second} {list(planned.problems())}".replace("'", " ").split())
    assert sent(planned) == [3]


def test_the_fingerprint_is_of_the_bytes_and_of_the_options(make: Make) -> None:
    same = {make(line(1)).fingerprint, make(line(1)).fingerprint}
    others = {make(line(2)).fingerprint, make(line(1), shift="+1h").fingerprint, make(line(1), "").fingerprint}
    assert len(same) == 1
    assert len(same | others) == 4
    assert all(len(fingerprint) == 32 for fingerprint in same | others)


def test_a_list_that_changes_after_it_was_planned_is_refused(make: Make, tmp_path: Path) -> None:
    planned = make(line(1), line(2))
    rows = planned.rows()
    next(rows)
    (tmp_path / "list.csv").write_text("\n".join([HEADER, line(1), line(3), ""]))
    for reading in (rows, planned.rows()):
        with pytest.raises(InputError, match=r"list\.csv was changed while it was read"):
            list(reading)
    (tmp_path / "list.csv").unlink()
    with pytest.raises(InputError, match="was changed"):
        list(planned.rows())


def test_a_list_that_cannot_be_used_leaves_nothing_open(make: Make) -> None:
    with pytest.raises(InputError, match="not closed"):
        make(line(1), line(2, notes='"open'))


def test_the_hook_hears_how_far_the_reading_is(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("\n".join([HEADER, *(line(number) for number in range(2500))]))
    heard: list[int] = []
    with plan(tmp_path / "list.csv", InputOptions(), heard.append, NOW) as planned:
        assert planned.counts.rows == 2500
    assert heard == [1000, 2000]


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([START, LATER, "2030-05-04 09:00-04:00", "soon"])), max_size=12
    )
)
@settings(max_examples=100, deadline=None)
def test_every_row_is_counted_once_and_every_session_sent_at_most_once(
    rows: list[tuple[int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("\n".join([HEADER, *(line(number, start) for number, start in rows), ""]))
    with plan(path, InputOptions(), now=NOW) as planned:
        sendable = {row.line: row.sids[2] for row in planned.rows()}
        duplicates, not_sent = list(planned.duplicates()), list(planned.not_sent())
        counts = planned.counts
    lines = [*sendable, *(duplicate.line for duplicate in duplicates), *(outcome.line for outcome in not_sent)]
    assert sorted(lines) == [number + 2 for number in range(len(rows))]
    assert counts[1:] == (
        len(sendable), len(duplicates), *(sum(o.state == state for o in not_sent) for state in ("conflict", "invalid"))
    )  # fmt: skip
    said: dict[str, set[str]] = {}
    for number, start in rows:
        said.setdefault(es(number), set()).add("09:00" if start.endswith("-04:00") or start == START else start)
    assert sorted(sendable.values()) == sorted(
        sid for sid, words in said.items() if len(words) == 1 and "soon" not in words
    )
    assert all(duplicate.first in sendable for duplicate in duplicates)


MEMORY = """
import datetime, re, sys
from smarterproctoring_bulk.plan import plan
from smarterproctoring_bulk.rows import InputOptions
peaks = []
for path in sys.argv[1:]:
    with plan(path, InputOptions(), now=datetime.datetime(2029, 6, 1, tzinfo=datetime.UTC)) as planned:
        assert sum(1 for _ in planned.rows()) == planned.counts.sendable, planned.counts
    # Not getrusage(): its peak begins with that of the process that started this one.
    peaks.append(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
print(*peaks)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    paths = [tmp_path / "small.csv", tmp_path / "large.csv"]
    for path, count in zip(paths, (2_000, 40_000), strict=True):
        with path.open("w") as stream:
            stream.write(f"{HEADER}\n")
            stream.writelines(f"{line(number * 7919 % count, notes=f'{number} ' * 20)}\n" for number in range(count))
    ran = subprocess.run([sys.executable, "-c", MEMORY, *paths], capture_output=True, text=True, check=True)
    small, large = map(int, ran.stdout.split())
    # 40,000 rows are 6 MB of text; as Python objects they would be some 40 MB.
    assert large - small < 15 * 1024, (small, large)


def test_a_list_that_is_continued_is_checked_against_the_time_of_its_beginning(tmp_path: Path) -> None:
    path, options = tmp_path / "list.csv", InputOptions()
    path.write_text("\n".join([HEADER, line(1), line(2, LATER)]))
    with plan(path, options, now=dt.datetime(2030, 5, 5, tzinfo=dt.UTC)) as late:
        assert (late.counts.sendable, late.counts.invalid) == (1, 1)
        assert [problem.line for problem in late.problems()] == [2]
        assert sent(late) == [3]
    with plan(path, options, now=NOW) as again:
        assert sent(again) == [2, 3]
        assert again.fingerprint == late.fingerprint == fingerprint(path, options)
