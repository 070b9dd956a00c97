"""The engine: the journal's contents, and the worker.

Nothing outside of this package knows DBOS, SQLAlchemy or the SQL of the journal. Each name is
imported when it is first used: commands that only look at a journal do not load DBOS.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smarterproctoring_bulk.engine.database import DatabaseError as DatabaseError
    from smarterproctoring_bulk.engine.database import reason_of as reason_of
    from smarterproctoring_bulk.engine.journal import Journal as Journal
    from smarterproctoring_bulk.engine.journal import (
        OpenElsewhereError as OpenElsewhereError,
    )
    from smarterproctoring_bulk.engine.reader import JournalReader as JournalReader
    from smarterproctoring_bulk.engine.summary import (
        ForeignValuesError as ForeignValuesError,
    )
    from smarterproctoring_bulk.engine.summary import JournalSummary as JournalSummary
    from smarterproctoring_bulk.engine.summary import Tally as Tally
    from smarterproctoring_bulk.engine.worker import Worker as Worker

_MODULES = {
    "DatabaseError": "database",
    "ForeignValuesError": "summary",
    "Journal": "journal",
    "JournalReader": "reader",
    "OpenElsewhereError": "journal",
    "Tally": "summary",
    "JournalSummary": "summary",
    "Worker": "worker",
    "reason_of": "database",
}


if not TYPE_CHECKING:  # a type checker that sees __getattr__ accepts every name

    def __getattr__(name: str) -> object:
        """Import a name of the engine when it is first used."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value
