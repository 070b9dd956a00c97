"""What every process of a history is forked from: the clock first, then all of bulk."""

from history import jumping

jumping.install()

from smarterproctoring_bulk import cli, engine  # noqa: E402, F401 - after the clock
