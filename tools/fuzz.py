"""Fuzz the mock server from the spec with schemathesis, over the network: all checks, all phases.

tools/fuzz.py             the same cases every time, with the state in memory, then in a file, then with faults
tools/fuzz.py --random    a new seed each time, ten times the examples, and the tests of tests/contract too
tools/fuzz.py -- ARGS     further arguments for `schemathesis run`

Besides schemathesis's own checks, those of tests/contract/checks.py run: what is stored is what was accepted, what is
read is what was changed (the stateful phase follows the spec's links from a change to a read), and the token of the
run is not refused. The pass with faults (tests/contract/faults.json) reaches the answers that a server without trouble
never gives; there the checks are those that such an answer can pass. Each pass writes a JUnit and a HAR file into
build/schemathesis, and from all of them tools/contract_coverage.py counts what of the spec was reached: it has to be
every response, every keyword of them, and every link.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import contract_coverage

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "schemathesis"
FAULTS = ROOT / "tests" / "contract" / "faults.json"
CHECKS_WITH_FAULTS = (
    "status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,"
    "negative_data_rejection,stored_as_sent,read_as_changed"
)
BIN = Path(sys.executable).parent
TOKEN = "contract-token"  # noqa: S105 - the mock server's own; schemathesis.toml sends it


class Options(argparse.Namespace):
    """The command line's options."""

    random: bool
    max_examples: int | None
    seed: int | None
    db: str | None


def main() -> int:
    """Run the command line; return the exit code of the first run that fails."""
    parser = option_parser()
    options, more = parser.parse_known_args(namespace=Options())
    if options.db is not None and Path(options.db).exists():
        parser.error(f"--db: {options.db} exists; name a file that does not exist yet")
    arguments = [argument for argument in more if argument != "--"]
    is_random = options.random or options.seed is not None
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    examples = options.max_examples or (2000 if is_random else 200)
    if is_random:
        again = f"make fuzz ARGS='--seed {seed} --max-examples {examples}'"
        print(f"seed {seed}; to repeat: {again}", flush=True)
        arguments += ["--seed", str(seed)]
    else:
        arguments.append("--generation-deterministic")
    arguments += ["--max-examples", str(examples)]
    if options.db is not None:
        return fuzz(
            arguments, Pass("file", "its state in a file", ("--db", options.db))
        )
    code = all_passes(arguments)
    if code == 0 and is_random:
        return contract_tests(seed, examples)
    return code


def option_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; what it does not know is for schemathesis."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--random", action="store_true", help="a new seed and 2,000 examples"
    )
    parser.add_argument(
        "--max-examples", type=int, help="examples per operation and per contract test"
    )
    parser.add_argument("--seed", type=int, help="repeat the random run of this seed")
    parser.add_argument(
        "--db",
        help="only the run with its state in a file: this one, which must be new",
    )
    return parser


def all_passes(arguments: Sequence[str]) -> int:
    """Run schemathesis in every way, and print what was reached; return the exit code of the first run that fails."""
    with tempfile.TemporaryDirectory() as folder:
        in_file = ("--db", f"{folder}/mock.db")
        with_faults = ("--scenario", str(FAULTS))
        passes = (
            Pass("memory", "its state in memory"),
            Pass("file", "its state in a file", in_file),
            Pass("faults", "with faults", with_faults, CHECKS_WITH_FAULTS),
        )
        for one in passes:
            code = fuzz(arguments, one)
            if code != 0:
                return code
    print("\nwhat of the spec was reached", flush=True)
    return contract_coverage.main([str(one.har) for one in passes])


def contract_tests(seed: int, examples: int) -> int:
    """Run the tests of tests/contract with this many examples; return the exit code."""
    print(f"\nthe contract tests, {examples} examples each", flush=True)
    command = [str(BIN / "pytest"), "-q", "-n", "auto", "--timeout", "3600"]
    command += [f"--hypothesis-seed={seed}", "tests/contract"]
    variables = environment(CONTRACT_EXAMPLES=str(examples))
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode


def environment(**more: str) -> Mapping[str, str]:
    """Return the environment of a run."""
    paths = [str(ROOT / "tests"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {
        **os.environ,
        "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / "build" / "hypothesis"),
        "PYTHONPATH": os.pathsep.join(paths),
        **more,
    }


class Pass(NamedTuple):
    """One run of schemathesis: a name for its files, words for the reader, settings of the server, and the checks."""

    name: str
    about: str
    settings: tuple[str, ...] = ()
    checks: str = "all"

    @property
    def har(self) -> Path:
        """Where its exchanges are written."""
        return REPORTS / f"{self.name}-har.json"


def fuzz(arguments: Sequence[str], one: Pass) -> int:
    """Run schemathesis against a mock server; return its exit code."""
    print(f"\nthe mock server, {one.about}", flush=True)
    server_command = [str(BIN / "smarterproctoring"), "mock", "--token", TOKEN]
    server_command += one.settings
    with subprocess.Popen(server_command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            if not url:
                return server.wait() or 1
            spec = str(ROOT / "openapi" / "smarterproctoring.yaml")
            command = [str(BIN / "schemathesis"), "run", spec, "--url", url]
            command += ["--checks", one.checks, "--report", "junit,har"]
            command += ["--phases", "examples,coverage,fuzzing,stateful"]
            command += ["--report-junit-path", str(REPORTS / f"{one.name}-junit.xml")]
            command += ["--report-har-path", str(one.har), *arguments]
            REPORTS.mkdir(parents=True, exist_ok=True)
            hooks = environment(SCHEMATHESIS_HOOKS="contract.checks")
            return subprocess.run(command, cwd=ROOT, env=hooks, check=False).returncode
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
