"""Reads the operations of the spec for their records, keyword types and methods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from spec_model import Body, GenerationError, Node, Spec, mapping

from generator import naming
from generator.hints import type_hint
from generator.naming import keyword_name
from generator.reading_back import Model, answer_model, check_places, reads_back

OWN_CONSTANTS = ("OPERATIONS", "SERVERS", "SID_KINDS", "VERSION")
"""Names that the module of the operations has already."""


@dataclass(frozen=True)
class Argument:
    """One argument of a method.

    Attributes:
        keyword: Its name.
        place: What a message calls the place in the spec that it comes from.
        schema: Its schema, resolved.
        hint: The Python type of what may be given, without None.
        description: What it means, on one line.
        needed: Whether it has to be given.
        nullable: Whether `NULL` may be given for JSON's null.
        default: What is sent for a required one that is not given.
        deprecated: Whether the spec says so.
    """

    keyword: str
    place: str
    schema: Node
    hint: str
    description: str
    needed: bool = False
    nullable: bool = False
    default: object = None
    deprecated: bool = False

    @property
    def parameter_hint(self) -> str:
        """The type in a signature: `None` stands for what is not sent."""
        null = " | Null" if self.nullable and self.hint != "Any" else ""
        if self.needed:
            return f"{self.hint}{null} | None" if null else self.hint
        return f"{self.hint}{null} | None"

    @property
    def documentation(self) -> str:
        """What the documentation of the method says of it."""
        said = self.description or "The spec does not describe it."
        if self.default is None:
            return said
        return f"{said} Where it is not given, {self.default!r} is sent."

    @property
    def field_hint(self) -> str:
        """The type in a TypedDict whose keys may all be left out."""
        return (
            f"Required[{self.parameter_hint}]" if self.needed else self.parameter_hint
        )


@dataclass(frozen=True)
class Described:
    """An operation, as needed for its record, its keyword types and its methods.

    Attributes:
        path: The template of its path.
        method: Its method, in lower case.
        node: The operation, with the parameters of its path item.
        constant: The name of its record.
        call: The name of its method.
        body: Its body, if it has one.
        in_path: The parameters of the path, in its order.
        keywords: What is given by keyword besides these.
        body_keywords: Those of them that the body is made from.
        model: The model of its answer, if it has one.
        reader: The GET on the same path, where that shows fields of this operation.
    """

    path: str
    method: str
    node: Node
    constant: str
    call: str
    body: Body | None
    in_path: list[Argument]
    keywords: list[Argument]
    body_keywords: list[Argument]
    model: Model | None = None
    reader: Described | None = None

    @property
    def name(self) -> str:
        """The operationId."""
        return str(self.node["operationId"])

    @property
    def function(self) -> str:
        """The name of its generated function."""
        return naming.function_name(self.name)

    @property
    def check(self) -> str:
        """The name of the method that reads back what it has changed."""
        return naming.check_method_name(self.node)

    @property
    def fields_type(self) -> str:
        """The name of the class with its keyword types."""
        return f"{naming.class_stem(self.name)}Fields"

    @property
    def item_type(self) -> str:
        """The name of the class with all its argument types, those of the path included."""
        return f"{naming.class_stem(self.name)}Item"

    @property
    def install_item_type(self) -> str:
        """The name of the class with its argument types for a view of one install."""
        return f"{naming.class_stem(self.name)}InstallItem"

    @property
    def is_of_install(self) -> bool:
        """Whether its path begins with the SID of an install, so that a view for one install has it."""
        return bool(self.in_path) and self.in_path[0].keyword == naming.INSTALL

    @property
    def summary(self) -> str:
        """The first line of the method's documentation."""
        words = str(self.node.get("summary") or self.name).split()
        return " ".join(words).rstrip(".") + "."

    @property
    def description(self) -> str:
        """What the spec says of it, on one line."""
        return one_line(self.node)


def one_line(node: Node) -> str:
    """Fold a description onto one line; what is deprecated says so first."""
    text = " ".join(str(node.get("description", "")).split())
    return f"Deprecated. {text}".rstrip() if node.get("deprecated") else text


def read_operations(spec: Spec) -> list[Described]:
    """Read every operation, and refuse names that clash.

    Raises:
        GenerationError: With the operation, the place, the reason and a way out.
    """
    spec.servers()
    found: list[Described] = []
    taken: set[str] = set(OWN_CONSTANTS)
    for path, method, operation in spec.operations():
        described = read_operation(spec, path, method, operation)
        for name in (described.constant, described.fields_type):
            if name in taken or not name.isidentifier():
                raise GenerationError(
                    f"operationId {described.name!r} gives the name {name}, which is taken or not a valid name: "
                    "choose another"
                )
            taken.add(name)
        found.append(described)
    if not found:
        raise GenerationError("paths: the spec describes no operation")
    linked = [with_reader(operation, found) for operation in found]
    check_methods(linked)
    return linked


