"""Rehearse a release on loopback, from the gates to a downstream service, and print the result of each step.

    tools/rehearse.py

It releases a commit in a clone: everything in this checkout, committed or not, with the
CHANGELOG's entry dated today. Only caches change here, and nothing leaves the machine: the package goes to a
private index on loopback, and dependencies come from one that holds the locked ones.

Exit codes: 0 the release would go through; 1 a step failed, and its output is printed.
"""

from __future__ import annotations

import datetime
import re
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import release_record
from baseline import PROJECT, version_of
from loopback import (
    BIN,
    LOGIN,
    PACKAGE,
    PASSWORD,
    USERNAME,
    UV,
    Done,
    Index,
    check,
    make,
    running_index,
    wheels,
)
from packages import CLIENT
from redocly import ROOT, ToolError

# Long ones first, because two run concurrently. `make test` is left to CI: it takes longer than all of this.
GATES = (
    "typecheck",
    "contract",
    "check-generated",
    "lint-spec",
    "lint-workflows",
    "diff-api",
    "diff-spec",
    "lint",
)
AT_A_TIME = 2


class Step(NamedTuple):
    """The result of a step: its name, its seconds, whether it passed, and its output."""

    name: str
    seconds: float
    well: bool
    words: str


class Rehearsal:
    """The steps so far."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def take(self, name: str, action: Callable[[], str]) -> None:
        """Run a step, and print its result.

        Args:
            name: What the summary calls it.
            action: Runs it and returns its line in the summary. It fails by raising a ToolError.
        """
        started = time.monotonic()
        try:
            well, words = True, action()
        except ToolError as error:
            well, words = False, str(error)
        step = Step(name, time.monotonic() - started, well, words)
        self.steps.append(step)
        print(
            f"{'ok' if well else 'FAILED':<7}{name} ({step.seconds:.1f} s)", flush=True
        )
        if not well:
            print(words, file=sys.stderr, flush=True)

    def together(self, *steps: tuple[str, Callable[[], str]]) -> None:
        """Run steps, some of them concurrently. Exceptions other than ToolError are raised."""
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for done in [pool.submit(self.take, *step) for step in steps]:
                done.result()

    @property
    def well(self) -> bool:
        """Whether no step failed."""
        return all(step.well for step in self.steps)

    def summary(self) -> Iterator[str]:
        """Yield the lines of a table."""
        width = max(len(step.name) for step in self.steps)
        for name, seconds, well, words in self.steps:
            first = (
                textwrap.shorten(words.partition("\n")[0], 100, placeholder=" …")
                if well
                else ""
            )
            yield f"{'ok' if well else 'FAILED':<7}{name:<{width}}{seconds:7.1f} s  {first}".rstrip()


# -- what is released -------------------------------------------------------------------------------------------------


def candidate(tree: Path, version: str) -> str:
    """Make a clone in which the content of this checkout is committed, as if it were released today.

    Raises:
        ToolError: This is not a git checkout.
    """
    check(
        ["git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(tree)]
    )
    check(
        [
            "git",
            "--git-dir",
            str(tree / ".git"),
            "--work-tree",
            str(ROOT),
            "add",
            "--all",
        ],
        ROOT,
    )
    check(["git", "config", "user.name", "Rehearsal"], tree)
    check(["git", "config", "user.email", "rehearsal@localhost"], tree)
    commit(tree, "The content of the checkout")
    check(["git", "reset", "--quiet", "--hard"], tree)
    changelog = tree / "CHANGELOG.md"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    heading = rf"(?m)^## \[{re.escape(version)}\] - unreleased$"
    changelog.write_text(
        re.sub(heading, f"## [{version}] - {today}", changelog.read_text())
    )
    check(["git", "add", "CHANGELOG.md"], tree)
    commit(tree, f"Release {version}")
    # The differ is installed here; a link to it must not make the clone's tree dirty.
    (tree / ".git" / "info" / "exclude").write_text("node_modules\n")
    (tree / "node_modules").symlink_to(ROOT / "node_modules")
    check(["git", "tag", f"v{version}"], tree)
    return f"{version} in a clone, tagged and dated {today}"


def commit(tree: Path, message: str) -> None:
    """Commit what is in a tree's index."""
    check(["git", "commit", "--quiet", "--allow-empty", "--message", message], tree)


