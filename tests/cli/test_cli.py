"""The command line against the mock server: what it prints, what it sends, and its exit codes."""

from __future__ import annotations

import base64
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli.commands import MOVE, NOTE, SIDS, TOKEN, run
from click.testing import CliRunner
from smarterproctoring import SmarterProctoring, __api_version__, __version__, cli, errors, token_file
from smarterproctoring._cli import exit_codes
from smarterproctoring._sync import sender
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_mock import RunningServer, running_server


def test_moves_a_session_and_says_so(server: RunningServer) -> None:
    result = run("reschedule", *SIDS, *MOVE, "--first-name", "Ada")
    assert result.exit_code == 0
    assert f"moved {SIDS[2]}" in result.stdout
    assert "Sat 04 May 2030 13:00 UTC (Sat 04 May 2030 09:00 EDT)" in result.stdout
    (session,) = server.app.sessions()
    assert session.fields == {
        "appointmentStartDateTime": "2030-05-04T13:00:00.000Z",
        "appointmentEndDateTime": "2030-05-04T15:00:00.000Z",
        "firstName": "Ada",
    }


def test_json_is_one_object(server: RunningServer) -> None:
    result = run("reschedule", *SIDS, *MOVE, "--json")
    told = json.loads(result.stdout)
    assert told["outcome"] == "moved"
    assert (told["status"], told["attempts"], told["replays"], told["session_sid"]) == (200, 1, 0, SIDS[2])
    assert len(server.app.requests()) == 1


@pytest.mark.parametrize("item", RESCHEDULE_EXAM_SESSION.fields, ids=lambda item: item.name)
def test_every_field_of_the_spec_is_an_option(server: RunningServer, item: Any) -> None:
    value = item.allowed[-1] if item.allowed else "2030-05-04T13:00:00Z" if item.format else "Üñí 'x'"
    result = run("reschedule", *SIDS, f"--{item.keyword.replace('_', '-')}", value)
    assert result.exit_code == 0, result.output
    expected = "2030-05-04T13:00:00.000Z" if item.format else value
    server.app.assert_called(times=1, json={item.name: expected})


def test_a_dry_run_sends_nothing_and_needs_no_token(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARTERPROCTORING_TOKEN")
    result = run("reschedule", *SIDS, *MOVE, "--dry-run")
    assert result.exit_code == 0
    assert "nothing was sent" in result.stdout
    assert "token: <token>" in result.stdout
    assert '"appointmentStartDateTime": "2030-05-04T13:00:00.000Z"' in result.stdout
    assert json.loads(run("reschedule", *SIDS, *MOVE, "--dry-run", "--json").stdout)["outcome"] == "dry run"
    assert not server.app.requests()


def test_all_problems_are_said_at_once_and_nothing_is_sent(server: RunningServer) -> None:
    result = run("reschedule", SIDS[1], SIDS[0], f"{SIDS[2]}\n", "--start", "2030-05-04 09:00")
    assert result.exit_code == 2
    for said in ("--start", "INSTALL_SID", "EXAM_SID", "SESSION_SID", "no time zone", "white space", "kind exam"):
        assert said in result.stderr
    assert not server.app.requests()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*SIDS,), "nothing to change"),
        ((*SIDS, "--type", "zoom"), "b-virtual"),
        ((*SIDS, "--frist-name", "x"), "--first-name"),
        ((*SIDS, *MOVE, "--timezone", "Mars/Olympus"), "--timezone: there is no such time zone"),
        ((*SIDS, "--start", "2030-05-04T13:00Z", "--end", "2030-05-04T12:00Z"), "--end must be after"),
        ((*SIDS, *MOVE, "--retries", "99"), "--retries must be"),
        ((*SIDS, *MOVE, "--timeout", "-1"), "above 0"),
        (
            (*SIDS, *MOVE, "--base-url", "http://example.org"),
            "--base-url is plain http, which shows the token: use https, or add --allow-http",
        ),
        ((*SIDS, *MOVE, "--base-url", "nonsense"), "--base-url must begin with https://"),
        ((*SIDS, *MOVE, "--token", TOKEN), "No such option"),
        (SIDS[:2], "Missing argument"),
    ],
)
def test_bad_input_is_code_2_with_the_fix(server: RunningServer, arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(cli.main, ["reschedule", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not server.app.requests()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 400}, 5),
        ({"status": 401}, 3),
        ({"status": 403}, 3),
        ({"status": 404}, 4),
        ({"status": 409}, 5),
        ({"status": 429}, 6),
        ({"status": 302}, 5),
        ({"status": 501}, 7),
        ({"status": 503}, 8),
        ({"status": 499}, 8),
        ({"status": 303}, 8),
        ({"status": 202, "store": True}, 8),
        ({"status": 200, "text": "<html>no</html>", "content_type": "text/html"}, 8),
        ({"status": 425}, 5),
        ({"status": 500}, 8),
        ({"status": 520}, 8),
        ({"fault": "drop-before-store"}, 8),
        ({"fault": "drop-after-store"}, 8),
    ],
)
def test_exit_codes(server: RunningServer, fault: dict[str, Any], code: int) -> None:
    server.app.add_faults(fault)
    result = run("reschedule", *SIDS, *NOTE, "--retries", "0")
    assert result.exit_code == code
    assert exit_codes.EXIT_CODES[code] in result.stderr
    server.app.add_faults(fault)
    told = json.loads(run("reschedule", *SIDS, *NOTE, "--retries", "0", "--json").stdout)
    assert (told["exit_code"], told["maybe_applied"]) == (code, code == 8)
    assert told["outcome"] == ("unknown" if code == 8 else "not moved")


