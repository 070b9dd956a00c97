"""Makes DBOS refuse pickle, before any journal is opened.

DBOS reads a value of its tables by the name in the column `serialization`, and with the
name `py_pickle` it unpickles, whatever serializer it was given: anyone who can write the
journal could run code in every process that opens it, and workers hold the token. A
serializer is not asked then, and a check of the tables before each read would be a race.
So the reader itself is replaced.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import NoReturn

from dbos import _serialization  # pyright: ignore[reportPrivateUsage]


class PickleRefusedError(Exception):
    """A value in the journal is pickled; it was not read."""


def _refuse(*_: object) -> NoReturn:
    raise PickleRefusedError("this journal contains a pickled value; it was not read")


def install() -> None:
    """Replace the module that DBOS unpickles with.

    Raises:
        RuntimeError: DBOS would unpickle nevertheless: this version is not supported.
    """
    refusing = SimpleNamespace(loads=_refuse, dumps=_refuse)
    _serialization.__dict__["pickle"] = refusing
    name = _serialization.DBOSDefaultSerializer.name()
    for read in (
        _serialization.deserialize_value,
        _serialization.deserialize_args,
        _serialization.deserialize_exception,
    ):
        try:
            read("gASVBAAAAAAAAABLKi4=", name, _serialization.DBOSPortableJSON)
        except PickleRefusedError:
            continue
        raise RuntimeError(
            f"this version of dbos unpickles in {read.__name__}; install dbos>=3.4,<4"
        )
