"""The admin interface under `/_mock/`: what `MockApp` offers to tests in Python, as JSON over HTTP.

It takes no token, so it answers this machine only: the peer's address has to be a loopback
one, or one of those named when the server was started. It must not be reachable from a web page in a browser on this
machine either. Three rules prevent that: the Host must be a loopback name, which stops DNS
rebinding; an Origin or Sec-Fetch-Site of elsewhere is refused, and no CORS header is ever sent; every change needs
`Content-Type: application/json`, which a page cannot send elsewhere without asking first (a preflight).
The page of this server itself (`page.py`) is served from here, by the rules on the address, the Host and the origin.
"""

import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final, TypeAlias, cast
from urllib.parse import parse_qsl

from smarterproctoring_mock import page, strict_json, wire
from smarterproctoring_mock.asgi import Receive, Send, send_response
from smarterproctoring_mock.control import MockControl
from smarterproctoring_mock.fault import FaultError
from smarterproctoring_mock.faults import SCENARIOS, Rule, load_scenario, scenario_names
from smarterproctoring_mock.named_faults import ABOUT_FAULTS, FAULTS
from smarterproctoring_mock.record import newest
from smarterproctoring_mock.request import ClientGone, Refused, Request
from smarterproctoring_mock.request_body import read_body
from smarterproctoring_mock.responses import Response, error_response
from smarterproctoring_mock.store import Session, StoreError
from smarterproctoring_mock.strict_json import Json
from smarterproctoring_mock.verification import ExpectedRequest

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Peer: TypeAlias = tuple[str, int]
"""The peer's address and port."""

_Query: TypeAlias = Mapping[str, str]
_Handler: TypeAlias = Callable[[MockControl, _Query, Json], object]
"""Returns what json.dumps can write, or a plain text."""

# Answers hold what clients sent; a browser must neither keep nor guess them.
_HEADERS: Final = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
_OBJECTS: Final = ("params", "headers", "fields", "answer")
_STRINGS: Final = ("operation", "method", "path", "session", "body")


# --- handlers ---------------------------------------------------------------------------------------------


