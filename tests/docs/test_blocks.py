"""Every block of every document is of a known kind, and every quoted output has a test."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from docs.quotes import FENCE, PORT, ROOT, SECONDS, Block, Quote, blocks, documents, quoted, quotes, same

pytestmark = pytest.mark.tooling
DIRECTIVES = {"{eval-rst}", "{exit-codes}", "{http-api}", "{toctree}"}
"""What the site makes from a block of such a name (tools/docs_site)."""
INPUTS = {"csv", "diff", "http", "ini", "json", "python", "sh", "toml", "yaml"}
"""Languages of what a reader puts in somewhere. `console` is what a reader types, and its output."""


def named(test: Path) -> set[tuple[str, str]]:
    """Return the document and the beginning of the command of each call of `quoted` in a file of tests."""
    found: set[tuple[str, str]] = set()
    text = test.read_text(encoding="utf-8")
    if "quoted(" not in text:  # to parse every test takes a second
        return found
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "quoted":
            continue
        document, command = (ast.literal_eval(argument) for argument in node.args)
        found.add((document, command))
    return found


@cache
def in_tests() -> set[tuple[str, str]]:
    """Return what all tests but these name."""
    files = [file for file in (ROOT / "tests").rglob("test_*.py") if file != Path(__file__)]
    return set[tuple[str, str]]().union(*map(named, files))


def problem_of(block: Block) -> str:
    """Return what is wrong with the kind of a block; an empty text if nothing is."""
    kind = block.language.partition(" ")[0]
    prompts = [line.startswith("$ ") for line in block.text.splitlines()]
    if kind not in {*INPUTS, *DIRECTIVES, "console"}:
        return "say after the three backticks what it is"
    if block.language == "console":
        return "" if prompts[0] else "begin with the command"
    return "a command with `$ ` is console" if any(prompts) else ""


def test_each_block_is_of_a_known_kind() -> None:
    found = [block for document in documents() for block in blocks(document)]
    assert len(found) > 100, "nobody looked"
    problems = [f"{block.document}:{block.line}: {problem}" for block in found if (problem := problem_of(block))]
    assert problems == []


def test_every_fence_is_seen() -> None:
    for document in documents():
        text = (ROOT / document).read_text(encoding="utf-8")
        assert text.count("```") == 2 * len(FENCE.findall(text)), document


def test_every_quoted_output_has_a_test() -> None:
    tested = in_tests()
    shown = [quote for document in documents() for quote in quotes(document) if quote.printed]
    assert len(shown) > 15, "nobody looked"
    untested = [
        f"{quote.document}: $ {quote.command}"
        for quote in shown
        if not any(quote.document == document and quote.command.startswith(start) for document, start in tested)
    ]
    assert untested == []


def test_every_test_finds_its_quote() -> None:
    lost = [each for each in in_tests() if not any(quote.printed for quote in quoted(*each))]
    assert lost == []


@pytest.mark.parametrize(
    ("shown", "printed", "alike"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a\nc\n", False),
        ("a\nb", "a\nb\nc\n", False),
        ("a\nb", "b\n", False),
        ("…\nb", "a\na\nb\n", True),
        ("a\n…", "a\n", True),
        ("a\n…\nb", "a\nc\n", False),
        ("a\n…\nb\n…\nc", "a\nx\nb\ny\nc\n", True),
        ("AI1f…: 3", "AI1f1f1f: 3\n", True),
        ("AI1f…: 3", "AI1f and more: 3\n", False),
        ("ok (0.2 s)", "ok (13.04 s)\n", True),
        ("ok (0.2 s)", "FAILED (0.2 s)\n", False),
        ("http://127.0.0.1:8081/a", "http://127.0.0.1:40961/a\n", True),
        ("http://127.0.0.1:8081/a", "http://127.0.0.2:8081/a\n", False),
    ],
)
def test_how_a_quote_is_compared(shown: str, printed: str, alike: bool) -> None:
    quote = Quote("any.md", "any", shown)
    if alike:
        same(quote, printed, SECONDS, PORT)
    else:
        with pytest.raises(AssertionError, match="in full"):
            same(quote, printed, SECONDS, PORT)
