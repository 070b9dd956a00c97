"""The clients under comparison. Each does the same job: moves a session to two new times and reads the JSON answer.

A subject is a context manager that opens the client and gives the function that makes one call.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

TOKEN = "benchmark-token"  # noqa: S105 - no secret
INSTALL, EXAM, SESSION = (kind + "0123456789abcdef" * 2 for kind in ("AI", "EX", "ES"))
PATH = f"/v1/installs/{INSTALL}/exams/{EXAM}/sessions/{SESSION}"
START, END = datetime(2030, 5, 4, 13, 0, tzinfo=UTC), datetime(2030, 5, 4, 15, 0, tzinfo=UTC)

Call = Callable[[str], object]
"""Makes one call with these notes in the body; empty: without notes."""
AsyncCall = Callable[[str], Awaitable[object]]
Sync = Callable[[str], AbstractContextManager[Call]]
Async = Callable[[str], AbstractAsyncContextManager[AsyncCall]]
SYNC: dict[str, Sync] = {}
ASYNC: dict[str, Async] = {}


def _sync(name: str) -> Callable[[Callable[[str], Generator[Call]]], None]:
    def add(subject: Callable[[str], Generator[Call]]) -> None:
        SYNC[name] = contextmanager(subject)

    return add


def _async(name: str) -> Callable[[Callable[[str], AsyncGenerator[AsyncCall]]], None]:
    def add(subject: Callable[[str], AsyncGenerator[AsyncCall]]) -> None:
        ASYNC[name] = asynccontextmanager(subject)

    return add


def _peer(name: str) -> Any:
    """Import what only the benchmark's own environment holds, so that the type gate does not ask for it."""
    return importlib.import_module(name)


def _body(notes: str) -> dict[str, str]:
    """What a careful caller of a plain HTTP client writes."""
    times = {
        "appointmentStartDateTime": START.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "appointmentEndDateTime": END.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }
    return {**times, "notes": notes} if notes else times


def _changes(notes: str) -> dict[str, Any]:
    """The same as keywords of a client that knows the operation."""
    times = {"appointment_start_date_time": START, "appointment_end_date_time": END}
    return {**times, "notes": notes} if notes else times


# -- the floor ---------------------------------------------------------------------------------------------------------


@cache
def _raw_request(url: str, notes: str) -> bytes:
    body = json.dumps(_body(notes), separators=(",", ":")).encode()
    head = f"PUT {PATH} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\ntoken: {TOKEN}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@_sync("raw socket")
def raw_socket(url: str) -> Generator[Call]:
    """A prepared request, one socket for each thread."""
    address = (urlsplit(url).hostname, urlsplit(url).port)
    idle: list[socket.socket] = []

    def call(notes: str) -> object:
        connection = idle.pop() if idle else socket.create_connection(address)
        connection.sendall(_raw_request(url, notes))
        answer = connection.recv(65536)
        idle.append(connection)
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    yield call
    for connection in idle:
        connection.close()


@_async("raw socket")
async def raw_socket_async(url: str) -> AsyncGenerator[AsyncCall]:
    """A prepared request on asyncio's bare protocol."""
    parts = urlsplit(url)
    host, port = str(parts.hostname), int(parts.port or 80)
    loop, idle = asyncio.get_running_loop(), list[Any]()

    class Connection(asyncio.Protocol):
        answer: asyncio.Future[bytes]

        def data_received(self, data: bytes) -> None:
            self.answer.set_result(data)

    async def call(notes: str) -> object:
        pair = idle.pop() if idle else await loop.create_connection(Connection, host, port)
        transport, protocol = pair
        protocol.answer = loop.create_future()
        transport.write(_raw_request(url, notes))
        answer = await protocol.answer
        idle.append(pair)
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    yield call
    for transport, _ in idle:
        transport.close()


# -- HTTP clients ------------------------------------------------------------------------------------------------------


@contextmanager
def _like_httpx(module: Any, url: str) -> Generator[Call]:
    """Open httpx's client, or its successor's, and keep it open, as the documentation asks for."""
    with module.Client(base_url=url, headers={"token": TOKEN}) as client:
        yield lambda notes: client.put(PATH, json=_body(notes)).raise_for_status().json()


