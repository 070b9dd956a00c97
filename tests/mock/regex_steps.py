"""A backtracking matcher that counts its steps, to tell whether a pattern is safe on whatever a client sends.

It knows the syntax that this project's patterns use. It takes the steps that Python's and a browser's engines take, so
that a pattern whose steps grow faster than the text is found on any machine, however fast.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import TypeAlias

Continue: TypeAlias = Callable[[int], bool]
Node: TypeAlias = Callable[[int, Continue], bool]

MOST = 20_000
"""Steps after which a match is given up: far beyond what the texts here need."""


class TooManySteps(Exception):  # noqa: N818  a verdict
    """The pattern backtracks without end, as far as anybody would wait."""


class CountingRegex:
    """One pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._text = ""
        self._steps = 0
        self._tests: list[dict[str, bool]] = []
        self._atoms: list[re.Pattern[str]] = []
        self._root = self._alternatives()
        assert self._at == len(pattern), f"not understood at {self._at}: {pattern}"

    def steps(self, text: str) -> int:
        """Count the steps of a match of the whole text, and of a search for every match in it."""
        self._text = text
        self._steps = 0
        self._root(0, lambda end: end == len(text))
        start = 0
        while start <= len(text):
            ends: list[int] = []

            def found(end: int, ends: list[int] = ends) -> bool:
                ends.append(end)
                return True

            self._root(start, found)
            start = max(start + 1, *ends) if ends else start + 1
        return self._steps

    def representatives(self) -> list[str]:
        """Return one character for each way in which the pattern can tell characters apart."""
        found: dict[tuple[bool, ...], str] = {}
        for number in [*range(97, 123), *range(33, 97), *range(123, 127), 32, 9, 10, 13, 0, 233]:
            signature = tuple(bool(atom.fullmatch(chr(number))) for atom in self._atoms)
            found.setdefault(signature, chr(number))
        return list(found.values())

    # --- parsing ----------------------------------------------------------------------------------------------

    def _ahead(self, text: str) -> bool:
        return self._pattern.startswith(text, self._at)

    def _take(self, text: str) -> bool:
        if not self._ahead(text):
            return False
        self._at += len(text)
        return True

    def _alternatives(self) -> Node:
        choices = [self._sequence()]
        while self._take("|"):
            choices.append(self._sequence())

        def run(position: int, go_on: Continue) -> bool:
            return any(choice(position, go_on) for choice in choices)

        return run

    def _sequence(self) -> Node:
        nodes: list[Node] = []
        while self._at < len(self._pattern) and not self._ahead("|") and not self._ahead(")"):
            nodes.append(self._quantified())

        def run(position: int, go_on: Continue, index: int = 0) -> bool:
            if index == len(nodes):
                return go_on(position)
            return nodes[index](position, lambda end: run(end, go_on, index + 1))

        return run

    def _quantified(self) -> Node:
        before = len(self._atoms)
        single = not self._ahead("(")
        node = self._atom()
        match = re.compile(r"([*+?]|\{(\d+)(,?)(\d*)\})").match(self._pattern, self._at)
        if match is None:
            return node
        self._at = match.end()
        low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(match[1], (0, None))
        if match[2]:
            low = int(match[2])
            high = int(match[4]) if match[4] else None if match[3] else low
        return self._repeated_character(before, low, high) if single else self._repeated(node, low, high)

    def _atom(self) -> Node:
        for opening, wanted in (("(?=", True), ("(?!", False)):
            if self._take(opening):
                inner = self._group()
                return lambda position, go_on: inner(position, lambda _: True) is wanted and go_on(position)
        for opening, wanted in (("(?<=", True), ("(?<!", False)):
            if self._take(opening):
                return self._lookbehind(self._group(), wanted=wanted)
        if self._take("(?:") or self._take("("):
            return self._group()
        if self._take("^"):
            return lambda position, go_on: position == 0 and go_on(position)
        if self._take("$"):
            return lambda position, go_on: position == len(self._text) and go_on(position)
        return self._character()

    def _group(self) -> Node:
        node = self._alternatives()
        assert self._take(")")
        return node

    def _lookbehind(self, inner: Node, *, wanted: bool) -> Node:
        def run(position: int, go_on: Continue) -> bool:
            starts = range(max(0, position - 6), position)
            return any(inner(start, position.__eq__) for start in starts) is wanted and go_on(position)

        return run

    def _character(self) -> Node:
        match = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\x..|\\.|.", re.DOTALL).match(self._pattern, self._at)
        assert match is not None
        self._at = match.end()
        atom = "[^\\0]" if match[0] == "[^]" else match[0]  # JavaScript's any character
        self._atoms.append(re.compile(atom, re.DOTALL))
        self._tests.append({})
        number = len(self._atoms) - 1
        return lambda position, go_on: self._is(number, position) and go_on(position + 1)

    # --- matching ---------------------------------------------------------------------------------------------

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST:
            raise TooManySteps

    def _is(self, number: int, position: int) -> bool:
        self._step()
        if position >= len(self._text):
            return False
        character = self._text[position]
        known = self._tests[number]
        if character not in known:
            known[character] = self._atoms[number].fullmatch(character) is not None
        return known[character]

    def _repeated_character(self, number: int, low: int, high: int | None) -> Node:
        def run(position: int, go_on: Continue) -> bool:
            end = position
            while (high is None or end - position < high) and self._is(number, end):
                end += 1
            while end - position >= low:
                self._step()
                if go_on(end):
                    return True
                end -= 1
            return False

        return run

    def _repeated(self, node: Node, low: int, high: int | None) -> Node:
        def run(position: int, go_on: Continue, done: int = 0) -> bool:
            self._step()
            more = high is None or done < high
            if more and node(position, lambda end: end > position and run(end, go_on, done + 1)):
                return True
            return done >= low and go_on(position)

        return run


def hostile_texts(regex: CountingRegex, starts: Sequence[str], length: int) -> Iterator[str]:
    """Yield texts of one or two repeated characters, after and before others: what makes patterns backtrack."""
    characters = sorted(regex.representatives(), key=str.isalnum)
    for start, pump, end in product(starts, characters, ["", *characters]):
        yield start + pump * length + end
    pairs = ["".join(pair) for pair in product(characters[:7], repeat=2)]
    for start, pump, end in product(starts[:2], pairs, ["", characters[-1]]):
        yield start + pump * (length // 2) + end


def grows_evenly(pattern: str, starts: Sequence[str], length: int = 12) -> bool:
    """Tell whether twice the text takes about twice the steps, whatever is in it."""
    regex = CountingRegex(pattern)
    texts = zip(hostile_texts(regex, starts, length), hostile_texts(regex, starts, 2 * length), strict=True)
    try:
        return all(regex.steps(long) <= 3 * regex.steps(short) + 40 for short, long in texts)
    except TooManySteps:
        return False