def with_reader(operation: Described, all_operations: list[Described]) -> Described:
    """Return an operation with the GET that shows its fields, where the spec says that one does.

    Raises:
        GenerationError: There is no such GET, or its answer has no such property.
    """
    fields = operation.body.fields if operation.body else {}
    shown = {
        name: reads_back(operation.name, name, prop)[0] for name, prop in fields.items()
    }
    named = {name: answer for name, answer in shown.items() if answer}
    if not named:
        if "x-check-method-name" in operation.node:
            raise GenerationError(
                f"{operation.name}: x-check-method-name, and no field of the body has x-reads-back-as: add it to one, "
                "or take the name out"
            )
        return operation
    first = next(iter(named))
    where = f"{operation.name}: x-reads-back-as of {first!r}"
    reader = next(
        (
            other
            for other in all_operations
            if other.path == operation.path and other.method == "get"
        ),
        None,
    )
    if reader is None or reader.name == operation.name:
        raise GenerationError(
            f"{where}: there is no GET on {operation.path} to read it with: describe one, or take x-reads-back-as out"
        )
    if reader.model is None:
        raise GenerationError(
            f"{where}: {reader.name} answers with no object that has a name: describe its answer under "
            "components/schemas, or take x-reads-back-as out"
        )
    for name, answer in named.items():
        if answer not in reader.model.properties:
            raise GenerationError(
                f"{operation.name}: x-reads-back-as of {name!r} names {answer!r}, which {reader.model.name}, "
                f"the answer of {reader.name}, does not have: name one of its properties, or take x-reads-back-as out"
            )
    needed = [argument.place for argument in reader.keywords if argument.needed]
    if needed:
        raise GenerationError(
            f"{where}: {reader.name} needs {needed[0]}, which nobody gives when it reads back: make it "
            "optional, or take x-reads-back-as out"
        )
    return replace(operation, reader=reader)


def read_operation(spec: Spec, path: str, method: str, operation: Node) -> Described:
    """Read one operation.

    Raises:
        GenerationError: It cannot be carried out, or is not OpenAPI 3.0 at all.
    """
    try:
        return _read_operation(spec, path, method, operation)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise not_openapi(path, method, error) from None


def not_openapi(path: str, method: str, error: Exception) -> GenerationError:
    """Return the error for an operation in which something has a shape that OpenAPI does not know."""
    return GenerationError(
        f"{method.upper()} {path}: something here is not OpenAPI 3.0 ({type(error).__name__}: {error}). "
        "`make lint-spec` names the place"
    )


def _read_operation(spec: Spec, path: str, method: str, operation: Node) -> Described:
    name = operation["operationId"]
    body = spec.body(method, operation)
    spec.check_answers(operation)
    check_places(spec, operation, body)
    parameters = [(node, _parameter(spec, node)) for node in operation["parameters"]]
    fields = list(_fields(spec, operation, body)) if body else []
    arguments = [*(argument for _, argument in parameters), *fields]
    naming.check_keywords(
        name, [(argument.keyword, argument.place) for argument in arguments]
    )
    return Described(
        path=path,
        method=method,
        node=operation,
        constant=naming.constant_name(name),
        call=naming.method_name(operation),
        body=body,
        in_path=[argument for node, argument in parameters if node["in"] == "path"],
        keywords=[
            *(argument for node, argument in parameters if node["in"] != "path"),
            *fields,
        ],
        body_keywords=fields,
        model=answer_model(spec, operation),
    )


def _parameter(spec: Spec, node: Node) -> Argument:
    schema = spec.flat(node.get("schema"))
    location = node["in"]
    required = bool(node.get("required"))
    default = schema.get("default") if required else None
    pattern = mapping(node.get("schema")).get("pattern")
    description = one_line(node)
    if location == "path" and pattern:
        description += f" It must match `{pattern}`."
    return Argument(
        keyword=keyword_name(node["name"], node),
        place=f"{node['name']!r} ({location})",
        schema=schema,
        hint=type_hint(spec, schema),
        description=description,
        needed=location == "path" or (required and default is None),
        default=default if location != "path" else None,
        deprecated=bool(node.get("deprecated")),
    )


def _fields(spec: Spec, operation: Node, body: Body) -> Iterator[Argument]:
    """Yield the arguments that the body is made from."""
    if not body.fields:
        yield _whole_body(spec, operation, body)
    for name, prop in body.fields.items():
        required = name in body.flat["required"]
        default = prop.get("default") if required else None
        yield Argument(
            keyword=keyword_name(name, prop),
            place=f"{name!r} (body)",
            schema=prop,
            hint=type_hint(spec, prop),
            description=one_line(prop),
            needed=required and default is None,
            default=default,
            nullable=spec.takes_null(body.flat["properties"][name]),
            deprecated=bool(prop.get("deprecated")),
        )


def _whole_body(spec: Spec, operation: Node, body: Body) -> Argument:
    """Return the one argument of a body that is given whole."""
    words = one_line(spec.resolve(operation.get("requestBody"))) or one_line(body.flat)
    return Argument(
        keyword=body.keyword,
        place="the body",
        schema=body.flat,
        hint=type_hint(spec, body.flat),
        description=words or "The body.",
        needed=body.required,
        nullable=spec.takes_null(body.node),
        deprecated=bool(body.flat.get("deprecated")),
    )


def check_methods(operations: list[Described]) -> None:
    """Refuse names of methods that cannot be used, or that callers of this package need otherwise."""
    names = naming.MethodNames()
    for operation in operations:
        names.take(operation.name, operation.call)
        if operation.reader:
            names.take_check(operation.name, operation.check)
        if operation.constant == naming.RESCHEDULE:
            sids = [argument.keyword for argument in operation.in_path]
            has_keywords = bool(operation.keywords)
            naming.check_reschedule(
                operation.name, operation.call, sids, has_keywords=has_keywords
            )
