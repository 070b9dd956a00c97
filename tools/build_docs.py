"""Builds the documentation site into build/docs, without network: `make docs`.

Any warning of Sphinx's, and any link that leads nowhere, is an error. `--serve` then shows the site on this machine.
"""

from __future__ import annotations

import argparse
import gc
import http.server
import shutil
import sys
from functools import partial
from pathlib import Path

from docs_site.links import Site
from sphinx.cmd.build import build_main

ROOT = Path(__file__).resolve().parents[1]


def build(sources: Path, out: Path) -> int:
    """Build the site.

    Args:
        sources: The repository; its docs/conf.py holds the settings.
        out: Where the site goes. What is there is removed, so that no page of an earlier build stays.

    Returns:
        The exit code: 0, or 1 after messages on standard error.
    """
    # Documents are trees of nodes that stay: to look through them for garbage again and again takes a second.
    gc.set_threshold(200_000)
    shutil.rmtree(out, ignore_errors=True)
    options = [
        "--fail-on-warning",
        "--keep-going",
        "--quiet",
        "--builder",
        "html",
        "--conf-dir",
        str(sources / "docs"),
    ]
    doctrees = out.with_name(f"{out.name}-doctrees")
    if build_main([*options, "--doctree-dir", str(doctrees), str(sources), str(out)]):
        print("error: the site has faults; the lines above name them", file=sys.stderr)
        return 1
    site = Site(out.resolve())
    problems = list(site.problems())
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("error: the site has links that lead nowhere", file=sys.stderr)
        return 1
    print(
        f"{out}: {len(site.pages)} pages, {site.link_count():,} links within the site; open {out}/index.html"
    )
    return 0


def serve(out: Path, port: int) -> None:
    """Show the site on this machine until Ctrl-C."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=out)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def main() -> int:
    """Build, and serve if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--serve",
        action="store_true",
        help="then serve the site on 127.0.0.1 until Ctrl-C",
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="port to serve on (8000; 0: a free one)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build") / "docs",
        help="where the site goes (build/docs)",
    )
    options = parser.parse_args()
    code = build(ROOT, options.out)
    if options.serve and code == 0:
        serve(options.out, options.port)
    return code


if __name__ == "__main__":
    sys.exit(main())
