"""Prove that the history check notices faults: put one at a time into a copy of the tree, and see it turn red.

tools/prove_history.py               every fault of tools/history/faults.toml, one after the other
tools/prove_history.py --only TEXT   only the faults whose names hold this text

Each fault names the arguments of tools/check_history.py with which it is found. Before, the same histories have to be
right without it (--no-control leaves that out). The exit code is 1 if a fault is not found, or no longer fits the code.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from prove import copy_tree, environment_of
from seeded_faults import ROOT, Fault, ProofError, read_faults

FAULTS = ROOT / "tools" / "history" / "faults.toml"
TOO_LONG = 600
"""Seconds after which a check hangs."""
_FOUND = re.compile(r"^VIOLATION of: (.*)$", re.MULTILINE)


def check(tree: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run the history check of a copy, over the packages of that copy."""
    command = [sys.executable, "tools/check_history.py", *arguments]
    return subprocess.run(
        command,
        cwd=tree,
        env=environment_of(tree),
        capture_output=True,
        text=True,
        check=False,
        timeout=TOO_LONG,
    )


def try_fault(fault: Fault, tree: Path) -> str:
    """Put a fault in and run the check; return the first violation, or nothing."""
    with fault.inside(tree):
        for arguments in fault.tests:
            run = check(tree, arguments.split())
            found = _FOUND.search(run.stdout)
            if run.returncode == 1 and found is not None:
                return found[1]
            if run.returncode != 0:
                last = (run.stdout + run.stderr).strip().splitlines()[-4:]
                raise ProofError(f"{fault.name}: no verdict: {' | '.join(last)}")
    return ""


def control(faults: Sequence[Fault], tree: Path) -> None:
    """Run the histories of all faults without any.

    Raises:
        ProofError: One of them is wrong.
    """
    for arguments in sorted({each for fault in faults for each in fault.tests}):
        run = check(tree, arguments.split())
        if run.returncode != 0:
            raise ProofError(f"wrong without any fault:\n{run.stdout}{run.stderr}")
        print(f"right without any fault: {arguments}", flush=True)


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only these faults")
    parser.add_argument(
        "--no-control", action="store_true", help="do not run without a fault first"
    )
    options = parser.parse_args()
    faults = [fault for fault in read_faults(FAULTS) if options.only in fault.name]
    if not faults:
        parser.error(f"--only: no fault's name holds {options.only!r}")
    missed = 0
    with tempfile.TemporaryDirectory(prefix="prove-history-") as folder:
        tree = copy_tree(Path(folder))
        try:
            if not options.no_control:
                control(faults, tree)
            for fault in faults:
                began = time.monotonic()
                found = try_fault(fault, tree)
                missed += not found
                verdict = f"red: {found}" if found else "NOT FOUND"
                seconds = time.monotonic() - began
                print(f"{fault.name}: {verdict}  ({seconds:.0f} s)", flush=True)
        except ProofError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    print(f"{len(faults) - missed} of {len(faults)} seeded faults found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
