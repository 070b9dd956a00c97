"""Settings of the documentation site; `make docs` builds it."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

project = "smarterproctoring-client"
author = "SmarterProctoring client maintainers"
project_copyright = author
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click", "docs_site.extension"]
# The sources are the repository's Markdown files, so that each link works in a checkout and on the site.
root_doc = "docs/index"
include_patterns = [
    "AGENTS.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "bulk/README.md",
    "docs/*.md",
    "docs/**/*.md",
    "examples/*/README.md",
    "mock/README.md",
    "openapi/README.md",
    "overrides/README.md",
    "transport/README.md",
]
# `**/` is a folder below the top: what may lie at the top itself, Sphinx would walk through, twice.
exclude_patterns = [
    *("**/.*", "**/node_modules", "**/__pycache__"),
    *(".*", "node_modules", "build", "dist", "tests", "requirements"),
]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
default_role = "code"  # docstrings write `name`, as Markdown does

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autoclass_content = "both"
napoleon_use_ivar = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"smarterproctoring {version}"
smartquotes = False  # `--option` would get a dash
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(ROOT / "docs" / "_static" / "scorer.js")
html_copy_source = False
html_show_sphinx = False
html_use_index = True
html_theme_options = {"navigation_with_keys": True}
pygments_style = "a11y-light"  # Pygments' own light styles have comments and numbers that are hard to read
pygments_dark_style = "monokai"
