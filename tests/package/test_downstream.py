"""A downstream service, installed from a private index into an empty environment; and a stranger who wants in."""

import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from docs.quotes import SECONDS, quoted, same
from loopback import PACKAGE, PASSWORD, USERNAME, UV, Index, check, environment, run, running_index, wheels
from once import once
from package.releases import Released
from packages import CLIENT, DISTRIBUTIONS, Distribution
from redocly import ROOT, ToolError

EXAMPLE = ROOT / "examples" / "downstream-service"
DOCUMENTED_URL = "https://packages.example.com/simple/"
LOGIN = {"UV_INDEX_COMPANY_USERNAME": USERNAME, "UV_INDEX_COMPANY_PASSWORD": PASSWORD}
HOSTILE = ("1.99.0", "99.0.0")  # a requirement with an upper bound keeps out the second one, not the first
KEEP_COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}  # make sets it; here one test after the other loads the same modules
VERSION = "import smarterproctoring as s; print(s.__version__, s.__file__)"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # which only ends a hang: they build and install


def service(folder: Path, index: Index) -> Path:
    """Copy the example, and put in the index's URL as its reader is told to."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "uv.lock"))
    pyproject = folder / "pyproject.toml"
    text = pyproject.read_text()
    assert DOCUMENTED_URL in text
    # The tests' outside world holds what this platform and this Python need, and a lock is for all by default.
    here = f"sys_platform == '{sys.platform}' and python_full_version == '{platform.python_version()}'"
    text = text.replace("[tool.uv]\n", f'[tool.uv]\nenvironments = ["{here}"]\n')
    pyproject.write_text(text.replace(DOCUMENTED_URL, index.url))
    return folder


def uv(folder: Path, command: str, public: Index) -> None:
    """Run a command of uv's on a service."""
    # Its own pyproject.toml counts here, which UV_NO_CONFIG would hide; the user's settings do not.
    own = {"UV_NO_CONFIG": "0", "XDG_CONFIG_HOME": str(folder / "none"), "XDG_CONFIG_DIRS": str(folder / "none")}
    check([UV, command, "--python", sys.executable], folder, **own, **LOGIN, UV_DEFAULT_INDEX=public.url)


def installed(python: Path) -> str:
    """Return the version that is in an environment, after a look at where it came from."""
    version, _, file = check([str(python), "-I", "-c", VERSION]).strip().partition(" ")
    assert Path(file).is_relative_to(python.parent.parent)
    return version


# -- a stranger on the public index -----------------------------------------------------------------------------------


