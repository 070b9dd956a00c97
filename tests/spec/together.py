"""Many changes of a spec compared by one run of redocly: each in a copy of its own within one large document."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from redocly import redocly

Document = dict[str, Any]
ONE_OF_A_KIND = ("openapi", "info", "servers", "tags", "security", "externalDocs")  # a document has them once


def can_share(base: Document, revision: Document) -> bool:
    """Tell whether a change lies in what a document can hold many times, and is more than another order."""
    alike = all(base.get(key) == revision.get(key) for key in ONE_OF_A_KIND)
    return alike and base != revision


def named(number: int, node: Any) -> Any:
    """Return a part of a document in which all that is called by name is called by a name of its own."""
    prefix = f"c{number}_"
    if isinstance(node, list):
        return [named(number, item) for item in node]
    if not isinstance(node, dict):
        return node
    made: Document = {}
    for key, value in node.items():
        if key == "$ref":
            made[key] = re.sub(r"^(#/components/\w+/)", rf"\1{prefix}", value)
        elif key == "operationId":
            made[key] = prefix + value
        elif key == "security":
            made[key] = [{prefix + scheme: scopes for scheme, scopes in each.items()} for each in value]
        else:
            made[key] = named(number, value)
    return made


def joined(documents: list[Document]) -> str:
    """Write documents as one, in JSON: their paths and components beside each other, all else as in the first."""
    whole: Document = {**documents[0], "paths": {}, "components": {}}
    for number, document in enumerate(documents):
        for path, item in document["paths"].items():
            whole["paths"][f"/c{number}_{path}"] = named(number, item)
        for section, members in document["components"].items():
            place = whole["components"].setdefault(section, {})
            place |= {f"c{number}_{name}": named(number, member) for name, member in members.items()}
    return json.dumps(whole)


def compared(pairs: list[tuple[Document, Document]]) -> list[list[Document]]:
    """Return what redocly reports of each pair of documents, the older one first."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "base.json", Path(folder) / "spec.json"
        for file, documents in zip(files, zip(*pairs, strict=True), strict=True):
            file.write_text(joined(list(documents)), encoding="utf-8")
        (report,) = redocly("diff", *files, "--fail-on", "none")
    found: list[list[Document]] = [[] for _ in pairs]
    for change in report["changes"]:
        (number,) = set(re.findall(r"(?:/|~1)c(\d+)_", change["path"]))
        text = json.dumps(change).replace(f"~1c{number}_~1", "~1").replace(f"c{number}_", "")
        found[int(number)].append(json.loads(text))
    return found
