"""The command line: its commands by name, and those of other distributions.

A command is loaded when it is run, or when its help is shown. It uses the public client like any user; the commands of
other distributions are found by entry points (`smarterproctoring.commands` says how).
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

try:
    try:
        import click

        from smarterproctoring import terminal
    except ImportError as missing:
        sys.exit(
            f"error: {missing.name} is missing; install the command line with: "
            "pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[cli]'"
        )

    from smarterproctoring_generated.operations import VERSION as API_VERSION

    from smarterproctoring import errors
    from smarterproctoring._cli.early import NOTHING_SENT, show_early
    from smarterproctoring._cli.exit_codes import EPILOG, FAILED, INTERRUPTED
    from smarterproctoring._version import VERSION
    from smarterproctoring.terminal import echo
except KeyboardInterrupt:
    # As INTERRUPTED and NOTHING_SENT, which may not be imported yet.
    print("interrupted; nothing was sent", file=sys.stderr)
    sys.exit(130)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

_GROUP = "smarterproctoring.commands"
_OUTSIDE = {
    "bulk": "Move many sessions from one list; every row gets one outcome. `bulk --help` lists its commands.",
    "mock": "Run the mock server until Ctrl-C; its URL is the first line. `mock --help` lists its options.",
}
"""Commands that come with extras, and what `--help` says of them."""


def _check() -> click.Command:
    from smarterproctoring._cli.check import check  # noqa: PLC0415 - loaded when it is used

    return check


def _doctor() -> click.Command:
    from smarterproctoring._cli.doctor import doctor  # noqa: PLC0415 - loaded when it is used

    return doctor


def _reschedule() -> click.Command:
    from smarterproctoring._cli.reschedule import reschedule  # noqa: PLC0415 - loaded when it is used

    return reschedule


def _show() -> click.Command:
    from smarterproctoring._cli.show import show  # noqa: PLC0415 - loaded when it is used

    return show


_OWN: dict[str, Callable[[], click.Command]] = {
    "check": _check,
    "doctor": _doctor,
    "reschedule": _reschedule,
    "show": _show,
}
"""The commands of this package, each by what loads it."""


class _CommandLine(click.Group):
    """The whole command line: whatever happens, the output is safe to print and the exit code is one of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, also those of distributions that may not be installed."""
        outside = {*_OUTSIDE, *_outside_commands().names}
        return sorted({*super().list_commands(ctx), *_OWN, *outside})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command."""
        if cmd_name in _OWN:
            return _OWN[cmd_name]()
        if cmd_name in _OUTSIDE or cmd_name in _outside_commands().names:
            return _outside(cmd_name)
        return super().get_command(ctx, cmd_name)

    def main(self, *arguments: Any, **extra: Any) -> Any:
        """Run a command and end the process."""
        try:
            code = self._run(*arguments, **extra)
        except KeyboardInterrupt:
            # It came before the command was found, or again while the first was reported.
            echo(NOTHING_SENT, err=True)
            code = INTERRUPTED
        sys.exit(code)

    def _run(self, *arguments: Any, **extra: Any) -> int:
        """Run a command; return its exit code."""
        terminal.prepare()
        given = extra.pop("args", arguments[0] if arguments else None)
        words = list(sys.argv[1:] if given is None else given)
        command = words[0] if words else ""
        as_json = command in _OWN and "--json" in words
        try:
            returned = super().main(
                words, *arguments[1:], **{**extra, "standalone_mode": False}
            )
            return returned if isinstance(returned, int) else 0
        except click.ClickException as error:
            code = error.exit_code
            if as_json:
                show_early(command, error, error.format_message(), code)
            else:
                error.show()
        except (KeyboardInterrupt, click.Abort):
            code = INTERRUPTED
            if as_json:
                interrupt = errors.InterruptedCallError(NOTHING_SENT)
                show_early(command, interrupt, NOTHING_SENT, code)
            else:
                echo(NOTHING_SENT, err=True)
        except Exception as error:
            if (
                isinstance(error, OSError)
                and error.errno == errno.ENOSPC
                and not as_json
            ):
                sys.exit(f"error: cannot write: {error.strerror}")
            if not as_json:
                raise
            code = FAILED
            text = f"unexpected failure: {type(error).__name__}"
            show_early(command, error, text, code)
            import traceback  # noqa: PLC0415 - after a failure only

            traceback.print_exc()
        return code


@click.group(
    cls=_CommandLine,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(
    VERSION,
    prog_name="smarterproctoring",
    message=f"%(prog)s, version %(version)s (API {API_VERSION})",
)
@click.pass_context
def main(context: click.Context) -> None:
    """Move proctored exam sessions, and look at them.

    The token comes from SMARTERPROCTORING_TOKEN, from the file that SMARTERPROCTORING_TOKEN_FILE or --token-file
    names, from what a profile of the settings' file names, or from a prompt; never from an argument, which every user
    of the machine could see.
    """
    context.color = terminal.colors()


# -- commands of other distributions -----------------------------------------------------------------------------------


def _outside_commands() -> EntryPoints:
    """Return the commands of the distributions that are installed."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - it loads more than click does

    return entry_points(group=_GROUP)


def _outside(name: str) -> click.Command:
    """Make the command of another distribution; it gets its arguments as they stand."""

    @click.command(
        name,
        help=_OUTSIDE.get(name, f"See `{name} --help`."),
        context_settings={
            "ignore_unknown_options": True,
            "allow_extra_args": True,
            "help_option_names": [],
        },
        add_help_option=False,
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        sys.exit(_load(name)(list(arguments)))

    return command


def _load(name: str) -> Callable[[list[str]], int]:
    """Import the function of a command.

    Raises:
        click.ClickException: Nothing that is installed provides it, or something that it needs is missing.
    """
    how = f"pip install --index-url https://YOUR-PRIVATE-INDEX/simple/ 'smarterproctoring-client[{name}]'"
    found = [*_outside_commands().select(name=name)]
    if not found:
        raise click.ClickException(
            f"the command {name} is not installed; install it with: {how}"
        )
    try:
        loaded: Callable[[list[str]], int] = found[0].load()
    except ImportError as error:
        raise click.ClickException(
            f"{error.name} is missing; install {name} with: {how}"
        ) from None
    return loaded


if __name__ == "__main__":
    main()
