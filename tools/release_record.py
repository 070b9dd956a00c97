"""The record of the built files that the gates judged: which commit, which version, and each file's SHA-256.

    tools/release_record.py       prints the record's own digest as `judged=…`, and gives it to GitHub's next jobs

`make check-package` writes it as dist/judged.json when every check has passed. `make publish` takes only files whose
bytes it names. Nothing in it depends on the time or the machine: the same commit gives the same record.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = "judged.json"
STATEMENT = ".intoto.jsonl"  # how the name of a statement about the files ends: tools/attestation.py
STEM = "smarterproctoring_client"
DISTRIBUTIONS = (".whl", ".tar.gz", ".zip", ".egg")


class RefusedError(Exception):
    """Publishing is refused; each problem says what is wrong and how to fix it."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Record:
    """What was judged."""

    version: str
    commit: str | None
    """None if the tree was not exactly a commit."""
    files: dict[str, str]
    """The SHA-256 of each file, in hexadecimal, by its name."""

    @property
    def distributions(self) -> list[str]:
        """Names of the files that an index takes."""
        return [name for name in self.files if name.endswith(DISTRIBUTIONS)]


def sha256(content: bytes) -> str:
    """Return the digest in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def is_companion(name: str) -> bool:
    """Tell whether a file of dist/ describes the built files."""
    return name == RECORD or name.endswith(STATEMENT)


def clean_commit(root: Path) -> str | None:
    """Return the commit of a tree without changes; None if it is changed, or not a git checkout."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", root, *arguments],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            return None
        return None if done.returncode else done.stdout.strip()

    top = git("rev-parse", "--show-toplevel")
    if top is None or Path(top) != root.resolve() or git("status", "--porcelain") != "":
        return None
    return git("rev-parse", "HEAD")


def write(dist: Path, root: Path, version: str) -> Record:
    """Record the files of a folder as judged.

    Args:
        dist: The folder; its record is replaced.
        root: The tree that they were built from.
        version: Their version.
    """
    built = sorted(file for file in dist.iterdir() if not is_companion(file.name))
    files = {file.name: sha256(file.read_bytes()) for file in built}
    record = Record(version, clean_commit(root), files)
    (dist / RECORD).write_text(
        json.dumps(asdict(record), indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    return record


def read(dist: Path) -> Record:
    """Read the record of a folder.

    Raises:
        RefusedError: There is none, or it is not one.
    """
    file = dist / RECORD
    again = "Run: make check-package"
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise RefusedError(
            f"{file.parent.name}/{RECORD} is missing, so these files were not judged. {again}"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise RefusedError(
            f"{file.parent.name}/{RECORD} cannot be read: {error}. {again}"
        ) from None
    match found:
        case {
            "version": str(version),
            "commit": str() | None as commit,
            "files": dict(files),
        } if all(
            isinstance(name, str)
            and isinstance(digest, str)
            and Path(name).name == name
            for name, digest in files.items()
        ):
            return Record(version, commit, files)
        case _:
            pass
    raise RefusedError(
        f"{file.parent.name}/{RECORD} is not a record of judged files. {again}"
    )


def changes(dist: Path, record: Record) -> Iterator[str]:
    """Yield the differences between a folder and its record."""
    for name, expected in sorted(record.files.items()):
        file = dist / name
        if not file.is_file():
            yield f"{dist.name}/{name} is missing, but is in the record. Run: make check-package"
        elif sha256(file.read_bytes()) != expected:
            yield f"{dist.name}/{name} has other bytes than the gates judged. Run: make check-package"
    for file in sorted(dist.iterdir()):
        if file.name not in record.files and not is_companion(file.name):
            yield f"{dist.name}/{file.name} is not a file that the gates judged. Run: make check-package"


def main() -> int:
    """Run the command line; return the exit code."""
    dist = ROOT / "dist"
    try:
        read(dist)
    except RefusedError as refused:
        print(f"error: {refused}", file=sys.stderr)
        return 1
    line = f"judged={sha256((dist / RECORD).read_bytes())}"
    print(line)
    if output := os.environ.get("GITHUB_OUTPUT"):
        with Path(output).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
