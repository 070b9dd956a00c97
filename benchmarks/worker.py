"""A process that holds one client and, told `CONCURRENCY CALLS NOTES` on a line, makes calls and tells what they cost.

NOTES is the number of characters of the notes in each body; 0 for none.

One process for each client, so that none pays for another's modules, garbage or threads.

    worker.py sync|async NAME URL [MODULE…]     the modules are kept from being imported, as if they were not installed
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import NamedTuple

from subjects import ASYNC, SYNC


def shares(calls: int, concurrency: int) -> Iterator[int]:
    """Split calls evenly."""
    for index in range(concurrency):
        yield calls // concurrency + (index < calls % concurrency)


def check(answer: object) -> None:
    """A client that does not read the answer does another job."""
    if answer != "Successful":
        raise RuntimeError(f"unexpected answer: {answer!r}")


def run_sync(call: Callable[[], object], concurrency: int, calls: int) -> None:
    """Make calls in as many threads as asked for."""
    failures: list[BaseException] = []

    def work(share: int) -> None:
        try:
            for _ in range(share):
                check(call())
        except BaseException as error:  # noqa: BLE001 - told to the parent
            failures.append(error)

    if concurrency == 1:
        work(calls)
    else:
        threads = [threading.Thread(target=work, args=(share,)) for share in shares(calls, concurrency)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


async def run_async(call: Callable[[], Awaitable[object]], concurrency: int, calls: int) -> None:
    """Make calls in as many tasks as asked for."""

    async def work(share: int) -> None:
        for _ in range(share):
            check(await call())

    async with asyncio.TaskGroup() as group:
        for share in shares(calls, concurrency):
            group.create_task(work(share))


class Order(NamedTuple):
    """What to do."""

    concurrency: int
    calls: int
    notes: str


def orders() -> Iterator[Order]:
    """Read what to do."""
    print("ready", flush=True)
    for line in sys.stdin:
        concurrency, calls, length = map(int, line.split())
        yield Order(concurrency, calls, "n" * length)


def clocks() -> tuple[float, float]:
    """Return seconds on the wall, and on the processor for all threads; garbage of what went before is not paid for."""
    gc.collect()
    return time.perf_counter(), time.process_time()


def tell(begun: tuple[float, float], calls: int) -> None:
    """Tell the parent the microseconds per call."""
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    print(json.dumps({"wall": wall / calls * 1e6, "cpu": cpu / calls * 1e6}), flush=True)


def tell_failure(error: BaseException) -> None:
    """Tell the parent why there are no figures."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    print(json.dumps({"failed": f"{type(error).__name__}: {error}"[:200]}), flush=True)


async def serve_async(name: str, url: str) -> None:
    """Serve orders with an asynchronous client; between rounds there is nothing for the loop to do."""
    async with ASYNC[name](url) as call:
        for order in orders():
            one = partial(call, order.notes)
            try:
                # Opens what was closed since its last turn.
                await run_async(one, order.concurrency, order.concurrency)
                begun = clocks()
                await run_async(one, order.concurrency, order.calls)
                tell(begun, order.calls)
            except BaseException as error:  # noqa: BLE001
                tell_failure(error)


def serve_sync(name: str, url: str) -> None:
    """Serve orders with a synchronous client."""
    with SYNC[name](url) as call:
        for order in orders():
            one = partial(call, order.notes)
            try:
                run_sync(one, order.concurrency, order.concurrency)  # opens what was closed since its last turn
                begun = clocks()
                run_sync(one, order.concurrency, order.calls)
                tell(begun, order.calls)
            except BaseException as error:  # noqa: BLE001
                tell_failure(error)


if __name__ == "__main__":
    kind, subject, base_url, *absent = sys.argv[1:]
    for module in absent:
        sys.modules[module] = None  # type: ignore[assignment]
    if kind == "async":
        asyncio.run(serve_async(subject, base_url))
    else:
        serve_sync(subject, base_url)
