"""How a list is cut into chunks, and that a list that was submitted in part is cut the same way again."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from bulk.runs import Bulk, sent, session, write_list
from dbos import DBOSClient
from smarterproctoring_bulk import engine
from smarterproctoring_bulk.engine import database
from smarterproctoring_bulk.engine import store as stores
from smarterproctoring_bulk.engine.store import Store
from smarterproctoring_bulk.jobs import CHUNK, Job, chunk_sizes, job_id, largest_chunk, next_id, turn
from smarterproctoring_bulk.journal import JournalError, find
from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_bulk.plan import Plan, plan
from smarterproctoring_bulk.rows import InputOptions
from smarterproctoring_mock import MockApp
from sqlalchemy import event


@pytest.mark.parametrize(
    ("rows", "largest", "lanes", "least"),
    [(0, 4000, 2, 600), (1, 4000, 2, 600), (10_000, 4000, 4, 300), (1_000_000, 4000, 4, 25), (700, 30, 3, 25)],
)
def test_chunks_hold_every_row_and_get_smaller_towards_the_end(rows: int, largest: int, lanes: int, least: int) -> None:
    sizes = list(chunk_sizes(rows, largest, lanes, least))
    assert sum(sizes) == rows
    assert all(0 < size <= max(largest, least) for size in sizes)
    rest = sizes[lanes:]
    assert rest == sorted(rest, reverse=True)
    assert len(set(sizes[:lanes])) == min(lanes, len(sizes)) or rows == 700, "no two lanes end at once"
    left = rows
    for size in sizes:
        assert size <= max(least, left / lanes / 2), "more than a lane's share of what is left"
        left -= size


def test_chunks_of_one_process_without_a_rate_stay_large_and_end_at_different_times() -> None:
    """Each chunk waits up to a quarter of a second to be taken up; with small ones, both lanes waited at once."""
    assert list(chunk_sizes(10_000, 4000, 2, 600, alone=True)) == [2000, 4000, 4000]
    assert list(chunk_sizes(10_100, 4000, 2, 600, alone=True)) == [2000, 4000, 4000, 100]
    assert list(chunk_sizes(700, 4000, 2, 600, alone=True)) == [700]


def test_a_chunk_is_no_more_than_a_lane_does_in_its_turn() -> None:
    assert largest_chunk(None, 2, 60) == CHUNK
    assert largest_chunk(200, 2, 60) == 100 * 24 * 0.8
    assert largest_chunk(1e6, 2, 60) == CHUNK
    assert turn(5.0) == 2.0


def submit_in_part(bulk: Bulk, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Submit a list of 1,500 rows with four lanes, until the power fails."""
    enqueue, chunks = DBOSClient.enqueue_in_transaction, iter(range(12))

    def power_cut(*arguments: Any) -> Any:
        if next(chunks, None) is None:
            raise KeyboardInterrupt
        return enqueue(*arguments)

    with monkeypatch.context() as patch, plan(path, InputOptions()) as planned:
        patch.setattr(DBOSClient, "enqueue_in_transaction", power_cut)
        with pytest.raises(KeyboardInterrupt), engine.Journal(find(bulk.journal)) as journal:
            journal.submit(planned, job_of(planned, bulk, lanes=4))


def job_of(planned: Plan, bulk: Bulk, lanes: int) -> Job:
    return Job(
        job_id(planned.fingerprint, bulk.url), planned.fingerprint, "list.csv", bulk.url, planned.counts,
        rate=20.0, lanes=lanes, lease=60, chunk=96, window=25, created=planned.checked_at.timestamp(),
    )  # fmt: skip


@pytest.mark.slow
def test_a_list_that_was_submitted_in_part_is_finished_as_it_was_begun(
    bulk: Bulk, app: MockApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other settings the second time would cut other chunks: rows would be lost, or sent twice."""
    path = write_list(bulk.folder / "list.csv", 1500)
    submit_in_part(bulk, path, monkeypatch)
    assert "not submitted whole" in bulk.status()["state"]
    said = bulk.run("run", path, "--rate", "none", "--lanes", "2")
    assert "no limit from now on (it was 20/s)" in said
    assert (bulk.status()["rate"], bulk.status()["lanes"]) == ("no limit", 2)
    assert sent(app) == {session(number): 1 for number in range(1500)}


def test_two_hosts_submit_a_list_at_the_same_moment_only_if_they_cut_it_alike(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_list(bulk.folder / "list.csv", 1500)
    submit_in_part(bulk, path, monkeypatch)
    monkeypatch.setattr(Store, "numbers", lambda *_: set[int]())  # as if both had begun when there was nothing
    with plan(path, InputOptions()) as planned, engine.Journal(find(bulk.journal)) as journal:
        job = job_of(planned, bulk, lanes=4)
        journal.store.update(job.id, {"lanes": 2})
        with pytest.raises(JournalError, match="another process submits this list"):
            journal.submit(planned, job)
        journal.store.update(job.id, {"lanes": 4})
        journal.submit(planned, job)
        monkeypatch.undo()
        lines = [row.line for chunk in journal.store.chunks(job.id) for row in chunk.rows]
    assert lines == list(range(2, 1502))


def test_two_hosts_that_find_no_job_of_a_list_give_it_the_same_name() -> None:
    first = next_id("a list", "http://one", taken=set())
    assert next_id("a list", "http://one", taken=set()) == first
    assert next_id("a list", "http://one", taken={first}) != first


def test_two_processes_may_open_a_new_journal_at_the_same_moment(tmp_path: Path) -> None:
    """A worker and a `submit`, for instance: the second begins when the first has seen that there are no tables."""
    stores = [Store(database.connect(find(str(tmp_path / "journal.sqlite")))) for _ in range(2)]
    with ThreadPoolExecutor(1) as pool:
        second: list[Future[None]] = []

        def begin_second(*_: object, **__: object) -> None:
            second.append(pool.submit(stores[1].create))
            wait(second, timeout=1)  # it is done by then, unless it waits for the first

        event.listen(stores[0]._tables.metadata, "before_create", begin_second)  # pyright: ignore[reportPrivateUsage]
        stores[0].create()
        second[0].result()
    for store in stores:
        assert not store.knows("a service")
        store._engine.dispose()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.slow
def test_two_hosts_may_submit_a_list_at_the_same_moment(
    fleet: Bulk, app: MockApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each chunk is in the journal once, if two hosts put it there, too."""
    path = write_list(fleet.folder / "list.csv", 1500)
    both = threading.Barrier(2, timeout=60)
    insert = Store.insert_job

    def insert_together(store: Store, job: Job) -> None:
        insert(store, job)
        both.wait()

    monkeypatch.setattr(Store, "insert_job", insert_together)

    def submit() -> None:
        with plan(path, InputOptions()) as planned, engine.Journal(find(fleet.journal)) as journal:
            journal.submit(planned, Job(
                job_id(planned.fingerprint, fleet.url), planned.fingerprint, "list.csv", fleet.url, planned.counts,
                rate=20.0, lanes=4, lease=60, chunk=96, window=25, created=planned.checked_at.timestamp(),
            ))  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(submit), pool.submit(submit)]:
            done.result()
    with engine.Journal(find(fleet.journal)) as journal:
        (job,) = journal.jobs()
        lines = [row.line for chunk in journal.store.chunks(job.id) for row in chunk.rows]
    assert lines == list(range(2, 1502))


