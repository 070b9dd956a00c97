"""Prove the rules of a call in every state: each order of attempts, answers and reads, and what was true at each point.

tools/prove_decisions.py              all of them: under a minute on a quiet machine
tools/prove_decisions.py --write      put the table into docs/explanation/proof.md too

The client's own sender runs over a scripted channel and a scripted clock. Wherever the world could go one way or
another, each way is taken: what becomes of a request, whether the change is stored (at once, later, or never), what a
read shows, which token comes. All choices are a tree, and every leaf of it is a call. Each call is made with the
synchronous and the asynchronous client, and has to keep the rules of `RULES`. The exit code is 1 if one is broken.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, cast

import httpx
from smarterproctoring import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    Check,
    ConfigurationError,
    DeadlineExceededError,
    NotFoundError,
    RateLimitError,
    Result,
    ServerError,
    SmarterProctoringError,
    UnconfirmedError,
)
from smarterproctoring._async import sender as async_sender
from smarterproctoring._async.sender import AsyncSender
from smarterproctoring._sync import sender as sync_sender
from smarterproctoring._sync.sender import SyncSender
from smarterproctoring.budget import SIZE, RetryBudget
from smarterproctoring.credentials import Secret
from smarterproctoring.options import CallOptions
from smarterproctoring.prepare import Prepared, from_keywords
from smarterproctoring.settings import Options
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION
from smarterproctoring_generated.records import Hidden
from smarterproctoring_transport import AsyncShared, StillRunning, SyncShared

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "explanation" / "proof.md"
BEGIN = "<!-- the table of `make prove-decisions` begins -->\n"
END = "<!-- the table of `make prove-decisions` ends -->\n"
SIDS = ("AI" + "a1" * 16, "EX" + "b2" * 16, "ES" + "c3" * 16)
ASKED = "2030-06-05T10:30:00.000Z"
FORMER = "2030-05-03T08:00:00.000Z"
OTHER = "2030-07-01T00:00:00.000Z"
INSTANT = 0.05
"""Seconds that an answer takes that does not keep the caller waiting."""
BEGAN = 1000.0
OptionT = TypeVar("OptionT")
ValueT = TypeVar("ValueT")


# -- what can happen -------------------------------------------------------------------------------------------------


class Way(NamedTuple):
    """What can become of one request.

    Attributes:
        name: What happens, in words.
        status: The status of the answer; None if there is none.
        raised: What the channel raises if there is no answer.
        stored: Whether the change is stored: `now`, `late` (after the next request, or after the call), or not at all.
        is_open: Whether a caller who sees only the answer has to assume that it may be stored.
        waits: Whether the caller waits in vain, until a time limit ends that.
        error: What the call raises if this was its last attempt.
        retry_after: Seconds that the answer asks to wait.
        shows: For a read: the start that the answer shows; `truth` for that of the session.
        body: The body of the answer where it is not a session.
        page: Whether the answer is an HTML page.
    """

    name: str
    status: int | None = None
    raised: type[httpx.TransportError] | None = None
    stored: Literal["no", "now", "late"] = "no"
    is_open: bool = False
    waits: bool = False
    error: type[SmarterProctoringError] = SmarterProctoringError
    retry_after: float = 0.0
    shows: str | None = None
    body: bytes = b"{}"
    page: bool = False


def _each(way: Way) -> list[Way]:
    """Return what a caller sees as one and the same: stored now, later, or never."""
    return [
        way._replace(name=f"{way.name}, {text}", stored=stored, is_open=True)
        for text, stored in _TRUTHS.items()
    ]


_TRUTHS: dict[str, Literal["no", "now", "late"]] = {
    "stored": "now",
    "stored later": "late",
    "not stored": "no",
}
CONFIRMED = Way("200", 200, stored="now")
NOT_SENT = Way("not sent", raised=httpx.ConnectError, error=APIConnectionError)
REFUSED = Way("404", 404, error=NotFoundError)
LIMITED = Way("429", 429, error=RateLimitError)
EXPIRED = Way("401", 401, error=AuthenticationError)
LOST = _each(Way("lost", raised=httpx.ReadError, error=APIConnectionError))
BUSY = _each(Way("503", 503, error=ServerError))
BUSY_FOR_LONG = _each(
    Way("503 with Retry-After", 503, error=ServerError, retry_after=3.0)
)
PAGE = _each(Way("200, HTML", 200, error=UnconfirmedError, page=True))
SILENT = _each(
    Way("no answer", raised=httpx.ReadTimeout, error=APITimeoutError, waits=True)
)

TRUE = Way("the truth", 200, shows="truth")
SHOWS_FORMER = Way("the former start", 200, shows=FORMER)
SHOWS_ASKED = Way("the start that was asked for", 200, shows=ASKED)
SHOWS_OTHER = Way("a third start", 200, shows=OTHER)
SHOWS_NULL = Way("null", 200, body=b'{"appointmentDate": null}')
READ_REFUSED = Way("read: 404", 404)
READ_EXPIRED = Way("read: 401", 401)
READ_PAGE = Way("read: HTML", 200, page=True)
READ_LOST = Way("read: lost", raised=httpx.ReadError)
READ_SILENT = Way("read: no answer", raised=httpx.ReadTimeout, waits=True)

ALL_CHANGES = (
    CONFIRMED, NOT_SENT, REFUSED, LIMITED, *LOST, *BUSY, *PAGE, *SILENT,
)  # fmt: skip
ALL_READS = (
    TRUE, SHOWS_FORMER, SHOWS_ASKED, SHOWS_OTHER, SHOWS_NULL, READ_REFUSED, READ_PAGE, READ_LOST, READ_SILENT,
)  # fmt: skip
MOST_CHANGES = (CONFIRMED, NOT_SENT, REFUSED, *LOST, *PAGE, *SILENT)
"""Without those that are decided as one of these is."""
MOST_READS = (TRUE, SHOWS_FORMER, SHOWS_ASKED, SHOWS_NULL, READ_REFUSED, READ_LOST)
FEW_CHANGES = (CONFIRMED, NOT_SENT, REFUSED, *LOST, *PAGE)
FEW_READS = (TRUE, SHOWS_FORMER, SHOWS_ASKED, READ_REFUSED)
SLOW_CHANGES = (CONFIRMED, NOT_SENT, *SILENT, BUSY_FOR_LONG[0])
SLOW_READS = (TRUE, SHOWS_FORMER, READ_SILENT)


class Token(NamedTuple):
    """What asking for the token can bring."""

    name: str
    value: str = ""
    is_late: bool = False


TOKENS = (
    Token("another token", "token-of-a-later-time"),
    Token("the same token", "token-of-the-first-time"),
    Token("no token"),
    Token("no token in time", is_late=True),
)
FIRST_TOKEN = TOKENS[1].value


@dataclass(frozen=True)
class Setting:
    """One way to make a call, and all that can happen to it.

    Attributes:
        name: What is peculiar to it.
        options: The options of the call.
        changes: What can become of the request for the change.
        reads: What can become of a read.
        tokens: What asking for the token can bring; nothing where the token is a text.
        budget: Tokens of the retry budget that are left.
    """

    name: str
    options: CallOptions
    changes: Sequence[Way]
    reads: Sequence[Way] = ()
    tokens: Sequence[Token] = ()
    budget: int = SIZE


ROOMY: CallOptions = {"timeout": 4.0, "deadline": 60.0}
TIGHT: CallOptions = {"timeout": 4.0, "deadline": 8.0}
SETTINGS = (
    Setting("no retry", {**ROOMY, "retries": 0}, ALL_CHANGES, ALL_READS),
    Setting("one retry", {**ROOMY, "retries": 1}, MOST_CHANGES, MOST_READS),
    Setting("two retries", {**ROOMY, "retries": 2}, FEW_CHANGES, FEW_READS),
    Setting("a tight deadline", {**TIGHT, "retries": 2}, SLOW_CHANGES, SLOW_READS),
    Setting(
        "no repetition of what may be applied",
        {**ROOMY, "retries": 1, "retry_ambiguous": False},
        ALL_CHANGES,
        ALL_READS,
    ),
    Setting(
        "never read back", {**ROOMY, "retries": 1, "read_back": "never"}, ALL_CHANGES
    ),
    Setting(
        "a token callable",
        {**ROOMY, "retries": 1},
        (CONFIRMED, EXPIRED, LOST[0], LOST[2]),
        (TRUE, READ_EXPIRED),
        TOKENS[:2],
    ),
    Setting(
        "a token callable that fails",
        {**ROOMY, "retries": 1},
        (EXPIRED, LOST[0], LOST[2]),
        (SHOWS_FORMER, SHOWS_ASKED),
        (TOKENS[0], TOKENS[2], TOKENS[3]),
    ),
    Setting(
        "a retry budget for one retry",
        {**ROOMY, "retries": 2},
        (*FEW_CHANGES, LIMITED),
        (TRUE, SHOWS_FORMER, READ_LOST),
        budget=5,
    ),
)


# -- the world of one call -------------------------------------------------------------------------------------------


class Choices:
    """Takes the choices of a call: first those of a given beginning, then the first of each."""

    def __init__(self, beginning: Sequence[int]) -> None:
        self._beginning = beginning
        self.taken: list[int] = []
        self.of: list[int] = []

    def choose(self, options: Sequence[OptionT]) -> OptionT:
        """Take one."""
        place = len(self.taken)
        index = self._beginning[place] if place < len(self._beginning) else 0
        self.taken.append(index)
        self.of.append(len(options))
        return options[index]

    def next(self) -> list[int] | None:
        """Return the beginning of the next leaf; None after the last."""
        for place in reversed(range(len(self.taken))):
            if self.taken[place] + 1 < self.of[place]:
                return [*self.taken[:place], self.taken[place] + 1]
        return None


@dataclass
class Sent:
    """One request that was sent.

    Attributes:
        is_read: Whether it reads.
        way: What became of it.
        began: When, in seconds of the scripted clock.
        ended: When its answer, or its end, came.
        was_stored: Whether the change was stored when it began.
        shown: For a read: the start that it showed, None if it showed none.
    """

    is_read: bool
    way: Way
    began: float
    ended: float
    was_stored: bool
    shown: str | None = None


class World:
    """The service, the network and the clock during one call.

    Attributes:
        sent: The requests, in their order.
        tokens: What asking for the token brought.
        is_stored: Whether the session is as asked.
        now: Seconds of the clock.
    """

    def __init__(self, setting: Setting, choices: Choices) -> None:
        self._setting = setting
        self._choices = choices
        self._is_under_way = False
        self.sent: list[Sent] = []
        self.tokens: list[Token] = []
        self.is_stored = False
        self.now = BEGAN

    def send(self, request: httpx.Request) -> httpx.Response:
        """Take a request.

        Raises:
            TransportError: There is no answer.
        """
        is_read = request.method == "GET"
        ways = self._setting.reads if is_read else self._setting.changes
        way = self._choices.choose(ways)
        shown = way.shows
        if shown == "truth":
            shown = ASKED if self.is_stored else FORMER
        sent = Sent(is_read, way, self.now, self.now, self.is_stored, shown)
        self.sent.append(sent)
        self._pass(request, way)
        sent.ended = self.now
        self._store(way)
        if way.raised is not None:
            raise way.raised(way.name)
        return _answer(way, shown)

    def _pass(self, request: httpx.Request, way: Way) -> None:
        """Let the time pass that a request takes; the transport ends every wait at the deadline."""
        left = request.extensions["deadline"] - self.now
        takes = request.extensions["timeout"]["read"] if way.waits else INSTANT
        self.now += max(0.0, min(takes, left))

    def _store(self, way: Way) -> None:
        self.end()
        self.is_stored |= way.stored == "now"
        self._is_under_way = way.stored == "late"

    def end(self) -> None:
        """Store what was under way."""
        self.is_stored |= self._is_under_way
        self._is_under_way = False

    def ask(self, seconds: float) -> str:
        """Give the token.

        Raises:
            StillRunning: It does not come in time.
            OSError: There is none.
        """
        first = not self.tokens
        token = TOKENS[1] if first else self._choices.choose(self._setting.tokens)
        self.tokens.append(token)
        if token.is_late:
            self.now += seconds
            raise StillRunning("the call did not return in time")
        if not token.value:
            raise OSError("no token")
        return token.value

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def _answer(way: Way, shown: str | None) -> httpx.Response:
    assert way.status is not None
    if way.page:
        headers = {"content-type": "text/html"}
        return httpx.Response(way.status, headers=headers, content=b"<html></html>")
    body = way.body if shown is None else b'{"appointmentDate": "%s"}' % shown.encode()
    headers = {"content-type": "application/json"}
    if way.retry_after:
        headers["retry-after"] = f"{way.retry_after:g}"
    return httpx.Response(way.status, headers=headers, content=body)


# -- the client in it ------------------------------------------------------------------------------------------------


class Clock:
    """Stands between the client and the world of the call that is under way."""

    def __init__(self) -> None:
        self.world: World | None = None

    @property
    def here(self) -> World:
        """The world."""
        assert self.world is not None
        return self.world

    def sleep(self, seconds: float) -> None:
        """Let time pass in it."""
        self.here.sleep(seconds)


class Channel:
    """In the place of the channel of either client."""

    keeps_deadline = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send for the synchronous client."""
        return self._clock.here.send(request)


