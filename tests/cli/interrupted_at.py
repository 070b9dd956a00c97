"""The command line, interrupted at a given moment.

`python interrupted_at.py MODULE COMMAND…` is interrupted when it imports a module, and `python interrupted_at.py
'FUNCTION()' COMMAND…` at the first call of one of the project's functions. A process that has imported all modules is
interrupted by `interrupt_at`: when a number of functions of the project were called, or at the first call of
`FUNCTION()`.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from multiprocessing.util import Finalize
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


def interrupt_at(moment: str, calls: Path | None = None) -> None:
    """Interrupt this process at a call; write how many there were in all, if it ends without."""
    counter = AtCall(moment)
    if calls is not None:
        Finalize(None, lambda: calls.write_text(str(counter.calls)), exitpriority=0)
    sys.settrace(counter.trace)


def main() -> None:
    if sys.argv[1].endswith("()"):
        interrupt_at(sys.argv[1])
    else:
        sys.meta_path.insert(0, AtImport(sys.argv[1]))
    sys.argv[:2] = ["smarterproctoring"]
    runpy.run_module("smarterproctoring.cli", run_name="__main__", alter_sys=False)


if __name__ == "__main__":
    main()
