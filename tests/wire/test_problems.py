"""What is wrong is data: no program has to look for words in a message."""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import Any

import httpx
import pytest
from smarterproctoring import ConfigurationError, Timeouts, ValidationError
from wire.driver import AI, CERTIFICATES, ES, EX, TOKEN, Driver, failure
from wire.misbehave import Server


def test_a_problem_of_a_call_has_its_field_and_code(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        error = client.fails(
            ValidationError,
            AI + " ",
            7,
            ES,
            type="zoom",
            phone=7,
            appointment_date_time=datetime(2030, 5, 4),
            appointment_start_date_time="2030-05-04T13:00:00Z",
            appointment_end_date_time="2030-05-04T13:00:00Z",
        )
        empty = client.fails(ValidationError, AI, EX, ES, notes=None)
        wild = client.fails(ValidationError, AI, EX, ES, notes="\ud800")
    found = {problem.field: problem.code for problem in error.problems}
    assert found == {
        "install_sid": "pattern",
        "exam_sid": "type",
        "type": "enum",
        "phone": "type",
        "appointment_date_time": "time",
        "appointment_end_date_time": "order",
    }
    assert "white space" in next(problem.text for problem in error.problems if problem.field == "install_sid")
    assert [(problem.field, problem.code) for problem in empty.problems] == [("", "empty")]
    assert [(problem.field, problem.code) for problem in wild.problems] == [("", "json")]
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


def failing() -> object:
    return 1 / 0


SETTINGS: list[tuple[dict[str, Any], str, str]] = [
    ({"retries": 99}, "retries", "retries must be a whole number from 0 to 10"),
    ({"retries": True}, "retries", "retries must be"),
    ({"deadline": 0}, "deadline", "deadline must be a number of seconds"),
    ({"timeout": -1}, "timeout", "timeout must be a number of seconds above 0, at most 1e6"),
    ({"timeout": Timeouts(read=0)}, "timeout", "(not so: read)"),
    ({"headers": {"token": "x"}}, "headers", "'token'"),
    ({"headers": {"X-A": "é"}}, "headers", "printable ASCII"),
    ({"base_url": "http://api.example.com"}, "base_url", "allow_http=True"),
    ({"base_url": "https://api.example.com/v1"}, "base_url", "must not end in /v1, with which the paths"),
    ({"base_url": "https://api.example.com/v1/"}, "base_url", "must not end in /v1"),
    ({"base_url": "https://api.example.com/base/v1//"}, "base_url", "must not end in /v1"),
    ({"base_url": "https://a..b"}, "base_url", "host"),
    ({"base_url": f"https://{'a' * 64}.example"}, "base_url", "host"),
    ({"base_url": f"https://{'a.' * 130}example"}, "base_url", "host"),
    ({"base_url": "https://.example"}, "base_url", "host"),
    ({"base_url": "https://[::1::2]"}, "base_url", "host"),
    ({"base_url": "https://api.example.com:0"}, "base_url", "port"),
    ({"base_url": "https://api.example.com:65536"}, "base_url", "port"),
    ({"verify": "ca.pem"}, "verify", "verify must be True, False"),
    ({"transport": 7}, "transport", "not int"),
    ({"transport": object}, "transport", "not object"),
    ({"transport": failing}, "transport", "raised ZeroDivisionError"),
    ({"proxy": "nonsense"}, "proxy", "proxy must begin with one of http://"),
    ({"proxy": "ftp://127.0.0.1"}, "proxy", "http://"),
    ({"proxy": "http://a..b:3128"}, "proxy", "a host or a port that cannot be used"),
    ({"proxy": "http://127.0.0.1:99999"}, "proxy", "a host or a port that cannot be used"),
    ({"proxy": "http://"}, "proxy", "a host or a port that cannot be used"),
]


@pytest.mark.parametrize(
    ("settings", "setting", "said"), SETTINGS, ids=[f"{number} {row[1]}" for number, row in enumerate(SETTINGS)]
)
def test_a_bad_setting_is_named(driver: Driver, settings: dict[str, Any], setting: str, said: str) -> None:
    error = failure(ConfigurationError, lambda: driver.type(TOKEN, **settings))
    assert error.setting == setting
    assert [problem.field for problem in error.problems] == [setting]
    assert said in error.message


def test_all_bad_settings_are_in_one_error(driver: Driver) -> None:
    settings: dict[str, Any] = {"retries": 99, "deadline": -1, "base_url": "x", "headers": {"é": "x"}, "proxy": "y"}
    error = failure(ConfigurationError, lambda: driver.type("Bearer x", **settings))
    assert {problem.field for problem in error.problems} == {"token", *settings}
    assert all(str(problem) in error.message for problem in error.problems)
    assert error.setting == "token"


def test_a_view_tells_all_bad_options(driver: Driver, server: Server) -> None:
    with driver.client(server) as client:
        error = failure(ConfigurationError, lambda: client.view(retries=-1, timeout=0))
    assert {problem.field for problem in error.problems} == {"retries", "timeout"}


def test_a_path_that_only_holds_the_roots_letters_is_fine(driver: Driver) -> None:
    for path in ("v12", "xv1", "v1/base"):
        with driver.client(f"https://api.example.com/{path}") as client:
            assert path in repr(client.raw)


def test_from_env_names_the_variable_where_the_value_came_from_it(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", "a b")
    monkeypatch.setenv("SMARTERPROCTORING_RETRIES", "99")
    monkeypatch.setenv("SMARTERPROCTORING_TIMEOUT", "5s")
    monkeypatch.setenv("SMARTERPROCTORING_BASE_URL", "https://api.example.com/v1")
    monkeypatch.setenv("SMARTERPROCTORING_INSTALL_SID", "AI")
    monkeypatch.setenv("SMARTERPROCTORING_LOG", "loud")
    error = failure(ConfigurationError, driver.type.from_env)
    assert {(problem.field, problem.name) for problem in error.problems} == {
        (name.lower(), f"SMARTERPROCTORING_{name}")
        for name in ("TOKEN", "RETRIES", "TIMEOUT", "BASE_URL", "INSTALL_SID", "LOG")
    }
    assert "SMARTERPROCTORING_RETRIES must be a whole number" in error.message


@pytest.mark.parametrize("variable", [None, "3"])
def test_from_env_names_the_argument_where_the_value_came_from_that(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
    if variable:
        monkeypatch.setenv("SMARTERPROCTORING_RETRIES", variable)
    error = failure(ConfigurationError, lambda: driver.type.from_env(retries=99, verify=CERTIFICATES))
    assert error.message.startswith("retries must be")
    assert "SMARTERPROCTORING" not in error.message


@pytest.mark.parametrize("name", ["httpcore", "other kind"])
def test_a_transport_of_another_library_is_refused(driver: Driver, name: str) -> None:
    import httpcore

    sync = driver.kind == "sync"
    foreign: dict[str, Any] = {
        "httpcore": httpcore.ConnectionPool if sync else httpcore.AsyncConnectionPool,
        "other kind": httpx.AsyncHTTPTransport if sync else httpx.HTTPTransport,
    }
    for given in (foreign[name], foreign[name]()):
        error = failure(ConfigurationError, lambda given=given: driver.type(TOKEN, transport=given))  # type: ignore[misc]
        assert (error.setting, error.maybe_applied) == ("transport", False)
        assert f"not {foreign[name].__name__}" in error.message


def test_an_error_about_the_token_names_it(driver: Driver) -> None:
    with driver.client("https://a.example", driver.hook(lambda: "Bearer x")) as client:
        error = client.fails(ConfigurationError)
    assert (error.setting, [problem.field for problem in error.problems]) == ("token", ["token"])
