"""What every process of a history is forked from: the clock first, then all of bulk."""

from history import jumping

jumping.install()

from importlib import import_module  # noqa: E402 - after the clock

for name in ("cli", "engine"):
    import_module(f"smarterproctoring_bulk.{name}")
