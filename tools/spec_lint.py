#!/usr/bin/env python3
"""Check the spec against the standard, the rules in openapi/redocly.yaml, and the limits of `make generate`.

    tools/spec_lint.py [FILE …]     openapi/smarterproctoring.yaml if none is named

openapi-spec-validator, redocly and the generator each find mistakes that the others miss.
Exit code 0: nothing found. 1: mistakes. 2: could not be checked.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from baseline import SPEC
from generator.records import describe
from redocly import ToolError, redocly
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from spec_model import GenerationError, Node, Spec, check_version


def read(file: Path) -> dict[str, Any]:
    """Read a spec of OpenAPI 3.0.

    Raises:
        ValueError: It is not YAML, or not OpenAPI 3.0.
    """
    try:
        document: Any = YAML(typ="safe").load(file.read_bytes())
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from None
    try:
        check_version(document if isinstance(document, dict) else {})
    except GenerationError as error:
        raise ValueError(str(error)) from None
    return cast("dict[str, Any]", document)


def by_the_standard(document: dict[str, Any]) -> list[str]:
    """Return the violations of the OpenAPI standard, each as `place: message`."""
    from openapi_spec_validator import OpenAPIV30SpecValidator  # noqa: PLC0415 - takes seconds, so only where it is used

    try:
        errors = list(OpenAPIV30SpecValidator(document).iter_errors())
    except Exception as error:  # noqa: BLE001 - what it cannot follow, such as a broken $ref, ends it with any error
        return [f"{type(error).__name__}: {error}"]
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in errors
    ]


def by_the_client(file: Path) -> list[str]:
    """Return the first problem that stops `make generate`, and path parameters that accept any text."""
    try:
        spec = Spec(file)
        described = describe(spec)
    except GenerationError as error:
        return [str(error)]
    return [
        f"{record.operation.name}: rule/path-parameter-pattern: {parameter['name']!r} is any text: give its schema a "
        "pattern, an enum or a format, so that a wrong one is refused before the wire"
        for record in described
        for parameter in record.operation.node["parameters"]
        if parameter["in"] == "path" and is_any_text(spec.flat(parameter.get("schema")))
    ]


def is_any_text(schema: Node) -> bool:
    """Tell whether a schema accepts any text."""
    return (
        schema.get("type") == "string"
        and not {"pattern", "enum", "format"} & schema.keys()
    )


def by_our_rules(files: list[Path]) -> Iterator[tuple[Path, str]]:
    """Yield redocly's findings, each with its file, as `line:column: rule: message`. Node.js is started once for all.

    Raises:
        ToolError: redocly could not run.
    """
    named = {os.path.realpath(file): file for file in files}
    for report in redocly("lint", *named, "--max-problems", "1000") if named else ():
        for problem in report["problems"]:
            where = problem["location"][0]
            line = (
                f"{where['start']['line']}:{where['start']['col']}"
                if "start" in where
                else where["pointer"]
            )
            file = named[os.path.realpath(where["source"]["ref"])]
            yield (
                file,
                f"{line}: {problem['ruleId']}: {' '.join(problem['message'].split())}",
            )


def lint(files: list[Path]) -> dict[Path, list[str]]:
    """Return the mistakes in each file, by both tools, each as `file: place: message`.

    Raises:
        ToolError: redocly could not run.
        OSError: A file cannot be read.
    """
    found: dict[Path, list[str]] = {}
    readable: list[Path] = []
    for file in files:
        try:
            mistakes = by_the_standard(read(file))
            found[file] = [
                f"{file}: {mistake}" for mistake in [*mistakes, *by_the_client(file)]
            ]
            readable.append(file)
        except ValueError as error:
            found[file] = [f"{file}: {error}"]
    for file, mistake in by_our_rules(readable):
        found[file].append(f"{file}:{mistake}")
    return found


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    files: list[Path] = parser.parse_args().files or [Path(SPEC)]
    try:
        found = lint(files)
    except (ToolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for file, mistakes in found.items():
        print(
            "\n".join(mistakes) or f"{file}: no mistakes",
            file=sys.stderr if mistakes else sys.stdout,
        )
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
