"""The exit codes of the commands: what each means, and which error ends with which."""

from __future__ import annotations

from typing import Final

from smarterproctoring_generated.results import Check, Verdict

from smarterproctoring import errors

EXIT_CODES: Final = {
    0: "done, or looked: the session is as asked",
    1: "unexpected failure of this program",
    2: "bad input or settings; nothing was changed",
    3: "the token is wrong, expired, or may not do this",
    4: "no such install, exam or session",
    5: "refused by the API for another reason",
    6: "rate limit; try again later",
    7: "not applied: no connection, a certificate that is not trusted, 501, or the read before the change failed",
    8: "MAY HAVE BEEN APPLIED, and was not read back: look at the session before you try again",
    13: "looked: the session was not as asked; a change that was sent MAY HAVE BEEN APPLIED anyway",
    14: "could not look; a change that was sent MAY HAVE BEEN APPLIED",
    130: "interrupted; nothing was changed",
}
"""Those of `bulk` are its own; 9 to 12 are left to it, so that no number says two things."""
FAILED: Final = 1
BAD_INPUT: Final = 2
AUTH: Final = 3
NOT_FOUND: Final = 4
REFUSED: Final = 5
RATE_LIMIT: Final = 6
NOT_APPLIED: Final = 7
MAYBE_APPLIED: Final = 8
NOT_AS_ASKED: Final = 13
COULD_NOT_LOOK: Final = 14
INTERRUPTED: Final = 130
EPILOG: Final = "\b\nExit codes:\n" + "\n".join(
    f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items()
)
"""The table as `--help` ends with it."""
_OF_READS: Final = {
    NOT_AS_ASKED: "looked: the session is not as asked",
    COULD_NOT_LOOK: "could not look",
}
"""What a code means after a command that sends no change, where that is less than the table says."""
_OF_VERDICTS: Final[dict[Verdict, int]] = {
    "as_asked": 0,
    "different": NOT_AS_ASKED,
    "unknown": COULD_NOT_LOOK,
}
_OF_KINDS: Final[tuple[tuple[type[errors.SmarterProctoringError], int, int], ...]] = (
    (errors.InterruptedCallError, INTERRUPTED, INTERRUPTED),
    (errors.ValidationError, BAD_INPUT, BAD_INPUT),
    (errors.ConfigurationError, BAD_INPUT, BAD_INPUT),
    (errors.AuthenticationError, AUTH, AUTH),
    (errors.PermissionDeniedError, AUTH, AUTH),
    (errors.NotFoundError, NOT_FOUND, NOT_FOUND),
    (errors.RateLimitError, RATE_LIMIT, RATE_LIMIT),
    (errors.ServerError, NOT_APPLIED, COULD_NOT_LOOK),
    (errors.APIConnectionError, NOT_APPLIED, COULD_NOT_LOOK),
    (errors.UnconfirmedError, NOT_APPLIED, COULD_NOT_LOOK),
    (errors.HookError, BAD_INPUT, BAD_INPUT),
    (errors.APIStatusError, REFUSED, REFUSED),
)
"""Kinds of errors, the more special first, each with the exit code of a change and of a read."""


def exit_code(error: Exception, *, of_read: bool = False) -> int:
    """Return the exit code of an error.

    Args:
        error: What ended a command.
        of_read: Whether the command can only read.
    """
    if not isinstance(error, errors.SmarterProctoringError):
        return FAILED
    if error.maybe_applied:
        return _code_of_doubt(error.check)
    for kind, of_change, of_reading in _OF_KINDS:
        if isinstance(error, kind):
            return of_reading if of_read else of_change
    return FAILED


def meaning(code: int, *, of_read: bool = False) -> str:
    """Return what an exit code means, after a command that can only read if `of_read` is set."""
    return _OF_READS.get(code, EXIT_CODES[code]) if of_read else EXIT_CODES[code]


def verdict_code(check: Check) -> int:
    """Return the exit code of what reading back says."""
    return _OF_VERDICTS[check.verdict]


def _code_of_doubt(check: Check | None) -> int:
    """Return the exit code of a change that may have been applied; never 0, whatever was read before."""
    if check is None:
        return MAYBE_APPLIED
    return verdict_code(check) or MAYBE_APPLIED
