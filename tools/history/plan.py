"""Random plans of histories: the same seed and number give the same plan.

A plan says what is done; how far a command is by then depends on the machine.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from history.facts import RowKind

ActKind: TypeAlias = Literal[
    "run", "work", "resume", "settle", "reopen", "undo", "look", "verify"
]
DisruptionKind: TypeAlias = Literal[
    "kill", "interrupt", "hurry", "stop", "jump", "restart", "cancel", "faults", "clear"
]
"""`hurry` is Ctrl-C twice; `restart` stops and starts Postgres; `faults` and `clear` are the service's."""
FaultKind: TypeAlias = Literal[
    "lost",
    "gateway",
    "error",
    "storm",
    "token",
    "slow",
    "page",
    "refused",
    "reads",
    "bad",
]


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A row of a list.

    Attributes:
        number: Which session; negative for one whose SID is wrong.
        version: Which change: two rows with the same version ask for the same.
        kind: What the list makes of it.
    """

    number: int
    version: int
    kind: RowKind = "send"


@dataclass(frozen=True, slots=True)
class PlannedList:
    """A list, and the options of its job."""

    name: str
    rows: Sequence[PlannedRow]
    rate: float | None
    lanes: int
    replay: bool = True
    record_before: bool = False


@dataclass(frozen=True, slots=True)
class Disruption:
    """Something that happens while commands run.

    Attributes:
        kind: What.
        after: How many requests the service gets before, since the act began.
        target: Which of the act's processes, counted around.
        seconds: How long a stop lasts, or how far the clock jumps.
    """

    kind: DisruptionKind
    after: int
    target: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Act:
    """A command on a list or its job, on one host or more.

    Attributes:
        kind: The command; `work` is `submit` and workers.
        of: Which list, by its place in the plan.
        hosts: How many processes.
        options: More options.
        disruptions: What happens meanwhile, in this order.
    """

    kind: ActKind
    of: int
    hosts: int = 1
    options: Sequence[str] = ()
    disruptions: Sequence[Disruption] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A history that is to be.

    Attributes:
        name: What repeats it.
        theme: What it is about.
        shared: Whether the journal is in Postgres.
        lists: The lists.
        acts: What is done, in this order.
        faults: What is wrong with the service.
        seed: For the draws of the service's faults.
    """

    name: str
    theme: str
    shared: bool
    lists: Sequence[PlannedList]
    acts: Sequence[Act]
    faults: Sequence[FaultKind]
    seed: int


@dataclass(frozen=True, slots=True)
class Theme:
    """What happens how often.

    Attributes:
        shared: How probable a journal in Postgres is, where there is one.
        acts: Kinds of acts; a kind that is there twice is twice as probable.
        disruptions: Kinds of disruptions, in the same way.
        faults: Kinds of faults of the service, in the same way.
        most_faults: How many kinds at most are in one history.
        corrections: How probable it is that an act is about a new list.
        always_rate: Whether every list has a rate.
        always_supersedes: Whether every new list takes sessions over.
        never_replays: Whether no attempt that may have been applied is repeated.
    """

    shared: float
    acts: Sequence[ActKind]
    disruptions: Sequence[DisruptionKind]
    faults: Sequence[FaultKind] = ()
    most_faults: int = 0
    corrections: float = 0.3
    always_rate: bool = False
    always_supersedes: bool = False
    never_replays: bool = False


FAULT_KINDS: Final[Sequence[FaultKind]] = get_args(FaultKind)
THEMES: Final[Mapping[str, Theme]] = {
    "crash": Theme(
        0.3, ("run", "run", "resume", "settle"), ("kill", "kill", "hurry", "jump"),
        ("lost", "refused", "slow"), 2, corrections=0.5,
    ),
    "corrections": Theme(
        0.3, ("run", "run", "run", "resume"), ("kill", "interrupt", "cancel"),
        ("refused", "slow"), 1, corrections=0.7,
    ),
    "takeover": Theme(
        0.3, ("run",), ("kill", "interrupt", "cancel"), ("slow",), 1,
        corrections=1.0, always_rate=True, always_supersedes=True,
    ),
    "settle": Theme(
        0.2, ("settle", "settle", "reopen", "resume"), ("faults", "faults", "kill"),
        ("lost", "reads", "refused"), 2, never_replays=True,
    ),
    "hosts": Theme(
        1.0, ("run", "work", "work", "resume"), ("kill", "stop", "stop", "restart", "jump"),
        ("slow", "lost"), 1,
    ),
    "service": Theme(
        0.2, ("run", "run", "resume", "settle", "reopen"), ("faults", "clear", "interrupt"),
        FAULT_KINDS, 4, corrections=0.2,
    ),
    "bad": Theme(
        0.2, ("run", "resume", "settle"), ("faults", "faults", "kill"), ("bad",), 1,
    ),
    "rate": Theme(
        0.5, ("run", "work", "look", "verify"), ("interrupt", "kill", "jump"),
        ("storm", "slow"), 1, always_rate=True,
    ),
    "undo": Theme(
        0.2, ("run", "undo", "undo", "settle"), ("kill", "interrupt"),
        ("lost", "reads", "slow"), 1, corrections=0.4,
    ),
    "everything": Theme(
        0.4, ("run", "run", "work", "resume", "settle", "reopen", "undo", "look", "verify"),
        ("kill", "interrupt", "hurry", "stop", "jump", "restart", "cancel", "faults", "clear"),
        FAULT_KINDS, 3,
    ),
}  # fmt: skip


