"""Publish the distributions to an index, and prove that they can be installed from there.

    tools/publish.py              check, build again, upload, prove
    tools/publish.py --dry-run    check and build again, and say what would be done
    tools/publish.py --resume     continue an upload that was interrupted
    tools/publish.py --built      upload dist/ as it was judged elsewhere: no build, no comparison with the last
                                  release, no proof by installing (the workflow `release` has jobs for these)

It uploads only the files of dist/ that `make check-package` has judged (dist/judged.json).

Its settings come from the environment, so that no secret is in a command line:

    INDEX_URL               the simple index that installers read, for instance https://packages.example.com/simple/
    UPLOAD_URL              where files are sent; INDEX_URL without its last part by default
    DEPENDENCIES_URL        the simple index for the dependencies in the proof; the public one by default
    UV_PUBLISH_USERNAME     who publishes, with UV_PUBLISH_PASSWORD, or with what `keyring` keeps for INDEX_URL
    UV_PUBLISH_TOKEN        a token in place of both
    RELEASE_SIGNING_KEY     an Ed25519 private key (PEM) that signs the statement about the files; unsigned without it
    JUDGED_SHA256           the digest of dist/judged.json that the gates gave; another record is refused

Exit codes: 0 done; 1 refused, nothing was uploaded; 2 the upload failed, and the index lists nothing of it; 3 something
was or may have been uploaded, and the message says what to do.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import attestation
import baseline
import release_record
from baseline import PACKAGE_VERSION, SPEC_VERSION, version_of
from packages import DISTRIBUTIONS
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version
from redocly import ToolError
from release_record import Record, RefusedError, sha256
from simple_index import PACKAGE, Credentials, Index, Listing, origin

ROOT = Path(__file__).resolve().parent.parent
PROVEN_EXTRAS = ("cli", "fast")  # what bulk asks of the client
# Each is called with --base TAG: 0 the version is high enough, 1 too low, else no verdict.
PLACE = f"{PACKAGE_VERSION} and run: make generate"
JUDGED = {
    "spec_diff.py": f"{SPEC_VERSION} in the spec and run: make generate",
    "api_diff.py": PLACE,
}
INDEX_DELAY = 60.0  # seconds; some indexes list an upload only after a while
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ProofFailedError(Exception):
    """The index gives other files than those judged, or they do not work: the version has to be withdrawn."""


@dataclass(frozen=True)
class Settings:
    """Where to publish, checked."""

    index_url: str
    upload_url: str
    dependencies_url: str
    """Empty for the public index."""


def say(step: str, text: str) -> None:
    """Print one line of progress."""
    print(f"{step:<10}{text}", flush=True)


# -- where to, and as whom --------------------------------------------------------------------------------------


def checked_url(name: str, url: str) -> str:
    """Return a URL that ends in a slash.

    Raises:
        RefusedError: It is not a URL, holds a password, or would send one unencrypted.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise RefusedError(
            f"{name} must be a URL such as https://packages.example.com/simple/"
        ) from None
    if parts.username is not None or parts.password is not None:
        raise RefusedError(
            f"{name} holds a user name or a password, which process lists and logs would show. "
            "Take it out, and set UV_PUBLISH_USERNAME and UV_PUBLISH_PASSWORD"
        )
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
    ):
        raise RefusedError(
            f"{name} must be a URL such as https://packages.example.com/simple/, without ? and #"
        )
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise RefusedError(
            f"{name} would send the password unencrypted to {parts.hostname}. Use https"
        )
    return url.rstrip("/") + "/"


def settings() -> Settings:
    """Read where to publish from the environment.

    Raises:
        RefusedError: A URL is missing or invalid.
    """
    given = os.environ.get("INDEX_URL", "")
    if not given:
        raise RefusedError(
            "INDEX_URL is missing. Run: make publish INDEX_URL=https://packages.example.com/simple/"
        )
    index_url = checked_url("INDEX_URL", given)
    target = os.environ.get("UPLOAD_URL", "")
    dependencies = os.environ.get("DEPENDENCIES_URL", "")
    return Settings(
        index_url,
        checked_url("UPLOAD_URL", target) if target else upload_url(index_url),
        checked_url("DEPENDENCIES_URL", dependencies) if dependencies else "",
    )


