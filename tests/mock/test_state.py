"""What the server remembers: sessions, audit rows, and both after the process was ended without warning."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from mock.rawhttp import EXAM, INSTALL, PATH, SESSION, TOKEN, Client, Gone, path_of
from smarterproctoring_mock import MockApp, StoreError, running_server

SEED = {"installSid": INSTALL, "examSid": EXAM, "sessionSid": SESSION, "fields": {"notes": "seeded", "place": "Here"}}


def test_a_reschedule_merges_what_it_sends_into_the_session(client: Client, app: MockApp) -> None:
    client.put({"type": "proctoru", "notes": "first"})
    client.put({"notes": "second", "company": "Example"})
    session = app.session(SESSION)
    assert session.params == {"installSid": INSTALL, "examSid": EXAM, "sessionSid": SESSION}
    assert session.fields == {"type": "proctoru", "notes": "second", "company": "Example"}


def test_undeclared_fields_are_accepted_and_dropped(client: Client, app: MockApp) -> None:
    assert client.put({"nots": "misspelt", "notes": "kept"}).status == 200
    assert app.session(SESSION).fields == {"notes": "kept"}


def test_a_refused_request_changes_nothing(client: Client, app: MockApp) -> None:
    client.put({"notes": "before"})
    assert client.put({"notes": "after", "type": "zoom"}).status == 400
    assert client.put({"notes": "after"}, headers=[("Content-Type", "application/json")]).status == 401
    assert app.session(SESSION).fields == {"notes": "before"}


def test_every_request_leaves_an_audit_row(client: Client, app: MockApp) -> None:
    client.put({"notes": "a"})
    client.put({"notes": "b"})
    client.put({"notes": "b"})
    client.put({"notes": 1})
    client.call("GET", "/nowhere", None, [])
    rows = app.audit()
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert [row.status for row in rows] == [200, 200, 200, 400, 404]
    assert [row.stored for row in rows] == [True, True, True, False, False]
    assert [row.replay for row in rows] == [False, False, True, False, False]
    assert rows[1].digest == rows[2].digest != rows[0].digest
    assert [row.operation for row in rows] == ["rescheduleExamSession"] * 4 + [""]
    assert "body.notes" in rows[3].reason
    assert rows[0].params["sessionSid"] == SESSION
    assert rows[0].time.endswith("Z")
    assert [row.number for row in app.audit(limit=2)] == [4, 5]
    assert [row.number for row in app.audit(session=SESSION, limit=1)] == [4]
    assert app.audit(session="ES" + "f" * 32) == []


def test_a_move_back_is_no_replay(client: Client, app: MockApp) -> None:
    for notes in ("a", "b", "a"):
        client.put({"notes": notes})
    assert not any(row.replay for row in app.audit())


def test_reset_goes_back_to_the_seed() -> None:
    with running_server(token=TOKEN, seed={"sessions": [SEED]}) as server:
        client = Client(server.url)
        client.put({"notes": "changed"})
        client.put({"notes": "new"}, path_of(9))
        server.app.add_faults("empty")
        server.app.reset()
        assert [session.fields for session in server.app.sessions()] == [SEED["fields"]]
        assert server.app.audit() == []
        assert server.app.requests() == []
        assert server.app.faults() == []


def test_strict_sessions_know_only_what_was_seeded(tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps({"sessions": [SEED]}))
    with running_server(token=TOKEN, seed=seed, strict_sessions=True) as server:
        client = Client(server.url)
        assert client.put({"notes": "moved"}).status == 200
        unknown = client.put({"notes": "moved"}, path_of(9))
        assert unknown.status == 404
        assert unknown.json["code"] == "1203"
        assert client.put({"notes": 1}, path_of(9)).status == 400
        assert [session.fields for session in server.app.sessions()] == [{"notes": "moved", "place": "Here"}]
        server.app.seed([{**SEED, "sessionSid": f"ES{9:032x}"}])
        assert client.put({"notes": "moved"}, path_of(9)).status == 200


@pytest.mark.parametrize(
    ("seed", "said"),
    [
        ("{", "JSON|Expecting"),
        ('{"sessions": 1}', "sessions"),
        ("null", "sessions"),
        ('{"sessions": [1]}', "session 1"),
        ('{"sessions": [{"sessionSid": "ES"}]}', "installSid, examSid, sessionSid"),
        (json.dumps([SEED, {**SEED, "examSid": "EXx"}]), "session 2.*examSid.*pattern"),
        (json.dumps([{**SEED, "fields": {"type": "zoom"}}]), "fields.type"),
        (json.dumps([{**SEED, "fields": []}]), "fields"),
    ],
)
def test_a_seed_that_breaks_the_spec_is_refused(tmp_path: Path, seed: str, said: str) -> None:
    file = tmp_path / "seed.json"
    file.write_text(seed)
    with pytest.raises(StoreError, match=said) as caught:
        MockApp(seed=file)
    assert str(file) in str(caught.value)


def _spread(url: str, count: int, workers: int) -> list[int]:
    client = Client(url)

    def work(worker: int) -> list[int]:
        numbers = range(worker, count, workers)
        data = b"".join(client.request(path=path_of(n), body=b'{"notes":"%d"}' % n, close=False) for n in numbers)
        answers = client.exchange(data, answers=len(numbers))
        return [answer.status for answer in answers]

    with ThreadPoolExecutor(workers) as pool:
        return [status for statuses in pool.map(work, range(workers)) for status in statuses]


@pytest.mark.slow
@pytest.mark.parametrize("db", [False, True], ids=["memory", "file"])
def test_thousands_of_concurrent_reschedules_lose_no_row(tmp_path: Path, db: bool) -> None:
    count = 3_000
    with running_server(token=TOKEN, db=tmp_path / "mock.db" if db else None) as server:
        assert _spread(server.url, count, 50) == [200] * count
        sessions = {s.params["sessionSid"]: s.fields["notes"] for s in server.app.sessions()}
        assert sessions == {f"ES{n:032x}": str(n) for n in range(count)}
        rows = server.app.audit()
        assert len(rows) == count
        assert {row.number for row in rows} == set(range(1, count + 1))
        assert len(server.app.requests()) == count


def test_concurrent_changes_of_one_session_all_arrive(client: Client, app: MockApp) -> None:
    names = ["notes", "company", "firstName", "lastName", "email", "phone", "address1", "address2", "place", "region"]
    with ThreadPoolExecutor(len(names)) as pool:
        assert {a.status for a in pool.map(lambda name: client.put({name: name}), names * 20)} == {200}
    assert app.session(SESSION).fields == {name: name for name in names}
    assert len(app.audit()) == 200


# --- a file -----------------------------------------------------------------------------------------------


@contextmanager
def process(*arguments: str) -> Generator[tuple["subprocess.Popen[str]", str]]:
    """A server in a process of its own, and its URL."""
    command = [sys.executable, "-m", "smarterproctoring_mock", "--token", TOKEN, *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        try:
            assert server.stdout is not None
            yield server, server.stdout.readline().strip()
        finally:
            if server.poll() is None:
                server.kill()


@pytest.mark.slow
def test_a_file_is_found_again(tmp_path: Path) -> None:
    file = tmp_path / "mock.db"
    with running_server(token=TOKEN, db=file) as server:
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("mock.db*")} == {0o600}
        Client(server.url).put({"notes": "a \u00e9\U0001f600"})
        Client(server.url).put({"notes": 1})
        before = server.app.audit()
    with running_server(token=TOKEN, db=file, seed=[SEED]) as server:
        assert server.app.session(SESSION).fields == {"notes": "a \u00e9\U0001f600"}, "the seed must not undo a change"
        assert server.app.audit() == before
        Client(server.url).put({"notes": "a \u00e9\U0001f600"})
        row = server.app.audit()[-1]
        assert (row.number, row.replay) == (3, True)
        server.app.reset()
        assert server.app.session(SESSION).fields == SEED["fields"]
    with running_server(token=TOKEN, db=file) as server:
        assert server.app.audit() == []
        assert server.app.session(SESSION).fields == SEED["fields"]


def test_a_row_is_in_the_file_before_its_answer_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "mock.db"
    with running_server(token=TOKEN, db=file) as server:
        client = Client(server.url)
        for number in range(5):
            client.put({"notes": str(number)})
            other = sqlite3.connect(file)
            assert other.execute("SELECT count(*) FROM audit").fetchone() == (number + 1,)
            assert json.loads(other.execute("SELECT fields FROM sessions").fetchone()[0]) == {"notes": str(number)}
            other.close()


@pytest.mark.slow
def test_kill_9_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    file = tmp_path / "mock.db"
    answered: set[int] = set()
    enough = threading.Event()
    with process("--db", str(file)) as (server, url):
        client = Client(url)

        def work(worker: int) -> None:
            for number in range(worker, 100_000, 8):
                try:
                    status = client.put({"notes": str(number)}, path_of(number)).status
                except (Gone, OSError):
                    return
                assert status == 200
                answered.add(number)
                if len(answered) >= 400:
                    enough.set()

        with ThreadPoolExecutor(8) as pool:
            done = [pool.submit(work, worker) for worker in range(8)]
            assert enough.wait(60)
            server.kill()
            for future in done:
                future.result()
        assert server.wait() == -signal.SIGKILL
    with running_server(token=TOKEN, db=file) as running:
        stored = {session.params["sessionSid"]: session.fields for session in running.app.sessions()}
        audited = {row.params["sessionSid"] for row in running.app.audit()}
        for number in answered:
            assert stored[f"ES{number:032x}"] == {"notes": str(number)}
            assert f"ES{number:032x}" in audited
        assert Client(running.url).put().status == 200


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mock.db"
    file.write_bytes(b"no database at all, but long enough to be looked at\n" * 50)
    with pytest.raises(StoreError, match=r"mock\.db"):
        MockApp(db=file)
    with pytest.raises(StoreError, match="nowhere"):
        MockApp(db=tmp_path / "nowhere" / "mock.db")


def test_a_path_that_names_no_session_is_asked_for_in_vain(app: MockApp) -> None:
    with pytest.raises(KeyError):
        app.session(PATH)
