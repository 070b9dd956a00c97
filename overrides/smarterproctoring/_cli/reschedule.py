"""`smarterproctoring reschedule`: moves one session."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.records import Field
from smarterproctoring_generated.results import Result

from smarterproctoring import errors
from smarterproctoring._cli.changes import (
    Change,
    Limits,
    checked,
    note_what_stays,
    read_change,
)
from smarterproctoring._cli.connecting import (
    client_of,
    dry_client,
    sids_of,
    with_profile,
)
from smarterproctoring._cli.exit_codes import EPILOG
from smarterproctoring._cli.former import (
    Former,
    keep_duration,
    read_former,
    with_nothing_sent,
)
from smarterproctoring._cli.moments import moment_text
from smarterproctoring._cli.options import (
    END,
    START,
    Rescheduling,
    connection_options,
    field_options,
    field_texts,
    sid_arguments,
    time_options,
)
from smarterproctoring._cli.output import (
    NEW,
    check_json,
    fail,
    interrupted,
    table,
    utc_time,
    words,
)
from smarterproctoring.dry_run import DryRun
from smarterproctoring.terminal import echo, echo_json, uninterrupted

if TYPE_CHECKING:
    from smarterproctoring.client import SmarterProctoring


@click.command(epilog=EPILOG)
@sid_arguments
@field_options
@time_options
@click.option("--allow-past", is_flag=True, help="Accept times in the past.")
@click.option(
    "--allow-far", is_flag=True, help="Accept times more than two years ahead."
)
@click.option(
    "--allow-long",
    is_flag=True,
    help="Accept an end more than 24 hours after the start.",
)
@click.option(
    "--keep-duration",
    is_flag=True,
    help="In place of --end: read the session first, and keep its length.",
)
@click.option(
    "--before",
    is_flag=True,
    help="Read the session first, and show its former times, too.",
)
@click.option(
    "--no-replay",
    is_flag=True,
    help="Never repeat an attempt that may have been applied.",
)
@click.option(
    "--no-read-back",
    is_flag=True,
    help="Do not read the session back where it is open whether the change was applied.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check everything and show the request; send nothing.",
)
@connection_options
def reschedule(texts: tuple[str, ...], **given: Any) -> None:
    """Move one exam session.

    \b
    TIME is what people write, for instance "2027-05-04 09:00" (with --timezone),
    "4 May 2027 9am -04:00" or 2027-05-04T13:00:00Z. docs/reference/times.md lists every form.

    With --start alone the end stays as it is on the service, so the session gets longer or shorter: give --end,
    --duration or --keep-duration, too.

    Where the answer leaves it open whether the change was applied, the session is read back: before the change is
    sent again, and at the end.

    With --before or --keep-duration the session is read first, by the limits of the other options. If the token is
    refused or there is no such session, the change is not sent. Any other failure ends --keep-duration only.

    Names, notes and other personal data can be seen by other users of the machine if they are arguments;
    --fields keeps them out of the list of processes and of the shell's history.
    """  # noqa: D301 - click's mark for "do not rewrap" is a real backspace
    options = cast("Rescheduling", given)
    sids: dict[str, str] = {}
    move = _Move(options, sids)
    try:
        _run(move, texts, field_texts(given))
    except KeyboardInterrupt as interrupt:
        known = errors.what_is_known(interrupt)
        with uninterrupted():
            move.fail(known or interrupted(calling=move.calling))


def _run(move: _Move, texts: Sequence[str], fields: dict[str, str]) -> None:
    """Move the session, and print what came of it."""
    try:
        move.choose(texts)
        result = move.run(fields)
    except (errors.SmarterProctoringError, ValueError) as error:
        move.fail(error)
    if result is not None:
        move.show(result)


class _Move:
    """One run of the command.

    Attributes:
        calling: Whether the change may have been sent.
        former: What was read before; None if nothing was to be read.
    """

    def __init__(self, options: Rescheduling, sids: dict[str, str]) -> None:
        self._options = options
        self._as_json = options["as_json"]
        self._sids = sids
        limits = Limits(
            allow_past=options["allow_past"],
            allow_far=options["allow_far"],
            allow_long=options["allow_long"],
        )
        self._change = Change(limits)
        self._body: Mapping[str, object] = {}
        self.former: Former | None = None
        self.calling = False

    def choose(self, texts: Sequence[str]) -> None:
        """Take the profile, and find out which session is meant."""
        self._options = with_profile(self._options)
        self._sids.update(sids_of(texts, self._options))

    def run(self, texts: dict[str, str]) -> Result[None] | None:
        """Move the session; return None after a dry run."""
        options = self._options
        self._change = read_change(
            options, texts, self._change.limits, "nothing to change"
        )
        self._check_reads()
        if options["dry_run"]:
            with dry_client(options) as client:
                request = checked(client, self._sids, self._change)
            self._note_what_stays()
            _show_dry_run(request, as_json=self._as_json)
            return None
        return self._send()

    def _send(self) -> Result[None]:
        options = self._options
        with client_of(options) as client:
            request = self._checked(client)
            if options["before"] or options["keep_duration"]:
                request = self._read_first(client, request)
            self._body = json.loads(request.content)
            self._note_what_stays()
            self.calling = True
            return client.reschedule(*self._sids.values(), **self._change.fields)

    def _checked(self, client: SmarterProctoring) -> DryRun:
        view = client.with_options(allow_empty=True)
        return checked(view, self._sids, self._change)

    def _note_what_stays(self) -> None:
        if not self._as_json:
            note_what_stays(self._change.fields)

    def _check_reads(self) -> None:
        """Note the options that do not go together with reading the session first."""
        options = self._options
        fields = self._change.fields
        if options["dry_run"]:
            for name, is_set in (
                ("--before", options["before"]),
                ("--keep-duration", options["keep_duration"]),
            ):
                if is_set:
                    self._change.add(
                        name,
                        "has to read the session, and --dry-run sends nothing; drop one",
                    )
        if not options["keep_duration"]:
            return
        if options["duration"] is not None or END in fields:
            self._change.add(
                "--keep-duration", "contradicts --end and --duration; give one of them"
            )
        elif START not in fields and not self._change.problems:
            self._change.add("--keep-duration", "needs --start, after which it begins")

    def _read_first(self, client: SmarterProctoring, request: DryRun) -> DryRun:
        """Read the session; return the request, with the end that follows from it."""
        former = read_former(client, self._sids)
        self.former = former
        if self._options["keep_duration"]:
            if former.error is not None:
                raise with_nothing_sent(former.error)
            keep_duration(former, self._change)
            return self._checked(client)
        if former.reason and not self._as_json:
            echo(f"note: could not read the session first: {former.reason}", err=True)
        return request

    def fail(self, error: Exception) -> NoReturn:
        """Print what happened, what the session was like before, and exit."""
        former = self.former
        if former is not None and not self._as_json:
            for item in _sent(self._body):
                was = former.shown(item, self._change.zone)
                if was is not None:
                    echo(f"before: {words(item.keyword)}: {was}", err=True)
        more = {"former": None if former is None else former.to_json()}
        fail(error, "reschedule", self._sids, as_json=self._as_json, more=more)

    def show(self, result: Result[None]) -> None:
        """Print that the session was moved, and how that is known."""
        former = self.former
        if self._as_json:
            echo_json(
                {
                    "outcome": "moved",
                    **self._sids,
                    "data": result.data,
                    "status": result.status,
                    "request_id": result.request_id,
                    "attempts": result.attempts,
                    "replays": result.replays,
                    "elapsed": round(result.elapsed, 3),
                    "incomplete": result.incomplete,
                    "confirmed_by": result.confirmed_by,
                    "check": check_json(result.check),
                    "former": None if former is None else former.to_json(),
                    "exit_code": 0,
                }
            )
            return
        echo(f"moved {self._sids['session_sid']}", color="green", bold=True)
        rows = self._rows()
        if result.confirmed_by == "answer":
            rows.append(("server said", _as_text(result.data)))
        elif result.check is not None and result.check.seen_at is not None:
            seen_at = utc_time(result.check.seen_at)
            rows.append(("confirmed by", f"reading the session back at {seen_at}"))
        attempts = f"{result.attempts} in {result.elapsed:.2f} s"
        rows.append(("attempts", attempts + _replayed(result.replays)))
        if result.request_id:
            rows.append(("request id", result.request_id))
        table(rows)

    def _rows(self) -> list[tuple[str, object]]:
        """Return what was sent; the former time, where it is known, is above the new one."""
        rows: list[tuple[str, object]] = []
        zone = self._change.zone
        for item in _sent(self._body):
            label = words(item.keyword)
            value = str(self._body[item.name])
            if item.format == "date-time":
                value = moment_text(datetime.fromisoformat(value), zone)
            was = None if self.former is None else self.former.shown(item, zone)
            if was is not None:
                rows.append((label, was))
                label = NEW
            rows.append((label, value))
        return rows


def _sent(body: Mapping[str, object]) -> list[Field]:
    return [item for item in RESCHEDULE_EXAM_SESSION.fields if item.name in body]


def _as_text(data: object) -> str:
    return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)


def _replayed(replays: int) -> str:
    return (
        f", {replays} of them after one that may have been applied" if replays else ""
    )


def _show_dry_run(request: DryRun, *, as_json: bool) -> None:
    body = json.loads(request.content)
    if as_json:
        echo_json(
            {
                "outcome": "dry run",
                **request._asdict(),
                "content": None,
                "body": body,
                "exit_code": 0,
            }
        )
        return
    echo("dry run: nothing was sent", color="yellow", bold=True)
    echo(f"{request.method} {request.url}")
    for name, value in request.headers.items():
        echo(f"{name}: {value}")
    echo()
    for line in json.dumps(body, indent=2, ensure_ascii=False).split("\n"):
        echo(line)
