"""Check a freshly generated package from inside: every module imports, every status has a parser.

Run by tools/generate.py in a process of its own, with the package on PYTHONPATH and the expectations (a JSON list)
on standard input. Prints what is missing and exits 1.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from typing import Any

import httpx


def problems(package_name: str, expected: list[dict[str, Any]]) -> list[str]:
    """Return what the package lacks."""
    package = importlib.import_module(package_name)
    for module in pkgutil.walk_packages(package.__path__, f"{package_name}."):
        importlib.import_module(module.name)
    client = package.AuthenticatedClient(base_url="https://example.invalid", token="", raise_on_unexpected_status=True)
    found: list[str] = []
    for entry in expected:
        try:
            endpoint = importlib.import_module(entry["module"])
        except ModuleNotFoundError:
            found.append(f"{entry['operation']}: no module {entry['module']}; the generator dropped the operation")
            continue
        names = ["sync_detailed", "asyncio_detailed"] + (["sync", "asyncio"] if entry["typed"] else [])
        found += [
            f"{entry['operation']}: no function {name}" for name in names if not callable(getattr(endpoint, name, None))
        ]
        for status in entry["statuses"]:
            # `default` is asked with a status that nobody declares by name.
            code = 299 if status == "default" else int(status.upper().replace("X", "0"))
            try:
                endpoint._parse_response(client=client, response=httpx.Response(code, json={}))
            except Exception as error:
                # A parser that stumbles over the empty sample is there all the same; only none at all is a fault.
                if type(error).__name__ == "UnexpectedStatus":
                    found.append(f"{entry['operation']}: no parser for status {status}")
    return found


if __name__ == "__main__":
    result = problems(sys.argv[1], json.load(sys.stdin))
    print("\n".join(result))
    sys.exit(bool(result))
