"""The bridge: cases drawn from the spec go through the public clients into the mock.

Valid ones must arrive as the spec says, octet for octet; what the spec forbids must stop before the wire.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from contract import drawing
from contract.bridge import Wire, problems, read_of, wire
from contract.drawing import FIELDS, SHOWN, TIMES, VALID, Change, drawn, keyword
from hypothesis import Phase, currently_in_test_context, given, note, settings
from hypothesis import strategies as st
from smarterproctoring import SmarterProctoringError, ValidationError
from smarterproctoring_generated.models.session_change import SessionChange
from smarterproctoring_mock.testing import Mock, in_process, network
from wire.driver import Caller, Driver, Kind

pytestmark = pytest.mark.slow
KINDS: tuple[Kind, Kind] = ("sync", "asyncio")


def as_datetime(value: Any) -> Any:
    """Return a time as a datetime where it is text that says one, and as it is otherwise."""
    try:
        return datetime.fromisoformat(drawing.wire_time(value) or "") if isinstance(value, str) else value
    except ValueError:
        return value


def show(change: Change) -> None:
    """Let hypothesis print the case if it fails."""
    if currently_in_test_context():
        note(str(change))


class Bridge:
    """A client of one kind, before a mock."""

    def __init__(self, mock: Mock, caller: Caller) -> None:
        self.mock, self.caller = mock, caller

    def public(self, change: Change) -> Any:
        """Call `reschedule`."""
        return self.caller.run(partial(self.caller.raw.reschedule, *change.sids, **change.keywords()))

    def generated(self, change: Change) -> Any:
        """Call the generated function, whose model takes times as datetimes only."""
        fields = {
            keyword(name) + ("_" if name == "type" else ""): as_datetime(value) if name in TIMES else value
            for name, value in change.fields.items()
        }
        return self.caller.generated(*change.sids, body=SessionChange(**fields))

    def read(self, sids: Sequence[Any]) -> Any:
        """Call `get_session`."""
        return self.caller.run(partial(self.caller.raw.get_session, *sids))

    def read_as(self, change: Change) -> Any:
        """Call `get_session` for the session of a change."""
        return self.read(change.sids)

    def model(self, body: SessionChange) -> Callable[[Change], Any]:
        """Return what calls the generated function with this body."""
        return lambda change: self.caller.generated(*change.sids, body=body)

    def arrives(self, change: Change, call: Any) -> None:
        """Hold a valid call to the wire, and what is stored to the call."""
        show(change)
        self.mock.app.reset()
        expected = wire(change)
        if expected is None:  # beyond what the client can express
            self.stops(change, call, ValidationError)
            return
        call(change)
        assert problems(self.mock, expected) == []
        dry = self.caller.raw.dry_run_reschedule(*change.sids, **change.keywords())
        assert (dry.method, dry.url, dry.content) == (drawing.METHOD, self.mock.url + expected.path, expected.body)

    def stops(self, change: Change, call: Any, *kinds: type[Exception]) -> None:
        """Hold a wrong call to its refusal: nothing reaches the mock."""
        show(change)
        self.mock.app.reset()
        with pytest.raises(kinds) as caught:
            call(change)
        assert self.mock.app.total == 0
        if isinstance(caught.value, SmarterProctoringError):
            assert caught.value.maybe_applied is False


@pytest.fixture(scope="module", params=["in process", "network"])
def mock(request: pytest.FixtureRequest) -> Iterator[Mock]:
    with in_process() if request.param == "in process" else network() as mock:
        yield mock


@contextmanager
def bridge_before(mock: Mock, kind: Kind) -> Generator[Bridge]:
    with Driver(kind).client(mock.url, mock.token, transport=mock.transport, retries=0) as caller:
        yield Bridge(mock, caller)


@pytest.fixture(scope="module")
def bridge(mock: Mock) -> Iterator[Bridge]:
    with bridge_before(mock, "sync") as bridge:
        yield bridge


@pytest.fixture(scope="module")
def bridges() -> Iterator[list[Bridge]]:
    """Both clients, in process and over the network: to draw a case costs more than to send it by all four."""
    with ExitStack() as stack:
        mocks = [stack.enter_context(mock) for mock in (in_process(), network())]
        yield [stack.enter_context(bridge_before(mock, kind)) for mock in mocks for kind in KINDS]


@pytest.fixture(scope="module")
def refusing() -> Iterator[list[Bridge]]:
    """Both clients for calls of which nothing may reach the wire, so that one kind of wire is enough."""
    with ExitStack() as stack:
        mock = stack.enter_context(in_process())
        yield [stack.enter_context(bridge_before(mock, kind)) for kind in KINDS]


# --- valid ------------------------------------------------------------------------------------------------


@drawn(40)
@given(change=drawing.changes())
def test_valid_cases_arrive_as_the_spec_says(bridges: list[Bridge], change: Change) -> None:
    for bridge in bridges:
        bridge.arrives(change, bridge.public)


@drawn(25)
@given(change=drawing.changes())
def test_valid_cases_of_generated_functions_arrive_as_the_spec_says(bridges: list[Bridge], change: Change) -> None:
    if any(drawing.wire_time(change.fields[name]) is None for name in change.fields.keys() & set(TIMES)):
        return  # the model has no way to express it
    for bridge in bridges:
        bridge.arrives(change, bridge.generated)


@drawn(15)
@given(several=st.lists(drawing.changes(), min_size=2, max_size=5))
def test_what_was_rescheduled_is_what_is_stored(bridges: list[Bridge], several: list[Change]) -> None:
    for bridge in bridges:
        stores(bridge, several)


def stores(bridge: Bridge, several: list[Change]) -> None:
    bridge.mock.app.reset()
    expected: dict[str, Any] = {}
    for change in several:
        sent = wire(change)
        if sent is not None:
            bridge.public(Change(VALID.sids, change.fields))
            expected |= json.loads(sent.body)
    stored = [dict(session.fields) for session in bridge.mock.app.sessions()]
    assert stored == ([expected] if expected else [])


@drawn(15)
@given(several=st.lists(drawing.changes(), min_size=1, max_size=4))
def test_what_was_rescheduled_is_what_is_read(bridges: list[Bridge], several: list[Change]) -> None:
    for bridge in bridges:
        shows(bridge, several)


def shows(bridge: Bridge, several: list[Change]) -> None:
    bridge.mock.app.reset()
    expected: dict[str, Any] = {}
    for change in several:
        sent = wire(change)
        if sent is None:
            continue
        bridge.public(Change(VALID.sids, change.fields))
        stored = json.loads(sent.body)
        # In the order of the body: of two fields that a read calls the same, the last counts.
        expected |= {SHOWN[name]: value for name, value in stored.items() if name in SHOWN}
        seen = bridge.read(VALID.sids)
        assert {name: seen.data[name] for name in expected} == expected
        for name, value in expected.items():
            parsed = getattr(seen.parsed, keyword(name))
            if isinstance(parsed, datetime):
                assert drawing.wire_time(parsed) == value
            else:
                assert parsed == value
        bridge.mock.app.assert_read(VALID.sids[2], answer=expected)


@drawn(15)
@given(change=drawing.changes())
def test_reads_arrive_as_the_spec_says(bridges: list[Bridge], change: Change) -> None:
    show(change)
    for bridge in bridges:
        bridge.mock.app.reset()
        assert bridge.read(change.sids).data["sid"] == change.sids[2]
        assert problems(bridge.mock, read_of(change.sids)) == []
        assert bridge.mock.app.audit() == []


@drawn(25)
@given(change=drawing.wrong_sids())
def test_reads_of_wrong_sids_stop_before_the_wire(refusing: list[Bridge], change: Change) -> None:
    for bridge in refusing:
        bridge.stops(change, bridge.read_as, ValidationError)


def test_every_field_was_among_the_cases() -> None:
    # A strategy that never draws a field would prove nothing for it.
    # It draws until it has seen all.
    seen: set[str | type] = set()
    wanted = {*FIELDS, str, datetime}

    @settings(drawn(300), phases=[Phase.generate])
    @given(change=drawing.changes())
    def draw(change: Change) -> None:
        seen.update(change.fields, (type(change.fields[name]) for name in change.fields.keys() & set(TIMES)))
        if seen == wanted:
            raise EnoughError

    with pytest.raises(EnoughError):
        draw()


class EnoughError(Exception):
    """Nothing is missing any more."""


# --- invalid ----------------------------------------------------------------------------------------------


@drawn(40)
@given(change=drawing.wrong_sids())
def test_wrong_sids_stop_before_the_wire(refusing: list[Bridge], change: Change) -> None:
    for bridge in refusing:
        bridge.stops(change, bridge.public, ValidationError)
        if all(isinstance(sid, str) and sid.isprintable() for sid in change.sids):
            bridge.stops(change, bridge.generated, SmarterProctoringError)


@drawn(50)
@given(change=drawing.wrong_fields())
def test_wrong_values_stop_before_the_wire(refusing: list[Bridge], change: Change) -> None:
    for bridge in refusing:
        bridge.stops(change, bridge.public, ValidationError)


@drawn(40)
@given(change=drawing.wrong_fields())
def test_wrong_values_of_generated_functions_stop_before_the_wire(refusing: list[Bridge], change: Change) -> None:
    # The model itself fails on a time that is no datetime.
    for bridge in refusing:
        bridge.stops(change, bridge.generated, ValidationError, AttributeError)


@drawn(20)
@given(change=drawing.wrong_order())
def test_an_end_before_the_start_stops_before_the_wire(refusing: list[Bridge], change: Change) -> None:
    for bridge in refusing:
        bridge.stops(change, bridge.public, ValidationError)
        bridge.stops(change, bridge.generated, ValidationError)


@drawn(20)
@given(change=drawing.unknown_fields())
def test_unknown_fields_stop_before_the_wire(refusing: list[Bridge], change: Change) -> None:
    for bridge in refusing:
        bridge.mock.app.reset()
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            bridge.caller.run(partial(bridge.caller.raw.reschedule, *change.sids, **change.fields))
        assert bridge.mock.app.total == 0


@drawn(20)
@given(moment=st.datetimes(), name=st.sampled_from(TIMES))
def test_naive_times_of_generated_functions_stop_before_the_wire(
    refusing: list[Bridge], moment: datetime, name: str
) -> None:
    change = Change(VALID.sids, {name: moment})
    body = SessionChange(**{keyword(name): moment})  # type: ignore[arg-type]
    for bridge in refusing:
        bridge.stops(change, bridge.model(body), ValidationError)


def test_an_empty_change_stops_before_the_wire(refusing: list[Bridge]) -> None:
    for bridge in refusing:
        for fields in ({}, dict.fromkeys(FIELDS)):
            bridge.stops(Change(VALID.sids, fields), bridge.public, ValidationError)


# --- wrong clients: the bridge's check rejects this recorded request ---------------------------------------

MOVED = Change(VALID.sids, {"type": "proctoru", "appointmentDateTime": datetime(2030, 5, 4, 13, tzinfo=UTC)})
RIGHT = Wire(
    "PUT",
    "/v1/installs/AI0123456789abcdef0123456789abcdef/exams/EX0123456789abcdef0123456789abcdef"
    "/sessions/ES0123456789abcdef0123456789abcdef",
    b'{"type":"proctoru","appointmentDateTime":"2030-05-04T13:00:00.000Z"}',
)


def send(mock: Mock, **changes: Any) -> None:
    """Send the right request but for what a wrong client does otherwise; header names with None are left out."""
    headers = {"token": mock.token, "content-type": "application/json", **changes.pop("headers", {})}
    fields = [(name, value) for name, value in headers.items() if value is not None] + changes.pop("more", [])
    path = changes.pop("path", RIGHT.path)
    request: dict[str, Any] = {"method": RIGHT.method, "content": RIGHT.body, **changes}
    with httpx.Client(transport=mock.transport, trust_env=False) as client:
        client.request(url=mock.url + path, headers=fields, **request)


def test_the_right_request_passes(mock: Mock) -> None:
    mock.app.reset()
    assert wire(MOVED) == RIGHT
    send(mock)
    assert problems(mock, RIGHT) == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a misnamed header": ({"headers": {"token": None, "x-token": "{token}"}}, "token header lines"),
    "a Bearer prefix": ({"headers": {"token": "Bearer {token}"}}, "the token itself"),
    "Authorization: Bearer": ({"headers": {"token": None, "authorization": "Bearer {token}"}}, "token header lines"),
    "Authorization beside the token": ({"headers": {"authorization": "Bearer {token}"}}, "authorization"),
    "another token": ({"headers": {"token": "another"}}, "the token itself"),
    "the token twice": ({"more": [("token", "{token}")]}, "token header lines"),
    "an offset": ({"content": RIGHT.body.replace(b".000Z", b"+00:00")}, "body"),
    "no milliseconds": ({"content": RIGHT.body.replace(b".000Z", b"Z")}, "body"),
    "microseconds": ({"content": RIGHT.body.replace(b".000Z", b".000000Z")}, "body"),
    "local time as UTC": ({"content": RIGHT.body.replace(b"T13", b"T09")}, "body"),
    "spaces in the body": ({"content": RIGHT.body.replace(b",", b", ")}, "body"),
    "null for what is not set": ({"content": RIGHT.body.replace(b"}", b',"notes":null}')}, "body"),
    "a field too many": ({"content": RIGHT.body.replace(b"}", b',"noets":"x"}')}, "body"),
    "snake case": ({"content": RIGHT.body.replace(b"appointmentDateTime", b"appointment_date_time")}, "body"),
    "POST": ({"method": "POST"}, "method"),
    "PATCH": ({"method": "PATCH"}, "method"),
    "a slash at the end": ({"path": RIGHT.path + "/"}, "path"),
    "a query": ({"path": RIGHT.path + "?token=x"}, "path"),
    "swapped SIDs": ({"path": RIGHT.path.replace("AI0", "EX0", 1)}, "path"),
    "no content type": ({"headers": {"content-type": None}}, "content-type"),
    "another content type": ({"headers": {"content-type": "text/plain"}}, "content-type"),
    "a charset": ({"headers": {"content-type": "application/json; charset=utf-8"}}, "content-type"),
    "chunks": ({"content": "chunks"}, "transfer-encoding"),
    "a cookie": ({"headers": {"cookie": "a=b"}}, "cookie"),
}


@pytest.mark.parametrize("slip", WRONG)
def test_the_check_rejects_this_recorded_request(mock: Mock, slip: str) -> None:
    changes, named = WRONG[slip]
    mock.app.reset()
    headers = {name: value and value.format(token=mock.token) for name, value in changes.get("headers", {}).items()}
    changes = {**changes, "headers": headers}
    changes["more"] = [(name, value.format(token=mock.token)) for name, value in changes.get("more", [])]
    if changes.get("content") == "chunks":
        changes["content"] = iter([RIGHT.body])
    send(mock, **changes)
    found = problems(mock, RIGHT)
    assert named in [problem.partition(":")[0] for problem in found], found


def test_the_check_rejects_none_and_two_requests(mock: Mock) -> None:
    mock.app.reset()
    assert problems(mock, RIGHT) == ["0 requests came"]
    send(mock)
    send(mock)
    assert problems(mock, RIGHT) == ["2 requests came"]


def hurried(mock: Mock) -> Callable[[Change], None]:
    """A plain client as an engineer in a hurry writes it."""

    def call(change: Change) -> None:
        fields = {n: v.isoformat() if isinstance(v, datetime) else v for n, v in change.fields.items()}
        path = drawing.TEMPLATE.format(**dict(zip(drawing.PATTERNS, map(quote_any, change.sids), strict=True)))
        content = json.dumps(fields, separators=(",", ":"), default=str).encode()
        send(mock, path=path, content=content)

    return call


def quote_any(sid: Any) -> str:
    return quote(str(sid).encode("utf-8", "replace"), safe="")


STRATEGIES = {
    "arrives": drawing.changes(),
    "stops: SIDs": drawing.wrong_sids(),
    "stops: values": drawing.wrong_fields(),
    "stops: order": drawing.wrong_order(),
}


@pytest.mark.parametrize("rule", STRATEGIES)
def test_the_bridge_fails_a_hurried_client(bridge: Bridge, rule: str) -> None:
    plain = hurried(bridge.mock)

    @settings(drawn(40), phases=[Phase.generate], report_multiple_bugs=False)
    @given(change=STRATEGIES[rule])
    def run(change: Change) -> None:
        if rule == "arrives":
            bridge.arrives(change, plain)
        else:
            bridge.stops(change, plain, ValidationError)

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run()
