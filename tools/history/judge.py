"""What has to be true of every history: one function for each rule. All of it is pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from history.facts import (
    ANY_UNDO,
    CONFIRMED,
    UNDER_WAY,
    Command,
    History,
    Job,
    Pause,
    Report,
    Request,
    Row,
    Statement,
    Violation,
    at_risk,
    is_as_asked,
)

GOOD: Final = frozenset({"ok", "done", "duplicate"})
NOT_SENT: Final = frozenset({"done", "duplicate", "conflict", "invalid"})
STATES: Final = GOOD | NOT_SENT | {"rejected", "superseded", "gave_up", "open"}
SENDINGS: Final = 5
"""Of a row in its life, unless somebody asks for more."""
UNCOUNTED: Final = frozenset({401, 429})
"""Answers that use up no sending."""
FAILED_ROWS: Final = 20
WENT_ON: Final = 5.0
"""Seconds within which a process that goes on sends what it had under way: the lease of a history."""
PAUSE_TEXT: Final = "paused, every request fails"
MAYBE_APPLIED: Final = 8
PAUSED: Final = frozenset({7, 9})
FINISHED: Final = frozenset({0, 5})


@dataclass(slots=True)
class Evidence:
    """A history, with what is asked for most.

    Attributes:
        history: The history.
        requests: What the service got, by session.
        sharing: The jobs that ask for a change of a session, by session.
    """

    history: History
    requests: Mapping[str, Sequence[Request]] = field(init=False)
    sharing: Mapping[str, Sequence[tuple[Job, str]]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the requests and the jobs by session."""
        requests: dict[str, list[Request]] = defaultdict(list)
        for request in self.history.requests:
            requests[request.session].append(request)
        self.requests = requests
        sharing: dict[str, list[tuple[Job, str]]] = defaultdict(list)
        for job in self.history.jobs:
            for session, change in changes_of(job).items():
                sharing[session].append((job, change))
        self.sharing = sharing

    def sent(
        self, session: str, change: str, since: float, until: float
    ) -> list[Request]:
        """Return the requests that asked for a change within a time."""
        return [
            request
            for request in self.requests.get(session, ())
            if request.change
            and is_as_asked(request.change, change)
            and since <= request.time <= until
        ]

    def others(self, job: Job, session: str, change: str) -> list[Job]:
        """Return the other jobs that ask for the same change."""
        return [
            other
            for other, asked in self.sharing.get(session, ())
            if other is not job and asked == change
        ]


def changes_of(job: Job) -> dict[str, str]:
    """Return what a job may send, by session."""
    if job.is_undo:
        sessions = [row.session for report in job.reports for row in report.statements]
        return dict.fromkeys(sessions, ANY_UNDO)
    return {row.session: row.change for row in job.rows if row.kind == "send"}


# -- one outcome for each row -----------------------------------------------------------


def one_state_per_row(evidence: Evidence) -> Iterator[Violation]:
    """Every row of a list is in a report exactly once, in a state that fits it."""
    for job in evidence.history.jobs:
        expected = {row.line: row for row in job.rows}
        for report in job.reports:
            lines = Counter(statement.line for statement in report.statements)
            for line, count in lines.items():
                if count > 1:
                    yield _wrong(
                        "one state per row", job, f"line {line}: {count} times"
                    )
            if not job.is_undo and report.is_whole:
                yield from _missing(job, expected, lines)
            for statement in report.statements:
                yield from _state_fits(job, expected.get(statement.line), statement)


def _missing(
    job: Job, expected: Mapping[int, Row], lines: Mapping[int, int]
) -> Iterator[Violation]:
    for line, row in expected.items():
        if line not in lines:
            message = f"line {line} is in no state"
            yield _wrong("one state per row", job, message, row.session)
    for line in lines.keys() - expected.keys():
        yield _wrong("one state per row", job, f"line {line} is not in the list")


def _state_fits(job: Job, row: Row | None, statement: Statement) -> Iterator[Violation]:
    if statement.state not in STATES:
        message = f"line {statement.line} is {statement.state!r}"
        yield _wrong("one state per row", job, message, statement.session)
    if row is None:
        return
    stays = ("duplicate", "conflict", "invalid")
    kind = statement.state if statement.state in stays else "send"
    if kind != row.kind:
        message = f"line {row.line} is {statement.state}, and the row is {row.kind}"
        yield _wrong("one state per row", job, message, row.session)


