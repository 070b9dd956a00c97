"""The steps of `make generate`: read the spec, emit the modules, check the output, swap the folder.

Imports run one way: naming, hints ← reading ← records ← emitting; upstream, emitting ← output ← checking, swapping.
"""
