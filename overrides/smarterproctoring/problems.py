"""A problem with an argument or a setting, as data."""

from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong, as data; `str()` makes a sentence of it.

    Attributes:
        field: The keyword (of an argument or a setting) that it is about; empty if it is about no single one.
        code: The kind of problem in one word: `required`, `type`, `enum`, `pattern`, `time`, `order`, `empty`, `json`,
            `read_only`; for settings `value`, `missing`, `unusable`, `plain-http`.
        text: What is wrong and how to fix it, without the value. It continues a sentence that begins with the field.
        name: What the user calls the field where that is not its keyword, such as the variable a setting came from.
    """

    field: str
    code: str
    text: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name or self.field} {self.text}".lstrip()


class RuleError(ValueError):
    """A value that breaks the spec; its text and `code` become those of a `Problem`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def problem_from(keyword: str, error: ValueError) -> Problem:
    """Return the problem that a rule raised for a keyword; what is not a `RuleError` is about a time."""
    code = error.code if isinstance(error, RuleError) else "time"
    return Problem(keyword, code, str(error))
