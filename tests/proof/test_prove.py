"""The proof itself: every seeded fault can still be put in, and a fault that no test catches is told."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from functools import cache, partial
from pathlib import Path

import prove
import pytest
from prove import BEGIN, DOCUMENT, END, copy_tree, try_fault
from seeded_faults import ROOT, Fault, ProofError, read_faults

pytestmark = pytest.mark.tooling

FAULTS = read_faults()
NARROW = ("tests/wire/test_sids.py::test_the_patterns_are_the_specs",)
VALUES = "overrides/smarterproctoring/json_values.py"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_tree(tmp_path_factory.mktemp("tree"))


def test_each_seeded_fault_can_be_put_in() -> None:
    read = cache(partial(Path.read_text, encoding="utf-8"))
    problems: list[str] = []
    for fault in FAULTS:
        try:
            assert fault.place(ROOT).line > 0
        except ProofError as error:
            problems.append(f"{fault.side}: {fault.name}: {error}")
        if fault.old == fault.new:
            problems.append(f"{fault.side}: {fault.name}: changes nothing")
        for test in fault.tests:
            file, _, function = test.partition("::")
            if function and not re.search(rf"(?m)^(async )?def {function}\(", read(ROOT / file)):
                problems.append(f"{fault.side}: {fault.name}: there is no {test}")
    assert problems == []


def test_there_are_enough_on_both_sides() -> None:
    counted = Counter(fault.side for fault in FAULTS)
    assert counted["client"] >= 22
    assert counted["mock"] >= 20


def test_the_document_shows_the_faults_that_there_are() -> None:
    shown = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    names = re.findall(r"(?m)^\| (?!fault \|)(.+?) \| `", shown)
    assert names == [fault.name for fault in FAULTS], "run: make prove ARGS=--write"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("has a key that is not a str", "has a key of another type", "SURVIVED"),  # these tests do not look at it
        ("def matches(", "def matches(]", "no verdict"),  # no fault of behaviour: nothing can be imported
        ("no such text", "", "is 0 times in"),
        ("return ", "return", "times in json_values.py, not once"),
    ],
)
def test_a_fault_that_proves_nothing_is_told(tree: Path, old: str, new: str, said: str) -> None:
    before = (tree / VALUES).read_bytes()
    outcome = try_fault(Fault("client", "a name", old, new, NARROW, file="json_values.py"), tree)
    assert said in outcome.problem
    assert outcome.test == ""
    assert (tree / VALUES).read_bytes() == before


def test_a_fault_that_is_caught_names_the_test_and_is_taken_out_again(tree: Path) -> None:
    before = (tree / VALUES).read_bytes()
    old = "return matcher(pattern)(value) is not None"
    tests = ("tests/generation/test_rules.py::test_patterns_mean_what_the_spec_means",)
    outcome = try_fault(Fault("client", "a name", old, "return True", tests, function="matches"), tree)
    assert (outcome.problem, outcome.test) == ("", tests[0])
    assert (tree / VALUES).read_bytes() == before


def test_tests_that_fail_without_a_fault_prove_nothing(tree: Path) -> None:
    fault = Fault("client", "a name", "x", "y", ("tests/wire/test_sids.py::test_nothing",))
    with pytest.raises(ProofError, match="fail without any fault"):
        prove.control([tree], [fault])


def test_a_survivor_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fault = Fault("client", "a harmless one", "has a key that is not a str", "has a key of another type", NARROW)
    monkeypatch.setattr(prove, "read_faults", lambda: [fault])
    monkeypatch.setattr(sys, "argv", ["prove.py"])
    changes = ["git", "-C", str(ROOT), "status", "--porcelain"]
    before = subprocess.run(changes, capture_output=True, check=True).stdout
    assert prove.main() == 1
    told = capsys.readouterr()
    assert "0 of 1 seeded faults caught" in told.out
    assert "client: a harmless one" in told.err
    assert subprocess.run(changes, capture_output=True, check=True).stdout == before


SOURCE = """\
LIMIT = 3


class Queue:
    def take(self, wait):
        if wait > 3:
            raise ValueError
        return self.items[0]


def take(wait):
    if wait > 3:
        raise ValueError
    return wait
"""


@pytest.mark.parametrize(
    ("function", "file", "old", "line"),
    [
        ("Queue.take", "", "wait > 3", 6),
        ("Queue", "", "raise ValueError", 7),
        ("Queue.put", "", "return self.items[0]", 8),  # it had that name: the text is nowhere else
        ("", "queue.py", "return wait", 14),
        ("Queue.take", "list.py", "return self.items[0]", 8),  # the file had that name
        ("", "", "LIMIT = 3", 1),
    ],
)
def test_a_fault_is_found_wherever_its_code_is(tmp_path: Path, function: str, file: str, old: str, line: int) -> None:
    module = tmp_path / "bulk" / "package" / "queue.py"
    module.parent.mkdir(parents=True)
    module.write_text(SOURCE)
    place = Fault("client", "a name", old, "", (), function, file).place(tmp_path)
    assert (place.file, place.line) == ("bulk/package/queue.py", line)
    assert SOURCE[place.offset :].startswith(old)


@pytest.mark.parametrize(
    ("function", "old", "said"),
    [
        ("take", "wait > 3", "is 2 times in take, not once"),
        ("Queue.put", "wait > 3", "is 0 times in Queue.put, not once; it is 2 times elsewhere: mock/queue.py"),
        ("", "raise", "is 2 times in the packages, not once"),
        ("take", "nothing", "is 0 times in take, not once"),
    ],
)
def test_a_fault_that_is_not_found_says_where_its_text_is(tmp_path: Path, function: str, old: str, said: str) -> None:
    (tmp_path / "mock").mkdir()
    (tmp_path / "mock" / "queue.py").write_text(SOURCE)
    with pytest.raises(ProofError) as refused:
        Fault("mock", "a name", old, "", (), function).place(tmp_path)
    assert str(refused.value) == f"a name: the text to replace {said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[mock]]\nname = "a"\nfile = "f"\nold = "o"\nnew = "n"\n', "a: needs name, old, new and tests"),
        ('[[mock]]\nfile = "f"\n', "a fault without a name"),
        ('[[mock]]\nname = "a"\nfile = "f"\nold = "o"\nnew = "n"\ntests = ["t"]\n' * 2, "a: the name is there twice"),
    ],
)
def test_a_list_that_is_not_right_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(ProofError, match=said):
        read_faults(path)
