"""The proof over all states of a call: each keeps the rules, each rule can be broken, the document has the counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prove_decisions
import pytest
from prove_decisions import BEGIN, END, RULES, SETTINGS, Choices, Clients, Setting, broken, calls, explore
from smarterproctoring import call, comparison, policy
from smarterproctoring._sync import sender
from smarterproctoring.answers import Reply
from smarterproctoring.call import Call
from smarterproctoring_generated.results import Check

pytestmark = pytest.mark.tooling
SMALL = [setting for setting in SETTINGS if setting.name not in ("one retry", "two retries", "a token callable")]


def setting(name: str) -> Setting:
    [found] = [one for one in SETTINGS if one.name == name]
    return found


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with prove_decisions.scripted() as clients:
        yield clients


@pytest.mark.parametrize("setting", SMALL, ids=lambda setting: setting.name)
def test_every_call_keeps_the_rules(clients: Clients, setting: Setting) -> None:
    assert explore(clients, setting).problems == []


def test_a_table_of_another_time_fails_the_gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make prove-decisions` makes the calls of all settings, and compares the document."""
    monkeypatch.setattr(prove_decisions, "SETTINGS", SMALL[:1])
    monkeypatch.setattr(prove_decisions, "DOCUMENT", tmp_path / "proof.md")
    prove_decisions.DOCUMENT.write_text(f"# Proof\n{BEGIN}\n{END}\n", encoding="utf-8")
    assert prove_decisions.main([]) == 1
    assert prove_decisions.main(["--write"]) == 0
    assert prove_decisions.main([]) == 0


# -- each rule can be broken -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slip:
    """What is changed in the client, so that a rule is broken.

    Attributes:
        owner: The class or module.
        name: What is replaced in it.
        value: By what.
        setting: With which setting the rule is then broken.
    """

    owner: Any
    name: str
    value: object
    setting: str = "no retry"


def as_asked(*_: object) -> Check:
    return Check("as_asked")


def unknown(*_: object) -> Check:
    return Check("unknown", reason="no reason")


def pass_on(error: Exception) -> str:
    raise error


SLIPS = {
    "returned_with_evidence": Slip(Reply, "doubt", lambda _, **__: None),
    "deceived_only_by_a_lie": Slip(call, "check_of", as_asked),
    "not_applied_only_if_so": Slip(policy.AttemptOutcome, "maybe_applied", True),
    "said_is_true": Slip(policy.AttemptOutcome, "maybe_applied", False),
    "shows_only_what_was_seen": Slip(call, "check_of", unknown),
    "tells_what_was_looked_at": Slip(Call, "with_check", lambda _, error: error),
    "ends_at_as_asked": Slip(Call, "take_read", lambda *_: False, "a tight deadline"),
    "reads_only_when_unsure": Slip(Call, "is_unsure", lambda _: True),
    "looks_before_repeating": Slip(Call, "is_unsure", lambda _: False, "a tight deadline"),
    "sends_at_most": Slip(
        call,
        "decide",
        lambda *given, **more: policy.decide(*given, **{**more, "retried": more["retried"] - 1}),
        "a tight deadline",
    ),
    "replays_are_counted": Slip(Call, "_note", lambda *_: None, "a tight deadline"),
    "keeps_the_deadline": Slip(call, "seconds_kept", lambda *_: 0.0, "a tight deadline"),
    "nothing_in_vain": Slip(comparison, "moment_of", lambda _: None),
    "error_of_the_last_attempt": Slip(sender, "why", pass_on),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_broken_is_named(clients: Clients, monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    slip = SLIPS[rule]
    monkeypatch.setattr(slip.owner, slip.name, slip.value)
    found = [broken(ended) for _, ended in calls(clients, setting(slip.setting), asynchronous=False)]
    assert any(rule in names for names in found)


def test_a_difference_between_the_clients_is_named(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "check_of", None)
    monkeypatch.setattr(sender.SyncSender, "_confirmed", lambda *_, **__: False)
    tally = explore(clients, setting("no retry"))
    assert any(problem.startswith("both clients say the same") for problem in tally.problems)
    assert len(tally.problems) <= prove_decisions.MOST_PROBLEMS + len(RULES)


def test_a_broken_rule_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(prove_decisions, "SETTINGS", [setting("never read back")])
    monkeypatch.setattr(prove_decisions, "DOCUMENT", tmp_path / "proof.md")
    prove_decisions.DOCUMENT.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    assert prove_decisions.main(["--write"]) == 0
    monkeypatch.setattr(policy.AttemptOutcome, "maybe_applied", False)
    assert prove_decisions.main(["--write"]) == 1
    assert "said_is_true: never read back: 0.00 s PUT" in capsys.readouterr().err


# -- the choices -----------------------------------------------------------------------------------------------------


def test_every_choice_is_taken_once() -> None:
    """The second choice depends on the first, as one request depends on what became of the last."""
    taken: list[str] = []
    beginning: list[int] | None = []
    while beginning is not None:
        choices = Choices(beginning)
        first = choices.choose("ab")
        taken.append(first + (choices.choose("123") if first == "b" else ""))
        beginning = choices.next()
    assert taken == ["a", "b1", "b2", "b3"]


def test_states_are_counted_once(clients: Clients) -> None:
    """The beginning, what becomes of the one request, and what the read shows."""
    changes = (prove_decisions.CONFIRMED, *prove_decisions.LOST)
    reads = (prove_decisions.TRUE, prove_decisions.READ_REFUSED)
    small = Setting("small", {"retries": 0}, changes, reads)
    tally = explore(clients, small)
    assert (tally.calls, tally.states) == (1 + 3 * 2, 1 + 4 + 3 * 2)
    assert tally.ends == {
        "returned: answer": 1,
        "returned: read back": 1,
        "may be applied, different": 2,
        "may be applied, unknown": 3,
    }
