"""Compile the OpenAPI document: paths, parameters, security, bodies and responses.

All knowledge of the API comes from the document: an operation added to it is served without a change
of code. Supported: OpenAPI 3.0 with references inside the document. Schemas follow that version's dialect
(JSON Schema draft 4 plus `nullable`, `readOnly` and the integer formats).
"""

from functools import lru_cache, partial
from pathlib import Path
from typing import Final, NamedTuple, cast

from smarterproctoring_mock.document import (
    Document,
    Node,
    SpecError,
    escape,
    from_pointer,
    nodes,
    parse_document,
    to_pointer,
    walk,
)
from smarterproctoring_mock.drawn_responses import DrawnResponses, ReadBack
from smarterproctoring_mock.operations import (
    PathItem,
    PathTemplate,
    Scheme,
    ServedOperation,
)
from smarterproctoring_mock.parameters import Parameter, compile_parameter
from smarterproctoring_mock.rules import Rules, check_pattern, rules_of

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_WRITING: Final = frozenset({"put", "post", "patch"})
_PACKAGED: Final = Path(__file__).with_name("openapi.yaml")
_CHECKOUT: Final = Path(__file__).parents[2] / "openapi" / "smarterproctoring.yaml"


def default_path() -> Path:
    """Return the spec shipped beside the code, or the checkout's while working in one."""
    return _PACKAGED if _PACKAGED.exists() else _CHECKOUT


def load(path: str | Path | None = None) -> "CompiledSpec":
    """Read and compile a spec.

    Args:
        path: The YAML or JSON file; None for the one that belongs to this version of the package.

    Returns:
        The compiled spec.

    Raises:
        SpecError: The file cannot be read, or says something that cannot be served.
    """
    path = Path(path) if path is not None else default_path()
    try:
        return _compile(path.read_bytes())
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from None
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise SpecError(f"{path}: not a usable OpenAPI document ({reason})") from None


@lru_cache(maxsize=4)
def _compile(content: bytes) -> "CompiledSpec":
    """Compile a document once for all the mocks that serve it: a compiled spec does not change."""
    return CompiledSpec(parse_document(content))


class MatchedPath(NamedTuple):
    """A path of the spec that a request's path matches."""

    item: PathItem
    values: tuple[str, ...]
    """Of the path's parameters."""


class _Bodies(NamedTuple):
    """What the spec says of an operation's request body."""

    rules: dict[str, Rules]
    """By media type."""
    fields: frozenset[str]
    required: bool
    pointer: str