def nothing_lost(evidence: Evidence) -> Iterator[Violation]:
    """At the end, every row of a job that was to be finished is settled."""
    for job in evidence.history.jobs:
        if job.may_be_unfinished or not job.reports:
            continue
        if job.state != "done":
            yield _wrong("nothing lost", job, f"at the end it is {job.state}")
        for statement in job.reports[-1].statements:
            if statement.state == "open":
                message = f"at the end line {statement.line} is still open"
                yield _wrong("nothing lost", job, message, statement.session)


# -- every statement is true ------------------------------------------------------------


def ok_is_stored(evidence: Evidence) -> Iterator[Violation]:
    """A row that is ok was stored by the job, or a read showed it; one that is done was stored."""
    for job, report in _reports(evidence):
        for statement in report.statements:
            if statement.state == "ok":
                change = job.change_for(statement.session)
                problem = _why_not_ok(evidence, job, change, statement, report.moment)
            elif statement.state == "done":
                problem = _why_not_done(evidence, job, statement, report.moment)
            else:
                continue
            if problem:
                message = f"line {statement.line} is {statement.state}, and {problem}"
                yield _wrong("ok is stored", job, message, statement.session)


def _why_not_ok(
    evidence: Evidence, job: Job, change: str, statement: Statement, until: float
) -> str:
    session = statement.session
    if statement.message != CONFIRMED:
        sent = evidence.sent(session, change, job.began, until)
        if any(request.stored and request.answer == "yes" for request in sent):
            return ""
        return "the job stored nothing that was answered so"
    reads = [
        request
        for request in evidence.requests.get(session, ())
        if request.shown and job.began <= request.time <= until
    ]
    if change == ANY_UNDO:
        return "" if reads else "the session was never read"
    if any(is_as_asked(request.shown, change) for request in reads):
        return ""
    return "no read showed it"


def _why_not_done(
    evidence: Evidence, job: Job, statement: Statement, until: float
) -> str:
    change = job.change_for(statement.session)
    sent = evidence.sent(statement.session, change, 0.0, until)
    if any(request.stored for request in sent):
        return ""
    reads = evidence.requests.get(statement.session, ())
    if any(read.shown and is_as_asked(read.shown, change) for read in reads):
        return ""
    return "nobody stored it before"


def not_applied_is_not_stored(evidence: Evidence) -> Iterator[Violation]:
    """A row that is not ok and is not said to be in doubt was not stored by the job."""
    for job, report in _reports(evidence):
        if not report.alone:
            continue
        for statement in report.statements:
            if statement.state in GOOD or statement.maybe_applied:
                continue
            change = job.change_for(statement.session)
            if not change or _is_owned(evidence, job, statement.session, change):
                continue
            sent = evidence.sent(statement.session, change, job.began, report.moment)
            if any(request.stored for request in sent):
                message = (
                    f"line {statement.line} is {statement.state} and not applied, and "
                    "the change was stored"
                )
                yield _wrong(
                    "not applied is not stored", job, message, statement.session
                )


def _is_owned(evidence: Evidence, job: Job, session: str, change: str) -> bool:
    """Tell whether another job asks for the same change, and may have made it."""
    return bool(evidence.others(job, session, change))


def doubt_has_a_reason(evidence: Evidence) -> Iterator[Violation]:
    """A row in doubt had an answer that leaves it open, or a process of the job died.

    While another process works on the job, a row may be on its way there.
    """
    for job, report in _reports(evidence):
        unexplained = [
            statement
            for statement in report.statements
            if statement.maybe_applied
            and (report.alone or statement.message != UNDER_WAY)
            and not _explained(evidence, job, statement, report.moment)
        ]
        allowed = job.interruptions * at_risk(job.rate, job.lanes)
        if len(unexplained) > allowed:
            first = unexplained[0]
            message = (
                f"{len(unexplained)} rows may have been applied for no reason, "
                f"{allowed} at most after {job.interruptions} interruptions; the first is "
                f"line {first.line}"
            )
            yield _wrong("doubt has a reason", job, message, first.session)
        for statement in report.statements:
            if statement.state in GOOD and statement.maybe_applied:
                message = f"line {statement.line} is {statement.state} and in doubt"
                yield _wrong("doubt has a reason", job, message, statement.session)


