"""Reads the fields that the user gave, and collects what is wrong with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from smarterproctoring_generated.facade import Operations
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION

from smarterproctoring import errors
from smarterproctoring._cli import moments
from smarterproctoring._cli.options import (
    END,
    KEYWORDS,
    START,
    Asking,
    named,
    option_of,
)
from smarterproctoring.dry_run import DryRun
from smarterproctoring.durations import read_duration
from smarterproctoring.problems import Problem
from smarterproctoring.rules import Item, item_from_text
from smarterproctoring.terminal import echo
from smarterproctoring.times import TimeError, length_problem, limit_problem, read_time
from smarterproctoring.zones import ZoneError, zone

_FIELDS_LIMIT = 1024 * 1024
"""Bytes of the file of `--fields` that are read."""


class Limits(NamedTuple):
    """Which moments are probably a slip.

    Attributes:
        allow_past: Whether a moment in the past is accepted.
        allow_far: Whether one more than two years ahead is.
        allow_long: Whether an end more than 24 hours after its start is.
    """

    allow_past: bool
    allow_far: bool
    allow_long: bool


@dataclass
class Change:
    """The change that the user asked for, as far as it could be read.

    Attributes:
        limits: Which moments are accepted.
        fields: The fields by keyword, times as datetimes.
        zone: The zone of `--timezone`.
        problems: What could not be read.
    """

    limits: Limits
    fields: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    zone: tzinfo | None = None
    problems: list[Problem] = field(default_factory=list[Problem])

    def add(self, option: str, text: str) -> None:
        """Note what is wrong with an option."""
        self.problems.append(Problem("", "value", text, f"{option}:"))

    def check_limits(self, option: str, what: str, moment: datetime) -> None:
        """Note a moment that is probably a slip."""
        problem = limit_problem(
            moment,
            moments.now(),
            allow_past=self.limits.allow_past,
            allow_far=self.limits.allow_far,
        )
        if problem is not None:
            self.add(option, f"{what} {problem}")

    def check_length(self, option: str) -> None:
        """Note an end that is long after its start.

        Args:
            option: The option that gave the end.
        """
        start = self.fields.get(START)
        end = self.fields.get(END)
        if isinstance(start, datetime) and isinstance(end, datetime):
            allowed = self.limits.allow_long
            problem = length_problem(start, end, allow_long=allowed)
            if problem is not None:
                self.add(option, f"the end {problem}")

    def error(self, more: Collection[Problem] = ()) -> errors.ValidationError:
        """Make one error of all problems, these included."""
        found = [*self.problems, *more]
        text = f"{'; '.join(map(str, found))}. Nothing was sent."
        return errors.ValidationError(text, problems=tuple(found))


def read_change(
    options: Asking, texts: dict[str, str], limits: Limits, nothing: str
) -> Change:
    """Read all fields; collect what is wrong with them.

    Args:
        options: The options of the command.
        texts: What is given of the fields, by keyword; those of a file are added.
        limits: Which moments are accepted.
        nothing: What to say where no field is given.
    """
    change = Change(limits)
    zone_name = options.get("zone_name")
    if zone_name is not None:
        change.zone = read_zone(zone_name, change)
    if options["fields_file"] is not None:
        _add_fields(options["fields_file"], texts, change)
    for item in KEYWORDS:
        if item.keyword in texts and item.format == "date-time":
            _read_moment(item, texts[item.keyword], options, change)
        elif item.keyword in texts:
            change.fields[item.keyword] = item_from_text(item, texts[item.keyword])
    if options["duration"] is not None:
        _add_duration(options["duration"], texts, change)
    change.check_length("--end" if options["duration"] is None else "--duration")
    if not change.fields and not change.problems:
        text = f"{nothing}: give at least one field, such as --start"
        change.problems.append(Problem("", "empty", text))
    return change


def read_zone(name: str, change: Change) -> tzinfo | None:
    """Read the zone of `--timezone`; note what is wrong with it."""
    try:
        return zone(name)
    except ZoneError as error:
        change.add("--timezone", error.reason)
    return None


def _read_moment(item: Item, text: str, options: Asking, change: Change) -> None:
    # After a wrong zone, the check goes on in UTC to find other problems.
    default_zone = (
        UTC if change.zone is None and options.get("zone_name") else change.zone
    )
    try:
        moment = read_time(text, default_zone, day_first=options["day_first"])
    except TimeError as error:
        change.add(option_of(item), str(error))
        return
    change.fields[item.keyword] = moment
    change.check_limits(option_of(item), repr(text), moment)


def _add_duration(text: str, texts: dict[str, str], change: Change) -> None:
    """Compute the end from the start."""
    if END in texts:
        change.add("--duration", "contradicts --end; give one of them")
        return
    if START not in texts:
        change.add("--duration", "needs --start, after which it begins")
        return
    try:
        length = read_duration(text)
    except ValueError as error:
        change.add("--duration", str(error))
        return
    start = change.fields.get(START)
    if isinstance(start, datetime):
        # In UTC: hours are exact, whatever the clocks do in between.
        end = start.astimezone(UTC) + length
        change.fields[END] = end
        change.check_limits("--duration", f"the end, {text!r} after the start,", end)


# -- the file of --fields ---------------------------------------------------------------------------------------------


def _add_fields(name: str, texts: dict[str, str], change: Change) -> None:
    """Add the fields of a file, or of standard input."""
    keywords = {item.name: item.keyword for item in RESCHEDULE_EXAM_SESSION.fields}
    try:
        pairs = _read_fields_file(name)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        change.add(f"--fields {name}", str(reason))
        return
    for key, value in pairs.items():
        keyword = keywords.get(key, key)
        if keyword not in keywords.values():
            change.add(
                f"--fields {name}",
                f"there is no field {key[:80]!r}; `reschedule --help` lists the names",
            )
        elif not isinstance(value, str):
            change.add(f"--fields {name}", f"{key} has to be text, in quotes")
        elif keyword in texts:
            change.add(f"--fields {name}", f"{key} is given twice; drop one")
        else:
            texts[keyword] = value


class _TwiceError(ValueError):
    """An object has a name twice."""


def _pairs_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of JSON; the last of two values must not win silently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


def _read_fields_file(name: str) -> dict[str, object]:
    """Return the JSON object of a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a JSON object; the message says so, and quotes nothing of it.
    """
    if name == "-":
        content = sys.stdin.buffer.read(_FIELDS_LIMIT + 1)
    else:
        with Path(name).open("rb") as stream:
            content = stream.read(_FIELDS_LIMIT + 1)
    if len(content) > _FIELDS_LIMIT:
        raise ValueError("more than 1 MiB; give one JSON object with the fields")
    try:
        value: object = json.loads(content, object_pairs_hook=_pairs_once)
    except _TwiceError:
        raise ValueError("a name is there twice; drop one") from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError(
            """not a JSON object; write for instance {"notes": "Moved by request"}"""
        )
    return value


# -- the whole --------------------------------------------------------------------------------------------------------


def checked(client: Operations[DryRun], sids: dict[str, str], change: Change) -> DryRun:
    """Return the request; raise one error of all problems, those of reading the fields included.

    Args:
        client: Makes the request; it has to allow one that changes nothing, for the problems name that themselves.
        sids: The SIDs, by keyword.
        change: What the user asked for.

    Raises:
        ValidationError: There is a problem; nothing was sent.
    """
    request = None
    found: list[Problem] = []
    try:
        request = client.dry_run_reschedule(*sids.values(), **change.fields)
    except errors.ValidationError as error:
        found = [named(problem) for problem in error.problems]
    if request is not None and not change.problems:
        return request
    raise change.error(found)


def note_what_stays(fields: Collection[str]) -> None:
    """Print a note that the other end of the session stays as it is on the service."""
    if (START in fields) == (END in fields):
        return
    moved = "start" if START in fields else "end"
    stays = "end" if START in fields else "start"
    options = "--end or --duration" if START in fields else "--start"
    keep = " (or --keep-duration)" if START in fields else ""
    echo(
        f"note: only the {moved} is changed; the {stays} stays as it is on the service, so the session gets longer or "
        f"shorter. To change both, add {options}{keep}",
        err=True,
    )
