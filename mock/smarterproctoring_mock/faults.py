"""Failures on demand, like those of real services, from scripts in JSON.

A script is a list of rules. Each request that the spec accepts takes the first rule that matches it, as long
as the rule has turns left. A request that breaks the spec is refused anyway: a fault never hides a client's
mistake. (One kind applies before the body is read, and so before it can be validated:
`"drop": "before-read"`.)
"""

import json
import random
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias, cast

from smarterproctoring_mock.strict_json import Json

Rule: TypeAlias = str | Mapping[str, object] | Sequence[object]
"""A rule or a script, as JSON has it: a name, an object, or a list of them."""

SCENARIOS: Final = Path(__file__).with_name("scenarios")
DROPS: Final = ("before-read", "before-store", "after-store")
_NO_BODY: Final = object()
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_TEN_YEARS: Final = 10 * 365 * 86400
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})


class FaultError(ValueError):
    """A script is not valid."""


class ConnectionDropped(ConnectionError):  # noqa: N818  says what happened, as the standard library's do
    """Raised out of the application where a fault ends the connection.

    The server then cuts the real connection. In process there is none, so the caller sees this exception
    instead of a connection that ended without a complete answer.

    Attributes:
        point: `before-read`, `before-store`, `after-store`, or `in-answer` (part of it was sent).
        reset: Whether to end it with a reset instead of an orderly close.
    """

    def __init__(self, point: str, *, reset: bool = False) -> None:
        super().__init__(f"the connection was dropped ({point})")
        self.point = point
        self.reset = reset


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule: what happens, to which requests, how often. Every attribute is a key of the JSON form.

    Attributes:
        status: Answer with this status; None: with that of the spec.
        code: The vendor's code in the error's body.
        message: The message in the error's body.
        json: Answer with this as JSON instead.
        text: Answer with this as it stands instead; may be empty.
        content_type: Of `text`; None sends no Content-Type.
        headers: Further headers of the answer.
        retry_after: Seconds for a Retry-After header.
        retry_after_date: The same, as a date that many seconds from now.
        delay: Seconds before the answer begins.
        drip: Seconds between pieces of the body's octets.
        drip_bytes: Octets to a piece.
        truncate: Send this many octets of the body, and cut the connection before the rest.
        drop: Cut the connection instead of answering: one of `DROPS`.
        reset: End it with a reset (RST) instead of an orderly close (FIN).
        store: Whether the change is stored. None: yes below status 300 and for `after-store`, otherwise no.
        times: The number of requests to which it applies; None: all.
        session: Only for requests of which a path parameter has this value.
        operation: Only for this operation id.
        probability: Only for this share of the requests, drawn from the script's seed.
        name: To tell rules apart.
    """

    status: int | None = None
    code: str | None = None
    message: str | None = None
    json: object = _NO_BODY
    text: str | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    retry_after: float | None = None
    retry_after_date: float | None = None
    delay: float = 0.0
    drip: float | None = None
    drip_bytes: int = 1
    truncate: int | None = None
    drop: str | None = None
    reset: bool = False
    store: bool | None = None
    times: int | None = 1
    session: str | None = None
    operation: str | None = None
    probability: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            FaultError: One is not valid; the message begins with its name.
        """
        for attribute, kinds in _KINDS.items():
            value: object = getattr(self, attribute)
            if value is not None and not _is_of(value, kinds):
                raise FaultError(f"{attribute}: {value!r} is of the wrong type")
        if self.status is not None and not 200 <= self.status <= 599:
            raise FaultError(f"status: {self.status} is not within 200 and 599")
        if self.drop is not None and self.drop not in DROPS:
            raise FaultError(f"drop: {self.drop!r} is none of {', '.join(DROPS)}")
        if not 0 <= self.probability <= 1:
            raise FaultError(f"probability: {self.probability} is not within 0 and 1")
        amounts = {
            "delay": self.delay,
            "drip": self.drip,
            "drip_bytes": self.drip_bytes,
            "truncate": self.truncate,
            "retry_after": self.retry_after,
            "times": self.times,
        }
        for attribute, amount in amounts.items():
            if amount is not None and not 0 <= amount < float("inf"):
                raise FaultError(
                    f"{attribute}: {amount} is not a finite number of at least 0"
                )
        if (
            self.retry_after_date is not None
            and not abs(self.retry_after_date) < _TEN_YEARS
        ):
            raise FaultError("retry_after_date: at most ten years away")
        if self.content_type is not None and not _FIELD_VALUE.fullmatch(
            self.content_type
        ):
            raise FaultError("content_type: cannot be sent (control characters)")
        if self.drip_bytes < 1:
            raise FaultError("drip_bytes: at least 1")
        if self.text is not None and self.json is not _NO_BODY:
            raise FaultError("text and json: only one can be the body")
        self._check_headers()

    def _check_headers(self) -> None:
        pairs = cast("Mapping[object, object]", self.headers).items()
        if not all(
            isinstance(name, str) and isinstance(value, str) for name, value in pairs
        ):
            raise FaultError("headers: names and values are strings")
        for name, value in self.headers.items():
            is_valid = _FIELD_NAME.fullmatch(name) and _FIELD_VALUE.fullmatch(value)
            if not is_valid or name.lower() in _FRAMING:
                raise FaultError(
                    f"headers: {name!r} cannot be sent (framing is the server's; no control characters)"
                )

    @property
    def stores(self) -> bool:
        """Whether the request's change is stored in spite of the fault."""
        if self.store is not None:
            return self.store
        if self.drop is not None:
            return self.drop == "after-store"
        return self.status is None or self.status < 300

    @property
    def label(self) -> str:
        """Its name, or a description of what it does."""
        if self.name:
            return self.name
        return ", ".join(
            f"{key} {value}" for key, value in self.to_json().items() if key != "times"
        )

    @property
    def body(self) -> bytes | None:
        """The body that the rule itself gives, if it gives one."""
        if self.json is not _NO_BODY:
            return json.dumps(self.json, ensure_ascii=False).encode()
        return None if self.text is None else self.text.encode()

    def header_fields(self, now: float) -> list[tuple[str, str]]:
        """Return the further headers of the answer, Retry-After among them."""
        result = [(name.lower(), value) for name, value in self.headers.items()]
        if self.retry_after is not None:
            is_whole = float(self.retry_after).is_integer()
            seconds = int(self.retry_after) if is_whole else self.retry_after
            result.append(("retry-after", str(seconds)))
        if self.retry_after_date is not None:
            result.append(
                ("retry-after", formatdate(now + self.retry_after_date, usegmt=True))
            )
        return result

    def to_json(self) -> dict[str, Json]:
        """Return the rule as JSON: what differs from the default."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value
            for name, value in given.items()
            if value is not _NO_BODY
            and (name == "times" or value != _DEFAULTS.get(name))
        }


def _is_of(value: object, kinds: tuple[type, ...]) -> bool:
    """Whether a value is of one of these types; a bool is not an int here."""
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds)


_NUMBER: Final = (int, float)
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(("status", "drip_bytes", "truncate", "times"), (int,)),
    **dict.fromkeys(
        ("retry_after", "retry_after_date", "delay", "drip", "probability"), _NUMBER
    ),
    **dict.fromkeys(
        (
            "code",
            "message",
            "text",
            "content_type",
            "drop",
            "session",
            "operation",
            "name",
        ),
        (str,),
    ),
    **dict.fromkeys(("reset", "store"), (bool,)),
    "headers": (dict,),
}
_DEFAULTS: Final[Mapping[str, object]] = {
    **{field.name: field.default for field in fields(Fault)},
    "headers": dict[str, str](),
}
_OPTIONAL: Final = frozenset(
    name for name, default in _DEFAULTS.items() if default is None
)
_NULLABLE: Final = _OPTIONAL | {"times", "json"}

_HTML: Final = "<html>\n<head><title>502 Bad Gateway</title></head>\n<body><h1>502 Bad Gateway</h1></body>\n</html>\n"

FAULTS: Final[Mapping[str, Fault]] = {
    fault.name: fault
    for fault in (
        Fault(
            name="expired-token",
            status=401,
            code="AUTHENTICATIONFAILED",
            message="The token has expired",
        ),
        Fault(
            name="refused-token",
            status=403,
            code="AUTHENTICATIONFAILED",
            message="The token is not valid",
        ),
        Fault(
            name="forbidden",
            status=403,
            code="5003",
            message="The permission is missing",
        ),
        Fault(
            name="not-found",
            status=404,
            code="1203",
            message="The requested session was not found",
        ),
        Fault(
            name="rate-limited", status=429, message="Too many requests", retry_after=1
        ),
        Fault(
            name="rate-limited-until",
            status=429,
            message="Too many requests",
            retry_after_date=2,
        ),
        Fault(name="server-error", status=500, message="Please retry the request"),
        Fault(
            name="stored-server-error",
            status=500,
            message="Please retry the request",
            store=True,
        ),
        Fault(
            name="unavailable", status=503, message="Service unavailable", retry_after=1
        ),
        Fault(
            name="unknown-520",
            status=520,
            text="error code: 520",
            content_type="text/plain; charset=UTF-8",
        ),
        Fault(name="proxy-html", status=502, text=_HTML, content_type="text/html"),
        Fault(
            name="hapi-error",
            status=400,
            json={"statusCode": 400, "error": "Bad Request", "message": "Invalid"},
        ),
        Fault(
            name="nested-error",
            status=400,
            json={"error": {"code": "1", "message": "Invalid", "details": []}},
        ),
        Fault(
            name="malformed-json",
            text='{"message": "Session resch',
            content_type="application/json",
        ),
        Fault(name="empty", status=204, text=""),
        Fault(name="empty-200", status=200, text=""),
        Fault(name="text", text="Session rescheduled", content_type="text/plain"),
        Fault(
            name="object",
            json={
                "sessionSid": "ES0123456789abcdef0123456789abcdef",
                "status": "scheduled",
            },
        ),
        Fault(
            name="redirect",
            status=302,
            text="",
            headers={"Location": "https://example.org/elsewhere"},
        ),
        Fault(name="slow", delay=2.0),
        Fault(name="drip", drip=0.05),
        Fault(name="truncated", truncate=5),
        Fault(name="drop-before-read", drop="before-read"),
        Fault(name="drop-before-store", drop="before-store"),
        Fault(name="drop-after-store", drop="after-store"),
        Fault(name="reset-after-store", drop="after-store", reset=True),
    )
}
"""Single faults by name, each for one request; a rule names one as its `fault` and may change it."""


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
    unknown = sorted(set(given) - _DEFAULTS.keys())
    if unknown:
        known = ", ".join(sorted(_DEFAULTS))
        raise FaultError(
            f"{', '.join(unknown)}: not known; there are {known} and fault"
        )
    if name is not None and (not isinstance(name, str) or name not in FAULTS):
        raise FaultError(f"fault: {name!r} is none of {', '.join(FAULTS)}")
    nulls = sorted(
        key for key, value in given.items() if value is None and key not in _NULLABLE
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

    def take(self, operation: str, values: Sequence[str]) -> Fault | None:
        """Use up a turn of the first rule that matches a request.

        Args:
            operation: The operation's id.
            values: The values of its path parameters.

        Returns:
            The rule; None where none matches.
        """
        with self._lock:
            for index, rule in enumerate(self._rules):
                if not self._strikes(rule.fault, operation, values):
                    continue
                if rule.turns == 1:
                    del self._rules[index]
                    self.active = bool(self._rules)
                elif rule.turns is not None:
                    rule.turns -= 1
                return rule.fault
            return None

    def _strikes(self, fault: Fault, operation: str, values: Sequence[str]) -> bool:
        return (
            (fault.operation is None or fault.operation == operation)
            and (fault.session is None or fault.session in values)
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
