"""What the documents quote: their fenced blocks, the commands in them, and how a quote is compared with real output."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"(?ms)^( *)```([^\n]*)\n(.*?)^\1```$")
ELISION = "…"
"""In a quote: on a line of its own, any lines; within a line, any text without a space."""


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, its language, and its text."""

    document: str
    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Quote:
    """A command as a document shows it, and what the document says that it prints."""

    document: str
    command: str
    printed: str


@dataclass(frozen=True)
class Mask:
    """Text that differs from run to run: what it looks like, and what stands for it in a comparison."""

    pattern: str
    name: str

    def over(self, text: str) -> str:
        """Return the text with each place covered."""
        return re.sub(self.pattern, self.name, text)


SECONDS = Mask(r"\d+\.\d+ ?s\b", "SECONDS")
WHOLE_SECONDS = Mask(r"\(\d+ s\)", "(SECONDS)")
DURATIONS = Mask(r" +\d+(\.\d+)? s\b", " SECONDS")
PORT = Mask(r"(?<=http://127\.0\.0\.1:)\d+", "PORT")
LATENCY = Mask(r"\d[\d.e+]* ms\b", "LATENCY")
DIGEST = Mask(r"\b[0-9a-f]{12}([0-9a-f]{52}\b|\b|(?=…))", "DIGEST")
DATE = Mask(r"\b20\d\d-\d\d-\d\d\b", "DATE")
BYTES = Mask(r"\b\d+,\d+ bytes", "BYTES")
RATE = Mask(r"[\d,.]+ rows/s", "RATE")
PROGRESS = Mask(r"(?m)^[\d,]+ of [\d,]+ rows \(\d\d?%\), .*\n", "")
"""What a run says every five seconds: how often depends on the machine."""


def documents() -> list[str]:
    """Return the names of all documents of the repository; what was printed in the past stays in the CHANGELOG."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if name != "CHANGELOG.md" and (ROOT / name).is_file()]


def blocks(document: str) -> Iterator[Block]:
    """Yield the fenced blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        yield Block(document, text.count("\n", 0, found.start()) + 1, found[2], found[3])


def quotes(document: str) -> Iterator[Quote]:
    """Yield the commands of a document's console blocks, with what is shown after each; empty where nothing is."""
    for block in blocks(document):
        if block.language != "console":
            continue
        for piece in re.split(r"(?m)^\$ ", block.text)[1:]:
            command, _, printed = re.sub(r" *\\\n *", " ", piece).partition("\n")
            yield Quote(document, command, printed.rstrip("\n"))


def quoted(document: str, command: str) -> list[Quote]:
    """Return what a document shows of the commands that begin with these words, in its order.

    `test_blocks.py` looks for the calls of this function: a quoted output that none of them names fails there.
    """
    return [quote for quote in quotes(document) if quote.command.startswith(command)]


def same(quote: Quote, printed: str, *masks: Mask) -> None:
    """Expect that a command printed what the document says.

    Args:
        quote: What the document says.
        printed: What was really printed.
        *masks: What may differ.
    """
    shown, real = quote.printed, printed.strip("\n")
    for mask in masks:
        shown, real = mask.over(shown), mask.over(real)
    if not _fits(shown, real):
        difference = unified_diff(shown.split("\n"), real.split("\n"), quote.document, "printed", lineterm="")
        raise AssertionError(f"$ {quote.command}\n" + "\n".join(difference) + f"\n\nin full:\n{printed}")


def _fits(shown: str, real: str) -> bool:
    """Tell whether text is what a quote with elisions says."""
    pattern = ""
    for line in shown.split("\n"):
        if line == ELISION:
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += r"[^\s]*".join(re.escape(part) for part in line.split(ELISION)) + "\n"
    return re.fullmatch(pattern, real + "\n") is not None
