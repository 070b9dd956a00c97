"""The process: its first line, its end, its complaints; and the server inside a test's process."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from docs.quotes import PORT, quoted, same
from mock.accepting import accepting
from mock.rawhttp import TOKEN, Client, Gone
from smarterproctoring_mock import MockApp, main, running_server
from smarterproctoring_mock.server import listen, url_of
from smarterproctoring_mock.spec import default_path

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "smarterproctoring_mock", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_line_is_the_url_and_a_signal_is_a_clean_end(number: signal.Signals) -> None:
    (shown,) = quoted("mock/README.md", "python -m smarterproctoring_mock")
    with start(*shown.command.split()[3:]) as server:
        assert server.stdout is not None
        url = server.stdout.readline()
        same(shown, url, PORT)
        assert url.startswith("http://127.0.0.1:")
        assert url == url.strip() + "\n"
        client = Client(url.strip(), token="anything")
        assert client.put().status == 200
        assert client.put(headers=[("token", "something else"), ("Content-Type", "application/json")]).status == 200
        with socket.create_connection(client.address):  # an idle connection does not hold the end up
            server.send_signal(number)
            out, err = server.communicate(timeout=30)
        assert (server.returncode, out, err) == (0, "", "")


def test_a_port_in_use_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert str(port) in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--spec", "nowhere.yaml"], "nowhere.yaml"),
        (["--seed", "nowhere.json"], "nowhere.json"),
        (["--scenario", "nowhere"], "nowhere"),
        (["--db", "nowhere/mock.db"], "mock.db"),
        (["--token", " "], "--token"),
        (["--port", "99999"], "99999"),
        (["--host", "no such host"], "no such host"),
    ],
)
def test_a_bad_setting_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err


def test_unknown_options_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--nothing"]) == 2
    assert main(["--help"]) == 0
    assert "--strict-sessions" in capsys.readouterr().out


@pytest.mark.slow
def test_every_option_together(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text('{"sessions": []}')
    options = ["--token", TOKEN, "--db", str(tmp_path / "mock.db"), "--seed", str(seed), "--strict-sessions"]
    with start(*options, "--spec", str(default_path()), "--scenario", "expired-token") as server:
        assert server.stdout is not None
        client = Client(server.stdout.readline().strip())
        assert [client.put().status for _ in range(2)] == [404, 404]
        assert client.put(headers=[("token", "wrong"), ("Content-Type", "application/json")]).status == 401
        server.terminate()
        server.communicate(timeout=30)
        assert server.returncode == 0


def test_the_spec_of_the_checkout_or_the_wheel_is_there() -> None:
    assert default_path().exists()


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs a loopback address of IPv6")
    with running_server(host="::1", token=TOKEN) as server:
        assert server.url.startswith("http://[::1]:")
        assert Client(server.url).put().status == 200


def test_two_servers_share_nothing_and_leave_no_thread() -> None:
    before = threading.active_count()
    with running_server(token=TOKEN) as one, running_server(token=TOKEN) as two:
        assert one.url != two.url
        Client(one.url).put()
        assert len(one.app.requests()) == 1
        assert two.app.requests() == []
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        Client(one.url).put()


@pytest.mark.slow
def test_an_idle_connection_is_closed_but_not_a_waiting_one() -> None:
    with listen("127.0.0.1", 0) as listener:
        client = Client(url_of(listener))
        with socket.create_connection(client.address, 30) as connection:
            connection.sendall(client.request(close=False))
            app = MockApp(token=TOKEN)
            app.add_faults({"delay": 0.5})
            with accepting(listener, app, idle=0.1):
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
                with socket.create_connection(client.address, 30) as other:
                    assert other.recv(65536) == b""
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_an_application_of_ones_own_is_not_closed(tmp_path: Path) -> None:
    app = MockApp(token=TOKEN, db=tmp_path / "mock.db")
    for _ in range(2):
        with running_server(app) as server:
            assert Client(server.url).put().status == 200
    assert len(app.audit()) == 2
    app.close()


def test_the_server_prints_nothing_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    with running_server(token=TOKEN) as server:
        client = Client(server.url)
        server.app.add_faults("drop-after-store", "truncated")
        for _ in range(2):
            with contextlib.suppress(Gone):
                client.put()
        client.exchange(b"no http\r\n\r\n")
    assert capfd.readouterr() == ("", "")
