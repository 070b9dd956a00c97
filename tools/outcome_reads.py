"""What the service of `prove_outcome.py` answers to a read: the truth, something else, or nothing.

The answers under faults are those of the mock server, recorded from it, so each of its faults of reads is one of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Literal

import httpx
from smarterproctoring_mock.fault import ConnectionDropped
from smarterproctoring_mock.testing import (
    Mock,
    ReadFaultCase,
    in_process,
    read_fault_cases,
)

INSTALL = "AI" + "a1" * 16
EXAM = "EX" + "b2" * 16
SESSION = "ES" + "c3" * 16
PATH = f"/v1/installs/{INSTALL}/exams/{EXAM}/sessions/{SESSION}"
FORMER = "2030-05-03T08:00:00.000Z"
ASKED = "2030-06-05T10:30:00.000Z"
MOST_STATES = 2
"""A session that was moved more often is shown as one that was moved twice."""
Kind = Literal["works", "lies", "fails"]
_KINDS: dict[str, Kind] = {
    "state": "works",
    "another state": "lies",
    "nothing": "fails",
}


@dataclass(frozen=True)
class ReadAnswer:
    """The answer to one read.

    Attributes:
        encoded: The bytes on the wire; empty for none.
        ends: How the connection ends after them; None if it stays open.
        moment: The start that a reader sees in it; None if it names none.
    """

    encoded: bytes
    ends: Literal["FIN", "RST"] | None = None
    moment: datetime | None = None


@dataclass(frozen=True)
class Reading:
    """One way in which the service answers every read of a run.

    Attributes:
        name: What it does, by the name of the mock's fault where it is one.
        kind: `works`: it shows the session as it is. `lies`: it shows a session that is not as the service has it, and
            the answer does not tell. `fails`: it names no moment, or there is no answer.
        answers: The answer after no change, one, and more.
        is_silent: Whether no answer ever comes.
    """

    name: str
    kind: Kind
    answers: tuple[ReadAnswer, ...]
    is_silent: bool = False

    def answer(self, applied: int) -> ReadAnswer:
        """Return the answer after the change was applied so often."""
        return self.answers[min(applied, MOST_STATES)]


WORKS = "the session as it is"
ALWAYS_AS_ASKED = "as asked, whatever is so"
SILENT = "no answer in time"


@cache
def readings() -> tuple[Reading, ...]:
    """Return all of them: one that works first, then the mock's faults, one lie that no reader can notice, silence."""
    with in_process() as mock:
        faults = [
            Reading(case.name, _KINDS[case.shows], _recorded(mock, case))
            for case in read_fault_cases(times=None)
        ]
        works = Reading(WORKS, "works", _recorded(mock, None))
    as_asked = works.answer(1)
    lie = Reading(ALWAYS_AS_ASKED, "lies", (as_asked,) * (MOST_STATES + 1))
    silent = Reading(
        SILENT, "fails", (ReadAnswer(b""),) * (MOST_STATES + 1), is_silent=True
    )
    return (works, *faults, lie, silent)


def reading(name: str) -> Reading:
    """Return the one of this name."""
    [found] = [one for one in readings() if one.name == name]
    return found


def _recorded(mock: Mock, case: ReadFaultCase | None) -> tuple[ReadAnswer, ...]:
    """Return what the mock answers after no change, one and two."""
    states = range(MOST_STATES + 1)
    return tuple([_answer_of_mock(mock, case, applied) for applied in states])


def _answer_of_mock(mock: Mock, case: ReadFaultCase | None, applied: int) -> ReadAnswer:
    headers = {"token": mock.token}
    mock.app.reset()
    with httpx.Client(
        transport=mock.transport, base_url=mock.url, headers=headers
    ) as client:
        for start in (FORMER, *[ASKED] * applied):
            change = {"appointmentStartDateTime": start}
            client.put(PATH, json=change).raise_for_status()
        whole = client.get(PATH)
        if case is None:
            return _encoded(whole, has_moment=True)
        fault = case.fault
        # A read waits as long as Retry-After says; here that proves nothing. Nor does how soon the read is.
        recorded = replace(
            fault,
            retry_after=fault.retry_after and 0.01,
            within=fault.within and 3600.0,
        )
        mock.app.add_faults(recorded)
        try:
            return _encoded(client.get(PATH), has_moment=case.shows != "nothing")
        except (ConnectionDropped, httpx.TransportError):
            ends: Literal["FIN", "RST"] = "RST" if fault.reset else "FIN"
            return ReadAnswer(_begun(whole, fault.truncate), ends)


def _begun(answer: httpx.Response, octets: int | None) -> bytes:
    """Return what comes of an answer that breaks off after some octets of the body; nothing if it does not begin."""
    if octets is None:
        return b""
    encoded = _encoded(answer, has_moment=False).encoded
    return encoded[: encoded.index(b"\r\n\r\n") + 4 + octets]


def _encoded(answer: httpx.Response, *, has_moment: bool) -> ReadAnswer:
    body = answer.content
    framing = ("content-length", "transfer-encoding", "connection")
    lines = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}"]
    lines += [
        f"{name}: {value}"
        for name, value in answer.headers.items()
        if name not in framing
    ]
    lines.append(f"content-length: {len(body)}")
    encoded = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return ReadAnswer(encoded, moment=_moment(body) if has_moment else None)


def _moment(body: bytes) -> datetime:
    """Return the start that a session shows."""
    return datetime.fromisoformat(json.loads(body)["appointmentDate"]).astimezone(UTC)
