"""Profiles of the command line: which setting wins, what is refused, and that no token is shown."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.commands import MOVE, SIDS, TOKEN, run, run_json
from click.testing import CliRunner
from smarterproctoring import ConfigurationError, cli, token_sources
from smarterproctoring.profiles import Profile, config_path, read_profile
from smarterproctoring.token_sources import Keyring, TokenCommand
from smarterproctoring_mock import RunningServer

INSTALL, EXAM, SESSION = SIDS
OTHER = f"AI{'9e' * 16}"


class Config:
    """The file of profiles of a test."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str, mode: int = 0o600) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text, encoding="utf-8")
        self.path.chmod(mode)


@pytest.fixture(name="config")
def a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("PROFILE", "CONFIG", "TOKEN", "TOKEN_FILE", "BASE_URL", "INSTALL_SID"):
        monkeypatch.delenv(f"SMARTERPROCTORING_{name}", raising=False)
    return Config(tmp_path / "config" / "smarterproctoring" / "config.toml")


def dry_run(*words: str) -> str:
    result = run("reschedule", *words, "--dry-run", "--allow-far", "--start", "2030-05-04T10:00Z", "--duration", "1h")
    assert result.exit_code == 0, result.output
    return result.stdout


# -- which one wins ----------------------------------------------------------------------------------------------------


