"""Check random histories of bulk: what the service got, against all that bulk said of it.

tools/check_history.py --seed 1                   one seed for two minutes
tools/check_history.py --seeds 20 --seconds 120   twenty seeds, from --seed on
tools/check_history.py --history 1.7              one history again
tools/check_history.py --theme crash              only histories about this

A history is several commands of `smarterproctoring bulk`, in processes of their own, on lists that correct and
overlap each other, with one journal, against the project's mock server. Meanwhile processes are killed, stopped and
interrupted, clocks jump, Postgres is restarted, and the service fails. At the end every job is finished, and the
mock server's audit is compared with every report and exit code: tools/history/judge.py has a function for each rule.

The same seed gives the same plans; when something happens within a command depends on the machine. The exit code is 1
if a rule is broken.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from history.executor import Executor
from history.facts import History, Violation
from history.judge import judge
from history.plan import FAULT_KINDS, THEMES, FaultKind, Plan, plan_of
from history.shown import shown_plan, shown_violation
from postgres import PostgresServer, postgres_tools, running_postgres
from smarterproctoring_mock import MockApp, RunningServer, running_server

SHOWN = 3
"""Violations of one history that are shown with their evidence."""


@dataclass
class Summary:
    """What was done and judged."""

    histories: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])

    def add(self, plan: Plan, history: History) -> None:
        """Count one more history."""
        self.histories += 1
        counts = self.counts
        counts["on Postgres"] += plan.shared
        counts["commands"] += len(history.commands)
        counts["kills"] += sum(command.code == -9 for command in history.commands)
        counts["stops"] += sum(job.stops for job in history.jobs)
        counts["jobs"] += len(history.jobs)
        counts["rows"] += sum(len(job.rows) for job in history.jobs)
        counts["requests"] += len(history.requests)
        for job in history.jobs:
            for report in job.reports:
                counts["statements"] += len(report.statements)

    def __str__(self) -> str:
        """Return a line for people."""
        counted = [f"{self.counts[name]:,} {name}" for name in self.counts]
        return f"{self.histories} histories: {', '.join(counted)}"


@dataclass
class Check:
    """Runs histories one after the other.

    Attributes:
        service: The mock server.
        server: Postgres; None where it is not installed.
        theme: What the histories are about; empty for anything.
        faults: What is wrong with the service; empty for anything.
        summary: What was done.
    """

    service: RunningServer
    server: PostgresServer | None
    theme: str = ""
    faults: Sequence[FaultKind] = ()
    summary: Summary = field(default_factory=Summary)

    def seed(self, seed: str, seconds: float) -> bool:
        """Run histories of a seed for so long; tell whether all were right."""
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            if not self.history(seed, number):
                return False
            number += 1
        return True

    def history(self, seed: str, number: int) -> bool:
        """Run one history; tell whether it was right."""
        plan = plan_of(
            seed,
            number,
            postgres=self.server is not None,
            theme=self.theme,
            faults=self.faults,
        )
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="history-") as folder:
            executor = Executor(
                plan, self.service.app, self.service.url, Path(folder), self.server
            )
            history = executor.run()
        self.summary.add(plan, history)
        violations = judge(history)
        seconds = time.monotonic() - began
        print(
            f"{shown_plan(plan)}: {len(violations)} violations, {seconds:.0f} s",
            flush=True,
        )
        self._show(plan, history, violations)
        return not violations

    def _show(
        self, plan: Plan, history: History, violations: Sequence[Violation]
    ) -> None:
        for violation in violations[:SHOWN]:
            print(shown_violation(history, violation))
        if not violations:
            return
        if len(violations) > SHOWN:
            print(f"… and {len(violations) - SHOWN} more")
        again = [f"--history {plan.name}"]
        if self.theme:
            again.append(f"--theme {self.theme}")
        again += [f"--fault {kind}" for kind in self.faults]
        print(f'again: make check-history ARGS="{" ".join(again)}"')


@contextmanager
def _postgres(*, wanted: bool) -> Generator[PostgresServer | None]:
    tools = postgres_tools() if wanted else None
    if tools is None:
        print("without Postgres: journals in files only", flush=True)
        yield None
        return
    with running_postgres(tools) as server:
        yield server


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--seed", default="1", help="a number or a word (%(default)s)")
    made.add_argument(
        "--seeds",
        type=int,
        default=1,
        help="how many seeds, from --seed on (%(default)s)",
    )
    made.add_argument(
        "--seconds", type=float, default=120, help="for each seed (%(default)s)"
    )
    made.add_argument("--history", metavar="SEED.NUMBER", help="only this one")
    made.add_argument("--theme", choices=list(THEMES), default="", help="only these")
    made.add_argument(
        "--fault",
        choices=FAULT_KINDS,
        action="append",
        default=[],
        help="let this be wrong with the service; can be repeated",
    )
    made.add_argument("--no-postgres", action="store_true", help="journals in files")
    return made


def main() -> int:
    """Run the command line; return the exit code."""
    reader = parser()
    options = reader.parse_args()
    # Postgres and the processes of a history have to be ended in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.seeds > 1 and not options.seed.isdigit():
        reader.error("--seeds: more than one seed needs a number as --seed")
    with (
        running_server(MockApp()) as service,
        _postgres(wanted=not options.no_postgres) as server,
    ):
        check = Check(service, server, options.theme, options.fault)
        if options.history:
            seed, _, number = options.history.rpartition(".")
            good = check.history(seed, int(number))
        else:
            good = all(
                check.seed(seed, options.seconds)
                for seed in _seeds(options.seed, options.seeds)
            )
    print(check.summary)
    return 0 if good else 1


def _seeds(first: str, count: int) -> list[str]:
    if count == 1:
        return [first]
    return [str(int(first) + number) for number in range(count)]


if __name__ == "__main__":
    sys.exit(main())
