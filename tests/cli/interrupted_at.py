"""The command line, interrupted at a given moment: `python interrupted_at.py MOMENT COMMAND…`.

MOMENT is the name of a module: Ctrl-C comes when it is imported. Or it is a number: Ctrl-C comes when that many
functions of the project were called. Or it is `FUNCTION()`: Ctrl-C comes when that one is called first. At the end, the
number of calls goes to the file that the variable CALLS names.
"""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import sys
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]
OURS = tuple(str(ROOT / name) for name in ("overrides", "bulk", "mock", "generated", "transport"))


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


class AtImport:
    """Interrupts when a module is looked for. The first in `sys.meta_path`."""

    def __init__(self, module: str) -> None:
        self._module = module

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == self._module:
            sys.meta_path.remove(self)
            interrupt()


class AtCall:
    """Interrupts when a number of functions were called, or one of a name."""

    def __init__(self, moment: str) -> None:
        self._number = int(moment) if moment.isdecimal() else 0
        self._name = moment.removesuffix("()")
        self.calls = 0

    def trace(self, frame: FrameType, event: str, argument: object) -> None:
        if not frame.f_code.co_filename.startswith(OURS):
            return
        self.calls += 1
        if self.calls == self._number or frame.f_code.co_name == self._name:
            sys.settrace(None)
            interrupt()


def main() -> None:
    moment = sys.argv[1]
    sys.argv[:2] = ["smarterproctoring"]
    if moment.isdecimal() or moment.endswith("()"):
        counter = AtCall(moment)
        if "CALLS" in os.environ:
            atexit.register(lambda: Path(os.environ["CALLS"]).write_text(str(counter.calls)))
        sys.settrace(counter.trace)
    else:
        sys.meta_path.insert(0, AtImport(moment))
    runpy.run_module("smarterproctoring.cli", run_name="__main__", alter_sys=False)


if __name__ == "__main__":
    main()