def test_no_connection_is_code_7(server: RunningServer) -> None:
    result = run("reschedule", *SIDS, *MOVE, "--retries", "0", "--base-url", "http://127.0.0.1:9")
    assert result.exit_code == 7
    assert "was not applied" in result.stderr


def test_replays_can_be_turned_off(server: RunningServer) -> None:
    server.app.add_faults({"fault": "drop-after-store"})
    assert run("reschedule", *SIDS, *NOTE, "--no-replay").exit_code == 8
    assert len(server.app.requests()) == 1


def test_a_replay_is_shown(server: RunningServer) -> None:
    server.app.add_faults({"fault": "drop-after-store"})
    result = run("reschedule", *SIDS, *NOTE)
    assert result.exit_code == 0
    assert "2 in" in result.stdout
    assert "after one that may have been applied" in result.stdout


def test_the_token_comes_from_a_file(server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARTERPROCTORING_TOKEN")
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert run("reschedule", *SIDS, *MOVE, "--token-file", str(file)).exit_code == 0
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN_FILE", str(file))
    assert run("reschedule", *SIDS, *MOVE).exit_code == 0
    assert len(server.app.requests(status=200)) == 2


def test_no_token_and_no_terminal_is_said(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARTERPROCTORING_TOKEN")
    result = run("reschedule", *SIDS, *MOVE)
    assert result.exit_code == 2
    assert "SMARTERPROCTORING_TOKEN" in result.stderr


def test_ctrl_c_says_that_the_change_may_have_been_applied(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SmarterProctoring, "reschedule", interrupt)
    result = run("reschedule", *SIDS, *MOVE)
    assert result.exit_code == 8
    assert "may have been applied" in result.stderr


@pytest.mark.parametrize(("status", "code"), [(429, 130), (500, 8)])
def test_ctrl_c_while_waiting_tells_what_is_known(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, status: int, code: int
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sender, "sleep", interrupt)
    server.app.add_faults({"status": status})
    told = json.loads(run("reschedule", *SIDS, *MOVE, "--json").stdout)
    assert (told["exit_code"], told["maybe_applied"], told["attempts"]) == (code, code == 8, 1)


def test_every_error_has_a_documented_code() -> None:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.SmarterProctoringError):
            code = exit_codes.exit_code(kind("x"))
            assert code in exit_codes.EXIT_CODES
            assert exit_codes.exit_code(kind("x", maybe_applied=True)) == 8
            assert code != 1 or kind is errors.SmarterProctoringError


def test_version_and_help() -> None:
    shown = run("--version").stdout
    assert shown == f"smarterproctoring, version {__version__} (API {__api_version__})\n"
    shown = run("reschedule", "--help").stdout
    for item in RESCHEDULE_EXAM_SESSION.fields:
        assert f"--{item.keyword.replace('_', '-')}" in shown
    for code, meaning in exit_codes.EXIT_CODES.items():
        assert f"{code:<4} {meaning}" in shown


# -- times ------------------------------------------------------------------------------------------------------------


def test_the_past_and_the_far_future_need_an_option(server: RunningServer) -> None:
    past = ("--start", "4 May 2004 9am", "--timezone", "America/New_York")
    far = ("--start", "4 May 2130 9am", "--timezone", "America/New_York")
    for arguments, option in ((past, "--allow-past"), (far, "--allow-far")):
        refused = run("reschedule", *SIDS, *arguments)
        assert refused.exit_code == 2
        assert f"or allow it with {option}" in refused.stderr
        assert run("reschedule", *SIDS, *arguments, "--dry-run").exit_code == 2
        assert not server.app.requests()
        assert run("reschedule", *SIDS, *arguments, option).exit_code == 0
        server.app.reset()


@pytest.mark.parametrize("end", [("--end", "5 May 2030 9:01am"), ("--duration", "24h1m")])
def test_an_end_long_after_the_start_needs_an_option(server: RunningServer, end: tuple[str, str]) -> None:
    arguments = ("--start", "4 May 2030 9am", *end, "--timezone", "America/New_York")
    refused = run("reschedule", *SIDS, *arguments)
    assert refused.exit_code == 2
    assert f"{end[0]}: the end is more than 24 hours after the start" in refused.stderr
    assert not server.app.requests()
    allowed = run("reschedule", *SIDS, *arguments, "--allow-long")
    assert allowed.exit_code == 0, allowed.stderr


def test_times_are_checked_against_the_present_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for days, code in ((-1, 2), (90, 0), (800, 2)):
        start = f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%MZ}"
        assert run("reschedule", *SIDS, "--start", start, "--dry-run").exit_code == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--start", "9am-11am 4 May 2030"), "--start: '9am-11am 4 May 2030' names two times"),
        (("--start", "13/04/2030 09:00", "--month-first"), "contradicts --month-first"),
        (("--start", "4 May 2030 9am EDT"), "EDT is -04:00"),
        (("--start", "2030-05-04 9am", "--timezone", "EST"), "--timezone: EST is -05:00 all year"),
        (("--start", "2030-05-04 9am", "--timezone", "new york"), "did you mean America/New_York?"),
        (("--start", "2030-05-04 9am", "--timezone", "nowhere", "--end", "31 April 2030 9am"), "April has 30 days"),
    ],
)
def test_a_wrong_time_names_its_option(server: RunningServer, arguments: tuple[str, ...], said: str) -> None:
    zone = () if "--timezone" in arguments else ("--timezone", "America/New_York")
    result = run("reschedule", *SIDS, *arguments, *zone)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not server.app.requests()