def test_option_environment_profile_default(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "PUT https://api.smarterproctoring.com/v1/" in dry_run(*SIDS)
    config.write(
        '[profiles.default]\nbase_url = "https://one.example.org"\n[profiles.b]\nbase_url = "https://two.example.org"'
    )
    assert "PUT https://one.example.org/v1/" in dry_run(*SIDS)
    monkeypatch.setenv("SMARTERPROCTORING_PROFILE", "b")
    assert "PUT https://two.example.org/v1/" in dry_run(*SIDS)
    assert "PUT https://one.example.org/v1/" in dry_run(*SIDS, "--profile", "default")
    monkeypatch.setenv("SMARTERPROCTORING_BASE_URL", "https://three.example.org")
    assert "PUT https://three.example.org/v1/" in dry_run(*SIDS)
    assert "PUT https://four.example.org/v1/" in dry_run(*SIDS, "--base-url", "https://four.example.org")


def test_the_install_may_be_left_out(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write(f'[profiles.default]\ninstall_sid = "{INSTALL}"')
    assert f"/installs/{INSTALL}/exams/{EXAM}/sessions/{SESSION}\n" in dry_run(EXAM, SESSION)
    monkeypatch.setenv("SMARTERPROCTORING_INSTALL_SID", OTHER)
    assert f"/installs/{OTHER}/exams/{EXAM}/" in dry_run(EXAM, SESSION)
    assert f"/installs/{INSTALL}/exams/{EXAM}/" in dry_run(EXAM, SESSION, "--install-sid", INSTALL)
    assert f"/installs/{INSTALL}/exams/{EXAM}/" in dry_run(*SIDS)


def test_the_zone_of_a_profile_reads_and_shows_times(config: Config) -> None:
    config.write('[profiles.default]\ntimezone = "America/New_York"')
    words = ("reschedule", *SIDS, "--start", "2030-05-04 09:00", "--duration", "1h", "--allow-far", "--dry-run")
    assert '"2030-05-04T13:00:00.000Z"' in run(*words).stdout
    assert '"2030-05-04T07:00:00.000Z"' in run(*words, "--timezone", "Europe/Berlin").stdout


@pytest.mark.parametrize(
    "words", [("show", EXAM, SESSION), ("check", EXAM, SESSION, *MOVE), ("reschedule", EXAM, SESSION, *MOVE)]
)
def test_every_command_takes_server_install_and_token_from_a_profile(
    config: Config, server: RunningServer, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    for name in ("TOKEN", "BASE_URL"):
        monkeypatch.delenv(f"SMARTERPROCTORING_{name}")
    (config.path.parent).mkdir(parents=True)
    (config.path.parent / "token").write_text(TOKEN)
    config.write(f'[profiles.s]\nbase_url = "{server.url}"\ninstall_sid = "{INSTALL}"\ntoken_file = "token"')
    code, printed = run_json(*words, "--profile", "s")
    assert printed["install_sid"] == INSTALL
    assert code in (0, 13), printed


def test_bulk_takes_server_token_install_and_zone_from_a_profile(
    config: Config, server: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("TOKEN", "BASE_URL"):
        monkeypatch.delenv(f"SMARTERPROCTORING_{name}")
    listed = tmp_path / "list.csv"
    listed.write_text(f"exam_sid,session_sid,start\n{EXAM},{SESSION},2030-05-04 10:00\n")
    bulk = ("bulk", "look", str(listed), "--allow-far", "--output", str(tmp_path / "seen.csv"))
    print_token = f"print({TOKEN!r})"
    config.write(
        f'[profiles.s]\nbase_url = "{server.url}"\ntoken_command = [{sys.executable!r}, "-c", {print_token!r}]\n'
        f'install_sid = "{INSTALL}"\ntimezone = "America/New_York"\n'
        '[profiles.wrong]\nbase_url = "ftp://x"\n'
    )
    assert run(*bulk, "--profile", "s").exit_code == 0
    assert f"{INSTALL},{EXAM},{SESSION}" in (tmp_path / "seen.csv").read_text()
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
    assert f"{config.path}: profile wrong: base_url must begin with https://" in run(*bulk, "--profile", "wrong").output
    assert f"{config.path}: no profile 'x'; it has: s, wrong" in run(*bulk, "--profile", "x").output


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('token = "topsecret"', "profile default: token holds the token itself"),
        ("base_ur = 1", "profile default: base_ur is unknown; did you mean base_url?"),
        ("base_url = 1", "profile default: base_url must be text, and not empty"),
        ('token_command = "pass show topsecret"', "profile default: token_command must be a list of texts"),
        ("token_command = []", "profile default: token_command must be a list of texts"),
        ('token_keyring = ["one"]', "profile default: token_keyring must be a list of two texts"),
        ('token_file = "a"\ntoken_command = ["b"]', "profile default: token_command contradicts token_file; keep one"),
        ('base_url = "http://topsecret.example"', "profile default: base_url is plain http"),
        ('timezone = "Mars/topsecret"', "profile default: timezone"),
        ('base_url = "topsecret', "it is not TOML: see line 2, column"),
    ],
)
def test_a_wrong_key_is_named_with_file_and_profile(
    config: Config, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
    config.write(f"[profiles.default]\n{text}\n")
    result = run("show", *SIDS)
    assert result.exit_code == 2
    assert str(config.path) in result.output
    assert message in result.output
    assert "topsecret" not in result.output or "Mars" in text


def test_a_wrong_install_names_where_it_comes_from(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write(f'[profiles.default]\ninstall_sid = "{EXAM}"')
    assert f"{config.path}: profile default: install_sid must match ^AI" in run("show", EXAM, SESSION).output
    monkeypatch.setenv("SMARTERPROCTORING_INSTALL_SID", EXAM)
    assert "SMARTERPROCTORING_INSTALL_SID must match ^AI" in run("show", EXAM, SESSION).output
    assert "Missing argument 'EXAM_SID'" in run("show", EXAM).output
    assert "--install-sid contradicts the argument INSTALL_SID" in run("show", *SIDS, "--install-sid", OTHER).output
    assert "1 arguments more than the 3 SIDs" in run("show", *SIDS, EXAM).output


def test_a_wrong_install_of_the_environment_does_not_matter_where_the_arguments_name_one(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMARTERPROCTORING_INSTALL_SID", EXAM)
    dry = ("reschedule", *SIDS, "--notes", "moved", "--dry-run")
    assert run(*dry).exit_code == 0
    assert run(*dry, "--base-url", "http://127.0.0.1:9").exit_code == 0
    settings = run("doctor", "--base-url", "http://127.0.0.1:9").output
    assert "ok   settings" in settings


def test_without_a_default_the_missing_install_is_named(config: Config) -> None:
    result = run("show", EXAM, SESSION)
    assert result.exit_code == 2
    assert "Missing argument 'INSTALL_SID'" in result.output
    assert "SMARTERPROCTORING_INSTALL_SID or install_sid in a profile" in result.output


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_refused(config: Config, mode: int) -> None:
    config.write('[profiles.default]\nbase_url = "https://evil.example.org"', mode)
    result = run("show", *SIDS)
    assert result.exit_code == 2
    assert f"run: chmod go-w {config.path}" in result.output
    config.path.chmod(stat.S_IMODE(0o644))
    assert read_profile(None).base_url == "https://evil.example.org"


def test_a_profile_that_is_not_there_is_named(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such file; write it with a table [profiles.x]" in run("show", *SIDS, "--profile", "x").output
    config.write("[profiles.a]\n[profiles.b]\n")
    assert f"{config.path}: no profile 'x'; it has: a, b" in run("show", *SIDS, "--profile", "x").output
    assert read_profile(None).name == ""
    monkeypatch.setenv("SMARTERPROCTORING_CONFIG", str(config.path.with_name("other.toml")))
    assert "other.toml: no such file" in run("show", *SIDS).output
    config.write("base_url = 1\n")
    monkeypatch.delenv("SMARTERPROCTORING_CONFIG")
    assert "unknown key base_url; each profile is a table of its own" in run("show", *SIDS).output


def test_the_file_is_where_the_platform_keeps_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SMARTERPROCTORING_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_path() == tmp_path / ".config" / "smarterproctoring" / "config.toml"
    monkeypatch.setattr("smarterproctoring.profiles.sys.platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert config_path() == tmp_path / "roaming" / "smarterproctoring" / "config.toml"


# -- a command for the token -------------------------------------------------------------------------------------------


def command(code: str) -> TokenCommand:
    return TokenCommand([sys.executable, "-c", code], "config.toml: profile x: token_command")


def test_the_token_is_what_a_command_prints_and_it_is_kept_for_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    code = f"open({str(runs)!r}, 'a').write('x'); print('secret-token')"
    source = command(code)
    threads = [threading.Thread(target=source) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source() == "secret-token"
    assert runs.read_text() == "x"
    monkeypatch.setattr(token_sources, "KEPT", 0.0)
    later = command(code)
    assert (later(), later()) == ("secret-token", "secret-token")
    assert runs.read_text() == "xxx"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('topsecret'); raise SystemExit(3)", "it ended with exit code 3; run it once on its own"),
        ("import sys; sys.exit('topsecret')", "it ended with exit code 1"),
        ("print('topsecret topsecret')", "of what it printed: it holds more than one word"),
        ("", "of what it printed: it is empty"),
        ("print('topsecret' * 10000)", "it printed more than 64 KiB"),
        ("import sys; sys.stdout.buffer.write(b'topsecret\\xff')", "of what it printed: it is not text"),
    ],
)
def test_what_a_command_prints_is_never_shown(code: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=r"config\.toml: profile x: token_command: ") as raised:
        command(code)()
    assert reason in str(raised.value)
    assert "topsecret" not in f"{raised.value!r} {command(code)!r}"


def test_a_command_that_does_not_end_is_ended_with_all_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_sources, "SECONDS", 0.3)
    wait = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(100)'])"
    source = command(wait)
    with pytest.raises(ConfigurationError, match=r"it did not end within 0\.3 seconds"):
        source()


def test_a_command_runs_without_a_shell(config: Config, tmp_path: Path) -> None:
    made = tmp_path / "made"
    source = TokenCommand([sys.executable, "-c", "import sys; print(sys.argv[1][:1])", f"$(touch {made})"], "x")
    assert source() == "$"
    assert not made.exists()
    with pytest.raises(ConfigurationError, match="x: there is no such program"):
        TokenCommand([str(made)], "x")()


# -- the keyring -------------------------------------------------------------------------------------------------------


@pytest.fixture(name="backend")
def a_backend() -> Iterator[dict[tuple[str, str], str]]:
    import keyring
    from keyring.backend import KeyringBackend

    entries: dict[tuple[str, str], str] = {}

    class Backend(KeyringBackend):
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]

        def get_password(self, service: str, username: str) -> str | None:
            if service == "locked":
                raise RuntimeError("topsecret")
            return entries.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            entries[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del entries[service, username]

    before = keyring.get_keyring()
    keyring.set_keyring(Backend())
    entries["proctoring", "me"] = f"{TOKEN}\n"
    try:
        yield entries
    finally:
        keyring.set_keyring(before)


def test_the_token_of_the_keyring_is_sent(
    config: Config, server: RunningServer, backend: dict[tuple[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMARTERPROCTORING_TOKEN")
    config.write('[profiles.default]\ntoken_keyring = ["proctoring", "me"]')
    assert run("show", *SIDS).exit_code == 0
    backend["proctoring", "me"] = "another-token-than-the-servers"
    assert run("show", *SIDS).exit_code == 3


def test_a_keyring_without_the_entry_or_locked_says_so(backend: dict[tuple[str, str], str]) -> None:
    with pytest.raises(ConfigurationError, match="x: the keyring has no such entry; add it with: keyring set"):
        Keyring("proctoring", "nobody", "x")()
    with pytest.raises(ConfigurationError, match=r"x: the keyring cannot be read \(RuntimeError\)") as raised:
        Keyring("locked", "me", "x")()
    assert "topsecret" not in str(raised.value)


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError, match=r"keyring is missing; install it with: .*\[keyring\]"):
        Keyring("proctoring", "me", "x")()


# -- doctor, and completion --------------------------------------------------------------------------------------------


def test_the_doctor_says_where_each_setting_comes_from(
    config: Config, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write(f'[profiles.default]\nbase_url = "https://x.example"\ninstall_sid = "{INSTALL}"\ntimezone = "UTC"')
    code, printed = doctor()
    profile = printed["checks"][0]
    assert code == 0, printed
    assert profile["text"] == (
        f"default of {config.path}; base URL: SMARTERPROCTORING_BASE_URL, install: the profile, "
        "time zone: the profile, token: SMARTERPROCTORING_TOKEN"
    )
    config.write("[profiles.default]\nx = 1")
    code, printed = doctor()
    assert code == 2
    assert "profile default: x is unknown" in printed["checks"][0]["text"]


@pytest.mark.parametrize("source", ["the environment", "the profile"])
def test_the_doctor_finds_a_wrong_install(
    config: Config, server: RunningServer, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    name = f"{config.path}: profile default: install_sid"
    config.write(f'[profiles.default]\ninstall_sid = "{EXAM}"')
    if source == "the environment":
        name = "SMARTERPROCTORING_INSTALL_SID"
        monkeypatch.setenv(name, EXAM)
    code, printed = doctor()
    assert code == 2
    assert f"{name} must match ^AI" in printed["checks"][0]["text"]
    assert [check["check"] for check in printed["checks"] if not check["ok"]] == ["profile"]


def doctor() -> tuple[int, dict[str, list[dict[str, str]]]]:
    result = CliRunner().invoke(cli.main, ["doctor", "--json"])
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_each_shell(shell: str) -> None:
    asked = {**os.environ, "_SMARTERPROCTORING_COMPLETE": f"{shell}_source"}
    done = subprocess.run([sys.executable, "-c", COMPLETE], env=asked, capture_output=True, text=True, check=False)
    assert "_SMARTERPROCTORING_COMPLETE=" in done.stdout, done.stderr
    asked = {
        **asked,
        "_SMARTERPROCTORING_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "smarterproctoring resch",
        "COMP_CWORD": "resch" if shell == "fish" else "1",
    }
    done = subprocess.run([sys.executable, "-c", COMPLETE], env=asked, capture_output=True, text=True, check=False)
    assert "reschedule" in done.stdout, done.stderr


COMPLETE = """
import sys
sys.argv = ["smarterproctoring"]
from smarterproctoring.cli import main
main(prog_name="smarterproctoring")
"""


def test_a_profile_shows_no_value() -> None:
    assert repr(Profile(Path("x"), "y", base_url="https://secret.example")) == "<Profile 'y'>"
