"""The gate over the documentation site: what it refuses, and what the built site holds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Literal, TypedDict
from urllib.parse import quote

import pytest
import yaml
from docs.quotes import ROOT
from docs_site.exit_codes import exit_codes
from docs_site.http_api import http_api
from docs_site.links import Site
from docs_site.llms import Page, llms_txt
from once import once
from playwright.sync_api import sync_playwright
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION

pytestmark = pytest.mark.tooling
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
SPEC = (ROOT / "openapi" / "smarterproctoring.yaml").read_text()


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a repository, as `make docs` does."""
    command = [sys.executable, "tools/build_docs.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def repository(folder: Path, pages: dict[str, str]) -> Path:
    """Make a repository with the gate of this one and these pages."""
    (folder / "docs").mkdir()
    for name in ("pyproject.toml", "docs/conf.py"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "docs" / "_static", folder / "docs" / "_static")
    shutil.copytree(ROOT / "tools" / "docs_site", folder / "tools" / "docs_site")
    shutil.copy(ROOT / "tools" / "build_docs.py", folder / "tools")
    for name, text in pages.items():
        (folder / "docs" / f"{name}.md").write_text(text)
    return folder


INDEX = "# Title\n\n```{toctree}\n:glob:\n\nin-*\n```\n"
HEAD = "---\nquestion: What is this?\n---\n\n# Page\n\n"
GOOD = "[the index](index.md) and [a place](#further)\n\n## Further\n\n```json\n{}\n```\n"
FAULTS = {
    "in-no-page": (HEAD + "[x](nowhere.md)\n", "target not found: 'nowhere.md'"),
    "in-no-place": (HEAD + "[x](index.md#none)\n", "local id not found in doc 'docs/index': 'none'"),
    "in-no-question": ("# Page\n", "the page answers no question"),
    "in-no-name": (
        HEAD + "```{eval-rst}\n.. autoclass:: smarterproctoring.Nothing\n```\n",
        "failed to import 'Nothing'",
    ),
    "in-no-directive": (HEAD + "```{nothing}\n```\n", "Unknown directive type: 'nothing'"),
    "in-no-language": (HEAD + "```nothing\nx\n```\n", "Pygments lexer name 'nothing' is not known"),
    "out": (HEAD, "document isn't included in any toctree"),
}


@pytest.mark.slow
def test_a_good_site_is_built(tmp_path: Path) -> None:
    done = run(repository(tmp_path, {"index": INDEX, "in-page": HEAD + GOOD}))
    assert done.returncode == 0, done.stderr
    assert "links within the site" in done.stdout
    assert "docs/index.html" in (tmp_path / "build" / "docs" / "index.html").read_text()
    assert "- [Page](docs/in-page.html): What is this?" in (tmp_path / "build" / "docs" / "llms.txt").read_text()


@pytest.mark.slow
def test_each_warning_is_an_error(tmp_path: Path) -> None:
    done = run(repository(tmp_path, {"index": INDEX, **{name: text for name, (text, _) in FAULTS.items()}}))
    assert done.returncode == 1
    assert "error: the site has faults" in done.stderr
    for name, (_, message) in FAULTS.items():
        assert message in done.stderr, name


@pytest.mark.slow
def test_a_link_that_sphinx_does_not_see_is_found(tmp_path: Path) -> None:
    page = HEAD + '<a href="gone.html">x</a> <img src="https://example.com/x.png">\n'
    done = run(repository(tmp_path, {"index": INDEX, "in-page": page}))
    assert done.returncode == 1
    assert "docs/in-page.html: gone.html: no such file" in done.stderr
    assert "https://example.com/x.png: loaded from elsewhere" in done.stderr


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="b.html">x</a>', ""),
        ('<a href="b.html#here">x</a>', ""),
        ('<a href="#top">x</a><p id="top">', ""),
        ('<a href="https://example.com/">x</a>', ""),
        ('<a href="mailto:ada@example.org">x</a>', ""),
        ('<a href="b.html#there">x</a>', "no such place in the page"),
        ('<a href="#there">x</a>', "no such place in the page"),
        ('<a href="c.html">x</a>', "no such file"),
        ('<img src="c.png">', "no such file"),
        ('<script src="//example.com/x.js"></script>', "loaded from elsewhere"),
        ('<link rel="stylesheet" href="https://example.com/x.css">', "loaded from elsewhere"),
    ],
)
def test_links_of_pages(html: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(html)
    (tmp_path / "b.html").write_text('<p id="here">')
    found = list(Site(tmp_path).problems())
    assert len(found) == bool(problem)
    assert all(problem in line for line in found)


# -- what is made from the spec and the code ---------------------------------------------------------------------------


def test_the_http_api_has_each_field_with_its_evidence() -> None:
    shown = http_api(SPEC)
    properties = yaml.safe_load(SPEC)["components"]["schemas"]["SessionChange"]["properties"]
    section = shown.partition("## SessionChange")[2].partition("\n## ")[0]
    rows = {row[0]: row for line in section.splitlines() if len(row := re.findall(r"(?<=\| )[^|]*(?= \|)", line)) > 3}
    for field in RESCHEDULE_EXAM_SESSION.fields:
        row = rows[f"`{field.name}`"]
        assert field.description.partition(" It must")[0].split(".")[0] in row[2]
        assert row[-1] == properties[field.name].get("x-evidence", "D")
        assert (f"`{field.reads_back_as}`" in row[3]) == bool(field.reads_back_as)


def test_what_is_inherited_and_what_has_a_letter_of_its_own() -> None:
    document = yaml.safe_load(SPEC)
    document["components"]["schemas"]["Error"]["properties"]["code"]["x-evidence"] = "I"
    section = http_api(json.dumps(document)).partition("## Error\n")[2].partition("\n## ")[0]
    letters = dict(re.findall(r"(?m)^\| `(\w+)` .* (\w) \|$", section))
    assert letters == {"code": "I", "message": "V", "status": "V", "more_info": "V"}


def test_exit_codes_are_those_of_the_program() -> None:
    shown = exit_codes("smarterproctoring._cli.exit_codes")
    assert "| 4 | no such install, exam or session |" in shown


def test_llms_txt_lists_pages_below_their_headings() -> None:
    pages = [
        Page("docs/how-to/a", "A", "How do I a?", "docs/how-to/a.html"),
        Page("mock/README", "Mock", "What?", "mock/README.html"),
        Page("CHANGELOG", "Changelog", "", "CHANGELOG.html"),
    ]
    lines = llms_txt(pages).splitlines()
    assert lines[0] == "# smarterproctoring-client"
    assert lines.index("- [A](docs/how-to/a.html): How do I a?") > lines.index("## How-to guides")
    assert lines.index("- [Mock](mock/README.html): What?") > lines.index("## Reference")
    assert lines.index("- [Changelog](CHANGELOG.html)") > lines.index("## For maintainers")


# -- the site of this repository ---------------------------------------------------------------------------------------


builds = pytest.mark.timeout(600)
"""The first of the tests builds the site, and the others wait for it; the limit only ends a hang."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once for all test processes."""

    def fill(folder: Path) -> None:
        command = [sys.executable, "tools/build_docs.py", "--out", str(folder / "site")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return once(tmp_path_factory, "site", fill) / "site"


@pytest.mark.slow
@builds
def test_each_page_for_users_is_listed_with_a_question_of_its_own(site: Path) -> None:
    listed = re.findall(r"(?m)^- \[.*?\]\((.*?)\)(?:: (.*))?$", (site / "llms.txt").read_text())
    names = {url.removesuffix(".html") for url, _ in listed}
    folders = ("tutorial", "how-to", "reference", "explanation")
    pages = {f"docs/{folder}/{path.stem}" for folder in folders for path in (ROOT / "docs" / folder).glob("*.md")}
    assert pages <= names
    questions = [question for _, question in listed if question]
    assert len(questions) == len(set(questions)) >= len(pages)


@pytest.mark.slow
@builds
def test_the_reference_shows_every_option_and_field(site: Path) -> None:
    shown = (site / "docs" / "reference" / "clients.html").read_text()
    for field in RESCHEDULE_EXAM_SESSION.fields:
        assert field.keyword in shown
    text = re.sub(r"<[^>]*>", "", shown)
    assert "deadline: float = 60.0" in text
    assert "retries: int = 2" in text
    commands = (site / "docs" / "reference" / "command-line.html").read_text()
    assert "--appointment-start-date-time" in commands
    assert "--lease" in commands


QUESTIONS = {
    "install private index": "docs/how-to/private-index.html",
    "How do I move one session?": "docs/how-to/one-session.html",
    "may have been applied": "docs/how-to/may-have-been-applied.html",
    "How do I rotate a token?": "docs/how-to/rotate-tokens.html",
    "proxy certificate": "docs/how-to/proxies-and-cas.html",
    "How do I test my own service?": "docs/how-to/testing.html",
    "whole exam window": "docs/how-to/exam-window.html",
    "exit code 8": "docs/reference/exit-codes.html",
    "default deadline": "docs/reference/clients.html",
    "log retries": "docs/how-to/observe.html",
}
"""What a newcomer types into the search, and the page that answers it."""
SHOWN = "[...document.querySelectorAll('#search-results ul.search > li > a')].map(link => link.getAttribute('href'))"


@pytest.mark.slow
@builds
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_search_answers_a_newcomers_questions_among_its_first_three_pages(site: Path) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        for question, answer in QUESTIONS.items():
            page.goto(f"{(site / 'search.html').as_uri()}?q={quote(question)}")
            page.wait_for_selector("#search-results p.search-summary:not(:empty)")
            page.wait_for_function("document.querySelector('#search-results h2').textContent === 'Search Results'")
            shown: list[str] = page.evaluate(SHOWN)
            pages = list(dict.fromkeys(re.split("[?#]", link)[0] for link in shown))
            assert answer in pages[:3], f"{question}: {pages[:5]}"
        browser.close()
    assert requested
    assert [url for url in requested if not url.startswith("file:")] == []


WIDER = """
() => {
    const page = document.documentElement;
    const title = document.querySelector("h1");
    if (title) title.style.overflowWrap = "normal";
    return [page.scrollWidth - page.clientWidth, title ? title.scrollWidth - title.clientWidth : 0];
}
"""
"""By how much a page is wider than the window, and a word of its title wider than the page."""
CONTRAST = """
() => {
    const parts = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = ([red, green, blue]) => {
        const linear = [red, green, blue].map((value) => value / 255).map((value) =>
            value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const ground = (element) => {
        for (; element; element = element.parentElement) {
            const color = parts(getComputedStyle(element).backgroundColor);
            if ((color[3] ?? 1) > 0.5) return color;
        }
        return [255, 255, 255];
    };
    const low = [];
    let texts = 0;
    for (const element of document.querySelectorAll("article *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility({ opacityProperty: true })) continue;
        const [a, b] = [light(parts(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
        texts += 1;
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) low.push([contrast, `${element.className} ${element.textContent.slice(0, 30)}`]);
    }
    return { texts, low, ground: getComputedStyle(document.body).backgroundColor };
}
"""
"""Texts that hardly differ from what is behind them, by their contrast as WCAG 2 counts it."""


class Contrast(TypedDict):
    """What the script returns: the number of texts, those of too low contrast, and the colour of the page."""

    texts: int
    low: list[tuple[float, str]]
    ground: str


@pytest.mark.slow
@builds
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_each_page_fits_a_narrow_window_and_its_text_can_be_read_on_light_and_dark_ground(site: Path) -> None:
    texts = Counter[str]()
    grounds = defaultdict[str, set[str]](set)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 375, "height": 800})
        for path in sorted(site.rglob("*.html")):
            if 'http-equiv="refresh"' in path.read_text(encoding="utf-8"):
                continue
            page.goto(path.as_uri())
            name = path.relative_to(site)
            assert max(page.evaluate(WIDER)) <= 0, name
            for scheme in schemes:
                page.emulate_media(color_scheme=scheme)
                shown: Contrast = page.evaluate(CONTRAST)
                assert (name, scheme, shown["low"]) == (name, scheme, [])
                texts[scheme] += shown["texts"]
                grounds[scheme].add(shown["ground"])
        browser.close()
    assert min(texts.values()) > 10_000
    assert grounds["light"].isdisjoint(grounds["dark"]), "the pages did not change their colours"
