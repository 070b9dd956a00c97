"""Run the spec's linter and differ, `@redocly/cli`, which is a Node.js program pinned in package.json."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "node_modules" / ".bin" / "redocly"
CONFIG = ROOT / "openapi" / "redocly.yaml"


class ToolError(Exception):
    """A tool is missing or did not do its work; the text says what to do."""


def redocly(command: str, *arguments: str | Path) -> list[dict[str, Any]]:
    """Run a command of redocly with the rules in openapi/redocly.yaml.

    Args:
        command: `lint` or `diff`.
        *arguments: Files and further options.

    Returns:
        The reports, read from JSON: one for each file that is linted, or one of a comparison.

    Raises:
        ToolError: redocly is not installed, or printed no report, as for a mistake in its configuration.
    """
    if not PROGRAM.exists():
        raise ToolError(
            "redocly is not installed; `make node_modules/.ready` installs it (npm is needed)"
        )
    environment = {
        **os.environ,
        "REDOCLY_TELEMETRY": "off",
        "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    }
    options = ["--config", str(CONFIG), "--lint-config", "error", "--format", "json"]
    done = subprocess.run(
        [PROGRAM, command, *arguments, *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    # A linter that finds something exits 1; a differ that does so could not read all of both specs.
    if done.returncode and (command != "lint" or not done.stdout):
        raise ToolError(
            f"redocly {command} ended with {done.returncode}:\n{done.stderr}"
        )
    reports: list[dict[str, Any]] = []
    rest = done.stdout.strip()
    while rest:
        report, end = json.JSONDecoder().raw_decode(rest)
        reports.append(report)
        rest = rest[end:].lstrip()
    return reports
