"""Move one exam session on the installed mock server with the installed client, and print one line about it.

The commands of the other distributions have to be found, and to be of the same version.

Run by tools/publish.py in the environment that it made, as `python -I first_call.py VERSION`.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path

import smarterproctoring
import smarterproctoring_mock

SIDS = f"AI{'1f' * 16}", f"EX{'2e' * 16}", f"ES{'3d' * 16}"
START = "2030-05-04T13:00:00.000Z"


def check_command(name: str, version: str) -> None:
    """Find and import a command of another distribution.

    Raises:
        SystemExit: It is not there, or of another version.
    """
    found = [*entry_points(group="smarterproctoring.commands", name=name)]
    if not found:
        sys.exit(f"the command {name} is not installed")
    found[0].load()
    source = found[0].dist
    if source is None or source.version != version:
        sys.exit(f"the command {name} is not of version {version}")


def main() -> None:
    """Make the call.

    Raises:
        SystemExit: What was called is not what was installed, or it does not work.
    """
    for package in (smarterproctoring, smarterproctoring_mock):
        if not Path(str(package.__file__)).is_relative_to(sys.prefix):
            sys.exit(
                f"{package.__name__} came from {package.__file__}, not from {sys.prefix}"
            )
    if smarterproctoring.__version__ != sys.argv[1]:
        sys.exit(f"the installed package says it is {smarterproctoring.__version__}")
    check_command("bulk", sys.argv[1])
    check_command("mock", sys.argv[1])
    with (
        smarterproctoring_mock.running_server(token="first-call") as server,  # noqa: S106 - made up here
        smarterproctoring.SmarterProctoring(
            "first-call", base_url=server.url
        ) as client,
    ):
        result = client.reschedule(*SIDS, appointment_start_date_time=START)
        server.app.assert_called(
            session=SIDS[2], fields={"appointmentStartDateTime": START}, times=1
        )
    print(
        f"its client moved a session on its mock server: {result.status} after {result.attempts} attempt"
    )


if __name__ == "__main__":
    main()
