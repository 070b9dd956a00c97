"""Each of the mock's faults with each kind of read: how the call ends, what it says, and that none of it is false."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import pytest
from outcome_reads import ASKED, EXAM, FORMER, INSTALL, SESSION
from prove_outcome import CHANGE, Said, Seen
from smarterproctoring import (
    APIConnectionError,
    APIStatusError,
    AsyncSmarterProctoring,
    AuthenticationError,
    BadRequestError,
    Check,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Result,
    ServerError,
    SmarterProctoring,
    SmarterProctoringError,
    UnconfirmedError,
    UnexpectedRedirectError,
    policy,
)
from smarterproctoring_mock import FAULTS, Fault
from smarterproctoring_mock.named_faults import READ_FAULTS
from smarterproctoring_mock.testing import Mock, ReadFaultCase, fault_cases, in_process, read_fault_cases

pytestmark = pytest.mark.tooling
Error = type[SmarterProctoringError]
RETRIES = 1
PAGE = "<!DOCTYPE html><html><body>Please log in</body></html>"


# -- the table -------------------------------------------------------------------------------------------------------


class End(NamedTuple):
    """How a call ends that is made with one retry, and meets the same fault in each attempt.

    Attributes:
        changes: How many PUT requests the audit shows.
        error: What is raised; None if the call returns.
        maybe_applied: What the error says.
        confirmed_by: What a result says.
        verdict: Of the check, in the result or the error; None if there is none.
        replays: How many PUT requests of the audit repeat what was stored.
    """

    changes: int
    error: Error | None = None
    maybe_applied: bool | None = None
    confirmed_by: str | None = None
    verdict: str | None = None
    replays: int = 0


class Row(NamedTuple):
    """How calls end under one fault.

    Attributes:
        works: If reads show the session as it is.
        lies: If they show another that is not as asked.
        fails: If they show none.
        deceives: If they show one that is as asked, whatever is so.
    """

    works: End
    lies: End
    fails: End
    deceives: End


def sure(end: End) -> Row:
    """Nothing is read, so all reads are the same."""
    return Row(end, end, end, end)


def refused(error: Error, *, changes: int = 1) -> Row:
    return sure(End(changes, error, maybe_applied=False))


SEEN = End(1, confirmed_by="read back", verdict="as_asked")


def stored(error: Error, *, changes: int = 2) -> Row:
    """The change is stored, and the answer does not say so."""
    lied = End(changes, error, maybe_applied=True, verdict="different", replays=changes - 1)
    return Row(SEEN, lied, lied._replace(verdict="unknown"), SEEN)


def not_stored(error: Error, *, changes: int = 2) -> Row:
    """It is not, and the answer does not say so."""
    seen = End(changes, error, maybe_applied=True, verdict="different")
    return Row(seen, seen, seen._replace(verdict="unknown"), SEEN)


CONFIRMED = sure(End(1, confirmed_by="answer"))
TABLE: dict[str, Row] = {
    "expired-token": refused(AuthenticationError),
    "refused-token": refused(AuthenticationError),
    "forbidden": refused(PermissionDeniedError),
    "not-found": refused(NotFoundError),
    "rate-limited": refused(RateLimitError, changes=2),
    "rate-limited-until": refused(RateLimitError, changes=2),
    "server-error": not_stored(ServerError),
    "stored-server-error": stored(ServerError),
    "unavailable": not_stored(ServerError),
    "unknown-520": not_stored(ServerError, changes=1),
    "proxy-html": not_stored(ServerError),
    "hapi-error": refused(BadRequestError),
    "nested-error": refused(BadRequestError),
    "malformed-json": CONFIRMED,
    "empty": CONFIRMED,
    "empty-200": CONFIRMED,
    "text": CONFIRMED,
    "object": CONFIRMED,
    "redirect": refused(UnexpectedRedirectError),
    "slow": CONFIRMED,
    "drip": CONFIRMED,
    "truncated": CONFIRMED,
    "drop-before-read": not_stored(APIConnectionError),
    "drop-before-store": not_stored(APIConnectionError),
    "drop-after-store": stored(APIConnectionError),
    "reset-after-store": stored(APIConnectionError),
}
"""By the name of the fault: a fault of the mock without a row fails below."""
UNNAMED: dict[str, tuple[Fault, Row]] = {
    "503 after the change": (Fault(status=503, message="busy", store=True), stored(ServerError)),
    "504 after the change": (Fault(status=504, text=PAGE, content_type="text/html", store=True), stored(ServerError)),
    "499 after the change": (Fault(status=499, store=True), stored(APIStatusError, changes=1)),
    "303 after the change": (Fault(status=303, text="", store=True), stored(UnexpectedRedirectError, changes=1)),
    "HTML after the change": (Fault(text=PAGE, content_type="text/html"), stored(UnconfirmedError, changes=1)),
    "HTML in its place": (
        Fault(text=PAGE, content_type="text/html", store=False),
        not_stored(UnconfirmedError, changes=1),
    ),
    "an error object": (Fault(json={"error": "no"}, store=False), not_stored(UnconfirmedError, changes=1)),
    "202": (Fault(status=202, text="", store=False), not_stored(UnconfirmedError, changes=1)),
}
"""Faults that have no name in the mock."""

ANY_READS = {
    "works": None,
    "lies": "read-invented",
    "fails": "read-forbidden",
    "deceives": Fault(method="GET", times=None, json={"appointmentDate": ASKED}),
}
KINDS = {"state": "works", "another state": "lies", "nothing": "fails"}
"""The columns for what a reader can learn under a fault of reads (`ReadFaultCase.shows`)."""


# -- the calls -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_mock() -> Iterator[Mock]:
    sids = {"installSid": INSTALL, "examSid": EXAM, "sessionSid": SESSION}
    fields = {"appointmentStartDateTime": FORMER}
    with in_process(seed={"sessions": [{**sids, "fields": fields}]}) as mock:
        yield mock


@pytest.fixture
def mock(one_mock: Mock, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The mock as it was at its start, and a client that does not wait between attempts."""
    one_mock.app.reset()
    monkeypatch.setattr(random, "random", lambda: 0.0)
    monkeypatch.setattr(policy, "BACKOFF_BASE", 0.0)
    return one_mock


