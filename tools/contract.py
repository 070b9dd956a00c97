"""Fuzz the mock server from the spec with schemathesis, over the network: all checks, all phases.

tools/contract.py               the same cases every time
tools/contract.py --random      a new seed each time, and ten times the examples
tools/contract.py -- ARGS       further arguments for `schemathesis run`
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
TOKEN = "contract-token"  # noqa: S105 - the mock server's own; schemathesis.toml sends it


def main() -> int:
    """Run the command line; return schemathesis's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", action="store_true", help="a new seed and 2,000 examples")
    parser.add_argument("--max-examples", type=int, help="examples per operation")
    parser.add_argument("--seed", type=int, help="repeat the random run of this seed")
    parser.add_argument("--db", help="let the mock server keep its state in this SQLite file")
    options, more = parser.parse_known_args()
    arguments = [argument for argument in more if argument != "--"]
    if options.random or options.seed is not None:
        seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
        print(f"seed {seed}; to repeat: make contract ARGS='--seed {seed}'", flush=True)
        arguments += ["--seed", str(seed), "--max-examples", str(options.max_examples or 2000)]
    else:
        arguments += ["--generation-deterministic", "--max-examples", str(options.max_examples or 200)]
    server_command = [str(BIN / "smarterproctoring"), "mock", "--token", TOKEN]
    server_command += ["--db", options.db] if options.db else []
    with subprocess.Popen(server_command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            if not url:
                return server.wait() or 1
            spec = str(ROOT / "openapi" / "smarterproctoring.yaml")
            command = [str(BIN / "schemathesis"), "run", spec, "--url", url, "--checks", "all", "--phases"]
            command += ["examples,coverage,fuzzing,stateful", *arguments]
            environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / "build" / "hypothesis")}
            return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
