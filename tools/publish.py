"""Publish the package to an index, and prove that it can be had from there.

    tools/publish.py              check, upload, prove
    tools/publish.py --dry-run    check, and say what would be done
    tools/publish.py --resume     go on after an upload that was cut off halfway

What it needs comes from the environment, so that nothing secret stands in a command line:

    INDEX_URL               the simple index that installers read, for instance https://packages.example.com/simple/
    UPLOAD_URL              where files are sent; INDEX_URL without its last part by default
    DEPENDENCIES_URL        the simple index for the dependencies in the proof; the public one by default
    UV_PUBLISH_USERNAME     who publishes, with UV_PUBLISH_PASSWORD, or with what `keyring` keeps for INDEX_URL
    UV_PUBLISH_TOKEN        a token in place of both

Exit codes: 0 done; 1 refused, nothing was uploaded; 2 the upload failed; 3 uploaded, but the proof failed.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx
from packages import CLIENT
from packaging.requirements import Requirement
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = CLIENT.name
PROVEN_EXTRAS = ("cli", "mock")  # with them, what was installed can be called without any other server
# Each is called with --base TAG: 0 the version is high enough, 1 too low, else no verdict.
BUMP_JUDGES = ("spec_diff.py", "api_diff.py")
INDEX_DELAY = 60.0  # seconds; some indexes list an upload only after a while
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_JSON = "application/vnd.pypi.simple.v1+json"


class RefusedError(Exception):
    """Something is not fit to be published; each problem says how to mend it."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Credentials(NamedTuple):
    """A name and a password; its repr shows neither."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(…)"


class Listed(NamedTuple):
    """A file that an index lists: its name, and where it is."""

    name: str
    url: str


def say(step: str, text: str) -> None:
    """Print one line of progress."""
    print(f"{step:<10}{text}", flush=True)


# -- where to, and as whom --------------------------------------------------------------------------------------


def checked_url(name: str, url: str) -> str:
    """Return a URL that ends in a slash.

    Raises:
        RefusedError: It is no URL, holds a password, or would send one through the network in the clear.
    """
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise RefusedError(
            f"{name} holds a user name or a password, which process lists and logs would show. "
            "Take it out, and set UV_PUBLISH_USERNAME and UV_PUBLISH_PASSWORD"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise RefusedError(f"{name} must be a URL such as https://packages.example.com/simple/, without ? and #")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise RefusedError(f"{name} would send the password unencrypted to {parts.hostname}. Use https")
    return url.rstrip("/") + "/"


def upload_url(index_url: str) -> str:
    """Return where an index takes uploads, as most do it: one level above its simple index."""
    above, _, last = index_url.rstrip("/").rpartition("/")
    if last not in ("simple", "+simple"):
        raise RefusedError("INDEX_URL does not end in /simple/, so it does not say where uploads go. Set UPLOAD_URL")
    return above + "/"


def credentials(index_url: str) -> Credentials | None:
    """Return who publishes, from the environment or the keyring; None if the environment names nobody.

    Raises:
        RefusedError: A name without a password.
    """
    if token := os.environ.get("UV_PUBLISH_TOKEN"):
        return Credentials("__token__", token)
    username, password = os.environ.get("UV_PUBLISH_USERNAME"), os.environ.get("UV_PUBLISH_PASSWORD")
    if not username:
        if password:
            raise RefusedError("UV_PUBLISH_PASSWORD is set without a name. Set UV_PUBLISH_USERNAME too")
        return None
    if not password and (keyring := shutil.which("keyring")):
        found = subprocess.run([keyring, "get", index_url, username], capture_output=True, text=True, check=False)
        password = found.stdout.rstrip("\n")
    if not password:
        raise RefusedError(
            f"there is no password for {username}. Set UV_PUBLISH_PASSWORD, "
            f"or store it once: keyring set {index_url} {username}"
        )
    return Credentials(username, password)


def child_environment(**more: str) -> dict[str, str]:
    """Return an environment in which neither make's flags nor any setting of uv, pip or Python can interfere."""
    keep = ("UV_CACHE_DIR", "UV_NO_CACHE", "UV_SYSTEM_CERTS", "UV_PYTHON_DOWNLOADS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in keep or not name.startswith(("UV_", "PIP_", "PYTHON", "MAKE", "MFLAGS", "VIRTUAL_ENV"))
    }
    return {**kept, "UV_NO_CONFIG": "1", "UV_NO_PROGRESS": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


def uv() -> str:
    """Return the locked uv."""
    return str(Path(sys.executable).with_name("uv"))


# -- what is to be published ------------------------------------------------------------------------------------


def git(*arguments: str) -> str:
    """Ask git."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(f"git {arguments[0]} failed; publish from a git checkout. {done.stderr.strip()}")
    return done.stdout.strip()


def tree_version() -> Version:
    """Read the version as the build backend does."""
    source = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["version"]
    match = re.search(source["pattern"], (ROOT / source["path"]).read_text())
    if match is None:
        raise RefusedError(f"{source['path']} has no info.version")
    return Version(match["version"])


def tree_problems(version: Version) -> Iterator[str]:
    """Yield what is wrong with the checkout: its state, its tags, its words, its version."""
    if changes := git("status", "--porcelain"):
        shown = "\n    ".join(changes.splitlines()[:10])
        yield f"the tree is dirty, so no commit says what would be published. Commit or stash:\n    {shown}"
    yield from changelog_problems((ROOT / "CHANGELOG.md").read_text(), version)
    if git("rev-parse", "--is-shallow-repository") == "true":
        yield "the history is cut off, so the last release is not known. Run: git fetch --unshallow --tags"
        return
    tag = f"v{version}"
    here = git("tag", "--points-at", "HEAD", "--list", "v*").split()
    if here and tag not in here:
        yield f"this commit is tagged {', '.join(here)}, and the spec says {version}. Tag the right commit {tag}"
    elif not here and git("tag", "--list", tag):
        yield f"{tag} marks another commit: {version} was released from there. Raise info.version in the spec"
    base = last_release(git("tag", "--merged", "HEAD", "--list", "v*").split(), version)
    if base is None:
        say("judged", "no release before this one, nothing to compare with")
    elif base > version:
        yield f"v{base} has been released, and the spec says {version}. Raise info.version in the spec"
    else:
        yield from bump_problems(f"v{base}", version)


def changelog_problems(text: str, version: Version) -> Iterator[str]:
    """Yield what is wrong with a version's entry."""
    entry = re.search(rf"(?ms)^## {re.escape(str(version))}(?P<when>[^\n]*)\n(?P<body>.*?)(?=^## |\Z)", text)
    heading = f"## {version} ({datetime.datetime.now(datetime.UTC).date().isoformat()})"
    if entry is None:
        yield f"CHANGELOG.md has no entry for {version}. Write one under `{heading}`"
        return
    try:
        datetime.date.fromisoformat(entry["when"].strip().removeprefix("(").removesuffix(")"))
    except ValueError:
        yield f"CHANGELOG.md does not say when {version} is released. Make its heading `{heading}`"
    if not entry["body"].strip():
        yield f"CHANGELOG.md says nothing about {version}. Write what changed for users"


def last_release(tags: Iterable[str], version: Version) -> Version | None:
    """Return the highest version among release tags, this one aside."""
    found: list[Version] = []
    for tag in tags:
        try:
            found.append(Version(tag.removeprefix("v")))
        except InvalidVersion:
            continue  # another kind of tag
    return max((other for other in found if other != version), default=None)


def bump_problems(base: str, version: Version) -> Iterator[str]:
    """Yield it if what changed since a release demands a larger step than the version makes."""
    for judge in BUMP_JUDGES:
        command = [sys.executable, f"tools/{judge}", "--base", base]
        done = subprocess.run(command, cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=False)
        said = "\n    ".join(f"{done.stdout}{done.stderr}".strip().splitlines())
        if done.returncode == 0:
            say("judged", f"{version} is a large enough step from {base} for {judge}")
        elif done.returncode == 1:
            yield f"{version} is too small a step from {base}. Raise info.version in the spec:\n    {said}"
        else:
            yield f"tools/{judge} could not compare with {base}; mend what it says:\n    {said}"


@contextmanager
def built() -> Generator[list[Path]]:
    """Build what the last commit holds, and nothing else, by `make build` in a clone of its own."""
    with tempfile.TemporaryDirectory(prefix="publish-", ignore_cleanup_errors=True) as folder:
        clone = Path(folder, "tree")
        git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(clone))
        git("-C", str(clone), "checkout", "--quiet", "--detach", git("rev-parse", "HEAD"))
        environment = Path(sys.prefix)
        # -o: this environment is ready, however young the clone's files are.
        command = ["make", "-C", str(clone), "-o", str(environment / ".ready"), f"VENV={environment}", "build"]
        done = subprocess.run(
            command, env=child_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RefusedError(
                f"the last commit does not build. Mend it until `make build` works:\n{done.stderr.strip()}"
            )
        yield distributions(clone / "dist")


def distributions(folder: Path) -> list[Path]:
    """Return the wheels and sdists in a folder."""
    return sorted(path for path in folder.glob("*") if path.name.endswith((".whl", ".tar.gz", ".zip", ".egg")))


def sha256(content: bytes) -> str:
    """Return the digest in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def foreign_files(files: list[Path]) -> Iterator[str]:
    """Yield what lies in dist/ and is not what the last commit builds."""
    expected = {path.name: sha256(path.read_bytes()) for path in files}
    for path in distributions(ROOT / "dist"):
        if path.name not in expected:
            yield f"dist/{path.name} is not a file that this commit builds. Run: make build"
        elif sha256(path.read_bytes()) != expected[path.name]:
            yield f"dist/{path.name} has other bytes than this commit builds. Run: make build"


# -- the index --------------------------------------------------------------------------------------------------


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


class Index:
    """A simple index (PEP 503 and 691), read with the publisher's credentials."""

    def __init__(self, url: str, login: Credentials | None) -> None:
        self.url = url
        # trust_env stays off: a netrc file must not log in as somebody else than the one who publishes.
        self._client = httpx.Client(
            auth=(login.username, login.password) if login else None, timeout=60, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def files(self) -> list[Listed]:
        """Return what the index itself has of the package.

        An index that has nothing may send the reader to a public one. What is there is somebody else's, so a
        redirect to another origin counts as nothing.

        Raises:
            RefusedError: The index does not answer as one.
        """
        url = f"{self.url}{PACKAGE}/"
        answer = self._get(url)
        while answer.is_redirect and answer.next_request is not None:
            url = str(answer.next_request.url)
            if _origin(url) != _origin(self.url):
                return []
            answer = self._get(url)
        if answer.status_code == 404:
            return []
        if answer.status_code != 200:
            raise RefusedError(f"{url} answered {answer.status_code}. Is INDEX_URL a simple index?")
        if answer.headers.get("content-type", "").startswith(_JSON):
            return [Listed(file["filename"], urljoin(url, file["url"])) for file in answer.json()["files"]]
        page = _Links()
        page.feed(answer.text)
        links = [urldefrag(urljoin(url, link)).url for link in page.links]
        return [Listed(httpx.URL(link).path.rpartition("/")[2], link) for link in links]

    def digest(self, file: Listed) -> str:
        """Download a file and return its digest."""
        # Files may lie on another host; httpx takes the credentials off on the way there.
        same = _origin(file.url) == _origin(self.url)
        answer = self._get(file.url) if same else httpx.get(file.url, timeout=60, follow_redirects=True)
        if same and answer.is_redirect and answer.next_request is not None:
            answer = httpx.get(answer.next_request.url, timeout=60, follow_redirects=True)
        if answer.status_code != 200:
            raise RefusedError(
                f"{file.url} answered {answer.status_code}. The index lists a file that it does not give"
            )
        return sha256(answer.content)

    def _get(self, url: str) -> httpx.Response:
        try:
            answer = self._client.get(url, headers={"Accept": f"{_JSON}, text/html;q=0.5"})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RefusedError(f"{url} cannot be reached: {error}. Check INDEX_URL and the network") from None
        if answer.status_code in (401, 403):
            raise RefusedError(
                f"{url} answered {answer.status_code}: the index does not know this name and password. "
                "Check UV_PUBLISH_USERNAME and UV_PUBLISH_PASSWORD, or what the keyring holds"
            )
        return answer


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def is_version(name: str, version: Version) -> bool:
    """Tell whether a file of the package is of a version, whatever its build tag, platform and format."""
    try:
        if name.endswith(".whl"):
            return parse_wheel_filename(name)[1] == version
        return parse_sdist_filename(name)[1] == version
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return re.search(rf"-{re.escape(str(version))}(?![0-9a-z]|\.[0-9])", name) is not None


def missing_from(index: Index, listed: list[Listed], version: Version, files: list[Path], resume: bool) -> list[Path]:
    """Return which files are still to be uploaded, by what the index lists.

    Raises:
        RefusedError: The version is there already, in whatever form.
    """
    there = [file for file in listed if is_version(file.name, version)]
    if not there:
        return files
    ours = {path.name: sha256(path.read_bytes()) for path in files}
    raise_it = "A published version never changes: raise info.version in the spec"
    for file in there:
        if file.name not in ours:
            raise RefusedError(f"{version} is on the index already, under another file name: {file.name}. {raise_it}")
        if index.digest(file) != ours[file.name]:
            raise RefusedError(f"{version} is on the index already, with other bytes: {file.name}. {raise_it}")
    names = {file.name for file in there}
    missing = [path for path in files if path.name not in names]
    if not missing:
        raise RefusedError(f"{version} is on the index already, with the very same bytes. There is nothing to publish")
    if not resume:
        raise RefusedError(
            f"a part of {version} is on the index already, with the same bytes; missing: "
            f"{', '.join(path.name for path in missing)}. To finish that upload: make publish RESUME=1"
        )
    return missing


def upload(files: list[Path], url: str, login: Credentials | None) -> None:
    """Send the files; the password travels in uv's environment.

    Raises:
        RefusedError: The index did not take them.
    """
    secret = {"UV_PUBLISH_USERNAME": login.username, "UV_PUBLISH_PASSWORD": login.password} if login else {}
    command = [uv(), "publish", "--trusted-publishing", "never", "--publish-url", url, *map(str, files)]
    run(command, "the index did not take the upload", **secret)


def run(command: list[str], failure: str, **environment: str) -> str:
    """Run a tool and return what it said, all of it in the error if it failed."""
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


def prove(index: Index, version: Version, files: list[Path], login: Credentials | None, dependencies: str) -> None:
    """Get what was published from the index alone, and make a call with it.

    Raises:
        RefusedError: The index does not give what was built, or that does not work.
    """
    ours = {path.name: sha256(path.read_bytes()) for path in files}
    end = time.monotonic() + INDEX_DELAY
    while not ours.keys() <= {file.name for file in index.files()}:
        if time.monotonic() > end:
            raise RefusedError(f"the index does not list {', '.join(ours)} after {INDEX_DELAY:g} s")
        time.sleep(1)
    for file in index.files():
        if file.name in ours and index.digest(file) != ours[file.name]:
            raise RefusedError(f"the index gives other bytes than were built: {file.name}")
    say("proof", "the index gives the very bytes that were built")
    with tempfile.TemporaryDirectory(prefix="proof-", ignore_cleanup_errors=True) as folder:
        environment = Path(folder, "venv")
        python = str(environment / "bin" / "python")
        run([uv(), "venv", "--quiet", "--python", sys.executable, str(environment)], "no environment could be made")
        # First the package alone. One index is known, no cache is used, and only the built wheel's bytes fit.
        (wheel,) = [name for name in ours if name.endswith(".whl")]
        pinned = Path(folder, "package.txt")
        pinned.write_text(f"{PACKAGE}=={version} --hash=sha256:{ours[wheel]}\n")
        install = [uv(), "pip", "install", "--quiet", "--python", python, "--only-binary", ":all:"]
        alone = ["--no-deps", "--no-cache", "--require-hashes", "--default-index", f"release={index.url}"]
        run(
            [*install, *alone, "--requirement", str(pinned)],
            "the version cannot be installed from the index",
            **(index_login("RELEASE", login)),
        )
        # Then what it asks for, by the installed metadata, from a place where the package itself does not count.
        wanted = Path(folder, "dependencies.txt")
        wanted.write_text("".join(f"{line}\n" for line in installed_requirements(environment)))
        source = ["--default-index", f"dependencies={dependencies}"] if dependencies else []
        known = login if dependencies and _origin(dependencies) == _origin(index.url) else None
        run(
            [*install, *source, "--requirement", str(wanted)],
            "the dependencies cannot be installed",
            **(index_login("DEPENDENCIES", known)),
        )
        run([uv(), "pip", "check", "--quiet", "--python", python], "the dependencies do not fit together")
        say("proof", f"{PACKAGE} {version} was installed from the index into an empty environment")
        # -I: neither this checkout nor the environment's variables can stand in for what was installed.
        call = [python, "-I", str(ROOT / "tools" / "first_call.py"), str(version)]
        say("proof", run(call, "the installed package does not work"))


def index_login(name: str, login: Credentials | None) -> dict[str, str]:
    """Return the variables by which uv gets a named index's credentials."""
    if login is None:
        return {}
    return {f"UV_INDEX_{name}_USERNAME": login.username, f"UV_INDEX_{name}_PASSWORD": login.password}


def installed_requirements(environment: Path) -> Iterator[str]:
    """Yield what the installed package asks for, with the extras that the proof needs."""
    (site,) = (environment / "lib").glob("python*/site-packages")
    (package,) = importlib.metadata.distributions(name=PACKAGE, path=[str(site)])
    for text in package.requires or ():
        requirement = Requirement(text)
        marker, requirement.marker = requirement.marker, None
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in PROVEN_EXTRAS):
            yield str(requirement)


# -- the command line -------------------------------------------------------------------------------------------


def publish(dry_run: bool, resume: bool) -> int:
    """Check, upload and prove; return the exit code.

    Raises:
        RefusedError: Before anything was uploaded.
    """
    given = os.environ.get("INDEX_URL", "")
    if not given:
        raise RefusedError("INDEX_URL is missing. Run: make publish INDEX_URL=https://packages.example.com/simple/")
    index_url = checked_url("INDEX_URL", given)
    target = os.environ.get("UPLOAD_URL", "")
    target = checked_url("UPLOAD_URL", target) if target else upload_url(index_url)
    dependencies = os.environ.get("DEPENDENCIES_URL", "")
    dependencies = checked_url("DEPENDENCIES_URL", dependencies) if dependencies else ""
    version = tree_version()
    if problems := list(tree_problems(version)):
        raise RefusedError(*problems)
    login = credentials(index_url)
    with ExitStack() as stack:
        index = stack.enter_context(Index(index_url, login))
        listed = index.files()  # before the build, so that a wrong password shows at once
        files = stack.enter_context(built())
        for path in files:
            say("built", f"{path.name}  sha256:{sha256(path.read_bytes())}  {path.stat().st_size:,} bytes")
        problems = list(foreign_files(files))
        try:
            missing = missing_from(index, listed, version, files, resume)
        except RefusedError as refused:
            raise RefusedError(*problems, *refused.problems) from None
        if problems:
            raise RefusedError(*problems)
        who = login.username if login else "nobody (no credentials are set)"
        names = ", ".join(path.name for path in missing)
        if dry_run:
            say("dry run", f"would upload {names} to {target} as {who}")
            say("dry run", f"would install {version} from {index_url} into an empty environment, and make one call")
            say("dry run", f"would take the dependencies from {dependencies or 'the public index'}")
            return 0
        try:
            upload(missing, target, login)
        except RefusedError as refused:
            print(f"error: {refused}\nSee what the index has, then run the same command again.", file=sys.stderr)
            return 2
        say("uploaded", f"{names} to {target} as {who}")
        try:
            prove(index, version, files, login, dependencies)
        except RefusedError as refused:
            print(
                f"error: {version} was uploaded, but the proof failed: {refused}\n"
                "Withdraw (yank) this version on the index, mend the cause, and release the next one.",
                file=sys.stderr,
            )
            return 3
    say("published", f"{PACKAGE} {version}")
    return 0


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="upload nothing")
    parser.add_argument("--resume", action="store_true", help="upload what an interrupted upload left out")
    options = parser.parse_args()
    try:
        return publish(options.dry_run, options.resume)
    except RefusedError as refused:
        for problem in refused.problems:
            print(f"refused: {problem}", file=sys.stderr)
        print("Nothing was uploaded.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
