"""One failure on demand: what happens, to which requests, how often."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from email.utils import formatdate
from typing import Final, cast

from smarterproctoring_mock.shown_dates import DATE_FORMS
from smarterproctoring_mock.strict_json import Json

DROPS: Final = ("before-read", "before-store", "after-store")
STATES: Final = ("former", "invented")
"""What a read may show in place of the session's state: the one before the last change, or one that never was."""
_NO_BODY: Final = object()
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_METHOD: Final = re.compile("[A-Z]+")
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
        method: Only for this method, such as `GET`.
        within: Only within this many seconds after the session's last change.
        show: Show another state of the session than its own: one of `STATES`.
        dates: Show the session's dates in another form: one of `DATE_FORMS`.
        probability: Only for this share of the requests, drawn from the script's seed.
        name: To tell rules apart.

    `show` and `dates` apply only to requests whose success shows a session.
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
    method: str | None = None
    within: float | None = None
    show: str | None = None
    dates: str | None = None
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
        if not 0 <= self.probability <= 1:
            raise FaultError(f"probability: {self.probability} is not within 0 and 1")
        amounts = {
            "delay": self.delay,
            "drip": self.drip,
            "drip_bytes": self.drip_bytes,
            "truncate": self.truncate,
            "retry_after": self.retry_after,
            "times": self.times,
            "within": self.within,
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
        self._check_choices()
        self._check_headers()

    def _check_choices(self) -> None:
        choices = {
            "drop": (self.drop, DROPS),
            "show": (self.show, STATES),
            "dates": (self.dates, DATE_FORMS),
        }
        for attribute, (chosen, known) in choices.items():
            if chosen is not None and chosen not in known:
                raise FaultError(
                    f"{attribute}: {chosen!r} is none of {', '.join(known)}"
                )
        if self.method is not None and not _METHOD.fullmatch(self.method):
            raise FaultError(f"method: {self.method!r} is not a method such as GET")

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
    def reshapes(self) -> bool:
        """Whether it changes what a session is shown as."""
        return self.show is not None or self.dates is not None

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
            # Half of a surrogate pair has no octets, and becomes its JSON escape.
            text = json.dumps(self.json, ensure_ascii=False)
            return text.encode(errors="backslashreplace")
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
            and (name == "times" or value != DEFAULTS.get(name))
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
        ("retry_after", "retry_after_date", "delay", "drip", "probability", "within"),
        _NUMBER,
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
            "method",
            "show",
            "dates",
            "name",
        ),
        (str,),
    ),
    **dict.fromkeys(("reset", "store"), (bool,)),
    "headers": (dict,),
}
DEFAULTS: Final[Mapping[str, object]] = {
    **{field.name: field.default for field in fields(Fault)},
    "headers": dict[str, str](),
}
"""The attributes of a rule, and what each is unless it is given."""
_OPTIONAL: Final = frozenset(
    name for name, default in DEFAULTS.items() if default is None
)
NULLABLE: Final = _OPTIONAL | {"times", "json"}
"""The attributes that may be null."""
