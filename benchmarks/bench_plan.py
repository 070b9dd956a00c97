"""How long a list is checked before the first session moves, and how much memory that takes, round by round in turn.

`make bench-plan` writes docs/benchmarks/plan.md. Each list is checked in a process of its own, whose import is not
counted; beside it runs what anybody would write first: a loop that reads the CSV and its local times, and checks
nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bulk.workbooks import Cell, Sheet, write_ods, write_xlsx
from smarterproctoring_bulk.plan import plan
from smarterproctoring_bulk.rows import InputOptions

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "docs" / "benchmarks" / "plan.md"
ROWS = 100_000
ZONE = "America/New_York"
NOW = datetime(2029, 12, 1, tzinfo=UTC)
HEADER = ("installSid", "examSid", "sessionSid", "appointmentStartDateTime", "appointmentEndDateTime", "notes")
LOOP = "a bare loop over the CSV"
BASE = "CSV"
TARGETS = {"CSV": "4 s", "CSV, another note in each row": "4 s", ".xlsx": "3 × CSV"}


@dataclass
class Subject:
    """A list that is checked.

    Attributes:
        name: What the page calls it.
        file: The list.
        cpu: Seconds of the processor, one for each round.
        peak: MB of memory that the process had at most, likewise.
    """

    name: str
    file: Path
    cpu: list[float] = field(default_factory=list[float])
    peak: list[float] = field(default_factory=list[float])

    def run(self) -> None:
        """Check it once, and keep what that took."""
        command = [sys.executable, __file__, "--worker", self.name, str(self.file)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        took = json.loads(done.stdout)
        self.cpu.append(took["cpu"])
        self.peak.append(took["peak"])


def moments(number: int) -> tuple[datetime, datetime]:
    """Return the local times of a row: one of 560 slots, as exam windows have them."""
    start = datetime(2030, 5, 1 + number % 28, 8) + timedelta(minutes=number % 20 * 30)
    return start, start + timedelta(hours=1)


def rows(note: bool) -> Iterator[list[Cell]]:
    """Yield the rows of a list."""
    for number in range(ROWS):
        sids = (f"AI{1:032x}", f"EX{number % 50:032x}", f"ES{number:032x}")
        yield [*sids, *moments(number), f"moved for {number}" if note else None]


def write_csv(path: Path, note: bool) -> None:
    """Write a list as CSV, its times without a zone."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        for *sids, start, end, notes in rows(note):
            writer.writerow([*sids, f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}", notes])


def subjects(folder: Path) -> list[Subject]:
    """Write all lists."""
    plain = folder / "plain.csv"
    write_csv(plain, note=False)
    noted = folder / "noted.csv"
    write_csv(noted, note=True)
    sheet = Sheet("Moves", [HEADER, *rows(note=False)])
    return [
        Subject(LOOP, plain),
        Subject(BASE, plain),
        Subject("CSV, another note in each row", noted),
        Subject(".xlsx", write_xlsx(folder / "list.xlsx", sheet)),
        Subject(".ods", write_ods(folder / "list.ods", sheet)),
    ]


def loop(path: Path) -> int:
    """Do what a script would do that believes its list."""
    zone = ZoneInfo(ZONE)
    bodies: list[str] = []
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            times = [datetime.fromisoformat(row[name]).replace(tzinfo=zone).astimezone(UTC) for name in HEADER[3:5]]
            bodies = [json.dumps({name: time.isoformat() for name, time in zip(HEADER[3:5], times, strict=True)})]
    return len(bodies)


def work(name: str, path: Path) -> None:
    """Check a list in this process, and print what that took."""
    began = time.process_time()
    if name == LOOP:
        loop(path)
    else:
        with plan(path, InputOptions(timezone=ZONE), now=NOW) as planned:
            assert planned.counts.sendable == ROWS
    took = time.process_time() - began + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    # Not ru_maxrss: that begins with what the process had which started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    print(json.dumps({"cpu": took, "peak": kib / 1024}))


PAGE = """\
# What a list costs before it moves

Written by `make bench-plan`; the machine is whichever ran it last, so compare the ratios, not the figures.

{machine}

{rows:,} rows with local times in one zone, checked whole: SIDs, times and what they are in UTC, duplicates,
contradictions. Rounds: {rounds}, the lists in turn within a round; medians. *Wanted* is the limit that the project set.

| list | CPU s | × CSV | MB at most | wanted |
|---|---|---|---|---|
{table}

The client's own check of the fields takes a third of a row's time where it is made; rows that differ only in their
SIDs and their free text share one. A workbook is parsed twice: by python-calamine for its values, which
holds the sheet in memory, and for what that does not tell (hidden rows, errors, merged cells).
"""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker[0], Path(options.worker[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = subjects(Path(folder))
        for _ in range(options.rounds):
            for each in found:
                each.run()
    base = next(statistics.median(each.cpu) for each in found if each.name == BASE)
    table = "\n".join(
        f"| {each.name} | {statistics.median(each.cpu):.1f} | {statistics.median(each.cpu) / base:.2f} | "
        f"{statistics.median(each.peak):.0f} | {TARGETS.get(each.name, '–')} |"
        for each in found
    )
    machine = (
        f"{datetime.now(UTC):%d %B %Y} · {os.cpu_count()} cores, {platform.system()} {platform.release()} · "
        f"Python {platform.python_version()} · load average at the end {os.getloadavg()[0]:.1f}"
    )
    REPORT.write_text(PAGE.format(machine=machine, rows=ROWS, rounds=options.rounds, table=table), encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
