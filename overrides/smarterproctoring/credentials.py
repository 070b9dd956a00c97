"""The token: where it comes from, whether it can be sent, when it expired. It is never shown."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from smarterproctoring.errors import NoCopy
from smarterproctoring.problems import Problem
from smarterproctoring.settings import PREFIX

TokenCallable = Callable[[], object]
"""A callable for the token; it may return anything, or raise."""
TokenSource = str | Callable[[], str]
"""A token, or a callable that returns it and is called before every attempt."""
AsyncTokenSource = str | Callable[[], str | Awaitable[str]]
"""The same for the asynchronous client; the callable may be asynchronous."""


class Secret(NoCopy):
    """A token, or the problem with it. It does not raise, so that no traceback shows the value.

    Attributes:
        problem: Why the token cannot be sent, None if it can. It continues a sentence that begins with "the token".
    """

    def __init__(self, value: object, problem: str | None = None) -> None:
        self._value = value.strip() if isinstance(value, str) else ""
        if not self._value:
            problem = (
                problem
                or f"is missing: pass a str, or set {PREFIX}TOKEN or {PREFIX}TOKEN_FILE"
            )
        elif re.match(r"bearer(\s|$)", self._value, re.IGNORECASE):
            problem = "must be given without the prefix 'Bearer '"
        elif not re.fullmatch("[!-~]+", self._value):
            problem = "must be printable ASCII without spaces or line breaks"
        self.problem = problem

    def problems(self) -> list[Problem]:
        """Return the problem as one with the setting `token`; none if the token can be sent."""
        code = "value" if self._value else "missing"
        return (
            [Problem("token", code, self.problem, "the token")] if self.problem else []
        )

    def reveal(self) -> str:
        """Return the token: for the header and for masking, nothing else."""
        return self._value

    def expires_at(self) -> datetime | None:
        """Return the time in the JWT's `exp`; None if the token is not a JWT or has no `exp`.

        The signature is not verified, so this is used in messages only.
        """
        try:
            _, claims, _ = self._value.split(".")
            expires = json.loads(
                base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
            )["exp"]
            return datetime.fromtimestamp(expires, UTC)
        except (
            ValueError,
            TypeError,
            KeyError,
            OverflowError,
            OSError,
            RecursionError,
        ):
            return None

    def __repr__(self) -> str:
        return "<token>"
