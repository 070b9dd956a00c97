"""Measures this client beside its peers, in one run, and writes docs/benchmarks/client.md and its charts.

    make bench                  all of it, some minutes
    make bench ARGS=--quick     a rough picture in half a minute

benchmarks/README.md describes what is measured, and how.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any, NamedTuple, Self

import report
from growth import growth_chart
from report import FAST, OURS, Cell, Import, Load, Report, Row

ROOT = Path(__file__).resolve().parents[1]
HERE, PEERS = ROOT / "benchmarks", ROOT / "build" / "bench" / "peers"
OWN_PYTHONS = {"niquests": ROOT / "build" / "niquests" / "bin" / "python"}
"""Clients in environments of their own, because they replace what others need."""
PACKAGE = "smarterproctoring-client"
IMPORTS = {
    "nothing": "pass",
    "httpx": "import httpx",
    "httpx, with a client made": "import httpx; httpx.Client()",
    "requests": "import requests",
    "aiohttp": "import aiohttp",
    "openapi-python-client": "from smarterproctoring_generated.api.exam_sessions import reschedule_exam_session",
    "OpenAPI Generator, urllib3": "import peer_urllib3",
    "OpenAPI Generator, aiohttp": "import peer_asyncio",
    OURS: "import smarterproctoring",
    "this client, with a client made": "import smarterproctoring as s; s.SmarterProctoring('t')",
}
_TIMED = """
import os, time
def megabytes():
    try:
        with open("/proc/self/statm") as file: return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0
memory, wall, cpu = megabytes(), time.perf_counter(), time.process_time()
{}
print(time.perf_counter() - wall, time.process_time() - cpu, megabytes() - memory)
"""


LOADS = tuple(Load(at_once) for at_once in (1, 16, 64, 256))
MORE_AT_ONCE = tuple(Load(at_once) for at_once in (1, 4, 16, 64, 256, 1024))
LARGER = tuple(Load(16, notes) for notes in (100, 900, 10_000, 100_000))


class Plan(NamedTuple):
    """How much is measured.

    Attributes:
        loads: What is measured of every client.
        growth: What is measured of a few, to see how their cost grows.
        rounds: Rounds, of which the median counts.
        seconds: Length of one client's turn in a round, about.
        imports: Fresh processes for each import.
    """

    loads: tuple[Load, ...] = LOADS
    rounds: int = 11
    seconds: float = 0.25
    imports: int = 25
    growth: tuple[Load, ...] = (*MORE_AT_ONCE, *LARGER)


QUICK = Plan((Load(1), Load(64)), rounds=3, seconds=0.1, imports=3, growth=(Load(16), Load(64), Load(16, 10_000)))
GROWING = ("httpx", "aiohttp", "OpenAPI Generator, urllib3", OURS, FAST)


def environment() -> dict[str, str]:
    """Return the environment of the processes that are measured: bytecode is cached, as for any installed program."""
    every = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    every = {name: value for name, value in every.items() if not name.lower().endswith("_proxy")}
    return {**every, "PYTHONPATH": os.pathsep.join(map(str, (HERE, PEERS)))}


def pin(core: int) -> None:
    """Keep this process, and those it starts, on one core, so that client and server do not share one."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


def generate_peers() -> list[str]:
    """Generate OpenAPI Generator's clients if they are not there; return what has to be skipped, and why."""
    if not shutil.which("java"):
        return ["OpenAPI Generator's clients: skipped, java (11 or newer) is not installed"]
    for library in ("urllib3", "asyncio"):
        package = PEERS / f"peer_{library}"
        shutil.rmtree(package, ignore_errors=True)
        aside = PEERS / f"aside_{library}"
        command = [Path(sys.executable).with_name("openapi-generator-cli"), "generate", "--generator-name", "python"]
        command += ["--input-spec", ROOT / "openapi" / "smarterproctoring.yaml", "--output", aside]
        command += ["--library", library, "--package-name", package.name]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        shutil.move(aside / package.name, package)
        shutil.rmtree(aside)
    return []


def fast_modules() -> list[str]:
    """Return the modules of the extra `fast`, where the package has one and all of it is installed."""
    if "fast" not in (metadata(PACKAGE).get_all("Provides-Extra") or []):
        return []
    names = [line.split(";")[0] for line in requires(PACKAGE) or [] if 'extra == "fast"' in line.replace("'", '"')]
    names = ["".join(c for c in name.split(">")[0].split("=")[0].split("<")[0] if c not in " ~!") for name in names]
    try:
        return [name.replace("-", "_") for name in names if version(name)]
    except PackageNotFoundError:
        return []


# -- calls -------------------------------------------------------------------------------------------------------------