@pytest.mark.parametrize("text", ["2h", "120m", "1h60m", "2 hours", "1 hour 60 min", "2H", "02h"])
def test_a_duration_gives_the_end(server: RunningServer, text: str) -> None:
    result = run("reschedule", *SIDS, *MOVE[:2], *MOVE[4:], "--duration", text)
    assert result.exit_code == 0, result.output
    assert "note:" not in result.stderr
    (session,) = server.app.sessions()
    assert session.fields["appointmentEndDateTime"] == "2030-05-04T15:00:00.000Z"


def test_a_duration_is_exact_when_the_clocks_change(server: RunningServer) -> None:
    night = ("--start", "2030-03-10 01:00", "--timezone", "America/New_York", "--duration", "2h")
    assert run("reschedule", *SIDS, *night).exit_code == 0
    (session,) = server.app.sessions()
    assert session.fields["appointmentEndDateTime"] == "2030-03-10T08:00:00.000Z"  # 04:00 on the clock


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*MOVE, "--duration", "2h"), "--duration: contradicts --end"),
        (("--duration", "2h"), "--duration: needs --start"),
        ((*MOVE[:2], *MOVE[4:], "--duration", "2"), "hours and minutes, as in 2h"),
        ((*MOVE[:2], *MOVE[4:], "--duration", "1:30"), "hours and minutes, as in 2h"),
        ((*MOVE[:2], *MOVE[4:], "--duration", "-2h"), "hours and minutes, as in 2h"),
        ((*MOVE[:2], *MOVE[4:], "--duration", "0h"), "has no length"),
        ((*MOVE[:2], *MOVE[4:], "--duration", ""), "hours and minutes, as in 2h"),
    ],
)
def test_a_duration_that_does_not_fit_is_refused(server: RunningServer, arguments: tuple[str, ...], said: str) -> None:
    result = run("reschedule", *SIDS, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not server.app.requests()


def test_what_stays_on_the_service_is_said(server: RunningServer) -> None:
    alone = run("reschedule", *SIDS, *MOVE[:2], *MOVE[4:])
    assert alone.exit_code == 0
    assert "the end stays as it is on the service" in alone.stderr
    assert "--end or --duration" in alone.stderr
    assert "the start stays" in run("reschedule", *SIDS, *MOVE[2:]).stderr
    assert "note:" not in run("reschedule", *SIDS, *MOVE).stderr
    assert "note:" not in run("reschedule", *SIDS, "--notes", "x").stderr
    assert "note:" not in run("reschedule", *SIDS, *MOVE[:2], *MOVE[4:], "--json").stderr


# -- fields from a file ----------------------------------------------------------------------------------------------


def test_fields_come_from_a_file_or_standard_input(server: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "fields.json"
    values = {"firstName": "Ada", "notes": "größer", "appointmentStartDateTime": "4 May 2030 9am"}
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(values, ensure_ascii=False).encode())
    zone = ("--timezone", "America/New_York")
    assert run("reschedule", *SIDS, *zone, "--fields", str(file), "--last-name", "L").exit_code == 0
    assert run("reschedule", *SIDS, *zone, "--fields", "-", "--last-name", "L", stdin=json.dumps(values)).exit_code == 0
    sent = {**values, "appointmentStartDateTime": "2030-05-04T13:00:00.000Z", "lastName": "L"}
    server.app.assert_called(times=2, json=sent)
    by_keyword = json.dumps({"first_name": "Bob"})
    assert run("reschedule", *SIDS, "--fields", "-", stdin=by_keyword).exit_code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"frist_name": "x"}', "there is no field 'frist_name'"),
        ('{"phone": 5550199}', "phone has to be text, in quotes"),
        ('{"phone": null}', "phone has to be text, in quotes"),
        ('{"notes": "x"}', "notes is given twice"),
        ('{"type": "zoom"}', "--type must be one of"),
        ('{"appointmentEndDateTime": "tomorrow"}', "--end: 'tomorrow' has no date of its own"),
        ("[]", "not a JSON object"),
        ("{", "not a JSON object"),
        ("", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ('{"notes": "' + "x" * 1024 * 1024 + '"}', "more than 1 MiB"),
    ],
    ids=lambda text: text[:20],
)
def test_fields_that_cannot_be_read_are_refused(server: RunningServer, content: str, said: str) -> None:
    result = run("reschedule", *SIDS, "--notes", "y", "--fields", "-", stdin=content)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not server.app.requests()
    missing = run("reschedule", *SIDS, "--fields", "/nope")
    assert missing.exit_code == 2
    assert "--fields /nope: No such file" in missing.stderr


