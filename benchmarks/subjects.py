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
from typing import Any
from urllib.parse import urlsplit

TOKEN = "benchmark-token"  # noqa: S105 - no secret
INSTALL, EXAM, SESSION = (kind + "0123456789abcdef" * 2 for kind in ("AI", "EX", "ES"))
PATH = f"/v1/installs/{INSTALL}/exams/{EXAM}/sessions/{SESSION}"
START, END = datetime(2030, 5, 4, 13, 0, tzinfo=UTC), datetime(2030, 5, 4, 15, 0, tzinfo=UTC)

Sync = Callable[[str], AbstractContextManager[Callable[[], object]]]
Async = Callable[[str], AbstractAsyncContextManager[Callable[[], Awaitable[object]]]]
SYNC: dict[str, Sync] = {}
ASYNC: dict[str, Async] = {}


def _sync(name: str) -> Callable[[Callable[[str], Generator[Callable[[], object]]]], None]:
    def add(subject: Callable[[str], Generator[Callable[[], object]]]) -> None:
        SYNC[name] = contextmanager(subject)

    return add


def _async(name: str) -> Callable[[Callable[[str], AsyncGenerator[Callable[[], Awaitable[object]]]]], None]:
    def add(subject: Callable[[str], AsyncGenerator[Callable[[], Awaitable[object]]]]) -> None:
        ASYNC[name] = asynccontextmanager(subject)

    return add


def _peer(name: str) -> Any:
    """Import what only the benchmark's own environment holds, so that the type gate does not ask for it."""
    return importlib.import_module(name)


def _times() -> dict[str, str]:
    """What a careful caller of a plain HTTP client writes."""
    return {
        "appointmentStartDateTime": START.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "appointmentEndDateTime": END.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }


# -- the floor ---------------------------------------------------------------------------------------------------------


def _raw_request(url: str) -> bytes:
    body = json.dumps(_times(), separators=(",", ":")).encode()
    head = f"PUT {PATH} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\ntoken: {TOKEN}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@_sync("raw socket")
def raw_socket(url: str) -> Generator[Callable[[], object]]:
    """A prepared request, one socket for each thread."""
    address, request = (urlsplit(url).hostname, urlsplit(url).port), _raw_request(url)
    idle: list[socket.socket] = []

    def call() -> object:
        connection = idle.pop() if idle else socket.create_connection(address)
        connection.sendall(request)
        answer = connection.recv(65536)
        idle.append(connection)
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    yield call
    for connection in idle:
        connection.close()


@_async("raw socket")
async def raw_socket_async(url: str) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
    """A prepared request on asyncio's bare protocol."""
    parts, request = urlsplit(url), _raw_request(url)
    host, port = str(parts.hostname), int(parts.port or 80)
    loop, idle = asyncio.get_running_loop(), list[Any]()

    class Connection(asyncio.Protocol):
        answer: asyncio.Future[bytes]

        def data_received(self, data: bytes) -> None:
            self.answer.set_result(data)

    async def call() -> object:
        pair = idle.pop() if idle else await loop.create_connection(Connection, host, port)
        transport, protocol = pair
        protocol.answer = loop.create_future()
        transport.write(request)
        answer = await protocol.answer
        idle.append(pair)
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    yield call
    for transport, _ in idle:
        transport.close()


# -- HTTP clients ------------------------------------------------------------------------------------------------------


@_sync("httpx")
def plain_httpx(url: str) -> Generator[Callable[[], object]]:
    """A client kept open, as its documentation asks for."""
    import httpx

    with httpx.Client(base_url=url, headers={"token": TOKEN}) as client:
        yield lambda: client.put(PATH, json=_times()).raise_for_status().json()


@_async("httpx")
async def plain_httpx_async(url: str) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
    """The same, asynchronous."""
    import httpx

    async with httpx.AsyncClient(base_url=url, headers={"token": TOKEN}) as client:

        async def call() -> object:
            return (await client.put(PATH, json=_times())).raise_for_status().json()

        yield call


