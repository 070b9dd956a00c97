"""The spec's tools, imported as the Makefile runs them: from tools/, where they find each other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

needs_redocly = pytest.mark.skipif(
    not (ROOT / "node_modules" / ".bin" / "redocly").exists(),
    reason="redocly is not installed; `make node_modules/.ready` installs it (npm is needed)",
)
