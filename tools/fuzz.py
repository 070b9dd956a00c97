"""Fuzz the mock server from the spec with schemathesis, over the network: all checks, all phases.

tools/fuzz.py             the same cases every time, with the state in memory, then in a file
tools/fuzz.py --random    a new seed each time, ten times the examples, and the tests of tests/contract too
tools/fuzz.py -- ARGS     further arguments for `schemathesis run`

Beside schemathesis's own checks, those of tests/contract/checks.py run: what is stored is what was accepted, and the
token of the run is not refused.
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

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
TOKEN = "contract-token"  # noqa: S105 - the mock server's own; schemathesis.toml sends it


def main() -> int:
    """Run the command line; return the exit code of the first run that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", action="store_true", help="a new seed and 2,000 examples")
    parser.add_argument("--max-examples", type=int, help="examples per operation and per contract test")
    parser.add_argument("--seed", type=int, help="repeat the random run of this seed")
    parser.add_argument("--db", help="only the run with its state in a file: this one, which must be new")
    options, more = parser.parse_known_args()
    arguments = [argument for argument in more if argument != "--"]
    random = options.random or options.seed is not None
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    examples = options.max_examples or (2000 if random else 200)
    if random:
        print(f"seed {seed}; to repeat: make fuzz ARGS='--seed {seed} --max-examples {examples}'", flush=True)
        arguments += ["--seed", str(seed)]
    else:
        arguments.append("--generation-deterministic")
    arguments += ["--max-examples", str(examples)]
    environment = {
        **os.environ,
        "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / "build" / "hypothesis"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]),
    }
    if options.db is not None:
        if Path(options.db).exists():
            parser.error(f"--db: {options.db} exists; what it holds would not be what this run has sent")
        return fuzz(arguments, environment, ["--db", options.db])
    with tempfile.TemporaryDirectory() as folder:
        code = fuzz(arguments, environment, []) or fuzz(arguments, environment, ["--db", f"{folder}/mock.db"])
    if code == 0 and random:
        print(f"\nthe contract tests, {examples} examples each", flush=True)
        tests = ["-q", "-n", "auto", "--timeout", "3600", f"--hypothesis-seed={seed}", "tests/contract"]
        environment["CONTRACT_EXAMPLES"] = str(examples)
        code = subprocess.run([str(BIN / "pytest"), *tests], cwd=ROOT, env=environment, check=False).returncode
    return code


def fuzz(arguments: Sequence[str], environment: Mapping[str, str], settings: Sequence[str]) -> int:
    """Run schemathesis against a mock server with these settings; return its exit code."""
    print(f"\nthe mock server, its state {'in a file' if settings else 'in memory'}", flush=True)
    server_command = [str(BIN / "smarterproctoring"), "mock", "--token", TOKEN, *settings]
    with subprocess.Popen(server_command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            if not url:
                return server.wait() or 1
            spec = str(ROOT / "openapi" / "smarterproctoring.yaml")
            command = [str(BIN / "schemathesis"), "run", spec, "--url", url, "--checks", "all", "--phases"]
            command += ["examples,coverage,fuzzing,stateful", *arguments]
            hooks = {**environment, "SCHEMATHESIS_HOOKS": "contract.checks"}
            return subprocess.run(command, cwd=ROOT, env=hooks, check=False).returncode
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
