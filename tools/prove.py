"""Prove that the tests bite: put one fault at a time into a copy of the tree, and see a test turn red.

tools/prove.py                    every fault of tools/prove.toml, in two processes
tools/prove.py --only TEXT        only the faults whose names hold this text
tools/prove.py --write            put the table into docs/proof.md too

First all the selected tests run without a fault, and have to pass: red must mean the fault. Then each fault runs
alone. One that no test catches, or that cannot be put in any more, makes the exit code 1. The checkout stays as it is.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import make_sync
import unasync
from packages import FOLDERS

ROOT = Path(__file__).resolve().parent.parent
FAULTS = ROOT / "tools" / "prove.toml"
DOCUMENT = ROOT / "docs" / "proof.md"
BEGIN, END = "<!-- the table of `make prove` begins -->\n", "<!-- the table of `make prove` ends -->\n"
COPIES = {"tools/records.py": "generated/smarterproctoring_generated/records.py"}
"""Files that the generator copies as they stand: a fault has to be in both."""
TOO_LONG = 120
"""Seconds for one fault, where pytest's own limit for a test did not end it."""


class ProofError(Exception):
    """The faults, or the tree without them, are not as they have to be."""


class Fault(NamedTuple):
    """One fault: `old` stands once in `file`, and `new` takes its place; pytest gets `tests` and these variables."""

    side: str
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()

    def line(self, root: Path) -> int:
        """Return the line on which the fault begins.

        Raises:
            ProofError: The text does not stand there exactly once.
        """
        text = (root / self.file).read_text(encoding="utf-8") if (root / self.file).is_file() else ""
        if (count := text.count(self.old)) != 1:
            raise ProofError(f"{self.name}: the text to replace stands {count} times in {self.file}, not once")
        return text[: text.index(self.old)].count("\n") + 1

    @contextmanager
    def inside(self, tree: Path) -> Generator[None]:
        """Put the fault into a tree, into what is derived from its file too, and take it out again."""
        paths = [tree / name for name in (self.file, COPIES.get(self.file)) if name is not None]
        source = Path(self.file)
        has_twin = source.parent.name == make_sync.SOURCE and source.name not in make_sync.BY_HAND
        twins = [tree / make_sync.twin_of(source)] if has_twin else []
        before = {path: path.read_text(encoding="utf-8") for path in [*paths, *twins]}
        try:
            for path in paths:
                path.write_text(before[path].replace(self.old, self.new), encoding="utf-8")
            if has_twin:
                unasync.unasync_files([str(tree / source)], [make_sync.rule()])
            yield
        finally:
            for path, text in before.items():
                path.write_text(text, encoding="utf-8")


class Outcome(NamedTuple):
    """What came of a fault: the test that caught it, or what is wrong."""

    fault: Fault
    where: str
    test: str
    problem: str
    seconds: float


def read_faults(path: Path = FAULTS) -> list[Fault]:
    """Read the faults.

    Raises:
        ProofError: Two have the same name and side, or one lacks something.
    """
    faults: list[Fault] = []
    for side, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for entry in entries:
            name = entry.get("name", "a fault without a name")
            if entry.keys() - {"environment"} != {"name", "file", "old", "new", "tests"} or not entry["tests"]:
                raise ProofError(f"{name}: needs name, file, old, new and tests, and takes environment")
            if any((fault.side, fault.name) == (side, name) for fault in faults):
                raise ProofError(f"{name}: the name stands twice")
            tests, environment = tuple(entry["tests"]), tuple(entry.get("environment", {}).items())
            faults.append(Fault(side, name, entry["file"], entry["old"], entry["new"], tests, environment))
    return faults


def copy_tree(target: Path, root: Path = ROOT) -> Path:
    """Copy what git knows of or would add; return the copy."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target / name)
    return target


def run_tests(
    tree: Path, tests: Iterable[str], *more: str, variables: Iterable[tuple[str, str]] = ()
) -> subprocess.CompletedProcess[str]:
    """Run pytest in a copy, over the packages of that copy."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "PYTHONPATH": os.pathsep.join(str(tree / name) for name in FOLDERS),
        "PYTHONDONTWRITEBYTECODE": "1",  # two faults within a second could share one compiled file
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # half of a short run would be the start of plugins
        **dict(variables),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=no", "-p", "pytest_timeout", "--timeout=30"]
    command += ["-p", "no:cacheprovider", *more, *tests]
    try:
        return subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=TOO_LONG
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"no end within {TOO_LONG} s")


