"""The admin interface under `/_mock/`: what `MockApp` offers to tests in Python, as JSON over HTTP.

It takes no token, so it answers this machine only: the address at the other end of the connection has to be a loopback
one, or one of those named when the server was started. Nor must it be reachable from a web page that somebody has open
(a browser can reach loopback, too). Three rules see to that: the Host must be a loopback name, which stops DNS
rebinding; an Origin or Sec-Fetch-Site of elsewhere is refused, and no CORS header is ever sent; every change needs
`Content-Type: application/json`, which a page cannot send elsewhere without asking first (a preflight).
The page of this server itself (`page.py`) is served from here, by the rules on the address, the Host and the origin.
"""

import ipaddress
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from urllib.parse import parse_qsl

from smarterproctoring_mock import page, strict_json, wire
from smarterproctoring_mock.faults import FAULTS, SCENARIOS, FaultError, load_scenario, scenario_names
from smarterproctoring_mock.responses import Response, error_response, vendor_code
from smarterproctoring_mock.store import Session, StoreError
from smarterproctoring_mock.strict_json import Json

if TYPE_CHECKING:
    from smarterproctoring_mock.app import MockApp, Request
    from smarterproctoring_mock.asgi import Receive, Send

_Query: TypeAlias = dict[str, str]
_Handler: TypeAlias = "Callable[[MockApp, _Query, Json], Any]"


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = tuple(headers.items())


def _number(query: _Query, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _RefusedError(400, f"query.{name} must be a whole number")
    return int(text)


def _overview(app: "MockApp", _query: _Query, _body: Json) -> Json:
    return {
        "title": app.spec.title,
        "version": app.spec.version,
        "operations": [f"{op.method} {op.template}" for op in app.spec.operations.values()],
        "requests": app.total,
        "sessions": len(app.sessions()),
        "faults": len(app.faults()),
        "admin": [f"{method} /_mock/{name}" for name, methods in _HANDLERS.items() for method in methods],
    }


def _sessions(app: "MockApp", query: _Query, _body: Json) -> Any:
    found, limit = app.sessions(), _number(query, "limit")
    return {"sessions": [_session(session) for session in found[0 if limit is None else max(0, len(found) - limit) :]]}


def _session(session: Session) -> Json:
    history: dict[str, Json] = {"history": list(session.history)} if session.history else {}
    return {**session.params, "fields": session.fields, **history}


def _spec(app: "MockApp", _query: _Query, _body: Json) -> Any:
    return app.spec.document


def _catalogue(_app: "MockApp", _query: _Query, _body: Json) -> Any:
    return {
        "faults": {name: fault.to_json() for name, fault in FAULTS.items()},
        "scenarios": {name: json.loads((SCENARIOS / f"{name}.json").read_bytes()) for name in scenario_names()},
    }


def _seed(app: "MockApp", query: _Query, body: Json) -> Any:
    if not isinstance(body, dict):
        raise _RefusedError(400, 'expected {"sessions": [...]}')
    app.seed(body)
    return _sessions(app, query, body)


def _audit(app: "MockApp", query: _Query, _body: Json) -> Any:
    rows = app.audit(session=query.get("session"), limit=_number(query, "limit"))
    return {"audit": [asdict(row) for row in rows]}


def _requests(app: "MockApp", query: _Query, _body: Json) -> Any:
    found = app.requests(
        method=query.get("method"), path=query.get("path"), operation=query.get("operation"),
        session=query.get("session"), status=_number(query, "status"),
        since=_number(query, "since"), limit=_number(query, "limit"),
    )  # fmt: skip
    return {"total": app.total, "requests": [request.to_json() for request in found]}


def _har(app: "MockApp", _query: _Query, _body: Json) -> Any:
    return app.har()


def _curl(app: "MockApp", _query: _Query, _body: Json) -> str:
    return "".join(line + "\n" for line in app.curl())


def _verify(app: "MockApp", _query: _Query, body: Json) -> Any:
    if not isinstance(body, dict):
        raise _RefusedError(400, "expected an object of what the requests must have")
    times = body.pop("times", None)
    if times is not None and (isinstance(times, bool) or not isinstance(times, int)):
        raise _RefusedError(400, "times must be a whole number")
    for name in ("params", "headers", "fields"):
        if name in body and not isinstance(body[name], dict):
            raise _RefusedError(400, f"{name} must be an object")
    for name in ("operation", "method", "path", "session", "body"):
        if name in body and not isinstance(body[name], str):
            raise _RefusedError(400, f"{name} must be a string")
    try:
        return asdict(app.verify(times=times, **cast("dict[str, Any]", body)))
    except TypeError as error:
        raise _RefusedError(400, str(error)) from None


def _faults(app: "MockApp", _query: _Query, _body: Json) -> Any:
    return {"faults": [fault.to_json() for fault in app.faults()], "names": list(FAULTS), "scenarios": scenario_names()}


def _add_faults(app: "MockApp", query: _Query, body: Json) -> Any:
    if isinstance(body, dict) and set(body) == {"scenario"}:
        # Only shipped scenarios: this server does not read files because a request says so.
        if not isinstance(body["scenario"], str) or body["scenario"] not in scenario_names():
            raise _RefusedError(404, f"scenario: none of {', '.join(scenario_names())}")
        rules, seed = load_scenario(body["scenario"])
        app.add_faults(*rules)
        if seed is not None:
            app.add_faults({"faults": [], "seed": seed})
    else:
        app.add_faults(cast("Any", body))
    return _faults(app, query, body)


def _clear_faults(app: "MockApp", query: _Query, body: Json) -> Any:
    app.clear_faults()
    return _faults(app, query, body)


def _reset(app: "MockApp", query: _Query, body: Json) -> Any:
    app.reset()
    return _overview(app, query, body)


_HANDLERS: Final[dict[str, dict[str, _Handler]]] = {
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


async def administer(
    app: "MockApp", request: "Request", peer: tuple[str, int] | None, receive: "Receive", send: "Send"
) -> None:
    """Response one request to the admin interface.

    Args:
        app: The server to administer.
        request: The request; nothing of it has been read beyond its scope.
        peer: The address and port at the other end of the connection, as ASGI's `client`; None where it is not known.
        receive: ASGI's.
        send: ASGI's.
    """
    # Late import: the application dispatches to this module.
    from smarterproctoring_mock.app import ClientGone, Refused, read, send_answer  # noqa: PLC0415

    try:
        try:
            request.read_head()
        finally:
            await read(request, receive, app.room)
        answer = _answer(app, request, peer)
    except ClientGone:
        return
    except (_RefusedError, Refused) as refusal:
        code = vendor_code(refusal.status)
        answer = error_response(app.spec.more_info, refusal.status, code, refusal.message, refusal.headers)
    await send_answer(send, answer, head=request.method == "HEAD")


def _answer(app: "MockApp", request: "Request", peer: tuple[str, int] | None) -> Response:
    _refuse_other_machines(app, peer)
    _refuse_strangers(app, request)
    file = page.files().get(request.raw_path)
    if file is not None:
        if request.method not in {"GET", "HEAD"}:
            raise _RefusedError(405, "only GET, HEAD here", allow="GET, HEAD")
        return file
    name = request.raw_path.removeprefix("/_mock").removeprefix("/")
    handlers = _HANDLERS.get(name)
    if handlers is None:
        raise _RefusedError(404, "the admin interface has no such path; GET /_mock/ lists them")
    handler = handlers.get(request.method)
    if handler is None:
        raise _RefusedError(405, f"only {', '.join(handlers)} here", allow=", ".join(handlers))
    body: Json = None
    if request.method != "GET":
        types = request.all(b"content-type")
        if len(types) != 1 or wire.media_type(types[0]) != "application/json":
            raise _RefusedError(415, "changes need Content-Type: application/json")
        try:
            body = strict_json.loads(request.body) if request.body else None
        except strict_json.NotJsonError as error:
            raise _RefusedError(400, f"the body is no JSON: {error}") from None
    query = dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))
    try:
        result = handler(app, query, body)
    except (FaultError, StoreError) as error:
        raise _RefusedError(400, str(error)) from None
    if isinstance(result, str):
        return Response(200, result.encode(), "text/plain; charset=utf-8", _HEADERS)
    return Response(200, json.dumps(result, ensure_ascii=False).encode(), "application/json", _HEADERS)


