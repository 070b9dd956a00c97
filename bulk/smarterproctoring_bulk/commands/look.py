"""`bulk look` and `bulk verify`: the sessions of a list as they are now."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias, Unpack

import click
from smarterproctoring import AsyncSmarterProctoring
from smarterproctoring.commands import visible
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION

from smarterproctoring_bulk import exits, pacing
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.opening import open_client, service_of
from smarterproctoring_bulk.options import (
    ClientArguments,
    InputArguments,
    client_options,
    input_of,
    input_options,
)
from smarterproctoring_bulk.outputs import Output, check_outputs, replaced
from smarterproctoring_bulk.plan import Plan, plan
from smarterproctoring_bulk.progress import progress
from smarterproctoring_bulk.reading import (
    Difference,
    Findings,
    Reading,
    Seen,
    differences,
    is_moment,
)
from smarterproctoring_bulk.report import csv_cell
from smarterproctoring_bulk.rows import TIMES, InputError, Row

_SHOWN: Final = 20
"""Sessions that are printed; all of them are in the output."""
_START: Final = "appointment_start_date_time"
_END: Final = "appointment_end_date_time"
_NAMES: Final = {item.keyword: item.name for item in RESCHEDULE_EXAM_SESSION.fields}
_SIDS: Final = ("installSid", "examSid", "sessionSid")
_COLUMNS: Final = ("line", *_SIDS, "result", "field", "listed", "found")
Verdict: TypeAlias = Literal["as listed", "different", "unknown"]
"""How a session is, compared with its row."""


class LookArguments(InputArguments, ClientArguments):
    """The options of `bulk look` and `bulk verify`."""

    rate: str | None


_rate_option = click.option(
    "--rate", metavar="RATE", help="Limit of the reads: 20/s, 100/min.  [default: none]"
)


@click.command(epilog=exits.EPILOG)
@click.argument("file", type=click.Path(dir_okay=False, exists=True))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The list to write, as CSV.",
)
@input_options
@client_options
@_rate_option
def look(file: str, output: str, **arguments: Unpack[LookArguments]) -> None:
    """Read the sessions of a list, and write their present times as a list.

    `bulk run` takes that list: kept from before a run, it is the way back. The same
    command continues a look that was interrupted. Nothing is changed.
    """
    with _looked(file, output, arguments) as looked:
        _show_unread(looked.findings)
        written = 0
        with replaced(Path(output), bom=True) as stream:
            writer = csv.writer(stream)
            writer.writerow([*_SIDS, _NAMES[_START], _NAMES[_END]])
            for seen in looked.findings:
                times = [_time(seen, _START), _time(seen, _END)]
                if any(times):
                    writer.writerow([*seen.sids, *times])
                    written += 1
        looked.findings.drop()
    click.echo(f"{written:,} of {looked.sessions:,} sessions: {output}", err=True)
    sys.exit(0 if looked.whole and written == looked.sessions else exits.NOT_OK)


@click.command(epilog=exits.EPILOG)
@click.argument("file", type=click.Path(dir_okay=False, exists=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write what was compared, as CSV.",
)
@input_options
@client_options
@_rate_option
def verify(file: str, output: str | None, **arguments: Unpack[LookArguments]) -> None:
    """Read the sessions of a list, and say which of them are as the list says.

    With -o the same command continues if it was interrupted. Nothing is changed.
    """
    with _looked(file, output, arguments) as looked:
        results = Counter(compared.verdict for compared in looked.compared())
        _show_compared(looked)
        if output is not None:
            with replaced(Path(output), bom=True) as stream:
                writer = csv.writer(stream)
                writer.writerow(_COLUMNS)
                writer.writerows(_compared_records(looked))
        looked.findings.drop()
    click.echo(
        f"{results['as listed']:,} as the list says, {results['different']:,} different, "
        f"{results['unknown']:,} unknown"
    )
    good = looked.whole and results.total() == results["as listed"]
    sys.exit(0 if good else exits.NOT_OK)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A session that was read, compared with its row."""

    row: Row
    seen: Seen
    verdict: Verdict
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class _Looked:
    """A list whose sessions were read.

    Attributes:
        planned: The list.
        findings: What was read.
        whole: Whether no row of the list is wrong.
    """

    planned: Plan
    findings: Findings
    whole: bool

    @property
    def sessions(self) -> int:
        """Return how many sessions the list names."""
        return self.planned.counts.sendable

    def compared(self) -> Iterator[_Compared]:
        """Compare each session with its row, in the order of the list."""
        for row, seen in zip(self.planned.rows(), self.findings, strict=True):
            found = differences(row, seen)
            if found is None:
                yield _Compared(row, seen, "unknown", [])
            else:
                verdict: Verdict = "different" if found else "as listed"
                yield _Compared(row, seen, verdict, found)


