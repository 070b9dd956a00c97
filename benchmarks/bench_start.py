"""How long the command line takes to start, beside Python itself and `import click`, round by round in turn.

Each command runs in an environment as users have it: the built wheels and what they need, nothing for development.
`make bench-start` makes that environment and runs this; docs/benchmarks/start.md is what it writes.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smarterproctoring_mock import running_server

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "docs" / "benchmarks" / "start.md"
TOKEN = "T"  # noqa: S105 - the mock server's, made up here
SIDS = (f"AI{1:032x}", f"EX{1:032x}", f"ES{1:032x}")
BASE = "import click"
TARGETS = {"--version": 1.5, "reschedule --dry-run": 2.5, "bulk status": 8.0}
"""How often the import of click each may take at most, in processor time."""
_INHERITED = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")
"""Variables that the commands see. Those of proxies and certificates lead a dry run to the whole client."""
_INSTRUCTIONS = re.compile(r"I\s+refs:\s+([\d,]+)")


@dataclass
class Subject:
    """A command that is measured.

    Attributes:
        name: What the page calls it.
        arguments: The program and its arguments.
        cpu: Seconds of the processor, one for each round.
        wall: Seconds on the wall, likewise.
        instructions: Instructions that it executes; None where nothing counts them.
    """

    name: str
    arguments: list[str]
    cpu: list[float] = field(default_factory=list[float])
    wall: list[float] = field(default_factory=list[float])
    instructions: int | None = None

    def run(self, environment: Mapping[str, str]) -> None:
        """Run once, and keep what it took.

        Raises:
            SystemExit: It failed.
        """
        began = time.perf_counter()
        process = subprocess.Popen(self.arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.wall.append(time.perf_counter() - began)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        if process.returncode:
            sys.exit(f"error: {self.name} ended with {process.returncode}:\n{said.decode()}")

    def count(self, environment: Mapping[str, str]) -> None:
        """Count the instructions, with valgrind, which simulates the processor: other load does not change them."""
        valgrind = shutil.which("valgrind")
        if valgrind is None:
            return
        options = ["--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={os.devnull}"]
        done = subprocess.run(
            [valgrind, *options, *self.arguments], env=environment, capture_output=True, text=True, check=True
        )
        found = _INSTRUCTIONS.search(done.stderr)
        if found is not None:
            self.instructions = int(found[1].replace(",", ""))


def subjects(python: str, folder: Path) -> list[Subject]:
    """Return what is measured, the base included."""
    program = [python, str(Path(python).with_name("smarterproctoring"))]
    begins = datetime.now(UTC) + timedelta(days=30)
    start = f"{begins:%Y-%m-%dT10:00Z}"
    listed = folder / "list.csv"
    listed.write_text(f"install_sid,exam_sid,session_sid,start\n{','.join(SIDS)},{start}\n")
    return [
        Subject("python -c pass", [python, "-c", "pass"]),
        Subject(BASE, [python, "-c", BASE]),
        Subject("--version", [*program, "--version"]),
        Subject("reschedule --dry-run", [*program, "reschedule", *SIDS, "--start", start, "--dry-run"]),
        Subject("show", [*program, "show", *SIDS, "--base-url", os.environ["MOCK_URL"]]),
        Subject("bulk status", [*program, "bulk", "status"]),
        Subject("bulk run --dry-run", [*program, "bulk", "run", str(listed), "--dry-run"]),
    ]


def measured(python: str, rounds: int) -> list[Subject]:
    """Measure all subjects, in turn within each round."""
    with tempfile.TemporaryDirectory() as name, running_server(token=TOKEN) as server:
        os.environ["MOCK_URL"] = server.url
        folder = Path(name)
        environment = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        environment |= {
            "HOME": name,
            "SMARTERPROCTORING_TOKEN": TOKEN,
            "SMARTERPROCTORING_BULK_JOURNAL": str(folder / "journal.sqlite"),
        }
        found = subjects(python, folder)
        _submit(python, folder, environment, server.url)
        for each in found:  # the first run writes what Python compiles
            each.run(environment)
            each.cpu.clear()
            each.wall.clear()
        for _ in range(rounds):
            for each in found:
                each.run(environment)
        for each in found:
            each.count(environment)
    return found


def _submit(python: str, folder: Path, environment: Mapping[str, str], url: str) -> None:
    """Put a job into the journal, so that there is one to show."""
    program = [python, str(Path(python).with_name("smarterproctoring"))]
    options = ["--yes", "--base-url", url]
    subprocess.run(
        [*program, "bulk", "submit", str(folder / "list.csv"), *options],
        env=environment,
        capture_output=True,
        check=True,
    )


def _row(each: Subject, base: Subject) -> str:
    cpu = statistics.median(each.cpu)
    wall = statistics.median(each.wall)
    counted = "–"
    counted_ratio = "–"
    if each.instructions is not None and base.instructions:
        counted = f"{each.instructions / 1e6:,.0f}"
        counted_ratio = f"{each.instructions / base.instructions:.2f}"
    target = TARGETS.get(each.name)
    cells = [
        f"`{each.name}`",
        f"{cpu * 1000:,.0f}",
        f"{wall * 1000:,.0f}",
        f"{cpu / statistics.median(base.cpu):.2f}",
        f"{wall / statistics.median(base.wall):.2f}",
        counted,
        counted_ratio,
        "–" if target is None else f"{target:g}",
    ]
    return f"| {' | '.join(cells)} |"


PAGE = """\
# The start of the command line

