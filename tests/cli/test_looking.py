"""The commands that read a session: what they show and what they keep back, and what their exit codes tell apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from cli.commands import NOW, SIDS, ZONE, run, run_json
from smarterproctoring import APIConnectionError, ServerError, SmarterProctoring, UnconfirmedError, cli
from smarterproctoring._cli import exit_codes
from smarterproctoring._cli.options import OWN_OPTIONS
from smarterproctoring_generated.operations import GET_EXAM_SESSION, RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.results import Check
from smarterproctoring_mock import RunningServer

FIELDS = {
    "appointmentStartDateTime": "2030-05-03T13:00:00.000Z",
    "appointmentEndDateTime": "2030-05-03T15:30:00.000Z",
    "notes": "as seeded",
}
MOVE = ("--start", "2030-06-04 09:00", "--end", "2030-06-04 11:00", *ZONE)
AS_SEEDED = ("--start", "2030-05-03 09:00", "--end", "2030-05-03 11:30", *ZONE)
START = ("--start", "2030-05-06 14:00", *ZONE)
LOST = {"fault": "drop-after-store", "method": "PUT"}
NOT_SENT = {"fault": "drop-before-store", "method": "PUT"}
HTML_200 = {"status": 200, "text": "<html>Sign in</html>", "content_type": "text/html", "method": "PUT", "store": True}
ODD_DATES = ("naive", "epoch", "us", "empty", "null", "missing")
CANNOT_READ = [
    ("read-server-error", 14),
    ("read-unavailable", 14),
    ("read-html", 14),
    ("read-error-object", 14),
    ("read-empty-object", 14),
    ("read-empty", 14),
    ("read-malformed-json", 14),
    ("read-dropped", 14),
    ("read-reset", 14),
    ("read-not-found", 4),
    ("read-expired-token", 3),
    ("read-forbidden", 3),
    ("read-rate-limited", 6),
]
"""Faults of a read, and the exit code of `show`."""


@pytest.fixture(autouse=True)
def _seeded(server: RunningServer) -> None:
    install, exam, session = SIDS
    seeded = {"installSid": install, "examSid": exam, "sessionSid": session, "fields": FIELDS}
    server.app.seed({"sessions": [seeded]})


def methods(server: RunningServer) -> list[str]:
    """Return the methods of all requests in their order."""
    return [request.method for request in server.app.requests()]


def always(fault: dict[str, Any] | str) -> dict[str, Any]:
    """Return a fault that strikes every request that it is about."""
    return {**({"fault": fault} if isinstance(fault, str) else fault), "times": None}


# -- show -------------------------------------------------------------------------------------------------------------


def test_show_prints_times_in_utc_and_in_the_zone(server: RunningServer) -> None:
    shown = run("show", *SIDS, *ZONE)
    assert shown.exit_code == 0, shown.output
    assert f"session {SIDS[2]}" in shown.stdout
    assert "Fri 03 May 2030 13:00 UTC (Fri 03 May 2030 09:00 EDT)" in shown.stdout
    assert "2029-06-01 00:00:00 UTC" in shown.stdout
    in_utc = run("show", *SIDS)
    assert "appointment end date                   Fri 03 May 2030 15:30 UTC\n" in in_utc.stdout
    assert methods(server) == ["GET", "GET"]
    assert not server.app.audit()


def values() -> dict[str, object]:
    """Return an answer with a value of its own in every field that the spec describes."""
    return {item.name: f"value-of-{item.name}" for item in GET_EXAM_SESSION.answer}


def test_what_the_spec_marks_is_shown_with_all_alone(server: RunningServer) -> None:
    server.app.add_faults(always({"method": "GET", "json": values()}))
    whole, whole_as_json = (run("show", *SIDS, "--all", *more).stdout for more in ((), ("--json",)))
    kept = [run("show", *SIDS, *more).stdout for more in ((), ("--json",))]
    _, printed = run_json("show", *SIDS)
    for item in GET_EXAM_SESSION.answer:
        value = f"value-of-{item.name}"
        assert f'{value}"' in whole_as_json
        assert value in whole
        for words in kept:
            assert (f"{value}\n" in words or f'{value}"' in words) is not bool(item.sensitive), item.name
        assert (item.name in printed["hidden"]) is bool(item.sensitive)
        assert (item.name in printed["session"]) is not bool(item.sensitive)


def test_some_fields_are_marked() -> None:
    marked = {item.name: item.sensitive for item in GET_EXAM_SESSION.answer}
    assert marked["accessKey"] == "secret"
    assert marked["notes"] == "personal"
    assert marked["status"] == ""


def test_what_the_spec_does_not_describe_is_counted(server: RunningServer) -> None:
    strange = {"status": "Scheduled", "studentName": "Ada", "exam": {"proctor": "Bob"}, "course": ["Eve"]}
    server.app.add_faults(always({"method": "GET", "json": strange}))
    kept = run("show", *SIDS).stdout
    assert "  exam, course, 1 that the spec does not describe\n" in kept
    for secret in ("studentName", "Ada", "Bob", "Eve"):
        assert secret not in kept
    _, printed = run_json("show", *SIDS)
    assert printed["session"] == {"status": "Scheduled"}
    assert (printed["hidden"], printed["hidden_others"]) == (["exam", "course"], 1)
    shown = run("show", *SIDS, "--all").stdout
    for value in ("studentName", "Ada", '{"proctor": "Bob"}', '["Eve"]'):
        assert value in shown


@pytest.mark.parametrize("form", ["offset", "no-milliseconds"])
def test_a_date_in_another_form_is_a_moment(server: RunningServer, form: str) -> None:
    server.app.add_faults(always(f"read-dates-{form}"))
    assert "Fri 03 May 2030 13:00 UTC (Fri 03 May 2030 09:00 EDT)" in run("show", *SIDS, *ZONE).stdout
    _, printed = run_json("show", *SIDS, *ZONE)
    assert printed["times"]["appointmentDate"] == {
        "utc": "2030-05-03T13:00:00.000Z",
        "local": "2030-05-03T09:00:00.000-04:00",
    }


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("naive", "cannot tell: 2030-05-03T13:00:00\n"),
        ("epoch", "cannot tell: 1904043600000\n"),
        ("us", "cannot tell: 05/03/2030 01:00 PM\n"),
        ("empty", 'cannot tell: ""\n'),
    ],
)
def test_a_date_that_is_not_a_moment_is_shown_as_it_came(server: RunningServer, form: str, said: str) -> None:
    server.app.add_faults(always(f"read-dates-{form}"))
    shown = run("show", *SIDS, *ZONE)
    assert shown.exit_code == 0
    assert said in shown.stdout
    assert "03 May 2030" not in shown.stdout
    _, printed = run_json("show", *SIDS, *ZONE)
    assert printed["times"]["appointmentDate"] == {"utc": None, "local": None}


def test_null_and_missing_fields_are_named(server: RunningServer) -> None:
    server.app.add_faults({"method": "GET", "json": {"status": "Closed", "appointmentDate": None}})
    shown = run("show", *SIDS).stdout
    assert "  null               appointment date\n" in shown
    (missing,) = [line for line in shown.split("\n") if line.startswith("  not in the answer")]
    assert "appointment end date" in missing
    assert "appointment date" not in missing.split(", ")


def test_what_a_service_sends_does_the_terminal_no_harm(server: RunningServer) -> None:
    nasty = "\x1b[2J\u202e\r\nmoved"
    long = "x" * 100_000
    session = {"status": nasty, "appointmentDate": nasty, "examLocale": long, nasty: "y", "n" * 100_000: 1}
    server.app.add_faults(always({"method": "GET", "json": session}))
    for arguments in ((), ("--all",)):
        shown = run("show", *SIDS, *arguments).stdout
        assert all(character.isprintable() or character == "\n" for character in shown)
        assert "\\x1b[2J" in shown
        assert "cannot tell: \\x1b[2J" in shown
        assert "(100000 characters; --json prints all of them)" in shown
        assert len(shown) < 20_000
    assert run_json("show", *SIDS)[1]["session"]["examLocale"] == long


@pytest.mark.parametrize(
    "date", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2030-13-45T99:00Z", "soon"]
)
def test_dates_at_the_ends_of_the_calendar(server: RunningServer, date: str) -> None:
    server.app.add_faults(always({"method": "GET", "json": {"appointmentDate": date, "appointmentEndDate": date}}))
    assert f"cannot tell: {date}\n" in run("show", *SIDS, *ZONE).stdout
    assert run("reschedule", *SIDS, *START, "--keep-duration").exit_code == 2
    assert run("check", *SIDS, *MOVE).exit_code in (13, 14)
    assert "PUT" not in methods(server)


@pytest.mark.parametrize(("fault", "code"), CANNOT_READ)
def test_a_session_that_cannot_be_shown(server: RunningServer, fault: str, code: int) -> None:
    server.app.add_faults(always(fault))
    failed = run("show", *SIDS, "--retries", "0")
    assert failed.exit_code == code, failed.output
    assert exit_codes.meaning(code, of_read=True) in failed.stderr
    assert "MAY" not in failed.stderr
    assert failed.stdout == ""
    got, printed = run_json("show", *SIDS, "--retries", "0")
    assert (got, printed["outcome"], printed["maybe_applied"]) == (code, "not shown", False)


def test_another_session_is_called_so(server: RunningServer) -> None:
    other = f"ES{'0' * 32}"
    dates = {"appointmentDate": "2030-05-03T13:00:00Z", "appointmentEndDate": "2030-05-03T17:00:00Z"}
    server.app.add_faults(always({"method": "GET", "json": {"sid": other, **dates}}))
    shown = run("show", *SIDS)
    assert (shown.exit_code, other in shown.stdout) == (0, True), shown.stdout
    assert "about another object: its sid is not the one" in shown.stderr
    moved = run("reschedule", *SIDS, *START, "--keep-duration")
    assert (moved.exit_code, "about another object" in moved.stderr) == (2, True), moved.output
    checked = run("check", *SIDS, *AS_SEEDED)
    assert (checked.exit_code, "about another object" in checked.stderr) == (14, True), checked.output
    assert not server.app.audit()


def test_bad_input_reads_nothing(server: RunningServer) -> None:
    swapped = run("show", SIDS[1], SIDS[0], SIDS[2])
    assert swapped.exit_code == 2
    assert "INSTALL_SID" in swapped.stderr
    assert "EXAM_SID" in swapped.stderr
    assert "Nothing was sent" in run_json("show", SIDS[1], SIDS[0], SIDS[2])[1]["message"]
    zone = run("show", *SIDS, "--timezone", "EST")
    assert zone.exit_code == 2
    assert "--timezone: EST is -05:00 all year" in zone.stderr
    assert run_json("show", *SIDS[:2])[0] == 2
    assert not server.app.requests()


def test_the_shape_of_shown_json() -> None:
    _, printed = run_json("show", *SIDS)
    assert list(printed) == [
        "outcome",
        "install_sid",
        "exam_sid",
        "session_sid",
        "session",
        "times",
        "hidden",
        "hidden_others",
        "missing",
        "status",
        "request_id",
        "attempts",
        "elapsed",
        "exit_code",
    ]
    assert printed["session"]["appointmentDate"] == "2030-05-03T13:00:00.000Z"
    assert printed["times"]["appointmentDate"] == {"utc": "2030-05-03T13:00:00.000Z", "local": None}


# -- check ------------------------------------------------------------------------------------------------------------


def test_a_session_that_is_as_asked(server: RunningServer) -> None:
    found = run("check", *SIDS, *AS_SEEDED, "--type", "examity")
    assert found.exit_code == 0, found.output
    assert f"as asked: {SIDS[2]}" in found.stdout
    assert "not compared  type\n" in found.stdout
    assert found.stderr == ""
    code, printed = run_json("check", *SIDS, *AS_SEEDED[:2], *ZONE, "--duration", "2h30m")
    assert (code, printed["outcome"], printed["check"]["verdict"]) == (0, "as asked", "as_asked")
    assert printed["check"]["seen_at"].endswith("Z")
    assert methods(server) == ["GET", "GET"]


def test_a_session_that_is_not_as_asked(server: RunningServer) -> None:
    found = run("check", *SIDS, *MOVE)
    assert found.exit_code == 13, found.output
    assert f"not as asked: {SIDS[2]}" in found.stdout
    seen = "is Fri 03 May 2030 13:00 UTC (Fri 03 May 2030 09:00 EDT)"
    assert f"{seen}, not Tue 04 Jun 2030 13:00 UTC (Tue 04 Jun 2030 09:00 EDT)\n" in found.stdout
    assert "(looked: the session is not as asked; exit code 13)" in found.stderr
    code, printed = run_json("check", *SIDS, *MOVE)
    assert (code, printed["outcome"]) == (13, "not as asked")
    assert printed["check"]["differences"][0] == {
        "field": "appointmentStartDateTime",
        "asked": "2030-06-04T13:00:00.000Z",
        "seen": "2030-05-03T13:00:00.000Z",
        "hidden": False,
    }
    assert methods(server) == ["GET", "GET"]


def test_personal_data_of_a_check_is_shown_with_all_alone(server: RunningServer) -> None:
    asked = ("check", *SIDS, *AS_SEEDED, "--notes", "a wish")
    found = run(*asked)
    assert found.exit_code == 13
    assert "notes    differs (--all shows how)" in found.stdout
    code, printed = run_json(*asked)
    assert code == 13
    assert printed["check"]["differences"] == [{"field": "notes", "asked": None, "seen": None, "hidden": True}]
    for text in ("a wish", "as seeded"):
        assert text not in found.output
        assert text not in json.dumps(printed)
    assert "is as seeded, not a wish" in run(*asked, "--all").stdout
    [difference] = run_json(*asked, "--all")[1]["check"]["differences"]
    assert (difference["asked"], difference["seen"], difference["hidden"]) == ("a wish", "as seeded", False)


@pytest.mark.parametrize("fault", [name for name, _ in CANNOT_READ])
def test_a_check_that_could_not_look(server: RunningServer, fault: str) -> None:
    server.app.add_faults(always(fault))
    found = run("check", *SIDS, *AS_SEEDED, "--retries", "0")
    assert found.exit_code == 14, found.output
    assert "error: could not look: " in found.stderr
    assert "(could not look; exit code 14)" in found.stderr
    assert "as asked:" not in found.stdout
    code, printed = run_json("check", *SIDS, *AS_SEEDED, "--retries", "0")
    assert (code, printed["outcome"], printed["check"]["verdict"]) == (14, "unknown", "unknown")
    assert printed["check"]["reason"]


@pytest.mark.parametrize("form", ODD_DATES)
def test_a_check_of_dates_that_are_not_moments(server: RunningServer, form: str) -> None:
    server.app.add_faults(f"read-dates-{form}")
    found = run("check", *SIDS, *AS_SEEDED)
    assert found.exit_code == 14
    assert "not compared  appointment start date time, appointment end date time" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to check: give at least one field, such as --start"),
        (("--start", "9am-11am 4 May 2030", *ZONE), "--start: '9am-11am 4 May 2030' names two times"),
        (("--start", "03/04/2030 9am", *ZONE), "add --day-first or --month-first"),
        (("--start", "4 May 2030 9am"), "has no time zone"),
        ((*MOVE, "--duration", "2h"), "--duration: contradicts --end"),
        (("--start", "2030-05-04T13:00Z", "--end", "2030-05-04T12:00Z"), "--end must be after --start"),
        (("--start", "4 May 2030 9am", "--timezone", "Mars/Olympus"), "there is no such time zone"),
    ],
)
def test_a_check_is_read_like_a_change(server: RunningServer, arguments: tuple[str, ...], said: str) -> None:
    refused = run("check", *SIDS, *arguments)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not server.app.requests()


def test_the_past_can_be_checked() -> None:
    assert run("check", *SIDS, "--start", "2020-01-01T00:00:00Z").exit_code == 13


# -- reschedule -------------------------------------------------------------------------------------------------------


def test_a_lost_answer_is_confirmed_by_reading_back(server: RunningServer) -> None:
    for fault in (LOST, HTML_200):
        server.app.add_faults(fault)
        moved = run("reschedule", *SIDS, *MOVE)
        assert moved.exit_code == 0, moved.output
        assert "confirmed by                 reading the session back at 20" in moved.stdout
        assert "server said" not in moved.stdout
        server.app.add_faults(fault)
        code, printed = run_json("reschedule", *SIDS, *MOVE)
        assert (code, printed["outcome"], printed["confirmed_by"]) == (0, "moved", "read back")
        assert (printed["attempts"], printed["replays"], printed["data"]) == (1, 0, None)
        assert printed["check"]["verdict"] == "as_asked"
    assert methods(server) == ["PUT", "GET"] * 4


@pytest.mark.parametrize("change", [LOST, NOT_SENT, HTML_200])
@pytest.mark.parametrize(
    ("read", "more", "code", "verdict", "said"),
    [
        ("read-stale", (), 13, "different", ", not 2030-06-04T13:00:00.000Z; appointmentEndDateTime was "),
        ("read-invented", (), 13, "different", "Read back at "),
        ("read-forbidden", (), 14, "unknown", "could not look: 403 Forbidden"),
        ("read-dates-null", (), 14, "unknown", "could not look: no time that was asked for could be compared"),
        ("read-html", (), 14, "unknown", "could not look: answered 200 with an HTML page"),
        ("read-stale", ("--no-read-back",), 8, None, "may have been applied"),
    ],
)
def test_an_unsure_change_says_whether_it_could_look(
    server: RunningServer,
    change: dict[str, Any],
    read: str,
    more: tuple[str, ...],
    code: int,
    verdict: str | None,
    said: str,
) -> None:
    faults = (always(change), always(read))
    server.app.add_faults(*faults)
    failed = run("reschedule", *SIDS, *MOVE, "--retries", "0", *more)
    assert failed.exit_code == code, failed.output
    assert said in failed.stderr
    assert f"({exit_codes.EXIT_CODES[code]}; exit code {code})" in failed.stderr
    got, printed = run_json("reschedule", *SIDS, *MOVE, "--retries", "0", *more)
    assert (got, printed["outcome"], printed["maybe_applied"]) == (code, "unknown", True)
    assert (printed["check"] and printed["check"]["verdict"]) == verdict
    assert printed["confirmed_by"] is None
    assert methods(server).count("PUT") == 2
    assert ("GET" in methods(server)) is (code != 8)


def test_a_change_without_a_time_is_not_read_back(server: RunningServer) -> None:
    server.app.add_faults(always(LOST))
    code, printed = run_json("reschedule", *SIDS, "--notes", "x", "--retries", "0")
    assert (code, printed["check"]) == (8, None)
    assert "GET" not in methods(server)


def test_personal_data_that_was_read_back_is_not_printed(server: RunningServer) -> None:
    server.app.add_faults(always(LOST), always("read-stale"))
    arguments = ("reschedule", *SIDS, *MOVE, "--notes", "a wish", "--retries", "0")
    failed = run(*arguments)
    code, printed = run_json(*arguments)
    assert (failed.exit_code, code) == (13, 13)
    for text in ("a wish", "as seeded"):
        assert text not in failed.output
        assert text not in json.dumps(printed)
    assert {"field": "notes", "asked": None, "seen": None, "hidden": True} in printed["check"]["differences"]


def test_the_former_times_are_shown(server: RunningServer) -> None:
    moved = run("reschedule", *SIDS, *MOVE, "--before", "--notes", "x")
    assert moved.exit_code == 0, moved.output
    assert (
        "  appointment start date time  Fri 03 May 2030 13:00 UTC (Fri 03 May 2030 09:00 EDT)\n"
        "                           ->  Tue 04 Jun 2030 13:00 UTC (Tue 04 Jun 2030 09:00 EDT)\n"
        "  appointment end date time    Fri 03 May 2030 15:30 UTC (Fri 03 May 2030 11:30 EDT)\n"
        "                           ->  Tue 04 Jun 2030 15:00 UTC (Tue 04 Jun 2030 11:00 EDT)\n"
    ) in moved.stdout
    assert "as seeded" not in moved.output
    assert methods(server) == ["GET", "PUT"]
    _, printed = run_json("reschedule", *SIDS, *MOVE, "--before")
    assert printed["former"] == {
        "times": {
            "appointmentStartDateTime": "2030-06-04T13:00:00.000Z",
            "appointmentEndDateTime": "2030-06-04T15:00:00.000Z",
            "appointmentDateTime": "2030-06-04T13:00:00.000Z",
        },
        "reason": "",
    }
    assert run_json("reschedule", *SIDS, *MOVE)[1]["former"] is None


def test_the_former_times_are_shown_where_the_change_fails(server: RunningServer) -> None:
    server.app.add_faults({"status": 409, "method": "PUT", "times": None})
    failed = run("reschedule", *SIDS, *MOVE, "--before")
    assert failed.exit_code == 5
    assert "before: appointment start date time: Fri 03 May 2030 13:00 UTC (Fri" in failed.stderr
    former = run_json("reschedule", *SIDS, *MOVE, "--before")[1]["former"]
    assert former["times"]["appointmentEndDateTime"] == "2030-05-03T15:30:00.000Z"


@pytest.mark.parametrize(("fault", "said"), [("us", "05/03/2030 01:00 PM"), ("missing", "not in the answer")])
def test_former_times_that_cannot_be_told(server: RunningServer, fault: str, said: str) -> None:
    server.app.add_faults(always(f"read-dates-{fault}"))
    moved = run("reschedule", *SIDS, *MOVE, "--before")
    assert moved.exit_code == 0
    assert f"appointment start date time  cannot tell: {said}\n" in moved.stdout
    former = run_json("reschedule", *SIDS, *MOVE, "--before")[1]["former"]
    assert set(former["times"].values()) == {None}


@pytest.mark.parametrize(("fault", "code"), [("read-not-found", 4), ("read-expired-token", 3)])
@pytest.mark.parametrize("option", ["--before", "--keep-duration"])
def test_after_such_a_read_nothing_is_changed(server: RunningServer, fault: str, code: int, option: str) -> None:
    server.app.add_faults(always(fault))
    asked = START if option == "--keep-duration" else MOVE
    failed = run("reschedule", *SIDS, *asked, option)
    assert failed.exit_code == code, failed.output
    assert "The change was not sent, because the read before it failed." in failed.stderr
    got, printed = run_json("reschedule", *SIDS, *asked, option)
    assert (got, printed["outcome"], printed["maybe_applied"]) == (code, "not moved", False)
    assert "PUT" not in methods(server)


OTHER_FAILURES = [
    ("read-forbidden", 3),
    ("read-server-error", 7),
    ("read-html", 7),
    ("read-dropped", 7),
    ("read-malformed-json", 2),
]


@pytest.mark.parametrize("fault", [name for name, _ in OTHER_FAILURES])
def test_after_any_other_failed_read_the_change_is_sent(server: RunningServer, fault: str) -> None:
    server.app.add_faults(always(fault))
    moved = run("reschedule", *SIDS, *MOVE, "--before", "--retries", "0")
    assert moved.exit_code == 0, moved.output
    assert "note: could not read the session first: " in moved.stderr
    assert "->" not in moved.stdout
    code, printed = run_json("reschedule", *SIDS, *MOVE, "--before", "--retries", "0")
    assert code == 0
    assert printed["former"]["reason"]
    assert methods(server).count("PUT") == 2


@pytest.mark.parametrize(("fault", "code"), OTHER_FAILURES)
def test_a_length_that_cannot_be_read_changes_nothing(server: RunningServer, fault: str, code: int) -> None:
    server.app.add_faults(always(fault))
    failed = run("reschedule", *SIDS, *START, "--keep-duration", "--retries", "0")
    assert failed.exit_code == code, failed.output
    assert "PUT" not in methods(server)


def test_the_length_is_kept(server: RunningServer) -> None:
    moved = run("reschedule", *SIDS, *START, "--keep-duration")
    assert moved.exit_code == 0, moved.output
    assert "note:" not in moved.stderr
    server.app.assert_called(
        method="PUT",
        json={
            "appointmentStartDateTime": "2030-05-06T18:00:00.000Z",
            "appointmentEndDateTime": "2030-05-06T20:30:00.000Z",
        },
    )
    assert methods(server) == ["GET", "PUT"]


def test_a_kept_length_is_exact_when_the_clocks_change(server: RunningServer) -> None:
    night = ("--start", "2030-03-10 01:00", *ZONE)
    assert run("reschedule", *SIDS, *night, "--keep-duration").exit_code == 0
    (session,) = server.app.sessions()
    assert session.fields["appointmentEndDateTime"] == "2030-03-10T08:30:00.000Z"  # 04:30 on the clock


@pytest.mark.parametrize("form", ODD_DATES)
def test_a_length_that_cannot_be_told_is_refused(server: RunningServer, form: str) -> None:
    server.app.add_faults(f"read-dates-{form}")
    refused = run("reschedule", *SIDS, *START, "--keep-duration")
    assert refused.exit_code == 2
    assert "--keep-duration: the length of the session cannot be told, because the service shows" in refused.stderr
    assert "give --duration or --end" in refused.stderr
    assert methods(server) == ["GET"]


def test_a_length_without_end_is_refused(server: RunningServer) -> None:
    session = {"appointmentDate": "0002-05-03T13:00:00Z", "appointmentEndDate": "9998-05-03T13:00:00Z"}
    server.app.add_faults({"method": "GET", "json": session})
    refused = run("reschedule", *SIDS, *START, "--keep-duration")
    assert refused.exit_code == 2
    assert "would end after the year 9999; give --duration or --end" in refused.stderr
    assert methods(server) == ["GET"]


def test_an_end_before_the_start_has_no_length(server: RunningServer) -> None:
    session = {"appointmentDate": "2030-05-03T13:00:00Z", "appointmentEndDate": "2030-05-03T13:00:00Z"}
    server.app.add_faults({"method": "GET", "json": session})
    refused = run("reschedule", *SIDS, *START, "--keep-duration")
    assert refused.exit_code == 2
    assert "shows an end that is not after the start" in refused.stderr
    assert methods(server) == ["GET"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*MOVE, "--keep-duration"), "--keep-duration: contradicts --end and --duration"),
        ((*START, "--duration", "2h", "--keep-duration"), "--keep-duration: contradicts --end and --duration"),
        (("--notes", "x", "--keep-duration"), "--keep-duration: needs --start"),
        ((*START, "--keep-duration", "--dry-run"), "--keep-duration: has to read the session, and --dry-run sends"),
        ((*START, "--before", "--dry-run"), "--before: has to read the session, and --dry-run sends nothing"),
        (("--start", "soon", "--keep-duration"), "--start: 'soon'"),
    ],
)
def test_options_that_contradict_each_other_read_nothing(
    server: RunningServer, arguments: tuple[str, ...], said: str
) -> None:
    refused = run("reschedule", *SIDS, *arguments)
    assert refused.exit_code == 2, refused.output
    assert said in refused.stderr
    assert not server.app.requests()


def test_ctrl_c_at_the_read_changes_nothing(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SmarterProctoring, "get_session", interrupt)
    monkeypatch.setattr(SmarterProctoring, "check", interrupt)
    for command in (("reschedule", *SIDS, *MOVE, "--before"), ("show", *SIDS), ("check", *SIDS, *MOVE)):
        code, printed = run_json(*command)
        assert (code, printed["maybe_applied"]) == (130, False)
    assert not server.app.requests()


# -- the whole command line -------------------------------------------------------------------------------------------


def test_what_was_seen_could_not_be_seen_and_was_not_looked_at_have_codes_of_their_own() -> None:
    codes = [0, exit_codes.MAYBE_APPLIED, exit_codes.NOT_AS_ASKED, exit_codes.COULD_NOT_LOOK]
    assert len({*codes, *range(1, 8), 130}) == 12
    assert set(exit_codes.EXIT_CODES) == {*codes, *range(1, 8), 130}


def test_a_change_that_may_have_been_applied_never_ends_with_0() -> None:
    codes = {
        None: exit_codes.MAYBE_APPLIED,
        Check("as_asked"): exit_codes.MAYBE_APPLIED,
        Check("different"): exit_codes.NOT_AS_ASKED,
        Check("unknown"): exit_codes.COULD_NOT_LOOK,
    }
    for check, code in codes.items():
        for kind in (APIConnectionError, ServerError, UnconfirmedError):
            assert exit_codes.exit_code(kind("x", maybe_applied=True, check=check)) == code


@pytest.mark.parametrize("name", ["check", "doctor", "reschedule", "show"])
def test_the_options_that_do_not_come_from_the_spec_are_listed(name: str) -> None:
    with cli.main.make_context("smarterproctoring", [name], resilient_parsing=True) as context:
        command = cli.main.get_command(context, name)
    assert command is not None
    own = {
        option.removeprefix("--")
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--") and not str(parameter.name).startswith("field_")
    }
    assert own <= OWN_OPTIONS


@pytest.mark.slow
def test_show_and_check_are_in_the_help_and_in_the_completion() -> None:
    shown = run("--help").stdout
    assert "check       Check whether an exam session is as asked.\n" in shown
    assert "show        Show an exam session as the service knows it.\n" in shown
    shell = {
        **os.environ,
        "_SMARTERPROCTORING_COMPLETE": "bash_complete",
        "COMP_WORDS": "smarterproctoring check --star",
        "COMP_CWORD": "2",
    }
    program = "import sys; sys.argv[0] = 'smarterproctoring'; from smarterproctoring.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], env=shell, capture_output=True, text=True, check=False)
    assert done.stdout == "plain,--start\n", done.stderr


@pytest.mark.slow
def test_the_version_is_told_without_loading_a_command() -> None:
    program = (
        "import sys, smarterproctoring; before = set(sys.modules)\n"
        "from smarterproctoring.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: pass\n"
        "print(*sorted(name for name in set(sys.modules) - before if name.startswith('smarterproctoring')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == [
        "smarterproctoring._cli",
        "smarterproctoring._cli.early",
        "smarterproctoring._cli.exit_codes",
        "smarterproctoring.cli",
        "smarterproctoring.errors",
        "smarterproctoring.harmless",
        "smarterproctoring.problems",
        "smarterproctoring.terminal",
        "smarterproctoring_generated",
        "smarterproctoring_generated.operations",
        "smarterproctoring_generated.parsing",
        "smarterproctoring_generated.records",
        "smarterproctoring_generated.results",
    ]


def test_the_moment_of_the_tests_is_before_the_sessions() -> None:
    assert f"{NOW:%Y}" < FIELDS["appointmentStartDateTime"][:4]
    assert RESCHEDULE_EXAM_SESSION.read_by == GET_EXAM_SESSION.operation_id
