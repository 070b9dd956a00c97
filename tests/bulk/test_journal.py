"""The journal in the hands of others: pickled values, links, passwords in URLs, full disks, deleted files."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import pickle
import pty
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from bulk.holding import Holding
from bulk.inside import at_move
from bulk.process import Process
from bulk.runs import NO_LEASE_ENDS, Bulk, kill, sent, session, stall_after, stored, wait_for, write_list
from bulk.small_disk import small_disk
from bulk.test_truth import jobs_of, outcomes_of
from dbos import DBOS
from smarterproctoring_bulk import engine
from smarterproctoring_bulk.engine import database, no_pickle
from smarterproctoring_bulk.engine.journal import JsonSerializer
from smarterproctoring_bulk.journal import JournalError, Lock, find, why_unusable
from smarterproctoring_mock import MockApp
from sqlalchemy.exc import OperationalError

pytestmark = [pytest.mark.timeout(600)]
slow = pytest.mark.slow
__all__ = ["small_disk"]
SECRET = "pa#ss/w?rd@x"


# -- pickle ------------------------------------------------------------------------------------------------------------


class Touches:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def pickled(path: Path) -> str:
    return base64.b64encode(pickle.dumps(Touches(path))).decode()


@pytest.mark.parametrize("name", ["deserialize_value", "deserialize_args", "deserialize_exception"])
def test_no_reader_of_dbos_unpickles(tmp_path: Path, name: str) -> None:
    """Expires when DBOS can be told to refuse pickle: then `no_pickle` can go."""
    from dbos import _serialization  # pyright: ignore[reportPrivateUsage]

    made = tmp_path / "made"
    reader = vars(_serialization)[name]
    with pytest.raises(no_pickle.PickleRefusedError):
        reader(pickled(made), "py_pickle", JsonSerializer())
    assert not made.exists()


@pytest.mark.slow
def test_dbos_itself_still_unpickles_whatever_serializer_it_is_given(tmp_path: Path) -> None:
    """The reason for `no_pickle`."""
    made = tmp_path / "made"
    code = (
        "import sys; from dbos import _serialization as s; "
        "s.deserialize_value(sys.argv[1], 'py_pickle', s.DBOSPortableJSON)"
    )
    subprocess.run([sys.executable, "-c", code, pickled(made)], check=True)
    assert made.exists()


def test_a_journal_with_a_pickled_value_is_not_opened(tmp_path: Path) -> None:
    place = find(str(tmp_path / "journal.sqlite"))
    with engine.Journal(place):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection, connection:
        connection.execute(
            "INSERT INTO workflow_status (workflow_uuid, name, status, created_at, updated_at, priority, "
            "serialization, output) VALUES ('x', 'part', 'SUCCESS', 0, 0, 0, 'py_pickle', ?)",
            (pickled(tmp_path / "made"),),
        )
    with pytest.raises(engine.ForeignValuesError, match="1 value that is not JSON"):
        engine.Journal(place)
    assert not (tmp_path / "made").exists()


@slow
@pytest.mark.parametrize("command", ["status", "report", "worker", "run", "purge"])
def test_a_pickled_value_in_the_journal_is_refused_unread(bulk: Bulk, app: MockApp, command: str) -> None:
    path = write_list(bulk.folder / "list.csv", 3)
    bulk.run("submit", path)
    job = bulk.status()["job"]
    made = bulk.folder / "made"
    with contextlib.closing(sqlite3.connect(bulk.journal)) as connection, connection:
        for column in ("inputs", "output", "error"):
            connection.execute(
                f"UPDATE workflow_status SET serialization = 'py_pickle', {column} = ?",  # noqa: S608
                (pickled(made),),
            )
        connection.execute("UPDATE workflow_input SET inputs = ?", (pickled(made),))
    arguments: dict[str, list[str | Path]] = {
        "report": [job, bulk.folder / "r.csv"], "run": [path], "purge": [job, "--yes"],
    }  # fmt: skip
    said = bulk.run(command, *arguments.get(command, []), code=2)
    assert "value that is not JSON" in said
    assert not made.exists()
    assert not app.audit()


@slow
@pytest.mark.parametrize("command", ["status", "report"])
def test_a_journal_that_cannot_be_opened_is_not_said_to_be_deleted(
    bulk: Bulk, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["report", "0123", "report.csv"] if command == "report" else ["status"]
    bulk.journal = str(tmp_path)
    assert "it is a folder; name a file with --journal" in bulk.run(*words, code=11)
    broken = tmp_path / "broken.sqlite"
    broken.write_text("no database" * 100)
    bulk.journal = str(broken)
    assert "file is not a database; name another with --journal" in bulk.run(*words, code=11)
    monkeypatch.setattr(os, "access", lambda path, _: path != broken)
    assert "copy it, with its -wal file if there is one" in why_unusable(broken)


def test_a_journal_of_the_first_format_is_refused_with_words(bulk: Bulk) -> None:
    with engine.Journal(find(bulk.journal)):
        pass
    with contextlib.closing(sqlite3.connect(bulk.journal)) as connection, connection:
        connection.execute(
            "INSERT INTO workflow_status (workflow_uuid, name, status, created_at, updated_at, priority) "
            "VALUES ('0123456789ab', 'job', 'ENQUEUED', 0, 0, 0)"
        )
    said = bulk.run("status", code=12)
    assert "1 job of an older version" in said
    assert "--journal" in said


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["symbolic", "hard"])
def test_a_lock_follows_no_link(tmp_path: Path, how: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("do not lose me")
    lock = tmp_path / "j.sqlite.lock"
    if how == "symbolic":
        lock.symlink_to(precious)
    else:
        lock.hardlink_to(precious)
    with pytest.raises(JournalError, match="is a link"):
        Lock(tmp_path / "j.sqlite", "bulk run")
    assert precious.read_text() == "do not lose me"


@slow
def test_a_link_in_place_of_the_lock_is_refused(bulk: Bulk, app: MockApp) -> None:
    precious = bulk.folder / "precious"
    precious.write_text("do not lose me")
    Path(bulk.journal).parent.mkdir()
    Path(bulk.journal + ".lock").symlink_to(precious)
    said = bulk.run("run", write_list(bulk.folder / "list.csv", 3), code=11)
    assert "is a link" in said
    assert precious.read_text() == "do not lose me"
    assert not app.audit()


def test_the_lock_is_for_its_owner_alone(tmp_path: Path) -> None:
    with Lock(tmp_path / "j.sqlite", "bulk run"):
        assert stat.S_IMODE((tmp_path / "j.sqlite.lock").stat().st_mode) == 0o600


# -- URLs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ada:pa#ss@db/jobs",
        "postgresql://ada:pa/ss@db/jobs",
        "postgresql://ada:pa?ss@db/jobs",
        "postgresql://ada:pa@ss@db/jobs",
        "postgresql://ada:pass@db:port/jobs",
    ],
)
def test_a_password_that_is_not_encoded_is_explained_and_not_shown(text: str) -> None:
    with pytest.raises(JournalError, match="Percent-encode") as caught:
        find(text)
    for part in ("pa", "ss", "pass", "port"):
        assert part not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("character", list("#/?@% "))
def test_an_encoded_password_is_read_and_not_shown(character: str) -> None:
    from urllib.parse import quote

    place = find(f"postgresql://ada:{quote(f'x{character}y', safe='')}@db:5433/jobs?sslmode=require")
    assert place.shown == "postgresql://ada@db:5433/jobs"
    assert "y" not in place.shown
    assert "x" not in repr(place)


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        (
            f"host=db port=5433 dbname=jobs user=ada password='{SECRET}'",
            "postgresql://ada:pa%23ss%2Fw%3Frd%40x@db:5433/jobs",
            "postgresql://ada@db:5433/jobs",
        ),
        ("dbname=jobs", "postgresql:///jobs", "postgresql:///jobs"),
        ("host=/run/postgresql dbname=jobs", "postgresql:///jobs?host=%2Frun%2Fpostgresql", "postgresql:///jobs"),
    ],
)
def test_a_connection_string_is_a_journal_and_not_a_file(text: str, url: str, shown: str) -> None:
    place = find(text)
    assert (place.url, place.path, place.shown) == (url, None, shown)
    assert SECRET not in repr(place)


def test_a_connection_string_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(JournalError, match="connection string cannot be read") as caught:
        find(f"host=db password={SECRET} and more")
    assert SECRET not in str(caught.value)


@slow
def test_a_connection_string_works(fleet: Bulk, app: MockApp) -> None:
    user, _, rest = fleet.journal.removeprefix("postgresql://").partition("@")
    address, _, name = rest.partition("/")
    host, _, port = address.partition(":")
    fleet.journal = f"host={host} port={port} dbname={name} user={user}"
    said = fleet.run("run", write_list(fleet.folder / "list.csv", 3))
    assert f"journal: postgresql://{user}@{address}/{name}" in said
    assert len(stored(app)) == 3


@pytest.mark.parametrize(
    "command", ["settle", "resume", "resume --no-wait", "cancel", "purge --yes", "undo --yes", "report"]
)
def test_a_journal_that_is_not_there_is_not_made_for_a_job(bulk: Bulk, command: str) -> None:
    """A mistyped --journal is said, and leaves no empty journal behind."""
    word, *options = command.split()
    mistyped = bulk.folder / "mistyped" / "bulk.sqlite"
    more = ["report.csv"] if word == "report" else []
    said = bulk.run(word, "0123456789ab", *more, *options, "--journal", mistyped, code=2)
    assert f"the journal {mistyped} has no job named 0123456789ab" in said
    assert not mistyped.parent.exists()


# -- the machine -------------------------------------------------------------------------------------------------------


@slow
def test_a_journal_that_is_deleted_stops_the_run(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 400)
    stalled = stall_after(app, 20)
    process = bulk.start("run", path, *NO_LEASE_ENDS)
    wait_for(stalled)
    for file in Path(bulk.journal).parent.iterdir():
        file.unlink()
    said = bulk.end(process, code=11)
    assert "was deleted or replaced" in said
    assert "Traceback" not in said


@slow
def test_nothing_is_begun_after_the_journal_is_deleted(bulk: Bulk, app: MockApp) -> None:
    """So that a run that is started a moment later, with a new journal, does not send beside it."""
    path = write_list(bulk.folder / "list.csv", 200)
    deleted = partial(at_move, 20, partial(shutil.rmtree, Path(bulk.journal).parent))
    bulk.run("run", path, "--rate", "60/s", prepare=deleted, code=11)
    assert sum(sent(app).values()) - 20 <= 6, "more than was under way"
    bulk.run("run", path)
    assert set(sent(app).values()) == {1, 2}


@slow
def test_a_folder_that_is_deleted_stops_the_run(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 400)
    stalled = stall_after(app, 20)
    process = bulk.start("run", path, *NO_LEASE_ENDS)
    wait_for(stalled)
    Path(bulk.journal).parent.rename(bulk.folder / "elsewhere")
    said = bulk.end(process, code=11)
    assert "was deleted or replaced" in said
    assert "Traceback" not in said


@slow
def test_the_same_command_on_a_disk_that_is_still_full(small_disk: Path, bulk: Bulk, app: MockApp) -> None:
    bulk.journal = str(small_disk / "journal.sqlite")
    path = write_list(bulk.folder / "list.csv", 300)
    stalled = stall_after(app, 30)
    # What is under way then ends after a third of the lease, and is not waited for any longer.
    process = bulk.start("run", path, "--rate", "2000/s", "--lease", "10")
    wait_for(stalled)
    with (small_disk / "ballast").open("wb") as ballast, contextlib.suppress(OSError):
        while True:  # until the disk is full, whatever the journal takes meanwhile
            ballast.write(bytes(100_000))
    bulk.end(process, code=11)
    sendings = sum(sent(app).values())
    for _ in range(2):
        said = bulk.run("run", path, code=11)
        assert "disk" in said
        assert "same command continues" in said
        assert "Traceback" not in said
    assert sum(sent(app).values()) == sendings, "nothing is sent that could not be recorded"
    (small_disk / "ballast").unlink()
    app.clear_faults()
    bulk.run("run", path)
    assert bulk.states() == {"ok": 300}


@slow
def test_a_terminal_that_is_closed_ends_the_run_gracefully(bulk: Bulk, app: Holding) -> None:
    path = write_list(bulk.folder / "list.csv", 400)
    app.add_faults({"delay": 0.1, "times": None})
    app.hold(after=20)
    ours, theirs = pty.openpty()
    environment = bulk.environment("a-token", {"TERM": "xterm"})
    with Connection(theirs) as terminal:
        words = ["bulk", "run", str(path), "--yes", *NO_LEASE_ENDS]
        process = Process(words, environment, bulk.folder, terminal=terminal)
    bulk.started.append(process)
    wait_for(lambda: app.waiting)
    os.close(ours)  # the terminal's window: its session gets SIGHUP
    app.release()
    bulk.end(process, code=130)
    assert bulk.status()["rows"]["ok"] == len(stored(app))
    app.clear_faults()
    bulk.run("run", path)
    assert sent(app) == {session(number): 1 for number in range(400)}


@slow
def test_settings_for_the_makers_service_of_dbos_are_ignored(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 3)
    variables = {"DBOS__CLOUD": "true", "DBOS__CONDUCTOR_KEY": "x", "DBOS__VMID": "y", "DBOS__APPVERSION": "z"}
    bulk.run_anew("run", path, code=0, **variables)
    assert len(stored(app)) == 3


@slow
def test_a_worker_that_slept_past_its_lease_sends_at_most_a_window(fleet: Bulk, app: MockApp) -> None:
    """It is stopped, another takes its chunks over, and then it goes on."""
    rows, lanes = 300, 2
    path = write_list(fleet.folder / "list.csv", rows)
    app.add_faults({"delay": 0.1, "times": None})
    first = fleet.start("worker")
    fleet.run("submit", path, "--rate", "100/s", "--lanes", str(lanes), "--lease", "5")
    wait_for(lambda: len(app.audit()) >= 40)
    first.send_signal(signal.SIGSTOP)
    second = fleet.start("worker")
    window = 50  # 100 rows over two lanes
    wait_for(lambda: fleet.status()["state"] == "done", every=0.3)
    by_then = sent(app)
    assert sum(by_then.values()) - rows <= lanes * window
    (job,) = jobs_of(fleet)
    before = outcomes_of(fleet, job)
    kill(second)
    # What the first worker does with another list shows that it is awake.
    fleet.run("submit", write_list(fleet.folder / "more.csv", 3, salt="more"), "--lease", "5")
    first.send_signal(signal.SIGCONT)
    wait_for(lambda: all(stored(app)[session(number, "more")] for number in range(3)))
    first.send_signal(signal.SIGTERM)
    fleet.end(first)
    again = sent(app) - by_then - Counter(session(number, "more") for number in range(3))
    assert sum(again.values()) <= lanes * window
    assert set(again.values()) <= {1}
    assert outcomes_of(fleet, job) == before, "what it sent then is not recorded"
    assert set(Counter(outcome.state for outcome in before.values())) == {"ok"}


def test_what_libraries_log_is_not_shown(bulk: Bulk) -> None:
    """It may quote rows; and Ctrl-C while a connection is closed would show a traceback beside the message."""
    logging.getLogger("sqlalchemy.pool").setLevel(logging.NOTSET)
    engine.Journal(find(bulk.journal)).close()
    for name in ("dbos", "sqlalchemy.pool.impl.QueuePool"):
        assert not logging.getLogger(name).isEnabledFor(logging.ERROR)


def busy() -> OperationalError:
    """Return what SQLAlchemy raises where another process has changed what was just read."""
    cause = sqlite3.OperationalError("database is locked")
    cause.sqlite_errorcode = sqlite3.SQLITE_BUSY_SNAPSHOT
    return OperationalError("BEGIN", {}, cause)


def test_a_journal_that_another_process_makes_at_this_moment_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def migrate(url: str) -> None:
        tried.append(url)
        if len(tried) < 3:
            raise busy()
        original(url)

    tried: list[str] = []
    original = DBOS.migrate
    monkeypatch.setattr(DBOS, "migrate", migrate)
    with engine.Journal(find(str(tmp_path / "journal.sqlite"))) as journal:
        assert journal.jobs() == []
    assert len(tried) == 3


def test_a_journal_that_stays_locked_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def migrate(_: str) -> None:
        raise busy()

    monkeypatch.setattr(DBOS, "migrate", migrate)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with pytest.raises(JournalError, match="cannot be opened: another process keeps it locked; name another"):
        engine.Journal(find(str(tmp_path / "journal.sqlite")))
