"""Makes text of others harmless to show."""


def harmless(text: str) -> str:
    """Return text whose control characters are escaped, so that showing it changes nothing but the one line."""
    if text.isprintable():
        return text
    return "".join(
        [
            escape(character) if _is_harmful(character) else character
            for character in text
        ]
    )


def _is_harmful(character: str) -> bool:
    # Control and format characters, halves of a character, and spaces that look like none or end a line.
    return not character.isprintable() and character not in "\u00a0\u202f"


def escape(character: str) -> str:
    """Return the escape that Python writes for a character, in ASCII."""
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
