"""The mock server beside its peers and beside the ceiling, in one run, round by round in turn.

Every server serves the same spec and gets the same valid PUT requests; this server checks, stores and records
each of them. The servers share one core, this load generator has another to itself. `make bench-mock` installs
the peers and runs this; docs/benchmarks/mock.md is what it writes.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import json
import os
import platform
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
PEERS = HERE / "peers"
SPEC = ROOT / "openapi" / "smarterproctoring.yaml"
STRICTNESS = ROOT / "tests" / "mock" / "strictness"
REPORT = ROOT / "docs" / "benchmarks" / "mock.md"
TOKEN = "T"  # noqa: S105  the servers', made up here
CONNECTIONS = (1, 16, 64)
SESSIONS = 1000
SERVER_CORE, GENERATOR_CORE = 0, 1


# --- requests ---------------------------------------------------------------------------------------------


def valid_requests() -> list[bytes]:
    """Return valid requests to a thousand sessions, of the size of a usual reschedule."""
    requests: list[bytes] = []
    for number in range(SESSIONS):
        path = f"/v1/installs/AI{1:032x}/exams/EX{number % 7:032x}/sessions/ES{number:032x}"
        day, hour = 1 + number % 28, number % 24
        body = json.dumps(
            {
                "type": "proctoru",
                "appointmentStartDateTime": f"2030-05-{day:02}T{hour:02}:00:00.000Z",
                "appointmentEndDateTime": f"2030-05-{day:02}T{hour:02}:45:00.000Z",
                "notes": f"moved at the student's request, {number:04}",
            }
        )
        head = (
            f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: bench\r\ntoken: {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append((head + body).encode())
    return requests


def is_complete(answer: bytes) -> bool:
    """Whether these octets are a whole answer. Raises RuntimeError where it is none of status 200."""
    head, end, rest = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"not accepted: {answer[:300]!r}")
    fields = head.lower()
    if b"transfer-encoding: chunked" in fields:
        return rest.endswith(b"0\r\n\r\n")
    length = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return len(rest) >= length


@dataclass
class Load:
    """What one round of load saw."""

    rate: float
    """Answers per second."""
    p99: float
    """Milliseconds."""
    cpu: float
    """Microseconds of the server's processes per request."""
    busy: float
    """Share of the time that the generator had answers to read: near 1 it would have measured itself."""


def drive(server: Running, requests: list[bytes], connections: int, seconds: float) -> Load:
    """Keep this many connections busy, one request at a time on each, and measure."""
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    started: dict[int, float] = {}
    partial: dict[int, bytes] = {}
    latencies: list[float] = []
    todo = itertools.cycle(requests)
    now = time.perf_counter
    size = 0  # of an answer; they are all of one size until one is not
    with contextlib.ExitStack() as stack:
        stack.callback(poll.close)
        for _ in range(connections):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            sockets[connection.fileno()] = connection
            poll.register(connection.fileno(), select.EPOLLIN)
        cpu, begin = server.cpu(), now()
        idle, end = 0.0, begin + seconds
        for number, connection in sockets.items():
            started[number] = now()
            connection.send(next(todo))
        while (instant := now()) < end or not latencies:
            if instant > end + 30:
                raise RuntimeError(f"the server on port {server.port} did not answer for 30 s")
            ready = poll.poll(0)  # a core that sleeps takes long to wake, and the server would wait for it
            if not ready:
                idle += now() - instant
            for number, _ in ready:
                connection = sockets[number]
                answer = connection.recv(65536)
                if not answer:
                    raise RuntimeError("the server closed the connection")
                if len(answer) != size or not answer.startswith(b"HTTP/1.1 200"):
                    answer = partial.pop(number, b"") + answer
                    if not is_complete(answer):
                        partial[number] = answer
                        continue
                    size = len(answer)
                instant = now()
                latencies.append(instant - started[number])
                started[number] = instant
                connection.send(next(todo))
        took, count = instant - begin, len(latencies)
        busy = 1 - idle / took
        spent = server.cpu() - cpu
    latencies.sort()
    return Load(count / took, latencies[int(count * 0.99)] * 1e3, spent / count * 1e6, busy)