def upload_url(index_url: str) -> str:
    """Return where an index takes uploads, as most do it: one level above its simple index."""
    above, _, last = index_url.rstrip("/").rpartition("/")
    if last not in ("simple", "+simple"):
        raise RefusedError(
            "INDEX_URL does not end in /simple/, so it does not say where uploads go. Set UPLOAD_URL"
        )
    return above + "/"


def credentials(index_url: str) -> Credentials | None:
    """Return the credentials from the environment or the keyring; None if the environment names nobody.

    Raises:
        RefusedError: A name without a password.
    """
    if token := os.environ.get("UV_PUBLISH_TOKEN"):
        return Credentials("__token__", token)
    username, password = (
        os.environ.get("UV_PUBLISH_USERNAME"),
        os.environ.get("UV_PUBLISH_PASSWORD"),
    )
    if not username:
        if password:
            raise RefusedError(
                "UV_PUBLISH_PASSWORD is set without a name. Set UV_PUBLISH_USERNAME too"
            )
        return None
    if not password and (keyring := shutil.which("keyring")):
        found = subprocess.run(
            [keyring, "get", index_url, username],
            capture_output=True,
            text=True,
            check=False,
        )
        password = found.stdout.rstrip("\n")
    if not password:
        raise RefusedError(
            f"there is no password for {username}. Set UV_PUBLISH_PASSWORD, "
            f"or store it once: keyring set {index_url} {username}"
        )
    return Credentials(username, password)