Written by `make bench-start`; the machine is whichever ran it last, so compare the ratios, not the figures.

{machine}

{rounds} rounds, the commands in turn within a round; medians.
The commands run from the built wheels in an environment of their own, `show` against the mock server,
`bulk status` with one job in a file.
Instructions are counted by valgrind's cachegrind, once; other load on the machine does not change them.
`× click` is beside `import click`. *Target* is how often the import of click a command may take.

| command | CPU ms | elapsed ms | CPU, × click | elapsed, × click | million instructions | × click | target |
|---|---|---|---|---|---|---|---|
{rows}

## Where the time goes

- Importing httpx takes more than importing click (213 against 131 million instructions above Python's own 36), and
  the connections below it nearly as much again. So `--version`, `--help` and a dry run do not load it: the package's
  public names are imported when they are first used (PEP 562), and a dry run builds its request without httpx.
- A dry run loads the whole client where only that can tell what would be sent, or whether it can be: with a
  base URL that httpx would write otherwise (a port, capitals, an address), and where the environment has
  variables of proxies or certificates, which are then checked.
- `show` is the price of a call: httpx, the connections, TLS's certificates, and one request.
- `importlib.metadata`, which finds the commands of other distributions, loads the parser of e-mails: 96
  million instructions. Only `bulk`, `mock`, `--help` and completion need it.
- `bulk status` took 15.0 × the import of click with DBOS and SQLAlchemy, and 9.9 × without DBOS. It reads the
  journal in plain SQL without either; `bulk report` and `bulk run --dry-run` load SQLAlchemy, and not DBOS.
- What is left of `bulk status` is the reader of lists, whose types the journal uses.

## Tried and refused

- `httpx/VERSION` in the User-Agent: only importing httpx, or `importlib.metadata`, tells it. It is no
  longer sent; the versions of this package, of the API document and of Python are.
- A dry run that loads httpx, without the connections below it: importing click and httpx alone is 2.3 × the
  import of click.
- Reading the version of the API document without its operations: 30 million instructions less, for a second
  place that says it.
"""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="the interpreter of the environment with the built wheels")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    found = measured(str(Path(options.python).absolute()), options.rounds)
    base = next(each for each in found if each.name == BASE)
    machine = (
        f"{datetime.now(UTC):%d %B %Y} · {os.cpu_count()} cores, {platform.system()} {platform.release()} · "
        f"Python {platform.python_version()} · load average at the end {os.getloadavg()[0]:.1f}"
    )
    rows = "\n".join(_row(each, base) for each in found)
    REPORT.write_text(PAGE.format(machine=machine, rounds=options.rounds, rows=rows), encoding="utf-8")
    print(rows)


if __name__ == "__main__":
    main()
