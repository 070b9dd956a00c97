"""Check the installed packages from inside their environment; print the problems and exit with 1.

    python -I tools/probe_installed.py VERSION PACKAGE…            every module, the version, a dry run
    python -I tools/probe_installed.py VERSION PACKAGE… --call     with all extras: also a call to the mock server, and
                                                                   ten sessions in bulk

Run by tools/check_package.py with the interpreter of the environment, away from the source tree. The packages are
arguments, because nothing of tools/ can be imported there.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

HINT = "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client["
# What the command line is made of; `smarterproctoring.cli` says which extra is missing.
INNER = ("smarterproctoring.terminal", "smarterproctoring._cli.")
SIDS = (f"AI{'0' * 32}", f"EX{'1' * 32}", f"ES{'2' * 32}")
TOKEN = "token-of-the-probe"  # noqa: S105 - made up here
LIST_LENGTH = 10


def import_all(packages: Sequence[str], complete: bool) -> Iterator[str]:
    """Import every module; without the extras, a failed import has to name the extra to install."""
    for name in packages:
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
        yield from import_modules(name, package.__path__, complete)


def import_modules(name: str, path: Sequence[str], complete: bool) -> Iterator[str]:
    """Import the modules of a package."""
    for module in pkgutil.walk_packages(path, f"{name}."):
        if module.name.endswith(".__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except (ImportError, SystemExit) as error:
            if complete or (
                HINT not in str(error) and not module.name.startswith(INNER)
            ):
                yield f"import {module.name}: {error!r}"


def versions(expected: str, packages: Sequence[str]) -> Iterator[str]:
    """Compare the versions of the package and of the API's description wherever they are shown."""
    import smarterproctoring as package  # noqa: PLC0415

    with package.SmarterProctoring(TOKEN) as client:
        request = client.dry_run_reschedule(*SIDS, notes="Moved")
    if request.content != b'{"notes":"Moved"}' or not request.url.endswith(
        f"/sessions/{SIDS[2]}"
    ):
        yield f"the dry run gave {request}"
    agent = re.match(
        r"smarterproctoring-client/(\S+) openapi/(\S+) ", request.headers["user-agent"]
    )
    provided = importlib.metadata.packages_distributions()
    distributions = sorted(
        {name for each in packages for name in provided.get(each, [])}
    )
    reported = {
        **{
            f"the metadata of {name}": importlib.metadata.version(name)
            for name in distributions
        },
        "smarterproctoring.__version__": package.__version__,
        "the User-Agent": agent and agent[1],
    }
    for place, version in reported.items():
        if version != expected:
            yield f"{place} says {version}, pyproject.toml {expected}"
    document = importlib.import_module("smarterproctoring_generated.operations").VERSION
    described = {
        "smarterproctoring.__api_version__": package.__api_version__,
        "the User-Agent": agent and agent[2],
    }
    for place, version in described.items():
        if version != document:
            yield f"{place} says {version} of the API, the generated package {document}"


def call(expected: str) -> Iterator[str]:
    """Move a session on the mock server, with each of the two HTTP parsers, and with a span for each call."""
    from smarterproctoring import SmarterProctoring  # noqa: PLC0415
    from smarterproctoring.otel import OpenTelemetry  # noqa: PLC0415
    from smarterproctoring_mock import running_server  # noqa: PLC0415

    with running_server(token=TOKEN) as server:
        for fast in (False, True):
            with SmarterProctoring(
                TOKEN, base_url=server.url, fast=fast, on_call=OpenTelemetry()
            ) as client:
                result = client.reschedule(*SIDS, notes="Moved")
            if result.status != 200:
                yield f"the call gave {result}"
        requests = server.app.requests()
    agents = [dict(request.headers).get("user-agent", "") for request in requests]
    if [agent.split(" ")[0] for agent in agents] != [
        f"smarterproctoring-client/{expected}"
    ] * 2:
        yield f"the mock server saw {agents}"


def bulk() -> Iterator[str]:
    """Move a list of sessions on the mock server, by the command line."""
    from smarterproctoring_mock import running_server  # noqa: PLC0415

    command = [
        str(Path(sys.executable).with_name("smarterproctoring")),
        "bulk",
        "run",
        "list.csv",
        "--yes",
    ]
    sessions = [f"ES{number:032x}" for number in range(LIST_LENGTH)]
    rows = [f"{SIDS[0]},{SIDS[1]},{session},Moved" for session in sessions]
    with running_server(token=TOKEN) as server, tempfile.TemporaryDirectory() as folder:
        Path(folder, "list.csv").write_text(
            "\n".join(["installSid,examSid,sessionSid,notes", *rows]), encoding="utf-8"
        )
        settings = {
            "SMARTERPROCTORING_TOKEN": TOKEN,
            "SMARTERPROCTORING_BASE_URL": server.url,
            "SMARTERPROCTORING_BULK_JOURNAL": str(Path(folder, "journal")),
        }
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )  # the limit ends what hangs: it takes seconds, more on a busy machine
        moved = sorted(
            session.params["sessionSid"] for session in server.app.sessions()
        )
    if done.returncode or moved != sessions:
        printed = done.stdout + done.stderr
        yield f"bulk moved {len(moved)} of {LIST_LENGTH} sessions, exit code {done.returncode}:\n{printed}"


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version", help="the version that everything has to report")
    parser.add_argument(
        "packages", nargs="+", metavar="PACKAGE", help="an import package"
    )
    parser.add_argument(
        "--call", action="store_true", help="all extras are installed: use them"
    )
    arguments = parser.parse_args()
    problems = [
        *import_all(arguments.packages, arguments.call),
        *versions(arguments.version, arguments.packages),
    ]
    if arguments.call:
        problems += call(arguments.version)
        problems += bulk()
    print("\n".join(problems))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
