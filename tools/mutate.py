"""Mutation testing of the decision code: change one token at a time, and see whether a test notices (cosmic-ray).

tools/mutate.py                    every module of MODULES, in two processes
tools/mutate.py --only policy.py   one of them

Each mutant runs in a scratch copy. A surviving mutant is either equivalent, and listed in
tools/mutate.toml with the reason, or shows a gap in the tests: then the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from packages import FOLDERS
from prove import copy_tree
from seeded_faults import ROOT

BIN: Final = Path(sys.executable).parent
EQUIVALENT: Final = ROOT / "tools" / "mutate.toml"
RULES: Final = "generation/test_rules.py wire/test_dates.py wire/test_calling.py"
MODULES: Final[Mapping[str, str]] = {
    "overrides/smarterproctoring/policy.py": "wire/test_retries.py wire/test_outcome.py",
    "overrides/smarterproctoring/errors.py": "wire/test_errors.py wire/test_retries.py wire/test_sharing.py",
    "overrides/smarterproctoring/credentials.py": "wire/test_token.py wire/test_secrecy.py",
    "overrides/smarterproctoring/call.py": "wire/test_call.py wire/test_errors.py wire/test_outcome.py"
    " wire/test_token.py wire/test_retries.py wire/test_secrecy.py",
    "overrides/smarterproctoring/json_values.py": RULES,
    "overrides/smarterproctoring/wire_times.py": RULES,
    "overrides/smarterproctoring/parameters.py": RULES,
    "overrides/smarterproctoring/rules.py": RULES,
}
"""The modules, and the tests that have to notice; the synchronous client is enough, it shares all of this code."""
SELECTION: Final = "not asyncio and not trio"
SKIPPED: Final = (
    r"core/ReplaceBinaryOperator_BitOr_.*",  # `str | None` in annotations
    r"core/ReplaceBinaryOperator_Mul_(?!Div).*",  # one arithmetic operator represents all others
    r"core/ReplaceBinaryOperator_(Add|Mod|Div|FloorDiv)_(?!Sub|Mul).*",
    r"core/ReplaceBinaryOperator_(Mod|Div|FloorDiv)_Sub",
    r"core/ReplaceBinaryOperator_Add_Mul",
    r"core/ReplaceBinaryOperator_Sub_(?!Add).*",
    r"core/ReplaceBinaryOperator_Pow_(?!Mul).*",
    r"core/ReplaceComparisonOperator_(Lt|Gt|LtE|GtE)_(Eq|NotEq|Is|IsNot)",  # a boundary and the opposite do
    r"core/ReplaceComparisonOperator_(Lt_Gt|Gt_Lt|LtE_GtE|GtE_LtE)",
    r"core/ReplaceComparisonOperator_(Eq|NotEq)_(Is|IsNot|Lt|Gt)",
    r"core/ReplaceComparisonOperator_(Is|IsNot)_(Eq|NotEq|Lt|LtE|Gt|GtE)",
    r"core/ReplaceUnaryOperator_USub_.*",
)
"""Mutations that are left out: they change only types, or repeat another mutation."""
TOO_LONG: Final = 300.0
"""Seconds for the tests of one mutant. A test that hangs fails by its own limit, so this says nothing of the mutant."""


class Mutant(NamedTuple):
    """A mutant: the changed line before and after."""

    module: str
    line: int
    operator: str
    old: str
    new: str
    killed: bool

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it apart even when lines move."""
        return self.module, self.old, self.new


@contextmanager
def workers(trees: Sequence[Path]) -> Generator[list[str]]:
    """Run cosmic-ray's workers, one in each tree; give their URLs."""
    with ExitStack() as stack:
        urls: list[str] = []
        for tree in trees:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(str(tree / name) for name in FOLDERS),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            }
            command = [str(BIN / "cosmic-ray"), "http-worker", "--port", str(port)]
            worker = subprocess.Popen(
                command,
                cwd=tree,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(worker.wait)
            stack.callback(worker.terminate)
            urls.append(f"http://127.0.0.1:{port}")
        for url in urls:
            _wait_for(url)
        yield urls


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=5)  # noqa: S310  loopback
        except urllib.error.HTTPError:
            return  # it answers, though not to GET
        except OSError:
            time.sleep(0.1)
    raise SystemExit("error: cosmic-ray's worker did not start")


def mutate(
    module: str, tests: str, tree: Path, urls: Sequence[str], python: Path
) -> list[Mutant]:
    """Make every mutant of a module and run its tests; return what came of each.

    Raises:
        SystemExit: The tests fail without a mutation, or cosmic-ray does.
    """
    command = [str(python), "-m", "pytest", "-q", "-x", "--tb=no", "-k", SELECTION]
    command += ["-p", "pytest_timeout", "--timeout=30", "-p", "no:cacheprovider"]
    command += [f"tests/{name}" for name in tests.split()]
    check_without_mutation(module, command, tree)
    name = Path(module).stem
    config = tree.parent / f"{name}.toml"
    session = tree.parent / f"{name}.sqlite"
    config.write_text(_toml(_settings(module, command, urls)), encoding="utf-8")
    run_tool(tree, "cosmic-ray", "init", str(config), str(session))
    run_tool(tree, "cr-filter-operators", str(session), str(config))
    run_tool(tree, "cosmic-ray", "exec", str(config), str(session))
    dumped = run_tool(tree, "cosmic-ray", "dump", str(session))
    found = [_mutant(module, line) for line in dumped.splitlines()]
    ran = [mutant for mutant in found if mutant is not None]
    return sorted(ran, key=lambda mutant: mutant.line)


