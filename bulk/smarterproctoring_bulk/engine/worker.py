"""The worker: DBOS hands it parts of chunks, and it sends their rows."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from smarterproctoring_bulk.engine.database import DatabaseError, trouble_of
from smarterproctoring_bulk.engine.durable import DBOS
from smarterproctoring_bulk.engine.journal import Journal, JsonSerializer, part_name
from smarterproctoring_bulk.engine.store import Chunk, Portion, Recorded
from smarterproctoring_bulk.jobs import (
    FORMAT,
    Job,
    application,
    attempt_limit,
    service_key,
    time_limit,
    turn,
)
from smarterproctoring_bulk.journal import JournalError, disk_full, process_name
from smarterproctoring_bulk.send import (
    Collected,
    Gate,
    Lane,
    ReadSession,
    Rules,
    Work,
    read_session,
)

T = TypeVar("T")

_FINAL = frozenset({"interrupt", "disk"})
"""Why a worker ends, rather than a job is paused."""
_LOOK = 1.0
"""Seconds between two looks at the journal."""
_SEEN = 0.01
"""Seconds for which the journal's file is taken to be there after it was seen."""


@dataclass
class Worker:
    """Works on the jobs of a journal in this process: DBOS allows one of it.

    Attributes:
        journal: The journal.
        gate: What the lanes share.
        base_url: Where the gate's client sends; jobs for other services are left alone.
        only: The job to work on; None for all.
        settled: Told of outcomes by state, as soon as they are in the journal.
        jobs: The jobs, as they were a second ago.
        lanes: How many parts are under way here.
        read: Reads a session before a change in doubt is sent again.
    """

    journal: Journal
    gate: Gate
    base_url: str
    only: str | None = None
    settled: Callable[[Mapping[str, int]], object] = lambda _: None
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    lanes: int = 0
    read: ReadSession | None = read_session
    _seen: bool = True
    _seen_at: float = -math.inf
    # DBOS makes its pool the loop's, and closes it.
    _looking: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _recording: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(4)
    )

    async def run(
        self,
        ended: Callable[[], Awaitable[bool]],
        pause: Callable[[str, str], Awaitable[None]] | None = None,
    ) -> None:
        """Work until `ended` says so, or the gate is stopped; finish what is under way.

        Args:
            ended: Called again and again to tell whether to end.
            pause: Called with reason and detail where a job cannot go on; then the work on
                others does. Without it, that is the end.

        Raises:
            JournalError: Nothing can be written any more. The process has to end, by
                `os._exit`: DBOS goes on trying.
        """
        await asyncio.to_thread(self.refresh)
        self._launch()
        watch = asyncio.create_task(self._watch())

        async def over() -> bool:
            try:
                return await ended()
            except DatabaseError:
                return False  # the watch finds out whether it stays so

        while not watch.done() and not await over():
            if self.gate.stopped and (pause is None or self.gate.stopped in _FINAL):
                break
            if self.gate.stopped and pause is not None:
                await pause(self.gate.stopped, self.gate.detail)
                await asyncio.to_thread(self.refresh)
                while self.lanes:  # noqa: ASYNC110 - once per pause
                    await asyncio.sleep(0.05)
                self.gate.restart()
            await asyncio.wait([watch], timeout=0.1)
        await self._leave(watch)

    def _launch(self) -> None:
        process = process_name(socket.gethostname(), os.getpid())
        DBOS(
            config={
                "name": application(self.base_url),
                "system_database_url": self.journal.place.url,
                "system_database_engine": self.journal.engine,
                "serializer": JsonSerializer(),
                "application_version": application(self.base_url),
                "executor_id": process + os.urandom(3).hex(),
                "use_listen_notify": False,
                "scheduler_polling_interval_sec": 3600.0,
                "log_level": "CRITICAL",
            }
        )

        async def part(job_id: str, number: int, part: int) -> None:
            await self._part(job_id, number, part)

        # DBOS marks the function, which a method does not allow.
        DBOS.workflow(name="part")(part)
        if self.only is not None:
            DBOS.listen_queues([self.jobs[self.only].queue])
        DBOS.launch()

    async def _leave(self, watch: asyncio.Task[None]) -> None:
        """End the taking up of parts, and wait for those that are under way.

        A job that was cancelled elsewhere has some, and what they have sent has to get into
        the journal.
        """
        patience = 3600 if self.gate.stopped or self.lanes else 0
        self.gate.stop("stop")
        leave = asyncio.create_task(
            asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=patience)
        )
        await asyncio.wait([watch, leave], return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            watch.result()
        watch.cancel()
        await leave

    # -- one part --

    async def _part(self, job_id: str, number: int, part: int) -> None:
        """Work on a part of a chunk: what DBOS calls. It runs once."""
        self.lanes += 1
        began = time.monotonic()
        try:
            if job_id not in self.jobs:  # submitted a moment ago
                await asyncio.to_thread(self.refresh)
            job = self.jobs[job_id]
            chunk = await self._in_thread(
                lambda: self.journal.begin_part(job, number, part)
            )
            if chunk is None:
                return
            work = await self._in_thread(lambda: self._work_of(job, chunk))
            lane = self._lane(job, work)
            try:
                await self._send(job, chunk, lane, began)
            finally:
                lane.close()
        finally:
            self.lanes -= 1

    def _work_of(self, job: Job, chunk: Chunk) -> Work:
        """Find out what is to be sent: not the rows whose session another job holds."""
        left = [
            row
            for position, row in enumerate(chunk.rows)
            if position >= chunk.begun or row.line in chunk.histories
        ]
        held = self.journal.store.held(job, left)
        others = frozenset(row.sids[2] for row in left) - held
        return Work(chunk.rows, chunk.begun, chunk.histories, others, chunk.slot)

    def _lane(self, job: Job, work: Work) -> Lane:
        job_id = job.id
        rules = Rules(
            rate=lambda: self.jobs[job_id].rate,
            lanes=lambda: self.jobs[job_id].lanes,
            window=job.window,
            seconds=turn(job.lease),
            kind=job.kind,
            replay=job.replay,
            halted=lambda: bool(self.jobs[job_id].paused) or not self._is_there(),
            read=self.read,
            record_before=job.record_before,
        )
        view = self.gate.client.with_options(
            retries=0, deadline=attempt_limit(job.lease), read_back="never"
        )
        return Lane(self.gate, view, work, rules)

    def _is_there(self) -> bool:
        """Tell whether the journal is there: asked for every row, and so not always looked up."""
        now = time.monotonic()
        if now - self._seen_at >= _SEEN:
            self._seen_at = now
            self._seen = self.journal.is_there()
        return self._seen

    async def _send(self, job: Job, chunk: Chunk, lane: Lane, began: float) -> None:
        """Send the rows of a chunk, and record each portion before the next is handed over."""
        while True:
            collected = await lane.collect()
            portion = self._portion(job, chunk, collected)
            recorded = await self._record(job, portion, began + time_limit(job.lease))
            if recorded == "lost":
                return  # another worker has the chunk, and marks what this one sent
            lane.recorded(collected)
            self.settled(Counter(outcome.state for outcome in collected.outcomes))
            if collected.ended:
                return
            if recorded == "superseded":
                lane.stop()  # the next part finds out which rows are not to be sent
            chunk = _moved_on(chunk, portion)

    def _portion(self, job: Job, chunk: Chunk, collected: Collected) -> Portion:
        next_part: str | None = None
        if collected.ended and collected.left:
            next_part = part_name(job.id, chunk.number, chunk.part + 1)
        return Portion(
            chunk=chunk,
            workflow=part_name(job.id, chunk.number, chunk.part),
            outcomes=collected.outcomes,
            sendings=collected.sendings,
            begun=collected.begun,
            histories=collected.histories,
            slot=collected.slot,
            next_part=next_part,
            ended=collected.ended,
        )

    async def _record(self, job: Job, portion: Portion, until: float) -> Recorded:
        """Record a portion; try again while the database cannot be reached."""
        while True:
            try:
                return await self._in_thread(lambda: self.journal.record(job, portion))
            except DatabaseError as error:
                if trouble_of(error) or time.monotonic() > until:
                    raise
            await asyncio.sleep(0.5)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._recording, call)

    # -- the journal --

    async def _watch(self) -> None:
        """Follow the journal: what is paused elsewhere, whose worker died, whether the disk holds."""
        while True:
            loop = asyncio.get_running_loop()
            look = loop.run_in_executor(self._looking, self._look)
            while not look.done():
                # Where nothing can be written, the look does not come back.
                await asyncio.wait([look], timeout=0.5)
                self._check()
            self._check()
            error = look.exception()
            if error is not None and not isinstance(error, DatabaseError):
                look.result()
            await asyncio.sleep(_LOOK)

    def _check(self) -> None:
        try:
            self.journal.check_place()
        except JournalError as error:
            # Nothing more is sent than what is under way: it could not be recorded.
            self.gate.stop("disk", str(error))
            raise

    def _look(self) -> None:
        path = self.journal.place.path
        if path is not None and path.parent.exists() and disk_full(path):
            self.gate.stop("disk", f"the disk of the journal {path} is nearly full")
        if self.journal.trouble:
            return
        self.refresh()
        if not self.gate.stopped:
            for job in list(self.jobs.values()):
                if not job.paused and job.submitted:
                    self.journal.take_over(job)

    def refresh(self) -> None:
        """Read the jobs again."""
        service = service_key(self.base_url)
        for job in self.journal.jobs():
            mine = job.service == service and job.format == FORMAT
            if mine and self.only in (None, job.id):
                self.jobs[job.id] = job


def _moved_on(chunk: Chunk, portion: Portion) -> Chunk:
    """Return a chunk as it is after a portion."""
    return Chunk(
        number=chunk.number,
        part=chunk.part,
        portion=chunk.portion + 1,
        begun=portion.begun,
        slot=portion.slot,
        histories=portion.histories,
        rows=chunk.rows,
    )
