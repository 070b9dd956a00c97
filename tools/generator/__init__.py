"""The steps of `make generate`: read the spec, emit the modules, check the output, swap the folder.

Imports run one way: a module imports only from lines above its own.

- naming, hints, spec_copy, reading_back
- reading, upstream
- records, checking
- emitting
- output
- swapping
"""
