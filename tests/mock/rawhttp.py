"""Octets to a server and back, so that a test decides about every one of them. Standard library only."""

import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

INSTALL, EXAM, SESSION = "AI" + "0" * 32, "EX" + "1" * 32, "ES" + "2" * 32
PATH = f"/v1/installs/{INSTALL}/exams/{EXAM}/sessions/{SESSION}"
TOKEN = "the-mock-token"
JSON = ("Content-Type", "application/json")
BODY = b'{"type":"proctoru","appointmentDateTime":"2030-01-01T10:00:00.000Z"}'


def path_of(number: int) -> str:
    """The path of another session."""
    return f"/v1/installs/{INSTALL}/exams/{EXAM}/sessions/ES{number:032x}"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool = True
    """Whether all octets that Content-Length or chunking promised came."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Gone(Exception):  # noqa: N818  the end of a connection is no error here
    """The connection ended without an answer; `reset` tells how."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


class Client:
    """One connection per call, unless `exchange` is given several requests at once."""

    def __init__(self, url: str, token: str = TOKEN) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "", parts.port or 80)
        self.host = parts.netloc
        self.token = token

    def request(
        self,
        method: str = "PUT",
        path: str = PATH,
        body: bytes | None = BODY,
        headers: list[tuple[str, str]] | None = None,
        *,
        close: bool = True,
    ) -> bytes:
        """Put a request together; headers default to a valid token and content type."""
        fields = [("Host", self.host)]
        fields += [("token", self.token), JSON] if headers is None else headers
        if body is not None:
            fields.append(("Content-Length", str(len(body))))
        if close:
            fields.append(("Connection", "close"))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")

    def put(
        self, body: bytes | object = BODY, path: str = PATH, headers: list[tuple[str, str]] | None = None
    ) -> Answer:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("PUT", path, octets, headers)

    def call(
        self,
        method: str = "PUT",
        path: str = PATH,
        body: bytes | None = BODY,
        headers: list[tuple[str, str]] | None = None,
    ) -> Answer:
        return self.exchange(self.request(method, path, body, headers), head=method == "HEAD")[0]

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Call the admin interface and return what it answers as JSON."""
        octets = None if method == "GET" else b"" if body is None else json.dumps(body).encode()
        answer = self.call(method, "/_mock/" + path, octets, [JSON])
        assert answer.status == 200, answer
        return answer.json

    def exchange(self, data: bytes, *, answers: int = 1, head: bool = False, shut: bool = False) -> list[Answer]:
        """Send octets and read answers. Raises Gone where the connection ends before the first."""
        with socket.create_connection(self.address, 30) as connection:
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)
            stream = connection.makefile("rb")
            found: list[Answer] = []
            try:
                while len(found) < answers:
                    answer = self._read(stream, head)
                    if answer.status >= 200:
                        found.append(answer)
            except ConnectionResetError:
                if not found:
                    raise Gone(reset=True) from None
            except Gone:
                if not found:
                    raise
            finally:
                stream.close()
            return found

    def _read(self, stream: Any, head: bool) -> Answer:
        line: bytes = stream.readline()
        if not line:
            raise Gone(reset=False)
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        while (field := stream.readline()) not in {b"\r\n", b""}:
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if head or status < 200 or status in {204, 304}:
            return Answer(status, headers, b"")
        if "content-length" in headers:
            length = int(headers["content-length"])
            body: bytes = stream.read(length)
            return Answer(status, headers, body, len(body) == length)
        return Answer(status, headers, stream.read())
