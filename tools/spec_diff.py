#!/usr/bin/env python3
"""Compare the spec with the last release's, and check that `info.version` was raised far enough.

    tools/spec_diff.py                        with the last release's tag
    tools/spec_diff.py --base v1.2.0          with this tag (or any revision)
    tools/spec_diff.py --base old.yaml        with this file
    tools/spec_diff.py --json                 the same as one JSON object

Exit code 0: the version is high enough, or nothing was released yet. 1: it is too low. 2: it could not be judged.

redocly finds the changes and rates their effect on the wire. Other changes break the package too, such as a
removed name or a changed default; `rate` handles those.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from baseline import (
    SPEC,
    SPEC_VERSION,
    Change,
    Report,
    git,
    higher,
    judge,
    last_release,
    show,
    spec_version,
)
from redocly import ROOT, ToolError, redocly
from spec_model import GenerationError, check_version

# Properties that only people read. All others matter to programs.
WORDS = {
    "description",
    "summary",
    "example",
    "examples",
    "externalDocs",
    "x-evidence",
    "termsOfService",
    "contact",
}
WORD_TYPES = {"Example", "ExternalDocs", "Contact", "License"}

# Changes that break the package but not the wire: (type of the node, what happened, property) -> why.
BREAKS_THE_PACKAGE = {
    ("Schema", "removed", None): "a field or model is gone; code that names it fails",
    ("Schema", "modified", "title"): "the model's class is named by it",
    ("Schema", "modified", "format"): "the Python type changes",
    (
        "Schema",
        "modified",
        "default",
    ): "another value is sent when the caller gives none",
    ("Schema", "modified", "readOnly"): "the field is no longer one of the request",
    ("Schema", "modified", "writeOnly"): "the field is no longer one of the answer",
    ("Parameter", "modified", "name"): "the keyword is named by it",
    ("Operation", "modified", "tags"): "the module is named by it",
}


def rate(change: dict[str, Any]) -> tuple[str, str]:
    """Rate one change of redocly's report: the bump it demands of the package, and why if redocly asks for less."""
    kind = change["kind"]
    node = change["typeName"]
    name = change.get("property")
    rated: str = change["impact"]
    if node in WORD_TYPES or name in WORDS or (node == "Info" and name == "title"):
        return "patch", ""
    why = BREAKS_THE_PACKAGE.get((node, kind, name), "")
    if name == "x-before" and "value" in change["revision"]:
        why = "the client refuses times that it took before"
    elif name in ("x-method-name", "x-check-method-name", "x-keyword"):
        why = "the method or keyword is named by it"
    elif node == "Server" and kind == "added" and change["path"].endswith("/servers/0"):
        why = "the first server is where the client sends to"
    if why:
        return "major", "" if rated == "major" else why
    # Relaxed, deprecated or newly guaranteed: more than a change of words, but nothing breaks.
    is_extension = str(name).startswith("x-") and name != "x-before"
    return higher(rated, "patch" if is_extension else "minor"), ""


def place(pointer: str) -> str:
    """Write a JSON pointer in a readable form: `PUT /v1/… requestBody notes`."""
    parts = [
        part.replace("~1", "/").replace("~0", "~")
        for part in pointer.removeprefix("#/").split("/")
    ]
    if parts[0] == "paths" and len(parts) > 1:
        method = [parts[2].upper()] if len(parts) > 2 else []
        parts = [*method, parts[1], *parts[3:]]
    elif parts[0] == "components":
        parts = parts[1:]
    between = {"content", "schema", "properties"}
    said = [
        part
        for part in parts
        if part not in between and not re.search(r"\w/json", part)
    ]
    return " ".join(said)


def describe(change: dict[str, Any]) -> Change:
    """Convert a change of redocly's report."""
    bump, why = rate(change)
    before = change.get("base", {}).get("value")
    after = change.get("revision", {}).get("value")
    if change["kind"] != "modified":
        what = change["kind"]
    elif "value" not in change["base"]:
        what = f"{change['property']} {short(after)} added"
    elif "value" not in change["revision"]:
        what = f"{change['property']} {short(before)} removed"
    elif isinstance(before, list) and isinstance(after, list):
        turns = (("added", after, before), ("removed", before, after))
        parts = [
            f"{short(item)} {turn}"
            for turn, these, those in turns
            for item in these
            if item not in those
        ]
        what = f"{change['property']}: {', '.join(parts) or 'another order'}"
    else:
        what = f"{change['property']} {short(before)} is now {short(after)}"
    return Change(bump, place(change["path"]), what, why)


def short(value: object) -> str:
    """Write a value on one line, cut to what a line can hold."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def order_differs(base: str, revision: str) -> bool:
    """Tell whether two specs differ in anything but `info.version` and comments, the order of keys included."""
    documents = [yaml.safe_load(text) for text in (base, revision)]
    for document in documents:
        document["info"]["version"] = ""
    return json.dumps(documents[0], default=str) != json.dumps(
        documents[1], default=str
    )


def default_server(text: str) -> object:
    """Return the URL of the first server: the client's default base URL."""
    servers = yaml.safe_load(text).get("servers") or [{}]
    return servers[0].get("url")


def compare(base: str, base_name: str, revision: str) -> Report:
    """Compare the texts of two specs.

    Raises:
        ToolError: redocly could not compare them, a version is not MAJOR.MINOR.PATCH, or it is not OpenAPI 3.0.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "base.yaml", Path(folder) / "spec.yaml"]
        for file, text in zip(files, (base, revision), strict=True):
            file.write_text(text, encoding="utf-8")
        (report,) = redocly("diff", *files, "--fail-on", "none")
    try:
        check_version(yaml.safe_load(revision))
    except GenerationError as error:
        raise ToolError(str(error)) from None
    found = [
        change
        for change in report["changes"]
        if change["path"] != "#/info" or change["property"] != "version"
    ]
    changes = [describe(change) for change in found]
    before = default_server(base)
    after = default_server(revision)
    is_said = any(
        change.place == "servers 0" and change.bump == "major" for change in changes
    )
    if before != after and not is_said:
        what = f"{short(before)} is now {short(after)}"
        why = "the first server is where the client sends to"
        changes.append(Change("major", "servers 0", what, why))
    if not changes and order_differs(base, revision):
        changes = [Change("patch", "the whole spec", "another order")]
    return judge(
        changes, base_name, spec_version(base), spec_version(revision), SPEC_VERSION
    )


def since_release(root: Path, spec: Path, base: str | None) -> Report | None:
    """Compare a spec with a release: by default the last one; None if there is none yet.

    Args:
        root: The checkout.
        spec: The spec as it is now.
        base: A file, or a tag or any other revision of git.

    Raises:
        ToolError: There is no such file or revision, or the specs cannot be compared.
    """
    base = base or last_release(root)
    if base is None:
        return None
    text = (
        Path(base).read_text(encoding="utf-8")
        if Path(base).is_file()
        else git(root, "show", f"{base}:{SPEC}")
    )
    return compare(text, base, spec.read_text(encoding="utf-8"))


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--base",
        metavar="FILE|TAG",
        help="compare with this instead of the last release",
    )
    parser.add_argument(
        "--spec", type=Path, help=f"the spec as it is now [default: {SPEC}]"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        report = since_release(
            arguments.root, arguments.spec or arguments.root / SPEC, arguments.base
        )
    except (ToolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return show("spec", report, arguments.root, as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
