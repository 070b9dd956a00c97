"""One way to call both clients, so that every rule is tested on both."""

from __future__ import annotations

import inspect
import os
import ssl
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeVar

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from smarterproctoring import AsyncSmarterProctoring, Result, SmarterProctoring, SmarterProctoringError
from smarterproctoring_generated.api.exam_sessions import reschedule_exam_session
from smarterproctoring_generated.models.session_change import SessionChange
from smarterproctoring_generated.types import Response
from wire.misbehave import Server

AI, EX, ES = "AI" + "a1" * 16, "EX" + "b2" * 16, "ES" + "c3" * 16
PATH = f"/v1/installs/{AI}/exams/{EX}/sessions/{ES}"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDAwMDAwMDB9.c2VjcmV0LXNpZ25hdHVyZQ"
CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Shared by the clients of all tests. It trusts nobody: to load certificates takes longer than most tests."""
FAST = os.environ.get("TRANSPORT", "fast") == "fast"
"""Over which of the two kinds of connection the suite runs: `TRANSPORT=default` or `TRANSPORT=fast`."""
ErrorT = TypeVar("ErrorT", bound=SmarterProctoringError)
Either = SmarterProctoring | AsyncSmarterProctoring
Kind = Literal["sync", "asyncio", "uvloop", "trio"]


class Caller:
    """A client of either kind; the asynchronous one lives in an event loop of its own."""

    def __init__(self, raw: Any, portal: BlockingPortal | None) -> None:
        self.raw, self._portal = raw, portal

    def run(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of either kind."""
        if self._portal is None:
            return function(*arguments, **named)

        async def whole() -> Any:
            value = function(*arguments, **named)
            return await value if inspect.isawaitable(value) else value

        return self._portal.call(whole)

    def reschedule(self, *sids: Any, **fields: Any) -> Result:
        """Call `reschedule`, with good SIDs and one field unless others are given."""
        result = self.run(partial(self.raw.reschedule, *(sids or (AI, EX, ES)), **(fields or {"notes": "moved"})))
        assert isinstance(result, Result)
        return result

    def generated(self, *sids: Any, body: SessionChange | None = None, client: Any = None) -> Response[Any]:
        """Call the generated function."""
        module = reschedule_exam_session
        detailed: Any = module.sync_detailed if self._portal is None else module.asyncio_detailed
        change = body or SessionChange(notes="moved")
        answered: Response[Any] = self.run(
            detailed, *(sids or (AI, EX, ES)), client=client or self.raw.generated, body=change
        )
        return answered

    def fails(self, kind: type[ErrorT], *sids: Any, **fields: Any) -> ErrorT:
        """Call `reschedule`, which must fail in exactly this way."""
        return failure(kind, partial(self.reschedule, *sids, **fields))

    def view(self, **options: Any) -> Caller:
        """The same client with other options."""
        return Caller(self.raw.with_options(**options), self._portal)

    def for_install(self, *sids: Any) -> Caller:
        """The view for one install."""
        return Caller(self.raw.for_install(*sids), self._portal)

    def close(self) -> None:
        self.run(self.raw.close if isinstance(self.raw, SmarterProctoring) else self.raw.aclose)


def failure(kind: type[ErrorT], function: Callable[[], object]) -> ErrorT:
    """Call what must fail in exactly this way; hold the error to the rules that all errors obey."""
    with pytest.raises(SmarterProctoringError) as caught:
        function()
    error = caught.value
    assert isinstance(error, kind), f"{type(error).__name__}: {error}"
    assert str(error) == error.message
    assert error.__cause__ is None
    assert error.__context__ is None
    assert TOKEN not in shown(error)
    assert ("may have been applied" in error.message) is error.maybe_applied
    return error


def shown(error: BaseException) -> str:
    """What a traceback prints with the local variables of every frame, each object once."""
    texts: list[str] = []
    values: dict[int, object] = {}
    following: BaseException | None = error
    while following is not None:
        texts += traceback.format_exception_only(following)
        for frame, _ in traceback.walk_tb(following.__traceback__):
            values |= {id(value): value for value in frame.f_locals.values()}
        following = following.__cause__ or following.__context__
    return "\n".join([*texts, *map(safe, values.values())])


def safe(value: object) -> str:
    try:
        return repr(value)
    except AttributeError:
        return "no repr"


class Driver:
    """Makes clients of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.type: Any = SmarterProctoring if kind == "sync" else AsyncSmarterProctoring

    @contextmanager
    def client(self, server: Server | str, *tokens: Any, **settings: Any) -> Generator[Caller]:
        """Make a client of this server (or URL); it is closed at the end."""
        url = server if isinstance(server, str) else server.url
        settings = {"verify": CERTIFICATES, "fast": FAST, **settings}
        with self.made(partial(self.type, *(tokens or (TOKEN,)), base_url=url, **settings)) as caller:
            yield caller

    @contextmanager
    def made(self, make: Callable[[], Either]) -> Generator[Caller]:
        """Close what `make` makes at the end."""
        if self.kind == "sync":
            caller = Caller(make(), None)
            yield from closing(caller)
        else:
            uvloop = self.kind == "uvloop"
            options = {"use_uvloop": True} if uvloop else None
            with start_blocking_portal("asyncio" if uvloop else self.kind, options) as portal:
                yield from closing(Caller(make(), portal))

    def hook(self, function: Callable[..., object]) -> Callable[..., Any]:
        """Make a callback of this kind out of a plain function."""
        if self.kind == "sync":
            return function

        async def hooked(*arguments: Any) -> object:
            return function(*arguments)

        return hooked


def closing(caller: Caller) -> Iterator[Caller]:
    try:
        yield caller
    finally:
        caller.close()
