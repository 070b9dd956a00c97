"""Refuses output that is incomplete, does not import, or is not strictly typed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from openapi_python_client.strings import PythonIdentifier
from spec_model import Spec

from generator.naming import ROOT
from generator.upstream import PACKAGE, environment, run

SCRIPT = Path(__file__).with_name("check_output.py")


class Expectation(TypedDict):
    """What the output must have for an operation: a module, with a parser for each of these statuses."""

    operation: str
    module: str
    statuses: list[str]


def check(spec: Spec, target: Path) -> None:
    """Check the output in processes of their own.

    Raises:
        GenerationError: Something is missing, does not import, or is not strictly typed.
    """
    run(
        [sys.executable, str(SCRIPT), PACKAGE, json.dumps(list(expectations(spec)))],
        environment(PYTHONPATH=str(target), PYTHONDONTWRITEBYTECODE="1"),
        "the output is incomplete:",
    )
    cache = ROOT / ".cache" / "mypy-generated"
    options = [
        "--strict",
        "--no-error-summary",
        "--config-file",
        os.devnull,
        "--cache-dir",
        str(cache),
    ]
    run(
        [sys.executable, "-m", "mypy", *options, "--package", PACKAGE],
        environment(MYPYPATH=str(target)),
        "the output is not strictly typed:",
    )


def expectations(spec: Spec) -> Iterator[Expectation]:
    """Say which callables and parsers the output must have: one entry per operation."""
    for path, method, operation in spec.operations():
        tags = operation.get("tags") or ["default"]
        tag = PythonIdentifier(tags[0], "tag")
        name = PythonIdentifier(operation["operationId"], "field_")
        yield {
            "operation": f"{method.upper()} {path}",
            "module": f"{PACKAGE}.api.{tag}.{name}",
            "statuses": [str(status) for status in operation["responses"]],
        }