@contextmanager
def _looked(
    file: str, output: str | None, arguments: LookArguments
) -> Generator[_Looked]:
    """Read the sessions of a list.

    Raises:
        Stop: The list, the output or a setting cannot be used, or the service does not answer.
    """
    partial = None if output is None else Path(f"{output}.partial")
    if output is not None and partial is not None:
        kept = {"the list itself": Path(file)}
        if arguments["token_file"]:
            kept["the token file"] = Path(arguments["token_file"])
        outputs = [Output("-o", Path(output)), Output("the file beside -o,", partial)]
        check_outputs(outputs, kept)
    rate = _rate(arguments["rate"])
    client = open_client(arguments)
    # A session may be read whatever its new time is.
    options = replace(
        input_of(arguments), allow_past=True, allow_far=True, allow_long=True
    )
    try:
        with plan(file, options) as planned:
            about = f"{planned.fingerprint} {service_of(client)}"
            with Findings(partial, about) as findings:
                asyncio.run(_read(client, planned, findings, rate))
                counts = planned.counts
                whole = not counts.invalid + counts.conflict
                _show_wrong(counts.invalid + counts.conflict)
                yield _Looked(planned, findings, whole)
    except InputError as error:
        raise Stop(str(error), exits.BAD_INPUT) from None


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        rate = pacing.read_rate(text)
    except ValueError as error:
        raise click.UsageError(f"--rate: {error}") from None
    return None if rate == pacing.NO_LIMIT else rate


async def _read(
    client: AsyncSmarterProctoring,
    planned: Plan,
    findings: Findings,
    rate: float | None,
) -> None:
    before = findings.count()
    if before:
        click.echo(f"continuing: {before:,} sessions were read before", err=True)
    rows = (row for row in planned.rows() if not findings.has(row.line))
    counts = Counter(ok=before)
    with progress(planned.counts.sendable, before) as bar:

        def take(seen: Seen) -> None:
            findings.add(seen)
            counts["gave_up" if seen.problem else "ok"] += 1
            bar.update(counts)

        async with client:
            await Reading(client, rate, take).read(rows)


def _show_wrong(count: int) -> None:
    if count:
        click.secho(
            f"{count:,} rows are wrong, so their sessions were not read; "
            "`bulk run --dry-run` says what is wrong",
            fg="yellow",
            err=True,
        )


def _show_unread(findings: Findings) -> None:
    """Say which sessions have no time in the output."""
    lines = [
        f"line {seen.line}: {seen.problem or 'the answer shows no time'}"
        for seen in findings
        if seen.problem or not (_time(seen, _START) or _time(seen, _END))
    ]
    _show(lines)


def _show_compared(looked: _Looked) -> None:
    """Say which sessions are not as the list says."""
    lines: list[str] = []
    for compared in looked.compared():
        if compared.verdict == "unknown":
            problem = compared.seen.problem or "the answer shows no time"
            lines.append(f"line {compared.row.line}: unknown: {problem}")
        elif compared.differences:
            said = "; ".join(map(_difference, compared.differences))
            lines.append(f"line {compared.row.line}: {said}")
    _show(lines)


def _difference(difference: Difference) -> str:
    name = _NAMES[difference.keyword]
    if difference.keyword in TIMES:
        return f"{name} is {difference.found}, not {difference.listed}"
    return f"{name} differs"


def _show(lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        click.secho(visible(line), fg="yellow", err=True)
    if len(lines) > _SHOWN:
        click.echo(f"… and {len(lines) - _SHOWN:,} more", err=True)


def _time(seen: Seen, keyword: str) -> str:
    """Return a time that was read; empty if there is none that `bulk run` could take."""
    text = seen.fields.get(keyword, "")
    return text if text and is_moment(text) else ""


def _compared_records(looked: _Looked) -> Iterator[list[object]]:
    """Yield a record for each difference, and one for each session without any."""
    for compared in looked.compared():
        begin = [compared.row.line, *compared.row.sids, compared.verdict]
        if not compared.differences:
            yield [*begin, "", "", csv_cell(compared.seen.problem)]
        for difference in compared.differences:
            values = (difference.listed, difference.found)
            yield [*begin, _NAMES[difference.keyword], *map(csv_cell, values)]