class AsyncChannel(Channel):
    """In the place of the channel of the asynchronous client."""

    async def send(self, request: httpx.Request) -> httpx.Response:  # type: ignore[override]
        """Send; never waits."""
        return self._clock.here.send(request)


class Shared:
    """In the place of what holds the channels."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def channel(self) -> Channel:
        """Return the one there is."""
        return self._channel


@dataclass
class Clients:
    """A sender of each kind, over the scripted channel."""

    clock: Clock
    sync: SyncSender
    asynchronous: AsyncSender
    prepared: Prepared
    _views: dict[tuple[str, bool], SyncSender | AsyncSender] = field(
        default_factory=dict[tuple[str, bool], SyncSender | AsyncSender]
    )

    def call(self, setting: Setting, *, asynchronous: bool) -> Result[Any]:
        """Make a call.

        Raises:
            SmarterProctoringError: It failed.
        """
        budget = RetryBudget()
        budget.take(SIZE - setting.budget)
        prepared = copy(self.prepared)
        prepared.began = self.clock.here.now
        view = self._view(setting, asynchronous=asynchronous)
        view.budget = budget
        if isinstance(view, AsyncSender):
            return _finished(view.perform(prepared)).result(_no_model)
        return view.perform(prepared).result(_no_model)

    def _view(
        self, setting: Setting, *, asynchronous: bool
    ) -> SyncSender | AsyncSender:
        key = (setting.name, asynchronous)
        if key not in self._views:
            base = self.asynchronous if asynchronous else self.sync
            view = base.view(Hidden(setting.options))
            text = Secret(FIRST_TOKEN)
            view.source = (lambda: FIRST_TOKEN) if setting.tokens else text
            self._views[key] = view
        return self._views[key]


def _no_model(_: object) -> None:
    """Give what an operation without a model of its answer has as `parsed`."""


def _finished(coroutine: Coroutine[Any, Any, ValueT]) -> ValueT:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("ValueT", stop.value)
    raise RuntimeError("the scripted world never waits, and the client did")


@contextmanager
def scripted() -> Generator[Clients]:
    """Give the client a clock, a channel and a token callable that belong to the script."""
    clock = Clock()
    transport = httpx.MockTransport(lambda _: httpx.Response(500))
    source = Secret(FIRST_TOKEN)
    sync = SyncSender(
        source, "https://api.invalid", Options(), {"transport": transport}
    )
    asynchronous = AsyncSender(
        source, "https://api.invalid", Options(), {"transport": transport}
    )
    sync.shared = cast("SyncShared", Shared(Channel(clock)))
    asynchronous.shared = cast("AsyncShared", Shared(AsyncChannel(clock)))
    given = Hidden[Any]({"appointment_start_date_time": ASKED})
    prepared = from_keywords(RESCHEDULE_EXAM_SESSION, SIDS, given, allow_empty=False)

    async def sleep(seconds: float) -> None:
        clock.here.sleep(seconds)

    async def token_from(_: Callable[[], object], seconds: float) -> object:
        return clock.here.ask(seconds)

    with (
        _replaced(time, "monotonic", lambda: clock.here.now),
        _replaced(random, "random", lambda: 0.5),
        _replaced(sync_sender, "sleep", clock.sleep),
        _replaced(
            sync_sender, "token_from", lambda _, seconds: clock.here.ask(seconds)
        ),
        _replaced(async_sender, "sleep", sleep),
        _replaced(async_sender, "token_from", token_from),
    ):
        yield Clients(clock, sync, asynchronous, prepared)


@contextmanager
def _replaced(module: object, name: str, value: object) -> Generator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


# -- what has to hold ------------------------------------------------------------------------------------------------


@dataclass
class Ended:
    """A call that has ended.

    Attributes:
        setting: How it was made.
        sent: Its requests.
        tokens: What asking for the token brought.
        is_stored: Whether the change was stored at last, the one that was under way included.
        ended: When it ended, in seconds of the clock.
        result: What it returned; None if it raised.
        error: What it raised; None if it returned.
    """

    setting: Setting
    sent: list[Sent]
    tokens: list[Token]
    is_stored: bool
    ended: float
    result: Result[Any] | None = None
    error: SmarterProctoringError | None = None
    changes: list[Sent] = field(init=False)
    reads: list[Sent] = field(init=False)

    def __post_init__(self) -> None:
        self.changes = [sent for sent in self.sent if not sent.is_read]
        self.reads = [sent for sent in self.sent if sent.is_read]

    @property
    def check(self) -> Check | None:
        """What the caller is told of a read."""
        return self.result.check if self.result is not None else self.known.check

    @property
    def known(self) -> SmarterProctoringError:
        """The error."""
        assert self.error is not None
        return self.error

    def last_reads(self) -> list[Sent]:
        """Return the reads after the last change."""
        places = [place for place, sent in enumerate(self.sent) if not sent.is_read]
        return self.sent[places[-1] + 1 :] if places else self.sent

    def was_open(self, before: int) -> bool:
        """Tell whether one of the requests before a place may have been stored, for all that the caller saw."""
        return any(sent.way.is_open for sent in self.sent[:before])

    def kept(self) -> float:
        """Return the seconds that are kept for reading back, by the documents."""
        if self.setting.options.get("read_back") == "never":
            return 0.0
        return min(5.0, self.deadline() / 4)

    def deadline(self) -> float:
        """Return the seconds for the whole call."""
        return self.setting.options.get("deadline", 60.0)

    def end(self) -> str:
        """Name the end, for the table."""
        if self.result is not None:
            if self.result.confirmed_by == "answer":
                return "returned: answer"
            is_so = self.reads[-1].was_stored
            return "returned: read back" if is_so else "deceived"
        if not self.known.maybe_applied:
            return "not applied"
        verdict = self.check.verdict if self.check else "unknown"
        return f"may be applied, {verdict}"


Rule = Callable[[Ended], bool]


def returned_with_evidence(call: Ended) -> bool:
    """A call returns only after an answer that confirms the change, or a read that showed it."""
    if call.result is None:
        return True
    last = call.sent[-1]
    if call.result.confirmed_by == "answer":
        return last.way is CONFIRMED and call.is_stored and call.check is None
    return last.is_read and last.shown == ASKED


def deceived_only_by_a_lie(call: Ended) -> bool:
    """Where no read lies, a call that returns has changed the session."""
    lies = any(sent.way is SHOWS_ASKED for sent in call.reads)
    return call.result is None or call.is_stored or lies


def not_applied_only_if_so(call: Ended) -> bool:
    """`maybe_applied` is False only if no attempt can have been stored, and True only if one can."""
    if call.error is None:
        return True
    return call.error.maybe_applied is call.was_open(len(call.sent))


def said_is_true(call: Ended) -> bool:
    """An error says "not applied" only if the change is not stored and never will be."""
    return call.error is None or call.error.maybe_applied or not call.is_stored


def shows_only_what_was_seen(call: Ended) -> bool:
    """A verdict is that of the last read after the last attempt, and shows the start that this read showed."""
    reads = call.last_reads()
    check = call.check
    if check is None:
        return not reads
    shown = reads[-1].shown if reads else None
    if shown is None:
        return check.verdict == "unknown" and check.reason != ""
    if shown == ASKED:
        return check.verdict == "as_asked" and call.result is not None
    seen = [one.seen for one in check.differences]
    return check.verdict == "different" and seen == [shown] and call.error is not None


def tells_what_was_looked_at(call: Ended) -> bool:
    """An unsure call says what was read back, or why nothing was; a sure one says nothing of it."""
    if call.error is None:
        return True
    wants = call.kept() > 0 and call.error.maybe_applied
    return wants is (call.check is not None)


def ends_at_as_asked(call: Ended) -> bool:
    """Nothing is sent after a read that showed what was asked for."""
    return all(sent.shown != ASKED for sent in call.sent[:-1])


def reads_only_when_unsure(call: Ended) -> bool:
    """A read follows an attempt only if an attempt may have been stored; it is repeated at most once."""
    in_a_row = 0
    for place, sent in enumerate(call.sent):
        in_a_row = in_a_row + 1 if sent.is_read else 0
        if sent.is_read and not call.was_open(place):
            return False
        if in_a_row > 2 or (in_a_row == 2 and call.sent[place - 1].way.status == 200):
            return False
    return not call.reads or call.kept() > 0


def looks_before_repeating(call: Ended) -> bool:
    """While it is open whether the change is stored, it is not sent again before a read was tried."""
    if (
        not call.kept() or call.tokens
    ):  # a token that does not come ends a read before it is sent
        return True
    return all(
        call.sent[place - 1].is_read
        for place, sent in enumerate(call.sent)
        if not sent.is_read and call.was_open(place)
    )


def sends_at_most(call: Ended) -> bool:
    """The change is sent once, and once more for each retry and for a new token."""
    refused = sum(sent.way is EXPIRED for sent in call.changes)
    renewals = min(1, refused) if call.setting.tokens else 0
    most = 1 + call.setting.options.get("retries", 2) + renewals
    told = call.result.attempts if call.result is not None else call.known.attempts
    return len(call.changes) == told <= most


def replays_are_counted(call: Ended) -> bool:
    """`replays` counts the attempts before which the change may have been stored."""
    counted = sum(
        call.was_open(place) for place, sent in enumerate(call.sent) if not sent.is_read
    )
    told = call.result.replays if call.result is not None else call.known.replays
    return counted == told


def keeps_the_deadline(call: Ended) -> bool:
    """A call ends at its deadline; attempts leave the time that is kept for reading back."""
    end = BEGAN + call.deadline() + 1e-6
    attempts_end = end - call.kept()
    return call.ended <= end and all(
        sent.ended <= (end if sent.is_read else attempts_end) for sent in call.sent
    )


def nothing_in_vain(call: Ended) -> bool:
    """Where reads show the truth, a stored change is not sent again, and the call returns or says that it is not so."""
    truthful = all(sent.way is TRUE for sent in call.reads)
    late = any(sent.way.stored == "late" for sent in call.changes)
    came = all(token.value for token in call.tokens)
    if not truthful or late or not came or not call.kept():
        return True
    if any(sent.was_stored for sent in call.changes):
        return False
    if call.error is None:
        return True
    is_known = call.check is not None and call.check.verdict == "different"
    return not call.is_stored and (is_known or not call.error.maybe_applied)


def error_of_the_last_attempt(call: Ended) -> bool:
    """Whatever a read does, the error is that of the last attempt, of a token that did not come, or of the deadline."""
    if call.error is None:
        return True
    if isinstance(call.error, DeadlineExceededError):
        return call.ended >= BEGAN + call.deadline() - call.kept() - 0.02
    if isinstance(call.error, ConfigurationError):
        return any(not token.value for token in call.tokens)
    return type(call.error) is call.changes[-1].way.error


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        returned_with_evidence,
        deceived_only_by_a_lie,
        not_applied_only_if_so,
        said_is_true,
        shows_only_what_was_seen,
        tells_what_was_looked_at,
        ends_at_as_asked,
        reads_only_when_unsure,
        looks_before_repeating,
        sends_at_most,
        replays_are_counted,
        keeps_the_deadline,
        nothing_in_vain,
        error_of_the_last_attempt,
    )
}
"""What has to hold for each call, by its name; the first line of each says it in words."""


def broken(call: Ended) -> list[str]:
    """Return the names of the rules that a call breaks."""
    return [name for name, rule in RULES.items() if not rule(call)]


# -- all of them -----------------------------------------------------------------------------------------------------


def make(
    clients: Clients, setting: Setting, choices: Choices, *, asynchronous: bool
) -> Ended:
    """Make the call that some choices lead to."""
    world = World(setting, choices)
    clients.clock.world = world
    result: Result[Any] | None = None
    error: SmarterProctoringError | None = None
    try:
        result = clients.call(setting, asynchronous=asynchronous)
    except SmarterProctoringError as raised:
        error = raised
    world.end()
    return Ended(
        setting, world.sent, world.tokens, world.is_stored, world.now, result, error
    )


def calls(
    clients: Clients, setting: Setting, *, asynchronous: bool
) -> Iterator[tuple[Choices, Ended]]:
    """Make every call that can be made with a setting."""
    beginning: list[int] | None = []
    while beginning is not None:
        choices = Choices(beginning)
        yield choices, make(clients, setting, choices, asynchronous=asynchronous)
        beginning = choices.next()


def story(call: Ended) -> str:
    """Tell what happened in a call, and what it said."""
    steps = [
        f"{sent.began - BEGAN:.2f} s {'GET' if sent.is_read else 'PUT'} {sent.way.name}"
        for sent in call.sent
    ]
    steps += [token.name for token in call.tokens[1:]]
    said = (
        call.result or f"{type(call.error).__name__}: {call.error}; {call.known.check}"
    )
    return (
        f"{call.setting.name}: {' | '.join(steps)} -> {said}; stored: {call.is_stored}"
    )


def what_was_said(call: Ended) -> tuple[object, ...]:
    """Return what a caller is told, but for the time of day."""
    check = call.check
    checked = check and check._replace(seen_at=None)
    if call.result is not None:
        return (
            call.result.confirmed_by,
            call.result.attempts,
            call.result.replays,
            checked,
        )
    error = call.known
    return (type(error), error.maybe_applied, error.attempts, error.replays, checked)


@dataclass
class Tally:
    """What was found with one setting.

    Attributes:
        name: The setting's.
        calls: How many calls there are.
        states: How many different points a call can come to: the choices, and the ends.
        ends: How the calls ended.
        problems: The rules that were broken, each with a call that breaks it.
    """

    name: str
    calls: int = 0
    states: int = 1
    ends: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])


MOST_PROBLEMS = 20


def explore(clients: Clients, setting: Setting) -> Tally:
    """Make every call with a setting, with both clients, and hold each to the rules."""
    tally = Tally(setting.name)
    before: list[int] = []
    twins = calls(clients, setting, asynchronous=True)
    for choices, call in calls(clients, setting, asynchronous=False):
        tally.calls += 1
        tally.states += len(choices.taken) - _common(before, choices.taken)
        before = choices.taken
        tally.ends[call.end()] += 1
        rules = broken(call)
        _, twin = next(twins)
        if what_was_said(call) != what_was_said(twin) or call.ended != twin.ended:
            rules.append(f"both clients say the same (asynchronous: {story(twin)})")
        tally.problems += [f"{rule}: {story(call)}" for rule in rules]
        if len(tally.problems) > MOST_PROBLEMS:
            break
    return tally


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many choices two calls have in common."""
    for place, (first, second) in enumerate(zip(one, other, strict=False)):
        if first != second:
            return place
    return min(len(one), len(other))


