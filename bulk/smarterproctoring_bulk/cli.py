"""The command line of bulk: `smarterproctoring bulk …`."""

from __future__ import annotations

import signal
from importlib import import_module
from typing import cast

import click
from smarterproctoring.commands import colors, uninterrupted

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
    """Loads its commands when they are used."""

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
        """Run a command.

        Raises:
            click.ClickException: Something that it needs is not installed.
        """
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as missing:
            # Found now, because a command loads what it needs when it is run.
            raise click.ClickException(
                f"{missing.name} is missing; install bulk with: "
                "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[bulk]'"
            ) from None


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


def command(arguments: list[str]) -> int:
    """Run `smarterproctoring bulk` with its arguments; return the exit code.

    Raises:
        click.ClickException: The arguments do not fit.
    """
    try:
        for number in exits.ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.default_int_handler)
        # In click's own mode Ctrl-C ends with exit code 1 where no command has begun.
        returned = main.main(
            arguments,
            prog_name="smarterproctoring bulk",
            color=colors(),
            standalone_mode=False,
        )
        return returned if isinstance(returned, int) else 0
    except (KeyboardInterrupt, click.Abort) as error:
        stop = _interrupted(error)
    except exits.Stop as error:
        stop = error
    with uninterrupted():
        stop.show()
    return stop.code


def _interrupted(error: BaseException) -> exits.Stop:
    """Say what was sent until Ctrl-C; click makes an error of its own of it."""
    cause = error.__cause__ if isinstance(error, click.Abort) else error
    if isinstance(cause, exits.Interrupted):
        return exits.Stop(str(cause), exits.INTERRUPTED)
    return exits.Stop(exits.NO_CHANGE_SENT, exits.INTERRUPTED)
