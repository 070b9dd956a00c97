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
from smarterproctoring_generated.results import Difference

from smarterproctoring_bulk import exits
from smarterproctoring_bulk.commands.sessions import read_sessions, show_lines
from smarterproctoring_bulk.counts import counted
from smarterproctoring_bulk.exits import Stop
from smarterproctoring_bulk.limited import plan_first, show_limit
from smarterproctoring_bulk.opening import (
    find_journal,
    open_client,
    service_of,
    with_defaults,
)
from smarterproctoring_bulk.options import (
    ListArguments,
    client_options,
    input_of,
    input_options,
    read_rate_of,
)
from smarterproctoring_bulk.outputs import (
    Output,
    check_outputs,
    journal_files,
    replaced,
)
from smarterproctoring_bulk.plan import Plan
from smarterproctoring_bulk.reading import (
    MOVED,
    NAMES,
    SIDS,
    Findings,
    Seen,
    check_of,
    described,
    is_moment,
    why_unknown,
)
from smarterproctoring_bulk.report import csv_cell
from smarterproctoring_bulk.rows import InputError, Row

_COLUMNS: Final = ("line", *SIDS, "result", "field", "listed", "found")
Verdict: TypeAlias = Literal["as listed", "different", "unknown"]
"""How a session is, compared with its row."""
_VERDICTS: Final[dict[str, Verdict]] = {
    "as_asked": "as listed",
    "different": "different",
    "unknown": "unknown",
}


class LookArguments(ListArguments):
    """The options of `bulk look` and `bulk verify`."""

    rate: str | None
    limit: int | None


_limit_option = click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Read only the first N sessions of the list.",
)
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
@_limit_option
@_rate_option
def look(file: str, output: str, **arguments: Unpack[LookArguments]) -> None:
    """Read the sessions of a list, and write their present times as a list.

    `bulk run` takes that list: kept from before a run, it is the way back. The same
    command continues a look that was interrupted. Nothing is changed.
    """
    with _looked(file, output, with_defaults(file, arguments)) as looked:
        _show_unread(looked.findings)
        written = 0
        with replaced(Path(output), bom=True) as stream:
            writer = csv.writer(stream)
            writer.writerow([*SIDS, *(NAMES[keyword] for keyword in MOVED)])
            for seen in looked.findings:
                times = _times(seen)
                if any(times):
                    writer.writerow([*seen.sids, *times])
                    written += 1
        looked.findings.drop()
    click.echo(
        f"{written:,} of {counted(looked.sessions, 'session')}: {output}", err=True
    )
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
@_limit_option
@_rate_option
def verify(file: str, output: str | None, **arguments: Unpack[LookArguments]) -> None:
    """Read the sessions of a list, and say which of them are as the list says.

    With -o the same command continues if it was interrupted. Nothing is changed.
    """
    with _looked(file, output, with_defaults(file, arguments)) as looked:
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
    differences: tuple[Difference, ...]


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
        """Return how many sessions are read."""
        return self.planned.counts.sendable

    def compared(self) -> Iterator[_Compared]:
        """Compare each session with its row, in the order of the list."""
        for row, seen in zip(self.planned.rows(), self.findings, strict=True):
            check = check_of(row, seen)
            verdict = _VERDICTS[check.verdict]
            yield _Compared(row, seen, verdict, check.differences)


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
        # What a run has recorded is not replaced either, though reading needs no journal.
        kept = {"the list itself": Path(file), **journal_files(find_journal(None).path)}
        if arguments["token_file"]:
            kept["the token file"] = Path(arguments["token_file"])
        outputs = [Output("-o", Path(output)), Output("the file beside -o,", partial)]
        check_outputs(outputs, kept)
    rate = read_rate_of(arguments["rate"], None)
    client = open_client(arguments)
    # A session may be read whatever its new time is.
    options = replace(
        input_of(arguments), allow_past=True, allow_far=True, allow_long=True
    )
    try:
        with plan_first(Path(file), options, arguments["limit"]) as planned:
            show_limit(planned)
            about = f"{planned.fingerprint} {service_of(client)}"
            with Findings(partial, about) as findings:
                asyncio.run(_read(client, planned, findings, rate))
                counts = planned.counts
                whole = not counts.invalid + counts.conflict
                _show_wrong(counts.invalid + counts.conflict)
                yield _Looked(planned, findings, whole)
    except InputError as error:
        raise Stop(str(error), exits.BAD_INPUT) from None


async def _read(
    client: AsyncSmarterProctoring,
    planned: Plan,
    findings: Findings,
    rate: float | None,
) -> None:
    before = findings.count()
    if before:
        click.echo(
            f"continuing: {counted(before, 'session was', 'sessions were')} read before",
            err=True,
        )
    rows = (row for row in planned.rows() if not findings.has(row.line))
    total = planned.counts.sendable
    await read_sessions(client, rate, rows, total, findings.add, before)


def _show_wrong(count: int) -> None:
    if count:
        click.secho(
            f"{counted(count, 'row is', 'rows are')} wrong, and not read; "
            "`bulk run --dry-run` says what is wrong",
            fg="yellow",
            err=True,
        )


def _show_unread(findings: Findings) -> None:
    """Say which sessions have no time in the output."""
    lines = [
        f"line {seen.line}: {why_unknown(seen)}"
        for seen in findings
        if seen.problem or not any(_times(seen))
    ]
    show_lines(lines)


def _show_compared(looked: _Looked) -> None:
    """Say which sessions are not as the list says."""
    lines: list[str] = []
    for compared in looked.compared():
        if compared.verdict == "unknown":
            problem = why_unknown(compared.seen)
            lines.append(f"line {compared.row.line}: unknown: {problem}")
        elif compared.differences:
            said = "; ".join(map(described, compared.differences))
            lines.append(f"line {compared.row.line}: {said}")
    show_lines(lines)


def _times(seen: Seen) -> list[str]:
    """Return the start and the end that were read; each empty if `bulk run` could not take it."""
    texts = [seen.fields.get(keyword, "") for keyword in MOVED]
    return [text if is_moment(text) else "" for text in texts]


def _compared_records(looked: _Looked) -> Iterator[list[object]]:
    """Yield a record for each difference, and one for each session without any."""
    for compared in looked.compared():
        begin = [compared.row.line, *compared.row.sids, compared.verdict]
        if not compared.differences:
            yield [*begin, "", "", csv_cell(compared.seen.problem)]
        for difference in compared.differences:
            values = (difference.asked, difference.seen)
            yield [*begin, difference.field, *map(csv_cell, values)]