class Worker:
    """A client in a process of its own."""

    def __init__(self, kind: str, label: str, url: str, absent: list[str]) -> None:
        subject = OURS if label == FAST else label
        python = OWN_PYTHONS.get(label, sys.executable)
        command = [str(python), str(HERE / "worker.py"), kind, subject, url, *absent]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )
        self.label = label

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ready(self) -> bool:
        """Wait until the client is open."""
        return self._line() == "ready"

    def turn(self, load: Load, calls: int) -> dict[str, Any]:
        """Make calls; return microseconds per call, or why there are none."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{load.at_once} {calls} {load.notes}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._line() or '{"failed": "the process ended"}')
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


def measure_calls(
    kind: str, labels: list[str], url: str, plan: Plan, loads: tuple[Load, ...], fast: list[str]
) -> dict[Load, list[Row]]:
    """Measure clients of a kind; in every round each has its turn at every load, and begins one of them."""
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(kind, label, url, fast if label == OURS else [])) for label in labels]
        workers = [worker for worker in workers if worker.ready()]
        calls: dict[tuple[Load, str], int] = {}
        turns: dict[tuple[Load, str], list[Cell]] = {(load, w.label): [] for load in loads for w in workers}
        failed: dict[tuple[Load, str], str] = {}

        def take_turn(load: Load, worker: Worker, calls: int) -> Cell | None:
            place = load, worker.label
            if place not in failed:
                turn = worker.turn(load, calls)
                if "failed" not in turn:
                    return Cell(turn["wall"], turn["cpu"])
                failed[place] = turn["failed"]
            return None

        for load in loads:  # finds out how many calls fill a turn
            for worker in workers:
                if first := take_turn(load, worker, max(50, load.at_once * 2)):
                    calls[load, worker.label] = max(load.at_once, int(plan.seconds * 1e6 / first.wall))
        for number in range(plan.rounds):
            print(f"{kind}, round {number + 1} of {plan.rounds}", flush=True)
            start = number % len(workers)
            for load in loads:
                for worker in [*workers[start:], *workers[:start]]:
                    place = load, worker.label
                    if turn := take_turn(load, worker, calls.get(place, 0)):
                        turns[place].append(turn)
    return {
        load: [
            Row(worker.label, failed=failed[place])
            if (place := (load, worker.label)) in failed
            else Row(worker.label, tuple(turns[place]))
            for worker in workers
        ]
        for load in loads
    }


# -- imports and the rest ----------------------------------------------------------------------------------------------


def measure_imports(plan: Plan) -> dict[str, list[Import]]:
    """Measure imports in fresh processes; every one has its turn in every round."""
    samples: dict[str, list[Import]] = {name: [] for name in IMPORTS if PEERS.exists() or "peer_" not in IMPORTS[name]}
    for number in range(plan.imports + 1):
        for name, turns in samples.items():
            command = [sys.executable, "-c", _TIMED.format(IMPORTS[name])]
            done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
            wall, cpu, memory = map(float, done.stdout.split())
            if number:  # the first one may have compiled
                turns.append(Import(wall * 1e3, cpu * 1e3, memory))
    return samples


def measure_generate() -> float | None:
    """Return the seconds that `make generate` takes for its work, aside: nothing is changed."""
    command = ["make", "--no-print-directory", "check-generated"]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began if done.returncode == 0 else None


def machine() -> list[str]:
    """Describe what this was measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    names = ["httpx", "httpcore", "anyio", "aiohttp", "requests", "urllib3", "pydantic", "openapi-generator-cli"]
    names += ["httpx2", "zapros", "pyqwest"]
    generator = next(
        line.split("==")[1].split('"')[0]
        for line in (ROOT / "pyproject.toml").read_text().splitlines()
        if "openapi-python-client==" in line
    )
    versions = [f"{name} {version(name)}" for name in names] + [f"openapi-python-client {generator}"]
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return [
        f"{model}, {os.cpu_count()} cores, {platform.system()}{load}",
        f"{platform.python_implementation()} {platform.python_version()}, {PACKAGE} {version(PACKAGE)}, "
        + ", ".join(versions),
    ]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a rough picture: fewer, shorter rounds")
    parser.add_argument("--wheel", type=Path, help="the wheel whose size is told")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks", help="folder of the report")
    options = parser.parse_args()
    plan, described = (QUICK if options.quick else Plan()), machine()

    from subjects import ASYNC, SYNC

    notes, fast = generate_peers(), fast_modules()
    if not fast:
        notes.append(f"{FAST}: skipped, the extra is not installed")
    labels = {
        kind: [name for name in subjects if not (name.startswith("OpenAPI Generator") and not PEERS.exists())]
        + ([FAST] if fast else [])
        for kind, subjects in (("sync", SYNC), ("async", ASYNC))
    }
    generate = measure_generate()
    pin(1)
    with subprocess.Popen(
        [sys.executable, str(HERE / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        pin(0)
        assert server.stdout is not None
        assert server.stdin is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        calls = {kind: measure_calls(kind, names, url, plan, plan.loads, fast) for kind, names in labels.items()}
        growth = {
            kind: measure_calls(kind, [name for name in names if name in GROWING], url, plan, plan.growth, fast)
            for kind, names in labels.items()
        }
        server.stdin.close()
    print("imports", flush=True)
    imports = measure_imports(plan)
    size = options.wheel.stat().st_size if options.wheel else None
    found = Report(described, plan.rounds, calls, growth, imports, size, generate, notes, quick=options.quick)
    text = report.markdown(found)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "client.md").write_text(text)
    (options.output / "client.svg").write_text(report.chart(found))
    (options.output / "growth.svg").write_text(growth_chart(found))
    print(text)


if __name__ == "__main__":
    main()
