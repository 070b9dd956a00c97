"""The table of exit codes, from the module that defines them."""

from __future__ import annotations

import importlib


def exit_codes(module: str) -> str:
    """Return the exit codes of a module with `EXIT_CODES` as a Markdown table."""
    codes: dict[int, str] = importlib.import_module(module).EXIT_CODES
    rows = [f"| {code} | {meaning} |" for code, meaning in codes.items()]
    return "\n".join(["| exit code | meaning |", "|---|---|", *rows, ""])
