"""A private index with passwords on upload, list and download: what it gives to whom, by pip and by uv."""

import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from loopback import LOGIN, PACKAGE, UV, Done, check, run, running_index
from package.releases import WHEEL, Released

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # which only ends a hang: they build and install


def pip(python: Path, command: str, *arguments: str, **variables: str) -> Done:
    return run([sys.executable, "-m", "pip", "--python", str(python), command, *arguments], **variables)


def uv(python: Path, command: str, *arguments: str, **variables: str) -> Done:
    return run([UV, "pip", command, "--python", str(python), *arguments], **variables)


Installer = Callable[..., Done]


@pytest.fixture(params=[pip, uv], ids=["pip", "uv"])
def install(request: pytest.FixtureRequest, netrc: str) -> Installer:
    """Installs from one index and no other, logged in by a netrc file."""
    tool: Installer = request.param
    option = "--index-url" if tool is pip else "--default-index"

    def install_from(python: Path, index: str, *arguments: str, **variables: str) -> Done:
        variables.setdefault("NETRC", netrc)
        return tool(python, "install", option, index, *arguments, **variables)

    return install_from


def version(python: Path) -> str:
    """Return which version an environment's client says it is."""
    return check([str(python), "-I", "-c", "import smarterproctoring as s; print(s.__version__)"]).strip()


def test_upgrade_and_rollback(two_versions: Released, install: Installer, fresh: Callable[[str], Path]) -> None:
    python, url = fresh("service"), two_versions.index.url
    for wanted, got in (("==1.0.0", "1.0.0"), ("==1.1.0", "1.1.0"), ("==1.0.0", "1.0.0")):
        done = install(python, url, PACKAGE + wanted)
        assert done.code == 0, done.output
        assert version(python) == got
    assert install(python, url, f"{PACKAGE}==1.2.0").code != 0
    assert version(python) == "1.0.0", "a version that is not there leaves the old one"
    done = install(python, url, "--upgrade", PACKAGE)
    assert done.code == 0, done.output
    assert version(python) == "1.1.0"


def test_nothing_is_had_without_the_password(
    released: Released, install: Installer, fresh: Callable[[str], Path], tmp_path: Path
) -> None:
    python = fresh("service")
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("machine 127.0.0.1 login release-bot password wrong-one\n")
    for netrc in ("/dev/null", str(wrong)):
        done = install(python, released.index.url, "--no-deps", PACKAGE, NETRC=netrc)
        assert done.code != 0
        assert "wrong-one" not in done.output
    assert install(python, released.index.url, "--no-deps", PACKAGE).code == 0  # so the password was the reason


def test_the_index_itself_refuses_a_second_upload(released: Released, tmp_path: Path) -> None:
    other = tmp_path / WHEEL
    other.write_bytes((released.index.folder / WHEEL).read_bytes())
    kept = (released.index.folder / WHEEL).read_bytes()
    command = [UV, "publish", "--publish-url", released.index.url.removesuffix("simple/"), str(other)]
    assert run(command, **LOGIN).code != 0
    assert (released.index.folder / WHEEL).read_bytes() == kept


class _Elsewhere(BaseHTTPRequestHandler):
    logins: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.logins.append(self.headers["Authorization"])
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parameter's name upstream
        pass


def test_the_password_stays_with_the_private_index(
    tmp_path: Path, install: Installer, fresh: Callable[[str], Path]
) -> None:
    """An index that sends readers elsewhere does not send them there with the password."""
    _Elsewhere.logins.clear()
    with HTTPServer(("127.0.0.1", 0), _Elsewhere) as elsewhere:
        thread = threading.Thread(target=elsewhere.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        fallback = f"http://localhost:{elsewhere.server_port}/simple/"
        with running_index(tmp_path / "private", "--fallback", fallback) as private:
            done = install(fresh("service"), private.url, "no-such-package")
        elsewhere.shutdown()
        thread.join()
    assert done.code != 0
    assert _Elsewhere.logins, "nobody was sent elsewhere"
    assert set(_Elsewhere.logins) == {None}
