"""Generates into a temporary folder, compares, and replaces the old folder."""

from __future__ import annotations

import difflib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spec_model import GenerationError, Spec

from generator.checking import check
from generator.output import write_output
from generator.upstream import PACKAGE

MAX_LINES = 80
"""How many lines of the differences are shown."""


def build(spec_path: Path, config_path: Path, aside: Path) -> Path:
    """Generate and check; return the new folder.

    Raises:
        GenerationError: The spec, the settings or the output cannot be used.
    """
    made = aside / "generated"
    made.mkdir()
    spec = Spec(spec_path)
    write_output(spec, config_path, made)
    check(spec, made)
    return made


def compare(spec_path: Path, config_path: Path, target: Path) -> str:
    """Generate into a temporary folder and compare; return the message to print.

    Raises:
        GenerationError: Generation failed, or the folder is not what the spec says.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as aside:
        made = build(spec_path, config_path, Path(aside))
        changes = list(differences(made, target))
    if changes:
        raise GenerationError(
            "\n".join(changes[:MAX_LINES]) + "\n\ngenerated/ is not what the spec says."
        )
    return "generated/ is exactly what the spec says"


def replace(spec_path: Path, config_path: Path, target: Path) -> str:
    """Generate into a temporary folder, and swap if anything differs; return the message to print.

    Raises:
        GenerationError: Generation failed, or the folder holds files that are not tool output.
    """
    lock = os.open(target.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however that ends
        restore(target)
        check_ours(target)
        prefix = f".{target.name}.new-"
        for litter in target.parent.glob(
            f"{prefix}*"
        ):  # of a run that was killed: it holds no lock any more
            shutil.rmtree(litter, ignore_errors=True)
        # Next to the target, so that the swap is a rename on one file system.
        with tempfile.TemporaryDirectory(
            prefix=prefix, dir=target.parent, ignore_cleanup_errors=True
        ) as aside:
            made = build(spec_path, config_path, Path(aside))
            if target.exists() and not any(differences(made, target)):
                return "generated/ is unchanged"
            swap(made, target)
            return "generated/ was replaced; now: git add -A generated && git diff --cached --stat"
    finally:
        os.close(lock)


def check_ours(target: Path) -> None:
    """Refuse to replace a folder that is not tool output.

    Raises:
        GenerationError: It holds something else.
    """
    if not target.exists() or any(
        (target / name).exists() for name in (PACKAGE, "PROVENANCE.json")
    ):
        return
    if not target.is_dir() or any(target.iterdir()):
        raise GenerationError(
            f"{target} holds files that are not tool output and would be lost; move them away"
        )


def differences(made: Path, committed: Path) -> Iterator[str]:
    """Yield what differs between two folders, line by line, new and missing files included."""
    new = file_bytes(made)
    old = file_bytes(committed)
    for name in sorted(new.keys() | old.keys()):
        if name not in old:
            yield f"missing: generated/{name}"
        elif name not in new:
            yield f"does not belong there: generated/{name}"
        elif new[name] != old[name]:
            yield from difflib.unified_diff(
                old[name].decode(errors="replace").splitlines(),
                new[name].decode(errors="replace").splitlines(),
                f"generated/{name} (committed)",
                f"generated/{name} (from the spec)",
                lineterm="",
                n=1,
            )


def file_bytes(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder, by their paths in it."""
    paths = [
        path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts
    ]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if path.is_file()
    }


def swap(made: Path, target: Path) -> None:
    """Put the new folder in place by renaming; put the old one back if that fails."""
    # It takes milliseconds, and must not stop halfway.
    before = {
        number: signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    old = kept(target)
    try:
        if target.exists():
            target.rename(old)
        try:
            made.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    shutil.rmtree(old, ignore_errors=True)


def kept(target: Path) -> Path:
    """Return where the old folder is while the new one takes its place, so that a killed run loses nothing."""
    return target.with_name(f".{target.name}.old")


def restore(target: Path) -> None:
    """Put back what a run that was killed between the two renames of `swap` had put aside."""
    old = kept(target)
    if old.exists():
        if target.exists():  # the second rename was done, only the cleaning up was not
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(target)
