"""Prove that the tests notice faults: put one fault at a time into a copy of the tree, and check that a test fails.

tools/prove.py                    every fault of tools/prove.toml, in two processes for each core
tools/prove.py --only TEXT        only the faults whose names hold this text
tools/prove.py --write            put the table into docs/explanation/proof.md too

First all the selected tests run without a fault, and have to pass. Then each fault runs alone. The exit code is 1 if no
test catches a fault, or if a fault no longer fits the code. The checkout is not changed.
"""

from __future__ import annotations

import argparse
import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from packages import FOLDERS
from seeded_faults import ROOT, Fault, Place, ProofError, read_faults

DOCUMENT = ROOT / "docs" / "explanation" / "proof.md"
BEGIN = "<!-- the table of `make prove` begins -->\n"
END = "<!-- the table of `make prove` ends -->\n"
TOO_LONG = 120
"""Seconds for one fault, where pytest's own limit for a test did not end it."""


class Outcome(NamedTuple):
    """The result of a fault.

    Attributes:
        fault: The fault.
        place: Where it was put in; None if it could not be.
        test: The test that caught it; empty if none did.
        problem: What is wrong; empty if it was caught.
        seconds: How long its tests took.
    """

    fault: Fault
    place: Place | None
    test: str = ""
    problem: str = ""
    seconds: float = 0.0

    @property
    def where(self) -> str:
        """The file and the line."""
        return f"{self.place.file}:{self.place.line}" if self.place else "nowhere"


def copy_tree(target: Path, root: Path = ROOT) -> Path:
    """Copy what git knows of or would add; return the copy."""
    command = ["git", "-C", str(root), "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target / name)
    return target


def compile_sources(tree: Path) -> None:
    """Compile what faults are put into, so that each run compiles the one changed file only.

    Python compares the content of the sources with it: by their times, two faults within a second could be one.
    """
    for name in (*FOLDERS, "tools"):
        compileall.compile_dir(
            tree / name,
            quiet=2,
            invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
        )


def environment_of(tree: Path) -> dict[str, str]:
    """Return the environment in which Python finds the packages of a copy, and keeps nothing of a fault."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTEST_")
    }
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(str(tree / name) for name in FOLDERS),
        "PYTHONDONTWRITEBYTECODE": "1",  # two faults within a second could share one compiled file
    }


def run_tests(
    tree: Path,
    tests: Iterable[str],
    *more: str,
    variables: Iterable[tuple[str, str]] = (),
) -> subprocess.CompletedProcess[str]:
    """Run pytest in a copy, over the packages of that copy."""
    environment = {
        **environment_of(tree),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # half of a short run would be the start of plugins
        **dict(variables),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=no"]
    command += ["-p", "pytest_timeout", "--timeout=30"]
    command += ["-p", "no:cacheprovider", *more, *tests]
    try:
        return subprocess.run(
            command,
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TOO_LONG,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(
            command, -1, "", f"no end within {TOO_LONG} s"
        )


def try_fault(fault: Fault, tree: Path) -> Outcome:
    """Put a fault in, run its tests, and return which of them failed first."""
    started = time.monotonic()
    try:
        place = fault.place(tree)
    except ProofError as error:
        return Outcome(fault, None, problem=str(error))
    with fault.inside(tree):
        run = run_tests(tree, fault.tests, "-x", variables=fault.environment)
    seconds = time.monotonic() - started
    failed = re.search(r"^FAILED (\S+?)(?:\[| - |$)", run.stdout, re.MULTILINE)
    if run.returncode == 1 and failed is not None:
        return Outcome(fault, place, test=failed[1], seconds=seconds)
    problem = "SURVIVED: no test failed"
    if run.returncode != 0:
        last = (run.stdout + run.stderr).strip().splitlines()[-4:]
        problem = f"no verdict (exit code {run.returncode}): {' | '.join(last)}"
    return Outcome(fault, place, problem=problem, seconds=seconds)


def control(trees: Sequence[Path], faults: Sequence[Fault]) -> float:
    """Run all the selected tests without a fault; return the seconds.

    Raises:
        ProofError: One of them fails.
    """
    started = time.monotonic()
    runs: list[tuple[Path, list[str], tuple[tuple[str, str], ...]]] = []
    for variables in sorted({fault.environment for fault in faults}):
        tests = sorted(
            {
                test
                for fault in faults
                if fault.environment == variables
                for test in fault.tests
            }
        )
        runs += [
            (tree, tests[number :: len(trees)], variables)
            for number, tree in enumerate(trees)
        ]
    with ThreadPoolExecutor(len(trees)) as pool:
        for run in pool.map(
            lambda run: run_tests(run[0], run[1], variables=run[2]),
            [run for run in runs if run[1]],
        ):
            if run.returncode != 0:
                raise ProofError(
                    f"the tests fail without any fault:\n{run.stdout}{run.stderr}"
                )
    return time.monotonic() - started


def prove(faults: Sequence[Fault], processes: int, root: Path = ROOT) -> list[Outcome]:
    """Run the control, then every fault; print a line for each as it ends.

    Raises:
        ProofError: The control fails.
    """
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        trees = [
            copy_tree(Path(folder) / str(number), root) for number in range(processes)
        ]
        for tree in trees:
            compile_sources(tree)
        seconds = control(trees, faults)
        print(
            f"control: the tests of {len(faults)} faults pass without any ({seconds:.0f} s)",
            flush=True,
        )
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
    text = ""
    side = ""
    for outcome in outcomes:
        fault = outcome.fault
        if fault.side != side:
            side = fault.side
            text += f"\n### Faults in the {side}\n\n| fault | where | caught by |\n|---|---|---|\n"
        file = Path(outcome.place.file if outcome.place else "")
        test = outcome.test.removeprefix("tests/").replace("::", "`: `")
        text += f"| {fault.name} | `{file.parent.name}/{file.name}` | `{test}` |\n"
    return text + "\n"


def summary(outcomes: Sequence[Outcome]) -> Mapping[str, int]:
    """Count the faults that were caught, by side."""
    sides = dict.fromkeys((outcome.fault.side for outcome in outcomes), 0)
    for outcome in outcomes:
        sides[outcome.fault.side] += not outcome.problem
    return sides


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="only faults whose names hold this text",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=2 * (os.cpu_count() or 1),  # a fault often makes a test wait
        help="how many faults to try at once (%(default)s)",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the table into docs/explanation/proof.md",
    )
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
    bad = [outcome for outcome in outcomes if outcome.problem]
    caught = summary(outcomes)
    counted = ", ".join(f"{number} in the {side}" for side, number in caught.items())
    seconds = time.monotonic() - started
    print(
        f"\n{sum(caught.values())} of {len(outcomes)} seeded faults caught: {counted} ({seconds:.0f} s)"
    )
    for outcome in bad:
        fault = outcome.fault
        print(
            f"error: {fault.side}: {fault.name} ({outcome.where}): {outcome.problem}",
            file=sys.stderr,
        )
    if bad:
        print(
            "a fault that survives is a gap in the tests: write the missing test",
            file=sys.stderr,
        )
        return 1
    if options.write and not options.only:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(
            before + BEGIN + table(outcomes) + END + rest.partition(END)[2],
            encoding="utf-8",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
