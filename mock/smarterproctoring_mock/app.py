"""The mock server as an ASGI application, without a framework and without knowledge of any operation.

One request goes through these steps; the first that fails answers, in the vendor's form of an error:
target (404), method (405), HTTP's own rules (400, 431), token (401), size and content coding (413, 415, 400),
media type (415), parameters and body against the spec (400, every problem at once), the session (404 with
--strict-sessions). Then a fault may strike; otherwise the change is stored and the spec's answer is sent.
"""

import asyncio
import sys
import time as clock
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final, TypeAlias, cast
from urllib.parse import parse_qsl, quote

from smarterproctoring_mock import page, strict_json, wire
from smarterproctoring_mock import spec as specs
from smarterproctoring_mock.asgi import Message, Receive, Scope, Send
from smarterproctoring_mock.faults import ConnectionDropped, Fault, Faults, load_scenario, parse_script
from smarterproctoring_mock.http_parser import TARGET_LIMIT
from smarterproctoring_mock.record import Entry, RecordedRequest, Recorder, Verification
from smarterproctoring_mock.responses import Response, error_response, phrase, vendor_code
from smarterproctoring_mock.spec import Operation, Parameter, PathItem, Problem, Scheme
from smarterproctoring_mock.store import AuditRow, Key, Session, Store, StoreError
from smarterproctoring_mock.strict_json import Json

BODY_LIMIT: Final = 8 * 1024 * 1024
"""Octets of a body, before and after its content coding is undone."""
RECEIVED_LIMIT: Final = 64 * 1024 * 1024
"""Octets of all bodies that are still on their way."""
HEADER_LIMIT: Final = 64 * 1024
"""Octets of all header fields together, with an octet between each name and value."""
RECORDED: Final = 10_000
_READ_ON: Final = 4 * BODY_LIMIT
_NO_KEY: Final[Key] = ((), ())
_LONGEST_REMEMBERED: Final = 512
"""Octets of a path from which on the verdict on it is not remembered."""
_Found: TypeAlias = tuple[PathItem, Key, Operation | None, tuple[Problem, ...]]


class Refused(Exception):  # noqa: N818  an answer, not a failure of the server
    """A 4xx answer."""

    def __init__(self, status: int, message: str, *, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or vendor_code(status)
        self.headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())


class ClientGone(Exception):  # noqa: N818  nothing failed here
    """The client went away before its request was complete."""


class Request(Entry):
    """One request on its way through the application; the recorder keeps it afterwards."""

    __slots__ = ("epoch", "head", "operation")

    head: wire.Head
    """Known once `read_head` was called."""

    def __init__(self, scope: Scope, epoch: int = 0) -> None:
        self.epoch = epoch
        self.time = clock.time()
        self.method = scope["method"]
        self.http_version = scope.get("http_version", "1.1")
        self.scheme = scope.get("scheme", "http")
        raw = scope.get("raw_path")
        self.raw_path = raw.decode("latin-1") if raw is not None else quote(scope["path"])
        self.query = scope.get("query_string", b"")
        self.fields = wire.pack(scope["headers"])
        self.body = b""
        self.operation: Operation | None = None
        self.operation_id = ""
        self.key = _NO_KEY

    def read_head(self) -> None:
        """Read the header fields.

        Raises:
            Refused: They break HTTP's own rules or this server's limits.
        """
        if len(self.fields) > HEADER_LIMIT:
            self.head = wire.read_head(b"", self.http_version, self.method)  # what is too large is not read
            raise Refused(431, f"the header fields are larger than {HEADER_LIMIT:,} octets together")
        self.head = head = wire.read_head(self.fields, self.http_version, self.method)
        if head.problem is not None:
            raise Refused(400, head.problem)

    def all(self, name: bytes) -> list[bytes]:
        """Return the values of a header field, one per line it was sent on."""
        return self.head.all(name)


