"""Compares the rows of a list with what the journal knows of their sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from smarterproctoring_bulk.jobs import MAX_SENDINGS, Again
from smarterproctoring_bulk.outcomes import History, Outcome, State

Verdict: TypeAlias = Literal["send", "done", "changed", "gave_up", "open"]
"""What is to be done with a row.

`send` it; it is `done`, because an earlier job applied the same change; the session was
`changed` by a later one; the same change `gave_up` before; the session is `open` in another
job, which is not finished.
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one session of a service.

    Attributes:
        holder: The open job that will send a change for it, or is sending it.
        digest: The digest of the last change that was applied, or may have been.
        state: What became of that change.
        job: The job that sent it.
        maybe_applied: Whether it may have been applied although it is not `ok`.
        sendings: How often it was sent.
        earlier: The digests of the changes before it.
    """

    holder: str | None
    digest: str | None
    state: str | None
    job: str | None
    maybe_applied: bool
    sendings: int
    earlier: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done with a row, and which job is the reason.

    Attributes:
        verdict: What is to be done.
        job: The job that is the reason; empty for none.
        history: What is known of a row that is sent again.
        maybe_applied: Whether a row that gave up may have been applied.
    """

    verdict: Verdict
    job: str = ""
    history: History | None = None
    maybe_applied: bool = False


SEND = Decision("send")


@dataclass(slots=True)
class Comparison:
    """How many rows of a list are to be sent, and why others are not.

    Attributes:
        send: Rows to send.
        done: By job, rows whose change it applied already.
        changed: By job, rows whose session it changed after this change was applied.
        gave_up: By job, rows that gave up there.
        open: By job, rows whose session it holds, because it is not finished.
    """

    send: int = 0
    done: Counter[str] = field(default_factory=Counter[str])
    changed: Counter[str] = field(default_factory=Counter[str])
    gave_up: Counter[str] = field(default_factory=Counter[str])
    open: Counter[str] = field(default_factory=Counter[str])

    def add(self, decision: Decision) -> None:
        """Count one more row."""
        if decision.verdict == "send":
            self.send += 1
        elif decision.verdict == "done":
            self.done[decision.job] += 1
        elif decision.verdict == "changed":
            self.changed[decision.job] += 1
        elif decision.verdict == "gave_up":
            self.gave_up[decision.job] += 1
        else:
            self.open[decision.job] += 1

    def lines(self) -> Iterator[str]:
        """Yield what an operator has to know."""
        for jobs, meaning in (
            (self.done, "already done ({job}); not sent again, unless --again done"),
            (
                self.changed,
                "applied before, and changed by {job} since; not sent, "
                "unless --again changed",
            ),
            (self.gave_up, "gave up in {job}; not sent, unless --again gave-up"),
        ):
            for job, count in jobs.items():
                yield f"{count:,} {meaning.format(job=f'job {job}')}"


def decide(
    known: Known | None,
    digest: str,
    job_id: str,
    again: frozenset[Again],
    *,
    replay: bool,
    supersede: bool,
) -> Decision:
    """Decide about one row.

    Args:
        known: What the journal knows of its session.
        digest: The digest of its change.
        job_id: The job that is to send it.
        again: Rows that are sent again though they were sent before.
        replay: Whether a change that may have been applied is sent again.
        supersede: Whether sessions are taken from jobs that hold them.
    """
    if known is None or job_id in (known.holder, known.job):
        return SEND
    if known.holder is not None and not supersede:
        return Decision("open", known.holder)
    job = known.job or ""
    if known.digest == digest:
        return _decide_same(known, job, again, replay=replay)
    if digest in known.earlier and "changed" not in again:
        return Decision("changed", job)
    return SEND


def _decide_same(
    known: Known, job: str, again: frozenset[Again], *, replay: bool
) -> Decision:
    """Decide about a row whose change is the last one that the session got."""
    if known.state == "ok":
        return SEND if "done" in again else Decision("done", job)
    sent = History(maybe_applied=known.maybe_applied, sendings=known.sendings)
    if "gave-up" in again:
        sent = History(maybe_applied=known.maybe_applied)
    elif not may_be_sent(sent, replay=replay):
        return Decision("gave_up", job, maybe_applied=known.maybe_applied)
    return Decision("send", history=sent)


def may_be_sent(history: History, *, replay: bool) -> bool:
    """Tell whether a row that gave up may be sent again without being asked for."""
    if history.maybe_applied and not replay:
        return False
    return history.sendings < MAX_SENDINGS


def outcome_of(
    decision: Decision, line: int, sids: tuple[str, str, str], at: float
) -> Outcome:
    """Return the outcome of a row that is not sent."""
    states: dict[Verdict, State] = {
        "done": "done",
        "changed": "superseded",
        "gave_up": "gave_up",
        "open": "superseded",
    }
    messages: dict[Verdict, str] = {
        "done": f"already applied by job {decision.job}",
        "changed": f"job {decision.job} changed this session since",
        "gave_up": f"gave up in job {decision.job}; --again gave-up sends it again",
        "open": f"job {decision.job} holds this session",
    }
    return Outcome(
        line=line,
        sids=sids,
        state=states[decision.verdict],
        message=messages[decision.verdict],
        maybe_applied=decision.maybe_applied,
        at=at,
    )


def compared(decisions: Iterable[Decision]) -> Comparison:
    """Count decisions."""
    comparison = Comparison()
    for decision in decisions:
        comparison.add(decision)
    return comparison
