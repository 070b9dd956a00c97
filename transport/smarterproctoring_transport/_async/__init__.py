"""The asynchronous transport, and the source of the other: `tools/make_sync.py` derives `_sync/` from it."""