def plan_of(
    seed: str,
    number: int,
    *,
    postgres: bool,
    theme: str = "",
    faults: Sequence[FaultKind] = (),
) -> Plan:
    """Return a history of a seed.

    Args:
        seed: The seed.
        number: Which of its histories.
        postgres: Whether there is Postgres.
        theme: One of `THEMES`; empty for a random one.
        faults: What is wrong with the service; empty for random kinds.
    """
    draw = random.Random(f"{seed} {number}")  # noqa: S311 - repeatable on purpose
    chosen = draw.choice(list(THEMES))
    planner = _Planner(draw, THEMES[theme or chosen], postgres=postgres)
    plan = planner.plan(f"{seed}.{number}", theme or chosen)
    return replace(plan, faults=tuple(faults)) if faults else plan


class _Planner:
    """Draws one plan."""

    def __init__(self, draw: random.Random, theme: Theme, *, postgres: bool) -> None:
        self._draw = draw
        self._theme = theme
        self._shared = draw.random() < theme.shared and postgres
        self._lists: list[PlannedList] = []
        self._versions = 0

    def plan(self, name: str, theme: str) -> Plan:
        draw = self._draw
        self._lists.append(self._first_list())
        acts = [self._act(first=True)]
        acts += [self._act(first=False) for _ in range(draw.randint(2, 4))]
        count = min(draw.randint(0, self._theme.most_faults), len(self._theme.faults))
        faults = draw.sample(list(self._theme.faults), count)
        return Plan(
            name=name,
            theme=theme,
            shared=self._shared,
            lists=tuple(self._lists),
            acts=tuple(acts),
            faults=tuple(faults),
            seed=draw.randrange(10**6),
        )

    # -- lists --

    def _first_list(self) -> PlannedList:
        draw = self._draw
        self._versions += 1
        count = draw.choice((30, 60, 100, 160))
        rows = [PlannedRow(number, self._versions) for number in range(count)]
        rows = self._with_wrong_rows(rows)
        rate = draw.choice((40.0, 80.0, 200.0, None))
        if self._theme.always_rate:
            rate = draw.choice((20.0, 40.0, 80.0))
        return PlannedList(
            name="list-0.csv",
            rows=tuple(rows),
            rate=rate,
            lanes=draw.choice((1, 2, 4)),
            replay=draw.random() < 0.8 and not self._theme.never_replays,
            record_before="undo" in self._theme.acts and draw.random() < 0.8,
        )

    def _with_wrong_rows(self, rows: list[PlannedRow]) -> list[PlannedRow]:
        draw = self._draw
        if draw.random() < 0.6:
            return rows
        number = draw.randrange(len(rows))
        contradiction = replace(rows[number], version=rows[number].version + 500)
        wrong = PlannedRow(-1, rows[number].version, "invalid")
        again = draw.choice([row for row in rows if row.number != number])
        rows[number] = replace(rows[number], kind="conflict")
        extra = [
            replace(contradiction, kind="conflict"),
            wrong,
            replace(again, kind="duplicate"),
        ]
        return rows + extra

    def _next_list(self) -> PlannedList:
        """Return a list that corrects an earlier one, or names some of its sessions."""
        draw = self._draw
        known = draw.choice(self._lists)
        self._versions += 1
        share = draw.choice((0.1, 0.5, 1.0))
        rows = [
            replace(row, version=self._versions) if draw.random() < share else row
            for row in known.rows
            if row.kind == "send"
        ]
        if draw.random() < 0.5:
            rows = draw.sample(rows, max(5, len(rows) // 2))
            most = max(row.number for row in rows)
            new = range(most + 1, most + 1 + len(rows) // 2)
            rows += [PlannedRow(number, self._versions) for number in new]
        name = f"list-{len(self._lists)}.csv"
        return replace(known, name=name, rows=tuple(rows))

    # -- acts --

    def _act(self, *, first: bool) -> Act:
        draw = self._draw
        kind: ActKind = "run" if first else draw.choice(self._theme.acts)
        if first and "work" in self._theme.acts and draw.random() < 0.5:
            kind = "work"
        of = len(self._lists) - 1
        options: list[str] = []
        if kind in ("run", "work") and not first:
            of = self._of(options)
        elif not first:
            of = draw.randrange(len(self._lists))
        hosts = 1
        if self._shared and kind in ("run", "work", "resume"):
            hosts = draw.choice((1, 2, 2, 3))
        rows = len(self._lists[of].rows)
        disruptions = self._disruptions(kind, rows, always=first)
        return Act(kind, of, hosts, tuple(options), disruptions)

    def _of(self, options: list[str]) -> int:
        """Choose a list to run, with options that make a difference."""
        draw = self._draw
        if draw.random() < self._theme.corrections:
            self._lists.append(self._next_list())
            if draw.random() < 0.6 or self._theme.always_supersedes:
                options.append("--supersede")
            return len(self._lists) - 1
        if draw.random() < 0.2:
            options += [
                "--again",
                draw.choice(("gave-up", "gave-up", "done", "changed")),
            ]
        return draw.randrange(len(self._lists))

    def _disruptions(
        self, kind: ActKind, rows: int, *, always: bool
    ) -> Sequence[Disruption]:
        draw = self._draw
        allowed: list[DisruptionKind] = [
            each
            for each in self._theme.disruptions
            if (each != "restart" or self._shared)
            and (each != "cancel" or kind in ("run", "work", "resume"))
        ]
        if not allowed or (draw.random() < 0.25 and not always):
            return ()
        moments = sorted(draw.randint(0, rows) for _ in range(draw.choice((1, 1, 2))))
        return tuple(
            Disruption(
                kind=draw.choice(allowed),
                after=moment,
                target=draw.randrange(3),
                seconds=draw.choice((1.0, 7.0, 12.0)),
            )
            for moment in moments
        )
