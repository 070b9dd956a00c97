"""From commands that ran to what the judge knows of them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypedDict, cast

from history.facts import Command, Job, Report, Statement
from history.lists import rows_of
from history.plan import Plan, PlannedList
from history.processes import Process

_SETTLED: Final = 15.0
"""Seconds after which another host's death is known to all."""
_WORKING: Final = frozenset({"run", "worker", "resume", "undo"})
_ALWAYS: Final = frozenset({0})
_ENDS: Final[dict[str, frozenset[int]]] = {
    "run": frozenset({0, 2, 5, 7, 8, 9, 10}),
    "undo": frozenset({0, 2, 5, 7, 8, 9, 10}),
    "submit": frozenset({0, 2}),
    "resume": frozenset({0, 2, 5, 7, 8, 9, 10}),
    "settle": frozenset({0, 2, 7, 8, 9}),
    "look": frozenset({0, 5, 7, 9}),
    "verify": frozenset({0, 5, 7, 9}),
}
"""Exit codes of each command whatever the service does; all others end with 0."""
_PART: Final = (
    "is not in the journal whole, and the rest of its rows are not in the report"
)
"""What a command says of a report of a list that was not submitted whole."""
_PART_ONLY: Final = frozenset({2})
_INTERRUPTED: Final = frozenset({130})
_NO_JOURNAL: Final = 11


class JobFacts(TypedDict):
    """What `bulk status --json` says of a job, as far as it is needed."""

    job: str
    state: str
    source: str
    lanes: int


class _Record(TypedDict):
    line: int
    state: str
    sessionSid: str | None
    message: str | None
    maybeApplied: bool | None
    attempts: int | None
    perhaps: int | None


@dataclass
class Ran:
    """A command that ran, and what it was about.

    Attributes:
        process: The process.
        planned: The list; None if it is about no list.
        report: The report that it was to write.
        job: Its job, where that is known beforehand.
        ended: When it ended.
        hung: Whether it had to be killed in the end.
        without_journal: Whether it was kept from its journal.
    """

    process: Process
    planned: PlannedList | None
    report: Path | None = None
    job: str = ""
    ended: float = 0.0
    hung: bool = False
    without_journal: bool = False

    def end(self) -> None:
        """Note that it has ended."""
        if not self.ended:
            self.ended = time.time()

    @property
    def name(self) -> str:
        """The command."""
        return self.process.words[0]

    def is_about(self, job: str, source: str) -> bool:
        """Tell whether it may have worked on a job."""
        if self.name == "worker" or job in self.process.words:
            return True
        own = self.job or job_in(self.process.output)
        if own:
            return own == job
        return self.planned is not None and self.planned.name == source


def job_in(output: str) -> str:
    """Return the job that a command named; empty if it named none."""
    found = re.search(r"^job ([0-9a-f]{12}) for ", output, re.MULTILINE)
    return found[1] if found else ""


def command_of(ran: Ran) -> Command:
    """Return what the judge knows of a command."""
    process = ran.process
    expected = _ENDS.get(ran.name, _ALWAYS)
    if ran.name == "report" and _PART in process.output:
        expected = _PART_ONLY
    if ran.without_journal:
        expected |= {_NO_JOURNAL}
    names = [number.name for number in process.signals]
    if "SIGKILL" in names and not ran.hung:
        expected |= {-9}
    if "SIGINT" in names or "SIGTERM" in names:
        expected |= _INTERRUPTED
    output = process.output
    if ran.hung:
        output += "\nit did not end"
    return Command(
        words=process.words,
        began=process.began,
        ended=ran.ended or time.time(),
        code=-99 if process.code is None else process.code,
        output=output,
        expected=expected,
        rates=rates_of(ran),
    )


def rates_of(ran: Ran) -> dict[str, float | None]:
    """Return the rates that a command uses, by what they are for."""
    planned = ran.planned
    if planned is None:
        return {}
    if ran.name in ("run", "worker", "resume"):
        return {planned.name: planned.rate}
    if ran.name in ("settle", "undo", "look", "verify"):
        return {f"{ran.name} {ran.process.began}": planned.rate}
    return {}


