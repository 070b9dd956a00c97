"""Failures on demand, like those of real services, from scripts in JSON.

A script is a list of rules. Each request that the spec accepts takes the first rule that matches it, as long
as the rule has turns left. A request that breaks the spec is refused anyway: a fault never hides a client's
mistake. (One kind applies before the body is read, and so before it can be validated:
`"drop": "before-read"`.)
"""

import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias, cast

from smarterproctoring_mock.fault import DEFAULTS, NULLABLE, Fault, FaultError
from smarterproctoring_mock.named_faults import FAULTS

Rule: TypeAlias = str | Mapping[str, object] | Sequence[object]
"""A rule or a script, as JSON has it: a name, an object, or a list of them."""

SCENARIOS: Final = Path(__file__).with_name("scenarios")


def parse_fault(rule: Rule) -> Fault:
    """Read one rule of a script.

    Args:
        rule: The name of one of `FAULTS`, or an object of `Fault`'s attributes, with `fault` for such a name
            to start from.

    Returns:
        The rule.

    Raises:
        FaultError: It is not valid.
    """
    if isinstance(rule, str):
        rule = {"fault": rule}
    if not isinstance(rule, Mapping):
        raise FaultError("a rule is an object or a fault's name")
    given: dict[str, Any] = dict(rule)
    name = given.pop("fault", None)
    unknown = sorted(set(given) - DEFAULTS.keys())
    if unknown:
        known = ", ".join(sorted(DEFAULTS))
        raise FaultError(
            f"{', '.join(unknown)}: not known; there are {known} and fault"
        )
    if name is not None and (not isinstance(name, str) or name not in FAULTS):
        raise FaultError(f"fault: {name!r} is none of {', '.join(FAULTS)}")
    nulls = sorted(
        key for key, value in given.items() if value is None and key not in NULLABLE
    )
    if nulls:
        raise FaultError(f"{', '.join(nulls)}: must not be null")
    fault = FAULTS[name] if name is not None else Fault()
    return replace(fault, **given)


class Script(NamedTuple):
    """A list of rules."""

    faults: list[Fault]
    seed: int | None
    """Of the draws for `probability`, where one is given."""


def parse_script(script: Rule) -> Script:
    """Read a script: one rule, a list of rules, or `{"faults": […], "seed": N}`.

    Args:
        script: The script in JSON form.

    Raises:
        FaultError: It is not valid.
    """
    seed: object = None
    rules: object = script
    if isinstance(script, Mapping) and "faults" in script:
        unknown = sorted(set(script) - {"faults", "seed", "description"})
        if unknown:
            raise FaultError(
                f"{', '.join(unknown)}: not known; a script has faults, seed and description"
            )
        seed = script.get("seed")
        rules = script["faults"]
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise FaultError("seed: a whole number")
    listed = (
        cast("list[Rule]", rules) if isinstance(rules, list) else [cast("Rule", rules)]
    )
    return Script([parse_fault(rule) for rule in listed], seed)


def scenario_names() -> list[str]:
    """Return the names of the scenarios that ship with the server."""
    return sorted(path.stem for path in SCENARIOS.glob("*.json"))


def load_scenario(name: str | Path) -> Script:
    """Read a scenario: the name of a shipped one, or the path of a JSON file that holds a script.

    Raises:
        FaultError: There is none of that name, or it is no script.
    """
    path = SCENARIOS / f"{name}.json" if str(name) in scenario_names() else Path(name)
    try:
        return parse_script(json.loads(path.read_bytes()))
    except OSError as error:
        known = ", ".join(scenario_names())
        raise FaultError(
            f"{path}: {error.strerror} (shipped scenarios: {known})"
        ) from None
    except ValueError as error:  # FaultError, malformed JSON, no UTF-8
        raise FaultError(f"{path}: {error}") from None


@dataclass(frozen=True)
class Target:
    """A request to which a rule may apply.

    Attributes:
        operation: The operation's id.
        method: The method.
        values: The values of its path parameters.
        shows_session: Whether its success shows a session.
        since_change: Returns the seconds since the session was last changed.
    """

    operation: str
    method: str
    values: Sequence[str]
    shows_session: bool
    since_change: Callable[[], float]


class _ActiveFault:
    """A rule in force."""

    __slots__ = ("fault", "turns")

    def __init__(self, fault: Fault, turns: int | None) -> None:
        self.fault = fault
        self.turns = turns
        """How many requests are left; None for no limit."""


class Faults:
    """The active rules. Methods may be called from any thread."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = threading.Lock()
        self._rules: list[_ActiveFault] = []
        self._random = random.Random(0)  # noqa: S311  repeatable on purpose
        self.active = False

    def add(self, faults: Sequence[Fault], seed: int | None = None) -> None:
        """Add rules after the active ones.

        Args:
            faults: The rules.
            seed: Start the draws for `probability` again from here.
        """
        with self._lock:
            if seed is not None:
                self._random.seed(seed)
            for fault in faults:
                if fault.times != 0:
                    self._rules.append(_ActiveFault(fault, fault.times))
            self.active = bool(self._rules)

    def clear(self) -> None:
        """Lift all faults, and start the draws from 0 again."""
        with self._lock:
            self._rules.clear()
            self._random.seed(0)
            self.active = False

    def pending(self) -> list[Fault]:
        """Return the active rules, with the number of requests that each still applies to."""
        with self._lock:
            return [replace(rule.fault, times=rule.turns) for rule in self._rules]

    def take(self, target: Target) -> Fault | None:
        """Use up a turn of the first rule that matches a request.

        Args:
            target: The request.

        Returns:
            The rule; None where none matches.
        """
        with self._lock:
            for index, rule in enumerate(self._rules):
                if not self._applies(rule.fault, target):
                    continue
                if rule.turns == 1:
                    del self._rules[index]
                    self.active = bool(self._rules)
                elif rule.turns is not None:
                    rule.turns -= 1
                return rule.fault
            return None

    def _applies(self, fault: Fault, target: Target) -> bool:
        # The draw comes last: a request that is not meant takes none.
        return (
            (fault.operation is None or fault.operation == target.operation)
            and (fault.method is None or fault.method == target.method)
            and (fault.session is None or fault.session in target.values)
            and (target.shows_session or not fault.reshapes)
            and (fault.within is None or target.since_change() < fault.within)
            and (fault.probability >= 1 or self._random.random() < fault.probability)
        )

    def give_back(self, fault: Fault) -> None:
        """Give back a turn that a request took and did not use because it breaks the spec."""
        if fault.times is None:
            return
        with self._lock:
            for rule in self._rules:
                if rule.fault is fault and rule.turns is not None:
                    rule.turns += 1
                    return
            self._rules.insert(0, _ActiveFault(fault, 1))
            self.active = True
