"""What docs/how-to/observe.md shows and lists: the printed trace, and every name of a field."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from docs.quotes import ROOT, Mask, blocks, quoted, same
from smarterproctoring import fields

PAGE = "docs/how-to/observe.md"
PORT = Mask(r"(?<=server\.port: )\d+", "PORT")
METRICS = {"smarterproctoring.call.duration", "smarterproctoring.calls"}
"""Names that are no field; the third metric has the name of one."""
MODULES = {"smarterproctoring.otel"}


def test_the_trace_is_what_the_program_prints(tmp_path: Path) -> None:
    (program,) = [block.text for block in blocks(PAGE) if block.text.startswith("# trace_call.py\n")]
    (tmp_path / "trace_call.py").write_text(program, encoding="utf-8")
    command = [sys.executable, "trace_call.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (quote,) = quoted("docs/how-to/observe.md", "python trace_call.py")
    same(quote, done.stdout, PORT)


def test_the_page_lists_every_field_and_no_other() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    prose = re.sub(r"(?ms)^```.*?^```$", "", text)
    known = {value for name, value in vars(fields).items() if name.isupper()}
    named = set(re.findall(r"`((?:smarterproctoring|http|url|error|server)\.[a-z_.]+)`", prose))
    assert named - METRICS - MODULES - {"url.full"} == known
