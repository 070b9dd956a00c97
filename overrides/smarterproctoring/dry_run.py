"""What a call would send, without httpx: for the command line, where importing it takes longer than all else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from smarterproctoring_generated.facade import Operations
from smarterproctoring_generated.records import Hidden, Operation

from smarterproctoring.headers import common_headers
from smarterproctoring.prepare import Prepared, from_keywords
from smarterproctoring.settings import Options

_WITH_LENGTH = ("POST", "PUT", "PATCH")
"""Methods that say how long the body is even if there is none."""


class DryRun(NamedTuple):
    """The exact request that a call would send; the token is replaced by `<token>`.

    Attributes:
        method: The HTTP method.
        url: The whole URL.
        headers: The headers.
        content: The body's bytes.
        path: The path as the spec has it, with names in the place of SIDs.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes
    path: str = ""

    def __repr__(self) -> str:  # the values are about a person, or the caller's own
        names = ", ".join(sorted(self.headers))
        return f"<DryRun {self.method} {self.path} headers={names} content={len(self.content)} bytes>"


def with_token(operation: Operation, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request with a mark in the place of the token."""
    if operation.token_header is None:
        return dict(headers)
    return {**headers, operation.token_header: "<token>"}


class DryClient(Operations[DryRun]):
    """Has the `dry_run_…` methods of the clients, which say the same here, and needs no httpx.

    Args:
        base_url: Where the API is, as httpx would write it: in lower case, without the scheme's own port.
        options: The options of the calls.
    """

    def __init__(self, base_url: str, options: Options) -> None:
        self._base_url = base_url.rstrip("/")
        host = self._base_url.partition("://")[2].partition("/")[0]
        self._headers = {"host": host, **common_headers(options)}
        self._allow_empty = options.allow_empty

    def _dry_run(
        self,
        operation: Operation,
        sids: Sequence[object],
        given: Hidden[Mapping[str, object]],
    ) -> DryRun:
        prepared = from_keywords(operation, sids, given, allow_empty=self._allow_empty)
        return DryRun(
            operation.method,
            self._base_url + prepared.path,
            with_token(operation, self._headers_of(prepared)),
            prepared.content.reveal(),
            operation.path,
        )

    def _headers_of(self, prepared: Prepared) -> dict[str, str]:
        content = prepared.content.reveal()
        headers = dict(self._headers)
        if content:
            headers["content-type"] = "application/json"
        if content or prepared.operation.method in _WITH_LENGTH:
            headers["content-length"] = str(len(content))
        return {**headers, **prepared.headers}
