"""The service of a history: the mock server, what is wrong with it, and what it got."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, cast

from smarterproctoring_mock import AuditRow, MockApp, RecordedRequest

from history.facts import Answer, Request, change_of
from history.plan import FaultKind

CHANGE: Final = "rescheduleExamSession"
READ: Final = "getExamSession"
_PAGE: Final = "<html><body>Please sign in</body></html>"
_UNCLEAR: Final = frozenset({408, 425, 499})
"""Refusals after which the change may have been made."""
_AS_USUAL: Final = frozenset({"accepted", "fault: slow"})
"""Reasons of answers that say what happened."""

Rule = Mapping[str, object]


def _often(name: str, share: float, **rule: object) -> Rule:
    return {"name": name, "probability": share, "times": None, **rule}


_LOST = (
    _often("lost before", 0.06, method="PUT", drop="before-store"),
    _often("lost after", 0.06, method="PUT", drop="after-store"),
)
_GATEWAY = (
    _often("503 stored", 0.06, method="PUT", status=503, store=True),
    _often("502", 0.04, method="PUT", status=502),
)
_ERROR = (
    _often("500", 0.05, method="PUT", status=500),
    _often("500 stored", 0.05, method="PUT", status=500, store=True),
)
_STORM = ({"fault": "rate-limited", "retry_after": 1, "times": 12, "probability": 0.3},)
_TOKEN = ({"fault": "expired-token", "times": 2, "probability": 0.03},)
_SLOW = (_often("slow", 0.3, delay=0.3),)
_HTML = {"status": 200, "text": _PAGE, "content_type": "text/html"}
_PAGES = (
    _often("page", 0.03, method="PUT", store=False, **_HTML),
    _often("page stored", 0.03, method="PUT", store=True, **_HTML),
)
_REFUSED = (_often("409", 0.05, method="PUT", status=409, message="it has begun"),)
_READS = (
    _often("stale", 0.3, method="GET", show="former"),
    _often("forbidden", 0.1, method="GET", status=403),
    _often("read 500", 0.1, method="GET", status=500),
    _often("no times", 0.2, method="GET", status=200, json={"status": "Scheduled"}),
)


def _bad(session: str, stored: bool) -> Rule:
    return {
        "name": "bad row",
        "method": "PUT",
        "session": session,
        "status": 503,
        "store": stored,
        "times": None,
    }


FAULTS: Final[Mapping[FaultKind, Sequence[Rule]]] = {
    "lost": _LOST,
    "gateway": _GATEWAY,
    "error": _ERROR,
    "storm": _STORM,
    "token": _TOKEN,
    "slow": _SLOW,
    "page": _PAGES,
    "refused": _REFUSED,
    "reads": _READS,
}


def set_faults(
    app: MockApp, kinds: Sequence[FaultKind], seed: int, bad: Sequence[str] = ()
) -> None:
    """Let only these faults be; every other answer takes a moment, as those of a service do.

    Args:
        app: The service.
        kinds: What is wrong with it.
        seed: For the draws of what happens often.
        bad: The sessions whose changes always fail, where `bad` is among the kinds.
    """
    app.clear_faults()
    rules = [rule for kind in kinds for rule in FAULTS.get(kind, ())]
    if "bad" in kinds:
        rules[:0] = [
            _bad(session, number % 4 == 0) for number, session in enumerate(bad)
        ]
    rules.append({"name": "slow", "delay": 0.02, "times": None})
    app.add_faults(*rules, seed=seed)


def received(app: MockApp) -> int:
    """Count the requests that the service got."""
    return app.total


def requests_of(app: MockApp) -> list[Request]:
    """Return the changes and the reads that the service got, by their arrival."""
    kept = app.requests()
    if len(kept) != app.total:
        raise RuntimeError(
            "the mock server has forgotten requests: the history is too long"
        )
    audit = iter([row for row in app.audit() if row.operation == CHANGE])
    return sorted(_known(kept, audit), key=_arrival)


def _arrival(request: Request) -> float:
    return request.time


def _known(
    kept: Sequence[RecordedRequest], audit: Iterator[AuditRow]
) -> Iterator[Request]:
    for recorded in kept:
        if recorded.operation == CHANGE:
            row = next(audit)  # both are written in the same moment
            if row.status != recorded.status:
                raise RuntimeError("the audit and the requests do not agree")
            yield _change(recorded, stored=row.stored)
        elif recorded.operation == READ:
            yield _read(recorded)


def _change(recorded: RecordedRequest, *, stored: bool) -> Request:
    body = cast("dict[str, str]", json.loads(recorded.body))
    return Request(
        time=_seconds(recorded.time),
        session=recorded.params["sessionSid"],
        change=change_of(body.get("notes", ""), body["appointmentStartDateTime"]),
        status=recorded.status,
        answer=answer_of(recorded.status, recorded.reason),
        stored=stored,
        reason=recorded.reason,
    )


def _read(recorded: RecordedRequest) -> Request:
    shown = ""
    if recorded.status == 200 and recorded.answer is not None:
        body = cast("dict[str, str]", json.loads(recorded.answer.body))
        shown = change_of(body.get("notes", ""), body.get("appointmentDate", ""))
    return Request(
        time=_seconds(recorded.time),
        session=recorded.params["sessionSid"],
        status=recorded.status,
        answer=answer_of(recorded.status, recorded.reason),
        shown=shown,
        reason=recorded.reason,
    )


def answer_of(status: int, reason: str) -> Answer:
    """Return what an answer says of a change."""
    if status == 200 and reason in _AS_USUAL:
        return "yes"
    if 400 <= status < 500 and status not in _UNCLEAR:
        return "no"
    return "open"


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
