"""llms.txt: the pages of the site with the question that each answers, for programs that read documentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SECTIONS = {
    "docs/tutorial/": "Tutorial",
    "docs/how-to/": "How-to guides",
    "docs/reference/": "Reference",
    "docs/explanation/": "Explanation",
}
"""By the beginning of a page's name; other pages are for maintainers."""
OTHERS = "For maintainers"
OUTSIDE = {
    "mock/README": "Reference",
    "openapi/README": "Reference",
    "examples/downstream-service/README": "How-to guides",
}
"""Pages outside of these folders that are for users."""
SUMMARY = "A typed Python client that moves proctored exam sessions, and says what is known after each call."


@dataclass(frozen=True)
class Page:
    """A page of the site.

    Attributes:
        name: Its path in the repository without the suffix.
        title: Its title.
        question: The question that it answers.
        url: Its URL, relative to the site.
    """

    name: str
    title: str
    question: str
    url: str

    @property
    def section(self) -> str:
        """The heading that it stands below."""
        if self.name in OUTSIDE:
            return OUTSIDE[self.name]
        found = [
            heading
            for start, heading in SECTIONS.items()
            if self.name.startswith(start)
        ]
        return found[0] if found else OTHERS


def llms_txt(pages: Sequence[Page]) -> str:
    """Return the text, in the form of llmstxt.org: a title, a summary, and lists of links below headings."""
    lines = ["# smarterproctoring-client", "", f"> {SUMMARY}", ""]
    for heading in [*SECTIONS.values(), OTHERS]:
        lines += [f"## {heading}", ""]
        for page in pages:
            if page.section == heading:
                lines.append(
                    f"- [{page.title}]({page.url}){': ' if page.question else ''}{page.question}"
                )
        lines.append("")
    return "\n".join(lines)
