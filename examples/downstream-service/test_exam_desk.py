"""The service against the package's mock server, in the same process, with faults on demand."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import exam_desk
import pytest
from exam_desk import SettingsError, create_app, serve
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from smarterproctoring import AsyncSmarterProctoring, ConfigurationError
from smarterproctoring.otel import OpenTelemetry
from smarterproctoring_mock.testing import FaultCase, Mock, fault_params, network

INSTALL, EXAM, SESSION = f"AI{'1f' * 16}", f"EX{'2e' * 16}", f"ES{'3d' * 16}"
SECRET = "the-secret-of-the-desk"
APPOINTMENT = {"start": "2030-05-04T09:00:00-04:00", "end": "2030-05-04T11:00:00-04:00"}
STORED = {"appointmentStartDateTime": "2030-05-04T13:00:00.000Z", "appointmentEndDateTime": "2030-05-04T15:00:00.000Z"}


@pytest.fixture
def service(smarterproctoring_mock: Mock, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("EXAM_DESK_INSTALL_SID", INSTALL)
    monkeypatch.setenv("EXAM_DESK_SECRET", SECRET)
    settings = smarterproctoring_mock.settings(retries=0, timeout=0.5)
    app = create_app(lambda: AsyncSmarterProctoring(**settings))
    with TestClient(app, headers={"Authorization": f"Bearer {SECRET}"}) as client:
        yield client


def move(service: TestClient, session: str = SESSION, **changes: str) -> Any:
    return service.put(f"/exams/{EXAM}/sessions/{session}/appointment", json={**APPOINTMENT, **changes})


def test_an_appointment_is_moved(service: TestClient, smarterproctoring_mock: Mock) -> None:
    answer = move(service)
    assert (answer.status_code, answer.json()) == (200, {"session": SESSION, "attempts": 1})
    smarterproctoring_mock.app.assert_called(session=SESSION, fields=STORED, times=1)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"drop": "before-store"}, 502),
        ({"status": 500}, 502),
        ({"delay": 60}, 504),
        ({"status": 503}, 502),
        ({"status": 429}, 503),
        ({"status": 404}, 404),
        ({"status": 409}, 409),
        ({"status": 400}, 422),
        ({"status": 401}, 500),
        ({"status": 403}, 500),
    ],
)
def test_each_failure_has_its_status(
    service: TestClient, smarterproctoring_mock: Mock, fault: dict[str, Any], status: int
) -> None:
    smarterproctoring_mock.app.add_faults(fault)
    answer = move(service)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert smarterproctoring_mock.token not in answer.text


@pytest.mark.parametrize("case", fault_params())
def test_the_caller_learns_whether_the_appointment_may_have_been_moved(
    service: TestClient, smarterproctoring_mock: Mock, case: FaultCase
) -> None:
    """All that the mock can do to a request, whatever the status here: nobody is told "not moved" wrongly."""
    smarterproctoring_mock.app.add_faults(case.fault)
    answer = move(service)
    if answer.status_code == 200:
        assert case.stored
    else:
        assert answer.json()["mayBeApplied"] is case.maybe_stored
        assert ("Look at the session before" in answer.json()["whatToDo"]) is case.maybe_stored


def test_a_lost_answer_is_read_back(service: TestClient, smarterproctoring_mock: Mock) -> None:
    """The case that matters: the appointment was moved, and the answer never came."""
    smarterproctoring_mock.app.add_faults("drop-after-store")
    assert move(service).status_code == 200
    smarterproctoring_mock.app.assert_read(SESSION, times=1)
    (session,) = smarterproctoring_mock.app.sessions()
    assert session.fields == STORED


def test_a_lost_answer_that_cannot_be_read_back_is_not_called_a_failure(
    service: TestClient, smarterproctoring_mock: Mock
) -> None:
    smarterproctoring_mock.app.add_faults("drop-after-store", {"method": "GET", "status": 403})
    answer = move(service)
    assert answer.json()["title"] == "The appointment may or may not have been moved"
    assert (answer.json()["type"], answer.json()["readBack"]) == ("urn:exam-desk:may-be-moved", "unknown")
    (session,) = smarterproctoring_mock.app.sessions()
    assert session.fields == STORED


def test_when_to_come_back_is_passed_on(service: TestClient, smarterproctoring_mock: Mock) -> None:
    smarterproctoring_mock.app.add_faults({"status": 429, "retry_after": 7})
    assert move(service).headers["retry-after"] == "7"


@pytest.mark.parametrize(
    "ask",
    [
        lambda service: move(service, session="ES-is-no-such-thing"),
        lambda service: move(service, end="2030-05-04T08:00:00-04:00"),
        lambda service: move(service, start="2030-05-04T09:00:00"),
    ],
    ids=["wrong SID", "end before start", "no zone"],
)
def test_what_is_wrong_is_refused_before_it_is_sent(
    service: TestClient, smarterproctoring_mock: Mock, ask: Callable[[TestClient], Any]
) -> None:
    answer = ask(service)
    assert answer.status_code == 422
    assert answer.json()["mayBeApplied"] is False
    assert smarterproctoring_mock.app.requests() == []


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {SECRET}x",
        f"Bearer {SECRET[:-1]}",
        f"Basic {SECRET}",
        SECRET,
        "Bearer ä",
    ],
)
def test_a_caller_without_the_secret_is_refused(
    service: TestClient, smarterproctoring_mock: Mock, sent: str | None
) -> None:
    """Whatever else is in the request: nothing of it is read, and nothing is moved."""
    del service.headers["Authorization"]
    headers = {} if sent is None else {b"Authorization": sent.encode()}
    for body in (APPOINTMENT, {"start": "nonsense"}):
        answer = service.put(f"/exams/{EXAM}/sessions/{SESSION}/appointment", json=body, headers=headers)
        assert answer.status_code == answer.json()["status"] == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["mayBeApplied"] is False
        assert SECRET not in answer.text
    assert smarterproctoring_mock.app.requests() == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EXAM_DESK_SECRET", None, "EXAM_DESK_SECRET is not set"),
        ("EXAM_DESK_SECRET", "", "EXAM_DESK_SECRET is not set"),
        ("EXAM_DESK_SECRET", "hunter2", "EXAM_DESK_SECRET has fewer than 16 characters"),
        ("EXAM_DESK_INSTALL_SID", None, "EXAM_DESK_INSTALL_SID is not set"),
        ("SMARTERPROCTORING_TOKEN", None, "SMARTERPROCTORING_TOKEN"),
    ],
)
def test_a_service_without_settings_does_not_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, words: str
) -> None:
    """It says which setting in one line, and shows no secret."""
    monkeypatch.delenv("SMARTERPROCTORING_TOKEN_FILE", raising=False)
    settings = {
        "EXAM_DESK_SECRET": SECRET,
        "EXAM_DESK_INSTALL_SID": INSTALL,
        "SMARTERPROCTORING_TOKEN": "token-of-the-desk",
    }
    for key, text in settings.items():
        monkeypatch.setenv(key, text)
    monkeypatch.delenv(name)
    if value is not None:
        monkeypatch.setenv(name, value)
    with pytest.raises((SettingsError, ConfigurationError), match=words):
        create_app()
    with pytest.raises(SystemExit, match=words) as ended:
        serve()
    assert str(ended.value).startswith("exam desk does not start: ")
    assert "\n" not in str(ended.value)
    assert "hunter2" not in str(ended.value)


# -- in production -----------------------------------------------------------------------------------------------------


def test_health_needs_no_secret_and_asks_nobody(service: TestClient, smarterproctoring_mock: Mock) -> None:
    del service.headers["Authorization"]
    answer = service.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert smarterproctoring_mock.app.requests() == []


@pytest.fixture
def mock_server() -> Iterator[Mock]:
    """On the network, where the service finds it by its environment."""
    with network() as running:
        yield running


def test_a_call_is_a_span(mock_server: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(exam_desk, "OpenTelemetry", lambda: OpenTelemetry(tracer_provider=provider))
    settings = {**mock_server.environment(), "EXAM_DESK_INSTALL_SID": INSTALL, "EXAM_DESK_SECRET": SECRET}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with TestClient(create_app(), headers={"Authorization": f"Bearer {SECRET}"}) as client:
        assert move(client).status_code == 200
    (span,) = spans.get_finished_spans()
    assert span.name == "rescheduleExamSession"
    assert SESSION not in span.to_json()
    provider.shutdown()


def command_of_the_container() -> list[str]:
    text = Path(__file__).with_name("Containerfile").read_text(encoding="utf-8")
    (command,) = [line.removeprefix("CMD ") for line in text.splitlines() if line.startswith("CMD ")]
    words: list[str] = json.loads(command)
    return words


@contextmanager
def deployed(mock: Mock) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """Run the service by the container's command, on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", *command_of_the_container(), "--host", "127.0.0.1", "--port", str(port)]
    settings = {**mock.environment(), "EXAM_DESK_INSTALL_SID": INSTALL, "EXAM_DESK_SECRET": SECRET}
    folder = Path(__file__).parent
    with subprocess.Popen(command, cwd=folder, env={**os.environ, **settings}) as process:
        try:
            until_it_answers(port)
            yield process, port
        finally:
            process.kill()


def until_it_answers(port: int) -> None:
    limit = time.monotonic() + 60
    while True:
        try:
            assert ask(port, "GET", "/health") == 200
        except OSError:
            assert time.monotonic() < limit, "the service does not start"
            time.sleep(0.05)
        else:
            return


def ask(port: int, method: str, path: str, body: Any = None) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body), headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_stop_lets_a_call_that_is_under_way_end(mock_server: Mock) -> None:
    """What a platform sends before it replaces a container is SIGTERM."""
    mock_server.app.add_faults({"delay": 1})
    answers: list[int] = []
    path = f"/exams/{EXAM}/sessions/{SESSION}/appointment"
    with deployed(mock_server) as (process, port):
        caller = threading.Thread(target=lambda: answers.append(ask(port, "PUT", path, APPOINTMENT)))
        caller.start()
        while not mock_server.app.requests():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        caller.join()
        process.wait()
    assert answers == [200]
    mock_server.app.assert_called(session=SESSION, fields=STORED, times=1)
