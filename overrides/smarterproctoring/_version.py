"""The version of the package, as pyproject.toml says it; `make generate` copies it here."""

from typing import Final

VERSION: Final = "1.0.0"
