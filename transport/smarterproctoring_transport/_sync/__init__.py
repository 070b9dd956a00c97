"""The synchronous side: derived from `_async/` by `tools/make_sync.py`, but for `waits.py` and `loops.py`."""
