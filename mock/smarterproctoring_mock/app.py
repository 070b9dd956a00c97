"""The mock server as an ASGI application, without a framework and without code for single operations.

One request goes through these steps; the first that fails answers, in the vendor's form of an error:
target (404), method (405), HTTP's own rules (400, 431), token (401), size and content coding (413, 415, 400),
media type (415), parameters and body against the spec (400, every violation in one message), the session (404 with
--strict-sessions). Then a fault may apply; otherwise the change is stored and the spec's response is sent.
"""

import time
from collections.abc import Mapping
from functools import cached_property, partial
from hashlib import blake2b
from typing import NamedTuple

from smarterproctoring_mock import page, wire
from smarterproctoring_mock.admin import administer
from smarterproctoring_mock.asgi import (
    Message,
    Receive,
    Scope,
    Send,
    decline,
    response_start,
    send_body,
    send_response,
)
from smarterproctoring_mock.checks import (
    Authenticator,
    parameter_violations,
    read_content,
)
from smarterproctoring_mock.control import MockControl
from smarterproctoring_mock.document import to_pointer
from smarterproctoring_mock.fault import ConnectionDropped, Fault
from smarterproctoring_mock.faults import Target
from smarterproctoring_mock.operations import ServedOperation
from smarterproctoring_mock.request import ClientGone, Refused, Request
from smarterproctoring_mock.request_body import read_body
from smarterproctoring_mock.responses import (
    HeaderPairs,
    Response,
    error_response,
    phrase,
    vendor_code,
)
from smarterproctoring_mock.routing import Route, Router
from smarterproctoring_mock.rules import Violation, describe
from smarterproctoring_mock.strict_json import Json
from smarterproctoring_mock.waiting import sleep

_GONE = "the client went away before its request was complete"
_WITHOUT_BODY = frozenset({204, 205, 304})
# RFC 9110 11.6.1 wants a challenge with each 401; the vendor's scheme has no registered name.
_CHALLENGE = (("www-authenticate", 'ApiKey realm="smarterproctoring"'),)


class _Accepted(NamedTuple):
    """A request that the spec accepts."""

    operation: ServedOperation
    fault: Fault | None
    """The fault that applies to it."""
    fields: dict[str, Json] | None
    """What to store; None where nothing is stored."""