# Answers hold what clients sent; a browser must neither keep nor guess them.
_HEADERS: Final = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))


def _refuse_other_machines(app: "MockApp", peer: tuple[str, int] | None) -> None:
    """Judge by the connection's other end: what a request says of itself, its Host for one, anybody can write."""
    address = _address(peer[0]) if peer is not None else None
    if address is None or not (address.is_loopback or any(address in network for network in app.admin_peers)):
        raise _RefusedError(403, "the page and /_mock/ answer to this machine, and to addresses named by --admin-peer")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
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


def _refuse_strangers(app: "MockApp", request: "Request") -> None:
    host = request.head.get(b"host", b"").decode("latin-1").lower()
    if not is_loopback(_name(host)) and _name(host) not in app.admin_hosts:
        raise _RefusedError(403, "the page and /_mock/ answer to loopback hosts, and to those named by --admin-host")
    for origin in request.all(b"origin"):
        if origin.decode("latin-1").lower() != f"{request.scheme}://{host}":
            raise _RefusedError(403, "the admin interface does not answer pages of other origins")
    site = request.head.get(b"sec-fetch-site", b"none")
    # A link to the page may stand anywhere: a page that is navigated to tells nothing to the one that links it.
    visit = request.raw_path == page.ROOT and request.head.get(b"sec-fetch-mode") == b"navigate"
    if site not in {b"same-origin", b"none"} and not (visit and request.head.get(b"sec-fetch-dest") == b"document"):
        raise _RefusedError(403, "the admin interface does not answer pages of other origins")


def _name(host: str) -> str:
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
