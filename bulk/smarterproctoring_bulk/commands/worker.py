"""`bulk worker`: works on all jobs of a journal."""

from __future__ import annotations

import asyncio
from typing import Unpack

import click

from smarterproctoring_bulk import exits
from smarterproctoring_bulk import journal as journals
from smarterproctoring_bulk.opening import (
    find_journal,
    lock_journal,
    open_client,
    open_journal,
)
from smarterproctoring_bulk.options import WorkArguments, client_options, journal_option
from smarterproctoring_bulk.work import serve_all


@click.command(epilog=exits.EPILOG)
@client_options
@journal_option
def worker(**arguments: Unpack[WorkArguments]) -> None:
    """Work on all jobs of a journal for this service until Ctrl-C or SIGTERM.

    A job whose token is refused, or whose service does not answer, is paused; the worker
    goes on with the others.
    """
    client = open_client(arguments)
    place = find_journal(arguments["journal"])
    with lock_journal(place, "bulk worker"), open_journal(place) as journal:
        try:
            asyncio.run(serve_all(journal, client, arguments["patience"]))
        except journals.JournalError as error:
            exits.end_now(str(error), exits.JOURNAL)
    click.echo("stopped; what is left waits in the journal", err=True)
