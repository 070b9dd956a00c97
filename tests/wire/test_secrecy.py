"""The token is nowhere but in its header, and what the body says of a person is in no error text and no log.

One place at a time, everything that could show them is written down here, and searched.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import pickle
import traceback
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from smarterproctoring import (
    AsyncSmarterProctoring,
    ConfigurationError,
    Result,
    SmarterProctoring,
    SmarterProctoringError,
    ValidationError,
)
from smarterproctoring_generated.models.session_change import SessionChange
from wire.driver import AI, CERTIFICATES, ES, EX, TOKEN, Caller, Driver
from wire.limits import read_limit
from wire.misbehave import Server, Step, answer, drop_read, head, json_body, never, say, truncated

PERSON = {
    "first_name": "Ada",
    "last_name": "Byron-Lovelace",
    "email": "ada@example.org",
    "phone": "+1 (202) 555-0100",
    "address1": "12 St James's Square",
    "notes": "asks for $5 (twice) [sic]",
}
QUOTE = "child fails because " + "; ".join(f"'{value}' is wrong" for value in PERSON.values())
ECHO = {"X-Request-Id": TOKEN, "X-Echo": f"token={TOKEN};", "Location": f"https://example.com/?t={TOKEN}"}


class Everything(logging.Handler):
    """Keeps what any logger says, formatted as it would be written."""

    def __init__(self) -> None:
        super().__init__(0)
        self.text = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        self.text.write(f"{record.name} {record.getMessage()} {record.exc_text} {record.__dict__}\n")


@pytest.fixture
def log() -> Iterator[Everything]:
    """All loggers at their most talkative."""
    root, everything = logging.getLogger(), Everything()
    names = ["", "smarterproctoring", "httpx", "httpcore", "httpcore.http11", "httpcore.connection", "asyncio"]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(0 if name == "" else 1)
    root.addHandler(everything)
    yield everything
    root.removeHandler(everything)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def traced(error: BaseException) -> str:
    """What tools like `pytest -l` and error reporters print: every frame with its variables, and what they hold."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(told.format()) + deep(error)


def deep(held: object, depth: int = 4, seen: set[int] | None = None) -> str:
    """The repr of an object and of what its attributes hold; the one place that keeps the token is left out."""
    seen = set() if seen is None else seen
    if id(held) in seen or depth == 0 or type(held).__name__ == "Secret":
        return repr(held)
    seen.add(id(held))
    inner: list[object] = []
    if isinstance(held, dict):
        inner = list(held.values())
    elif isinstance(held, list | tuple | set):
        inner = list(held)
    elif type(held).__module__.startswith("smarterproctoring"):
        inner = list(getattr(held, "__dict__", {}).values())
    return " ".join([repr(held), str(held), *(deep(one, depth - 1, seen) for one in inner)])


def clean(text: str) -> None:
    """Fail if the token is there, as it is or as it is written in JSON, a URL or Base64."""
    encoded = base64.b64encode(TOKEN.encode()).decode().rstrip("=")
    for form in (TOKEN, urllib.parse.quote(TOKEN), json.dumps(TOKEN)[1:-1], encoded, TOKEN[:40]):
        assert form not in text