class MockApp:
    """The server. Call it as an ASGI application, and ask it as an object what came in.

    Safe to ask from other threads while it serves. Faults of the connection are raised as `ConnectionDropped`
    out of the call; `smarterproctoring_mock.server` cuts the real connection then.
    """

    def __init__(
        self,
        *,
        spec: str | Path | None = None,
        token: str | None = None,
        db: str | Path | None = None,
        seed: str | Path | dict[str, Any] | list[Any] | None = None,
        strict_sessions: bool = False,
        scenario: str | Path | None = None,
        recorded: int = RECORDED,
        admin_hosts: Iterable[str] = (),
        admin_peers: Iterable[str] = (),
    ) -> None:
        """Set the server up.

        Args:
            spec: The OpenAPI document; None for the one that ships with this version.
            token: The token to accept; None accepts any that is not empty.
            db: A SQLite file for sessions and audit rows; None keeps them in memory.
            seed: Sessions to start with: a JSON file's path, or what it would hold.
            strict_sessions: Refuse unknown sessions with 404 instead of learning them.
            scenario: Faults to start with: a shipped scenario's name or a JSON file's path.
            recorded: How many requests to keep for `requests` and `assert_called`.
            admin_hosts: Host names beside the loopback ones under which `/_mock/` may be called.
            admin_peers: Addresses and networks (`172.17.0.0/16`) beside loopback from which it may be called.

        Raises:
            ValueError: A file is not usable, or an address is none; the message names it and says why.
        """
        self.spec = specs.load(spec)
        self.strict_sessions = strict_sessions
        self.admin_hosts = frozenset(host.lower() for host in admin_hosts)
        self.admin_peers = tuple(_network(text) for text in admin_peers)
        self._token = token.encode("latin-1", "replace") if token is not None else None
        self._seed = self._read_seed(seed)
        # The verdicts on a path and on a token depend on nothing else, and tests send few of them often.
        self._find_cached = lru_cache(maxsize=4096)(self._find_uncached)
        self._secret_problems_cached = lru_cache(maxsize=1024)(self._secret_problems_uncached)
        self._starts = {op.id: _start(op.success) for op in self.spec.operations.values()}
        self._faults = Faults()
        self._scenario = load_scenario(scenario) if scenario is not None else None
        self._recorder = Recorder(recorded, self.spec.secret_names, token)
        self._epoch = 0
        self.room = Room()
        self._store = Store(db)
        # What a file already holds is newer than the seed.
        self._store.put(pair for pair in self._seed if not self._store.knows(pair[0]))
        if self._scenario is not None:
            self._faults.add(*self._scenario)

    # --- for tests -----------------------------------------------------------------------------------------

    def sessions(self) -> list[Session]:
        """Return the sessions the server knows, with the fields they were sent or seeded with."""
        return self._store.sessions()

    def session(self, sid: str) -> Session:
        """Return the one session of which a path parameter has this value. Raises KeyError for none or many."""
        found = [session for session in self._store.sessions() if sid in session.params.values()]
        if len(found) != 1:
            raise KeyError(f"{len(found)} sessions of {sid}")
        return found[0]

    def seed(self, sessions: dict[str, Any] | list[Any]) -> None:
        """Add sessions, in the form of a seed file. Raises StoreError where they break the spec."""
        self._store.put(self._read_seed(sessions))

    def audit(self, *, session: str | None = None, limit: int | None = None) -> list[AuditRow]:
        """Return the audit rows, one per request, the oldest first."""
        return self._store.audit(session=session, limit=limit)

    def requests(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        operation: str | None = None,
        session: str | None = None,
        status: int | None = None,
        since: int | None = None,
        limit: int | None = None,
    ) -> list[RecordedRequest]:
        """Return what was received, the oldest first, without secrets; every argument narrows it down."""
        return self._recorder.requests(
            method=method, path=path, operation=operation, session=session, status=status, since=since, limit=limit
        )

    def verify(self, *, times: int | None = None, **expected: Any) -> Verification:
        """Count the requests that are as expected; see `Recorder.verify` for what can be expected."""
        return self._recorder.verify(expected, times)

    def assert_called(self, *, times: int | None = None, **expected: Any) -> None:
        """Raise an AssertionError with a diff unless the expected requests came.

        Args:
            times: How many; None for at least one.
            **expected: `operation`, `method`, `path`, `session`, `status`, `params`, `headers`, `json`,
                `fields`, `body`.
        """
        outcome = self._recorder.verify(expected, times)
        if not outcome.ok:
            raise AssertionError(outcome.message)

    def add_faults(self, *faults: Fault | str | dict[str, Any] | list[Any], seed: int | None = None) -> None:
        """Put faults after those in force.

        Args:
            *faults: `Fault` objects, names from `FAULTS`, or rules in JSON form.
            seed: Start the draws for `probability` anew from here.
        """
        for fault in faults:
            if isinstance(fault, Fault):
                self._faults.add([fault], seed)
            else:
                rules, own_seed = parse_script(fault)
                self._faults.add(rules, seed if own_seed is None else own_seed)

    def load_scenario(self, scenario: str | Path) -> None:
        """Put a scenario's faults after those in force: a shipped scenario's name, or a JSON file's path."""
        self._faults.add(*load_scenario(scenario))

    def faults(self) -> list[Fault]:
        """Return the faults in force, with the turns they have left."""
        return self._faults.pending()

    def clear_faults(self) -> None:
        """Lift all faults."""
        self._faults.clear()

    def reset(self) -> None:
        """Go back to the start: the seeded sessions, the scenario's faults, no audit rows, no requests.

        A request that is still under way then, in a delay for instance, is answered but neither stored nor recorded.
        """
        self._epoch += 1
        self._store.clear()
        self._store.put(self._seed)
        self._recorder.clear()
        self._faults.clear()
        if self._scenario is not None:
            self._faults.add(*self._scenario)

    def har(self) -> dict[str, Json]:
        """Return the recorded exchanges as an HTTP Archive 1.2, without secrets."""
        return self._recorder.har()

    def curl(self) -> list[str]:
        """Return the recorded requests as curl commands; the token is `$SMARTERPROCTORING_TOKEN`."""
        return self._recorder.curl()

    @property
    def total(self) -> int:
        """How many requests there were since the start or the last reset, kept or not."""
        return self._recorder.total

    def close(self) -> None:
        """Write and close the file of `db`. The application must not be called afterwards."""
        self._store.close()

    # --- ASGI ----------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI 3 defines it."""
        if scope["type"] != "http":
            await _other(scope["type"], receive, send)
            return
        request = Request(scope, self._epoch)
        path = request.raw_path
        if path.startswith("/_mock/") or path == "/_mock" or (path == page.ROOT and page.is_wanted(self.spec, request)):
            # Late import: the admin interface works on this class.
            from smarterproctoring_mock.admin import administer  # noqa: PLC0415

            await administer(self, request, scope.get("client"), receive, send)
            return
        fault: Fault | None = None
        try:
            fault, fields = await self._accept(request, receive)
        except Refused as refusal:
            await self._refuse(request, refusal, send)
            return
        except ClientGone:
            await self._finish(request, 0, "the client went away before its request was complete", None)
            return
        except ConnectionDropped:
            await self._finish(request, 0, "fault: drop before-read", None)
            raise
        operation = cast("Operation", request.operation)
        if fault is not None:
            await self._fail(request, operation, fault, fields, send)
            return
        answer = operation.success
        if operation.shown is not None:
            answer = self._current(operation, request, fields)
        self._record(request, answer.status, "accepted", fields, answer)
        if self._store.behind:
            await self._store.committed()
        await send(self._starts[operation.id] if answer is operation.success else _start(answer))
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else answer.body})

    def _current(self, operation: Operation, request: Request, fields: dict[str, Json] | None) -> Response:
        """Return the success as it is once this request is stored."""
        stored = self._store.fields(request.key)
        return operation.current(request.key[1], {**stored, **(fields or {})})

    async def _accept(self, request: Request, receive: Receive) -> tuple[Fault | None, dict[str, Json] | None]:
        """Check a request against everything; return the fault that strikes it, and the fields to store."""
        try:
            request.read_head()
            operation, problems = self._route(request)
            self._authenticate(request, operation)
        except Refused as refusal:
            if request.head.waits:
                # Whether the body will follow is now the client's choice: this connection is of no more use.
                refusal.headers += (("connection", "close"),)
            else:
                await read(request, receive, self.room)
            raise
        fault = self._faults.take(operation.id, request.key[1]) if self._faults.active else None
        if fault is not None and fault.drop == "before-read":
            raise ConnectionDropped("before-read", reset=fault.reset)
        try:
            await read(request, receive, self.room)
            fields = self._judge(request, operation, problems)
            if fault is None and b"prefer" in request.head:
                fault = _preferred(request)
        except (Refused, ClientGone):
            if fault is not None and request.epoch == self._epoch:
                self._faults.give_back(fault)
            raise
        return fault, fields

    def _route(self, request: Request) -> tuple[Operation, tuple[Problem, ...]]:
        """Find the operation, and what is wrong with the path's parameters."""
        if len(request.raw_path) + len(request.query) > TARGET_LIMIT:
            raise Refused(414, f"the target is larger than {TARGET_LIMIT:,} octets")
        found = self._find(request.raw_path, request.method)
        if found is None:
            # A path that cannot be decoded is no described path either (RFC 3986 2.1).
            raise Refused(404, "no such path is described (#/paths)")
        item, request.key, operation, problems = found
        if operation is None:
            where = specs.to_pointer(["paths", item.template])
            raise Refused(405, f"only {item.allow} is described for this path ({where})", allow=item.allow)
        request.operation, request.operation_id = operation, operation.id
        return operation, problems

    def _find(self, raw_path: str, method: str) -> "_Found | None":
        """Find the path, and hold its parameters against the spec; what is long is not remembered."""
        if len(raw_path) + len(method) > _LONGEST_REMEMBERED:
            return self._find_uncached(raw_path, method)
        return self._find_cached(raw_path, method)

    def _find_uncached(self, raw_path: str, method: str) -> "_Found | None":
        parts = wire.segments(raw_path)
        found = self.spec.match(parts) if parts is not None else None
        if found is None:
            return None
        item, values = found
        operation = item.operations.get(method)
        parameters = operation.path_parameters if operation is not None else ()
        problems = [problem for p, value in zip(parameters, values, strict=False) for problem in p.problems([value])]
        return item, (item.parameter_names, values), operation, tuple(problems)

    def _authenticate(self, request: Request, operation: Operation) -> None:
        short = request.head.size + len(request.query) <= wire.LARGEST_CACHED
        judge = self._secret_problems_cached if short else self._secret_problems_uncached
        problems = judge(request.head, request.query, operation)
        if problems:
            # RFC 9110 11.6.1 wants a challenge with each 401; the vendor's scheme has no registered name.
            raise Refused(401, specs.describe(problems), www_authenticate='ApiKey realm="smarterproctoring"')

    def _secret_problems_uncached(self, head: wire.Head, query: bytes, operation: Operation) -> list[Problem]:
        problems: list[Problem] = []
        for alternative in operation.security:
            found = [problem for scheme in alternative if (problem := self._secret_problem(head, query, scheme))]
            if not found:
                return []
            problems += found
        return problems

    def _secret_problem(self, head: wire.Head, query: bytes, scheme: Scheme) -> Problem | None:
        values = _octets(head, query, scheme.location, scheme.name)
        value = values[0].strip(b" \t") if len(values) == 1 else b""
        if scheme.prefix:
            given, _, rest = value.partition(b" ")
            value = rest.strip() if given.lower() == scheme.prefix else b""
        if value and (self._token is None or value == self._token):
            return None
        rule = "is not the token that this server accepts" if value else "is required"
        if len(values) > 1:
            rule = f"was sent {len(values)} times"
        return Problem(f"{scheme.location}.{scheme.name}", rule, scheme.pointer)

    def _judge(
        self, request: Request, operation: Operation, path_problems: Sequence[Problem]
    ) -> dict[str, Json] | None:
        """Hold a complete request against the spec; return the fields to store, or None where nothing is."""
        problems = list(path_problems)
        status = 400
        for parameter in operation.parameters:
            problems += _parameter_problems(request, operation, parameter)
        value: Json = None
        if operation.bodies:
            value, found = _read_body(request, operation)
            if found and not problems and found[0].field in _UNSUPPORTED:
                status = 415
            problems += found
        if problems:
            accept = {"accept_encoding": wire.ACCEPTED_CODINGS} if status == 415 else {}
            raise Refused(status, specs.describe(problems), **accept)
        if self.strict_sessions and request.key[1] and request.method != "POST" and not self._store.knows(request.key):
            raise Refused(404, "The requested session was not found (this server knows only seeded ones)", code="1203")
        if not operation.writes:
            return None
        if not isinstance(value, dict):
            return {}
        # What the spec does not name is dropped, as the vendor's sister service does.
        declared = operation.body_fields
        if declared is None or declared.issuperset(value):
            return value
        return {name: item for name, item in value.items() if name in declared}

    # --- answering -----------------------------------------------------------------------------------------

    async def _refuse(self, request: Request, refusal: Refused, send: Send) -> None:
        answer = self._error(refusal.status, refusal.code, refusal.message, refusal.headers)
        await self._finish(request, refusal.status, refusal.message, None, answer)
        await send_answer(send, answer, head=request.method == "HEAD")

    def _error(self, status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
        return error_response(self.spec.more_info, status, code, message, headers)

    async def _finish(
        self, request: Request, status: int, reason: str, fields: dict[str, Json] | None, answer: Response | None = None
    ) -> None:
        """Store and record a request, before anything of its answer is sent."""
        self._record(request, status, reason, fields, answer)
        if self._store.behind:
            await self._store.committed()

    def _record(
        self, request: Request, status: int, reason: str, fields: dict[str, Json] | None, answer: Response | None
    ) -> None:
        request.status, request.reason, request.answer = status, reason, answer
        if request.epoch != self._epoch:
            return  # it began before a reset, and would turn up in what somebody else looks at
        digest = blake2b(request.body, digest_size=16).digest()
        self._store.record(request.time, request.operation_id, request.key, status, reason, digest, fields)
        self._recorder.add(request)
        del request.head  # the record keeps the fields packed; unpacked they would take several times the room

    async def _fail(
        self, request: Request, operation: Operation, fault: Fault, fields: dict[str, Json] | None, send: Send
    ) -> None:
        """Response as a fault says."""
        if fault.delay:
            await sleep(fault.delay)
        reason = "fault: " + (fault.name or ", ".join(f"{k} {v}" for k, v in fault.to_json().items() if k != "times"))
        reason = self._recorder.hide(reason)
        change = fields if fault.stores else None
        if fault.drop is not None:
            await self._finish(request, 0, reason, change)
            raise ConnectionDropped(fault.drop, reset=fault.reset)
        answer = self._fault_answer(operation, fault, self._current(operation, request, change))
        await self._finish(request, answer.status, reason, change, answer)
        pieces = [answer.body]
        if fault.drip is not None:
            size = fault.drip_bytes
            pieces = [answer.body[i : i + size] for i in range(0, len(answer.body), size)] or [b""]
        if fault.truncate is not None:
            await send(_start(answer))
            sent = answer.body[: min(fault.truncate, max(0, len(answer.body) - 1))]
            await send({"type": "http.response.body", "body": sent, "more_body": True})
            raise ConnectionDropped("in-answer", reset=fault.reset)
        await send(_start(answer))
        for index, piece in enumerate(pieces):
            if index and fault.drip:
                await sleep(fault.drip)
            await send({"type": "http.response.body", "body": piece, "more_body": index + 1 < len(pieces)})

    def _fault_answer(self, operation: Operation, fault: Fault, success: Response) -> Response:
        status = success.status if fault.status is None else fault.status
        body = fault.body
        if body is not None:
            kind = "application/json" if fault.text is None else fault.content_type or ""
            answer = Response(status, body, kind)
        elif fault.code is not None or fault.message is not None:
            code, message = fault.code or vendor_code(status), fault.message or phrase(status)
            answer = self._error(status, code, message)
        else:
            answer = success if status == success.status else operation.answer(status)
        more = tuple(fault.header_fields(clock.time()))
        kind = next((value for name, value in more if name == "content-type"), answer.content_type)
        more = tuple(pair for pair in more if pair[0] != "content-type")
        body = b"" if status in {204, 205, 304} else answer.body
        return Response(status, body, kind, answer.headers + more)

    # --- seeds ---------------------------------------------------------------------------------------------

    def _read_seed(self, seed: str | Path | dict[str, Any] | list[Any] | None) -> list[tuple[Key, dict[str, Json]]]:
        """Read seeded sessions and hold them against the spec."""
        if seed is None:
            return []
        where, content = "the seed", cast("Json", seed)
        if isinstance(seed, str | Path):
            where = str(seed)
            try:
                content = strict_json.loads(Path(seed).read_bytes(), sys.maxsize)  # the user's own, of any size
            except OSError as error:
                raise StoreError(f"{where}: {error.strerror}") from None
            except strict_json.NotJsonError as error:
                raise StoreError(f"{where}: {error}") from None
        if isinstance(content, dict):
            content = content.get("sessions")
        if not isinstance(content, list):
            raise StoreError(f'{where}: expected {{"sessions": [...]}}')
        return [self._read_seeded(session, f"{where}: session {number}") for number, session in enumerate(content, 1)]

    def _read_seeded(self, session: Json, where: str) -> tuple[Key, dict[str, Json]]:
        if not isinstance(session, dict):
            raise StoreError(f"{where}: expected an object")
        params = {name: value for name, value in session.items() if name != "fields"}
        fields = session.get("fields", {})
        item = next(
            (item for item in self.spec.items if item.operations and set(item.parameter_names) == set(params)), None
        )
        if item is None or not params or not isinstance(fields, dict):
            wanted = " or ".join(", ".join(item.parameter_names) for item in self.spec.items if item.parameter_names)
            raise StoreError(f"{where}: expected {wanted}, and fields (an object)")
        operation = next((op for op in item.operations.values() if op.writes), next(iter(item.operations.values())))
        problems: list[Problem] = []
        for parameter in operation.path_parameters:
            value = params[parameter.name]
            problems += parameter.rules.problems(value, parameter.name)
        for rules in operation.bodies.values():
            problems += rules.problems(fields, "fields")
        if problems:
            raise StoreError(f"{where}: {specs.describe(problems)}")
        return (item.parameter_names, tuple(str(params[name]) for name in item.parameter_names)), fields


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"admin peer {text!r}: not an address or network such as 172.17.0.0/16 ({error})") from None


