"""Carries out a plan: real processes of the command line, against the mock server."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from postgres import PostgresServer
from smarterproctoring_mock import MockApp

from history import lists, service
from history.facts import Command, History, Pause
from history.gather import JobFacts, Jobs, Ran, command_of, job_in
from history.plan import Act, Disruption, FaultKind, Plan, PlannedList
from history.processes import Host, Process

LEASE: Final = 5
"""Seconds: the shortest that bulk allows."""
LONG: Final = 300.0
"""Seconds after which a command hangs: after many answers of 429 a run needs minutes to be at its rate again."""
BAD_ROWS: Final = range(1, 27, 2)
"""The sessions whose changes always fail, where a plan wants that: fewer than open the breaker."""
TRIGGER: Final = 5.0
"""Seconds to wait for the requests before a disruption."""


@dataclass
class Lateness:
    """Measures by how much this machine is late while it is busy."""

    most: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.wait(0.02):
            now = time.monotonic()
            self.most = max(self.most, now - before - 0.02)
            before = now

    @contextmanager
    def measured(self) -> Generator[None]:
        """Measure for as long as the `with` block lasts."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


@dataclass
class Executor:
    """Carries out one plan.

    Attributes:
        plan: The plan.
        app: The mock server.
        url: Where it answers.
        folder: An empty folder.
        server: Postgres, if there is one.
        ran: The commands that ran, with what they were about.
    """

    plan: Plan
    app: MockApp
    url: str
    folder: Path
    server: PostgresServer | None = None
    ran: list[Ran] = field(default_factory=list[Ran])

    def __post_init__(self) -> None:
        """Write the lists, and choose the journal."""
        plan = self.plan
        self.app.reset()
        self.app.seed(lists.seed_of(plan.name, plan.lists))
        self._set_faults(plan.faults)
        for planned in plan.lists:
            lists.write_list(self.folder / planned.name, plan.name, planned)
        journal = str(self.folder / "journal.sqlite")
        if plan.shared and self.server is not None:
            journal = self.server.create_database()
        self._hosts = [
            Host(self.folder, self.folder / f"clock-{number}", self.url, journal)
            for number in range(3)
        ]
        self._set_clocks()
        self._reports = 0

    def run(self) -> History:
        """Carry it out; return what is known of it then."""
        lateness = Lateness()
        jobs = Jobs(self.plan)
        with lateness.measured():
            try:
                for act in self.plan.acts:
                    self._do(act)
                    self._look_at_crashed(act)
                status = self._finish()
                last = [self._report(facts["job"]) for facts in status]
                jobs.take(status, self.ran, last)
            finally:
                for ran in self.ran:
                    ran.process.kill()
        commands: list[Command] = [command_of(ran) for ran in self.ran]
        return History(
            name=self.plan.name,
            requests=service.requests_of(self.app),
            jobs=jobs.found,
            commands=commands,
            lateness=lateness.most,
        )

    # -- one act --

    def _do(self, act: Act) -> None:
        planned = self.plan.lists[act.of]
        begun = service.received(self.app)
        started = self._start(act, planned)
        if not started:
            return
        for disruption in act.disruptions:
            self._await_requests(begun + disruption.after, started)
            self._disrupt(disruption, started, planned)
        if act.kind == "work":
            self._await_job(planned, started)
            for ran in started:
                ran.process.send(signal.SIGTERM)
        self._await_end(started)
        self._set_clocks()

    def _start(self, act: Act, planned: PlannedList) -> list[Ran]:
        if act.kind == "work":
            workers = [
                self._command(planned, ["worker", "--patience", "2"], host=number)
                for number in range(act.hosts)
            ]
            words = ["submit", planned.name, *self._job_options(planned), *act.options]
            self._to_end(self._command(planned, words))
            return workers
        words = self._words(act, planned)
        if not words:
            return []
        return [
            self._command(planned, words, host=number, reports=act.kind != "verify")
            for number in range(act.hosts)
        ]

    def _words(self, act: Act, planned: PlannedList) -> list[str]:
        """Return a command; nothing if there is no job for it."""
        if act.kind == "run":
            options = [*self._job_options(planned), "--patience", "2", *act.options]
            return ["run", planned.name, *options]
        if act.kind in ("look", "verify"):
            reads = ["--rate", _rate_text(planned.rate), "--patience", "2"]
            if act.kind == "look":
                reads += ["-o", f"look-{len(self.ran)}.csv"]
            return [act.kind, planned.name, *reads]
        job = self._job_of(planned)
        if job is None:
            return []
        if act.kind == "undo":
            return ["undo", job, *self._job_options(planned), "--patience", "2"]
        if act.kind == "resume":
            return ["resume", job, "--patience", "2"]
        more = ["--reopen"] if act.kind == "reopen" else []
        return ["settle", job, "--patience", "2", *more]

    def _job_options(self, planned: PlannedList) -> list[str]:
        options = ["--yes", "--rate", _rate_text(planned.rate), "--lease", str(LEASE)]
        options += ["--lanes", str(planned.lanes)]
        options.append("--replay" if planned.replay else "--no-replay")
        if planned.record_before:
            options.append("--record-before")
        return options

    def _command(
        self,
        planned: PlannedList | None,
        words: Sequence[str],
        *,
        host: int = 0,
        reports: bool = False,
    ) -> Ran:
        report: Path | None = None
        complete = [*words]
        if reports and words[0] in ("run", "resume", "undo", "settle"):
            self._reports += 1
            report = self.folder / f"report-{self._reports}.jsonl"
            complete += ["--report", report.name]
        process = Process(self._hosts[host], complete)
        ran = Ran(process, planned, report)
        self.ran.append(ran)
        return ran

    # -- disruptions --

    def _await_requests(self, count: int, started: Sequence[Ran]) -> None:
        def reached() -> bool:
            over = all(ran.process.code is not None for ran in started)
            return over or service.received(self.app) >= count

        _wait(reached, TRIGGER)

    def _disrupt(
        self, disruption: Disruption, started: Sequence[Ran], planned: PlannedList
    ) -> None:
        target = started[disruption.target % len(started)]
        process = target.process
        kind = disruption.kind
        if kind == "faults":
            self._set_faults(self.plan.faults or ("lost",))
        elif kind == "clear":
            self._set_faults(())
        elif kind == "cancel":
            self._cancel(planned)
        elif kind == "restart":
            self._restart(started)
        elif kind == "jump":
            process.interruptions += 1
            sign = -1 if disruption.after % 2 else 1
            process.host.jump(sign * 10 * disruption.seconds)
        elif process.code is None:
            self._signal(disruption, target)

    def _signal(self, disruption: Disruption, target: Ran) -> None:
        process = target.process
        if disruption.kind == "kill":
            process.interruptions += 1
            process.kill()
        elif disruption.kind == "interrupt":
            process.send(signal.SIGINT)
        elif disruption.kind == "hurry":
            process.interruptions += 1
            process.send(signal.SIGINT)
            time.sleep(0.05)
            process.send(signal.SIGINT)
        elif disruption.kind == "stop":
            process.interruptions += 1
            began = time.time()
            process.send(signal.SIGSTOP)
            time.sleep(disruption.seconds)
            process.pauses.append(Pause(began, time.time()))
            process.send(signal.SIGCONT)

    def _restart(self, started: Sequence[Ran]) -> None:
        if self.server is None:
            return
        for ran in started:
            ran.process.interruptions += 1
            ran.without_journal = True
        self.server.stop()
        self.server.start()

    def _cancel(self, planned: PlannedList) -> None:
        job = self._job_of(planned)
        if job is not None:
            self._to_end(self._command(planned, ["cancel", job]))

    def _set_faults(self, kinds: Sequence[FaultKind]) -> None:
        plan = self.plan
        bad = [lists.session_of(plan.name, number) for number in BAD_ROWS]
        service.set_faults(self.app, kinds, plan.seed, bad)

    # -- waiting --

    def _await_job(self, planned: PlannedList, started: Sequence[Ran]) -> None:
        """Wait until the workers have nothing to do for a job, or are dead."""

        def over() -> bool:
            if all(ran.process.code is not None for ran in started):
                return True
            states = [
                facts["state"]
                for facts in self._status()
                if facts["source"] == planned.name
            ]
            return not any(state == "open" for state in states)

        _wait(over, 30.0, every=0.5)

    def _await_end(self, started: Sequence[Ran]) -> None:
        end = time.monotonic() + LONG
        for ran in started:
            patience = end - time.monotonic()
            if not ran.process.wait(patience / 2):
                # The service is in order again, and those who wait for it can go on.
                self._set_faults(())
            if not ran.process.wait(end - time.monotonic()):
                ran.hung = True
                ran.process.kill()
            ran.end()

    def _to_end(self, ran: Ran) -> str:
        """Let a command run to its end; return what it printed."""
        self._await_end([ran])
        return ran.process.output

    def _set_clocks(self) -> None:
        for host in self._hosts:
            host.jump(0.0)

    # -- what bulk says --

    def _status(self) -> list[JobFacts]:
        ran = self._command(None, ["status", "--json"])
        printed = self._to_end(ran)
        if ran.process.code != 0:
            return []
        return cast("list[JobFacts]", json.loads(printed.strip().splitlines()[-1]))

    def _job_of(self, planned: PlannedList) -> str | None:
        """Return the latest job of a list; None if there is none."""
        for ran in reversed(self.ran):
            named = job_in(ran.process.output)
            if ran.planned is planned and ran.name in ("run", "submit") and named:
                return named
        found = [
            facts["job"] for facts in self._status() if facts["source"] == planned.name
        ]
        return found[-1] if found else None

    def _look_at_crashed(self, act: Act) -> None:
        """Ask what is known of a job after a crash, before anything goes on with it."""
        if self.plan.shared or not any(each.kind == "kill" for each in act.disruptions):
            return
        planned = self.plan.lists[act.of]
        job = self._job_of(planned)
        if job is not None:
            self._report(job)

    def _report(self, job: str) -> Ran:
        self._reports += 1
        report = self.folder / f"report-{self._reports}.jsonl"
        ran = self._command(None, ["report", job, report.name])
        ran.report = report
        ran.job = job
        self._to_end(ran)
        return ran

    # -- the end --

    def _finish(self) -> list[JobFacts]:
        """Put the service in order, and finish every job; return what is said of them then."""
        self._set_faults(())
        status = self._status()
        for _ in range(3):
            left = [facts for facts in status if facts["state"] != "done"]
            if not left:
                break
            for facts in left:
                self._finish_job(facts, status)
            status = self._status()
        return status

    def _finish_job(self, facts: JobFacts, status: Sequence[JobFacts]) -> None:
        lists = {each.name: each for each in self.plan.lists}
        planned = lists.get(facts["source"])
        words = ["resume", facts["job"], "--patience", "2"]
        if planned is None:
            # The list of an undo is named after the job that it moves back, and has its rate.
            for undone in status:
                if undone["job"] in facts["source"]:
                    planned = lists.get(undone["source"])
        elif facts["state"].startswith("not submitted"):
            words = ["run", planned.name, *self._job_options(planned)]
        ran = self._command(planned, words, reports=True)
        ran.job = facts["job"]
        self._to_end(ran)


def _wait(condition: Callable[[], bool], seconds: float, every: float = 0.01) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(every)


def _rate_text(rate: float | None) -> str:
    return "none" if rate is None else f"{rate:g}/s"