def at_once(fault: Fault) -> Fault:
    """A fault that stays, and asks for no wait."""
    unhurried = replace(fault, times=None, retry_after_date=None)
    return replace(unhurried, retry_after=None if fault.retry_after is None else 0.0)


def call(mock: Mock, *, asynchronous: bool) -> Result:
    settings = mock.settings(retries=RETRIES)
    if not asynchronous:
        with SmarterProctoring(**settings) as client:
            return client.reschedule(INSTALL, EXAM, SESSION, **CHANGE)

    async def whole() -> Result:
        async with AsyncSmarterProctoring(**settings) as client:
            return await client.reschedule(INSTALL, EXAM, SESSION, **CHANGE)

    return asyncio.run(whole())


def check_one(mock: Mock, row: Row, kind: str, *, asynchronous: bool) -> None:
    """Make a call, compare its end with the table, and what it says with what the mock did."""
    result: Result | None = None
    error: SmarterProctoringError | None = None
    try:
        result = call(mock, asynchronous=asynchronous)
    except SmarterProctoringError as raised:
        error = raised
    audit = mock.app.audit()
    ended = result if result is not None else error
    check = ended.check if ended is not None else None
    expected: End = row._asdict()[kind]
    found = End(
        len(audit),
        type(error) if error is not None else None,
        error.maybe_applied if error is not None else None,
        result.confirmed_by if result is not None else None,
        check.verdict if check else None,
        sum(one.replay for one in audit),
    )
    assert found == expected, error
    seen = what_was_so(mock, found, check, kind)
    assert not seen.unsound, error
    assert not seen.open, error
    assert seen.deceived is (kind == "deceives" and result is not None and not seen.applied)


def what_was_so(mock: Mock, found: End, check: Check | None, kind: str) -> Seen:
    """What the call said, and what the mock did, for the rules of `make prove-outcome`."""
    said = Said("read back" if check and found.error is None else None, found.maybe_applied, check)
    if found.confirmed_by == "answer":
        said = said._replace(confirmed_by="answer")
    applied = sum(one.stored for one in mock.app.audit())
    return Seen(
        said,
        applied,
        found.replays,
        tuple(moments(mock)),
        read_works=kind == "works",
        read_lies=kind in ("lies", "deceives"),
    )


def moments(mock: Mock) -> list[datetime]:
    """The starts that reads were shown after the last change came."""
    requests = mock.app.requests()
    last = max(request.number for request in requests if request.method == "PUT") if requests else 0
    found: list[datetime] = []
    for read in mock.app.reads():
        if read.number > last and read.answer is not None and read.status == 200:
            with suppress(ValueError, KeyError, TypeError):
                found.append(datetime.fromisoformat(json.loads(read.answer.body)["appointmentDate"]))
    return found


FLAVOURS = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "asyncio"])


@FLAVOURS
@pytest.mark.parametrize("kind", ANY_READS)
@pytest.mark.parametrize("name", [*TABLE, *UNNAMED])
def test_each_fault_with_a_read_that_works_lies_or_fails(mock: Mock, name: str, kind: str, asynchronous: bool) -> None:
    if name in UNNAMED:
        fault, row = UNNAMED[name]
    else:
        [case] = fault_cases([name])
        fault, row = case.fault, TABLE[name]
    mock.app.add_faults(replace(at_once(fault), method="PUT"))
    read = ANY_READS[kind]
    if read is not None:
        mock.app.add_faults(read if isinstance(read, Fault) else {"fault": read, "times": None})
    check_one(mock, row, kind, asynchronous=asynchronous)


@FLAVOURS
@pytest.mark.parametrize("name", ["drop-after-store", "drop-before-store"])
@pytest.mark.parametrize("case", read_fault_cases(), ids=lambda case: case.name)
def test_each_fault_of_reads(mock: Mock, case: ReadFaultCase, name: str, asynchronous: bool) -> None:
    mock.app.add_faults(replace(FAULTS[name], method="PUT", times=None), at_once(case.fault))
    check_one(mock, TABLE[name], KINDS[case.shows], asynchronous=asynchronous)


def test_each_fault_of_the_mock_has_a_row() -> None:
    of_reads = {fault.name for fault in READ_FAULTS}
    assert list(TABLE) == [name for name in FAULTS if name not in of_reads]
    assert {case.name for case in read_fault_cases()} == of_reads