# --- servers ----------------------------------------------------------------------------------------------


@dataclass
class Server:
    """One contestant."""

    name: str
    version: str
    command: Callable[[int, Path], list[str]]
    """From a port and an empty folder to the command line."""
    rounds: dict[int, list[Load]] = field(default_factory=lambda: {count: [] for count in CONNECTIONS})
    starts: list[float] = field(default_factory=list[float])
    memory: float = 0.0
    wrong: str = ""


class Running:
    """A server's process and all that it started."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def _members(self) -> Iterator[Path]:
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                session = path.read_text().rpartition(")")[2].split()[3]
                if int(session) == self.process.pid:  # which the process leads
                    yield path.parent

    def cpu(self) -> float:
        """Return the seconds of CPU that were used so far, by user and system, in all threads."""
        total = 0
        for member in self._members():
            for path in member.glob("task/*/schedstat"):
                with contextlib.suppress(OSError):
                    total += int(path.read_text().split()[0])
        return total / 1e9

    def memory(self) -> float:
        """Return the resident memory in MB."""
        total = 0
        for member in self._members():
            with contextlib.suppress(OSError):
                total += int((member / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return total / 1e6


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def running(server: Server, request: bytes) -> Generator[Running]:
    """Start a server on its core; note how long it took until it answered its first request."""
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        begin = time.perf_counter()
        process = subprocess.Popen(
            server.command(port, Path(folder)),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),  # noqa: PLW1509  no threads here
        )
        try:
            while not _answers(port, request):
                if process.poll() is not None or time.perf_counter() - begin > 60:
                    raise RuntimeError(f"{server.name} did not start: {' '.join(server.command(port, Path(folder)))}")
                time.sleep(0.002)
            server.starts.append(time.perf_counter() - begin)
            yield Running(process, port)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int, request: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(request)
            answer = b""
            while not is_complete(answer):
                data = connection.recv(65536)
                if not data:
                    return False
                answer += data
            return True
    except (OSError, RuntimeError):
        return False


def contestants(peers: bool) -> list[Server]:
    """Return the servers that can run here, this one first; say which cannot."""
    python = sys.executable
    mock = [python, "-m", "smarterproctoring_mock", "--token", TOKEN, "--spec", str(SPEC)]
    own = next(line.split()[1] for line in SPEC.read_text().splitlines() if line.startswith("  version:"))
    uvicorn = f"uvicorn {version('uvicorn')}"
    found = [
        Server("**this mock**", own, lambda port, _: [*mock, "--port", str(port)]),
        Server(
            "**this mock**, `--db`", own, lambda port, folder: [*mock, "--port", str(port), "--db", str(folder / "db")]
        ),
        Server("ceiling: do-nothing ASGI", uvicorn, lambda port, _: [python, str(HERE / "ceiling.py"), str(port)]),
    ]
    node = shutil.which("node")
    if not peers or node is None:
        print("npm peers: skipped (" + ("Node.js is not installed)" if node is None else "as asked)"))
        return found
    folder = PEERS / "node_modules"
    prism = folder / "@stoplight/prism-cli/dist/index.js"
    wanted: list[tuple[str, str, list[str]]] = [
        ("Redocly mock-server", "@redocly/mock-server", [str(PEERS / "redocly.cjs"), str(SPEC), "{port}"]),
        ("openapi-backend", "openapi-backend", [str(PEERS / "openapi-backend.cjs"), str(SPEC), "{port}"]),
        (
            "Steady",
            "@stdy/cli",
            [str(folder / "@stdy/cli/steady.js"), "-q", "--host", "127.0.0.1", "-p", "{port}", str(SPEC)],
        ),
        (
            "Prism",
            "@stoplight/prism-cli",
            [str(prism), "mock", "-v", "silent", "-h", "127.0.0.1", "-p", "{port}", str(SPEC)],
        ),
    ]
    for name, package, arguments in wanted:
        about = folder / package / "package.json"
        if not about.exists():
            print(f"{name}: skipped ({package} is not installed; make bench-mock installs it where there is npm)")
            continue
        found.append(Server(name, json.loads(about.read_text())["version"], _command(node, arguments)))
    return found


def _command(node: str, arguments: list[str]) -> Callable[[int, Path], list[str]]:
    return lambda port, _: [node, *(argument.replace("{port}", str(port)) for argument in arguments)]


# --- strictness -------------------------------------------------------------------------------------------


def _runner() -> Any:
    spec = importlib.util.spec_from_file_location("run_cases", STRICTNESS / "run_cases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wrong_answers(server: Server, request: bytes) -> str:
    """Send every strictness case; return how many were answered wrongly, and how."""
    module = _runner()
    wrong = accepted = failed = died = total = 0
    for file in ("cases.json", "more_cases.json"):
        names = [case["name"] for case in json.loads((STRICTNESS / file).read_text())["cases"]]
        while names:
            with running(server, request) as process:
                server.starts.pop()  # measured elsewhere, when nothing else runs
                runner = module.Runner(f"http://127.0.0.1:{process.port}", TOKEN, STRICTNESS / file, timeout=2)
                for case in [case for case in runner.cases if case["name"] in names]:
                    names.remove(case["name"])
                    result = runner.run(case)
                    got = result["got"] if isinstance(result["got"], list) else [result["got"]]
                    total += 1
                    wrong += result["verdict"] == "FAIL"
                    accepted += result["verdict"] == "FAIL" and case["expected_class"] == "4xx" and 200 in got
                    failed += result["verdict"] == "FAIL" and any(str(status).startswith("5") for status in got)
                    if result.get("dead"):
                        died += 1
                        break
    return f"{wrong} of {total}" + (f" ({accepted} accepted, {failed} × 5xx, {died} × dead)" if wrong else "")


# --- the run ----------------------------------------------------------------------------------------------


def measure(servers: list[Server], rounds: int, seconds: float) -> None:
    """Start and load every server in turn, round after round."""
    requests = valid_requests()
    for _ in range(3):
        for server in servers:
            with running(server, requests[0]):
                pass
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(running(server, requests[0])) for server in servers]
        for process in processes:
            drive(process, requests, 16, 2)  # what compiles while it runs has compiled then
        for number in range(rounds):
            for connections in CONNECTIONS:
                for server, process in zip(servers, processes, strict=True):
                    server.rounds[connections].append(drive(process, requests, connections, seconds))
            print(f"round {number + 1} of {rounds}", flush=True)
        for server, process in zip(servers, processes, strict=True):
            server.memory = process.memory()


def _median(server: Server, connections: int, name: str) -> float:
    return float(statistics.median(getattr(load, name) for load in server.rounds[connections]))


def faster(server: Server, other: Server, connections: int) -> float:
    """Return the median over the rounds of how many times faster a server was than another in the same round."""
    pairs = zip(server.rounds[connections], other.rounds[connections], strict=True)
    return statistics.median(one.rate / two.rate for one, two in pairs)


def cheaper(server: Server, other: Server, connections: int) -> float:
    """Return the same of the processor time per request, which other work on the machine disturbs less."""
    pairs = zip(server.rounds[connections], other.rounds[connections], strict=True)
    return statistics.median(two.cpu / one.cpu for one, two in pairs)


def report(servers: list[Server], rounds: int, seconds: float) -> str:
    """Write the tables."""
    ceiling, peers = servers[2], servers[3:]
    lines = [
        "# The mock server beside its peers",
        "",
        "Written by `make bench-mock`; the machine is whichever ran it last, so compare the ratios, not the figures.",
        "",
        f"{datetime.now(UTC):%d %B %Y} · {_machine()} · Python {platform.python_version()}, uvicorn "
        f"{version('uvicorn')}, httptools {version('httptools')}, uvloop {version('uvloop')}, jsonschema-rs "
        f"{version('jsonschema-rs')} · Node {_node()} · load average at the end {os.getloadavg()[0]:.1f}",
        "",
        f"Each server has core {SERVER_CORE}, the load generator core {GENERATOR_CORE}. {rounds} rounds of {seconds:g} "
        "s per server and number of connections, the servers in turn within a round; medians. Valid PUT requests "
        f"to {SESSIONS:,} sessions, one at a time on each connection. This mock checks each against the spec, stores "
        "the change with an audit row and records the request; the peers check, and keep nothing; the ceiling does "
        "nothing.",
        "",
        "| server | version | req/s at 1 / 16 / 64 | p99 ms at 1 / 16 / 64 | CPU µs a request at 1 / 16 / 64 "
        "| start s | MB after | wrong answers |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for server in servers:
        rates = " / ".join(f"{_median(server, count, 'rate'):,.0f}" for count in CONNECTIONS)
        p99 = " / ".join(f"{_median(server, count, 'p99'):.2g}" for count in CONNECTIONS)
        cpu = " / ".join(f"{_median(server, count, 'cpu'):.0f}" for count in CONNECTIONS)
        start = statistics.median(server.starts)
        lines.append(
            f"| {server.name} | {server.version} | {rates} | {p99} | {cpu} | {start:.2f} | {server.memory:.0f} "
            f"| {server.wrong or '–'} |"
        )
    lines += ["", "Ratios within the same round, requests per second / processor time per request:", ""]
    lines += ["| | at 1 | at 16 | at 64 |", "|---|---|---|---|"]
    for server in servers[:2]:
        for name, others in (("ceiling", [ceiling]), ("fastest peer", peers)):
            if others:
                cells = [
                    " / ".join(f"{min(how(server, other, n) for other in others):.2f}" for how in (faster, cheaper))
                    for n in CONNECTIONS
                ]
                lines.append(f"| {server.name} over the {name} | " + " | ".join(cells) + " |")
    busy = max(_median(server, count, "busy") for server in servers for count in CONNECTIONS)
    lines += [
        "",
        f"The generator was busy {busy:.0%} of the time at most: it was {'not ' if busy < 0.95 else ''}the bottleneck. "
        "*MB after* is the resident memory once the load is over: this mock then holds the newest 10,000 requests "
        "and, in memory, 100,000 audit rows. *Wrong answers* are to the cases of `tests/mock/strictness`: an answer of "
        "the wrong class, a 5xx, or none in 2 s.",
        "",
    ]
    return "\n".join(lines)


def _machine() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return f"{model}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}"
    return platform.platform()


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        return "none"
    return subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip().lstrip("v")


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.5, help="per server and round (%(default)s)")
    parser.add_argument("--no-peers", action="store_true", help="only this mock and the ceiling")
    parser.add_argument("--no-strictness", action="store_true", help="leave the strictness cases out")
    parser.add_argument("--output", type=Path, default=REPORT, help="the report (%(default)s)")
    options = parser.parse_args()
    if not hasattr(select, "epoll") or (os.cpu_count() or 1) < 2:
        print("error: bench-mock needs Linux and two cores, one for the servers and one for the load", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {GENERATOR_CORE})
    servers = contestants(not options.no_peers)
    measure(servers, options.rounds, options.seconds)
    if not options.no_strictness:
        for server in servers:
            if server is not servers[2]:
                server.wrong = wrong_answers(server, valid_requests()[0])
                print(f"{server.name}: wrong answers {server.wrong}", flush=True)
    text = report(servers, options.rounds, options.seconds)
    print("\n" + text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
