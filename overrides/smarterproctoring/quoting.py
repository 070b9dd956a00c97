"""What of a server's answer may be shown: neither the token nor what the request says of a person. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator

from smarterproctoring.answers import MAX_BODY, Reply
from smarterproctoring.credentials import Secret
from smarterproctoring.harmless import harmless
from smarterproctoring.masking import mask, mask_token
from smarterproctoring.prepare import Prepared

_MAX_ESCAPED = 12
"""Characters at most that one character of a token becomes by escapes."""


def without_token(reply: Reply, secret: Secret) -> Reply:
    """Mask the token where the server, or a proxy's error page, echoes it, and leave cookies out."""
    token = secret.reveal()
    if "set-cookie" not in reply.headers and len(reply.body) <= MAX_BODY:
        # Hardly any answer quotes the token, so look through all of it at once before each part is masked.
        text = "\n".join([*reply.headers.values(), reply.body.decode("latin-1")])
        if mask_token(text, token) == text:
            return reply
    headers = dict(reply.headers)
    headers.pop("set-cookie", None)
    headers = {name: mask_token(value, token) for name, value in headers.items()}
    # A token at the limit is seen whole, and not cut into view; latin-1 keeps every byte.
    read = reply.body[: MAX_BODY + _MAX_ESCAPED * len(token)]
    body = mask_token(read.decode("latin-1"), token)
    return Reply(
        reply.status,
        headers,
        body.encode("latin-1")[:MAX_BODY],
        incomplete=reply.incomplete,
    )


def masked(text: str, secret: Secret, prepared: Prepared) -> str:
    """Mask the token and values of the request's body: a server may quote them, and they are personal data."""
    return without_personal(mask_token(text, secret.reveal()), prepared)


def without_personal(text: str, prepared: Prepared) -> str:
    """Mask values of the request's body."""
    return mask(text, _personal(prepared))


def _personal(prepared: Prepared) -> list[str]:
    """Return the values of the request that may say something of a person, as a server would quote them."""
    body = json.loads(prepared.content.reveal() or b"{}")
    plain = {
        item.name for item in prepared.operation.fields if item.allowed or item.format
    }
    if isinstance(body, dict):
        body = [value for name, value in body.items() if name not in plain]
    values = [text.strip() for text in _texts(body)]
    return [*values, *[harmless(value) for value in values]]


def _texts(value: object) -> Iterator[str]:
    """Yield every text and number in a JSON value, as a server would quote it."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