def try_fault(fault: Fault, tree: Path) -> Outcome:
    """Put a fault in, run its tests, and say which of them failed first."""
    started = time.monotonic()
    try:
        where = f"{fault.file}:{fault.line(tree)}"
        with fault.inside(tree):
            run = run_tests(tree, fault.tests, "-x", variables=fault.environment)
    except ProofError as error:
        return Outcome(fault, fault.file, "", str(error), 0.0)
    seconds = time.monotonic() - started
    failed = re.search(r"^FAILED (\S+?)(?:\[| - |$)", run.stdout, re.MULTILINE)
    if run.returncode == 1 and failed is not None:
        return Outcome(fault, where, failed[1], "", seconds)
    if run.returncode == 0:
        return Outcome(fault, where, "", "SURVIVED: no test failed", seconds)
    last = (run.stdout + run.stderr).strip().splitlines()[-4:]
    return Outcome(fault, where, "", f"no verdict (exit code {run.returncode}): {' | '.join(last)}", seconds)


def control(trees: Sequence[Path], faults: Sequence[Fault]) -> float:
    """Run all the selected tests without a fault; return the seconds.

    Raises:
        ProofError: One of them fails.
    """
    started = time.monotonic()
    runs: list[tuple[Path, list[str], tuple[tuple[str, str], ...]]] = []
    for variables in sorted({fault.environment for fault in faults}):
        tests = sorted({test for fault in faults if fault.environment == variables for test in fault.tests})
        runs += [(tree, tests[number :: len(trees)], variables) for number, tree in enumerate(trees)]
    with ThreadPoolExecutor(len(trees)) as pool:
        for run in pool.map(lambda run: run_tests(run[0], run[1], variables=run[2]), [run for run in runs if run[1]]):
            if run.returncode != 0:
                raise ProofError(f"the tests fail without any fault:\n{run.stdout}{run.stderr}")
    return time.monotonic() - started


def prove(faults: Sequence[Fault], processes: int, root: Path = ROOT) -> list[Outcome]:
    """Run the control, then every fault; print a line for each as it ends.

    Raises:
        ProofError: The control fails.
    """
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        trees = [copy_tree(Path(folder) / str(number), root) for number in range(processes)]
        seconds = control(trees, faults)
        print(f"control: the tests of {len(faults)} faults pass without any ({seconds:.0f} s)", flush=True)
        free: SimpleQueue[Path] = SimpleQueue()
        for tree in trees:
            free.put(tree)

        def one(fault: Fault) -> Outcome:
            tree = free.get()
            try:
                outcome = try_fault(fault, tree)
            finally:
                free.put(tree)
            return outcome

        outcomes: list[Outcome] = []
        with ThreadPoolExecutor(processes) as pool:
            for outcome in pool.map(one, faults):
                outcomes.append(outcome)
                print(_line(outcome), flush=True)
    return outcomes


def _line(outcome: Outcome) -> str:
    fault = outcome.fault
    verdict = outcome.problem or outcome.test.removeprefix("tests/")
    return f"{fault.side:6} {fault.name:58} {outcome.where:52} {verdict}  {outcome.seconds:.1f} s"


def table(outcomes: Iterable[Outcome]) -> str:
    """Write the outcomes as Markdown: one table for each side, without what changes from run to run."""
    text, side = "", ""
    for outcome in outcomes:
        fault = outcome.fault
        if fault.side != side:
            side = fault.side
            text += f"\n### Faults in the {side}\n\n| fault | where | caught by |\n|---|---|---|\n"
        test = outcome.test.removeprefix("tests/").replace("::", "`: `")
        text += f"| {fault.name} | `{Path(fault.file).parent.name}/{Path(fault.file).name}` | `{test}` |\n"
    return text + "\n"


def summary(outcomes: Sequence[Outcome]) -> Mapping[str, int]:
    """Count the faults that were caught, by side."""
    sides = dict.fromkeys((outcome.fault.side for outcome in outcomes), 0)
    for outcome in outcomes:
        sides[outcome.fault.side] += not outcome.problem
    return sides


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="only faults whose names hold this text")
    parser.add_argument("--processes", type=int, default=2, help="how many faults to try at once (%(default)s)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/proof.md")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        faults = [fault for fault in read_faults() if options.only in fault.name]
        outcomes = prove(faults, min(options.processes, len(faults))) if faults else []
    except ProofError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not outcomes:
        parser.error(f"--only: no fault's name holds {options.only!r}")
    bad, caught = [outcome for outcome in outcomes if outcome.problem], summary(outcomes)
    counted = ", ".join(f"{number} in the {side}" for side, number in caught.items())
    seconds = time.monotonic() - started
    print(f"\n{sum(caught.values())} of {len(outcomes)} seeded faults caught: {counted} ({seconds:.0f} s)")
    for outcome in bad:
        fault = outcome.fault
        print(f"error: {fault.side}: {fault.name} ({outcome.where}): {outcome.problem}", file=sys.stderr)
    if bad:
        print("a fault that survives is a hole in the tests: write the test that is missing", file=sys.stderr)
        return 1
    if options.write and not options.only:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(before + BEGIN + table(outcomes) + END + rest.partition(END)[2], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
