"""The service against the package's mock server, in the same process, with faults on demand."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from exam_desk import SettingsError, create_app, serve
from fastapi.testclient import TestClient
from smarterproctoring import AsyncSmarterProctoring, ConfigurationError
from smarterproctoring_mock.testing import FaultCase, Mock, fault_params

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
    assert move(service).json()["title"] == "The appointment may or may not have been moved"
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