def child_environment(**more: str) -> dict[str, str]:
    """Return an environment without make's flags, any setting of uv, pip or Python, and any secret of a release."""
    keep = ("UV_CACHE_DIR", "UV_NO_CACHE", "UV_SYSTEM_CERTS", "UV_PYTHON_DOWNLOADS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in keep
        or not name.startswith(
            ("UV_", "PIP_", "PYTHON", "MAKE", "MFLAGS", "VIRTUAL_ENV", "RELEASE_")
        )
    }
    return {
        **kept,
        "UV_NO_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }


def uv() -> str:
    """Return the locked uv."""
    return str(Path(sys.executable).with_name("uv"))


# -- what is to be published ------------------------------------------------------------------------------------


def git(*arguments: str) -> str:
    """Run git in this checkout and return what it prints.

    Raises:
        RefusedError: git failed.
    """
    try:
        return baseline.git(ROOT, *arguments).strip()
    except ToolError as error:
        raise RefusedError(f"publish from a git checkout: {error}") from None


def tree_version() -> Version:
    """Read the version of the package.

    Raises:
        RefusedError: There is none.
    """
    try:
        return Version(version_of(ROOT))
    except (ToolError, InvalidVersion) as error:
        raise RefusedError(str(error)) from None


def tree_problems(version: Version, *, compare: bool, tagged: bool) -> Iterator[str]:
    """Yield what is wrong with the checkout: its state, its tags, its words, its version.

    Args:
        version: What pyproject.toml says.
        compare: Whether to compare with the last release that git knows.
        tagged: Whether the commit has to bear the version's tag by now.
    """
    if changes := git("status", "--porcelain"):
        shown = "\n    ".join(changes.splitlines()[:10])
        yield f"the tree is dirty, so no commit says what would be published. Commit or stash:\n    {shown}"
    if not re.fullmatch(r"\d+\.\d+\.\d+", str(version)):
        yield f"{version} is not MAJOR.MINOR.PATCH: pre-releases are not published. Change {PLACE}"
    yield from changelog_problems((ROOT / "CHANGELOG.md").read_text(), version)
    if git("rev-parse", "--is-shallow-repository") == "true":
        yield "the history is cut off, so the last release is not known. Run: git fetch --unshallow --tags"
        return
    tag = f"v{version}"
    here = git("tag", "--points-at", "HEAD", "--list", "v*").split()
    if here and tag not in here:
        yield f"this commit is tagged {', '.join(here)}, and pyproject.toml says {version}. Tag the right commit {tag}"
    elif not here and git("tag", "--list", tag):
        yield f"{tag} marks another commit: {version} was released from there. Raise {PLACE}"
    elif not here and tagged:
        yield f"this commit has no tag, and only a tagged one is published. Run: git tag {tag} && git push origin {tag}"
    base = last_release(merged_tags(), version)
    if base is not None and base > version:
        yield f"v{base} has been released, and pyproject.toml says {version}. Raise {PLACE}"
    elif base is not None and compare:
        yield from bump_problems(f"v{base}", version)


def merged_tags() -> list[str]:
    """Return the release tags below HEAD."""
    return git("tag", "--merged", "HEAD", "--list", "v*").split()


def history_problems(
    version: Version, listing: Listing, *, compare: bool
) -> Iterator[str]:
    """Yield the versions on the index whose tags are missing here.

    Without the tag, the changes since that release are unknown.
    """
    tags = {*git("tag", "--list", "v*").split()}
    held = sorted(listing.versions - {version})
    if missing := [other for other in held if f"v{other}" not in tags]:
        names = ", ".join(str(other) for other in missing)
        wanted = " ".join(f"v{other}" for other in missing)
        yield (
            f"the index holds {names}, and the tag is missing here: {wanted}. So nobody can tell what changed since. "
            "Run: git fetch --tags (or git fetch --unshallow --tags)"
        )
        return
    by_git = last_release(merged_tags(), version)
    by_index = max(
        (other for other in held if other < version and not other.is_prerelease),
        default=None,
    )
    if by_index is None or (by_git is not None and by_git >= by_index):
        if by_git is None:
            say(
                "judged",
                "no release before this one, neither in git nor on the index: nothing to compare with",
            )
    elif compare:
        # Released from another branch: its tag is not below this commit.
        yield from bump_problems(f"v{by_index}", version)
    else:
        yield (
            f"the index holds {by_index}, and v{by_index} is not below this commit, so the gates did not compare with "
            "it. Publish by hand (make publish), or merge that release"
        )


def changelog_problems(text: str, version: Version) -> Iterator[str]:
    """Yield what is wrong with a version's entry."""
    entry = re.search(
        rf"(?ms)^## \[{re.escape(str(version))}\](?P<when>[^\n]*)\n(?P<body>.*?)(?=^## |\Z)",
        text,
    )
    heading = (
        f"## [{version}] - {datetime.datetime.now(datetime.UTC).date().isoformat()}"
    )
    if entry is None:
        yield f"CHANGELOG.md has no entry for {version}. Write one under `{heading}`"
        return
    try:
        datetime.date.fromisoformat(entry["when"].removeprefix(" - "))
    except ValueError:
        yield f"CHANGELOG.md does not say when {version} is released. Make its heading `{heading}`"
    if not entry["body"].strip():
        yield f"CHANGELOG.md says nothing about {version}. Write what changed for users"


def last_release(tags: Iterable[str], version: Version) -> Version | None:
    """Return the highest final version among release tags, this one aside."""
    found: list[Version] = []
    for tag in tags:
        try:
            found.append(Version(tag.removeprefix("v")))
        except InvalidVersion:
            continue  # another kind of tag
    return max(
        (other for other in found if other != version and not other.is_prerelease),
        default=None,
    )


def bump_problems(base: str, version: Version) -> Iterator[str]:
    """Yield it if what changed since a release demands a larger step than the version makes."""
    for judge, place in JUDGED.items():
        command = [sys.executable, f"tools/{judge}", "--base", base]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=child_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        said = "\n    ".join(f"{done.stdout}{done.stderr}".strip().splitlines())
        if done.returncode == 0:
            say("judged", f"{version} is a large enough step from {base} for {judge}")
        elif done.returncode == 1:
            yield f"the step from {base} to {version} is too small. Raise {place}:\n    {said}"
        else:
            yield f"tools/{judge} could not compare with {base}; fix what it reports:\n    {said}"


@contextmanager
def built() -> Generator[Path]:
    """Build what the last commit holds, and nothing else, by `make build` in a clone; gives the folder."""
    with tempfile.TemporaryDirectory(
        prefix="publish-", ignore_cleanup_errors=True
    ) as folder:
        clone = Path(folder, "tree")
        git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(clone))
        git(
            "-C",
            str(clone),
            "checkout",
            "--quiet",
            "--detach",
            git("rev-parse", "HEAD"),
        )
        environment = Path(sys.prefix)
        # -o: this environment is ready, however young the clone's files are.
        command = [
            "make",
            "-C",
            str(clone),
            "-o",
            str(environment / ".ready"),
            f"VENV={environment}",
            "build",
        ]
        done = subprocess.run(
            command,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RefusedError(
                f"the last commit does not build. Fix it until `make build` works:\n{done.stderr.strip()}"
            )
        yield clone / "dist"


def judged_files(version: Version) -> Record:
    """Check the files in dist/ and return their record.

    Raises:
        RefusedError: They are not those that the gates judged for this commit.
    """
    dist = ROOT / "dist"
    record = release_record.read(dist)
    problems = [*release_record.changes(dist, record)]
    expected = os.environ.get("JUDGED_SHA256", "")
    if expected and sha256((dist / release_record.RECORD).read_bytes()) != expected:
        problems.append(
            "dist/judged.json is not the record that the gates gave (JUDGED_SHA256). Run the release again"
        )
    if record.version != str(version):
        problems.append(
            f"dist/ holds {record.version}, and pyproject.toml says {version}. Run: make check-package"
        )
    elif record.commit != git("rev-parse", "HEAD"):
        problems.append(
            "the files in dist/ were not judged for this commit. Run: make check-package"
        )
    if not any(name.endswith(".whl") for name in record.files):
        problems.append("dist/ holds no wheel. Run: make check-package")
    if problems:
        raise RefusedError(*problems)
    return record


def rebuild_problems(record: Record, folder: Path) -> Iterator[str]:
    """Yield the differences between the judged files and those that the commit builds."""
    made = {
        file.name: sha256(file.read_bytes())
        for file in folder.iterdir()
        if file.is_file()
    }
    for name in sorted(record.files.keys() | made.keys()):
        if record.files.get(name) != made.get(name):
            yield f"dist/{name} is not what this commit builds. Run: make check-package"


def copies(record: Record, folder: Path) -> list[Path]:
    """Copy the judged distributions to a folder of this run; return the copies.

    Raises:
        RefusedError: One was changed since.
    """
    made: list[Path] = []
    for name in record.distributions:
        content = (ROOT / "dist" / name).read_bytes()
        if sha256(content) != record.files[name]:
            raise RefusedError(
                f"dist/{name} has other bytes than the gates judged. Run: make check-package"
            )
        copy = folder / name
        copy.write_bytes(content)
        made.append(copy)
    return made


# -- the index --------------------------------------------------------------------------------------------------


def missing_from(
    index: Index,
    listing: Listing,
    version: Version,
    expected: Mapping[str, str],
    *,
    resume: bool,
) -> list[str]:
    """Return the names of the files that are still to be uploaded.

    Args:
        index: For downloads of what is there.
        listing: What it lists.
        version: What is to be published.
        expected: The SHA-256 of each file by its name.
        resume: Whether a part of the version may be there.

    Raises:
        RefusedError: The version is there already, in whatever form.
    """
    there = listing.of(version)
    raise_it = f"A published version never changes: raise {PLACE}"
    if not there and version in listing.versions:
        raise RefusedError(
            f"the index says that it has {version}, and lists no file of it; they may have been deleted. {raise_it}"
        )
    for file in there:
        if file.name not in expected:
            raise RefusedError(
                f"{version} is on the index already, under another file name: {file.name}. {raise_it}"
            )
        if index.digest(file) != expected[file.name]:
            raise RefusedError(
                f"{version} is on the index already, with other bytes: {file.name}. {raise_it}"
            )
    names = {file.name for file in there}
    missing = [name for name in expected if name not in names]
    if not missing:
        raise RefusedError(
            f"{version} is on the index already, with the very same bytes. There is nothing to publish. "
            f"To prove that it can be installed: make prove-release VERSION={version}"
        )
    if there and not resume:
        raise RefusedError(
            f"a part of {version} is on the index already, with the same bytes; missing: "
            f"{', '.join(missing)}. To finish that upload: make publish RESUME=1"
        )
    return missing


def upload(files: list[Path], url: str, login: Credentials | None) -> None:
    """Send the files; the password travels in uv's environment.

    The client comes last, because its extras need the other distributions.

    Raises:
        RefusedError: The index did not take them.
    """
    secret = (
        {"UV_PUBLISH_USERNAME": login.username, "UV_PUBLISH_PASSWORD": login.password}
        if login
        else {}
    )
    command = [uv(), "publish", "--trusted-publishing", "never", "--publish-url", url]
    for distribution in reversed(DISTRIBUTIONS):
        own = [
            str(path) for path in files if path.name.startswith(f"{distribution.stem}-")
        ]
        if own:
            run([*command, *own], "the index did not take the upload", **secret)


def run(command: list[str], failure: str, **environment: str) -> str:
    """Run a tool and return its output; the error holds the output if it failed."""
    done = subprocess.run(
        command,
        cwd=tempfile.gettempdir(),  # so that no setting of this checkout counts
        env=child_environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = done.stdout.strip()
    for name, value in environment.items():
        if name.endswith("_PASSWORD"):
            said = said.replace(value, "***")
    if done.returncode:
        raise RefusedError(f"{failure}:\n    " + "\n    ".join(said.splitlines()))
    return said


# -- the proof --------------------------------------------------------------------------------------------------


def compare(index: Index, version: Version, expected: Mapping[str, str]) -> None:
    """Get every file of a version from the index, and compare the bytes.

    Args:
        index: Where from.
        version: Which.
        expected: The SHA-256 of each file by its name; the index must have these and no others.

    Raises:
        RefusedError: The index cannot be read, or does not list all files yet.
        ProofFailedError: The index gives other bytes or other files.
    """
    end = time.monotonic() + INDEX_DELAY
    while missing := expected.keys() - {
        file.name for file in index.listing().of(version)
    }:
        if time.monotonic() >= end:
            raise RefusedError(
                f"the index does not list {', '.join(sorted(missing))} after {INDEX_DELAY:g} s"
            )
        time.sleep(1)
    for file in index.listing().of(version):
        if file.name not in expected:
            raise ProofFailedError(
                f"the index has another file of {version}, which nobody judged: {file.name}"
            )
        if index.digest(file) != expected[file.name]:
            raise ProofFailedError(
                f"the index gives other bytes than were judged: {file.name}"
            )
    say("proof", "the index gives the same bytes that were built and judged")


def install_and_call(
    index: Index,
    version: Version,
    expected: Mapping[str, str],
    login: Credentials | None,
    dependencies: str,
) -> None:
    """Install what was published from the index alone, and make a call with it.

    Raises:
        RefusedError: It cannot be installed now.
        ProofFailedError: It was installed, and does not work.
    """
    with tempfile.TemporaryDirectory(
        prefix="proof-", ignore_cleanup_errors=True
    ) as folder:
        environment = Path(folder, "venv")
        python = str(environment / "bin" / "python")
        run(
            [uv(), "venv", "--quiet", "--python", sys.executable, str(environment)],
            "no environment could be made",
        )
        # First our own alone. One index is known, no cache is used, and only the built wheels' bytes fit.
        wheels = {
            parse_wheel_filename(name)[0]: digest
            for name, digest in expected.items()
            if name.endswith(".whl")
        }
        pinned = Path(folder, "packages.txt")
        pinned.write_text(
            "".join(
                f"{name}=={version} --hash=sha256:{sha}\n"
                for name, sha in wheels.items()
            )
        )
        install = [
            uv(),
            "pip",
            "install",
            "--quiet",
            "--python",
            python,
            "--only-binary",
            ":all:",
        ]
        alone = [
            "--no-deps",
            "--no-cache",
            "--require-hashes",
            "--default-index",
            f"release={index.url}",
        ]
        run(
            [*install, *alone, "--requirement", str(pinned)],
            "the version cannot be installed from the index",
            **(index_login("RELEASE", login)),
        )
        # Then what they ask for, by the installed metadata, from a place where they themselves do not count.
        wanted = Path(folder, "dependencies.txt")
        wanted.write_text(
            "".join(
                f"{line}\n" for line in installed_requirements(environment, [*wheels])
            )
        )
        source = (
            ["--default-index", f"dependencies={dependencies}"] if dependencies else []
        )
        known = (
            login
            if dependencies and origin(dependencies) == origin(index.url)
            else None
        )
        run(
            [*install, *source, "--requirement", str(wanted)],
            "the dependencies cannot be installed",
            **(index_login("DEPENDENCIES", known)),
        )
        try:
            run(
                [uv(), "pip", "check", "--quiet", "--python", python],
                "the dependencies do not fit together",
            )
            say(
                "proof",
                f"{', '.join(wheels)} {version}: installed from the index into an empty environment",
            )
            # -I: ignore this checkout and Python's environment variables, so that only the installed packages are used.
            call = [python, "-I", str(ROOT / "tools" / "first_call.py"), str(version)]
            say("proof", run(call, "the installed package does not work"))
        except RefusedError as refused:
            raise ProofFailedError(str(refused)) from None


def index_login(name: str, login: Credentials | None) -> dict[str, str]:
    """Return the variables by which uv gets a named index's credentials."""
    if login is None:
        return {}
    return {
        f"UV_INDEX_{name}_USERNAME": login.username,
        f"UV_INDEX_{name}_PASSWORD": login.password,
    }


def installed_requirements(environment: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield the requirements of the installed distributions, with the extras that the proof needs."""
    (site,) = (environment / "lib").glob("python*/site-packages")
    for name in names:
        (package,) = importlib.metadata.distributions(name=name, path=[str(site)])
        for text in package.requires or ():
            requirement = Requirement(text)
            marker = requirement.marker
            requirement.marker = None
            wanted = marker is None or any(
                marker.evaluate({"extra": extra}) for extra in PROVEN_EXTRAS
            )
            if wanted and canonicalize_name(requirement.name) not in names:
                yield str(requirement)


# -- the command line -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    dry_run: bool
    resume: bool
    built: bool


def publish(options: Options) -> int:
    """Check, upload and prove; return the exit code.

    Raises:
        RefusedError: Before anything was uploaded.
    """
    to = settings()
    key = attestation.signing_key(os.environ)
    version = tree_version()
    login: Credentials | None = None
    listing = Listing()
    record: Record | None = None
    problems = [
        *tree_problems(version, compare=not options.built, tagged=not options.dry_run)
    ]
    with ExitStack() as stack:
        # All problems are reported together, those of the tree and those of the index.
        try:
            login = credentials(to.index_url)
            index = stack.enter_context(Index(to.index_url, login))
            listing = index.listing()
            problems += history_problems(version, listing, compare=not options.built)
        except RefusedError as refused:
            raise RefusedError(*problems, *refused.problems) from None
        try:
            record = judged_files(version)
            missing = missing_from(
                index, listing, version, distributions(record), resume=options.resume
            )
        except RefusedError as refused:
            raise RefusedError(*problems, *refused.problems) from None
        if problems:
            raise RefusedError(*problems)
        if not options.built:
            made = stack.enter_context(built())
            if different := [*rebuild_problems(record, made)]:
                raise RefusedError(*different)
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="upload-"))
        )
        files = copies(record, folder)
        for path in files:
            say(
                "judged",
                f"{path.name}  sha256:{record.files[path.name]}  {path.stat().st_size:,} bytes",
            )
        who = login.username if login else "nobody (no credentials are set)"
        if options.dry_run:
            return describe(to, version, missing, who, signed=key is not None)
        stated = attestation.write(ROOT / "dist", record, f"v{version}", key, ROOT)
        say(
            "stated",
            f"dist/{stated.name}, {'signed' if key else 'not signed (RELEASE_SIGNING_KEY is not set)'}",
        )
        code = send(
            index,
            version,
            record,
            [path for path in files if path.name in missing],
            to,
            login,
        )
        if code is not None:
            return code
        code = proven(index, version, record, to, login, install=not options.built)
        if code:
            return code
    say("published", f"{PACKAGE} {version}")
    if options.built:
        say(
            "",
            f"not yet installed from there; for that: make prove-release VERSION={version}",
        )
    return 0


def distributions(record: Record) -> dict[str, str]:
    """Return the SHA-256 of each file that an index takes."""
    return {name: record.files[name] for name in record.distributions}


def describe(
    to: Settings, version: Version, missing: list[str], who: str, *, signed: bool
) -> int:
    """Say what would be done; return the exit code."""
    say("dry run", f"would upload {', '.join(missing)} to {to.upload_url} as {who}")
    say(
        "dry run",
        f"would state the commit of these files, {'signed' if signed else 'not signed'}",
    )
    say(
        "dry run",
        f"would install {version} from {to.index_url} into an empty environment, and make one call",
    )
    say(
        "dry run",
        f"would take the dependencies from {to.dependencies_url or 'the public index'}",
    )
    if f"v{version}" not in git("tag", "--points-at", "HEAD").split():
        say(
            "dry run",
            f"make publish will ask for the tag that is missing yet: git tag v{version}",
        )
    return 0


def send(
    index: Index,
    version: Version,
    record: Record,
    files: list[Path],
    to: Settings,
    login: Credentials | None,
) -> int | None:
    """Upload; return the exit code if that was the end, None if the index holds all files now."""
    names = ", ".join(path.name for path in files)
    who = login.username if login else "nobody"
    try:
        upload(files, to.upload_url, login)
    except RefusedError as failure:
        return after_failure(index, version, record, failure)
    say("uploaded", f"{names} to {to.upload_url} as {who}")
    return None


def after_failure(
    index: Index, version: Version, record: Record, failure: RefusedError
) -> int | None:
    """Check which files a failed upload has left on the index.

    The answer to an upload can be lost although the files have arrived.

    Returns:
        The exit code; None if the index holds exactly the files that were to be uploaded.
    """
    expected = distributions(record)
    print(f"error: {failure}", file=sys.stderr)
    try:
        there = index.listing().of(version)
        other = [
            file.name for file in there if expected.get(file.name) != index.digest(file)
        ]
    except RefusedError as unknown:
        print(
            f"error: {unknown}\nSo it is unknown which files of {version} were uploaded. Look at the index; then: "
            "make publish RESUME=1",
            file=sys.stderr,
        )
        return 3
    names = {file.name for file in there}
    missing = [name for name in expected if name not in names]
    if other:
        print(
            f"error: the index now has files of {version} that nobody judged: {', '.join(other)}. "
            "Withdraw (yank) this version, find out who uploaded them, and release the next one.",
            file=sys.stderr,
        )
        return 3
    if not missing:
        say(
            "uploaded",
            "the answer was lost or was an error, and yet the index holds all files with the same bytes",
        )
        return None
    if not there:
        print(
            f"The index lists nothing of {version} now. Fix what it says above and run the same command again; "
            "if the index lists files late, it then says what is there.",
            file=sys.stderr,
        )
        return 2
    print(
        f"A part of {version} was uploaded: {', '.join(sorted(names))}; missing: {', '.join(missing)}. "
        "To finish: make publish RESUME=1",
        file=sys.stderr,
    )
    return 3


def proven(
    index: Index,
    version: Version,
    record: Record,
    to: Settings,
    login: Credentials | None,
    *,
    install: bool,
) -> int:
    """Prove the upload; return the exit code."""
    expected = distributions(record)
    try:
        compare(index, version, expected)
        if install:
            install_and_call(index, version, expected, login, to.dependencies_url)
    except ProofFailedError as failure:
        print(
            f"error: {version} was uploaded, but the proof failed: {failure}\n"
            "Withdraw (yank) this version on the index, fix the cause, and release the next one.",
            file=sys.stderr,
        )
        return 3
    except RefusedError as refused:
        print(
            f"error: {version} was uploaded, but the proof could not be made: {refused}\n"
            f"Make it later: make prove-release VERSION={version}",
            file=sys.stderr,
        )
        return 3
    return 0


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dry-run", action="store_true", help="upload nothing")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="upload what an interrupted upload left out",
    )
    parser.add_argument(
        "--built", action="store_true", help="take dist/ as it was judged elsewhere"
    )
    given = parser.parse_args()
    try:
        return publish(
            Options(dry_run=given.dry_run, resume=given.resume, built=given.built)
        )
    except RefusedError as refused:
        for problem in refused.problems:
            print(f"refused: {problem}", file=sys.stderr)
        print("Nothing was uploaded.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