def _explained(
    evidence: Evidence, job: Job, statement: Statement, until: float
) -> bool:
    session = statement.session
    change = job.change_for(session)
    if _is_owned(evidence, job, session, change):
        return True
    sent = evidence.sent(session, change, job.began, until)
    return any(request.answer == "open" for request in sent)


def attempts_are_counted(evidence: Evidence) -> Iterator[Violation]:
    """`attempts` were certainly made, and `perhaps` is the most that may have been made besides."""
    for job, report in _reports(evidence):
        if not report.alone:
            continue
        for statement in report.statements:
            session = statement.session
            change = job.change_for(session)
            if not change or _is_owned(evidence, job, session, change):
                continue
            made = len(evidence.sent(session, change, job.began, report.moment))
            most = statement.attempts + statement.perhaps + job.stops
            if not statement.attempts <= made <= most:
                message = (
                    f"line {statement.line}: {statement.attempts} attempts and perhaps "
                    f"{statement.perhaps} more, and {made} were made"
                )
                yield _wrong("attempts are counted", job, message, session)


# -- what is sent -----------------------------------------------------------------------


def only_what_is_listed_is_sent(evidence: Evidence) -> Iterator[Violation]:
    """Every change that was sent is in a list."""
    for session, requests in evidence.requests.items():
        asked = [change for _, change in evidence.sharing.get(session, ())]
        for request in requests:
            if not request.change:
                continue
            if not any(is_as_asked(request.change, change) for change in asked):
                message = f"{request.change} was sent, and no list asks for it"
                yield Violation("only what is listed is sent", message, session)


def sendings_are_bounded(evidence: Evidence) -> Iterator[Violation]:
    """A row is sent at most five times in its life, and five times more where somebody asks."""
    for session, jobs in evidence.sharing.items():
        bounds: Counter[str] = Counter()
        for job, change in jobs:
            bounds[change] += SENDINGS * (1 + job.renewals) + job.stops
        for change, bound in bounds.items():
            sent = evidence.sent(session, change, 0.0, float("inf"))
            counted = sum(request.status not in UNCOUNTED for request in sent)
            if counted > bound:
                message = f"{change} was sent {counted} times, {bound} at most"
                yield Violation("sendings are bounded", message, session)


def rate_is_kept(evidence: Evidence) -> Iterator[Violation]:
    """In no second, and on no average of five, do more requests begin than the rates allow.

    In one and the same second each lane may begin one more than its share. What the machine
    itself was late may arrive together.
    """
    history = evidence.history
    moments = [request.time for request in history.requests]
    lanes = max((job.lanes for job in history.jobs), default=1)
    for span in (1.0, 5.0):
        late = span + 0.5 + 2 * history.lateness
        begin = 0
        for end, moment in enumerate(moments):
            while moment - moments[begin] >= span:
                begin += 1
            count = end + 1 - begin
            rate = _rate_within(history.commands, moments[begin], moment)
            if rate is not None and count > rate * late + 2 * lanes:
                message = (
                    f"{count} requests within {span:g} s, and {rate:g}/s are allowed"
                )
                yield Violation("rate is kept", message)
                return


def _rate_within(commands: Sequence[Command], begin: float, end: float) -> float | None:
    """Return the sum of the rates within a time; None for no limit."""
    rates: dict[str, float | None] = {}
    for command in commands:
        if command.began <= end and command.ended >= begin - 1:
            rates.update(command.rates)
    total = 0.0
    for rate in rates.values():
        if rate is None:
            return None
        total += rate
    return total


def newer_is_not_overwritten(evidence: Evidence) -> Iterator[Violation]:
    """No session is moved by an older job after a newer one, unless somebody asks for it.

    What a process had under way when it was stopped may be sent when it goes on: see `_Excuses`.
    """
    excuses = _Excuses(evidence.history.lateness)
    for session, jobs in evidence.sharing.items():
        newest = 0
        moved_at = 0.0
        for request in evidence.requests.get(session, ()):
            if not request.change:
                continue
            orders = [
                order
                for order, (job, change) in enumerate(jobs, 1)
                if is_as_asked(request.change, change) and job.began <= request.time
            ]
            order = max(orders, default=0)
            if order and order < newest:
                older, _ = jobs[order - 1]
                newer, _ = jobs[newest - 1]
                if not excuses.take(older, request, moved_at):
                    message = (
                        f"job {older.id} ({older.source}) sent it after job {newer.id} "
                        f"({newer.source}) had moved it"
                    )
                    yield Violation("newer is not overwritten", message, session)
            if request.stored and order >= newest:
                newest = order
                moved_at = request.time


