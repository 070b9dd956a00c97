"""The main job, end to end: start the mock server, move a session through the command line, show before and after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

INSTALL = "AI" + "1f" * 16
EXAM = "EX" + "2e" * 16
SESSION = "ES" + "3d" * 16
DAY = datetime.now(UTC) + timedelta(days=30)
"""The day that the session is moved to; the command line refuses the past, and what is years ahead."""
BEFORE = {
    "appointmentStartDateTime": f"{DAY - timedelta(days=1):%Y-%m-%d}T13:00:00.000Z",
    "appointmentEndDateTime": f"{DAY - timedelta(days=1):%Y-%m-%d}T15:00:00.000Z",
}
TOKEN = "demo-token"  # noqa: S105 - the mock server's, made up here
COMMAND = str(Path(sys.executable).with_name("smarterproctoring"))


def get(url: str) -> Any:
    """Read JSON from the mock server's admin interface."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the server that was started here
        return json.load(answer)


def show(title: str, base_url: str) -> None:
    """Print the stored session."""
    (session,) = get(f"{base_url}/_mock/sessions")["sessions"]
    print(f"{title}\n{json.dumps(session['fields'], indent=2)}\n", flush=True)


def main() -> int:
    """Run the demonstration; return the exit code of the reschedule."""
    with tempfile.TemporaryDirectory() as folder:
        seed = Path(folder) / "sessions.json"
        sids = {"installSid": INSTALL, "examSid": EXAM, "sessionSid": SESSION}
        seed.write_text(json.dumps({"sessions": [{**sids, "fields": BEFORE}]}))
        arguments = [
            COMMAND,
            "mock",
            "--token",
            TOKEN,
            "--seed",
            str(seed),
            "--strict-sessions",
        ]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                base_url = server.stdout.readline().strip()
                if not base_url:
                    return server.wait()
                print(f"mock server: {base_url}\n")
                show("stored session before:", base_url)
                day = f"{DAY:%d %b %Y}"
                change = [
                    "--start",
                    f"{day} 9am",
                    "--end",
                    f"{day} 11am",
                    "--timezone",
                    "America/New_York",
                ]
                print(
                    f"$ smarterproctoring reschedule {INSTALL} \\\n    {EXAM} {SESSION} \\"
                )
                print(
                    f"    --start '{change[1]}' --end '{change[3]}' --timezone {change[5]}",
                    flush=True,
                )
                environment = {
                    **{
                        name: value
                        for name, value in os.environ.items()
                        if not name.startswith("SMARTERPROCTORING_")
                    },
                    "SMARTERPROCTORING_TOKEN": TOKEN,
                    "SMARTERPROCTORING_BASE_URL": base_url,
                }
                moved = subprocess.run(
                    [COMMAND, "reschedule", INSTALL, EXAM, SESSION, *change],
                    env=environment,
                    check=False,
                )
                for request in get(f"{base_url}/_mock/requests")["requests"]:
                    print(
                        f"\non the wire: {request['method']} {request['path']} -> {request['status']}"
                    )
                show("\nstored session after:", base_url)
                return moved.returncode
            finally:
                server.terminate()


if __name__ == "__main__":
    sys.exit(main())