# -- what is printed -------------------------------------------------------------------------------------------------

NASTY = "\x1b[2J\x1b]0;title\x07 \x9b31m \u202egnp.exe \u2066x\u2069 \rmoved\nmoved ES000 \x7f\u200b"


def harmless(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


def test_control_characters_of_the_server_are_made_visible(server: RunningServer) -> None:
    server.app.add_faults({"status": 200, "text": NASTY, "content_type": "text/plain"})
    moved = run("reschedule", *SIDS, *MOVE)
    server.app.add_faults({"status": 404, "code": "1203", "message": NASTY})
    missing = run("reschedule", *SIDS, *MOVE)
    assert missing.exit_code == 4
    for output in (moved.stdout, missing.stderr):
        assert harmless(output), output
        assert "\\x1b[2J" in output
        assert "\\u202e" in output
        assert "\\nmoved" in output
    server.app.add_faults({"status": 404, "code": "1203", "message": NASTY})
    as_json = run("reschedule", *SIDS, *MOVE, "--json").stdout
    assert as_json.isascii()
    assert harmless(as_json)


def test_json_is_one_object_in_every_case(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    cases: list[tuple[tuple[str, ...], int]] = [
        (("reschedule", *SIDS, *MOVE), 0),
        (("reschedule", *SIDS, *MOVE, "--dry-run"), 0),
        (("reschedule", *SIDS, "--start", "soon", "--timezone", "x"), 2),
        (("reschedule", *SIDS), 2),
        (("reschedule", *SIDS[:2], *MOVE), 2),
        (("reschedule", *SIDS, *MOVE, "--retries", "many"), 2),
        (("reschedule", *SIDS, *MOVE, "--frist-name", "Ł"), 2),
        (("reschedule", *SIDS, *MOVE, "--token-file", "/nope"), 2),
        (("reschedule", *SIDS, *MOVE, "--base-url", "https://user:PW@host"), 2),
        (("doctor",), 0),
        (("doctor", "--retries", "many"), 2),
        (("doctor", "--base-url", "https://user:PW@host"), 2),
    ]
    for arguments, code in cases:
        result = run(*arguments, "--json")
        assert result.exit_code == code, arguments
        value = json.loads(result.stdout)
        assert isinstance(value, dict)
        assert value["exit_code"] == code
        assert "PW" not in result.output

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of this program")

    monkeypatch.setattr(SmarterProctoring, "reschedule", fail)
    broken = run("reschedule", *SIDS, *MOVE, "--json")
    assert (broken.exit_code, json.loads(broken.stdout)["exit_code"]) == (1, 1)


# -- the token file --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_as", ["--token-file", "SMARTERPROCTORING_TOKEN_FILE"])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (TOKEN.encode(), None),
        (f"\n{TOKEN}\r\n".encode("utf-8-sig"), None),
        (TOKEN.encode("utf-16"), None),  # what `>` of Windows PowerShell writes
        (TOKEN.encode("utf-16-le"), "holds NUL bytes, as UTF-16 without a byte order mark"),
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"t\xf6ken", "not text in UTF-8"),
        ("tökén".encode(), "only printable ASCII"),
        (f"{TOKEN}\nsecond".encode(), "more than one word or line"),
        (b"Bearer abc", "without the prefix"),
        (b"x" * 70_000, "more than 64 KiB"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_token_file_is_read_or_named_with_its_problem(
    server: RunningServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given_as: str,
    content: bytes,
    problem: str | None,
) -> None:
    file = tmp_path / "the-token"
    file.write_bytes(content)
    monkeypatch.delenv("SMARTERPROCTORING_TOKEN")
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN_FILE", str(file))
    option = ("--token-file", str(file)) if given_as == "--token-file" else ()
    result = run("reschedule", *SIDS, *MOVE, *option)
    if problem is None:
        assert result.exit_code == 0, result.output
        assert run("doctor", *option).exit_code == 0
        return
    assert result.exit_code == 2, result.output
    for output in (result.stderr, run("doctor", *option).stdout):
        assert f"{given_as} {file}: " in output
        assert problem in output
    assert not server.app.requests(method="PUT")


def test_a_path_that_is_not_a_file_is_named(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_file, "SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe")
    for path, problem in (
        ("/nope", "no such file"),
        (str(tmp_path), "it is a directory"),
        (str(tmp_path / "pipe"), "it is a pipe or a device that gave no whole token within 0.2 seconds"),
        ("/dev/zero", "it has more than 64 KiB"),
        ("/dev/null", "it is empty"),
    ):
        result = run("reschedule", *SIDS, *MOVE, "--token-file", path)
        assert result.exit_code == 2
        assert f"--token-file {path}: {problem}" in result.stderr
    assert not server.app.requests()


def test_a_pipe_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_file, "SECONDS", 60)  # so that the writer may be late
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen(["sh", "-c", f"sleep 0.2; printf %s tok- >'{pipe}'"])
    try:
        assert token_file.TokenFile(pipe, "--token-file")() == "tok-"
    finally:
        writer.wait(timeout=60)


# -- doctor -------------------------------------------------------------------------------------------------------


def jwt(expires: int) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'exp': expires})}.c2ln"


