"""Connections to the journal's database, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from smarterproctoring_bulk.engine.trouble import Trouble, reason_in, trouble_in
from smarterproctoring_bulk.journal import Place

BUSY_SECONDS = 30.0
"""How long a locked journal is waited for."""

DatabaseError = SQLAlchemyError


def connect(place: Place) -> sa.Engine:
    """Return the connections to a journal."""
    if place.path is None:
        url = sa.make_url(place.url).set(drivername="postgresql+psycopg")
        return sa.create_engine(
            url, pool_size=10, max_overflow=20, pool_pre_ping=True, hide_parameters=True
        )
    engine = sa.create_engine(
        place.url, pool_size=10, max_overflow=20, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = "IMMEDIATE"
    connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")  # the rows hold personal data
    if sqlite3.sqlite_version_info < (3, 42):
        # DBOS asks for unixepoch('subsec'), which older versions answer with NULL.
        connection.create_function("unixepoch", 1, lambda _: time.time())


def trouble_of(error: BaseException) -> Trouble:
    """Return why trying again cannot help; empty if it can."""
    return trouble_in(_cause(error))


def is_busy(error: BaseException) -> bool:
    """Tell whether another process has locked an SQLite database."""
    cause = _cause(error)
    if not isinstance(cause, sqlite3.OperationalError):
        return False
    # The lowest byte is the kind, the rest says more about it.
    return cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def reason_of(error: BaseException) -> str:
    """Return why a database call failed, without a value or a password."""
    cause = _cause(error)
    if isinstance(cause, SQLAlchemyError) and not trouble_in(cause):
        return type(cause).__name__
    return reason_in(cause)


def _cause(error: BaseException) -> BaseException:
    """Return the driver's own error."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig
    return error
