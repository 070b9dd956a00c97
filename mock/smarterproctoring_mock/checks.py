"""Validate a request's parameters, secrets and content against the spec."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from smarterproctoring_mock import strict_json, wire
from smarterproctoring_mock.drawn_responses import is_json
from smarterproctoring_mock.operations import Scheme, ServedOperation
from smarterproctoring_mock.parameters import Parameter
from smarterproctoring_mock.request import Refused, Request
from smarterproctoring_mock.request_body import BODY_LIMIT, TOO_LARGE
from smarterproctoring_mock.rules import Violation
from smarterproctoring_mock.strict_json import Json

_EXPLAINED_WHOLE: Final = 32 * 1024
"""Octets of a body up to which all violations are reported, and not only the first."""
_UNSUPPORTED: Final = frozenset({"header.Content-Type", "header.Content-Encoding"})


# --- secrets ----------------------------------------------------------------------------------------------


class Authenticator:
    """Looks for the secrets that an operation asks for."""

    def __init__(self, token: str | None) -> None:
        """Prepare.

        Args:
            token: The token to accept; None accepts any that is not empty.
        """
        self._token = token.encode("latin-1", "replace") if token is not None else None
        # The result depends on nothing else, and tests send the same few tokens often.
        self.remembered = lru_cache(maxsize=1024)(self._violations)

    def violations(
        self, request: Request, operation: ServedOperation
    ) -> list[Violation]:
        """Return the problems with a request's secrets; nothing if one alternative is fulfilled."""
        is_short = request.head.size + len(request.query) <= wire.LARGEST_CACHED
        judge = self.remembered if is_short else self._violations
        return judge(request.head, request.query, operation)

    def _violations(
        self, head: wire.Head, query: bytes, operation: ServedOperation
    ) -> list[Violation]:
        found: list[Violation] = []
        for alternative in operation.security:
            wrong = [self._violation(head, query, scheme) for scheme in alternative]
            violations = [violation for violation in wrong if violation is not None]
            if not violations:
                return []
            found += violations
        return found

    def _violation(
        self, head: wire.Head, query: bytes, scheme: Scheme
    ) -> Violation | None:
        values = _octets(head, query, scheme.location, scheme.name)
        name = f"{scheme.location}.{scheme.name}"
        if len(values) > 1:
            return Violation(name, f"was sent {len(values)} times", scheme.pointer)
        value = values[0].strip(b" \t") if values else b""
        if scheme.prefix:
            given, _, rest = value.partition(b" ")
            value = rest.strip() if given.lower() == scheme.prefix else b""
        if not value:
            return Violation(name, "is required", scheme.pointer)
        if self._token is not None and value != self._token:
            return Violation(
                name, "is not the token that this server accepts", scheme.pointer
            )
        return None


# --- parameters -------------------------------------------------------------------------------------------


def parameter_violations(
    request: Request, operation: ServedOperation, parameter: Parameter
) -> Iterator[Violation]:
    """Yield what is wrong with a parameter that is not in the path.

    Args:
        request: The request, its head read.
        operation: The operation.
        parameter: One of the operation's.
    """
    try:
        if parameter.is_structured:
            names = frozenset(other.name for other in operation.parameters)
            yield from parameter.query_violations(request.query, names)
            return
        octets = _octets(
            request.head, request.query, parameter.location, parameter.name
        )
        yield from parameter.violations([value.decode() for value in octets])
    except UnicodeDecodeError:
        yield Violation(parameter.label, "must be UTF-8", parameter.pointer)


def _octets(head: wire.Head, query: bytes, location: str, name: str) -> list[bytes]:
    """Return what was sent for a parameter or a secret, in the order it came."""
    if location == "header":
        return head.all(name.lower().encode("latin-1", "replace"))
    if location == "query":
        # By way of Latin-1 and back: parse_qsl wants text, and these octets are not yet known to be UTF-8.
        texts = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, encoding="latin-1"
        )
        pairs = [
            (key.encode("latin-1"), value.encode("latin-1")) for key, value in texts
        ]
    else:
        pairs = _cookies(head)
    wanted = name.encode()
    return [value for key, value in pairs if key == wanted]


def _cookies(head: wire.Head) -> list[tuple[bytes, bytes]]:
    crumbs = b";".join(head.all(b"cookie")).split(b";")
    parts = [crumb.partition(b"=") for crumb in crumbs]
    return [(key.strip(), value.strip()) for key, _, value in parts]


# --- content ----------------------------------------------------------------------------------------------


class Content(NamedTuple):
    """The decoded content of a request, and its problems."""

    value: Json
    violations: list[Violation]

    @property
    def is_unsupported(self) -> bool:
        """Whether the problem is its media type or content coding (415)."""
        return bool(self.violations) and self.violations[0].field in _UNSUPPORTED


class _UnreadableError(Exception):
    """The content cannot be validated."""

    def __init__(self, field: str, rule: str, pointer: str) -> None:
        super().__init__(rule)
        self.violation = Violation(field, rule, pointer)


def read_content(request: Request, operation: ServedOperation) -> Content:
    """Undo the content coding, check the media type, parse the body and validate it.

    Args:
        request: The request, its body received.
        operation: The operation.

    Raises:
        Refused: The decoded content is larger than `BODY_LIMIT`.
    """
    try:
        return _read_content(request, operation)
    except _UnreadableError as error:
        return Content(None, [error.violation])


def _read_content(request: Request, operation: ServedOperation) -> Content:
    pointer = operation.body_pointer
    if not request.body:
        if operation.body_required:
            raise _UnreadableError("body", "is required", pointer)
        return Content(None, [])
    media_type = request.head.media_type
    rules = operation.rules_for(media_type) if media_type is not None else None
    if media_type is None or rules is None:
        wanted = f"must be {' or '.join(operation.bodies)}, once"
        raise _UnreadableError("header.Content-Type", wanted, f"{pointer}/content")
    content = _decoded(request, pointer)
    value = _parsed(content, media_type, pointer)
    if rules.is_valid(value):
        return Content(value, [])
    if len(content) > _EXPLAINED_WHOLE:
        return Content(value, rules.first_violation(value, "body"))
    return Content(value, list(rules.violations(value, "body")))


def _decoded(request: Request, pointer: str) -> bytes:
    """Undo the content coding."""
    if b"content-encoding" not in request.head:
        return request.body
    codings = b",".join(request.all(b"content-encoding")).decode("latin-1")
    try:
        return wire.decode_content(request.body, codings, BODY_LIMIT)
    except wire.TooLargeError:
        raise Refused(413, TOO_LARGE + ", decoded") from None
    except wire.UnknownCodingError:
        wanted = f"must be one of {wire.ACCEPTED_CODINGS}"
        raise _UnreadableError("header.Content-Encoding", wanted, pointer) from None
    except wire.CodingError as error:
        raise _UnreadableError("body", f"cannot be decoded: {error}", pointer) from None


def _parsed(content: bytes, media_type: str, pointer: str) -> Json:
    try:
        return strict_json.loads(content) if is_json(media_type) else content.decode()
    except strict_json.NotJsonError as error:
        reason = str(error)
    except UnicodeDecodeError:
        reason = "not UTF-8"
    rule = f"is not valid {media_type}: {reason}"
    raise _UnreadableError("body", rule, f"{pointer}/content")