@dataclass
class Jobs:
    """The jobs of a history, and what was said of them.

    Attributes:
        plan: The plan.
        found: The jobs, the oldest first.
    """

    plan: Plan
    found: list[Job] = field(default_factory=list[Job])

    def take(
        self, status: Sequence[JobFacts], ran: Sequence[Ran], last: Sequence[Ran]
    ) -> None:
        """Find out about every job.

        Args:
            status: What `bulk status` says at the end.
            ran: All commands.
            last: Those that wrote the reports at the end, one for each job.
        """
        lists = {planned.name: planned for planned in self.plan.lists}
        for facts in status:
            planned = lists.get(facts["source"])
            self.found.append(self._job(facts, planned, ran))
        for each in ran:
            self._add_report(each, ran)
        for job, each in zip(self.found, last, strict=True):
            job.reports.sort(key=lambda report: report.moment)
            if each.process.code != 0:
                job.state = f"{job.state}, and `bulk report` failed"

    def _job(
        self, facts: JobFacts, planned: PlannedList | None, ran: Sequence[Ran]
    ) -> Job:
        job_id, source = facts["job"], facts["source"]
        about = [each for each in ran if each.is_about(job_id, source)]
        planned_of = planned or self._undone(source)
        rows = [] if planned is None else rows_of(self.plan.name, planned.rows)
        job = Job(
            id=job_id,
            source=source,
            rows=rows,
            began=_began(job_id, about),
            is_undo=planned is None,
            rate=planned_of.rate,
            lanes=facts["lanes"],
            state=facts["state"],
            may_be_unfinished=planned is None and "submitted" in facts["state"],
        )
        for each in about:
            job.interruptions += each.process.interruptions + each.hung
            job.pauses += each.process.pauses
            job.renewals += "gave-up" in each.process.words
            job.renewals += "--reopen" in each.process.words
        return job

    def _undone(self, source: str) -> PlannedList:
        """Return the list whose job an undo moves back: its options are taken over."""
        for job in self.found:
            if job.id in source:
                names = {planned.name: planned for planned in self.plan.lists}
                return names.get(job.source, self.plan.lists[0])
        return self.plan.lists[0]

    def _add_report(self, ran: Ran, others: Sequence[Ran]) -> None:
        if ran.report is None or not ran.report.exists():
            return
        job_id = ran.job or job_in(ran.process.output)
        if not job_id and ran.name in ("resume", "settle"):
            job_id = ran.process.words[1]
        works = ran.name in ("run", "resume", "undo")
        for job in self.found:
            if job.id == job_id:
                report = Report(
                    moment=ran.ended,
                    statements=read_report(ran.report),
                    code=ran.process.code if works else None,
                    alone=_alone(ran, job, others, shared=self.plan.shared),
                    left_alone=_left_alone(ran.process.output),
                    is_whole=_PART not in ran.process.output,
                )
                if not job.is_undo or works or ran.name == "report":
                    job.reports.append(report)


def _left_alone(output: str) -> int:
    """Return how many sessions a command said that it left alone."""
    found = re.search(
        r" can be moved back, ([0-9,]+) left alone$", output, re.MULTILINE
    )
    return int(found[1].replace(",", "")) if found else 0


def _began(job: str, about: Iterable[Ran]) -> float:
    """Return when the first command began that made a job."""
    makers = [ran for ran in about if ran.name in ("run", "submit", "undo")]
    naming = [
        ran.process.began
        for ran in makers
        if job in (ran.job, job_in(ran.process.output))
    ]
    silent = [ran.process.began for ran in makers if not job_in(ran.process.output)]
    return min(naming + silent, default=0.0)


def _alone(ran: Ran, job: Job, others: Sequence[Ran], *, shared: bool) -> bool:
    """Tell whether nothing else worked on a job while a command did, or a while before."""
    since = ran.process.began - (_SETTLED if shared else 0.0)
    return not any(
        other is not ran
        and other.name in _WORKING
        and other.is_about(job.id, job.source)
        and other.ended >= since
        and other.process.began <= ran.ended
        for other in others
    )


def read_report(path: Path) -> list[Statement]:
    """Read a report as JSON Lines."""
    statements: list[Statement] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        record = cast("_Record", json.loads(line))
        statements.append(
            Statement(
                line=record["line"],
                session=record["sessionSid"] or "",
                state=record["state"],
                maybe_applied=bool(record["maybeApplied"]),
                attempts=record["attempts"] or 0,
                perhaps=record["perhaps"] or 0,
                message=record["message"] or "",
            )
        )
    return statements
