"""The engine: the journal's contents, and the worker.

Nothing outside of this package knows DBOS, SQLAlchemy or the SQL of the journal.
"""

import os

for _name in [name for name in os.environ if name.startswith(("DBOS_", "DBOS__"))]:
    # Settings of somebody else's service: with DBOS__CLOUD, for instance, DBOS would
    # report to its makers' servers.
    del os.environ[_name]

from smarterproctoring_bulk.engine import no_pickle  # noqa: E402 - after the variables

no_pickle.install()

from smarterproctoring_bulk.engine.database import DatabaseError, reason_of  # noqa: E402
from smarterproctoring_bulk.engine.journal import (  # noqa: E402
    ForeignValuesError,
    Journal,
    OpenElsewhereError,
)
from smarterproctoring_bulk.engine.store import Tally  # noqa: E402
from smarterproctoring_bulk.engine.worker import Worker  # noqa: E402

__all__ = [
    "DatabaseError",
    "ForeignValuesError",
    "Journal",
    "OpenElsewhereError",
    "Tally",
    "Worker",
    "reason_of",
]
