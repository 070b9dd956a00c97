"""What an editor shows: questions to pyright's language server, over its standard input and output."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "node_modules" / "pyright" / "langserver.index.js"


class LanguageServer:
    """One server for one folder; `with` starts and ends it.

    Args:
        folder: The workspace, with its pyrightconfig.json.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def __enter__(self) -> Self:
        node = shutil.which("node")
        assert node is not None, "npm is there, so node is as well"
        command = [node, str(SERVER), "--stdio"]
        self._process = subprocess.Popen(
            command, cwd=self._folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        uri = self._folder.as_uri()
        workspace = [{"uri": uri, "name": "workspace"}]
        documents = {"hover": {"contentFormat": ["plaintext"]}}
        self._ask(
            "initialize",
            {
                "processId": None,
                "rootUri": uri,
                "workspaceFolders": workspace,
                "capabilities": {"textDocument": documents},
            },
        )
        self._send({"method": "initialized", "params": {}})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def open(self, path: Path) -> None:
        """Open a file, as an editor does."""
        document = {"uri": path.as_uri(), "languageId": "python", "version": 1, "text": path.read_text()}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})

    def hover(self, path: Path, line: int, column: int) -> str:
        """Return what is shown at a place (counted from 0)."""
        found = self._ask("textDocument/hover", _place(path, line, column))
        return str(found["contents"]["value"]) if found else ""

    def completions(self, path: Path, line: int, column: int) -> list[str]:
        """Return the words that are offered at a place (counted from 0)."""
        found = self._ask("textDocument/completion", _place(path, line, column))
        return [str(item["label"]) for item in found["items"]]

    def signature(self, path: Path, line: int, column: int) -> str:
        """Return the signature that is shown inside of a call."""
        found = self._ask("textDocument/signatureHelp", _place(path, line, column))
        return str(found["signatures"][0]["label"])

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        while True:
            message = self._read()
            if message.get("id") == self._number and "method" not in message:
                assert "error" not in message, message["error"]
                return message["result"]
            if "id" in message and "method" in message:
                self._answer(message)

    def _answer(self, message: dict[str, Any]) -> None:
        """Answer a question of the server's: no settings, and yes to the rest."""
        items = message.get("params", {}).get("items", []) if message["method"] == "workspace/configuration" else None
        self._send({"id": message["id"], "result": None if items is None else [None] * len(items)})

    def _send(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, "the language server has ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message


def _place(path: Path, line: int, column: int) -> dict[str, Any]:
    return {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}}
