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
from typing import TypedDict

INSTALL = "AI" + "1f" * 16
EXAM = "EX" + "2e" * 16
SESSION = "ES" + "3d" * 16
DAY = datetime.now(UTC) + timedelta(days=30)
"""The day to which the session is moved; the command line refuses the past and days years ahead."""
BEFORE = {
    "appointmentStartDateTime": f"{DAY - timedelta(days=1):%Y-%m-%d}T13:00:00.000Z",
    "appointmentEndDateTime": f"{DAY - timedelta(days=1):%Y-%m-%d}T15:00:00.000Z",
}
TOKEN = "demo-token"  # noqa: S105 - the mock server's, made up here
ZONE = "America/New_York"
COMMAND = str(Path(sys.executable).with_name("smarterproctoring"))


class Session(TypedDict):
    """A session that the mock server keeps."""

    fields: dict[str, str]


class Request(TypedDict):
    """A request that the mock server has seen."""

    method: str
    path: str
    status: int


class Admin(TypedDict, total=False):
    """What the mock server's admin interface answers."""

    sessions: list[Session]
    requests: list[Request]


def get(url: str) -> Admin:
    """Read JSON from the mock server's admin interface."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the server that was started here
        found: Admin = json.load(answer)
    return found


def show(title: str, base_url: str) -> None:
    """Print the stored session."""
    (session,) = get(f"{base_url}/_mock/sessions").get("sessions", [])
    print(f"{title}\n{json.dumps(session['fields'], indent=2)}\n", flush=True)


def main() -> int:
    """Run the demonstration; return the exit code of the reschedule."""
    with tempfile.TemporaryDirectory() as folder:
        seed = Path(folder) / "sessions.json"
        sids = {"installSid": INSTALL, "examSid": EXAM, "sessionSid": SESSION}
        seed.write_text(json.dumps({"sessions": [{**sids, "fields": BEFORE}]}))
        command = [
            COMMAND,
            "mock",
            "--token",
            TOKEN,
            "--seed",
            str(seed),
            "--strict-sessions",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                base_url = server.stdout.readline().strip()
                if not base_url:
                    return server.wait()
                print(f"mock server: {base_url}\n")
                return move(base_url)
            finally:
                server.terminate()


def move(base_url: str) -> int:
    """Move the session by the command line, and show it before and after; return the exit code."""
    show("stored session before:", base_url)
    start = f"{DAY:%d %b %Y} 9am"
    end = f"{DAY:%d %b %Y} 11am"
    print(f"$ smarterproctoring reschedule {INSTALL} \\\n    {EXAM} {SESSION} \\")
    print(f"    --start '{start}' --end '{end}' --timezone {ZONE}", flush=True)
    command = [COMMAND, "reschedule", INSTALL, EXAM, SESSION]
    command += ["--start", start, "--end", end, "--timezone", ZONE]
    moved = subprocess.run(command, env=environment(base_url), check=False)
    for request in get(f"{base_url}/_mock/requests").get("requests", []):
        print(
            f"\non the wire: {request['method']} {request['path']} -> {request['status']}"
        )
    show("\nstored session after:", base_url)
    return moved.returncode


def environment(base_url: str) -> dict[str, str]:
    """Return the environment of the command line, without settings of the user."""
    prefix = "SMARTERPROCTORING_"
    others = {
        name: value for name, value in os.environ.items() if not name.startswith(prefix)
    }
    return {**others, f"{prefix}TOKEN": TOKEN, f"{prefix}BASE_URL": base_url}


if __name__ == "__main__":
    sys.exit(main())
