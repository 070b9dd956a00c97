"""A small index on loopback that answers whatever a test wants, before and after an upload."""

import io
import json
import re
import tarfile
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from package.releases import SDIST, WHEEL

METADATA = "Metadata-Version: 2.1\nName: smarterproctoring-client\nVersion: 1.0.0\n"
SIMPLE = "/simple/smarterproctoring-client/"
JSON = "application/vnd.pypi.simple.v1+json"


def small_files() -> dict[str, bytes]:
    """The smallest wheel and sdist that an upload tool accepts."""
    wheel, sdist = io.BytesIO(), io.BytesIO()
    info = "smarterproctoring_client-1.0.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{info}/METADATA", METADATA)
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    with tarfile.open(fileobj=sdist, mode="w:gz") as package:
        member = tarfile.TarInfo("smarterproctoring_client-1.0.0/PKG-INFO")
        member.size = len(METADATA)
        package.addfile(member, io.BytesIO(METADATA.encode()))
    return {WHEEL: wheel.getvalue(), SDIST: sdist.getvalue()}


@dataclass
class Reply:
    """An answer: its status, content type, body and further headers. A length that is too long breaks it off."""

    status: int = 200
    kind: str = JSON
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    length: int | None = None


Page = Callable[["OddIndex"], Reply]


@dataclass
class OddIndex:
    """The index: what it holds, and how it answers."""

    files: dict[str, bytes]
    """What could be held, by name."""
    held: set[str] = field(default_factory=set[str])
    """What the page lists and a download gives."""
    page: Page | None = None
    """The answer to a list; by default JSON of what is held."""
    after: Page | None = None
    """The same, once something was uploaded."""
    upload: str = "taken"
    """taken, or: refused, lost (taken, and no answer), half (the first is taken), error (taken, and answered 500)."""
    download: Callable[[bytes], Reply] = lambda content: Reply(kind="application/octet-stream", body=content)
    uploads: int = 0
    requests: list[str] = field(default_factory=list[str])

    def __enter__(self) -> Self:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.requests.append(self.path)
                self.reply(index.answer(self.path))

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                reply = index.take(content)
                if reply is None:
                    self.close_connection = True
                    return
                self.reply(reply)

            def reply(self, reply: Reply) -> None:
                self.send_response(reply.status)
                if reply.kind:
                    self.send_header("Content-Type", reply.kind)
                self.send_header("Content-Length", str(reply.length or len(reply.body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parameter's name upstream
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/simple/"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str) -> Reply:
        """Answer a GET."""
        if path == SIMPLE or path.startswith("/again"):
            page = self.after if self.uploads and self.after else self.page
            return page(self) if page else listed(self)
        name = path.rpartition("/")[2]
        if name in self.held:
            return self.download(self.files[name])
        return Reply(404, "text/plain")

    def take(self, content: bytes) -> Reply | None:
        """Take an upload; None: no answer."""
        self.uploads += 1
        found = re.search(rb'filename="([^"]+)"', content)
        assert found is not None
        name = found[1].decode()
        if self.upload == "refused" or (self.upload == "half" and self.uploads > 1):
            return Reply(400, "text/plain", b"no")
        self.held.add(name)
        if self.upload == "lost":
            return None
        return Reply(500 if self.upload == "error" else 200, "text/plain", b"?")


def listed(index: OddIndex) -> Reply:
    """The right answer: JSON, or 404 where nothing is held."""
    if not index.held:
        return Reply(404, "text/plain")
    entries = [{"filename": name, "url": f"/files/{name}", "hashes": {}} for name in sorted(index.held)]
    return document(files=entries)


def document(**content: object) -> Reply:
    """An answer in JSON."""
    return Reply(
        body=json.dumps({"meta": {"api-version": "1.1"}, "name": "smarterproctoring-client", **content}).encode()
    )