@asynccontextmanager
async def _like_httpx_async(module: Any, url: str) -> AsyncGenerator[AsyncCall]:
    async with module.AsyncClient(base_url=url, headers={"token": TOKEN}) as client:

        async def call(notes: str) -> object:
            return (await client.put(PATH, json=_body(notes))).raise_for_status().json()

        yield call


@contextmanager
def _like_requests(module: Any, url: str) -> Generator[Call]:
    """Open a session of requests, or of niquests, and keep it open."""
    with module.Session() as session:
        session.headers["token"] = TOKEN

        def call(notes: str) -> object:
            response = session.put(url + PATH, json=_body(notes), timeout=30)
            response.raise_for_status()
            return response.json()

        yield call


@_sync("httpx")
def plain_httpx(url: str) -> Generator[Call]:
    """The plain client."""
    with _like_httpx(_peer("httpx"), url) as call:
        yield call


@_async("httpx")
async def plain_httpx_async(url: str) -> AsyncGenerator[AsyncCall]:
    """The same, asynchronous."""
    async with _like_httpx_async(_peer("httpx"), url) as call:
        yield call


@_sync("requests")
def plain_requests(url: str) -> Generator[Call]:
    """A session kept open."""
    with _like_requests(_peer("requests"), url) as call:
        yield call


@_async("aiohttp")
async def plain_aiohttp(url: str) -> AsyncGenerator[AsyncCall]:
    """A session kept open."""
    aiohttp = _peer("aiohttp")

    async with aiohttp.ClientSession(url, headers={"token": TOKEN}, raise_for_status=True) as session:

        async def call(notes: str) -> object:
            async with session.put(PATH, json=_body(notes)) as response:
                return await response.json()

        yield call


@_sync("httpx2")
def plain_httpx2(url: str) -> Generator[Call]:
    """Used as httpx is, whose successor it is."""
    with _like_httpx(_peer("httpx2"), url) as call:
        yield call


@_async("httpx2")
async def plain_httpx2_async(url: str) -> AsyncGenerator[AsyncCall]:
    """The same, asynchronous."""
    async with _like_httpx_async(_peer("httpx2"), url) as call:
        yield call


@_sync("niquests")
def plain_niquests(url: str) -> Generator[Call]:
    """Used as requests is, in an environment of its own: its urllib3-future replaces urllib3 for everybody else."""
    with _like_requests(_peer("niquests"), url) as call:
        yield call


@_async("niquests")
async def plain_niquests_async(url: str) -> AsyncGenerator[AsyncCall]:
    """The same, asynchronous."""
    niquests = _peer("niquests")

    async with niquests.AsyncSession() as session:
        session.headers["token"] = TOKEN

        async def call(notes: str) -> object:
            response = await session.put(url + PATH, json=_body(notes), timeout=30)
            response.raise_for_status()
            return response.json()

        yield call


@_sync("zapros")
def plain_zapros(url: str) -> Generator[Call]:
    """A client kept open."""
    zapros = _peer("zapros")

    with zapros.Client(base_url=url, default_headers={"token": TOKEN}) as client:
        yield lambda notes: client.put(PATH, json=_body(notes)).json


@_async("zapros")
async def plain_zapros_async(url: str) -> AsyncGenerator[AsyncCall]:
    """The same, asynchronous."""
    zapros = _peer("zapros")

    async with zapros.AsyncClient(base_url=url, default_headers={"token": TOKEN}) as client:

        async def call(notes: str) -> object:
            return (await client.put(PATH, json=_body(notes))).json

        yield call


@_sync("pyqwest")
def plain_pyqwest(url: str) -> Generator[Call]:
    """Rust's reqwest, with a transport kept open."""
    pyqwest = _peer("pyqwest")

    with pyqwest.SyncHTTPTransport() as transport:
        client = pyqwest.SyncClient(transport)
        yield lambda notes: client.put(url + PATH, {"token": TOKEN}, _body(notes)).json()


