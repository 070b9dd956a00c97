"""The names that an operation gets in Python, and which of them cannot be used."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterable
from pathlib import Path

from openapi_python_client.strings import ClassName, PythonIdentifier, snake_case
from spec_model import GenerationError, Node

ROOT = Path(__file__).resolve().parents[2]
OVERRIDES = ROOT / "overrides" / "smarterproctoring"
CLIENTS = [
    OVERRIDES / name
    for name in ("methods.py", "install.py", "client.py", "async_client.py")
]
"""The modules whose classes the public clients, and their views for one install, are made of."""
INSTALL = "install_sid"
"""The first parameter of the path that a view for one install gives by itself."""
RESCHEDULE = "RESCHEDULE_EXAM_SESSION"
RESCHEDULE_SIDS = ["install_sid", "exam_sid", "session_sid"]

RESERVED = {"str", "int", "float", "bool", "datetime", "self"}
"""Not keywords, because the keyword types name them: in a TypedDict, the annotation `str` of a later field would mean
the field `str`."""
IN_PATH = {"fields", "operations"}
"""Not the keywords of path parameters either, so that a parameter or field of the same name can have it."""


def keyword_name(name: str, node: Node) -> str:
    """Return what `x-keyword` says, else the generator's snake_case of an API name, kept wherever Python allows."""
    if "x-keyword" in node:
        return str(node["x-keyword"])
    snake = snake_case(name)
    if not is_free(snake):
        snake = PythonIdentifier(name, "field_")
    taken = RESERVED | IN_PATH if node.get("in") == "path" else RESERVED
    return f"{snake}_" if snake in taken else snake


def is_free(name: str) -> bool:
    """Tell whether a name can be a keyword argument of a method."""
    return name.isidentifier() and not keyword.iskeyword(name) and name not in RESERVED


def constant_name(operation_id: str) -> str:
    """Return the name of an operation's record."""
    return snake_case(operation_id).upper()


def class_stem(operation_id: str) -> str:
    """Return what the names of an operation's keyword types begin with."""
    return ClassName(operation_id, "")


def method_name(operation: Node) -> str:
    """Return the name of an operation's method in the public clients."""
    return str(operation.get("x-method-name", snake_case(operation["operationId"])))


def check_method_name(operation: Node) -> str:
    """Return the name of the method that reads back what an operation has changed."""
    default = f"check_{method_name(operation)}"
    return str(operation.get("x-check-method-name", default))


def function_name(operation_id: str) -> str:
    """Return the name of an operation's generated function."""
    return snake_case(operation_id)


def check_keywords(operation_id: str, parts: Iterable[tuple[str, str]]) -> None:
    """Refuse two names that would be one keyword argument: parameters and the body's fields share a call.

    Args:
        operation_id: The operation.
        parts: Each keyword, with what a message calls the place that it comes from.

    Raises:
        GenerationError: A keyword that is given twice, or that Python cannot take.
    """
    first: dict[str, str] = {}
    for key, place in parts:
        if not is_free(key) or key.startswith("_"):
            raise GenerationError(
                f"{operation_id}: {place} would be the keyword {key!r}, which Python cannot take here: give it "
                "another with `x-keyword: name_of_it` next to it"
            )
        if key in first:
            raise GenerationError(
                f"{operation_id}: {first[key]} and {place} would both be the keyword {key!r}: give one of them "
                "another with `x-keyword: name_of_it` next to it (the name on the wire stays)"
            )
        first[key] = place


def client_names() -> set[str]:
    """Return what the public clients have already, so that no operation's method hides it, or is hidden."""
    statements = [
        node
        for path in CLIENTS
        for node in ast.parse(path.read_text(encoding="utf-8")).body
    ]
    classes = [node for node in statements if isinstance(node, ast.ClassDef)]
    members = [member for held in classes for member in held.body]
    return {
        member.name
        for member in members
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)
    }


class MethodNames:
    """The names of methods that are taken, by the clients and by the operations so far."""

    def __init__(self) -> None:
        self._taken = dict.fromkeys(client_names(), "the clients have it already")

    def take(self, operation_id: str, name: str) -> None:
        """Reserve a method's name and that of its dry run.

        Raises:
            GenerationError: It is not a name, or is taken.
        """
        for method in (name, f"dry_run_{name}"):
            self._take(operation_id, method, "x-method-name")

    def take_check(self, operation_id: str, name: str) -> None:
        """Take the name of the method that reads back.

        Raises:
            GenerationError: It is not a name, or is taken.
        """
        self._take(operation_id, name, "x-check-method-name")

    def _take(self, operation_id: str, name: str, extension: str) -> None:
        way_out = f"give the operation another with `{extension}: name_of_it`"
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise GenerationError(
                f"{operation_id}: {name!r} cannot be the name of a method: {way_out}"
            )
        if name in self._taken:
            reason = self._taken[name]
            raise GenerationError(
                f"{operation_id}: the method {name!r}: {reason}; {way_out}"
            )
        self._taken[name] = f"it is that of {operation_id}"


def check_reschedule(
    operation_id: str, method: str, sids: list[str], *, has_keywords: bool
) -> None:
    """Refuse an operation of this package's name that cannot be called as the package calls it.

    Raises:
        GenerationError: Its method, its path or its body is another one.
    """
    if method == "reschedule" and sids == RESCHEDULE_SIDS and has_keywords:
        return
    raise GenerationError(
        f"{operation_id}: the command line, `reschedule_many` and bulk call it as "
        "`reschedule(install_sid, exam_sid, session_sid, …)`; here it would be "
        f"`{method}({', '.join([*sids, '…'])})`: keep `x-method-name: reschedule`, the three parameters of the "
        "path and the fields of the body"
    )
