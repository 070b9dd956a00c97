"""What is printed where a command ends before it comes to its own output."""

from __future__ import annotations

from typing import Final

from smarterproctoring.terminal import echo_json

NOTHING_SENT: Final = "interrupted; nothing was sent"
NOT_DONE: Final = {"show": "not shown", "check": "unknown"}
"""What came of a command that failed."""


def show_early(command: str, error: Exception, message: str, code: int) -> None:
    """Print, as JSON, what ended a command before it came to its own output."""
    echo_json(
        {
            "outcome": NOT_DONE.get(command, "not moved"),
            "error": type(error).__name__,
            "message": message,
            "maybe_applied": False,
            "exit_code": code,
        }
    )