def check_without_mutation(module: str, command: Sequence[str], tree: Path) -> None:
    """Run the tests of a module as it is.

    Raises:
        SystemExit: They fail.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(tree / part) for part in FOLDERS),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    control = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    if control.returncode != 0:
        said = control.stdout + control.stderr
        raise SystemExit(
            f"error: the tests of {module} fail without any mutation:\n{said}"
        )


def _settings(
    module: str, command: Sequence[str], urls: Sequence[str]
) -> Mapping[str, object]:
    """Return the settings of cosmic-ray for a module."""
    return {
        "cosmic-ray": {
            "module-path": module,
            "timeout": TOO_LONG,
            "excluded-modules": [],
            "test-command": shlex.join(command),
            "distributor": {"name": "http", "http": {"worker-urls": list(urls)}},
            "filters": {"operators-filter": {"exclude-operators": list(SKIPPED)}},
        }
    }


def run_tool(tree: Path, program: str, *arguments: str) -> str:
    """Run one of cosmic-ray's programs; return what it prints."""
    command = [str(BIN / program), *arguments]
    return subprocess.run(
        command, cwd=tree, check=True, capture_output=True, text=True
    ).stdout


def _mutant(module: str, line: str) -> Mutant | None:
    """Read a line of cosmic-ray's report; None for a mutant that was left out.

    Raises:
        SystemExit: cosmic-ray could not run it.
    """
    item, result = json.loads(line)
    if result["worker_outcome"] == "skipped":
        return None
    if result["worker_outcome"] != "normal":
        said = result["output"]
        raise SystemExit(
            f"error: cosmic-ray could not run a mutant of {module}: {said}"
        )
    mutation = item["mutations"][0]
    lines = result["diff"].split("\n")
    return Mutant(
        module=module,
        line=mutation["start_pos"][0],
        operator=mutation["operator_name"].removeprefix("core/"),
        old=_changed_line(lines, "-"),
        new=_changed_line(lines, "+"),
        killed=result["test_outcome"] == "killed" and result["output"] != "timeout",
    )


def _changed_line(lines: Sequence[str], sign: str) -> str:
    """Return the first line of a diff that was taken out (`-`) or put in (`+`)."""
    heading = sign * 3
    for line in lines:
        if line.startswith(sign) and not line.startswith(heading):
            return line[1:].strip()
    return ""


def _toml(settings: Mapping[str, object], prefix: str = "") -> str:
    """Write settings as TOML; JSON's strings, numbers and lists are TOML's too."""
    plain = "".join(
        f"{key} = {json.dumps(value)}\n"
        for key, value in settings.items()
        if not isinstance(value, Mapping)
    )
    tables = "".join(
        f"\n[{prefix}{key}]\n" + _toml(value, f"{prefix}{key}.")
        for key, value in settings.items()
        if isinstance(value, Mapping)
    )
    return plain + tables


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="only modules whose paths hold this text",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=2,
        help="how many mutants to try at once (%(default)s)",
    )
    default = ROOT / ".venv" / "bin" / "python"
    parser.add_argument(
        "--python",
        type=Path,
        default=default,
        help="the Python that runs the tests (%(default)s)",
    )
    options = parser.parse_args()
    chosen = {
        module: tests for module, tests in MODULES.items() if options.only in module
    }
    equivalent = read_equivalent()
    # So that the workers end with this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    mutants = list[Mutant]()
    print(
        f"{'module':44} {'mutants':>7} {'killed':>7} {'equivalent':>10} {'holes':>6} {'seconds':>8}"
    )
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        trees = [
            copy_tree(Path(folder) / str(number)) for number in range(options.processes)
        ]
        with workers(trees) as urls:
            for module, tests in chosen.items():
                began = time.monotonic()
                found = mutate(module, tests, trees[0], urls, options.python.absolute())
                mutants += found
                _count(module, found, equivalent, time.monotonic() - began)
    _count("all", mutants, equivalent, time.monotonic() - started)
    return report(
        mutants, {key: why for key, why in equivalent.items() if key[0] in chosen}
    )


Equivalent = Mapping[tuple[str, str, str], str]
"""The mutants that no test can tell from the code: module, line before and line after -> the reason."""


def read_equivalent() -> Equivalent:
    """Read tools/mutate.toml."""
    document = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    entries = document.get("equivalent", [])
    return {
        (entry["file"], entry["old"], entry["new"]): entry["why"] for entry in entries
    }


def report(mutants: Sequence[Mutant], equivalent: Equivalent) -> int:
    """Print the survivors that are not listed; return the exit code."""
    survived = [mutant for mutant in mutants if not mutant.killed]
    holes = [mutant for mutant in survived if mutant.key not in equivalent]
    for mutant in holes:
        print(f"\nsurvived: {mutant.module}:{mutant.line} {mutant.operator}")
        print(f"  - {mutant.old}\n  + {mutant.new}")
    known = {mutant.key for mutant in survived}
    stale = [key for key in equivalent if key not in known]
    for module, old, new in stale:
        print(f"\nno longer survives, take it out of tools/mutate.toml: {module}")
        print(f"  - {old}\n  + {new}")
    return 1 if holes or stale else 0


def _count(
    name: str, mutants: Sequence[Mutant], equivalent: Equivalent, seconds: float
) -> None:
    killed = sum(mutant.killed for mutant in mutants)
    same = sum(not mutant.killed and mutant.key in equivalent for mutant in mutants)
    print(
        f"{name:44} {len(mutants):7} {killed:7} {same:10} {len(mutants) - killed - same:6} {seconds:8.0f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
