"""Find the operation of a request."""

from functools import lru_cache
from typing import Final, NamedTuple

from smarterproctoring_mock import wire
from smarterproctoring_mock.operations import PathItem, ServedOperation
from smarterproctoring_mock.rules import Violation
from smarterproctoring_mock.spec import CompiledSpec
from smarterproctoring_mock.store import Key

_LONGEST_REMEMBERED: Final = 512
"""Octets of a path above which its result is not cached."""


class Route(NamedTuple):
    """The operation for a path and a method."""

    item: PathItem
    key: Key
    operation: ServedOperation | None
    """None where the spec does not describe the method for this path."""
    violations: tuple[Violation, ...]
    """What is wrong with the path's parameters."""


class Router:
    """Finds operations by path and method."""

    def __init__(self, spec: CompiledSpec) -> None:
        """Prepare.

        Args:
            spec: The spec with the operations.
        """
        self._spec = spec
        # The result depends on nothing else, and tests send the same few paths often.
        self.remembered = lru_cache(maxsize=4096)(self._find)

    def find(self, raw_path: str, method: str) -> Route | None:
        """Find the path, and validate its parameters.

        Args:
            raw_path: The path as it was sent.
            method: The method.

        Returns:
            Where it leads; None where the spec does not describe the path.
        """
        if len(raw_path) + len(method) > _LONGEST_REMEMBERED:
            return self._find(raw_path, method)
        return self.remembered(raw_path, method)

    def _find(self, raw_path: str, method: str) -> Route | None:
        parts = wire.segments(raw_path)
        found = self._spec.match(parts) if parts is not None else None
        if found is None:
            return None
        operation = found.item.operations.get(method)
        violations: list[Violation] = []
        if operation is not None:
            for parameter, value in zip(
                operation.path_parameters, found.values, strict=True
            ):
                violations += parameter.violations([value])
        key = (found.item.parameter_names, found.values)
        return Route(found.item, key, operation, tuple(violations))
