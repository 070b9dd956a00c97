"""Check a freshly generated package from inside: every module imports, every status has a parser.

Run by `make generate` in a process of its own, with the package on PYTHONPATH; the package's name and the
expectations (a JSON list) are the arguments. Prints what is missing and exits 1.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import sys
from typing import Any


def problems(package_name: str, expected: list[dict[str, Any]]) -> list[str]:
    """Return what is missing from the package."""
    package = importlib.import_module(package_name)
    for module in pkgutil.walk_packages(package.__path__, f"{package_name}."):
        importlib.import_module(module.name)
    found: list[str] = []
    for entry in expected:
        operation = entry["operation"]
        try:
            endpoint = importlib.import_module(entry["module"])
        except ModuleNotFoundError:
            found.append(
                f"{operation}: no module {entry['module']}; the generator dropped the operation"
            )
            continue
        missing = [
            name
            for name in ("sync_detailed", "asyncio_detailed")
            if not callable(getattr(endpoint, name, None))
        ]
        found += [f"{operation}: no function {name}" for name in missing]
        # By its text and not by a call: a `default` in the spec accepts every status without a branch.
        source = inspect.getsource(endpoint._parse_response)
        found += [
            f"{operation}: no parser for status {s}"
            for s in entry["statuses"]
            if not has_parser(source, s)
        ]
    return found


def has_parser(source: str, status: str) -> bool:
    """Tell whether the generated `_parse_response` has a branch for a status, a range like 4XX, or `default`."""
    if status == "default":
        return "UnexpectedStatus" not in source
    if status.isdigit():
        return f"if response.status_code == {status}:" in source
    return f"if {status[0]}00 <= response.status_code <= {status[0]}99:" in source


if __name__ == "__main__":
    result = problems(sys.argv[1], json.loads(sys.argv[2]))
    print("\n".join(result))
    sys.exit(bool(result))
