"""Compares what a call asked for with what a read shows. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from smarterproctoring_generated.parsing import moment_of
from smarterproctoring_generated.records import Field, Hidden, Operation
from smarterproctoring_generated.results import Check, Difference

_NO_OBJECT = "the answer to the read is not a JSON object"
_OWN = "sid"
"""In the vendor's answers, the SID of the object itself, which the path names last."""
_NO_TIME = "no time that was asked for could be compared with what the read shows"


class _Pair:
    """A field that was compared.

    Attributes:
        field: Its record.
        asked: The value of the request.
        seen: The value of the answer.
        agree: Whether both say the same.
    """

    def __init__(self, field: Field, asked: str, seen: str, *, agree: bool) -> None:
        self.field = field
        self.asked = asked
        self.seen = seen
        self.agree = agree

    def __repr__(self) -> str:  # it is in frames, and says things of a person
        return f"<_Pair {self.field.name}>"

    def difference(self) -> Difference:
        """Return what the caller is told where both do not agree."""
        return Difference(self.field.name, self.asked, self.seen)


def compare(
    operation: Operation,
    asked: Hidden[Mapping[str, object]],
    answer: Hidden[object],
    seen_at: datetime,
) -> Check:
    """Compare the fields of a request with the object that a read gave.

    Times are compared as moments, other text after trimming. What has another type, is null or missing, or is not a
    moment (because it has no offset, for instance) cannot be compared, and counts neither for nor against.

    Args:
        operation: The operation whose fields they are.
        asked: The body of the request, with its times in the wire form.
        answer: The JSON value that the read gave.
        seen_at: When it gave it.

    Returns:
        `as_asked` if at least one time was compared and nothing differs; `different` if something differs.
    """
    body = asked.reveal()
    shown = answer.reveal()
    if not isinstance(shown, dict):
        return unknown(asked, _NO_OBJECT)._replace(seen_at=seen_at)
    pairs = _without_disputed(_pairs(operation, body, shown))
    compared = {pair.field.name for pair in pairs}
    not_compared = tuple([name for name in body if name not in compared])
    different = [pair for pair in pairs if not pair.agree]
    if different:
        differences = tuple([pair.difference() for pair in different])
        return Check("different", differences, not_compared, seen_at=seen_at)
    if any(is_time(pair.field) for pair in pairs):
        return Check("as_asked", (), not_compared, seen_at=seen_at)
    return Check("unknown", (), not_compared, _NO_TIME, seen_at)


def unknown(asked: Hidden[Mapping[str, object]], reason: str) -> Check:
    """Return the verdict of a read that shows nothing, with the reason in words."""
    return Check("unknown", (), tuple(asked.reveal()), reason)


def of_another(sids: Mapping[str, str], answer: Hidden[object]) -> str:
    """Return why an answer is about another object than was asked for; empty if it does not say so.

    A cache or a proxy on the way may mix up answers.

    Args:
        sids: The path's parameters by their names in the API, in its order.
        answer: The JSON value that the read gave; what it does not hold as text says nothing.
    """
    shown = answer.reveal()
    if not isinstance(shown, dict) or not sids:
        return ""
    own = list(sids.values())[-1]
    for name, sid in {_OWN: own, **sids}.items():
        seen = shown.get(name)
        if isinstance(seen, str) and seen.strip().lower() not in ("", sid.lower()):
            return f"the answer to the read is about another object: its {name} is not the one that was asked for"
    return ""


def is_time(field: Field) -> bool:
    """Tell whether a field is a time that a read shows."""
    return bool(field.reads_back_as) and field.format == "date-time"


def _pairs(
    operation: Operation, body: Mapping[str, object], shown: Mapping[str, object]
) -> list[_Pair]:
    """Return the fields that can be compared."""
    pairs: list[_Pair] = []
    for field in operation.fields:
        asked = body.get(field.name)
        seen = shown.get(field.reads_back_as) if field.reads_back_as else None
        if not isinstance(asked, str) or not isinstance(seen, str):
            continue
        pair = (_moments if is_time(field) else _texts)(field, asked, seen)
        if pair is not None:
            pairs.append(pair)
    return pairs


def _texts(field: Field, asked: str, seen: str) -> _Pair:
    return _Pair(field, asked, seen, agree=asked.strip() == seen.strip())


def _moments(field: Field, asked: str, seen: str) -> _Pair | None:
    """Compare two times; None if one of them is not a moment."""
    wanted = moment_of(asked)
    shown = moment_of(seen)
    if wanted is None or shown is None:
        return None
    return _Pair(field, utc_text(wanted), utc_text(shown), agree=wanted == shown)


def _without_disputed(pairs: list[_Pair]) -> list[_Pair]:
    """Leave out fields that read back as one property, of which it shows one and so cannot show the other.

    Which of them the server takes is not known.
    """
    agreeing = {pair.field.reads_back_as for pair in pairs if pair.agree}
    differing = {pair.field.reads_back_as for pair in pairs if not pair.agree}
    disputed = agreeing & differing
    return [pair for pair in pairs if pair.field.reads_back_as not in disputed]


def utc_text(moment: datetime) -> str:
    """Return a moment as the API writes times, in UTC; with microseconds where it has any."""
    timespec = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    try:
        text = moment.astimezone(UTC).isoformat(timespec=timespec)
    except OverflowError:  # in UTC it is before the year 1, or after the year 9999
        return moment.isoformat()
    return text.removesuffix("+00:00") + "Z"
