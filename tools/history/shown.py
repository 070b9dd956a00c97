"""Plans and violations for people."""

from __future__ import annotations

from datetime import UTC, datetime

from history.facts import History, Request, Violation
from history.plan import Act, Plan


def shown_plan(plan: Plan) -> str:
    """Return a plan on a line."""
    journal = "Postgres" if plan.shared else "a file"
    acts = ", ".join(map(_act, plan.acts))
    faults = "+".join(plan.faults) or "no faults"
    rows = "+".join(str(len(planned.rows)) for planned in plan.lists)
    return f"{plan.name} {plan.theme}, {journal}, {rows} rows, {faults}: {acts}"


def _act(act: Act) -> str:
    words = [act.kind, str(act.of), *act.options]
    if act.hosts > 1:
        words.append(f"on {act.hosts} hosts")
    words += [f"({each.kind} at {each.after})" for each in act.disruptions]
    return " ".join(words)


def shown_violation(history: History, violation: Violation) -> str:
    """Return a violation with the evidence: what the service got, and what was said."""
    lines = [f"VIOLATION of: {violation.rule}: {violation.message}"]
    if not violation.session:
        return lines[0]
    lines.append(f"  session {violation.session}")
    lines += [
        f"  {_request(request)}"
        for request in history.requests
        if request.session == violation.session
    ]
    for job in history.jobs:
        change = job.change_for(violation.session)
        began = _clock(job.began)
        lines.append(f"  job {job.id} ({job.source}) from {began}: asks for {change!r}")
        for report in job.reports:
            for said in report.statements:
                if said.session == violation.session:
                    doubt = ", may have been applied" if said.maybe_applied else ""
                    lines.append(
                        f"    {_clock(report.moment)}: line {said.line} {said.state}"
                        f"{doubt}, {said.attempts} attempts, perhaps {said.perhaps} "
                        f"more: {said.message}"
                    )
    return "\n".join(lines)


def _request(request: Request) -> str:
    asked = request.change or f"read, shows {request.shown!r}"
    stored = "stored" if request.stored else "not stored"
    if not request.change:
        stored = "-"
    return (
        f"{_clock(request.time)} {asked} {request.status} {stored} ({request.reason})"
    )


def _clock(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%H:%M:%S.%f}"[:-3]
