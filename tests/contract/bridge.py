"""The bridge's check: whether what the mock received is, octet for octet, the request that the spec describes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from contract.drawing import BEFORE, FIELDS, METHOD, PATTERNS, TEMPLATE, TIMES, Change, wire_time
from smarterproctoring_mock.testing import Mock


class Wire(NamedTuple):
    """A request as the spec describes it."""

    method: str
    path: str
    body: bytes


def read_of(sids: Sequence[str]) -> Wire:
    """Work out the request of a valid read."""
    path = TEMPLATE
    for name, sid in zip(PATTERNS, sids, strict=True):
        path = path.replace(f"{{{name}}}", sid)
    return Wire("GET", path, b"")


def wire(change: Change) -> Wire | None:
    """Work out the request of a valid call; None where the client has to refuse it."""
    fields = dict(change.fields)
    for name in fields.keys() & set(TIMES):
        moment = wire_time(fields[name])
        if moment is None:
            return None
        fields[name] = moment
    if any({start, end} <= fields.keys() and fields[end] <= fields[start] for start, end in BEFORE.items()):
        return None
    path = TEMPLATE
    for name, sid in zip(PATTERNS, change.sids, strict=True):
        path = path.replace(f"{{{name}}}", sid)  # a valid SID needs no encoding
    # In the spec's order: a replay must be the same octets, however a caller orders keywords.
    body = {name: fields[name] for name in FIELDS if name in fields}
    return Wire(METHOD, path, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


def problems(mock: Mock, expected: Wire) -> list[str]:
    """Return all in which the one request that the mock received is not as the spec says."""
    received = mock.app.requests()
    if len(received) != 1:
        return [f"{len(received)} requests came"]
    (request,) = received
    found: list[str] = []

    def check(what: str, came: object, wanted: object) -> None:
        if came != wanted:
            found.append(f"{what}: {came!r} instead of {wanted!r}")

    def values(name: str) -> list[str]:
        return [value for key, value in request.headers if key == name]

    check("method", request.method, expected.method)
    check("path", request.path, expected.path)
    check("body", request.body, expected.body)
    # A read has no content (RFC 9110 9.3.1).
    check("content-type", values("content-type"), ["application/json"] if expected.body else [])
    check("content-length", values("content-length"), [str(len(expected.body))] if expected.body else [])
    # The record shows no tokens, but it can say whether the right one came.
    check("token header lines", len(values("token")), 1)
    check("the token itself", mock.app.verify(headers={"token": mock.token}).ok, True)
    for name in ("authorization", "cookie", "transfer-encoding", "content-encoding", "expect"):
        check(name, values(name), [])
    check("answer", request.status, 200)
    return found
