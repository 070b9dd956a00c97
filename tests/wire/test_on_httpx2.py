"""`make test-httpx2` tests httpx2, and every other run httpx."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpcore
import httpx
import pytest
from smarterproctoring import SmarterProctoring

HTTPX = os.environ.get("HTTPX", "httpx")
"""What the run is about: httpx or httpx2; the Makefile sets it."""
HTTPCORE = HTTPX.replace("httpx", "httpcore")


def test_the_run_uses_the_library_that_it_is_about() -> None:
    with SmarterProctoring("token"):
        assert (httpx.__name__, httpcore.__name__) == (HTTPX, HTTPCORE)
    modules = [module for name, module in sys.modules.items() if name.startswith(("httpx.", "httpcore."))]
    folders = {parent.name for module in modules for parent in Path(module.__file__ or "").parents}
    assert {HTTPX, HTTPCORE} <= folders
    assert not folders & ({"httpx", "httpx2", "httpcore", "httpcore2"} - {HTTPX, HTTPCORE})


@pytest.mark.slow
def test_the_processes_that_tests_start_use_it_too() -> None:
    code = "import smarterproctoring.client, sys; print(sys.modules['httpx'].__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == HTTPX