@dataclass
class _Excuses:
    """What a process that was stopped and went on may send of rows that another job took over.

    docs/reference/bulk.md names it: what it had under way may be sent once more, at most one
    window for each lane.

    Attributes:
        lateness: As in `History`.
    """

    lateness: float
    _taken: dict[tuple[str, Pause], set[str]] = field(
        default_factory=dict[tuple[str, Pause], set[str]]
    )

    def take(self, job: Job, request: Request, moved_at: float) -> bool:
        """Tell whether a request of a job that came after a newer job's is excused.

        Args:
            job: The older job.
            request: Its request.
            moved_at: When the newer job had moved the session.
        """
        for pause in job.pauses:
            until = pause.ended + WENT_ON + self.lateness
            if not pause.ended <= request.time <= until or moved_at < pause.began:
                continue
            taken = self._taken.setdefault((job.id, pause), set())
            if request.session in taken or len(taken) >= at_risk(job.rate, job.lanes):
                continue
            taken.add(request.session)
            return True
        return False


# -- how commands end -------------------------------------------------------------------


def exit_code_fits(evidence: Evidence) -> Iterator[Violation]:
    """The exit code says what the report says."""
    for job, report in _reports(evidence):
        if report.code is None or not report.alone:
            continue
        doubts = sum(statement.maybe_applied for statement in report.statements)
        left = sum(statement.state == "open" for statement in report.statements)
        bad = sum(statement.state not in GOOD for statement in report.statements)
        code = report.code
        problem = ""
        if code in FINISHED | PAUSED and doubts:
            problem = f"{doubts} rows may have been applied"
        elif code == MAYBE_APPLIED and not doubts:
            problem = "no row may have been applied"
        elif code == 0 and bad:
            problem = f"{bad} rows are not ok"
        elif code == 0 and report.left_alone:
            problem = f"{report.left_alone} sessions were left alone"
        elif code in FINISHED and not (bad or report.left_alone) and code:
            problem = "every row is ok"
        elif code in PAUSED and not left:
            problem = "every row is settled"
        if problem:
            yield _wrong("exit code fits", job, f"exit code {code}, and {problem}")


def commands_end_well(evidence: Evidence) -> Iterator[Violation]:
    """No command fails in a way that no rule names."""
    for command in evidence.history.commands:
        words = " ".join(command.words)
        last = " | ".join(command.output.strip().splitlines()[-3:])
        if "Traceback" in command.output:
            yield Violation("commands end well", f"{words}: a traceback: {last}")
        elif command.code not in command.expected:
            message = f"{words}: exit code {command.code}: {last}"
            yield Violation("commands end well", message)


def paused_only_if_down(evidence: Evidence) -> Iterator[Violation]:
    """A job is paused because every request fails only after 20 different rows have failed."""
    for command in evidence.history.commands:
        if PAUSE_TEXT not in command.output:
            continue
        failed = {
            request.session
            for request in evidence.history.requests
            if request.answer == "open"
            and command.began <= request.time <= command.ended
        }
        if len(failed) < FAILED_ROWS:
            words = " ".join(command.words)
            message = f"{words}: {PAUSE_TEXT}, and only {len(failed)} rows had failed"
            yield Violation("paused only if down", message)


Rule = Callable[[Evidence], Iterator[Violation]]
RULES: Final[Sequence[Rule]] = (
    one_state_per_row,
    nothing_lost,
    ok_is_stored,
    not_applied_is_not_stored,
    doubt_has_a_reason,
    attempts_are_counted,
    only_what_is_listed_is_sent,
    sendings_are_bounded,
    rate_is_kept,
    newer_is_not_overwritten,
    exit_code_fits,
    commands_end_well,
    paused_only_if_down,
)


def judge(history: History) -> list[Violation]:
    """Return all that must not be."""
    evidence = Evidence(history)
    return [violation for rule in RULES for violation in rule(evidence)]


def _reports(evidence: Evidence) -> Iterator[tuple[Job, Report]]:
    for job in evidence.history.jobs:
        for report in job.reports:
            yield job, report


def _wrong(rule: str, job: Job, message: str, session: str = "") -> Violation:
    return Violation(rule, f"job {job.id} ({job.source}): {message}", session)
