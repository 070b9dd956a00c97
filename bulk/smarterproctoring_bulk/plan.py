"""What a list asks for, once and without contradictions, and the identity of the job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from smarterproctoring_bulk.outcomes import Outcome
from smarterproctoring_bulk.rows import InputOptions, Problem, Row


class Counts(NamedTuple):
    """How many rows of a list are what; `rows` is the sum of the others.

    Attributes:
        rows: All rows that are not blank.
        sendable: Distinct sessions that can be sent.
        duplicate: Rows that repeat an earlier one exactly; not sent again.
        conflict: Rows whose session the list gives different values; none of them is sent.
        invalid: Rows with a problem of their own.
    """

    rows: int
    sendable: int
    duplicate: int
    conflict: int
    invalid: int


class Duplicate(NamedTuple):
    """A row that says exactly what an earlier one says."""

    line: int
    first: int


class Plan:
    """A list that was read and checked whole. Close it, or use it in a `with` block.

    Attributes:
        counts: How many rows are what.
        fingerprint: 32 hexadecimal digits of the list's bytes and of the options; the same list gives the same job.
    """

    counts: Counts
    fingerprint: str

    def rows(self) -> Iterator[Row]:
        """Read the list again, and yield what can be sent, in its order; the same each time.

        Raises:
            InputError: The list was changed since it was planned.
        """
        raise NotImplementedError

    def problems(self) -> Iterator[Problem]:
        """Yield all that is wrong, conflicts included, by line."""
        raise NotImplementedError

    def duplicates(self) -> Iterator[Duplicate]:
        """Yield the rows that repeat an earlier one, by line."""
        raise NotImplementedError

    def not_sent(self) -> Iterator[Outcome]:
        """Yield an outcome, `invalid` or `conflict`, for each row that is wrong, by line."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the temporary storage back."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def plan(path: Path | str, options: InputOptions) -> Plan:
    """Read and check a whole list; memory does not grow with it.

    Raises:
        InputError: The list as a whole cannot be used.
    """
    raise NotImplementedError
