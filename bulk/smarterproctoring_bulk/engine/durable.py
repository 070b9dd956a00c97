"""DBOS, which is imported here and nowhere else: only after what it must not do is prevented."""

import os

for _name in [name for name in os.environ if name.startswith(("DBOS_", "DBOS__"))]:
    # Settings of somebody else's service: with DBOS__CLOUD, for instance, DBOS would
    # report to its makers' servers.
    del os.environ[_name]

from smarterproctoring_bulk.engine import no_pickle  # noqa: E402 - after the variables

no_pickle.install()

from dbos import DBOS, DBOSClient, EnqueueOptions, Serializer  # noqa: E402

__all__ = ["DBOS", "DBOSClient", "EnqueueOptions", "Serializer"]