# --- reading a request ------------------------------------------------------------------------------------

_EXPLAINED_WHOLE: Final = 32 * 1024
"""Octets of a body up to which all that is wrong with it is looked for, and not only the first."""
_UNSUPPORTED: Final = frozenset({"header.Content-Type", "header.Content-Encoding"})


class Room:
    """The room for bodies that are still on their way, so that many slow clients cannot fill the memory together."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int) -> bool:
        """Take room for more octets; False where there is none."""
        if self.used + size > RECEIVED_LIMIT:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """Return room."""
        self.used -= size


async def read(request: Request, receive: Receive, room: Room) -> None:
    """Read the body, whole.

    Args:
        request: Its `body` is set.
        receive: ASGI's.
        room: For a body that does not come in one piece.

    Raises:
        Refused: It is larger than `BODY_LIMIT`, or with others on their way than `RECEIVED_LIMIT`.
        ClientGone: The client went away before its end.
    """
    if request.head.waits:
        length = request.head.get(b"content-length")
        if length.isdigit() and len(length) < 20 and int(length) > BODY_LIMIT:
            raise Refused(413, _TOO_LARGE, connection="close")
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body = message.get("body", b"")
    if message.get("more_body", False):
        body = await _read_on(request, body, receive, room)
    request.body = body
    if len(body) > BODY_LIMIT:
        raise Refused(413, _TOO_LARGE)


async def _read_on(request: Request, first: bytes, receive: Receive, room: Room) -> bytes:
    """Read the rest of a body that does not come in one piece."""
    parts: list[bytes] = []
    size = 0
    message: Message = {"body": first, "more_body": True}
    try:
        while True:
            body: bytes = message.get("body", b"")
            size += len(body)
            if size <= BODY_LIMIT:
                if not room.take(len(body)):
                    raise Refused(413, _TOO_MUCH, connection="close")
                parts.append(body)
            if size > _READ_ON or not message.get("more_body", False):
                break
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
    finally:
        room.give_back(sum(map(len, parts)))
    whole = b"".join(parts)
    if size > BODY_LIMIT:
        request.body = whole
        # Reading on for a while lets a client that does not read while it writes see the answer.
        close = {"connection": "close"} if size > _READ_ON else {}
        raise Refused(413, _TOO_LARGE, **close)
    return whole


_TOO_MUCH: Final = f"the bodies on their way are larger than {RECEIVED_LIMIT:,} octets together"
_TOO_LARGE: Final = f"the body is larger than {BODY_LIMIT:,} octets"


def _read_body(request: Request, operation: Operation) -> tuple[Json, list[Problem]]:
    """Undo the content coding, check the media type, read the body and hold it against its schema."""
    pointer = operation.body_pointer
    content = request.body
    if not content:
        return None, [Problem("body", "is required", pointer)] if operation.body_required else []
    kind = request.head.media_type
    rules = operation.rules_for(kind) if kind is not None else None
    if kind is None or rules is None:
        wanted = f"must be {' or '.join(operation.bodies)}, once"
        return None, [Problem("header.Content-Type", wanted, f"{pointer}/content")]
    if b"content-encoding" in request.head:
        codings = b",".join(request.all(b"content-encoding")).decode("latin-1")
        try:
            content = wire.decode_content(content, codings, BODY_LIMIT)
        except wire.TooLargeError:
            raise Refused(413, _TOO_LARGE + ", decoded") from None
        except wire.UnknownCodingError:
            return None, [Problem("header.Content-Encoding", f"must be one of {wire.ACCEPTED_CODINGS}", pointer)]
        except wire.CodingError as error:
            return None, [Problem("body", f"cannot be decoded: {error}", pointer)]
    value: Json
    large = len(content) > _EXPLAINED_WHOLE
    try:
        value = strict_json.loads(content) if specs.is_json(kind) else content.decode()
    except (strict_json.NotJsonError, UnicodeDecodeError) as error:
        why = error if isinstance(error, strict_json.NotJsonError) else "not UTF-8"
        return None, [Problem("body", f"is no {kind}: {why}", f"{pointer}/content")]
    return value, [] if rules.is_valid(value) else list(rules.problems(value, "body", only_first=large))


def _octets(head: wire.Head, query: bytes, location: str, name: str) -> list[bytes]:
    """Return what was sent for a parameter or a secret, in the order it came."""
    if location == "header":
        return head.all(name.lower().encode("latin-1", "replace"))
    if location == "query":
        # By way of Latin-1 and back: parse_qsl wants text, and these octets are not yet known to be UTF-8.
        texts = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
        pairs = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in texts]
    else:
        crumbs = b";".join(head.all(b"cookie")).split(b";")
        pairs = [(key.strip(), value.strip()) for key, _, value in (crumb.partition(b"=") for crumb in crumbs)]
    wanted = name.encode()
    return [value for key, value in pairs if key == wanted]


def _parameter_problems(request: Request, operation: Operation, parameter: Parameter) -> Iterator[Problem]:
    try:
        if parameter.is_structured:
            names = frozenset(other.name for other in operation.parameters)
            yield from parameter.query_problems(request.query, names)
            return
        octets = _octets(request.head, request.query, parameter.location, parameter.name)
        yield from parameter.problems([value.decode() for value in octets])
    except UnicodeDecodeError:
        yield Problem(f"{parameter.location}.{parameter.name}", "must be UTF-8", parameter.pointer)


def _preferred(request: Request) -> Fault | None:
    """Read `Prefer: code=429`, Prism's convention for choosing an answer."""
    code = wire.preferences(b",".join(request.all(b"prefer")).decode("latin-1")).get("code")
    if code is None:
        return None
    if not (len(code) == 3 and code.isascii() and code.isdigit() and "200" <= code <= "599"):
        raise Refused(400, "header.Prefer: code must be a status within 200 and 599")
    return Fault(status=int(code), name=f"Prefer: code={code}")


# --- sending ----------------------------------------------------------------------------------------------


def _start(answer: Response) -> Message:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.fields()]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def send_answer(send: Send, answer: Response, *, head: bool = False) -> None:
    """Send an answer whole; without its body for HEAD."""
    await send(_start(answer))
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


PAUSE: Final[ContextVar[Callable[[float], Awaitable[None]] | None]] = ContextVar("smarterproctoring_mock", default=None)
"""How to wait, where a driver of its own runs the application (`in_process.py`)."""


async def sleep(seconds: float) -> None:
    """Wait on whichever event loop runs this: asyncio's, trio's, or none, when a coroutine is driven by hand."""
    pause = PAUSE.get()
    if pause is not None:
        await pause(seconds)
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_run():
            await trio.sleep(seconds)
        else:
            clock.sleep(seconds)  # noqa: ASYNC251  there is no loop to hold up
    else:
        await asyncio.sleep(seconds)


async def _other(kind: str, receive: Receive, send: Send) -> None:
    """Serve ASGI's other scopes: take part in the lifespan, decline the rest."""
    if kind == "websocket":
        await receive()
        await send({"type": "websocket.close"})
    elif kind == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
