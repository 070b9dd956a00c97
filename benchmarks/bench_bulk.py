"""Measures bulk: against a bare loop, after kill -9, on two hosts, with a million rows, in a storm of 429, and back.

Run by `make bench-bulk`; `ARGS="--only speed,kill"` picks parts. Every part compares within one run. It prints a table
and ends with 1 if a figure misses its mark.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

from smarterproctoring import AsyncSmarterProctoring
from smarterproctoring_bulk.pacing import window_for
from smarterproctoring_mock import MockApp, running_server

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from bulk.runs import EXAM, INSTALL, START, session
from postgres import postgres_tools, running_postgres

TOKEN = "bench-token"  # noqa: S105 - the mock server's, made up here
LANES = 4


@dataclass
class Bench:
    """Folder and results of one run."""

    folder: Path
    rows: list[tuple[str, str, str, bool]] = field(default_factory=list[tuple[str, str, str, bool]])

    def note(self, what: str, figure: str, mark: str, good: bool) -> None:
        """Keep and print a result."""
        self.rows.append((what, figure, mark, good))
        print(f"{'ok  ' if good else 'MISS'} {what}: {figure} (mark: {mark})", flush=True)

    def list_of(self, rows: int) -> Path:
        """Write a list; the same number gives the same sessions."""
        path = self.folder / f"list-{rows}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["installSid", "examSid", "sessionSid", "appointmentStartDateTime", "notes"])
            for number in range(rows):
                writer.writerow([INSTALL, EXAM, session(number), f"{START}Z", f"row {number}"])
        return path


@contextmanager
def mock(*arguments: str) -> Generator[str]:
    """Run the mock server in a process of its own."""
    command = [sys.executable, "-m", "smarterproctoring_mock", "--token", TOKEN, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def audit(url: str) -> list[tuple[float, str]]:
    """Return when and for which session, for each request that came."""
    with urlopen(f"{url}/_mock/audit", timeout=60) as answer:  # noqa: S310 - the server that was started here
        rows = json.load(answer)["audit"]
    return [
        (datetime.fromisoformat(row["time"]).timestamp(), row["params"]["sessionSid"]) for row in rows if row["params"]
    ]


def came(url: str) -> int:
    """Return how many requests came."""
    with urlopen(f"{url}/_mock/audit?limit=1", timeout=60) as answer:  # noqa: S310 - as above
        return max((row["number"] for row in json.load(answer)["audit"]), default=0)


def start(command: str, *arguments: str | Path, url: str, journal: str, token: str = TOKEN) -> subprocess.Popen[str]:
    """Start the command line."""
    environment = {
        **os.environ,
        "SMARTERPROCTORING_TOKEN": token,
        "SMARTERPROCTORING_BASE_URL": url,
        "SMARTERPROCTORING_BULK_JOURNAL": journal,
    }
    words = [command, *map(str, arguments)]
    if command in ("run", "submit"):
        words.append("--yes")
    call = [sys.executable, "-m", "smarterproctoring.cli", "bulk", *words]
    return subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], expected: int = 0) -> str:
    """Wait for its end, and return what it said."""
    _, err = process.communicate()
    if process.returncode != expected:
        raise SystemExit(f"exit code {process.returncode}:\n{err}")
    return err


def most_in_a_second(times: list[float]) -> int:
    """Return the most events in any span of one second."""
    most, span = 0, deque[float]()
    for moment in sorted(times):
        span.append(moment)
        while moment - span[0] >= 1.0:
            span.popleft()
        most = max(most, len(span))
    return most


class Bare(NamedTuple):
    """What a bare loop over the same client did: rows per second, and seconds of processor for each row."""

    rate: float
    processor: float


async def bare(path: Path, url: str, concurrency: int) -> Bare:
    """Send a list with a bare loop over the same client."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    waiting: Iterator[dict[str, str]] = iter(rows)

    async def work(client: AsyncSmarterProctoring) -> None:
        for row in waiting:
            sids = row["installSid"], row["examSid"], row["sessionSid"]
            at = row["appointmentStartDateTime"].replace("Z", ".000Z")
            await client.reschedule(*sids, appointment_start_date_time=at, notes=row["notes"])

    async with AsyncSmarterProctoring(TOKEN, base_url=url, retries=0, fast=True) as client:
        began = time.monotonic()
        used = time.process_time()
        await asyncio.gather(*(work(client) for _ in range(concurrency)))
        return Bare(len(rows) / (time.monotonic() - began), (time.process_time() - used) / len(rows))