@pytest.mark.slow
def test_a_job_is_not_done_while_another_worker_takes_over_a_dead_chunk(bulk: Bulk, app: MockApp) -> None:
    """Whoever takes over: one next part follows on a dead one, and the rows of it are not settled."""
    path = write_list(bulk.folder / "list.csv", 30)
    bulk.run("submit", path)
    with engine.Journal(find(bulk.journal)) as journal, engine.Journal(find(bulk.journal)) as other:
        (job,) = journal.jobs()
        for part in range(3):
            kill_part(journal, f"{job.id}-000000.{part}")
            assert not journal.done(job)
            assert journal.take_over(job) + other.take_over(job) == 1
            assert not journal.done(job)
    bulk.run("run", path)
    assert bulk.states() == {"ok": 30}


def kill_part(journal: engine.Journal, workflow: str) -> None:
    client = journal._client  # pyright: ignore[reportPrivateUsage]
    client.cancel_workflows([workflow])


def test_each_part_of_an_outcome_is_recorded_in_the_column_of_its_name(tmp_path: Path) -> None:
    outcome = Outcome(
        2, ("", "", "ES1"), "gave_up", 503, "a code", "a message", maybe_applied=True, attempts=3, replays=4, perhaps=5,
        elapsed=6.5, at=7.5, found="{}",
    )  # fmt: skip
    database_engine = database.connect(find(str(tmp_path / "journal.sqlite")))
    store = Store(database_engine)
    store.create()
    columns = [column.name for column in store._tables.outcomes.columns]  # pyright: ignore[reportPrivateUsage]
    assert [*stores._OutcomeValues._fields] == columns  # pyright: ignore[reportPrivateUsage]
    settle = store._statements.settle  # pyright: ignore[reportPrivateUsage]
    values = stores._outcome_values("a job", outcome, 8)  # pyright: ignore[reportPrivateUsage]
    with store.begin() as connection:
        settle.execute(connection, [values._replace(session="ES1")])
    assert list(store.outcomes("a job")) == [outcome]
    assert store.gave_up("a job") == {2: (outcome, 8)}
    database_engine.dispose()


def test_what_becomes_of_a_session_is_recorded_in_the_column_of_its_name() -> None:
    outcome = Outcome(2, ("AI1", "EX1", "ES1"), "rejected", maybe_applied=True, at=0.5)
    values = stores._applied_values("a job", "https://a", outcome, 3)  # pyright: ignore[reportPrivateUsage]
    assert values._asdict() == {
        "for_service": "https://a", "for_session": "ES1", "for_holder": "a job",
        "new_state": "rejected", "new_job": "a job", "new_at": 0.5, "new_maybe": True, "new_sendings": 3,
    }  # fmt: skip


def test_each_session_of_a_portion_is_found_by_its_key(tmp_path: Path) -> None:
    """SQLite may look at every session of the service for each row of it instead: a list of 100,000 rows never ends."""
    database_engine = database.connect(find(str(tmp_path / "journal.sqlite")))
    store = Store(database_engine)
    store.create()
    statements = store._statements  # pyright: ignore[reportPrivateUsage]
    outcome = Outcome(2, ("AI1", "EX1", "ES1"), "ok", at=0.5)
    applied = stores._applied_values("a job", "https://a", outcome, 1)  # pyright: ignore[reportPrivateUsage]
    held = applied[:3]
    asked: list[tuple[str, Any]] = []

    @event.listens_for(database_engine, "before_cursor_execute")
    def note(_: object, __: object, sql: str, values: Any, *___: object) -> None:
        asked.append((sql, values))

    with store.begin() as connection:
        for statement, values in ((statements.apply, applied), (statements.release, held)):
            assert statement.execute(connection, [values] * 60) == 0
        for sql, values in asked[:4]:
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
            searched = [step[3] for step in steps if " sessions" in step[3]]
            assert searched == ["SEARCH sessions USING PRIMARY KEY (service=? AND session=?)"]
    database_engine.dispose()
