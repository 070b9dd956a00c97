#!/usr/bin/env python3
"""Generate generated/ from openapi/smarterproctoring.yaml, or check that it is up to date.

    tools/generate.py            regenerate: build aside, check there, then swap
    tools/generate.py --check    regenerate aside and fail on any difference, new and missing files included

A run that fails leaves the output folder as it was, and concurrent runs wait for each other. Everything that
decides the output is pinned: the generator and the formatter in pyproject.toml, their settings in
generator-config.yml, and what each run used is recorded in generated/PROVENANCE.json.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from generator.naming import ROOT
from generator.swapping import compare, replace
from spec_model import GenerationError

RETRY = "make generate"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing, fail on any difference"
    )
    parser.add_argument(
        "--spec", type=Path, default=ROOT / "openapi" / "smarterproctoring.yaml"
    )
    parser.add_argument("--config", type=Path, default=ROOT / "generator-config.yml")
    parser.add_argument("--output", type=Path, default=ROOT / "generated")
    arguments = parser.parse_args()
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # so that it cleans up as Ctrl-C does
    work = compare if arguments.check else replace
    try:
        print(work(arguments.spec, arguments.config, arguments.output.resolve()))
    except (GenerationError, OSError) as error:
        sys.exit(
            f"error: {error}\n\nNothing was changed. Fix the above, then run: {RETRY}"
        )
    except KeyboardInterrupt:
        sys.exit("error: interrupted. Nothing was changed.")


if __name__ == "__main__":
    main()