# -- the steps --------------------------------------------------------------------------------------------------------


def made(tree: Path, target: str, *arguments: str, **variables: str) -> str:
    """Run a make target that has to succeed; return the last line of its output.

    Raises:
        ToolError: It failed.
    """
    done = make(tree, target, *arguments, **variables)
    if done.code:
        raise ToolError(done.output)
    return next(
        (
            line.strip(" =")
            for line in reversed(done.output.splitlines())
            if line.strip(" =")
        ),
        "",
    )


def built_twice(tree: Path) -> str:
    """Build in the tree and in another folder, where the bytes must be the same; return their digests.

    Raises:
        ToolError: The package is not fit to be published, or the two differ.
    """
    made(tree, "check-package")
    files = release_record.read(tree / "dist").files
    return ", ".join(
        f"{name.removeprefix(f'{release_record.STEM}-')} {digest[:12]}…"
        for name, digest in files.items()
    )


def refused(done: Done, words: str) -> str:
    """Return why a release was refused.

    Raises:
        ToolError: It was not, or for another reason.
    """
    reasons = [
        line for line in done.output.splitlines() if line.startswith("refused: ")
    ]
    if (
        done.code
        and "Nothing was uploaded." in done.output
        and len(reasons) == 1
        and words in reasons[0]
    ):
        return reasons[0].removeprefix("refused: ")
    raise ToolError(f"this should have been refused because {words!r}:\n{done.output}")


def refused_for(done: Done, words: str) -> str:
    """Return the one of several reasons for a refusal that holds the words.

    Raises:
        ToolError: It was not refused, or for other reasons only.
    """
    reasons = [
        line
        for line in done.output.splitlines()
        if line.startswith("refused: ") and words in line
    ]
    if done.code and "Nothing was uploaded." in done.output and reasons:
        return reasons[0].removeprefix("refused: ")
    raise ToolError(f"this should have been refused because {words!r}:\n{done.output}")


def dirty(tree: Path, **variables: str) -> str:
    """Publish from a tree that holds more than its commit."""
    stray = tree / "stray.py"
    stray.touch()
    try:
        return refused(make(tree, "publish", **variables), "the tree is dirty")
    finally:
        stray.unlink()


def without_tags(tree: Path, **variables: str) -> str:
    """Publish the next version from a clone that has not fetched the tag of what the index holds."""
    clone = tree.with_name("no-tags")
    check(["git", "clone", "--quiet", "--no-tags", f"file://{tree}", str(clone)])
    project = clone / PROJECT
    version = version_of(clone)
    project.write_text(
        project.read_text().replace(
            f'\nversion = "{version}"', '\nversion = "9999.0.0"'
        )
    )
    return refused_for(
        make(clone, "publish-dry-run", **variables), "the tag is missing here"
    )


def changed_byte(tree: Path, **variables: str) -> str:
    """Publish a wheel of which one byte was changed since the gates judged it."""
    (wheel,) = (tree / "dist").glob(f"{CLIENT.stem}-*.whl")
    content = wheel.read_bytes()
    wheel.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        return refused(
            make(tree, "publish", **variables), "other bytes than the gates judged"
        )
    finally:
        wheel.write_bytes(content)


def proven_again(tree: Path, version: str, **variables: str) -> str:
    """Verify the statement offline, and prove from it and the record what the index holds."""
    own = f"PUBLISH={BIN.parent}"
    made(tree, "verify-release", own)
    return made(tree, "prove-release", own, f"VERSION={version}", **variables)


