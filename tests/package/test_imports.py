"""What importing the clients loads: a budget on the modules, not on time. The package alone loads less."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = "from smarterproctoring import SmarterProctoring"
CLIENTS = "from smarterproctoring import AsyncSmarterProctoring, SmarterProctoring"
THIRD_PARTY = {"httpx", "certifi", "idna", "anyio", "sniffio"}
"""httpx and what it imports itself; httpcore and attrs come with the first client and the first generated function."""
OWN = {
    "smarterproctoring": {
        "_version",
        *("_sync", "_sync.sender", "_sync.waits"),
        "answers",
        "budget",
        "call",
        "client",
        "comparison",
        "credentials",
        "errors",
        "harmless",
        "headers",
        "fields",
        "json_values",
        "masking",
        "methods",
        "parameters",
        "policy",
        "prepare",
        "problems",
        "quoting",
        "reading",
        "rules",
        "seam",
        "settings",
        "wire_times",
    },
    "smarterproctoring_generated": {"facade", "operations", "parsing", "records", "results"},
    "smarterproctoring_transport": {
        *("_sync", "_sync.channel", "_sync.loops", "_sync.shared"),
        *("failures", "plain_client", "request", "setup_error", "hosts", "shared", "unpack"),
    },
}
"""Of the command line, the readers of people's times, and the generated models and functions, none."""
ASYNCHRONOUS = {
    "smarterproctoring": {"_async", "_async.sender", "_async.waits", "async_client", "install"},
    "smarterproctoring_generated": set[str](),
    "smarterproctoring_transport": {"_async", "_async.channel", "_async.loops", "_async.shared"},
}
"""What the asynchronous client loads beyond that."""
STANDARD = {"_contextvars", "contextvars", "platform"}
"""What of the standard library httpx and the other dependencies do not load by themselves."""
ABSENT = ("trio", "h2", "socksio", "click", "rich", "pygments", "brotli", "brotlicffi", "zstandard")
"""httpx and httpcore load these where they are installed, as some are for the tests. Here they cannot be imported."""


@cache
def modules(code: str) -> frozenset[str]:
    """Run code in a fresh process and return the names of all modules that are loaded then."""
    program = f"import sys\nfor name in {ABSENT}: sys.modules[name] = None\n{code}\n"
    program += "import json; print(json.dumps([name for name, module in sys.modules.items() if module]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return frozenset(json.loads(done.stdout))


@pytest.fixture(scope="module")
def loaded() -> frozenset[str]:
    return modules(CLIENTS) - modules("pass")


def test_no_third_party_module_but_the_dependencies(loaded: frozenset[str]) -> None:
    tops = {name.partition(".")[0] for name in loaded}
    assert tops - set(sys.stdlib_module_names) - set(OWN) <= THIRD_PARTY


def parts_of(package: str, loaded: frozenset[str]) -> set[str]:
    return {name.removeprefix(f"{package}.") for name in loaded if name.startswith(f"{package}.")}


@pytest.mark.parametrize("package", OWN)
def test_no_module_of_its_own_that_a_caller_may_not_use(package: str, loaded: frozenset[str]) -> None:
    assert parts_of(package, modules(CLIENT)) == OWN[package]
    assert parts_of(package, loaded) == OWN[package] | ASYNCHRONOUS[package]


def test_little_of_the_standard_library_beyond_what_the_dependencies_load(loaded: frozenset[str]) -> None:
    dependencies = modules("import httpx")
    added = {name for name in loaded - dependencies if name.partition(".")[0] in sys.stdlib_module_names}
    assert added <= STANDARD


@pytest.mark.parametrize("code", ["import yaml", "import smarterproctoring.times", "import argparse"])
def test_the_budget_would_notice(code: str, loaded: frozenset[str]) -> None:
    """The three tests above can fail: something heavier is seen."""
    extra = modules(f"{CLIENTS}; {code}") - modules("pass") - loaded
    assert extra - {f"{package}.{part}" for package, parts in OWN.items() for part in parts}


@pytest.mark.parametrize("missing", ["click", "opentelemetry"])
def test_without_the_extras_only_the_command_line_and_otel_are_missing(missing: str) -> None:
    """As tools/check_package.py finds it in the wheel, without the extras."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"sys.path.insert(0, {str(ROOT / 'tools')!r})\n"
        "import probe_installed, smarterproctoring\n"
        "found = probe_installed.import_modules('smarterproctoring', smarterproctoring.__path__, complete=False)\n"
        "print(*found, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
