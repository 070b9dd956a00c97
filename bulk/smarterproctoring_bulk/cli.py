"""The command line of bulk: `smarterproctoring bulk …`."""

from __future__ import annotations

import signal
from typing import NoReturn

import click
from smarterproctoring.commands import colors

from smarterproctoring_bulk import exits
from smarterproctoring_bulk.commands import jobs, look, run, worker


class _Commands(click.Group):
    """Ends with the code of the table wherever it is interrupted."""

    def invoke(self, ctx: click.Context) -> object:
        for number in exits.ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            stop = exits.Stop(
                "interrupted; the same command continues", exits.INTERRUPTED
            )
        except exits.Stop as error:
            stop = error
        stop.show()
        return ctx.exit(stop.code)


@click.group(
    cls=_Commands,
    epilog=exits.EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
def main() -> None:
    """Move many exam sessions from one list, so that none is lost.

    Every row ends in exactly one outcome: ok, rejected (by the API), conflict or invalid
    (not sent), or gave_up (a re-run tries it again). What was done is in a journal: the
    same command continues where it stopped.
    """


for _command in (
    run.run,
    run.submit,
    look.look,
    look.verify,
    worker.worker,
    jobs.status,
    jobs.cancel,
    jobs.resume,
    jobs.report,
    jobs.purge,
):
    main.add_command(_command)


def command(arguments: list[str]) -> NoReturn:
    """Run `smarterproctoring bulk` with its arguments, and end the process."""
    main(arguments, prog_name="smarterproctoring bulk", color=colors())
    raise AssertionError("click ends the process")
