"""Rows that may have been applied, or were, and what reading their sessions says of them."""

from __future__ import annotations

from typing import Final, NamedTuple

from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_bulk.rows import Row

CONFIRMED: Final = "confirmed by reading back"
NOT_SO: Final = "not so when looked (may still be applied)"


class Doubt(NamedTuple):
    """A row that may have been applied although it is not `ok`.

    Attributes:
        row: The row.
        outcome: What is known of it; its state is `open` if it is not settled.
        chunk: The number of its chunk.
    """

    row: Row
    outcome: Outcome
    chunk: int


class Applied(NamedTuple):
    """A row that was applied.

    Attributes:
        row: The row.
        before: The session's times before, as in `Outcome.found`.
    """

    row: Row
    before: str | None


def confirmed(outcome: Outcome, at: float) -> Outcome:
    """Return the outcome of a row whose session was found as the row asks.

    Args:
        outcome: What was known.
        at: When it is recorded, in seconds since 1970.
    """
    return outcome._replace(
        state="ok",
        status=None,
        code=None,
        message=CONFIRMED,
        maybe_applied=False,
        at=at,
    )


def noted(outcome: Outcome) -> Outcome:
    """Return the outcome of a row whose session was not as the row asks."""
    before = (outcome.message or "").removesuffix(NOT_SO).removesuffix("; ")
    message = f"{before}; {NOT_SO}" if before else NOT_SO
    return outcome._replace(message=message)