def hostile_wheel(folder: Path, version: str, distribution: Distribution = CLIENT) -> None:
    """Write a wheel as a stranger would."""
    name = distribution.stem
    info = f"{name}-{version}.dist-info"
    files = {
        f"{distribution.packages[0].name}/__init__.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution.name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: stranger\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, text)


@pytest.fixture(scope="module")
def public(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """The outside world, where a stranger has put higher versions under our names.

    Under the names of what the extras bring, which they ask for at one version, also that very version.
    """
    folder = tmp_path_factory.mktemp("public") / "index"
    shutil.copytree(wheels(), folder, copy_function=os.link)
    for version in HOSTILE:
        hostile_wheel(folder, version)
    for distribution in DISTRIBUTIONS[1:]:
        for version in (released.version, *HOSTILE):
            hostile_wheel(folder, version, distribution)
    with running_index(folder, "--open") as index:
        yield index


# -- the service ----------------------------------------------------------------------------------------------------


def documented_commands() -> list[str]:
    """The commands of the README of the example, in their order."""
    found = re.findall(r"(?m)^\$ (uv .*)$", (EXAMPLE / "README.md").read_text())
    serve = "uv run uvicorn --factory exam_desk:serve --timeout-graceful-shutdown 65"
    assert found == ["uv sync", "uv run pytest", serve, "uv lock"]
    return found


def as_its_reader(folder: Path, public_url: str) -> dict[str, str]:
    """Return the variables with which the documented commands run as for a reader of the README."""
    own = {"UV_NO_CONFIG": "0", "XDG_CONFIG_HOME": str(folder / "none"), "XDG_CONFIG_DIRS": str(folder / "none")}
    path = f"{Path(UV).parent}:{os.environ['PATH']}"
    return {**own, **LOGIN, "UV_DEFAULT_INDEX": public_url, "UV_PYTHON": sys.executable, **KEEP_COMPILED, "PATH": path}


class Deployed(NamedTuple):
    """The example in a folder of its own, the Python of its environment, and the indexes that it came from."""

    folder: Path
    python: Path
    index_url: str
    public_url: str


@pytest.fixture(scope="module")
def deployed(released: Released, public: Index, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The example, deployed by the commands of its README as written, with a stranger on the public index."""

    def deploy(folder: Path) -> None:
        variables = as_its_reader(folder, public.url)
        sync, _, _, lock = documented_commands()
        service(folder / "service", released.index)
        for command in (sync, lock):
            check(command.split(), folder / "service", **variables)
        (folder / "urls").write_text(f"{released.index.url} {public.url}")

    folder = once(tmp_path_factory, "downstream", deploy)
    python = folder / "service" / ".venv" / "bin" / "python"
    return Deployed(folder / "service", python, *(folder / "urls").read_text().split())


def test_the_service_gets_the_package_from_the_private_index_and_not_the_strangers(
    deployed: Deployed, released: Released
) -> None:
    assert installed(deployed.python) == released.version
    lock = (deployed.folder / "uv.lock").read_text()
    assert sources(lock) == {PACKAGE: deployed.index_url, "smarterproctoring-mock": deployed.index_url}
    from_there = re.findall(re.escape(f'registry = "{deployed.index_url}"'), lock)
    assert len(from_there) == 2, "nothing else comes from there"


def sources(lock: str) -> dict[str, str]:
    """Return from which index a lock of uv's takes each of our distributions."""
    names = "|".join(distribution.name for distribution in DISTRIBUTIONS)
    return dict(re.findall(rf'(?m)^name = "({names})"\n.*\nsource = {{ registry = "([^"]*)" }}', lock))


def test_the_container_holds_what_the_service_needs_and_no_secret() -> None:
    """No container is built here: what its file names exists, is let in, and is of the version that is tested."""
    lines = (EXAMPLE / "Containerfile").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert copied == ["pyproject.toml", "uv.lock", "exam_desk.py"]
    assert (EXAMPLE / ".dockerignore").read_text().split() == ["*", *[f"!{name}" for name in copied]]
    (pinned,) = re.findall(r"uv==[\d.]+", "\n".join(lines))
    assert f'"{pinned}",' in (ROOT / "pyproject.toml").read_text()
    assert not [line for line in lines if line.startswith(("ARG ", "ENV ")) and "PATH=" not in line]
    (sync,) = [line for line in lines if "uv sync" in line]
    assert "--mount=type=secret,id=netrc" in sync


def test_the_service_is_strictly_typed_by_the_installed_package(deployed: Deployed) -> None:
    """And the types do come from the package: a field that it does not have is found."""
    right = deployed.folder / "exam_desk.py"
    wrong = deployed.folder / "wrong.py"
    wrong.write_text(right.read_text().replace("appointment_end_date_time=", "appointment_end="))
    mypy = [sys.executable, "-m", "mypy", "--python-executable", str(deployed.python), "--cache-dir", os.devnull]
    done = run([*mypy, "exam_desk.py", "test_exam_desk.py", "wrong.py"], deployed.folder)
    wrong.unlink()
    assert done.code == 1, done.output
    assert re.search(
        r'^wrong\.py:\d+: error: .*Unexpected keyword argument "appointment_end"', done.output, re.MULTILINE
    )
    errors = [line for line in done.output.splitlines() if ": error: " in line]
    assert {line.partition(":")[0] for line in errors} == {"wrong.py"}


def test_the_service_runs(deployed: Deployed) -> None:
    """Behind uvicorn, against the installed mock server: the whole way over real sockets."""
    script = f"""
import os, threading, time, json, urllib.request, uvicorn
from smarterproctoring_mock.testing import network
with network() as mock:
    secret = "the-secret-of-the-desk"
    os.environ |= mock.environment() | {{"EXAM_DESK_INSTALL_SID": "AI" + "1f" * 16, "EXAM_DESK_SECRET": secret}}
    server = uvicorn.Server(uvicorn.Config("exam_desk:serve", factory=True, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{{port}}/exams/{"EX" + "2e" * 16}/sessions/{"ES" + "3d" * 16}/appointment"
    body = json.dumps({{"start": "2030-05-04T09:00:00-04:00", "end": "2030-05-04T11:00:00-04:00"}}).encode()
    put = urllib.request.Request(url, body, method="PUT")
    put.add_header("Content-Type", "application/json")
    put.add_header("Authorization", f"Bearer {{secret}}")
    print(urllib.request.urlopen(put).status, mock.app.sessions()[0].fields["appointmentEndDateTime"])
    server.should_exit = True
    thread.join()
"""
    assert (
        check([str(deployed.python), "-c", script], deployed.folder, **KEEP_COMPILED).strip()
        == "200 2030-05-04T15:00:00.000Z"
    )


def test_the_services_documented_commands_work_as_written(deployed: Deployed) -> None:
    """Those that make the environment have made it; the service's own tests pass; without a setting, it says which."""
    folder = deployed.folder
    variables = {**as_its_reader(folder, deployed.public_url), "UV_OFFLINE": "1"}  # what is locked is there
    _, tests, serve, _ = documented_commands()
    (shown,) = quoted("docs/maintaining/releasing.md", "uv run pytest -q")
    assert shown.command == f"{tests} -q"
    printed = check(shown.command.split(), folder, **variables)
    assert re.search(r"(?m)^[1-9][0-9]* passed in", printed), printed
    same(shown, printed, SECONDS)
    without = run(serve.split(), folder, **variables, EXAM_DESK_SECRET="", EXAM_DESK_INSTALL_SID="AI" + "1f" * 16)
    assert without.code == 1
    assert without.output.splitlines()[-1] == "exam desk does not start: EXAM_DESK_SECRET is not set"
    assert "Traceback" not in without.output

    settings = {
        "EXAM_DESK_SECRET": "the-secret-of-the-desk",
        "EXAM_DESK_INSTALL_SID": "AI" + "1f" * 16,
        "SMARTERPROCTORING_TOKEN": "token-of-the-desk",
    }
    running = [*serve.split(), "--port", "0"]  # the documented port may be in use here
    with subprocess.Popen(
        running, cwd=folder, env=environment(**variables, **settings), stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            lines: list[str] = []
            for line in server.stderr:
                lines.append(line)
                if "Uvicorn running on" in line:
                    break
            assert lines, "it says nothing"
            assert "Uvicorn running on http://127.0.0.1:" in lines[-1], "".join(lines)
        finally:
            server.send_signal(signal.SIGINT)


SPOKEN = ("*.md", "*.py", "*.yml", "*.yaml", "*.toml", "*.txt", "*.html")


def test_every_text_that_says_how_to_install_names_the_private_index() -> None:
    """The name is free on the public index, where a plain `pip install` looks."""
    listed = check(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *SPOKEN], ROOT).splitlines()
    told = dict[str, list[str]]()
    for name in listed:
        if not name.startswith("tests/") and (ROOT / name).is_file():
            text = (ROOT / name).read_text()
            told[name] = re.findall(r"(?:pip|uv|poetry) (?:install|add)\b[^\n]*smarterproctoring-client", text)
    assert sum(map(len, told.values())) > 10, "nobody looked"
    silent = {name: plain for name, lines in told.items() if (plain := [x for x in lines if "--index-url" not in x])}
    assert silent == {}


# -- the stranger meets other installers ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redirecting(released: Released, public: Index, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """The private index, which sends readers to the public one for what it does not have."""
    folder = tmp_path_factory.mktemp("redirecting") / "index"
    shutil.copytree(released.index.folder, folder)
    with running_index(folder, "--fallback", public.url) as index:
        yield index


def pip(python: Path, *arguments: str, **variables: str) -> None:
    check([sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", *arguments], **variables)


def documented_pip_conf(folder: Path, index: Index) -> str:
    """Write the README's pip.conf with an index's URL; return its path."""
    (block,) = re.findall(r"(?ms)^```ini\n(# pip\.conf\n.*?)^```$", (EXAMPLE / "README.md").read_text())
    assert DOCUMENTED_URL in block
    file = folder / "pip.conf"
    file.write_text(block.replace(DOCUMENTED_URL, index.url))
    return str(file)


def test_uv_without_the_assignment_takes_it(released: Released, public: Index, tmp_path: Path) -> None:
    """So the first test above can fail: without its two settings the same service gets the stranger's code."""
    folder = service(tmp_path / "service", released.index)
    pyproject = folder / "pyproject.toml"
    text = pyproject.read_text()
    unsafe = re.sub(r"(?ms)^\[\[tool\.uv\.index\]\].*?(?=^\[tool\.uv\]$)", "", text)
    assert unsafe != text
    pyproject.write_text(unsafe.replace("[testing]", ""))
    uv(folder, "lock", public)
    assert f'name = "{PACKAGE}"\nversion = "1.99.0"\n' in (folder / "uv.lock").read_text()


def test_uv_takes_the_strangers_mock_where_it_is_not_named(released: Released, public: Index, tmp_path: Path) -> None:
    """So both lines for it are needed: an index is assigned to what a project names, not to what an extra brings."""
    folder = service(tmp_path / "service", released.index)
    pyproject = folder / "pyproject.toml"
    text, count = re.subn(
        r'(?m)^(    "smarterproctoring-mock",|smarterproctoring-mock =).*\n', "", pyproject.read_text()
    )
    assert count == 2
    pyproject.write_text(text)
    uv(folder, "lock", public)
    found = sources((folder / "uv.lock").read_text())
    assert found == {PACKAGE: released.index.url, "smarterproctoring-mock": public.url}


def test_pip_as_documented_does_not_take_the_strangers_version(
    released: Released, redirecting: Index, fresh: Callable[[str], Path], netrc: str, tmp_path: Path
) -> None:
    python = fresh("service")
    pip(python, PACKAGE, NETRC=netrc, PIP_CONFIG_FILE=documented_pip_conf(tmp_path, redirecting))
    assert installed(python) == released.version
    assert "httpx" in check([UV, "pip", "list", "--python", str(python)]), "its dependencies came by the same index"


def test_pip_with_an_extra_index_takes_it(
    released: Released, public: Index, fresh: Callable[[str], Path], netrc: str
) -> None:
    """So the test above can fail, and the README's warning is true."""
    python = fresh("service")
    indexes = ["--index-url", released.index.url, "--extra-index-url", public.url]
    pip(python, *indexes, "--no-deps", PACKAGE, NETRC=netrc)
    assert installed(python) == "99.0.0"


def test_a_lock_with_hashes_keeps_the_stranger_out_of_any_index(
    released: Released, fresh: Callable[[str], Path], netrc: str, tmp_path: Path
) -> None:
    """Even where the stranger's file bears the locked version's name."""
    (wheel,) = released.index.folder.glob("smarterproctoring_client-*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"{PACKAGE}=={released.version} --hash=sha256:{digest}\n")
    python = fresh("service")
    pip(python, "--index-url", released.index.url, "--no-deps", "--require-hashes", "-r", str(lock), NETRC=netrc)
    (tmp_path / "hostile").mkdir()
    hostile_wheel(tmp_path / "hostile", released.version)
    with (
        running_index(tmp_path / "hostile", "--open") as hostile,
        pytest.raises(ToolError, match="THESE PACKAGES DO NOT MATCH THE HASHES"),
    ):
        pip(fresh("other"), "--index-url", hostile.url, "--no-deps", "--require-hashes", "-r", str(lock))