def processor_of_children() -> float:
    """Return the seconds of processor that all ended children have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def speed(bench: Bench) -> None:
    """10,000 rows: bulk between two bare loops without a journal, in nine turns; the median counts."""
    path, few = bench.list_of(10_000), bench.list_of(10)
    found = list[tuple[float, dict[int, float]]]()
    processor = list[tuple[float, dict[int, float], float]]()

    def plain() -> dict[int, Bare]:
        with mock() as url:
            return {concurrency: asyncio.run(bare(path, url, concurrency)) for concurrency in (4, 8, 16)}

    def ours(rows: Path, name: str) -> tuple[list[float], float]:
        """Run bulk; return when each request came, and the seconds of processor of the run."""
        with mock() as url:
            before = processor_of_children()
            finish(start("run", rows, url=url, journal=str(bench.folder / f"{name}.sqlite")))
            return [moment for moment, _ in audit(url)], processor_of_children() - before

    def submitted(rows: Path, name: str) -> float:
        """Check a list and put it into a journal; return the seconds of processor."""
        before = processor_of_children()
        finish(start("submit", rows, url="http://127.0.0.1:9", journal=str(bench.folder / f"{name}.sqlite")))
        return processor_of_children() - before

    for turn in range(9):
        before = plain()
        times, used = ours(path, f"speed{turn}")
        _, start_up = ours(few, f"few{turn}")
        after = plain()
        checking = submitted(path, f"submitted{turn}") - submitted(few, f"few-submitted{turn}")
        # A machine's speed drifts within such a turn, so the bare loop is that of before and after.
        bare_rates = {concurrency: (before[concurrency].rate + after[concurrency].rate) / 2 for concurrency in before}
        found.append((len(times) / (max(times) - min(times)), bare_rates))
        bare_processor = {known: (before[known].processor + after[known].processor) / 2 for known in before}
        processor.append(((used - start_up) / len(times), bare_processor, checking / len(times)))
    each = {known: statistics.median(ours / rates[known] for ours, rates in found) for known in found[0][1]}
    # The concurrency that suits the bare loop over all turns: the best of three in each would be the luckiest of three.
    best = min(each, key=each.__getitem__)
    ratios = sorted((ours / rates[best], ours, rates[best]) for ours, rates in found)
    ratio, rate, bare_rate = ratios[len(ratios) // 2]
    turns = ", ".join(f"{ours / rates[best]:.2f}" for ours, rates in found)
    against = ", ".join(f"{value:.2f} at {known}" for known, value in each.items())
    figure = f"{ratio:.2f} ({rate:.0f}/{bare_rate:.0f} rows/s; in turn {turns}; by requests under way: {against})"
    bench.note("10,000 rows, rows/s over the best bare loop's", figure, "0.65", ratio >= 0.65)
    whole = statistics.median(each for each, _, _ in processor) * 1e6
    client = statistics.median(each[best] for _, each, _ in processor) * 1e6
    checking = statistics.median(each for _, _, each in processor) * 1e6
    figure = (
        f"{whole - client:.0f} µs of {whole:.0f}, {checking:.0f} of them to check and submit it; "
        f"the bare loop's rows take {client:.0f}"
    )
    bench.note("bulk's own processor time per row", figure, "stated", good=True)


def kill(bench: Bench) -> None:
    """Kill -9 four times."""
    rows, kills = 10_000, 4
    path, journal = bench.list_of(rows), str(bench.folder / "kill.sqlite")
    with mock() as url:
        for number in range(kills):
            process = start("run", path, "--rate", "5000/s", "--lanes", str(LANES), url=url, journal=journal)
            while came(url) < (number + 1) * rows * 0.2:
                time.sleep(0.05)
            process.kill()
            process.communicate()
        finish(start("run", path, url=url, journal=journal))
        counts = Counter(sid for _, sid in audit(url))
    again, most = sum(counts.values()) - len(counts), kills * LANES * window_for(LANES, 1.0)
    bench.note(f"{kills} kill -9, rows lost", str(rows - len(counts)), "0", len(counts) == rows)
    bench.note(f"{kills} kill -9, rows sent again", str(again), f"{most} (lanes x window per kill)", again <= most)


def _processor_time(pid: int) -> int:
    """Return the clock ticks that a process has used so far."""
    facts = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(facts[11]) + int(facts[12])


def fleet(bench: Bench) -> None:
    """Two workers on Postgres share 200/s; then one is killed."""
    tools = postgres_tools()
    if tools is None:
        print("skipped: two workers (Postgres is not installed)")
        return
    rows, rate, lease = 8_000, 200, 20.0
    path = bench.list_of(rows)
    settings = ["--rate", f"{rate}/s", "--lanes", str(LANES), "--lease", str(lease)]
    with running_postgres(tools) as server, mock() as url:
        journal = server.url()
        workers = [start("worker", url=url, journal=journal) for _ in range(2)]
        finish(start("submit", path, *settings, url=url, journal=journal))
        while came(url) < rows / 2:
            time.sleep(0.2)
        before = [moment for moment, _ in audit(url)]
        # The busier one, which holds most of the lanes.
        busier, other = sorted(workers, key=lambda worker: -_processor_time(worker.pid))
        busier.kill()
        busier.communicate()
        died = time.time()
        while came(url) < rows or len({sid for _, sid in audit(url)}) < rows:
            time.sleep(0.5)
        found = audit(url)
        other.send_signal(signal.SIGTERM)
        finish(other)
    times = sorted(moment for moment, _ in found)
    most = most_in_a_second(times)
    mean = len(before) / (max(before) - min(before))
    bench.note("two workers at 200/s, most in any second", f"{most} (mean {mean:.0f}/s)", "205", most <= 205)
    per_second = Counter(int(moment - died) for moment in times if moment > died)
    smooth = [sum(per_second[second + more] for more in range(3)) / 3 / mean for second in range(max(per_second) - 3)]
    fell = next((second for second, share in enumerate(smooth) if share < 0.75), None)
    if fell is None:
        print("the one that was killed held no lane; run again")
    else:
        back = next((second for second, share in enumerate(smooth) if second > fell and share > 0.85), 999)
        bench.note("one killed, full rate again", f"after {back} s", f"a lease, {lease:g} s", back <= lease)
    counts = Counter(sid for _, sid in found)
    lost, again = rows - len(counts), len(found) - len(counts)
    good = not lost and again <= LANES * window_for(LANES, 1.0)
    bench.note("one killed, rows lost / sent again", f"{lost} / {again}", f"0 / {LANES * window_for(LANES, 1.0)}", good)


def million(bench: Bench) -> None:
    """A million rows planned and submitted."""
    path, journal = bench.list_of(1_000_000), str(bench.folder / "million.sqlite")
    began = time.monotonic()
    process = start("submit", path, "--rate", "1000/s", url="http://127.0.0.1:9", journal=journal)
    while process.poll() is None:
        time.sleep(0.2)
    # No child before it was larger, so the largest of all is its own.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    finish(process)
    took = time.monotonic() - began
    bench.note("a million rows planned and submitted", f"{peak:.0f} MB at most, {took:.0f} s", "400 MB", peak < 400)


def hundred_thousand(bench: Bench) -> None:
    """100,000 rows end to end, with a report."""
    rows = 100_000
    path, report = bench.list_of(rows), bench.folder / "report.csv"
    with mock("--db", str(bench.folder / "mock.sqlite")) as url:
        began = time.monotonic()
        finish(start("run", path, "--report", report, url=url, journal=str(bench.folder / "100k.sqlite")))
        took = time.monotonic() - began
    with report.open(newline="") as file:
        states = Counter(row["state"] for row in csv.DictReader(file))
    figure = f"{took:.0f} s, {rows / took:.0f} rows/s, {dict(states)}"
    bench.note("100,000 rows end to end, with a report", figure, "all ok", states == {"ok": rows})


def back(bench: Bench) -> None:
    """10,000 rows looked at, moved with a record of what was before, and moved back."""
    path = bench.list_of(10_000)
    journal = str(bench.folder / "back.sqlite")

    def timed(command: str, *arguments: str | Path) -> tuple[float, str]:
        began = time.monotonic()
        said = finish(start(command, *arguments, url=url, journal=journal))
        return time.monotonic() - began, said

    with mock() as url:
        plain, _ = timed("run", path)
        look, _ = timed("look", path, "-o", bench.folder / "before.csv")
        recorded, said = timed("run", path, "--shift", "+24h", "--record-before")
        (job,) = set(re.findall(r"\bjob ([0-9a-f]{12})\b", said))
        undo, _ = timed("undo", job, "--yes")
        verify, _ = timed("verify", path, "-o", bench.folder / "after.csv")
    for name, took in (("look", look), ("run --record-before", recorded), ("undo", undo), ("verify", verify)):
        figure = f"{took:.1f} s, {took / plain:.2f} of a run"
        bench.note(f"10,000 rows, {name}", figure, "stated", good=True)


class Limited(MockApp):
    """Admits a limited number of requests in any second; the others get 429 and Retry-After: 1."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate, self.refused = rate, 0
        self.admitted: deque[float] = deque()
        self._guard = threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as the mock server does, or with 429."""
        if scope["type"] == "http" and scope["method"] == "PUT":
            now = time.monotonic()
            with self._guard:
                while self.admitted and now - self.admitted[0] >= 1.0:
                    self.admitted.popleft()
                full = len(self.admitted) >= self.rate
                if full:
                    self.refused += 1
                else:
                    self.admitted.append(now)
            if full:
                await send({"type": "http.response.start", "status": 429, "headers": [(b"retry-after", b"1")]})
                await send({"type": "http.response.body", "body": b""})
                return
        await super().__call__(scope, receive, send)


def storm(bench: Bench) -> None:
    """A service that admits half of the rate that was asked for."""
    rows, admissible = 9_000, 100
    app, path, journal = Limited(admissible), bench.list_of(rows), str(bench.folder / "storm.sqlite")
    with running_server(app) as server:
        finish(start("run", path, "--rate", "200/s", url=server.url, journal=journal))
        times = [datetime.fromisoformat(row.time).timestamp() for row in app.audit() if row.params]
    share = len(times) / (max(times) - min(times)) / admissible
    figure = f"{share:.2f} ({app.refused} answers of 429)"
    bench.note("429 storm, share of the admissible rate", figure, "0.85", share >= 0.85)


PARTS: dict[str, Callable[[Bench], None]] = {
    "speed": speed,
    "kill": kill,
    "fleet": fleet,
    "million": million,
    "100k": hundred_thousand,
    "storm": storm,
    "back": back,
}


def main() -> int:
    """Run the parts; return 1 if a figure misses its mark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for name in parser.parse_args().only.split(","):
            print(f"-- {name}: {PARTS[name].__doc__}", flush=True)
            PARTS[name](bench)
    print("\n| what | figure | mark |\n|---|---|---|")
    for what, figure, mark, _ in bench.rows:
        print(f"| {what} | {figure} | {mark} |")
    return int(not all(good for *_, good in bench.rows))


if __name__ == "__main__":
    sys.exit(main())
