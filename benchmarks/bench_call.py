"""Counts what one warm call costs, by its steps: Python frames and processor instructions. No clock is involved.

    make bench-call                 counts, and writes docs/benchmarks/call.md
    make frames                     prints the frames of one call, by package, and each by its depth with ARGS=--tree

Instructions are counted by valgrind's cachegrind (the difference of two runs, divided by the calls), so other load on
the machine does not change them. They leave the system's own work out, which all clients share.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from subjects import ASYNC, END, EXAM, INSTALL, SESSION, START, SYNC, TOKEN
from worker import run_async, run_sync

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks" / "call.md"
PEERS = HERE.parent / "build" / "bench" / "peers"
OURS = "this client"
FEW, MANY = 256, 768
"""Calls of the two runs whose difference is counted."""
AT_ONCE = 64
Step = Callable[[], object]


class Frame(NamedTuple):
    """A Python function that was entered or resumed."""

    depth: int
    module: str
    name: str


class Counted(NamedTuple):
    """What a step costs."""

    step: str
    frames: int
    instructions: int


@contextmanager
def server() -> Generator[str]:
    """Run the server in a process of its own; give its URL."""
    command = [sys.executable, str(HERE / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


# -- frames ------------------------------------------------------------------------------------------------------------


class Recorder:
    """Notes each frame that is entered, or resumed, between `begin` and `end`."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def begin(self) -> None:
        """Begin."""
        sys.setprofile(self._note)

    def end(self) -> None:
        """End, and forget the frame of this method."""
        sys.setprofile(None)
        self.frames.pop()

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        depth = 0
        caller = frame.f_back
        while caller is not None:
            depth += 1
            caller = caller.f_back
        module = str(frame.f_globals.get("__name__", ""))
        self.frames.append(Frame(depth, module, frame.f_code.co_qualname))


def frames_of(step: Step) -> list[Frame]:
    """Return the frames of a step, without its own."""
    step()
    recorder = Recorder()
    recorder.begin()
    step()
    recorder.end()
    return recorder.frames[1:]


def frames_sync(url: str) -> list[Frame]:
    """Return the frames of a warm synchronous call."""
    with SYNC[OURS](url) as call:
        return frames_of(lambda: call(""))


def frames_async(url: str) -> list[Frame]:
    """Return the frames of a warm asynchronous call, with those of the event loop."""

    async def one() -> list[Frame]:
        recorder = Recorder()
        async with ASYNC[OURS](url) as call:
            await call("")
            recorder.begin()
            await call("")
            recorder.end()
        return recorder.frames

    return asyncio.run(one())


def packages(frames: list[Frame]) -> Counter[str]:
    """Count the frames by package."""
    return Counter(frame.module.partition(".")[0] for frame in frames)


def own(counted: Counter[str]) -> int:
    """Return how many of the frames are this project's."""
    return sum(number for name, number in counted.items() if name.startswith("smarterproctoring"))


def print_frames(url: str, *, tree: bool) -> None:
    """Print the frames of both calls."""
    for kind, frames in (("synchronous", frames_sync(url)), ("asynchronous", frames_async(url))):
        counted = packages(frames)
        print(f"{kind}: {len(frames)} frames, {own(counted)} of them ours")
        for name, number in counted.most_common():
            print(f"    {number:4} {name}")
        if tree:
            least = min(frame.depth for frame in frames)
            for frame in frames:
                print(f"{'  ' * (frame.depth - least)}{frame.module} {frame.name}")


# -- steps of a call ---------------------------------------------------------------------------------------------------


def steps() -> dict[str, Step]:
    """Return the steps of a call that work without a connection, in their order."""
    import httpx
    from server import ANSWER
    from smarterproctoring.budget import RetryBudget
    from smarterproctoring.call import Call
    from smarterproctoring.credentials import Secret
    from smarterproctoring.prepare import from_keywords
    from smarterproctoring.seam import Received, requests_for
    from smarterproctoring.settings import Options
    from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
    from smarterproctoring_generated.records import Hidden
    from smarterproctoring_transport.exchange import PlainRequest
    from smarterproctoring_transport.fast import Connection, Parsed
    from smarterproctoring_transport.framing import Framing

    given: Hidden[Mapping[str, object]] = Hidden(
        {"appointment_start_date_time": START, "appointment_end_date_time": END}
    )
    sids = [INSTALL, EXAM, SESSION]
    options, budget, secret = Options(), RetryBudget(), Secret(TOKEN)
    requests = requests_for("http://127.0.0.1:80", options)
    connection = Connection(5.0)

    def prepare() -> object:
        return from_keywords(RESCHEDULE_EXAM_SESSION, sids, given, allow_empty=False)

    prepared = from_keywords(RESCHEDULE_EXAM_SESSION, sids, given, allow_empty=False)

    def make() -> httpx.Request:
        operation = prepared.operation
        request = requests.make(operation.method, prepared.path, prepared.content.reveal(), prepared.headers)
        request.headers["token"] = secret.reveal()
        return request

    request = make()
    plain = PlainRequest(request)

    def parse() -> object:
        connection.answer = Parsed()
        connection.answer.feed(Framing().take(ANSWER))
        return connection.response(None)

    def answer() -> httpx.Response:
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", b"12")]
        body = ANSWER.partition(b"\r\n\r\n")[2]
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body), extensions={"body": body})

    response = answer()

    def receive() -> Received:
        received = Received()
        received.begin(response)
        received.needs_reading()
        return received

    reply = receive().outcome()

    def rules() -> object:
        prepared.began = time.monotonic()
        call = Call(prepared, options, can_renew=False, budget=budget)
        call.begin(secret)
        call.settle(reply)
        return call.result(lambda _: None)

    return {
        "check the arguments, write body and path": prepare,
        "httpx's request, with the token": make,
        "httpcore's request": lambda: PlainRequest(request),
        "the request's bytes": lambda: connection.begin(plain),
        "frame and parse the answer": parse,
        "httpx's answer": answer,
        "take its status, headers and body": lambda: receive().outcome(),
        "begin an attempt, judge the answer, mask it, make the result": rules,
    }