def _number(query: _Query, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused(400, f"query.{name} must be a whole number")
    return int(text)


def _overview(mock: MockControl, _query: _Query, _body: Json) -> object:
    operations = mock.spec.operations.values()
    return {
        "title": mock.spec.title,
        "version": mock.spec.version,
        "operations": [f"{op.method} {op.template}" for op in operations],
        "requests": mock.total,
        "sessions": len(mock.sessions()),
        "faults": len(mock.faults()),
        "admin": [
            f"{method} /_mock/{name}"
            for name, methods in _HANDLERS.items()
            for method in methods
        ],
    }


def _sessions(mock: MockControl, query: _Query, _body: Json) -> object:
    found = newest(mock.sessions(), _number(query, "limit"))
    return {"sessions": [_shown(session) for session in found]}


def _shown(session: Session) -> object:
    shown: dict[str, object] = {**session.params, "fields": session.fields}
    if session.history:
        shown["history"] = list(session.history)
    return shown


def _spec(mock: MockControl, _query: _Query, _body: Json) -> object:
    return mock.spec.document


def _catalogue(_mock: MockControl, _query: _Query, _body: Json) -> object:
    files = {name: SCENARIOS / f"{name}.json" for name in scenario_names()}
    return {
        "faults": {name: fault.to_json() for name, fault in FAULTS.items()},
        "about": ABOUT_FAULTS,
        "scenarios": {
            name: json.loads(file.read_bytes()) for name, file in files.items()
        },
    }


def _seed(mock: MockControl, query: _Query, body: Json) -> object:
    if not isinstance(body, dict):
        raise Refused(400, 'expected {"sessions": [...]}')
    mock.seed(body)
    return _sessions(mock, query, body)


def _audit(mock: MockControl, query: _Query, _body: Json) -> object:
    rows = mock.audit(session=query.get("session"), limit=_number(query, "limit"))
    return {"audit": [asdict(row) for row in rows]}


def _requests(mock: MockControl, query: _Query, _body: Json) -> object:
    found = mock.requests(
        method=query.get("method"),
        path=query.get("path"),
        operation=query.get("operation"),
        session=query.get("session"),
        status=_number(query, "status"),
        since=_number(query, "since"),
        limit=_number(query, "limit"),
    )
    return {"total": mock.total, "requests": [request.to_json() for request in found]}


def _har(mock: MockControl, _query: _Query, _body: Json) -> object:
    return mock.har()


def _curl(mock: MockControl, _query: _Query, _body: Json) -> str:
    return "".join(line + "\n" for line in mock.curl())


def _verify(mock: MockControl, _query: _Query, body: Json) -> object:
    if not isinstance(body, dict):
        raise Refused(400, "expected an object of what the requests must have")
    times = body.pop("times", None)
    if times is not None and (isinstance(times, bool) or not isinstance(times, int)):
        raise Refused(400, "times must be a whole number")
    for name in _OBJECTS:
        if name in body and not isinstance(body[name], dict):
            raise Refused(400, f"{name} must be an object")
    for name in _STRINGS:
        if name in body and not isinstance(body[name], str):
            raise Refused(400, f"{name} must be a string")
    try:
        # `verify` refuses unknown names.
        return asdict(mock.verify(times=times, **cast("ExpectedRequest", body)))
    except TypeError as error:
        raise Refused(400, str(error)) from None


def _faults(mock: MockControl, _query: _Query, _body: Json) -> object:
    return {
        "faults": [fault.to_json() for fault in mock.faults()],
        "names": list(FAULTS),
        "scenarios": scenario_names(),
    }


def _add_faults(mock: MockControl, query: _Query, body: Json) -> object:
    if isinstance(body, dict) and set(body) == {"scenario"}:
        # Only shipped scenarios: a request must not make this server read files.
        name = body["scenario"]
        if not isinstance(name, str) or name not in scenario_names():
            raise Refused(404, f"scenario: none of {', '.join(scenario_names())}")
        script = load_scenario(name)
        mock.add_faults(*script.faults)
        if script.seed is not None:
            mock.add_faults({"faults": [], "seed": script.seed})
    else:
        mock.add_faults(cast("Rule", body))
    return _faults(mock, query, body)


def _clear_faults(mock: MockControl, query: _Query, body: Json) -> object:
    mock.clear_faults()
    return _faults(mock, query, body)


def _reset(mock: MockControl, query: _Query, body: Json) -> object:
    mock.reset()
    return _overview(mock, query, body)


_HANDLERS: Final[Mapping[str, Mapping[str, _Handler]]] = {
    "": {"GET": _overview},
    "spec": {"GET": _spec},
    "sessions": {"GET": _sessions, "POST": _seed},
    "audit": {"GET": _audit},
    "requests": {"GET": _requests},
    "requests.har": {"GET": _har},
    "requests.curl": {"GET": _curl},
    "verify": {"POST": _verify},
    "faults": {"GET": _faults, "POST": _add_faults, "DELETE": _clear_faults},
    "faults/catalogue": {"GET": _catalogue},
    "reset": {"POST": _reset},
}


# --- requests ---------------------------------------------------------------------------------------------


async def administer(
    mock: MockControl, request: Request, peer: Peer | None, receive: Receive, send: Send
) -> None:
    """Handle one request to the admin interface.

    Args:
        mock: The mock to administer.
        request: The request; nothing of it has been read beyond its scope.
        peer: The peer of the connection, as ASGI's `client`; None if unknown.
        receive: ASGI's.
        send: ASGI's.
    """
    try:
        try:
            request.read_head()
        finally:
            await read_body(request, receive, mock.body_memory)
        response = _respond(mock, request, peer)
    except ClientGone:
        return
    except Refused as refusal:
        response = error_response(
            mock.spec.more_info,
            refusal.status,
            refusal.code,
            refusal.message,
            refusal.headers,
        )
    await send_response(send, response, head=request.method == "HEAD")


def _respond(mock: MockControl, request: Request, peer: Peer | None) -> Response:
    _refuse_other_machines(mock, peer)
    _refuse_strangers(mock, request)
    file = page.files().get(request.raw_path)
    if file is not None:
        if request.method not in {"GET", "HEAD"}:
            raise _not_allowed("GET, HEAD")
        return file
    handler = _handler(request)
    body = _body(request)
    query = dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))
    try:
        result = handler(mock, query, body)
    except (FaultError, StoreError) as error:
        raise Refused(400, str(error)) from None
    if isinstance(result, str):
        return Response(200, result.encode(), "text/plain; charset=utf-8", _HEADERS)
    text = json.dumps(result, ensure_ascii=False)
    return Response(200, text.encode(), "application/json", _HEADERS)