ENDS = (
    "returned: answer", "returned: read back", "deceived", "not applied",
    "may be applied, different", "may be applied, unknown",
)  # fmt: skip


def table(tallies: Sequence[Tally]) -> str:
    """Write the counts as Markdown."""
    whole = Tally("**all**", states=0)
    for tally in tallies:
        whole.calls += tally.calls
        whole.states += tally.states
        whole.ends += tally.ends
    lines = [
        f"| setting | states | calls | {' | '.join(ENDS)} |",
        f"|---|---|---|{'---|' * len(ENDS)}",
    ]
    for tally in (*tallies, whole):
        cells = [
            f"{count:,}"
            for count in (tally.states, tally.calls, *[tally.ends[end] for end in ENDS])
        ]
        lines.append(f"| {tally.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the table into docs/explanation/proof.md",
    )
    options = parser.parse_args(arguments)
    with scripted() as clients:
        tallies = [explore(clients, setting) for setting in SETTINGS]
    text = table(tallies)
    print(text)
    problems = [problem for tally in tallies for problem in tally.problems]
    for problem in problems:
        print(problem, file=sys.stderr)
    number = sum(tally.calls for tally in tallies)
    print(f"{number:,} calls with each client, {len(problems)} rules broken")
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    shown, _, after = rest.partition(END)
    if options.write:
        DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    elif shown.strip() != text.strip():
        print(
            f"the table in {DOCUMENT.name} is another one; run: make prove-decisions ARGS=--write",
            file=sys.stderr,
        )
        return 1
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
