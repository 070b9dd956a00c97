"""`smarterproctoring check`: reads a session and says whether it is as asked."""

from __future__ import annotations

import sys
from datetime import tzinfo
from typing import Any, cast

import click
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.results import Check, Difference

from smarterproctoring import errors
from smarterproctoring._cli.changes import Change, Limits, checked, read_change
from smarterproctoring._cli.connecting import client_of, sids_of, with_profile
from smarterproctoring._cli.exit_codes import EPILOG, verdict_code
from smarterproctoring._cli.moments import time_text, value_text
from smarterproctoring._cli.options import (
    Checking,
    all_option,
    connection_options,
    field_options,
    field_texts,
    sid_arguments,
    time_options,
)
from smarterproctoring._cli.output import (
    check_json,
    end,
    fail,
    interrupted,
    is_hidden,
    table,
    utc_time,
    words,
)
from smarterproctoring.terminal import echo, echo_json

_FIELDS = {item.name: item for item in RESCHEDULE_EXAM_SESSION.fields}
_ANY_MOMENT = Limits(allow_past=True, allow_far=True, allow_long=True)
"""Nothing is changed, and a session of the past can be looked at."""
_OUTCOMES = {"as_asked": "as asked", "different": "not as asked", "unknown": "unknown"}


@click.command(epilog=EPILOG)
@sid_arguments
@field_options
@time_options
@all_option
@connection_options
def check(texts: tuple[str, ...], **given: Any) -> None:
    """Check whether an exam session is as asked.

    The session is read, and nothing is changed. TIME is what people write, as for `reschedule`; times in the past are
    accepted. At least one time is needed: other fields alone do not show whether a session was moved. Fields that the
    service does not show are named as not compared.

    For a moment after a change a read may show an older state.
    """
    options = cast("Checking", given)
    sids: dict[str, str] = {}
    as_json = options["as_json"]
    try:
        options = with_profile(options)
        sids.update(sids_of(texts, options))
        change = read_change(
            options, field_texts(given), _ANY_MOMENT, "nothing to check"
        )
        found = _look(options, sids, change)
    except (errors.SmarterProctoringError, ValueError) as error:
        fail(error, "check", sids, as_json=as_json)
    except KeyboardInterrupt as interrupt:
        known = errors.what_is_known(interrupt) or interrupted(calling=False)
        fail(known, "check", sids, as_json=as_json)
    code = verdict_code(found)
    if as_json:
        echo_json(
            {
                "outcome": _OUTCOMES[found.verdict],
                **sids,
                "check": check_json(found, show_all=options["show_all"]),
                "exit_code": code,
            }
        )
    else:
        _show(found, sids["session_sid"], change.zone, show_all=options["show_all"])
        if code:
            end(code, of_read=True)
    sys.exit(code)


def _look(options: Checking, sids: dict[str, str], change: Change) -> Check:
    with client_of(options) as client:
        checked(
            client.with_options(allow_empty=True), sids, change
        )  # for the user's names of what is wrong
        return client.check(*sids.values(), **change.fields)


def _show(
    found: Check, session_sid: str, zone: tzinfo | None, *, show_all: bool
) -> None:
    if found.verdict == "unknown":
        echo(f"error: could not look: {found.reason}", color="yellow", err=True)
    elif found.verdict == "different":
        echo(f"not as asked: {session_sid}", color="yellow", bold=True)
    else:
        echo(f"as asked: {session_sid}", color="green", bold=True)
    rows: list[tuple[str, object]] = []
    for difference in found.differences:
        field = _FIELDS.get(difference.field)
        label = words(field.keyword) if field else difference.field
        rows.append((label, _difference(difference, zone, show_all=show_all)))
    if found.not_compared:
        names = [_FIELDS[name].keyword for name in found.not_compared]
        rows.append(("not compared", ", ".join(map(words, names))))
    if found.seen_at is not None:
        rows.append(("read at", utc_time(found.seen_at)))
    if rows:
        table(rows)


def _difference(difference: Difference, zone: tzinfo | None, *, show_all: bool) -> str:
    if is_hidden(difference, show_all=show_all):
        return "differs (--all shows how)"
    field = _FIELDS.get(difference.field)
    if field is not None and field.format == "date-time":
        seen = time_text(difference.seen, zone)
        return f"is {seen}, not {time_text(difference.asked, zone)}"
    return f"is {value_text(difference.seen)}, not {value_text(difference.asked)}"