def test_doctor_is_content_and_changes_nothing(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", jwt(4_000_000_000))
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert "expires at 2096-10-02 07:06 UTC" in result.stdout
    assert "127.0.0.1 answers" in result.stdout
    (request,) = server.app.requests()
    assert request.method == "HEAD"
    assert "token" not in {name.lower() for name, _ in request.headers}
    assert not server.app.sessions()


@pytest.mark.parametrize(
    ("environment", "check", "code", "said"),
    [
        ({"TOKEN": jwt(1)}, "token", 3, "expired at 1970-01-01"),
        ({"TOKEN": "Bearer abc"}, "token", 3, "without the prefix"),
        ({"TOKEN": ""}, "token", 3, "no token"),
        (
            {"TOKEN": "", "TOKEN_FILE": "does/not/exist"},
            "token",
            3,
            "SMARTERPROCTORING_TOKEN_FILE does/not/exist: no such file",
        ),
        ({"RETRIES": "many"}, "settings", 2, "SMARTERPROCTORING_RETRIES"),
        ({"BASE_URL": "http://example.invalid"}, "settings", 2, "plain http"),
        ({"BASE_URL": "http://127.0.0.1:9"}, "network", 7, "cannot be reached"),
    ],
)
def test_doctor_names_the_fault(
    server: RunningServer,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    check: str,
    code: int,
    said: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"SMARTERPROCTORING_{name}", value)
    result = run("doctor", "--json")
    checks = {row["check"]: row for row in json.loads(result.stdout)["checks"]}
    assert not checks[check]["ok"], result.output
    assert said in checks[check]["text"]
    assert result.exit_code == code


def test_doctor_shows_no_password_and_all_problems(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("https://user:PW@host", "http://user:PW@127.0.0.1:1/", "https://host:PW"):
        result = run("doctor", "--base-url", url)
        assert result.exit_code == 2
        assert "FAIL settings" in result.stdout
        assert "--base-url must" in result.stdout
        assert "PW" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", "Bearer abc")
    both = run("doctor", "--retries", "99")
    assert both.exit_code == 2
    assert "FAIL settings   --retries must be" in both.stdout
    assert "FAIL token      the token must be given without the prefix" in both.stdout
    three = run("doctor", "--retries", "99", "--base-url", "nonsense")
    assert "--base-url must begin" in three.stdout
    assert "--retries must be" in three.stdout


def test_doctor_names_a_server_that_does_not_speak_http(server: RunningServer) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        result = run("doctor", "--base-url", f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(timeout=20)
    assert result.exit_code == 7
    assert "127.0.0.1 answers, but not in HTTP" in result.stdout


# -- as a process -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_mock_command_prints_its_url_and_ends_on_sigterm() -> None:
    command = [str(Path(sys.executable).with_name("smarterproctoring")), "mock", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.terminate()
        assert process.wait(timeout=20) == 0


@pytest.mark.slow
def test_without_the_extra_the_command_says_what_to_install() -> None:
    script = "import sys; sys.modules['click'] = None; import smarterproctoring.cli"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


SOON = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}"
SOON_MOVE = ("--start", f"{SOON}T13:00Z", "--end", f"{SOON}T15:00Z")
COMMAND = [sys.executable, "-P", "-m", "smarterproctoring.cli"]
INTERRUPTED_AT = Path(__file__).parent / "interrupted_at.py"


def environment(server: RunningServer, **more: str) -> dict[str, str]:
    own = {"SMARTERPROCTORING_BASE_URL": server.url, "SMARTERPROCTORING_TOKEN": TOKEN}
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    return {**clean, **own, **more}


def finish(server: RunningServer, *arguments: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, env=environment(server, **more), capture_output=True, check=False, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_terminal_that_lacks_characters_does_not_fail_the_command(server: RunningServer, encoding: str) -> None:
    content_type = "text/plain; charset=utf-8"
    server.app.add_faults({"status": 200, "text": "Łódź \U0001f393", "content_type": content_type, "times": None})
    move = ("reschedule", *SIDS, *SOON_MOVE, "--notes", "Łódź")
    for arguments in (move, (*move, "--dry-run"), (*move, "--json")):
        done = finish(server, *arguments, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
        done.stdout.decode(encoding)
        assert "--json" not in arguments or done.stdout.isascii()
    wrong = finish(server, *move, "--Ł", "x", PYTHONIOENCODING=encoding)
    assert wrong.returncode == 2
    assert b"No such option" in wrong.stderr


@pytest.mark.slow
def test_colors_only_where_they_are_wanted(server: RunningServer) -> None:
    move = ("reschedule", *SIDS, *SOON_MOVE)
    assert b"\x1b[" not in finish(server, *move).stdout
    assert b"\x1b[32m" in in_terminal(server, *move)[1]
    assert b"\x1b[" not in in_terminal(server, *move, NO_COLOR="1")[1]


@pytest.mark.slow
def test_a_reader_that_goes_away_changes_no_exit_code(server: RunningServer) -> None:
    for name, code in (("reschedule", 0), ("doctor", 0)):
        read_end, write_end = os.pipe()
        os.close(read_end)
        arguments = (name, *SIDS, *SOON_MOVE) if name == "reschedule" else (name,)
        command = [*COMMAND, *arguments]
        done = subprocess.run(
            command, env=environment(server), stdout=write_end, stderr=subprocess.PIPE, check=False, timeout=60
        )
        os.close(write_end)
        assert done.returncode == code, done.stderr
        assert done.stderr == b""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_said_and_the_outcome_kept(server: RunningServer) -> None:
    command = [*COMMAND, "reschedule", *SIDS, *SOON_MOVE]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command, env=environment(server), stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert b"the output cannot be written: No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def in_terminal(
    server: RunningServer, *arguments: str, keys: bytes = b"", after: bytes = b"", **more: str
) -> tuple[int, bytes]:
    """Run a command in a terminal of its own; press keys once it has printed `after` and turned the echo off.

    Return exit code and output.
    """
    process, terminal = pty.fork()
    if not process:
        os.execve(sys.executable, [*COMMAND, *arguments], environment(server, **more))  # noqa: S606
    output = b""
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if keys and after in output and not termios.tcgetattr(terminal)[3] & termios.ECHO:
                os.write(terminal, keys)
                keys = b""
            if not select.select([terminal], [], [], 0.05)[0]:
                continue
            block = os.read(terminal, 4096)
            if not block:
                break
            output += block
    except OSError:
        pass  # Linux says so when the other side has closed
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), output


@pytest.mark.slow
def test_ctrl_c_at_the_prompt_sends_nothing(server: RunningServer) -> None:
    move = ("reschedule", *SIDS, *SOON_MOVE)
    asked = in_terminal(server, *move, SMARTERPROCTORING_TOKEN="", keys=b"\x03", after=b"Token:")
    assert asked[0] == 130, asked[1]
    assert b"interrupted; nothing was sent" in asked[1]
    assert b"Traceback" not in asked[1]
    answered = in_terminal(server, *move, SMARTERPROCTORING_TOKEN="", keys=f"{TOKEN}\n".encode(), after=b"Token:")
    assert answered[0] == 0, answered[1]
    assert TOKEN.encode() not in answered[1]
    ended = in_terminal(server, *move, SMARTERPROCTORING_TOKEN="", keys=b"\x04", after=b"Token:")
    assert ended[0] == 2, ended[1]
    doctor = in_terminal(server, "doctor", "--json", SMARTERPROCTORING_TOKEN="", keys=b"\x03", after=b"Token:")
    assert doctor[0] == 130, doctor[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ({"status": 429, "headers": {"retry-after": "30"}}, 130, "The change was not applied"),
        ({"status": 500, "headers": {"retry-after": "30"}}, 8, "The change may have been applied"),
    ],
)
def test_ctrl_c_says_what_is_known(server: RunningServer, fault: dict[str, Any], code: int, said: str) -> None:
    """While the command waits for the next attempt."""
    server.app.add_faults({**fault, "times": None})
    command = [sys.executable, "-P", str(INTERRUPTED_AT), "sleep()", "reschedule", *SIDS, *SOON_MOVE, "--json"]
    done = subprocess.run(command, env=environment(server), capture_output=True, check=False, timeout=100)
    out, err = done.stdout, done.stderr
    assert done.returncode == code, out + err
    told = json.loads(out)
    assert said in told["message"]
    assert (told["maybe_applied"], told["attempts"], told["exit_code"]) == (code == 8, 1, code)
    assert b"Traceback" not in err


@pytest.mark.slow
def test_ctrl_c_during_an_attempt_says_that_it_may_have_been_applied(server: RunningServer) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = subprocess.Popen(
            [*COMMAND, "reschedule", *SIDS, *SOON_MOVE, "--json", "--base-url", url],
            env=environment(server), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(65536)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 8, out + err
    told = json.loads(out)
    assert "interrupted. The change may have been applied" in told["message"]
    assert (told["outcome"], told["maybe_applied"], told["attempts"]) == ("unknown", True, 1)
    assert b"Traceback" not in err


def test_a_name_that_is_twice_in_the_fields_is_refused(server: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "fields.json"
    file.write_text('{"notes": "a", "notes": "b"}')
    result = run("reschedule", *SIDS, "--fields", str(file))
    assert result.exit_code == 2
    assert f"--fields {file}: a name is there twice" in result.stderr
    assert not server.app.audit()


def test_an_end_before_the_start_names_both_options(server: RunningServer) -> None:
    result = run("reschedule", *SIDS, "--start", "2030-05-04T13:00:00Z", "--end", "2030-05-04T12:00:00Z")
    assert result.exit_code == 2
    assert "--end must be after --start" in result.stderr
    assert not server.app.audit()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [("--help",), ("--version",), ("bulk", "--help")])
def test_help_that_cannot_be_written_is_no_traceback(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-P", "-m", "smarterproctoring.cli", *words]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "error: cannot write: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_asks_the_proxy_of_all_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_server() as proxy:
        monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
        monkeypatch.setenv("SMARTERPROCTORING_BASE_URL", "http://proctoring.invalid")
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        through = run("doctor", "--allow-http")
        assert "proctoring.invalid answers" in through.stdout, through.stdout
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:x")
        assert "not checked: the proxy" in run("doctor", "--allow-http").stdout