@_sync("requests")
def plain_requests(url: str) -> Generator[Callable[[], object]]:
    """A session kept open."""
    requests = _peer("requests")

    with requests.Session() as session:
        session.headers["token"] = TOKEN

        def call() -> object:
            response = session.put(url + PATH, json=_times(), timeout=30)
            response.raise_for_status()
            return response.json()

        yield call


@_async("aiohttp")
async def plain_aiohttp(url: str) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
    """A session kept open."""
    aiohttp = _peer("aiohttp")

    async with aiohttp.ClientSession(url, headers={"token": TOKEN}, raise_for_status=True) as session:

        async def call() -> object:
            async with session.put(PATH, json=_times()) as response:
                return await response.json()

        yield call


# -- generated clients -------------------------------------------------------------------------------------------------


def _change() -> Any:
    from smarterproctoring_generated.models.session_change import SessionChange

    return SessionChange(appointment_start_date_time=START, appointment_end_date_time=END)


@_sync("openapi-python-client")
def generated(url: str) -> Generator[Callable[[], object]]:
    """The generator's own output and its own client, without this project's layer."""
    from smarterproctoring_generated import AuthenticatedClient
    from smarterproctoring_generated.api.exam_sessions import reschedule_exam_session

    with AuthenticatedClient(url, TOKEN, prefix="", auth_header_name="token") as client:

        def call() -> object:
            return reschedule_exam_session.sync(INSTALL, EXAM, SESSION, client=client, body=_change())

        yield call


@_async("openapi-python-client")
async def generated_async(url: str) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
    """The same, asynchronous."""
    from smarterproctoring_generated import AuthenticatedClient
    from smarterproctoring_generated.api.exam_sessions import reschedule_exam_session

    async with AuthenticatedClient(url, TOKEN, prefix="", auth_header_name="token") as client:

        def call() -> Awaitable[object]:
            return reschedule_exam_session.asyncio(INSTALL, EXAM, SESSION, client=client, body=_change())

        yield call


@_sync("OpenAPI Generator, urllib3")
def openapi_generator(url: str) -> Generator[Callable[[], object]]:
    """OpenAPI Generator's Python client over urllib3: its default."""
    peer = _peer("peer_urllib3")

    with peer.ApiClient(peer.Configuration(host=url, api_key={"token": TOKEN})) as client:
        api = peer.ExamSessionsApi(client)
        yield lambda: api.reschedule_exam_session(INSTALL, EXAM, SESSION, _peer_change(peer))


@_async("OpenAPI Generator, aiohttp")
async def openapi_generator_async(url: str) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
    """OpenAPI Generator's Python client over aiohttp: its library `asyncio`."""
    peer = _peer("peer_asyncio")

    async with peer.ApiClient(peer.Configuration(host=url, api_key={"token": TOKEN})) as client:
        api = peer.ExamSessionsApi(client)
        yield lambda: api.reschedule_exam_session(INSTALL, EXAM, SESSION, _peer_change(peer))


def _peer_change(peer: Any) -> Any:
    return peer.SessionChange(appointment_start_date_time=START, appointment_end_date_time=END)


# bench_client.py hides the extra from the subject "this client", and shows it to "this client, [fast]".
def _fast() -> bool:
    try:
        return bool(importlib.import_module("httptools"))
    except ImportError:
        return False


# -- this client -------------------------------------------------------------------------------------------------------


@_sync("this client")
def ours(url: str) -> Generator[Callable[[], object]]:
    """As the README shows it: all defaults, but for `fast` where that is asked for."""
    from smarterproctoring import SmarterProctoring

    with SmarterProctoring(TOKEN, base_url=url, fast=_fast()) as client:
        yield (
            lambda: (
                client.reschedule(
                    INSTALL, EXAM, SESSION, appointment_start_date_time=START, appointment_end_date_time=END
                ).data
            )
        )


@_async("this client")
async def ours_async(url: str) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
    """The same, asynchronous."""
    from smarterproctoring import AsyncSmarterProctoring

    async with AsyncSmarterProctoring(TOKEN, base_url=url, fast=_fast()) as client:

        async def call() -> object:
            result = await client.reschedule(
                INSTALL, EXAM, SESSION, appointment_start_date_time=START, appointment_end_date_time=END
            )
            return result.data

        yield call