# -- instructions ------------------------------------------------------------------------------------------------------


def run(kind: str, name: str, calls: int, url: str) -> None:
    """Make calls, or do a step as often."""
    if kind == "step":
        step = steps().get(name, int)
        for _ in range(calls):
            step()
    elif kind == "sync":
        with SYNC[name](url) as call:
            run_sync(lambda: call(""), 1, calls)
    else:
        asyncio.run(_run_async(name, calls, url))


async def _run_async(name: str, calls: int, url: str) -> None:
    async with ASYNC[name](url) as call:
        await run_async(lambda: call(""), AT_ONCE, calls)


def instructions(kind: str, name: str, url: str) -> int:
    """Return the instructions of one call, or of one step."""
    _counted([], kind, name, 1, url)  # so that no counted run compiles a module
    few, many = (_instructions(kind, name, calls, url) for calls in (FEW, MANY))
    return (many - few) // (MANY - FEW)


def _instructions(kind: str, name: str, calls: int, url: str) -> int:
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={os.devnull}"]
    said = _counted(tool, kind, name, calls, url)
    found = re.search(r"I\s+refs:\s+([\d,]+)", said)
    assert found is not None, said
    return int(found[1].replace(",", ""))


def _counted(tool: list[str], kind: str, name: str, calls: int, url: str) -> str:
    """Run this file under a tool; return what that says."""
    command = [*tool, sys.executable, __file__, "--run", kind, name, str(calls), url]
    every = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**every, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(map(str, (HERE, PEERS)))}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr


def count_steps(url: str) -> list[Counted]:
    """Count each step, less what calling an empty one takes."""
    empty = instructions("step", "", url)
    return [
        Counted(name, len(frames_of(step)), instructions("step", name, url) - empty) for name, step in steps().items()
    ]


def page(url: str) -> str:
    """Return the page of the documentation, with the tables measured and the text as it is."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- counted -->\n")
    after = rest.partition("<!-- end -->\n")[2]
    found = count_steps(url)
    clients = [("sync", OURS), ("async", OURS), ("async", "aiohttp")]
    if PEERS.exists():
        clients.append(("sync", "OpenAPI Generator, urllib3"))
    totals = {client: instructions(*client, url) for client in clients}
    frames = {"sync": frames_sync(url), "async": frames_async(url)}
    lines = [f"Python {platform.python_version()}, `fast=True`.", "", "| step | frames | thousand instructions |"]
    lines.append("|---|---|---|")
    lines += [f"| {one.step} | {one.frames} | {one.instructions / 1000:.0f} |" for one in found]
    for kind, name in (("sync", "synchronous"), ("async", "asynchronous, 64 at once")):
        rest_frames = len(frames[kind]) - sum(one.frames for one in found)
        rest_of = totals[kind, OURS] - sum(one.instructions for one in found)
        what = "pool, deadline, socket" if kind == "sync" else "pool, deadline, event loop"
        lines.append(f"| {name}: {what}, and the way between the steps | {rest_frames} | {rest_of / 1000:.0f} |")
        total = totals[kind, OURS] / 1000
        lines.append(f"| **{name}: the call** | **{len(frames[kind])}** | **{total:.0f}** |")
    for (kind, name), total in totals.items():
        if name != OURS:
            ratio = totals[kind, OURS] / total
            lines.append(f"| {name}, {kind}: the call | | {total / 1000:.0f} (this client: {ratio:.2f} of it) |")
    lines += ["", "| frames of one call, by package | synchronous | asynchronous |", "|---|---|---|"]
    both = {kind: packages(found) for kind, found in frames.items()}
    lines.append(f"| **ours** | **{own(both['sync'])}** | **{own(both['async'])}** |")
    for name in sorted({*both["sync"], *both["async"]}):
        lines.append(f"| {name} | {both['sync'][name]} | {both['async'][name]} |")
    table = "\n".join(lines)
    return f"{before}<!-- counted -->\n{table}\n<!-- end -->\n{after}"


def main() -> None:
    """Count, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", action="store_true", help="print the frames, and nothing else")
    parser.add_argument("--tree", action="store_true", help="print each frame, by its depth")
    parser.add_argument("--run", nargs=4, metavar="WORD", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        kind, name, calls, url = options.run
        run(kind, name, int(calls), url)
        return
    with server() as url:
        if options.frames or options.tree:
            print_frames(url, tree=options.tree)
        elif shutil.which("valgrind"):
            PAGE.write_text(page(url), encoding="utf-8")
            print(PAGE.read_text(encoding="utf-8"))
        else:
            sys.exit("error: valgrind is not installed; `make frames` needs none")


if __name__ == "__main__":
    main()
