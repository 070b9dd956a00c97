"""Puts the spec into what is built: the mock server reads it at run time."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "../openapi/smarterproctoring.yaml"
TARGET = "smarterproctoring_mock/openapi.yaml"


class SpecHook(BuildHookInterface[Any]):
    """Takes the spec from the repository; in an sdist, the package has it already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the spec to a wheel or an sdist; an editable install reads the repository's."""
        if version == "editable":
            return
        packaged = Path(self.root, TARGET)
        source = packaged if packaged.exists() else Path(self.root, SOURCE).resolve()
        build_data["force_include"][str(source)] = TARGET
