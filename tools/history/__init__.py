"""Random histories of `smarterproctoring bulk`, and what has to be true of each: see tools/check_history.py.

Imports run one way: facts → judge; lists → plan → processes → executor. The judge knows neither processes nor the plan.
"""