class CompiledSpec:
    """The compiled document."""

    def __init__(self, root: Node) -> None:
        """Compile it.

        Args:
            root: The document.

        Raises:
            SpecError: It says something that cannot be served.
        """
        self.document = root
        self._document = Document(root)
        for path, node in nodes(root):
            if isinstance(node.get("pattern"), str):
                check_pattern(node["pattern"], to_pointer([*path, "pattern"]))
        self.title = str(root["info"]["title"])
        self.version = str(root["info"]["version"])
        self.more_info = str(root["info"].get("contact", {}).get("url", ""))
        schemas = cast("Node", self._document.draft_4(root, "readOnly"))
        self._rules_at = rules_of(schemas, frozenset(self._document.property_names()))
        self._responses = DrawnResponses(self._document)
        names: Node = root.get("components", {}).get("securitySchemes", {})
        schemes = [self._scheme(name) for name in names]
        self.secret_names = frozenset(scheme.name.lower() for scheme in schemes)
        paths: dict[str, Node] = root["paths"]
        self.items = tuple(
            self._item(template, item) for template, item in paths.items()
        )
        self.operations = {
            operation.id: operation
            for item in self.items
            for operation in item.operations.values()
        }
        self._by_length: dict[int, list[PathItem]] = {}
        # A concrete path is matched before a templated one (OpenAPI 3.0.3, Paths Object).
        for item in sorted(self.items, key=lambda item: len(item.parameter_names)):
            self._by_length.setdefault(item.path.segments, []).append(item)

    def match(self, parts: list[str]) -> MatchedPath | None:
        """Find the path of these decoded segments, and the values of its parameters."""
        for item in self._by_length.get(len(parts), ()):
            values = item.path.match(parts)
            if values is not None:
                return MatchedPath(item, values)
        return None

    # --- paths ---------------------------------------------------------------------------------------------

    def _item(self, template: str, node: Node) -> PathItem:
        node, base = self._document.resolve(node, to_pointer(["paths", template]))
        path = PathTemplate(template)
        if len(set(path.names)) != len(path.names):
            raise SpecError(f"{base}: a parameter is twice in the path")
        read_back = self._read_back(node, base)
        operations = {
            method.upper(): self._operation(path, method, node, base, read_back)
            for method in METHODS
            if method in node
        }
        return PathItem(path, operations, allow=", ".join(sorted(operations)))

    def _operation(
        self,
        path: PathTemplate,
        method: str,
        item: Node,
        base: str,
        read_back: ReadBack,
    ) -> ServedOperation:
        pointer = f"{base}/{method}"
        node = cast("Node", item[method])
        parameters = self._parameters(item, base) | self._parameters(node, pointer)
        missing = [name for name in path.names if ("path", name) not in parameters]
        if missing:
            raise SpecError(f"{pointer}: no parameter describes {', '.join(missing)}")
        bodies = self._bodies(node, pointer)
        success = self._responses.success(pointer)
        self._responses.check(pointer)
        shown = (
            self._responses.shown_session(pointer, success.status, read_back)
            if success.body
            else None
        )
        others = [p for p in parameters.values() if p.location != "path"]
        return ServedOperation(
            id=str(node.get("operationId", f"{method} {path.template}")),
            method=method.upper(),
            template=path.template,
            pointer=pointer,
            path_parameters=tuple(parameters["path", name] for name in path.names),
            parameters=tuple(others),
            security=self._security(node),
            bodies=bodies.rules,
            body_required=bodies.required,
            body_pointer=bodies.pointer,
            body_fields=bodies.fields or None,
            success=success,
            shown=shown,
            writes=bool(bodies.rules) and method in _WRITING,
            respond_with=partial(self._responses.response, pointer),
        )

    def _parameters(self, owner: Node, where: str) -> dict[tuple[str, str], Parameter]:
        """Compile the parameters of a path or an operation; the keys are their locations and names."""
        found: dict[tuple[str, str], Parameter] = {}
        nodes_: list[Node] = owner.get("parameters", [])
        for index, entry in enumerate(nodes_):
            node, pointer = self._document.resolve(entry, f"{where}/parameters/{index}")
            parameter = compile_parameter(self._document, self._rules_at, node, pointer)
            found[parameter.location, parameter.name] = parameter
        return found

    # --- security ------------------------------------------------------------------------------------------

    def _security(self, node: Node) -> tuple[tuple[Scheme, ...], ...]:
        """Return the alternatives of an operation, each with the schemes that it needs."""
        default: list[Node] = self.document.get("security") or []
        alternatives: list[Node] = node.get("security", default) or []
        return tuple(
            tuple(map(self._scheme, alternative)) for alternative in alternatives
        )

    def _scheme(self, name: str) -> Scheme:
        pointer = f"#/components/securitySchemes/{name}"
        try:
            node = self._document.at(pointer)
        except KeyError:
            raise SpecError(
                f"{pointer}: this security scheme is not described"
            ) from None
        if node["type"] == "apiKey":
            return Scheme(node["in"], node["name"], b"", pointer)
        prefix = str(node.get("scheme", "bearer")).lower()
        return Scheme("header", "authorization", prefix.encode(), pointer)

    # --- bodies --------------------------------------------------------------------------------------------

    def _bodies(self, node: Node, pointer: str) -> _Bodies:
        body, where = self._document.resolve(
            node.get("requestBody", {}), f"{pointer}/requestBody"
        )
        content: Node = body.get("content", {})
        rules: dict[str, Rules] = {}
        fields: set[str] = set()
        for name in content:
            schema = f"{where}/content/{escape(name)}/schema"
            media_type = name.partition(";")[0].strip().lower()
            rules[media_type] = self._rules_at(schema)
            fields |= self._fields(schema).keys()
        return _Bodies(
            rules, frozenset(fields), bool(body.get("required", False)), where
        )

    def _read_back(self, item: Node, base: str) -> ReadBack:
        """Collect what the fields of a path's changes are shown as when it is read (`x-reads-back-as`)."""
        names: dict[str, str] = {}
        dates: set[str] = set()
        for method in sorted(_WRITING & item.keys()):
            body, where = self._document.resolve(
                item[method].get("requestBody", {}), f"{base}/{method}/requestBody"
            )
            for media_type in body.get("content", {}):
                schema = f"{where}/content/{escape(media_type)}/schema"
                for name, pointer in self._fields(schema).items():
                    unresolved = self._document.unresolved_at(pointer)
                    field = self._document.resolved(unresolved, pointer)
                    shown_as = {**field, **unresolved}.get("x-reads-back-as")
                    if isinstance(shown_as, str):
                        names[name] = shown_as
                        if field.get("format") == "date-time":
                            dates.add(shown_as)
        return ReadBack(names, frozenset(dates))

    def _fields(self, pointer: str) -> dict[str, str]:
        """Collect the properties that a schema declares, through references and `allOf` and its like.

        Args:
            pointer: Where the schema stands.

        Returns:
            Where each property stands, by its name.
        """
        found: dict[str, str] = {}
        seen: set[str] = set()
        todo = [pointer]
        while todo:
            pointer = todo.pop()
            unresolved = cast("Node", walk(self.document, from_pointer(pointer)))
            schema, where = self._document.resolve(unresolved, pointer)
            if where in seen:
                continue
            seen.add(where)
            for name in schema.get("properties", ()):
                found.setdefault(name, f"{where}/properties/{escape(name)}")
            for key in ("allOf", "anyOf", "oneOf"):
                parts = len(schema.get(key, ()))
                todo += [f"{where}/{key}/{index}" for index in range(parts)]
        return found
