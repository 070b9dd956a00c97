"""Reads a Parquet file once for nothing, in a process that may die of it.

Damaged values let the reader's Rust code panic in a function of C's convention, and that aborts the whole process: no
`except` sees it. So this program reads a file before the process that needs it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def survives(path: Path, rows: int) -> bool:
    """Tell whether reading a Parquet file leaves the process alive, by a process of its own that reads it.

    Args:
        path: The file.
        rows: How many rows are read at once.
    """
    command = [sys.executable, "-P", "-m", __name__, str(path.absolute()), str(rows)]
    trial = subprocess.run(  # noqa: S603 - our own program
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    # 1 is an exception: reading here raises it too, unless only that process lacks a package.
    return trial.returncode in (0, 1)


def main() -> None:
    """Read the file that the command line names."""
    from arro3.io import read_parquet  # noqa: PLC0415 - only the process of its own reads

    path, rows = sys.argv[1:]
    for batch in read_parquet(path, batch_size=int(rows)):
        for index in range(batch.num_columns):
            batch.column(index).to_pylist()


if __name__ == "__main__":
    main()
