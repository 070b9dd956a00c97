"""The command line against the mock server: what it prints, what it sends, and its exit codes."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from smarterproctoring import SmarterProctoring, __version__, cli, errors
from smarterproctoring.seam import SyncSeam
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_mock import RunningServer, running_server

SIDS = (f"AI{'1f' * 16}", f"EX{'2e' * 16}", f"ES{'3d' * 16}")
TOKEN = "cli-secret-token-0123456789"
MOVE = ("--start", "2030-05-04 09:00", "--end", "2030-05-04 11:00", "--timezone", "America/New_York")


@pytest.fixture(name="server")
def a_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    with running_server(token=TOKEN) as server:
        monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
        monkeypatch.setenv("SMARTERPROCTORING_BASE_URL", server.url)
        yield server


def run(*arguments: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(cli.main, list(arguments), input=stdin)
    assert TOKEN not in result.output
    return result


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
    for said in ("--start", "install_sid", "exam_sid", "session_sid", "no time zone", "white space", "kind exam"):
        assert said in result.stderr
    assert not server.app.requests()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*SIDS,), "nothing to change"),
        ((*SIDS, "--type", "zoom"), "b-virtual"),
        ((*SIDS, "--frist-name", "x"), "--first-name"),
        ((*SIDS, *MOVE, "--timezone", "Mars/Olympus"), "no time zone 'Mars/Olympus'"),
        ((*SIDS, "--start", "2030-05-04T13:00Z", "--end", "2030-05-04T12:00Z"), "must be after"),
        ((*SIDS, *MOVE, "--retries", "99"), "retries must be"),
        ((*SIDS, *MOVE, "--timeout", "-1"), "above 0"),
        ((*SIDS, *MOVE, "--base-url", "http://example.org"), "plain http"),
        ((*SIDS, *MOVE, "--base-url", "nonsense"), "https://"),
        ((*SIDS, *MOVE, "--token", TOKEN), "No such option"),
        (SIDS[:2], "Missing argument"),
    ],
)
def test_bad_input_is_code_2_with_the_mend(server: RunningServer, arguments: tuple[str, ...], said: str) -> None:
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
    result = run("reschedule", *SIDS, *MOVE, "--retries", "0")
    assert result.exit_code == code
    assert cli.EXIT_CODES[code] in result.stderr
    server.app.add_faults(fault)
    told = json.loads(run("reschedule", *SIDS, *MOVE, "--retries", "0", "--json").stdout)
    assert (told["exit_code"], told["maybe_applied"]) == (code, code == 8)
    assert told["outcome"] == ("unknown" if code == 8 else "not moved")


def test_no_connection_is_code_7(server: RunningServer) -> None:
    result = run("reschedule", *SIDS, *MOVE, "--retries", "0", "--base-url", "http://127.0.0.1:9")
    assert result.exit_code == 7
    assert "was not applied" in result.stderr


def test_replays_can_be_turned_off(server: RunningServer) -> None:
    server.app.add_faults({"fault": "drop-after-store"})
    assert run("reschedule", *SIDS, *MOVE, "--no-replay").exit_code == 8
    assert len(server.app.requests()) == 1


def test_a_replay_is_shown(server: RunningServer) -> None:
    server.app.add_faults({"fault": "drop-after-store"})
    result = run("reschedule", *SIDS, *MOVE)
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


@pytest.mark.parametrize(("status", "code"), [(429, 7), (500, 8)])
def test_ctrl_c_while_waiting_tells_what_is_known(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, status: int, code: int
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SyncSeam, "sleep", staticmethod(interrupt))
    server.app.add_faults({"status": status})
    told = json.loads(run("reschedule", *SIDS, *MOVE, "--json").stdout)
    assert (told["exit_code"], told["maybe_applied"], told["attempts"]) == (code, code == 8, 1)


def test_every_error_has_a_documented_code() -> None:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.SmarterProctoringError):
            code = cli.exit_code(kind("x"))
            assert code in cli.EXIT_CODES
            assert cli.exit_code(kind("x", maybe_applied=True)) == 8
            assert code != 1 or kind is errors.SmarterProctoringError


def test_version_and_help() -> None:
    assert run("--version").stdout.split()[-1] == __version__
    shown = run("reschedule", "--help").stdout
    for item in RESCHEDULE_EXAM_SESSION.fields:
        assert f"--{item.keyword.replace('_', '-')}" in shown
    for code, meaning in cli.EXIT_CODES.items():
        assert f"{code}  {meaning}" in shown


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
        ({"TOKEN": "", "TOKEN_FILE": "does/not/exist"}, "token", 3, "cannot be read"),
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
    checks = {row["check"]: row for row in json.loads(result.stdout)}
    assert not checks[check]["ok"], result.output
    assert said in checks[check]["text"]
    assert result.exit_code == code


# -- as a process -------------------------------------------------------------------------------------------------


def test_the_mock_command_prints_its_url_and_ends_on_sigterm() -> None:
    command = [str(Path(sys.executable).with_name("smarterproctoring")), "mock", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.terminate()
        assert process.wait(timeout=20) == 0


def test_without_the_extra_the_command_says_what_to_install() -> None:
    script = "import sys; sys.modules['click'] = None; import smarterproctoring.cli"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'smarterproctoring-client[cli]'" in done.stderr
    assert "Traceback" not in done.stderr
