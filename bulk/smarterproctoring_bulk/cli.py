"""The command line of bulk: `smarterproctoring bulk …`."""

from __future__ import annotations

import signal
from importlib import import_module
from typing import NoReturn, cast

import click
from smarterproctoring.commands import colors

from smarterproctoring_bulk import exits

COMMANDS = {
    "cancel": "jobs",
    "look": "look",
    "purge": "jobs",
    "report": "jobs",
    "resume": "jobs",
    "run": "run",
    "settle": "settle",
    "status": "status",
    "submit": "run",
    "undo": "undo",
    "verify": "look",
    "worker": "worker",
}
"""The commands, each by its module: one that is not run is not loaded."""


class _Commands(click.Group):
    """Loads its commands when they are used, and ends with the code of the table wherever it is interrupted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"smarterproctoring_bulk.commands.{COMMANDS[cmd_name]}")
        return cast("click.Command", getattr(module, cmd_name))

    def invoke(self, ctx: click.Context) -> object:
        for number in exits.ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as missing:
            # Found now, because a command loads what it needs when it is run.
            raise click.ClickException(
                f"{missing.name} is missing; install bulk with: "
                "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[bulk]'"
            ) from None
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


def command(arguments: list[str]) -> NoReturn:
    """Run `smarterproctoring bulk` with its arguments, and end the process."""
    main(arguments, prog_name="smarterproctoring bulk", color=colors())
    raise AssertionError("click ends the process")
