"""Rule 5: a wrong SID never leaves the machine, and the error says what is wrong with it."""

from __future__ import annotations

import enum
import re
from typing import Any

import pytest
from smarterproctoring import ValidationError
from smarterproctoring_generated.operations import OPERATIONS
from wire.driver import AI, ES, EX, PATH, Driver, failure
from wire.misbehave import Server

WRONG: list[Any] = [
    "",
    "AI",
    AI[:-1],
    AI + "a",
    AI + "\n",
    "\n" + AI,
    f" {AI}",
    AI.upper(),
    AI.lower(),
    AI[:-1] + "g",
    AI[:-1] + "٣",
    AI[:-1] + "/",
    AI + "/../" + AI,
    AI[:10] + "%2e" + AI[13:],
    "ai" + AI[2:],
    EX,
    "EN" + AI[2:],
    "ZZ" + AI[2:],
]


@pytest.mark.parametrize("sid", WRONG)
def test_a_wrong_sid_is_refused_before_the_wire(driver: Driver, server: Server, sid: str) -> None:
    with driver.client(server) as client:
        errors = [client.fails(ValidationError, sid, EX, ES)]
        errors += [failure(ValidationError, lambda: client.generated(sid, EX, ES))]
    for error in errors:
        assert len(error.problems) == 1
        assert error.problems[0][:2] == ("install_sid", "pattern")
        assert "^AI[a-f0-9]{32}$" in str(error)
        assert (error.attempts, error.maybe_applied) == (0, False)
        assert isinstance(error, ValueError)
    assert server.connections == 0


@pytest.mark.parametrize("sid", [None, 7, AI.encode(), [AI]])
def test_a_sid_that_is_no_string(driver: Driver, server: Server, sid: Any) -> None:
    with driver.client(server) as client:
        assert "must be a str" in str(client.fails(ValidationError, sid, EX, ES))
        failure(ValidationError, lambda: client.generated(sid, EX, ES))
    assert server.connections == 0


@pytest.mark.parametrize(
    ("position", "sid", "hint"),
    [
        (0, EX, "kind exam "),
        (1, ES, "kind session "),
        (2, AI, "kind install "),
        (0, "EN" + AI[2:], "kind enrollment "),
        (1, "II" + AI[2:], "kind integration "),
        (0, AI + "\n", "white space"),
        (1, f"\t{EX} ", "white space"),
        (2, ES.upper(), "case-sensitive"),
        (2, "es" + ES[2:], "case-sensitive"),
        (0, AI + "0", "35 characters"),
    ],
)
def test_the_hint(driver: Driver, server: Server, position: int, sid: str, hint: str) -> None:
    sids = [AI, EX, ES]
    sids[position] = sid
    with driver.client(server) as client:
        for error in (client.fails(ValidationError, *sids), failure(ValidationError, lambda: client.generated(*sids))):
            assert hint in str(error)
            assert ["install_sid", "exam_sid", "session_sid"][position] in str(error)


def test_all_wrong_sids_are_in_one_error_with_all_else(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        error = client.fails(ValidationError, EX, ES, AI, type="nope", email=7, appointment_date_time="soon")
        beside = failure(ValidationError, lambda: client.generated(EX, ES, AI))
    names = [problem.field for problem in error.problems]
    assert names[:3] == ["install_sid", "exam_sid", "session_sid"]
    assert sorted(names[3:]) == ["appointment_date_time", "email", "type"]
    assert [problem.code for problem in error.problems] == ["pattern"] * 3 + ["time", "enum", "type"]
    assert all(str(problem) in str(error) for problem in error.problems)
    assert all(str(problem) == f"{problem.field} {problem.text}" for problem in error.problems)
    assert "Nothing was sent" in str(error)
    assert len(beside.problems) == 3


def test_an_uppercase_sid_is_not_rewritten(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        client.fails(ValidationError, AI, EX, ES.upper())
    assert server.connections == 0


class Sid(str):
    """A SID type of the caller's own, with a friendly str()."""

    __slots__ = ()

    def __str__(self) -> str:
        return "friendly"


class Known(str, enum.Enum):  # noqa: UP042 - this kind of enum says `Known.EXAM` for str()
    EXAM = EX


def test_a_str_subclass_is_sent_as_it_was_checked(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        client.reschedule(Sid(AI), Known.EXAM, Sid(ES))
    assert server.requests[0].path == PATH


def test_the_patterns_are_the_specs() -> None:
    assert len(OPERATIONS) == 2
    for operation in OPERATIONS:
        patterns = [parameter.pattern for parameter in operation.parameters]
        assert patterns == ["^AI[a-f0-9]{32}$", "^EX[a-f0-9]{32}$", "^ES[a-f0-9]{32}$"]
        assert all(re.fullmatch(pattern or "", sid) for pattern, sid in zip(patterns, (AI, EX, ES), strict=True))