def _handler(request: Request) -> _Handler:
    name = request.raw_path.removeprefix("/_mock").removeprefix("/")
    handlers = _HANDLERS.get(name)
    if handlers is None:
        raise Refused(
            404, "the admin interface has no such path; GET /_mock/ lists them"
        )
    handler = handlers.get(request.method)
    if handler is None:
        raise _not_allowed(", ".join(handlers))
    return handler


def _not_allowed(allowed: str) -> Refused:
    return Refused(405, f"only {allowed} here", headers=(("allow", allowed),))


def _body(request: Request) -> Json:
    """Read the body of a change."""
    if request.method == "GET":
        return None
    types = request.all(b"content-type")
    if len(types) != 1 or wire.media_type(types[0]) != "application/json":
        raise Refused(415, "changes need Content-Type: application/json")
    try:
        return strict_json.loads(request.body) if request.body else None
    except strict_json.NotJsonError as error:
        raise Refused(400, f"the body is not valid JSON: {error}") from None


# --- who is answered --------------------------------------------------------------------------------------


def _refuse_other_machines(mock: MockControl, peer: Peer | None) -> None:
    """Check the peer's address. Header fields such as Host can be forged."""
    address = _address(peer[0]) if peer is not None else None
    if address is None or not _is_admitted(mock, address):
        raise Refused(
            403,
            "the page and /_mock/ answer to this machine, and to addresses named by --admin-peer",
        )


def _is_admitted(mock: MockControl, address: Address) -> bool:
    return address.is_loopback or any(
        address in network for network in mock.admin_peers
    )


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without a port, is this machine's own."""
    if host == "localhost":
        return True
    address = _address(host.strip("[]"))
    return address is not None and address.is_loopback


def _refuse_strangers(mock: MockControl, request: Request) -> None:
    host = request.head.get(b"host", b"").decode("latin-1").lower()
    name = _name(host)
    if not is_loopback(name) and name not in mock.admin_hosts:
        raise Refused(
            403,
            "the page and /_mock/ answer to loopback hosts, and to those named by --admin-host",
        )
    own_origin = f"{request.scheme}://{host}"
    origins = [origin.decode("latin-1").lower() for origin in request.all(b"origin")]
    if any(origin != own_origin for origin in origins) or _is_cross_site(request):
        raise Refused(403, "the admin interface does not answer pages of other origins")


def _is_cross_site(request: Request) -> bool:
    """Whether a browser sends the request for a page of another site."""
    if request.head.get(b"sec-fetch-site", b"none") in {b"same-origin", b"none"}:
        return False
    # Links from other sites to the page are allowed: a navigation shows nothing to the linking site.
    is_visit = (
        request.raw_path == page.ROOT
        and request.head.get(b"sec-fetch-mode") == b"navigate"
        and request.head.get(b"sec-fetch-dest") == b"document"
    )
    return not is_visit


def _name(host: str) -> str:
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