def installed(folder: Path, index: Index, version: str) -> str:
    """Install the release by pip from the index, which knows where dependencies are, and make one call.

    Raises:
        ToolError: It cannot be installed, or does not work.
    """
    netrc = folder / "netrc"
    netrc.touch(mode=0o600)
    netrc.write_text(f"machine 127.0.0.1 login {USERNAME} password {PASSWORD}\n")
    check([UV, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")])
    python = str(folder / "venv" / "bin" / "python")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--index-url",
        index.url,
    ]
    check([*pip, f"{PACKAGE}[bulk,mock]=={version}"], NETRC=str(netrc))
    return check([python, "-I", str(ROOT / "tools" / "first_call.py"), version]).strip()


def downstream(index: Index, tests: str) -> str:
    """Run tests of the example service against the release; return how many passed.

    Args:
        index: Where it was published; the tests serve its folder again.
        tests: Which ones, as pytest's `-k` has it.

    Raises:
        ToolError: One failed.
    """
    pytest = [
        str(BIN / "pytest"),
        "-q",
        "-n",
        "0",
        "tests/package/test_downstream.py",
        "-k",
        tests,
    ]
    return check(pytest, ROOT, RELEASED=str(index.folder)).strip().splitlines()[-1]


# -- all of it --------------------------------------------------------------------------------------------------------


def rehearse(rehearsal: Rehearsal, folder: Path, version: str) -> None:
    """Run all steps, up to the first group of them in which one failed."""
    take, tree = rehearsal.take, folder / "tree"
    take("candidate", partial(candidate, tree, version))
    if not rehearsal.well:
        return
    rehearsal.together(
        ("built twice", partial(built_twice, tree)),
        *((gate, partial(made, ROOT, gate)) for gate in GATES),
        (
            "dependencies",
            lambda: f"{sum(1 for _ in wheels().iterdir())} locked wheels downloaded",
        ),
    )
    if not rehearsal.well:
        return
    with (
        running_index(wheels(), "--open") as outside,
        running_index(folder / "index", "--fallback", outside.url) as private,
    ):
        to = {"INDEX_URL": private.url, "DEPENDENCIES_URL": outside.url, **LOGIN}
        wrong = {**to, "UV_PUBLISH_PASSWORD": "mistyped"}
        take("refused: dirty tree", partial(dirty, tree, **to))
        take(
            "refused: wrong password",
            lambda: refused(make(tree, "publish", **wrong), "does not know this name"),
        )
        take("refused: changed byte", partial(changed_byte, tree, **to))
        take("published", partial(made, tree, "publish", **to))
        if rehearsal.well:
            again = partial(make, tree, "publish", **to)
            rehearsal.together(
                ("downstream: service", partial(downstream, private, "service")),
                ("downstream: stranger", partial(downstream, private, "not service")),
                ("proven again", partial(proven_again, tree, version, **to)),
                ("refused: no tags", partial(without_tags, tree, **to)),
                (
                    "refused: once more",
                    lambda: refused(again(), "is on the index already"),
                ),
                ("installed by pip", partial(installed, folder, private, version)),
            )


def main() -> int:
    """Rehearse; return the exit code."""
    started = time.monotonic()
    version = version_of(ROOT)
    rehearsal = Rehearsal()
    with tempfile.TemporaryDirectory(
        prefix="rehearsal-", ignore_cleanup_errors=True
    ) as folder:
        rehearse(rehearsal, Path(folder), version)
    print(f"\n{PACKAGE} {version}: rehearsal of its release")
    print("\n".join(rehearsal.summary()))
    outcome = (
        "it can be released" if rehearsal.well else "it cannot be released; see above"
    )
    print(f"{outcome} ({time.monotonic() - started:.0f} s)")
    return int(not rehearsal.well)


if __name__ == "__main__":
    sys.exit(main())
