"""The service against the package's mock server, over the network, with faults on demand."""

from collections.abc import Iterator
from typing import Any

import pytest
from exam_desk import create_app
from fastapi.testclient import TestClient
from smarterproctoring import AsyncSmarterProctoring
from smarterproctoring_mock import RunningServer, running_server

INSTALL, EXAM, SESSION = f"AI{'1f' * 16}", f"EX{'2e' * 16}", f"ES{'3d' * 16}"
APPOINTMENT = {"start": "2030-05-04T09:00:00-04:00", "end": "2030-05-04T11:00:00-04:00"}
TOKEN = "the-token-of-the-tests"


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(token=TOKEN) as running:
        yield running


@pytest.fixture
def service(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("EXAM_DESK_INSTALL_SID", INSTALL)
    with TestClient(
        create_app(lambda: AsyncSmarterProctoring(TOKEN, base_url=server.url, retries=0, timeout=1))
    ) as client:
        yield client


def move(service: TestClient, session: str = SESSION, **changes: str) -> Any:
    return service.put(f"/exams/{EXAM}/sessions/{session}/appointment", json={**APPOINTMENT, **changes})


def test_an_appointment_is_moved(service: TestClient, server: RunningServer) -> None:
    answer = move(service)
    assert (answer.status_code, answer.json()) == (200, {"session": SESSION, "attempts": 1})
    fields = {
        "appointmentStartDateTime": "2030-05-04T13:00:00.000Z",
        "appointmentEndDateTime": "2030-05-04T15:00:00.000Z",
    }
    server.app.assert_called(session=SESSION, fields=fields, times=1)


@pytest.mark.parametrize(
    ("fault", "status", "may_be_applied"),
    [
        ({"drop": "before-store"}, 502, True),
        ({"drop": "after-store"}, 502, True),
        ({"delay": 3, "status": 200}, 504, True),
        ({"status": 500}, 502, True),
        ({"status": 503}, 503, False),
        ({"status": 429}, 503, False),
        ({"status": 404}, 404, False),
        ({"status": 409}, 409, False),
        ({"status": 400}, 422, False),
        ({"status": 401}, 500, False),
        ({"status": 403}, 500, False),
    ],
)
def test_every_error_says_whether_the_appointment_may_have_been_moved(
    service: TestClient, server: RunningServer, fault: dict[str, Any], status: int, may_be_applied: bool
) -> None:
    server.app.add_faults(fault)
    answer = move(service)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["mayBeApplied"] is may_be_applied
    assert answer.json()["status"] == status
    if may_be_applied:
        assert "Look at the session" in answer.json()["whatToDo"]
    assert TOKEN not in answer.text


def test_a_lost_answer_is_not_called_a_failure(service: TestClient, server: RunningServer) -> None:
    """The case that matters: the appointment was moved, and the answer never came."""
    server.app.add_faults("drop-after-store")
    assert move(service).json()["title"] == "The appointment may or may not have been moved"
    (session,) = server.app.sessions()
    assert session.fields["appointmentStartDateTime"] == "2030-05-04T13:00:00.000Z"


def test_when_to_come_back_is_passed_on(service: TestClient, server: RunningServer) -> None:
    server.app.add_faults({"status": 503, "retry_after": 7})
    assert move(service).headers["retry-after"] == "7"


@pytest.mark.parametrize(
    "answer_of",
    [
        lambda service: move(service, session="ES-is-no-such-thing"),
        lambda service: move(service, end="2030-05-04T08:00:00-04:00"),
        lambda service: move(service, start="2030-05-04T09:00:00"),
    ],
    ids=["SID", "end before start", "no zone"],
)
def test_what_is_wrong_is_refused_before_it_is_sent(service: TestClient, server: RunningServer, answer_of: Any) -> None:
    assert answer_of(service).status_code == 422
    assert server.app.requests() == []


def test_a_service_without_settings_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARTERPROCTORING_TOKEN", raising=False)
    with pytest.raises(Exception, match="SMARTERPROCTORING_TOKEN"), TestClient(create_app()):
        pass