class MockApp(MockControl):
    """The server: an ASGI application, whose methods return what it received.

    The methods may be called from other threads while it serves. Faults of the connection raise
    `ConnectionDropped` out of the call; `smarterproctoring_mock.server` cuts the real connection then.
    """

    @cached_property
    def _router(self) -> Router:
        return Router(self.spec)

    @cached_property
    def _authenticator(self) -> Authenticator:
        return Authenticator(self._token)

    @cached_property
    def _starts(self) -> Mapping[str, Message]:
        """The messages that begin the successes, by the operations' ids."""
        return {
            operation.id: response_start(operation.success)
            for operation in self.spec.operations.values()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI 3 defines it."""
        if scope["type"] != "http":
            await decline(scope["type"], receive, send)
            return
        request = Request(scope, self._epoch)
        if self._is_for_admin(request):
            await administer(self, request, scope.get("client"), receive, send)
            return
        try:
            accepted = await self._accept(request, receive)
        except Refused as refusal:
            await self._refuse(request, refusal, send)
        except ClientGone:
            await self._finish(request, 0, _GONE)
        except ConnectionDropped:
            await self._finish(request, 0, "fault: drop before-read")
            raise
        else:
            if accepted.fault is None:
                await self._succeed(request, accepted, send)
            else:
                await self._fail(request, accepted, accepted.fault, send)

    def _is_for_admin(self, request: Request) -> bool:
        path = request.raw_path
        if path.startswith("/_mock/") or path == "/_mock":
            return True
        return path == page.ROOT and page.is_wanted(self.spec, request)

    # --- judging -------------------------------------------------------------------------------------------

    async def _accept(self, request: Request, receive: Receive) -> _Accepted:
        """Validate a request."""
        try:
            request.read_head()
            route = self._route(request)
            operation = self._operation(route, request)
            self._authenticate(request, operation)
        except Refused as refusal:
            if request.head.waits:
                # The client may send the body or not, so the connection cannot be used again.
                refusal.headers += (("connection", "close"),)
            else:
                await read_body(request, receive, self.body_memory)
            raise
        fault = self._fault_for(request, operation) if self._faults.active else None
        if fault is not None and fault.drop == "before-read":
            raise ConnectionDropped("before-read", reset=fault.reset)
        try:
            await read_body(request, receive, self.body_memory)
            fields = self._judge(request, operation, route)
            if fault is None and b"prefer" in request.head:
                fault = _preferred(request)
        except (Refused, ClientGone):
            if fault is not None and request.epoch == self._epoch:
                self._faults.give_back(fault)
            raise
        return _Accepted(operation, fault, fields)

    def _fault_for(self, request: Request, operation: ServedOperation) -> Fault | None:
        """Use up a turn of the first fault that matches a request."""
        target = Target(
            operation=operation.id,
            method=operation.method,
            values=request.key[1],
            shows_session=operation.shown is not None,
            since_change=partial(self._store.since_change, request.key),
        )
        return self._faults.take(target)

    def _route(self, request: Request) -> Route:
        """Find the operation for the target."""
        if len(request.raw_path) + len(request.query) > wire.TARGET_LIMIT:
            raise Refused(
                414, f"the target is larger than {wire.TARGET_LIMIT:,} octets"
            )
        route = self._router.find(request.raw_path, request.method)
        if route is None:
            # A path that cannot be decoded is no described path either (RFC 3986 2.1).
            raise Refused(404, "no such path is described (#/paths)")
        request.key = route.key
        return route

    def _operation(self, route: Route, request: Request) -> ServedOperation:
        if route.operation is None:
            item = route.item
            where = to_pointer(["paths", item.template])
            message = f"only {item.allow} is described for this path ({where})"
            raise Refused(405, message, headers=(("allow", item.allow),))
        request.operation_id = route.operation.id
        return route.operation

    def _authenticate(self, request: Request, operation: ServedOperation) -> None:
        violations = self._authenticator.violations(request, operation)
        if violations:
            raise Refused(401, describe(violations), headers=_CHALLENGE)

    def _judge(
        self, request: Request, operation: ServedOperation, route: Route
    ) -> dict[str, Json] | None:
        """Validate a complete request; return the fields to store, or None if nothing is to be stored."""
        violations = list(route.violations)
        for parameter in operation.parameters:
            violations += parameter_violations(request, operation, parameter)
        value: Json = None
        if operation.bodies:
            content = read_content(request, operation)
            value = content.value
            if content.is_unsupported and not violations:
                raise _unsupported(content.violations)
            violations += content.violations
        if violations:
            raise Refused(400, describe(violations))
        if not self._is_known(request):
            message = "The requested session was not found (this server knows only seeded ones)"
            raise Refused(404, message, code="1203")
        if not operation.writes:
            return None
        return _declared(value, operation.body_fields)

    def _is_known(self, request: Request) -> bool:
        """Whether a request is for a session that may be asked for."""
        if not self.strict_sessions or request.method == "POST":
            return True
        return not request.key[1] or self._store.knows(request.key)

    # --- answering -----------------------------------------------------------------------------------------

    async def _succeed(self, request: Request, accepted: _Accepted, send: Send) -> None:
        """Store the change and answer as the spec says."""
        operation = accepted.operation
        response = operation.success
        start = self._starts[operation.id]
        if operation.shown is not None:
            response = self._current(request, operation, accepted.fields)
            start = response_start(response)
        self._record(request, response.status, "accepted", accepted.fields, response)
        if self._store.behind:
            await self._store.committed()
        await send(start)
        await send_body(send, b"" if request.method == "HEAD" else response.body)

    def _current(
        self,
        request: Request,
        operation: ServedOperation,
        fields: Mapping[str, Json] | None,
    ) -> Response:
        """Return the success as it is once this request is stored."""
        stored = self._store.fields(request.key)
        return operation.current(request.key[1], {**stored, **(fields or {})})

    async def _refuse(self, request: Request, refusal: Refused, send: Send) -> None:
        response = self._error(
            refusal.status, refusal.code, refusal.message, refusal.headers
        )
        await self._finish(request, refusal.status, refusal.message, None, response)
        await send_response(send, response, head=request.method == "HEAD")

    def _error(
        self, status: int, code: str, message: str, headers: HeaderPairs = ()
    ) -> Response:
        return error_response(self.spec.more_info, status, code, message, headers)

    async def _finish(
        self,
        request: Request,
        status: int,
        reason: str,
        fields: Mapping[str, Json] | None = None,
        response: Response | None = None,
    ) -> None:
        """Store and record a request, before anything of its answer is sent."""
        self._record(request, status, reason, fields, response)
        if self._store.behind:
            await self._store.committed()

    def _record(
        self,
        request: Request,
        status: int,
        reason: str,
        fields: Mapping[str, Json] | None,
        response: Response | None,
    ) -> None:
        request.status = status
        request.reason = reason
        request.answer = response
        if request.epoch != self._epoch:
            return  # it began before a reset, and would appear in the records of the next test
        if not self._is_read(request):
            digest = blake2b(request.body, digest_size=16).digest()
            self._store.record(
                request.time,
                request.operation_id,
                request.key,
                status,
                reason,
                digest,
                fields,
            )
        self._recorder.add(request)
        # The record keeps the fields packed; unpacked they would take several times the memory.
        del request.head

    def _is_read(self, request: Request) -> bool:
        """Whether a request can only read: the audit is of changes, and of what no operation is described for."""
        operation = self.spec.operations.get(request.operation_id)
        return operation is not None and operation.is_read

    # --- faults --------------------------------------------------------------------------------------------

    async def _fail(
        self, request: Request, accepted: _Accepted, fault: Fault, send: Send
    ) -> None:
        """Send the answer of a fault."""
        if fault.delay:
            await sleep(fault.delay)
        reason = self._redactor.hide(f"fault: {fault.label}")
        fields = accepted.fields if fault.stores else None
        if fault.drop is not None:
            await self._finish(request, 0, reason, fields)
            raise ConnectionDropped(fault.drop, reset=fault.reset)
        success = self._reshaped(request, accepted.operation, fields, fault)
        response = self._faulty(accepted.operation, fault, success)
        await self._finish(request, response.status, reason, fields, response)
        await send(response_start(response))
        if fault.truncate is not None:
            size = min(fault.truncate, max(0, len(response.body) - 1))
            await send_body(send, response.body[:size], more=True)
            raise ConnectionDropped("in-answer", reset=fault.reset)
        if fault.drip is None:
            await send_body(send, response.body)
        else:
            await _drip(send, response.body, fault.drip, fault.drip_bytes)

    def _reshaped(
        self,
        request: Request,
        operation: ServedOperation,
        fields: Mapping[str, Json] | None,
        fault: Fault,
    ) -> Response:
        """Return the success as a fault shows the session, otherwise as it is."""
        shown = operation.shown
        if shown is None or not fault.reshapes:
            return self._current(request, operation, fields)
        is_former = fault.show == "former"
        known = self._store.former_fields if is_former else self._store.fields
        stored = {**known(request.key), **(fields or {})}
        members = operation.members(shown, request.key[1], stored)
        if fault.show == "invented":
            members = shown.invented(members)
        if fault.dates is not None:
            members = shown.in_other_form(members, fault.dates)
        return operation.showing(members)

    def _faulty(
        self, operation: ServedOperation, fault: Fault, success: Response
    ) -> Response:
        """Write the response that a fault asks for."""
        response = self._faulty_content(operation, fault, success)
        media_type = response.content_type
        headers = list(response.headers)
        for name, value in fault.header_fields(time.time()):
            if name == "content-type":
                media_type = value
            else:
                headers.append((name, value))
        body = b"" if response.status in _WITHOUT_BODY else response.body
        return Response(response.status, body, media_type, tuple(headers))

    def _faulty_content(
        self, operation: ServedOperation, fault: Fault, success: Response
    ) -> Response:
        status = success.status if fault.status is None else fault.status
        if fault.body is not None:
            is_json = fault.text is None
            media_type = "application/json" if is_json else fault.content_type or ""
            return Response(status, fault.body, media_type)
        if fault.code is not None or fault.message is not None:
            code = fault.code or vendor_code(status)
            return self._error(status, code, fault.message or phrase(status))
        return success if status == success.status else operation.respond_with(status)


def _unsupported(violations: list[Violation]) -> Refused:
    headers = (("accept-encoding", wire.ACCEPTED_CODINGS),)
    return Refused(415, describe(violations), headers=headers)


def _declared(value: Json, declared: frozenset[str] | None) -> dict[str, Json]:
    """Return the fields that the spec names; the others are dropped, as the vendor's sister service does."""
    if not isinstance(value, dict):
        return {}
    if declared is None or declared.issuperset(value):
        return value
    return {name: item for name, item in value.items() if name in declared}


def _preferred(request: Request) -> Fault | None:
    """Read `Prefer: code=429`, Prism's convention for choosing an answer."""
    fields = b",".join(request.all(b"prefer")).decode("latin-1")
    code = wire.preferences(fields).get("code")
    if code is None:
        return None
    is_number = len(code) == 3 and code.isascii() and code.isdigit()
    if not (is_number and "200" <= code <= "599"):
        raise Refused(400, "header.Prefer: code must be a status within 200 and 599")
    return Fault(status=int(code), name=f"Prefer: code={code}")


async def _drip(send: Send, body: bytes, seconds: float, size: int) -> None:
    """Send a body in pieces, with a wait between them."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)] or [
        b""
    ]
    last = pieces.pop()
    for piece in pieces:
        await send_body(send, piece, more=True)
        if seconds:
            await sleep(seconds)
    await send_body(send, last)
