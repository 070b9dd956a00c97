"""Writes the modules that the overrides need and openapi-python-client does not generate."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from spec_model import Spec

from generator.reading import Described
from generator.records import describe, sid_kinds

TEMPLATES = Path(__file__).with_name("templates")
DOCSTRING_WIDTH = 112


def emit_modules(spec: Spec) -> Mapping[str, str]:
    """Write the modules, by file name; the formatter makes them readable.

    Raises:
        GenerationError: Something of the spec cannot be carried out.
    """
    described = describe(spec)
    operations = [record.operation for record in described]
    facts: dict[str, object] = {
        "records": described,
        "operations": operations,
        "in_order": in_matching_order(operations),
        "servers": spec.servers(),
        "sid_kinds": sid_kinds(spec, operations),
        "version": spec.document["info"]["version"],
    }
    names = ("records.py", "results.py", "parsing.py", "operations.py", "facade.py")
    return {name: render(name, facts) for name in names}


def in_matching_order(operations: list[Described]) -> list[Described]:
    """Put a path without parameters before one that matches it too: the first match counts."""
    return sorted(operations, key=lambda operation: operation.path.count("{"))


def render(name: str, facts: Mapping[str, object]) -> str:
    """Render the template of a file."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it writes Python, not HTML
    )
    helpers = {"literal": repr, "in_docstring": in_docstring, "wrapped": wrapped}
    return environment.get_template(f"{name}.jinja").render(facts, **helpers)


def in_docstring(text: str) -> str:
    """Return text that neither ends a docstring nor escapes anything in it."""
    return text.replace("\\", "/").replace('"', "'")


def wrapped(text: str, indent: int, hang: int = 0) -> str:
    """Wrap a paragraph of a docstring.

    Args:
        text: The paragraph.
        indent: Columns before its first line.
        hang: Columns more before the others.
    """
    return textwrap.fill(
        in_docstring(text),
        DOCSTRING_WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hang),
    )
