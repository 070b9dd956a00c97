"""Try the installed package from inside its environment; prints what is wrong and exits 1.

    python -I tools/probe_installed.py VERSION            every module, the version, a dry run
    python -I tools/probe_installed.py VERSION --call     and one call to the mock server, with all extras

Run by tools/check_package.py with the interpreter of the environment, away from the source tree.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("smarterproctoring", "smarterproctoring_generated", "smarterproctoring_transport", "smarterproctoring_mock")
HINT = "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client["
# Prints for the command line, which says which extra is missing.
INNER = {"smarterproctoring.terminal"}
DOORS = {"smarterproctoring_mock", "smarterproctoring_bulk"}
"""Packages that are used by way of their names, or of the command line, which say which extra is missing."""
SIDS = (f"AI{'0' * 32}", f"EX{'1' * 32}", f"ES{'2' * 32}")


def import_all(complete: bool) -> Iterator[str]:
    """Import every module; without the extras, one that cannot be imported has to say which to install."""
    for name in PACKAGES:
        try:
            package = importlib.import_module(name)
        except ImportError as error:
            if complete or HINT not in str(error):
                yield f"import {name}: {error!r}"
            continue
        folder = Path(package.__path__[0])
        if not folder.is_relative_to(sys.prefix):
            yield f"{name} comes from {folder}, not from this environment"
        if not (folder / "py.typed").exists():
            yield f"{name} has no py.typed"
        try:
            for public in getattr(package, "__all__", ()):
                getattr(package, public)
        except ImportError as error:
            if complete or HINT not in str(error):
                yield f"a name of {name}: {error!r}"
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if module.name.endswith(".__main__"):
                continue
            try:
                importlib.import_module(module.name)
            except (ImportError, SystemExit) as error:
                inner = module.name in INNER or name in (
                    "smarterproctoring_mock",
                    "smarterproctoring_bulk",
                )  # their doors say it
                if complete or (HINT not in str(error) and not inner):
                    yield f"import {module.name}: {error!r}"


def versions(expected: str) -> Iterator[str]:
    """Compare every place that tells the version with the spec's."""
    package = importlib.import_module("smarterproctoring")
    with package.SmarterProctoring("token") as client:
        request = client.dry_run_reschedule(*SIDS, notes="Moved")
    if request.content != b'{"notes":"Moved"}' or not request.url.endswith(f"/sessions/{SIDS[2]}"):
        yield f"the dry run gave {request}"
    agent = re.match(r"smarterproctoring-client/(\S+) ", request.headers["user-agent"])
    told = {
        "the package's metadata": importlib.metadata.version("smarterproctoring-client"),
        "smarterproctoring.__version__": package.__version__,
        "the generated package": importlib.import_module("smarterproctoring_generated.operations").VERSION,
        "the User-Agent": agent and agent[1],
    }
    yield from (
        f"{place} says {version}, the spec {expected}" for place, version in told.items() if version != expected
    )


def call(expected: str) -> Iterator[str]:
    """Move a session on the mock server."""
    client_class = importlib.import_module("smarterproctoring").SmarterProctoring
    with (
        importlib.import_module("smarterproctoring_mock").running_server() as server,
        client_class("token", base_url=server.url) as client,
    ):
        result = client.reschedule(*SIDS, notes="Moved")
        requests = server.app.requests()
    if result.status != 200:
        yield f"the call gave {result}"
    agents = [dict(request.headers).get("user-agent", "") for request in requests]
    if [agent.split(" ")[0] for agent in agents] != [f"smarterproctoring-client/{expected}"]:
        yield f"the mock server saw {agents}"


def main() -> int:
    """Run the command line; return the exit code."""
    expected, complete = sys.argv[1], "--call" in sys.argv
    problems = [*import_all(complete), *versions(expected), *(call(expected) if complete else ())]
    print("\n".join(problems))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
