"""Runs the command line in process, against the mock server of the tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from click.testing import CliRunner, Result
from smarterproctoring import cli

SIDS = (f"AI{'1f' * 16}", f"EX{'2e' * 16}", f"ES{'3d' * 16}")
TOKEN = "cli-secret-token-0123456789"
NOW = datetime(2029, 6, 1, tzinfo=UTC)
ZONE = ("--timezone", "America/New_York")
MOVE = ("--start", "2030-05-04 09:00", "--end", "2030-05-04 11:00", *ZONE)
NOTE = ("--notes", "moved")
"""A change without a time, which is not read back."""


def run(*arguments: str, stdin: str | None = None) -> Result:
    """Run a command; what it prints never holds the token."""
    result = CliRunner().invoke(cli.main, list(arguments), input=stdin)
    assert TOKEN not in result.output
    return result


def run_json(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a command with `--json`; return its exit code, and what it printed, which says the same code."""
    result = run(*arguments, "--json")
    printed = json.loads(result.stdout)
    assert printed["exit_code"] == result.exit_code
    return result.exit_code, printed
