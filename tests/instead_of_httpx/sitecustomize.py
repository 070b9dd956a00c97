"""Lets `import httpx` give httpx2, and `import httpcore` httpcore2, in each process of `make test-httpx2`.

Python runs this module at its start because the folder is on PYTHONPATH.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class AliasOnFirstUse(MetaPathFinder):
    """Makes httpx2's own alias when httpx or httpcore is first imported.

    Not at the start of Python: httpx2 imports anyio, which pytest has to rewrite before anything imports it.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the specification of httpx2's or httpcore2's module for a module of httpx or httpcore."""
        if fullname.partition(".")[0] not in ("httpx", "httpcore"):
            return None
        sys.meta_path.remove(self)
        importlib.import_module("httpx2").alias_httpx()
        found = (finder.find_spec(fullname, path, target) for finder in sys.meta_path)
        return next((spec for spec in found if spec), None)


sys.meta_path.insert(0, AliasOnFirstUse())
