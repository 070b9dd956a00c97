"""The display of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest
from smarterproctoring_bulk.progress import Bar, Lines, described, progress


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_counts_are_said_by_outcome_in_one_order() -> None:
    assert described({}) == "none yet"
    assert described({"gave_up": 1, "ok": 2390, "invalid": 0}, 12) == "2,390 ok, 1 gave up; 12 retries"


def test_lines_come_every_few_seconds_with_rate_and_time_left() -> None:
    clock, stream = Clock(), io.StringIO()
    with Lines(1000, 100, stream, clock) as shown:
        for second in range(1, 13):
            clock.now += 1
            shown.update({"ok": 100 + 20 * second - 1, "rejected": 1}, second)
        shown.say("the API asks to slow down")
    assert stream.getvalue().splitlines() == [
        "200 of 1,000 rows (20%), 20.0 rows/s, 0:00:40 left: 199 ok, 1 rejected; 5 retries",
        "300 of 1,000 rows (30%), 20.0 rows/s, 0:00:35 left: 299 ok, 1 rejected; 10 retries",
        "the API asks to slow down",
        "340 of 1,000 rows (34%), 20.0 rows/s, 0:00:33 left: 339 ok, 1 rejected; 12 retries",
    ]


def test_the_rate_of_lines_forgets_what_is_long_past() -> None:
    clock, stream = Clock(), io.StringIO()
    shown = Lines(100_000, 0, stream, clock)
    for second in range(0, 300, 5):
        clock.now += 5
        shown.update({"ok": min(second, 100) * 10})
    assert "1,000 of 100,000 rows (1%), 0.0 rows/s: 1,000 ok" in stream.getvalue().splitlines()[-1]


@pytest.mark.parametrize("total", [0, 3])
def test_a_run_with_nothing_left_to_do(total: int) -> None:
    stream = io.StringIO()
    with progress(total, total, stream) as shown:
        shown.update({"ok": total})
    assert stream.getvalue().startswith(f"{total} of {total} rows (100%), 0.0 rows/s")


def test_the_stream_decides() -> None:
    assert isinstance(progress(1, stream=io.StringIO()), Lines)
    ours, theirs = pty.openpty()
    with os.fdopen(ours), os.fdopen(theirs, "w") as terminal, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "dumb")
        assert isinstance(progress(1, stream=terminal), Lines)
        patch.setenv("TERM", "xterm")
        with progress(1, stream=terminal) as shown:
            assert isinstance(shown, Bar)


RUN = """
import time
from smarterproctoring_bulk.progress import progress
with progress(10_000, 2_000) as shown:
    for step in range(1, 9):
        time.sleep(0.11)
        shown.update({"ok": 2_000 + 100 * step, "rejected": step}, 2 * step)
        if step == 4:
            shown.say("the API asks to slow down")
"""


@pytest.mark.slow
@pytest.mark.parametrize("columns", [100, 60])
def test_the_bar_on_a_real_terminal(columns: int) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", RUN], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    written = b""
    try:
        while block := os.read(ours, 4096):
            written += block
    except OSError:
        pass  # the terminal is gone: the process has ended
    finally:
        os.close(ours)
        assert process.wait() == 0
    text = re.sub(r"\x1b\[A", "", written.decode())
    drawn = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    assert max(map(len, drawn)) < columns
    assert "the API asks to slow down" in drawn
    assert re.match(r" 28%\|.*\| 2,808/10,000 +[\d.]+ rows/s, \d\d:\d\d left", drawn[-2])
    assert drawn[-1].strip() == "2,800 ok, 8 rejected; 16 retries"
