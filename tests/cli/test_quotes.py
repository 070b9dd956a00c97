"""What docs/how-to/command-line.md and the README say of the command line is what it prints."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from cli.commands import SIDS, run, run_json
from docs.quotes import ROOT, SECONDS, Mask, blocks, quoted, same
from docs_site.exit_codes import exit_codes
from smarterproctoring._cli import moments
from smarterproctoring._cli.exit_codes import EXIT_CODES
from smarterproctoring_mock import RunningServer

PAGE = "docs/how-to/command-line.md"
READ_AT = Mask(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", "READ")
FIELDS = {"appointmentStartDateTime": "2027-05-03T13:00:00.000Z", "appointmentEndDateTime": "2027-05-03T15:00:00.000Z"}
FAULTS: dict[str, list[dict[str, Any]]] = {
    "dates without an offset": [{"fault": "read-dates-naive"}],
    "the answer is lost": [{"fault": "drop-after-store"}],
    "the request is lost": [{"fault": "drop-before-store"}],
    "reads are refused": [{"fault": "drop-after-store"}, {"fault": "read-forbidden"}],
}
"""What happens in a quote, by its comment."""


def variables() -> dict[str, str]:
    """Return the variables that the page sets."""
    (block,) = [block for block in blocks(PAGE) if block.language == "sh"]
    return dict(re.findall(r'(?m)^(\w+)="(.*)"$', block.text))


def test_the_page_is_what_is_printed(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "now", lambda: datetime(2026, 11, 29, 12, tzinfo=UTC))
    install, exam, session = SIDS
    shown = quoted("docs/how-to/command-line.md", "smarterproctoring ")
    assert len(shown) == 7
    assert variables()["SESSION"] == " ".join(SIDS)
    for quote in shown:
        server.app.reset()
        seeded = {"installSid": install, "examSid": exam, "sessionSid": session, "fields": FIELDS}
        server.app.seed({"sessions": [seeded]})
        command, _, comment = quote.command.partition("   # ")
        server.app.add_faults(*FAULTS[comment] if comment else ())
        for name, value in variables().items():
            command = command.replace(f"${name}", value)
        same(quote, run(*shlex.split(command)[1:]).output, SECONDS, READ_AT)


def test_the_reference_has_the_exit_codes() -> None:
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"(?m)^```\{exit-codes\} (smarterproctoring\..*)$", page)
    rows = re.findall(r"(?m)^\| (\d+) \| (.*) \|$", exit_codes(table))
    assert {int(code): meaning for code, meaning in rows} == EXIT_CODES


def test_the_keys_of_the_json_are_on_the_page(server: RunningServer) -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    described = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"(?m)^\| (`[^|]*) \|", text))))
    move = ("--start", "2029-07-01T00:00:00Z")
    printed: set[str] = set()
    for command in (("show", *SIDS), ("check", *SIDS, *move), ("reschedule", *SIDS, *move)):
        printed |= set(run_json(*command)[1])
        server.app.add_faults({"status": 409, "times": None})
        printed |= set(run_json(*command)[1])
        server.app.clear_faults()
    assert printed == described
