"""Read seeded sessions, and validate them against the spec."""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias, cast

from smarterproctoring_mock import strict_json
from smarterproctoring_mock.operations import PathItem, ShownSession
from smarterproctoring_mock.rules import Violation, describe
from smarterproctoring_mock.spec import CompiledSpec
from smarterproctoring_mock.store import Key, StoreError
from smarterproctoring_mock.strict_json import Json

Seed: TypeAlias = str | Path | Mapping[str, object] | Sequence[object]
"""Sessions: a JSON file's path, or what it would hold."""


class SeededSession(NamedTuple):
    """A session of a seed."""

    key: Key
    fields: dict[str, Json]


def read_seed(spec: CompiledSpec, seed: Seed | None) -> list[SeededSession]:
    """Read the sessions of a seed.

    Args:
        spec: The spec that they must satisfy.
        seed: The seed; None is an empty one.

    Raises:
        StoreError: The file cannot be read, or a session breaks the spec; the message names which.
    """
    if seed is None:
        return []
    where = str(seed) if isinstance(seed, str | Path) else "the seed"
    content = _read_file(seed) if isinstance(seed, str | Path) else cast("Json", seed)
    if isinstance(content, dict):
        content = content.get("sessions")
    if not isinstance(content, list):
        raise StoreError(f'{where}: expected {{"sessions": [...]}}')
    return [
        _read_session(spec, session, f"{where}: session {number}")
        for number, session in enumerate(content, 1)
    ]


def _read_file(path: str | Path) -> Json:
    try:
        # The user's file may have any size.
        return strict_json.loads(Path(path).read_bytes(), sys.maxsize)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    except strict_json.NotJsonError as error:
        raise StoreError(f"{path}: {error}") from None


def _read_session(spec: CompiledSpec, session: Json, where: str) -> SeededSession:
    if not isinstance(session, dict):
        raise StoreError(f"{where}: expected an object")
    params = {name: value for name, value in session.items() if name != "fields"}
    fields = session.get("fields", {})
    item = _item_of(spec, params)
    if item is None or not isinstance(fields, dict):
        named = [item.parameter_names for item in spec.items if item.parameter_names]
        wanted = " or ".join(map(", ".join, named))
        raise StoreError(f"{where}: expected {wanted}, and fields (an object)")
    violations = _violations(item, params, fields)
    if violations:
        raise StoreError(f"{where}: {describe(violations)}")
    values = tuple(str(params[name]) for name in item.parameter_names)
    return SeededSession((item.parameter_names, values), fields)


def _item_of(spec: CompiledSpec, params: Mapping[str, Json]) -> PathItem | None:
    """Find the path whose parameters these are."""
    if not params:
        return None
    for item in spec.items:
        if item.operations and set(item.parameter_names) == set(params):
            return item
    return None


def _violations(
    item: PathItem, params: Mapping[str, Json], fields: Mapping[str, Json]
) -> list[Violation]:
    operations = list(item.operations.values())
    operation = next((op for op in operations if op.writes), operations[0])
    found: list[Violation] = []
    for parameter in operation.path_parameters:
        found += parameter.rules.violations(params[parameter.name], parameter.name)
    for rules in operation.bodies.values():
        found += rules.violations(dict(fields), "fields")
    for read in operations:
        if read.is_read and read.shown is not None:
            found += _unshown(read.shown, operation.body_fields, fields)
    return found


def _unshown(
    shown: ShownSession, sent: Collection[str] | None, fields: Mapping[str, Json]
) -> Iterator[Violation]:
    """Yield the values that no change can send and that a read does not take either."""
    for name, accepts in shown.accepts.items():
        is_sent = sent is not None and name in sent
        if name in fields and not is_sent and not accepts(fields[name]):
            rule = "is not what a read may show of the session"
            yield Violation(f"fields.{name}", rule, shown.pointer)
