"""The Sphinx extension of the site: directives, the question of each page, and llms.txt.

Directives, each in a fenced block of its name:

- `http-api`: the operations of the spec with the evidence for each statement.
- `exit-codes`: the table of exit codes of the module that is its argument.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from docs_site.exit_codes import exit_codes
from docs_site.http_api import http_api
from docs_site.llms import Page, llms_txt

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "openapi" / "smarterproctoring.yaml"
QUESTIONS = {
    "AGENTS": "Where are things, and which commands are there?",
    "CHANGELOG": "What changed between two versions?",
    "CONTRIBUTING": "How do I change this package?",
    "README": "What is this repository, and where is what?",
    "SECURITY": "How do I report a vulnerability, and what happens with tokens?",
    "benchmarks/README": "How is the speed measured?",
    "bulk/README": "What is in the distribution smarterproctoring-bulk?",
    "mock/README": "What does the mock server do, and how do I configure it?",
    "openapi/README": "What does the spec state, and how well is each statement known?",
    "overrides/README": "Which faults of the generated code are fixed, and where?",
    "transport/README": "How do bytes travel, and how is a deadline kept?",
    "examples/downstream-service/README": "What does a service look like that uses this package?",
}
"""Of pages outside of docs/: a front matter would be shown where they are read elsewhere, as on a package index."""
INDEX = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>smarterproctoring-client</title>
<meta http-equiv="refresh" content="0; url=docs/index.html">
<a href="docs/index.html">smarterproctoring-client</a>
</html>
"""
PLAIN = ("csv", "http")
"""Languages of fenced blocks that are shown without colors: Pygments does not know them, or only whole messages."""
log = logging.getLogger(__name__)


class _Markdown(SphinxDirective):
    """Shows Markdown that is made while the site is built."""

    final_argument_whitespace: ClassVar[bool] = False

    def text(self) -> str:
        """Return the Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(self.text(), allow_section_headings=True)


class HttpApi(_Markdown):
    """The operations of the spec."""

    def text(self) -> str:
        """Return the operations as Markdown."""
        self.env.note_dependency(SPEC)
        return http_api(SPEC.read_text(encoding="utf-8"))


class ExitCodes(_Markdown):
    """The exit codes of a command line."""

    required_arguments = 1

    def text(self) -> str:
        """Return the table as Markdown."""
        return exit_codes(str(self.arguments[0]))


def question_of(env: BuildEnvironment, page: str) -> str:
    """Return the question that a page answers; empty if it has none."""
    return str(env.metadata.get(page, {}).get("question", "")) or QUESTIONS.get(
        page, ""
    )


def show_question(app: Sphinx, document: nodes.document) -> None:
    """Show the question of a page below its title, where the search finds it as well."""
    page = app.env.docname
    question = question_of(app.env, page)
    if not question:
        if page != app.config.root_doc and not page.startswith(
            ("docs/decisions/", "docs/benchmarks/")
        ):
            log.warning(
                "the page answers no question: add `question: …` to its front matter",
                location=page,
            )
        return
    title = next(document.findall(nodes.title), None)
    if title is not None:
        parent = title.parent
        parent.insert(
            parent.index(title) + 1,
            nodes.paragraph(question, question, classes=["question"]),
        )


def write_more(app: Sphinx, failure: Exception | None) -> None:
    """Write llms.txt, and an index.html that leads to the first page."""
    if failure is not None or app.builder.format != "html":
        return
    env = app.env
    pages = [
        Page(
            name,
            env.titles[name].astext(),
            question_of(env, name),
            app.builder.get_target_uri(name),
        )
        for name in sorted(env.found_docs)
        if name != app.config.root_doc
    ]
    (app.outdir / "llms.txt").write_text(llms_txt(pages), encoding="utf-8")
    (app.outdir / "index.html").write_text(INDEX, encoding="utf-8")


def _no_rst(_app: Sphinx, config: Config) -> None:
    """Read Markdown alone: an .rst file in a folder of npm's or of a test is no page."""
    config.source_suffix = {".md": "markdown"}


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register everything."""
    for language in PLAIN:
        app.add_lexer(language, TextLexer)
    app.add_directive("http-api", HttpApi)
    app.add_directive("exit-codes", ExitCodes)
    app.connect("config-inited", _no_rst)
    app.connect("doctree-read", show_question)
    app.connect("build-finished", write_more)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
