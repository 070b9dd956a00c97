"""When and how the object that a call changes is read back: the request, its options, and the time for it. No I/O."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

from smarterproctoring_generated.operations import OPERATIONS
from smarterproctoring_generated.records import Hidden, Operation
from smarterproctoring_generated.results import Check, Difference

from smarterproctoring.answers import Reply
from smarterproctoring.comparison import compare, of_another, unknown
from smarterproctoring.errors import SmarterProctoringError
from smarterproctoring.harmless import harmless
from smarterproctoring.policy import is_over
from smarterproctoring.prepare import Prepared
from smarterproctoring.quoting import without_personal
from smarterproctoring.settings import Options

MOST_KEPT = 5.0
"""Seconds at most of a deadline that are kept for reading back; a read takes no longer."""
PART_KEPT = 0.25
"""The part of a deadline that is kept at most."""
PART_BEFORE_REPLAY = 0.5
"""The part of the time left for attempts that a read before a replay takes at most, so that the replay has time."""
RETRIES = 1
"""How often a read is repeated at most; that has nothing to do with how often the change may be."""
FRESH = {"cache-control": "no-cache"}
"""Headers of a read: what a cache on the way holds is older than the change."""
NO_TIME_LEFT = "no time of the deadline was left to read the session back"


def seconds_kept(prepared: Prepared, options: Options) -> float:
    """Return the seconds of a deadline that are kept for reading back; 0 where that is not possible or wanted."""
    if not prepared.can_read_back or options.read_back == "never":
        return 0.0
    return min(MOST_KEPT, PART_KEPT * options.deadline)


def seconds_for(kept: float, left: float, left_for_attempts: float | None) -> float:
    """Return how long a read may take, 0 if there is no time for one.

    Args:
        kept: Seconds that the call keeps for reading back.
        left: Seconds until its deadline.
        left_for_attempts: Before a replay, the seconds that are left for it; None at the end of a call.
    """
    seconds = min(kept, left)
    if left_for_attempts is not None:
        seconds = min(seconds, PART_BEFORE_REPLAY * left_for_attempts)
    return 0.0 if is_over(seconds) else seconds


def reader_of(operation: Operation) -> Operation:
    """Return the operation that reads what another one changes."""
    [reader] = [one for one in OPERATIONS if one.operation_id == operation.read_by]
    return reader


def read_of(changed: Prepared, reader: Operation) -> Prepared:
    """Return the request that reads back what a request changes; the call begins now."""
    path = changed.path.partition("?")[0]
    began = time.monotonic()
    return Prepared(reader, path, FRESH, Hidden(b""), began, needs_whole=True)


def read_options(options: Options, seconds: float) -> Options:
    """Return the options of a read: the call's own, but for what is about repeating the change."""
    return options.with_(
        deadline=seconds,
        retries=RETRIES,
        retry_ambiguous=True,
        on_retry=None,
        read_back="never",
    )


def what_was_asked(prepared: Prepared) -> Hidden[Mapping[str, object]]:
    """Return the fields of a request's body; none for a body that is not an object."""
    body = json.loads(prepared.content.reveal() or b"{}")
    return Hidden(body if isinstance(body, dict) else {})


def check_of(prepared: Prepared, read: Reply) -> Check:
    """Compare what a request asks for with the answer to a read that was received now."""
    asked = what_was_asked(prepared)
    seen_at = datetime.now(UTC)
    answer = Hidden(read.value)
    reason = of_another(sids_of(prepared), answer)
    if reason:
        return unknown(asked, reason)._replace(seen_at=seen_at)
    return compare(prepared.operation, asked, answer, seen_at)


def sids_of(prepared: Prepared) -> dict[str, str]:
    """Return the path's parameters of a request by their names in the API, in its order."""
    found = re.fullmatch(prepared.operation.route, prepared.path.partition("?")[0])
    texts = found.groups() if found else ()
    # Those of the path come first, in its order.
    names = [parameter.name for parameter in prepared.operation.parameters]
    return dict(zip(names, map(unquote, texts), strict=False))


def check_failed(prepared: Prepared, reason: str) -> Check:
    """Return the check of a read that brought no answer; the reason may quote what the request says of a person."""
    return unknown(what_was_asked(prepared), without_personal(reason, prepared))


def why(error: Exception) -> str:
    """Return why a read failed, in words."""
    if isinstance(error, SmarterProctoringError):
        return error.message
    return f"the read failed ({type(error).__name__})"


def what_was_seen(operation: Operation, check: Check) -> str:
    """Return the sentence about a check that found a difference; times are shown, other text is not."""
    seen_at = f"{check.seen_at:%Y-%m-%dT%H:%M:%SZ}" if check.seen_at else ""
    formats = {field.name: field.format for field in operation.fields}
    found = [
        _shown(difference, is_time=formats.get(difference.field) == "date-time")
        for difference in check.differences
    ]
    return f"Read back at {seen_at}, the session was not as asked: {'; '.join(found)}."


def _shown(difference: Difference, *, is_time: bool) -> str:
    if not is_time:
        return f"{difference.field} differs"
    seen = harmless(difference.seen or "")
    return f"{difference.field} was {seen}, not {difference.asked}"