@_async("pyqwest")
async def plain_pyqwest_async(url: str) -> AsyncGenerator[AsyncCall]:
    """The same, asynchronous."""
    pyqwest = _peer("pyqwest")

    async with pyqwest.HTTPTransport() as transport:
        client = pyqwest.Client(transport)

        async def call(notes: str) -> object:
            return (await client.put(url + PATH, {"token": TOKEN}, _body(notes))).json()

        yield call


# -- generated clients -------------------------------------------------------------------------------------------------


def _change(notes: str) -> Any:
    from smarterproctoring_generated.models.session_change import SessionChange

    return SessionChange(**_changes(notes))


@_sync("openapi-python-client")
def generated(url: str) -> Generator[Call]:
    """The generator's own output and its own client, without this project's layer."""
    from smarterproctoring_generated import AuthenticatedClient
    from smarterproctoring_generated.api.exam_sessions import reschedule_exam_session

    with AuthenticatedClient(url, TOKEN, prefix="", auth_header_name="token") as client:

        def call(notes: str) -> object:
            return reschedule_exam_session.sync(INSTALL, EXAM, SESSION, client=client, body=_change(notes))

        yield call


@_async("openapi-python-client")
async def generated_async(url: str) -> AsyncGenerator[AsyncCall]:
    """The same, asynchronous."""
    from smarterproctoring_generated import AuthenticatedClient
    from smarterproctoring_generated.api.exam_sessions import reschedule_exam_session

    async with AuthenticatedClient(url, TOKEN, prefix="", auth_header_name="token") as client:

        def call(notes: str) -> Awaitable[object]:
            return reschedule_exam_session.asyncio(INSTALL, EXAM, SESSION, client=client, body=_change(notes))

        yield call


@_sync("OpenAPI Generator, urllib3")
def openapi_generator(url: str) -> Generator[Call]:
    """OpenAPI Generator's Python client over urllib3: its default."""
    peer = _peer("peer_urllib3")

    with peer.ApiClient(peer.Configuration(host=url, api_key={"token": TOKEN})) as client:
        api = peer.ExamSessionsApi(client)
        yield lambda notes: api.reschedule_exam_session(INSTALL, EXAM, SESSION, _peer_change(peer, notes))


@_async("OpenAPI Generator, aiohttp")
async def openapi_generator_async(url: str) -> AsyncGenerator[AsyncCall]:
    """OpenAPI Generator's Python client over aiohttp: its library `asyncio`."""
    peer = _peer("peer_asyncio")

    async with peer.ApiClient(peer.Configuration(host=url, api_key={"token": TOKEN})) as client:
        api = peer.ExamSessionsApi(client)
        yield lambda notes: api.reschedule_exam_session(INSTALL, EXAM, SESSION, _peer_change(peer, notes))


def _peer_change(peer: Any, notes: str) -> Any:
    return peer.SessionChange(**_changes(notes))


# bench_client.py hides the extra from the subject "this client", and shows it to "this client, [fast]".
def _fast() -> bool:
    try:
        return bool(importlib.import_module("httptools"))
    except ImportError:
        return False


# -- this client -------------------------------------------------------------------------------------------------------


@_sync("this client")
def ours(url: str) -> Generator[Call]:
    """As the README shows it: all defaults, but for `fast` where that is asked for."""
    from smarterproctoring import SmarterProctoring

    with SmarterProctoring(TOKEN, base_url=url, fast=_fast()) as client:
        yield lambda notes: client.reschedule(INSTALL, EXAM, SESSION, **_changes(notes)).data


@_async("this client")
async def ours_async(url: str) -> AsyncGenerator[AsyncCall]:
    """The same, asynchronous."""
    from smarterproctoring import AsyncSmarterProctoring

    async with AsyncSmarterProctoring(TOKEN, base_url=url, fast=_fast()) as client:

        async def call(notes: str) -> object:
            return (await client.reschedule(INSTALL, EXAM, SESSION, **_changes(notes))).data

        yield call
