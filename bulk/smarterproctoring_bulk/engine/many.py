"""Statements that take the values of many rows.

On SQLite one statement takes those of many rows. With a statement for each row, the driver
gives the interpreter away and waits for it at every row, and so does the loop that sends.

On Postgres there is one for each row, and the driver sends many before it waits for an
answer. They lock the rows in the caller's order, so that no two processes wait for each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.type_api import TypeEngine

T = TypeVar("T")

Value: TypeAlias = str | int | float | bool | None
Values: TypeAlias = tuple[Value, ...]
"""The values of one row, in the order of the names."""
Kind: TypeAlias = (
    TypeEngine[str] | TypeEngine[int] | TypeEngine[float] | TypeEngine[bool]
)
Kinds: TypeAlias = Mapping[str, Kind]
"""The types of the values, by name."""
Insert: TypeAlias = sqlite.Insert | postgresql.Insert

_TOGETHER = 50
"""Rows of one statement on SQLite: the driver keeps a statement for each number of them."""


class Given:
    """What a statement is built from: the values of the rows.

    Args:
        kinds: The names and the types of the values.
        is_sqlite: Whether the database is SQLite.
    """

    def __init__(self, kinds: Kinds, *, is_sqlite: bool) -> None:
        self.names = tuple(kinds)
        self.is_sqlite = is_sqlite
        self._rows = sa.table("given", *map(sa.column, kinds, kinds.values()))
        self._values = {name: sa.bindparam(name, type_=kinds[name]) for name in kinds}

    def __getitem__(self, name: str) -> sa.ColumnElement[Any]:
        """Return a value of a row."""
        return self._rows.c[name] if self.is_sqlite else self._values[name]

    def insert(self, table: sa.Table) -> Insert:
        """Return an insert of the rows, each value into the column of its name."""
        if not self.is_sqlite:
            return postgresql.insert(table).values(self._values)
        # Without a condition, SQLite takes the ON of ON CONFLICT for that of a join.
        rows = sa.select(*self._rows.c).where(sa.true())
        return sqlite.insert(table).from_select(self.names, rows)


class ManyRows:
    """A statement for many rows.

    Args:
        given: The values it was built from.
        statement: The statement.
    """

    def __init__(self, given: Given, statement: Insert | sa.Update) -> None:
        self._names = given.names
        self._statement = statement
        self._is_sqlite = given.is_sqlite
        if given.is_sqlite:
            compiled = statement.compile(
                dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
            )
            before, after = str(compiled).split("FROM given")
            self._parts = before, after

    def execute(self, connection: sa.Connection, rows: Sequence[Values]) -> int:
        """Run it for rows, of which there is at least one.

        Returns:
            How many rows of the table it changed or added; negative if the driver does
            not know.
        """
        if not self._is_sqlite:
            named = [dict(zip(self._names, row, strict=True)) for row in rows]
            return connection.execute(self._statement, named).rowcount
        count = 0
        for batch in batches(rows, _TOGETHER):
            values = tuple(itertools.chain.from_iterable(batch))
            sql = self._sql_for(len(batch))
            count += connection.exec_driver_sql(sql, values).rowcount
        return count

    def _sql_for(self, count: int) -> str:
        before, after = self._parts
        names = ", ".join(self._names)
        row = f"({', '.join('?' * len(self._names))})"
        values = ", ".join([row] * count)
        given = f"WITH given ({names}) AS (VALUES {values}) SELECT * FROM given"  # noqa: S608 - names of ours
        # It begins with INSERT or UPDATE: else the driver begins no transaction.
        return f"{before} FROM ({given}) AS given {after}"


class AmongMany:
    """A query of texts, one of whose conditions is that a column is among many values.

    Args:
        query: The query without that condition.
        column: The column.
        is_sqlite: Whether the database is SQLite. For it the text of the query is made here:
            SQLAlchemy would take as long as the query.
    """

    def __init__(
        self, query: sa.Select[str], column: sa.ColumnElement[str], *, is_sqlite: bool
    ) -> None:
        self._query = query.where(column.in_(sa.bindparam("among", expanding=True)))
        self._is_sqlite = is_sqlite
        if is_sqlite:
            compiled = self._query.compile(dialect=sqlite.dialect())
            before, after = str(compiled).split("(__[POSTCOMPILE_among])")
            self._parts = before, after
            self._order = [
                name for name in compiled.positiontup or [] if name != "among"
            ]

    def execute(
        self, connection: sa.Connection, given: dict[str, str], among: Sequence[str]
    ) -> Sequence[str]:
        """Return what is found.

        Args:
            connection: Where.
            given: The other values of the query, by name.
            among: The values that the column is among.
        """
        if not self._is_sqlite:
            named = {**given, "among": among}
            return connection.execute(self._query, named).scalars().all()
        before, after = self._parts
        sql = f"{before}({', '.join('?' * len(among))}){after}"
        values = (*(given[name] for name in self._order), *among)
        found = connection.exec_driver_sql(sql, values)
        return found.scalars().all()


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most `size`."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
