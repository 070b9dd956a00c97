"""`smarterproctoring show`: reads a session and prints what the service shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, cast

import click
from smarterproctoring_generated.operations import GET_EXAM_SESSION
from smarterproctoring_generated.results import Result

from smarterproctoring import errors
from smarterproctoring._cli import moments
from smarterproctoring._cli.changes import Change, Limits, read_zone
from smarterproctoring._cli.connecting import client_of, sids_of, with_profile
from smarterproctoring._cli.exit_codes import EPILOG
from smarterproctoring._cli.former import of_another_session
from smarterproctoring._cli.moments import in_utc, in_zone, seen_text, value_text
from smarterproctoring._cli.options import (
    Showing,
    all_option,
    connection_options,
    named,
    sid_arguments,
)
from smarterproctoring._cli.output import fail, interrupted, table, utc_time, words
from smarterproctoring.terminal import echo, echo_json

_KNOWN = {item.name: item for item in GET_EXAM_SESSION.answer}
_MAX_NAME = 60
"""Characters of a name that the spec does not describe."""
_PLACES = {name: place for place, name in enumerate(_KNOWN)}


@click.command(epilog=EPILOG)
@sid_arguments
@click.option(
    "--timezone",
    "zone_name",
    help="IANA zone in which times are shown, too, for instance America/New_York.",
)
@all_option
@connection_options
def show(texts: tuple[str, ...], **given: Any) -> None:
    """Show an exam session as the service knows it.

    The session is read, and nothing is changed. Times are in UTC, and with --timezone in that zone, too. A time that
    cannot be told, for instance because it has no offset, is shown as it came.

    What the spec marks as personal or secret is named and not shown, and so are objects and lists; what it does not
    describe is counted. --all shows it.

    For a moment after a change a read may show an older state.
    """
    options = cast("Showing", given)
    sids: dict[str, str] = {}
    as_json = options["as_json"]
    try:
        options = with_profile(options)
        sids.update(sids_of(texts, options))
        zone = _zone_of(options)
        result = _read(options, sids)
    except (errors.SmarterProctoringError, ValueError) as error:
        fail(error, "show", sids, as_json=as_json)
    except KeyboardInterrupt as interrupt:
        known = errors.what_is_known(interrupt) or interrupted(calling=False)
        fail(known, "show", sids, as_json=as_json)
    other = of_another_session(result.data, sids)
    if other:
        echo(f"note: {other}", color="yellow", err=True)
    session = _Session(result.data, show_all=options["show_all"])
    if as_json:
        echo_json(
            {
                "outcome": "shown",
                **sids,
                **session.to_json(zone),
                "status": result.status,
                "request_id": result.request_id,
                "attempts": result.attempts,
                "elapsed": round(result.elapsed, 3),
                "exit_code": 0,
            }
        )
        return
    echo(f"session {sids['session_sid']}", bold=True)
    session.print(zone)


def _zone_of(options: Showing) -> tzinfo | None:
    """Return the zone of `--timezone`.

    Raises:
        ValidationError: There is no such zone.
    """
    problems = Change(Limits(allow_past=True, allow_far=True, allow_long=True))
    zone = None
    name = options.get("zone_name")
    if name is not None:
        zone = read_zone(name, problems)
    if problems.problems:
        raise problems.error()
    return zone


def _read(options: Showing, sids: dict[str, str]) -> Result[Any]:
    """Read the session.

    Raises:
        ValidationError: A SID is wrong; nothing was sent.
        UnconfirmedError: The answer shows nothing that is known of a session.
    """
    with client_of(options) as client:
        try:
            return _with_session(client.get_session(*sids.values()))
        except errors.ValidationError as error:
            problems = [named(problem) for problem in error.problems]
    text = f"{'; '.join(map(str, problems))}. Nothing was sent."
    raise errors.ValidationError(text, problems=tuple(problems))


def _with_session(result: Result[Any]) -> Result[Any]:
    """Return the result of a read that shows something of a session."""
    values = result.data if isinstance(result.data, dict) else {}
    if any(values.get(name) is not None for name in _KNOWN):
        return result
    raise errors.UnconfirmedError(
        f"answered {result.status} with nothing that is known of a session",
        maybe_applied=False,
        status=result.status,
        request_id=result.request_id,
        attempts=result.attempts,
    )


def _is_open(name: str, value: object) -> bool:
    """Tell whether a value may be shown: the spec describes it, and calls it neither personal nor secret.

    What is within an object or a list is not described.
    """
    item = _KNOWN.get(name)
    if item is None or item.sensitive:
        return False
    return not isinstance(value, dict | list)


class _Session:
    """What the service shows of a session, divided into what is shown and what is not."""

    def __init__(self, values: Mapping[str, Any], *, show_all: bool) -> None:
        open_names = [
            name for name, value in values.items() if show_all or _is_open(name, value)
        ]
        ordered = sorted(open_names, key=_place)
        self._shown = {name: values[name] for name in ordered}
        hidden = [name for name in values if name not in self._shown]
        self._hidden = [name for name in hidden if name in _KNOWN]
        self._others = len(hidden) - len(self._hidden)
        self._missing = [name for name in _KNOWN if name not in values]

    def __repr__(self) -> str:  # it says things of a person
        return "<_Session>"

    def to_json(self, zone: tzinfo | None) -> dict[str, object]:
        """Return it as JSON has it: values as they came, and times in UTC and in the zone."""
        times = {
            name: {"utc": in_utc(value), "local": in_zone(value, zone)}
            for name, value in self._shown.items()
            if _is_time(name) and value is not None
        }
        return {
            "session": self._shown,
            "times": times,
            "hidden": self._hidden,
            "hidden_others": self._others,
            "missing": self._missing,
        }

    def print(self, zone: tzinfo | None) -> None:
        """Print it as a table."""
        rows: list[tuple[str, object]] = [
            (_label(name), _text(name, value, zone))
            for name, value in self._shown.items()
            if value is not None
        ]
        hidden = [_label(name) for name in self._hidden]
        if self._others:
            hidden.append(f"{self._others} that the spec does not describe")
        empty = [name for name, value in self._shown.items() if value is None]
        for label, names in (
            ("null", [_label(name) for name in empty]),
            ("not in the answer", [_label(name) for name in self._missing]),
            ("hidden without --all", hidden),
        ):
            if names:
                rows.append((label, ", ".join(names)))
        rows.append(("read at", utc_time(moments.now())))
        table(rows)


def _is_time(name: str) -> bool:
    return name in _KNOWN and _KNOWN[name].format == "date-time"


def _text(name: str, value: object, zone: tzinfo | None) -> str:
    return seen_text(value, zone) if _is_time(name) else value_text(value)


def _place(name: str) -> int:
    """Return the place of a field in the table: as in the spec, and what that does not describe at the end."""
    return _PLACES.get(name, len(_PLACES))


def _label(name: str) -> str:
    return words(_KNOWN[name].attribute) if name in _KNOWN else name[:_MAX_NAME]
