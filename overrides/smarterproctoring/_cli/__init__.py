"""The commands of the command line, one module each, and what they share; `cli.py` loads a command when it is run."""
