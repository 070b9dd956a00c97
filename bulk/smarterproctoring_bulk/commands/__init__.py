"""The commands of `smarterproctoring bulk`, by subject."""