STEPS: dict[str, Step] = {
    "success": answer(200),
    "success that echoes": answer(200, json_body(token=TOKEN), ECHO),
    "400": answer(400, json_body(code=TOKEN, message=f"bad token {TOKEN}"), ECHO),
    "401": answer(401, json_body(code="AUTHENTICATIONFAILED", message=f"{TOKEN} has expired"), ECHO),
    "403": answer(403, f"<h1>token: {TOKEN}</h1>".encode(), ECHO),
    "404": answer(404, json_body(error={"code": "1", "message": TOKEN, "details": [TOKEN]})),
    "429": answer(429, b"", {"Retry-After": "100", **ECHO}),
    "500": answer(500, f"Traceback: {{'token': '{TOKEN}'}}".encode(), ECHO),
    "302": answer(302, b"", ECHO),
    "dropped": drop_read,
    "no answer": never,
    "truncated": truncated(500, TOKEN.encode()),
    "garbage": say(b"HTTP/1.1 " + TOKEN.encode() + b"\r\n\r\n", close=True),
    "bad header": say(f"HTTP/1.1 200 OK\r\nbad {TOKEN}\r\n\r\n".encode(), close=True),
    "huge": say(head(200, {"X-Huge": TOKEN * 5000}), close=True),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("asked", ["fixed", "callable"])
def test_the_token_is_nowhere(driver: Driver, server: Server, log: Everything, name: str, asked: str) -> None:
    server.script(STEPS[name])
    settings = {"retries": 1, "timeout": read_limit(0.2)}
    tokens = () if asked == "fixed" else (driver.hook(given_token),)
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as warned, driver.client(server, *tokens, **settings) as client:
        warnings.simplefilter("always")
        for call in (client.reschedule, client.generated):
            try:
                done: Any = call()
                texts += [deep(done), repr(getattr(done, "data", ""))] if call == client.reschedule else []
            except SmarterProctoringError as error:
                texts += [traced(error), deep(vars(error)), repr(pickle.dumps(error)), json.dumps(str(vars(error)))]
        generated = client.raw.generated
        texts += [deep(client.raw), deep(generated), deep(generated.sender), deep(vars(generated.sender))]
        texts += [deep(client.raw.dry_run_reschedule(AI, EX, ES, notes="x"))]
    assert server.arrived(1)
    assert {tuple(request.header("token")) for request in server.requests} == {(TOKEN,)}
    texts += [str(one.message) for one in warned]
    own = [
        line for line in log.text.getvalue().splitlines() if not line.startswith("httpcore") or "response" not in line
    ]
    for text in [*texts, *own]:  # what httpcore says of an answer is the server's own words
        clean(text)


def given_token() -> str:
    return TOKEN


def test_a_token_that_the_server_writes_in_another_way(driver: Driver, server: Server) -> None:
    """JSON may write any character as an escape, and PHP does so with every slash."""
    token = "abc/def/ghi+secret"
    server.script(answer(400, b'{"message": "bad token abc\\/def\\/ghi\\u002bsecret"}'))
    with driver.client(server, token) as client:
        error = client.fails(SmarterProctoringError)
    assert token not in str(error)
    assert token not in str(error.api_message)


def test_a_token_at_the_end_of_a_long_error_body_is_not_cut_into_view(driver: Driver, server: Server) -> None:
    server.script(answer(400, b"a" * (64 * 1024 - 60) + TOKEN.encode() + b"b" * 1000))
    with driver.client(server) as client:
        error = client.fails(SmarterProctoringError)
    assert TOKEN[:20] not in (error.body or "")


def test_a_token_in_a_request_id_of_a_success(driver: Driver, server: Server) -> None:
    server.script(answer(200, headers={"X-Request-Id": TOKEN}))
    with driver.client(server) as client:
        clean(repr(client.reschedule()))


def test_a_success_of_a_generated_function_that_echoes(driver: Driver, server: Server) -> None:
    server.script(answer(200, json_body(token=TOKEN), ECHO))
    with driver.client(server) as client:
        clean(repr(client.generated()))


def test_no_frame_shows_a_bad_token(driver: Driver) -> None:
    for number in range(len(BAD)):
        with pytest.raises(ConfigurationError) as caught:
            driver.type(BAD[number])
        clean(traced(caught.value))
        with (
            pytest.raises(ConfigurationError) as caught,
            driver.client("https://a.example", partial(bad, number)) as client,
        ):
            client.reschedule()
        clean(traced(caught.value))


BAD: list[Any] = [f"Bearer {TOKEN}", f"{TOKEN} x", f"{TOKEN}\r\nX: y", f"{TOKEN}é", TOKEN.encode()]


def bad(number: int) -> Any:
    return BAD[number]


def test_no_frame_shows_the_token_of_a_failing_callable(driver: Driver) -> None:
    def source() -> str:
        raise OSError(f"401 for {given_token()}") from ValueError(given_token())

    with driver.client("https://a.example", driver.hook(source)) as client, pytest.raises(ConfigurationError) as caught:
        client.reschedule()
    clean(traced(caught.value))


def test_no_setting_that_fails_shows_the_token(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTERPROCTORING_TOKEN", TOKEN)
    cases: list[dict[str, Any]] = [
        {"retries": 99},
        {"base_url": "x"},
        {"proxy": "nonsense"},
        {"unknown": 1},
        {"transport": 7},
    ]
    for settings in cases:
        for make in (partial(driver.type, given_token()), driver.type.from_env):
            with pytest.raises((ConfigurationError, TypeError)) as caught:
                make(**settings)
            told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            own = [frame for frame in told.stack if "/tests/" not in frame.filename.replace("\\", "/")]
            clean(str([frame.locals for frame in own]) + "".join(told.format_exception_only()))


@pytest.mark.parametrize("phase", ["sending", "waiting", "body"])
def test_an_interrupt_shows_no_token(server: Server, phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a call, at the deepest place that knows the headers."""
    import h11

    event = {"sending": h11.Request, "waiting": h11.Response, "body": h11.EndOfMessage}[phase]
    name = "send" if phase == "sending" else "next_event"
    original: Any = getattr(h11.Connection, name)

    def interrupting(self: Any, *arguments: Any) -> Any:
        done = original(self, *arguments)
        if isinstance(arguments[0] if arguments else done, event):
            raise KeyboardInterrupt
        return done

    client = SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, fast=False)
    with pytest.raises(KeyboardInterrupt) as caught:
        monkeypatch.setattr(h11.Connection, name, interrupting)
        client.reschedule(AI, EX, ES, notes="x")
    monkeypatch.undo()
    clean(traced(caught.value))
    client.close()


@pytest.mark.parametrize(
    "place",
    [
        "fast.Connection.begin",
        "fast.Parsed.feed",
        "fast.Connection.response",
        "sync_backend.Stream.write",
        "sync_backend.Stream.read",
        "framing.Framing.take",
    ],
)
def test_an_interrupt_of_the_fast_connection_shows_no_token(
    server: Server, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupting(*_: Any) -> Any:
        raise KeyboardInterrupt

    client = SmarterProctoring(TOKEN, base_url=server.url, verify=CERTIFICATES, fast=True)
    monkeypatch.setattr(f"smarterproctoring_transport.{place}", interrupting)
    with pytest.raises(KeyboardInterrupt) as caught:
        client.reschedule(AI, EX, ES, notes="x")
    monkeypatch.undo()
    clean(traced(caught.value))
    client.close()


@pytest.mark.parametrize("step", [never, truncated(200, b"")], ids=["waiting", "reading"])
def test_a_cancelled_task_shows_no_token(server: Server, step: Step) -> None:
    async def main() -> str:
        async with AsyncSmarterProctoring(given_token, base_url=server.url, verify=CERTIFICATES) as client:
            task = asyncio.create_task(client.reschedule(AI, EX, ES, notes="x"))
            while not server.requests:
                await asyncio.sleep(0.005)
            shown = repr(task)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as error:
                return shown + traced(error)
            return shown

    server.script(step)
    clean(asyncio.run(main()))


def test_nothing_of_a_person_is_in_an_error_text_or_a_log(driver: Driver, server: Server, log: Everything) -> None:
    """The field `body` holds what the server said, and says so; texts and logs do not."""
    quotes = [
        answer(400, json_body(code="1", message=QUOTE)),
        answer(404, json_body(error={"code": "2", "message": QUOTE, "details": PERSON})),
        answer(422, json_body(statusCode=422, error="Unprocessable", message=QUOTE)),
        answer(500, QUOTE.encode()),
    ]
    texts: list[str] = []
    change: dict[str, Any] = {**PERSON}
    with driver.client(server, retries=0) as client:
        for quote in quotes:
            server.script(quote)
            for call in (partial(client.reschedule, **PERSON), partial(client.generated, body=SessionChange(**change))):
                with pytest.raises(SmarterProctoringError) as caught:
                    call()
                error = caught.value
                texts += [str(error), repr(error), error.message, str(error.api_message), str(error.args)]
        error = client.fails(
            ValidationError, AI, EX, ES, **{**PERSON, "type": "Ada", "appointment_date_time": "ada@example.org"}
        )
        texts += [str(error), str(error.problems)]
        error = client.fails(ValidationError, PERSON["email"], PERSON["last_name"], PERSON["phone"], **PERSON)
        texts += [str(error), str(error.problems)]
    for text in [*texts, *log.text.getvalue().splitlines()]:
        for value in PERSON.values():
            assert value not in text


def test_a_message_is_masked_and_otherwise_kept(driver: Driver, server: Server) -> None:
    server.script(answer(400, json_body(code="7", message="Ada: Adamant 'ada@example.org' (Ada) at 1")))
    with driver.client(server) as client:
        error = client.fails(SmarterProctoringError, first_name="Ada", email="ada@example.org", notes="")
    assert error.api_message == "[redacted]: Adamant '[redacted]' ([redacted]) at 1"


@pytest.mark.parametrize("said", ["ada@example.org", "ADA@EXAMPLE.ORG"])
def test_a_value_is_masked_though_the_server_tidied_it(driver: Driver, server: Server, said: str) -> None:
    """A server trims, and lowers an address, before it complains."""
    server.script(answer(400, json_body(message=f"{said} is taken")))
    with driver.client(server) as client:
        error = client.fails(SmarterProctoringError, email=" Ada@Example.org ")
    assert said not in str(error)


ODD = "abc/def+ghi=secret&9"


@pytest.mark.parametrize(
    "written",
    [
        ODD,
        ODD.replace("/", "\\/"),
        "".join(f"\\u{ord(one):04x}" for one in ODD),
        "".join(f"\\u{ord(one):04X}" for one in ODD),
        urllib.parse.quote(ODD, safe=""),
        urllib.parse.quote(ODD, safe="").lower(),
        "".join(f"%{ord(one):02x}" for one in ODD),
        urllib.parse.quote(urllib.parse.quote(ODD, safe=""), safe=""),
        urllib.parse.quote(ODD, safe="").replace("%", "\\u0025"),
        ODD.replace("&", "&amp;").replace("/", "&#47;").replace("+", "&#x2B;"),
        ODD[:5] + f"\\u{ord(ODD[5]):04x}" + ODD[6:],
        "".join(f"\\x{ord(one):02x}" for one in ODD),
        "".join(f"\\u{{{ord(one):x}}}" for one in ODD),
        "".join(f"\\U{ord(one):08x}" for one in ODD),
        "".join(f"%u{ord(one):04X}" for one in ODD),
        "".join(f"&#{ord(one):05d};" for one in ODD),
        ODD.replace("&", "&amp;").replace("/", "&sol;").replace("+", "&plus;").replace("=", "&equals;"),
    ],
    ids=["as it is", "slashes", "JSON", "JSON, upper", "URL", "URL, lower", "URL, all", "URL twice", "URL in JSON"]
    + ["HTML", "one character", "x", "braces", "U", "percent u", "HTML, zeros", "HTML, names"],
)
@pytest.mark.parametrize("status", [200, 201, 400, 202])
def test_a_token_that_comes_back_with_escapes(driver: Driver, server: Server, written: str, status: int) -> None:
    body = f'{{"message": "bad token <<{written}>>", "n": [1]}}'.encode()
    server.script(answer(status, body, {"X-Echo": f"a {written} b"}))
    with driver.client(server, ODD) as client:
        if status < 202:
            result = client.reschedule()
            shown_of_it = f"{result!r} {result.data} {result.headers}"
            assert "<<[redacted]>>" in str(result.data)
            assert result.headers["x-echo"] == "a [redacted] b"
        else:
            error = client.fails(SmarterProctoringError)
            shown_of_it = f"{error} {vars(error)}"
            assert error.api_message == "bad token <<[redacted]>>"
            assert error.headers["x-echo"] == "a [redacted] b"
            assert "<<[redacted]>>" in (error.body or "")
    for part in (ODD, written, ODD[:8], written[:20]):
        assert part not in shown_of_it


@pytest.mark.parametrize("before", [b"", b":", b"user:", b'{"a":"'])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_token_that_comes_back_in_base64(
    driver: Driver, server: Server, before: bytes, encode: Callable[[bytes], bytes]
) -> None:
    """As the body of an AWS Lambda function, or as the password of basic authentication."""
    written = encode(before + ODD.encode() + b'"}').decode()
    server.script(answer(400, json_body(message=f"bad {written}"), {"X-Echo": written}))
    with driver.client(server, ODD) as client:
        error = client.fails(SmarterProctoringError)
    assert "[redacted]" in (error.api_message or "")
    for text in (error.message, str(error.body), error.headers["x-echo"]):
        assert written[8:34] not in text
        assert written[12:24] not in text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("status", [200, 400])
def test_a_token_that_comes_back_in_another_encoding(
    driver: Driver, server: Server, encoding: str, status: int
) -> None:
    server.script(answer(status, f'"a {ODD} b"'.encode(encoding)))
    with driver.client(server, ODD) as client:
        if status == 200:
            said = repr(client.reschedule())
        else:
            error = client.fails(SmarterProctoringError)
            said = f"{error} {vars(error)}"
    assert ODD[2:9] not in said.replace("\\x00", "").replace("\0", "")


def test_a_short_token_is_masked_as_a_word_only(driver: Driver, server: Server) -> None:
    server.script(answer(404, json_body(code="1203", message="The requested session T was not found: T1, T_x, aT")))
    with driver.client(server, "T") as client:
        error = client.fails(SmarterProctoringError)
    assert error.api_message == "The requested session [redacted] was not found: T1, T_x, aT"


def test_the_longest_value_is_masked_whole(driver: Driver, server: Server) -> None:
    server.script(answer(400, json_body(message="no Ada Lovelace-Byron, no Ada, no Lovelacexx-Byron")))
    with driver.client(server) as client:
        error = client.fails(SmarterProctoringError, first_name="Ada", notes="Ada Lovelace-Byron", company="Lovelacexx")
    assert error.api_message == "no [redacted], no [redacted], no [redacted]-Byron"


def test_masking_looks_at_each_character_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: a search that backtracks would look at each place of the text once for each of the value."""
    from smarterproctoring import masking

    looked: list[int] = []
    original = masking._is_word  # pyright: ignore[reportPrivateUsage]

    def counting(text: str, start: int, end: int) -> bool:
        looked.append(start)
        return original(text, start, end)

    monkeypatch.setattr(masking, "_is_word", counting)
    text = "a" * 60_000
    assert masking.mask(text, ["a" * 1_000_000, "a" * 20_000, "aa", "a"]) == masking.MASK
    assert masking.mask(text, ["aaa", "a"]) == text
    assert len(looked) <= 4 * len(text)  # once for each short value
    assert masking.mask_token("%41" * 30_000, "A" * 10_000) == masking.MASK


def test_no_frame_shows_what_the_call_says_of_a_person(driver: Driver, server: Server) -> None:
    """As error reporters do it: the variables of every frame of the package, and of httpx, by their repr."""
    quote = json_body(code="1", message=f"{QUOTE} and {PERSON['email']}")
    steps = [answer(400, quote), answer(200, json_body(error=QUOTE)), drop_read, never, answer(500, QUOTE.encode())]
    change: dict[str, Any] = {**PERSON}
    with driver.client(server, retries=1, timeout=read_limit(0.2)) as client:
        for step in steps:
            server.script(step)
            frames_are_clean(lambda: client.reschedule(**change))
        frames_are_clean(lambda: client.reschedule(AI, EX, "wrong", **change))
        for wrong in ({"wrong": "x"}, {"install_sid": "wrong"}):
            item = {"install_sid": AI, "exam_sid": EX, "session_sid": ES, **change, **wrong}
            frames_are_clean(partial(first_of_many, client, item))


def first_of_many(client: Caller, item: dict[str, Any]) -> Result:
    """Return the result of `reschedule_many` with one item, or raise its error."""
    (outcome,) = client.run(client.raw.reschedule_many, [item])
    if isinstance(outcome, Result):
        return outcome
    raise outcome


def frames_are_clean(call: Any) -> None:
    with pytest.raises((SmarterProctoringError, TypeError)) as caught:
        call()
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    own = [frame for frame in told.stack if "/tests/" not in frame.filename.replace("\\", "/")]
    assert own
    for frame in own:
        for name, value in (frame.locals or {}).items():
            for personal in PERSON.values():
                assert personal not in value, f"{frame.filename}:{frame.lineno} {name}"


@pytest.mark.parametrize("setting", ["argument", "variable"])
def test_no_frame_shows_the_password_of_a_proxy(
    driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    def clean_of(error: BaseException) -> None:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        own = [frame for frame in told.stack if "/tests/" not in frame.filename.replace("\\", "/")]
        assert "pass-word" not in str([frame.locals for frame in own]) + str(error) + repr(error)

    address = f"user:pass-word@127.0.0.1:{server.port}"
    for url in (f"ftp://{address}", f"http://{address}"):
        settings: dict[str, Any] = {"proxy": url} if setting == "argument" else {}
        if setting == "variable":
            monkeypatch.setenv("HTTPS_PROXY", url)
        server.script(answer(407, json_body(message="no")))
        options = {"base_url": "https://api.example.com", "verify": CERTIFICATES, "retries": 0, **settings}
        make = partial(driver.type, given_token(), **options)
        with pytest.raises(SmarterProctoringError) as caught, driver.made(make) as client:
            assert "pass-word" not in repr(client.raw)
            client.reschedule()
        clean_of(caught.value)
        if url.startswith("http:"):
            with pytest.raises(ConfigurationError) as caught:
                driver.type(given_token(), **{**options, "retries": 99})
            clean_of(caught.value)


API_KEY = "my-gateways-key-0123"
WITH_KEY = {"X-Api-Key": API_KEY}


@pytest.mark.parametrize("name", STEPS)
def test_no_frame_shows_the_callers_headers(driver: Driver, server: Server, log: Everything, name: str) -> None:
    server.script(STEPS[name])
    texts: list[str] = []
    with driver.client(server, headers=WITH_KEY, retries=1, timeout=read_limit(0.2)) as client:
        for call in (client.reschedule, client.generated, partial(client.reschedule, AI, EX, "wrong")):
            try:
                call()
            except SmarterProctoringError as error:
                texts.append(locals_of(error))
        sender = client.raw.generated.sender
        texts += [repr(client.raw), repr(sender), repr(vars(sender)), repr(sender.call_options)]
    assert {tuple(request.header("x-api-key")) for request in server.requests} == {(API_KEY,)}
    assert "x-api-key" in repr(sender.call_options)
    for text in [*texts, log.text.getvalue()]:
        assert API_KEY not in text


@pytest.mark.parametrize(
    "wrong", [{"retries": 99}, {"unknown": 1}, {"base_url": "x"}, {"proxy": "nonsense"}, {"timeout": "x"}]
)
def test_no_option_that_fails_shows_the_callers_headers(driver: Driver, wrong: dict[str, Any]) -> None:
    makes: list[Callable[..., object]] = [partial(driver.type, TOKEN), partial(driver.type.from_env, token=TOKEN)]
    if "base_url" not in wrong and "proxy" not in wrong:
        makes.append(driver.type(TOKEN).with_options)
    for make in makes:
        with pytest.raises((ConfigurationError, TypeError)) as caught:
            make(headers=WITH_KEY, **wrong)
        assert API_KEY not in locals_of(caught.value)
    for bad in ({"X-Api-Key": f"{API_KEY}\n"}, {"X Api Key": API_KEY}, {"token": API_KEY}):
        for make in makes:
            with pytest.raises(ConfigurationError) as caught:
                make(headers=bad)
            assert API_KEY not in locals_of(caught.value)


def locals_of(error: BaseException) -> str:
    """The error, and the variables of every frame but those of the tests."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    own = [frame for frame in told.stack if "/tests/" not in frame.filename.replace("\\", "/")]
    return str([frame.locals for frame in own]) + "".join(told.format_exception_only())


def test_the_repr_of_a_dry_run_shows_no_value(driver: Driver, server: Server) -> None:
    with driver.client(server, headers=WITH_KEY) as client:
        dry = client.raw.dry_run_reschedule(AI, EX, ES, notes="asks for the ramp")
    for value in (AI, EX, ES, API_KEY, "ramp", str(server.port)):
        assert value not in repr(dry)
    for name in ("PUT", "/v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid}", "x-api-key", "token"):
        assert name in repr(dry)
    assert dry.headers["x-api-key"] == API_KEY
    assert b"ramp" in dry.content


def test_the_search_finds_a_token() -> None:
    for text in (f"x {TOKEN} y", TOKEN[:50], repr(TOKEN.encode())):
        with pytest.raises(AssertionError):
            clean(text)
