"""What became of one row of the list."""

from __future__ import annotations

import json
from typing import Literal, NamedTuple, TypeAlias, get_args

State: TypeAlias = Literal["ok", "rejected", "conflict", "invalid", "gave_up"]
STATES: tuple[State, ...] = get_args(State)
"""Every state a row can end in, from best to worst to read."""


class Outcome(NamedTuple):
    """What became of one row; every distinct session of a list ends in exactly one.

    Attributes:
        line: The row's line in the list; 1 is the first.
        sids: Install, exam and session. Empty text where the row was so wrong that they are not known.
        state: `ok`: moved. `rejected`: the API refused it (4xx). `conflict`: not sent, the list says two things about
            this session. `invalid`: not sent, the row is wrong. `gave_up`: no answer that settles it; a re-run tries
            again.
        status: The last HTTP status, if there was an answer.
        code: The API's error code.
        message: The API's error message, or what is wrong with the row. Never a value of the row.
        maybe_applied: Whether the change may have been made although the state is not `ok`.
        attempts: How often a request was begun.
        replays: How many of those followed an attempt that may have been applied already.
        elapsed: Seconds from the first attempt to the last answer, waits between them included.
        at: When it was recorded, in seconds since 1970 (UTC).
    """

    line: int
    sids: tuple[str, str, str]
    state: State
    status: int | None = None
    code: str | None = None
    message: str | None = None
    maybe_applied: bool = False
    attempts: int = 0
    replays: int = 0
    elapsed: float = 0.0
    at: float = 0.0

    def to_json(self) -> str:
        """Return compact JSON: an array in the order of the attributes."""
        compact = self._replace(elapsed=round(self.elapsed, 4), at=round(self.at, 3))
        return json.dumps(compact, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Outcome:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        try:
            line, (install, exam, session), state, *rest = json.loads(text)
            outcome = cls(line, (install, exam, session), state, *rest)
        except (TypeError, ValueError):
            raise ValueError("this is not the JSON of an outcome") from None
        if outcome.state not in STATES:
            raise ValueError("this outcome has a state that this version does not know")
        return outcome
